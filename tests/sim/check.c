/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What each end says is compared with what it and its peer have said before (RFC 9293
 * section 3.8.6): nothing is sent beyond what was offered, no offer is taken back, nothing is
 * acknowledged that was not sent or not offered to be taken.
 */

#include "check.h"

#include "sim.h"

static bool is_end(const struct watched *w, unsigned end, const struct packet *p)
{
	return w->host[end] == p->from && w->port[end] == p->src_port && w->host[!end] == p->to &&
	       w->port[!end] == p->dst_port && w->v6 == p->v6;
}

/* The connection of a segment and which end has sent it; NULL: none is known. */
static struct watched *find(struct check *c, const struct packet *p, unsigned *end)
{
	for (unsigned i = c->n; i-- > 0;)
		for (*end = 0; *end < 2; ++*end)
			if (is_end(&c->at[i], *end, p))
				return &c->at[i];
	return NULL;
}

static struct watched *add(struct check *c, const struct packet *p)
{
	struct watched *w = &c->at[c->n++ % WATCHED_MOST];

	*w = (struct watched){
		.host = {p->from, p->to}, .port = {p->src_port, p->dst_port}, .v6 = p->v6};
	c->n = RTE_MIN(c->n, (unsigned)WATCHED_MOST);
	return w;
}

/* Windows are scaled when both have said so, and not in a SYN (RFC 7323 section 2.2). */
static uint32_t window_of(const struct watched *w, unsigned end, const struct packet *p)
{
	const struct seen *e = &w->end[end];

	return p->flags & TCP_SYN || !e->has_scale || !w->end[!end].has_scale ? p->wnd
									      : p->wnd << e->scale;
}

static void begin(struct watched *w, unsigned end, const struct packet *p)
{
	struct seen *e = &w->end[end];

	if (e->begun && e->iss == p->seq)
		return;
	if (!(p->flags & TCP_ACK)) { /* another connection between the same ends */
		w->end[!end] = (struct seen){0};
		w->is_doubtful = false;
	} else if (e->begun) {
		w->is_doubtful = true;
	}
	*e = (struct seen){.begun = true,
			   .iss = p->seq,
			   .sent = p->seq + 1,
			   .has_scale = p->opts.flags & OPT_SCALE,
			   .scale = p->opts.scale};
}

static void check_bytes(struct sim *s, struct watched *w, unsigned end, const struct packet *p)
{
	struct seen *me = &w->end[end], *peer = &w->end[!end];
	const uint32_t to = p->seq + p->bytes;

	if (p->bytes > 0 && peer->was_heard && seq_lt(peer->heard, to))
		sim_fail(s, "%u.%u sends to %u, the window ends at %u", p->from + 1u, p->src_port,
			 to, peer->heard);
	if (p->bytes > 0 && me->fin && seq_lt(me->fin_seq, to))
		sim_fail(s, "%u.%u sends to %u, behind its FIN at %u", p->from + 1u, p->src_port,
			 to, me->fin_seq);
	if (p->flags & TCP_FIN) {
		if (me->fin && me->fin_seq != to)
			sim_fail(s, "%u.%u ends at %u, and before at %u", p->from + 1u, p->src_port,
				 to, me->fin_seq);
		me->fin = true;
		me->fin_seq = to;
	}
	me->sent = seq_max(me->sent, to + !!(p->flags & TCP_FIN));
}

static void check_ack(struct sim *s, struct watched *w, unsigned end, const struct packet *p)
{
	struct seen *me = &w->end[end], *peer = &w->end[!end];
	const uint32_t edge = p->ack + window_of(w, end, p);
	const bool is_over = peer->fin && p->ack == peer->fin_seq + 1;

	if (peer->begun && seq_lt(peer->sent, p->ack))
		sim_fail(s, "%u.%u acknowledges %u, sent was up to %u", p->from + 1u, p->src_port,
			 p->ack, peer->sent);
	if (!me->has_ack) {
		me->has_ack = true;
		me->ack = p->ack;
		me->edge = edge;
		return;
	}
	if (seq_lt(p->ack, me->ack))
		sim_fail(s, "%u.%u acknowledges %u, and before %u", p->from + 1u, p->src_port,
			 p->ack, me->ack);
	if (seq_lt(me->edge + is_over, p->ack))
		sim_fail(s, "%u.%u acknowledges %u, it has offered up to %u", p->from + 1u,
			 p->src_port, p->ack, me->edge);
	if (!is_over && seq_lt(edge, me->edge))
		sim_fail(s, "%u.%u offers up to %u, and before %u", p->from + 1u, p->src_port, edge,
			 me->edge);
	me->ack = p->ack;
	me->edge = seq_max(me->edge, edge);
}

void check_sent(struct sim *s, const struct packet *p)
{
	unsigned end = 0;
	struct watched *w = find(&s->check, p, &end);

	if (p->flags & TCP_SYN) {
		if (w == NULL) {
			end = 0;
			w = add(&s->check, p);
		}
		begin(w, end, p);
	}
	if (w == NULL || p->flags & TCP_RST || !w->end[end].begun || w->is_doubtful)
		return;
	check_bytes(s, w, end, p);
	if (p->flags & TCP_ACK && !(p->flags & TCP_SYN))
		check_ack(s, w, end, p);
}

void check_arrived(struct sim *s, const struct packet *p)
{
	unsigned end;
	struct watched *w = find(&s->check, p, &end);
	struct seen *e;
	uint32_t edge;

	if (w == NULL || !(p->flags & TCP_ACK) || p->flags & TCP_RST)
		return;
	e = &w->end[end];
	edge = p->ack + window_of(w, end, p);
	e->heard = e->was_heard ? seq_max(e->heard, edge) : edge;
	e->was_heard = true;
}
