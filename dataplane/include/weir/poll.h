/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * How a worker rests when nothing comes: a ladder from spinning to sleeping, as a pure function.
 */

#include <stdbool.h>
#include <stdint.h>
#include <weir/must_check.h>

/** How a worker rests when nothing comes. */
enum weir_poll_mode {
	WEIR_POLL_BUSY,	     /**< never rest */
	WEIR_POLL_ADAPTIVE,  /**< spin, pause, nap, then block on the queues' interrupts */
	WEIR_POLL_INTERRUPT, /**< block at once */
};

/** What to do until the next pass. */
enum weir_rest {
	WEIR_REST_SPIN,	 /**< nothing */
	WEIR_REST_PAUSE, /**< a few pause instructions */
	WEIR_REST_NAP,	 /**< sleep for rest_ns */
	WEIR_REST_BLOCK, /**< sleep until an interrupt, at most rest_ns */
	WEIR_RESTS	 /**< how many there are */
};

/** The ladder's steps. */
struct weir_poll_cfg {
	enum weir_poll_mode mode; /**< how far up the ladder it may go */
	bool can_block;		  /**< every queue of the worker has a wake-up */
	uint64_t spin_ns;	  /**< idle for less: spin */
	uint64_t pause_ns;	  /**< idle for less: pause */
	uint64_t nap_min_ns;	  /**< first nap; each is twice the one before */
	uint64_t nap_max_ns;	  /**< longest nap where it cannot block; beyond it where it can, it
				     blocks */
	uint64_t block_max_ns;	  /**< longest block */
};

/** The defaults of a mode. */
WEIR_MUST_CHECK struct weir_poll_cfg weir_poll_defaults(enum weir_poll_mode mode, bool can_block);

/** Where on the ladder a worker stands. Zero it to begin. */
struct weir_poll {
	uint64_t idle_since_ns; /**< the time of the first empty pass; counts while idle */
	uint64_t nap_ns;	/**< the last nap's length; 0: none since a packet came */
	bool idle;		/**< the last pass was empty (never so in mode busy) */
};

/**
 * The next rest.
 * @param got     packets of the pass just ended
 * @param now_ns  the pass's time
 * @param due_ns  when a timer is due; UINT64_MAX: none. No rest goes beyond it.
 * @param rest_ns out: how long, for NAP and BLOCK
 * No clock, no system call. The worker's thread.
 */
WEIR_MUST_CHECK enum weir_rest weir_poll_rest(struct weir_poll *p, const struct weir_poll_cfg *cfg,
					      unsigned got, uint64_t now_ns, uint64_t due_ns,
					      uint64_t *rest_ns);
