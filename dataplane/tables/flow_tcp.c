/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * TCP as a bystander sees it: a state, and for each side what it sent and what was acknowledged.
 *
 * States and flags are Linux's (nf_conntrack_proto_tcp.c), sequence numbers are judged as Guido van
 * Rooij taught ("Real stateful TCP packet filtering in IP Filter", 2001). Where this differs from
 * Linux, the comment says "Unlike Linux".
 */

#include <netinet/in.h>
#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_tcp.h>
#include <weir/flow.h>

#include "seq_priv.h"

/* How far back ACKs and old data may lie at least: a full window without scaling, and a segment. */
#define BEHIND_MIN 66000
/* A side's nibble of weir_flow.wscale if its SYN offered no scaling; real shifts end at 14. */
#define SHIFT_NONE 15
#define SHIFT_MAX  14
/* More is in no packet, and keeps differences of sequence numbers small. */
#define PAYLOAD_MAX (1u << 30)

/* Segments by their flags: RST before SYN, SYN before FIN. */
enum kind { SYN, SYNACK, FIN, ACK, RST, KINDS };

/* Flags that may stand together, of those that do not only adorn (PSH, ECE, CWR). */
#define FLAGS_JUDGED                                                                 \
	(RTE_TCP_FIN_FLAG | RTE_TCP_SYN_FLAG | RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG | \
	 RTE_TCP_URG_FLAG)
static const uint8_t kind_of_flags[FLAGS_JUDGED + 1] = {
	/* the kind, plus one; 0: they may not */
	[RTE_TCP_SYN_FLAG] = SYN + 1,
	[RTE_TCP_SYN_FLAG | RTE_TCP_URG_FLAG] = SYN + 1,
	[RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG] = SYNACK + 1,
	[RTE_TCP_RST_FLAG] = RST + 1,
	[RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG] = RST + 1,
	[RTE_TCP_FIN_FLAG | RTE_TCP_ACK_FLAG] = FIN + 1,
	[RTE_TCP_FIN_FLAG | RTE_TCP_ACK_FLAG | RTE_TCP_URG_FLAG] = FIN + 1,
	[RTE_TCP_ACK_FLAG] = ACK + 1,
	[RTE_TCP_ACK_FLAG | RTE_TCP_URG_FLAG] = ACK + 1,
};

/* The states in two letters, and what the table says beside them. */
enum {
	NO = WEIR_TCP_NONE,
	SS = WEIR_TCP_SYN_SENT,
	SR = WEIR_TCP_SYN_RECV,
	ES = WEIR_TCP_ESTABLISHED,
	FW = WEIR_TCP_FIN_WAIT,
	CW = WEIR_TCP_CLOSE_WAIT,
	LA = WEIR_TCP_LAST_ACK,
	TW = WEIR_TCP_TIME_WAIT,
	CL = WEIR_TCP_CLOSE,
	S2 = WEIR_TCP_SYN_SENT2,
	IV = WEIR_TCP_STATES, /* invalid */
	CH,		      /* the end may want to ask back: pass it, change nothing */
	RN,		      /* a new connection */
};
static_assert(WEIR_TCP_STATES == S2 + 1, "the columns below");

/*
 * What a segment leads to, if its numbers are right. ES means: established, or what follows it by
 * the FINs that were seen (open_state()).
 *
 * From the side that sent the first packet, an ACK in NO picks a connection up in the middle; in SS
 * there is nothing yet to acknowledge, nor to end; a SYN-ACK in S2 answers the other side's SYN.
 * From the other side, a SYN in SS is a simultaneous open; an ACK in SS or S2 is of an older
 * connection, and asks back; data in SR ride on fast open (RFC 7413).
 *
 * Unlike Linux, which ignores SYNs and SYN-ACKs in a connection or calls them invalid, they are
 * passed as challenges in either direction (RFC 5961 section 4); and a FIN in SR waits for the
 * handshake's last ACK, for a client that is not there never acknowledges.
 */
