/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What every program measures. Values stay with the workers and ports; they are read here when
 * somebody asks. Only how busy a worker was lately is kept, for it needs two readings.
 */

#include "app_l3_priv.h"
#include "app_priv.h"

#include <rte_cycles.h>
#include <rte_mempool.h>
#include <stdio.h>
#include <weir/drop.h>
#include <weir/punt.h>
#include <weir/version.h>

#include "app_show_priv.h"
#include "firewall/fw_app_priv.h"

#define COUNT(array) (unsigned)(sizeof(array) / sizeof((array)[0]))

/* A number as a label. */
#define NUMBER_TEXT 12

/* ---- saying values: the first error sticks, and nothing more is said ---- */

struct say {
	struct weir_metrics_sink *sink;
	int rc;
};

static void say(struct say *s, const struct weir_metric *m, double value, const char *const *labels,
		unsigned n)
{
	if (s->rc == 0)
		s->rc = weir_metrics_put_gauge(s->sink, m, value, labels, n);
}

static void say_count(struct say *s, const struct weir_metric *m, uint64_t value,
		      const char *const *labels, unsigned n)
{
	if (s->rc == 0)
		s->rc = weir_metrics_put_count(s->sink, m, value, labels, n);
}

static const char *number(char text[NUMBER_TEXT], unsigned n)
{
	snprintf(text, NUMBER_TEXT, "%u", n);
	return text;
}

/* ---- workers ---- */

enum {
	W_PASSES,
	W_BUSY_PASSES,
	W_WORK,
	W_BUSY_CYCLES,
	W_IDLE_CYCLES,
	W_BUSY,
	W_RESTS,
	W_SLEPT,
	W_DROPS,
	W_ICMP_ERRORS,
	W_NEIGH_LEARNED,
	W_NEIGH_REQUESTS,
	W_REASSEMBLED,
	W_FRAGMENTED,
	W_TX_COPIED,
	W_TX_CUT,
	W_CSUM,
	W_N
};

