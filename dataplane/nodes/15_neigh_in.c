/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 15_neigh_in: who is where, as neighbours tell it (ARP: RFC 826, 5227; ND: RFC 4861).
 *
 * Takes:  what 10_parse passed on.
 * Says:   NEXT for all but ARP and neighbour discovery; TX for a question about an address of ours,
 *         rewritten into the answer; PUNT for answers to us on interfaces that the kernel shares;
 *         DROP for what is malformed, impossible or used up.
 * Holds:  nothing; what it learns goes to the worker's neighbour table and, as a copy of the
 *         packet, to the other workers; who else has or wants an address of ours is told to the
 *         control thread (RFC 4862 section 5.4, RFC 5227).
 */

#include <rte_arp.h>
#include <rte_branch_prediction.h>
#include <weir/csum.h>
#include <weir/gen.h>
#include <weir/l3.h>
#include <weir/nodes.h>
#include <weir/shard.h>
#include <weir/vlan.h>

#include "handoff_priv.h"
#include "neigh_notice_priv.h"
#include "neigh_priv.h"
#include "packet_priv.h"

/* A message about neighbours, and where it came in. */
struct heard {
	struct weir_shard *shard;
	const struct weir_l3 *l3;
	const struct weir_iface *iface;
	uint16_t at; /* the interface's number */
	uint64_t now_ns;
};

/* Learn, here and in the other workers. */
static void learn(const struct heard *h, struct rte_mbuf *m, const struct neigh_news *news)
{
	neigh_learn(h->shard->neigh, h->l3, news, h->now_ns);
	if (h->shard->handoff != NULL && !(weir_meta(m)->flags & WEIR_META_LEARN))
		handoff_copy(h->shard->handoff, m, h->now_ns);
}

/* Whether an address is of a subnet of the interface. */
static bool on_link(const struct weir_iface *iface, const struct neigh_key *key)
{
	const struct weir_addr addr = neigh_key_addr(key);

	if (addr.family == 6 && addr.bytes[0] == 0xfe && addr.bytes[1] >> 6 == 2)
		return true;
	for (unsigned i = 0; i < iface->n_addrs; i++)
		if (weir_prefix_contains(&iface->addr[i], &addr))
			return true;
	for (unsigned i = 0; i < iface->n_onlink; i++)
		if (weir_prefix_contains(&iface->onlink[i], &addr))
			return true;
	return false;
}

/* How an address of the interface is marked: enum weir_addr_flag; 0 also for others'. */
static uint8_t flags_of(const struct weir_iface *iface, const struct neigh_key *key)
{
	const struct weir_addr addr = neigh_key_addr(key);

	for (unsigned i = 0; i < iface->n_addrs; i++)
		if (weir_addr_equal(&iface->addr[i].addr, &addr))
			return iface->addr_flags[i];
	return weir_addr_equal(&iface->link_local, &addr) ? iface->link_local_flags : 0;
}

static bool is_optimistic(const struct weir_iface *iface, const struct neigh_key *key)
{
	return flags_of(iface, key) & WEIR_ADDR_OPTIMISTIC;
}

static bool is_tentative(const struct weir_iface *iface, const struct neigh_key *key)
{
	const struct weir_addr addr = neigh_key_addr(key);

	for (unsigned i = 0; i < iface->n_tentative; i++)
		if (weir_addr_equal(&iface->tentative[i], &addr))
			return true;
	return false;
}

/* Whether nobody has yet had the time to object to our having it. */
static bool is_probed(const struct weir_iface *iface, const struct neigh_key *key)
{
	return is_tentative(iface, key) || is_optimistic(iface, key);
}

/* Tell the control thread who else has or wants an address. */
static void notify(const struct heard *h, struct rte_mbuf *m, const struct neigh_key *key,
		   struct neigh_notice n)
{
	if (!h->iface->watched || (weir_meta(m)->flags & WEIR_META_LEARN))
		return;
	n.iface = h->at;
	n.addr = neigh_key_addr(key);
	neigh_notify(h->shard->neigh, &n);
}

