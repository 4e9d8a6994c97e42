/* SPDX-License-Identifier: BSD-3-Clause */

/* weir-firewall: a stateful firewall for IPv4 and IPv6 with address translation. */

#include <stddef.h>
#include <weir/app.h>
#include <weir/firewall.h>
#include <weir/nodes.h>

/* A packet's way through this program, top to bottom. */
static const struct weir_node_ops *const path[] = {
	&weir_node_rx,	      /* from the ports */
	&weir_node_ring,      /* to the worker that owns the flow */
	&weir_node_origin,    /* from ourselves: answers, errors, ARP */
	&weir_node_parse,     /* what is it, and is it whole? */
	&weir_node_neigh_in,  /* ARP and ND */
	&weir_node_defrag,    /* fragments */
	&weir_node_conntrack, /* the flow that it belongs to */
	&weir_node_balance,   /* where a new flow goes */
	&weir_node_acl,	      /* may a new flow pass? */
	&weir_node_dpi,	      /* what is in the payload of flows under inspection */
	&weir_node_nat,	      /* addresses as the flow has them */
	&weir_node_route,     /* the next hop */
	&weir_node_local,     /* for us */
	&weir_node_reject,    /* answers with an error */
	&weir_node_neigh_out, /* the next hop's MAC address */
	&weir_node_tx,	      /* to the ports */
	&weir_node_punt,      /* to the kernel */
	&weir_node_drop,      /* counted and freed */
	NULL,
};

/* The same with firewall.stateless: each packet by itself. */
static const struct weir_node_ops *const stateless_path[] = {
	&weir_node_rx,	   &weir_node_ring,	 &weir_node_origin,
	&weir_node_parse,  &weir_node_neigh_in,	 &weir_node_defrag,
	&weir_node_filter, &weir_node_route,	 &weir_node_local,
	&weir_node_reject, &weir_node_neigh_out, &weir_node_tx,
	&weir_node_punt,   &weir_node_drop,	 NULL,
};

struct firewall_conf {
	struct weir_app_conf app;
	struct weir_l3_conf l3;
	struct weir_firewall_conf fw;
};

static const struct weir_conf_key keys[] = {
	WEIR_APP_CONF_KEYS(struct firewall_conf),
	WEIR_L3_CONF_KEYS(struct firewall_conf),
	WEIR_FIREWALL_CONF_KEYS(struct firewall_conf),
};

static const struct weir_conf_schema schema = {
	.name = "weir-firewall",
	.doc = "Configuration of weir-firewall. Zones, sets, rules, inspection, translation, addresses, VLANs, "
	       "routes, neighbours and logging can be changed by a reload (SIGHUP, `weirctl reload`): "
	       "flows go on, and each is judged anew by its next packet.",
	WEIR_CONF_STRUCT(struct firewall_conf, keys),
};

int main(int argc, char **argv)
{
	return weir_app_main(&(struct weir_app){.name = "weir-firewall",
						.summary = "filters and translates IPv4 and IPv6",
						.schema = &schema,
						.l3_at = offsetof(struct firewall_conf, l3),
						.firewall_at = offsetof(struct firewall_conf, fw),
						.path = path,
						.stateless_path = stateless_path},
			     argc, argv);
}
