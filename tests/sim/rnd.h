/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Random numbers that a seed repeats (splitmix64, Steele, Lea and Flood 2014). */

#include <stdbool.h>
#include <stdint.h>

struct rnd {
	uint64_t state;
};

static inline uint64_t rnd_next(struct rnd *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* One of @from to @to, both with them. */
static inline uint64_t rnd_between(struct rnd *r, uint64_t from, uint64_t to)
{
	return from + rnd_next(r) % (to - from + 1);
}

/* The same, small ones as likely as large ones: of each power of two equally many. */
static inline uint64_t rnd_scaled(struct rnd *r, uint64_t from, uint64_t to)
{
	uint64_t steps = 1, top;

	while (from << steps < to)
		steps++;
	top = from << rnd_between(r, 1, steps);
	return rnd_between(r, top / 2, top < to ? top : to);
}

static inline bool rnd_one_in(struct rnd *r, uint64_t n)
{
	return rnd_next(r) % n == 0;
}

/* With a chance of so many in a million. */
static inline bool rnd_ppm(struct rnd *r, uint32_t ppm)
{
	return ppm != 0 && rnd_next(r) % 1000000 < ppm;
}
