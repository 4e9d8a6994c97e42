/* SPDX-License-Identifier: BSD-3-Clause */

/* Random routes over a few gateways, their lengths as in the Internet's tables. */

#include "router_routes.h"

#include <stdbool.h>
#include <string.h>

#include "router_path.h"

#define BLOCKS6 4096 /* /32 networks that have longer ones inside */

uint32_t router_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static uint32_t below(uint32_t *state, uint32_t n)
{
	return (uint32_t)(((uint64_t)router_random(state) * n) >> 32);
}

/* Six of ten are /24, one of twenty is longer; none is in the first or last networks or in 10/8. */
static struct weir_prefix random_prefix4(uint32_t *state)
{
	const uint32_t lot = below(state, 100);
	struct weir_prefix p = {.addr.family = 4};
	uint32_t word;

	p.length = (uint8_t)(lot < 60	? 24
			     : lot < 90 ? 16 + below(state, 8)
			     : lot < 95 ? 12 + below(state, 4)
					: 25 + below(state, 8));
	word = router_random(state);
	memcpy(p.addr.bytes, &word, sizeof(word));
	p.addr.bytes[0] = (uint8_t)(16 + below(state, 96));
	return weir_prefix_network(&p);
}

/*
 * The first 4,096 are /32 and the next 4,096 a /40 in each; the others are /32, or /40 and /48 in
 * those. So each has the next shorter one around it: rte_fib6 reserves a block of 256 for each step
 * of eight bits from the next shorter prefix, shared or not, and has 32,767.
 */
static struct weir_prefix random_prefix6(uint32_t *state, unsigned number)
{
	const bool first = number < 2 * BLOCKS6;
	const uint32_t lot = below(state, 10),
		       block = first ? number % BLOCKS6 : below(state, BLOCKS6);
	struct weir_prefix p = {.addr.family = 6};
	uint8_t *b = p.addr.bytes;

	if (first)
		p.length = number < BLOCKS6 ? 32 : 40;
	else
		p.length = lot < 3 ? 32 : lot < 5 ? 40 : 48;
	b[0] = 0x24;
	b[1] = (uint8_t)(block >> 8);
	b[2] = (uint8_t)(block >> 4 & 15);
	b[3] = (uint8_t)(block & 15);
	if (!first && p.length == 32)
		b[3] = (uint8_t)(16 + below(state, 240));
	else if (!first)
		b[p.length / 8 - 1] = (uint8_t)below(state, 256);
	return p;
}

struct weir_prefix router_random_prefix(uint32_t *state, unsigned family, unsigned number)
{
	return family == 4 ? random_prefix4(state) : random_prefix6(state, number);
}

void router_random_host(uint32_t *state, const struct weir_prefix *p, uint8_t *to)
{
	const unsigned bytes = p->addr.family == 4 ? 4 : 16;

	for (unsigned i = 0; i < bytes; i++) {
		const unsigned fixed = p->length > i * 8 ? p->length - i * 8 : 0;
		const uint8_t mask = (uint8_t)(fixed >= 8 ? 0 : 0xff >> fixed);

		to[i] = (uint8_t)(p->addr.bytes[i] | (router_random(state) & mask));
	}
}
