/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Which rules are found to be taken by several others together: by hand, and of random rules all
 * and only those that no packet meets, of all the packets that the rules can tell apart.
 */

#include "rules_check_priv.h"
#include "toy_rules_world.h"

#define RULES 8

static struct weir_rule rules[RULES];
static struct weir_prefix nets[RULES];
static struct weir_range ports[RULES];
static const char *const names[RULES] = {"a", "b", "c", "d", "e", "f", "g", "h"};

static void begin(void)
{
	for (unsigned i = 0; i < RULES; i++) {
		rules[i] = toy_rule(names[i]);
		rules[i].line = 10 + i;
	}
}

static void from_net(uint32_t i, const char *text)
{
	nets[i] = toy_prefix(text);
	rules[i].src = (struct weir_rule_addrs){.prefixes = &nets[i], .n_prefixes = 1};
}

static void to_ports(uint32_t i, uint16_t lo, uint16_t hi)
{
	ports[i] = (struct weir_range){lo, hi};
	rules[i].dports = &ports[i];
	rules[i].n_dports = 1;
}

/* Whether the last of n rules is found, alone, and in no doubt. */
static bool finds_last(uint32_t n, struct weir_rules_finding *f)
{
	struct weir_rules *rs = toy_rules(rules, n);
	uint32_t unsure = 99;
	const int found = weir_rules_check(rs, f, 1, &unsure);

	weir_rules_free(rs);
	CU_ASSERT_EQUAL(unsure, 0);
	CU_ASSERT(found == 0 || (found == 1 && f->rule == n - 1));
	return found == 1;
}

/* And whether it needs all the others for that. */
static bool is_taken(uint32_t n)
{
	struct weir_rules_finding f;
	const bool found = finds_last(n, &f);

	if (found)
		CU_ASSERT_EQUAL(f.n_by, n - 1);
	return found;
}

static void test_both_halves_of_a_prefix_take_all_of_it(void)
{
	begin();
	from_net(0, "10.0.0.0/9");
	from_net(1, "10.128.0.0/9");
	from_net(2, "10.0.0.0/8");
	CU_ASSERT(is_taken(3));
	from_net(1, "10.128.0.0/10");
	CU_ASSERT_FALSE(is_taken(3));
	from_net(0, "2001:db8::/33");
	from_net(1, "2001:db8:8000::/33");
	from_net(2, "2001:db8::/32");
	CU_ASSERT(is_taken(3));
	from_net(0, "::/1");
	from_net(1, "8000::/1");
	rules[2] = toy_rule("six");
	CU_ASSERT_FALSE(is_taken(3)); /* of IPv4 too */
	rules[2].family = 6;
	CU_ASSERT(is_taken(3));
}

static void test_ranges_of_ports_that_meet_take_what_lies_across(void)
{
	begin();
	to_ports(0, 1, 1023);
	to_ports(1, 1024, UINT16_MAX);
	to_ports(2, 80, 8080);
	CU_ASSERT(is_taken(3));
	to_ports(2, 0, 8080);
	CU_ASSERT_FALSE(is_taken(3));
	to_ports(0, 0, 1022);
	to_ports(2, 80, 8080);
	CU_ASSERT_FALSE(is_taken(3));
}

/* Later fragments have no ports. */
static void test_all_ports_together_are_not_any(void)
{
	begin();
	to_ports(0, 0, 1023);
	to_ports(1, 1024, UINT16_MAX);
	rules[0].proto = rules[1].proto = rules[2].proto = IPPROTO_UDP;
	CU_ASSERT_FALSE(is_taken(3));
	to_ports(2, 0, UINT16_MAX);
	CU_ASSERT(is_taken(3));
}

static void test_protocols_with_ports_take_a_rule_for_ports(void)
{
	static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP};

	begin();
	for (unsigned i = 0; i < 3; i++)
		rules[i].proto = protos[i];
	to_ports(3, 53, 53);
	CU_ASSERT(is_taken(4));
	rules[2].proto = IPPROTO_GRE;
	CU_ASSERT_FALSE(is_taken(4));
}

