/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Two streams as one: receive, send, and hold what is not taken.
 *
 * A direction is read from only when nothing of it is held, so a reader that is slow fills its own
 * stream's queue, then one buffer here, then the queue that is read from, whose window closes.
 */

#include <errno.h>
#include <stdlib.h>
#include <weir/splice.h>

#include <rte_mbuf.h>

#include "count_priv.h"

#define TICK_NS (UINT64_C(1) << 20)
/* Timers that fire in one run at most. */
#define TIMERS 256
/* Who has found no buffer tries again so much later. */
#define RETRY_NS UINT64_C(1000000)
/* And who has found no room, though an event should tell: none does of the memory that all
   connections share. */
#define LOOK_AGAIN_NS UINT64_C(100000000)

struct weir_splicer {
	struct weir_splicer_conf conf;
	struct weir_wheel *wheel;
	struct weir_splice_stats stats;
};

/* ---- the end ---- */

/* Whoever is the splice's owner may use its memory again. */
static void let_go(struct weir_splice *p, void (*how)(struct weir_stream *t))
{
	weir_wheel_cancel(p->splicer->wheel, &p->timer);
	for (int i = 0; i < 2; i++) {
		rte_pktmbuf_free(p->way[i].held);
		p->way[i].held = NULL;
		how(p->end[i]);
	}
	p->splicer = NULL;
}

static void over(struct weir_splice *p, int error)
{
	struct weir_splicer *r = p->splicer;

	stack_count(error == 0		  ? &r->stats.ended
		    : error == -ETIMEDOUT ? &r->stats.timed_out
					  : &r->stats.failed,
		    1);
	let_go(p, error == 0 ? weir_stream_close : weir_stream_abort);
	r->conf.over(r->conf.ctx, p, error);
}

void weir_splice_abort(struct weir_splice *p)
{
	if (p->splicer == NULL)
		return;
	stack_count(&p->splicer->stats.aborted, 1);
	let_go(p, weir_stream_abort);
}

/* ---- moving ---- */

/* What is held. @return as weir_stream_send_mbuf(). */
static int64_t give(struct weir_splice *p, int from)
{
	struct weir_splice_way *w = &p->way[from];
	const int64_t n = weir_stream_send_mbuf(p->end[!from], &w->held);

	if (n > 0) {
		w->bytes += (uint64_t)n;
		stack_count(&p->splicer->stats.bytes[from], (uint64_t)n);
	}
	return n;
}

/* @return 0: the other stream's peer is told; or why not. */
static int pass_end(struct weir_splice *p, int from)
{
	struct weir_splice_way *w = &p->way[from];
	int rc = 0;

	if (!w->told)
		rc = weir_stream_finish(p->end[!from]);
	w->told = rc == 0;
	return rc == -ENOTCONN ? -EAGAIN : rc; /* it is connecting */
}

/*
 * One direction, as far as it goes: queues are bounded, so it ends.
 * @return 0: it has ended; -EAGAIN: an event will tell; -ENOBUFS; else what has ended a stream.
 */
static int move(struct weir_splice *p, int from)
{
	struct weir_splice_way *w = &p->way[from];
	int64_t n = 1;

	while (n > 0) {
		if (w->held != NULL) {
			n = give(p, from);
		} else if (w->ended) {
			return pass_end(p, from);
		} else {
			n = weir_stream_recv_mbuf(p->end[from], &w->held);
			if (n != 0)
				continue;
			w->ended = true;
			n = 1;
		}
	}
	return (int)n;
}

/* Both directions. @return as move(). */
static int step(struct weir_splice *p)
{
	int rc[2];

	for (int i = 0; i < 2; i++)
		if (weir_stream_ready(p->end[i]) & WEIR_READY_ERR)
			return weir_stream_error(p->end[i]);
	for (int i = 0; i < 2; i++) {
		rc[i] = move(p, i);
		if (rc[i] < 0 && rc[i] != -EAGAIN && rc[i] != -ENOBUFS)
			return rc[i];
	}
	return rc[0] == -ENOBUFS || rc[1] == -ENOBUFS ? -ENOBUFS : rc[0] < 0 ? rc[0] : rc[1];
}

