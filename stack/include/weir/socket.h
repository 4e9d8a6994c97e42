/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Sockets of a stack. Calls are as BSD's, never block and return -errno as Linux would; payload can
 * be mbufs, by reference. All on the stack's thread.
 *
 * What a call needs to send leaves with the next weir_stack_poll().
 */

#include <rte_mbuf.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
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

/** What a socket speaks. */
enum weir_sock_type {
	WEIR_UDP, /**< datagrams (RFC 768) */
	WEIR_TCP, /**< a stream of bytes (RFC 9293), or a listener */
};

/** What a socket is ready for (weir_event.ready). */
enum weir_ready {
	WEIR_READY_IN = 1 << 0, /**< something can be received or accepted, or the peer has ended */
	WEIR_READY_OUT = 1 << 1, /**< something can be sent: connected, or room again */
	WEIR_READY_END = 1 << 2, /**< the peer sends no more (EPOLLRDHUP) */
	WEIR_READY_ERR = 1 << 3, /**< the connection is over; SO_ERROR says why */
};

/** A socket that has become ready. */
struct weir_event {
	weir_sock sock; /**< which one */
	uint32_t ready; /**< enum weir_ready */
	void *user;	/**< as it was given to weir_socket() or weir_accept() */
};

/* ---- birth and death ---- */

/**
 * A socket, not bound yet.
 * @param user  Comes back with its events.
 * @return 0 or -ENFILE (weir_stack_conf.sockets or .connections).
 */
WEIR_MUST_CHECK int weir_socket(struct weir_stack *s, enum weir_sock_type type, void *user,
				weir_sock *out);

/** Sockets that share an address and port at most: UDP sockets that have no peer, or listeners. */
#define WEIR_SHARED_MOST 64

/**
 * Bind it to an address and port of ours.
 *
 * As in Linux a port is one socket's, where addresses overlap, unless all set SO_REUSEPORT before,
 * or all set SO_REUSEADDR; of TCP, the latter shares with connections and TIME-WAIT, and with who
 * is only bound, but never with a listener. Of several that suit a datagram, one that is connected
 * to its sender has it, else one at its address, else one at any; among sockets with SO_REUSEPORT
 * at one place a keyed hash of both ends chooses, else the youngest has it.
 * @param at  addr of family 0: all addresses of both families (IPV6_V6ONLY: of IPv6).
 *            Port 0: one is chosen (RFC 6056).
 * @return 0, -EBADF, -EINVAL (it is bound), -EADDRINUSE (or WEIR_SHARED_MOST are there already).
 */
WEIR_MUST_CHECK int weir_bind(struct weir_stack *s, weir_sock sock, const struct weir_endpoint *at);

/**
 * Close a socket. What waits in it unread is freed; if there was any, a TCP peer gets a reset
 * (RFC 2525 section 2.17), else what is queued is sent first, unless SO_LINGER says otherwise.
 * @return 0 or -EBADF (no such socket, or one that was closed).
 */
int weir_sock_close(struct weir_stack *s, weir_sock sock);

/* ---- TCP ---- */

/**
 * Let peers connect.
 * @param backlog  Connections that wait to be accepted at most, at least 1. It may be changed by
 *                 another call.
 * @return 0, -EBADF, -EOPNOTSUPP (UDP), -EINVAL (not bound, or connected), -ENFILE, -EADDRINUSE.
 */
WEIR_MUST_CHECK int weir_listen(struct weir_stack *s, weir_sock sock, uint32_t backlog);

/**
 * Stop a listener from taking new connections; those that wait can still be accepted.
 * @return 0, -EBADF or -EINVAL (no listener).
 */
int weir_listen_drain(struct weir_stack *s, weir_sock listener);

/**
 * The oldest connection that waits.
 * @param user  Comes back with the new socket's events.
 * @param peer  Who it is; may be NULL.
 * @return 0, -EAGAIN (none), -EBADF or -EINVAL (no listener).
 */
WEIR_MUST_CHECK int weir_accept(struct weir_stack *s, weir_sock listener, void *user,
				weir_sock *out, struct weir_endpoint *peer);

/**
 * Connect. TCP: a SYN leaves with the next poll, WEIR_READY_OUT or _ERR tells the end; a socket
 * that is not bound gets a source and a port. UDP: only its peer's datagrams are received, errors
 * reach it, and sends may leave out the destination; one that is bound to any address is bound to
 * that of the way, until it is connected to nobody (an end of family 0) again.
 * @return 0 (UDP; TCP_FASTOPEN_CONNECT with a cookie), -EINPROGRESS (TCP), -EBADF, -EINVAL,
 * -EISCONN, -EALREADY, -ENETUNREACH, -EADDRNOTAVAIL (no port left).
 */
