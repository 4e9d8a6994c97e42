/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpi_exprs: rules as expressions for hyperscan, and the key under which the outcome is cached.
 *
 * A rule of one part is one expression whose number is the rule's place. The parts of a rule with
 * several are quiet, with numbers above all places, and a logical combination of them ("7 & 8") has
 * the rule's place. Each is reported once in a stream (HS_FLAG_SINGLEMATCH).
 */
#include "dpi_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "4294967295 & " for each part. */
#define COMBO_BYTES (DPI_PARTS * 13 + 1)

static bool wanted(const struct dpi_rule *rule, enum dpi_mode mode)
{
	return !rule->left_out && (rule->modes & 1u << mode);
}

static void add(struct dpi_exprs *e, const char *regex, unsigned flags, unsigned id, unsigned rule)
{
	e->regex[e->n] = regex;
	e->flags[e->n] = flags;
	e->ids[e->n] = id;
	e->rule[e->n] = rule;
	e->ext[e->n] = (hs_expr_ext_t){0};
	e->ext_at[e->n] = &e->ext[e->n];
	e->n++;
}

static void add_part(struct dpi_exprs *e, const struct dpi_part *part, unsigned quiet, unsigned id,
		     unsigned rule)
{
	hs_expr_ext_t *ext = &e->ext[e->n];

	add(e, part->regex, part->flags | HS_FLAG_SINGLEMATCH | quiet, id, rule);
	ext->min_offset = part->min_end;
	ext->max_offset = part->max_end;
	ext->flags = (part->min_end > 0 ? HS_EXT_FLAG_MIN_OFFSET : 0) |
		     (part->max_end < UINT64_MAX ? HS_EXT_FLAG_MAX_OFFSET : 0);
}

static void add_rule(struct dpi_exprs *e, const struct dpi_rule *rule, unsigned place,
		     unsigned *next_id, char combo[COMBO_BYTES])
{
	int at = 0;

	if (rule->n_parts == 1) {
		add_part(e, &rule->part[0], 0, place, place);
		return;
	}
	for (unsigned i = 0; i < rule->n_parts; i++) {
		at += snprintf(combo + at, (size_t)(COMBO_BYTES - at), "%s%u", i > 0 ? " & " : "",
			       *next_id);
		add_part(e, &rule->part[i], HS_FLAG_QUIET, (*next_id)++, place);
	}
	add(e, combo, HS_FLAG_COMBINATION | HS_FLAG_SINGLEMATCH, place, place);
}

static bool make_room(struct dpi_exprs *e, size_t n, size_t combos)
{
	e->regex = calloc(n, sizeof(e->regex[0]));
	e->flags = calloc(n, sizeof(e->flags[0]));
	e->ids = calloc(n, sizeof(e->ids[0]));
	e->rule = calloc(n, sizeof(e->rule[0]));
	e->ext = calloc(n, sizeof(e->ext[0]));
	e->ext_at = calloc(n, sizeof(e->ext_at[0]));
	e->combos = calloc(combos + 1, COMBO_BYTES);
	return e->regex != NULL && e->flags != NULL && e->ids != NULL && e->rule != NULL &&
	       e->ext != NULL && e->ext_at != NULL && e->combos != NULL;
}

int dpi_exprs_make(struct dpi_exprs *e, const struct dpi_rules *rules, enum dpi_mode mode)
{
	size_t n = 0, combos = 0;
	unsigned next_id = rules->n;

	*e = (struct dpi_exprs){0};
	for (uint32_t i = 0; i < rules->n; i++) {
		if (!wanted(&rules->rule[i], mode))
			continue;
		n += rules->rule[i].n_parts;
		combos += rules->rule[i].n_parts > 1;
	}
	if (n == 0)
		return 0;
	if (!make_room(e, n + combos, combos))
		return -ENOMEM;
	combos = 0;
	for (uint32_t i = 0; i < rules->n; i++)
		if (wanted(&rules->rule[i], mode))
			add_rule(e, &rules->rule[i], i, &next_id,
				 e->combos +
					 COMBO_BYTES * (rules->rule[i].n_parts > 1 ? combos++ : 0));
	return 0;
}

void dpi_exprs_clear(struct dpi_exprs *e)
{
	free(e->regex);
	free(e->flags);
	free(e->ids);
	free(e->rule);
	free(e->ext);
	free(e->ext_at);
	free(e->combos);
	*e = (struct dpi_exprs){0};
}

int dpi_key_make(struct dpi_bytes *key, const struct dpi_rules *rules,
		 const struct dpi_exprs exprs[DPI_MODES])
{
	hs_platform_info_t cpu = {0};
	bool bad;
	char *text = NULL;
	FILE *f = open_memstream(&text, &key->bytes);

	key->at = NULL;
	if (f == NULL)
		return -ENOMEM;
	hs_populate_platform(&cpu);
	fprintf(f, "hyperscan %s on %u %llu\n", hs_version(), cpu.tune, cpu.cpu_features);
	for (uint32_t i = 0; i < rules->n; i++)
		fputc(rules->rule[i].must ? 'm' : 'r', f);
	for (unsigned m = 0; m < DPI_MODES; m++) {
		fprintf(f, "\n%u expressions of mode %u\n", exprs[m].n, m);
		for (unsigned i = 0; i < exprs[m].n; i++)
			fprintf(f, "%u:%u:%llu:%llu:%llu:%zu:%s\n", exprs[m].ids[i],
				exprs[m].flags[i], exprs[m].ext[i].flags,
				exprs[m].ext[i].min_offset, exprs[m].ext[i].max_offset,
				strlen(exprs[m].regex[i]), exprs[m].regex[i]);
	}
	bad = ferror(f) != 0;
	if (fclose(f) != 0 || bad) {
		free(text);
		return -ENOMEM;
	}
	key->at = text;
	return 0;
}
