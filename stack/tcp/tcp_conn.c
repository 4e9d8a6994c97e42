/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A connection's birth and death, and what it holds while bytes are on their way.
 *
 * Who is closed while a list still names him becomes FREE, and is given back when the list comes to
 * him: no list has to be searched.
 */

#include "tcp_source_priv.h"

#include <errno.h>

/* ---- its place ---- */

struct conn *conn_new(struct weir_stack *s)
{
	struct tcp *t = s->tcp;
	struct conn *c;
	uint8_t generation = 0;

	if (t->conn_free == NONE && t->conn_touched == s->conf.connections)
		sock_forget_closed(s); /* of whom nobody has asked for events */
	if (t->conn_free != NONE) {
		c = &t->conns[t->conn_free];
		t->conn_free = c->work;
		generation = c->generation;
	} else if (t->conn_touched < s->conf.connections) {
		c = &t->conns[t->conn_touched++];
	} else {
		return NULL;
	}
	*c = (struct conn){
		.stack = s,
		.generation = generation == UINT8_MAX ? 1 : (uint8_t)(generation + 1),
		.state = TCPS_CLOSED,
		.work = NONE,
		.next_ready = NONE,
		.ssthresh = UINT32_MAX,
		.scale_in = t->scale_in,
		.heard_tick = tick_of(s->now_ns),
		.due_ns = UINT64_MAX,
		.timer = {.fire = conn_fire},
	};
	*count_of(c) = (struct conn_count){.began_tick = c->heard_tick,
					   .data_tick = c->heard_tick,
					   .acked_tick = c->heard_tick,
					   .answered_tick = c->heard_tick - TICKS_S};
	stack_count(&s->stats.tcp_connections, 1);
	return c;
}

void conn_free(struct conn *c)
{
	struct tcp *t = c->stack->tcp;

	if (c->state != TCPS_FREE)
		stack_count(&c->stack->stats.tcp_connections, (uint64_t)-1);
	c->state = TCPS_FREE;
	if (c->flags & (CONN_DIRTY | CONN_READY))
		return;
	c->work = t->conn_free;
	t->conn_free = conn_index(c);
}

void conn_entered(struct conn *c)
{
	c->flags |= CONN_IN_TABLE;
	c->stack->tcp->port_users[c->ends.our_port]++;
}

bool conn_add(struct conn *c, uint32_t hash)
{
	return tcp_table_add(c->stack->tcp->table, hash, REF(REF_CONN, conn_index(c)));
}

static void leave_table(struct conn *c, uint32_t ref)
{
	struct weir_stack *s = c->stack;
	const uint32_t hash = ends_hash(&s->conf.secret, &c->ends);
	const uint32_t ours = REF(REF_CONN, conn_index(c));

	if (count_of(c)->by_source)
		source_closed(s, &c->ends, c->flags & CONN_V6);
	if (ref != 0)
		tcp_table_replace(s->tcp->table, hash, ours, ref);
	else
		tcp_table_remove(s->tcp->table, hash, ours);
}

/* ---- what is on its way ---- */

struct work *work_new(struct conn *c)
{
	struct weir_stack *s = c->stack;
	struct tcp *t = s->tcp;
	uint32_t i = t->work_free;
	struct work *w;

	if (i != NONE)
		t->work_free = t->works[i].free;
	else if (t->work_touched < s->conf.active)
		i = t->work_touched++;
	else
		return NULL;
	w = &t->works[i];
	memset(w, 0, sizeof(*w));
	c->work = i;
	w->delivered_ns = s->now_ns;
	w->first_sent_ns = s->now_ns;
	cc_begin(&w->cc, settings_of(c)->cc, c->mss_out, s->now_ns);
	w->cc.ssthresh_bytes = c->ssthresh;
	return w;
}

static void forget(struct weir_stack *s, struct seg_queue *q)
{
	struct rte_mbuf *m;

	s->held_bytes -= q->bytes;
	while ((m = seg_take(q)) != NULL)
		rte_pktmbuf_free(m);
	*q = (struct seg_queue){0};
}

void work_put(struct conn *c)
{
	struct tcp *t = c->stack->tcp;
	struct work *w = work_of(c);

	if (w == NULL)
		return;
	forget(c->stack, &w->flight);
	forget(c->stack, &w->unsent);
	rcv_free(c->stack, w);
	c->ssthresh = w->cc.ssthresh_bytes;
	w->free = t->work_free;
	t->work_free = c->work;
	c->work = NONE;
}

void conn_set_mss(struct conn *c, uint32_t mss)
{
	struct work *w = work_of(c);

	c->mss_out = (uint16_t)RTE_MAX(mss, MSS_LEAST);
	if (w == NULL)
		return;
	loss_on_mss(c, w, c->mss_out);
	conn_dirty(c);
}

/* ---- lists ---- */

void conn_dirty(struct conn *c)
{
	struct tcp *t = c->stack->tcp;

	if (c->flags & CONN_DIRTY)
		return;
	c->flags |= CONN_DIRTY;
	c->next_dirty = t->dirty;
	t->dirty = conn_index(c);
}

void conn_ask_again(struct conn *c)
{
	if (c->flags & (CONN_READY | CONN_FROM_LISTENER | CONN_ORPHAN))
		return;
	c->flags |= CONN_READY;
	sock_list_ready(c->stack, c->stack->conf.sockets + conn_index(c));
}

