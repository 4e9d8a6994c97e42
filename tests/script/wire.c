/* SPDX-License-Identifier: BSD-3-Clause */

/* Segments as packets, and packets as segments. */

#include "run.h"

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <string.h>
#include <weir/csum.h>
#include <weir/meta.h>

#define TCP_BYTES 20

/* packetdrill's addresses. */
static const uint8_t ours4[4] = {192, 168, 0, 1}, peer4[4] = {192, 0, 2, 1};
static const uint8_t ours6[16] = {0xfd, 0x3d, 0xfa, 0x7b, 0xd1, 0x7d, [15] = 1};
static const uint8_t peer6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};

/* ---- options ---- */

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	v = htonl(v);
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return ntohl(v);
}

/* @return its length. */
static size_t put_opt(uint8_t *p, const struct opt *o)
{
	uint8_t *at = p + 2;

	p[0] = (uint8_t)o->kind;
	switch (o->kind) {
	case OPT_EOL:
	case OPT_NOP:
		return 1;
	case OPT_RAW:
		memcpy(p, o->data, o->bytes);
		return o->bytes;
	case OPT_MSS:
	case OPT_UTO:
		*at++ = (uint8_t)(o->value >> 8);
		*at++ = (uint8_t)o->value;
		break;
	case OPT_WSCALE:
		*at++ = (uint8_t)o->value;
		break;
	case OPT_TS:
		at = put32(put32(at, o->value), o->echo);
		break;
	case OPT_SACK:
		for (unsigned i = 0; i < o->blocks; i++)
			at = put32(put32(at, o->sack[i][0]), o->sack[i][1]);
		break;
	default:
		memcpy(at, o->data, o->bytes);
		at += o->bytes;
		break;
	}
	p[1] = (uint8_t)(at - p);
	return p[1];
}

/* Filled up to whole words; 0 bytes and false: they do not fit. */
static bool put_opts(uint8_t out[OPT_BYTES_MOST], const struct seg *g, size_t *bytes)
{
	uint8_t room[OPT_BYTES_MOST * 2] = {0};
	size_t n = 0;

	for (unsigned i = 0; i < g->n_opts; i++) {
		n += put_opt(room + n, &g->opts[i]);
		if (n > OPT_BYTES_MOST)
			return false;
	}
	memcpy(out, room, OPT_BYTES_MOST);
	*bytes = (n + 3) / 4 * 4;
	return true;
}

static void get_opt(const uint8_t *p, uint8_t bytes, struct opt *o)
{
	o->kind = p[0];
	p += 2;
	bytes = (uint8_t)(bytes - 2);
	if ((o->kind == OPT_MSS || o->kind == OPT_UTO) && bytes == 2) {
		o->value = (uint32_t)(p[0] << 8 | p[1]);
	} else if (o->kind == OPT_WSCALE && bytes == 1) {
		o->value = p[0];
	} else if (o->kind == OPT_TS && bytes == 8) {
		o->value = get32(p);
		o->echo = get32(p + 4);
	} else if (o->kind == OPT_SACK && bytes > 0 && bytes % 8 == 0) {
		for (o->blocks = 0; o->blocks < bytes / 8; o->blocks++, p += 8) {
			o->sack[o->blocks][0] = get32(p);
			o->sack[o->blocks][1] = get32(p + 4);
		}
	} else {
		o->bytes = bytes;
		memcpy(o->data, p, bytes);
	}
}

static bool get_opts(const uint8_t *p, size_t bytes, struct seg *g)
{
	for (size_t at = 0; at < bytes;) {
		struct opt *o = &g->opts[g->n_opts++];

		*o = (struct opt){.kind = p[at]};
		if (p[at] <= OPT_NOP) {
			at++;
			continue;
		}
		if (bytes - at < 2 || p[at + 1] < 2 || p[at + 1] > bytes - at)
			return false;
		get_opt(p + at, p[at + 1], o);
		at += p[at + 1];
	}
	return true;
}

