/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * UDP ports: who is bound where, and whose a datagram is.
 *
 * Sockets lie in two tables of chains. One is by the address and port that they are bound to, and
 * of those that are connected by their peer too, all hashed with a key: a datagram is looked for at
 * both of its ends first, then at ours, then at our port of any address. The other is by port
 * alone, for who wants to be bound. Sockets that share an address and port are WEIR_SHARED_MOST at
 * most, so that the choice among them is bounded; those that are connected are found by their peer
 * and not counted.
 */

#include "stack_priv.h"

#include <errno.h>

static const struct weir_endpoint nobody;

static uint64_t hash_of(const struct weir_stack *s, const struct weir_endpoint *e, uint64_t salt)
{
	uint64_t words[2];

	memcpy(words, e->addr.bytes, sizeof(words));
	return weir_siphash13_u64x3(&s->conf.secret, words[0], words[1],
				    salt + ((uint64_t)e->addr.family << 16 | e->port));
}

/* Of both ends; of one that has no peer, of ours. */
static uint64_t ends_hash(const struct weir_stack *s, const struct weir_endpoint *at,
			  const struct weir_endpoint *peer)
{
	const uint64_t ours = hash_of(s, at, 0);

	return peer->port == 0 ? ours : hash_of(s, peer, ours);
}

static uint32_t *bucket_of(struct weir_stack *s, uint64_t hash)
{
	return &s->buckets[hash & s->bucket_mask];
}

static uint32_t *port_bucket_of(struct weir_stack *s, uint16_t port)
{
	return &s->port_buckets[port & s->bucket_mask];
}

static bool is_end(const struct weir_endpoint *a, const struct weir_endpoint *b)
{
	return a->port == b->port && weir_addr_equal(&a->addr, &b->addr);
}

/* The first that is at these ends, from the place @i of a chain on. NULL: none is. */
static struct sock *first_at(const struct weir_stack *s, uint32_t i, const struct weir_endpoint *at,
			     const struct weir_endpoint *peer)
{
	for (; i != SOCK_NONE; i = s->socks[i].next)
		if (is_end(&s->socks[i].at, at) && is_end(&s->socks[i].peer, peer))
			return &s->socks[i];
	return NULL;
}

/* The next one at the same ends; NULL: there are no more. */
static struct sock *next_like(const struct weir_stack *s, const struct sock *k)
{
	return first_at(s, k->next, &k->at, &k->peer);
}

/*
 * SO_REUSEPORT: of those that share a port the hash of both ends chooses one, so that a peer's
 * datagrams all reach the same for as long as nobody comes or goes.
 */
static struct sock *choose(struct weir_stack *s, struct sock *first,
			   const struct weir_endpoint *from)
{
	struct sock *member[WEIR_SHARED_MOST];
	uint32_t n = 0;

	if (!(first->flags & SOCK_REUSEPORT))
		return first;
	for (struct sock *k = first; k != NULL && n < WEIR_SHARED_MOST; k = next_like(s, k))
		if (k->flags & SOCK_REUSEPORT)
			member[n++] = k;
	return n == 1 ? first : member[(ends_hash(s, &first->at, from) & UINT32_MAX) * n >> 32];
}

struct sock *sock_find(struct weir_stack *s, const struct weir_endpoint *at,
		       const struct weir_endpoint *from)
{
	const struct weir_endpoint any = {.port = at->port};
	const uint64_t hash = hash_of(s, at, 0);
	struct sock *k = NULL;

	if (s->connected > 0)
		k = first_at(s, *bucket_of(s, hash_of(s, from, hash)), at, from);
	if (k != NULL)
		return k;
	k = first_at(s, *bucket_of(s, hash), at, &nobody);
	if (k == NULL)
		k = first_at(s, *bucket_of(s, hash_of(s, &any, 0)), &any, &nobody);
	return k == NULL ? NULL : choose(s, k, from);
}

struct sock *sock_each(struct weir_stack *s, const struct sock *k, const struct weir_endpoint *at,
		       const struct weir_endpoint *from)
{
	struct sock *next;

	if (k == NULL)
		next = first_at(s, *bucket_of(s, hash_of(s, at, 0)), at, &nobody);
	else
		next = next_like(s, k);
	if (next != NULL || s->connected == 0 || (k != NULL && k->peer.port != 0))
		return next;
	return first_at(s, *bucket_of(s, ends_hash(s, at, from)), at, from);
}

/* ---- binding ---- */

static bool overlap(const struct weir_addr *a, const struct weir_addr *b)
{
	return a->family == 0 || b->family == 0 || weir_addr_equal(a, b);
}

/* Linux's rule: both want to share, in the same way. */
static bool may_share(uint8_t a, uint8_t b)
{
	return (a & b & (SOCK_REUSEADDR | SOCK_REUSEPORT)) != 0;
}

bool udp_may_bind(struct weir_stack *s, const struct weir_endpoint *at, uint8_t flags)
{
	uint32_t alike = 0;

	for (uint32_t i = *port_bucket_of(s, at->port); i != SOCK_NONE; i = s->socks[i].next_port) {
		const struct sock *k = &s->socks[i];

		if (k->at.port != at->port || !overlap(&k->at.addr, &at->addr))
			continue;
		if (!may_share(k->flags, flags))
			return false;
		alike += k->peer.port == 0 && weir_addr_equal(&k->at.addr, &at->addr);
	}
	return alike < WEIR_SHARED_MOST;
}

/* The newest is found first, as in Linux. */
static void enter(struct weir_stack *s, struct sock *k)
{
	uint32_t *bucket = bucket_of(s, ends_hash(s, &k->at, &k->peer));

	k->next = *bucket;
	*bucket = (uint32_t)(k - s->socks);
	s->connected += k->peer.port != 0;
}

static void leave(struct weir_stack *s, struct sock *k)
{
	uint32_t *link = bucket_of(s, ends_hash(s, &k->at, &k->peer));

	while (*link != (uint32_t)(k - s->socks))
		link = &s->socks[*link].next;
	*link = k->next;
	s->connected -= k->peer.port != 0;
}

int sock_bind(struct weir_stack *s, struct sock *k, const struct weir_endpoint *at)
{
	uint32_t *bucket = port_bucket_of(s, at->port);

	if (k->at.port != 0 || at->port == 0)
		return -EINVAL;
	if (!udp_may_bind(s, at, k->flags))
		return -EADDRINUSE;
	k->at = *at;
	k->next_port = *bucket;
	*bucket = (uint32_t)(k - s->socks);
	enter(s, k);
	return 0;
}

void sock_unbind(struct weir_stack *s, struct sock *k)
{
	uint32_t *link = port_bucket_of(s, k->at.port);

	if (k->at.port == 0)
		return;
	leave(s, k);
	while (*link != (uint32_t)(k - s->socks))
		link = &s->socks[*link].next_port;
	*link = k->next_port;
	k->at = k->peer = nobody;
}

void sock_set_peer(struct weir_stack *s, struct sock *k, const struct weir_addr *at,
		   const struct weir_endpoint *peer)
{
	leave(s, k);
	k->at.addr = *at;
	k->peer = *peer;
	enter(s, k);
}
