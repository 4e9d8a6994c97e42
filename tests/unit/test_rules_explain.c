/* SPDX-License-Identifier: BSD-3-Clause */

/* What the slow matcher tells people about the rules that a packet does not meet. */

#include "toy_rules.h"

#include <weir/set.h>

struct told {
	unsigned n;
	uint32_t rule[8];
	char text[8][256];
};

static void note(void *ctx, uint32_t rule, const char *what)
{
	struct told *t = ctx;

	CU_ASSERT_FATAL(t->n < 8);
	t->rule[t->n] = rule;
	snprintf(t->text[t->n++], sizeof(t->text[0]), "%s", what);
}

/* What is said of one rule that does not match. */
static const char *why_not(const struct weir_rule *r, const struct weir_rule_ask *a)
{
	static struct told told;
	struct weir_rules *rs = toy_rules(r, 1);

	told = (struct told){0};
	CU_ASSERT_EQUAL(weir_rules_explain(rs, a, 0, note, &told), WEIR_RULE_DEFAULT);
	CU_ASSERT_EQUAL(told.n, 1);
	weir_rules_free(rs);
	return told.text[0];
}

static void test_a_source_is_said_not_to_be_in_the_first_prefix_of_a_list(void)
{
	const struct weir_prefix p[] = {toy_prefix("172.16.0.0/12"), toy_prefix("192.168.0.0/16"),
					toy_prefix("10.9.0.0/16")};
	const struct weir_rule_ask a = toy_udp();
	struct weir_rule r = toy_rule("r");

	r.src = (struct weir_rule_addrs){.prefixes = p, .n_prefixes = 1};
	CU_ASSERT_STRING_EQUAL(why_not(&r, &a), "source is not in 172.16.0.0/12");
	r.src.n_prefixes = 2;
	CU_ASSERT_STRING_EQUAL(why_not(&r, &a), "source is not in 172.16.0.0/12 or 1 other");
	r.src.n_prefixes = 3;
	CU_ASSERT_STRING_EQUAL(why_not(&r, &a), "source is not in 172.16.0.0/12 or 2 others");
}

static void test_a_negated_list_says_that_the_address_is_in_it(void)
{
	const struct weir_prefix p = toy_prefix("192.0.2.0/24");
	const struct weir_rule_ask a = toy_udp();
	struct weir_rule r = toy_rule("r");

	r.dst = (struct weir_rule_addrs){.prefixes = &p, .n_prefixes = 1, .negate = true};
	CU_ASSERT_STRING_EQUAL(why_not(&r, &a), "destination is in 192.0.2.0/24");
}

static void test_a_set_is_called_by_its_name(void)
{
	const struct weir_set_conf conf = {.name = "partners", .entries = 4, .numa = -1};
	const struct weir_rule_ask a = toy_udp();
	struct weir_rule r = toy_rule("r");
	const struct weir_set *sets[1];
	struct weir_set *set = NULL;

	toy_eal();
	CU_ASSERT_EQUAL_FATAL(weir_set_create(&conf, &set, NULL), 0);
	sets[0] = set;
	r.src = (struct weir_rule_addrs){.sets = sets, .n_sets = 1};
	CU_ASSERT_STRING_EQUAL(why_not(&r, &a), "source is not in set partners");
	weir_set_free(set);
}

static void test_every_other_field_has_its_sentence(void)
{
	const struct weir_range web[] = {{80, 80}, {8000, 8999}};
	struct weir_rule_ask a = toy_udp(), tcp = toy_udp(), icmp = toy_udp();
	struct weir_rule r = toy_rule("r");

	tcp.tuple.proto = IPPROTO_TCP;
	tcp.tcp_flags = 0x10;
	icmp.tuple.proto = IPPROTO_ICMP;
	icmp.icmp_type = 8;
#define SAYS(ask, field, value, sentence)                              \
	do {                                                           \
		r = toy_rule("r");                                     \
		r.field = (value);                                     \
		CU_ASSERT_STRING_EQUAL(why_not(&r, &(ask)), sentence); \
	} while (0)
	SAYS(a, from_zones, 4, "it comes from zone 1");
	SAYS(a, to_zones, 2, "it goes to zone 2");
	SAYS(a, family, 6, "it is IPv4");
	SAYS(a, proto, 6, "protocol 17 is not 6");
	SAYS(a, vlan, 7, "VLAN 0 is not 7");
	SAYS(a, dscp, 46, "DSCP 0 is not 46");
	SAYS(a, icmp_type, 8, "protocol 17 is not ICMP");
	SAYS(icmp, icmp_type, 0, "ICMP type 8 is not 0");
	SAYS(icmp, icmp_code, 1, "ICMP code 0 is not 1");
	SAYS(a, tcp_mask, 2, "protocol 17 is not TCP");
	SAYS(tcp, tcp_mask, 0x12, "TCP flags 0x10 are not 0x00 of 0x12");
	tcp.later = icmp.later = true;
	SAYS(tcp, tcp_mask, 2, "a later fragment has no TCP flags");
	SAYS(icmp, icmp_type, 8, "a later fragment has no ICMP type");
	SAYS(a, app, 3, "the application is not known yet");
	a.app = 4;
	SAYS(a, app, 3, "application 4 is not 3");
#undef SAYS
	r = toy_rule("r");
	r.dports = web;
	r.n_dports = 2;
	CU_ASSERT_STRING_EQUAL(why_not(&r, &a), "destination port 53 is not 80 or 1 other");
	CU_ASSERT_STRING_EQUAL(why_not(&r, &icmp), "protocol 1 has no ports");
	CU_ASSERT_STRING_EQUAL(why_not(&r, &tcp), "a later fragment has no ports");
	r.n_dports = 0;
	r.sports = &web[1];
	r.n_sports = 1;
	CU_ASSERT_STRING_EQUAL(why_not(&r, &a), "source port 1000 is not in 8000-8999");
}

static void test_rules_before_the_deciding_one_are_told_in_their_order(void)
{
	struct weir_rule rules[] = {toy_rule("tcp"), toy_rule("count"), toy_rule("over"),
				    toy_rule("limited"), toy_rule("never asked")};
	const struct weir_rule_ask a = toy_udp();
	struct told told = {0};
	struct weir_rules *rs;

	rules[0].proto = IPPROTO_TCP;
	rules[1].action = WEIR_ACTION_COUNT;
	rules[2].limit = WEIR_LIMIT_OVER_RULE;
	rules[3].limit = WEIR_LIMIT_RULE;
	rules[2].limit_pps = rules[2].limit_burst = 1;
	rules[3].limit_pps = rules[3].limit_burst = 1;
	rs = toy_rules(rules, 5);
	CU_ASSERT_EQUAL(weir_rules_explain(rs, &a, 0, note, &told), 3);
	CU_ASSERT_EQUAL(told.n, 3);
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(told.rule[i], i);
	CU_ASSERT_STRING_EQUAL(told.text[0], "protocol 17 is not 6");
	CU_ASSERT_STRING_EQUAL(told.text[1], "it matches and counts; the next rules decide");
	CU_ASSERT_STRING_EQUAL(told.text[2], "it matches, but the limit is not exceeded");
	weir_rules_free(rs);
}

WEIR_TESTS("rules/explain", TEST(a_source_is_said_not_to_be_in_the_first_prefix_of_a_list),
	   TEST(a_negated_list_says_that_the_address_is_in_it), TEST(a_set_is_called_by_its_name),
	   TEST(every_other_field_has_its_sentence),
	   TEST(rules_before_the_deciding_one_are_told_in_their_order))
