/* SPDX-License-Identifier: BSD-3-Clause */

/* The tables for people. Columns and words are testpmd's where it has them. */

#include "bench_priv.h"

#include <inttypes.h>
#include <rte_cycles.h>
#include <stdlib.h>
#include <string.h>
#include <weir/units.h>

static double seconds(const struct bench_figures *f)
{
	return (double)f->tsc / (double)rte_get_tsc_hz();
}

static double ratio(double a, double b)
{
	return b == 0 ? 0 : a / b;
}

static void print_forward(struct bench *b, const struct bench_figures *f, FILE *to)
{
	const struct weir_system *s = weir_run_system(b->run);

	fprintf(to, "\n%-20s %15s %15s %15s %15s\n", "forward statistics", "RX-packets",
		"TX-packets", "TX-dropped", "RX-missed");
	for (uint16_t p = 0; p <= weir_system_ports(s); p++) {
		const bool total = p == weir_system_ports(s);
		const struct bench_port_figures *x = total ? &f->all : &f->port[p];
		uint64_t missed = x->port.rx_missed + x->port.rx_no_mbuf;

		for (uint16_t i = 0; total && i < p; i++)
			missed += f->port[i].port.rx_missed + f->port[i].port.rx_no_mbuf;
		fprintf(to, "%-20s %15" PRIu64 " %15" PRIu64 " %15" PRIu64 " %15" PRIu64 "\n",
			total ? "all ports" : weir_system_port(s, p)->name, x->rx, x->tx,
			x->dropped, missed);
	}
	if (f->all.no_mbuf > 0)
		fprintf(to, "%" PRIu64 " packets were not made: no buffers (raise runtime.mbufs)\n",
			f->all.no_mbuf);
	if (f->all.strange > 0)
		fprintf(to, "%" PRIu64 " packets were not for mode %s, and freed\n", f->all.strange,
			bench_mode_names[b->set.mode]);
}

static void print_cost(const struct bench *b, const struct bench_figures *f, FILE *to)
{
	const double pkts = (double)bench_figures_pkts(b, f);
	const double hz = (double)rte_get_tsc_hz();

	fprintf(to,
		"%.3f s, %.4f Mpps received, %.4f Mpps sent\n"
		"%.2f cycles a packet (%" PRIu64 " busy cycles at %.0f MHz), "
		"%.1f ns of CPU a packet, %.1f %% busy, %.1f packets a busy pass\n",
		seconds(f), ratio((double)f->all.rx, seconds(f)) / 1e6,
		ratio((double)f->all.tx, seconds(f)) / 1e6, ratio((double)f->busy_cycles, pkts),
		f->busy_cycles, hz / 1e6, ratio((double)f->cpu_ns, pkts),
		100 * ratio((double)f->busy_cycles, (double)(f->busy_cycles + f->idle_cycles)),
		ratio(pkts, (double)f->busy_passes));
}

/* The sizes of bursts in powers of two, as shares of all that had packets. */
static void print_bursts(const struct bench_figures *f, FILE *to)
{
	uint64_t all = 0;

	for (unsigned i = 1; i <= BENCH_BURST_MAX; i++)
		all += f->bursts[i];
	if (all == 0)
		return;
	fprintf(to, "bursts (%" PRIu64 " empty):", f->bursts[0]);
	for (unsigned from = 1; from <= BENCH_BURST_MAX; from *= 2) {
		const unsigned end = from * 2 > BENCH_BURST_MAX ? BENCH_BURST_MAX + 1 : from * 2;
		uint64_t n = 0;

		for (unsigned i = from; i < end; i++)
			n += f->bursts[i];
		if (n > 0 && end - from == 1)
			fprintf(to, "  %u: %.1f %%", from, 100.0 * (double)n / (double)all);
		else if (n > 0)
			fprintf(to, "  %u-%u: %.1f %%", from, end - 1,
				100.0 * (double)n / (double)all);
	}
	fputc('\n', to);
}

static void print_latency(const struct bench *b, FILE *to)
{
	static const unsigned permille[] = {500, 750, 900, 950, 990, 999};
	struct weir_hist *h = bench_latency(b);

	if (h != NULL && weir_hist_count(h) > 0) {
		fputs("one-way latency in us:", to);
		for (unsigned i = 0; i < RTE_DIM(permille); i++)
			fprintf(to, "  p%g %.1f", permille[i] / 10.0,
				(double)weir_hist_at(h, permille[i]) / 1000);
		fprintf(to, "  max %.1f\n", (double)weir_hist_max_ns(h) / 1000);
	}
	weir_hist_free(h);
}

