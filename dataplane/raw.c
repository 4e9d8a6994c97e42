/* SPDX-License-Identifier: BSD-3-Clause */

/* Ports and a pool for a loop that is the caller's. */

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <stdlib.h>
#include <weir/eal.h>
#include <weir/raw.h>

struct weir_raw {
	pthread_t owner;
	struct rte_mempool *pool;
	struct weir_port **ports; /* n_ports of them; NULL: not open yet */
	uint16_t n_ports;
	bool can_wait; /* all ports have wake-ups, and they are in this thread's epoll set */
	bool armed;    /* the next wait may sleep */
};

static void plan(const struct weir_port_conf *ports, uint16_t n_ports, uint32_t held,
		 struct weir_pool_plan *out)
{
	struct weir_pool_need need = {.workers = 1, .held = held};

	for (uint16_t i = 0; i < n_ports; i++)
		weir_port_eth_need(&ports[i], &need);
	weir_pool_size(&need, out);
}

uint32_t weir_raw_memory_mib(const struct weir_port_conf *ports, uint16_t n_ports)
{
	struct weir_pool_plan p;

	plan(ports, n_ports, 0, &p);
	return (uint32_t)((p.bytes + (1 << 20) - 1) >> 20) + WEIR_EAL_OWN_MIB;
}

static bool is_owner(const struct weir_raw *r)
{
	return pthread_equal(r->owner, pthread_self());
}

/* ---- opening and closing ---- */

static void watch(struct weir_raw *r, bool on)
{
	for (uint16_t i = 0; i < r->n_ports; i++)
		for (uint16_t q = 0; r->ports[i] != NULL && q < r->ports[i]->rxqs; q++) {
			if (!on)
				r->ports[i]->ops->intr_del(r->ports[i], q);
			else if (r->ports[i]->ops->intr_add(r->ports[i], q) < 0)
				r->can_wait = false;
		}
}

static void arm(struct weir_raw *r, bool on)
{
	for (uint16_t i = 0; i < r->n_ports; i++)
		for (uint16_t q = 0; q < r->ports[i]->rxqs; q++)
			r->ports[i]->ops->intr_arm(r->ports[i], q, on);
	r->armed = on;
}

static int open_all(struct weir_raw *r, const struct weir_port_conf *ports, struct weir_why *why)
{
	int rc = 0;

	for (uint16_t i = 0; rc == 0 && i < r->n_ports; i++)
		rc = weir_port_eth_open(&ports[i], i, r->pool, &r->ports[i], why);
	for (uint16_t i = 0; rc == 0 && i < r->n_ports; i++)
		rc = weir_port_start(r->ports[i], why);
	return rc;
}

int weir_raw_open(const struct weir_port_conf *ports, uint16_t n_ports, uint32_t held,
		  struct weir_raw **out, struct weir_why *why)
{
	static unsigned made; /* pools have names; control thread only */
	struct weir_pool_plan p;
	struct weir_raw *r;
	char name[24];
	int rc;

	if (n_ports == 0)
		return weir_why(why, -EINVAL, "at least one port is needed");
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return weir_why(why, -ENOMEM, "out of memory");
	r->owner = pthread_self();
	r->n_ports = n_ports;
	r->ports = calloc(n_ports, sizeof(struct weir_port *));
	if (r->ports == NULL) {
		rc = weir_why(why, -ENOMEM, "out of memory");
		goto err;
	}
	plan(ports, n_ports, held, &p);
	snprintf(name, sizeof(name), "weir_raw%u", made++);
	rc = weir_pool_create(name, &p, -1, &r->pool, why);
	if (rc == 0)
		rc = open_all(r, ports, why);
	if (rc < 0)
		goto err;
	r->can_wait = true;
	watch(r, true);
	*out = r;
	return 0;
err:
	weir_raw_close(r);
	return rc;
}

void weir_raw_close(struct weir_raw *r)
{
	if (r == NULL)
		return;
	if (r->ports != NULL) {
		watch(r, false);
		for (uint16_t i = 0; i < r->n_ports; i++)
			weir_port_close(r->ports[i]);
	}
	rte_mempool_free(r->pool);
	free(r->ports);
	free(r);
}

/* ---- the loop ---- */

uint16_t weir_raw_rx(struct weir_raw *r, uint16_t port, uint16_t queue, struct rte_mbuf **pkts,
		     uint16_t n)
{
	struct weir_port *p;
	uint16_t got;

	assert(is_owner(r) && port < r->n_ports && queue < r->ports[port]->rxqs);
	p = r->ports[port];
	got = p->rx(p, queue, pkts, n);
	if (got > 0)
		r->armed = false;
	return got;
}

