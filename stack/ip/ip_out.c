/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The IP header of what we send (RFC 791, RFC 8200). Fragments are made where the route is known.
 */

#include "stack_priv.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <weir/csum.h>

/* What an IP header says beside its length. Addresses in network order. */
struct ip_head {
	const uint8_t *src, *dst;
	uint8_t proto, tos, ttl;
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
		.ttl = h->ttl,
		.protocol = h->proto,
	};
	memcpy(&ip->saddr, h->src, sizeof(ip->saddr));
	memcpy(&ip->daddr, h->dst, sizeof(ip->daddr));
	if (!h->keep_whole)
		ip->id = (uint16_t)(weir_siphash13_u64(&s->conf.secret, ip->daddr) + s->idents++);
	if (!(m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM)) /* else who cuts it makes the sums */
		ip->check = weir_csum(ip, sizeof(*ip));
}

static void put6(struct rte_mbuf *m, const struct ip_head *h)
{
	const uint16_t payload_bytes = (uint16_t)m->pkt_len;
	struct ip6_hdr *ip = (struct ip6_hdr *)rte_pktmbuf_prepend(m, sizeof(*ip));

	ip->ip6_flow = htonl(UINT32_C(6) << 28 | (uint32_t)h->tos << 20);
	ip->ip6_plen = htons(payload_bytes);
	ip->ip6_nxt = h->proto;
	ip->ip6_hlim = h->ttl;
	memcpy(&ip->ip6_src, h->src, sizeof(ip->ip6_src));
	memcpy(&ip->ip6_dst, h->dst, sizeof(ip->ip6_dst));
}

static void put(struct weir_stack *s, struct rte_mbuf *m, uint8_t family, const struct ip_head *h)
{
	if (family == 4)
		put4(s, m, h);
	else
		put6(m, h);
}

void ip_send_tcp(struct weir_stack *s, struct rte_mbuf *m, const uint8_t *src, const uint8_t *dst,
		 bool v6, uint8_t tos)
{
	const struct ip_head h = {.src = src,
				  .dst = dst,
				  .proto = IPPROTO_TCP,
				  .tos = tos,
				  .ttl = IP_HOPS,
				  .keep_whole = true};

	put(s, m, v6 ? 6 : 4, &h);
	pkt_put(&s->out, m);
}

void ip_send(struct weir_stack *s, struct rte_mbuf *m, const struct weir_addr *src,
	     const struct weir_addr *dst, uint8_t proto, uint8_t tos)
{
	put(s, m, dst->family,
	    &(struct ip_head){.src = src->bytes,
			      .dst = dst->bytes,
			      .proto = proto,
			      .tos = tos,
			      .ttl = IP_HOPS});
	pkt_put(&s->out, m);
}

void ip_put_many(struct weir_stack *s, struct rte_mbuf *m, const struct weir_addr *src,
		 const struct weir_addr *dst, uint8_t tos, uint8_t ttl, uint16_t iface)
{
	put(s, m, dst->family,
	    &(struct ip_head){.src = src->bytes,
			      .dst = dst->bytes,
			      .proto = IPPROTO_UDP,
			      .tos = tos,
			      .ttl = ttl});
	weir_meta(m)->iface_in = iface;
}

/* RFC 2113: an option of four bytes, which makes the header longer. */
static void put_alert4(struct weir_stack *s, struct rte_mbuf *m, const struct ip_head *h)
{
	static const uint8_t alert[4] = {0x94, 4};
	struct iphdr *ip;

	memcpy(rte_pktmbuf_prepend(m, sizeof(alert)), alert, sizeof(alert));
	put4(s, m, h);
	ip = rte_pktmbuf_mtod(m, struct iphdr *);
	ip->ihl = (sizeof(*ip) + sizeof(alert)) / 4;
	ip->check = 0;
	ip->check = weir_csum(ip, sizeof(*ip) + sizeof(alert));
}

/* RFC 2711: in a hop-by-hop header, which stands before ICMPv6. */
static void put_alert6(struct rte_mbuf *m, const struct ip_head *h)
{
	static const uint8_t alert[8] = {IPPROTO_ICMPV6, 0, 5, 2, 0, 0, IP6OPT_PADN, 0};
	struct ip_head head = *h;

	memcpy(rte_pktmbuf_prepend(m, sizeof(alert)), alert, sizeof(alert));
	head.proto = IPPROTO_HOPOPTS;
	put6(m, &head);
}

void ip_send_alert(struct weir_stack *s, struct rte_mbuf *m, const struct weir_addr *src,
		   const struct weir_addr *dst, uint16_t iface)
{
	const struct ip_head h = {.src = src->bytes,
				  .dst = dst->bytes,
				  .proto = IPPROTO_IGMP,
				  .tos = dst->family == 4 ? IPTOS_PREC_INTERNETCONTROL : 0,
				  .ttl = 1,
				  .keep_whole = true};

	if (dst->family == 4)
		put_alert4(s, m, &h);
	else
		put_alert6(m, &h);
	weir_meta(m)->iface_in = iface;
	pkt_put(&s->out, m);
}
