/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 40_filter: may this packet pass, by itself?
 *
 * Takes:  NEXT; the place of 30_conntrack to 50_nat where nothing is tracked (firewall.stateless).
 * Says:   NEXT of what a rule accepts, and of our own packets;
 *         OUT of that if 60_route would say so without a second look: what this stage has looked up
 *         need not be looked up again.
 *         DROP or REJECT of all else.
 * Holds:  nothing. Reads the rules and zones of the pass's policy, and the forwarding tables.
 *
 * Answers need rules as questions do. Fragments are not put together: only first ones have ports.
 *
 * Plain packets, which is TCP and UDP over IPv4 in one piece and without options, go a straight way
 * if headers alone decide between their zones (rules_plain4()): rte_acl reads those where they lie,
 * and a rule that decides about many in a row is looked at and counted once. All others
 * are shown to the rules as they would be to 40_acl.
 */

#include <weir/nodes.h>

#include <errno.h>
#include <rte_branch_prediction.h>
#include <stdlib.h>
#include <weir/capture.h>
#include <weir/clock.h>
#include <weir/shard.h>
#include <weir/tracker.h>

#include "judge_priv.h"
#include "route_priv.h"
#include "tables/rules_priv.h"
#include "tables/tracker_priv.h"

/* Lists of rules that plain packets of a burst are for, at most; what more there are go with the
 * others. */
#define GROUPS 4

/* Plain packets on their way to a list of rules. */
struct plain_burst {
	uint32_t n;
	uint16_t at[WEIR_PASS_PKTS]; /* their places in the burst */
	uint32_t dst[WEIR_PASS_PKTS];
	uint64_t hop[WEIR_PASS_PKTS];
	const struct rules_plain *rules[WEIR_PASS_PKTS];
	const uint8_t *key[WEIR_PASS_PKTS]; /* their headers: they begin as struct rules_key4 */
	uint32_t answer[WEIR_PASS_PKTS];
};

