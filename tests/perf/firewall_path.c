/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * weir-firewall's path between ports of memory.
 *
 * As in router_path.c, ports hand out packets that lie ready and take them back; no buffer is
 * allocated, copied or freed. Connections are made by real handshakes through the path.
 */

#include "firewall_path.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/neigh.h>
#include <weir/policy.h>
#include <weir/pool.h>
#include <weir/rib.h>
#include <weir/tracker.h>

#include "perf.h"
#include "router_routes.h"
#include "toy_paths.h"

#define FRAME_BYTES 60 /* 64 with the frame check sequence */
#define TTL	    64
#define TURNS	    1000

enum { LAN, WAN, SIDES };

struct replay {
	struct weir_port port;
	struct rte_mbuf *pkt[FIREWALL_PKTS];
	unsigned ready, taken, sent;
};

struct firewall {
	enum firewall_load load;
	uint32_t flows, rules, next;
	struct replay side[SIDES];
	struct weir_rib *rib;
	struct weir_gens *gens;
	struct weir_gen gen;
	struct weir_policy policy;
	struct weir_clock clock;
	struct rte_mempool *pool;
	struct weir_queue rxq[SIDES];
	struct weir_engine *engine;
	uint32_t random;
	char pool_name[32];
};

static const struct weir_iface ifaces[SIDES] = {
	{.name = "lan",
	 .port = LAN,
	 .mtu = 1500,
	 .mac = {2, 0, 0, 0, 0, 1},
	 .n_addrs = 1,
	 .addr = {{{4, {192, 0, 2, 1}}, 24}}},
	{.name = "wan",
	 .port = WAN,
	 .mtu = 1500,
	 .mac = {2, 0, 0, 0, 0, 2},
	 .n_addrs = 1,
	 .addr = {{{4, {203, 0, 113, 1}}, 24}}},
};

static const struct weir_addr gateways[SIDES] = {{4, {192, 0, 2, 2}}, {4, {203, 0, 113, 2}}};

