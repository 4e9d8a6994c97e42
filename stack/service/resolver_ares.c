/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * c-ares over the stack's sockets: its calls of the kernel are replaced by ours
 * (ares_set_socket_functions). What it wants to read or write is looked at by level, once a run.
 */

#include "resolver_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_mbuf.h>

#define DNS_PORT 53
/* Answers that are read in one run at most, so that nobody keeps the worker by sending some. */
#define ROUNDS 16

static int failed(int rc)
{
	errno = -rc;
	return -1;
}

static struct resolver_sock *sock_at(struct weir_resolver *r, ares_socket_t at)
{
	return at >= 0 && at < RESOLVER_SOCKS && r->socks[at].sock != WEIR_NO_SOCK ? &r->socks[at]
										   : NULL;
}

/* ---- addresses as c-ares has them ---- */

static int endpoint_of(const struct sockaddr *sa, struct weir_endpoint *out)
{
	const struct sockaddr_in *in = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;

	*out = (struct weir_endpoint){0};
	if (sa->sa_family == AF_INET) {
		out->addr.family = 4;
		memcpy(out->addr.bytes, &in->sin_addr, 4);
		out->port = ntohs(in->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		out->addr.family = 6;
		memcpy(out->addr.bytes, &in6->sin6_addr, 16);
		out->port = ntohs(in6->sin6_port);
	} else {
		return -EAFNOSUPPORT;
	}
	return 0;
}

static void sockaddr_of(const struct weir_endpoint *e, struct sockaddr *sa, ares_socklen_t *len)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(e->port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(e->port)};
	const ares_socklen_t size = e->addr.family == 4 ? sizeof(in) : sizeof(in6);

	memcpy(&in.sin_addr, e->addr.bytes, 4);
	memcpy(&in6.sin6_addr, e->addr.bytes, 16);
	if (*len >= size)
		memcpy(sa, e->addr.family == 4 ? (const void *)&in : &in6, size);
	*len = size;
}

/* ---- the calls ---- */

static ares_socket_t open_sock(int af, int type, int proto, void *ctx)
{
	struct weir_resolver *r = ctx;

	(void)af;
	(void)proto;
	for (int i = 0; i < RESOLVER_SOCKS; i++) {
		struct resolver_sock *s = &r->socks[i];
		int rc;

		if (s->sock != WEIR_NO_SOCK)
			continue;
		*s = (struct resolver_sock){.type = type == SOCK_DGRAM ? WEIR_UDP : WEIR_TCP};
		rc = weir_socket(r->conf.stack, s->type, r->conf.user, &s->sock);
		if (rc < 0)
			s->sock = WEIR_NO_SOCK;
		return rc < 0 ? failed(rc) : i;
	}
	return failed(-EMFILE);
}

static int close_sock(ares_socket_t at, void *ctx)
{
	struct weir_resolver *r = ctx;
	struct resolver_sock *s = sock_at(r, at);

	if (s == NULL)
		return failed(-EBADF);
	weir_sock_close(r->conf.stack, s->sock);
	s->sock = WEIR_NO_SOCK;
	return 0;
}

static int connect_sock(ares_socket_t at, const struct sockaddr *sa, ares_socklen_t len, void *ctx)
{
	struct weir_resolver *r = ctx;
	struct resolver_sock *s = sock_at(r, at);
	int rc = s == NULL ? -EBADF : endpoint_of(sa, &s->server);

	(void)len;
	if (rc == 0)
		rc = weir_connect(r->conf.stack, s->sock, &s->server);
	return rc < 0 ? failed(rc) : 0;
}

static ares_ssize_t recv_dgram(struct weir_resolver *r, const struct resolver_sock *s, void *data,
			       size_t bytes, struct sockaddr *from, ares_socklen_t *from_len)
{
	struct weir_dgram d;
	const int rc = weir_udp_recv(r->conf.stack, s->sock, &d);
	const void *found;
	uint32_t n;

	if (rc < 0)
		return failed(rc);
	n = RTE_MIN(rte_pktmbuf_pkt_len(d.payload), (uint32_t)bytes);
	found = rte_pktmbuf_read(d.payload, 0, n, data);
	if (found != data) /* it lies in one segment */
		memcpy(data, found, n);
	rte_pktmbuf_free(d.payload);
	if (from != NULL)
		sockaddr_of(&d.from, from, from_len);
	return n;
}

static ares_ssize_t recv_sock(ares_socket_t at, void *data, size_t bytes, int flags,
			      struct sockaddr *from, ares_socklen_t *from_len, void *ctx)
{
	struct weir_resolver *r = ctx;
	struct resolver_sock *s = sock_at(r, at);
	int64_t n;

	(void)flags;
	if (s == NULL)
		return failed(-EBADF);
	if (s->type == WEIR_UDP)
		return recv_dgram(r, s, data, bytes, from, from_len);
	n = weir_recv(r->conf.stack, s->sock, data, bytes);
	return n < 0 ? failed((int)n) : (ares_ssize_t)n;
}

