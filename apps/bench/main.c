/* SPDX-License-Identifier: BSD-3-Clause */

/* weir-bench: makes, takes, forwards and judges packets as fast as a port can; testpmd's place. */

#include "bench_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <weir/gen.h>
#include <weir/log.h>

static void worker_free(struct bench_worker *w)
{
	if (w == NULL)
		return;
	for (unsigned p = 0; p < WEIR_PORTS_MAX; p++) {
		free(w->lane[p].seq);
		free(w->lane[p].tracks);
	}
	weir_hist_free(w->latency);
	free(w);
}

static void done(struct weir_run *run)
{
	struct bench *b = weir_run_state(run);
	struct weir_system *s = weir_run_system(run);

	if (b == NULL)
		return;
	/* What failed half-way may have workers running: they read the plan. */
	if (s != NULL)
		weir_system_stop(s);
	for (uint16_t w = 0; s != NULL && w < weir_system_workers(s); w++)
		for (uint16_t p = 0; p < WEIR_PORTS_MAX; p++)
			weir_wheel_cancel(weir_engine_shard(weir_system_engine(s, w))->wheel,
					  &b->worker[w]->lane[p].wake);
	bench_plan_drop(b);
	for (unsigned w = 0; w < WEIR_WORKERS_MAX; w++)
		worker_free(b->worker[w]);
	free(b->report);
	free(b);
}

static struct bench_worker *worker_create(struct bench *b, uint16_t index)
{
	struct bench_worker *w = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*w));

	if (w == NULL)
		return NULL;
	memset(w, 0, sizeof(*w));
	w->bench = b;
	w->index = index;
	w->latency = weir_hist_create();
	if (w->latency == NULL) {
		worker_free(w);
		return NULL;
	}
	return w;
}

static int prepare(struct weir_run *run, const void *conf, struct weir_system_conf *sys,
		   struct weir_why *why)
{
	const struct bench_conf *c = conf;
	const struct bench_section *s = &c->bench;
	struct bench *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return weir_why(why, -ENOMEM, "out of memory");
	weir_run_set_state(run, b);
	b->run = run;
	b->conf = conf;
	b->workers = sys->workers;
	b->rests = c->app.runtime.poll != WEIR_POLL_BUSY;
	b->time_ns = s->time_ns;
	b->packets = s->packets;
	b->stats_period_ns = s->stats_period_ns;
	b->prompt = s->interactive;
	if (getrandom(&b->run_id, sizeof(b->run_id), 0) < 0)
		return weir_why(why, -errno, "random: %s", strerror(errno));
	if (s->report != NULL && s->report[0] != '\0') {
		b->report = strdup(s->report);
		if (b->report == NULL)
			return weir_why(why, -ENOMEM, "out of memory");
	}
	for (uint16_t w = 0; w < b->workers; w++) {
		b->worker[w] = worker_create(b, w);
		if (b->worker[w] == NULL)
			return weir_why(why, -ENOMEM, "out of memory");
		b->ctx[w] = b->worker[w];
	}
	sys->on_burst = bench_on_burst;
	sys->ctx = b->ctx;
	sys->idle_calls = true; /* txonly works without packets */
	return bench_settings_make(c, &b->set, why);
}

/* Ports pair up as in testpmd: 0 and 1, 2 and 3; an odd last one with itself. */
static uint16_t pair_of(uint16_t port, uint16_t ports)
{
	const uint16_t pair = port ^ 1;

	return pair < ports ? pair : port;
}

static int lane_init(struct bench *b, uint16_t worker, uint16_t port, struct weir_why *why)
{
	struct weir_system *s = weir_run_system(b->run);
	struct weir_shard *shard = weir_engine_shard(weir_system_engine(s, worker));
	struct bench_lane *l = &b->worker[worker]->lane[port];

	l->back = shard->txq[port];
	l->out = shard->txq[pair_of(port, weir_system_ports(s))];
	if (l->out.port == NULL || l->back.port == NULL)
		return weir_why(why, -ENODEV,
				"port %s got %u queues for sending, fewer than there are workers",
				weir_system_port(s, port)->name, weir_system_port(s, port)->txqs);
	l->flow = worker;
	l->seq = calloc(BENCH_FLOWS_MAX, sizeof(*l->seq));
	l->tracks = aligned_alloc(RTE_CACHE_LINE_SIZE, BENCH_FLOWS_MAX * sizeof(*l->tracks));
	if (l->seq == NULL || l->tracks == NULL)
		return weir_why(why, -ENOMEM, "out of memory");
	memset(l->tracks, 0, BENCH_FLOWS_MAX * sizeof(*l->tracks));
	return 0;
}

