/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Log-linear buckets: every power of two is cut into 32 equal parts, so a bucket is never wider
 * than 1/32 of the values in it. Values below 64 have a bucket each.
 *
 * The writer's additions are a plain load and store (relaxed): it is alone. Readers may see a value
 * in its bucket before it is in the sum.
 */

#include <weir/hist.h>

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#define PART_BITS 5
#define PARTS	  (1U << PART_BITS)
#define TOP_BIT	  39 /* of WEIR_HIST_MAX_NS */
#define BUCKETS	  (((TOP_BIT - PART_BITS) + 2) * PARTS)

struct weir_hist {
	_Atomic uint64_t sum_ns;	 /* the writer's */
	_Atomic uint64_t max_ns;	 /* the writer's */
	_Atomic uint64_t count[BUCKETS]; /* the writer's */
};

static_assert(WEIR_HIST_MAX_NS >> TOP_BIT == 1, "the last bucket ends at the longest duration");
static_assert(sizeof(struct weir_hist) <= 9 * 1024 + 16, "the header promises 9 KiB");

static uint64_t load(const _Atomic uint64_t *p)
{
	return atomic_load_explicit(p, memory_order_relaxed);
}

static void store(_Atomic uint64_t *p, uint64_t v)
{
	atomic_store_explicit(p, v, memory_order_relaxed);
}

static unsigned bucket_of(uint64_t ns)
{
	/* "| PARTS": small values share the shift of the first power that has 32 parts */
	const unsigned shift = (63 - PART_BITS) - (unsigned)__builtin_clzll(ns | PARTS);

	return (shift << PART_BITS) + (unsigned)(ns >> shift);
}

/* The largest value that a bucket counts. */
static uint64_t edge_of(unsigned bucket)
{
	const unsigned shift = bucket < 2 * PARTS ? 0 : (bucket >> PART_BITS) - 1;

	return (((uint64_t)(bucket - (shift << PART_BITS)) + 1) << shift) - 1;
}

struct weir_hist *weir_hist_create(void)
{
	return calloc(1, sizeof(struct weir_hist));
}

void weir_hist_free(struct weir_hist *h)
{
	free(h);
}

void weir_hist_add(struct weir_hist *h, uint64_t ns)
{
	_Atomic uint64_t *count;

	if (__builtin_expect(ns > WEIR_HIST_MAX_NS, 0))
		ns = WEIR_HIST_MAX_NS;
	if (ns > load(&h->max_ns))
		store(&h->max_ns, ns); /* first, so that no reader sees a count above it */
	count = &h->count[bucket_of(ns)];
	store(count, load(count) + 1);
	store(&h->sum_ns, load(&h->sum_ns) + ns);
}

void weir_hist_merge(struct weir_hist *dst, const struct weir_hist *src)
{
	if (load(&src->max_ns) > load(&dst->max_ns))
		store(&dst->max_ns, load(&src->max_ns));
	for (unsigned i = 0; i < BUCKETS; i++)
		store(&dst->count[i], load(&dst->count[i]) + load(&src->count[i]));
	store(&dst->sum_ns, load(&dst->sum_ns) + load(&src->sum_ns));
}

/* Never below 0, also if the base is not of this histogram. */
static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

void weir_hist_subtract(struct weir_hist *dst, const struct weir_hist *base)
{
	uint64_t longest = 0;

	for (unsigned i = 0; i < BUCKETS; i++) {
		const uint64_t left = minus(load(&dst->count[i]), load(&base->count[i]));

		store(&dst->count[i], left);
		if (left != 0)
			longest = edge_of(i);
	}
	store(&dst->sum_ns, minus(load(&dst->sum_ns), load(&base->sum_ns)));
	if (longest < load(&dst->max_ns))
		store(&dst->max_ns, longest);
}

void weir_hist_clear(struct weir_hist *h)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		store(&h->count[i], 0);
	store(&h->sum_ns, 0);
	store(&h->max_ns, 0);
}

uint64_t weir_hist_count(const struct weir_hist *h)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < BUCKETS; i++)
		count += load(&h->count[i]);
	return count;
}

uint64_t weir_hist_sum_ns(const struct weir_hist *h)
{
	return load(&h->sum_ns);
}

uint64_t weir_hist_max_ns(const struct weir_hist *h)
{
	return load(&h->max_ns);
}

uint64_t weir_hist_at(const struct weir_hist *h, unsigned permille)
{
	const uint64_t total = weir_hist_count(h);
	const uint64_t max = load(&h->max_ns);
	uint64_t rank, edge = 0, seen = 0;

	if (total == 0)
		return 0;
	if (permille >= 1000)
		permille = 1000;
	/* ceil(total * permille / 1000) without overflow; at least the first */
	rank = total / 1000 * permille + (total % 1000 * permille + 999) / 1000;
	if (rank == 0)
		rank = 1;
	for (unsigned i = 0; i < BUCKETS && seen < rank; i++) {
		const uint64_t n = load(&h->count[i]);

		if (n != 0)
			edge = edge_of(i);
		seen += n;
	}
	return edge < max ? edge : max;
}
