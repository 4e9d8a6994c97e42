/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* The paths of the programs for tests, fuzzers and benchmarks, as in apps/NAME/main.c. */

#include <stddef.h>
#include <weir/nodes.h>

static const struct weir_node_ops *const toy_router_path[] = {
	&weir_node_rx,	     &weir_node_ring,
	&weir_node_origin,   &weir_node_parse,
	&weir_node_neigh_in, &weir_node_defrag,
	&weir_node_route,    &weir_node_local,
	&weir_node_reject,   &weir_node_neigh_out,
	&weir_node_tx,	     &weir_node_punt,
	&weir_node_drop,     NULL};

static const struct weir_node_ops *const toy_firewall_path[] = {&weir_node_rx,
								&weir_node_ring,
								&weir_node_origin,
								&weir_node_parse,
								&weir_node_neigh_in,
								&weir_node_defrag,
								&weir_node_conntrack,
								&weir_node_balance,
								&weir_node_acl,
								&weir_node_dpi,
								&weir_node_nat,
								&weir_node_route,
								&weir_node_local,
								&weir_node_reject,
								&weir_node_neigh_out,
								&weir_node_tx,
								&weir_node_punt,
								&weir_node_drop,
								NULL};

static const struct weir_node_ops *const toy_stateless_path[] = {
	&weir_node_rx,	   &weir_node_ring,	 &weir_node_origin,
	&weir_node_parse,  &weir_node_neigh_in,	 &weir_node_defrag,
	&weir_node_filter, &weir_node_route,	 &weir_node_local,
	&weir_node_reject, &weir_node_neigh_out, &weir_node_tx,
	&weir_node_punt,   &weir_node_drop,	 NULL};
