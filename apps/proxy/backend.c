/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A worker's connections to the backend. Each serves one client: TCP cannot tell where one client's
 * bytes end and another's begin. To a name they are dialled (named.c), to an address there is a
 * pool. What the pool gives is a bound, a queue for those beyond it, and
 * connections made in advance, so that a client need not wait for the backend's handshake.
 */

#include "proxy_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <weir/error.h>

/* Between attempts to make connections in advance while the backend refuses them. */
#define BACKOFF_LEAST_NS UINT64_C(100000000)
#define BACKOFF_MOST_NS	 UINT64_C(10000000000)
/* Of those that begin in one pass at most. */
#define AT_ONCE 64

/* ---- what a reload changes ---- */

void backend_follow(struct proxy_worker *w, const struct proxy_section *conf)
{
	struct proxy_live *l = &w->live;

	__atomic_store_n(&l->idle_ns, conf->idle, __ATOMIC_RELAXED);
	__atomic_store_n(&l->connect_ns, conf->connect, __ATOMIC_RELAXED);
	__atomic_store_n(&l->wait_ns, conf->wait, __ATOMIC_RELAXED);
	__atomic_store_n(&l->ready, conf->ready, __ATOMIC_RELAXED);
	__atomic_store_n(&l->ready_idle_ns, conf->ready_idle, __ATOMIC_RELAXED);
	__atomic_fetch_add(&l->version, 1, __ATOMIC_RELEASE);
}

static struct weir_conn_pool_limits limits_of(const struct proxy_live *l)
{
	return (struct weir_conn_pool_limits){.connect_ns = weir_counted(&l->connect_ns),
					      .wait_ns = weir_counted(&l->wait_ns),
					      .idle_ns = weir_counted(&l->ready_idle_ns)};
}

static void follow(struct proxy_worker *w, uint64_t now_ns)
{
	const uint64_t version = __atomic_load_n(&w->live.version, __ATOMIC_ACQUIRE);
	struct weir_conn_pool_limits limits;

	if (likely(w->version == version))
		return;
	w->version = version;
	w->ready_at_ns = 0;
	w->refill = true;
	limits = limits_of(&w->live);
	weir_splicer_set_idle(w->splicer, weir_counted(&w->live.idle_ns));
	if (w->named != NULL)
		named_follow(w);
	else
		weir_conn_pool_set_limits(w->pool, &limits, now_ns);
}

/* ---- one connection ---- */

static void opened(void *ctx, weir_pooled conn, void *user)
{
	(void)ctx;
	(void)conn;
	*(struct backend_user *)user =
		(struct backend_user){.user = {.is = STACK_OWN, .what = OF_POOL}};
}

static void closed(void *ctx, weir_pooled conn, void *user)
{
	(void)conn;
	(void)user;
	((struct proxy_worker *)ctx)->refill = true;
}

static int take(struct proxy_worker *w, struct proxy_conn *c, weir_pooled pooled, uint64_t now_ns)
{
	const int on = 1; /* bytes were cut into segments by who has sent them */
	struct weir_pooled_info info;
	int rc;

	c->pooled = pooled;
	w->refill = true;
	rc = weir_conn_pool_look(w->pool, pooled, &info);
	if (rc == 0)
		rc = weir_setsockopt(w->stack.stack, info.sock, IPPROTO_TCP, TCP_NODELAY, &on,
				     sizeof(on));
	if (rc < 0)
		return rc;
	((struct backend_user *)info.user)->conn = c;
	weir_stream_tcp(&c->back, w->stack.stack, info.sock);
	proxy_splice(w, c, now_ns);
	return 0;
}

static void given(struct weir_pool_ask *ask, int error, weir_pooled pooled, uint64_t now_ns)
{
	struct proxy_conn *c =
		(struct proxy_conn *)((char *)ask - offsetof(struct proxy_conn, ask));
	struct proxy_worker *w = c->worker;

	if (error == 0)
		error = take(w, c, pooled, now_ns);
	if (error == 0)
		return;
	proxy_refuse(w, c);
}

bool backend_waits(const struct proxy_conn *c)
{
	return c->ask.pool != NULL || c->dial.dialer != NULL;
}

int backend_ask(struct proxy_worker *w, struct proxy_conn *c, uint64_t now_ns)
{
	weir_pooled pooled;
	int rc;

	c->worker = w;
	if (w->named != NULL)
		return named_ask(w, c, now_ns);
	c->ask.done = given;
	rc = weir_conn_pool_get(w->pool, &w->to, &c->ask, &pooled, now_ns);
	if (rc == 0)
		return take(w, c, pooled, now_ns);
	return rc == -EINPROGRESS ? -EAGAIN : rc;
}

