/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* TCP segments that are to be cut, in Ethernet frames, and the pieces that they become. */

#include "test.h"
#include "toy_eal.h"

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <weir/meta.h>
#include <weir/offload.h>

#define LONG_SEQ 0xfffff000u /* so that numbers go round */

static inline uint32_t long_head(bool v6)
{
	return (uint32_t)(RTE_ETHER_HDR_LEN + (v6 ? 40 : 20) + sizeof(struct rte_tcp_hdr));
}

static inline struct rte_tcp_hdr *long_tcp(struct rte_mbuf *m, bool v6)
{
	return rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, RTE_ETHER_HDR_LEN + (v6 ? 40 : 20));
}

static inline uint8_t long_byte(uint32_t at)
{
	return (uint8_t)(at ^ at >> 8);
}

/* With @bytes of payload in buffers of @each, to be cut to @size. */
static inline struct rte_mbuf *long_segment(bool v6, uint32_t bytes, uint16_t each, uint16_t size,
					    uint8_t flags)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(toy_only_pool());
	char *p = m == NULL ? NULL : rte_pktmbuf_append(m, (uint16_t)long_head(v6));
	struct rte_ipv4_hdr *ip4 = (struct rte_ipv4_hdr *)(p + RTE_ETHER_HDR_LEN);
	struct rte_ipv6_hdr *ip6 = (struct rte_ipv6_hdr *)ip4;

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	memset(p, 0, long_head(v6));
	if (v6)
		*ip6 = (struct rte_ipv6_hdr){.vtc_flow = RTE_BE32(0x60000000),
					     .proto = IPPROTO_TCP,
					     .hop_limits = 64,
					     .src_addr = {0x20, [15] = 1},
					     .dst_addr = {0x20, [15] = 2}};
	else
		*ip4 = (struct rte_ipv4_hdr){.version_ihl = RTE_IPV4_VHL_DEF,
					     .fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
					     .packet_id = RTE_BE16(UINT16_MAX),
					     .time_to_live = 64,
					     .next_proto_id = IPPROTO_TCP,
					     .src_addr = RTE_BE32(0xc0000201),
					     .dst_addr = RTE_BE32(0xc0000202)};
	*long_tcp(m, v6) = (struct rte_tcp_hdr){
		.sent_seq = rte_cpu_to_be_32(LONG_SEQ), .data_off = 5 << 4, .tcp_flags = flags};
	for (uint32_t at = 0; at < bytes;) {
		const uint16_t part = (uint16_t)RTE_MIN(bytes - at, (uint32_t)each);
		struct rte_mbuf *tail = rte_pktmbuf_alloc(toy_only_pool());

		CU_ASSERT_PTR_NOT_NULL_FATAL(tail);
		p = rte_pktmbuf_append(tail, part);
		for (uint16_t i = 0; i < part; i++)
			p[i] = (char)long_byte(at + i);
		at += part;
		CU_ASSERT_EQUAL_FATAL(rte_pktmbuf_chain(m, tail), 0);
	}
	m->ol_flags = RTE_MBUF_F_TX_TCP_SEG |
		      (v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM);
	m->l2_len = RTE_ETHER_HDR_LEN;
	m->l3_len = v6 ? 40 : 20;
	m->l4_len = sizeof(struct rte_tcp_hdr);
	m->tso_segsz = size;
	*weir_meta(m) = (struct weir_meta){.l3_off = RTE_ETHER_HDR_LEN,
					   .l4_off = RTE_ETHER_HDR_LEN + m->l3_len,
					   .flags = v6 ? WEIR_META_IP6 : WEIR_META_IP4,
					   .iface_out = 7};
	return m;
}

/* A finished piece that begins @at bytes into the payload. @return how many it has, @size at most.
 */
static inline uint32_t long_check(struct rte_mbuf *m, bool v6, uint32_t at, uint16_t size)
{
	const uint32_t bytes = m->pkt_len - long_head(v6);
	const struct rte_ipv4_hdr *ip4 =
		rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);
	const struct rte_ipv6_hdr *ip6 = (const struct rte_ipv6_hdr *)ip4;
	static uint8_t flat[16384];
	const uint8_t *p = rte_pktmbuf_read(m, long_head(v6), bytes, flat);
	unsigned wrong = 0;

	CU_ASSERT(bytes > 0 && bytes <= size);
	CU_ASSERT_EQUAL(rte_be_to_cpu_32(long_tcp(m, v6)->sent_seq), LONG_SEQ + at);
	for (uint32_t i = 0; i < bytes; i++)
		wrong += p[i] != long_byte(at + i);
	CU_ASSERT_EQUAL(wrong, 0);
	if (v6) {
		CU_ASSERT_EQUAL(rte_be_to_cpu_16(ip6->payload_len), m->pkt_len - 54);
		CU_ASSERT_EQUAL(rte_ipv6_udptcp_cksum_mbuf_verify(m, ip6, 54), 0);
	} else {
		CU_ASSERT_EQUAL(rte_be_to_cpu_16(ip4->total_length), m->pkt_len - 14);
		CU_ASSERT_EQUAL(rte_ipv4_cksum(ip4), 0);
		CU_ASSERT_EQUAL(rte_be_to_cpu_16(ip4->packet_id),
				(uint16_t)(UINT16_MAX + (at + size - 1) / size));
		if (m->nb_segs == 1) /* DPDK's loses carries behind odd buffers */
			CU_ASSERT_EQUAL(rte_ipv4_udptcp_cksum_mbuf_verify(m, ip4, 34), 0);
	}
	CU_ASSERT_EQUAL(weir_meta(m)->iface_out, 7);
	return bytes;
}
