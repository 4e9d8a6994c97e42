/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A whole router in memory: ports made of rings, time wound by the test, one or two workers.
 * Frames go in at one port and come out at the other; at the end no buffer is missing.
 */

#include "failalloc.h"
#include "test.h"
#include "toy_paths.h"

#include <errno.h>
#include <netinet/in.h>
#include <rte_arp.h>
#include <rte_eal.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <stdlib.h>
#include <weir/rib.h>
#include <weir/system.h>

#define MS UINT64_C(1000000)

/* The router: port 0 is 10.0.0.1/24, port 1 is 10.0.1.1/24; hosts are .2 on each. */
static struct weir_rib *rib;
static struct weir_system *sys;
static struct weir_port *port[2];
static struct rte_mempool *wire; /* the outside's buffers */
static uint64_t now_ns;

static const struct rte_ether_addr our_mac[2] = {{{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 1, 1}}};
static const struct rte_ether_addr host_mac[2] = {{{2, 0, 0, 0, 0, 2}}, {{2, 0, 0, 0, 1, 2}}};

static void begin_eal(void)
{
	static const char *const words[] = {"test",	"--no-huge", "--no-shconf",
					    "--no-pci", "-m",	     "640",
					    "-l",	"0",	     "--log-level=error"};
	static char kept[RTE_DIM(words)][32]; /* EAL may write to them */
	char *args[RTE_DIM(words)];
	for (unsigned i = 0; i < RTE_DIM(words); i++)
		args[i] = strcpy(kept[i], words[i]);
	CU_ASSERT_TRUE_FATAL(rte_eal_init(RTE_DIM(args), args) >= 0);
	wire = rte_pktmbuf_pool_create("wire", 4095, 0, sizeof(struct weir_meta),
				       RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	CU_ASSERT_PTR_NOT_NULL_FATAL(wire);
	CU_ASSERT_EQUAL_FATAL(weir_rib_create(NULL, &rib, NULL), 0);
}

static void free_gen(struct weir_gen *gen)
{
	weir_rib_release(rib, gen->l3);
	free(gen);
}

/* Interfaces on both ports, and optionally a route to 192.0.2.0/24 through port 1's host. */
static void publish(bool with_route)
{
	struct weir_gen *gen = calloc(1, sizeof(*gen));
	struct weir_iface ifaces[2] = {0};
	const struct weir_nexthop hop = {.gateway = {.family = 4, .bytes = {10, 0, 1, 2}},
					 .iface = WEIR_NO_IFACE};
	const struct weir_route route = {
		.to = {.addr = {.family = 4, .bytes = {192, 0, 2}}, .length = 24},
		.kind = WEIR_HOP_GATEWAY,
		.source = WEIR_ROUTE_STATIC,
		.n_hops = 1,
		.hops = &hop};

	for (uint8_t i = 0; i < 2; i++) {
		snprintf(ifaces[i].name, sizeof(ifaces[i].name), "p%u", i);
		ifaces[i].port = i;
		ifaces[i].mtu = 1500;
		memcpy(ifaces[i].mac, &our_mac[i], 6);
		ifaces[i].n_addrs = 1;
		ifaces[i].addr[0] = (struct weir_prefix){
			.addr = {.family = 4, .bytes = {10, 0, i, 1}}, .length = 24};
	}
	CU_ASSERT_EQUAL_FATAL(weir_rib_begin(rib), 0);
	CU_ASSERT_EQUAL_FATAL(weir_rib_set_ifaces(rib, ifaces, 2, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(
		weir_rib_replace(rib, WEIR_ROUTE_STATIC, &route, with_route ? 1 : 0, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(weir_rib_commit(rib, &gen->l3, NULL), 0);
	gen->free = free_gen;
	weir_system_publish(sys, gen);
}

static void set_up(uint16_t workers)
{
	const uint16_t cores[] = {0, 0};
	struct weir_system_port ports[2] = {0};
	struct weir_why why = {""};

	if (rib == NULL)
		begin_eal();
	now_ns = 1000 * MS;
	for (uint16_t i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL_FATAL(
			weir_port_mem_create(i == 0 ? "p0" : "p1", i, 1, 1, 256, &port[i]), 0);
		port[i]->mac = our_mac[i];
		ports[i] = (struct weir_system_port){.given = port[i]};
	}
	CU_ASSERT_EQUAL_FATAL(
		weir_system_create(&(struct weir_system_conf){.name = "test",
							      .cores = cores,
							      .workers = workers,
							      .limits = WEIR_LIMITS_DEFAULT,
							      .ports = ports,
							      .n_ports = 2,
							      .path = toy_router_path},
				   &sys, &why),
		0);
	publish(true);
}

static void tear_down(void)
{
	weir_system_free(sys);
	sys = NULL;
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(wire), 0);
}

static void run(void)
{
	for (unsigned pass = 0; pass < 4; pass++) {
		now_ns += MS;
		for (uint16_t w = 0; w < weir_system_workers(sys); w++)
			weir_engine_once(weir_system_engine(sys, w), now_ns);
	}
}

static uint64_t drops(enum weir_drop why)
{
	uint64_t n = 0;

	for (uint16_t w = 0; w < weir_system_workers(sys); w++)
		n += weir_engine_shard(weir_system_engine(sys, w))->counters.drops[why];
	return n;
}

static struct rte_mbuf *frame(uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(wire);

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	memset(rte_pktmbuf_append(m, len), 0, len);
	return m;
}

/* What the host on a port says: "10.0.N.2 is at my MAC", as an answer to the router. */
static struct rte_mbuf *arp_reply(uint8_t i)
{
	struct rte_mbuf *m = frame(60);
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_arp_hdr *arp = (struct rte_arp_hdr *)(eth + 1);

	eth->dst_addr = our_mac[i];
	eth->src_addr = host_mac[i];
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP);
	arp->arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER);
	arp->arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	arp->arp_hlen = 6;
	arp->arp_plen = 4;
	arp->arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY);
	arp->arp_data.arp_sha = host_mac[i];
	arp->arp_data.arp_sip = rte_cpu_to_be_32(0x0a000002u + i * 256u);
	arp->arp_data.arp_tha = our_mac[i];
	arp->arp_data.arp_tip = rte_cpu_to_be_32(0x0a000001u + i * 256u);
	return m;
}

/* A UDP packet from the host on port 0. */
static struct rte_mbuf *udp(uint32_t dst, uint16_t sport)
{
	struct rte_mbuf *m = frame(60);
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(eth + 1);
	struct rte_udp_hdr *u = (struct rte_udp_hdr *)(ip + 1);

	eth->dst_addr = our_mac[0];
	eth->src_addr = host_mac[0];
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->total_length = RTE_BE16(46);
	ip->time_to_live = 64;
	ip->next_proto_id = IPPROTO_UDP;
	ip->src_addr = RTE_BE32(0x0a000002);
	ip->dst_addr = rte_cpu_to_be_32(dst);
	u->src_port = rte_cpu_to_be_16(sport);
	u->dst_port = RTE_BE16(53);
	u->dgram_len = RTE_BE16(26);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	return m;
}

static void inject(uint16_t p, struct rte_mbuf *m)
{
	CU_ASSERT_EQUAL_FATAL(weir_port_mem_inject(port[p], 0, &m, 1), 1);
}

/* What the router sent by a port; the caller frees it. */
static uint16_t sent(uint16_t p, struct rte_mbuf **pkts, uint16_t n)
{
	return weir_port_mem_sent(port[p], 0, pkts, n);
}

/* Rings, engines, graphs, the instance of each node: all are undone, wherever memory runs out. */
static void test_create_survives_failing_allocations(void)
{
	const uint16_t cores[] = {0, 0};
	struct weir_system_port ports[2] = {0};
	unsigned failed = 0;

	if (rib == NULL)
		begin_eal();
	for (uint16_t i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL_FATAL(
			weir_port_mem_create(i == 0 ? "p0" : "p1", i, 1, 1, 16, &port[i]), 0);
		ports[i].given = port[i];
	}
	FAILALLOC_EACH(n)
	{
		struct weir_system *s = NULL;
		struct weir_why why = {""};
		const int rc =
			weir_system_create(&(struct weir_system_conf){.name = "test",
								      .cores = cores,
								      .workers = 2,
								      .limits = WEIR_LIMITS_DEFAULT,
								      .ports = ports,
								      .n_ports = 2,
								      .path = toy_router_path},
					   &s, &why);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			weir_system_free(s); /* with the ports, which are its own now */
			break;
		}
		failed++;
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(s);
		CU_ASSERT(why.text[0] != '\0');
	}
	CU_ASSERT(failed > 30);
}

