/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The layout of queues on workers and the memory that it takes, by arithmetic alone.
 */

#include "system_priv.h"

#include <inttypes.h>
#include <string.h>

#include "nodes/handoff_priv.h"

/* Fragments that wait for a datagram at most (RTE_LIBRTE_IP_FRAG_MAX_FRAG). */
#define FRAGMENTS_WAITING 8

uint16_t layout_rxqs(const struct weir_system_conf *conf, uint16_t port)
{
	const struct weir_system_port *p = &conf->ports[port];

	if (p->given != NULL)
		return p->given->rxqs;
	return p->conf.rxqs == 0 ? 1 : p->conf.rxqs;
}

uint16_t layout_txqs(const struct weir_system_conf *conf, uint16_t port)
{
	const struct weir_system_port *p = &conf->ports[port];

	if (p->given != NULL)
		return p->given->txqs;
	if (p->conf.txqs != 0)
		return p->conf.txqs;
	/* A Linux device has as many of one kind as of the other; others have one for each. */
	return p->conf.interface != NULL ? layout_rxqs(conf, port) : conf->workers;
}

uint16_t layout_worker(uint16_t workers, uint16_t port, uint16_t queue, uint16_t n)
{
	/* Few queues: the ports begin at different workers, so that none gets all of them. */
	return (uint16_t)((n < workers ? port + queue : queue) % workers);
}

bool layout_txq(uint16_t workers, uint16_t port, uint16_t worker, uint16_t n, uint16_t *queue)
{
	for (uint16_t q = 0; q < n; q++) {
		if (layout_worker(workers, port, q, n) == worker) {
			*queue = q;
			return true;
		}
	}
	*queue = worker % n;
	return false;
}

static uint32_t held_by_tables(const struct weir_system_conf *conf)
{
	/* All that a worker's tables can hold at their fullest: no flood may empty the pool. */
	const uint32_t a_worker = conf->limits.neighbours + conf->limits.neighbour_queue +
				  FRAGMENTS_WAITING * conf->limits.fragments + WEIR_PASS_PKTS;

	return conf->workers * (a_worker + (conf->workers - 1u) * HANDOFF_RING_PKTS);
}

void weir_system_plan(const struct weir_system_conf *conf, struct weir_system_plan *out)
{
	memset(out, 0, sizeof(*out));
	out->need.workers = conf->workers;
	out->need.mtu = 1500;
	out->need.held = conf->path == NULL ? 0 : held_by_tables(conf);
	for (uint16_t p = 0; p < conf->n_ports; p++) {
		struct weir_port_conf pc = conf->ports[p].conf;

		pc.rxqs = out->rxqs[p] = layout_rxqs(conf, p);
		pc.txqs = out->txqs[p] = layout_txqs(conf, p);
		if (conf->ports[p].given == NULL)
			weir_port_eth_need(&pc, &out->need);
	}
	weir_pool_size(&out->need, &out->pool);
	if (conf->mbufs != 0) {
		out->pool.bytes = out->pool.bytes / out->pool.mbufs * conf->mbufs;
		out->pool.mbufs = conf->mbufs;
	}
	out->bytes = out->pool.bytes + (uint64_t)conf->workers * (conf->workers - 1u) *
					       HANDOFF_RING_PKTS * sizeof(void *);
}

void weir_system_plan_print(const struct weir_system_conf *conf, FILE *to)
{
	struct weir_system_plan plan;
	char text[256];

	weir_system_plan(conf, &plan);
	for (uint16_t w = 0; w < conf->workers; w++) {
		fprintf(to, "worker %u  core %u  polls", w, conf->cores[w]);
		for (uint16_t p = 0; p < conf->n_ports; p++)
			for (uint16_t q = 0; q < plan.rxqs[p]; q++)
				if (layout_worker(conf->workers, p, q, plan.rxqs[p]) == w)
					fprintf(to, " %s/%u", conf->ports[p].conf.name, q);
		fputs("  sends", to);
		for (uint16_t p = 0; p < conf->n_ports; p++) {
			uint16_t q;

			if (layout_txq(conf->workers, p, w, plan.txqs[p], &q))
				fprintf(to, " %s/%u", conf->ports[p].conf.name, q);
		}
		fputc('\n', to);
	}
	weir_pool_explain(&plan.need, text, sizeof(text));
	fprintf(to, "buffers   %s\n", text);
	if (conf->mbufs != 0)
		fprintf(to, "          set to %u by runtime.mbufs\n", conf->mbufs);
	fprintf(to, "memory    %" PRIu64 " MiB for buffers and rings\n",
		(plan.bytes + 1048575) >> 20);
}
