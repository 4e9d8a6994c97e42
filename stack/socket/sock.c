/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Sockets: handles with generations, a table of what is bound where, and the list of those that
 * have become ready.
 *
 * A handle is generation:8 | index:24; whoever gets a place next has the next generation. The table
 * is chains by a keyed hash of address and port; a packet is looked for at its address first, then
 * at any.
 */

#include "stack_priv.h"

#include <errno.h>
#include <stdlib.h>

int sock_table_create(struct weir_stack *s)
{
	uint32_t buckets = 1;

	while (buckets < s->conf.sockets)
		buckets *= 2;
	s->socks = calloc(s->conf.sockets, sizeof(*s->socks));
	s->buckets = malloc(buckets * sizeof(*s->buckets));
	if (s->socks == NULL || s->buckets == NULL)
		return -ENOMEM;
	s->bucket_mask = buckets - 1;
	for (uint32_t i = 0; i < buckets; i++)
		s->buckets[i] = SOCK_NONE;
	for (uint32_t i = 0; i < s->conf.sockets; i++)
		s->socks[i].next = i + 1 < s->conf.sockets ? i + 1 : SOCK_NONE;
	s->ready_head = SOCK_NONE;
	return 0;
}

static void forget_packets(struct sock *k)
{
	struct rte_mbuf *m;

	while ((m = pkt_take(&k->in)) != NULL)
		rte_pktmbuf_free(m);
}

void sock_table_free(struct weir_stack *s)
{
	for (uint32_t i = 0; s->socks != NULL && i < s->conf.sockets; i++)
		forget_packets(&s->socks[i]);
	free(s->buckets);
	free(s->socks);
}

static weir_sock handle_of(const struct weir_stack *s, const struct sock *k)
{
	return (uint32_t)k->generation << SOCK_INDEX_BITS | (uint32_t)(k - s->socks);
}

struct sock *sock_of(struct weir_stack *s, weir_sock sock)
{
	const uint32_t index = sock & ((UINT32_C(1) << SOCK_INDEX_BITS) - 1);
	struct sock *k;

	if (index >= s->conf.sockets)
		return NULL;
	k = &s->socks[index];
	return k->open && k->generation == sock >> SOCK_INDEX_BITS ? k : NULL;
}

static uint32_t *bucket_of(struct weir_stack *s, const struct weir_endpoint *at)
{
	uint64_t words[2];

	memcpy(words, at->addr.bytes, sizeof(words));
	return &s->buckets[weir_siphash13_u64x3(&s->conf.secret, words[0], words[1],
						(uint64_t)at->addr.family << 16 | at->port) &
			   s->bucket_mask];
}

static bool is_same(const struct weir_endpoint *a, const struct weir_endpoint *b)
{
	return a->port == b->port && a->addr.family == b->addr.family &&
	       memcmp(a->addr.bytes, b->addr.bytes, sizeof(a->addr.bytes)) == 0;
}

static struct sock *find_at(struct weir_stack *s, const struct weir_endpoint *at)
{
	for (uint32_t i = *bucket_of(s, at); i != SOCK_NONE; i = s->socks[i].next)
		if (is_same(&s->socks[i].at, at))
			return &s->socks[i];
	return NULL;
}

struct sock *sock_find(struct weir_stack *s, const struct weir_endpoint *at)
{
	struct sock *k = find_at(s, at);

	return k != NULL ? k : find_at(s, &(struct weir_endpoint){.port = at->port});
}

int sock_open(struct weir_stack *s, const struct weir_endpoint *at, void *user, weir_sock *out)
{
	uint32_t *bucket = bucket_of(s, at);
	const uint32_t index = s->free;
	struct sock *k;

	if (find_at(s, at) != NULL)
		return -EADDRINUSE;
	if (index == SOCK_NONE)
		return -ENFILE;
	k = &s->socks[index];
	s->free = k->next;
	*k = (struct sock){
		.at = *at,
		.user = user,
		.next = *bucket,
		.next_ready = SOCK_NONE,
		.generation = k->generation == UINT8_MAX ? 1 : (uint8_t)(k->generation + 1),
		.open = true,
	};
	*bucket = index;
	*out = handle_of(s, k);
	return 0;
}

/* The list is short: edges that nobody was told of yet. */
static void forget_ready(struct weir_stack *s, uint32_t index)
{
	uint32_t *link = &s->ready_head, last = SOCK_NONE;

	for (; *link != index; link = &s->socks[*link].next_ready)
		last = *link;
	*link = s->socks[index].next_ready;
	if (s->ready_tail == index)
		s->ready_tail = last;
}

int weir_sock_close(struct weir_stack *s, weir_sock sock)
{
	struct sock *k = sock_of(s, sock);
	uint32_t *link, index;

	if (k == NULL)
		return -EBADF;
	index = (uint32_t)(k - s->socks);
	forget_packets(k);
	if (k->ready)
		forget_ready(s, index);
	for (link = bucket_of(s, &k->at); *link != index; link = &s->socks[*link].next)
		;
	*link = k->next;
	*k = (struct sock){.generation = k->generation, .next = s->free};
	s->free = index;
	return 0;
}

void sock_is_ready(struct weir_stack *s, struct sock *k)
{
	const uint32_t index = (uint32_t)(k - s->socks);

	if (k->ready)
		return;
	k->ready = true;
	k->next_ready = SOCK_NONE;
	if (s->ready_head == SOCK_NONE)
		s->ready_head = index;
	else
		s->socks[s->ready_tail].next_ready = index;
	s->ready_tail = index;
}

uint16_t weir_stack_events(struct weir_stack *s, struct weir_event *events, uint16_t most)
{
	uint16_t n = 0;

	for (; n < most && s->ready_head != SOCK_NONE; n++) {
		struct sock *k = &s->socks[s->ready_head];

		events[n] = (struct weir_event){
			.sock = handle_of(s, k), .ready = WEIR_READY_IN, .user = k->user};
		k->ready = false;
		s->ready_head = k->next_ready;
	}
	return n;
}
