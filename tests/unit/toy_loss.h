/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A sender for tests of what is sent and what is lost: a connection without the rest of TCP. Time
 * is in milliseconds, sequence numbers count from the first byte, a segment has 100 bytes.
 */

#include "tcp_loss_priv.h"
#include "toy_stack.h"

#define MS	   UINT64_C(1000000)
#define MSS	   100u
#define TOY_ISS	   0xfffffe00u /* so that numbers go round */
#define TOY_WINDOW 100000u

/* Congestion control that does what RFC 5681 says, and counts how often it is asked. */
static struct {
	unsigned losses, marks, timeouts, recovered, undone, lost_segs, acks;
	struct cc_ack ack;
} told;

static inline void toy_cc_init(struct cc *c, uint64_t now_ns)
{
	(void)c, (void)now_ns;
}

static inline void toy_cc_on_ack(struct cc *c, const struct cc_ack *a)
{
	told.acks++;
	told.ack = *a;
	if (c->cwnd_bytes < c->ssthresh_bytes)
		c->cwnd_bytes += a->acked_bytes;
}

static inline void toy_cc_on_lost(struct cc *c, const struct cc_lost *l)
{
	(void)c, (void)l;
	told.lost_segs++;
}

static inline void toy_cc_halve(struct cc *c, uint32_t flight_bytes)
{
	c->prior_cwnd_bytes = c->cwnd_bytes;
	c->prior_ssthresh_bytes = c->ssthresh_bytes;
	c->ssthresh_bytes = RTE_MAX(flight_bytes / 2, 2 * c->mss);
}

static inline void toy_cc_on_loss(struct cc *c, uint32_t flight_bytes, bool ecn, uint64_t now_ns)
{
	(void)now_ns;
	if (ecn)
		told.marks++;
	else
		told.losses++;
	toy_cc_halve(c, flight_bytes);
}

static inline void toy_cc_on_timeout(struct cc *c, uint32_t flight_bytes, uint64_t now_ns)
{
	(void)now_ns;
	if (told.timeouts++ == 0)
		toy_cc_halve(c, flight_bytes);
	c->cwnd_bytes = c->mss;
}

static inline void toy_cc_on_recovered(struct cc *c, uint64_t now_ns)
{
	(void)c, (void)now_ns;
	told.recovered++;
}

static inline void toy_cc_undo(struct cc *c, uint64_t now_ns)
{
	(void)now_ns;
	told.undone++;
	c->cwnd_bytes = RTE_MAX(c->cwnd_bytes, c->prior_cwnd_bytes);
	c->ssthresh_bytes = RTE_MAX(c->ssthresh_bytes, c->prior_ssthresh_bytes);
}

static const struct cc_ops toy_cc = {
	.name = "toy",
	.init = toy_cc_init,
	.on_ack = toy_cc_on_ack,
	.on_lost = toy_cc_on_lost,
	.on_loss = toy_cc_on_loss,
	.on_timeout = toy_cc_on_timeout,
	.on_recovered = toy_cc_on_recovered,
	.undo = toy_cc_undo,
};

static struct weir_stack *toy;
static struct conn tc;
static struct work tw;

static inline uint64_t toy_now_ms(void)
{
	return toy->now_ns / MS;
}

/* A connection that has measured 100 ms, at 1000 ms, and may send a hundred segments. */
static inline void toy_begin(uint32_t flags)
{
	toy = toy_stack(1, 1);
	toy->now_ns = 1000 * MS;
	memset(&told, 0, sizeof(told));
	tc = (struct conn){
		.snd_una = TOY_ISS,
		.snd_nxt = TOY_ISS,
		.snd_wnd = TOY_WINDOW,
		.snd_wnd_most = TOY_WINDOW,
		.flags = flags,
		.stack = toy,
		.ts_offset = 77,
		.mss_out = MSS,
		.state = TCPS_ESTABLISHED,
		.srtt_us = 100000,
		.rttvar_us = 25000,
		.min_rtt_us = 100000,
	};
	tw = (struct work){
		.cc = {.ops = &toy_cc,
		       .cwnd_bytes = 100 * MSS,
		       .ssthresh_bytes = UINT32_MAX,
		       .mss = MSS},
	};
}

