/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * From loss to order: when recovery begins and ends, how much may be sent in it (PRR, RFC 9937),
 * and when it turns out that nothing was lost: by DSACKs (RFC 2883), timestamps (Eifel, RFC 3522)
 * or F-RTO (RFC 5682).
 */

#include "tcp_loss_priv.h"

/* ---- it begins ---- */

/* RFC 3168 section 6.1.2: the window is cut, for any reason. */
static void cut(struct conn *c)
{
	if (c->flags & CONN_ECN)
		c->flags |= CONN_CWR_DUE;
}

static void begin(struct conn *c, struct work *w, enum recovery state, bool can_undo)
{
	struct loss *l = &w->loss;

	l->state = state;
	l->recover = c->snd_nxt;
	l->undo_una = c->snd_una;
	l->undo_resent = 0;
	l->resent_ns = 0;
	l->can_undo = can_undo;
	l->frto = FRTO_NONE;
	l->tlp_out = false;
	l->tlp_due = false;
}

static void prr_begin(struct conn *c, struct work *w, uint32_t new_bytes)
{
	w->loss.prr_delivered = 0;
	w->loss.prr_out = 0;
	w->loss.recover_fs = RTE_MAX(flight_size(c) - w->sacked_bytes + new_bytes, 1u);
}

void recovery_lost(struct conn *c, struct work *w, bool ece, uint32_t new_bytes, uint64_t now_ns)
{
	const uint8_t before = w->loss.state;

	if (before == REC_FAST || before == REC_TIMEOUT)
		return;
	begin(c, w, REC_FAST, before == REC_OPEN && !ece);
	if (before == REC_CWR) /* the window is cut already */
		return;
	w->cc.ops->on_loss(&w->cc, flight_size(c), false, now_ns);
	prr_begin(c, w, new_bytes);
	cut(c);
}

void recovery_marked(struct conn *c, struct work *w, uint32_t new_bytes, uint64_t now_ns)
{
	if (w->loss.state != REC_OPEN)
		return;
	begin(c, w, REC_CWR, false);
	/* What was on its way with the mark: this ACK may be of all of it. */
	w->cc.ops->on_loss(&w->cc, flight_size(c) + new_bytes, true, now_ns);
	prr_begin(c, w, new_bytes);
	cut(c);
}

void recovery_timeout(struct conn *c, struct work *w, uint64_t now_ns)
{
	struct loss *l = &w->loss;
	const bool was_open = l->state == REC_OPEN;

	if (l->state == REC_TIMEOUT && l->undo_una == c->snd_una) { /* the same once more */
		l->recover = c->snd_nxt;
		l->frto = FRTO_NONE;
	} else {
		begin(c, w, REC_TIMEOUT, was_open);
		l->frto = was_open ? FRTO_FIRST : FRTO_NONE;
		l->frto_high = c->snd_nxt;
	}
	l->dup_acks = 0;
	w->cc.ops->on_timeout(&w->cc, flight_size(c), now_ns);
	cut(c);
}

void recovery_resent(struct work *w, const struct seg *g, uint64_t now_ns)
{
	struct loss *l = &w->loss;

	if (l->state != REC_FAST && l->state != REC_TIMEOUT)
		return;
	l->undo_resent += g->end - g->seq;
	if (l->resent_ns == 0)
		l->resent_ns = now_ns;
}

/* ---- it was no loss ---- */

/* What waits to be sent again need not be; what was never sent is. */
static void unmark_lost(struct work *w)
{
	for (struct rte_mbuf *m = w->lost_from; m != NULL; m = seg_of(m)->next)
		if (seg_of(m)->sent_count > 0)
			seg_change(w, seg_of(m), 0, SEG_LOST);
}

static void undo(struct ack *a)
{
	struct work *w = a->w;
	struct loss *l = &w->loss;

	stack_count(&a->c->stack->stats.tcp_undone, 1);
	unmark_lost(w);
	l->state = REC_OPEN;
	l->can_undo = false;
	l->frto = FRTO_NONE;
	l->dup_acks = 0;
	a->c->backoff = 0;
	w->cc.ops->undo(&w->cc, a->now_ns);
}

/* All that was sent again has been reported to have come twice. */
static bool dsacked(struct ack *a)
{
	struct loss *l = &a->w->loss;
	const uint32_t bytes = a->dsack.to - a->dsack.from;

	if (bytes == 0 || !l->can_undo || l->undo_resent == 0 ||
	    seq_lt(a->dsack.from, l->undo_una) || seq_lt(l->recover, a->dsack.to))
		return false;
	l->undo_resent -= RTE_MIN(bytes, l->undo_resent);
	return l->undo_resent == 0;
}

