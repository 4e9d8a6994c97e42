/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * CUBIC (RFC 9438): after a cut the window comes back along a cubic of time, flat where it was
 * when the cut came, and never lower than Reno's would be. The first slow start ends by HyStart++
 * (RFC 9406) when round trips grow. Windows are in bytes, times of the curve in milliseconds.
 */

#include "cc_priv.h"

#define HYSTART_SAMPLES 8 /* N_RTT_SAMPLE */
#define HYSTART_ROUNDS	5 /* CSS_ROUNDS */
#define HYSTART_DIVISOR 4 /* CSS_GROWTH_DIVISOR */
#define HYSTART_MIN_US	4000u
#define HYSTART_MAX_US	16000u
#define RTT_NONE	UINT32_MAX
#define CURVE_MS_MOST	(1u << 17) /* further from K the window has no room left to grow */
#define ALPHA_REST	9	   /* alpha_cubic is 9/17 for a beta of 0.7 (section 4.3) */
#define ALPHA_FULL	17

/* HyStart++'s names: lastRoundMinRTT, currentRoundMinRTT, cssBaselineMinRtt, rttSampleCount. */
struct hystart {
	uint32_t last_us, now_us, base_us;
	uint8_t samples;
	uint8_t css_rounds;
	bool css; /* conservative slow start */
};

/* What a spurious loss brings back (section 4.9.2). */
struct curve {
	uint32_t w_max_bytes;	   /* 0: none, after a timeout and before the first cut */
	uint32_t cwnd_prior_bytes; /* before the cut; 0: HyStart++ ended slow start, without one */
	uint32_t w_est_bytes;
	uint32_t k_ms;
	uint64_t epoch_ns;   /* when this stage of congestion avoidance began */
	uint64_t credit;     /* (target - cwnd) * acked, not turned into segments yet */
	uint64_t est_credit; /* the same of w_est, in 1/17 bytes */
	bool runs;	     /* in congestion avoidance: epoch_ns and what follows is set */
};

struct cubic {
	struct reno reno;
	struct hystart hystart;
	uint64_t last_ns; /* of an ACK, or of the begin of sending */
	struct curve curve;
	struct curve before; /* as it was when the episode began */
};
static_assert(sizeof(struct cubic) <= CC_PRIV_BYTES, "is struct cc's private part");

static struct cubic *cubic_of(struct cc *c)
{
	return (struct cubic *)c->priv;
}

static void cubic_init(struct cc *c, uint64_t now_ns)
{
	struct cubic *q = cubic_of(c);

	q->hystart = (struct hystart){.last_us = RTT_NONE, .now_us = RTT_NONE};
	q->last_ns = now_ns;
}

/* The largest integer whose cube is not more: three bits of @x for one of it. */
static uint32_t cube_root(uint64_t x)
{
	uint64_t y = 0;

	for (int s = 63; s >= 0; s -= 3) {
		y *= 2;
		if (x >> s >= 3 * y * (y + 1) + 1) {
			x -= (3 * y * (y + 1) + 1) << s;
			y++;
		}
	}
	return (uint32_t)y;
}

/* Section 4.2, equation 2: (W_max - cwnd) / C in segments, seconds cubed; C is 2/5. */
static uint32_t cubic_k_ms(uint32_t below_bytes, uint32_t mss)
{
	return cube_root(below_bytes * UINT64_C(2500000000) / mss);
}

/* Section 4.2, equation 1. */
static uint32_t w_cubic(const struct curve *v, uint32_t mss, uint64_t t_ms)
{
	const bool below = t_ms < v->k_ms;
	const uint64_t d = RTE_MIN(below ? v->k_ms - t_ms : t_ms - v->k_ms, CURVE_MS_MOST);
	const uint64_t segs_256 = d * d * d * 256 / UINT64_C(2500000000);
	const uint64_t bytes = segs_256 * mss / 256;

	if (below)
		return bytes < v->w_max_bytes ? (uint32_t)(v->w_max_bytes - bytes) : 0;
	return (uint32_t)RTE_MIN(v->w_max_bytes + bytes, CC_CWND_MOST);
}

