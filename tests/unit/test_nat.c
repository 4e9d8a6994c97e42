/* SPDX-License-Identifier: BSD-3-Clause */

/* Rules of translation: which are refused, which one decides, where flows go. */

#include "failalloc.h"
#include "toy_nat.h"

#include <weir/set.h>

static const struct weir_nat_rule good[] = {
	{.name = "one", .kind = WEIR_NAT_NONE},
};

static void refuse(const struct weir_nat_rule *rule, bool source, const char *what)
{
	const struct weir_nat_conf conf = {.destination = source ? NULL : rule,
					   .n_destination = !source,
					   .source = source ? rule : NULL,
					   .n_source = source};
	struct weir_nat *nat = NULL;
	struct weir_why why = {0};

	CU_ASSERT_EQUAL(weir_nat_compile(&conf, &nat, &why), -EINVAL);
	CU_ASSERT_PTR_NULL(nat);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "translation rule bad: "));
	if (strstr(why.text, what) == NULL)
		fprintf(stderr, "\"%s\" is not said in \"%s\"\n", what, why.text);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, what));
}

static void test_what_is_no_rule_for_its_list_is_refused(void)
{
	for (unsigned k = 0; k < WEIR_NAT_KINDS; k++) {
		const struct weir_nat_rule r = {.name = "bad", .kind = k};

		if (k == WEIR_NAT_MASQUERADE || k == WEIR_NAT_SNAT || k == WEIR_NAT_CGNAT)
			refuse(&r, false, "is no rule for destinations");
		else if (k == WEIR_NAT_DNAT || k == WEIR_NAT_NAT64)
			refuse(&r, true, "is no rule for sources");
	}
	refuse(&(struct weir_nat_rule){.name = "bad", .kind = WEIR_NAT_KINDS}, true,
	       "no such kind");
}

static void test_a_rule_without_its_parts_is_refused_by_name(void)
{
	const struct weir_prefix v4 = toy_prefix("192.0.2.0/28"), v6 = toy_prefix("2001:db8::/48");
	const struct weir_prefix both[] = {v4, v6}, twice[] = {v4, toy_prefix("192.0.2.8/29")};
	const struct weir_prefix none = {0}, odd = toy_prefix("64:ff9b::/95");
	const struct weir_prefix u_set = toy_prefix("2001:db8:0:0:100::/96");
	struct weir_nat_rule r = {.name = "bad", .kind = WEIR_NAT_SNAT};
	const uint16_t country = 1;

	refuse(&r, true, "needs a pool");
	r.pool = both;
	r.n_pool = 2;
	refuse(&r, true, "IPv4 and IPv6");
	r.pool = twice;
	refuse(&r, true, "overlap");
	r.pool = &none;
	r.n_pool = 1;
	refuse(&r, true, "no prefix");
	r.n_pool = WEIR_NAT_POOL_MAX + 1;
	refuse(&r, true, "too many");
	r = (struct weir_nat_rule){
		.name = "bad", .kind = WEIR_NAT_MASQUERADE, .ports = {2000, 1000}};
	refuse(&r, true, "end before they begin");
	r.ports = (struct weir_range){0};
	r.dports = (struct weir_range){80, 79};
	refuse(&r, true, "end before they begin");
	r.dports.hi = 80;
	r.proto = IPPROTO_ICMP;
	refuse(&r, true, "only TCP and UDP have ports");
	r = (struct weir_nat_rule){.name = "bad",
				   .kind = WEIR_NAT_NONE,
				   .src = {.countries = &country, .n_countries = 1}};
	refuse(&r, true, "countries");
	r.src = (struct weir_rule_addrs){.prefixes = &none, .n_prefixes = 1};
	refuse(&r, false, "no prefix");
	r = (struct weir_nat_rule){.name = "bad", .kind = WEIR_NAT_DNAT};
	refuse(&r, false, "no address to translate to");
	r.to = v4.addr;
	r.dports = (struct weir_range){1000, 2000};
	r.to_port = 65000;
	refuse(&r, false, "above 65535");
	r.to_port = 0;
	r.hairpin = true;
	refuse(&r, false, "hairpin");
	r = (struct weir_nat_rule){
		.name = "bad", .kind = WEIR_NAT_ONE_TO_ONE, .inside = v4, .pool = &v6, .n_pool = 1};
	refuse(&r, false, "differ");
	r.pool = &twice[1];
	refuse(&r, true, "differ");
	r.n_pool = 0;
	refuse(&r, true, "one prefix inside and one outside");
	r.kind = WEIR_NAT_NPT6;
	r.pool = &v4;
	r.n_pool = 1;
	refuse(&r, true, "of IPv6");
	r = (struct weir_nat_rule){.name = "bad", .kind = WEIR_NAT_NAT64, .inside = odd};
	refuse(&r, false, "RFC 6052");
	r.inside = u_set;
	refuse(&r, false, "bits 64 to 71");
	r.inside = toy_prefix("64:ff9b::/96");
	r.pool = &v6;
	r.n_pool = 1;
	refuse(&r, false, "pool must be of IPv4");
}

