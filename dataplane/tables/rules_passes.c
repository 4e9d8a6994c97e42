/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules that may not end the search: they count, or have a limit.
 *
 * A packet needs all of them that it matches before the first rule that ends its search, in their
 * order. rte_acl gives one answer for each of up to 16 categories. So 16 such rules are a group, in
 * which each has a category of its own, and one question tells which of them a packet matches. If
 * there are more, a root is asked before: of all of them, in at most 16 blocks of groups, the first
 * of each block that the packet matches. Then only groups from that one to the end of its block are
 * asked, and most packets, which match none, are done.
 */

#include <errno.h>
#include <stdlib.h>

#include "rules_priv.h"

static uint32_t ceil_div(uint32_t a, uint32_t b)
{
	return (a + b - 1) / b;
}

/* What rte_acl allows: a multiple of four. */
static uint32_t categories_for(uint32_t n)
{
	return RTE_ALIGN(n, (uint32_t)RTE_ACL_RESULTS_MULTIPLIER);
}

static uint16_t limit_of(const struct weir_rules *rs, uint32_t rule)
{
	for (uint32_t i = 0; i < rs->n_limits; i++)
		if (rs->limits[i].rule == rule)
			return (uint16_t)i;
	return RULES_NO_LIMIT;
}

static int collect(struct rules_compile *c, uint32_t end)
{
	struct rules_passes *p = &c->list->passes;
	uint32_t n = 0;

	for (uint32_t i = 0; i < end; i++) {
		n += c->wanted[i] && rules_passes(&c->rs->rules[i]);
		if (n > WEIR_RULE_PASSES_MAX)
			return weir_why(c->why, -ENOSPC,
					"rule %s: more than %u rules between two zones that "
					"count or have a limit",
					c->rs->rules[i].name, WEIR_RULE_PASSES_MAX);
	}
	if (n == 0)
		return 0;
	p->n_words = ceil_div(n, 64);
	p->n_groups = ceil_div(n, RULES_GROUP);
	p->block = ceil_div(p->n_groups, RTE_ACL_MAX_CATEGORIES);
	p->n_blocks = p->n_groups > 1 ? ceil_div(p->n_groups, p->block) : 0;
	p->pass = calloc(n, sizeof(p->pass[0]));
	p->all = calloc(p->n_words, sizeof(p->all[0]));
	p->group = calloc(p->n_groups, sizeof(p->group[0]));
	if (p->pass == NULL || p->all == NULL || p->group == NULL)
		return -ENOMEM;
	c->rs->stats.bytes += n * sizeof(p->pass[0]) + p->n_words * sizeof(p->all[0]) +
			      p->n_groups * sizeof(p->group[0]);
	for (uint32_t i = 0; i < end; i++)
		if (c->wanted[i] && rules_passes(&c->rs->rules[i]))
			p->pass[p->n++] = (struct rules_pass){i, limit_of(c->rs, i)};
	for (uint32_t i = 0; i < n; i++)
		if (rules_takes_all(c, p->pass[i].rule))
			p->all[i / 64] |= UINT64_C(1) << i % 64;
	return 0;
}

/* Contexts of passes from begin to end, of which `each` after each other have a category. */
static int make(struct rules_compile *c, uint32_t begin, uint32_t end, uint32_t each,
		struct rules_parts *out)
{
	const struct rules_passes *p = &c->list->passes;
	int rc = 0;

	end = RTE_MIN(end, p->n);
	c->entries.n = 0;
	for (uint32_t i = begin; i < end && rc == 0; i++)
		if ((p->all[i / 64] >> i % 64 & 1) == 0)
			rc = rules_add(c, p->pass[i].rule, (uint16_t)((i - begin) / each));
	return rc < 0 ? rc : rules_build(c, categories_for(ceil_div(end - begin, each)), out);
}

int rules_passes_make(struct rules_compile *c, uint32_t end)
{
	struct rules_passes *p = &c->list->passes;
	int rc = collect(c, end);

	for (uint32_t i = 0; i < p->n_groups && rc == 0; i++)
		rc = make(c, i * RULES_GROUP, (i + 1) * RULES_GROUP, 1, &p->group[i]);
	if (rc == 0 && p->n_blocks > 0)
		rc = make(c, 0, p->n, p->block * RULES_GROUP, &p->root);
	return rc;
}

void rules_passes_free(struct rules_passes *p)
{
	for (uint32_t i = 0; p->group != NULL && i < p->n_groups; i++)
		rules_parts_free(&p->group[i]);
	rules_parts_free(&p->root);
	free(p->group);
	free(p->pass);
	free(p->all);
}