static void test_a_packet_waits_for_arp_and_is_forwarded(void)
{
	struct rte_mbuf *got[8];
	struct rte_ether_hdr *eth;
	struct rte_ipv4_hdr *ip;

	set_up(1);
	inject(0, udp(0xc0000205, 1000));
	run();
	CU_ASSERT_EQUAL_FATAL(sent(1, got, 8), 1); /* who has 10.0.1.2? */
	eth = rte_pktmbuf_mtod(got[0], struct rte_ether_hdr *);
	CU_ASSERT_EQUAL(eth->ether_type, RTE_BE16(RTE_ETHER_TYPE_ARP));
	CU_ASSERT_TRUE(rte_is_broadcast_ether_addr(&eth->dst_addr));
	CU_ASSERT_EQUAL(((struct rte_arp_hdr *)(eth + 1))->arp_data.arp_tip, RTE_BE32(0x0a000102));
	rte_pktmbuf_free(got[0]);
	inject(1, arp_reply(1));
	run();
	CU_ASSERT_EQUAL_FATAL(sent(1, got, 8), 1);
	eth = rte_pktmbuf_mtod(got[0], struct rte_ether_hdr *);
	ip = (struct rte_ipv4_hdr *)(eth + 1);
	CU_ASSERT_TRUE(rte_is_same_ether_addr(&eth->dst_addr, &host_mac[1]));
	CU_ASSERT_TRUE(rte_is_same_ether_addr(&eth->src_addr, &our_mac[1]));
	CU_ASSERT_EQUAL(ip->time_to_live, 63);
	CU_ASSERT_EQUAL(rte_ipv4_cksum(ip), 0);
	CU_ASSERT_EQUAL(ip->dst_addr, RTE_BE32(0xc0000205));
	rte_pktmbuf_free(got[0]);
	CU_ASSERT_EQUAL(sent(0, got, 8), 0);
	tear_down();
}

