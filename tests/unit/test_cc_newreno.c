/* SPDX-License-Identifier: BSD-3-Clause */

/* What all algorithms begin with (cc.c), and NewReno: against RFC 5681's numbers and a path. */

#include "test.h"
#include "toy_acks.h"
#include "toy_link.h"

static struct toy_link path;

static void test_names_are_linux_s_and_ours(void)
{
	CU_ASSERT_PTR_EQUAL(cc_find("newreno", 7), &cc_newreno);
	CU_ASSERT_PTR_EQUAL(cc_find("reno", 4), &cc_newreno);
	CU_ASSERT_PTR_EQUAL(cc_find("cubic", 5), &cc_cubic);
	CU_ASSERT_PTR_EQUAL(cc_find("dctcp", 5), &cc_dctcp);
	CU_ASSERT_PTR_EQUAL(cc_find("bbr", 3), &cc_bbr);
	CU_ASSERT_PTR_EQUAL(cc_find("cubic\0\0\0\0\0\0\0\0\0\0", 16), &cc_cubic);
	CU_ASSERT_PTR_EQUAL(cc_find("cubicx", 5), &cc_cubic);
	CU_ASSERT_PTR_NULL(cc_find("cubicx", 6));
	CU_ASSERT_PTR_NULL(cc_find("cubi", 4));
	CU_ASSERT_PTR_NULL(cc_find("vegas", 5));
	CU_ASSERT_PTR_NULL(cc_find("", 0));
}

static void test_the_first_window_is_that_of_rfc_6928(void)
{
	CU_ASSERT_EQUAL(cc_initial_window(536), 5360);
	CU_ASSERT_EQUAL(cc_initial_window(1460), 14600);
	CU_ASSERT_EQUAL(cc_initial_window(4000), 14600);
	CU_ASSERT_EQUAL(cc_initial_window(9000), 18000);
}

static void test_another_algorithm_keeps_window_and_threshold(void)
{
	struct toy_acks t;

	acks_begin(&t, &cc_newreno, 10000);
	acks_round(&t);
	t.cc.ssthresh_bytes = 77000;
	cc_switch(&t.cc, &cc_cubic, t.now_ns);
	CU_ASSERT_PTR_EQUAL(t.cc.ops, &cc_cubic);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 20 * ACKS_MSS);
	CU_ASSERT_EQUAL(t.cc.ssthresh_bytes, 77000);
}

static void test_slow_start_adds_what_was_acked_but_two_segments_at_most(void)
{
	struct toy_acks t;

	acks_begin(&t, &cc_newreno, 10000);
	acks_one(&t, 300);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 10300);
	acks_one(&t, 2 * ACKS_MSS);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 12300);
	acks_one(&t, 9 * ACKS_MSS);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 14300);
}

static void test_slow_start_ends_at_the_threshold(void)
{
	struct toy_acks t;

	acks_begin(&t, &cc_newreno, 10000);
	t.cc.ssthresh_bytes = 10500;
	acks_one(&t, ACKS_MSS);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 10500);
}

static void test_congestion_avoidance_adds_a_segment_for_a_window(void)
{
	struct toy_acks t;

	acks_begin(&t, &cc_newreno, 10000);
	t.cc.ssthresh_bytes = t.cc.cwnd_bytes;
	for (uint32_t round = 1; round <= 100; round++) {
		acks_round(&t);
		CU_ASSERT_EQUAL(t.cc.cwnd_bytes, (10 + round) * ACKS_MSS);
	}
}

static void test_a_window_that_is_not_used_does_not_grow(void)
{
	struct toy_acks t;

	acks_begin(&t, &cc_newreno, 10000);
	t.idle = true;
	acks_round(&t);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 10 * ACKS_MSS);
	t.cc.ssthresh_bytes = t.cc.cwnd_bytes;
	for (int i = 0; i < 10; i++)
		acks_round(&t);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 10 * ACKS_MSS);
}

static void test_a_loss_halves_what_was_on_its_way(void)
{
	struct toy_acks t;

	acks_begin(&t, &cc_newreno, 10000);
	t.cc.cwnd_bytes = 40 * ACKS_MSS;
	t.cc.ops->on_loss(&t.cc, 30 * ACKS_MSS, false, t.now_ns);
	CU_ASSERT_EQUAL(t.cc.ssthresh_bytes, 15 * ACKS_MSS);
	CU_ASSERT_EQUAL(t.cc.prior_cwnd_bytes, 40 * ACKS_MSS);
	CU_ASSERT_EQUAL(t.cc.prior_ssthresh_bytes, UINT32_MAX);

	t.recovering = true; /* PRR's turn */
	acks_one(&t, ACKS_MSS);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 40 * ACKS_MSS);
	t.recovering = false;
	t.cc.ops->on_recovered(&t.cc, t.now_ns);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 15 * ACKS_MSS);
}

