/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * An address set as the control thread changes it, while workers look up (set_lookup.c).
 *
 * - The entries are in chains that are read without a lock (set_nodes.c). The place of a deleted
 *   entry, and the filter that was replaced, are used again only after synchronize().
 * - An entry's bits are in the filter before it is in a chain, and its length is marked last, so
 *   no reader misses what was there when it began.
 * - Deleted entries leave their bits behind. When there are too many, the filter is built anew in
 *   the other buffer and takes the place of the first by one store.
 */

#include <errno.h>
#include <rte_malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "set_priv.h"

#define LINES_MIN 16

static uint32_t power_of_two(uint32_t n)
{
	uint32_t p = 1;

	while (p < n)
		p *= 2;
	return p;
}

static uint32_t lines_for(uint32_t entries)
{
	const uint32_t lines = power_of_two(entries / SET_LINE_ENTRIES);

	return lines > LINES_MIN ? lines : LINES_MIN;
}

static uint64_t set_bytes(uint32_t entries)
{
	return sizeof(struct weir_set) +
	       2 * sizeof(struct set_line) * (uint64_t)lines_for(entries) + set_nodes_size(entries);
}

uint64_t weir_set_size(const struct weir_set_conf *conf)
{
	return set_bytes(conf->entries);
}

static void draw_secret(struct weir_set *s, const struct weir_siphash_key *key)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < 4; i++)
		s->a[i] = weir_siphash13_u64(key, n++);
	for (unsigned six = 0; six < 2; six++)
		for (unsigned length = 0; length <= 128; length++)
			s->b[six][length] = weir_siphash13_u64(key, n++);
}

int weir_set_create(const struct weir_set_conf *conf, struct weir_set **out, struct weir_why *why)
{
	struct weir_set *s;

	if (conf->name == NULL || conf->name[0] == '\0' || strlen(conf->name) >= WEIR_SET_NAME)
		return weir_why(why, -EINVAL, "name of a set: must have 1 to %d bytes",
				WEIR_SET_NAME - 1);
	if (conf->entries == 0 || conf->entries > WEIR_SET_ENTRIES_MAX)
		return weir_why(why, -EINVAL, "set %s: entries is %u, must be 1 to %u", conf->name,
				conf->entries, WEIR_SET_ENTRIES_MAX);
	s = rte_zmalloc_socket("weir_set", sizeof(*s), RTE_CACHE_LINE_SIZE, conf->numa);
	if (s == NULL)
		goto err;
	snprintf(s->name, sizeof(s->name), "%s", conf->name);
	s->max = conf->entries;
	s->line_mask = lines_for(conf->entries) - 1;
	s->soonest_s = WEIR_SET_FOREVER;
	s->synchronize = conf->synchronize;
	s->ctx = conf->ctx;
	draw_secret(s, &conf->secret);
	if (set_nodes_create(&s->nodes, conf->entries, conf->numa) < 0)
		goto err;
	for (unsigned i = 0; i < 2; i++) {
		s->filter[i] = rte_zmalloc_socket("weir_set_filter",
						  (s->line_mask + 1ul) * sizeof(struct set_line),
						  RTE_CACHE_LINE_SIZE, conf->numa);
		if (s->filter[i] == NULL)
			goto err;
	}
	atomic_init(&s->bloom, s->filter[0]);
	*out = s;
	return 0;
err:
	weir_set_free(s);
	return weir_why(why, -ENOMEM,
			"no memory for set %s: %u entries take %llu KiB; lower entries, or add "
			"hugepages and start anew",
			conf->name, conf->entries,
			(unsigned long long)(set_bytes(conf->entries) >> 10));
}

void weir_set_free(struct weir_set *s)
{
	if (s == NULL)
		return;
	set_nodes_free(&s->nodes);
	rte_free(s->filter[0]);
	rte_free(s->filter[1]);
	rte_free(s);
}

const char *weir_set_name(const struct weir_set *s)
{
	return s->name;
}

