/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Segments of TCP that we send in the name of whom a packet was for. */

#include <rte_tcp.h>

#include "icmp_priv.h"

/* A header's most bytes, options included. */
#define TCP_HEAD_MAX 60

/*
 * A segment in a frame of its own: back from a packet's destination to its source, or on as the
 * packet goes. It is as 10_parse leaves one, so it can be rewritten.
 * @return NULL: there is no buffer (counted).
 */
struct rte_mbuf *tcp_frame(struct weir_shard *s, struct rte_mbuf *m, bool back,
			   const struct rte_tcp_hdr *tcp, uint16_t tcp_bytes);

/*
 * Answer a packet with a segment from its destination to its source.
 * @param f   the interface that the packet came in by.
 * @param tcp the header and its options, ports included; its checksum is made here.
 * @return false: there is no buffer (counted).
 */
bool tcp_answer(struct weir_shard *s, const struct weir_iface *f, struct rte_mbuf *m,
		const struct rte_tcp_hdr *tcp, uint16_t tcp_bytes);
