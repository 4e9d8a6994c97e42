/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What is lost (RFC 8985): what was sent a reordering window before something that has arrived; and
 * a probe that makes the peer speak when the tail of a flight is lost. Without SACK it is what
 * three duplicate ACKs, and partial ones, ask for (RFC 5681, RFC 6582).
 */

#include "tcp_loss_priv.h"

#define REO_WND_PERSIST	 16
#define MAX_ACK_DELAY_US 200000u
#define PTO_FIRST_US	 1000000u
#define PTO_MIN_US	 2000u /* timers are no finer than that */

static bool sent_after(uint64_t ns1, uint32_t end1, uint64_t ns2, uint32_t end2)
{
	return ns1 > ns2 || (ns1 == ns2 && seq_lt(end2, end1));
}

/* ---- section 6.2: what arrives ---- */

/* Steps 1 to 3. */
void rack_arrived(struct ack *a, const struct seg *g)
{
	const struct tcp_opts *o = &a->seg->opts;
	struct loss *l = &a->w->loss;
	const uint32_t rtt_us =
		(uint32_t)RTE_MIN((a->now_ns - g->sent_ns) / 1000, (uint64_t)RTO_MAX_US);

	if (seq_lt(l->fack, g->end))
		l->fack = g->end;
	else if (seq_lt(g->end, l->fack) && !(g->flags & SEG_RESENT))
		l->reordering_seen = true;
	if (g->flags & SEG_RESENT) { /* is it the first copy that has arrived? */
		if ((a->c->flags & CONN_STAMPS) && (o->flags & OPT_STAMP) &&
		    seq_lt(o->echo, tick_of(g->sent_ns) + a->c->ts_offset))
			return;
		if (rtt_us < a->c->min_rtt_us)
			return;
	}
	if (!sent_after(g->sent_ns, g->end, l->rack_sent_ns, l->rack_end))
		return;
	l->rack_rtt_us = rtt_us;
	l->rack_sent_ns = g->sent_ns;
	l->rack_end = g->end;
}

/* Step 4: what was sent twice for nothing widens the window. */
void rack_on_dsack(struct ack *a)
{
	struct loss *l = &a->w->loss;

	if (l->has_dsack_round && seq_le(l->dsack_round, a->c->snd_una))
		l->has_dsack_round = false;
	if (a->dsack.from == a->dsack.to || l->has_dsack_round)
		return;
	l->has_dsack_round = true;
	l->dsack_round = a->c->snd_nxt;
	l->reo_wnd_more = RTE_MIN(l->reo_wnd_more + 1, 255u);
	l->reo_wnd_persist = REO_WND_PERSIST;
}

void rack_recovered(struct work *w)
{
	struct loss *l = &w->loss;

	if (l->reo_wnd_persist > 0 && --l->reo_wnd_persist == 0)
		l->reo_wnd_more = 0;
}

/* Three segments are, or as many bytes as only three can have. */
static bool is_much_sacked(const struct work *w)
{
	return w->loss.sacked_segs >= DUP_THRESHOLD ||
	       w->sacked_bytes > (DUP_THRESHOLD - 1) * w->cc.mss;
}

static uint32_t reo_wnd_us(const struct conn *c, const struct work *w)
{
	const struct loss *l = &w->loss;

	if (!l->reordering_seen &&
	    (l->state == REC_FAST || l->state == REC_TIMEOUT || is_much_sacked(w)))
		return 0;
	return (uint32_t)RTE_MIN((l->reo_wnd_more + UINT64_C(1)) * c->min_rtt_us / 4,
				 (uint64_t)c->srtt_us);
}

/* ---- what is lost ---- */

static void mark_lost(struct conn *c, struct work *w, struct rte_mbuf *m, uint64_t now_ns)
{
	const struct seg *g = seg_of(m);
	const uint32_t bytes = g->end - g->seq;

	seg_set_lost(w, m);
	w->lost_all_bytes += bytes;
	w->loss.found_bytes += bytes;
	if (w->cc.ops->on_lost != NULL)
		w->cc.ops->on_lost(
			&w->cc, &(struct cc_lost){
					.now_ns = now_ns,
					.delivered = w->delivered,
					.bytes = bytes,
					.sent_flight_bytes = g->sent_flight_bytes,
					.lost_since_bytes = w->lost_all_bytes - g->sent_lost_bytes,
					.app_limited = (g->flags & SEG_APP_LIMITED) != 0,
					.no_sack = !(c->flags & CONN_SACK),
				});
}

