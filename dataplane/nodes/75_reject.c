/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 75_reject: tell the sender why its packet goes no further.
 *
 * Takes:  REJECT, with meta.drop saying why (and meta.reject_mtu if it was too long).
 * Says:   DROP of each, so that 99_drop counts it under its reason, whether answered or not. The
 *         answer is a new packet: ICMP (RFC 792, RFC 1812 section 4.3), ICMPv6 (RFC 4443) or a TCP
 *         RST (RFC 9293 section 3.10.7.1).
 * Holds:  nothing. An answer that was due but over the limit is counted as ERROR_LIMIT beside.
 *
 * Nothing is said about what may not be answered (RFC 1122 section 3.2.2, RFC 4443 section 2.4(e)):
 * errors, later fragments, what was sent to a group or from what is no single host, our own. What
 * 50_nat has translated is quoted as it came, and answered where it came from.
 */

#include <weir/nodes.h>

#include <errno.h>
#include <rte_tcp.h>
#include <stdlib.h>
#include <weir/bucket.h>
#include <weir/tracker.h>

#include "icmp_priv.h"
#include "rewrite_priv.h"
#include "synproxy_priv.h"
#include "tcp_answer_priv.h"
#include "tuple_priv.h"

/* Longest error: what every host takes (RFC 1812 section 4.3.2.3, RFC 4443 section 2.4(c)). */
#define ERROR4_BYTES 576
#define ERROR6_BYTES 1280

/* Internetwork control, as RFC 1812 section 4.3.2.5 wants it of errors. */
#define ERROR_TOS 0xc0

#define ICMP4_UNREACHABLE      3
#define ICMP4_TIME_EXCEEDED    11
#define ICMP4_NET	       0
#define ICMP4_HOST	       1
#define ICMP4_PROTOCOL	       2
#define ICMP4_PORT	       3
#define ICMP4_FRAG_NEEDED      4
#define ICMP4_ADMIN_PROHIBITED 13

#define BURSTS_PER_S 20 /* the bucket holds a 20th of a second's errors */

struct reject_node {
	struct weir_shard *shard;
	struct weir_bucket errors;
	struct icmp_idents idents;
};

/* The error that a reason asks for. Type 0 is no error: such a packet is dropped in silence. */
struct answer {
	uint8_t type4, code4, type6, code6;
};

static const struct answer answers[WEIR_DROPS] = {
	[WEIR_DROP_TTL] = {ICMP4_TIME_EXCEEDED, 0, ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_TRANSIT},
	[WEIR_DROP_NO_ROUTE] = {ICMP4_UNREACHABLE, ICMP4_NET, ICMP6_DST_UNREACH,
				ICMP6_DST_UNREACH_NOROUTE},
	[WEIR_DROP_NEIGH_FAILED] = {ICMP4_UNREACHABLE, ICMP4_HOST, ICMP6_DST_UNREACH,
				    ICMP6_DST_UNREACH_ADDR},
	[WEIR_DROP_PROHIBITED] = {ICMP4_UNREACHABLE, ICMP4_ADMIN_PROHIBITED, ICMP6_DST_UNREACH,
				  ICMP6_DST_UNREACH_ADMIN},
	[WEIR_DROP_FRAG_NEEDED] = {ICMP4_UNREACHABLE, ICMP4_FRAG_NEEDED, ICMP6_PACKET_TOO_BIG, 0},
	[WEIR_DROP_RULE_REJECT] = {ICMP4_UNREACHABLE, ICMP4_ADMIN_PROHIBITED, ICMP6_DST_UNREACH,
				   ICMP6_DST_UNREACH_ADMIN},
	[WEIR_DROP_INSPECT_RESET] = {ICMP4_UNREACHABLE, ICMP4_ADMIN_PROHIBITED, ICMP6_DST_UNREACH,
				     ICMP6_DST_UNREACH_ADMIN},
	[WEIR_DROP_NO_SERVICE] = {ICMP4_UNREACHABLE, ICMP4_PORT, ICMP6_DST_UNREACH,
				  ICMP6_DST_UNREACH_NOPORT},
};

/* ICMP that asks or answers (RFC 792, 950, 1256): all other types are, or may be, errors. */
static bool is_informational4(uint8_t type)
{
	return type == 0 || (type >= 8 && type <= 10) || (type >= 13 && type <= 18);
}

/* ICMPv6 informational messages but redirects (RFC 4443 section 2.1, 2.4(e.2)). */
static bool is_informational6(uint8_t type)
{
	return type >= ICMP6_ECHO_REQUEST && type != ND_REDIRECT;
}

