/* SPDX-License-Identifier: BSD-3-Clause */

/* A worker of weir-echo: what its sockets receive goes back. */

#include "echo_priv.h"

#include <weir/error.h>

/*
 * Who answers everything by himself would be answered for ever: echo, daytime, quote, chargen and
 * time of the small services (RFC 862 to 868), and another one like us.
 */
static bool answers_by_itself(uint16_t port, uint16_t ours)
{
	return port == ours || port == 7 || port == 13 || port == 17 || port == 19 || port == 37;
}

static void echo_one(struct echo_worker *w, weir_sock sock, struct weir_dgram *d)
{
	if (answers_by_itself(d->from.port, d->to.port)) {
		weir_count(&w->ignored, 1);
		rte_pktmbuf_free(d->payload);
	} else if (weir_udp_send(w->stack.stack, sock, d->payload, &d->from, &d->to.addr) == 0) {
		weir_count(&w->echoed, 1);
	} else {
		rte_pktmbuf_free(d->payload); /* counted by the stack */
	}
}

static void datagrams(struct stack_worker *w, weir_sock sock)
{
	struct weir_dgram d;

	while (weir_udp_recv(w->stack, sock, &d) == 0)
		echo_one((struct echo_worker *)w, sock, &d);
}

static const struct stack_service service = {
	.conn_bytes = sizeof(struct echo_conn),
	.begin = echo_begin,
	.go_on = echo_go_on,
	.forget = echo_forget,
	.datagrams = datagrams,
};

static int open_sockets(struct echo_worker *w, const struct echo_conf *conf, struct weir_why *why)
{
	const uint64_t ports[ECHO_SERVICES] = {conf->echo.tcp, conf->echo.discard,
					       conf->echo.chargen};
	const struct weir_endpoint at = {.port = (uint16_t)conf->echo.udp};
	weir_sock sock;
	int rc = 0;

	w->udp.is = STACK_DATAGRAMS;
	if (at.port != 0)
		rc = weir_udp_open(w->stack.stack, &at, &w->udp, &sock);
	if (rc < 0)
		return weir_why(why, rc, "UDP port %u: %s", at.port, weir_error_text(rc));
	for (unsigned i = 0; rc == 0 && i < ECHO_SERVICES; i++) {
		w->listener[i].what = i;
		if (ports[i] != 0)
			rc = stack_listen(&w->stack, (uint16_t)ports[i],
					  (uint32_t)conf->stack.backlog, &w->listener[i], why);
	}
	return rc;
}

int echo_open(struct echo *e, struct weir_shard *shard, const struct echo_conf *conf,
	      struct weir_why *why)
{
	struct echo_worker *w = &e->worker[shard->worker];
	const int rc = stack_open(&e->app, &w->stack, shard, &service, &conf->stack,
				  1 + ECHO_SERVICES, (uint32_t)conf->echo.waiting, why);

	w->idle_ns = conf->echo.idle;
	return rc < 0 ? rc : open_sockets(w, conf, why);
}