/* Which worker has which part of a port's rate and of the packets in all. */
static void share_out(struct bench *b)
{
	const uint16_t ports = weir_system_ports(weir_run_system(b->run));
	uint16_t of = 0;

	for (uint16_t p = 0; p < ports; p++) {
		uint16_t shares = 0;

		for (uint16_t w = 0; w < b->workers; w++) {
			struct bench_lane *l = &b->worker[w]->lane[p];

			if (l->seq == NULL)
				continue;
			l->share = shares++;
			l->nth = of++;
		}
		for (uint16_t w = 0; w < b->workers; w++)
			b->worker[w]->lane[p].shares = shares;
	}
	for (uint16_t w = 0; w < b->workers; w++)
		for (uint16_t p = 0; p < ports; p++)
			b->worker[w]->lane[p].of = b->worker[w]->lane[p].seq == NULL ? 0 : of;
}

static int make_lanes(struct bench *b, struct weir_why *why)
{
	struct weir_system *s = weir_run_system(b->run);
	int rc = 0;

	for (uint16_t w = 0; w < b->workers; w++) {
		struct weir_shard *shard = weir_engine_shard(weir_system_engine(s, w));

		b->worker[w]->pool = shard->pool;
		b->worker[w]->wheel = shard->wheel;
		weir_clock_init(&b->worker[w]->clock);
		for (uint16_t q = 0; rc == 0 && q < shard->n_rxqs; q++)
			if (b->worker[w]->lane[shard->rxqs[q].port->id].seq == NULL)
				rc = lane_init(b, w, shard->rxqs[q].port->id, why);
	}
	share_out(b);
	return rc;
}

static bool is_over(struct bench *b, uint64_t now_ns)
{
	static struct bench_figures f; /* large; the control thread's */

	if (b->time_ns != 0 && now_ns - b->started_ns >= b->time_ns)
		return true;
	if (b->packets == 0)
		return false;
	bench_figures_since(b, &f);
	return bench_figures_pkts(b, &f) >= b->packets;
}

/* A reload has put another configuration in force. */
static void follow_reload(struct bench *b)
{
	const struct bench_conf *c = weir_run_conf(b->run);
	struct bench_settings s = {0};
	struct weir_why why;
	int rc;

	if (b->conf == c)
		return;
	b->conf = c;
	b->stats_period_ns = c->bench.stats_period_ns;
	rc = bench_settings_make(c, &s, &why);
	s.packets = b->set.packets; /* when to end is not reloaded */
	if (rc == 0)
		rc = bench_change(b, &s, &why);
	if (rc < 0)
		weir_log_error("bench", "section bench stays as it was: %s", why.text);
}

static void tick(void *ctx)
{
	struct bench *b = ctx;
	const uint64_t now_ns = weir_run_now_ns(b->run);
	struct weir_why why;

	follow_reload(b);
	bench_metrics_tick(b);
	if (b->start_at_once) {
		b->start_at_once = false;
		if (bench_start(b, &why) < 0) {
			weir_log_error("bench", "%s", why.text);
			weir_run_end(b->run, WEIR_EXIT_FAILED);
		}
		return;
	}
	if (!b->forwarding)
		return;
	if (b->stats_period_ns != 0 && now_ns - b->shown_ns >= b->stats_period_ns) {
		b->shown_ns = now_ns;
		bench_report_print(b, stdout);
	}
	if (is_over(b, now_ns)) {
		bench_stop(b, &why); /* count up to here, not up to when all has stopped */
		weir_run_end(b->run, WEIR_EXIT_DONE);
	}
}

static int start(struct weir_run *run, const void *conf, struct weir_why *why)
{
	const struct bench_section *s = &((const struct bench_conf *)conf)->bench;
	struct bench *b = weir_run_state(run);
	int rc = make_lanes(b, why);

	if (rc == 0)
		rc = bench_change(b, &b->set, why);
	/* The first tick starts: ports and workers take a while, which must not be counted. */
	b->start_at_once = !s->interactive || s->auto_start;
	if (rc == 0)
		rc = bench_register(b, why);
	if (rc == 0)
		rc = bench_metrics_add(b, why);
	if (rc == 0)
		rc = weir_run_watch(run, -1, tick, b);
	if (rc == 0 && b->prompt)
		rc = bench_prompt_begin(b, why);
	return rc;
}

static void summary_print(struct weir_run *run, FILE *to)
{
	struct bench *b = weir_run_state(run);
	struct weir_why why = {""};

	bench_report_print(b, to);
	if (b->report != NULL && bench_report_write(b, b->report, &why) < 0)
		weir_log_error("bench", "%s", why.text);
}

int main(int argc, char **argv)
{
	static const struct weir_app app = {
		.name = "weir-bench",
		.summary = "make, take, forward and judge packets; what testpmd is for",
		.schema = &bench_schema,
		.options = bench_options,
		.options_help = bench_options_help,
		.default_conf = bench_default_conf,
		.option = bench_option,
		.check = bench_check,
		.prepare = prepare,
		.start = start,
		.summary_print = summary_print,
		.done = done,
	};

	return weir_app_main(&app, argc, argv);
}
