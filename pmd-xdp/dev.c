/* SPDX-License-Identifier: BSD-3-Clause */

/* A port's life: configure, start, stop, close; and what it tells of itself. */

#include "dev_priv.h"

#include "log_priv.h"
#include "mp_priv.h"
#include "stats_priv.h"

#include <rte_malloc.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct steer *xdp_steer_of(const struct rte_eth_dev *dev)
{
	const struct xdp_local *local = xdp_local_of(dev);

	return local ? local->steer : NULL;
}

uint16_t xdp_rx_window(const struct xdp_port *port)
{
	const uint32_t rest = port->rx_channels - port->args.start_queue;

	return (uint16_t)(port->args.hw_queues ? RTE_MIN(port->args.hw_queues, rest) : rest);
}

/* What is not named here stays as ethdev has set it. */
static int infos_get(struct rte_eth_dev *dev, struct rte_eth_dev_info *info)
{
	static const struct rte_eth_desc_lim limits = {
		.nb_max = XDP_DESC_MAX,
		.nb_min = XDP_DESC_MIN,
		.nb_align = XDP_DESC_MIN,
		.nb_seg_max = XDP_MAX_SEGS,
		.nb_mtu_seg_max = XDP_MAX_SEGS,
	};
	static const struct rte_eth_dev_portconf preferred = {
		.burst_size = 64, .ring_size = 2048, .nb_queues = 1};
	const struct xdp_port *port = xdp_port_of(dev);
	uint32_t min = RTE_ETHER_MIN_MTU, max = XDP_MAX_MTU;

	if (xdp_local_of(dev) != NULL && xdp_local_of(dev)->netdev != NULL)
		netdev_mtu_limits(xdp_local_of(dev)->netdev, &min, &max);
	info->if_index = (uint32_t)port->ifindex;
	info->min_mtu = (uint16_t)RTE_MAX(min, (uint32_t)RTE_ETHER_MIN_MTU);
	info->max_mtu = (uint16_t)RTE_MIN(max, (uint32_t)XDP_MAX_MTU);
	info->min_rx_bufsize = XDP_CHUNK_MIN;
	info->max_rx_pktlen = XDP_MAX_MTU + RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN;
	info->max_rx_queues =
		(uint16_t)(port->args.queues ? port->args.queues : xdp_rx_window(port));
	info->max_tx_queues = XDP_MAX_QUEUES;
	info->max_mac_addrs = XDP_MAX_MACS;
	info->rx_offload_capa = port->rx_capa;
	info->tx_offload_capa = XDP_TX_CAPA;
	info->rx_desc_lim = limits;
	info->tx_desc_lim = limits;
	info->default_rxportconf = preferred;
	info->default_txportconf = preferred;
	xdp_rss_info(dev, info);
	return 0;
}

/* What no device behind the kernel's XDP can do. */
static int check_conf(const struct rte_eth_dev *dev)
{
	const struct rte_eth_conf *conf = &dev->data->dev_conf;
	const char *no = NULL;

	if (dev->data->nb_rx_queues == 0) {
		XDP_LOG(ERR, "%s: no rx queue: its pool is the memory that the kernel knows",
			xdp_port_of(dev)->args.iface);
		return -EINVAL;
	}
	if (conf->lpbk_mode != 0)
		no = "loopback";
	else if (conf->rxmode.mq_mode & ~RTE_ETH_MQ_RX_RSS || conf->txmode.mq_mode)
		no = "queues by DCB or VMDq";
	else if (conf->link_speeds & RTE_ETH_LINK_SPEED_FIXED)
		no = "a fixed speed";
	else if (conf->dcb_capability_en)
		no = "DCB";
	if (no == NULL)
		return 0;
	XDP_LOG(ERR, "%s: %s is not offered", xdp_port_of(dev)->args.iface, no);
	return -ENOTSUP;
}

static int configure(struct rte_eth_dev *dev)
{
	const struct rte_eth_conf *conf = &dev->data->dev_conf;
	struct xdp_port *port = xdp_port_of(dev);
	const uint32_t mtu = port->mtu;
	int rc = check_conf(dev);

	if (rc == 0)
		rc = xdp_offload_configure(dev);
	if (rc == 0 && conf->rxmode.mtu > mtu)
		rc = xdp_mtu_set(dev, (uint16_t)conf->rxmode.mtu);
	if (rc < 0)
		return rc;
	rc = xdp_rss_configure(dev);
	if (rc < 0) {
		if (port->mtu != mtu)
			xdp_mtu_set(dev, (uint16_t)mtu);
		return rc;
	}
	port->n_rxqs = dev->data->nb_rx_queues;
	port->n_txqs = dev->data->nb_tx_queues;
	port->rx_offloads = conf->rxmode.offloads;
	port->tx_offloads = conf->txmode.offloads;
	port->n_rx_channels = xdp_rx_window(port);
	port->modes.soft_rss = port->rss.by == XDP_RSS_PROGRAM;
	dev->data->mtu = (uint16_t)port->mtu; /* perhaps more than was asked for */
	return 0;
}

