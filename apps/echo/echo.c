/* SPDX-License-Identifier: BSD-3-Clause */

/* A worker of weir-echo: its stack and its sockets. */

#include "echo_priv.h"

static const struct stack_service service = {
	.conn_bytes = sizeof(struct echo_conn),
	.begin = echo_begin,
	.go_on = echo_go_on,
	.forget = echo_forget,
	.datagrams = echo_datagrams,
};

static int open_sockets(struct echo_worker *w, const struct echo_conf *conf, struct weir_why *why)
{
	const uint64_t ports[ECHO_SERVICES] = {conf->echo.tcp, conf->echo.discard,
					       conf->echo.chargen};
	int rc = echo_open_udp(w, &conf->echo, why);

	for (unsigned i = 0; rc == 0 && i < ECHO_SERVICES; i++) {
		w->listener[i].what = i;
		if (ports[i] != 0)
			rc = stack_listen(&w->stack, (uint16_t)ports[i], &conf->stack,
					  &w->listener[i], why);
	}
	return rc;
}

int echo_open(struct echo *e, struct weir_shard *shard, const struct echo_conf *conf,
	      struct weir_why *why)
{
	struct echo_worker *w = &e->worker[shard->worker];
	const int rc = stack_open(&e->app, &w->stack, shard, &service, &conf->stack,
				  ECHO_UDP_MOST + ECHO_SERVICES, (uint32_t)conf->echo.waiting, why);

	w->idle_ns = conf->echo.idle;
	return rc < 0 ? rc : open_sockets(w, conf, why);
}
