/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Samples of the delivery rate (draft-ietf-ccwg-bbr section 4.1): what has arrived between the
 * sending of a segment and the ACK of it, by the longer of the times that it took to send and to
 * acknowledge that much.
 */

#include "tcp_loss_priv.h"

void rate_sent(struct work *w, struct seg *g, uint64_t now_ns)
{
	if (snd_flight_bytes(w) == 0) { /* a flight begins */
		w->first_sent_ns = now_ns;
		w->delivered_ns = now_ns;
	}
	g->first_sent_ns = w->first_sent_ns;
	g->delivered_ns = w->delivered_ns;
	g->delivered = w->delivered;
	g->flags &= (uint16_t)~SEG_APP_LIMITED;
	if (w->app_limited != 0)
		g->flags |= SEG_APP_LIMITED;
}

void rate_arrived(struct ack *a, struct seg *g)
{
	struct rate_sample *r = &a->rate;

	if (r->delivered_ns != 0 &&
	    (g->sent_ns < r->sent_ns || (g->sent_ns == r->sent_ns && seq_lt(g->end, r->end))))
		return;
	*r = (struct rate_sample){
		.delivered = g->delivered,
		.delivered_ns = g->delivered_ns,
		.sent_ns = g->sent_ns,
		.send_ns = g->sent_ns - g->first_sent_ns,
		.end = g->end,
		.flight_bytes = g->sent_flight_bytes,
		.lost_bytes = g->sent_lost_bytes,
		.app_limited = (g->flags & SEG_APP_LIMITED) != 0,
	};
	a->w->first_sent_ns = g->sent_ns;
}

uint64_t rate_of(const struct ack *a)
{
	const struct rate_sample *r = &a->rate;
	uint64_t ns, bytes;

	if (r->delivered_ns == 0)
		return 0;
	ns = RTE_MAX(r->send_ns, a->now_ns - r->delivered_ns);
	bytes = RTE_MIN(a->w->delivered - r->delivered, (uint64_t)UINT32_MAX);
	if (ns == 0 || ns < (uint64_t)a->c->min_rtt_us * 1000) /* ACKs that were held up */
		return 0;
	return bytes * 1000000000 / ns; /* congestion control may divide once an ACK */
}
