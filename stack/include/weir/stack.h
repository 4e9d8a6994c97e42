/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A stack: packets go in, packets come out by a callback, and the time is an argument.
 *
 * It knows no clock, no thread and no global, and takes no memory after its creation but packet
 * buffers, so one worker's stack is a simulation's and a test's too. All its functions are for one
 * thread at a time.
 */

#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <stdint.h>
#include <weir/must_check.h>
#include <weir/siphash.h>

struct weir_stack;

/** Bytes that are free before the IP header of a packet that comes out, for layer 2. */
#define WEIR_STACK_HEADROOM 32

/**
 * Takes what the stack sends: packets that begin with their IP header, whole and with
 * their checksums. Ownership moves. Called inside of
 * weir_stack_poll() and never else.
 */
typedef void weir_stack_output_fn(void *ctx, struct rte_mbuf **pkts, uint16_t n);

/** What a stack is made of. */
struct weir_stack_conf {
	struct rte_mempool *pool; /**< buffers for headers, with struct weir_meta behind each mbuf;
				     borrowed */
	uint32_t sockets;	  /**< sockets at most, 1 to WEIR_STACK_SOCKETS_MAX */
	uint32_t socket_pkts;	  /**< datagrams that wait in one socket at most, at least 1 */
	struct weir_siphash_key secret; /**< random: keys what peers may choose */
	weir_stack_output_fn *output;	/**< where packets go */
	void *ctx;			/**< its first argument */
};

/** Sockets of a stack at most. */
#define WEIR_STACK_SOCKETS_MAX (UINT32_C(1) << 20)

/** What a stack has counted. Written by its thread, read by any with relaxed loads. */
struct weir_stack_stats {
	uint64_t udp_in;	/**< datagrams that sockets were given */
	uint64_t udp_in_bytes;	/**< payload of these */
	uint64_t udp_out;	/**< datagrams sent */
	uint64_t udp_out_bytes; /**< payload of these */
	uint64_t udp_full;	/**< dropped: the socket's queue was full */
	uint64_t udp_bad;	/**< dropped: a length that the packet does not have (RFC 768) */
	uint64_t no_mbuf;	/**< not sent for want of a buffer */
};

/** Make a stack; all its memory is taken here. @return 0 or -EINVAL or -ENOMEM. */
WEIR_MUST_CHECK int weir_stack_create(const struct weir_stack_conf *conf, struct weir_stack **out);
/** Free a stack with its sockets and what waits in them. NULL is allowed. */
void weir_stack_free(struct weir_stack *s);

/**
 * Packets that came in, with weir_meta: whole IPv4 or IPv6 to an address of ours, l3_off, l4_off
 * and proto set, transport checksum right. What a socket takes is the stack's.
 * @return how many are for no socket; they are the first of @p pkts now, in their order, and stay
 *         the caller's.
 */
WEIR_MUST_CHECK uint16_t weir_stack_input(struct weir_stack *s, struct rte_mbuf **pkts, uint16_t n,
					  uint64_t now_ns);

/**
 * Send what is due: gives it to the output function.
 * @return when it is to be called again at the latest, UINT64_MAX: not before the next input or
 *         call of a socket.
 */
uint64_t weir_stack_poll(struct weir_stack *s, uint64_t now_ns);

/** What it has counted. Any thread. */
void weir_stack_stats(const struct weir_stack *s, struct weir_stack_stats *out);
