/* SPDX-License-Identifier: BSD-3-Clause */

/* What ethdev asks of the interface itself: link, MTU, addresses, modes; and what the kernel tells
 * of it. */

#include "dev_priv.h"

#include "log_priv.h"

#include <rte_ether.h>

#include <errno.h>
#include <string.h>

/* Ethernet header and two VLAN tags. */
#define L2_BYTES (RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN)

static struct netdev *netdev_of(const struct rte_eth_dev *dev)
{
	const struct xdp_local *local = xdp_local_of(dev);

	return local ? local->netdev : NULL;
}

int xdp_link_update(struct rte_eth_dev *dev, int wait)
{
	struct rte_eth_link link = {.link_speed = RTE_ETH_SPEED_NUM_NONE};
	struct netdev *n = netdev_of(dev);

	if (n == NULL)
		return 0; /* a secondary reads what the primary keeps up to date */
	if (netdev_link(n, &link) < 0)
		link = (struct rte_eth_link){.link_speed = RTE_ETH_SPEED_NUM_NONE}; /* gone: down */
	if (!dev->data->dev_started)
		link.link_status = RTE_ETH_LINK_DOWN;
	return rte_eth_linkstatus_set(dev, &link);
}

int xdp_link_up(struct rte_eth_dev *dev)
{
	return netdev_of(dev) ? netdev_up(netdev_of(dev), true) : -E_RTE_SECONDARY;
}

int xdp_link_down(struct rte_eth_dev *dev)
{
	return netdev_of(dev) ? netdev_up(netdev_of(dev), false) : -E_RTE_SECONDARY;
}

/* The device's own check of a native program is told by the kernel; ours is what the buffers hold.
 */
int xdp_mtu_set(struct rte_eth_dev *dev, uint16_t mtu)
{
	struct xdp_port *port = xdp_port_of(dev);
	const bool scatter = (dev->data->dev_conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_SCATTER) !=
			     0;
	int rc;

	if (netdev_of(dev) == NULL)
		return -E_RTE_SECONDARY;
	if (port->umem.frame_bytes > 0 && mtu + L2_BYTES > port->umem.frame_bytes && !scatter) {
		XDP_LOG(ERR,
			"%s: MTU %u does not fit a buffer, which holds %u bytes: enable scatter, or "
			"use a pool of larger mbufs",
			port->args.iface, mtu, port->umem.frame_bytes);
		return -EINVAL;
	}
	rc = netdev_mtu_set(netdev_of(dev), mtu);
	if (rc == 0)
		port->mtu = mtu;
	return rc;
}

int xdp_mac_set(struct rte_eth_dev *dev, struct rte_ether_addr *mac)
{
	return netdev_of(dev) ? netdev_mac_set(netdev_of(dev), mac) : -E_RTE_SECONDARY;
}

int xdp_mac_add(struct rte_eth_dev *dev, struct rte_ether_addr *mac, uint32_t index, uint32_t vmdq)
{
	return netdev_of(dev) ? netdev_unicast_add(netdev_of(dev), mac) : -E_RTE_SECONDARY;
}

void xdp_mac_remove(struct rte_eth_dev *dev, uint32_t index)
{
	if (netdev_of(dev) != NULL)
		netdev_unicast_remove(netdev_of(dev), &dev->data->mac_addrs[index]);
}

int xdp_multicast_set(struct rte_eth_dev *dev, struct rte_ether_addr *list, uint32_t n)
{
	return netdev_of(dev) ? netdev_multicast(netdev_of(dev), list, n) : -E_RTE_SECONDARY;
}

int xdp_promisc_on(struct rte_eth_dev *dev)
{
	return netdev_of(dev) ? netdev_promisc(netdev_of(dev), true) : -E_RTE_SECONDARY;
}

int xdp_promisc_off(struct rte_eth_dev *dev)
{
	return netdev_of(dev) ? netdev_promisc(netdev_of(dev), false) : -E_RTE_SECONDARY;
}

int xdp_allmulti_on(struct rte_eth_dev *dev)
{
	return netdev_of(dev) ? netdev_allmulti(netdev_of(dev), true) : -E_RTE_SECONDARY;
}

int xdp_allmulti_off(struct rte_eth_dev *dev)
{
	return netdev_of(dev) ? netdev_allmulti(netdev_of(dev), false) : -E_RTE_SECONDARY;
}

/* ---- news, in EAL's interrupt thread ---- */

static void on_link(void *arg, bool up)
{
	struct rte_eth_dev *dev = arg;

	if (xdp_link_update(dev, 0) == 0 && dev->data->dev_conf.intr_conf.lsc)
		rte_eth_dev_callback_process(dev, RTE_ETH_EVENT_INTR_LSC, NULL);
}

static void on_mtu(void *arg, uint32_t mtu)
{
	xdp_port_of(arg)->mtu = mtu;
}

static void on_addresses(void *arg)
{
	steer_hosts_changed(xdp_steer_of(arg));
}

static void on_gone(void *arg)
{
	struct rte_eth_dev *dev = arg;

	XDP_LOG(ERR, "%s: the interface is gone", xdp_port_of(dev)->args.iface);
	on_link(dev, false);
	if (dev->data->dev_conf.intr_conf.rmv)
		rte_eth_dev_callback_process(dev, RTE_ETH_EVENT_INTR_RMV, NULL);
}

int xdp_iface_watch(struct rte_eth_dev *dev)
{
	static const struct xdp_link_events events = {
		.link = on_link,
		.mtu = on_mtu,
		.addresses = on_addresses,
		.gone = on_gone,
	};
	struct xdp_local *local = xdp_local_of(dev);

	return xdp_link_watch_add(xdp_port_of(dev)->ifindex, &events, dev, &local->watch);
}

void xdp_iface_forget(struct rte_eth_dev *dev)
{
	struct xdp_local *local = xdp_local_of(dev);

	xdp_link_watch_remove(local->watch);
	local->watch = NULL;
}
