/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A pool of TCP connections to servers, to be used again and again.
 *
 * Whoever needs a connection asks for one (weir_conn_pool_get()): an idle one that is healthy is
 * given at once; else one is begun, or the asker waits for its turn. Turns are first come, first
 * served, both for each host and among hosts, so nobody starves. Askers wait in their own memory;
 * all of the pool's is taken at its creation.
 *
 * A connection is handed back with weir_conn_pool_put(). An idle one is closed when its peer ends
 * it or says something that nobody asked for, when it has been idle for too long or is too old, or
 * when its place is needed for another host.
 *
 * The owner of the stack passes events on (weir_conn_pool_event()), then runs the pool once
 * (weir_conn_pool_run()): only there is anybody told who waited. All on the stack's thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <weir/must_check.h>
#include <weir/siphash.h>
#include <weir/socket.h>
#include <weir/wheel.h>

struct weir_conn_pool;
struct pool_host;

/** A connection of a pool: a place and a generation, so that one that is gone is not another's. */
typedef uint32_t weir_pooled;

/** No connection. */
#define WEIR_NO_POOLED UINT32_C(0)

/** Where a connection of a pool is in its life. */
enum weir_pooled_state {
	WEIR_POOLED_CONNECTING, /**< the server has not answered yet */
	WEIR_POOLED_IDLE,	/**< waits to be used */
	WEIR_POOLED_BUSY,	/**< somebody has it */
	WEIR_POOLED_STATES,	/**< how many there are */
};

/** Somebody who waits for a connection, in the asker's memory until done is called. */
struct weir_pool_ask {
	/**
	 * It has ended: 0 and a connection that is the asker's; or why there is none: -ETIMEDOUT
	 * (it has waited too long, or the server did not answer), -ECONNREFUSED, -ENETUNREACH, ...
	 * The memory is the asker's again. What has come over the connection is not told by events:
	 * look at it as after one.
	 */
	void (*done)(struct weir_pool_ask *ask, int error, weir_pooled conn, uint64_t now_ns);
	struct weir_conn_pool *pool;	 /**< the pool's; NULL: it does not wait */
	struct pool_host *host;		 /**< the pool's; NULL: it has ended, and was not told */
	TAILQ_ENTRY(weir_pool_ask) link; /**< the pool's */
	struct weir_timer timer;	 /**< the pool's */
	uint64_t serial;		 /**< the pool's */
	weir_pooled conn;		 /**< the pool's */
	int error;			 /**< the pool's */
};

/** What a pool keeps to. What is 0 has no limit unless another default is named. */
struct weir_conn_pool_limits {
	uint32_t connections; /**< in all now, at most those of the creation; 0: as many as those */
	uint32_t per_host;    /**< to one host */
	uint64_t connect_ns;  /**< for a server to answer */
	uint64_t wait_ns;     /**< for an asker to wait */
	uint64_t idle_ns;     /**< without use */
	uint64_t age_ns;      /**< since it was begun, less up to an eighth by chance, so that those
				 begun together do not end together; one that is busy is not cut off */
};

/** What a pool is made of. */
struct weir_conn_pool_conf {
	struct weir_stack *stack; /**< borrowed */
	uint32_t connections;	  /**< places, 1 to 2^20 */
	uint32_t hosts;		  /**< servers that are known at once; 0: as many as connections */
	uint32_t user_bytes;	  /**< of each connection's user data */
	struct weir_conn_pool_limits limits; /**< to begin with */
	bool fastopen;	 /**< TCP_FASTOPEN_CONNECT: one to a server that has given a cookie is given
			    before the server has answered, and may fail yet */
	uint64_t now_ns; /**< the time to begin with */
	struct weir_siphash_key secret; /**< random: keys what peers may choose */
	/** A connection is begun; its user data, all zero, is where its events lead. NULL: none. */
	void (*opened)(void *ctx, weir_pooled conn, void *user);
	/** Whether an idle connection, whose socket is healthy, may be used again. NULL: yes. */
	bool (*validate)(void *ctx, weir_pooled conn, void *user);
	/** A connection is about to be closed. NULL: nobody cares. */
	void (*closed)(void *ctx, weir_pooled conn, void *user);
	/** The number of connections that may be has changed. NULL: nobody cares. */
	void (*resized)(void *ctx, uint32_t before, uint32_t now);
	void *ctx; /**< the functions' first argument */
};

/** Ages that are counted apart: below 1 s, 2 s, 4 s, ... and all above. */
#define WEIR_POOL_AGES 16