static void print_sunk(const struct bench *b, FILE *to)
{
	const struct weir_system *s = weir_run_system(b->run);
	uint64_t foreign = 0;

	fprintf(to, "\n%-20s %8s %14s %14s %14s %14s\n", "sink", "flows", "received", "lost",
		"duplicates", "reordered");
	for (uint16_t p = 0; p < weir_system_ports(s); p++) {
		struct bench_sunk x;

		bench_sunk_take(b, p, &x);
		foreign += x.foreign;
		fprintf(to,
			"%-20s %8" PRIu64 " %14" PRIu64 " %14" PRIu64 " %14" PRIu64 " %14" PRIu64
			"\n",
			weir_system_port(s, p)->name, x.flows, x.unique + x.duplicates, x.lost,
			x.duplicates, x.reordered);
	}
	if (foreign > 0)
		fprintf(to,
			"no latency for %" PRIu64
			" packets: they were sent on another host, whose TSC "
			"is not ours\n",
			foreign);
	print_latency(b, to);
}

void bench_report_print(struct bench *b, FILE *to)
{
	static struct bench_figures f; /* large; the control thread's */

	bench_figures_since(b, &f);
	print_forward(b, &f, to);
	print_cost(b, &f, to);
	print_bursts(&f, to);
	if (b->set.mode == BENCH_SINK)
		print_sunk(b, to);
	fflush(to);
}

void bench_ports_print(struct bench *b, FILE *to)
{
	struct weir_system *s = weir_run_system(b->run);

	for (uint16_t p = 0; p < weir_system_ports(s); p++) {
		struct weir_port *port = weir_system_port(s, p);
		struct weir_port_stats st = {0};

		port->ops->stats(port, &st);
		fprintf(to,
			"port %u %s (%s, %s)\n"
			"  RX-packets %-14" PRIu64 " RX-missed %-10" PRIu64 " RX-bytes %" PRIu64
			"\n  RX-errors  %-14" PRIu64 " RX-nombuf %-10" PRIu64
			"\n  TX-packets %-14" PRIu64 " TX-errors %-10" PRIu64 " TX-bytes %" PRIu64
			"\n",
			p, port->name, port->driver, port->ops->link_up(port) ? "up" : "down",
			st.rx_pkts, st.rx_missed, st.rx_bytes, st.rx_errors, st.rx_no_mbuf,
			st.tx_pkts, st.tx_errors, st.tx_bytes);
	}
}

static void print_traffic(const struct bench_settings *c, FILE *to)
{
	char rate[WEIR_UNITS_TEXT];

	if (c->sizes.imix)
		fputs("sizes imix", to);
	else if (c->sizes.min == c->sizes.max)
		fprintf(to, "sizes %u", c->sizes.min);
	else
		fprintf(to, "sizes %u-%u", c->sizes.min, c->sizes.max);
	fprintf(to, ", %u flows, seed %" PRIu64 ", rate %s a port\n", c->flows, c->seed,
		c->rate_pps == 0 ? "unlimited" : weir_format_rate(c->rate_pps, rate));
}

void bench_config_print(const struct bench *b, FILE *to)
{
	const struct weir_system *s = weir_run_system(b->run);

	fprintf(to, "mode %s, %s, burst %u, %u retries, %u workers\n",
		bench_mode_names[b->set.mode], b->forwarding ? "forwarding" : "stopped",
		b->set.burst, b->set.retries, b->workers);
	print_traffic(&b->set, to);
	for (uint16_t w = 0; w < b->workers; w++)
		for (uint16_t p = 0; p < weir_system_ports(s); p++) {
			const struct bench_lane *l = &b->worker[w]->lane[p];
			char mac[WEIR_MAC_TEXT];
			struct weir_mac peer;

			if (l->of == 0)
				continue;
			memcpy(&peer, &b->set.peer[l->out.port->id], sizeof(peer));
			fprintf(to, "worker %u: from port %s to port %s, peer %s\n", w,
				weir_system_port(s, p)->name, l->out.port->name,
				weir_mac_format(&peer, mac));
		}
}
