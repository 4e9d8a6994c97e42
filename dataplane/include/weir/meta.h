/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What the stages say to each other about a packet: one cache line behind its mbuf.
 *
 * Every pool that weir makes has this line as the mbuf's private area, so it is found without a
 * lookup and works on mbufs that live on a test's stack. 00_rx clears it; each field names the
 * stage that writes it.
 */

#include <assert.h>
#include <rte_mbuf.h>
#include <stdint.h>

/** No port: a packet that came from none. */
#define WEIR_NO_PORT UINT16_MAX
/** No layer-3 interface. */
#define WEIR_NO_IFACE UINT16_MAX
/** No next hop is chosen yet. */
#define WEIR_NO_HOP UINT32_MAX

/** Facts that 10_parse found, and marks that later stages set (weir_meta.flags). */
enum weir_meta_flag {
	WEIR_META_IP4 = 1 << 0,	       /**< IPv4; l3_off is its header */
	WEIR_META_IP6 = 1 << 1,	       /**< IPv6; l3_off is its header */
	WEIR_META_FRAG = 1 << 2,       /**< a fragment (offset or more-fragments set) */
	WEIR_META_FRAG_LATER = 1 << 3, /**< a fragment without the transport header */
	WEIR_META_OPTIONS = 1 << 4,    /**< IPv4 options or IPv6 hop-by-hop options */
	WEIR_META_L2_GROUP = 1 << 5,   /**< the frame was broadcast or multicast */
	WEIR_META_OURS = 1 << 6, /**< made here: its TTL is not lowered, errors are not answered */
	WEIR_META_LEARN =
		1 << 7, /**< a copy of ARP or ND from another worker: learn, never answer */
	WEIR_META_TRACED = 1 << 8, /**< followed by weirctl trace */
	WEIR_META_L4 =
		1 << 9, /**< l4_off and proto are a TCP, UDP, SCTP or ICMP header, all there */
	WEIR_META_DEFRAGGED = 1 << 10, /**< put together from fragments by 20_defrag */
	WEIR_META_KNOWN = 1 << 11,     /**< 30_conntrack: of a flow that rules need not judge */
	WEIR_META_RELATED = 1 << 12,   /**< 30_conntrack: an ICMP error about the flow's packets */
	WEIR_META_REWRITE = 1 << 13,   /**< 30_conntrack, 40_acl: 50_nat has to change it */
	WEIR_META_REWRITTEN = 1 << 14, /**< 50_nat: its addresses are not those it came with */
	WEIR_META_MAY_CUT = 1 << 15, /**< 60_route may fragment it (IPv6): 50_nat, was IPv4 without
				      DF; local.h, longer than its path */
	WEIR_META_INSPECT = 1 << 16, /**< 30_conntrack, 40_acl: 45_dpi has to look at it */
	WEIR_META_KERNEL = 1 << 17,  /**< a whole frame that the kernel sends, to port_out */
	WEIR_META_BROADCAST = 1 << 18, /**< 60_route: to a broadcast address */
};

/** One cache line. Offsets count from the start of the packet's data (rte_pktmbuf_mtod). */
struct weir_meta {
	uint16_t port_in;   /**< 00_rx: index of the port it came from */
	uint16_t iface_in;  /**< 10_parse: the layer-3 interface (port and VLAN) */
	uint16_t port_out;  /**< whoever says TX: the port to leave by */
	uint16_t iface_out; /**< 60_route: the layer-3 interface to leave by */
	uint32_t flags;	    /**< enum weir_meta_flag */
	uint16_t l3_off;    /**< 10_parse: the IP header; bytes before it are layer 2 */
	uint16_t l4_off;    /**< 10_parse: the transport header */
	uint8_t proto;	    /**< 10_parse: the transport protocol, after extension headers */
	uint8_t laps;	    /**< 02_origin: how often it went round again */
	uint16_t drop;	    /**< whoever says DROP or REJECT: enum weir_drop */
	uint32_t hop;	    /**< 60_route: index of the next hop in weir_l3.hops */
	uint32_t hash;	    /**< 01_ring or the port: symmetric hash of the flow, 0 if unknown */
	uint32_t flow;	    /**< 30_conntrack: reference of the flow, or WEIR_NO_FLOW (flow.h) */
	uint16_t vlan[2]; /**< 10_parse: the tags it came with, outer first, host order, 0: none */
	uint16_t reject_mtu;	/**< who says REJECT for size: the path's MTU in bytes */
	uint8_t origin_verdict; /**< weir_origin_push(): enum weir_verdict that 02_origin will say
				 */
	uint8_t spare;		/**< nobody's, 0: it fills the line */
	uint32_t nat_rule;	/**< 35_balance: the rule of translation that chose where it goes */
	uint64_t user[2];	/**< free for a product's own stages */
};
static_assert(sizeof(struct weir_meta) == RTE_CACHE_LINE_SIZE, "one cache line a packet");

/** The packet's line of metadata. The mbuf must come from a weir pool (or a test's toy). */
static inline struct weir_meta *weir_meta(struct rte_mbuf *m)
{
	return (struct weir_meta *)(m + 1);
}
