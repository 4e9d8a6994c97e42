/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The table of connections against a list: random calls, with hashes that an attacker would choose.
 * WEIR_TEST_LONG=1: ten million.
 */

#include "failalloc.h"
#include "tcp/tcp_table.c"
#include "test.h"

#define CALLS	   20000
#define CALLS_LONG 10000000
#define ENTRIES	   600

struct entry {
	uint32_t hash, ref; /* ref 0: not in the table */
};

static struct entry model[ENTRIES];
static uint32_t n_model;

static struct tcp_table *table_of(uint32_t most)
{
	struct tcp_table *t = NULL;

	CU_ASSERT_EQUAL_FATAL(tcp_table_create(most, &t), 0);
	return t;
}

/* Every ref of the hash once, and none else. */
static void expect_found(const struct tcp_table *t, uint32_t hash)
{
	uint32_t at = 0, want = 0, seen = 0, ref;

	for (unsigned i = 0; i < ENTRIES; i++)
		want += model[i].ref != 0 && model[i].hash == hash;
	while ((ref = tcp_table_next(t, hash, &at)) != 0) {
		const uint32_t i = (ref >> REF_KIND_BITS) % ENTRIES;

		CU_ASSERT(model[i].ref == ref && model[i].hash == hash);
		CU_ASSERT_FATAL(++seen <= want);
	}
	CU_ASSERT_EQUAL(seen, want);
	CU_ASSERT_EQUAL(tcp_table_next(t, hash, &at), 0);
}

/* What each bucket has counted is what lies behind it. */
static void expect_counts(const struct tcp_table *t)
{
	const uint32_t n = t->homes + WALK_BUCKETS;
	uint32_t *passed = calloc(n, sizeof(*passed));
	uint32_t used = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(passed);
	for (uint32_t b = 0; b < n; b++) {
		for (unsigned i = 0; i < SLOTS; i++) {
			if (!(t->buckets[b].used >> i & 1))
				continue;
			used++;
			for (struct bucket *p = home_of(t, t->buckets[b].hash[i]);
			     p < &t->buckets[b]; p++)
				passed[p - t->buckets]++;
		}
	}
	for (uint32_t b = 0; b < n; b++)
		CU_ASSERT_EQUAL(t->buckets[b].passed, passed[b]);
	CU_ASSERT_EQUAL(used, n_model);
	CU_ASSERT_EQUAL(t->n, n_model);
	free(passed);
}

static bool is_walk_full(const struct tcp_table *t, uint32_t hash)
{
	for (unsigned i = 0; i < WALK_BUCKETS; i++)
		if (home_of(t, hash)[i].used != ALL_SLOTS)
			return false;
	return true;
}

static void call_one(struct tcp_table *t, uint32_t hashes)
{
	const uint32_t i = (uint32_t)random() % ENTRIES;
	/* Far apart, and never the one hash alone: some have the same home. */
	const uint32_t hash = (uint32_t)random() % hashes * UINT32_C(0x9e3779b9);
	const uint32_t ref = REF(1 + random() % 3, i + ENTRIES * (random() % 1000 + 1));

	if (model[i].ref == 0) {
		if (tcp_table_add(t, hash, ref)) {
			model[i] = (struct entry){hash, ref};
			n_model++;
		} else {
			CU_ASSERT(n_model == t->most || is_walk_full(t, hash));
		}
	} else if (random() % 3 == 0) {
		tcp_table_replace(t, model[i].hash, model[i].ref, ref);
		model[i].ref = ref;
	} else if (random() % 2 == 0 || n_model == t->most) {
		tcp_table_remove(t, model[i].hash, model[i].ref);
		model[i].ref = 0;
		n_model--;
	}
	expect_found(t, hash);
	expect_found(t, model[i].hash);
}

static void run_model(uint32_t most, uint32_t hashes, unsigned calls)
{
	struct tcp_table *t = table_of(most);

	memset(model, 0, sizeof(model));
	n_model = 0;
	for (unsigned call = 0; call < calls; call++) {
		call_one(t, hashes);
		if (call % 256 == 0)
			expect_counts(t);
	}
	for (unsigned i = 0; i < ENTRIES; i++) {
		if (model[i].ref == 0)
			continue;
		tcp_table_remove(t, model[i].hash, model[i].ref);
		n_model--;
	}
	expect_counts(t);
	tcp_table_free(t);
}

