/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Whether several rules together take all of another one.
 *
 * A packet of it is chosen by lot. If no earlier rule has that, the answer is no. Else what is
 * around the packet and is the earlier rule's as well is cut out, and the rest, in pieces, is gone
 * through in the same way until nothing is left. That is exact: a piece is a box, a range of each
 * field, and so is what is cut out.
 *
 * Of fields that only some packets have, those are looked at that are the hardest to take. Without
 * ports, type or flags, a rule takes later fragments, which only rules without them have: who takes
 * those takes the others. Likewise packets without a VLAN. An application is taken as a whole or
 * not at all; so are sets and countries, of which one cannot say what is in them tomorrow.
 */

#include <errno.h>
#include <stdlib.h>

#include "rules_check_priv.h"

/* Pieces that a rule may be cut into, of each family. */
#define PIECES_MAX 4096
/* Pieces of one cut at most: two of each field, one of each side's zones and of each flag. */
#define CUTS_MAX (2 * FIELDS + 2 + 8)
/* Rules and lengths of prefixes that may be looked at for all rules of a check: some 2 s. */
#define LOOKS_MAX UINT64_C(500000000)

/* If so few take a rule, those are left out that need not be there. */
#define FEW 8

typedef unsigned __int128 number;

/* Both ends are in it. */
struct span {
	number lo, hi;
};

/* Of FIRST and SECOND, ICMP has type and code. Those that take longest stand last. */
enum field { FIELD_PROTO, FIELD_FIRST, FIELD_SECOND, FIELD_DSCP, FIELD_SRC, FIELD_DST, FIELDS };

struct box {
	struct span of[FIELDS];
	uint32_t from, to;   /* zones, as bits */
	uint8_t flags, mask; /* of TCP: bits of the mask are as in flags */
};

/* A packet. */
struct spot {
	number at[FIELDS];
	uint32_t from, to; /* one bit each */
	uint8_t flags;
};

struct rules_together {
	const struct weir_rules *rs;
	const struct rules_index *ix;
	uint64_t looks; /* done so far */
	uint64_t lot;

	/* The rule that is asked about, in one family. */
	const struct weir_rule *rule;
	uint8_t family;
	struct box *pieces; /* what is left of it */
	uint32_t n_pieces;
	uint32_t made;
	uint32_t *by; /* who took the others, of both families */
	uint32_t n_by;
	uint32_t few[FEW]; /* the only ones that are asked; n_few is 0: all of the index */
	uint32_t n_few;

	/* The packet that is asked about, and the piece that it is of. */
	struct spot spot;
	struct box piece;
	struct box best; /* what is cut out */
	unsigned best_size;
	uint32_t best_rule; /* whose it is; WEIR_RULE_DEFAULT: nobody's */
};

static uint64_t draw(struct rules_together *t)
{
	t->lot ^= t->lot << 13;
	t->lot ^= t->lot >> 7;
	t->lot ^= t->lot << 17;
	return t->lot;
}

static bool is_headed(const struct weir_rule *r)
{
	return r->n_sports + r->n_dports > 0 || r->icmp_type >= 0 || r->icmp_code >= 0 ||
	       r->tcp_mask != 0;
}

static number highest(const struct rules_together *t, enum field f)
{
	const bool icmp = t->rule->icmp_type >= 0 || t->rule->icmp_code >= 0;

	switch (f) {
	case FIELD_SRC:
	case FIELD_DST:
		return t->family == 4 ? UINT32_MAX : ~(number)0;
	case FIELD_FIRST:
	case FIELD_SECOND:
		return icmp ? UINT8_MAX : UINT16_MAX;
	case FIELD_DSCP:
		return 63;
	default:
		return UINT8_MAX;
	}
}

static const struct weir_rule_addrs *addrs_of(const struct weir_rule *r, enum field f)
{
	return f == FIELD_SRC ? &r->src : f == FIELD_DST ? &r->dst : NULL;
}

static struct span span_of_prefix(const struct weir_prefix *p)
{
	const unsigned bytes = p->addr.family == 4 ? 4 : 16;
	const unsigned left = bytes * 8 - p->length;
	const number hosts = left == 128 ? ~(number)0 : ((number)1 << left) - 1;
	number addr = 0;

	for (unsigned i = 0; i < bytes; i++)
		addr = addr << 8 | p->addr.bytes[i];
	return (struct span){addr & ~hosts, addr | hosts};
}

/* A field of a rule, seen from a value of it. */
struct view {
	number at;
	bool all;	  /* the rule takes all values: it has no spans */
	bool in;	  /* one of the rule's spans has it */
	struct span hit;  /* if so: the widest of those */
	struct span gap;  /* if not: what is around it, up to the next spans */
	struct span hull; /* from the first of them to the last */
};