/* ---- to the stack ---- */

static void put_ip4(struct rte_mbuf *m, uint8_t tos, uint8_t proto)
{
	struct iphdr *ip = (struct iphdr *)rte_pktmbuf_prepend(m, sizeof(*ip));

	*ip = (struct iphdr){.version = 4,
			     .ihl = 5,
			     .tos = tos,
			     .tot_len = htons((uint16_t)m->pkt_len),
			     .ttl = 64,
			     .protocol = proto};
	memcpy(&ip->saddr, peer4, sizeof(peer4));
	memcpy(&ip->daddr, ours4, sizeof(ours4));
	ip->check = weir_csum(ip, sizeof(*ip));
	*weir_meta(m) = (struct weir_meta){
		.flags = WEIR_META_IP4 | WEIR_META_L4, .l4_off = sizeof(*ip), .proto = proto};
}

static void put_ip6(struct rte_mbuf *m, uint8_t tos, uint8_t proto)
{
	const uint16_t bytes = (uint16_t)m->pkt_len;
	struct ip6_hdr *ip = (struct ip6_hdr *)rte_pktmbuf_prepend(m, sizeof(*ip));

	*ip = (struct ip6_hdr){.ip6_flow = htonl(UINT32_C(6) << 28 | (uint32_t)tos << 20),
			       .ip6_plen = htons(bytes),
			       .ip6_nxt = proto,
			       .ip6_hlim = 64};
	memcpy(&ip->ip6_src, peer6, sizeof(peer6));
	memcpy(&ip->ip6_dst, ours6, sizeof(ours6));
	*weir_meta(m) = (struct weir_meta){
		.flags = WEIR_META_IP6 | WEIR_META_L4, .l4_off = sizeof(*ip), .proto = proto};
}

static uint32_t pseudo(const struct runner *r, uint32_t bytes)
{
	uint32_t ours, peer;

	if (r->script->set.v6)
		return weir_csum_pseudo6(ours6, peer6, IPPROTO_TCP, bytes);
	memcpy(&ours, ours4, sizeof(ours));
	memcpy(&peer, peer4, sizeof(peer));
	return weir_csum_pseudo4(ours, peer, IPPROTO_TCP, bytes);
}

/* Where in its stream a segment's payload begins. */
static uint64_t place(uint32_t seq, uint8_t flags, uint32_t isn)
{
	return seq + !!(flags & FLAG_SYN) - isn - 1;
}

struct rte_mbuf *wire_make(struct runner *r, const struct talk *t, const struct seg *g)
{
	const uint64_t from = place(g->seq, g->flags, t->may_begin ? t->next_irs : t->irs);
	const uint8_t tos = g->has_tos ? g->tos : g->ecn == ECN_ANY ? 0 : g->ecn;
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool);
	uint8_t opts[OPT_BYTES_MOST];
	struct tcphdr *tcp;
	size_t opt_bytes;

	if (m == NULL || !put_opts(opts, g, &opt_bytes) ||
	    g->bytes + 64u > rte_pktmbuf_tailroom(m)) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	tcp = (struct tcphdr *)rte_pktmbuf_append(m,
						  (uint16_t)(sizeof(*tcp) + opt_bytes + g->bytes));
	*tcp = (struct tcphdr){.source = htons(t->peer_port),
			       .dest = htons(t->our_port),
			       .seq = htonl(g->seq),
			       .ack_seq = htonl(g->ack),
			       .doff = (sizeof(*tcp) + opt_bytes) / 4 & 0xf,
			       .window = htons(g->wnd),
			       .urg_ptr = htons(g->urg)};
	((uint8_t *)tcp)[13] = g->flags;
	memcpy(tcp + 1, opts, opt_bytes);
	for (uint32_t i = 0; i < g->bytes; i++)
		((uint8_t *)(tcp + 1))[opt_bytes + i] = stream_byte(from + i);
	tcp->check = weir_csum_finish(
		weir_csum_add(pseudo(r, m->pkt_len), weir_csum_sum(tcp, m->data_len)));
	if (r->script->set.v6)
		put_ip6(m, tos, IPPROTO_TCP);
	else
		put_ip4(m, tos, IPPROTO_TCP);
	return m;
}

