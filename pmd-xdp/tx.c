/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Transmit: an mbuf in the registered memory is sent where it lies, any other is copied and
 * counted.
 *
 * A sent mbuf comes back through the completion ring by its address. One that we own alone carries
 * a mark until then, so that nothing is lost when the port stops before the kernel has answered.
 */

#include "tx_priv.h"

#include <rte_ether.h>

#include <errno.h>
#include <sys/socket.h>

#define AHEAD	      4
#define RECLAIM_MOST  512 /* completions taken in one go */
#define RECLAIM_BATCH 64
#define KICKS_MOST    8 /* system calls for one burst, if the kernel takes few packets each */

int xdp_tx_kick(struct xdp_txq *txq)
{
	const int fd = xdp_fds[txq->port->port_id][txq->sock->index];

	txq->kick = false;
	for (unsigned i = 0; i < KICKS_MOST; i++) {
		txq->stats.wakeups++;
		if (sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
			return 0;
		txq->kick = true; /* again at the next burst */
		if (errno != EAGAIN && errno != EBUSY && errno != ENOBUFS) {
			txq->stats.wakeup_error++;
			return -errno;
		}
		txq->stats.wakeup_again++;
		if (errno != EAGAIN)
			return -errno;
	}
	return -EAGAIN;
}

/* Several mbufs of one pool go back in one piece; those that others still hold, one by one. */
static void free_sent(const struct xdp_umem *umem, const struct xdp_ring *ring, uint32_t n)
{
	struct rte_mbuf *idle[RECLAIM_BATCH];
	struct rte_mempool *pool = NULL;
	unsigned held = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = xdp_umem_mbuf(umem, *xdp_ring_addr(ring, ring->head + i));

		if (i + AHEAD < n)
			rte_prefetch0(
				xdp_umem_mbuf(umem, *xdp_ring_addr(ring, ring->head + i + AHEAD)));
		if (m->data_off == XDP_MARK)
			m->data_off = RTE_PKTMBUF_HEADROOM;
		m = rte_pktmbuf_prefree_seg(m);
		if (m == NULL)
			continue;
		if (m->pool != pool && held > 0) {
			rte_mempool_put_bulk(pool, (void **)idle, held);
			held = 0;
		}
		pool = m->pool;
		idle[held++] = m;
	}
	if (held > 0)
		rte_mempool_put_bulk(pool, (void **)idle, held);
}

static void reclaim(struct xdp_port *port, struct xdp_channel *ch)
{
	uint32_t n;

	for (unsigned done = 0; done < RECLAIM_MOST; done += n) {
		n = xdp_ring_ready(&ch->comp, RECLAIM_BATCH);
		if (n == 0)
			return;
		free_sent(&port->umem, &ch->comp, n);
		xdp_ring_release(&ch->comp, n);
	}
}

void xdp_tx_reclaim(struct xdp_port *port, struct xdp_channel *ch)
{
	if (!ch->comp_shared) {
		reclaim(port, ch);
	} else if (rte_spinlock_trylock(&ch->comp_lock)) {
		reclaim(port, ch);
		rte_spinlock_unlock(&ch->comp_lock);
	}
}

/* One segment becomes one descriptor, which @m comes back from. What others hold too is left as it
 * is. */
static inline void put(struct xdp_txq *txq, uint32_t index, struct rte_mbuf *m, uint64_t addr,
		       uint32_t bytes, uint32_t options)
{
	struct xdp_desc *desc = xdp_ring_desc(&txq->sock->tx, index);

	*desc = (struct xdp_desc){.addr = addr, .len = bytes, .options = options};
	if (likely(rte_mbuf_refcnt_read(m) == 1)) {
		m->data_off = XDP_MARK;
		m->port = txq->port->port_id;
	}
}

/* True for what nearly every packet is: one direct segment in our memory, and nothing to compute.
 */
static inline bool is_plain(const struct xdp_umem *umem, const struct rte_mbuf *m)
{
	return m->nb_segs == 1 &&
	       (m->ol_flags & (XDP_TX_WORK | RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL)) == 0 &&
	       m->data_len >= RTE_ETHER_HDR_LEN && xdp_tx_is_inside(umem, m);
}

/* The mbuf that a segment's bytes are in, with a reference of ours: an indirect one gives its own
 * up. */
static struct rte_mbuf *own(struct rte_mbuf *m)
{
	struct rte_mbuf *direct;

	if (!RTE_MBUF_CLONED(m))
		return m;
	direct = rte_mbuf_from_indirect(m);
	rte_mbuf_refcnt_update(direct, 1);
	rte_pktmbuf_free_seg(m);
	return direct;
}

/* The segments of a packet that xdp_tx_prepare() has made fit. */
static uint32_t put_chain(struct xdp_txq *txq, uint32_t index, struct rte_mbuf *m)
{
	uint32_t options = m->ol_flags & XDP_TX_REQUESTED ? XSK_TX_METADATA : 0, n = 0;

	for (struct rte_mbuf *next; m != NULL; m = next) {
		const uint32_t bytes = m->data_len;
		const uint64_t addr = xdp_tx_addr(&txq->port->umem, xdp_tx_home(m), m);

		next = m->next;
		put(txq, index + n++, own(m), addr, bytes, options | (next ? XSK_PKT_CONTD : 0));
		options = 0;
	}
	return n;
}

uint16_t xdp_tx_burst(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct xdp_txq *txq = queue;
	struct xdp_ring *ring = &txq->sock->tx;
	const struct xdp_umem *umem = &txq->port->umem;
	uint32_t used = 0, room;
	uint64_t bytes = 0, sent = 0;
	uint16_t i;

	xdp_tx_reclaim(txq->port, txq->sock->channel);
	room = xdp_ring_free(ring, n);
	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		if (likely(is_plain(umem, m))) {
			if (unlikely(used == room))
				break;
			bytes += m->data_len;
			put(txq, ring->head + used++, m, xdp_tx_addr(umem, m, m), m->data_len, 0);
		} else {
			uint32_t need;

			if (!xdp_tx_prepare(txq, &m, &need))
				continue; /* counted and freed */
			if (room - used < need)
				room = xdp_ring_free(ring, used + need);
			if (room < used || room - used < need) {
				pkts[i] = m;
				break;
			}
			bytes += m->pkt_len;
			used += put_chain(txq, ring->head + used, m);
		}
		sent++;
	}
	if (used > 0)
		xdp_ring_submit(ring, used);
	txq->stats.pkts += sent;
	txq->stats.bytes += bytes;
	txq->stats.ring_full += n - i;
	if ((used > 0 && xdp_ring_asks_wakeup(ring)) || txq->kick)
		xdp_tx_kick(txq);
	return i;
}
