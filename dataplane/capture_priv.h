/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What all that copy packets for somebody to read share. */

#include <stdint.h>

struct rte_mbuf;

/* Copy the first bytes of a packet, at most `most`, out of its segments. How many there were. */
uint32_t capture_copy(const struct rte_mbuf *m, uint32_t most, uint8_t *to);
