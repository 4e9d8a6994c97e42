/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 40_acl: may a new flow pass?
 *
 * Takes:  NEXT, with meta.flow from 30_conntrack, and in a draft where it goes from 35_balance.
 * Says:   NEXT of what is KNOWN, and of what a rule accepts: its draft then carries the rule.
 *         DROP or REJECT of all else, whose draft is given back; of a SYN for the SYN proxy too,
 *         which is answered.
 * Holds:  keys of SYN cookies. Reads the rules and zones of the pass's policy, and the forwarding
 *         tables.
 *
 * Four steps over what is not KNOWN, each over all packets, so that lookups come in bulk: the zone
 * that it goes to, whether its source may come from where it came, the rules, the judgement. Flows
 * whose policy is old are judged by their first packet as it was, and end if it may not pass.
 * What our host begins, by the kernel path, has a flow, and is accepted unless rules speak of it
 * (policy.judges_self). What goes to ourselves is judged packet by packet, but for is_kept(). What
 * weir says itself is not judged. Rules that let in an application let in what may still be it;
 * 45_dpi has it judged again when it is known.
 */

#include <weir/nodes.h>

#include <errno.h>
#include <rte_branch_prediction.h>
#include <rte_tcp.h>
#include <stdlib.h>
#include <string.h>
#include <weir/capture.h>
#include <weir/clock.h>
#include <weir/gen.h>
#include <weir/policy.h>
#include <weir/shard.h>
#include <weir/tracker.h>

#include "judge_priv.h"
#include "route_priv.h"
#include "synproxy_priv.h"
#include "tables/tracker_priv.h"

/* A packet under judgement. */
struct acl_case {
	struct rte_mbuf *m;
	struct weir_flow *f; /* NULL: none */
	uint16_t at;	     /* its place in the burst */
	bool draft;	     /* else the flow was known to an older policy */
	uint8_t cookie;	     /* enum weir_syn_cookie, of a draft's first packet */
	uint8_t family;	     /* of dst */
	uint8_t dst[16];     /* where it goes in the end */
};

struct acl_node {
	struct weir_shard *shard;
	struct weir_tracker *tracker;
	struct acl_case cases[WEIR_PASS_PKTS];
	struct weir_rule_ask ask[WEIR_PASS_PKTS];
	uint32_t rule[WEIR_PASS_PKTS];
	uint64_t hop[WEIR_PASS_PKTS];
	const uint8_t *addr[WEIR_PASS_PKTS];
	uint8_t family[WEIR_PASS_PKTS];
	const struct weir_rules *rules; /* during a burst */
	const struct weir_pass *pass;	/* likewise */
	uint64_t now_ns;
	struct weir_syn_cookies cookies;
	uint16_t begun[WEIR_ZONES_MAX]; /* drafts of the burst that were let in, by zone */
};

/* Whether an application can become known. */
static bool is_inspectable(const struct weir_flow *f)
{
	return f->proto == IPPROTO_TCP || f->proto == IPPROTO_UDP;
}

/* What the rules are shown of a packet, or of the first packet of a flow. */
static void fill_ask(struct acl_node *n, const struct weir_policy *policy, struct acl_case *c,
		     struct weir_rule_ask *ask)
{
	const struct weir_meta *meta = weir_meta(c->m);

	ask_of(policy, c->m, ask);
	if (c->f == NULL) {
		c->family = ask->tuple.family;
		memcpy(c->dst, ask->tuple.dst, sizeof(c->dst));
	} else {
		struct weir_tuple replies;

		/* The destination after translation, the source before it. */
		weir_flow_tuple(n->tracker->flows, c->f, WEIR_DIR_ORIG, &ask->tuple);
		weir_flow_tuple(n->tracker->flows, c->f, WEIR_DIR_REPLY, &replies);
		c->family = replies.family;
		memcpy(c->dst, replies.src, sizeof(c->dst));
		if (replies.family == ask->tuple.family) { /* else NAT64: rules see it before */
			memcpy(ask->tuple.dst, replies.src, sizeof(replies.src));
			ask->tuple.dport = replies.sport;
		}
		if (is_inspectable(c->f))
			ask->app = c->f->app;
		ask->again = !c->draft;
		if (ask->again)
			ask->from = c->f->zone[WEIR_DIR_ORIG];
	}
	if (c->f == NULL || c->draft || !(meta->flags & WEIR_META_L4))
		return;
	/* As its first packet was: a SYN, or the question, which stands for a port. */
	ask->tcp_flags = c->f->proto == IPPROTO_TCP ? RTE_TCP_SYN_FLAG : 0;
	if (c->f->proto == IPPROTO_ICMP || c->f->proto == IPPROTO_ICMPV6)
		ask->icmp_type = (uint8_t)rte_be_to_cpu_16(ask->tuple.dport);
}

