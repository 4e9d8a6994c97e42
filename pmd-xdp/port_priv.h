/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A port, in memory that secondary processes share; what only its own process has is struct
 * xdp_local.
 *
 *   hardware queue  = channel: a fill ring and a completion ring on the port's UMEM, and sockets
 *   rx queue        = the sockets it polls: those of its hardware queues, or, if the program
 * spreads packets itself (soft RSS), one on each of them tx queue        = one socket; its own, or
 * the rx queue's of the same number
 */

#pragma once

#include "args_priv.h"
#include "ring_priv.h"
#include "rss_priv.h"
#include "sock_priv.h"
#include "steer_priv.h"
#include "umem_priv.h"

#include <ethdev_driver.h>
#include <rte_spinlock.h>

#include <stdbool.h>
#include <stdint.h>

#define XDP_MAX_QUEUES	 STEER_QUEUES
#define XDP_MAX_CHANNELS STEER_HWQS
#define XDP_MAX_SOCKS	 STEER_SOCKS
#define XDP_MAX_MACS	 64
#define XDP_DESC_MIN	 64
#define XDP_DESC_MAX	 4096

/* A hardware queue. */
struct xdp_channel {
	uint16_t hwq;
	uint16_t n_socks;
	uint16_t n_txqs;
	bool fill_shared; /* several rx queues refill it: by whoever gets the lock, never waiting */
	bool comp_shared;
	struct xdp_ring fill;
	struct xdp_ring comp;
	rte_spinlock_t fill_lock;
	rte_spinlock_t comp_lock;
} __rte_cache_aligned;

/* An AF_XDP socket: a receive ring, a transmit ring, or both. */
struct xdp_sock {
	uint16_t index; /* in port->socks, and of its descriptor in xdp_fds[] */
	uint16_t rxq;	/* UINT16_MAX: none */
	uint16_t txq;
	uint16_t slot; /* in the program's socket map */
	struct xdp_channel *channel;
	struct xdp_ring rx;
	struct xdp_ring tx;
	struct rte_mbuf *first; /* of a packet whose last descriptor is still to come */
	struct rte_mbuf *last;
	uint32_t owed; /* buffers received and not yet replaced in the fill ring */
	bool dry;      /* nothing was there at the last poll */
} __rte_cache_aligned;

/* One writer: the thread that polls the queue. */
struct xdp_rxq_stats {
	uint64_t pkts;
	uint64_t bytes;
	uint64_t no_mbuf; /* refills that the pool could not serve in full */
	uint64_t
		fill_busy; /* refills put off, because another queue of the channel held the ring */
	uint64_t wakeups;  /* system calls */
	uint64_t bad_cksum; /* rxcsum=verify */
	uint64_t truncated; /* packets dropped: several buffers, and scatter was not asked for */
};

struct xdp_rxq {
	struct xdp_port *port;
	struct rte_mempool *pool;
	uint16_t id;
	uint16_t n_socks;
	uint16_t turn; /* socket to begin with */
	uint16_t n_descs;
	struct xdp_sock *socks[XDP_MAX_CHANNELS];
	struct xdp_rxq_stats stats;
} __rte_cache_aligned;

/* One writer: the thread that sends on the queue. */
struct xdp_txq_stats {
	uint64_t pkts;
	uint64_t bytes;
	uint64_t wakeups;      /* system calls */
	uint64_t wakeup_again; /* of these, answered "not all sent yet" */
	uint64_t wakeup_error; /* of these, answered with an error: link down, no memory */
	uint64_t copied;       /* packets outside the registered memory */
	uint64_t copied_bytes;
	uint64_t no_mbuf; /* packets dropped: no buffer for the copy */
	uint64_t bad; /* packets dropped: empty, too long, too many segments, bad offload request */
	uint64_t ring_full;  /* packets given back to the caller */
	uint64_t soft_cksum; /* checksums computed here */
};

struct xdp_txq {
	struct xdp_port *port;
	struct xdp_sock *sock;
	uint16_t id;
	uint16_t n_descs;
	bool kick; /* the last wake-up left something unsent */
	struct xdp_txq_stats stats;
} __rte_cache_aligned;

/* Told in xstats and telemetry: what the port asked for and got. */
struct xdp_modes {
	enum steer_mode attach;
	bool zero_copy;
	bool scatter;
	bool meta;    /* the program writes struct steer_meta */
	bool hints;   /* with what the device knows */
	bool tx_meta; /* the kernel completes checksums */
	bool busy_poll;
	bool need_wakeup;
	bool soft_rss;
	uint32_t prog_id;
};

