/* SPDX-License-Identifier: BSD-3-Clause */

/* What rules match: each field for itself, order, rules that count, zones and sets. */

#include "toy_rules.h"

#include <weir/set.h>

static const struct weir_range http = {80, 80}, high = {1024, 65535};

static void test_a_rule_that_names_nothing_takes_every_packet(void)
{
	const struct weir_rule r = toy_rule("all");
	const struct weir_rule_ask four = toy_udp();
	const struct weir_rule_ask six = toy_ask("2001:db8::1", "2001:db8::2", 47, 0, 0);

	CU_ASSERT(toy_takes(&r, &four));
	CU_ASSERT(toy_takes(&r, &six));
}

static void test_without_rules_the_default_decides(void)
{
	struct weir_rules *rs = toy_rules(NULL, 0);
	const struct weir_rule_ask a = toy_udp();

	CU_ASSERT_EQUAL(toy_decide(rs, &a), WEIR_RULE_DEFAULT);
	CU_ASSERT_EQUAL(weir_rules_count(rs), 0);
	CU_ASSERT_EQUAL(weir_rules_default(rs), WEIR_ACTION_ACCEPT);
	weir_rules_free(rs);
}

static bool prefix_takes(const char *prefix, bool negate, bool of_dst, const char *addr)
{
	const struct weir_prefix p = toy_prefix(prefix);
	const char *other = p.addr.family == 4 ? "203.0.113.9" : "2001:db8:ffff::9";
	const struct weir_rule_ask a = of_dst ? toy_ask(other, addr, IPPROTO_TCP, 1, 2)
					      : toy_ask(addr, other, IPPROTO_TCP, 1, 2);
	struct weir_rule r = toy_rule("prefix");

	*(of_dst ? &r.dst : &r.src) =
		(struct weir_rule_addrs){.prefixes = &p, .n_prefixes = 1, .negate = negate};
	return toy_takes(&r, &a);
}

static void test_a_prefix_takes_its_first_to_its_last_address(void)
{
	for (unsigned dst = 0; dst < 2; dst++) {
		CU_ASSERT(prefix_takes("10.1.0.0/16", false, dst, "10.1.0.0"));
		CU_ASSERT(prefix_takes("10.1.0.0/16", false, dst, "10.1.255.255"));
		CU_ASSERT(!prefix_takes("10.1.0.0/16", false, dst, "10.0.255.255"));
		CU_ASSERT(!prefix_takes("10.1.0.0/16", false, dst, "10.2.0.0"));
		CU_ASSERT(prefix_takes("10.1.2.3/32", false, dst, "10.1.2.3"));
		CU_ASSERT(!prefix_takes("10.1.2.3/32", false, dst, "10.1.2.2"));
		CU_ASSERT(prefix_takes("0.0.0.0/0", false, dst, "255.255.255.255"));
		CU_ASSERT(prefix_takes("2001:db8:0:40::/58", false, dst, "2001:db8:0:7f::1"));
		CU_ASSERT(!prefix_takes("2001:db8:0:40::/58", false, dst, "2001:db8:0:80::"));
		CU_ASSERT(prefix_takes("2001:db8::1/128", false, dst, "2001:db8::1"));
		CU_ASSERT(!prefix_takes("2001:db8::1/128", false, dst, "2001:db8::"));
	}
}

static void test_host_bits_of_a_prefix_are_ignored(void)
{
	CU_ASSERT(prefix_takes("10.1.2.3/16", false, false, "10.1.9.9"));
	CU_ASSERT(prefix_takes("2001:db8::1/64", false, true, "2001:db8::ffff"));
}

static void test_negated_prefixes_take_all_other_addresses(void)
{
	for (unsigned dst = 0; dst < 2; dst++) {
		CU_ASSERT(!prefix_takes("10.0.0.0/8", true, dst, "10.0.0.0"));
		CU_ASSERT(!prefix_takes("10.0.0.0/8", true, dst, "10.255.255.255"));
		CU_ASSERT(prefix_takes("10.0.0.0/8", true, dst, "11.0.0.0"));
		CU_ASSERT(!prefix_takes("2001:db8::/32", true, dst, "2001:db8::1"));
		CU_ASSERT(prefix_takes("2001:db8::/32", true, dst, "2001:db9::"));
	}
}

