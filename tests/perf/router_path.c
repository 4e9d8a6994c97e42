/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * weir-router's path between ports of memory.
 *
 * The receiving port hands out packets that lie ready, and writes of each mbuf what a driver
 * writes; the sending port takes them back. No buffer is allocated, copied or freed: what that
 * costs belongs to a driver, not to the path.
 */

#include "router_path.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/neigh.h>
#include <weir/pool.h>
#include <weir/rib.h>

#include "perf.h"
#include "router_routes.h"
#include "toy_paths.h"

#define FRAME4_BYTES 60 /* 64 with the frame check sequence */
#define FRAME6_BYTES 62 /* the shortest with UDP */
#define TTL	     64
#define NEIGH_TURNS  1000

/* A port that replays what was put into it. */
struct replay {
	struct weir_port port;
	struct rte_mbuf *pkt[ROUTER_PKTS];
	unsigned ready, taken, sent;
	uint16_t frame_bytes;
};

struct router {
	struct replay in, out;
	struct weir_rib *rib;
	struct weir_gens *gens;
	struct weir_gen gen;
	struct weir_clock clock;
	struct rte_mempool *pool;
	struct weir_queue rxq;
	struct weir_prefix *to[2]; /* IPv4 and IPv6 routes */
	unsigned spread;
	uint32_t random;
};

static const struct weir_iface ifaces[] = {
	{.name = "in",
	 .port = 0,
	 .mtu = 1500,
	 .mac = {2, 0, 0, 0, 0, 1},
	 .n_addrs = 1,
	 .addr = {{{4, {10, 0, 0, 1}}, 24}}},
	{.name = "out",
	 .port = 1,
	 .mtu = 1500,
	 .mac = {2, 0, 0, 0, 0, 2},
	 .n_addrs = 2,
	 .addr = {{{4, {10, 0, 1, 1}}, 24}, {{6, {0x20, 1, 0xd, 0xb8, [15] = 1}}, 64}}},
};

static uint16_t replay_rx(struct weir_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct replay *r = (struct replay *)p;
	const uint16_t got = (uint16_t)RTE_MIN((unsigned)n, r->ready - r->taken);

	for (uint16_t i = 0; i < got; i++) {
		struct rte_mbuf *m = r->pkt[r->taken + i];

		m->data_off = RTE_PKTMBUF_HEADROOM;
		m->nb_segs = 1;
		m->ol_flags = 0;
		m->pkt_len = r->frame_bytes;
		m->data_len = r->frame_bytes;
		pkts[i] = m;
	}
	r->taken += got;
	return got;
}

static uint16_t replay_tx(struct weir_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	((struct replay *)p)->sent += n;
	return n;
}

static void replay_init(struct replay *r, uint16_t id)
{
	r->port.rx = replay_rx;
	r->port.tx = replay_tx;
	r->port.id = id;
	r->port.mtu = ifaces[id].mtu;
	memcpy(&r->port.mac, ifaces[id].mac, sizeof(r->port.mac));
}

/* The gateway of a number: 10.0.1.2 and so on, or 2001:db8::2. */
static struct weir_addr gateway(unsigned family, unsigned number)
{
	struct weir_addr a = ifaces[1].addr[family == 4 ? 0 : 1].addr;

	a.bytes[family == 4 ? 3 : 15] = (uint8_t)(2 + number);
	return a;
}

static void add_routes(struct router *r, unsigned family, unsigned n)
{
	struct weir_prefix *to = calloc(n, sizeof(*to));
	struct weir_why why = {{0}};

	if (to == NULL)
		perf_die("routes", -ENOMEM);
	for (unsigned i = 0; i < n; i++) {
		const struct weir_nexthop hop = {gateway(family, i % ROUTER_GATEWAYS), 1, false};
		struct weir_route route = {.kind = WEIR_HOP_GATEWAY,
					   .source = WEIR_ROUTE_STATIC,
					   .n_hops = 1,
					   .hops = &hop};
		int rc;

		to[i] = router_random_prefix(&r->random, family, i);
		route.to = to[i];
		rc = weir_rib_route_add(r->rib, &route, &why);
		if (rc < 0)
			perf_die(why.text, rc);
	}
	r->to[family == 6] = to;
}

