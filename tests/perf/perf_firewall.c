/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What does weir-firewall's path cost? 64-byte packets of established TCP connections (random ones
 * of 1,024, 65,536 and 1,048,576), and of UDP flows that each packet begins, among 1,000 rules
 * (--rules); each untranslated and with its source translated; and of the latter where nothing is
 * tracked. Figures are TSC cycles a packet from port to port in memory (firewall_path.c), and the
 * least of each stage by its own statistics.
 */

#include "firewall_path.h"
#include "perf.h"

#include <inttypes.h>
#include <rte_cycles.h>
#include <stdio.h>
#include <string.h>

#define REFILLS	   32 /* of FIREWALL_PKTS packets in one sample */
#define ROUNDS_MAX 1024
#define BURST	   64
#define RULES	   1000

static const struct {
	const char *name;
	enum firewall_load load;
	uint32_t flows;
	double most; /* cycles, by issue 4; 0: none */
} cases[] = {
	{"known_1k", FIREWALL_KNOWN, 1024, 0},	    {"known_64k", FIREWALL_KNOWN, 65536, 110},
	{"known_1m", FIREWALL_KNOWN, 1048576, 170}, {"known_nat_64k", FIREWALL_KNOWN_NAT, 65536, 0},
	{"new", FIREWALL_NEW, 1048576, 1000},	    {"new_nat", FIREWALL_NEW_NAT, 1048576, 0},
	{"stateless", FIREWALL_STATELESS, 1024, 0},
};
#define CASES RTE_DIM(cases)

static double samples[CASES][ROUNDS_MAX];
/* By the number of the stage. */
#define STAGE_NUMBERS 100
static double stages[CASES][STAGE_NUMBERS];

static double sample(struct firewall *f)
{
	uint64_t cycles = 0;

	for (unsigned refill = 0; refill < REFILLS; refill++) {
		uint64_t begin;

		firewall_refill(f);
		begin = rte_rdtsc_precise();
		if (firewall_pass(f) != FIREWALL_PKTS)
			perf_die("packets were lost on the way", -EIO);
		cycles += rte_rdtsc_precise() - begin;
	}
	return (double)cycles / REFILLS / FIREWALL_PKTS;
}

/* The least of each stage's cycles a packet since `before`. */
static void keep_least(const struct weir_graph *g, const struct weir_stage_stats *before,
		       double *least)
{
	for (unsigned i = 0; i < weir_graph_stages(g); i++) {
		double *had = &least[weir_graph_node(g, i)->stage];
		struct weir_stage_stats st;
		double cycles;

		weir_graph_stats(g, i, &st);
		if (st.timed_pkts == before[i].timed_pkts)
			continue;
		cycles = (double)(st.timed_cycles - before[i].timed_cycles) /
			 (double)(st.timed_pkts - before[i].timed_pkts);
		if (*had == 0 || cycles < *had)
			*had = cycles;
	}
}

static void run(struct firewall **f, const struct perf_options *o)
{
	struct weir_stage_stats before[WEIR_STAGES];

	for (unsigned round = 0; round < o->rounds; round++) {
		for (unsigned c = 0; c < CASES; c++) {
			const struct weir_graph *g;

			if (f[c] == NULL)
				continue;
			g = weir_engine_graph(firewall_engine(f[c]));

			for (unsigned i = 0; i < weir_graph_stages(g); i++)
				weir_graph_stats(g, i, &before[i]);
			samples[c][round] = sample(f[c]);
			keep_least(g, before, stages[c]);
		}
	}
}

/* The name of a stage in any of the graphs: that of 40 differs, where nothing is tracked. */
static const char *stage_name(struct firewall **f, unsigned stage)
{
	for (unsigned c = 0; c < CASES; c++) {
		const struct weir_graph *g =
			f[c] == NULL ? NULL : weir_engine_graph(firewall_engine(f[c]));

		for (unsigned i = 0; g != NULL && i < weir_graph_stages(g); i++)
			if (weir_graph_node(g, i)->stage == stage)
				return weir_graph_node(g, i)->name;
	}
	return NULL;
}

static void print_tables(struct firewall **f, const struct perf_options *o)
{
	printf("TSC cycles a packet at bursts of %d, %u rules, %u rounds\n\n%-14s", BURST, o->rules,
	       o->rounds, "");
	for (unsigned c = 0; c < CASES; c++)
		printf(" %13s", cases[c].name);
	for (unsigned which = 0; which < 3; which++) {
		static const char *const names[] = {"path, minimum", "path, median", "allowed"};

		printf("\n%-14s", names[which]);
		for (unsigned c = 0; c < CASES; c++) {
			const double median = perf_median(samples[c], o->rounds);

			printf(" %13.1f", which == 0   ? samples[c][0]
					  : which == 1 ? median
						       : cases[c].most);
		}
	}
	for (unsigned stage = 0; stage < STAGE_NUMBERS; stage++) {
		const char *name = stage_name(f, stage);

		if (name == NULL)
			continue;
		printf("\n  %02u_%-9s", stage, name);
		for (unsigned c = 0; c < CASES; c++)
			printf(" %13.1f", stages[c][stage]);
	}
	printf("\n");
}

static void print_json(struct firewall **f, const struct perf_options *o)
{
	bool first = true;

	printf("{\"benchmark\": \"firewall\", \"rounds\": %u, \"hugepages\": %s, \"tsc_hz\": %" PRIu64
	       ", \"burst\": %d, \"rules\": %u, \"rows\": [",
	       o->rounds, o->huge ? "true" : "false", rte_get_tsc_hz(), BURST, o->rules);
	for (unsigned c = 0; c < CASES; c++) {
		const struct weir_graph *g =
			f[c] == NULL ? NULL : weir_engine_graph(firewall_engine(f[c]));
		const double median = perf_median(samples[c], o->rounds);

		if (g == NULL)
			continue;
		printf("%s\n  {\"case\": \"%s\", \"flows\": %u, \"min\": %.2f, \"median\": %.2f, "
		       "\"allowed\": %.0f, \"stages\": {",
		       first ? "" : ",", cases[c].name, cases[c].flows, samples[c][0], median,
		       cases[c].most);
		first = false;
		for (unsigned i = 0; i < weir_graph_stages(g); i++) {
			const struct weir_node_ops *node = weir_graph_node(g, i);

			printf("%s\"%02u_%s\": %.2f", i > 0 ? ", " : "", node->stage, node->name,
			       stages[c][node->stage]);
		}
		printf("}}");
	}
	printf("\n]}\n");
}

int main(int argc, char **argv)
{
	struct perf_options o = {.core = 1, .rounds = 40, .huge = true, .rules = RULES};
	struct firewall *f[CASES] = {NULL};

	perf_options(&o, argc, argv);
	if (o.rounds > ROUNDS_MAX)
		perf_die("--rounds is too large", -ERANGE);
	if (o.rules == 0)
		perf_die("--rules: the last one lets all out", -ERANGE);
	perf_eal(&o, "perf_firewall");
	for (unsigned c = 0; c < CASES; c++)
		if (o.only == NULL || strcmp(o.only, cases[c].name) == 0)
			f[c] = firewall_create(cases[c].load, cases[c].flows, o.rules, BURST);
	run(f, &o);
	if (o.json)
		print_json(f, &o);
	else
		print_tables(f, &o);
	for (unsigned c = 0; c < CASES; c++)
		if (f[c] != NULL)
			firewall_free(f[c]);
	return 0;
}
