/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ICMP errors about what we have sent (RFC 792, RFC 4443, RFC 1191, RFC 8201), with Linux's errno.
 *
 * Anybody may send one, so the quoted packet has to be one that we could have sent: its source is
 * the address that the error came to, its headers are whole and of a kind that we write, and an MTU
 * is below its length. Whether it was sent is for its owner to say (RFC 5927).
 */

#include "stack_priv.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <weir/cursor.h>

/* An IPv4 header with all options and what is needed of the transport's. */
#define QUOTE_BYTES_MOST (8 + 60 + 8)

struct meaning {
	uint8_t error;
	bool hard;
};

/* Of destination unreachable by code, RFC 792 and RFC 1812 section 5.2.7.1. */
static const struct meaning unreach4[] = {
	[ICMP_NET_UNREACH] = {ENETUNREACH, false},    [ICMP_HOST_UNREACH] = {EHOSTUNREACH, false},
	[ICMP_PROT_UNREACH] = {ENOPROTOOPT, true},    [ICMP_PORT_UNREACH] = {ECONNREFUSED, true},
	[ICMP_FRAG_NEEDED] = {EMSGSIZE, false},	      [ICMP_SR_FAILED] = {EOPNOTSUPP, false},
	[ICMP_NET_UNKNOWN] = {ENETUNREACH, true},     [ICMP_HOST_UNKNOWN] = {EHOSTDOWN, true},
	[ICMP_HOST_ISOLATED] = {ENONET, true},	      [ICMP_NET_ANO] = {ENETUNREACH, true},
	[ICMP_HOST_ANO] = {EHOSTUNREACH, true},	      [ICMP_NET_UNR_TOS] = {ENETUNREACH, false},
	[ICMP_HOST_UNR_TOS] = {EHOSTUNREACH, false},  [ICMP_PKT_FILTERED] = {EHOSTUNREACH, true},
	[ICMP_PREC_VIOLATION] = {EHOSTUNREACH, true}, [ICMP_PREC_CUTOFF] = {EHOSTUNREACH, true},
};

/* RFC 4443 section 3.1. */
static const struct meaning unreach6[] = {
	{ENETUNREACH, false},  /* no route */
	{EACCES, true},	       /* prohibited */
	{EHOSTUNREACH, false}, /* beyond the scope of the source */
	{EHOSTUNREACH, false}, /* address */
	{ECONNREFUSED, true},  /* port */
	{EACCES, true},	       /* the source is refused by policy */
	{EACCES, true},	       /* the route rejects */
};

/* 0: no error, or one of those that mean nothing any more (RFC 6633: quench). */
static struct meaning meaning4(uint8_t type, uint8_t code)
{
	switch (type) {
	case ICMP_DEST_UNREACH:
		return code < RTE_DIM(unreach4) ? unreach4[code] : (struct meaning){0};
	case ICMP_TIME_EXCEEDED:
		return (struct meaning){EHOSTUNREACH, false};
	case ICMP_PARAMETERPROB:
		return (struct meaning){EPROTO, true};
	default:
		return (struct meaning){0};
	}
}

static struct meaning meaning6(uint8_t type, uint8_t code)
{
	switch (type) {
	case ICMP6_DST_UNREACH:
		return code < RTE_DIM(unreach6) ? unreach6[code] : (struct meaning){EPROTO, true};
	case ICMP6_PACKET_TOO_BIG:
		return (struct meaning){EMSGSIZE, false};
	case ICMP6_TIME_EXCEEDED:
		return (struct meaning){EHOSTUNREACH, false};
	case ICMP6_PARAM_PROB:
		return (struct meaning){EPROTO, true};
	default:
		return (struct meaning){0};
	}
}

/* What the quoted IP header says that matters for the MTU. */
struct quoted {
	uint32_t bytes;
	bool keep_whole; /* nobody on the way may cut it */
};

/* The quoted IPv4 header; what follows is its payload. */
static bool take_ip4(struct weir_cursor *c, struct ip_error *e, struct quoted *q)
{
	const uint8_t first = weir_take_u8(c);
	const uint32_t header_bytes = (first & 0xfu) * 4;
	const uint8_t *p;
	uint16_t frag;

	weir_take(c, 1);
	q->bytes = weir_take_u16_be(c);
	weir_take(c, 2);
	frag = weir_take_u16_be(c);
	weir_take(c, 1);
	e->ends.proto = weir_take_u8(c);
	weir_take(c, 2);
	p = weir_take(c, 8);
	if (c->bad || first >> 4 != 4 || header_bytes < sizeof(struct iphdr) ||
	    q->bytes < header_bytes + 8 || (frag & IP_OFFMASK) != 0)
		return false;
	q->keep_whole = frag & IP_DF;
	memcpy(e->ends.src, p, 4);
	memcpy(e->ends.dst, p + 4, 4);
	weir_take(c, header_bytes - sizeof(struct iphdr));
	return true;
}

