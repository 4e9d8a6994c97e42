/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Who connects. A source is an address, or the prefix that one subscriber has; only one that has
 * shown that it hears us is known here, for an address in a SYN may be anybody's, and who could
 * spend another's share by lying about it could shut that one out. What is not shown yet is counted
 * in a sketch: a source with too many half-open connections, or one that shares its counter, gets
 * cookies instead, which costs it nothing if it is honest.
 *
 * The rate is GCRA's: a source has a time up to which its share is spent (ITU-T I.371).
 */

#include "tcp_source_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define SKETCH	     4096u
#define STRIKES_MOST 6
#define NS_PER_SEC   UINT64_C(1000000000)

struct prefix {
	uint64_t high, low; /* network order; IPv4: ::ffff:a.b.c.d */
};

struct source {
	struct prefix prefix;
	uint64_t spent_ns;	  /* its share of the rate is spent up to then */
	uint64_t blocked_ns;	  /* until then */
	TAILQ_ENTRY(source) idle; /* without connections: in the order of their end */
	uint32_t next;		  /* of the same bucket */
	uint32_t conns;
	uint8_t strikes; /* how often it was blocked */
};

struct tcp_sources {
	struct source *at; /* conf.sources.at_once */
	uint32_t *buckets;
	uint32_t mask, touched;
	TAILQ_HEAD(, source) idle; /* who has gone first is replaced first */
	uint64_t step_ns, burst_ns;
	struct prefix mask4, mask6;
	struct weir_siphash_key key;
	uint16_t half_open[SKETCH];
};

/* ---- prefixes ---- */

static struct prefix mask_of(unsigned bits)
{
	const uint64_t ones = UINT64_MAX;

	return (struct prefix){
		.high = rte_cpu_to_be_64(bits >= 64  ? ones
					 : bits == 0 ? 0
						     : ones << (64 - bits)),
		.low = rte_cpu_to_be_64(bits >= 128  ? ones
					: bits <= 64 ? 0
						     : ones << (128 - bits)),
	};
}

static struct prefix prefix_of(const struct tcp_sources *t, const struct ends *e, bool v6)
{
	struct prefix p = {.low = rte_cpu_to_be_64(UINT64_C(0xffff) << 32)};
	uint32_t ip;

	if (v6) {
		memcpy(&p, e->peer, sizeof(p));
		return (struct prefix){p.high & t->mask6.high, p.low & t->mask6.low};
	}
	memcpy(&ip, e->peer, sizeof(ip));
	p.low |= (uint64_t)ip << 32 & t->mask4.low;
	return p;
}

static uint64_t hash_of(const struct tcp_sources *t, const struct prefix *p)
{
	return weir_siphash13_u64x2(&t->key, p->high, p->low);
}

static enum weir_stack_judgement judge(struct weir_stack *s, const struct ends *e, bool v6)
{
	struct weir_addr from = {.family = v6 ? 6 : 4};

	if (s->conf.judge == NULL)
		return WEIR_SOURCE_LIMITED;
	memcpy(from.bytes, e->peer, v6 ? 16 : 4);
	return s->conf.judge(s->conf.ctx, &from);
}

/* ---- the table ---- */

static struct source *find(struct tcp_sources *t, const struct prefix *p)
{
	uint32_t i = t->buckets[hash_of(t, p) & t->mask];

	while (i != NONE && (t->at[i].prefix.high != p->high || t->at[i].prefix.low != p->low))
		i = t->at[i].next;
	return i == NONE ? NULL : &t->at[i];
}

static void bucket_remove(struct tcp_sources *t, const struct source *src)
{
	uint32_t *at = &t->buckets[hash_of(t, &src->prefix) & t->mask];

	while (&t->at[*at] != src)
		at = &t->at[*at].next;
	*at = src->next;
}

static bool has_place(const struct weir_stack *s, const struct tcp_sources *t)
{
	return t->touched < s->conf.sources.at_once || !TAILQ_EMPTY(&t->idle);
}

/* A place for a new one: one that was never used, or that of who has gone first. */
static struct source *take_place(struct weir_stack *s, const struct prefix *p)
{
	struct tcp_sources *t = s->tcp->sources;
	uint32_t *bucket;
	struct source *src;

	if (t->touched < s->conf.sources.at_once) {
		src = &t->at[t->touched++];
		stack_count(&s->stats.tcp_sources, 1);
	} else {
		src = TAILQ_FIRST(&t->idle);
		TAILQ_REMOVE(&t->idle, src, idle);
		bucket_remove(t, src);
	}
	bucket = &t->buckets[hash_of(t, p) & t->mask];
	*src = (struct source){.prefix = *p, .next = *bucket};
	*bucket = (uint32_t)(src - t->at);
	return src;
}

/* ---- judgement ---- */

static bool is_over(const struct weir_stack *s, const struct source *src)
{
	const struct weir_stack_sources *c = &s->conf.sources;
	const struct tcp_sources *t = s->tcp->sources;

	return c->rate > 0 && c->block_ns == 0 && src->spent_ns > s->now_ns + t->burst_ns;
}

/* Why a source may have no other connection, as a counter; NULL: it may. */
static uint64_t *refusal(struct weir_stack *s, const struct prefix *p)
{
	const struct weir_stack_sources *c = &s->conf.sources;
	const struct source *src = find(s->tcp->sources, p);

	if (src == NULL)
		return has_place(s, s->tcp->sources) ? NULL : &s->stats.tcp_sources_full;
	if (src->blocked_ns > s->now_ns)
		return &s->stats.tcp_source_blocked;
	if (c->connections > 0 && src->conns >= c->connections)
		return &s->stats.tcp_source_connections;
	return is_over(s, src) ? &s->stats.tcp_source_rate : NULL;
}

