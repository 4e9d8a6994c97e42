/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * BBR, version 3 (draft-ietf-ccwg-bbr): its states and what they let out. It measures the most
 * bandwidth and the least round trip of the path and keeps about as much on its way as that pipe
 * holds; it probes for more from time to time, and comes down to see the round trip without a
 * queue. Loss is a bound to it, not the signal. It paces, and sets its window in recovery itself.
 */

#include "cc_bbr_priv.h"

/* Section 5.6.1: the gains of each state, in percent. */
static const struct {
	uint16_t pacing, cwnd;
} gains[] = {
	[BBR_STARTUP] = {BBR_START_GAIN, 200},
	[BBR_DRAIN] = {50, 200},
	[BBR_DOWN] = {90, 200},
	[BBR_CRUISE] = {100, 200},
	[BBR_REFILL] = {100, 200},
	[BBR_UP] = {125, 225},
	[BBR_PROBE_RTT] = {100, 50},
};

/* ---- pacing (section 5.6.2) ---- */

static void init_pacing(struct cc *c, uint32_t srtt_us)
{
	c->pacing_bytes_s = (uint64_t)c->cwnd_bytes * BBR_START_GAIN * 10000 / srtt_us;
}

static void set_pacing(struct cc *c, uint32_t gain)
{
	const struct bbr *b = bbr_of(c);
	const uint64_t rate = b->bw * gain / 100 * (100 - BBR_MARGIN) / 100;

	if (rate > c->pacing_bytes_s || (b->full_bw_reached && rate > 0))
		c->pacing_bytes_s = rate;
}

/* ---- Startup and Drain (sections 5.3.1 and 5.3.2) ---- */

/* CheckStartupHighLoss(). */
static void check_startup_loss(struct cc *c, const struct cc_ack *a)
{
	struct bbr *b = bbr_of(c);
	const uint8_t enough = a->no_sack ? 1 : BBR_LOSS_EVENTS;

	b->loss_events += a->lost_bytes > 0 && b->loss_events < UINT8_MAX;
	if (!b->loss_round_start && !a->no_sack)
		return;
	if (b->recovering && b->loss_events >= enough &&
	    bbr_too_high(a->lost_since_bytes, a->sent_flight_bytes, a->no_sack)) {
		b->undo_state = BBR_STARTUP;
		b->full_bw_now = true;
		b->full_bw_reached = true;
		b->inflight_long = RTE_MAX(bbr_bdp(c, b->bw, 100), b->inflight_latest);
	}
	b->loss_events = 0;
}

static void update_startup_and_drain(struct cc *c, const struct cc_ack *a)
{
	struct bbr *b = bbr_of(c);

	if (b->state == BBR_STARTUP) {
		if (!b->full_bw_reached)
			check_startup_loss(c, a);
		if (b->full_bw_reached) {
			b->state = BBR_DRAIN;
			b->drain_from_round = b->rounds;
		}
	}
	if (b->state == BBR_DRAIN && (a->flight_bytes <= bbr_quantize(c, bbr_bdp(c, b->bw, 100)) ||
				      b->rounds - b->drain_from_round > 3))
		bbr_start_down(b, a->now_ns);
}

/* ---- ProbeRTT (section 5.3.4) ---- */

static void update_min_rtt(struct cc *c, const struct cc_ack *a)
{
	struct bbr *b = bbr_of(c);

	b->min_rtt_expired = bbr_has_passed(a->now_ns, b->min_rtt_at_ns + BBR_MIN_RTT_NS);
	if (b->min_rtt_expired && b->state != BBR_PROBE_RTT)
		b->probe_rtt_cwnd =
			RTE_MAX(bbr_bdp(c, b->bw, gains[BBR_PROBE_RTT].cwnd), bbr_min_cwnd(c));
	if (a->rtt_us != 0 && (a->rtt_us < b->min_rtt_us || b->min_rtt_expired)) {
		b->min_rtt_us = RTE_MIN(a->rtt_us, BBR_US_MOST);
		b->min_rtt_at_ns = a->now_ns;
	}
}

static void restore_cwnd(struct cc *c)
{
	c->cwnd_bytes = RTE_MAX(c->cwnd_bytes, c->prior_cwnd_bytes);
}

