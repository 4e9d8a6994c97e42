/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What does translation cost? A packet is rewritten and rewritten back, 64 of them at a time, all
 * in the first cache; a new flow's source is chosen beside 64 k flows that are known. Each figure
 * has its turn in each round. Figures are TSC cycles a packet or a flow, the least and the median;
 * docs/performance/nat.md holds a run's table.
 */

#include "perf.h"

#include "rewrite_priv.h"

#include <rte_cycles.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir/nat.h>

#define PKTS	   64
#define PASSES	   64 /* of one sample of rewriting */
#define FLOWS	   65536
#define NEW_FLOWS  2048 /* of one sample of choosing */
#define ROUNDS_MAX 4096
#define L3	   14

/* As in a pool: at odd multiples of a cache line. */
static struct packet {
	struct rte_mbuf m;
	struct weir_meta meta;
	uint8_t buf[RTE_MBUF_DEFAULT_BUF_SIZE + 2 * RTE_CACHE_LINE_SIZE];
} packets[PKTS];
static_assert(sizeof(struct packet) / RTE_CACHE_LINE_SIZE % 2 == 1, "an odd number of lines");

static struct weir_flow_table *flows;
static struct weir_nat_asker asker;
static struct icmp_idents ids;
static uint64_t state = 1;

/* xorshift64*: a fixed sequence. */
static uint32_t any(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (uint32_t)((state * UINT64_C(2685821657736338717)) >> 32);
}

static void must(int rc, const char *what)
{
	if (rc < 0)
		perf_die(what, rc);
}

/* A packet of 64 bytes, or of 78 for IPv6 with TCP; its sums need not be right to be changed. */
static void make_packet(struct packet *p, uint8_t family, uint8_t proto)
{
	const uint16_t head = family == 4 ? 20 : 40;
	uint8_t *ip = p->buf + RTE_PKTMBUF_HEADROOM + L3;

	memset(p, 0, sizeof(*p));
	p->m.buf_addr = p->buf;
	p->m.buf_len = sizeof(p->buf);
	p->m.data_off = RTE_PKTMBUF_HEADROOM;
	p->m.data_len = (uint16_t)(L3 + head + 24);
	p->m.pkt_len = p->m.data_len;
	p->m.nb_segs = 1;
	p->m.refcnt = 1;
	p->meta.flags = WEIR_META_L4 | (family == 4 ? WEIR_META_IP4 : WEIR_META_IP6);
	p->meta.l3_off = L3;
	p->meta.l4_off = (uint16_t)(L3 + head);
	p->meta.proto = proto;
	for (unsigned i = 0; i < head + 24u; i++)
		ip[i] = (uint8_t)any();
	ip[0] = family == 4 ? 0x45 : 0x60;
	if (family == 4)
		memcpy(ip + 2, "\x00\x2c\x00\x01\x40\x00\x40", 7); /* length, id, DF, TTL */
	else
		memcpy(ip + 4, "\x00\x18\x00\x40", 4);
	ip[family == 4 ? 9 : 6] = proto;
}

static void make_packets(uint8_t family, uint8_t proto)
{
	for (unsigned i = 0; i < PKTS; i++)
		make_packet(&packets[i], family, proto);
}

static struct weir_tuple tuple(uint8_t family, uint8_t proto)
{
	struct weir_tuple t = {.family = family, .proto = proto};

	for (unsigned i = 0; i < (family == 4 ? 4u : 16u); i++) {
		t.src[i] = (uint8_t)any();
		t.dst[i] = (uint8_t)any();
	}
	t.sport = (uint16_t)any();
	t.dport = (uint16_t)any();
	return t;
}

/* Each returns cycles a packet or flow. */

static double sample4(uint8_t proto)
{
	uint64_t begin;

	make_packets(4, proto);
	begin = rte_rdtsc_precise();
	for (uint32_t pass = 0; pass < PASSES; pass++)
		for (unsigned i = 0; i < PKTS; i++)
			rewrite4(&packets[i].m, pass, ~pass, (uint16_t)pass, (uint16_t)i);
	return (double)(rte_rdtsc_precise() - begin) / (PASSES * PKTS);
}

