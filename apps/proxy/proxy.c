/* SPDX-License-Identifier: BSD-3-Clause */

/* A worker of weir-proxy: each connection that comes is spliced to one of ours to the backend. */

#include "proxy_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <weir/error.h>

/* Bytes were cut into segments by who has sent them: they need not wait here. */
static int no_delay(struct weir_stack *s, weir_sock sock)
{
	const int on = 1;

	return weir_setsockopt(s, sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* Connecting is the backend's, or the error that tells why there is none. */
static int reach(struct proxy_worker *w, struct proxy_conn *c, weir_sock *out)
{
	struct weir_stack *s = w->stack.stack;
	int rc = weir_socket(s, WEIR_TCP, &c->back_user, out);

	if (rc < 0)
		return rc;
	rc = no_delay(s, *out);
	if (rc == 0)
		rc = weir_connect(s, *out, &w->to);
	if (rc == -EINPROGRESS)
		return 0;
	weir_sock_close(s, *out);
	return rc;
}

static int begin(struct stack_worker *sw, struct stack_conn *sc)
{
	struct proxy_worker *w = (struct proxy_worker *)sw;
	struct proxy_conn *c = (struct proxy_conn *)sc;
	weir_sock back;
	int rc = no_delay(sw->stack, sc->sock);

	c->back_user = (struct stack_user){.is = STACK_OWN};
	if (rc == 0)
		rc = reach(w, c, &back);
	if (rc < 0) {
		weir_count(&w->refused, 1);
		weir_sock_abort(sw->stack, sc->sock);
		return rc;
	}
	weir_stream_tcp(&c->front, sw->stack, sc->sock);
	weir_stream_tcp(&c->back, sw->stack, back);
	return 0;
}

/* The splice closes both when it is over, and says so to over(). */
static int go_on(struct stack_worker *sw, struct stack_conn *sc, uint64_t now_ns)
{
	struct proxy_worker *w = (struct proxy_worker *)sw;
	struct proxy_conn *c = (struct proxy_conn *)sc;

	if (c->splice.splicer == NULL)
		weir_splice_begin(w->splicer, &c->splice, &c->front.stream, &c->back.stream,
				  now_ns);
	weir_splice_go_on(&c->splice, now_ns);
	return -EAGAIN;
}

/* The backend's connection has something to tell. */
static void own(struct stack_worker *w, struct stack_user *user, uint64_t now_ns)
{
	struct proxy_conn *c =
		(struct proxy_conn *)((char *)user - offsetof(struct proxy_conn, back_user));

	(void)w;
	weir_splice_go_on(&c->splice, now_ns);
}

static void over(void *w, struct weir_splice *splice, int error)
{
	struct proxy_conn *c =
		(struct proxy_conn *)((char *)splice - offsetof(struct proxy_conn, splice));

	(void)error; /* counted by the splicer */
	stack_end(w, &c->conn);
}

static void forget(struct stack_worker *w, struct stack_conn *c)
{
	(void)w;
	weir_splice_abort(&((struct proxy_conn *)c)->splice);
}

static uint64_t tick(struct stack_worker *w, uint64_t now_ns)
{
	return weir_splicer_run(((struct proxy_worker *)w)->splicer, now_ns);
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
	w->to = (struct weir_endpoint){.addr = conf->proxy.to,
				       .port = (uint16_t)conf->proxy.to_port};
	rc = stack_open(&p->app, &w->stack, shard, &service, &conf->stack, 1, 1, why);
	if (rc < 0)
		return rc;
	return stack_listen(&w->stack, (uint16_t)conf->proxy.port, (uint32_t)conf->stack.backlog,
			    &w->listener, why);
}

void proxy_close(struct proxy_worker *w)
{
	stack_close(&w->stack);
	weir_splicer_free(w->splicer);
	w->splicer = NULL;
}
