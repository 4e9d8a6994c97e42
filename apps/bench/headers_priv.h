/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Where a frame's headers are: Ethernet, up to two VLAN tags, IPv4 or IPv6, TCP, UDP or ICMP. Only
 * what is wholly in the first buffer and does not lie about its length is found.
 */

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

struct bench_headers {
	struct rte_ipv4_hdr *ip4; /* at most one of the two */
	struct rte_ipv6_hdr *ip6;
	void *l4;      /* TCP, UDP or ICMP, as proto says; not of a fragment */
	uint8_t proto; /* 0: l4 is none of them */
	uint16_t ether_type;
	uint16_t l3_off, l4_off;
	uint32_t end; /* where the IP packet ends; what is behind it is padding */
};

static inline uint32_t bench_l4_bytes(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return sizeof(struct rte_tcp_hdr);
	case IPPROTO_UDP:
		return sizeof(struct rte_udp_hdr);
	case IPPROTO_ICMP:
		return 8;
	default:
		return UINT32_MAX;
	}
}

static inline void bench_headers_ip4(struct rte_mbuf *m, struct bench_headers *h)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, h->l3_off);
	const uint32_t here = rte_pktmbuf_data_len(m) - h->l3_off;
	uint32_t ihl, total;

	if (here < sizeof(*ip) || ip->version_ihl >> 4 != 4)
		return;
	ihl = (ip->version_ihl & 15u) * 4;
	total = rte_be_to_cpu_16(ip->total_length);
	if (ihl < sizeof(*ip) || ihl > here || total < ihl ||
	    total > rte_pktmbuf_pkt_len(m) - h->l3_off)
		return;
	h->ip4 = ip;
	h->l4_off = (uint16_t)(h->l3_off + ihl);
	h->end = h->l3_off + total;
	if (ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK))
		return;
	if (bench_l4_bytes(ip->next_proto_id) <= RTE_MIN(total, here) - ihl)
		h->proto = ip->next_proto_id;
}

static inline void bench_headers_ip6(struct rte_mbuf *m, struct bench_headers *h)
{
	struct rte_ipv6_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, h->l3_off);
	const uint32_t here = rte_pktmbuf_data_len(m) - h->l3_off;
	uint32_t payload;

	if (here < sizeof(*ip) ||
	    (ip->vtc_flow & rte_cpu_to_be_32(0xf0000000)) != rte_cpu_to_be_32(0x60000000))
		return;
	payload = rte_be_to_cpu_16(ip->payload_len);
	if (payload > rte_pktmbuf_pkt_len(m) - h->l3_off - sizeof(*ip))
		return;
	h->ip6 = ip;
	h->l4_off = (uint16_t)(h->l3_off + sizeof(*ip));
	h->end = h->l4_off + payload;
	if ((ip->proto == IPPROTO_TCP || ip->proto == IPPROTO_UDP) &&
	    bench_l4_bytes(ip->proto) <= RTE_MIN(payload, here - (uint32_t)sizeof(*ip)))
		h->proto = ip->proto;
}

static inline void bench_headers_find(struct rte_mbuf *m, struct bench_headers *h)
{
	const uint32_t here = rte_pktmbuf_data_len(m);
	uint32_t at = sizeof(struct rte_ether_hdr);

	*h = (struct bench_headers){0};
	if (here < at)
		return;
	h->ether_type = rte_be_to_cpu_16(rte_pktmbuf_mtod(m, struct rte_ether_hdr *)->ether_type);
	for (unsigned tags = 0; tags < 2; tags++) {
		const struct rte_vlan_hdr *v;

		if ((h->ether_type != RTE_ETHER_TYPE_VLAN &&
		     h->ether_type != RTE_ETHER_TYPE_QINQ) ||
		    here < at + sizeof(*v))
			break;
		v = rte_pktmbuf_mtod_offset(m, struct rte_vlan_hdr *, at);
		h->ether_type = rte_be_to_cpu_16(v->eth_proto);
		at += sizeof(*v);
	}
	h->l3_off = (uint16_t)at;
	if (h->ether_type == RTE_ETHER_TYPE_IPV4)
		bench_headers_ip4(m, h);
	else if (h->ether_type == RTE_ETHER_TYPE_IPV6)
		bench_headers_ip6(m, h);
	if (h->proto != 0)
		h->l4 = rte_pktmbuf_mtod_offset(m, void *, h->l4_off);
}
