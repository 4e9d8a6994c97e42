/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Statistics: read where they are counted, added to what is gone, less what the last reset saw.
 *
 * Takes:  the counters of queues, sockets and program.
 * Says:   ethdev's statistics (stats_priv.h says how they add up).
 * Holds:  what stopped sockets and released queues had counted, and the last reset.
 */

#include "stats_priv.h"

#include "abi_priv.h"
#include "dev_priv.h"
#include "log_priv.h"
#include "mp_priv.h"

#include <rte_malloc.h>

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static_assert(sizeof(struct xdp_count) % sizeof(uint64_t) == 0, "nothing but counters");

/* Of the sockets and queues of all ports: telemetry and secondary processes ask from threads of
 * their own. */
static pthread_mutex_t sockets_lock = PTHREAD_MUTEX_INITIALIZER;

int xdp_stats_create(struct xdp_port *port)
{
	port->stats = rte_zmalloc("xdp_stats", sizeof(*port->stats), 0);
	return port->stats == NULL ? -ENOMEM : 0;
}

void xdp_stats_free(struct xdp_port *port)
{
	rte_free(port->stats);
	port->stats = NULL;
}

static void add(void *sum, const void *more, size_t bytes)
{
	for (size_t i = 0; i < bytes / sizeof(uint64_t); i++)
		((uint64_t *)sum)[i] += ((const uint64_t *)more)[i];
}

static void subtract(struct xdp_count *sum, const struct xdp_count *base)
{
	for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
		((uint64_t *)sum)[i] -= ((const uint64_t *)base)[i];
}

/* ---- what is, and what was ---- */

/* Packets from one index of a ring to another: their last descriptors. */
static uint64_t packets_in(const struct xdp_ring *ring, uint32_t from, uint32_t to)
{
	uint64_t n = 0;

	/* Read while somebody polls, they may be further apart than the ring is long. */
	for (; from != to && to - from <= xdp_ring_size(ring); from++)
		n += (xdp_ring_desc(ring, from)->options & XSK_PKT_CONTD) == 0;
	return n;
}

static uint64_t waiting_in(const struct xdp_ring *rx)
{
	const uint32_t from = __atomic_load_n(rx->consumer, __ATOMIC_ACQUIRE);

	return packets_in(rx, from, __atomic_load_n(rx->producer, __ATOMIC_ACQUIRE));
}

static void add_sock(const struct xdp_port *port, const struct xdp_sock *s, struct xdp_count *sum)
{
	struct xdp_sock_stats stats;
	const int rc = xdp_sock_stats(xdp_fds[port->port_id][s->index], &stats);

	if (rc < 0) {
		XDP_LOG(ERR, "%s: hardware queue %u: no statistics of a socket: %s",
			port->args.iface, s->channel->hwq, strerror(-rc));
		return;
	}
	if (s->rxq != UINT16_MAX) {
		struct xdp_rx_count *rx = &sum->rx[s->rxq];

		rx->dropped += stats.rx_dropped;
		rx->ring_full += stats.rx_ring_full;
		rx->fill_empty += stats.rx_fill_empty;
		rx->invalid_descs += stats.rx_invalid_descs;
		rx->waiting += waiting_in(&s->rx);
	}
	if (s->txq != UINT16_MAX) {
		sum->tx[s->txq].ring_empty += stats.tx_ring_empty;
		sum->tx[s->txq].invalid_descs += stats.tx_invalid_descs;
	}
}

bool xdp_sockets_hold(const struct xdp_port *port)
{
	pthread_mutex_lock(&sockets_lock);
	return port->stats->open;
}

void xdp_sockets_release(void)
{
	pthread_mutex_unlock(&sockets_lock);
}

void xdp_stats_open(struct xdp_port *port)
{
	xdp_sockets_hold(port);
	port->stats->open = true;
	xdp_sockets_release();
}

static void leave(struct xdp_port *port)
{
	struct xdp_count *past = &port->stats->past;

	for (uint16_t i = 0; i < port->n_socks; i++) {
		const struct xdp_sock *s = &port->socks[i];

		add_sock(port, s, past);
		if (s->txq != UINT16_MAX)
			past->tx[s->txq].left += packets_in(
				&s->tx, __atomic_load_n(s->tx.consumer, __ATOMIC_ACQUIRE),
				s->tx.head);
	}
	for (uint16_t i = 0; i < XDP_MAX_QUEUES; i++) {
		past->rx[i].left += past->rx[i].waiting;
		past->rx[i].waiting = 0;
	}
}

void xdp_stats_close(struct xdp_port *port)
{
	/* Until the last run of the program has ended, and its packet is in a ring. Where the
	 * kernel refuses, one packet of each CPU may go uncounted. */
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	if (xdp_sockets_hold(port))
		leave(port);
	port->stats->open = false;
	xdp_sockets_release();
}

