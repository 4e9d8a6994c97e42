/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A port in a secondary process (mp_priv.h).
 *
 * Takes:  descriptors of sockets from the primary, when it starts the port.
 * Says:   nothing of its own.
 * Holds:  for each queue a handle, which ethdev gives to the bursts in place of the queue itself:
 *         the queue is in shared memory, and may be freed at any time while the port is stopped.
 *
 * Threads: the application's poll; EAL's thread for messages hears of a stop; and because that one
 * must not wait for an answer, EAL's interrupt thread asks for the sockets after a start.
 */

#include "mp_priv.h"

#include "dev_priv.h"
#include "log_priv.h"
#include "stats_priv.h"

#include <bus_vdev_driver.h>
#include <rte_alarm.h>
#include <rte_eal.h>
#include <rte_errno.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Written by two: the poller says that it is busy, the control path takes the queue away. */
struct handle {
	void *queue; /* NULL: not mapped */
	uint32_t busy;
} __rte_cache_aligned;

struct mapping {
	void *at;
	size_t bytes;
};

struct guest {
	struct rte_eth_dev *dev;
	uint16_t port_id;
	struct xdp_guests *all; /* the port's, from the host's opening to its closing */
	struct xdp_seat *seat;
	struct mapping *maps; /* of the mapped generation */
	unsigned n_maps;
	unsigned n_fds;
	struct handle rx[XDP_MAX_QUEUES];
	struct handle tx[XDP_MAX_QUEUES];
	/* As long as ethdev's own: it does not check a queue's number. */
	void *rx_data[RTE_MAX_QUEUES_PER_PORT];
	void *tx_data[RTE_MAX_QUEUES_PER_PORT];
};

static struct guest *guests[RTE_MAX_ETHPORTS];
/* Of what is mapped. Never held while waiting for an answer, which could come only afterwards. */
static pthread_mutex_t map_lock = PTHREAD_MUTEX_INITIALIZER;
/* EAL refuses a second question to the same process. */
static pthread_mutex_t ask_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- bursts ---- */

/* Say "busy" before looking, so that whoever takes the queue away sees one of the two. */
static inline void *enter(struct handle *h)
{
	__atomic_store_n(&h->busy, 1, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&h->queue, __ATOMIC_SEQ_CST);
}

static inline void leave(struct handle *h)
{
	__atomic_store_n(&h->busy, 0, __ATOMIC_RELEASE);
}

static uint16_t rx_burst(void *handle, struct rte_mbuf **pkts, uint16_t n)
{
	struct xdp_rxq *q = enter(handle);
	uint16_t got = 0;

	if (q != NULL)
		got = xdp_rx_is_rich(q->port) ? xdp_rx_burst_rich(q, pkts, n)
					      : xdp_rx_burst(q, pkts, n);
	leave(handle);
	return got;
}

static uint16_t tx_burst(void *handle, struct rte_mbuf **pkts, uint16_t n)
{
	void *q = enter(handle);
	const uint16_t sent = q == NULL ? 0 : xdp_tx_burst(q, pkts, n);

	leave(handle);
	return sent;
}

/* ---- asking ---- */

static int ask(struct xdp_mp_message *m, int fds[RTE_MP_MAX_FD_NUM], int *n_fds)
{
	const struct timespec wait = {.tv_sec = XDP_MP_WAIT_S};
	const struct xdp_mp_message *in;
	struct rte_mp_reply reply = {0};
	struct rte_mp_msg msg;
	int rc;

	xdp_mp_write(&msg, m);
	pthread_mutex_lock(&ask_lock);
	rc = rte_mp_request_sync(&msg, &reply, &wait) < 0 ? -rte_errno : 0;
	pthread_mutex_unlock(&ask_lock);
	in = reply.nb_received == 1 ? xdp_mp_read(&reply.msgs[0]) : NULL;
	if (rc == 0 && in == NULL)
		rc = -EPROTO;
	*n_fds = 0;
	if (rc == 0) {
		*m = *in;
		rc = m->rc;
		*n_fds = reply.msgs[0].num_fds;
		memcpy(fds, reply.msgs[0].fds, sizeof(reply.msgs[0].fds));
	}
	free(reply.msgs);
	return rc;
}

int xdp_guest_stats(struct rte_eth_dev *dev, struct xdp_count *out)
{
	struct xdp_mp_message m = {.what = XDP_MP_STATS, .port_id = dev->data->port_id};
	int fds[RTE_MP_MAX_FD_NUM], n_fds;
	const int rc = ask(&m, fds, &n_fds);

	if (rc < 0)
		return rc;
	*out = xdp_port_of(dev)->stats->asked;
	return 0;
}

static void close_all(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
	free(fds);
}

