/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A user's calls of TCP (RFC 9293 section 3.10.1 to 3.10.6, in BSD's words).
 */

#include "tcp_priv.h"

#include <errno.h>
#include <netinet/in.h>

/* The connection's error, once; 0: none. */
static int error_of(struct conn *c)
{
	const int error = c->error;

	c->error = 0;
	return -error;
}

/* ---- sending ---- */

/* A buffer has what a segment takes, so that it need not be divided. */
static uint32_t fill_most(const struct conn *c)
{
	return c->mss_out - (c->flags & CONN_STAMPS ? OPT_STAMP_BYTES : 0);
}

/*
 * A quarter of the shared memory is left for what is received: two that only send would wait for
 * ever. A segment of who has none queued is taken though others hold all the rest: what they hold
 * may wait for just this one, as in a proxy whose readers wait to send.
 */
uint32_t conn_room(const struct conn *c)
{
	const struct weir_stack *s = c->stack;
	const struct work *w = work_of(c);
	const uint32_t queued = w == NULL ? 0 : w->flight.bytes + w->unsent.bytes;
	const uint32_t most = settings_of(c)->sndbuf;
	const uint64_t all = memory_shared(s) - memory_shared(s) / 4;
	uint64_t left = all > s->held_bytes ? all - s->held_bytes : 0;

	if (queued == 0 && s->held_bytes + fill_most(c) <= s->conf.memory_bytes)
		left = RTE_MAX(left, (uint64_t)fill_most(c));
	return queued >= most ? 0 : (uint32_t)RTE_MIN(left, (uint64_t)(most - queued));
}

/* 0, or why nothing can be sent. */
static int may_send(struct conn *c)
{
	if (c->error != 0)
		return error_of(c);
	if (conn_is_open(c) || syn_is_held(c))
		return c->flags & CONN_FIN_QUEUED ? -EPIPE : 0;
	return c->state == TCPS_SYN_SENT || c->state == TCPS_SYN_RECEIVED ? -EAGAIN : -EPIPE;
}

static int64_t full(struct conn *c)
{
	conn_want_room(c);
	return -EAGAIN;
}

/* After rest the window is an old one (RFC 5681 section 4.1). */
static void after_rest(struct conn *c, struct work *w)
{
	const uint64_t now_ns = c->stack->now_ns;
	const uint64_t rest_ns = now_ns - RTE_MIN(w->sent_ns, now_ns);

	if (w->flight.n > 0 || w->unsent.n > 0)
		return;
	count_of(c)->acked_tick = tick_of(now_ns);
	if (w->sent_ns != 0)
		w->cc.ops->on_restart(&w->cc, rest_ns, rto_us(c), now_ns);
}

/* The first @bytes of *m as a packet of its own; *m keeps the rest. NULL: no buffer. */
static struct rte_mbuf *take_front(struct weir_stack *s, struct rte_mbuf **m, uint32_t bytes)
{
	struct rte_mbuf *front = rte_pktmbuf_clone(*m, s->conf.pool);

	if (front == NULL)
		return NULL;
	pkt_keep(front, bytes);
	*m = pkt_skip(*m, bytes);
	return front;
}

int64_t weir_send_mbuf(struct weir_stack *s, weir_sock sock, struct rte_mbuf **m)
{
	struct conn *c = conn_by(s, sock);
	struct rte_mbuf *whole;
	struct work *w;
	uint32_t bytes;
	int rc;

	if (c == NULL)
		return -EBADF;
	rc = may_send(c);
	if (rc < 0)
		return rc;
	if ((*m)->pkt_len == 0)
		return -EINVAL;
	bytes = RTE_MIN(conn_room(c), (*m)->pkt_len);
	if (bytes == 0)
		return full(c);
	w = work_get(c);
	whole = w == NULL ? NULL : bytes == (*m)->pkt_len ? *m : take_front(s, m, bytes);
	if (whole == NULL)
		return -ENOBUFS;
	if (whole == *m)
		*m = NULL;
	after_rest(c, w);
	whole->ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;
	seg_of(whole)->flags = SEG_PSH;
	snd_append(w, whole);
	s->held_bytes += bytes;
	conn_dirty(c);
	return bytes;
}

/* Room at the end of what is unsent: a buffer that is only ours. NULL: there is none. */
static struct rte_mbuf *tail_with_room(const struct work *w, uint32_t most)
{
	struct rte_mbuf *m = w->unsent.tail;

