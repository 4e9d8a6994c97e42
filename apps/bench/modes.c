/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What is done with each burst: the plan's mode. io is here, with those that only take or free.
 */

#include "bench_priv.h"

const char *const bench_mode_names[BENCH_MODES + 1] = {
	[BENCH_IO] = "io",	   [BENCH_MAC] = "mac",	      [BENCH_MACSWAP] = "macswap",
	[BENCH_5TSWAP] = "5tswap", [BENCH_CSUM] = "csum",     [BENCH_ICMPECHO] = "icmpecho",
	[BENCH_RXONLY] = "rxonly", [BENCH_TXONLY] = "txonly", [BENCH_SINK] = "sink",
};

/* As they came, out of the port's pair. */
static unsigned run_io(struct bench_worker *w, struct bench_lane *l, const struct bench_plan *plan,
		       struct rte_mbuf **pkts, uint16_t n, uint64_t now_ns)
{
	bench_send(l, &l->out, plan, pkts, n);
	return 0;
}

/* rxonly, and every mode while it is stopped. */
static unsigned run_free(struct bench_worker *w, struct bench_lane *l,
			 const struct bench_plan *plan, struct rte_mbuf **pkts, uint16_t n,
			 uint64_t now_ns)
{
	rte_pktmbuf_free_bulk(pkts, n);
	return 0;
}

bench_burst_fn *bench_run_of(enum bench_mode mode, bool forwarding)
{
	static bench_burst_fn *const run[BENCH_MODES] = {
		[BENCH_IO] = run_io,
		[BENCH_MAC] = bench_run_mac,
		[BENCH_MACSWAP] = bench_run_macswap,
		[BENCH_5TSWAP] = bench_run_5tswap,
		[BENCH_CSUM] = bench_run_csum,
		[BENCH_ICMPECHO] = bench_run_icmpecho,
		[BENCH_RXONLY] = run_free,
		[BENCH_TXONLY] = bench_run_txonly,
		[BENCH_SINK] = bench_run_sink,
	};

	return forwarding ? run[mode] : run_free;
}

static void adopt(struct bench_worker *w, struct weir_engine *e, const struct bench_plan *plan,
		  uint64_t now_ns)
{
	w->plan_number = plan->number;
	weir_engine_shard(e)->burst = plan->burst; /* ours to write: this is the engine's thread */
	bench_traffic_adopt(w, plan, now_ns);
}

unsigned bench_on_burst(void *ctx, struct weir_engine *e, const struct weir_queue *from,
			struct rte_mbuf **pkts, uint16_t n, uint64_t now_ns)
{
	struct bench_worker *w = ctx;
	struct bench_lane *l = &w->lane[from->port->id];
	const struct bench_plan *plan = atomic_load_explicit(&w->bench->plan, memory_order_acquire);

	if (unlikely(w->plan_number != plan->number))
		adopt(w, e, plan, now_ns);
	weir_count(&l->bursts[n], 1);
	if (n == 0 && !plan->idle)
		return 0;
	weir_count(&l->rx, n);
	return plan->run(w, l, plan, pkts, n, now_ns);
}
