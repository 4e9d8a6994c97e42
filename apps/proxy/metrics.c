/* SPDX-License-Identifier: BSD-3-Clause */

/* weir-proxy's metrics: clients, bytes, and connections to the backend. */

#include "proxy_priv.h"

#include <stdio.h>

enum {
	M_BEGUN,
	M_OVER,
	M_REFUSED,
	M_BYTES,
	M_NO_MBUF,
	M_BACKEND,
	M_OPENED,
	M_CLOSED,
	M_AGE,
	M_ASKS,
	M_WAITING,
	M_DIALS,
	M_NAMES,
	M_N
};

static const struct weir_metric metrics[M_N] = {
	[M_BEGUN] = {"weir_proxy_begun_connections",
		     WEIR_METRIC_COUNTER,
		     "connections",
		     "Connections of clients that were joined to one to the backend.",
		     NULL,
		     {"worker"}},
	[M_OVER] = {"weir_proxy_over_connections",
		    WEIR_METRIC_COUNTER,
		    "connections",
		    "Of these, those that are over, by their end.",
		    "failed: one end was reset or lost. idle: see proxy.idle.",
		    {"worker", "end"}},
	[M_REFUSED] = {"weir_proxy_refused_connections",
		       WEIR_METRIC_COUNTER,
		       "connections",
		       "Connections of clients that were reset because there was none to the "
		       "backend for them.",
		       "weir_proxy_asks_total says why: raise proxy.connections or proxy.wait, or "
		       "look at the backend and at routes.",
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
	[M_BACKEND] = {"weir_proxy_backend_connections",
		       WEIR_METRIC_GAUGE,
		       "connections",
		       "Connections to the backend now: connecting, ready for a client, used by "
		       "one.",
		       NULL,
		       {"worker", "state"}},
	[M_OPENED] = {"weir_proxy_backend_opened_connections",
		      WEIR_METRIC_COUNTER,
		      "connections",
		      "Connections to the backend that were begun.",
		      NULL,
		      {"worker"}},
	[M_CLOSED] = {"weir_proxy_backend_closed_connections",
		      WEIR_METRIC_COUNTER,
		      "connections",
		      "Of these, those that are over, and why.",
		      "failure: the backend refused or did not answer. peer: it ended one that was "
		      "ready. idle: see proxy.ready_idle. need: there may be fewer now.",
		      {"worker", "why"}},
	[M_AGE] = {"weir_proxy_backend_age_seconds",
		   WEIR_METRIC_COUNTER,
		   "seconds",
		   "Ages of all connections to the backend that are over, added up.",
		   NULL,
		   {"worker"}},
	[M_ASKS] = {"weir_proxy_asks",
		    WEIR_METRIC_COUNTER,
		    NULL,
		    "Clients that asked for a connection to the backend, that had to wait for it, "
		    "and what came of it.",
		    "timed_out: raise proxy.connections, or proxy.ready. failed, timed_out among "
		    "them: look at the backend.",
		    {"worker", "what"}},
	[M_WAITING] = {"weir_proxy_waiting_clients",
		       WEIR_METRIC_GAUGE,
		       "clients",
		       "Clients that wait for a connection to the backend now.",
		       NULL,
		       {"worker"}},
	[M_DIALS] =
		{"weir_proxy_dials",
		 WEIR_METRIC_COUNTER,
		 NULL,
		 "Clients for whom the backend's name was dialled, those that a connection over "
		 "IPv4 or IPv6 was made for, and the attempts that took.",
		 "failed, timed_out among them: look at the backend, at routes and at "
		 "weir_proxy_names_total.",
		 {"worker", "what"}},
	[M_NAMES] = {"weir_proxy_names",
		     WEIR_METRIC_COUNTER,
		     NULL,
		     "Asks for the backend's addresses, once for each family; those that an answer "
		     "from before has served; questions to DNS servers, and what came of them.",
		     "failed: no server of proxy.dns answers as it must.",
		     {"worker", "what"}},
};

struct row {
	unsigned metric;
	uint64_t value;
	const char *label; /* the second one; NULL: there is none */
};

static int put(struct weir_metrics_sink *sink, const char *worker, const struct row *rows, size_t n)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		const struct weir_metric *m = &metrics[rows[i].metric];
		const char *const labels[] = {worker, rows[i].label};
		const unsigned n_labels = rows[i].label == NULL ? 1 : 2;

		rc = m->kind == WEIR_METRIC_GAUGE
			     ? weir_metrics_put_gauge(sink, m, (double)rows[i].value, labels,
						      n_labels)
			     : weir_metrics_put_count(sink, m, rows[i].value, labels, n_labels);
	}
	return rc;
}

