/* SPDX-License-Identifier: BSD-3-Clause */

/* Frames that ask whether an address is free, or say that it is ours. */

#include "autoconf_priv.h"

#include <netinet/in.h>
#include <rte_arp.h>
#include <rte_ip.h>
#include <string.h>
#include <weir/csum.h>

/* RFC 4861 section 4.3 with the nonce of RFC 3971 section 5.3.2. */
struct solicitation {
	struct rte_ipv6_hdr ip;
	uint8_t type, code;
	uint16_t csum;
	uint32_t reserved;
	uint8_t target[16];
	uint8_t option, option_words;
	struct neigh_nonce nonce;
} __attribute__((packed));
static_assert(sizeof(struct solicitation) == NEIGH_FRAME_BYTES, "as on the wire");

#define TYPE_SOLICIT	    135
#define TYPE_ROUTER_SOLICIT 133
#define OPTION_SOURCE	    1
#define OPTION_NONCE	    14
#define HOP_LIMIT	    255

void frame_solicit(struct neigh_frame *out, const struct weir_addr *target,
		   const struct neigh_nonce *nonce)
{
	const uint8_t *low = target->bytes + 13;
	const uint8_t group[16] = {0xff, 2, [11] = 1, 0xff, low[0], low[1], low[2]};
	struct solicitation s = {
		.ip = {.vtc_flow = RTE_BE32(UINT32_C(6) << 28),
		       .payload_len = RTE_BE16(sizeof(s) - sizeof(s.ip)),
		       .proto = IPPROTO_ICMPV6,
		       .hop_limits = HOP_LIMIT},
		.type = TYPE_SOLICIT,
		.option = OPTION_NONCE,
		.option_words = 1,
		.nonce = *nonce,
	};
	uint32_t sum;

	memcpy(&s.ip.dst_addr, group, sizeof(group));
	memcpy(s.target, target->bytes, sizeof(s.target));
	sum = weir_csum_pseudo6(&s.ip.src_addr, &s.ip.dst_addr, IPPROTO_ICMPV6,
				sizeof(s) - sizeof(s.ip));
	s.csum = weir_csum_finish(
		weir_csum_add(sum, weir_csum_sum(&s.type, sizeof(s) - sizeof(s.ip))));
	*out = (struct neigh_frame){
		.type_be = RTE_BE16(RTE_ETHER_TYPE_IPV6),
		.len_bytes = sizeof(s),
		.to = {{0x33, 0x33, 0xff, low[0], low[1], low[2]}}, /* RFC 2464 section 7 */
	};
	memcpy(out->bytes, &s, sizeof(s));
}

/* RFC 4861 section 4.1. */
struct router_solicitation {
	struct rte_ipv6_hdr ip;
	uint8_t type, code;
	uint16_t csum;
	uint32_t reserved;
	uint8_t option, option_words;
	struct weir_mac mac;
} __attribute__((packed));

void frame_router_solicit(struct neigh_frame *out, const struct weir_addr *from,
			  const struct weir_mac *mac)
{
	const uint16_t bytes = mac == NULL ? 8 : 16;
	struct router_solicitation s = {
		.ip = {.vtc_flow = RTE_BE32(UINT32_C(6) << 28),
		       .payload_len = rte_cpu_to_be_16(bytes),
		       .proto = IPPROTO_ICMPV6,
		       .hop_limits = HOP_LIMIT,
		       .dst_addr = {0xff, 2, [15] = 2}}, /* all routers */
		.type = TYPE_ROUTER_SOLICIT,
		.option = OPTION_SOURCE,
		.option_words = 1,
	};
	uint32_t sum;

	if (from != NULL)
		memcpy(&s.ip.src_addr, from->bytes, sizeof(s.ip.src_addr));
	if (mac != NULL)
		s.mac = *mac;
	sum = weir_csum_pseudo6(&s.ip.src_addr, &s.ip.dst_addr, IPPROTO_ICMPV6, bytes);
	s.csum = weir_csum_finish(weir_csum_add(sum, weir_csum_sum(&s.type, bytes)));
	*out = (struct neigh_frame){
		.type_be = RTE_BE16(RTE_ETHER_TYPE_IPV6),
		.len_bytes = (uint16_t)(sizeof(s.ip) + bytes),
		.to = {{0x33, 0x33, 0, 0, 0, 2}},
	};
	memcpy(out->bytes, &s, out->len_bytes);
}

void frame_arp(struct neigh_frame *out, const struct weir_mac *mac, const struct weir_addr *target,
	       bool announce)
{
	struct rte_arp_hdr arp = {
		.arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER),
		.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = RTE_ETHER_ADDR_LEN,
		.arp_plen = sizeof(arp.arp_data.arp_tip),
		.arp_opcode = RTE_BE16(RTE_ARP_OP_REQUEST),
	};

	memcpy(&arp.arp_data.arp_sha, mac, sizeof(arp.arp_data.arp_sha));
	memcpy(&arp.arp_data.arp_tip, target->bytes, sizeof(arp.arp_data.arp_tip));
	if (announce)
		arp.arp_data.arp_sip = arp.arp_data.arp_tip;
	*out = (struct neigh_frame){.type_be = RTE_BE16(RTE_ETHER_TYPE_ARP),
				    .len_bytes = sizeof(arp)};
	memset(&out->to, 0xff, sizeof(out->to));
	memcpy(out->bytes, &arp, sizeof(arp));
}
