/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The stages as nodes of a weir_graph. Built three times: with the library's graph, and with copies
 * of it without timing (UNTIMED) or without timing and counters (BARE), which show what those cost.
 * A copy is the same graph.c under other names (meson.build), its clock and counting replaced here.
 */

#include "graph_contest.h"

#include <rte_cycles.h>
#include <weir/graph.h>
#include <weir/shard.h>

#if defined(BARE)
#define CONTESTANT		 contest_bare
#define NAME			 "uncounted"
#define weir_count(counter, add) ((void)(add))
#elif defined(UNTIMED)
#define CONTESTANT contest_untimed
#define NAME	   "untimed"
#else
#define CONTESTANT contest_weir
#define NAME	   "weir"
#endif

#if defined(BARE) || defined(UNTIMED)
#define rte_rdtsc() UINT64_C(0)
#include "graph.c"
#endif

static struct weir_graph *graph;

/* As in the library's nodes: the burst is in locals, for a verdict might alias anything. */
static inline void judge(struct weir_burst *b, uint32_t number, enum weir_verdict say)
{
	struct rte_mbuf *const *pkt = b->pkt;
	uint8_t *verdict = b->verdict;
	const unsigned n = b->n;

	for (unsigned i = 0; i < n; i++) {
		contest_work(pkt[i], number);
		verdict[i] = (uint8_t)say;
	}
}

static inline void part(struct weir_burst *b, uint32_t number)
{
	struct rte_mbuf *const *pkt = b->pkt;
	uint8_t *verdict = b->verdict;
	const unsigned n = b->n;

	for (unsigned i = 0; i < n; i++) {
		const bool leaves = contest_leaves(pkt[i]);

		contest_work(pkt[i], number);
		verdict[i] = leaves ? WEIR_DROP : WEIR_NEXT;
	}
}

static void source(void *self, struct weir_burst *b)
{
	contest_take(b->pkt);
	b->n = (uint16_t)contest.burst;
	judge(b, 1, WEIR_NEXT);
}

static void stage2(void *self, struct weir_burst *b)
{
	judge(b, 2, WEIR_NEXT);
}

static void stage3(void *self, struct weir_burst *b)
{
	if (contest.divergent)
		part(b, CONTEST_LEAVES_A);
	else
		judge(b, CONTEST_LEAVES_A, WEIR_NEXT);
}

static void stage4(void *self, struct weir_burst *b)
{
	judge(b, 4, WEIR_NEXT);
}

static void stage5(void *self, struct weir_burst *b)
{
	if (contest.divergent)
		part(b, CONTEST_LEAVES_B);
	else
		judge(b, CONTEST_LEAVES_B, WEIR_NEXT);
}

static void stage6(void *self, struct weir_burst *b)
{
	judge(b, 6, WEIR_NEXT);
}

static void stage7(void *self, struct weir_burst *b)
{
	judge(b, 7, WEIR_NEXT);
}

static void stage8(void *self, struct weir_burst *b)
{
	judge(b, 8, WEIR_HELD);
}

static void bin(void *self, struct weir_burst *b)
{
	judge(b, 9, WEIR_HELD);
}

#define ON	  WEIR_MAY(WEIR_NEXT)
#define ON_OR_BIN (WEIR_MAY(WEIR_NEXT) | WEIR_MAY(WEIR_DROP))
#define END	  WEIR_MAY(WEIR_HELD)

static const struct weir_node_ops nodes[] = {
	{"one", 1, WEIR_HELD, ON, true, NULL, NULL, source},
	{"two", 2, WEIR_NEXT, ON, false, NULL, NULL, stage2},
	{"three", 3, WEIR_NEXT, ON_OR_BIN, false, NULL, NULL, stage3},
	{"four", 4, WEIR_NEXT, ON, false, NULL, NULL, stage4},
	{"five", 5, WEIR_NEXT, ON_OR_BIN, false, NULL, NULL, stage5},
	{"six", 6, WEIR_NEXT, ON, false, NULL, NULL, stage6},
	{"seven", 7, WEIR_NEXT, ON, false, NULL, NULL, stage7},
	{"eight", 8, WEIR_NEXT, END, false, NULL, NULL, stage8},
	{"bin", 9, WEIR_DROP, END, false, NULL, NULL, bin},
};

static int weir_make(void)
{
	const struct weir_node_ops *path[RTE_DIM(nodes) + 1] = {NULL};

	for (unsigned i = 0; i < RTE_DIM(nodes); i++)
		path[i] = &nodes[i];
	return weir_graph_create(path, NULL, &graph, NULL);
}

static void weir_pass(void)
{
	static const struct weir_pass pass;

	weir_graph_run(graph, &pass, NULL);
}

static void weir_unmake(void)
{
	weir_graph_free(graph);
}

const struct contestant CONTESTANT = {NAME, weir_make, weir_pass, weir_unmake};
