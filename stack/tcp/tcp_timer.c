/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A connection's timer: one for all that it waits for. It is lazy: armed for the earliest deadline
 * that there was, and when it fires too early it is armed anew, so an ACK costs no work on the
 * wheel.
 */

#include "tcp_priv.h"

#include <errno.h>

#define S_NS	      UINT64_C(1000000000)
#define REST_NS	      S_NS	  /* of no bytes on their way, until its work is given back */
#define ROOM_NS	      (S_NS / 20) /* until memory that others had is asked for again */
#define RETRIES	      15	  /* of data, as Linux (tcp_retries2) */
#define ORPHAN_PROBES 8		  /* of a window that stays closed, when nobody has the socket */
#define SMALL_MOST    1024	  /* half-open ones and in TIME-WAIT, in one poll */

/* A tick of heard_tick and others as a time not after now. */
static uint64_t ns_of_tick(uint32_t tick, uint64_t now_ns)
{
	const uint64_t passed = (uint64_t)(uint32_t)(tick_of(now_ns) - tick) << 20;

	return now_ns > passed ? now_ns - passed : 0;
}

/* The peer is silent: it is told nothing (RFC 9293 section 3.10.8, as Linux). */
static void timed_out(struct conn *c)
{
	stack_count(&c->stack->stats.tcp_timed_out, 1);
	if (c->state == TCPS_SYN_SENT || c->flags & CONN_FASTOPEN)
		fastopen_harmed(c);
	conn_end(c, ETIMEDOUT);
}

/* It may be there, and is told. */
static void give_up(struct conn *c)
{
	stack_count(&c->stack->stats.tcp_timed_out, 1);
	conn_abort(c, ETIMEDOUT);
}

/* ---- deadlines of seconds ---- */

static uint64_t keepalive_at(const struct conn *c, const struct settings *set, uint64_t now_ns)
{
	const uint64_t heard = ns_of_tick(c->heard_tick, now_ns);

	return heard + set->keep_idle_s * S_NS + c->probes * (set->keep_interval_s * S_NS);
}

/* Something of ours is to be acknowledged, a SYN also; not one that waits for its data. */
static bool waits_for_ack(const struct conn *c)
{
	const struct work *w = work_of(c);

	return w != NULL && (w->flight.n > 0 || w->unsent.n > 0) && !syn_is_held(c);
}

/* RFC 5482, TCP_USER_TIMEOUT. */
static uint64_t user_timeout_at(const struct conn *c, uint64_t now_ns)
{
	const uint64_t ns = waits_for_ack(c) ? uto_ns(c) : 0;

	return ns == 0 ? UINT64_MAX : ns_of_tick(count_of(c)->acked_tick, now_ns) + ns;
}

static uint64_t deadline_at(const struct conn *c, const struct settings *set, uint64_t now_ns)
{
	const struct conn_count *n = count_of(c);
	const uint64_t *ns = set->deadline_ns;
	uint64_t at;

	if (likely((set->user_timeout_ms | set->uto | ns[WEIR_DEADLINE_IDLE] |
		    ns[WEIR_DEADLINE_READ] | ns[WEIR_DEADLINE_WRITE] | ns[WEIR_DEADLINE_CONNECT]) ==
		   0))
		return UINT64_MAX;
	at = user_timeout_at(c, now_ns);

	if (ns[WEIR_DEADLINE_IDLE] != 0)
		at = RTE_MIN(at, ns_of_tick(c->heard_tick, now_ns) + ns[WEIR_DEADLINE_IDLE]);
	if (ns[WEIR_DEADLINE_READ] != 0)
		at = RTE_MIN(at, ns_of_tick(n->data_tick, now_ns) + ns[WEIR_DEADLINE_READ]);
	if (ns[WEIR_DEADLINE_WRITE] != 0 && waits_for_ack(c))
		at = RTE_MIN(at, ns_of_tick(n->acked_tick, now_ns) + ns[WEIR_DEADLINE_WRITE]);
	if (ns[WEIR_DEADLINE_CONNECT] != 0 && c->state == TCPS_SYN_SENT && waits_for_ack(c))
		at = RTE_MIN(at, ns_of_tick(n->acked_tick, now_ns) + ns[WEIR_DEADLINE_CONNECT]);
	return at;
}

