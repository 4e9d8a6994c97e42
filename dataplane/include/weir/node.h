/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A stage of the pipeline: takes a burst of packets, says of each what becomes of it.
 *
 * A packet only moves to a higher-numbered stage, so one run over the stages takes every packet to
 * its end. A node fills verdict[i] for each packet of its burst; the graph moves them.
 */

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/drop.h>
#include <weir/meta.h>
#include <weir/must_check.h>

/** What a node says of a packet, and by which word a stage takes packets. */
enum weir_verdict {
	WEIR_NEXT,    /**< on to the next stage in line */
	WEIR_KNOWN,   /**< of a flow that needs nothing but the way: 60_route */
	WEIR_LOCAL,   /**< for an address of ours: 70_local */
	WEIR_OUT,     /**< meta.hop is set: 80_neigh_out finds the MAC address */
	WEIR_TX,      /**< a whole frame, meta.port_out is set: 90_tx */
	WEIR_REJECT,  /**< answer with an error, meta.drop says which: 75_reject */
	WEIR_PUNT,    /**< the kernel's business: 95_punt */
	WEIR_DROP,    /**< meta.drop says why: 99_drop */
	WEIR_HELD,    /**< the node keeps or has freed it */
	WEIR_VERDICTS /**< how many there are */
};

/** The bit of a verdict in weir_node_ops.may. */
#define WEIR_MAY(verdict) (1u << (verdict))

/** Most packets that one pass may take in; every stage has room for all of them. */
#define WEIR_PASS_PKTS 512

struct weir_gen;
struct weir_shard;

/** What is the same for a whole pass. Written by the worker before it, read by nodes. */
struct weir_pass {
	uint64_t now_ns;	    /**< the pass's time */
	const struct weir_gen *gen; /**< the pass's configuration */
};

/** The packets that a stage is given at once. */
struct weir_burst {
	struct rte_mbuf **pkt;	      /**< n packets; a source adds its own behind them */
	uint8_t *verdict;	      /**< enum weir_verdict of each, written by the node */
	uint16_t n;		      /**< how many; a source raises it */
	uint16_t room;		      /**< a source may add so many at most */
	const struct weir_pass *pass; /**< time and configuration */
};

/**
 * A kind of node. Constant; one instance is created per worker.
 *
 * The number and the name stand in the file's name too: nodes/60_route.c.
 */
struct weir_node_ops {
	const char *name;	 /**< "route" */
	uint8_t stage;		 /**< 60; a path ascends by it */
	enum weir_verdict takes; /**< the verdict that leads here; WEIR_HELD: none does */
	uint16_t may;		 /**< WEIR_MAY() of each verdict that it can say */
	bool source;		 /**< runs every pass, for it brings packets in */
	/**
	 * Make the worker's instance. NULL if there is none (self is NULL then).
	 * @return 0 or -errno. Control thread, before the worker runs.
	 */
	int (*create)(struct weir_shard *shard, void **self);
	/** Free it and drop (weir_drop()) what it holds. NULL self is allowed. Control thread. */
	void (*free)(void *self);
	/** Judge a burst. The worker's thread. */
	void (*process)(void *self, struct weir_burst *b);
	uint16_t also; /**< WEIR_MAY() of further verdicts that lead here */
};

/** Say DROP, and why. */
WEIR_MUST_CHECK static inline enum weir_verdict weir_say_drop(struct rte_mbuf *m,
							      enum weir_drop why)
{
	weir_meta(m)->drop = (uint16_t)why;
	return WEIR_DROP;
}

/** Say REJECT, and why. */
WEIR_MUST_CHECK static inline enum weir_verdict weir_say_reject(struct rte_mbuf *m,
								enum weir_drop why)
{
	weir_meta(m)->drop = (uint16_t)why;
	return WEIR_REJECT;
}
