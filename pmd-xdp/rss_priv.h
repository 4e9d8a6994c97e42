/* SPDX-License-Identifier: BSD-3-Clause */

/* Who hashes a packet, and so chooses its rx queue: the device, the XDP program, or nobody. */

#pragma once

#include "args_priv.h"
#include "netdev_priv.h"

#include <stdbool.h>
#include <stdint.h>

#define XDP_RSS_KEY_BYTES 40 /* of the program's key */

enum xdp_rss_by {
	XDP_RSS_NOBODY, /* hardware queue h is polled by rx queue h % n */
	XDP_RSS_DEVICE,
	XDP_RSS_PROGRAM,
};

struct xdp_rss {
	struct netdev_rss_size device; /* 0 entries: the device has no table */
	enum xdp_rss_by by;
	uint64_t types; /* RTE_ETH_RSS_... that the program hashes */
	uint8_t key[XDP_RSS_KEY_BYTES];
};

/* What the decision depends on. */
struct xdp_rss_ask {
	enum xdp_want_rss want; /* rss= */
	bool symmetric;		/* both directions of a flow to one queue */
	bool device_has_table;
	bool device_tells_hash;
	bool spread;	   /* mq_mode has RSS */
	bool hash;	   /* the hash is to reach the application */
	uint16_t queues;   /* of the port */
	uint16_t channels; /* hardware queues that it receives from */
};

/* Decide. NULL with @by set, or why what rss=hw asks for cannot be had. */
const char *xdp_rss_decide(const struct xdp_rss_ask *ask, enum xdp_rss_by *by);

struct rte_eth_dev;
struct rte_eth_dev_info;
struct rte_eth_rss_conf;
struct rte_eth_rss_reta_entry64;

/* Ask the device for its table's size, at probe. */
void xdp_rss_learn(struct xdp_rss *rss, const struct netdev *netdev);
/* What of this the application may ask for. */
void xdp_rss_info(const struct rte_eth_dev *dev, struct rte_eth_dev_info *info);
/*
 * Take what dev_conf says, as the last step of a configuration that is otherwise fine. 0, or -errno
 * after one log line; nothing has changed then.
 */
int xdp_rss_configure(struct rte_eth_dev *dev);

/* Operations of ethdev. A change is seen by whole packets only: each has the old or the new. */
int xdp_rss_reta_update(struct rte_eth_dev *dev, struct rte_eth_rss_reta_entry64 *conf,
			uint16_t entries);
int xdp_rss_reta_query(struct rte_eth_dev *dev, struct rte_eth_rss_reta_entry64 *conf,
		       uint16_t entries);
int xdp_rss_hash_update(struct rte_eth_dev *dev, struct rte_eth_rss_conf *conf);
int xdp_rss_hash_get(struct rte_eth_dev *dev, struct rte_eth_rss_conf *conf);
