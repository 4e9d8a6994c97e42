/* SPDX-License-Identifier: BSD-3-Clause */

/* The rings of 01_ring. */

#include "handoff_priv.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Copies of ARP and ND a second: enough to learn, too few to be a weapon. */
#define COPIES_PER_S 2000

int handoff_create(uint16_t workers, int numa, struct weir_handoff **out)
{
	struct weir_handoff *ends = calloc(workers, sizeof(*ends));
	char name[RTE_RING_NAMESIZE];
	int rc = 0;

	if (ends == NULL)
		return -ENOMEM;
	for (uint16_t a = 0; rc == 0 && a < workers; a++) {
		ends[a].worker = a;
		ends[a].workers = workers;
		rc = weir_bucket_init(&ends[a].copies, COPIES_PER_S, COPIES_PER_S, 0);
	}
	if (rc < 0)
		goto err;
	rc = -ENOMEM;
	for (uint16_t a = 0; a < workers; a++) {
		for (uint16_t b = 0; b < workers; b++) {
			struct rte_ring *r;

			if (a == b)
				continue;
			snprintf(name, sizeof(name), "weir_%u_to_%u", a, b);
			r = rte_ring_create(name, HANDOFF_RING_PKTS, numa,
					    RING_F_SP_ENQ | RING_F_SC_DEQ);
			if (r == NULL)
				goto err;
			ends[a].to[b] = r;
			ends[b].from[a] = r;
		}
	}
	*out = ends;
	return 0;
err:
	handoff_free(ends);
	return rc;
}

void handoff_drop(struct weir_handoff *ends)
{
	const uint16_t workers = ends == NULL ? 0 : ends->workers;
	struct rte_mbuf *m;

	for (uint16_t to = 0; to < workers; to++)
		for (uint16_t w = 0; w < workers; w++)
			while (w != to && rte_ring_sc_dequeue(ends[to].from[w], (void **)&m) == 0)
				weir_drop(ends[to].shard, m, WEIR_DROP_STOPPING);
}

void handoff_free(struct weir_handoff *ends)
{
	const uint16_t workers = ends == NULL ? 0 : ends->workers;
	struct rte_mbuf *m;

	for (uint16_t a = 0; a < workers; a++) {
		for (uint16_t b = 0; b < workers; b++) {
			struct rte_ring *r = ends[a].to[b];

			while (r != NULL && rte_ring_sc_dequeue(r, (void **)&m) == 0)
				rte_pktmbuf_free(m);
			rte_ring_free(r);
		}
	}
	free(ends);
}

void handoff_give(struct weir_handoff *h, uint16_t to, struct rte_mbuf **pkts, uint16_t n)
{
	const uint16_t put =
		(uint16_t)rte_ring_sp_enqueue_burst(h->to[to], (void *const *)pkts, n, NULL);

	h->woken |= UINT64_C(1) << to;
	for (uint16_t i = put; i < n; i++)
		weir_drop(h->shard, pkts[i], WEIR_DROP_RING_FULL);
}

void handoff_copy(struct weir_handoff *h, struct rte_mbuf *m, uint64_t now_ns)
{
	if (h == NULL)
		return;
	for (uint16_t w = 0; w < h->workers; w++) {
		struct rte_mbuf *copy;

		if (w == h->worker || !weir_bucket_take(&h->copies, 1, now_ns))
			continue;
		copy = rte_pktmbuf_copy(m, h->shard->pool, 0, UINT32_MAX);
		if (copy == NULL) {
			weir_count(&h->shard->counters.drops[WEIR_DROP_NO_MBUF], 1);
			continue;
		}
		*weir_meta(copy) = *weir_meta(m);
		weir_meta(copy)->flags |= WEIR_META_LEARN;
		weir_meta(copy)->origin_verdict = WEIR_NEXT;
		handoff_give(h, w, &copy, 1);
	}
}

void handoff_wake(struct weir_handoff *h)
{
	/* What was put into a ring is seen before its owner is seen to be awake. */
	atomic_thread_fence(memory_order_seq_cst);
	for (; h->woken != 0; h->woken &= h->woken - 1)
		weir_engine_kick(h->engine[__builtin_ctzll(h->woken)]);
}
