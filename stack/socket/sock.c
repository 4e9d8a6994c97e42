/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Sockets: handles with generations, and the list of those that have become ready.
 *
 * A handle is generation:8 | index:24; whoever gets a place next has the next generation.
 */

#include "tcp_priv.h"

#include <errno.h>
#include <stdlib.h>

int sock_table_create(struct weir_stack *s)
{
	uint32_t buckets = 1;

	while (buckets < s->conf.sockets)
		buckets *= 2;
	s->socks = calloc(s->conf.sockets, sizeof(*s->socks));
	s->buckets = malloc(2 * buckets * sizeof(*s->buckets));
	if (s->socks == NULL || s->buckets == NULL)
		return -ENOMEM;
	s->port_buckets = s->buckets + buckets;
	s->bucket_mask = buckets - 1;
	for (uint32_t i = 0; i < 2 * buckets; i++)
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

weir_sock conn_handle(const struct conn *c)
{
	return (uint32_t)c->generation << SOCK_INDEX_BITS |
	       (c->stack->conf.sockets + conn_index(c));
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

int sock_new(struct weir_stack *s, void *user, weir_sock *out)
{
	const uint32_t index = s->free;
	struct sock *k;

	if (index == SOCK_NONE)
		return -ENFILE;
	k = &s->socks[index];
	s->free = k->next;
	*k = (struct sock){
		.user = user,
		.next = SOCK_NONE,
		.next_ready = SOCK_NONE,
		.memberships = SOCK_NONE,
		.group_iface = WEIR_NO_IFACE,
		.group_ttl = 1,
		.generation = k->generation == UINT8_MAX ? 1 : (uint8_t)(k->generation + 1),
		.open = true,
	};
	*out = handle_of(s, k);
	return 0;
}

/* ---- the list of those that have become ready: sockets, and behind them connections ---- */

static uint32_t *next_ready(struct weir_stack *s, uint32_t index)
{
	return index < s->conf.sockets ? &s->socks[index].next_ready
				       : &s->tcp->conns[index - s->conf.sockets].next_ready;
}

void sock_list_ready(struct weir_stack *s, uint32_t index)
{
	*next_ready(s, index) = SOCK_NONE;
	if (s->ready_head == SOCK_NONE)
		s->ready_head = index;
	else
		*next_ready(s, s->ready_tail) = index;
	s->ready_tail = index;
}

/* The list is short: edges that nobody was told of yet. */
static void forget_ready(struct weir_stack *s, uint32_t index)
{
	uint32_t *link = &s->ready_head, last = SOCK_NONE;

	for (; *link != index; link = next_ready(s, *link))
		last = *link;
	*link = s->socks[index].next_ready;
	if (s->ready_tail == index)
		s->ready_tail = last;
}

int weir_sock_close(struct weir_stack *s, weir_sock sock)
{
	struct sock *k = sock_of(s, sock);
	struct conn *c = conn_by(s, sock);
	uint32_t index;

	if (c != NULL)
		conn_close(c);
	if (k == NULL)
		return c != NULL ? 0 : -EBADF;
	index = (uint32_t)(k - s->socks);
	forget_packets(k);
	if (k->ready)
		forget_ready(s, index);
	sock_unbind(s, k);
	group_leave_all(s, k);
	*k = (struct sock){.generation = k->generation, .next = s->free};
	s->free = index;
	return 0;
}

void sock_is_ready(struct weir_stack *s, struct sock *k)
{
	if (k->ready)
		return;
	k->ready = true;
	sock_list_ready(s, (uint32_t)(k - s->socks));
}

static uint32_t sock_level(const struct sock *k)
{
	return (k->in.n > 0 ? WEIR_READY_IN : 0) | (k->error != 0 ? WEIR_READY_ERR : 0);
}

/* What a connection tells; 0: nothing, for it was closed meanwhile. */
static uint32_t tell(struct conn *c)
{
	const uint32_t watched = ~(c->flags >> CONN_UNWATCHED_SHIFT);
	uint32_t bits = c->ready, level;

	c->flags &= ~CONN_READY;
	c->ready = 0;
	if (c->state == TCPS_FREE) {
		conn_free(c);
		return 0;
	}
	if (c->flags & CONN_ORPHAN)
		return 0;
	if (c->flags & CONN_LEVEL) {
		level = conn_level(c) & watched;
		bits = (bits & watched & WEIR_READY_OUT) | level; /* connected: once, even full */
		if (level != 0)
			conn_ask_again(c);
		if (watched & ~level & WEIR_READY_OUT)
			conn_want_room(c);
	}
	return bits;
}

uint16_t weir_stack_events(struct weir_stack *s, struct weir_event *events, uint16_t most)
{
	const uint32_t last = s->ready_tail;
	uint16_t n = 0;
	bool more = s->ready_head != SOCK_NONE;

	while (n < most && more) {
		const uint32_t i = s->ready_head;
		struct weir_event *e = &events[n];

		more = i != last; /* what is put behind it now is told by the next call */
		s->ready_head = *next_ready(s, i);
		if (i < s->conf.sockets) {
			struct sock *k = &s->socks[i];

			k->ready = false;
			*e = (struct weir_event){handle_of(s, k), WEIR_READY_IN | sock_level(k),
						 k->user};
			n++;
		} else {
			struct conn *c = &s->tcp->conns[i - s->conf.sockets];

			e->ready = tell(c);
			e->sock = conn_handle(c);
			e->user = c->user;
			n += e->ready != 0;
		}
	}
	return n;
}

void sock_forget_closed(struct weir_stack *s)
{
	uint32_t *link = &s->ready_head, last = SOCK_NONE;

	while (*link != SOCK_NONE) {
		const uint32_t i = *link;
		struct conn *c = i < s->conf.sockets ? NULL : &s->tcp->conns[i - s->conf.sockets];

		if (c == NULL || c->state != TCPS_FREE) {
			last = i;
			link = next_ready(s, i);
			continue;
		}
		*link = c->next_ready;
		c->flags &= ~CONN_READY;
		conn_free(c);
	}
	s->ready_tail = last;
}

bool sock_look(const struct weir_stack *s, uint32_t index, struct weir_sock_info *out)
{
	const struct sock *k = &s->socks[index];

	if (!k->open)
		return false;
	*out = (struct weir_sock_info){
		.sock = handle_of(s, k),
		.type = WEIR_UDP,
		.state = "UNCONN",
		.ours = k->at,
		.peer = k->peer,
		.in_bytes = k->in.n,
	};
	return true;
}

/* ---- what is the same for all sockets ---- */

int weir_socket(struct weir_stack *s, enum weir_sock_type type, void *user, weir_sock *out)
{
	struct conn *c;

	if (type == WEIR_UDP)
		return sock_new(s, user, out);
	if (type != WEIR_TCP)
		return -EINVAL;
	c = s->tcp == NULL ? NULL : conn_new(s);
	if (c == NULL)
		return -ENFILE;
	c->user = user;
	*out = conn_handle(c);
	return 0;
}

int weir_bind(struct weir_stack *s, weir_sock sock, const struct weir_endpoint *at)
{
	struct conn *c = conn_by(s, sock);
	struct sock *k = sock_of(s, sock);

	if (c != NULL)
		return port_bind(c, at);
	return k == NULL ? -EBADF : udp_bind(s, k, at);
}

int weir_connect(struct weir_stack *s, weir_sock sock, const struct weir_endpoint *to)
{
	struct conn *c = conn_by(s, sock);
	struct sock *k = sock_of(s, sock);

	if (c != NULL)
		return conn_connect(c, to);
	return k == NULL ? -EBADF : udp_connect(s, k, to);
}

int weir_getsockname(struct weir_stack *s, weir_sock sock, struct weir_endpoint *out)
{
	const struct conn *c = conn_by(s, sock);
	const struct sock *k = sock_of(s, sock);

	if (c == NULL && k == NULL)
		return -EBADF;
	*out = c != NULL ? conn_ours(c) : k->at;
	return 0;
}

int weir_getpeername(struct weir_stack *s, weir_sock sock, struct weir_endpoint *out)
{
	const struct conn *c = conn_by(s, sock);
	const struct sock *k = sock_of(s, sock);

	if (c == NULL && k == NULL)
		return -EBADF;
	*out = c != NULL ? conn_peer(c) : k->peer;
	return out->port == 0 ? -ENOTCONN : 0;
}

uint32_t weir_sock_ready(struct weir_stack *s, weir_sock sock)
{
	const struct conn *c = conn_by(s, sock);
	const struct sock *k = sock_of(s, sock);

	if (c != NULL)
		return conn_level(c);
	return k == NULL ? 0 : sock_level(k);
}

int weir_sock_watch(struct weir_stack *s, weir_sock sock, uint32_t mask, bool level)
{
	const uint32_t all = WEIR_READY_IN | WEIR_READY_OUT | WEIR_READY_END;
	struct conn *c = conn_by(s, sock);

	if (c == NULL)
		return sock_of(s, sock) == NULL ? -EBADF : -EOPNOTSUPP;
	c->flags &= ~((UINT32_C(15) << CONN_UNWATCHED_SHIFT) | CONN_LEVEL);
	c->flags |= (~mask & all) << CONN_UNWATCHED_SHIFT | (level ? CONN_LEVEL : 0);
	conn_ready(c, conn_level(c));
	return 0;
}
