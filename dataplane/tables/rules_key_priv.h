/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What rte_acl reads of a packet, by family. */

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <rte_branch_prediction.h>
#include <stddef.h>
#include <string.h>
#include <weir/rules.h>

/*
 * What rte_acl reads of a packet of IPv4: a byte, then words of four bytes, in network order. It
 * begins as a header without options and TCP behind it do, so that of a packet which is all that
 * can be read where it lies, if the rules need nothing of what is behind.
 */
struct rules_key4 {
	uint8_t version; /* read with the three bytes behind it */
	uint8_t tos;
	uint8_t unused[7];
	uint8_t proto;
	uint16_t csum; /* read with the byte before */
	uint32_t src_be;
	uint32_t dst_be;
	uint16_t first_be;  /* source port; type of ICMP */
	uint16_t second_be; /* destination port; code of ICMP */
	uint32_t unused_too[2];
	uint8_t data_off; /* read with the three bytes behind it */
	uint8_t tcp_flags;
	uint16_t window;
	uint16_t class_be; /* of the context: what the entry asks of the address lists */
	uint16_t vlan_be;
	uint16_t app_be;
	uint16_t unused_end; /* read with the two bytes before */
};
static_assert(offsetof(struct rules_key4, proto) == 9 &&
		      offsetof(struct rules_key4, src_be) == 12 &&
		      offsetof(struct rules_key4, first_be) == 20 &&
		      offsetof(struct rules_key4, tcp_flags) == 33 &&
		      offsetof(struct rules_key4, class_be) == 36,
	      "RFC 791 and RFC 9293");

/* The same of IPv6. */
struct rules_key6 {
	uint8_t proto;
	uint8_t unused[3]; /* read with the byte before */
	uint16_t class_be; /* of the context: what the entry asks of the address lists */
	uint16_t vlan_be;
	uint32_t src_be[4];
	uint32_t dst_be[4];
	uint16_t first_be;  /* source port; type of ICMP */
	uint16_t second_be; /* destination port; code of ICMP */
	uint8_t tcp_flags;
	uint8_t dscp;
	uint16_t app_be;
};

union rules_key {
	struct rules_key4 four;
	struct rules_key6 six;
};

/*
 * What stands for the protocol of a later fragment if others of it have ports, a type or flags: no
 * packet has it (IANA: reserved). The protocol is then where others have their source port, so that
 * rules which look at those cannot match.
 */
#define RULES_HEADLESS IPPROTO_RAW

/* Whether packets of a protocol have what rules can look at behind the IP header. */
static inline bool rules_has_header(uint8_t proto, uint8_t family)
{
	return weir_proto_has_ports(proto) ||
	       proto == (family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

/* The protocol, and ports, or what the ICMP of this number has in their place. */
static inline void rules_key_ports(const struct weir_rule_ask *a, uint8_t icmp, uint8_t *proto,
				   uint16_t *first_be, uint16_t *second_be)
{
	const bool is_icmp = a->tuple.proto == icmp;

	*proto = a->tuple.proto;
	if (unlikely((a->later && rules_has_header(*proto, a->tuple.family)) ||
		     *proto == RULES_HEADLESS)) {
		*first_be = htons(*proto);
		*second_be = 0;
		*proto = RULES_HEADLESS;
		return;
	}
	*first_be = is_icmp ? htons(a->icmp_type) : a->tuple.sport;
	*second_be = is_icmp ? htons(a->icmp_code) : a->tuple.dport;
}

static inline void rules_key4_make(struct rules_key4 *k, const struct weir_rule_ask *a)
{
	k->tos = (uint8_t)(a->dscp << 2);
	memcpy(&k->src_be, a->tuple.src, sizeof(k->src_be));
	memcpy(&k->dst_be, a->tuple.dst, sizeof(k->dst_be));
	rules_key_ports(a, IPPROTO_ICMP, &k->proto, &k->first_be, &k->second_be);
	k->tcp_flags = a->tcp_flags;
	k->class_be = 0;
	k->vlan_be = htons(a->vlan);
	k->app_be = htons(a->app);
}

static inline void rules_key6_make(struct rules_key6 *k, const struct weir_rule_ask *a)
{
	k->class_be = 0;
	k->vlan_be = htons(a->vlan);
	memcpy(k->src_be, a->tuple.src, sizeof(k->src_be));
	memcpy(k->dst_be, a->tuple.dst, sizeof(k->dst_be));
	rules_key_ports(a, IPPROTO_ICMPV6, &k->proto, &k->first_be, &k->second_be);
	k->tcp_flags = a->tcp_flags;
	k->dscp = a->dscp;
	k->app_be = htons(a->app);
}
