/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Limits of rules: token buckets, which belong to one worker.
 *
 * A worker's part of a limit is the rate divided by the workers. So that it is exact without a
 * division, a bucket fills at the whole rate, and a packet costs as many tokens as there are
 * workers.
 *
 * Buckets of sources stand in groups of eight, one of which is found by a keyed hash. If none of
 * the eight is the source's, the one that was not asked for the longest time becomes it.
 */

#include <errno.h>
#include <rte_malloc.h>
#include <stdlib.h>
#include <string.h>

#include "rules_priv.h"

#define GROUP	    8
#define SOURCES_MAX (1u << 24)
/* Of an address, in its first eight bytes. */
#define BITS4 32u
#define BITS6 64u

/* The bucket of a source, without what is the same for all sources. */
struct source {
	uint64_t addr;	/* IPv4, or the first half of IPv6, as far as the limit looks */
	uint32_t slot;	/* of the rule */
	uint8_t family; /* 0: nobody's */
	uint64_t level;
	uint64_t last_ns;
};

struct kept {
	uint32_t slot;
	struct weir_bucket bucket;
};

struct rules_buckets {
	struct weir_siphash_key secret;
	uint64_t serial; /* of the rules that `now` is of */
	uint32_t n_kept;
	struct kept *kept; /* in the order of the rules' limits */
	struct kept *spare;
	uint32_t group_mask;
	struct source *sources;
};

static int by_slot(const void *a, const void *b)
{
	const struct rules_limit *x = a, *y = b;

	return x->slot != y->slot ? (x->slot > y->slot) - (x->slot < y->slot)
				  : (x->rule > y->rule) - (x->rule < y->rule);
}

static int make_limit(const struct weir_rules *rs, uint32_t rule, struct rules_limit *out)
{
	const struct weir_rule *r = &rs->rules[rule];
	const unsigned bits4 = r->limit_bits4 == 0 ? BITS4 : r->limit_bits4;
	const unsigned bits6 = r->limit_bits6 == 0 ? BITS6 : r->limit_bits6;
	const uint64_t burst = r->limit_burst < rs->workers ? rs->workers : r->limit_burst;

	out->rule = rule;
	out->slot = r->slot;
	out->of_source = r->limit == WEIR_LIMIT_SOURCE || r->limit == WEIR_LIMIT_OVER_SOURCE;
	out->mask[0] = htobe64(UINT64_MAX << (64 - bits4));
	out->mask[1] = htobe64(UINT64_MAX << (64 - bits6));
	out->over = r->limit == WEIR_LIMIT_OVER_RULE || r->limit == WEIR_LIMIT_OVER_SOURCE;
	return weir_bucket_init(&out->full, r->limit_pps, burst, 0);
}

int rules_limit_collect(struct weir_rules *rs, struct weir_why *why)
{
	uint32_t n = 0;
	int rc = 0;

	for (uint32_t i = 0; i < rs->n; i++) {
		n += rs->rules[i].limit != WEIR_LIMIT_NONE;
		if (n > WEIR_RULE_LIMITS_MAX)
			return weir_why(why, -ENOSPC, "rule %s: more than %u rules have a limit",
					rs->rules[i].name, WEIR_RULE_LIMITS_MAX);
	}
	rs->limits = calloc(n + 1u, sizeof(rs->limits[0]));
	if (rs->limits == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < rs->n && rc == 0; i++)
		if (rs->rules[i].limit != WEIR_LIMIT_NONE)
			rc = make_limit(rs, i, &rs->limits[rs->n_limits++]);
	qsort(rs->limits, rs->n_limits, sizeof(rs->limits[0]), by_slot);
	rs->stats.bytes += (n + 1u) * sizeof(rs->limits[0]);
	return rc;
}

void rules_buckets_free(struct rules_buckets *b)
{
	if (b == NULL)
		return;
	rte_free(b->kept);
	rte_free(b->spare);
	rte_free(b->sources);
	rte_free(b);
}

int rules_buckets_create(uint32_t sources, int numa, const struct weir_siphash_key *secret,
			 struct rules_buckets **out)
{
	struct rules_buckets *b;
	uint32_t groups = 1;

