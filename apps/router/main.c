/* SPDX-License-Identifier: BSD-3-Clause */

/* weir-router: an IPv4 and IPv6 router on cores of its own. */

#include <stddef.h>
#include <weir/app.h>
#include <weir/nodes.h>

/* A packet's way through this program, top to bottom. */
static const struct weir_node_ops *const path[] = {
	&weir_node_rx,	      /* from the ports */
	&weir_node_ring,      /* to the worker that owns the flow */
	&weir_node_origin,    /* from ourselves: answers, errors, ARP */
	&weir_node_parse,     /* what is it, and is it whole? */
	&weir_node_neigh_in,  /* ARP and ND */
	&weir_node_defrag,    /* fragments for us */
	&weir_node_route,     /* the next hop */
	&weir_node_local,     /* for us */
	&weir_node_reject,    /* answers with an error */
	&weir_node_neigh_out, /* the next hop's MAC address */
	&weir_node_tx,	      /* to the ports */
	&weir_node_punt,      /* to the kernel */
	&weir_node_drop,      /* counted and freed */
	NULL,
};

struct router_conf {
	struct weir_app_conf app;
	struct weir_l3_conf l3;
};

static const struct weir_conf_key keys[] = {
	WEIR_APP_CONF_KEYS(struct router_conf),
	WEIR_L3_CONF_KEYS(struct router_conf),
};

static const struct weir_conf_schema schema = {
	.name = "weir-router",
	.doc = "Configuration of weir-router. Addresses, VLANs, routes, neighbours and logging can be "
	       "changed by a reload (SIGHUP, `weirctl reload`).",
	WEIR_CONF_STRUCT(struct router_conf, keys),
};

int main(int argc, char **argv)
{
	return weir_app_main(&(struct weir_app){.name = "weir-router",
						.summary = "routes IPv4 and IPv6",
						.schema = &schema,
						.l3_at = offsetof(struct router_conf, l3),
						.path = path},
			     argc, argv);
}
