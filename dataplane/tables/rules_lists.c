/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Address lists that are looked up: with a set, a country, a negation, or more prefixes than are
 * worth an entry each. They are numbered by list of rules and side; the same list has one number.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "rules_priv.h"

/* Entries that a rule's prefixes may become; beyond, the longer side is looked up. */
#define PREFIXES_FIRST 16
/* If a side would have too many lists, they may become more, up to these. */
#define PREFIXES_LAST 4096

/* One side while its lists are numbered. */
struct side {
	struct rules_look *look;
	const struct weir_rule_addrs *list[WEIR_RULE_SETS_MAX];
};

uint32_t rules_lists_prefixes(const struct weir_rule_addrs *a, uint8_t family)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < a->n_prefixes; i++)
		n += a->prefixes[i].addr.family == family;
	return n;
}

bool rules_lists_possible(const struct weir_rule_addrs *a, uint8_t family)
{
	return a->n_prefixes == 0 || a->n_sets > 0 || a->n_countries > 0 || a->negate ||
	       rules_lists_prefixes(a, family) > 0;
}

bool rules_lists_plain(const struct weir_rule_addrs *a)
{
	return a->n_prefixes > 0 && a->n_sets == 0 && a->n_countries == 0 && !a->negate;
}

/* Whether only a lookup can tell. What is in none of no prefixes is any address. */
static bool needs_lookup(const struct weir_rule_addrs *a, uint8_t family)
{
	return a->n_sets > 0 || a->n_countries > 0 ||
	       (a->negate && rules_lists_prefixes(a, family) > 0);
}

static bool same_prefixes(const struct weir_prefix *a, const struct weir_prefix *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (a[i].length != b[i].length || !weir_addr_equal(&a[i].addr, &b[i].addr))
			return false;
	return true;
}

static bool same_list(const struct weir_rule_addrs *a, const struct weir_rule_addrs *b)
{
	if (a->n_prefixes != b->n_prefixes || a->n_sets != b->n_sets ||
	    a->n_countries != b->n_countries || a->negate != b->negate)
		return false;
	for (uint32_t i = 0; i < a->n_sets; i++)
		if (a->sets[i] != b->sets[i])
			return false;
	for (uint32_t i = 0; i < a->n_countries; i++)
		if (a->countries[i] != b->countries[i])
			return false;
	return same_prefixes(a->prefixes, b->prefixes, a->n_prefixes);
}

static int fill_set(struct weir_set *set, const struct weir_rule_addrs *a)
{
	int rc = 0;

	for (uint32_t i = 0; i < a->n_prefixes && rc == 0; i++)
		rc = weir_set_add(set, &a->prefixes[i], WEIR_SET_FOREVER);
	return rc;
}

/* The set of these prefixes, made if no list had them before. */
static int anon_set(struct weir_rules *rs, const struct weir_rule_addrs *a,
		    const struct weir_set **out)
{
	struct weir_set_conf conf = {
		.name = "prefixes", .entries = a->n_prefixes, .numa = rs->numa};
	struct rules_anon *grown;
	struct weir_set *set;
	int rc;

	for (uint32_t i = 0; i < rs->n_anons; i++)
		if (rs->anons[i].n == a->n_prefixes &&
		    same_prefixes(rs->anons[i].prefixes, a->prefixes, a->n_prefixes)) {
			*out = rs->anons[i].set;
			return 0;
		}
	grown = realloc(rs->anons, (rs->n_anons + 1) * sizeof(grown[0]));
	if (grown == NULL)
		return -ENOMEM;
	rs->anons = grown;
	if (getrandom(&conf.secret, sizeof(conf.secret), 0) != sizeof(conf.secret))
		return -EIO;
	rc = weir_set_create(&conf, &set, NULL);
	if (rc < 0)
		return rc;
	grown[rs->n_anons++] = (struct rules_anon){a->prefixes, a->n_prefixes, set};
	*out = set;
	return fill_set(set, a);
}

static int add_set(struct rules_look *look, const struct weir_set *set, uint64_t list)
{
	unsigned i = 0;

	while (i < look->n_sets && look->set[i] != set)
		i++;
	if (i == WEIR_RULE_SETS_MAX)
		return -ENOSPC;
	if (i == look->n_sets) {
		look->set[i] = set;
		look->set_lists[i] = 0;
		look->n_sets++;
	}
	look->set_lists[i] |= list;
	return 0;
}

