/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * rewrite64: packets from IPv6 to IPv4 and back (RFC 7915).
 *
 * The IP header is exchanged: what stands in front of it moves, payload stays where it is. TTL and
 * hop limit are copied, for 60_route lowers them once. Options and extension headers do not go
 * across, but fragment headers do. What RFC 7915 says that cannot be translated is
 * NAT_UNTRANSLATABLE: source routes, AH, fragments of ICMP, fragments of UDP without a checksum.
 *
 * MTUs of ICMP errors are adjusted by the difference of the headers; that of the next link is not
 * known here, and 60_route's own error says it if it is lower.
 */

#include "rewrite64_priv.h"

#include "tuple_priv.h"

/* RFC 7915 section 4.5: a UDP packet without a checksum gets one; else it would be dropped. */
#define UDP_CSUM_MADE true

/* Section 5.1: what is no longer than this may be fragmented by an IPv4 router. */
#define DF_ABOVE_BYTES 1260

/* RFC 791 section 3.1: options that say which way to go. */
#define OPTION_END   0
#define OPTION_NOP   1
#define OPTION_LSRR  131
#define OPTION_SSRR  137
#define OPTION_FIRST 4 /* where a route's pointer begins */

/* Whether routers of IPv4 may fragment it, so that it needs an identification. */
static bool may_be_cut(const struct ip6_walk *w, uint32_t l4_bytes)
{
	return w->frag == NULL &&
	       (w->was_cut || sizeof(struct rte_ipv4_hdr) + l4_bytes <= DF_ABOVE_BYTES);
}

void head64(struct rte_ipv4_hdr *h, const uint8_t *ip, const struct ip6_walk *w, uint32_t l4_bytes,
	    const struct weir_tuple *to, uint16_t ident_be)
{
	const uint32_t bytes = (uint32_t)sizeof(*h) + l4_bytes;
	uint16_t fragment = 0;

	if (w->frag != NULL) {
		const uint16_t at = (uint16_t)(w->frag[2] << 8 | w->frag[3]);

		fragment = (uint16_t)(at >> 3 | (at & 1 ? RTE_IPV4_HDR_MF_FLAG : 0));
		memcpy(&ident_be, w->frag + 6, sizeof(ident_be)); /* the last bits of it */
	} else if (!may_be_cut(w, l4_bytes)) {
		fragment = RTE_IPV4_HDR_DF_FLAG;
		ident_be = 0; /* RFC 6864: of no meaning then */
	}
	*h = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.type_of_service = (uint8_t)(ip[0] << 4 | ip[1] >> 4),
		.total_length = rte_cpu_to_be_16((uint16_t)bytes),
		.packet_id = ident_be,
		.fragment_offset = rte_cpu_to_be_16(fragment),
		.time_to_live = ip[7],
		.next_proto_id = to->proto,
	};
	memcpy(&h->src_addr, to->src, sizeof(h->src_addr));
	memcpy(&h->dst_addr, to->dst, sizeof(h->dst_addr));
	h->hdr_checksum = weir_csum(h, sizeof(*h));
}

uint32_t head46(uint8_t head[HEAD46_MOST], const struct rte_ipv4_hdr *ip, uint32_t l4_bytes,
		const struct weir_tuple *to)
{
	const uint16_t frag = rte_be_to_cpu_16(ip->fragment_offset);
	const bool fragmented = frag & (RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK);
	const uint32_t bytes = fragmented ? HEAD46_MOST : sizeof(struct rte_ipv6_hdr);
	const uint32_t payload = l4_bytes + bytes - (uint32_t)sizeof(struct rte_ipv6_hdr);

	memset(head, 0, HEAD46_MOST);
	head[0] = (uint8_t)(6 << 4 | ip->type_of_service >> 4);
	head[1] = (uint8_t)(ip->type_of_service << 4);
	head[4] = (uint8_t)(payload >> 8);
	head[5] = (uint8_t)payload;
	head[6] = fragmented ? IPPROTO_FRAGMENT : to->proto;
	head[7] = ip->time_to_live;
	memcpy(head + 8, to->src, 16);
	memcpy(head + 24, to->dst, 16);
	if (fragmented) {
		const uint16_t at = (uint16_t)((frag & RTE_IPV4_HDR_OFFSET_MASK) << 3 |
					       !!(frag & RTE_IPV4_HDR_MF_FLAG));

		head[40] = to->proto;
		head[42] = (uint8_t)(at >> 8);
		head[43] = (uint8_t)at;
		memcpy(head + 46, &ip->packet_id, sizeof(ip->packet_id));
	}
	return bytes;
}

