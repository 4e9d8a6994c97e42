/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 50_nat: addresses and ports as the flow has them, and numbers of TCP behind the SYN proxy.
 *
 * Takes:  NEXT, of which 40_acl has accepted what is new.
 * Says:   NEXT of all that is as it will leave, TX if the kernel sends it;
 *         HEADROOM, NAT_UNTRANSLATABLE, ICMP_QUOTE, NAT_FULL, NAT_ADDRESS and FLOW_INVALID are
 *         drops, SYNPROXY_DONE is what ends here;
 *         REJECT (TTL) of what could not be forwarded, while its sender's address is still in it.
 * Holds:  nothing. Here a draft becomes a flow that lookups find.
 *
 * Only what is marked REWRITE is looked at: established flows that are not translated pass. Flows
 * of our own host are never translated.
 */

#include <weir/nodes.h>

#include <errno.h>
#include <rte_branch_prediction.h>
#include <stdlib.h>
#include <string.h>
#include <weir/capture.h>
#include <weir/gen.h>
#include <weir/policy.h>
#include <weir/shard.h>
#include <weir/tracker.h>

#include "rewrite_priv.h"
#include "synproxy_priv.h"
#include "tables/tracker_priv.h"
#include "tuple_priv.h"

/* How often another port is looked for, if the one that was chosen is taken by then. */
#define TRIES 4

/* Addresses of the interface that a flow leaves by; how many. */
static uint8_t addresses_of_way(const struct weir_l3 *l3, const struct weir_tuple *to,
				struct weir_addr own[WEIR_IFACE_ADDRS_MAX])
{
	const struct weir_hop *hop;
	uint64_t number = 0;

	if (to->family == 4) {
		uint32_t dst;

		memcpy(&dst, to->dst, sizeof(dst));
		dst = rte_be_to_cpu_32(dst);
		rte_fib_lookup_bulk(l3->fib4, &dst, &number, 1);
	} else {
		uint8_t dst[1][16];

		memcpy(dst[0], to->dst, sizeof(dst[0]));
		rte_fib6_lookup_bulk(l3->fib6, (void *)dst, &number, 1);
	}
	if (l3->hops[number].kind == WEIR_HOP_GROUP)
		number = l3->members[number][0];
	hop = &l3->hops[number];
	if (hop->iface >= l3->n_ifaces)
		return 0;
	for (uint8_t i = 0; i < l3->ifaces[hop->iface].n_addrs; i++)
		own[i] = l3->ifaces[hop->iface].addr[i].addr;
	return l3->ifaces[hop->iface].n_addrs;
}

/* Choose from where a new flow seems to come. */
static int choose_source(struct rewrite_node *n, const struct weir_pass *pass, struct rte_mbuf *m,
			 struct weir_flow *f)
{
	const struct weir_nat *nat = pass->gen->policy->nat;
	struct weir_nat_where where = {
		.from = f->zone[WEIR_DIR_ORIG],
		.to = f->zone[WEIR_DIR_REPLY],
		.destination_rule = weir_meta(m)->nat_rule,
	};
	struct weir_tuple orig, to;
	uint32_t rule;
	int rc;

	if (nat == NULL || flow_is_own(f))
		return 0;
	weir_flow_tuple(n->tracker->flows, f, WEIR_DIR_ORIG, &orig);
	weir_flow_leaving(n->tracker->flows, f, WEIR_DIR_ORIG, &to);
	where.n_own = addresses_of_way(pass->gen->l3, &to, where.own);
	weir_tracker_give_back(n->tracker, f);
	rc = weir_nat_source(nat, &n->tracker->nat, &where, &orig, &to, &rule);
	if (rc == 0 && n->tracker->nat.mapped)
		f->flags |= WEIR_FLOW_OWN_PORT;
	return rc < 0 ? rc : weir_flow_translate(n->tracker->flows, f, &to);
}