static void test_too_many_rules_are_refused(void)
{
	const struct weir_nat_conf conf = {.n_destination = WEIR_NAT_RULES_MAX, .n_source = 1};
	struct weir_nat *nat = NULL;

	CU_ASSERT_EQUAL(weir_nat_compile(&conf, &nat, NULL), -ENOSPC);
	CU_ASSERT_PTR_NULL(nat);
	weir_nat_free(NULL);
}

static void test_rules_have_names_by_their_number(void)
{
	const struct weir_nat_rule source = {.name = "two", .kind = WEIR_NAT_MASQUERADE};
	struct weir_nat *nat = toy_nat_rules(good, 1, &source, 1);

	CU_ASSERT_EQUAL(weir_nat_count(nat), 2);
	CU_ASSERT_STRING_EQUAL(weir_nat_name(nat, 0), "one");
	CU_ASSERT_STRING_EQUAL(weir_nat_name(nat, 1), "two");
	CU_ASSERT_PTR_NULL(weir_nat_name(nat, 2));
	weir_nat_free(nat);
}

static void test_without_memory_there_is_no_translator(void)
{
	const struct weir_prefix pool = toy_prefix("192.0.2.0/28"), lan = toy_prefix("10.0.0.0/8");
	const struct weir_set *set = NULL;
	const struct weir_nat_rule rules[] = {
		{.name = "a", .kind = WEIR_NAT_SNAT, .pool = &pool, .n_pool = 1},
		{.name = "b",
		 .kind = WEIR_NAT_MASQUERADE,
		 .src = {.prefixes = &lan, .n_prefixes = 1},
		 .dst = {.sets = &set, .n_sets = 1}},
	};
	const struct weir_nat_conf conf = {
		.destination = good, .n_destination = 1, .source = rules, .n_source = 2};
	struct weir_nat *nat = NULL;

	FAILALLOC_EACH(n)
	{
		struct weir_why why = {0};
		const int rc = weir_nat_compile(&conf, &nat, &why);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			CU_ASSERT_TRUE(n > 5);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(nat);
		CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "out of memory"));
	}
	weir_nat_free(nat);
}

