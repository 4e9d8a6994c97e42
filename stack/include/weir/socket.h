/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Sockets of a stack. Calls are as BSD's, never block and return -errno; payload is mbufs, by
 * reference. All on the stack's thread.
 */

#include <rte_mbuf.h>
#include <stdint.h>
#include <weir/addr.h>
#include <weir/must_check.h>
#include <weir/stack.h>

/** A socket: a place and a generation, so that one that was closed is not another's. */
typedef uint32_t weir_sock;

/** No socket. */
#define WEIR_NO_SOCK UINT32_C(0)

/** An address and a port. */
struct weir_endpoint {
	struct weir_addr addr; /**< family 0: any address */
	uint16_t port;	       /**< host order; 0: none */
};

/** A datagram as it came. */
struct weir_dgram {
	struct rte_mbuf *payload;  /**< the data alone, of one or more segments; the caller's */
	struct weir_endpoint from; /**< who has sent it */
	struct weir_endpoint to;   /**< our address and port that it was sent to */
};

/** What a socket is ready for (weir_event.ready). */
enum weir_ready {
	WEIR_READY_IN = 1 << 0, /**< something can be received */
};

/** A socket that has become ready. */
struct weir_event {
	weir_sock sock; /**< which one */
	uint32_t ready; /**< enum weir_ready */
	void *user;	/**< as it was given to weir_udp_open() */
};

/**
 * A UDP socket (RFC 768) at an address and port of ours.
 * @param at    addr of family 0: all addresses of both families; port 1 to 65535.
 * @param user  Comes back with its events.
 * @return 0, -EINVAL (no port), -EADDRINUSE, or -ENFILE (weir_stack_conf.sockets).
 */
WEIR_MUST_CHECK int weir_udp_open(struct weir_stack *s, const struct weir_endpoint *at, void *user,
				  weir_sock *out);

/**
 * Close a socket and free what waits in it.
 * @return 0 or -EBADF (no such socket, or one that was closed).
 */
int weir_sock_close(struct weir_stack *s, weir_sock sock);

/**
 * The oldest datagram that waits. Its payload is the caller's, and may be sent again as it is.
 * @return 0, -EAGAIN (none) or -EBADF.
 */
WEIR_MUST_CHECK int weir_udp_recv(struct weir_stack *s, weir_sock sock, struct weir_dgram *out);

/**
 * Send a datagram: headers are written before the payload where there is room and nobody else has
 * the buffer, else into a buffer of their own.
 * @param payload  May have no bytes. The stack's on success, else still the caller's.
 * @param from     An address of ours; NULL: the socket's own, if it is bound to one. The port is
 *                 always the socket's.
 * @return 0, -EBADF, -EINVAL (@p to has no port or family, families differ), -EADDRNOTAVAIL (no
 *         source), -EMSGSIZE (more than IP can carry) or -ENOBUFS (no buffer for headers).
 */
WEIR_MUST_CHECK int weir_udp_send(struct weir_stack *s, weir_sock sock, struct rte_mbuf *payload,
				  const struct weir_endpoint *to, const struct weir_addr *from);

/**
 * Sockets that have become ready since they were told of (edges): each once.
 * @return how many of @p events are set; the rest is told by the next call.
 */
WEIR_MUST_CHECK uint16_t weir_stack_events(struct weir_stack *s, struct weir_event *events,
					   uint16_t most);
