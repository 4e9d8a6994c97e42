/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A pool of connections: who gets which.
 *
 * Who finds no idle connection waits in its host's queue; a host with more who wait than it has
 * connections that begin, and that may have more, is hungry and stands in a row with others. What
 * is free goes to the first in that row. Whenever a place becomes free feed() is called, so while
 * anybody is hungry there is no place and no idle connection to take one from.
 */

#include "conn_pool_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define TICK_NS (UINT64_C(1) << 20)
/* Timers that fire, and asks that are told, in one run at most. */
#define TIMERS 1024
#define TELLS  1024

/* ---- who waits ---- */

/* It waits no more, and is told so by the next run. */
static void end_ask(struct weir_conn_pool *p, struct weir_pool_ask *ask, int error)
{
	struct pool_host *h = ask->host;

	TAILQ_REMOVE(&h->asks, ask, link);
	h->waiting--;
	stack_count(&p->stats.waiting, UINT64_MAX);
	weir_wheel_cancel(p->wheel, &ask->timer);
	ask->host = NULL;
	ask->error = error;
	TAILQ_INSERT_TAIL(&p->ended, ask, link);
	stack_count(error == 0 ? &p->stats.given : &p->stats.failed, 1);
}

/* It is somebody's now. */
static void use(struct weir_conn_pool *p, struct pool_place *c, bool told, uint64_t now_ns)
{
	pool_change(p, c, WEIR_POOLED_BUSY, now_ns);
	c->told = told;
	stack_count(&p->stats.reused, c->uses > 0);
	c->uses++;
}

/* Give what is free to those who are hungry: each turn begins a connection or ends an ask. */
static void feed(struct weir_conn_pool *p, uint64_t now_ns)
{
	struct pool_host *h;

	while ((h = TAILQ_FIRST(&p->hungry)) != NULL && pool_room(p, now_ns)) {
		const int rc = pool_begin(p, h, now_ns);

		TAILQ_REMOVE(&p->hungry, h, hungry); /* behind the others, if it still is */
		h->is_hungry = false;
		if (rc < 0)
			end_ask(p, TAILQ_FIRST(&h->asks), rc);
		pool_host_settle(p, h);
	}
}

static void ask_fire(struct weir_timer *t, uint64_t now_ns)
{
	struct weir_pool_ask *ask =
		(struct weir_pool_ask *)((char *)t - offsetof(struct weir_pool_ask, timer));
	struct weir_conn_pool *p = ask->pool;
	struct pool_host *h = ask->host;

	(void)now_ns;
	stack_count(&p->stats.timed_out, 1);
	end_ask(p, ask, -ETIMEDOUT);
	pool_host_settle(p, h);
}

static void wait(struct weir_conn_pool *p, struct pool_host *h, struct weir_pool_ask *ask,
		 uint64_t now_ns)
{
	const uint64_t wait_ns = p->conf.limits.wait_ns;

	ask->pool = p;
	ask->host = h;
	ask->conn = WEIR_NO_POOLED;
	ask->serial = p->serial++;
	ask->timer = (struct weir_timer){.fire = ask_fire};
	TAILQ_INSERT_TAIL(&h->asks, ask, link);
	h->waiting++;
	stack_count(&p->stats.waiting, 1);
	stack_count(&p->stats.waited, 1);
	if (wait_ns != 0)
		weir_wheel_arm(p->wheel, &ask->timer, weir_deadline_after(now_ns, wait_ns));
	pool_host_settle(p, h);
}

/* ---- connections that become free, or are over ---- */

/* One that can be used: the first who waits for it has it, or it is idle. */
static void offer(struct weir_conn_pool *p, struct pool_place *c, uint64_t now_ns)
{
	struct pool_host *h = c->host;
	struct weir_pool_ask *ask = TAILQ_FIRST(&h->asks);

	if (ask == NULL) {
		pool_change(p, c, WEIR_POOLED_IDLE, now_ns);
	} else {
		use(p, c, false, now_ns);
		ask->conn = pool_handle(c);
		end_ask(p, ask, 0);
	}
	pool_host_settle(p, h);
	feed(p, now_ns);
}