/* The orphan of a peer that does not end: RFC 9293 has no limit, Linux has TCP_LINGER2. */
static uint64_t orphan_at(const struct conn *c, const struct settings *set, uint64_t now_ns)
{
	return c->state == TCPS_FIN_WAIT_2 && c->flags & CONN_ORPHAN
		       ? ns_of_tick(c->heard_tick, now_ns) + set->linger2_s * S_NS
		       : UINT64_MAX;
}

/* False: it is over. */
static bool run_slow(struct conn *c, uint64_t now_ns)
{
	const struct settings *set = settings_of(c);

	if (user_timeout_at(c, now_ns) <= now_ns) {
		timed_out(c);
		return false;
	}
	if (deadline_at(c, set, now_ns) <= now_ns) {
		give_up(c);
		return false;
	}
	if (orphan_at(c, set, now_ns) <= now_ns) {
		conn_end(c, 0);
		return false;
	}
	if (c->flags & CONN_KEEPALIVE && c->state >= TCPS_ESTABLISHED &&
	    (work_of(c) == NULL || work_is_quiet(work_of(c))) &&
	    keepalive_at(c, set, now_ns) <= now_ns) {
		if (c->probes >= set->keep_count) {
			give_up(c);
			return false;
		}
		c->probes++;
		conn_send_bare(c, c->snd_una - 1, TCP_ACK); /* section 3.8.4 */
	}
	return true;
}

/* ---- retransmission ---- */

static unsigned retries(const struct conn *c)
{
	if (syn_waits(work_of(c)))
		return settings_of(c)->syn_count;
	return uto_ns(c) != 0 ? UINT8_MAX : RETRIES;
}

/* False: it is over. */
static bool run_probe(struct conn *c, struct work *w, uint64_t now_ns)
{
	if (c->flags & CONN_ORPHAN && c->probes >= ORPHAN_PROBES) {
		timed_out(c);
		return false;
	}
	/* Answered or not: as long as the peer speaks, a closed window may stay so (3.8.6.1). */
	if (tick_of(now_ns) - c->heard_tick > 15 * 60 * TICKS_S) {
		timed_out(c);
		return false;
	}
	c->probes = c->probes < UINT8_MAX ? (uint8_t)(c->probes + 1) : c->probes;
	c->backoff = (uint8_t)RTE_MIN(c->backoff + 1, 20);
	w->is_overdue = c->snd_wnd > 0; /* the override of section 3.8.6.2.1 */
	if (w->is_overdue)
		conn_dirty(c);
	else
		conn_send_bare(c, c->snd_una - 1, TCP_ACK);
	w->rtx_at_ns = now_ns + rto_us(c) * UINT64_C(1000);
	return true;
}

/* False: it is over. */
static bool run_retransmission(struct conn *c, struct work *w, uint64_t now_ns)
{
	bool timed_out_once;

	if (w->rtx_kind == RTX_PROBE)
		return run_probe(c, w, now_ns);
	if (w->rtx_kind == RTX_RTO && c->backoff >= retries(c)) {
		timed_out(c);
		return false;
	}
	timed_out_once = w->rtx_kind == RTX_RTO;
	loss_on_timer(c->stack, c, w, now_ns);
	if (timed_out_once)
		mtu_on_timeout(c);
	conn_dirty(c);
	return true;
}

/* ---- the timer ---- */

static uint64_t earlier(uint64_t at, uint64_t other)
{
	return other != 0 && other < at ? other : at;
}

