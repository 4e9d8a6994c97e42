/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Packets of any number of segments, cut at either end.
 */

#include "stack_priv.h"

void pkt_keep(struct rte_mbuf *m, uint32_t bytes)
{
	struct rte_mbuf *last = m;
	uint32_t left = bytes;
	uint16_t segs = 1;

	if (bytes == m->pkt_len)
		return;
	for (; left > last->data_len; segs++) {
		left -= last->data_len;
		last = last->next;
	}
	rte_pktmbuf_free(last->next);
	last->next = NULL;
	last->data_len = (uint16_t)left;
	m->nb_segs = segs;
	m->pkt_len = bytes;
}

struct rte_mbuf *pkt_skip(struct rte_mbuf *m, uint32_t bytes)
{
	while (bytes >= m->data_len && m->next != NULL) {
		struct rte_mbuf *next = m->next;

		bytes -= m->data_len;
		next->pkt_len = m->pkt_len - m->data_len;
		next->nb_segs = (uint16_t)(m->nb_segs - 1);
		*weir_meta(next) = *weir_meta(m);
		rte_pktmbuf_free_seg(m);
		m = next;
	}
	rte_pktmbuf_adj(m, (uint16_t)bytes);
	return m;
}
