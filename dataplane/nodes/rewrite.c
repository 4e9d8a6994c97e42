/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * rewrite: addresses, ports and checksums within one family; rewrite64.c goes between the two.
 */

#include "rewrite_priv.h"

#include <errno.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <weir/shard.h>

#include "tuple_priv.h"

#ifndef IPPROTO_UDPLITE
#define IPPROTO_UDPLITE 136
#endif

/* Where checksums lie in their headers. */
#define TCP_CSUM_AT  16
#define UDP_CSUM_AT  6 /* of UDP-Lite (RFC 3828) and DCCP (RFC 4340) too */
#define ICMP_CSUM_AT 2

/* What a quoted packet must have of its transport header (RFC 792), and what is looked at. */
#define QUOTED_LEAST 8
#define QUOTED_MOST  sizeof(struct rte_tcp_hdr)

/* As 10_parse has it of packets that are not quoted. */
#define EXT_HEADERS 8
#define EXT_BYTES   512

static void change_csum(const struct l4_edit *e, uint32_t at, uint32_t change)
{
	uint16_t csum;

	if (e->there < at + sizeof(csum))
		return;
	memcpy(&csum, e->at + at, sizeof(csum));
	if (e->unfinished)
		csum = weir_csum_fold(weir_csum_add(csum, e->pseudo));
	else if (e->proto == IPPROTO_UDP)
		csum = weir_csum_udp_apply(csum, change);
	else if (e->proto == IPPROTO_UDPLITE)
		csum = weir_csum_udp(weir_csum_apply(csum, change));
	else
		csum = weir_csum_apply(csum, change);
	memcpy(e->at + at, &csum, sizeof(csum));
}

static void edit_ports(const struct l4_edit *e, uint32_t csum_at)
{
	const uint16_t fresh[2] = {e->sport_be, e->dport_be};
	uint32_t was, is;

	if (e->there < sizeof(fresh))
		return;
	memcpy(&is, fresh, sizeof(is));
	memcpy(&was, e->at, sizeof(was));
	memcpy(e->at, fresh, sizeof(fresh));
	change_csum(e, csum_at, weir_csum_add(e->pseudo, weir_csum_change32(was, is)));
}

/* A question or its answer; of the other family only echo exists. */
static bool edit_query(const struct l4_edit *e)
{
	struct icmp_head *icmp = (struct icmp_head *)e->at;
	const bool other_family = e->proto != e->to_proto;
	uint16_t was[3], is[3]; /* type and code, checksum, identifier */
	uint32_t change = e->pseudo;
	uint8_t question;
	bool answer;

	if (e->there < sizeof(*icmp))
		return false;
	question = e->proto == IPPROTO_ICMP ? icmp_question4(icmp->type, &answer)
					    : icmp_question6(icmp->type, &answer);
	if (other_family && question != ICMP_ECHO && question != ICMP6_ECHO_REQUEST)
		return false;
	memcpy(was, icmp, sizeof(was));
	if (other_family && e->to_proto == IPPROTO_ICMPV6)
		icmp->type = answer ? ICMP6_ECHO_REPLY : ICMP6_ECHO_REQUEST;
	else if (other_family)
		icmp->type = answer ? ICMP_ECHOREPLY : ICMP_ECHO;
	if (question != 0)
		memcpy(&icmp->rest_be, answer ? &e->dport_be : &e->sport_be, sizeof(uint16_t));
	memcpy(is, icmp, sizeof(is));
	change = weir_csum_add(change, weir_csum_change16(was[0], is[0]));
	change = weir_csum_add(change, weir_csum_change16(was[2], is[2]));
	change_csum(e, ICMP_CSUM_AT, change);
	return true;
}

bool l4_rewrite(const struct l4_edit *e)
{
	switch (e->proto) {
	case IPPROTO_TCP:
		edit_ports(e, TCP_CSUM_AT);
		return true;
	case IPPROTO_UDP:
		edit_ports(e, UDP_CSUM_AT);
		return true;
	case IPPROTO_UDPLITE:
	case IPPROTO_DCCP:
		change_csum(e, UDP_CSUM_AT, e->pseudo);
		return true;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return edit_query(e);
	default:
		return true;
	}
}

