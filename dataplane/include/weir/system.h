/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Several engines on several cores, with rings between them: the third way to use weir.
 *
 * A system opens ports, gives each worker its queues, sizes the memory, and makes every packet
 * reach the worker that owns its flow, also where a device has fewer queues than there are workers
 * or does not spread flows alike in both directions.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <weir/eal.h>
#include <weir/engine.h>
#include <weir/must_check.h>
#include <weir/pool.h>
#include <weir/port.h>
#include <weir/why.h>

struct weir_system;
struct weir_tracker_conf;

/** A port of the system. */
struct weir_system_port {
	struct weir_port_conf conf; /**< opened by the system; or */
	struct weir_port *given;    /**< opened by the caller (port_mem); the system's on success */
	const char *kernel;	    /**< name of the TAP that the kernel sees for it; NULL: none */
};

/** What a system is made of. Pointers are borrowed until create has returned. */
struct weir_system_conf {
	const char *name;	       /**< whose system it is, in sentences about failures */
	const uint16_t *cores;	       /**< one worker on each */
	uint16_t workers;	       /**< 1 to WEIR_WORKERS_MAX */
	enum weir_poll_mode poll;      /**< how workers rest */
	uint64_t gather_ns;	       /**< as in weir_engine_conf */
	uint8_t priority;	       /**< SCHED_FIFO's of the workers, 1 to 99; 0: none */
	enum weir_hugepages hugepages; /**< as EAL was told: small pages need more memory */
	uint16_t burst;		       /**< 0: the default */
	uint32_t mbufs;		       /**< 0: by arithmetic */
	uint32_t held;		       /**< buffers that a worker's stack may hold, for that */
	struct weir_limits limits;     /**< of each worker */
	const struct weir_tracker_conf *tracker; /**< of each worker; NULL: flows are not tracked */
	const struct weir_system_port *ports;	 /**< number i is weir's port i */
	uint16_t n_ports;			 /**< 1 to WEIR_PORTS_MAX */
	/* either: */
	const struct weir_node_ops *const *path; /**< outlives the system */
	/* or, one of them for each worker: */
	weir_engine_burst_fn *on_burst; /**< gets each burst, on its worker's thread */
	void *const *ctx;		/**< by worker */
	bool idle_calls;		/**< call it for empty queues too, with n == 0 */
};

/** NUMA nodes that a system spans at most. */
#define WEIR_NODES_MAX 8

/** The buffers of one NUMA node: of its ports' receive queues, and of its workers. */
struct weir_system_node {
	int numa;		    /**< -1: the machine does not say */
	struct weir_pool_need need; /**< what its ports and workers ask for */
	struct weir_pool_plan pool; /**< what the arithmetic makes of it */
};

/** Who does what, and how much memory that takes: --plan. */
struct weir_system_plan {
	uint16_t n_nodes;			      /**< how many of node are set */
	struct weir_system_node node[WEIR_NODES_MAX]; /**< those in use, in the order met */
	uint16_t port_node[WEIR_PORTS_MAX];	/**< index in node: where a port's buffers are */
	uint16_t worker_node[WEIR_WORKERS_MAX]; /**< index in node: where a worker's are */
	uint16_t rxqs[WEIR_PORTS_MAX];		/**< queues asked of each port */
	uint16_t txqs[WEIR_PORTS_MAX];		/**< transmit queues asked of each port */
	uint64_t bytes; /**< memory of the pools and rings; tables come on top */
};

/** The arithmetic. Reads sysfs for NUMA nodes; no EAL. Any thread. */
void weir_system_plan(const struct weir_system_conf *conf, struct weir_system_plan *out);

/** The arithmetic for people. */
void weir_system_plan_print(const struct weir_system_conf *conf, FILE *to);

/**
 * Open the ports and make the engines; nothing runs yet. EAL must be up with as many cores.
 * @return 0 or -errno with a sentence; nothing is left open then. Control thread.
 */
WEIR_MUST_CHECK int weir_system_create(const struct weir_system_conf *conf,
				       struct weir_system **out, struct weir_why *why);

/** Start ports and workers. A pipeline that reads a generation needs one published before. */
WEIR_MUST_CHECK int weir_system_start(struct weir_system *s, struct weir_why *why);

/** Let workers end what they have (see weir_engine_stop()), then the ports. For good; counters stay
 * readable. Control thread. */
void weir_system_stop(struct weir_system *s);

/** Close and free everything; stops first if need be. NULL is allowed. */
void weir_system_free(struct weir_system *s);

/** Make a generation the current one; see weir_gens_publish(). Control thread. */
void weir_system_publish(struct weir_system *s, struct weir_gen *fresh);

/* For counters, listings and control. Control thread. */
/** How many workers it has. */
uint16_t weir_system_workers(const struct weir_system *s);
/** The engine of a worker; NULL if there is none of that number. */
struct weir_engine *weir_system_engine(const struct weir_system *s, uint16_t worker);
/** How many ports it has. */
uint16_t weir_system_ports(const struct weir_system *s);
/** A port by its index; NULL if there is none. */
struct weir_port *weir_system_port(const struct weir_system *s, uint16_t port);
/** Its generations. */
struct weir_gens *weir_system_gens(const struct weir_system *s);
/** Pools of buffers, one for each NUMA node in use. */
uint16_t weir_system_pools(const struct weir_system *s);
/** One of its pools; NULL if there is none of that number. */
struct rte_mempool *weir_system_pool(const struct weir_system *s, uint16_t pool);
/** Its kernel path; NULL if no port has one. */
struct weir_punt *weir_system_punt(const struct weir_system *s);
/** The clock of the workers' passes. */
const struct weir_clock *weir_system_clock(const struct weir_system *s);
/** The worker that polls a queue of a port. */
uint16_t weir_system_rx_worker(const struct weir_system *s, uint16_t port, uint16_t queue);
/** Watch every worker (NULL: stop) and wait until none can see the former watch. */
void weir_system_watch(struct weir_system *s, const struct weir_watch *w);
