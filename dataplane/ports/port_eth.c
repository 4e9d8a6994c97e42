/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A port on any DPDK device, once it is open: packets, counters, wake-ups.
 *
 * How it is opened and closed is port_eth_probe.c.
 */

#include "port_eth_priv.h"

#include "eal_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

uint16_t port_eth_rx(struct weir_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	return rte_eth_rx_burst(p->dpdk_id, queue, pkts, n);
}

uint16_t port_eth_tx(struct weir_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	return rte_eth_tx_burst(p->dpdk_id, queue, pkts, n);
}

/* virtio, for one, has the length in the pseudo header's sum of what it cuts; mbuf has not. */
uint16_t port_eth_prepare(struct weir_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	return rte_eth_tx_prepare(p->dpdk_id, queue, pkts, n);
}

static int stats(struct weir_port *p, struct weir_port_stats *out)
{
	struct rte_eth_stats s;
	int rc;

	if (!port_eth(p)->started) {
		*out = port_eth(p)->last;
		return 0;
	}
	rc = rte_eth_stats_get(p->dpdk_id, &s);
	if (rc < 0)
		return rc;
	*out = (struct weir_port_stats){
		.rx_pkts = s.ipackets,
		.rx_bytes = s.ibytes,
		.tx_pkts = s.opackets,
		.tx_bytes = s.obytes,
		.rx_missed = s.imissed,
		.rx_errors = s.ierrors,
		.rx_no_mbuf = s.rx_nombuf,
		.tx_errors = s.oerrors,
	};
	return 0;
}

/* net_af_xdp and net_af_packet say "up" whatever happens, so Linux is asked. */
static bool link_up(struct weir_port *p)
{
	const struct port_eth *e = port_eth(p);
	struct rte_eth_link link = {0};

	if (e->kind == PORT_ETH_AF_XDP || e->kind == PORT_ETH_AF_PACKET)
		return linux_if_running(e->interface);
	return rte_eth_link_get_nowait(p->dpdk_id, &link) == 0 &&
	       link.link_status == RTE_ETH_LINK_UP;
}

static int each_xstat(struct weir_port *p,
		      void (*emit)(void *ctx, const char *name, uint64_t value), void *ctx)
{
	const int n = rte_eth_xstats_get_names(p->dpdk_id, NULL, 0);
	struct rte_eth_xstat_name *names;
	struct rte_eth_xstat *values;
	int rc = 0;

	if (n <= 0)
		return n;
	names = calloc((size_t)n, sizeof(names[0]));
	values = calloc((size_t)n, sizeof(values[0]));
	if (names == NULL || values == NULL)
		rc = -ENOMEM;
	else if (rte_eth_xstats_get_names(p->dpdk_id, names, (unsigned)n) != n ||
		 rte_eth_xstats_get(p->dpdk_id, values, (unsigned)n) != n)
		rc = -EAGAIN; /* they changed in between */
	for (int i = 0; rc == 0 && i < n; i++)
		emit(ctx, names[values[i].id].name, values[i].value);
	free(names);
	free(values);
	return rc;
}

/* ---- wake-ups ---- */

static int intr_add(struct weir_port *p, uint16_t queue)
{
	struct port_eth *e = port_eth(p);
	struct port_eth_wait *w = &e->wait[queue];

	if (queue >= p->rxqs || !(p->caps & WEIR_PORT_INTR))
		return -ENOTSUP;
	if (e->device_intr)
		return rte_eth_dev_rx_intr_ctl_q(p->dpdk_id, queue, RTE_EPOLL_PER_THREAD,
						 RTE_INTR_EVENT_ADD, NULL);
	/* level-triggered: no packet is lost between the last poll and the sleep */
	w->event = (struct rte_epoll_event){.epdata.event = EPOLLIN, .epdata.data = w};
	return rte_epoll_ctl(RTE_EPOLL_PER_THREAD, EPOLL_CTL_ADD, w->fd, &w->event) == 0 ? 0 : -EIO;
}

static void intr_arm(struct weir_port *p, uint16_t queue, bool on)
{
	if (!port_eth(p)->device_intr)
		return;
	if (on)
		(void)rte_eth_dev_rx_intr_enable(p->dpdk_id, queue);
	else
		(void)rte_eth_dev_rx_intr_disable(p->dpdk_id, queue);
}

static void intr_del(struct weir_port *p, uint16_t queue)
{
	struct port_eth *e = port_eth(p);

	if (queue >= p->rxqs || !(p->caps & WEIR_PORT_INTR))
		return;
	if (e->device_intr)
		(void)rte_eth_dev_rx_intr_ctl_q(p->dpdk_id, queue, RTE_EPOLL_PER_THREAD,
						RTE_INTR_EVENT_DEL, NULL);
	else
		(void)rte_epoll_ctl(RTE_EPOLL_PER_THREAD, EPOLL_CTL_DEL, e->wait[queue].fd,
				    &e->wait[queue].event);
}

/* A TAP's descriptors need no arming; others that cannot be armed have no interrupts. */
static bool has_device_intr(struct port_eth *e)
{
	const uint16_t id = e->port.dpdk_id;

	if (e->port.rxqs == 0)
		return false;
	if (rte_eth_dev_rx_intr_disable(id, 0) < 0 && strcmp(e->port.driver, "net_tap") != 0)
		return false;
	return rte_eth_dev_rx_intr_ctl_q_get_fd(id, 0) >= 0;
}

static bool has_sockets(const struct port_eth *e)
{
	for (uint16_t q = 0; q < e->port.rxqs; q++)
		if (e->wait[q].fd < 0)
			return false;
	return e->port.rxqs > 0;
}

static void find_wakeups(struct port_eth *e)
{
	e->device_intr = false;
	if (has_sockets(e)) {
		e->port.caps |= WEIR_PORT_INTR;
	} else if (e->kind != PORT_ETH_AF_XDP && e->kind != PORT_ETH_AF_PACKET) {
		e->device_intr = has_device_intr(e);
		e->port.caps |= e->device_intr ? WEIR_PORT_INTR : 0;
	}
}

static int start(struct weir_port *p, struct weir_why *why)
{
	struct port_eth *e = port_eth(p);
	int rc;

	if (e->started)
		return 0;
	eal_log_hush();
	rc = rte_eth_dev_start(p->dpdk_id);
	if (rc == 0)
		find_wakeups(e);
	if (rc == 0 && (p->caps & WEIR_PORT_RSS) && !port_eth_rss_holds(e))
		p->caps &= ~(uint32_t)WEIR_PORT_RSS; /* then software hashes */
	eal_log_speak();
	if (rc < 0)
		return port_eth_refused(e, rc, "it does not start", why);
	e->started = true;
	return 0;
}

static void stop(struct weir_port *p)
{
	struct port_eth *e = port_eth(p);

	if (!e->started)
		return;
	(void)stats(p, &e->last);
	(void)rte_eth_dev_stop(p->dpdk_id);
	e->started = false;
}

const struct weir_port_ops port_eth_ops = {
	.start = start,
	.stop = stop,
	.close = port_eth_close,
	.stats = stats,
	.link_up = link_up,
	.each_xstat = each_xstat,
	.intr_add = intr_add,
	.intr_arm = intr_arm,
	.intr_del = intr_del,
};
