/* SPDX-License-Identifier: BSD-3-Clause */

/* What is done to a packet that cannot be sent just as it is. */

#pragma once

#include "abi_priv.h"
#include "port_priv.h"

#include <stdbool.h>

/* What a packet may ask to have computed. */
#define XDP_TX_WORK                                                                      \
	(RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_OUTER_IP_CKSUM | \
	 RTE_MBUF_F_TX_OUTER_UDP_CKSUM | RTE_MBUF_F_TX_TCP_SEG)
/* Of these, what xdp_tx_prepare() left to the kernel: struct xsk_tx_request is in front of the
 * data. */
#define XDP_TX_REQUESTED RTE_MBUF_F_TX_L4_MASK

/* The direct mbuf that a segment's bytes are in, if they are in one. */
static inline const struct rte_mbuf *xdp_tx_home(const struct rte_mbuf *m)
{
	return RTE_MBUF_CLONED(m) ? rte_mbuf_from_indirect((struct rte_mbuf *)(uintptr_t)m) : m;
}

/* The address in a ring of a segment's data, which is in @home. */
static inline uint64_t xdp_tx_addr(const struct xdp_umem *u, const struct rte_mbuf *home,
				   const struct rte_mbuf *m)
{
	const uint64_t offset = (uint64_t)(rte_pktmbuf_mtod(m, const char *) - (const char *)home);

	return xdp_umem_addr(u, home) | offset << XDP_ADDR_BITS;
}

/* True if a direct mbuf and its data are in registered memory, and short enough for one descriptor.
 */
static inline bool xdp_tx_is_inside(const struct xdp_umem *u, const struct rte_mbuf *m)
{
	const uintptr_t data = rte_pktmbuf_mtod(m, uintptr_t);

	return (uintptr_t)m >= u->lo && data + m->data_len <= u->hi &&
	       m->data_len <= u->chunk_bytes && data - (uintptr_t)m <= UINT16_MAX;
}

/*
 * Make a packet fit to be sent: compute the checksums it asks for (or leave them to the kernel),
 * copy it if it lies elsewhere, is in too many pieces, or would have to be written while others
 * hold it. Returns true with @pkt (perhaps another mbuf now, which may be offered again) and the
 * descriptors it takes; false if it cannot be sent: freed, and counted.
 */
bool xdp_tx_prepare(struct xdp_txq *txq, struct rte_mbuf **pkt, uint32_t *descs);

/* Compute what a packet asks for, or prepare it so that the kernel does; false if it asks for
 * nonsense (tx_cksum.c). */
bool xdp_tx_cksum(struct xdp_txq *txq, struct rte_mbuf *m);
