/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 30_conntrack: the flow that a packet belongs to.
 *
 * Takes:  NEXT; whole packets of IPv4 and IPv6, reassembled if they came in fragments.
 * Says:   the verdict KNOWN of packets that the stages up to 60_route have nothing to do with, else
 *         NEXT, with meta.flow set. Packets of a known flow are tracked, counted and have the mark
 *         META_KNOWN (REWRITE if 50_nat has to change them, INSPECT if 45_dpi has to look at them),
 *         ICMP errors about its packets RELATED too. The first packet of a new flow has a draft.
 *         What belongs to no flow and can begin none has WEIR_NO_FLOW: 40_acl judges it by itself.
 *         What the kernel sends (META_KERNEL) is tracked as all else, and is always NEXT.
 *         DROP for what contradicts its flow: FLOW_INVALID, FLOW_ZONE; for ICMP errors that cannot
 *         be read, ICMP_QUOTE, or have no such source, SPOOFED; FLOW_FULL for new flows.
 * Holds:  the flows of this worker; ends those that have timed out, and answers weirctl. How long
 *         flows stay is the policy's.
 *
 * Packets of a flow whose policy is not that of the pass lack META_KNOWN: 40_acl judges it again.
 */

#include <weir/nodes.h>

#include <errno.h>
#include <rte_branch_prediction.h>
#include <rte_tcp.h>
#include <stdlib.h>
#include <weir/clock.h>
#include <weir/gen.h>
#include <weir/policy.h>
#include <weir/shard.h>
#include <weir/tracker.h>

#include "judge_priv.h"
#include "packet_priv.h"
#include "rewrite_priv.h"
#include "synproxy_priv.h"
#include "tables/flow_plain_priv.h"
#include "tables/tracker_priv.h"
#include "tuple_priv.h"

/* Ended entries looked at in a turn, and the time between turns: while more wait, and else. */
#define EXPIRE_MOST 256
#define EXPIRE_NS   UINT64_C(50000000)
#define EXPIRE_MORE UINT64_C(1000000)

struct conntrack_node {
	struct weir_shard *shard;
	struct weir_tracker *tracker;
	uint32_t policy; /* number of the one whose timeouts hold */
	struct weir_timer timer;
};

/* A draft for a packet that may be the first of a flow. */
static __rte_noinline enum weir_verdict begin(struct conntrack_node *n, struct rte_mbuf *m,
					      const struct weir_tuple *tuple)
{
	const uint32_t flow = weir_flow_draft(n->tracker->flows, tuple);

	if (unlikely(flow == WEIR_NO_FLOW))
		return weir_say_drop(m, WEIR_DROP_FLOW_FULL);
	weir_meta(m)->flow = flow << 1 | WEIR_DIR_ORIG;
	return WEIR_NEXT;
}

/* A packet of TCP in its flow: DROP_NONE if it may pass. *renew: the flow is over. */
static inline enum weir_drop track_tcp(struct conntrack_node *n, struct rte_mbuf *m,
				       struct weir_flow *f, enum weir_dir dir, bool loose,
				       bool *renew)
{
	struct weir_flow_segment segment;
	enum weir_flow_class cls = f->cls;
	enum weir_flow_tcp is;

	weir_flow_segment(l4(m), l4_there(m), &segment);
	if (unlikely(f->flags & WEIR_FLOW_SYNPROXY))
		is = synproxy_track(n->tracker, m, f, dir, &segment, &cls);
	else
		is = weir_flow_tcp(f, dir, &segment, loose, &cls);
	switch (is) {
	case WEIR_FLOW_TCP_OK:
		if (unlikely(cls != f->cls))
			weir_flow_set_class(n->tracker->flows, f, cls);
		return WEIR_DROP_NONE;
	case WEIR_FLOW_TCP_CHALLENGE: /* the end that it is for answers it (RFC 5961) */
		return WEIR_DROP_NONE;
	case WEIR_FLOW_TCP_RENEW:
		*renew = true;
		return WEIR_DROP_NONE;
	default:
		return WEIR_DROP_FLOW_INVALID;
	}
}

