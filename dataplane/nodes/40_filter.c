/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 40_filter: may this packet pass, by itself?
 *
 * Takes:  NEXT; the place of 30_conntrack to 50_nat where nothing is tracked (firewall.stateless).
 * Says:   NEXT of what a rule accepts, and of our own packets.
 *         DROP or REJECT of all else.
 * Holds:  nothing. Reads the rules and zones of the pass's policy, and the forwarding tables.
 *
 * Answers need rules as questions do. Fragments are not put together: only first ones have ports.
 */

#include <weir/nodes.h>

#include <errno.h>
#include <rte_branch_prediction.h>
#include <rte_prefetch.h>
#include <stdlib.h>
#include <weir/capture.h>
#include <weir/clock.h>
#include <weir/shard.h>
#include <weir/tracker.h>

#include "judge_priv.h"
#include "tables/tracker_priv.h"

/* Packets ahead whose header is fetched, as in 10_parse. */
#define AHEAD 4

struct filter_node {
	struct weir_tracker *tracker;
	struct rte_mbuf *pkt[WEIR_PASS_PKTS]; /* under judgement */
	uint16_t at[WEIR_PASS_PKTS];	      /* their places in the burst */
	struct weir_rule_ask ask[WEIR_PASS_PKTS];
	uint32_t rule[WEIR_PASS_PKTS];
	uint64_t hop[WEIR_PASS_PKTS];
	uint64_t way_back[WEIR_PASS_PKTS];
	const uint8_t *addr[WEIR_PASS_PKTS];
	uint8_t family[WEIR_PASS_PKTS];
	const struct weir_rules *rules; /* during a burst */
	uint64_t now_ns;
};

static inline uint32_t ip_bytes(const struct rte_mbuf *m)
{
	return m->pkt_len - weir_meta((struct rte_mbuf *)(uintptr_t)m)->l3_off;
}

/* All but our own; NEXT is said of those. */
static uint32_t collect(struct filter_node *n, const struct weir_burst *b,
			const struct weir_policy *policy)
{
	uint32_t cases = 0;

	for (uint16_t i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->pkt[i];

		if (i + AHEAD < b->n)
			rte_prefetch0(ip4(b->pkt[i + AHEAD]));
		b->verdict[i] = WEIR_NEXT;
		if (unlikely(weir_meta(m)->flags & WEIR_META_OURS))
			continue;
		ask_of(policy, m, &n->ask[cases]);
		n->pkt[cases] = m;
		n->at[cases++] = i;
	}
	return cases;
}

/* Next hops of one side's addresses. */
static void find_ways(struct filter_node *n, const struct weir_l3 *l3, uint32_t cases, size_t side,
		      uint64_t *hop)
{
	for (uint32_t i = 0; i < cases; i++) {
		n->addr[i] = (const uint8_t *)&n->ask[i].tuple + side;
		n->family[i] = n->ask[i].tuple.family;
	}
	look_up_hops(l3, n->addr, n->family, cases, hop);
}

/* What is wrong without any rule; NEXT: rules decide. */
static inline enum weir_verdict check_way(const struct weir_l3 *l3, struct rte_mbuf *m,
					  uint64_t hop)
{
	switch (l3->hops[hop].kind) {
	case WEIR_HOP_NONE:
	case WEIR_HOP_UNREACHABLE:
		return weir_say_reject(m, WEIR_DROP_NO_ROUTE);
	case WEIR_HOP_PROHIBIT:
		return weir_say_reject(m, WEIR_DROP_PROHIBITED);
	case WEIR_HOP_BLACKHOLE:
		return weir_say_drop(m, WEIR_DROP_BLACKHOLE);
	default:
		return WEIR_NEXT;
	}
}