/* Whether the packet's own kind forbids an error about it. */
static bool is_answerable(struct rte_mbuf *m)
{
	const struct weir_meta *meta = weir_meta(m);
	const bool v4 = meta->flags & WEIR_META_IP4;
	const struct icmp_head *icmp = l4(m);

	if (meta->flags & (WEIR_META_OURS | WEIR_META_FRAG_LATER | WEIR_META_L2_GROUP))
		return false;
	if (meta->proto != (v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return true;
	/* Nobody misses a service by ICMP (RFC 1122 section 3.2.2, RFC 4443 section 2.4(b)). */
	if (!(meta->flags & WEIR_META_L4) || meta->drop == WEIR_DROP_NO_SERVICE)
		return false;
	return v4 ? is_informational4(icmp->type) : is_informational6(icmp->type);
}

/* Whether it went from one host to one host. */
static bool is_unicast(struct rte_mbuf *m, const struct weir_iface *f)
{
	if (weir_meta(m)->flags & WEIR_META_IP4)
		return icmp_is_host4(f, ip4(m)->src_addr) && icmp_is_host4(f, ip4(m)->dst_addr);
	return icmp_is_host6(ip6_src(ip6(m))) && icmp_is_host6(ip6_dst(ip6(m)));
}

/* One of the errors a second that a worker may send. */
static bool take_token(struct reject_node *n, uint64_t now_ns)
{
	if (likely(weir_bucket_take(&n->errors, 1, now_ns)))
		return true;
	weir_count(&n->shard->counters.drops[WEIR_DROP_ERROR_LIMIT], 1);
	return false;
}

static void send_error(struct reject_node *n, const struct weir_iface *f, struct rte_mbuf *fresh,
		       struct rte_mbuf *m)
{
	weir_count(&n->shard->counters.icmp_errors_sent, 1);
	icmp_send(n->shard, f, fresh, m);
}

/* Copy the packet from its IP header on, as far as it goes. */
static void quote(struct rte_mbuf *m, void *to, uint32_t bytes)
{
	const void *from = rte_pktmbuf_read(m, weir_meta(m)->l3_off, bytes, to);

	if (from != to && from != NULL)
		memcpy(to, from, bytes);
}

/* How many bytes of the packet, from its IP header on, an error can carry. */
static uint16_t quoted_bytes(struct rte_mbuf *m, uint32_t room_bytes)
{
	return (uint16_t)RTE_MIN(m->pkt_len - weir_meta(m)->l3_off, room_bytes);
}

/* From the address that was asked if it is ours, else from one of the interface it came in by. */
static bool source4(struct rte_mbuf *m, const struct weir_iface *f, uint32_t *source_be)
{
	struct weir_addr to = {.family = 4};
	const struct weir_addr *source;

	if (weir_meta(m)->drop == WEIR_DROP_NO_SERVICE) {
		*source_be = ip4(m)->dst_addr;
		return true;
	}
	memcpy(to.bytes, &ip4(m)->src_addr, sizeof(ip4(m)->src_addr));
	source = icmp_source(f, &to);
	if (source == NULL)
		return false;
	*source_be = icmp_addr4_be(source);
	return true;
}

static void error4(struct reject_node *n, struct rte_mbuf *m, const struct weir_iface *f,
		   uint64_t now_ns)
{
	const struct weir_meta *meta = weir_meta(m);
	const struct answer *a = &answers[meta->drop];
	const uint16_t quoted = quoted_bytes(m, ERROR4_BYTES - sizeof(struct rte_ipv4_hdr) -
							sizeof(struct icmp_head));
	const uint16_t icmp_bytes = (uint16_t)(sizeof(struct icmp_head) + quoted);
	const uint16_t ip_bytes = (uint16_t)(sizeof(struct rte_ipv4_hdr) + icmp_bytes);
	struct rte_mbuf *fresh;
	struct rte_ipv4_hdr *ip;
	struct icmp_head *icmp;
	uint32_t source_be;

	if (!source4(m, f, &source_be) || !take_token(n, now_ns))
		return;
	fresh = icmp_frame(n->shard, m, ip_bytes);
	if (fresh == NULL)
		return;
	ip = ip4(fresh);
	icmp_fill_ip4(ip, ERROR_TOS, ip_bytes, IPPROTO_ICMP, source_be, ip4(m)->src_addr);
	ip->packet_id = icmp_ident_be(&n->idents, ip->src_addr, ip->dst_addr);
	ip->hdr_checksum = weir_csum(ip, sizeof(*ip));
	icmp = (struct icmp_head *)(ip + 1);
	*icmp = (struct icmp_head){.type = a->type4, .code = a->code4};
	if (meta->drop == WEIR_DROP_FRAG_NEEDED) /* RFC 1191 section 4 */
		icmp->rest_be = rte_cpu_to_be_32(meta->reject_mtu);
	if (meta->drop == WEIR_DROP_NO_SERVICE && meta->proto != IPPROTO_UDP)
		icmp->code = ICMP4_PROTOCOL;
	quote(m, icmp + 1, quoted);
	icmp->csum = weir_csum(icmp, icmp_bytes);
	send_error(n, f, fresh, m);
}

/*
 * Where the protocol that we do not know is named: the offset of that "next header" field from
 * the IPv6 header (RFC 4443 section 3.4). 10_parse has checked the chain of headers.
 */
static uint32_t next_header_at(struct rte_mbuf *m)
{
	const uint8_t *ip = (const uint8_t *)ip6(m);
	const uint32_t end = (uint32_t)weir_meta(m)->l4_off - weir_meta(m)->l3_off;
	uint32_t at = offsetof(struct rte_ipv6_hdr, proto);
	uint32_t next = sizeof(struct rte_ipv6_hdr);

	while (next + 8 <= end) {
		const uint8_t kind = ip[at];

		at = next;
		if (kind == IPPROTO_FRAGMENT)
			next += 8;
		else
			next += (ip[next + 1] + 1u) * 8;
	}
	return at;
}

static void fill_error6(struct rte_mbuf *m, struct icmp_head *icmp)
{
	const struct weir_meta *meta = weir_meta(m);
	const struct answer *a = &answers[meta->drop];

	*icmp = (struct icmp_head){.type = a->type6, .code = a->code6};
	if (meta->drop == WEIR_DROP_FRAG_NEEDED)
		icmp->rest_be = rte_cpu_to_be_32(meta->reject_mtu);
	if (meta->drop == WEIR_DROP_NO_SERVICE && meta->proto != IPPROTO_UDP) {
		icmp->type = ICMP6_PARAM_PROB;
		icmp->code = ICMP6_PARAMPROB_NEXTHEADER;
		icmp->rest_be = rte_cpu_to_be_32(next_header_at(m));
	}
}

static const void *source6(struct rte_mbuf *m, const struct weir_iface *f)
{
	const struct weir_addr *source;

	if (weir_meta(m)->drop == WEIR_DROP_NO_SERVICE)
		return ip6_dst(ip6(m));
	source = icmp_source6(f, ip6_src(ip6(m)));
	return source == NULL ? NULL : source->bytes;
}

static void error6(struct reject_node *n, struct rte_mbuf *m, const struct weir_iface *f,
		   uint64_t now_ns)
{
	const uint16_t quoted = quoted_bytes(m, ERROR6_BYTES - sizeof(struct rte_ipv6_hdr) -
							sizeof(struct icmp_head));
	const uint16_t icmp_bytes = (uint16_t)(sizeof(struct icmp_head) + quoted);
	const void *source = source6(m, f);
	struct rte_mbuf *fresh;
	struct rte_ipv6_hdr *ip;
	struct icmp_head *icmp;
	uint32_t sum;

	if (source == NULL || !take_token(n, now_ns))
		return;
	fresh = icmp_frame(n->shard, m, (uint16_t)(sizeof(*ip) + icmp_bytes));
	if (fresh == NULL)
		return;
	ip = ip6(fresh);
	icmp_fill_ip6(ip, icmp_bytes, IPPROTO_ICMPV6, source, ip6_src(ip6(m)));
	icmp = (struct icmp_head *)(ip + 1);
	fill_error6(m, icmp);
	quote(m, icmp + 1, quoted);
	sum = weir_csum_pseudo6(ip6_src(ip), ip6_dst(ip), IPPROTO_ICMPV6, icmp_bytes);
	icmp->csum = weir_csum_finish(weir_csum_add(sum, weir_csum_sum(icmp, icmp_bytes)));
	send_error(n, f, fresh, m);
}

/*
 * RFC 9293 section 3.10.7.1: a reset that the sender will believe. False: none is due, for it is
 * a reset itself, or its sequence numbers cannot be known.
 */
static bool fill_rst(struct rte_mbuf *m, struct rte_tcp_hdr *rst)
{
	const struct weir_meta *meta = weir_meta(m);
	const struct rte_tcp_hdr *tcp = l4(m);
	uint32_t seq_len;

	if ((tcp->tcp_flags & RTE_TCP_RST_FLAG) || (meta->flags & WEIR_META_FRAG))
		return false;
	seq_len = l4_there(m) - (tcp->data_off >> 4) * 4u + !!(tcp->tcp_flags & RTE_TCP_SYN_FLAG) +
		  !!(tcp->tcp_flags & RTE_TCP_FIN_FLAG);
	*rst = (struct rte_tcp_hdr){
		.src_port = tcp->dst_port,
		.dst_port = tcp->src_port,
		.data_off = sizeof(*rst) / 4 << 4,
		.tcp_flags = RTE_TCP_RST_FLAG,
	};
	if (tcp->tcp_flags & RTE_TCP_ACK_FLAG) {
		rst->sent_seq = tcp->recv_ack;
	} else {
		rst->recv_ack = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + seq_len);
		rst->tcp_flags |= RTE_TCP_ACK_FLAG;
	}
	return true;
}

static void reset(struct reject_node *n, struct rte_mbuf *m, const struct weir_iface *f,
		  uint64_t now_ns)
{
	struct rte_tcp_hdr rst;

	if (fill_rst(m, &rst) && take_token(n, now_ns) &&
	    tcp_answer(n->shard, f, m, &rst, sizeof(rst)))
		weir_count(&n->shard->counters.icmp_errors_sent, 1);
}

/*
 * Give a packet that 50_nat has translated the addresses back that its sender knows. False: its
 * flow has gone meanwhile, so nobody knows them.
 */
static bool put_back(struct reject_node *n, struct rte_mbuf *m)
{
	const struct weir_flow_table *flows = n->shard->tracker->flows;
	const uint32_t ref = weir_meta(m)->flow;
	const struct weir_flow *flow = weir_flow_at(flows, ref >> 1);
	const int longer_by = sizeof(struct rte_ipv6_hdr) - sizeof(struct rte_ipv4_hdr);
	struct weir_tuple came, left, is;

	weir_flow_tuple(flows, flow, ref & 1, &came);
	weir_flow_leaving(flows, flow, ref & 1, &left);
	if (tuple_of(m, &is) != TUPLE_FLOW || memcmp(&is, &left, sizeof(is)) != 0)
		return false;
	/* What fits the link as the other family fits it with another header (RFC 7915 4.2, 5.2).
	 */
	if (came.family != left.family)
		weir_meta(m)->reject_mtu += came.family == 4 ? -longer_by : longer_by;
	if (flow->flags & WEIR_FLOW_SYNPROXY)
		synproxy_put_back(weir_flow_ext(flows, flow), ref & 1, m);
	return rewrite(&n->idents, m, &came) == WEIR_DROP_NONE;
}

static bool wants_reset(const struct weir_meta *meta)
{
	return meta->proto == IPPROTO_TCP &&
	       (meta->drop == WEIR_DROP_NO_SERVICE || meta->drop == WEIR_DROP_RULE_REJECT ||
		meta->drop == WEIR_DROP_INSPECT_RESET);
}

static void reject_one(struct reject_node *n, struct rte_mbuf *m, const struct weir_pass *pass)
{
	const struct weir_meta *meta = weir_meta(m);
	const struct weir_iface *f = icmp_iface(pass->gen->l3, m);

	if (f == NULL || answers[meta->drop].type4 == 0 || !is_answerable(m))
		return;
	if (unlikely(meta->flags & WEIR_META_REWRITTEN) && !put_back(n, m))
		return;
	if (!is_unicast(m, f))
		return;
	if (wants_reset(meta)) {
		if (meta->flags & WEIR_META_L4)
			reset(n, m, f, pass->now_ns);
	} else if (meta->flags & WEIR_META_IP4) {
		error4(n, m, f, pass->now_ns);
	} else {
		error6(n, m, f, pass->now_ns);
	}
}

static void reject_process(void *self, struct weir_burst *b)
{
	for (uint16_t i = 0; i < b->n; i++) {
		reject_one(self, b->pkt[i], b->pass);
		b->verdict[i] = WEIR_DROP;
	}
}

static int reject_create(struct weir_shard *shard, void **self)
{
	const uint64_t rate = shard->limits.icmp_errors_per_s;
	struct reject_node *n = calloc(1, sizeof(*n));
	int rc;

	if (n == NULL)
		return -ENOMEM;
	n->shard = shard;
	n->idents.key = shard->secret;
	rc = weir_bucket_init(&n->errors, rate, RTE_MAX(rate / BURSTS_PER_S, UINT64_C(1)), 0);
	if (rc < 0) {
		free(n);
		return rc;
	}
	*self = n;
	return 0;
}

const struct weir_node_ops weir_node_reject = {
	.name = "reject",
	.stage = 75,
	.takes = WEIR_REJECT,
	.may = WEIR_MAY(WEIR_DROP),
	.create = reject_create,
	.free = free,
	.process = reject_process,
};
