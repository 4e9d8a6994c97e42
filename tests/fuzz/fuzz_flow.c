/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a flow rule: refused with a number and a sentence, or compiled into a rule that the
 * program can follow, and that its table takes.
 *
 * A byte of attributes, one of the priority; then items until 0xff: a byte of kind, one of which of
 * spec, mask and last there are, and their bytes; then actions in the same way.
 */
#include "flow_priv.h"

#include <errno.h>
#include <rte_ethdev.h>
#include <stdlib.h>
#include <string.h>
#include <weir/cursor.h>

#define PARTS 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Room for any of their structs. */
struct part {
	uint8_t bytes[64] __attribute__((aligned(8)));
};

static const struct {
	enum rte_flow_item_type type;
	size_t bytes;
} items_known[] = {
	{RTE_FLOW_ITEM_TYPE_VOID, 0},
	{RTE_FLOW_ITEM_TYPE_ETH, sizeof(struct rte_flow_item_eth)},
	{RTE_FLOW_ITEM_TYPE_VLAN, sizeof(struct rte_flow_item_vlan)},
	{RTE_FLOW_ITEM_TYPE_IPV4, sizeof(struct rte_flow_item_ipv4)},
	{RTE_FLOW_ITEM_TYPE_IPV6, sizeof(struct rte_flow_item_ipv6)},
	{RTE_FLOW_ITEM_TYPE_TCP, sizeof(struct rte_flow_item_tcp)},
	{RTE_FLOW_ITEM_TYPE_UDP, sizeof(struct rte_flow_item_udp)},
	{RTE_FLOW_ITEM_TYPE_ICMP, sizeof(struct rte_flow_item_icmp)},
	{RTE_FLOW_ITEM_TYPE_ICMP6, sizeof(struct rte_flow_item_icmp6)},
	{RTE_FLOW_ITEM_TYPE_VXLAN, sizeof(struct rte_flow_item_vxlan)},
};

static const enum rte_flow_action_type actions_known[] = {
	RTE_FLOW_ACTION_TYPE_VOID, RTE_FLOW_ACTION_TYPE_QUEUE,	  RTE_FLOW_ACTION_TYPE_RSS,
	RTE_FLOW_ACTION_TYPE_DROP, RTE_FLOW_ACTION_TYPE_PASSTHRU, RTE_FLOW_ACTION_TYPE_COUNT,
	RTE_FLOW_ACTION_TYPE_MARK, RTE_FLOW_ACTION_TYPE_JUMP,
};

static void must(bool good)
{
	if (!good)
		abort();
}

/* A struct from the input, as long as there is any. */
static const void *take_part(struct weir_cursor *c, struct part *part, size_t bytes)
{
	const uint8_t *at = weir_take(c, bytes);

	if (at == NULL)
		return NULL;
	memcpy(part->bytes, at, bytes);
	return part->bytes;
}

static void take_items(struct weir_cursor *c, struct rte_flow_item items[PARTS],
		       struct part parts[PARTS][3])
{
	for (unsigned i = 0; i < PARTS - 1; i++) {
		const uint8_t kind = weir_take_u8(c), has = weir_take_u8(c);

		if (c->bad || kind == 0xff)
			return;
		const size_t k = kind % RTE_DIM(items_known);

		items[i].type = items_known[k].type;
		if (has & 1)
			items[i].spec = take_part(c, &parts[i][0], items_known[k].bytes);
		if (has & 2)
			items[i].mask = take_part(c, &parts[i][1], items_known[k].bytes);
		if (has & 4)
			items[i].last = take_part(c, &parts[i][2], items_known[k].bytes);
	}
}

static void take_actions(struct weir_cursor *c, struct rte_flow_action actions[PARTS],
			 struct part parts[PARTS], struct rte_flow_action_rss *rss)
{
	static uint16_t queues[STEER_QUEUES + 8];

