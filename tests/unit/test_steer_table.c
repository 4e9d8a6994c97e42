/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules' table on memory of the test: what leads to a rule, in which order, and when it waits.
 */
#include "steer_table_priv.h"
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The hash table of chains, and what it was asked to do. */
static struct {
	struct steer_key key[STEER_RULES];
	uint32_t id[STEER_RULES];
	unsigned n, waits;
	int refuse; /* with this, if not 0 */
} heads;

static struct steer_mask masks[STEER_MASKS];
static struct steer_rule rules[STEER_RULES];
static uint16_t n_masks;
static struct steer_table table;

static unsigned find_head(const struct steer_key *key)
{
	unsigned i = 0;

	while (i < heads.n && memcmp(&heads.key[i], key, sizeof(*key)) != 0)
		i++;
	return i;
}

static int set_head(void *ctx, const struct steer_key *key, uint32_t id)
{
	const unsigned i = find_head(key);

	if (heads.refuse != 0)
		return heads.refuse;
	heads.key[i] = *key;
	heads.id[i] = id;
	heads.n += i == heads.n;
	return 0;
}

static int del_head(void *ctx, const struct steer_key *key)
{
	const unsigned i = find_head(key);

	if (heads.refuse != 0)
		return heads.refuse;
	CU_ASSERT_FATAL(i < heads.n);
	heads.n--;
	heads.key[i] = heads.key[heads.n];
	heads.id[i] = heads.id[heads.n];
	return 0;
}

static void wait_for_runs(void *ctx)
{
	heads.waits++;
}

static void begin(void)
{
	static const struct steer_table_ops ops = {set_head, del_head, wait_for_runs};

	memset(&heads, 0, sizeof(heads));
	memset(masks, 0, sizeof(masks));
	memset(rules, 0, sizeof(rules));
	memset(&table, 0, sizeof(table));
	n_masks = 0;
	table.ops = &ops;
	table.masks = masks;
	table.rules = rules;
	table.n_masks = &n_masks;
}

static struct steer_spec range(uint16_t lo, uint16_t hi, uint32_t priority)
{
	struct steer_spec s = steer_spec_any(STEER_DROP, priority);

	s.rule.dst_port_lo = lo;
	s.rule.dst_port_hi = hi;
	return s;
}

static struct steer_spec dst_port(uint16_t port, uint32_t priority)
{
	struct steer_spec s = steer_spec_any(STEER_DROP, priority);

	s.key.dst_port = port;
	s.mask.dst_port = UINT16_MAX;
	return s;
}

static uint32_t add(struct steer_spec spec)
{
	const char *why;
	uint32_t id = 0;

	CU_ASSERT_EQUAL(steer_table_may_add(&table, &spec, &why), 0);
	CU_ASSERT_EQUAL(steer_table_add(&table, &spec, &id, &why), 0);
	CU_ASSERT_TRUE(steer_table_has(&table, id));
	return id;
}

static int refusal(struct steer_spec spec)
{
	const char *why = NULL;
	uint32_t id = 77;
	const int rc = steer_table_add(&table, &spec, &id, &why);

	CU_ASSERT_EQUAL(id, 77);
	CU_ASSERT_PTR_NOT_NULL(why);
	return rc;
}

/* The numbers of the only chain's rules. */
static unsigned chain(uint32_t ids[STEER_CHAIN])
{
	unsigned n = 0;

	for (uint32_t id = heads.n == 1 ? heads.id[0] : 0; id != 0 && n < STEER_CHAIN;
	     id = rules[id].next)
		ids[n++] = id;
	return n;
}

static void test_a_chain_is_in_order_of_priority_and_age(void)
{
	static const uint32_t priorities[] = {5, 1, 5, 9, 1, 0};
	static const unsigned order[] = {5, 1, 4, 0, 2, 3};
	uint32_t ids[6], found[STEER_CHAIN];

	begin();
	for (uint16_t i = 0; i < 6; i++)
		ids[i] = add(range(i, i, priorities[i]));
	CU_ASSERT_EQUAL_FATAL(chain(found), 6);
	for (unsigned i = 0; i < 6; i++)
		CU_ASSERT_EQUAL(found[i], ids[order[i]]);
	CU_ASSERT_EQUAL(masks[0].best, rules[ids[5]].rank);
}