static void test_prefixes_of_one_family_leave_the_other_alone(void)
{
	const struct weir_prefix four = toy_prefix("10.0.0.0/8");
	const struct weir_rule_ask six = toy_ask("2001:db8::1", "2001:db8::2", IPPROTO_TCP, 1, 2);
	struct weir_rule r = toy_rule("four");

	r.src = (struct weir_rule_addrs){.prefixes = &four, .n_prefixes = 1};
	CU_ASSERT(!toy_takes(&r, &six));
	r.src.negate = true;
	CU_ASSERT(toy_takes(&r, &six)); /* it is in none of them */
}

static void test_a_family_is_a_condition_of_its_own(void)
{
	const struct weir_rule_ask four = toy_udp();
	const struct weir_rule_ask six = toy_ask("2001:db8::1", "2001:db8::2", IPPROTO_UDP, 1, 2);
	struct weir_rule r = toy_rule("family");

	r.family = 4;
	CU_ASSERT(toy_takes(&r, &four) && !toy_takes(&r, &six));
	r.family = 6;
	CU_ASSERT(!toy_takes(&r, &four) && toy_takes(&r, &six));
}

static void test_each_protocol_is_told_from_all_others(void)
{
	struct weir_rule r = toy_rule("proto");
	struct weir_rules *rs;

	r.proto = 132;
	rs = toy_rules(&r, 1);
	for (unsigned proto = 0; proto < 256; proto++) {
		const struct weir_rule_ask a =
			toy_ask("10.0.0.1", "10.0.0.2", (uint8_t)proto, 1, 2);

		CU_ASSERT_EQUAL(toy_decide(rs, &a), proto == 132 ? 0 : WEIR_RULE_DEFAULT);
	}
	weir_rules_free(rs);
}

static bool port_takes(const struct weir_range *ranges, uint32_t n, bool of_dst, uint8_t proto,
		       uint16_t port)
{
	const struct weir_rule_ask a =
		toy_ask("10.0.0.1", "10.0.0.2", proto, of_dst ? 7 : port, of_dst ? port : 7);
	struct weir_rule r = toy_rule("ports");

	if (of_dst) {
		r.dports = ranges;
		r.n_dports = n;
	} else {
		r.sports = ranges;
		r.n_sports = n;
	}
	return toy_takes(&r, &a);
}

static void test_ranges_of_ports_have_both_their_ends(void)
{
	const struct weir_range two[] = {{80, 80}, {8000, 8999}};

	for (unsigned dst = 0; dst < 2; dst++) {
		CU_ASSERT(port_takes(&http, 1, dst, IPPROTO_TCP, 80));
		CU_ASSERT(!port_takes(&http, 1, dst, IPPROTO_TCP, 79));
		CU_ASSERT(!port_takes(&http, 1, dst, IPPROTO_TCP, 81));
		CU_ASSERT(port_takes(&high, 1, dst, IPPROTO_UDP, 1024));
		CU_ASSERT(port_takes(&high, 1, dst, IPPROTO_UDP, 65535));
		CU_ASSERT(!port_takes(&high, 1, dst, IPPROTO_UDP, 1023));
		CU_ASSERT(port_takes(two, 2, dst, IPPROTO_TCP, 80));
		CU_ASSERT(port_takes(two, 2, dst, IPPROTO_TCP, 8000));
		CU_ASSERT(port_takes(two, 2, dst, IPPROTO_TCP, 8999));
		CU_ASSERT(!port_takes(two, 2, dst, IPPROTO_TCP, 7999));
		CU_ASSERT(!port_takes(two, 2, dst, IPPROTO_TCP, 9000));
	}
}

static void test_only_tcp_udp_and_sctp_have_ports(void)
{
	CU_ASSERT(port_takes(&http, 1, true, IPPROTO_TCP, 80));
	CU_ASSERT(port_takes(&http, 1, true, IPPROTO_UDP, 80));
	CU_ASSERT(port_takes(&http, 1, true, IPPROTO_SCTP, 80));
	CU_ASSERT(!port_takes(&http, 1, true, IPPROTO_ICMP, 80));
	CU_ASSERT(!port_takes(&http, 1, true, IPPROTO_GRE, 80));
}

static bool icmp_takes(int16_t type, int16_t code, struct weir_rule_ask a)
{
	struct weir_rule r = toy_rule("icmp");

	a.icmp_type = 3;
	a.icmp_code = 4;
	r.icmp_type = type;
	r.icmp_code = code;
	return toy_takes(&r, &a);
}

