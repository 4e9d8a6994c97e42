/* SPDX-License-Identifier: BSD-3-Clause */

/* The parts of a port's control: one ethdev operation each, by file. All in the thread that calls
 * ethdev. */

#pragma once

#include "link_priv.h"
#include "netdev_priv.h"
#include "port_priv.h"

#include <rte_version.h>

#define XDP_MAX_MTU 16110 /* 18 descriptors of default buffers are more; NICs end here */

/* The program of a port; NULL in a secondary process. */
struct steer *xdp_steer_of(const struct rte_eth_dev *dev);

/* ---- dev.c ---- */
extern const struct eth_dev_ops xdp_dev_ops;
/* Of a port in a secondary process: what needs nothing that only the primary has. */
extern const struct eth_dev_ops xdp_guest_ops;
/* Hardware queues that the port may receive from. */
uint16_t xdp_rx_window(const struct xdp_port *port);

/* ---- offload.c: what is told of a received packet ---- */
/* What can be offered, at probe. -ENOTSUP after one log line for a devarg that cannot be had. */
int xdp_offload_learn(struct xdp_port *port, const struct netdev *netdev);
/* Take what dev_conf says. 0, or -errno after one log line. */
int xdp_offload_configure(const struct rte_eth_dev *dev);
/* What a start asks of the program, and what it got. */
void xdp_offload_want(struct xdp_port *port, struct steer *steer, struct steer_want *want);
void xdp_offload_got(struct rte_eth_dev *dev, const struct steer_got *got);
/* Choose the functions that receive and send. */
void xdp_offload_functions(struct rte_eth_dev *dev);
/* A flow rule marks packets: from now on they carry what rules say of them, if the port runs. A
 * start sees to that itself. */
void xdp_marks_needed(struct rte_eth_dev *dev);
#if RTE_VERSION >= RTE_VERSION_NUM(24, 3, 0, 0)
const uint32_t *xdp_ptypes_get(struct rte_eth_dev *dev, size_t *n);
#else
const uint32_t *xdp_ptypes_get(struct rte_eth_dev *dev);
#endif
/* The clock of the timestamps of rx_ts=sw. */
int xdp_read_clock(struct rte_eth_dev *dev, uint64_t *ns);

/* ---- telemetry.c ---- */
/* Offer /weir/xdp to telemetry; once a process is enough. */
void xdp_telemetry_begin(void);

/* ---- iface.c: the interface's own matters ---- */
int xdp_link_update(struct rte_eth_dev *dev, int wait);
int xdp_link_up(struct rte_eth_dev *dev);
int xdp_link_down(struct rte_eth_dev *dev);
int xdp_mtu_set(struct rte_eth_dev *dev, uint16_t mtu);
int xdp_mac_set(struct rte_eth_dev *dev, struct rte_ether_addr *mac);
int xdp_mac_add(struct rte_eth_dev *dev, struct rte_ether_addr *mac, uint32_t index, uint32_t vmdq);
void xdp_mac_remove(struct rte_eth_dev *dev, uint32_t index);
int xdp_multicast_set(struct rte_eth_dev *dev, struct rte_ether_addr *list, uint32_t n);
int xdp_promisc_on(struct rte_eth_dev *dev);
int xdp_promisc_off(struct rte_eth_dev *dev);
int xdp_allmulti_on(struct rte_eth_dev *dev);
int xdp_allmulti_off(struct rte_eth_dev *dev);
/* Begin and end following the interface's link, MTU, addresses and end. */
int xdp_iface_watch(struct rte_eth_dev *dev);
void xdp_iface_forget(struct rte_eth_dev *dev);

/* ---- intr.c ---- */
/* Make a descriptor for each rx queue that EAL can wait on, if dev_conf asks for it. 0 or -errno
 * after one log line. */
int xdp_intr_start(struct rte_eth_dev *dev);
/* Before the sockets are closed. */
void xdp_intr_stop(struct rte_eth_dev *dev);
int xdp_rx_intr_enable(struct rte_eth_dev *dev, uint16_t id);
int xdp_rx_intr_disable(struct rte_eth_dev *dev, uint16_t id);