static void drop(struct weir_conn_pool *p, struct pool_place *c, uint64_t *why, uint64_t now_ns)
{
	pool_close(p, c, why, now_ns);
	feed(p, now_ns);
}

/* The server has refused, or does not answer: whoever waited longest hears of it. */
static void fail(struct weir_conn_pool *p, struct pool_place *c, int error, uint64_t now_ns)
{
	struct weir_pool_ask *ask = TAILQ_FIRST(&c->host->asks);

	if (ask != NULL)
		end_ask(p, ask, error);
	drop(p, c, &p->stats.by_failure, now_ns);
}

void pool_fire(struct weir_timer *t, uint64_t now_ns)
{
	struct pool_place *c =
		(struct pool_place *)((char *)t - offsetof(struct pool_place, timer));
	struct weir_conn_pool *p = c->pool;

	if (c->state == WEIR_POOLED_CONNECTING)
		fail(p, c, -ETIMEDOUT, now_ns);
	else
		drop(p, c, now_ns >= c->die_ns ? &p->stats.by_age : &p->stats.by_idle, now_ns);
}

/* Why it cannot be used again, as a counter; NULL: it can. */
static uint64_t *spoilt(struct weir_conn_pool *p, const struct pool_place *c, uint64_t now_ns)
{
	if (!pool_is_healthy(p, c))
		return &p->stats.by_peer;
	return now_ns >= c->die_ns ? &p->stats.by_age : NULL;
}

/* ---- calls ---- */

/* The idle connection that was used last, if it can be used again. */
static struct pool_place *take_idle(struct weir_conn_pool *p, struct pool_host *h, uint64_t now_ns)
{
	struct pool_place *c = TAILQ_FIRST(&h->idle);
	uint64_t *why;

	if (c == NULL)
		return NULL;
	why = spoilt(p, c, now_ns);
	if (why == NULL && p->conf.validate != NULL &&
	    !p->conf.validate(p->conf.ctx, pool_handle(c), pool_user(c)))
		why = &p->stats.by_validation;
	if (why == NULL) {
		use(p, c, true, now_ns);
		return c;
	}
	pool_close(p, c, why, now_ns);
	return NULL;
}

static bool is_host(const struct weir_endpoint *host)
{
	return host->port != 0 && host->addr.family != 0;
}

int weir_conn_pool_get(struct weir_conn_pool *p, const struct weir_endpoint *host,
		       struct weir_pool_ask *ask, weir_pooled *out, uint64_t now_ns)
{
	struct pool_place *c = NULL;
	struct pool_host *h;

	if (ask->pool != NULL)
		return -EALREADY;
	if (!is_host(host))
		return -EINVAL;
	stack_count(&p->stats.asked, 1);
	do { /* once for each idle connection: the last one that is closed may end its host */
		h = pool_host_get(p, host, now_ns);
		if (h == NULL) {
			stack_count(&p->stats.refused, 1);
			return -ENOSPC;
		}
		if (TAILQ_EMPTY(&h->idle))
			break;
		c = take_idle(p, h, now_ns);
	} while (c == NULL);
	if (c != NULL) {
		*out = pool_handle(c);
		stack_count(&p->stats.given, 1);
		feed(p, now_ns); /* what was closed has left room */
		return 0;
	}
	wait(p, h, ask, now_ns);
	feed(p, now_ns);
	return -EINPROGRESS;
}

void weir_conn_pool_cancel(struct weir_conn_pool *p, struct weir_pool_ask *ask, uint64_t now_ns)
{
	struct pool_host *h = ask->host;

	if (ask->pool == NULL)
		return;
	stack_count(&p->stats.cancelled, 1);
	ask->pool = NULL;
	if (h == NULL) { /* it has ended, and was not told */
		TAILQ_REMOVE(&p->ended, ask, link);
		if (ask->error == 0)
			weir_conn_pool_put(p, ask->conn, true, now_ns);
		return;
	}
	TAILQ_REMOVE(&h->asks, ask, link);
	h->waiting--;
	stack_count(&p->stats.waiting, UINT64_MAX);
	weir_wheel_cancel(p->wheel, &ask->timer);
	pool_host_settle(p, h);
}