static void check_probe_rtt_done(struct cc *c, uint64_t now_ns)
{
	struct bbr *b = bbr_of(c);

	if (b->probe_rtt_done_ns == 0 || !bbr_has_passed(now_ns, b->probe_rtt_done_ns))
		return;
	b->min_rtt_at_ns = now_ns;
	restore_cwnd(c);
	bbr_reset_short_term(b);
	b->state = BBR_STARTUP;
	if (b->full_bw_reached) {
		bbr_start_down(b, now_ns);
		b->state = BBR_CRUISE;
	}
}

static void handle_probe_rtt(struct cc *c, const struct cc_ack *a)
{
	struct bbr *b = bbr_of(c);

	b->limited_until = RTE_MAX(b->delivered + a->flight_bytes, UINT64_C(1));
	if (b->probe_rtt_done_ns == 0) {
		if (a->flight_bytes > b->probe_rtt_cwnd)
			return;
		b->probe_rtt_done_ns = a->now_ns + BBR_PROBE_NS;
		b->probe_rtt_round_done = false;
		bbr_start_round(b);
		return;
	}
	b->probe_rtt_round_done |= b->round_start;
	if (b->probe_rtt_round_done)
		check_probe_rtt_done(c, a->now_ns);
}

static void check_probe_rtt(struct cc *c, const struct cc_ack *a)
{
	struct bbr *b = bbr_of(c);

	if (b->state != BBR_PROBE_RTT && b->min_rtt_expired && !b->idle_restart) {
		bbr_save_cwnd(c);
		b->state = BBR_PROBE_RTT;
		b->probe_rtt_done_ns = 0;
		b->ack_phase = ACKS_STOPPING;
		bbr_start_round(b);
	}
	if (b->state == BBR_PROBE_RTT)
		handle_probe_rtt(c, a);
	b->idle_restart = false;
}

/* ---- the window (section 5.6.4) ---- */

static void bound_cwnd(struct cc *c)
{
	const struct bbr *b = bbr_of(c);
	uint32_t most = BBR_NONE;

	if (b->state == BBR_PROBE_RTT || b->state == BBR_CRUISE)
		most = bbr_with_headroom(c);
	else if (bbr_in_probe_bw(b))
		most = b->inflight_long;
	if (b->state == BBR_PROBE_RTT)
		most = RTE_MIN(most, b->probe_rtt_cwnd);
	most = RTE_MAX(RTE_MIN(most, b->inflight_short), bbr_min_cwnd(c));
	c->cwnd_bytes = RTE_MIN(c->cwnd_bytes, RTE_MIN(most, CC_CWND_MOST));
}

static void set_cwnd(struct cc *c, const struct cc_ack *a)
{
	const struct bbr *b = bbr_of(c);
	const uint32_t most =
		bbr_quantize(c, bbr_bdp(c, b->bw, gains[b->state].cwnd) +
					RTE_MAX(b->extra_acked[0], b->extra_acked[1]));

	if (b->full_bw_reached)
		c->cwnd_bytes = RTE_MIN(c->cwnd_bytes + a->acked_bytes, most);
	else if (c->cwnd_bytes < most || b->delivered < cc_initial_window(c->mss))
		c->cwnd_bytes += a->acked_bytes;
	c->cwnd_bytes = RTE_MAX(c->cwnd_bytes, bbr_min_cwnd(c));
	bound_cwnd(c);
}

/* ---- struct cc_ops ---- */

static void bbr_init(struct cc *c, uint64_t now_ns)
{
	struct bbr *b = bbr_of(c);

	b->min_rtt_us = BBR_NONE;
	b->min_rtt_at_ns = now_ns;
	b->extra_from_ns = now_ns;
	b->probe_rtt_cwnd = c->cwnd_bytes;
	b->inflight_long = BBR_NONE;
	b->probe_up_per_inc = BBR_NONE;
	b->undo_state = BBR_NO_STATE;
	bbr_reset_short_term(b);
	init_pacing(c, 1000);
}

static void see_first_rtt(struct cc *c, const struct cc_ack *a)
{
	struct bbr *b = bbr_of(c);

	if (b->seen_rtt || a->srtt_us == 0)
		return;
	b->seen_rtt = true;
	b->random ^= (uint64_t)a->una << 32;
	init_pacing(c, a->srtt_us);
}

