/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Packets as the wire and a bystander see them: read and checked, marked, answered by ICMP,
 * printed.
 */

#include "packet.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <weir/csum.h>

struct weir_addr host_addr(unsigned host, uint8_t family)
{
	static const uint8_t net4[] = {192, 0, 2}, net6[] = {0x20, 0x01, 0x0d, 0xb8};
	struct weir_addr a = {.family = family};

	if (family == 4)
		memcpy(a.bytes, net4, sizeof(net4));
	else
		memcpy(a.bytes, net6, sizeof(net6));
	a.bytes[family == 4 ? 3 : 15] = (uint8_t)(host + 1);
	return a;
}

static uint8_t host_of(const uint8_t *addr, uint8_t family)
{
	const uint8_t host = (uint8_t)(addr[family == 4 ? 3 : 15] - 1);
	const struct weir_addr a = host_addr(host, family);

	return memcmp(a.bytes, addr, family == 4 ? 4 : 16) == 0 ? host : UINT8_MAX;
}

/* ---- reading ---- */

static uint32_t sum_from(const struct rte_mbuf *m, uint32_t off)
{
	uint32_t sum = 0, at = 0;

	for (; m != NULL; m = m->next) {
		if (off >= m->data_len) {
			off -= m->data_len;
			continue;
		}
		sum = weir_csum_add(
			sum, weir_csum_at(weir_csum_sum(rte_pktmbuf_mtod_offset(m, void *, off),
							m->data_len - off),
					  at));
		at += m->data_len - off;
		off = 0;
	}
	return sum;
}

static bool read4(const struct rte_mbuf *m, struct packet *p, uint32_t *pseudo)
{
	const struct iphdr *ip = rte_pktmbuf_mtod(m, const struct iphdr *);

	if (ip->version != 4 || ip->ihl != 5 || ntohs(ip->tot_len) != m->pkt_len ||
	    weir_csum(ip, sizeof(*ip)) != 0)
		return false;
	p->l4_off = sizeof(*ip);
	p->proto = ip->protocol;
	p->from = host_of((const uint8_t *)&ip->saddr, 4);
	p->to = host_of((const uint8_t *)&ip->daddr, 4);
	p->ce = (ip->tos & 3) == 3;
	p->ect = (ip->tos & 3) != 0;
	*pseudo = ip->protocol == IPPROTO_ICMP
			  ? 0
			  : weir_csum_pseudo4(ip->saddr, ip->daddr, ip->protocol,
					      m->pkt_len - p->l4_off);
	return true;
}

static bool read6(const struct rte_mbuf *m, struct packet *p, uint32_t *pseudo)
{
	const struct ip6_hdr *ip = rte_pktmbuf_mtod(m, const struct ip6_hdr *);
	const uint32_t flow = ntohl(ip->ip6_flow);

	if (flow >> 28 != 6 || m->data_len < sizeof(*ip) ||
	    ntohs(ip->ip6_plen) + sizeof(*ip) != m->pkt_len)
		return false;
	p->v6 = true;
	p->l4_off = sizeof(*ip);
	p->proto = ip->ip6_nxt;
	p->from = host_of(ip->ip6_src.s6_addr, 6);
	p->to = host_of(ip->ip6_dst.s6_addr, 6);
	p->ce = (flow >> 20 & 3) == 3;
	p->ect = (flow >> 20 & 3) != 0;
	*pseudo =
		weir_csum_pseudo6(&ip->ip6_src, &ip->ip6_dst, ip->ip6_nxt, m->pkt_len - p->l4_off);
	return true;
}

static bool read_tcp(const struct rte_mbuf *m, struct packet *p)
{
	const struct tcphdr *tcp = rte_pktmbuf_mtod_offset(m, const struct tcphdr *, p->l4_off);
	const uint32_t head = tcp->doff * 4u;

	if (m->data_len < p->l4_off + sizeof(*tcp) || head < sizeof(*tcp) ||
	    m->data_len < p->l4_off + head)
		return false;
	p->is_tcp = true;
	p->flags = ((const uint8_t *)tcp)[13];
	p->src_port = ntohs(tcp->source);
	p->dst_port = ntohs(tcp->dest);
	p->seq = ntohl(tcp->seq);
	p->ack = ntohl(tcp->ack_seq);
	p->wnd = ntohs(tcp->window);
	p->bytes = m->pkt_len - p->l4_off - head;
	return tcp_opts_read((const uint8_t *)(tcp + 1), head - (uint32_t)sizeof(*tcp),
			     p->flags & TCP_SYN, &p->opts);
}

bool packet_read(const struct rte_mbuf *m, struct packet *p)
{
	uint32_t pseudo;

	*p = (struct packet){0};
	if (m->data_len < sizeof(struct iphdr) || (!read4(m, p, &pseudo) && !read6(m, p, &pseudo)))
		return false;
	if (weir_csum_finish(weir_csum_add(pseudo, sum_from(m, p->l4_off))) != 0)
		return false;
	if (p->proto == IPPROTO_TCP)
		return read_tcp(m, p);
	return p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6;
}

/* ---- changing ---- */

bool packet_mark(struct rte_mbuf *m)
{
	struct iphdr *ip4 = rte_pktmbuf_mtod(m, struct iphdr *);
	struct ip6_hdr *ip6 = rte_pktmbuf_mtod(m, struct ip6_hdr *);

	if (ip4->version == 4) {
		if ((ip4->tos & 3) == 0)
			return false;
		ip4->tos |= 3;
		ip4->check = 0;
		ip4->check = weir_csum(ip4, sizeof(*ip4));
		return true;
	}
	if ((ntohl(ip6->ip6_flow) >> 20 & 3) == 0)
		return false;
	ip6->ip6_flow |= htonl(UINT32_C(3) << 20);
	return true;
}