WEIR_MUST_CHECK int weir_connect(struct weir_stack *s, weir_sock sock,
				 const struct weir_endpoint *to);

/**
 * Send by reference: takes as much as SO_SNDBUF has room for.
 * @param m  The caller's packet of one or more segments; what was not taken stays in *m (NULL: all
 *           was). Nobody may write to what was taken.
 * @return bytes taken, at least 1; -EAGAIN (no room), -EPIPE (it was shut down, has ended or was
 *         never connected), -EBADF, -ENOBUFS, -EINVAL (no bytes), or the connection's error, once.
 */
WEIR_MUST_CHECK int64_t weir_send_mbuf(struct weir_stack *s, weir_sock sock, struct rte_mbuf **m);

/** The same by copying. @return as weir_send_mbuf(); 0 for no bytes. */
WEIR_MUST_CHECK int64_t weir_send(struct weir_stack *s, weir_sock sock, const void *data,
				  size_t bytes);

/** The same from several places. @return as weir_send(). */
WEIR_MUST_CHECK int64_t weir_sendv(struct weir_stack *s, weir_sock sock, const struct iovec *iov,
				   unsigned n);

/**
 * Receive by reference: the next bytes of the stream, as they came.
 * @param out  The caller's from now on: payload alone.
 * @return bytes; 0: the peer has ended; -EAGAIN, -ENOTCONN, -EBADF, or the connection's error.
 */
WEIR_MUST_CHECK int64_t weir_recv_mbuf(struct weir_stack *s, weir_sock sock, struct rte_mbuf **out);

/** The same by copying. @return as weir_recv_mbuf(). */
WEIR_MUST_CHECK int64_t weir_recv(struct weir_stack *s, weir_sock sock, void *data, size_t bytes);

/** The same to several places. @return as weir_recv(). */
WEIR_MUST_CHECK int64_t weir_recvv(struct weir_stack *s, weir_sock sock, const struct iovec *iov,
				   unsigned n);

/**
 * End one direction or both.
 * @param how  SHUT_RD, SHUT_WR (a FIN follows what is queued) or SHUT_RDWR.
 * @return 0, -EBADF, -EINVAL or -ENOTCONN.
 */
int weir_shutdown(struct weir_stack *s, weir_sock sock, int how);

/** Reset a connection now (RFC 9293 section 3.10.5) and close it. @return 0 or -EBADF. */
int weir_sock_abort(struct weir_stack *s, weir_sock sock);

/* ---- UDP ---- */

/** A datagram as it came. */
struct weir_dgram {
	struct rte_mbuf *payload;  /**< the data alone, of one or more segments; the caller's */
	struct weir_endpoint from; /**< who has sent it */
	struct weir_endpoint to;   /**< our address and port that it was sent to */
	uint16_t iface;		   /**< the interface that it came by, weir_meta.iface_in */
	uint8_t tos;		   /**< DSCP and ECN that it came with */
	bool to_many; /**< to is a group or a broadcast address: not one to answer from */
};

/**
 * A UDP socket that is bound: weir_socket() and weir_bind().
 * @return 0, -EINVAL (no port), -EADDRINUSE, or -ENFILE (weir_stack_conf.sockets).
 */
WEIR_MUST_CHECK int weir_udp_open(struct weir_stack *s, const struct weir_endpoint *at, void *user,
				  weir_sock *out);

/**
 * The oldest datagram that waits. Its payload is the caller's, and may be sent again as it is.
 * @return 0, -EAGAIN (none), -EBADF, or the error that an ICMP message has told of a socket that is
 *         connected, once: -ECONNREFUSED, -EHOSTUNREACH, -EMSGSIZE, ...
 */
WEIR_MUST_CHECK int weir_udp_recv(struct weir_stack *s, weir_sock sock, struct weir_dgram *out);

/** The oldest datagrams, up to @p most. @return how many, at least 1, else as weir_udp_recv(). */
WEIR_MUST_CHECK int weir_udp_recv_many(struct weir_stack *s, weir_sock sock, struct weir_dgram *out,
				       uint16_t most);

