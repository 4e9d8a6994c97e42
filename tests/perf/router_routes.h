/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Random routes and destinations, the same in every run. */

#include <stdint.h>
#include <weir/addr.h>

/* The next number of a fixed sequence (xorshift32); *state is not 0. */
uint32_t router_random(uint32_t *state);

/* The next random prefix of a family, host bits 0; the first has number 0. */
struct weir_prefix router_random_prefix(uint32_t *state, unsigned family, unsigned number);

/* A random address in a prefix: its 4 or 16 bytes. */
void router_random_host(uint32_t *state, const struct weir_prefix *p, uint8_t *to);
