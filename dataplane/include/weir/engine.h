/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * One engine: a worker on a core with its queues. Your callback, or a pipeline, gets each burst.
 *
 * The second way to use weir (raw.h is the first, system.h the third): shared nothing, the loop is
 * the engine's.
 */

#include <stdbool.h>
#include <stdint.h>
#include <weir/clock.h>
#include <weir/gen.h>
#include <weir/graph.h>
#include <weir/hist.h>
#include <weir/must_check.h>
#include <weir/poll.h>
#include <weir/port.h>
#include <weir/shard.h>

struct weir_engine;
struct weir_tracker_conf;

/**
 * A burst that a queue gave; the packets are yours (send or free them).
 * @return packets of work done beside, so that the engine does not rest (0 is usual).
 * The engine's thread. Called with n == 0 too if `idle_calls` is set.
 */
typedef unsigned weir_engine_burst_fn(void *ctx, struct weir_engine *e,
				      const struct weir_queue *from, struct rte_mbuf **pkts,
				      uint16_t n, uint64_t now_ns);

/** What an engine is made of. Everything pointed to is borrowed and outlives it. */
struct weir_engine_conf {
	const char *name;	       /**< whose engine it is, in sentences about failures */
	uint16_t worker;	       /**< its number, 0 to workers - 1 */
	uint16_t workers;	       /**< how many there are; 1: a lone engine */
	int numa;		       /**< node of its core, where its tables are made */
	struct rte_mempool *pool;      /**< buffers for packets of its own */
	const struct weir_queue *rxqs; /**< the queues that it polls; copied */
	uint16_t n_rxqs;	       /**< how many of them */
	struct weir_queue txq[WEIR_PORTS_MAX]; /**< by port id */
	uint16_t burst;			       /**< 1 to 256; 0: the default */
	enum weir_poll_mode poll;	       /**< how it rests */
	uint64_t gather_ns;		/**< a pipeline's pause behind several packets; 0: none */
	struct weir_limits limits;	/**< sizes of its tables; not looked at with a callback */
	struct weir_siphash_key secret; /**< random, from whoever makes the engines */
	struct weir_gens *gens;		/**< NULL: a pipeline that reads no configuration */
	struct weir_handoff *handoff;	/**< NULL: alone */
	struct weir_punt *punt;		/**< NULL: none */
	const struct weir_tracker_conf
		*tracker;	 /**< sizes of its connection tracking; NULL: none */
	struct weir_clock clock; /**< one for all engines, so that their times compare */
	/* either: */
	const struct weir_node_ops *const *path; /**< the stages, ended by NULL */
	/* or: */
	weir_engine_burst_fn *on_burst; /**< gets each burst */
	void *ctx;			/**< its first argument */
	bool idle_calls;		/**< call it for empty queues too, with n == 0 */
};

/** Default burst, chosen from the table in docs/performance. */
#define WEIR_BURST_DEFAULT 64

/** What an engine has done. */
struct weir_engine_stats {
	uint64_t passes;      /**< times round */
	uint64_t busy_passes; /**< with at least one packet or timer */
	uint64_t pkts;	      /**< that sources brought in; with a callback, what it says too */
	uint64_t busy_cycles; /**< TSC cycles of busy passes */
	uint64_t idle_cycles; /**< TSC cycles of the other passes and of spinning and pausing */
	uint64_t rests[WEIR_RESTS]; /**< how often each was chosen, by enum weir_rest */
	uint64_t slept_ns;	    /**< in naps and blocks */
};

/** Make an engine; its thread is not started. @return 0 or -errno. Control thread. */
WEIR_MUST_CHECK int weir_engine_create(const struct weir_engine_conf *conf,
				       struct weir_engine **out, struct weir_why *why);
/** Free; it must have returned from run. NULL is allowed. */
void weir_engine_free(struct weir_engine *e);

/** Go round until weir_engine_stop(). The calling thread becomes the engine's. */
void weir_engine_run(struct weir_engine *e);
/** One pass at a given time, without resting: for tests and foreign loops. @return packets. */
unsigned weir_engine_once(struct weir_engine *e, uint64_t now_ns);
/** When the next timer (or the stack, local.h) is due, UINT64_MAX: none, 0: work is waiting. The
 * engine's thread. */
WEIR_MUST_CHECK uint64_t weir_engine_due_ns(const struct weir_engine *e);
/**
 * Ask it to return from run: it ends its pass, takes nothing more from its queues, and brings what
 * other workers, the kernel and it itself had under way to an end, within a few passes. For good.
 * Any thread.
 */
void weir_engine_stop(struct weir_engine *e);
/** Wake it if it sleeps. Any thread. */
void weir_engine_kick(struct weir_engine *e);
/**
 * Wait for its answer to what it was asked, for two seconds at most. Any thread but the engine's.
 * @param done  Whether it has answered; called by this thread, with @p ask.
 * @return false: it has not, and may still; whoever asked takes the question back.
 */
WEIR_MUST_CHECK bool weir_engine_await(struct weir_engine *e, bool (*done)(const void *ask),
				       const void *ask);

/** Watch its stages (NULL: stop). It is seen from the next pass; see weir_gens_synchronize(). */
void weir_engine_watch(struct weir_engine *e, const struct weir_watch *w);

/** Its pipeline, for counters; NULL with a callback. */
const struct weir_graph *weir_engine_graph(const struct weir_engine *e);
/** What it owns, for counters. */
struct weir_shard *weir_engine_shard(struct weir_engine *e);
/** Copy its statistics. Any thread. */
void weir_engine_stats(const struct weir_engine *e, struct weir_engine_stats *out);
