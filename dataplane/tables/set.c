/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * An address set as the control thread changes it, while workers look up (set_lookup.c).
 *
 * - The entries are in an rte_hash with lock-free readers. The place of a deleted entry, and the
 *   filter that was replaced, are used again only after synchronize().
 * - An entry's bits are in the filter before it is in the hash, and its length is marked last, so
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

/* rte_hash takes 8 at least. */
static uint32_t slots_for(uint32_t entries)
{
	return entries > 8 ? entries : 8;
}

/*
 * rte_hash's: buckets of 8 entries, as many again for the overflow, a key of 32 bytes and a word
 * for each slot, and two rings of free ones.
 */
static uint64_t hash_bytes(uint32_t slots)
{
	const uint64_t buckets = power_of_two(slots) / 8;

	return 2 * 64 * buckets + (32 + 4) * ((uint64_t)slots + 1) +
	       4 * (uint64_t)(power_of_two(slots + 1) + power_of_two((uint32_t)buckets + 1));
}

static uint64_t set_bytes(uint32_t entries)
{
	return sizeof(struct weir_set) +
	       2 * sizeof(struct set_line) * (uint64_t)lines_for(entries) +
	       hash_bytes(slots_for(entries));
}

uint64_t weir_set_size(const struct weir_set_conf *conf)
{
	return set_bytes(conf->entries);
}

/* rte_hash publishes what is compared here with atomics that ThreadSanitizer does not see, for DPDK
 * is not instrumented: it would take each first look at a new key for a race. */
__attribute__((no_sanitize("thread"))) static int compare_keys(const void *a, const void *b,
							       size_t bytes)
{
	const struct set_key *x = a, *y = b;

	return ((x->addr[0] ^ y->addr[0]) | (x->addr[1] ^ y->addr[1]) | (x->kind ^ y->kind)) != 0;
}

static struct rte_hash *make_hash(const struct weir_set_conf *conf)
{
	static unsigned made; /* names must differ */
	char name[RTE_HASH_NAMESIZE];
	const struct rte_hash_parameters want = {
		.name = name,
		.entries = slots_for(conf->entries),
		.key_len = sizeof(struct set_key),
		.socket_id = conf->numa,
		.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF |
			      RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};
	struct rte_hash *hash;

	snprintf(name, sizeof(name), "weir_set_%u", made++);
	hash = rte_hash_create(&want);
	if (hash != NULL)
		rte_hash_set_cmp_func(hash, compare_keys);
	return hash;
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
	s->hash = make_hash(conf);
	if (s->hash == NULL)
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
			"no memory for set %s: it takes %llu MiB; lower its entries or add "
			"hugepages",
			conf->name, (unsigned long long)(set_bytes(conf->entries) >> 20));
}

void weir_set_free(struct weir_set *s)
{
	if (s == NULL)
		return;
	rte_hash_free(s->hash);
	rte_free(s->filter[0]);
	rte_free(s->filter[1]);
	rte_free(s);
}

const char *weir_set_name(const struct weir_set *s)
{
	return s->name;
}

/* False: it is no prefix. */
static bool to_key(const struct weir_prefix *prefix, struct set_key *key)
{
	const uint8_t family = prefix->addr.family;
	uint64_t mask[2];

	if ((family != 4 && family != 6) || prefix->length > (family == 4 ? 32 : 128))
		return false;
	set_load(family, prefix->addr.bytes, key->addr);
	set_mask(family, prefix->length, mask);
	key->addr[0] &= mask[0];
	key->addr[1] &= mask[1];
	key->kind = (uint64_t)family << 8 | prefix->length;
	return true;
}

static bool knows(const struct weir_set *s, const struct set_key *key, uint64_t hash)
{
	return rte_hash_lookup_with_hash(s->hash, key, set_sig(hash)) >= 0;
}

bool set_has(const struct weir_set *s, const struct weir_prefix *prefix)
{
	struct set_key key;

	return to_key(prefix, &key) && knows(s, &key, set_hash(s, &key));
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
	for (uint32_t i = 0; i < s->n_retired; i++)
		rte_hash_free_key_with_position(s->hash, s->retired[i]);
	s->n_retired = 0;
}

