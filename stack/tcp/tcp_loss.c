/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What an ACK, and silence, mean for what was sent: the order in which tcp_sack.c (what has
 * arrived), tcp_recovery.c (was it a loss, is it over), tcp_rack.c (what is lost) and congestion
 * control are asked, and the timer that follows from it.
 */

#include "tcp_loss_priv.h"

/* RFC 5681 section 2; a window that changes says something else. */
static bool is_duplicate(const struct conn *c, const struct work *w, const struct segment *seg)
{
	return seg->ack == c->snd_una && seg->bytes == 0 && !(seg->flags & (TCP_SYN | TCP_FIN)) &&
	       c->snd_wnd == w->loss.wnd && w->flight.head != NULL;
}

static void tell_cc(struct ack *a, uint32_t rtt_us)
{
	const struct conn *c = a->c;
	struct work *w = a->w;
	const struct cc_ack told = {
		.now_ns = a->now_ns,
		.delivered = w->delivered,
		.sent_delivered = a->rate.delivered_ns != 0 ? a->rate.delivered : w->delivered,
		.sent_flight_bytes = a->rate.flight_bytes,
		.lost_since_bytes =
			a->rate.delivered_ns != 0 ? w->lost_all_bytes - a->rate.lost_bytes : 0,
		.rate_bytes_s = rate_of(a),
		.acked_bytes = a->new_bytes,
		.lost_bytes = w->loss.found_bytes,
		.flight_bytes = snd_flight_bytes(w),
		.flight_before_bytes = a->pipe_before,
		.rtt_us = rtt_us,
		.srtt_us = c->srtt_us,
		.min_rtt_us = c->min_rtt_us,
		.marked_bytes = ack_has_ece(a) ? a->new_bytes : 0,
		.una = c->snd_una,
		.nxt = c->snd_nxt,
		.app_limited = a->rate.app_limited,
		.cwnd_limited = w->cwnd_limited,
		.only_sacked = !a->moved && a->new_bytes > 0,
		.in_recovery = w->loss.state != REC_OPEN,
		.no_sack = !(c->flags & CONN_SACK),
	};

	w->cc.ops->on_ack(&w->cc, &told);
	w->loss.found_bytes = 0;
	w->cwnd_limited = false;
	if (w->app_limited != 0 && w->delivered > w->app_limited)
		w->app_limited = 0;
}

/* What is lost now, and what that begins. */
static void judge(struct ack *a)
{
	struct conn *c = a->c;
	struct work *w = a->w;
	const bool ece = ack_has_ece(a);
	bool found;

	if (c->flags & CONN_SACK) {
		a->prr_bytes = a->new_bytes;
		found = rack_detect(c, w, a->now_ns);
	} else {
		found = newreno_detect(a);
	}
	/* What was sent in a recovery, and found lost in it, begins the next. */
	if (found || (a->ended && w->lost_bytes > 0))
		recovery_lost(c, w, ece, a->new_bytes, a->now_ns);
	else if (ece)
		recovery_marked(c, w, a->new_bytes, a->now_ns);
	tlp_on_ack(a);
	a->found_lost = found;
}

/*
 * A peer that had shrunk its window to nothing opens it. What probed it was refused, not lost on
 * the way, and its timer has grown with each: RFC 9293 section 3.8.6.1.
 */
static void on_window_opened(struct ack *a)
{
	struct conn *c = a->c;

	if (a->moved || a->w->loss.state != REC_TIMEOUT)
		return;
	a->w->loss.frto = FRTO_NONE;
	a->w->loss.rto_from_ns = a->now_ns;
	c->backoff = 0;
	rack_on_timeout(c, a->w, a->now_ns);
}

void loss_on_ack(struct weir_stack *s, struct conn *c, struct work *w, const struct segment *seg,
		 struct acked *out)
{
	struct ack a = {
		.c = c,
		.w = w,
		.seg = seg,
		.now_ns = s->now_ns,
		.una_before = c->snd_una,
		.pipe_before = snd_flight_bytes(w),
		.dup = is_duplicate(c, w, seg),
	};
	const bool opened = w->loss.wnd == 0 && c->snd_wnd > 0;

	*out = (struct acked){0};
	w->loss.wnd = c->snd_wnd;
	sack_read(&a, out);
	if (a.new_bytes > 0)
		w->delivered_ns = a.now_ns;
	if (a.moved) { /* RFC 6298 5.3, RFC 8985 section 7.2 */
		w->loss.rto_from_ns = a.now_ns;
		w->loss.pto_from_ns = a.now_ns;
	}
	rack_on_dsack(&a);
	recovery_on_ack(&a);
	judge(&a);
	if (opened)
		on_window_opened(&a);
	if (out->is_new || a.dup || w->loss.found_bytes > 0) {
		tell_cc(&a, out->rtt_us);
		prr_on_ack(&a);
	}
	loss_arm(c, w, a.now_ns);
}