enum source_verdict source_syn(struct weir_stack *s, const struct ends *e, bool v6)
{
	struct tcp_sources *t = s->tcp->sources;
	const enum weir_stack_judgement j = judge(s, e, v6);
	const uint32_t most = s->conf.sources.half_open;
	struct prefix p;
	uint64_t *why;

	if (j == WEIR_SOURCE_DENIED) {
		stack_count(&s->stats.tcp_source_denied, 1);
		return SOURCE_REFUSED;
	}
	if (t == NULL || j == WEIR_SOURCE_TRUSTED)
		return SOURCE_GOOD;
	p = prefix_of(t, e, v6);
	why = refusal(s, &p);
	if (why != NULL) {
		stack_count(why, 1);
		return SOURCE_REFUSED;
	}
	if (most == 0 || t->half_open[hash_of(t, &p) % SKETCH] < most)
		return SOURCE_GOOD;
	stack_count(&s->stats.tcp_source_challenged, 1);
	return SOURCE_CHALLENGED;
}

bool source_may_open(struct weir_stack *s, const struct ends *e, bool v6)
{
	struct prefix p;
	uint64_t *why;

	if (s->tcp->sources == NULL || judge(s, e, v6) != WEIR_SOURCE_LIMITED)
		return true;
	p = prefix_of(s->tcp->sources, e, v6);
	why = refusal(s, &p);
	if (why != NULL)
		stack_count(why, 1);
	return why == NULL;
}

/* Its share is spent a little further; who exceeds it is blocked, each time for twice as long. */
static void spend(struct weir_stack *s, struct source *src)
{
	const struct weir_stack_sources *c = &s->conf.sources;
	const struct tcp_sources *t = s->tcp->sources;

	if (c->rate == 0)
		return;
	src->spent_ns = RTE_MAX(src->spent_ns, s->now_ns) + t->step_ns;
	if (c->block_ns == 0 || src->spent_ns <= s->now_ns + t->burst_ns)
		return;
	src->blocked_ns = s->now_ns + (c->block_ns << src->strikes);
	src->strikes += src->strikes < STRIKES_MOST;
	stack_count(&s->stats.tcp_source_blocks, 1);
}

void source_opened(struct conn *c)
{
	struct weir_stack *s = c->stack;
	struct tcp_sources *t = s->tcp->sources;
	const bool v6 = (c->flags & CONN_V6) != 0;
	struct source *src;
	struct prefix p;

	if (t == NULL || judge(s, &c->ends, v6) != WEIR_SOURCE_LIMITED)
		return;
	p = prefix_of(t, &c->ends, v6);
	src = find(t, &p);
	if (src == NULL)
		src = take_place(s, &p);
	else if (src->conns == 0)
		TAILQ_REMOVE(&t->idle, src, idle);
	src->conns++;
	count_of(c)->by_source = 1;
	spend(s, src);
}

void source_closed(struct weir_stack *s, const struct ends *e, bool v6)
{
	struct tcp_sources *t = s->tcp->sources;
	const struct prefix p = prefix_of(t, e, v6);
	struct source *src = find(t, &p);

	if (--src->conns == 0)
		TAILQ_INSERT_TAIL(&t->idle, src, idle);
}

void source_half_open(struct weir_stack *s, const struct ends *e, bool v6, int change)
{
	struct tcp_sources *t = s->tcp->sources;
	struct prefix p;
	uint16_t *n;

	if (t == NULL || s->conf.sources.half_open == 0)
		return;
	p = prefix_of(t, e, v6);
	n = &t->half_open[hash_of(t, &p) % SKETCH];
	*n = (uint16_t)(*n + change);
}

/* ---- birth and death ---- */

int sources_create(struct weir_stack *s)
{
	struct weir_stack_sources *c = &s->conf.sources;
	struct tcp_sources *t;
	uint32_t buckets = 1;

	if (c->at_once == 0)
		return 0;
	if (c->at_once > 1u << 24 || c->prefix4 > 32 || c->prefix6 > 128 ||
	    c->half_open > UINT16_MAX / 2 || c->rate > NS_PER_SEC ||
	    c->block_ns > UINT64_MAX >> (STRIKES_MOST + 1))
		return -EINVAL;
	t = s->tcp->sources = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	while (buckets < c->at_once)
		buckets *= 2;
	t->mask = buckets - 1;
	t->at = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(c->at_once * sizeof(*t->at),
								  (size_t)RTE_CACHE_LINE_SIZE));
	t->buckets = malloc(buckets * sizeof(*t->buckets));
	if (t->at == NULL || t->buckets == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < buckets; i++)
		t->buckets[i] = NONE;
	TAILQ_INIT(&t->idle);
	t->mask4 = mask_of(96u + (c->prefix4 == 0 ? 32 : c->prefix4));
	t->mask6 = mask_of(c->prefix6 == 0 ? 64 : c->prefix6);
	t->step_ns = c->rate == 0 ? 0 : NS_PER_SEC / c->rate;
	t->burst_ns = t->step_ns * (c->burst == 0 ? RTE_MAX(c->rate, 1u) : c->burst);
	t->key = (struct weir_siphash_key){weir_siphash13_u64(&s->conf.secret, 3),
					   weir_siphash13_u64(&s->conf.secret, 4)};
	return 0;
}

void sources_free(struct weir_stack *s)
{
	struct tcp_sources *t = s->tcp->sources;

	if (t == NULL)
		return;
	free(t->buckets);
	free(t->at);
	free(t);
}
