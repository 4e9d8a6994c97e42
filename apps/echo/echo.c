/* SPDX-License-Identifier: BSD-3-Clause */

/* A worker of weir-echo: packets go into its stack, and what its socket receives goes back. */

#include "echo_priv.h"

#include <stdlib.h>
#include <weir/error.h>

#define EVENTS 16

static void send_out(void *ctx, struct rte_mbuf **pkts, uint16_t n)
{
	const struct echo_worker *w = ctx;

	weir_local_send(w->shard, pkts, n);
}

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
	} else if (weir_udp_send(w->stack, sock, d->payload, &d->from, &d->to.addr) == 0) {
		weir_count(&w->echoed, 1);
	} else {
		rte_pktmbuf_free(d->payload); /* counted by the stack */
	}
}

static void serve(struct echo_worker *w)
{
	struct weir_event events[EVENTS];
	struct weir_dgram d;
	uint16_t n;

	while ((n = weir_stack_events(w->stack, events, EVENTS)) > 0)
		for (uint16_t i = 0; i < n; i++)
			while (weir_udp_recv(w->stack, events[i].sock, &d) == 0)
				echo_one(w, events[i].sock, &d);
}

static uint16_t input(struct weir_local *l, struct rte_mbuf **pkts, uint16_t n, uint64_t now_ns)
{
	struct echo_worker *w = (struct echo_worker *)l;
	const uint16_t left = weir_stack_input(w->stack, pkts, n, now_ns);

	serve(w);
	weir_stack_poll(w->stack, now_ns);
	return left;
}

int echo_open(struct echo_worker *w, const struct echo_section *conf, struct weir_shard *shard,
	      struct weir_why *why)
{
	const struct weir_endpoint at = {.port = (uint16_t)conf->udp};
	int rc;

	w->shard = shard;
	w->local.input = input;
	rc = weir_stack_create(&(struct weir_stack_conf){.pool = shard->pool,
							 .sockets = 1,
							 .socket_pkts = (uint32_t)conf->waiting,
							 .secret = shard->secret,
							 .output = send_out,
							 .ctx = w},
			       &w->stack);
	if (rc == 0)
		rc = weir_udp_open(w->stack, &at, NULL, &w->udp);
	if (rc < 0)
		return weir_why(why, rc, "worker %u: no stack: %s", shard->worker,
				weir_error_text(rc));
	weir_local_attach(shard, &w->local);
	return 0;
}

void echo_close(struct echo_worker *w)
{
	weir_stack_free(w->stack);
	w->stack = NULL;
}
