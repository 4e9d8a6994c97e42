/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 35_balance: where a new flow goes.
 *
 * Takes:  NEXT, with meta.flow from 30_conntrack.
 * Says:   NEXT of all but drafts without room for where they go: DROP (FLOW_FULL). A draft whose
 *         destination is translated (a port forward, one to one, NAT64) has it written, so that
 *         rules see where the flow really goes; meta.nat_rule says which rule it was.
 * Holds:  nothing. Reads the translation of the pass's policy.
 */

#include <weir/nodes.h>

#include <rte_branch_prediction.h>
#include <string.h>
#include <weir/gen.h>
#include <weir/policy.h>
#include <weir/shard.h>
#include <weir/tracker.h>

static __rte_noinline enum weir_verdict
balance_new(struct weir_shard *s, const struct weir_policy *policy, struct rte_mbuf *m)
{
	struct weir_flow_table *flows = s->tracker->flows;
	struct weir_meta *meta = weir_meta(m);
	struct weir_tuple to;
	struct weir_flow *f;

	meta->nat_rule = WEIR_RULE_DEFAULT;
	if (meta->flow == WEIR_NO_FLOW || meta->iface_in >= WEIR_IFACES_MAX)
		return WEIR_NEXT;
	f = weir_flow_at(flows, meta->flow >> 1);
	if (!(f->flags & WEIR_FLOW_DRAFT) || policy->nat == NULL)
		return WEIR_NEXT;
	weir_flow_tuple(flows, f, WEIR_DIR_ORIG, &to);
	if (!weir_nat_destination(policy->nat, &s->tracker->nat, policy->zone_of[meta->iface_in],
				  &to, &meta->nat_rule))
		return WEIR_NEXT;
	if (weir_flow_translate(flows, f, &to) == 0)
		return WEIR_NEXT;
	weir_flow_abort(flows, meta->flow >> 1);
	meta->flow = WEIR_NO_FLOW;
	return weir_say_drop(m, WEIR_DROP_FLOW_FULL);
}

static void balance_process(void *self, struct weir_burst *b)
{
	const struct weir_policy *policy = b->pass->gen->policy;

	for (uint16_t i = 0; i < b->n; i++)
		b->verdict[i] = (uint8_t)(likely(weir_meta(b->pkt[i])->flags & WEIR_META_KNOWN)
						  ? WEIR_NEXT
						  : balance_new(self, policy, b->pkt[i]));
}

static int balance_create(struct weir_shard *shard, void **self)
{
	*self = shard;
	return 0;
}

const struct weir_node_ops weir_node_balance = {
	.name = "balance",
	.stage = 35,
	.takes = WEIR_NEXT,
	.may = WEIR_MAY(WEIR_NEXT) | WEIR_MAY(WEIR_DROP),
	.create = balance_create,
	.process = balance_process,
};
