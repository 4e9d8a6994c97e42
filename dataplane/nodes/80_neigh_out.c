/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 80_neigh_out: the next hop's MAC address.
 *
 * Takes:  OUT: IP packets with meta.hop, a hop that leads out (GATEWAY, LINK, BROADCAST).
 * Says:   TX with the Ethernet header and tags written and meta.port_out; HELD while the neighbour
 *         is asked for; DROP if the table or the queue is full, or the hop leads nowhere.
 * Holds:  nothing itself; packets that wait are the neighbour table's.
 *
 * A gateway's entry is remembered by the number of its hop, a destination's by its address, so that
 * neither costs a keyed hash; the others are looked up in bulk. There is no REJECT: an unanswered
 * request is known only seconds later, and then what waited is dropped as NEIGH_FAILED.
 */

#include <rte_branch_prediction.h>
#include <weir/gen.h>
#include <weir/l3.h>
#include <weir/nodes.h>
#include <weir/shard.h>
#include <weir/vlan.h>

#include "neigh_priv.h"
#include "packet_priv.h"

/* Write the header of a group and send (RFC 1112 section 6.4, RFC 2464 section 7). */
static enum weir_verdict send_to_group(struct rte_mbuf *m, const struct weir_l3 *l3, uint16_t iface,
				       const uint8_t mac[6])
{
	struct weir_meta *meta = weir_meta(m);
	struct weir_l2 l2;

	weir_l2_make(&l2, mac, l3->ifaces[iface].mac, l3->ifaces[iface].vlan);
	if (!weir_l2_put(m, &l2, weir_l2_type(m)))
		return weir_say_drop(m, WEIR_DROP_HEADROOM);
	meta->port_out = l3->ifaces[iface].port;
	meta->iface_out = iface;
	return WEIR_TX;
}

/* Whether the destination is a group, and its MAC address. */
static bool group_mac(struct rte_mbuf *m, uint8_t mac[6])
{
	const uint8_t *dst;

	if (weir_meta(m)->flags & WEIR_META_IP6) {
		dst = ip6_dst(ip6(m));
		if (dst[0] != 0xff)
			return false;
		mac[0] = 0x33;
		mac[1] = 0x33;
		memcpy(mac + 2, dst + 12, 4);
		return true;
	}
	dst = (const uint8_t *)&ip4(m)->dst_addr;
	if (ip4(m)->dst_addr == UINT32_MAX) {
		memset(mac, 0xff, 6);
		return true;
	}
	if (dst[0] >> 4 != 0xe)
		return false;
	memcpy(mac, (const uint8_t[]){0x01, 0x00, 0x5e, dst[1] & 0x7f, dst[2], dst[3]}, 6);
	return true;
}

/* The destination itself as a neighbour. */
static inline struct neigh_key key_of_destination(struct rte_mbuf *m, uint16_t iface)
{
	if (weir_meta(m)->flags & WEIR_META_IP6)
		return neigh_key6(iface, ip6_dst(ip6(m)));
	return neigh_key4(iface, ip4(m)->dst_addr);
}

static inline enum weir_verdict send_to(struct rte_mbuf *m, struct neigh *e)
{
	struct weir_meta *meta = weir_meta(m);

	if (!e->used)
		e->used = true;
	meta->port_out = e->port;
	meta->iface_out = neigh_key_iface(&e->key);
	if (unlikely(!weir_l2_put(m, &e->l2, weir_l2_type(m))))
		return weir_say_drop(m, WEIR_DROP_HEADROOM);
	return WEIR_TX;
}

/* What has no ready neighbour: groups, first packets, hops that lead nowhere. */
static __rte_noinline enum weir_verdict
out_slow(struct weir_neigh_table *t, const struct weir_l3 *l3, struct rte_mbuf *m, uint64_t now_ns)
{
	static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	const uint32_t at = weir_meta(m)->hop;
	const struct weir_hop *hop = at < l3->n_hops ? &l3->hops[at] : &l3->hops[0];
	enum weir_verdict verdict;
	struct neigh_key key;
	struct neigh *e;
	uint8_t mac[6];

	if (!(weir_meta(m)->flags & (WEIR_META_IP4 | WEIR_META_IP6)) || at >= l3->n_hops)
		return weir_say_drop(m, WEIR_DROP_NO_ROUTE);
	if (hop->kind == WEIR_HOP_BROADCAST)
		return send_to_group(m, l3, hop->iface, all);
	if (hop->kind == WEIR_HOP_GATEWAY)
		key = neigh_key(hop->iface, &hop->gateway);
	else if (hop->kind != WEIR_HOP_LINK)
		return weir_say_drop(m, WEIR_DROP_NO_ROUTE);
	else if (group_mac(m, mac))
		return send_to_group(m, l3, hop->iface, mac);
	else
		key = key_of_destination(m, hop->iface);
	e = neigh_want(t, l3, &key, now_ns);
	if (e == NULL)
		return weir_say_drop(m, WEIR_DROP_NEIGH_FULL);
	if (hop->kind == WEIR_HOP_GATEWAY)
		t->by_hop[at] = (struct neigh_slot){(uint32_t)(e - t->entries), e->serial};
	if (!neigh_use(t, l3, e, m, now_ns, &verdict))
		return verdict;
	return send_to(m, e);
}

