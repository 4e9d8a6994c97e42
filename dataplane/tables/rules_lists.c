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
/* Lists of a side that are looked up before prefixes become more entries: each costs a packet some
 * cycles. Only if that does not help there are up to WEIR_RULE_SETS_MAX. */
#define LISTS_FEW 64

/* One side while its lists are numbered. */
struct side {
	struct rules_look *look;
	const struct weir_rule_addrs **list; /* room */
	uint32_t room;
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

/* A set more of a list. */
static int add_set(struct side *s, const struct weir_set *set, uint16_t list)
{
	struct rules_look *look = s->look;
	uint16_t i = 0;

	while (i < look->sets.n && look->set[i] != set)
		i++;
	if (i == s->room)
		return -ENOSPC;
	if (i == look->sets.n) {
		const struct weir_set **grown = realloc(look->set, (i + 1u) * sizeof(look->set[0]));

		if (grown == NULL)
			return -ENOMEM;
		look->set = grown;
		look->set[i] = set;
	}
	return rules_members_add(&look->sets, i, list);
}

static int add_negated(struct rules_look *look, uint16_t list)
{
	uint16_t *grown = realloc(look->negated, (look->n_negated + 1) * sizeof(grown[0]));

	if (grown == NULL)
		return -ENOMEM;
	look->negated = grown;
	look->negated[look->n_negated++] = list;
	return 0;
}

/* The number of a list, given to it if it has none. */
static int number(struct weir_rules *rs, struct side *s, const struct weir_rule_addrs *a,
		  uint16_t *out)
{
	struct rules_look *look = s->look;
	const struct weir_set *anon;
	uint16_t i = 0;
	int rc = 0;

	while (i < look->n_lists && !same_list(s->list[i], a))
		i++;
	*out = i;
	if (i < look->n_lists)
		return 0;
	if (i == s->room)
		return -ENOSPC;
	s->list[i] = a;
	look->n_lists++;
	if (a->negate)
		rc = add_negated(look, i);
	for (uint32_t k = 0; k < a->n_sets && rc == 0; k++)
		rc = add_set(s, a->sets[k], i);
	for (uint32_t k = 0; k < a->n_countries && rc == 0; k++)
		rc = rules_members_add(&look->countries, a->countries[k], i);
	if (rc == 0 && a->n_prefixes > 0)
		rc = anon_set(rs, a, &anon);
	if (rc == 0 && a->n_prefixes > 0)
		rc = add_set(s, anon, i);
	return rc;
}

static int place(struct weir_rules *rs, struct side side[2], const struct weir_rule *r,
		 uint8_t family, uint32_t most, uint16_t *out[2])
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

void rules_look_free(struct rules_look *look)
{
	free(look->set);
	free(look->negated);
	rules_members_free(&look->sets);
	rules_members_free(&look->countries);
	memset(look, 0, sizeof(*look));
}

/* Number the lists of all rules. @return 0, -ENOMEM, or -ENOSPC: there are more than `room` of a
 * side; *at is the rule. */
static int number_all(struct rules_compile *c, uint32_t room, uint32_t most, uint32_t *at)
{
	struct side side[2] = {{.look = &c->list->src, .room = room},
			       {.look = &c->list->dst, .room = room}};
	const struct weir_rules *rs = c->rs;
	int rc = 0;

	rules_look_free(&c->list->src);
	rules_look_free(&c->list->dst);
	for (unsigned i = 0; i < 2; i++) {
		side[i].list = calloc(room, sizeof(side[i].list[0]));
		if (side[i].list == NULL)
			rc = -ENOMEM;
	}
	for (uint32_t i = 0; i < rs->n && rc == 0; i++) {
		*at = i;
		if (c->wanted[i])
			rc = place(c->rs, side, &rs->rules[i], c->family, most,
				   (uint16_t *[]){&c->sides.src[i], &c->sides.dst[i]});
	}
	free(side[0].list);
	free(side[1].list);
	return rc;
}

static int seal(struct weir_rules *rs, struct rules_look *look)
{
	int rc = rules_members_seal(&look->sets, &rs->stats.bytes);

	if (rc == 0)
		rc = rules_members_seal(&look->countries, &rs->stats.bytes);
	rs->stats.bytes +=
		look->sets.n * sizeof(look->set[0]) + look->n_negated * sizeof(look->negated[0]);
	return rc;
}

int rules_lists_make(struct rules_compile *c)
{
	static const uint32_t rooms[] = {LISTS_FEW, WEIR_RULE_SETS_MAX};
	const struct weir_rules *rs = c->rs;
	uint32_t at = 0;
	int rc = -ENOSPC;

	for (unsigned i = 0; rc == -ENOSPC && i < RTE_DIM(rooms); i++)
		for (uint32_t most = PREFIXES_FIRST; rc == -ENOSPC && most <= PREFIXES_LAST;
		     most *= 4)
			rc = number_all(c, rooms[i], most, &at);
	if (rc == -ENOSPC)
		return weir_why(c->why, rc,
				"rule %s: more than %u sets or lists of addresses on one side "
				"between two zones; put them together in fewer sets",
				rs->rules[at].name, WEIR_RULE_SETS_MAX);
	if (rc == 0)
		rc = seal(c->rs, &c->list->src);
	if (rc == 0)
		rc = seal(c->rs, &c->list->dst);
	if (rc < 0 && rs->n > 0)
		return weir_why(c->why, rc, "rule %s: no memory for its addresses",
				rs->rules[at].name);
	return rc;
}