static void test_icmp_types_and_codes_are_of_the_family_s_own_icmp(void)
{
	const struct weir_rule_ask four = toy_ask("10.0.0.1", "10.0.0.2", IPPROTO_ICMP, 9, 9);
	const struct weir_rule_ask six =
		toy_ask("2001:db8::1", "2001:db8::2", IPPROTO_ICMPV6, 9, 9);
	const struct weir_rule_ask odd = toy_ask("10.0.0.1", "10.0.0.2", IPPROTO_ICMPV6, 9, 9);

	CU_ASSERT(icmp_takes(3, -1, four) && icmp_takes(3, -1, six));
	CU_ASSERT(icmp_takes(3, 4, four) && icmp_takes(-1, 4, six));
	CU_ASSERT(!icmp_takes(2, -1, four) && !icmp_takes(3, 5, six));
	CU_ASSERT(!icmp_takes(3, -1, odd));
	CU_ASSERT(!icmp_takes(3, -1, toy_udp()));
}

/* Whether a later fragment of this protocol is taken by a rule. */
static bool later_taken(const struct weir_rule *r, const char *src, uint8_t proto)
{
	struct weir_rule_ask a = toy_ask(src, src, proto, 0, 0);

	a.later = true;
	return toy_takes(r, &a);
}

static void test_later_fragments_have_nothing_behind_the_ip_header_that_could_match(void)
{
	static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP,
					 IPPROTO_ICMPV6};
	static const struct weir_range zero = {0, 0}, all = {0, 65535};
	static const char *const ends[] = {"10.0.0.1", "2001:db8::1"};

	for (unsigned i = 0; i < 2 * RTE_DIM(protos); i++) {
		const uint8_t proto = protos[i / 2];
		struct weir_rule r = toy_rule("r");

		CU_ASSERT(later_taken(&r, ends[i % 2], proto));
		r.proto = proto;
		CU_ASSERT(later_taken(&r, ends[i % 2], proto));
		CU_ASSERT(!later_taken(&r, ends[i % 2], IPPROTO_GRE));
		CU_ASSERT(!later_taken(&r, ends[i % 2], IPPROTO_RAW));
		r.proto = 0;
		r.sports = r.dports = &zero;
		r.n_dports = 1;
		CU_ASSERT(!later_taken(&r, ends[i % 2], proto));
		r.dports = &all;
		CU_ASSERT(!later_taken(&r, ends[i % 2], proto));
		r.n_dports = 0;
		r.n_sports = 1;
		CU_ASSERT(!later_taken(&r, ends[i % 2], proto));
		r.n_sports = 0;
		r.tcp_mask = 2; /* not set */
		CU_ASSERT(!later_taken(&r, ends[i % 2], proto));
		r.tcp_mask = 0;
		r.icmp_type = 0;
		CU_ASSERT(!later_taken(&r, ends[i % 2], proto));
	}
}

static bool flags_take(uint8_t flags, uint8_t mask, uint8_t seen)
{
	struct weir_rule_ask a = toy_ask("10.0.0.1", "10.0.0.2", IPPROTO_TCP, 1, 2);
	struct weir_rule r = toy_rule("flags");

	a.tcp_flags = seen;
	r.tcp_flags = flags;
	r.tcp_mask = mask;
	return toy_takes(&r, &a);
}

static void test_tcp_flags_are_looked_at_through_their_mask(void)
{
	const struct weir_rule_ask udp = toy_udp();
	struct weir_rule r = toy_rule("syn");

	CU_ASSERT(flags_take(0x02, 0x12, 0x02)); /* SYN, no ACK */
	CU_ASSERT(flags_take(0x02, 0x12, 0xc2)); /* with ECN's */
	CU_ASSERT(!flags_take(0x02, 0x12, 0x12));
	CU_ASSERT(!flags_take(0x02, 0x12, 0x10));
	CU_ASSERT(flags_take(0, 0xff, 0)); /* the null scan */
	r.tcp_flags = r.tcp_mask = 0x02;
	CU_ASSERT(!toy_takes(&r, &udp));
}

static void test_vlan_and_dscp_are_exact(void)
{
	struct weir_rule r = toy_rule("tags");
	struct weir_rule_ask a = toy_udp();

	r.vlan = 4094;
	CU_ASSERT(!toy_takes(&r, &a));
	a.vlan = 4094;
	CU_ASSERT(toy_takes(&r, &a));
	a.vlan = 3838; /* other high byte */
	CU_ASSERT(!toy_takes(&r, &a));
	r.vlan = 0;
	r.dscp = 0;
	CU_ASSERT(toy_takes(&r, &a));
	a.dscp = 46;
	CU_ASSERT(!toy_takes(&r, &a));
	r.dscp = 46;
	CU_ASSERT(toy_takes(&r, &a));
}

