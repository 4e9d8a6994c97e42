/* SPDX-License-Identifier: BSD-3-Clause */

/* What ACKs and silence mean for what was sent. */

#include "toy_loss.h"

/* ---- RFC 6298 ---- */

static void test_the_timer_runs_while_something_is_on_its_way(void)
{
	toy_begin(0);
	toy_send(2);
	CU_ASSERT_EQUAL(tw.rtx_kind, RTX_RTO);
	CU_ASSERT_EQUAL(tw.rtx_at_ns, (1000 + 100 + 200) * MS);
	toy_at(1100);
	toy_ack(1, 0, 0);
	CU_ASSERT(tw.rtx_at_ns >= (1100 + 100 + 200) * MS); /* 5.3: begins anew */
	toy_ack(2, 0, 0);
	CU_ASSERT_EQUAL(tw.rtx_kind, RTX_NONE); /* 5.2 */
	CU_ASSERT_EQUAL(tw.rtx_at_ns, 0);
	toy_end_loss();
}

static void test_a_timeout_sends_the_first_again_and_doubles_the_time(void)
{
	toy_begin(0);
	toy_send(10);
	toy_fire(RTX_RTO);
	CU_ASSERT_EQUAL(toy_now_ms(), 1300);
	CU_ASSERT_EQUAL(tc.backoff, 1);
	CU_ASSERT_EQUAL(told.timeouts, 1);
	CU_ASSERT_EQUAL(tw.cc.ssthresh_bytes, 5 * MSS);
	CU_ASSERT_EQUAL(toy->stats.tcp_rto, 1);
	CU_ASSERT_EQUAL(toy_resend(), 1);
	CU_ASSERT_EQUAL(toy_seg(0)->sent_count, 2);
	CU_ASSERT_EQUAL(tw.rtx_at_ns, (1300 + 600) * MS);
	toy_fire(RTX_RTO);
	CU_ASSERT_EQUAL(tc.backoff, 2);
	CU_ASSERT_EQUAL(toy_resend(), 1);
	CU_ASSERT_EQUAL(tw.rtx_at_ns, (1900 + 1200) * MS);
	toy_at(2000);
	toy_ack(1, 0, 0); /* Karn: no sample of what was sent twice */
	CU_ASSERT_EQUAL(tc.backoff, 2);
	CU_ASSERT_EQUAL(toy_resend(), 2); /* slow start */
	toy_ack(10, 0, 0);
	CU_ASSERT_EQUAL(told.recovered, 1);
	CU_ASSERT_EQUAL(tw.loss.state, REC_OPEN);
	toy_end_loss();
}

static void test_with_timestamps_what_was_sent_twice_is_measured(void)
{
	struct segment seg;

	toy_begin(CONN_STAMPS);
	toy_send(1);
	toy_fire(RTX_RTO);
	toy_resend();
	toy_at(1500);
	seg = toy_segment(1);
	seg.opts.flags = OPT_STAMP;
	seg.opts.echo = tick_of(1400 * MS) + tc.ts_offset;
	CU_ASSERT(toy_input(&seg).rtt_us > 99000);
	CU_ASSERT_EQUAL(tc.backoff, 0);
	toy_end_loss();
}

static void test_progress_without_a_sample_keeps_some_of_the_back_off(void)
{
	toy_begin(0);
	toy_send(10);
	for (unsigned i = 0; i < 9; i++) {
		toy_fire(RTX_RTO);
		CU_ASSERT_EQUAL(toy_resend(), 1);
	}
	CU_ASSERT_EQUAL(tc.backoff, 9);
	toy_ack(1, 0, 0);
	CU_ASSERT_EQUAL(tc.backoff, BACKOFF_KEPT);
	toy_end_loss();
}

static void test_a_timeout_whose_segment_found_no_buffer_is_not_counted_again(void)
{
	toy_begin(0);
	toy_send(10);
	toy_fire(RTX_RTO); /* and nothing is sent */
	toy_fire(RTX_RTO);
	toy_fire(RTX_RTO);
	CU_ASSERT_EQUAL(tc.backoff, 1);
	CU_ASSERT_EQUAL(told.timeouts, 1);
	CU_ASSERT_EQUAL(toy_resend(), 1);
	toy_fire(RTX_RTO);
	CU_ASSERT_EQUAL(tc.backoff, 2);
	toy_end_loss();
}

static void test_the_probe_of_a_closed_window_is_left_alone(void)
{
	toy_begin(0);
	toy_send(1);
	tw.rtx_kind = RTX_PROBE;
	tw.rtx_at_ns = 5;
	loss_arm(&tc, &tw, toy->now_ns);
	loss_on_timer(toy, &tc, &tw, toy->now_ns);
	CU_ASSERT_EQUAL(tw.rtx_kind, RTX_PROBE);
	CU_ASSERT_EQUAL(tw.rtx_at_ns, 5);
	CU_ASSERT_EQUAL(tw.lost_bytes, 0);
	toy_end_loss();
}

