/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What the parts of weir-bench share.
 *
 * A worker has a lane for each port that it polls: the queues that packets leave by, the counters,
 * what txonly and sink remember. What to do with packets is a plan, published whole by the control
 * thread; workers read it once a burst.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <weir/app.h>
#include <weir/engine.h>
#include <weir/hist.h>

#include "pace_priv.h"
#include "template_priv.h"
#include "track_priv.h"

#define BENCH_BURST_MAX 256

enum bench_mode {
	BENCH_IO,
	BENCH_MAC,
	BENCH_MACSWAP,
	BENCH_5TSWAP,
	BENCH_CSUM,
	BENCH_ICMPECHO,
	BENCH_RXONLY,
	BENCH_TXONLY,
	BENCH_SINK,
	BENCH_MODES,
};

extern const char *const bench_mode_names[BENCH_MODES + 1];

/* bench.peers: */
struct bench_peer_conf {
	struct weir_conf_at at;
	uint64_t port;
	struct weir_mac mac;
};

/* bench: */
struct bench_section {
	struct weir_conf_at at;
	int mode; /* enum bench_mode */
	uint64_t tx_retries;
	struct weir_conf_list peers; /* struct bench_peer_conf */
	char *sizes;
	uint64_t flows, seed;
	uint64_t rate_pps; /* for each port; 0: no limit */
	struct weir_addr source, destination;
	uint64_t source_port, destination_port;
	uint64_t time_ns, packets; /* 0: no end */
	uint64_t stats_period_ns;  /* 0: none */
	char *report;
	bool interactive, auto_start;
};

struct bench_conf {
	struct weir_app_conf app;
	struct bench_section bench;
	/* Options that hold for the ports before and behind them: not in a file. */
	uint64_t rxq, txq, rxd, txd;
};

/* life.c */
extern const struct weir_app bench_app;

/* conf.c */
extern const struct weir_conf_schema bench_schema;
extern const char bench_default_conf[];

/* options.c */
extern const struct option bench_options[];
extern const char bench_options_help[];
int bench_option(void *conf, int val, const char *arg, struct weir_why *why);
/* Whether --port means a DPDK device. */
bool bench_is_device(const char *port);
int bench_check(const void *conf, const char *file, struct weir_why *why);

/* ---- the data path ---- */

/* A port that a worker polls. The worker writes; counters are read relaxed by others. */
struct bench_lane {
	struct weir_queue out;	/* where packets go: a queue of the port's pair */
	struct weir_queue back; /* the worker's queue of the port itself */
	uint64_t rx, dropped;
	uint64_t tx, answered;	   /* sent by out, by back */
	uint64_t no_mbuf, strange; /* strange: not what the mode is for, freed */
	/* txonly */
	struct bench_pace pace;
	struct weir_timer wake; /* when it may send again, for a worker that rests */
	uint64_t left;		/* packets that it may still send */
	uint32_t *seq;		/* by flow, BENCH_FLOWS_MAX */
	uint32_t flow;		/* the next one's */
	uint16_t size_at;
	uint16_t share, shares; /* its part of the port's rate */
	uint16_t nth, of;	/* its part of the packets in all */
	/* sink */
	struct bench_track *tracks; /* by flow, BENCH_FLOWS_MAX */
	uint64_t foreign;	    /* sent on another host: no latency */
	uint64_t bursts[BENCH_BURST_MAX + 1];
} __rte_cache_aligned;

struct bench_plan;

struct bench_worker {
	struct bench *bench;
	uint16_t index;
	uint32_t plan_number; /* the last plan seen */
	uint32_t epoch;	      /* of the sink's records */
	struct weir_hist *latency;
	struct rte_mempool *pool;
	struct weir_wheel *wheel; /* the engine's */
	struct weir_clock clock;
	struct bench_lane lane[WEIR_PORTS_MAX];
};

/* What to do with a burst, which may be empty. @return work done beside, as an engine's callback.
 */
typedef unsigned bench_burst_fn(struct bench_worker *w, struct bench_lane *l,
				const struct bench_plan *plan, struct rte_mbuf **pkts, uint16_t n,
				uint64_t now_ns);

/* What workers do. Immutable once published. */
struct bench_plan {
	bench_burst_fn *run;
	uint32_t number, epoch;
	uint16_t burst, retries;
	bool idle; /* run is called for empty bursts too */
	enum bench_mode mode;
	uint16_t host;
	uint32_t flows;
	uint64_t rate_pps, packets;
	uint16_t sizes[BENCH_SIZES];
	uint16_t filling_sums[BENCH_SIZES]; /* of what is behind the head of such a frame */
	/* by port that is sent to: destination and source */
	struct rte_ether_addr macs[WEIR_PORTS_MAX][2];
	bool ip6;
	union { /* by flow */
		struct bench_template4 *templates4;
		struct bench_template6 *templates6;
		void *templates;
	};
	uint8_t filling[BENCH_SIZE_MAX];
};

/* Send to a queue; what it does not take is dropped. */
static inline uint16_t bench_send(struct bench_lane *l, const struct weir_queue *q,
				  const struct bench_plan *plan, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t sent = q->port->tx(q->port, q->queue, pkts, n);

	for (uint16_t again = plan->retries; unlikely(sent < n) && again > 0; again--)
		sent = (uint16_t)(sent + q->port->tx(q->port, q->queue, pkts + sent, n - sent));
	weir_count(q == &l->back ? &l->answered : &l->tx, sent);
	if (unlikely(sent < n)) {
		weir_count(&l->dropped, n - sent);
		rte_pktmbuf_free_bulk(pkts + sent, n - sent);
	}
	return sent;
}