	if (sources > SOURCES_MAX)
		return -EINVAL;
	while (groups * GROUP < sources)
		groups *= 2;
	b = rte_zmalloc_socket("rules", sizeof(*b), RTE_CACHE_LINE_SIZE, numa);
	if (b == NULL)
		return -ENOMEM;
	b->secret = *secret;
	b->group_mask = groups - 1;
	b->sources = rte_zmalloc_socket("rules", (size_t)groups * GROUP * sizeof(b->sources[0]),
					RTE_CACHE_LINE_SIZE, numa);
	b->kept = rte_zmalloc_socket("rules", WEIR_RULE_LIMITS_MAX * sizeof(b->kept[0]),
				     RTE_CACHE_LINE_SIZE, numa);
	b->spare = rte_zmalloc_socket("rules", WEIR_RULE_LIMITS_MAX * sizeof(b->kept[0]),
				      RTE_CACHE_LINE_SIZE, numa);
	if (b->sources == NULL || b->kept == NULL || b->spare == NULL) {
		rules_buckets_free(b);
		return -ENOMEM;
	}
	*out = b;
	return 0;
}

/* The bucket that it was, in its new size; it is never fuller than that. */
static void refit(struct weir_bucket *b, const struct weir_bucket *full)
{
	b->capacity = full->capacity;
	b->rate_tps = full->rate_tps;
	b->fill_ns = full->fill_ns;
	if (b->level > b->capacity)
		b->level = b->capacity;
}

/* Both are sorted by slot, so one pass finds what stays; at most WEIR_RULE_LIMITS_MAX steps, once
 * in a reload. */
void rules_buckets_adopt(struct rules_buckets *b, const struct weir_rules *rs, uint64_t now_ns)
{
	struct kept *const old = b->kept, *const fresh = b->spare;
	uint32_t at = 0;

	for (uint32_t i = 0; i < rs->n_limits; i++) {
		const struct rules_limit *limit = &rs->limits[i];

		while (at < b->n_kept && old[at].slot < limit->slot)
			at++;
		fresh[i].slot = limit->slot;
		if (at < b->n_kept && old[at].slot == limit->slot) {
			fresh[i].bucket = old[at++].bucket;
			refit(&fresh[i].bucket, &limit->full);
		} else {
			fresh[i].bucket = limit->full;
			fresh[i].bucket.last_ns = now_ns;
		}
	}
	b->kept = fresh;
	b->spare = old;
	b->n_kept = rs->n_limits;
	b->serial = rs->serial;
}

static struct source *find_source(struct rules_buckets *b, const struct rules_limit *limit,
				  const struct weir_tuple *t, uint64_t now_ns)
{
	struct source *group, *oldest;
	uint64_t addr = 0;

	memcpy(&addr, t->src, t->family == 4 ? 4 : 8);
	addr &= limit->mask[t->family == 6];
	group = &b->sources[GROUP * (weir_siphash13_u64x2(&b->secret, addr,
							  (uint64_t)limit->slot << 8 | t->family) &
				     b->group_mask)];
	oldest = group;
	for (unsigned i = 0; i < GROUP; i++) {
		struct source *s = &group[i];

		if (s->addr == addr && s->slot == limit->slot && s->family == t->family)
			return s;
		/* Nobody's are all zero, so they are the oldest. */
		if (s->last_ns < oldest->last_ns)
			oldest = s;
	}
	*oldest = (struct source){.addr = addr,
				  .slot = limit->slot,
				  .family = t->family,
				  .level = limit->full.level,
				  .last_ns = now_ns};
	return oldest;
}

static bool take_of_source(struct rules_buckets *b, const struct rules_limit *limit,
			   uint32_t tokens, const struct weir_tuple *t, uint64_t now_ns)
{
	struct source *s = find_source(b, limit, t, now_ns);
	struct weir_bucket bucket = limit->full;
	bool took;

	bucket.level = s->level < bucket.capacity ? s->level : bucket.capacity;
	bucket.last_ns = s->last_ns;
	took = weir_bucket_take(&bucket, tokens, now_ns);
	s->level = bucket.level;
	s->last_ns = bucket.last_ns;
	return took;
}

bool rules_buckets_take(struct rules_buckets *b, const struct weir_rules *rs, uint16_t limit,
			const struct weir_tuple *t, uint64_t now_ns)
{
	const struct rules_limit *l = &rs->limits[limit];
	bool within;

	if (b->serial != rs->serial)
		rules_buckets_adopt(b, rs, now_ns);
	within = l->of_source ? take_of_source(b, l, rs->workers, t, now_ns)
			      : weir_bucket_take(&b->kept[limit].bucket, rs->workers, now_ns);
	return within != l->over;
}