static const struct weir_metric worker_metrics[W_N] = {
	[W_PASSES] = {"weir_worker_passes",
		      WEIR_METRIC_COUNTER,
		      "passes",
		      "Times that the worker went round its pipeline.",
		      "One that stands still for seconds is stuck: see /health.",
		      {"worker"}},
	[W_BUSY_PASSES] = {"weir_worker_busy_passes",
			   WEIR_METRIC_COUNTER,
			   "passes",
			   "Passes that found at least one packet or timer.",
			   NULL,
			   {"worker"}},
	[W_WORK] = {"weir_worker_work",
		    WEIR_METRIC_COUNTER,
		    NULL,
		    "Packets that the worker took in, and timers that fired.",
		    NULL,
		    {"worker"}},
	[W_BUSY_CYCLES] = {"weir_worker_busy_cycles",
			   WEIR_METRIC_COUNTER,
			   "cycles",
			   "TSC cycles of busy passes.",
			   NULL,
			   {"worker"}},
	[W_IDLE_CYCLES] = {"weir_worker_idle_cycles",
			   WEIR_METRIC_COUNTER,
			   "cycles",
			   "TSC cycles of passes that found nothing.",
			   NULL,
			   {"worker"}},
	[W_BUSY] = {"weir_worker_busy_ratio",
		    WEIR_METRIC_GAUGE,
		    "ratio",
		    "Part of the last second that the worker spent on packets, 0 to 1.",
		    "Near 1: add workers and queues, or look at weirctl top for the costly stage.",
		    {"worker"}},
	[W_RESTS] = {"weir_worker_rests",
		     WEIR_METRIC_COUNTER,
		     "rests",
		     "Rests between passes, by step of the ladder.",
		     NULL,
		     {"worker", "kind"}},
	[W_SLEPT] = {"weir_worker_slept_seconds",
		     WEIR_METRIC_COUNTER,
		     "seconds",
		     "Whole seconds spent in naps and blocks.",
		     NULL,
		     {"worker"}},
	[W_DROPS] = {"weir_drops_packets",
		     WEIR_METRIC_COUNTER,
		     "packets",
		     "Packets dropped, by reason. Reasons that end in _done are no loss.",
		     "weirctl drops says what each reason means and what to do about it.",
		     {"worker", "reason"}},
	[W_ICMP_ERRORS] = {"weir_icmp_errors_sent_packets",
			   WEIR_METRIC_COUNTER,
			   "packets",
			   "ICMP errors and TCP RSTs sent.",
			   NULL,
			   {"worker"}},
	[W_NEIGH_LEARNED] = {"weir_neighbours_learned",
			     WEIR_METRIC_COUNTER,
			     NULL,
			     "Addresses of neighbours learned or changed.",
			     NULL,
			     {"worker"}},
	[W_NEIGH_REQUESTS] = {"weir_neighbour_requests_packets",
			      WEIR_METRIC_COUNTER,
			      "packets",
			      "ARP and ND requests sent.",
			      NULL,
			      {"worker"}},
	[W_REASSEMBLED] = {"weir_reassembled_packets",
			   WEIR_METRIC_COUNTER,
			   "packets",
			   "Packets put together from fragments.",
			   NULL,
			   {"worker"}},
	[W_FRAGMENTED] = {"weir_fragmented_packets",
			  WEIR_METRIC_COUNTER,
			  "packets",
			  "Packets cut into fragments.",
			  NULL,
			  {"worker"}},
	[W_TX_COPIED] = {"weir_tx_copied_packets",
			 WEIR_METRIC_COUNTER,
			 "packets",
			 "Frames copied because the port cannot send chains of buffers.",
			 "If many: lower the MTU, or use a port with tx_segs.",
			 {"worker"}},
	[W_TX_CUT] = {"weir_tx_cut_packets",
		      WEIR_METRIC_COUNTER,
		      "packets",
		      "Long TCP segments of a stack that were cut because the port cannot.",
		      NULL,
		      {"worker"}},
	[W_CSUM] = {"weir_csum_software_packets",
		    WEIR_METRIC_COUNTER,
		    "packets",
		    "Checksums that no port would compute.",
		    NULL,
		    {"worker"}},
};

static void collect_engine(struct say *s, const struct weir_run *run, uint16_t w, const char *name)
{
	struct weir_engine_stats st;

	weir_engine_stats(weir_system_engine(run->system, w), &st);
	say_count(s, &worker_metrics[W_PASSES], st.passes, WEIR_LABELS(name));
	say_count(s, &worker_metrics[W_BUSY_PASSES], st.busy_passes, WEIR_LABELS(name));
	say_count(s, &worker_metrics[W_WORK], st.pkts, WEIR_LABELS(name));
	say_count(s, &worker_metrics[W_BUSY_CYCLES], st.busy_cycles, WEIR_LABELS(name));
	say_count(s, &worker_metrics[W_IDLE_CYCLES], st.idle_cycles, WEIR_LABELS(name));
	say(s, &worker_metrics[W_BUSY], run->load[w].busy, WEIR_LABELS(name));
	for (unsigned r = 0; r < WEIR_RESTS; r++)
		say_count(s, &worker_metrics[W_RESTS], st.rests[r],
			  WEIR_LABELS(name, app_rest_name(r)));
	say_count(s, &worker_metrics[W_SLEPT], st.slept_ns / WEIR_NS_PER_S, WEIR_LABELS(name));
}

