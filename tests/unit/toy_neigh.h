/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A worker with a neighbour table in virtual time: two interfaces, a few hops, a record of what is
 * sent. Buffers are toys that count as freed when their refcnt has fallen from 2 to 1.
 *
 *	interface 0: port 0, 02:00:00:00:00:01, 192.0.2.1/24, 2001:db8::1/64, fe80::1
 *	interface 1: port 1, VLAN 7, shared with the kernel, 198.51.100.1/24, 2001:db8:1::1/64
 */

#include "test.h"
#include "toy_mbuf.h"

#include <rte_ip.h>
#include <stdlib.h>
#include <weir/clock.h>
#include <weir/csum.h>
#include <weir/gen.h>
#include <weir/nodes.h>
#include <weir/shard.h>

#include "neigh_priv.h"

#define S WEIR_NS_PER_S

#define TOY_TABLE 4
#define TOY_QUEUE 3
#define TOY_SENT  64

enum {
	HOP_NONE,
	HOP_GATEWAY,
	HOP_LINK,
	HOP_ALL,
	HOP_GATEWAY6_VLAN,
	HOP_LINK_VLAN,
	HOP_LOCAL,
	HOPS
};

static const uint8_t toy_mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 3};
static const uint8_t gateway6[16] = {0x20, 1, 0xd, 0xb8, 0, 1, [15] = 0xfe};

static struct weir_iface toy_ifaces[2];
static struct weir_hop toy_hops[HOPS];
static struct weir_l3 toy_l3 = {
	.hops = toy_hops, .n_hops = HOPS, .ifaces = toy_ifaces, .n_ifaces = 2};
static struct weir_gen toy_gen = {.l3 = &toy_l3};
static struct weir_pass toy_pass = {.gen = &toy_gen};
static struct weir_shard toy_shard;
static struct weir_neigh_table *table;
static uint64_t now;

static struct rte_mbuf *sent[TOY_SENT];
static enum weir_verdict sent_by[TOY_SENT];
static unsigned n_sent;
static struct toy_mbuf fresh[TOY_SENT];
static unsigned n_fresh;
static unsigned n_copies;
static bool no_buffers;

void weir_origin_push(struct weir_origin *o, struct rte_mbuf *m, enum weir_verdict verdict)
{
	CU_ASSERT_FATAL(n_sent < TOY_SENT);
	sent_by[n_sent] = verdict;
	sent[n_sent++] = m;
}

struct rte_mbuf *weir_shard_alloc(struct weir_shard *s)
{
	struct rte_mbuf *m;

	CU_ASSERT_FATAL(n_fresh < TOY_SENT);
	if (no_buffers)
		return NULL;
	m = toy_mbuf(&fresh[n_fresh++], NULL, 0);
	weir_meta(m)->flags = WEIR_META_OURS;
	return m;
}

static inline void toy_addr(struct weir_prefix *p, const char *text)
{
	CU_ASSERT_FATAL(weir_prefix_parse(text, strlen(text), p) == 0);
}

static inline uint32_t toy_ip4(unsigned last)
{
	return rte_cpu_to_be_32(UINT32_C(0xc0000200) + last);
}

