/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A worker: enter a generation, read the clock, run the pipeline, the timers and the stack, leave,
 * rest.
 *
 * The clock is read once a pass and handed down. System calls are made only to rest and to wake a
 * worker that rests: never while packets come.
 */

#include <weir/engine.h>

#include "kernel/punt_priv.h"
#include "nodes/handoff_priv.h"
#include "origin_priv.h"
#include "tables/neigh_priv.h"

#include <errno.h>
#include <rte_epoll.h>
#include <rte_interrupts.h>
#include <rte_pause.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <weir/error.h>
#include <weir/local.h>
#include <weir/tracker.h>

/* The wheel's tick, a power of two: 131 us. */
#define TICK_NS	  UINT64_C(131072)
#define NS_PER_MS (WEIR_NS_PER_S / 1000)
/* Timers fired in one pass at most, so that a pass stays short. */
#define TIMERS_A_PASS 64
/* Pause instructions in one WEIR_REST_PAUSE. */
#define PAUSES	  16
#define BURST_MAX 256
#define EVENTS	  8
/* Passes that a worker makes at its end at most, so that what is inside gets out. */
#define DRAIN_PASSES 16
/* For so long an answer of a worker is waited for. */
#define PATIENCE_MS 2000

struct weir_engine {
	struct weir_shard shard;
	struct weir_graph *graph;
	struct weir_gens *gens;
	weir_engine_burst_fn *on_burst;
	void *ctx;
	bool idle_calls;
	_Atomic(const struct weir_watch *) watch; /* control thread writes */
	struct weir_clock clock;
	struct weir_poll poll;
	struct weir_poll_cfg poll_cfg;
	enum weir_poll_mode mode;
	struct weir_engine_stats stats; /* the engine's thread writes, others read relaxed */
	uint64_t since_tsc;		/* all before this is in stats; the engine's thread */
	uint64_t local_due_ns;		/* what local.h's poll said last; the engine's thread */
	atomic_bool stop;		/* any thread sets */
	atomic_bool asleep;		/* the engine's thread writes */
	int kick_fd;
	struct rte_epoll_event kick_event;
	struct weir_queue rxqs[];
};

/* Whether packets of a tuple come to the worker whose handoff it is. */
static bool is_mine(void *handoff, const struct weir_tuple *tuple)
{
	const struct weir_handoff *h = handoff;

	return handoff_owner_of(h, tuple) == h->worker;
}

static int make_parts(struct weir_engine *e, const struct weir_engine_conf *conf,
		      struct weir_why *why)
{
	int rc = weir_wheel_create(TICK_NS, 0, &e->shard.wheel);

	if (rc == 0)
		rc = origin_create(&e->shard, &e->shard.origin);
	if (rc == 0 && conf->path != NULL)
		rc = neigh_create(&e->shard, &e->shard.neigh);
	if (rc < 0)
		return weir_why(why, rc, "engine %s: %s", conf->name, weir_error_text(rc));
	if (conf->tracker != NULL) {
		rc = weir_tracker_create(conf->tracker, &e->shard, &e->shard.tracker, why);
		if (rc < 0)
			return rc;
		if (e->shard.handoff != NULL) {
			e->shard.tracker->nat.is_mine = is_mine;
			e->shard.tracker->nat.ctx = e->shard.handoff;
		}
	}
	e->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (e->kick_fd < 0)
		return weir_why(why, -errno, "engine %s: eventfd: %s", conf->name, strerror(errno));
	if (conf->path == NULL)
		return 0;
	return weir_graph_create(conf->path, &e->shard, &e->graph, why);
}

int weir_engine_create(const struct weir_engine_conf *conf, struct weir_engine **out,
		       struct weir_why *why)
{
	const uint16_t burst = conf->burst == 0 ? WEIR_BURST_DEFAULT : conf->burst;
	struct weir_engine *e;
	int rc;