/* Make a draft known. DROP_NONE: *ref is its flow's, which may be another that was quicker. */
static enum weir_drop commit(struct rewrite_node *n, const struct weir_pass *pass,
			     struct rte_mbuf *m, uint32_t *ref)
{
	struct weir_flow_table *flows = n->tracker->flows;
	const uint32_t flow = *ref >> 1;
	int rc = -EADDRINUSE;

	for (unsigned i = 0; i < TRIES && rc == -EADDRINUSE; i++) {
		rc = choose_source(n, pass, m, weir_flow_at(flows, flow));
		if (rc == 0)
			rc = weir_flow_commit(flows, flow, ref);
	}
	if (rc == 0)
		tracker_begun(n->tracker, weir_flow_at(flows, flow), flow);
	if (rc == 0 || rc == -EEXIST)
		return WEIR_DROP_NONE;
	weir_flow_abort(flows, flow);
	weir_meta(m)->flow = WEIR_NO_FLOW;
	return rc == -EADDRNOTAVAIL ? WEIR_DROP_NAT_ADDRESS : WEIR_DROP_NAT_FULL;
}

static void set_dscp(struct rte_mbuf *m, uint8_t dscp)
{
	if (weir_meta(m)->flags & WEIR_META_IP4) {
		struct rte_ipv4_hdr *ip = ip4(m);
		const uint8_t tos = (uint8_t)(dscp << 2 | (ip->type_of_service & 3));
		uint16_t old, fresh;

		memcpy(&old, ip, sizeof(old));
		ip->type_of_service = tos;
		memcpy(&fresh, ip, sizeof(fresh));
		ip->hdr_checksum = weir_csum_update16(ip->hdr_checksum, old, fresh);
	} else {
		uint8_t *ip = (uint8_t *)ip6(m);

		ip[0] = (uint8_t)((ip[0] & 0xf0) | dscp >> 2);
		ip[1] = (uint8_t)((ip[1] & 0x3f) | dscp << 6);
	}
}

static enum weir_drop translate(struct rewrite_node *n, struct rte_mbuf *m,
				const struct weir_flow *f, enum weir_dir dir)
{
	struct weir_meta *meta = weir_meta(m);
	struct weir_tuple to;
	enum weir_drop why = WEIR_DROP_NONE;

	if (meta->flags & WEIR_META_RELATED) {
		/* It quotes a packet of the other direction, which its receiver knows as it came.
		 */
		weir_flow_tuple(n->tracker->flows, f,
				dir == WEIR_DIR_ORIG ? WEIR_DIR_REPLY : WEIR_DIR_ORIG, &to);
		why = rewrite_error(&n->idents, m, &to);
	} else if (likely(f->family == 4 && !(f->flags & WEIR_FLOW_EXT))) {
		if (dir == WEIR_DIR_ORIG)
			rewrite4(m, f->v4.xsrc, f->v4.xdst, f->xsport, f->xdport);
		else
			rewrite4(m, f->v4.dst, f->v4.src, f->dport, f->sport);
	} else {
		weir_flow_leaving(n->tracker->flows, f, dir, &to);
		why = rewrite(&n->idents, m, &to);
	}
	meta->flags |= WEIR_META_REWRITTEN;
	return why;
}

static enum weir_drop translate_numbers(struct rewrite_node *n, const struct weir_pass *pass,
					struct rte_mbuf *m, const struct weir_flow *f,
					enum weir_dir dir)
{
	if (!(weir_meta(m)->flags & WEIR_META_RELATED))
		return synproxy_rewrite(n->shard, pass, m, f, dir);
	synproxy_rewrite_error(weir_flow_ext(n->tracker->flows, f), dir, m);
	return WEIR_DROP_NONE;
}

static enum weir_verdict nat_one(struct rewrite_node *n, const struct weir_pass *pass,
				 struct rte_mbuf *m)
{
	struct weir_meta *meta = weir_meta(m);
	struct weir_flow *f = weir_flow_at(n->tracker->flows, meta->flow >> 1);
	enum weir_drop why;

