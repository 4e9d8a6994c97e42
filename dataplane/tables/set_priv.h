/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * An address set as set.c changes it and set_lookup.c reads it.
 *
 *	address --mask of each length in use--> keyed hash -> Bloom filter -> entries -> its end
 *
 * The hash is multilinear (Lemire and Kaser, "Strongly universal string hashing is fast", 2012):
 * the upper half of b + a0 x0 + a1 x1 ..., of secret random words, one b for each family and
 * length. Whoever does not know them cannot choose two keys that collide with more than a chance of
 * 1 in 2^32, and nobody is shown a hash. That is what SipHash would give here, for a tenth of its
 * cycles, and they count: an address is hashed once for each prefix length. The rest mixes what is
 * so drawn over 64 bits.
 */

#include <assert.h>
#include <endian.h>
#include <rte_common.h>
#include <rte_prefetch.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <weir/set.h>

/* Deleted entries whose places wait for the readers. */
#define SET_RETIRED 1024

/* The filter: lines of 512 bits, 16 bits for each entry, 4 of them set. */
#define SET_LINE_WORDS	 8
#define SET_LINE_ENTRIES 32

struct set_line {
	_Atomic uint64_t word[SET_LINE_WORDS];
};
static_assert(sizeof(struct set_line) == RTE_CACHE_LINE_SIZE, "a probe touches one");

/* What an entry is found by. */
struct set_key {
	uint64_t addr[2]; /* masked, as the bytes lie in memory; IPv4 in the first 32 bits */
	uint32_t kind;	  /* family << 8 | length */
	uint32_t sig;	  /* the lower half of its hash, which chooses the chain */
};

/* An entry. What does not change is written before readers can reach it. */
struct set_node {
	struct set_key key;
	_Atomic uint32_t until_s; /* when it ends */
	_Atomic uint32_t next;	  /* in its chain, or among the free ones; 0: none */
};
static_assert(sizeof(struct set_node) == 32, "one is in one cache line");

/*
 * The entries: chains of nodes by their hash, about one node for two chains. One thread changes
 * them while others read: a node is complete before a chain leads to it, and leads on, as it did,
 * after it was taken out, until readers have gone and it is used again. Not an rte_hash, because
 * each of those takes two of DPDK's 2,560 memory zones: there may be more sets than that.
 */
struct set_nodes {
	/* what workers read */
	struct set_node *node;	/* from 1 on */
	_Atomic uint32_t *head; /* of each chain, 0: empty; the control thread stores */
	uint32_t mask;		/* chains less one */

	/* the control thread's */
	uint32_t max;
	uint32_t used; /* nodes that were in use since the last reset */
	uint32_t free; /* the first of those among them that are free again */
	uint32_t n_retired;
	uint32_t retired[SET_RETIRED]; /* wait for the readers */
};

struct weir_set {
	/* what workers read */
	struct set_nodes nodes;
	_Atomic(struct set_line *) bloom; /* the control thread stores */
	uint32_t line_mask;
	uint64_t a[4];			/* the secret */
	uint64_t b[2][129];		/* IPv4, IPv6, by length */
	_Atomic uint64_t lengths[2][3]; /* bits of those in use; the control thread stores */

	/* the control thread's */
	struct set_line *filter[2]; /* one of them is bloom */
	uint32_t max, entries;
	uint32_t count[2][129]; /* entries of each length */
	uint32_t stale;		/* bits of so many deleted entries are in the filter */
	uint32_t soonest_s;	/* no entry ends before */
	void (*synchronize)(void *ctx);
	void *ctx;
	char name[WEIR_SET_NAME];
};

static inline uint8_t set_six(uint8_t family)
{
	return family == 6;
}

/* The words of an address, of 4 or 16 bytes. */
static inline void set_load(uint8_t family, const uint8_t *bytes, uint64_t word[2])
{
	uint32_t v4;

	if (family == 6) {
		memcpy(word, bytes, 16);
		return;
	}
	memcpy(&v4, bytes, sizeof(v4));
	word[0] = v4;
	word[1] = 0;
}

