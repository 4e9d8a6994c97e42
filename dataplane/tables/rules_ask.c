/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Which rule decides: the data path.
 *
 * Packets of a burst are put together by their list of rules. Up to 64 of a list go through its
 * segments together: what their addresses are in is looked up once; each segment then classifies
 * those that no segment before has decided, once for each class of address lists that they are in.
 * The smallest number of a rule is the first match.
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
	uint16_t pkt[RULES_CHUNK];   /* their places in the burst */
	uint32_t first[RULES_CHUNK]; /* the first rule that matches in this segment, plus one */
	union rules_key key[RULES_CHUNK];
	uint64_t top_src[RULES_CHUNK]; /* rules_top() of their addresses */
	uint64_t top_dst[RULES_CHUNK];
	uint64_t in_src[WEIR_RULE_SETS_MAX + 1]; /* by address list: which packets are in it */
	uint64_t in_dst[WEIR_RULE_SETS_MAX + 1];

	/* questions to rte_acl */
	uint32_t n_asked;
	uint8_t asked[RULES_ROOM]; /* of which packet */
	const uint8_t *data[RULES_ROOM];
	uint32_t answer[RULES_ROOM];
	union rules_key classed[RULES_ROOM]; /* keys of other classes than the first */
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

/* The protocol, and ports, or what the ICMP of this number has in their place. */
static void ports_of(const struct weir_rule_ask *a, uint8_t icmp, uint8_t *proto,
		     uint16_t *first_be, uint16_t *second_be)
{
	const bool is_icmp = a->tuple.proto == icmp;

	*proto = a->tuple.proto;
	if (unlikely((a->later && rules_has_header(*proto, a->tuple.family)) ||
		     *proto == RULES_HEADLESS)) {
		*first_be = htons(*proto);
		*second_be = 0;
		*proto = RULES_HEADLESS;
		return;
	}
	*first_be = is_icmp ? htons(a->icmp_type) : a->tuple.sport;
	*second_be = is_icmp ? htons(a->icmp_code) : a->tuple.dport;
}

static void make_key4(struct rules_key4 *k, const struct weir_rule_ask *a)
{
	k->tos = (uint8_t)(a->dscp << 2);
	memcpy(&k->src_be, a->tuple.src, sizeof(k->src_be));
	memcpy(&k->dst_be, a->tuple.dst, sizeof(k->dst_be));
	ports_of(a, IPPROTO_ICMP, &k->proto, &k->first_be, &k->second_be);
	k->tcp_flags = a->tcp_flags;
	k->class_be = 0;
	k->vlan_be = htons(a->vlan);
	k->app_be = htons(a->app);
}

static void make_key6(struct rules_key6 *k, const struct weir_rule_ask *a)
{
	k->class_be = 0;
	k->vlan_be = htons(a->vlan);
	memcpy(k->src_be, a->tuple.src, sizeof(k->src_be));
	memcpy(k->dst_be, a->tuple.dst, sizeof(k->dst_be));
	ports_of(a, IPPROTO_ICMPV6, &k->proto, &k->first_be, &k->second_be);
	k->tcp_flags = a->tcp_flags;
	k->dscp = a->dscp;
	k->app_be = htons(a->app);
}

/* Which of the packets' addresses are in each address list of one side. */
static void look_up(const struct call *c, const struct rules_look *look, uint8_t family,
		    size_t offset, uint64_t *in)
{
	const struct weir_rules_worker *w = c->w;
	const uint64_t all = UINT64_MAX >> (RULES_CHUNK - w->n);
	const uint8_t *addr[RULES_CHUNK];
	uint16_t country[RULES_CHUNK];

	in[RULES_NO_LIST] = all;
	if (look->n_lists == 0)
		return;
	memset(in, 0, look->n_lists * sizeof(in[0]));
	for (uint32_t i = 0; i < w->n; i++)
		addr[i] = (const uint8_t *)&c->asks[w->pkt[i]].tuple + offset;
	for (unsigned i = 0; i < look->n_sets; i++) {
		const uint64_t hit = weir_set_lookup(look->set[i], family, addr, w->n, c->now_s);

		for (uint64_t l = look->set_lists[i]; l != 0; l &= l - 1)
			in[__builtin_ctzll(l)] |= hit;
	}
	if (look->country_lists != NULL) {
		weir_geo_lookup(c->rs->geo, family, addr, w->n, country);
		for (uint32_t i = 0; i < w->n; i++) {
			uint64_t l = country[i] < look->n_countries
					     ? look->country_lists[country[i]]
					     : 0;

			for (; l != 0; l &= l - 1)
				in[__builtin_ctzll(l)] |= UINT64_C(1) << i;
		}
	}
	for (uint64_t l = look->negated; l != 0; l &= l - 1)
		in[__builtin_ctzll(l)] ^= all;
}

