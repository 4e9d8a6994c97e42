/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Ports, rings and engines put together: opened in an order in which each finds what it needs,
 * closed in the reverse.
 */

#include "system_priv.h"

#include <errno.h>
#include <rte_common.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <weir/error.h>
#include <weir/log.h>
#include <weir/tracker.h>

#include "kernel/punt_priv.h"
#include "nodes/handoff_priv.h"

struct weir_system {
	char name[32];
	uint16_t workers, n_ports;
	int priority;
	bool running;
	bool tracks; /* flows, so that their owner must be known before their packets come */
	struct weir_gens *gens;
	uint16_t n_pools;
	struct rte_mempool *pool[WEIR_NODES_MAX]; /* as plan.node */
	struct weir_handoff *handoff;		  /* one a worker; NULL for a lone one */
	struct weir_punt *punt;
	struct weir_clock clock;
	struct weir_siphash_key secret;
	struct weir_port *port[WEIR_PORTS_MAX];
	uint16_t core[WEIR_WORKERS_MAX];
	struct weir_engine *engine[WEIR_WORKERS_MAX];
};

/* A pool for each NUMA node that has a port or a worker. */
static int make_pools(struct weir_system *s, const struct weir_system_plan *plan,
		      struct weir_why *why)
{
	char name[16];
	int rc = 0;

	for (; rc == 0 && s->n_pools < plan->n_nodes; s->n_pools++) {
		const struct weir_system_node *node = &plan->node[s->n_pools];

		snprintf(name, sizeof(name), "weir%u", s->n_pools);
		rc = weir_pool_create(name, &node->pool, node->numa, &s->pool[s->n_pools], why);
	}
	return rc;
}

