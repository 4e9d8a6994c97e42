/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The queue of receiving (RFC 9293 section 3.10.7.4): ready is what can be read, early what came
 * before its turn.
 *
 * Early packets lie in contiguous ranges, each of whose ends knows the other, so that a place is
 * found in a step a range. There are at most RANGES_MOST: a peer that leaves holes everywhere buys
 * neither work nor buffers with it (CVE-2018-5390). What was there first stays, be it bytes or the
 * FIN, after which there is nothing: it is in early's last packet only.
 */

#include "tcp_priv.h"

#define RANGES_MOST 256

/* Of a packet that uses less than a quarter of its buffers, the bytes are worth to be copied. */
#define IS_SMALL(m) ((uint64_t)(m)->pkt_len * 4 < held_of(m))

static bool is_own(const struct rte_mbuf *m)
{
	return RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1;
}

/* Its bytes may be written to. */
static bool is_own_all(const struct rte_mbuf *m)
{
	for (; m != NULL; m = m->next)
		if (!is_own(m))
			return false;
	return true;
}

static void drop(struct weir_stack *s, struct rte_mbuf *m)
{
	s->held_bytes -= held_of(m);
	rte_pktmbuf_free(m);
}

/* ---- the ends of a packet ---- */

/* @seq is in it, or its FIN. */
static struct rte_mbuf *trim_front(struct rte_mbuf *m, uint32_t seq)
{
	m = pkt_skip(m, seq - seg_of(m)->seq);
	seg_of(m)->seq = seq;
	return m;
}

static void trim_back(struct rte_mbuf *m, uint32_t end)
{
	struct seg *g = seg_of(m);

	pkt_keep(m, end - g->seq);
	g->flags &= (uint16_t)~SEG_FIN;
	g->end = end;
}

/* Copy @m, which follows @into, to the end of its last buffer. False: it is not worth it. */
static bool copy_behind(struct rte_mbuf *into, const struct rte_mbuf *m)
{
	struct rte_mbuf *last;

	if (!IS_SMALL(m))
		return false;
	last = rte_pktmbuf_lastseg(into);
	if (m->pkt_len > rte_pktmbuf_tailroom(last) || !is_own(last))
		return false;
	into->pkt_len += m->pkt_len;
	for (const struct rte_mbuf *part = m; part != NULL; part = part->next) {
		memcpy(rte_pktmbuf_mtod_offset(last, void *, last->data_len),
		       rte_pktmbuf_mtod(part, void *), part->data_len);
		last->data_len = (uint16_t)(last->data_len + part->data_len);
	}
	return true;
}

/* Write the bytes of @from over those of @m from @off on. */
static void write_over(struct rte_mbuf *m, uint32_t off, const struct rte_mbuf *from)
{
	for (; from != NULL; from = from->next) {
		for (uint32_t done = 0, part; done < from->data_len; done += part, off += part) {
			for (; off >= m->data_len; m = m->next)
				off -= m->data_len;
			part = RTE_MIN(from->data_len - done, m->data_len - off);
			memcpy(rte_pktmbuf_mtod_offset(m, void *, off),
			       rte_pktmbuf_mtod_offset(from, void *, done), part);
		}
	}
}

/* ---- what SACK has to tell ---- */

/* One is told at once, and the first (RFC 2883 section 4); what touches it is told with it. */
static void note_duplicate(struct work *w, uint32_t from, uint32_t to)
{
	struct seq_range *d = &w->dsack;

	if (d->from == d->to) {
		*d = (struct seq_range){from, to};
	} else if (seq_le(from, d->to) && seq_le(d->from, to)) {
		d->from = seq_lt(from, d->from) ? from : d->from;
		d->to = seq_max(d->to, to);
	}
}

/* A range of early has become this, or its bytes came again: it goes first. */
static void note_newest(struct work *w, struct seq_range r)
{
	struct seq_range kept[SACK_BLOCKS] = {r};
	uint8_t n = 1;

	for (uint8_t i = 0; i < w->n_newest && n < SACK_BLOCKS; i++)
		if (seq_lt(w->newest[i].from, r.from) || seq_lt(r.to, w->newest[i].to))
			kept[n++] = w->newest[i];
	memcpy(w->newest, kept, sizeof(kept));
	w->n_newest = n;
}