static void see(struct view *v, number lo, number hi)
{
	v->hull.lo = RTE_MIN(v->hull.lo, lo);
	v->hull.hi = RTE_MAX(v->hull.hi, hi);
	if (v->at < lo) {
		v->gap.hi = RTE_MIN(v->gap.hi, lo - 1);
	} else if (v->at > hi) {
		v->gap.lo = RTE_MAX(v->gap.lo, hi + 1);
	} else if (!v->in || hi - lo > v->hit.hi - v->hit.lo) {
		v->in = true;
		v->hit = (struct span){lo, hi};
	}
}

static void see_prefixes(struct view *v, const struct weir_rule_addrs *a, uint8_t family)
{
	for (uint32_t i = 0; i < a->n_prefixes; i++)
		if (a->prefixes[i].addr.family == family) {
			const struct span s = span_of_prefix(&a->prefixes[i]);

			see(v, s.lo, s.hi);
		}
	v->all = a->n_prefixes == 0;
}

static void see_ports(struct view *v, const struct weir_range *ranges, uint32_t n, int16_t icmp)
{
	for (uint32_t i = 0; i < n; i++)
		see(v, ranges[i].lo, ranges[i].hi);
	if (icmp >= 0)
		see(v, (number)icmp, (number)icmp);
	v->all = n == 0 && icmp < 0;
}

static void see_protos(struct view *v, const struct weir_rule *r, uint8_t family)
{
	uint8_t protos[3] = {0};
	const unsigned n = rules_protos(r, family, protos);

	v->all = n > 0 && protos[0] == 0;
	for (unsigned i = 0; i < n && !v->all; i++)
		see(v, protos[i], protos[i]);
}

static struct view view_of(struct rules_together *t, const struct weir_rule *r, enum field f,
			   number at)
{
	struct view v = {.at = at, .gap = {0, highest(t, f)}, .hull = {~(number)0, 0}};

	switch (f) {
	case FIELD_SRC:
	case FIELD_DST:
		see_prefixes(&v, addrs_of(r, f), t->family);
		t->looks += addrs_of(r, f)->n_prefixes;
		break;
	case FIELD_FIRST:
		see_ports(&v, r->sports, r->n_sports, r->icmp_type);
		break;
	case FIELD_SECOND:
		see_ports(&v, r->dports, r->n_dports, r->icmp_code);
		break;
	case FIELD_DSCP:
		see_ports(&v, NULL, 0, r->dscp);
		break;
	default:
		see_protos(&v, r, t->family);
	}
	return v;
}

static bool is_opaque(const struct weir_rule_addrs *a)
{
	return a != NULL && a->n_sets + a->n_countries > 0;
}

/*
 * Whether a rule takes a value of a field, and the span around it in which it says the same. What
 * sets and countries have is not known: of the rule that is asked about they are taken as all
 * addresses; another one takes those if it has the same, else only what its prefixes say.
 */
static bool takes(struct rules_together *t, const struct weir_rule *r, enum field f, number at,
		  struct span *out)
{
	const struct weir_rule_addrs *a = addrs_of(r, f);
	struct view v;

	*out = (struct span){0, highest(t, f)};
	if (is_opaque(a)) {
		if (r == t->rule ||
		    rules_addrs_cover(a, addrs_of(t->rule, f), rules_family_bit(t->family)))
			return true;
		if (a->negate || a->n_prefixes == 0)
			return false;
	}
	v = view_of(t, r, f, at);
	if (!v.all)
		*out = v.in ? v.hit : v.gap;
	return v.all || v.in != (a != NULL && a->negate);
}

/* All of the rule that is asked about, and gaps of its lists too. */
static struct box box_of_rule(struct rules_together *t)
{
	const struct weir_rule *r = t->rule;
	struct box b = {.from = rules_zones(t->rs, r->from_zones),
			.to = rules_zones(t->rs, r->to_zones),
			.flags = r->tcp_flags,
			.mask = r->tcp_mask};

	for (enum field f = 0; f < FIELDS; f++) {
		const struct weir_rule_addrs *a = addrs_of(r, f);
		const struct view v = view_of(t, r, f, 0);

		b.of[f] = v.all || is_opaque(a) || (a != NULL && a->negate)
				  ? (struct span){0, highest(t, f)}
				  : v.hull;
	}
	return b;
}

static void choose_spot(struct rules_together *t)
{
	const struct box *b = &t->piece;
	struct spot *s = &t->spot;

	for (enum field f = 0; f < FIELDS; f++) {
		const number width = b->of[f].hi - b->of[f].lo + 1; /* 0: all of IPv6 */
		const number any = (number)draw(t) << 64 | draw(t);

		s->at[f] = b->of[f].lo + (width == 0 ? any : any % width);
	}
	s->from = b->from & -b->from;
	s->to = b->to & -b->to;
	s->flags = (uint8_t)((draw(t) & ~b->mask) | b->flags);
}