static void learn(void)
{
	struct rte_mbuf *got[8];
	uint16_t n;

	inject(0, udp(0x0a000102, 1)); /* makes the router ask */
	run();
	for (uint8_t i = 0; i < 2; i++)
		inject(i, arp_reply(i));
	run();
	for (uint16_t p = 0; p < 2; p++)
		while ((n = sent(p, got, 8)) > 0)
			rte_pktmbuf_free_bulk(got, n);
}

static void test_a_new_generation_takes_a_route_away_and_back(void)
{
	struct rte_mbuf *got[8];
	uint64_t before;

	set_up(1);
	learn();
	before = drops(WEIR_DROP_NO_ROUTE);
	publish(false);
	inject(0, udp(0xc0000205, 1));
	run();
	CU_ASSERT_EQUAL(sent(1, got, 8), 0);
	CU_ASSERT_EQUAL(drops(WEIR_DROP_NO_ROUTE), before + 1);
	publish(true);
	inject(0, udp(0xc0000205, 1));
	run();
	CU_ASSERT_EQUAL_FATAL(sent(1, got, 8), 1);
	rte_pktmbuf_free(got[0]);
	CU_ASSERT_EQUAL(weir_gens_current(weir_system_gens(sys))->number, 3);
	tear_down();
}

static void test_two_workers_share_one_queue_and_both_learn(void)
{
	struct rte_mbuf *got[256];
	uint64_t judged[2];
	uint16_t n;

	set_up(2);
	learn();
	for (uint16_t i = 0; i < 200; i++)
		inject(0, udp(0xc0000201u + i, (uint16_t)(2000 + i)));
	run();
	n = sent(1, got, 256);
	CU_ASSERT_EQUAL(n, 200);
	for (uint16_t i = 0; i < n; i++)
		rte_pktmbuf_free(got[i]);
	for (uint16_t w = 0; w < 2; w++) {
		struct weir_stage_stats st;

		weir_graph_stats(weir_engine_graph(weir_system_engine(sys, w)), 6, &st);
		judged[w] = st.pkts; /* at 60_route */
	}
	CU_ASSERT(judged[0] > 60 && judged[1] > 60);
	CU_ASSERT_EQUAL(drops(WEIR_DROP_RING_FULL), 0);
	tear_down();
}

static void test_a_wire_that_lies_costs_packets_but_no_buffers(void)
{
	const struct weir_port_mem_faults bad = {.corrupt = 20000, .seed = 7};
	struct rte_mbuf *got[256];
	unsigned out = 0, in = 0;
	uint64_t lost = 0;
	uint16_t n;

	set_up(1);
	learn();
	weir_port_mem_faults(port[1], &bad);
	for (unsigned round = 0; round < 50; round++) {
		for (uint16_t i = 0; i < 100; i++, in++) {
			struct rte_mbuf *m = udp(0xc0000201u + i, i);

			/* One byte of each third frame is not what it was. */
			if (in % 3 == 0)
				*rte_pktmbuf_mtod_offset(m, uint8_t *, 12 + in % 30) ^= 0x41;
			inject(0, m);
		}
		run();
		while ((n = sent(1, got, 256)) > 0) {
			out += n;
			rte_pktmbuf_free_bulk(got, n);
		}
		while ((n = sent(0, got, 256)) > 0)
			rte_pktmbuf_free_bulk(got, n);
	}
	for (int d = 1; d < WEIR_DROPS; d++)
		lost += drops((enum weir_drop)d);
	CU_ASSERT(out > 3000 && out < 5000);
	CU_ASSERT(lost > 100); /* and each has a name */
	CU_ASSERT_EQUAL(drops(WEIR_DROP_NONE), 0);
	tear_down();
}

static void test_a_full_port_is_a_named_drop(void)
{
	const struct weir_port_mem_faults full = {.tx_refuse = UINT16_MAX, .seed = 1};
	struct rte_mbuf *got[8];

	set_up(1);
	learn();
	weir_port_mem_faults(port[1], &full);
	for (uint16_t i = 0; i < 100; i++)
		inject(0, udp(0xc0000205, i));
	run();
	CU_ASSERT(drops(WEIR_DROP_TX_FULL) > 90);
	CU_ASSERT(sent(1, got, 8) < 8);
	tear_down();
}

WEIR_TESTS("dataplane/system", TEST(create_survives_failing_allocations),
	   TEST(a_packet_waits_for_arp_and_is_forwarded),
	   TEST(a_new_generation_takes_a_route_away_and_back),
	   TEST(two_workers_share_one_queue_and_both_learn),
	   TEST(a_wire_that_lies_costs_packets_but_no_buffers), TEST(a_full_port_is_a_named_drop))
