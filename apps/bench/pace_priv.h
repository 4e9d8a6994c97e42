/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Pacing: how many packets may be sent now. A token bucket, taken from in chunks that are small
 * enough for slow rates to be even and large enough for fast ones to be cheap.
 */

#include <stdint.h>
#include <weir/bucket.h>

/* A chunk is what the rate gives in this fraction of a second, or a burst if that is less. */
#define PACE_CHUNKS_PER_S 20000
/* What a stalled sender may make up for: this fraction of a second. */
#define PACE_ARREARS_PER_S 50

struct bench_pace {
	struct weir_bucket bucket;
	uint16_t chunk;	  /* 0: as fast as possible */
	uint64_t wait_ns; /* until there is a chunk after there was none */
};

/* Begin with nothing saved. A rate of 0 is no limit. Divides: once a start. */
static inline void bench_pace_init(struct bench_pace *p, uint64_t rate_pps, uint16_t burst,
				   uint64_t now_ns)
{
	const uint64_t even = rate_pps / PACE_CHUNKS_PER_S;
	const uint64_t arrears = rate_pps / PACE_ARREARS_PER_S;

	p->chunk = 0;
	if (rate_pps == 0)
		return;
	p->chunk = (uint16_t)(even < 1 ? 1 : even > burst ? burst : even);
	if (weir_bucket_init(&p->bucket, rate_pps, arrears < p->chunk ? p->chunk : arrears,
			     now_ns) < 0)
		p->chunk = 0; /* beyond 1 Gpps: no limit */
	p->bucket.level = 0;
	p->wait_ns = p->chunk * UINT64_C(1000000000) / rate_pps;
}

/* How many of up to @p burst packets may go now. */
static inline uint16_t bench_pace_take(struct bench_pace *p, uint16_t burst, uint64_t now_ns)
{
	uint16_t n = 0;

	if (p->chunk == 0)
		return burst;
	while (n + p->chunk <= burst && weir_bucket_take(&p->bucket, p->chunk, now_ns))
		n = (uint16_t)(n + p->chunk);
	return n;
}
