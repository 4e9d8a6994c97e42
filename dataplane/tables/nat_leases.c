/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * nat_leases: which blocks of CGNAT subscribers are in use, so that the first and the last flow of
 * each can be told (RFC 6888 REQ-12, RFC 7422 section 2).
 *
 * A lease is known by subscriber, address outside and both ends of its ports, and lives as long as
 * flows hold it, which know its number. One array, chained by a keyed hash with as many heads as
 * there are leases at least.
 */

#include "nat_priv.h"

#include <errno.h>
#include <rte_malloc.h>
#include <stdlib.h>
#include <weir/shard.h>
#include <weir/siphash.h>

struct nat_leases {
	struct nat_lease *lease;
	uint32_t *head; /* by hash: number of the first, plus one */
	uint32_t mask;	/* of the hash */
	uint32_t free_head;
	uint32_t used;	 /* the worker writes it, others read */
	uint64_t untold; /* flows whose lease found no room; likewise */
	struct weir_siphash_key secret;
};

static uint32_t heads_of(uint32_t entries)
{
	uint32_t heads = 1;

	while (heads < entries)
		heads *= 2;
	return heads;
}

uint64_t nat_leases_size(uint32_t entries)
{
	return sizeof(struct nat_leases) + (uint64_t)entries * sizeof(struct nat_lease) +
	       (uint64_t)heads_of(entries) * sizeof(uint32_t);
}

int nat_leases_create(uint32_t entries, int numa, const struct weir_siphash_key *secret,
		      struct nat_leases **out)
{
	struct nat_leases *l;

	if (entries == 0 || entries > NAT_LEASES_MAX)
		return -EINVAL;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return -ENOMEM;
	l->mask = heads_of(entries) - 1;
	l->secret = *secret;
	l->lease = rte_zmalloc_socket("nat_leases", entries * sizeof(*l->lease),
				      RTE_CACHE_LINE_SIZE, numa);
	l->head = rte_zmalloc_socket("nat_leases", (l->mask + UINT64_C(1)) * sizeof(*l->head),
				     RTE_CACHE_LINE_SIZE, numa);
	if (l->lease == NULL || l->head == NULL) {
		nat_leases_free(l);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i + 1 < entries; i++)
		l->lease[i].next = i + 2;
	l->free_head = 1;
	*out = l;
	return 0;
}

void nat_leases_free(struct nat_leases *l)
{
	if (l == NULL)
		return;
	rte_free(l->lease);
	rte_free(l->head);
	free(l);
}

uint32_t nat_leases_used(const struct nat_leases *l)
{
	return l == NULL ? 0 : __atomic_load_n(&l->used, __ATOMIC_RELAXED);
}

uint64_t nat_leases_untold(const struct nat_leases *l)
{
	return l == NULL ? 0 : weir_counted(&l->untold);
}

static uint32_t *head_of(struct nat_leases *l, uint32_t inside_be, uint32_t outside_be)
{
	const uint64_t key = (uint64_t)inside_be << 32 | outside_be;

	return &l->head[weir_siphash13_u64(&l->secret, key) & l->mask];
}

/* The link that leads to the lease of a block with just these ends, or to 0: none. A reload may
 * have made blocks larger, so that a subscriber has several that overlap. */
static uint32_t *find(struct nat_leases *l, const struct nat_lease *of)
{
	uint32_t *at = head_of(l, of->inside_be, of->outside_be);

	while (*at != 0) {
		struct nat_lease *e = &l->lease[*at - 1];

		if (e->inside_be == of->inside_be && e->outside_be == of->outside_be &&
		    e->lo == of->lo && e->hi == of->hi)
			break;
		at = &e->next;
	}
	return at;
}

uint32_t nat_leases_take(struct nat_leases *l, const struct nat_lease *of, bool *begins)
{
	uint32_t *at = find(l, of), number = *at;

	*begins = number == 0;
	if (*begins) {
		if (l->free_head == 0) {
			weir_count(&l->untold, 1);
			return 0;
		}
		number = l->free_head;
		l->free_head = l->lease[number - 1].next;
		l->lease[number - 1] = *of;
		l->lease[number - 1].refs = 0;
		l->lease[number - 1].next = 0;
		*at = number;
		__atomic_store_n(&l->used, l->used + 1, __ATOMIC_RELAXED);
	}
	l->lease[number - 1].refs++;
	return number;
}

bool nat_leases_give(struct nat_leases *l, uint32_t number, struct nat_lease *ended)
{
	struct nat_lease *e = &l->lease[number - 1];
	uint32_t *at;

	if (--e->refs > 0)
		return false;
	*ended = *e;
	at = find(l, e);
	*at = e->next;
	e->next = l->free_head;
	l->free_head = number;
	__atomic_store_n(&l->used, l->used - 1, __ATOMIC_RELAXED);
	return true;
}