/*
 * A probe of the path's width is lost, and @found whether others are. Alone it is no sign of
 * congestion (RFC 4821 section 7.6.2). @return whether it counts.
 */
static bool lose_probe(struct conn *c, struct work *w, struct rte_mbuf *m, bool found,
		       uint64_t now_ns)
{
	const bool alone = !found && w->loss.state == REC_OPEN;

	mtu_lost(c, w, seg_of(m), alone);
	if (alone)
		seg_set_lost(w, m);
	else
		mark_lost(c, w, m, now_ns);
	return !alone;
}

/*
 * Step 5. First transmissions are in the order of their numbers: from the first of these on that
 * was sent after what has arrived, all were.
 */
bool rack_detect(struct conn *c, struct work *w, uint64_t now_ns)
{
	struct loss *l = &w->loss;
	const uint64_t wait_ns = ((uint64_t)l->rack_rtt_us + reo_wnd_us(c, w)) * 1000;
	struct rte_mbuf *probe = NULL;
	bool found = false;

	l->reorder_ns = 0;
	for (struct rte_mbuf *m = w->flight.head; m != NULL; m = seg_of(m)->next) {
		const struct seg *g = seg_of(m);

		if (g->flags & SEG_SACKED) {
			m = g->sacked_to;
			continue;
		}
		if (!sent_after(l->rack_sent_ns, l->rack_end, g->sent_ns, g->end)) {
			if (!(g->flags & SEG_RESENT))
				break;
			continue;
		}
		if (g->flags & SEG_LOST)
			continue;
		if (g->sent_ns + wait_ns > now_ns) {
			l->reorder_ns = RTE_MAX(l->reorder_ns, g->sent_ns + wait_ns);
		} else if (g->flags & SEG_PROBE) {
			probe = m;
		} else {
			mark_lost(c, w, m, now_ns);
			found = true;
		}
	}
	return (probe != NULL && lose_probe(c, w, probe, found, now_ns)) || found;
}

/* Section 6.3: the first, and what was sent long enough ago. */
void rack_on_timeout(struct conn *c, struct work *w, uint64_t now_ns)
{
	const uint64_t wait_ns = ((uint64_t)w->loss.rack_rtt_us + reo_wnd_us(c, w)) * 1000;

	w->loss.reorder_ns = 0;
	for (struct rte_mbuf *m = w->flight.head; m != NULL; m = seg_of(m)->next) {
		struct seg *g = seg_of(m);

		if (g->flags & (SEG_SACKED | SEG_LOST) ||
		    (m != w->flight.head && g->sent_ns + wait_ns > now_ns))
			continue;
		if (g->flags & SEG_PROBE) /* RFC 4821 section 7.6.3 */
			mtu_lost(c, w, g, m == w->flight.head);
		mark_lost(c, w, m, now_ns);
	}
}

/* ---- without SACK ---- */

static bool lose_first(struct ack *a)
{
	struct rte_mbuf *m = a->w->flight.head;

	if (m == NULL || (seg_of(m)->flags & SEG_LOST))
		return false;
	if (m->pkt_len > seg_of(m)->cut_bytes) /* no more of it than one packet was */
		snd_split(a->c->stack, &a->w->flight, m, seg_of(m)->cut_bytes);
	mark_lost(a->c, a->w, m, a->now_ns);
	return true;
}

/* A duplicate ACK: one segment has left the network. The first is a hole, however many come. */
static bool on_duplicate(struct ack *a)
{
	const uint32_t mss = a->w->cc.mss;
	struct loss *l = &a->w->loss;

	if (l->dup_acks + 1 >= a->w->flight.n && (l->dup_acks + 1) * mss >= flight_size(a->c))
		return false;
	a->prr_bytes = mss;
	/* After a timeout they are of what was lost, unless new data was sent (RFC 5682). */
	if (l->state == REC_TIMEOUT && seq_le(a->c->snd_nxt, l->recover))
		return false;
	l->dup_acks++;
	/* RFC 6582 section 3.2 step 2: those after a recovery may be its own echo. */
	return (l->state == REC_OPEN || l->state == REC_CWR) && l->dup_acks == DUP_THRESHOLD &&
	       seq_lt(l->recover, a->c->snd_una) && lose_first(a);
}

