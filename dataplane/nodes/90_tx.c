/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 90_tx: give frames to their ports.
 *
 * Takes:  whole frames with meta.port_out set.
 * Says:   HELD for what a port (or the worker that has a queue there) took; DROP for the rest.
 * Holds:  nothing; a port holds what it took until it is sent.
 *
 * A TCP segment that is to be cut, by a port that cannot, is cut here: its pieces count as one
 * here, and each by itself if it is dropped.
 */

#include "handoff_priv.h"

#include <string.h>
#include <weir/nodes.h>
#include <weir/offload.h>
#include <weir/port.h>
#include <weir/shard.h>

/* A port that took only a part is asked once more before the rest is dropped. */
#define TRIES 2
/* Ethernet header and two tags: what a frame may have beyond the MTU. */
#define L2_MAX 22

/* A copy in one piece, for a port that cannot send chains; NULL if it does not fit a buffer. */
static struct rte_mbuf *in_one_piece(struct weir_shard *s, struct rte_mbuf *m)
{
	struct rte_mbuf *copy;

	if (rte_pktmbuf_linearize(m) == 0)
		return m;
	copy = rte_pktmbuf_alloc(s->pool);
	if (copy == NULL || m->pkt_len > rte_pktmbuf_tailroom(copy)) {
		rte_pktmbuf_free(copy);
		return NULL;
	}
	for (const struct rte_mbuf *seg = m; seg != NULL; seg = seg->next)
		memcpy(rte_pktmbuf_append(copy, seg->data_len), rte_pktmbuf_mtod(seg, const void *),
		       seg->data_len);
	*weir_meta(copy) = *weir_meta(m);
	/* checksums are still to be made */
	copy->ol_flags |= m->ol_flags & (WEIR_OFFLOAD_TX | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
	copy->tx_offload = m->tx_offload;
	weir_count(&s->counters.tx_copied, 1);
	rte_pktmbuf_free(m);
	return copy;
}

/* Bytes of the longest frame that it will be. */
static uint32_t frame_bytes(const struct rte_mbuf *m)
{
	if (!weir_offload_is_long(m))
		return m->pkt_len;
	return (uint32_t)(m->l2_len + m->l3_len + m->l4_len) + m->tso_segsz;
}

static inline bool asks(const struct rte_mbuf *m)
{
	return m->ol_flags & (WEIR_OFFLOAD_TX | RTE_MBUF_F_TX_TCP_SEG);
}

/* What an odd frame needs before its port can take it; DROP if it cannot be sent at all. */
static __rte_noinline enum weir_drop fit(struct weir_shard *s, const struct weir_queue *q,
					 struct rte_mbuf **pkt)
{
	struct weir_port *p = q->port;
	struct rte_mbuf *m = *pkt;

	if (frame_bytes(m) > (uint32_t)p->mtu + L2_MAX)
		return WEIR_DROP_TX_TOO_LONG;
	if (m->nb_segs > 1 && !(p->caps & WEIR_PORT_TX_SEGS)) {
		m = in_one_piece(s, m);
		if (m == NULL)
			return WEIR_DROP_NO_MBUF;
		*pkt = m;
	}
	if (m->ol_flags & WEIR_OFFLOAD_TX)
		weir_count(&s->counters.csum_software, weir_offload_finish(m, p->caps));
	if (asks(m) && p->prepare != NULL && p->prepare(p, q->queue, pkt, 1) == 0)
		return WEIR_DROP_TX_REFUSED;
	return WEIR_DROP_NONE;
}

static inline bool odd(const struct rte_mbuf *m, const struct weir_port *p)
{
	return m->nb_segs > 1 || asks(m) || m->pkt_len > p->mtu;
}

/* Give frames to the worker that has a queue where we have none. */
static void pass_on(struct weir_shard *s, uint16_t port, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		weir_meta(pkts[i])->origin_verdict = WEIR_TX;
	handoff_give(s->handoff, s->handoff->tx_worker[port], pkts, n);
}

/* @return how many the port has taken. */
static uint16_t give(const struct weir_queue *q, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t sent = 0;

	for (unsigned t = 0; t < TRIES && sent < n; t++)
		sent += q->port->tx(q->port, q->queue, &pkts[sent], n - sent);
	return sent;
}

/* A TCP segment that its port does not cut: the pieces leave one after the other. */
static __rte_noinline void send_pieces(struct weir_shard *s, const struct weir_queue *q,
				       struct rte_mbuf *m)
{
	struct rte_mbuf *piece[WEIR_OFFLOAD_PIECES];
	const unsigned n = weir_offload_cut(m, s->pool, piece);
	uint16_t ready = 0;