static void test_an_unknown_application_is_accepted_for_the_time_being(void)
{
	struct weir_rule rules[] = {toy_rule("drop 7"), toy_rule("accept 7"), toy_rule("rest")};
	struct weir_rule_ask a = toy_udp();
	struct weir_rules *rs;

	rules[0].app = rules[1].app = 7;
	rules[1].action = WEIR_ACTION_ACCEPT;
	rs = toy_rules(rules, 3);
	CU_ASSERT_EQUAL(toy_decide(rs, &a), 1);
	a.app = 7;
	CU_ASSERT_EQUAL(toy_decide(rs, &a), 0);
	a.app = 8;
	CU_ASSERT_EQUAL(toy_decide(rs, &a), 2);
	weir_rules_free(rs);
}

static void test_the_first_match_wins_however_specific_later_ones_are(void)
{
	const struct weir_prefix host = toy_prefix("10.0.0.1/32"), net = toy_prefix("10.0.0.0/8");
	struct weir_rule rules[] = {toy_rule("udp"), toy_rule("net"), toy_rule("host")};
	struct weir_rule_ask a = toy_udp();
	struct weir_rules *rs;

	rules[0].proto = IPPROTO_UDP;
	rules[1].src = (struct weir_rule_addrs){.prefixes = &net, .n_prefixes = 1};
	rules[2].src = (struct weir_rule_addrs){.prefixes = &host, .n_prefixes = 1};
	rs = toy_rules(rules, 3);
	CU_ASSERT_EQUAL(toy_decide(rs, &a), 0);
	a.tuple.proto = IPPROTO_TCP;
	CU_ASSERT_EQUAL(toy_decide(rs, &a), 1);
	a.tuple.src[0] = 11;
	CU_ASSERT_EQUAL(toy_decide(rs, &a), WEIR_RULE_DEFAULT);
	weir_rules_free(rs);
}

static void test_each_pair_of_zones_has_its_own_rules(void)
{
	struct weir_rule rules[] = {toy_rule("1 to 2"), toy_rule("from 3"), toy_rule("to self")};
	struct weir_rules *rs;

	rules[0].from_zones = 1 << 1;
	rules[0].to_zones = 1 << 2;
	rules[1].from_zones = 1 << 3;
	rules[2].to_zones = 1 << WEIR_ZONE_SELF;
	rs = toy_rules(rules, 3);
	for (uint8_t from = 0; from < 6; from++)
		for (uint8_t to = 0; to < 6; to++) {
			const bool known = from < 4 && to < 4;
			struct weir_rule_ask a = toy_udp();
			uint32_t want = WEIR_RULE_DEFAULT;

			a.from = from;
			a.to = to;
			if (known && from == 3)
				want = 1;
			else if (known && to == WEIR_ZONE_SELF)
				want = 2;
			else if (from == 1 && to == 2)
				want = 0;
			CU_ASSERT_EQUAL(toy_decide(rs, &a), want);
		}
	weir_rules_free(rs);
}

/* Which rules were passed, as bits by packet. */
static void note(void *ctx, uint32_t ask, uint32_t rule)
{
	((uint32_t *)ctx)[ask] |= UINT32_C(1) << rule;
}

static void test_counting_rules_are_told_and_passed(void)
{
	struct weir_rule rules[] = {toy_rule("all"), toy_rule("udp"), toy_rule("drop 53"),
				    toy_rule("last"), toy_rule("accept")};
	const struct weir_range dns = {53, 53};
	struct weir_rule_ask asks[] = {toy_udp(), toy_udp(), toy_udp()};
	uint32_t rule[3], seen[3] = {0};
	struct weir_rules *rs;

	rules[0].action = rules[1].action = rules[3].action = WEIR_ACTION_COUNT;
	rules[1].proto = IPPROTO_UDP;
	rules[2].dports = &dns;
	rules[2].n_dports = 1;
	rules[4].action = WEIR_ACTION_ACCEPT;
	asks[1].tuple.dport = htons(54);
	asks[2].tuple.dport = htons(54);
	asks[2].tuple.proto = IPPROTO_TCP;
	rs = toy_rules(rules, 5);
	weir_rules_ask(rs, toy_only_worker(), asks, 3, 0, 0, rule, note, seen);
	CU_ASSERT_EQUAL(rule[0], 2);
	CU_ASSERT_EQUAL(seen[0], 1u << 0 | 1u << 1);
	CU_ASSERT_EQUAL(rule[1], 4);
	CU_ASSERT_EQUAL(seen[1], 1u << 0 | 1u << 1 | 1u << 3);
	CU_ASSERT_EQUAL(rule[2], 4);
	CU_ASSERT_EQUAL(seen[2], 1u << 0 | 1u << 3);
	weir_rules_free(rs);
}

