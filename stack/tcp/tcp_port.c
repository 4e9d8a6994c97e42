/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Ports that are bound, and who listens at them: chains by port. A segment is looked for at its
 * address first, then at any; among those who share a port (SO_REUSEPORT) the hash of both ends
 * chooses one.
 *
 * What Linux has for SO_REUSEADDR: connections and those in TIME-WAIT keep their port from being
 * bound, unless both sides want to share it; and nobody shares with a listener.
 */

#include "tcp_priv.h"

#include <errno.h>
#include <netinet/in.h>

#define EPHEMERAL_FIRST 32768u
#define EPHEMERAL_COUNT 28232u /* as Linux: 32768 to 60999 */

static uint32_t *bucket_of(struct tcp *t, uint16_t port)
{
	return &t->port_buckets[port % PORT_BUCKETS];
}

struct port *port_of(const struct conn *c)
{
	return c->state <= TCPS_LISTEN && c->work != NONE && (c->flags & CONN_BOUND)
		       ? &c->stack->tcp->ports[c->work]
		       : NULL;
}

static bool is_listener(const struct tcp *t, const struct port *p)
{
	return t->conns[p->conn].state == TCPS_LISTEN;
}

/* Whether a listener at @p takes what is to this address. */
static bool is_at(const struct weir_stack *s, const struct port *p, const struct ends *e, bool v6)
{
	if (p->at.addr.family == 0)
		return v6 || !settings_of(&s->tcp->conns[p->conn])->v6_only;
	return p->at.addr.family == (v6 ? 6 : 4) &&
	       memcmp(p->at.addr.bytes, e->ours, sizeof(e->ours)) == 0;
}

/* Of the listeners that share the place of @first, from there on. */
static struct port *choose(struct weir_stack *s, struct port *first, const struct ends *e)
{
	struct tcp *t = s->tcp;
	struct port *member[WEIR_SHARED_MOST];
	uint32_t n = 0;

	if (!settings_of(&t->conns[first->conn])->reuseport)
		return first;
	for (uint32_t i = (uint32_t)(first - t->ports); i != NONE && n < WEIR_SHARED_MOST;
	     i = t->ports[i].next) {
		struct port *p = &t->ports[i];

		if (p->at.port == first->at.port && weir_addr_equal(&p->at.addr, &first->at.addr) &&
		    is_listener(t, p) && settings_of(&t->conns[p->conn])->reuseport)
			member[n++] = p;
	}
	return member[(uint64_t)ends_hash(&s->conf.secret, e) * n >> 32];
}

struct port *port_find(struct weir_stack *s, const struct ends *e, bool v6)
{
	struct tcp *t = s->tcp;
	const uint16_t number = ntohs(e->our_port);
	struct port *best = NULL;

	for (uint32_t i = *bucket_of(t, number); i != NONE; i = t->ports[i].next) {
		struct port *p = &t->ports[i];

		if (p->at.port != number || !is_listener(t, p) || !is_at(s, p, e, v6))
			continue;
		if (best == NULL || (best->at.addr.family == 0 && p->at.addr.family != 0))
			best = p;
	}
	return best == NULL ? NULL : choose(s, best, e);
}

/* ---- who may be bound ---- */

/* Whether one of IPv6 alone, at any address, leaves the other to IPv4. */
static bool are_apart(const struct weir_addr *a, const struct settings *set,
		      const struct weir_addr *b)
{
	return a->family == 0 && set->v6_only && b->family == 4;
}

static bool overlap(const struct weir_addr *a, const struct weir_addr *b)
{
	return a->family == 0 || b->family == 0 || weir_addr_equal(a, b);
}

/* Whether @set lets its owner be at @at beside those who are bound, @self not counted. */
static bool is_taken(const struct weir_stack *s, const struct weir_endpoint *at,
		     const struct settings *set, const struct conn *self)
{
	const struct tcp *t = s->tcp;
	uint32_t alike = 0;

	for (uint32_t i = t->port_buckets[at->port % PORT_BUCKETS]; i != NONE;
	     i = t->ports[i].next) {
		const struct port *p = &t->ports[i];
		const struct conn *c = &t->conns[p->conn];
		const struct settings *has = settings_of(c);

		if (p->at.port != at->port || c == self || !overlap(&p->at.addr, &at->addr) ||
		    are_apart(&p->at.addr, has, &at->addr) ||
		    are_apart(&at->addr, set, &p->at.addr))
			continue;
		if (!(set->reuseport && has->reuseport) &&
		    !(set->reuse && has->reuse && c->state != TCPS_LISTEN))
			return true;
		alike += weir_addr_equal(&p->at.addr, &at->addr);
	}
	return alike >= WEIR_SHARED_MOST;
}

static bool is_end(const struct ends *e, bool v6, const struct weir_endpoint *at)
{
	return e->our_port == htons(at->port) &&
	       (at->addr.family == 0 || (at->addr.family == (v6 ? 6 : 4) &&
					 memcmp(at->addr.bytes, e->ours, sizeof(e->ours)) == 0));
}

/*
 * Whether a connection keeps one with these settings from being there. All are looked at if any has
 * this port: it is a call of a program that comes back, not a packet's.
 */