/* Whether somebody has waited longer for another host, which gets no place else. */
static bool is_needed_more(const struct weir_conn_pool *p, const struct pool_host *h)
{
	const struct pool_host *other = TAILQ_FIRST(&p->hungry);
	const struct weir_pool_ask *ask = TAILQ_FIRST(&h->asks);

	return other != NULL && other != h &&
	       (ask == NULL || TAILQ_FIRST(&other->asks)->serial < ask->serial);
}

int weir_conn_pool_put(struct weir_conn_pool *p, weir_pooled conn, bool keep, uint64_t now_ns)
{
	struct pool_place *c = pool_place_of(p, conn);
	uint64_t *why;

	if (c == NULL || c->state != WEIR_POOLED_BUSY)
		return -EBADF;
	why = keep ? spoilt(p, c, now_ns) : &p->stats.by_user;
	if (why == NULL && (p->n > pool_most(p) || is_needed_more(p, c->host)))
		why = &p->stats.by_need;
	if (why != NULL)
		drop(p, c, why, now_ns);
	else
		offer(p, c, now_ns);
	return 0;
}

int weir_conn_pool_prewarm(struct weir_conn_pool *p, const struct weir_endpoint *host, uint32_t n,
			   uint64_t now_ns)
{
	struct pool_host *h = is_host(host) ? pool_host_get(p, host, now_ns) : NULL;
	const uint32_t most = p->conf.limits.per_host;
	uint32_t begun = 0;
	int rc = -EAGAIN;

	if (h == NULL)
		return is_host(host) ? -ENOSPC : -EINVAL;
	while (begun < n && (most == 0 || h->n < most) && p->n < pool_most(p)) {
		rc = pool_begin(p, h, now_ns);
		if (rc < 0)
			break;
		begun++;
	}
	pool_host_settle(p, h);
	return begun > 0 || n == 0 ? (int)begun : rc;
}

void weir_conn_pool_set_limits(struct weir_conn_pool *p, const struct weir_conn_pool_limits *limits,
			       uint64_t now_ns)
{
	const uint32_t before = pool_most(p);

	p->conf.limits = *limits;
	while (p->n > pool_most(p) && !TAILQ_EMPTY(&p->idle))
		pool_close(p, TAILQ_FIRST(&p->idle), &p->stats.by_need, now_ns);
	for (uint32_t i = 0; i < p->conf.hosts; i++)
		if (p->hosts[i].n > 0 || p->hosts[i].waiting > 0)
			pool_host_settle(p, &p->hosts[i]);
	feed(p, now_ns);
	if (p->conf.resized != NULL && pool_most(p) != before)
		p->conf.resized(p->conf.ctx, before, pool_most(p));
}

/* ---- events and time ---- */

static int error_of(struct weir_conn_pool *p, const struct pool_place *c)
{
	const int error = service_error(p->conf.stack, c->sock);

	return error != 0 ? error : -ECONNRESET;
}

bool weir_conn_pool_event(struct weir_conn_pool *p, const struct weir_event *e, uint64_t now_ns)
{
	const size_t at = (size_t)((char *)e->user - p->users) >> p->user_shift;
	struct pool_place *c = &p->places[at];
	const uint32_t ready = weir_sock_ready(p->conf.stack, e->sock);

	if (c->sock != e->sock || c->host == NULL)
		return true; /* it is closed */
	if (c->state == WEIR_POOLED_BUSY)
		return !c->told;
	if (c->state == WEIR_POOLED_IDLE) {
		if (!pool_is_healthy(p, c))
			drop(p, c, &p->stats.by_peer, now_ns);
	} else if (ready & WEIR_READY_ERR || weir_sock_active_ns(p->conf.stack, c->sock) == 0) {
		fail(p, c, error_of(p, c), now_ns);
	} else if (ready & WEIR_READY_OUT) {
		stack_count(&p->stats.connected, 1);
		offer(p, c, now_ns);
	}
	return true;
}

