/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Whether a packet's transport checksum is right: 70_local and 45_dpi judge by what it covers. */

#include <netinet/in.h>
#include <rte_udp.h>
#include <weir/csum.h>
#include <weir/offload.h>

#include "packet_priv.h"

/* Sum over the transport header and what follows, with its pseudo header; 0 means right. */
static inline uint16_t l4_csum(struct rte_mbuf *m, uint32_t bytes)
{
	const struct weir_meta *meta = weir_meta(m);
	uint32_t sum = weir_offload_sum(m, meta->l4_off, bytes);

	if (meta->flags & WEIR_META_IP6)
		sum = weir_csum_add(sum, weir_csum_pseudo6(ip6_src(ip6(m)), ip6_dst(ip6(m)),
							   meta->proto, bytes));
	else if (meta->proto != IPPROTO_ICMP)
		sum = weir_csum_add(sum, weir_csum_pseudo4(ip4(m)->src_addr, ip4(m)->dst_addr,
							   meta->proto, bytes));
	return weir_csum_finish(sum);
}

/* TCP and UDP, where the port may vouch for the sum. */
static inline bool port_vouches(const struct rte_mbuf *m)
{
	return (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD;
}

static inline bool udp_csum_is_right(struct rte_mbuf *m)
{
	const struct weir_meta *meta = weir_meta(m);
	const struct rte_udp_hdr *udp = l4(m);

	/* No checksum: allowed by RFC 768, forbidden by RFC 8200 section 8.1. */
	if (udp->dgram_cksum == 0)
		return (meta->flags & WEIR_META_IP4) != 0;
	if (port_vouches(m))
		return true;
	return l4_csum(m, rte_be_to_cpu_16(udp->dgram_len)) == 0;
}

static inline bool l4_csum_is_right(struct rte_mbuf *m)
{
	const struct weir_meta *meta = weir_meta(m);

	/* A fragment that nobody put together, or a protocol that is not ours to check. */
	if ((meta->flags & (WEIR_META_L4 | WEIR_META_FRAG)) != WEIR_META_L4)
		return true;
	switch (meta->proto) {
	case IPPROTO_UDP:
		return udp_csum_is_right(m);
	case IPPROTO_TCP:
		return port_vouches(m) || l4_csum(m, l4_there(m)) == 0;
	case IPPROTO_SCTP: /* a CRC, which nothing here serves */
		return true;
	default:
		return l4_csum(m, l4_there(m)) == 0;
	}
}
