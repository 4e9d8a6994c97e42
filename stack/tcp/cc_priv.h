/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What the algorithms of congestion control share (cc.c). Those that are Reno with another curve
 * or another cut (NewReno, CUBIC, DCTCP) have a struct reno first in their private part.
 */

#include "tcp_priv.h"

#define CC_CWND_MOST	(1u << 30) /* the widest window that can be offered (RFC 7323, 2.3) */
#define CC_NO_THRESHOLD UINT32_MAX /* of ssthresh_bytes */
#define CC_NO_LIMIT	UINT32_MAX /* of what one ACK may add in slow start */

enum reno_phase {
	RENO_OPEN,
	RENO_CUT,     /* PRR brings the window down to the threshold */
	RENO_TIMEOUT, /* slow start after a timeout */
};

struct reno {
	uint32_t credit_bytes; /* acked, and not turned into a wider window yet (RFC 3465) */
	uint32_t round_end;    /* SND.NXT when the round began; with in_round */
	uint32_t most_bytes, was_most_bytes; /* on their way, in this round; in the one before */
	uint8_t phase;			     /* enum reno_phase */
	bool in_round;
	bool limited, was_limited; /* all the window was used in this round; in the one before */
};

extern const struct cc_ops cc_newreno, cc_cubic, cc_bbr, cc_dctcp;

static inline struct reno *reno_of(struct cc *c)
{
	return (struct reno *)c->priv;
}

/* RFC 6928 section 2. */
uint32_t cc_initial_window(uint32_t mss);

static inline bool cc_in_slow_start(const struct cc *c)
{
	return c->cwnd_bytes < c->ssthresh_bytes;
}

/*
 * A mark in congestion avoidance comes from a short queue, and asks for a smaller cut than a loss
 * (ABE, RFC 8511 section 3).
 */
static inline bool cc_is_mild(const struct cc *c, bool ecn)
{
	return ecn && !cc_in_slow_start(c);
}

/* The lower of window and FlightSize: what a cut begins from (RFC 5681 section 3.1). */
static inline uint32_t cc_cut_from(const struct cc *c, uint32_t flight_bytes)
{
	return RTE_MIN(c->cwnd_bytes, flight_bytes);
}

/*
 * Grow by what was acked, at most @most bytes, up to the threshold.
 * @return bytes acked that are left for congestion avoidance.
 */
uint32_t cc_slow_start(struct cc *c, uint32_t acked_bytes, uint32_t most);

/* Linux's: twice the window a round trip in slow start, 1.2 times in congestion avoidance. */
void cc_pace(struct cc *c, const struct cc_ack *a);

/* Follow rounds and whether the window is used. @return true: this ACK ends a round. */
bool reno_see(struct cc *c, const struct cc_ack *a);

/* The window was used, and nobody else sets it. */
bool reno_may_grow(struct cc *c, const struct cc_ack *a);

/* What slow start may add for one ACK: RFC 3465 section 2.3, @limit when no timeout was. */
uint32_t reno_slow_start_limit(struct cc *c, uint32_t limit);

/* A segment for each window acked (RFC 3465 section 2.1). */
void reno_avoid(struct cc *c, uint32_t acked_bytes);

/* The four of cc_ops, given what the threshold will be. */
void reno_cut(struct cc *c, uint32_t ssthresh_bytes);
void reno_timeout(struct cc *c, uint32_t ssthresh_bytes);
void reno_recovered(struct cc *c, uint64_t now_ns);
void reno_undo(struct cc *c, uint64_t now_ns);
void reno_restart(struct cc *c, uint64_t rest_ns, uint32_t rto_us, uint64_t now_ns);

/* The same of NewReno, for who differs only elsewhere. */
void newreno_grow(struct cc *c, const struct cc_ack *a);
void newreno_on_loss(struct cc *c, uint32_t flight_bytes, bool ecn, uint64_t now_ns);
void newreno_on_timeout(struct cc *c, uint32_t flight_bytes, uint64_t now_ns);
