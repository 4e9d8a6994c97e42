/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * From ethdev queues to sockets on hardware queues: laid out, opened, filled, and closed again.
 *
 * The first socket of all registers the UMEM; the first of each hardware queue has its fill and
 * completion ring; all others share. Sockets cannot be unbound, so each start opens them anew.
 */

#include "port_priv.h"

#include "abi_priv.h"
#include "log_priv.h"
#include "netdev_priv.h"
#include "stats_priv.h"

#include <rte_malloc.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_TRIES    100
#define DRAIN_PAUSE_NS 1000000

int *xdp_fds[RTE_MAX_ETHPORTS];

static int ring_size(const struct xdp_port *port, uint16_t n_descs, uint16_t *out)
{
	if (n_descs < XDP_DESC_MIN || n_descs > XDP_DESC_MAX) {
		XDP_LOG(ERR, "%s: %u descriptors, a ring has %d to %d", port->args.iface, n_descs,
			XDP_DESC_MIN, XDP_DESC_MAX);
		return -EINVAL;
	}
	*out = (uint16_t)rte_align32pow2(n_descs);
	return 0;
}

int xdp_rx_queue_setup(struct rte_eth_dev *dev, uint16_t id, uint16_t n_descs, unsigned socket,
		       const struct rte_eth_rxconf *conf, struct rte_mempool *pool)
{
	struct xdp_port *port = xdp_port_of(dev);
	struct xdp_umem umem;
	struct xdp_rxq *q;
	uint16_t size;
	int rc;

	rc = ring_size(port, n_descs, &size);
	if (rc == 0 && pool == NULL) {
		XDP_LOG(ERR, "%s: rx queue %u has no pool: buffer split is not offered",
			port->args.iface, id);
		rc = -ENOTSUP;
	}
	if (rc == 0 && conf->rx_deferred_start) {
		XDP_LOG(ERR, "%s: rx queue %u: deferred start is not offered", port->args.iface,
			id);
		rc = -ENOTSUP;
	}
	if (rc == 0)
		rc = xdp_umem_plan(port->args.iface, &pool, 1, &umem);
	if (rc < 0)
		return rc;
	q = rte_zmalloc_socket("xdp_rxq", sizeof(*q), RTE_CACHE_LINE_SIZE, (int)socket);
	if (q == NULL)
		return -ENOMEM;
	q->port = port;
	q->pool = pool;
	q->id = id;
	q->n_descs = size;
	dev->data->rx_queues[id] = q;
	return 0;
}

void xdp_rx_queue_release(struct rte_eth_dev *dev, uint16_t id)
{
	rte_free(xdp_stats_take_rxq(dev, id));
}

int xdp_tx_queue_setup(struct rte_eth_dev *dev, uint16_t id, uint16_t n_descs, unsigned socket,
		       const struct rte_eth_txconf *conf)
{
	struct xdp_port *port = xdp_port_of(dev);
	struct xdp_txq *q;
	uint16_t size;
	int rc;

	rc = ring_size(port, n_descs, &size);
	if (rc == 0 && conf->tx_deferred_start) {
		XDP_LOG(ERR, "%s: tx queue %u: deferred start is not offered", port->args.iface,
			id);
		rc = -ENOTSUP;
	}
	if (rc < 0)
		return rc;
	q = rte_zmalloc_socket("xdp_txq", sizeof(*q), RTE_CACHE_LINE_SIZE, (int)socket);
	if (q == NULL)
		return -ENOMEM;
	q->port = port;
	q->id = id;
	q->n_descs = size;
	dev->data->tx_queues[id] = q;
	return 0;
}

void xdp_tx_queue_release(struct rte_eth_dev *dev, uint16_t id)
{
	rte_free(xdp_stats_take_txq(dev, id));
}

/* ---- layout ---- */

static struct xdp_channel *channel_of(struct xdp_port *port, uint16_t hwq)
{
	for (uint16_t c = 0; c < port->n_channels; c++)
		if (port->channels[c].hwq == hwq)
			return &port->channels[c];
	port->channels[port->n_channels] = (struct xdp_channel){.hwq = hwq};
	return &port->channels[port->n_channels++];
}

static struct xdp_sock *add_sock(struct xdp_port *port, struct xdp_channel *ch)
{
	struct xdp_sock *s = &port->socks[port->n_socks];

	*s = (struct xdp_sock){
		.index = port->n_socks++,
		.rxq = UINT16_MAX,
		.txq = UINT16_MAX,
		.channel = ch,
	};
	ch->n_socks++;
	return s;
}

