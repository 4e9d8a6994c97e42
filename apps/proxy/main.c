/* SPDX-License-Identifier: BSD-3-Clause */

/* weir-proxy: takes TCP connections to a backend, by weir's own TCP on both sides. */

#include "proxy_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
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

static const struct weir_conf_key proxy_keys[] = {
	{WEIR_CONF_KEY(struct proxy_section, port), .type = WEIR_CONF_UINT, .min = 1, .max = 65535,
	 .def = "80", .doc = "The port that is listened at, at all of our addresses."},
	{WEIR_CONF_KEY(struct proxy_section, to), .type = WEIR_CONF_STRING, .required = true,
	 .min = 1, .max = WEIR_NAME_MAX + 1,
	 .doc = "The backend's address, or its name: then each client's connection is the first "
		"that answers of all its addresses (RFC 8305)."},
	{WEIR_CONF_KEY(struct proxy_section, to_port), .type = WEIR_CONF_UINT, .min = 1,
	 .max = 65535, .def = "80", .doc = "The backend's port."},
	{WEIR_CONF_KEY(struct proxy_section, dns), .type = WEIR_CONF_ADDR, .many = WEIR_CONF_LIST,
	 .one_ok = true, .max_items = WEIR_DNS_SERVERS,
	 .doc = "Servers that are asked for the backend's name, in this order."},
	{WEIR_CONF_KEY(struct proxy_section, connections), .type = WEIR_CONF_UINT, .def = "0",
	 .max = CONNECTIONS_MOST,
	 .doc = "Connections of a worker to the backend at most; clients beyond them wait for one. "
		"0: half of stack.connections. Not with a name."},
	{WEIR_CONF_KEY(struct proxy_section, fastopen), .type = WEIR_CONF_BOOL, .def = "false",
	 .doc = "Bring a client's first bytes to the backend with the SYN (TCP fast open, RFC "
		"7413), once it has given a cookie. The network may deliver a SYN twice, so only "
		"for requests that are harmless twice. Not with a name."},
	{WEIR_CONF_KEY(struct proxy_section, ready), .type = WEIR_CONF_UINT, .def = "0",
	 .max = CONNECTIONS_MOST, .live = true,
	 .doc = "Connections to the backend that each worker makes in advance, so that a client "
		"need not wait for one. Each serves one client. Not for backends that speak first, nor "
		"with a name."},
	{WEIR_CONF_KEY(struct proxy_section, ready_idle), .type = WEIR_CONF_DURATION, .def = "30s",
	 .live = true,
	 .doc = "How long one of those is kept unused; less than the backend's patience. 0s: for "
		"ever."},
	{WEIR_CONF_KEY(struct proxy_section, connect), .type = WEIR_CONF_DURATION, .def = "5s",
	 .live = true,
	 .doc = "How long the backend may take to answer, and the servers of its name. 0s: as TCP has it."},
	{WEIR_CONF_KEY(struct proxy_section, wait), .type = WEIR_CONF_DURATION, .def = "10s",
	 .live = true,
	 .doc = "How long a client waits for a connection to the backend, its turn included; then "
		"it is reset. 0s: for ever. With a name there are no turns: connect is for all."},
	{WEIR_CONF_KEY(struct proxy_section, idle), .type = WEIR_CONF_DURATION, .def = "300s",
	 .live = true,
	 .doc = "How long neither end may send or take anything; then both are reset. 0s: for "
		"ever."},
};

static const struct weir_conf_schema proxy_schema = {
	.name = "proxy",
	.doc = "What is listened at, and where it goes. A reload changes times and `ready`, the rest needs a "
	       "restart.",
	WEIR_CONF_STRUCT(struct proxy_section, proxy_keys),
	WEIR_CONF_HAS_AT(struct proxy_section),
};

static const struct weir_conf_key keys[] = {
	WEIR_APP_CONF_KEYS(struct proxy_conf),
	WEIR_L3_CONF_KEYS(struct proxy_conf),
	STACK_CONF_KEY(struct proxy_conf),
	{WEIR_CONF_KEY(struct proxy_conf, proxy), .type = WEIR_CONF_RECORD, .fixed = true,
	 .sub = &proxy_schema, .required = true, .doc = "What is listened at, and where it goes."},
};

