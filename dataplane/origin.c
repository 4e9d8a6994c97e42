/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a worker sends itself: answers, errors, packets put together or waiting for a neighbour.
 * A ring of one pass's worth; 02_origin empties it at the start of the next pass. What a stack
 * sends can be more than a pass takes (a window of many connections at once), and waits behind it
 * in a row, linked by the user words of weir_meta.
 */

#include "origin_priv.h"

#include <errno.h>
#include <rte_branch_prediction.h>
#include <stdlib.h>
#include <weir/local.h>
#include <weir/shard.h>

/* Most times round the pipeline (DESIGN section 2). */
#define LAPS_MAX 2

struct weir_origin {
	struct weir_shard *shard;
	unsigned head; /* next to take */
	unsigned n;
	struct rte_mbuf *pkt[WEIR_PASS_PKTS];
	struct rte_mbuf *local_head, *local_tail; /* of a stack */
	unsigned n_local;
};

int origin_create(struct weir_shard *shard, struct weir_origin **out)
{
	struct weir_origin *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return -ENOMEM;
	o->shard = shard;
	*out = o;
	return 0;
}

static inline struct rte_mbuf **next_local(struct rte_mbuf *m)
{
	return (struct rte_mbuf **)&weir_meta(m)->user[0];
}

static struct rte_mbuf *take_local(struct weir_origin *o)
{
	struct rte_mbuf *m = o->local_head;

	o->local_head = *next_local(m);
	*next_local(m) = NULL;
	o->n_local--;
	return m;
}

void origin_free(struct weir_origin *o)
{
	if (o == NULL)
		return;
	while (o->n_local > 0)
		weir_drop(o->shard, take_local(o), WEIR_DROP_STOPPING);
	for (; o->n > 0; o->n--)
		weir_drop(o->shard, o->pkt[o->head++ % WEIR_PASS_PKTS], WEIR_DROP_STOPPING);
	free(o);
}

void weir_origin_push(struct weir_origin *o, struct rte_mbuf *m, enum weir_verdict verdict)
{
	struct weir_meta *meta = weir_meta(m);

	if (unlikely(o->n == WEIR_PASS_PKTS)) {
		weir_drop(o->shard, m, WEIR_DROP_ORIGIN_FULL);
		return;
	}
	if (unlikely(meta->laps == LAPS_MAX)) {
		weir_drop(o->shard, m, WEIR_DROP_LOOP);
		return;
	}
	meta->laps++;
	meta->origin_verdict = (uint8_t)verdict;
	o->pkt[(o->head + o->n++) % WEIR_PASS_PKTS] = m;
}

void origin_push_local(struct weir_origin *o, struct rte_mbuf *m)
{
	if (unlikely(o->n_local == WEIR_LOCAL_WAIT_PKTS)) {
		weir_drop(o->shard, m, WEIR_DROP_ORIGIN_FULL);
		return;
	}
	weir_meta(m)->laps = 1;
	weir_meta(m)->origin_verdict = WEIR_KNOWN;
	*next_local(m) = NULL;
	if (o->n_local++ == 0)
		o->local_head = m;
	else
		*next_local(o->local_tail) = m;
	o->local_tail = m;
}

uint16_t origin_take(struct weir_origin *o, struct rte_mbuf **pkts, uint16_t room)
{
	uint16_t n = o->n < room ? (uint16_t)o->n : room;

	for (uint16_t i = 0; i < n; i++)
		pkts[i] = o->pkt[(o->head + i) % WEIR_PASS_PKTS];
	o->head = (o->head + n) % WEIR_PASS_PKTS;
	o->n -= n;
	while (n < room && o->n_local > 0)
		pkts[n++] = take_local(o);
	return n;
}

bool origin_waits(const struct weir_origin *o)
{
	return o->n + o->n_local > 0;
}

struct rte_mbuf *weir_shard_alloc(struct weir_shard *s)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(s->pool);

	if (unlikely(m == NULL)) {
		weir_count(&s->counters.drops[WEIR_DROP_NO_MBUF], 1);
		return NULL;
	}
	*weir_meta(m) = (struct weir_meta){
		.flags = WEIR_META_OURS,
		.port_in = WEIR_NO_PORT,
		.iface_in = WEIR_NO_IFACE,
		.hop = WEIR_NO_HOP,
	};
	return m;
}
