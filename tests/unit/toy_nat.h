/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* A translator on a real flow table: flows begin and end as the stages 35 and 50 do it. */

#include "toy_flow.h"

#include <errno.h>
#include <weir/nat.h>

enum { LAN = 1, WAN = 2, DMZ = 3 };
#define ZONE(z) (1u << (z))

struct toy_nat {
	struct weir_nat *nat;
	struct weir_nat_asker asker;
	struct weir_nat_where where; /* own addresses are set by the test */
};

static inline struct weir_addr toy_addr(const char *text)
{
	struct weir_addr a = {0};

	CU_ASSERT_EQUAL_FATAL(weir_addr_parse(text, strlen(text), &a), 0);
	return a;
}

static inline struct weir_prefix toy_prefix(const char *text)
{
	struct weir_prefix p = {0};

	CU_ASSERT_EQUAL_FATAL(weir_prefix_parse(text, strlen(text), &p), 0);
	return p;
}

/* From one address to another. */
static inline struct weir_tuple toy_flow_of(uint8_t proto, const char *src, uint16_t sport,
					    const char *dst, uint16_t dport)
{
	const struct weir_addr from = toy_addr(src), to = toy_addr(dst);
	struct weir_tuple t = {.proto = proto,
			       .family = from.family,
			       .sport = rte_cpu_to_be_16(sport),
			       .dport = rte_cpu_to_be_16(dport)};

	memcpy(t.src, from.bytes, sizeof(t.src));
	memcpy(t.dst, to.bytes, sizeof(t.dst));
	return t;
}

static inline bool toy_has_addr(const uint8_t bytes[16], const char *text)
{
	return memcmp(bytes, toy_addr(text).bytes, 16) == 0;
}

/* Compile rules; why it failed is printed. */
static inline struct weir_nat *toy_nat_rules(const struct weir_nat_rule *destination, uint32_t n,
					     const struct weir_nat_rule *source, uint32_t m)
{
	const struct weir_nat_conf conf = {
		.destination = destination, .n_destination = n, .source = source, .n_source = m};
	struct weir_nat *nat = NULL;
	struct weir_why why = {0};

	if (weir_nat_compile(&conf, &nat, &why) < 0)
		fprintf(stderr, "%s\n", why.text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(nat);
	return nat;
}

/* A flow ends: what it held is given back. */
static inline void toy_nat_ended(void *ctx, struct weir_flow *f, uint32_t flow)
{
	struct toy_nat *g = ctx;
	struct weir_tuple orig, to;

	if (!(f->flags & WEIR_FLOW_OWN_PORT))
		return;
	weir_flow_tuple(g->asker.flows, f, WEIR_DIR_ORIG, &orig);
	weir_flow_leaving(g->asker.flows, f, WEIR_DIR_ORIG, &to);
	weir_nat_release(g->asker.maps, &orig, &to);
}

/* Takes the rules; @p maps mappings, 0: none. */
static inline void toy_nat_begin(struct toy_nat *g, struct weir_nat *nat, uint32_t flows,
				 uint32_t maps)
{
	const struct weir_siphash_key secret = TOY_SECRET;

	memset(g, 0, sizeof(*g));
	g->nat = nat;
	g->asker.flows = toy_flows(flows);
	g->asker.secret = secret;
	weir_flow_table_on_end(g->asker.flows, toy_nat_ended, g);
	if (maps > 0)
		CU_ASSERT_EQUAL_FATAL(weir_nat_maps_create(maps, -1, &secret, &g->asker.maps), 0);
}

static inline void toy_nat_own(struct toy_nat *g, const char *text)
{
	g->where.own[g->where.n_own++] = toy_addr(text);
}

static inline void toy_nat_end(struct toy_nat *g)
{
	weir_nat_maps_free(g->asker.maps);
	weir_flow_table_free(g->asker.flows);
	weir_nat_free(g->nat);
}

/* Where a first packet leaves and as what, nothing being noted. */
static inline int toy_nat_choose(struct toy_nat *g, uint8_t from, uint8_t to,
				 const struct weir_tuple *orig, struct weir_tuple *leaves,
				 uint32_t *rule)
{
	uint32_t source_rule;
	bool changed;
	int rc;

	*leaves = *orig;
	changed = weir_nat_destination(g->nat, &g->asker, from, leaves, rule);
	CU_ASSERT_TRUE(changed || memcmp(leaves, orig, sizeof(*orig)) == 0);
	g->where.from = from;
	g->where.to = to;
	g->where.destination_rule = *rule;
	rc = weir_nat_source(g->nat, &g->asker, &g->where, orig, leaves, &source_rule);
	if (source_rule != WEIR_RULE_DEFAULT)
		*rule = source_rule;
	return rc;
}

/* The same, and the flow is known from then on; its number in *flow. */
static inline int toy_nat_enter(struct toy_nat *g, uint8_t from, uint8_t to,
				const struct weir_tuple *orig, struct weir_tuple *leaves,
				uint32_t *flow)
{
	uint32_t rule, ref;
	int rc = toy_nat_choose(g, from, to, orig, leaves, &rule);

	if (rc < 0)
		return rc;
	*flow = weir_flow_draft(g->asker.flows, orig);
	CU_ASSERT_NOT_EQUAL_FATAL(*flow, WEIR_NO_FLOW);
	CU_ASSERT_EQUAL_FATAL(
		weir_flow_translate(g->asker.flows, weir_flow_at(g->asker.flows, *flow), leaves),
		0);
	if (g->asker.mapped)
		weir_flow_at(g->asker.flows, *flow)->flags |= WEIR_FLOW_OWN_PORT;
	rc = weir_flow_commit(g->asker.flows, *flow, &ref);
	CU_ASSERT_EQUAL(rc, 0); /* the choice has seen to it */
	return rc;
}