/* Collect what is to be judged; say NEXT of all others. */
static uint32_t collect(struct acl_node *n, struct weir_burst *b, const struct weir_policy *policy)
{
	uint32_t cases = 0;

	for (uint16_t i = 0; i < b->n; i++) {
		struct weir_meta *meta = weir_meta(b->pkt[i]);
		struct acl_case *c = &n->cases[cases];

		b->verdict[i] = WEIR_NEXT;
		if (likely(meta->flags & WEIR_META_KNOWN) ||
		    ((meta->flags & WEIR_META_OURS) && meta->flow == WEIR_NO_FLOW))
			continue;
		*c = (struct acl_case){.m = b->pkt[i], .at = i};
		if (meta->flow != WEIR_NO_FLOW) {
			c->f = weir_flow_at(n->tracker->flows, meta->flow >> 1);
			c->draft = c->f->flags & WEIR_FLOW_DRAFT;
		}
		fill_ask(n, policy, c, &n->ask[cases++]);
	}
	return cases;
}

/* Give back what a packet holds that may not pass. A flow that may not either ends. */
static void give_up(struct acl_node *n, const struct acl_case *c)
{
	if (c->f == NULL)
		return;
	if (c->draft)
		weir_flow_abort(n->tracker->flows, weir_meta(c->m)->flow >> 1);
	else {
		n->tracker->ending = WEIR_RECORD_POLICY;
		weir_flow_kill(n->tracker->flows, weir_meta(c->m)->flow >> 1);
		n->tracker->ending = WEIR_RECORD_REASONS;
	}
	weir_meta(c->m)->flow = WEIR_NO_FLOW;
}

static enum weir_verdict turn_away(struct acl_node *n, const struct acl_case *c, enum weir_drop why)
{
	give_up(n, c);
	return weir_say_drop(c->m, why);
}

/* A segment where the SYN proxy is at work: if it brings a good cookie, it stands for a SYN. */
static void check_cookie(struct acl_node *n, struct acl_case *c, struct weir_rule_ask *ask,
			 struct weir_flow_segment *segment)
{
	struct weir_synproxy_stats *stats = &n->tracker->synproxy;
	struct weir_tuple tuple;

	if ((segment->flags & (RTE_TCP_SYN_FLAG | RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG)) !=
	    RTE_TCP_ACK_FLAG)
		return;
	weir_flow_tuple(n->tracker->flows, c->f, WEIR_DIR_ORIG, &tuple);
	c->cookie = (uint8_t)synproxy_check(&n->cookies, &tuple, c->m, segment);
	weir_count(c->cookie == WEIR_SYN_COOKIE_GOOD	? &stats->accepted
		   : c->cookie == WEIR_SYN_COOKIE_STALE ? &stats->stale
							: &stats->wrong,
		   1);
	if (c->cookie == WEIR_SYN_COOKIE_GOOD)
		ask->tcp_flags = RTE_TCP_SYN_FLAG;
}

/* Why what brings no good cookie may not pass. */
static enum weir_drop why_not(const struct acl_case *c)
{
	return c->cookie == WEIR_SYN_COOKIE_WRONG   ? WEIR_DROP_SYN_COOKIE_WRONG
	       : c->cookie == WEIR_SYN_COOKIE_STALE ? WEIR_DROP_SYN_COOKIE_STALE
						    : WEIR_DROP_FLOW_INVALID;
}

static enum weir_drop begin_tcp(struct acl_node *n, const struct weir_policy *policy,
				struct acl_case *c, struct weir_rule_ask *ask)
{
	struct weir_flow_segment segment;
	enum weir_flow_class cls = c->f->cls;
	/* Who has begun what our host sends the middle of, its SYN alone says. */
	const bool loose = policy->loose && ask->from != WEIR_ZONE_SELF;

