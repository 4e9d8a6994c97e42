/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What one worker owns: its buffers, timers, queues, neighbours, counters. Nobody else writes it.
 */

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/drop.h>
#include <weir/l3.h>
#include <weir/must_check.h>
#include <weir/node.h>
#include <weir/siphash.h>
#include <weir/wheel.h>

/** Workers of a system at most. */
#define WEIR_WORKERS_MAX 64

struct weir_gens;
struct weir_handoff;
struct weir_local;
struct weir_neigh_table;
struct weir_origin;
struct weir_port;
struct weir_punt;
struct weir_tracker;

/** Sizes that an operator may set; each reached one is a counted, named drop. */
struct weir_limits {
	uint32_t neighbours;	      /**< entries of a worker's neighbour table */
	uint32_t neighbour_queue;     /**< packets that wait for one neighbour */
	uint32_t fragments;	      /**< datagrams being reassembled by a worker */
	uint64_t fragment_timeout_ns; /**< how long one of them waits for the rest */
	uint64_t icmp_errors_per_s;   /**< errors and RSTs that a worker sends */
	uint64_t punt_pps;	      /**< packets that a worker gives to the kernel */
};

/** The defaults, as the manual prints them. */
#define WEIR_LIMITS_DEFAULT                                                    \
	((struct weir_limits){.neighbours = 4096,                              \
			      .neighbour_queue = 16,                           \
			      .fragments = 1024,                               \
			      .fragment_timeout_ns = 5 * UINT64_C(1000000000), \
			      .icmp_errors_per_s = 1000,                       \
			      .punt_pps = 100000})

/** Counters of a worker beside its stages'. One writer (the worker); read with relaxed loads. */
struct weir_counters {
	uint64_t drops[WEIR_DROPS]; /**< packets, by enum weir_drop */
	uint64_t icmp_errors_sent;  /**< answers of 75_reject: ICMP errors and RSTs */
	uint64_t neigh_learned;	    /**< ARP and ND messages that told of a neighbour */
	uint64_t neigh_requests;    /**< ARP requests and neighbour solicitations sent */
	uint64_t reassembled;	    /**< datagrams put together */
	uint64_t fragmented;	    /**< packets cut into fragments */
	uint64_t tx_copied;	    /**< frames copied because the port cannot send segments */
	uint64_t tx_cut;	    /**< TCP segments cut because the port cannot */
	uint64_t csum_software;	    /**< checksums that no port would do */
};

/** A queue of a port. */
struct weir_queue {
	struct weir_port *port; /**< borrowed; NULL: no queue */
	uint16_t queue;		/**< its number at the port, from 0 */
};

/** Everything one worker owns. Made by the engine; nodes keep a pointer to it. */
struct weir_shard {
	uint16_t worker;		/**< 0 to workers - 1 */
	uint16_t workers;		/**< how many share the ports */
	uint16_t burst;			/**< packets asked of a queue at once */
	int numa;			/**< node of the worker's core */
	struct rte_mempool *pool;	/**< buffers for packets made here */
	struct weir_wheel *wheel;	/**< runs after each pass */
	struct weir_origin *origin;	/**< what it sends itself: next pass's 02_origin */
	struct weir_neigh_table *neigh; /**< its neighbours; NULL with a callback */
	struct weir_handoff *handoff;	/**< rings from and to the other workers, NULL if alone */
	struct weir_punt *punt;		/**< kernel path, NULL if none */
	struct weir_local *local;	/**< who takes packets for us (local.h), NULL: nobody */
	struct weir_tracker *tracker;	/**< flows and what goes with them, NULL if none */
	struct weir_gens *gens;		/**< the system's generations; NULL: none are read */
	const struct weir_queue *rxqs;	/**< the queues that it polls */
	uint16_t n_rxqs;		/**< how many of them; 0 while the worker drains */
	uint64_t gather_ns;		/**< how long packets gather behind several; constant */
	uint64_t gather_until_ns;	/**< 00_rx takes nothing before; the worker writes */
	bool draining;			/**< the last passes: what is inside comes to its end */
	struct weir_queue txq[WEIR_PORTS_MAX]; /**< its queue of each port; port NULL: by handoff */
	struct weir_limits limits;	       /**< sizes of its tables; constant */
	struct weir_siphash_key secret; /**< keys every hash of what an attacker may choose */
	struct weir_counters counters;	/**< the worker adds by weir_count(), others read */
};

/** Add to a counter that only this thread writes and others read. */
static inline void weir_count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/** Read a counter of another thread. */
WEIR_MUST_CHECK static inline uint64_t weir_counted(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/** Count and free a packet that a node holds outside a burst. The worker's thread. */
static inline void weir_drop(struct weir_shard *s, struct rte_mbuf *m, enum weir_drop why)
{
	weir_count(&s->counters.drops[why], 1);
	rte_pktmbuf_free(m);
}

/**
 * Send a packet round: it enters the next pass at 02_origin, which says @p verdict of it.
 * @param verdict WEIR_NEXT (parse it), WEIR_OUT (hop is set) or WEIR_TX (port_out is set).
 * The packet is owned by the queue; when that is full, or the packet went round more than twice,
 * it is dropped and counted (ORIGIN_FULL, LOOP). The worker's thread.
 */
void weir_origin_push(struct weir_origin *o, struct rte_mbuf *m, enum weir_verdict verdict);

/** A new packet buffer with cleared metadata and WEIR_META_OURS, or NULL (counted as NO_MBUF). */
WEIR_MUST_CHECK struct rte_mbuf *weir_shard_alloc(struct weir_shard *s);