/* ---- RFC 5681 and 6582: without SACK ---- */

static void test_without_sack_three_duplicates_send_the_first_again(void)
{
	toy_begin(0);
	toy_send(10);
	toy_at(1100);
	toy_ack(1, 0, 0);
	toy_ack(1, 0, 0);
	toy_ack(1, 0, 0);
	CU_ASSERT_EQUAL(tw.loss.state, REC_OPEN);
	CU_ASSERT_EQUAL(snd_flight_bytes(&tw), 7 * MSS); /* RFC 3042: room for two new ones */
	toy_ack(1, 0, 0);
	CU_ASSERT_EQUAL(tw.loss.state, REC_FAST);
	CU_ASSERT_EQUAL(told.losses, 1);
	CU_ASSERT_EQUAL(toy_resend(), 1);
	CU_ASSERT_EQUAL(toy_seg(1)->sent_count, 2);
	toy_end_loss();
}

static void test_a_partial_ack_sends_the_next_hole_and_a_full_one_ends_it(void)
{
	toy_begin(0);
	toy_send(10);
	toy_at(1100);
	toy_ack(1, 0, 0);
	for (unsigned i = 0; i < 6; i++)
		toy_ack(1, 0, 0);
	toy_resend();
	toy_at(1200);
	toy_ack(5, 0, 0);
	CU_ASSERT_EQUAL(tw.loss.state, REC_FAST);
	CU_ASSERT_EQUAL(toy_resend(), 1);
	CU_ASSERT_EQUAL(toy_seg(5)->sent_count, 2);
	toy_ack(10, 0, 0);
	CU_ASSERT_EQUAL(tw.loss.state, REC_OPEN);
	CU_ASSERT_EQUAL(told.losses, 1);
	CU_ASSERT_EQUAL(told.recovered, 1);
	CU_ASSERT_EQUAL(tw.cc.cwnd_bytes, tw.cc.ssthresh_bytes);
	toy_end_loss();
}

static void test_what_carries_data_or_moves_the_window_is_no_duplicate(void)
{
	struct segment seg = toy_segment(1);

	toy_begin(0);
	toy_send(10);
	toy_at(1100);
	toy_ack(1, 0, 0);
	for (unsigned i = 0; i < 5; i++) {
		tc.snd_wnd++;
		toy_input(&seg);
	}
	seg.bytes = 1;
	for (unsigned i = 0; i < 5; i++)
		toy_input(&seg);
	CU_ASSERT_EQUAL(tw.loss.dup_acks, 0);
	CU_ASSERT_EQUAL(tw.loss.state, REC_OPEN);
	toy_end_loss();
}

static void test_more_duplicates_than_segments_open_no_window(void)
{
	toy_begin(0);
	tw.cc.cwnd_bytes = 10 * MSS;
	toy_send(10);
	toy_at(1100);
	toy_ack(1, 0, 0);
	for (unsigned i = 0; i < 1000; i++)
		toy_ack(1, 0, 0);
	CU_ASSERT_EQUAL(tw.loss.dup_acks, 8);
	CU_ASSERT(loss_room(&tc, &tw) <= tw.cc.ssthresh_bytes);
	toy_end_loss();
}

static void test_without_sack_one_packet_of_a_long_segment_is_sent_again(void)
{
	struct rte_mbuf *m;

	toy_begin(0);
	toy_write(10 * MSS, 1500, 0);
	m = snd_carve(toy, &tc, &tw, 10 * MSS);
	snd_sent(&tc, &tw, m, toy->now_ns);
	toy_at(1100);
	for (unsigned i = 0; i < 4; i++)
		toy_ack(0, 0, 0);
	CU_ASSERT_EQUAL(tw.loss.state, REC_FAST);
	CU_ASSERT_EQUAL(tw.lost_bytes, MSS);
	CU_ASSERT_EQUAL(toy_resend(), 1);
	toy_at(1200);
	toy_ack(1, 0, 0); /* and the next hole is the next packet */
	CU_ASSERT_EQUAL(tw.lost_bytes, MSS);
	toy_ack(1, 0, 0); /* PRR: one for two that arrive */
	toy_ack(1, 0, 0);
	CU_ASSERT_EQUAL(toy_resend(), 1);
	CU_ASSERT_EQUAL(toy_seg(1)->sent_count, 2);
	toy_end_loss();
}