	weir_flow_segment(l4(c->m), l4_there(c->m), &segment);
	if (unlikely(policy->synproxy.zones >> ask->from & 1))
		check_cookie(n, c, ask, &segment);
	if (weir_flow_tcp(c->f, WEIR_DIR_ORIG, &segment, loose, &cls) != WEIR_FLOW_TCP_OK)
		return why_not(c);
	weir_flow_set_class(n->tracker->flows, c->f, cls);
	return WEIR_DROP_NONE;
}

/* A draft's first packet: may a flow begin with it? DROP_NONE: it may. */
static enum weir_drop begin(struct acl_node *n, const struct weir_policy *policy,
			    struct acl_case *c, struct weir_rule_ask *ask)
{
	struct rte_mbuf *m = c->m;
	const struct weir_meta *meta = weir_meta(m);
	bool answer = false;

	if (!(meta->flags & WEIR_META_L4))
		return WEIR_DROP_NONE;
	if (meta->proto == IPPROTO_TCP)
		return begin_tcp(n, policy, c, ask);
	if (meta->proto == IPPROTO_ICMP || meta->proto == IPPROTO_ICMPV6) {
		const struct icmp_head *icmp = l4(m);

		if (meta->flags & WEIR_META_IP4)
			icmp_question4(icmp->type, &answer);
		else
			icmp_question6(icmp->type, &answer);
	}
	return answer ? WEIR_DROP_FLOW_INVALID : WEIR_DROP_NONE;
}

/* Why a packet cannot come from where it says. @hop leads back there. */
static enum weir_drop check_source_of(const struct weir_policy *policy, const struct weir_l3 *l3,
				      const struct acl_case *c, const struct weir_rule_ask *ask,
				      uint64_t hop)
{
	const enum weir_drop why = check_source(policy, l3, ask, hop);

	if (why != WEIR_DROP_NONE || ask->from == WEIR_ZONE_SELF || (c->f != NULL && !c->draft))
		return why;
	return is_no_source(l3, hop) || is_to_itself(c->m) ? WEIR_DROP_IP_SOURCE : WEIR_DROP_NONE;
}

/* Sources that cannot be, or that the zone has something against. Cases that stay close ranks; how
 * many. */
static uint32_t check_sources(struct acl_node *n, const struct weir_burst *b,
			      const struct weir_policy *policy, uint32_t cases)
{
	const struct weir_l3 *l3 = b->pass->gen->l3;
	uint32_t left = 0;

	for (uint32_t i = 0; i < cases; i++) {
		n->addr[i] = n->ask[i].tuple.src;
		n->family[i] = n->ask[i].tuple.family;
	}
	look_up_hops(l3, n->addr, n->family, cases, n->hop);
	for (uint32_t i = 0; i < cases; i++) {
		struct acl_case *c = &n->cases[i];
		const enum weir_drop why = check_source_of(policy, l3, c, &n->ask[i], n->hop[i]);

		if (why != WEIR_DROP_NONE) {
			b->verdict[c->at] = (uint8_t)turn_away(n, c, why);
			continue;
		}
		n->ask[left] = n->ask[i];
		n->cases[left++] = *c;
	}
	return left;
}

/* Limits of the zone that a flow begins in. */
static enum weir_drop check_limits(struct acl_node *n, const struct weir_policy *policy,
				   const struct acl_case *c, uint8_t from)
{
	const struct weir_zone *zone = &policy->zone[from];

	if (zone->flows != 0 &&
	    weir_flow_zone_count(n->tracker->flows, from) + n->begun[from] >= zone->flows)
		return WEIR_DROP_ZONE_FULL;
	if (zone->source_flows != 0 &&
	    weir_flow_limit_take(n->tracker->flows, c->f, zone->source_flows) < 0)
		return WEIR_DROP_FLOW_SOURCE;
	return WEIR_DROP_NONE;
}

/*
 * Whether 45_dpi looks at a flow: if its rule says so, or has let it in until its application is
 * known. A flow that is judged again for that goes on as it was; for a new policy it begins anew.
 */
