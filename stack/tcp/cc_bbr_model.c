/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * BBR's model of the path (draft-ietf-ccwg-bbr, 5.5): rounds, the most bandwidth of two cycles of
 * ProbeBW, what losses say of the short term, how much ACKs come in heaps, and what fits the pipe.
 */

#include "cc_bbr_priv.h"

uint32_t bbr_bdp(struct cc *c, uint64_t bw, uint32_t percent)
{
	const struct bbr *b = bbr_of(c);
	uint64_t bytes;

	if (b->min_rtt_us == BBR_NONE)
		return cc_initial_window(c->mss);
	bytes = bw * b->min_rtt_us / 1000000;
	return (uint32_t)RTE_MIN(bytes * percent / 100, (uint64_t)CC_CWND_MOST);
}

/* Sections 5.6.3 (C.send_quantum) and 5.5.8.1: three of them, sent, cut and merged. */
static uint32_t offload_budget(const struct cc *c)
{
	const uint64_t quantum = RTE_MIN(c->pacing_bytes_s / 1000, UINT64_C(65536));

	return 3 * RTE_MAX((uint32_t)quantum, 2 * c->mss);
}

uint32_t bbr_quantize(struct cc *c, uint32_t bytes)
{
	bytes = RTE_MAX(bytes, offload_budget(c));
	bytes = RTE_MAX(bytes, bbr_min_cwnd(c));
	return bbr_of(c)->state == BBR_UP ? bytes + 2 * c->mss : bytes;
}

uint32_t bbr_with_headroom(struct cc *c)
{
	const uint32_t most = bbr_of(c)->inflight_long;
	uint32_t room;

	if (most == BBR_NONE)
		return BBR_NONE;
	room = RTE_MAX(c->mss, (uint32_t)((uint64_t)most * BBR_HEADROOM / 100));
	return RTE_MAX(most > room ? most - room : 0, bbr_min_cwnd(c));
}

uint32_t bbr_target(struct cc *c)
{
	return RTE_MIN(bbr_bdp(c, bbr_of(c)->bw, 100), c->cwnd_bytes);
}

bool bbr_too_high(uint32_t lost_bytes, uint32_t flight_bytes, bool no_sack)
{
	return (uint64_t)lost_bytes * 100 > (uint64_t)flight_bytes * BBR_LOSS_THRESH ||
	       (lost_bytes > 0 && no_sack);
}

void bbr_reset_short_term(struct bbr *b)
{
	b->bw_short = BBR_BW_NONE;
	b->inflight_short = BBR_NONE;
}

void bbr_reset_signals(struct bbr *b)
{
	b->loss_in_round = false;
	b->bw_latest = 0;
	b->inflight_latest = 0;
}

void bbr_save_cwnd(struct cc *c)
{
	const struct bbr *b = bbr_of(c);

	if (b->recovering || b->state == BBR_PROBE_RTT)
		c->prior_cwnd_bytes = RTE_MAX(c->prior_cwnd_bytes, c->cwnd_bytes);
	else
		c->prior_cwnd_bytes = c->cwnd_bytes;
}

/* The loss that is found first and the recovery that it begins are one episode. */
void bbr_save(struct cc *c)
{
	struct bbr *b = bbr_of(c);

	if (b->saved)
		return;
	bbr_save_cwnd(c);
	b->saved = true;
	b->undo_state = BBR_NO_STATE;
	b->undo_bw_short = b->bw_short;
	b->undo_inflight_short = b->inflight_short;
	b->undo_inflight_long = b->inflight_long;
}

void bbr_note_loss(struct cc *c)
{
	struct bbr *b = bbr_of(c);

	if (!b->loss_in_round)
		b->loss_round = b->delivered;
	b->loss_in_round = true;
	bbr_save(c);
}

static uint32_t sample_delivered(const struct cc_ack *a)
{
	return (uint32_t)RTE_MIN(a->delivered - a->sent_delivered, (uint64_t)CC_CWND_MOST);
}

/* UpdateLatestDeliverySignals(). */
static void update_latest(struct bbr *b, const struct cc_ack *a, uint64_t rate)
{
	b->bw_latest = RTE_MAX(b->bw_latest, rate);
	b->inflight_latest = RTE_MAX(b->inflight_latest, sample_delivered(a));
	b->loss_round_start = rate > 0 && a->sent_delivered >= b->loss_round;
	if (b->loss_round_start)
		b->loss_round = b->delivered;
}

