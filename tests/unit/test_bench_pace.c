/* SPDX-License-Identifier: BSD-3-Clause */

/* Pacing with a clock that the test winds. */

#include "../../apps/bench/pace_priv.h"
#include "test.h"

#include <stdbool.h>
#include <stdlib.h>

#define SECOND UINT64_C(1000000000)

/* Passes of @p pass_ns, of which one in a thousand takes a millisecond more. */
static uint64_t sent_in(uint64_t seconds, uint64_t rate_pps, uint64_t pass_ns)
{
	const uint64_t from = 12345;
	struct bench_pace p;
	uint64_t sent = 0, pass = 0;

	bench_pace_init(&p, rate_pps, 64, from);
	for (uint64_t now = from; now < from + seconds * SECOND; now += pass_ns) {
		if (++pass % 1000 == 0)
			now += SECOND / 1000;
		sent += bench_pace_take(&p, 64, now);
	}
	return sent;
}

static void test_a_rate_is_kept_to_one_in_a_hundred_over_a_second(void)
{
	static const uint64_t rates[] = {1000, 10000, 123456, 1000000, 7777777, 14880952};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		const uint64_t sent = sent_in(1, rates[i], 3000);

		CU_ASSERT(sent <= rates[i] + 1);
		CU_ASSERT(sent >= rates[i] - rates[i] / 100);
	}
}

static void test_slow_rates_are_kept_over_longer_times(void)
{
	CU_ASSERT_EQUAL(sent_in(10, 1, 100000), 9); /* the first is due after a second */
	CU_ASSERT(sent_in(10, 10, 100000) >= 99);
	CU_ASSERT(sent_in(10, 10, 100000) <= 100);
}

static void test_slow_rates_send_packets_one_by_one(void)
{
	struct bench_pace p;

	bench_pace_init(&p, 5000, 64, 0);
	for (uint64_t now = 0; now < SECOND; now += 10000)
		CU_ASSERT(bench_pace_take(&p, 64, now) <= 1);
}

static void test_no_rate_is_no_limit(void)
{
	struct bench_pace p;

	bench_pace_init(&p, 0, 32, 0);
	CU_ASSERT_EQUAL(bench_pace_take(&p, 32, 0), 32);
	CU_ASSERT_EQUAL(bench_pace_take(&p, 32, 0), 32);
	CU_ASSERT_EQUAL(bench_pace_take(&p, 5, 0), 5);
}

static void test_nothing_is_saved_before_the_start_and_little_in_a_stall(void)
{
	struct bench_pace p;
	uint64_t sent = 0;
	uint16_t n;

	bench_pace_init(&p, 1000000, 64, 0);
	CU_ASSERT_EQUAL(bench_pace_take(&p, 64, 0), 0);
	while ((n = bench_pace_take(&p, 64, 10 * SECOND)) > 0)
		sent += n;
	CU_ASSERT(sent <= 1000000 / PACE_ARREARS_PER_S);
}

WEIR_TESTS("bench/pace", TEST(a_rate_is_kept_to_one_in_a_hundred_over_a_second),
	   TEST(slow_rates_are_kept_over_longer_times), TEST(slow_rates_send_packets_one_by_one),
	   TEST(no_rate_is_no_limit), TEST(nothing_is_saved_before_the_start_and_little_in_a_stall))