bool head_fits(struct rte_mbuf *m, uint32_t bytes)
{
	const struct weir_meta *meta = weir_meta(m);

	return meta->l3_off + bytes <= (uint32_t)rte_pktmbuf_headroom(m) + meta->l4_off;
}

void head_swap(struct rte_mbuf *m, const void *head, uint32_t bytes, bool v6)
{
	struct weir_meta *meta = weir_meta(m);
	const int grow = (int)bytes - (meta->l4_off - meta->l3_off);
	const uint16_t type = rte_cpu_to_be_16(v6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
	uint8_t *from = rte_pktmbuf_mtod(m, uint8_t *);

	memmove(from - grow, from, meta->l3_off);
	m->data_off = (uint16_t)(m->data_off - grow);
	m->data_len = (uint16_t)(m->data_len + grow);
	m->pkt_len = (uint32_t)((int64_t)m->pkt_len + grow);
	meta->l4_off = (uint16_t)(meta->l4_off + grow);
	memcpy(from - grow + meta->l3_off, head, bytes);
	if (meta->l3_off >= RTE_ETHER_HDR_LEN)
		memcpy(from - grow + meta->l3_off - sizeof(type), &type, sizeof(type));
	meta->flags &= ~(uint32_t)(WEIR_META_IP4 | WEIR_META_IP6 | WEIR_META_OPTIONS);
	meta->flags |= v6 ? WEIR_META_IP6 : WEIR_META_IP4;
	meta->proto = other_proto(meta->proto);
	m->l2_len = meta->l3_off;
	m->l3_len = bytes;
	/* What a port said of the old header is not true of this one, which is right as it is. */
	m->ol_flags &= ~(RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_IPV4 |
			 RTE_MBUF_F_TX_IPV6);
	if (m->ol_flags & RTE_MBUF_F_TX_L4_MASK)
		m->ol_flags |= v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
}

/* The transport header, on its way to the other family. */
static bool cross(struct rte_mbuf *m, const struct weir_tuple *was, const struct weir_tuple *to)
{
	const uint32_t l4_bytes = l4_there(m);

	return transport_rewrite(
		m, to->proto, to->sport, to->dport,
		weir_csum_change32(pseudo_sum(was, l4_bytes), pseudo_sum(to, l4_bytes)));
}

/* Whether a packet of this protocol can go across at all (section 1.2, 4.2 and 5.2). */
static bool may_cross(struct rte_mbuf *m, const struct weir_tuple *to)
{
	const struct weir_meta *meta = weir_meta(m);
	const bool icmp = to->proto == IPPROTO_ICMP || to->proto == IPPROTO_ICMPV6;

	if (to->proto != other_proto(meta->proto) || !is_transport(meta->proto))
		return false;
	/* The pseudo header of ICMPv6 has a length that no fragment knows. */
	return !icmp || (meta->flags & (WEIR_META_L4 | WEIR_META_FRAG)) == WEIR_META_L4;
}

/* Where the packet's payload stands in its datagram. */
static uint32_t fragment_offset(const struct ip6_walk *w)
{
	return w->frag == NULL ? 0 : (uint32_t)(w->frag[2] << 8 | w->frag[3]) & 0xfff8;
}

enum weir_drop rewrite64(struct icmp_idents *ids, struct rte_mbuf *m, const struct weir_tuple *to)
{
	const struct weir_meta *meta = weir_meta(m);
	const uint8_t *ip = (const uint8_t *)ip6(m);
	const uint32_t l4_bytes = l4_there(m);
	struct rte_ipv4_hdr head;
	struct weir_tuple was;
	uint16_t ident_be = 0;
	struct ip6_walk w;
	uint32_t addr[2];

	if (!ip6_walk(ip, (uint32_t)meta->l4_off - meta->l3_off, &w) || w.routed || w.has_ah ||
	    !may_cross(m, to) || sizeof(head) + fragment_offset(&w) + l4_bytes > UINT16_MAX)
		return WEIR_DROP_NAT_UNTRANSLATABLE;
	tuple_set6(&was, ip6(m), meta->proto);
	if (!cross(m, &was, to))
		return WEIR_DROP_NAT_UNTRANSLATABLE;
	memcpy(addr, to->src, sizeof(addr[0]));
	memcpy(addr + 1, to->dst, sizeof(addr[1]));
	/* Section 5.1.1: of fragments it is not set, and what was put together goes on as such. */
	w.was_cut = meta->flags & WEIR_META_DEFRAGGED;
	if (may_be_cut(&w, l4_bytes))
		ident_be = icmp_ident_be(ids, addr[0], addr[1]);
	head64(&head, ip, &w, l4_bytes, to, ident_be);
	head_swap(m, &head, sizeof(head), false);
	return WEIR_DROP_NONE;
}

/* Section 4.1: a source route that has not come to its end is not followed further. */
static bool is_source_routed(const struct rte_ipv4_hdr *ip)
{
	const uint8_t *at = (const uint8_t *)(ip + 1);
	const uint8_t *end = (const uint8_t *)ip + rte_ipv4_hdr_len(ip);

	while (at < end && *at != OPTION_END) {
		if (*at == OPTION_NOP) {
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || at[1] > end - at)
			return true; /* a lie: nobody knows what is in it */
		if (*at == OPTION_LSRR || *at == OPTION_SSRR)
			return at[1] < 3 || at[2] < OPTION_FIRST || at[2] <= at[1];
		at += at[1];
	}
	return false;
}

/* Whether it is UDP without a checksum, and so needs one. */
static bool lacks_csum(struct rte_mbuf *m)
{
	const struct weir_meta *meta = weir_meta(m);

	return meta->proto == IPPROTO_UDP && (meta->flags & WEIR_META_L4) &&
	       !(m->ol_flags & RTE_MBUF_F_TX_L4_MASK) &&
	       ((const struct rte_udp_hdr *)l4(m))->dgram_cksum == 0;
}

static void make_udp_csum(struct rte_mbuf *m, const struct weir_tuple *to)
{
	struct rte_udp_hdr *udp = l4(m);
	const uint32_t bytes = rte_be_to_cpu_16(udp->dgram_len);
	const uint32_t sum = weir_offload_sum(m, weir_meta(m)->l4_off, bytes);

	udp->dgram_cksum =
		weir_csum_udp(weir_csum_finish(weir_csum_add(sum, pseudo_sum(to, bytes))));
}

enum weir_drop rewrite46(struct rte_mbuf *m, const struct weir_tuple *to)
{
	struct weir_meta *meta = weir_meta(m);
	const struct rte_ipv4_hdr *ip = ip4(m);
	const bool bare = lacks_csum(m);
	uint8_t head[HEAD46_MOST];
	struct weir_tuple was;
	uint32_t bytes;

	if (!may_cross(m, to) || is_source_routed(ip) ||
	    (bare && (!UDP_CSUM_MADE || (meta->flags & WEIR_META_FRAG))))
		return WEIR_DROP_NAT_UNTRANSLATABLE;
	bytes = head46(head, ip, l4_there(m), to);
	if (!head_fits(m, bytes))
		return WEIR_DROP_HEADROOM;
	tuple_set4(&was, ip, meta->proto);
	if (!cross(m, &was, to))
		return WEIR_DROP_NAT_UNTRANSLATABLE;
	if (bare)
		make_udp_csum(m, to);
	if (!(ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_DF_FLAG)) &&
	    !(meta->flags & WEIR_META_FRAG))
		meta->flags |= WEIR_META_MAY_CUT;
	head_swap(m, head, bytes, true);
	return WEIR_DROP_NONE;
}
