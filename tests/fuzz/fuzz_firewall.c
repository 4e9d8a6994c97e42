/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The whole firewall under hostile frames: what the wire says, byte by byte, at two ports, with
 * rules, anti-spoofing, every kind of translation and small tables.
 *
 * Input: records of a head byte, a length (16 bits, little-endian) and so many bytes of a frame.
 * Head: bit 0 the port; bit 1 the frame is sent to our MAC; bit 2 its IPv4 header checksum is made
 * right; bit 3 a reload of the policy in front of it; bits 4 to 7 milliseconds that go by, squared,
 * or 15: it comes in one pass with the next frame. TCP that acknowledges 0xffffffff acknowledges
 * the SYN-ACK that was sent last, for nobody can know the SYN proxy's cookies.
 *
 * After each frame: every stage has said one word of each packet, and no draft is left behind, that
 * is, the entries in use are the flows that have begun and not ended. At the end every buffer is
 * home.
 */

#include "toy_fw.h"

#include <rte_eal.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir/nodes.h>
#include <weir/rib.h>
#include <weir/shard.h>
#include <weir/system.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct weir_node_ops *const path[] = {&weir_node_rx,
						   &weir_node_ring,
						   &weir_node_origin,
						   &weir_node_parse,
						   &weir_node_neigh_in,
						   &weir_node_defrag,
						   &weir_node_conntrack,
						   &weir_node_balance,
						   &weir_node_acl,
						   &weir_node_dpi,
						   &weir_node_nat,
						   &weir_node_route,
						   &weir_node_local,
						   &weir_node_reject,
						   &weir_node_neigh_out,
						   &weir_node_tx,
						   &weir_node_punt,
						   &weir_node_drop,
						   NULL};

static const char policy_text[] =
	"ports: {lan: {device: a}, wan: {device: b}}\n"
	"zones: {out: {interfaces: wan, antispoof: true, flows: 40}}\n"
	"sets: {bad: {addresses: [198.51.100.0/24, '2001:db8:bad::/48'], entries: 64}}\n"
	"firewall:\n"
	"  default: drop\n"
	"  rules:\n"
	"    - {name: bad, source: bad, action: drop}\n"
	"    - {name: all, action: count}\n"
	"    - {name: us, to: self, action: accept}\n"
	"    - {name: dns, from: lan, proto: udp, dport: 53, action: accept, set_dscp: ef}\n"
	"    - {name: slow, from: lan, proto: icmp, action: accept, limit: {rate: 2pps}}\n"
	"    - {name: lan, from: lan, to: out, action: accept, mark: 7, inspect: true}\n"
	"    - {name: proxy, from: out, to: lan, proto: tcp, dport: 25, action: synproxy, "
	"inspect: true}\n"
	"    - {name: web, from: out, to: lan, proto: tcp, dport: [80, 8080], application: "
	"[http, dns], action: accept}\n"
	"    - {name: tcp, proto: tcp, action: reject}\n"
	"    - {name: six, from: out, source: '::/0', action: accept}\n"
	"dpi:\n"
	"  flows: 16\n"
	"  budget: 256\n"
	"  early_blocks: 16\n"
	"  messages: 2\n"
	"  domains: {no: {names: [example.com, test], action: reset}}\n"
	"nat:\n"
	"  destination:\n"
	"    - {name: web, from: out, destination: 10.0.1.1, proto: tcp, dport: 80, action: dnat, "
	"forward: '10.0.0.2:8080'}\n"
	"    - {name: sixfour, from: lan, action: nat64, inside: '64:ff9b::/96', pool: "
	"10.0.1.9/32}\n"
	"    - {name: npt, from: out, action: npt, inside: '2001:db8:f::/48', pool: "
	"'2001:db8:e::/48'}\n"
	"  source:\n"
	"    - {name: few, from: lan, to: out, proto: udp, action: snat, pool: 10.0.1.8/32, ports: "
	"5000-5007}\n"
	"    - {name: npt, from: lan, action: npt, inside: '2001:db8:f::/48', pool: "
	"'2001:db8:e::/48'}\n"
	"    - {name: rest, from: lan, to: out, source: 0.0.0.0/0, action: masquerade, "
	"endpoint_independent: true}\n"
	"conntrack: {flows: 1024, extended: 16, sources: 16, mappings: 16}\n";

#define MS    UINT64_C(1000000)
#define MBUFS 2047
/* Frames that come in one pass. */
#define BURST_MAX 32
#define WITH_NEXT 15

static struct rte_mempool *wire;
static struct weir_rib *rib;
static struct weir_system *sys;
static struct weir_port *port[2];
static struct toy_fw fw;
static uint64_t now_ns;
static unsigned waiting;    /* frames for the next pass */
static rte_be32_t last_seq; /* of the SYN-ACK that was sent last */

/* A broken promise ends the run: libFuzzer keeps the input that broke it. */
static void must(bool kept, const char *promise)
{
	if (kept)
		return;
	fprintf(stderr, "fuzz_firewall: %s\n", promise);
	abort();
}