static void test_a_rule_is_taken_out_at_any_place(void)
{
	for (unsigned gone = 0; gone < 3; gone++) {
		uint32_t ids[3], found[STEER_CHAIN];

		begin();
		for (uint16_t i = 0; i < 3; i++)
			ids[i] = add(range(i, i, i));
		CU_ASSERT_EQUAL(steer_table_remove(&table, ids[gone]), 0);
		CU_ASSERT_EQUAL(chain(found), 2);
		CU_ASSERT_EQUAL(found[0], ids[gone == 0 ? 1 : 0]);
		CU_ASSERT_EQUAL(found[1], ids[gone == 2 ? 1 : 2]);
		CU_ASSERT_EQUAL(masks[0].best, rules[found[0]].rank);
		CU_ASSERT_FALSE(steer_table_has(&table, ids[gone]));
	}
}

static void test_the_last_rule_takes_head_and_mask_along(void)
{
	uint32_t low, high;

	begin();
	low = add(dst_port(1, 0));
	high = add(range(1, 2, 0));
	CU_ASSERT_EQUAL(n_masks, 2);
	CU_ASSERT_EQUAL(steer_table_remove(&table, low), 0);
	CU_ASSERT_EQUAL(heads.n, 1);
	CU_ASSERT_EQUAL(n_masks, 2); /* the second is still in use */
	CU_ASSERT_EQUAL(masks[0].best, STEER_RANK_NONE);
	CU_ASSERT_EQUAL(steer_table_remove(&table, high), 0);
	CU_ASSERT_EQUAL(heads.n, 0);
	CU_ASSERT_EQUAL(n_masks, 0);
	CU_ASSERT_EQUAL(table.n_rules, 0);
}

static void test_a_twin_is_refused_whatever_it_does(void)
{
	struct steer_spec twin = range(1, 2, 3);

	begin();
	add(twin);
	twin.rule.verdict = STEER_KERNEL;
	CU_ASSERT_EQUAL(refusal(twin), -EEXIST);
	twin.priority = 4;
	add(twin);
	add(range(1, 3, 3));
	add(dst_port(1, 3));
	CU_ASSERT_EQUAL(table.n_rules, 4);
}

static void test_a_full_table_says_what_is_full(void)
{
	struct steer_spec s;

	begin();
	for (unsigned i = 1; i < STEER_RULES; i++)
		add(dst_port((uint16_t)i, 0));
	CU_ASSERT_EQUAL(steer_table_next(&table), 0);
	CU_ASSERT_EQUAL(refusal(dst_port(5000, 0)), -ENOSPC);
	CU_ASSERT_EQUAL(steer_table_remove(&table, 9), 0);
	CU_ASSERT_EQUAL(add(dst_port(5000, 0)), 9);

	begin();
	for (unsigned i = 0; i < STEER_MASKS; i++) {
		s = steer_spec_any(STEER_DROP, 0);
		s.mask.dst_ip[i / 8] = (uint8_t)(1 << i % 8);
		add(s);
	}
	CU_ASSERT_EQUAL(refusal(dst_port(1, 0)), -ENOSPC);
	CU_ASSERT_EQUAL(steer_table_remove(&table, 1), 0);
	add(dst_port(1, 0));

	begin();
	for (uint16_t i = 0; i < STEER_CHAIN; i++)
		add(range(i, i, 0));
	CU_ASSERT_EQUAL(refusal(range(99, 99, 0)), -ENOSPC);
	add(dst_port(99, 0));
}

static void test_nothing_changes_if_the_kernel_refuses(void)
{
	const struct steer_spec s = range(1, 1, 1);
	uint32_t id;

	begin();
	heads.refuse = -ENOMEM;
	CU_ASSERT_EQUAL(refusal(s), -ENOMEM);
	CU_ASSERT_EQUAL(table.n_rules, 0);
	CU_ASSERT_EQUAL(n_masks, 0);
	heads.refuse = 0;
	id = add(s);
	heads.refuse = -EFAULT;
	CU_ASSERT_EQUAL(steer_table_remove(&table, id), -EFAULT);
	CU_ASSERT_TRUE(steer_table_has(&table, id));
	CU_ASSERT_EQUAL(n_masks, 1);
}

static void test_memory_that_a_run_may_see_is_used_after_a_wait(void)
{
	uint32_t id;

	begin();
	id = add(range(1, 1, 5));
	add(dst_port(1, 0));
	CU_ASSERT_EQUAL(heads.waits, 0);
	CU_ASSERT_EQUAL(steer_table_remove(&table, id), 0);
	CU_ASSERT_EQUAL(heads.waits, 0); /* taking out never waits, so many go at once */
	CU_ASSERT_NOT_EQUAL(add(range(1, 1, 5)), id);
	CU_ASSERT_EQUAL(heads.waits, 1);
	add(range(2, 2, 6)); /* behind the other: no head is replaced */
	add(range(3, 3, 1)); /* a new head */
	CU_ASSERT_EQUAL(heads.waits, 1);
	add(range(4, 4, 7));
	CU_ASSERT_EQUAL(heads.waits, 2);
}

