/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What congestion control is told, and what it says: one interface for all of cc_*.c. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cc_ack {
	uint64_t now_ns;
	uint64_t delivered;	      /* bytes of this connection that have arrived, in all */
	uint64_t sent_delivered;      /* what that was when the newest segment acked was sent */
	uint32_t sent_flight_bytes;   /* seg.sent_flight_bytes of that one */
	uint32_t lost_since_bytes;    /* found lost since that one was sent */
	uint64_t rate_bytes_s;	      /* delivery rate of the sample; 0: none */
	uint32_t acked_bytes;	      /* newly acked or SACKed */
	uint32_t lost_bytes;	      /* newly found lost */
	uint32_t flight_bytes;	      /* on their way after this ACK */
	uint32_t flight_before_bytes; /* and before it */
	uint32_t rtt_us;	      /* of this ACK; 0: none */
	uint32_t srtt_us, min_rtt_us;
	uint32_t marked_bytes; /* of acked_bytes, those that the peer said were marked CE */
	uint32_t una, nxt;     /* SND.UNA after it, SND.NXT: to tell rounds apart */
	bool app_limited;      /* the sample was taken while the application had no more */
	bool only_sacked;      /* SND.UNA stays: that opens no window (RFC 5681 section 3.1) */
	bool cwnd_limited;     /* the window was all used since the last ACK */
	bool in_recovery;      /* fast recovery, after a timeout or after a mark */
	bool no_sack;	       /* the peer takes no SACK: one loss is found in a round at most */
};

/* A segment that was found lost. */
struct cc_lost {
	uint64_t now_ns;
	uint64_t delivered;	    /* as in cc_ack */
	uint32_t bytes;		    /* of it */
	uint32_t sent_flight_bytes; /* seg.sent_flight_bytes of it */
	uint32_t lost_since_bytes;  /* found lost since it was sent, its own with them */
	bool app_limited;	    /* it was sent with SEG_APP_LIMITED */
	bool no_sack;
};

#define CC_PRIV_BYTES  256
#define CC_BYTES_OFTEN 128 /* of struct cc, as far as Reno's kind uses it at each ACK */

struct cc {
	const struct cc_ops *ops;
	uint32_t cwnd_bytes;
	uint32_t ssthresh_bytes; /* UINT32_MAX: none yet */
	uint32_t mss;
	uint32_t prior_cwnd_bytes, prior_ssthresh_bytes; /* for undo */
	uint64_t pacing_bytes_s;			 /* 0: not paced */
	uint64_t priv[CC_PRIV_BYTES / 8];
};

struct cc_ops {
	const char *name;
	bool ecn; /* wants ECT on its packets and an exact account of marks (DCTCP) */
	void (*init)(struct cc *c, uint64_t now_ns);
	/* Every ACK that says something new, in recovery too: sets cwnd and pacing. PRR sets cwnd
	   in REC_FAST and REC_CWR unless the algorithm does itself (own_recovery); in REC_TIMEOUT
	   the algorithm does, by slow start. */
	void (*on_ack)(struct cc *c, const struct cc_ack *a);
	/* Each segment found lost, before on_ack() of the same ACK. NULL: not wanted. */
	void (*on_lost)(struct cc *c, const struct cc_lost *l);
	/* Recovery begins by loss or by a mark: saves prior_*, sets ssthresh. @flight_bytes here
	   and below is RFC 5681's FlightSize: SND.UNA to SND.NXT, what was SACKed or found lost
	   with it. */
	void (*on_loss)(struct cc *c, uint32_t flight_bytes, bool ecn, uint64_t now_ns);
	/* Every retransmission timeout: sets cwnd to a segment; the first of several sets ssthresh,
	   unless recovery has. */
	void (*on_timeout)(struct cc *c, uint32_t flight_bytes, uint64_t now_ns);
	/* Recovery of any kind is over: cwnd is ssthresh after PRR. */
	void (*on_recovered)(struct cc *c, uint64_t now_ns);
	/* It was no loss: ends recovery, too. */
	void (*undo)(struct cc *c, uint64_t now_ns);
	/* Something is sent and nothing was on its way, for @rest_ns. RFC 5681 section 4.1, RFC
	   9438 section 4.2. */
	void (*on_restart)(struct cc *c, uint64_t rest_ns, uint32_t rto_us, uint64_t now_ns);
	bool own_recovery;
};

/* cubic, newreno (or reno), bbr, dctcp, with or without a NUL inside @bytes; NULL: no such. */
const struct cc_ops *cc_find(const char *name, size_t bytes);
/* The initial window (RFC 6928), no threshold. */
void cc_begin(struct cc *c, const struct cc_ops *ops, uint32_t mss, uint64_t now_ns);
/* Another algorithm from now on: window and threshold stay (TCP_CONGESTION). */
void cc_switch(struct cc *c, const struct cc_ops *ops, uint64_t now_ns);
