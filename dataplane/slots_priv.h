/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A ring of slots of one size, from one thread to another: what workers tell the control thread.
 *
 * The writer reserves a slot, fills it in place and commits it; a full ring loses what is new, and
 * counts it. The reader peeks at the oldest and pops it. Nothing blocks and nothing allocates.
 */

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Two lines: the processor fetches pairs. */
#define SLOTS_APART (2 * RTE_CACHE_LINE_MIN_SIZE)

struct slots {
	alignas(SLOTS_APART) _Atomic uint32_t head; /* writer: slots that were committed so far */
	uint32_t tail_seen;			    /* writer: an old value of tail */
	_Atomic uint64_t lost;			    /* writer */
	alignas(SLOTS_APART) _Atomic uint32_t tail; /* reader: slots that were popped so far */
	alignas(SLOTS_APART) uint32_t n; /* a power of two; like the rest, it never changes */
	size_t slot_bytes;
	uint8_t *memory;
};

/*
 * Make n slots; slot_bytes are rounded up to a multiple of align, a power of two. Zeroed memory, so
 * that the writer meets no page fault. 0, -EINVAL (n is no power of two, or above 2^24) or -ENOMEM.
 */
int slots_create(struct slots *s, uint32_t n, size_t slot_bytes, size_t align);
/* Free them. A zeroed struct is allowed. */
void slots_free(struct slots *s);

static inline void *slots_at(const struct slots *s, uint32_t index)
{
	return s->memory + (index & (s->n - 1)) * s->slot_bytes;
}

/* Writer: the next slot, with what it had in it before; NULL: the ring is full (counted). */
static inline void *slots_reserve(struct slots *s)
{
	const uint32_t head = atomic_load_explicit(&s->head, memory_order_relaxed);

	if (unlikely(head - s->tail_seen == s->n)) {
		s->tail_seen = atomic_load_explicit(&s->tail, memory_order_acquire);
		if (head - s->tail_seen == s->n) {
			const uint64_t lost = atomic_load_explicit(&s->lost, memory_order_relaxed);

			atomic_store_explicit(&s->lost, lost + 1, memory_order_relaxed);
			return NULL;
		}
	}
	return slots_at(s, head);
}

/* Writer: let the reader have the slot that was reserved last. */
static inline void slots_commit(struct slots *s)
{
	const uint32_t head = atomic_load_explicit(&s->head, memory_order_relaxed);

	atomic_store_explicit(&s->head, head + 1, memory_order_release);
}

/* Reader: the oldest slot, NULL if there is none; it is the reader's until slots_pop(). */
static inline void *slots_peek(const struct slots *s)
{
	const uint32_t tail = atomic_load_explicit(&s->tail, memory_order_relaxed);

	return tail == atomic_load_explicit(&s->head, memory_order_acquire) ? NULL
									    : slots_at(s, tail);
}

static inline void slots_pop(struct slots *s)
{
	const uint32_t tail = atomic_load_explicit(&s->tail, memory_order_relaxed);

	atomic_store_explicit(&s->tail, tail + 1, memory_order_release);
}

/* Any thread: slots that were asked for when the ring was full. */
static inline uint64_t slots_lost(const struct slots *s)
{
	return atomic_load_explicit(&s->lost, memory_order_relaxed);
}