static int collect_workers(void *ctx, struct weir_metrics_sink *sink)
{
	const struct weir_run *run = ctx;
	struct say s = {.sink = sink};
	char name[NUMBER_TEXT];

	for (uint16_t w = 0; w < weir_system_workers(run->system); w++) {
		const struct weir_counters *c =
			&weir_engine_shard(weir_system_engine(run->system, w))->counters;
		const uint64_t *const counters[] = {
			&c->icmp_errors_sent, &c->neigh_learned, &c->neigh_requests,
			&c->reassembled,      &c->fragmented,	 &c->tx_copied,
			&c->tx_cut,	      &c->csum_software,
		};

		number(name, w);
		collect_engine(&s, run, w, name);
		for (unsigned d = 1; d < WEIR_DROPS; d++)
			say_count(&s, &worker_metrics[W_DROPS], app_drops(run, w, d),
				  WEIR_LABELS(name, weir_drop_text((enum weir_drop)d)->label));
		for (unsigned i = 0; i < COUNT(counters); i++)
			say_count(&s, &worker_metrics[W_ICMP_ERRORS + i], weir_counted(counters[i]),
				  WEIR_LABELS(name));
	}
	return s.rc;
}

/* ---- stages ---- */

enum { S_PKTS, S_BURSTS, S_VERDICTS, S_TIMED_PKTS, S_TIMED_CYCLES, S_N };

static const struct weir_metric stage_metrics[S_N] = {
	[S_PKTS] = {"weir_stage_packets",
		    WEIR_METRIC_COUNTER,
		    "packets",
		    "Packets that the stage judged.",
		    NULL,
		    {"worker", "stage"}},
	[S_BURSTS] = {"weir_stage_bursts",
		      WEIR_METRIC_COUNTER,
		      "bursts",
		      "Times that the stage ran with at least one packet.",
		      NULL,
		      {"worker", "stage"}},
	[S_VERDICTS] = {"weir_stage_verdicts_packets",
			WEIR_METRIC_COUNTER,
			"packets",
			"Packets by what the stage said of them.",
			NULL,
			{"worker", "stage", "verdict"}},
	[S_TIMED_PKTS] = {"weir_stage_timed_packets",
			  WEIR_METRIC_COUNTER,
			  "packets",
			  "Packets of the passes that were timed, one in 64.",
			  NULL,
			  {"worker", "stage"}},
	[S_TIMED_CYCLES] = {"weir_stage_timed_cycles",
			    WEIR_METRIC_COUNTER,
			    "cycles",
			    "TSC cycles that those took; divided by weir_stage_timed_packets, "
			    "the stage's cost of a packet.",
			    NULL,
			    {"worker", "stage"}},
};

static void collect_stage(struct say *s, const struct weir_graph *g, unsigned at,
			  const char *worker)
{
	const struct weir_node_ops *node = weir_graph_node(g, at);
	struct weir_stage_stats st;
	char stage[APP_STAGE_TEXT];

	weir_graph_stats(g, at, &st);
	app_stage_name(node, stage);
	say_count(s, &stage_metrics[S_PKTS], st.pkts, WEIR_LABELS(worker, stage));
	say_count(s, &stage_metrics[S_BURSTS], st.bursts, WEIR_LABELS(worker, stage));
	for (unsigned v = 0; v < WEIR_VERDICTS; v++)
		if (node->may & WEIR_MAY(v))
			say_count(s, &stage_metrics[S_VERDICTS], st.verdicts[v],
				  WEIR_LABELS(worker, stage, app_verdict_name(v)));
	say_count(s, &stage_metrics[S_TIMED_PKTS], st.timed_pkts, WEIR_LABELS(worker, stage));
	say_count(s, &stage_metrics[S_TIMED_CYCLES], st.timed_cycles, WEIR_LABELS(worker, stage));
}

static int collect_stages(void *ctx, struct weir_metrics_sink *sink)
{
	const struct weir_run *run = ctx;
	struct say s = {.sink = sink};
	char name[NUMBER_TEXT];

	for (uint16_t w = 0; w < weir_system_workers(run->system); w++) {
		const struct weir_graph *g = weir_engine_graph(weir_system_engine(run->system, w));

		number(name, w);
		for (unsigned at = 0; g != NULL && at < weir_graph_stages(g); at++)
			collect_stage(&s, g, at, name);
	}
	return s.rc;
}

