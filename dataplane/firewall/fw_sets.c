/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Sets that outlive a reload: a set whose section says the same as before is the same set, with all
 * that weirctl has added to it; any other is filled anew.
 */

#include "fw_ctl_priv.h"
#include "fw_priv.h"

#include <errno.h>
#include <rte_common.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <weir/error.h>
#include <weir/gen.h>

/* Without a word of how many they may be. */
#define ENTRIES_OF_FILE 65536
#define ENTRIES_LEAST	4096

uint32_t fw_set_entries(const struct weir_set_section *c)
{
	const uint64_t twice = 2 * (uint64_t)c->addresses.n;

	if (c->entries > 0)
		return (uint32_t)c->entries;
	if (c->file != NULL)
		return ENTRIES_OF_FILE;
	return (uint32_t)RTE_MIN(RTE_MAX(twice, ENTRIES_LEAST), WEIR_SET_ENTRIES_MAX);
}

static uint64_t hash_section(const struct weir_set_section *c)
{
	uint64_t h = FW_SAID_NOTHING;
	const struct weir_prefix *p;

	h = fw_said(h, &c->entries, sizeof(c->entries));
	weir_conf_each (p, &c->addresses) {
		h = fw_said(h, p->addr.bytes, sizeof(p->addr.bytes));
		h = fw_said(h, &p->addr.family, 1);
		h = fw_said(h, &p->length, 1);
	}
	return fw_said_file(h, c->file);
}

struct fw_set *fw_set_find(struct fw_set *const *sets, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(weir_set_name(sets[i]->set), name) == 0)
			return sets[i];
	return NULL;
}

void fw_set_release(struct fw_set *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	weir_set_free(s->set);
	free(s);
}

static void wait_for_workers(void *system)
{
	if (system != NULL)
		weir_gens_synchronize(weir_system_gens(system));
}

static int fill(struct fw_build *b, const struct weir_set_section *c, struct weir_set *set,
		struct weir_why *why)
{
	const struct weir_prefix *p;
	struct weir_why told = {""};
	int rc = 0;

	weir_conf_each (p, &c->addresses) {
		rc = weir_set_add(set, p, WEIR_SET_FOREVER);
		if (rc < 0)
			return weir_conf_fail(why, b->file, c->at.line,
					      "sets.%s: %zu addresses do not fit into %u entries",
					      c->name, c->addresses.n, fw_set_entries(c));
	}
	if (c->file == NULL)
		return 0;
	rc = weir_set_load_file(set, c->file, fw_next_s(b->fw->run), &told);
	if (rc < 0)
		weir_conf_fail(why, b->file, c->at.line, "sets.%s.file: %s", c->name, told.text);
	return rc;
}

static int open_one(struct fw_build *b, const struct weir_set_section *c, struct fw_set **out,
		    struct weir_why *why)
{
	const uint64_t said = hash_section(c);
	size_t n_before;
	struct fw_set *const *before = fw_sets(b->fw, &n_before);
	struct fw_set *s = fw_set_find(before, n_before, c->name);
	struct weir_set_conf conf = {
		.name = c->name,
		.entries = fw_set_entries(c),
		.numa = -1,
		.synchronize = wait_for_workers,
		.ctx = b->system,
	};
	struct weir_why told = {""};
	int rc;

	if (s != NULL && s->said == said) {
		s->refs++;
		*out = s;
		return 0;
	}
	if (getrandom(&conf.secret, sizeof(conf.secret), 0) != sizeof(conf.secret))
		return weir_why(why, -errno, "sets.%s: no random key: %s", c->name,
				strerror(errno));
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return weir_why(why, -ENOMEM, "sets.%s: out of memory", c->name);
	s->refs = 1;
	s->said = said;
	rc = weir_set_create(&conf, &s->set, &told);
	if (rc == 0)
		rc = fill(b, c, s->set, why);
	else
		weir_conf_fail(why, b->file, c->at.line, "sets.%s.entries: %s", c->name, told.text);
	if (rc < 0) {
		fw_set_release(s);
		return rc;
	}
	*out = s;
	return 0;
}

/* Rules take a word for an address, a prefix or a country first, and ! for "none of". */
static int check_name(const struct fw_build *b, const struct weir_set_section *c,
		      struct weir_why *why)
{
	const size_t len = strlen(c->name);
	struct weir_prefix p;

	if (weir_addr_parse(c->name, len, &p.addr) == 0 ||
	    weir_prefix_parse(c->name, len, &p) == 0 || strncmp(c->name, "country:", 8) == 0 ||
	    c->name[0] == '!')
		return weir_conf_fail(
			why, b->file, c->at.line,
			"sets.%s: no rule could name it: to rules this word is no set", c->name);
	return 0;
}

int fw_sets_open(struct fw_build *b, struct weir_why *why)
{
	const struct weir_set_section *c;

	b->sets = calloc(b->conf->sets.n + 1, sizeof(struct fw_set *));
	if (b->sets == NULL)
		return weir_why(why, -ENOMEM, "sets: out of memory");
	weir_conf_each (c, &b->conf->sets) {
		int rc = check_name(b, c, why);

		if (rc == 0)
			rc = open_one(b, c, &b->sets[b->n_sets], why);
		if (rc < 0)
			return rc;
		b->n_sets++;
	}
	return 0;
}
