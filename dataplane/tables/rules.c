/* SPDX-License-Identifier: BSD-3-Clause */

/* Rules as objects: their copies, what they tell about themselves, and their end. */

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "rules_priv.h"

/* A block that is filled from its begin; without one, what would be taken is only counted. */
struct block {
	uint8_t *begin;
	size_t used;
};

static void *put(struct block *b, const void *from, size_t bytes)
{
	void *to = b->begin == NULL || bytes == 0 ? NULL : b->begin + b->used;

	if (to != NULL)
		memcpy(to, from, bytes);
	b->used += (bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	return to;
}

static void put_addrs(struct block *b, struct weir_rule_addrs *to,
		      const struct weir_rule_addrs *from)
{
	const struct weir_rule_addrs copy = {
		.prefixes = put(b, from->prefixes, from->n_prefixes * sizeof(*from->prefixes)),
		.sets = put(b, from->sets, from->n_sets * sizeof(from->sets[0])),
		.countries = put(b, from->countries, from->n_countries * sizeof(*from->countries)),
		.n_prefixes = from->n_prefixes,
		.n_sets = from->n_sets,
		.n_countries = from->n_countries,
		.negate = from->negate,
	};

	if (b->begin != NULL)
		*to = copy;
}

static void put_rule(struct block *b, struct weir_rule *to, const struct weir_rule *from)
{
	const char *name = put(b, from->name, strlen(from->name) + 1);
	const struct weir_range *sports =
		put(b, from->sports, from->n_sports * sizeof(*from->sports));
	const struct weir_range *dports =
		put(b, from->dports, from->n_dports * sizeof(*from->dports));

	if (b->begin != NULL) {
		*to = *from;
		to->name = name;
		to->sports = sports;
		to->dports = dports;
	}
	put_addrs(b, &to->src, &from->src);
	put_addrs(b, &to->dst, &from->dst);
}

static size_t put_all(uint8_t *begin, const struct weir_rule *rules, uint32_t n)
{
	struct block b = {.begin = begin};
	struct weir_rule *to = put(&b, rules, n * sizeof(rules[0])), nowhere;

	for (uint32_t i = 0; i < n; i++)
		put_rule(&b, to == NULL ? &nowhere : &to[i], &rules[i]);
	return b.used;
}

int rules_copy(struct weir_rules *rs, const struct weir_rule *rules, uint32_t n)
{
	const size_t bytes = put_all(NULL, rules, n);

	rs->rules = malloc(bytes > 0 ? bytes : 1);
	if (rs->rules == NULL)
		return -ENOMEM;
	put_all((uint8_t *)rs->rules, rules, n);
	rs->n = n;
	rs->stats.bytes += bytes;
	return 0;
}

static void free_list(struct rules_list *list)
{
	rules_parts_free(&list->ends);
	rules_passes_free(&list->passes);
	rules_plain_free(&list->plain);
	rules_look_free(&list->src);
	rules_look_free(&list->dst);
}

void weir_rules_free(struct weir_rules *rs)
{
	if (rs == NULL)
		return;
	for (uint32_t i = 0; i < rs->n_lists; i++)
		free_list(&rs->lists[i]);
	for (uint32_t i = 0; i < rs->n_anons; i++)
		weir_set_free(rs->anons[i].set);
	free(rs->lists);
	free(rs->anons);
	free(rs->limits);
	free(rs->rules);
	free(rs);
}

void weir_rules_stats(const struct weir_rules *rs, struct weir_rules_stats *out)
{
	*out = rs->stats;
}

const struct weir_rule *weir_rules_at(const struct weir_rules *rs, uint32_t rule)
{
	assert(rule < rs->n);
	return &rs->rules[rule];
}

uint32_t weir_rules_count(const struct weir_rules *rs)
{
	return rs->n;
}

enum weir_action weir_rules_default(const struct weir_rules *rs)
{
	return rs->default_action;
}

uint32_t weir_rules_sources_max(const struct weir_rules *rs, uint8_t zone)
{
	return zone < rs->zones ? rs->sources_max[zone] : 0;
}
