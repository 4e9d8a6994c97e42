/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A port in secondary processes ("guests" here; the primary is the host).
 *
 * A guest has all statistics: queues count in shared memory, and it asks the host for the rest. It
 * polls queues too: the host sends the sockets' descriptors, and the guest maps the rings at the
 * host's addresses, which the structures in shared memory point to. Where one of these is taken in
 * the guest, it has statistics only, and its bursts move nothing.
 *
 * Sockets live from start to stop, a generation. A guest says in its seat which generation it has
 * mapped; the host, before it closes anything, tells the guests and waits until no seat has one.
 *
 *   host:   generation odd | STARTED ->  ... generation even | STOPPED -> wait for seats | close
 *   guest:  ask for descriptors | seat = generation | still so? map : go back
 */

#pragma once

#include "port_priv.h"

#define XDP_MAX_GUESTS 16

/* Written by its guest; by the host only if that has died. */
struct xdp_seat {
	int pid;	 /* 0: free */
	uint32_t mapped; /* generation, 0: none */
};

/* In shared memory, as long as the port. */
struct xdp_guests {
	uint32_t generation; /* odd: there are sockets */
	struct xdp_seat seats[XDP_MAX_GUESTS];
};

#define XDP_MP_ACTION "net_weir_xdp"
#define XDP_MP_WAIT_S 5

enum xdp_mp_what {
	XDP_MP_STATS,	/* guest: read all counters into shared memory */
	XDP_MP_SOCKETS, /* guest: descriptors of sockets, from the first one on */
	XDP_MP_STARTED, /* host */
	XDP_MP_STOPPED, /* host */
};

/* The parameter of a message, and of its answer. */
struct xdp_mp_message {
	enum xdp_mp_what what;
	uint16_t port_id;
	uint16_t first;
	uint16_t n_socks; /* of the port */
	uint32_t generation;
	int rc;
};

struct rte_mp_msg;
/* What EAL received, or NULL if it is not of this form. */
const struct xdp_mp_message *xdp_mp_read(const struct rte_mp_msg *msg);
/* The same the other way; room for descriptors is left. */
void xdp_mp_write(struct rte_mp_msg *msg, const struct xdp_mp_message *m);

/* ---- mp.c, in the primary ---- */
/* Let guests ask about a port. 0 or -errno; without shared memory (--in-memory) there are none. */
int xdp_mp_open(struct rte_eth_dev *dev);
void xdp_mp_close(struct rte_eth_dev *dev);
/* The last step of a start, and the first of a stop. */
void xdp_mp_started(struct rte_eth_dev *dev);
void xdp_mp_stopping(struct rte_eth_dev *dev);

/* ---- mp_guest.c, in a secondary ---- */
struct rte_vdev_device;
struct xdp_count;
int xdp_guest_probe(struct rte_vdev_device *vdev);
int xdp_guest_close(struct rte_eth_dev *dev);
/* xdp_stats_read(), by the host. */
int xdp_guest_stats(struct rte_eth_dev *dev, struct xdp_count *out);