static void test_types_and_codes_of_icmp_are_counted(void)
{
	const uint32_t n = 257;
	struct weir_rule *each = calloc(n, sizeof(*each));
	struct weir_rules_finding f;
	struct weir_rules *rs;
	uint32_t unsure;

	CU_ASSERT_PTR_NOT_NULL_FATAL(each);
	for (uint32_t i = 0; i < n; i++) {
		each[i] = toy_rule("icmp");
		each[i].family = 4;
		each[i].icmp_type = 3;
		each[i].icmp_code = i + 1 < n ? (int16_t)i : -1;
	}
	rs = toy_rules(each, n);
	CU_ASSERT_EQUAL(weir_rules_check(rs, &f, 1, &unsure), 1);
	CU_ASSERT_EQUAL(f.rule, 256);
	CU_ASSERT_EQUAL(f.n_by, 256);
	weir_rules_free(rs);
	each[7].icmp_code = 8;
	rs = toy_rules(each, n);
	CU_ASSERT_EQUAL(weir_rules_check(rs, &f, 1, &unsure), 1);
	CU_ASSERT_EQUAL(f.rule, 8); /* it is there twice */
	weir_rules_free(rs);
	free(each);
}

static void test_flags_and_dscps_are_split(void)
{
	begin();
	rules[0].tcp_mask = 0x12;
	rules[0].tcp_flags = 0x02;
	rules[1].tcp_mask = 0x12;
	rules[1].tcp_flags = 0x12;
	rules[2].tcp_mask = rules[2].tcp_flags = 0x02;
	CU_ASSERT(is_taken(3));
	rules[2].tcp_flags = 0;
	CU_ASSERT_FALSE(is_taken(3));
	rules[2] = toy_rule("tcp");
	rules[2].proto = IPPROTO_TCP;
	CU_ASSERT_FALSE(is_taken(3));
	begin();
	from_net(0, "10.0.0.0/8");
	from_net(1, "10.0.0.0/8");
	from_net(2, "10.0.0.0/8");
	rules[0].dscp = 10;
	rules[1].dscp = 12;
	CU_ASSERT_FALSE(is_taken(3));
}

static void test_zones_are_taken_one_by_one(void)
{
	begin();
	rules[0].from_zones = 1 | 2;
	rules[1].from_zones = 4 | 8;
	CU_ASSERT(is_taken(3)); /* there are four */
	rules[1].from_zones = 8;
	CU_ASSERT_FALSE(is_taken(3));
	rules[1].from_zones = 4 | 8;
	rules[1].to_zones = 1;
	CU_ASSERT_FALSE(is_taken(3));
	rules[2].to_zones = 1;
	CU_ASSERT(is_taken(3));
}

static void test_corners_that_nobody_takes_are_seen(void)
{
	begin();
	from_net(0, "10.0.0.0/9");
	to_ports(1, 0, 1023);
	from_net(2, "10.0.0.0/8");
	to_ports(2, 0, 2000);
	CU_ASSERT_FALSE(is_taken(3));
	to_ports(2, 0, 1000);
	CU_ASSERT(finds_last(3, &(struct weir_rules_finding){0}));
	from_net(1, "10.128.0.0/9");
	CU_ASSERT(is_taken(3));
	to_ports(2, 0, 1024);
	CU_ASSERT_FALSE(is_taken(3));
}

static void test_a_prefix_and_all_but_it_take_everything(void)
{
	begin();
	from_net(0, "10.0.0.0/8");
	from_net(1, "10.0.0.0/8");
	rules[1].src.negate = true;
	CU_ASSERT(is_taken(3));
	from_net(1, "10.0.0.0/7");
	rules[1].src.negate = true;
	CU_ASSERT_FALSE(is_taken(3));
	from_net(0, "10.0.0.0/7");
	from_net(1, "12.0.0.0/8");
	from_net(2, "10.0.0.0/8");
	rules[1].src.negate = rules[2].src.negate = true;
	CU_ASSERT_FALSE(is_taken(3));
	from_net(0, "12.0.0.0/7");
	CU_ASSERT(is_taken(3));
}

static void test_a_list_that_leaves_nothing_is_told(void)
{
	const struct weir_prefix halves[] = {toy_prefix("0.0.0.0/1"), toy_prefix("128.0.0.0/1")};
	struct weir_rules_finding f;

	begin();
	rules[0].src =
		(struct weir_rule_addrs){.prefixes = halves, .n_prefixes = 2, .negate = true};
	CU_ASSERT_FALSE(finds_last(1, &f)); /* IPv6 is left */
	rules[0].family = 4;
	CU_ASSERT(finds_last(1, &f));
	CU_ASSERT_EQUAL(f.by, WEIR_RULE_DEFAULT);
	CU_ASSERT_EQUAL(f.n_by, 0);
}