static const struct weir_conf_schema schema = {
	.name = "weir-proxy",
	.doc = "Configuration of weir-proxy. Addresses, VLANs, routes, neighbours and logging can "
	       "be changed by a reload (SIGHUP, `weirctl reload`).",
	WEIR_CONF_STRUCT(struct proxy_conf, keys),
};

static uint32_t held(const void *conf)
{
	return stack_held(&((const struct proxy_conf *)conf)->stack);
}

/* What makes no sense together with a name. */
static int check_name(const struct proxy_section *p, const char *file, struct weir_why *why)
{
	const uint32_t line = p->at.line;

	if (!weir_name_is_valid(p->to))
		return weir_conf_fail(why, file, line,
				      "proxy.to: %s is neither an address nor a name", p->to);
	if (p->dns.n == 0)
		return weir_conf_fail(why, file, line,
				      "proxy.to: %s is a name, and there is no proxy.dns to ask",
				      p->to);
	if (p->ready > 0 || p->connections > 0 || p->fastopen)
		return weir_conf_fail(why, file, line,
				      "proxy.%s needs an address in proxy.to, not a name",
				      p->ready > 0	   ? "ready"
				      : p->connections > 0 ? "connections"
							   : "fastopen");
	return 0;
}

static int check_backend(const struct proxy_conf *conf, const char *file, struct weir_why *why)
{
	const struct proxy_section *p = &conf->proxy;
	const uint64_t half = (conf->stack.connections + 1) / 2;
	const uint64_t most = p->connections == 0 ? half : p->connections;
	struct weir_addr addr;

	if (weir_addr_parse(p->to, strlen(p->to), &addr) < 0)
		return check_name(p, file, why);
	if (p->dns.n > 0)
		return weir_conf_fail(why, file, p->at.line,
				      "proxy.dns: there is nothing to ask, proxy.to is an address");
	if (p->ready > most)
		return weir_conf_fail(why, file, p->at.line,
				      "proxy.ready: %" PRIu64 " connections in advance, but there "
				      "may be %" PRIu64 " (proxy.connections)",
				      p->ready, most);
	return 0;
}

static int check(const void *conf, const char *file, struct weir_why *why)
{
	const struct proxy_conf *c = conf;
	const int rc = check_backend(c, file, why);

	return rc < 0 ? rc : stack_check(&c->stack, file, why);
}

static int start(struct weir_run *run, const void *conf, struct weir_why *why)
{
	struct weir_system *s = weir_run_system(run);
	struct proxy *p = calloc(1, sizeof(*p));
	int rc = 0;

	if (p == NULL)
		return weir_why(why, -ENOMEM, "out of memory");
	weir_run_set_state(run, p);
	for (uint16_t w = 0; rc == 0 && w < weir_system_workers(s); w++)
		rc = proxy_open(p, weir_engine_shard(weir_system_engine(s, w)), conf, why);
	return rc < 0 ? rc : stack_add_commands(run);
}

static void done(struct weir_run *run)
{
	struct proxy *p = weir_run_state(run);

	for (uint16_t w = 0; p != NULL && w < WEIR_WORKERS_MAX; w++)
		proxy_close(&p->worker[w]);
	free(p);
	weir_run_set_state(run, NULL);
}

static void follow(struct weir_run *run, const void *conf)
{
	struct proxy *p = weir_run_state(run);

	for (uint16_t w = 0; w < p->app.workers; w++)
		backend_follow(&p->worker[w], &((const struct proxy_conf *)conf)->proxy);
}

int main(int argc, char **argv)
{
	return weir_app_main(&(struct weir_app){.name = "weir-proxy",
						.summary = "takes TCP connections to a backend",
						.schema = &schema,
						.l3_at = offsetof(struct proxy_conf, l3),
						.path = path,
						.held = held,
						.metrics = proxy_add_metrics,
						.start = start,
						.follow = follow,
						.check = check,
						.done = done},
			     argc, argv);
}