bool newreno_detect(struct ack *a)
{
	struct loss *l = &a->w->loss;
	uint32_t known;

	if (a->dup)
		return on_duplicate(a);
	if (!a->moved)
		return false;
	/* One of them filled the hole, the others were told of by duplicates. */
	known = a->acked_segs > 1 ? RTE_MIN(l->dup_acks, a->acked_segs - 1) : 0;
	a->prr_bytes = a->new_bytes - RTE_MIN(a->new_bytes, known * a->w->cc.mss);
	l->dup_acks = l->state == REC_FAST ? l->dup_acks - known : 0;
	/* Step 3: a partial ACK asks for the next hole. */
	return l->state == REC_FAST && a->acked_segs > 0 && lose_first(a);
}

/* ---- section 7: tail loss probes ---- */

uint64_t tlp_at_ns(const struct conn *c, const struct work *w)
{
	const struct loss *l = &w->loss;
	uint64_t us = PTO_FIRST_US;

	if (!(c->flags & CONN_SACK) || l->state == REC_FAST || l->state == REC_TIMEOUT ||
	    l->sacked_segs > 0 || l->tlp_out || l->tlp_due || c->backoff > 0 ||
	    w->flight.head == NULL || syn_waits(w) || snd_flight_bytes(w) == 0)
		return UINT64_MAX;
	if (c->srtt_us > 0) {
		us = RTE_MAX(2 * (uint64_t)c->srtt_us, (uint64_t)PTO_MIN_US);
		if (w->flight.n == 1 && w->flight.bytes <= seg_of(w->flight.head)->cut_bytes)
			us += MAX_ACK_DELAY_US;
	}
	return l->pto_from_ns + us * 1000;
}

bool tlp_fire(struct conn *c, struct work *w)
{
	struct rte_mbuf *m = w->flight.tail;
	struct loss *l = &w->loss;

	if (m == NULL || l->tlp_out || (seg_of(m)->flags & SEG_SACKED))
		return false;
	l->tlp_due = true;
	l->tlp_is_resend = w->unsent.head == NULL || c->snd_wnd <= flight_size(c);
	if (!l->tlp_is_resend)
		return true;
	if (m->pkt_len > seg_of(m)->cut_bytes &&
	    snd_split(c->stack, &w->flight, m, m->pkt_len - seg_of(m)->cut_bytes))
		m = w->flight.tail;
	seg_set_lost(w, m);
	return true;
}

void tlp_sent(struct conn *c, struct work *w, bool is_new)
{
	struct loss *l = &w->loss;

	if (!l->tlp_due)
		return;
	l->tlp_due = false;
	l->tlp_out = true;
	l->tlp_is_resend = !is_new;
	l->tlp_end = c->snd_nxt;
}

/* Section 7.4.2. */
void tlp_on_ack(struct ack *a)
{
	struct loss *l = &a->w->loss;
	struct cc *cc = &a->w->cc;

	if (a->moved)
		l->tlp_due = false;
	if (!l->tlp_out || !seq_le(l->tlp_end, a->seg->ack))
		return;
	if (!l->tlp_is_resend || (a->dsack.from != a->dsack.to && a->dsack.to == l->tlp_end)) {
		l->tlp_out = false; /* all has arrived, and the probe was needless */
	} else if (seq_lt(l->tlp_end, a->seg->ack)) {
		l->tlp_out = false; /* it has repaired the one loss */
		if (l->state != REC_OPEN)
			return;
		l->can_undo = false;
		cc->ops->on_loss(cc, flight_size(a->c), false, a->now_ns);
		if (!cc->ops->own_recovery)
			cc->cwnd_bytes = cc->ssthresh_bytes;
		cc->ops->on_recovered(cc, a->now_ns);
	} else if (a->dup && a->seg->opts.sacks == 0) {
		l->tlp_out = false; /* both have arrived */
	}
}
