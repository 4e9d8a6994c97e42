/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 99_drop: count each packet under its reason and give its buffer back.
 *
 * Takes:  DROP, with meta.drop set.
 * Says:   HELD: there is no stage behind this one.
 * Holds:  nothing.
 */

#include <string.h>
#include <weir/nodes.h>
#include <weir/shard.h>

static void drop_process(void *self, struct weir_burst *b)
{
	struct weir_shard *s = self;

	for (uint16_t i = 0; i < b->n; i++)
		weir_count(&s->counters.drops[weir_meta(b->pkt[i])->drop], 1);
	rte_pktmbuf_free_bulk(b->pkt, b->n);
	memset(b->verdict, WEIR_HELD, b->n);
}

static int drop_create(struct weir_shard *shard, void **self)
{
	*self = shard;
	return 0;
}

const struct weir_node_ops weir_node_drop = {
	.name = "drop",
	.stage = 99,
	.takes = WEIR_DROP,
	.may = WEIR_MAY(WEIR_HELD),
	.create = drop_create,
	.process = drop_process,
};
