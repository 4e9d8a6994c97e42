/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Programs over sockets: they go by events alone, so an edge that is not told stalls them.
 */

#include "work.h"

#include "sim.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define SERVER_PORT   80
#define BUFFER_BYTES  65536u
#define EVENTS	      32
#define NO_BUFFER_NS  UINT64_C(1000000) /* until a call that had none is made again */
#define BREAK_IDLE_NS UINT64_C(60000000000)

static uint8_t buffer[BUFFER_BYTES];

/* ---- the bytes ---- */

static uint8_t byte_at(uint64_t at, uint32_t key)
{
	return (uint8_t)(((uint32_t)at * UINT32_C(2654435761) + key) >> 23);
}

static void fill(uint8_t *to, uint32_t bytes, uint64_t from, uint32_t key)
{
	for (uint32_t i = 0; i < bytes; i++)
		to[i] = byte_at(from + i, key);
}

static void check_bytes(struct sim *s, const struct side *k, const uint8_t *p, uint32_t bytes,
			uint64_t from)
{
	const struct side *peer = &k->flow->side[k == &k->flow->side[0]];

	for (uint32_t i = 0; i < bytes; i++)
		if (p[i] != byte_at(from + i, peer->key)) {
			sim_fail(s, "flow %u side %u: byte %" PRIu64 " is another", k->flow->index,
				 k == &k->flow->side[1], from + i);
			return;
		}
}

/* ---- calls ---- */

static int64_t receive(struct sim *s, struct side *k, uint32_t most)
{
	struct rte_mbuf *m = NULL;
	uint64_t at = k->received;
	int64_t n;

	if (!k->manner.by_mbuf) {
		n = weir_recv(k->host->stack, k->sock, buffer, RTE_MIN(most, BUFFER_BYTES));
		if (n > 0)
			check_bytes(s, k, buffer, (uint32_t)n, at);
		return n;
	}
	n = weir_recv_mbuf(k->host->stack, k->sock, &m);
	if (n > 0) {
		for (const struct rte_mbuf *seg = m; seg != NULL; seg = seg->next) {
			check_bytes(s, k, rte_pktmbuf_mtod(seg, const uint8_t *), seg->data_len,
				    at);
			at += seg->data_len;
		}
		rte_pktmbuf_free(m);
	}
	return n;
}

/* A packet of several buffers with the next bytes. NULL: no buffers. */
static struct rte_mbuf *make_packet(struct side *k, uint32_t bytes)
{
	struct rte_mbuf *m = NULL;

	for (uint32_t at = 0; at < bytes;) {
		struct rte_mbuf *seg = rte_pktmbuf_alloc(sim_stack_pool());
		uint32_t part;

		if (seg == NULL) {
			rte_pktmbuf_free(m);
			return NULL;
		}
		part = RTE_MIN(bytes - at, (uint32_t)rte_pktmbuf_tailroom(seg));
		fill((uint8_t *)rte_pktmbuf_append(seg, (uint16_t)part), part, k->sent + at,
		     k->key);
		if (m == NULL)
			m = seg;
		else
			rte_pktmbuf_chain(m, seg);
		at += part;
	}
	return m;
}

static int64_t transmit(struct side *k, uint32_t bytes)
{
	struct rte_mbuf *m;
	int64_t n;

	if (!k->manner.by_mbuf) {
		fill(buffer, bytes, k->sent, k->key);
		return weir_send(k->host->stack, k->sock, buffer, bytes);
	}
	m = make_packet(k, bytes);
	if (m == NULL)
		return -ENOBUFS;
	n = weir_send_mbuf(k->host->stack, k->sock, &m);
	rte_pktmbuf_free(m);
	return n;
}

static void set_number(struct side *k, int level, int name, int number)
{
	const int rc =
		weir_setsockopt(k->host->stack, k->sock, level, name, &number, sizeof(number));

	if (rc < 0)
		sim_fail(k->host->sim, "option %d of level %d: %d", name, level, rc);
}