static void make_tables(struct router *r)
{
	const struct weir_rib_conf sizes = {
		.routes4 = ROUTER_ROUTES4 + 1000, .routes6 = ROUTER_ROUTES6 + 1000, .numa = -1};
	struct weir_why why = {{0}};
	int rc = weir_rib_create(&sizes, &r->rib, &why);

	if (rc == 0)
		rc = weir_rib_begin(r->rib);
	if (rc == 0)
		rc = weir_rib_set_ifaces(r->rib, ifaces, RTE_DIM(ifaces), &why);
	if (rc < 0)
		perf_die(why.text, rc);
	add_routes(r, 4, ROUTER_ROUTES4);
	add_routes(r, 6, ROUTER_ROUTES6);
	rc = weir_rib_commit(r->rib, &r->gen.l3, &why);
	if (rc == 0)
		rc = weir_gens_create(1, &r->gens);
	if (rc < 0)
		perf_die(why.text, rc);
	weir_gens_join(r->gens, 0);
	weir_gens_sleep(r->gens, 0);
	weir_gens_publish(r->gens, &r->gen);
	weir_gens_wake(r->gens, 0);
}

struct router *router_create(unsigned spread)
{
	const struct weir_pool_need need = {.rx_descs = ROUTER_PKTS, .workers = 1, .mtu = 1500};
	struct router *r = calloc(1, sizeof(*r));
	struct weir_pool_plan plan;
	struct weir_why why;
	int rc;

	if (r == NULL)
		perf_die("router", -ENOMEM);
	r->random = 1;
	r->spread = spread;
	weir_pool_size(&need, &plan);
	rc = weir_pool_create("router", &plan, SOCKET_ID_ANY, &r->pool, &why);
	if (rc < 0)
		perf_die(why.text, rc);
	if (rte_pktmbuf_alloc_bulk(r->pool, r->in.pkt, ROUTER_PKTS) != 0)
		perf_die("packets", -ENOMEM);
	weir_clock_init(&r->clock);
	replay_init(&r->in, 0);
	replay_init(&r->out, 1);
	r->rxq = (struct weir_queue){&r->in.port, 0};
	make_tables(r);
	return r;
}

void router_free(struct router *r)
{
	weir_gens_part(r->gens, 0);
	weir_gens_free(r->gens);
	weir_rib_release(r->rib, r->gen.l3);
	weir_rib_free(r->rib);
	rte_pktmbuf_free_bulk(r->in.pkt, ROUTER_PKTS);
	rte_mempool_free(r->pool);
	free(r->to[0]);
	free(r->to[1]);
	free(r);
}

static void count_neighbour(void *ctx, const struct weir_neigh_info *n)
{
	*(unsigned *)ctx += n->state == WEIR_NEIGH_PERMANENT;
}

/* Tell an engine of the gateways, and let time pass until it has taken that in. */
static void set_neighbours(struct router *r, struct weir_engine *e)
{
	struct weir_neigh_table *t = weir_engine_shard(e)->neigh;
	unsigned known = 0;

	for (unsigned i = 0; i < ROUTER_GATEWAYS; i++) {
		const struct weir_mac mac = {{2, 0, 0, 0, 1, (uint8_t)i}};
		const struct weir_addr four = gateway(4, i), six = gateway(6, i);
		int rc = weir_neigh_set(t, 1, &four, &mac, true);

		if (rc == 0)
			rc = weir_neigh_set(t, 1, &six, &mac, true);
		if (rc < 0)
			perf_die("neighbours", rc);
	}
	for (unsigned turn = 0; turn < NEIGH_TURNS && known < 2 * ROUTER_GATEWAYS; turn++) {
		weir_engine_once(e, router_now_ns(r) + turn * (WEIR_NS_PER_S / 1000));
		known = 0;
		weir_neigh_each(t, count_neighbour, &known);
	}
	if (known < 2 * ROUTER_GATEWAYS)
		perf_die("the engine does not take the neighbours in", -ETIMEDOUT);
}

