/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What an ACK says has arrived: everything before its number, and what its SACK blocks name (RFC
 * 2018). What left the flight or was marked is told to RACK and to the samples of rate and round
 * trip. Blocks that lie outside of the flight say nothing.
 */

#include "tcp_loss_priv.h"

/* A segment has arrived that was not known to have. */
static void arrived(struct ack *a, struct seg *g)
{
	rack_arrived(a, g);
	rate_arrived(a, g);
	if (g->flags & SEG_PROBE)
		mtu_arrived(a->c, a->w, g);
	if (g->flags & SEG_RESENT)
		a->resent_acked = true;
	else if (a->w->loss.frto != FRTO_NONE && seq_le(g->end, a->w->loss.frto_high))
		a->original_acked = true;
}

/* ---- the number ---- */

/* It, or what was sent as it, is acknowledged and was not SACKed. */
static void note_acked(struct ack *a, struct seg *g)
{
	arrived(a, g);
	if (!(g->flags & SEG_RESENT)) {
		a->first_ns = a->first_ns == 0 ? g->sent_ns : a->first_ns;
		a->last_ns = g->sent_ns;
	}
}

/* The flight's first segment is acknowledged, all of it. */
static void take_first(struct ack *a, struct acked *out)
{
	struct work *w = a->w;
	struct rte_mbuf *m = w->flight.head;
	struct seg *g = seg_of(m);

	if (g->flags & SEG_SACKED) {
		w->loss.sacked_segs--;
	} else {
		a->new_bytes += g->end - g->seq;
		note_acked(a, g);
	}
	/* RFC 6298 section 5.7 and RFC 6928: the first SYN's timer may just have been short. */
	if ((g->flags & SEG_SYN) && g->sent_count > 2)
		w->cc.cwnd_bytes = w->cc.mss;
	out->syn |= (g->flags & SEG_SYN) != 0;
	out->fin |= (g->flags & SEG_FIN) != 0;
	out->bytes += m->pkt_len;
	a->acked_segs += packets_of(m->pkt_len, g->cut_bytes);
	snd_drop_first(w);
}

/* So are the first @part bytes of it: packets of a long one that have arrived alone. */
static void take_part(struct ack *a, struct acked *out, uint32_t part)
{
	struct seg *g = seg_of(a->w->flight.head), those = *g;

	those.end = g->seq + part;
	if (!(g->flags & SEG_SACKED)) {
		a->new_bytes += part;
		if (part >= g->cut_bytes)
			note_acked(a, &those);
	}
	if (part >= g->cut_bytes)
		a->acked_segs += packets_of(part, g->cut_bytes);
	out->bytes += part;
	snd_trim_first(a->w, part);
}

static void take_acked(struct ack *a, struct acked *out)
{
	struct work *w = a->w;
	const uint32_t ack = a->seg->ack;
	const struct seg *g;

	while (w->flight.head != NULL && seq_le(seg_of(w->flight.head)->end, ack))
		take_first(a, out);
	if (w->flight.head == NULL)
		return;
	g = seg_of(w->flight.head);
	if (seq_lt(g->seq, ack))
		take_part(a, out, ack - g->seq);
}

/* ---- the blocks ---- */

static bool lies_in(const struct seq_range *in, const struct seq_range *out)
{
	return seq_le(out->from, in->from) && seq_le(in->to, out->to);
}

/* RFC 2883 section 4: the first block tells of bytes that came twice. */
static bool is_dsack(const struct ack *a)
{
	const struct tcp_opts *o = &a->seg->opts;
	const struct seq_range *b = &o->sack[0];

	if (o->sacks == 0 || !seq_lt(b->from, b->to) || seq_lt(a->c->snd_nxt, b->to) ||
	    (int32_t)(a->una_before - b->from) > (int32_t)a->c->snd_wnd_most)
		return false;
	return seq_le(b->to, a->seg->ack) || (o->sacks > 1 && lies_in(b, &o->sack[1]));
}

/*
 * Blocks that are in the flight, by sequence number, so that what one ACK tells of does not look
 * reordered.
 */
