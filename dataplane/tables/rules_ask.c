/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Which rule decides: the data path.
 *
 * Packets of a burst are put together by their list of rules. Up to 64 of a list go through it
 * together: what their addresses are in is looked up once; rte_acl then classifies them, once for
 * each class of address lists that they are in. Of the rules that end the search the smallest
 * number is the first match. Of those that may not, see rules_passes.c, bits say which ones match;
 * each packet meets them in their order.
 */

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <rte_branch_prediction.h>
#include <rte_malloc.h>
#include <string.h>
#include <weir/geo.h>

#include "rules_priv.h"

#define NOBODY UINT16_MAX

struct weir_rules_worker {
	struct rules_buckets *buckets;

	/* packets of each list, as chains */
	uint16_t head[RULES_LISTS_MAX];
	uint16_t next[WEIR_RULE_ASKS_MAX];
	uint16_t lists[WEIR_RULE_ASKS_MAX]; /* that have packets, n_lists */
	uint32_t n_lists;

	/* packets that go through a list together */
	uint32_t n;
	uint16_t pkt[RULES_CHUNK]; /* their places in the burst */
	uint32_t
		first[RULES_CHUNK]; /* the first rule that ends the search, plus one; 0: none yet */
	union rules_key key[RULES_CHUNK];
	uint64_t top_src[RULES_CHUNK]; /* rules_top() of their addresses */
	uint64_t top_dst[RULES_CHUNK];
	uint64_t in_src[WEIR_RULE_SETS_MAX + 1]; /* by address list: which packets are in it */
	uint64_t in_dst[WEIR_RULE_SETS_MAX + 1];

	/* questions to rte_acl */
	uint32_t n_asked;
	uint8_t asked[RULES_ROOM]; /* of which packet */
	const uint8_t *data[RULES_ROOM];
	uint32_t answer[RULES_ROOM * RTE_ACL_MAX_CATEGORIES];
	union rules_key classed[RULES_ROOM]; /* keys of other classes than the first */

	/* rules that may not end the search: which of them packets match, and groups to be asked */
	uint64_t matched[RULES_CHUNK][RULES_PASS_WORDS];
	uint64_t wanted[RULES_GROUPS]; /* by which packets */
};

/* What rte_acl is asked, and what for. */
struct question {
	enum {
		FOR_END,    /* the first rule that ends the search */
		FOR_GROUPS, /* groups of the others that have a rule which matches */
		FOR_GROUP,  /* rules of a group that match */
	} what;
	const struct rules_parts *parts;
	const struct rules_passes *passes;
	uint32_t group;
};

/* What one call is about. */
struct call {
	const struct weir_rules *rs;
	struct weir_rules_worker *w;
	const struct weir_rule_ask *asks;
	uint32_t now_s;
	uint64_t now_ns;
	uint32_t *rule;
	weir_rules_pass_fn *passed;
	void *ctx;
};

void weir_rules_worker_free(struct weir_rules_worker *w)
{
	if (w == NULL)
		return;
	rules_buckets_free(w->buckets);
	rte_free(w);
}

int weir_rules_worker_create(uint32_t limit_sources, int numa,
			     const struct weir_siphash_key *secret, struct weir_rules_worker **out)
{
	struct weir_rules_worker *w;
	int rc;

	w = rte_zmalloc_socket("rules", sizeof(*w), RTE_CACHE_LINE_SIZE, numa);
	if (w == NULL)
		return -ENOMEM;
	rc = rules_buckets_create(limit_sources, numa, secret, &w->buckets);
	if (rc < 0) {
		weir_rules_worker_free(w);
		return rc;
	}
	memset(w->head, 0xff, sizeof(w->head));
	*out = w;
	return 0;
}

static void look_up_countries(const struct call *c, const struct rules_members *m, uint8_t family,
			      const uint8_t *const *addr, uint64_t *in)
{
	uint16_t country[RULES_CHUNK];

	weir_geo_lookup(c->rs->geo, family, addr, c->w->n, country);
	for (uint32_t i = 0; i < c->w->n; i++) {
		if (country[i] >= m->n)
			continue;
		for (uint32_t l = m->at[country[i]]; l < m->at[country[i] + 1]; l++)
			in[m->list[l]] |= UINT64_C(1) << i;
	}
}