/* A generation with the policy that it holds. */
struct fuzz_gen {
	struct weir_gen gen;
	struct weir_policy *policy;
};

static void free_gen(struct weir_gen *gen)
{
	struct fuzz_gen *g = (struct fuzz_gen *)gen;

	weir_rib_release(rib, gen->l3);
	weir_policy_release(g->policy);
	free(g);
}

static void set_routes(const struct weir_l3 **l3)
{
	struct weir_iface ifaces[2] = {0};
	const struct weir_nexthop hop = {.gateway = {.family = 4, .bytes = {10, 0, 1, 2}},
					 .iface = WEIR_NO_IFACE};
	const struct weir_nexthop hop6 = {
		.gateway = {.family = 6, .bytes = {0x20, 1, 0x0d, 0xb8, 0, 1, [15] = 2}},
		.iface = WEIR_NO_IFACE};
	const struct weir_route all[2] = {{.to = {.addr = {.family = 4}},
					   .kind = WEIR_HOP_GATEWAY,
					   .source = WEIR_ROUTE_STATIC,
					   .n_hops = 1,
					   .hops = &hop},
					  {.to = {.addr = {.family = 6}},
					   .kind = WEIR_HOP_GATEWAY,
					   .source = WEIR_ROUTE_STATIC,
					   .n_hops = 1,
					   .hops = &hop6}};

	for (uint8_t i = 0; i < 2; i++) {
		struct weir_iface *f = &ifaces[i];

		snprintf(f->name, sizeof(f->name), "%s", i == 0 ? "lan" : "wan");
		f->port = i;
		f->mtu = i == 1 ? 1280 : 1500;
		memcpy(f->mac, (uint8_t[]){2, 0, 0, 0, i, 1}, 6);
		f->n_addrs = 2;
		f->addr[0] = (struct weir_prefix){.addr = {.family = 4, .bytes = {10, 0, i, 1}},
						  .length = 24};
		f->addr[1] = (struct weir_prefix){
			.addr = {.family = 6, .bytes = {0x20, 1, 0x0d, 0xb8, 0, i, [15] = 1}},
			.length = 64};
	}
	must(weir_rib_begin(rib) == 0 && weir_rib_set_ifaces(rib, ifaces, 2, NULL) == 0 &&
		     weir_rib_replace(rib, WEIR_ROUTE_STATIC, all, 2, NULL) == 0 &&
		     weir_rib_commit(rib, l3, NULL) == 0,
	     "the routes are refused");
}

static void publish(void)
{
	struct fuzz_gen *g = calloc(1, sizeof(*g));

	must(g != NULL, "out of memory");
	set_routes(&g->gen.l3);
	g->policy = weir_policy_hold(fw.l3.policy);
	g->gen.policy = g->policy;
	g->gen.free = free_gen;
	weir_system_publish(sys, &g->gen);
}

static void begin(void)
{
	static const char *const words[] = {"fuzz",	"--no-huge", "--no-shconf",
					    "--no-pci", "-m",	     "640",
					    "-l",	"0",	     "--log-level=error"};
	static char kept[RTE_DIM(words)][32]; /* EAL may write to them */
	char *args[RTE_DIM(words)];
	static const struct weir_rib_conf small = {
		.routes4 = 256, .routes6 = 256, .groups4 = 64, .groups6 = 256, .numa = -1};
	const struct weir_l3 *l3;
	struct weir_why why = {""};

	for (unsigned i = 0; i < RTE_DIM(words); i++)
		args[i] = strcpy(kept[i], words[i]);
	must(rte_eal_init(RTE_DIM(args), args) >= 0, "EAL does not begin");
	wire = rte_pktmbuf_pool_create("wire", MBUFS, 0, sizeof(struct weir_meta),
				       RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	must(wire != NULL && weir_rib_create(&small, &rib, NULL) == 0, "no memory");
	set_routes(&l3); /* so that interfaces have numbers for the policy */
	must(toy_fw_open(&fw, policy_text, rib, &why) == 0, why.text);
	weir_rib_release(rib, l3);
}

static void open_firewall(void)
{
	static const uint16_t core;
	struct weir_system_port ports[2] = {0};
	struct weir_system_conf conf = {.name = "fuzz",
					.cores = &core,
					.workers = 1,
					.mbufs = MBUFS,
					.limits = WEIR_LIMITS_DEFAULT,
					.ports = ports,
					.n_ports = 2,
					.tracker = fw_sizes(fw.run.fw),
					.path = path};

	conf.limits.neighbours = 32;
	conf.limits.fragments = 16;
	for (uint8_t i = 0; i < 2; i++) {
		must(weir_port_mem_create("p", i, 1, 1, 512, &port[i]) == 0, "no port");
		memcpy(&port[i]->mac, (uint8_t[]){2, 0, 0, 0, i, 1}, 6);
		ports[i].given = port[i];
	}
	must(weir_system_create(&conf, &sys, NULL) == 0, "no system");
	must(weir_dpi_worker_prepare(weir_engine_shard(weir_system_engine(sys, 0))->tracker->dpi,
				     fw.l3.policy->dpi, NULL) == 0,
	     "no inspection");
	publish();
}

/* The TCP header of a frame without tags and options; NULL: it is none. */
static struct rte_tcp_hdr *tcp_of(struct rte_mbuf *m)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	const bool four = m->data_len > 34 && eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4);
	const bool six = m->data_len > 54 && eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6);
	const uint8_t *ip = (const uint8_t *)(eth + 1);
	const unsigned at = four ? 34 : 54;

	if (m->data_len < at + sizeof(struct rte_tcp_hdr) ||
	    !((four && ip[9] == IPPROTO_TCP) || (six && ip[6] == IPPROTO_TCP)))
		return NULL;
	return rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, at);
}

