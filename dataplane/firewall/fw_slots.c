/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Counters of rules. Each rule has a slot in every worker's array; a rule that says the same after
 * a reload keeps its slot and so its counts. Workers alone write counters, so a slot that goes to
 * another rule is not cleared: what it had counted by then is taken off. What drivers drop for a
 * rule (fw_push_run.c) is added.
 */

#include "fw_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weir/shard.h>
#include <weir/tracker.h>

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

void fw_slots_begin(struct fw *fw)
{
	fw->slots_before = fw->n_slots;
	fw->slot_hint = 1;
	for (uint32_t i = 0; i < fw->n_slots; i++)
		fw->slots[i].fresh = false;
}

/* The slot that a rule had before; 0: none. Rules mostly keep their order. */
static uint32_t find(struct fw *fw, const char *name, uint64_t said)
{
	uint32_t at = fw->slot_hint;

	for (uint32_t n = fw->slots_before; n > 1; n--, at++) {
		const struct fw_slot *s;

		if (at >= fw->slots_before)
			at = 1;
		s = &fw->slots[at];
		if (s->name != NULL && s->said == said && strcmp(s->name, name) == 0)
			return at;
	}
	return 0;
}

/* A slot that no rule has; above WEIR_RULES_MAX: none. */
static uint32_t find_free(const struct fw *fw)
{
	uint32_t at = fw->n_slots;

	for (uint32_t i = 1; at > WEIR_RULES_MAX && i < fw->n_slots; i++)
		if (fw->slots[i].name == NULL)
			at = i;
	return at;
}

int fw_slot_take(struct fw *fw, const char *name, uint64_t said, uint32_t *slot)
{
	uint32_t at = find(fw, name, said);
	uint64_t pkts, bytes, last;

	if (at == 0) {
		at = find_free(fw);
		if (at > WEIR_RULES_MAX)
			return -ENOSPC;
		fw->slots[at] = (struct fw_slot){.name = strdup(name), .said = said};
		if (fw->slots[at].name == NULL)
			return -ENOMEM;
		fw_slot_sum(fw, at, &pkts, &bytes, &last);
		fw->slots[at].base_pkts = pkts;
		fw->slots[at].base_bytes = bytes;
		if (at == fw->n_slots)
			fw->n_slots++;
	}
	fw->slots[at].fresh = true;
	fw->slot_hint = at + 1;
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