/* RFC 1191 section 4. */
static void too_big4(struct rte_mbuf *to, const struct rte_mbuf *m, uint16_t mtu)
{
	const struct iphdr *was = rte_pktmbuf_mtod(m, const struct iphdr *);
	const struct weir_addr router = host_addr(ROUTER, 4);
	const uint16_t quoted = (uint16_t)RTE_MIN(m->data_len, 68);
	struct iphdr *ip = (struct iphdr *)rte_pktmbuf_append(to, (uint16_t)(28 + quoted));
	struct icmphdr *icmp = (struct icmphdr *)(ip + 1);

	*ip = (struct iphdr){.version = 4,
			     .ihl = 5,
			     .tot_len = htons((uint16_t)to->pkt_len),
			     .ttl = 64,
			     .protocol = IPPROTO_ICMP,
			     .daddr = was->saddr};
	memcpy(&ip->saddr, router.bytes, 4);
	ip->check = weir_csum(ip, sizeof(*ip));
	*icmp = (struct icmphdr){.type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED};
	icmp->un.frag.mtu = htons(mtu);
	memcpy(icmp + 1, was, quoted);
	icmp->checksum = weir_csum(icmp, sizeof(*icmp) + quoted);
}

/* RFC 4443 section 3.2. */
static void too_big6(struct rte_mbuf *to, const struct rte_mbuf *m, uint16_t mtu)
{
	const struct ip6_hdr *was = rte_pktmbuf_mtod(m, const struct ip6_hdr *);
	const struct weir_addr router = host_addr(ROUTER, 6);
	const uint16_t quoted = (uint16_t)RTE_MIN(m->data_len, 100);
	const uint16_t icmp_bytes = (uint16_t)(sizeof(struct icmp6_hdr) + quoted);
	struct ip6_hdr *ip =
		(struct ip6_hdr *)rte_pktmbuf_append(to, (uint16_t)(sizeof(*ip) + icmp_bytes));
	struct icmp6_hdr *icmp = (struct icmp6_hdr *)(ip + 1);

	ip->ip6_flow = htonl(UINT32_C(6) << 28);
	ip->ip6_plen = htons(icmp_bytes);
	ip->ip6_nxt = IPPROTO_ICMPV6;
	ip->ip6_hlim = 64;
	memcpy(&ip->ip6_src, router.bytes, 16);
	ip->ip6_dst = was->ip6_src;
	*icmp = (struct icmp6_hdr){.icmp6_type = ICMP6_PACKET_TOO_BIG};
	icmp->icmp6_mtu = htonl(mtu);
	memcpy(icmp + 1, was, quoted);
	icmp->icmp6_cksum = weir_csum_finish(weir_csum_add(
		weir_csum_pseudo6(&ip->ip6_src, &ip->ip6_dst, IPPROTO_ICMPV6, icmp_bytes),
		weir_csum_sum(icmp, icmp_bytes)));
}

struct rte_mbuf *packet_too_big(struct rte_mempool *pool, const struct rte_mbuf *m, uint16_t mtu)
{
	struct rte_mbuf *to = rte_pktmbuf_alloc(pool);

	if (to == NULL)
		return NULL;
	if (rte_pktmbuf_mtod(m, const struct iphdr *)->version == 4)
		too_big4(to, m, mtu);
	else
		too_big6(to, m, mtu);
	return to;
}

/* ---- printing ---- */

static void print_flags(uint8_t flags)
{
	static const char letters[] = "FSRP.UEW";

	printf(" Flags [");
	for (unsigned i = 0; i < 8; i++)
		if (flags & 1u << i)
			putchar(letters[i]);
	putchar(']');
}

static void print_opts(const struct tcp_opts *o)
{
	if (o->flags & OPT_MSS)
		printf(", mss %u", o->mss);
	if (o->flags & OPT_SCALE)
		printf(", wscale %u", o->scale);
	if (o->flags & OPT_SACK_OK)
		printf(", sackOK");
	if (o->flags & OPT_STAMP)
		printf(", TS val %u ecr %u", o->stamp, o->echo);
	for (unsigned i = 0; i < o->sacks; i++)
		printf("%s{%u:%u}", i == 0 ? ", sack " : "", o->sack[i].from, o->sack[i].to);
}

void packet_print(const struct packet *p, uint64_t now_ns, const char *what)
{
	printf("%" PRIu64 ".%09" PRIu64 " IP%s %u.%u > %u.%u:", now_ns / 1000000000,
	       now_ns % 1000000000, p->v6 ? "6" : "", p->from + 1u, p->src_port, p->to + 1u,
	       p->dst_port);
	if (p->is_tcp) {
		print_flags(p->flags);
		printf(", seq %u", p->seq);
		if (p->bytes > 0)
			printf(":%u", p->seq + p->bytes);
		if (p->flags & TCP_ACK)
			printf(", ack %u", p->ack);
		printf(", win %u", p->wnd);
		print_opts(&p->opts);
		printf(", length %u", p->bytes);
	} else {
		printf(" protocol %u", p->proto);
	}
	printf("%s%s\n", p->ce ? " CE" : "", what);
}