/* ---- ports ---- */

enum {
	P_RX_PKTS,
	P_RX_BYTES,
	P_TX_PKTS,
	P_TX_BYTES,
	P_RX_MISSED,
	P_RX_ERRORS,
	P_RX_NO_MBUF,
	P_TX_ERRORS,
	P_UP,
	P_MTU,
	P_CAP,
	P_DEVICE,
	P_N
};

static const struct weir_metric port_metrics[P_N] = {
	[P_RX_PKTS] = {"weir_port_rx_packets",
		       WEIR_METRIC_COUNTER,
		       "packets",
		       "Packets received.",
		       NULL,
		       {"port"}},
	[P_RX_BYTES] = {"weir_port_rx_bytes",
			WEIR_METRIC_COUNTER,
			"bytes",
			"Bytes received.",
			NULL,
			{"port"}},
	[P_TX_PKTS] = {"weir_port_tx_packets",
		       WEIR_METRIC_COUNTER,
		       "packets",
		       "Packets sent.",
		       NULL,
		       {"port"}},
	[P_TX_BYTES] =
		{"weir_port_tx_bytes", WEIR_METRIC_COUNTER, "bytes", "Bytes sent.", NULL, {"port"}},
	[P_RX_MISSED] = {"weir_port_rx_missed_packets",
			 WEIR_METRIC_COUNTER,
			 "packets",
			 "Packets that the device had no room for.",
			 "The workers are too slow: add workers and queues, or raise "
			 "ports.NAME.rxd for short peaks.",
			 {"port"}},
	[P_RX_ERRORS] = {"weir_port_rx_errors_packets",
			 WEIR_METRIC_COUNTER,
			 "packets",
			 "Packets received with errors.",
			 "Look at the link and its cable.",
			 {"port"}},
	[P_RX_NO_MBUF] = {"weir_port_rx_no_mbuf_packets",
			  WEIR_METRIC_COUNTER,
			  "packets",
			  "Packets lost for want of a buffer.",
			  "Raise runtime.mbufs.",
			  {"port"}},
	[P_TX_ERRORS] = {"weir_port_tx_errors_packets",
			 WEIR_METRIC_COUNTER,
			 "packets",
			 "Packets that the device failed to send.",
			 "Look at the link.",
			 {"port"}},
	[P_UP] = {"weir_port_up",
		  WEIR_METRIC_GAUGE,
		  NULL,
		  "1 if the link is up, else 0.",
		  "0: look at the link; the program is not ready (/ready) while a port is down.",
		  {"port"}},
	[P_MTU] = {"weir_port_mtu_bytes",
		   WEIR_METRIC_GAUGE,
		   "bytes",
		   "Largest layer-3 packet.",
		   NULL,
		   {"port"}},
	[P_CAP] = {"weir_port_capability",
		   WEIR_METRIC_GAUGE,
		   NULL,
		   "1 if the device does it, 0 if software has to.",
		   NULL,
		   {"port", "driver", "capability"}},
	[P_DEVICE] = {"weir_port_device",
		      WEIR_METRIC_COUNTER,
		      NULL,
		      "Counters that the device keeps, under its own names.",
		      NULL,
		      {"port", "counter"}},
};

struct xstat_ctx {
	struct say *say;
	const char *port;
};

static void say_xstat(void *ctx, const char *name, uint64_t value)
{
	const struct xstat_ctx *x = ctx;

	say_count(x->say, &port_metrics[P_DEVICE], value, WEIR_LABELS(x->port, name));
}

