/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The first way to use weir: you own the loop. Ports, a pool, rx, tx and a wait; nothing else.
 *
 *	while (!done) {
 *		n = weir_raw_rx(r, 0, 0, pkts, 64);
 *		sent = weir_raw_tx(r, 1, 0, pkts, n);
 *		rte_pktmbuf_free_bulk(pkts + sent, n - sent);
 *		if (n == 0)
 *			weir_raw_wait(r, 100);
 *	}
 *
 * One thread opens, uses and closes it. engine.h is the second way: the loop is the engine's.
 */

#include <stdint.h>
#include <stdio.h>
#include <weir/must_check.h>
#include <weir/port.h>

struct weir_raw;

/** Memory for these ports, for weir_eal_conf.memory_mib. Any thread, before EAL too. */
WEIR_MUST_CHECK uint32_t weir_raw_memory_mib(const struct weir_port_conf *ports, uint16_t n_ports);

/**
 * Make a pool, open the ports (number i is ports[i]) and start them. EAL has begun (eal.h).
 * @param held packets that you will keep at a time, besides those in a burst.
 * @return 0 or -errno with a sentence. The calling thread becomes the owner.
 */
WEIR_MUST_CHECK int weir_raw_open(const struct weir_port_conf *ports, uint16_t n_ports,
				  uint32_t held, struct weir_raw **out, struct weir_why *why);

/** Take up to @p n packets of a queue; they are yours. @return how many. The owner. */
WEIR_MUST_CHECK uint16_t weir_raw_rx(struct weir_raw *r, uint16_t port, uint16_t queue,
				     struct rte_mbuf **pkts, uint16_t n);

/** Send packets. @return how many are the port's now; the rest stays yours. The owner. */
WEIR_MUST_CHECK uint16_t weir_raw_tx(struct weir_raw *r, uint16_t port, uint16_t queue,
				     struct rte_mbuf **pkts, uint16_t n);

/**
 * Sleep until a queue of any port may have packets, or the time is over, or a signal came.
 * Call it when nothing was received. Every other call returns at once after it has armed the
 * devices' interrupts, so that you look again before you sleep and no packet waits for the timeout.
 * @return 1 look now, 0 the time is over, -EINTR a signal came, -ENOTSUP a port has no wake-ups:
 * keep polling. The owner.
 */
int weir_raw_wait(struct weir_raw *r, int timeout_ms);

/** The counters of a port since it was opened. @return 0 or -errno. The owner. */
WEIR_MUST_CHECK int weir_raw_stats(struct weir_raw *r, uint16_t port, struct weir_port_stats *out);

/** A port, for its MAC address, caps and so on; NULL if there is no such port. It stays r's. */
struct weir_port *weir_raw_port(struct weir_raw *r, uint16_t port);

/** The pool, to make packets of your own. It stays r's. */
struct rte_mempool *weir_raw_pool(struct weir_raw *r);

/**
 * Print how full the descriptor rings of a queue and the pool are, and the port's counters. Checks
 * the pool's own records on the way. Devices that cannot say how full a ring is print "-".
 * @return 0, -EINVAL for a wrong port or queue or a thread that is not the owner.
 */
WEIR_MUST_CHECK int weir_raw_debug_rings(struct weir_raw *r, uint16_t port, uint16_t queue,
					 FILE *to);

/** Stop and close the ports, free the pool. Give back or free your packets before. NULL is allowed.
 */
void weir_raw_close(struct weir_raw *r);
