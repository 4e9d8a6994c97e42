/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the files of a netdev share: netdev.c, netdev_member.c, netdev_queues.c, netdev_rss.c,
 * netdev_types.c and netdev_xdp.c.
 */

#pragma once

#include "netdev_priv.h"

#include <rte_ether.h>

struct ethtool_rxfh;

#define NETDEV_RSS_FLOWS 6 /* TCP, UDP, SCTP over IPv4 and IPv6 */

/* What a netdev changed, to be put back while nobody else has changed it since. */
struct netdev_number_undo {
	bool changed;
	uint32_t was, ours;
};

struct netdev_mac_undo {
	bool changed;
	struct rte_ether_addr was, ours;
};

/* The table and key of the device, as the ioctl has them. */
struct netdev_rss_undo {
	struct ethtool_rxfh *was, *ours; /* NULL: nothing was changed */
};

struct netdev_member {
	bool promisc;
	bool allmulti;
	struct rte_ether_addr *multicast;
	uint32_t n_multicast;
	struct rte_ether_addr *unicast;
	uint32_t n_unicast;
};

struct netdev {
	int ifindex;
	int route;  /* netlink, also for ioctls */
	int genl;   /* generic netlink */
	int packet; /* holds the memberships */
	struct netdev_member member;
	struct netdev_number_undo mtu;
	struct netdev_mac_undo mac;
	struct netdev_rss_undo rss;
	struct netdev_number_undo types[NETDEV_RSS_FLOWS];
};

/* One ioctl of SIOCETHTOOL: command is one of the structs of linux/ethtool.h. 0 or -errno. */
int netdev_ethtool(const struct netdev *n, void *command);
/* One log line of what could not be done. @return rc */
int netdev_failed(const struct netdev *n, const char *what, int rc);

/* Read the answer of generic netlink, a whole message. -EPROTO if it does not say the features. */
int netdev_xdp_read(const void *message, size_t bytes, struct netdev_xdp *out);

void netdev_member_end(struct netdev *n);
void netdev_rss_end(struct netdev *n);
void netdev_types_end(struct netdev *n);