static void collect_port(struct say *s, struct weir_port *p)
{
	struct weir_port_stats st = {0};
	struct xstat_ctx x = {s, p->name};
	const char *cap;

	if (p->ops->stats(p, &st) == 0) {
		const uint64_t counters[] = {
			[P_RX_PKTS] = st.rx_pkts,	[P_RX_BYTES] = st.rx_bytes,
			[P_TX_PKTS] = st.tx_pkts,	[P_TX_BYTES] = st.tx_bytes,
			[P_RX_MISSED] = st.rx_missed,	[P_RX_ERRORS] = st.rx_errors,
			[P_RX_NO_MBUF] = st.rx_no_mbuf, [P_TX_ERRORS] = st.tx_errors,
		};

		for (unsigned i = 0; i < COUNT(counters); i++)
			say_count(s, &port_metrics[i], counters[i], WEIR_LABELS(p->name));
	}
	say(s, &port_metrics[P_UP], p->ops->link_up(p), WEIR_LABELS(p->name));
	say(s, &port_metrics[P_MTU], p->mtu, WEIR_LABELS(p->name));
	for (unsigned bit = 0; (cap = app_cap_name(bit)) != NULL; bit++)
		say(s, &port_metrics[P_CAP], (p->caps >> bit) & 1,
		    WEIR_LABELS(p->name, p->driver, cap));
	if (p->ops->each_xstat != NULL)
		p->ops->each_xstat(p, say_xstat, &x);
}

static int collect_ports(void *ctx, struct weir_metrics_sink *sink)
{
	const struct weir_run *run = ctx;
	struct say s = {.sink = sink};

	for (uint16_t p = 0; p < weir_system_ports(run->system); p++)
		collect_port(&s, weir_system_port(run->system, p));
	return s.rc;
}

/* ---- the program ---- */

enum {
	R_BUILD,
	R_UPTIME,
	R_WORKERS,
	R_GENERATION,
	R_RELOADS,
	R_REFUSED,
	R_POOL,
	R_POOL_USED,
	R_PUNTED,
	R_PUNT_ERRORS,
	R_FROM_KERNEL,
	R_FROM_KERNEL_DROPS,
	R_N
};

static const struct weir_metric run_metrics[R_N] = {
	[R_BUILD] = {"weir_build_info",
		     WEIR_METRIC_GAUGE,
		     NULL,
		     "Always 1; the labels say which program and version this is.",
		     NULL,
		     {"program", "version"}},
	[R_UPTIME] = {"weir_uptime_seconds",
		      WEIR_METRIC_GAUGE,
		      "seconds",
		      "Time since the program was up.",
		      NULL,
		      {NULL}},
	[R_WORKERS] = {"weir_workers", WEIR_METRIC_GAUGE, NULL, "Workers.", NULL, {NULL}},
	[R_GENERATION] = {"weir_generation",
			  WEIR_METRIC_GAUGE,
			  NULL,
			  "Number of the generation in force; each change of routes or of the "
			  "configuration makes a new one.",
			  NULL,
			  {NULL}},
	[R_RELOADS] = {"weir_reloads",
		       WEIR_METRIC_COUNTER,
		       NULL,
		       "Configurations taken over while running.",
		       NULL,
		       {NULL}},
	[R_REFUSED] = {"weir_reloads_refused",
		       WEIR_METRIC_COUNTER,
		       NULL,
		       "Configurations refused; the old one stayed in force.",
		       "The log says why, with file and line.",
		       {NULL}},
	[R_POOL] = {"weir_pool_mbufs",
		    WEIR_METRIC_GAUGE,
		    "mbufs",
		    "Packet buffers in all.",
		    NULL,
		    {"pool"}},
	[R_POOL_USED] = {"weir_pool_used_mbufs",
			 WEIR_METRIC_GAUGE,
			 "mbufs",
			 "Packet buffers in use: in devices' queues, in tables, on their way.",
			 "Near weir_pool_mbufs: raise runtime.mbufs.",
			 {"pool"}},
	[R_PUNTED] = {"weir_punt_to_kernel_packets",
		      WEIR_METRIC_COUNTER,
		      "packets",
		      "Packets given to the kernel.",
		      NULL,
		      {NULL}},
	[R_PUNT_ERRORS] = {"weir_punt_errors_packets",
			   WEIR_METRIC_COUNTER,
			   "packets",
			   "Packets that the kernel's TAP would not take.",
			   "Is the TAP of ports.NAME.kernel up?",
			   {NULL}},
	[R_FROM_KERNEL] = {"weir_punt_from_kernel_packets",
			   WEIR_METRIC_COUNTER,
			   "packets",
			   "Packets that the kernel sent through weir.",
			   NULL,
			   {NULL}},
	[R_FROM_KERNEL_DROPS] = {"weir_punt_from_kernel_dropped_packets",
				 WEIR_METRIC_COUNTER,
				 "packets",
				 "Of those, lost before a worker could take them.",
				 "No buffer, or the worker is too slow: see weir_pool_used_mbufs.",
				 {NULL}},
};

