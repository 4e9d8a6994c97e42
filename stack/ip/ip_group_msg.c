/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What hosts and routers say about groups: IGMP (RFC 3376, RFC 2236, RFC 1112) and MLD (RFC 3810,
 * RFC 2710), read and written.
 *
 * It stays on its link: who sends has a TTL of 1 and, but in IGMPv1, asks routers to look at it
 * (router alert, RFC 2113, RFC 2711); of IPv6 his address is link-local. What is otherwise, too
 * short or has a wrong checksum is counted and not heeded.
 */

#include "ip_group_priv.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <weir/csum.h>
#include <weir/cursor.h>

#define IGMP_QUERY     0x11
#define IGMP_REPORT_V1 0x12
#define IGMP_REPORT_V2 0x16
#define IGMP_LEAVE_V2  0x17
#define IGMP_REPORT_V3 0x22
#define MLD_QUERY      130
#define MLD_REPORT_V1  131
#define MLD_DONE_V1    132
#define MLD_REPORT_V2  143

/* A query with as many sources as a packet of a usual link has room for. */
#define MESSAGE_BYTES_MOST 1500
#define ALERT4		   148 /* RFC 2113: the option, copied */
#define ALERT6		   5

#define MS UINT64_C(1000000)

/* A record with an address of IPv6, and the headers before, of layer 2 too. */
#define RECORD_MOST  20
#define HEADERS_MOST (WEIR_STACK_HEADROOM + IP_HEADER_MOST + 8)

/* RFC 3376 section 4.1.1, RFC 3810 section 5.1.3: large times have an exponent of three bits. */
static uint64_t decode_time(uint32_t code, unsigned mantissa_bits)
{
	const uint32_t one = UINT32_C(1) << mantissa_bits;

	if (code < one << 3)
		return code;
	return (uint64_t)((code & (one - 1)) | one) << ((code >> mantissa_bits & 7) + 3);
}

/* ---- in ---- */

/* A message as it came. */
struct message {
	const uint8_t *at; /* bytes of it, its header first */
	uint32_t bytes;
	uint16_t iface;
	bool alert;	/* routers are to look at it */
	bool from_link; /* TTL 1, of IPv6 from a link-local address too */
};

static bool has_alert4(const uint8_t *at, const uint8_t *end)
{
	while (end - at >= 4 && *at != IPOPT_EOL) {
		if (*at == ALERT4)
			return at[1] == 4;
		if (*at != IPOPT_NOP && at[1] < 2)
			return false;
		at += *at == IPOPT_NOP ? 1 : at[1];
	}
	return false;
}

/* In the hop-by-hop header: options from its third byte on. */
static bool has_alert6(const uint8_t *at, const uint8_t *end)
{
	while (end - at >= 4) {
		if (*at == ALERT6)
			return at[1] == 2;
		at += *at == IP6OPT_PAD1 ? 1 : at[1] + 2;
	}
	return false;
}

static struct message message_of(struct rte_mbuf *m, uint8_t flat[MESSAGE_BYTES_MOST])
{
	const struct weir_meta *meta = weir_meta(m);
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, meta->l3_off);
	const uint8_t *l4 = rte_pktmbuf_mtod_offset(m, const uint8_t *, meta->l4_off);
	const struct ip6_hdr *ip6 = (const struct ip6_hdr *)ip;
	struct message g = {.iface = meta->iface_in, .bytes = m->pkt_len - meta->l4_off};

	if (g.bytes <= MESSAGE_BYTES_MOST)
		g.at = rte_pktmbuf_read(m, meta->l4_off, g.bytes, flat);
	if (meta->flags & WEIR_META_IP4) {
		g.from_link = ((const struct iphdr *)ip)->ttl == 1;
		g.alert = has_alert4(ip + sizeof(struct iphdr), l4);
		return g;
	}
	g.from_link = ip6->ip6_hlim == 1 && IN6_IS_ADDR_LINKLOCAL(&ip6->ip6_src);
	g.alert = ip6->ip6_nxt == IPPROTO_HOPOPTS && has_alert6((const uint8_t *)(ip6 + 1) + 2, l4);
	return g;
}

/* Family 0 if there is none. False: it is no group. */
static bool take_group(struct weir_cursor *c, uint8_t family, struct weir_addr *out)
{
	static const uint8_t none[16];
	const size_t n = family == 4 ? 4 : 16;
	const uint8_t *p = weir_take(c, n);

	*out = (struct weir_addr){0};
	if (c->bad)
		return false;
	if (memcmp(p, none, n) == 0)
		return true;
	*out = weir_addr_of(p, family);
	return addr_is_group(out);
}

