/* SPDX-License-Identifier: BSD-3-Clause */

/* tcp_answer: a whole frame around a segment; see icmp_priv.h for how it enters the pipeline. */

#include "tcp_answer_priv.h"

bool tcp_answer(struct weir_shard *s, const struct weir_iface *f, struct rte_mbuf *m,
		const struct rte_tcp_hdr *tcp, uint16_t tcp_bytes)
{
	const bool v4 = weir_meta(m)->flags & WEIR_META_IP4;
	const uint16_t ip_head = v4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);
	struct rte_mbuf *fresh = icmp_frame(s, m, (uint16_t)(ip_head + tcp_bytes));
	struct rte_tcp_hdr *to;
	uint32_t sum;

	if (fresh == NULL)
		return false;
	if (v4) {
		struct rte_ipv4_hdr *ip = ip4(fresh);

		icmp_fill_ip4(ip, 0, (uint16_t)(ip_head + tcp_bytes), IPPROTO_TCP, ip4(m)->dst_addr,
			      ip4(m)->src_addr);
		ip->fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG); /* so its id may be 0 */
		ip->hdr_checksum = weir_csum(ip, sizeof(*ip));
		sum = weir_csum_pseudo4(ip->src_addr, ip->dst_addr, IPPROTO_TCP, tcp_bytes);
	} else {
		struct rte_ipv6_hdr *ip = ip6(fresh);

		icmp_fill_ip6(ip, tcp_bytes, IPPROTO_TCP, ip6_dst(ip6(m)), ip6_src(ip6(m)));
		sum = weir_csum_pseudo6(ip6_src(ip), ip6_dst(ip), IPPROTO_TCP, tcp_bytes);
	}
	to = rte_pktmbuf_mtod_offset(fresh, struct rte_tcp_hdr *,
				     weir_meta(fresh)->l3_off + ip_head);
	memcpy(to, tcp, tcp_bytes);
	to->cksum = 0;
	to->cksum = weir_csum_finish(weir_csum_add(sum, weir_csum_sum(to, tcp_bytes)));
	icmp_send(s, f, fresh, m);
	return true;
}