/* What is in a set is not known, but it is the same for all. */
static void test_rules_with_the_same_set_take_each_others_ports(void)
{
	const struct weir_set_conf conf = {.name = "s", .entries = 4, .numa = -1};
	struct weir_set *set[2] = {NULL, NULL};
	const struct weir_set *sets[2];

	toy_eal();
	begin();
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL_FATAL(weir_set_create(&conf, &set[i], NULL), 0);
		sets[i] = set[i];
	}
	to_ports(0, 1, 10);
	to_ports(1, 11, 20);
	to_ports(2, 5, 15);
	for (unsigned i = 0; i < 3; i++)
		rules[i].src = (struct weir_rule_addrs){.sets = sets, .n_sets = 1};
	CU_ASSERT(is_taken(3));
	rules[1].src.sets = &sets[1];
	CU_ASSERT_FALSE(is_taken(3));
	rules[1].src = (struct weir_rule_addrs){.n_sets = 0};
	CU_ASSERT(is_taken(3));
	rules[2].src.n_sets = 0;
	CU_ASSERT_FALSE(is_taken(3));
	rules[2].src = rules[1].src = rules[0].src;
	rules[1].src.negate = true;
	CU_ASSERT_FALSE(is_taken(3));
	weir_set_free(set[0]);
	weir_set_free(set[1]);
}

static void test_what_may_pass_or_wait_takes_no_part(void)
{
	begin();
	from_net(0, "10.0.0.0/9");
	from_net(1, "10.128.0.0/9");
	from_net(2, "10.0.0.0/8");
	rules[1].action = WEIR_ACTION_COUNT;
	CU_ASSERT_FALSE(is_taken(3));
	rules[1].action = WEIR_ACTION_DROP;
	rules[1].app = 3;
	CU_ASSERT_FALSE(is_taken(3));
	rules[1].app = 0;
	rules[1].vlan = 5;
	CU_ASSERT_FALSE(is_taken(3));
	rules[2].vlan = 5;
	CU_ASSERT(is_taken(3));
	rules[1].limit = WEIR_LIMIT_RULE;
	rules[1].limit_pps = rules[1].limit_burst = 5;
	CU_ASSERT_FALSE(is_taken(3));
}

static void test_a_handful_is_named_and_the_others_are_counted(void)
{
	struct weir_rules_finding f;

	begin();
	to_ports(0, 0, 0);
	to_ports(1, 1, 1);
	to_ports(2, 0, 1);
	CU_ASSERT(finds_last(3, &f));
	CU_ASSERT_STRING_EQUAL(
		f.text,
		"rule c never matches: rules a (line 10) and b (line 11) together take all of it");
	begin();
	for (uint16_t i = 0; i < 6; i++)
		to_ports(i, i, i);
	to_ports(6, 0, 5);
	CU_ASSERT(finds_last(7, &f));
	CU_ASSERT_EQUAL(f.by, 0);
	CU_ASSERT_EQUAL(f.n_by, 6);
	CU_ASSERT_STRING_EQUAL(f.text, "rule g never matches: rules a (line 10), b (line 11), "
				       "c (line 12), d (line 13) and 2 more together take all "
				       "of it");
}

static void test_only_those_are_named_that_are_needed(void)
{
	struct weir_rules_finding f;

	begin();
	to_ports(0, 1, 100);
	to_ports(1, 20, 180); /* takes most of it */
	to_ports(2, 101, 200);
	to_ports(3, 1, 200);
	CU_ASSERT(finds_last(4, &f));
	CU_ASSERT_EQUAL(f.n_by, 2);
	CU_ASSERT_EQUAL(f.by, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(f.text, "a (line 10) and c (line 12)"));
}

static void test_what_takes_too_long_is_counted_as_unsure(void)
{
	const uint32_t n = 5000;
	struct weir_range *one = calloc(n + 1, sizeof(*one));
	struct weir_rule *each = calloc(n + 1, sizeof(*each));
	struct weir_rules_finding f;
	struct weir_rules *rs;
	uint32_t unsure = 0;

	CU_ASSERT_FATAL(one != NULL && each != NULL);
	for (uint32_t i = 0; i <= n; i++) {
		const uint16_t at = (uint16_t)(2 * i);

		each[i] = toy_rule("port");
		one[i] = i < n ? (struct weir_range){at, at + 1} : (struct weir_range){0, 9999};
		each[i].dports = &one[i];
		each[i].n_dports = 1;
	}
	rs = toy_rules(each, n + 1);
	CU_ASSERT_EQUAL(weir_rules_check(rs, &f, 1, &unsure), 0);
	CU_ASSERT_EQUAL(unsure, 1);
	weir_rules_free(rs);
	one[n].hi = 999; /* 500 are enough */
	rs = toy_rules(each, n + 1);
	CU_ASSERT_EQUAL(weir_rules_check(rs, &f, 1, &unsure), 1);
	CU_ASSERT_EQUAL(unsure, 0);
	CU_ASSERT_EQUAL(f.n_by, 500);
	weir_rules_free(rs);
	free(one);
	free(each);
}

