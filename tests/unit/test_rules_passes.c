/* SPDX-License-Identifier: BSD-3-Clause */

/* Rules that count or have a limit: more than fit a group, a block and a word. */

#include "toy_rules.h"

#include "failalloc.h"

#include <weir/set.h>

#define MOST WEIR_RULE_PASSES_MAX

static const uint32_t sizes[] = {1, 15, 16, 17, 64, 65, 257, 1000, MOST};

static struct weir_rule rules[MOST + 2];
static struct weir_range ports[MOST + 2];

/* What one packet has met, in the order of being told. */
struct met {
	uint32_t n;
	uint32_t rule[MOST];
};

static void passed(void *ctx, uint32_t ask, uint32_t rule)
{
	struct met *m = (struct met *)ctx + ask;

	m->rule[m->n++] = rule;
}

static void counted(void *ctx, uint32_t rule, const char *what)
{
	struct met *m = ctx;

	if (strcmp(what, "it matches and counts; the next rules decide") == 0)
		m->rule[m->n++] = rule;
}

/* Ask about packets; both what decides and what was met must be as the slow matcher says. */
static uint32_t decide(const struct weir_rules *rs, const struct weir_rule_ask *asks, uint32_t n,
		       uint32_t *rule)
{
	struct met *quick = calloc(n, sizeof(*quick)), *slow = calloc(1, sizeof(*slow));
	uint32_t met = 0;

	CU_ASSERT_FATAL(quick != NULL && slow != NULL);
	weir_rules_ask(rs, toy_only_worker(), asks, n, 0, 0, rule, passed, quick);
	for (uint32_t i = 0; i < n; i++) {
		slow->n = 0;
		CU_ASSERT_EQUAL(rule[i], weir_rules_explain(rs, &asks[i], 0, counted, slow));
		CU_ASSERT_EQUAL_FATAL(quick[i].n, slow->n);
		for (uint32_t k = 0; k < slow->n; k++)
			CU_ASSERT_EQUAL(quick[i].rule[k], slow->rule[k]);
		met += slow->n;
	}
	free(quick);
	free(slow);
	return met;
}

static struct weir_rule counting(uint32_t i, uint16_t lo, uint16_t hi)
{
	struct weir_rule r = toy_rule("count");

	ports[i] = (struct weir_range){lo, hi};
	r.action = WEIR_ACTION_COUNT;
	r.dports = &ports[i];
	r.n_dports = 1;
	return r;
}

static struct weir_rule_ask to_port(uint32_t port)
{
	return toy_ask("10.0.0.1", "192.0.2.1", IPPROTO_UDP, 1000, (uint16_t)port);
}

static void test_each_counting_rule_is_met_by_its_packets_alone(void)
{
	for (unsigned s = 0; s < RTE_DIM(sizes); s++) {
		const uint32_t n = sizes[s];
		struct weir_rule_ask asks[64];
		struct weir_rules *rs;
		uint32_t rule[64], met = 0;

		for (uint32_t i = 0; i < n; i++)
			rules[i] = counting(i, (uint16_t)(i + 1), (uint16_t)(i + 1));
		rules[n] = toy_rule("drop");
		rs = toy_rules(rules, n + 1);
		for (uint32_t i = 0; i <= n; i += 64) {
			for (uint32_t k = 0; k < 64; k++)
				asks[k] = to_port(i + k);
			met += decide(rs, asks, 64, rule);
			CU_ASSERT_EQUAL(rule[0], n);
		}
		CU_ASSERT_EQUAL(met, n);
		weir_rules_free(rs);
	}
}

static void test_a_packet_meets_all_counting_rules_before_its_end_in_order(void)
{
	for (unsigned s = 0; s < RTE_DIM(sizes); s++) {
		const uint32_t n = sizes[s];
		const struct weir_rule_ask asks[] = {to_port(1), to_port(n / 2 + 1), to_port(n),
						     to_port(n + 1), to_port(0)};
		struct weir_rules *rs;
		uint32_t rule[5];

		for (uint32_t i = 0; i < n; i++)
			rules[i] = counting(i, (uint16_t)(i + 1), UINT16_MAX);
		rules[n] = toy_rule("drop");
		rs = toy_rules(rules, n + 1);
		CU_ASSERT_EQUAL(decide(rs, asks, 5, rule), 1 + n / 2 + 1 + n + n);
		weir_rules_free(rs);
	}
}

/* A rule that decides stands before, between or behind them. */
static void test_what_stands_behind_the_end_is_not_met(void)
{
	const uint32_t n = 200;

	for (uint32_t at = 0; at <= n; at += 20) {
		const struct weir_rule_ask asks[] = {to_port(1), to_port(2), to_port(3)};
		struct weir_rules *rs;
		uint32_t rule[3], met;

		for (uint32_t i = 0; i <= n; i++)
			rules[i] = counting(i, 1, 2);
		rules[at].action = WEIR_ACTION_DROP;
		ports[at].hi = 1;
		rs = toy_rules(rules, n + 1);
		met = decide(rs, asks, 3, rule);
		CU_ASSERT_EQUAL(met, at + n);
		CU_ASSERT_EQUAL(rule[0], at);
		CU_ASSERT_EQUAL(rule[1], WEIR_RULE_DEFAULT);
		weir_rules_free(rs);
	}
}

static void test_rules_for_everything_are_met_among_others(void)
{
	const uint32_t n = 130;
	const struct weir_rule_ask asks[] = {to_port(7), to_port(8)};
	struct weir_rules *rs;
	uint32_t rule[2];

	for (uint32_t i = 0; i < n; i++) {
		rules[i] = counting(i, 7, 7);
		if (i % 3 == 0)
			rules[i].n_dports = 0;
	}
	rs = toy_rules(rules, n);
	CU_ASSERT_EQUAL(decide(rs, asks, 2, rule), n + (n + 2) / 3);
	CU_ASSERT_EQUAL(rule[0], WEIR_RULE_DEFAULT);
	weir_rules_free(rs);
}

