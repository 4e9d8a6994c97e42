/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Next hops by number. Workers read the array while the control thread fills free numbers, which
 * no table that a worker can see leads to; a number in use never changes. Equal hops share a
 * number, groups of equal members too. Numbers are counted: one that nothing refers to any more
 * is free at once, so whoever gives a reference back has waited for the workers (rib.c).
 */

#include <errno.h>
#include <rte_malloc.h>
#include <stdlib.h>
#include <string.h>

#include "tables.h"

#define NUMBERS (WEIR_HOPS_MAX + 1u)
#define BUCKETS 8192u

struct weir_hops {
	struct weir_hop *hop;		    /* read by workers */
	uint16_t (*member)[WEIR_GROUP_MAX]; /* read by workers */
	struct weir_siphash_key key;
	uint32_t used;
	uint16_t free; /* first free number below top, 0: none */
	uint16_t top;  /* numbers from here on were never used */
	uint16_t bucket[BUCKETS];
	uint16_t next[NUMBERS]; /* in the bucket, or among the free */
	uint32_t refs[NUMBERS];
};

int hops_create(int numa, const struct weir_siphash_key *key, struct weir_hops **out)
{
	struct weir_hops *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return -ENOMEM;
	h->key = *key;
	h->top = 1; /* number 0 is WEIR_HOP_NONE */
	h->hop = rte_zmalloc_socket("weir_hops", NUMBERS * sizeof(h->hop[0]), RTE_CACHE_LINE_SIZE,
				    numa);
	h->member = rte_zmalloc_socket("weir_members", NUMBERS * sizeof(h->member[0]),
				       RTE_CACHE_LINE_SIZE, numa);
	if (h->hop == NULL || h->member == NULL) {
		hops_free(h);
		return -ENOMEM;
	}
	*out = h;
	return 0;
}

void hops_free(struct weir_hops *h)
{
	if (h == NULL)
		return;
	rte_free(h->hop);
	rte_free(h->member);
	free(h);
}

/* Padding bytes are part of what is compared, so every hop is made from zeroed memory. */
static uint32_t bucket_of(const struct weir_hops *h, const struct weir_hop *hop,
			  const uint16_t *members)
{
	uint64_t hash = weir_siphash13(&h->key, hop, sizeof(*hop));

	if (hop->kind == WEIR_HOP_GROUP)
		hash ^= weir_siphash13(&h->key, members, hop->group_n * sizeof(members[0]));
	return (uint32_t)(hash % BUCKETS);
}

static bool same(const struct weir_hops *h, uint16_t n, const struct weir_hop *hop,
		 const uint16_t *members)
{
	if (memcmp(&h->hop[n], hop, sizeof(*hop)) != 0)
		return false;
	return hop->kind != WEIR_HOP_GROUP ||
	       memcmp(h->member[n], members, hop->group_n * sizeof(members[0])) == 0;
}

static uint16_t take_number(struct weir_hops *h)
{
	uint16_t n = h->free;

	if (n != 0)
		h->free = h->next[n];
	else if (h->top <= WEIR_HOPS_MAX)
		n = h->top++;
	return n;
}

int hops_get(struct weir_hops *h, const struct weir_hop *hop, const uint16_t *members,
	     uint16_t *number)
{
	const uint32_t b = bucket_of(h, hop, members);
	uint16_t n;

	for (n = h->bucket[b]; n != 0; n = h->next[n]) {
		if (same(h, n, hop, members)) {
			h->refs[n]++;
			*number = n;
			return 0;
		}
	}
	n = take_number(h);
	if (n == 0)
		return -ENOSPC;
	h->hop[n] = *hop;
	if (hop->kind == WEIR_HOP_GROUP) {
		memcpy(h->member[n], members, hop->group_n * sizeof(members[0]));
		for (uint8_t i = 0; i < hop->group_n; i++)
			h->refs[members[i]]++;
	}
	h->refs[n] = 1;
	h->next[n] = h->bucket[b];
	h->bucket[b] = n;
	h->used++;
	*number = n;
	return 0;
}

static void free_number(struct weir_hops *h, uint16_t n)
{
	uint16_t *at = &h->bucket[bucket_of(h, &h->hop[n], h->member[n])];

	while (*at != n)
		at = &h->next[*at];
	*at = h->next[n];
	memset(&h->hop[n], 0, sizeof(h->hop[n]));
	h->next[n] = h->free;
	h->free = n;
	h->used--;
}

void hops_put(struct weir_hops *h, uint16_t number)
{
	struct weir_hop gone;

	if (number == 0 || --h->refs[number] > 0)
		return;
	gone = h->hop[number];
	free_number(h, number);
	if (gone.kind == WEIR_HOP_GROUP)
		for (uint8_t i = 0; i < gone.group_n; i++)
			hops_put(h, h->member[number][i]); /* members are no groups */
}

const struct weir_hop *hops_at(const struct weir_hops *h, uint16_t number)
{
	return &h->hop[number];
}

const uint16_t (*hops_members(const struct weir_hops *h))[WEIR_GROUP_MAX]
{
	return (const uint16_t(*)[WEIR_GROUP_MAX])h->member;
}

uint32_t hops_used(const struct weir_hops *h)
{
	return h->used;
}

uint64_t hops_bytes(void)
{
	return sizeof(struct weir_hops) +
	       NUMBERS * (sizeof(struct weir_hop) + WEIR_GROUP_MAX * sizeof(uint16_t));
}
