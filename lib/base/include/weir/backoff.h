/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * When to try again (exponential backoff with jitter), and when not to try at all (a circuit
 * breaker). No clock and no randomness of their own: the same calls give the same answers.
 *
 * For the control path. Each belongs to one thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <weir/must_check.h>

/** Waiting times that grow, set up by weir_backoff_init(). */
struct weir_backoff {
	uint64_t base_ns; /**< no wait is shorter */
	uint64_t max_ns;  /**< no wait is longer */
	uint64_t last_ns; /**< the wait before */
	uint64_t random;  /**< state of the generator */
};

/**
 * Set up.
 * @param base_ns  The shortest wait, at least 1.
 * @param max_ns   The longest, at least @p base_ns.
 * @param seed     Any number; different for each client, so that they do not return together.
 * @return 0 or -EINVAL.
 */
WEIR_MUST_CHECK int weir_backoff_init(struct weir_backoff *b, uint64_t base_ns, uint64_t max_ns,
				      uint64_t seed);

/**
 * The next wait: a random time from base_ns to three times the wait before, at most max_ns
 * ("decorrelated jitter", M. Brooker, "Exponential backoff and jitter", AWS 2015).
 * @return Nanoseconds to wait from now.
 */
WEIR_MUST_CHECK uint64_t weir_backoff_next(struct weir_backoff *b);

/** Begin again at base_ns, after a success. The generator goes on. */
void weir_backoff_reset(struct weir_backoff *b);

/** What a circuit breaker thinks of the other side. */
enum weir_breaker_state {
	WEIR_BREAKER_CLOSED,	/**< it works: every call is allowed */
	WEIR_BREAKER_OPEN,	/**< it failed: no call is allowed until some time has passed */
	WEIR_BREAKER_HALF_OPEN, /**< perhaps it works again: one call at a time is allowed */
};

/** A circuit breaker, set up by weir_breaker_init(). */
struct weir_breaker {
	enum weir_breaker_state state; /**< as of the last call; read it, do not write it */
	unsigned failures_to_open;     /**< failures in a row that open it */
	unsigned successes_to_close;   /**< successes in a row that close it again */
	unsigned in_a_row;	       /**< failures while closed, successes while half open */
	uint64_t open_ns;	       /**< how long it stays open */
	uint64_t retry_at_ns; /**< open: the end of that; half open: give up on the probe */
};

/**
 * Set up, closed.
 * @param failures_to_open    At least 1.
 * @param successes_to_close  At least 1.
 * @param open_ns             At least 1.
 * @return 0 or -EINVAL.
 */
WEIR_MUST_CHECK int weir_breaker_init(struct weir_breaker *b, unsigned failures_to_open,
				      unsigned successes_to_close, uint64_t open_ns);

/**
 * Ask before each call. Who is told true makes the call and reports it by weir_breaker_success()
 * or weir_breaker_failure(). A probe that is never reported counts as lost after open_ns.
 */
WEIR_MUST_CHECK bool weir_breaker_allows(struct weir_breaker *b, uint64_t now_ns);

/** The call worked. */
void weir_breaker_success(struct weir_breaker *b);

/** The call failed. */
void weir_breaker_failure(struct weir_breaker *b, uint64_t now_ns);

/** The state's name in lower case, for metrics. Never NULL. */
const char *weir_breaker_state_name(enum weir_breaker_state state);
