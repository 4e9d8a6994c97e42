/* SPDX-License-Identifier: BSD-3-Clause */

/* weir-echo: sends back what comes by UDP and TCP (RFC 862), and its two neighbours (RFC 863, 864).
 */

#include "echo_priv.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir/nodes.h>
#include <weir/system.h>

/* A packet's way through this program, top to bottom. */
static const struct weir_node_ops *const path[] = {
	&weir_node_rx,	      /* from the ports */
	&weir_node_ring,      /* to the worker that owns the flow */
	&weir_node_origin,    /* from ourselves: what the stack sends, ARP */
	&weir_node_parse,     /* what is it, and is it whole? */
	&weir_node_neigh_in,  /* ARP and ND */
	&weir_node_defrag,    /* fragments for us */
	&weir_node_route,     /* the next hop */
	&weir_node_host,      /* nothing is forwarded */
	&weir_node_local,     /* for us: the stack */
	&weir_node_reject,    /* answers with an error */
	&weir_node_neigh_out, /* the next hop's MAC address */
	&weir_node_tx,	      /* to the ports */
	&weir_node_punt,      /* to the kernel */
	&weir_node_drop,      /* counted and freed */
	NULL,
};

static const struct weir_conf_key peer_keys[] = {
	{WEIR_CONF_KEY(struct echo_peer, address), .type = WEIR_CONF_ADDR, .required = true,
	 .doc = "Its address."},
	{WEIR_CONF_KEY(struct echo_peer, port), .type = WEIR_CONF_UINT, .required = true, .min = 1,
	 .max = 65535, .doc = "Its port."},
};

static const struct weir_conf_schema peer_schema = {
	.name = "peers",
	.doc = "A peer with a socket of its own.",
	WEIR_CONF_STRUCT(struct echo_peer, peer_keys),
	WEIR_CONF_HAS_AT(struct echo_peer),
};

static const struct weir_conf_key echo_keys[] = {
	{WEIR_CONF_KEY(struct echo_section, udp), .type = WEIR_CONF_UINT, .max = 65535, .def = "7",
	 .doc = "The port whose datagrams are sent back, at all of our addresses. 0: none."},
	{WEIR_CONF_KEY(struct echo_section, tcp), .type = WEIR_CONF_UINT, .max = 65535, .def = "7",
	 .doc = "The port whose connections get back what they send (RFC 862). 0: none."},
	{WEIR_CONF_KEY(struct echo_section, discard), .type = WEIR_CONF_UINT, .max = 65535,
	 .def = "0",
	 .doc = "The port that takes all and sends nothing (RFC 863): a sink for bulk. 0: none."},
	{WEIR_CONF_KEY(struct echo_section, chargen), .type = WEIR_CONF_UINT, .max = 65535,
	 .def = "0", .doc = "The port that sends lines for ever (RFC 864). 0: none."},
	{WEIR_CONF_KEY(struct echo_section, idle), .type = WEIR_CONF_DURATION, .def = "0s",
	 .doc = "How long a connection may be silent; then it ends. 0s: for ever."},
	{WEIR_CONF_KEY(struct echo_section, waiting), .type = WEIR_CONF_UINT, .min = 1,
	 .max = 65536, .def = "1024",
	 .doc = "Datagrams that wait in a worker's socket at most; more are dropped and counted."},
	{WEIR_CONF_KEY(struct echo_section, sockets), .type = WEIR_CONF_UINT, .min = 1,
	 .max = ECHO_SOCKETS_MOST, .def = "1",
	 .doc = "Sockets of each worker that share the UDP port (SO_REUSEPORT): a hash of both "
		"ends chooses one for each client."},
	{WEIR_CONF_KEY(struct echo_section, groups), .type = WEIR_CONF_ADDR, .many = WEIR_CONF_LIST,
	 .one_ok = true, .max_items = ECHO_GROUPS_MOST,
	 .doc = "Multicast groups whose datagrams to the UDP port are sent back too, on the first "
		"interface with an address of the family."},
	{WEIR_CONF_KEY(struct echo_section, peers), .type = WEIR_CONF_RECORD,
	 .many = WEIR_CONF_LIST, .sub = &peer_schema, .max_items = ECHO_PEERS_MOST,
	 .doc = "Peers that each have a socket at the UDP port that is connected to them."},
};

static const struct weir_conf_schema echo_schema = {
	.name = "echo",
	.doc = "What is sent back. Changes need a restart.",
	WEIR_CONF_STRUCT(struct echo_section, echo_keys),
	WEIR_CONF_HAS_AT(struct echo_section),
};

