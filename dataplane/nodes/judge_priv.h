/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What 40_acl and 40_filter show to the rules: zones, ways, what a packet is. And what 30_conntrack
 * asks of ICMP errors, which no rule sees. */

#include <rte_tcp.h>
#include <string.h>
#include <weir/gen.h>
#include <weir/node.h>
#include <weir/policy.h>

#include "packet_priv.h"
#include "tables/bogon_priv.h"
#include "tuple_priv.h"

/* What came by no interface is our own host's. */
static inline uint8_t zone_of(const struct weir_policy *policy, uint16_t iface)
{
	return iface < WEIR_IFACES_MAX ? policy->zone_of[iface] : WEIR_ZONE_SELF;
}

/* Next hops of addresses, in bulk. */
static inline void look_up_hops(const struct weir_l3 *l3, const uint8_t *const *addr,
				const uint8_t *family, uint32_t n, uint64_t *hop)
{
	uint16_t at4[WEIR_PASS_PKTS], at6[WEIR_PASS_PKTS], n4 = 0, n6 = 0;
	uint64_t found[WEIR_PASS_PKTS];
	uint32_t addr4[WEIR_PASS_PKTS];
	uint8_t addr6[WEIR_PASS_PKTS][16];

	for (uint16_t i = 0; i < n; i++) {
		uint32_t be;

		if (family[i] == 4) {
			memcpy(&be, addr[i], sizeof(be));
			addr4[n4] = rte_be_to_cpu_32(be);
			at4[n4++] = i;
		} else {
			memcpy(addr6[n6], addr[i], sizeof(addr6[0]));
			at6[n6++] = i;
		}
	}
	rte_fib_lookup_bulk(l3->fib4, addr4, found, n4);
	for (uint16_t i = 0; i < n4; i++)
		hop[at4[i]] = found[i];
	rte_fib6_lookup_bulk(l3->fib6, (void *)addr6, found, n6);
	for (uint16_t i = 0; i < n6; i++)
		hop[at6[i]] = found[i];
}

/* The interface of a next hop; of a group that of its first member: they are of one zone. */
static inline uint16_t iface_of(const struct weir_l3 *l3, uint64_t hop)
{
	if (l3->hops[hop].kind == WEIR_HOP_GROUP)
		hop = l3->members[hop][0];
	return l3->hops[hop].iface;
}

static inline bool is_forwarding(enum weir_hop_kind kind)
{
	return kind == WEIR_HOP_LINK || kind == WEIR_HOP_GATEWAY || kind == WEIR_HOP_GROUP;
}

/* What is wrong with where a packet goes, without any rule; NEXT: rules decide. */
static inline enum weir_verdict check_way(struct rte_mbuf *m, enum weir_hop_kind kind)
{
	switch (kind) {
	case WEIR_HOP_NONE:
	case WEIR_HOP_UNREACHABLE:
		return weir_say_reject(m, WEIR_DROP_NO_ROUTE);
	case WEIR_HOP_PROHIBIT:
		return weir_say_reject(m, WEIR_DROP_PROHIBITED);
	case WEIR_HOP_BLACKHOLE:
		return weir_say_drop(m, WEIR_DROP_BLACKHOLE);
	default:
		return WEIR_NEXT;
	}
}

/* Whether the zone has something against some sources. */
static inline bool asks_sources(const struct weir_policy *policy, uint8_t from)
{
	return from != WEIR_NO_ZONE && (policy->zone[from].antispoof || policy->zone[from].bogons);
}

static inline bool leads_into(const struct weir_policy *policy, const struct weir_l3 *l3,
			      uint64_t hop, uint8_t zone)
{
	return is_forwarding(l3->hops[hop].kind) && zone_of(policy, iface_of(l3, hop)) == zone;
}

/*
 * Strict reverse path, where the zone wants it: the way back to a source must lead into the zone
 * that the packet came from (RFC 3704 section 2.2), or it speaks to us on the link.
 */
static inline bool is_spoofed(const struct weir_policy *policy, const struct weir_l3 *l3,
			      uint8_t from, uint64_t hop)
{
	return policy->zone[from].antispoof && l3->hops[hop].kind != WEIR_HOP_LINK_LOCAL &&
	       !leads_into(policy, l3, hop, from);
}

/*
 * Whether a packet may have its source in its zone. @hop leads back to it. Bogons: what the
 * Internet does not have, unless it is of a network that the zone is connected to, or speaks to us
 * on the link.
 */
static inline enum weir_drop check_source(const struct weir_policy *policy,
					  const struct weir_l3 *l3, const struct weir_rule_ask *ask,
					  uint64_t hop)
{
	const struct weir_zone *zone = &policy->zone[ask->from];
	const enum weir_hop_kind kind = l3->hops[hop].kind;

	if (is_spoofed(policy, l3, ask->from, hop))
		return WEIR_DROP_SPOOFED;
	if (!zone->bogons || (kind == WEIR_HOP_LINK && leads_into(policy, l3, hop, ask->from)) ||
	    (kind == WEIR_HOP_LINK_LOCAL && ask->to == WEIR_ZONE_SELF))
		return WEIR_DROP_NONE;
	return bogon_is(ask->tuple.family, ask->tuple.src) ? WEIR_DROP_BOGON : WEIR_DROP_NONE;
}

/* What the rules are shown of a packet that has no flow; not yet where it goes. */
static inline void ask_of(const struct weir_policy *policy, struct rte_mbuf *m,
			  struct weir_rule_ask *ask)
{
	const struct weir_meta *meta = weir_meta(m);
	const uint8_t *ip = (const uint8_t *)ip4(m);

	*ask = (struct weir_rule_ask){.from = zone_of(policy, meta->iface_in),
				      .vlan = meta->vlan[0],
				      .later = meta->flags & WEIR_META_FRAG_LATER,
				      .app = WEIR_APP_UNKNOWN};
	if (meta->flags & WEIR_META_IP4) {
		ask->dscp = ip[1] >> 2;
		tuple_set4(&ask->tuple, ip4(m), meta->proto);
	} else {
		ask->dscp = (uint8_t)((ip[0] & 0xf) << 2 | ip[1] >> 6);
		tuple_set6(&ask->tuple, ip6(m), meta->proto);
	}
	if (!(meta->flags & WEIR_META_L4))
		return;
	tuple_ports(&ask->tuple, l4(m));
	if (meta->proto == IPPROTO_TCP) {
		ask->tcp_flags = ((const struct rte_tcp_hdr *)l4(m))->tcp_flags;
	} else if (meta->proto != IPPROTO_UDP && meta->proto != IPPROTO_SCTP) {
		const struct icmp_head *icmp = l4(m);

		ask->icmp_type = icmp->type;
		ask->icmp_code = icmp->code;
	}
}
