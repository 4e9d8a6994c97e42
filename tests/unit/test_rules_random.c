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

static void compare(uint8_t family, uint32_t n, uint32_t packets)
{
	struct weir_rules_stats stats;
	struct weir_rules_conf conf;
	struct weir_rules *rs;
	struct world w;
	uint32_t matched = 0;
	unsigned wrong = 0;

	toy_eal();
	make_world(&w, family, n);
	conf = toy_rules_conf(w.rules, n);
	rs = toy_compile(&conf);
	weir_rules_stats(rs, &stats);
	for (uint32_t done = 0; done < packets; done += BURST)
		wrong += compare_burst(&w, rs, 100, &matched);
	printf("\n    IPv%u: %u rules, %u contexts, %u entries, %.1f MB, %.0f ms; "
	       "%u of %u packets matched a rule ",
	       family, n, stats.contexts, stats.entries, (double)stats.bytes / 1e6,
	       (double)stats.build_ns / 1e6, matched, packets);
	CU_ASSERT_EQUAL(wrong, 0);
	/* Else most of what is compared is the default. */
	CU_ASSERT(matched > packets / 4);
	weir_rules_free(rs);
	end_world(&w);
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

WEIR_TESTS("rules/random", TEST(random_rules_of_ipv4_decide_as_one_after_the_other_would),
	   TEST(random_rules_of_ipv6_decide_as_one_after_the_other_would))
