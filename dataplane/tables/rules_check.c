/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules that never match: which one covers which is in rules_cover.c.
 *
 * A rule can only be covered by one whose addresses contain its own. So rules are kept in a hash
 * table by an address of each side, protocol and port, and one asks for what may cover it: for each
 * combination of prefix lengths that is in use, its own addresses cut to them. 40,000 rules take
 * 40 ms; 2.4 s if all are for any address and ranges of ports.
 *
 * Not found: a rule that only several others together cover, or one of many addresses that is not
 * among the first WIDE_MAX such.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules_priv.h"

/* A rule with more combinations of addresses is compared with all that follow. */
#define COMBINATIONS_MAX 64
/* So many of them. */
#define WIDE_MAX 256

/* What is known of an address that must be contained: in tables, the length of a prefix too. */
enum shape {
	SHAPE_ANY,
	SHAPE_V4,		  /* and 32 lengths more */
	SHAPE_V6 = SHAPE_V4 + 33, /* and 128 lengths more */
	SHAPE_SET = SHAPE_V6 + 129,
	SHAPE_COUNTRY,
	SHAPE_NONE_OF, /* negated */
	SHAPES
};

/* An element of a list of addresses. */
struct element {
	unsigned shape;
	uint64_t word[2];
};

/* What rules are found by; the two bits say whether protocol and port are part of it. */
struct key {
	struct element src, dst;
	uint32_t proto; /* 0: none */
	uint32_t port;	/* 0: none; else one more than it */
};

struct node {
	uint64_t hash;
	uint32_t rule;
	uint32_t next; /* one more than its number */
};

struct search {
	const struct weir_rules *rs;
	uint32_t *bucket; /* mask + 1: one more than the number of a node */
	uint32_t mask;
	struct node *nodes;
	uint32_t n_nodes, room;
	bool *used;	  /* by tuple */
	uint32_t *tuples; /* those that are used */
	uint32_t n_tuples;
	uint32_t wide[WIDE_MAX];
	uint32_t n_wide;
};

#define TUPLES (SHAPES * SHAPES * 4)

static struct element of_prefix(const struct weir_prefix *p)
{
	const struct weir_prefix net = weir_prefix_network(p);
	struct element e = {.shape = (net.addr.family == 4 ? SHAPE_V4 : SHAPE_V6) + net.length};

	memcpy(e.word, net.addr.bytes, sizeof(e.word));
	if (net.length == 0)
		e = (struct element){SHAPE_ANY, {0, 0}};
	return e;
}

static uint32_t count_elements(const struct weir_rule_addrs *a)
{
	const uint32_t n = a->n_prefixes + a->n_sets + a->n_countries;

	return n == 0 || a->negate ? 1 : n;
}

static struct element element_at(const struct weir_rule_addrs *a, uint32_t i)
{
	if (a->n_prefixes + a->n_sets + a->n_countries == 0)
		return (struct element){SHAPE_ANY, {0, 0}};
	if (a->negate)
		return (struct element){SHAPE_NONE_OF, {0, 0}};
	if (i < a->n_prefixes)
		return of_prefix(&a->prefixes[i]);
	i -= a->n_prefixes;
	if (i < a->n_sets)
		return (struct element){SHAPE_SET, {(uintptr_t)a->sets[i], 0}};
	return (struct element){SHAPE_COUNTRY, {a->countries[i - a->n_sets], 0}};
}

/* An element that whatever covers the list must contain: of a family that the rule can match. */
static struct element must_contain(const struct weir_rule_addrs *a, unsigned families)
{
	uint32_t i = 0;

	while (i < a->n_prefixes && (families & rules_family_bit(a->prefixes[i].addr.family)) == 0)
		i++;
	return element_at(a, i < count_elements(a) ? i : 0);
}

static void cut(uint64_t word[2], unsigned length)
{
	for (unsigned i = 0; i < 2; i++) {
		const unsigned bits = length < 64 * i ? 0 : length - 64 * i;

		if (bits == 0)
			word[i] = 0;
		else if (bits < 64)
			word[i] &= htobe64(UINT64_MAX << (64 - bits));
	}
}