	for (unsigned i = 0; i < PARTS - 1; i++) {
		const uint8_t kind = weir_take_u8(c), has = weir_take_u8(c);

		if (c->bad || kind == 0xff)
			return;
		actions[i].type = actions_known[kind % RTE_DIM(actions_known)];
		if (actions[i].type != RTE_FLOW_ACTION_TYPE_RSS) {
			actions[i].conf = has ? take_part(c, &parts[i], 4) : NULL;
			continue;
		}
		*rss = (struct rte_flow_action_rss){.func = has & 3,
						    .level = has >> 2 & 3,
						    .types = weir_take_u8(c),
						    .queue_num = weir_take_u8(c) % RTE_DIM(queues),
						    .queue = has & 0x80 ? NULL : queues};
		for (uint32_t q = 0; q < rss->queue_num; q++)
			queues[q] = weir_take_u8(c);
		actions[i].conf = has & 0x40 ? NULL : rss;
	}
}

static int set_head(void *ctx, const struct steer_key *key, uint32_t id)
{
	return 0;
}

static int del_head(void *ctx, const struct steer_key *key)
{
	return 0;
}

static void wait_for_runs(void *ctx)
{
}

/* A table of one rule takes it, refuses its twin, and is empty again. */
static void check_table(const struct steer_spec *spec)
{
	static const struct steer_table_ops ops = {set_head, del_head, wait_for_runs};
	static struct steer_mask masks[STEER_MASKS];
	static struct steer_rule rules[STEER_RULES];
	static uint16_t n_masks;
	static struct steer_table t = {
		.ops = &ops, .masks = masks, .rules = rules, .n_masks = &n_masks};
	const char *why;
	uint32_t id, twin;

	must(steer_table_add(&t, spec, &id, &why) == 0);
	must(steer_table_add(&t, spec, &twin, &why) == -EEXIST && why != NULL);
	must(rules[id].rank >> STEER_RANK_AGE_BITS != STEER_PRIORITY_WORDS &&
	     rules[id].rank >> STEER_RANK_AGE_BITS <= FLOW_PRIORITIES);
	must(steer_table_remove(&t, id) == 0 && n_masks == 0);
}

static void check_rule(const struct steer_spec *spec)
{
	const uint8_t *key = (const void *)&spec->key, *mask = (const void *)&spec->mask;
	const struct steer_rule *r = &spec->rule;

	for (size_t i = 0; i < sizeof(spec->key); i++)
		must((key[i] & ~mask[i]) == 0);
	must(spec->key.mask_id == 0 && spec->priority != STEER_PRIORITY_WORDS &&
	     spec->priority <= FLOW_PRIORITIES);
	must(r->src_port_lo <= r->src_port_hi && r->dst_port_lo <= r->dst_port_hi);
	must(r->verdict <= STEER_KERNEL && r->n_queues <= STEER_QUEUES);
	must(r->verdict != STEER_SPREAD || r->n_queues > 0);
	for (unsigned i = 0; i < r->n_queues; i++)
		must(r->queues[i] < STEER_QUEUES);
	check_table(spec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const struct flow_port port = {.rss_types = STEER_RSS_IPV4};
	struct weir_cursor c = {.at = data, .end = data + bytes};
	struct rte_flow_item items[PARTS] = {0};
	struct rte_flow_action actions[PARTS] = {0};
	struct part item_parts[PARTS][3], action_parts[PARTS];
	struct rte_flow_action_rss rss;
	struct rte_flow_error error = {0};
	struct steer_spec spec;
	const uint8_t bits = weir_take_u8(&c);
	const struct rte_flow_attr attr = {.group = bits >> 7,
					   .ingress = !(bits & 1),
					   .egress = bits >> 1 & 1,
					   .transfer = bits >> 2 & 1,
					   .priority = weir_take_u8(&c) * 300u};

	take_items(&c, items, item_parts);
	take_actions(&c, actions, action_parts, &rss);
	const int rc = flow_compile(&attr, items, actions, &port, &spec, &error);

	if (rc == 0)
		check_rule(&spec);
	else
		must((rc == -EINVAL || rc == -ENOTSUP) && error.message != NULL &&
		     error.type != RTE_FLOW_ERROR_TYPE_NONE);
	return 0;
}