static void bbr_on_ack(struct cc *c, const struct cc_ack *a)
{
	struct bbr *b = bbr_of(c);

	if (a->lost_bytes > 0)
		bbr_note_loss(c);
	if (a->acked_bytes == 0)
		return;
	see_first_rtt(c, a);
	bbr_model_begin(c, a);
	update_startup_and_drain(c, a);
	bbr_update_probe_bw(c, a);
	update_min_rtt(c, a);
	check_probe_rtt(c, a);
	bbr_model_end(b, a);
	set_pacing(c, gains[b->state].pacing);
	set_cwnd(c, a);
}

/* HandleLostPacket(). */
static void bbr_on_lost(struct cc *c, const struct cc_lost *l)
{
	struct bbr *b = bbr_of(c);

	b->delivered = l->delivered;
	bbr_note_loss(c);
	if (b->probe_sample && bbr_too_high(l->lost_since_bytes, l->sent_flight_bytes, l->no_sack))
		bbr_handle_too_high(c, bbr_flight_at_loss(l), l->app_limited, l->now_ns);
}

/* The draft leaves marks open, but they are to count as congestion (section 3.7): as losses do. */
static void bbr_on_loss(struct cc *c, uint32_t flight_bytes, bool ecn, uint64_t now_ns)
{
	struct bbr *b = bbr_of(c);

	bbr_save(c);
	b->recovering = true;
	if (!ecn)
		return;
	bbr_note_loss(c);
	if (b->probe_sample)
		bbr_handle_too_high(c, flight_bytes, b->sample_limited, now_ns);
}

static void bbr_on_timeout(struct cc *c, uint32_t flight_bytes, uint64_t now_ns)
{
	(void)flight_bytes;
	(void)now_ns;
	bbr_save_cwnd(c);
	bbr_save(c);
	bbr_of(c)->recovering = true;
	c->cwnd_bytes = c->mss;
}

static void bbr_on_recovered(struct cc *c, uint64_t now_ns)
{
	struct bbr *b = bbr_of(c);

	(void)now_ns;
	if (!b->recovering)
		return;
	b->recovering = false;
	b->saved = false;
	restore_cwnd(c);
	bound_cwnd(c);
}

/* HandleSpuriousLossDetection(). */
static void bbr_undo(struct cc *c, uint64_t now_ns)
{
	struct bbr *b = bbr_of(c);

	(void)now_ns;
	restore_cwnd(c);
	b->recovering = false;
	b->saved = false;
	b->loss_in_round = false;
	bbr_reset_full_bw(b, 0);
	b->bw_short = RTE_MAX(b->bw_short, b->undo_bw_short);
	b->inflight_short = RTE_MAX(b->inflight_short, b->undo_inflight_short);
	b->inflight_long = RTE_MAX(b->inflight_long, b->undo_inflight_long);
	if (b->undo_state == BBR_STARTUP && b->state != BBR_STARTUP) {
		b->full_bw_reached = false;
		if (b->state != BBR_PROBE_RTT)
			b->state = BBR_STARTUP;
	} else if (b->undo_state == BBR_UP && b->state != BBR_UP && b->state != BBR_PROBE_RTT) {
		bbr_start_refill(b);
	}
	b->undo_state = BBR_NO_STATE;
}

/* HandleRestartFromIdle() (section 5.4): the pipe is empty, the model still holds. */
static void bbr_on_restart(struct cc *c, uint64_t rest_ns, uint32_t rto_us, uint64_t now_ns)
{
	struct bbr *b = bbr_of(c);

	(void)rest_ns;
	(void)rto_us;
	b->idle_restart = true;
	b->extra_from_ns = now_ns;
	if (bbr_in_probe_bw(b))
		set_pacing(c, 100);
	else if (b->state == BBR_PROBE_RTT)
		check_probe_rtt_done(c, now_ns);
}

const struct cc_ops cc_bbr = {
	.name = "bbr",
	.init = bbr_init,
	.on_ack = bbr_on_ack,
	.on_lost = bbr_on_lost,
	.on_loss = bbr_on_loss,
	.on_timeout = bbr_on_timeout,
	.on_recovered = bbr_on_recovered,
	.undo = bbr_undo,
	.on_restart = bbr_on_restart,
	.own_recovery = true,
};