/* What packets differ in, and how many values of it the rules below can tell apart. */
enum { FAMILY, PROTO, LATER, SRC, DST, SPORT, DPORT, TYPE, CODE, FLAGS, DSCP, VLAN, APP, FROM, TO };
static const uint8_t values[] = {2, 7, 2, 5, 5, 5, 5, 3, 3, 4, 3, 2, 3, 2, 2};
#define DIFFER RTE_DIM(values)

static const uint8_t protos[] = {
	IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_GRE, 99};

/* Rules that say something of a few fields only: `says`. */
struct tiny {
	bool says[DIFFER];
	struct weir_rule rules[RULES];
	struct weir_prefix prefixes[RULES][2][3];
	struct weir_range ranges[RULES][2][2];
};

/* Four addresses: 10.0.0.0/30 or 2001:db8::/126. */
static struct weir_prefix tiny_prefix(void)
{
	struct weir_prefix p = toy_prefix(one_in(2) ? "10.0.0.0/30" : "2001:db8::/126");
	const uint8_t more = (uint8_t)lot(3);

	p.addr.bytes[p.addr.family == 4 ? 3 : 15] = (uint8_t)lot(4);
	p.length = one_in(8) ? 0 : (uint8_t)(p.length + more);
	return p;
}

static void tiny_addrs(struct weir_rule_addrs *a, struct weir_prefix room[3])
{
	a->prefixes = room;
	a->n_prefixes = lot(4);
	a->negate = one_in(4);
	for (uint32_t i = 0; i < a->n_prefixes; i++)
		room[i] = tiny_prefix();
}

static uint32_t tiny_ranges(struct weir_range room[2])
{
	const uint32_t n = lot(3);

	for (uint32_t i = 0; i < n; i++) {
		room[i].lo = (uint16_t)lot(4);
		room[i].hi = one_in(3) ? UINT16_MAX : (uint16_t)(room[i].lo + lot(4u - room[i].lo));
	}
	return n;
}

static void tiny_details(const bool says[DIFFER], struct weir_rule *r)
{
	if (says[PROTO] && one_in(2))
		r->proto = protos[lot(5)];
	if (says[TYPE] && one_in(2))
		r->icmp_type = (int16_t)lot(2);
	if (says[CODE] && one_in(2))
		r->icmp_code = (int16_t)lot(2);
	if (says[FLAGS] && one_in(2)) {
		r->tcp_mask = (uint8_t)(lot(4) << 1);
		r->tcp_flags = (uint8_t)(r->tcp_mask & lot(4) << 1);
	}
	if (says[DSCP] && one_in(2))
		r->dscp = (int8_t)lot(2);
	if (says[VLAN] && one_in(3))
		r->vlan = 1;
	if (says[APP] && one_in(3))
		r->app = 1;
	if (says[FROM])
		r->from_zones = lot(4);
	if (says[TO])
		r->to_zones = lot(4);
	if (says[FAMILY] && one_in(2))
		r->family = one_in(2) ? 4 : 6;
}

static void make_tiny(struct tiny *t)
{
	memset(t, 0, sizeof(*t));
	for (unsigned i = 0; i < 4; i++)
		t->says[lot(DIFFER)] = true;
	for (uint32_t i = 0; i < RULES; i++) {
		struct weir_rule *r = &t->rules[i];

		*r = toy_rule(names[i]);
		r->action = one_in(12) ? WEIR_ACTION_COUNT : (enum weir_action)lot(2);
		if (t->says[SRC])
			tiny_addrs(&r->src, t->prefixes[i][0]);
		if (t->says[DST])
			tiny_addrs(&r->dst, t->prefixes[i][1]);
		r->sports = t->ranges[i][0];
		r->dports = t->ranges[i][1];
		if (t->says[SPORT])
			r->n_sports = tiny_ranges(t->ranges[i][0]);
		if (t->says[DPORT])
			r->n_dports = tiny_ranges(t->ranges[i][1]);
		tiny_details(t->says, r);
	}
}

static void tiny_addr(uint8_t out[16], uint8_t family, unsigned value)
{
	static const uint8_t inside4[16] = {10}, inside6[16] = {0x20, 0x01, 0x0d, 0xb8};

	memcpy(out, family == 4 ? inside4 : inside6, 16);
	if (value < 4)
		out[family == 4 ? 3 : 15] = (uint8_t)value;
	else
		out[1] = 99; /* outside */
}