/* What a rule takes around the packet. False: not even that. */
static bool take_around(struct rules_together *t, uint32_t rule, struct box *out)
{
	const struct weir_rule *r = &t->rs->rules[rule];
	const struct spot *s = &t->spot;

	*out = (struct box){.from = rules_zones(t->rs, r->from_zones),
			    .to = rules_zones(t->rs, r->to_zones),
			    .flags = r->tcp_flags,
			    .mask = r->tcp_mask};
	if ((r->family != 0 && r->family != t->family) || (is_headed(r) && !is_headed(t->rule)) ||
	    (r->vlan != 0 && r->vlan != t->rule->vlan) || !rules_apps_cover(r, t->rule) ||
	    (out->from & s->from) == 0 || (out->to & s->to) == 0 ||
	    (s->flags & r->tcp_mask) != r->tcp_flags)
		return false;
	for (enum field f = 0; f < FIELDS; f++)
		if (!takes(t, r, f, s->at[f], &out->of[f]))
			return false;
	return true;
}

static unsigned bits(number n)
{
	const uint64_t high = (uint64_t)(n >> 64), low = (uint64_t)n;

	return high != 0  ? 128 - (unsigned)__builtin_clzll(high)
	       : low != 0 ? 64 - (unsigned)__builtin_clzll(low)
			  : 0;
}

/* About how much of the piece is in the box. */
static unsigned measure(const struct box *piece, const struct box *b)
{
	unsigned size = 8 - (unsigned)__builtin_popcount(piece->mask | b->mask);

	for (enum field f = 0; f < FIELDS; f++)
		size += bits(RTE_MIN(piece->of[f].hi, b->of[f].hi) -
			     RTE_MAX(piece->of[f].lo, b->of[f].lo));
	return size + (unsigned)__builtin_popcount(piece->from & b->from) +
	       (unsigned)__builtin_popcount(piece->to & b->to);
}

/* The one that takes most is the best, and of those the first. */
static void try_rule(void *ctx, uint32_t rule)
{
	struct rules_together *t = ctx;
	struct box b;
	unsigned size;

	if (!take_around(t, rule, &b))
		return;
	size = measure(&t->piece, &b);
	if (t->best_rule != WEIR_RULE_DEFAULT &&
	    (size < t->best_size || (size == t->best_size && rule > t->best_rule)))
		return;
	t->best = b;
	t->best_size = size;
	t->best_rule = rule;
}

static struct weir_prefix address(const struct rules_together *t, number at)
{
	struct weir_prefix p = {.addr.family = t->family, .length = t->family == 4 ? 32 : 128};

	for (unsigned i = p.length / 8; i-- > 0; at >>= 8)
		p.addr.bytes[i] = (uint8_t)at;
	return p;
}

/* A value of what is behind the IP header. */
static struct weir_range value(const struct rules_together *t, enum field f)
{
	const uint16_t at = (uint16_t)t->spot.at[f];

	return is_headed(t->rule) ? (struct weir_range){at, at}
				  : (struct weir_range){0, UINT16_MAX};
}

/* Who takes the packet. */
static void find_best(struct rules_together *t)
{
	const struct rules_probe probe = {
		.rule = t->rule,
		.src = address(t, t->spot.at[FIELD_SRC]),
		.dst = address(t, t->spot.at[FIELD_DST]),
		.proto = (uint8_t)t->spot.at[FIELD_PROTO],
		.first = value(t, FIELD_FIRST),
		.second = value(t, FIELD_SECOND),
	};

	t->best_rule = WEIR_RULE_DEFAULT;
	if (t->n_few == 0)
		t->looks += rules_index_visit(t->ix, &probe, try_rule, t);
	for (uint32_t i = 0; i < t->n_few; i++)
		try_rule(t, t->few[i]);
}

/* Whether the packet is in a gap of a list, and what else is. */
static bool is_in_gap(struct rules_together *t, struct box *out)
{
	*out = t->piece;
	for (enum field f = 0; f < FIELDS; f++)
		if (!takes(t, t->rule, f, t->spot.at[f], &out->of[f]))
			return true;
		else
			out->of[f] = t->piece.of[f];
	return false;
}

/* One more of what is left: the piece, to be narrowed. */
static struct box *add_piece(struct rules_together *t)
{
	struct box *b = &t->pieces[t->n_pieces++];

	*b = t->piece;
	t->made++;
	return b;
}