	return w->unsent.n > 0 && m->next == NULL && m->pkt_len < most && RTE_MBUF_DIRECT(m) &&
			       rte_mbuf_refcnt_read(m) == 1 && rte_pktmbuf_tailroom(m) > 0
		       ? m
		       : NULL;
}

/* @return bytes copied, at least 1, or -ENOBUFS. */
static int64_t copy_in(struct conn *c, struct work *w, const uint8_t *p, uint32_t bytes)
{
	const uint32_t most = fill_most(c);
	struct rte_mbuf *m = tail_with_room(w, most);
	const bool is_new = m == NULL;
	uint32_t part;

	if (is_new)
		m = rte_pktmbuf_alloc(c->stack->conf.pool);
	if (m == NULL) {
		stack_count(&c->stack->stats.no_mbuf, 1);
		return -ENOBUFS;
	}
	part = RTE_MIN(bytes, most - m->pkt_len);
	part = RTE_MIN(part, (uint32_t)rte_pktmbuf_tailroom(m));
	memcpy(rte_pktmbuf_append(m, (uint16_t)part), p, part);
	if (is_new) {
		seg_of(m)->flags = 0;
		snd_append(w, m);
	} else {
		w->unsent.bytes += part;
	}
	return part;
}

int64_t weir_send(struct weir_stack *s, weir_sock sock, const void *data, size_t bytes)
{
	struct conn *c = conn_by(s, sock);
	struct work *w;
	size_t room, done = 0;
	int rc;

	if (c == NULL)
		return -EBADF;
	rc = may_send(c);
	if (rc < 0 || bytes == 0)
		return rc;
	room = RTE_MIN(bytes, conn_room(c));
	if (room == 0)
		return full(c);
	w = work_get(c);
	if (w == NULL)
		return -ENOBUFS;
	after_rest(c, w);
	while (done < room) {
		const int64_t n =
			copy_in(c, w, (const uint8_t *)data + done, (uint32_t)(room - done));

		if (n < 0)
			break;
		done += (size_t)n;
	}
	if (done == 0)
		return -ENOBUFS;
	if (done < bytes)
		c->flags |= CONN_FULL_OUT;
	seg_of(w->unsent.tail)->flags |= SEG_PSH;
	s->held_bytes += done;
	conn_dirty(c);
	return (int64_t)done;
}

int64_t weir_sendv(struct weir_stack *s, weir_sock sock, const struct iovec *iov, unsigned n)
{
	int64_t done = 0;

	for (unsigned i = 0; i < n; i++) {
		const int64_t rc = weir_send(s, sock, iov[i].iov_base, iov[i].iov_len);

		if (rc < 0)
			return done > 0 ? done : rc;
		done += rc;
		if ((size_t)rc < iov[i].iov_len)
			break;
	}
	return done;
}

/* ---- receiving ---- */

/* 0: there is something; else what a call returns; *end: the peer has ended. */
static int may_recv(struct conn *c, bool *end)
{
	const struct work *w = work_of(c);

	*end = false;
	if (w != NULL && w->ready.n > 0 && c->state != TCPS_LISTEN)
		return 0;
	if (c->error != 0)
		return error_of(c);
	*end = (c->flags & (CONN_FIN_IN | CONN_SHUT_RD)) ||
	       (c->state == TCPS_CLOSED && c->ends.peer_port != 0);
	if (*end)
		return 0;
	return c->state < TCPS_SYN_SENT ? -ENOTCONN : -EAGAIN;
}

/* Bytes were taken: the window may open (Linux's rule: if it doubles). */
static void taken(struct conn *c, struct work *w, uint32_t bytes)
{
	struct weir_stack *s = c->stack;

	if (settings_of(c)->rcvbuf == 0)
		rcv_tune(s, c, w, bytes, s->now_ns);
	if (c->state == TCPS_CLOSED) {
		if (w->ready.n == 0)
			work_put(c);
		return;
	}
	if (conn_window(c) >= 2 * (c->rcv_adv - c->rcv_nxt) && conn_window(c) > 0 &&
	    !(c->flags & CONN_FIN_IN)) {
		c->flags |= CONN_ACK_NOW;
		conn_dirty(c);
	} else if (c->rcv_adv - c->rcv_nxt < window_least(c)) {
		conn_arm(c);
	}
}

