/* SPDX-License-Identifier: BSD-3-Clause */

/* Lost, doubled and late packets of a flow, told from the numbers that arrive. */

#include "../../apps/bench/track.c"
#include "test.h"

#include <stdlib.h>
#include <string.h>

#define RUN 7

static void add_range(struct bench_track *t, uint32_t from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		CU_ASSERT_EQUAL(bench_track_add(t, RUN, from + i), BENCH_IN_ORDER);
}

static void test_a_flow_in_order_has_lost_nothing(void)
{
	struct bench_track t = {0};

	CU_ASSERT_EQUAL(bench_track_lost(&t), 0);
	add_range(&t, 1000, 5000);
	CU_ASSERT_EQUAL(t.unique, 5000);
	CU_ASSERT_EQUAL(bench_track_lost(&t), 0);
	CU_ASSERT_EQUAL(t.duplicates + t.reordered, 0);
}

static void test_a_gap_is_lost_until_it_is_filled(void)
{
	struct bench_track t = {0};

	add_range(&t, 0, 10);
	add_range(&t, 15, 10);
	CU_ASSERT_EQUAL(bench_track_lost(&t), 5);
	CU_ASSERT_EQUAL(bench_track_add(&t, RUN, 12), BENCH_REORDERED);
	CU_ASSERT_EQUAL(bench_track_lost(&t), 4);
	CU_ASSERT_EQUAL(t.reordered, 1);
}

static void test_what_comes_twice_is_a_duplicate_and_not_a_late_one(void)
{
	struct bench_track t = {0};

	add_range(&t, 0, 200);
	CU_ASSERT_EQUAL(bench_track_add(&t, RUN, 199), BENCH_DUPLICATE);
	CU_ASSERT_EQUAL(bench_track_add(&t, RUN, 199 - BENCH_TRACK_WINDOW + 1), BENCH_DUPLICATE);
	CU_ASSERT_EQUAL(t.duplicates, 2);
	CU_ASSERT_EQUAL(t.unique, 200);
	CU_ASSERT_EQUAL(bench_track_lost(&t), 0);
}

static void test_a_gap_wider_than_the_window_is_counted_whole(void)
{
	struct bench_track t = {0};

	add_range(&t, 0, 1);
	add_range(&t, 1000001, 1);
	CU_ASSERT_EQUAL(bench_track_lost(&t), 1000000);
	/* Nothing of the old window is left behind to be taken for a duplicate. */
	CU_ASSERT_EQUAL(bench_track_add(&t, RUN, 1000000), BENCH_REORDERED);
}

static void test_numbers_may_wrap(void)
{
	struct bench_track t = {0};

	add_range(&t, UINT32_MAX - 4, 10);
	CU_ASSERT_EQUAL(t.unique, 10);
	CU_ASSERT_EQUAL(bench_track_lost(&t), 0);
	CU_ASSERT_EQUAL(bench_track_add(&t, RUN, UINT32_MAX), BENCH_DUPLICATE);
}

static void test_one_older_than_the_first_moves_the_beginning(void)
{
	struct bench_track t = {0};

	add_range(&t, 1, 3);
	CU_ASSERT_EQUAL(bench_track_add(&t, RUN, 0), BENCH_REORDERED);
	CU_ASSERT_EQUAL(bench_track_lost(&t), 0);
	add_range(&t, 4, 1);
	CU_ASSERT_EQUAL(t.unique, 5);
}

static void test_a_sender_that_began_anew_loses_nothing_by_it(void)
{
	struct bench_track t = {0};

	add_range(&t, 0, 10);
	add_range(&t, 12, 1);
	CU_ASSERT_EQUAL(bench_track_add(&t, RUN + 1, 0), BENCH_IN_ORDER);
	CU_ASSERT_EQUAL(bench_track_add(&t, RUN + 1, 2), BENCH_IN_ORDER);
	CU_ASSERT_EQUAL(bench_track_lost(&t), 2 + 1);
	CU_ASSERT_EQUAL(t.unique, 11 + 2);
}

/* A shuffled, thinned and doubled sequence against plain counting. */
static void test_random_histories_are_counted_as_by_hand(void)
{
	enum { N = 4096, NEAR = 50 };
	static uint32_t order[N];
	static uint8_t came[N];

	srand(1);
	for (unsigned round = 0; round < 200; round++) {
		struct bench_track t = {0};
		uint64_t lost = 0, twice = 0, unique = 0, first = N, last = 0;

		memset(came, 0, sizeof(came));
		for (uint32_t i = 0; i < N; i++)
			order[i] = i;
		for (uint32_t i = 0; i + NEAR < N; i += NEAR) {
			const uint32_t a = i + (uint32_t)rand() % NEAR, swap = order[a];

			order[a] = order[i];
			order[i] = swap;
		}
		for (uint32_t i = 0; i < N; i++) {
			const unsigned times = rand() % 10 == 0 ? 0 : rand() % 10 == 1 ? 2 : 1;

			for (unsigned k = 0; k < times; k++) {
				bench_track_add(&t, RUN, order[i]);
				came[order[i]]++;
			}
		}
		for (uint32_t i = 0; i < N; i++) {
			if (came[i] == 0)
				continue;
			first = first == N ? i : first;
			last = i;
			unique++;
			twice += came[i] - 1u;
		}
		for (uint64_t i = first; i <= last; i++)
			lost += came[i] == 0;
		CU_ASSERT_EQUAL(bench_track_lost(&t), lost);
		CU_ASSERT_EQUAL(t.duplicates, twice);
		CU_ASSERT_EQUAL(t.unique, unique);
	}
}

WEIR_TESTS("bench/track", TEST(a_flow_in_order_has_lost_nothing),
	   TEST(a_gap_is_lost_until_it_is_filled),
	   TEST(what_comes_twice_is_a_duplicate_and_not_a_late_one),
	   TEST(a_gap_wider_than_the_window_is_counted_whole), TEST(numbers_may_wrap),
	   TEST(one_older_than_the_first_moves_the_beginning),
	   TEST(a_sender_that_began_anew_loses_nothing_by_it),
	   TEST(random_histories_are_counted_as_by_hand))