/* All sockets of a generation, in their order. -EAGAIN: there are none, or not any more. */
static int ask_socks(uint16_t port_id, uint32_t generation, int **out, unsigned *n)
{
	struct xdp_mp_message m;
	int *fds = NULL;
	unsigned have = 0;
	int rc, got;

	do {
		int some[RTE_MP_MAX_FD_NUM];

		m = (struct xdp_mp_message){
			.what = XDP_MP_SOCKETS, .port_id = port_id, .first = (uint16_t)have};
		rc = ask(&m, some, &got);
		if (rc == 0 && (m.generation != generation || got == 0))
			rc = -EAGAIN;
		if (fds == NULL && rc == 0)
			fds = calloc(m.n_socks + RTE_MP_MAX_FD_NUM, sizeof(int));
		if (fds == NULL && rc == 0)
			rc = -ENOMEM;
		for (int i = 0; i < got; i++) {
			if (rc < 0)
				close(some[i]);
			else
				fds[have++] = some[i];
		}
	} while (rc == 0 && have < m.n_socks);
	if (rc < 0) {
		close_all(fds, have);
		return rc;
	}
	*out = fds;
	*n = have;
	return 0;
}

/* ---- mapping ---- */

static int map_ring(struct guest *g, int fd, enum xdp_ring_kind kind, const struct xdp_ring *ring)
{
	int rc;

	if (ring->map_bytes == 0)
		return 0;
	rc = xdp_sock_ring_again(fd, kind, ring);
	if (rc == 0)
		g->maps[g->n_maps++] = (struct mapping){ring->map, ring->map_bytes};
	return rc;
}

static void unmap(struct guest *g)
{
	for (unsigned i = 0; i < g->n_maps; i++)
		munmap(g->maps[i].at, g->maps[i].bytes);
	free(g->maps);
	g->maps = NULL;
	g->n_maps = 0;
}

static int map_rings(struct guest *g, const int *fds)
{
	const struct xdp_port *port = xdp_port_of(g->dev);
	int rc = 0;

	g->maps = calloc(port->n_socks * 2u + port->n_channels * 2u, sizeof(*g->maps));
	if (g->maps == NULL)
		return -ENOMEM;
	for (uint16_t i = 0; rc == 0 && i < port->n_socks; i++) {
		rc = map_ring(g, fds[i], XDP_RING_RX, &port->socks[i].rx);
		if (rc == 0)
			rc = map_ring(g, fds[i], XDP_RING_TX, &port->socks[i].tx);
	}
	for (uint16_t c = 0; rc == 0 && c < port->n_channels; c++) {
		const struct xdp_channel *ch = &port->channels[c];
		uint16_t i = 0;

		while (port->socks[i].channel != ch) /* any has its hardware queue's rings */
			i++;
		rc = map_ring(g, fds[i], XDP_RING_FILL, &ch->fill);
		if (rc == 0)
			rc = map_ring(g, fds[i], XDP_RING_COMPLETION, &ch->comp);
	}
	if (rc < 0)
		unmap(g);
	return rc;
}

static void show_queues(struct guest *g)
{
	const struct rte_eth_dev_data *data = g->dev->data;

	for (uint16_t i = 0; i < data->nb_rx_queues; i++)
		__atomic_store_n(&g->rx[i].queue, data->rx_queues[i], __ATOMIC_SEQ_CST);
	for (uint16_t i = 0; i < data->nb_tx_queues; i++)
		__atomic_store_n(&g->tx[i].queue, data->tx_queues[i], __ATOMIC_SEQ_CST);
}

static void hide_queue(struct handle *h)
{
	__atomic_store_n(&h->queue, NULL, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&h->busy, __ATOMIC_SEQ_CST)) /* as long as a burst is */
		sched_yield();
}

/* Take the sockets of a generation, unless it is over. The lock is held. */
static int move_in(struct guest *g, uint32_t generation, int *fds, unsigned n)
{
	const struct xdp_port *port = xdp_port_of(g->dev);
	int rc = -EAGAIN;

	if (g->seat->mapped != 0)
		return rc;
	__atomic_store_n(&g->seat->mapped, generation, __ATOMIC_SEQ_CST);
	/* From here on, what was still so stays so until the seat says otherwise. */
	if (__atomic_load_n(&g->all->generation, __ATOMIC_SEQ_CST) == generation)
		rc = map_rings(g, fds);
	if (rc < 0) {
		__atomic_store_n(&g->seat->mapped, 0, __ATOMIC_SEQ_CST);
		return rc;
	}
	g->n_fds = n;
	xdp_fds[port->port_id] = fds;
	show_queues(g);
	return 0;
}

/* Let go of all. The lock is held. */
static void move_out(struct guest *g)
{
	if (g->seat->mapped == 0)
		return;
	for (unsigned i = 0; i < XDP_MAX_QUEUES; i++) {
		hide_queue(&g->rx[i]);
		hide_queue(&g->tx[i]);
	}
	unmap(g);
	close_all(xdp_fds[g->port_id], g->n_fds);
	xdp_fds[g->port_id] = NULL;
	__atomic_store_n(&g->seat->mapped, 0, __ATOMIC_SEQ_CST);
}

