/* SPDX-License-Identifier: BSD-3-Clause */

/* Which rules are found never to match. */

#include "rules_priv.h"
#include "toy_rules_world.h"

static struct weir_prefix net, host, other, six;

/* How many are found, with no doubt about the others. */
static int check(const struct weir_rules *rs, struct weir_rules_finding *f, uint32_t room)
{
	uint32_t unsure = 99;
	const int n = weir_rules_check(rs, f, room, &unsure);

	CU_ASSERT_EQUAL(unsure, 0);
	return n;
}

/* Check two rules. @return what the second one's finding names, or -1 if there is none. */
static int64_t second(const struct weir_rule *first_rule, const struct weir_rule *second_rule)
{
	const struct weir_rule rules[] = {*first_rule, *second_rule};
	struct weir_rules_finding f[2];
	struct weir_rules *rs = toy_rules(rules, 2);
	const int n = check(rs, f, 2);

	weir_rules_free(rs);
	CU_ASSERT(n == 0 || n == 1);
	if (n == 0)
		return -1;
	CU_ASSERT_EQUAL(f[0].rule, 1);
	return f[0].by;
}

static bool covers(const struct weir_rule *big, const struct weir_rule *small)
{
	return second(big, small) == 0;
}

static void begin(void)
{
	net = toy_prefix("10.0.0.0/8");
	host = toy_prefix("10.1.2.3/32");
	other = toy_prefix("11.0.0.0/8");
	six = toy_prefix("2001:db8::/32");
}

static struct weir_rule_addrs just(const struct weir_prefix *p)
{
	return (struct weir_rule_addrs){.prefixes = p, .n_prefixes = 1};
}

static void test_a_rule_for_everything_takes_all_that_follow(void)
{
	const struct weir_rule all = toy_rule("all");
	struct weir_rule r = toy_rule("r");

	begin();
	CU_ASSERT(covers(&all, &all));
	r.src = just(&net);
	CU_ASSERT(covers(&all, &r));
	CU_ASSERT(!covers(&r, &all));
}

static void test_a_wider_prefix_takes_a_narrower_one_of_both_sides(void)
{
	struct weir_rule big = toy_rule("big"), small = toy_rule("small");

	begin();
	big.src = just(&net);
	big.dst = just(&net);
	small.src = just(&host);
	small.dst = just(&host);
	CU_ASSERT(covers(&big, &small));
	CU_ASSERT(!covers(&small, &big));
	small.dst = just(&other);
	CU_ASSERT(!covers(&big, &small));
}

static void test_a_prefix_of_all_of_a_family_is_any_of_it(void)
{
	const struct weir_prefix every = toy_prefix("0.0.0.0/0");
	struct weir_rule big = toy_rule("big"), small = toy_rule("small");

	begin();
	big.src = just(&every);
	CU_ASSERT(!covers(&big, &small)); /* of IPv6 too */
	small.family = 4;
	CU_ASSERT(covers(&big, &small));
	small.src = just(&host);
	CU_ASSERT(covers(&big, &small));
}

static void test_every_prefix_of_a_list_must_be_taken(void)
{
	const struct weir_prefix both[] = {net, other}, inside[] = {host, other, six};
	struct weir_rule big = toy_rule("big"), small = toy_rule("small");

	begin();
	big.src = (struct weir_rule_addrs){.prefixes = both, .n_prefixes = 2};
	small.src = (struct weir_rule_addrs){.prefixes = inside, .n_prefixes = 2};
	CU_ASSERT(covers(&big, &small));
	small.src.n_prefixes = 3;
	CU_ASSERT(!covers(&big, &small));
	small.family = 4; /* the third says nothing there */
	CU_ASSERT(covers(&big, &small));
}