/* ---- time ---- */

/* When something has happened last. */
static uint64_t active_ns(const struct weir_splice *p)
{
	const uint64_t a = weir_stream_active_ns(p->end[0]), b = weir_stream_active_ns(p->end[1]);

	return a > b ? a : b;
}

static void arm(struct weir_splice *p, uint64_t at_ns, bool again)
{
	p->again = again;
	weir_wheel_arm(p->splicer->wheel, &p->timer, at_ns);
}

/* It waits: for an event, or for a buffer. The deadline is looked at lazily. */
static void wait(struct weir_splice *p, bool no_mbuf, uint64_t now_ns)
{
	const struct weir_splicer *r = p->splicer;

	if (no_mbuf) {
		stack_count(&p->splicer->stats.no_mbuf, 1);
		arm(p, now_ns + RETRY_NS, true);
	} else if (p->way[0].held != NULL || p->way[1].held != NULL) {
		if (!p->again || !weir_timer_is_armed(&p->timer))
			arm(p, now_ns + LOOK_AGAIN_NS, true);
	} else if (r->conf.idle_ns != 0 && !weir_timer_is_armed(&p->timer)) {
		arm(p, weir_deadline_after(now_ns, r->conf.idle_ns), false);
	}
}

void weir_splice_go_on(struct weir_splice *p, uint64_t now_ns)
{
	int rc;

	if (p->splicer == NULL)
		return;
	rc = step(p);
	if (rc == -EAGAIN || rc == -ENOBUFS)
		wait(p, rc == -ENOBUFS, now_ns);
	else
		over(p, rc);
}

static void fire(struct weir_timer *t, uint64_t now_ns)
{
	struct weir_splice *p =
		(struct weir_splice *)((char *)t - offsetof(struct weir_splice, timer));
	const uint64_t idle_ns = p->splicer->conf.idle_ns;
	const uint64_t at_ns = idle_ns == 0 ? UINT64_MAX
					    : weir_deadline_after(active_ns(p), idle_ns);

	if (at_ns <= now_ns) {
		over(p, -ETIMEDOUT);
	} else if (p->again) {
		p->again = false;
		weir_splice_go_on(p, now_ns);
	} else if (at_ns != UINT64_MAX) {
		arm(p, at_ns, false);
	}
}

/* ---- beginning ---- */

void weir_splice_begin(struct weir_splicer *r, struct weir_splice *p, struct weir_stream *a,
		       struct weir_stream *b, uint64_t now_ns)
{
	*p = (struct weir_splice){.splicer = r, .end = {a, b}, .timer.fire = fire};
	stack_count(&r->stats.begun, 1);
	wait(p, false, now_ns);
}

uint64_t weir_splicer_run(struct weir_splicer *r, uint64_t now_ns)
{
	weir_wheel_run(r->wheel, now_ns, TIMERS);
	return weir_wheel_next_ns(r->wheel);
}

void weir_splicer_set_idle(struct weir_splicer *r, uint64_t idle_ns)
{
	r->conf.idle_ns = idle_ns;
}

void weir_splicer_stats(const struct weir_splicer *r, struct weir_splice_stats *out)
{
	stack_count_read(&r->stats, out, sizeof(*out));
}

int weir_splicer_create(const struct weir_splicer_conf *conf, struct weir_splicer **out)
{
	struct weir_splicer *r;
	int rc;

	if (conf->over == NULL)
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	r->conf = *conf;
	rc = weir_wheel_create(TICK_NS, conf->now_ns, &r->wheel);
	if (rc < 0) {
		weir_splicer_free(r);
		return rc;
	}
	*out = r;
	return 0;
}

void weir_splicer_free(struct weir_splicer *r)
{
	if (r != NULL)
		weir_wheel_free(r->wheel);
	free(r);
}
