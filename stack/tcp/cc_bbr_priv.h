/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * BBR, version 3, as draft-ietf-ccwg-bbr has it: what its model (cc_bbr_model.c), its probing for
 * bandwidth (cc_bbr_probe.c) and the rest of its states (cc_bbr.c) share. The names and sections
 * are the draft's, in the working group's text after revision 06: min_rtt is one filter of ten
 * seconds, and it is what calls for ProbeRTT.
 */

#include "cc_priv.h"

#define BBR_NONE	UINT32_MAX   /* no bound in bytes, no round trip measured: Infinity */
#define BBR_BW_NONE	UINT64_MAX   /* no bound of the rate */
#define BBR_BW_MOST	(1ull << 36) /* 550 Gbit/s: so that products fit in 64 bits */
#define BBR_US_MOST	(1u << 27)   /* 134 s: the same */
#define BBR_MIN_RTT_NS	10000000000  /* MinRTTFilterLen and ProbeRTTInterval */
#define BBR_PROBE_NS	200000000    /* ProbeRTTDuration */
#define BBR_BETA	70	     /* in percent, as all that follow */
#define BBR_HEADROOM	15
#define BBR_LOSS_THRESH 2
#define BBR_MARGIN	1 /* PacingMarginPercent */
#define BBR_START_GAIN	277
#define BBR_LOSS_EVENTS 6  /* BBRStartupFullLossCnt */
#define BBR_RENO_ROUNDS 63 /* T_reno_bound */

enum bbr_state { BBR_STARTUP, BBR_DRAIN, BBR_DOWN, BBR_CRUISE, BBR_REFILL, BBR_UP, BBR_PROBE_RTT };
#define BBR_NO_STATE 0xff

/* What the ACKs that come tell of probing for bandwidth. */
enum bbr_acks { ACKS_INIT, ACKS_REFILLING, ACKS_STARTING, ACKS_FEEDBACK, ACKS_STOPPING };

struct bbr {
	/* Bytes a second. */
	uint64_t max_bw[2]; /* the most of this cycle of ProbeBW, and of the one before */
	uint64_t bw, bw_short, bw_latest, full_bw, undo_bw_short;
	/* Bytes delivered, in all. */
	uint64_t delivered;	/* now */
	uint64_t next_round;	/* what is sent from there on ends the round */
	uint64_t loss_round;	/* the same of a round that began with a loss */
	uint64_t limited_until; /* ProbeRTT sends little on purpose: its samples are low */
	/* Times in nanoseconds. */
	uint64_t min_rtt_at_ns, probe_rtt_done_ns, cycle_ns, probe_wait_ns, extra_from_ns;
	uint64_t random;
	uint32_t min_rtt_us;
	/* Bytes. */
	uint32_t inflight_long, inflight_short, inflight_latest;
	uint32_t undo_inflight_long, undo_inflight_short;
	uint32_t probe_rtt_cwnd;
	uint32_t extra_delivered, extra_acked[2]; /* the most of some rounds, and of those before */
	uint32_t probe_up_acked, probe_up_per_inc;
	uint32_t rounds, drain_from_round;
	uint8_t state, undo_state;	    /* enum bbr_state */
	uint8_t ack_phase;		    /* enum bbr_acks */
	uint8_t extra_rounds;		    /* that extra_acked[0] has seen */
	uint8_t full_bw_rounds;		    /* without much growth */
	uint8_t probe_up_rounds, probe_ago; /* rounds of ProbeBW_UP; rounds since */
	uint8_t loss_events;		    /* ACKs of this round that told of loss */
	bool round_start, loss_round_start; /* this ACK begins one */
	bool full_bw_now, full_bw_reached;
	bool probe_sample, prev_too_high, prev_precaution;
	bool loss_in_round, recovering, saved;
	bool sample_limited;		     /* of this ACK, by the application or by ProbeRTT */
	bool cwnd_limited, was_cwnd_limited; /* in this round, in the one before */
	bool idle_restart, min_rtt_expired, probe_rtt_round_done, seen_rtt;
};
static_assert(sizeof(struct bbr) <= CC_PRIV_BYTES, "is struct cc's private part");

static inline struct bbr *bbr_of(struct cc *c)
{
	return (struct bbr *)c->priv;
}

static inline uint64_t bbr_max_bw(const struct bbr *b)
{
	return RTE_MAX(b->max_bw[0], b->max_bw[1]);
}

static inline uint32_t bbr_min_cwnd(const struct cc *c)
{
	return 4 * c->mss; /* MinPipeCwnd */
}

static inline bool bbr_in_probe_bw(const struct bbr *b)
{
	return b->state >= BBR_DOWN && b->state <= BBR_UP;
}

static inline bool bbr_has_passed(uint64_t now_ns, uint64_t at_ns)
{
	return (int64_t)(now_ns - at_ns) > 0;
}

/* Until the next ACK of something sent from now on. */
static inline void bbr_start_round(struct bbr *b)
{
	b->next_round = b->delivered;
}

static inline void bbr_reset_full_bw(struct bbr *b, uint64_t bw)
{
	b->full_bw = bw;
	b->full_bw_rounds = 0;
	b->full_bw_now = false;
}

/* BDPMultiple(): so many percent of what the pipe holds at @bw. */
uint32_t bbr_bdp(struct cc *c, uint64_t bw, uint32_t percent);
/* QuantizationBudget(): and what offloads keep back. */
uint32_t bbr_quantize(struct cc *c, uint32_t bytes);
uint32_t bbr_with_headroom(struct cc *c);
/* TargetInflight(): what the pipe holds, unless congestion has cut the window. */
uint32_t bbr_target(struct cc *c);
/* Too much was lost of what was on its way (IsInflightTooHigh). */
bool bbr_too_high(uint32_t lost_bytes, uint32_t flight_bytes, bool no_sack);

/* The first steps of UpdateModelAndState(), up to CheckFullBWReached(). */
void bbr_model_begin(struct cc *c, const struct cc_ack *a);
/* The last: AdvanceLatestDeliverySignals() and BoundBWForModel(). */
void bbr_model_end(struct bbr *b, const struct cc_ack *a);
void bbr_reset_short_term(struct bbr *b);
void bbr_reset_signals(struct bbr *b);
/* SaveCwnd() and SaveStateUponLoss(), once an episode. */
void bbr_save_cwnd(struct cc *c);
void bbr_save(struct cc *c);
/* NoteLoss(). */
void bbr_note_loss(struct cc *c);

void bbr_start_down(struct bbr *b, uint64_t now_ns);
void bbr_start_refill(struct bbr *b);
/* UpdateProbeBWCyclePhase(). */
void bbr_update_probe_bw(struct cc *c, const struct cc_ack *a);
/* InflightAtLoss(): how much was on its way when losses passed the threshold, maybe inside it. */
uint32_t bbr_flight_at_loss(const struct cc_lost *l);
/* HandleInflightTooHigh(): once a probe. */
void bbr_handle_too_high(struct cc *c, uint32_t flight_bytes, bool app_limited, uint64_t now_ns);