static double sample_tcp4(void)
{
	return sample4(IPPROTO_TCP);
}

static double sample_udp4(void)
{
	return sample4(IPPROTO_UDP);
}

static double sample_tcp6(void)
{
	const struct weir_tuple to[2] = {tuple(6, IPPROTO_TCP), tuple(6, IPPROTO_TCP)};
	uint64_t begin;

	make_packets(6, IPPROTO_TCP);
	begin = rte_rdtsc_precise();
	for (uint32_t pass = 0; pass < PASSES; pass++)
		for (unsigned i = 0; i < PKTS; i++)
			must(-(int)rewrite(&ids, &packets[i].m, &to[pass & 1]), "rewrite6");
	return (double)(rte_rdtsc_precise() - begin) / (PASSES * PKTS);
}

/* There or back: only one way is timed. */
static double sample_cross(bool to4)
{
	const struct weir_tuple t4 = tuple(4, IPPROTO_TCP), t6 = tuple(6, IPPROTO_TCP);
	uint64_t cycles = 0;

	make_packets(6, IPPROTO_TCP);
	for (uint32_t pass = 0; pass < 2 * PASSES; pass++) {
		const bool timed = (pass % 2 == 0) == to4;
		const uint64_t begin = rte_rdtsc_precise();

		for (unsigned i = 0; i < PKTS; i++)
			must(-(int)rewrite(&ids, &packets[i].m, pass % 2 == 0 ? &t4 : &t6),
			     "NAT64");
		cycles += timed ? rte_rdtsc_precise() - begin : 0;
	}
	return (double)cycles / (PASSES * PKTS);
}

static double sample_64(void)
{
	return sample_cross(true);
}

static double sample_46(void)
{
	return sample_cross(false);
}

/* One rule; flows of hosts in 10/8. */
static double choose(const struct weir_nat_rule *rule, uint16_t sport, bool again)
{
	static struct weir_tuple orig[NEW_FLOWS], to[NEW_FLOWS];
	const struct weir_nat_conf conf = {.source = rule, .n_source = 1};
	struct weir_nat_where where = {
		.from = 1, .to = 2, .n_own = 1, .destination_rule = WEIR_RULE_DEFAULT};
	struct weir_nat *nat = NULL;
	struct weir_why why = {0};
	uint64_t cycles;
	uint32_t by;

	if (weir_nat_compile(&conf, &nat, &why) < 0)
		perf_die(why.text, -EINVAL);
	where.own[0] = (struct weir_addr){.family = 4, .bytes = {203, 0, 113, 1}};
	for (unsigned i = 0; i < NEW_FLOWS; i++) {
		orig[i] = tuple(4, IPPROTO_UDP);
		orig[i].src[0] = 10;
		orig[i].sport = sport == 0 ? rte_cpu_to_be_16((uint16_t)(1024 + any() % 60000))
					   : rte_cpu_to_be_16(sport);
		if (again && i > 0) {
			memcpy(orig[i].src, orig[0].src, sizeof(orig[i].src));
			orig[i].sport = orig[0].sport;
		}
		to[i] = orig[i];
	}
	cycles = rte_rdtsc_precise();
	for (unsigned i = 0; i < NEW_FLOWS; i++)
		must(weir_nat_source(nat, &asker, &where, &orig[i], &to[i], &by), "a source");
	cycles = rte_rdtsc_precise() - cycles;
	for (unsigned i = 0; i < NEW_FLOWS && rule->endpoint_independent; i++)
		weir_nat_release(asker.maps, &orig[i], &to[i]);
	weir_nat_free(nat);
	return (double)cycles / NEW_FLOWS;
}

static double sample_kept(void)
{
	const struct weir_nat_rule rule = {.name = "out", .kind = WEIR_NAT_MASQUERADE};

	return choose(&rule, 0, false);
}

