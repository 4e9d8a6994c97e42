/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The time of a pass: nanoseconds since some start, from the TSC without a division.
 *
 * A worker reads it once a pass and hands it down; nothing below reads a clock.
 */

#include <rte_cycles.h>
#include <stdint.h>
#include <time.h>
#include <weir/must_check.h>

/** Nanoseconds in a second. */
#define WEIR_NS_PER_S UINT64_C(1000000000)

/** TSC to nanoseconds: ns = ((tsc - start) * mult) >> 32. Read only after init. */
struct weir_clock {
	uint64_t start_tsc; /**< the TSC at 0 ns */
	uint64_t mult;	    /**< nanoseconds of a cycle, times 2^32 */
};

/** Begin at 0 now. EAL must be up (it measured the TSC). Any thread. */
static inline void weir_clock_init(struct weir_clock *c)
{
	c->start_tsc = rte_rdtsc();
	c->mult = (uint64_t)(((__uint128_t)WEIR_NS_PER_S << 32) / rte_get_tsc_hz());
}

/** Nanoseconds from a number of TSC cycles. */
WEIR_MUST_CHECK static inline uint64_t weir_clock_cycles_to_ns(const struct weir_clock *c,
							       uint64_t cycles)
{
	return (uint64_t)(((__uint128_t)cycles * c->mult) >> 32);
}

/** Nanoseconds since weir_clock_init(). */
WEIR_MUST_CHECK static inline uint64_t weir_clock_now_ns(const struct weir_clock *c)
{
	return weir_clock_cycles_to_ns(c, rte_rdtsc() - c->start_tsc);
}

/** Nanoseconds of the system's monotonic clock, without EAL. Control threads. */
WEIR_MUST_CHECK static inline uint64_t weir_clock_system_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * WEIR_NS_PER_S + (uint64_t)t.tv_nsec;
}