static void test_a_burst_of_all_zones_and_families_is_answered_in_its_order(void)
{
	static struct weir_rule_ask asks[WEIR_RULE_ASKS_MAX];
	static uint32_t rule[WEIR_RULE_ASKS_MAX];
	struct weir_rule rules[4] = {toy_rule("a"), toy_rule("b"), toy_rule("c"), toy_rule("d")};
	struct weir_rules *rs;

	for (unsigned i = 0; i < 4; i++) {
		rules[i].from_zones = UINT32_C(1) << i;
		rules[i].proto = (uint8_t)(i + 1);
	}
	rs = toy_rules(rules, 4);
	for (unsigned i = 0; i < WEIR_RULE_ASKS_MAX; i++) {
		asks[i] = i % 3 == 0 ? toy_ask("2001:db8::1", "2001:db8::2", 0, 0, 0)
				     : toy_ask("10.0.0.1", "10.0.0.2", 0, 0, 0);
		asks[i].from = (uint8_t)(i * 7 / 3 % 4);
		asks[i].to = (uint8_t)(i % 4);
		asks[i].tuple.proto = (uint8_t)(i % 5 + 1);
	}
	weir_rules_ask(rs, toy_only_worker(), asks, WEIR_RULE_ASKS_MAX, 0, 0, rule, NULL, NULL);
	for (unsigned i = 0; i < WEIR_RULE_ASKS_MAX; i++)
		CU_ASSERT_EQUAL(rule[i], asks[i].tuple.proto == asks[i].from + 1
						 ? asks[i].from
						 : WEIR_RULE_DEFAULT);
	weir_rules_free(rs);
}

static struct weir_set *small_set(const char *name, const char *prefix, uint32_t until_s)
{
	const struct weir_set_conf conf = {
		.name = name, .entries = 16, .numa = -1, .secret = {.k0 = 5, .k1 = 6}};
	const struct weir_prefix p = toy_prefix(prefix);
	struct weir_set *set = NULL;

	toy_eal();
	CU_ASSERT_EQUAL_FATAL(weir_set_create(&conf, &set, NULL), 0);
	CU_ASSERT_EQUAL(weir_set_add(set, &p, until_s), 0);
	return set;
}

static uint32_t ask_at(const struct weir_rules *rs, const struct weir_rule_ask *a, uint32_t now_s)
{
	uint32_t rule = 0;

	weir_rules_ask(rs, toy_only_worker(), a, 1, now_s, 0, &rule, NULL, NULL);
	CU_ASSERT_EQUAL(rule, weir_rules_explain(rs, a, now_s, NULL, NULL));
	return rule;
}

static void test_a_set_changes_without_the_rules(void)
{
	struct weir_set *set = small_set("bad", "198.51.100.0/24", 50);
	const struct weir_prefix late = toy_prefix("10.0.0.0/24");
	const struct weir_set *const sets[] = {set};
	struct weir_rule rules[] = {toy_rule("bad"), toy_rule("rest")};
	struct weir_rule_ask a = toy_ask("198.51.100.7", "10.0.0.1", IPPROTO_TCP, 1, 2);
	struct weir_rules *rs;

	rules[0].src = (struct weir_rule_addrs){.sets = sets, .n_sets = 1};
	rs = toy_rules(rules, 2);
	CU_ASSERT_EQUAL(ask_at(rs, &a, 10), 0);
	CU_ASSERT_EQUAL(ask_at(rs, &a, 50), 1); /* its time is over */
	a = toy_ask("10.0.0.77", "192.0.2.1", IPPROTO_TCP, 1, 2);
	CU_ASSERT_EQUAL(ask_at(rs, &a, 10), 1);
	CU_ASSERT_EQUAL(weir_set_add(set, &late, WEIR_SET_FOREVER), 0);
	CU_ASSERT_EQUAL(ask_at(rs, &a, 10), 0);
	weir_set_flush(set);
	CU_ASSERT_EQUAL(ask_at(rs, &a, 10), 1);
	weir_rules_free(rs);
	weir_set_free(set);
}