static void test_random_calls_do_what_a_list_does(void)
{
	const unsigned calls = getenv("WEIR_TEST_LONG") == NULL ? CALLS : CALLS_LONG;

	srandom(1);
	run_model(ENTRIES, UINT32_MAX, calls); /* all different */
	run_model(ENTRIES, 100, calls);	       /* few, and all of them several times */
	run_model(ENTRIES, 1, calls / 4);      /* one */
	run_model(200, 1000, calls);	       /* mostly full */
	run_model(1, 2, calls / 4);
	run_model(0, 2, 100);
}

static void test_as_many_as_may_be_are_taken(void)
{
	struct tcp_table *t = table_of(10000);
	uint32_t at = 0;

	srandom(2);
	for (uint32_t i = 1; i <= 10000; i++)
		CU_ASSERT_TRUE(
			tcp_table_add(t, (uint32_t)random() * 2654435761u, REF(REF_CONN, i)));
	CU_ASSERT_FALSE(tcp_table_add(t, 1, REF(REF_CONN, 1)));
	CU_ASSERT_EQUAL(tcp_table_next(t, 1, &at), 0);
	tcp_table_free(t);
}

static void test_equal_hashes_cost_bounded_work(void)
{
	struct tcp_table *t = table_of(100000);
	uint32_t n = 0, at = 0, found = 0;

	while (n < t->most && tcp_table_add(t, UINT32_MAX, REF(REF_CONN, n + 1)))
		n++;
	CU_ASSERT_EQUAL(n, WALK_BUCKETS * SLOTS);
	while (tcp_table_next(t, UINT32_MAX, &at) != 0)
		found++;
	CU_ASSERT_EQUAL(found, n);
	CU_ASSERT_TRUE(tcp_table_add(t, 0, REF(REF_CONN, 1))); /* others are served */
	tcp_table_remove(t, UINT32_MAX, REF(REF_CONN, 7));
	CU_ASSERT_TRUE(tcp_table_add(t, UINT32_MAX, REF(REF_HALF_OPEN, 7)));
	tcp_table_free(t);
}

static void test_one_may_be_removed_while_it_is_looked_at(void)
{
	struct tcp_table *t = table_of(100);
	uint32_t at = 0, n = 0, ref;

	for (uint32_t i = 1; i <= 50; i++)
		CU_ASSERT_TRUE(tcp_table_add(t, 9, REF(REF_CONN, i)));
	while ((ref = tcp_table_next(t, 9, &at)) != 0 && n++ < 50)
		if (n % 2 == 0)
			tcp_table_remove(t, 9, ref);
	CU_ASSERT_EQUAL(n, 50);
	for (at = 0, n = 0; tcp_table_next(t, 9, &at) != 0; n++)
		;
	CU_ASSERT_EQUAL(n, 25);
	tcp_table_free(t);
}

static void test_an_entry_costs_13_bytes(void)
{
	const uint32_t most = 1000000;
	struct tcp_table *t = table_of(most);

	CU_ASSERT(((size_t)t->homes + WALK_BUCKETS) * sizeof(struct bucket) <= 13 * (size_t)most);
	tcp_table_free(t);
}

static void test_a_table_fails_where_memory_does(void)
{
	struct tcp_table *t = NULL;

	FAILALLOC_EACH(n)
	{
		const int rc = tcp_table_create(100, &t);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(t);
	}
	CU_ASSERT_PTR_NOT_NULL(t);
	tcp_table_prefetch(t, 0);
	tcp_table_free(t);
	tcp_table_free(NULL);
}

WEIR_TESTS("tcp/tcp_table", TEST(random_calls_do_what_a_list_does),
	   TEST(as_many_as_may_be_are_taken), TEST(equal_hashes_cost_bounded_work),
	   TEST(one_may_be_removed_while_it_is_looked_at), TEST(an_entry_costs_13_bytes),
	   TEST(a_table_fails_where_memory_does))
