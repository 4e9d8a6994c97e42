/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The index of the flow table: from a tuple to a flow and a direction.
 *
 * A reference lies in the first of two buckets that its hash names; if that is (nearly) full, in
 * the emptier of the two; if both are full, in an overflow bucket that hangs on the first. Nothing
 * is ever displaced, so that entering one is bounded. A bucket counts its references that lie
 * elsewhere: for most that are not known, one cache line tells.
 */

#include "flow_priv.h"

#include <errno.h>
#include <rte_prefetch.h>

/* Tuples whose cache lines are under way together. Each group waits for its first ones, so that 64
 * cost a third more than 128; twice as many are no better (docs/adr/0002). */
#define CHUNK 128
/* Place of WEIR_FLOW_EXT among the flags. */
#define EXT_SHIFT 4
static_assert(WEIR_FLOW_EXT == 1 << EXT_SHIFT, "tested together with the direction");

static inline uint16_t load16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Whether a tuple is that of the replies to a flow whose way out is in its extension. */
static __rte_noinline bool is_reply_of(const struct weir_flow_table *t, const struct weir_flow *f,
				       const struct weir_tuple *tuple)
{
	struct weir_tuple reply;

	weir_flow_tuple(t, f, WEIR_DIR_REPLY, &reply);
	return memcmp(&reply, tuple, sizeof(reply)) == 0; /* it has no padding */
}

/*
 * Whether a reference is that of a tuple, as its packets come in. An entry says src, dst, xsrc,
 * xdst: the reply's source is the last of them, its destination the third; so it is with ports.
 * The direction is as good as random, so that it is arithmetic and no branch.
 */
static __rte_always_inline bool is_of(const struct weir_flow_table *t, uint32_t ref,
				      const struct weir_tuple *tuple)
{
	const struct weir_flow *f = &t->entries[ref >> 1];
	const unsigned dir = ref & 1;
	const char *ports = (const char *)f + offsetof(struct weir_flow, sport);
	const char *addrs = (const char *)f;
	uint64_t differs;

	if (unlikely(ref & f->flags >> EXT_SHIFT & 1))
		return is_reply_of(t, f, tuple);
	differs = (uint32_t)(f->family ^ tuple->family) | (uint32_t)(f->proto ^ tuple->proto) |
		  (uint32_t)(f->vrf ^ tuple->vrf);
	differs |= (uint32_t)(load16(ports + 6 * dir) ^ tuple->sport);
	differs |= (uint32_t)(load16(ports + 2 + 2 * dir) ^ tuple->dport);
	if (likely(f->family == 4)) {
		differs |= flow_load32(addrs + 12 * dir) ^ flow_load32(tuple->src);
		differs |= flow_load32(addrs + 4 + 4 * dir) ^ flow_load32(tuple->dst);
	} else {
		const char *src = addrs + 16 * dir, *dst = addrs + 16 * (dir ^ 1);

		differs |= flow_load64(src) ^ flow_load64(tuple->src);
		differs |= flow_load64(src + 8) ^ flow_load64(tuple->src + 8);
		differs |= flow_load64(dst) ^ flow_load64(tuple->dst);
		differs |= flow_load64(dst + 8) ^ flow_load64(tuple->dst + 8);
	}
	return differs == 0;
}

/* Among the references of a bucket. */
static uint32_t find_in(const struct weir_flow_table *t, const struct flow_bucket *b, uint16_t tag,
			const struct weir_tuple *tuple)
{
	for (uint32_t slots = flow_slots(b, tag); slots != 0; slots &= slots - 1) {
		const uint32_t ref = b->ref[__builtin_ctz(slots)];

		if (is_of(t, ref, tuple))
			return ref;
	}
	return WEIR_NO_FLOW;
}

uint32_t flow_find(const struct weir_flow_table *t, const struct weir_tuple *tuple, uint64_t hash)
{
	const struct flow_bucket *first = flow_first(t, hash);
	const uint16_t tag = flow_tag(hash);
	uint32_t ref = find_in(t, first, tag, tuple);

	if (ref != WEIR_NO_FLOW || first->spilled == 0)
		return ref;
	ref = find_in(t, flow_second(t, hash), tag, tuple);
	for (uint16_t over = first->over; over != 0 && ref == WEIR_NO_FLOW;
	     over = t->over[over - 1].over)
		ref = find_in(t, &t->over[over - 1], tag, tuple);
	return ref;
}

static inline void prefetch_flow(const struct weir_flow_table *t, uint32_t ref)
{
	const struct weir_flow *f = &t->entries[ref >> 1];

	rte_prefetch0(f);
	rte_prefetch0(f->carried);
}

/* The first reference of a bucket with a tag: very likely the one. */
static inline uint32_t guess_in(const struct weir_flow_table *t, const struct flow_bucket *b,
				uint32_t slots)
{
	const uint32_t ref = b->ref[__builtin_ctz(slots)];

	prefetch_flow(t, ref);
	return ref;
}

/* Guess by the tags. Those that are elsewhere than in their first bucket come last. */
static inline void guess(const struct weir_flow_table *t, const uint64_t *hash, uint16_t n,
			 uint32_t *refs)
{
	uint16_t elsewhere[CHUNK];
	uint16_t n_elsewhere = 0;

	for (uint16_t i = 0; i < n; i++) {
		const struct flow_bucket *b = flow_first(t, hash[i]);
		const uint32_t slots = flow_slots(b, flow_tag(hash[i]));

		refs[i] = WEIR_NO_FLOW;
		if (likely(slots != 0)) {
			refs[i] = guess_in(t, b, slots);
		} else if (b->spilled != 0) {
			rte_prefetch0(flow_second(t, hash[i]));
			elsewhere[n_elsewhere++] = i;
		}
	}
	for (uint16_t i = 0; i < n_elsewhere; i++) {
		const uint64_t h = hash[elsewhere[i]];
		const struct flow_bucket *b = flow_second(t, h);
		uint32_t slots = flow_slots(b, flow_tag(h));

		for (uint16_t over = flow_first(t, h)->over; slots == 0 && over != 0;
		     over = b->over) {
			b = &t->over[over - 1];
			slots = flow_slots(b, flow_tag(h));
		}
		if (slots != 0)
			refs[elsewhere[i]] = guess_in(t, b, slots);
	}
}

