/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What becomes of one packet: seen behind each stage, as weirctl trace does. Packets are judged one
 * at a time, so all that is not ours in these passes is it, or what was made of it.
 */

#include "fw_offline_priv.h"

#include <rte_tcp.h>
#include <weir/drop.h>
#include <weir/gen.h>
#include <weir/l3.h>
#include <weir/shard.h>
#include <weir/tracker.h>

#include "nodes/packet_priv.h"
#include "nodes/tuple_priv.h"

/* Stages: the last that sees a packet as it came, and the first that sees it as it leaves. */
#define CAME_STAGE   30
#define RULES_STAGE  40
#define LEAVES_STAGE 50
/* Before it TX is an answer to a neighbour. */
#define ROUTE_STAGE 60

/* ---- what it is ---- */

/* Its tuple; false: without ports. */
static bool read_tuple(struct rte_mbuf *m, struct weir_tuple *t, uint8_t l4_info[2])
{
	const struct weir_meta *meta = weir_meta(m);
	const uint8_t *head;

	if (meta->flags & WEIR_META_IP4)
		tuple_set4(t, ip4(m), meta->proto);
	else
		tuple_set6(t, ip6(m), meta->proto);
	if ((meta->flags & (WEIR_META_L4 | WEIR_META_FRAG_LATER)) != WEIR_META_L4)
		return false;
	head = l4(m);
	if (meta->proto == IPPROTO_TCP) {
		l4_info[0] = ((const struct rte_tcp_hdr *)l4(m))->tcp_flags;
	} else if (meta->proto == IPPROTO_ICMP || meta->proto == IPPROTO_ICMPV6) {
		l4_info[0] = head[0];
		l4_info[1] = head[1];
	}
	(void)tuple_ports(t, l4(m)); /* false: ICMP that is no query has none */
	return true;
}

static void look_at(struct offline_packet *k, struct rte_mbuf *m, uint16_t stage)
{
	struct weir_tuple t = {.family = 0};
	uint8_t info[2] = {0};
	bool has_l4;

	if (!(weir_meta(m)->flags & (WEIR_META_IP4 | WEIR_META_IP6)))
		return;
	if (stage > CAME_STAGE && stage < LEAVES_STAGE)
		return;
	has_l4 = read_tuple(m, &t, info);
	if (stage <= CAME_STAGE && (has_l4 || !k->came_l4)) {
		k->came = t;
		k->came_l4 = has_l4;
		memcpy(k->l4, info, sizeof(info));
	} else if (stage >= LEAVES_STAGE && (has_l4 || !k->leaves_l4)) {
		k->leaves = t;
		k->leaves_l4 = has_l4;
	}
}

static void find_rule(struct offline_packet *k, const struct weir_tracker *t,
		      const struct weir_meta *meta)
{
	if (t->decided != OFFLINE_NO_RULE)
		k->rule = t->decided;
	else if (meta->flow != WEIR_NO_FLOW)
		k->rule = weir_flow_at(t->flows, meta->flow >> 1)->rule;
}

/* ---- its fate ---- */

static void say(struct offline_packet *k, enum offline_fate fate, unsigned stage, uint16_t drop)
{
	if (k->settled)
		return;
	k->fate = fate;
	k->stage = (uint8_t)stage;
	k->drop = drop;
}

/* Drops that are the good end of what was for us. */
static bool is_done(uint16_t drop)
{
	return drop == WEIR_DROP_LOCAL_DONE || drop == WEIR_DROP_NEIGH_DONE;
}

static void judge(struct offline_packet *k, unsigned at, uint16_t stage, enum weir_verdict verdict,
		  const struct weir_meta *meta)
{
	switch (verdict) {
	case WEIR_TX:
		if (!k->settled)
			k->iface = meta->iface_out;
		say(k, stage < ROUTE_STAGE ? OFFLINE_LOCAL : OFFLINE_FORWARD, at, WEIR_DROP_NONE);
		break;
	case WEIR_LOCAL:
		say(k, OFFLINE_LOCAL, at, WEIR_DROP_NONE);
		break;
	case WEIR_PUNT: /* its kernel is not here, so 95_punt drops it */
		say(k, OFFLINE_LOCAL, at, WEIR_DROP_NONE);
		k->settled |= k->kernel;
		break;
	case WEIR_REJECT: /* what follows is the answer */
		say(k, OFFLINE_REJECT, at, meta->drop);
		k->settled = true;
		break;
	case WEIR_DROP:
		say(k, is_done(meta->drop) ? OFFLINE_LOCAL : OFFLINE_DROP, at,
		    is_done(meta->drop) ? WEIR_DROP_NONE : meta->drop);
		break;
	default:
		break;
	}
}

static void see_one(struct offline_watch *w, unsigned at, uint16_t stage, struct rte_mbuf *m,
		    enum weir_verdict verdict)
{
	struct offline_packet *k = w->packet;
	const struct weir_meta *meta = weir_meta(m);

	if (verdict == WEIR_HELD) { /* it may be freed already */
		if (k != NULL && k->fate == OFFLINE_SKIPPED)
			say(k, OFFLINE_HELD, at, WEIR_DROP_NONE);
		return;
	}
	if (meta->flags & WEIR_META_OURS) {
		w->answers += verdict == WEIR_TX;
		return;
	}
	if (k == NULL)
		return;
	look_at(k, m, stage);
	if (stage == RULES_STAGE || verdict == WEIR_KNOWN)
		find_rule(k, weir_engine_shard(w->engine)->tracker, meta);
	judge(k, at, stage, verdict, meta);
}

static void see(const struct weir_watch *hook, unsigned at, const struct weir_burst *b)
{
	/* Ours, and made by us: only the hook's type is constant. */
	struct offline_watch *w = (struct offline_watch *)(uintptr_t)hook;
	const uint16_t stage = weir_graph_node(weir_engine_graph(w->engine), at)->stage;

	for (uint16_t i = 0; i < b->n; i++)
		see_one(w, at, stage, b->pkt[i], (enum weir_verdict)b->verdict[i]);
}

void offline_watch_init(struct offline_watch *w, struct weir_engine *engine)
{
	*w = (struct offline_watch){.hook.see = see, .engine = engine};
}

/* ---- the end of its way ---- */

/*
 * In the place of 80_neigh_out: nobody answers ARP here, so no neighbour is asked for. What would
 * wait for one is sent.
 */
static enum weir_verdict out_one(struct rte_mbuf *m, const struct weir_l3 *l3)
{
	struct weir_meta *meta = weir_meta(m);
	const struct weir_hop *hop;

	if (meta->hop >= l3->n_hops)
		return weir_say_drop(m, WEIR_DROP_NO_ROUTE);
	hop = &l3->hops[meta->hop];
	if (hop->kind != WEIR_HOP_GATEWAY && hop->kind != WEIR_HOP_LINK &&
	    hop->kind != WEIR_HOP_BROADCAST)
		return weir_say_drop(m, WEIR_DROP_NO_ROUTE);
	meta->iface_out = hop->iface;
	meta->port_out = l3->ifaces[hop->iface].port;
	return WEIR_TX;
}

static void out_process(void *self, struct weir_burst *b)
{
	for (uint16_t i = 0; i < b->n; i++)
		b->verdict[i] = (uint8_t)out_one(b->pkt[i], b->pass->gen->l3);
}

const struct weir_node_ops offline_neigh_out = {
	.name = "neigh_out",
	.stage = 80,
	.takes = WEIR_OUT,
	.may = WEIR_MAY(WEIR_TX) | WEIR_MAY(WEIR_DROP),
	.process = out_process,
};