void conn_ready(struct conn *c, uint32_t bits)
{
	c->ready |= (uint8_t)(bits & ~(c->flags >> CONN_UNWATCHED_SHIFT));
	if (c->ready != 0)
		conn_ask_again(c);
}

/* A third of what may be queued; of the memory of all, a part that is worth a call; or the first.
 */
static bool has_room(const struct conn *c)
{
	const uint64_t third = settings_of(c)->sndbuf / 3, part = c->stack->conf.memory_bytes / 16;
	const struct work *w = work_of(c);
	const bool is_first = w == NULL || (w->flight.n == 0 && w->unsent.n == 0);
	const uint32_t room = conn_room(c);

	return room >= RTE_MIN(third, part) || (is_first && room > 0);
}

uint32_t conn_level(const struct conn *c)
{
	const struct work *w = c->state == TCPS_LISTEN ? NULL : work_of(c);
	uint32_t bits = 0;

	if (c->state == TCPS_LISTEN)
		return port_of(c)->n_waiting > 0 ? WEIR_READY_IN : 0;
	if ((w != NULL && w->ready.n > 0) || (c->flags & (CONN_FIN_IN | CONN_SHUT_RD)))
		bits |= WEIR_READY_IN;
	if (c->flags & CONN_FIN_IN)
		bits |= WEIR_READY_END;
	if (c->error != 0)
		bits |= WEIR_READY_ERR | WEIR_READY_IN | WEIR_READY_OUT;
	if (c->state == TCPS_CLOSED)
		return bits | WEIR_READY_IN | WEIR_READY_OUT | WEIR_READY_END;
	if ((conn_is_open(c) || syn_is_held(c)) && ((c->flags & CONN_FIN_QUEUED) || has_room(c)))
		bits |= WEIR_READY_OUT;
	return bits;
}

void conn_want_room(struct conn *c)
{
	c->flags |= CONN_FULL_OUT;
	conn_arm(c);
}

void conn_tell_room(struct conn *c)
{
	if (c->flags & CONN_FULL_OUT && conn_level(c) & WEIR_READY_OUT) {
		c->flags &= ~CONN_FULL_OUT;
		conn_ready(c, WEIR_READY_OUT);
	}
}

/* ---- death ---- */

void conn_end(struct conn *c, int error)
{
	struct weir_stack *s = c->stack;
	struct work *w = work_of(c);

	weir_wheel_cancel(s->tcp->wheel, &c->timer);
	c->due_ns = UINT64_MAX;
	if (w != NULL)
		fastopen_done(c, w);
	if (c->flags & CONN_IN_TABLE) {
		leave_table(c, 0);
		s->tcp->port_users[c->ends.our_port]--;
	}
	c->flags &= ~CONN_IN_TABLE;
	c->state = TCPS_CLOSED;
	c->error = (uint8_t)error;
	if (c->flags & CONN_ORPHAN) {
		work_put(c);
		settings_drop(c);
		conn_free(c);
		return;
	}
	if (w != NULL) { /* what has come can still be read */
		forget(s, &w->flight);
		w->flight_seqs = 0;
		forget(s, &w->unsent);
		if (w->ready.n == 0)
			work_put(c);
	}
	conn_ready(c, WEIR_READY_IN | WEIR_READY_OUT | WEIR_READY_END |
			      (error != 0 ? WEIR_READY_ERR : 0));
}

void conn_abort(struct conn *c, int error)
{
	struct weir_stack *s = c->stack;

	if (c->state >= TCPS_SYN_RECEIVED) {
		stack_count(&s->stats.tcp_resets_out, 1);
		conn_send_bare(c, c->snd_nxt, TCP_RST | TCP_ACK);
	}
	conn_end(c, error);
}

void conn_wait(struct conn *c)
{
	struct weir_stack *s = c->stack;
	struct tcp *t = s->tcp;
	uint32_t i = slab_take(&t->time_wait);

	if (i == NONE) { /* the oldest makes room */
		wait_end(s, t->waits.head);
		i = slab_take(&t->time_wait);
	}
	t->time_wait.at[i].time_wait = (struct time_wait){
		.ends = c->ends,
		.snd_nxt = c->snd_nxt,
		.rcv_nxt = c->rcv_nxt,
		.ts_recent = c->ts_recent,
		.ts_offset = c->ts_offset,
		.wnd = (uint16_t)RTE_MIN(conn_window(c) >> c->scale_in, (uint32_t)UINT16_MAX),
		.stamps = (c->flags & CONN_STAMPS) != 0,
		.v6 = (c->flags & CONN_V6) != 0,
		.reuse = settings_of(c)->reuse,
		.reuseport = settings_of(c)->reuseport,
	};
	leave_table(c, REF(REF_TIME_WAIT, i));
	c->flags &= ~CONN_IN_TABLE;
	wait_begin(s, i);
	conn_end(c, 0);
}

void conn_finish(struct conn *c)
{
	if (c->flags & CONN_FIN_QUEUED)
		return;
	c->flags |= CONN_FIN_QUEUED;
	switch (c->state) {
	case TCPS_SYN_RECEIVED:
	case TCPS_ESTABLISHED:
		c->state = TCPS_FIN_WAIT_1;
		break;
	case TCPS_CLOSE_WAIT:
		c->state = TCPS_LAST_ACK;
		break;
	default:
		break;
	}
	conn_dirty(c);
}