static uint32_t sort_blocks(const struct ack *a, struct seq_range sorted[SACK_BLOCKS])
{
	const struct tcp_opts *o = &a->seg->opts;
	uint32_t n = 0, at;

	for (uint32_t i = 0; i < o->sacks && i < SACK_BLOCKS; i++) {
		const struct seq_range b = o->sack[i];

		if (!seq_lt(b.from, b.to) || seq_le(b.from, a->seg->ack) ||
		    seq_lt(a->c->snd_nxt, b.to))
			continue;
		for (at = n++; at > 0 && seq_lt(b.from, sorted[at - 1].from); at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = b;
	}
	return n;
}

static void mark_segment(struct ack *a, struct seg *g)
{
	if (!(g->flags & SEG_RESENT)) {
		a->sack_first_ns = a->sack_first_ns == 0 ? g->sent_ns : a->sack_first_ns;
		a->sack_last_ns = g->sent_ns;
	}
	a->new_bytes += g->end - g->seq;
	a->newly_sacked = true;
	arrived(a, g);
	seg_change(a->w, g, SEG_SACKED, SEG_LOST);
	a->w->loss.sacked_segs++;
}

/*
 * What of @m a block names that begins or ends inside of it: whole packets of those that it was cut
 * into, if it is longer than one; else nothing (RFC 2018 section 5 lets it be ignored). @m becomes
 * the part before them, or they themselves.
 * @return whether @m itself is named now.
 */
static bool cut_to_block(struct ack *a, struct rte_mbuf *m, const struct seq_range *b)
{
	struct weir_stack *s = a->c->stack;
	const struct seg *g = seg_of(m);
	const uint32_t mss = g->cut_bytes;
	uint32_t named;

	if (seq_le(b->from, g->seq) && seq_le(g->end, b->to))
		return true;
	if (m->pkt_len <= mss || g->flags & SEG_PROBE)
		return false;
	if (seq_lt(g->seq, b->from)) { /* the rest is the next segment, and looked at then */
		named = whole_segments(b->from - g->seq + mss - 1, mss);
		if (named < m->pkt_len)
			snd_split(s, &a->w->flight, m, named);
		return false;
	}
	named = whole_segments(b->to - g->seq, mss);
	return named > 0 && named < m->pkt_len && snd_split(s, &a->w->flight, m, named);
}

/*
 * What @b names, from @m on. *@run is the first of the SACKED ones right before it, NULL if there
 * are none.
 * @return where the next block goes on.
 */
static struct rte_mbuf *mark_block(struct ack *a, const struct seq_range *b, struct rte_mbuf *m,
				   struct rte_mbuf **run)
{
	while (m != NULL && seq_lt(seg_of(m)->seq, b->to)) {
		struct seg *g = seg_of(m);
		struct rte_mbuf *last = m;

		if (g->flags & SEG_SACKED) {
			*run = m;
			last = g->sacked_to;
		} else if (seq_lt(b->from, g->end) && g->sent_count > 0 && cut_to_block(a, m, b)) {
			mark_segment(a, g);
			if (g->next != NULL && (seg_of(g->next)->flags & SEG_SACKED))
				last = seg_of(g->next)->sacked_to;
			*run = *run == NULL ? m : *run;
			seg_of(*run)->sacked_to = last;
		} else {
			*run = NULL;
		}
		m = seg_of(last)->next;
	}
	return m;
}

static void mark_blocks(struct ack *a)
{
	struct rte_mbuf *m = a->w->flight.head, *run = NULL;
	struct seq_range b[SACK_BLOCKS];
	const uint32_t n = sort_blocks(a, b);

	for (uint32_t i = 0; i < n; i++)
		m = mark_block(a, &b[i], m, &run);
}

void sack_forget(struct work *w)
{
	for (struct rte_mbuf *m = w->flight.head; m != NULL; m = seg_of(m)->next)
		if (seg_of(m)->flags & SEG_SACKED)
			seg_change(w, seg_of(m), 0, SEG_SACKED);
	w->loss.sacked_segs = 0;
}

/* ---- the round trip ---- */

/* From the echo of a timestamp (RFC 7323 section 4): a segment that was sent again counts, too. */
static uint32_t rtt_of_echo(const struct ack *a)
{
	const struct tcp_opts *o = &a->seg->opts;
	uint32_t ticks;

	if (!(a->c->flags & CONN_STAMPS) || !(o->flags & OPT_STAMP) || o->echo == 0)
		return 0;
	ticks = tick_of(a->now_ns) + a->c->ts_offset - o->echo;
	if (ticks > TICKS_S * 128)
		return 0;
	return RTE_MAX((uint32_t)(((uint64_t)ticks << 20) / 1000), 1u);
}

static uint32_t us_since(uint64_t ns, uint64_t now_ns)
{
	const uint64_t us = (now_ns - ns) / 1000;

	return us == 0 ? 1 : (uint32_t)RTE_MIN(us, (uint64_t)RTO_MAX_US);
}

/* Karn: not of what was sent twice. RTTM of the oldest, for it has waited for the ACK to come. */
static uint32_t measure(struct ack *a)
{
	struct conn *c = a->c;
	uint32_t rtt_us = 0, least_us = 0;

	if (a->first_ns != 0 && !a->resent_acked) {
		rtt_us = us_since(a->first_ns, a->now_ns);
		least_us = us_since(a->last_ns, a->now_ns);
	} else if (a->sack_first_ns != 0) {
		rtt_us = us_since(a->sack_first_ns, a->now_ns);
		least_us = us_since(a->sack_last_ns, a->now_ns);
	} else if (a->acked_segs > 0) {
		rtt_us = least_us = rtt_of_echo(a);
	}
	if (rtt_us == 0)
		return 0;
	rtt_sample(c, rtt_us);
	c->min_rtt_us = c->min_rtt_us == 0 ? least_us : RTE_MIN(c->min_rtt_us, least_us);
	c->backoff = 0;
	return least_us;
}

void sack_read(struct ack *a, struct acked *out)
{
	const struct tcp_opts *o = &a->seg->opts;

	a->moved = seq_lt(a->una_before, a->seg->ack);
	if ((a->c->flags & CONN_SACK) && is_dsack(a))
		a->dsack = o->sack[0];
	take_acked(a, out);
	a->c->snd_una = a->seg->ack;
	if (a->c->flags & CONN_SACK)
		mark_blocks(a);
	a->w->delivered += a->new_bytes;
	out->rtt_us = measure(a);
	out->is_new = a->moved || a->newly_sacked;
	/* Without a sample the timeout stays long (Karn), but it is not silence that goes on. */
	if (a->moved && a->c->backoff > BACKOFF_KEPT)
		a->c->backoff = BACKOFF_KEPT;
}