struct xdp_port {
	struct xdp_args args;
	uint16_t port_id;
	int ifindex;
	int numa_node;
	struct rte_ether_addr macs[XDP_MAX_MACS];
	bool has_sg;	/* the kernel knows packets of several descriptors */
	uint64_t hints; /* NETDEV_XDP_RX_METADATA_...: what the device can tell of a packet */
	uint64_t rx_capa;
	uint16_t rx_channels; /* of the device */
	uint16_t tx_channels;
	uint16_t n_rxqs; /* configured */
	uint16_t n_txqs;
	uint64_t rx_offloads;
	uint64_t tx_offloads;
	uint32_t mtu;
	int time_offset; /* of the mbuf's timestamp field; -1: not asked for */
	uint64_t time_flag;
	uint32_t cookie; /* of the metadata of this start */
	bool verify;	 /* rxcsum=verify */
	uint64_t claims; /* rxcsum=trust: what is said of every packet */
	struct xdp_rss rss;
	struct xdp_umem umem;
	struct rte_mempool *pool; /* of the first rx queue: copies for transmission come from it */
	uint64_t rearm; /* a received mbuf's data_off less the descriptor's offset, refcnt, nb_segs,
			   port */
	uint16_t n_channels;
	uint16_t n_socks;
	uint16_t n_rx_channels; /* the first n_rx_channels channels receive */
	struct xdp_channel channels[XDP_MAX_CHANNELS];
	struct xdp_sock *socks;
	struct xdp_modes modes;
	uint64_t bind_retries;
	struct xdp_stats *stats;   /* stats_priv.h */
	struct xdp_guests *guests; /* mp_priv.h */
};

/* What each process has for itself: rte_eth_dev.process_private. A secondary has none of the
 * pointers. */
struct xdp_local {
	struct netdev *netdev;
	struct steer *steer;
	struct xdp_link_watch *watch;
};

/* The sockets' descriptors as this process has them, by port and socket; NULL: none. */
extern int *xdp_fds[RTE_MAX_ETHPORTS];

static inline struct xdp_port *xdp_port_of(const struct rte_eth_dev *dev)
{
	return dev->data->dev_private;
}

static inline struct xdp_local *xdp_local_of(const struct rte_eth_dev *dev)
{
	return dev->process_private;
}

/* True if packets need xdp_rx_burst_rich(). */
static inline bool xdp_rx_is_rich(const struct xdp_port *port)
{
	return port->modes.scatter || port->modes.meta || port->verify;
}

/* What the kernel puts first when it has no more room: rx and tx descriptors of one packet. */
#define XDP_MAX_SEGS 18

/* What is always offered for transmission: the kernel does it, or we do. */
#define XDP_TX_CAPA                                                     \
	(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM | \
	 RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_MULTI_SEGS)

/* ---- trial.c ---- */
/*
 * Bind a socket of its own to a hardware queue and close it: whether that can be done with these
 * flags. Waits while the queue is busy, as xdp_sock_bind() does.
 */
int xdp_trial_bind(struct xdp_port *port, uint16_t hwq, uint16_t flags);

/* ---- queue.c ---- */
int xdp_rx_queue_setup(struct rte_eth_dev *dev, uint16_t id, uint16_t n_descs, unsigned socket,
		       const struct rte_eth_rxconf *conf, struct rte_mempool *pool);
void xdp_rx_queue_release(struct rte_eth_dev *dev, uint16_t id);
int xdp_tx_queue_setup(struct rte_eth_dev *dev, uint16_t id, uint16_t n_descs, unsigned socket,
		       const struct rte_eth_txconf *conf);
void xdp_tx_queue_release(struct rte_eth_dev *dev, uint16_t id);
/* Open and bind every socket, and fill. 0 or -errno after one log line; on error nothing is left
 * open. */
int xdp_queues_start(struct rte_eth_dev *dev);
/* Close every socket; every mbuf goes back to its pool. */
void xdp_queues_stop(struct rte_eth_dev *dev);

/* ---- rx.c ---- */
uint16_t xdp_rx_burst(void *queue, struct rte_mbuf **pkts, uint16_t n);
/* The same with scatter, metadata and checksums. */
uint16_t xdp_rx_burst_rich(void *queue, struct rte_mbuf **pkts, uint16_t n);
/* Put buffers for all that the socket owes into the fill ring, as far as pool and ring allow. */
void xdp_rx_refill(struct xdp_rxq *rxq, struct xdp_sock *sock);

/* ---- tx.c ---- */
uint16_t xdp_tx_burst(void *queue, struct rte_mbuf **pkts, uint16_t n);
/* Take back what the kernel has sent. */
void xdp_tx_reclaim(struct xdp_port *port, struct xdp_channel *ch);
/* Tell the kernel that there is something to send. 0, or -errno of the last call. */
int xdp_tx_kick(struct xdp_txq *txq);