static uint16_t replay_rx(struct weir_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct replay *r = (struct replay *)p;
	const uint16_t got = (uint16_t)RTE_MIN((unsigned)n, r->ready - r->taken);

	for (uint16_t i = 0; i < got; i++) {
		struct rte_mbuf *m = r->pkt[r->taken + i];

		m->data_off = RTE_PKTMBUF_HEADROOM;
		m->nb_segs = 1;
		m->ol_flags = 0;
		m->pkt_len = FRAME_BYTES;
		m->data_len = FRAME_BYTES;
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

static bool is_known(enum firewall_load load)
{
	return load == FIREWALL_KNOWN || load == FIREWALL_KNOWN_NAT;
}

/* Clients are 10/8, servers 198.18/15: 512 networks of 24 bits. */
static uint32_t client_of(uint32_t flow)
{
	return UINT32_C(0x0a000000) | ((flow * UINT32_C(2654435761)) >> 8);
}

static uint32_t server_of(uint32_t flow)
{
	return UINT32_C(0xc6120000) | ((flow * UINT32_C(40503)) & 0x1ffff);
}

static uint16_t client_port(uint32_t flow)
{
	return (uint16_t)(1024 + flow % 60000);
}

static void add_route(struct firewall *f, struct weir_prefix to, unsigned side)
{
	const struct weir_nexthop hop = {gateways[side], (uint16_t)side, false};
	const struct weir_route route = {.to = to,
					 .kind = WEIR_HOP_GATEWAY,
					 .source = WEIR_ROUTE_STATIC,
					 .n_hops = 1,
					 .hops = &hop};
	struct weir_why why = {{0}};
	const int rc = weir_rib_route_add(f->rib, &route, &why);

	if (rc < 0)
		perf_die(why.text, rc);
}

struct made_rule {
	char name[16];
	struct weir_prefix dst;
	struct weir_range ports;
};

/* Rules that nothing here matches, and the last one, which lets all out. */
static void make_rules(struct firewall *f)
{
	struct made_rule *made = calloc(f->rules, sizeof(*made));
	struct weir_rule *rules = calloc(f->rules, sizeof(*rules));
	const struct weir_rules_conf conf = {.rules = rules,
					     .n = f->rules,
					     .zones = 3,
					     .default_action = WEIR_ACTION_DROP,
					     .workers = 1,
					     .numa = -1};
	struct weir_why why = {{0}};
	int rc;

	if (made == NULL || rules == NULL)
		perf_die("rules", -ENOMEM);
	for (unsigned i = 0; i < f->rules; i++) {
		const bool last = i == f->rules - 1;
		struct made_rule *m = &made[i];

		snprintf(m->name, sizeof(m->name), "rule-%u", i);
		m->dst = router_random_prefix(&f->random, 4, i);
		m->dst.addr.bytes[0] = (uint8_t)(20 + i % 100);
		m->ports.lo = (uint16_t)(router_random(&f->random) >> 17);
		m->ports.hi = (uint16_t)(m->ports.lo + (router_random(&f->random) >> 20));
		rules[i] = (struct weir_rule){
			.name = m->name,
			.from_zones = 1 << 1,
			.to_zones = 1 << 2,
			.proto = last	 ? 0
				 : i % 2 ? IPPROTO_TCP
					 : IPPROTO_UDP,
			.dst = {.prefixes = &m->dst, .n_prefixes = last ? 0 : 1},
			.dports = &m->ports,
			.n_dports = last ? 0 : 1,
			.icmp_type = -1,
			.icmp_code = -1,
			.dscp = -1,
			.action = last ? WEIR_ACTION_ACCEPT : WEIR_ACTION_DROP,
			.slot = i + 1,
		};
	}
	rc = weir_rules_compile(&conf, &f->policy.rules, &why);
	if (rc < 0)
		perf_die(why.text, rc);
	free(rules);
	free(made);
}

static void make_nat(struct firewall *f)
{
	/* Enough ports for a million flows: sixteen addresses. */
	static const struct weir_prefix pool = {{4, {203, 0, 113, 16}}, 28};
	const struct weir_nat_rule rule = {
		.name = "snat", .kind = WEIR_NAT_SNAT, .pool = &pool, .n_pool = 1};
	const struct weir_nat_conf conf = {.source = &rule, .n_source = 1};
	struct weir_why why = {{0}};
	const int rc = weir_nat_compile(&conf, &f->policy.nat, &why);

	if (rc < 0)
		perf_die(why.text, rc);
}

static void make_policy(struct firewall *f)
{
	static const uint64_t timeouts[WEIR_FLOW_CLASSES] = WEIR_FLOW_TIMEOUTS;

	memcpy(f->policy.timeout_ns, timeouts, sizeof(timeouts));
	f->policy.number = 1;
	f->policy.n_zones = 3;
	memset(f->policy.zone_of, WEIR_NO_ZONE, sizeof(f->policy.zone_of));
	f->policy.zone_of[LAN] = 1;
	f->policy.zone_of[WAN] = 2;
	make_rules(f);
	if (f->load == FIREWALL_KNOWN_NAT || f->load == FIREWALL_NEW_NAT)
		make_nat(f);
}

static void make_tables(struct firewall *f)
{
	const struct weir_rib_conf sizes = {.routes4 = 1000, .routes6 = 1000, .numa = -1};
	struct weir_why why = {{0}};
	int rc = weir_rib_create(&sizes, &f->rib, &why);

	if (rc == 0)
		rc = weir_rib_begin(f->rib);
	if (rc == 0)
		rc = weir_rib_set_ifaces(f->rib, ifaces, RTE_DIM(ifaces), &why);
	if (rc < 0)
		perf_die(why.text, rc);
	add_route(f, (struct weir_prefix){{4, {10}}, 8}, LAN);
	add_route(f, (struct weir_prefix){{4, {198, 18}}, 15}, WAN);
	rc = weir_rib_commit(f->rib, &f->gen.l3, &why);
	if (rc == 0)
		rc = weir_gens_create(1, &f->gens);
	if (rc < 0)
		perf_die(why.text, rc);
	f->gen.policy = &f->policy;
	weir_gens_join(f->gens, 0);
	weir_gens_sleep(f->gens, 0);
	weir_gens_publish(f->gens, &f->gen);
	weir_gens_wake(f->gens, 0);
}

static void count_neighbour(void *ctx, const struct weir_neigh_info *n)
{
	*(unsigned *)ctx += n->state == WEIR_NEIGH_PERMANENT;
}

static void set_neighbours(struct firewall *f)
{
	struct weir_neigh_table *t = weir_engine_shard(f->engine)->neigh;
	unsigned known = 0;

	for (uint16_t i = 0; i < SIDES; i++) {
		const struct weir_mac mac = {{2, 0, 0, 0, 1, (uint8_t)i}};

		if (weir_neigh_set(t, i, &gateways[i], &mac, true) < 0)
			perf_die("neighbours", -EAGAIN);
	}
	for (unsigned turn = 0; turn < TURNS && known < SIDES; turn++) {
		weir_engine_once(f->engine,
				 weir_clock_now_ns(&f->clock) + turn * (WEIR_NS_PER_S / 1000));
		known = 0;
		weir_neigh_each(t, count_neighbour, &known);
	}
	if (known < SIDES)
		perf_die("the engine does not take the neighbours in", -ETIMEDOUT);
}

static void make_engine(struct firewall *f, uint16_t burst)
{
	const struct weir_tracker_conf tracker = {
		.flows = {.entries = f->flows + 64,
			  .exts = 16,
			  .timeout_ns = WEIR_FLOW_TIMEOUTS,
			  .numa = -1},
		.stateless = f->load == FIREWALL_STATELESS,
		.rule_slots = f->rules + 1,
		.limit_sources = 16,
		.nat_maps = 16,
	};
	struct weir_engine_conf conf = {
		.name = "firewall",
		.workers = 1,
		.numa = SOCKET_ID_ANY,
		.pool = f->pool,
		.rxqs = f->rxq,
		.n_rxqs = SIDES,
		.txq = {f->rxq[LAN], f->rxq[WAN]},
		.burst = burst,
		.limits = WEIR_LIMITS_DEFAULT,
		.gens = f->gens,
		.tracker = &tracker,
		.secret = {router_random(&f->random), 2},
		.clock = f->clock,
		.path = f->load == FIREWALL_STATELESS ? toy_stateless_path : toy_firewall_path,
	};
	struct weir_why why;
	const int rc = weir_engine_create(&conf, &f->engine, &why);

	if (rc < 0)
		perf_die(why.text, rc);
	set_neighbours(f);
}

static void fill_frame(struct rte_mbuf *m, unsigned side, uint32_t src, uint32_t dst, uint8_t proto)
{
	struct rte_ether_hdr *eth;
	struct rte_ipv4_hdr *ip;

	m->data_off = RTE_PKTMBUF_HEADROOM;
	eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	memcpy(&eth->dst_addr, ifaces[side].mac, sizeof(eth->dst_addr));
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	ip = (struct rte_ipv4_hdr *)(eth + 1);
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = RTE_BE16(FRAME_BYTES - RTE_ETHER_HDR_LEN),
		.time_to_live = TTL,
		.next_proto_id = proto,
		.src_addr = rte_cpu_to_be_32(src),
		.dst_addr = rte_cpu_to_be_32(dst),
	};
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static void fill_tcp(struct rte_mbuf *m, uint16_t sport, uint16_t dport, uint32_t seq, uint32_t ack,
		     uint8_t flags)
{
	struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(
		m, struct rte_tcp_hdr *, RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr));
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)tcp - 1;

	ip->total_length = RTE_BE16(sizeof(*ip) + sizeof(*tcp));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	*tcp = (struct rte_tcp_hdr){.src_port = rte_cpu_to_be_16(sport),
				    .dst_port = rte_cpu_to_be_16(dport),
				    .sent_seq = rte_cpu_to_be_32(seq),
				    .recv_ack = rte_cpu_to_be_32(ack),
				    .data_off = sizeof(*tcp) / 4 << 4,
				    .tcp_flags = flags,
				    .rx_win = RTE_BE16(65535)};
	tcp->cksum = rte_ipv4_udptcp_cksum(ip, tcp);
}

