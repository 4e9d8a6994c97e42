/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Small flow tables and tuples for tests. */

#include "toy_eal.h"

#include <netinet/in.h>
#include <rte_byteorder.h>
#include <weir/flow.h>
#include <weir/shard.h>

#define TOY_SECRET                                                         \
	{                                                                  \
		UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) \
	}
#define MS UINT64_C(1000000)
#define S  (1000 * MS)

static uint32_t toy_ends; /* flows that the table said have ended */

static inline void toy_on_end(void *ctx, struct weir_flow *f, uint32_t flow)
{
	CU_ASSERT_PTR_EQUAL(weir_flow_at(ctx, flow), f);
	CU_ASSERT_NOT_EQUAL(f->family, 0);
	toy_ends++;
}

static inline struct weir_flow_conf toy_flow_conf(uint32_t entries)
{
	return (struct weir_flow_conf){.entries = entries,
				       .exts = entries,
				       .timeout_ns = WEIR_FLOW_TIMEOUTS,
				       .numa = -1,
				       .secret = TOY_SECRET};
}

static inline struct weir_flow_table *toy_flows_of(const struct weir_flow_conf *conf)
{
	struct weir_flow_table *t = NULL;
	struct weir_why why = {0};

	toy_eal();
	CU_ASSERT_EQUAL_FATAL(weir_flow_table_create(conf, &t, &why), 0);
	toy_ends = 0;
	weir_flow_table_on_end(t, toy_on_end, t);
	weir_flow_table_tick(t, 5 * S);
	return t;
}

static inline struct weir_flow_table *toy_flows(uint32_t entries)
{
	const struct weir_flow_conf conf = toy_flow_conf(entries);

	return toy_flows_of(&conf);
}

static inline struct weir_tuple toy_tuple4(uint32_t src, uint16_t sport, uint32_t dst,
					   uint16_t dport, uint8_t proto)
{
	struct weir_tuple t = {.sport = rte_cpu_to_be_16(sport),
			       .dport = rte_cpu_to_be_16(dport),
			       .proto = proto,
			       .family = 4};

	src = rte_cpu_to_be_32(src);
	dst = rte_cpu_to_be_32(dst);
	memcpy(t.src, &src, sizeof(src));
	memcpy(t.dst, &dst, sizeof(dst));
	return t;
}

/* 2001:db8::SRC to 2001:db8::1:DST. */
static inline struct weir_tuple toy_tuple6(uint16_t src, uint16_t sport, uint16_t dst,
					   uint16_t dport, uint8_t proto)
{
	struct weir_tuple t = {.src = {0x20, 1, 0xd, 0xb8},
			       .dst = {0x20, 1, 0xd, 0xb8, [13] = 1},
			       .sport = rte_cpu_to_be_16(sport),
			       .dport = rte_cpu_to_be_16(dport),
			       .proto = proto,
			       .family = 6};

	src = rte_cpu_to_be_16(src);
	dst = rte_cpu_to_be_16(dst);
	memcpy(t.src + 14, &src, sizeof(src));
	memcpy(t.dst + 14, &dst, sizeof(dst));
	return t;
}

/* The nth of many: an IPv4 UDP flow. */
static inline struct weir_tuple toy_tuple(uint32_t n)
{
	return toy_tuple4(UINT32_C(0x0a000000) + n, (uint16_t)(1024 + n % 60000),
			  UINT32_C(0xc0000201), 53, IPPROTO_UDP);
}

static inline bool toy_tuple_equal(const struct weir_tuple *a, const struct weir_tuple *b)
{
	return memcmp(a->src, b->src, 16) == 0 && memcmp(a->dst, b->dst, 16) == 0 &&
	       a->sport == b->sport && a->dport == b->dport && a->proto == b->proto &&
	       a->family == b->family && a->vrf == b->vrf;
}

static inline uint32_t toy_find(struct weir_flow_table *t, const struct weir_tuple *tuple)
{
	uint32_t ref = 12345;

	weir_flow_lookup(t, tuple, 1, &ref);
	CU_ASSERT_EQUAL(weir_flow_has(t, tuple), ref != WEIR_NO_FLOW);
	return ref;
}

/* A flow that is known; its reference. */
static inline uint32_t toy_enter(struct weir_flow_table *t, const struct weir_tuple *tuple)
{
	const uint32_t flow = weir_flow_draft(t, tuple);
	uint32_t ref = WEIR_NO_FLOW;

	CU_ASSERT_NOT_EQUAL_FATAL(flow, WEIR_NO_FLOW);
	CU_ASSERT_EQUAL(weir_flow_commit(t, flow, &ref), 0);
	CU_ASSERT_EQUAL(ref, flow << 1 | WEIR_DIR_ORIG);
	return ref;
}
