/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * When what has come is acknowledged (RFC 9293 section 3.8.6.3, RFC 5681 section 4.2): every second
 * full segment, and after a while; at once while something is missing.
 *
 * What came in a burst is one segment here (tcp_merge.c), and one ACK is enough for it where none
 * is lost. Where packets are lost, so are ACKs, and who loses the only one of a window waits for a
 * timeout. So after a hole or a duplicate every second segment of a burst has its ACK again, and
 * none waits for another one (Linux after a duplicate: tcp_enter_quickack_mode()).
 */

#include "tcp_priv.h"

/* Acknowledged at once: of a new connection, so that the peer may grow, and after a loss. */
#define QUICK_SEGS 16

void ack_now(struct conn *c)
{
	c->flags |= CONN_ACK_NOW;
	conn_dirty(c);
}

/* What was merged counts as it was sent: by us, or before us (by a port, or a peer's) by its size.
 */
static uint32_t segs_in(const struct conn *c, const struct segment *g)
{
	return g->each_bytes <= c->mss_in ? g->segs : packets_of(g->bytes, c->mss_in);
}

/* Every second of those in @g but the last, whose ACK leaves with the next poll. */
static void ack_parts(struct conn *c, const struct segment *g)
{
	const uint32_t two = 2 * RTE_MIN(g->each_bytes, (uint32_t)c->mss_in);
	const uint32_t all = g->seq + g->bytes;
	const uint32_t end = seq_lt(c->rcv_nxt, all) ? c->rcv_nxt : all;

	for (uint32_t ack = seq_max(c->rcv_acked, g->seq) + two; seq_lt(ack, end); ack += two)
		conn_acknowledge(c, ack);
}

/*
 * One for each that came early, as a peer without SACK counts them; SACK blocks tell all each time.
 * The last leaves with the next poll.
 */
static void ack_early(struct conn *c, uint32_t segs)
{
	const uint32_t step = c->flags & CONN_SACK ? 2 : 1;

	for (uint32_t i = step; i < segs; i += step)
		conn_acknowledge(c, c->rcv_nxt);
}

void ack_before(struct conn *c, const struct work *w, const struct segment *g)
{
	if (c->flags & CONN_ACK_NOW && (w->quick_segs > 0 || g->seq != c->rcv_nxt))
		conn_acknowledge(c, c->rcv_nxt);
}

void ack_lost(struct work *w)
{
	w->quick_segs = QUICK_SEGS;
}

void ack_after(struct conn *c, struct work *w, const struct segment *g, enum rcv_what what)
{
	const uint32_t segs = segs_in(c, g);
	const bool is_quick = w->quick_segs > 0;

	count_of(c)->in_segs += segs;
	if (what == RCV_EARLY)
		ack_early(c, segs);
	else if (what == RCV_IN_ORDER && is_quick)
		ack_parts(c, g);
	w->quick_segs -= RTE_MIN(w->quick_segs, segs);
	if (what != RCV_IN_ORDER || w->early.n > 0)
		ack_lost(w);
	if (what != RCV_IN_ORDER || is_quick || c->flags & (CONN_QUICKACK | CONN_FIN_IN) ||
	    count_of(c)->in_segs <= QUICK_SEGS || c->rcv_nxt - c->rcv_acked > c->mss_in) {
		ack_now(c);
		return;
	}
	if (w->ack_at_ns == 0) {
		w->ack_at_ns = c->stack->now_ns + DELAYED_ACK_NS;
		conn_arm_at(c, w->ack_at_ns);
	}
}
