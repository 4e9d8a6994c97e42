/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The queue of sending: the application's packets wait in the unsent, segments cut from them are in
 * the flight until they are acknowledged. Nothing is copied: a buffer that is longer than the
 * segment is divided by reference.
 *
 * Segments of the flight may be trimmed and divided at any time, so what leaves has to be a clone.
 */

#include "tcp_loss_priv.h"

void snd_append(struct work *w, struct rte_mbuf *m)
{
	if (m->pkt_len == 0 && !(seg_of(m)->flags & (SEG_FIN | SEG_SYN)))
		rte_pktmbuf_free(m);
	else
		seg_put(&w->unsent, m);
}

/* ---- dividing ---- */

/* A buffer that shows what stands behind the first @bytes of @m's. NULL: there is none. */
static struct rte_mbuf *show_rest(struct weir_stack *s, struct rte_mbuf *m, uint32_t bytes)
{
	struct rte_mbuf *rest = rte_pktmbuf_alloc(s->conf.pool);

	if (rest == NULL) {
		stack_count(&s->stats.no_mbuf, 1);
		return NULL;
	}
	rte_pktmbuf_attach(rest, m);
	rest->ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;
	rest->data_off = (uint16_t)(rest->data_off + bytes);
	rest->data_len = (uint16_t)(rest->data_len - bytes);
	rest->next = m->next;
	return rest;
}

/* Cut @m behind @bytes. @return the rest, a packet; NULL: no buffer, and nothing is changed. */
static struct rte_mbuf *divide(struct weir_stack *s, struct rte_mbuf *m, uint32_t bytes)
{
	struct rte_mbuf *last = m, *rest;
	uint32_t left = bytes;
	uint16_t n = 1;

	for (; left > last->data_len; n++) {
		left -= last->data_len;
		last = last->next;
	}
	if (left == last->data_len) {
		rest = last->next;
		rest->nb_segs = (uint16_t)(m->nb_segs - n);
	} else {
		rest = show_rest(s, last, left);
		if (rest == NULL)
			return NULL;
		rest->nb_segs = (uint16_t)(m->nb_segs - n + 1);
		last->data_len = (uint16_t)left;
	}
	last->next = NULL;
	rest->pkt_len = m->pkt_len - bytes;
	m->nb_segs = n;
	m->pkt_len = bytes;
	return rest;
}

bool snd_split(struct weir_stack *s, struct seg_queue *q, struct rte_mbuf *m, uint32_t bytes)
{
	struct rte_mbuf *rest = divide(s, m, bytes);
	struct seg *g = seg_of(m);

	if (rest == NULL)
		return false;
	*seg_of(rest) = *g;
	seg_of(rest)->seq += bytes;
	seg_of(rest)->flags &= (uint16_t)~SEG_PROBE;
	g->end = seg_of(rest)->seq;
	g->flags &= (uint16_t) ~(SEG_FIN | SEG_PSH);
	g->next = rest;
	if (q->tail == m)
		q->tail = rest;
	q->n++;
	return true;
}

/* ---- from the unsent to the flight ---- */

/* Put @m's buffers behind @first's, whose last is @last. @return the last now. */
static struct rte_mbuf *join(struct rte_mbuf *first, struct rte_mbuf *last, struct rte_mbuf *m)
{
	seg_of(first)->flags |= seg_of(m)->flags;
	if (m->pkt_len == 0) { /* a FIN alone */
		rte_pktmbuf_free(m);
		return last;
	}
	last->next = m;
	first->nb_segs = (uint16_t)(first->nb_segs + m->nb_segs);
	first->pkt_len += m->pkt_len;
	return rte_pktmbuf_lastseg(m);
}

/* Whether the unsent's first packet, or a part of it, can be in a segment of @have bytes. */
static bool fits(struct weir_stack *s, struct work *w, const struct rte_mbuf *to, uint32_t have,
		 uint32_t most)
{
	struct rte_mbuf *m = w->unsent.head;

	if (m == NULL || (have >= most && m->pkt_len > 0))
		return false;
	if (m->pkt_len > most - have && !snd_split(s, &w->unsent, m, most - have))
		return false;
	return to == NULL || to->nb_segs + m->nb_segs <= CARVE_BUFFERS;
}

/* Packets of the unsent, joined; the last is divided. */
static struct rte_mbuf *gather(struct weir_stack *s, struct work *w, uint32_t most)
{
	struct rte_mbuf *to = NULL, *last = NULL;

	while (fits(s, w, to, to == NULL ? 0 : to->pkt_len, most)) {
		struct rte_mbuf *m = seg_take(&w->unsent);

		if (to == NULL) {
			to = m;
			last = rte_pktmbuf_lastseg(m);
		} else {
			last = join(to, last, m);
		}
		if (seg_of(to)->flags & (SEG_SYN | SEG_FIN))
			break;
	}
	return to;
}