	if (n == 0) {
		weir_drop(s, m, WEIR_DROP_NO_MBUF);
		return;
	}
	weir_count(&s->counters.tx_cut, 1);
	rte_pktmbuf_free(m);
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *p = piece[i];
		const enum weir_drop why = fit(s, q, &p);

		if (why != WEIR_DROP_NONE)
			weir_drop(s, p, why);
		else
			piece[ready++] = p;
	}
	for (uint16_t sent = give(q, piece, ready); sent < ready; sent++)
		weir_drop(s, piece[sent], WEIR_DROP_TX_FULL);
}

static bool is_to_cut(struct rte_mbuf *m, const struct weir_port *p)
{
	if (!weir_offload_is_long(m))
		return false;
	m->l2_len = weir_meta(m)->l3_off; /* its maker did not know what stands there now */
	return !(p->caps & WEIR_PORT_TSO) || (p->tso_mbufs != 0 && m->nb_segs > p->tso_mbufs);
}

/* Those that are ready, and wait since @from. */
static void flush(const struct weir_queue *q, struct rte_mbuf **pkts, uint8_t *verdict,
		  uint16_t from, uint16_t ready)
{
	for (uint16_t at = from + give(q, &pkts[from], ready - from); at < ready; at++)
		verdict[at] = (uint8_t)weir_say_drop(pkts[at], WEIR_DROP_TX_FULL);
}

/* All leave by one port. */
static void send_to_one(struct weir_shard *s, struct rte_mbuf **pkts, uint8_t *verdict, uint16_t n)
{
	const uint16_t id = weir_meta(pkts[0])->port_out;
	const struct weir_queue *q = &s->txq[id];
	uint16_t from = 0, ready = 0;

	memset(verdict, WEIR_HELD, n);
	if (q->port == NULL) {
		pass_on(s, id, pkts, n);
		return;
	}
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		enum weir_drop why = WEIR_DROP_NONE;

		if (unlikely(odd(m, q->port))) {
			if (is_to_cut(m, q->port)) { /* behind those before it */
				flush(q, pkts, verdict, from, ready);
				from = ready;
				send_pieces(s, q, m);
				continue;
			}
			why = fit(s, q, &m);
		}
		if (unlikely(why != WEIR_DROP_NONE))
			weir_drop(s, m, why);
		else
			pkts[ready++] = m;
	}
	flush(q, pkts, verdict, from, ready);
}

/*
 * Bring the frames of each port together, in their order, and only then send: a frame that is sent
 * may be received anew by another worker at once, and what we read of it be another packet's.
 */
static void send_by_port(struct weir_shard *s, struct weir_burst *b)
{
	struct rte_mbuf *sorted[WEIR_PASS_PKTS];
	uint16_t end[WEIR_PORTS_MAX], at = 0;
	uint32_t ports = 0, left;

	for (uint16_t i = 0; i < b->n; i++)
		ports |= UINT32_C(1) << weir_meta(b->pkt[i])->port_out;
	for (left = ports; left != 0; left &= left - 1) {
		const uint16_t id = (uint16_t)__builtin_ctz(left);

		for (uint16_t i = 0; i < b->n; i++)
			if (weir_meta(b->pkt[i])->port_out == id)
				sorted[at++] = b->pkt[i];
		end[id] = at;
	}
	at = 0;
	for (left = ports; left != 0; left &= left - 1) {
		const uint16_t id = (uint16_t)__builtin_ctz(left);

		send_to_one(s, &sorted[at], &b->verdict[at], end[id] - at);
		at = end[id];
	}
	memcpy(b->pkt, sorted, at * sizeof(sorted[0]));
}

static void tx_process(void *self, struct weir_burst *b)
{
	struct weir_shard *s = self;
	const uint16_t first = weir_meta(b->pkt[0])->port_out;
	uint16_t differ = 0;

	for (uint16_t i = 1; i < b->n; i++)
		differ |= weir_meta(b->pkt[i])->port_out ^ first;
	if (likely(differ == 0))
		send_to_one(s, b->pkt, b->verdict, b->n);
	else
		send_by_port(s, b);
}

static int tx_create(struct weir_shard *shard, void **self)
{
	*self = shard;
	return 0;
}

const struct weir_node_ops weir_node_tx = {
	.name = "tx",
	.stage = 90,
	.takes = WEIR_TX,
	.may = WEIR_MAY(WEIR_DROP) | WEIR_MAY(WEIR_HELD),
	.create = tx_create,
	.process = tx_process,
};
