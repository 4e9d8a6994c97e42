/* SPDX-License-Identifier: BSD-3-Clause */

/* RACK-TLP by the sections of RFC 8985. */

#include "toy_loss.h"

/* ---- section 6: RACK ---- */

static void test_a_hole_waits_a_quarter_of_the_least_round_trip(void)
{
	toy_begin(CONN_SACK);
	toy_send(10);
	toy_at(1100);
	toy_ack(1, 2, 3);
	CU_ASSERT_EQUAL(tw.lost_bytes, 0);
	CU_ASSERT_EQUAL(tw.rtx_kind, RTX_REORDER);
	CU_ASSERT_EQUAL(tw.rtx_at_ns, 1125 * MS);
	toy_fire(RTX_REORDER);
	CU_ASSERT_EQUAL(tw.lost_bytes, MSS);
	CU_ASSERT_EQUAL(tw.loss.state, REC_FAST);
	CU_ASSERT_EQUAL(toy_resend(), 1);
	CU_ASSERT_EQUAL(toy_seg(1)->sent_count, 2);
	toy_end_loss();
}

static void test_a_segment_that_was_only_late_is_not_sent_again(void)
{
	toy_begin(CONN_SACK);
	toy_send(10);
	toy_at(1100);
	toy_ack(1, 2, 4);
	toy_at(1110);
	toy_ack(4, 0, 0);
	CU_ASSERT(tw.loss.reordering_seen);
	CU_ASSERT_EQUAL(told.losses, 0);
	CU_ASSERT_EQUAL(tw.loss.reorder_ns, 0);
	toy_end_loss();
}

static void test_where_reordering_was_seen_three_duplicates_wait_too(void)
{
	toy_begin(CONN_SACK);
	toy_send(10);
	toy_at(1100);
	toy_ack(0, 1, 2);
	toy_at(1101);
	toy_ack(2, 0, 0);
	toy_at(1105);
	toy_ack(2, 3, 8);
	CU_ASSERT_EQUAL(tw.loss.state, REC_OPEN);
	CU_ASSERT_EQUAL(tw.rtx_kind, RTX_REORDER);
	CU_ASSERT_EQUAL(tw.rtx_at_ns, (1000 + 105 + 25) * MS);
	toy_end_loss();
}

static void test_a_retransmission_that_is_lost_is_found_by_what_was_sent_after_it(void)
{
	toy_begin(CONN_SACK);
	toy_send(10);
	toy_at(1100);
	toy_ack(1, 2, 5);
	CU_ASSERT_EQUAL(toy_resend(), 1);
	toy_at(1110);
	toy_send(1);
	toy_at(1210);
	toy_ack(1, 2, 10);
	CU_ASSERT_EQUAL(toy_seg(1)->flags & SEG_LOST, 0);
	toy_ack(1, 2, 11);
	CU_ASSERT(toy_seg(1)->flags & SEG_LOST);
	CU_ASSERT_EQUAL(toy_resend(), 1);
	CU_ASSERT_EQUAL(toy_seg(1)->sent_count, 3);
	CU_ASSERT_EQUAL(told.losses, 1);
	toy_end_loss();
}

static void test_an_ack_of_the_first_copy_says_nothing_of_the_second(void)
{
	struct segment seg;

	for (unsigned early = 0; early < 2; early++) {
		toy_begin(CONN_SACK | CONN_STAMPS);
		toy_send(10);
		toy_at(1100);
		toy_ack(0, 1, 4);
		CU_ASSERT_EQUAL(toy_resend(), 1);
		toy_at(1300);
		seg = toy_segment(1);
		seg.opts.flags = OPT_STAMP;
		seg.opts.echo = tick_of((early ? 1000 : 1100) * MS) + tc.ts_offset;
		toy_input(&seg);
		CU_ASSERT_EQUAL(tw.loss.rack_sent_ns, (early ? 1000 : 1100) * MS);
		toy_end_loss();
	}
}

static void test_an_ack_sooner_than_any_before_is_of_the_first_copy(void)
{
	toy_begin(CONN_SACK);
	toy_send(10);
	toy_at(1100);
	toy_ack(0, 1, 4);
	CU_ASSERT_EQUAL(toy_resend(), 1);
	toy_at(1150);
	toy_ack(1, 0, 0);
	CU_ASSERT_EQUAL(tw.loss.rack_sent_ns, 1000 * MS);
	toy_end_loss();
}

static struct acked ack_dsack(unsigned ack, unsigned at)
{
	struct segment seg = toy_segment(ack);

	toy_sack(&seg, at, at + 1);
	return toy_input(&seg);
}

static void test_dsacks_widen_the_window_once_a_round_and_for_sixteen_recoveries(void)
{
	toy_begin(CONN_SACK);
	toy_send(10);
	toy_at(1100);
	ack_dsack(5, 3);
	ack_dsack(5, 3);
	CU_ASSERT_EQUAL(tw.loss.reo_wnd_more, 1);
	ack_dsack(10, 9);
	CU_ASSERT_EQUAL(tw.loss.reo_wnd_more, 2);
	for (unsigned i = 0; i < 15; i++)
		rack_recovered(&tw);
	CU_ASSERT_EQUAL(tw.loss.reo_wnd_more, 2);
	rack_recovered(&tw);
	CU_ASSERT_EQUAL(tw.loss.reo_wnd_more, 0);
	toy_end_loss();
}