/* What an element of another rule with this shape must be to contain it. False: it cannot. */
static bool contain(const struct element *e, unsigned shape, struct element *out)
{
	*out = *e;
	out->shape = shape;
	if (shape == SHAPE_ANY) {
		out->word[0] = out->word[1] = 0;
		return true;
	}
	if (shape > e->shape || (shape < SHAPE_V6) != (e->shape < SHAPE_V6) ||
	    e->shape >= SHAPE_SET)
		return shape == e->shape;
	cut(out->word, shape - (shape < SHAPE_V6 ? SHAPE_V4 : SHAPE_V6));
	return true;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

static uint64_t hash_key(const struct key *k)
{
	uint64_t hash = mix(k->src.shape, k->dst.shape);

	hash = mix(mix(hash, k->src.word[0]), k->src.word[1]);
	hash = mix(mix(hash, k->dst.word[0]), k->dst.word[1]);
	return mix(hash, (uint64_t)k->proto << 32 | k->port);
}

/* The port that a rule is for, plus one; 0: none in particular. */
static uint32_t one_port(const struct weir_rule *r)
{
	return r->n_dports == 1 && r->dports->lo == r->dports->hi ? r->dports->lo + 1u : 0;
}

static int insert(struct search *s, uint32_t rule, const struct key *k)
{
	const uint64_t hash = hash_key(k);
	const uint32_t tuple =
		((k->src.shape * SHAPES + k->dst.shape) * 2 + (k->proto != 0)) * 2 + (k->port != 0);
	uint32_t *bucket = &s->bucket[hash & s->mask];

	if (s->n_nodes == s->room) {
		const uint32_t room = s->room == 0 ? 1024 : 2 * s->room;
		struct node *grown = realloc(s->nodes, room * sizeof(grown[0]));

		if (grown == NULL)
			return -ENOMEM;
		s->nodes = grown;
		s->room = room;
	}
	if (!s->used[tuple])
		s->tuples[s->n_tuples++] = tuple;
	s->used[tuple] = true;
	s->nodes[s->n_nodes] = (struct node){hash, rule, *bucket};
	*bucket = ++s->n_nodes;
	return 0;
}

/* From now on it may cover others. */
static int add(struct search *s, uint32_t rule)
{
	const struct weir_rule *r = &s->rs->rules[rule];
	const uint64_t n_src = count_elements(&r->src), n_dst = count_elements(&r->dst);
	int rc = 0;

	if (n_src * n_dst > COMBINATIONS_MAX) {
		if (s->n_wide < WIDE_MAX)
			s->wide[s->n_wide++] = rule;
		return 0;
	}
	for (uint32_t i = 0; i < n_src; i++)
		for (uint32_t j = 0; j < n_dst && rc == 0; j++) {
			const struct key k = {.src = element_at(&r->src, i),
					      .dst = element_at(&r->dst, j),
					      .proto = r->proto,
					      .port = one_port(r)};

			rc = insert(s, rule, &k);
		}
	return rc;
}

/* The first of those with this key that covers the rule, if it is before `best`. */
static uint32_t look_at(const struct search *s, uint32_t rule, const struct key *k, uint32_t best)
{
	const uint64_t hash = hash_key(k);

	for (uint32_t at = s->bucket[hash & s->mask]; at != 0; at = s->nodes[at - 1].next) {
		const struct node *n = &s->nodes[at - 1];

		if (n->hash == hash && n->rule < best && rules_covers(s->rs, n->rule, rule))
			best = n->rule;
	}
	return best;
}

/* The first rule that covers this one, or WEIR_RULE_DEFAULT. */
static uint32_t find_cover(const struct search *s, uint32_t rule)
{
	const struct weir_rule *r = &s->rs->rules[rule];
	const unsigned families = rules_families(r);
	const struct element src = must_contain(&r->src, families);
	const struct element dst = must_contain(&r->dst, families);
	uint8_t protos[3] = {0};
	uint32_t best = WEIR_RULE_DEFAULT;

	rules_protos(r, (families & rules_family_bit(4)) != 0 ? 4 : 6, protos);
	for (uint32_t i = 0; i < s->n_tuples; i++) {
		const uint32_t tuple = s->tuples[i];
		struct key k = {.proto = (tuple & 2) != 0 ? protos[0] : 0,
				.port = (tuple & 1) != 0 ? one_port(r) : 0};

		if (((tuple & 2) != 0 && k.proto == 0) || ((tuple & 1) != 0 && k.port == 0) ||
		    !contain(&src, tuple / 4 / SHAPES, &k.src) ||
		    !contain(&dst, tuple / 4 % SHAPES, &k.dst))
			continue;
		best = look_at(s, rule, &k, best);
	}
	for (uint32_t i = 0; i < s->n_wide; i++)
		if (s->wide[i] < best && rules_covers(s->rs, s->wide[i], rule))
			best = s->wide[i];
	return best;
}

static void describe(const struct weir_rules *rs, uint32_t rule, uint32_t by,
		     struct weir_rules_finding *out)
{
	const struct weir_rule *r = &rs->rules[rule];

	*out = (struct weir_rules_finding){.rule = rule, .by = by};
	if (by != WEIR_RULE_DEFAULT)
		snprintf(out->text, sizeof(out->text),
			 "rule %.64s never matches: rule %.64s (line %u) takes all of it", r->name,
			 rs->rules[by].name, rs->rules[by].line);
	else
		snprintf(out->text, sizeof(out->text),
			 "rule %.64s never matches: no packet can be all that it wants", r->name);
}

static int find_all(struct search *s, struct weir_rules_finding *out, uint32_t room)
{
	const struct weir_rules *rs = s->rs;
	uint32_t found = 0;

	for (uint32_t i = 0; i < rs->n; i++) {
		const bool possible = rules_families(&rs->rules[i]) != 0 && rules_has_zones(rs, i);
		const uint32_t by = possible ? find_cover(s, i) : WEIR_RULE_DEFAULT;
		int rc = 0;

		if (!possible || by != WEIR_RULE_DEFAULT) {
			if (found < room)
				describe(rs, i, by, &out[found]);
			found++;
		} else if (!rules_passes(&rs->rules[i])) {
			rc = add(s, i);
		}
		if (rc < 0)
			return rc;
	}
	return (int)found;
}

int weir_rules_check(const struct weir_rules *rs, struct weir_rules_finding *out, uint32_t room)
{
	struct search *s = calloc(1, sizeof(*s));
	int rc = -ENOMEM;

	if (s == NULL)
		return -ENOMEM;
	s->rs = rs;
	s->mask = 1023;
	while (s->mask < rs->n)
		s->mask = 2 * s->mask + 1;
	s->bucket = calloc(s->mask + 1u, sizeof(s->bucket[0]));
	s->used = calloc(TUPLES, sizeof(s->used[0]));
	s->tuples = calloc(TUPLES, sizeof(s->tuples[0]));
	if (s->bucket != NULL && s->used != NULL && s->tuples != NULL)
		rc = find_all(s, out, room);
	free(s->bucket);
	free(s->used);
	free(s->tuples);
	free(s->nodes);
	free(s);
	return rc;
}
