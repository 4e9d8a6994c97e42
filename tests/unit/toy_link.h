/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A sender with one algorithm of congestion control, and a path for it: a bottleneck with a rate
 * and a queue, a delay, random loss. In virtual time, by seed. The sender always has more to send
 * (or as much as app_bytes_s gives), is told of every packet that arrives, and finds one lost when
 * one that was sent three later arrives. What is sent again counts as new: congestion control sees
 * bytes, not what is in them. Fast recovery is PRR's (RFC 6937) with its slow-start bound.
 */

#include "cc_priv.h"

#define LINK_MSS  1460u
#define LINK_PKTS (1u << 15)

struct toy_pkt {
	uint64_t sent_ns, ack_ns;
	uint64_t delivered, delivered_ns, first_sent_ns;
	uint32_t flight, lost;
	bool dropped, marked, app_limited;
};

struct toy_link {
	/* The path. */
	uint64_t rate_bytes_s;
	uint64_t rtt_ns; /* without a queue */
	uint64_t queue_bytes;
	uint64_t mark_bytes;  /* a queue longer than that marks; 0: never */
	uint32_t loss_ppm;    /* random */
	uint32_t loss_every;  /* of so many packets one is lost; 0: none */
	uint64_t app_bytes_s; /* 0: always more */
	uint64_t seed;
	/* The sender. */
	struct cc cc;
	uint64_t now_ns, busy_ns, pace_ns;
	uint64_t delivered, delivered_ns, first_sent_ns, app_limited;
	uint64_t sent_bytes;
	uint32_t flight, lost, recover, prr_delivered, prr_out, recover_fs;
	uint32_t newest, oldest, arrives; /* packets: next to send, not settled, next to arrive */
	uint32_t srtt_us, min_rtt_us;
	bool recovering, timed_out, cwnd_limited;
	/* What came of it. */
	uint64_t queue_most_bytes, drops, marks, timeouts, cuts;
	struct toy_pkt pkt[LINK_PKTS];
};

static inline uint32_t link_random(struct toy_link *l)
{
	l->seed = l->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(l->seed >> 33);
}

static inline struct toy_pkt *link_pkt(struct toy_link *l, uint32_t i)
{
	return &l->pkt[i % LINK_PKTS];
}

static inline void link_begin(struct toy_link *l, const struct cc_ops *ops)
{
	l->now_ns = 1000000000;
	l->busy_ns = l->now_ns;
	l->min_rtt_us = UINT32_MAX;
	cc_begin(&l->cc, ops, LINK_MSS, l->now_ns);
}

static inline uint64_t link_queue(const struct toy_link *l)
{
	return l->busy_ns > l->now_ns ? (l->busy_ns - l->now_ns) * l->rate_bytes_s / 1000000000 : 0;
}

static inline void link_send(struct toy_link *l)
{
	struct toy_pkt *p = link_pkt(l, l->newest);
	const uint64_t queue = link_queue(l);

	if (l->flight == 0)
		l->first_sent_ns = l->delivered_ns = l->now_ns;
	l->flight += LINK_MSS;
	l->sent_bytes += LINK_MSS;
	l->prr_out += LINK_MSS;
	*p = (struct toy_pkt){.sent_ns = l->now_ns,
			      .delivered = l->delivered,
			      .delivered_ns = l->delivered_ns,
			      .first_sent_ns = l->first_sent_ns,
			      .app_limited = l->app_limited != 0,
			      .flight = l->flight,
			      .lost = l->lost};
	l->newest++;
	p->dropped = queue + LINK_MSS > l->queue_bytes || link_random(l) % 1000000 < l->loss_ppm ||
		     (l->loss_every != 0 && l->newest % l->loss_every == 0);
	p->marked = l->mark_bytes != 0 && queue > l->mark_bytes;
	l->drops += p->dropped;
	l->marks += p->marked;
	l->queue_most_bytes = RTE_MAX(l->queue_most_bytes, queue);
	if (p->dropped)
		return;
	l->busy_ns = RTE_MAX(l->busy_ns, l->now_ns) + LINK_MSS * 1000000000ull / l->rate_bytes_s;
	p->ack_ns = l->busy_ns + l->rtt_ns;
}