/* False: it is no prefix. */
static bool to_key(const struct weir_set *s, const struct weir_prefix *prefix, struct set_key *key,
		   uint64_t *hash)
{
	const uint8_t family = prefix->addr.family;
	uint64_t mask[2];

	if ((family != 4 && family != 6) || prefix->length > (family == 4 ? 32 : 128))
		return false;
	set_load(family, prefix->addr.bytes, key->addr);
	set_mask(family, prefix->length, mask);
	key->addr[0] &= mask[0];
	key->addr[1] &= mask[1];
	key->kind = (uint32_t)family << 8 | prefix->length;
	*hash = set_hash(s, key);
	key->sig = (uint32_t)*hash;
	return true;
}

bool set_has(const struct weir_set *s, const struct weir_prefix *prefix)
{
	struct set_key key;
	uint64_t hash;

	return to_key(s, prefix, &key, &hash) && set_nodes_find(&s->nodes, &key) != 0;
}

static struct weir_prefix to_prefix(const struct set_key *key)
{
	struct weir_prefix p = {.addr.family = (uint8_t)(key->kind >> 8),
				.length = (uint8_t)key->kind};
	const uint32_t v4 = (uint32_t)key->addr[0];

	if (p.addr.family == 4)
		memcpy(p.addr.bytes, &v4, sizeof(v4));
	else
		memcpy(p.addr.bytes, key->addr, sizeof(key->addr));
	return p;
}

static void filter_add(struct set_line *bloom, uint32_t line_mask, uint64_t hash)
{
	struct set_line *line = &bloom[set_line_at(line_mask, hash)];

	for (unsigned i = 0; i < 4; i++, hash >>= 9) {
		_Atomic uint64_t *word = &line->word[hash >> 6 & 7];
		const uint64_t old = atomic_load_explicit(word, memory_order_relaxed);

		atomic_store_explicit(word, old | UINT64_C(1) << (hash & 63), memory_order_relaxed);
	}
}

static void filter_clear(struct set_line *bloom, uint32_t line_mask)
{
	for (uint32_t i = 0; i <= line_mask; i++)
		for (unsigned w = 0; w < SET_LINE_WORDS; w++)
			atomic_store_explicit(&bloom[i].word[w], 0, memory_order_relaxed);
}

/* Wait for the readers; then what was deleted is free, and so is the filter that is not current. */
static void settle(struct weir_set *s)
{
	if (s->synchronize != NULL)
		s->synchronize(s->ctx);
	set_nodes_settled(&s->nodes);
}

static void build_filter(struct weir_set *s)
{
	struct set_line *now = atomic_load_explicit(&s->bloom, memory_order_relaxed);
	struct set_line *fresh = now == s->filter[0] ? s->filter[1] : s->filter[0];
	uint32_t chain = 0, at = 0;

	settle(s);
	filter_clear(fresh, s->line_mask);
	while ((at = set_nodes_next(&s->nodes, &chain, at)) != 0)
		filter_add(fresh, s->line_mask, set_hash(s, &s->nodes.node[at].key));
	atomic_store_explicit(&s->bloom, fresh, memory_order_release);
	s->stale = 0;
}

/* An entry of this kind more (1) or less (-1): a length is looked up while it has entries. */
static void count_kind(struct weir_set *s, uint64_t kind, int by)
{
	const uint8_t six = set_six((uint8_t)(kind >> 8)), length = (uint8_t)kind;
	_Atomic uint64_t *word = &s->lengths[six][length / 64];
	const uint64_t bit = UINT64_C(1) << length % 64;
	const uint64_t others = atomic_load_explicit(word, memory_order_relaxed) & ~bit;

	s->entries += (uint32_t)by;
	s->count[six][length] += (uint32_t)by;
	atomic_store_explicit(word, others | (s->count[six][length] > 0 ? bit : 0),
			      memory_order_release);
}

