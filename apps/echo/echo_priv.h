/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* weir-echo: its configuration, and a worker's part of it. */

#include <weir/app.h>
#include <weir/local.h>
#include <weir/shard.h>
#include <weir/socket.h>

struct echo_section {
	struct weir_conf_at at;
	uint64_t udp;	  /* the port */
	uint64_t waiting; /* datagrams at most */
};

struct echo_conf {
	struct weir_app_conf app;
	struct weir_l3_conf l3;
	struct echo_section echo;
};

struct echo_worker {
	struct weir_local local;
	struct weir_shard *shard;
	struct weir_stack *stack;
	weir_sock udp;
	uint64_t echoed;  /* datagrams sent back */
	uint64_t ignored; /* from ports that answer by themselves */
};

struct echo {
	uint16_t workers;
	struct echo_worker worker[WEIR_WORKERS_MAX];
};

/* A worker's stack and socket. @return 0 or -errno with a sentence. */
int echo_open(struct echo_worker *w, const struct echo_section *conf, struct weir_shard *shard,
	      struct weir_why *why);
void echo_close(struct echo_worker *w);