/* UpdateRound(), and whether the window was used in it. An ACK without a sample ends no round. */
static void update_round(struct bbr *b, const struct cc_ack *a, uint64_t rate)
{
	b->round_start = rate > 0 && a->sent_delivered >= b->next_round;
	if (b->round_start) {
		bbr_start_round(b);
		b->rounds++;
		b->probe_ago += b->probe_ago < UINT8_MAX;
		b->was_cwnd_limited = b->cwnd_limited;
		b->cwnd_limited = false;
	}
	b->cwnd_limited |= a->cwnd_limited;
}

/* IsProbingBW(). */
static bool is_probing(const struct bbr *b)
{
	return b->state == BBR_STARTUP || b->state == BBR_REFILL || b->state == BBR_UP;
}

/* AdaptLowerBoundsFromCongestion(): once a round with a loss, when not probing. */
static void adapt_lower_bounds(struct cc *c)
{
	struct bbr *b = bbr_of(c);

	if (is_probing(b) || !b->loss_in_round)
		return;
	if (b->bw_short == BBR_BW_NONE)
		b->bw_short = bbr_max_bw(b);
	if (b->inflight_short == BBR_NONE)
		b->inflight_short = c->cwnd_bytes;
	b->bw_short = RTE_MAX(b->bw_latest, b->bw_short * BBR_BETA / 100);
	b->inflight_short = RTE_MAX(b->inflight_latest,
				    (uint32_t)((uint64_t)b->inflight_short * BBR_BETA / 100));
}

/* UpdateCongestionSignals(), UpdateMaxBw(). */
static void update_signals(struct cc *c, const struct cc_ack *a, uint64_t rate)
{
	struct bbr *b = bbr_of(c);

	update_round(b, a, rate);
	if (rate >= bbr_max_bw(b) || !b->sample_limited)
		b->max_bw[0] = RTE_MAX(b->max_bw[0], rate);
	if (!b->loss_round_start)
		return;
	adapt_lower_bounds(c);
	b->loss_in_round = false;
}

/* Section 5.5.9: the draft's maximum over ten rounds is one of five to ten here, as in Linux. */
static void update_aggregation(struct cc *c, const struct cc_ack *a)
{
	struct bbr *b = bbr_of(c);
	const uint64_t us = (a->now_ns - b->extra_from_ns) / 1000;
	uint64_t expected = b->bw * RTE_MIN(us, (uint64_t)BBR_US_MOST) / 1000000;

	if (b->round_start && ++b->extra_rounds >= (b->full_bw_reached ? 5 : 1)) {
		b->extra_rounds = 0;
		b->extra_acked[1] = b->extra_acked[0];
		b->extra_acked[0] = 0;
	}
	if (b->extra_delivered <= expected) {
		b->extra_delivered = 0;
		b->extra_from_ns = a->now_ns;
		expected = 0;
	}
	b->extra_delivered = RTE_MIN(b->extra_delivered + a->acked_bytes, CC_CWND_MOST);
	if (b->extra_delivered > expected)
		b->extra_acked[0] =
			RTE_MAX(b->extra_acked[0],
				RTE_MIN(b->extra_delivered - (uint32_t)expected, c->cwnd_bytes));
}

/* Section 5.3.1.2: three rounds in which the rate has not grown by a quarter. */
static void check_full_bw(struct bbr *b, uint64_t rate)
{
	if (b->full_bw_now || !b->round_start || b->sample_limited)
		return;
	if (rate * 4 >= b->full_bw * 5) {
		bbr_reset_full_bw(b, rate);
		return;
	}
	b->full_bw_now = ++b->full_bw_rounds >= 3;
	b->full_bw_reached |= b->full_bw_now;
}

void bbr_model_begin(struct cc *c, const struct cc_ack *a)
{
	struct bbr *b = bbr_of(c);
	const uint64_t rate = RTE_MIN(a->rate_bytes_s, BBR_BW_MOST);

	b->delivered = a->delivered;
	b->sample_limited = a->app_limited ||
			    (b->limited_until != 0 && a->sent_delivered <= b->limited_until);
	update_latest(b, a, rate);
	update_signals(c, a, rate);
	update_aggregation(c, a);
	check_full_bw(b, rate);
}

void bbr_model_end(struct bbr *b, const struct cc_ack *a)
{
	if (b->loss_round_start) {
		b->bw_latest = RTE_MIN(a->rate_bytes_s, BBR_BW_MOST);
		b->inflight_latest = sample_delivered(a);
	}
	b->bw = RTE_MIN(bbr_max_bw(b), b->bw_short);
}