static ares_ssize_t send_dgram(struct weir_resolver *r, const struct resolver_sock *s,
			       const struct iovec *iov, int n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->conf.pool);
	ares_ssize_t bytes = 0;
	int rc = m == NULL ? -ENOBUFS : 0;

	for (int i = 0; rc == 0 && i < n; i++) {
		char *to = rte_pktmbuf_append(m, (uint16_t)RTE_MIN(iov[i].iov_len, UINT16_MAX));

		rc = to == NULL ? -EMSGSIZE : 0;
		if (rc == 0)
			memcpy(to, iov[i].iov_base, iov[i].iov_len);
		bytes += (ares_ssize_t)iov[i].iov_len;
	}
	if (rc == 0)
		rc = weir_udp_send(r->conf.stack, s->sock, m, NULL, NULL);
	if (rc == 0)
		return bytes;
	rte_pktmbuf_free(m);
	return failed(rc);
}

static ares_ssize_t send_sock(ares_socket_t at, const struct iovec *iov, int n, void *ctx)
{
	struct weir_resolver *r = ctx;
	struct resolver_sock *s = sock_at(r, at);
	int64_t sent;

	if (s == NULL)
		return failed(-EBADF);
	if (s->type == WEIR_UDP)
		return send_dgram(r, s, iov, n);
	sent = weir_sendv(r->conf.stack, s->sock, iov, (unsigned)n);
	return sent < 0 ? failed((int)sent) : (ares_ssize_t)sent;
}

static void wants(void *ctx, ares_socket_t at, int readable, int writable)
{
	struct resolver_sock *s = sock_at(ctx, at);

	if (s != NULL)
		s->wants = (readable ? WEIR_READY_IN | WEIR_READY_END | WEIR_READY_ERR : 0) |
			   (writable ? WEIR_READY_OUT | WEIR_READY_ERR : 0);
}

/* ---- the channel ---- */

static void run_sock(struct weir_resolver *r, int at)
{
	const uint32_t in = WEIR_READY_IN | WEIR_READY_END | WEIR_READY_ERR;

	for (int round = 0; round < ROUNDS; round++) {
		const struct resolver_sock *s = sock_at(r, at);
		uint32_t ready;

		if (s == NULL)
			return;
		ready = weir_sock_ready(r->conf.stack, s->sock) & s->wants;
		if (ready == 0)
			return;
		ares_process_fd(r->channel, ready & in ? at : ARES_SOCKET_BAD,
				ready & ~in ? at : ARES_SOCKET_BAD);
	}
}

void resolver_channel_run(struct weir_resolver *r)
{
	struct timeval tv, *next;

	for (int i = 0; i < RESOLVER_SOCKS; i++)
		run_sock(r, i);
	if (r->now_ns >= r->due_ns)
		ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	next = ares_timeout(r->channel, NULL, &tv);
	r->due_ns = next == NULL ? UINT64_MAX
				 : r->now_ns + (uint64_t)next->tv_sec * UINT64_C(1000000000) +
					   (uint64_t)(next->tv_usec + 1) * 1000;
}

static int set_servers(struct weir_resolver *r)
{
	struct ares_addr_port_node nodes[WEIR_DNS_SERVERS];

	memset(nodes, 0, sizeof(nodes));
	for (unsigned i = 0; i < r->conf.n_servers; i++) {
		const struct weir_endpoint *s = &r->servers[i];

		nodes[i].next = i + 1 < r->conf.n_servers ? &nodes[i + 1] : NULL;
		nodes[i].family = s->addr.family == 4 ? AF_INET : AF_INET6;
		memcpy(&nodes[i].addr, s->addr.bytes, s->addr.family == 4 ? 4 : 16);
		nodes[i].udp_port = nodes[i].tcp_port = s->port != 0 ? s->port : DNS_PORT;
	}
	return ares_set_servers_ports(r->channel, nodes);
}

int resolver_channel_open(struct weir_resolver *r)
{
	static const struct ares_socket_functions calls = {open_sock, close_sock, connect_sock,
							   recv_sock, send_sock};
	struct ares_options o = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
		.timeout = r->conf.timeout_ms == 0 ? 2000 : (int)r->conf.timeout_ms,
		.tries = r->conf.tries == 0 ? 3 : (int)r->conf.tries,
		.ndots = 1,
		.lookups = (char[]){"b"}, /* DNS alone: no file is read */
		.sock_state_cb = wants,
		.sock_state_cb_data = r,
	};
	int rc = ares_init_options(&r->channel, &o,
				   ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
					   ARES_OPT_NDOTS | ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS |
					   ARES_OPT_SOCK_STATE_CB);

	if (rc != ARES_SUCCESS)
		return rc == ARES_ENOMEM ? -ENOMEM : -ENOSYS;
	ares_set_socket_functions(r->channel, &calls, r);
	rc = set_servers(r);
	return rc == ARES_SUCCESS ? 0 : rc == ARES_ENOMEM ? -ENOMEM : -ENOSYS;
}