/* Whether and when the sender may send; UINT64_MAX: something has to arrive first. */
static inline uint64_t link_send_at(struct toy_link *l)
{
	uint64_t at = RTE_MAX(l->now_ns, l->pace_ns);

	if (l->flight + LINK_MSS > l->cc.cwnd_bytes) {
		l->cwnd_limited = true;
		return UINT64_MAX;
	}
	if (l->newest - l->oldest >= LINK_PKTS - 1)
		return UINT64_MAX;
	if (l->app_bytes_s != 0) {
		const uint64_t due = 1000000000 + l->sent_bytes * 1000000000 / l->app_bytes_s;

		if (due > l->now_ns)
			l->app_limited = l->delivered + l->flight;
		at = RTE_MAX(at, due);
	}
	return at;
}

static inline void link_recover(struct toy_link *l, bool ecn)
{
	l->recovering = true;
	l->cuts++;
	l->recover = l->newest;
	l->prr_delivered = 0;
	l->prr_out = 0;
	l->recover_fs = RTE_MAX(l->flight, LINK_MSS);
	l->cc.ops->on_loss(&l->cc, (l->newest - l->oldest) * LINK_MSS, ecn, l->now_ns);
}

/* RFC 6937. */
static inline void link_prr(struct toy_link *l)
{
	const uint64_t thresh = l->cc.ssthresh_bytes;
	uint64_t send;

	if (l->flight > thresh) {
		send = (l->prr_delivered * thresh + l->recover_fs - 1) / l->recover_fs;
		send = send > l->prr_out ? send - l->prr_out : 0;
	} else {
		send = l->prr_delivered > l->prr_out ? l->prr_delivered - l->prr_out : 0;
		send = RTE_MIN(RTE_MAX(send, LINK_MSS) + LINK_MSS, thresh - l->flight);
	}
	l->cc.cwnd_bytes = (uint32_t)(l->flight + send);
}

static inline void link_lose(struct toy_link *l, const struct toy_pkt *p)
{
	const struct cc_lost lost = {.now_ns = l->now_ns,
				     .delivered = l->delivered,
				     .bytes = LINK_MSS,
				     .sent_flight_bytes = p->flight,
				     .lost_since_bytes = l->lost + LINK_MSS - p->lost,
				     .app_limited = p->app_limited};

	l->flight -= LINK_MSS;
	l->lost += LINK_MSS;
	if (l->cc.ops->on_lost != NULL)
		l->cc.ops->on_lost(&l->cc, &lost);
}

/* The rate sample of a packet that has arrived (BBR's draft, section 4.1). */
static inline uint64_t link_rate(struct toy_link *l, const struct toy_pkt *p)
{
	const uint64_t acked = l->delivered - p->delivered;
	const uint64_t ns =
		RTE_MAX(l->delivered_ns - p->delivered_ns, p->sent_ns - p->first_sent_ns);

	if (l->app_limited != 0 && l->delivered > l->app_limited)
		l->app_limited = 0;
	l->first_sent_ns = p->sent_ns;
	return ns == 0 || ns / 1000 < l->min_rtt_us ? 0 : acked * 1000000000 / ns;
}

static inline void link_rtt(struct toy_link *l, uint32_t rtt_us)
{
	l->min_rtt_us = RTE_MIN(l->min_rtt_us, rtt_us);
	l->srtt_us = l->srtt_us == 0 ? rtt_us : l->srtt_us - l->srtt_us / 8 + rtt_us / 8;
}

