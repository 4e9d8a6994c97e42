/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The workers' side of the kernel path. None of these waits, and only punt_flush() may make a
 * system call.
 */

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/punt.h>

struct weir_engine;

/* Whether a port has a kernel path. Any thread. */
bool punt_has(const struct weir_punt *p, uint16_t port);

/*
 * Give the kernel a packet, by the TAP of the port that it came in by (which must have one).
 * False: the ring is full, and the packet is still the caller's. The worker's thread.
 */
bool punt_put(struct weir_punt *p, unsigned worker, struct rte_mbuf *m);

/* After a pass: wake the thread, if this pass put something and it sleeps. The worker's thread. */
void punt_flush(struct weir_punt *p, unsigned worker);

/*
 * Take frames that the kernel sends: meta is cleared but for port_out, OURS and KERNEL.
 * All come to worker 0, so that a flow keeps its order. Returns how many. The worker's thread.
 */
uint16_t punt_take(struct weir_punt *p, unsigned worker, struct rte_mbuf **pkts, uint16_t room);

/*
 * Who is to be woken when frames come for a worker: kick(engine) is called by the punt thread
 * after it has put some. Before start; control thread.
 */
void punt_wakes(struct weir_punt *p, unsigned worker, void (*kick)(struct weir_engine *e),
		struct weir_engine *e);
