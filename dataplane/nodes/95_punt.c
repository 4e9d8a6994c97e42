/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 95_punt: the kernel's business.
 *
 * Takes:  PUNT; frames as they came in, with meta.port_in set.
 * Says:   HELD for what the kernel path took; DROP if the port has none (PUNT_OFF), or more come
 *         than limits.punt_pps allows or the thread behind the ring can write (PUNT_FULL).
 * Holds:  nothing; the ring holds packets until they are written to the TAP.
 */

#include <weir/nodes.h>

#include <errno.h>
#include <rte_branch_prediction.h>
#include <stdlib.h>
#include <weir/bucket.h>
#include <weir/shard.h>

#include "punt_priv.h"

#define BURSTS_PER_S 100 /* the bucket holds a hundredth of a second's packets */

struct punt_node {
	struct weir_shard *shard;
	struct weir_bucket pps;
};

static enum weir_verdict punt_one(struct punt_node *n, struct rte_mbuf *m, uint64_t now_ns)
{
	struct weir_punt *p = n->shard->punt;

	if (p == NULL || !punt_has(p, weir_meta(m)->port_in))
		return weir_say_drop(m, WEIR_DROP_PUNT_OFF);
	if (unlikely(!weir_bucket_take(&n->pps, 1, now_ns)))
		return weir_say_drop(m, WEIR_DROP_PUNT_FULL);
	if (unlikely(!punt_put(p, n->shard->worker, m)))
		return weir_say_drop(m, WEIR_DROP_PUNT_FULL);
	return WEIR_HELD;
}

static void punt_process(void *self, struct weir_burst *b)
{
	for (uint16_t i = 0; i < b->n; i++)
		b->verdict[i] = (uint8_t)punt_one(self, b->pkt[i], b->pass->now_ns);
}

static int punt_create(struct weir_shard *shard, void **self)
{
	const uint64_t pps = shard->limits.punt_pps;
	struct punt_node *n = calloc(1, sizeof(*n));
	int rc;

	if (n == NULL)
		return -ENOMEM;
	n->shard = shard;
	rc = weir_bucket_init(&n->pps, pps, RTE_MAX(pps / BURSTS_PER_S, UINT64_C(1)), 0);
	if (rc < 0) {
		free(n);
		return rc;
	}
	*self = n;
	return 0;
}

const struct weir_node_ops weir_node_punt = {
	.name = "punt",
	.stage = 95,
	.takes = WEIR_PUNT,
	.may = WEIR_MAY(WEIR_HELD) | WEIR_MAY(WEIR_DROP),
	.create = punt_create,
	.free = free,
	.process = punt_process,
};