/** What a pool has counted. Written by its thread, read by any with relaxed loads. */
struct weir_conn_pool_stats {
	uint64_t asked;		/**< connections that were asked for */
	uint64_t given;		/**< and given */
	uint64_t reused;	/**< of these, those that were given before */
	uint64_t waited;	/**< asks that had to wait, if only for the server */
	uint64_t refused;	/**< asks refused at once: no place for another host */
	uint64_t failed;	/**< asks that ended with an error later */
	uint64_t timed_out;	/**< asks that waited too long */
	uint64_t cancelled;	/**< asks that were taken back */
	uint64_t opened;	/**< connections begun */
	uint64_t connected;	/**< of these, those that the server has answered */
	uint64_t closed;	/**< connections closed; the next ones are why */
	uint64_t by_failure;	/**< the server has refused, or has not answered in time */
	uint64_t by_user;	/**< whoever had it did not want it kept */
	uint64_t by_peer;	/**< the peer has ended it, or said something, while it was idle */
	uint64_t by_validation; /**< validate has said no */
	uint64_t by_idle;	/**< it was idle for too long */
	uint64_t by_age;	/**< it was too old */
	uint64_t by_need;	/**< another host needed its place, or there are to be fewer */
	uint64_t age_ns;	/**< of all that were closed, added up */
	uint64_t ages[WEIR_POOL_AGES];	     /**< of all that were closed, how many; see there */
	uint64_t states[WEIR_POOLED_STATES]; /**< connections now, gauges */
	uint64_t waiting;		     /**< asks that wait now, a gauge */
	uint64_t hosts;			     /**< that are known now, a gauge */
};

/** A connection of a pool as a person looks at it. */
struct weir_pooled_info {
	weir_pooled conn;	      /**< its handle */
	weir_sock sock;		      /**< its socket */
	enum weir_pooled_state state; /**< where it is in its life */
	struct weir_endpoint host;    /**< its server */
	uint64_t created_ns;	      /**< when it was begun */
	uint64_t active_ns;	      /**< when it was last given or handed back */
	uint64_t uses;		      /**< how often it was given */
	void *user;		      /**< its user data */
};

/** Make a pool; all its memory is taken here. @return 0, -EINVAL or -ENOMEM. */
WEIR_MUST_CHECK int weir_conn_pool_create(const struct weir_conn_pool_conf *conf,
					  struct weir_conn_pool **out);
/** Free a pool: its connections are reset, and nobody who waits is told. NULL is allowed. */
void weir_conn_pool_free(struct weir_conn_pool *p);

/**
 * Ask for a connection to a host.
 * @param ask  With done set, not waiting; used only if the answer is -EINPROGRESS.
 * @return 0: *out is the asker's; -EINPROGRESS: done will be called, not before the next run;
 *         -EALREADY (it waits), -EINVAL (@p host has no address or port), -ENOSPC (no place for
 *         another host).
 */
WEIR_MUST_CHECK int weir_conn_pool_get(struct weir_conn_pool *p, const struct weir_endpoint *host,
				       struct weir_pool_ask *ask, weir_pooled *out,
				       uint64_t now_ns);

/** Take an ask back: done is not called any more. One that does not wait is left alone. */
void weir_conn_pool_cancel(struct weir_conn_pool *p, struct weir_pool_ask *ask, uint64_t now_ns);

/**
 * Hand a connection back.
 * @param keep  It may be used again: nothing is on its way in either direction.
 * @return 0 or -EBADF (nobody has it).
 */
int weir_conn_pool_put(struct weir_conn_pool *p, weir_pooled conn, bool keep, uint64_t now_ns);

/**
 * Begin connections in advance, as far as the limits let it; they are idle when the server has
 * answered.
 * @return how many were begun, or why not one was: -EAGAIN (a limit), -EINVAL, -ENOSPC as
 *         weir_conn_pool_get(), or as weir_socket() and weir_connect().
 */
WEIR_MUST_CHECK int weir_conn_pool_prewarm(struct weir_conn_pool *p,
					   const struct weir_endpoint *host, uint32_t n,
					   uint64_t now_ns);

/**
 * Change the limits. Connections that are too many now are closed, busy ones when they are handed
 * back. A time is heeded when its state begins next.
 */
void weir_conn_pool_set_limits(struct weir_conn_pool *p, const struct weir_conn_pool_limits *limits,
			       uint64_t now_ns);

/**
 * An event whose user is user data of this pool.
 * @return true: it was the pool's; false: the connection is somebody's, and so is the event.
 */
WEIR_MUST_CHECK bool weir_conn_pool_event(struct weir_conn_pool *p, const struct weir_event *e,
					  uint64_t now_ns);

/**
 * Run timers, and tell those who waited.
 * @return when it is to be called again at the latest; UINT64_MAX: not before the next event or
 *         call.
 */
uint64_t weir_conn_pool_run(struct weir_conn_pool *p, uint64_t now_ns);

/** Look at a connection. @return 0 or -EBADF. */
WEIR_MUST_CHECK int weir_conn_pool_look(const struct weir_conn_pool *p, weir_pooled conn,
					struct weir_pooled_info *out);

/**
 * Look at all connections, some at a time.
 * @param at  Where to go on, 0 at first; UINT32_MAX when all were seen.
 * @return how many of @p out are set.
 */
WEIR_MUST_CHECK uint16_t weir_conn_pool_walk(const struct weir_conn_pool *p, uint32_t *at,
					     struct weir_pooled_info *out, uint16_t most);

/** What it has counted. Any thread. */
void weir_conn_pool_stats(const struct weir_conn_pool *p, struct weir_conn_pool_stats *out);
