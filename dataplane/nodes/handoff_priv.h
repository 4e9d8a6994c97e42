/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Rings between workers: one for each ordered pair, so each has one producer and one consumer.
 *
 * What goes over them: packets of ports that do not spread flows themselves (to the flow's worker),
 * frames for ports where a worker has no tx queue (to one that has), and copies of ARP and ND (all
 * must learn). Packets that go over a ring carry the verdict that 01_ring will say of them.
 */

#include <rte_mbuf.h>
#include <rte_ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/bucket.h>
#include <weir/engine.h>
#include <weir/shard.h>
#include <weir/tuple.h>

/* Packets that one ring holds (less one). */
#define HANDOFF_RING_PKTS 1024
/* Ports of a block at most, as a power of two: for tables of up to 1,024 entries. */
#define HANDOFF_PORT_BITS 11

/* One worker's ends of all rings. */
struct weir_handoff {
	uint16_t worker, workers;
	uint16_t first;	 /* whose ring the next pass begins with */
	uint32_t spread; /* bit per port: its packets are spread by our hash */
	uint16_t reta;	 /* where devices spread them: entries of their tables */
	bool reta_ports; /* and whether by ports, too */
	/* Ports in blocks: those with the same lowest bits of the hash are next to each other. */
	uint16_t entries; /* values of these bits; 0: no port can be computed */
	uint16_t block_ports, each;
	uint16_t port_of[1 << HANDOFF_PORT_BITS];
	uint64_t woken;			    /* bit per worker: got something in this pass */
	uint16_t tx_worker[WEIR_PORTS_MAX]; /* who sends for us where we have no queue */
	struct weir_bucket copies;
	struct weir_shard *shard;		      /* set by the engine that takes it */
	struct weir_engine *engine[WEIR_WORKERS_MAX]; /* to be woken; set by the system */
	struct rte_ring *to[WEIR_WORKERS_MAX];	      /* NULL for itself */
	struct rte_ring *from[WEIR_WORKERS_MAX];      /* NULL for itself */
};

/* The matrix of rings for a number of workers; ends[i] is worker i's. */
int handoff_create(uint16_t workers, int numa, struct weir_handoff **out);
/* Free all; packets in the rings go back to their pools. NULL is allowed. */
void handoff_free(struct weir_handoff *ends);

/* Count what waits in the rings as STOPPING at its new owner, and free it. No worker may run. */
void handoff_drop(struct weir_handoff *ends);

/* Give packets to a worker; those that do not fit are counted as RING_FULL and freed. */
void handoff_give(struct weir_handoff *h, uint16_t to, struct rte_mbuf **pkts, uint16_t n);
/* Give every other worker a copy to learn from (ARP, ND); limited. */
void handoff_copy(struct weir_handoff *h, struct rte_mbuf *m, uint64_t now_ns);
/* After a pass: wake the sleepers among those who got something. */
void handoff_wake(struct weir_handoff *h);

/* The worker that owns a frame's flow; both directions alike. Also writes meta.hash. */
uint16_t handoff_owner(const struct weir_handoff *h, struct rte_mbuf *m);
/* The same of a frame that the kernel sends: a first fragment belongs where its answers come to. */
uint16_t handoff_owner_sent(const struct weir_handoff *h, struct rte_mbuf *m);
/* The worker that packets of a tuple come to, whole ones: handoff_owner() says the same of them. */
uint16_t handoff_owner_of(const struct weir_handoff *h, const struct weir_tuple *t);
/* The same where devices spread: both of all ports, whose tables and keys are alike. */
uint16_t handoff_owner_by_device(const struct weir_handoff *h, const struct weir_tuple *t);
/* What handoff_port() looks up, by reta, reta_ports, worker and workers. */
void handoff_ports_init(struct weir_handoff *h);
/*
 * The @i-th (of as many as there are, and then again from the first) of the ports from @first on
 * that bring packets of @t, with it for dport, to this worker where devices spread. @return 0: it
 * cannot be computed.
 */
uint16_t handoff_port(const struct weir_handoff *h, const struct weir_tuple *t, uint16_t first,
		      uint16_t count, uint32_t i);
