/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What programs with a stack have in common: the section `stack:` of their configuration, a stack
 * on each worker, its metrics, and `weirctl sockets`.
 *
 * A program's state begins with struct stack_app, and what it has for each worker with struct
 * stack_worker.
 */

#include <stdatomic.h>
#include <weir/app.h>
#include <weir/local.h>
#include <weir/set.h>
#include <weir/shard.h>
#include <weir/socket.h>

/* stack.sources: */
struct stack_sources {
	struct weir_conf_at at;
	uint64_t at_once, connections, rate, burst, block, half_open; /* block: ns */
	uint64_t prefix4, prefix6;				      /* bits */
	struct weir_conf_list allow, deny;			      /* struct weir_prefix */
};

/* stack: */
struct stack_section {
	struct weir_conf_at at;
	uint64_t connections, half_open, time_wait; /* of each worker */
	uint64_t backlog, fastopen;		    /* of a port that listens */
	uint64_t groups;			    /* heard on interfaces */
	uint64_t sndbuf, rcvbuf;		    /* bytes of a connection */
	uint64_t memory;			    /* bytes of all connections of a worker */
	int congestion;				    /* see stack_congestion() */
	int mtu_probing;			    /* enum weir_mtu_probing */
	uint64_t base_mss;
	bool ecn;
	struct stack_sources sources;
};

extern const struct weir_conf_schema stack_schema;

/* The key of struct stack_section, where it is the member `stack` of @of. */
#define STACK_CONF_KEY(of)                                                                     \
	{                                                                                      \
		WEIR_CONF_KEY(of, stack), .type = WEIR_CONF_RECORD, .sub = &stack_schema,      \
					  .fixed = true,                                       \
					  .doc = "Sizes of the stack of each worker. Changes " \
						 "need a restart."                             \
	}

/* Buffers that a worker's connections may hold: weir_app.held of a program. */
uint32_t stack_held(const struct stack_section *conf);

/* What the schema cannot say: weir_app.check of a program. */
int stack_check(const struct stack_section *conf, const char *file, struct weir_why *why);

/* The name of its congestion control. */
const char *stack_congestion(const struct stack_section *conf);

struct stack_ask;
struct stack_worker;

/* What a socket's user pointer leads to. */
struct stack_user {
	enum { STACK_LISTENER, STACK_CONN, STACK_DATAGRAMS, STACK_OWN } is;
	unsigned what; /* of a listener: the program's own, for its connections too */
};

/* A connection as a program keeps it: what it has of its own follows. */
struct stack_conn {
	struct stack_user user;
	weir_sock sock; /* WEIR_NO_SOCK: it is closed */
	uint32_t next;	/* in the list of free ones, or of those that are tried again */
	bool waits;	/* for buffers: in that list */
};

/* What a program does on each worker. All on the data path. */
struct stack_service {
	size_t conn_bytes; /* of a connection, struct stack_conn included */
	/* It was accepted; all but its struct stack_conn is zero. < 0: it is closed again. */
	int (*begin)(struct stack_worker *w, struct stack_conn *c);
	/*
	 * Go on as far as it goes: something may have come, or there may be room. Returns -EAGAIN:
	 * it waits for that; -ENOBUFS: it is tried again soon; anything else: it is closed.
	 */
	int (*go_on)(struct stack_worker *w, struct stack_conn *c, uint64_t now_ns);
	/* It is closed: give back what is kept for it. */
	void (*forget)(struct stack_worker *w, struct stack_conn *c);
	/* Datagrams wait in a UDP socket; NULL: there are none. */
	void (*datagrams)(struct stack_worker *w, weir_sock sock);
	/*
	 * Something has happened to a connection that the program has begun by itself and keeps in
	 * its own place: STACK_OWN. It may have been ended by weirctl. NULL: there are none.
	 */
	void (*own)(struct stack_worker *w, const struct weir_event *e, uint64_t now_ns);
	/* Once a pass. Returns when it is to be called again at the latest. NULL: no timers. */
	uint64_t (*tick)(struct stack_worker *w, uint64_t now_ns);
};

struct stack_worker {
	struct weir_local local; /* first: 70_local has a pointer to it */
	struct weir_shard *shard;
	struct weir_stack *stack;
	const struct stack_service *service;
	char *conns;	   /* n_conns, each of service->conn_bytes */
	uint32_t n_conns;  /* as many as the stack can have */
	uint32_t free;	   /* the first of conns that nobody has; UINT32_MAX: none */
	uint32_t waiting;  /* the first that waits for buffers */
	uint64_t retry_ns; /* when those are tried again */
	struct weir_set *trusted, *denied; /* of who connects; NULL: nobody */
	_Atomic(struct stack_ask *) ask;   /* of the control thread; see stack_ctl.c */
	bool ended;
};

struct stack_app {
	uint16_t workers;
	struct stack_worker *worker[WEIR_WORKERS_MAX]; /* those that are open */
};

/*
 * Make a worker's stack and put it into its pipeline.
 * @sockets: listeners and UDP sockets; @waiting: datagrams in one of the latter at most.
 * Returns 0 or -errno with a sentence. Control thread, before the worker runs.
 */
int stack_open(struct stack_app *app, struct stack_worker *w, struct weir_shard *shard,
	       const struct stack_service *service, const struct stack_section *conf,
	       uint32_t sockets, uint32_t waiting, struct weir_why *why);
/* Close all connections, for what the program keeps for them is about to go; the worker has
 * stopped. */
void stack_forget_all(struct stack_worker *w);
/* Free it, its connections first; the worker has stopped. */
void stack_close(struct stack_worker *w);
/*
 * A socket that listens at a port of all addresses; @user is what it becomes, and outlives it.
 * Returns 0 or -errno with a sentence.
 */
int stack_listen(struct stack_worker *w, uint16_t port, const struct stack_section *conf,
		 struct stack_user *user, struct weir_why *why);
/* Close a connection, and forget it. */
void stack_end(struct stack_worker *w, struct stack_conn *c);

/* The metrics of all stacks; the run's state begins with struct stack_app, or is NULL so far. */
int stack_add_metrics(struct weir_run *run);
/* `sockets` and `sockets_kill` on the control socket. */
int stack_add_commands(struct weir_run *run);

/* stack_sources.c: who is allowed and denied, and the limits of the others. */
int stack_sources_open(struct stack_worker *w, const struct stack_sources *conf,
		       struct weir_stack_conf *sc, struct weir_why *why);
void stack_sources_close(struct stack_worker *w);

/* stack_ctl.c: answer the control thread. True: it is not done yet. Data path. */
bool stack_answer(struct stack_worker *w, uint64_t now_ns);