/* Zones, ways, sources. Cases that stay close ranks; how many. */
static uint32_t check(struct filter_node *n, const struct weir_burst *b,
		      const struct weir_policy *policy, uint32_t cases)
{
	const struct weir_l3 *l3 = b->pass->gen->l3;
	bool sources = false;
	uint32_t left = 0;

	find_ways(n, l3, cases, offsetof(struct weir_tuple, dst), n->hop);
	for (uint32_t i = 0; i < cases; i++)
		sources |= asks_sources(policy, n->ask[i].from);
	if (sources)
		find_ways(n, l3, cases, offsetof(struct weir_tuple, src), n->way_back);
	for (uint32_t i = 0; i < cases; i++) {
		struct weir_rule_ask *ask = &n->ask[i];
		struct rte_mbuf *m = n->pkt[i];
		enum weir_verdict v = check_way(l3, m, n->hop[i]);

		ask->to = likely(is_forwarding(l3->hops[n->hop[i]].kind))
				  ? zone_of(policy, iface_of(l3, n->hop[i]))
				  : WEIR_ZONE_SELF;
		if (v == WEIR_NEXT && (ask->to == WEIR_NO_ZONE || ask->from == WEIR_NO_ZONE))
			v = weir_say_drop(m, WEIR_DROP_RULE);
		if (v == WEIR_NEXT && unlikely(sources)) {
			const enum weir_drop why = check_source(policy, l3, ask, n->way_back[i]);

			if (why != WEIR_DROP_NONE)
				v = weir_say_drop(m, why);
		}
		b->verdict[n->at[i]] = (uint8_t)v;
		if (unlikely(v != WEIR_NEXT))
			continue;
		if (likely(left == i)) {
			left++;
			continue;
		}
		n->ask[left] = *ask;
		n->pkt[left] = m;
		n->at[left++] = n->at[i];
	}
	return left;
}

static inline enum weir_verdict judge_one(struct filter_node *n, uint32_t i)
{
	const struct weir_rule *rule =
		n->rule[i] == WEIR_RULE_DEFAULT ? NULL : weir_rules_at(n->rules, n->rule[i]);
	const enum weir_action action = rule == NULL ? weir_rules_default(n->rules) : rule->action;
	struct rte_mbuf *m = n->pkt[i];

	weir_tracker_count(n->tracker, rule == NULL ? 0 : rule->slot, ip_bytes(m), n->now_ns);
	if (rule != NULL && unlikely(rule->log))
		tracker_judged(n->tracker, rule, &n->ask[i], ip_bytes(m));
	if (rule != NULL && unlikely(rule->capture) && n->tracker->capture != NULL)
		weir_capture_put(n->tracker->capture, m, rule->slot, n->now_ns);
	if (likely(action == WEIR_ACTION_ACCEPT))
		return WEIR_NEXT;
	return action == WEIR_ACTION_REJECT ? weir_say_reject(m, WEIR_DROP_RULE_REJECT)
					    : weir_say_drop(m, WEIR_DROP_RULE);
}

/* A rule that a packet matched on its way to the one that decides. */
static void count_passed(void *ctx, uint32_t ask, uint32_t rule)
{
	struct filter_node *n = ctx;

	weir_tracker_count(n->tracker, weir_rules_at(n->rules, rule)->slot, ip_bytes(n->pkt[ask]),
			   n->now_ns);
}

static void filter_process(void *self, struct weir_burst *b)
{
	struct filter_node *n = self;
	const struct weir_policy *policy = b->pass->gen->policy;
	uint32_t cases = collect(n, b, policy);

	if (cases == 0)
		return;
	tracker_tick(n->tracker, b->pass->now_ns);
	cases = check(n, b, policy, cases);
	n->rules = policy->rules;
	n->now_ns = b->pass->now_ns;
	weir_rules_ask(policy->rules, n->tracker->rules, n->ask, cases,
		       (uint32_t)(b->pass->now_ns / WEIR_NS_PER_S), b->pass->now_ns, n->rule,
		       count_passed, n);
	for (uint32_t i = 0; i < cases; i++)
		b->verdict[n->at[i]] = (uint8_t)judge_one(n, i);
}

static int filter_create(struct weir_shard *shard, void **self)
{
	struct filter_node *n;

	if (shard->tracker == NULL)
		return -EINVAL;
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return -ENOMEM;
	n->tracker = shard->tracker;
	*self = n;
	return 0;
}

const struct weir_node_ops weir_node_filter = {
	.name = "filter",
	.stage = 40,
	.takes = WEIR_NEXT,
	.may = WEIR_MAY(WEIR_NEXT) | WEIR_MAY(WEIR_REJECT) | WEIR_MAY(WEIR_DROP),
	.create = filter_create,
	.free = free,
	.process = filter_process,
};
