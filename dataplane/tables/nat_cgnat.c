/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * CGNAT: each subscriber has a block of ports that arithmetic alone tells (RFC 7422), so that who
 * had a port needs no log.
 *
 * Subscriber number s, counted from the first address inside, has block s % per_addr of outside
 * address s / per_addr, counted through the pool in its order. Ports at the end of an address that
 * fill no block are not used.
 */

#include "nat_priv.h"

#include <errno.h>

static uint32_t host_order(const uint8_t addr[4])
{
	uint32_t be;

	memcpy(&be, addr, sizeof(be));
	return ntohl(be);
}

int nat_blocks_compile(struct nat_rule *r, const struct weir_nat_rule *w, struct weir_why *why)
{
	const struct weir_prefix net = weir_prefix_network(&w->inside);
	struct nat_blocks *b = &r->blocks;

	b->size = w->block;
	b->base = host_order(net.addr.bytes);
	b->n = (uint32_t)(UINT64_C(1) << (32 - net.length));
	b->per_addr = r->port_n / b->size;
	if ((uint64_t)b->per_addr * r->n_addrs < b->n)
		return weir_why(why, -EINVAL,
				"translation rule %s: its pool has %llu blocks of %u ports for %u "
				"subscribers",
				w->name, (unsigned long long)b->per_addr * r->n_addrs, b->size,
				b->n);
	b->by_per_addr = rte_reciprocal_value(b->per_addr);
	return 0;
}

uint16_t nat_block_of(const struct nat_rule *r, const uint8_t subscriber[16], uint8_t outside[16])
{
	const struct nat_blocks *b = &r->blocks;
	const uint32_t number = host_order(subscriber) - b->base;
	const uint32_t at = rte_reciprocal_divide(number, b->by_per_addr);

	nat_pool_at(r, at, outside);
	return (uint16_t)(r->port_lo + (number - at * b->per_addr) * b->size);
}

bool weir_nat_block(const struct weir_nat *nat, const struct weir_addr *subscriber,
		    struct weir_addr *outside, struct weir_range *ports)
{
	for (uint32_t i = nat->n_destination; i < nat->n; i++) {
		const struct nat_rule *r = &nat->rules[i];

		if (r->kind != WEIR_NAT_CGNAT || subscriber->family != 4 ||
		    !nat_contains(&r->inside, subscriber->bytes))
			continue;
		outside->family = 4;
		ports->lo = nat_block_of(r, subscriber->bytes, outside->bytes);
		ports->hi = (uint16_t)(ports->lo + r->blocks.size - 1);
		return true;
	}
	return false;
}

bool weir_nat_subscriber(const struct weir_nat *nat, const struct weir_addr *outside, uint16_t port,
			 struct weir_addr *subscriber)
{
	for (uint32_t i = nat->n_destination; i < nat->n; i++) {
		const struct nat_rule *r = &nat->rules[i];
		const struct nat_blocks *b = &r->blocks;
		uint32_t at, block, be;

		if (r->kind != WEIR_NAT_CGNAT || outside->family != 4 || port < r->port_lo ||
		    !nat_pool_find(r, outside->bytes, &at))
			continue;
		block = (uint32_t)(port - r->port_lo) / b->size;
		if (block >= b->per_addr || (uint64_t)at * b->per_addr + block >= b->n)
			continue;
		be = htonl(b->base + at * b->per_addr + block);
		*subscriber = (struct weir_addr){.family = 4};
		memcpy(subscriber->bytes, &be, sizeof(be));
		return true;
	}
	return false;
}