	if ((conf->path == NULL) == (conf->on_burst == NULL))
		return weir_why(why, -EINVAL,
				"engine %s: give it a path or a callback, one of them", conf->name);
	if (burst > BURST_MAX)
		return weir_why(why, -ERANGE, "engine %s: burst is %u, must be 1 to %u", conf->name,
				burst, BURST_MAX);
	e = calloc(1, sizeof(*e) + conf->n_rxqs * sizeof(e->rxqs[0]));
	if (e == NULL)
		return weir_why(why, -ENOMEM, "engine %s: out of memory", conf->name);
	e->kick_fd = -1;
	e->local_due_ns = UINT64_MAX;
	e->gens = conf->gens;
	e->on_burst = conf->on_burst;
	e->ctx = conf->ctx;
	e->idle_calls = conf->idle_calls;
	e->clock = conf->clock;
	e->mode = conf->poll;
	memcpy(e->rxqs, conf->rxqs, conf->n_rxqs * sizeof(e->rxqs[0]));
	e->shard = (struct weir_shard){
		.worker = conf->worker,
		.workers = conf->workers,
		.burst = burst,
		.numa = conf->numa,
		.pool = conf->pool,
		.handoff = conf->handoff,
		.punt = conf->punt,
		.gens = conf->gens,
		.rxqs = e->rxqs,
		.n_rxqs = conf->n_rxqs,
		.gather_ns = conf->gather_ns,
		.limits = conf->limits,
		.secret = conf->secret,
	};
	memcpy(e->shard.txq, conf->txq, sizeof(e->shard.txq));
	if (e->shard.handoff != NULL)
		e->shard.handoff->shard = &e->shard;
	rc = make_parts(e, conf, why);
	if (rc < 0) {
		weir_engine_free(e);
		return rc;
	}
	*out = e;
	return 0;
}

void weir_engine_free(struct weir_engine *e)
{
	if (e == NULL)
		return;
	weir_graph_free(e->graph);
	weir_tracker_free(e->shard.tracker);
	neigh_free(e->shard.neigh);
	origin_free(e->shard.origin);
	weir_wheel_free(e->shard.wheel);
	if (e->kick_fd >= 0)
		close(e->kick_fd);
	free(e);
}

static unsigned burst_pass(struct weir_engine *e, uint64_t now_ns)
{
	struct rte_mbuf *pkts[BURST_MAX];
	unsigned got = 0;

	for (uint16_t q = 0; q < e->shard.n_rxqs; q++) {
		const struct weir_queue *from = &e->rxqs[q];
		const uint16_t n = from->port->rx(from->port, from->queue, pkts, e->shard.burst);

		if (n > 0 || e->idle_calls)
			got += n + e->on_burst(e->ctx, e, from, pkts, n, now_ns);
	}
	return got;
}

/* The stack's turn: what came in this pass is behind it. */
static inline void poll_local(struct weir_engine *e, uint64_t now_ns)
{
	struct weir_local *l = e->shard.local;

	if (l != NULL && l->poll != NULL)
		e->local_due_ns = l->poll(l, now_ns);
}

static inline unsigned pass(struct weir_engine *e, uint64_t now_ns)
{
	struct weir_pass p = {.now_ns = now_ns};
	unsigned got;

	if (e->gens != NULL)
		p.gen = weir_gens_enter(e->gens);
	if (e->graph != NULL)
		got = weir_graph_run(e->graph, &p,
				     atomic_load_explicit(&e->watch, memory_order_acquire));
	else
		got = burst_pass(e, now_ns);
	weir_count(&e->stats.pkts, got);
	got += weir_wheel_run(e->shard.wheel, now_ns, TIMERS_A_PASS);
	poll_local(e, now_ns);
	if (e->gens != NULL)
		weir_gens_leave(e->gens, e->shard.worker);
	weir_count(&e->stats.passes, 1);
	return got;
}

unsigned weir_engine_once(struct weir_engine *e, uint64_t now_ns)
{
	return pass(e, now_ns);
}

uint64_t weir_engine_due_ns(const struct weir_engine *e)
{
	const struct weir_tracker *t = e->shard.tracker;

	if (origin_waits(e->shard.origin) || (t != NULL && weir_flow_ask_waits(t->flows)))
		return 0;
	return RTE_MIN(weir_wheel_next_ns(e->shard.wheel), e->local_due_ns);
}

/* Whether all queues can wake us. Adds them to this thread's epoll set. */
static bool can_block(struct weir_engine *e)
{
	bool all = true;

	e->kick_event = (struct rte_epoll_event){.epdata = {.event = EPOLLIN}};
	if (rte_epoll_ctl(RTE_EPOLL_PER_THREAD, EPOLL_CTL_ADD, e->kick_fd, &e->kick_event) < 0)
		return false;
	for (uint16_t q = 0; q < e->shard.n_rxqs; q++) {
		struct weir_port *p = e->rxqs[q].port;

		if (p->ops->intr_add == NULL || p->ops->intr_add(p, e->rxqs[q].queue) < 0)
			all = false;
	}
	return all;
}