/* What is acknowledged now is no longer told. */
static void forget_newest(struct work *w, uint32_t rcv_nxt)
{
	uint8_t n = 0;

	for (uint8_t i = 0; i < w->n_newest; i++)
		if (seq_lt(rcv_nxt, w->newest[i].from))
			w->newest[n++] = w->newest[i];
	w->n_newest = n;
}

static bool is_newest(const struct work *w, uint32_t from)
{
	for (uint8_t i = 0; i < w->n_newest; i++)
		if (w->newest[i].from == from)
			return true;
	return false;
}

static uint32_t range_end(struct rte_mbuf *first)
{
	return seg_of(seg_of(first)->other)->end;
}

static struct rte_mbuf *range_after(struct rte_mbuf *first)
{
	return seg_of(seg_of(first)->other)->next;
}

uint8_t rcv_sacks(struct work *w, struct seq_range out[SACK_BLOCKS], uint8_t most)
{
	uint8_t n = 0;

	if (w->dsack.from != w->dsack.to && n < most)
		out[n++] = w->dsack;
	w->dsack = (struct seq_range){0};
	for (uint8_t i = 0; i < w->n_newest && n < most; i++)
		out[n++] = w->newest[i];
	if (w->n_newest == w->ranges || w->n_newest == SACK_BLOCKS)
		return n;
	for (struct rte_mbuf *m = w->early.head; m != NULL && n < most; m = range_after(m))
		if (!is_newest(w, seg_of(m)->seq))
			out[n++] = (struct seq_range){seg_of(m)->seq, range_end(m)};
	return n;
}

/* ---- early ---- */

/* The ranges that a packet comes between, by their first packets; NULL: none. */
struct place {
	struct rte_mbuf *before; /* begins at or before it */
	struct rte_mbuf *after;	 /* begins after that */
};

static struct place find_place(const struct work *w, uint32_t seq)
{
	struct place p = {NULL, w->early.head};

	if (p.after != NULL && seq_le(seg_of(w->early.tail)->end, seq))
		return (struct place){seg_of(w->early.tail)->other, NULL};
	while (p.after != NULL && seq_le(seg_of(p.after)->seq, seq))
		p = (struct place){p.after, range_after(p.after)};
	return p;
}

/* Let @m follow the range @before in the queue; NULL: let it be the first. */
static void set_next(struct work *w, struct rte_mbuf *before, struct rte_mbuf *m)
{
	struct rte_mbuf *last = before == NULL ? NULL : seg_of(before)->other;

	if (last == NULL)
		w->early.head = m;
	else
		seg_of(last)->next = m;
	if (m == NULL)
		w->early.tail = last;
}

static void drop_range(struct weir_stack *s, struct work *w, const struct place *p)
{
	struct rte_mbuf *m = p->after, *end = range_after(m);

	set_next(w, p->before, end);
	w->ranges--;
	while (m != end) {
		struct rte_mbuf *next = seg_of(m)->next;

		w->early.n--;
		w->early.bytes -= m->pkt_len;
		drop(s, m);
		m = next;
	}
}

/*
 * Give up what came early, for want of memory: the peer keeps what it was told of until it is
 * acknowledged (RFC 2018 section 8).
 */
static void renege(struct weir_stack *s, struct work *w)
{
	struct rte_mbuf *m;

	while ((m = seg_take(&w->early)) != NULL)
		drop(s, m);
	w->ranges = 0;
	w->n_newest = 0;
}

/* Copy the packet after @m, which it touches, into @m. */
static void merge_next(struct weir_stack *s, struct work *w, struct rte_mbuf *m)
{
	struct rte_mbuf *gone = seg_of(m)->next;
	struct seg *g = seg_of(m), *n = seg_of(gone);

	if (!copy_behind(m, gone))
		return;
	if (n->next == NULL)
		w->early.tail = m;
	if (n->next == NULL || seg_of(n->next)->seq != n->end) { /* it was the range's last */
		struct rte_mbuf *first = n->other;

		g->other = first;
		seg_of(first)->other = m;
	}
	g->next = n->next;
	g->end = n->end;
	g->flags |= n->flags & SEG_FIN;
	w->early.n--;
	drop(s, gone);
}

