/* SPDX-License-Identifier: BSD-3-Clause */

/* The workers of weir-bench, and a lane for each port that one polls. */

#include "bench_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void worker_free(struct bench_worker *w)
{
	if (w == NULL)
		return;
	for (unsigned p = 0; p < WEIR_PORTS_MAX; p++) {
		free(w->lane[p].seq);
		free(w->lane[p].tracks);
	}
	weir_hist_free(w->latency);
	free(w);
}

static struct bench_worker *worker_create(struct bench *b, uint16_t index)
{
	struct bench_worker *w = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*w));

	if (w == NULL)
		return NULL;
	memset(w, 0, sizeof(*w));
	w->bench = b;
	w->index = index;
	w->latency = weir_hist_create();
	if (w->latency == NULL) {
		worker_free(w);
		return NULL;
	}
	return w;
}

int bench_workers_create(struct bench *b, struct weir_why *why)
{
	for (uint16_t w = 0; w < b->workers; w++) {
		b->worker[w] = worker_create(b, w);
		if (b->worker[w] == NULL)
			return weir_why(why, -ENOMEM, "out of memory");
		b->ctx[w] = b->worker[w];
	}
	return 0;
}

void bench_workers_free(struct bench *b)
{
	for (unsigned w = 0; w < WEIR_WORKERS_MAX; w++)
		worker_free(b->worker[w]);
}

/* Ports pair up as in testpmd: 0 and 1, 2 and 3; an odd last one with itself. */
static uint16_t pair_of(uint16_t port, uint16_t ports)
{
	const uint16_t pair = port ^ 1;

	return pair < ports ? pair : port;
}

static int lane_init(struct bench *b, uint16_t worker, uint16_t port, struct weir_why *why)
{
	struct weir_system *s = weir_run_system(b->run);
	struct weir_shard *shard = weir_engine_shard(weir_system_engine(s, worker));
	struct bench_lane *l = &b->worker[worker]->lane[port];

	l->back = shard->txq[port];
	l->out = shard->txq[pair_of(port, weir_system_ports(s))];
	if (l->out.port == NULL || l->back.port == NULL)
		return weir_why(why, -ENODEV,
				"port %s got %u queues for sending, fewer than there are workers",
				weir_system_port(s, port)->name, weir_system_port(s, port)->txqs);
	l->flow = worker;
	l->seq = calloc(BENCH_FLOWS_MAX, sizeof(*l->seq));
	l->tracks = aligned_alloc(RTE_CACHE_LINE_SIZE, BENCH_FLOWS_MAX * sizeof(*l->tracks));
	if (l->seq == NULL || l->tracks == NULL)
		return weir_why(why, -ENOMEM, "out of memory");
	memset(l->tracks, 0, BENCH_FLOWS_MAX * sizeof(*l->tracks));
	return 0;
}

/* Which worker has which part of a port's rate and of the packets in all. */
static void share_out(struct bench *b)
{
	const uint16_t ports = weir_system_ports(weir_run_system(b->run));
	uint16_t of = 0;

	for (uint16_t p = 0; p < ports; p++) {
		uint16_t shares = 0;

		for (uint16_t w = 0; w < b->workers; w++) {
			struct bench_lane *l = &b->worker[w]->lane[p];

			if (l->seq == NULL)
				continue;
			l->share = shares++;
			l->nth = of++;
		}
		for (uint16_t w = 0; w < b->workers; w++)
			b->worker[w]->lane[p].shares = shares;
	}
	for (uint16_t w = 0; w < b->workers; w++)
		for (uint16_t p = 0; p < ports; p++)
			b->worker[w]->lane[p].of = b->worker[w]->lane[p].seq == NULL ? 0 : of;
}

int bench_lanes_create(struct bench *b, struct weir_why *why)
{
	struct weir_system *s = weir_run_system(b->run);
	int rc = 0;

	for (uint16_t w = 0; w < b->workers; w++) {
		struct weir_shard *shard = weir_engine_shard(weir_system_engine(s, w));

		b->worker[w]->pool = shard->pool;
		b->worker[w]->wheel = shard->wheel;
		weir_clock_init(&b->worker[w]->clock);
		for (uint16_t q = 0; rc == 0 && q < shard->n_rxqs; q++)
			if (b->worker[w]->lane[shard->rxqs[q].port->id].seq == NULL)
				rc = lane_init(b, w, shard->rxqs[q].port->id, why);
	}
	share_out(b);
	return rc;
}