/* A port forward of two services, an exception before it, and one that moves a range. */
static void test_port_forwards_go_where_the_first_match_says(void)
{
	const struct weir_prefix outside = toy_prefix("203.0.113.1/32");
	const struct weir_prefix friend = toy_prefix("198.51.100.9/32");
	const struct weir_nat_rule rules[] = {
		{.name = "not-him",
		 .kind = WEIR_NAT_NONE,
		 .from_zones = ZONE(WAN),
		 .src = {.prefixes = &friend, .n_prefixes = 1}},
		{.name = "web",
		 .kind = WEIR_NAT_DNAT,
		 .from_zones = ZONE(WAN),
		 .proto = IPPROTO_TCP,
		 .dst = {.prefixes = &outside, .n_prefixes = 1},
		 .dports = {80, 80},
		 .to = toy_addr("10.0.0.80"),
		 .to_port = 8080},
		{.name = "range",
		 .kind = WEIR_NAT_DNAT,
		 .from_zones = ZONE(WAN),
		 .proto = IPPROTO_UDP,
		 .dst = {.prefixes = &outside, .n_prefixes = 1},
		 .dports = {5000, 5100},
		 .to = toy_addr("10.0.0.5"),
		 .to_port = 6000},
		{.name = "rest",
		 .kind = WEIR_NAT_DNAT,
		 .from_zones = ZONE(WAN),
		 .dst = {.prefixes = &outside, .n_prefixes = 1},
		 .to = toy_addr("10.0.0.9")},
	};
	const struct {
		uint8_t proto, from;
		const char *src;
		uint16_t dport;
		const char *dst;
		uint16_t to_port;
		uint32_t rule;
	} cases[] = {
		{IPPROTO_TCP, WAN, "198.51.100.1", 80, "10.0.0.80", 8080, 1},
		{IPPROTO_UDP, WAN, "198.51.100.1", 5000, "10.0.0.5", 6000, 2},
		{IPPROTO_UDP, WAN, "198.51.100.1", 5100, "10.0.0.5", 6100, 2},
		{IPPROTO_UDP, WAN, "198.51.100.1", 5101, "10.0.0.9", 5101, 3},
		{IPPROTO_TCP, WAN, "198.51.100.1", 5000, "10.0.0.9", 5000, 3},
		{IPPROTO_ICMP, WAN, "198.51.100.1", 8, "10.0.0.9", 8, 3},
		{IPPROTO_TCP, WAN, "198.51.100.9", 80, NULL, 80, 0},
		{IPPROTO_TCP, LAN, "198.51.100.1", 80, NULL, 80, WEIR_RULE_DEFAULT},
		{IPPROTO_TCP, UINT8_MAX, "198.51.100.1", 80, NULL, 80, WEIR_RULE_DEFAULT},
	};
	struct toy_nat g;

	toy_nat_begin(&g, toy_nat_rules(rules, RTE_DIM(rules), NULL, 0), 16, 0);
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		const struct weir_tuple orig = toy_flow_of(cases[i].proto, cases[i].src, 4711,
							   "203.0.113.1", cases[i].dport);
		struct weir_tuple leaves;
		uint32_t rule;

		CU_ASSERT_EQUAL(toy_nat_choose(&g, cases[i].from, LAN, &orig, &leaves, &rule), 0);
		CU_ASSERT_EQUAL(rule, cases[i].rule);
		CU_ASSERT_EQUAL(leaves.dport, rte_cpu_to_be_16(cases[i].to_port));
		CU_ASSERT_TRUE(toy_has_addr(leaves.dst,
					    cases[i].dst == NULL ? "203.0.113.1" : cases[i].dst));
		CU_ASSERT_EQUAL(memcmp(leaves.src, orig.src, 16), 0);
		CU_ASSERT_EQUAL(leaves.sport, orig.sport);
	}
	toy_nat_end(&g);
}

static void test_a_port_forward_of_ipv6_is_for_ipv6_alone(void)
{
	const struct weir_nat_rule rule = {.name = "six",
					   .kind = WEIR_NAT_DNAT,
					   .dports = {443, 443},
					   .to = toy_addr("2001:db8::5")};
	const struct weir_tuple v6 =
		toy_flow_of(IPPROTO_TCP, "2001:db8:1::1", 99, "2001:db8:2::1", 443);
	const struct weir_tuple v4 = toy_flow_of(IPPROTO_TCP, "192.0.2.1", 99, "192.0.2.2", 443);
	struct weir_tuple leaves;
	struct toy_nat g;
	uint32_t n;

	toy_nat_begin(&g, toy_nat_rules(&rule, 1, NULL, 0), 16, 0);
	CU_ASSERT_EQUAL(toy_nat_choose(&g, WAN, LAN, &v6, &leaves, &n), 0);
	CU_ASSERT_TRUE(toy_has_addr(leaves.dst, "2001:db8::5"));
	CU_ASSERT_EQUAL(leaves.dport, RTE_BE16(443));
	CU_ASSERT_EQUAL(toy_nat_choose(&g, WAN, LAN, &v4, &leaves, &n), 0);
	CU_ASSERT_EQUAL(n, WEIR_RULE_DEFAULT);
	toy_nat_end(&g);
}

