/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 02_origin: what this worker sends itself, and what the kernel sends through us.
 *
 * Takes:  weir_origin_push() of the pass before; frames from the kernel path.
 * Says:   what was asked for: NEXT to be parsed and routed, OUT to a hop that is known,
 *         KNOWN for a packet of ours that has only to be routed, TX for a whole frame. Frames of
 *         the kernel that can belong to a flow, where flows are tracked: NEXT, or HELD for what
 *         went to the worker of the flow. 50_nat sends them.
 * Holds:  nothing.
 */

#include "handoff_priv.h"
#include "kernel/punt_priv.h"
#include "origin_priv.h"
#include "packet_priv.h"

#include <weir/nodes.h>
#include <weir/shard.h>
#include <weir/tracker.h>

/* An IP packet to one host: ARP and groups have no flow. */
static bool is_to_host(struct rte_mbuf *m)
{
	const uint8_t *at = rte_pktmbuf_mtod(m, const uint8_t *);
	const uint8_t *type = frame_type(at, at + rte_pktmbuf_data_len(m));

	return type != NULL && !(at[0] & 1) &&
	       ((type[0] == 0x08 && type[1] == 0x00) || (type[0] == 0x86 && type[1] == 0xdd));
}

static enum weir_verdict sent_one(struct weir_shard *s, struct rte_mbuf *m)
{
	uint16_t owner;

	if (s->tracker == NULL || s->tracker->stateless || !is_to_host(m))
		return WEIR_TX;
	owner = s->handoff == NULL ? s->worker : handoff_owner_sent(s->handoff, m);
	if (owner == s->worker)
		return WEIR_NEXT;
	weir_meta(m)->origin_verdict = WEIR_NEXT;
	handoff_give(s->handoff, owner, &m, 1);
	return WEIR_HELD;
}

static void origin_process(void *self, struct weir_burst *b)
{
	struct weir_shard *s = self;
	/* What a stack sends may take many passes: the kernel gets through meanwhile. */
	const uint16_t theirs = s->punt == NULL ? 0 : b->room / 4;

	b->n = origin_take(s->origin, b->pkt, (uint16_t)(b->room - theirs));
	for (uint16_t i = 0; i < b->n; i++)
		b->verdict[i] = weir_meta(b->pkt[i])->origin_verdict;
	if (s->punt != NULL) {
		const uint16_t n =
			punt_take(s->punt, s->worker, &b->pkt[b->n], (uint16_t)(b->room - b->n));

		for (uint16_t i = b->n; i < b->n + n; i++)
			b->verdict[i] = (uint8_t)sent_one(s, b->pkt[i]);
		b->n += n;
	}
}

static int origin_node_create(struct weir_shard *shard, void **self)
{
	*self = shard;
	return 0;
}

const struct weir_node_ops weir_node_origin = {
	.name = "origin",
	.stage = 2,
	.takes = WEIR_HELD,
	.may = WEIR_MAY(WEIR_NEXT) | WEIR_MAY(WEIR_KNOWN) | WEIR_MAY(WEIR_OUT) | WEIR_MAY(WEIR_TX) |
	       WEIR_MAY(WEIR_HELD),
	.source = true,
	.create = origin_node_create,
	.process = origin_process,
};
