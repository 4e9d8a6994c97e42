/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules that never match: because nothing can match them, because an earlier rule takes all that
 * they match, or because several do together. Figures are in docs/performance/rules.md.
 *
 * A rule that never matches is not kept to be compared with: those that take it are.
 */

#include <stdio.h>
#include <stdlib.h>

#include "rules_check_priv.h"

/* Rules that a sentence names. */
#define NAMED 4

struct check {
	const struct weir_rules *rs;
	struct rules_index *earlier;
	struct rules_together *together;
	struct weir_rules_finding *out; /* room */
	uint32_t room;
	uint32_t found, unsure;
};

struct cover {
	const struct weir_rules *rs;
	uint32_t rule;
	uint32_t by; /* the first so far; WEIR_RULE_DEFAULT: none */
};

static void try_cover(void *ctx, uint32_t rule)
{
	struct cover *c = ctx;

	if (rule < c->by && rules_covers(c->rs, rule, c->rule))
		c->by = rule;
}

/* A prefix that whatever covers the list must contain, of a family that the rule can match. */
static struct weir_prefix first_prefix(const struct weir_rule_addrs *a, unsigned families)
{
	for (uint32_t i = 0; i < a->n_prefixes && !a->negate; i++)
		if ((families & rules_family_bit(a->prefixes[i].addr.family)) != 0)
			return a->prefixes[i];
	return (struct weir_prefix){0};
}

/* The first rule that covers this one, or WEIR_RULE_DEFAULT. */
static uint32_t find_cover(const struct check *c, uint32_t rule)
{
	const struct weir_rule *r = &c->rs->rules[rule];
	const unsigned families = rules_families(r);
	struct cover cover = {.rs = c->rs, .rule = rule, .by = WEIR_RULE_DEFAULT};
	uint8_t protos[3] = {0};
	struct rules_probe probe = {
		.rule = r,
		.src = first_prefix(&r->src, families),
		.dst = first_prefix(&r->dst, families),
		.first = rules_hull(r->sports, r->n_sports, r->icmp_type),
		.second = rules_hull(r->dports, r->n_dports, r->icmp_code),
	};

	rules_protos(r, (families & rules_family_bit(4)) != 0 ? 4 : 6, protos);
	probe.proto = protos[0];
	(void)rules_index_visit(c->earlier, &probe, try_cover, &cover);
	return cover.by;
}

/* "rules a (line 1), b (line 2), c (line 3) and 4 more together take" */
static void name_rules(const struct weir_rules *rs, const uint32_t *by, uint32_t n, char *text,
		       size_t room)
{
	const uint32_t named = RTE_MIN(n, (uint32_t)NAMED);
	int used = snprintf(text, room, n == 1 ? "rule" : "rules");

	for (uint32_t i = 0; i < named; i++) {
		const char *before = i == 0 ? "" : i + 1 == n ? " and" : ",";

		used += snprintf(text + used, room - (size_t)used, "%s %.64s (line %u)", before,
				 rs->rules[by[i]].name, rs->rules[by[i]].line);
	}
	if (n > named)
		used += snprintf(text + used, room - (size_t)used, " and %u more", n - named);
	snprintf(text + used, room - (size_t)used, n == 1 ? " takes" : " together take");
}

/* @param n 0: nothing can match it. */
static void tell(struct check *c, uint32_t rule, const uint32_t *by, uint32_t n)
{
	const char *name = c->rs->rules[rule].name;
	struct weir_rules_finding *f;
	char names[400];

	if (c->found++ >= c->room)
		return;
	f = &c->out[c->found - 1];
	*f = (struct weir_rules_finding){
		.rule = rule, .by = n == 0 ? WEIR_RULE_DEFAULT : by[0], .n_by = n};
	if (n == 0) {
		snprintf(f->text, sizeof(f->text),
			 "rule %.64s never matches: no packet can be all that it wants", name);
		return;
	}
	name_rules(c->rs, by, n, names, sizeof(names));
	snprintf(f->text, sizeof(f->text), "rule %.64s never matches: %s all of it", name, names);
}

/* Whether a rule never matches, which is told. */
static bool is_lost(struct check *c, uint32_t rule)
{
	enum rules_answer answer;
	const uint32_t *by;
	uint32_t one, n;

	if (rules_families(&c->rs->rules[rule]) == 0 || !rules_has_zones(c->rs, rule)) {
		tell(c, rule, NULL, 0);
		return true;
	}
	one = find_cover(c, rule);
	if (one != WEIR_RULE_DEFAULT) {
		tell(c, rule, &one, 1);
		return true;
	}
	answer = rules_together(c->together, rule, &by, &n);
	if (answer == RULES_YES)
		tell(c, rule, by, n);
	c->unsure += answer == RULES_UNSURE;
	return answer == RULES_YES;
}

static int check_all(struct check *c)
{
	int rc = rules_index_create(c->rs, &c->earlier);

	if (rc == 0)
		rc = rules_together_create(c->rs, c->earlier, &c->together);
	for (uint32_t i = 0; i < c->rs->n && rc == 0; i++)
		if (!is_lost(c, i) && !rules_passes(&c->rs->rules[i]))
			rc = rules_index_add(c->earlier, i);
	return rc;
}

int weir_rules_check(const struct weir_rules *rs, struct weir_rules_finding *out, uint32_t room,
		     uint32_t *unsure)
{
	struct check c = {.rs = rs, .out = out, .room = room};
	const int rc = check_all(&c);

	rules_together_free(c.together);
	rules_index_free(c.earlier);
	if (rc < 0)
		return rc;
	*unsure = c.unsure;
	return (int)c.found;
}