static void forget_interrupts(struct weir_engine *e)
{
	for (uint16_t q = 0; q < e->shard.n_rxqs; q++) {
		struct weir_port *p = e->rxqs[q].port;

		if (p->ops->intr_del != NULL)
			p->ops->intr_del(p, e->rxqs[q].queue);
	}
	rte_epoll_ctl(RTE_EPOLL_PER_THREAD, EPOLL_CTL_DEL, e->kick_fd, &e->kick_event);
}

static void arm(struct weir_engine *e, bool on)
{
	for (uint16_t q = 0; q < e->shard.n_rxqs; q++) {
		struct weir_port *p = e->rxqs[q].port;

		if (p->ops->intr_arm != NULL)
			p->ops->intr_arm(p, e->rxqs[q].queue, on);
	}
}

/* Wake those to whom this pass gave something; only sleepers cost a system call. */
static void wake_others(struct weir_engine *e)
{
	if (e->shard.handoff != NULL && e->shard.handoff->woken != 0)
		handoff_wake(e->shard.handoff);
	if (e->shard.punt != NULL)
		punt_flush(e->shard.punt, e->shard.worker);
}

/* One pass with its cycles counted. The end of what was before is its time. */
static unsigned go_round(struct weir_engine *e)
{
	const uint64_t begin = e->since_tsc;
	const unsigned got =
		pass(e, weir_clock_cycles_to_ns(&e->clock, begin - e->clock.start_tsc));

	wake_others(e);
	e->since_tsc = rte_rdtsc();
	if (got > 0) {
		weir_count(&e->stats.busy_passes, 1);
		weir_count(&e->stats.busy_cycles, e->since_tsc - begin);
	} else {
		weir_count(&e->stats.idle_cycles, e->since_tsc - begin);
	}
	return got;
}

