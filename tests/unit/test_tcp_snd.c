/* SPDX-License-Identifier: BSD-3-Clause */

/* Segments cut from what the application gives, whatever the lengths of its buffers. */

#include "toy_loss.h"

#include <stdlib.h>

static uint32_t checked; /* bytes of the stream that were looked at */

/* Whether a segment's bytes are those of the stream at its number. */
static void check_text(const struct rte_mbuf *m)
{
	static uint8_t flat[TOY_WINDOW];
	const uint32_t at = seg_of((struct rte_mbuf *)(uintptr_t)m)->seq - TOY_ISS;
	const uint8_t *p = rte_pktmbuf_read(m, 0, m->pkt_len, flat);

	for (uint32_t i = 0; i < m->pkt_len; i++)
		if (p[i] != (uint8_t)((at + i) ^ (at + i) >> 8)) {
			CU_FAIL("another byte");
			return;
		}
	checked += m->pkt_len;
}

static struct rte_mbuf *carve(uint32_t most)
{
	struct rte_mbuf *m = snd_carve(toy, &tc, &tw, most);

	if (m != NULL) {
		check_text(m);
		snd_sent(&tc, &tw, m, toy->now_ns);
	}
	toy_check();
	return m;
}

static void test_packets_of_any_lengths_become_segments_of_the_mss(void)
{
	static const uint32_t lengths[] = {1, 99, 100, 101, 250, 7, 3000, 1, 1, 1, 50};
	static const uint16_t buffers[] = {1, 30, 100, 1999};

	for (unsigned b = 0; b < RTE_DIM(buffers); b++) {
		uint32_t all = 0, sent = 0;
		const struct rte_mbuf *m;

		toy_begin(0);
		for (unsigned i = 0; i < RTE_DIM(lengths); i++)
			if (lengths[i] / buffers[b] < 110) {
				toy_write(lengths[i], buffers[b], 0);
				all += lengths[i];
			}
		while ((m = carve(MSS)) != NULL) {
			sent += m->pkt_len;
			CU_ASSERT(m->pkt_len == MSS || sent == all || b == 0);
		}
		CU_ASSERT_EQUAL(sent, all);
		CU_ASSERT_EQUAL(tw.unsent.bytes, 0);
		CU_ASSERT_EQUAL(tc.snd_nxt, TOY_ISS + all);
		toy_end_loss();
	}
}

static void test_a_fin_takes_a_number_and_rides_on_the_last_bytes(void)
{
	const struct rte_mbuf *m;

	toy_begin(0);
	toy_write(150, 1000, SEG_PSH);
	toy_write(0, 1000, SEG_FIN);
	CU_ASSERT_EQUAL(seg_of(carve(MSS))->flags, 0);
	m = carve(MSS);
	CU_ASSERT_EQUAL(m->pkt_len, 50);
	CU_ASSERT_EQUAL(seg_of(tw.flight.tail)->flags, SEG_PSH | SEG_FIN);
	CU_ASSERT_EQUAL(tc.snd_nxt, TOY_ISS + 151);
	CU_ASSERT_PTR_NULL(carve(MSS));
	toy_end_loss();
}

static void test_a_fin_alone_is_a_segment(void)
{
	toy_begin(0);
	toy_write(0, 1000, SEG_FIN);
	CU_ASSERT_EQUAL(carve(MSS)->pkt_len, 0);
	CU_ASSERT_EQUAL(tc.snd_nxt, TOY_ISS + 1);
	CU_ASSERT_EQUAL(snd_flight_bytes(&tw), 1);
	toy_end_loss();
}

static void test_a_syn_is_alone_in_its_segment(void)
{
	toy_begin(0);
	toy_write(0, 1000, SEG_SYN);
	toy_write(10, 1000, 0);
	CU_ASSERT_EQUAL(snd_carve(toy, &tc, &tw, MSS)->pkt_len, 0);
	CU_ASSERT_EQUAL(tc.snd_nxt, TOY_ISS + 1);
	CU_ASSERT_EQUAL(snd_carve(toy, &tc, &tw, MSS)->pkt_len, 10);
	toy_end_loss();
}

static void test_what_a_call_gave_ends_with_push(void)
{
	toy_begin(0);
	toy_write(30, 1000, SEG_PSH);
	toy_write(100, 1000, 0);
	CU_ASSERT_EQUAL(seg_of(carve(MSS))->flags, SEG_PSH);
	CU_ASSERT_EQUAL(seg_of(carve(MSS))->flags, 0);
	toy_end_loss();
}

