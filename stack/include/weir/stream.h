/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A stream: anything with bytes in and out, in order, with an end of each direction.
 *
 * A TCP socket is one; TLS and tunnels are streams over another stream. What runs over a stream
 * does not see which. Calls are those of weir/socket.h: they never block, return -errno as Linux
 * would, and pass payload by reference. A stream lives in its owner's memory and takes none of its
 * own.
 *
 * Events are the lowest socket's: whoever gets one (weir_stack_events()) goes on with the topmost
 * stream, both directions, as far as it goes. A layer makes its own way (a handshake, say) inside
 * these calls. All on the stack's thread.
 */

#include <rte_mbuf.h>
#include <stdint.h>
#include <weir/must_check.h>
#include <weir/socket.h>

struct weir_stream;

/** What one kind of stream does; each as the function of its name below. */
struct weir_stream_ops {
	const char *name; /**< of the kind: "tcp" */
	/** weir_stream_recv_mbuf() */
	int64_t (*recv_mbuf)(struct weir_stream *t, struct rte_mbuf **out);
	/** weir_stream_send_mbuf() */
	int64_t (*send_mbuf)(struct weir_stream *t, struct rte_mbuf **m);
	/** weir_stream_finish() */
	int (*finish)(struct weir_stream *t);
	/** weir_stream_close() */
	void (*close)(struct weir_stream *t);
	/** weir_stream_abort() */
	void (*abort)(struct weir_stream *t);
	/** weir_stream_ready() */
	uint32_t (*ready)(const struct weir_stream *t);
	/** weir_stream_error() */
	int (*error)(struct weir_stream *t);
	/** weir_stream_active_ns() */
	uint64_t (*active_ns)(const struct weir_stream *t);
};

/** The first member of each kind of stream. */
struct weir_stream {
	const struct weir_stream_ops *ops; /**< what it does */
};

/**
 * The next bytes, by reference.
 * @param out  The caller's from now on: payload alone.
 * @return bytes; 0: the peer has ended; -EAGAIN: none yet, an event tells; else what has ended it.
 */
WEIR_MUST_CHECK static inline int64_t weir_stream_recv_mbuf(struct weir_stream *t,
							    struct rte_mbuf **out)
{
	return t->ops->recv_mbuf(t, out);
}

/**
 * Send by reference as much as there is room for.
 * @param m  The caller's; what was not taken stays in *m (NULL: all was). Nobody may write to what
 *           was taken.
 * @return bytes taken, at least 1; -EAGAIN: no room, an event tells of some; -ENOBUFS: no buffer,
 *         and nothing tells; else what has ended it.
 */
WEIR_MUST_CHECK static inline int64_t weir_stream_send_mbuf(struct weir_stream *t,
							    struct rte_mbuf **m)
{
	return t->ops->send_mbuf(t, m);
}

/**
 * No more is sent: the peer is told behind what is queued. What it sends still comes.
 * @return 0, -ENOTCONN (not connected yet: an event tells when it is), or what has ended it.
 */
WEIR_MUST_CHECK static inline int weir_stream_finish(struct weir_stream *t)
{
	return t->ops->finish(t);
}

/** Close it in order: what is queued is sent first. It is not a stream any more. */
static inline void weir_stream_close(struct weir_stream *t)
{
	t->ops->close(t);
}

/** Close it at once: the peer is told that it has failed. It is not a stream any more. */
static inline void weir_stream_abort(struct weir_stream *t)
{
	t->ops->abort(t);
}

/** What it is ready for now: enum weir_ready. 0 for one that somebody else has closed. */
WEIR_MUST_CHECK static inline uint32_t weir_stream_ready(const struct weir_stream *t)
{
	return t->ops->ready(t);
}

/** Why it is over, -errno, told once; 0: it is not, or ended in order. */
WEIR_MUST_CHECK static inline int weir_stream_error(struct weir_stream *t)
{
	return t->ops->error(t);
}

/** When the peer has last sent bytes, or taken some of ours; else when it began. */
WEIR_MUST_CHECK static inline uint64_t weir_stream_active_ns(const struct weir_stream *t)
{
	return t->ops->active_ns(t);
}

/** A TCP socket as a stream. */
struct weir_stream_tcp {
	struct weir_stream stream; /**< first */
	struct weir_stack *stack;  /**< whose socket it is */
	weir_sock sock;		   /**< connected, or connecting */
};

/** Make @p t the stream of a socket, which is its own from now on. */
void weir_stream_tcp(struct weir_stream_tcp *t, struct weir_stack *s, weir_sock sock);