/* What moved the left edge was sent before anything was sent again (RFC 3522 section 3.2). */
static bool eifel(const struct ack *a)
{
	const struct tcp_opts *o = &a->seg->opts;
	const struct loss *l = &a->w->loss;

	return a->moved && l->can_undo && l->resent_ns != 0 && (a->c->flags & CONN_STAMPS) &&
	       (o->flags & OPT_STAMP) && o->echo != 0 &&
	       seq_lt(o->echo, tick_of(l->resent_ns) + a->c->ts_offset);
}

/* RFC 5682 section 3.1. @return the timeout was spurious. */
static bool frto(struct ack *a)
{
	const struct conn *c = a->c;
	struct work *w = a->w;
	struct loss *l = &w->loss;
	/* Without SACK, an ACK of both kinds may be the retransmission's. */
	const bool original = a->original_acked && ((c->flags & CONN_SACK) || !a->resent_acked);

	if (l->frto == FRTO_NEW && original)
		return true; /* step 3b */
	if (l->frto == FRTO_FIRST && a->moved && seq_lt(c->snd_una, l->recover) &&
	    w->unsent.head != NULL && flight_size(c) < c->snd_wnd)
		l->frto = FRTO_NEW; /* step 2b */
	else if (a->moved || a->newly_sacked || a->dup)
		l->frto = FRTO_NONE;
	return false;
}

/* ---- it is over ---- */

static void end(struct ack *a)
{
	struct cc *cc = &a->w->cc;
	struct loss *l = &a->w->loss;

	if (l->state != REC_TIMEOUT && !cc->ops->own_recovery &&
	    cc->ssthresh_bytes != UINT32_MAX) /* another algorithm began it */
		cc->cwnd_bytes = cc->ssthresh_bytes;
	if (l->state != REC_CWR)
		rack_recovered(a->w);
	l->state = REC_OPEN;
	l->frto = FRTO_NONE;
	l->dup_acks = 0;
	a->ended = true;
	cc->ops->on_recovered(cc, a->now_ns);
}

void recovery_on_ack(struct ack *a)
{
	struct loss *l = &a->w->loss;
	const bool in_loss = l->state == REC_FAST || l->state == REC_TIMEOUT;

	if (dsacked(a)) {
		undo(a);
	} else if (in_loss && eifel(a)) {
		l->reordering_seen = true; /* it was late, not lost */
		undo(a);
	} else if (l->state == REC_TIMEOUT && l->frto != FRTO_NONE && frto(a)) {
		l->rack_sent_ns = 0; /* of the retransmission, which did not arrive yet */
		undo(a);
	}
	/* Marks are told of until CWR arrives, which what follows the cut has: RFC 3168 6.1.2. */
	if (l->state == REC_CWR ? seq_lt(l->recover, a->c->snd_una)
				: l->state != REC_OPEN && seq_le(l->recover, a->c->snd_una))
		end(a);
}

/* ---- how much is sent in it: RFC 9937 section 6.2 ---- */

void prr_update(struct work *w, uint32_t delivered_bytes, bool is_safe)
{
	const uint32_t pipe = snd_flight_bytes(w), mss = w->cc.mss;
	const uint32_t ssthresh = w->cc.ssthresh_bytes;
	struct loss *l = &w->loss;
	uint64_t room = 0, all;

	l->prr_delivered += delivered_bytes;
	if (pipe > ssthresh) { /* in proportion to what has arrived */
		all = ((uint64_t)l->prr_delivered * ssthresh + l->recover_fs - 1) / l->recover_fs;
		room = all > l->prr_out ? all - l->prr_out : 0;
	} else { /* one for one, or in slow start; up to ssthresh */
		room = l->prr_delivered > l->prr_out ? l->prr_delivered - l->prr_out : 0;
		room = RTE_MAX(room, (uint64_t)delivered_bytes) + (is_safe ? mss : 0);
		room = RTE_MIN(room, (uint64_t)(ssthresh - pipe));
	}
	if (l->prr_out == 0 && room < mss)
		room = mss; /* the first retransmission, at once */
	w->cc.cwnd_bytes = (uint32_t)RTE_MIN(pipe + room, (uint64_t)UINT32_MAX);
}

void prr_on_ack(struct ack *a)
{
	const uint8_t state = a->w->loss.state;

	if ((state == REC_FAST || state == REC_CWR) && !a->w->cc.ops->own_recovery &&
	    a->prr_bytes > 0)
		prr_update(a->w, a->prr_bytes, a->moved && !a->found_lost);
}