/* The same of IPv6: of extension headers we write none, and the way to a link at most a fragment's.
 */
static bool take_ip6(struct weir_cursor *c, struct ip_error *e, struct quoted *q)
{
	const uint8_t version = weir_take_u32_be(c) >> 28;
	const uint8_t *p;

	q->bytes = (uint32_t)sizeof(struct ip6_hdr) + weir_take_u16_be(c);
	q->keep_whole = true;
	e->ends.proto = weir_take_u8(c);
	weir_take(c, 1);
	p = weir_take(c, 32);
	if (c->bad || version != 6)
		return false;
	memcpy(e->ends.src, p, 16);
	memcpy(e->ends.dst, p + 16, 16);
	if (e->ends.proto == IPPROTO_FRAGMENT) {
		e->ends.proto = weir_take_u8(c);
		weir_take(c, 1);
		if ((weir_take_u16_be(c) & 0xfff8) != 0)
			return false;
		weir_take(c, 4);
	}
	return q->bytes >= sizeof(struct ip6_hdr) + 8;
}

/* RFC 1191 section 7: the MTUs that there are, for routers that tell none. */
static uint32_t next_plateau(uint32_t bytes)
{
	static const uint16_t plateaus[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296};

	for (unsigned i = 0; i < RTE_DIM(plateaus); i++)
		if (plateaus[i] < bytes)
			return plateaus[i];
	return 68;
}

/* False: a path has no such MTU, or it would not have stopped the packet. */
static bool read_mtu(struct ip_error *e, const struct quoted *q, uint32_t told)
{
	const uint32_t least = e->ends.family == 4 ? 68 : IP_MTU_LEAST6;
	uint32_t mtu = told;

	if (e->ends.family == 4) {
		mtu &= UINT16_MAX; /* the other half is unused */
		if (mtu == 0)
			mtu = next_plateau(q->bytes);
	}
	if (!q->keep_whole || mtu < least || mtu >= q->bytes)
		return false;
	e->mtu_bytes = (uint16_t)mtu;
	return true;
}

/* @c is at the ICMP header. */
static bool take_error(struct weir_cursor *c, uint8_t family, const uint8_t *to,
		       struct ip_error *out)
{
	const uint8_t type = weir_take_u8(c), code = weir_take_u8(c);
	const struct meaning means = family == 4 ? meaning4(type, code) : meaning6(type, code);
	struct ip_error e = {.ends = {.family = family}, .error = means.error, .hard = means.hard};
	struct quoted q;
	const uint8_t *ports;
	uint32_t told;

	weir_take(c, 2); /* the checksum was looked at before */
	told = weir_take_u32_be(c);
	if (c->bad || means.error == 0 ||
	    !(family == 4 ? take_ip4(c, &e, &q) : take_ip6(c, &e, &q)))
		return false;
	ports = weir_take(c, 4);
	e.seq = weir_take_u32_be(c);
	if (c->bad || memcmp(e.ends.src, to, family == 4 ? 4 : 16) != 0)
		return false;
	if (e.ends.proto == IPPROTO_UDP)
		e.seq = 0;
	else if (e.ends.proto != IPPROTO_TCP)
		return false;
	if (means.error == EMSGSIZE && !read_mtu(&e, &q, told))
		return false;
	memcpy(&e.ends.sport, ports, 2);
	memcpy(&e.ends.dport, ports + 2, 2);
	*out = e;
	return true;
}

bool ip_error_read(struct rte_mbuf *m, struct ip_error *out)
{
	const struct weir_meta *meta = weir_meta(m);
	const bool v6 = meta->flags & WEIR_META_IP6;
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, meta->l3_off);
	uint8_t flat[QUOTE_BYTES_MOST];
	struct weir_cursor c;
	uint32_t bytes;

	if (meta->proto != (v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP) || meta->l4_off > m->pkt_len)
		return false;
	bytes = RTE_MIN(m->pkt_len - meta->l4_off, (uint32_t)QUOTE_BYTES_MOST);
	c.at = rte_pktmbuf_read(m, meta->l4_off, bytes, flat);
	c.end = c.at + bytes;
	c.bad = false;
	return take_error(
		&c, v6 ? 6 : 4,
		ip + (v6 ? offsetof(struct ip6_hdr, ip6_dst) : offsetof(struct iphdr, daddr)), out);
}