/* The packets of a burst whose neighbours are found by hash. */
struct links {
	unsigned n;
	uint16_t at[WEIR_PASS_PKTS];
	struct neigh_key key[WEIR_PASS_PKTS];
	uint64_t hash[WEIR_PASS_PKTS];
	struct neigh *to[WEIR_PASS_PKTS];
};

/* The entry of a destination if it was found lately; else it is one of those to look up. */
static inline struct neigh *gather_link(struct weir_neigh_table *t, const struct neigh_key *key,
					uint16_t i, struct links *links)
{
	struct neigh *e = &t->entries[*neigh_recent(t, key)];
	unsigned n;

	if (likely(neigh_key_equal(&e->key, key)))
		return e;
	n = links->n++;
	links->at[n] = i;
	links->key[n] = *key;
	links->hash[n] = neigh_hash(t, key);
	rte_prefetch0(&t->buckets[links->hash[n] & t->bucket_mask]);
	return NULL;
}

/* The remembered entry of a gateway or a destination; NULL: none is remembered. */
static inline struct neigh *gather_one(struct weir_neigh_table *t, const struct weir_l3 *l3,
				       struct rte_mbuf *m, uint16_t i, struct links *links)
{
	const uint32_t at = weir_meta(m)->hop;
	const struct weir_hop *hop = &l3->hops[at];

	if (unlikely(at >= l3->n_hops))
		return NULL;
	if (likely(hop->kind == WEIR_HOP_GATEWAY)) {
		const struct neigh_slot slot = t->by_hop[at];
		struct neigh *e = &t->entries[slot.entry];

		return likely(e->serial == slot.serial) ? e : NULL;
	}
	if (hop->kind == WEIR_HOP_LINK) {
		const struct neigh_key key = key_of_destination(m, hop->iface);

		return gather_link(t, &key, i, links);
	}
	return NULL;
}

static void look_up(struct weir_neigh_table *t, struct links *links, struct neigh **to)
{
	neigh_find_bulk(t, links->key, links->hash, links->to, links->n);
	for (unsigned i = 0; i < links->n; i++) {
		struct neigh *e = links->to[i];

		to[links->at[i]] = e;
		if (e != NULL)
			*neigh_recent(t, &e->key) = (uint32_t)(e - t->entries);
	}
}

static void neigh_out_process(void *self, struct weir_burst *b)
{
	const struct weir_shard *s = self;
	struct weir_neigh_table *t = s->neigh;
	const struct weir_l3 *l3 = b->pass->gen->l3;
	struct neigh *to[WEIR_PASS_PKTS], *gateway = NULL;
	uint32_t gateway_hop = WEIR_NO_HOP;
	struct links links;

	neigh_sync(t, b->pass->gen);
	links.n = 0;
	for (uint16_t i = 0; i < b->n; i++) {
		const uint32_t hop = weir_meta(b->pkt[i])->hop;

		/* Most packets go by the gateway that the one before went by. */
		if (likely(hop == gateway_hop)) {
			to[i] = gateway;
			continue;
		}
		to[i] = gather_one(t, l3, b->pkt[i], i, &links);
		if (to[i] != NULL && l3->hops[hop].kind == WEIR_HOP_GATEWAY) {
			gateway_hop = hop;
			gateway = to[i];
		}
	}
	look_up(t, &links, to);
	for (uint16_t i = 0; i < b->n; i++)
		b->verdict[i] = (uint8_t)(likely(to[i] != NULL && to[i]->ready)
						  ? send_to(b->pkt[i], to[i])
						  : out_slow(t, l3, b->pkt[i], b->pass->now_ns));
}

static int neigh_out_create(struct weir_shard *shard, void **self)
{
	*self = shard;
	return 0;
}

const struct weir_node_ops weir_node_neigh_out = {
	.name = "neigh_out",
	.stage = 80,
	.takes = WEIR_OUT,
	.may = WEIR_MAY(WEIR_TX) | WEIR_MAY(WEIR_DROP) | WEIR_MAY(WEIR_HELD),
	.create = neigh_out_create,
	.process = neigh_out_process,
};
