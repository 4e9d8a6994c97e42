/* SPDX-License-Identifier: BSD-3-Clause */

/* Recovery: how it begins, how much is sent in it, how it ends, and when it was for nothing. */

#include "toy_loss.h"

/* Send new segments as long as there is room. */
static unsigned send_room(void)
{
	unsigned n = 0;

	for (; loss_room(&tc, &tw) >= MSS; n++)
		toy_send(1);
	return n;
}

static void time_out(void)
{
	tw.rtx_kind = RTX_RTO;
	toy_fire(RTX_RTO);
}

static struct acked ack_echo(unsigned ack, unsigned from, unsigned to, uint64_t echo_ms)
{
	struct segment seg = toy_segment(ack);

	if (from != to)
		toy_sack(&seg, from, to);
	seg.opts.flags = OPT_STAMP;
	seg.opts.echo = tick_of(echo_ms * MS) + tc.ts_offset;
	return toy_input(&seg);
}

/* ---- PRR (RFC 9937) ---- */

static void test_prr_sends_in_proportion_to_what_arrives(void)
{
	uint32_t delivered = 3 * MSS;

	toy_begin(CONN_SACK);
	tw.cc.cwnd_bytes = 20 * MSS;
	toy_send(20);
	toy_at(1100);
	toy_ack(0, 1, 4);
	CU_ASSERT_EQUAL(tw.cc.ssthresh_bytes, 10 * MSS);
	CU_ASSERT_EQUAL(tw.loss.recover_fs, 20 * MSS);
	CU_ASSERT_EQUAL(toy_resend(), 1);
	for (unsigned to = 5; to <= 20; to++) {
		send_room();
		toy_ack(0, 1, to);
		delivered += MSS;
		CU_ASSERT(tw.loss.prr_out <= delivered / 2 + MSS);
	}
	send_room();
	CU_ASSERT(tw.loss.prr_out >= delivered / 2 - MSS);
	CU_ASSERT(snd_flight_bytes(&tw) >= 9 * MSS && snd_flight_bytes(&tw) <= 10 * MSS);
	toy_at(1200);
	toy_ack(20, 0, 0);
	CU_ASSERT_EQUAL(tw.cc.cwnd_bytes, 10 * MSS);
	CU_ASSERT_EQUAL(told.recovered, 1);
	toy_end_loss();
}

static void test_prr_sends_one_for_one_and_in_slow_start_bound_after_heavy_loss(void)
{
	toy_begin(CONN_SACK);
	tw.cc.cwnd_bytes = 20 * MSS;
	toy_send(20);
	toy_at(1100);
	toy_ack(0, 17, 20);
	CU_ASSERT_EQUAL(tw.lost_bytes, 17 * MSS);
	CU_ASSERT_EQUAL(toy_resend(), 3); /* conservation of packets */
	toy_at(1200);
	toy_ack(1, 17, 20);
	CU_ASSERT_EQUAL(toy_resend(), 2); /* it goes well: one more */
	toy_ack(2, 17, 20);
	CU_ASSERT_EQUAL(toy_resend(), 2);
	toy_end_loss();
}

static void test_prr_never_lets_more_than_ssthresh_be_on_its_way(void)
{
	toy_begin(CONN_SACK);
	tw.cc.cwnd_bytes = 20 * MSS;
	toy_send(20);
	toy_at(1100);
	toy_ack(0, 10, 20);
	for (unsigned i = 1; i < 8; i++) {
		toy_resend();
		CU_ASSERT(snd_flight_bytes(&tw) <= 10 * MSS);
		toy_at(1100 + 10 * i);
		toy_ack(i, 10, 20);
	}
	toy_end_loss();
}

static void test_the_first_retransmission_is_sent_at_once(void)
{
	toy_begin(CONN_SACK);
	toy_send(100);
	tw.cc.cwnd_bytes = 100 * MSS;
	toy_at(1100);
	toy_ack(0, 97, 98);
	toy_fire(RTX_REORDER);
	CU_ASSERT_EQUAL(tw.loss.state, REC_FAST);
	CU_ASSERT(toy_resend() >= 1);
	toy_end_loss();
}

/* ---- how often the window is cut ---- */