static void test_long_lists_are_compared_too(void)
{
	struct weir_prefix many[300];
	struct weir_rule big = toy_rule("big"), small = toy_rule("small");

	begin();
	for (unsigned i = 0; i < 300; i++) {
		many[i] = toy_prefix("10.0.0.0/24");
		many[i].addr.bytes[1] = (uint8_t)(i >> 8);
		many[i].addr.bytes[2] = (uint8_t)i;
	}
	big.dst = (struct weir_rule_addrs){.prefixes = many, .n_prefixes = 300};
	small.dst = (struct weir_rule_addrs){.prefixes = &many[7], .n_prefixes = 290};
	CU_ASSERT(covers(&big, &small));
	CU_ASSERT(!covers(&small, &big));
}

static void test_lists_with_sets_are_taken_by_the_same_sets(void)
{
	const struct weir_set_conf conf = {.name = "s", .entries = 4, .numa = -1};
	struct weir_rule big = toy_rule("big"), small = toy_rule("small");
	struct weir_set *set[2] = {NULL, NULL};
	const struct weir_set *sets[2];

	toy_eal();
	begin();
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL_FATAL(weir_set_create(&conf, &set[i], NULL), 0);
		sets[i] = set[i];
	}
	big.src = (struct weir_rule_addrs){.sets = sets, .n_sets = 2};
	small.src = (struct weir_rule_addrs){.sets = &sets[1], .n_sets = 1};
	CU_ASSERT(covers(&big, &small));
	CU_ASSERT(!covers(&small, &big));
	small.src.prefixes = &net;
	small.src.n_prefixes = 1;
	CU_ASSERT(!covers(&big, &small));
	big.src.prefixes = &net;
	big.src.n_prefixes = 1;
	CU_ASSERT(covers(&big, &small));
	weir_set_free(set[0]);
	weir_set_free(set[1]);
}

static void test_a_negated_list_takes_those_that_leave_out_more(void)
{
	struct weir_rule big = toy_rule("big"), small = toy_rule("small");

	begin();
	big.src = just(&host);
	small.src = just(&net);
	big.src.negate = small.src.negate = true;
	CU_ASSERT(covers(&big, &small));
	CU_ASSERT(!covers(&small, &big));
	small.src.negate = false;
	CU_ASSERT(!covers(&big, &small));
}

static void test_ports_must_be_inside_one_range(void)
{
	const struct weir_range web = {80, 90}, http = {80, 80}, two[] = {{1, 2}, {85, 90}};
	struct weir_rule big = toy_rule("big"), small = toy_rule("small");

	big.dports = &web;
	big.n_dports = 1;
	CU_ASSERT(!covers(&big, &small));
	small.dports = &http;
	small.n_dports = 1;
	CU_ASSERT(covers(&big, &small));
	CU_ASSERT(!covers(&small, &big));
	small.dports = two;
	small.n_dports = 2;
	CU_ASSERT(!covers(&big, &small));
	small.dports = &two[1];
	small.n_dports = 1;
	CU_ASSERT(covers(&big, &small));
	small.dports = &http;
	CU_ASSERT(covers(&small, &small)); /* found by its port */
}

static void test_protocols_follow_from_what_only_they_have(void)
{
	const struct weir_range http = {80, 80};
	struct weir_rule tcp = toy_rule("tcp"), syn = toy_rule("syn"), web = toy_rule("web");
	struct weir_rule icmp = toy_rule("icmp"), ping = toy_rule("ping");

	tcp.proto = IPPROTO_TCP;
	syn.tcp_mask = 0x12;
	syn.tcp_flags = 0x02;
	CU_ASSERT(covers(&tcp, &syn));
	CU_ASSERT(!covers(&syn, &tcp));
	web.dports = &http;
	web.n_dports = 1;
	CU_ASSERT(!covers(&tcp, &web)); /* UDP and SCTP have ports as well */
	icmp.proto = IPPROTO_ICMP;
	ping.icmp_type = 8;
	CU_ASSERT(!covers(&icmp, &ping)); /* of IPv6 it is another protocol */
	ping.family = 4;
	CU_ASSERT(covers(&icmp, &ping));
}