static void test_what_could_not_be_sent_is_given_again(void)
{
	struct rte_mbuf *m;

	toy_begin(0);
	toy_write(100, 1000, 0);
	m = snd_carve(toy, &tc, &tw, MSS);
	toy_check();
	CU_ASSERT_EQUAL(snd_flight_bytes(&tw), 0);
	CU_ASSERT_PTR_EQUAL(snd_lost(toy, &tw, MSS), m);
	snd_sent(&tc, &tw, m, toy->now_ns);
	CU_ASSERT_EQUAL(seg_of(m)->flags & (SEG_RESENT | SEG_LOST), 0);
	CU_ASSERT_EQUAL(snd_flight_bytes(&tw), 100);
	CU_ASSERT_PTR_NULL(snd_lost(toy, &tw, MSS));
	toy_end_loss();
}

static void test_without_buffers_nothing_is_divided_and_nothing_is_lost(void)
{
	static struct rte_mbuf *hoard[TOY_MBUFS];
	unsigned n = 0;

	toy_begin(0);
	toy_write(1000, 1000, 0);
	while ((hoard[n] = rte_pktmbuf_alloc(toy_only_pool())) != NULL)
		n++;
	CU_ASSERT_PTR_NULL(carve(MSS));
	CU_ASSERT_EQUAL(toy->stats.no_mbuf, 1);
	CU_ASSERT_EQUAL(tw.unsent.bytes, 1000);
	rte_pktmbuf_free(hoard[--n]);
	CU_ASSERT_EQUAL(carve(MSS)->pkt_len, 100);
	rte_pktmbuf_free_bulk(hoard, n);
	CU_ASSERT_EQUAL(carve(MSS)->pkt_len, 100);
	toy_end_loss();
}

static void test_what_is_sent_again_is_cut_to_the_new_mss(void)
{
	unsigned n = 0;
	struct rte_mbuf *m;

	toy_begin(0);
	toy_write(1000, 90, 0);
	tc.mss_out = 1000;
	carve(1000);
	loss_on_mss(&tc, &tw, 300);
	while ((m = snd_lost(toy, &tw, 300)) != NULL) {
		CU_ASSERT(m->pkt_len <= 300);
		check_text(m);
		snd_sent(&tc, &tw, m, toy->now_ns);
		toy_check();
		n++;
	}
	CU_ASSERT_EQUAL(n, 4);
	toy_end_loss();
}

static void test_an_ack_inside_a_segment_trims_it(void)
{
	for (unsigned cut = 1; cut < 1001; cut++) {
		struct segment seg = toy_segment(0);

		toy_begin(0);
		toy_write(1000, 90, SEG_FIN);
		carve(1000);
		seg.ack = TOY_ISS + cut;
		CU_ASSERT_EQUAL(toy_input(&seg).bytes, cut);
		CU_ASSERT_EQUAL(tc.snd_una, seg.ack);
		CU_ASSERT_EQUAL_FATAL(tw.flight.n, 1);
		check_text(tw.flight.head);
		CU_ASSERT_EQUAL(tw.flight.head->pkt_len, 1000 - cut);
		toy_end_loss();
	}
}

/* Pieces of pieces: every byte comes once, and every buffer goes back, in any order. */
static void test_random_carving_and_acknowledging_loses_no_byte(void)
{
	for (unsigned seed = 1; seed <= 200; seed++) {
		struct segment seg = toy_segment(0);
		uint32_t all = 0;

		srand(seed);
		checked = 0;
		toy_begin(0);
		for (unsigned i = 0; i < 20; i++) {
			const uint32_t bytes = (uint32_t)rand() % 2000;

			toy_write(bytes, (uint16_t)(100 + rand() % 1800), 0);
			all += bytes;
			for (unsigned k = 0; k < 4; k++)
				carve(1 + (uint32_t)rand() % 700);
			seg.ack = tc.snd_una + (uint32_t)rand() % (tc.snd_nxt - tc.snd_una + 1);
			toy_input(&seg);
			if (tw.flight.head != NULL)
				check_text(tw.flight.head);
		}
		while (carve(500) != NULL)
			;
		CU_ASSERT_EQUAL(tc.snd_nxt, TOY_ISS + all);
		CU_ASSERT(checked >= all);
		toy_end_loss();
	}
}

WEIR_TESTS("stack/tcp_snd", TEST(packets_of_any_lengths_become_segments_of_the_mss),
	   TEST(a_fin_takes_a_number_and_rides_on_the_last_bytes), TEST(a_fin_alone_is_a_segment),
	   TEST(a_syn_is_alone_in_its_segment), TEST(what_a_call_gave_ends_with_push),
	   TEST(what_could_not_be_sent_is_given_again),
	   TEST(without_buffers_nothing_is_divided_and_nothing_is_lost),
	   TEST(what_is_sent_again_is_cut_to_the_new_mss), TEST(an_ack_inside_a_segment_trims_it),
	   TEST(random_carving_and_acknowledging_loses_no_byte))
