/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Segments that shrink when large ones vanish without a word, and grow again (RFC 4821, RFC 8899).
 *
 * A probe is one segment of queued data that is longer than the others: the largest that may pass
 * at first, then halfway between what has passed and what has not. That it is lost alone says
 * something about the path's width and nothing about congestion. What a search has found is kept
 * for the path, for ten minutes: other connections begin there, and go on with it.
 */

#include "tcp_loss_priv.h"

#define NEAR_BYTES   8u	  /* a search ends so near to the truth, as Linux's tcp_probe_threshold */
#define LOST_MOST    3	  /* probes of a size, until it is too much (RFC 8899 section 5.1.2) */
#define LOST_RTTS    8u	  /* between one that was lost and the next */
#define FLOOR_BYTES  512u /* as small as an ICMP error is believed to be right */
#define BLACK_HOLE   3	  /* timeouts in a row (RFC 4821 section 7.7) */
#define BLACKER_HOLE 5	  /* two of them of the base size */
#define SETTLED_NS   (UINT64_C(605) * 1000000000) /* then the path is wide again, see ip_pmtu.c */

/* ---- down ---- */

void mtu_begin(struct conn *c, uint16_t most)
{
	const struct weir_stack_conf *conf = &c->stack->conf;

	count_of(c)->mss_most = most;
	if (conf->mtu_probing == WEIR_MTU_PROBING_ALWAYS)
		c->mss_out = RTE_MIN(c->mss_out, conf->base_mss);
}

/* A search that was over begins anew. */
static void shorten(struct conn *c, uint32_t mss)
{
	struct work *w = work_of(c);

	conn_set_mss(c, mss);
	w->mtu.most = 0;
	w->mtu.not_before_ns = 0;
}

void mtu_on_timeout(struct conn *c)
{
	const uint16_t base = c->stack->conf.base_mss;

	if (c->stack->conf.mtu_probing == WEIR_MTU_PROBING_OFF || c->snd_wnd == 0)
		return;
	if (c->backoff == BLACK_HOLE && c->mss_out > base)
		shorten(c, base);
	else if (c->backoff == BLACKER_HOLE && c->mss_out > FLOOR_BYTES && c->mss_out <= base)
		shorten(c, FLOOR_BYTES);
}

/* ---- the search ---- */

static uint32_t headers_of(const struct conn *c)
{
	return c->flags & CONN_V6 ? 60 : 40;
}

static void begin(struct conn *c, struct mtu_search *f)
{
	const struct weir_addr to = weir_addr_of(c->ends.peer, c->flags & CONN_V6 ? 6 : 4);
	const uint32_t most = ip_mtu_most(c->stack, &to), headers = headers_of(c);

	f->most = (uint16_t)RTE_MIN(RTE_MAX(most, headers + MSS_LEAST) - headers,
				    count_of(c)->mss_most);
	f->halves = most > ip_mtu(c->stack, &to); /* another has tried it */
	f->lost = 0;
}

/* What is known by now, for all connections to the peer. */
static void tell_path(struct conn *c, uint32_t most)
{
	const struct weir_addr to = weir_addr_of(c->ends.peer, c->flags & CONN_V6 ? 6 : 4);
	const uint32_t headers = headers_of(c);

	ip_mtu_found(c->stack, &to, (uint16_t)(c->mss_out + headers), (uint16_t)(most + headers));
}

/* The size to try next; 0: there is none, or there will be when the path's width is forgotten. */
static uint32_t next_size(struct conn *c, struct work *w)
{
	struct mtu_search *f = &w->mtu;

	if (f->most == 0)
		begin(c, f);
	if (f->most > c->mss_out && !f->halves)
		return f->most;
	if (f->most >= c->mss_out + NEAR_BYTES)
		return (f->most + c->mss_out + 1u) / 2;
	if (f->halves)
		tell_path(c, c->mss_out);
	f->most = 0;
	f->not_before_ns = c->stack->now_ns + SETTLED_NS;
	return 0;
}

uint32_t mtu_probe_more(struct conn *c, struct work *w, uint32_t mss)
{
	struct mtu_search *f = &w->mtu;
	const uint32_t behind = (DUP_THRESHOLD + 1) * mss; /* so that its loss is noticed */
	uint32_t more, least;

	if (likely(c->mss_out >= count_of(c)->mss_most) || f->size != 0 ||
	    c->stack->now_ns < f->not_before_ns || w->unsent.bytes < mss + behind ||
	    c->stack->conf.mtu_probing == WEIR_MTU_PROBING_OFF || w->loss.state != REC_OPEN ||
	    !(c->flags & CONN_SACK))
		return 0;
	more = next_size(c, w);
	if (more == 0)
		return 0;
	more -= c->mss_out;
	least = RTE_MIN(RTE_MIN(w->cc.cwnd_bytes, c->snd_wnd), w->unsent.bytes);
	return mss + more + behind <= least ? more : 0;
}

void mtu_sent(struct conn *c, struct work *w, struct rte_mbuf *m, uint32_t more)
{
	seg_of(m)->flags |= SEG_PROBE;
	w->mtu.size = (uint16_t)(c->mss_out + more);
	stack_count(&c->stack->stats.tcp_mtu_probes, 1);
}

/* ---- what became of the probe ---- */

/* Segments of @size do not pass. */
static void is_too_much(struct conn *c, struct work *w, uint16_t size)
{
	w->mtu.most = RTE_MAX((uint16_t)(size - 1), c->mss_out);
	w->mtu.halves = true;
	w->mtu.lost = 0;
	tell_path(c, w->mtu.most);
}

void mtu_lost(struct conn *c, struct work *w, struct seg *g, bool alone)
{
	const uint16_t size = w->mtu.size;

	g->flags &= (uint16_t)~SEG_PROBE;
	w->mtu.size = 0;
	w->mtu.not_before_ns = c->stack->now_ns + LOST_RTTS * UINT64_C(1000) * c->srtt_us;
	stack_count(&c->stack->stats.tcp_mtu_lost, 1);
	if (alone && ++w->mtu.lost >= LOST_MOST)
		is_too_much(c, w, size);
}

void mtu_arrived(struct conn *c, struct work *w, struct seg *g)
{
	const uint16_t size = w->mtu.size;

	if (g->flags & SEG_RESENT) { /* in pieces: a tail loss probe */
		mtu_lost(c, w, g, false);
		return;
	}
	g->flags &= (uint16_t)~SEG_PROBE;
	w->mtu.size = 0;
	w->mtu.lost = 0;
	if (size <= c->mss_out)
		return;
	stack_count(&c->stack->stats.tcp_mtu_raised, 1);
	conn_set_mss(c, size);
	if (w->mtu.halves)
		tell_path(c, RTE_MAX(w->mtu.most, size));
}

void mtu_told(struct conn *c, uint32_t seq)
{
	struct work *w = work_of(c);
	struct rte_mbuf *m;

	if (w == NULL || w->mtu.size == 0)
		return;
	for (m = w->flight.head; m != NULL && !(seg_of(m)->flags & SEG_PROBE); m = seg_of(m)->next)
		;
	if (m == NULL || seg_of(m)->seq != seq || (seg_of(m)->flags & SEG_SACKED))
		return;
	mtu_lost(c, w, seg_of(m), false);
	w->mtu.most = 0; /* the router has said how wide it is: that is tried next */
	w->mtu.not_before_ns = 0;
	seg_set_lost(w, m);
	conn_dirty(c);
}
