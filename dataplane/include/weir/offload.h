/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What a packet asks its port for, done in software where the port has no such engine: checksums,
 * and TCP segments longer than a frame, which are cut.
 */

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/must_check.h>

/** What a packet may ask: mbuf.ol_flags with l2_len and l3_len set, as rte_mbuf documents. */
#define WEIR_OFFLOAD_TX (RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_L4_MASK)

/**
 * The partial sum (weir/csum.h) of @p bytes of a packet from @p off, over all its segments.
 * (rte_raw_cksum_mbuf() of DPDK 22.11 loses carries behind a segment of odd length.)
 * The thread that owns the packet.
 */
WEIR_MUST_CHECK uint32_t weir_offload_sum(const struct rte_mbuf *m, uint32_t off, uint32_t bytes);

/**
 * Do what @p caps (enum weir_port_cap) lacks of what the packet asks, and clear those requests.
 * UDP, TCP and IPv4 header checksums (RFC 768, 9293, 791); any number of segments, headers in the
 * first. SCTP's CRC is never done here.
 * @return How many checksums software made. The thread that owns the packet.
 */
unsigned weir_offload_finish(struct rte_mbuf *m, uint32_t caps);

/**
 * Ask for the checksums of a TCP or UDP packet over IPv4 or IPv6 to be made anew: sets ol_flags
 * and lengths, zeroes the fields and puts in what offload engines expect (the pseudo header sum).
 * @param l3_off bytes before the IP header; @param l4_off bytes before the transport header.
 */
void weir_offload_request(struct rte_mbuf *m, uint16_t l3_off, uint16_t l4_off);

/** Packets that one segment is cut into at most. */
#define WEIR_OFFLOAD_PIECES 64

/** Whether a packet is a TCP segment that is to be cut. */
static inline bool weir_offload_is_long(const struct rte_mbuf *m)
{
	return (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
}

/**
 * Cut a TCP segment over IPv4 or IPv6 that asks for it (RTE_MBUF_F_TX_TCP_SEG, l2_len, l3_len,
 * l4_len and tso_segsz set) into packets of tso_segsz bytes of payload, as engines do: numbers go
 * on, FIN and PSH are the last one's, CWR the first one's (RFC 3168 section 6.1.2). They ask for
 * their checksums, have the metadata of @p m, and share no buffer with it.
 * @param out the packets in their order, the caller's; @p m stays the caller's, too.
 * @return how many; 0: no buffers, or headers that are not in the first one, or more than
 *         WEIR_OFFLOAD_PIECES. The thread that owns the packet.
 */
WEIR_MUST_CHECK unsigned weir_offload_cut(struct rte_mbuf *m, struct rte_mempool *pool,
					  struct rte_mbuf *out[WEIR_OFFLOAD_PIECES]);
