/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A stack for tests, and its wire: what it sends is kept, and can be turned round to be received.
 */

#include "stack_priv.h"
#include "test.h"
#include "toy_eal.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>

#define WIRE_MOST 256

static struct rte_mbuf *wire[WIRE_MOST];
static unsigned n_wire;

static void keep_sent(void *ctx, struct rte_mbuf **pkts, uint16_t n)
{
	(void)ctx;
	for (uint16_t i = 0; i < n; i++) {
		CU_ASSERT_FATAL(n_wire < WIRE_MOST);
		wire[n_wire++] = pkts[i];
	}
}

static inline void empty_wire(void)
{
	while (n_wire > 0)
		rte_pktmbuf_free(wire[--n_wire]);
}

static inline struct weir_stack *toy_stack(uint32_t sockets, uint32_t socket_pkts)
{
	const struct weir_stack_conf conf = {.pool = toy_only_pool(),
					     .sockets = sockets,
					     .socket_pkts = socket_pkts,
					     .secret = {1, 2},
					     .output = keep_sent};
	struct weir_stack *s = NULL;

	CU_ASSERT_EQUAL_FATAL(weir_stack_create(&conf, &s), 0);
	return s;
}

static inline struct weir_endpoint toy_end(const char *addr, uint16_t port)
{
	struct weir_endpoint e = {.port = port};

	CU_ASSERT_EQUAL_FATAL(weir_addr_parse(addr, strlen(addr), &e.addr), 0);
	return e;
}

/* A buffer with these bytes, in segments of at most so many. */
static inline struct rte_mbuf *toy_payload(const void *bytes, uint32_t n, uint16_t seg_bytes)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(toy_only_pool());

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	for (uint32_t at = 0; at < n;) {
		const uint16_t part = (uint16_t)RTE_MIN(n - at, (uint32_t)seg_bytes);
		struct rte_mbuf *seg = at == 0 ? m : rte_pktmbuf_alloc(toy_only_pool());

		CU_ASSERT_PTR_NOT_NULL_FATAL(seg);
		memcpy(rte_pktmbuf_append(seg, part), (const char *)bytes + at, part);
		if (seg != m)
			CU_ASSERT_EQUAL_FATAL(rte_pktmbuf_chain(m, seg), 0);
		at += part;
	}
	return m;
}

/* The metadata that 10_parse gives a packet that begins with its IP header. */
static inline void toy_parsed(struct rte_mbuf *m)
{
	const struct iphdr *ip4 = rte_pktmbuf_mtod(m, const struct iphdr *);
	const struct ip6_hdr *ip6 = rte_pktmbuf_mtod(m, const struct ip6_hdr *);

	*weir_meta(m) = ip4->version == 4
				? (struct weir_meta){.flags = WEIR_META_IP4 | WEIR_META_L4,
						     .l4_off = (uint16_t)(ip4->ihl * 4),
						     .proto = ip4->protocol}
				: (struct weir_meta){.flags = WEIR_META_IP6 | WEIR_META_L4,
						     .l4_off = sizeof(*ip6),
						     .proto = ip6->ip6_nxt};
}
