/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * From the hash of who speaks with whom to what lies there.
 *
 * A bucket is a line of seven entries. What finds no room at home lies in the next bucket that has
 * some, and every bucket that it has passed counts it: so a search ends at the first bucket that
 * nobody has passed, which is mostly the first. Nothing moves once it lies somewhere.
 *
 * There is a bucket for five entries, 13 bytes each. A search looks at WALK_BUCKETS at most, and
 * the last home has as many behind it, so that nothing wraps round. An entry that would lie farther
 * off is refused as if the table were full: as hashes are keyed, nobody brings that about. (A full
 * table of 20 million needs 29; with as many equal hashes as fit, it takes 448 of them.)
 */

#include "tcp_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#define SLOTS	       7
#define ALL_SLOTS      ((1u << SLOTS) - 1)
#define BUCKET_ENTRIES 5 /* as many are in a bucket on average when all are in */
#define WALK_BUCKETS   64
#define PLACE_SHIFT    3 /* a place: how far from home, and the slot */
#define PLACE_SLOT     ((1u << PLACE_SHIFT) - 1)
#define WALK_ENDS      (WALK_BUCKETS << PLACE_SHIFT)

struct bucket {
	uint32_t hash[SLOTS];
	uint32_t passed; /* entries that lie behind here and whose home is here or before */
	uint32_t ref[SLOTS];
	uint32_t used; /* a bit for each slot */
};
static_assert(sizeof(struct bucket) == RTE_CACHE_LINE_SIZE, "one line");

struct tcp_table {
	struct bucket *buckets;
	uint32_t homes;
	uint32_t n, most;
};

int tcp_table_create(uint32_t most, struct tcp_table **out)
{
	struct tcp_table *t = calloc(1, sizeof(*t));
	size_t bytes;

	if (t == NULL)
		return -ENOMEM;
	t->most = most;
	t->homes = most / BUCKET_ENTRIES + 1;
	bytes = ((size_t)t->homes + WALK_BUCKETS) * sizeof(struct bucket);
	t->buckets = aligned_alloc(RTE_CACHE_LINE_SIZE, bytes);
	if (t->buckets == NULL) {
		tcp_table_free(t);
		return -ENOMEM;
	}
	memset(t->buckets, 0, bytes);
	*out = t;
	return 0;
}

void tcp_table_free(struct tcp_table *t)
{
	if (t == NULL)
		return;
	free(t->buckets);
	free(t);
}

/* The hash's share of the homes (Lemire, "Fast random integer generation in an interval"). */
static inline struct bucket *home_of(const struct tcp_table *t, uint32_t hash)
{
	return &t->buckets[(uint64_t)hash * t->homes >> 32];
}

void tcp_table_prefetch(const struct tcp_table *t, uint32_t hash)
{
	rte_prefetch0(home_of(t, hash));
}

/* A bit for each slot that has the hash. In one step it is twice as fast as one after the other. */
static inline uint32_t slots_with(const struct bucket *b, uint32_t hash)
{
	uint32_t bits = 0;
#ifdef __SSE2__
	const __m128i want = _mm_set1_epi32((int)hash);
	const __m128i *have = (const __m128i *)b->hash; /* and what follows it, masked below */
	const __m128i first = _mm_cmpeq_epi32(_mm_load_si128(have), want);
	const __m128i second = _mm_cmpeq_epi32(_mm_load_si128(have + 1), want);
	const __m128i words = _mm_packs_epi32(first, second);

	bits = (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(words, _mm_setzero_si128()));
#else
	for (unsigned i = 0; i < SLOTS; i++)
		bits |= (uint32_t)(b->hash[i] == hash) << i;
#endif
	return bits & b->used;
}

uint32_t tcp_table_next(const struct tcp_table *t, uint32_t hash, uint32_t *at)
{
	const struct bucket *home = home_of(t, hash);

	while (*at < WALK_ENDS) {
		const struct bucket *b = home + (*at >> PLACE_SHIFT);
		const uint32_t bits = slots_with(b, hash) & ALL_SLOTS << (*at & PLACE_SLOT);

		if (bits != 0) {
			const uint32_t slot = (uint32_t)__builtin_ctz(bits);

			*at = (*at & ~PLACE_SLOT) + slot + 1;
			return b->ref[slot];
		}
		*at = b->passed == 0 ? WALK_ENDS : (*at | PLACE_SLOT) + 1;
	}
	return 0;
}

/* The entries that lie at @place, or did, have passed those before. */
static void count_passed(struct bucket *home, const struct bucket *place, int32_t by)
{
	for (struct bucket *b = home; b < place; b++)
		b->passed += (uint32_t)by;
}

bool tcp_table_add(struct tcp_table *t, uint32_t hash, uint32_t ref)
{
	struct bucket *home = home_of(t, hash), *b = home;
	uint32_t slot;

	if (t->n == t->most)
		return false;
	while (b->used == ALL_SLOTS)
		if (++b == home + WALK_BUCKETS)
			return false;
	slot = (uint32_t)__builtin_ctz(~b->used);
	b->hash[slot] = hash;
	b->ref[slot] = ref;
	b->used |= 1u << slot;
	count_passed(home, b, 1);
	t->n++;
	return true;
}

/* Where an entry that is there lies. */
static struct bucket *place_of(const struct tcp_table *t, uint32_t hash, uint32_t ref,
			       uint32_t *slot)
{
	uint32_t at = 0, found;

	while ((found = tcp_table_next(t, hash, &at)) != ref)
		assert(found != 0);
	at--;
	*slot = at & PLACE_SLOT;
	return home_of(t, hash) + (at >> PLACE_SHIFT);
}

void tcp_table_remove(struct tcp_table *t, uint32_t hash, uint32_t ref)
{
	uint32_t slot;
	struct bucket *b = place_of(t, hash, ref, &slot);

	b->used &= ~(1u << slot);
	count_passed(home_of(t, hash), b, -1);
	t->n--;
}

void tcp_table_replace(struct tcp_table *t, uint32_t hash, uint32_t old, uint32_t ref)
{
	uint32_t slot;
	struct bucket *b = place_of(t, hash, old, &slot);

	b->ref[slot] = ref;
}
