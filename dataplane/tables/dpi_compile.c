/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpi_compile: from files of patterns and domains to a struct weir_dpi.
 *
 * Takes: struct weir_dpi_conf. Says: the compiled whole, or one sentence with file and line.
 * Holds: rules, two databases (datagrams: block mode; TCP: stream mode), domain sets. Immutable.
 */
#include "dpi_priv.h"

#include <errno.h>
#include <rte_common.h>
#include <stdlib.h>
#include <string.h>
#include <weir/clock.h>

static int read_source(struct dpi_reader *r)
{
	const struct weir_dpi_source *s = r->source;
	struct dpi_text text = {s->text, s->text_bytes};
	char *whole = NULL;
	int rc = 0;

	if (s->format == WEIR_DPI_HYPERSCAN &&
	    (s->action <= WEIR_DPI_PASS || s->action >= WEIR_DPI_ACTIONS))
		return weir_why(r->why, -EINVAL, "%s: its patterns have no action", s->name);
	if (s->text == NULL) {
		rc = dpi_file_read(s->name, &whole, &text.bytes, r->why);
		text.at = whole;
	}
	if (rc == 0)
		rc = s->format == WEIR_DPI_SNORT ? dpi_snort_read(r, text)
						 : dpi_patterns_read(r, text);
	free(whole);
	return rc;
}