/* Ask rte_acl what was collected, and keep the first rule of each packet. */
static void classify(struct weir_rules_worker *w, const struct rules_part *p)
{
	if (w->n_asked == 0)
		return;
	rte_acl_classify(p->acl, w->data, w->answer, w->n_asked, 1);
	for (uint32_t i = 0; i < w->n_asked; i++) {
		uint32_t *first = &w->first[w->asked[i]];

		/* 0 is none: one less, it is the largest. */
		if (w->answer[i] - 1 < *first - 1)
			*first = w->answer[i];
	}
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
static void ask_part(struct weir_rules_worker *w, const struct rules_part *p, uint8_t family,
		     uint64_t in)
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
				classify(w, p);
		}
	}
	classify(w, p);
}

static void ask_segment(struct weir_rules_worker *w, const struct rules_segment *s, uint8_t family,
			uint64_t alive)
{
	for (uint64_t m = alive; m != 0; m &= m - 1)
		w->first[__builtin_ctzll(m)] = 0;
	if (s->n_parts == 1) {
		ask_part(w, &s->parts[0], family, alive);
		return;
	}
	for (uint32_t i = 0; i < s->n_parts; i++)
		ask_part(w, &s->parts[i], family, in_part(w, &s->parts[i], alive));
}

/* Whether the limit of a rule lets it match. What was let in before does not begin once more. */
static bool limit_lets(const struct call *c, uint16_t limit, const struct weir_rule_ask *a)
{
	if (unlikely(a->again))
		return !c->rs->limits[limit].over;
	return rules_buckets_take(c->w->buckets, c->rs, limit, &a->tuple, c->now_ns);
}

/* Whether a rule ends the search of a packet that matches it. */
static bool decides(const struct call *c, const struct rules_segment *s, uint16_t pkt,
		    uint32_t rule)
{
	if (rule != s->pass)
		return true;
	if (s->limit != RULES_NO_LIMIT && !limit_lets(c, s->limit, &c->asks[pkt]))
		return false;
	if (c->rs->rules[rule].action != WEIR_ACTION_COUNT)
		return true;
	if (c->passed != NULL)
		c->passed(c->ctx, pkt, rule);
	return false;
}

static void ask_list(const struct call *c, const struct rules_list *list, uint8_t family)
{
	struct weir_rules_worker *w = c->w;
	uint64_t alive = UINT64_MAX >> (RULES_CHUNK - w->n);

	for (uint32_t i = 0; i < w->n; i++) {
		const struct weir_rule_ask *a = &c->asks[w->pkt[i]];

		if (family == 4)
			make_key4(&w->key[i].four, a);
		else
			make_key6(&w->key[i].six, a);
		w->top_src[i] = rules_top(a->tuple.src, family);
		w->top_dst[i] = rules_top(a->tuple.dst, family);
	}
	look_up(c, &list->src, family, offsetof(struct weir_tuple, src), w->in_src);
	look_up(c, &list->dst, family, offsetof(struct weir_tuple, dst), w->in_dst);
	for (uint32_t i = 0; i < list->n_segments && alive != 0; i++) {
		const struct rules_segment *s = &list->segments[i];

		ask_segment(w, s, family, alive);
		for (uint64_t m = alive; m != 0; m &= m - 1) {
			const unsigned k = (unsigned)__builtin_ctzll(m);
			const uint32_t rule = w->first[k] != 0 ? w->first[k] - 1 : s->rest;

			if (rule == WEIR_RULE_DEFAULT || !decides(c, s, w->pkt[k], rule))
				continue;
			c->rule[w->pkt[k]] = rule;
			alive &= ~(UINT64_C(1) << k);
		}
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
		uint32_t list;

		c->rule[i] = WEIR_RULE_DEFAULT;
		if (a->from >= c->rs->zones || a->to >= c->rs->zones ||
		    (family != 4 && family != 6))
			continue;
		list = c->rs->list_of[a->from][a->to] + (family == 6);
		if (c->rs->lists[list].n_segments == 0)
			continue;
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
