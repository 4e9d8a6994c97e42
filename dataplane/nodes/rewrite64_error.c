/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * rewrite64_error: ICMP errors from IPv6 to IPv4 and back (RFC 7915 sections 4.2, 4.3, 5.2, 5.3).
 *
 * What is quoted changes its length, so the error is made anew behind its own header: its checksum
 * is verified first, so that none that was wrong becomes right. Extensions (RFC 4884) are passed on
 * as they are, with the length of what stands before them adjusted.
 */

#include "rewrite64_priv.h"

#include <netinet/ip_icmp.h>
#include <weir/nat.h>

#include "tuple_priv.h"

/* What an error quotes at most, so that it fits IPv6's least MTU (RFC 4443 section 2.4). */
#define IP6_MTU_LEAST 1280u
#define QUOTED_MOST   (IP6_MTU_LEAST - sizeof(struct rte_ipv6_hdr) - sizeof(struct icmp_head))

/* RFC 4884 section 5: what stands before extensions has so many bytes at least. */
#define EXTENDED_LEAST 128u

/* RFC 791 section 3.2: every link takes so many bytes. */
#define IP4_MTU_LEAST 68u

/* No field of the other family's header. */
#define NOWHERE 255

/* An error of the other family. */
struct error {
	uint8_t type, code;
	uint32_t rest_be;
	uint8_t unit; /* its length field counts words of 2^unit bytes (RFC 4884); 0: it has none */
};

/* Words of the length field of ICMP, of ICMPv6. */
#define UNIT4 2
#define UNIT6 3

/* RFC 1191 section 7: MTUs of those who do not say theirs. */
static uint32_t plateau(uint32_t total_bytes)
{
	static const uint16_t plateaus[] = {65535, 32000, 17914, 8166, 4352, 2002,
					    1492,  1006,  508,	 296,  68};

	for (unsigned i = 0; i < RTE_DIM(plateaus); i++)
		if (plateaus[i] < total_bytes)
			return plateaus[i];
	return IP4_MTU_LEAST;
}

/* Section 4.2: Destination Unreachable by its code; false: it is dropped. */
static bool unreachable46(const struct icmp_head *icmp, uint32_t total_bytes, struct error *e)
{
	/* by code: no route (0), administratively prohibited (1), port (4), or none */
	static const uint8_t codes[] = {0, 0, NOWHERE, 4, NOWHERE, 0, 0,       0,
					0, 1, 1,       0, 0,	   1, NOWHERE, 1};
	uint32_t mtu;

	*e = (struct error){.type = ICMP6_DST_UNREACH, .unit = UNIT6};
	if (icmp->code == ICMP_UNREACH_PROTOCOL) {
		*e = (struct error){.type = ICMP6_PARAM_PROB,
				    .code = ICMP6_PARAMPROB_NEXTHEADER,
				    .rest_be = RTE_BE32(offsetof(struct rte_ipv6_hdr, proto))};
		return true;
	}
	if (icmp->code == ICMP_UNREACH_NEEDFRAG) {
		mtu = rte_be_to_cpu_32(icmp->rest_be) & UINT16_MAX;
		mtu = (mtu == 0 ? plateau(total_bytes) : mtu) + 20;
		*e = (struct error){.type = ICMP6_PACKET_TOO_BIG,
				    .rest_be = rte_cpu_to_be_32(RTE_MAX(mtu, IP6_MTU_LEAST))};
		return true;
	}
	if (icmp->code >= RTE_DIM(codes) || codes[icmp->code] == NOWHERE)
		return false;
	e->code = codes[icmp->code];
	return true;
}

/* Figure 3: where a field of the IPv4 header stands in IPv6's. */
static bool problem46(const struct icmp_head *icmp, struct error *e)
{
	static const uint8_t fields[20] = {0,	    1, 4,  4,	    NOWHERE, NOWHERE, NOWHERE,
					   NOWHERE, 7, 6,  NOWHERE, NOWHERE, 8,	      8,
					   8,	    8, 24, 24,	    24,	     24};
	const uint8_t at = (uint8_t)(rte_be_to_cpu_32(icmp->rest_be) >> 24);

	if ((icmp->code != 0 && icmp->code != 2) || at >= sizeof(fields) || fields[at] == NOWHERE)
		return false;
	*e = (struct error){.type = ICMP6_PARAM_PROB, .rest_be = rte_cpu_to_be_32(fields[at])};
	return true;
}

static bool error46(const struct icmp_head *icmp, uint32_t total_bytes, struct error *e)
{
	switch (icmp->type) {
	case ICMP_UNREACH:
		return unreachable46(icmp, total_bytes, e);
	case ICMP_TIMXCEED:
		*e = (struct error){.type = ICMP6_TIME_EXCEEDED, .code = icmp->code, .unit = UNIT6};
		return true;
	case ICMP_PARAMPROB:
		return problem46(icmp, e);
	default: /* redirect, source quench, what is obsolete or unknown */
		return false;
	}
}