uint32_t pseudo_sum(const struct weir_tuple *t, uint32_t l4_bytes)
{
	uint32_t src, dst;

	if (t->family == 6)
		return weir_csum_pseudo6(t->src, t->dst, t->proto, l4_bytes);
	if (t->proto == IPPROTO_ICMP)
		return 0;
	memcpy(&src, t->src, sizeof(src));
	memcpy(&dst, t->dst, sizeof(dst));
	return weir_csum_pseudo4(src, dst, t->proto, l4_bytes);
}

bool transport_rewrite(struct rte_mbuf *m, uint8_t to_proto, uint16_t sport_be, uint16_t dport_be,
		       uint32_t pseudo)
{
	const struct weir_meta *meta = weir_meta(m);
	const uint32_t least = meta->l4_off + QUOTED_LEAST;

	if (meta->flags & WEIR_META_FRAG_LATER)
		return true;
	if (!(meta->flags & WEIR_META_L4) &&
	    ((meta->proto != IPPROTO_UDPLITE && meta->proto != IPPROTO_DCCP) ||
	     m->pkt_len < least || !packet_pull(m, least)))
		return true;
	return l4_rewrite(&(struct l4_edit){
		.at = l4(m),
		.there = (uint32_t)m->data_len - meta->l4_off,
		.proto = meta->proto,
		.to_proto = to_proto,
		.sport_be = sport_be,
		.dport_be = dport_be,
		.pseudo = pseudo,
		.unfinished = m->ol_flags & RTE_MBUF_F_TX_L4_MASK,
	});
}

/* Addresses and the header's checksum, unless the port makes it. @return the addresses' change. */
static uint32_t set_addresses4(struct rte_mbuf *m, uint32_t src_be, uint32_t dst_be)
{
	struct rte_ipv4_hdr *ip = ip4(m);
	const uint32_t change = addresses4_change(ip, src_be, dst_be);

	ip->src_addr = src_be;
	ip->dst_addr = dst_be;
	if (!(m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM))
		ip->hdr_checksum = weir_csum_apply(ip->hdr_checksum, change);
	return change;
}

static uint32_t set_addresses6(struct rte_mbuf *m, const uint8_t src[16], const uint8_t dst[16])
{
	struct rte_ipv6_hdr *ip = ip6(m);
	const uint32_t change = weir_csum_add(weir_csum_change128(ip6_src(ip), src),
					      weir_csum_change128(ip6_dst(ip), dst));

	memcpy(ip6_src(ip), src, sizeof(ip->src_addr));
	memcpy(ip6_dst(ip), dst, sizeof(ip->dst_addr));
	return change;
}

void rewrite4_other(struct rte_mbuf *m, uint32_t src_be, uint32_t dst_be, uint16_t sport_be,
		    uint16_t dport_be)
{
	const uint32_t change = set_addresses4(m, src_be, dst_be);
	const uint8_t proto = weir_meta(m)->proto;

	(void)transport_rewrite(m, proto, sport_be, dport_be, proto == IPPROTO_ICMP ? 0 : change);
}

bool ip6_walk(const uint8_t *ip, uint32_t there, struct ip6_walk *w)
{
	*w = (struct ip6_walk){.bytes = sizeof(struct rte_ipv6_hdr), .proto = ip[6]};
	for (unsigned n = 0; n <= EXT_HEADERS; n++) {
		const uint8_t *ext = ip + w->bytes;
		uint32_t bytes = 8;

		w->has_ah = w->proto == IPPROTO_AH;
		if (w->proto != IPPROTO_HOPOPTS && w->proto != IPPROTO_ROUTING &&
		    w->proto != IPPROTO_FRAGMENT && w->proto != IPPROTO_DSTOPTS)
			return true;
		if (w->bytes + bytes > there)
			return false;
		if (w->proto == IPPROTO_FRAGMENT)
			w->frag = ext;
		else
			bytes = (ext[1] + 1u) * 8;
		w->routed = w->routed || (w->proto == IPPROTO_ROUTING && ext[3] != 0);
		w->proto = ext[0];
		w->bytes += bytes;
		if (w->bytes > there || w->bytes > sizeof(struct rte_ipv6_hdr) + EXT_BYTES)
			return false;
		if (w->frag == ext && ((ext[2] << 8 | ext[3]) & 0xfff8))
			return true; /* a later fragment: what follows is payload */
	}
	return false;
}

