/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * TIME-WAIT (RFC 9293 section 3.10.7.4, RFC 1337, RFC 6191): a line of 64 bytes that answers what
 * comes late, for a minute or until the peer begins anew. When all places are taken the oldest
 * goes.
 */

#include "tcp_priv.h"

#include <netinet/in.h>

/* Twice the longest life of a segment, as Linux has it. Times are in units of 2^26 ns. */
#define WAIT_NS	  (UINT64_C(60) * 1000 * 1000 * 1000)
#define DUE_SHIFT 26
#define DUE_BITS  12

/* To be sure that it is past: a unit more. */
static uint16_t due_after(uint64_t now_ns)
{
	return (uint16_t)(((now_ns + WAIT_NS) >> DUE_SHIFT) + 1) & ((1u << DUE_BITS) - 1);
}

void wait_begin(struct weir_stack *s, uint32_t i)
{
	struct tcp *t = s->tcp;

	t->time_wait.at[i].time_wait.due = due_after(s->now_ns);
	list_put(&t->time_wait, &t->waits, i);
	t->small_due_ns = RTE_MIN(t->small_due_ns, s->now_ns + WAIT_NS);
	stack_count(&s->stats.tcp_time_wait, 1);
}

void wait_end(struct weir_stack *s, uint32_t i)
{
	struct tcp *t = s->tcp;

	if (i == NONE)
		return;
	tcp_table_remove(t->table, ends_hash(&s->conf.secret, &t->time_wait.at[i].ends),
			 REF(REF_TIME_WAIT, i));
	t->port_users[t->time_wait.at[i].ends.our_port]--;
	list_remove(&t->time_wait, &t->waits, i);
	slab_give(&t->time_wait, i);
	stack_count(&s->stats.tcp_time_wait, (uint64_t)-1);
}

/* How long until it is over; 0: it is. */
static uint64_t left_ns(const struct time_wait *w, uint64_t now_ns)
{
	const uint16_t units = (uint16_t)(w->due - (now_ns >> DUE_SHIFT)) & ((1u << DUE_BITS) - 1);

	return units >= 1u << (DUE_BITS - 1) ? 0 : (uint64_t)units << DUE_SHIFT;
}

uint64_t wait_run(struct weir_stack *s, unsigned most)
{
	struct tcp *t = s->tcp;

	for (; t->waits.head != NONE; most--) {
		const uint64_t ns = left_ns(&t->time_wait.at[t->waits.head].time_wait, s->now_ns);

		if (ns > 0 || most == 0)
			return s->now_ns + ns;
		wait_end(s, t->waits.head);
	}
	return UINT64_MAX;
}

static void acknowledge(struct weir_stack *s, const struct time_wait *w)
{
	struct tcp_opts opts = {0};

	if (w->stamps)
		opts = (struct tcp_opts){.flags = OPT_STAMP,
					 .stamp = tick_of(s->now_ns) + w->ts_offset,
					 .echo = w->ts_recent};
	tcp_reply(s, &w->ends, w->v6, w->snd_nxt, w->rcv_nxt, TCP_ACK, w->wnd, &opts);
}

/* RFC 6191, RFC 1122 section 4.2.2.13: a SYN that cannot be an old one begins a connection. */
static bool may_begin_anew(const struct time_wait *w, const struct segment *g)
{
	if ((g->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
		return false;
	if (w->stamps && (g->opts.flags & OPT_STAMP) && g->opts.stamp != w->ts_recent)
		return seq_lt(w->ts_recent, g->opts.stamp);
	return seq_lt(w->rcv_nxt, g->seq);
}

void wait_input(struct weir_stack *s, uint32_t i, struct segment *g)
{
	struct time_wait *w = &s->tcp->time_wait.at[i].time_wait;
	const uint32_t iss = w->snd_nxt + UINT16_MAX + 2;
	struct port *p;

	if (may_begin_anew(w, g) && (p = port_find(s, &g->ends, g->v6)) != NULL) {
		wait_end(s, i);
		listen_input(s, p, g, iss == 0 ? 1 : iss);
		return;
	}
	if (g->flags & TCP_RST)
		return; /* RFC 1337: no reset ends it */
	if (g->bytes == 0 && !(g->flags & (TCP_SYN | TCP_FIN)))
		return; /* an ACK is not answered by one: the other may wait, too */
	acknowledge(s, w);
	if (g->flags & TCP_FIN) { /* it was lost: wait as long again */
		list_remove(&s->tcp->time_wait, &s->tcp->waits, i);
		stack_count(&s->stats.tcp_time_wait, (uint64_t)-1);
		wait_begin(s, i);
	}
}
