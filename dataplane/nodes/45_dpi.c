/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 45_dpi: what is in the payload?
 *
 * Takes:  NEXT, of which 30_conntrack and 40_acl have marked INSPECT what is to be looked at. The
 *         payload of TCP is read in the order of its numbers, datagrams one by one.
 * Says:   NEXT of what may pass, and of all that is not marked;
 *         DROP (L4_CSUM) of what is marked and has a wrong checksum, for who it is for would not
 *         read it; DROP (FLOW_INVALID) of a flow that has ended with an earlier packet;
 *         DROP (INSPECT) or REJECT (INSPECT_RESET) of a segment in which the verdict is reached
 *         and of all of its flow that follow, and of a datagram for itself.
 * Holds:  nothing; states are the tracker's. A flow whose application becomes known is judged again
 *         by 40_acl at its next packet, if rules ask for applications.
 *
 * A reset tells both ends of TCP. 75_reject answers who has sent the segment, with the number that
 * this end expects. Who it was for gets a RST in its place, as the flow leaves, with the segment's
 * number: it has had all that came before. Whoever sends on nevertheless is answered by 75_reject
 * each time; RSTs of the ends pass.
 *
 * What cannot be inspected, for want of a state or an extension, passes and is counted; of rules
 * that ask, its application is unknown.
 */

#include <weir/nodes.h>

#include <rte_branch_prediction.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <stdlib.h>
#include <weir/dpi.h>
#include <weir/gen.h>
#include <weir/policy.h>
#include <weir/shard.h>
#include <weir/tracker.h>

#include "l4_csum_priv.h"
#include "packet_priv.h"
#include "rewrite_priv.h"
#include "synproxy_priv.h"
#include "tables/tracker_priv.h"
#include "tuple_priv.h"

/* States are fetched so many packets ahead: a packet takes as long as several misses. */
#define AHEAD 2

/* A packet that is looked at. */
struct dpi_case {
	struct rte_mbuf *m;
	struct weir_flow *f;
	enum weir_dir dir;
};

/* The application is another one: rules have a say again. */
static void set_app(const struct weir_policy *policy, struct weir_flow *f, uint8_t app)
{
	if (app == 0 || app == f->app)
		return;
	f->app = app;
	if (policy->by_app)
		f->gen = WEIR_JUDGE_AGAIN;
}

/* A pattern's or a set's application goes before that of the first message. */
static void learn_app(struct rewrite_node *n, const struct weir_policy *policy, struct weir_flow *f,
		      uint32_t state, const struct weir_dpi_verdict *v)
{
	uint8_t app = v->app;

	if (app == 0 && f->app == 0) {
		if (v->read)
			app = (uint8_t)weir_dpi_sniffed(n->tracker->dpi, state)->proto;
		if (app == 0 && (v->done || (v->read && !policy->tags)))
			app = WEIR_APP_UNKNOWN;
	}
	set_app(policy, f, app);
}

/* In place of the segment, who it is for gets a RST of its number. */
static void reset_receiver(struct rewrite_node *n, const struct weir_pass *pass,
			   const struct dpi_case *c)
{
	const struct weir_iface *iface = icmp_iface(pass->gen->l3, c->m);
	const struct rte_tcp_hdr *tcp = l4(c->m);
	struct rte_tcp_hdr rst = {
		.src_port = tcp->src_port,
		.dst_port = tcp->dst_port,
		.sent_seq = tcp->sent_seq,
		.recv_ack = tcp->recv_ack,
		.data_off = sizeof(rst) / 4 << 4,
		.tcp_flags = RTE_TCP_RST_FLAG | (tcp->tcp_flags & RTE_TCP_ACK_FLAG),
	};
	struct rte_mbuf *fresh;
	struct weir_tuple to;
	enum weir_drop why = WEIR_DROP_NONE;

	/* With its first packet, who it was for knows of nothing yet. */
	if (iface == NULL || (c->f->flags & WEIR_FLOW_DRAFT) || (tcp->tcp_flags & RTE_TCP_SYN_FLAG))
		return;
	fresh = tcp_frame(n->shard, c->m, false, &rst, sizeof(rst));
	if (fresh == NULL)
		return;
	if (c->f->flags & (WEIR_FLOW_SNAT | WEIR_FLOW_DNAT)) {
		weir_flow_leaving(n->tracker->flows, c->f, c->dir, &to);
		why = rewrite(&n->idents, fresh, &to);
	}
	if (why == WEIR_DROP_NONE && (c->f->flags & WEIR_FLOW_SYNPROXY))
		why = synproxy_rewrite(n->shard, pass, fresh, c->f, c->dir);
	if (why == WEIR_DROP_NONE)
		icmp_send(n->shard, iface, fresh, c->m);
	else
		weir_drop(n->shard, fresh, why);
}