/* Whether its checksum covers another destination than its header has (RFC 8200 section 8.1). */
static bool is_routed(struct rte_mbuf *m)
{
	const uint32_t bytes = (uint32_t)weir_meta(m)->l4_off - weir_meta(m)->l3_off;
	struct ip6_walk w;

	return bytes != sizeof(struct rte_ipv6_hdr) &&
	       (!ip6_walk((const uint8_t *)ip6(m), bytes, &w) || w.routed);
}

enum weir_drop rewrite6(struct rte_mbuf *m, const uint8_t src[16], const uint8_t dst[16],
			uint16_t sport_be, uint16_t dport_be)
{
	if (unlikely(is_routed(m)))
		return WEIR_DROP_NAT_UNTRANSLATABLE;
	(void)transport_rewrite(m, weir_meta(m)->proto, sport_be, dport_be,
				set_addresses6(m, src, dst));
	return WEIR_DROP_NONE;
}

enum weir_drop rewrite(struct icmp_idents *ids, struct rte_mbuf *m, const struct weir_tuple *to)
{
	const bool v4 = weir_meta(m)->flags & WEIR_META_IP4;
	uint32_t src, dst;

	if (to->family == 6)
		return v4 ? rewrite46(m, to) : rewrite6(m, to->src, to->dst, to->sport, to->dport);
	if (!v4)
		return rewrite64(ids, m, to);
	memcpy(&src, to->src, sizeof(src));
	memcpy(&dst, to->dst, sizeof(dst));
	rewrite4(m, src, dst, to->sport, to->dport);
	return WEIR_DROP_NONE;
}

/* The quoted IP header, with @p there bytes of it and what follows. */
static bool read_quoted4(const uint8_t *at, uint32_t there, struct quote *q)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)at;
	uint32_t bytes;

	if (there < sizeof(*ip) || ip->version_ihl >> 4 != 4)
		return false;
	bytes = rte_ipv4_hdr_len(ip);
	if (bytes < sizeof(*ip) || bytes > there || rte_be_to_cpu_16(ip->total_length) < bytes ||
	    (ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)))
		return false;
	q->l4_off = q->ip_off + bytes;
	q->l4_bytes = rte_be_to_cpu_16(ip->total_length) - bytes;
	tuple_set4(&q->was, ip, ip->next_proto_id);
	return true;
}

static bool read_quoted6(const uint8_t *at, uint32_t there, struct quote *q)
{
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)at;
	struct ip6_walk w;
	uint32_t packet_bytes;

	if (there < sizeof(*ip) || at[0] >> 4 != 6 || !ip6_walk(at, there, &w))
		return false;
	packet_bytes = sizeof(*ip) + rte_be_to_cpu_16(ip->payload_len);
	if (w.routed || w.bytes > packet_bytes ||
	    (w.frag != NULL && ((w.frag[2] << 8 | w.frag[3]) & 0xfff8)))
		return false;
	q->l4_off = q->ip_off + w.bytes;
	q->l4_bytes = packet_bytes - w.bytes;
	tuple_set6(&q->was, ip, w.proto);
	return true;
}