static void test_flags_tags_and_zones_are_compared(void)
{
	struct weir_rule big = toy_rule("big"), small = toy_rule("small");

	big.tcp_mask = 0x02;
	small.tcp_mask = 0x12;
	CU_ASSERT(covers(&big, &small));
	CU_ASSERT(!covers(&small, &big));
	big.tcp_flags = 0x02;
	CU_ASSERT(!covers(&big, &small));
	small.tcp_flags = 0x02;
	CU_ASSERT(covers(&big, &small));
	big.vlan = 5;
	CU_ASSERT(!covers(&big, &small));
	small.vlan = 5;
	CU_ASSERT(covers(&big, &small));
	big.dscp = 0;
	CU_ASSERT(!covers(&big, &small));
	small.dscp = 0;
	CU_ASSERT(covers(&big, &small));
	big.from_zones = 2;
	CU_ASSERT(!covers(&big, &small));
	small.from_zones = 2;
	CU_ASSERT(covers(&big, &small));
	big.to_zones = 15; /* all that there are */
	CU_ASSERT(covers(&big, &small));
}

static void test_an_application_that_is_not_known_yet_is_only_accepted(void)
{
	struct weir_rule drop = toy_rule("drop"), accept = toy_rule("accept");

	drop.app = accept.app = 3;
	accept.action = WEIR_ACTION_ACCEPT;
	CU_ASSERT(covers(&accept, &drop));
	CU_ASSERT(!covers(&drop, &accept));
	accept.app = 4;
	CU_ASSERT(!covers(&accept, &drop));
}

static void test_rules_that_may_pass_take_nothing(void)
{
	const struct weir_rule r = toy_rule("r");
	struct weir_rule counting = toy_rule("count"), limited = toy_rule("limited");

	counting.action = WEIR_ACTION_COUNT;
	limited.limit = WEIR_LIMIT_RULE;
	limited.limit_pps = limited.limit_burst = 1;
	CU_ASSERT(!covers(&counting, &r));
	CU_ASSERT(!covers(&limited, &r));
	CU_ASSERT(covers(&r, &counting));
}

static void test_contradictions_are_found(void)
{
	const struct weir_range http = {80, 80};
	const struct weir_rule first = {
		.name = "first", .proto = 200, .icmp_type = -1, .icmp_code = -1, .dscp = -1};
	struct weir_rule r = toy_rule("r");

	begin();
	r.proto = IPPROTO_ICMP;
	r.dports = &http;
	r.n_dports = 1;
	CU_ASSERT_EQUAL(second(&first, &r), WEIR_RULE_DEFAULT);
	r = toy_rule("r");
	r.src = just(&net);
	r.dst = just(&six);
	CU_ASSERT_EQUAL(second(&first, &r), WEIR_RULE_DEFAULT);
	r = toy_rule("r");
	r.src = just(&net);
	r.family = 6;
	CU_ASSERT_EQUAL(second(&first, &r), WEIR_RULE_DEFAULT);
	r = toy_rule("r");
	r.tcp_mask = 2;
	r.icmp_type = 8;
	CU_ASSERT_EQUAL(second(&first, &r), WEIR_RULE_DEFAULT);
	r = toy_rule("r");
	r.to_zones = 1u << 9; /* there are four */
	CU_ASSERT_EQUAL(second(&first, &r), WEIR_RULE_DEFAULT);
}

static void test_the_first_rule_that_takes_it_is_named(void)
{
	struct weir_rule rules[] = {toy_rule("web"), toy_rule("tcp"), toy_rule("tcp too"),
				    toy_rule("mine")};
	struct weir_rules_finding f[4] = {0};
	const struct weir_range http = {80, 80};
	struct weir_rules *rs;

	begin();
	rules[0].dports = &http;
	rules[0].n_dports = 1;
	rules[1].proto = rules[2].proto = rules[3].proto = IPPROTO_TCP;
	rules[1].line = 12;
	rules[3].src = just(&host);
	rs = toy_rules(rules, 4);
	CU_ASSERT_EQUAL(check(rs, f, 4), 2);
	CU_ASSERT_EQUAL(f[0].rule, 2);
	CU_ASSERT_EQUAL(f[1].rule, 3);
	CU_ASSERT_EQUAL(f[1].by, 1);
	CU_ASSERT_STRING_EQUAL(f[1].text,
			       "rule mine never matches: rule tcp (line 12) takes all of it");
	CU_ASSERT_EQUAL(check(rs, f, 1), 2); /* those without room count too */
	CU_ASSERT_EQUAL(check(rs, NULL, 0), 2);
	weir_rules_free(rs);
}

