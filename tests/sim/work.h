/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What programs do with a connection: send so much, or ask and answer, in their manner.
 */

#include <stdbool.h>
#include <stdint.h>
#include <weir/socket.h>

#define FLOWS_MOST 32

struct sim;
struct host;

/* How a program goes about it. */
struct manner {
	uint32_t read_most;    /* at once, 0: all there is */
	uint64_t read_rest_ns; /* after that */
	uint32_t write_most;   /* in one call */
	uint64_t write_rest_ns;
	uint64_t hangs_up_ns; /* when it leaves whatever happens; 0: not before the end */
	bool aborts;	      /* it hangs up by a reset */
	bool closes_early;    /* when it has all bytes, without waiting for the end */
	bool by_mbuf;	      /* sends and receives by reference */
	bool level;	      /* events by level */
	bool nodelay, cork, quickack;
	int sndbuf, rcvbuf; /* 0: the stack's */
	const char *congestion;
};

enum side_state {
	SIDE_IDLE,    /* not begun, or not accepted yet */
	SIDE_OPENING, /* connects */
	SIDE_OPEN,
	SIDE_DONE
};

struct side {
	struct flow *flow;
	struct host *host;
	struct manner manner;
	weir_sock sock;
	enum side_state state;
	bool readable, writable; /* as events have said */
	bool ended_in, ended_out;
	uint64_t sent, received, to_send, to_receive;
	uint64_t read_ns, write_ns; /* not before */
	uint32_t key;		    /* of the bytes that it sends */
};

struct flow {
	unsigned index;
	struct side side[2]; /* who connects, who is connected to */
	uint64_t begin_ns;
	uint8_t family;
	uint16_t port; /* of who connects */
	bool asks;     /* what is sent depends on what was received */
	uint64_t question_bytes, answer_bytes;
	bool may_break; /* somebody hangs up */
};

/* Events of a host's stack, and who begins or goes on by the time. */
void work_run(struct sim *s);
/* When somebody goes on without an event; UINT64_MAX: nobody does. */
uint64_t work_next_ns(const struct sim *s);
bool flow_is_done(const struct flow *f);
bool work_is_done(const struct sim *s);
