/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Receive checksums (rxcsum=verify): computed here, because no device behind AF_XDP tells the
 * program of its own verdict, and a veth peer with transmit offload on sends unfinished ones.
 */

#include "cksum_priv.h"
#include "rx_meta_priv.h"

#include <rte_net.h>
#include <rte_tcp.h>
#include <rte_udp.h>

static uint64_t l4_verdict(const struct rte_mbuf *m, const struct rte_net_hdr_lens *lens,
			   uint32_t l4_bytes, uint16_t pseudo)
{
	uint16_t sum;

	if (!xdp_raw_cksum(m, lens->l2_len + lens->l3_len, l4_bytes, &sum))
		return RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN;
	return __rte_raw_cksum_reduce((uint32_t)sum + pseudo) == UINT16_MAX
		       ? RTE_MBUF_F_RX_L4_CKSUM_GOOD
		       : RTE_MBUF_F_RX_L4_CKSUM_BAD;
}

/* The pseudo header's sum and what it covers; false if the lengths contradict each other. */
static bool read_l3(const struct rte_mbuf *m, uint32_t type, const struct rte_net_hdr_lens *lens,
		    uint32_t *l4_bytes, uint16_t *pseudo, uint8_t *proto)
{
	if (RTE_ETH_IS_IPV4_HDR(type)) {
		const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, void *, lens->l2_len);
		const uint16_t total = rte_be_to_cpu_16(ip->total_length);

		if (total < lens->l3_len)
			return false;
		*l4_bytes = total - lens->l3_len;
		*pseudo = rte_ipv4_phdr_cksum(ip, 0);
		*proto = ip->next_proto_id;
	} else {
		struct rte_ipv6_hdr ip =
			*rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, lens->l2_len);
		const uint32_t total = rte_be_to_cpu_16(ip.payload_len) + (uint32_t)sizeof(ip);

		if (total < lens->l3_len)
			return false;
		*l4_bytes = total - lens->l3_len;
		*proto = (type & RTE_PTYPE_L4_MASK) == RTE_PTYPE_L4_TCP ? IPPROTO_TCP : IPPROTO_UDP;
		ip.payload_len = rte_cpu_to_be_16((uint16_t)*l4_bytes); /* RFC 8200, 8.1 */
		ip.proto = *proto;
		*pseudo = rte_ipv6_phdr_cksum(&ip, 0);
	}
	return lens->l2_len + lens->l3_len + *l4_bytes <= m->pkt_len;
}

/* UNKNOWN where there is no TCP or UDP to tell of. */
static uint64_t judge_l4(const struct rte_mbuf *m, uint32_t type,
			 const struct rte_net_hdr_lens *lens)
{
	const uint32_t l4 = type & RTE_PTYPE_L4_MASK, off = (uint32_t)lens->l2_len + lens->l3_len;
	uint32_t l4_bytes, least;
	uint16_t pseudo;
	uint8_t proto;

	if ((l4 != RTE_PTYPE_L4_TCP && l4 != RTE_PTYPE_L4_UDP) ||
	    !read_l3(m, type, lens, &l4_bytes, &pseudo, &proto))
		return RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN;
	least = proto == IPPROTO_TCP ? sizeof(struct rte_tcp_hdr) : sizeof(struct rte_udp_hdr);
	if (l4_bytes < least || off + least > m->data_len)
		return RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN;
	if (proto == IPPROTO_UDP && RTE_ETH_IS_IPV4_HDR(type) &&
	    rte_pktmbuf_mtod_offset(m, struct rte_udp_hdr *, off)->dgram_cksum == 0)
		return RTE_MBUF_F_RX_L4_CKSUM_NONE; /* RFC 768: not computed */
	return l4_verdict(m, lens, l4_bytes, pseudo);
}

void xdp_rx_verify(struct xdp_rxq *rxq, struct rte_mbuf *m)
{
	struct rte_net_hdr_lens lens;
	const uint32_t type = rte_net_get_ptype(
		m, &lens, RTE_PTYPE_L2_MASK | RTE_PTYPE_L3_MASK | RTE_PTYPE_L4_MASK);
	uint64_t ip = 0, l4;

	m->packet_type = type;
	if ((!RTE_ETH_IS_IPV4_HDR(type) && !RTE_ETH_IS_IPV6_HDR(type)) ||
	    (uint32_t)lens.l2_len + lens.l3_len > m->data_len)
		return;
	if (RTE_ETH_IS_IPV4_HDR(type))
		ip = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, void *, lens.l2_len), lens.l3_len) ==
				     UINT16_MAX
			     ? RTE_MBUF_F_RX_IP_CKSUM_GOOD
			     : RTE_MBUF_F_RX_IP_CKSUM_BAD;
	l4 = judge_l4(m, type, &lens);
	rxq->stats.bad_cksum += ip == RTE_MBUF_F_RX_IP_CKSUM_BAD ||
				l4 == RTE_MBUF_F_RX_L4_CKSUM_BAD;
	m->ol_flags |= ip | l4;
}