static void nap(struct weir_engine *e, uint64_t ns)
{
	const struct timespec ts = {.tv_nsec = (long)ns};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

static void wait_for_events(struct weir_engine *e, uint64_t ns)
{
	struct rte_epoll_event events[EVENTS];

	rte_epoll_wait(RTE_EPOLL_PER_THREAD, events, EVENTS, (int)(ns / NS_PER_MS));
}

/* Be away: whoever publishes a generation need not wait for us. */
static void sleep_by(struct weir_engine *e, void (*way)(struct weir_engine *, uint64_t),
		     uint64_t ns)
{
	uint64_t begin = e->since_tsc;

	if (e->gens != NULL)
		weir_gens_sleep(e->gens, e->shard.worker);
	way(e, ns);
	if (e->gens != NULL)
		weir_gens_wake(e->gens, e->shard.worker);
	e->since_tsc = rte_rdtsc();
	weir_count(&e->stats.slept_ns, weir_clock_cycles_to_ns(&e->clock, e->since_tsc - begin));
}

static uint64_t ended_ns(const struct weir_engine *e)
{
	return weir_clock_cycles_to_ns(&e->clock, e->since_tsc - e->clock.start_tsc);
}

/* Sleep until a queue, another worker or the control thread wakes us, or something is due. */
static void block(struct weir_engine *e, uint64_t ns)
{
	uint64_t kicks, now_ns, due_ns;

	arm(e, true);
	atomic_store(&e->asleep, true);
	/* What came before the interrupts were armed would not wake us: look once more. */
	if (go_round(e) > 0) {
		e->poll = (struct weir_poll){0};
	} else if (!atomic_load(&e->stop)) {
		now_ns = ended_ns(e);
		due_ns = weir_engine_due_ns(e);
		if (due_ns > now_ns)
			sleep_by(e, wait_for_events, RTE_MIN(ns, due_ns - now_ns));
	}
	atomic_store(&e->asleep, false);
	arm(e, false);
	if (read(e->kick_fd, &kicks, sizeof(kicks)) < 0)
		return; /* EAGAIN: it was not a kick */
}

static void rest(struct weir_engine *e, unsigned got)
{
	const uint64_t now_ns = ended_ns(e);
	const uint64_t due_ns = got > 0 ? 0 : weir_engine_due_ns(e);
	const uint64_t begin = e->since_tsc;
	uint64_t rest_ns;
	enum weir_rest how = weir_poll_rest(&e->poll, &e->poll_cfg, got, now_ns, due_ns, &rest_ns);

	/* Packets gather: no interrupt tells when they are to be taken. */
	if (unlikely(how == WEIR_REST_BLOCK && now_ns < e->shard.gather_until_ns)) {
		how = WEIR_REST_NAP;
		rest_ns = RTE_MIN(rest_ns, e->shard.gather_until_ns - now_ns);
	}

	/* epoll counts milliseconds: what is shorter is a nap. */
	if (how == WEIR_REST_BLOCK && rest_ns < NS_PER_MS) {
		how = WEIR_REST_NAP;
		if (rest_ns > e->poll_cfg.nap_max_ns)
			rest_ns = e->poll_cfg.nap_max_ns;
	}
	weir_count(&e->stats.rests[how], 1);
	if (how == WEIR_REST_NAP)
		sleep_by(e, nap, rest_ns);
	else if (how == WEIR_REST_BLOCK)
		block(e, rest_ns);
	if (got > 0 || how >= WEIR_REST_NAP)
		return;
	for (unsigned i = 0; how == WEIR_REST_PAUSE && i < PAUSES; i++)
		rte_pause();
	e->since_tsc = rte_rdtsc();
	weir_count(&e->stats.idle_cycles, e->since_tsc - begin);
}

/* Take nothing more in, and let what is inside come to its end. */
static void drain(struct weir_engine *e)
{
	const uint16_t n_rxqs = e->shard.n_rxqs;

	e->shard.n_rxqs = 0;
	e->shard.draining = true;
	for (unsigned i = 0; i < DRAIN_PASSES; i++)
		if (go_round(e) == 0 && !origin_waits(e->shard.origin))
			break;
	e->shard.n_rxqs = n_rxqs;
}

void weir_engine_run(struct weir_engine *e)
{
	prctl(PR_SET_TIMERSLACK, 1);
	if (e->gens != NULL)
		weir_gens_join(e->gens, e->shard.worker);
	e->poll_cfg = weir_poll_defaults(e->mode, e->mode != WEIR_POLL_BUSY && can_block(e));
	e->since_tsc = rte_rdtsc();
	while (!atomic_load_explicit(&e->stop, memory_order_relaxed))
		rest(e, go_round(e));
	drain(e);
	if (e->mode != WEIR_POLL_BUSY)
		forget_interrupts(e);
	if (e->gens != NULL)
		weir_gens_part(e->gens, e->shard.worker);
}

void weir_engine_stop(struct weir_engine *e)
{
	atomic_store(&e->stop, true);
	weir_engine_kick(e);
}

void weir_engine_kick(struct weir_engine *e)
{
	const uint64_t one = 1;

	/* A full counter (EAGAIN) wakes as well. */
	if (atomic_load(&e->asleep) && write(e->kick_fd, &one, sizeof(one)) < 0)
		return;
}

/* Milliseconds of waiting are counted, not those that pass: while nobody runs, none goes by. */
bool weir_engine_await(struct weir_engine *e, bool (*done)(const void *ask), const void *ask)
{
	const struct timespec ms = {.tv_nsec = 1000000};

	for (unsigned waited_ms = 0; !done(ask); waited_ms++) {
		if (waited_ms == PATIENCE_MS)
			return false;
		weir_engine_kick(e);
		nanosleep(&ms, NULL);
	}
	return true;
}

void weir_engine_watch(struct weir_engine *e, const struct weir_watch *w)
{
	atomic_store_explicit(&e->watch, w, memory_order_release);
	weir_engine_kick(e);
}

const struct weir_graph *weir_engine_graph(const struct weir_engine *e)
{
	return e->graph;
}

struct weir_shard *weir_engine_shard(struct weir_engine *e)
{
	return &e->shard;
}

void weir_engine_stats(const struct weir_engine *e, struct weir_engine_stats *out)
{
	const struct weir_engine_stats *s = &e->stats;

	out->passes = weir_counted(&s->passes);
	out->busy_passes = weir_counted(&s->busy_passes);
	out->pkts = weir_counted(&s->pkts);
	out->busy_cycles = weir_counted(&s->busy_cycles);
	out->idle_cycles = weir_counted(&s->idle_cycles);
	out->slept_ns = weir_counted(&s->slept_ns);
	for (unsigned i = 0; i < WEIR_RESTS; i++)
		out->rests[i] = weir_counted(&s->rests[i]);
}
