/* SPDX-License-Identifier: BSD-3-Clause */

/* A worker of weir-proxy: each connection that comes is spliced to one of ours to the backend. */

#include "proxy_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <weir/error.h>

static int begin(struct stack_worker *sw, struct stack_conn *sc)
{
	struct proxy_conn *c = (struct proxy_conn *)sc;
	const int on = 1;

	weir_stream_tcp(&c->front, sw->stack, sc->sock);
	return weir_setsockopt(sw->stack, sc->sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void proxy_splice(struct proxy_worker *w, struct proxy_conn *c, uint64_t now_ns)
{
	c->joined = true;
	weir_splice_begin(w->splicer, &c->splice, &c->front.stream, &c->back.stream, now_ns);
	weir_splice_go_on(&c->splice, now_ns);
}

void proxy_refuse(struct proxy_worker *w, struct proxy_conn *c)
{
	weir_count(&w->refused, 1);
	weir_sock_abort(w->stack.stack, c->conn.sock);
	stack_end(&w->stack, &c->conn);
}

/* It has no connection to the backend: ask for one, or wait for it as long as the client does. */
static int reach(struct proxy_worker *w, struct proxy_conn *c, uint64_t now_ns)
{
	int rc;

	if (weir_sock_ready(w->stack.stack, c->conn.sock) & WEIR_READY_ERR)
		return -ECONNRESET;
	if (backend_waits(c))
		return -EAGAIN;
	rc = backend_ask(w, c, now_ns);
	if (rc < 0 && rc != -EAGAIN) {
		weir_count(&w->refused, 1);
		weir_sock_abort(w->stack.stack, c->conn.sock);
		return rc;
	}
	return -EAGAIN;
}

/* The splice closes both when it is over, and says so to over(). */
static int go_on(struct stack_worker *sw, struct stack_conn *sc, uint64_t now_ns)
{
	struct proxy_worker *w = (struct proxy_worker *)sw;
	struct proxy_conn *c = (struct proxy_conn *)sc;

	w->now_ns = now_ns;
	if (!c->joined)
		return reach(w, c, now_ns);
	weir_splice_go_on(&c->splice, now_ns);
	return -EAGAIN;
}

/* The backend's connection has something to tell. */
static void own(struct stack_worker *sw, const struct weir_event *e, uint64_t now_ns)
{
	struct proxy_worker *w = (struct proxy_worker *)sw;
	struct proxy_conn *c = backend_event(w, e, now_ns);

	w->now_ns = now_ns;
	if (c != NULL)
		weir_splice_go_on(&c->splice, now_ns);
}

static void over(void *ctx, struct weir_splice *splice, int error)
{
	struct proxy_worker *w = ctx;
	struct proxy_conn *c =
		(struct proxy_conn *)((char *)splice - offsetof(struct proxy_conn, splice));

	(void)error; /* counted by the splicer */
	backend_leave(w, c, w->now_ns);
	stack_end(&w->stack, &c->conn);
}

static void forget(struct stack_worker *sw, struct stack_conn *sc)
{
	struct proxy_worker *w = (struct proxy_worker *)sw;
	struct proxy_conn *c = (struct proxy_conn *)sc;

	weir_splice_abort(&c->splice);
	backend_leave(w, c, w->now_ns);
}

static uint64_t tick(struct stack_worker *sw, uint64_t now_ns)
{
	struct proxy_worker *w = (struct proxy_worker *)sw;
	uint64_t splice_ns, backend_ns;

	w->now_ns = now_ns;
	splice_ns = weir_splicer_run(w->splicer, now_ns);
	backend_ns = backend_run(w, now_ns);
	return RTE_MIN(splice_ns, backend_ns);
}

static const struct stack_service service = {
	.conn_bytes = sizeof(struct proxy_conn),
	.begin = begin,
	.go_on = go_on,
	.forget = forget,
	.own = own,
	.tick = tick,
};

int proxy_open(struct proxy *p, struct weir_shard *shard, const struct proxy_conf *conf,
	       struct weir_why *why)
{
	struct proxy_worker *w = &p->worker[shard->worker];
	const struct weir_splicer_conf splices = {
		.idle_ns = conf->proxy.idle, .over = over, .ctx = w};
	int rc = weir_splicer_create(&splices, &w->splicer);

	if (rc < 0)
		return weir_why(why, rc, "worker %u: %s", shard->worker, weir_error_text(rc));
	rc = stack_open(&p->app, &w->stack, shard, &service, &conf->stack,
			1 + WEIR_RESOLVER_SOCKETS, WEIR_RESOLVER_PKTS, why);
	if (rc == 0)
		rc = backend_open(w, shard, conf, why);
	if (rc < 0)
		return rc;
	return stack_listen(&w->stack, (uint16_t)conf->proxy.port, &conf->stack, &w->listener, why);
}

void proxy_close(struct proxy_worker *w)
{
	if (w->pool != NULL || w->named != NULL)
		stack_forget_all(&w->stack);
	backend_close(w);
	stack_close(&w->stack);
	weir_splicer_free(w->splicer);
	w->splicer = NULL;
}