static void lay_rx(struct rte_eth_dev *dev, struct xdp_port *port)
{
	const uint16_t stride = port->modes.soft_rss ? port->n_rxqs : 1;

	for (uint16_t c = 0; c < port->n_rx_channels; c++) {
		struct xdp_channel *ch = channel_of(port, (uint16_t)port->args.start_queue + c);

		ch->fill_shared = stride > 1;
		for (uint16_t i = 0; i < stride; i++) {
			const uint16_t id = port->modes.soft_rss ? i : c % port->n_rxqs;
			struct xdp_rxq *q = dev->data->rx_queues[id];
			struct xdp_sock *s = add_sock(port, ch);

			s->rxq = id;
			s->slot = c * stride + i;
			q->socks[q->n_socks++] = s;
		}
	}
}

/* The receive socket of the same number, if it is on that hardware queue: one thread has both. */
static struct xdp_sock *pair_of(struct rte_eth_dev *dev, const struct xdp_channel *ch, uint16_t id)
{
	const struct xdp_rxq *q = id < dev->data->nb_rx_queues ? dev->data->rx_queues[id] : NULL;

	for (uint16_t i = 0; q != NULL && i < q->n_socks; i++)
		if (q->socks[i]->channel == ch && q->socks[i]->txq == UINT16_MAX)
			return q->socks[i];
	return NULL;
}

static void lay_tx(struct rte_eth_dev *dev, struct xdp_port *port)
{
	for (uint16_t id = 0; id < port->n_txqs; id++) {
		struct xdp_txq *q = dev->data->tx_queues[id];
		const uint16_t hwq = (uint16_t)((port->args.start_queue + id) % port->tx_channels);
		struct xdp_channel *ch = channel_of(port, hwq);

		q->sock = pair_of(dev, ch, id);
		if (q->sock == NULL)
			q->sock = add_sock(port, ch);
		q->sock->txq = id;
		q->kick = false;
		ch->comp_shared = ch->n_txqs++ > 0;
	}
}

static int lay_out(struct rte_eth_dev *dev)
{
	struct xdp_port *port = xdp_port_of(dev);
	const unsigned rx = port->n_rx_channels * (port->modes.soft_rss ? port->n_rxqs : 1);
	const unsigned n = rx + port->n_txqs;

	if (rx > XDP_MAX_SOCKS) {
		XDP_LOG(ERR,
			"%s: %u rx queues on each of %u hardware queues need %u sockets, at most %d: "
			"set hw_queues= or rss=hw",
			port->args.iface, port->n_rxqs, port->n_rx_channels, rx, XDP_MAX_SOCKS);
		return -EINVAL;
	}
	port->socks = rte_zmalloc("xdp_socks", n * sizeof(*port->socks), RTE_CACHE_LINE_SIZE);
	xdp_fds[port->port_id] = malloc(n * sizeof(int));
	if (port->socks == NULL || xdp_fds[port->port_id] == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++)
		xdp_fds[port->port_id][i] = -1;
	port->n_socks = 0;
	port->n_channels = 0;
	for (uint16_t i = 0; i < port->n_rxqs; i++) {
		struct xdp_rxq *q = dev->data->rx_queues[i];

		q->n_socks = 0;
		q->turn = 0;
	}
	lay_rx(dev, port);
	lay_tx(dev, port);
	return 0;
}

/* ---- opening ---- */

/* Buffers that a hardware queue has: each of its rx queues gives a like share to each of its
 * sockets. */
static uint32_t share_of(const struct rte_eth_dev *dev, const struct xdp_sock *s)
{
	const struct xdp_rxq *q = s->rxq == UINT16_MAX ? NULL : dev->data->rx_queues[s->rxq];

	return q == NULL ? 0 : RTE_MAX(q->n_descs / q->n_socks, XDP_DESC_MIN);
}

static int no(const struct xdp_port *port, const struct xdp_sock *s, const char *what, int rc)
{
	const char *hint =
		rc == -EPERM ? ": needs CAP_NET_RAW"
		: rc == -ENOBUFS
			? ": the memory is over RLIMIT_MEMLOCK (ulimit -l, or CAP_IPC_LOCK)"
		: rc == -EBUSY ? ": another socket has this queue"
		: rc == -EOPNOTSUPP && port->args.zerocopy == XDP_WANT_ON
			? ": zerocopy=on, which this device or the attach mode cannot"
		: rc == -EAFNOSUPPORT ? ": this kernel has no AF_XDP (CONFIG_XDP_SOCKETS)"
				      : "";

	XDP_LOG(ERR, "%s: hardware queue %u: cannot %s: %s%s", port->args.iface, s->channel->hwq,
		what, strerror(-rc), hint);
	return rc;
}

