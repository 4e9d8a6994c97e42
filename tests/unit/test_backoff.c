/* SPDX-License-Identifier: BSD-3-Clause */
#include "test.h"

#include <errno.h>
#include <weir/backoff.h>

#define BASE 1000
#define MOST 1000000

static void test_every_wait_is_between_base_and_three_times_the_last(void)
{
	for (uint64_t seed = 0; seed < 1000; seed++) {
		struct weir_backoff b;
		uint64_t last = BASE;

		CU_ASSERT_EQUAL_FATAL(weir_backoff_init(&b, BASE, MOST, seed), 0);
		for (unsigned i = 0; i < 100; i++) {
			const uint64_t wait = weir_backoff_next(&b);

			CU_ASSERT(wait >= BASE && wait <= MOST && wait <= 3 * last);
			last = wait;
		}
	}
}

static void test_waits_grow_to_the_maximum_and_scatter(void)
{
	uint64_t first = 0, late = 0;
	unsigned same = 0;

	for (uint64_t seed = 0; seed < 1000; seed++) {
		struct weir_backoff b;
		uint64_t wait = 0, before = 0;

		CU_ASSERT_EQUAL_FATAL(weir_backoff_init(&b, BASE, MOST, seed), 0);
		first += weir_backoff_next(&b);
		for (unsigned i = 0; i < 30; i++) {
			before = wait;
			wait = weir_backoff_next(&b);
		}
		late += wait;
		same += wait == before;
	}
	CU_ASSERT_DOUBLE_EQUAL((double)first / 1000, 2 * BASE, 0.1 * BASE); /* of BASE to 3 BASE */
	CU_ASSERT(late / 1000 > MOST / 8);
	CU_ASSERT(same < 10);
}

static void test_the_same_seed_waits_the_same(void)
{
	struct weir_backoff a, b, c;
	unsigned differs = 0;

	CU_ASSERT_EQUAL(weir_backoff_init(&a, BASE, MOST, 5), 0);
	CU_ASSERT_EQUAL(weir_backoff_init(&b, BASE, MOST, 5), 0);
	CU_ASSERT_EQUAL(weir_backoff_init(&c, BASE, MOST, 6), 0);
	for (unsigned i = 0; i < 20; i++) {
		const uint64_t wait = weir_backoff_next(&a);

		CU_ASSERT_EQUAL(wait, weir_backoff_next(&b));
		differs += wait != weir_backoff_next(&c);
	}
	CU_ASSERT(differs > 15);
}

static void test_a_reset_begins_again_small(void)
{
	struct weir_backoff b;

	CU_ASSERT_EQUAL_FATAL(weir_backoff_init(&b, BASE, MOST, 1), 0);
	for (unsigned i = 0; i < 50; i++)
		CU_ASSERT(weir_backoff_next(&b) >= BASE);
	weir_backoff_reset(&b);
	CU_ASSERT(weir_backoff_next(&b) <= 3 * BASE);
}

static void test_extreme_bounds_do_not_overflow(void)
{
	struct weir_backoff b;

	CU_ASSERT_EQUAL_FATAL(weir_backoff_init(&b, 1, UINT64_MAX, 1), 0);
	for (unsigned i = 0; i < 1000; i++)
		CU_ASSERT(weir_backoff_next(&b) >= 1);
	CU_ASSERT_EQUAL_FATAL(weir_backoff_init(&b, 9, 9, 1), 0);
	CU_ASSERT_EQUAL(weir_backoff_next(&b), 9);
	CU_ASSERT_EQUAL(weir_backoff_init(&b, 0, 9, 1), -EINVAL);
	CU_ASSERT_EQUAL(weir_backoff_init(&b, 9, 8, 1), -EINVAL);
}

static struct weir_breaker open_at(uint64_t now_ns)
{
	struct weir_breaker b;

	CU_ASSERT_EQUAL_FATAL(weir_breaker_init(&b, 3, 2, 100), 0);
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT_TRUE(weir_breaker_allows(&b, now_ns));
		weir_breaker_failure(&b, now_ns);
	}
	CU_ASSERT_EQUAL(b.state, WEIR_BREAKER_OPEN);
	return b;
}