static struct weir_mac mac_of(const void *bytes)
{
	struct weir_mac mac;

	memcpy(mac.bytes, bytes, sizeof(mac.bytes));
	return mac;
}

/* An answer may be to what another worker asked: all enter it, or each would have to ask. */
static bool shared(const struct heard *h)
{
	return h->shard->handoff != NULL;
}

/* Used up, unless the kernel, which asked too, waits for this answer. */
static enum weir_verdict done(const struct heard *h, struct rte_mbuf *m, bool answer_to_us)
{
	if (answer_to_us && h->iface->kernel && !(weir_meta(m)->flags & WEIR_META_LEARN))
		return WEIR_PUNT;
	return weir_say_drop(m, WEIR_DROP_NEIGH_DONE);
}

/* Send it back to a MAC address through the interface where it came in. */
static enum weir_verdict send_back(const struct heard *h, struct rte_mbuf *m, const uint8_t mac[6],
				   uint16_t type_be)
{
	struct weir_meta *meta = weir_meta(m);
	struct weir_l2 l2;

	weir_l2_make(&l2, mac, h->iface->mac, h->iface->vlan);
	if (!weir_l2_put(m, &l2, type_be))
		return weir_say_drop(m, WEIR_DROP_HEADROOM);
	meta->port_out = h->iface->port;
	meta->iface_out = h->at;
	return WEIR_TX;
}

static bool arp_good(const struct rte_arp_hdr *arp, const struct weir_iface *iface)
{
	const uint8_t *sip = (const uint8_t *)&arp->arp_data.arp_sip;
	const uint8_t *sha = (const uint8_t *)&arp->arp_data.arp_sha;

	if (arp->arp_hardware != RTE_BE16(RTE_ARP_HRD_ETHER) ||
	    arp->arp_protocol != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
	    arp->arp_hlen != RTE_ETHER_ADDR_LEN || arp->arp_plen != sizeof(uint32_t))
		return false;
	if (arp->arp_opcode != RTE_BE16(RTE_ARP_OP_REQUEST) &&
	    arp->arp_opcode != RTE_BE16(RTE_ARP_OP_REPLY))
		return false;
	if (!neigh_mac_good(sha) || memcmp(sha, iface->mac, RTE_ETHER_ADDR_LEN) == 0)
		return false;
	/* 0 asks whether an address is taken (RFC 5227); no group and no loopback can ask. */
	return arp->arp_data.arp_sip == 0 || (sip[0] != 0 && sip[0] != 127 && sip[0] < 224);
}

/* The question becomes the answer. */
static enum weir_verdict arp_answer(const struct heard *h, struct rte_mbuf *m,
				    struct rte_arp_hdr *arp)
{
	const uint32_t ours_be = arp->arp_data.arp_tip;
	uint8_t asker[RTE_ETHER_ADDR_LEN];

	memcpy(asker, &arp->arp_data.arp_sha, sizeof(asker));
	arp->arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY);
	memcpy(&arp->arp_data.arp_tha, asker, sizeof(asker));
	arp->arp_data.arp_tip = arp->arp_data.arp_sip;
	memcpy(&arp->arp_data.arp_sha, h->iface->mac, RTE_ETHER_ADDR_LEN);
	arp->arp_data.arp_sip = ours_be;
	return send_back(h, m, asker, RTE_BE16(RTE_ETHER_TYPE_ARP));
}

/* RFC 5227 sections 2.1.1 and 2.4: somebody has an address of ours, or asks for one as we do. */
static void arp_conflict(const struct heard *h, struct rte_mbuf *m, const struct rte_arp_hdr *arp,
			 const struct neigh_key *sender, const struct neigh_key *target)
{
	const struct weir_mac mac = mac_of(&arp->arp_data.arp_sha);

	if (neigh_is_ours(h->iface, sender) || is_tentative(h->iface, sender))
		notify(h, m, sender, (struct neigh_notice){.kind = NEIGH_NOTICE_CLAIM, .mac = mac});
	else if (arp->arp_data.arp_sip == 0 && is_probed(h->iface, target))
		notify(h, m, target, (struct neigh_notice){.kind = NEIGH_NOTICE_PROBE, .mac = mac});
}