/* Figure 6: where a field of the IPv6 header stands in IPv4's. */
static bool problem64(const struct icmp_head *icmp, struct error *e)
{
	static const uint8_t fields[8] = {0, 1, NOWHERE, NOWHERE, 2, 2, 9, 8};
	const uint32_t at = rte_be_to_cpu_32(icmp->rest_be);
	uint32_t field;

	if (icmp->code == ICMP6_PARAMPROB_NEXTHEADER) {
		*e = (struct error){
			.type = ICMP_UNREACH, .code = ICMP_UNREACH_PROTOCOL, .unit = UNIT4};
		return true;
	}
	if (icmp->code != ICMP6_PARAMPROB_HEADER || at >= sizeof(struct rte_ipv6_hdr))
		return false;
	if (at < sizeof(fields))
		field = fields[at];
	else
		field = at < offsetof(struct rte_ipv6_hdr, dst_addr)
				? offsetof(struct rte_ipv4_hdr, src_addr)
				: offsetof(struct rte_ipv4_hdr, dst_addr);
	if (field == NOWHERE)
		return false;
	*e = (struct error){
		.type = ICMP_PARAMPROB, .rest_be = rte_cpu_to_be_32(field << 24), .unit = UNIT4};
	return true;
}

/* Section 5.2. @p heads: by how much the quoted packet's headers shrink. */
static bool error64(const struct icmp_head *icmp, uint32_t heads, struct error *e)
{
	static const uint8_t codes[] = {ICMP_UNREACH_HOST, ICMP_UNREACH_HOST_PROHIB,
					ICMP_UNREACH_HOST, ICMP_UNREACH_HOST, ICMP_UNREACH_PORT};
	uint32_t mtu;

	switch (icmp->type) {
	case ICMP6_DST_UNREACH:
		if (icmp->code >= RTE_DIM(codes))
			return false;
		*e = (struct error){.type = ICMP_UNREACH, .code = codes[icmp->code], .unit = UNIT4};
		return true;
	case ICMP6_PACKET_TOO_BIG:
		mtu = RTE_MIN(rte_be_to_cpu_32(icmp->rest_be), (uint32_t)UINT16_MAX + heads);
		mtu = RTE_MAX(mtu, IP4_MTU_LEAST + heads) - heads;
		*e = (struct error){.type = ICMP_UNREACH,
				    .code = ICMP_UNREACH_NEEDFRAG,
				    .rest_be = rte_cpu_to_be_32(mtu),
				    .unit = UNIT4};
		return true;
	case ICMP6_TIME_EXCEEDED:
		*e = (struct error){.type = ICMP_TIMXCEED, .code = icmp->code, .unit = UNIT4};
		return true;
	case ICMP6_PARAM_PROB:
		return problem64(icmp, e);
	default:
		return false;
	}
}

/* Where extensions begin behind the ICMP header; 0: there are none (RFC 4884 section 4). */
static uint32_t extensions_at(const struct icmp_head *icmp, bool v6)
{
	const uint32_t rest = rte_be_to_cpu_32(icmp->rest_be);

	if (v6)
		return icmp->type == ICMP6_DST_UNREACH || icmp->type == ICMP6_TIME_EXCEEDED
			       ? (rest >> 24) << UNIT6
			       : 0;
	return icmp->type == ICMP_UNREACH || icmp->type == ICMP_TIMXCEED ||
			       icmp->type == ICMP_PARAMPROB
		       ? (rest >> 16 & 0xff) << UNIT4
		       : 0;
}

/* What an error carries behind its ICMP header. */
struct body {
	uint32_t bytes;
	uint8_t at[QUOTED_MOST];
};

/* As much as fits of what the error has. */
static void body_read(struct rte_mbuf *m, uint32_t off, struct body *b)
{
	const void *from;

	b->bytes = RTE_MIN(m->pkt_len - off, (uint32_t)sizeof(b->at));
	from = rte_pktmbuf_read(m, off, b->bytes, b->at);
	if (from != b->at && from != NULL)
		memcpy(b->at, from, b->bytes);
}

static void body_add(struct body *b, const void *from, uint32_t bytes)
{
	const uint32_t n = RTE_MIN(bytes, (uint32_t)sizeof(b->at) - b->bytes);

	memcpy(b->at + b->bytes, from, n);
	b->bytes += n;
}

