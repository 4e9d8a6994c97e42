/* SPDX-License-Identifier: BSD-3-Clause */

#include "track_priv.h"

#include <string.h>

static uint64_t counted(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void store(uint64_t *p, uint64_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELAXED);
}

static bool test_and_set(struct bench_track *t, uint64_t seq)
{
	uint64_t *const word = &t->seen[seq % BENCH_TRACK_WINDOW / 64];
	const uint64_t bit = UINT64_C(1) << seq % 64;
	const bool was = *word & bit;

	*word |= bit;
	return was;
}

static void begin(struct bench_track *t, uint16_t run, uint32_t seq)
{
	const uint64_t before = t->live ? t->newest - t->first + 1 : 0;

	t->run = run;
	t->live = true;
	/* High enough that what is older than the first has a number as well. */
	store(&t->newest, (UINT64_C(1) << 62) + seq);
	store(&t->first, t->newest - before);
	store(&t->unique, t->unique + 1);
	memset(t->seen, 0, sizeof(t->seen));
	test_and_set(t, t->newest);
}

/* The window moves on: what leaves it is forgotten. */
static void advance(struct bench_track *t, uint64_t seq)
{
	if (seq - t->newest >= BENCH_TRACK_WINDOW) {
		memset(t->seen, 0, sizeof(t->seen));
	} else {
		for (uint64_t s = t->newest + 1; s < seq; s++)
			t->seen[s % BENCH_TRACK_WINDOW / 64] &= ~(UINT64_C(1) << s % 64);
		t->seen[seq % BENCH_TRACK_WINDOW / 64] &= ~(UINT64_C(1) << seq % 64);
	}
	test_and_set(t, seq);
	store(&t->newest, seq);
	store(&t->unique, t->unique + 1);
}

enum bench_arrival bench_track_add(struct bench_track *t, uint16_t run, uint32_t seq)
{
	int32_t ahead;
	uint64_t full;

	if (!t->live || t->run != run) {
		begin(t, run, seq);
		return BENCH_IN_ORDER;
	}
	ahead = (int32_t)(seq - (uint32_t)t->newest);
	full = t->newest + (uint64_t)(int64_t)ahead;
	if (ahead > 0) {
		advance(t, full);
		return BENCH_IN_ORDER;
	}
	if ((uint32_t)-ahead < BENCH_TRACK_WINDOW && test_and_set(t, full)) {
		store(&t->duplicates, t->duplicates + 1);
		return BENCH_DUPLICATE;
	}
	if (full < t->first)
		store(&t->first, full);
	store(&t->unique, t->unique + 1);
	store(&t->reordered, t->reordered + 1);
	return BENCH_REORDERED;
}

uint64_t bench_track_lost(const struct bench_track *t)
{
	const uint64_t span = counted(&t->newest) - counted(&t->first) + 1;
	const uint64_t unique = counted(&t->unique);

	return t->live && span > unique ? span - unique : 0;
}