static struct weir_rule_ask tiny_ask(const uint8_t value[DIFFER])
{
	static const uint16_t at[] = {0, 1, 2, 3, UINT16_MAX};
	struct weir_rule_ask a = {.from = value[FROM],
				  .to = value[TO],
				  .icmp_type = value[TYPE],
				  .icmp_code = value[CODE],
				  .tcp_flags = (uint8_t)(value[FLAGS] << 1),
				  .dscp = value[DSCP],
				  .vlan = value[VLAN],
				  .app = value[APP],
				  .later = value[LATER]};

	a.tuple.family = value[FAMILY] ? 6 : 4;
	a.tuple.proto = protos[value[PROTO]];
	a.tuple.sport = htons(at[value[SPORT]]);
	a.tuple.dport = htons(at[value[DPORT]]);
	tiny_addr(a.tuple.src, a.tuple.family, value[SRC]);
	tiny_addr(a.tuple.dst, a.tuple.family, value[DST]);
	return a;
}

/* The next of all packets that differ in what the rules look at. */
static bool next_ask(const struct tiny *t, uint8_t value[DIFFER])
{
	for (unsigned i = 0; i < DIFFER; i++) {
		if (i > LATER && !t->says[i])
			continue;
		if (++value[i] < values[i])
			return true;
		value[i] = 0;
	}
	return false;
}

/* Which rules decide about no packet at all. */
static void find_lost(const struct tiny *t, const struct weir_rules *rs, bool lost[RULES])
{
	uint8_t value[DIFFER] = {0};

	memset(lost, true, RULES);
	do {
		const struct weir_rule_ask a = tiny_ask(value);
		const uint32_t rule = weir_rules_explain(rs, &a, 1, NULL, NULL);

		if (rule != WEIR_RULE_DEFAULT)
			lost[rule] = false;
	} while (next_ask(t, value));
}

/* @return how many rules are taken by several. */
static unsigned compare(const struct tiny *t)
{
	struct weir_rules_conf conf = toy_rules_conf(t->rules, RULES);
	struct weir_rules_finding f[RULES];
	bool found[RULES] = {0}, lost[RULES];
	unsigned several = 0;
	struct weir_rules *rs;
	uint32_t unsure = 99;
	int n;

	conf.zones = 2;
	rs = toy_compile(&conf);
	n = weir_rules_check(rs, f, RULES, &unsure);
	CU_ASSERT_EQUAL(unsure, 0);
	for (int i = 0; i < n; i++) {
		found[f[i].rule] = true;
		several += f[i].n_by > 1;
		CU_ASSERT(f[i].n_by == 0 || f[i].by < f[i].rule);
	}
	find_lost(t, rs, lost);
	for (uint32_t i = 0; i < RULES; i++)
		if (t->rules[i].action != WEIR_ACTION_COUNT)
			CU_ASSERT_EQUAL(found[i], lost[i]);
	weir_rules_free(rs);
	return several;
}

static void test_of_random_rules_exactly_those_are_found_that_no_packet_meets(void)
{
	const unsigned rounds = getenv("WEIR_TEST_LONG") == NULL ? 300 : 10000;
	unsigned several = 0;

	toy_eal();
	state = 4712;
	for (unsigned i = 0; i < rounds; i++) {
		struct tiny t;

		make_tiny(&t);
		several += compare(&t);
	}
	CU_ASSERT(several > rounds / 10);
}

WEIR_TESTS("rules/together", TEST(both_halves_of_a_prefix_take_all_of_it),
	   TEST(ranges_of_ports_that_meet_take_what_lies_across),
	   TEST(all_ports_together_are_not_any), TEST(protocols_with_ports_take_a_rule_for_ports),
	   TEST(types_and_codes_of_icmp_are_counted), TEST(flags_and_dscps_are_split),
	   TEST(zones_are_taken_one_by_one), TEST(corners_that_nobody_takes_are_seen),
	   TEST(a_prefix_and_all_but_it_take_everything), TEST(a_list_that_leaves_nothing_is_told),
	   TEST(rules_with_the_same_set_take_each_others_ports),
	   TEST(what_may_pass_or_wait_takes_no_part),
	   TEST(a_handful_is_named_and_the_others_are_counted),
	   TEST(only_those_are_named_that_are_needed),
	   TEST(what_takes_too_long_is_counted_as_unsure),
	   TEST(of_random_rules_exactly_those_are_found_that_no_packet_meets))