static void test_duplicates_after_a_recovery_begin_none(void)
{
	toy_begin(0);
	toy_send(10);
	toy_at(1100);
	for (unsigned i = 0; i < 4; i++)
		toy_ack(0, 0, 0);
	toy_resend();
	toy_send(10);
	toy_ack(10, 0, 0);
	CU_ASSERT_EQUAL(tw.loss.state, REC_OPEN);
	for (unsigned i = 0; i < 4; i++)
		toy_ack(10, 0, 0); /* RFC 6582 section 3.2, step 2 */
	CU_ASSERT_EQUAL(tw.loss.state, REC_OPEN);
	toy_ack(11, 0, 0);
	for (unsigned i = 0; i < 3; i++)
		toy_ack(11, 0, 0);
	CU_ASSERT_EQUAL(tw.loss.state, REC_FAST);
	toy_end_loss();
}

static void test_a_narrower_path_sends_again_and_cuts_no_window(void)
{
	toy_begin(CONN_SACK);
	toy_send(4);
	loss_on_mss(&tc, &tw, 40);
	CU_ASSERT_EQUAL(tw.lost_bytes, 4 * MSS);
	CU_ASSERT_EQUAL(tw.cc.mss, 40);
	CU_ASSERT_EQUAL(tw.loss.state, REC_OPEN);
	CU_ASSERT_EQUAL(told.losses, 0);
	for (struct rte_mbuf *m; (m = snd_lost(toy, &tw, 40)) != NULL;) {
		CU_ASSERT(m->pkt_len <= 40);
		snd_sent(&tc, &tw, m, toy->now_ns);
		toy_check();
	}
	CU_ASSERT_EQUAL(tw.flight.n, 12);
	toy_end_loss();
}

/* ---- SACK ---- */

static void test_a_segment_after_three_duplicate_sacks_is_sent_again(void)
{
	toy_begin(CONN_SACK);
	toy_send(10);
	toy_at(1100);
	toy_ack(1, 0, 0);
	toy_ack(1, 2, 3);
	toy_ack(1, 2, 4);
	CU_ASSERT_EQUAL(tw.loss.state, REC_OPEN);
	CU_ASSERT_EQUAL(tw.sacked_bytes, 2 * MSS);
	toy_ack(1, 2, 5);
	CU_ASSERT_EQUAL(tw.loss.state, REC_FAST);
	CU_ASSERT_EQUAL(toy_resend(), 1);
	CU_ASSERT_EQUAL(toy_seg(1)->sent_count, 2);
	toy_at(1200);
	toy_ack(10, 0, 0);
	CU_ASSERT_EQUAL(tw.loss.state, REC_OPEN);
	CU_ASSERT_EQUAL(tw.cc.cwnd_bytes, tw.cc.ssthresh_bytes);
	toy_end_loss();
}

static void test_blocks_outside_of_the_flight_or_reversed_say_nothing(void)
{
	struct segment seg;

	toy_begin(CONN_SACK);
	toy_send(10);
	toy_at(1100);
	toy_ack(2, 0, 0);
	seg = toy_segment(2);
	toy_sack(&seg, 5, 11);
	toy_sack(&seg, 6, 4);
	toy_sack(&seg, 2, 3);
	toy_sack(&seg, 7, 7);
	CU_ASSERT_FALSE(toy_input(&seg).is_new);
	seg = toy_segment(2);
	toy_sack(&seg, 0, 5);
	CU_ASSERT_FALSE(toy_input(&seg).is_new);
	CU_ASSERT_EQUAL(tw.sacked_bytes, 0);
	toy_end_loss();
}

WEIR_TESTS("stack/tcp_loss", TEST(the_timer_runs_while_something_is_on_its_way),
	   TEST(a_timeout_sends_the_first_again_and_doubles_the_time),
	   TEST(with_timestamps_what_was_sent_twice_is_measured),
	   TEST(progress_without_a_sample_keeps_some_of_the_back_off),
	   TEST(a_timeout_whose_segment_found_no_buffer_is_not_counted_again),
	   TEST(the_probe_of_a_closed_window_is_left_alone),
	   TEST(without_sack_three_duplicates_send_the_first_again),
	   TEST(what_carries_data_or_moves_the_window_is_no_duplicate),
	   TEST(more_duplicates_than_segments_open_no_window),
	   TEST(without_sack_one_packet_of_a_long_segment_is_sent_again),
	   TEST(duplicates_after_a_recovery_begin_none),
	   TEST(a_narrower_path_sends_again_and_cuts_no_window),
	   TEST(a_partial_ack_sends_the_next_hole_and_a_full_one_ends_it),
	   TEST(a_segment_after_three_duplicate_sacks_is_sent_again),
	   TEST(blocks_outside_of_the_flight_or_reversed_say_nothing))