static void test_one_to_one_goes_both_ways_and_keeps_the_host(void)
{
	static const struct {
		const char *inside, *outside, *in, *out;
	} cases[] = {
		{"10.1.2.0/24", "198.51.100.0/24", "10.1.2.77", "198.51.100.77"},
		{"10.1.2.3/32", "198.51.100.9/32", "10.1.2.3", "198.51.100.9"},
		{"fd00:1::/56", "2001:db8:5::/56", "fd00:1:0:7f::5", "2001:db8:5:7f::5"},
	};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		const bool v4 = strchr(cases[i].in, ':') == NULL;
		const char *peer = v4 ? "203.0.113.5" : "2001:db8:99::5";
		const struct weir_prefix outside = toy_prefix(cases[i].outside);
		const struct weir_nat_rule rule = {.name = "pair",
						   .kind = WEIR_NAT_ONE_TO_ONE,
						   .inside = toy_prefix(cases[i].inside),
						   .pool = &outside,
						   .n_pool = 1};
		const struct weir_tuple outwards =
			toy_flow_of(IPPROTO_TCP, cases[i].in, 500, peer, 80);
		const struct weir_tuple inwards =
			toy_flow_of(IPPROTO_TCP, peer, 500, cases[i].out, 80);
		struct weir_tuple leaves;
		struct toy_nat g;
		uint32_t n;

		toy_nat_begin(&g, toy_nat_rules(&rule, 1, &rule, 1), 16, 0);
		CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, WAN, &outwards, &leaves, &n), 0);
		CU_ASSERT_EQUAL(n, 1);
		CU_ASSERT_TRUE(toy_has_addr(leaves.src, cases[i].out));
		CU_ASSERT_EQUAL(leaves.sport, outwards.sport);
		CU_ASSERT_EQUAL(toy_nat_choose(&g, WAN, LAN, &inwards, &leaves, &n), 0);
		CU_ASSERT_EQUAL(n, 0);
		CU_ASSERT_TRUE(toy_has_addr(leaves.dst, cases[i].in));
		CU_ASSERT_TRUE(toy_has_addr(leaves.src, peer));
		toy_nat_end(&g);
	}
}

static void test_sets_of_addresses_decide_with_their_times(void)
{
	const struct weir_set_conf conf = {
		.name = "guests", .entries = 16, .numa = -1, .secret = TOY_SECRET};
	const struct weir_prefix guests = toy_prefix("10.9.0.0/16");
	const struct weir_set *use;
	struct weir_nat_rule rule = {
		.name = "guests", .kind = WEIR_NAT_MASQUERADE, .src = {.sets = &use, .n_sets = 1}};
	const struct weir_tuple guest = toy_flow_of(IPPROTO_UDP, "10.9.1.1", 99, "192.0.2.1", 53);
	const struct weir_tuple other = toy_flow_of(IPPROTO_UDP, "10.8.1.1", 99, "192.0.2.1", 53);
	struct weir_set *set = NULL;
	struct weir_tuple leaves;
	struct toy_nat g;
	uint32_t n;

	toy_eal();
	CU_ASSERT_EQUAL_FATAL(weir_set_create(&conf, &set, NULL), 0);
	CU_ASSERT_EQUAL(weir_set_add(set, &guests, 100), 0);
	use = set;
	for (unsigned negate = 0; negate < 2; negate++) {
		rule.src.negate = negate;
		toy_nat_begin(&g, toy_nat_rules(NULL, 0, &rule, 1), 16, 0);
		toy_nat_own(&g, "192.0.2.7");
		g.asker.now_s = 99;
		CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, WAN, &guest, &leaves, &n), 0);
		CU_ASSERT_EQUAL(n == 0, !negate);
		CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, WAN, &other, &leaves, &n), 0);
		CU_ASSERT_EQUAL(n == 0, negate);
		g.asker.now_s = 101; /* it has ended */
		CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, WAN, &guest, &leaves, &n), 0);
		CU_ASSERT_EQUAL(n == 0, negate);
		toy_nat_end(&g);
	}
	weir_set_free(set);
}