/* Keep what is left of the piece without the box. */
static void cut_out(struct rules_together *t, const struct box *b)
{
	struct box *piece = &t->piece;

	for (enum field f = 0; f < FIELDS; f++) {
		struct span *s = &piece->of[f];

		if (s->lo < b->of[f].lo) {
			add_piece(t)->of[f].hi = b->of[f].lo - 1;
			s->lo = b->of[f].lo;
		}
		if (s->hi > b->of[f].hi) {
			add_piece(t)->of[f].lo = b->of[f].hi + 1;
			s->hi = b->of[f].hi;
		}
	}
	if ((piece->from & ~b->from) != 0)
		add_piece(t)->from &= ~b->from;
	piece->from &= b->from;
	if ((piece->to & ~b->to) != 0)
		add_piece(t)->to &= ~b->to;
	piece->to &= b->to;
	for (unsigned bit = 1; bit < 256; bit *= 2)
		if ((b->mask & ~piece->mask & bit) != 0) {
			struct box *other = add_piece(t);

			piece->mask |= (uint8_t)bit;
			other->mask = piece->mask;
			other->flags |= (uint8_t)(~b->flags & bit);
			piece->flags |= (uint8_t)(b->flags & bit);
		}
}

static enum rules_answer ask_family(struct rules_together *t)
{
	t->made = 1;
	t->n_pieces = 1;
	t->pieces[0] = box_of_rule(t);
	while (t->n_pieces > 0) {
		struct box gap;

		if (t->made > PIECES_MAX || (t->made > 1 && t->looks > LOOKS_MAX))
			return RULES_UNSURE;
		t->piece = t->pieces[--t->n_pieces];
		choose_spot(t);
		if (is_in_gap(t, &gap)) {
			cut_out(t, &gap);
			continue;
		}
		find_best(t);
		if (t->best_rule == WEIR_RULE_DEFAULT)
			return rules_index_has_all(t->ix) ? RULES_NO : RULES_UNSURE;
		t->by[t->n_by++] = t->best_rule;
		cut_out(t, &t->best);
	}
	return RULES_YES;
}

static int by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void sort_by(struct rules_together *t)
{
	uint32_t n = 0;

	qsort(t->by, t->n_by, sizeof(t->by[0]), by_number);
	for (uint32_t i = 0; i < t->n_by; i++)
		if (n == 0 || t->by[n - 1] != t->by[i])
			t->by[n++] = t->by[i];
	t->n_by = n;
}

/* Of the index or, if there are, of the few. */
static enum rules_answer ask(struct rules_together *t)
{
	const unsigned families = rules_families(t->rule);
	enum rules_answer answer = RULES_YES;

	t->n_by = 0;
	for (t->family = 4; t->family <= 6 && answer == RULES_YES; t->family += 2)
		if ((families & rules_family_bit(t->family)) != 0)
			answer = ask_family(t);
	return answer;
}

/* Each one, the last first, is left out if the others take all without it. */
static void leave_out(struct rules_together *t)
{
	uint32_t n = t->n_by;

	memcpy(t->few, t->by, n * sizeof(t->few[0]));
	for (uint32_t i = n; i-- > 0 && n > 1;) {
		const uint32_t without = t->few[i];

		t->few[i] = t->few[n - 1];
		t->n_few = n - 1;
		if (ask(t) == RULES_YES)
			n--;
		else
			t->few[i] = without;
	}
	memcpy(t->by, t->few, n * sizeof(t->by[0]));
	t->n_by = n;
	t->n_few = 0;
}

enum rules_answer rules_together(struct rules_together *t, uint32_t rule, const uint32_t **by,
				 uint32_t *n_by)
{
	enum rules_answer answer;

	t->rule = &t->rs->rules[rule];
	t->lot = rule + UINT64_C(0x9e3779b97f4a7c15);
	answer = ask(t);
	if (answer == RULES_YES) {
		sort_by(t);
		if (t->n_by <= FEW)
			leave_out(t);
		sort_by(t);
	}
	*by = t->by;
	*n_by = t->n_by;
	return answer;
}

int rules_together_create(const struct weir_rules *rs, const struct rules_index *ix,
			  struct rules_together **out)
{
	struct rules_together *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	t->rs = rs;
	t->ix = ix;
	t->pieces = calloc(PIECES_MAX + CUTS_MAX, sizeof(t->pieces[0]));
	t->by = calloc(2 * (PIECES_MAX + CUTS_MAX), sizeof(t->by[0]));
	if (t->pieces == NULL || t->by == NULL) {
		rules_together_free(t);
		return -ENOMEM;
	}
	*out = t;
	return 0;
}

void rules_together_free(struct rules_together *t)
{
	if (t == NULL)
		return;
	free(t->pieces);
	free(t->by);
	free(t);
}