struct xdp_rxq *xdp_stats_take_rxq(struct rte_eth_dev *dev, uint16_t id)
{
	struct xdp_rxq *q = dev->data->rx_queues[id];

	if (q == NULL)
		return NULL;
	xdp_sockets_hold(q->port);
	add(&q->port->stats->past.rx[id].queue, &q->stats, sizeof(q->stats));
	dev->data->rx_queues[id] = NULL;
	xdp_sockets_release();
	return q;
}

struct xdp_txq *xdp_stats_take_txq(struct rte_eth_dev *dev, uint16_t id)
{
	struct xdp_txq *q = dev->data->tx_queues[id];

	if (q == NULL)
		return NULL;
	xdp_sockets_hold(q->port);
	add(&q->port->stats->past.tx[id].queue, &q->stats, sizeof(q->stats));
	dev->data->tx_queues[id] = NULL;
	xdp_sockets_release();
	return q;
}

int xdp_stats_read(struct rte_eth_dev *dev, struct xdp_count *out)
{
	const struct xdp_port *port = xdp_port_of(dev);
	bool open;
	int rc = 0;

	open = xdp_sockets_hold(port);
	*out = port->stats->past;
	for (uint16_t i = 0; open && i < port->n_socks; i++)
		add_sock(port, &port->socks[i], out);
	for (uint16_t i = 0; i < dev->data->nb_rx_queues; i++)
		if (dev->data->rx_queues[i] != NULL)
			add(&out->rx[i].queue, &((struct xdp_rxq *)dev->data->rx_queues[i])->stats,
			    sizeof(struct xdp_rxq_stats));
	for (uint16_t i = 0; i < dev->data->nb_tx_queues; i++)
		if (dev->data->tx_queues[i] != NULL)
			add(&out->tx[i].queue, &((struct xdp_txq *)dev->data->tx_queues[i])->stats,
			    sizeof(struct xdp_txq_stats));
	xdp_sockets_release();
	for (uint16_t i = 0; rc == 0 && i < port->n_rx_channels; i++)
		rc = steer_stats(xdp_steer_of(dev), (uint16_t)(port->args.start_queue + i),
				 &out->hw[i]);
	out->bind_retries = port->bind_retries;
	return rc;
}

static int read_all(struct rte_eth_dev *dev, struct xdp_count *out)
{
	return rte_eal_process_type() == RTE_PROC_PRIMARY ? xdp_stats_read(dev, out)
							  : xdp_guest_stats(dev, out);
}

/* Since the last reset. */
static int recent(struct rte_eth_dev *dev, struct xdp_count *out)
{
	const int rc = read_all(dev, out);

	if (rc < 0)
		return rc;
	subtract(out, &xdp_port_of(dev)->stats->base);
	for (uint16_t i = 0; i < XDP_MAX_QUEUES; i++) {
		struct xdp_rx_count *rx = &out->rx[i];

		rx->lost = rx->dropped + rx->ring_full + rx->left + rx->queue.truncated;
	}
	return 0;
}

/* ---- ethdev's statistics ---- */

int xdp_stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *out)
{
	struct xdp_count c;
	const int rc = recent(dev, &c);

	if (rc < 0)
		return rc;
	/* ierrors stays 0: what the kernel could not deliver is missed, whatever the reason. */
	for (uint16_t i = 0; i < XDP_MAX_QUEUES; i++) {
		out->ipackets += c.rx[i].queue.pkts;
		out->ibytes += c.rx[i].queue.bytes;
		out->imissed += c.rx[i].lost;
		out->rx_nombuf += c.rx[i].queue.no_mbuf;
		out->opackets += c.tx[i].queue.pkts;
		out->obytes += c.tx[i].queue.bytes;
		out->oerrors += c.tx[i].queue.bad + c.tx[i].queue.no_mbuf;
	}
	for (uint16_t i = 0; i < RTE_ETHDEV_QUEUE_STAT_CNTRS; i++) {
		out->q_ipackets[i] = c.rx[i].queue.pkts;
		out->q_ibytes[i] = c.rx[i].queue.bytes;
		out->q_errors[i] = c.rx[i].lost;
		out->q_opackets[i] = c.tx[i].queue.pkts;
		out->q_obytes[i] = c.tx[i].queue.bytes;
	}
	return 0;
}

int xdp_stats_reset(struct rte_eth_dev *dev)
{
	struct xdp_count now;
	const int rc = read_all(dev, &now);

	if (rc < 0)
		return rc;
	for (uint16_t i = 0; i < XDP_MAX_QUEUES; i++)
		now.rx[i].waiting = 0; /* they will be received, or lost */
	xdp_port_of(dev)->stats->base = now;
	return 0;
}

/* ---- extended statistics ---- */

struct counter {
	const char *name;
	size_t offset;
};

