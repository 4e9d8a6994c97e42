/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* weir-proxy: its configuration, and a worker's part of it. */

#include <weir/splice.h>

#include "stack_app_priv.h"

struct proxy_section {
	struct weir_conf_at at;
	uint64_t port;
	struct weir_addr to;
	uint64_t to_port;
	uint64_t idle; /* ns that a connection may be silent; 0: for ever */
};

struct proxy_conf {
	struct weir_app_conf app;
	struct weir_l3_conf l3;
	struct stack_section stack;
	struct proxy_section proxy;
};

struct proxy_worker {
	struct stack_worker stack; /* first */
	struct stack_user listener;
	struct weir_splicer *splicer;
	struct weir_endpoint to;
	uint64_t refused; /* connections for which there was no place, or no way to the backend */
};

/* A client's connection, and ours to the backend. */
struct proxy_conn {
	struct stack_conn conn; /* first: the client's */
	struct stack_user back_user;
	struct weir_stream_tcp front, back;
	struct weir_splice splice;
};

struct proxy {
	struct stack_app app; /* first */
	struct proxy_worker worker[WEIR_WORKERS_MAX];
};

/* A worker's stack and port. Returns 0 or -errno with a sentence. */
int proxy_open(struct proxy *p, struct weir_shard *shard, const struct proxy_conf *conf,
	       struct weir_why *why);
void proxy_close(struct proxy_worker *w);
