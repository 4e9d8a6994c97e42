/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 00_rx: take a burst from each queue of this worker.
 *
 * Takes:  nothing; it is where packets come in.
 * Says:   NEXT, with meta cleared and meta.port_in set.
 * Holds:  nothing.
 *
 * A pass has room for all queues of most workers. Where it has not, the next pass begins with the
 * queue that got nothing, and half of the room is always left to 01_ring and 02_origin: what we
 * answer must not starve for what comes in.
 *
 * Where packets are to gather, nothing is taken for a while behind several of them: they come in a
 * row, and taken one by one each would cost system calls and cold caches. What comes alone, as to
 * one who waits for an answer, keeps nobody waiting; behind a full burst more are there already.
 */

#include <errno.h>
#include <rte_prefetch.h>
#include <stdlib.h>
#include <string.h>
#include <weir/nodes.h>
#include <weir/port.h>
#include <weir/shard.h>

/* Lines fetched this many packets ahead; 2 to 8 measured alike, 0 costs 3 cycles a packet. */
#define AHEAD 4

struct rx_node {
	struct weir_shard *shard;
	uint16_t first; /* of the queues, in this pass */
};

/* Take from one queue; returns how many. */
static uint16_t take(const struct weir_queue *from, struct rte_mbuf **pkt, uint16_t want)
{
	const uint16_t n = from->port->rx(from->port, from->queue, pkt, want);

	for (uint16_t i = 0; i < n; i++) {
		if (i + AHEAD < n) {
			rte_prefetch0(rte_pktmbuf_mtod(pkt[i + AHEAD], void *));
			rte_prefetch0(weir_meta(pkt[i + AHEAD]));
		}
		*weir_meta(pkt[i]) = (struct weir_meta){.port_in = from->port->id};
	}
	return n;
}

static void rx_process(void *self, struct weir_burst *b)
{
	struct rx_node *r = self;
	struct weir_shard *s = r->shard;
	uint16_t room = b->room / 2, q = r->first;

	if (b->pass->now_ns < s->gather_until_ns)
		return;
	for (uint16_t left = s->n_rxqs; left > 0 && room > 0; left--) {
		const uint16_t want = s->burst < room ? s->burst : room;
		const uint16_t n = take(&s->rxqs[q], &b->pkt[b->n], want);

		b->n += n;
		room -= n;
		q = q + 1u == s->n_rxqs ? 0 : (uint16_t)(q + 1);
	}
	r->first = q;
	if (b->n > 1 && b->n < s->burst)
		s->gather_until_ns = b->pass->now_ns + s->gather_ns;
	memset(b->verdict, WEIR_NEXT, b->n);
}

static int rx_create(struct weir_shard *shard, void **self)
{
	struct rx_node *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	r->shard = shard;
	*self = r;
	return 0;
}

const struct weir_node_ops weir_node_rx = {
	.name = "rx",
	.stage = 0,
	.takes = WEIR_HELD,
	.may = WEIR_MAY(WEIR_NEXT),
	.source = true,
	.create = rx_create,
	.free = free,
	.process = rx_process,
};
