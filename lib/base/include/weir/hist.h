/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A histogram of durations with a bounded relative error.
 *
 * One writer, any number of readers. A value is counted to within 1/32 (3.1 %) of itself, from 1 ns
 * to 18 minutes, in 9 KiB. Nothing here is about time as such: any number below 2^40 will do.
 *
 * Reset is by baseline, since no thread may zero another's memory: keep a copy of that moment
 * (merge into an empty one) and subtract it from later copies.
 */

#include <stdint.h>
#include <weir/must_check.h>

/** The longest duration told apart; longer ones are counted as this (18.3 minutes). */
#define WEIR_HIST_MAX_NS ((UINT64_C(1) << 40) - 1)

struct weir_hist;

/** @return A new empty histogram, or NULL if out of memory. The caller frees it. */
WEIR_MUST_CHECK struct weir_hist *weir_hist_create(void);

/** Free a histogram. NULL is allowed. */
void weir_hist_free(struct weir_hist *h);

/**
 * Count one duration. Longer ones than the range are counted as the longest.
 * Only the histogram's one writer may call; no division, no lock, no atomic read-modify-write.
 */
void weir_hist_add(struct weir_hist *h, uint64_t ns);

/**
 * Add all that @p src counted to @p dst. Merging into an empty histogram copies.
 * Only the writer of @p dst may call; @p src may be in use by its own writer.
 */
void weir_hist_merge(struct weir_hist *dst, const struct weir_hist *src);

/**
 * Take what @p base counted away from @p dst, where @p base is an earlier copy of the same
 * histogram: what is left was counted since. The longest is then known to within 1/32. Only the
 * writer of @p dst may call.
 */
void weir_hist_subtract(struct weir_hist *dst, const struct weir_hist *base);

/** Forget everything. Only the writer may call. */
void weir_hist_clear(struct weir_hist *h);

/** How many durations were counted. Any thread may call. */
uint64_t weir_hist_count(const struct weir_hist *h);

/** The sum of those counted, in nanoseconds; wraps after 584 years. Any thread may call. */
uint64_t weir_hist_sum_ns(const struct weir_hist *h);

/** The longest counted, in nanoseconds, 0 if nothing was. Any thread may call. */
uint64_t weir_hist_max_ns(const struct weir_hist *h);

/**
 * The duration that @p permille of those counted do not exceed. Any thread may call.
 * @param permille  0 is the shortest, 500 the median, 999 the 99.9th percentile, 1000 or more the
 *                  longest.
 * @return Nanoseconds, rounded up to a bucket's edge but never above the longest; 0 if nothing was
 *         counted.
 */
WEIR_MUST_CHECK uint64_t weir_hist_at(const struct weir_hist *h, unsigned permille);