static void fill_udp(struct rte_mbuf *m, uint16_t sport, uint16_t dport)
{
	struct rte_udp_hdr *udp = rte_pktmbuf_mtod_offset(
		m, struct rte_udp_hdr *, RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr));

	*udp = (struct rte_udp_hdr){
		.src_port = rte_cpu_to_be_16(sport),
		.dst_port = rte_cpu_to_be_16(dport),
		.dgram_len =
			RTE_BE16(FRAME_BYTES - RTE_ETHER_HDR_LEN - sizeof(struct rte_ipv4_hdr)),
	};
}

static void put_ready(struct firewall *f, unsigned side)
{
	f->side[side].ready = FIREWALL_PKTS;
	f->side[side].taken = 0;
	f->side[LAN].sent = 0;
	f->side[WAN].sent = 0;
}

unsigned firewall_pass(struct firewall *f)
{
	while (f->side[LAN].taken < f->side[LAN].ready || f->side[WAN].taken < f->side[WAN].ready)
		weir_engine_once(f->engine, weir_clock_now_ns(&f->clock));
	return f->side[LAN].sent + f->side[WAN].sent;
}

static void send_all(struct firewall *f, unsigned side)
{
	put_ready(f, side);
	if (firewall_pass(f) != FIREWALL_PKTS)
		perf_die("a handshake does not pass", -EIO);
}

/* The addresses and ports that a flow's packets have left with. */
static void as_left(const struct rte_mbuf *m, uint32_t *addr, uint16_t *port)
{
	const struct rte_ipv4_hdr *ip =
		rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);

	*addr = rte_be_to_cpu_32(ip->src_addr);
	*port = rte_be_to_cpu_16(((const struct rte_tcp_hdr *)(ip + 1))->src_port);
}

