/* SPDX-License-Identifier: BSD-3-Clause */

/* The retransmission timeout: RFC 6298's sums, Linux's bounds, and many samples a round trip. */

#include "tcp/tcp_priv.h"
#include "test.h"

#include <stdlib.h>

#define MSS 1460

/* One whose round trip has about so many samples. */
static struct conn conn_of(uint32_t samples)
{
	return (struct conn){
		.snd_una = 0xfffff000, .snd_nxt = 0xfffff000 + samples * 2 * MSS, .mss_out = MSS};
}

static void test_nothing_measured_is_a_second(void)
{
	struct conn c = conn_of(1);

	CU_ASSERT_EQUAL(rto_us(&c), 1000000);
	c.backoff = 2;
	CU_ASSERT_EQUAL(rto_us(&c), 4000000);
}

static void test_the_first_sample_is_the_mean_and_half_of_it_the_deviation(void)
{
	struct conn c = conn_of(1);

	rtt_sample(&c, 300000);
	CU_ASSERT_EQUAL(c.srtt_us, 300000);
	CU_ASSERT_EQUAL(c.rttvar_us, 150000);
	CU_ASSERT_EQUAL(c.min_rtt_us, 300000);
	CU_ASSERT_EQUAL(rto_us(&c), 900000);
}

static void test_the_next_ones_follow_rfc_6298(void)
{
	struct conn c = conn_of(1);

	rtt_sample(&c, 400000);
	rtt_sample(&c, 800000); /* 3/4 of 200 ms and 1/4 of 400 ms; 7/8 of 400 ms and 1/8 of 800 */
	CU_ASSERT_EQUAL(c.rttvar_us, 250000);
	CU_ASSERT_EQUAL(c.srtt_us, 450000);
	CU_ASSERT_EQUAL(rto_us(&c), 1450000);
	rtt_sample(&c, 450000); /* 3/4 of 250 ms */
	CU_ASSERT_EQUAL(c.rttvar_us, 187500);
	CU_ASSERT_EQUAL(c.srtt_us, 450000);
	CU_ASSERT_EQUAL(c.min_rtt_us, 400000);
}

static void test_the_timeout_is_200_ms_above_the_mean_at_least(void)
{
	struct conn c = conn_of(1);

	for (unsigned i = 0; i < 100; i++)
		rtt_sample(&c, 100000);
	CU_ASSERT_EQUAL(c.srtt_us, 100000);
	CU_ASSERT_EQUAL(c.rttvar_us, 0);
	CU_ASSERT_EQUAL(rto_us(&c), 300000);
	c = conn_of(1);
	rtt_sample(&c, 20);
	CU_ASSERT_EQUAL(rto_us(&c), 200020);
}

static void test_back_off_doubles_up_to_two_minutes(void)
{
	struct conn c = conn_of(1);
	uint32_t before;

	rtt_sample(&c, 100000);
	before = rto_us(&c);
	CU_ASSERT_EQUAL(before, 300000);
	for (c.backoff = 1; c.backoff < 255; c.backoff++) {
		const uint32_t now = rto_us(&c);

		CU_ASSERT_EQUAL(now, RTE_MIN(2 * before, RTO_MAX_US));
		before = now;
	}
	CU_ASSERT_EQUAL(before, 120000000);
}

static void test_samples_that_cannot_be_are_bounded(void)
{
	const uint32_t odd[] = {0, 1, UINT32_MAX, UINT32_MAX - 1, 1u << 31, RTO_MAX_US};

	srandom(1);
	for (unsigned run = 0; run < 1000; run++) {
		struct conn c = conn_of((uint32_t)random() % 100000);

		for (unsigned i = 0; i < 100; i++) {
			rtt_sample(&c, odd[random() % RTE_DIM(odd)]);
			CU_ASSERT(c.srtt_us >= 1 && c.srtt_us <= RTO_MAX_US);
			CU_ASSERT(c.rttvar_us <= RTO_MAX_US);
			CU_ASSERT(rto_us(&c) > RTO_MIN_US && rto_us(&c) <= RTO_MAX_US);
			CU_ASSERT(c.min_rtt_us >= 1 && c.min_rtt_us <= RTO_MAX_US);
		}
	}
}

static void test_the_mean_arrives_at_what_lasts(void)
{
	const uint32_t rtts[] = {1, 17, 1000, 999999};

	for (unsigned i = 0; i < RTE_DIM(rtts); i++) {
		for (unsigned j = 0; j < RTE_DIM(rtts); j++) {
			struct conn c = conn_of(64);

			rtt_sample(&c, rtts[i]);
			for (unsigned n = 0; n < 200; n++)
				rtt_sample(&c, rtts[j]);
			CU_ASSERT_EQUAL(c.srtt_us, rtts[j]);
		}
	}
}

static void test_a_round_trip_of_many_samples_lowers_the_deviation_as_one_does(void)
{
	for (uint32_t samples = 1; samples < 10000; samples += 1 + samples / 3) {
		struct conn c = conn_of(samples);

		c.srtt_us = 100000;
		c.rttvar_us = 1000000;
		for (uint32_t i = 0; i < samples; i++)
			rtt_sample(&c, 100000);
		CU_ASSERT(c.rttvar_us > 550000 && c.rttvar_us < 900000); /* one: 750,000 */
	}
}

static void test_a_late_ack_in_each_round_trip_is_no_timeout(void)
{
	struct conn c = conn_of(100);

	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < 99; i++)
			rtt_sample(&c, 50000);
		if (round > 5)
			CU_ASSERT(rto_us(&c) > 400000);
		rtt_sample(&c, 400000);
	}
}

static void test_a_shorter_path_does_not_raise_the_timeout(void)
{
	struct conn c = conn_of(1);
	uint32_t before;

	for (unsigned i = 0; i < 100; i++)
		rtt_sample(&c, 500000);
	before = rto_us(&c);
	for (unsigned i = 0; i < 100; i++) {
		rtt_sample(&c, 20000);
		CU_ASSERT(rto_us(&c) <= before);
	}
	CU_ASSERT(rto_us(&c) < 230000);
	CU_ASSERT_EQUAL(c.min_rtt_us, 20000);
}

WEIR_TESTS("tcp/tcp_rtt", TEST(nothing_measured_is_a_second),
	   TEST(the_first_sample_is_the_mean_and_half_of_it_the_deviation),
	   TEST(the_next_ones_follow_rfc_6298), TEST(the_timeout_is_200_ms_above_the_mean_at_least),
	   TEST(back_off_doubles_up_to_two_minutes), TEST(samples_that_cannot_be_are_bounded),
	   TEST(the_mean_arrives_at_what_lasts),
	   TEST(a_round_trip_of_many_samples_lowers_the_deviation_as_one_does),
	   TEST(a_late_ack_in_each_round_trip_is_no_timeout),
	   TEST(a_shorter_path_does_not_raise_the_timeout))
