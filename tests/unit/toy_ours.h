/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A small world for nodes that answer: one interface of ours, one neighbour, packets as text, and
 * a record of what was sent. Frames are as scapy 2.5.0 makes them, in hexadecimal.
 *
 *	interface 0: 02:00:00:00:00:01, 192.0.2.1/24, 2001:db8::1/64, fe80::ff:fe00:1
 *	interface 1: the same with a path to the kernel
 *	neighbour:   02:00:00:00:00:02, 192.0.2.2, 2001:db8::2
 */

#include "test.h"
#include "toy_mbuf.h"

#include <rte_ip.h>
#include <stdlib.h>
#include <weir/gen.h>
#include <weir/nodes.h>
#include <weir/shard.h>

#define OURS_MAC                    \
	{                           \
		0x02, 0, 0, 0, 0, 1 \
	}
#define OURS_ADDRS             \
	{                      \
		OURS_4, OURS_6 \
	}
#define OURS_4                                                               \
	{                                                                    \
		.addr = {.family = 4, .bytes = {192, 0, 2, 1}}, .length = 24 \
	}
#define OURS_6                                                                                \
	{                                                                                     \
		.addr = {.family = 6, .bytes = {0x20, 1, 0x0d, 0xb8, [15] = 1}}, .length = 64 \
	}
#define OURS_LINK                                                                 \
	{                                                                         \
		.family = 6, .bytes = { 0xfe, 0x80, [11] = 0xff, 0xfe, [15] = 1 } \
	}
#define OURS(k)                                                                             \
	{                                                                                   \
		.mac = OURS_MAC, .addr = OURS_ADDRS, .n_addrs = 2, .link_local = OURS_LINK, \
		.mtu = 1500, .kernel = (k)                                                  \
	}

static const struct weir_iface toy_ifaces[] = {OURS(false), OURS(true)};
static const struct weir_l3 toy_l3 = {.ifaces = toy_ifaces, .n_ifaces = 2, .untagged = {0, 1}};
static const struct weir_gen toy_gen = {.number = 1, .l3 = &toy_l3};

/* What the node under test sent, and how many buffers it may still have. */
static struct rte_mbuf *toy_sent;
static unsigned toy_n_sent;
static unsigned toy_buffers = 1000;
static struct toy_mbuf toy_fresh;

void weir_origin_push(struct weir_origin *o, struct rte_mbuf *m, enum weir_verdict verdict)
{
	CU_ASSERT_EQUAL(verdict, WEIR_NEXT);
	toy_sent = m;
	toy_n_sent++;
}

struct rte_mbuf *weir_shard_alloc(struct weir_shard *s)
{
	struct rte_mbuf *m;

	if (toy_buffers == 0) {
		weir_count(&s->counters.drops[WEIR_DROP_NO_MBUF], 1);
		return NULL;
	}
	toy_buffers--;
	m = toy_mbuf(&toy_fresh, NULL, 0);
	weir_meta(m)->flags = WEIR_META_OURS;
	return m;
}

static inline uint16_t toy_bytes(const char *hex, uint8_t *out)
{
	uint16_t n = 0;

	for (; hex[0] != '\0'; hex += 2) {
		const char pair[] = {hex[0], hex[1], '\0'};

		out[n++] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return n;
}

/* Let a node judge one packet. */
static inline enum weir_verdict toy_judge(const struct weir_node_ops *ops, void *self,
					  struct rte_mbuf *m, uint64_t now_ns)
{
	const struct weir_pass pass = {.now_ns = now_ns, .gen = &toy_gen};
	uint8_t verdict = WEIR_VERDICTS;
	struct weir_burst b = {.pkt = &m, .verdict = &verdict, .n = 1, .pass = &pass};

	ops->process(self, &b);
	return (enum weir_verdict)verdict;
}

/* A frame that came in by a port (0: interface 0) and was parsed. */
static inline struct rte_mbuf *toy_frame(struct toy_mbuf *t, const char *hex, uint16_t port)
{
	uint8_t bytes[TOY_ROOM];
	struct rte_mbuf *m = toy_mbuf(t, bytes, toy_bytes(hex, bytes));

	weir_meta(m)->port_in = port;
	CU_ASSERT_EQUAL(toy_judge(&weir_node_parse, NULL, m, 0), WEIR_NEXT);
	toy_sent = NULL;
	toy_n_sent = 0;
	return m;
}

/*
 * Whether what was sent is this frame, and 10_parse takes it as ours. IPv4 identifications are
 * secret: the frame's is 0, and that of the packet is cleared once its checksum has been checked.
 */
static inline void toy_expect_sent(const char *hex)
{
	uint8_t want[TOY_ROOM];
	const uint16_t n = toy_bytes(hex, want);

	CU_ASSERT_EQUAL_FATAL(toy_n_sent, 1);
	CU_ASSERT_EQUAL(toy_judge(&weir_node_parse, NULL, toy_sent, 0), WEIR_NEXT);
	CU_ASSERT_TRUE(weir_meta(toy_sent)->flags & WEIR_META_OURS);
	CU_ASSERT_FALSE(weir_meta(toy_sent)->flags & WEIR_META_L2_GROUP);
	CU_ASSERT_EQUAL(weir_meta(toy_sent)->iface_in, 0);
	if (weir_meta(toy_sent)->flags & WEIR_META_IP4) {
		struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(toy_sent, struct rte_ipv4_hdr *,
								  weir_meta(toy_sent)->l3_off);

		ip->packet_id = 0;
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	CU_ASSERT_EQUAL_FATAL(toy_sent->pkt_len, n);
	CU_ASSERT_EQUAL(memcmp(rte_pktmbuf_mtod(toy_sent, void *), want, n), 0);
}