static const uint8_t next_state[WEIR_DIRS * KINDS][WEIR_TCP_STATES] = {
	/*	 NO  SS  SR  ES  FW  CW  LA  TW  CL  S2 */
	[SYN] = {SS, SS, CH, CH, CH, CH, CH, RN, RN, S2},
	[SYNACK] = {IV, IV, SR, CH, CH, CH, CH, CH, CH, SR},
	[FIN] = {IV, IV, ES, ES, ES, ES, ES, TW, CL, IV},
	[ACK] = {ES, IV, ES, ES, ES, ES, ES, TW, CL, IV},
	[RST] = {IV, CL, CL, CL, CL, CL, CL, CL, CL, CL},

	/*		 NO  SS  SR  ES  FW  CW  LA  TW  CL  S2 */
	[KINDS + SYN] = {IV, S2, CH, CH, CH, CH, CH, RN, RN, S2},
	[KINDS + SYNACK] = {IV, SR, SR, CH, CH, CH, CH, CH, CH, SR},
	[KINDS + FIN] = {IV, IV, SR, ES, ES, ES, ES, TW, CL, IV},
	[KINDS + ACK] = {IV, CH, SR, ES, ES, ES, ES, TW, CL, CH},
	[KINDS + RST] = {IV, CL, CL, CL, CL, CL, CL, CL, CL, CL},
};

/* Whether a <= n <= b. */
static bool is_within(uint32_t n, uint32_t a, uint32_t b)
{
	return !seq_is_before(n, a) && !seq_is_before(b, n);
}

static bool is_opening(unsigned state)
{
	return state == NO || state == SS || state == S2;
}

static unsigned nibble(const struct weir_flow *f, unsigned dir)
{
	return f->wscale >> 4 * dir & 15;
}

static void set_nibble(struct weir_flow *f, unsigned dir, unsigned shift)
{
	f->wscale = (uint8_t)((f->wscale & 0xf0 >> 4 * dir) | shift << 4 * dir);
}

/* How far a side's windows are shifted: only if both offered it (RFC 7323 section 2.2). */
static unsigned shift_of(const struct weir_flow *f, unsigned dir)
{
	const unsigned own = nibble(f, dir);

	return own == SHIFT_NONE || nibble(f, !dir) == SHIFT_NONE ? 0 : own;
}

/* The largest window that a side has offered, in bytes. */
static uint32_t window_of(const struct weir_flow *f, unsigned dir)
{
	return (uint32_t)f->peer[dir].max_window << shift_of(f, dir);
}

/* The first byte that a segment's sender sends next. */
static uint32_t end_of(const struct weir_flow_segment *seg)
{
	return seg->seq + seg->payload_bytes + ((seg->flags & RTE_TCP_SYN_FLAG) != 0) +
	       ((seg->flags & RTE_TCP_FIN_FLAG) != 0);
}

/* A side from its SYN. Its window is not scaled, and stays so until the other side has answered. */
static void begin(struct weir_flow *f, unsigned dir, const struct weir_flow_segment *seg)
{
	struct weir_flow_peer *own = &f->peer[dir];

	own->acked = seg->seq + 1; /* less than its SYN is never acknowledged */
	own->end = end_of(seg);
	own->max_window = RTE_MAX(seg->window, 1);
	set_nibble(f, dir, seg->wscale < 0 ? SHIFT_NONE : RTE_MIN(seg->wscale, SHIFT_MAX));
}

/* Say the window of a side's SYN in the scale that has been agreed on, rounded up. */
static void scale(struct weir_flow *f, unsigned dir)
{
	const unsigned shift = shift_of(f, dir);
	const uint32_t up = f->peer[dir].max_window + (1u << shift) - 1;

	f->peer[dir].max_window = (uint16_t)(up >> shift);
}

/*
 * From the middle: the other side and the scales are unknown, so the largest are assumed, and what
 * is acknowledged was sent. Like Linux's "be liberal", but RSTs must fit.
 */
static void begin_in_middle(struct weir_flow *f, const struct weir_flow_segment *seg)
{
	f->peer[WEIR_DIR_ORIG] = (struct weir_flow_peer){
		.end = end_of(seg), .acked = seg->seq, .max_window = RTE_MAX(seg->window, 1)};
	f->peer[WEIR_DIR_REPLY] = (struct weir_flow_peer){
		.end = seg->ack, .acked = seg->ack, .max_window = UINT16_MAX};
	f->wscale = SHIFT_MAX << 4 | SHIFT_MAX;
	f->flags |= WEIR_FLOW_LOOSE;
}

/*
 * Whether a segment's data can be new or a window old, of a side that may send them. A FIN may lie
 * beyond the window, for some stacks send it as soon as they have sent all data; so do the empty
 * segments behind it, and they may come alone.
 */