static void test_losses_of_one_window_cut_it_once(void)
{
	toy_begin(CONN_SACK);
	toy_send(20);
	toy_at(1100);
	toy_ack(0, 1, 4);
	toy_resend();
	toy_ack(0, 1, 10);
	toy_ack(0, 12, 16);
	toy_resend();
	toy_at(1200);
	toy_ack(10, 12, 16);
	toy_resend();
	toy_at(1300);
	toy_ack(20, 0, 0);
	CU_ASSERT_EQUAL(told.losses, 1);
	CU_ASSERT_EQUAL(told.recovered, 1);
	CU_ASSERT_EQUAL(tw.loss.state, REC_OPEN);
	toy_end_loss();
}

static void test_what_was_sent_in_recovery_and_lost_begins_the_next(void)
{
	struct segment seg = toy_segment(20);

	toy_begin(CONN_SACK);
	toy_send(20);
	toy_at(1100);
	toy_ack(0, 1, 4);
	CU_ASSERT_EQUAL(toy_resend(), 1);
	toy_send(10);
	toy_at(1200);
	toy_sack(&seg, 22, 30);
	toy_input(&seg);
	CU_ASSERT_EQUAL(told.recovered, 1);
	CU_ASSERT_EQUAL(told.losses, 2);
	CU_ASSERT_EQUAL(tw.loss.state, REC_FAST);
	toy_end_loss();
}

static void test_timeouts_of_the_same_segment_are_one_recovery(void)
{
	toy_begin(CONN_SACK);
	toy_send(10);
	time_out();
	toy_resend();
	time_out();
	CU_ASSERT_EQUAL(told.timeouts, 2);
	CU_ASSERT(tw.loss.can_undo);
	CU_ASSERT_EQUAL(tw.loss.frto, FRTO_NONE); /* RFC 5682: not again */
	CU_ASSERT_EQUAL(tc.backoff, 2);
	toy_end_loss();
}

/* ---- ECN (RFC 3168) ---- */

static struct acked ack_ece(unsigned ack)
{
	struct segment seg = toy_segment(ack);

	seg.flags |= TCP_ECE;
	return toy_input(&seg);
}

static void test_marks_cut_the_window_once_a_round_and_the_peer_is_told(void)
{
	toy_begin(CONN_SACK | CONN_ECN);
	tw.cc.cwnd_bytes = 10 * MSS;
	toy_send(10);
	toy_at(1100);
	ack_ece(1);
	CU_ASSERT_EQUAL(told.marks, 1);
	CU_ASSERT_EQUAL(tw.loss.state, REC_CWR);
	CU_ASSERT(tc.flags & CONN_CWR_DUE);
	CU_ASSERT_EQUAL(told.ack.marked_bytes, MSS);
	for (unsigned i = 2; i < 10; i++)
		ack_ece(i);
	CU_ASSERT_EQUAL(told.marks, 1);
	send_room();
	toy_at(1200);
	ack_ece(10); /* all of that flight: CWR leaves with what follows it (section 6.1.2) */
	CU_ASSERT_EQUAL(told.marks, 1);
	CU_ASSERT_EQUAL(tw.loss.state, REC_CWR);
	toy_ack(11, 0, 0);
	CU_ASSERT_EQUAL(told.recovered, 1);
	CU_ASSERT_EQUAL(tw.loss.state, REC_OPEN);
	CU_ASSERT_EQUAL(tw.cc.cwnd_bytes, tw.cc.ssthresh_bytes);
	ack_ece(12);
	CU_ASSERT_EQUAL(told.marks, 2);
	toy_end_loss();
}

static void test_ece_means_nothing_without_ecn_nor_on_a_syn(void)
{
	struct segment seg = toy_segment(2);

	toy_begin(CONN_SACK);
	toy_send(10);
	toy_at(1100);
	ack_ece(1);
	CU_ASSERT_EQUAL(told.marks, 0);
	tc.flags |= CONN_ECN;
	seg.flags = TCP_ACK | TCP_SYN | TCP_ECE;
	toy_input(&seg);
	CU_ASSERT_EQUAL(told.marks, 0);
	toy_end_loss();
}

static void test_a_loss_after_a_mark_cuts_no_more_and_is_never_undone(void)
{
	toy_begin(CONN_SACK | CONN_ECN | CONN_STAMPS);
	toy_send(20);
	toy_at(1100);
	ack_ece(1);
	tc.flags &= ~CONN_CWR_DUE;
	toy_ack(1, 2, 6);
	CU_ASSERT_EQUAL(tw.loss.state, REC_FAST);
	CU_ASSERT_EQUAL(told.losses, 0);
	CU_ASSERT_EQUAL(told.marks, 1);
	toy_resend();
	ack_echo(6, 0, 0, 1000);
	CU_ASSERT_EQUAL(told.undone, 0);
	toy_end_loss();
}

