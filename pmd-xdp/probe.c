/* SPDX-License-Identifier: BSD-3-Clause */

/* How a port comes to be: --vdev net_weir_xdp0,iface=eth0. */

#include "abi_priv.h"
#include "dev_priv.h"
#include "log_priv.h"
#include "mp_priv.h"
#include "stats_priv.h"
#include "version_priv.h"

#include <bus_vdev_driver.h>
#include <ethdev_vdev.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int check_window(const struct xdp_port *port)
{
	const struct xdp_args *a = &port->args;

	if (a->start_queue >= port->rx_channels) {
		XDP_LOG(ERR, "%s: start_queue=%u, but it has %u receive queues", a->iface,
			a->start_queue, port->rx_channels);
		return -EINVAL;
	}
	if (a->hw_queues > port->rx_channels - a->start_queue) {
		XDP_LOG(ERR, "%s: hw_queues=%u from %u, but it has %u receive queues", a->iface,
			a->hw_queues, a->start_queue, port->rx_channels);
		return -EINVAL;
	}
	if (port->rx_channels > XDP_MAX_CHANNELS || port->tx_channels > XDP_MAX_CHANNELS)
		XDP_LOG(NOTICE, "%s: of its queues the first %d are used", a->iface,
			XDP_MAX_CHANNELS);
	return 0;
}

/* The first thing that needs rights and a kernel with AF_XDP: its errors are told here, once. */
static int try_bind(struct xdp_port *port)
{
	const uint16_t hwq = (uint16_t)port->args.start_queue;
	const char *why = "";
	int rc;

	rc = xdp_trial_bind(port, hwq, XDP_COPY | XSK_USE_SG);
	port->has_sg = rc == 0;
	if (rc == -EINVAL || rc == -EOPNOTSUPP)
		rc = xdp_trial_bind(port, hwq, XDP_COPY);
	if (rc == 0)
		return 0;
	if (rc == -EPERM)
		why = ": needs CAP_NET_RAW, and CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON for the program";
	else if (rc == -EAFNOSUPPORT)
		why = ": this kernel has no AF_XDP (CONFIG_XDP_SOCKETS)";
	else if (rc == -EBUSY)
		why = ": another program has the queue";
	XDP_LOG(ERR, "%s: hardware queue %u: cannot bind an AF_XDP socket: %s%s", port->args.iface,
		hwq, strerror(-rc), why);
	return rc;
}

/* Ask the interface everything that does not change. */
static int learn(struct xdp_port *port, struct netdev *netdev)
{
	uint32_t rx, tx;
	int rc;

	port->ifindex = netdev_ifindex(netdev);
	port->numa_node = netdev_numa_node(netdev);
	port->time_offset = -1;
	rc = netdev_mac_get(netdev, &port->macs[0]);
	if (rc == 0)
		rc = netdev_mtu_get(netdev, &port->mtu);
	if (rc == 0)
		rc = netdev_channels(netdev, &rx, &tx);
	if (rc < 0) {
		XDP_LOG(ERR, "%s: cannot be asked: %s", port->args.iface, strerror(-rc));
		return rc;
	}
	port->rx_channels = (uint16_t)rx;
	port->tx_channels = (uint16_t)RTE_MIN(tx, (uint32_t)XDP_MAX_CHANNELS);
	rc = check_window(port);
	port->rx_channels =
		RTE_MIN(port->rx_channels, (uint16_t)(port->args.start_queue + XDP_MAX_CHANNELS));
	if (rc == 0)
		rc = try_bind(port);
	if (rc == 0)
		rc = xdp_offload_learn(port, netdev);
	xdp_rss_learn(&port->rss, netdev);
	return rc;
}

static int open_port(struct rte_eth_dev *dev, const struct xdp_args *args)
{
	struct xdp_port *port = xdp_port_of(dev);
	struct xdp_local *local = calloc(1, sizeof(*local));
	int rc;

	if (local == NULL)
		return -ENOMEM;
	dev->process_private = local;
	port->args = *args;
	port->port_id = dev->data->port_id;
	rc = xdp_stats_create(port);
	if (rc == 0)
		rc = xdp_mp_open(dev);
	if (rc == 0)
		rc = netdev_open(args->iface, &local->netdev);
	if (rc == 0)
		rc = learn(port, local->netdev);
	if (rc == 0)
		rc = steer_open(args->iface, port->ifindex, args->coexist, &local->steer);
	if (rc == 0)
		rc = steer_words(local->steer, args->steer[0] ? args->steer : NULL);
	if (rc == 0 && args->owns[0])
		rc = steer_owns(local->steer, args->owns);
	if (rc == 0)
		rc = xdp_iface_watch(dev);
	return rc;
}

static int probe_primary(struct rte_vdev_device *vdev)
{
	struct rte_eth_dev *dev;
	struct xdp_args args;
	int rc;

	rc = xdp_args_parse(rte_vdev_device_args(vdev), &args);
	if (rc < 0)
		return rc;
	dev = rte_eth_vdev_allocate(vdev, sizeof(struct xdp_port));
	if (dev == NULL)
		return -ENOMEM;
	dev->data->mac_addrs = xdp_port_of(dev)->macs;
	dev->data->dev_flags |= RTE_ETH_DEV_INTR_LSC | RTE_ETH_DEV_INTR_RMV;
	dev->dev_ops = &xdp_dev_ops;
	rc = open_port(dev, &args);
	if (rc < 0) {
		xdp_dev_ops.dev_close(dev);
		rte_eth_dev_release_port(dev);
		return rc;
	}
	dev->data->numa_node = xdp_port_of(dev)->numa_node;
	xdp_telemetry_begin();
	rte_eth_dev_probing_finish(dev);
	return 0;
}

static int probe(struct rte_vdev_device *vdev)
{
	int rc = xdp_version_check();

	if (rc < 0)
		return rc;
	return rte_eal_process_type() == RTE_PROC_PRIMARY ? probe_primary(vdev)
							  : xdp_guest_probe(vdev);
}

static int remove_port(struct rte_vdev_device *vdev)
{
	struct rte_eth_dev *dev = rte_eth_dev_allocated(rte_vdev_device_name(vdev));

	if (dev == NULL)
		return 0;
	if (dev->data->dev_started) /* ethdev closes none that runs */
		rte_eth_dev_stop(dev->data->port_id);
	return rte_eth_dev_close(dev->data->port_id);
}

static struct rte_vdev_driver driver = {
	.probe = probe,
	.remove = remove_port,
};

RTE_PMD_REGISTER_VDEV(net_weir_xdp, driver);
RTE_PMD_REGISTER_PARAM_STRING(
	net_weir_xdp, "iface=<name> queues=<n> start_queue=<n> hw_queues=<n> steer=<words> "
		      "owns=<addresses> mode=auto|drv|skb zerocopy=auto|on|off "
		      "busy_poll=auto|on|off busy_budget=<n> busy_usecs=<n> rss=auto|hw|soft "
		      "symmetric=0|1 txcsum=auto|soft|kernel "
		      "rxcsum=none|verify|trust rx_ts=none|hw|sw coexist=0|1 "
		      "need_wakeup=0|1");
