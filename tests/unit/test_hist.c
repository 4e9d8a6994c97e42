/* SPDX-License-Identifier: BSD-3-Clause */

/* Percentiles are held against a sorted array: never below the truth, never 1/32 above it. */

#include "failalloc.h"
#include "test.h"

#include <pthread.h>
#include <stdlib.h>
#include <weir/hist.h>

#define N 20000

/* xorshift64: the same numbers in every run. */
static uint64_t random_u64(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void test_an_empty_one_has_nothing_to_tell(void)
{
	struct weir_hist *h = weir_hist_create();

	CU_ASSERT_EQUAL(weir_hist_count(h), 0);
	CU_ASSERT_EQUAL(weir_hist_sum_ns(h), 0);
	CU_ASSERT_EQUAL(weir_hist_max_ns(h), 0);
	CU_ASSERT_EQUAL(weir_hist_at(h, 500), 0);
	CU_ASSERT_EQUAL(weir_hist_at(h, 1000), 0);
	weir_hist_free(h);
	weir_hist_free(NULL);
}

static void test_a_percentile_is_at_most_a_32nd_above_the_truth(void)
{
	static uint64_t value[N];
	static const unsigned permilles[] = {0, 1, 10, 250, 500, 750, 900, 950, 990, 999, 1000};
	uint64_t state = 88172645463325252;

	for (unsigned round = 0; round < 8; round++) {
		struct weir_hist *h = weir_hist_create();
		uint64_t sum = 0;

		for (unsigned i = 0; i < N; i++) {
			/* all orders of magnitude alike: keep a random number of bits */
			value[i] = random_u64(&state) >> (24 + random_u64(&state) % 40);
			weir_hist_add(h, value[i]);
			sum += value[i];
		}
		qsort(value, N, sizeof(value[0]), by_value);
		CU_ASSERT_EQUAL(weir_hist_count(h), N);
		CU_ASSERT_EQUAL(weir_hist_sum_ns(h), sum);
		CU_ASSERT_EQUAL(weir_hist_max_ns(h), value[N - 1]);
		for (unsigned i = 0; i < sizeof(permilles) / sizeof(permilles[0]); i++) {
			const unsigned rank = (permilles[i] * N + 999) / 1000;
			const uint64_t truth = value[rank == 0 ? 0 : rank - 1];
			const uint64_t told = weir_hist_at(h, permilles[i]);

			CU_ASSERT(told >= truth);
			CU_ASSERT(told - truth <= truth / 32);
		}
		weir_hist_free(h);
	}
}

static void test_every_power_of_two_and_its_neighbours_keep_the_error(void)
{
	for (unsigned bit = 0; bit < 40; bit++) {
		for (int off = -1; off <= 1; off++) {
			const uint64_t value = (UINT64_C(1) << bit) + (uint64_t)off;
			struct weir_hist *h = weir_hist_create();

			weir_hist_add(h, value);
			weir_hist_add(h, WEIR_HIST_MAX_NS); /* so that the longest caps nothing */
			CU_ASSERT(weir_hist_at(h, 500) >= value);
			CU_ASSERT(weir_hist_at(h, 500) - value <= value / 32);
			weir_hist_free(h);
		}
	}
}

static void test_what_is_too_long_is_counted_as_the_longest(void)
{
	struct weir_hist *h = weir_hist_create();

	CU_ASSERT(WEIR_HIST_MAX_NS >= UINT64_C(18) * 60 * 1000000000);
	weir_hist_add(h, UINT64_MAX);
	weir_hist_add(h, WEIR_HIST_MAX_NS + 1);
	CU_ASSERT_EQUAL(weir_hist_count(h), 2);
	CU_ASSERT_EQUAL(weir_hist_max_ns(h), WEIR_HIST_MAX_NS);
	CU_ASSERT_EQUAL(weir_hist_at(h, 0), WEIR_HIST_MAX_NS);
	weir_hist_free(h);
}

static void test_merging_two_is_counting_both_in_one(void)
{
	struct weir_hist *a = weir_hist_create(), *b = weir_hist_create();
	struct weir_hist *both = weir_hist_create();
	uint64_t state = 42;

	for (unsigned i = 0; i < 1000; i++) {
		const uint64_t ns = random_u64(&state) >> 30;

		weir_hist_add(i % 3 == 0 ? a : b, ns);
		weir_hist_add(both, ns);
	}
	weir_hist_merge(a, b);
	CU_ASSERT_EQUAL(weir_hist_count(a), 1000);
	CU_ASSERT_EQUAL(weir_hist_sum_ns(a), weir_hist_sum_ns(both));
	CU_ASSERT_EQUAL(weir_hist_max_ns(a), weir_hist_max_ns(both));
	for (unsigned permille = 0; permille <= 1000; permille++)
		CU_ASSERT_EQUAL(weir_hist_at(a, permille), weir_hist_at(both, permille));
	weir_hist_free(a);
	weir_hist_free(b);
	weir_hist_free(both);
}

static void test_a_subtracted_baseline_leaves_what_came_after(void)
{
	struct weir_hist *h = weir_hist_create(), *base = weir_hist_create();
	struct weir_hist *now = weir_hist_create();

	weir_hist_add(h, 5000000);
	weir_hist_merge(base, h);
	weir_hist_add(h, 100);
	weir_hist_add(h, 200);
	weir_hist_merge(now, h);
	weir_hist_subtract(now, base);
	CU_ASSERT_EQUAL(weir_hist_count(now), 2);
	CU_ASSERT_EQUAL(weir_hist_sum_ns(now), 300);
	CU_ASSERT(weir_hist_max_ns(now) >= 200 && weir_hist_max_ns(now) <= 200 + 200 / 32);
	CU_ASSERT(weir_hist_at(now, 0) >= 100 && weir_hist_at(now, 0) <= 100 + 100 / 32);
	weir_hist_subtract(now, h); /* not a baseline of it: nothing goes below 0 */
	CU_ASSERT_EQUAL(weir_hist_count(now), 0);
	CU_ASSERT_EQUAL(weir_hist_sum_ns(now), 0);
	CU_ASSERT_EQUAL(weir_hist_max_ns(now), 0);
	weir_hist_free(h);
	weir_hist_free(base);
	weir_hist_free(now);
}

static void test_clearing_forgets_everything(void)
{
	struct weir_hist *h = weir_hist_create();

	weir_hist_add(h, 7);
	weir_hist_clear(h);
	CU_ASSERT_EQUAL(weir_hist_count(h), 0);
	CU_ASSERT_EQUAL(weir_hist_sum_ns(h), 0);
	CU_ASSERT_EQUAL(weir_hist_max_ns(h), 0);
	weir_hist_free(h);
}

static void *write_100000(void *h)
{
	for (uint64_t i = 0; i < 100000; i++)
		weir_hist_add(h, i);
	return NULL;
}

static void test_a_reader_beside_the_writer_sees_counts_only_grow(void)
{
	struct weir_hist *h = weir_hist_create();
	uint64_t last = 0, count;
	pthread_t writer;

	CU_ASSERT_EQUAL_FATAL(pthread_create(&writer, NULL, write_100000, h), 0);
	for (unsigned i = 0; i < 200; i++) {
		count = weir_hist_count(h);
		CU_ASSERT(count >= last);
		CU_ASSERT(weir_hist_at(h, 500) < 100000);
		last = count;
	}
	pthread_join(writer, NULL);
	CU_ASSERT_EQUAL(weir_hist_count(h), 100000);
	weir_hist_free(h);
}

static void test_without_memory_there_is_none(void)
{
	failalloc_at(1);
	CU_ASSERT_PTR_NULL(weir_hist_create());
	CU_ASSERT_FALSE(failalloc_done());
}

WEIR_TESTS("base/hist", TEST(an_empty_one_has_nothing_to_tell),
	   TEST(a_percentile_is_at_most_a_32nd_above_the_truth),
	   TEST(every_power_of_two_and_its_neighbours_keep_the_error),
	   TEST(what_is_too_long_is_counted_as_the_longest),
	   TEST(merging_two_is_counting_both_in_one),
	   TEST(a_subtracted_baseline_leaves_what_came_after), TEST(clearing_forgets_everything),
	   TEST(a_reader_beside_the_writer_sees_counts_only_grow),
	   TEST(without_memory_there_is_none))