struct filter_node {
	struct weir_tracker *tracker;
	struct plain_burst plain;
	struct plain_burst group;	/* of them, if there are different rules for them */
	uint16_t other[WEIR_PASS_PKTS]; /* places of all that is not plain */
	uint32_t others;
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

static inline bool is_plain(const struct weir_meta *meta)
{
	const uint32_t odd = WEIR_META_OURS | WEIR_META_FRAG | WEIR_META_OPTIONS;
	const uint32_t want = WEIR_META_IP4 | WEIR_META_L4;

	return (meta->flags & (want | odd)) == want &&
	       (meta->proto == IPPROTO_TCP || meta->proto == IPPROTO_UDP);
}

/* Part the burst into plain packets and others. Both are written, for a branch would be guessed. */
static void part(struct filter_node *n, const struct weir_burst *b)
{
	struct plain_burst *p = &n->plain;
	uint32_t plain = 0, others = 0;

	for (uint16_t i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->pkt[i];
		const bool is = is_plain(weir_meta(m));

		p->at[plain] = i;
		p->key[plain] = (const uint8_t *)ip4(m);
		p->dst[plain] = rte_be_to_cpu_32(ip4(m)->dst_addr);
		n->other[others] = i;
		plain += is;
		others += !is;
	}
	p->n = plain;
	n->others = others;
}

/* The rules for plain packets from an interface to a hop; NULL: there is more to ask about them. */
static const struct rules_plain *rules_between(const struct weir_policy *policy,
					       const struct weir_l3 *l3, uint16_t iface_in,
					       uint64_t hop)
{
	const uint8_t from = zone_of(policy, iface_in);
	uint8_t to;

	if (from == WEIR_NO_ZONE || asks_sources(policy, from) ||
	    !is_forwarding(l3->hops[hop].kind))
		return NULL;
	to = zone_of(policy, iface_of(l3, hop));
	return to == WEIR_NO_ZONE ? NULL : rules_plain4(policy->rules, from, to);
}

/* Where plain packets go, and what decides about each. Whether it is the same for all. */
static bool find_rules(struct filter_node *n, const struct weir_burst *b,
		       const struct weir_policy *policy)
{
	const struct weir_l3 *l3 = b->pass->gen->l3;
	struct plain_burst *p = &n->plain;
	const struct rules_plain *rules = NULL;
	uint64_t last = UINT64_MAX;
	bool same = true;

	fetch_entries4(l3, p->dst, p->n);
	rte_fib_lookup_bulk(l3->fib4, p->dst, p->hop, (int)p->n);
	for (uint32_t i = 0; i < p->n; i++) {
		struct rte_mbuf *m = b->pkt[p->at[i]];
		const uint64_t pair = p->hop[i] << 16 | weir_meta(m)->iface_in;

		if (unlikely(pair != last)) {
			rules = rules_between(policy, l3, weir_meta(m)->iface_in, p->hop[i]);
			last = pair;
		}
		p->rules[i] = rules;
		same &= rules == p->rules[0];
	}
	return same;
}

/* What a rule, or the default policy, does with plain packets, and how many it has decided about.
 */
struct judgement {
	const struct weir_rule *rule; /* NULL: the default policy */
	enum weir_action action;
	bool keeps; /* something of each packet */
	uint32_t pkts;
	uint64_t bytes;
};

static inline struct judgement begin_judgement(const struct filter_node *n, uint32_t rule)
{
	struct judgement j = {.action = weir_rules_default(n->rules)};

	if (rule == WEIR_RULE_DEFAULT)
		return j;
	j.rule = weir_rules_at(n->rules, rule);
	j.action = j.rule->action;
	j.keeps = j.rule->log || j.rule->capture;
	return j;
}

static inline void end_judgement(struct filter_node *n, const struct judgement *j)
{
	weir_tracker_count_some(n->tracker, j->rule == NULL ? 0 : j->rule->slot, j->pkts, j->bytes,
				n->now_ns);
}

/* What the rule wants kept of a packet. */
static void keep(struct filter_node *n, const struct weir_rule *rule,
		 const struct weir_rule_ask *ask, struct rte_mbuf *m)
{
	if (rule->log)
		tracker_judged(n->tracker, rule, ask, ip_bytes(m));
	if (rule->capture && n->tracker->capture != NULL)
		weir_capture_put(n->tracker->capture, m, rule->slot, n->now_ns);
}

static __rte_noinline void keep_plain(struct filter_node *n, const struct weir_burst *b,
				      const struct weir_rule *rule, struct rte_mbuf *m,
				      uint64_t hop)
{
	const struct weir_policy *policy = b->pass->gen->policy;
	struct weir_rule_ask ask;

	ask_of(policy, m, &ask);
	ask.to = zone_of(policy, iface_of(b->pass->gen->l3, hop));
	keep(n, rule, &ask, m);
}

static inline enum weir_verdict say(struct rte_mbuf *m, enum weir_action action)
{
	if (likely(action == WEIR_ACTION_ACCEPT))
		return WEIR_NEXT;
	return action == WEIR_ACTION_REJECT ? weir_say_reject(m, WEIR_DROP_RULE_REJECT)
					    : weir_say_drop(m, WEIR_DROP_RULE);
}

static inline enum weir_verdict pass_on(const struct weir_l3 *l3, struct rte_mbuf *m, uint64_t hop)
{
	return likely(route_plain4(l3, m, (uint16_t)hop)) ? WEIR_OUT : WEIR_NEXT;
}

/* Plain packets for which the same rules are. */
static void judge_plain(struct filter_node *n, const struct weir_burst *b, struct plain_burst *p)
{
	const struct weir_l3 *l3 = b->pass->gen->l3;
	const struct rules_plain *rules = p->rules[0];
	struct judgement j;

	rules_ask_plain(rules, p->key, p->n, p->answer);
	for (uint32_t i = 0; i < p->n; i++) {
		struct rte_mbuf *m = b->pkt[p->at[i]];

		if (i == 0 || unlikely(p->answer[i] != p->answer[i - 1])) {
			if (i > 0)
				end_judgement(n, &j);
			j = begin_judgement(n, p->answer[i] == 0 ? rules->rest : p->answer[i] - 1);
		}
		j.pkts++;
		j.bytes += ip_bytes(m);
		if (unlikely(j.keeps))
			keep_plain(n, b, j.rule, m, p->hop[i]);
		b->verdict[p->at[i]] = (uint8_t)(likely(j.action == WEIR_ACTION_ACCEPT)
							 ? pass_on(l3, m, p->hop[i])
							 : say(m, j.action));
	}
	end_judgement(n, &j);
}

static void go_with_others(struct filter_node *n, const struct plain_burst *p)
{
	for (uint32_t i = 0; i < p->n; i++)
		n->other[n->others++] = p->at[i];
}

/* Those for which the same rules are as for the first go to the group, the rest close ranks. */
static void take_group(struct plain_burst *p, struct plain_burst *group)
{
	const struct rules_plain *rules = p->rules[0];
	uint32_t taken = 0, left = 0;

	group->rules[0] = rules;
	for (uint32_t i = 0; i < p->n; i++) {
		const bool same = p->rules[i] == rules;

		group->at[taken] = p->at[left] = p->at[i];
		group->hop[taken] = p->hop[left] = p->hop[i];
		group->key[taken] = p->key[left] = p->key[i];
		p->rules[left] = p->rules[i];
		taken += same;
		left += !same;
	}
	group->n = taken;
	p->n = left;
}

/* Judge plain packets; those for which headers do not decide go with the others. */
static void judge_all_plain(struct filter_node *n, const struct weir_burst *b, bool same)
{
	struct plain_burst *p = &n->plain;

	if (likely(same && p->rules[0] != NULL)) {
		judge_plain(n, b, p);
		return;
	}
	for (unsigned i = 0; i < GROUPS && p->n > 0; i++) {
		take_group(p, &n->group);
		if (n->group.rules[0] != NULL)
			judge_plain(n, b, &n->group);
		else
			go_with_others(n, &n->group);
	}
	go_with_others(n, p);
}

/* All others but our own, of which NEXT is said. */
static uint32_t collect(struct filter_node *n, const struct weir_burst *b,
			const struct weir_policy *policy)
{
	uint32_t cases = 0;

	for (uint32_t i = 0; i < n->others; i++) {
		const uint16_t at = n->other[i];
		struct rte_mbuf *m = b->pkt[at];

		b->verdict[at] = WEIR_NEXT;
		if (unlikely(weir_meta(m)->flags & WEIR_META_OURS))
			continue;
		ask_of(policy, m, &n->ask[cases]);
		n->pkt[cases] = m;
		n->at[cases++] = at;
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
		enum weir_verdict v = check_way(m, l3->hops[n->hop[i]].kind);

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
	struct rte_mbuf *m = n->pkt[i];

	weir_tracker_count(n->tracker, rule == NULL ? 0 : rule->slot, ip_bytes(m), n->now_ns);
	if (rule != NULL)
		keep(n, rule, &n->ask[i], m);
	return say(m, rule == NULL ? weir_rules_default(n->rules) : rule->action);
}

/* A rule that a packet matched on its way to the one that decides. */
static void count_passed(void *ctx, uint32_t ask, uint32_t rule)
{
	struct filter_node *n = ctx;

	weir_tracker_count(n->tracker, weir_rules_at(n->rules, rule)->slot, ip_bytes(n->pkt[ask]),
			   n->now_ns);
}

static void judge_others(struct filter_node *n, const struct weir_burst *b)
{
	const struct weir_policy *policy = b->pass->gen->policy;
	uint32_t cases = collect(n, b, policy);

	if (cases == 0)
		return;
	cases = check(n, b, policy, cases);
	weir_rules_ask(policy->rules, n->tracker->rules, n->ask, cases,
		       (uint32_t)(n->now_ns / WEIR_NS_PER_S), n->now_ns, n->rule, count_passed, n);
	for (uint32_t i = 0; i < cases; i++)
		b->verdict[n->at[i]] = (uint8_t)judge_one(n, i);
}

static void filter_process(void *self, struct weir_burst *b)
{
	struct filter_node *n = self;

	tracker_tick(n->tracker, b->pass->now_ns);
	n->rules = b->pass->gen->policy->rules;
	n->now_ns = b->pass->now_ns;
	part(n, b);
	if (likely(n->plain.n > 0))
		judge_all_plain(n, b, find_rules(n, b, b->pass->gen->policy));
	if (unlikely(n->others > 0))
		judge_others(n, b);
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
	.may = WEIR_MAY(WEIR_NEXT) | WEIR_MAY(WEIR_OUT) | WEIR_MAY(WEIR_REJECT) |
	       WEIR_MAY(WEIR_DROP),
	.create = filter_create,
	.free = free,
	.process = filter_process,
};