static void test_every_cut_is_told_to_a_peer_with_ecn(void)
{
	toy_begin(CONN_SACK | CONN_ECN);
	toy_send(10);
	toy_at(1100);
	toy_ack(0, 1, 4);
	CU_ASSERT(tc.flags & CONN_CWR_DUE);
	tc.flags &= ~CONN_CWR_DUE;
	time_out();
	CU_ASSERT(tc.flags & CONN_CWR_DUE);
	toy_end_loss();
}

/* ---- it was no loss ---- */

static void test_eifel_undoes_a_recovery_whose_segment_was_late(void)
{
	toy_begin(CONN_SACK | CONN_STAMPS);
	toy_send(10);
	toy_at(1100);
	toy_ack(0, 1, 5);
	CU_ASSERT_EQUAL(toy_resend(), 1);
	CU_ASSERT(tw.cc.cwnd_bytes < 100 * MSS);
	toy_at(1110);
	ack_echo(5, 0, 0, 1000);
	CU_ASSERT_EQUAL(told.undone, 1);
	CU_ASSERT_EQUAL(toy->stats.tcp_undone, 1);
	CU_ASSERT(tw.cc.cwnd_bytes >= 100 * MSS);
	CU_ASSERT_EQUAL(tw.loss.state, REC_OPEN);
	CU_ASSERT(tw.loss.reordering_seen);
	toy_end_loss();
}

static void test_eifel_does_not_undo_what_the_retransmission_filled(void)
{
	toy_begin(CONN_SACK | CONN_STAMPS);
	toy_send(10);
	toy_at(1100);
	toy_ack(0, 1, 5);
	toy_resend();
	toy_at(1200);
	ack_echo(5, 0, 0, 1100);
	CU_ASSERT_EQUAL(told.undone, 0);
	toy_end_loss();
}

static void test_eifel_undoes_a_timeout(void)
{
	toy_begin(CONN_STAMPS);
	toy_send(10);
	time_out();
	toy_resend();
	toy_at(1310);
	ack_echo(1, 0, 0, 1000);
	CU_ASSERT_EQUAL(told.undone, 1);
	CU_ASSERT_EQUAL(tw.lost_bytes, 0);
	CU_ASSERT_EQUAL(tc.backoff, 0);
	CU_ASSERT_EQUAL(toy_resend(), 0);
	toy_end_loss();
}

static void test_dsacks_of_all_retransmissions_undo_even_after_recovery(void)
{
	struct segment seg = toy_segment(10);

	toy_begin(CONN_SACK);
	toy_send(10);
	toy_at(1100);
	toy_ack(0, 2, 6);
	CU_ASSERT_EQUAL(tw.lost_bytes, 2 * MSS);
	while (tw.lost_bytes > 0) {
		tw.cc.cwnd_bytes = 100 * MSS;
		toy_resend();
	}
	toy_at(1110);
	toy_ack(10, 0, 0);
	CU_ASSERT_EQUAL(told.recovered, 1);
	CU_ASSERT_EQUAL(tw.cc.cwnd_bytes, 5 * MSS);
	toy_at(1200);
	toy_sack(&seg, 0, 1);
	toy_input(&seg);
	CU_ASSERT_EQUAL(told.undone, 0); /* the other one may have been needed */
	seg.opts.sack[0] = (struct seq_range){TOY_ISS + MSS, TOY_ISS + 2 * MSS};
	toy_input(&seg);
	CU_ASSERT_EQUAL(told.undone, 1);
	CU_ASSERT_EQUAL(tw.cc.cwnd_bytes, 100 * MSS);
	toy_end_loss();
}

/* ---- F-RTO (RFC 5682) ---- */