/* What IGMPv3 and MLDv2 have behind the group. */
static bool take_newer(struct weir_cursor *c, uint8_t family, struct group_query *q)
{
	uint16_t sources;

	q->version = GROUP_V3;
	q->robustness = weir_take_u8(c) & 7;
	weir_take(c, 1);
	sources = weir_take_u16_be(c);
	weir_take(c, (size_t)sources * (family == 4 ? 4 : 16));
	return !c->bad;
}

/* Of 8 bytes and no code v1, of 8 v2, of 12 and more v3 (RFC 3376 section 7.1). */
static bool read_query4(const struct message *g, struct group_query *q)
{
	struct weir_cursor c = {.at = g->at, .end = g->at + g->bytes};
	uint8_t code;

	weir_take(&c, 1);
	code = weir_take_u8(&c);
	weir_take(&c, 2);
	if (!take_group(&c, 4, &q->group))
		return false;
	if (g->bytes == 8 && code == 0) {
		q->version = GROUP_V1;
		q->wait_ns = 10000 * MS;
		return true;
	}
	q->version = GROUP_V2;
	q->wait_ns = 100 * MS * RTE_MAX(g->bytes == 8 ? code : decode_time(code, 4), 1u);
	return g->alert && (g->bytes == 8 || (g->bytes >= 12 && take_newer(&c, 4, q)));
}

/* Of 24 bytes v1, of 28 and more v2 (RFC 3810 section 8.1). */
static bool read_query6(const struct message *g, struct group_query *q)
{
	struct weir_cursor c = {.at = g->at, .end = g->at + g->bytes};
	uint16_t code;

	weir_take(&c, 4);
	code = weir_take_u16_be(&c);
	weir_take(&c, 2);
	if (!take_group(&c, 6, &q->group))
		return false;
	q->version = GROUP_V2;
	q->wait_ns = MS * RTE_MAX(g->bytes == 24 ? code : decode_time(code, 12), 10u);
	return g->alert && (g->bytes == 24 || (g->bytes >= 28 && take_newer(&c, 6, q)));
}

static void heed_query(struct weir_stack *s, const struct message *g, uint8_t family)
{
	struct group_query q = {0};

	if (!(family == 4 ? read_query4(g, &q) : read_query6(g, &q))) {
		stack_count(&s->stats.group_bad, 1);
		return;
	}
	stack_count(&s->stats.group_queries, 1);
	group_query(s, g->iface, family, &q);
}

/* Another host's: of the versions in which one report for a link is enough. */
static void heed_report(struct weir_stack *s, const struct message *g, uint8_t family)
{
	const uint32_t head_bytes = family == 4 ? 4 : 8;
	struct weir_cursor c = {.at = g->at, .end = g->at + g->bytes};
	struct weir_addr group;

	weir_take(&c, head_bytes);
	if (take_group(&c, family, &group) && group.family != 0)
		group_reported(s, g->iface, &group);
}

static bool is_whole(const struct message *g, uint8_t family)
{
	if (g->at == NULL || g->bytes < 8 || !g->from_link)
		return false;
	return family == 6 || weir_csum(g->at, g->bytes) == 0; /* 70_local has looked at ICMPv6's */
}

bool group_input(struct weir_stack *s, struct rte_mbuf *m)
{
	const uint8_t family = weir_meta(m)->flags & WEIR_META_IP4 ? 4 : 6;
	uint8_t flat[MESSAGE_BYTES_MOST];
	const struct message g = message_of(m, flat);
	const uint8_t type = g.at == NULL || g.bytes == 0 ? 0 : g.at[0];
	const bool query = type == (family == 4 ? IGMP_QUERY : MLD_QUERY);
	const bool report = family == 4 ? type == IGMP_REPORT_V1 || type == IGMP_REPORT_V2
					: type == MLD_REPORT_V1;

	if (family == 6 && !query && !report)
		return false; /* another message of ICMPv6 */
	if (!is_whole(&g, family))
		stack_count(&s->stats.group_bad, !report);
	else if (query)
		heed_query(s, &g, family);
	else if (report)
		heed_report(s, &g, family);
	rte_pktmbuf_free(m);
	return true;
}

/* ---- out ---- */

static uint8_t *put_u16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
	return at + 2;
}

static uint8_t *put_addr(uint8_t *at, const struct weir_addr *a)
{
	const size_t n = a->family == 4 ? 4 : 16;

	memcpy(at, a->bytes, n);
	return at + n;
}

