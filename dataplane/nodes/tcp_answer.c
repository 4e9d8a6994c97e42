/* SPDX-License-Identifier: BSD-3-Clause */

/* tcp_answer: a whole frame around a segment; see icmp_priv.h for how it enters the pipeline. */

#include "tcp_answer_priv.h"

/* The header of IP, and the sum of the pseudo header. */
static uint32_t fill_ip(struct rte_mbuf *m, bool back, struct rte_mbuf *fresh, uint16_t tcp_bytes)
{
	const void *src, *dst;

	if (weir_meta(m)->flags & WEIR_META_IP4) {
		const uint32_t src_be = ip4(m)->src_addr, dst_be = ip4(m)->dst_addr;
		struct rte_ipv4_hdr *ip = ip4(fresh);

		icmp_fill_ip4(ip, 0, (uint16_t)(sizeof(*ip) + tcp_bytes), IPPROTO_TCP,
			      back ? dst_be : src_be, back ? src_be : dst_be);
		ip->fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG); /* so its id may be 0 */
		ip->hdr_checksum = weir_csum(ip, sizeof(*ip));
		return weir_csum_pseudo4(ip->src_addr, ip->dst_addr, IPPROTO_TCP, tcp_bytes);
	}
	src = ip6_src(ip6(m));
	dst = ip6_dst(ip6(m));
	icmp_fill_ip6(ip6(fresh), tcp_bytes, IPPROTO_TCP, back ? dst : src, back ? src : dst);
	return weir_csum_pseudo6(src, dst, IPPROTO_TCP, tcp_bytes);
}

struct rte_mbuf *tcp_frame(struct weir_shard *s, struct rte_mbuf *m, bool back,
			   const struct rte_tcp_hdr *tcp, uint16_t tcp_bytes)
{
	const uint32_t family = weir_meta(m)->flags & (WEIR_META_IP4 | WEIR_META_IP6);
	const uint16_t ip_head = family == WEIR_META_IP4 ? sizeof(struct rte_ipv4_hdr)
							 : sizeof(struct rte_ipv6_hdr);
	struct rte_mbuf *fresh = icmp_frame(s, m, (uint16_t)(ip_head + tcp_bytes));
	struct rte_tcp_hdr *to;
	struct weir_meta *meta;
	uint32_t sum;

	if (fresh == NULL)
		return NULL;
	meta = weir_meta(fresh);
	meta->flags |= family | WEIR_META_L4;
	meta->l4_off = (uint16_t)(meta->l3_off + ip_head);
	meta->proto = IPPROTO_TCP;
	sum = fill_ip(m, back, fresh, tcp_bytes);
	to = l4(fresh);
	memcpy(to, tcp, tcp_bytes);
	to->cksum = 0;
	to->cksum = weir_csum_finish(weir_csum_add(sum, weir_csum_sum(to, tcp_bytes)));
	return fresh;
}

bool tcp_answer(struct weir_shard *s, const struct weir_iface *f, struct rte_mbuf *m,
		const struct rte_tcp_hdr *tcp, uint16_t tcp_bytes)
{
	struct rte_mbuf *fresh = tcp_frame(s, m, true, tcp, tcp_bytes);

	if (fresh == NULL)
		return false;
	icmp_send(s, f, fresh, m);
	return true;
}
