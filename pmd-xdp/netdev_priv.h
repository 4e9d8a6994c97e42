/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * An interface as the kernel sees it: its address, size, queues, link and hash.
 *
 * A netdev keeps sockets in the network namespace of its opening and finds the interface by its
 * index, so renaming it, or moving this process to another namespace, changes nothing. All is
 * control path, one thread at a time. Every function returns 0 or -errno, -ENODEV when the
 * interface is gone; those that change something log one line when they fail, those that ask log
 * nothing.
 */

#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netdev;
struct rte_eth_link;
struct rte_ether_addr;

/* Find an interface. -ENODEV if there is none of that name, after one log line. */
int netdev_open(const char *ifname, struct netdev **out);
/*
 * Let go of it: memberships (promiscuous mode and the like) end, and what was changed of MTU, MAC
 * address and hash is put back, unless somebody has changed it since. NULL is allowed.
 */
void netdev_close(struct netdev *n);

int netdev_ifindex(const struct netdev *n);
/* What it is called now. */
int netdev_name(const struct netdev *n, char name[IFNAMSIZ]);

/*
 * Queues in use, each way, at least one: combined channels count as both. -ENOTSUP where neither
 * ethtool nor sysfs tells.
 */
int netdev_channels(const struct netdev *n, uint32_t *rx, uint32_t *tx);

int netdev_mac_get(const struct netdev *n, struct rte_ether_addr *mac);
/* -EBUSY where the device must be down for it; the address that it has is always fine. */
int netdev_mac_set(struct netdev *n, const struct rte_ether_addr *mac);

int netdev_mtu_get(const struct netdev *n, uint32_t *mtu);
int netdev_mtu_set(struct netdev *n, uint32_t mtu);
/* What the device allows; 68 and 65535 where the kernel does not say. */
int netdev_mtu_limits(const struct netdev *n, uint32_t *min, uint32_t *max);

/* Administratively up or down. It stays so when the netdev is closed. */
int netdev_up(struct netdev *n, bool up);
/* UP only if a frame can go out: administratively up, carrier, and operational (RFC 2863). */
int netdev_link(const struct netdev *n, struct rte_eth_link *link);

struct netdev_driver {
	char name[32]; /* "veth" */
	char bus[32];  /* "0000:01:00.0"; empty where there is none */
};
/* -ENOTSUP where the device has no driver's name to tell. */
int netdev_driver(const struct netdev *n, struct netdev_driver *out);
/* The NUMA node of the device, or -1 where it has none (SOCKET_ID_ANY). */
int netdev_numa_node(const struct netdev *n);

/*
 * ---- what else reaches the interface; the kernel takes all of it back when this process ends ----
 * The first of these opens the packet socket that holds them: -EPERM without CAP_NET_RAW.
 */

int netdev_promisc(struct netdev *n, bool on);
int netdev_allmulti(struct netdev *n, bool on);
/* Replaces the list of before; when one cannot be had, the list of before stays. */
int netdev_multicast(struct netdev *n, const struct rte_ether_addr *list, uint32_t count);
/*
 * A further address of its own. One that is there already is no error, for ethdev adds all anew at
 * each start; -ENOENT if one that is to go is not there.
 */
int netdev_unicast_add(struct netdev *n, const struct rte_ether_addr *mac);
int netdev_unicast_remove(struct netdev *n, const struct rte_ether_addr *mac);

/* ---- hash and indirection table of the device ---- */

struct netdev_rss_size {
	uint32_t table_entries;
	uint32_t key_bytes;
};
/* -ENOTSUP where the device has no table. */
int netdev_rss_size(const struct netdev *n, struct netdev_rss_size *out);
/* Either may be NULL; the arrays are as large as netdev_rss_size() says. */
int netdev_rss_get(const struct netdev *n, uint32_t *table, uint8_t *key);
/* Either may be NULL: it stays as it is. Both are changed, or none is. */
int netdev_rss_set(struct netdev *n, const uint32_t *table, const uint8_t *key);
/* What is hashed, as RTE_ETH_RSS_... bits. */
int netdev_rss_types_get(const struct netdev *n, uint64_t *types);
/* -ENOTSUP where the device cannot hash exactly so; nothing is changed then. */
int netdev_rss_types_set(struct netdev *n, uint64_t types);

/* ---- what its driver can do for XDP (netlink family netdev) ----
 * Bits with the names of linux/netdev.h, which Debian 12 does not have.
 */

#define NETDEV_XDP_ACT_BASIC	    0x01
#define NETDEV_XDP_ACT_REDIRECT	    0x02
#define NETDEV_XDP_ACT_NDO_XMIT	    0x04
#define NETDEV_XDP_ACT_XSK_ZEROCOPY 0x08
#define NETDEV_XDP_ACT_HW_OFFLOAD   0x10
#define NETDEV_XDP_ACT_RX_SG	    0x20
#define NETDEV_XDP_ACT_NDO_XMIT_SG  0x40

#define NETDEV_XDP_RX_METADATA_TIMESTAMP 0x01
#define NETDEV_XDP_RX_METADATA_HASH	 0x02
#define NETDEV_XDP_RX_METADATA_VLAN_TAG	 0x04

#define NETDEV_XSK_FLAGS_TX_TIMESTAMP	     0x01
#define NETDEV_XSK_FLAGS_TX_CHECKSUM	     0x02
#define NETDEV_XSK_FLAGS_TX_LAUNCH_TIME_FIFO 0x04

struct netdev_xdp {
	uint64_t features;    /* NETDEV_XDP_ACT_... */
	uint64_t rx_metadata; /* NETDEV_XDP_RX_METADATA_... */
	uint64_t xsk;	      /* NETDEV_XSK_FLAGS_... */
	uint32_t zc_max_segs; /* descriptors of one zero-copy packet; 0: not told */
};
/* -ENOTSUP where the kernel does not tell (before 6.3). */
int netdev_xdp_features(const struct netdev *n, struct netdev_xdp *out);