/* What the program is to do with packets, before it is attached. */
static void instruct(struct rte_eth_dev *dev)
{
	struct xdp_port *port = xdp_port_of(dev);
	struct steer_config *c = steer_config(xdp_steer_of(dev));

	c->first_hwq = (uint16_t)port->args.start_queue;
	c->n_hwqs = port->n_rx_channels;
	c->stride = port->modes.soft_rss ? port->n_rxqs : 1;
	c->soft_rss = port->modes.soft_rss;
	steer_queues(xdp_steer_of(dev), port->n_rxqs);
}

static void tell_queues(struct rte_eth_dev *dev, uint8_t state)
{
	for (uint16_t i = 0; i < dev->data->nb_rx_queues; i++)
		dev->data->rx_queue_state[i] = state;
	for (uint16_t i = 0; i < dev->data->nb_tx_queues; i++)
		dev->data->tx_queue_state[i] = state;
}

static int connect_sockets(struct rte_eth_dev *dev)
{
	struct xdp_port *port = xdp_port_of(dev);
	int rc = 0;

	for (uint16_t i = 0; rc == 0 && i < port->n_socks; i++)
		if (port->socks[i].rxq != UINT16_MAX)
			rc = steer_set_socket(xdp_steer_of(dev), port->socks[i].slot,
					      xdp_fds[port->port_id][i]);
	return rc;
}

static void disconnect_sockets(struct rte_eth_dev *dev)
{
	struct xdp_port *port = xdp_port_of(dev);

	steer_detach(xdp_steer_of(dev));
	for (uint16_t i = 0; i < port->n_socks; i++)
		if (port->socks[i].rxq != UINT16_MAX)
			steer_set_socket(xdp_steer_of(dev), port->socks[i].slot, -1);
}

/* ethdev starts a port whose queues could not be set up. */
static int check_queues(const struct rte_eth_dev *dev, const char *which, void *const queues[],
			uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		if (queues[i] == NULL) {
			XDP_LOG(ERR, "%s: %s queue %u is not set up", xdp_port_of(dev)->args.iface,
				which, i);
			return -EINVAL;
		}
	return 0;
}

static int start(struct rte_eth_dev *dev)
{
	struct xdp_port *port = xdp_port_of(dev);
	struct steer_want want = {
		.skb = port->args.mode == XDP_WANT_MODE_SKB,
		.drv = port->args.mode == XDP_WANT_MODE_DRV,
		.coexist = port->args.coexist,
	};
	struct steer_got got;
	int rc;

	rc = check_queues(dev, "rx", dev->data->rx_queues, dev->data->nb_rx_queues);
	if (rc == 0)
		rc = check_queues(dev, "tx", dev->data->tx_queues, dev->data->nb_tx_queues);
	if (rc < 0)
		return rc;
	port->modes.need_wakeup = port->args.need_wakeup;
	xdp_offload_want(port, xdp_steer_of(dev), &want);
	instruct(dev);
	rc = netdev_up(xdp_local_of(dev)->netdev, true);
	if (rc == 0)
		rc = steer_attach(xdp_steer_of(dev), &want, &got);
	if (rc < 0)
		return rc;
	port->modes.attach = got.mode;
	port->modes.hints = got.hints;
	port->modes.prog_id = got.prog_id;
	rc = xdp_queues_start(dev);
	if (rc == 0)
		rc = xdp_intr_start(dev);
	if (rc == 0)
		rc = connect_sockets(dev);
	if (rc < 0) {
		disconnect_sockets(dev);
		xdp_intr_stop(dev);
		xdp_queues_stop(dev);
		return rc;
	}
	xdp_offload_got(dev, &got);
	xdp_offload_functions(dev);
	tell_queues(dev, RTE_ETH_QUEUE_STATE_STARTED);
	dev->data->dev_started = 1; /* ethdev does so only after us, and the link depends on it */
	xdp_link_update(dev, 0);
	xdp_mp_started(dev);
	return 0;
}