/* The accounts are what a recount finds, and the flight has no holes. */
static inline void toy_check(void)
{
	uint32_t sacked = 0, lost = 0, resent = 0, bytes = 0, n = 0, segs = 0, seq = tc.snd_una;
	const struct rte_mbuf *last = NULL;
	bool passed = tw.lost_from == NULL;
	struct rte_mbuf *run = NULL; /* the first of SACKED ones in a row */

	for (struct rte_mbuf *m = tw.flight.head; m != NULL; m = seg_of(m)->next) {
		const struct seg *g = seg_of(m);
		const uint32_t len = g->end - g->seq;

		CU_ASSERT_EQUAL(g->seq, seq);
		seq = g->end;
		CU_ASSERT_EQUAL(m->pkt_len + ((g->flags & (SEG_SYN | SEG_FIN)) != 0), len);
		rte_mbuf_sanity_check(m, 1);
		if (g->flags & SEG_SACKED) {
			run = run == NULL ? m : run;
			CU_ASSERT((g->next != NULL && (seg_of(g->next)->flags & SEG_SACKED)) ||
				  seg_of(run)->sacked_to == m);
			sacked += len;
			segs++;
		} else if (g->flags & SEG_LOST) {
			lost += len;
			if (m == tw.lost_from)
				passed = true;
			CU_ASSERT(passed && tw.lost_from != NULL);
		} else if (g->flags & SEG_RESENT) {
			resent += len;
		}
		if (m == tw.lost_from)
			passed = true;
		if (!(g->flags & SEG_SACKED))
			run = NULL;
		bytes += m->pkt_len;
		n++;
		last = m;
	}
	CU_ASSERT(passed);
	CU_ASSERT_EQUAL(seq, tc.snd_nxt);
	CU_ASSERT_EQUAL(tw.sacked_bytes, sacked);
	CU_ASSERT_EQUAL(tw.lost_bytes, lost);
	CU_ASSERT_EQUAL(tw.resent_bytes, resent);
	CU_ASSERT_EQUAL(tw.loss.sacked_segs, segs);
	CU_ASSERT_EQUAL(tw.flight.bytes, bytes);
	CU_ASSERT_EQUAL(tw.flight.n, n);
	CU_ASSERT(n == 0 || tw.flight.tail == last);
}

static inline void toy_queue(struct seg_queue *q)
{
	struct rte_mbuf *m;

	while ((m = seg_take(q)) != NULL)
		rte_pktmbuf_free(m);
}

static inline void toy_end_loss(void)
{
	toy_check();
	toy_queue(&tw.flight);
	toy_queue(&tw.unsent);
	weir_stack_free(toy);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

/* The application writes: byte i of the stream is i. */
static inline struct rte_mbuf *toy_write(uint32_t bytes, uint16_t seg_bytes, uint16_t flags)
{
	static uint8_t text[TOY_WINDOW];
	static uint32_t at;
	struct rte_mbuf *m;

	if (tc.snd_nxt == TOY_ISS && tw.unsent.head == NULL)
		at = 0;
	for (uint32_t i = 0; i < bytes; i++)
		text[i] = (uint8_t)((at + i) ^ (at + i) >> 8);
	at += bytes;
	m = toy_payload(text, bytes, seg_bytes);
	*seg_of(m) = (struct seg){.flags = flags};
	snd_append(&tw, m);
	return m;
}

/* The time, in milliseconds. */
static inline void toy_at(uint64_t ms)
{
	toy->now_ns = ms * MS;
}

/* Send @n new segments of MSS bytes, whatever the window is. */
static inline void toy_send(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m;

		if (tw.unsent.bytes < MSS)
			toy_write(MSS, 1000, 0);
		m = snd_carve(toy, &tc, &tw, MSS);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		snd_sent(&tc, &tw, m, toy->now_ns);
	}
	loss_arm(&tc, &tw, toy->now_ns);
	toy_check();
}

/* Send again what is lost, as much as there is room for. @return how many segments. */
static inline unsigned toy_resend(void)
{
	struct rte_mbuf *m;
	unsigned n = 0;

	while (loss_room(&tc, &tw) >= MSS && (m = snd_lost(toy, &tw, MSS)) != NULL) {
		snd_sent(&tc, &tw, m, toy->now_ns);
		n++;
	}
	loss_arm(&tc, &tw, toy->now_ns);
	toy_check();
	return n;
}

/* The n-th segment of 100 bytes of the flight, counted from the stream's beginning. */
static inline const struct seg *toy_seg(unsigned n)
{
	for (struct rte_mbuf *m = tw.flight.head; m != NULL; m = seg_of(m)->next)
		if (seg_of(m)->seq == TOY_ISS + n * MSS)
			return seg_of(m);
	return NULL;
}

static inline struct segment toy_segment(unsigned ack)
{
	return (struct segment){.ack = TOY_ISS + ack * MSS, .flags = TCP_ACK, .wnd = TOY_WINDOW};
}

static inline void toy_sack(struct segment *seg, unsigned from, unsigned to)
{
	seg->opts.sack[seg->opts.sacks++] =
		(struct seq_range){TOY_ISS + from * MSS, TOY_ISS + to * MSS};
}

static inline struct acked toy_input(const struct segment *seg)
{
	struct acked out;

	loss_on_ack(toy, &tc, &tw, seg, &out);
	toy_check();
	return out;
}

/* An ACK of all before segment @ack, with a SACK block of segments unless @from is @to. */
static inline struct acked toy_ack(unsigned ack, unsigned from, unsigned to)
{
	struct segment seg = toy_segment(ack);

	if (from != to)
		toy_sack(&seg, from, to);
	return toy_input(&seg);
}

/* The timer runs out. */
static inline void toy_fire(enum rtx_kind kind)
{
	CU_ASSERT_EQUAL(tw.rtx_kind, kind);
	tw.rtx_kind = (uint8_t)kind;
	if (toy->now_ns < tw.rtx_at_ns)
		toy->now_ns = tw.rtx_at_ns;
	loss_on_timer(toy, &tc, &tw, toy->now_ns);
	toy_check();
}
