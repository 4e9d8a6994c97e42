/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The IP header of what we send (RFC 791, RFC 8200). Fragments are made where the route is known.
 */

#include "stack_priv.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <weir/csum.h>

#define HOPS 64 /* RFC 1700's default, and everybody's */

/* What an IP header says beside its length. Addresses in network order. */
struct ip_head {
	const uint8_t *src, *dst;
	uint8_t proto, tos;
	bool keep_whole; /* DF */
};

/*
 * Fragments are told apart by the identification (RFC 6864): it counts, from where nobody can guess
 * who has not heard from us. What is never cut needs none.
 */
static void put4(struct weir_stack *s, struct rte_mbuf *m, const struct ip_head *h)
{
	struct iphdr *ip = (struct iphdr *)rte_pktmbuf_prepend(m, sizeof(*ip));

	*ip = (struct iphdr){
		.version = 4,
		.ihl = sizeof(*ip) / 4,
		.tos = h->tos,
		.tot_len = htons((uint16_t)m->pkt_len),
		.frag_off = h->keep_whole ? htons(IP_DF) : 0,
		.ttl = HOPS,
		.protocol = h->proto,
	};
	memcpy(&ip->saddr, h->src, sizeof(ip->saddr));
	memcpy(&ip->daddr, h->dst, sizeof(ip->daddr));
	if (!h->keep_whole)
		ip->id = (uint16_t)(weir_siphash13_u64(&s->conf.secret, ip->daddr) + s->idents++);
	ip->check = weir_csum(ip, sizeof(*ip));
}

static void put6(struct rte_mbuf *m, const struct ip_head *h)
{
	const uint16_t payload_bytes = (uint16_t)m->pkt_len;
	struct ip6_hdr *ip = (struct ip6_hdr *)rte_pktmbuf_prepend(m, sizeof(*ip));

	ip->ip6_flow = htonl(UINT32_C(6) << 28 | (uint32_t)h->tos << 20);
	ip->ip6_plen = htons(payload_bytes);
	ip->ip6_nxt = h->proto;
	ip->ip6_hlim = HOPS;
	memcpy(&ip->ip6_src, h->src, sizeof(ip->ip6_src));
	memcpy(&ip->ip6_dst, h->dst, sizeof(ip->ip6_dst));
}

void ip_send_tcp(struct weir_stack *s, struct rte_mbuf *m, const uint8_t *src, const uint8_t *dst,
		 bool v6, uint8_t tos)
{
	const struct ip_head h = {
		.src = src, .dst = dst, .proto = IPPROTO_TCP, .tos = tos, .keep_whole = true};

	if (v6)
		put6(m, &h);
	else
		put4(s, m, &h);
	pkt_put(&s->out, m);
}

void ip_send(struct weir_stack *s, struct rte_mbuf *m, const struct weir_addr *src,
	     const struct weir_addr *dst, uint8_t proto, uint8_t tos)
{
	const struct ip_head h = {.src = src->bytes, .dst = dst->bytes, .proto = proto, .tos = tos};

	if (dst->family == 4)
		put4(s, m, &h);
	else
		put6(m, &h);
	pkt_put(&s->out, m);
}
