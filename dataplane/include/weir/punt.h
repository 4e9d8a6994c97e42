/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The kernel path: packets that are the kernel's business go to it through a TAP device for each
 * port, and what the kernel sends there leaves by the port.
 *
 * Workers make no system call for a packet: each has a ring to one thread that reads and writes the
 * TAPs. Frames pass as they were on the wire, VLAN tags included.
 */

#include <rte_mempool.h>
#include <stdint.h>
#include <weir/must_check.h>
#include <weir/port.h>
#include <weir/why.h>

/** A port with a kernel path. */
struct weir_punt_port {
	const struct weir_port *port; /**< gives the TAP its MAC address and MTU; outlives it */
	const char *tap; /**< name of the TAP, at most 15 bytes; none may have it yet */
};

/** Packets since start. The thread of the kernel path writes them. */
struct weir_punt_stats {
	uint64_t to_kernel_pkts;    /**< written to the TAPs */
	uint64_t to_kernel_errors;  /**< the TAP would not take them (it is down, or gone) */
	uint64_t from_kernel_pkts;  /**< read from the TAPs and given to a worker */
	uint64_t from_kernel_drops; /**< no buffer, or the worker was too slow */
};

struct weir_punt;

/**
 * Make a TAP for each port, up, with the port's MAC address and MTU, in the network namespace of
 * the process. They vanish with it, however it ends.
 * @param ports   n of them, 1 to WEIR_PORTS_MAX; the array is copied, names too.
 * @param workers how many will punt, 1 to WEIR_WORKERS_MAX.
 * @param pool    buffers for what the kernel sends; borrowed, outlives it.
 * @return 0, or -errno with a sentence: -EPERM (no CAP_NET_ADMIN), -ENOENT (no /dev/net/tun),
 *         -EBUSY (a device has that name), -EINVAL, -ENOMEM, or what the kernel said.
 * Control thread.
 */
WEIR_MUST_CHECK int weir_punt_create(const struct weir_punt_port *ports, uint16_t n,
				     uint16_t workers, struct rte_mempool *pool,
				     struct weir_punt **out, struct weir_why *why);

/** Free it and its TAPs, and what waits in its rings. It is stopped first. NULL is allowed. */
void weir_punt_free(struct weir_punt *p);

/** Start the thread that serves the TAPs. @return 0 or -errno with a sentence. Control thread. */
WEIR_MUST_CHECK int weir_punt_start(struct weir_punt *p, struct weir_why *why);

/** Stop it. What workers gave it before is written first. Control thread. */
void weir_punt_stop(struct weir_punt *p);

/** Copy the counters. Any thread; each is exact, not together. */
void weir_punt_stats(const struct weir_punt *p, struct weir_punt_stats *out);