static void set_options(struct side *k)
{
	const struct manner *m = &k->manner;
	struct weir_stack *stack = k->host->stack;
	int rc = 0;

	if (m->nodelay)
		set_number(k, IPPROTO_TCP, TCP_NODELAY, 1);
	if (m->cork)
		set_number(k, IPPROTO_TCP, TCP_CORK, 1);
	if (m->quickack)
		set_number(k, IPPROTO_TCP, TCP_QUICKACK, 1);
	if (m->sndbuf != 0)
		set_number(k, SOL_SOCKET, SO_SNDBUF, m->sndbuf);
	if (m->rcvbuf != 0)
		set_number(k, SOL_SOCKET, SO_RCVBUF, m->rcvbuf);
	if (m->congestion != NULL)
		rc = weir_setsockopt(stack, k->sock, IPPROTO_TCP, TCP_CONGESTION, m->congestion,
				     (uint32_t)strlen(m->congestion));
	if (rc == 0 && k->flow->may_break)
		rc = weir_sock_deadline(stack, k->sock, WEIR_DEADLINE_IDLE, BREAK_IDLE_NS);
	if (rc == 0 && m->level)
		rc = weir_sock_watch(stack, k->sock, UINT32_MAX, true);
	if (rc < 0)
		sim_fail(k->host->sim, "options: %d", rc);
}

/* ---- from beginning to end ---- */

static void done(struct side *k)
{
	k->state = SIDE_DONE;
	k->host->sim->is_moving = true;
	if (weir_sock_close(k->host->stack, k->sock) != 0)
		sim_fail(k->host->sim, "close failed");
}

static void broke(struct side *k, int error)
{
	const struct flow *f = k->flow;

	if (!f->may_break)
		sim_fail(k->host->sim,
			 "flow %u side %u broke: %s, %" PRIu64 " sent, %" PRIu64 " received",
			 f->index, k == &f->side[1], strerror(-error), k->sent, k->received);
	done(k);
}

static void connect_side(struct sim *s, struct side *k)
{
	struct flow *f = k->flow;
	const struct weir_endpoint to = {host_addr(f->side[1].host->index, f->family), SERVER_PORT};
	struct weir_endpoint ours;
	int rc = weir_socket(k->host->stack, WEIR_TCP, k, &k->sock);

	if (rc < 0) {
		sim_fail(s, "no socket: %d", rc);
		return;
	}
	set_options(k);
	rc = weir_connect(k->host->stack, k->sock, &to);
	if (rc == -ENOBUFS && s->starving.n > 0) {
		f->begin_ns = s->now_ns + NO_BUFFER_NS;
		weir_sock_close(k->host->stack, k->sock);
		return;
	}
	if (rc != -EINPROGRESS || weir_getsockname(k->host->stack, k->sock, &ours) != 0) {
		sim_fail(s, "connect: %d", rc);
		return;
	}
	f->port = ours.port;
	k->state = SIDE_OPENING;
	s->is_moving = true;
}

static struct side *side_of_peer(struct sim *s, const struct host *h,
				 const struct weir_endpoint *peer)
{
	for (unsigned i = 0; i < s->n_flows; i++) {
		struct flow *f = &s->flows[i];
		const struct weir_addr from = host_addr(f->side[0].host->index, f->family);

		if (f->side[1].host == h && f->port == peer->port &&
		    weir_addr_equal(&from, &peer->addr) && f->side[1].state == SIDE_IDLE)
			return &f->side[1];
	}
	return NULL;
}

static void accept_all(struct sim *s, struct host *h)
{
	struct weir_endpoint peer;
	weir_sock sock;

	while (weir_accept(h->stack, h->listener, NULL, &sock, &peer) == 0) {
		struct side *k = side_of_peer(s, h, &peer);

		if (k == NULL) {
			if (!h->has_cookies) /* an old segment may bring its cookie again */
				sim_fail(s, "a connection that nobody has begun, from port %u",
					 peer.port);
			weir_sock_close(h->stack, sock);
			continue;
		}
		k->sock = sock;
		k->state = SIDE_OPEN;
		k->readable = k->writable = true;
		set_options(k);
		s->is_moving = true;
	}
}