static __rte_always_inline bool seq_fits(const struct weir_flow *f, unsigned dir,
					 const struct weir_flow_segment *seg)
{
	const uint32_t acked = f->peer[dir].acked;
	const uint32_t room = window_of(f, !dir);
	const uint32_t limit = acked + room + (seg->payload_bytes == 0);

	return !seq_is_before(limit, seg->seq + seg->payload_bytes) &&
	       !seq_is_before(end_of(seg), acked - RTE_MAX(room, BEHIND_MIN));
}

/* Whether a side can acknowledge that: RFC 5961 section 5. */
static __rte_always_inline bool ack_fits(const struct weir_flow *f, unsigned dir,
					 const struct weir_flow_segment *seg)
{
	const struct weir_flow_peer *other = &f->peer[!dir];
	const uint32_t window = window_of(f, dir);
	uint32_t oldest = other->acked - RTE_MAX(window, BEHIND_MIN);
	uint32_t newest = other->end;

	if (f->flags & WEIR_FLOW_LOOSE)
		newest += window_of(f, dir);
	/* A handshake ends when the SYN-ACK is acknowledged, which no blind sender can. */
	if (f->tcp_state == SR && dir == WEIR_DIR_ORIG)
		oldest = other->acked;
	return is_within(seg->ack, oldest, newest);
}

static uint16_t fin_flag(unsigned dir)
{
	return dir == WEIR_DIR_ORIG ? WEIR_FLOW_FIN_ORIG : WEIR_FLOW_FIN_REPLY;
}

/* Whether a side ends where it said before: nothing follows a FIN, and a FIN follows all. */
static __rte_always_inline bool end_fits(const struct weir_flow *f, unsigned dir,
					 const struct weir_flow_segment *seg)
{
	const uint32_t end = end_of(seg), known = f->peer[dir].end;

	if (f->flags & fin_flag(dir))
		return !seq_is_before(known, end) &&
		       (!(seg->flags & RTE_TCP_FIN_FLAG) || end == known);
	return !(seg->flags & RTE_TCP_FIN_FLAG) || !seq_is_before(end, known);
}

/* Learn from a segment that fits. */
static __rte_always_inline void advance(struct weir_flow *f, unsigned dir,
					const struct weir_flow_segment *seg)
{
	struct weir_flow_peer *own = &f->peer[dir], *other = &f->peer[!dir];
	const uint32_t end = end_of(seg);

	if (seq_is_before(own->end, end))
		own->end = end;
	if (own->max_window < seg->window)
		own->max_window = seg->window;
	if (seq_is_before(other->acked, seg->ack))
		other->acked = seg->ack;
	if (seq_is_before(other->end, seg->ack)) /* loose */
		other->end = seg->ack;
	if (seg->flags & RTE_TCP_FIN_FLAG)
		f->flags |= fin_flag(dir);
}

/*
 * Established, or how far its end is. Unlike Linux we know which side sent a FIN and whether it is
 * acknowledged: one that is sent again does not end the connection, nor any ACK.
 */
static unsigned open_state(const struct weir_flow *f)
{
	bool fin[WEIR_DIRS], acked[WEIR_DIRS];

	if (likely(!(f->flags & (WEIR_FLOW_FIN_ORIG | WEIR_FLOW_FIN_REPLY))))
		return ES;
	for (unsigned dir = 0; dir < WEIR_DIRS; dir++) {
		fin[dir] = (f->flags & fin_flag(dir)) != 0;
		acked[dir] = fin[dir] && f->peer[dir].acked == f->peer[dir].end;
	}
	if (fin[WEIR_DIR_ORIG] && fin[WEIR_DIR_REPLY])
		return acked[WEIR_DIR_ORIG] && acked[WEIR_DIR_REPLY] ? TW : LA;
	return acked[WEIR_DIR_ORIG] || acked[WEIR_DIR_REPLY] ? CW : FW;
}

/*
 * SYN: of the first packet, or of the other side at the same time. It proves nothing, so that one
 * with another number replaces it. If it comes again, each of them may be the one that arrives:
 * with data of fast open and without, with and without offering to scale.
 */
