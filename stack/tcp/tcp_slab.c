/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Half-open connections and those in TIME-WAIT: lines of 64 bytes, and lists of them by index. All
 * of one list wait for the same time, so a list is in the order in which they are due.
 */

#include "tcp_priv.h"

#include <errno.h>
#include <stdlib.h>

int slab_create(struct slab *l, uint32_t most)
{
	l->at = aligned_alloc(RTE_CACHE_LINE_SIZE, (size_t)most * sizeof(*l->at));
	if (l->at == NULL)
		return -ENOMEM;
	l->most = most;
	l->free = NONE;
	return 0;
}

/* What was never used is not touched: a large slab costs only what it holds. */
uint32_t slab_take(struct slab *l)
{
	uint32_t i = l->free;

	if (i != NONE)
		l->free = l->at[i].link.next;
	else if (l->touched < l->most)
		i = l->touched++;
	else
		return NONE;
	l->used++;
	return i;
}

void slab_give(struct slab *l, uint32_t i)
{
	l->at[i].ends.our_port = 0;
	l->at[i].link.next = l->free;
	l->free = i;
	l->used--;
}

void list_put(struct slab *l, struct list *list, uint32_t i)
{
	l->at[i].link = (struct link){.next = NONE, .prev = list->tail};
	if (list->tail == NONE)
		list->head = i;
	else
		l->at[list->tail].link.next = i;
	list->tail = i;
}

void list_remove(struct slab *l, struct list *list, uint32_t i)
{
	const struct link link = l->at[i].link;

	if (link.prev == NONE)
		list->head = link.next;
	else
		l->at[link.prev].link.next = link.next;
	if (link.next == NONE)
		list->tail = link.prev;
	else
		l->at[link.next].link.prev = link.prev;
}
