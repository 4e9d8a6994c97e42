/* SPDX-License-Identifier: BSD-3-Clause */

/* The script's clock: between two events the stack runs from deadline to deadline. */

#include "run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/addr.h>
#include <weir/offload.h>

#define BEGIN_NS   UINT64_C(1000000000000)
#define STEP_NS	   UINT64_C(10000) /* as often as a worker may look */
#define STEPS_MOST 1000000

static int say(struct runner *r, int rc, const char *fmt, va_list args)
{
	fprintf(stderr, "%s:%u: ", r->script->file, r->event->line);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	return rc;
}

int fail(struct runner *r, const char *fmt, ...)
{
	va_list args;
	int rc;

	va_start(args, fmt);
	rc = say(r, -1, fmt, args);
	va_end(args);
	return rc;
}

int refuse(struct runner *r, const char *fmt, ...)
{
	va_list args;
	int rc;

	va_start(args, fmt);
	rc = say(r, -2, fmt, args);
	va_end(args);
	return rc;
}

double seconds(const struct runner *r, uint64_t at_ns)
{
	return (double)(int64_t)(at_ns - r->begin_ns) / 1e9;
}

static void keep(struct runner *r, struct rte_mbuf *m)
{
	if (r->sent_n - r->sent_from == SENT_MOST) /* a script that looks at none */
		rte_pktmbuf_free(r->sent[r->sent_from++ % SENT_MOST].m);
	r->sent[r->sent_n++ % SENT_MOST] = (struct sent){m, r->now_ns};
}

/* As a port does that cuts, unless the script wants to see what it is given. */
static void keep_long(struct runner *r, struct rte_mbuf *m)
{
	struct rte_mbuf *piece[WEIR_OFFLOAD_PIECES];
	unsigned n;

	if (r->script->set.tso == TSO_WHOLE) {
		m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
		(void)weir_offload_finish(m, 0);
		keep(r, m);
		return;
	}
	n = weir_offload_cut(m, r->pool, piece); /* 0: the script misses them */
	for (unsigned i = 0; i < n; i++) {
		(void)weir_offload_finish(piece[i], 0);
		keep(r, piece[i]);
	}
	rte_pktmbuf_free(m);
}

static void output(void *ctx, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		if (weir_offload_is_long(pkts[i]))
			keep_long(ctx, pkts[i]);
		else
			keep(ctx, pkts[i]);
}

static bool way(void *ctx, const struct weir_addr *to, struct weir_way *out)
{
	const struct runner *r = ctx;
	const char *from = to->family == 6 ? "fd3d:fa7b:d17d::1" : "192.168.0.1";

	out->mtu_bytes = r->script->set.mtu_bytes;
	out->cuts = r->script->set.tso != TSO_NONE;
	return weir_addr_parse(from, strlen(from), &out->from) == 0;
}

static int begin(struct runner *r)
{
	const struct settings *set = &r->script->set;
	const struct weir_stack_conf conf = {
		.pool = r->pool,
		.sockets = 16,
		.socket_pkts = 8,
		.connections = set->connections,
		.half_open = set->half_open,
		.time_wait = set->time_wait,
		.sndbuf_bytes = set->sndbuf,
		.rcvbuf_bytes = set->rcvbuf,
		.memory_bytes = set->memory_bytes,
		.congestion = set->congestion,
		.ecn = set->ecn,
		.mtu_probing = set->mtu_probing,
		.base_mss = set->base_mss,
		.unpaced = !set->pacing, /* as Linux without its fq */
		.now_ns = BEGIN_NS,
		.secret = {0x7765697273637269, 0x7074},
		.output = output,
		.way = way,
		.ctx = r,
	};

	r->begin_ns = r->now_ns = BEGIN_NS;
	return weir_stack_create(&conf, &r->stack) < 0
		       ? refuse(r, "no stack can be made with these options")
		       : 0;
}

int run_until(struct runner *r, uint64_t until_ns, bool or_sent)
{
	for (unsigned i = 0; i < STEPS_MOST; i++) {
		r->due_ns = weir_stack_poll(r->stack, r->now_ns);
		if (or_sent && r->sent_from != r->sent_n)
			return 0;
		if (r->now_ns >= until_ns && r->due_ns > r->now_ns)
			return 0;
		r->now_ns = RTE_MAX(r->due_ns, r->now_ns + STEP_NS);
		if (r->now_ns > until_ns && r->due_ns > until_ns)
			r->now_ns = until_ns;
	}
	return fail(r, "the stack asks to be called %d times without end", STEPS_MOST);
}

static uint64_t time_of(const struct runner *r, const struct event *e)
{
	return (e->when.kind == WHEN_AFTER ? r->now_ns : r->begin_ns) + e->when.from_ns;
}

/* Whether the next line's segment comes in the same burst. */
static bool is_followed(const struct runner *r, const struct event *e)
{
	const struct event *next = e->next;

	return r->script->set.burst && r->n_burst < BURST_MOST && next != NULL &&
	       next->kind == EVENT_IN && !e->seg->is_icmp && !next->seg->is_icmp &&
	       time_of(r, next) <= r->now_ns;
}

static int run_event(struct runner *r, const struct event *e)
{
	const uint64_t at_ns = time_of(r, e);
	int rc;

	if (e->kind == EVENT_OUT)
		return run_out(r, e);
	rc = run_until(r, RTE_MAX(at_ns, r->now_ns), false);
	if (rc < 0)
		return rc;
	switch (e->kind) {
	case EVENT_IN:
		rc = run_in(r, e->seg);
		if (rc == 0 && is_followed(r, e))
			return 0;
		if (rc == 0 && r->n_burst > 0)
			rc = run_burst(r);
		break;
	case EVENT_CALL:
		rc = run_call(r, e->call);
		break;
	default:
		rc = run_claims(r, e->claims);
		break;
	}
	if (rc == 0)
		r->due_ns = weir_stack_poll(r->stack, r->now_ns);
	return rc;
}

int run_script(const struct script *s, struct rte_mempool *pool)
{
	struct runner *r = calloc(1, sizeof(*r));
	int rc = -2;

	if (r == NULL)
		abort();
	r->script = s;
	r->event = s->events;
	r->pool = pool;
	r->bytes = malloc(CALL_BYTES);
	if (r->bytes == NULL)
		abort();
	rc = begin(r);
	for (const struct event *e = s->events; rc == 0 && e != NULL; e = e->next) {
		r->event = e;
		rc = run_event(r, e);
	}
	if (rc == 0)
		rc = run_rest(r);
	while (r->sent_from != r->sent_n)
		rte_pktmbuf_free(r->sent[r->sent_from++ % SENT_MOST].m);
	rte_pktmbuf_free_bulk(r->burst, r->n_burst);
	weir_stack_free(r->stack);
	if (rc == 0 && rte_mempool_in_use_count(pool) != 0)
		rc = fail(r, "%u buffers did not come home", rte_mempool_in_use_count(pool));
	free(r->bytes);
	free(r);
	return rc;
}
