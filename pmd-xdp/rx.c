/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Receive: descriptors become mbufs, and new buffers take their place in the fill ring.
 *
 * A queue has as many buffers with the kernel as it has descriptors, always: what is taken is owed,
 * and replaced at once if the pool can. So the receive ring never overflows before the fill ring is
 * empty.
 */

#include "port_priv.h"
#include "rx_meta_priv.h"

#include <errno.h>
#include <sys/socket.h>

#define AHEAD	   4  /* mbufs prefetched; 2 to 8 measure alike */
#define FILL_BATCH 64 /* buffers got from the pool at once */
#define FILL_LEAST 16 /* owed before the fill ring is touched */

static void wake(struct xdp_rxq *rxq, const struct xdp_sock *sock)
{
	rxq->stats.wakeups++;
	recvfrom(xdp_fds[rxq->port->port_id][sock->index], NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

/* As many as the pool has, up to @n: half as many at each refusal. */
static unsigned get_some(struct rte_mempool *pool, struct rte_mbuf **pkts, unsigned n)
{
	for (; n > 0; n /= 2)
		if (rte_mempool_get_bulk(pool, (void **)pkts, n) == 0)
			break;
	return n;
}

static void fill(struct xdp_rxq *rxq, struct xdp_sock *sock, struct xdp_channel *ch)
{
	const struct xdp_umem *umem = &rxq->port->umem;
	const uint16_t port_id = rxq->port->port_id;
	struct rte_mbuf *m[FILL_BATCH];
	unsigned want, got;

	do {
		want = xdp_ring_free(&ch->fill, RTE_MIN(sock->owed, (uint32_t)FILL_BATCH));
		got = get_some(rxq->pool, m, want);
		for (unsigned i = 0; i < got; i++) {
			m[i]->data_off = XDP_MARK;
			m[i]->port = port_id;
			*xdp_ring_addr(&ch->fill, ch->fill.head + i) = xdp_umem_addr(umem, m[i]);
		}
		xdp_ring_submit(&ch->fill, got);
		sock->owed -= got;
		rxq->stats.no_mbuf += got < want;
	} while (got == FILL_BATCH);
}

void xdp_rx_refill(struct xdp_rxq *rxq, struct xdp_sock *sock)
{
	struct xdp_channel *ch = sock->channel;

	if (!ch->fill_shared) {
		fill(rxq, sock, ch);
	} else if (rte_spinlock_trylock(&ch->fill_lock)) {
		fill(rxq, sock, ch);
		rte_spinlock_unlock(&ch->fill_lock);
	} else {
		rxq->stats.fill_busy++;
		return;
	}
	if (xdp_ring_asks_wakeup(&ch->fill))
		wake(rxq, sock);
}

/*
 * What is read first of the packets that come first: their mbufs, headers and short payloads. Their
 * lines are with the kernel's core, and whoever got few packets waits for each.
 */
static inline void fetch_first(const struct xdp_umem *umem, const struct xdp_ring *ring, uint32_t n)
{
	for (uint32_t i = 0; i < n && i < AHEAD; i++) {
		const uint64_t addr = xdp_ring_desc(ring, ring->head + i)->addr;
		const char *m = (const char *)xdp_umem_mbuf(umem, addr);
		const char *data = m + (addr >> XDP_ADDR_BITS);

		rte_prefetch0(data);
		rte_prefetch0(data + RTE_CACHE_LINE_SIZE);
		rte_prefetch0(m);
	}
}

static inline struct rte_mbuf *take(const struct xdp_port *port, const struct xdp_desc *desc)
{
	struct rte_mbuf *m = xdp_umem_mbuf(&port->umem, desc->addr);

	/* data_off, refcnt, nb_segs and port in one store */
	*(uint64_t *)((char *)m + offsetof(struct rte_mbuf, rearm_data)) =
		port->rearm + (desc->addr >> XDP_ADDR_BITS);
	m->ol_flags = port->claims;
	m->packet_type = 0;
	m->pkt_len = desc->len;
	m->data_len = (uint16_t)desc->len;
	return m;
}

static uint16_t take_plain(struct xdp_rxq *rxq, struct xdp_sock *sock, struct rte_mbuf **pkts,
			   uint16_t n)
{
	const struct xdp_port *port = rxq->port;
	struct xdp_ring *ring = &sock->rx;
	uint64_t bytes = 0;

	n = (uint16_t)xdp_ring_ready(ring, n);
	fetch_first(&port->umem, ring, n);
	for (uint16_t i = 0; i < n; i++) {
		if (i + AHEAD < n)
			rte_prefetch0(xdp_umem_mbuf(
				&port->umem, xdp_ring_desc(ring, ring->head + i + AHEAD)->addr));
		pkts[i] = take(port, xdp_ring_desc(ring, ring->head + i));
		bytes += pkts[i]->pkt_len;
	}
	if (n > 0)
		xdp_ring_release(ring, n);
	rxq->stats.bytes += bytes;
	sock->owed += n;
	return n;
}

/* Append a descriptor to the packet in hand; true when the packet is whole. */
static inline bool join(struct xdp_sock *sock, struct rte_mbuf *m, uint32_t options)
{
	if (sock->first == NULL) {
		sock->first = m;
	} else {
		sock->last->next = m;
		sock->first->nb_segs++;
		sock->first->pkt_len += m->data_len;
	}
	sock->last = m;
	return (options & XSK_PKT_CONTD) == 0;
}

static uint16_t take_rich(struct xdp_rxq *rxq, struct xdp_sock *sock, struct rte_mbuf **pkts,
			  uint16_t n)
{
	const struct xdp_port *port = rxq->port;
	/* Sockets that may send packets of several descriptors get them too. */
	const bool scatter = (port->rx_offloads & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;
	struct xdp_ring *ring = &sock->rx;
	uint32_t ready, used = 0;
	uint16_t got = 0;

	/* A packet of several descriptors is shown whole, so this many are enough for n packets. */
	ready = xdp_ring_ready(ring, (uint32_t)n * XDP_MAX_SEGS);
	while (used < ready && got < n) {
		const struct xdp_desc *desc = xdp_ring_desc(ring, ring->head + used++);
		struct rte_mbuf *m = take(port, desc);

		if (port->modes.meta && sock->first == NULL)
			xdp_rx_meta(port, m);
		if (!join(sock, m, desc->options))
			continue;
		m = sock->first;
		sock->first = NULL;
		if (unlikely(m->nb_segs > 1 && !scatter)) {
			rte_pktmbuf_free(m);
			rxq->stats.truncated++;
			continue;
		}
		if (port->verify)
			xdp_rx_verify(rxq, m);
		rxq->stats.bytes += m->pkt_len;
		pkts[got++] = m;
	}
	if (used > 0)
		xdp_ring_release(ring, used);
	sock->owed += used;
	return got;
}

static __rte_always_inline uint16_t receive(struct xdp_rxq *rxq, struct xdp_sock *sock,
					    struct rte_mbuf **pkts, uint16_t n, bool rich)
{
	const uint16_t got = rich ? take_rich(rxq, sock, pkts, n) : take_plain(rxq, sock, pkts, n);

	const bool asks = got == 0 && xdp_ring_asks_wakeup(&sock->channel->fill);

	rxq->stats.pkts += got;
	/*
	 * Few at a time are put off until a batch is owed or the ring stays dry: whoever found it
	 * dry once may have an answer to send first.
	 */
	if (sock->owed >= FILL_LEAST || (got == 0 && sock->owed > 0 && (asks || sock->dry)))
		xdp_rx_refill(rxq, sock);
	else if (asks || (got == 0 && rxq->port->modes.busy_poll))
		wake(rxq, sock);
	sock->dry = got == 0;
	return got;
}

static __rte_always_inline uint16_t receive_all(struct xdp_rxq *rxq, struct rte_mbuf **pkts,
						uint16_t n, bool rich)
{
	uint16_t got = 0, at;

	if (rxq->n_socks == 1)
		return receive(rxq, rxq->socks[0], pkts, n, rich);
	at = rxq->turn;
	for (uint16_t i = 0; i < rxq->n_socks && got < n; i++) {
		got += receive(rxq, rxq->socks[at], pkts + got, n - got, rich);
		at = at + 1 == rxq->n_socks ? 0 : at + 1;
	}
	rxq->turn = at;
	return got;
}

uint16_t xdp_rx_burst(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	return receive_all(queue, pkts, n, false);
}

uint16_t xdp_rx_burst_rich(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	return receive_all(queue, pkts, n, true);
}
