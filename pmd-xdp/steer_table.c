/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The rules in the program's memory: slots, masks, chains.
 *
 * A rule is written while nothing leads to it, then one store leads there. The order of masks does
 * not matter: ranks decide, and a mask whose best rank cannot win is skipped.
 */

#include "steer_table_priv.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* Where a new rule belongs in the chain of its key. */
struct place {
	uint32_t before; /* the rule with the next lower rank, 0: none */
	uint32_t after;
	uint32_t n;
	bool twin;
};

struct steer_spec steer_spec_any(enum steer_verdict verdict, uint32_t priority)
{
	return (struct steer_spec){
		.priority = priority,
		.rule = {.verdict = verdict, .src_port_hi = UINT16_MAX, .dst_port_hi = UINT16_MAX},
	};
}

static bool is_same_range(const struct steer_rule *a, const struct steer_rule *b)
{
	return a->src_port_lo == b->src_port_lo && a->src_port_hi == b->src_port_hi &&
	       a->dst_port_lo == b->dst_port_lo && a->dst_port_hi == b->dst_port_hi;
}

/* The mask's number, or that of a free one; STEER_MASKS: none is free. */
static unsigned find_mask(const struct steer_table *t, const struct steer_mask *mask)
{
	unsigned empty = STEER_MASKS;

	for (unsigned i = 0; i < STEER_MASKS; i++) {
		if (t->mask_rules[i] == 0)
			empty = empty == STEER_MASKS ? i : empty;
		else if (memcmp(&t->masks[i].bits, &mask->bits, sizeof(mask->bits)) == 0 &&
			 t->masks[i].need == mask->need)
			return i;
	}
	return empty;
}

static struct place find_place(const struct steer_table *t, const struct steer_key *key,
			       uint64_t rank, const struct steer_spec *spec)
{
	struct place place = {0};

	for (uint32_t i = 1; i < STEER_RULES; i++) {
		const struct steer_slot *slot = &t->slots[i];
		const uint64_t other = t->rules[i].rank;

		if (!slot->used || memcmp(&slot->key, key, sizeof(*key)) != 0)
			continue;
		place.n++;
		if (spec != NULL && slot->priority == spec->priority &&
		    is_same_range(&t->rules[i], &spec->rule))
			place.twin = true;
		if (other < rank && (place.before == 0 || other > t->rules[place.before].rank))
			place.before = i;
		if (other > rank && (place.after == 0 || other < t->rules[place.after].rank))
			place.after = i;
	}
	return place;
}

/* The one that has been free for longest, more or less. */
uint32_t steer_table_next(const struct steer_table *t)
{
	for (uint32_t i = 1; i < STEER_RULES; i++) {
		const uint32_t id = (t->last + i) % STEER_RULES;

		if (id != 0 && !t->slots[id].used)
			return id;
	}
	return 0;
}

/* Lead to a rule, or past one that goes: from the rule before it, or from the hash table. */
static int lead_to(struct steer_table *t, const struct steer_key *key, uint32_t before, uint32_t id)
{
	if (before == 0)
		return id == 0 ? t->ops->del_head(t->ctx, key) : t->ops->set_head(t->ctx, key, id);
	__atomic_store_n(&t->rules[before].next, id, __ATOMIC_RELEASE);
	return 0;
}

/* Tell the program the lowest rank of a mask, and how many masks to look at. */
static void update_mask(struct steer_table *t, unsigned mask)
{
	uint64_t best = STEER_RANK_NONE;
	uint16_t n = 0;

	for (uint32_t i = 1; i < STEER_RULES && t->mask_rules[mask] > 0; i++)
		if (t->slots[i].used && t->slots[i].key.mask_id == mask && t->rules[i].rank < best)
			best = t->rules[i].rank;
	__atomic_store_n(&t->masks[mask].best, best, __ATOMIC_RELEASE);
	for (uint16_t i = 0; i < STEER_MASKS; i++)
		if (t->mask_rules[i] > 0)
			n = i + 1;
	__atomic_store_n(t->n_masks, n, __ATOMIC_RELEASE);
}

/* A rule has joined: does all of the mask still hang on one chain? Its key was written while
 * nothing led to the mask, and is never another one while something does. */