/* The class of a flow without states, once it was answered. */
static enum weir_flow_class answered_class(const struct weir_flow *f)
{
	if (f->proto == IPPROTO_UDP)
		return WEIR_FLOW_UDP;
	return f->proto == IPPROTO_ICMP || f->proto == IPPROTO_ICMPV6 ? WEIR_FLOW_ICMP
								      : WEIR_FLOW_OTHER;
}

static __rte_noinline void first_reply(struct conntrack_node *n, struct weir_flow *f)
{
	if (f->proto == IPPROTO_TCP)
		return; /* weir_flow_tcp() says when */
	f->flags |= WEIR_FLOW_REPLIED;
	weir_flow_set_class(n->tracker->flows, f, answered_class(f));
}

/* What 50_nat has to do for a flow. */
#define REWRITES (WEIR_FLOW_SNAT | WEIR_FLOW_DNAT | WEIR_FLOW_CAPTURE | WEIR_FLOW_SYNPROXY)

/* A packet of a flow; *anew: the flow is over, and the packet begins another one. */
static inline enum weir_verdict known_one(struct conntrack_node *n, struct rte_mbuf *m,
					  const struct weir_policy *policy, uint32_t ref,
					  uint64_t now_ns, bool *anew)
{
	struct weir_flow_table *flows = n->tracker->flows;
	struct weir_flow *f = &flows->entries[ref >> 1];
	const enum weir_dir dir = ref & 1;
	struct weir_meta *meta = weir_meta(m);
	const uint32_t ip_bytes = m->pkt_len - meta->l3_off;

	*anew = f->flags & WEIR_FLOW_DEAD; /* by an earlier packet of the burst */
	if (unlikely(*anew))
		return WEIR_NEXT;
	if (unlikely(f->zone[dir] != zone_of(policy, meta->iface_in)))
		return weir_say_drop(m, WEIR_DROP_FLOW_ZONE);
	if (f->proto == IPPROTO_TCP && !flow_plain_tcp(f, dir, l4(m), l4_there(m))) {
		const enum weir_drop why = track_tcp(n, m, f, dir, policy->loose, anew);

		if (unlikely(why != WEIR_DROP_NONE))
			return weir_say_drop(m, why);
		if (unlikely(*anew)) { /* its entry stays until no packet of the pass is of it */
			f->flags |= WEIR_FLOW_DEAD;
			return WEIR_NEXT;
		}
		weir_flow_saw(f, dir, tcp_flags_of(m));
	}
	if (unlikely(dir == WEIR_DIR_REPLY && !(f->flags & WEIR_FLOW_REPLIED)))
		first_reply(n, f);
	weir_flow_count(f, dir, ip_bytes, flows->now_ms);
	meta->flow = ref;
	if (unlikely(f->gen != policy->number))
		return WEIR_NEXT; /* 40_acl judges it again */
	meta->flags |= f->flags & REWRITES ? WEIR_META_KNOWN | WEIR_META_REWRITE : WEIR_META_KNOWN;
	meta->flags |=
		(uint32_t)(f->flags & WEIR_FLOW_INSPECT) * (WEIR_META_INSPECT / WEIR_FLOW_INSPECT);
	if (unlikely(f->dscp != 0))
		meta->flags |= WEIR_META_REWRITE;
	weir_tracker_count(n->tracker, f->rule, ip_bytes, now_ns);
	return likely(!(meta->flags & (WEIR_META_REWRITE | WEIR_META_INSPECT))) ? WEIR_KNOWN
										: WEIR_NEXT;
}

/* The tuple of the packet that an ICMP error quotes. */
static enum weir_drop tuple_of_quoted(struct rte_mbuf *m, struct weir_tuple *t)
{
	struct quote q;

