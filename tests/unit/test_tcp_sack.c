/* SPDX-License-Identifier: BSD-3-Clause */

/* What SACK blocks and numbers say has arrived, and what they do not. */

#include "toy_loss.h"

static void test_blocks_that_overlap_are_counted_once(void)
{
	struct segment seg = toy_segment(1);

	toy_begin(CONN_SACK);
	toy_send(10);
	toy_at(1100);
	toy_sack(&seg, 4, 7);
	toy_sack(&seg, 5, 8);
	toy_sack(&seg, 3, 6);
	toy_sack(&seg, 4, 7);
	CU_ASSERT(toy_input(&seg).is_new);
	CU_ASSERT_EQUAL(tw.sacked_bytes, 5 * MSS);
	CU_ASSERT_EQUAL(told.ack.acked_bytes, 6 * MSS);
	CU_ASSERT_FALSE(toy_input(&seg).is_new);
	CU_ASSERT_FALSE(tw.loss.reordering_seen);
	toy_end_loss();
}

static void test_a_block_of_a_part_of_a_segment_says_nothing(void)
{
	struct segment seg = toy_segment(0);

	toy_begin(CONN_SACK);
	toy_send(10);
	toy_at(1100);
	toy_sack(&seg, 3, 5);
	seg.opts.sack[0].from += 1;
	toy_input(&seg);
	CU_ASSERT_EQUAL(tw.sacked_bytes, MSS);
	seg.opts.sack[0].to -= 1;
	toy_input(&seg);
	CU_ASSERT_EQUAL(tw.sacked_bytes, MSS);
	CU_ASSERT_EQUAL(tw.flight.n, 10);
	toy_end_loss();
}

/* Ten segments of MSS sent as one. */
static void send_long(void)
{
	struct rte_mbuf *m;

	toy_write(10 * MSS, 1500, 0);
	m = snd_carve(toy, &tc, &tw, 10 * MSS);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	snd_sent(&tc, &tw, m, toy->now_ns);
	toy_check();
}

static void test_a_block_divides_a_long_segment_where_it_was_cut_on_the_wire(void)
{
	for (unsigned from = 1; from < 10; from++)
		for (unsigned to = from + 1; to <= 10; to++)
			for (unsigned off = 0; off < 3; off++) {
				struct segment seg = toy_segment(0);
				const unsigned cut = off == 0 ? 0 : to == from + 1 ? 1 : 2;

				toy_begin(CONN_SACK);
				send_long();
				toy_at(1100);
				toy_sack(&seg, from, to);
				seg.opts.sack[0].from += off == 0 ? 0 : 1;
				seg.opts.sack[0].to -= off == 0 ? 0 : off;
				toy_input(&seg);
				CU_ASSERT_EQUAL(tw.sacked_bytes, (to - from - cut) * MSS);
				toy_end_loss();
			}
}

static void test_without_buffers_a_long_segment_is_not_divided(void)
{
	static struct rte_mbuf *hoard[TOY_MBUFS];
	unsigned n = 0;

	toy_begin(CONN_SACK);
	send_long();
	while ((hoard[n] = rte_pktmbuf_alloc(toy_only_pool())) != NULL)
		n++;
	toy_at(1100);
	toy_ack(0, 3, 5);
	CU_ASSERT_EQUAL(tw.sacked_bytes, 0);
	rte_pktmbuf_free_bulk(hoard, n);
	toy_ack(0, 3, 5);
	CU_ASSERT_EQUAL(tw.sacked_bytes, 2 * MSS);
	toy_end_loss();
}

static void test_a_first_block_below_the_number_or_inside_the_second_is_a_dsack(void)
{
	static const struct {
		unsigned ack, from, to, from2, to2;
		bool is;
	} t[] = {
		{5, 3, 4, 0, 0, true},	/* RFC 2883 section 4.1 */
		{5, 3, 4, 6, 7, true},	/* with news behind it */
		{5, 6, 7, 6, 9, true},	/* section 4.2: above the number */
		{5, 6, 9, 6, 9, true},	/* all of it */
		{5, 6, 7, 7, 9, false}, /* two blocks that are news */
		{5, 6, 9, 6, 7, false}, {5, 6, 9, 0, 0, false},
		{5, 4, 6, 0, 0, false}, /* across the number: no sense */
		{5, 4, 3, 0, 0, false}, {5, 11, 12, 11, 12, false}, /* never sent */
	};

	for (unsigned i = 0; i < RTE_DIM(t); i++) {
		struct segment seg = toy_segment(t[i].ack);

		toy_begin(CONN_SACK);
		toy_send(10);
		toy_at(1100);
		toy_sack(&seg, t[i].from, t[i].to);
		if (t[i].to2 != 0)
			toy_sack(&seg, t[i].from2, t[i].to2);
		toy_input(&seg);
		CU_ASSERT_EQUAL(tw.loss.has_dsack_round, t[i].is);
		toy_end_loss();
	}
}

