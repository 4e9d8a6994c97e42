/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A hierarchical timer wheel: arm and cancel cost the same however many timers wait.
 *
 * Intrusive (a timer lives in what it times), without a clock (now is passed in), without
 * allocation after create. Time is counted in ticks of a power of two of nanoseconds. A timer
 * never fires early, and at most one tick late if the wheel is run often enough. Any 64-bit
 * time is in range: nine levels of 64 slots, found by the highest bit in which the timer's tick
 * differs from the wheel's (Varghese and Lauck, "Hashed and hierarchical timing wheels", 1987).
 *
 * One thread owns a wheel and all its timers; no function here may be called by another.
 */

#include <stdbool.h>
#include <stdint.h>
#include <weir/must_check.h>

/**
 * One timer. Zeroed memory is an idle timer; set fire before arming, and do not touch the rest.
 * Memory that holds an armed timer must not be freed: cancel first.
 */
struct weir_timer {
	struct weir_timer *next;   /**< the wheel's */
	struct weir_timer **pprev; /**< the wheel's; NULL while idle */
	uint64_t tick;		   /**< the wheel's */
	/**
	 * Called when the time has come; the timer is idle by then. It may arm, cancel or free
	 * this timer and any other, but must not call weir_wheel_run().
	 */
	void (*fire)(struct weir_timer *t, uint64_t now_ns);
};

struct weir_wheel;

/**
 * Create a wheel.
 * @param tick_ns  Its resolution: a power of two, 2^11 (2 us) to 2^30 (1 s); 2^17 (131 us) is
 *                 right for network protocols.
 * @param now_ns   The time to begin with, on the clock that all later calls use.
 * @return 0, -EINVAL if @p tick_ns is none of those, -ENOMEM.
 */
WEIR_MUST_CHECK int weir_wheel_create(uint64_t tick_ns, uint64_t now_ns, struct weir_wheel **out);

/** Free a wheel. NULL is allowed. Timers that are still armed never fire. */
void weir_wheel_free(struct weir_wheel *w);

/**
 * Let a timer fire at or after @p at_ns; one that is armed already is moved.
 *
 * A time in the past means at the next run. From within fire() it means the tick after the run's
 * now, so that a timer that always arms itself for the past cannot hold up the run.
 */
void weir_wheel_arm(struct weir_wheel *w, struct weir_timer *t, uint64_t at_ns);

/** Disarm a timer. An idle one is left as it is. */
void weir_wheel_cancel(struct weir_wheel *w, struct weir_timer *t);

/**
 * Fire what is due.
 * @param now_ns      The time now. A time before that of the last call fires nothing.
 * @param max_timers  Work bound: timers fired, plus timers moved to a finer level. What is left
 *                    goes on at the next call; weir_wheel_next_ns() is then not after @p now_ns.
 * @return How many timers were fired.
 */
unsigned weir_wheel_run(struct weir_wheel *w, uint64_t now_ns, unsigned max_timers);

/**
 * When to run the wheel next.
 * @return A time that no armed timer fires before (it may be a far timer's move to a finer level);
 *         UINT64_MAX if none is armed.
 */
WEIR_MUST_CHECK uint64_t weir_wheel_next_ns(const struct weir_wheel *w);

/** Whether a timer waits to fire. */
WEIR_MUST_CHECK static inline bool weir_timer_is_armed(const struct weir_timer *t)
{
	return t->pprev != 0;
}

/** The time @p ns after @p now_ns; UINT64_MAX (never) if that is past the end of time. */
WEIR_MUST_CHECK static inline uint64_t weir_deadline_after(uint64_t now_ns, uint64_t ns)
{
	return ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + ns;
}

/** Nanoseconds left until a deadline; 0 if it has passed. */
WEIR_MUST_CHECK static inline uint64_t weir_deadline_left(uint64_t deadline_ns, uint64_t now_ns)
{
	return deadline_ns > now_ns ? deadline_ns - now_ns : 0;
}