	if (!quote_find(m, &q))
		return WEIR_DROP_ICMP_QUOTE;
	*t = q.was;
	return tuple_ports(t, rte_pktmbuf_mtod_offset(m, const uint8_t *, q.l4_off))
		       ? WEIR_DROP_NONE
		       : WEIR_DROP_FLOW_INVALID; /* no query: nothing that begins a flow */
}

/*
 * Whether an error may be about a flow: who sends it is any router on the way, so its source is
 * only what the zone allows; but it comes from where packets of its direction come from, and goes
 * to who has sent the packet that it quotes. @there: that packet's tuple, the other way round.
 */
static enum weir_drop check_error(const struct weir_policy *policy, const struct weir_l3 *l3,
				  struct rte_mbuf *m, uint8_t from, const struct weir_tuple *there)
{
	const struct weir_meta *meta = weir_meta(m);
	const bool v4 = meta->flags & WEIR_META_IP4;
	const uint8_t *src = v4 ? (const uint8_t *)&ip4(m)->src_addr : ip6_src(ip6(m));
	const uint8_t *dst = v4 ? (const uint8_t *)&ip4(m)->dst_addr : ip6_dst(ip6(m));
	uint64_t hop;

	if (from != zone_of(policy, meta->iface_in))
		return WEIR_DROP_FLOW_ZONE;
	if (memcmp(there->dst, dst, v4 ? 4 : 16) != 0)
		return WEIR_DROP_FLOW_INVALID;
	if (!policy->zone[from].antispoof)
		return WEIR_DROP_NONE;
	look_up_hops(l3, &src, &there->family, 1, &hop);
	return is_spoofed(policy, l3, from, hop) ? WEIR_DROP_SPOOFED : WEIR_DROP_NONE;
}

/* An ICMP error: it belongs to the flow whose packet it quotes, and goes against that packet. */
static __rte_noinline enum weir_verdict error_one(struct conntrack_node *n, struct rte_mbuf *m,
						  const struct weir_policy *policy,
						  const struct weir_l3 *l3)
{
	struct weir_meta *meta = weir_meta(m);
	struct weir_tuple quoted;
	enum weir_drop why;
	struct weir_flow *f;
	uint32_t ref;

	meta->flow = WEIR_NO_FLOW;
	why = tuple_of_quoted(m, &quoted);
	if (why != WEIR_DROP_NONE)
		return weir_say_drop(m, why);
	quoted = weir_tuple_reverse(&quoted);
	weir_flow_lookup(n->tracker->flows, &quoted, 1, &ref);
	if (ref == WEIR_NO_FLOW)
		return WEIR_NEXT; /* it may be about a packet of ours */
	f = weir_flow_at(n->tracker->flows, ref >> 1);
	/* Whatever policy has let the flow in: without errors it would hang (RFC 1191, RFC 8201).
	 */
	why = check_error(policy, l3, m, f->zone[ref & 1], &quoted);
	if (why != WEIR_DROP_NONE)
		return weir_say_drop(m, why);
	meta->flow = ref;
	meta->flags |= WEIR_META_KNOWN | WEIR_META_RELATED;
	if (!(f->flags & REWRITES))
		return WEIR_KNOWN;
	meta->flags |= WEIR_META_REWRITE;
	return WEIR_NEXT;
}

