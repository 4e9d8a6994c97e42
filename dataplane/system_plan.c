/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The layout of queues on workers and the memory that it takes, by arithmetic alone.
 */

#include "system_priv.h"

#include <inttypes.h>
#include <string.h>

#include "nodes/handoff_priv.h"
#include "ports/port_eth_priv.h"

/* Fragments that wait for a datagram at most (RTE_LIBRTE_IP_FRAG_MAX_FRAG). */
#define FRAGMENTS_WAITING 8

#define SYSFS "/sys"

/* Where the text of a plan begins in a line, and where a line ends at the latest. */
#define PLAN_HEAD    10
#define PLAN_COLUMNS 99

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
	/* Where a socket is both, as many of one kind as of the other; else one for each worker. */
	return port_eth_has_pairs(&p->conf) ? layout_rxqs(conf, port) : conf->workers;
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

/* All that workers' tables can hold at their fullest: no flood may empty a pool. */
static uint32_t held_by_tables(const struct weir_system_conf *conf)
{
	const uint32_t a_worker = conf->limits.neighbours + conf->limits.neighbour_queue +
				  FRAGMENTS_WAITING * conf->limits.fragments + WEIR_PASS_PKTS +
				  conf->held;

	return conf->workers * (a_worker + (conf->workers - 1u) * HANDOFF_RING_PKTS);
}

uint16_t plan_node(const struct weir_system_plan *plan, int numa)
{
	for (uint16_t i = 0; i < plan->n_nodes; i++)
		if (plan->node[i].numa == numa)
			return i;
	return 0;
}

/* The same, made if there is none yet. What cannot be told counts to the first. */
static uint16_t use_node(struct weir_system_plan *plan, int numa, uint32_t held)
{
	const uint16_t at = plan_node(plan, numa);

	if (plan->n_nodes > 0 &&
	    (plan->node[at].numa == numa || numa < 0 || plan->n_nodes == WEIR_NODES_MAX))
		return at;
	/* Packets of one node's ports can wait in any worker's tables. */
	plan->node[plan->n_nodes] =
		(struct weir_system_node){.numa = numa, .need = {.mtu = 1500, .held = held}};
	return plan->n_nodes++;
}

static void size_pool(const struct weir_system_conf *conf, struct weir_system_node *node)
{
	node->need.small_pages = conf->hugepages == WEIR_HUGEPAGES_NONE;
	weir_pool_size(&node->need, &node->pool);
	if (conf->mbufs != 0) {
		node->pool.bytes = node->pool.bytes / node->pool.mbufs * conf->mbufs;
		node->pool.mbufs = conf->mbufs;
	}
}

void weir_system_plan(const struct weir_system_conf *conf, struct weir_system_plan *out)
{
	const uint32_t held = conf->path == NULL ? 0 : held_by_tables(conf);

	memset(out, 0, sizeof(*out));
	for (uint16_t w = 0; w < conf->workers; w++) {
		out->worker_node[w] = use_node(out, numa_of_core(SYSFS, conf->cores[w]), held);
		out->node[out->worker_node[w]].need.workers++;
	}
	for (uint16_t p = 0; p < conf->n_ports; p++) {
		struct weir_port_conf pc = conf->ports[p].conf;

		pc.rxqs = out->rxqs[p] = layout_rxqs(conf, p);
		pc.txqs = out->txqs[p] = layout_txqs(conf, p);
		if (conf->ports[p].given != NULL)
			continue;
		out->port_node[p] = use_node(out, numa_of_port(SYSFS, &pc), held);
		weir_port_eth_need(&pc, &out->node[out->port_node[p]].need);
	}
	out->bytes =
		(uint64_t)conf->workers * (conf->workers - 1u) * HANDOFF_RING_PKTS * sizeof(void *);
	for (uint16_t i = 0; i < out->n_nodes; i++) {
		size_pool(conf, &out->node[i]);
		out->bytes += out->node[i].pool.bytes;
	}
}

/* Words of a line that has begun, broken between them and indented. */
static void print_folded(const char *text, FILE *to)
{
	size_t column = PLAN_HEAD;

	for (size_t word; *text != '\0'; text += word + (text[word] == ' ')) {
		word = strcspn(text, " ");
		if (column + word > PLAN_COLUMNS) {
			fprintf(to, "\n%*s", PLAN_HEAD - 1, "");
			column = PLAN_HEAD;
		}
		fprintf(to, " %.*s", (int)word, text);
		column += word + 1;
	}
	fputc('\n', to);
}

static void print_pools(const struct weir_system_conf *conf, const struct weir_system_plan *plan,
			FILE *to)
{
	char text[256];

	for (uint16_t i = 0; i < plan->n_nodes; i++) {
		const struct weir_system_node *node = &plan->node[i];

		if (plan->n_nodes > 1)
			fprintf(to, "NUMA node %d\n", node->numa);
		weir_pool_explain(&node->need, text, sizeof(text));
		fputs("buffers  ", to);
		print_folded(text, to);
		if (conf->mbufs != 0)
			fprintf(to, "          set to %u by runtime.mbufs\n", conf->mbufs);
	}
}

void weir_system_plan_print(const struct weir_system_conf *conf, FILE *to)
{
	struct weir_system_plan plan;

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
	print_pools(conf, &plan, to);
	fprintf(to, "memory    %" PRIu64 " MiB for buffers and rings\n",
		(plan.bytes + 1048575) >> 20);
}
