/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Random rules against the slow matcher; half of the packets are aimed at a rule.
 * WEIR_TEST_LONG=1: 10,000 rules, a million packets, of each family. Rules as wild as these make
 * 500,000 entries and 0.8 to 1 GB of tries, which take a minute, and the slow matcher some more.
 */

#include "toy_rules_world.h"

#define BURST 64

/* Counting rules that a packet passed: how many, and the last, for they are told in order. */
struct pass {
	uint32_t n, last;
	bool ordered;
};

static void passed(void *ctx, uint32_t ask, uint32_t rule)
{
	struct pass *p = (struct pass *)ctx + ask;

	p->ordered = p->ordered && (p->n == 0 || rule > p->last);
	p->n++;
	p->last = rule;
}

static void counted(void *ctx, uint32_t rule, const char *what)
{
	struct pass *p = ctx;

	if (strcmp(what, "it matches and counts; the next rules decide") != 0)
		return;
	p->n++;
	p->last = rule;
}

static unsigned compare_burst(const struct world *w, const struct weir_rules *rs, uint32_t now_s,
			      uint32_t *matched)
{
	struct weir_rule_ask asks[BURST];
	struct pass quick[BURST] = {0};
	uint32_t rule[BURST];
	unsigned wrong = 0;

	for (unsigned i = 0; i < BURST; i++) {
		asks[i] = one_in(2) ? random_ask(w) : aimed_ask(w);
		quick[i].ordered = true;
	}
	weir_rules_ask(rs, toy_only_worker(), asks, BURST, now_s, 0, rule, passed, quick);
	for (unsigned i = 0; i < BURST; i++) {
		struct pass slow = {0};

		wrong += rule[i] != weir_rules_explain(rs, &asks[i], now_s, counted, &slow);
		wrong += quick[i].n != slow.n || quick[i].last != slow.last || !quick[i].ordered;
		*matched += rule[i] != WEIR_RULE_DEFAULT;
	}
	return wrong;
}

static void compare_world(struct world *w, uint32_t packets)
{
	const struct weir_rules_conf conf = toy_rules_conf(w->rules, w->n);
	struct weir_rules *rs = toy_compile(&conf);
	struct weir_rules_stats stats;
	uint32_t matched = 0;
	unsigned wrong = 0;

	weir_rules_stats(rs, &stats);
	for (uint32_t done = 0; done < packets; done += BURST)
		wrong += compare_burst(w, rs, 100, &matched);
	printf("\n    IPv%u: %u rules, %u contexts, %u entries, %.1f MB, %.0f ms; "
	       "%u of %u packets matched a rule ",
	       w->family, w->n, stats.contexts, stats.entries, (double)stats.bytes / 1e6,
	       (double)stats.build_ns / 1e6, matched, packets);
	CU_ASSERT_EQUAL(wrong, 0);
	/* Else most of what is compared is the default. */
	CU_ASSERT(matched > packets / 4);
	weir_rules_free(rs);
	end_world(w);
}

static void compare(uint8_t family, uint32_t n, uint32_t packets)
{
	struct world w;

	toy_eal();
	make_world(&w, family, n);
	compare_world(&w, packets);
}

static bool is_long(void)
{
	return getenv("WEIR_TEST_LONG") != NULL;
}

static void run(uint8_t family)
{
	if (is_long()) {
		state = 42 + family;
		compare(family, 10000, 1000000);
		return;
	}
	for (unsigned seed = 1; seed <= 3; seed++) {
		state = seed * 1000003 + family;
		compare(family, 90 * seed, 6400);
	}
}

static void test_random_rules_of_ipv4_decide_as_one_after_the_other_would(void)
{
	run(4);
}

static void test_random_rules_of_ipv6_decide_as_one_after_the_other_would(void)
{
	run(6);
}

/* Between two zones more than 64 of each: rules that count or have a limit, sets, address lists. */
static void run_crowded(uint8_t family)
{
	struct world w;
	uint32_t passes = 0, sets = 0;

	toy_eal();
	state = 77 + family;
	make_world_of(&w, family, is_long() ? 1500 : 300, true);
	for (uint32_t i = 0; i < w.n; i++) {
		passes += w.rules[i].action == WEIR_ACTION_COUNT ||
			  w.rules[i].limit != WEIR_LIMIT_NONE;
		sets += w.rules[i].src.n_sets > 0;
	}
	CU_ASSERT(passes > 128 && sets > 128);
	compare_world(&w, is_long() ? 1000000 : 6400);
}

static void test_many_rules_of_ipv4_that_count_or_have_limits_and_sets_decide_alike(void)
{
	run_crowded(4);
}

static void test_many_rules_of_ipv6_that_count_or_have_limits_and_sets_decide_alike(void)
{
	run_crowded(6);
}

WEIR_TESTS("rules/random", TEST(random_rules_of_ipv4_decide_as_one_after_the_other_would),
	   TEST(random_rules_of_ipv6_decide_as_one_after_the_other_would),
	   TEST(many_rules_of_ipv4_that_count_or_have_limits_and_sets_decide_alike),
	   TEST(many_rules_of_ipv6_that_count_or_have_limits_and_sets_decide_alike))
