/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The flow table of one worker, as its files see it.
 *
 *	tuple -> hash -> bucket (64 bytes: tags and references) -> entry (128 bytes)
 *
 * flow_table.c   memory, the life of an entry
 * flow_index.c   buckets: find, insert, remove
 * flow_expire.c  queues of the classes: what times out, what makes room
 * flow_tcp.c     TCP as a bystander sees it
 * flow_limit.c   flows of each source
 * flow_ask.c     questions of the control thread
 */

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <stdatomic.h>
#include <weir/flow.h>
#include <weir/shard.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#define FLOW_NONE UINT32_MAX /* no entry, in queues and free lists */

/* References of a bucket. At 5 of 10 in the mean, 96 % are found in their first bucket. */
#define FLOW_SLOTS     10
#define FLOW_SLOTS_USE 5
/* A bucket keeps its last slot for those that come by second choice, while these have room. */
#define FLOW_SLOTS_FIRST 9
/* Buckets for what fits in neither of its two, and how many may hang together. */
#define FLOW_OVER_SHARE 128
#define FLOW_OVER_MAX	UINT16_MAX
#define FLOW_OVER_CHAIN 2
#define FLOW_KEY_WORDS	10

/* Part of the index. A tag is 16 bits of a reference's hash, not 0; 0: the slot is free. */
struct flow_bucket {
	uint16_t tag[FLOW_SLOTS];
	uint32_t ref[FLOW_SLOTS]; /* flow << 1 | direction */
	uint16_t spilled;	  /* references that should be here and are elsewhere */
	uint16_t over;		  /* overflow bucket of those, plus one; 0: none */
};
static_assert(sizeof(struct flow_bucket) == 64, "one cache line");

/* The flows of a class, in the order in which they came or were last found alive. */
struct flow_queue {
	uint32_t head, tail;
	uint32_t n;
	uint32_t left;	  /* still to be looked at in this turn */
	uint32_t turn_ms; /* when the next turn begins */
	uint32_t look_ms; /* until then nothing at the head is due */
};

/* A source whose flows are counted: an IPv4 address, the first half of one of IPv6. */
struct flow_source {
	uint64_t addr;
	uint32_t flows; /* 0: free */
	uint16_t vrf;
	uint16_t family;
};
#define FLOW_SOURCE_SLOTS 4
struct flow_sources {
	struct flow_source slot[FLOW_SOURCE_SLOTS];
};
static_assert(sizeof(struct flow_sources) == 64, "one cache line");

#define FLOW_ZONES 32

struct weir_flow_table {
	/* what a lookup reads */
	struct flow_bucket *buckets;
	struct weir_flow *entries;
	uint32_t n_buckets;
	uint32_t now_ms;
	uint32_t timeout_ms[WEIR_FLOW_CLASSES];
	uint64_t key[FLOW_KEY_WORDS]; /* of flow_hash() */
	struct flow_bucket *over;
	struct weir_flow_ext *exts; /* number 0 is nobody's */

	/* what is free */
	uint32_t free;	    /* entries, by next */
	uint32_t free_ext;  /* by dpi; 0: none */
	uint32_t free_over; /* by over; 0: none */

	uint32_t n_entries;
	uint32_t turn_cls; /* the class that weir_flow_expire() begins with */
	struct flow_queue queue[WEIR_FLOW_CLASSES];
	weir_flow_end_fn *on_end;
	void *on_end_ctx;

	struct flow_sources *sources;
	uint32_t n_sources; /* struct flow_sources */
	uint32_t max_sources, used_sources;
	struct weir_siphash_key secret;
	uint32_t zone_flows[FLOW_ZONES];

	struct weir_flow_ask *_Atomic ask; /* the control thread stores, the worker clears */
	struct weir_flow_stats stats;
};

static inline uint32_t flow_index(const struct weir_flow_table *t, const struct weir_flow *f)
{
	return (uint32_t)(f - t->entries);
}

static inline bool flow_timed_out(const struct weir_flow_table *t, const struct weir_flow *f)
{
	return t->now_ms - f->last_ms > t->timeout_ms[f->cls];
}

static inline uint32_t flow_load32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t flow_load64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/*
 * A tuple's hash: NH (Black et al., "UMAC", 1999) over words of 64 bits, whose 128 bits of two
 * different tuples are the same for one in 2^64 keys, folded by one more keyed multiplication. Who
 * sends chooses the tuples, but does not know the key and never sees a hash.
 */
