/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a port counts, and how it adds up.
 *
 * On each hardware queue:  seen = passed + dropped + redirected + failed          (the program's)
 * Over the port:           redirected = packets + waiting + xdp_rx_dropped + xdp_rx_ring_full +
 *                                       truncated + left
 *
 * that is, received by rx_burst, still in the rx rings, and lost: imissed is the sum of the last
 * four. xdp_fill_ring_empty is no term of it, for the kernel counts a packet that finds no buffer
 * there and in xdp_rx_dropped. The sums hold whenever no packet is under way; after a reset, when
 * none waited in a ring at that moment.
 *
 * Each number has one writer and only grows, so nobody writes zeros: a reset remembers what there
 * was. Sockets and queues go with a stop or a new setup, and leave what they counted to the port.
 */

#pragma once

#include "port_priv.h"

struct xdp_rx_count {
	struct xdp_rxq_stats queue;
	uint64_t dropped; /* XDP_STATISTICS of its sockets */
	uint64_t ring_full;
	uint64_t fill_empty;
	uint64_t invalid_descs;
	uint64_t left;	  /* packets in the rings when the port stopped */
	uint64_t waiting; /* packets in the rings now */
	uint64_t lost;	  /* in all */
};

struct xdp_tx_count {
	struct xdp_txq_stats queue;
	uint64_t ring_empty; /* XDP_STATISTICS of its socket */
	uint64_t invalid_descs;
	uint64_t left; /* packets in the ring that the kernel had not read when the port stopped */
};

struct xdp_count {
	struct xdp_rx_count rx[XDP_MAX_QUEUES];
	struct xdp_tx_count tx[XDP_MAX_QUEUES];
	struct steer_queue_stats hw[XDP_MAX_CHANNELS]; /* from start_queue on */
	uint64_t bind_retries;
};

/* In shared memory, as long as the port. */
struct xdp_stats {
	bool open;		/* there are sockets to ask */
	struct xdp_count past;	/* of queues and sockets that are gone */
	struct xdp_count base;	/* at the last reset */
	struct xdp_count asked; /* what the primary read for a secondary process */
};

int xdp_stats_create(struct xdp_port *port);
void xdp_stats_free(struct xdp_port *port);

/* The port's sockets can be asked from now on, from any thread. */
void xdp_stats_open(struct xdp_port *port);
/* They cannot any more: keep what they counted. Packets come no more; rings are still mapped. */
void xdp_stats_close(struct xdp_port *port);
/* Take a queue off the port, to be freed, and keep what it counted. NULL: there is none. */
struct xdp_rxq *xdp_stats_take_rxq(struct rte_eth_dev *dev, uint16_t id);
struct xdp_txq *xdp_stats_take_txq(struct rte_eth_dev *dev, uint16_t id);

/* From here to the release no socket and no queue of any port goes. True if this port has sockets.
 */
bool xdp_sockets_hold(const struct xdp_port *port);
void xdp_sockets_release(void);

/* Everything since the port was made. Primary process only, any thread. */
int xdp_stats_read(struct rte_eth_dev *dev, struct xdp_count *out);

/* ---- ethdev operations ---- */
int xdp_stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *out);
int xdp_stats_reset(struct rte_eth_dev *dev);
int xdp_xstats_get(struct rte_eth_dev *dev, struct rte_eth_xstat *values, unsigned n);
int xdp_xstats_names(struct rte_eth_dev *dev, struct rte_eth_xstat_name *names, unsigned n);
