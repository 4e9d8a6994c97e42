/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A worker's neighbours: who answers to which address on which interface (ARP, RFC 826; neighbour
 * discovery, RFC 4861). What other threads may see and say; the rest is the worker's.
 */

#include <stdbool.h>
#include <stdint.h>
#include <weir/addr.h>
#include <weir/must_check.h>

/** The states of RFC 4861 section 7.3.2, of IPv4 neighbours too. */
enum weir_neigh_state {
	WEIR_NEIGH_FREE,       /**< no entry */
	WEIR_NEIGH_INCOMPLETE, /**< asked, no answer yet; packets wait */
	WEIR_NEIGH_REACHABLE,  /**< answered lately */
	WEIR_NEIGH_STALE,      /**< not known to be there; asked again when used */
	WEIR_NEIGH_DELAY,      /**< used while stale; asked soon unless it speaks up */
	WEIR_NEIGH_PROBE,      /**< being asked again by unicast; packets still go there */
	WEIR_NEIGH_FAILED,     /**< did not answer; the next packet makes us ask anew */
	WEIR_NEIGH_PERMANENT,  /**< set by the control thread; never asked, never changed */
	WEIR_NEIGH_STATES      /**< how many there are */
};

/** A neighbour as it is listed. */
struct weir_neigh_info {
	uint64_t since_ns;     /**< when it came into its state, on the worker's clock */
	uint16_t iface;	       /**< index in weir_l3.ifaces */
	uint8_t state;	       /**< enum weir_neigh_state */
	struct weir_mac mac;   /**< zero while unknown */
	struct weir_addr addr; /**< its address */
};

struct weir_neigh_table;

/** A state in lower case: "reachable". Any thread. */
const char *weir_neigh_state_name(enum weir_neigh_state state);

/**
 * Call for every neighbour. Safe while the worker goes on: each one is seen whole, as it was at
 * some time during the call. An entry that changes all the time may be left out.
 * @return how many were seen. Any thread, while the engine exists.
 */
unsigned weir_neigh_each(const struct weir_neigh_table *t,
			 void (*see)(void *ctx, const struct weir_neigh_info *n), void *ctx);

/**
 * Tell a worker of a neighbour. It is taken in within a tenth of a second while the worker is
 * awake.
 *
 * Interfaces go by their number in the generation that is current then: publish first. An entry
 * whose interface changes with a generation is forgotten, permanent or not: set it again.
 * @param mac       NULL: forget the neighbour, permanent or not.
 * @param permanent true: never asked. false: believed until first used, then asked (the kernel's).
 * @return 0, -EINVAL if the address is none or the MAC is a group's or zero, -EAGAIN if the
 * worker has not yet taken in the last ones. One control thread.
 */
WEIR_MUST_CHECK int weir_neigh_set(struct weir_neigh_table *t, uint16_t iface,
				   const struct weir_addr *addr, const struct weir_mac *mac,
				   bool permanent);