static void test_a_dsack_from_before_the_window_is_not_heeded(void)
{
	struct segment seg = toy_segment(10);

	toy_begin(CONN_SACK);
	toy_send(10);
	toy_at(1100);
	toy_sack(&seg, 0, 1);
	seg.opts.sack[0].from -= TOY_WINDOW + 1;
	seg.opts.sack[0].to -= TOY_WINDOW + 1;
	toy_input(&seg);
	CU_ASSERT_FALSE(tw.loss.has_dsack_round);
	toy_end_loss();
}

static void test_a_peer_that_drops_what_it_had_gets_it_again_after_a_timeout(void)
{
	toy_begin(CONN_SACK);
	toy_send(10);
	toy_at(1100);
	toy_ack(1, 2, 5);
	toy_ack(2, 0, 0); /* 2 to 5 are gone */
	CU_ASSERT_EQUAL(tw.sacked_bytes, 3 * MSS);
	tw.rtx_kind = RTX_RTO;
	toy_fire(RTX_RTO);
	CU_ASSERT_EQUAL(tw.sacked_bytes, 0);
	CU_ASSERT_EQUAL(tw.lost_bytes, 8 * MSS);
	CU_ASSERT_EQUAL(toy_resend(), 1);
	CU_ASSERT_EQUAL(toy_seg(2)->sent_count, 2);
	toy_end_loss();
}

static void test_a_round_trip_is_measured_by_sacks_too(void)
{
	toy_begin(CONN_SACK);
	toy_send(3);
	toy_at(1020);
	toy_send(3);
	toy_at(1150);
	CU_ASSERT_EQUAL(toy_ack(0, 2, 4).rtt_us, 130000); /* the newest, for the least */
	CU_ASSERT_EQUAL(tc.min_rtt_us, 100000);
	toy_end_loss();
}

static void test_payload_syn_and_fin_are_told_apart(void)
{
	struct segment seg = toy_segment(0);
	struct acked out;

	toy_begin(0);
	toy_write(0, 1000, SEG_SYN);
	snd_sent(&tc, &tw, snd_carve(toy, &tc, &tw, MSS), toy->now_ns);
	toy_write(150, 1000, SEG_FIN);
	snd_sent(&tc, &tw, snd_carve(toy, &tc, &tw, MSS), toy->now_ns);
	snd_sent(&tc, &tw, snd_carve(toy, &tc, &tw, MSS), toy->now_ns);
	toy_at(1100);
	seg.ack = TOY_ISS + 1;
	out = toy_input(&seg);
	CU_ASSERT(out.syn && !out.fin && out.bytes == 0);
	seg.ack = TOY_ISS + 151; /* all but the FIN */
	out = toy_input(&seg);
	CU_ASSERT(!out.syn && !out.fin && out.bytes == 150);
	CU_ASSERT_EQUAL(snd_flight_bytes(&tw), 1);
	seg.ack = TOY_ISS + 152;
	out = toy_input(&seg);
	CU_ASSERT(!out.syn && out.fin && out.bytes == 0);
	CU_ASSERT_PTR_NULL(tw.flight.head);
	toy_end_loss();
}

static void test_a_syn_that_was_lost_twice_leaves_a_window_of_one_segment(void)
{
	for (unsigned lost = 0; lost < 3; lost++) {
		struct segment seg = toy_segment(0);

		toy_begin(0);
		toy_write(0, 1000, SEG_SYN);
		snd_sent(&tc, &tw, snd_carve(toy, &tc, &tw, MSS), toy->now_ns);
		loss_arm(&tc, &tw, toy->now_ns);
		for (unsigned i = 0; i < lost; i++) {
			toy_fire(RTX_RTO);
			snd_sent(&tc, &tw, snd_lost(toy, &tw, MSS), toy->now_ns);
			loss_arm(&tc, &tw, toy->now_ns);
		}
		CU_ASSERT_EQUAL(tc.backoff, lost);
		CU_ASSERT_EQUAL(told.timeouts, 0);
		seg.ack = TOY_ISS + 1;
		toy_input(&seg);
		CU_ASSERT_EQUAL(tw.cc.cwnd_bytes, lost < 2 ? 100 * MSS + 1 : MSS + 1);
		toy_end_loss();
	}
}

WEIR_TESTS("stack/tcp_sack", TEST(blocks_that_overlap_are_counted_once),
	   TEST(a_block_of_a_part_of_a_segment_says_nothing),
	   TEST(a_block_divides_a_long_segment_where_it_was_cut_on_the_wire),
	   TEST(without_buffers_a_long_segment_is_not_divided),
	   TEST(a_first_block_below_the_number_or_inside_the_second_is_a_dsack),
	   TEST(a_dsack_from_before_the_window_is_not_heeded),
	   TEST(a_peer_that_drops_what_it_had_gets_it_again_after_a_timeout),
	   TEST(a_round_trip_is_measured_by_sacks_too), TEST(payload_syn_and_fin_are_told_apart),
	   TEST(a_syn_that_was_lost_twice_leaves_a_window_of_one_segment))