/* The packet that is next to arrive has. */
static inline void link_arrive(struct toy_link *l)
{
	const uint32_t i = l->arrives++;
	const struct toy_pkt *p = link_pkt(l, i);
	struct cc_ack a = {.now_ns = l->now_ns,
			   .acked_bytes = LINK_MSS,
			   .flight_before_bytes = l->flight,
			   .sent_delivered = p->delivered,
			   .sent_flight_bytes = p->flight,
			   .rtt_us = (uint32_t)((l->now_ns - p->sent_ns) / 1000),
			   .marked_bytes = p->marked ? LINK_MSS : 0,
			   .una = (i + 1) * LINK_MSS,
			   .nxt = l->newest * LINK_MSS,
			   .app_limited = p->app_limited};
	const uint32_t lost_before = l->lost;
	bool again = false; /* something was lost that was sent after the last cut */

	l->flight -= LINK_MSS;
	l->delivered += LINK_MSS;
	l->delivered_ns = l->now_ns;
	l->prr_delivered += LINK_MSS;
	link_rtt(l, a.rtt_us);
	a.rate_bytes_s = link_rate(l, p);
	if (l->recovering && i >= l->recover) {
		l->recovering = false;
		l->timed_out = false;
		l->cc.ops->on_recovered(&l->cc, l->now_ns);
	}
	for (; l->oldest + 3 <= i; l->oldest++) {
		if (!link_pkt(l, l->oldest)->dropped)
			continue;
		link_lose(l, link_pkt(l, l->oldest));
		again |= l->oldest >= l->recover;
	}
	if (!l->recovering && (again || (p->marked && i >= l->recover)))
		link_recover(l, !again);
	a.lost_bytes = l->lost - lost_before;
	a.lost_since_bytes = l->lost - p->lost;
	a.delivered = l->delivered;
	a.flight_bytes = l->flight;
	a.srtt_us = l->srtt_us;
	a.min_rtt_us = l->min_rtt_us;
	a.cwnd_limited = l->cwnd_limited;
	a.in_recovery = l->recovering;
	l->cwnd_limited = false;
	l->cc.ops->on_ack(&l->cc, &a);
	if (l->recovering && !l->timed_out && !l->cc.ops->own_recovery)
		link_prr(l);
}

/* Nothing is on its way that would arrive. */
static inline void link_time_out(struct toy_link *l)
{
	const uint32_t flight = (l->newest - l->oldest) * LINK_MSS;

	l->now_ns += 200000000 + l->srtt_us * 1000ull;
	l->timeouts++;
	for (; l->oldest != l->newest; l->oldest++)
		if (link_pkt(l, l->oldest)->dropped)
			link_lose(l, link_pkt(l, l->oldest));
	l->arrives = l->newest;
	l->recover = l->newest;
	l->recovering = true;
	l->timed_out = true;
	l->cc.ops->on_timeout(&l->cc, flight, l->now_ns);
}

/* Let so much time pass. */
static inline void link_run(struct toy_link *l, uint64_t ns)
{
	const uint64_t end = l->now_ns + ns;

	while (l->now_ns < end) {
		const uint64_t send_at = link_send_at(l);

		while (l->arrives != l->newest && link_pkt(l, l->arrives)->dropped)
			l->arrives++;
		if (l->arrives != l->newest && link_pkt(l, l->arrives)->ack_ns <= send_at) {
			l->now_ns = RTE_MAX(l->now_ns, link_pkt(l, l->arrives)->ack_ns);
			link_arrive(l);
		} else if (send_at != UINT64_MAX) {
			l->now_ns = send_at;
			link_send(l);
			if (l->cc.pacing_bytes_s != 0)
				l->pace_ns =
					l->now_ns + LINK_MSS * 1000000000ull / l->cc.pacing_bytes_s;
		} else {
			link_time_out(l);
		}
	}
}

/* Of what the path could have carried in so much time, how much has arrived since, in permille. */
static inline uint64_t link_permille(const struct toy_link *l, uint64_t delivered_before,
				     uint64_t ns)
{
	return (l->delivered - delivered_before) * 1000 / (l->rate_bytes_s * (ns / 1000000) / 1000);
}
