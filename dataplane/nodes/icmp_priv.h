/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What 70_local, 75_reject and the SYN proxy share: whom we may answer, from which address, and how
 * an answer enters the pipeline.
 *
 * An answer is a whole frame that looks as if it came in by the interface of the packet that it
 * answers, addressed to us. So 10_parse reads it like any other, 60_route finds its way, and an
 * answer to a link-local address leaves by the interface that the question came in by.
 */

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <weir/csum.h>
#include <weir/gen.h>
#include <weir/offload.h>
#include <weir/shard.h>
#include <weir/siphash.h>

#include "packet_priv.h"

/* TTL and hop limit of what we make (RFC 1122 section 3.2.1.7). */
#define ICMP_TTL 64

/* How every ICMP and ICMPv6 message begins (RFC 792, RFC 4443 section 2.1). */
struct icmp_head {
	uint8_t type;
	uint8_t code;
	uint16_t csum;
	uint32_t rest_be;
} __attribute__((packed)); /* it stands two bytes off in most frames */

/*
 * IPv4 identifications: a counter that begins elsewhere for each pair of hosts, so that one host
 * cannot watch what we send another (RFC 7739 section 5.3 has it for IPv6).
 */
struct icmp_idents {
	struct weir_siphash_key key;
	uint16_t next;
};

static inline uint16_t icmp_ident_be(struct icmp_idents *ids, uint32_t src_be, uint32_t dst_be)
{
	const uint64_t pair = (uint64_t)src_be << 32 | dst_be;

	return (uint16_t)(weir_siphash13_u64(&ids->key, pair) + ids->next++);
}

/* The interface that a packet came in by, or NULL. */
static inline const struct weir_iface *icmp_iface(const struct weir_l3 *l3, struct rte_mbuf *m)
{
	const uint16_t at = weir_meta(m)->iface_in;

	return at < l3->n_ifaces ? &l3->ifaces[at] : NULL;
}

static inline uint32_t icmp_addr4_be(const struct weir_addr *a)
{
	uint32_t be;

	memcpy(&be, a->bytes, sizeof(be));
	return be;
}

/*
 * Whether one host alone can have this address (RFC 1122 section 3.2.2): not "this network", not
 * loopback, group, reserved or broadcast, nor a broadcast address of the interface's subnets.
 */
static inline bool icmp_is_host4(const struct weir_iface *f, uint32_t addr_be)
{
	const uint32_t addr = rte_be_to_cpu_32(addr_be);
	const uint32_t net = addr >> 24;

	if (net == 0 || net == IN_LOOPBACKNET || net >= 224)
		return false;
	for (uint8_t i = 0; i < f->n_addrs; i++) {
		const struct weir_prefix *p = &f->addr[i];
		const uint32_t host = p->length < 32 ? UINT32_MAX >> p->length : 0;
		const uint32_t differ = addr ^ rte_be_to_cpu_32(icmp_addr4_be(&p->addr));

		/* A /31 and a /32 have no broadcast address (RFC 3021). */
		if (p->addr.family != 4 || p->length > 30 || (differ & ~host) != 0)
			continue;
		if ((addr & host) == 0 || (addr & host) == host)
			return false;
	}
	return true;
}

/* The same for IPv6: not unspecified, loopback or a group. */
static inline bool icmp_is_host6(const void *of)
{
	static const uint8_t zero[15];
	const uint8_t *addr = of;

	return addr[0] != 0xff && (memcmp(addr, zero, sizeof(zero)) != 0 || addr[15] > 1);
}

static inline bool icmp_is_link_local6(const void *of)
{
	const uint8_t *addr = of;

	return addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80;
}

/*
 * An address of the interface to answer @p to from: the one in the same subnet, else its first
 * of that family. NULL: it has none.
 */