/**
 * Send a datagram: headers are written before the payload where there is room and nobody else has
 * the buffer, else into a buffer of their own.
 * @param payload  May have no bytes. The stack's on success, else still the caller's.
 * @param to       NULL: the peer that the socket is connected to.
 * @param from     An address of ours; NULL: the socket's own, if it is bound to one, else that of
 *                 the way to @p to. The port is always the socket's.
 * @return 0, -EBADF, -EINVAL (@p to has no port or family, families differ, @p from is a group's or
 * a broadcast), -EDESTADDRREQ (no @p to, and not connected), -EADDRNOTAVAIL (no source),
 * -ENETUNREACH (no way), -EACCES (a broadcast without SO_BROADCAST), -EMSGSIZE (more than
 * IP can carry), -ENOBUFS (no buffer for headers), or an error that waits, see weir_udp_recv().
 */
WEIR_MUST_CHECK int weir_udp_send(struct weir_stack *s, weir_sock sock, struct rte_mbuf *payload,
				  const struct weir_endpoint *to, const struct weir_addr *from);

/**
 * Send datagrams one after the other: payload, to (port 0: the peer that the socket is connected
 * to) and the address of from (family 0: as weir_udp_send() has it) are heeded.
 * @return how many were, the first ones, and their payloads are the stack's; or, if none was, why.
 */
WEIR_MUST_CHECK int weir_udp_send_many(struct weir_stack *s, weir_sock sock,
				       const struct weir_dgram *dgrams, uint16_t n);

/** Datagrams that one call of weir_udp_send_gso() makes at most, as Linux's UDP_SEGMENT. */
#define WEIR_UDP_GSO_MOST 64

/**
 * Send a payload as datagrams of @p seg_bytes each, the last one of what is left (UDP_SEGMENT). The
 * bytes are not copied: nobody may write to them. All are sent or none.
 * @return as weir_udp_send(); -EINVAL too if there would be more than WEIR_UDP_GSO_MOST.
 */
WEIR_MUST_CHECK int weir_udp_send_gso(struct weir_stack *s, weir_sock sock,
				      struct rte_mbuf *payload, uint16_t seg_bytes,
				      const struct weir_endpoint *to, const struct weir_addr *from);

/* ---- options, names, events ---- */

/**
 * An option of IPPROTO_TCP that Linux has not, 0 or 1: tell the peer TCP_USER_TIMEOUT by the option
 * of RFC 5482, and heed what it tells. The longer one counts then, from 100 seconds to an hour.
 */
#define WEIR_TCP_UTO 0x5755

/**
 * Options with Linux's names, values and sizes (<sys/socket.h>, <netinet/tcp.h>): SO_RCVBUF,
 * SO_SNDBUF, SO_LINGER, SO_KEEPALIVE, SO_REUSEADDR, SO_REUSEPORT, IPV6_V6ONLY, IP_TOS, IPV6_TCLASS,
 * TCP_NODELAY, TCP_CORK, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_USER_TIMEOUT,
 * TCP_CONGESTION, TCP_MAXSEG, TCP_DEFER_ACCEPT, TCP_LINGER2, TCP_SYNCNT, TCP_QUICKACK,
 * TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, WEIR_TCP_UTO. A listener's are given to what it accepts.
 *
 * TCP_FASTOPEN (RFC 7413): how many connections of a listener may be open while their handshake
 * goes on; 0: none. They are accepted, and what their SYNs have brought is received and answered,
 * before it ends; it may fail with ETIMEDOUT or ECONNRESET yet. A SYN may be one that was delayed
 * and comes twice, so a request that came in it has to be harmless twice.
 *
 * TCP_FASTOPEN_CONNECT: weir_connect() asks for a cookie. Where one was given before, it returns 0
 * at once, and the SYN leaves with what is sent before the next poll, or alone after 10 ms. How the
 * connection fares is told later, as after -EINPROGRESS. What was not taken with the SYN is sent
 * again; a peer or path that does not stand it is left alone for a while, from a minute to an hour.
 *
 * Of UDP sockets: SO_REUSEADDR, SO_REUSEPORT, SO_BROADCAST, IP_TOS, IPV6_TCLASS, and for groups
 * IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, IP_MULTICAST_IF, IP_MULTICAST_TTL, IP_MULTICAST_LOOP,
 * IP_MULTICAST_ALL, IPV6_JOIN_GROUP, IPV6_LEAVE_GROUP, IPV6_MULTICAST_IF, IPV6_MULTICAST_HOPS,
 * IPV6_MULTICAST_LOOP, IPV6_MULTICAST_ALL. An interface's index is weir_meta.iface_in and one.
 * @return 0, -EBADF, -ENOPROTOOPT, -EINVAL (value or length), -ENOENT (no such congestion
 *         control), -ENOBUFS (too many different settings, or groups, at once), -ENODEV or
 *         -EADDRNOTAVAIL (no such interface, or the socket has not joined), -EADDRINUSE (it has).
 */
