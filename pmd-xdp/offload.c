/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What is told of a received packet beside its bytes: offered, asked for, and had.
 *
 * Nothing is offered that the kernel, the device or ourselves cannot do. What the kernel grants
 * only when the program is attached is told then, in one line.
 */

#include "dev_priv.h"

#include "log_priv.h"
#include "rx_meta_priv.h"

#include <rte_errno.h>
#include <rte_random.h>
#include <rte_version.h>

#include <errno.h>
#include <string.h>
#include <time.h>

#define CHECKSUMS                                                       \
	(RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM | \
	 RTE_ETH_RX_OFFLOAD_UDP_CKSUM)
/* Ethernet header and two VLAN tags. */
#define L2_BYTES (RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN)

int xdp_offload_learn(struct xdp_port *port, const struct netdev *netdev)
{
	const struct xdp_args *args = &port->args;
	struct netdev_xdp xdp = {0};

	/* Its hints are for a program that is bound to the device, in native mode and alone. */
	if (args->mode != XDP_WANT_MODE_SKB && !args->coexist &&
	    netdev_xdp_features(netdev, &xdp) == 0)
		port->hints = xdp.rx_metadata;
	if (args->rx_ts == XDP_WANT_RX_TS_HW && !(port->hints & NETDEV_XDP_RX_METADATA_TIMESTAMP)) {
		XDP_LOG(ERR, "%s: rx_ts=hw: the device tells no packet's time; rx_ts=sw does",
			args->iface);
		return -ENOTSUP;
	}
	port->rx_capa = RTE_ETH_RX_OFFLOAD_RSS_HASH;
	if (port->has_sg)
		port->rx_capa |= RTE_ETH_RX_OFFLOAD_SCATTER;
	if (args->rx_ts != XDP_WANT_RX_TS_NONE)
		port->rx_capa |= RTE_ETH_RX_OFFLOAD_TIMESTAMP;
	if (port->hints & NETDEV_XDP_RX_METADATA_VLAN_TAG)
		port->rx_capa |= RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
	if (args->rxcsum != XDP_WANT_RXCSUM_NONE)
		port->rx_capa |= CHECKSUMS;
	port->verify = args->rxcsum == XDP_WANT_RXCSUM_VERIFY;
	port->claims = args->rxcsum == XDP_WANT_RXCSUM_TRUST
			       ? RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD
			       : 0;
	return 0;
}

int xdp_offload_configure(const struct rte_eth_dev *dev)
{
	struct xdp_port *port = xdp_port_of(dev);
	int offset = -1, rc = 0;
	uint64_t flag = 0;

	if (dev->data->dev_conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_TIMESTAMP)
		rc = rte_mbuf_dyn_rx_timestamp_register(&offset, &flag);
	if (rc < 0) {
		XDP_LOG(ERR, "%s: no room in mbufs for a packet's time: %s", port->args.iface,
			strerror(rte_errno));
		return -rte_errno;
	}
	port->time_offset = offset;
	port->time_flag = flag;
	return 0;
}

void xdp_offload_want(struct xdp_port *port, struct steer *steer, struct steer_want *want)
{
	struct steer_config *config = steer_config(steer);
	const uint64_t offloads = port->rx_offloads;
	const bool time = (offloads & RTE_ETH_RX_OFFLOAD_TIMESTAMP) != 0;
	const bool hash = (offloads & RTE_ETH_RX_OFFLOAD_RSS_HASH) != 0;
	const bool vlan = (offloads & RTE_ETH_RX_OFFLOAD_VLAN_STRIP) != 0;

	want->frags = (offloads & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;
	want->hints = vlan || (hash && port->rss.by == XDP_RSS_DEVICE) ||
		      (time && port->args.rx_ts == XDP_WANT_RX_TS_HW);
	port->modes.scatter = port->has_sg &&
			      (want->frags || (port->tx_offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS));
	port->modes.meta = hash || vlan || time || steer_has_marks(steer);
	port->cookie = (uint32_t)rte_rand() | 1; /* 0 is what an old one is overwritten with */
	config->meta = port->modes.meta;
	config->hw_hints = want->hints;
	config->sw_time = time && port->args.rx_ts == XDP_WANT_RX_TS_SW;
	config->cookie = port->cookie;
}

void xdp_offload_got(struct rte_eth_dev *dev, const struct steer_got *got)
{
	const struct xdp_port *port = xdp_port_of(dev);
	const bool asked = (port->rx_offloads & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;

	dev->data->scattered_rx = asked && got->frags && port->modes.scatter;
	if (!dev->data->scattered_rx && port->mtu + L2_BYTES > port->umem.frame_bytes)
		XDP_LOG(WARNING,
			"%s: frames of more than %u bytes are lost: MTU %u does not fit the pool's "
			"buffers; enable scatter, use a pool of larger mbufs, or lower the MTU",
			port->args.iface, port->umem.frame_bytes, port->mtu);
}

void xdp_offload_functions(struct rte_eth_dev *dev)
{
	const struct xdp_port *port = xdp_port_of(dev);

	dev->rx_pkt_burst = xdp_rx_is_rich(port) ? xdp_rx_burst_rich : xdp_rx_burst;
	dev->tx_pkt_burst = xdp_tx_burst;
}

/* The functions first: metadata that nobody reads does no harm, nor does reading when there is
 * none. */
void xdp_marks_needed(struct rte_eth_dev *dev)
{
	struct xdp_port *port = xdp_port_of(dev);

	if (!dev->data->dev_started || port->modes.meta)
		return;
	port->modes.meta = true;
	xdp_offload_functions(dev);
	rte_eth_fp_ops[dev->data->port_id].rx_pkt_burst = dev->rx_pkt_burst;
	__atomic_store_n(&steer_config(xdp_steer_of(dev))->meta, 1, __ATOMIC_RELEASE);
}

/* What rxcsum=verify reads on its way. */
static const uint32_t ptypes[] = {
	RTE_PTYPE_L2_ETHER,    RTE_PTYPE_L2_ETHER_VLAN, RTE_PTYPE_L2_ETHER_QINQ, RTE_PTYPE_L3_IPV4,
	RTE_PTYPE_L3_IPV4_EXT, RTE_PTYPE_L3_IPV6,	RTE_PTYPE_L3_IPV6_EXT,	 RTE_PTYPE_L4_TCP,
	RTE_PTYPE_L4_UDP,      RTE_PTYPE_L4_SCTP,	RTE_PTYPE_L4_FRAG,	 RTE_PTYPE_UNKNOWN,
};

#if RTE_VERSION >= RTE_VERSION_NUM(24, 3, 0, 0)
const uint32_t *xdp_ptypes_get(struct rte_eth_dev *dev, size_t *n)
{
	*n = RTE_DIM(ptypes) - 1;
	return xdp_port_of(dev)->verify ? ptypes : NULL;
}
#else
const uint32_t *xdp_ptypes_get(struct rte_eth_dev *dev)
{
	return xdp_port_of(dev)->verify ? ptypes : NULL;
}
#endif

int xdp_read_clock(struct rte_eth_dev *dev, uint64_t *ns)
{
	struct timespec now;

	if (xdp_port_of(dev)->args.rx_ts != XDP_WANT_RX_TS_SW)
		return -ENOTSUP;	      /* the device's own cannot be read from here */
	clock_gettime(CLOCK_MONOTONIC, &now); /* bpf_ktime_get_ns() */
	*ns = (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
	return 0;
}