static void test_a_mark_halves_in_slow_start_and_takes_a_fifth_after_it(void)
{
	struct toy_acks t;

	acks_begin(&t, &cc_newreno, 10000);
	t.cc.cwnd_bytes = 40 * ACKS_MSS;
	t.cc.ops->on_loss(&t.cc, 40 * ACKS_MSS, true, t.now_ns);
	CU_ASSERT_EQUAL(t.cc.ssthresh_bytes, 20 * ACKS_MSS);
	t.cc.ops->on_recovered(&t.cc, t.now_ns);
	t.cc.ops->on_loss(&t.cc, 20 * ACKS_MSS, true, t.now_ns);
	CU_ASSERT_EQUAL(t.cc.ssthresh_bytes, 16 * ACKS_MSS);
	t.cc.ops->on_recovered(&t.cc, t.now_ns);
	t.cc.ops->on_loss(&t.cc, 16 * ACKS_MSS, false, t.now_ns);
	CU_ASSERT_EQUAL(t.cc.ssthresh_bytes, 8 * ACKS_MSS);
}

static void test_the_threshold_is_never_less_than_two_segments(void)
{
	struct toy_acks t;

	acks_begin(&t, &cc_newreno, 10000);
	t.cc.ops->on_loss(&t.cc, ACKS_MSS, true, t.now_ns);
	CU_ASSERT_EQUAL(t.cc.ssthresh_bytes, 2 * ACKS_MSS);
	t.cc.ops->on_recovered(&t.cc, t.now_ns);
	t.cc.ops->on_timeout(&t.cc, ACKS_MSS, t.now_ns);
	CU_ASSERT_EQUAL(t.cc.ssthresh_bytes, 2 * ACKS_MSS);
}

static void test_after_a_timeout_slow_start_begins_with_one_segment(void)
{
	struct toy_acks t;

	acks_begin(&t, &cc_newreno, 10000);
	t.cc.cwnd_bytes = 32 * ACKS_MSS;
	t.cc.ops->on_timeout(&t.cc, 32 * ACKS_MSS, t.now_ns);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, ACKS_MSS);
	CU_ASSERT_EQUAL(t.cc.ssthresh_bytes, 16 * ACKS_MSS);

	/* It grows while what was lost is sent again, by one segment for an ACK (RFC 3465). */
	t.recovering = true;
	acks_one(&t, ACKS_MSS);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 2 * ACKS_MSS);
	acks_one(&t, 20 * ACKS_MSS);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 3 * ACKS_MSS);
	t.cc.ops->on_recovered(&t.cc, t.now_ns);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 3 * ACKS_MSS);
	t.recovering = false;
	acks_one(&t, 20 * ACKS_MSS);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 5 * ACKS_MSS);
}

static void test_timeouts_in_a_row_and_in_recovery_cut_the_threshold_once(void)
{
	struct toy_acks t;

	acks_begin(&t, &cc_newreno, 10000);
	t.cc.cwnd_bytes = 32 * ACKS_MSS;
	t.cc.ops->on_loss(&t.cc, 32 * ACKS_MSS, false, t.now_ns);
	t.cc.ops->on_timeout(&t.cc, 20 * ACKS_MSS, t.now_ns);
	t.cc.ops->on_timeout(&t.cc, 20 * ACKS_MSS, t.now_ns);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, ACKS_MSS);
	CU_ASSERT_EQUAL(t.cc.ssthresh_bytes, 16 * ACKS_MSS);
	CU_ASSERT_EQUAL(t.cc.prior_cwnd_bytes, 32 * ACKS_MSS);
}

static void test_undo_brings_window_and_threshold_back(void)
{
	struct toy_acks t;

	acks_begin(&t, &cc_newreno, 10000);
	t.cc.cwnd_bytes = 32 * ACKS_MSS;
	t.cc.ssthresh_bytes = 30 * ACKS_MSS;
	t.cc.ops->on_timeout(&t.cc, 32 * ACKS_MSS, t.now_ns);
	t.cc.ops->undo(&t.cc, t.now_ns);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 32 * ACKS_MSS);
	CU_ASSERT_EQUAL(t.cc.ssthresh_bytes, 30 * ACKS_MSS);
	t.cc.ops->on_recovered(&t.cc, t.now_ns);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 32 * ACKS_MSS);
}

