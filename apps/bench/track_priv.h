/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What became of the packets of one flow: lost, doubled, out of order. Told from the sequence
 * numbers that arrive. Nothing is known of what was sent before the first and after the last of
 * them.
 */

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

/* How far behind the newest a packet can be for a duplicate to be told from a late one. */
#define BENCH_TRACK_WINDOW 128

/* One flow. The worker writes; others read relaxed. Zero it to begin. */
struct bench_track {
	/* Sequence numbers of the present run as if they had 64 bits. Runs that have ended are as
	 * if they came right before it: the first is that much lower. */
	uint64_t first, newest;
	uint64_t seen[BENCH_TRACK_WINDOW / 64]; /* bit seq % window: it has come */
	uint64_t unique;			/* late ones included */
	uint64_t duplicates;
	uint64_t reordered; /* RFC 4737: came after one with a higher number */
	uint16_t run;
	bool live; /* a packet has come */
};
static_assert(sizeof(struct bench_track) == 64, "one cache line a flow");

enum bench_arrival { BENCH_IN_ORDER, BENCH_REORDERED, BENCH_DUPLICATE };

/*
 * A packet has come. A sender that began anew has another @p run. Bounded: at most a window's bits
 * are cleared.
 */
enum bench_arrival bench_track_add(struct bench_track *t, uint16_t run, uint32_t seq);

/* Packets between the first and the newest that have not come, in all runs. Any thread. */
uint64_t bench_track_lost(const struct bench_track *t);