/* Other connections have all the memory, and nothing of its own will tell it of room. */
static bool waits_for_room(const struct conn *c, const struct work *w)
{
	return c->flags & CONN_FULL_OUT && (w == NULL || (w->flight.n == 0 && w->unsent.n == 0));
}

/*
 * The window has closed because other connections have all the memory: nothing is there to read, so
 * no reader will open it.
 */
static bool waits_for_window(const struct conn *c, const struct work *w)
{
	return c->state >= TCPS_ESTABLISHED && !(c->flags & CONN_FIN_IN) &&
	       (w == NULL || w->ready.n == 0) && c->rcv_adv - c->rcv_nxt < window_least(c);
}

static uint64_t next_at(const struct conn *c)
{
	const uint64_t now_ns = c->stack->now_ns;
	const struct settings *set = settings_of(c);
	const struct work *w = work_of(c);
	uint64_t at = earlier(deadline_at(c, set, now_ns), orphan_at(c, set, now_ns));

	if (waits_for_room(c, w) || waits_for_window(c, w))
		at = RTE_MIN(at, now_ns + ROOM_NS);
	if (w != NULL) {
		at = RTE_MIN(at, now_ns + REST_NS);
		at = earlier(at, w->rtx_at_ns);
		at = earlier(at, w->ack_at_ns);
		at = earlier(at, w->hold_at_ns);
		if (w->pace_at_ns > now_ns)
			at = earlier(at, w->pace_at_ns);
	} else if (c->flags & CONN_KEEPALIVE && c->state >= TCPS_ESTABLISHED) {
		at = RTE_MIN(at, keepalive_at(c, set, now_ns));
	}
	return at;
}

void conn_arm_at(struct conn *c, uint64_t at_ns)
{
	if (at_ns >= c->due_ns)
		return;
	c->due_ns = at_ns;
	weir_wheel_arm(c->stack->tcp->wheel, &c->timer, at_ns);
}

void conn_arm(struct conn *c)
{
	if (c->state > TCPS_LISTEN && c->state != TCPS_FREE)
		conn_arm_at(c, next_at(c));
}

void conn_fire(struct weir_timer *t, uint64_t now_ns)
{
	struct conn *c = (struct conn *)((char *)t - offsetof(struct conn, timer));
	struct work *w = work_of(c);

	c->due_ns = UINT64_MAX;
	if (waits_for_room(c, w))
		conn_tell_room(c);
	if (waits_for_window(c, w) && conn_window(c) >= window_least(c)) {
		c->flags |= CONN_ACK_NOW;
		conn_dirty(c);
	}
	if (w != NULL) {
		if (w->ack_at_ns != 0 && w->ack_at_ns <= now_ns) {
			w->ack_at_ns = 0;
			c->flags |= CONN_ACK_NOW;
			conn_dirty(c);
		}
		if (w->unsent.n > 0 || w->lost_bytes > 0)
			conn_dirty(c);
		if (w->rtx_at_ns != 0 && w->rtx_at_ns <= now_ns &&
		    !run_retransmission(c, w, now_ns))
			return;
		if (work_is_quiet(w) && tick_of(now_ns) - c->heard_tick >= TICKS_S &&
		    w->ack_at_ns == 0)
			work_put(c);
	}
	if (run_slow(c, now_ns))
		conn_arm(c);
}

uint64_t small_run(struct weir_stack *s)
{
	struct tcp *t = s->tcp;

	if (t->small_due_ns <= s->now_ns) {
		uint64_t half_ns, wait_ns;

		t->small_due_ns = UINT64_MAX; /* what is put in a list meanwhile lowers it */
		half_ns = half_open_run(s, SMALL_MOST);
		wait_ns = wait_run(s, SMALL_MOST);
		half_ns = RTE_MIN(half_ns, wait_ns);
		t->small_due_ns = RTE_MIN(t->small_due_ns, half_ns);
	}
	return t->small_due_ns;
}
