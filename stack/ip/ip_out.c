/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The IP header of what we send (RFC 791, RFC 8200). Fragments are made where the route is known.
 */

#include "stack_priv.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <weir/csum.h>

static uint32_t addr4(const struct weir_addr *a)
{
	uint32_t be;

	memcpy(&be, a->bytes, sizeof(be));
	return be;
}

#define HOPS 64 /* RFC 1700's default, and everybody's */

/*
 * DF is clear, so that what is too long for a link can be cut. Fragments are told apart by the
 * identification (RFC 6864): it counts, from where nobody can guess who has not heard from us.
 */
static void put4(struct weir_stack *s, struct rte_mbuf *m, const struct weir_addr *src,
		 const struct weir_addr *dst, uint8_t proto)
{
	struct iphdr *ip = (struct iphdr *)rte_pktmbuf_prepend(m, sizeof(*ip));

	*ip = (struct iphdr){
		.version = 4,
		.ihl = sizeof(*ip) / 4,
		.tot_len = htons((uint16_t)m->pkt_len),
		.id = (uint16_t)(weir_siphash13_u64(&s->conf.secret, addr4(dst)) + s->idents++),
		.ttl = HOPS,
		.protocol = proto,
	};
	memcpy(&ip->saddr, src->bytes, sizeof(ip->saddr));
	memcpy(&ip->daddr, dst->bytes, sizeof(ip->daddr));
	ip->check = weir_csum(ip, sizeof(*ip));
}

static void put6(struct rte_mbuf *m, const struct weir_addr *src, const struct weir_addr *dst,
		 uint8_t proto)
{
	const uint16_t payload_bytes = (uint16_t)m->pkt_len;
	struct ip6_hdr *ip = (struct ip6_hdr *)rte_pktmbuf_prepend(m, sizeof(*ip));

	ip->ip6_flow = htonl(UINT32_C(6) << 28);
	ip->ip6_plen = htons(payload_bytes);
	ip->ip6_nxt = proto;
	ip->ip6_hlim = HOPS;
	memcpy(&ip->ip6_src, src->bytes, sizeof(ip->ip6_src));
	memcpy(&ip->ip6_dst, dst->bytes, sizeof(ip->ip6_dst));
}

void ip_send(struct weir_stack *s, struct rte_mbuf *m, const struct weir_addr *src,
	     const struct weir_addr *dst, uint8_t proto)
{
	if (dst->family == 4)
		put4(s, m, src, dst, proto);
	else
		put6(m, src, dst, proto);
	pkt_put(&s->out, m);
}