/* Handshakes of FIREWALL_PKTS connections from a flow on. */
static void connect_some(struct firewall *f, uint32_t first)
{
	struct rte_mbuf **pkt = f->side[LAN].pkt;

	for (uint32_t i = 0; i < FIREWALL_PKTS; i++) {
		fill_frame(pkt[i], LAN, client_of(first + i), server_of(first + i), IPPROTO_TCP);
		fill_tcp(pkt[i], client_port(first + i), 443, 1000, 0, RTE_TCP_SYN_FLAG);
	}
	send_all(f, LAN);
	for (uint32_t i = 0; i < FIREWALL_PKTS; i++) {
		struct rte_mbuf *m = f->side[WAN].pkt[i];
		uint32_t addr;
		uint16_t port;

		as_left(pkt[i], &addr, &port);
		fill_frame(m, WAN, server_of(first + i), addr, IPPROTO_TCP);
		fill_tcp(m, 443, port, 5000, 1001, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG);
	}
	send_all(f, WAN);
	for (uint32_t i = 0; i < FIREWALL_PKTS; i++) {
		fill_frame(pkt[i], LAN, client_of(first + i), server_of(first + i), IPPROTO_TCP);
		fill_tcp(pkt[i], client_port(first + i), 443, 1001, 5001, RTE_TCP_ACK_FLAG);
	}
	send_all(f, LAN);
}

void firewall_refill(struct firewall *f)
{
	for (unsigned i = 0; i < FIREWALL_PKTS; i++) {
		struct rte_mbuf *m = f->side[LAN].pkt[i];
		uint32_t flow;

		if (is_known(f->load)) {
			flow = (uint32_t)(((uint64_t)router_random(&f->random) * f->flows) >> 32);
			fill_frame(m, LAN, client_of(flow), server_of(flow), IPPROTO_TCP);
			fill_tcp(m, client_port(flow), 443, 1001, 5001, RTE_TCP_ACK_FLAG);
		} else {
			flow = f->next++;
			fill_frame(m, LAN, client_of(flow), server_of(flow), IPPROTO_UDP);
			fill_udp(m, client_port(flow), 443);
		}
	}
	put_ready(f, LAN);
}

struct firewall *firewall_create(enum firewall_load load, uint32_t flows, uint32_t rules,
				 uint16_t burst)
{
	const struct weir_pool_need need = {
		.rx_descs = SIDES * FIREWALL_PKTS, .workers = 1, .mtu = 1500};
	struct firewall *f = calloc(1, sizeof(*f));
	static unsigned number;
	struct weir_pool_plan plan;
	struct weir_why why;
	int rc;

	if (f == NULL)
		perf_die("firewall", -ENOMEM);
	f->load = load;
	f->flows = flows;
	f->rules = rules;
	f->random = 1;
	weir_pool_size(&need, &plan);
	snprintf(f->pool_name, sizeof(f->pool_name), "firewall%u", number++);
	rc = weir_pool_create(f->pool_name, &plan, SOCKET_ID_ANY, &f->pool, &why);
	if (rc < 0)
		perf_die(why.text, rc);
	weir_clock_init(&f->clock);
	for (uint16_t i = 0; i < SIDES; i++) {
		struct replay *r = &f->side[i];

		if (rte_pktmbuf_alloc_bulk(f->pool, r->pkt, FIREWALL_PKTS) != 0)
			perf_die("packets", -ENOMEM);
		r->port.rx = replay_rx;
		r->port.tx = replay_tx;
		r->port.id = i;
		r->port.mtu = ifaces[i].mtu;
		memcpy(&r->port.mac, ifaces[i].mac, sizeof(r->port.mac));
		f->rxq[i] = (struct weir_queue){&r->port, 0};
	}
	make_policy(f);
	make_tables(f);
	make_engine(f, burst);
	for (uint32_t i = 0; is_known(load) && i < flows; i += FIREWALL_PKTS)
		connect_some(f, i);
	return f;
}

struct weir_engine *firewall_engine(struct firewall *f)
{
	return f->engine;
}

void firewall_free(struct firewall *f)
{
	weir_engine_free(f->engine);
	weir_gens_part(f->gens, 0);
	weir_gens_free(f->gens);
	weir_rules_free(f->policy.rules);
	weir_nat_free(f->policy.nat);
	weir_rib_release(f->rib, f->gen.l3);
	weir_rib_free(f->rib);
	for (unsigned i = 0; i < SIDES; i++)
		rte_pktmbuf_free_bulk(f->side[i].pkt, FIREWALL_PKTS);
	rte_mempool_free(f->pool);
	free(f);
}