static int read_sources(struct weir_dpi *d, const struct weir_dpi_conf *conf, struct weir_why *why)
{
	struct dpi_reader r = {.conf = conf, .rules = &d->rules, .why = why};

	d->rules.name = calloc(conf->n_sources + 1ul, sizeof(d->rules.name[0]));
	if (d->rules.name == NULL)
		return weir_why(why, -ENOMEM, "out of memory for patterns");
	for (uint32_t i = 0; i < conf->n_sources; i++) {
		char *name = strdup(conf->sources[i].name);
		int rc;

		if (name == NULL)
			return weir_why(why, -ENOMEM, "out of memory for patterns");
		d->rules.name[d->rules.n_names++] = name;
		r.source = &conf->sources[i];
		r.file = name;
		rc = read_source(&r);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int compare_ids(const void *a, const void *b, void *rules)
{
	const struct dpi_rule *rule = rules;
	const uint32_t x = rule[*(const uint32_t *)a].id, y = rule[*(const uint32_t *)b].id;

	return (x > y) - (x < y);
}

/* Sort by number; two of one number are an error, for an alert must tell which it was. */
static int index_ids(struct weir_dpi *d, struct weir_why *why)
{
	const struct dpi_rule *rule = d->rules.rule;

	d->by_id = calloc(d->rules.n + 1ul, sizeof(d->by_id[0]));
	if (d->by_id == NULL)
		return weir_why(why, -ENOMEM, "out of memory for patterns");
	for (uint32_t i = 0; i < d->rules.n; i++)
		d->by_id[i] = i;
	qsort_r(d->by_id, d->rules.n, sizeof(d->by_id[0]), compare_ids, d->rules.rule);
	for (uint32_t i = 1; i < d->rules.n; i++) {
		const struct dpi_rule *a = &rule[d->by_id[i - 1]], *b = &rule[d->by_id[i]];

		if (a->id == b->id)
			return weir_why(why, -EEXIST, "%s:%u: number %u is that of %s:%u too",
					b->file, b->line, b->id, a->file, a->line);
	}
	return 0;
}

/* Whether one of the rules may match where a stream ends: what can stand for that is in its text.
 */
static bool may_match_at_end(const struct dpi_rules *rules)
{
	static const char *const marks[] = {"$", "\\b", "\\B", "\\z", "\\Z"};

	for (uint32_t i = 0; i < rules->n; i++)
		for (unsigned k = 0; k < rules->rule[i].n_parts; k++)
			for (unsigned m = 0; m < RTE_DIM(marks); m++)
				if (strstr(rules->rule[i].part[k].regex, marks[m]) != NULL)
					return true;
	return false;
}

static int copy_sets(struct weir_dpi *d, const struct weir_dpi_conf *conf, struct weir_why *why)
{
	if (conf->n_sets > WEIR_DPI_SETS_MAX)
		return weir_why(why, -EINVAL, "%u domain sets, at most %u", conf->n_sets,
				WEIR_DPI_SETS_MAX);
	d->set = calloc(conf->n_sets + 1ul, sizeof(d->set[0]));
	if (d->set == NULL)
		return weir_why(why, -ENOMEM, "out of memory for domains");
	for (uint32_t i = 0; i < conf->n_sets; i++) {
		d->set[i].name = strdup(conf->sets[i].name);
		d->set[i].action = (uint8_t)conf->sets[i].action;
		d->set[i].app = conf->sets[i].app;
		d->n_sets++;
		if (d->set[i].name == NULL)
			return weir_why(why, -ENOMEM, "out of memory for domains");
		if (conf->sets[i].action >= WEIR_DPI_ACTIONS)
			return weir_why(why, -EINVAL, "%s: it has no action", conf->sets[i].name);
	}
	return dpi_domains_make(&d->domains, conf, why);
}

/* What workers will clone. */
static int make_scratch(struct weir_dpi *d, struct weir_why *why)
{
	for (unsigned m = 0; m < DPI_MODES; m++)
		if (d->db[m] != NULL && hs_alloc_scratch(d->db[m], &d->scratch) != HS_SUCCESS)
			return weir_why(why, -ENOMEM, "out of memory for patterns");
	if (d->scratch != NULL)
		hs_scratch_size(d->scratch, &d->scratch_bytes);
	return 0;
}

static void take_stock(struct weir_dpi *d)
{
	size_t bytes = 0;

	for (unsigned m = 0; m < DPI_MODES; m++) {
		if (d->db[m] != NULL && hs_database_size(d->db[m], &bytes) == HS_SUCCESS)
			d->stats.bytes += bytes;
	}
	if (d->db[DPI_STREAM] != NULL && hs_stream_size(d->db[DPI_STREAM], &bytes) == HS_SUCCESS)
		d->stats.stream_bytes = (uint32_t)bytes;
	if (d->domains.n > 0)
		d->stats.bytes += (d->domains.mask + 1ul) * 8 + d->domains.text_room;
	d->stats.domains = d->domains.n;
	for (uint32_t i = 0; i < d->rules.n; i++)
		d->stats.patterns += !d->rules.rule[i].left_out;
	d->stats.left_out = d->rules.left_out;
}

static int build(struct weir_dpi *d, const struct weir_dpi_conf *conf, struct weir_why *why)
{
	int rc = read_sources(d, conf, why);

	if (rc == 0)
		rc = index_ids(d, why);
	if (rc == 0 && d->rules.n > 0)
		rc = dpi_databases_make(d, conf, why);
	if (rc == 0)
		rc = make_scratch(d, why);
	if (rc == 0)
		rc = copy_sets(d, conf, why);
	d->at_end = may_match_at_end(&d->rules);
	return rc;
}

int weir_dpi_compile(const struct weir_dpi_conf *conf, struct weir_dpi **out, struct weir_why *why)
{
	const uint64_t begin_ns = weir_clock_system_ns();
	struct weir_dpi *d;
	int rc;

	if (hs_valid_platform() != HS_SUCCESS)
		return weir_why(why, -ENOTSUP, "inspection needs a processor with SSSE3");
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return weir_why(why, -ENOMEM, "out of memory for patterns");
	d->budget_bytes = conf->budget_bytes;
	d->unreadable = (uint8_t)conf->unreadable;
	rc = build(d, conf, why);
	if (rc < 0) {
		weir_dpi_free(d);
		return rc;
	}
	take_stock(d);
	d->stats.build_ns = weir_clock_system_ns() - begin_ns;
	*out = d;
	return 0;
}

void weir_dpi_free(struct weir_dpi *d)
{
	if (d == NULL)
		return;
	hs_free_scratch(d->scratch);
	dpi_databases_free(d);
	dpi_rules_clear(&d->rules);
	dpi_domains_clear(&d->domains);
	free(d->by_id);
	for (uint32_t i = 0; i < d->n_sets; i++)
		free(d->set[i].name);
	free(d->set);
	free(d);
}

void weir_dpi_stats(const struct weir_dpi *d, struct weir_dpi_stats *out)
{
	*out = d->stats;
}

const char *weir_dpi_message(const struct weir_dpi *d, uint32_t id)
{
	uint32_t from = 0, to = d->rules.n;

	while (from < to) {
		const uint32_t middle = from + (to - from) / 2;
		const struct dpi_rule *rule = &d->rules.rule[d->by_id[middle]];

		if (rule->id == id)
			return rule->left_out ? NULL : rule->message;
		if (rule->id < id)
			from = middle + 1;
		else
			to = middle;
	}
	return NULL;
}

const char *weir_dpi_set_name(const struct weir_dpi *d, uint32_t id)
{
	if (id == WEIR_DPI_UNREADABLE)
		return WEIR_DPI_UNREADABLE_NAME;
	return id < d->n_sets ? d->set[id].name : NULL;
}

int weir_dpi_domain(const struct weir_dpi *d, const char *name)
{
	return dpi_domains_find(&d->domains, name);
}