/* What the stack has sent as a router quotes it: its header and eight bytes. */
struct quote4 {
	struct icmphdr icmp;
	struct iphdr ip;
	uint16_t ports[2];
	uint32_t seq;
} __attribute__((packed));

struct quote6 {
	struct icmp6_hdr icmp;
	struct ip6_hdr ip;
	uint16_t ports[2];
	uint32_t seq;
} __attribute__((packed));

static void quote4(struct rte_mbuf *m, const struct talk *t, const struct seg *g)
{
	struct quote4 *q = (struct quote4 *)rte_pktmbuf_append(m, sizeof(*q));

	*q = (struct quote4){
		.icmp = {.type = g->icmp_type,
			 .code = g->icmp_code,
			 .un.frag.mtu = htons((uint16_t)g->icmp_mtu)},
		.ip = {.version = 4,
		       .ihl = 5,
		       .tot_len = htons((uint16_t)(sizeof(q->ip) + TCP_BYTES + g->bytes)),
		       .frag_off = htons(IP_DF),
		       .ttl = 60,
		       .protocol = IPPROTO_TCP},
		.ports = {htons(t->our_port), htons(t->peer_port)},
		.seq = htonl(g->seq),
	};
	memcpy(&q->ip.saddr, ours4, sizeof(ours4));
	memcpy(&q->ip.daddr, peer4, sizeof(peer4));
	put_ip4(m, 0, IPPROTO_ICMP);
}

static void quote6(struct rte_mbuf *m, const struct talk *t, const struct seg *g)
{
	struct quote6 *q = (struct quote6 *)rte_pktmbuf_append(m, sizeof(*q));

	*q = (struct quote6){
		.icmp = {.icmp6_type = g->icmp_type, .icmp6_code = g->icmp_code},
		.ip = {.ip6_flow = htonl(UINT32_C(6) << 28),
		       .ip6_plen = htons((uint16_t)(TCP_BYTES + g->bytes)),
		       .ip6_nxt = IPPROTO_TCP,
		       .ip6_hlim = 60},
		.ports = {htons(t->our_port), htons(t->peer_port)},
		.seq = htonl(g->seq),
	};
	q->icmp.icmp6_mtu = htonl(g->icmp_mtu);
	memcpy(&q->ip.ip6_src, ours6, sizeof(ours6));
	memcpy(&q->ip.ip6_dst, peer6, sizeof(peer6));
	put_ip6(m, 0, IPPROTO_ICMPV6);
}

struct rte_mbuf *wire_make_icmp(struct runner *r, const struct talk *t, const struct seg *g)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool);

	if (m != NULL && r->script->set.v6)
		quote6(m, t, g);
	else if (m != NULL)
		quote4(m, t, g);
	return m;
}

/* ---- from the stack ---- */

