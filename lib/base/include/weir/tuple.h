/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Who speaks with whom: what names a flow of packets.
 */

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <weir/must_check.h>

/**
 * Who speaks with whom: what a lookup compares. 40 bytes, no padding; unused bytes are 0.
 *
 * Of an ICMP query and its answer the ports are the identifier on the side that asks, and the type
 * of the question on the other, so that they swap with the addresses. Other protocols have ports 0.
 */
struct weir_tuple {
	uint8_t src[16]; /**< network order; IPv4: the first four bytes */
	uint8_t dst[16]; /**< likewise */
	uint16_t sport;	 /**< network order */
	uint16_t dport;	 /**< network order */
	uint8_t proto;	 /**< IPPROTO_ */
	uint8_t family;	 /**< 4 or 6 */
	uint16_t vrf;	 /**< tells overlapping address spaces apart; 0: the only one */
};
static_assert(sizeof(struct weir_tuple) == 40, "compared as five words");

/** Whether a protocol's header begins with a source and a destination port: TCP, UDP, SCTP. */
WEIR_MUST_CHECK static inline bool weir_proto_has_ports(uint8_t proto)
{
	return proto == 6 || proto == 17 || proto == 132; /* netinet/in.h is not for all users */
}

/** The other direction's tuple of an untranslated flow. */
WEIR_MUST_CHECK static inline struct weir_tuple weir_tuple_reverse(const struct weir_tuple *t)
{
	struct weir_tuple r = *t;

	memcpy(r.src, t->dst, sizeof(r.src));
	memcpy(r.dst, t->src, sizeof(r.dst));
	r.sport = t->dport;
	r.dport = t->sport;
	return r;
}
