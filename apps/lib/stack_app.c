/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A stack on a worker: packets go in by 70_local, and behind the stages of each pass the program
 * serves what has become ready, and the stack sends.
 */

#include "stack_app_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <weir/error.h>

#define EVENTS 64
/* Connections looked at in one step when all are ended. */
#define WALK 64
/* Who finds no buffer tries again so much later. */
#define RETRY_NS UINT64_C(1000000)
#define NONE	 UINT32_MAX

static uint16_t input(struct weir_local *l, struct rte_mbuf **pkts, uint16_t n, uint64_t now_ns)
{
	return weir_stack_input(((struct stack_worker *)l)->stack, pkts, n, now_ns);
}

/* ---- connections ---- */

static struct stack_conn *conn_at(const struct stack_worker *w, uint32_t at)
{
	return (struct stack_conn *)(w->conns + at * w->service->conn_bytes);
}

static uint32_t place_of(const struct stack_worker *w, const struct stack_conn *c)
{
	/* Only when one ends: a division does no harm. */
	return (uint32_t)((size_t)((const char *)c - w->conns) / w->service->conn_bytes);
}

static void give_back(struct stack_worker *w, struct stack_conn *c)
{
	c->next = w->free;
	w->free = place_of(w, c);
}

void stack_end(struct stack_worker *w, struct stack_conn *c)
{
	weir_sock_close(w->stack, c->sock);
	c->sock = WEIR_NO_SOCK;
	w->service->forget(w, c);
	if (!c->waits) /* else retry() does */
		give_back(w, c);
}

static void go_on(struct stack_worker *w, struct stack_conn *c, uint64_t now_ns)
{
	const int rc = w->service->go_on(w, c, now_ns);

	if (rc == -EAGAIN)
		return;
	if (rc != -ENOBUFS) {
		stack_end(w, c);
		return;
	}
	if (c->waits)
		return;
	if (w->waiting == NONE)
		w->retry_ns = now_ns + RETRY_NS;
	c->waits = true;
	c->next = w->waiting;
	w->waiting = place_of(w, c);
}

/* Those that found no buffer, once each. */
static void retry(struct stack_worker *w, uint64_t now_ns)
{
	uint32_t at = w->waiting;

	if (likely(at == NONE) || now_ns < w->retry_ns)
		return;
	w->waiting = NONE;
	while (at != NONE) {
		struct stack_conn *c = conn_at(w, at);

		at = c->next;
		c->waits = false;
		if (c->sock == WEIR_NO_SOCK)
			give_back(w, c);
		else
			go_on(w, c, now_ns);
	}
}

static void accept_all(struct stack_worker *w, weir_sock listener, const struct stack_user *user,
		       uint64_t now_ns)
{
	while (w->free != NONE) {
		struct stack_conn *c = conn_at(w, w->free);

		if (weir_accept(w->stack, listener, &c->user, &c->sock, NULL) < 0) {
			c->sock = WEIR_NO_SOCK;
			break;
		}
		w->free = c->next;
		memset(c + 1, 0, w->service->conn_bytes - sizeof(*c));
		c->user = (struct stack_user){.is = STACK_CONN, .what = user->what};
		if (w->service->begin(w, c) < 0)
			stack_end(w, c);
		else
			go_on(w, c, now_ns);
	}
}

/* ---- a pass ---- */

static void serve_one(struct stack_worker *w, const struct weir_event *e, uint64_t now_ns)
{
	struct stack_user *user = e->user;
	struct stack_conn *c = (struct stack_conn *)user;

	if (user->is == STACK_LISTENER)
		accept_all(w, e->sock, user, now_ns);
	else if (user->is == STACK_DATAGRAMS)
		w->service->datagrams(w, e->sock);
	else if (user->is == STACK_OWN)
		w->service->own(w, e, now_ns);
	else if (c->sock == e->sock)
		go_on(w, c, now_ns);
}

/* Returns how many events there were. */
static unsigned serve(struct stack_worker *w, uint64_t now_ns)
{
	struct weir_event events[EVENTS];
	unsigned all = 0;
	uint16_t n;

	while ((n = weir_stack_events(w->stack, events, EVENTS)) > 0) {
		all += n;
		for (uint16_t i = 0; i < n; i++)
			serve_one(w, &events[i], now_ns);
	}
	return all;
}

/* The worker stops: nobody would answer these peers any more, so they are told. */
static void end_all(struct stack_worker *w)
{
	struct weir_sock_info info[WALK];
	uint64_t at = 0;

	w->ended = true;
	while (at != UINT64_MAX) {
		const uint16_t n = weir_sock_walk(w->stack, &at, info, WALK);

		for (uint16_t i = 0; i < n; i++)
			if (info[i].type == WEIR_TCP && info[i].sock != WEIR_NO_SOCK)
				weir_sock_abort(w->stack, info[i].sock);
	}
}

static uint64_t poll(struct weir_local *l, uint64_t now_ns)
{
	struct stack_worker *w = (struct stack_worker *)l;
	uint64_t due_ns, tick_ns = UINT64_MAX;

	if (unlikely(w->shard->draining && !w->ended))
		end_all(w);
	retry(w, now_ns);
	serve(w, now_ns);
	if (w->service->tick != NULL)
		tick_ns = w->service->tick(w, now_ns);
	due_ns = weir_stack_poll(w->stack, now_ns);
	/* What a timer has brought about is served at once, too. */
	if (serve(w, now_ns) > 0)
		due_ns = weir_stack_poll(w->stack, now_ns);
	if (stack_answer(w, now_ns))
		return now_ns;
	if (w->waiting != NONE)
		due_ns = RTE_MIN(due_ns, w->retry_ns);
	return RTE_MIN(due_ns, tick_ns);
}

