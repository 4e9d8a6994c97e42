/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 65_host: a host forwards nothing (RFC 1122 section 3.3.1).
 *
 * Takes:  OUT, of 60_route.
 * Says:   OUT of our own packets; DROP (NO_FORWARDING) of others'.
 * Holds:  nothing.
 *
 * For programs that end connections; without this stage they are routers.
 */

#include <weir/nodes.h>

#include "packet_priv.h"

static void host_process(void *self, struct weir_burst *b)
{
	for (uint16_t i = 0; i < b->n; i++)
		b->verdict[i] =
			weir_meta(b->pkt[i])->flags & WEIR_META_OURS
				? (uint8_t)WEIR_OUT
				: (uint8_t)weir_say_drop(b->pkt[i], WEIR_DROP_NO_FORWARDING);
}

static int host_create(struct weir_shard *shard, void **self)
{
	*self = shard;
	return 0;
}

const struct weir_node_ops weir_node_host = {
	.name = "host",
	.stage = 65,
	.takes = WEIR_OUT,
	.may = WEIR_MAY(WEIR_OUT) | WEIR_MAY(WEIR_DROP),
	.create = host_create,
	.process = host_process,
};
