/* SPDX-License-Identifier: BSD-3-Clause */

/* weir-proxy: takes TCP connections to a backend, by weir's own TCP on both sides. */

#include "proxy_priv.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
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

static const struct weir_conf_key proxy_keys[] = {
	{WEIR_CONF_KEY(struct proxy_section, port), .type = WEIR_CONF_UINT, .min = 1, .max = 65535,
	 .def = "80", .doc = "The port that is listened at, at all of our addresses."},
	{WEIR_CONF_KEY(struct proxy_section, to), .type = WEIR_CONF_ADDR, .required = true,
	 .doc = "The backend's address."},
	{WEIR_CONF_KEY(struct proxy_section, to_port), .type = WEIR_CONF_UINT, .min = 1,
	 .max = 65535, .def = "80", .doc = "The backend's port."},
	{WEIR_CONF_KEY(struct proxy_section, idle), .type = WEIR_CONF_DURATION, .def = "300s",
	 .doc = "How long neither end may send or take anything; then both are reset. 0s: for "
		"ever."},
};

static const struct weir_conf_schema proxy_schema = {
	.name = "proxy",
	.doc = "What is listened at, and where it goes. Changes need a restart.",
	WEIR_CONF_STRUCT(struct proxy_section, proxy_keys),
	WEIR_CONF_HAS_AT(struct proxy_section),
};

static const struct weir_conf_key keys[] = {
	WEIR_APP_CONF_KEYS(struct proxy_conf),
	WEIR_L3_CONF_KEYS(struct proxy_conf),
	STACK_CONF_KEY(struct proxy_conf),
	{WEIR_CONF_KEY(struct proxy_conf, proxy), .type = WEIR_CONF_RECORD, .fixed = true,
	 .sub = &proxy_schema, .required = true, .doc = "What is listened at, and where it goes."},
};

static const struct weir_conf_schema schema = {
	.name = "weir-proxy",
	.doc = "Configuration of weir-proxy. Addresses, VLANs, routes, neighbours and logging can "
	       "be changed by a reload (SIGHUP, `weirctl reload`).",
	WEIR_CONF_STRUCT(struct proxy_conf, keys),
};

static uint32_t held(const void *conf)
{
	return stack_held(&((const struct proxy_conf *)conf)->stack);
}

static int start(struct weir_run *run, const void *conf, struct weir_why *why)
{
	struct weir_system *s = weir_run_system(run);
	struct proxy *p = calloc(1, sizeof(*p));
	int rc = 0;

	if (p == NULL)
		return weir_why(why, -ENOMEM, "out of memory");
	weir_run_set_state(run, p);
	for (uint16_t w = 0; rc == 0 && w < weir_system_workers(s); w++)
		rc = proxy_open(p, weir_engine_shard(weir_system_engine(s, w)), conf, why);
	return rc < 0 ? rc : stack_add_commands(run);
}

static void done(struct weir_run *run)
{
	struct proxy *p = weir_run_state(run);

	for (uint16_t w = 0; p != NULL && w < WEIR_WORKERS_MAX; w++)
		proxy_close(&p->worker[w]);
	free(p);
	weir_run_set_state(run, NULL);
}

/* ---- metrics ---- */

enum { M_BEGUN, M_OVER, M_REFUSED, M_BYTES, M_NO_MBUF, M_N };

static const struct weir_metric metrics[M_N] = {
	[M_BEGUN] = {"weir_proxy_begun_connections",
		     WEIR_METRIC_COUNTER,
		     "connections",
		     "Connections of clients that were taken on.",
		     NULL,
		     {"worker"}},
	[M_OVER] = {"weir_proxy_over_connections",
		    WEIR_METRIC_COUNTER,
		    "connections",
		    "Of these, those that are over, by their end.",
		    "failed: one end was reset, refused or lost. idle: see proxy.idle.",
		    {"worker", "end"}},
	[M_REFUSED] = {"weir_proxy_refused_connections",
		       WEIR_METRIC_COUNTER,
		       "connections",
		       "Connections that were reset at once: there was no place for another, or no "
		       "way to the backend.",
		       "Raise stack.connections (two for each client), or look at routes.",
		       {"worker"}},
	[M_BYTES] = {"weir_proxy_bytes",
		     WEIR_METRIC_COUNTER,
		     "bytes",
		     "Payload that was passed on, to the backend or to clients.",
		     NULL,
		     {"worker", "to"}},
	[M_NO_MBUF] = {"weir_proxy_no_mbuf",
		       WEIR_METRIC_COUNTER,
		       NULL,
		       "Times that a connection waited for a buffer.",
		       "Raise runtime.mbufs.",
		       {"worker"}},
};

static int collect_worker(const struct proxy_worker *w, const char *name,
			  struct weir_metrics_sink *sink)
{
	struct weir_splice_stats s;

	weir_splicer_stats(w->splicer, &s);
	const struct {
		unsigned metric;
		uint64_t value;
		const char *label;
	} rows[] = {
		{M_BEGUN, s.begun, NULL},	  {M_OVER, s.ended, "ended"},
		{M_OVER, s.failed, "failed"},	  {M_OVER, s.timed_out, "idle"},
		{M_OVER, s.aborted, "aborted"},	  {M_REFUSED, weir_counted(&w->refused), NULL},
		{M_BYTES, s.bytes[0], "backend"}, {M_BYTES, s.bytes[1], "client"},
		{M_NO_MBUF, s.no_mbuf, NULL},
	};
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < sizeof(rows) / sizeof(rows[0]); i++)
		rc = weir_metrics_put_count(sink, &metrics[rows[i].metric], rows[i].value,
					    (const char *const[]){name, rows[i].label},
					    rows[i].label == NULL ? 1 : 2);
	return rc;
}

static int collect(void *ctx, struct weir_metrics_sink *sink)
{
	const struct proxy *p = weir_run_state(ctx);
	int rc = 0;

	for (uint16_t w = 0; p != NULL && rc == 0 && w < p->app.workers; w++) {
		char name[8];

		snprintf(name, sizeof(name), "%u", w);
		rc = collect_worker(&p->worker[w], name, sink);
	}
	return rc;
}

static int add_metrics(struct weir_run *run)
{
	const int rc = stack_add_metrics(run);

	return rc < 0 ? rc : weir_metrics_add(weir_run_metrics(run), metrics, M_N, collect, run);
}

int main(int argc, char **argv)
{
	return weir_app_main(&(struct weir_app){.name = "weir-proxy",
						.summary = "takes TCP connections to a backend",
						.schema = &schema,
						.l3_at = offsetof(struct proxy_conf, l3),
						.path = path,
						.held = held,
						.metrics = add_metrics,
						.start = start,
						.done = done},
			     argc, argv);
}
