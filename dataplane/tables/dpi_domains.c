/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpi_domains: which set is a name in?
 *
 * Takes: lists of domains. Says: the set of the longest entry that is the name or ends it at a dot.
 * Holds: one hash table of all sets' entries, keyed because clients choose the names; never changed
 * once it was made. A name is looked up once for each of its last labels, as many as the entry with
 * most labels has.
 */
#include "dpi_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Entries of all sets at most. */
#define ENTRIES_MAX (1u << 24)

struct dpi_domain {
	uint32_t at;   /* of its text in dpi_domains.text, plus one; 0: the slot is free */
	uint16_t set;  /* place in weir_dpi_conf.sets */
	uint8_t bytes; /* of the text: names have 253 at most */
	uint8_t exact; /* nothing below it */
};

static uint32_t hash(const struct dpi_domains *ds, const char *name, size_t bytes, bool exact)
{
	return (uint32_t)weir_siphash13(&ds->secret, name, bytes) + exact;
}

/* The slot of an entry, or the free one where it belongs. */
static struct dpi_domain *slot_of(const struct dpi_domains *ds, const char *name, size_t bytes,
				  bool exact)
{
	for (uint32_t i = hash(ds, name, bytes, exact);; i++) {
		struct dpi_domain *d = &ds->slot[i & ds->mask];

		if (d->at == 0 || (d->bytes == bytes && d->exact == exact &&
				   memcmp(ds->text + d->at - 1, name, bytes) == 0))
			return d;
	}
}

static int grow_table(struct dpi_domains *ds)
{
	struct dpi_domains more = *ds;

	more.mask = ds->mask == 0 ? 63 : 2 * ds->mask + 1;
	more.slot = calloc(more.mask + 1ul, sizeof(more.slot[0]));
	if (more.slot == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; ds->slot != NULL && i <= ds->mask; i++) {
		const struct dpi_domain *d = &ds->slot[i];

		if (d->at != 0)
			*slot_of(&more, ds->text + d->at - 1, d->bytes, d->exact) = *d;
	}
	free(ds->slot);
	ds->slot = more.slot;
	ds->mask = more.mask;
	return 0;
}

static int grow_text(struct dpi_domains *ds, size_t bytes)
{
	char *more;

	if (ds->text_bytes + bytes <= ds->text_room)
		return 0;
	more = realloc(ds->text, 2 * ds->text_room + 4096);
	if (more == NULL)
		return -ENOMEM;
	ds->text = more;
	ds->text_room = 2 * ds->text_room + 4096;
	return 0;
}

static uint32_t labels_of(const char *name)
{
	uint32_t n = 1;

	for (; *name != '\0'; name++)
		n += *name == '.';
	return n;
}

/* Take "example.com" or "=example.com" in. The first set that has it keeps it. */
static int add(struct dpi_domains *ds, struct dpi_text t, uint16_t set)
{
	const bool exact = t.bytes > 0 && t.at[0] == '=';
	char name[WEIR_SNIFF_NAME];
	struct dpi_domain *d;
	size_t bytes;

	if (weir_sniff_host(t.at + exact, t.bytes - exact, name) < 0)
		return -EINVAL;
	bytes = strlen(name);
	if (ds->n == ENTRIES_MAX || ds->text_bytes + bytes >= UINT32_MAX)
		return -E2BIG;
	/* A quarter of the slots stays free, and one at least, so that a search ends. */
	if (ds->slot == NULL || ds->n >= ds->mask / 4 * 3)
		if (grow_table(ds) < 0)
			return -ENOMEM;
	d = slot_of(ds, name, bytes, exact);
	if (d->at != 0)
		return 0;
	if (grow_text(ds, bytes) < 0)
		return -ENOMEM;
	memcpy(ds->text + ds->text_bytes, name, bytes);
	*d = (struct dpi_domain){(uint32_t)ds->text_bytes + 1, set, (uint8_t)bytes, exact};
	ds->text_bytes += bytes;
	ds->n++;
	if (labels_of(name) > ds->labels_max)
		ds->labels_max = labels_of(name);
	return 0;
}

/* Add one, with a sentence if it cannot be. line 0: it is not of a file. */
static int add_or_why(struct dpi_domains *ds, struct dpi_text t, uint16_t set, const char *where,
		      uint32_t line, struct weir_why *why)
{
	const int rc = add(ds, t, set);
	char colon[16] = "";

	if (rc == 0)
		return 0;
	if (rc == -E2BIG)
		return weir_why(why, rc, "%s: more than %u domains", where, ENTRIES_MAX);
	if (rc != -EINVAL)
		return weir_why(why, rc, "out of memory for domains");
	if (line != 0)
		snprintf(colon, sizeof(colon), ":%u", line);
	return weir_why(why, rc,
			"%s%s: '%.*s' is no name of a host, as example.com or =example.com", where,
			colon, (int)(t.bytes > 80 ? 80 : t.bytes), t.at);
}

static int add_file(struct dpi_domains *ds, const char *path, uint16_t set, struct weir_why *why)
{
	struct dpi_text text, line;
	char *whole;
	int rc = dpi_file_read(path, &whole, &text.bytes, why);

	text.at = whole;
	for (uint32_t number = 1; rc == 0 && dpi_line(&text, &line); number++) {
		const char *comment = memchr(line.at, '#', line.bytes);

		if (comment != NULL)
			line.bytes = (size_t)(comment - line.at);
		line = dpi_trim(line);
		if (line.bytes > 0)
			rc = add_or_why(ds, line, set, path, number, why);
	}
	free(whole);
	return rc;
}

int dpi_domains_make(struct dpi_domains *ds, const struct weir_dpi_conf *conf, struct weir_why *why)
{
	int rc = 0;

	*ds = (struct dpi_domains){.secret = conf->secret};
	for (uint32_t i = 0; i < conf->n_sets && rc == 0; i++) {
		const struct weir_dpi_set *set = &conf->sets[i];

		for (uint32_t k = 0; k < set->n_domains && rc == 0; k++) {
			const struct dpi_text t = {set->domains[k], strlen(set->domains[k])};

			rc = add_or_why(ds, t, (uint16_t)i, set->name, 0, why);
		}
		for (uint32_t k = 0; k < set->n_files && rc == 0; k++)
			rc = add_file(ds, set->files[k], (uint16_t)i, why);
	}
	return rc;
}

void dpi_domains_clear(struct dpi_domains *ds)
{
	free(ds->slot);
	free(ds->text);
	*ds = (struct dpi_domains){0};
}

int dpi_domains_find(const struct dpi_domains *ds, const char *name)
{
	const char *end = name + strlen(name), *at = name;
	const struct dpi_domain *d;
	uint32_t labels;

	if (ds->n == 0 || *name == '\0')
		return -1;
	labels = labels_of(name);
	if (labels <= ds->labels_max) {
		d = slot_of(ds, name, (size_t)(end - name), true);
		if (d->at != 0)
			return d->set;
	}
	for (;; labels--, at = strchr(at, '.') + 1) {
		if (labels <= ds->labels_max) {
			d = slot_of(ds, at, (size_t)(end - at), false);
			if (d->at != 0)
				return d->set;
		}
		if (labels == 1)
			return -1;
	}
}