static enum weir_flow_tcp take_syn(struct weir_flow *f, unsigned dir,
				   const struct weir_flow_segment *seg, unsigned next)
{
	const struct weir_flow_peer before = f->peer[dir];
	const unsigned shift = nibble(f, dir);
	const bool known = f->tcp_state != NO && !(f->tcp_state == SS && dir == WEIR_DIR_REPLY);

	if (f->tcp_state == NO)
		set_nibble(f, !dir, SHIFT_NONE);
	begin(f, dir, seg);
	if (known && f->peer[dir].acked == before.acked) {
		if (seq_is_before(f->peer[dir].end, before.end))
			f->peer[dir].end = before.end;
		if (nibble(f, dir) == SHIFT_NONE)
			set_nibble(f, dir, shift);
	}
	f->tcp_state = (uint8_t)next;
	return WEIR_FLOW_TCP_OK;
}

/* SYN-ACK: whoever acknowledges the SYN has seen it. */
static enum weir_flow_tcp take_synack(struct weir_flow *f, unsigned dir,
				      const struct weir_flow_segment *seg)
{
	struct weir_flow_peer *other = &f->peer[!dir];

	if (f->tcp_state == SR && seg->seq + 1 == f->peer[dir].acked)
		return ack_fits(f, dir, seg) ? WEIR_FLOW_TCP_OK : WEIR_FLOW_TCP_INVALID;
	if (!is_within(seg->ack, other->acked, other->end))
		return WEIR_FLOW_TCP_INVALID;
	begin(f, dir, seg);
	scale(f, dir);
	if (f->tcp_state != SR)
		scale(f, !dir);
	other->acked = seg->ack;
	f->tcp_state = SR;
	return WEIR_FLOW_TCP_OK;
}

/*
 * RST: exact, if it has the number that its receiver expects, which is between what it has
 * acknowledged and what was sent; a bystander knows these two (RFC 5961 section 3.2). Of the answer
 * to a SYN the acknowledgement counts (RFC 9293 section 3.10.7.3); it may be sent again.
 */
static enum weir_flow_tcp take_rst(struct weir_flow *f, unsigned dir,
				   const struct weir_flow_segment *seg)
{
	const struct weir_flow_peer *own = &f->peer[dir], *other = &f->peer[!dir];
	const bool known = !(dir == WEIR_DIR_REPLY && f->tcp_state == SS); /* own */
	bool exact = known && (seg->seq == own->end || seg->seq == own->acked);

	if ((is_opening(f->tcp_state) || f->tcp_state == CL) && (seg->flags & RTE_TCP_ACK_FLAG))
		exact |= is_within(seg->ack, other->acked, other->end);
	if (exact) {
		f->tcp_state = CL;
		return WEIR_FLOW_TCP_OK;
	}
	/* The client of a half-open connection answers what the other side asked back: the number
	 * is of the older connection, of which we know nothing (RFC 9293 section 3.5.1). */
	if (f->tcp_state == SS && dir == WEIR_DIR_ORIG)
		return WEIR_FLOW_TCP_CHALLENGE;
	return known && seq_fits(f, dir, seg) ? WEIR_FLOW_TCP_CHALLENGE : WEIR_FLOW_TCP_INVALID;
}

/* ACK and FIN. */
static __rte_always_inline enum weir_flow_tcp
take_data(struct weir_flow *f, unsigned dir, const struct weir_flow_segment *seg, unsigned next)
{
	if (unlikely(f->tcp_state == NO))
		begin_in_middle(f, seg);
	else if (unlikely(!seq_fits(f, dir, seg) || !ack_fits(f, dir, seg) ||
			  !end_fits(f, dir, seg)))
		return WEIR_FLOW_TCP_INVALID;
	advance(f, dir, seg);
	f->tcp_state = (uint8_t)(next == ES ? open_state(f) : next);
	return WEIR_FLOW_TCP_OK;
}

/*
 * A SYN on what has ended. After TIME-WAIT a lower number may be an old duplicate (RFC 6191): the
 * end asks back, and its RST lets the next SYN in. Unlike Linux either side may begin.
 */
static enum weir_flow_tcp take_new(const struct weir_flow *f, unsigned dir,
				   const struct weir_flow_segment *seg)
{
	if (f->tcp_state == TW && !seq_is_before(f->peer[dir].end, seg->seq))
		return WEIR_FLOW_TCP_CHALLENGE;
	return WEIR_FLOW_TCP_RENEW;
}