bool quote_find(struct rte_mbuf *m, struct quote *q)
{
	const struct weir_meta *meta = weir_meta(m);
	const bool v4 = meta->flags & WEIR_META_IP4;
	const uint32_t heads = v4 ? 60 : sizeof(struct rte_ipv6_hdr) + EXT_BYTES;
	const uint8_t *at;
	uint32_t there;

	q->ip_off = meta->l4_off + (uint32_t)sizeof(struct icmp_head);
	/* If it cannot be had in one piece, what lies in the first segment may do. */
	(void)packet_pull(m, RTE_MIN(m->pkt_len, q->ip_off + heads + (uint32_t)QUOTED_MOST));
	if (m->data_len < q->ip_off)
		return false;
	at = rte_pktmbuf_mtod_offset(m, const uint8_t *, q->ip_off);
	there = m->data_len - q->ip_off;
	if (!(v4 ? read_quoted4(at, there, q) : read_quoted6(at, there, q)))
		return false;
	q->end = RTE_MIN((uint32_t)m->data_len, q->l4_off + (uint32_t)QUOTED_MOST);
	if (q->was.proto == (v4 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return false;
	if (q->was.proto == IPPROTO_TCP || q->was.proto == IPPROTO_UDP ||
	    q->was.proto == IPPROTO_SCTP || q->was.proto == IPPROTO_ICMP ||
	    q->was.proto == IPPROTO_ICMPV6)
		return q->end >= q->l4_off + QUOTED_LEAST;
	return true;
}

/* The quoted packet within its family. False: it is no query. */
static bool rewrite_quoted(uint8_t *ip, const struct quote *q, const struct weir_tuple *to)
{
	struct rte_ipv4_hdr *ip4_hdr = (struct rte_ipv4_hdr *)ip;
	uint32_t src, dst;

	if (to->family == 4) {
		memcpy(&src, to->src, sizeof(src));
		memcpy(&dst, to->dst, sizeof(dst));
		ip4_hdr->hdr_checksum = weir_csum_apply(ip4_hdr->hdr_checksum,
							addresses4_change(ip4_hdr, src, dst));
		ip4_hdr->src_addr = src;
		ip4_hdr->dst_addr = dst;
	} else {
		memcpy(ip6_src((struct rte_ipv6_hdr *)ip), to->src, 16);
		memcpy(ip6_dst((struct rte_ipv6_hdr *)ip), to->dst, 16);
	}
	return l4_rewrite(&(struct l4_edit){
		.at = ip + (q->l4_off - q->ip_off),
		.there = q->end - q->l4_off,
		.proto = q->was.proto,
		.to_proto = q->was.proto,
		.sport_be = to->sport,
		.dport_be = to->dport,
		.pseudo = weir_csum_change32(pseudo_sum(&q->was, q->l4_bytes),
					     pseudo_sum(to, q->l4_bytes)),
	});
}

static enum weir_drop rewrite_error_same(struct rte_mbuf *m, const struct quote *q,
					 const struct weir_tuple *to)
{
	const bool hidden = memcmp(q->was.dst, to->dst, sizeof(to->dst)) != 0;
	uint8_t *quoted = rte_pktmbuf_mtod_offset(m, uint8_t *, q->ip_off);
	const uint32_t before = weir_csum_sum(quoted, q->end - q->ip_off);
	struct icmp_head *icmp = l4(m);
	uint32_t src, dst, change;

	if (q->was.proto != to->proto || !rewrite_quoted(quoted, q, to))
		return WEIR_DROP_ICMP_QUOTE;
	change = weir_csum_change32(before, weir_csum_sum(quoted, q->end - q->ip_off));
	if (to->family == 4) {
		src = ip4(m)->src_addr;
		if (hidden)
			memcpy(&src, to->dst, sizeof(src));
		memcpy(&dst, to->src, sizeof(dst));
		(void)set_addresses4(m, src, dst);
	} else {
		uint8_t from[16];

		memcpy(from, hidden ? to->dst : ip6_src(ip6(m)), sizeof(from));
		change = weir_csum_add(change, set_addresses6(m, from, to->src));
	}
	icmp->csum = weir_csum_apply(icmp->csum, change);
	return WEIR_DROP_NONE;
}

enum weir_drop rewrite_error(struct icmp_idents *ids, struct rte_mbuf *m,
			     const struct weir_tuple *to)
{
	struct quote q;

	if (!(weir_meta(m)->flags & WEIR_META_L4) || !quote_find(m, &q))
		return WEIR_DROP_ICMP_QUOTE;
	if (to->family == q.was.family)
		return rewrite_error_same(m, &q, to);
	return to->family == 4 ? rewrite_error64(ids, m, &q, to) : rewrite_error46(m, &q, to);
}

int rewrite_node_create(struct weir_shard *shard, void **self)
{
	struct rewrite_node *n;

	if (shard->tracker == NULL)
		return -EINVAL;
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return -ENOMEM;
	n->shard = shard;
	n->tracker = shard->tracker;
	n->idents.key = shard->secret;
	*self = n;
	return 0;
}
