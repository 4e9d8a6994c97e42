/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What /metrics says beside the metrics of every program. Counters run from the start of the
 * program, whatever the prompt clears; what a sink knows begins anew with each start, clear and
 * change of the mode.
 */

#include "bench_priv.h"

#include <errno.h>
#include <rte_cycles.h>

/* ---- ports ---- */

enum { P_RX, P_TX, P_DROPPED, P_NO_MBUF, P_STRANGE, P_RX_PPS, P_TX_PPS, P_N };

static const struct weir_metric port_metrics[P_N] = {
	[P_RX] = {"weir_bench_rx_packets",
		  WEIR_METRIC_COUNTER,
		  "packets",
		  "Packets that workers took from the port.",
		  NULL,
		  {"port"}},
	[P_TX] = {"weir_bench_tx_packets",
		  WEIR_METRIC_COUNTER,
		  "packets",
		  "Packets that workers sent by the port, forwarded or made.",
		  NULL,
		  {"port"}},
	[P_DROPPED] = {"weir_bench_dropped_packets",
		       WEIR_METRIC_COUNTER,
		       "packets",
		       "Packets received by the port that its partner's full queue did not take.",
		       "Send less, or offer them again: bench.tx_retries.",
		       {"port"}},
	[P_NO_MBUF] = {"weir_bench_no_mbuf_packets",
		       WEIR_METRIC_COUNTER,
		       "packets",
		       "Packets that were not made for want of a buffer.",
		       "Raise runtime.mbufs.",
		       {"port"}},
	[P_STRANGE] = {"weir_bench_strange_packets",
		       WEIR_METRIC_COUNTER,
		       "packets",
		       "Packets that were not for the mode, and freed.",
		       NULL,
		       {"port"}},
	[P_RX_PPS] = {"weir_bench_rx_rate_pps",
		      WEIR_METRIC_GAUGE,
		      "pps",
		      "Packets a second received, over the last second.",
		      NULL,
		      {"port"}},
	[P_TX_PPS] = {"weir_bench_tx_rate_pps",
		      WEIR_METRIC_GAUGE,
		      "pps",
		      "Packets a second sent, over the last second.",
		      "In txonly below weir_bench_wanted_rate_pps: the port or the worker is too "
		      "slow.",
		      {"port"}},
};

static int collect_ports(void *ctx, struct weir_metrics_sink *sink)
{
	static struct bench_figures f; /* large; the control thread's */
	struct bench *b = ctx;
	int rc = 0;

	bench_figures_take(b, &f);
	for (uint16_t p = 0; p < weir_system_ports(weir_run_system(b->run)); p++) {
		const char *name = weir_system_port(weir_run_system(b->run), p)->name;
		const struct bench_port_figures *x = &f.port[p];
		const uint64_t counters[] = {
			[P_RX] = x->rx,		  [P_TX] = x->tx,
			[P_DROPPED] = x->dropped, [P_NO_MBUF] = x->no_mbuf,
			[P_STRANGE] = x->strange,
		};

		for (unsigned i = 0; rc == 0 && i < RTE_DIM(counters); i++)
			rc = weir_metrics_count(sink, &port_metrics[i], counters[i], name);
		if (rc == 0)
			rc = weir_metrics_gauge(sink, &port_metrics[P_RX_PPS], b->pps[p].rx, name);
		if (rc == 0)
			rc = weir_metrics_gauge(sink, &port_metrics[P_TX_PPS], b->pps[p].tx, name);
	}
	return rc;
}

void bench_metrics_tick(struct bench *b)
{
	static struct bench_figures f; /* large; the control thread's */
	const uint64_t cycles = rte_rdtsc() - b->pps_tsc;

	if (cycles < rte_get_tsc_hz())
		return;
	bench_figures_take(b, &f);
	for (uint16_t p = 0; p < weir_system_ports(weir_run_system(b->run)); p++) {
		struct bench_pps *x = &b->pps[p];
		const double s = (double)(f.tsc - b->pps_tsc) / (double)rte_get_tsc_hz();

		if (b->pps_tsc != 0) {
			x->rx = (double)(f.port[p].rx - x->rx_pkts) / s;
			x->tx = (double)(f.port[p].tx - x->tx_pkts) / s;
		}
		x->rx_pkts = f.port[p].rx;
		x->tx_pkts = f.port[p].tx;
	}
	b->pps_tsc = f.tsc;
}

/* ---- the sink ---- */

enum { S_FLOWS, S_UNIQUE, S_LOST, S_DUPLICATES, S_REORDERED, S_FOREIGN, S_LATENCY, S_N };

