/* SPDX-License-Identifier: BSD-3-Clause */

/* rte_flow: what a rule says, compiled into what the XDP program understands. */

#pragma once

#include "steer_table_priv.h"

#include <rte_flow.h>

/*
 * 0 is looked at first. From 65536 on they stand behind what the host keeps and what steer= says,
 * and are for what would come to a queue without them.
 */
#define FLOW_PRIORITIES	     131072
#define FLOW_PRIORITIES_LAST STEER_PRIORITY_WORDS
#define FLOW_KEY_BYTES	     (STEER_KEY_BYTES + 4)

/* What an RSS action may ask for is what the port does. */
struct flow_port {
	uint32_t rss_types; /* STEER_RSS_... */
	bool symmetric;
	uint8_t key[FLOW_KEY_BYTES];
};

/* RTE_ETH_RSS_... as the program's STEER_RSS_...; others is what it cannot do. */
uint32_t flow_rss_types(uint64_t types, uint64_t *others);
/*
 * Compile a rule. Pure. Returns 0, or -ENOTSUP for what the program cannot do, -EINVAL for what
 * nothing could, with @error set (NULL is allowed); @out is scratch then.
 */
int flow_compile(const struct rte_flow_attr *attr, const struct rte_flow_item pattern[],
		 const struct rte_flow_action actions[], const struct flow_port *port,
		 struct steer_spec *out, struct rte_flow_error *error);

/* The two halves of it. */
int flow_pattern(const struct rte_flow_item pattern[], struct steer_spec *out,
		 struct rte_flow_error *error);
int flow_actions(const struct rte_flow_action actions[], const struct flow_port *port,
		 struct steer_rule *out, struct rte_flow_error *error);