static void test_a_bit_that_must_be_absent_is_compared_but_not_needed(void)
{
	struct steer_spec untagged = steer_spec_any(STEER_DROP, 0), tagged = untagged;

	begin();
	untagged.mask.has = STEER_HAS_VLAN;
	tagged.mask.has = tagged.key.has = STEER_HAS_VLAN;
	add(untagged);
	add(tagged);
	CU_ASSERT_EQUAL(n_masks, 2);
	CU_ASSERT_EQUAL(masks[0].need, 0);
	CU_ASSERT_EQUAL(masks[1].need, STEER_HAS_VLAN);
}

/* Whatever comes and goes, chains hold the rules that are used, in order, and each of them once. */
static void test_random_changes_keep_all_chains_whole(void)
{
	unsigned in_chains = 0;

	begin();
	srandom(9);
	for (unsigned i = 0; i < 3000; i++) {
		const uint32_t id = (uint32_t)random() % 200;
		struct steer_spec s =
			random() % 2 ? range((uint16_t)(random() % 20), 30, (uint32_t)random() % 4)
				     : dst_port((uint16_t)(random() % 9), 1);
		const char *why;
		uint32_t made;

		if (random() % 2 && steer_table_has(&table, id)) {
			CU_ASSERT_EQUAL(steer_table_remove(&table, id), 0);
		} else if (steer_table_may_add(&table, &s, &why) == 0) {
			CU_ASSERT_EQUAL(steer_table_add(&table, &s, &made, &why), 0);
		}
	}
	for (unsigned h = 0; h < heads.n; h++)
		for (uint32_t id = heads.id[h]; id != 0; id = rules[id].next) {
			const uint32_t next = rules[id].next;

			CU_ASSERT_TRUE(steer_table_has(&table, id));
			CU_ASSERT_EQUAL(
				memcmp(&table.slots[id].key, &heads.key[h], sizeof(heads.key[h])),
				0);
			CU_ASSERT(next == 0 || rules[next].rank > rules[id].rank);
			in_chains++;
		}
	for (unsigned h = 0; h < heads.n; h++) {
		const struct steer_mask *mask = &masks[heads.key[h].mask_id];

		CU_ASSERT(mask->head == 0 || mask->head == heads.id[h]);
	}
	CU_ASSERT_EQUAL(in_chains, table.n_rules);
	CU_ASSERT(table.n_rules > 20);
}

static void test_a_mask_with_one_chain_leads_to_it_without_the_hash_table(void)
{
	uint32_t first, second, third, other;

	begin();
	second = add(range(10, 20, 2));
	CU_ASSERT_EQUAL(masks[0].head, second);
	CU_ASSERT_EQUAL(masks[0].head, heads.id[0]);
	CU_ASSERT_EQUAL(memcmp(&masks[0].only, &heads.key[0], sizeof(heads.key[0])), 0);
	third = add(range(30, 40, 3));
	CU_ASSERT_EQUAL(masks[0].head, second);
	first = add(range(1, 2, 1));
	CU_ASSERT_EQUAL(masks[0].head, first);
	CU_ASSERT_EQUAL(steer_table_remove(&table, first), 0);
	CU_ASSERT_EQUAL(steer_table_remove(&table, third), 0);
	CU_ASSERT_EQUAL(masks[0].head, second);

	other = add(dst_port(80, 1));
	CU_ASSERT_EQUAL(masks[1].head, other);
	add(dst_port(81, 1)); /* from now on only the hash table knows */
	CU_ASSERT_EQUAL(masks[1].head, 0);
	CU_ASSERT_EQUAL(steer_table_remove(&table, other), 0);
	add(dst_port(81, 0));
	CU_ASSERT_EQUAL(masks[1].head, 0);
}

WEIR_TESTS("xdp/steer-table", TEST(a_chain_is_in_order_of_priority_and_age),
	   TEST(a_rule_is_taken_out_at_any_place), TEST(the_last_rule_takes_head_and_mask_along),
	   TEST(a_twin_is_refused_whatever_it_does), TEST(a_full_table_says_what_is_full),
	   TEST(nothing_changes_if_the_kernel_refuses),
	   TEST(memory_that_a_run_may_see_is_used_after_a_wait),
	   TEST(a_bit_that_must_be_absent_is_compared_but_not_needed),
	   TEST(a_mask_with_one_chain_leads_to_it_without_the_hash_table),
	   TEST(random_changes_keep_all_chains_whole))