/* Drop it, or answer it. A draft whose first packet may not pass is given back. */
static enum weir_verdict turn_away(struct rewrite_node *n, const struct dpi_case *c,
				   enum weir_drop why)
{
	struct weir_meta *meta = weir_meta(c->m);

	if (c->f->flags & WEIR_FLOW_DRAFT) {
		weir_flow_abort(n->tracker->flows, meta->flow >> 1);
		meta->flow = WEIR_NO_FLOW;
	}
	return why == WEIR_DROP_INSPECT_RESET ? weir_say_reject(c->m, why)
					      : weir_say_drop(c->m, why);
}

/* No packet of a connection passes any more; it soon makes room. */
static enum weir_verdict blocked(struct rewrite_node *n, const struct dpi_case *c, uint32_t how)
{
	const struct rte_tcp_hdr *tcp = l4(c->m);

	if (how == WEIR_FLOW_RESET && (tcp->tcp_flags & RTE_TCP_RST_FLAG))
		return WEIR_NEXT;
	weir_flow_set_class(n->tracker->flows, c->f,
			    how == WEIR_FLOW_RESET ? WEIR_FLOW_CLOSED : WEIR_FLOW_CLOSING);
	return turn_away(n, c,
			 how == WEIR_FLOW_RESET ? WEIR_DROP_INSPECT_RESET : WEIR_DROP_INSPECT);
}

static __rte_noinline enum weir_verdict block_segment(struct rewrite_node *n,
						      const struct weir_pass *pass,
						      const struct dpi_case *c, uint8_t action)
{
	const uint32_t how = action == WEIR_DPI_RESET ? WEIR_FLOW_RESET : WEIR_FLOW_DROPPED;

	tracker_block(n->tracker, c->f, how);
	if (how == WEIR_FLOW_RESET)
		reset_receiver(n, pass, c);
	return blocked(n, c, how);
}

/* Nothing that follows is looked at: the flow is over, or all there is to know is known. */
static enum weir_verdict let_pass(struct rewrite_node *n, const struct dpi_case *c)
{
	tracker_inspect_end(n->tracker, c->f);
	return WEIR_NEXT;
}

/* A draft in the middle of a connection is one of several, if more came in this pass: the known
 * flow begins with its next packet. Behind the SYN proxy it is not the middle. */
static bool may_begin(const struct dpi_case *c)
{
	const struct rte_tcp_hdr *tcp = l4(c->m);

	return !(c->f->flags & WEIR_FLOW_DRAFT) || c->f->proto != IPPROTO_TCP ||
	       (c->f->flags & WEIR_FLOW_SYNPROXY) || (tcp->tcp_flags & RTE_TCP_SYN_FLAG);
}

static enum weir_verdict tcp_one(struct rewrite_node *n, const struct weir_pass *pass,
				 const struct dpi_case *c, uint32_t state)
{
	const struct weir_policy *policy = pass->gen->policy;
	const struct rte_tcp_hdr *tcp = l4(c->m);
	const uint32_t off = weir_meta(c->m)->l4_off + (tcp->data_off >> 4) * 4u;
	uint32_t seq = rte_be_to_cpu_32(tcp->sent_seq);
	struct weir_dpi_verdict v;

	if (unlikely(synproxy_waits(n->tracker->flows, c->f, c->dir))) {
		/* Data that the server does not get are not looked at: others may follow. */
		weir_dpi_syn(n->tracker->dpi, state, c->dir, c->f->peer[c->dir].acked - 1);
		return WEIR_NEXT;
	}
	if (unlikely(tcp->tcp_flags & RTE_TCP_SYN_FLAG))
		weir_dpi_syn(n->tracker->dpi, state, c->dir, seq++);
	if (off >= c->m->pkt_len || (tcp->tcp_flags & RTE_TCP_RST_FLAG))
		return WEIR_NEXT;
	v = weir_dpi_segment(n->tracker->dpi, policy->dpi, state, c->dir, seq, c->m, off,
			     c->m->pkt_len - off);
	learn_app(n, policy, c->f, state, &v);
	if (unlikely(v.action != WEIR_DPI_PASS))
		return block_segment(n, pass, c, v.action);
	return unlikely(v.done) ? let_pass(n, c) : WEIR_NEXT;
}