static void build_filter(struct weir_set *s)
{
	struct set_line *now = atomic_load_explicit(&s->bloom, memory_order_relaxed);
	struct set_line *fresh = now == s->filter[0] ? s->filter[1] : s->filter[0];
	const void *key;
	uint32_t next = 0;
	void *until;

	settle(s);
	filter_clear(fresh, s->line_mask);
	while (rte_hash_iterate(s->hash, &key, &until, &next) >= 0)
		filter_add(fresh, s->line_mask, set_hash(s, key));
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
	void *const until = (void *)(uintptr_t)until_s;
	struct set_key key;
	uint64_t hash;
	bool known;
	int rc;

	if (until_s == 0 || !to_key(prefix, &key))
		return -EINVAL;
	hash = set_hash(s, &key);
	known = knows(s, &key, hash);
	if (!known) {
		if (s->entries == s->max)
			return -ENOSPC;
		filter_add(atomic_load_explicit(&s->bloom, memory_order_relaxed), s->line_mask,
			   hash);
	}
	rc = rte_hash_add_key_with_hash_data(s->hash, &key, set_sig(hash), until);
	if (rc == -ENOSPC && s->n_retired > 0) {
		settle(s);
		rc = rte_hash_add_key_with_hash_data(s->hash, &key, set_sig(hash), until);
	}
	if (rc < 0)
		return rc;
	if (!known)
		count_kind(s, key.kind, 1);
	if (until_s < s->soonest_s)
		s->soonest_s = until_s;
	return 0;
}

/* The place of an entry is free for others once no reader can see it. */
static int take_out(struct weir_set *s, const struct set_key *key)
{
	const struct set_key gone = *key; /* rte_hash's own may change under us */
	const int32_t position =
		rte_hash_del_key_with_hash(s->hash, &gone, set_sig(set_hash(s, &gone)));

	if (position < 0)
		return -ENOENT;
	count_kind(s, gone.kind, -1);
	s->retired[s->n_retired++] = position;
	if (s->n_retired == SET_RETIRED)
		settle(s);
	s->stale++;
	return 0;
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

	if (!to_key(prefix, &key) || take_out(s, &key) < 0)
		return -ENOENT;
	refresh_filter(s);
	return 0;
}

void weir_set_flush(struct weir_set *s)
{
	/* Without a length in use, no reader looks at the hash or the filter. */
	for (unsigned i = 0; i < 3; i++) {
		atomic_store_explicit(&s->lengths[0][i], 0, memory_order_release);
		atomic_store_explicit(&s->lengths[1][i], 0, memory_order_release);
	}
	settle(s);
	rte_hash_reset(s->hash);
	filter_clear(atomic_load_explicit(&s->bloom, memory_order_relaxed), s->line_mask);
	memset(s->count, 0, sizeof(s->count));
	s->entries = s->stale = 0;
	s->soonest_s = WEIR_SET_FOREVER;
}

/* One pass; also finds when the next entry ends. */
static unsigned expire_once(struct weir_set *s, uint32_t now_s)
{
	uint32_t next = 0, soonest = WEIR_SET_FOREVER;
	const void *key;
	void *data;
	unsigned n = 0;

	while (rte_hash_iterate(s->hash, &key, &data, &next) >= 0) {
		const uint32_t until_s = (uint32_t)(uintptr_t)data;

		if (until_s <= now_s)
			n += take_out(s, key) == 0;
		else if (until_s < soonest)
			soonest = until_s;
	}
	s->soonest_s = soonest;
	return n;
}

unsigned weir_set_expire(struct weir_set *s, uint32_t now_s)
{
	unsigned n = 0, taken;

	if (now_s < s->soonest_s)
		return 0;
	/* Taking one out may move another to where the pass has been. */
	do {
		taken = expire_once(s, now_s);
		n += taken;
	} while (taken > 0);
	refresh_filter(s);
	return n;
}

int weir_set_each(const struct weir_set *s,
		  int (*fn)(void *ctx, const struct weir_prefix *prefix, uint32_t until_s),
		  void *ctx)
{
	const void *key;
	uint32_t next = 0;
	void *until;
	int rc = 0;

	while (rc == 0 && rte_hash_iterate(s->hash, &key, &until, &next) >= 0) {
		const struct weir_prefix p = to_prefix(key);

		rc = fn(ctx, &p, (uint32_t)(uintptr_t)until);
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