struct rte_mbuf *snd_carve(struct weir_stack *s, struct conn *c, struct work *w, uint32_t most)
{
	struct rte_mbuf *m = gather(s, w, most);
	struct seg *g;

	if (m == NULL)
		return NULL;
	if (w->flight.head == NULL) { /* all before it has arrived */
		w->loss.fack = c->snd_nxt;
		w->loss.recover = c->snd_nxt - 1;
	}
	g = seg_of(m);
	*g = (struct seg){.seq = c->snd_nxt,
			  .end = c->snd_nxt + m->pkt_len + ((g->flags & (SEG_SYN | SEG_FIN)) != 0),
			  .cut_bytes = c->mss_out,
			  .flags = g->flags & (SEG_FIN | SEG_SYN | SEG_PSH)};
	c->snd_nxt = g->end;
	w->flight_seqs += g->end - g->seq;
	seg_put(&w->flight, m);
	seg_set_lost(w, m); /* until it is sent */
	return m;
}

/* ---- in the flight ---- */

struct rte_mbuf *snd_lost(struct weir_stack *s, struct work *w, uint32_t most)
{
	struct rte_mbuf *m = w->lost_from;

	if (w->loss.frto == FRTO_NEW)
		return NULL;
	while (m != NULL && (seg_of(m)->flags & (SEG_LOST | SEG_SACKED)) != SEG_LOST)
		m = seg_of(m)->next;
	w->lost_from = m;
	if (m == NULL || m->pkt_len <= most)
		return m;
	return snd_split(s, &w->flight, m, most) ? m : NULL;
}

void snd_sent(struct conn *c, struct work *w, struct rte_mbuf *m, uint64_t now_ns)
{
	struct seg *g = seg_of(m);
	const bool is_new = g->sent_count == 0;

	rate_sent(w, g, now_ns);
	seg_change(w, g, is_new ? 0 : SEG_RESENT, SEG_LOST);
	g->sent_ns = now_ns;
	if (g->sent_count < UINT16_MAX)
		g->sent_count++;
	g->sent_flight_bytes = snd_flight_bytes(w);
	g->sent_lost_bytes = w->lost_all_bytes;
	if (w->loss.state == REC_FAST || w->loss.state == REC_CWR)
		w->loss.prr_out += g->end - g->seq;
	if (!is_new)
		recovery_resent(w, g, now_ns);
	tlp_sent(c, w, is_new);
	if (is_new)
		w->loss.pto_from_ns = now_ns;
	if (m == w->flight.head) /* RFC 6298 5.1; what is resent has all of its time, too */
		w->loss.rto_from_ns = now_ns;
	if (g->sent_flight_bytes + w->cc.mss > w->cc.cwnd_bytes)
		w->cwnd_limited = true;
}

/* ---- out of the flight ---- */

/* @m is the flight's first segment no more. */
static void forget_hint(struct work *w, const struct rte_mbuf *m, struct rte_mbuf *instead)
{
	if (w->lost_from == m)
		w->lost_from = instead;
}

void snd_drop_first(struct work *w)
{
	struct rte_mbuf *m = w->flight.head;
	const struct seg *g = seg_of(m);

	forget_hint(w, m, g->next);
	if ((g->flags & SEG_SACKED) && g->sacked_to != m)
		seg_of(g->next)->sacked_to = g->sacked_to;
	seg_uncount(w, g);
	w->flight_seqs -= g->end - g->seq;
	seg_take(&w->flight);
	rte_pktmbuf_free(m);
}

/* @m's first buffer is not needed any more. @return the second, which is the packet now. */
static struct rte_mbuf *behead(struct rte_mbuf *m)
{
	struct rte_mbuf *rest = m->next;

	rest->pkt_len = m->pkt_len - m->data_len;
	rest->nb_segs = (uint16_t)(m->nb_segs - 1);
	*seg_of(rest) = *seg_of(m);
	m->next = NULL;
	m->nb_segs = 1;
	rte_pktmbuf_free_seg(m);
	return rest;
}

void snd_trim_first(struct work *w, uint32_t bytes)
{
	struct rte_mbuf *first = w->flight.head, *m = first;
	uint32_t left = bytes;

	seg_uncount(w, seg_of(m));
	while (left >= m->data_len && m->next != NULL) {
		left -= m->data_len;
		m = behead(m);
	}
	m->data_off = (uint16_t)(m->data_off + left);
	m->data_len = (uint16_t)(m->data_len - left);
	m->pkt_len -= left;
	seg_of(m)->seq += bytes;
	if ((seg_of(m)->flags & SEG_SACKED) && seg_of(m)->sacked_to == first)
		seg_of(m)->sacked_to = m;
	seg_count(w, seg_of(m));
	w->flight_seqs -= bytes;
	w->flight.bytes -= bytes;
	w->flight.head = m;
	if (w->flight.tail == first)
		w->flight.tail = m;
	forget_hint(w, first, m);
}