static void inspect(struct acl_node *n, const struct acl_case *c, const struct weir_rule *rule)
{
	struct weir_flow *f = c->f;
	const struct weir_flow_ext *ext = weir_flow_ext(n->tracker->flows, f);
	const bool wanted = rule != NULL && is_inspectable(f) && !flow_is_own(f) &&
			    (rule->inspect || (rule->app != 0 && f->app == 0));
	const bool anew = c->draft || f->gen != WEIR_JUDGE_AGAIN;

	if (!wanted || (anew && ext != NULL && ext->dpi >= WEIR_FLOW_DROPPED))
		tracker_inspect_end(n->tracker, f);
	if (wanted && anew)
		f->flags |= WEIR_FLOW_INSPECT;
	if (f->flags & WEIR_FLOW_INSPECT)
		weir_meta(c->m)->flags |= WEIR_META_INSPECT;
}

static enum weir_verdict accept_one(struct acl_node *n, const struct weir_policy *policy,
				    const struct acl_case *c, const struct weir_rule_ask *ask,
				    const struct weir_rule *rule)
{
	struct weir_meta *meta = weir_meta(c->m);

	if (c->f == NULL)
		return WEIR_NEXT;
	if (c->draft) {
		enum weir_drop why = check_forwarded(c->m);

		/* No flow begins with what 60_route would not send on. */
		if (why == WEIR_DROP_NONE && unlikely(ttl_is_over(c->m))) {
			give_up(n, c);
			return weir_say_reject(c->m, WEIR_DROP_TTL);
		}
		if (why == WEIR_DROP_NONE)
			why = check_limits(n, policy, c, ask->from);
		if (why != WEIR_DROP_NONE)
			return turn_away(n, c, why);
		if (unlikely(c->cookie == WEIR_SYN_COOKIE_GOOD) &&
		    !synproxy_begin(n->tracker->flows, c->f, &policy->synproxy, c->m))
			return turn_away(n, c, WEIR_DROP_FLOW_FULL);
		n->begun[ask->from]++;
		c->f->zone[WEIR_DIR_ORIG] = ask->from;
		c->f->zone[WEIR_DIR_REPLY] = ask->to;
		weir_flow_count(c->f, WEIR_DIR_ORIG, c->m->pkt_len - meta->l3_off,
				weir_flow_table_now_ms(n->tracker->flows));
		weir_flow_saw(c->f, WEIR_DIR_ORIG, tcp_flags_of(c->m));
	}
	inspect(n, c, rule);
	c->f->gen = policy->number;
	c->f->rule = rule == NULL ? 0 : rule->slot;
	c->f->mark = rule != NULL && rule->has_mark ? rule->set_mark : 0;
	c->f->flags &= (uint16_t)~WEIR_FLOW_CAPTURE;
	if (rule != NULL && rule->capture)
		c->f->flags |= WEIR_FLOW_CAPTURE;
	c->f->dscp = rule != NULL && rule->has_dscp ? WEIR_FLOW_DSCP | rule->set_dscp : 0;
	meta->flags |= WEIR_META_KNOWN | WEIR_META_REWRITE;
	return WEIR_NEXT;
}

/*
 * Whether what is for us has a flow: where the kernel answers, for an answer of UDP, or of what we
 * know nothing of, looks like a question of our host's. Those of TCP and ICMP do not.
 */
static bool is_kept(const struct weir_l3 *l3, const struct acl_case *c)
{
	const struct weir_flow *f = c->f;

	if (!c->draft)
		return f->zone[WEIR_DIR_REPLY] == WEIR_ZONE_SELF;
	return l3->ifaces[weir_meta(c->m)->iface_in].kernel && !(f->flags & WEIR_FLOW_DNAT) &&
	       f->proto != IPPROTO_TCP && f->proto != IPPROTO_ICMP && f->proto != IPPROTO_ICMPV6;
}

/* Zones, the way, and what is wrong without any rule; NEXT: rules decide. */
static enum weir_verdict check_one(struct acl_node *n, const struct weir_policy *policy,
				   const struct weir_l3 *l3, struct acl_case *c,
				   struct weir_rule_ask *ask, uint64_t hop)
{
	const enum weir_hop_kind kind = l3->hops[hop].kind;
	const enum weir_verdict v = check_way(c->m, kind);

