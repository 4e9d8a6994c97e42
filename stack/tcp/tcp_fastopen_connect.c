/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Fast open (RFC 7413), the client's side: the SYN brings data to who has given us a cookie.
 *
 * What peers have given lies in a table of sets in which the one that was used longest ago gives
 * way. Where it did harm (section 4.1.3.1: no answer, or none to the data) it is left alone for a
 * minute, and twice as long each time that it does so again.
 */

#include "tcp_loss_priv.h"

#include <errno.h>
#include <stdlib.h>

#define TICK_BITS     30 /* 1.07 s */
#define HARM_TICKS    56 /* a minute */
#define DOUBLED_MOST  6	 /* and then an hour */
#define SETS	      256u
#define WAYS	      4u
#define SYN_HOLD_NS   UINT64_C(10000000)
#define MOST_FAILURES 200

struct fast_peer {
	uint8_t addr[16], cookie[16];
	uint32_t used_tick;
	uint32_t not_until_tick; /* it does harm until then */
	uint16_t mss;		 /* that the peer has announced */
	uint8_t family;		 /* 0: nobody's */
	uint8_t cookie_bytes;	 /* 0: none */
	uint8_t failures;	 /* in a row */
};

static uint32_t tick_now(const struct weir_stack *s)
{
	return (uint32_t)(s->now_ns >> TICK_BITS);
}

int fastopen_create(struct tcp *t)
{
	t->fast_peers = calloc(SETS * WAYS, sizeof(*t->fast_peers));
	return t->fast_peers == NULL ? -ENOMEM : 0;
}

void fastopen_free(struct tcp *t)
{
	free(t->fast_peers);
}

static struct fast_peer *set_of(const struct conn *c)
{
	uint64_t words[2];

	memcpy(words, c->ends.peer, sizeof(words));
	return &c->stack->tcp->fast_peers[weir_siphash13_u64x3(&c->stack->conf.secret, words[0],
							       words[1], c->flags & CONN_V6) %
					  SETS * WAYS];
}

static bool is_for(const struct fast_peer *p, const struct conn *c)
{
	return p->family == (c->flags & CONN_V6 ? 6 : 4) &&
	       memcmp(p->addr, c->ends.peer, sizeof(p->addr)) == 0;
}

/* NULL: nothing is known of it. */
static struct fast_peer *find(const struct conn *c)
{
	struct fast_peer *set = set_of(c);

	for (unsigned i = 0; i < WAYS; i++)
		if (is_for(&set[i], c))
			return &set[i];
	return NULL;
}

/* Its place, or one that becomes its own. */
static struct fast_peer *place(const struct conn *c)
{
	struct fast_peer *set = set_of(c), *p = find(c), *oldest = set;

	if (p != NULL)
		return p;
	for (unsigned i = 0; i < WAYS; i++)
		if (set[i].used_tick < oldest->used_tick)
			oldest = &set[i];
	*oldest = (struct fast_peer){.family = c->flags & CONN_V6 ? 6 : 4,
				     .used_tick = tick_now(c->stack)};
	memcpy(oldest->addr, c->ends.peer, sizeof(oldest->addr));
	return oldest;
}

static bool does_harm(const struct weir_stack *s, const struct fast_peer *p)
{
	return p != NULL && tick_now(s) < p->not_until_tick;
}

/* ---- the SYN ---- */

static bool has_cookie(const struct weir_stack *s, const struct fast_peer *p)
{
	return p != NULL && p->cookie_bytes > 0 && !does_harm(s, p);
}

bool fastopen_hold(struct conn *c)
{
	if (!settings_of(c)->fastopen_connect || !has_cookie(c->stack, find(c)))
		return false;
	c->flags |= CONN_FASTOPEN;
	work_of(c)->hold_at_ns = c->stack->now_ns + SYN_HOLD_NS;
	conn_arm(c);
	return true;
}

/* Section 4.1.3: with the MSS that the peer had; its SYN-ACK may tell another. */
struct rte_mbuf *fastopen_data(struct conn *c, struct work *w)
{
	struct rte_mbuf *m = seg_of(w->flight.head)->next; /* there was no buffer last time */
	const struct fast_peer *p = find(c);

	w->hold_at_ns = 0;
	if (m != NULL || w->unsent.n == 0 || !has_cookie(c->stack, p))
		return m;
	return snd_carve(c->stack, c, w, RTE_MIN(p->mss, c->mss_out) - OPT_BYTES_MOST);
}

void fastopen_ask(const struct conn *c, struct tcp_opts *o)
{
	struct fast_peer *p = find(c);

	if (!settings_of(c)->fastopen_connect || does_harm(c->stack, p))
		return;
	o->flags |= OPT_FASTOPEN;
	if (p == NULL)
		return;
	p->used_tick = tick_now(c->stack);
	o->cookie_bytes = p->cookie_bytes;
	memcpy(o->cookie, p->cookie, sizeof(o->cookie));
}

/* ---- what became of it ---- */

void fastopen_harmed(struct conn *c)
{
	struct fast_peer *p;

	if (!settings_of(c)->fastopen_connect)
		return;
	p = place(c);
	if (does_harm(c->stack, p)) /* it was not tried */
		return;
	p->not_until_tick = tick_now(c->stack) + (HARM_TICKS << RTE_MIN(p->failures, DOUBLED_MOST));
	if (p->failures < MOST_FAILURES)
		p->failures++;
	stack_count(&c->stack->stats.tcp_fastopen_failed, 1);
}

/* What was in the SYN and is not acknowledged: it was not taken, and follows now. */
static void send_rest_again(struct conn *c, struct work *w)
{
	for (struct rte_mbuf *m = w->flight.head; m != NULL; m = seg_of(m)->next)
		seg_set_lost(w, m);
	if (w->flight.n > 0)
		conn_dirty(c);
}

static void learn(const struct conn *c, const struct segment *g)
{
	struct fast_peer *p = place(c);

	p->mss = g->opts.flags & OPT_MSS ? RTE_MAX(g->opts.mss, (uint16_t)MSS_LEAST)
		 : g->v6		 ? MSS6_DEFAULT
					 : MSS4_DEFAULT;
	p->cookie_bytes = g->opts.cookie_bytes;
	memcpy(p->cookie, g->opts.cookie, sizeof(p->cookie));
}

void fastopen_answered(struct conn *c, struct work *w, const struct segment *g, bool again,
		       uint32_t taken_bytes)
{
	const bool gives = g->opts.flags & OPT_FASTOPEN && g->opts.cookie_bytes > 0;
	const bool had_data = taken_bytes > 0 || w->flight.n > 0;

	send_rest_again(c, w);
	if (taken_bytes == 0)
		c->flags &= ~CONN_FASTOPEN;
	if (!settings_of(c)->fastopen_connect)
		return;
	if (gives)
		learn(c, g);
	if (taken_bytes > 0) {
		place(c)->failures = 0;
		stack_count(&c->stack->stats.tcp_fastopen_out, 1);
	} else if (!gives && (again || had_data)) {
		fastopen_harmed(c);
	}
}
