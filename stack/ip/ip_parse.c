/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What 10_parse and 70_local do for a stack behind a pipeline, in short: is a packet whole, and
 * what is in it? What they put together or look behind (fragments, extension headers) is not for
 * us.
 */

#include "stack_priv.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <string.h>
#include <weir/csum.h>

/* Bytes of the shortest header of a transport; 0: we do not speak it. */
static uint16_t least_bytes(uint8_t proto, bool v4)
{
	if (proto == IPPROTO_TCP)
		return 20;
	return proto == IPPROTO_UDP || proto == (v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6) ? 8 : 0;
}

/* Without what stands behind the packet. False: it is longer than what has come. */
static bool cut(struct rte_mbuf *m, uint32_t bytes)
{
	return bytes <= m->pkt_len && rte_pktmbuf_trim(m, (uint16_t)(m->pkt_len - bytes)) == 0;
}

/* The sum that is 0xffff if the transport's checksum is right. @return false: it is wrong. */
static bool is_right(struct rte_mbuf *m, uint32_t pseudo)
{
	const struct weir_meta *meta = weir_meta(m);
	const uint8_t *l4 = rte_pktmbuf_mtod_offset(m, const uint8_t *, meta->l4_off);
	const size_t bytes = m->pkt_len - meta->l4_off;

	/* UDP over IPv4 may go without (RFC 768), over IPv6 it may not (RFC 8200 section 8.1). */
	if (meta->proto == IPPROTO_UDP && l4[6] == 0 && l4[7] == 0)
		return meta->flags & WEIR_META_IP4;
	return weir_csum_finish(weir_csum_add(pseudo, weir_csum_sum(l4, bytes))) == 0;
}

static bool parse4(struct rte_mbuf *m)
{
	const struct iphdr *ip = rte_pktmbuf_mtod(m, const struct iphdr *);
	const uint16_t bytes = ntohs(ip->tot_len), head = (uint16_t)(ip->ihl * 4);
	uint32_t pseudo = 0;

	if (head < sizeof(*ip) || bytes < head || !cut(m, bytes) || weir_csum(ip, head) != 0 ||
	    (ip->frag_off & htons(0x3fff)) || IN_MULTICAST(ntohl(ip->daddr)) ||
	    ip->daddr == INADDR_BROADCAST)
		return false;
	*weir_meta(m) = (struct weir_meta){
		.flags = WEIR_META_IP4 | WEIR_META_L4, .l4_off = head, .proto = ip->protocol};
	if (ip->protocol != IPPROTO_ICMP)
		pseudo = weir_csum_pseudo4(ip->saddr, ip->daddr, ip->protocol, bytes - head);
	return least_bytes(ip->protocol, true) > 0 &&
	       bytes - head >= least_bytes(ip->protocol, true) && is_right(m, pseudo);
}

static bool parse6(struct rte_mbuf *m)
{
	const struct ip6_hdr *ip = rte_pktmbuf_mtod(m, const struct ip6_hdr *);
	const uint16_t bytes = ntohs(ip->ip6_plen);

	if (!cut(m, sizeof(*ip) + bytes) || IN6_IS_ADDR_MULTICAST(&ip->ip6_dst))
		return false;
	*weir_meta(m) = (struct weir_meta){
		.flags = WEIR_META_IP6 | WEIR_META_L4, .l4_off = sizeof(*ip), .proto = ip->ip6_nxt};
	return least_bytes(ip->ip6_nxt, false) > 0 && bytes >= least_bytes(ip->ip6_nxt, false) &&
	       is_right(m, weir_csum_pseudo6(&ip->ip6_src, &ip->ip6_dst, ip->ip6_nxt, bytes));
}

bool weir_stack_parse(struct rte_mbuf *m)
{
	const uint8_t version = m->data_len == 0 ? 0 : *rte_pktmbuf_mtod(m, const uint8_t *) >> 4;

	if (m->nb_segs == 1 && version == 4 && m->data_len >= sizeof(struct iphdr))
		return parse4(m);
	return m->nb_segs == 1 && version == 6 && m->data_len >= sizeof(struct ip6_hdr) &&
	       parse6(m);
}
