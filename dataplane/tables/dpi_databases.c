/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpi_databases: rules through hyperscan's compiler, or from the cache.
 *
 * Takes: rules. Says: a database for datagrams and one for streams, and which rules were refused.
 *
 * A pattern of a pattern file that hyperscan refuses is an error; a rule of Snort is left out and
 * named, and the rest is compiled again. What hs_expression_info() refuses is found before, one by
 * one, so that few are left for that. What was refused is kept in the cache with the databases: it
 * is named again when they are read.
 */
#include "dpi_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is being built. */
struct build {
	struct weir_dpi *d;
	const struct weir_dpi_conf *conf;
	struct weir_why *why;
	FILE *notes; /* rules that were refused: place, blank, message, NUL; NULL: nobody asks */
};

static int no_memory(const struct build *b)
{
	return weir_why(b->why, -ENOMEM, "out of memory for patterns");
}

static void leave_out(const struct build *b, uint32_t place, const char *message)
{
	struct dpi_rule *rule = &b->d->rules.rule[place];

	rule->left_out = true;
	b->d->rules.left_out++;
	dpi_finding(b->conf, "%s:%u: rule %u is left out: %s", rule->file, rule->line, rule->id,
		    message);
}

/* What hyperscan thinks of a rule is wrong with it: an error, or it is left out. */
static int refuse(const struct build *b, uint32_t place, const char *message)
{
	const struct dpi_rule *rule = &b->d->rules.rule[place];

	if (rule->must)
		return weir_why(b->why, -EINVAL, "%s:%u: pattern %u: %s", rule->file, rule->line,
				rule->id, message);
	leave_out(b, place, message);
	if (b->notes != NULL)
		fprintf(b->notes, "%u %s%c", place, message, '\0');
	return 0;
}

/* The notes of an earlier time; false: they are none of these rules. */
static bool leave_out_noted(const struct build *b, const struct dpi_bytes *notes)
{
	for (size_t at = 0; at < notes->bytes;) {
		const char *note = notes->at + at, *blank = strchr(note, ' ');
		uint64_t place;

		if (blank == NULL ||
		    !dpi_number((struct dpi_text){note, (size_t)(blank - note)}, b->d->rules.n - 1,
				&place) ||
		    b->d->rules.rule[place].must)
			return false;
		leave_out(b, (uint32_t)place, blank + 1);
		at += strlen(note) + 1;
	}
	return true;
}

/* Regular expressions of rules that may be left out: whether each by itself can be read. */
static int check_parts(const struct build *b)
{
	int rc = 0;

	for (uint32_t i = 0; i < b->d->rules.n && rc == 0; i++) {
		const struct dpi_rule *rule = &b->d->rules.rule[i];

		for (unsigned k = 0; k < rule->n_parts && rc == 0; k++) {
			hs_compile_error_t *error = NULL;
			hs_expr_info_t *info = NULL;

			if (rule->must || rule->left_out || rule->part[k].literal)
				continue;
			if (hs_expression_info(rule->part[k].regex, rule->part[k].flags, &info,
					       &error) != HS_SUCCESS)
				rc = refuse(b, i, error->message);
			hs_free_compile_error(error);
			free(info);
		}
	}
	return rc;
}

static hs_error_t compile_some(const struct dpi_exprs *e, unsigned from, unsigned n,
			       enum dpi_mode mode, hs_database_t **db, hs_compile_error_t **error)
{
	*error = NULL;
	return hs_compile_ext_multi(
		e->regex + from, e->flags + from, e->ids + from, e->ext_at + from, n,
		mode == DPI_STREAM ? HS_MODE_STREAM : HS_MODE_BLOCK, NULL, db, error);
}

/* hyperscan does not say which rule was too much for it: the first that is too much by itself. */
static uint32_t find_bad(const struct weir_dpi *d, const struct dpi_exprs *e, enum dpi_mode mode)
{
	for (unsigned i = 0, n; i < e->n; i += n) {
		hs_compile_error_t *error;
		hs_database_t *db = NULL;
		hs_error_t rc;

		for (n = 1; i + n < e->n && e->rule[i + n] == e->rule[i];)
			n++;
		rc = compile_some(e, i, n, mode, &db, &error);
		hs_free_compile_error(error);
		hs_free_database(db);
		if (rc == HS_COMPILER_ERROR)
			return e->rule[i];
	}
	return d->rules.n;
}

/* Compile one mode. *bad: the rule that was refused, or d->rules.n. */
static int compile_mode(struct weir_dpi *d, const struct dpi_exprs *e, enum dpi_mode mode,
			uint32_t *bad, hs_compile_error_t **error)
{
	hs_error_t rc;

	*bad = d->rules.n;
	*error = NULL;
	if (e->n == 0)
		return 0;
	rc = compile_some(e, 0, e->n, mode, &d->db[mode], error);
	if (rc == HS_SUCCESS)
		return 0;
	if (rc == HS_COMPILER_ERROR)
		*bad = (*error)->expression >= 0 ? e->rule[(*error)->expression]
						 : find_bad(d, e, mode);
	return rc == HS_NOMEM ? -ENOMEM : -EINVAL;
}

