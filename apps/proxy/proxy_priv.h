/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* weir-proxy: its configuration, and a worker's part of it. */

#include <weir/backoff.h>
#include <weir/conn_pool.h>
#include <weir/dial.h>
#include <weir/splice.h>

#include "stack_app_priv.h"

/* Connections to the backend of a worker at most. */
#define CONNECTIONS_MOST (UINT64_C(1) << 20)

struct proxy_section {
	struct weir_conf_at at;
	uint64_t port;
	char *to; /* an address, or a name */
	uint64_t to_port;
	struct weir_conf_list dns; /* struct weir_addr */
	uint64_t connections;	   /* to the backend, of a worker at most; 0: half of the stack's */
	bool fastopen;		   /* to the backend */
	/* Live. Times are ns. */
	uint64_t idle;	     /* that a connection may be silent; 0: for ever */
	uint64_t connect;    /* for the backend to answer */
	uint64_t wait;	     /* for a client to wait for a connection */
	uint64_t ready;	     /* connections of a worker that are made in advance */
	uint64_t ready_idle; /* that one of those is kept */
};

struct proxy_conf {
	struct weir_app_conf app;
	struct weir_l3_conf l3;
	struct stack_section stack;
	struct proxy_section proxy;
};

/* What a reload may change. The control thread writes, then counts the version up. */
struct proxy_live {
	uint64_t idle_ns, connect_ns, wait_ns, ready, ready_idle_ns;
	uint64_t version;
};

struct proxy_worker {
	struct stack_worker stack; /* first */
	struct stack_user listener;
	struct weir_splicer *splicer;
	struct weir_endpoint to;
	struct weir_conn_pool *pool; /* of connections to the backend; NULL: it has a name */
	struct named *named;	     /* of that; NULL: it has an address */
	struct proxy_live live;
	uint64_t version;     /* of live that is in force */
	uint64_t now_ns;      /* of this pass */
	uint64_t refused;     /* clients for which there was no place, or no way to the backend */
	bool refill;	      /* connections in advance may be missing */
	uint64_t ready_at_ns; /* the next ones are made in advance not before that */
	uint64_t failures, connected; /* of the pool when that was set for a refusal */
	struct weir_backoff backoff;
};

/* Where events of a connection to the backend, or of the resolver, lead. */
struct backend_user {
	struct stack_user user;	 /* first; .what: enum backend_of */
	struct proxy_conn *conn; /* who has it; NULL: nobody */
};

enum backend_of { OF_POOL, OF_NAME, OF_RESOLVER };

/* A client's connection, and the one to the backend that it has or waits for. */
struct proxy_conn {
	struct stack_conn conn; /* first: the client's */
	struct proxy_worker *worker;
	bool joined; /* it has one */
	struct weir_pool_ask ask;
	weir_pooled pooled;	   /* WEIR_NO_POOLED: none yet, or no more */
	struct backend_user named; /* of one to a name, which begins with this dial */
	struct weir_dial dial;
	struct weir_stream_tcp front, back;
	struct weir_splice splice;
};

struct proxy {
	struct stack_app app; /* first */
	struct proxy_worker worker[WEIR_WORKERS_MAX];
};

/* proxy.c: a worker's stack and port. Returns 0 or -errno with a sentence. */
int proxy_open(struct proxy *p, struct weir_shard *shard, const struct proxy_conf *conf,
	       struct weir_why *why);
void proxy_close(struct proxy_worker *w);
/* Begin to move bytes over the connection to the backend that it has been given. */
void proxy_splice(struct proxy_worker *w, struct proxy_conn *c, uint64_t now_ns);

/* There is no connection to the backend for it: it is reset. */
void proxy_refuse(struct proxy_worker *w, struct proxy_conn *c);

/* backend.c: connections to the backend. */
int backend_open(struct proxy_worker *w, const struct weir_shard *shard,
		 const struct proxy_conf *conf, struct weir_why *why);
void backend_close(struct proxy_worker *w);
/* Ask for a connection. 0: it has one; -EAGAIN: it is given later; else why there is none. */
int backend_ask(struct proxy_worker *w, struct proxy_conn *c, uint64_t now_ns);
/* Whether it has asked for one, and waits. */
bool backend_waits(const struct proxy_conn *c);
/* Give it back, or stop to wait for it. */
void backend_leave(struct proxy_worker *w, struct proxy_conn *c, uint64_t now_ns);
/* An event of a connection to the backend. Whose it is; NULL: nobody's. */
struct proxy_conn *backend_event(struct proxy_worker *w, const struct weir_event *e,
				 uint64_t now_ns);
/* Once a pass. Returns when it is to be called again at the latest. */
uint64_t backend_run(struct proxy_worker *w, uint64_t now_ns);
/* Any thread: heed what a reload has changed. */
void backend_follow(struct proxy_worker *w, const struct proxy_section *conf);

/* named.c: a backend that has a name. As the functions of backend.c. */
int named_open(struct proxy_worker *w, const struct weir_shard *shard,
	       const struct proxy_conf *conf, struct weir_why *why);
void named_close(struct proxy_worker *w);
int named_ask(struct proxy_worker *w, struct proxy_conn *c, uint64_t now_ns);
struct proxy_conn *named_event(struct proxy_worker *w, const struct weir_event *e, uint64_t now_ns);
void named_follow(struct proxy_worker *w);
uint64_t named_run(struct proxy_worker *w, uint64_t now_ns);
/* What the worker's dialer and resolver have counted. */
void named_stats(const struct proxy_worker *w, struct weir_dialer_stats *dials,
		 struct weir_resolver_stats *names);

/* metrics.c */
int proxy_add_metrics(struct weir_run *run);
