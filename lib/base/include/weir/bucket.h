/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A token bucket: at most a rate over the long run, at most a burst at once.
 *
 * Exact: the level is counted in billionths of a token, so a nanosecond adds exactly the rate and
 * nothing is ever rounded. Taking costs one multiplication and no division. A bucket belongs to
 * one thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <weir/must_check.h>

/** The highest rate, in tokens a second. */
#define WEIR_BUCKET_RATE_MAX UINT64_C(1000000000)
/** The largest burst, in tokens. */
#define WEIR_BUCKET_BURST_MAX UINT64_C(4294967295)
/** Units of the level in one token; also the nanoseconds in a second, which is the trick. */
#define WEIR_BUCKET_TOKEN UINT64_C(1000000000)

/** One bucket, set up by weir_bucket_init(). */
struct weir_bucket {
	uint64_t level;	   /**< what is in it, in billionths of a token */
	uint64_t capacity; /**< what fits, in the same unit */
	uint64_t rate_tps; /**< tokens a second: billionths of a token a nanosecond */
	uint64_t fill_ns;  /**< how long an empty bucket takes to be full */
	uint64_t last_ns;  /**< up to when the level is counted */
};

/**
 * Set a bucket up; it begins full.
 * @param rate_tps      Tokens a second, 1 to WEIR_BUCKET_RATE_MAX.
 * @param burst_tokens  How many it holds, 1 to WEIR_BUCKET_BURST_MAX.
 * @param now_ns        The time now, on the clock that all later calls use.
 * @return 0, or -ERANGE and the bucket is as it was.
 */
WEIR_MUST_CHECK int weir_bucket_init(struct weir_bucket *b, uint64_t rate_tps,
				     uint64_t burst_tokens, uint64_t now_ns);

/**
 * How long until @p tokens are there, if none are taken meanwhile. Divides: not for every packet.
 * @return Nanoseconds; 0 if they are there now, UINT64_MAX if they exceed the burst.
 */
WEIR_MUST_CHECK uint64_t weir_bucket_wait_ns(const struct weir_bucket *b, uint32_t tokens,
					     uint64_t now_ns);

/** Count the level up to now. A clock that went back adds nothing until it has caught up. */
static inline void weir_bucket_fill(struct weir_bucket *b, uint64_t now_ns)
{
	uint64_t passed_ns;

	if (now_ns <= b->last_ns)
		return;
	passed_ns = now_ns - b->last_ns;
	b->last_ns = now_ns;
	/* Not before this test may it be multiplied: within fill_ns the product cannot overflow. */
	if (passed_ns >= b->fill_ns) {
		b->level = b->capacity;
		return;
	}
	b->level += passed_ns * b->rate_tps;
	if (b->level > b->capacity)
		b->level = b->capacity;
}

/** Take @p tokens: all of them or none. @return Whether they were there. */
WEIR_MUST_CHECK static inline bool weir_bucket_take(struct weir_bucket *b, uint32_t tokens,
						    uint64_t now_ns)
{
	const uint64_t cost = tokens * WEIR_BUCKET_TOKEN;

	weir_bucket_fill(b, now_ns);
	if (b->level < cost)
		return false;
	b->level -= cost;
	return true;
}