static enum weir_verdict arp_in(const struct heard *h, struct rte_mbuf *m)
{
	const struct weir_meta *meta = weir_meta(m);
	struct rte_arp_hdr *arp;
	struct neigh_key sender, target;
	bool request, for_us;

	if (!packet_pull(m, meta->l3_off + sizeof(*arp)))
		return weir_say_drop(m, WEIR_DROP_ARP_BAD);
	arp = rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, meta->l3_off);
	sender = neigh_key4(h->at, arp->arp_data.arp_sip);
	target = neigh_key4(h->at, arp->arp_data.arp_tip);
	if (!arp_good(arp, h->iface))
		return weir_say_drop(m, WEIR_DROP_ARP_BAD);
	arp_conflict(h, m, arp, &sender, &target);
	if (neigh_is_ours(h->iface, &sender))
		return weir_say_drop(m, WEIR_DROP_ARP_BAD);
	request = arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST);
	for_us = neigh_is_ours(h->iface, &target);
	if (arp->arp_data.arp_sip != 0)
		learn(h, m,
		      &(struct neigh_news){.key = sender,
					   .mac = (const uint8_t *)&arp->arp_data.arp_sha,
					   .override = true,
					   .solicited = !request && for_us &&
							!(meta->flags & WEIR_META_L2_GROUP),
					   .invited = for_us && (request || shared(h)) &&
						      on_link(h->iface, &sender)});
	if (arp->arp_data.arp_sip == 0 && is_optimistic(h->iface, &target))
		return done(h, m, false); /* both want it: neither answers */
	if (request && for_us && !(meta->flags & WEIR_META_LEARN))
		return arp_answer(h, m, arp);
	return done(h, m, !request && for_us);
}

/* The link-layer address option of a kind in *mac. False: an option lies about its length. */
static bool nd_option(const uint8_t *at, uint32_t bytes, uint8_t kind, const uint8_t **mac)
{
	*mac = NULL;
	while (bytes > 0) {
		const uint32_t option_bytes = bytes < 2 ? 0 : at[1] * 8u;

		if (option_bytes == 0 || option_bytes > bytes)
			return false;
		if (at[0] == kind) {
			if (option_bytes != 8 || !neigh_mac_good(at + 2))
				return false;
			*mac = at + 2;
		}
		at += option_bytes;
		bytes -= option_bytes;
	}
	return true;
}

/* The nonce of a solicitation whose options are good (RFC 7527). False: it has none. */
static bool nd_nonce(const uint8_t *at, uint32_t bytes, struct neigh_nonce *out)
{
	while (bytes > 0) {
		const uint32_t option_bytes = at[1] * 8u;

		if (at[0] == ND_OPTION_NONCE && option_bytes == 2 + sizeof(*out)) {
			memcpy(out, at + 2, sizeof(*out));
			return true;
		}
		at += option_bytes;
		bytes -= option_bytes;
	}
	return false;
}

/* The checks that all messages share (RFC 4861 section 7.1, RFC 6980). All of it is pulled. */
static bool nd_good(struct rte_mbuf *m, uint32_t least_bytes)
{
	const uint32_t bytes = l4_there(m);
	const struct rte_ipv6_hdr *ip = ip6(m);
	const struct nd_msg *nd;
	uint32_t sum;

	if ((weir_meta(m)->flags & WEIR_META_FRAG) || ip->hop_limits != ND_HOP_LIMIT ||
	    bytes < least_bytes || !packet_pull(m, m->pkt_len))
		return false;
	nd = l4(m);
	sum = weir_csum_pseudo6(&ip->src_addr, &ip->dst_addr, IPPROTO_ICMPV6, bytes);
	if (weir_csum_finish(weir_csum_add(sum, weir_csum_sum(nd, bytes))) != 0)
		return false;
	return nd->code == 0;
}

