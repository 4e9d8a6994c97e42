/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A segment: sequence numbers, ends, options, and what lies over its mbuf in a queue.
 */

#include "stack_priv.h"

#include <assert.h>

/* ---- sequence numbers (RFC 9293 section 3.4) ---- */

static inline bool seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_le(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
	return seq_lt(a, b) ? b : a;
}

/* ---- who speaks with whom ---- */

/* First in struct conn, half_open and time_wait, so that the table compares them alike. */
struct ends {
	uint8_t ours[16], peer[16];   /* network order; IPv4: the first four bytes, the rest 0 */
	uint16_t our_port, peer_port; /* network order */
};

/* ---- options (tcp_opt.c) ---- */

#define OPT_BYTES_MOST	  40
#define SACK_BLOCKS	  4
#define OPT_STAMP_BYTES	  12u /* of a segment with timestamps */
#define OPT_TIMEOUT_BYTES 4u

struct seq_range {
	uint32_t from, to; /* to is the first after it */
};

enum opt_flag {
	OPT_MSS = 1 << 0,
	OPT_SCALE = 1 << 1,
	OPT_SACK_OK = 1 << 2,
	OPT_STAMP = 1 << 3,
	OPT_FASTOPEN = 1 << 4, /* with a cookie, or without: a request for one */
	OPT_USER_TIMEOUT = 1 << 5,
};

/* What a segment's options say. */
struct tcp_opts {
	uint8_t flags; /* enum opt_flag: which of these were there */
	uint8_t scale; /* at most 14 */
	uint8_t sacks; /* how many */
	uint8_t cookie_bytes;
	uint16_t mss;
	uint16_t user_timeout; /* as on the wire: a bit for minutes, and 15 of value (RFC 5482) */
	uint32_t stamp, echo;
	struct seq_range sack[SACK_BLOCKS];
	uint8_t cookie[16];
};

/* @bytes are all that stand behind the first 20. False: a length that cannot be. */
bool tcp_opts_read(const uint8_t *p, uint32_t bytes, bool syn, struct tcp_opts *out);
/* Writes what flags and sacks say, padded to words; SACK blocks that have room. @return bytes. */
uint32_t tcp_opts_write(uint8_t p[OPT_BYTES_MOST], const struct tcp_opts *opts, bool syn);

/* ---- a segment that came ---- */

enum tcp_flag {
	TCP_FIN = 1,
	TCP_SYN = 2,
	TCP_RST = 4,
	TCP_PSH = 8,
	TCP_ACK = 16,
	TCP_URG = 32,
	TCP_ECE = 64,
	TCP_CWR = 128
};

struct segment {
	struct rte_mbuf *m; /* from its IP header on; NULL once somebody has taken it */
	uint32_t seq, ack;
	uint32_t bytes; /* of payload */
	uint32_t wnd;	/* as on the wire, not scaled */
	uint16_t off;	/* where the payload begins in m */
	uint8_t flags;	/* enum tcp_flag */
	bool v6;
	bool ce;	       /* the packet was marked: congestion experienced (RFC 3168) */
	uint16_t segs;	       /* so many were merged (tcp_merge.c) */
	uint32_t each_bytes;   /* payload of the first of them */
	struct rte_mbuf *last; /* m's last buffer; NULL: none is merged yet */
	uint32_t hash;
	uint32_t l4_bytes; /* header and payload */
	struct ends ends;
	struct tcp_opts opts;
};

/*
 * Append @g to @to if it is the next of the same connection and says nothing else (tcp_merge.c).
 * @return whether @g's packet is @to's now.
 */
bool segment_merge(struct segment *to, struct segment *g);

/* ---- a packet in a queue: lies over struct weir_meta while the mbuf is the stack's ---- */

enum seg_flag {
	SEG_SACKED = 1 << 0,	  /* the peer has it, out of order */
	SEG_LOST = 1 << 1,	  /* is to be sent again */
	SEG_RESENT = 1 << 2,	  /* was sent more than once */
	SEG_FIN = 1 << 3,	  /* ends the stream after its bytes; takes a sequence number */
	SEG_SYN = 1 << 4,	  /* begins it; takes a sequence number and has no bytes */
	SEG_PSH = 1 << 5,	  /* ends what one call gave */
	SEG_APP_LIMITED = 1 << 6, /* sent when the application had no more (rate samples) */
	SEG_PROBE = 1 << 7,	  /* longer than others: does it pass? (tcp_mtu.c) */
};

struct seg {
	struct rte_mbuf *next;
	uint32_t seq, end; /* end - seq is the bytes, and one more with FIN or SYN */
	union {
		uint64_t sent_ns;	/* last time; 0: not yet */
		struct rte_mbuf *other; /* received early: a range's first has its last, and
					   the other way round */
	};
	uint64_t delivered;    /* of the connection in bytes when it was sent (BBR draft, 4.1) */
	uint64_t delivered_ns; /* and when that was */
	union {
		uint64_t first_sent_ns; /* when the flight that it belongs to began */
		/* The first of SACKED ones in a row: the last of them, so that they are passed by.
		 */
		struct rte_mbuf *sacked_to;
	};
	uint16_t flags; /* enum seg_flag */
	uint16_t sent_count;
	uint32_t sent_flight_bytes; /* on their way when it was sent last, its own with them */
	uint32_t sent_lost_bytes;   /* work.lost_all_bytes at that time */
	uint16_t cut_bytes; /* payload of each packet that it is on the wire, but the last */
};
static_assert(sizeof(struct seg) <= sizeof(struct weir_meta), "lies over it");

static inline struct seg *seg_of(struct rte_mbuf *m)
{
	return (struct seg *)weir_meta(m);
}

/* What a packet that is kept costs: its buffers, however few bytes are in them. */
static inline uint64_t held_of(const struct rte_mbuf *m)
{
	uint64_t bytes = 0;

	for (; m != NULL; m = m->next)
		bytes += m->buf_len;
	return bytes;
}

/* The most bytes in whole segments of @mss that are no more than @bytes; a long one has some tens.
 */
static inline uint32_t whole_segments(uint32_t bytes, uint32_t mss)
{
	uint32_t all = 0;

	while (all + mss <= bytes)
		all += mss;
	return all;
}

/* Packets that @bytes are on the wire, at least one. */
static inline uint32_t packets_of(uint32_t bytes, uint32_t mss)
{
	uint32_t n = 1;

	for (; bytes > mss; bytes -= mss)
		n++;
	return n;
}

struct seg_queue {
	struct rte_mbuf *head, *tail;
	uint32_t bytes; /* of payload */
	uint32_t n;
};

static inline void seg_put(struct seg_queue *q, struct rte_mbuf *m)
{
	seg_of(m)->next = NULL;
	if (q->head == NULL)
		q->head = m;
	else
		seg_of(q->tail)->next = m;
	q->tail = m;
	q->bytes += m->pkt_len;
	q->n++;
}

static inline struct rte_mbuf *seg_take(struct seg_queue *q)
{
	struct rte_mbuf *m = q->head;

	if (m != NULL) {
		q->head = seg_of(m)->next;
		q->bytes -= m->pkt_len;
		q->n--;
	}
	return m;
}