/* The mask of a prefix length, for these words. */
static inline void set_mask(uint8_t family, uint8_t length, uint64_t mask[2])
{
	mask[0] = mask[1] = 0;
	if (family == 4)
		mask[0] = length == 0 ? 0 : htobe32(UINT32_MAX << (32 - length));
	else if (length > 0)
		mask[0] = length >= 64 ? UINT64_MAX : htobe64(UINT64_MAX << (64 - length));
	if (length > 64)
		mask[1] = htobe64(UINT64_MAX << (128 - length));
}

static inline uint64_t set_mix(uint64_t sum)
{
	const uint64_t h = (sum ^ sum >> 32) * UINT64_C(0x9e3779b97f4a7c15);

	return h ^ h >> 32;
}

static inline uint64_t set_hash4(uint64_t a, uint64_t b, uint64_t word)
{
	return set_mix(b + a * word);
}

static inline uint64_t set_hash6(const uint64_t a[4], uint64_t b, uint64_t first, uint64_t last)
{
	return set_mix(b + a[0] * (uint32_t)first + a[1] * (first >> 32) + a[2] * (uint32_t)last +
		       a[3] * (last >> 32));
}

static inline uint64_t set_hash(const struct weir_set *s, const struct set_key *key)
{
	const uint8_t length = (uint8_t)key->kind;

	if (key->kind >> 8 == 4)
		return set_hash4(s->a[0], s->b[0][length], key->addr[0]);
	return set_hash6(s->a, s->b[1][length], key->addr[0], key->addr[1]);
}

static inline bool set_node_is(const struct set_node *node, const struct set_key *key)
{
	return ((node->key.addr[0] ^ key->addr[0]) | (node->key.addr[1] ^ key->addr[1]) |
		(node->key.kind ^ key->kind)) == 0;
}

/* The chain of a hash, or of a sig. */
static inline _Atomic uint32_t *set_chain(const struct set_nodes *n, uint64_t hash)
{
	return &n->head[(uint32_t)hash & n->mask];
}

/* The line of a hash, in a filter of line_mask + 1 lines. */
static inline uint32_t set_line_at(uint32_t line_mask, uint64_t hash)
{
	return (uint32_t)(hash >> 40) & line_mask;
}

/* In the lowest bit, the bit of one of four parts of a hash. */
static inline uint64_t set_line_bit(const struct set_line *line, uint64_t part)
{
	return atomic_load_explicit(&line->word[part >> 6 & 7], memory_order_relaxed) >>
	       (part & 63);
}

static inline bool set_line_has(const struct set_line *line, uint64_t hash)
{
	return set_line_bit(line, hash) & set_line_bit(line, hash >> 9) &
	       set_line_bit(line, hash >> 18) & set_line_bit(line, hash >> 27) & 1;
}

/* set.c: whether just this prefix is an entry, be it ended. Control thread. */
bool set_has(const struct weir_set *s, const struct weir_prefix *prefix);

/* set_nodes.c, all for the control thread. */

/* Memory of room for so many. */
uint64_t set_nodes_size(uint32_t max);
/* Zeroed before. 0 or -ENOMEM. */
int set_nodes_create(struct set_nodes *n, uint32_t max, int numa);
void set_nodes_free(struct set_nodes *n);
/* One that is not there. false: there is no free one, perhaps until set_nodes_settled(). */
bool set_nodes_add(struct set_nodes *n, const struct set_key *key, uint32_t until_s);
/* The one with this key; 0: none. */
uint32_t set_nodes_find(const struct set_nodes *n, const struct set_key *key);
/* Take one out that is there, when less than SET_RETIRED wait. Its contents stay as they are. */
void set_nodes_take_out(struct set_nodes *n, uint32_t node);
/* The readers of all that was taken out are gone. */
void set_nodes_settled(struct set_nodes *n);
/* Take all out; nobody may be reading. */
void set_nodes_reset(struct set_nodes *n);
/* Walk over all: the node after this one (0: the first), with @chain 0 to begin with; 0: no more.
 */
uint32_t set_nodes_next(const struct set_nodes *n, uint32_t *chain, uint32_t node);