/* Which of the packets' addresses are in each address list of one side. */
static void look_up(const struct call *c, const struct rules_look *look, uint8_t family,
		    size_t offset, uint64_t *in)
{
	const struct weir_rules_worker *w = c->w;
	const uint64_t all = UINT64_MAX >> (RULES_CHUNK - w->n);
	const uint8_t *addr[RULES_CHUNK];

	in[RULES_NO_LIST] = all;
	if (look->n_lists == 0)
		return;
	memset(in, 0, look->n_lists * sizeof(in[0]));
	for (uint32_t i = 0; i < w->n; i++)
		addr[i] = (const uint8_t *)&c->asks[w->pkt[i]].tuple + offset;
	for (uint32_t i = 0; i < look->sets.n; i++) {
		const uint64_t hit = weir_set_lookup(look->set[i], family, addr, w->n, c->now_s);

		for (uint32_t l = look->sets.at[i]; l < look->sets.at[i + 1]; l++)
			in[look->sets.list[l]] |= hit;
	}
	if (look->countries.n > 0)
		look_up_countries(c, &look->countries, family, addr, in);
	for (unsigned i = 0; i < look->n_negated; i++)
		in[look->negated[i]] ^= all;
}

/* Keep the first rule of each packet. */
static void take_first(struct weir_rules_worker *w)
{
	for (uint32_t i = 0; i < w->n_asked; i++) {
		uint32_t *first = &w->first[w->asked[i]];

		/* 0 is none: one less, it is the largest. */
		if (w->answer[i] - 1 < *first - 1)
			*first = w->answer[i];
	}
}

/* Of each block the groups from that of the first match on. */
static void take_groups(struct weir_rules_worker *w, const struct question *q)
{
	const struct rules_passes *p = q->passes;
	const uint32_t *answer = w->answer;

	for (uint32_t i = 0; i < w->n_asked; i++, answer += q->parts->categories)
		for (uint32_t block = 0; block < p->n_blocks; block++) {
			const uint32_t end = RTE_MIN((block + 1) * p->block, p->n_groups);
			uint32_t at = block * p->block;

			if (answer[block] == 0)
				continue;
			while (at + 1 < end && p->pass[(at + 1) * RULES_GROUP].rule < answer[block])
				at++;
			for (; at < end; at++)
				w->wanted[at] |= UINT64_C(1) << w->asked[i];
		}
}

static void take_matches(struct weir_rules_worker *w, const struct question *q)
{
	const uint32_t categories = q->parts->categories, at = q->group * RULES_GROUP;
	const uint32_t *answer = w->answer;

	for (uint32_t i = 0; i < w->n_asked; i++, answer += categories) {
		uint64_t bits = 0;

		for (uint32_t k = 0; k < categories; k++)
			bits |= (uint64_t)(answer[k] != 0) << k;
		w->matched[w->asked[i]][at / 64] |= bits << at % 64;
	}
}

/* Ask rte_acl what was collected. */
static void classify(struct weir_rules_worker *w, const struct question *q,
		     const struct rules_part *p)
{
	if (w->n_asked == 0)
		return;
	rte_acl_classify(p->acl, w->data, w->answer, w->n_asked, q->parts->categories);
	if (q->what == FOR_END)
		take_first(w);
	else if (q->what == FOR_GROUPS)
		take_groups(w, q);
	else
		take_matches(w, q);
	w->n_asked = 0;
}

/* Those whose addresses are in the ranges of a part, and for which its rules come early enough. */
static uint64_t in_part(const struct weir_rules_worker *w, const struct rules_part *p,
			uint64_t alive)
{
	uint64_t in = 0;

	for (uint64_t m = alive; m != 0; m &= m - 1) {
		const unsigned i = (unsigned)__builtin_ctzll(m);

		if (w->top_src[i] - p->lo[0] <= p->hi[0] - p->lo[0] &&
		    w->top_dst[i] - p->lo[1] <= p->hi[1] - p->lo[1] &&
		    p->first - 1 < w->first[i] - 1)
			in |= UINT64_C(1) << i;
	}
	return in;
}