/* RFC 3376 section 4.2, RFC 3810 section 5.2. Returns where it ends. */
static uint8_t *put_report3(uint8_t *at, uint8_t family, enum group_record what,
			    const struct weir_addr *groups, unsigned n)
{
	memset(at, 0, 8);
	at[0] = family == 4 ? IGMP_REPORT_V3 : MLD_REPORT_V2;
	put_u16(at + 6, (uint16_t)n);
	at += 8;
	for (unsigned i = 0; i < n; i++) {
		*at++ = (uint8_t)what;
		*at++ = 0;	     /* no auxiliary data */
		at = put_u16(at, 0); /* from or but for no source */
		at = put_addr(at, &groups[i]);
	}
	return at;
}

/* RFC 2236 section 2, RFC 1112 appendix I, RFC 2710 section 3. */
static uint8_t *put_report2(uint8_t *at, uint8_t version, enum group_record what,
			    const struct weir_addr *group)
{
	const uint32_t head_bytes = group->family == 4 ? 4 : 8;

	memset(at, 0, head_bytes);
	if (group->family == 6)
		at[0] = what == GROUP_LEFT ? MLD_DONE_V1 : MLD_REPORT_V1;
	else if (what == GROUP_LEFT)
		at[0] = IGMP_LEAVE_V2;
	else
		at[0] = version == GROUP_V1 ? IGMP_REPORT_V1 : IGMP_REPORT_V2;
	return put_addr(at + head_bytes, group);
}

/* Where a report goes to. */
static struct weir_addr report_to(uint8_t version, enum group_record what,
				  const struct weir_addr *group)
{
	static const struct weir_addr v3_4 = {4, {224, 0, 0, 22}}, routers4 = {4, {224, 0, 0, 2}},
				      v3_6 = {6, {0xff, 0x02, [15] = 0x16}},
				      routers6 = {6, {0xff, 0x02, [15] = 2}};

	if (version == GROUP_V3)
		return group->family == 4 ? v3_4 : v3_6;
	if (what == GROUP_LEFT)
		return group->family == 4 ? routers4 : routers6;
	return *group;
}

static void report_some(struct weir_stack *s, const struct group_link *l, uint8_t version,
			enum group_record what, const struct weir_addr *groups, unsigned n)
{
	const struct weir_addr to = report_to(version, what, groups),
			       all = report_to(GROUP_V3, what, groups);
	struct weir_link link = {0};
	struct rte_mbuf *m = rte_pktmbuf_alloc(s->conf.pool);
	const bool has_room = m != NULL && rte_pktmbuf_headroom(m) >= HEADERS_MOST;
	uint8_t *at = has_room ? (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(8 + n * RECORD_MOST))
			       : NULL;
	uint32_t sum = 0;
	uint16_t bytes, made;

	if (at == NULL) {
		rte_pktmbuf_free(m);
		stack_count(&s->stats.no_mbuf, 1);
		return;
	}
	if (version == GROUP_V3)
		bytes = (uint16_t)(put_report3(at, l->family, what, groups, n) - at);
	else
		bytes = (uint16_t)(put_report2(at, version, what, groups) - at);
	rte_pktmbuf_trim(m, (uint16_t)(m->pkt_len - bytes));
	/* Also from a link-local address if it goes to a group of another scope (RFC 2710 section
	 * 3). */
	ip_link(s, &all, &(struct weir_link){.iface = l->iface}, &link);
	link.from.family =
		l->family; /* none yet: 0.0.0.0 (RFC 3376 section 4.2.13), :: (RFC 3590) */
	if (l->family == 6)
		sum = weir_csum_pseudo6(link.from.bytes, to.bytes, IPPROTO_ICMPV6, bytes);
	made = weir_csum_finish(weir_csum_add(sum, weir_csum_sum(at, bytes)));
	memcpy(at + 2, &made, sizeof(made));
	stack_count(&s->stats.group_reports, 1);
	ip_send_alert(s, m, &link.from, &to, l->iface);
}

void group_report(struct weir_stack *s, const struct group_link *l, uint8_t version,
		  enum group_record what, const struct weir_addr *groups, unsigned n)
{
	const unsigned step = version == GROUP_V3 ? n : 1;

	if (version == GROUP_V1 && what == GROUP_LEFT)
		return; /* RFC 1112: who leaves is silent */
	for (unsigned i = 0; i < n; i += step)
		report_some(s, l, version, what, &groups[i], step);
}
