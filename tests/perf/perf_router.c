/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What does weir-router's path cost? 64-byte UDP packets to random destinations in 100,000 IPv4 or
 * 26,000 IPv6 routes, from port to port in memory (router_path.c says what the ports do), at bursts
 * of 16, 32, 64 and 128, one after the other in each round. Figures are TSC cycles a packet: of the
 * whole path with its clock and generation, and of each stage from its own statistics.
 */

#include "perf.h"
#include "router_path.h"

#include <inttypes.h>
#include <rte_cycles.h>
#include <stdio.h>

#define SAMPLE_REFILLS 32 /* of ROUTER_PKTS packets in one sample */
#define ROUNDS_MAX     1024

static const uint16_t bursts[] = {16, 32, 64, 128};
static const unsigned families[] = {4, 6};

/* A stage's timed packets and cycles. */
struct timed {
	uint64_t pkts, cycles;
};

static double samples[RTE_DIM(families)][RTE_DIM(bursts)][ROUNDS_MAX];
static struct timed stages[RTE_DIM(families)][RTE_DIM(bursts)][WEIR_STAGES];

static double sample(struct router *r, struct weir_engine *e, unsigned family)
{
	const unsigned passes = ROUTER_PKTS / weir_engine_shard(e)->burst;
	uint64_t cycles = 0;

	for (unsigned refill = 0; refill < SAMPLE_REFILLS; refill++) {
		uint64_t begin;

		router_refill(r, family);
		begin = rte_rdtsc_precise();
		for (unsigned i = 0; i < passes; i++)
			weir_engine_once(e, router_now_ns(r));
		cycles += rte_rdtsc_precise() - begin;
		if (router_sent(r) != ROUTER_PKTS)
			perf_die("packets were lost on the way", -EIO);
	}
	return (double)cycles / SAMPLE_REFILLS / ROUTER_PKTS;
}

/* Add to the stages' sums what their statistics say beyond `before` (sign 1) or take it away. */
static void add_stages(const struct weir_graph *g, struct timed *sums, int sign)
{
	for (unsigned i = 0; i < weir_graph_stages(g); i++) {
		struct weir_stage_stats st;

		weir_graph_stats(g, i, &st);
		sums[i].pkts += (uint64_t)sign * st.timed_pkts;
		sums[i].cycles += (uint64_t)sign * st.timed_cycles;
	}
}

static void run(struct router *r, struct weir_engine **engines, unsigned rounds)
{
	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned f = 0; f < RTE_DIM(families); f++) {
			for (unsigned b = 0; b < RTE_DIM(bursts); b++) {
				const struct weir_graph *g = weir_engine_graph(engines[b]);

				add_stages(g, stages[f][b], -1);
				samples[f][b][round] = sample(r, engines[b], families[f]);
				add_stages(g, stages[f][b], 1);
			}
		}
	}
}

static double stage_cycles(unsigned f, unsigned b, unsigned stage)
{
	const struct timed *t = &stages[f][b][stage];

	return t->pkts == 0 ? 0 : (double)t->cycles / (double)t->pkts;
}

static void print_tables(const struct router *r, const struct weir_graph *g, unsigned rounds)
{
	for (unsigned f = 0; f < RTE_DIM(families); f++) {
		printf("IPv%u, %u routes: TSC cycles a packet, %u rounds\n\n%-14s", families[f],
		       router_routes(r, families[f]), rounds, "burst");
		for (unsigned b = 0; b < RTE_DIM(bursts); b++)
			printf(" %7u", bursts[b]);
		for (unsigned which = 0; which < 2; which++) {
			printf("\n%-14s", which == 0 ? "path, minimum" : "path, median");
			for (unsigned b = 0; b < RTE_DIM(bursts); b++) {
				const double median = perf_median(samples[f][b], rounds);

				printf(" %7.1f", which == 0 ? samples[f][b][0] : median);
			}
		}
		for (unsigned i = 0; i < weir_graph_stages(g); i++) {
			if (stages[f][0][i].pkts == 0)
				continue;
			printf("\n  %02u_%-9s", weir_graph_node(g, i)->stage,
			       weir_graph_node(g, i)->name);
			for (unsigned b = 0; b < RTE_DIM(bursts); b++)
				printf(" %7.1f", stage_cycles(f, b, i));
		}
		printf("\n\n");
	}
}

static void print_json(const struct router *r, const struct weir_graph *g,
		       const struct perf_options *o)
{
	printf("{\"benchmark\": \"router\", \"rounds\": %u, \"hugepages\": %s, \"tsc_hz\": %" PRIu64
	       ", \"rows\": [",
	       o->rounds, o->huge ? "true" : "false", rte_get_tsc_hz());
	for (unsigned f = 0; f < RTE_DIM(families); f++) {
		for (unsigned b = 0; b < RTE_DIM(bursts); b++) {
			const double median = perf_median(samples[f][b], o->rounds);

			printf("%s\n  {\"family\": %u, \"routes\": %u, \"burst\": %u, \"min\": %.2f, "
			       "\"median\": %.2f, \"stages\": {",
			       f + b > 0 ? "," : "", families[f], router_routes(r, families[f]),
			       bursts[b], samples[f][b][0], median);
			for (unsigned i = 0; i < weir_graph_stages(g); i++)
				printf("%s\"%02u_%s\": %.2f", i > 0 ? ", " : "",
				       weir_graph_node(g, i)->stage, weir_graph_node(g, i)->name,
				       stage_cycles(f, b, i));
			printf("}}");
		}
	}
	printf("\n]}\n");
}

int main(int argc, char **argv)
{
	struct perf_options o = {.core = 1, .rounds = 40, .huge = true};
	struct weir_engine *engines[RTE_DIM(bursts)];
	struct router *r;

	perf_options(&o, argc, argv);
	if (o.rounds > ROUNDS_MAX)
		perf_die("--rounds is too large", -ERANGE);
	perf_eal(&o, "perf_router");
	r = router_create(o.spread);
	for (unsigned b = 0; b < RTE_DIM(bursts); b++)
		engines[b] = router_engine(r, bursts[b]);
	run(r, engines, o.rounds);
	if (o.json)
		print_json(r, weir_engine_graph(engines[0]), &o);
	else
		print_tables(r, weir_engine_graph(engines[0]), o.rounds);
	for (unsigned b = 0; b < RTE_DIM(bursts); b++)
		weir_engine_free(engines[b]);
	router_free(r);
	return 0;
}
