/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* A pool of connections: places, the hosts that they lead to, and who waits for them. */

#include <weir/conn_pool.h>

#include "service_priv.h"

#define POOLED_INDEX_BITS 24
#define POOLED_MOST	  (UINT32_C(1) << 20)

TAILQ_HEAD(pool_places, pool_place);
TAILQ_HEAD(pool_asks, weir_pool_ask);
TAILQ_HEAD(pool_hosts, pool_host);

/* A connection, or room for one. */
struct pool_place {
	struct weir_conn_pool *pool;
	struct pool_host *host;	 /* NULL: free */
	struct weir_timer timer; /* connecting: for the answer; idle: for its end */
	/* IDLE: of its host, the last one used first; free: of those. */
	TAILQ_ENTRY(pool_place) link;
	TAILQ_ENTRY(pool_place) idle; /* of all that are IDLE, the last one used last */
	uint64_t created_ns, active_ns, uses;
	uint64_t die_ns; /* too old then */
	weir_sock sock;
	uint8_t generation; /* 1 to 255 */
	uint8_t state;	    /* enum weir_pooled_state */
	bool told;	    /* BUSY: whoever has it knows */
};

struct pool_host {
	struct weir_endpoint at;
	struct pool_host *next; /* in its bucket, or of the free ones */
	uint32_t n, connecting, idles, waiting;
	struct pool_places idle;
	struct pool_asks asks; /* the first came first */
	/* More wait than connect, and it may have more connections: in a row with others. */
	TAILQ_ENTRY(pool_host) hungry;
	bool is_hungry;
};

struct weir_conn_pool {
	struct weir_conn_pool_conf conf; /* limits included */
	struct weir_conn_pool_stats stats;
	struct weir_wheel *wheel;
	struct pool_place *places;
	char *users;
	unsigned user_shift;
	uint32_t n; /* connections */
	uint64_t serial;
	struct pool_host *hosts, *free_hosts;
	struct pool_host **buckets;
	uint32_t bucket_mask;
	struct pool_places free, idle;
	struct pool_hosts hungry;
	struct pool_asks ended; /* to be told */
};

/* ---- conn_pool_host.c ---- */

int pool_hosts_create(struct weir_conn_pool *p);
void pool_hosts_free(struct weir_conn_pool *p);
/*
 * The host of an address and port, made if it is not known, if need be in place of one whose
 * connections are all idle. NULL: no place for another.
 */
struct pool_host *pool_host_get(struct weir_conn_pool *p, const struct weir_endpoint *at,
				uint64_t now_ns);
/* Something about it has changed: it is hungry or not, or is not needed any more. */
void pool_host_settle(struct weir_conn_pool *p, struct pool_host *h);

/* ---- conn_pool_conn.c: a connection's life. None of these gives a free place to anybody. ---- */

uint32_t pool_most(const struct weir_conn_pool *p);
/* Begin one. There is a place (pool_room()), and the host may have it. */
int pool_begin(struct weir_conn_pool *p, struct pool_host *h, uint64_t now_ns);
/* Close it; @why: the counter. Its host may be settled, and gone. */
void pool_close(struct weir_conn_pool *p, struct pool_place *c, uint64_t *why, uint64_t now_ns);
/* It is @p state from now on. */
void pool_change(struct weir_conn_pool *p, struct pool_place *c, enum weir_pooled_state state,
		 uint64_t now_ns);
/* Make room for another connection, if need be by closing an idle one. False: there is none. */
bool pool_room(struct weir_conn_pool *p, uint64_t now_ns);
/* The peer has not ended it, nor said anything that was not read. */
bool pool_is_healthy(const struct weir_conn_pool *p, const struct pool_place *c);
weir_pooled pool_handle(const struct pool_place *c);
void *pool_user(const struct pool_place *c);
struct pool_place *pool_place_of(const struct weir_conn_pool *p, weir_pooled conn);

/* ---- conn_pool.c ---- */

/* A place's timer. */
void pool_fire(struct weir_timer *t, uint64_t now_ns);
