/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Counters that one thread writes and others read: structs of nothing but uint64_t. */

#include <stddef.h>
#include <stdint.h>

static inline void stack_count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* All of a struct of them, for another thread. */
static inline void stack_count_read(const void *from, void *to, size_t bytes)
{
	const uint64_t *x = from;
	uint64_t *y = to;

	for (size_t i = 0; i < bytes / sizeof(*x); i++)
		y[i] = __atomic_load_n(&x[i], __ATOMIC_RELAXED);
}
