/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Sequence numbers of TCP, which wrap: compared by the sign of their difference (RFC 9293 section
 * 3.4). */

#include <stdbool.h>
#include <stdint.h>

/* Whether number a is before b: they are less than 2^31 apart. */
static inline bool seq_is_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}