static int register_umem(struct xdp_port *port, int fd)
{
	struct xdp_umem_shape shape = {
		.base = port->umem.base,
		.bytes = port->umem.bytes,
		.chunk_bytes = port->umem.chunk_bytes,
		.headroom_bytes = port->umem.head_bytes,
		.tx_meta_bytes = port->args.txcsum == XDP_WANT_TXCSUM_SOFT
					 ? 0
					 : sizeof(struct xsk_tx_request),
	};
	int rc;

	port->modes.tx_meta = shape.tx_meta_bytes > 0;
	rc = xdp_sock_umem(fd, &shape);
	if (rc == -EINVAL && port->modes.tx_meta) {
		shape.tx_meta_bytes = 0;
		port->modes.tx_meta = false;
		rc = xdp_sock_umem(fd, &shape);
	}
	return rc;
}

/* The fill and completion ring of a hardware queue, on its first socket. */
static int open_channel_rings(const struct rte_eth_dev *dev, struct xdp_port *port,
			      struct xdp_channel *ch, int fd)
{
	uint32_t fill = 0, comp = 0;
	int rc;

	for (uint16_t i = 0; i < port->n_socks; i++) {
		const struct xdp_sock *s = &port->socks[i];

		if (s->channel != ch)
			continue;
		fill += share_of(dev, s);
		if (s->txq != UINT16_MAX)
			comp += ((struct xdp_txq *)dev->data->tx_queues[s->txq])->n_descs;
	}
	rc = xdp_sock_ring(fd, XDP_RING_FILL, rte_align32pow2(RTE_MAX(fill, XDP_DESC_MIN)),
			   &ch->fill);
	if (rc == 0)
		rc = xdp_sock_ring(fd, XDP_RING_COMPLETION,
				   rte_align32pow2(RTE_MAX(comp, XDP_DESC_MIN)), &ch->comp);
	return rc;
}

static int open_rings(const struct rte_eth_dev *dev, struct xdp_sock *s, int fd)
{
	int rc = 0;

	if (s->rxq != UINT16_MAX)
		rc = xdp_sock_ring(fd, XDP_RING_RX,
				   ((struct xdp_rxq *)dev->data->rx_queues[s->rxq])->n_descs,
				   &s->rx);
	if (rc == 0 && s->txq != UINT16_MAX)
		rc = xdp_sock_ring(fd, XDP_RING_TX,
				   ((struct xdp_txq *)dev->data->tx_queues[s->txq])->n_descs,
				   &s->tx);
	return rc;
}

static int bind_first(struct xdp_port *port, const struct xdp_sock *s, int fd)
{
	const enum xdp_want zc = port->args.zerocopy;
	uint16_t flags = zc == XDP_WANT_ON ? XDP_ZEROCOPY : zc == XDP_WANT_OFF ? XDP_COPY : 0;

	if (port->modes.need_wakeup)
		flags |= XDP_USE_NEED_WAKEUP;
	if (port->modes.scatter)
		flags |= XSK_USE_SG;
	return xdp_sock_bind(fd, port->ifindex, s->channel->hwq, flags, -1, &port->bind_retries);
}

static int open_sock(struct rte_eth_dev *dev, struct xdp_sock *s)
{
	struct xdp_port *port = xdp_port_of(dev);
	int *fds = xdp_fds[port->port_id];
	struct xdp_channel *ch = s->channel;
	const struct xdp_sock *owner;
	int fd, rc;

	for (owner = port->socks; owner->channel != ch; owner++)
		;
	fd = xdp_sock_open();
	if (fd < 0)
		return no(port, s, "open a socket", fd);
	fds[s->index] = fd;
	if (s->index == 0) {
		rc = register_umem(port, fd);
		if (rc < 0)
			return no(port, s, "register the pool's memory", rc);
	}
	rc = open_rings(dev, s, fd);
	if (rc == 0 && owner == s)
		rc = open_channel_rings(dev, port, ch, fd);
	if (rc < 0)
		return no(port, s, "make its rings", rc);
	if (s->index == 0)
		rc = bind_first(port, s, fd);
	else
		rc = xdp_sock_bind(fd, port->ifindex, ch->hwq, XDP_SHARED_UMEM,
				   fds[owner == s ? 0 : owner->index], &port->bind_retries);
	if (rc < 0)
		return no(port, s, "bind a socket", rc);
	return 0;
}