/* How many bytes it may have sent by now. */
static uint64_t allowed(const struct side *k)
{
	const struct flow *f = k->flow;

	if (!f->asks)
		return k->to_send;
	return k == &f->side[0] ? RTE_MIN(k->to_send,
					  (k->received / f->answer_bytes + 1) * f->question_bytes)
				: k->received / f->question_bytes * f->answer_bytes;
}

static void read_some(struct sim *s, struct side *k)
{
	uint32_t left = k->manner.read_most == 0 ? UINT32_MAX : k->manner.read_most;

	while (k->readable && !k->ended_in && k->state == SIDE_OPEN && s->now_ns >= k->read_ns) {
		const int64_t n = receive(s, k, left);

		if (n == -EAGAIN) {
			k->readable = false;
		} else if (n == 0) {
			k->ended_in = true;
			s->is_moving = true;
		} else if (n < 0) {
			broke(k, (int)n);
		} else {
			k->received += (uint64_t)n;
			k->host->taken_bytes += (uint64_t)n;
			s->is_moving = true;
			left -= (uint32_t)RTE_MIN(n, (int64_t)left);
			if (left == 0)
				k->read_ns = s->now_ns + RTE_MAX(k->manner.read_rest_ns, 1u);
		}
	}
}

static void write_some(struct sim *s, struct side *k)
{
	while (k->writable && k->state == SIDE_OPEN && s->now_ns >= k->write_ns &&
	       k->sent < allowed(k)) {
		const uint64_t left = allowed(k) - k->sent;
		const uint32_t most = RTE_MIN(k->manner.write_most, BUFFER_BYTES);
		const int64_t n = transmit(k, (uint32_t)RTE_MIN(left, (uint64_t)most));

		if (n == -EAGAIN) {
			k->writable = false;
		} else if (n == -ENOBUFS) {
			k->write_ns = s->now_ns + NO_BUFFER_NS;
		} else if (n <= 0) {
			broke(k, (int)n);
		} else {
			k->sent += (uint64_t)n;
			s->is_moving = true;
			if (k->manner.write_rest_ns != 0)
				k->write_ns = s->now_ns + k->manner.write_rest_ns;
		}
	}
}

static void finish(struct sim *s, struct side *k)
{
	if (k->state != SIDE_OPEN)
		return;
	if (k->sent == k->to_send && !k->ended_out) {
		if (k->manner.closes_early && k->received == k->to_receive) {
			done(k);
			return;
		}
		if (weir_shutdown(k->host->stack, k->sock, SHUT_WR) != 0)
			sim_fail(s, "shutdown failed");
		k->ended_out = true;
		s->is_moving = true;
	}
	if (k->ended_in && !k->flow->may_break && k->received != k->to_receive)
		sim_fail(s, "flow %u side %u: the end came after %" PRIu64 " of %" PRIu64,
			 k->flow->index, k == &k->flow->side[1], k->received, k->to_receive);
	if (k->ended_in && (k->ended_out || (k->flow->may_break && k->received < k->to_receive)))
		done(k);
}

static void hang_up(struct side *k)
{
	if (k->manner.aborts) {
		if (weir_sock_abort(k->host->stack, k->sock) != 0)
			sim_fail(k->host->sim, "abort failed");
		k->state = SIDE_DONE;
		k->host->sim->is_moving = true;
	} else {
		done(k);
	}
}

