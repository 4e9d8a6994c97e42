/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* weir-echo: its configuration, and a worker's part of it. */

#include "stack_app_priv.h"

struct echo_peer {
	struct weir_conf_at at;
	struct weir_addr address;
	uint64_t port;
};

#define ECHO_SOCKETS_MOST WEIR_SHARED_MOST
#define ECHO_PEERS_MOST	  64
#define ECHO_GROUPS_MOST  20 /* a socket's */
#define ECHO_UDP_MOST	  (ECHO_SOCKETS_MOST + ECHO_PEERS_MOST)

struct echo_section {
	struct weir_conf_at at;
	uint64_t udp, tcp, discard, chargen; /* ports; 0: none */
	uint64_t waiting;		     /* datagrams at most */
	uint64_t sockets;		     /* that share the port of UDP */
	struct weir_conf_list peers;	     /* of struct echo_peer: with sockets of their own */
	struct weir_conf_list groups;	     /* of struct weir_addr */
	uint64_t idle;			     /* ns that a connection may be silent; 0: for ever */
};

struct echo_conf {
	struct weir_app_conf app;
	struct weir_l3_conf l3;
	struct stack_section stack;
	struct echo_section echo;
};

enum echo_service {
	ECHO,	 /* RFC 862 */
	DISCARD, /* RFC 863 */
	CHARGEN, /* RFC 864 */
	ECHO_SERVICES
};

/* A UDP socket. */
struct echo_udp {
	weir_sock sock;
	uint64_t echoed; /* datagrams sent back */
};

struct echo_worker {
	struct stack_worker stack; /* first */
	struct stack_user udp_user, listener[ECHO_SERVICES];
	struct echo_udp udp[ECHO_UDP_MOST]; /* n_udp: those that share the port, then the peers' */
	uint32_t n_udp;
	uint64_t idle_ns;
	uint64_t echoed;  /* datagrams sent back */
	uint64_t ignored; /* from ports that answer by themselves */
};

struct echo {
	struct stack_app app; /* first */
	struct echo_worker worker[WEIR_WORKERS_MAX];
};

/* A worker's stack and sockets. Returns 0 or -errno with a sentence. */
int echo_open(struct echo *e, struct weir_shard *shard, const struct echo_conf *conf,
	      struct weir_why *why);

/* udp.c: datagrams. */
int echo_open_udp(struct echo_worker *w, const struct echo_section *conf, struct weir_why *why);
void echo_datagrams(struct stack_worker *w, weir_sock sock);

/* conn.c: connections. */
struct echo_conn {
	struct stack_conn conn; /* first */
	struct rte_mbuf *held;	/* of ECHO: received, and not taken back yet */
	uint32_t at;		/* of CHARGEN: the next byte of the pattern */
};

void echo_make_pattern(void);
int echo_begin(struct stack_worker *w, struct stack_conn *c);
int echo_go_on(struct stack_worker *w, struct stack_conn *c, uint64_t now_ns);
void echo_forget(struct stack_worker *w, struct stack_conn *c);
