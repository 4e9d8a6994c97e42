/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The entries of an address set: nodes in chains, as the control thread changes them. Readers are
 * in set_lookup.c.
 */

#include <errno.h>
#include <rte_malloc.h>

#include "set_priv.h"

/* As many again as entries at least: a chain has half a node. */
static uint32_t chains_for(uint32_t max)
{
	uint32_t n = 16;

	while (n / 2 < max)
		n *= 2;
	return n;
}

uint64_t set_nodes_size(uint32_t max)
{
	return sizeof(struct set_node) * (max + 1ull) +
	       sizeof(uint32_t) * (uint64_t)chains_for(max);
}

int set_nodes_create(struct set_nodes *n, uint32_t max, int numa)
{
	const uint32_t chains = chains_for(max);

	n->max = max;
	n->mask = chains - 1;
	n->node = rte_malloc_socket("weir_set_nodes", sizeof(n->node[0]) * (max + 1ul),
				    RTE_CACHE_LINE_SIZE, numa);
	n->head = rte_zmalloc_socket("weir_set_heads", sizeof(n->head[0]) * (size_t)chains,
				     RTE_CACHE_LINE_SIZE, numa);
	return n->node == NULL || n->head == NULL ? -ENOMEM : 0;
}

void set_nodes_free(struct set_nodes *n)
{
	rte_free(n->node);
	rte_free(n->head);
}

/* A node that no reader can see; 0: none. */
static uint32_t take_free(struct set_nodes *n)
{
	const uint32_t node = n->free;

	if (node == 0)
		return n->used == n->max ? 0 : ++n->used;
	n->free = atomic_load_explicit(&n->node[node].next, memory_order_relaxed);
	return node;
}

bool set_nodes_add(struct set_nodes *n, const struct set_key *key, uint32_t until_s)
{
	_Atomic uint32_t *head = set_chain(n, key->sig);
	const uint32_t at = take_free(n);
	struct set_node *node = &n->node[at];

	if (at == 0)
		return false;
	node->key = *key;
	atomic_store_explicit(&node->until_s, until_s, memory_order_relaxed);
	atomic_store_explicit(&node->next, atomic_load_explicit(head, memory_order_relaxed),
			      memory_order_relaxed);
	atomic_store_explicit(head, at, memory_order_release);
	return true;
}

uint32_t set_nodes_find(const struct set_nodes *n, const struct set_key *key)
{
	uint32_t at = atomic_load_explicit(set_chain(n, key->sig), memory_order_relaxed);

	while (at != 0 && !set_node_is(&n->node[at], key))
		at = atomic_load_explicit(&n->node[at].next, memory_order_relaxed);
	return at;
}

void set_nodes_take_out(struct set_nodes *n, uint32_t node)
{
	_Atomic uint32_t *link = set_chain(n, n->node[node].key.sig);
	uint32_t at;

	while ((at = atomic_load_explicit(link, memory_order_relaxed)) != node)
		link = &n->node[at].next;
	atomic_store_explicit(link, atomic_load_explicit(&n->node[node].next, memory_order_relaxed),
			      memory_order_release);
	n->retired[n->n_retired++] = node;
}

void set_nodes_settled(struct set_nodes *n)
{
	for (uint32_t i = 0; i < n->n_retired; i++) {
		atomic_store_explicit(&n->node[n->retired[i]].next, n->free, memory_order_relaxed);
		n->free = n->retired[i];
	}
	n->n_retired = 0;
}

void set_nodes_reset(struct set_nodes *n)
{
	for (uint32_t chain = 0; chain <= n->mask; chain++)
		atomic_store_explicit(&n->head[chain], 0, memory_order_relaxed);
	n->used = n->free = n->n_retired = 0;
}

uint32_t set_nodes_next(const struct set_nodes *n, uint32_t *chain, uint32_t node)
{
	if (node != 0)
		node = atomic_load_explicit(&n->node[node].next, memory_order_relaxed);
	while (node == 0 && *chain <= n->mask)
		node = atomic_load_explicit(&n->head[(*chain)++], memory_order_relaxed);
	return node;
}
