/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The rules as the XDP program finds them: a chain for each masked key, a hash table of the chains.
 *
 * Control path, one thread at a time. The program runs meanwhile: a rule comes and goes with one
 * store, and what was taken out is not used again before every run that may still see it has ended.
 */

#pragma once

#include "bpf/steer.h"

#include <stdbool.h>
#include <stdint.h>

/* A rule that is asked for. */
struct steer_spec {
	struct steer_key key; /* 0 where the mask is 0 */
	struct steer_key mask;
	uint32_t priority;
	struct steer_rule rule; /* all but rank and next */
};

/* The hash table, and the end of runs, are the kernel's. */
struct steer_table_ops {
	int (*set_head)(void *ctx, const struct steer_key *key, uint32_t id);
	int (*del_head)(void *ctx, const struct steer_key *key);
	void (*wait)(void *ctx); /* until each run has ended that began before */
};

struct steer_slot {
	struct steer_key key; /* with mask_id */
	uint32_t priority;
	bool used;
};

struct steer_table {
	const struct steer_table_ops *ops;
	void *ctx;
	struct steer_mask *masks; /* STEER_MASKS, the program's */
	struct steer_rule *rules; /* STEER_RULES, the program's */
	uint16_t *n_masks;	  /* the program's */
	struct steer_slot slots[STEER_RULES];
	uint16_t mask_rules[STEER_MASKS]; /* how many rules have it */
	uint32_t n_rules;
	uint32_t last; /* the slot taken last: the search for a free one begins behind it */
	uint64_t age;
	bool stale; /* something was taken out, and a run may still see it */
};

/* A specification that matches every packet and leads to @verdict. */
struct steer_spec steer_spec_any(enum steer_verdict verdict, uint32_t priority);

/*
 * Whether a rule could be added now: 0, -EEXIST if there is one with the same match and priority,
 * or -ENOSPC; then @why is set.
 */
int steer_table_may_add(const struct steer_table *t, const struct steer_spec *spec,
			const char **why);
/* The number that the next rule will have; 0: there is no room. */
uint32_t steer_table_next(const struct steer_table *t);
/* Add a rule. Returns 0, as above, or what the kernel says; then @why is set and nothing has
 * changed. */
int steer_table_add(struct steer_table *t, const struct steer_spec *spec, uint32_t *id,
		    const char **why);
/* Take a rule out. Returns 0, or what the kernel says; then the rule is still there. */
int steer_table_remove(struct steer_table *t, uint32_t id);
/* Whether there is such a rule. */
static inline bool steer_table_has(const struct steer_table *t, uint32_t id)
{
	return id > 0 && id < STEER_RULES && t->slots[id].used;
}