int weir_set_add(struct weir_set *s, const struct weir_prefix *prefix, uint32_t until_s)
{
	struct set_key key;
	uint64_t hash;
	uint32_t at;

	if (until_s == 0 || !to_key(s, prefix, &key, &hash))
		return -EINVAL;
	at = set_nodes_find(&s->nodes, &key);
	if (at != 0) {
		atomic_store_explicit(&s->nodes.node[at].until_s, until_s, memory_order_relaxed);
	} else {
		if (s->entries == s->max)
			return -ENOSPC;
		filter_add(atomic_load_explicit(&s->bloom, memory_order_relaxed), s->line_mask,
			   hash);
		if (!set_nodes_add(&s->nodes, &key, until_s)) {
			settle(s); /* there is room, so somebody's place waits for readers */
			if (!set_nodes_add(&s->nodes, &key, until_s))
				return -ENOSPC;
		}
		count_kind(s, key.kind, 1);
	}
	if (until_s < s->soonest_s)
		s->soonest_s = until_s;
	return 0;
}

/* The place of an entry is free for others once no reader can see it. */
static void take_out(struct weir_set *s, uint32_t at)
{
	count_kind(s, s->nodes.node[at].key.kind, -1);
	set_nodes_take_out(&s->nodes, at);
	if (s->nodes.n_retired == SET_RETIRED)
		settle(s);
	s->stale++;
}

/* Not after each deletion, for a reader of all entries pays for it. */
static void refresh_filter(struct weir_set *s)
{
	if (s->stale > LINES_MIN * SET_LINE_ENTRIES / 4 && s->stale > s->max / 4)
		build_filter(s);
}

int weir_set_del(struct weir_set *s, const struct weir_prefix *prefix)
{
	struct set_key key;
	uint64_t hash;
	uint32_t at;

	if (!to_key(s, prefix, &key, &hash))
		return -ENOENT;
	at = set_nodes_find(&s->nodes, &key);
	if (at == 0)
		return -ENOENT;
	take_out(s, at);
	refresh_filter(s);
	return 0;
}

void weir_set_flush(struct weir_set *s)
{
	/* Without a length in use, no reader looks at the entries or the filter. */
	for (unsigned i = 0; i < 3; i++) {
		atomic_store_explicit(&s->lengths[0][i], 0, memory_order_release);
		atomic_store_explicit(&s->lengths[1][i], 0, memory_order_release);
	}
	settle(s);
	set_nodes_reset(&s->nodes);
	filter_clear(atomic_load_explicit(&s->bloom, memory_order_relaxed), s->line_mask);
	memset(s->count, 0, sizeof(s->count));
	s->entries = s->stale = 0;
	s->soonest_s = WEIR_SET_FOREVER;
}

/* One pass, which also finds when the next entry ends. */
unsigned weir_set_expire(struct weir_set *s, uint32_t now_s)
{
	uint32_t chain = 0, at, next, soonest = WEIR_SET_FOREVER;
	unsigned n = 0;

	if (now_s < s->soonest_s)
		return 0;
	for (at = set_nodes_next(&s->nodes, &chain, 0); at != 0; at = next) {
		const uint32_t until_s =
			atomic_load_explicit(&s->nodes.node[at].until_s, memory_order_relaxed);

		next = set_nodes_next(&s->nodes, &chain, at); /* its place may be free below */
		if (until_s <= now_s) {
			take_out(s, at);
			n++;
		} else if (until_s < soonest) {
			soonest = until_s;
		}
	}
	s->soonest_s = soonest;
	refresh_filter(s);
	return n;
}

int weir_set_each(const struct weir_set *s,
		  int (*fn)(void *ctx, const struct weir_prefix *prefix, uint32_t until_s),
		  void *ctx)
{
	uint32_t chain = 0, at = 0;
	int rc = 0;

	while (rc == 0 && (at = set_nodes_next(&s->nodes, &chain, at)) != 0) {
		const struct set_node *node = &s->nodes.node[at];
		const struct weir_prefix p = to_prefix(&node->key);

		rc = fn(ctx, &p, atomic_load_explicit(&node->until_s, memory_order_relaxed));
	}
	return rc;
}

void weir_set_stats(const struct weir_set *s, struct weir_set_stats *out)
{
	*out = (struct weir_set_stats){
		.entries = s->entries, .max = s->max, .bytes = set_bytes(s->max)};
	for (unsigned six = 0; six < 2; six++)
		for (unsigned length = 0; length <= 128; length++)
			out->lengths[six] += s->count[six][length] > 0;
}
