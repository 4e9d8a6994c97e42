/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the stages tell the control thread of flows, rules and packets (tracker_record.c), and the
 * inspection of a flow (tracker_dpi.c). All of it is the worker's, and does nothing where nothing
 * is recorded or inspected. */

#include <rte_mbuf.h>
#include <weir/dpi.h>
#include <weir/record.h>
#include <weir/records.h>
#include <weir/tracker.h>

/* The pass's time, before anything else. */
static inline void tracker_tick(struct weir_tracker *t, uint64_t now_ns)
{
	t->now_ns = now_ns;
	t->nat.now_s = (uint32_t)(now_ns / UINT64_C(1000000000));
	weir_flow_table_tick(t->flows, now_ns);
}

/* A flow is known now. */
void tracker_begun(struct weir_tracker *t, struct weir_flow *f, uint32_t flow);
/* A flow ends, for t->ending or because of its time. */
void tracker_ended(struct weir_tracker *t, const struct weir_flow *f, uint32_t flow);
/* Flows that go on, some of them: to be called about 20 times a second. True: more wait, and it is
 * to be called again in a millisecond. */
bool tracker_update(struct weir_tracker *t);
/* A rule that logs has decided. */
void tracker_judged(struct weir_tracker *t, const struct weir_rule *rule,
		    const struct weir_rule_ask *ask, uint32_t ip_bytes);

/* What every record of a flow says. */
void tracker_fill(struct weir_tracker *t, const struct weir_flow *f, uint32_t flow,
		  struct weir_record *r);
/* Inspection has found something: a weir_dpi_alert_fn. */
void tracker_alert(void *tracker, const struct weir_dpi_alert *alert);
/* The state of a flow to be inspected, begun if it has none; 0: it cannot be inspected (counted).
 * Or what has become of it: WEIR_FLOW_DROPPED, WEIR_FLOW_RESET. */
uint32_t tracker_inspect(struct weir_tracker *t, struct weir_flow *f);
/* Inspect it no more, and forget what has become of it. */
void tracker_inspect_end(struct weir_tracker *t, struct weir_flow *f);
/* Inspect it no more; no packet of it may pass: WEIR_FLOW_DROPPED or WEIR_FLOW_RESET. */
void tracker_block(struct weir_tracker *t, struct weir_flow *f, uint32_t how);