static int open_ports(struct weir_system *s, const struct weir_system_conf *conf,
		      const struct weir_system_plan *plan, struct weir_why *why)
{
	for (uint16_t p = 0; p < conf->n_ports; p++) {
		struct weir_port_conf pc = conf->ports[p].conf;
		int rc;

		s->n_ports = (uint16_t)(p + 1);
		s->port[p] = conf->ports[p].given;
		if (s->port[p] != NULL)
			continue;
		pc.rxqs = layout_rxqs(conf, p);
		pc.txqs = layout_txqs(conf, p);
		rc = weir_port_eth_open(&pc, p, s->pool[plan->port_node[p]], &s->port[p], why);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/*
 * Whether packets must be spread by our own hash: for all ports alike, or directions would part.
 * Devices agree if their queues are the workers and entry i of each one's table is queue i % n.
 * Where a device sends replies to a port that translation chooses cannot be computed in advance.
 */
static bool must_spread(const struct weir_system *s)
{
	const bool any_reta = rte_is_power_of_2(s->workers);

	if (s->tracks)
		return true;
	for (uint16_t p = 0; p < s->n_ports; p++)
		if (!(s->port[p]->caps & WEIR_PORT_RSS) || s->port[p]->rxqs != s->workers ||
		    ((s->port[p]->caps ^ s->port[0]->caps) & WEIR_PORT_RSS_L4) ||
		    (!any_reta && s->port[p]->reta != s->port[0]->reta))
			return true;
	return false;
}

static void spread_flows(struct weir_system *s)
{
	for (uint16_t w = 0; s->handoff != NULL && w < s->workers; w++) {
		s->handoff[w].spread = must_spread(s) ? UINT32_MAX : 0;
		s->handoff[w].reta = s->port[0]->reta;
		s->handoff[w].reta_ports = s->port[0]->caps & WEIR_PORT_RSS_L4;
		handoff_ports_init(&s->handoff[w]);
	}
}

static int make_rings(struct weir_system *s, struct weir_why *why)
{
	int rc;

	if (s->workers == 1)
		return 0;
	rc = handoff_create(s->workers, (int)rte_socket_id(), &s->handoff);
	if (rc < 0)
		return weir_why(why, rc, "rings between workers: %s", weir_error_text(rc));
	for (uint16_t w = 0; w < s->workers; w++) {
		struct weir_handoff *h = &s->handoff[w];

		for (uint16_t p = 0; p < s->n_ports; p++) {
			const uint16_t n = s->port[p]->txqs;
			uint16_t q;

			h->tx_worker[p] = w;
			if (!layout_txq(s->workers, p, w, n, &q))
				h->tx_worker[p] = layout_worker(s->workers, p, q, n);
		}
	}
	spread_flows(s);
	return 0;
}

/* The queues that a worker polls; returns how many. */
static uint16_t rx_queues(const struct weir_system *s, uint16_t worker, struct weir_queue *out)
{
	uint16_t n = 0;

	for (uint16_t p = 0; p < s->n_ports; p++) {
		const uint16_t rxqs = s->port[p]->rxqs;

		for (uint16_t q = 0; q < rxqs; q++)
			if (layout_worker(s->workers, p, q, rxqs) == worker)
				out[n++] = (struct weir_queue){s->port[p], q};
	}
	return n;
}

static int make_engine(struct weir_system *s, const struct weir_system_conf *conf,
		       const struct weir_system_plan *plan, uint16_t worker, struct weir_why *why)
{
	struct weir_engine_conf ec = {
		.name = conf->name,
		.worker = worker,
		.workers = s->workers,
		.numa = (int)rte_lcore_to_socket_id(weir_eal_lcore(worker)),
		.pool = s->pool[plan->worker_node[worker]],
		.burst = conf->burst,
		.poll = conf->poll,
		.gather_ns = conf->gather_ns,
		.limits = conf->limits,
		.tracker = conf->tracker,
		.secret = s->secret,
		.gens = s->gens,
		.handoff = s->handoff == NULL ? NULL : &s->handoff[worker],
		.punt = s->punt,
		.clock = s->clock,
		.path = conf->path,
		.on_burst = conf->on_burst,
		.ctx = conf->ctx == NULL ? NULL : conf->ctx[worker],
		.idle_calls = conf->idle_calls,
	};
	struct weir_queue *rxqs;
	uint32_t n = 1;
	int rc;

	for (uint16_t p = 0; p < s->n_ports; p++)
		n += s->port[p]->rxqs;
	rxqs = calloc(n, sizeof(*rxqs));
	if (rxqs == NULL)
		return weir_why(why, -ENOMEM, "worker %u: out of memory", worker);
	ec.n_rxqs = rx_queues(s, worker, rxqs);
	ec.rxqs = rxqs;
	for (uint16_t p = 0; p < s->n_ports; p++) {
		uint16_t q;

		if (layout_txq(s->workers, p, worker, s->port[p]->txqs, &q))
			ec.txq[p] = (struct weir_queue){s->port[p], q};
	}
	rc = weir_engine_create(&ec, &s->engine[worker], why);
	free(rxqs);
	return rc;
}

static int make_engines(struct weir_system *s, const struct weir_system_conf *conf,
			const struct weir_system_plan *plan, struct weir_why *why)
{
	for (uint16_t w = 0; w < s->workers; w++) {
		const int rc = make_engine(s, conf, plan, w, why);

		if (rc < 0)
			return rc;
	}
	for (uint16_t w = 0; s->punt != NULL && w < s->workers; w++)
		punt_wakes(s->punt, w, weir_engine_kick, s->engine[w]);
	for (uint16_t w = 0; s->handoff != NULL && w < s->workers; w++)
		memcpy(s->handoff[w].engine, s->engine, sizeof(s->handoff[w].engine));
	return 0;
}

static int make_punt(struct weir_system *s, const struct weir_system_conf *conf,
		     struct weir_why *why)
{
	struct weir_punt_port taps[WEIR_PORTS_MAX];
	uint16_t n = 0;

	for (uint16_t p = 0; p < conf->n_ports; p++)
		if (conf->ports[p].kernel != NULL)
			taps[n++] = (struct weir_punt_port){.port = s->port[p],
							    .tap = conf->ports[p].kernel};
	if (n == 0)
		return 0;
	return weir_punt_create(taps, n, s->workers, s->pool[0], &s->punt, why);
}

static int check(const struct weir_system_conf *conf, struct weir_why *why)
{
	if (conf->workers == 0 || conf->workers > WEIR_WORKERS_MAX)
		return weir_why(why, -ERANGE, "%u workers, must be 1 to %u", conf->workers,
				WEIR_WORKERS_MAX);
	if (conf->n_ports == 0 || conf->n_ports > WEIR_PORTS_MAX)
		return weir_why(why, -ERANGE, "%u ports, must be 1 to %u", conf->n_ports,
				WEIR_PORTS_MAX);
	return 0;
}

int weir_system_create(const struct weir_system_conf *conf, struct weir_system **out,
		       struct weir_why *why)
{
	struct weir_system_plan plan;
	struct weir_system *s;
	int rc = check(conf, why);

	if (rc < 0)
		return rc;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return weir_why(why, -ENOMEM, "system: out of memory");
	snprintf(s->name, sizeof(s->name), "%s", conf->name);
	s->workers = conf->workers;
	s->priority = conf->priority;
	s->tracks = conf->tracker != NULL && !conf->tracker->stateless;
	memcpy(s->core, conf->cores, conf->workers * sizeof(s->core[0]));
	weir_clock_init(&s->clock);
	weir_system_plan(conf, &plan);
	rc = getrandom(&s->secret, sizeof(s->secret), 0) == sizeof(s->secret) ? 0 : -errno;
	if (rc == 0)
		rc = weir_gens_create(s->workers, &s->gens);
	if (rc < 0) {
		weir_why(why, rc, "system: %s", weir_error_text(rc));
		goto err;
	}
	rc = make_pools(s, &plan, why);
	if (rc == 0)
		rc = open_ports(s, conf, &plan, why);
	if (rc == 0)
		rc = make_rings(s, why);
	if (rc == 0)
		rc = make_punt(s, conf, why);
	if (rc == 0)
		rc = make_engines(s, conf, &plan, why);
	if (rc < 0)
		goto err;
	*out = s;
	return 0;
err:
	for (uint16_t p = 0; p < conf->n_ports; p++)
		if (conf->ports[p].given != NULL)
			s->port[p] = NULL; /* stays the caller's */
	weir_system_free(s);
	return rc;
}

static int worker_main(void *engine)
{
	weir_engine_run(engine);
	return 0;
}

static int take_priority(void *priority)
{
	const struct sched_param param = {.sched_priority = *(const int *)priority};

	return sched_setscheduler(0, SCHED_FIFO, &param) == 0 ? 0 : -errno;
}

/* Of each worker's thread, by itself. */
static int set_priority(struct weir_system *s, struct weir_why *why)
{
	int rc = 0;

	for (uint16_t w = 0; rc == 0 && w < s->workers; w++) {
		rc = rte_eal_remote_launch(take_priority, &s->priority, weir_eal_lcore(w));
		if (rc == 0)
			rc = rte_eal_wait_lcore(weir_eal_lcore(w));
		if (rc < 0)
			weir_why(why, rc, "worker %u: no real-time priority %d: %s%s", w,
				 s->priority, weir_error_text(rc),
				 rc == -EPERM ? " (CAP_SYS_NICE or ulimit -r)" : "");
	}
	return rc;
}

int weir_system_start(struct weir_system *s, struct weir_why *why)
{
	int rc = 0;

	for (uint16_t p = 0; rc == 0 && p < s->n_ports; p++)
		rc = weir_port_start(s->port[p], why);
	spread_flows(s); /* once more: only a started device says whether it does */
	if (rc == 0 && s->punt != NULL)
		rc = weir_punt_start(s->punt, why);
	if (rc == 0 && s->priority > 0)
		rc = set_priority(s, why);
	s->running = true;
	for (uint16_t w = 0; rc == 0 && w < s->workers; w++) {
		rc = rte_eal_remote_launch(worker_main, s->engine[w], weir_eal_lcore(w));
		if (rc < 0)
			weir_why(why, rc, "worker %u: core %u has no thread: %s", w, s->core[w],
				 weir_error_text(rc));
	}
	if (rc < 0)
		weir_system_stop(s);
	return rc;
}

void weir_system_stop(struct weir_system *s)
{
	if (!s->running)
		return;
	s->running = false;
	for (uint16_t w = 0; w < s->workers; w++)
		weir_engine_stop(s->engine[w]);
	for (uint16_t w = 0; w < s->workers; w++)
		rte_eal_wait_lcore(weir_eal_lcore(w));
	handoff_drop(s->handoff); /* what came for a worker that had ended before */
	if (s->punt != NULL)
		weir_punt_stop(s->punt);
	for (uint16_t p = 0; p < s->n_ports; p++)
		s->port[p]->ops->stop(s->port[p]);
}

void weir_system_free(struct weir_system *s)
{
	if (s == NULL)
		return;
	weir_system_stop(s);
	for (uint16_t w = 0; w < s->workers; w++)
		weir_engine_free(s->engine[w]);
	weir_punt_free(s->punt);
	handoff_free(s->handoff);
	for (uint16_t p = 0; p < s->n_ports; p++)
		weir_port_close(s->port[p]);
	weir_gens_free(s->gens);
	for (uint16_t i = 0; i < s->n_pools; i++)
		rte_mempool_free(s->pool[i]);
	free(s);
}

void weir_system_publish(struct weir_system *s, struct weir_gen *fresh)
{
	weir_gens_publish(s->gens, fresh);
}

uint16_t weir_system_workers(const struct weir_system *s)
{
	return s->workers;
}

struct weir_engine *weir_system_engine(const struct weir_system *s, uint16_t worker)
{
	return worker < s->workers ? s->engine[worker] : NULL;
}

uint16_t weir_system_ports(const struct weir_system *s)
{
	return s->n_ports;
}

struct weir_port *weir_system_port(const struct weir_system *s, uint16_t port)
{
	return port < s->n_ports ? s->port[port] : NULL;
}

struct weir_gens *weir_system_gens(const struct weir_system *s)
{
	return s->gens;
}

uint16_t weir_system_pools(const struct weir_system *s)
{
	return s->n_pools;
}

struct rte_mempool *weir_system_pool(const struct weir_system *s, uint16_t pool)
{
	return pool < s->n_pools ? s->pool[pool] : NULL;
}

struct weir_punt *weir_system_punt(const struct weir_system *s)
{
	return s->punt;
}

const struct weir_clock *weir_system_clock(const struct weir_system *s)
{
	return &s->clock;
}

uint16_t weir_system_rx_worker(const struct weir_system *s, uint16_t port, uint16_t queue)
{
	return layout_worker(s->workers, port, queue, s->port[port]->rxqs);
}

void weir_system_watch(struct weir_system *s, const struct weir_watch *w)
{
	for (uint16_t i = 0; i < s->workers; i++)
		weir_engine_watch(s->engine[i], w);
	weir_gens_synchronize(s->gens);
}
