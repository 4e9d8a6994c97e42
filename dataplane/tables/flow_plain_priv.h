/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The segments that nearly all packets are: an ACK, with data or without, of an established
 * connection, that says nothing older than what is known, with no flag that was not seen before.
 * weir_flow_tcp() says the same of them.
 */

#include "flow_priv.h"

#include <rte_tcp.h>

/* What a connection must be, and not be. */
#define FLOW_PLAIN_MASK                                                               \
	(WEIR_FLOW_DRAFT | WEIR_FLOW_REPLIED | WEIR_FLOW_LOOSE | WEIR_FLOW_FIN_ORIG | \
	 WEIR_FLOW_FIN_REPLY | WEIR_FLOW_DEAD | WEIR_FLOW_SYNPROXY)

/* How far a side's windows are shifted; see shift_of() in flow_tcp.c. */
static inline unsigned flow_plain_shift(uint8_t wscale, unsigned dir)
{
	const unsigned none = 15, own = wscale >> 4 * dir & 15, other = wscale >> 4 * !dir & 15;

	return own == none || other == none ? 0 : own;
}

/* True: the segment fits, and the flow has moved on. False: nothing is changed, weir_flow_tcp() has
 * to judge it. @bytes: of the header and what follows it; the header is as long as it says. */
static inline bool flow_plain_tcp(struct weir_flow *f, unsigned dir, const struct rte_tcp_hdr *tcp,
				  uint32_t bytes)
{
	const uint8_t adorns = RTE_TCP_PSH_FLAG | RTE_TCP_ECE_FLAG | RTE_TCP_CWR_FLAG;
	const uint8_t judged = (uint8_t) ~(weir_flow_tcp_flags(f, dir) & adorns);
	struct weir_flow_peer *own = &f->peer[dir], *other = &f->peer[!dir];
	const uint32_t ack = rte_be_to_cpu_32(tcp->recv_ack);
	const uint32_t end =
		rte_be_to_cpu_32(tcp->sent_seq) + bytes - (uint32_t)(tcp->data_off >> 4 << 2);
	const uint16_t window = rte_be_to_cpu_16(tcp->rx_win);
	const uint32_t room = (uint32_t)other->max_window << flow_plain_shift(f->wscale, !dir);

	if (unlikely(f->tcp_state != WEIR_TCP_ESTABLISHED || f->cls != WEIR_FLOW_ESTABLISHED ||
		     (f->flags & FLOW_PLAIN_MASK) != WEIR_FLOW_REPLIED ||
		     (tcp->tcp_flags & judged) != RTE_TCP_ACK_FLAG))
		return false;
	if (unlikely(end - own->acked > room || ack - other->acked > other->end - other->acked))
		return false;
	if ((int32_t)(end - own->end) > 0)
		own->end = end;
	if (unlikely(window > own->max_window))
		own->max_window = window;
	other->acked = ack;
	return true;
}