static bool is_unspecified(const uint8_t addr[16])
{
	static const uint8_t none[16];

	return memcmp(addr, none, sizeof(none)) == 0;
}

static bool is_solicited_node(const uint8_t addr[16])
{
	static const uint8_t group[13] = {0xff, 2, [11] = 1, 0xff};

	return memcmp(addr, group, sizeof(group)) == 0;
}

/*
 * The solicitation becomes the advertisement (RFC 4861 section 7.2.4). We do forward: a router, but
 * where we listen to routers ourselves.
 */
static enum weir_verdict nd_answer(const struct heard *h, struct rte_mbuf *m)
{
	static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
	static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	struct weir_meta *meta = weir_meta(m);
	const uint32_t packet_bytes =
		meta->l3_off + sizeof(struct rte_ipv6_hdr) + sizeof(struct nd_msg);
	struct rte_ipv6_hdr *ip = ip6(m);
	struct nd_msg *nd = (struct nd_msg *)(ip + 1);
	const bool anonymous = is_unspecified(ip6_src(ip));
	const struct neigh_key target = neigh_key6(h->at, ((const struct nd_msg *)l4(m))->target);
	uint32_t flags = (h->iface->slaac ? 0 : ND_FLAG_ROUTER) |
			 (is_optimistic(h->iface, &target) ? 0 : ND_FLAG_OVERRIDE);
	uint8_t asker[RTE_ETHER_ADDR_LEN];
	uint32_t sum;

	if (m->nb_segs != 1 || packet_bytes > m->data_len + rte_pktmbuf_tailroom(m))
		return weir_say_drop(m, WEIR_DROP_ND_BAD);
	memcpy(asker, anonymous ? all_nodes_mac : (const uint8_t *)&eth_hdr(m)->src_addr,
	       sizeof(asker));
	memcpy(nd->target, target.addr, sizeof(nd->target));
	m->data_len = (uint16_t)packet_bytes;
	m->pkt_len = packet_bytes;
	meta->l4_off = (uint16_t)(meta->l3_off + sizeof(*ip));
	ip->vtc_flow = RTE_BE32(UINT32_C(6) << 28);
	ip->payload_len = RTE_BE16(sizeof(*nd));
	ip->proto = IPPROTO_ICMPV6;
	memcpy(ip6_dst(ip), anonymous ? all_nodes : ip6_src(ip), 16);
	memcpy(ip6_src(ip), nd->target, 16);
	if (!anonymous)
		flags |= ND_FLAG_SOLICITED;
	nd->type = ND_ADVERT;
	nd->code = 0;
	nd->csum = 0;
	nd->flags_be = rte_cpu_to_be_32(flags);
	nd->option = ND_OPTION_TARGET;
	nd->option_words = 1;
	memcpy(nd->mac, h->iface->mac, sizeof(nd->mac));
	sum = weir_csum_pseudo6(&ip->src_addr, &ip->dst_addr, IPPROTO_ICMPV6, sizeof(*nd));
	nd->csum = weir_csum_finish(weir_csum_add(sum, weir_csum_sum(nd, sizeof(*nd))));
	return send_back(h, m, asker, RTE_BE16(RTE_ETHER_TYPE_IPV6));
}

/* RFC 4862 section 5.4.3: somebody else asks for an address that is not quite ours yet. */
static enum weir_verdict probe_in(const struct heard *h, struct rte_mbuf *m,
				  const struct neigh_key *target)
{
	struct neigh_notice n = {.kind = NEIGH_NOTICE_PROBE, .mac = mac_of(&eth_hdr(m)->src_addr)};

	n.has_nonce = nd_nonce((const uint8_t *)l4(m) + ND_BARE_BYTES, l4_there(m) - ND_BARE_BYTES,
			       &n.nonce);
	notify(h, m, target, n);
	return done(h, m, false);
}

