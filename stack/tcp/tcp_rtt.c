/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Round trips and the retransmission timeout (RFC 6298), as Linux treats them.
 *
 * Every ACK may bring a sample. The mean follows each of them by an eighth. The deviation rises
 * with each by a quarter, but falls by a quarter only in the course of a round trip, however many
 * samples that has (RFC 7323 appendix G): else a hundred equal ones make the next late ACK a
 * timeout.
 */

#include "tcp_priv.h"

#define LOG_SAMPLES_MOST 20 /* more than any window has segments */
#define BACKOFF_MOST	 10 /* RTO_MIN_US so often doubled is beyond RTO_MAX_US */

static_assert((uint64_t)RTO_MIN_US << BACKOFF_MOST > RTO_MAX_US, "see there");

static inline uint32_t bits_of(uint32_t v)
{
	return v == 0 ? 0 : 32 - (uint32_t)__builtin_clz(v);
}

/* The logarithm of how many samples a round trip has: one for each two segments of the flight. */
static uint32_t log_samples(const struct conn *c)
{
	const uint32_t flight = bits_of(c->snd_nxt - c->snd_una);
	const uint32_t two_segs = bits_of(2u * c->mss_out);

	return flight <= two_segs ? 0 : RTE_MIN(flight - two_segs, LOG_SAMPLES_MOST);
}

/* @diff divided by 2^shift, but not 0: away from it, so that a mean arrives at what it follows. */
static inline int32_t part_of(int32_t diff, uint32_t shift)
{
	return diff > 0 ? (diff + (1 << shift) - 1) >> shift : diff >> shift;
}

static void follow(struct conn *c, uint32_t rtt_us)
{
	const int32_t late = (int32_t)(rtt_us - c->srtt_us);
	const int32_t more = (late < 0 ? -late : late) - (int32_t)c->rttvar_us;

	if (more < 0)
		c->rttvar_us += (uint32_t)part_of(more, 2 + log_samples(c));
	else if (late > 0)
		c->rttvar_us += (uint32_t)part_of(more, 2);
	else /* a shorter round trip is hardly a reason to wait longer */
		c->rttvar_us += (uint32_t)part_of(more, 5);
	c->srtt_us += (uint32_t)part_of(late, 3);
}

void rtt_sample(struct conn *c, uint32_t rtt_us)
{
	const uint32_t us = rtt_us == 0 ? 1 : RTE_MIN(rtt_us, RTO_MAX_US);

	if (c->min_rtt_us == 0 || us < c->min_rtt_us)
		c->min_rtt_us = us;
	if (c->srtt_us != 0) {
		follow(c, us);
		return;
	}
	c->srtt_us = us; /* section 2.2 */
	c->rttvar_us = us / 2;
}

/* Section 5.7: without a sample the deviation is the least timeout. */
void rtt_after_lost_syn(struct conn *c)
{
	if (c->srtt_us != 0)
		return;
	c->rttvar_us = RTO_AGAIN_US;
	c->backoff = 0;
}

/* Section 2.3. As in Linux the least timeout is above the mean, not in all. */
uint32_t rto_us(const struct conn *c)
{
	const uint32_t backoff = RTE_MIN(c->backoff, BACKOFF_MOST);
	const uint64_t us = c->srtt_us == 0 ? RTE_MAX(c->rttvar_us, RTO_FIRST_US)
					    : c->srtt_us + RTE_MAX(4 * c->rttvar_us, RTO_MIN_US);

	return (uint32_t)RTE_MIN(us << backoff, (uint64_t)RTO_MAX_US);
}
