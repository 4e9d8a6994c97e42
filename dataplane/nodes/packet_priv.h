/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What several nodes need of a packet: its headers as 10_parse found them, and headers that lie in
 * later segments brought together.
 */

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <weir/meta.h>

/* The Ethernet header. */
static inline struct rte_ether_hdr *eth_hdr(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
}

/* Where a frame's type is said, behind its VLAN tags; NULL: it is cut off. */
static inline const uint8_t *frame_type(const uint8_t *frame, const uint8_t *end)
{
	const uint8_t *type = frame + offsetof(struct rte_ether_hdr, ether_type);

	for (unsigned tags = 0; end - type >= 6 && tags < 2; tags++, type += RTE_VLAN_HLEN) {
		const uint16_t t = (uint16_t)(type[0] << 8 | type[1]);

		if (t != RTE_ETHER_TYPE_VLAN && t != RTE_ETHER_TYPE_QINQ)
			break;
	}
	return end - type < 2 ? NULL : type;
}

/* The IPv4 header of a packet with WEIR_META_IP4. */
static inline struct rte_ipv4_hdr *ip4(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, weir_meta(m)->l3_off);
}

/* The IPv6 header of a packet with WEIR_META_IP6. */
static inline struct rte_ipv6_hdr *ip6(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, weir_meta(m)->l3_off);
}

/* The addresses of an IPv6 header: arrays in DPDK 22.11, structs since 24.11. */
static inline uint8_t *ip6_src(const struct rte_ipv6_hdr *ip)
{
	return (uint8_t *)(uintptr_t)&ip->src_addr;
}

static inline uint8_t *ip6_dst(const struct rte_ipv6_hdr *ip)
{
	return (uint8_t *)(uintptr_t)&ip->dst_addr;
}

/* The transport header of a packet with WEIR_META_L4. */
static inline void *l4(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, void *, weir_meta(m)->l4_off);
}

/* The flags of TCP; of other protocols 0. */
static inline uint8_t tcp_flags_of(struct rte_mbuf *m)
{
	return weir_meta(m)->proto == IPPROTO_TCP ? ((const struct rte_tcp_hdr *)l4(m))->tcp_flags
						  : 0;
}

/* Whether a packet that is to be forwarded has come to its end. */
static inline bool ttl_is_over(struct rte_mbuf *m)
{
	return (weir_meta(m)->flags & WEIR_META_IP4 ? ip4(m)->time_to_live : ip6(m)->hop_limits) <=
	       1;
}

/* Bytes from the transport header to the packet's end. */
static inline uint32_t l4_there(struct rte_mbuf *m)
{
	return m->pkt_len - weir_meta(m)->l4_off;
}

/*
 * Bring the first bytes of a packet together: move what lies in later segments into the tail room
 * of the first. Returns false, and the packet is still whole, if there is no room or somebody else
 * reads these buffers too.
 */
static inline bool packet_pull(struct rte_mbuf *m, uint32_t bytes)
{
	if (bytes <= m->data_len)
		return true;
	if (bytes > m->pkt_len || !RTE_MBUF_DIRECT(m) || rte_mbuf_refcnt_read(m) != 1 ||
	    bytes - m->data_len > rte_pktmbuf_tailroom(m))
		return false;
	while (m->data_len < bytes) {
		struct rte_mbuf *s = m->next;
		uint16_t n;

		if (s == NULL || rte_mbuf_refcnt_read(s) != 1)
			return false;
		n = (uint16_t)RTE_MIN(bytes - m->data_len, (uint32_t)s->data_len);
		memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len),
		       rte_pktmbuf_mtod(s, uint8_t *), n);
		m->data_len = (uint16_t)(m->data_len + n);
		s->data_off = (uint16_t)(s->data_off + n);
		s->data_len = (uint16_t)(s->data_len - n);
		if (s->data_len == 0) {
			m->next = s->next;
			m->nb_segs--;
			s->next = NULL;
			rte_pktmbuf_free_seg(s);
		}
	}
	return true;
}
