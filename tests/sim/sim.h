/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Stacks, wires between them, programs that use them, and the time, which nobody waits for.
 */

#include "check.h"
#include "wire.h"
#include "work.h"

#define STARVED_MOST 16384

struct host {
	struct sim *sim;
	unsigned index;
	struct weir_stack *stack;
	struct weir_stack_conf conf;
	uint16_t mtu_bytes;
	bool cuts;	  /* its port cuts long segments */
	bool has_cookies; /* answers SYNs by cookies when several come at once */
	uint64_t due_ns;  /* as the last poll said */
	unsigned idle_polls;
	weir_sock listener;
	uint64_t in_pkts, out_pkts;
	uint64_t taken_bytes; /* by its programs */
};

/* A time without buffers. */
struct starving {
	uint64_t from_ns, until_ns; /* until 0: never */
	unsigned left;		    /* buffers that are left */
	unsigned n;		    /* that are taken away now */
	struct rte_mbuf *taken[STARVED_MOST];
};

struct sim {
	uint64_t seed;
	struct rnd rnd;
	uint64_t now_ns, begin_ns;
	uint64_t pass_ns;  /* a worker's pass takes so long */
	uint64_t clean_ns; /* the wires are clean from then on */
	uint64_t progress_ns;
	unsigned n_hosts, n_flows;
	struct host hosts[HOSTS_MOST];
	struct flow flows[FLOWS_MOST];
	struct check check;
	uint64_t digest; /* of all that was on the wires */
	bool is_moving;	 /* something happened in this pass */
	bool is_clean, trace;
	bool failed;
	char why[256];
	/* Large: */
	struct starving starving;
	struct wire wires[HOSTS_MOST]; /* what each host sends */
};

/* Buffers of the stacks, and of what arrives: once a process. */
void sim_memory(unsigned mbufs);
struct rte_mempool *sim_stack_pool(void);
struct rte_mempool *sim_wire_pool(void);

/* The first reason is kept; the run ends. */
void sim_fail(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Zeroed, with a time and wires that lose nothing; the caller makes hosts, wires and flows. */
void sim_begin(struct sim *s, uint64_t seed);
/* Make the stack that the host's conf asks for, and let it listen. */
void sim_host(struct sim *s, unsigned host);
/* A pass of all workers, and on to when something happens next. False: nothing does any more. */
bool sim_pass(struct sim *s);
/* Until all flows have ended and nothing is left of them, or something is wrong. */
void sim_run(struct sim *s);
/* Checks that nothing is left, and frees the stacks. */
void sim_end(struct sim *s);

/* plan.c: hosts, wires and flows of a seed. */
void plan(struct sim *s);
