/* SPDX-License-Identifier: BSD-3-Clause */

/* Packets that cannot be sent just as they are: several segments, checksums to compute, foreign
 * memory. */

#include "tx_priv.h"

#include <rte_ether.h>

/* What the kernel takes of one buffer: a chunk, its own request for the checksum included. */
static uint32_t most_bytes(const struct xdp_umem *u)
{
	return u->chunk_bytes - (uint32_t)sizeof(struct xsk_tx_request);
}

static bool is_sendable(const struct xdp_umem *u, const struct rte_mbuf *m)
{
	const struct rte_mbuf *h = xdp_tx_home(m);
	const uintptr_t data = rte_pktmbuf_mtod(m, uintptr_t);

	return !RTE_MBUF_HAS_EXTBUF(m) && !RTE_MBUF_HAS_EXTBUF(h) && (uintptr_t)h >= u->lo &&
	       data > (uintptr_t)h && data + m->data_len <= u->hi && m->data_len > 0 &&
	       m->data_len <= most_bytes(u) && data - (uintptr_t)h <= UINT16_MAX;
}

/* True if a header can be written without anybody else seeing it. */
static bool is_ours(const struct rte_mbuf *m)
{
	return RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1;
}

static bool must_copy(const struct xdp_txq *txq, const struct rte_mbuf *m)
{
	const uint32_t most = txq->port->modes.scatter ? XDP_MAX_SEGS : 1;

	if (m->nb_segs > most || ((m->ol_flags & XDP_TX_WORK) && !is_ours(m)))
		return true;
	for (; m != NULL; m = m->next)
		if (!is_sendable(&txq->port->umem, m))
			return true;
	return false;
}

static bool refuse(struct rte_mbuf *m, uint64_t *counter)
{
	(*counter)++;
	rte_pktmbuf_free(m);
	return false;
}

/* In pieces that the kernel takes, for a pool's buffers may be larger. */
static struct rte_mbuf *copy_of(const struct xdp_port *port, const struct rte_mbuf *m)
{
	const uint32_t most = most_bytes(&port->umem);
	const bool fits = rte_pktmbuf_data_room_size(port->pool) <= most;
	struct rte_mbuf *copy = rte_pktmbuf_copy(m, port->pool, 0, fits ? UINT32_MAX : most);

	while (copy != NULL && copy->pkt_len < m->pkt_len) {
		struct rte_mbuf *piece = rte_pktmbuf_copy(m, port->pool, copy->pkt_len, most);

		if (piece == NULL || rte_pktmbuf_chain(copy, piece) < 0) {
			rte_pktmbuf_free(piece);
			rte_pktmbuf_free(copy);
			return NULL;
		}
	}
	return copy;
}

static bool copy(struct xdp_txq *txq, struct rte_mbuf **pkt)
{
	struct rte_mbuf *m = copy_of(txq->port, *pkt);

	if (m == NULL)
		return refuse(*pkt, &txq->stats.no_mbuf);
	txq->stats.copied++;
	txq->stats.copied_bytes += m->pkt_len;
	rte_pktmbuf_free(*pkt);
	*pkt = m;
	return true;
}

bool xdp_tx_prepare(struct xdp_txq *txq, struct rte_mbuf **pkt, uint32_t *descs)
{
	if ((*pkt)->pkt_len < RTE_ETHER_HDR_LEN || ((*pkt)->ol_flags & RTE_MBUF_F_TX_TCP_SEG))
		return refuse(*pkt, &txq->stats.bad);
	if (must_copy(txq, *pkt)) {
		if (!copy(txq, pkt))
			return false;
		if (must_copy(txq, *pkt)) /* it does not fit even into buffers of ours */
			return refuse(*pkt, &txq->stats.bad);
	}
	if (((*pkt)->ol_flags & XDP_TX_WORK) && !xdp_tx_cksum(txq, *pkt))
		return refuse(*pkt, &txq->stats.bad);
	*descs = (*pkt)->nb_segs;
	return true;
}
