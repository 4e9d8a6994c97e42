/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The stages as nodes of DPDK's rte_graph, written as DPDK's own: a node whose packets all go on
 * moves its stream; one where packets may leave speculates on the next node as ip4_lookup does.
 * Built twice: with statistics, as Debian builds it, and without (BARE).
 */

#include "graph_contest.h"

#ifdef BARE
#undef RTE_LIBRTE_GRAPH_STATS
#define CONTESTANT contest_rte_bare
#define NAME	   "rte_graph, no stats"
#define PREFIX	   "bare-"
#else
#define CONTESTANT contest_rte
#define NAME	   "rte_graph"
#define PREFIX	   "full-"
#endif

#include <errno.h>
#include <rte_graph_worker.h>

enum edge { EDGE_NEXT, EDGE_BIN };

static struct rte_graph *graph;
static rte_graph_t graph_id;

static inline uint16_t move(struct rte_graph *g, struct rte_node *node, void **objs, uint16_t n,
			    uint32_t number)
{
	for (uint16_t i = 0; i < n; i++)
		contest_work(objs[i], number);
	rte_node_next_stream_move(g, node, EDGE_NEXT);
	return n;
}

static inline uint16_t part(struct rte_graph *g, struct rte_node *node, void **objs, uint16_t n,
			    uint32_t number)
{
	void **to = rte_node_next_stream_get(g, node, EDGE_NEXT, n), **from = objs;
	uint16_t held = 0, run = 0; /* packets that stay and wait to be copied: a run of them */

	for (uint16_t i = 0; i < n; i++) {
		const bool leaves = contest_leaves(objs[i]);

		contest_work(objs[i], number);
		if (likely(!leaves)) {
			run++;
			continue;
		}
		rte_memcpy(to, from, run * sizeof(from[0]));
		from += run;
		to += run;
		held += run;
		run = 0;
		rte_node_enqueue_x1(g, node, EDGE_BIN, from[0]);
		from++;
	}
	if (likely(run == n)) {
		rte_node_next_stream_move(g, node, EDGE_NEXT);
		return n;
	}
	rte_memcpy(to, from, run * sizeof(from[0]));
	rte_node_next_stream_put(g, node, EDGE_NEXT, held + run);
	return n;
}

static inline uint16_t end(void **objs, uint16_t n, uint32_t number)
{
	for (uint16_t i = 0; i < n; i++)
		contest_work(objs[i], number);
	return n;
}

static uint16_t source(struct rte_graph *g, struct rte_node *node, void **objs, uint16_t n)
{
	const uint16_t got = (uint16_t)contest.burst;

	contest_take((struct rte_mbuf **)node->objs);
	node->idx = got;
	return move(g, node, node->objs, got, 1);
}

static uint16_t stage2(struct rte_graph *g, struct rte_node *node, void **objs, uint16_t n)
{
	return move(g, node, objs, n, 2);
}

static uint16_t stage3(struct rte_graph *g, struct rte_node *node, void **objs, uint16_t n)
{
	return contest.divergent ? part(g, node, objs, n, CONTEST_LEAVES_A)
				 : move(g, node, objs, n, CONTEST_LEAVES_A);
}

static uint16_t stage4(struct rte_graph *g, struct rte_node *node, void **objs, uint16_t n)
{
	return move(g, node, objs, n, 4);
}

static uint16_t stage5(struct rte_graph *g, struct rte_node *node, void **objs, uint16_t n)
{
	return contest.divergent ? part(g, node, objs, n, CONTEST_LEAVES_B)
				 : move(g, node, objs, n, CONTEST_LEAVES_B);
}

static uint16_t stage6(struct rte_graph *g, struct rte_node *node, void **objs, uint16_t n)
{
	return move(g, node, objs, n, 6);
}

static uint16_t stage7(struct rte_graph *g, struct rte_node *node, void **objs, uint16_t n)
{
	return move(g, node, objs, n, 7);
}

static uint16_t stage8(struct rte_graph *g, struct rte_node *node, void **objs, uint16_t n)
{
	return end(objs, n, 8);
}

static uint16_t bin(struct rte_graph *g, struct rte_node *node, void **objs, uint16_t n)
{
	return end(objs, n, 9);
}

/* Each node's first edge leads to the one below; the two that part have a second, to the bin. */
static const struct {
	const char *name;
	rte_node_process_t process;
	uint16_t edges;
} nodes[] = {
	{PREFIX "one", source, 1},   {PREFIX "two", stage2, 1},	  {PREFIX "three", stage3, 2},
	{PREFIX "four", stage4, 1},  {PREFIX "five", stage5, 2},  {PREFIX "six", stage6, 1},
	{PREFIX "seven", stage7, 1}, {PREFIX "eight", stage8, 0}, {PREFIX "bin", bin, 0},
};

/* Nodes are registered once in a program's life. */
static int register_nodes(void)
{
	static bool done;

	for (unsigned i = 0; i < RTE_DIM(nodes) && !done; i++) {
		union {
			struct rte_node_register reg;
			uint8_t room[sizeof(struct rte_node_register) + 2 * sizeof(char *)];
		} r = {.room = {0}};

		r.reg.process = nodes[i].process;
		r.reg.nb_edges = nodes[i].edges;
		strcpy(r.reg.name, nodes[i].name);
		if (i == 0)
			r.reg.flags = RTE_NODE_SOURCE_F;
		if (nodes[i].edges > 0)
			r.reg.next_nodes[EDGE_NEXT] = nodes[i + 1].name;
		if (nodes[i].edges > 1)
			r.reg.next_nodes[EDGE_BIN] = nodes[RTE_DIM(nodes) - 1].name;
		if (__rte_node_register(&r.reg) == RTE_NODE_ID_INVALID)
			return -ENOMEM;
	}
	done = true;
	return 0;
}

static int rte_make(void)
{
	const char *patterns[] = {PREFIX "*"};
	struct rte_graph_param param = {SOCKET_ID_ANY, RTE_DIM(patterns), patterns};
	int rc = register_nodes();

	if (rc < 0)
		return rc;
	graph_id = rte_graph_create(PREFIX "graph", &param);
	if (graph_id == RTE_GRAPH_ID_INVALID)
		return -ENOMEM;
	graph = rte_graph_lookup(PREFIX "graph");
	return graph == NULL ? -ENOENT : 0;
}

static void rte_pass(void)
{
	rte_graph_walk(graph);
}

static void rte_unmake(void)
{
	rte_graph_destroy(graph_id);
}

const struct contestant CONTESTANT = {NAME, rte_make, rte_pass, rte_unmake};