static void test_failures_in_a_row_open_it_and_a_success_between_does_not(void)
{
	struct weir_breaker b;

	CU_ASSERT_EQUAL_FATAL(weir_breaker_init(&b, 3, 2, 100), 0);
	for (unsigned i = 0; i < 100; i++) {
		weir_breaker_failure(&b, i);
		weir_breaker_failure(&b, i);
		weir_breaker_success(&b);
	}
	CU_ASSERT_EQUAL(b.state, WEIR_BREAKER_CLOSED);
	b = open_at(1000);
	CU_ASSERT_FALSE(weir_breaker_allows(&b, 1000));
	CU_ASSERT_FALSE(weir_breaker_allows(&b, 1099));
}

static void test_half_open_lets_one_probe_out_at_a_time(void)
{
	struct weir_breaker b = open_at(1000);

	CU_ASSERT_TRUE(weir_breaker_allows(&b, 1100));
	CU_ASSERT_EQUAL(b.state, WEIR_BREAKER_HALF_OPEN);
	CU_ASSERT_FALSE(weir_breaker_allows(&b, 1100));
	weir_breaker_success(&b);
	CU_ASSERT_EQUAL(b.state, WEIR_BREAKER_HALF_OPEN);
	CU_ASSERT_TRUE(weir_breaker_allows(&b, 1101));
	weir_breaker_success(&b);
	CU_ASSERT_EQUAL(b.state, WEIR_BREAKER_CLOSED);
	CU_ASSERT_TRUE(weir_breaker_allows(&b, 1102));
}

static void test_a_failed_probe_opens_it_again(void)
{
	struct weir_breaker b = open_at(1000);

	CU_ASSERT_TRUE(weir_breaker_allows(&b, 1100));
	weir_breaker_failure(&b, 1150);
	CU_ASSERT_EQUAL(b.state, WEIR_BREAKER_OPEN);
	CU_ASSERT_FALSE(weir_breaker_allows(&b, 1249));
	CU_ASSERT_TRUE(weir_breaker_allows(&b, 1250));
}

static void test_a_lost_probe_does_not_lock_it_for_ever(void)
{
	struct weir_breaker b = open_at(1000);

	CU_ASSERT_TRUE(weir_breaker_allows(&b, 1100));
	CU_ASSERT_FALSE(weir_breaker_allows(&b, 1199));
	CU_ASSERT_TRUE(weir_breaker_allows(&b, 1200));
}

static void test_late_answers_while_open_change_nothing(void)
{
	struct weir_breaker b = open_at(1000);

	weir_breaker_success(&b);
	weir_breaker_failure(&b, 1090);
	CU_ASSERT_EQUAL(b.state, WEIR_BREAKER_OPEN);
	CU_ASSERT_TRUE(weir_breaker_allows(&b, 1100));
}

static void test_thresholds_of_zero_are_refused(void)
{
	struct weir_breaker b;

	CU_ASSERT_EQUAL(weir_breaker_init(&b, 0, 1, 1), -EINVAL);
	CU_ASSERT_EQUAL(weir_breaker_init(&b, 1, 0, 1), -EINVAL);
	CU_ASSERT_EQUAL(weir_breaker_init(&b, 1, 1, 0), -EINVAL);
	CU_ASSERT_STRING_EQUAL(weir_breaker_state_name(WEIR_BREAKER_CLOSED), "closed");
	CU_ASSERT_STRING_EQUAL(weir_breaker_state_name(WEIR_BREAKER_OPEN), "open");
	CU_ASSERT_STRING_EQUAL(weir_breaker_state_name(WEIR_BREAKER_HALF_OPEN), "half_open");
	CU_ASSERT_STRING_EQUAL(weir_breaker_state_name((enum weir_breaker_state)9), "unknown");
}

WEIR_TESTS("base/backoff", TEST(every_wait_is_between_base_and_three_times_the_last),
	   TEST(waits_grow_to_the_maximum_and_scatter), TEST(the_same_seed_waits_the_same),
	   TEST(a_reset_begins_again_small), TEST(extreme_bounds_do_not_overflow),
	   TEST(failures_in_a_row_open_it_and_a_success_between_does_not),
	   TEST(half_open_lets_one_probe_out_at_a_time), TEST(a_failed_probe_opens_it_again),
	   TEST(a_lost_probe_does_not_lock_it_for_ever),
	   TEST(late_answers_while_open_change_nothing), TEST(thresholds_of_zero_are_refused))