static const char *read_ip(const struct runner *r, const struct rte_mbuf *m, struct seg *g,
			   uint32_t *off)
{
	const struct iphdr *ip4 = rte_pktmbuf_mtod(m, const struct iphdr *);
	const struct ip6_hdr *ip6 = rte_pktmbuf_mtod(m, const struct ip6_hdr *);

	*off = r->script->set.v6 ? sizeof(*ip6) : sizeof(*ip4);
	if (m->pkt_len < *off + sizeof(struct tcphdr))
		return "it is shorter than its headers";
	if (ip4->version != (r->script->set.v6 ? 6 : 4))
		return "it is of the other version of IP";
	if (r->script->set.v6) {
		g->tos = (uint8_t)(ntohl(ip6->ip6_flow) >> 20);
		return ip6->ip6_nxt != IPPROTO_TCP ? "it is not TCP"
		       : ntohs(ip6->ip6_plen) + *off != m->pkt_len ||
				       memcmp(&ip6->ip6_src, ours6, sizeof(ours6)) != 0 ||
				       memcmp(&ip6->ip6_dst, peer6, sizeof(peer6)) != 0
			       ? "its IPv6 header is wrong"
			       : NULL;
	}
	g->tos = ip4->tos;
	return ip4->protocol != IPPROTO_TCP ? "it is not TCP"
	       : ip4->ihl != 5 || ntohs(ip4->tot_len) != m->pkt_len ||
			       weir_csum(ip4, sizeof(*ip4)) != 0 ||
			       memcmp(&ip4->saddr, ours4, sizeof(ours4)) != 0 ||
			       memcmp(&ip4->daddr, peer4, sizeof(peer4)) != 0
		       ? "its IPv4 header is wrong"
		       : NULL;
}

static uint32_t sum_of(const struct rte_mbuf *m, uint32_t skip)
{
	uint32_t sum = 0, off = 0;

	for (; m != NULL; m = m->next, skip = 0) {
		const uint32_t n = m->data_len - skip;

		sum = weir_csum_add(
			sum,
			weir_csum_at(
				weir_csum_sum(rte_pktmbuf_mtod_offset(m, const void *, skip), n),
				off));
		off += n;
	}
	return sum;
}

const char *wire_read(const struct runner *r, struct rte_mbuf *m, struct seg *g)
{
	uint8_t head[60];
	const struct tcphdr *tcp;
	uint32_t off = 0, bytes;
	const char *why;

	*g = (struct seg){.has_wnd = true, .has_tos = true, .ecn = ECN_ANY};
	why = read_ip(r, m, g, &off);
	if (why != NULL)
		return why;
	g->ecn = g->tos & 3;
	if (weir_csum_finish(weir_csum_add(pseudo(r, m->pkt_len - off), sum_of(m, off))) != 0)
		return "its checksum is wrong";
	bytes = RTE_MIN(m->pkt_len - off, (uint32_t)sizeof(head));
	tcp = rte_pktmbuf_read(m, off, bytes, head);
	if (tcp->doff < 5 || tcp->doff * 4u > m->pkt_len - off)
		return "its data offset is wrong";
	g->src_port = ntohs(tcp->source);
	g->dst_port = ntohs(tcp->dest);
	g->seq = ntohl(tcp->seq);
	g->ack = ntohl(tcp->ack_seq);
	g->wnd = ntohs(tcp->window);
	g->urg = ntohs(tcp->urg_ptr);
	g->has_urg = g->urg != 0;
	g->flags = ((const uint8_t *)tcp)[13];
	g->bytes = m->pkt_len - off - tcp->doff * 4u;
	return get_opts((const uint8_t *)(tcp + 1), tcp->doff * 4u - sizeof(*tcp), g)
		       ? NULL
		       : "its options are none";
}

bool wire_is_right(const struct talk *t, const struct rte_mbuf *m, const struct seg *live)
{
	const uint64_t from = place(live->seq, live->flags, t->iss);
	uint32_t skip = m->pkt_len - live->bytes;
	uint64_t at = (uint32_t)from;

	if (!t->has_iss || (uint32_t)from == UINT32_MAX) /* a probe of the byte before */
		return true;
	for (; m != NULL; m = m->next) {
		for (uint32_t i = RTE_MIN(skip, (uint32_t)m->data_len); i < m->data_len; i++, at++)
			if (*rte_pktmbuf_mtod_offset(m, const uint8_t *, i) != stream_byte(at))
				return false;
		skip -= RTE_MIN(skip, (uint32_t)m->data_len);
	}
	return true;
}