int64_t weir_recv_mbuf(struct weir_stack *s, weir_sock sock, struct rte_mbuf **out)
{
	struct conn *c = conn_by(s, sock);
	struct work *w;
	uint32_t bytes;
	bool end;
	int rc;

	if (c == NULL)
		return -EBADF;
	rc = may_recv(c, &end);
	if (rc < 0 || end)
		return rc;
	w = work_of(c);
	*out = rcv_pop(s, w);
	bytes = (*out)->pkt_len;
	taken(c, w, bytes);
	return bytes;
}

int64_t weir_recv(struct weir_stack *s, weir_sock sock, void *data, size_t bytes)
{
	struct conn *c = conn_by(s, sock);
	struct work *w;
	uint32_t done;
	bool end;
	int rc;

	if (c == NULL)
		return -EBADF;
	rc = may_recv(c, &end);
	if (rc < 0 || end)
		return rc;
	w = work_of(c);
	done = rcv_copy(s, w, data, (uint32_t)RTE_MIN(bytes, (size_t)INT32_MAX));
	taken(c, w, done);
	return done;
}

int64_t weir_recvv(struct weir_stack *s, weir_sock sock, const struct iovec *iov, unsigned n)
{
	int64_t done = 0;

	for (unsigned i = 0; i < n; i++) {
		const int64_t rc = iov[i].iov_len == 0
					   ? 0
					   : weir_recv(s, sock, iov[i].iov_base, iov[i].iov_len);

		if (rc < 0)
			return done > 0 ? done : rc;
		done += rc;
		if ((size_t)rc < iov[i].iov_len)
			break;
	}
	return done;
}

/* ---- ends ---- */

int weir_shutdown(struct weir_stack *s, weir_sock sock, int how)
{
	struct conn *c = conn_by(s, sock);

	if (c == NULL)
		return -EBADF;
	if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
		return -EINVAL;
	if (c->state < TCPS_SYN_RECEIVED)
		return -ENOTCONN;
	if (how != SHUT_WR) {
		c->flags |= CONN_SHUT_RD;
		conn_ready(c, WEIR_READY_IN | WEIR_READY_END);
	}
	if (how != SHUT_RD)
		conn_finish(c);
	return 0;
}

static bool has_unread(const struct conn *c)
{
	const struct work *w = work_of(c);

	return w != NULL && (w->ready.n > 0 || w->early.n > 0);
}

void conn_close(struct conn *c)
{
	if (c->state == TCPS_LISTEN)
		conn_unlisten(c);
	port_free(c);
	c->flags &= ~CONN_BOUND;
	c->flags |= CONN_ORPHAN;
	switch (c->state) {
	case TCPS_CLOSED:
	case TCPS_SYN_SENT:
		conn_end(c, 0);
		return;
	default:
		break;
	}
	if (has_unread(c) || c->flags & CONN_LINGER) {
		conn_abort(c, 0);
		return;
	}
	conn_finish(c);
	conn_arm(c);
}

int weir_sock_abort(struct weir_stack *s, weir_sock sock)
{
	struct conn *c = conn_by(s, sock);

	if (c == NULL)
		return -EBADF;
	c->flags |= CONN_LINGER;
	conn_close(c);
	return 0;
}

int weir_accept(struct weir_stack *s, weir_sock listener, void *user, weir_sock *out,
		struct weir_endpoint *peer)
{
	struct conn *l = conn_by(s, listener), *c;
	int rc;

	if (l == NULL)
		return -EBADF;
	rc = conn_accept(l, &c);
	if (rc < 0)
		return rc;
	c->user = user;
	*out = conn_handle(c);
	if (peer != NULL)
		*peer = conn_peer(c);
	conn_ready(c, conn_level(c));
	if (!(conn_level(c) & WEIR_READY_OUT))
		conn_want_room(c);
	return 0;
}

int weir_listen(struct weir_stack *s, weir_sock sock, uint32_t backlog)
{
	struct conn *c = conn_by(s, sock);

	if (c == NULL)
		return sock_of(s, sock) != NULL ? -EOPNOTSUPP : -EBADF;
	return conn_listen(c, backlog);
}

int weir_listen_drain(struct weir_stack *s, weir_sock listener)
{
	struct conn *c = conn_by(s, listener);

	if (c == NULL)
		return -EBADF;
	if (c->state != TCPS_LISTEN)
		return -EINVAL;
	port_of(c)->is_drained = true;
	return 0;
}
