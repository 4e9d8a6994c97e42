/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules by what may cover a packet, or another rule.
 *
 * Only one whose addresses contain those of the packet can. So rules are kept in a hash table by an
 * address of each side, protocol and port, and one asks for what may cover it: for each combination
 * of prefix lengths that is in use, its own addresses cut to them.
 */

#include <errno.h>
#include <stdlib.h>

#include "rules_check_priv.h"

/* A rule with more combinations of addresses is in no chain if there are many nodes. */
#define COMBINATIONS_MAX 64
#define NODES_MANY	 (1u << 20)
/* All who ask look at those, of which so many are kept. */
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
	struct weir_range first, second;
};

struct rules_index {
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
	bool left_out; /* some are not kept */
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

/* The set or country that whatever covers the list must have; else SHAPE_ANY. */
static struct element named(const struct weir_rule_addrs *a)
{
	if (a->negate || a->n_sets + a->n_countries == 0)
		return (struct element){SHAPE_ANY, {0, 0}};
	return element_at(a, a->n_prefixes);
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

/* One side of what is looked for. */
struct side {
	struct element at; /* SHAPE_ANY: no prefix has it */
	struct element named;
};

static struct side side_of(const struct weir_prefix *p, const struct weir_rule_addrs *a)
{
	struct side s = {.named = named(a)};