static int put_clients(const struct proxy_worker *w, const char *worker,
		       struct weir_metrics_sink *sink)
{
	struct weir_splice_stats s;

	weir_splicer_stats(w->splicer, &s);
	return put(sink, worker,
		   (const struct row[]){
			   {M_BEGUN, s.begun, NULL},
			   {M_OVER, s.ended, "ended"},
			   {M_OVER, s.failed, "failed"},
			   {M_OVER, s.timed_out, "idle"},
			   {M_OVER, s.aborted, "aborted"},
			   {M_REFUSED, weir_counted(&w->refused), NULL},
			   {M_BYTES, s.bytes[0], "backend"},
			   {M_BYTES, s.bytes[1], "client"},
			   {M_NO_MBUF, s.no_mbuf, NULL},
		   },
		   9);
}

static int put_named(const struct proxy_worker *w, const char *worker,
		     struct weir_metrics_sink *sink)
{
	struct weir_dialer_stats d;
	struct weir_resolver_stats n;

	named_stats(w, &d, &n);
	return put(sink, worker,
		   (const struct row[]){
			   {M_DIALS, d.begun, "begun"},
			   {M_DIALS, d.ip4, "ip4"},
			   {M_DIALS, d.ip6, "ip6"},
			   {M_DIALS, d.failed, "failed"},
			   {M_DIALS, d.timed_out, "timed_out"},
			   {M_DIALS, d.attempts, "attempts"},
			   {M_NAMES, n.asked, "asked"},
			   {M_NAMES, n.cached, "cached"},
			   {M_NAMES, n.questions, "questions"},
			   {M_NAMES, n.answered, "answered"},
			   {M_NAMES, n.negative, "negative"},
			   {M_NAMES, n.failed, "failed"},
		   },
		   12);
}

static int put_backend(const struct proxy_worker *w, const char *worker,
		       struct weir_metrics_sink *sink)
{
	struct weir_conn_pool_stats s;

	weir_conn_pool_stats(w->pool, &s);
	return put(sink, worker,
		   (const struct row[]){
			   {M_BACKEND, s.states[WEIR_POOLED_CONNECTING], "connecting"},
			   {M_BACKEND, s.states[WEIR_POOLED_IDLE], "ready"},
			   {M_BACKEND, s.states[WEIR_POOLED_BUSY], "used"},
			   {M_OPENED, s.opened, NULL},
			   {M_CLOSED, s.by_user, "used"},
			   {M_CLOSED, s.by_failure, "failure"},
			   {M_CLOSED, s.by_peer, "peer"},
			   {M_CLOSED, s.by_idle, "idle"},
			   {M_CLOSED, s.by_need, "need"},
			   {M_AGE, s.age_ns / UINT64_C(1000000000), NULL},
			   {M_ASKS, s.asked, "asked"},
			   {M_ASKS, s.waited, "waited"},
			   {M_ASKS, s.given, "given"},
			   {M_ASKS, s.failed, "failed"},
			   {M_ASKS, s.timed_out, "timed_out"},
			   {M_ASKS, s.cancelled, "cancelled"},
			   {M_WAITING, s.waiting, NULL},
		   },
		   17);
}

static int collect(void *ctx, struct weir_metrics_sink *sink)
{
	const struct proxy *p = weir_run_state(ctx);
	int rc = 0;

	for (uint16_t w = 0; p != NULL && rc == 0 && w < p->app.workers; w++) {
		char worker[8];

		snprintf(worker, sizeof(worker), "%u", w);
		rc = put_clients(&p->worker[w], worker, sink);
		if (rc == 0)
			rc = (p->worker[w].named != NULL ? put_named : put_backend)(&p->worker[w],
										    worker, sink);
	}
	return rc;
}

int proxy_add_metrics(struct weir_run *run)
{
	const int rc = stack_add_metrics(run);

	return rc < 0 ? rc : weir_metrics_add(weir_run_metrics(run), metrics, M_N, collect, run);
}
