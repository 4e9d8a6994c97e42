/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Where the pipeline ends in a stack: 70_local hands packets for addresses of ours to it, and what
 * it sends enters at 02_origin.
 */

#include <rte_mbuf.h>
#include <stdint.h>

struct weir_shard;

/** What takes the packets that are for us; one for each worker, called on its thread. */
struct weir_local {
	/**
	 * Packets to a unicast address of ours: whole, their transport checksum right, no echo
	 * requests, with meta.l3_off, l4_off and proto set.
	 * @return how many were not taken, and are now the first of @p pkts: they go the way that
	 *         they would without a stack (kernel path, or an ICMP error).
	 */
	uint16_t (*input)(struct weir_local *l, struct rte_mbuf **pkts, uint16_t n,
			  uint64_t now_ns);
};

/** Let a worker's packets go to @p l (NULL: to nobody). Before the worker runs. */
void weir_local_attach(struct weir_shard *s, struct weir_local *l);

/**
 * Send packets of ours: each begins with its IP header, with room for layer 2 before it.
 * They are routed in the worker's next pass. Ownership moves; what there is no room for is counted
 * and freed. The worker's thread.
 */
void weir_local_send(struct weir_shard *s, struct rte_mbuf **pkts, uint16_t n);
