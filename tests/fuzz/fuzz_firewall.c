/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The whole firewall under hostile frames, with rules, anti-spoofing, every kind of translation and
 * small tables.
 *
 * The input is as fuzz_wire.h says. Of its heads, bit 3 is a reload of the policy in front of the
 * frame; bits 4 to 7 are milliseconds that go by, squared, or 15: it comes in one pass with the
 * next frame. TCP that acknowledges 0xffffffff acknowledges the SYN-ACK that was sent last, for
 * nobody can know the SYN proxy's cookies.
 *
 * After each frame: every stage has said one word of each packet, and no draft is left behind, that
 * is, the entries in use are the flows that have begun and not ended. At the end every buffer is
 * home.
 */

#include "fuzz_wire.h"
#include "toy_fw.h"
#include "toy_paths.h"

#include <rte_tcp.h>
#include <weir/shard.h>

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

/* Frames that come in one pass. */
#define BURST_MAX 32
#define WITH_NEXT 15

static struct toy_fw fw;
static unsigned waiting;    /* frames for the next pass */
static rte_be32_t last_seq; /* of the SYN-ACK that was sent last */

/* A generation with the policy that it holds. */
struct fuzz_gen {
	struct weir_gen gen;
	struct weir_policy *policy;
};

static void free_gen(struct weir_gen *gen)
{
	struct fuzz_gen *g = (struct fuzz_gen *)gen;

	weir_rib_release(fuzz_rib, gen->l3);
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

	for (uint8_t i = 0; i < 2; i++)
		fuzz_iface(&ifaces[i], i == 0 ? "lan" : "wan", i);
	must(weir_rib_begin(fuzz_rib) == 0 && weir_rib_set_ifaces(fuzz_rib, ifaces, 2, NULL) == 0 &&
		     weir_rib_replace(fuzz_rib, WEIR_ROUTE_STATIC, all, 2, NULL) == 0 &&
		     weir_rib_commit(fuzz_rib, l3, NULL) == 0,
	     "the routes are taken");
}

static void publish(void)
{
	struct fuzz_gen *g = calloc(1, sizeof(*g));

	must(g != NULL, "there is memory");
	set_routes(&g->gen.l3);
	g->policy = weir_policy_hold(fw.l3.policy);
	g->gen.policy = g->policy;
	g->gen.free = free_gen;
	weir_system_publish(sys, &g->gen);
}

static void begin(void)
{
	const struct weir_l3 *l3;
	struct weir_why why = {""};

	fuzz_begin("640");
	set_routes(&l3); /* so that interfaces have numbers for the policy */
	must(toy_fw_open(&fw, policy_text, fuzz_rib, &why) == 0, why.text);
	weir_rib_release(fuzz_rib, l3);
}

static void open_firewall(void)
{
	fuzz_open(toy_firewall_path, fw_sizes(fw.run.fw));
	must(weir_dpi_worker_prepare(weir_engine_shard(weir_system_engine(sys, 0))->tracker->dpi,
				     fw.l3.policy->dpi, NULL) == 0,
	     "workers can inspect");
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

static void mend(uint8_t head, struct rte_mbuf *m)
{
	struct rte_tcp_hdr *tcp = tcp_of(m);

	if (tcp != NULL && tcp->recv_ack == UINT32_MAX)
		tcp->recv_ack = rte_cpu_to_be_32(rte_be_to_cpu_32(last_seq) + 1);
	fuzz_mend(head, m);
}

static void check_flows(void)
{
	const struct weir_flow_stats *s = weir_flow_table_stats(
		weir_engine_shard(weir_system_engine(sys, 0))->tracker->flows);
	uint64_t known = s->created - s->killed;

	for (unsigned c = 0; c < WEIR_FLOW_CLASSES; c++)
		known -= s->expired[c] + s->evicted[c];
	must(s->used == known, "no draft is left behind");
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
		must(said == st.pkts, "a stage says one word of each packet");
	}
}

static void run_passes(void)
{
	fuzz_passes();
	waiting = 0;
	check_flows();
	fuzz_drain(note);
}

static void feed(uint8_t head, struct rte_mbuf *m)
{
	mend(head, m);
	if (head & 8) {
		must(toy_fw_apply(&fw, &fw.conf, NULL) == 0, "the policy is taken once more");
		publish();
	}
	fuzz_inject(head, m);
	waiting++;
	if (head >> 4 == WITH_NEXT && waiting < BURST_MAX)
		return;
	fuzz_now_ns += (uint64_t)(head >> 4) * (head >> 4) * FUZZ_MS;
	run_passes();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (wire == NULL)
		begin();
	open_firewall();
	fuzz_frames(data, size, feed);
	run_passes();
	check_verdicts();
	fuzz_close();
	return 0;
}
