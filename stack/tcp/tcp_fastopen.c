/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Fast open (RFC 7413): who shows the cookie that its address was given is a connection at its SYN,
 * whose data are read, and answered, before the handshake ends.
 *
 * Nothing is kept of a cookie: it is a hash of the address, and of the hour, so that one that was
 * stolen is worth little. How many handshakes may go on so is limited for each listener, since a
 * SYN may be an old one, or come from a stolen address (section 5.1).
 */

#include "tcp_priv.h"

#define HOUR_NS	     (UINT64_C(3600) * 1000 * 1000 * 1000)
#define COOKIE_BYTES 8u
#define RESET_NS     (UINT64_C(60) * 1000 * 1000 * 1000) /* as Linux */

static uint32_t hour_of(uint64_t now_ns)
{
	return (uint32_t)(now_ns / HOUR_NS);
}

static bool is_cookie_of(struct weir_stack *s, const struct segment *g, uint32_t hour)
{
	const uint64_t cookie = fastopen_cookie(&s->tcp->isn_key, &g->ends, hour);

	static_assert(sizeof(cookie) == COOKIE_BYTES, "all of it is shown");
	return g->opts.cookie_bytes == COOKIE_BYTES &&
	       memcmp(g->opts.cookie, &cookie, COOKIE_BYTES) == 0;
}

/* Those that were reset count for some time: else a stranger's SYNs would cost no limit. */
static bool has_room(struct port *p, uint32_t most, uint64_t now_ns)
{
	if (p->n_fast_reset > 0 && now_ns >= p->fast_reset_until_ns)
		p->n_fast_reset = 0;
	return (uint64_t)p->n_fast + p->n_fast_reset < most;
}

enum fastopen_syn fastopen_judge(struct weir_stack *s, struct port *p, const struct segment *g)
{
	const uint32_t most = settings_of(&s->tcp->conns[p->conn])->fastopen;

	if (most == 0 || !(g->opts.flags & OPT_FASTOPEN))
		return FASTOPEN_NONE;
	if (!has_room(p, most, s->now_ns)) {
		stack_count(&s->stats.tcp_fastopen_full, 1);
		return FASTOPEN_NONE;
	}
	if (g->opts.cookie_bytes == 0)
		return FASTOPEN_GIVE;
	if (is_cookie_of(s, g, hour_of(s->now_ns)))
		return FASTOPEN_GOOD;
	if (is_cookie_of(s, g, hour_of(s->now_ns) - 1))
		return FASTOPEN_OLD;
	stack_count(&s->stats.tcp_fastopen_bad, 1);
	return FASTOPEN_GIVE;
}

void fastopen_give(struct weir_stack *s, const struct ends *e, struct tcp_opts *o)
{
	const uint64_t cookie = fastopen_cookie(&s->tcp->isn_key, e, hour_of(s->now_ns));

	memcpy(o->cookie, &cookie, COOKIE_BYTES);
	o->cookie_bytes = COOKIE_BYTES;
	o->flags |= OPT_FASTOPEN;
	stack_count(&s->stats.tcp_fastopen_cookies, 1);
}

/* ---- those whose handshake goes on ---- */

void fastopen_pending(struct conn *c, const struct conn *listener)
{
	work_of(c)->fast_listener = conn_handle(listener);
	port_of(listener)->n_fast++;
	stack_count(&c->stack->stats.tcp_fastopen_in, 1);
}

/* Its listener counts it no more. @return whose port; NULL: none, or the listener is gone. */
static struct port *leave(struct conn *c, struct work *w)
{
	const struct conn *l = conn_by(c->stack, w->fast_listener);
	struct port *p = l == NULL ? NULL : port_of(l);

	w->fast_listener = WEIR_NO_SOCK;
	if (p != NULL && p->n_fast > 0)
		p->n_fast--;
	return p;
}

void fastopen_done(struct conn *c, struct work *w)
{
	if (w->fast_listener != WEIR_NO_SOCK)
		leave(c, w);
}

void fastopen_confirmed(struct conn *c, struct work *w)
{
	if (w->fast_listener == WEIR_NO_SOCK)
		return;
	leave(c, w);
	stack_count(&c->stack->stats.tcp_accepted, 1);
	if (count_of(c)->in_bytes == 0) /* its SYN has brought nothing */
		c->flags &= ~CONN_FASTOPEN;
}

void fastopen_reset(struct conn *c, struct work *w)
{
	struct port *p = w->fast_listener != WEIR_NO_SOCK ? leave(c, w) : NULL;

	if (p == NULL)
		return;
	p->n_fast_reset++;
	p->fast_reset_until_ns = c->stack->now_ns + RESET_NS;
}

/* All that has come is the SYN with its data, so its number follows from what was counted. */
bool fastopen_is_again(const struct conn *c, const struct segment *g)
{
	const struct work *w = work_of(c);

	return w != NULL && w->fast_listener != WEIR_NO_SOCK && !(g->flags & (TCP_ACK | TCP_RST)) &&
	       g->seq == c->rcv_nxt - 1 - (uint32_t)count_of(c)->in_bytes;
}