static void test_the_window_is_never_wider_than_a_round_trip(void)
{
	toy_begin(CONN_SACK);
	tw.loss.reo_wnd_more = 200;
	tw.loss.reordering_seen = true;
	toy_send(10);
	toy_at(1100);
	toy_ack(1, 2, 3);
	CU_ASSERT_EQUAL(tw.loss.reorder_ns, 1200 * MS);
	toy_end_loss();
}

static void test_a_timeout_spares_what_was_sent_lately(void)
{
	toy_begin(CONN_SACK);
	toy_send(5);
	toy_at(1100);
	toy_ack(1, 0, 0);
	toy_at(1350);
	toy_send(3);
	toy_at(1400);
	tw.rtx_kind = RTX_RTO;
	toy_fire(RTX_RTO);
	CU_ASSERT_EQUAL(tw.lost_bytes, 4 * MSS);
	CU_ASSERT_EQUAL(snd_flight_bytes(&tw), 3 * MSS);
	CU_ASSERT_EQUAL(toy_resend(), 1); /* the first is sent all the same */
	toy_end_loss();
}

static void test_congestion_control_hears_of_each_segment_lost(void)
{
	toy_begin(CONN_SACK);
	toy_send(20);
	toy_at(1100);
	toy_ack(0, 17, 20);
	CU_ASSERT_EQUAL(told.lost_segs, 17);
	CU_ASSERT_EQUAL(told.ack.lost_bytes, 17 * MSS);
	CU_ASSERT_EQUAL(tw.lost_all_bytes, 17 * MSS);
	toy_at(1101);
	toy_ack(0, 17, 20);
	toy_resend();
	toy_at(1200);
	toy_ack(1, 17, 20);
	CU_ASSERT_EQUAL(told.ack.lost_bytes, 0);
	toy_end_loss();
}

/* ---- section 7: tail loss probes ---- */

static void test_a_probe_is_due_after_two_round_trips(void)
{
	toy_begin(CONN_SACK);
	toy_send(3);
	CU_ASSERT_EQUAL(tw.rtx_kind, RTX_TLP);
	CU_ASSERT_EQUAL(tw.rtx_at_ns, 1200 * MS);
	toy_end_loss();
}

static void test_one_segment_alone_waits_for_a_delayed_ack_but_not_past_the_timeout(void)
{
	toy_begin(CONN_SACK);
	toy_send(1);
	CU_ASSERT_EQUAL(tw.rtx_kind, RTX_TLP);
	CU_ASSERT_EQUAL(tw.rtx_at_ns, 1300 * MS);
	toy_end_loss();
	toy_begin(CONN_SACK);
	tc.rttvar_us = 100000;
	toy_send(1);
	CU_ASSERT_EQUAL(tw.rtx_at_ns, 1400 * MS);
	toy_end_loss();
}

static void test_there_is_no_probe_without_sack_in_recovery_or_with_sacks(void)
{
	toy_begin(0);
	toy_send(3);
	CU_ASSERT_EQUAL(tw.rtx_kind, RTX_RTO);
	toy_end_loss();
	toy_begin(CONN_SACK);
	toy_send(10);
	toy_at(1100);
	toy_ack(0, 1, 4);
	toy_resend();
	CU_ASSERT_EQUAL(tw.loss.state, REC_FAST);
	CU_ASSERT_EQUAL(tw.rtx_kind, RTX_RTO);
	toy_end_loss();
}

static void test_the_probe_is_new_data_beyond_the_window(void)
{
	struct rte_mbuf *m;

	toy_begin(CONN_SACK);
	toy_send(3);
	toy_write(2 * MSS, 1000, 0);
	tw.cc.cwnd_bytes = 3 * MSS;
	CU_ASSERT_EQUAL(loss_room(&tc, &tw), 0);
	toy_fire(RTX_TLP);
	CU_ASSERT_EQUAL(loss_room(&tc, &tw), MSS);
	CU_ASSERT_PTR_NULL(snd_lost(toy, &tw, MSS));
	m = snd_carve(toy, &tc, &tw, MSS);
	snd_sent(&tc, &tw, m, toy->now_ns);
	loss_arm(&tc, &tw, toy->now_ns);
	CU_ASSERT_EQUAL(loss_room(&tc, &tw), 0);
	CU_ASSERT(tw.loss.tlp_out && !tw.loss.tlp_is_resend);
	CU_ASSERT_EQUAL(tw.rtx_kind, RTX_RTO); /* one probe at a time */
	CU_ASSERT_EQUAL(tw.rtx_at_ns, 1500 * MS);
	CU_ASSERT_EQUAL(toy->stats.tcp_probes, 1);
	toy_at(1300);
	toy_ack(4, 0, 0);
	CU_ASSERT_FALSE(tw.loss.tlp_out);
	CU_ASSERT_EQUAL(told.losses, 0);
	toy_end_loss();
}

