/* SPDX-License-Identifier: BSD-3-Clause */

/* What a received packet says beside its bytes: the program's metadata, and checksums that we
 * verify. */

#pragma once

#include "abi_priv.h"
#include "port_priv.h"

#include <rte_mbuf_dyn.h>

/* Read the program's metadata in front of a packet, if it is of this start of the port. */
static inline void xdp_rx_meta(const struct xdp_port *port, struct rte_mbuf *m)
{
	struct steer_meta *meta = rte_pktmbuf_mtod(m, struct steer_meta *) - 1;
	uint64_t flags = 0;

	if (unlikely(meta->cookie != port->cookie))
		return;
	meta->cookie = 0; /* or the buffer's next packet without metadata would have this one's */
	if (meta->flags & STEER_META_HASH) {
		m->hash.rss = meta->hash;
		flags |= RTE_MBUF_F_RX_RSS_HASH;
	}
	if (meta->flags & STEER_META_MARK) {
		m->hash.fdir.hi = meta->mark;
		flags |= RTE_MBUF_F_RX_FDIR | RTE_MBUF_F_RX_FDIR_ID;
	}
	if (meta->flags & STEER_META_VLAN) {
		m->vlan_tci = rte_be_to_cpu_16(meta->vlan_tci);
		flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	}
	if ((meta->flags & STEER_META_TIME) && port->time_offset >= 0) {
		*RTE_MBUF_DYNFIELD(m, port->time_offset, rte_mbuf_timestamp_t *) = meta->time_ns;
		flags |= port->time_flag;
	}
	m->ol_flags |= flags;
}

/* Verify what checksums a packet has, and say GOOD or BAD of each; UNKNOWN of what cannot be told
 * (rx_cksum.c). */
void xdp_rx_verify(struct xdp_rxq *rxq, struct rte_mbuf *m);