/* Have what the port has now. */
static void follow(void *arg)
{
	struct guest *g = arg;
	const struct xdp_port *port = xdp_port_of(g->dev);
	uint32_t generation;
	int *fds = NULL;
	unsigned n = 0;
	int rc;

	if (port == NULL || port->guests != g->all) /* the host has closed that port */
		return;
	generation = __atomic_load_n(&g->all->generation, __ATOMIC_SEQ_CST);
	if (generation % 2 == 0)
		return;
	rc = ask_socks(port->port_id, generation, &fds, &n);
	pthread_mutex_lock(&map_lock);
	if (rc == 0)
		rc = move_in(g, generation, fds, n);
	pthread_mutex_unlock(&map_lock);
	if (rc == 0)
		return;
	close_all(fds, n);
	if (rc != -EAGAIN)
		XDP_LOG(WARNING, "%s: statistics only, no packets in this process: %s",
			port->args.iface,
			rc == -EEXIST ? "something else is where the primary process has a ring"
				      : strerror(-rc));
}

static int on_news(const struct rte_mp_msg *msg, const void *peer)
{
	const struct xdp_mp_message *m = xdp_mp_read(msg);
	int rc = 0;

	if (m == NULL)
		return -EINVAL;
	pthread_mutex_lock(&map_lock);
	if (guests[m->port_id] == NULL)
		rc = 0;
	else if (m->what == XDP_MP_STOPPED)
		move_out(guests[m->port_id]);
	else if (m->what == XDP_MP_STARTED)
		rc = rte_eal_alarm_set(1, follow, guests[m->port_id]);
	pthread_mutex_unlock(&map_lock);
	return rc;
}

/* ---- life ---- */

static struct xdp_seat *take_seat(struct xdp_guests *all)
{
	for (unsigned i = 0; i < XDP_MAX_GUESTS; i++) {
		int nobody = 0;

		if (__atomic_compare_exchange_n(&all->seats[i].pid, &nobody, getpid(), false,
						__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return &all->seats[i];
	}
	return NULL;
}

static int sit_down(struct rte_eth_dev *dev, struct guest **out)
{
	struct xdp_port *port = xdp_port_of(dev);
	struct guest *g = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*g));

	if (g == NULL)
		return -ENOMEM;
	memset(g, 0, sizeof(*g));
	g->dev = dev;
	g->port_id = port->port_id;
	g->all = port->guests;
	g->seat = take_seat(g->all);
	if (g->seat == NULL) {
		free(g);
		XDP_LOG(ERR, "%s: it has %d secondary processes already", port->args.iface,
			XDP_MAX_GUESTS);
		return -EUSERS;
	}
	for (unsigned i = 0; i < XDP_MAX_QUEUES; i++) {
		g->rx_data[i] = &g->rx[i];
		g->tx_data[i] = &g->tx[i];
	}
	*out = g;
	return 0;
}

int xdp_guest_probe(struct rte_vdev_device *vdev)
{
	struct rte_eth_dev *dev = rte_eth_dev_attach_secondary(rte_vdev_device_name(vdev));
	static bool listening;
	struct guest *g;
	int rc;

	if (dev == NULL) {
		XDP_LOG(ERR, "%s is not a port of the primary process", rte_vdev_device_name(vdev));
		return -ENODEV;
	}
	dev->device = &vdev->device;
	dev->dev_ops = &xdp_guest_ops;
	rc = sit_down(dev, &g);
	if (rc < 0) {
		rte_eth_dev_release_port(dev);
		return rc;
	}
	pthread_mutex_lock(&map_lock);
	guests[g->port_id] = g;
	pthread_mutex_unlock(&map_lock);
	if (!listening && rte_mp_action_register(XDP_MP_ACTION, on_news) < 0) {
		rc = -rte_errno;
		xdp_guest_close(dev);
		rte_eth_dev_release_port(dev);
		return rc;
	}
	listening = true;
	follow(g);
	dev->rx_pkt_burst = rx_burst;
	dev->tx_pkt_burst = tx_burst;
	rte_eth_dev_probing_finish(dev);
	rte_eth_fp_ops[g->port_id].rxq.data = g->rx_data;
	rte_eth_fp_ops[g->port_id].txq.data = g->tx_data;
	return 0;
}

int xdp_guest_close(struct rte_eth_dev *dev)
{
	const uint16_t port_id = dev->data->port_id;
	struct guest *g;

	pthread_mutex_lock(&map_lock);
	g = guests[port_id];
	guests[port_id] = NULL; /* no alarm is set from now on */
	pthread_mutex_unlock(&map_lock);
	if (g == NULL)
		return 0;
	rte_eal_alarm_cancel(follow, g); /* waits for one that runs */
	pthread_mutex_lock(&map_lock);
	move_out(g);
	pthread_mutex_unlock(&map_lock);
	__atomic_store_n(&g->seat->pid, 0, __ATOMIC_SEQ_CST);
	free(g);
	return 0;
}