void backend_leave(struct proxy_worker *w, struct proxy_conn *c, uint64_t now_ns)
{
	struct weir_pooled_info info;

	weir_dial_cancel(&c->dial);
	if (w->pool == NULL)
		return;
	if (c->pooled == WEIR_NO_POOLED) {
		weir_conn_pool_cancel(w->pool, &c->ask, now_ns);
		return;
	}
	if (weir_conn_pool_look(w->pool, c->pooled, &info) == 0)
		((struct backend_user *)info.user)->conn = NULL;
	weir_conn_pool_put(w->pool, c->pooled, false, now_ns);
	c->pooled = WEIR_NO_POOLED;
}

struct proxy_conn *backend_event(struct proxy_worker *w, const struct weir_event *e,
				 uint64_t now_ns)
{
	struct backend_user *user = e->user;

	if (user->user.what != OF_POOL)
		return named_event(w, e, now_ns);
	return weir_conn_pool_event(w->pool, e, now_ns) ? NULL : user->conn;
}

/* ---- connections in advance ---- */

/* Some are missing. Returns when it is to be called again at the latest. */
static uint64_t refill(struct proxy_worker *w, uint64_t now_ns)
{
	const uint64_t ready = weir_counted(&w->live.ready);
	struct weir_conn_pool_stats s;
	uint64_t has, wanted;

	weir_conn_pool_stats(w->pool, &s);
	if (s.by_failure > w->failures) {	/* the backend refuses: not at once again */
		if (s.connected > w->connected) /* it has served meanwhile */
			weir_backoff_reset(&w->backoff);
		w->failures = s.by_failure;
		w->connected = s.connected;
		w->ready_at_ns = now_ns + weir_backoff_next(&w->backoff);
	}
	has = s.states[WEIR_POOLED_IDLE] + s.states[WEIR_POOLED_CONNECTING];
	wanted = ready + s.waiting; /* who waits has begun one */
	if (ready == 0 || has >= wanted) {
		w->refill = false;
		return UINT64_MAX;
	}
	if (now_ns < w->ready_at_ns)
		return w->ready_at_ns;
	if (weir_conn_pool_prewarm(w->pool, &w->to, (uint32_t)RTE_MIN(wanted - has, AT_ONCE),
				   now_ns) > 0)
		return now_ns;
	w->ready_at_ns = now_ns + BACKOFF_LEAST_NS; /* a limit, or no way to it */
	return w->ready_at_ns;
}

uint64_t backend_run(struct proxy_worker *w, uint64_t now_ns)
{
	uint64_t refill_ns, run_ns;

	follow(w, now_ns);
	if (w->named != NULL)
		return named_run(w, now_ns);
	run_ns = weir_conn_pool_run(w->pool, now_ns);
	refill_ns = w->refill ? refill(w, now_ns) : UINT64_MAX;
	return RTE_MIN(refill_ns, run_ns);
}

static int open_pool(struct proxy_worker *w, const struct weir_shard *shard,
		     const struct proxy_conf *conf, struct weir_why *why)
{
	const uint64_t half = (conf->stack.connections + 1) / 2, most = conf->proxy.connections;
	const struct weir_conn_pool_conf pool = {
		.stack = w->stack.stack,
		.connections = (uint32_t)(most == 0 ? RTE_MIN(half, CONNECTIONS_MOST) : most),
		.hosts = 1,
		.user_bytes = sizeof(struct backend_user),
		.limits = limits_of(&w->live),
		.fastopen = conf->proxy.fastopen,
		.secret = shard->secret,
		.opened = opened,
		.closed = closed,
		.ctx = w,
	};
	int rc = weir_backoff_init(&w->backoff, BACKOFF_LEAST_NS, BACKOFF_MOST_NS, shard->worker);

	if (rc == 0)
		rc = weir_conn_pool_create(&pool, &w->pool);
	if (rc < 0)
		return weir_why(why, rc, "worker %u: connections to the backend: %s", shard->worker,
				weir_error_text(rc));
	return 0;
}

int backend_open(struct proxy_worker *w, const struct weir_shard *shard,
		 const struct proxy_conf *conf, struct weir_why *why)
{
	const char *to = conf->proxy.to;

	backend_follow(w, &conf->proxy);
	w->version = w->live.version;
	w->refill = true;
	w->to.port = (uint16_t)conf->proxy.to_port;
	return weir_addr_parse(to, strlen(to), &w->to.addr) == 0 ? open_pool(w, shard, conf, why)
								 : named_open(w, shard, conf, why);
}

void backend_close(struct proxy_worker *w)
{
	weir_conn_pool_free(w->pool);
	w->pool = NULL;
	named_close(w);
}
