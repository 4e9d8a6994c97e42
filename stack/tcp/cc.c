/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Congestion control: which algorithms there are, how a connection begins with one, and what those
 * of Reno's kind share: slow start, rounds, the cut, the way back.
 */

#include "cc_priv.h"

#include <string.h>

const struct cc_ops *cc_find(const char *name, size_t bytes)
{
	static const struct {
		const char *name;
		const struct cc_ops *ops;
	} known[] = {
		{"cubic", &cc_cubic},  {"newreno", &cc_newreno},
		{"reno", &cc_newreno}, /* Linux's name of it */
		{"bbr", &cc_bbr},      {"dctcp", &cc_dctcp},
	};
	const size_t len = strnlen(name, bytes);

	for (size_t i = 0; i < RTE_DIM(known); i++)
		if (strlen(known[i].name) == len && memcmp(known[i].name, name, len) == 0)
			return known[i].ops;
	return NULL;
}

uint32_t cc_initial_window(uint32_t mss)
{
	return RTE_MIN(10 * mss, RTE_MAX(2 * mss, 14600u));
}

void cc_switch(struct cc *c, const struct cc_ops *ops, uint64_t now_ns)
{
	c->ops = ops;
	c->pacing_bytes_s = 0;
	memset(c->priv, 0, sizeof(c->priv));
	ops->init(c, now_ns);
}

void cc_begin(struct cc *c, const struct cc_ops *ops, uint32_t mss, uint64_t now_ns)
{
	*c = (struct cc){.cwnd_bytes = cc_initial_window(mss),
			 .ssthresh_bytes = CC_NO_THRESHOLD,
			 .mss = mss,
			 .ops = ops};
	ops->init(c, now_ns);
}

uint32_t cc_slow_start(struct cc *c, uint32_t acked_bytes, uint32_t most)
{
	const uint32_t add = RTE_MIN(acked_bytes, most);
	const uint32_t end = RTE_MIN(c->ssthresh_bytes, CC_CWND_MOST);
	const uint32_t room = end > c->cwnd_bytes ? end - c->cwnd_bytes : 0;

	if (add <= room) {
		c->cwnd_bytes += add;
		return 0;
	}
	c->cwnd_bytes += room;
	return add - room;
}

void cc_pace(struct cc *c, const struct cc_ack *a)
{
	const uint32_t tenths = c->cwnd_bytes < c->ssthresh_bytes / 2 ? 20 : 12;
	const uint64_t window = RTE_MAX(c->cwnd_bytes, a->flight_bytes);

	if (a->srtt_us != 0)
		c->pacing_bytes_s = window * (tenths * 100000) / a->srtt_us;
}

bool reno_see(struct cc *c, const struct cc_ack *a)
{
	struct reno *r = reno_of(c);
	const bool ends = r->in_round && seq_le(r->round_end, a->una);

	if (ends || !r->in_round) {
		r->in_round = true;
		r->round_end = a->nxt;
		r->was_limited = r->limited;
		r->limited = false;
		r->was_most_bytes = r->most_bytes;
		r->most_bytes = 0;
	}
	r->limited |= a->cwnd_limited;
	r->most_bytes = RTE_MAX(r->most_bytes, a->flight_before_bytes);
	return ends;
}

bool reno_may_grow(struct cc *c, const struct cc_ack *a)
{
	const struct reno *r = reno_of(c);
	const uint32_t most = RTE_MAX(r->most_bytes, r->was_most_bytes);

	if (a->only_sacked || (a->in_recovery && r->phase != RENO_TIMEOUT))
		return false; /* PRR sets the window in recovery */
	if (r->limited || r->was_limited)
		return true;
	/*
	 * A paced sender need not have used it all yet, nor one that asks and answers: it doubles
	 * what was on its way (RFC 7661; Linux: max_packets_out).
	 */
	return cc_in_slow_start(c) && c->cwnd_bytes / 2 < most;
}

uint32_t reno_slow_start_limit(struct cc *c, uint32_t limit)
{
	return reno_of(c)->phase == RENO_TIMEOUT ? c->mss : limit;
}

void reno_avoid(struct cc *c, uint32_t acked_bytes)
{
	struct reno *r = reno_of(c);

	r->credit_bytes += RTE_MIN(acked_bytes, c->cwnd_bytes);
	if (r->credit_bytes < c->cwnd_bytes)
		return;
	r->credit_bytes -= c->cwnd_bytes;
	c->cwnd_bytes = RTE_MIN(c->cwnd_bytes + c->mss, CC_CWND_MOST);
}

/* The first of an episode remembers how it was. */
static void begin_episode(struct cc *c)
{
	if (reno_of(c)->phase != RENO_OPEN)
		return;
	c->prior_cwnd_bytes = c->cwnd_bytes;
	c->prior_ssthresh_bytes = c->ssthresh_bytes;
}

void reno_cut(struct cc *c, uint32_t ssthresh_bytes)
{
	begin_episode(c);
	c->ssthresh_bytes = RTE_MAX(ssthresh_bytes, 2 * c->mss);
	reno_of(c)->credit_bytes = 0;
	reno_of(c)->phase = RENO_CUT;
}

void reno_timeout(struct cc *c, uint32_t ssthresh_bytes)
{
	struct reno *r = reno_of(c);

	begin_episode(c);
	/* RFC 5681 section 3.1: held for a segment that times out again. Of one that was lost in
	   fast recovery Linux says the same: the cut for it has been made. */
	if (r->phase == RENO_OPEN)
		c->ssthresh_bytes = RTE_MAX(ssthresh_bytes, 2 * c->mss);
	r->phase = RENO_TIMEOUT;
	r->credit_bytes = 0;
	c->cwnd_bytes = c->mss;
}

void reno_recovered(struct cc *c, uint64_t now_ns)
{
	struct reno *r = reno_of(c);

	(void)now_ns;
	if (r->phase == RENO_CUT)
		c->cwnd_bytes = c->ssthresh_bytes;
	r->phase = RENO_OPEN;
}

void reno_undo(struct cc *c, uint64_t now_ns)
{
	(void)now_ns;
	c->cwnd_bytes = RTE_MAX(c->cwnd_bytes, c->prior_cwnd_bytes);
	c->ssthresh_bytes = RTE_MAX(c->ssthresh_bytes, c->prior_ssthresh_bytes);
	reno_of(c)->phase = RENO_OPEN;
}

/*
 * RFC 5681 section 4.1 asks for the restart window at once, RFC 2861 (as Linux has it) comes down
 * to it by half for each RTO of rest, and remembers where the window was.
 */
void reno_restart(struct cc *c, uint64_t rest_ns, uint32_t rto_us, uint64_t now_ns)
{
	const uint32_t least = RTE_MIN(cc_initial_window(c->mss), c->cwnd_bytes);
	const uint64_t rto_ns = (uint64_t)rto_us * 1000;

	(void)now_ns;
	if (rest_ns <= rto_ns)
		return;
	c->ssthresh_bytes = RTE_MAX(c->ssthresh_bytes, c->cwnd_bytes - c->cwnd_bytes / 4);
	for (; rest_ns > rto_ns && c->cwnd_bytes > least; rest_ns -= rto_ns)
		c->cwnd_bytes /= 2;
	c->cwnd_bytes = RTE_MAX(c->cwnd_bytes, least);
	reno_of(c)->credit_bytes = 0;
}
