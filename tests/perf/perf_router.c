/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What does weir-router's path cost? 64-byte UDP packets to random destinations in 100,000 IPv4 or
 * 26,000 IPv6 routes, from port to port in memory (router_path.c says what the ports do), at bursts
 * of 16, 32, 64 and 128, one after the other in each round. Figures are TSC cycles a packet: of the
 * whole path with its clock and generation, and the least of each stage by its own statistics.
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

static double samples[RTE_DIM(families)][RTE_DIM(bursts)][ROUNDS_MAX];
static double stages[RTE_DIM(families)][RTE_DIM(bursts)][WEIR_STAGES];

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

/* The least of each stage's cycles a packet since `before`; 0: no timed pass had packets there. */
static void keep_least(const struct weir_graph *g, const struct weir_stage_stats *before,
		       double *least)
{
	for (unsigned i = 0; i < weir_graph_stages(g); i++) {
		struct weir_stage_stats st;
		double cycles;

		weir_graph_stats(g, i, &st);
		if (st.timed_pkts == before[i].timed_pkts)
			continue;
		cycles = (double)(st.timed_cycles - before[i].timed_cycles) /
			 (double)(st.timed_pkts - before[i].timed_pkts);
		if (least[i] == 0 || cycles < least[i])
			least[i] = cycles;
	}
}

static bool wanted(const struct perf_options *o, unsigned family, unsigned burst)
{
	return (o->family == 0 || o->family == family) && (o->burst == 0 || o->burst == burst);
}

static void run(struct router *r, struct weir_engine **engines, const struct perf_options *o)
{
	struct weir_stage_stats before[WEIR_STAGES];

	for (unsigned round = 0; round < o->rounds; round++) {
		for (unsigned f = 0; f < RTE_DIM(families); f++) {
			for (unsigned b = 0; b < RTE_DIM(bursts); b++) {
				const struct weir_graph *g = weir_engine_graph(engines[b]);

				if (!wanted(o, families[f], bursts[b]))
					continue;
				for (unsigned i = 0; i < weir_graph_stages(g); i++)
					weir_graph_stats(g, i, &before[i]);
				samples[f][b][round] = sample(r, engines[b], families[f]);
				keep_least(g, before, stages[f][b]);
			}
		}
	}
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
			if (stages[f][0][i] == 0)
				continue;
			printf("\n  %02u_%-9s", weir_graph_node(g, i)->stage,
			       weir_graph_node(g, i)->name);
			for (unsigned b = 0; b < RTE_DIM(bursts); b++)
				printf(" %7.1f", stages[f][b][i]);
		}
		printf("\n\n");
	}
}

static void print_json(const struct router *r, const struct weir_graph *g,
		       const struct perf_options *o)
{
	const char *comma = "";

	printf("{\"benchmark\": \"router\", \"rounds\": %u, \"hugepages\": %s, \"tsc_hz\": %" PRIu64
	       ", \"pkts\": %u, \"rows\": [",
	       o->rounds, o->huge ? "true" : "false", rte_get_tsc_hz(),
	       o->rounds * SAMPLE_REFILLS * ROUTER_PKTS);
	for (unsigned f = 0; f < RTE_DIM(families); f++) {
		for (unsigned b = 0; b < RTE_DIM(bursts); b++) {
			const double median = perf_median(samples[f][b], o->rounds);

			if (!wanted(o, families[f], bursts[b]))
				continue;
			printf("%s\n  {\"family\": %u, \"routes\": %u, \"burst\": %u, \"min\": %.2f, "
			       "\"median\": %.2f, \"stages\": {",
			       comma, families[f], router_routes(r, families[f]), bursts[b],
			       samples[f][b][0], median);
			for (unsigned i = 0; i < weir_graph_stages(g); i++)
				printf("%s\"%02u_%s\": %.2f", i > 0 ? ", " : "",
				       weir_graph_node(g, i)->stage, weir_graph_node(g, i)->name,
				       stages[f][b][i]);
			printf("}}");
			comma = ",";
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
	run(r, engines, &o);
	if (o.json)
		print_json(r, weir_engine_graph(engines[0]), &o);
	else
		print_tables(r, weir_engine_graph(engines[0]), o.rounds);
	for (unsigned b = 0; b < RTE_DIM(bursts); b++)
		weir_engine_free(engines[b]);
	router_free(r);
	return 0;
}