/* The way of what is quoted into the other family. */
struct crossing {
	const struct quote *q;
	const struct weir_tuple *to;
	const void *head;	/* its new IP header, */
	uint32_t head_bytes;	/* of so many bytes */
	uint32_t extensions_at; /* in the old body; 0: there are none */
};

static bool quote_cross(const struct crossing *x, const struct body *was, uint32_t quoted_bytes,
			struct body *is)
{
	const uint32_t old_head = x->q->l4_off - x->q->ip_off;
	const uint32_t l4_bytes = x->q->l4_bytes;

	is->bytes = 0;
	body_add(is, x->head, x->head_bytes);
	body_add(is, was->at + old_head, quoted_bytes - old_head);
	return l4_rewrite(&(struct l4_edit){
		.at = is->at + x->head_bytes,
		.there = is->bytes - x->head_bytes,
		.proto = x->q->was.proto,
		.to_proto = x->to->proto,
		.sport_be = x->to->sport,
		.dport_be = x->to->dport,
		.pseudo = weir_csum_change32(pseudo_sum(&x->q->was, l4_bytes),
					     pseudo_sum(x->to, l4_bytes)),
	});
}

/*
 * The body in the other family: the quoted packet, and extensions behind it if both kinds of error
 * can have them. False: what is quoted cannot be translated.
 */
static bool body_cross(const struct crossing *x, const struct body *was, struct error *e,
		       struct body *is)
{
	static const uint8_t zeros[EXTENDED_LEAST + 8];
	const bool extended = x->extensions_at >= EXTENDED_LEAST && x->extensions_at < was->bytes &&
			      x->extensions_at >= x->q->l4_off - x->q->ip_off;
	const uint32_t quoted = extended ? x->extensions_at : was->bytes;
	uint32_t words;

	if (!quote_cross(x, was, quoted, is))
		return false;
	if (!extended || e->unit == 0)
		return true;
	if (is->bytes < EXTENDED_LEAST)
		body_add(is, zeros, EXTENDED_LEAST - is->bytes);
	body_add(is, zeros, -is->bytes & ((1u << e->unit) - 1));
	words = is->bytes >> e->unit;
	if (is->bytes + (was->bytes - quoted) > sizeof(is->at) || words > UINT8_MAX)
		return true; /* no room: without them, then */
	e->rest_be |= rte_cpu_to_be_32(words << (e->unit == UNIT6 ? 24 : 16));
	body_add(is, was->at + quoted, was->bytes - quoted);
	return true;
}

/* The error's own checksum, over all of it. */
static bool is_right(struct rte_mbuf *m, const struct weir_tuple *outer)
{
	const uint32_t bytes = l4_there(m);
	const uint32_t sum = weir_offload_sum(m, weir_meta(m)->l4_off, bytes);

	return weir_csum_finish(weir_csum_add(sum, pseudo_sum(outer, bytes))) == 0;
}

/* Put the new error behind the layer-3 header, in the first segment. False: it has no room. */
static bool put_error(struct rte_mbuf *m, const struct error *e, const struct body *b,
		      const struct weir_tuple *outer)
{
	const struct weir_meta *meta = weir_meta(m);
	const uint32_t bytes = (uint32_t)sizeof(struct icmp_head) + b->bytes;
	struct icmp_head *icmp = l4(m);
	uint32_t sum;

	if (meta->l4_off + bytes > (uint32_t)m->buf_len - m->data_off)
		return false;
	rte_pktmbuf_free(m->next);
	m->next = NULL;
	m->nb_segs = 1;
	m->data_len = (uint16_t)(meta->l4_off + bytes);
	m->pkt_len = m->data_len;
	*icmp = (struct icmp_head){.type = e->type, .code = e->code, .rest_be = e->rest_be};
	memcpy(icmp + 1, b->at, b->bytes);
	sum = weir_csum_add(weir_csum_sum(icmp, bytes), pseudo_sum(outer, bytes));
	icmp->csum = weir_csum_finish(sum);
	return true;
}