static double sample_sought(void)
{
	const struct weir_nat_rule rule = {.name = "out", .kind = WEIR_NAT_MASQUERADE};

	return choose(&rule, 99, false);
}

static double sample_block(void)
{
	static const struct weir_prefix pool = {.addr = {.family = 4, .bytes = {100, 64}},
						.length = 14};
	const struct weir_nat_rule rule = {
		.name = "out",
		.kind = WEIR_NAT_CGNAT,
		.inside = {.addr = {.family = 4, .bytes = {10}}, .length = 8},
		.pool = &pool,
		.n_pool = 1,
		.block = 504};

	return choose(&rule, 0, false);
}

static double sample_mapped(void)
{
	const struct weir_nat_rule rule = {
		.name = "out", .kind = WEIR_NAT_MASQUERADE, .endpoint_independent = true};

	return choose(&rule, 0, true);
}

static const struct {
	const char *name;
	double (*sample)(void);
} figures[] = {
	{"rewrite IPv4, TCP", sample_tcp4},	   {"rewrite IPv4, UDP", sample_udp4},
	{"rewrite IPv6, TCP", sample_tcp6},	   {"IPv6 to IPv4, TCP", sample_64},
	{"IPv4 to IPv6, TCP", sample_46},	   {"source: port kept", sample_kept},
	{"source: port sought", sample_sought},	   {"source: of a block", sample_block},
	{"source: mapped already", sample_mapped},
};

static void begin_flows(void)
{
	const struct weir_flow_conf conf = {.entries = 2 * FLOWS,
					    .exts = 16,
					    .timeout_ns = WEIR_FLOW_TIMEOUTS,
					    .numa = -1,
					    .secret = {1, 2}};
	struct weir_why why = {0};

	if (weir_flow_table_create(&conf, &flows, &why) < 0)
		perf_die(why.text, -ENOMEM);
	for (unsigned i = 0; i < FLOWS; i++) {
		const struct weir_tuple t = tuple(4, IPPROTO_UDP);
		const uint32_t flow = weir_flow_draft(flows, &t);
		uint32_t ref;

		must(flow == WEIR_NO_FLOW ? -ENOSPC : weir_flow_commit(flows, flow, &ref),
		     "a flow");
	}
	asker = (struct weir_nat_asker){.flows = flows, .secret = {3, 4}};
	must(weir_nat_maps_create(FLOWS, -1, &asker.secret, &asker.maps), "mappings");
}

static void print_figure(unsigned i, double *samples, unsigned rounds, bool json)
{
	const double median = perf_median(samples, rounds);

	if (json)
		printf("%s\n  {\"name\": \"%s\", \"min\": %.2f, \"median\": %.2f}",
		       i > 0 ? "," : "", figures[i].name, samples[0], median);
	else
		printf("%-24s %8.1f %8.1f\n", figures[i].name, samples[0], median);
}

int main(int argc, char **argv)
{
	static double samples[RTE_DIM(figures)][ROUNDS_MAX];
	struct perf_options o = {.core = 1, .rounds = 200};

	perf_options(&o, argc, argv);
	if (o.rounds > ROUNDS_MAX)
		perf_die("--rounds is too large", -ERANGE);
	perf_eal(&o, "perf_nat");
	begin_flows();
	for (unsigned r = 0; r < o.rounds; r++)
		for (unsigned i = 0; i < RTE_DIM(figures); i++)
			samples[i][r] = figures[i].sample();
	if (o.json)
		printf("{\"benchmark\": \"nat\", \"rounds\": %u, \"figures\": [", o.rounds);
	else
		printf("TSC cycles: minimum and median of %u rounds\n\n", o.rounds);
	for (unsigned i = 0; i < RTE_DIM(figures); i++)
		print_figure(i, samples[i], o.rounds, o.json);
	if (o.json)
		printf("\n]}\n");
	weir_nat_maps_free(asker.maps);
	weir_flow_table_free(flows);
	return 0;
}