static int add_country(struct rules_look *look, uint16_t country, uint64_t list)
{
	uint64_t *grown = look->country_lists;

	if (country >= look->n_countries) {
		grown = realloc(grown, (country + 1u) * sizeof(grown[0]));
		if (grown == NULL)
			return -ENOMEM;
		memset(grown + look->n_countries, 0,
		       (country + 1u - look->n_countries) * sizeof(grown[0]));
		look->country_lists = grown;
		look->n_countries = country + 1u;
	}
	grown[country] |= list;
	return 0;
}

/* The number of a list, given to it if it has none. */
static int number(struct weir_rules *rs, struct side *s, const struct weir_rule_addrs *a,
		  uint8_t *out)
{
	struct rules_look *look = s->look;
	const struct weir_set *anon;
	unsigned i = 0;
	int rc = 0;

	while (i < look->n_lists && !same_list(s->list[i], a))
		i++;
	*out = (uint8_t)i;
	if (i < look->n_lists)
		return 0;
	if (i == WEIR_RULE_SETS_MAX)
		return -ENOSPC;
	s->list[i] = a;
	look->n_lists++;
	if (a->negate)
		look->negated |= UINT64_C(1) << i;
	for (uint32_t k = 0; k < a->n_sets && rc == 0; k++)
		rc = add_set(look, a->sets[k], UINT64_C(1) << i);
	for (uint32_t k = 0; k < a->n_countries && rc == 0; k++)
		rc = add_country(look, a->countries[k], UINT64_C(1) << i);
	if (rc == 0 && a->n_prefixes > 0)
		rc = anon_set(rs, a, &anon);
	if (rc == 0 && a->n_prefixes > 0)
		rc = add_set(look, anon, UINT64_C(1) << i);
	return rc;
}

static int place(struct weir_rules *rs, struct side side[2], const struct weir_rule *r,
		 uint8_t family, uint32_t most, uint8_t *out[2])
{
	const struct weir_rule_addrs *addrs[2] = {&r->src, &r->dst};
	uint64_t n[2];
	bool looked_up[2];
	int rc = 0;

	for (unsigned i = 0; i < 2; i++) {
		looked_up[i] = needs_lookup(addrs[i], family);
		n[i] = rules_lists_plain(addrs[i]) ? rules_lists_prefixes(addrs[i], family) : 1;
	}
	while (n[0] * n[1] > most) {
		const unsigned longer = n[1] > n[0];

		looked_up[longer] = true;
		n[longer] = 1;
	}
	for (unsigned i = 0; i < 2 && rc == 0; i++) {
		*out[i] = RULES_NO_LIST;
		if (looked_up[i])
			rc = number(rs, &side[i], addrs[i], out[i]);
	}
	return rc;
}

static void forget(struct rules_look *look)
{
	free(look->country_lists);
	memset(look, 0, sizeof(*look));
}

int rules_lists_make(struct weir_rules *rs, struct rules_list *list, uint8_t family,
		     const bool *wanted, const struct rules_sides *sides, struct weir_why *why)
{
	uint32_t at = 0;
	int rc = -ENOSPC;

	for (uint32_t most = PREFIXES_FIRST; rc == -ENOSPC && most <= PREFIXES_LAST; most *= 4) {
		struct side side[2] = {{.look = &list->src}, {.look = &list->dst}};

		forget(&list->src);
		forget(&list->dst);
		rc = 0;
		for (uint32_t i = 0; i < rs->n && rc == 0; i++) {
			at = i;
			if (wanted[i])
				rc = place(rs, side, &rs->rules[i], family, most,
					   (uint8_t *[]){&sides->src[i], &sides->dst[i]});
		}
	}
	if (rc == -ENOSPC)
		return weir_why(why, rc,
				"rule %s: more than %u sets or lists of addresses on one side "
				"between two zones; put them together in fewer sets",
				rs->rules[at].name, WEIR_RULE_SETS_MAX);
	if (rc < 0)
		return weir_why(why, rc, "rule %s: no memory for its addresses",
				rs->rules[at].name);
	return 0;
}
