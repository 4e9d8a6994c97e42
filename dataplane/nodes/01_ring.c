/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 01_ring: each packet to the worker that owns its flow.
 *
 * Takes:  whole frames from 00_rx, and what other workers put into our rings.
 * Says:   NEXT if it is ours, TX for a frame that another worker could not send itself,
 *         HELD for what went to another worker.
 * Holds:  packets in the rings, until their worker takes them.
 *
 * Half of the room that the pass still has is left to 02_origin. A ring that found none is the
 * first of the next pass.
 */

#include "handoff_priv.h"

#include <weir/nodes.h>

/* Packets taken from one ring at once. */
#define RING_BURST 64

/* Send on what is not ours: collected by owner, so that each ring is touched once a burst. */
static void spread(struct weir_handoff *h, struct weir_burst *b)
{
	struct rte_mbuf *theirs[WEIR_PASS_PKTS];
	uint16_t owner[WEIR_PASS_PKTS];
	uint64_t owners = 0;

	for (uint16_t i = 0; i < b->n; i++) {
		const bool loose = h->spread & (UINT32_C(1) << weir_meta(b->pkt[i])->port_in);

		owner[i] = loose ? handoff_owner(h, b->pkt[i]) : h->worker;
		b->verdict[i] = owner[i] == h->worker ? WEIR_NEXT : WEIR_HELD;
		owners |= UINT64_C(1) << owner[i];
	}
	owners &= ~(UINT64_C(1) << h->worker);
	while (owners != 0) {
		const uint16_t to = (uint16_t)__builtin_ctzll(owners);
		uint16_t n = 0;

		for (uint16_t i = 0; i < b->n; i++)
			if (owner[i] == to)
				theirs[n++] = b->pkt[i];
		handoff_give(h, to, theirs, n);
		owners &= owners - 1;
	}
}

/* What other workers put into our rings, each with the verdict that it carries. */
static void take(struct weir_handoff *h, struct weir_burst *b)
{
	uint16_t room = b->room / 2, w = h->first;

	for (uint16_t left = h->workers; left > 0 && room > 0; left--) {
		const uint16_t want = room < RING_BURST ? room : RING_BURST;
		uint16_t n = 0;

		if (w != h->worker)
			n = (uint16_t)rte_ring_sc_dequeue_burst(h->from[w], (void **)&b->pkt[b->n],
								want, NULL);
		for (uint16_t i = 0; i < n; i++)
			b->verdict[b->n + i] = weir_meta(b->pkt[b->n + i])->origin_verdict;
		b->n += n;
		room -= n;
		w = w + 1u == h->workers ? 0 : (uint16_t)(w + 1);
	}
	h->first = w;
}

static void ring_process(void *self, struct weir_burst *b)
{
	struct weir_handoff *h = self;

	if (h == NULL || h->spread == 0)
		memset(b->verdict, WEIR_NEXT, b->n);
	else
		spread(h, b);
	if (h != NULL)
		take(h, b);
}

static int ring_create(struct weir_shard *shard, void **self)
{
	*self = shard->handoff;
	return 0;
}

const struct weir_node_ops weir_node_ring = {
	.name = "ring",
	.stage = 1,
	.takes = WEIR_NEXT,
	.may = WEIR_MAY(WEIR_NEXT) | WEIR_MAY(WEIR_TX) | WEIR_MAY(WEIR_HELD),
	.source = true,
	.create = ring_create,
	.process = ring_process,
};