static void test_each_rto_of_rest_halves_the_window_down_to_the_first_one(void)
{
	struct toy_acks t;
	const uint32_t rto_us = 200000;

	acks_begin(&t, &cc_newreno, 10000);
	t.cc.cwnd_bytes = 80 * ACKS_MSS;
	t.cc.ssthresh_bytes = 20 * ACKS_MSS;
	t.cc.ops->on_restart(&t.cc, 200000000, rto_us, t.now_ns);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 80 * ACKS_MSS);
	CU_ASSERT_EQUAL(t.cc.ssthresh_bytes, 20 * ACKS_MSS);
	t.cc.ops->on_restart(&t.cc, 401000000, rto_us, t.now_ns);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 20 * ACKS_MSS);
	CU_ASSERT_EQUAL(t.cc.ssthresh_bytes, 60 * ACKS_MSS);
	t.cc.ops->on_restart(&t.cc, UINT64_MAX, rto_us, t.now_ns);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 10 * ACKS_MSS);
	t.cc.cwnd_bytes = 3 * ACKS_MSS;
	t.cc.ops->on_restart(&t.cc, UINT64_MAX, rto_us, t.now_ns);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 3 * ACKS_MSS);
}

static void test_the_pace_is_twice_the_window_and_then_a_fifth_more_than_it(void)
{
	struct toy_acks t;

	acks_begin(&t, &cc_newreno, 10000);
	CU_ASSERT_EQUAL(t.cc.pacing_bytes_s, 0);
	acks_one(&t, ACKS_MSS);
	CU_ASSERT_EQUAL(t.cc.pacing_bytes_s, 2 * 11000 * 100);
	t.cc.ssthresh_bytes = 12000;
	t.idle = true;
	acks_one(&t, ACKS_MSS);
	CU_ASSERT_EQUAL(t.cc.pacing_bytes_s, t.cc.cwnd_bytes * 120);
}

/*
 * RFC 9438 table 1 has Reno's average window: 12, 38 and 120 segments. The theory knows of no round
 * trip in recovery, which is one of seven at a loss in 100.
 */
static void test_the_average_window_is_that_of_theory(void)
{
	static const struct {
		uint32_t every, segs, least;
		uint64_t seconds;
	} rows[] = {{100, 12, 9, 400}, {1000, 38, 35, 800}, {10000, 120, 114, 2000}};

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		path = (struct toy_link){.rate_bytes_s = 10000000000,
					 .rtt_ns = 100000000,
					 .queue_bytes = UINT32_MAX,
					 .loss_every = rows[i].every};
		link_begin(&path, &cc_newreno);
		link_run(&path, rows[i].seconds * 1000000000);
		const uint64_t segs = path.delivered / LINK_MSS / (rows[i].seconds * 10);

		CU_ASSERT(segs >= rows[i].least);
		CU_ASSERT(segs <= rows[i].segs + rows[i].segs / 20);
	}
}

static void test_it_fills_a_pipe_whose_queue_holds_as_much(void)
{
	path = (struct toy_link){.rate_bytes_s = 1250000, .rtt_ns = 40000000, .queue_bytes = 50000};
	link_begin(&path, &cc_newreno);
	link_run(&path, 5000000000);
	const uint64_t before = path.delivered;

	link_run(&path, 60000000000);
	CU_ASSERT(link_permille(&path, before, 60000000000) >= 970);
	CU_ASSERT_EQUAL(path.timeouts, 0);
}

static void test_it_falls_far_behind_at_random_loss(void)
{
	path = (struct toy_link){.rate_bytes_s = 12500000,
				 .rtt_ns = 40000000,
				 .queue_bytes = 500000,
				 .loss_ppm = 10000,
				 .seed = 1};
	link_begin(&path, &cc_newreno);
	link_run(&path, 30000000000);
	CU_ASSERT(link_permille(&path, 0, 30000000000) < 100);
	CU_ASSERT(link_permille(&path, 0, 30000000000) > 10);
}

WEIR_TESTS("tcp/cc_newreno", TEST(names_are_linux_s_and_ours),
	   TEST(the_first_window_is_that_of_rfc_6928),
	   TEST(another_algorithm_keeps_window_and_threshold),
	   TEST(slow_start_adds_what_was_acked_but_two_segments_at_most),
	   TEST(slow_start_ends_at_the_threshold),
	   TEST(congestion_avoidance_adds_a_segment_for_a_window),
	   TEST(a_window_that_is_not_used_does_not_grow), TEST(a_loss_halves_what_was_on_its_way),
	   TEST(a_mark_halves_in_slow_start_and_takes_a_fifth_after_it),
	   TEST(the_threshold_is_never_less_than_two_segments),
	   TEST(after_a_timeout_slow_start_begins_with_one_segment),
	   TEST(timeouts_in_a_row_and_in_recovery_cut_the_threshold_once),
	   TEST(undo_brings_window_and_threshold_back),
	   TEST(each_rto_of_rest_halves_the_window_down_to_the_first_one),
	   TEST(the_pace_is_twice_the_window_and_then_a_fifth_more_than_it),
	   TEST(the_average_window_is_that_of_theory),
	   TEST(it_fills_a_pipe_whose_queue_holds_as_much),
	   TEST(it_falls_far_behind_at_random_loss))
