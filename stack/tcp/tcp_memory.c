/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Water marks of the pool. Others take buffers from it, too, and a connection's bytes may lie in
 * many that are nearly empty, so the limit in bytes alone does not keep it from running dry. A port
 * without buffers receives nothing, not even the ACKs that would free some; so below an eighth
 * hardly more is held than is held then: windows close, and each connection goes on by a segment
 * at a time. Below a thirty-second nothing more is received but what frees something.
 */

#include "tcp_priv.h"

#include <rte_mempool.h>

/* Counting what is free touches every core's cache: once in so long. */
#define LOOK_NS UINT64_C(1000000)

static enum pool_level level_of(enum pool_level was, unsigned left, unsigned all)
{
	if (left < all / 32)
		return POOL_SCARCE;
	if (left < all / 8 || (was != POOL_PLENTY && left < all / 4))
		return POOL_SHORT;
	return POOL_PLENTY;
}

/* What is held, and a quarter of the buffers above a sixteenth: the fewer are left, the less. */
static uint64_t most_when_short(const struct weir_stack *s, unsigned left, unsigned all)
{
	const uint64_t spare = left > all / 16 ? left - all / 16 : 0;
	const uint64_t most = s->held_bytes + spare * rte_pktmbuf_data_room_size(s->conf.pool) / 4;

	return RTE_MIN(most, s->conf.memory_bytes);
}

void memory_look(struct weir_stack *s)
{
	const enum pool_level was = s->pool_level;
	const unsigned all = s->conf.pool->size;
	unsigned left;

	if (s->now_ns < s->look_ns)
		return;
	s->look_ns = s->now_ns + LOOK_NS;
	left = rte_mempool_avail_count(s->conf.pool);
	s->pool_level = level_of(was, left, all);
	s->short_bytes = most_when_short(s, left, all);
	if (was == POOL_PLENTY && s->pool_level != POOL_PLENTY)
		stack_count(&s->stats.pool_short, 1);
}
