/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Where the pipeline ends in a stack: 70_local hands packets for addresses of ours to it, and what
 * it sends enters at 02_origin.
 */

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/addr.h>
#include <weir/must_check.h>
#include <weir/tuple.h>

struct weir_shard;

/** What takes the packets that are for us; one for each worker, called on its thread. */
struct weir_local {
	/**
	 * Packets to a unicast address of ours: whole, their transport checksum right, no echo
	 * requests, with meta.l3_off, l4_off and proto set. By broadcast (WEIR_META_BROADCAST), to
	 * a group that it hears or to all hosts of a link UDP, IGMP and ICMPv6 alone.
	 * @return how many were not taken, and are now the first of @p pkts: they go the way that
	 *         they would without a stack (kernel path, or an ICMP error).
	 */
	uint16_t (*input)(struct weir_local *l, struct rte_mbuf **pkts, uint16_t n,
			  uint64_t now_ns);
	/**
	 * Called once in each pass, behind the stages, whether packets came or not: run timers,
	 * send what is due. What it sends begins the next pass, which follows at once. May be NULL.
	 * @return when it is to be called again at the latest, on the clock of @p now_ns, so that
	 *         the worker rests no longer; UINT64_MAX: not before the next packet.
	 */
	uint64_t (*poll)(struct weir_local *l, uint64_t now_ns);
	/**
	 * Whether it wants packets to a group that come by an interface. NULL: to no group.
	 */
	bool (*hears)(struct weir_local *l, uint16_t iface, const struct weir_addr *group);
};

/** Let a worker's packets go to @p l (NULL: to nobody). Before the worker runs. */
void weir_local_attach(struct weir_shard *s, struct weir_local *l);

/** Packets of weir_local_send() that wait to be routed at most. */
#define WEIR_LOCAL_WAIT_PKTS 16384

/**
 * In mbuf.ol_flags of such a packet: an IPv6 datagram that its path does not take, which is less
 * than its link, so it is cut to what all paths take (RFC 8200 section 5: 1,280 bytes).
 */
#define WEIR_LOCAL_MAY_CUT RTE_MBUF_F_TX_UDP_SEG

/**
 * Send packets of ours: each begins with its IP header, with room for layer 2 before it.
 * They may be TCP segments of up to 65,535 bytes that are to be cut (weir_offload_is_long()): a
 * port that cannot has it done in software. They are routed in the worker's next pass, and the ones
 * after it if they are many; those above WEIR_LOCAL_WAIT_PKTS are counted (ORIGIN_FULL) and freed.
 * Ownership moves. To an IPv6 link-local address they leave by the interface that has their source,
 * to a group or 255.255.255.255 by meta.iface_in. The worker's thread, in a pass.
 */
void weir_local_send(struct weir_shard *s, struct rte_mbuf **pkts, uint16_t n);

/** How packets of ours get somewhere. */
struct weir_local_way {
	struct weir_addr from; /**< the address of ours to send from */
	uint16_t mtu_bytes;    /**< of the route: the longest IP packet */
	bool cuts;	       /**< the ports that it leaves by cut TCP segments (WEIR_PORT_TSO) */
};

/**
 * How to reach @p to: the route of this pass's generation, and by RFC 6724 section 5 an address of
 * the interface that it leaves by: the same one if @p to is ours, else of the same scope (rule 2),
 * else one that is neither deprecated nor being probed (rule 3), else the longest common prefix
 * (rule 8). An interface that has none of the family borrows one of
 * another. A link-local address is reached only where one interface alone has IPv6.
 * @return false: no route, no source, or a group. The worker's thread, in a pass.
 */
WEIR_MUST_CHECK bool weir_local_way(const struct weir_shard *s, const struct weir_addr *to,
				    struct weir_local_way *out);

/** An interface as groups and broadcasts have it: those have no route. */
struct weir_local_link {
	uint16_t iface;	       /**< its index in weir_l3.ifaces */
	uint16_t mtu_bytes;    /**< its longest IP packet */
	struct weir_addr from; /**< the address of ours to send from; family 0: none so far */
};

/**
 * By which interface @p to is reached: a group or 255.255.255.255, then by the one with the number
 * want->iface, else (WEIR_NO_IFACE) the one that has the address want->from, else (family 0) the
 * first that has an address of the family, or if none has the first; or the broadcast address of a
 * subnet of ours. To groups of a link the source is link-local (RFC 3810 section 5).
 * @return false: there is none, or @p to is another address. The worker's thread, in a pass, or the
 *         control thread before the worker runs.
 */
WEIR_MUST_CHECK bool weir_local_link(const struct weir_shard *s, const struct weir_addr *to,
				     const struct weir_local_link *want,
				     struct weir_local_link *out);

/**
 * Whether packets that come in with this tuple reach this worker: by the hash of 01_ring, or by
 * that of the devices where they spread flows (ports and not fragments, of TCP and UDP). Always
 * true with one worker. The worker's thread.
 */
WEIR_MUST_CHECK bool weir_local_owns(const struct weir_shard *s, const struct weir_tuple *in);

/**
 * A port such that packets of @p in, with it for dport, reach this worker: computed from the
 * devices' hash, not searched.
 * @param first  The least port.
 * @param count  Ports to choose from, at least 1; some of the last may be left out.
 * @param i      Which of them; more than there are begin again, so that counting up visits each.
 * @return 0: our own keyed hash spreads flows, or a device's of which this is not known: ask
 *         weir_local_owns() of one port after the other. The worker's thread.
 */
WEIR_MUST_CHECK uint16_t weir_local_port(const struct weir_shard *s, const struct weir_tuple *in,
					 uint16_t first, uint16_t count, uint32_t i);