/* Each lets one packet pass; the next packet goes on with the next rule. */
static void test_each_limit_is_charged_in_its_turn(void)
{
	for (unsigned s = 0; s < RTE_DIM(sizes); s++) {
		const uint32_t n = sizes[s];
		struct weir_rules_worker *w = toy_rules_worker(8);
		const struct weir_rule_ask a = to_port(9);
		struct weir_rule_ask asks[64];
		struct weir_rules *rs;
		uint32_t rule[64];

		for (uint32_t i = 0; i < n; i++) {
			rules[i] = counting(i, 9, 9);
			rules[i].action = WEIR_ACTION_ACCEPT;
			rules[i].limit = WEIR_LIMIT_RULE;
			rules[i].limit_pps = rules[i].limit_burst = 1;
			rules[i].slot = i;
		}
		rs = toy_rules(rules, n);
		for (uint32_t k = 0; k < 64; k++)
			asks[k] = a;
		for (uint32_t i = 0; i <= n; i += 64) {
			weir_rules_ask(rs, w, asks, 64, 0, 0, rule, NULL, NULL);
			for (uint32_t k = 0; k < 64; k++)
				CU_ASSERT_EQUAL(rule[k], i + k < n ? i + k : WEIR_RULE_DEFAULT);
		}
		weir_rules_free(rs);
		weir_rules_worker_free(w);
	}
}

/* Rules that decide, rules that count, each with a set or none, in parts of more than one. */
static void test_sets_and_counting_rules_mix(void)
{
	const struct weir_set_conf of_set = {.name = "s", .entries = 4, .numa = -1};
	const struct weir_prefix net = toy_prefix("10.0.0.0/30");
	const struct weir_set *sets[40];
	struct weir_rule_ask asks[64];
	struct weir_rules *rs;
	uint32_t rule[64];

	toy_eal();
	for (uint32_t i = 0; i < 40; i++) {
		struct weir_set *set = NULL;
		struct weir_prefix p = net;

		p.addr.bytes[3] = (uint8_t)(4 * (i % 8));
		CU_ASSERT_EQUAL_FATAL(weir_set_create(&of_set, &set, NULL), 0);
		CU_ASSERT_EQUAL(weir_set_add(set, &p, WEIR_SET_FOREVER), 0);
		sets[i] = set;
	}
	for (uint32_t i = 0; i < 160; i++) {
		rules[i] = counting(i, (uint16_t)(i / 2), (uint16_t)(i / 2 + 40));
		if (i % 4 == 3)
			rules[i].action = WEIR_ACTION_ACCEPT;
		*(i % 2 ? &rules[i].src : &rules[i].dst) = (struct weir_rule_addrs){
			.sets = &sets[i % 40], .n_sets = i % 3 == 0 ? 0 : 1, .negate = i % 5 == 0};
	}
	rs = toy_rules(rules, 160);
	for (uint32_t port = 0; port < 130; port++) {
		for (uint32_t k = 0; k < 64; k++) {
			asks[k] = to_port(port);
			asks[k].tuple.src[3] = (uint8_t)(k % 40);
			memcpy(asks[k].tuple.dst, net.addr.bytes, 4);
			asks[k].tuple.dst[3] = (uint8_t)(k / 2);
		}
		(void)decide(rs, asks, 64, rule);
	}
	weir_rules_free(rs);
	for (uint32_t i = 0; i < 40; i++)
		weir_set_free((struct weir_set *)(uintptr_t)sets[i]);
}

static void test_each_allocation_may_fail(void)
{
	const struct weir_set_conf of_set = {.name = "s", .entries = 4, .numa = -1};
	const struct weir_rules_conf conf = toy_rules_conf(rules, 21);
	const struct weir_set *set;
	struct weir_set *made = NULL;
	struct weir_rules *rs = NULL;
	bool done = false;

	toy_eal();
	CU_ASSERT_EQUAL_FATAL(weir_set_create(&of_set, &made, NULL), 0);
	set = made;
	for (uint32_t i = 0; i < 21; i++) {
		rules[i] = counting(i, (uint16_t)i, (uint16_t)i);
		rules[i].family = 4;
	}
	rules[3].src = (struct weir_rule_addrs){.sets = &set, .n_sets = 1};
	rules[4].dst = (struct weir_rule_addrs){.sets = &set, .n_sets = 1, .negate = true};
	rules[20].action = WEIR_ACTION_DROP;
	FAILALLOC_EACH(n)
	{
		struct weir_why why = {0};
		const int rc = weir_rules_compile(&conf, &rs, &why);

		done = failalloc_done();
		if (done) {
			CU_ASSERT_EQUAL(rc, 0);
			break;
		}
		CU_ASSERT_EQUAL_FATAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(rs);
		CU_ASSERT_NOT_EQUAL(why.text[0], '\0');
	}
	CU_ASSERT(done);
	weir_rules_free(rs);
	weir_set_free(made);
}

WEIR_TESTS("rules/passes", TEST(each_counting_rule_is_met_by_its_packets_alone),
	   TEST(a_packet_meets_all_counting_rules_before_its_end_in_order),
	   TEST(what_stands_behind_the_end_is_not_met),
	   TEST(rules_for_everything_are_met_among_others), TEST(each_limit_is_charged_in_its_turn),
	   TEST(sets_and_counting_rules_mix), TEST(each_allocation_may_fail))