static int fill_all(struct rte_eth_dev *dev)
{
	struct xdp_port *port = xdp_port_of(dev);

	for (uint16_t i = 0; i < port->n_socks; i++) {
		struct xdp_sock *s = &port->socks[i];

		s->owed = share_of(dev, s);
		if (s->owed == 0)
			continue;
		xdp_rx_refill(dev->data->rx_queues[s->rxq], s);
		if (s->owed > 0) {
			XDP_LOG(ERR,
				"%s: pool %s has too few buffers: rx queue %u takes %u of them",
				port->args.iface,
				((struct xdp_rxq *)dev->data->rx_queues[s->rxq])->pool->name,
				s->rxq, ((struct xdp_rxq *)dev->data->rx_queues[s->rxq])->n_descs);
			return -ENOMEM;
		}
	}
	return 0;
}

/* Preferred busy polling: by default where the device copies nothing. It slows a copying one
 * (docs/guide/xdp). */
static void tune(struct xdp_port *port)
{
	const enum xdp_want want = port->args.busy_poll;
	const int *fds = xdp_fds[port->port_id];
	int rc = 0;

	port->modes.busy_poll = want == XDP_WANT_ON ||
				(want == XDP_WANT_AUTO && port->modes.zero_copy);
	for (uint16_t i = 0; i < port->n_socks; i++) {
		if (port->modes.busy_poll)
			rc = xdp_sock_busy_poll(fds[i], (int)port->args.busy_usecs,
						(int)port->args.busy_budget);
		if (rc < 0)
			break;
		if (port->socks[i].txq !=
		    UINT16_MAX) /* only since Linux 6.17, and only a matter of speed */
			(void)xdp_sock_tx_budget(fds[i], (int)xdp_ring_size(&port->socks[i].tx));
	}
	if (rc < 0) {
		port->modes.busy_poll = false;
		XDP_LOG(NOTICE, "%s: no preferred busy polling: %s", port->args.iface,
			strerror(-rc));
	}
}

/*
 * Requests in front of a packet are for a device that completes checksums itself. A copying kernel
 * takes them too, but a veth hands the packet on unfinished, which only a peer's kernel forgives:
 * so only if asked.
 */
static void choose_tx_cksum(const struct rte_eth_dev *dev)
{
	struct xdp_port *port = xdp_port_of(dev);
	struct netdev_xdp xdp = {0};
	bool device;

	device = port->modes.zero_copy &&
		 netdev_xdp_features(xdp_local_of(dev)->netdev, &xdp) == 0 &&
		 (xdp.xsk & NETDEV_XSK_FLAGS_TX_CHECKSUM);
	if (port->args.txcsum == XDP_WANT_TXCSUM_AUTO || port->modes.zero_copy)
		port->modes.tx_meta = port->modes.tx_meta && device;
	if (port->args.txcsum == XDP_WANT_TXCSUM_KERNEL && !port->modes.tx_meta)
		XDP_LOG(NOTICE, "%s: txcsum=kernel: not to be had, checksums are computed here",
			port->args.iface);
}

int xdp_queues_start(struct rte_eth_dev *dev)
{
	struct xdp_port *port = xdp_port_of(dev);
	struct rte_mempool *pools[XDP_MAX_QUEUES];
	struct rte_mbuf seed = {.nb_segs = 1, .port = port->port_id};
	int rc;

	for (uint16_t i = 0; i < port->n_rxqs; i++)
		pools[i] = ((struct xdp_rxq *)dev->data->rx_queues[i])->pool;
	rc = xdp_umem_plan(port->args.iface, pools, port->n_rxqs, &port->umem);
	if (rc < 0)
		return rc;
	port->pool = pools[0];
	rte_mbuf_refcnt_set(&seed, 1);
	/* The descriptor's offset counts from the mbuf, data_off from the buffer: no carry, the sum
	 * is at least 256. */
	seed.data_off = 0;
	port->rearm = *(const uint64_t *)&seed.rearm_data - port->umem.head_bytes;
	rc = lay_out(dev);
	for (uint16_t i = 0; rc == 0 && i < port->n_socks; i++)
		rc = open_sock(dev, &port->socks[i]);
	if (rc == 0)
		rc = xdp_sock_is_zero_copy(xdp_fds[port->port_id][0], &port->modes.zero_copy);
	if (rc == 0) {
		choose_tx_cksum(dev);
		tune(port);
		rc = xdp_umem_watch(&port->umem);
	}
	if (rc == 0)
		rc = fill_all(dev);
	if (rc < 0)
		xdp_queues_stop(dev);
	else
		xdp_stats_open(port);
	return rc;
}