static __rte_noinline enum weir_flow_tcp take(struct weir_flow *f, unsigned dir,
					      const struct weir_flow_segment *seg, bool loose)
{
	const unsigned kind = kind_of_flags[seg->flags & FLAGS_JUDGED];
	unsigned next;

	if (unlikely(kind == 0 || seg->payload_bytes > PAYLOAD_MAX))
		return WEIR_FLOW_TCP_INVALID;
	next = next_state[dir * KINDS + kind - 1][f->tcp_state];
	if (unlikely(next == IV || (f->tcp_state == NO && kind - 1 == ACK && !loose)))
		return WEIR_FLOW_TCP_INVALID;
	if (unlikely(next == CH))
		return WEIR_FLOW_TCP_CHALLENGE;
	if (unlikely(next == RN))
		return take_new(f, dir, seg);
	switch (kind - 1) {
	case SYN:
		return take_syn(f, dir, seg, next);
	case SYNACK:
		return take_synack(f, dir, seg);
	case RST:
		return take_rst(f, dir, seg);
	default:
		return take_data(f, dir, seg, next);
	}
}

/* One picked up in the middle is established when the other side has said something that fits. */
static enum weir_flow_class class_of(const struct weir_flow *f)
{
	static const uint8_t by_state[WEIR_TCP_STATES] = {
		[NO] = WEIR_FLOW_HALF_OPEN,   [SS] = WEIR_FLOW_HALF_OPEN,
		[S2] = WEIR_FLOW_HALF_OPEN,   [SR] = WEIR_FLOW_HALF_OPEN,
		[ES] = WEIR_FLOW_ESTABLISHED, [FW] = WEIR_FLOW_CLOSING,
		[CW] = WEIR_FLOW_CLOSING,     [LA] = WEIR_FLOW_CLOSING,
		[TW] = WEIR_FLOW_CLOSED,      [CL] = WEIR_FLOW_CLOSED,
	};
	const enum weir_flow_class cls = (enum weir_flow_class)by_state[f->tcp_state];

	if (unlikely((f->flags & (WEIR_FLOW_LOOSE | WEIR_FLOW_REPLIED)) == WEIR_FLOW_LOOSE &&
		     cls > WEIR_FLOW_HALF_OPEN))
		return WEIR_FLOW_HALF_OPEN;
	return cls;
}

enum weir_flow_tcp weir_flow_tcp(struct weir_flow *f, enum weir_dir dir,
				 const struct weir_flow_segment *seg, bool loose,
				 enum weir_flow_class *cls)
{
	/* What nearly all segments are takes no detour by the table, which would say the same. */
	const bool ordinary = f->tcp_state == ES &&
			      (seg->flags & FLAGS_JUDGED) == RTE_TCP_ACK_FLAG &&
			      seg->payload_bytes <= PAYLOAD_MAX;
	const enum weir_flow_tcp verdict = likely(ordinary) ? take_data(f, dir, seg, ES)
							    : take(f, dir, seg, loose);

	if (likely(verdict == WEIR_FLOW_TCP_OK))
		f->flags |= (uint16_t)(dir * WEIR_FLOW_REPLIED); /* no branch: it is random */
	*cls = class_of(f);
	return verdict;
}

/* The shift of a SYN's window option, or -1. Each step goes on by a byte at least: 40 at most. */
static int8_t find_wscale(const uint8_t *at, const uint8_t *end)
{
	while (end - at >= 1 && *at != 0) { /* 0 ends the options */
		if (*at == 1) {		    /* fills */
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || at[1] > end - at)
			return -1;
		if (*at == 3 && at[1] == 3)
			return (int8_t)RTE_MIN(at[2], SHIFT_MAX); /* RFC 7323 section 2.3 */
		at += at[1];
	}
	return -1;
}

void weir_flow_segment(const void *tcp_header, uint32_t bytes, struct weir_flow_segment *out)
{
	const struct rte_tcp_hdr *tcp = tcp_header;
	uint32_t header_bytes;

	*out = (struct weir_flow_segment){.wscale = -1};
	if (bytes < sizeof(*tcp))
		return;
	header_bytes = tcp->data_off >> 4 << 2;
	if (header_bytes < sizeof(*tcp) || header_bytes > bytes)
		return;
	out->seq = rte_be_to_cpu_32(tcp->sent_seq);
	out->ack = rte_be_to_cpu_32(tcp->recv_ack);
	out->payload_bytes = bytes - header_bytes;
	out->window = rte_be_to_cpu_16(tcp->rx_win);
	out->flags = tcp->tcp_flags;
	if (unlikely(out->flags & RTE_TCP_SYN_FLAG))
		out->wscale = find_wscale((const uint8_t *)(tcp + 1),
					  (const uint8_t *)tcp + header_bytes);
}