/* Three segments, of which the last was sent again as a probe at 1200. */
static void probe_again(void)
{
	toy_begin(CONN_SACK);
	toy_send(3);
	toy_fire(RTX_TLP);
	CU_ASSERT_EQUAL(toy_resend(), 1);
	CU_ASSERT_EQUAL(toy_seg(2)->sent_count, 2);
	CU_ASSERT(tw.loss.tlp_out && tw.loss.tlp_is_resend);
}

static void test_without_new_data_the_last_segment_is_the_probe(void)
{
	probe_again();
	CU_ASSERT_EQUAL(tw.rtx_kind, RTX_RTO);
	CU_ASSERT_EQUAL(told.losses, 0);
	toy_end_loss();
}

static void test_a_probe_that_repaired_the_loss_cuts_the_window(void)
{
	probe_again();
	toy_at(1300);
	toy_ack(3, 0, 0);
	CU_ASSERT(tw.loss.tlp_out); /* which copy was it? */
	toy_send(1);
	toy_at(1400);
	toy_ack(4, 0, 0);
	CU_ASSERT_FALSE(tw.loss.tlp_out);
	CU_ASSERT_EQUAL(told.losses, 1);
	CU_ASSERT_EQUAL(told.recovered, 1);
	CU_ASSERT_EQUAL(tw.cc.cwnd_bytes, tw.cc.ssthresh_bytes);
	toy_end_loss();
}

static void test_a_probe_that_was_needless_costs_nothing(void)
{
	probe_again();
	toy_at(1300);
	toy_ack(3, 0, 0);
	ack_dsack(3, 2);
	CU_ASSERT_FALSE(tw.loss.tlp_out);
	toy_send(1);
	toy_at(1400);
	toy_ack(4, 0, 0);
	CU_ASSERT_EQUAL(told.losses, 0);
	toy_end_loss();
}

static void test_a_probe_that_fails_is_followed_by_the_timeout(void)
{
	probe_again();
	toy_fire(RTX_RTO);
	CU_ASSERT_EQUAL(toy_now_ms(), 1500);
	CU_ASSERT_FALSE(tw.loss.tlp_out);
	CU_ASSERT_EQUAL(told.timeouts, 1);
	CU_ASSERT_EQUAL(toy_resend(), 1);
	CU_ASSERT_EQUAL(toy_seg(0)->sent_count, 2);
	toy_end_loss();
}

static void test_a_probe_that_shows_a_hole_begins_recovery(void)
{
	probe_again();
	toy_at(1300);
	toy_ack(0, 2, 3);
	CU_ASSERT_EQUAL(tw.loss.state, REC_FAST);
	CU_ASSERT_EQUAL(tw.lost_bytes, 2 * MSS);
	CU_ASSERT(toy_resend() > 0);
	toy_end_loss();
}

static void test_of_a_long_last_segment_only_the_end_is_the_probe(void)
{
	struct rte_mbuf *m;

	toy_begin(CONN_SACK);
	toy_write(450, 1000, 0);
	m = snd_carve(toy, &tc, &tw, 450);
	snd_sent(&tc, &tw, m, toy->now_ns);
	loss_arm(&tc, &tw, toy->now_ns);
	toy_fire(RTX_TLP);
	m = snd_lost(toy, &tw, MSS);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_EQUAL(m->pkt_len, MSS);
	CU_ASSERT_EQUAL(seg_of(m)->end, tc.snd_nxt);
	toy_end_loss();
}

WEIR_TESTS("stack/tcp_rack", TEST(a_hole_waits_a_quarter_of_the_least_round_trip),
	   TEST(a_segment_that_was_only_late_is_not_sent_again),
	   TEST(where_reordering_was_seen_three_duplicates_wait_too),
	   TEST(a_retransmission_that_is_lost_is_found_by_what_was_sent_after_it),
	   TEST(an_ack_of_the_first_copy_says_nothing_of_the_second),
	   TEST(an_ack_sooner_than_any_before_is_of_the_first_copy),
	   TEST(dsacks_widen_the_window_once_a_round_and_for_sixteen_recoveries),
	   TEST(the_window_is_never_wider_than_a_round_trip),
	   TEST(a_timeout_spares_what_was_sent_lately),
	   TEST(congestion_control_hears_of_each_segment_lost),
	   TEST(a_probe_is_due_after_two_round_trips),
	   TEST(one_segment_alone_waits_for_a_delayed_ack_but_not_past_the_timeout),
	   TEST(there_is_no_probe_without_sack_in_recovery_or_with_sacks),
	   TEST(the_probe_is_new_data_beyond_the_window),
	   TEST(without_new_data_the_last_segment_is_the_probe),
	   TEST(a_probe_that_repaired_the_loss_cuts_the_window),
	   TEST(a_probe_that_was_needless_costs_nothing),
	   TEST(a_probe_that_fails_is_followed_by_the_timeout),
	   TEST(a_probe_that_shows_a_hole_begins_recovery),
	   TEST(of_a_long_last_segment_only_the_end_is_the_probe))