static const struct weir_metric sink_metrics[S_N] = {
	[S_FLOWS] = {"weir_bench_sink_flows",
		     WEIR_METRIC_GAUGE,
		     NULL,
		     "Flows of which a packet has come.",
		     NULL,
		     {"port"}},
	[S_UNIQUE] = {"weir_bench_sink_packets",
		      WEIR_METRIC_COUNTER,
		      "packets",
		      "Packets of txonly that have come, each counted once.",
		      NULL,
		      {"port"}},
	[S_LOST] = {"weir_bench_sink_lost_packets",
		    WEIR_METRIC_GAUGE,
		    "packets",
		    "Packets between the first and the newest that have not come yet; a late one "
		    "lowers it.",
		    "Look for drops at each hop between txonly and here.",
		    {"port"}},
	[S_DUPLICATES] = {"weir_bench_sink_duplicates_packets",
			  WEIR_METRIC_COUNTER,
			  "packets",
			  "Packets that came once more.",
			  NULL,
			  {"port"}},
	[S_REORDERED] = {"weir_bench_sink_reordered_packets",
			 WEIR_METRIC_COUNTER,
			 "packets",
			 "Packets that came after a later one of their flow (RFC 4737).",
			 "Is a flow spread over several queues or paths?",
			 {"port"}},
	[S_FOREIGN] = {"weir_bench_sink_foreign_packets",
		       WEIR_METRIC_COUNTER,
		       "packets",
		       "Packets sent on another host, whose clock is not ours: no latency.",
		       NULL,
		       {"port"}},
	[S_LATENCY] = {"weir_bench_latency_seconds",
		       WEIR_METRIC_HISTOGRAM,
		       "seconds",
		       "One-way latency of txonly's packets, all ports.",
		       NULL,
		       {NULL}},
};

static int collect_latency(const struct bench *b, struct weir_metrics_sink *sink)
{
	struct weir_hist *h = bench_latency(b);
	int rc;

	if (h == NULL)
		return -ENOMEM;
	rc = weir_metrics_put_hist(sink, &sink_metrics[S_LATENCY], h, NULL, 0);
	weir_hist_free(h);
	return rc;
}

static int collect_sink(void *ctx, struct weir_metrics_sink *sink)
{
	const struct bench *b = ctx;
	int rc = 0;

	if (b->set.mode != BENCH_SINK)
		return 0;
	for (uint16_t p = 0; p < weir_system_ports(weir_run_system(b->run)); p++) {
		const char *name = weir_system_port(weir_run_system(b->run), p)->name;
		struct bench_sunk x;

		bench_sunk_take(b, p, &x);
		rc = weir_metrics_gauge(sink, &sink_metrics[S_FLOWS], (double)x.flows, name);
		if (rc == 0)
			rc = weir_metrics_gauge(sink, &sink_metrics[S_LOST], (double)x.lost, name);
		if (rc == 0)
			rc = weir_metrics_count(sink, &sink_metrics[S_UNIQUE], x.unique, name);
		if (rc == 0)
			rc = weir_metrics_count(sink, &sink_metrics[S_DUPLICATES], x.duplicates,
						name);
		if (rc == 0)
			rc = weir_metrics_count(sink, &sink_metrics[S_REORDERED], x.reordered,
						name);
		if (rc == 0)
			rc = weir_metrics_count(sink, &sink_metrics[S_FOREIGN], x.foreign, name);
		if (rc < 0)
			return rc;
	}
	return collect_latency(b, sink);
}

/* ---- what it is told to do ---- */

enum { B_MODE, B_FORWARDING, B_WANTED_PPS, B_N };

static const struct weir_metric bench_metrics[B_N] = {
	[B_MODE] = {"weir_bench_mode",
		    WEIR_METRIC_GAUGE,
		    NULL,
		    "1 for the mode in force.",
		    NULL,
		    {"mode"}},
	[B_FORWARDING] = {"weir_bench_forwarding",
			  WEIR_METRIC_GAUGE,
			  NULL,
			  "1 if started, 0 if stopped.",
			  NULL,
			  {NULL}},
	[B_WANTED_PPS] = {"weir_bench_wanted_rate_pps",
			  WEIR_METRIC_GAUGE,
			  "pps",
			  "txonly: packets a second that each port is to send; 0: as fast as it "
			  "goes.",
			  NULL,
			  {NULL}},
};

static int collect_bench(void *ctx, struct weir_metrics_sink *sink)
{
	const struct bench *b = ctx;
	int rc = weir_metrics_gauge(sink, &bench_metrics[B_MODE], 1, bench_mode_names[b->set.mode]);

	if (rc == 0)
		rc = weir_metrics_put_gauge(sink, &bench_metrics[B_FORWARDING], b->forwarding, NULL,
					    0);
	if (rc == 0 && b->set.mode == BENCH_TXONLY)
		rc = weir_metrics_put_gauge(sink, &bench_metrics[B_WANTED_PPS],
					    (double)b->set.rate_pps, NULL, 0);
	return rc;
}

int bench_metrics_add(struct weir_run *run)
{
	struct weir_metrics *m = weir_run_metrics(run);
	struct bench *b = weir_run_state(run);
	int rc = weir_metrics_add(m, bench_metrics, B_N, collect_bench, b);

	if (rc == 0)
		rc = weir_metrics_add(m, port_metrics, P_N, collect_ports, b);
	if (rc == 0)
		rc = weir_metrics_add(m, sink_metrics, S_N, collect_sink, b);
	return rc;
}