/*
 * Put it between, touching one, both or none of the ranges there.
 * @return false: there are too many.
 */
static bool put_early(struct weir_stack *s, struct work *w, const struct place *p,
		      struct rte_mbuf *m)
{
	struct seg *g = seg_of(m);
	const bool joins_before = p->before != NULL && range_end(p->before) == g->seq;
	const bool joins_after = p->after != NULL && seg_of(p->after)->seq == g->end;
	struct rte_mbuf *last = joins_after ? seg_of(p->after)->other : m;
	struct rte_mbuf *first = joins_before ? p->before : m;
	struct rte_mbuf *mate = joins_before ? seg_of(p->before)->other : NULL;

	if (w->ranges == RANGES_MOST && !joins_before && !joins_after)
		return false;
	s->held_bytes += held_of(m);
	set_next(w, p->before, m);
	g->next = p->after;
	if (p->after == NULL)
		w->early.tail = m;
	w->early.n++;
	w->early.bytes += m->pkt_len;
	w->ranges = (uint16_t)(w->ranges + 1 - joins_before - joins_after);
	seg_of(first)->other = last;
	seg_of(last)->other = first;
	note_newest(w, (struct seq_range){seg_of(first)->seq, seg_of(last)->end});
	if (joins_after)
		merge_next(s, w, m);
	if (joins_before)
		merge_next(s, w, mate);
	return true;
}

/*
 * Nothing follows a FIN: whoever came first, it or bytes that say otherwise, is believed.
 * @return false: nothing is left.
 */
static bool agree_on_end(const struct work *w, struct rte_mbuf *m)
{
	struct seg *g = seg_of(m), *last;
	bool ended;

	if (w->early.head == NULL)
		return true;
	last = seg_of(w->early.tail);
	ended = last->flags & SEG_FIN;
	if (ended && seq_le(last->end, g->seq))
		return false;
	if (ended && seq_lt(last->end, g->end))
		trim_back(m, last->end);
	else if (g->flags & SEG_FIN && seq_lt(g->end - !ended, last->end))
		trim_back(m, g->end - 1);
	return g->seq != g->end;
}

/* Put what is held of the range after @p into @m, inside of which it lies: it came first. */
static void absorb(struct weir_stack *s, struct work *w, struct place *p, struct rte_mbuf *m)
{
	struct rte_mbuf *end = range_after(p->after);

	for (struct rte_mbuf *held = p->after; held != end; held = seg_of(held)->next)
		write_over(m, seg_of(held)->seq - seg_of(m)->seq, held);
	drop_range(s, w, p);
	p->after = end;
}

/*
 * Cut from @m what is held already.
 * @return false: all of it is.
 */
static bool fit(struct weir_stack *s, struct work *w, struct place *p, struct rte_mbuf **m)
{
	const struct seg *g = seg_of(*m);

	if (p->before != NULL && seq_lt(g->seq, range_end(p->before))) {
		const uint32_t held = range_end(p->before);

		if (seq_le(g->end, held)) {
			note_duplicate(w, g->seq, g->end);
			note_newest(w, (struct seq_range){seg_of(p->before)->seq, held});
			return false;
		}
		note_duplicate(w, g->seq, held);
		*m = trim_front(*m, held);
		g = seg_of(*m);
	}
	while (p->after != NULL && seq_lt(seg_of(p->after)->seq, g->end)) {
		const uint32_t from = seg_of(p->after)->seq, to = range_end(p->after);

		if (seq_le(g->end, to) || !is_own_all(*m)) {
			note_duplicate(w, from, seq_lt(g->end, to) ? g->end : to);
			trim_back(*m, from);
			break;
		}
		note_duplicate(w, from, to);
		absorb(s, w, p, *m);
	}
	return true;
}

/* ---- ready ---- */

static void put_ready(struct weir_stack *s, struct work *w, struct rte_mbuf *m)
{
	if (m->pkt_len == 0) { /* a FIN alone */
		drop(s, m);
	} else if (w->ready.head != NULL && copy_behind(w->ready.tail, m)) {
		w->ready.bytes += m->pkt_len;
		drop(s, m);
	} else {
		seg_put(&w->ready, m);
	}
}

