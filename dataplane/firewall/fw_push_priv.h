/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Drop rules that go down into the drivers of ports. Control thread. */

#include <stdbool.h>
#include <stdint.h>
#include <weir/l3.h>
#include <weir/policy.h>
#include <weir/why.h>

#include "ports/port_flow_priv.h"

/* One rule of a driver. */
struct fw_push_match {
	uint16_t port; /* index of the port */
	uint8_t zone;  /* that its packets come from */
	struct port_flow_match what;
};

/* What a rule becomes. */
struct fw_push_plan {
	struct fw_push_match *matches; /* n */
	uint32_t n;
	bool partly; /* some of its packets are left to the workers */
};

/* What decides. */
struct fw_push_ground {
	const struct weir_policy *policy;
	const struct weir_l3 *l3;
	uint32_t ports; /* bits by port: those whose driver can */
	bool stateless; /* there are no flows, now or later */
};

/*
 * What the rules of a slot become, so that nothing changes but what packets cost: each packet that
 * the driver drops would be dropped by them, whether it begins a flow or belongs to one that may
 * begin from now on. Flows that there are already: fw_push_touches(). Pure.
 * @room: rules of drivers at most.
 * 0, also if plan->partly, when @why says what is left out; -EPERM, -ENOSPC (room), -ENOMEM with a
 * sentence. Afterwards fw_push_plan_free(), whatever it said.
 */
WEIR_MUST_CHECK int fw_push_plan(const struct fw_push_ground *g, uint32_t slot, uint32_t room,
				 struct fw_push_plan *plan, struct weir_why *why);
void fw_push_plan_free(struct fw_push_plan *plan);

/* Whether two are one rule to a driver. */
bool fw_push_is_same(const struct fw_push_match *a, const struct fw_push_match *b);

/* Whether a packet that comes from a zone matches one of the plan; what is no transport of it
 * (fragments, tags, MACs, types) apart. Any thread. */
bool fw_push_matches(const struct fw_push_plan *plan, uint8_t zone, const struct weir_tuple *t);
/* Whether packets of a flow do: a weir_flow_match_fn; @ctx: the plan. */
bool fw_push_touches(const void *ctx, const struct weir_flow *f, const struct weir_tuple *orig,
		     const struct weir_tuple *reply);