#define RX(name, field)                                    \
	{                                                  \
		name, offsetof(struct xdp_rx_count, field) \
	}
static const struct counter rx_counters[] = {
	RX("packets", queue.pkts),
	RX("bytes", queue.bytes),
	RX("errors", lost),
	RX("no_mbuf", queue.no_mbuf),
	RX("fill_busy", queue.fill_busy),
	RX("wakeups", queue.wakeups),
	RX("bad_cksum", queue.bad_cksum),
	RX("truncated", queue.truncated),
	RX("xdp_rx_dropped", dropped),
	RX("xdp_rx_ring_full", ring_full),
	RX("xdp_fill_ring_empty", fill_empty),
	RX("xdp_rx_invalid_descs", invalid_descs),
	RX("left", left),
	RX("waiting", waiting),
};

#define TX(name, field)                                    \
	{                                                  \
		name, offsetof(struct xdp_tx_count, field) \
	}
static const struct counter tx_counters[] = {
	TX("packets", queue.pkts),
	TX("bytes", queue.bytes),
	TX("wakeups", queue.wakeups),
	TX("wakeup_again", queue.wakeup_again),
	TX("wakeup_error", queue.wakeup_error),
	TX("copied", queue.copied),
	TX("copied_bytes", queue.copied_bytes),
	TX("no_mbuf", queue.no_mbuf),
	TX("bad", queue.bad),
	TX("ring_full", queue.ring_full),
	TX("soft_cksum", queue.soft_cksum),
	TX("xdp_tx_invalid_descs", invalid_descs),
	TX("xdp_tx_ring_empty", ring_empty),
	TX("left", left),
};

#define HW(name)                                                \
	{                                                       \
#name, offsetof(struct steer_queue_stats, name) \
	}
static const struct counter hw_counters[] = {
	HW(seen), HW(passed), HW(dropped), HW(redirected), HW(failed), HW(too_short), HW(bytes),
};

/* Names or values, or neither to count them: one walk, so they cannot differ. */
struct list {
	struct rte_eth_xstat_name *names;
	struct rte_eth_xstat *values;
	unsigned room;
	unsigned n;
};

static void put_all(struct list *l, const char *what, unsigned id, const struct counter *counters,
		    unsigned n, const void *from)
{
	for (unsigned i = 0; i < n; i++, l->n++) {
		if (l->n >= l->room)
			continue;
		if (l->names != NULL)
			snprintf(l->names[l->n].name, sizeof(l->names->name), "%s%u_%s", what, id,
				 counters[i].name);
		if (l->values != NULL)
			l->values[l->n] = (struct rte_eth_xstat){
				.id = l->n,
				.value = *(const uint64_t *)((const char *)from +
							     counters[i].offset),
			};
	}
}

static void put(struct list *l, const char *name, uint64_t value)
{
	if (l->n < l->room && l->names != NULL)
		snprintf(l->names[l->n].name, sizeof(l->names->name), "%s", name);
	if (l->n < l->room && l->values != NULL)
		l->values[l->n] = (struct rte_eth_xstat){.id = l->n, .value = value};
	l->n++;
}

static int walk(const struct rte_eth_dev *dev, const struct xdp_count *c, struct list *l)
{
	const struct xdp_port *port = xdp_port_of(dev);
	const struct xdp_modes *modes = &port->modes;

	for (uint16_t i = 0; i < dev->data->nb_rx_queues; i++)
		put_all(l, "rx_q", i, rx_counters, RTE_DIM(rx_counters), &c->rx[i]);
	for (uint16_t i = 0; i < dev->data->nb_tx_queues; i++)
		put_all(l, "tx_q", i, tx_counters, RTE_DIM(tx_counters), &c->tx[i]);
	for (uint16_t i = 0; i < port->n_rx_channels; i++)
		put_all(l, "hwq", port->args.start_queue + i, hw_counters, RTE_DIM(hw_counters),
			&c->hw[i]);
	put(l, "bind_retries", c->bind_retries);
	put(l, "mode_native", modes->attach == STEER_MODE_DRV);
	put(l, "zero_copy", modes->zero_copy);
	put(l, "scatter", modes->scatter);
	put(l, "metadata", modes->meta);
	put(l, "busy_poll", modes->busy_poll);
	return (int)l->n;
}

int xdp_xstats_get(struct rte_eth_dev *dev, struct rte_eth_xstat *values, unsigned n)
{
	struct list l = {.values = values, .room = n};
	struct xdp_count c;
	const int rc = recent(dev, &c);

	return rc < 0 ? rc : walk(dev, &c, &l);
}

int xdp_xstats_names(struct rte_eth_dev *dev, struct rte_eth_xstat_name *names, unsigned n)
{
	struct list l = {.names = names, .room = n};

	return walk(dev, &xdp_port_of(dev)->stats->past, &l);
}
