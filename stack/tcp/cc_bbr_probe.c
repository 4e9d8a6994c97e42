/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * BBR's ProbeBW (draft-ietf-ccwg-bbr, 5.3.3): down, cruise, refill, up, and when to go from one to
 * the next; what a probe says of how much may be on its way; and when it was too much.
 */

#include "cc_bbr_priv.h"

/* Flows that began at the same time shall not probe at the same time. */
static uint32_t random_31(struct bbr *b, uint64_t salt)
{
	b->random =
		(b->random ^ salt) * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(b->random >> 33);
}

static void pick_probe_wait(struct bbr *b, uint64_t now_ns)
{
	b->probe_ago = random_31(b, now_ns) & 1;
	b->probe_wait_ns =
		UINT64_C(2000000000) + (random_31(b, b->delivered) * UINT64_C(1000000000) >> 31);
}

void bbr_start_down(struct bbr *b, uint64_t now_ns)
{
	bbr_reset_signals(b);
	b->probe_up_per_inc = BBR_NONE;
	pick_probe_wait(b, now_ns);
	b->cycle_ns = now_ns;
	b->ack_phase = ACKS_STOPPING;
	bbr_start_round(b);
	b->state = BBR_DOWN;
}

void bbr_start_refill(struct bbr *b)
{
	bbr_reset_short_term(b);
	b->probe_up_rounds = 0;
	b->probe_up_acked = 0;
	b->prev_precaution = false;
	b->ack_phase = ACKS_REFILLING;
	bbr_start_round(b);
	b->state = BBR_REFILL;
}

/* RaiseInflightLongtermSlope(): twice as steep in each round. */
static void raise_slope(struct cc *c)
{
	struct bbr *b = bbr_of(c);

	b->probe_up_per_inc = RTE_MAX(c->cwnd_bytes >> b->probe_up_rounds, c->mss);
	b->probe_up_rounds = RTE_MIN(b->probe_up_rounds + 1, 30);
}

static void start_up(struct cc *c, uint64_t rate)
{
	struct bbr *b = bbr_of(c);

	b->probe_sample = true;
	b->ack_phase = ACKS_STARTING;
	bbr_start_round(b);
	bbr_reset_full_bw(b, rate);
	b->state = BBR_UP;
	raise_slope(c);
}

/* Of the window, in this round or the one before. */
static bool is_cwnd_limited(const struct bbr *b)
{
	return b->cwnd_limited || b->was_cwnd_limited;
}

/* ProbeInflightLongtermUpward(). */
static void probe_upward(struct cc *c, const struct cc_ack *a)
{
	struct bbr *b = bbr_of(c);
	uint32_t n;

	if (!is_cwnd_limited(b) || c->cwnd_bytes < b->inflight_long)
		return;
	b->probe_up_acked += a->acked_bytes;
	if (b->probe_up_acked >= b->probe_up_per_inc) {
		n = b->probe_up_acked / b->probe_up_per_inc;
		b->probe_up_acked -= n * b->probe_up_per_inc;
		b->inflight_long = RTE_MIN(b->inflight_long + n * c->mss, CC_CWND_MOST);
	}
	if (b->round_start)
		raise_slope(c);
}

/* One round after probing: its samples are all there. True: it probes again at once. */
static bool end_probe(struct bbr *b)
{
	b->probe_sample = false;
	b->ack_phase = ACKS_INIT;
	if (!bbr_in_probe_bw(b))
		return false;
	if (!b->sample_limited) { /* AdvanceMaxBwFilter() */
		b->max_bw[1] = b->max_bw[0];
		b->max_bw[0] = 0;
	}
	if (!b->prev_precaution || b->prev_too_high)
		return false;
	bbr_start_refill(b);
	return true;
}