/* ---- timers ---- */

void loss_arm(struct conn *c, struct work *w, uint64_t now_ns)
{
	uint64_t probe_ns;

	if (w->rtx_kind == RTX_PROBE)
		return;
	if (w->flight.head == NULL) {
		w->rtx_kind = RTX_NONE;
		w->rtx_at_ns = 0;
		return;
	}
	w->rtx_kind = RTX_RTO;
	w->rtx_at_ns = w->loss.rto_from_ns + (uint64_t)rto_us(c) * 1000;
	probe_ns = tlp_at_ns(c, w);
	if (w->loss.reorder_ns != 0 && w->loss.reorder_ns < w->rtx_at_ns) {
		w->rtx_kind = RTX_REORDER;
		w->rtx_at_ns = w->loss.reorder_ns;
	} else if (probe_ns != UINT64_MAX) { /* RFC 8985 section 7.2: not after the timeout */
		w->rtx_kind = RTX_TLP;
		w->rtx_at_ns = RTE_MIN(w->rtx_at_ns, probe_ns);
	}
	w->rtx_at_ns = RTE_MAX(w->rtx_at_ns, now_ns + 1);
}

/* Whether nothing is on its way because what the last timeout asked for found no buffers. */
static bool is_unsent(const struct work *w)
{
	return snd_flight_bytes(w) == 0 && w->loss.frto != FRTO_NEW &&
	       (seg_of(w->flight.head)->sent_count == 0 ||
		(w->loss.state == REC_TIMEOUT && (seg_of(w->flight.head)->flags & SEG_LOST)));
}

/* RFC 6298 section 5, from 5.4 on. */
static void on_timeout(struct weir_stack *s, struct conn *c, struct work *w, uint64_t now_ns)
{
	struct rte_mbuf *m = w->flight.head;

	w->loss.rto_from_ns = now_ns;
	if (m == NULL || is_unsent(w)) /* not the network's fault: no longer wait */
		return;
	stack_count(&s->stats.tcp_rto, 1);
	if (c->backoff < UINT8_MAX)
		c->backoff++;
	if (seg_of(m)->flags & SEG_SYN) { /* no flight yet whose window could be too large */
		seg_set_lost(w, m);
		return;
	}
	if (seg_of(m)->flags & SEG_SACKED)
		sack_forget(w);
	recovery_timeout(c, w, now_ns);
	rack_on_timeout(c, w, now_ns);
	w->cc.cwnd_bytes = RTE_MAX(w->cc.cwnd_bytes, snd_flight_bytes(w) + w->cc.mss);
}

static void on_reordered(struct conn *c, struct work *w, uint64_t now_ns)
{
	if (!rack_detect(c, w, now_ns) || w->loss.state == REC_TIMEOUT)
		return;
	recovery_lost(c, w, false, 0, now_ns);
	if (!w->cc.ops->own_recovery)
		prr_update(w, 0, false);
}

void loss_on_timer(struct weir_stack *s, struct conn *c, struct work *w, uint64_t now_ns)
{
	switch (w->rtx_kind) {
	case RTX_RTO:
		on_timeout(s, c, w, now_ns);
		break;
	case RTX_TLP:
		w->loss.rto_from_ns = now_ns;
		if (tlp_fire(c, w))
			stack_count(&s->stats.tcp_probes, 1);
		break;
	case RTX_REORDER:
		on_reordered(c, w, now_ns);
		break;
	default:
		return;
	}
	loss_arm(c, w, now_ns);
}

uint32_t loss_room(const struct conn *c, const struct work *w)
{
	const uint32_t pipe = snd_flight_bytes(w);
	const uint32_t room = w->cc.cwnd_bytes > pipe ? w->cc.cwnd_bytes - pipe : 0;

	(void)c;
	return w->loss.tlp_due ? RTE_MAX(room, w->cc.mss) : room;
}

void loss_on_mss(struct conn *c, struct work *w, uint32_t mss)
{
	w->cc.mss = mss;
	for (struct rte_mbuf *m = w->flight.head; m != NULL; m = seg_of(m)->next) {
		if (RTE_MIN(m->pkt_len, (uint32_t)seg_of(m)->cut_bytes) <= mss ||
		    seg_of(m)->flags & (SEG_SACKED | SEG_LOST))
			continue;
		if (seg_of(m)->flags & SEG_PROBE)
			mtu_lost(c, w, seg_of(m), false);
		seg_set_lost(w, m);
	}
}