WEIR_MUST_CHECK int weir_setsockopt(struct weir_stack *s, weir_sock sock, int level, int name,
				    const void *value, uint32_t bytes);

/**
 * Read an option: those of weir_setsockopt(), SO_ERROR (and forget it), SO_TYPE, SO_ACCEPTCONN and
 * TCP_INFO (struct tcp_info with Linux's meanings).
 * @param bytes  In: room at @p value. Out: bytes written.
 */
WEIR_MUST_CHECK int weir_getsockopt(struct weir_stack *s, weir_sock sock, int level, int name,
				    void *value, uint32_t *bytes);

/** Our end. @return 0 or -EBADF. */
WEIR_MUST_CHECK int weir_getsockname(struct weir_stack *s, weir_sock sock,
				     struct weir_endpoint *out);
/** The peer's end. @return 0, -EBADF or -ENOTCONN. */
WEIR_MUST_CHECK int weir_getpeername(struct weir_stack *s, weir_sock sock,
				     struct weir_endpoint *out);

/**
 * Sockets that have become ready since they were told of (edges): each once.
 * @return how many of @p events are set; the rest is told by the next call.
 */
WEIR_MUST_CHECK uint16_t weir_stack_events(struct weir_stack *s, struct weir_event *events,
					   uint16_t most);

/** What a socket is ready for now: the level, not the edge. 0 for one that is closed. */
WEIR_MUST_CHECK uint32_t weir_sock_ready(struct weir_stack *s, weir_sock sock);

/**
 * Choose what a socket tells of; all is told unless this is called.
 * @param mask   enum weir_ready; 0: nothing. WEIR_READY_ERR is always told.
 * @param level  Told by each weir_stack_events() for as long as it lasts, not only when it begins.
 * @return 0 or -EBADF.
 */
int weir_sock_watch(struct weir_stack *s, weir_sock sock, uint32_t mask, bool level);

/** What a connection may wait for. */
enum weir_deadline {
	WEIR_DEADLINE_READ,    /**< nothing was received for so long */
	WEIR_DEADLINE_WRITE,   /**< data waits to be acknowledged, and nothing was for so long */
	WEIR_DEADLINE_IDLE,    /**< neither sent nor received */
	WEIR_DEADLINE_CONNECT, /**< its SYN has left, and is not answered; with fast open, too */
	WEIR_DEADLINES,	       /**< how many there are */
};

/**
 * Let a connection end with ETIMEDOUT if nothing happens for so long.
 * @param ns  From each time that something happens; 0: no deadline.
 * @return 0, -EBADF or -ENOBUFS, see weir_setsockopt().
 */
WEIR_MUST_CHECK int weir_sock_deadline(struct weir_stack *s, weir_sock sock,
				       enum weir_deadline which, uint64_t ns);

/**
 * When a connection's peer has last sent bytes or acknowledged some of ours, else when it began;
 * 0: no connection. To a millisecond, as TCP_INFO.
 */
WEIR_MUST_CHECK uint64_t weir_sock_active_ns(struct weir_stack *s, weir_sock sock);

/** A socket as a person looks at it. */
struct weir_sock_info {
	weir_sock sock;		   /**< its handle; WEIR_NO_SOCK: nobody has it any more */
	void *user;		   /**< as it was given to weir_socket() or weir_accept() */
	enum weir_sock_type type;  /**< what it speaks */
	const char *state;	   /**< of TCP, as ss names it: ESTAB, LISTEN, TIME-WAIT, ... */
	struct weir_endpoint ours; /**< our end */
	struct weir_endpoint peer; /**< the other; family 0: none */
	uint32_t in_bytes;	   /**< waits to be received; a listener: connections to accept */
	uint32_t out_bytes;	   /**< waits to be sent or acknowledged; a listener: backlog */
	uint64_t age_ns;	   /**< since it began */
	uint64_t quiet_ns;	   /**< since something was received */
};

/**
 * Look at all sockets, half-open connections and those in TIME-WAIT, some at a time.
 * @param at  Where to go on, 0 at first; UINT64_MAX when all were seen.
 * @return how many of @p out are set.
 */
WEIR_MUST_CHECK uint16_t weir_sock_walk(struct weir_stack *s, uint64_t *at,
					struct weir_sock_info *out, uint16_t most);