/* Packets ask once for each class that they are in. Class 0's keys are there. */
static void ask_part(struct weir_rules_worker *w, const struct question *q,
		     const struct rules_part *p, uint8_t family, uint64_t in)
{
	for (uint32_t k = 0; k < p->n_classes; k++) {
		const struct rules_class *class = &p->classes[k];
		uint64_t m = in & w->in_src[class->src] & w->in_dst[class->dst];

		for (; m != 0; m &= m - 1) {
			const uint8_t i = (uint8_t)__builtin_ctzll(m);
			const uint32_t at = w->n_asked++;

			w->asked[at] = i;
			w->data[at] = (const uint8_t *)&w->key[i];
			if (class->id_be != 0) {
				w->classed[at] = w->key[i];
				if (family == 4)
					w->classed[at].four.class_be = class->id_be;
				else
					w->classed[at].six.class_be = class->id_be;
				w->data[at] = (const uint8_t *)&w->classed[at];
			}
			if (w->n_asked == RULES_ROOM)
				classify(w, q, p);
		}
	}
	classify(w, q, p);
}

static void ask(struct weir_rules_worker *w, const struct question *q, uint8_t family, uint64_t in)
{
	const struct rules_parts *p = q->parts;

	if (p->n == 1 && q->what == FOR_END) {
		ask_part(w, q, &p->part[0], family, in);
		return;
	}
	for (uint32_t i = 0; i < p->n; i++) {
		const uint64_t some = in_part(w, &p->part[i], in);

		if (some != 0)
			ask_part(w, q, &p->part[i], family, some);
	}
}

static void ask_ends(struct weir_rules_worker *w, const struct rules_list *list, uint8_t family,
		     uint64_t in)
{
	const struct question q = {.what = FOR_END, .parts = &list->ends};

	ask(w, &q, family, in);
}

/* Which rules that may not end the search they match, before one that does if it is known. */
static void ask_passes(struct weir_rules_worker *w, const struct rules_passes *p, uint8_t family,
		       uint64_t in)
{
	struct question q = {.what = FOR_GROUPS, .parts = &p->root, .passes = p};

	for (uint64_t m = in; m != 0; m &= m - 1)
		memcpy(w->matched[__builtin_ctzll(m)], p->all, p->n_words * sizeof(p->all[0]));
	w->wanted[0] = in;
	if (p->n_blocks > 0) {
		memset(w->wanted, 0, p->n_groups * sizeof(w->wanted[0]));
		ask(w, &q, family, in);
	}
	q.what = FOR_GROUP;
	for (q.group = 0; q.group < p->n_groups; q.group++) {
		q.parts = &p->group[q.group];
		if (w->wanted[q.group] != 0)
			ask(w, &q, family, w->wanted[q.group]);
	}
}

/* Whether the limit of a rule lets it match. What was let in before does not begin once more. */
static bool limit_lets(const struct call *c, uint16_t limit, const struct weir_rule_ask *a)
{
	if (unlikely(a->again))
		return !c->rs->limits[limit].over;
	return rules_buckets_take(c->w->buckets, c->rs, limit, &a->tuple, c->now_ns);
}

/* Whether a rule that may not end the search of a packet that matches it does. */
static bool decides(const struct call *c, const struct rules_pass *p, uint16_t pkt)
{
	if (p->limit != RULES_NO_LIMIT && !limit_lets(c, p->limit, &c->asks[pkt]))
		return false;
	if (c->rs->rules[p->rule].action != WEIR_ACTION_COUNT)
		return true;
	if (c->passed != NULL)
		c->passed(c->ctx, pkt, p->rule);
	return false;
}

/* What ends the search of a packet, as far as is known. */
static uint32_t end_of(const struct weir_rules_worker *w, const struct rules_list *list, unsigned i)
{
	return w->first[i] != 0 ? w->first[i] - 1 : list->rest;
}

/* A packet meets the rules that it matches, to this one. @return whether one decides. */
static bool meet(const struct call *c, const struct rules_passes *p, unsigned i, uint32_t end)
{
	struct weir_rules_worker *w = c->w;

	for (uint32_t word = 0; word < p->n_words; word++) {
		uint64_t *left = &w->matched[i][word];

		for (; *left != 0; *left &= *left - 1) {
			const struct rules_pass *pass =
				&p->pass[word * 64 + (unsigned)__builtin_ctzll(*left)];

			if (pass->rule >= end)
				return false;
			if (!decides(c, pass, w->pkt[i]))
				continue;
			c->rule[w->pkt[i]] = pass->rule;
			return true;
		}
	}
	return false;
}

