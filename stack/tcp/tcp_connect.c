/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Connecting: a way, a source, a port that peers cannot guess and whose answers come to this
 * worker (RFC 6056 section 3.3.3), and a SYN.
 */

#include "tcp_loss_priv.h"

#include <errno.h>
#include <netinet/in.h>

#define EPHEMERAL_FIRST 32768u
#define EPHEMERAL_COUNT 28232u /* as Linux: 32768 to 60999 */
#define TRIES		4096u  /* each may be taken, or where none is computed another worker's */

static struct weir_tuple tuple_in(const struct ends *e, bool v6)
{
	struct weir_tuple t = {.sport = e->peer_port,
			       .dport = e->our_port,
			       .proto = IPPROTO_TCP,
			       .family = v6 ? 6 : 4};

	memcpy(t.src, e->peer, sizeof(t.src));
	memcpy(t.dst, e->ours, sizeof(t.dst));
	return t;
}

/* Nobody is known by these ends, or who is may be begun anew: TIME-WAIT with timestamps (6191). */
static bool is_free(struct weir_stack *s, const struct ends *e)
{
	const uint32_t ref = tcp_find(s->tcp, ends_hash(&s->conf.secret, e), e);
	const uint32_t i = ref >> REF_KIND_BITS;

	if (ref == 0)
		return true;
	if ((ref & ((1u << REF_KIND_BITS) - 1)) != REF_TIME_WAIT ||
	    !s->tcp->time_wait.at[i].time_wait.stamps)
		return false;
	wait_end(s, i);
	return true;
}

/* The @i-th port; false: its answers do not come here. */
static bool try_port(struct weir_stack *s, struct ends *e, bool v6, uint32_t i)
{
	const struct weir_stack_conf *conf = &s->conf;
	struct weir_tuple t = tuple_in(e, v6);
	uint16_t port = 0;

	if (conf->port != NULL)
		port = conf->port(conf->ctx, &t, EPHEMERAL_FIRST, EPHEMERAL_COUNT, i);
	if (port != 0) {
		e->our_port = htons(port);
		return true;
	}
	e->our_port = t.dport = htons((uint16_t)(EPHEMERAL_FIRST + i % EPHEMERAL_COUNT));
	return conf->owns == NULL || conf->owns(conf->ctx, &t);
}

static bool choose_port(struct conn *c)
{
	struct weir_stack *s = c->stack;
	const bool v6 = c->flags & CONN_V6;
	uint32_t from;

	c->ends.our_port = 0;
	from = ends_hash(&s->tcp->isn_key, &c->ends);
	for (uint32_t i = 0; i < TRIES; i++)
		if (try_port(s, &c->ends, v6, from + s->tcp->port_next++) && is_free(s, &c->ends))
			return true;
	return false;
}

static int choose_ends(struct conn *c, const struct weir_endpoint *to)
{
	struct weir_stack *s = c->stack;
	const struct port *p = port_of(c);
	struct weir_way way;

	if (to->addr.family == 0 || to->port == 0)
		return -EINVAL;
	if (p != NULL && p->at.addr.family != 0 && p->at.addr.family != to->addr.family)
		return -EINVAL;
	if (s->conf.way == NULL || !s->conf.way(s->conf.ctx, &to->addr, &way))
		return -ENETUNREACH;
	c->flags = (c->flags & ~CONN_V6) | (to->addr.family == 6 ? CONN_V6 : 0);
	memcpy(c->ends.peer, to->addr.bytes, sizeof(c->ends.peer));
	c->ends.peer_port = htons(to->port);
	if (p == NULL || p->at.addr.family == 0)
		memcpy(c->ends.ours, way.from.bytes, sizeof(c->ends.ours));
	if (p == NULL)
		return choose_port(c) ? 0 : -EADDRNOTAVAIL;
	return is_free(s, &c->ends) ? 0 : -EADDRNOTAVAIL;
}

/* The SYN takes a place in the flight, so that it is timed and sent again as bytes are. */
int syn_queue(struct conn *c)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(c->stack->conf.pool);
	struct work *w = work_get(c);

	if (m == NULL || w == NULL) {
		rte_pktmbuf_free(m);
		return -ENOBUFS;
	}
	seg_of(m)->flags = SEG_SYN;
	snd_append(w, m);
	c->snd_nxt = c->snd_una;
	m = snd_carve(c->stack, c, w, 0);
	return m == NULL ? -ENOBUFS : 0;
}

void syn_again(struct conn *c)
{
	struct work *w = work_of(c);

	seg_set_lost(w, w->flight.head);
	conn_dirty(c);
}

int conn_connect(struct conn *c, const struct weir_endpoint *to)
{
	struct weir_stack *s = c->stack;
	int rc;

	if (c->state == TCPS_LISTEN || c->flags & CONN_IN_TABLE)
		return c->state == TCPS_SYN_SENT && !syn_is_held(c) ? -EALREADY : -EISCONN;
	rc = choose_ends(c, to);
	if (rc < 0)
		return rc;
	port_free(c);
	c->flags &= ~CONN_BOUND;
	if (!conn_add(c, ends_hash(&s->conf.secret, &c->ends)))
		return -EADDRNOTAVAIL;
	conn_entered(c);
	c->flags |= s->conf.ecn || settings_of(c)->cc->ecn ? CONN_ECN_ASKED : 0;
	conn_begin(c, tcp_isn(&s->tcp->isn_key, &c->ends, s->now_ns), UINT32_MAX, UINT16_MAX);
	c->ts_offset = tcp_ts_offset(&s->tcp->isn_key, &c->ends);
	c->rcv_nxt = c->rcv_adv = c->rcv_acked = 0;
	c->state = TCPS_SYN_SENT;
	c->ready = 0; /* as a closed one it was ready for all */
	rc = syn_queue(c);
	if (rc < 0) {
		conn_end(c, 0);
		c->ready = 0;
		return rc;
	}
	if (fastopen_hold(c)) {
		conn_ready(c, WEIR_READY_OUT);
		return 0;
	}
	conn_dirty(c);
	return -EINPROGRESS;
}