/* Ten segments, a timeout at 1300, and an ACK that moves: the first step. */
static void frto_begin(uint32_t flags)
{
	toy_begin(flags);
	toy_send(10);
	toy_write(5 * MSS, 1000, 0);
	time_out();
	CU_ASSERT_EQUAL(tw.lost_bytes, 10 * MSS);
	CU_ASSERT_EQUAL(toy_resend(), 1);
	toy_at(1350);
	toy_ack(1, 0, 0);
	CU_ASSERT_EQUAL(tw.loss.frto, FRTO_NEW);
	CU_ASSERT_EQUAL(toy_resend(), 0); /* step 2b: new data, nothing old */
	CU_ASSERT_EQUAL(send_room(), 2);
}

static void test_a_spurious_timeout_is_undone_by_frto(void)
{
	for (unsigned sack = 0; sack < 2; sack++) {
		frto_begin(sack ? CONN_SACK : 0);
		toy_at(1360);
		toy_ack(2, 0, 0);
		CU_ASSERT_EQUAL(told.undone, 1);
		CU_ASSERT_EQUAL(tw.lost_bytes, 0);
		CU_ASSERT(tw.cc.cwnd_bytes >= 100 * MSS);
		CU_ASSERT_EQUAL(tw.loss.state, REC_OPEN);
		toy_end_loss();
	}
}

static void test_frto_lets_a_timeout_stand_that_was_none(void)
{
	frto_begin(CONN_SACK);
	toy_at(1400);
	toy_ack(1, 10, 11); /* step 3a: only new data has arrived */
	CU_ASSERT_EQUAL(told.undone, 0);
	CU_ASSERT_EQUAL(tw.loss.frto, FRTO_NONE);
	CU_ASSERT(toy_resend() > 0);
	CU_ASSERT_EQUAL(toy_seg(1)->sent_count, 2);
	toy_end_loss();
	frto_begin(0);
	toy_at(1400);
	toy_ack(1, 0, 0); /* a duplicate */
	CU_ASSERT_EQUAL(tw.loss.frto, FRTO_NONE);
	CU_ASSERT(toy_resend() > 0);
	toy_end_loss();
}

static void test_frto_gives_up_where_no_new_data_can_be_sent(void)
{
	for (unsigned shut = 0; shut < 2; shut++) {
		toy_begin(CONN_SACK);
		toy_send(10);
		if (shut) {
			toy_write(MSS, 1000, 0);
			tc.snd_wnd = 8 * MSS;
		}
		time_out();
		toy_resend();
		toy_at(1400);
		toy_ack(1, 0, 0);
		CU_ASSERT_EQUAL(tw.loss.frto, FRTO_NONE);
		CU_ASSERT_EQUAL(toy_resend(), 2);
		toy_end_loss();
	}
}

static void test_frto_takes_no_first_ack_that_does_not_move(void)
{
	toy_begin(CONN_SACK);
	toy_send(10);
	toy_write(5 * MSS, 1000, 0);
	time_out();
	toy_resend();
	toy_at(1400);
	toy_ack(0, 5, 6);
	CU_ASSERT_EQUAL(tw.loss.frto, FRTO_NONE);
	CU_ASSERT_EQUAL(told.undone, 0);
	toy_end_loss();
}

WEIR_TESTS("stack/tcp_recovery", TEST(prr_sends_in_proportion_to_what_arrives),
	   TEST(prr_sends_one_for_one_and_in_slow_start_bound_after_heavy_loss),
	   TEST(prr_never_lets_more_than_ssthresh_be_on_its_way),
	   TEST(the_first_retransmission_is_sent_at_once), TEST(losses_of_one_window_cut_it_once),
	   TEST(what_was_sent_in_recovery_and_lost_begins_the_next),
	   TEST(timeouts_of_the_same_segment_are_one_recovery),
	   TEST(marks_cut_the_window_once_a_round_and_the_peer_is_told),
	   TEST(ece_means_nothing_without_ecn_nor_on_a_syn),
	   TEST(a_loss_after_a_mark_cuts_no_more_and_is_never_undone),
	   TEST(every_cut_is_told_to_a_peer_with_ecn),
	   TEST(eifel_undoes_a_recovery_whose_segment_was_late),
	   TEST(eifel_does_not_undo_what_the_retransmission_filled), TEST(eifel_undoes_a_timeout),
	   TEST(dsacks_of_all_retransmissions_undo_even_after_recovery),
	   TEST(a_spurious_timeout_is_undone_by_frto),
	   TEST(frto_lets_a_timeout_stand_that_was_none),
	   TEST(frto_gives_up_where_no_new_data_can_be_sent),
	   TEST(frto_takes_no_first_ack_that_does_not_move))
