/* SPDX-License-Identifier: BSD-3-Clause */

/* weir-httpd: a small HTTP/1.1 server on weir's own TCP. */

#include "httpd_priv.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <weir/error.h>
#include <weir/nodes.h>
#include <weir/system.h>

/* A packet's way through this program, top to bottom. */
static const struct weir_node_ops *const path[] = {
	&weir_node_rx,	      /* from the ports */
	&weir_node_ring,      /* to the worker that owns the flow */
	&weir_node_origin,    /* from ourselves: what the stack sends, ARP */
	&weir_node_parse,     /* what is it, and is it whole? */
	&weir_node_neigh_in,  /* ARP and ND */
	&weir_node_defrag,    /* fragments for us */
	&weir_node_route,     /* the next hop */
	&weir_node_host,      /* nothing is forwarded */
	&weir_node_local,     /* for us: the stack */
	&weir_node_reject,    /* answers with an error */
	&weir_node_neigh_out, /* the next hop's MAC address */
	&weir_node_tx,	      /* to the ports */
	&weir_node_punt,      /* to the kernel */
	&weir_node_drop,      /* counted and freed */
	NULL,
};

static const struct weir_conf_key httpd_keys[] = {
	{WEIR_CONF_KEY(struct httpd_section, port), .type = WEIR_CONF_UINT, .min = 1, .max = 65535,
	 .def = "80", .doc = "The port, at all of our addresses."},
	{WEIR_CONF_KEY(struct httpd_section, root), .type = WEIR_CONF_STRING,
	 .doc = "The folder whose files are served. They are read once, at the start; names that "
		"begin with a dot and symbolic links are left out. None: only /, /health and "
		"/bytes/N."},
	{WEIR_CONF_KEY(struct httpd_section, files), .type = WEIR_CONF_SIZE, .def = "64MiB",
	 .doc = "Bytes of all files at most; more is refused at the start."},
	{WEIR_CONF_KEY(struct httpd_section, bytes), .type = WEIR_CONF_SIZE, .def = "1GiB",
	 .doc = "The largest N of /bytes/N, which answers with so many bytes."},
	{WEIR_CONF_KEY(struct httpd_section, line), .type = WEIR_CONF_SIZE, .min = 64, .max = 65536,
	 .def = "4KiB", .doc = "The longest request line; longer ones get 414."},
	{WEIR_CONF_KEY(struct httpd_section, head), .type = WEIR_CONF_SIZE, .min = 128,
	 .max = 65536, .def = "8KiB", .doc = "The longest head of a request; longer ones get 431."},
	{WEIR_CONF_KEY(struct httpd_section, fields), .type = WEIR_CONF_UINT, .min = 1, .max = 1000,
	 .def = "100", .doc = "Fields of a request at most; more get 431."},
	{WEIR_CONF_KEY(struct httpd_section, partial), .type = WEIR_CONF_UINT, .min = 1,
	 .max = 1 << 20, .def = "1024",
	 .doc = "Requests of a worker whose head has come in part; more get 503."},
	{WEIR_CONF_KEY(struct httpd_section, request), .type = WEIR_CONF_DURATION, .min = 1000000,
	 .def = "10s", .doc = "How long the head of a request may take to come; then it gets 408."},
	{WEIR_CONF_KEY(struct httpd_section, idle), .type = WEIR_CONF_DURATION, .min = 1000000,
	 .def = "60s", .doc = "How long a connection may be silent; then it ends."},
	{WEIR_CONF_KEY(struct httpd_section, unacked), .type = WEIR_CONF_DURATION, .min = 1000000,
	 .def = "30s",
	 .doc = "How long a peer may acknowledge nothing of an answer; then its connection ends."},
};

static const struct weir_conf_schema httpd_schema = {
	.name = "httpd",
	.doc = "What is served. Changes need a restart.",
	WEIR_CONF_STRUCT(struct httpd_section, httpd_keys),
	WEIR_CONF_HAS_AT(struct httpd_section),
};

static const struct weir_conf_key keys[] = {
	WEIR_APP_CONF_KEYS(struct httpd_conf),
	WEIR_L3_CONF_KEYS(struct httpd_conf),
	STACK_CONF_KEY(struct httpd_conf),
	{WEIR_CONF_KEY(struct httpd_conf, httpd), .type = WEIR_CONF_RECORD, .fixed = true,
	 .sub = &httpd_schema, .doc = "What is served."},
};

static const struct weir_conf_schema schema = {
	.name = "weir-httpd",
	.doc = "Configuration of weir-httpd. Addresses, VLANs, routes, neighbours and logging can "
	       "be changed by a reload (SIGHUP, `weirctl reload`).",
	WEIR_CONF_STRUCT(struct httpd_conf, keys),
};