static uint32_t first_cover(const struct weir_rules *rs, uint32_t rule)
{
	for (uint32_t i = 0; i < rule; i++)
		if (!rules_passes(&rs->rules[i]) && rules_covers(rs, i, rule))
			return i;
	return WEIR_RULE_DEFAULT;
}

/* The hash table loses none of those that comparing all with all finds. */
static void check_world(uint8_t family)
{
	struct weir_rules_finding *f = calloc(400, sizeof(*f));
	struct weir_rules_conf conf;
	struct weir_rules *rs;
	struct world w;
	unsigned at = 0;
	int n;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	make_world(&w, family, 250);
	conf = toy_rules_conf(w.rules, w.n);
	rs = toy_compile(&conf);
	n = check(rs, f, 400);
	CU_ASSERT(n > 10);
	for (uint32_t i = 0; i < w.n; i++) {
		const uint32_t by = first_cover(rs, i);
		const bool found = at < (unsigned)n && f[at].rule == i;

		if (found && f[at].by == WEIR_RULE_DEFAULT) {
			CU_ASSERT_EQUAL(rules_families(&rs->rules[i]), 0);
		} else if (by != WEIR_RULE_DEFAULT) {
			CU_ASSERT_FATAL(found);
			CU_ASSERT(f[at].n_by == 1 && rules_covers(rs, f[at].by, i));
		} /* else several do, if any: see test_rules_together.c */
		at += found;
	}
	CU_ASSERT_EQUAL(at, (unsigned)n);
	weir_rules_free(rs);
	end_world(&w);
	free(f);
}

static void test_of_random_rules_as_many_are_found_as_by_comparing_all(void)
{
	toy_eal();
	state = 4711;
	check_world(4);
	check_world(6);
}

/* And what is found is true: no packet, aimed at such a rule, is decided by it. */
static void test_no_packet_meets_a_rule_that_was_found(void)
{
	struct weir_rules_finding f[400];
	bool never[250] = {0};
	struct weir_rules_conf conf;
	struct weir_rules *rs;
	struct world w;
	int n;

	toy_eal();
	state = 815;
	make_world(&w, 4, 250);
	conf = toy_rules_conf(w.rules, w.n);
	rs = toy_compile(&conf);
	n = check(rs, f, 400);
	for (int i = 0; i < n; i++)
		never[f[i].rule] = true;
	for (unsigned i = 0; i < 20000; i++) {
		const struct weir_rule_ask a = aimed_ask(&w);
		const uint32_t rule = weir_rules_explain(rs, &a, 100, NULL, NULL);

		CU_ASSERT(rule == WEIR_RULE_DEFAULT || !never[rule]);
	}
	weir_rules_free(rs);
	end_world(&w);
}

WEIR_TESTS("rules/check", TEST(a_rule_for_everything_takes_all_that_follow),
	   TEST(a_wider_prefix_takes_a_narrower_one_of_both_sides),
	   TEST(a_prefix_of_all_of_a_family_is_any_of_it),
	   TEST(every_prefix_of_a_list_must_be_taken), TEST(long_lists_are_compared_too),
	   TEST(lists_with_sets_are_taken_by_the_same_sets),
	   TEST(a_negated_list_takes_those_that_leave_out_more),
	   TEST(ports_must_be_inside_one_range), TEST(protocols_follow_from_what_only_they_have),
	   TEST(flags_tags_and_zones_are_compared),
	   TEST(an_application_that_is_not_known_yet_is_only_accepted),
	   TEST(rules_that_may_pass_take_nothing), TEST(contradictions_are_found),
	   TEST(the_first_rule_that_takes_it_is_named),
	   TEST(of_random_rules_as_many_are_found_as_by_comparing_all),
	   TEST(no_packet_meets_a_rule_that_was_found))