/* Congestion avoidance begins, after a cut (4.2), a timeout (4.8) or HyStart++ (4.10). */
static void begin_stage(struct cc *c, struct curve *v, uint64_t now_ns)
{
	v->w_max_bytes = RTE_MAX(v->w_max_bytes, c->cwnd_bytes);
	v->k_ms = cubic_k_ms(v->w_max_bytes - c->cwnd_bytes, c->mss);
	v->w_est_bytes = c->cwnd_bytes;
	v->epoch_ns = now_ns;
	v->credit = 0;
	v->est_credit = 0;
	v->runs = true;
}

/* Section 4.3, equation 4, a segment at a time. */
static void grow_est(const struct cc *c, struct curve *v, uint32_t acked)
{
	const uint64_t step = (uint64_t)ALPHA_FULL * c->cwnd_bytes;

	v->est_credit +=
		(uint64_t)acked * (v->w_est_bytes < v->cwnd_prior_bytes ? ALPHA_REST : ALPHA_FULL);
	if (v->est_credit < step)
		return;
	v->est_credit -= step;
	v->w_est_bytes = RTE_MIN(v->w_est_bytes + c->mss, CC_CWND_MOST);
}

/* Sections 4.4 and 4.5: (target - cwnd) / cwnd for each segment acked, a segment at a time. */
static void grow_curve(struct cc *c, struct curve *v, uint32_t acked, uint64_t t_ms)
{
	const uint32_t cwnd = c->cwnd_bytes;
	const uint64_t step = (uint64_t)cwnd * c->mss;
	uint32_t target = w_cubic(v, c->mss, t_ms);

	if (target <= cwnd)
		return;
	target = RTE_MIN(target, cwnd + cwnd / 2);
	v->credit += (uint64_t)(target - cwnd) * acked;
	if (v->credit < step)
		return;
	c->cwnd_bytes += (uint32_t)(v->credit / step) * c->mss;
	c->cwnd_bytes = RTE_MIN(c->cwnd_bytes, CC_CWND_MOST);
	v->credit %= step;
}

static void avoid(struct cc *c, uint32_t acked, const struct cc_ack *a)
{
	struct curve *v = &cubic_of(c)->curve;
	uint64_t t_ms;

	if (!v->runs)
		begin_stage(c, v, a->now_ns);
	t_ms = (a->now_ns - v->epoch_ns) / 1000000;
	acked = RTE_MIN(acked, c->cwnd_bytes);
	grow_est(c, v, acked);
	if (w_cubic(v, c->mss, t_ms) < v->w_est_bytes)
		c->cwnd_bytes = RTE_MAX(c->cwnd_bytes, v->w_est_bytes);
	else
		grow_curve(c, v, acked, t_ms + a->srtt_us / 1000);
}

/* RFC 9406 section 4.2. Only of the first slow start, as 4.3 recommends. */
static void hystart_see(struct cc *c, const struct cc_ack *a, bool round_ends)
{
	struct hystart *h = &cubic_of(c)->hystart;
	uint32_t thresh_us;

	if (round_ends) {
		h->last_us = h->now_us;
		h->now_us = RTT_NONE;
		h->samples = 0;
		if (h->css && ++h->css_rounds >= HYSTART_ROUNDS) {
			c->ssthresh_bytes = c->cwnd_bytes;
			return;
		}
	}
	if (a->rtt_us == 0)
		return;
	h->now_us = RTE_MIN(h->now_us, a->rtt_us);
	h->samples += h->samples < HYSTART_SAMPLES;
	if (h->samples < HYSTART_SAMPLES)
		return;
	if (h->css) {
		h->css = h->now_us >= h->base_us; /* else it was jitter */
	} else if (h->last_us != RTT_NONE) {
		thresh_us = RTE_MIN(RTE_MAX(h->last_us / 8, HYSTART_MIN_US), HYSTART_MAX_US);
		h->css = h->now_us >= h->last_us + thresh_us;
		h->base_us = h->now_us;
		h->css_rounds = 0;
	}
}