static void collect_punt(struct say *s, const struct weir_punt *punt)
{
	struct weir_punt_stats st;

	if (punt == NULL)
		return;
	weir_punt_stats(punt, &st);
	say_count(s, &run_metrics[R_PUNTED], st.to_kernel_pkts, NULL, 0);
	say_count(s, &run_metrics[R_PUNT_ERRORS], st.to_kernel_errors, NULL, 0);
	say_count(s, &run_metrics[R_FROM_KERNEL], st.from_kernel_pkts, NULL, 0);
	say_count(s, &run_metrics[R_FROM_KERNEL_DROPS], st.from_kernel_drops, NULL, 0);
}

static int collect_run(void *ctx, struct weir_metrics_sink *sink)
{
	const struct weir_run *run = ctx;
	const struct weir_gen *gen = weir_gens_current(weir_system_gens(run->system));
	struct say s = {.sink = sink};

	say(&s, &run_metrics[R_BUILD], 1, WEIR_LABELS(run->app->name, weir_version()));
	say(&s, &run_metrics[R_UPTIME], (double)weir_run_now_ns(run) / (double)WEIR_NS_PER_S, NULL,
	    0);
	say(&s, &run_metrics[R_WORKERS], weir_system_workers(run->system), NULL, 0);
	say(&s, &run_metrics[R_GENERATION], gen == NULL ? 0 : (double)gen->number, NULL, 0);
	say_count(&s, &run_metrics[R_RELOADS], run->reloads, NULL, 0);
	say_count(&s, &run_metrics[R_REFUSED], run->reloads_refused, NULL, 0);
	for (uint16_t i = 0; i < weir_system_pools(run->system); i++) {
		const struct rte_mempool *pool = weir_system_pool(run->system, i);

		say(&s, &run_metrics[R_POOL], pool->size, WEIR_LABELS(pool->name));
		say(&s, &run_metrics[R_POOL_USED], rte_mempool_in_use_count(pool),
		    WEIR_LABELS(pool->name));
	}
	collect_punt(&s, weir_system_punt(run->system));
	return s.rc;
}

/* ---- routes ---- */

enum { L3_ROUTES, L3_ROUTES_MAX, L3_SOURCES, L3_INACTIVE, L3_HOPS, L3_BYTES, L3_N };

static const struct weir_metric l3_metrics[L3_N] = {
	[L3_ROUTES] = {"weir_routes",
		       WEIR_METRIC_GAUGE,
		       NULL,
		       "Prefixes in the table.",
		       NULL,
		       {"family"}},
	[L3_ROUTES_MAX] = {"weir_routes_limit",
			   WEIR_METRIC_GAUGE,
			   NULL,
			   "Prefixes that it can hold.",
			   "Raise limits.routes4 or limits.routes6 before weir_routes gets there.",
			   {"family"}},
	[L3_SOURCES] = {"weir_routes_by_source",
			WEIR_METRIC_GAUGE,
			NULL,
			"Routes by where they come from, also those that another one beats.",
			NULL,
			{"source"}},
	[L3_INACTIVE] = {"weir_routes_inactive",
			 WEIR_METRIC_GAUGE,
			 NULL,
			 "Kernel routes whose interface or gateway weir does not have.",
			 "weirctl routes shows them.",
			 {NULL}},
	[L3_HOPS] = {"weir_hops",
		     WEIR_METRIC_GAUGE,
		     NULL,
		     "Next hops and groups in use.",
		     NULL,
		     {NULL}},
	[L3_BYTES] = {"weir_routes_bytes",
		      WEIR_METRIC_GAUGE,
		      "bytes",
		      "Memory of the routing tables.",
		      NULL,
		      {NULL}},
};

