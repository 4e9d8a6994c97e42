/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Layer 2 without copying packets: VLAN tags pushed and popped (IEEE 802.1Q), headers rewritten.
 *
 * Only the 12 bytes of the two addresses move; the payload stays where it is and the start of the
 * data changes. The frame must not be shared. A worker's thread.
 */

#include <errno.h>
#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <weir/meta.h>
#include <weir/must_check.h>

/** Bytes of a tag. */
#define WEIR_VLAN_BYTES 4
/** Bytes of the two addresses at the start of a frame. */
#define WEIR_L2_MACS 12

/** Move what meta says of the headers, if anything. */
static inline void weir_l2_moved(struct rte_mbuf *m, int bytes)
{
	struct weir_meta *meta = weir_meta(m);

	if (meta->l3_off != 0)
		meta->l3_off = (uint16_t)(meta->l3_off + bytes);
	if (meta->l4_off != 0)
		meta->l4_off = (uint16_t)(meta->l4_off + bytes);
}

/**
 * Push a tag in front of the type (and of other tags).
 * @param tpid RTE_ETHER_TYPE_VLAN (customer) or RTE_ETHER_TYPE_QINQ (service), host order.
 * @param tci  priority, drop eligibility and VLAN id, host order.
 * @return 0, -EINVAL if it is no Ethernet frame, -ENOSPC if the headroom is used up.
 */
WEIR_MUST_CHECK static inline int weir_vlan_push(struct rte_mbuf *m, uint16_t tpid, uint16_t tci)
{
	const uint16_t tag[2] = {rte_cpu_to_be_16(tpid), rte_cpu_to_be_16(tci)};
	uint8_t *at;

	if (m->data_len < RTE_ETHER_HDR_LEN)
		return -EINVAL;
	at = (uint8_t *)rte_pktmbuf_prepend(m, WEIR_VLAN_BYTES);
	if (at == NULL)
		return -ENOSPC;
	memmove(at, at + WEIR_VLAN_BYTES, WEIR_L2_MACS);
	memcpy(at + WEIR_L2_MACS, tag, sizeof(tag));
	weir_l2_moved(m, WEIR_VLAN_BYTES);
	return 0;
}

/**
 * Pop the outer tag.
 * @param tci out: what it said, host order; may be NULL.
 * @return 0, or -EINVAL if there is no tag (0x8100, 0x88a8) with a type behind it.
 */
WEIR_MUST_CHECK static inline int weir_vlan_pop(struct rte_mbuf *m, uint16_t *tci)
{
	uint8_t *at = rte_pktmbuf_mtod(m, uint8_t *);
	uint16_t tag[2];

	if (m->data_len < RTE_ETHER_HDR_LEN + WEIR_VLAN_BYTES)
		return -EINVAL;
	memcpy(tag, at + WEIR_L2_MACS, sizeof(tag));
	if (tag[0] != RTE_BE16(RTE_ETHER_TYPE_VLAN) && tag[0] != RTE_BE16(RTE_ETHER_TYPE_QINQ))
		return -EINVAL;
	memmove(at + WEIR_VLAN_BYTES, at, WEIR_L2_MACS);
	rte_pktmbuf_adj(m, WEIR_VLAN_BYTES);
	weir_l2_moved(m, -WEIR_VLAN_BYTES);
	if (tci != NULL)
		*tci = rte_be_to_cpu_16(tag[1]);
	return 0;
}

/** An Ethernet header ready to be written, but for its type: addresses and tags. */
struct weir_l2 {
	uint8_t bytes[WEIR_L2_MACS + 2 * WEIR_VLAN_BYTES]; /**< as on the wire */
	uint8_t len_bytes;				   /**< 12, 16 or 20 */
};

/**
 * Prepare a header.
 * @param vlan outer and inner id, 0: none. A lone tag is 0x8100, the outer of two is 0x88a8.
 */
static inline void weir_l2_make(struct weir_l2 *l2, const uint8_t dst[6], const uint8_t src[6],
				const uint16_t vlan[2])
{
	memset(l2, 0, sizeof(*l2));
	memcpy(l2->bytes, dst, RTE_ETHER_ADDR_LEN);
	memcpy(l2->bytes + RTE_ETHER_ADDR_LEN, src, RTE_ETHER_ADDR_LEN);
	l2->len_bytes = WEIR_L2_MACS;
	for (unsigned i = 0; i < 2 && vlan[i] != 0; i++) {
		const bool service = i == 0 && vlan[1] != 0;
		const uint16_t tag[2] = {service ? RTE_BE16(RTE_ETHER_TYPE_QINQ)
						 : RTE_BE16(RTE_ETHER_TYPE_VLAN),
					 rte_cpu_to_be_16(vlan[i])};

		memcpy(l2->bytes + l2->len_bytes, tag, sizeof(tag));
		l2->len_bytes += WEIR_VLAN_BYTES;
	}
}

/**
 * Replace all in front of meta.l3_off by a header, ending right there.
 * @param type_be the Ethernet type, network order.
 * @return Whether it fitted; if not, the packet is as it was. meta's offsets follow.
 */
WEIR_MUST_CHECK static inline bool weir_l2_put(struct rte_mbuf *m, const struct weir_l2 *l2,
					       uint16_t type_be)
{
	struct weir_meta *meta = weir_meta(m);
	const int grow = l2->len_bytes + (int)sizeof(type_be) - meta->l3_off;
	uint8_t *at;

	if (unlikely(grow > m->data_off))
		return false;
	if (grow != 0) { /* not for what came and goes with as many tags */
		m->data_off = (uint16_t)(m->data_off - grow);
		m->data_len = (uint16_t)(m->data_len + grow);
		m->pkt_len = (uint32_t)((int64_t)m->pkt_len + grow);
		meta->l3_off = (uint16_t)(meta->l3_off + grow);
		meta->l4_off = (uint16_t)(meta->l4_off + grow);
	}
	at = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(at, l2->bytes, WEIR_L2_MACS);
	for (uint8_t i = WEIR_L2_MACS; i < l2->len_bytes; i += WEIR_VLAN_BYTES)
		memcpy(at + i, l2->bytes + i, WEIR_VLAN_BYTES);
	memcpy(at + l2->len_bytes, &type_be, sizeof(type_be));
	return true;
}

/** The Ethernet type of an IP packet by what 10_parse said of it, network order. */
WEIR_MUST_CHECK static inline uint16_t weir_l2_type(struct rte_mbuf *m)
{
	return weir_meta(m)->flags & WEIR_META_IP6 ? RTE_BE16(RTE_ETHER_TYPE_IPV6)
						   : RTE_BE16(RTE_ETHER_TYPE_IPV4);
}