static void test_a_packet_in_several_sets_meets_the_first_rule_of_them_all(void)
{
	struct weir_set *wide = small_set("wide", "10.0.0.0/8", WEIR_SET_FOREVER);
	struct weir_set *host = small_set("host", "10.0.0.1/32", WEIR_SET_FOREVER);
	struct weir_set *to = small_set("to", "192.0.2.0/24", WEIR_SET_FOREVER);
	const struct weir_set *const sets[] = {wide, host, to};
	struct weir_rule rules[] = {toy_rule("host, not to"), toy_rule("wide to"), toy_rule("host"),
				    toy_rule("wide"), toy_rule("rest")};
	struct weir_rule_ask a = toy_udp(); /* 10.0.0.1 to 192.0.2.1 */
	struct weir_rules *rs;

	rules[0].src = rules[2].src = (struct weir_rule_addrs){.sets = &sets[1], .n_sets = 1};
	rules[1].src = rules[3].src = (struct weir_rule_addrs){.sets = &sets[0], .n_sets = 1};
	rules[0].dst = (struct weir_rule_addrs){.sets = &sets[2], .n_sets = 1, .negate = true};
	rules[1].dst = (struct weir_rule_addrs){.sets = &sets[2], .n_sets = 1};
	rs = toy_rules(rules, 5);
	CU_ASSERT_EQUAL(toy_decide(rs, &a), 1);
	a.tuple.dst[0] = 9;
	CU_ASSERT_EQUAL(toy_decide(rs, &a), 0);
	a.tuple.src[3] = 2;
	CU_ASSERT_EQUAL(toy_decide(rs, &a), 3);
	a.tuple.src[0] = 11;
	CU_ASSERT_EQUAL(toy_decide(rs, &a), 4);
	weir_rules_free(rs);
	weir_set_free(wide);
	weir_set_free(host);
	weir_set_free(to);
}

static void test_a_long_list_of_prefixes_takes_each_of_them(void)
{
	struct weir_prefix many[200];
	struct weir_rule r = toy_rule("many");
	struct weir_rules_stats stats;
	struct weir_rules *rs;

	for (unsigned i = 0; i < 200; i++) {
		many[i] = toy_prefix("10.0.0.0/24");
		many[i].addr.bytes[2] = (uint8_t)i;
	}
	r.dst = (struct weir_rule_addrs){.prefixes = many, .n_prefixes = 200};
	rs = toy_rules(&r, 1);
	weir_rules_stats(rs, &stats);
	CU_ASSERT_EQUAL(stats.entries, 1); /* one for all */
	for (unsigned i = 0; i < 256; i++) {
		struct weir_rule_ask a = toy_ask("192.0.2.1", "10.0.0.9", IPPROTO_TCP, 1, 2);

		a.tuple.dst[2] = (uint8_t)i;
		CU_ASSERT_EQUAL(toy_decide(rs, &a), i < 200 ? 0 : WEIR_RULE_DEFAULT);
	}
	weir_rules_free(rs);
}

WEIR_TESTS("rules/ask", TEST(a_rule_that_names_nothing_takes_every_packet),
	   TEST(without_rules_the_default_decides),
	   TEST(a_prefix_takes_its_first_to_its_last_address),
	   TEST(host_bits_of_a_prefix_are_ignored), TEST(negated_prefixes_take_all_other_addresses),
	   TEST(prefixes_of_one_family_leave_the_other_alone),
	   TEST(a_family_is_a_condition_of_its_own), TEST(each_protocol_is_told_from_all_others),
	   TEST(ranges_of_ports_have_both_their_ends), TEST(only_tcp_udp_and_sctp_have_ports),
	   TEST(icmp_types_and_codes_are_of_the_family_s_own_icmp),
	   TEST(later_fragments_have_nothing_behind_the_ip_header_that_could_match),
	   TEST(tcp_flags_are_looked_at_through_their_mask), TEST(vlan_and_dscp_are_exact),
	   TEST(an_unknown_application_is_accepted_for_the_time_being),
	   TEST(the_first_match_wins_however_specific_later_ones_are),
	   TEST(each_pair_of_zones_has_its_own_rules), TEST(counting_rules_are_told_and_passed),
	   TEST(a_burst_of_all_zones_and_families_is_answered_in_its_order),
	   TEST(a_set_changes_without_the_rules),
	   TEST(a_packet_in_several_sets_meets_the_first_rule_of_them_all),
	   TEST(a_long_list_of_prefixes_takes_each_of_them))
