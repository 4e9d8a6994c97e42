/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * NewReno: RFC 5681 with the recovery of RFC 6582 (tcp_loss.c) and bytes counted as RFC 3465 says:
 * slow start adds what was acked, two segments for an ACK at most; congestion avoidance a segment
 * for each window.
 */

#include "cc_priv.h"

static void newreno_init(struct cc *c, uint64_t now_ns)
{
	(void)c;
	(void)now_ns;
}

void newreno_grow(struct cc *c, const struct cc_ack *a)
{
	uint32_t acked = a->acked_bytes;

	if (!reno_may_grow(c, a))
		return;
	if (cc_in_slow_start(c))
		acked = cc_slow_start(c, acked, reno_slow_start_limit(c, 2 * c->mss));
	if (!cc_in_slow_start(c))
		reno_avoid(c, acked);
}

static void newreno_on_ack(struct cc *c, const struct cc_ack *a)
{
	reno_see(c, a);
	newreno_grow(c, a);
	cc_pace(c, a);
}

/* RFC 5681 section 3.1, equation 4; RFC 8511 section 3: beta_ecn is 0.8. */
void newreno_on_loss(struct cc *c, uint32_t flight_bytes, bool ecn, uint64_t now_ns)
{
	const uint64_t from = cc_cut_from(c, flight_bytes);

	(void)now_ns;
	reno_cut(c, (uint32_t)(cc_is_mild(c, ecn) ? from * 8 / 10 : from / 2));
}

void newreno_on_timeout(struct cc *c, uint32_t flight_bytes, uint64_t now_ns)
{
	(void)now_ns;
	reno_timeout(c, cc_cut_from(c, flight_bytes) / 2);
}

const struct cc_ops cc_newreno = {
	.name = "newreno",
	.init = newreno_init,
	.on_ack = newreno_on_ack,
	.on_loss = newreno_on_loss,
	.on_timeout = newreno_on_timeout,
	.on_recovered = reno_recovered,
	.undo = reno_undo,
	.on_restart = reno_restart,
};