static void note(struct rte_mbuf *m)
{
	const struct rte_tcp_hdr *tcp = tcp_of(m);

	if (tcp != NULL && (tcp->tcp_flags & 0x12) == 0x12)
		last_seq = tcp->sent_seq;
}

static void drain(void)
{
	struct rte_mbuf *got[64];
	uint16_t n;

	for (unsigned p = 0; p < 2; p++) {
		while ((n = weir_port_mem_sent(port[p], 0, got, 64)) > 0) {
			for (uint16_t i = 0; i < n; i++) {
				must(got[i]->pkt_len >= RTE_ETHER_HDR_LEN &&
					     got[i]->pkt_len <= 1522,
				     "a frame of an impossible length was sent");
				note(got[i]);
			}
			rte_pktmbuf_free_bulk(got, n);
		}
	}
}

static void mend(uint8_t head, struct rte_mbuf *m)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(eth + 1);
	struct rte_tcp_hdr *tcp = tcp_of(m);

	if (tcp != NULL && tcp->recv_ack == UINT32_MAX)
		tcp->recv_ack = rte_cpu_to_be_32(rte_be_to_cpu_32(last_seq) + 1);
	if ((head & 2) && m->data_len >= sizeof(*eth))
		eth->dst_addr = port[head & 1]->mac;
	if (!(head & 4) || m->data_len < sizeof(*eth) + sizeof(*ip) ||
	    m->data_len < sizeof(*eth) + rte_ipv4_hdr_len(ip))
		return;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static void check_flows(void)
{
	const struct weir_flow_stats *s = weir_flow_table_stats(
		weir_engine_shard(weir_system_engine(sys, 0))->tracker->flows);
	uint64_t known = s->created - s->killed;

	for (unsigned c = 0; c < WEIR_FLOW_CLASSES; c++)
		known -= s->expired[c] + s->evicted[c];
	must(s->used == known, "a draft was left behind");
}

/* What came into a stage is what it said something of. */
static void check_verdicts(void)
{
	const struct weir_graph *g = weir_engine_graph(weir_system_engine(sys, 0));

	for (unsigned i = 0; i < weir_graph_stages(g); i++) {
		struct weir_stage_stats st;
		uint64_t said = 0;

		weir_graph_stats(g, i, &st);
		for (unsigned v = 0; v < WEIR_VERDICTS; v++)
			said += st.verdicts[v];
		must(said == st.pkts, "a stage said nothing, or two words, of a packet");
	}
}

static void run_passes(void)
{
	for (unsigned i = 0; i < 3; i++)
		weir_engine_once(weir_system_engine(sys, 0), now_ns);
	waiting = 0;
	check_flows();
	drain();
}

static void feed(uint8_t head, const uint8_t *bytes, uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(wire);

	must(m != NULL, "buffers of the wire were lost");
	memcpy(rte_pktmbuf_append(m, len), bytes, len);
	mend(head, m);
	if (head & 8) {
		must(toy_fw_apply(&fw, &fw.conf, NULL) == 0, "the policy is refused");
		publish();
	}
	must(weir_port_mem_inject(port[head & 1], 0, &m, 1) == 1, "the port is full");
	waiting++;
	if (head >> 4 == WITH_NEXT && waiting < BURST_MAX)
		return;
	now_ns += (uint64_t)(head >> 4) * (head >> 4) * MS;
	run_passes();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (wire == NULL)
		begin();
	open_firewall();
	now_ns = MS;
	while (size >= 3) {
		uint16_t len = (uint16_t)(data[1] | data[2] << 8);
		const uint8_t head = data[0];

		data += 3;
		size -= 3;
		if (len > 1518)
			len = 1518;
		if (len > size)
			len = (uint16_t)size;
		feed(head, data, len);
		data += len;
		size -= len;
	}
	run_passes();
	check_verdicts();
	weir_system_free(sys);
	must(rte_mempool_in_use_count(wire) == 0, "a buffer leaked");
	return 0;
}
