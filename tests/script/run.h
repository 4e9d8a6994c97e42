/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* A script that runs: a stack, its time, what it has sent, and what the script knows of it. */

#include "script.h"

#include <rte_mbuf.h>
#include <weir/socket.h>

#define SENT_MOST  4096
#define TALKS_MOST 256
#define FDS_MOST   512
#define STAMPS	   512
#define BURST_MOST 64

/* What has come out of the stack and was not looked at yet. */
struct sent {
	struct rte_mbuf *m;
	uint64_t at_ns;
};

struct stamp {
	uint32_t script, live;
};

/* A connection as its packets show it: how numbers of the script and of the wire belong together.
   The peer's sequence numbers are the script's; ours begin with the script's 0. */
struct talk {
	uint16_t our_port, peer_port;
	bool has_iss, has_irs, may_begin;
	uint32_t iss; /* added to the script's numbers of ours */
	uint32_t irs, next_irs;
	unsigned n_stamps;
	struct stamp stamps[STAMPS];
};

struct fd {
	bool open;
	weir_sock sock;
	uint64_t written, read; /* bytes of the stream */
};

struct runner {
	const struct script *script;
	const struct event *event; /* that runs */
	struct weir_stack *stack;
	struct rte_mempool *pool;
	uint64_t begin_ns, now_ns, due_ns;
	struct sent sent[SENT_MOST];
	unsigned sent_from, sent_n;
	struct rte_mbuf *burst[BURST_MOST]; /* segments that come together, not given yet */
	uint16_t n_burst;
	struct talk talks[TALKS_MOST];
	unsigned n_talks;
	struct talk *talk; /* the current one, of lines that name no ports; NULL: none yet */
	struct fd fds[FDS_MOST];
	struct cookie {
		bool is_known;
		uint8_t bytes[COOKIE_BYTES];
	} cookies[COOKIES]; /* COOKIE1, COOKIE2: as the stack has given them */
	uint8_t *bytes;	    /* for a call's data */
};

#define CALL_BYTES (1u << 20)

/* 0; -1: it failed; -2: the script is wrong. What was wrong is printed. */
int run_script(const struct script *s, struct rte_mempool *pool);

/* What is wrong at the event that runs. @return -1. */
__attribute__((format(printf, 2, 3))) int fail(struct runner *r, const char *fmt, ...);
/* The script asks for what cannot be done. @return -2. */
__attribute__((format(printf, 2, 3))) int refuse(struct runner *r, const char *fmt, ...);
/* Seconds since the script began. */
double seconds(const struct runner *r, uint64_t at_ns);
/* The stack runs until then, or until it has sent something, if that is asked for. */
int run_until(struct runner *r, uint64_t until_ns, bool or_sent);

/* ---- talk.c ---- */

/* Of these ports; 0: the current one. NULL: too many. */
struct talk *talk_of(struct runner *r, uint16_t our_port, uint16_t peer_port);
void seg_to_live(struct talk *t, struct seg *g);
void seg_to_script(struct talk *t, struct seg *g);
/* What a segment says of where numbers begin. */
void talk_learn_in(struct talk *t, const struct seg *g);
void talk_learn_out(struct talk *t, const struct seg *live, const struct seg *script);
void talk_learn_stamp(struct talk *t, uint32_t script, uint32_t live);

/* ---- wire.c ---- */

/* The byte at a place of a stream: what is sent and what has to come. */
static inline uint8_t stream_byte(uint64_t at)
{
	return (uint8_t)(at * 31 >> 3 ^ at >> 11);
}

/* A packet to the stack; @t says where its stream begins. */
struct rte_mbuf *wire_make(struct runner *r, const struct talk *t, const struct seg *live);
/* An error about what the stack has sent. */
struct rte_mbuf *wire_make_icmp(struct runner *r, const struct talk *t, const struct seg *live);
/* A packet from the stack. NULL, or what is wrong with it. */
const char *wire_read(const struct runner *r, struct rte_mbuf *m, struct seg *live);
/* Whether its payload is the stream's. */
bool wire_is_right(const struct talk *t, const struct rte_mbuf *m, const struct seg *live);

/* ---- print.c: as tcpdump does ---- */

void print_seg(char *out, size_t room, const struct seg *g);

/* ---- expect.c ---- */

/* A segment that comes; it joins the burst. An ICMP error is given to the stack. */
int run_in(struct runner *r, const struct seg *g);
/* Give the burst to the stack. */
int run_burst(struct runner *r);
int run_out(struct runner *r, const struct event *e);
/* What was sent and no line has asked for. */
int run_rest(struct runner *r);

/* ---- calls.c, call_opt.c, claim.c ---- */

int run_call(struct runner *r, const struct call *c);
int run_claims(struct runner *r, const struct claim *c);
struct fd *fd_of(struct runner *r, int64_t number);
/* The result, as -errno. @done: false: it was refused. */
int64_t call_setsockopt(struct runner *r, const struct value *a[], int *refused);
int64_t call_getsockopt(struct runner *r, const struct value *a[], int *refused);