/* RFC 4861 sections 7.1.1 and 7.2.3. */
static enum weir_verdict solicitation_in(const struct heard *h, struct rte_mbuf *m)
{
	const struct nd_msg *nd = l4(m);
	const uint8_t *src = ip6_src(ip6(m));
	const struct neigh_key sender = neigh_key6(h->at, src);
	const struct neigh_key target = neigh_key6(h->at, nd->target);
	const bool anonymous = is_unspecified(src);
	const uint8_t *mac;

	if (!nd_option((const uint8_t *)nd + ND_BARE_BYTES, l4_there(m) - ND_BARE_BYTES,
		       ND_OPTION_SOURCE, &mac))
		return weir_say_drop(m, WEIR_DROP_ND_BAD);
	if (anonymous && (mac != NULL || !is_solicited_node(ip6_dst(ip6(m)))))
		return weir_say_drop(m, WEIR_DROP_ND_BAD);
	if (!neigh_mac_good((const uint8_t *)&eth_hdr(m)->src_addr) ||
	    neigh_is_ours(h->iface, &sender))
		return weir_say_drop(m, WEIR_DROP_ND_BAD);
	if (anonymous && is_probed(h->iface, &target))
		return probe_in(h, m, &target);
	if (!neigh_is_ours(h->iface, &target))
		return done(h, m, false);
	if (mac != NULL)
		learn(h, m,
		      &(struct neigh_news){.key = sender,
					   .mac = mac,
					   .override = true,
					   .invited = on_link(h->iface, &sender)});
	if (weir_meta(m)->flags & WEIR_META_LEARN)
		return done(h, m, false);
	return nd_answer(h, m);
}

/* RFC 4861 sections 7.1.2 and 7.2.5. */
static enum weir_verdict advertisement_in(const struct heard *h, struct rte_mbuf *m)
{
	const struct nd_msg *nd = l4(m);
	const struct neigh_key target = neigh_key6(h->at, nd->target);
	const bool to_group = ip6_dst(ip6(m))[0] == 0xff;
	const uint32_t flags = rte_be_to_cpu_32(nd->flags_be);
	const uint8_t *mac;
	bool ours;

	if (!nd_option((const uint8_t *)nd + ND_BARE_BYTES, l4_there(m) - ND_BARE_BYTES,
		       ND_OPTION_TARGET, &mac) ||
	    (to_group && (flags & ND_FLAG_SOLICITED)))
		return weir_say_drop(m, WEIR_DROP_ND_BAD);
	ours = neigh_is_ours(h->iface, &target);
	if (ours || is_tentative(h->iface, &target))
		notify(h, m, &target,
		       (struct neigh_notice){
			       .kind = NEIGH_NOTICE_CLAIM,
			       .mac = mac_of(mac != NULL
						     ? mac
						     : (const uint8_t *)&eth_hdr(m)->src_addr)});
	if (ours)
		return weir_say_drop(m, WEIR_DROP_ND_BAD);
	learn(h, m,
	      &(struct neigh_news){.key = target,
				   .mac = mac,
				   .solicited = flags & ND_FLAG_SOLICITED,
				   .override = flags & ND_FLAG_OVERRIDE,
				   .invited = !to_group && shared(h) &&
					      on_link(h->iface, &target)});
	return done(h, m, !to_group);
}

/*
 * RFC 4861 section 6.1.2, for the control thread. Every worker learns the router's MAC address
 * (section 6.3.4).
 */
static enum weir_verdict router_in(const struct heard *h, struct rte_mbuf *m)
{
	const uint32_t bytes = l4_there(m);
	const uint8_t *at = l4(m);
	const struct neigh_key from = neigh_key6(h->at, ip6_src(ip6(m)));
	struct neigh_advert a = {.iface = h->at, .len_bytes = (uint16_t)bytes};
	const uint8_t *mac;

