/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The report for programs: raw counters, what they were counted with, and nothing that can be
 * computed from them.
 */

#include "bench_priv.h"

#include <errno.h>
#include <jansson.h>
#include <rte_cycles.h>
#include <rte_version.h>
#include <string.h>
#include <unistd.h>
#include <weir/version.h>

/* jansson has signed numbers only; no counter gets that far. */
static json_t *count(uint64_t n)
{
	return json_integer((json_int_t)(n > INT64_MAX ? INT64_MAX : n));
}

static json_t *config(const struct bench *b)
{
	const struct bench_settings *c = &b->set;

	return json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:b, s:i, s:o, s:o, s:o}", "mode",
			 bench_mode_names[c->mode], "burst", c->burst, "tx_retries", c->retries,
			 "workers", b->workers, "size_min", c->sizes.min, "size_max", c->sizes.max,
			 "imix", c->sizes.imix, "flows", (int)c->flows, "seed", count(c->seed),
			 "rate_pps", count(c->rate_pps), "packets", count(c->packets));
}

static json_t *one_flow(unsigned flow, const struct bench_sunk *x)
{
	return json_pack("{s:i, s:o, s:o, s:o, s:o}", "flow", (int)flow, "unique", count(x->unique),
			 "lost", count(x->lost), "duplicates", count(x->duplicates), "reordered",
			 count(x->reordered));
}

/* A flow may have come by several workers. */
static json_t *flows(const struct bench *b, uint16_t port)
{
	json_t *list = json_array();

	for (unsigned f = 0; f < BENCH_FLOWS_MAX; f++) {
		struct bench_sunk x = {0};

		for (uint16_t w = 0; w < b->workers; w++)
			if (b->worker[w]->lane[port].of != 0)
				bench_sunk_add(&b->worker[w]->lane[port].tracks[f], &x);
		if (x.flows > 0)
			json_array_append_new(list, one_flow(f, &x));
	}
	return list;
}

static json_t *sunk(const struct bench *b, uint16_t port)
{
	struct bench_sunk x;

	bench_sunk_take(b, port, &x);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "unique", count(x.unique), "lost",
			 count(x.lost), "duplicates", count(x.duplicates), "reordered",
			 count(x.reordered), "foreign", count(x.foreign), "flows", flows(b, port));
}

static json_t *one_port(const struct bench *b, const struct bench_figures *f, uint16_t p)
{
	const struct weir_port *port = weir_system_port(weir_run_system(b->run), p);
	const struct bench_port_figures *x = &f->port[p];
	const struct weir_port_stats *d = &x->port;
	json_t *j = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "name", port->name, "driver",
			      port->driver, "rx", count(x->rx), "tx", count(x->tx), "dropped",
			      count(x->dropped), "no_mbuf", count(x->no_mbuf), "strange",
			      count(x->strange));
	json_t *device = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "rx_pkts",
				   count(d->rx_pkts), "rx_bytes", count(d->rx_bytes), "tx_pkts",
				   count(d->tx_pkts), "tx_bytes", count(d->tx_bytes), "rx_missed",
				   count(d->rx_missed), "rx_errors", count(d->rx_errors),
				   "rx_no_mbuf", count(d->rx_no_mbuf), "tx_errors",
				   count(d->tx_errors));

	json_object_set_new(j, "device", device);
	if (b->set.mode == BENCH_SINK)
		json_object_set_new(j, "sink", sunk(b, p));
	return j;
}

static json_t *latency(const struct bench *b)
{
	struct weir_hist *h = bench_latency(b);
	json_t *j = NULL;

	if (h != NULL)
		j = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "count",
			      count(weir_hist_count(h)), "sum", count(weir_hist_sum_ns(h)), "p50",
			      count(weir_hist_at(h, 500)), "p75", count(weir_hist_at(h, 750)),
			      "p90", count(weir_hist_at(h, 900)), "p95",
			      count(weir_hist_at(h, 950)), "p99", count(weir_hist_at(h, 990)),
			      "p999", count(weir_hist_at(h, 999)), "max",
			      count(weir_hist_max_ns(h)));
	weir_hist_free(h);
	return j;
}

/* By size, up to the largest that occurred. */
static json_t *bursts(const struct bench_figures *f)
{
	unsigned n = BENCH_BURST_MAX + 1;
	json_t *list = json_array();

	while (n > 0 && f->bursts[n - 1] == 0)
		n--;
	for (unsigned i = 0; i < n; i++)
		json_array_append_new(list, count(f->bursts[i]));
	return list;
}

int bench_report_json(struct bench *b, json_t **out)
{
	static struct bench_figures f; /* large; the control thread's */
	json_t *ports = json_array();
	json_t *j;

	bench_figures_since(b, &f);
	for (uint16_t p = 0; p < weir_system_ports(weir_run_system(b->run)); p++)
		json_array_append_new(ports, one_port(b, &f, p));
	j = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "version",
		      weir_version(), "dpdk", rte_version(), "tsc_hz", count(rte_get_tsc_hz()),
		      "tsc", count(f.tsc), "cpu_ns", count(f.cpu_ns), "busy_cycles",
		      count(f.busy_cycles), "idle_cycles", count(f.idle_cycles), "busy_passes",
		      count(f.busy_passes), "packets", count(bench_figures_pkts(b, &f)), "bursts",
		      bursts(&f), "config", config(b), "ports", ports);
	if (j == NULL)
		return -ENOMEM;
	if (b->set.mode == BENCH_SINK)
		json_object_set_new(j, "latency_ns", latency(b));
	*out = j;
	return 0;
}

/* The whole file or the old one: readers never see half of it. */
int bench_report_write(struct bench *b, const char *path, struct weir_why *why)
{
	char part[4112];
	json_t *j;
	int rc = bench_report_json(b, &j);

	if (rc < 0)
		return weir_why(why, rc, "report %s: out of memory", path);
	snprintf(part, sizeof(part), "%s.part", path);
	if (json_dump_file(j, part, JSON_INDENT(1)) < 0 || rename(part, path) < 0) {
		rc = errno != 0 ? -errno : -EIO;
		weir_why(why, rc, "report %s is not written: %s", path, strerror(-rc));
		unlink(part);
	}
	json_decref(j);
	return rc;
}
