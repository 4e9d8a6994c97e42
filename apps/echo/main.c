/* SPDX-License-Identifier: BSD-3-Clause */

/* weir-echo: sends back what comes by UDP (RFC 862). The shortest program with a stack. */

#include "echo_priv.h"

#include <errno.h>
#include <stddef.h>
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

static const struct weir_conf_key echo_keys[] = {
	{WEIR_CONF_KEY(struct echo_section, udp), .type = WEIR_CONF_UINT, .min = 1, .max = 65535,
	 .def = "7", .doc = "The port whose datagrams are sent back, at all of our addresses."},
	{WEIR_CONF_KEY(struct echo_section, waiting), .type = WEIR_CONF_UINT, .min = 1,
	 .max = 65536, .def = "1024",
	 .doc = "Datagrams that wait in a worker's socket at most; more are dropped and counted."},
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
	{WEIR_CONF_KEY(struct echo_conf, echo), .type = WEIR_CONF_RECORD, .sub = &echo_schema,
	 .doc = "What is sent back."},
};

static const struct weir_conf_schema schema = {
	.name = "weir-echo",
	.doc = "Configuration of weir-echo. Addresses, VLANs, routes, neighbours and logging can be "
	       "changed by a reload (SIGHUP, `weirctl reload`).",
	WEIR_CONF_STRUCT(struct echo_conf, keys),
};

static int start(struct weir_run *run, const void *conf, struct weir_why *why)
{
	const struct echo_conf *c = conf;
	struct weir_system *s = weir_run_system(run);
	struct echo *e = calloc(1, sizeof(*e));
	int rc = 0;

	if (e == NULL)
		return weir_why(why, -ENOMEM, "out of memory");
	weir_run_set_state(run, e);
	for (e->workers = 0; rc == 0 && e->workers < weir_system_workers(s); e->workers++)
		rc = echo_open(&e->worker[e->workers], &c->echo,
			       weir_engine_shard(weir_system_engine(s, e->workers)), why);
	return rc;
}

static void done(struct weir_run *run)
{
	struct echo *e = weir_run_state(run);

	for (uint16_t w = 0; e != NULL && w < e->workers; w++)
		echo_close(&e->worker[w]);
	free(e);
	weir_run_set_state(run, NULL);
}

/* ---- metrics ---- */

enum { M_IN, M_IN_BYTES, M_OUT, M_OUT_BYTES, M_FULL, M_BAD, M_NO_MBUF, M_ECHOED, M_IGNORED, M_N };

#define METRIC(name, unit, help, hint)                       \
	{                                                    \
		name, WEIR_METRIC_COUNTER, unit, help, hint, \
		{                                            \
			"worker"                             \
		}                                            \
	}

static const struct weir_metric metrics[M_N] = {
	[M_IN] = METRIC("weir_stack_udp_in_packets", "packets",
			"Datagrams that sockets were given.", NULL),
	[M_IN_BYTES] = METRIC("weir_stack_udp_in_bytes", "bytes", "Payload of these.", NULL),
	[M_OUT] = METRIC("weir_stack_udp_out_packets", "packets", "Datagrams sent.", NULL),
	[M_OUT_BYTES] = METRIC("weir_stack_udp_out_bytes", "bytes", "Payload of these.", NULL),
	[M_FULL] = METRIC("weir_stack_udp_full_packets", "packets",
			  "Datagrams dropped because the socket's queue was full.",
			  "Raise echo.waiting."),
	[M_BAD] = METRIC("weir_stack_udp_bad_packets", "packets",
			 "Datagrams dropped for a length that the packet does not have.",
			 "Look at the sender."),
	[M_NO_MBUF] = METRIC("weir_stack_no_mbuf_packets", "packets",
			     "Datagrams not sent for want of a buffer.", "Raise runtime.mbufs."),
	[M_ECHOED] = METRIC("weir_echo_echoed_packets", "packets", "Datagrams sent back.", NULL),
	[M_IGNORED] = METRIC("weir_echo_ignored_packets", "packets",
			     "Datagrams of ports that answer by themselves, and were not answered.",
			     "Two echo services would talk for ever: look at who asks from there."),
};

static int collect(void *ctx, struct weir_metrics_sink *sink)
{
	const struct echo *e = weir_run_state(ctx);
	int rc = 0;

	for (uint16_t w = 0; e != NULL && rc == 0 && w < e->workers; w++) {
		struct weir_stack_stats s;
		char name[8];

		weir_stack_stats(e->worker[w].stack, &s);
		snprintf(name, sizeof(name), "%u", w);
		const uint64_t value[M_N] = {
			[M_IN] = s.udp_in,
			[M_IN_BYTES] = s.udp_in_bytes,
			[M_OUT] = s.udp_out,
			[M_OUT_BYTES] = s.udp_out_bytes,
			[M_FULL] = s.udp_full,
			[M_BAD] = s.udp_bad,
			[M_NO_MBUF] = s.no_mbuf,
			[M_ECHOED] = weir_counted(&e->worker[w].echoed),
			[M_IGNORED] = weir_counted(&e->worker[w].ignored),
		};
		for (unsigned i = 0; rc == 0 && i < M_N; i++)
			rc = weir_metrics_count(sink, &metrics[i], value[i], name);
	}
	return rc;
}

static int add_metrics(struct weir_run *run)
{
	return weir_metrics_add(weir_run_metrics(run), metrics, M_N, collect, run);
}

int main(int argc, char **argv)
{
	return weir_app_main(&(struct weir_app){.name = "weir-echo",
						.summary = "sends back what comes by UDP",
						.schema = &schema,
						.l3_at = offsetof(struct echo_conf, l3),
						.path = path,
						.metrics = add_metrics,
						.start = start,
						.done = done},
			     argc, argv);
}