	if (unlikely(flow_is_over(f)))
		return say_flow_over(m);
	if (unlikely(f->flags & WEIR_FLOW_DRAFT)) {
		uint32_t ref = meta->flow;

		why = commit(n, pass, m, &ref);
		if (why != WEIR_DROP_NONE)
			return weir_say_drop(m, why);
		f = weir_flow_at(n->tracker->flows, ref >> 1);
		/* An earlier packet of the burst has begun it; this one was counted in its draft.
		 */
		if (ref >> 1 != meta->flow >> 1) {
			weir_flow_count(f, ref & 1, m->pkt_len - meta->l3_off,
					weir_flow_table_now_ms(n->tracker->flows));
			weir_flow_saw(f, ref & 1, tcp_flags_of(m));
		}
		meta->flow = ref;
	}
	if (unlikely(f->flags & WEIR_FLOW_CAPTURE) && n->tracker->capture != NULL)
		weir_capture_put(n->tracker->capture, m, f->rule, pass->now_ns);
	if (f->flags & (WEIR_FLOW_SNAT | WEIR_FLOW_DNAT | WEIR_FLOW_SYNPROXY)) {
		why = WEIR_DROP_NONE;
		if (unlikely(ttl_is_over(m)))
			return weir_say_reject(m, WEIR_DROP_TTL);
		if (unlikely(f->flags & WEIR_FLOW_SYNPROXY))
			why = translate_numbers(n, pass, m, f, meta->flow & 1);
		if (why == WEIR_DROP_NONE && (f->flags & (WEIR_FLOW_SNAT | WEIR_FLOW_DNAT)))
			why = translate(n, m, f, meta->flow & 1);
		if (unlikely(why != WEIR_DROP_NONE))
			return weir_say_drop(m, why);
	}
	if (unlikely(f->dscp != 0))
		set_dscp(m, f->dscp & ~WEIR_FLOW_DSCP);
	return WEIR_NEXT;
}

/* What is marked REWRITE, and whole frames of the kernel. */
static enum weir_verdict marked_one(struct rewrite_node *n, const struct weir_pass *pass,
				    struct rte_mbuf *m)
{
	const uint32_t flags = weir_meta(m)->flags;
	const enum weir_verdict v = flags & WEIR_META_REWRITE ? nat_one(n, pass, m) : WEIR_NEXT;

	return v == WEIR_NEXT && unlikely(flags & WEIR_META_KERNEL) ? WEIR_TX : v;
}

/* What the commits of this burst will read, if it is known by now where the flows go. */
static void fetch_drafts(struct rewrite_node *n, const struct weir_burst *b)
{
	if (b->pass->gen->policy->nat != NULL)
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		const struct weir_meta *meta = weir_meta(b->pkt[i]);

		if (unlikely(meta->flags & WEIR_META_REWRITE))
			weir_flow_prefetch(n->tracker->flows, meta->flow >> 1);
	}
}

static void nat_process(void *self, struct weir_burst *b)
{
	const uint32_t marks = WEIR_META_REWRITE | WEIR_META_KERNEL;
	struct rewrite_node *n = self;

	fetch_drafts(n, b);
	for (uint16_t i = 0; i < b->n; i++)
		b->verdict[i] = (uint8_t)(unlikely(weir_meta(b->pkt[i])->flags & marks)
						  ? marked_one(n, b->pass, b->pkt[i])
						  : WEIR_NEXT);
}

const struct weir_node_ops weir_node_nat = {
	.name = "nat",
	.stage = 50,
	.takes = WEIR_NEXT,
	.may = WEIR_MAY(WEIR_NEXT) | WEIR_MAY(WEIR_TX) | WEIR_MAY(WEIR_DROP) |
	       WEIR_MAY(WEIR_REJECT),
	.create = rewrite_node_create,
	.free = free,
	.process = nat_process,
};
