/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Requests for neighbours: ARP (RFC 826) and neighbour solicitation (RFC 4861 section 7.2.2), to
 * all while the MAC address is unknown, to the neighbour itself afterwards.
 */

#include "neigh_priv.h"

#include <rte_arp.h>
#include <rte_ip.h>
#include <string.h>
#include <weir/csum.h>

/* The address to ask from: of the target's subnet, else link-local, else the first. */
static const struct weir_addr *source_for(const struct weir_iface *iface,
					  const struct weir_addr *target)
{
	const struct weir_addr *first = NULL;

	for (unsigned i = 0; i < iface->n_addrs; i++) {
		if (weir_prefix_contains(&iface->addr[i], target))
			return &iface->addr[i].addr;
		if (first == NULL && iface->addr[i].addr.family == target->family)
			first = &iface->addr[i].addr;
	}
	if (target->family == 6 && iface->link_local.family == 6)
		return &iface->link_local;
	return first;
}

static void fill_arp(struct rte_arp_hdr *arp, const struct weir_iface *iface,
		     const struct weir_addr *source, const struct weir_addr *target)
{
	memset(arp, 0, sizeof(*arp));
	arp->arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER);
	arp->arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	arp->arp_hlen = RTE_ETHER_ADDR_LEN;
	arp->arp_plen = sizeof(arp->arp_data.arp_tip);
	arp->arp_opcode = RTE_BE16(RTE_ARP_OP_REQUEST);
	memcpy(&arp->arp_data.arp_sha, iface->mac, RTE_ETHER_ADDR_LEN);
	memcpy(&arp->arp_data.arp_sip, source->bytes, sizeof(arp->arp_data.arp_sip));
	memcpy(&arp->arp_data.arp_tip, target->bytes, sizeof(arp->arp_data.arp_tip));
}

struct solicitation {
	struct rte_ipv6_hdr ip;
	struct nd_msg nd;
};
static_assert(sizeof(struct solicitation) == 72, "as on the wire");

static void fill_solicitation(struct solicitation *s, const struct weir_iface *iface,
			      const struct weir_addr *source, const struct weir_addr *target,
			      bool unicast)
{
	uint8_t *dst = (uint8_t *)&s->ip.dst_addr;
	uint32_t sum;

	memset(s, 0, sizeof(*s));
	s->ip.vtc_flow = RTE_BE32(UINT32_C(6) << 28);
	s->ip.payload_len = RTE_BE16(sizeof(s->nd));
	s->ip.proto = IPPROTO_ICMPV6;
	s->ip.hop_limits = ND_HOP_LIMIT;
	memcpy(&s->ip.src_addr, source->bytes, 16);
	memcpy(dst, target->bytes, 16);
	if (!unicast) { /* the solicited-node group (RFC 4291 section 2.7.1) */
		static const uint8_t group[13] = {0xff, 2, [11] = 1, 0xff};

		memcpy(dst, group, sizeof(group));
	}
	s->nd.type = ND_SOLICIT;
	memcpy(s->nd.target, target->bytes, 16);
	s->nd.option = ND_OPTION_SOURCE;
	s->nd.option_words = 1;
	memcpy(s->nd.mac, iface->mac, RTE_ETHER_ADDR_LEN);
	sum = weir_csum_pseudo6(&s->ip.src_addr, dst, IPPROTO_ICMPV6, sizeof(s->nd));
	s->nd.csum = weir_csum_finish(weir_csum_add(sum, weir_csum_sum(&s->nd, sizeof(s->nd))));
}

/* The MAC address to ask at: its own, all, or the group's (RFC 2464 section 7). */
static void ask_at(const struct neigh *e, const struct weir_addr *target, uint8_t mac[6])
{
	const uint8_t group[6] = {
		0x33, 0x33, 0xff, target->bytes[13], target->bytes[14], target->bytes[15]};

	if (e->l2.len_bytes != 0)
		memcpy(mac, e->l2.bytes, RTE_ETHER_ADDR_LEN);
	else if (target->family == 4)
		memset(mac, 0xff, RTE_ETHER_ADDR_LEN);
	else
		memcpy(mac, group, sizeof(group));
}

void neigh_ask(struct weir_neigh_table *t, const struct weir_l3 *l3, const struct neigh *e)
{
	const uint16_t at = neigh_key_iface(&e->key);
	const struct weir_iface *iface = &l3->ifaces[at];
	const struct weir_addr target = neigh_key_addr(&e->key);
	const struct weir_addr *source = source_for(iface, &target);
	const bool v4 = target.family == 4;
	struct weir_l2 l2;
	struct rte_mbuf *m;
	uint8_t mac[6];
	void *body;

	if (source == NULL) /* without an address there is nothing to be answered */
		return;
	m = weir_shard_alloc(t->shard);
	if (m == NULL)
		return;
	body = rte_pktmbuf_append(m, v4 ? sizeof(struct rte_arp_hdr) : sizeof(struct solicitation));
	if (body == NULL) {
		weir_drop(t->shard, m, WEIR_DROP_NO_MBUF);
		return;
	}
	if (v4)
		fill_arp(body, iface, source, &target);
	else
		fill_solicitation(body, iface, source, &target, e->l2.len_bytes != 0);
	ask_at(e, &target, mac);
	weir_l2_make(&l2, mac, iface->mac, iface->vlan);
	weir_meta(m)->l3_off = 0;
	if (!weir_l2_put(m, &l2,
			 v4 ? RTE_BE16(RTE_ETHER_TYPE_ARP) : RTE_BE16(RTE_ETHER_TYPE_IPV6))) {
		weir_drop(t->shard, m, WEIR_DROP_HEADROOM);
		return;
	}
	weir_meta(m)->port_out = iface->port;
	weir_meta(m)->iface_out = at;
	weir_count(&t->shard->counters.neigh_requests, 1);
	weir_origin_push(t->shard->origin, m, WEIR_TX);
}
