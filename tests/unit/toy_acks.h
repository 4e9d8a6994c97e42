/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * ACKs by hand for one algorithm: a sender that uses all its window, and hears of all that was on
 * its way once a round trip.
 */

#include "cc_priv.h"

#define ACKS_MSS 1000u

struct toy_acks {
	struct cc cc;
	uint64_t now_ns;
	uint64_t delivered;
	uint32_t rtt_us;
	uint32_t una;
	bool idle; /* the window is not used */
	bool recovering;
};

static inline void acks_begin(struct toy_acks *t, const struct cc_ops *ops, uint32_t rtt_us)
{
	*t = (struct toy_acks){.now_ns = 5000000000, .rtt_us = rtt_us, .una = UINT32_MAX - 50000};
	cc_begin(&t->cc, ops, ACKS_MSS, t->now_ns);
}

static inline struct cc_ack acks_next(struct toy_acks *t, uint32_t bytes)
{
	const uint32_t flight = t->idle ? ACKS_MSS : t->cc.cwnd_bytes;
	const uint64_t before = t->delivered;

	t->una += bytes;
	t->delivered += bytes;
	return (struct cc_ack){.now_ns = t->now_ns,
			       .delivered = t->delivered,
			       .sent_delivered = before > flight ? before - flight : 0,
			       .sent_flight_bytes = flight,
			       .acked_bytes = bytes,
			       .flight_before_bytes = flight,
			       .flight_bytes = flight > bytes ? flight - bytes : 0,
			       .rtt_us = t->rtt_us,
			       .srtt_us = t->rtt_us,
			       .min_rtt_us = t->rtt_us,
			       .una = t->una,
			       .nxt = t->una + flight,
			       .cwnd_limited = !t->idle,
			       .in_recovery = t->recovering};
}

static inline void acks_one(struct toy_acks *t, uint32_t bytes)
{
	const struct cc_ack a = acks_next(t, bytes);

	t->cc.ops->on_ack(&t->cc, &a);
}

/* A window's worth, segment by segment, spread over a round trip. */
static inline void acks_round(struct toy_acks *t)
{
	const uint32_t n = t->cc.cwnd_bytes / ACKS_MSS;

	for (uint32_t i = 0; i < n; i++) {
		t->now_ns += t->rtt_us * 1000ull / n;
		acks_one(t, ACKS_MSS);
	}
}