static inline void toy_world(void)
{
	struct weir_prefix ll;

	memset(&toy_shard, 0, sizeof(toy_shard));
	memset(toy_ifaces, 0, sizeof(toy_ifaces));
	n_sent = n_fresh = n_copies = 0;
	no_buffers = false;
	now = S;
	toy_l3.n_ifaces = 2;
	toy_addr(&ll, "fe80::1/64");
	for (unsigned i = 0; i < 2; i++) {
		memcpy(toy_ifaces[i].mac, toy_mac, 6);
		toy_ifaces[i].port = (uint16_t)i;
		toy_ifaces[i].n_addrs = 2;
		toy_ifaces[i].link_local = ll.addr;
	}
	toy_ifaces[1].vlan[0] = 7;
	toy_ifaces[1].kernel = true;
	toy_addr(&toy_ifaces[0].addr[0], "192.0.2.1/24");
	toy_addr(&toy_ifaces[0].addr[1], "2001:db8::1/64");
	toy_addr(&toy_ifaces[1].addr[0], "198.51.100.1/24");
	toy_addr(&toy_ifaces[1].addr[1], "2001:db8:1::1/64");
	toy_hops[HOP_GATEWAY] = (struct weir_hop){
		.kind = WEIR_HOP_GATEWAY, .gateway = {.family = 4, .bytes = {192, 0, 2, 254}}};
	toy_hops[HOP_LINK] = (struct weir_hop){.kind = WEIR_HOP_LINK};
	toy_hops[HOP_ALL] = (struct weir_hop){.kind = WEIR_HOP_BROADCAST};
	toy_hops[HOP_GATEWAY6_VLAN] =
		(struct weir_hop){.kind = WEIR_HOP_GATEWAY, .iface = 1, .gateway.family = 6};
	memcpy(toy_hops[HOP_GATEWAY6_VLAN].gateway.bytes, gateway6, 16);
	toy_hops[HOP_LINK_VLAN] = (struct weir_hop){.kind = WEIR_HOP_LINK, .iface = 1};
	toy_hops[HOP_LOCAL] = (struct weir_hop){.kind = WEIR_HOP_LOCAL};
	toy_shard.limits = WEIR_LIMITS_DEFAULT;
	toy_shard.limits.neighbours = TOY_TABLE;
	toy_shard.limits.neighbour_queue = TOY_QUEUE;
	toy_shard.secret = (struct weir_siphash_key){1, 2};
	CU_ASSERT_FATAL(weir_wheel_create(UINT64_C(1) << 17, now, &toy_shard.wheel) == 0);
	CU_ASSERT_FATAL(weir_gens_create(1, &toy_shard.gens) == 0);
	weir_gens_publish(toy_shard.gens, &toy_gen);
	CU_ASSERT_FATAL(neigh_create(&toy_shard, &table) == 0);
	toy_shard.neigh = table;
	toy_pass.now_ns = now;
	neigh_sync(table, &toy_gen);
}

static inline void toy_world_end(void)
{
	neigh_free(table);
	weir_gens_free(toy_shard.gens);
	weir_wheel_free(toy_shard.wheel);
}

/* Let time go by, timers firing when they are due. */
static inline void toy_wait(uint64_t ns)
{
	const uint64_t end = now + ns;

	while (now < end) {
		now = RTE_MIN(end, now + S / 100);
		while (weir_wheel_run(toy_shard.wheel, now, 1000) > 0)
			;
	}
	toy_pass.now_ns = now;
}

static inline struct neigh_key key4(unsigned last)
{
	return neigh_key4(0, toy_ip4(last));
}

static inline enum weir_neigh_state state_of(struct neigh_key key)
{
	const struct neigh *e = neigh_find(table, &key);

	return e == NULL ? WEIR_NEIGH_FREE : (enum weir_neigh_state)e->state;
}

/* An IPv4 packet with a whole Ethernet header, on its way to 192.0.2.last; counts when freed. */
static inline struct rte_mbuf *toy_packet(struct toy_mbuf *t, unsigned last)
{
	struct rte_mbuf *m = toy_mbuf(t, NULL, 14 + 28);
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14);

	ip->version_ihl = 0x45;
	ip->dst_addr = toy_ip4(last);
	m->refcnt = 2;
	t->meta.flags = WEIR_META_IP4 | WEIR_META_L4;
	t->meta.l3_off = 14;
	t->meta.l4_off = 34;
	return m;
}

static inline uint64_t dropped(enum weir_drop why)
{
	return toy_shard.counters.drops[why];
}

static inline const uint8_t *frame(unsigned i)
{
	return rte_pktmbuf_mtod(sent[i], const uint8_t *);
}