static void conntrack_process(void *self, struct weir_burst *b)
{
	struct conntrack_node *n = self;
	const struct weir_policy *policy = b->pass->gen->policy;
	struct weir_flow_table *flows = n->tracker->flows;
	struct weir_tuple tuple[WEIR_PASS_PKTS];
	uint32_t ref[WEIR_PASS_PKTS];
	uint16_t at[WEIR_PASS_PKTS], known = 0, fresh[WEIR_PASS_PKTS], n_fresh = 0;
	uint16_t error[WEIR_PASS_PKTS], n_errors = 0, sent[WEIR_PASS_PKTS], n_sent = 0;

	tracker_tick(n->tracker, b->pass->now_ns);
	if (unlikely(n->policy != policy->number)) {
		n->policy = policy->number;
		weir_flow_table_timeouts(flows, policy->timeout_ns);
	}
	n->tracker->patterns = policy->dpi;
	n->tracker->ending = WEIR_RECORD_KILLED;
	weir_flow_ask_serve(flows);
	n->tracker->ending = WEIR_RECORD_REASONS;
	for (uint16_t i = 0; i < b->n; i++) {
		const enum tuple_kind kind = tuple_of(b->pkt[i], &tuple[known]);

		if (likely(kind == TUPLE_FLOW)) {
			at[known++] = i;
		} else if (kind == TUPLE_ERROR) {
			error[n_errors++] = i;
		} else if (kind == TUPLE_SENT) {
			sent[n_sent++] = i;
			at[known++] = i;
		} else {
			weir_meta(b->pkt[i])->flow = WEIR_NO_FLOW;
			b->verdict[i] = WEIR_NEXT;
		}
	}
	weir_flow_lookup(flows, tuple, known, ref);
	for (uint16_t i = 0; i < known; i++) {
		bool anew = true;

		if (likely(ref[i] != WEIR_NO_FLOW))
			b->verdict[at[i]] = (uint8_t)known_one(n, b->pkt[at[i]], policy, ref[i],
							       b->pass->now_ns, &anew);
		fresh[n_fresh] = i;
		n_fresh += anew;
	}
	/* Behind all that is known, for a draft may evict a flow that is silent as far as we know.
	 */
	n->tracker->ending = WEIR_RECORD_EVICTED;
	for (uint16_t i = 0; i < n_fresh; i++)
		b->verdict[at[fresh[i]]] =
			(uint8_t)begin(n, b->pkt[at[fresh[i]]], &tuple[fresh[i]]);
	for (uint16_t i = 0; i < n_sent; i++)
		if (b->verdict[sent[i]] == WEIR_KNOWN)
			b->verdict[sent[i]] = WEIR_NEXT; /* 60_route is not asked for its way */
	n->tracker->ending = WEIR_RECORD_REASONS;
	/* Last: they do not make their flow look alive, so that a draft could take its entry. */
	for (uint16_t i = 0; i < n_errors; i++)
		b->verdict[error[i]] =
			(uint8_t)error_one(n, b->pkt[error[i]], policy, b->pass->gen->l3);
}

static void conntrack_expire(struct weir_timer *t, uint64_t now_ns)
{
	struct conntrack_node *n = container_of(t, struct conntrack_node, timer);
	bool more;

	tracker_tick(n->tracker, now_ns);
	more = weir_flow_expire(n->tracker->flows, EXPIRE_MOST) == EXPIRE_MOST;
	more |= tracker_update(n->tracker);
	weir_wheel_arm(n->shard->wheel, t, now_ns + (more ? EXPIRE_MORE : EXPIRE_NS));
}

static void conntrack_free(void *self)
{
	struct conntrack_node *n = self;

	if (n == NULL)
		return;
	weir_wheel_cancel(n->shard->wheel, &n->timer);
	free(n);
}

static int conntrack_create(struct weir_shard *shard, void **self)
{
	struct conntrack_node *n;

	if (shard->tracker == NULL)
		return -EINVAL;
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return -ENOMEM;
	n->shard = shard;
	n->tracker = shard->tracker;
	n->timer.fire = conntrack_expire;
	weir_wheel_arm(shard->wheel, &n->timer, EXPIRE_NS);
	*self = n;
	return 0;
}

const struct weir_node_ops weir_node_conntrack = {
	.name = "conntrack",
	.stage = 30,
	.takes = WEIR_NEXT,
	.may = WEIR_MAY(WEIR_NEXT) | WEIR_MAY(WEIR_KNOWN) | WEIR_MAY(WEIR_DROP),
	.source = true, /* it answers weirctl in passes without packets too */
	.create = conntrack_create,
	.free = conntrack_free,
	.process = conntrack_process,
};