struct weir_engine *router_engine(struct router *r, uint16_t burst)
{
	struct weir_engine_conf conf = {
		.name = "router",
		.workers = 1,
		.numa = SOCKET_ID_ANY,
		.pool = r->pool,
		.rxqs = &r->rxq,
		.n_rxqs = 1,
		.txq = {{&r->in.port, 0}, {&r->out.port, 0}},
		.burst = burst,
		.limits = WEIR_LIMITS_DEFAULT,
		.gens = r->gens,
		.clock = r->clock,
		.path = toy_router_path,
	};
	struct weir_engine *e;
	struct weir_why why;
	const int rc = weir_engine_create(&conf, &e, &why);

	if (rc < 0)
		perf_die(why.text, rc);
	set_neighbours(r, e);
	return e;
}

static void fill4(struct rte_mbuf *m, const uint8_t *dst)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, void *, RTE_ETHER_HDR_LEN);

	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = RTE_BE16(FRAME4_BYTES - RTE_ETHER_HDR_LEN),
		.time_to_live = TTL,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = RTE_BE32(UINT32_C(0x0a000002)),
	};
	memcpy(&ip->dst_addr, dst, sizeof(ip->dst_addr));
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	((struct rte_udp_hdr *)(ip + 1))->dgram_len =
		RTE_BE16(FRAME4_BYTES - RTE_ETHER_HDR_LEN - sizeof(*ip));
}

static void fill6(struct rte_mbuf *m, const uint8_t *dst)
{
	static const uint8_t src[16] = {0x20, 1, 0xd, 0xb8, 0, 1, [15] = 2};
	struct rte_ipv6_hdr *ip = rte_pktmbuf_mtod_offset(m, void *, RTE_ETHER_HDR_LEN);

	memset(ip, 0, sizeof(*ip));
	ip->vtc_flow = RTE_BE32(UINT32_C(6) << 28);
	ip->payload_len = RTE_BE16(sizeof(struct rte_udp_hdr));
	ip->proto = IPPROTO_UDP;
	ip->hop_limits = TTL;
	memcpy(&ip->src_addr, src, sizeof(src));
	memcpy(&ip->dst_addr, dst, sizeof(src));
	((struct rte_udp_hdr *)(ip + 1))->dgram_len = RTE_BE16(sizeof(struct rte_udp_hdr));
}

void router_refill(struct router *r, unsigned family)
{
	const unsigned all = family == 4 ? ROUTER_ROUTES4 : ROUTER_ROUTES6;
	const uint64_t n = r->spread > 0 && r->spread < all ? r->spread : all;

	for (unsigned i = 0; i < ROUTER_PKTS; i++) {
		const uint32_t lot = router_random(&r->random);
		const struct weir_prefix *to = &r->to[family == 6][(lot * n) >> 32];
		struct rte_mbuf *m = r->in.pkt[i];
		struct rte_ether_hdr *eth;
		uint8_t dst[16];

		m->data_off = RTE_PKTMBUF_HEADROOM;
		eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
		memcpy(&eth->dst_addr, ifaces[0].mac, sizeof(eth->dst_addr));
		eth->ether_type = family == 4 ? RTE_BE16(RTE_ETHER_TYPE_IPV4)
					      : RTE_BE16(RTE_ETHER_TYPE_IPV6);
		router_random_host(&r->random, to, dst);
		if (family == 4)
			fill4(m, dst);
		else
			fill6(m, dst);
	}
	r->in.frame_bytes = family == 4 ? FRAME4_BYTES : FRAME6_BYTES;
	r->in.ready = ROUTER_PKTS;
	r->in.taken = 0;
	r->out.sent = 0;
}

unsigned router_sent(const struct router *r)
{
	return r->out.sent;
}

unsigned router_routes(const struct router *r, unsigned family)
{
	struct weir_rib_stats st;

	weir_rib_stats(r->rib, &st);
	return family == 4 ? st.routes4 : st.routes6;
}

uint64_t router_now_ns(const struct router *r)
{
	return weir_clock_now_ns(&r->clock);
}