static inline void lookup_chunk(const struct weir_flow_table *t, const struct weir_tuple *tuples,
				uint16_t n, uint32_t *refs)
{
	uint64_t hash[CHUNK];

	for (uint16_t i = 0; i < n; i++) {
		hash[i] = flow_hash(t, &tuples[i]);
		rte_prefetch0(flow_first(t, hash[i]));
	}
	guess(t, hash, n, refs);
	for (uint16_t i = 0; i < n; i++) {
		if (refs[i] == WEIR_NO_FLOW)
			continue;
		if (unlikely(!is_of(t, refs[i], &tuples[i])))
			refs[i] = flow_find(t, &tuples[i], hash[i]);
		if (refs[i] != WEIR_NO_FLOW &&
		    unlikely(flow_timed_out(t, &t->entries[refs[i] >> 1])))
			refs[i] = WEIR_NO_FLOW;
	}
}

void weir_flow_lookup(struct weir_flow_table *t, const struct weir_tuple *tuples, uint16_t n,
		      uint32_t *refs)
{
	for (uint16_t at = 0; at < n; at = (uint16_t)(at + CHUNK))
		lookup_chunk(t, &tuples[at], RTE_MIN((uint16_t)(n - at), (uint16_t)CHUNK),
			     &refs[at]);
}

bool weir_flow_has(struct weir_flow_table *t, const struct weir_tuple *tuple)
{
	const uint32_t ref = flow_find(t, tuple, flow_hash(t, tuple));

	return ref != WEIR_NO_FLOW && !flow_timed_out(t, &t->entries[ref >> 1]);
}

static void put(struct flow_bucket *b, uint32_t free_slots, uint16_t tag, uint32_t ref)
{
	const int slot = __builtin_ctz(free_slots);

	b->tag[slot] = tag;
	b->ref[slot] = ref;
}

/* A free slot in the overflow buckets of one; a bucket more if need be. */
static int put_over(struct weir_flow_table *t, struct flow_bucket *first, uint16_t tag,
		    uint32_t ref)
{
	unsigned chain = 0;
	uint16_t fresh = (uint16_t)t->free_over;

	for (uint16_t number = first->over; number != 0; number = t->over[number - 1].over) {
		struct flow_bucket *b = &t->over[number - 1];
		const uint32_t room = flow_slots(b, 0);

		if (room != 0) {
			put(b, room, tag, ref);
			return 0;
		}
		chain++;
	}
	if (chain == FLOW_OVER_CHAIN || fresh == 0)
		return -ENOSPC;
	t->free_over = t->over[fresh - 1].over;
	t->over[fresh - 1].over = first->over;
	first->over = fresh;
	put(&t->over[fresh - 1], 1, tag, ref);
	return 0;
}

int flow_insert(struct weir_flow_table *t, uint64_t hash, uint32_t ref)
{
	struct flow_bucket *first = flow_first(t, hash), *second;
	const uint32_t room = flow_slots(first, 0);
	const uint16_t tag = flow_tag(hash);
	uint32_t room2;
	int rc = 0;

	if (likely(__builtin_popcount(room) > FLOW_SLOTS - FLOW_SLOTS_FIRST)) {
		put(first, room, tag, ref); /* the other bucket is not even looked at */
		return 0;
	}
	second = flow_second(t, hash);
	room2 = second == first ? 0 : flow_slots(second, 0);
	if (room != 0 && __builtin_popcount(room2) <= __builtin_popcount(room)) {
		put(first, room, tag, ref);
		return 0;
	}
	if (first->spilled == UINT16_MAX)
		return -ENOSPC;
	if (room2 != 0)
		put(second, room2, tag, ref);
	else
		rc = put_over(t, first, tag, ref);
	if (rc == 0)
		first->spilled++;
	return rc;
}

static bool take_from(struct flow_bucket *b, uint16_t tag, uint32_t ref)
{
	for (uint32_t slots = flow_slots(b, tag); slots != 0; slots &= slots - 1) {
		const int slot = __builtin_ctz(slots);

		if (b->ref[slot] != ref)
			continue;
		b->tag[slot] = 0;
		b->ref[slot] = 0;
		return true;
	}
	return false;
}

/* From the overflow buckets of one; a bucket that is empty then is free. */
static void take_over(struct weir_flow_table *t, struct flow_bucket *first, uint16_t tag,
		      uint32_t ref)
{
	uint16_t *link = &first->over;

	while (*link != 0) {
		const uint16_t number = *link;
		struct flow_bucket *b = &t->over[number - 1];

		if (take_from(b, tag, ref)) {
			if (flow_slots(b, 0) == (1u << FLOW_SLOTS) - 1) {
				*link = b->over;
				b->over = (uint16_t)t->free_over;
				t->free_over = number;
			}
			return;
		}
		link = &b->over;
	}
}

void flow_remove(struct weir_flow_table *t, uint64_t hash, uint32_t ref)
{
	struct flow_bucket *first = flow_first(t, hash);
	const uint16_t tag = flow_tag(hash);

	if (take_from(first, tag, ref))
		return;
	first->spilled--;
	if (!take_from(flow_second(t, hash), tag, ref))
		take_over(t, first, tag, ref);
}
