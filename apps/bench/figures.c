/* SPDX-License-Identifier: BSD-3-Clause */

/* Counters of workers, ports and the process, gathered; and what sinks know. */

#include "bench_priv.h"

#include <string.h>
#include <sys/resource.h>

static uint64_t process_cpu_ns(void)
{
	struct rusage u;

	if (getrusage(RUSAGE_SELF, &u) < 0)
		return 0;
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * WEIR_NS_PER_S +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

static void add_lane(struct bench_figures *f, uint16_t port, const struct bench_lane *l)
{
	struct bench_port_figures *p = &f->port[port];

	p->rx += weir_counted(&l->rx);
	f->port[l->out.port->id].tx += weir_counted(&l->tx);
	f->port[l->back.port->id].tx += weir_counted(&l->answered);
	p->dropped += weir_counted(&l->dropped);
	p->no_mbuf += weir_counted(&l->no_mbuf);
	p->strange += weir_counted(&l->strange);
	for (unsigned i = 0; i <= BENCH_BURST_MAX; i++)
		f->bursts[i] += weir_counted(&l->bursts[i]);
}

static void add_all(struct bench_figures *f, unsigned ports)
{
	f->all = (struct bench_port_figures){0};
	for (unsigned i = 0; i < ports; i++) {
		f->all.rx += f->port[i].rx;
		f->all.tx += f->port[i].tx;
		f->all.dropped += f->port[i].dropped;
		f->all.no_mbuf += f->port[i].no_mbuf;
		f->all.strange += f->port[i].strange;
	}
}

void bench_figures_take(struct bench *b, struct bench_figures *out)
{
	struct weir_system *s = weir_run_system(b->run);
	const uint16_t ports = weir_system_ports(s);

	memset(out, 0, sizeof(*out));
	out->tsc = rte_rdtsc();
	out->cpu_ns = process_cpu_ns();
	for (uint16_t w = 0; w < b->workers; w++) {
		struct weir_engine_stats st;

		weir_engine_stats(weir_system_engine(s, w), &st);
		out->busy_cycles += st.busy_cycles;
		out->idle_cycles += st.idle_cycles;
		out->busy_passes += st.busy_passes;
		for (uint16_t p = 0; p < ports; p++) {
			const struct bench_lane *l = &b->worker[w]->lane[p];

			if (l->of != 0)
				add_lane(out, p, l);
		}
	}
	for (uint16_t p = 0; p < ports; p++) {
		struct weir_port *port = weir_system_port(s, p);

		port->ops->stats(port, &out->port[p].port);
	}
	add_all(out, ports);
}

/* Every field is a counter of 64 bits, so the difference of two is that of their words. */
static void subtract(struct bench_figures *f, const struct bench_figures *base)
{
	uint64_t *to = (uint64_t *)f;
	const uint64_t *from = (const uint64_t *)base;

	static_assert(sizeof(*f) % sizeof(uint64_t) == 0, "nothing but 64-bit counters");
	for (size_t i = 0; i < sizeof(*f) / sizeof(uint64_t); i++)
		to[i] -= from[i];
}

void bench_figures_since(struct bench *b, struct bench_figures *out)
{
	if (b->has_last) {
		*out = b->last;
		return;
	}
	bench_figures_take(b, out);
	subtract(out, &b->base);
}

uint64_t bench_figures_pkts(const struct bench *b, const struct bench_figures *f)
{
	return b->set.mode == BENCH_TXONLY ? f->all.tx : f->all.rx;
}

void bench_sunk_add(const struct bench_track *t, struct bench_sunk *out)
{
	if (!t->live)
		return;
	out->flows++;
	out->unique += weir_counted(&t->unique);
	out->lost += bench_track_lost(t);
	out->duplicates += weir_counted(&t->duplicates);
	out->reordered += weir_counted(&t->reordered);
}

void bench_sunk_take(const struct bench *b, uint16_t port, struct bench_sunk *out)
{
	memset(out, 0, sizeof(*out));
	for (uint16_t w = 0; w < b->workers; w++) {
		const struct bench_lane *l = &b->worker[w]->lane[port];

		if (l->of == 0)
			continue;
		out->foreign += weir_counted(&l->foreign);
		for (unsigned i = 0; i < BENCH_FLOWS_MAX; i++)
			bench_sunk_add(&l->tracks[i], out);
	}
}

struct weir_hist *bench_latency(const struct bench *b)
{
	struct weir_hist *h = weir_hist_create();

	for (uint16_t w = 0; h != NULL && w < b->workers; w++)
		weir_hist_merge(h, b->worker[w]->latency);
	return h;
}
