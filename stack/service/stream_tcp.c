/* SPDX-License-Identifier: BSD-3-Clause */

/* A TCP socket as a stream: each call is the socket's. */

#include <errno.h>
#include <netinet/in.h>
#include <weir/stream.h>

#include "service_priv.h"

static struct weir_stream_tcp *tcp(const struct weir_stream *t)
{
	return (struct weir_stream_tcp *)(uintptr_t)t;
}

static int64_t recv_mbuf(struct weir_stream *t, struct rte_mbuf **out)
{
	return weir_recv_mbuf(tcp(t)->stack, tcp(t)->sock, out);
}

static int64_t send_mbuf(struct weir_stream *t, struct rte_mbuf **m)
{
	return weir_send_mbuf(tcp(t)->stack, tcp(t)->sock, m);
}

static int finish(struct weir_stream *t)
{
	return weir_shutdown(tcp(t)->stack, tcp(t)->sock, SHUT_WR);
}

static void close_it(struct weir_stream *t)
{
	weir_sock_close(tcp(t)->stack, tcp(t)->sock);
	tcp(t)->sock = WEIR_NO_SOCK;
}

static void abort_it(struct weir_stream *t)
{
	weir_sock_abort(tcp(t)->stack, tcp(t)->sock);
	tcp(t)->sock = WEIR_NO_SOCK;
}

static uint32_t ready(const struct weir_stream *t)
{
	return weir_sock_ready(tcp(t)->stack, tcp(t)->sock);
}

static int error(struct weir_stream *t)
{
	return service_error(tcp(t)->stack, tcp(t)->sock);
}

static uint64_t active_ns(const struct weir_stream *t)
{
	return weir_sock_active_ns(tcp(t)->stack, tcp(t)->sock);
}

static const struct weir_stream_ops ops = {
	.name = "tcp",
	.recv_mbuf = recv_mbuf,
	.send_mbuf = send_mbuf,
	.finish = finish,
	.close = close_it,
	.abort = abort_it,
	.ready = ready,
	.error = error,
	.active_ns = active_ns,
};

void weir_stream_tcp(struct weir_stream_tcp *t, struct weir_stack *s, weir_sock sock)
{
	*t = (struct weir_stream_tcp){.stream.ops = &ops, .stack = s, .sock = sock};
}
