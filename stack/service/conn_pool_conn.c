/* SPDX-License-Identifier: BSD-3-Clause */

/* A connection of a pool, from its beginning to its end. */

#include "conn_pool_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

uint32_t pool_most(const struct weir_conn_pool *p)
{
	const uint32_t most = p->conf.limits.connections;

	return most == 0 || most > p->conf.connections ? p->conf.connections : most;
}

weir_pooled pool_handle(const struct pool_place *c)
{
	return (weir_pooled)c->generation << POOLED_INDEX_BITS | (weir_pooled)(c - c->pool->places);
}

void *pool_user(const struct pool_place *c)
{
	return c->pool->users + ((size_t)(c - c->pool->places) << c->pool->user_shift);
}

struct pool_place *pool_place_of(const struct weir_conn_pool *p, weir_pooled conn)
{
	const uint32_t index = conn & ((UINT32_C(1) << POOLED_INDEX_BITS) - 1);
	struct pool_place *c;

	if (index >= p->conf.connections)
		return NULL;
	c = &p->places[index];
	return c->host != NULL && c->generation == conn >> POOLED_INDEX_BITS ? c : NULL;
}

bool pool_is_healthy(const struct weir_conn_pool *p, const struct pool_place *c)
{
	const uint32_t bad = WEIR_READY_IN | WEIR_READY_END | WEIR_READY_ERR;

	return (weir_sock_ready(p->conf.stack, c->sock) & bad) == 0 &&
	       weir_sock_active_ns(p->conf.stack, c->sock) != 0; /* else somebody closed it */
}

/* ---- states ---- */

static void leave(struct weir_conn_pool *p, struct pool_place *c)
{
	if (c->state == WEIR_POOLED_IDLE) {
		c->host->idles--;
		TAILQ_REMOVE(&c->host->idle, c, link);
		TAILQ_REMOVE(&p->idle, c, idle);
	}
	c->host->connecting -= c->state == WEIR_POOLED_CONNECTING;
	stack_count(&p->stats.states[c->state], UINT64_MAX);
	weir_wheel_cancel(p->wheel, &c->timer);
}

static void enter(struct weir_conn_pool *p, struct pool_place *c, enum weir_pooled_state state,
		  uint64_t now_ns)
{
	const struct weir_conn_pool_limits *l = &p->conf.limits;
	uint64_t at_ns = UINT64_MAX;

	c->state = (uint8_t)state;
	c->active_ns = now_ns;
	stack_count(&p->stats.states[state], 1);
	if (state == WEIR_POOLED_CONNECTING) {
		c->host->connecting++;
		at_ns = l->connect_ns == 0 ? UINT64_MAX
					   : weir_deadline_after(now_ns, l->connect_ns);
	} else if (state == WEIR_POOLED_IDLE) {
		c->host->idles++;
		TAILQ_INSERT_HEAD(&c->host->idle, c, link);
		TAILQ_INSERT_TAIL(&p->idle, c, idle);
		at_ns = l->idle_ns == 0 ? UINT64_MAX : weir_deadline_after(now_ns, l->idle_ns);
		at_ns = at_ns < c->die_ns ? at_ns : c->die_ns;
	}
	if (at_ns != UINT64_MAX)
		weir_wheel_arm(p->wheel, &c->timer, at_ns);
}

void pool_change(struct weir_conn_pool *p, struct pool_place *c, enum weir_pooled_state state,
		 uint64_t now_ns)
{
	leave(p, c);
	enter(p, c, state, now_ns);
}

/* ---- beginning ---- */

/* When one that begins now is too old. */
static uint64_t die_at(const struct weir_conn_pool *p, uint64_t now_ns)
{
	const uint64_t age_ns = p->conf.limits.age_ns;
	const uint64_t dice = weir_siphash13_u64(&p->conf.secret, p->serial) & 0xff;

	return age_ns == 0 ? UINT64_MAX
			   : weir_deadline_after(now_ns, age_ns - (age_ns >> 11) * dice);
}

/* It is used before the server answers, so the limit of that stays with it. */
static int choose_fastopen(struct weir_conn_pool *p, weir_sock sock)
{
	const int on = 1;
	int rc;

	if (!p->conf.fastopen)
		return 0;
	rc = weir_sock_deadline(p->conf.stack, sock, WEIR_DEADLINE_CONNECT,
				p->conf.limits.connect_ns);
	return rc < 0 ? rc
		      : weir_setsockopt(p->conf.stack, sock, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on,
					sizeof(on));
}

int pool_begin(struct weir_conn_pool *p, struct pool_host *h, uint64_t now_ns)
{
	struct pool_place *c = TAILQ_FIRST(&p->free);
	char *user = pool_user(c);
	int rc = weir_socket(p->conf.stack, WEIR_TCP, user, &c->sock);

	if (rc < 0)
		return rc;
	rc = choose_fastopen(p, c->sock);
	if (rc == 0)
		rc = weir_connect(p->conf.stack, c->sock, &h->at);
	if (rc != -EINPROGRESS && rc != 0) {
		weir_sock_close(p->conf.stack, c->sock);
		return rc;
	}
	TAILQ_REMOVE(&p->free, c, link);
	p->n++;
	p->serial++;
	h->n++;
	c->host = h;
	c->generation = c->generation == UINT8_MAX ? 1 : (uint8_t)(c->generation + 1);
	c->timer = (struct weir_timer){.fire = pool_fire};
	c->uses = 0;
	c->created_ns = now_ns;
	c->die_ns = die_at(p, now_ns);
	enter(p, c, WEIR_POOLED_CONNECTING, now_ns);
	stack_count(&p->stats.opened, 1);
	for (size_t i = 0; i < p->conf.user_bytes; i++)
		user[i] = 0;
	if (p->conf.opened != NULL)
		p->conf.opened(p->conf.ctx, pool_handle(c), user);
	return 0;
}

/* ---- the end ---- */

static void count_end(struct weir_conn_pool *p, const struct pool_place *c, uint64_t *why,
		      uint64_t now_ns)
{
	const uint64_t age_ns = now_ns - c->created_ns;
	unsigned i = 0;

	for (uint64_t below_ns = UINT64_C(1000000000); i + 1 < WEIR_POOL_AGES && age_ns >= below_ns;
	     below_ns *= 2)
		i++;
	stack_count(&p->stats.ages[i], 1);
	stack_count(&p->stats.age_ns, age_ns);
	stack_count(&p->stats.closed, 1);
	stack_count(why, 1);
}

void pool_close(struct weir_conn_pool *p, struct pool_place *c, uint64_t *why, uint64_t now_ns)
{
	struct pool_host *h = c->host;

	if (p->conf.closed != NULL)
		p->conf.closed(p->conf.ctx, pool_handle(c), pool_user(c));
	count_end(p, c, why, now_ns);
	leave(p, c);
	weir_sock_close(p->conf.stack, c->sock);
	c->sock = WEIR_NO_SOCK;
	c->host = NULL;
	TAILQ_INSERT_TAIL(&p->free, c, link);
	p->n--;
	h->n--;
	pool_host_settle(p, h);
}

bool pool_room(struct weir_conn_pool *p, uint64_t now_ns)
{
	if (p->n < pool_most(p))
		return true;
	if (TAILQ_EMPTY(&p->idle))
		return false;
	pool_close(p, TAILQ_FIRST(&p->idle), &p->stats.by_need, now_ns);
	return p->n < pool_most(p);
}
