/* SPDX-License-Identifier: BSD-3-Clause */

/* The life of weir-bench: what it makes, when it starts and when it is over, what it says then. */

#include "bench_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <weir/log.h>

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
	bench_workers_free(b);
	free(b->report);
	free(b);
}

static int prepare(struct weir_run *run, const void *conf, struct weir_system_conf *sys,
		   struct weir_why *why)
{
	const struct bench_conf *c = conf;
	const struct bench_section *s = &c->bench;
	struct bench *b = calloc(1, sizeof(*b));
	int rc;

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
	rc = bench_workers_create(b, why);
	if (rc < 0)
		return rc;
	sys->on_burst = bench_on_burst;
	sys->ctx = b->ctx;
	sys->idle_calls = true; /* txonly works without packets */
	return bench_settings_make(c, &b->set, why);
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
	struct bench *b = weir_run_state(run);
	int rc = bench_lanes_create(b, why);

	if (rc == 0)
		rc = bench_change(b, &b->set, why);
	if (rc == 0)
		rc = bench_register(b, why);
	if (rc == 0)
		rc = weir_run_watch(run, -1, tick, b);
	if (rc == 0 && b->prompt)
		rc = bench_prompt_begin(b, why);
	return rc;
}

/* Not before: ports and workers take a while to start, which must not be counted. */
static int begin(struct weir_run *run, struct weir_why *why)
{
	const struct bench_section *s = &((const struct bench_conf *)weir_run_conf(run))->bench;

	return !s->interactive || s->auto_start ? bench_start(weir_run_state(run), why) : 0;
}

static void summary_print(struct weir_run *run, FILE *to)
{
	struct bench *b = weir_run_state(run);
	struct weir_why why = {""};

	bench_report_print(b, to);
	if (b->report != NULL && bench_report_write(b, b->report, &why) < 0)
		weir_log_error("bench", "%s", why.text);
}

const struct weir_app bench_app = {
	.name = "weir-bench",
	.summary = "make, take, forward and judge packets; what testpmd is for",
	.schema = &bench_schema,
	.options = bench_options,
	.options_help = bench_options_help,
	.default_conf = bench_default_conf,
	.option = bench_option,
	.check = bench_check,
	.prepare = prepare,
	.metrics = bench_metrics_add,
	.start = start,
	.begin = begin,
	.summary_print = summary_print,
	.done = done,
};