uint64_t weir_conn_pool_run(struct weir_conn_pool *p, uint64_t now_ns)
{
	struct weir_pool_ask *ask;

	weir_wheel_run(p->wheel, now_ns, TIMERS);
	for (unsigned n = 0; n < TELLS && (ask = TAILQ_FIRST(&p->ended)) != NULL; n++) {
		TAILQ_REMOVE(&p->ended, ask, link);
		ask->pool = NULL;
		if (ask->error == 0)
			pool_place_of(p, ask->conn)->told = true;
		ask->done(ask, ask->error, ask->conn, now_ns);
	}
	return TAILQ_EMPTY(&p->ended) ? weir_wheel_next_ns(p->wheel) : now_ns;
}

/* ---- looking ---- */

static void look(const struct pool_place *c, struct weir_pooled_info *out)
{
	*out = (struct weir_pooled_info){
		.conn = pool_handle(c),
		.sock = c->sock,
		.state = c->state,
		.host = c->host->at,
		.created_ns = c->created_ns,
		.active_ns = c->active_ns,
		.uses = c->uses,
		.user = pool_user(c),
	};
}

int weir_conn_pool_look(const struct weir_conn_pool *p, weir_pooled conn,
			struct weir_pooled_info *out)
{
	const struct pool_place *c = pool_place_of(p, conn);

	if (c == NULL)
		return -EBADF;
	look(c, out);
	return 0;
}

uint16_t weir_conn_pool_walk(const struct weir_conn_pool *p, uint32_t *at,
			     struct weir_pooled_info *out, uint16_t most)
{
	uint16_t n = 0;

	for (; *at < p->conf.connections && n < most; ++*at)
		if (p->places[*at].host != NULL)
			look(&p->places[*at], &out[n++]);
	if (*at >= p->conf.connections)
		*at = UINT32_MAX;
	return n;
}

void weir_conn_pool_stats(const struct weir_conn_pool *p, struct weir_conn_pool_stats *out)
{
	stack_count_read(&p->stats, out, sizeof(*out));
}

/* ---- birth and death ---- */

static int create_places(struct weir_conn_pool *p)
{
	p->user_shift = 4;
	while ((UINT32_C(1) << p->user_shift) < p->conf.user_bytes)
		p->user_shift++;
	p->places = calloc(p->conf.connections, sizeof(*p->places));
	p->users = calloc(p->conf.connections, (size_t)1 << p->user_shift);
	if (p->places == NULL || p->users == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->conf.connections; i++) {
		p->places[i].pool = p;
		TAILQ_INSERT_TAIL(&p->free, &p->places[i], link);
	}
	return 0;
}

int weir_conn_pool_create(const struct weir_conn_pool_conf *conf, struct weir_conn_pool **out)
{
	struct weir_conn_pool *p;
	int rc;

	if (conf->stack == NULL || conf->connections == 0 || conf->connections > POOLED_MOST ||
	    conf->user_bytes > 1 << 20 || conf->hosts > POOLED_MOST)
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	p->conf = *conf;
	if (p->conf.hosts == 0)
		p->conf.hosts = conf->connections;
	TAILQ_INIT(&p->free);
	TAILQ_INIT(&p->idle);
	TAILQ_INIT(&p->hungry);
	TAILQ_INIT(&p->ended);
	rc = weir_wheel_create(TICK_NS, conf->now_ns, &p->wheel);
	if (rc == 0)
		rc = create_places(p);
	if (rc == 0)
		rc = pool_hosts_create(p);
	if (rc < 0) {
		weir_conn_pool_free(p);
		return rc;
	}
	*out = p;
	return 0;
}

void weir_conn_pool_free(struct weir_conn_pool *p)
{
	if (p == NULL)
		return;
	for (uint32_t i = 0; p->places != NULL && i < p->conf.connections; i++)
		if (p->places[i].host != NULL)
			weir_sock_abort(p->conf.stack, p->places[i].sock);
	pool_hosts_free(p);
	free(p->users);
	free(p->places);
	weir_wheel_free(p->wheel);
	free(p);
}