/* @m is next, and may be what early waited for. */
static void deliver(struct weir_stack *s, struct conn *c, struct work *w, struct rte_mbuf *m)
{
	if (w->early.head != NULL && seg_of(w->early.head)->seq == seg_of(m)->end)
		w->ranges--;
	for (;;) {
		c->rcv_nxt = seg_of(m)->end;
		if (seg_of(m)->flags & SEG_FIN)
			c->flags |= CONN_FIN_IN;
		stack_count(&s->stats.tcp_in_bytes, m->pkt_len);
		put_ready(s, w, m);
		if (w->early.head == NULL || seg_of(w->early.head)->seq != c->rcv_nxt)
			break;
		m = seg_take(&w->early);
	}
	forget_newest(w, c->rcv_nxt);
}

/*
 * Early bytes leave a quarter to those that fill holes, else nobody could go on; and who has
 * nothing to read gets something, whatever others hold (Linux: sk_forced_mem_schedule()).
 */
static bool has_room(struct weir_stack *s, struct work *w, const struct rte_mbuf *m, bool in_order)
{
	const uint64_t most = memory_shared(s), more = held_of(m);

	if (!in_order)
		return s->held_bytes + more <= most - most / 4;
	if (w->ready.n == 0)
		return s->held_bytes + more <= s->conf.memory_bytes && s->pool_level < POOL_SCARCE;
	if (s->held_bytes + more > most)
		renege(s, w);
	return s->held_bytes + more <= most;
}

/* @m is trimmed to what is not below RCV.NXT. */
static enum rcv_what take(struct weir_stack *s, struct conn *c, struct work *w, struct rte_mbuf *m)
{
	const bool in_order = seg_of(m)->seq == c->rcv_nxt;
	struct place p;

	if (!has_room(s, w, m, in_order))
		goto refused;
	if (!agree_on_end(w, m))
		goto nothing;
	p = find_place(w, seg_of(m)->seq);
	if (!fit(s, w, &p, &m))
		goto nothing;
	if (in_order) {
		s->held_bytes += held_of(m);
		deliver(s, c, w, m);
		return RCV_IN_ORDER;
	}
	if (!put_early(s, w, &p, m))
		goto refused;
	stack_count(&s->stats.tcp_disordered, 1);
	return RCV_EARLY;
refused:
	stack_count(&s->stats.tcp_memory, 1);
nothing:
	rte_pktmbuf_free(m);
	return RCV_NOTHING;
}

bool rcv_again(const struct conn *c, struct work *w, const struct segment *seg)
{
	const uint32_t end = seg->seq + seg->bytes + !!(seg->flags & TCP_FIN);

	if (seg->seq == end || !seq_lt(seg->seq, c->rcv_nxt))
		return false;
	note_duplicate(w, seg->seq, seq_lt(end, c->rcv_nxt) ? end : c->rcv_nxt);
	return true;
}

enum rcv_what rcv_take(struct weir_stack *s, struct conn *c, struct work *w, struct segment *seg)
{
	const uint16_t fin = seg->flags & TCP_FIN ? SEG_FIN : 0;
	const uint32_t end = seg->seq + seg->bytes + (fin != 0);
	const bool is_below = rcv_again(c, w, seg);
	struct rte_mbuf *m = seg->m;

	seg->m = NULL;
	if (seq_le(end, c->rcv_nxt) || seg->seq == end || c->flags & CONN_FIN_IN) {
		rte_pktmbuf_free(m);
		return RCV_NOTHING;
	}
	pkt_keep(m, seg->off + seg->bytes);
	m = pkt_skip(m, seg->off);
	*seg_of(m) = (struct seg){.seq = seg->seq, .end = end, .flags = fin};
	if (is_below)
		m = trim_front(m, c->rcv_nxt);
	return take(s, c, w, m);
}

void rcv_free(struct weir_stack *s, struct work *w)
{
	struct rte_mbuf *m;

	renege(s, w);
	while ((m = seg_take(&w->ready)) != NULL)
		drop(s, m);
}