static uint64_t side_next_ns(const struct sim *s, const struct side *k)
{
	uint64_t at = UINT64_MAX;

	if (k->state == SIDE_IDLE && k == &k->flow->side[0])
		return k->flow->begin_ns;
	if (k->state != SIDE_OPEN && k->state != SIDE_OPENING)
		return UINT64_MAX;
	if (k->manner.hangs_up_ns != 0)
		at = k->manner.hangs_up_ns;
	if (k->state == SIDE_OPEN && k->readable && !k->ended_in && k->read_ns > 0)
		at = RTE_MIN(at, k->read_ns);
	if (k->state == SIDE_OPEN && k->writable && k->sent < allowed(k) && k->write_ns > 0)
		at = RTE_MIN(at, k->write_ns);
	return RTE_MAX(at, s->now_ns);
}

static void run_side(struct sim *s, struct side *k)
{
	if (k->state == SIDE_IDLE && k == &k->flow->side[0] && k->flow->begin_ns <= s->now_ns)
		connect_side(s, k);
	if ((k->state == SIDE_OPEN || k->state == SIDE_OPENING) && k->manner.hangs_up_ns != 0 &&
	    k->manner.hangs_up_ns <= s->now_ns) {
		hang_up(k);
		return;
	}
	read_some(s, k);
	write_some(s, k);
	finish(s, k);
}

/* ---- events ---- */

static int error_of(struct side *k)
{
	int error = 0;
	uint32_t bytes = sizeof(error);

	if (weir_getsockopt(k->host->stack, k->sock, SOL_SOCKET, SO_ERROR, &error, &bytes) != 0)
		return -EBADF;
	return -error;
}

static void take_event(struct side *k, uint32_t ready)
{
	if (k->state == SIDE_OPENING && ready & WEIR_READY_ERR) {
		broke(k, error_of(k));
		return;
	}
	if (k->state == SIDE_OPENING && ready & WEIR_READY_OUT)
		k->state = SIDE_OPEN;
	k->readable |= (ready & (WEIR_READY_IN | WEIR_READY_END)) != 0;
	k->writable |= (ready & WEIR_READY_OUT) != 0;
}

/* An accepted one has no user: it is known by its handle. */
static struct side *side_of(struct sim *s, struct host *h, weir_sock sock)
{
	for (unsigned i = 0; i < s->n_flows; i++)
		for (unsigned end = 0; end < 2; end++) {
			struct side *k = &s->flows[i].side[end];

			if (k->host == h && k->sock == sock && k->state != SIDE_DONE)
				return k;
		}
	return NULL;
}

static void take_events(struct sim *s, struct host *h)
{
	struct weir_event events[EVENTS];
	unsigned rounds = 0;
	uint16_t n;

	do {
		n = weir_stack_events(h->stack, events, EVENTS);
		for (uint16_t i = 0; i < n; i++) {
			struct side *k = side_of(s, h, events[i].sock);

			if (events[i].sock == h->listener)
				accept_all(s, h);
			else if (k != NULL)
				take_event(k, events[i].ready);
		}
	} while (n == EVENTS && ++rounds < 4);
}

void work_run(struct sim *s)
{
	for (unsigned i = 0; i < s->n_hosts; i++)
		take_events(s, &s->hosts[i]);
	for (unsigned i = 0; i < s->n_flows; i++)
		for (unsigned end = 0; end < 2; end++)
			run_side(s, &s->flows[i].side[end]);
}

uint64_t work_next_ns(const struct sim *s)
{
	uint64_t at = UINT64_MAX;

	for (unsigned i = 0; i < s->n_flows; i++)
		for (unsigned end = 0; end < 2; end++)
			at = RTE_MIN(at, side_next_ns(s, &s->flows[i].side[end]));
	return at;
}

bool flow_is_done(const struct flow *f)
{
	return f->side[0].state == SIDE_DONE &&
	       (f->side[1].state == SIDE_DONE || (f->side[1].state == SIDE_IDLE && f->may_break));
}

bool work_is_done(const struct sim *s)
{
	for (unsigned i = 0; i < s->n_flows; i++)
		if (!flow_is_done(&s->flows[i]))
			return false;
	return true;
}