static uint32_t slow_start(struct cc *c, uint32_t acked)
{
	if (cubic_of(c)->hystart.css && c->ssthresh_bytes == CC_NO_THRESHOLD)
		acked /= HYSTART_DIVISOR;
	return cc_slow_start(c, acked, reno_slow_start_limit(c, CC_NO_LIMIT));
}

static void cubic_on_ack(struct cc *c, const struct cc_ack *a)
{
	struct cubic *q = cubic_of(c);
	const bool round_ends = reno_see(c, a);
	uint32_t acked = a->acked_bytes;

	if (c->ssthresh_bytes == CC_NO_THRESHOLD)
		hystart_see(c, a, round_ends);
	if (reno_may_grow(c, a)) {
		if (cc_in_slow_start(c))
			acked = slow_start(c, acked);
		if (!cc_in_slow_start(c))
			avoid(c, acked, a);
	} else {
		/* Section 4.2: time in which the window was not used does not count. */
		q->curve.epoch_ns += a->now_ns - q->last_ns;
	}
	q->last_ns = a->now_ns;
	cc_pace(c, a);
}

/* Section 4.6: beta_cubic is 0.7; RFC 8511 section 3: for a mark beta_ecn, 0.85. In hundredths. */
#define BETA_LOSS 70
#define BETA_MARK 85

/* Sections 4.6 and 4.7: W_max is where it was, or less when it was less than last time. */
static void end_stage(struct cc *c, uint32_t beta)
{
	struct cubic *q = cubic_of(c);
	struct curve *v = &q->curve;
	const uint64_t cwnd = c->cwnd_bytes;

	if (q->reno.phase == RENO_OPEN)
		q->before = *v;
	v->runs = false;
	if (q->reno.phase != RENO_OPEN)
		return; /* this congestion has had its cut */
	v->w_max_bytes = (uint32_t)(cwnd < v->w_max_bytes ? cwnd * (100 + beta) / 200 : cwnd);
	v->cwnd_prior_bytes = c->cwnd_bytes;
}

static uint32_t cubic_ssthresh(const struct cc *c, uint32_t flight_bytes, uint32_t beta)
{
	return (uint32_t)((uint64_t)cc_cut_from(c, flight_bytes) * beta / 100);
}

static void cubic_on_loss(struct cc *c, uint32_t flight_bytes, bool ecn, uint64_t now_ns)
{
	const uint32_t beta = cc_is_mild(c, ecn) ? BETA_MARK : BETA_LOSS;

	(void)now_ns;
	end_stage(c, beta);
	reno_cut(c, cubic_ssthresh(c, flight_bytes, beta));
}

/* Section 4.8: the curve begins anew where congestion avoidance does. */
static void cubic_on_timeout(struct cc *c, uint32_t flight_bytes, uint64_t now_ns)
{
	(void)now_ns;
	end_stage(c, BETA_LOSS);
	cubic_of(c)->curve.w_max_bytes = 0;
	reno_timeout(c, cubic_ssthresh(c, flight_bytes, BETA_LOSS));
}

/* Section 4.9. */
static void cubic_undo(struct cc *c, uint64_t now_ns)
{
	struct cubic *q = cubic_of(c);

	if (q->reno.phase != RENO_OPEN && c->cwnd_bytes < c->prior_cwnd_bytes)
		q->curve = q->before;
	reno_undo(c, now_ns);
}

static void cubic_on_restart(struct cc *c, uint64_t rest_ns, uint32_t rto_us, uint64_t now_ns)
{
	struct cubic *q = cubic_of(c);

	q->curve.epoch_ns += now_ns - q->last_ns;
	q->last_ns = now_ns;
	reno_restart(c, rest_ns, rto_us, now_ns);
	if (cc_in_slow_start(c))
		q->curve.runs = false;
}

const struct cc_ops cc_cubic = {
	.name = "cubic",
	.init = cubic_init,
	.on_ack = cubic_on_ack,
	.on_loss = cubic_on_loss,
	.on_timeout = cubic_on_timeout,
	.on_recovered = reno_recovered,
	.undo = cubic_undo,
	.on_restart = cubic_on_restart,
};
