/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the parts of the resolver share: names and their answers, and the sockets of c-ares. */

#include <ares.h>
#include <stdbool.h>
#include <weir/resolver.h>

#include "count_priv.h"

/* Sockets of c-ares at most: one UDP socket and one connection for each server. */
#define RESOLVER_SOCKS (2 * WEIR_DNS_SERVERS)

TAILQ_HEAD(name_asks, weir_name_ask);

/* A name and a family. */
struct resolver_name {
	struct weir_resolver *resolver;
	char text[WEIR_NAME_MAX + 1]; /* lower case; "": nobody's */
	uint8_t family;
	uint8_t n;  /* addresses */
	bool asked; /* a server is asked now */
	bool fresh; /* the answer is for those who wait, whatever its age: it is in that list */
	int error;  /* of the answer; 0: there are addresses */
	uint64_t until_ns; /* it is true so long */
	uint64_t used_ns;
	struct weir_addr addrs[WEIR_NAME_ADDRS];
	TAILQ_ENTRY(resolver_name) link; /* in the list of fresh ones */
	struct name_asks asks;
	uint32_t waiting; /* how many those are */
};

/* A socket of c-ares: its number is the index. */
struct resolver_sock {
	weir_sock sock; /* WEIR_NO_SOCK: free */
	enum weir_sock_type type;
	uint32_t wants; /* enum weir_ready */
	struct weir_endpoint server;
};

TAILQ_HEAD(fresh_names, resolver_name);

struct weir_resolver {
	struct weir_resolver_conf conf;
	struct weir_endpoint servers[WEIR_DNS_SERVERS];
	ares_channel channel;
	struct resolver_sock socks[RESOLVER_SOCKS];
	struct resolver_name *names; /* conf.names */
	struct fresh_names fresh;
	uint64_t now_ns;
	uint64_t due_ns; /* of c-ares's next timeout */
	struct weir_resolver_stats stats;
};

/* resolver_ares.c: a channel whose sockets are the stack's. Returns 0 or -errno. */
int resolver_channel_open(struct weir_resolver *r);
/* Everything that waits in the sockets is read, and what can be written is. */
void resolver_channel_run(struct weir_resolver *r);
