/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 02_origin: what this worker sends itself, and what the kernel sends through us.
 *
 * Takes:  weir_origin_push() of the pass before; frames from the kernel path.
 * Says:   what was asked for: NEXT to be parsed and routed, OUT to a hop that is known,
 *         KNOWN for a packet of ours that has only to be routed, TX for a whole frame.
 * Holds:  nothing.
 */

#include "kernel/punt_priv.h"
#include "origin_priv.h"

#include <string.h>
#include <weir/nodes.h>
#include <weir/shard.h>

static void origin_process(void *self, struct weir_burst *b)
{
	struct weir_shard *s = self;

	b->n = origin_take(s->origin, b->pkt, b->room);
	for (uint16_t i = 0; i < b->n; i++)
		b->verdict[i] = weir_meta(b->pkt[i])->origin_verdict;
	if (s->punt != NULL) {
		const uint16_t n =
			punt_take(s->punt, s->worker, &b->pkt[b->n], (uint16_t)(b->room - b->n));

		memset(&b->verdict[b->n], WEIR_TX, n);
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
	.may = WEIR_MAY(WEIR_NEXT) | WEIR_MAY(WEIR_KNOWN) | WEIR_MAY(WEIR_OUT) | WEIR_MAY(WEIR_TX),
	.source = true,
	.create = origin_node_create,
	.process = origin_process,
};