/* Compile both. -EAGAIN: a rule was left out, begin again. */
static int compile_once(const struct build *b, const struct dpi_exprs exprs[DPI_MODES])
{
	struct weir_dpi *d = b->d;

	for (unsigned m = 0; m < DPI_MODES; m++) {
		hs_compile_error_t *error;
		uint32_t bad;
		int rc = compile_mode(d, &exprs[m], m, &bad, &error);

		if (rc < 0) {
			const char *message = error != NULL ? error->message : "out of memory";

			if (bad == d->rules.n)
				rc = weir_why(b->why, rc, "patterns cannot be compiled: %s",
					      message);
			else
				rc = refuse(b, bad, message);
			hs_free_compile_error(error);
			dpi_databases_free(d);
			return rc < 0 ? rc : -EAGAIN;
		}
	}
	return 0;
}

static int make_exprs(const struct build *b, struct dpi_exprs exprs[DPI_MODES])
{
	int rc = 0;

	for (unsigned m = 0; m < DPI_MODES; m++)
		exprs[m] = (struct dpi_exprs){0};
	for (unsigned m = 0; m < DPI_MODES && rc == 0; m++)
		rc = dpi_exprs_make(&exprs[m], &b->d->rules, m);
	return rc < 0 ? no_memory(b) : 0;
}

static void clear_exprs(struct dpi_exprs exprs[DPI_MODES])
{
	for (unsigned m = 0; m < DPI_MODES; m++)
		dpi_exprs_clear(&exprs[m]);
}

static int compile_all(const struct build *b)
{
	struct dpi_exprs exprs[DPI_MODES];
	int rc = check_parts(b);

	if (rc < 0)
		return rc;
	do {
		rc = make_exprs(b, exprs);
		if (rc == 0)
			rc = compile_once(b, exprs);
		clear_exprs(exprs);
	} while (rc == -EAGAIN);
	return rc;
}

/* All that is read, rules that will be refused too: what they lead to depends on nothing else. */
static int make_key(const struct build *b, struct dpi_bytes *key)
{
	struct dpi_exprs exprs[DPI_MODES];
	int rc = make_exprs(b, exprs);

	*key = (struct dpi_bytes){NULL};
	if (rc == 0 && dpi_key_make(key, &b->d->rules, exprs) < 0)
		rc = no_memory(b);
	clear_exprs(exprs);
	return rc;
}

/* Compile, and keep the outcome under the key. */
static int compile_and_keep(struct build *b, const struct dpi_bytes *key)
{
	struct weir_why odd = {""};
	struct dpi_cached c = {{NULL}};
	bool bad;
	int rc;

	b->notes = open_memstream(&c.notes.at, &c.notes.bytes);
	if (b->notes == NULL)
		return no_memory(b);
	rc = compile_all(b);
	bad = ferror(b->notes) != 0;
	if ((fclose(b->notes) != 0 || bad) && rc == 0)
		rc = no_memory(b);
	b->notes = NULL;
	memcpy(c.db, b->d->db, sizeof(c.db));
	if (rc == 0) {
		if (dpi_cache_write(b->conf->cache_dir, key, &c, &odd) == 0)
			b->d->stats.cache = WEIR_DPI_CACHE_WRITTEN;
		else
			dpi_finding(b->conf, "%s", odd.text);
	}
	free(c.notes.at);
	return rc;
}

/* From the cache, or compiled and into the cache. */
static int get_databases(struct build *b)
{
	struct weir_why odd = {""};
	struct dpi_cached c;
	struct dpi_bytes key;
	int rc;

	if (b->conf->cache_dir == NULL)
		return compile_all(b);
	rc = make_key(b, &key);
	if (rc < 0)
		return rc;
	if (dpi_cache_read(b->conf->cache_dir, &key, &c, &odd)) {
		memcpy(b->d->db, c.db, sizeof(c.db));
		b->d->stats.cache = WEIR_DPI_CACHE_HIT;
		if (!leave_out_noted(b, &c.notes))
			rc = weir_why(b->why, -EBADMSG,
				      "%s: notes of other rules: remove its files",
				      b->conf->cache_dir);
		free(c.notes.at);
	} else {
		if (odd.text[0] != '\0')
			dpi_finding(b->conf, "%s", odd.text);
		rc = compile_and_keep(b, &key);
	}
	free(key.at);
	return rc;
}

int dpi_databases_make(struct weir_dpi *d, const struct weir_dpi_conf *conf, struct weir_why *why)
{
	struct build b = {.d = d, .conf = conf, .why = why};

	return get_databases(&b);
}

void dpi_databases_free(struct weir_dpi *d)
{
	for (unsigned m = 0; m < DPI_MODES; m++) {
		hs_free_database(d->db[m]);
		d->db[m] = NULL;
	}
}