static void test_nat64_takes_the_address_out_of_each_length_of_prefix(void)
{
	/* RFC 6052 section 2.4. */
	static const struct {
		const char *prefix, *dst;
	} cases[] = {
		{"2001:db8::/32", "2001:db8:c000:221::"},
		{"2001:db8:100::/40", "2001:db8:1c0:2:21::"},
		{"2001:db8:122::/48", "2001:db8:122:c000:2:2100::"},
		{"2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"},
		{"2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"},
		{"2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"},
		{"64:ff9b::/96", "64:ff9b::192.0.2.33"},
	};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		const struct weir_nat_rule rule = {.name = "six-four",
						   .kind = WEIR_NAT_NAT64,
						   .inside = toy_prefix(cases[i].prefix)};
		struct weir_tuple t =
			toy_flow_of(IPPROTO_ICMPV6, "2001:db8:9::1", 77, cases[i].dst, 128);
		const uint8_t v4[4] = {192, 0, 2, 33};
		uint8_t embedded[16];
		struct toy_nat g;
		uint32_t n;

		weir_nat64_embed(&rule.inside, v4, embedded);
		CU_ASSERT_EQUAL(memcmp(embedded, t.dst, 16), 0);
		toy_nat_begin(&g, toy_nat_rules(&rule, 1, NULL, 0), 16, 0);
		CU_ASSERT_TRUE(weir_nat_destination(g.nat, &g.asker, LAN, &t, &n));
		CU_ASSERT_EQUAL(t.family, 4);
		CU_ASSERT_TRUE(toy_has_addr(t.dst, "192.0.2.33"));
		CU_ASSERT_TRUE(toy_has_addr(t.src, "0.0.0.0"));
		CU_ASSERT_EQUAL(t.proto, IPPROTO_ICMP);
		CU_ASSERT_EQUAL(t.dport, RTE_BE16(8));
		CU_ASSERT_EQUAL(t.sport, RTE_BE16(77));
		toy_nat_end(&g);
	}
}

static void test_nat64_leaves_addresses_that_no_host_has(void)
{
	static const char *const none[] = {"64:ff9b::127.0.0.1",   "64:ff9b::0.0.0.1",
					   "64:ff9b::224.0.0.1",   "64:ff9b::255.255.255.255",
					   "64:ff9b:1::192.0.2.1", "2001:db8::1"};
	const struct weir_nat_rule rule = {
		.name = "six-four", .kind = WEIR_NAT_NAT64, .inside = toy_prefix("64:ff9b::/96")};
	const struct weir_prefix p64 = toy_prefix("2001:db8:122:344::/64");
	struct weir_tuple t;
	struct toy_nat g;
	uint8_t v4[4];
	uint32_t n;

	toy_nat_begin(&g, toy_nat_rules(&rule, 1, NULL, 0), 16, 0);
	for (unsigned i = 0; i < RTE_DIM(none); i++) {
		t = toy_flow_of(IPPROTO_TCP, "2001:db8:9::1", 77, none[i], 80);
		CU_ASSERT_FALSE(weir_nat_destination(g.nat, &g.asker, LAN, &t, &n));
		CU_ASSERT_EQUAL(t.family, 6);
	}
	toy_nat_end(&g);
	CU_ASSERT_FALSE(weir_nat64_extract(&p64, toy_addr("2001:db8:122:344:1c0:2:2100::").bytes,
					   v4)); /* bits 64 to 71 */
}

WEIR_TESTS("tables/nat", TEST(what_is_no_rule_for_its_list_is_refused),
	   TEST(a_rule_without_its_parts_is_refused_by_name), TEST(too_many_rules_are_refused),
	   TEST(rules_have_names_by_their_number), TEST(without_memory_there_is_no_translator),
	   TEST(port_forwards_go_where_the_first_match_says),
	   TEST(a_port_forward_of_ipv6_is_for_ipv6_alone),
	   TEST(one_to_one_goes_both_ways_and_keeps_the_host),
	   TEST(sets_of_addresses_decide_with_their_times),
	   TEST(nat64_takes_the_address_out_of_each_length_of_prefix),
	   TEST(nat64_leaves_addresses_that_no_host_has))
