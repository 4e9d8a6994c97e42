/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The application reads what is ready, and the window grows with how fast it does.
 */

#include "tcp_priv.h"

struct rte_mbuf *rcv_pop(struct weir_stack *s, struct work *w)
{
	struct rte_mbuf *m = seg_take(&w->ready);

	if (m != NULL)
		s->held_bytes -= held_of(m);
	return m;
}

/* The oldest @bytes of what is ready are read. */
static void skip_ready(struct weir_stack *s, struct work *w, uint32_t bytes)
{
	struct rte_mbuf *m = w->ready.head, *rest;

	s->held_bytes -= held_of(m);
	rest = pkt_skip(m, bytes);
	s->held_bytes += held_of(rest);
	w->ready.bytes -= bytes;
	w->ready.head = rest;
	if (w->ready.tail == m)
		w->ready.tail = rest;
}

/* The first @bytes of a packet. */
static void copy_out(const struct rte_mbuf *m, uint8_t *to, uint32_t bytes)
{
	for (; bytes > 0; m = m->next) {
		const uint32_t part = RTE_MIN(bytes, (uint32_t)m->data_len);

		memcpy(to, rte_pktmbuf_mtod(m, const void *), part);
		to += part;
		bytes -= part;
	}
}

uint32_t rcv_copy(struct weir_stack *s, struct work *w, void *to, uint32_t bytes)
{
	uint32_t done = 0;

	while (done < bytes && w->ready.head != NULL) {
		struct rte_mbuf *m = w->ready.head;
		const uint32_t part = RTE_MIN(bytes - done, m->pkt_len);

		copy_out(m, (uint8_t *)to + done, part);
		if (part == m->pkt_len)
			rte_pktmbuf_free(rcv_pop(s, w));
		else
			skip_ready(s, w, part);
		done += part;
	}
	return done;
}

/* ---- the window ---- */

/* A shorter round trip is taken for as long: below, a worker's passes are longer than the wire. */
#define ROUND_LEAST_US 10000u

/* The largest window that there may be. */
static uint32_t window_most(const struct weir_stack *s, const struct conn *c)
{
	const uint32_t said = UINT32_C(0xffff) << (c->flags & CONN_SCALE ? c->scale_in : 0);

	return RTE_MIN(s->conf.rcvbuf_bytes, said);
}

/*
 * As Linux's tcp_rcv_space_adjust(), and Fisk and Feng's dynamic right-sizing before it: the window
 * is to be several times what is read in a round trip, so that a sender that doubles its own each
 * time is never stopped by ours. Who reads slowly does not get more.
 */
void rcv_tune(struct weir_stack *s, struct conn *c, struct work *w, uint32_t bytes, uint64_t now_ns)
{
	const uint64_t round_us = RTE_MAX(c->srtt_us, ROUND_LEAST_US);
	const uint64_t past_us = RTE_MIN((now_ns - w->tune_at_ns) >> 10, (uint64_t)UINT32_MAX);
	const uint32_t most = window_most(s, c);

	w->tune_copied += bytes;
	if (past_us < round_us)
		return;
	/* copied / past > rcvbuf / (4 * round) */
	if (w->tune_copied * 4 * round_us > c->rcvbuf * past_us && c->rcvbuf < most &&
	    s->held_bytes < memory_most(s) / 2)
		c->rcvbuf = c->rcvbuf < most / 2 ? c->rcvbuf * 2 : most;
	w->tune_copied = 0;
	w->tune_at_ns = now_ns;
}
