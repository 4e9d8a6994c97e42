/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What does moving packets through eight stages cost? Plain calls, weir_graph and DPDK's rte_graph
 * do the same work on the same packets, one after the other in each round, at bursts of 8, 32, 64
 * and 256, all packets alike or an eighth leaving at the third and at the fifth stage.
 * Figures are TSC cycles a packet. docs/adr/0001-pipeline.md holds a run's table.
 */

#include "graph_contest.h"
#include "perf.h"

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>

#define SAMPLE_PKTS 32768 /* packets of one sample */
#define ROUNDS_MAX  4096

struct contest contest;

static const struct contestant *const contestants[] = {&contest_hand,	 &contest_weir,
						       &contest_untimed, &contest_bare,
						       &contest_rte,	 &contest_rte_bare};

static const unsigned bursts[] = {8, 32, 64, 256};

static double samples[RTE_DIM(contestants)][ROUNDS_MAX];

/* A fixed sequence (xorshift32). */
static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/*
 * Packets lie as in a pool in hugepages, at odd multiples of a cache line. (A pool in 4 KiB pages
 * gives each packet a page, so that all metadata meets in one set of the first cache.)
 */
static struct packet {
	struct rte_mbuf m;
	struct weir_meta meta;
	uint8_t buf[RTE_MBUF_DEFAULT_BUF_SIZE + 2 * RTE_CACHE_LINE_SIZE];
} packets[CONTEST_PKTS];
static_assert(sizeof(struct packet) / RTE_CACHE_LINE_SIZE % 2 == 1, "an odd number of lines");

static void make_packets(void)
{
	uint32_t state = 1;

	for (unsigned i = 0; i < CONTEST_PKTS; i++) {
		packets[i].meta.hash = next_random(&state);
		contest.pkt[i] = &packets[i].m;
	}
}

static double sample(const struct contestant *c)
{
	const unsigned passes = SAMPLE_PKTS / contest.burst;
	uint64_t begin;

	for (unsigned i = 0; i < passes / 8 + 1; i++)
		c->pass(); /* warm its code and stream */
	begin = rte_rdtsc_precise();
	for (unsigned i = 0; i < passes; i++)
		c->pass();
	return (double)(rte_rdtsc_precise() - begin) / SAMPLE_PKTS;
}

static void run(unsigned burst, bool divergent, unsigned rounds)
{
	contest.burst = burst;
	contest.divergent = divergent;
	contest.at = 0;
	for (unsigned i = 0; i < RTE_DIM(contestants); i++) {
		const int rc = contestants[i]->make();

		if (rc < 0)
			perf_die(contestants[i]->name, rc);
	}
	for (unsigned r = 0; r < rounds; r++)
		for (unsigned i = 0; i < RTE_DIM(contestants); i++)
			samples[i][r] = sample(contestants[i]);
	for (unsigned i = 0; i < RTE_DIM(contestants); i++)
		contestants[i]->unmake();
}

static void print_row(unsigned burst, bool divergent, unsigned rounds, bool json, bool first)
{
	if (json)
		printf("%s\n  {\"burst\": %u, \"divergent\": %s, \"cycles\": {", first ? "" : ",",
		       burst, divergent ? "true" : "false");
	else
		printf("%-9s %5u", divergent ? "divergent" : "uniform", burst);
	for (unsigned i = 0; i < RTE_DIM(contestants); i++) {
		const double median = perf_median(samples[i], rounds);

		if (json)
			printf("%s\"%s\": {\"min\": %.2f, \"median\": %.2f}", i > 0 ? ", " : "",
			       contestants[i]->name, samples[i][0], median);
		else
			printf("  %5.1f %5.1f", samples[i][0], median);
	}
	printf(json ? "}}" : "\n");
}

static void print_head(const struct perf_options *o)
{
	if (o->json) {
		printf("{\"benchmark\": \"graph\", \"rounds\": %u, \"tsc_hz\": %lu, \"rows\": [",
		       o->rounds, (unsigned long)rte_get_tsc_hz());
		return;
	}
	printf("TSC cycles a packet, 8 stages: minimum and median of %u rounds\n\n", o->rounds);
	printf("%-9s %5s", "packets", "burst");
	for (unsigned i = 0; i < RTE_DIM(contestants); i++)
		printf("  %11.11s", contestants[i]->name);
	printf("\n");
}

int main(int argc, char **argv)
{
	struct perf_options o = {.core = 1, .rounds = 200};
	bool first = true;

	perf_options(&o, argc, argv);
	if (o.rounds > ROUNDS_MAX)
		perf_die("--rounds is too large", -ERANGE);
	perf_eal(&o, "perf_graph");
	make_packets();
	print_head(&o);
	for (unsigned d = 0; d < 2; d++) {
		for (unsigned i = 0; i < RTE_DIM(bursts); i++) {
			run(bursts[i], d == 1, o.rounds);
			print_row(bursts[i], d == 1, o.rounds, o.json, first);
			first = false;
		}
	}
	if (o.json)
		printf("\n]}\n");
	return 0;
}
