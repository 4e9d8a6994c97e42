/* SPDX-License-Identifier: BSD-3-Clause */
/* bucket: what of a token bucket is not for every packet. */
#include <weir/bucket.h>

#include <assert.h>
#include <errno.h>

static_assert(WEIR_BUCKET_BURST_MAX <= (UINT64_MAX - WEIR_BUCKET_RATE_MAX) / WEIR_BUCKET_TOKEN,
	      "a level one nanosecond past full still fits");

static uint64_t divide_up(uint64_t a, uint64_t b)
{
	return a / b + (a % b != 0);
}

int weir_bucket_init(struct weir_bucket *b, uint64_t rate_tps, uint64_t burst_tokens,
		     uint64_t now_ns)
{
	if (rate_tps == 0 || rate_tps > WEIR_BUCKET_RATE_MAX || burst_tokens == 0 ||
	    burst_tokens > WEIR_BUCKET_BURST_MAX)
		return -ERANGE;
	*b = (struct weir_bucket){
		.level = burst_tokens * WEIR_BUCKET_TOKEN,
		.capacity = burst_tokens * WEIR_BUCKET_TOKEN,
		.rate_tps = rate_tps,
		.fill_ns = divide_up(burst_tokens * WEIR_BUCKET_TOKEN, rate_tps),
		.last_ns = now_ns,
	};
	return 0;
}

uint64_t weir_bucket_wait_ns(const struct weir_bucket *b, uint32_t tokens, uint64_t now_ns)
{
	const uint64_t cost = tokens * WEIR_BUCKET_TOKEN;
	struct weir_bucket then = *b;

	if (cost > b->capacity)
		return UINT64_MAX;
	weir_bucket_fill(&then, now_ns);
	if (then.level >= cost)
		return 0;
	return then.last_ns - now_ns + divide_up(cost - then.level, then.rate_tps);
}