static const struct weir_conf_key keys[] = {
	WEIR_APP_CONF_KEYS(struct echo_conf),
	WEIR_L3_CONF_KEYS(struct echo_conf),
	STACK_CONF_KEY(struct echo_conf),
	{WEIR_CONF_KEY(struct echo_conf, echo), .type = WEIR_CONF_RECORD, .fixed = true,
	 .sub = &echo_schema, .doc = "What is sent back."},
};

static const struct weir_conf_schema schema = {
	.name = "weir-echo",
	.doc = "Configuration of weir-echo. Addresses, VLANs, routes, neighbours and logging can be "
	       "changed by a reload (SIGHUP, `weirctl reload`).",
	WEIR_CONF_STRUCT(struct echo_conf, keys),
};

static int check(const void *conf, const char *file, struct weir_why *why)
{
	return stack_check(&((const struct echo_conf *)conf)->stack, file, why);
}

static uint32_t held(const void *conf)
{
	return stack_held(&((const struct echo_conf *)conf)->stack);
}

static int start(struct weir_run *run, const void *conf, struct weir_why *why)
{
	struct weir_system *s = weir_run_system(run);
	struct echo *e = calloc(1, sizeof(*e));
	int rc = 0;

	if (e == NULL)
		return weir_why(why, -ENOMEM, "out of memory");
	weir_run_set_state(run, e);
	echo_make_pattern();
	for (uint16_t w = 0; rc == 0 && w < weir_system_workers(s); w++)
		rc = echo_open(e, weir_engine_shard(weir_system_engine(s, w)), conf, why);
	return rc < 0 ? rc : stack_add_commands(run);
}

static void done(struct weir_run *run)
{
	struct echo *e = weir_run_state(run);

	for (uint16_t w = 0; e != NULL && w < WEIR_WORKERS_MAX; w++)
		stack_close(&e->worker[w].stack);
	free(e);
	weir_run_set_state(run, NULL);
}

/* ---- metrics ---- */

enum { M_ECHOED, M_SOCKET, M_IGNORED, M_N };

static const struct weir_metric metrics[M_N] = {
	[M_ECHOED] = {"weir_echo_echoed_packets",
		      WEIR_METRIC_COUNTER,
		      "packets",
		      "Datagrams sent back.",
		      NULL,
		      {"worker"}},
	[M_SOCKET] = {"weir_echo_socket_packets",
		      WEIR_METRIC_COUNTER,
		      "packets",
		      "Datagrams sent back by each socket: echo.sockets of them, then those of "
		      "echo.peers.",
		      NULL,
		      {"worker", "socket"}},
	[M_IGNORED] = {"weir_echo_ignored_packets",
		       WEIR_METRIC_COUNTER,
		       "packets",
		       "Datagrams of ports that answer by themselves, and were not answered.",
		       "Two echo services would talk for ever: look at who asks from there.",
		       {"worker"}},
};

static int collect_sockets(const struct echo_worker *e, const char *name,
			   struct weir_metrics_sink *sink)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < e->n_udp; i++) {
		char number[12];

		snprintf(number, sizeof(number), "%u", i);
		rc = weir_metrics_count(sink, &metrics[M_SOCKET], weir_counted(&e->udp[i].echoed),
					name, number);
	}
	return rc;
}

static int collect(void *ctx, struct weir_metrics_sink *sink)
{
	const struct echo *e = weir_run_state(ctx);
	int rc = 0;

	for (uint16_t w = 0; e != NULL && rc == 0 && w < e->app.workers; w++) {
		char name[8];

		snprintf(name, sizeof(name), "%u", w);
		rc = weir_metrics_count(sink, &metrics[M_ECHOED],
					weir_counted(&e->worker[w].echoed), name);
		if (rc == 0)
			rc = collect_sockets(&e->worker[w], name, sink);
		if (rc == 0)
			rc = weir_metrics_count(sink, &metrics[M_IGNORED],
						weir_counted(&e->worker[w].ignored), name);
	}
	return rc;
}

static int add_metrics(struct weir_run *run)
{
	const int rc = stack_add_metrics(run);

	return rc < 0 ? rc : weir_metrics_add(weir_run_metrics(run), metrics, M_N, collect, run);
}

int main(int argc, char **argv)
{
	return weir_app_main(&(struct weir_app){.name = "weir-echo",
						.summary = "sends back what comes by UDP and TCP",
						.schema = &schema,
						.l3_at = offsetof(struct echo_conf, l3),
						.path = path,
						.held = held,
						.metrics = add_metrics,
						.check = check,
						.start = start,
						.done = done},
			     argc, argv);
}