uint16_t weir_raw_tx(struct weir_raw *r, uint16_t port, uint16_t queue, struct rte_mbuf **pkts,
		     uint16_t n)
{
	struct weir_port *p;

	assert(is_owner(r) && port < r->n_ports && queue < r->ports[port]->txqs);
	p = r->ports[port];
#ifdef RTE_LIBRTE_MBUF_DEBUG
	for (uint16_t i = 0; i < n; i++)
		rte_mbuf_sanity_check(pkts[i], 1);
#endif
	return n > 0 ? p->tx(p, queue, pkts, n) : 0;
}

int weir_raw_wait(struct weir_raw *r, int timeout_ms)
{
	struct rte_epoll_event event;
	int n;

	assert(is_owner(r));
	if (!r->can_wait)
		return -ENOTSUP;
	if (!r->armed) {
		arm(r, true);
		return 1;
	}
	n = rte_epoll_wait_interruptible(RTE_EPOLL_PER_THREAD, &event, 1, timeout_ms);
	n = n < 0 ? -errno : n;
	arm(r, false);
	return n;
}

/* ---- looking ---- */

struct weir_port *weir_raw_port(struct weir_raw *r, uint16_t port)
{
	return port < r->n_ports ? r->ports[port] : NULL;
}

struct rte_mempool *weir_raw_pool(struct weir_raw *r)
{
	return r->pool;
}

int weir_raw_stats(struct weir_raw *r, uint16_t port, struct weir_port_stats *out)
{
	if (port >= r->n_ports)
		return -EINVAL;
	return r->ports[port]->ops->stats(r->ports[port], out);
}

static void print_fill(FILE *to, const char *what, int used, unsigned size)
{
	if (size == 0)
		fprintf(to, "  %s ring: the device does not show it\n", what);
	else if (used < 0)
		fprintf(to, "  %s ring: - of %u used\n", what, size);
	else
		fprintf(to, "  %s ring: %d of %u used\n", what, used, size);
}

/* Descriptors that are still the device's, or -1 if it does not say. */
static int tx_used(uint16_t id, uint16_t queue, uint16_t size)
{
	int used = 0;

	for (uint16_t i = 0; i < size; i++) {
		const int status = rte_eth_tx_descriptor_status(id, queue, i);

		if (status < 0)
			return -1;
		used += status == RTE_ETH_TX_DESC_FULL;
	}
	return used;
}

static void print_rings(const struct weir_port *p, uint16_t queue, FILE *to)
{
	struct rte_eth_rxq_info rx = {0};
	struct rte_eth_txq_info tx = {0};

	if (queue < p->rxqs) {
		(void)rte_eth_rx_queue_info_get(p->dpdk_id, queue, &rx);
		print_fill(to, "rx", rte_eth_rx_queue_count(p->dpdk_id, queue), rx.nb_desc);
	}
	if (queue < p->txqs) {
		(void)rte_eth_tx_queue_info_get(p->dpdk_id, queue, &tx);
		print_fill(to, "tx", tx_used(p->dpdk_id, queue, tx.nb_desc), tx.nb_desc);
	}
}

int weir_raw_debug_rings(struct weir_raw *r, uint16_t port, uint16_t queue, FILE *to)
{
	struct weir_port_stats s;
	struct weir_port *p;

	if (port >= r->n_ports || !is_owner(r))
		return -EINVAL;
	p = r->ports[port];
	if (queue >= p->rxqs && queue >= p->txqs)
		return -EINVAL;
	fprintf(to, "port %u %s (%s) queue %u of %u rx, %u tx, link %s\n", port, p->name, p->driver,
		queue, p->rxqs, p->txqs, p->ops->link_up(p) ? "up" : "down");
	print_rings(p, queue, to);
	rte_mempool_audit(r->pool); /* ends the program if its records are torn */
	fprintf(to, "  pool: %u of %u buffers free\n", rte_mempool_avail_count(r->pool),
		r->pool->size);
	if (p->ops->stats(p, &s) == 0)
		fprintf(to,
			"  rx %" PRIu64 " packets, missed %" PRIu64 ", errors %" PRIu64
			", no buffer %" PRIu64 "; tx %" PRIu64 " packets, errors %" PRIu64 "\n",
			s.rx_pkts, s.rx_missed, s.rx_errors, s.rx_no_mbuf, s.tx_pkts, s.tx_errors);
	return 0;
}
