/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* IP headers of the other family, for packets (rewrite64.c) and ICMP errors (rewrite64_error.c). */

#include "rewrite_priv.h"

/* An IPv6 header with a fragment header. */
#define HEAD46_MOST (sizeof(struct rte_ipv6_hdr) + 8u)

/* The protocol in the other family. */
static inline uint8_t other_proto(uint8_t proto)
{
	if (proto == IPPROTO_ICMP)
		return IPPROTO_ICMPV6;
	return proto == IPPROTO_ICMPV6 ? IPPROTO_ICMP : proto;
}

/* Whether a protocol of IPv4 is none of IPv6's extension headers, which go no further than IPv6. */
static inline bool is_transport(uint8_t proto)
{
	return proto != IPPROTO_HOPOPTS && proto != IPPROTO_ROUTING && proto != IPPROTO_FRAGMENT &&
	       proto != IPPROTO_AH && proto != IPPROTO_DSTOPTS;
}

/* The IPv4 header of an IPv6 packet (RFC 7915 section 5.1). @p ident_be is used if it may be cut.
 */
void head64(struct rte_ipv4_hdr *h, const uint8_t *ip, const struct ip6_walk *w, uint32_t l4_bytes,
	    const struct weir_tuple *to, uint16_t ident_be);

/* The IPv6 header of an IPv4 packet, with a fragment header if it is one (section 4.1). @return its
 * bytes. */
uint32_t head46(uint8_t head[HEAD46_MOST], const struct rte_ipv4_hdr *ip, uint32_t l4_bytes,
		const struct weir_tuple *to);

/* Whether there is room for a head of so many bytes between layer 2 and the transport header. */
bool head_fits(struct rte_mbuf *m, uint32_t bytes);

/* Put it there, in place of the IP headers. All that speaks of the packet's family follows. */
void head_swap(struct rte_mbuf *m, const void *head, uint32_t bytes, bool v6);
