/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * txonly makes packets that sink knows again: numbered in each flow, with the time they were sent.
 *
 * Both read the TSC once a burst, for the pass's time is that of before the packets came.
 */

#include "bench_priv.h"

#include <string.h>

/* A stamp has the low 48 bits of the TSC. */
#define TSC_MASK ((UINT64_C(1) << 48) - 1)
/* What seems to have taken longer than this was sent by a clock that is not ours. */
#define LATENCY_MAX_NS (UINT64_C(600) * WEIR_NS_PER_S)

/* The part of @p whole that share @p nth of @p of is; all shares add up. */
static uint64_t part(uint64_t whole, uint16_t nth, uint16_t of)
{
	return (uint64_t)((__uint128_t)whole * (nth + 1u) / of - (__uint128_t)whole * nth / of);
}

void bench_traffic_adopt(struct bench_worker *w, const struct bench_plan *plan, uint64_t now_ns)
{
	const bool forget = w->epoch != plan->epoch;

	if (forget)
		weir_hist_clear(w->latency);
	w->epoch = plan->epoch;
	for (unsigned p = 0; p < WEIR_PORTS_MAX; p++) {
		struct bench_lane *l = &w->lane[p];

		if (l->of == 0)
			continue;
		bench_pace_init(&l->pace, part(plan->rate_pps, l->share, l->shares), plan->burst,
				now_ns);
		if (l->flow >= plan->flows)
			l->flow = w->index;
		if (!forget)
			continue;
		l->left = plan->packets == 0 ? UINT64_MAX : part(plan->packets, l->nth, l->of);
		weir_count(&l->foreign, -l->foreign);
		if (plan->mode == BENCH_SINK)
			memset(l->tracks, 0, BENCH_FLOWS_MAX * sizeof(l->tracks[0]));
	}
}

/* The flow after this one: those of a worker are as many apart as there are workers. */
static inline uint32_t next_flow(const struct bench_worker *w, const struct bench_plan *plan,
				 uint32_t flow)
{
	flow += w->bench->workers;
	return flow < plan->flows ? flow : w->index;
}

static inline void make_packet(struct bench_lane *l, const struct bench_plan *plan,
			       struct rte_mbuf *m, uint32_t flow, uint64_t tsc)
{
	const struct rte_ether_addr *macs = plan->macs[l->out.port->id];
	const uint16_t head = plan->ip6 ? BENCH_HEAD6 : BENCH_HEAD4;
	const uint16_t size = plan->sizes[l->size_at];
	const uint32_t sum = plan->filling_sums[l->size_at];
	uint8_t *at = rte_pktmbuf_mtod(m, uint8_t *);

	l->size_at = l->size_at + 1 == BENCH_SIZES ? 0 : (uint16_t)(l->size_at + 1);
	if (plan->ip6)
		bench_template6_fill(&plan->templates6[flow], at, size, macs, l->seq[flow]++, tsc,
				     sum);
	else
		bench_template4_fill(&plan->templates4[flow], at, size, macs, l->seq[flow]++, tsc,
				     sum);
	if (size > head)
		memcpy(at + head, plan->filling, size - head);
	m->data_len = size;
	m->pkt_len = size;
}

/* What was not sent takes no number: its flow's next packet gets it. */
static void take_back(struct bench_worker *w, struct bench_lane *l, const struct bench_plan *plan,
		      uint16_t sent, uint16_t n)
{
	uint32_t flow;

	for (uint16_t i = 0; i < sent; i++)
		l->flow = next_flow(w, plan, l->flow);
	flow = l->flow;
	for (uint16_t i = sent; i < n; i++) {
		l->seq[flow]--;
		flow = next_flow(w, plan, flow);
	}
}

static void woken(struct weir_timer *t, uint64_t now_ns)
{
	/* That the worker is awake is all. */
}

/* Nothing may go yet: do not sleep beyond the time when it may. */
static void wake_in_time(struct bench_worker *w, struct bench_lane *l, uint64_t now_ns)
{
	if (!w->bench->rests || l->left == 0 || weir_timer_is_armed(&l->wake))
		return;
	l->wake.fire = woken;
	weir_wheel_arm(w->wheel, &l->wake, now_ns + l->pace.wait_ns);
}

unsigned bench_run_txonly(struct bench_worker *w, struct bench_lane *l,
			  const struct bench_plan *plan, struct rte_mbuf **pkts, uint16_t n,
			  uint64_t now_ns)
{
	struct rte_mbuf *fresh[BENCH_BURST_MAX];
	const uint16_t burst = (uint16_t)RTE_MIN(plan->burst, l->left);
	uint32_t flow = l->flow;
	uint16_t want, sent;
	uint64_t tsc;

	rte_pktmbuf_free_bulk(pkts, n);
	if (flow >= plan->flows)
		return 0; /* fewer flows than workers */
	want = bench_pace_take(&l->pace, burst, now_ns);
	if (want == 0) {
		wake_in_time(w, l, now_ns);
		return 0;
	}
	if (rte_pktmbuf_alloc_bulk(w->pool, fresh, want) < 0) {
		weir_count(&l->no_mbuf, want);
		return 0;
	}
	tsc = rte_rdtsc();
	for (uint16_t i = 0; i < want; i++) {
		make_packet(l, plan, fresh[i], flow, tsc);
		flow = next_flow(w, plan, flow);
	}
	sent = bench_send(l, &l->out, plan, fresh, want);
	if (likely(sent == want))
		l->flow = flow;
	else
		take_back(w, l, plan, sent, want);
	if (l->left != UINT64_MAX)
		l->left -= sent;
	return want;
}

static inline void sink_one(struct bench_worker *w, struct bench_lane *l, uint16_t host,
			    const struct bench_stamp *s, uint64_t tsc)
{
	const uint64_t cycles = (tsc - bench_stamp_tsc(s)) & TSC_MASK;
	const uint64_t ns = weir_clock_cycles_to_ns(&w->clock, cycles);

	bench_track_add(&l->tracks[rte_be_to_cpu_16(s->flow)], rte_be_to_cpu_16(s->run),
			rte_be_to_cpu_32(s->seq));
	if (s->host == rte_cpu_to_be_16(host) && ns <= LATENCY_MAX_NS)
		weir_hist_add(w->latency, ns);
	else
		weir_count(&l->foreign, 1);
}

unsigned bench_run_sink(struct bench_worker *w, struct bench_lane *l, const struct bench_plan *plan,
			struct rte_mbuf **pkts, uint16_t n, uint64_t now_ns)
{
	const uint64_t tsc = rte_rdtsc();

	for (uint16_t i = 0; i < n; i++) {
		const struct bench_stamp *s = bench_stamp_find(rte_pktmbuf_mtod(pkts[i], void *),
							       rte_pktmbuf_data_len(pkts[i]));

		if (i + 1 < n)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + 1], void *));
		if (likely(s != NULL))
			sink_one(w, l, plan->host, s, tsc);
		else
			weir_count(&l->strange, 1);
	}
	rte_pktmbuf_free_bulk(pkts, n);
	return 0;
}