	if (p->addr.family != 0)
		s.at = of_prefix(p);
	return s;
}

/* What an element of a rule with this shape must be to contain it. False: it cannot. */
static bool contain(const struct side *s, unsigned shape, struct element *out)
{
	*out = (struct element){.shape = shape};
	if (shape == SHAPE_ANY || shape == SHAPE_NONE_OF)
		return true;
	if (shape >= SHAPE_SET) {
		*out = s->named;
		return shape == out->shape;
	}
	if (shape > s->at.shape || (shape < SHAPE_V6) != (s->at.shape < SHAPE_V6))
		return false;
	memcpy(out->word, s->at.word, sizeof(out->word));
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
static uint32_t one_port(const struct weir_range *second)
{
	return second->lo == second->hi ? second->lo + 1u : 0;
}

struct weir_range rules_hull(const struct weir_range *ranges, uint32_t n, int16_t icmp)
{
	struct weir_range hull = {0, UINT16_MAX};

	if (icmp >= 0)
		hull.lo = hull.hi = (uint16_t)icmp;
	if (n > 0)
		hull = ranges[0];
	for (uint32_t i = 1; i < n; i++) {
		hull.lo = RTE_MIN(hull.lo, ranges[i].lo);
		hull.hi = RTE_MAX(hull.hi, ranges[i].hi);
	}
	return hull;
}

static int insert(struct rules_index *ix, uint32_t rule, const struct key *k)
{
	const struct weir_rule *r = &ix->rs->rules[rule];
	const uint64_t hash = hash_key(k);
	const uint32_t tuple =
		((k->src.shape * SHAPES + k->dst.shape) * 2 + (k->proto != 0)) * 2 + (k->port != 0);
	uint32_t *bucket = &ix->bucket[hash & ix->mask];

	if (ix->n_nodes == ix->room) {
		const uint32_t room = ix->room == 0 ? 1024 : 2 * ix->room;
		struct node *grown = realloc(ix->nodes, room * sizeof(grown[0]));

		if (grown == NULL)
			return -ENOMEM;
		ix->nodes = grown;
		ix->room = room;
	}
	if (!ix->used[tuple])
		ix->tuples[ix->n_tuples++] = tuple;
	ix->used[tuple] = true;
	ix->nodes[ix->n_nodes] = (struct node){
		.hash = hash,
		.rule = rule,
		.next = *bucket,
		.first = rules_hull(r->sports, r->n_sports, r->icmp_type),
		.second = rules_hull(r->dports, r->n_dports, r->icmp_code),
	};
	*bucket = ++ix->n_nodes;
	return 0;
}

int rules_index_add(struct rules_index *ix, uint32_t rule)
{
	const struct weir_rule *r = &ix->rs->rules[rule];
	const struct weir_range second = rules_hull(r->dports, r->n_dports, -1);
	const uint64_t n_src = count_elements(&r->src), n_dst = count_elements(&r->dst);
	int rc = 0;

	if (n_src * n_dst > COMBINATIONS_MAX && ix->n_nodes + n_src * n_dst > NODES_MANY) {
		if (ix->n_wide < WIDE_MAX)
			ix->wide[ix->n_wide++] = rule;
		else
			ix->left_out = true;
		return 0;
	}
	for (uint32_t i = 0; i < n_src; i++)
		for (uint32_t j = 0; j < n_dst && rc == 0; j++) {
			const struct key k = {.src = element_at(&r->src, i),
					      .dst = element_at(&r->dst, j),
					      .proto = r->proto,
					      .port = one_port(&second)};

			rc = insert(ix, rule, &k);
		}
	return rc;
}

bool rules_index_has_all(const struct rules_index *ix)
{
	return !ix->left_out;
}

static bool has(const struct weir_range *big, const struct weir_range *small)
{
	return big->lo <= small->lo && small->hi <= big->hi;
}

static uint64_t visit_key(const struct rules_index *ix, const struct key *k,
			  const struct rules_probe *probe, rules_visit_fn *visit, void *ctx)
{
	const uint64_t hash = hash_key(k);
	uint64_t looks = 1;

	for (uint32_t at = ix->bucket[hash & ix->mask]; at != 0; at = ix->nodes[at - 1].next) {
		const struct node *n = &ix->nodes[at - 1];

		looks++;
		if (n->hash == hash && has(&n->first, &probe->first) &&
		    has(&n->second, &probe->second))
			visit(ctx, n->rule);
	}
	return looks;
}

static bool may_have(const struct weir_rule_addrs *a, const struct weir_prefix *p)
{
	if (a->negate || a->n_prefixes == 0 || a->n_sets + a->n_countries > 0)
		return true;
	return p->addr.family != 0 && rules_has_prefix(a, p);
}

/* One of those that are in no chain; the shorter list first. */
static uint64_t visit_wide(const struct rules_index *ix, uint32_t rule,
			   const struct rules_probe *probe, rules_visit_fn *visit, void *ctx)
{
	const struct weir_rule *r = &ix->rs->rules[rule];
	const struct weir_range first = rules_hull(r->sports, r->n_sports, r->icmp_type);
	const struct weir_range second = rules_hull(r->dports, r->n_dports, r->icmp_code);
	const bool src_first = r->src.n_prefixes < r->dst.n_prefixes;

	if (!has(&first, &probe->first) || !has(&second, &probe->second) ||
	    (src_first && !may_have(&r->src, &probe->src)) || !may_have(&r->dst, &probe->dst))
		return 1;
	if (src_first || may_have(&r->src, &probe->src))
		visit(ctx, rule);
	return 1 + r->src.n_prefixes + r->dst.n_prefixes;
}

uint64_t rules_index_visit(const struct rules_index *ix, const struct rules_probe *probe,
			   rules_visit_fn *visit, void *ctx)
{
	const struct side src = side_of(&probe->src, &probe->rule->src);
	const struct side dst = side_of(&probe->dst, &probe->rule->dst);
	uint64_t looks = ix->n_tuples;

	for (uint32_t i = 0; i < ix->n_tuples; i++) {
		const uint32_t tuple = ix->tuples[i];
		struct key k = {.proto = (tuple & 2) != 0 ? probe->proto : 0,
				.port = (tuple & 1) != 0 ? one_port(&probe->second) : 0};

		if (((tuple & 2) == 0 || k.proto != 0) && ((tuple & 1) == 0 || k.port != 0) &&
		    contain(&src, tuple / 4 / SHAPES, &k.src) &&
		    contain(&dst, tuple / 4 % SHAPES, &k.dst))
			looks += visit_key(ix, &k, probe, visit, ctx);
	}
	for (uint32_t i = 0; i < ix->n_wide; i++)
		looks += visit_wide(ix, ix->wide[i], probe, visit, ctx);
	return looks;
}

int rules_index_create(const struct weir_rules *rs, struct rules_index **out)
{
	struct rules_index *ix = calloc(1, sizeof(*ix));

	if (ix == NULL)
		return -ENOMEM;
	ix->rs = rs;
	ix->mask = 1023;
	while (ix->mask < rs->n)
		ix->mask = 2 * ix->mask + 1;
	ix->bucket = calloc(ix->mask + 1u, sizeof(ix->bucket[0]));
	ix->used = calloc(TUPLES, sizeof(ix->used[0]));
	ix->tuples = calloc(TUPLES, sizeof(ix->tuples[0]));
	if (ix->bucket == NULL || ix->used == NULL || ix->tuples == NULL) {
		rules_index_free(ix);
		return -ENOMEM;
	}
	*out = ix;
	return 0;
}

void rules_index_free(struct rules_index *ix)
{
	if (ix == NULL)
		return;
	free(ix->bucket);
	free(ix->used);
	free(ix->tuples);
	free(ix->nodes);
	free(ix);
}