/* AdaptLongTermModel(). True: it has changed the state. */
static bool adapt_long_term(struct cc *c, const struct cc_ack *a)
{
	struct bbr *b = bbr_of(c);

	if (b->ack_phase == ACKS_STARTING && b->round_start)
		b->ack_phase = ACKS_FEEDBACK;
	if (b->ack_phase == ACKS_STOPPING && b->round_start && end_probe(b))
		return true;
	if (b->inflight_long == BBR_NONE ||
	    bbr_too_high(a->lost_since_bytes, a->sent_flight_bytes, a->no_sack))
		return false;
	b->inflight_long = RTE_MAX(b->inflight_long, a->sent_flight_bytes);
	if (b->state == BBR_UP)
		probe_upward(c, a);
	return false;
}

/* IsTimeToProbeBW(): after two to three seconds, or when Reno would have grown as much. */
static bool is_time_to_probe(struct cc *c, uint64_t now_ns)
{
	const struct bbr *b = bbr_of(c);

	return bbr_has_passed(now_ns, b->cycle_ns + b->probe_wait_ns) ||
	       b->probe_ago * c->mss >= RTE_MIN(bbr_target(c), BBR_RENO_ROUNDS * c->mss);
}

static bool is_time_to_cruise(struct cc *c, const struct cc_ack *a)
{
	const uint32_t fits = bbr_bdp(c, bbr_max_bw(bbr_of(c)), 100);

	return a->flight_bytes <= bbr_with_headroom(c) && a->flight_bytes <= bbr_quantize(c, fits);
}

static bool is_time_to_go_down(struct cc *c, const struct cc_ack *a)
{
	struct bbr *b = bbr_of(c);

	if (b->prev_too_high && a->flight_bytes >= b->inflight_long) {
		b->prev_precaution = true;
		return true;
	}
	if (is_cwnd_limited(b) && c->cwnd_bytes >= b->inflight_long) {
		bbr_reset_full_bw(b, RTE_MIN(a->rate_bytes_s, BBR_BW_MOST));
		return false; /* the bound is what limits it */
	}
	return b->full_bw_now;
}

void bbr_update_probe_bw(struct cc *c, const struct cc_ack *a)
{
	struct bbr *b = bbr_of(c);

	if (!b->full_bw_reached || adapt_long_term(c, a))
		return;
	switch (b->state) {
	case BBR_DOWN:
	case BBR_CRUISE:
		if (is_time_to_probe(c, a->now_ns))
			bbr_start_refill(b);
		else if (b->state == BBR_DOWN && is_time_to_cruise(c, a))
			b->state = BBR_CRUISE;
		break;
	case BBR_REFILL:
		if (b->round_start)
			start_up(c, RTE_MIN(a->rate_bytes_s, BBR_BW_MOST));
		break;
	case BBR_UP:
		if (is_time_to_go_down(c, a)) {
			b->prev_too_high = false;
			bbr_start_down(b, a->now_ns);
		}
		break;
	default:
		break;
	}
}

void bbr_handle_too_high(struct cc *c, uint32_t flight_bytes, bool app_limited, uint64_t now_ns)
{
	struct bbr *b = bbr_of(c);
	const uint32_t least = (uint32_t)((uint64_t)bbr_target(c) * BBR_BETA / 100);

	b->prev_too_high = true;
	b->probe_sample = false;
	if (!app_limited)
		b->inflight_long = RTE_MAX(flight_bytes, least);
	if (b->state == BBR_UP) {
		b->undo_state = BBR_UP;
		bbr_start_down(b, now_ns);
	}
}

uint32_t bbr_flight_at_loss(const struct cc_lost *l)
{
	const int64_t before = (int64_t)l->sent_flight_bytes - l->bytes;
	const int64_t lost = (int64_t)l->lost_since_bytes - l->bytes;
	const int64_t prefix = (BBR_LOSS_THRESH * before - 100 * lost) / (100 - BBR_LOSS_THRESH);
	const int64_t at = before + RTE_MAX(prefix, 0);

	return (uint32_t)RTE_MAX(at, 0);
}