static inline uint64_t flow_hash(const struct weir_flow_table *t, const struct weir_tuple *tuple)
{
	const uint64_t *k = t->key;
	const uint64_t rest = flow_load64(&tuple->sport);
	unsigned __int128 p;

	if (likely(tuple->family == 4)) {
		const uint64_t addrs = flow_load32(tuple->src) | (uint64_t)flow_load32(tuple->dst)
									 << 32;

		p = (unsigned __int128)(addrs + k[0]) * (rest + k[1]);
	} else {
		p = (unsigned __int128)(flow_load64(tuple->src) + k[2]) *
		    (flow_load64(tuple->dst) + k[3]);
		p += (unsigned __int128)(flow_load64(tuple->src + 8) + k[4]) *
		     (flow_load64(tuple->dst + 8) + k[5]);
		p += (unsigned __int128)(rest + k[6]) * k[7];
	}
	p = (unsigned __int128)((uint64_t)p + k[8]) * ((uint64_t)(p >> 64) + k[9]);
	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

/* The two buckets of a hash, by its halves, and its tag, by the low bits of both. */
static inline struct flow_bucket *flow_first(const struct weir_flow_table *t, uint64_t hash)
{
	return &t->buckets[(hash & UINT32_MAX) * t->n_buckets >> 32];
}

static inline struct flow_bucket *flow_second(const struct weir_flow_table *t, uint64_t hash)
{
	return &t->buckets[(hash >> 32) * t->n_buckets >> 32];
}

static inline uint16_t flow_tag(uint64_t hash)
{
	const uint16_t tag = (uint16_t)(hash ^ hash >> 32);

	return tag == 0 ? 1 : tag;
}

/* The slots of a bucket with a tag, as bits. */
static inline uint32_t flow_slots_plain(const struct flow_bucket *b, uint16_t tag)
{
	uint32_t slots = 0;

	for (unsigned i = 0; i < FLOW_SLOTS; i++)
		slots |= (uint32_t)(b->tag[i] == tag) << i;
	return slots;
}

#ifdef __SSE2__
static inline uint32_t flow_slots(const struct flow_bucket *b, uint16_t tag)
{
	const __m128i want = _mm_set1_epi16((short)tag);
	const __m128i low = _mm_loadu_si128((const __m128i *)b);
	const __m128i high = _mm_loadu_si128((const __m128i *)b + 1); /* 8, 9, and references */
	const __m128i same =
		_mm_packs_epi16(_mm_cmpeq_epi16(low, want), _mm_cmpeq_epi16(high, want));

	return (uint32_t)_mm_movemask_epi8(same) & ((1u << FLOW_SLOTS) - 1);
}
#else
static inline uint32_t flow_slots(const struct flow_bucket *b, uint16_t tag)
{
	return flow_slots_plain(b, tag);
}
#endif

/* flow_index.c: entries by their tuples. */

/* The reference of a tuple, timed out or not; WEIR_NO_FLOW: none. */
uint32_t flow_find(const struct weir_flow_table *t, const struct weir_tuple *tuple, uint64_t hash);
/* Enter a reference that is not there. 0 or -ENOSPC. */
int flow_insert(struct weir_flow_table *t, uint64_t hash, uint32_t ref);
/* Take one out that is there. */
void flow_remove(struct weir_flow_table *t, uint64_t hash, uint32_t ref);

/* flow_table.c: the end of an entry, counted in *counter. */
void flow_end(struct weir_flow_table *t, struct weir_flow *f, uint64_t *counter);
/* Count, one up or down. */
static inline void flow_more(uint64_t *counter)
{
	weir_count(counter, 1);
}
static inline void flow_less(uint64_t *counter)
{
	weir_count(counter, UINT64_MAX);
}

/* flow_expire.c: the queues. */
void flow_queues_init(struct weir_flow_table *t);
void flow_enqueue(struct weir_flow_table *t, struct weir_flow *f);
void flow_dequeue(struct weir_flow_table *t, struct weir_flow *f);
/* End a flow to make room. False: none may go. */
bool flow_evict(struct weir_flow_table *t);
/* Timeouts in milliseconds. 0 or -EINVAL. */
int flow_set_timeouts(struct weir_flow_table *t, const uint64_t timeout_ns[WEIR_FLOW_CLASSES]);

/* flow_limit.c: the source of a flow that ends is counted no more. */
void flow_limit_release(struct weir_flow_table *t, struct weir_flow *f);
