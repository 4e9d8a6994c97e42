/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What 40_filter and 60_route share: looking up where packets go, and the common way to go. */

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>
#include <stdint.h>
#include <weir/l3.h>
#include <weir/node.h>

#include "packet_priv.h"

/* Ask for the entries of all at once: rte_fib itself looks but a few packets ahead. */
static inline void fetch_entries4(const struct weir_l3 *l3, const uint32_t *dst, uint32_t n)
{
	if (l3->first4 == NULL)
		return;
	for (uint32_t i = 0; i < n; i++)
		rte_prefetch0(l3->first4 + (size_t)(dst[i] >> 8) * l3->first4_bytes);
}

static inline enum weir_verdict say_out(const struct weir_l3 *l3, struct rte_mbuf *m, uint16_t hop)
{
	weir_meta(m)->hop = hop;
	weir_meta(m)->iface_out = l3->hops[hop].iface;
	return WEIR_OUT;
}

static inline bool is_neighbourly(enum weir_hop_kind kind)
{
	static_assert(WEIR_HOP_GATEWAY == WEIR_HOP_LINK + 1, "one comparison");
	return (unsigned)kind - WEIR_HOP_LINK <= 1;
}

/* RFC 1812 5.3.1: the TTL is the high byte of its word, so the sum grows by 0x0100 (RFC 1141). */
static inline void lower_ttl(struct rte_ipv4_hdr *ip)
{
	const uint32_t sum = ip->hdr_checksum + RTE_BE16(0x0100);

	ip->time_to_live--;
	ip->hdr_checksum = (uint16_t)(sum + (sum >= 0xffff));
}

/* RFC 1812 5.3.7: a sender that has no address yet. */
static inline bool is_this_network(const struct rte_ipv4_hdr *ip)
{
	return (ip->src_addr & RTE_BE32(0xff000000)) == 0;
}

/* Sources that stay on their link (RFC 4291 2.5.2, 2.5.6): WEIR_DROP_NONE if it is another one. */
static inline enum weir_drop link_source6(const struct rte_ipv6_hdr *ip)
{
	uint64_t src[2];

	memcpy(src, ip6_src(ip), sizeof(src));
	if (unlikely((src[0] & RTE_BE64(0xffc0000000000000)) == RTE_BE64(0xfe80000000000000)))
		return WEIR_DROP_LINK_LOCAL;
	if (unlikely((src[0] | src[1]) == 0))
		return WEIR_DROP_IP_SOURCE;
	return WEIR_DROP_NONE;
}

/* Whether a next hop leads to ourselves or to all of a link: nobody else has such an address. */
static inline bool is_no_source(const struct weir_l3 *l3, uint64_t way_back)
{
	return l3->hops[way_back].kind == WEIR_HOP_LOCAL ||
	       l3->hops[way_back].kind == WEIR_HOP_BROADCAST;
}

/* From and to one address, as in a LAND attack. */
static inline bool is_to_itself(struct rte_mbuf *m)
{
	if (weir_meta(m)->flags & WEIR_META_IP4)
		return ip4(m)->src_addr == ip4(m)->dst_addr;
	return memcmp(ip6_src(ip6(m)), ip6_dst(ip6(m)), 16) == 0;
}

/* Why a source says that a packet cannot be forwarded; WEIR_DROP_NONE: it can. */
static inline enum weir_drop check_forwarded(struct rte_mbuf *m)
{
	if (!(weir_meta(m)->flags & WEIR_META_IP4))
		return link_source6(ip6(m));
	return is_this_network(ip4(m)) ? WEIR_DROP_IP_SOURCE : WEIR_DROP_NONE;
}

/*
 * Pass an IPv4 packet on to a neighbour: OUT, with its TTL one lower. False: there is more to say
 * about it than that, or against it; then nothing has changed.
 */
static inline bool route_plain4(const struct weir_l3 *l3, struct rte_mbuf *m, uint16_t number)
{
	const struct weir_hop *hop = &l3->hops[number];
	struct rte_ipv4_hdr *ip = ip4(m);

	if (unlikely(!is_neighbourly(hop->kind) ||
		     (weir_meta(m)->flags & (WEIR_META_OURS | WEIR_META_L2_GROUP)) ||
		     is_this_network(ip) || ip->time_to_live <= 1 ||
		     rte_be_to_cpu_16(ip->total_length) > hop->mtu))
		return false;
	say_out(l3, m, number);
	lower_ttl(ip);
	return true;
}