	if (v != WEIR_NEXT) {
		give_up(n, c);
		return v;
	}
	ask->to = is_forwarding(kind) ? zone_of(policy, iface_of(l3, hop)) : WEIR_ZONE_SELF;
	if (ask->to == WEIR_NO_ZONE || ask->from == WEIR_NO_ZONE)
		return turn_away(n, c, WEIR_DROP_RULE);
	if (ask->to == WEIR_ZONE_SELF && c->f != NULL) {
		ask->app = WEIR_APP_UNKNOWN;
		if (!is_kept(l3, c)) {
			give_up(n, c); /* it is judged packet by packet */
			c->f = NULL;
			ask->again = false;
		}
	}
	if (c->f != NULL && c->draft) {
		const enum weir_drop why = begin(n, policy, c, ask);

		if (why != WEIR_DROP_NONE)
			return turn_away(n, c, why);
	}
	if (c->f == NULL && ask->to != WEIR_ZONE_SELF)
		return weir_say_drop(c->m, WEIR_DROP_FLOW_INVALID);
	return WEIR_NEXT;
}

/*
 * The same of what our own host begins, whose way is the kernel's choice; *asks: rules decide, else
 * it is accepted. What begins no flow (an answer, the middle of a connection) passes without one.
 */
static enum weir_verdict check_own(struct acl_node *n, const struct weir_policy *policy,
				   const struct weir_l3 *l3, struct acl_case *c,
				   struct weir_rule_ask *ask, bool *asks)
{
	const struct weir_meta *meta = weir_meta(c->m);

	*asks = false;
	if (unlikely(flow_is_over(c->f)))
		return say_flow_over(c->m);
	ask->app = WEIR_APP_UNKNOWN;
	ask->to = c->draft ? zone_of(policy, weir_l3_iface(l3, meta->port_out, meta->vlan[0],
							   meta->vlan[1]))
			   : c->f->zone[WEIR_DIR_REPLY];
	if (c->draft && (ask->to == WEIR_ZONE_SELF || ask->to == WEIR_NO_ZONE ||
			 begin(n, policy, c, ask) != WEIR_DROP_NONE)) {
		give_up(n, c);
		return WEIR_NEXT;
	}
	*asks = policy->judges_self;
	if (*asks)
		return WEIR_NEXT;
	n->tracker->decided = 0;
	weir_tracker_count(n->tracker, 0, c->m->pkt_len - meta->l3_off, n->now_ns);
	return accept_one(n, policy, c, ask, NULL);
}

/* Both, of all cases. Those about which rules decide close ranks; how many. */
static uint32_t check_ways(struct acl_node *n, const struct weir_burst *b,
			   const struct weir_policy *policy, uint32_t cases)
{
	const struct weir_l3 *l3 = b->pass->gen->l3;
	uint32_t left = 0;

	for (uint32_t i = 0; i < cases; i++) {
		n->addr[i] = n->cases[i].dst;
		n->family[i] = n->cases[i].family;
	}
	look_up_hops(l3, n->addr, n->family, cases, n->hop);
	for (uint32_t i = 0; i < cases; i++) {
		struct acl_case *c = &n->cases[i];
		enum weir_verdict v;
		bool asks = true;

		if (unlikely(n->ask[i].from == WEIR_ZONE_SELF))
			v = check_own(n, policy, l3, c, &n->ask[i], &asks);
		else
			v = check_one(n, policy, l3, c, &n->ask[i], n->hop[i]);
		b->verdict[c->at] = (uint8_t)v;
		if (v != WEIR_NEXT || !asks)
			continue;
		n->ask[left] = n->ask[i];
		n->cases[left++] = *c;
	}
	return left;
}

/* Of TCP only a client passes that has sent its cookie back; others are given one. */
static enum weir_verdict proxy_one(struct acl_node *n, const struct weir_policy *policy,
				   const struct acl_case *c, const struct weir_rule_ask *ask,
				   const struct weir_rule *rule)
{
	const bool has_l4 = weir_meta(c->m)->flags & WEIR_META_L4;
	struct weir_tuple tuple;

	if (policy->synproxy.zones == 0 || ask->from == WEIR_ZONE_SELF || c->f == NULL ||
	    !c->draft || c->f->proto != IPPROTO_TCP || c->cookie == WEIR_SYN_COOKIE_GOOD)
		return accept_one(n, policy, c, ask, rule);
	if (c->cookie != WEIR_SYN_COOKIE_NONE || !has_l4)
		return turn_away(n, c, why_not(c));
	weir_flow_tuple(n->tracker->flows, c->f, WEIR_DIR_ORIG, &tuple);
	synproxy_answer(&n->cookies, n->shard, n->pass, &tuple, c->m);
	return turn_away(n, c, WEIR_DROP_SYNPROXY_DONE);
}