static void send_out(void *ctx, struct rte_mbuf **pkts, uint16_t n)
{
	weir_local_send(((struct stack_worker *)ctx)->shard, pkts, n);
}

static bool way(void *ctx, const struct weir_addr *to, struct weir_way *out)
{
	struct weir_local_way found;

	if (!weir_local_way(((struct stack_worker *)ctx)->shard, to, &found))
		return false;
	*out = (struct weir_way){
		.from = found.from, .mtu_bytes = found.mtu_bytes, .cuts = found.cuts};
	return true;
}

static bool link_to(void *ctx, const struct weir_addr *to, const struct weir_link *want,
		    struct weir_link *out)
{
	const struct weir_local_link by = {.iface = want->iface, .from = want->from};
	struct weir_local_link found;

	if (!weir_local_link(((struct stack_worker *)ctx)->shard, to, &by, &found))
		return false;
	*out = (struct weir_link){found.iface, found.mtu_bytes, found.from};
	return true;
}

static bool hears(struct weir_local *l, uint16_t iface, const struct weir_addr *group)
{
	return weir_stack_hears(((struct stack_worker *)l)->stack, iface, group);
}

static bool owns(void *ctx, const struct weir_tuple *in)
{
	return weir_local_owns(((struct stack_worker *)ctx)->shard, in);
}

static uint16_t port(void *ctx, const struct weir_tuple *in, uint16_t first, uint16_t count,
		     uint32_t i)
{
	return weir_local_port(((struct stack_worker *)ctx)->shard, in, first, count, i);
}

int stack_open(struct stack_app *app, struct stack_worker *w, struct weir_shard *shard,
	       const struct stack_service *service, const struct stack_section *conf,
	       uint32_t sockets, uint32_t waiting, struct weir_why *why)
{
	struct weir_stack_conf sc = {
		.pool = shard->pool,
		.sockets = sockets,
		.socket_pkts = waiting,
		.groups = (uint32_t)conf->groups,
		.connections = (uint32_t)conf->connections,
		.half_open = (uint32_t)conf->half_open,
		.time_wait = (uint32_t)conf->time_wait,
		.sndbuf_bytes = (uint32_t)conf->sndbuf,
		.rcvbuf_bytes = (uint32_t)conf->rcvbuf,
		.memory_bytes = conf->memory,
		.congestion = stack_congestion(conf),
		.ecn = conf->ecn,
		.mtu_probing = (enum weir_mtu_probing)conf->mtu_probing,
		.base_mss = (uint16_t)conf->base_mss,
		.secret = shard->secret,
		.output = send_out,
		.way = way,
		.link = link_to,
		.owns = owns,
		.port = port,
		.ctx = w,
	};
	int rc;

	w->shard = shard;
	w->service = service;
	w->local = (struct weir_local){.input = input, .poll = poll, .hears = hears};
	w->n_conns = (uint32_t)conf->connections;
	w->free = w->waiting = NONE;
	w->conns = calloc(w->n_conns, service->conn_bytes);
	rc = stack_sources_open(w, &conf->sources, &sc, why);
	if (rc < 0)
		return rc;
	rc = w->conns == NULL ? -ENOMEM : weir_stack_create(&sc, &w->stack);
	if (rc < 0)
		return weir_why(why, rc, "worker %u: no stack: %s", shard->worker,
				weir_error_text(rc));
	for (uint32_t i = w->n_conns; i > 0; i--)
		give_back(w, conn_at(w, i - 1));
	app->worker[app->workers++] = w;
	weir_local_attach(shard, &w->local);
	return 0;
}

void stack_forget_all(struct stack_worker *w)
{
	for (uint32_t i = 0; w->stack != NULL && i < w->n_conns; i++)
		if (conn_at(w, i)->sock != WEIR_NO_SOCK)
			stack_end(w, conn_at(w, i));
}

void stack_close(struct stack_worker *w)
{
	stack_forget_all(w);
	weir_stack_free(w->stack);
	stack_sources_close(w);
	free(w->conns);
	w->stack = NULL;
	w->conns = NULL;
}

int stack_listen(struct stack_worker *w, uint16_t port, const struct stack_section *conf,
		 struct stack_user *user, struct weir_why *why)
{
	const struct weir_endpoint at = {.port = port};
	const int on = 1, fastopen = (int)conf->fastopen;
	weir_sock sock;
	int rc = weir_socket(w->stack, WEIR_TCP, user, &sock);

	user->is = STACK_LISTENER;
	if (rc == 0)
		rc = weir_setsockopt(w->stack, sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (rc == 0)
		rc = weir_bind(w->stack, sock, &at);
	if (rc == 0)
		rc = weir_setsockopt(w->stack, sock, IPPROTO_TCP, TCP_FASTOPEN, &fastopen,
				     sizeof(fastopen));
	if (rc == 0)
		rc = weir_listen(w->stack, sock, (uint32_t)conf->backlog);
	if (rc == 0)
		return 0;
	return weir_why(why, rc, "worker %u: cannot listen at port %u: %s", w->shard->worker, port,
			weir_error_text(rc));
}
