/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What a connection has while bytes are on their way, and some time after: struct work. */

#include "tcp_cc_priv.h"
#include "tcp_segment_priv.h"

enum recovery {
	REC_OPEN,    /* all is in order */
	REC_FAST,    /* fast recovery: PRR (RFC 6937), RACK says what is lost */
	REC_TIMEOUT, /* after a retransmission timeout */
	REC_CWR,     /* the window is cut for a mark (ECN) */
};

/* F-RTO (RFC 5682). */
enum frto_step {
	FRTO_NONE,
	FRTO_FIRST, /* the first segment was sent again: what is the first ACK? */
	FRTO_NEW,   /* it was good: only new data is sent, until the next ACK */
};

/* What decides what is lost (tcp_loss.c). RFC 8985's names. */
struct loss {
	uint64_t rack_sent_ns; /* RACK.xmit_ts: when the newest delivered segment was sent */
	uint64_t reorder_ns;   /* when what waits in the reordering window is lost; 0: nothing */
	uint64_t rto_from_ns;  /* what the timeouts count from: RFC 6298 section 5 */
	uint64_t pto_from_ns;  /* and RFC 8985 section 7.2 */
	uint64_t resent_ns;    /* the first retransmission of this recovery; 0: none yet */
	uint32_t rack_end;     /* RACK.end_seq */
	uint32_t rack_rtt_us;  /* RACK.rtt */
	uint32_t reo_wnd_more; /* RACK.reo_wnd_mult - 1 */
	uint32_t reo_wnd_persist;
	uint32_t dsack_round; /* SND.NXT when a DSACK was last heeded; with has_dsack_round */
	uint32_t fack;	      /* the highest sequence number SACKed or acknowledged */
	uint32_t sacked_segs; /* RACK.segs_sacked */
	uint32_t found_bytes; /* found lost, and congestion control has not heard of it */
	uint32_t recover;     /* SND.NXT when recovery began */
	uint32_t tlp_end;     /* TLP.end_seq; with tlp_out */
	uint32_t prr_delivered, prr_out, recover_fs; /* RFC 9937 */
	uint32_t undo_una;			     /* SND.UNA when recovery began */
	uint32_t undo_resent; /* bytes of retransmissions that no DSACK has answered */
	uint32_t frto_high;   /* SND.NXT at the timeout (RFC 5682) */
	uint32_t dup_acks;    /* only without SACK (RFC 6582, 3042) */
	uint32_t wnd;	      /* SND.WND at the last ACK: one that changes it is no duplicate */
	uint8_t state;	      /* enum recovery */
	uint8_t frto;	      /* enum frto_step */
	bool tlp_due;	      /* a probe is to be sent */
	bool tlp_out, tlp_is_resend, has_dsack_round, reordering_seen, can_undo;
};

/* A search for how long segments may be (tcp_mtu.c); sizes are of payload, options with it. */
struct mtu_search {
	uint64_t not_before_ns; /* no probe */
	uint16_t size;		/* of the probe that is on its way; 0: none is */
	uint16_t most;		/* that may still pass; 0: the search has not begun */
	uint8_t lost;		/* probes of this size */
	bool halves;		/* the most was tried, and did not pass */
};

/*
 * In the order in which it is needed: each line to the begin of congestion control's private part
 * is touched by nearly every segment and ACK, and fetched ahead (tcp.c).
 */
struct work {
	/* Sending: flight is SND.UNA to SND.NXT by sequence number, unsent what follows it. */
	struct seg_queue flight, unsent;
	uint32_t flight_seqs; /* sequence numbers of the flight: its payload, SYN and FIN */
	uint32_t sacked_bytes, lost_bytes, resent_bytes; /* of the flight */

	uint64_t sent_ns;    /* when anything was sent last */
	uint64_t hold_at_ns; /* what is corked leaves then; 0: none is */
	uint64_t
		rtx_at_ns; /* RTO, TLP or RACK's reordering timer, or a zero-window probe; 0: off */
	uint64_t ack_at_ns;   /* a delayed ACK; 0: none */
	uint64_t pace_at_ns;  /* nothing is sent before */
	uint64_t app_limited; /* delivered must pass this until samples count again; 0: they do */
	uint32_t small_end;   /* of the last segment that was not full; with has_small */
	uint8_t rtx_kind;     /* enum rtx_kind */
	bool cwnd_limited;
	bool has_small;
	bool is_overdue;	 /* send what the window takes, however little */
	uint32_t lost_all_bytes; /* found lost since it began, wraps */
	uint32_t free;		 /* next free one */

	uint64_t delivered, delivered_ns, first_sent_ns; /* rate samples */
	struct rte_mbuf *lost_from; /* no segment of the flight before it is LOST; NULL: none is */
	/* Receiving. */
	struct seg_queue ready; /* in order, not read yet */
	uint64_t tune_at_ns;	/* auto-tuning of the window: since when it counts */

	struct seg_queue early; /* out of order: by sequence number, without overlaps */
	uint32_t tune_copied;	/* bytes read since then */
	uint16_t ranges;	/* of early */
	uint8_t n_newest;
	bool gives_cookie;	 /* with the SYN-ACK: what the peer has shown is an old one */
	struct seq_range dsack;	 /* to be told once; from == to: none */
	weir_sock fast_listener; /* counts it as pending; WEIR_NO_SOCK: none does */
	uint32_t quick_segs;	 /* so many more are acknowledged at once: something was lost */
	struct mtu_search mtu;

	struct loss loss __rte_cache_aligned;
	struct cc cc __rte_cache_aligned;
	struct seq_range newest[SACK_BLOCKS]; /* of early: where something came last, first */
} __rte_cache_aligned;

#define WORK_BYTES_OFTEN (offsetof(struct work, cc) + CC_BYTES_OFTEN)

static_assert(WORK_BYTES_OFTEN == 8 * RTE_CACHE_LINE_SIZE, "as many lines are fetched ahead");

enum rtx_kind { RTX_NONE, RTX_RTO, RTX_TLP, RTX_REORDER, RTX_PROBE };

/* Nothing is on its way, in neither direction. */
static inline bool work_is_quiet(const struct work *w)
{
	return w->flight.n == 0 && w->unsent.n == 0 && w->ready.n == 0 && w->early.n == 0;
}

/* Bytes that are thought to be on their way: pipe of RFC 6675, RACK's way. */
static inline uint32_t snd_flight_bytes(const struct work *w)
{
	const uint32_t left = w->sacked_bytes + w->lost_bytes + w->loss.dup_acks * w->cc.mss;

	return left < w->flight_seqs ? w->flight_seqs - left : 0;
}