/* All packets do so, before this rule. @return those that nothing has decided. */
static uint64_t meet_all(const struct call *c, const struct rules_list *list, uint64_t alive,
			 uint32_t before)
{
	uint64_t left = alive;

	for (uint64_t m = alive; m != 0; m &= m - 1) {
		const unsigned i = (unsigned)__builtin_ctzll(m);

		if (meet(c, &list->passes, i, RTE_MIN(before, end_of(c->w, list, i))))
			left &= ~(UINT64_C(1) << i);
	}
	return left;
}

static void make_keys(const struct call *c, uint8_t family)
{
	struct weir_rules_worker *w = c->w;

	for (uint32_t i = 0; i < w->n; i++) {
		const struct weir_rule_ask *a = &c->asks[w->pkt[i]];

		if (family == 4)
			rules_key4_make(&w->key[i].four, a);
		else
			rules_key6_make(&w->key[i].six, a);
		w->top_src[i] = rules_top(a->tuple.src, family);
		w->top_dst[i] = rules_top(a->tuple.dst, family);
		w->first[i] = 0;
	}
}

/* Rules that may not end the search come first if they stand first, else after the others, for they
 * then need not be asked about what an earlier rule has ended. */
static void ask_list(const struct call *c, const struct rules_list *list, uint8_t family)
{
	const struct rules_passes *p = &list->passes;
	const bool passes_first = p->n > 0 && p->pass[0].rule < list->first;
	struct weir_rules_worker *w = c->w;
	uint64_t alive = UINT64_MAX >> (RULES_CHUNK - w->n);

	make_keys(c, family);
	look_up(c, &list->src, family, offsetof(struct weir_tuple, src), w->in_src);
	look_up(c, &list->dst, family, offsetof(struct weir_tuple, dst), w->in_dst);
	if (passes_first) {
		ask_passes(w, p, family, alive);
		alive = meet_all(c, list, alive, list->first);
	}
	ask_ends(w, list, family, alive);
	if (p->n > 0 && !passes_first)
		ask_passes(w, p, family, alive);
	if (p->n > 0)
		alive = meet_all(c, list, alive, WEIR_RULE_DEFAULT);
	for (; alive != 0; alive &= alive - 1) {
		const unsigned i = (unsigned)__builtin_ctzll(alive);

		c->rule[w->pkt[i]] = end_of(w, list, i);
	}
}

/* Chain the packets by their lists, in their order. Who is in no zone or family has the default. */
static void sort_out(const struct call *c, uint32_t n)
{
	struct weir_rules_worker *w = c->w;

	w->n_lists = 0;
	for (uint32_t i = n; i-- > 0;) {
		const struct weir_rule_ask *a = &c->asks[i];
		const uint8_t family = a->tuple.family;
		const struct rules_list *l;
		uint32_t list;

		c->rule[i] = WEIR_RULE_DEFAULT;
		if (a->from >= c->rs->zones || a->to >= c->rs->zones ||
		    (family != 4 && family != 6))
			continue;
		list = c->rs->list_of[a->from][a->to] + (family == 6);
		l = &c->rs->lists[list];
		if (l->ends.n + l->passes.n == 0) {
			c->rule[i] = l->rest;
			continue;
		}
		if (w->head[list] == NOBODY)
			w->lists[w->n_lists++] = (uint16_t)list;
		w->next[i] = w->head[list];
		w->head[list] = (uint16_t)i;
	}
}

void weir_rules_ask(const struct weir_rules *rs, struct weir_rules_worker *w,
		    const struct weir_rule_ask *asks, uint32_t n, uint32_t now_s, uint64_t now_ns,
		    uint32_t *rule, weir_rules_pass_fn *passed, void *ctx)
{
	const struct call c = {rs, w, asks, now_s, now_ns, rule, passed, ctx};

	assert(n <= WEIR_RULE_ASKS_MAX);
	sort_out(&c, n);
	for (uint32_t i = 0; i < w->n_lists; i++) {
		const uint16_t list = w->lists[i];
		uint16_t at = w->head[list];

		w->head[list] = NOBODY;
		while (at != NOBODY) {
			for (w->n = 0; w->n < RULES_CHUNK && at != NOBODY; at = w->next[at])
				w->pkt[w->n++] = at;
			ask_list(&c, &rs->lists[list], (list & 1) == 0 ? 4 : 6);
		}
	}
}
