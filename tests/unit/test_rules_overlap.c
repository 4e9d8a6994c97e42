/* SPDX-License-Identifier: BSD-3-Clause */

/* Whether two rules can match one packet: never wrong if it says no, and no often enough. */

#include "rules_priv.h"
#include "toy_rules_world.h"

#define RULES 60

static bool meet(const struct weir_rule *a, const struct weir_rule *b)
{
	CU_ASSERT_EQUAL(rules_overlap(a, b), rules_overlap(b, a));
	return rules_overlap(a, b);
}

static struct weir_rule_addrs addrs(const struct weir_prefix *list, uint32_t n, bool negate)
{
	return (struct weir_rule_addrs){.prefixes = list, .n_prefixes = n, .negate = negate};
}

static void test_rules_without_a_field_in_common_do_not_meet(void)
{
	const struct weir_prefix ten = toy_prefix("10.0.0.0/8"), in = toy_prefix("10.1.0.0/16"),
				 out = toy_prefix("11.0.0.0/8"), six = toy_prefix("2001:db8::/32");
	const struct weir_range low = {1, 10}, high = {11, 20}, both = {10, 11};
	struct weir_rule a = toy_rule("a"), b = toy_rule("b");

	CU_ASSERT_TRUE(meet(&a, &b));
	a.from_zones = 2;
	b.from_zones = 4;
	CU_ASSERT_FALSE(meet(&a, &b));
	b.from_zones = 6;
	CU_ASSERT_TRUE(meet(&a, &b));
	a.src = addrs(&ten, 1, false);
	b.src = addrs(&out, 1, false);
	CU_ASSERT_FALSE(meet(&a, &b));
	b.src = addrs(&in, 1, false);
	CU_ASSERT_TRUE(meet(&a, &b));
	b.src = addrs(&ten, 1, true);
	CU_ASSERT_FALSE(meet(&a, &b));
	b.src = addrs(&in, 1, true);
	CU_ASSERT_TRUE(meet(&a, &b));
	b.src = addrs(&six, 1, false);
	CU_ASSERT_FALSE(meet(&a, &b));
	b.src = addrs(NULL, 0, false);
	a.proto = b.proto = IPPROTO_UDP;
	a.dports = &low;
	b.dports = &high;
	a.n_dports = b.n_dports = 1;
	CU_ASSERT_FALSE(meet(&a, &b));
	b.dports = &both;
	CU_ASSERT_TRUE(meet(&a, &b));
	b.proto = IPPROTO_TCP;
	CU_ASSERT_FALSE(meet(&a, &b));
	b.proto = 0; /* with ports: TCP, UDP, SCTP */
	CU_ASSERT_TRUE(meet(&a, &b));
	a = b = toy_rule("icmp");
	a.icmp_type = 8;
	b.icmp_type = 3;
	CU_ASSERT_FALSE(meet(&a, &b));
	b.icmp_type = -1;
	CU_ASSERT_TRUE(meet(&a, &b));
	a.family = 4;
	b.family = 6;
	CU_ASSERT_FALSE(meet(&a, &b));
}

/* Each rule for itself: what the slow matcher says of it does not depend on the others. */
static void compile_each(const struct world *w, struct weir_rules **out)
{
	for (uint32_t i = 0; i < w->n; i++) {
		const struct weir_rules_conf conf = toy_rules_conf(&w->rules[i], 1);

		w->rules[i].action = WEIR_ACTION_DROP;
		out[i] = toy_compile(&conf);
	}
}

static void test_rules_that_a_random_packet_matches_both_meet(void)
{
	unsigned pairs = 0, apart = 0;

	toy_eal();
	for (unsigned six = 0; six < 2; six++) {
		struct weir_rules *each[RULES];
		struct world w;

		state = 77 + six;
		make_world(&w, six ? 6 : 4, RULES);
		compile_each(&w, each);
		for (unsigned k = 0; k < 20000; k++) {
			const struct weir_rule_ask ask = aimed_ask(&w);
			uint32_t hit[RULES], n = 0;

			for (uint32_t i = 0; i < RULES; i++)
				if (weir_rules_explain(each[i], &ask, 1, NULL, NULL) == 0)
					hit[n++] = i;
			for (uint32_t i = 1; i < n; i++, pairs++)
				CU_ASSERT_TRUE(meet(&w.rules[hit[0]], &w.rules[hit[i]]));
		}
		for (uint32_t i = 0; i < RULES; i++)
			for (uint32_t k = 0; k < RULES; k++)
				apart += !meet(&w.rules[i], &w.rules[k]);
		for (uint32_t i = 0; i < RULES; i++)
			weir_rules_free(each[i]);
		end_world(&w);
	}
	CU_ASSERT_TRUE(pairs > 1000);
	CU_ASSERT_TRUE(apart > RULES * RULES / 2); /* of twice as many */
}

WEIR_TESTS("rules/overlap", TEST(rules_without_a_field_in_common_do_not_meet),
	   TEST(rules_that_a_random_packet_matches_both_meet))