static int stop(struct rte_eth_dev *dev)
{
	dev->data->dev_started = 0;
	xdp_link_update(dev, 0);
	tell_queues(dev, RTE_ETH_QUEUE_STATE_STOPPED);
	xdp_mp_stopping(dev);
	disconnect_sockets(dev);
	xdp_intr_stop(dev);
	xdp_queues_stop(dev);
	return 0;
}

static int close_port(struct rte_eth_dev *dev)
{
	struct xdp_local *local = xdp_local_of(dev);

	xdp_mp_close(dev);
	if (local != NULL) {
		xdp_iface_forget(dev);
		steer_close(local->steer);
		netdev_close(local->netdev);
	}
	free(local);
	dev->process_private = NULL;
	for (uint16_t i = 0; i < dev->data->nb_rx_queues; i++)
		xdp_rx_queue_release(dev, i);
	for (uint16_t i = 0; i < dev->data->nb_tx_queues; i++)
		xdp_tx_queue_release(dev, i);
	xdp_stats_free(xdp_port_of(dev));
	dev->data->mac_addrs = NULL; /* part of dev_private */
	return 0;
}

static void rxq_info_get(struct rte_eth_dev *dev, uint16_t id, struct rte_eth_rxq_info *info)
{
	const struct xdp_rxq *q = dev->data->rx_queues[id];

	info->mp = q->pool;
	info->nb_desc = q->n_descs;
	info->scattered_rx = dev->data->scattered_rx;
	info->conf.offloads = xdp_port_of(dev)->rx_offloads;
	info->rx_buf_size = xdp_port_of(dev)->umem.frame_bytes;
}

static void txq_info_get(struct rte_eth_dev *dev, uint16_t id, struct rte_eth_txq_info *info)
{
	const struct xdp_txq *q = dev->data->tx_queues[id];

	info->nb_desc = q->n_descs;
	info->conf.offloads = xdp_port_of(dev)->tx_offloads;
}

static int flow_ops_get(struct rte_eth_dev *dev, const struct rte_flow_ops **ops)
{
	*ops = &xdp_flow_ops;
	return 0;
}

const struct eth_dev_ops xdp_dev_ops = {
	.dev_configure = configure,
	.dev_start = start,
	.dev_stop = stop,
	.dev_close = close_port,
	.dev_infos_get = infos_get,
	.rx_queue_setup = xdp_rx_queue_setup,
	.rx_queue_release = xdp_rx_queue_release,
	.tx_queue_setup = xdp_tx_queue_setup,
	.tx_queue_release = xdp_tx_queue_release,
	.rxq_info_get = rxq_info_get,
	.txq_info_get = txq_info_get,
	.dev_supported_ptypes_get = xdp_ptypes_get,
	.read_clock = xdp_read_clock,
	.reta_update = xdp_rss_reta_update,
	.reta_query = xdp_rss_reta_query,
	.rss_hash_update = xdp_rss_hash_update,
	.rss_hash_conf_get = xdp_rss_hash_get,
	.rx_queue_intr_enable = xdp_rx_intr_enable,
	.rx_queue_intr_disable = xdp_rx_intr_disable,
	.link_update = xdp_link_update,
	.dev_set_link_up = xdp_link_up,
	.dev_set_link_down = xdp_link_down,
	.mtu_set = xdp_mtu_set,
	.mac_addr_set = xdp_mac_set,
	.mac_addr_add = xdp_mac_add,
	.mac_addr_remove = xdp_mac_remove,
	.set_mc_addr_list = xdp_multicast_set,
	.promiscuous_enable = xdp_promisc_on,
	.promiscuous_disable = xdp_promisc_off,
	.allmulticast_enable = xdp_allmulti_on,
	.allmulticast_disable = xdp_allmulti_off,
	.stats_get = xdp_stats_get,
	.stats_reset = xdp_stats_reset,
	.xstats_get = xdp_xstats_get,
	.xstats_get_names = xdp_xstats_names,
	.xstats_reset = xdp_stats_reset,
	.flow_ops_get = flow_ops_get,
};

const struct eth_dev_ops xdp_guest_ops = {
	.dev_close = xdp_guest_close,
	.dev_infos_get = infos_get,
	.rxq_info_get = rxq_info_get,
	.txq_info_get = txq_info_get,
	.dev_supported_ptypes_get = xdp_ptypes_get,
	.link_update = xdp_link_update,
	.stats_get = xdp_stats_get,
	.stats_reset = xdp_stats_reset,
	.xstats_get = xdp_xstats_get,
	.xstats_get_names = xdp_xstats_names,
	.xstats_reset = xdp_stats_reset,
};