static int collect_l3(void *ctx, struct weir_metrics_sink *sink)
{
	const struct weir_run *run = ctx;
	struct say s = {.sink = sink};
	struct weir_rib_stats st;

	weir_rib_stats(app_l3_rib(run->l3), &st);
	say(&s, &l3_metrics[L3_ROUTES], st.routes4, WEIR_LABELS("ip4"));
	say(&s, &l3_metrics[L3_ROUTES], st.routes6, WEIR_LABELS("ip6"));
	say(&s, &l3_metrics[L3_ROUTES_MAX], st.max_routes4, WEIR_LABELS("ip4"));
	say(&s, &l3_metrics[L3_ROUTES_MAX], st.max_routes6, WEIR_LABELS("ip6"));
	for (unsigned i = 0; i < WEIR_ROUTE_SOURCES; i++)
		say(&s, &l3_metrics[L3_SOURCES], st.by_source[i],
		    WEIR_LABELS(weir_route_source_name((enum weir_route_source)i)));
	say(&s, &l3_metrics[L3_INACTIVE], st.inactive, NULL, 0);
	say(&s, &l3_metrics[L3_HOPS], st.hops, NULL, 0);
	say(&s, &l3_metrics[L3_BYTES], (double)st.bytes, NULL, 0);
	return s.rc;
}

/* ---- how busy the workers are ---- */

static void tick(void *ctx)
{
	struct weir_run *run = ctx;

	for (uint16_t w = 0; w < weir_system_workers(run->system); w++) {
		struct app_load *l = &run->load[w];
		const uint64_t tsc = rte_rdtsc();
		struct weir_engine_stats st;

		if (tsc - l->tsc < rte_get_tsc_hz())
			continue;
		weir_engine_stats(weir_system_engine(run->system, w), &st);
		if (l->tsc != 0)
			l->busy =
				(double)(st.busy_cycles - l->busy_cycles) / (double)(tsc - l->tsc);
		if (l->busy > 1)
			l->busy = 1; /* a pass that began in the second before */
		l->busy_cycles = st.busy_cycles;
		l->tsc = tsc;
	}
}

int app_metrics_create(struct weir_run *run)
{
	int rc = weir_metrics_create(&run->metrics);

	if (rc == 0)
		rc = weir_metrics_add(run->metrics, run_metrics, R_N, collect_run, run);
	if (rc == 0)
		rc = weir_metrics_add(run->metrics, worker_metrics, W_N, collect_workers, run);
	if (rc == 0)
		rc = weir_metrics_add(run->metrics, stage_metrics, S_N, collect_stages, run);
	if (rc == 0)
		rc = weir_metrics_add(run->metrics, port_metrics, P_N, collect_ports, run);
	if (rc == 0 && run->app->l3_at != 0)
		rc = weir_metrics_add(run->metrics, l3_metrics, L3_N, collect_l3, run);
	if (rc == 0 && run->app->l3_at != 0)
		rc = app_autoconf_metrics(run);
	if (rc == 0 && run->app->firewall_at != 0)
		rc = fw_metrics(run);
	if (rc == 0 && run->app->metrics != NULL)
		rc = run->app->metrics(run);
	if (rc == 0 && run->loop != NULL) /* not to print the manual */
		rc = app_loop_add(run->loop, -1, tick, run);
	return rc;
}
