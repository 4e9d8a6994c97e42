/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The pipeline of one worker: stages in ascending order, wired by verdicts, run in one pass.
 */

#include <stdint.h>
#include <weir/must_check.h>
#include <weir/node.h>
#include <weir/why.h>

/** Most stages in a path. */
#define WEIR_STAGES 32

struct weir_graph;

/** What a stage has done since it was made. One writer (the worker); read with relaxed loads. */
struct weir_stage_stats {
	uint64_t bursts;		  /**< times it ran with at least one packet */
	uint64_t pkts;			  /**< packets it judged */
	uint64_t verdicts[WEIR_VERDICTS]; /**< what it said */
	uint64_t timed_pkts;		  /**< packets of the passes that were timed (one in 64) */
	uint64_t timed_cycles;		  /**< TSC cycles that those took here */
};

/** Sees every burst after a stage has judged it: weirctl trace and pcap. */
struct weir_watch {
	/** @param stage index in the path. The worker's thread; must not change the packets' fate.
	 */
	void (*see)(const struct weir_watch *w, unsigned stage, const struct weir_burst *b);
};

/**
 * Wire a path and make each node's instance.
 *
 * Checked here: stages ascend, there are at most WEIR_STAGES, and each verdict that a node may say
 * leads to a later stage; else -EINVAL and a sentence that names both.
 * @param path  array that ends with NULL; borrowed.
 * @param shard what the worker owns; borrowed, outlives the graph. NULL if no node needs it.
 * @return 0, -EINVAL, -ENOMEM or what a node's create returned. Control thread.
 */
WEIR_MUST_CHECK int weir_graph_create(const struct weir_node_ops *const *path,
				      struct weir_shard *shard, struct weir_graph **out,
				      struct weir_why *why);

/** Free it and its nodes; packets that they hold are dropped as STOPPING. NULL is allowed. */
void weir_graph_free(struct weir_graph *g);

/**
 * Run every packet that the sources bring to its end.
 * @return Packets that came in. The worker's thread.
 */
unsigned weir_graph_run(struct weir_graph *g, const struct weir_pass *pass,
			const struct weir_watch *watch);

/** Number of stages. */
unsigned weir_graph_stages(const struct weir_graph *g);
/** The node at a stage's index, for its name; NULL if out of range. */
const struct weir_node_ops *weir_graph_node(const struct weir_graph *g, unsigned stage);
/** Passes run so far. Any thread. */
uint64_t weir_graph_passes(const struct weir_graph *g);
/** Copy a stage's counters. Any thread; the counters of a running stage are each exact, not
 * together. */
void weir_graph_stats(const struct weir_graph *g, unsigned stage, struct weir_stage_stats *out);
