/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Receive interrupts: for each rx queue one descriptor, which EAL's epoll waits on.
 *
 * A queue of one socket has that socket's; a queue of several has an epoll descriptor that holds
 * them. There is nothing to switch on or off in the kernel: a descriptor that is watched has an
 * edge for each batch of packets, whenever it comes, so none that comes before the sleep is missed;
 * and the kernel looks into the ring before it wakes anybody, so none that is taken already wakes.
 */

#include "dev_priv.h"

#include "log_priv.h"

#include <rte_interrupts.h>

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* One descriptor for all sockets of a queue. */
static int gather(const struct xdp_rxq *q, const int *fds)
{
	struct epoll_event event = {.events = EPOLLIN};
	const int fd = epoll_create1(EPOLL_CLOEXEC);
	int rc = fd < 0 ? -errno : 0;

	for (uint16_t i = 0; rc == 0 && i < q->n_socks; i++)
		if (epoll_ctl(fd, EPOLL_CTL_ADD, fds[q->socks[i]->index], &event) < 0)
			rc = -errno;
	if (rc < 0 && fd >= 0)
		close(fd);
	return rc < 0 ? rc : fd;
}

static int add_queue(struct rte_eth_dev *dev, uint16_t id)
{
	struct rte_intr_handle *handle = dev->intr_handle;
	const struct xdp_rxq *q = dev->data->rx_queues[id];
	const int *fds = xdp_fds[dev->data->port_id];
	const int fd = q->n_socks == 1 ? fds[q->socks[0]->index] : gather(q, fds);
	int rc = fd < 0 ? fd : 0;

	rc = rc ? rc : rte_intr_efds_index_set(handle, id, fd);
	rc = rc ? rc : rte_intr_nb_efd_set(handle, id + 1);
	return rc ? rc : rte_intr_vec_list_index_set(handle, id, id + RTE_INTR_VEC_RXTX_OFFSET);
}

int xdp_intr_start(struct rte_eth_dev *dev)
{
	const uint16_t n = dev->data->nb_rx_queues;
	struct rte_intr_handle *handle;
	int rc;

	if (!dev->data->dev_conf.intr_conf.rxq)
		return 0;
	handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	dev->intr_handle = handle;
	rc = handle == NULL ? -ENOMEM : rte_intr_type_set(handle, RTE_INTR_HANDLE_VDEV);
	rc = rc ? rc : rte_intr_efd_counter_size_set(handle, 0); /* nothing to read off a wake-up */
	rc = rc ? rc : rte_intr_max_intr_set(handle, n + RTE_INTR_VEC_RXTX_OFFSET);
	rc = rc ? rc : rte_intr_vec_list_alloc(handle, "xdp_intr", n);
	for (uint16_t id = 0; rc == 0 && id < n; id++)
		rc = add_queue(dev, id);
	if (rc < 0) {
		xdp_intr_stop(dev);
		XDP_LOG(ERR, "%s: no receive interrupts: %s", xdp_port_of(dev)->args.iface,
			strerror(-rc));
	}
	return rc;
}

void xdp_intr_stop(struct rte_eth_dev *dev)
{
	struct rte_intr_handle *handle = dev->intr_handle;

	if (handle == NULL)
		return;
	rte_intr_free_epoll_fd(handle); /* out of every epoll that an application put them into */
	for (int id = 0; id < rte_intr_nb_efd_get(handle); id++) {
		const struct xdp_rxq *q = dev->data->rx_queues[id];

		if (q->n_socks != 1)
			close(rte_intr_efds_index_get(handle, id));
	}
	rte_intr_vec_list_free(handle);
	rte_intr_instance_free(handle);
	dev->intr_handle = NULL;
}

/* True if the kernel has no buffer for the socket, and the pool has none either. */
static bool is_dry(struct xdp_rxq *q, struct xdp_sock *s)
{
	const struct xdp_ring *fill = &s->channel->fill;

	if (s->owed > 0)
		xdp_rx_refill(q, s);
	return s->owed > 0 && __atomic_load_n(fill->producer, __ATOMIC_RELAXED) ==
				      __atomic_load_n(fill->consumer, __ATOMIC_RELAXED);
}

/*
 * Called by the thread that polls the queue. Nothing comes in, and so nobody is woken, where there
 * is no buffer, or where the device has stopped to look for one.
 */
int xdp_rx_intr_enable(struct rte_eth_dev *dev, uint16_t id)
{
	struct xdp_rxq *q = dev->data->rx_queues[id];
	const int *fds = xdp_fds[dev->data->port_id];

	if (dev->intr_handle == NULL || fds == NULL) {
		XDP_LOG(ERR,
			"%s: rx queue %u has no interrupt: intr_conf.rxq was not set, the port is "
			"stopped, or another process has it",
			xdp_port_of(dev)->args.iface, id);
		return -ENOTSUP;
	}
	for (uint16_t i = 0; i < q->n_socks; i++) {
		if (is_dry(q, q->socks[i]))
			return -ENOBUFS; /* to be polled until buffers are back */
		if (xdp_ring_asks_wakeup(&q->socks[i]->channel->fill))
			recvfrom(fds[q->socks[i]->index], NULL, 0, MSG_DONTWAIT, NULL, NULL);
	}
	return 0;
}

int xdp_rx_intr_disable(struct rte_eth_dev *dev, uint16_t id)
{
	return dev->intr_handle == NULL ? -ENOTSUP : 0;
}