static enum weir_verdict udp_one(struct rewrite_node *n, const struct weir_pass *pass,
				 const struct dpi_case *c, uint32_t state)
{
	const struct weir_policy *policy = pass->gen->policy;
	const struct rte_udp_hdr *udp = l4(c->m);
	const uint32_t there = l4_there(c->m);
	uint32_t bytes = rte_be_to_cpu_16(udp->dgram_len);
	struct weir_dpi_verdict v;

	if (bytes < sizeof(*udp) || bytes > there)
		bytes = there;
	v = weir_dpi_datagram(n->tracker->dpi, policy->dpi, state, c->dir, c->m,
			      weir_meta(c->m)->l4_off + (uint32_t)sizeof(*udp),
			      bytes - (uint32_t)sizeof(*udp));
	learn_app(n, policy, c->f, state, &v);
	if (unlikely(v.done))
		(void)let_pass(n, c);
	if (likely(v.action == WEIR_DPI_PASS))
		return WEIR_NEXT;
	return turn_away(n, c,
			 v.action == WEIR_DPI_RESET ? WEIR_DROP_INSPECT_RESET : WEIR_DROP_INSPECT);
}

static enum weir_verdict dpi_one(struct rewrite_node *n, const struct weir_pass *pass,
				 const struct dpi_case *c)
{
	uint32_t state;

	if (unlikely(flow_is_over(c->f)))
		return say_flow_over(c->m);
	/* Who it is for would not see these: other bytes may come in their place. */
	if (unlikely(!l4_csum_is_right(c->m)))
		return turn_away(n, c, WEIR_DROP_L4_CSUM);
	if (unlikely(ttl_is_over(c->m)))
		return WEIR_NEXT; /* 50_nat or 60_route answers it */
	/* An earlier packet of the burst may have ended it. */
	if (unlikely(!(c->f->flags & WEIR_FLOW_INSPECT) || !may_begin(c)))
		return WEIR_NEXT;
	if (unlikely(!(weir_meta(c->m)->flags & WEIR_META_L4)))
		return WEIR_NEXT;
	state = tracker_inspect(n->tracker, c->f);
	if (unlikely(state == 0)) {
		set_app(pass->gen->policy, c->f, c->f->app == 0 ? WEIR_APP_UNKNOWN : 0);
		return let_pass(n, c);
	}
	if (unlikely(state >= WEIR_FLOW_DROPPED))
		return blocked(n, c, state);
	return c->f->proto == IPPROTO_TCP ? tcp_one(n, pass, c, state) : udp_one(n, pass, c, state);
}

/* The state that a packet soon to come needs. */
static void fetch(const struct rewrite_node *n, struct rte_mbuf *m)
{
	const struct weir_flow_table *flows = n->tracker->flows;
	const struct weir_flow_ext *ext =
		weir_flow_ext(flows, weir_flow_at(flows, weir_meta(m)->flow >> 1));

	if (ext != NULL && ext->dpi < WEIR_FLOW_DROPPED)
		weir_dpi_prefetch(n->tracker->dpi, ext->dpi);
}

static void dpi_process(void *self, struct weir_burst *b)
{
	struct rewrite_node *n = self;
	uint16_t at[WEIR_PASS_PKTS], marked = 0;
	uint32_t any = 0;

	for (uint16_t i = 0; i < b->n; i++) {
		b->verdict[i] = WEIR_NEXT;
		any |= weir_meta(b->pkt[i])->flags;
	}
	if (likely(!(any & WEIR_META_INSPECT)))
		return;
	for (uint16_t i = 0; i < b->n; i++)
		if (weir_meta(b->pkt[i])->flags & WEIR_META_INSPECT)
			at[marked++] = i;
	for (uint16_t i = 0; i < marked; i++) {
		struct rte_mbuf *m = b->pkt[at[i]];
		const uint32_t ref = weir_meta(m)->flow;
		const struct dpi_case c = {
			.m = m, .f = weir_flow_at(n->tracker->flows, ref >> 1), .dir = ref & 1};

		if (i + AHEAD < marked)
			fetch(n, b->pkt[at[i + AHEAD]]);
		b->verdict[at[i]] = (uint8_t)dpi_one(n, b->pass, &c);
	}
}

const struct weir_node_ops weir_node_dpi = {
	.name = "dpi",
	.stage = 45,
	.takes = WEIR_NEXT,
	.may = WEIR_MAY(WEIR_NEXT) | WEIR_MAY(WEIR_DROP) | WEIR_MAY(WEIR_REJECT),
	.create = rewrite_node_create,
	.free = free,
	.process = dpi_process,
};