weir_engine_burst_fn bench_on_burst;
/* What a mode does; stopped, every mode takes packets and frees them. */
bench_burst_fn *bench_run_of(enum bench_mode mode, bool forwarding);
bench_burst_fn bench_run_mac, bench_run_macswap, bench_run_5tswap; /* rewrite.c */
bench_burst_fn bench_run_csum;					   /* csum.c */
bench_burst_fn bench_run_icmpecho;				   /* echo.c */
bench_burst_fn bench_run_txonly, bench_run_sink;		   /* traffic.c */

/* A plan is new to the worker: begin pacing, perhaps forget what the sink knew. */
void bench_traffic_adopt(struct bench_worker *w, const struct bench_plan *plan, uint64_t now_ns);

/* ---- the control path ---- */

/* What can be changed while it runs. */
struct bench_settings {
	enum bench_mode mode;
	uint16_t burst, retries;
	struct bench_sizes sizes;
	uint32_t flows;
	uint64_t seed, rate_pps, packets;
	struct bench_flow_conf flow;
	struct rte_ether_addr peer[WEIR_PORTS_MAX];
};

/* Counters of a port, summed over workers. */
struct bench_port_figures {
	uint64_t rx, tx, dropped, no_mbuf, strange;
	struct weir_port_stats port;
};

/* All counters at a moment, or the difference of two moments. */
struct bench_figures {
	uint64_t tsc;
	uint64_t cpu_ns; /* of the process: user and system */
	uint64_t busy_cycles, idle_cycles, busy_passes;
	struct bench_port_figures port[WEIR_PORTS_MAX];
	struct bench_port_figures all;
	uint64_t bursts[BENCH_BURST_MAX + 1];
};

/* What a port reached in the last whole second. */
struct bench_pps {
	uint64_t rx_pkts, tx_pkts; /* when it was looked at last */
	double rx, tx;
};

struct bench {
	struct weir_run *run;
	_Atomic(struct bench_plan *) plan; /* control thread writes; workers only read it */
	struct bench_worker *worker[WEIR_WORKERS_MAX];
	void *ctx[WEIR_WORKERS_MAX];
	uint16_t workers;
	bool rests;	 /* workers sleep when they have nothing to do */
	uint16_t run_id; /* this start of the program, for the sinks */
	struct bench_settings set;
	const void *conf; /* the one that set was made of, to see a reload */
	bool forwarding;
	uint32_t number, epoch;
	uint64_t time_ns, packets, stats_period_ns;
	uint64_t started_ns, shown_ns;
	char *report;
	struct bench_figures base; /* when counting began */
	struct bench_figures last; /* the difference when forwarding stopped last */
	bool has_last;
	bool prompt; /* the prompt is on standard input */
	struct bench_pps pps[WEIR_PORTS_MAX];
	uint64_t pps_tsc; /* when it was looked at; 0: never */
};

/* workers.c: freed by bench_workers_free(), also what was half made */
int bench_workers_create(struct bench *b, struct weir_why *why);
/* A lane for each port that a worker of the system polls. */
int bench_lanes_create(struct bench *b, struct weir_why *why);
void bench_workers_free(struct bench *b);

/* plan.c: all leave everything as it was if they fail */
int bench_settings_make(const struct bench_conf *conf, struct bench_settings *out,
			struct weir_why *why);
/* Publish other settings. Another mode while it forwards counts anew. */
int bench_change(struct bench *b, const struct bench_settings *s, struct weir_why *why);
int bench_start(struct bench *b, struct weir_why *why);
int bench_stop(struct bench *b, struct weir_why *why);
/* Count from now on. */
int bench_clear(struct bench *b, struct weir_why *why);
/* Free the plan. No worker runs any more. */
void bench_plan_drop(struct bench *b);

/* figures.c */
void bench_figures_take(struct bench *b, struct bench_figures *out);
/* Since counting began, up to now or up to the last stop. */
void bench_figures_since(struct bench *b, struct bench_figures *out);
/* Packets that a mode's cycles are shared among. */
uint64_t bench_figures_pkts(const struct bench *b, const struct bench_figures *f);

/* What the sink of a port knows, over all flows. */
struct bench_sunk {
	uint64_t flows, unique, lost, duplicates, reordered, foreign;
};
void bench_sunk_add(const struct bench_track *t, struct bench_sunk *out);
void bench_sunk_take(const struct bench *b, uint16_t port, struct bench_sunk *out);
/* All workers' latencies; the caller frees it. NULL: out of memory. */
struct weir_hist *bench_latency(const struct bench *b);

/* metrics.c */
int bench_metrics_add(struct weir_run *run);
/* About every 100 ms: what was reached in the last second. */
void bench_metrics_tick(struct bench *b);

/* report.c */
void bench_report_print(struct bench *b, FILE *to);
void bench_ports_print(struct bench *b, FILE *to);
void bench_config_print(const struct bench *b, FILE *to);
/* report_json.c */
int bench_report_json(struct bench *b, json_t **out);
int bench_report_write(struct bench *b, const char *path, struct weir_why *why);

/* prompt.c */
int bench_prompt_begin(struct bench *b, struct weir_why *why);
int bench_register(struct bench *b, struct weir_why *why);