static inline const struct weir_addr *icmp_source(const struct weir_iface *f,
						  const struct weir_addr *to)
{
	const struct weir_addr *first = NULL;

	for (uint8_t i = 0; i < f->n_addrs; i++) {
		const struct weir_prefix *p = &f->addr[i];

		if (p->addr.family != to->family)
			continue;
		if (weir_prefix_contains(p, to))
			return &p->addr;
		if (first == NULL)
			first = &p->addr;
	}
	return first;
}

/* The same for IPv6, by scope (RFC 6724 section 5 rule 2): link-local answers link-local. */
static inline const struct weir_addr *icmp_source6(const struct weir_iface *f, const void *to)
{
	struct weir_addr addr = {.family = 6};
	const struct weir_addr *source = NULL;

	memcpy(addr.bytes, to, sizeof(addr.bytes));
	if (!icmp_is_link_local6(to))
		source = icmp_source(f, &addr);
	if (source == NULL && f->link_local.family == 6)
		source = &f->link_local;
	return source;
}

/* Fill in an IPv4 header without options. */
static inline void icmp_fill_ip4(struct rte_ipv4_hdr *ip, uint8_t tos, uint16_t ip_bytes,
				 uint8_t proto, uint32_t src_be, uint32_t dst_be)
{
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.type_of_service = tos,
		.total_length = rte_cpu_to_be_16(ip_bytes),
		.time_to_live = ICMP_TTL,
		.next_proto_id = proto,
		.src_addr = src_be,
		.dst_addr = dst_be,
	};
}

/* Fill in an IPv6 header; @p payload_bytes follow it. */
static inline void icmp_fill_ip6(struct rte_ipv6_hdr *ip, uint16_t payload_bytes, uint8_t proto,
				 const void *src, const void *dst)
{
	ip->vtc_flow = rte_cpu_to_be_32(UINT32_C(6) << 28);
	ip->payload_len = rte_cpu_to_be_16(payload_bytes);
	ip->proto = proto;
	ip->hop_limits = ICMP_TTL;
	memcpy(ip6_src(ip), src, sizeof(ip->src_addr));
	memcpy(ip6_dst(ip), dst, sizeof(ip->dst_addr));
}

/*
 * A new frame with the layer 2 of the packet that it answers and room for ip_bytes behind it.
 * NULL if there is no buffer, or none large enough (counted as NO_MBUF).
 */
static inline struct rte_mbuf *icmp_frame(struct weir_shard *s, struct rte_mbuf *question,
					  uint16_t ip_bytes)
{
	const uint16_t l3_off = weir_meta(question)->l3_off;
	struct rte_mbuf *m = weir_shard_alloc(s);
	char *frame;

	if (m == NULL)
		return NULL;
	frame = rte_pktmbuf_append(m, (uint16_t)(l3_off + ip_bytes));
	if (frame == NULL) {
		weir_drop(s, m, WEIR_DROP_NO_MBUF);
		return NULL;
	}
	memcpy(frame, rte_pktmbuf_mtod(question, const char *), l3_off);
	weir_meta(m)->l3_off = l3_off;
	weir_meta(m)->l4_off = l3_off;
	return m;
}

/*
 * Let a frame of ours enter the next pass at 10_parse.
 * It may be @p question itself, turned round. Ownership moves to the queue.
 */
static inline void icmp_send(struct weir_shard *s, const struct weir_iface *f, struct rte_mbuf *m,
			     struct rte_mbuf *question)
{
	struct weir_meta *meta = weir_meta(m);
	const struct weir_meta *from = weir_meta(question);

	memcpy(&eth_hdr(m)->dst_addr, f->mac, sizeof(f->mac));
	meta->port_in = from->port_in;
	meta->iface_in = from->iface_in;
	meta->flags = WEIR_META_OURS | (from->flags & WEIR_META_TRACED);
	meta->hop = WEIR_NO_HOP;
	meta->laps =
		0; /* a new packet, though its question may have been put together and it cut */
	weir_origin_push(s->origin, m, WEIR_NEXT);
}