static void update_head(struct steer_table *t, const struct steer_key *key, bool fresh,
			uint32_t before, uint32_t id)
{
	struct steer_mask *mask = &t->masks[key->mask_id];

	if (!fresh && mask->head == 0)
		return;
	if (memcmp(&mask->only, key, sizeof(*key)) != 0)
		__atomic_store_n(&mask->head, 0, __ATOMIC_RELEASE);
	else if (before == 0)
		__atomic_store_n(&mask->head, id, __ATOMIC_RELEASE);
}

static void reuse(struct steer_table *t)
{
	if (t->stale)
		t->ops->wait(t->ctx);
	t->stale = false;
}

/* A rule, and where it belongs. */
struct newcomer {
	struct steer_mask mask;
	struct steer_key key; /* with the mask's number */
	uint64_t rank;
	uint32_t id;
	struct place place;
};

static struct newcomer find_room(const struct steer_table *t, const struct steer_spec *spec)
{
	struct newcomer n = {
		.mask = {.bits = spec->mask,
			 .best = STEER_RANK_NONE,
			 .need = spec->key.has & spec->mask.has},
		.key = spec->key,
		.rank = (uint64_t)spec->priority << STEER_RANK_AGE_BITS | t->age,
		.id = steer_table_next(t),
	};

	n.key.mask_id = (uint16_t)find_mask(t, &n.mask);
	n.mask.only = n.key;
	n.place = find_place(t, &n.key, n.rank, spec);
	return n;
}

static int objection(const struct newcomer *n, const char **why)
{
	if (n->place.twin) {
		*why = "there is a rule with this match and priority";
		return -EEXIST;
	}
	*why = n->id == 0		       ? "too many rules (4095)"
	       : n->key.mask_id == STEER_MASKS ? "too many different sets of matched fields (64)"
	       : n->place.n >= STEER_CHAIN
		       ? "too many rules that differ in port range or priority only (64)"
		       : NULL;
	return *why == NULL ? 0 : -ENOSPC;
}

int steer_table_may_add(const struct steer_table *t, const struct steer_spec *spec,
			const char **why)
{
	const struct newcomer n = find_room(t, spec);

	return objection(&n, why);
}

int steer_table_add(struct steer_table *t, const struct steer_spec *spec, uint32_t *id,
		    const char **why)
{
	const struct newcomer n = find_room(t, spec);
	struct steer_rule *rule = &t->rules[n.id];
	int rc = objection(&n, why);
	bool fresh;

	if (rc < 0)
		return rc;
	reuse(t);
	fresh = t->mask_rules[n.key.mask_id] == 0;
	if (fresh)
		t->masks[n.key.mask_id] = n.mask;
	*rule = spec->rule;
	rule->rank = n.rank;
	rule->next = n.place.after;
	rc = lead_to(t, &n.key, n.place.before, n.id);
	if (rc < 0) {
		*why = "the kernel has no memory for it";
		return rc;
	}
	update_head(t, &n.key, fresh, n.place.before, n.id);
	/* The hash table may use the memory of a replaced element again at once. */
	t->stale = n.place.before == 0 && n.place.after != 0;
	t->slots[n.id] =
		(struct steer_slot){.key = n.key, .priority = spec->priority, .used = true};
	t->mask_rules[n.key.mask_id]++;
	t->n_rules++;
	t->last = n.id;
	t->age++;
	update_mask(t, n.key.mask_id);
	*id = n.id;
	return 0;
}

int steer_table_remove(struct steer_table *t, uint32_t id)
{
	struct steer_slot *slot = &t->slots[id];
	const struct place place = find_place(t, &slot->key, t->rules[id].rank, NULL);
	struct steer_mask *mask = &t->masks[slot->key.mask_id];
	int rc = lead_to(t, &slot->key, place.before, place.after);

	if (rc < 0)
		return rc;
	if (mask->head == id)
		__atomic_store_n(&mask->head, place.after, __ATOMIC_RELEASE);
	slot->used = false;
	t->mask_rules[slot->key.mask_id]--;
	t->n_rules--;
	t->stale = true;
	update_mask(t, slot->key.mask_id);
	return 0;
}
