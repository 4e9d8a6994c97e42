/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What 40_filter and 60_route share: looking up where packets go. */

#include <rte_prefetch.h>
#include <stdint.h>
#include <weir/l3.h>

/* Ask for the entries of all at once: rte_fib itself looks but a few packets ahead. */
static inline void fetch_entries4(const struct weir_l3 *l3, const uint32_t *dst, uint32_t n)
{
	if (l3->first4 == NULL)
		return;
	for (uint32_t i = 0; i < n; i++)
		rte_prefetch0(l3->first4 + (size_t)(dst[i] >> 8) * l3->first4_bytes);
}
