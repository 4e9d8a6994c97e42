/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A generation: everything that a pass reads of the configuration, immutable once published.
 *
 * The control thread builds one, publishes it with one store, and retires the old one when every
 * worker has ended a pass or sleeps (RCU by quiescent states). A failure to build leaves the old
 * one running.
 */

#include <rte_rcu_qsbr.h>
#include <stdatomic.h>
#include <stdint.h>
#include <weir/l3.h>
#include <weir/must_check.h>

struct weir_policy;

/** One configuration. Published ones are read only. */
struct weir_gen {
	uint64_t number;	  /**< 1 for the first; set by weir_gens_publish() */
	const struct weir_l3 *l3; /**< interfaces, addresses, routes; NULL in a bridge-like app */
	const struct weir_policy *policy; /**< what the stages 30 to 50 read; NULL without them */
	void *app;			  /**< what the app's own nodes read */
	void (*free)(struct weir_gen *);  /**< called when no worker can see it any more */
};

/** The current generation and who may still be reading an older one. */
struct weir_gens;

/** @param workers how many threads will read. @return 0 or -ENOMEM. Control thread. */
WEIR_MUST_CHECK int weir_gens_create(unsigned workers, struct weir_gens **out);
/** Free, with the current generation. No worker may run. NULL is allowed. */
void weir_gens_free(struct weir_gens *gs);

/**
 * Make @p fresh the current one, wait until no worker reads the old one, free that.
 * @param fresh ownership moves here. Control thread; returns within a pass of the slowest worker.
 */
void weir_gens_publish(struct weir_gens *gs, struct weir_gen *fresh);

/** Wait until every worker has ended the pass that it is in. Control thread. */
void weir_gens_synchronize(struct weir_gens *gs);

/** The current one as the control thread sees it; NULL before the first. */
const struct weir_gen *weir_gens_current(const struct weir_gens *gs);

/* For the worker's thread: */

/** Register; the worker is awake from now. */
void weir_gens_join(struct weir_gens *gs, unsigned worker);
/** This pass's configuration: one acquire load. */
WEIR_MUST_CHECK const struct weir_gen *weir_gens_enter(const struct weir_gens *gs);
/** The pass has ended: nothing read in it is used any more. */
void weir_gens_leave(struct weir_gens *gs, unsigned worker);
/** About to sleep: whoever publishes need not wait. */
void weir_gens_sleep(struct weir_gens *gs, unsigned worker);
/** Awake again. */
void weir_gens_wake(struct weir_gens *gs, unsigned worker);
/** Unregister. */
void weir_gens_part(struct weir_gens *gs, unsigned worker);