	if (bytes > sizeof(a.bytes) || ip6_src(ip6(m))[0] != 0xfe ||
	    (ip6_src(ip6(m))[1] & 0xc0) != 0x80 || neigh_is_ours(h->iface, &from) ||
	    !nd_option(at + ND_ROUTER_BYTES, bytes - ND_ROUTER_BYTES, ND_OPTION_SOURCE, &mac))
		return weir_say_drop(m, WEIR_DROP_RA_BAD);
	if (mac != NULL)
		learn(h, m,
		      &(struct neigh_news){
			      .key = from, .mac = mac, .override = true, .invited = true});
	if (weir_meta(m)->flags & WEIR_META_LEARN)
		return done(h, m, false);
	memcpy(a.from, ip6_src(ip6(m)), sizeof(a.from));
	memcpy(a.bytes, at, bytes);
	if (!neigh_advertise(h->shard->neigh, &a))
		return weir_say_drop(m, WEIR_DROP_RA_FULL);
	return done(h, m, true);
}

/* A message of neighbour discovery that is ours to hear. */
static enum weir_verdict nd_in(const struct heard *h, struct rte_mbuf *m, uint8_t type)
{
	if (type == ND_ROUTER_ADVERT)
		return nd_good(m, ND_ROUTER_BYTES) ? router_in(h, m)
						   : weir_say_drop(m, WEIR_DROP_RA_BAD);
	if (!nd_good(m, ND_BARE_BYTES) || ((const struct nd_msg *)l4(m))->target[0] == 0xff)
		return weir_say_drop(m, WEIR_DROP_ND_BAD);
	return type == ND_SOLICIT ? solicitation_in(h, m) : advertisement_in(h, m);
}

static __rte_noinline enum weir_verdict neigh_in_one(struct weir_shard *s, struct rte_mbuf *m,
						     const struct weir_pass *pass)
{
	const struct weir_meta *meta = weir_meta(m);
	const bool arp = !(meta->flags & WEIR_META_IP6);
	struct heard h = {.shard = s, .l3 = pass->gen->l3, .now_ns = pass->now_ns};
	uint8_t type = 0;

	if (!arp) {
		type = *(const uint8_t *)l4(m);
		if (type != ND_SOLICIT && type != ND_ADVERT && type != ND_ROUTER_ADVERT)
			return WEIR_NEXT;
	}
	if (h.l3 == NULL || meta->iface_in >= h.l3->n_ifaces)
		return type == ND_ROUTER_ADVERT ? WEIR_NEXT : WEIR_PUNT;
	h.at = meta->iface_in;
	h.iface = &h.l3->ifaces[h.at];
	if (arp)
		return arp_in(&h, m);
	if (type == ND_ROUTER_ADVERT && !h.iface->slaac)
		return WEIR_NEXT;
	return nd_in(&h, m, type);
}

/* All but ARP (neither IPv4 nor IPv6) and ICMPv6; what we made ourselves tells nothing new. */
static inline bool is_plain(const struct weir_meta *meta)
{
	const uint32_t flags = meta->flags;

	return (flags & (WEIR_META_IP4 | WEIR_META_OURS)) ||
	       ((flags & WEIR_META_IP6) &&
		(meta->proto != IPPROTO_ICMPV6 || !(flags & WEIR_META_L4)));
}

static void neigh_in_process(void *self, struct weir_burst *b)
{
	struct weir_shard *s = self;

	neigh_sync(s->neigh, b->pass->gen);
	for (uint16_t i = 0; i < b->n; i++)
		b->verdict[i] = (uint8_t)(likely(is_plain(weir_meta(b->pkt[i])))
						  ? WEIR_NEXT
						  : neigh_in_one(s, b->pkt[i], b->pass));
}

static int neigh_in_create(struct weir_shard *shard, void **self)
{
	*self = shard;
	return 0;
}

const struct weir_node_ops weir_node_neigh_in = {
	.name = "neigh_in",
	.stage = 15,
	.takes = WEIR_NEXT,
	.may = WEIR_MAY(WEIR_NEXT) | WEIR_MAY(WEIR_TX) | WEIR_MAY(WEIR_PUNT) | WEIR_MAY(WEIR_DROP),
	.create = neigh_in_create,
	.process = neigh_in_process,
};
