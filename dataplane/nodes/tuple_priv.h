/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* The tuple of a packet. */

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <rte_ip.h>
#include <weir/flow.h>
#include <weir/rules.h>

#include "icmp_priv.h"
#include "packet_priv.h"

/* Whether a flow has ended since 30_conntrack found it: killed with an earlier packet of the burst.
 * Its entry stays as it is until the next pass, for drafts are taken in 30_conntrack alone. */
static inline bool flow_is_over(const struct weir_flow *f)
{
	return f->family == 0;
}

/* Whether a flow begins or ends at our own host: it is neither translated nor inspected. */
static inline bool flow_is_own(const struct weir_flow *f)
{
	return f->zone[WEIR_DIR_ORIG] == WEIR_ZONE_SELF ||
	       f->zone[WEIR_DIR_REPLY] == WEIR_ZONE_SELF;
}

static inline enum weir_verdict say_flow_over(struct rte_mbuf *m)
{
	weir_meta(m)->flow = WEIR_NO_FLOW;
	return weir_say_drop(m, WEIR_DROP_FLOW_INVALID);
}

/* What a packet is to connection tracking. */
enum tuple_kind {
	TUPLE_FLOW,  /* it belongs to a flow, or begins one: the tuple is set */
	TUPLE_SENT,  /* the same, and the kernel sends it */
	TUPLE_ERROR, /* an ICMP error */
	TUPLE_NONE,  /* not to be tracked: ours, to a group, what speaks for a link */
};

/* Queries of ICMP, and the type that both the question and its answer are known by; 0: no query. */
static inline uint8_t icmp_question4(uint8_t type, bool *is_answer)
{
	*is_answer = type == 0 || type == 14 || type == 16 || type == 18;
	switch (type) {
	case 0:
	case 8:
		return 8; /* echo */
	case 13:
	case 14:
		return 13; /* timestamp */
	case 15:
	case 16:
		return 15; /* information */
	case 17:
	case 18:
		return 17; /* address mask */
	default:
		return 0;
	}
}

static inline uint8_t icmp_question6(uint8_t type, bool *is_answer)
{
	*is_answer = type == ICMP6_ECHO_REPLY;
	return type == ICMP6_ECHO_REQUEST || type == ICMP6_ECHO_REPLY ? ICMP6_ECHO_REQUEST : 0;
}

static inline bool is_icmp_error4(uint8_t type)
{
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/* RFC 4443 section 2.1. */
static inline bool is_icmp_error6(uint8_t type)
{
	return type < 128;
}

/* A tuple in five words; nothing of what was there stays. */
static inline void tuple_set4(struct weir_tuple *t, const struct rte_ipv4_hdr *ip, uint8_t proto)
{
	*t = (struct weir_tuple){.proto = proto, .family = 4};
	memcpy(t->src, &ip->src_addr, 4);
	memcpy(t->dst, &ip->dst_addr, 4);
}

static inline void tuple_set6(struct weir_tuple *t, const struct rte_ipv6_hdr *ip, uint8_t proto)
{
	memcpy(t->src, ip6_src(ip), 32); /* both addresses */
	t->sport = 0;
	t->dport = 0;
	t->proto = proto;
	t->family = 6;
	t->vrf = 0;
}
static_assert(offsetof(struct weir_tuple, dst) == 16, "both addresses are copied at once");

/* Ports, or what stands for them. False: this type of ICMP is no query. */
static inline bool tuple_ports(struct weir_tuple *t, const void *l4_header)
{
	const struct icmp_head *icmp = l4_header;
	bool answer = false;
	uint8_t question;
	uint16_t ident;

	if (weir_proto_has_ports(t->proto)) {
		memcpy(&t->sport, l4_header, 4);
		return true;
	}
	if (t->family == 4 && t->proto == IPPROTO_ICMP)
		question = icmp_question4(icmp->type, &answer);
	else if (t->family == 6 && t->proto == IPPROTO_ICMPV6)
		question = icmp_question6(icmp->type, &answer);
	else
		return true;
	memcpy(&ident, &icmp->rest_be, sizeof(ident));
	t->sport = answer ? rte_cpu_to_be_16(question) : ident;
	t->dport = answer ? ident : rte_cpu_to_be_16(question);
	return question != 0;
}

static __rte_noinline enum tuple_kind tuple_of_odd(struct rte_mbuf *m, struct weir_tuple *t)
{
	const struct weir_meta *meta = weir_meta(m);
	const bool v4 = meta->flags & WEIR_META_IP4;
	const bool icmp = meta->proto == (v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	const bool sent = meta->flags & WEIR_META_KERNEL;

	if (meta->flags & (sent ? WEIR_META_L2_GROUP | WEIR_META_FRAG_LATER
				: WEIR_META_L2_GROUP | WEIR_META_FRAG | WEIR_META_OURS))
		return TUPLE_NONE;
	if (!(meta->flags & (WEIR_META_IP4 | WEIR_META_IP6)))
		return TUPLE_NONE;
	if (icmp && !(meta->flags & WEIR_META_L4))
		return TUPLE_NONE;
	if (icmp) {
		const uint8_t type = ((const struct icmp_head *)l4(m))->type;

		if (v4 ? is_icmp_error4(type) : is_icmp_error6(type))
			return sent ? TUPLE_NONE : TUPLE_ERROR;
	}
	if (v4)
		tuple_set4(t, ip4(m), meta->proto);
	else
		tuple_set6(t, ip6(m), meta->proto);
	/* Without a header of ours the addresses and the protocol are all there is. */
	if ((meta->flags & WEIR_META_L4) && !tuple_ports(t, l4(m)))
		return TUPLE_NONE;
	return sent ? TUPLE_SENT : TUPLE_FLOW;
}

/* TCP and UDP from one host to one host are most of it. */
static inline enum tuple_kind tuple_of(struct rte_mbuf *m, struct weir_tuple *t)
{
	const struct weir_meta *meta = weir_meta(m);
	const uint32_t plain = WEIR_META_L4 | WEIR_META_OURS | WEIR_META_L2_GROUP | WEIR_META_FRAG;

	if (unlikely((meta->flags & plain) != WEIR_META_L4 ||
		     (meta->proto != IPPROTO_TCP && meta->proto != IPPROTO_UDP)))
		return tuple_of_odd(m, t);
	if (likely(meta->flags & WEIR_META_IP4))
		tuple_set4(t, ip4(m), meta->proto);
	else
		tuple_set6(t, ip6(m), meta->proto);
	memcpy(&t->sport, l4(m), 4);
	return TUPLE_FLOW;
}