static int check(const void *conf, const char *file, struct weir_why *why)
{
	const struct httpd_section *h = &((const struct httpd_conf *)conf)->httpd;

	if (h->line > h->head)
		return weir_conf_fail(why, file, h->at.line,
				      "httpd.line is longer than httpd.head");
	return stack_check(&((const struct httpd_conf *)conf)->stack, file, why);
}

static uint32_t held(const void *conf)
{
	return stack_held(&((const struct httpd_conf *)conf)->stack);
}

/* ---- life ---- */

static int open_worker(struct httpd *h, struct weir_shard *shard, const struct httpd_conf *conf,
		       struct weir_why *why)
{
	struct httpd_worker *w = &h->worker[shard->worker];
	int rc;

	w->conf = &h->conf;
	w->files = h->files;
	w->epoch_s = &h->epoch_s;
	w->limits = (struct weir_http1_limits){.line_bytes = (uint32_t)conf->httpd.line,
					       .head_bytes = (uint32_t)conf->httpd.head,
					       .fields = (uint16_t)conf->httpd.fields};
	if (partials_create(w) < 0)
		return weir_why(why, -ENOMEM, "worker %u: out of memory", shard->worker);
	rc = stack_open(&h->app, &w->stack, shard, &httpd_service, &conf->stack, 1, 1, why);
	if (rc < 0)
		return rc;
	return stack_listen(&w->stack, (uint16_t)conf->httpd.port, &conf->stack, &w->listener, why);
}

static void tell_time(void *run)
{
	struct httpd *h = weir_run_state(run);

	atomic_store_explicit(&h->epoch_s, (unsigned)time(NULL), memory_order_relaxed);
}

static int start(struct weir_run *run, const void *conf, struct weir_why *why)
{
	const struct httpd_conf *c = conf;
	struct weir_system *s = weir_run_system(run);
	struct httpd *h = calloc(1, sizeof(*h));
	int rc = 0;

	if (h == NULL)
		return weir_why(why, -ENOMEM, "out of memory");
	weir_run_set_state(run, h);
	h->conf = c->httpd;
	answers_make();
	tell_time(run);
	if (c->httpd.root != NULL)
		rc = files_load(&c->httpd, &h->files, why);
	for (uint16_t w = 0; rc == 0 && w < weir_system_workers(s); w++)
		rc = open_worker(h, weir_engine_shard(weir_system_engine(s, w)), c, why);
	if (rc == 0)
		rc = weir_run_watch(run, -1, tell_time, run);
	return rc < 0 ? rc : stack_add_commands(run);
}

static void done(struct weir_run *run)
{
	struct httpd *h = weir_run_state(run);

	for (uint16_t w = 0; h != NULL && w < WEIR_WORKERS_MAX; w++) {
		stack_close(&h->worker[w].stack);
		partials_free(&h->worker[w]);
	}
	if (h != NULL)
		files_free(h->files);
	free(h);
	weir_run_set_state(run, NULL);
}

/* ---- metrics ---- */

static const struct weir_metric metrics[] = {
	{"weir_httpd_requests",
	 WEIR_METRIC_COUNTER,
	 "requests",
	 "Requests answered, by the status of the answer.",
	 "503: raise httpd.partial. 408, 431: look at who asks.",
	 {"worker", "status"}},
};

static int collect_worker(const struct httpd_worker *w, const char *name,
			  struct weir_metrics_sink *sink)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < N_STATUSES; i++) {
		char status[8];

		snprintf(status, sizeof(status), "%u", status_of(i));
		rc = weir_metrics_count(sink, &metrics[0], weir_counted(&w->answered[i]), name,
					status);
	}
	return rc;
}

static int collect(void *ctx, struct weir_metrics_sink *sink)
{
	const struct httpd *h = weir_run_state(ctx);
	int rc = 0;

	for (uint16_t w = 0; h != NULL && rc == 0 && w < h->app.workers; w++) {
		char name[8];

		snprintf(name, sizeof(name), "%u", w);
		rc = collect_worker(&h->worker[w], name, sink);
	}
	return rc;
}

static int add_metrics(struct weir_run *run)
{
	const int rc = stack_add_metrics(run);

	return rc < 0 ? rc : weir_metrics_add(weir_run_metrics(run), metrics, 1, collect, run);
}

int main(int argc, char **argv)
{
	return weir_app_main(&(struct weir_app){.name = "weir-httpd",
						.summary = "serves files by HTTP/1.1",
						.schema = &schema,
						.l3_at = offsetof(struct httpd_conf, l3),
						.path = path,
						.held = held,
						.check = check,
						.metrics = add_metrics,
						.start = start,
						.done = done},
			     argc, argv);
}
