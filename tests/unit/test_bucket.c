/* SPDX-License-Identifier: BSD-3-Clause */
#include "test.h"

#include <errno.h>
#include <weir/bucket.h>

#define SECOND UINT64_C(1000000000)

static void test_a_full_bucket_gives_its_burst_and_no_more(void)
{
	struct weir_bucket b;

	CU_ASSERT_EQUAL_FATAL(weir_bucket_init(&b, 1000, 50, 7), 0);
	for (unsigned i = 0; i < 50; i++)
		CU_ASSERT_TRUE(weir_bucket_take(&b, 1, 7));
	CU_ASSERT_FALSE(weir_bucket_take(&b, 1, 7));
	/* However long it is left alone. */
	CU_ASSERT_FALSE(weir_bucket_take(&b, 51, UINT64_MAX));
	CU_ASSERT_TRUE(weir_bucket_take(&b, 50, UINT64_MAX));
	CU_ASSERT_FALSE(weir_bucket_take(&b, 1, UINT64_MAX));
}

static void test_all_of_a_take_or_nothing(void)
{
	struct weir_bucket b;

	CU_ASSERT_EQUAL_FATAL(weir_bucket_init(&b, 1, 10, 0), 0);
	CU_ASSERT_FALSE(weir_bucket_take(&b, 11, 0));
	CU_ASSERT_TRUE(weir_bucket_take(&b, 10, 0));
	CU_ASSERT_TRUE(weir_bucket_take(&b, 0, 0));
}

/* Asks in steps that share no factor with the rate, for a simulated time. */
static uint64_t taken_in(uint64_t rate_tps, uint64_t burst, uint64_t step_ns, uint64_t steps,
			 uint32_t tokens)
{
	struct weir_bucket b;
	uint64_t taken = 0;

	CU_ASSERT_EQUAL_FATAL(weir_bucket_init(&b, rate_tps, burst, 0), 0);
	while (weir_bucket_take(&b, 1, 0))
		;
	for (uint64_t i = 1; i <= steps; i++)
		if (weir_bucket_take(&b, tokens, i * step_ns))
			taken += tokens;
	return taken;
}

static void test_the_rate_is_exact_over_long_runs(void)
{
	/* Not within 0.1 %, but to the token: 9000.027, 296999981.289 in hundreds, and so on. */
	CU_ASSERT_EQUAL(taken_in(3, 2, 1000003, 3000000, 1), 9000);
	CU_ASSERT_EQUAL(taken_in(999999937, 1000, 99, 3000000, 100), 296999900);
	CU_ASSERT_EQUAL(taken_in(1000000000, 1000, 1, 3000000, 1), 3000000);
	CU_ASSERT_EQUAL(taken_in(1, 5, SECOND / 7, 7000000, 1), 999999); /* of 999999.999 */
}

static void test_every_rate_is_within_a_thousandth(void)
{
	for (uint64_t rate = 1; rate <= WEIR_BUCKET_RATE_MAX; rate = rate * 7 / 3 + 1) {
		const uint64_t span_ns = 20000 * (SECOND / rate + 1);
		const uint64_t step_ns = span_ns / 100000 + 1;
		const uint64_t got = taken_in(rate, 100, step_ns, 100000, 1);
		const double due = (double)(100000 * step_ns) * (double)rate / (double)SECOND;
		const double fair = due < 100000 ? due : 100000; /* one at a time */

		CU_ASSERT_DOUBLE_EQUAL((double)got / fair, 1, 0.001);
	}
}

static void test_a_clock_that_goes_back_adds_nothing(void)
{
	struct weir_bucket b;
	unsigned taken = 0;

	CU_ASSERT_EQUAL_FATAL(weir_bucket_init(&b, 1000, 10, 100 * SECOND), 0);
	CU_ASSERT_TRUE(weir_bucket_take(&b, 10, 100 * SECOND));
	CU_ASSERT_FALSE(weir_bucket_take(&b, 1, 0));
	/* To and fro between two clocks a millisecond apart: one millisecond's worth in all. */
	for (unsigned i = 0; i < 1000; i++)
		taken += weir_bucket_take(&b, 1, 100 * SECOND + (i & 1) * SECOND / 1000);
	CU_ASSERT_EQUAL(taken, 1);
}

static void test_the_largest_bucket_does_not_overflow(void)
{
	const uint64_t rates[] = {1, 3, WEIR_BUCKET_RATE_MAX - 1, WEIR_BUCKET_RATE_MAX};

	for (unsigned i = 0; i < 4; i++) {
		struct weir_bucket b;

		CU_ASSERT_EQUAL_FATAL(weir_bucket_init(&b, rates[i], WEIR_BUCKET_BURST_MAX, 0), 0);
		CU_ASSERT_TRUE(weir_bucket_take(&b, 1, b.fill_ns - 1));
		CU_ASSERT_TRUE(weir_bucket_take(&b, UINT32_MAX, 2 * b.fill_ns));
		CU_ASSERT_TRUE(weir_bucket_take(&b, UINT32_MAX, UINT64_MAX));
		CU_ASSERT_FALSE(weir_bucket_take(&b, 1, UINT64_MAX));
	}
}

static void test_the_wait_is_the_first_time_at_which_it_works(void)
{
	struct weir_bucket b;

	for (uint64_t rate = 1; rate <= WEIR_BUCKET_RATE_MAX; rate = rate * 3 + 1) {
		uint64_t wait_ns;

		CU_ASSERT_EQUAL_FATAL(weir_bucket_init(&b, rate, 10, 50), 0);
		CU_ASSERT_EQUAL(weir_bucket_wait_ns(&b, 10, 50), 0);
		CU_ASSERT_EQUAL(weir_bucket_wait_ns(&b, 11, 50), UINT64_MAX);
		CU_ASSERT_TRUE(weir_bucket_take(&b, 10, 50));
		wait_ns = weir_bucket_wait_ns(&b, 7, 50);
		CU_ASSERT_EQUAL(weir_bucket_wait_ns(&b, 7, 20), wait_ns + 30);
		CU_ASSERT_FALSE(weir_bucket_take(&b, 7, 50 + wait_ns - 1));
		CU_ASSERT_TRUE(weir_bucket_take(&b, 7, 50 + wait_ns));
	}
}

static void test_what_cannot_be_counted_is_refused(void)
{
	struct weir_bucket b = {.level = 123};

	CU_ASSERT_EQUAL(weir_bucket_init(&b, 0, 1, 0), -ERANGE);
	CU_ASSERT_EQUAL(weir_bucket_init(&b, WEIR_BUCKET_RATE_MAX + 1, 1, 0), -ERANGE);
	CU_ASSERT_EQUAL(weir_bucket_init(&b, 1, 0, 0), -ERANGE);
	CU_ASSERT_EQUAL(weir_bucket_init(&b, 1, WEIR_BUCKET_BURST_MAX + 1, 0), -ERANGE);
	CU_ASSERT_EQUAL(b.level, 123);
}

WEIR_TESTS("base/bucket", TEST(a_full_bucket_gives_its_burst_and_no_more),
	   TEST(all_of_a_take_or_nothing), TEST(the_rate_is_exact_over_long_runs),
	   TEST(every_rate_is_within_a_thousandth), TEST(a_clock_that_goes_back_adds_nothing),
	   TEST(the_largest_bucket_does_not_overflow),
	   TEST(the_wait_is_the_first_time_at_which_it_works),
	   TEST(what_cannot_be_counted_is_refused))