static bool is_used(const struct weir_stack *s, const struct weir_endpoint *at,
		    const struct settings *set)
{
	const struct tcp *t = s->tcp;

	if (t->port_users[htons(at->port)] == 0)
		return false;
	for (uint32_t i = 0; i < t->conn_touched; i++) {
		const struct conn *c = &t->conns[i];

		if (c->flags & CONN_IN_TABLE && is_end(&c->ends, c->flags & CONN_V6, at) &&
		    !(set->reuse && settings_of(c)->reuse) &&
		    !(set->reuseport && settings_of(c)->reuseport))
			return true;
	}
	for (uint32_t i = t->waits.head; i != NONE; i = t->time_wait.at[i].link.next) {
		const struct time_wait *w = &t->time_wait.at[i].time_wait;

		if (is_end(&w->ends, w->v6, at) && !(set->reuse && w->reuse) &&
		    !(set->reuseport && w->reuseport))
			return true;
	}
	return false;
}

/*
 * A port of ours that nobody is bound to (RFC 6056 section 3.3.1, with a random beginning); if all
 * have connections, beside those.
 */
static uint16_t free_port(struct weir_stack *s, const struct weir_endpoint *at)
{
	static const struct settings alone;
	struct weir_endpoint e = *at;
	uint16_t beside = 0;

	for (uint32_t i = 0; i < EPHEMERAL_COUNT; i++) {
		e.port = (uint16_t)(EPHEMERAL_FIRST +
				    weir_siphash13_u64(&s->conf.secret, s->tcp->port_next++) %
					    EPHEMERAL_COUNT);
		if (is_taken(s, &e, &alone, NULL))
			continue;
		if (s->tcp->port_users[htons(e.port)] == 0)
			return e.port;
		beside = e.port;
	}
	return beside;
}

int port_bind(struct conn *c, const struct weir_endpoint *at)
{
	struct tcp *t = c->stack->tcp;
	const uint32_t i = t->port_free;
	struct weir_endpoint want = *at;
	uint32_t *bucket;

	if (c->state != TCPS_CLOSED || (c->flags & CONN_BOUND))
		return -EINVAL;
	if (want.port == 0)
		want.port = free_port(c->stack, at);
	else if (is_taken(c->stack, &want, settings_of(c), c) ||
		 is_used(c->stack, &want, settings_of(c)))
		return -EADDRINUSE;
	if (want.port == 0)
		return -EADDRINUSE;
	if (i == NONE)
		return -ENFILE;
	t->port_free = t->ports[i].next;
	bucket = bucket_of(t, want.port);
	t->ports[i] = (struct port){
		.at = want, .conn = conn_index(c), .next = *bucket, .waiting = {NONE, NONE}};
	*bucket = i;
	c->work = i;
	c->flags |= CONN_BOUND | (want.addr.family == 6 ? CONN_V6 : 0);
	memcpy(c->ends.ours, want.addr.bytes, sizeof(c->ends.ours));
	c->ends.our_port = htons(want.port);
	return 0;
}

void port_free(struct conn *c)
{
	struct tcp *t = c->stack->tcp;
	struct port *p = port_of(c);
	const uint32_t index = c->work;
	uint32_t *link;

	if (p == NULL)
		return;
	for (link = bucket_of(t, p->at.port); *link != index; link = &t->ports[*link].next)
		;
	*link = p->next;
	p->next = t->port_free;
	t->port_free = index;
	c->work = NONE;
}

int conn_listen(struct conn *c, uint32_t backlog)
{
	struct port *p = port_of(c);

	if (p == NULL || backlog == 0)
		return -EINVAL;
	if (c->state != TCPS_LISTEN) {
		if (is_taken(c->stack, &p->at, settings_of(c), c))
			return -EADDRINUSE; /* who shares it has begun to listen first */
		c->ready = 0;		    /* as a closed one it was ready for all */
	}
	c->state = TCPS_LISTEN;
	p->backlog = backlog;
	p->is_drained = false;
	return 0;
}

int conn_accept(struct conn *listener, struct conn **out)
{
	struct tcp *t = listener->stack->tcp;
	struct port *p = port_of(listener);
	struct conn *c;

	if (p == NULL || listener->state != TCPS_LISTEN)
		return -EINVAL;
	if (p->waiting.head == NONE)
		return -EAGAIN;
	c = &t->conns[p->waiting.head];
	p->waiting.head = c->next_ready;
	if (p->waiting.head == NONE)
		p->waiting.tail = NONE;
	p->n_waiting--;
	c->next_ready = NONE;
	c->flags &= ~CONN_FROM_LISTENER;
	c->ready = 0;
	*out = c;
	return 0;
}

/* Half-open connections of a listener that goes are forgotten, and who waits is reset. */
void conn_unlisten(struct conn *listener)
{
	struct weir_stack *s = listener->stack;
	struct tcp *t = s->tcp;
	const uint32_t index = conn_index(listener);
	struct conn *c;

	while (conn_accept(listener, &c) == 0) {
		c->flags |= CONN_ORPHAN;
		if (c->state == TCPS_CLOSED)
			conn_end(c, 0);
		else
			conn_abort(c, 0);
	}
	for (unsigned r = 0; r <= SYN_RETRIES; r++)
		for (uint32_t i = t->syns[r].head, next; i != NONE; i = next) {
			next = t->half_open.at[i].link.next;
			if (t->half_open.at[i].half_open.listener == index)
				half_open_forget(s, i);
		}
	port_free(listener);
	listener->state = TCPS_CLOSED;
}
