/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The four rings of AF_XDP: single producer, single consumer, indices that run on and wrap at 2^32.
 *
 * The kernel is the other end. "head" is our index of it, "tail" the other end's as last read.
 */

#pragma once

#include <linux/if_xdp.h>
#include <stddef.h>
#include <stdint.h>

struct xdp_ring {
	uint32_t *producer;
	uint32_t *consumer;
	uint32_t *flags;
	void *entries; /* uint64_t addresses (fill, completion) or struct xdp_desc (rx, tx) */
	uint32_t mask;
	uint32_t head;
	uint32_t tail;
	void *map;
	size_t map_bytes; /* 0: there is no such ring */
};

static inline uint32_t xdp_ring_size(const struct xdp_ring *r)
{
	return r->mask + 1;
}

static inline uint64_t *xdp_ring_addr(const struct xdp_ring *r, uint32_t index)
{
	return &((uint64_t *)r->entries)[index & r->mask];
}

static inline struct xdp_desc *xdp_ring_desc(const struct xdp_ring *r, uint32_t index)
{
	return &((struct xdp_desc *)r->entries)[index & r->mask];
}

/* Producer: how many of @want entries are free. Reads the kernel's index only if the last one is
 * not enough. */
static inline uint32_t xdp_ring_free(struct xdp_ring *r, uint32_t want)
{
	uint32_t have = xdp_ring_size(r) - (r->head - r->tail);

	if (have >= want)
		return want;
	r->tail = __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE);
	have = xdp_ring_size(r) - (r->head - r->tail);
	return have < want ? have : want;
}

/* Producer: show @n entries, written behind head, to the kernel. */
static inline void xdp_ring_submit(struct xdp_ring *r, uint32_t n)
{
	r->head += n;
	__atomic_store_n(r->producer, r->head, __ATOMIC_RELEASE);
}

/* Consumer: how many entries, at most @want, wait at head. */
static inline uint32_t xdp_ring_ready(struct xdp_ring *r, uint32_t want)
{
	uint32_t have = r->tail - r->head;

	if (have == 0) {
		r->tail = __atomic_load_n(r->producer, __ATOMIC_ACQUIRE);
		have = r->tail - r->head;
	}
	return have < want ? have : want;
}

/* Consumer: give @n entries at head back to the kernel. */
static inline void xdp_ring_release(struct xdp_ring *r, uint32_t n)
{
	r->head += n;
	__atomic_store_n(r->consumer, r->head, __ATOMIC_RELEASE);
}

/* The kernel sleeps until a system call on the socket. */
static inline int xdp_ring_asks_wakeup(const struct xdp_ring *r)
{
	return (__atomic_load_n(r->flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP) != 0;
}
