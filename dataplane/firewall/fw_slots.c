/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Counters of rules. Each rule has a slot in every worker's array; a rule that says the same after
 * a reload keeps its slot and so its counts. Workers alone write counters, so a slot that goes to
 * another rule is not cleared: what it had counted by then is taken off. What drivers drop for a
 * rule (fw_push_run.c) is added.
 */

#include "fw_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weir/shard.h>
#include <weir/tracker.h>

/* Of the index of rules by what they say: never more than half full. */
#define INDEX_SIZE (UINT32_C(1) << 18)
static_assert(INDEX_SIZE > 2 * WEIR_RULES_MAX, "half of it is free");

const char *fw_slot_name(const struct fw *fw, uint32_t slot)
{
	if (slot == 0)
		return "default";
	return slot < fw->n_slots ? fw->slots[slot].name : NULL;
}

void fw_slot_sum(const struct fw *fw, uint32_t slot, uint64_t *pkts, uint64_t *bytes,
		 uint64_t *last_ns)
{
	struct weir_system *system = weir_run_system(fw->run);
	const struct fw_slot *s = &fw->slots[slot];
	uint64_t pushed_pkts, pushed_bytes, pushed_ns;

	*pkts = 0;
	*bytes = 0;
	*last_ns = 0;
	for (uint16_t w = 0; system != NULL && w < weir_system_workers(system); w++) {
		const struct weir_shard *shard = weir_engine_shard(weir_system_engine(system, w));
		const struct weir_rule_counter *c = &shard->tracker->counter[slot];
		const uint64_t last = weir_counted(&c->last_ns);

		*pkts += weir_counted(&c->pkts);
		*bytes += weir_counted(&c->bytes);
		if (last > *last_ns)
			*last_ns = last;
	}
	fw_push_sum(fw, slot, &pushed_pkts, &pushed_bytes, &pushed_ns);
	*pkts += pushed_pkts + s->pushed_pkts - s->base_pkts;
	*bytes += pushed_bytes + s->pushed_bytes - s->base_bytes;
	if (s->pushed_ns > pushed_ns)
		pushed_ns = s->pushed_ns;
	if (pushed_ns > *last_ns)
		*last_ns = pushed_ns;
	if (*pkts == 0)
		*last_ns = 0;
}

int fw_slots_create(struct fw *fw)
{
	fw->slots = calloc(WEIR_RULE_SLOTS_MAX, sizeof(*fw->slots));
	fw->slot_of_rule = calloc(INDEX_SIZE, sizeof(*fw->slot_of_rule));
	fw->n_slots = 1; /* 0 is the default policy's */
	fw->slot_next = 1;
	return fw->slots == NULL || fw->slot_of_rule == NULL ? -ENOMEM : 0;
}

void fw_slots_free(struct fw *fw)
{
	for (uint32_t i = 0; fw->slots != NULL && i < fw->n_slots; i++)
		free(fw->slots[i].name);
	free(fw->slots);
	free(fw->slot_of_rule);
}

/* Where the rule with this name that says so is in the index, or would be. */
static uint32_t *find(const struct fw *fw, const char *name, uint64_t said)
{
	const uint64_t hash = fw_said_text(said, name);
	uint32_t at = (uint32_t)(hash ^ hash >> 32) % INDEX_SIZE;

	for (;; at = (at + 1) % INDEX_SIZE) {
		const struct fw_slot *s = &fw->slots[fw->slot_of_rule[at]];

		if (fw->slot_of_rule[at] == 0 || (s->said == said && strcmp(s->name, name) == 0))
			return &fw->slot_of_rule[at];
	}
}

void fw_slots_begin(struct fw *fw)
{
	memset(fw->slot_of_rule, 0, INDEX_SIZE * sizeof(*fw->slot_of_rule));
	for (uint32_t i = 1; i < fw->n_slots; i++) {
		struct fw_slot *s = &fw->slots[i];

		s->fresh = false;
		if (s->name != NULL)
			*find(fw, s->name, s->said) = i;
	}
}

/* A slot that no rule has; 0: none. They go round, so that one is not another's soon: records of
 * flows that have ended name their rule. */
static uint32_t find_free(struct fw *fw)
{
	for (uint32_t n = 1; n < WEIR_RULE_SLOTS_MAX; n++) {
		const uint32_t at = fw->slot_next;

		fw->slot_next = at + 1 == WEIR_RULE_SLOTS_MAX ? 1 : at + 1;
		if (fw->slots[at].name == NULL)
			return at;
	}
	return 0;
}

static int fill(struct fw *fw, uint32_t at, const char *name, uint64_t said)
{
	uint64_t pkts, bytes, last;

	fw->slots[at] = (struct fw_slot){.name = strdup(name), .said = said};
	if (fw->slots[at].name == NULL)
		return -ENOMEM;
	fw_slot_sum(fw, at, &pkts, &bytes, &last);
	fw->slots[at].base_pkts = pkts;
	fw->slots[at].base_bytes = bytes;
	if (at >= fw->n_slots)
		fw->n_slots = at + 1;
	return 0;
}

int fw_slot_take(struct fw *fw, const char *name, uint64_t said, uint32_t *slot,
		 struct weir_why *why)
{
	uint32_t at = *find(fw, name, said);

	if (at == 0) {
		at = find_free(fw);
		if (at == 0)
			return weir_why(why, -ENOSPC,
					"rule %s: all %u counters are taken by the rules before "
					"it and those in force; go there by two reloads",
					name, WEIR_RULE_SLOTS_MAX - 1);
		if (fill(fw, at, name, said) < 0)
			return weir_why(why, -ENOMEM, "rules: out of memory");
	}
	fw->slots[at].fresh = true;
	*slot = at;
	return 0;
}

static void sweep(struct fw *fw, bool kept)
{
	for (uint32_t i = 1; i < fw->n_slots; i++) {
		struct fw_slot *s = &fw->slots[i];

		if (kept)
			s->current = s->fresh;
		if (!s->current) {
			free(s->name);
			s->name = NULL;
		}
	}
}

void fw_slots_keep(struct fw *fw)
{
	sweep(fw, true);
}

void fw_slots_forget(struct fw *fw)
{
	sweep(fw, false);
}