/* Whether what a rule decides about becomes, or is, a flow. */
static bool lets_in(const struct acl_case *c, const struct weir_rule *rule)
{
	return rule->action == WEIR_ACTION_ACCEPT ||
	       (rule->action == WEIR_ACTION_SYNPROXY &&
		(!c->draft || c->f->proto != IPPROTO_TCP || c->cookie == WEIR_SYN_COOKIE_GOOD));
}

/* What the rule wants kept of the packet that it decides about. */
static void record(struct acl_node *n, const struct acl_case *c, const struct weir_rule_ask *ask,
		   const struct weir_rule *rule)
{
	if (rule->log)
		tracker_judged(n->tracker, rule, ask, c->m->pkt_len - weir_meta(c->m)->l3_off);
	/* Those of flows are put by 50_nat. */
	if (rule->capture && n->tracker->capture != NULL && (c->f == NULL || !lets_in(c, rule)))
		weir_capture_put(n->tracker->capture, c->m, rule->slot, n->now_ns);
}

static enum weir_verdict judge_one(struct acl_node *n, const struct weir_policy *policy, uint32_t i)
{
	const struct acl_case *c = &n->cases[i];
	const struct weir_rule *rule =
		n->rule[i] == WEIR_RULE_DEFAULT ? NULL : weir_rules_at(n->rules, n->rule[i]);
	const enum weir_action action = rule == NULL ? weir_rules_default(n->rules) : rule->action;

	if (unlikely(c->f != NULL && flow_is_over(c->f)))
		return say_flow_over(c->m);
	n->tracker->decided = rule == NULL ? 0 : rule->slot;
	weir_tracker_count(n->tracker, n->tracker->decided, c->m->pkt_len - weir_meta(c->m)->l3_off,
			   n->now_ns);
	if (rule != NULL)
		record(n, c, &n->ask[i], rule);
	switch (action) {
	case WEIR_ACTION_ACCEPT:
		return accept_one(n, policy, c, &n->ask[i], rule);
	case WEIR_ACTION_SYNPROXY:
		return proxy_one(n, policy, c, &n->ask[i], rule);
	case WEIR_ACTION_REJECT:
		give_up(n, c);
		return weir_say_reject(c->m, WEIR_DROP_RULE_REJECT);
	default:
		return turn_away(n, c, WEIR_DROP_RULE);
	}
}

/* A rule that a packet matched on its way to the one that decides. */
static void count_passed(void *ctx, uint32_t ask, uint32_t rule)
{
	struct acl_node *n = ctx;
	struct rte_mbuf *m = n->cases[ask].m;

	weir_tracker_count(n->tracker, weir_rules_at(n->rules, rule)->slot,
			   m->pkt_len - weir_meta(m)->l3_off, n->now_ns);
}

static void acl_process(void *self, struct weir_burst *b)
{
	struct acl_node *n = self;
	const struct weir_policy *policy = b->pass->gen->policy;
	uint32_t cases = collect(n, b, policy);

	if (likely(cases == 0))
		return;
	n->pass = b->pass;
	n->rules = policy->rules;
	n->now_ns = b->pass->now_ns;
	memset(n->begun, 0, sizeof(n->begun));
	n->cookies = weir_syn_cookies_at(&n->shard->secret, b->pass->now_ns);
	cases = check_ways(n, b, policy, cases);
	cases = check_sources(n, b, policy, cases);
	weir_rules_ask(policy->rules, n->tracker->rules, n->ask, cases,
		       (uint32_t)(b->pass->now_ns / WEIR_NS_PER_S), b->pass->now_ns, n->rule,
		       count_passed, n);
	for (uint32_t i = 0; i < cases; i++)
		b->verdict[n->cases[i].at] = (uint8_t)judge_one(n, policy, i);
}

static int acl_create(struct weir_shard *shard, void **self)
{
	struct acl_node *n;

	if (shard->tracker == NULL)
		return -EINVAL;
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return -ENOMEM;
	n->shard = shard;
	n->tracker = shard->tracker;
	*self = n;
	return 0;
}

const struct weir_node_ops weir_node_acl = {
	.name = "acl",
	.stage = 40,
	.takes = WEIR_NEXT,
	.may = WEIR_MAY(WEIR_NEXT) | WEIR_MAY(WEIR_DROP) | WEIR_MAY(WEIR_REJECT),
	.create = acl_create,
	.free = free,
	.process = acl_process,
};