/* ---- closing ---- */

/* Descriptors that the kernel has not read, and all that it has not given back. */
static void count_unsent(const struct xdp_port *port, const struct xdp_channel *ch,
			 uint32_t *unread, uint32_t *out)
{
	uint32_t sent = 0;

	*unread = 0;
	for (uint16_t i = 0; i < port->n_socks; i++) {
		const struct xdp_sock *s = &port->socks[i];

		if (s->channel != ch || s->tx.map_bytes == 0)
			continue;
		sent += s->tx.head;
		*unread += s->tx.head - __atomic_load_n(s->tx.consumer, __ATOMIC_ACQUIRE);
	}
	*out = sent - ch->comp.head;
}

/* Give the kernel a moment to send what it was given. A link that is down sends nothing. */
static void drain(struct rte_eth_dev *dev, struct xdp_channel *ch)
{
	const struct timespec pause = {.tv_nsec = DRAIN_PAUSE_NS};
	struct xdp_port *port = xdp_port_of(dev);
	uint32_t unread, out;

	for (unsigned tries = 0; tries < DRAIN_TRIES; tries++) {
		int rc = 0;

		for (uint16_t i = 0; i < port->n_socks; i++)
			if (port->socks[i].channel == ch && port->socks[i].tx.map_bytes > 0)
				rc = xdp_tx_kick(dev->data->tx_queues[port->socks[i].txq]);
		xdp_tx_reclaim(port, ch);
		count_unsent(port, ch, &unread, &out);
		if (out == 0 || (out == unread && rc < 0 && rc != -EAGAIN))
			return;
		nanosleep(&pause, NULL);
	}
}

/* Descriptors that the kernel never read: what we own alone is swept, what others hold too is let
 * go here. */
static void let_go_unread(struct xdp_port *port, const struct xdp_channel *ch)
{
	uint32_t unread, out;

	count_unsent(port, ch, &unread, &out);
	if (out != unread) {
		XDP_LOG(WARNING,
			"%s: hardware queue %u still sends %u packets after %d ms: those that "
			"others hold too are not counted back",
			port->args.iface, ch->hwq, out - unread, DRAIN_TRIES);
		return;
	}
	for (uint16_t i = 0; i < port->n_socks; i++) {
		const struct xdp_sock *s = &port->socks[i];

		if (s->channel != ch || s->tx.map_bytes == 0)
			continue;
		for (uint32_t at = __atomic_load_n(s->tx.consumer, __ATOMIC_ACQUIRE);
		     at != s->tx.head; at++) {
			struct rte_mbuf *m =
				xdp_umem_mbuf(&port->umem, xdp_ring_desc(&s->tx, at)->addr);

			if (m->data_off != XDP_MARK)
				rte_pktmbuf_free_seg(m);
		}
	}
}

void xdp_queues_stop(struct rte_eth_dev *dev)
{
	struct xdp_port *port = xdp_port_of(dev);
	int *fds = xdp_fds[port->port_id];

	for (uint16_t c = 0; port->socks != NULL && c < port->n_channels; c++)
		if (port->channels[c].comp.map_bytes > 0) {
			drain(dev, &port->channels[c]);
			let_go_unread(port, &port->channels[c]);
		}
	xdp_stats_close(port);
	for (uint16_t i = 0; port->socks != NULL && i < port->n_socks; i++) {
		rte_pktmbuf_free(port->socks[i].first);
		xdp_sock_unmap(&port->socks[i].rx);
		xdp_sock_unmap(&port->socks[i].tx);
		if (fds != NULL && fds[i] >= 0)
			close(fds[i]);
	}
	for (uint16_t c = 0; c < port->n_channels; c++) {
		xdp_sock_unmap(&port->channels[c].fill);
		xdp_sock_unmap(&port->channels[c].comp);
		/* The kernel lets go a moment after close: a device could still write into our
		 * memory. */
		if (xdp_trial_bind(port, port->channels[c].hwq, XDP_COPY) == -EBUSY)
			XDP_LOG(WARNING, "%s: hardware queue %u is still busy", port->args.iface,
				port->channels[c].hwq);
	}
	xdp_umem_forget(&port->umem);
	xdp_umem_sweep(&port->umem, port->port_id);
	free(fds);
	xdp_fds[port->port_id] = NULL;
	rte_free(port->socks);
	port->socks = NULL;
	port->n_socks = 0;
	port->n_channels = 0;
}