enum weir_drop rewrite_error64(struct icmp_idents *ids, struct rte_mbuf *m, const struct quote *q,
			       const struct weir_tuple *to)
{
	const struct weir_meta *meta = weir_meta(m);
	const uint8_t *ip = (const uint8_t *)ip6(m);
	const struct icmp_head *icmp = l4(m);
	struct weir_tuple was, outer = {.family = 4, .proto = IPPROTO_ICMP};
	struct ip6_walk w, quoted;
	struct rte_ipv4_hdr head;
	struct body old, fresh;
	struct error e;

	tuple_set6(&was, ip6(m), IPPROTO_ICMPV6);
	memcpy(outer.src, to->dst, 4); /* who is behind it has no address of IPv4 */
	memcpy(outer.dst, to->src, 4);
	if (!ip6_walk(ip, (uint32_t)meta->l4_off - meta->l3_off, &w) || w.routed || w.has_ah ||
	    (meta->flags & WEIR_META_FRAG))
		return WEIR_DROP_NAT_UNTRANSLATABLE;
	if (!is_right(m, &was))
		return WEIR_DROP_L4_CSUM;
	body_read(m, q->ip_off, &old);
	if (to->proto != other_proto(q->was.proto) || !is_transport(q->was.proto) ||
	    !ip6_walk(old.at, old.bytes, &quoted) || quoted.has_ah ||
	    !error64(icmp, quoted.frag != NULL ? 28 : 20, &e))
		return WEIR_DROP_NAT_UNTRANSLATABLE;
	head64(&head, old.at, &quoted, q->l4_bytes, to, 0);
	if (!body_cross(&(struct crossing){.q = q,
					   .to = to,
					   .head = &head,
					   .head_bytes = sizeof(head),
					   .extensions_at = extensions_at(icmp, true)},
			&old, &e, &fresh))
		return WEIR_DROP_NAT_UNTRANSLATABLE;
	if (!put_error(m, &e, &fresh, &outer))
		return WEIR_DROP_HEADROOM;
	memcpy(&head.src_addr, outer.src, sizeof(head.src_addr));
	memcpy(&head.dst_addr, outer.dst, sizeof(head.dst_addr));
	head64(&head, ip, &w, l4_there(m), &outer,
	       icmp_ident_be(ids, head.src_addr, head.dst_addr));
	head_swap(m, &head, sizeof(head), false);
	return WEIR_DROP_NONE;
}

/*
 * An IPv4 address in the same prefix as the one of a tuple is (RFC 6052): which length that has is
 * seen from @p like, which holds the address @p of. The longest first: with the zeros that follow
 * an address no shorter one is taken for it. False: it holds it nowhere.
 */
static bool embed_like(const uint8_t like[16], const uint8_t of[4], const uint8_t addr[4],
		       uint8_t out[16])
{
	static const uint8_t lengths[] = {96, 64, 56, 48, 40, 32};

	for (unsigned i = 0; i < RTE_DIM(lengths); i++) {
		struct weir_prefix prefix = {.addr = {.family = 6}, .length = lengths[i]};
		uint8_t found[4];

		memcpy(prefix.addr.bytes, like, sizeof(prefix.addr.bytes));
		if (!weir_nat64_extract(&prefix, like, found) || memcmp(found, of, 4) != 0)
			continue;
		weir_nat64_embed(&prefix, addr, out);
		return true;
	}
	return false;
}

enum weir_drop rewrite_error46(struct rte_mbuf *m, const struct quote *q,
			       const struct weir_tuple *to)
{
	const struct weir_meta *meta = weir_meta(m);
	const struct rte_ipv4_hdr *ip = ip4(m);
	const struct icmp_head *icmp = l4(m);
	struct weir_tuple was, outer = {.family = 6, .proto = IPPROTO_ICMPV6};
	const struct rte_ipv4_hdr *quoted;
	uint8_t head[HEAD46_MOST];
	struct body old, fresh;
	struct error e;
	uint32_t bytes;

	tuple_set4(&was, ip, IPPROTO_ICMP);
	if (meta->flags & WEIR_META_FRAG)
		return WEIR_DROP_NAT_UNTRANSLATABLE;
	if (!is_right(m, &was))
		return WEIR_DROP_L4_CSUM;
	body_read(m, q->ip_off, &old);
	quoted = (const struct rte_ipv4_hdr *)old.at;
	if (to->proto != other_proto(q->was.proto) || !is_transport(q->was.proto) ||
	    !error46(icmp, rte_be_to_cpu_16(quoted->total_length), &e))
		return WEIR_DROP_NAT_UNTRANSLATABLE;
	if (!embed_like(to->dst, q->was.dst, was.src, outer.src))
		memcpy(outer.src, to->dst, sizeof(outer.src));
	memcpy(outer.dst, to->src, sizeof(outer.dst));
	bytes = head46(head, quoted, q->l4_bytes, to);
	if (!body_cross(&(struct crossing){.q = q,
					   .to = to,
					   .head = head,
					   .head_bytes = bytes,
					   .extensions_at = extensions_at(icmp, false)},
			&old, &e, &fresh))
		return WEIR_DROP_NAT_UNTRANSLATABLE;
	if (!head_fits(m, sizeof(struct rte_ipv6_hdr)) || !put_error(m, &e, &fresh, &outer))
		return WEIR_DROP_HEADROOM;
	bytes = head46(head, ip, l4_there(m), &outer);
	head_swap(m, head, bytes, true);
	return WEIR_DROP_NONE;
}
