/* SPDX-License-Identifier: BSD-3-Clause */

/* Address sets: against a list that is searched from end to end, and looked up while they change.
 */

#include "set_priv.h"
#include "test.h"
#include "toy_rib.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#define FOREVER WEIR_SET_FOREVER

static const struct weir_set_conf small = {
	.name = "small", .entries = 100, .numa = -1, .secret = {.k0 = 1, .k1 = 2}};

static struct weir_set *toy_set(const struct weir_set_conf *conf)
{
	struct weir_set *s = NULL;
	struct weir_why why = {0};

	toy_rib_eal();
	CU_ASSERT_EQUAL_FATAL(weir_set_create(conf, &s, &why), 0);
	CU_ASSERT_STRING_EQUAL(weir_set_name(s), conf->name);
	return s;
}

static int add(struct weir_set *s, const char *prefix, uint32_t until_s)
{
	const struct weir_prefix p = toy_prefix(prefix);

	return weir_set_add(s, &p, until_s);
}

static int del(struct weir_set *s, const char *prefix)
{
	const struct weir_prefix p = toy_prefix(prefix);

	return weir_set_del(s, &p);
}

static bool has_at(const struct weir_set *s, const char *address, uint32_t now_s)
{
	const struct weir_addr a = toy_addr(address);
	const uint8_t *bytes = a.bytes;
	struct weir_prefix found;
	const bool has = weir_set_lookup(s, a.family, &bytes, 1, now_s) == 1;

	CU_ASSERT_EQUAL(weir_set_find(s, &a, now_s, &found), has);
	if (has)
		CU_ASSERT(weir_prefix_contains(&found, &a));
	return has;
}

static bool has(const struct weir_set *s, const char *address)
{
	return has_at(s, address, 1);
}

static uint32_t entries(const struct weir_set *s)
{
	struct weir_set_stats st;

	weir_set_stats(s, &st);
	return st.entries;
}

static void test_hosts_and_prefixes_of_both_families_match(void)
{
	struct weir_set *s = toy_set(&small);
	struct weir_set_stats st;

	CU_ASSERT_FALSE(has(s, "192.0.2.1"));
	CU_ASSERT_EQUAL(add(s, "192.0.2.1/32", FOREVER), 0);
	CU_ASSERT_EQUAL(add(s, "10.1.2.3/8", FOREVER), 0); /* host bits do not count */
	CU_ASSERT_EQUAL(add(s, "2001:db8::1/128", FOREVER), 0);
	CU_ASSERT_EQUAL(add(s, "2001:db8:1::/48", FOREVER), 0);
	CU_ASSERT_EQUAL(add(s, "fe80::/65", FOREVER), 0);
	CU_ASSERT(has(s, "192.0.2.1"));
	CU_ASSERT_FALSE(has(s, "192.0.2.2"));
	CU_ASSERT(has(s, "10.255.0.1"));
	CU_ASSERT_FALSE(has(s, "11.0.0.1"));
	CU_ASSERT(has(s, "2001:db8::1"));
	CU_ASSERT_FALSE(has(s, "2001:db8::2"));
	CU_ASSERT(has(s, "2001:db8:1:ffff::1"));
	CU_ASSERT(has(s, "fe80::7fff:0:0:1"));
	CU_ASSERT_FALSE(has(s, "fe80::8000:0:0:1"));
	weir_set_stats(s, &st);
	CU_ASSERT_EQUAL(st.entries, 5);
	CU_ASSERT_EQUAL(st.max, 100);
	CU_ASSERT_EQUAL(st.lengths[0], 2);
	CU_ASSERT_EQUAL(st.lengths[1], 3);
	CU_ASSERT_EQUAL(st.bytes, weir_set_size(&small));
	CU_ASSERT_EQUAL(del(s, "10.0.0.0/8"), 0);
	CU_ASSERT_EQUAL(del(s, "10.0.0.0/8"), -ENOENT);
	CU_ASSERT_FALSE(has(s, "10.255.0.1"));
	weir_set_free(s);
}

static void test_the_longest_of_prefixes_that_overlap_is_found(void)
{
	struct weir_set *s = toy_set(&small);
	const struct weir_addr a = toy_addr("192.0.2.77");
	struct weir_prefix p;
	char text[WEIR_PREFIX_TEXT];

	CU_ASSERT_EQUAL(add(s, "0.0.0.0/0", FOREVER), 0);
	CU_ASSERT_EQUAL(add(s, "192.0.2.0/24", 50), 0);
	CU_ASSERT_EQUAL(add(s, "192.0.2.77/32", 20), 0);
	CU_ASSERT(weir_set_find(s, &a, 19, &p));
	CU_ASSERT_STRING_EQUAL(weir_prefix_format(&p, text), "192.0.2.77/32");
	CU_ASSERT(weir_set_find(s, &a, 20, &p));
	CU_ASSERT_STRING_EQUAL(weir_prefix_format(&p, text), "192.0.2.0/24");
	CU_ASSERT(weir_set_find(s, &a, 50, &p));
	CU_ASSERT_STRING_EQUAL(weir_prefix_format(&p, text), "0.0.0.0/0");
	CU_ASSERT(has_at(s, "255.255.255.255", 50));
	CU_ASSERT_EQUAL(del(s, "0.0.0.0/0"), 0);
	CU_ASSERT_FALSE(weir_set_find(s, &a, 50, &p));
	weir_set_free(s);
}

static void test_an_entry_matches_until_its_end_and_is_then_taken_out(void)
{
	struct weir_set *s = toy_set(&small);

	CU_ASSERT_EQUAL(add(s, "192.0.2.1/32", 100), 0);
	CU_ASSERT_EQUAL(add(s, "192.0.2.2/32", 200), 0);
	CU_ASSERT_EQUAL(add(s, "2001:db8::/32", FOREVER), 0);
	CU_ASSERT(has_at(s, "192.0.2.1", 99));
	CU_ASSERT_FALSE(has_at(s, "192.0.2.1", 100));
	CU_ASSERT_EQUAL(weir_set_expire(s, 99), 0);
	CU_ASSERT_EQUAL(entries(s), 3);
	CU_ASSERT_EQUAL(weir_set_expire(s, 100), 1);
	CU_ASSERT_EQUAL(entries(s), 2);
	CU_ASSERT_FALSE(has_at(s, "192.0.2.1", 1));
	CU_ASSERT_EQUAL(add(s, "192.0.2.2/32", 300), 0); /* a new end of the same entry */
	CU_ASSERT_EQUAL(entries(s), 2);
	CU_ASSERT_EQUAL(weir_set_expire(s, 250), 0);
	CU_ASSERT(has_at(s, "192.0.2.2", 299));
	CU_ASSERT_EQUAL(weir_set_expire(s, 4000000000), 1);
	CU_ASSERT(has_at(s, "2001:db8::1", 4000000000));
	CU_ASSERT_EQUAL(add(s, "192.0.2.3/32", 0), -EINVAL);
	weir_set_free(s);
}

static void test_a_full_set_refuses_until_there_is_room(void)
{
	struct weir_set *s = toy_set(&small);
	struct weir_prefix p = toy_prefix("10.0.0.0/32");

	for (unsigned round = 0; round < 50; round++) { /* more deletions than places */
		for (unsigned i = entries(s); i < 100; i++) {
			p.addr.bytes[3] = (uint8_t)i;
			p.addr.bytes[2] = (uint8_t)round;
			CU_ASSERT_EQUAL(weir_set_add(s, &p, FOREVER), 0);
		}
		CU_ASSERT_EQUAL(add(s, "192.0.2.1/32", FOREVER), -ENOSPC);
		CU_ASSERT_FALSE(has(s, "192.0.2.1"));
		CU_ASSERT_EQUAL(weir_set_add(s, &p, FOREVER), 0); /* it is there */
		CU_ASSERT_EQUAL(weir_set_del(s, &p), 0);
		CU_ASSERT_EQUAL(add(s, "192.0.2.1/32", FOREVER), 0);
		CU_ASSERT(has(s, "192.0.2.1"));
		weir_set_flush(s);
		CU_ASSERT_EQUAL(entries(s), 0);
		CU_ASSERT_FALSE(has(s, "192.0.2.1"));
	}
	weir_set_free(s);
}

static void test_a_flushed_set_is_empty_and_takes_new_entries(void)
{
	struct weir_set *s = toy_set(&small);

	for (unsigned round = 0; round < 20; round++) {
		CU_ASSERT_EQUAL(add(s, "192.0.2.0/24", FOREVER), 0);
		CU_ASSERT_EQUAL(add(s, "2001:db8::/32", 5), 0);
		CU_ASSERT(has(s, "192.0.2.1"));
		CU_ASSERT(has(s, "2001:db8::1"));
		CU_ASSERT_EQUAL(del(s, "192.0.2.0/24"), 0);
		weir_set_flush(s);
		CU_ASSERT_EQUAL(entries(s), 0);
		CU_ASSERT_EQUAL(weir_set_expire(s, 10), 0);
		CU_ASSERT_FALSE(has(s, "192.0.2.1"));
		CU_ASSERT_FALSE(has(s, "2001:db8::1"));
	}
	weir_set_free(s);
}

/* Remembers what it was shown, and stops when it was shown enough. */
struct shown {
	unsigned n, stop_at;
	uint32_t sum_s;
	struct weir_prefix last;
};

static int show(void *ctx, const struct weir_prefix *prefix, uint32_t until_s)
{
	struct shown *shown = ctx;

	shown->n++;
	shown->sum_s += until_s;
	shown->last = *prefix;
	return shown->n == shown->stop_at ? 7 : 0;
}

static void test_each_entry_is_visited_once_until_the_visitor_has_enough(void)
{
	struct weir_set *s = toy_set(&small);
	struct shown all = {0}, some = {.stop_at = 2};
	char text[WEIR_PREFIX_TEXT];

	CU_ASSERT_EQUAL(weir_set_each(s, show, &all), 0);
	CU_ASSERT_EQUAL(all.n, 0);
	CU_ASSERT_EQUAL(add(s, "2001:db8:ffff::9/33", 40), 0);
	CU_ASSERT_EQUAL(weir_set_each(s, show, &all), 0);
	CU_ASSERT_STRING_EQUAL(weir_prefix_format(&all.last, text), "2001:db8:8000::/33");
	CU_ASSERT_EQUAL(add(s, "192.0.2.1/32", 2), 0);
	CU_ASSERT_EQUAL(add(s, "192.0.2.0/24", 400), 0);
	all = (struct shown){0};
	CU_ASSERT_EQUAL(weir_set_each(s, show, &all), 0);
	CU_ASSERT_EQUAL(all.n, 3);
	CU_ASSERT_EQUAL(all.sum_s, 442);
	CU_ASSERT_EQUAL(weir_set_each(s, show, &some), 7);
	CU_ASSERT_EQUAL(some.n, 2);
	weir_set_free(s);
}

static void test_what_cannot_be_made_or_added_is_refused(void)
{
	char long_name[WEIR_SET_NAME + 1];
	struct weir_set_conf conf = small;
	struct weir_prefix p = {{4, {10}}, 33};
	struct weir_set *s = NULL, *made = toy_set(&small);
	struct weir_why why = {0};

	conf.entries = 0;
	CU_ASSERT_EQUAL(weir_set_create(&conf, &s, &why), -EINVAL);
	CU_ASSERT_STRING_EQUAL(why.text, "set small: entries is 0, must be 1 to 16777216");
	conf.entries = WEIR_SET_ENTRIES_MAX + 1;
	CU_ASSERT_EQUAL(weir_set_create(&conf, &s, &why), -EINVAL);
	conf.entries = WEIR_SET_ENTRIES_MAX; /* 704 MiB */
	CU_ASSERT_EQUAL(weir_set_create(&conf, &s, &why), -ENOMEM);
	CU_ASSERT_STRING_EQUAL(why.text,
			       "no memory for set small: 16777216 entries take 720903 KiB; lower "
			       "entries, or add hugepages and start anew");
	conf.entries = 1;
	memset(long_name, 'x', sizeof(long_name));
	long_name[WEIR_SET_NAME] = '\0';
	conf.name = long_name;
	CU_ASSERT_EQUAL(weir_set_create(&conf, &s, &why), -EINVAL);
	conf.name = "";
	CU_ASSERT_EQUAL(weir_set_create(&conf, &s, &why), -EINVAL);
	CU_ASSERT_PTR_NULL(s);
	CU_ASSERT_EQUAL(weir_set_add(made, &p, FOREVER), -EINVAL);
	CU_ASSERT_EQUAL(weir_set_del(made, &p), -ENOENT);
	p = (struct weir_prefix){{0}, 0};
	CU_ASSERT_EQUAL(weir_set_add(made, &p, FOREVER), -EINVAL);
	p = (struct weir_prefix){{6, {1}}, 129};
	CU_ASSERT_EQUAL(weir_set_add(made, &p, FOREVER), -EINVAL);
	CU_ASSERT_EQUAL(entries(made), 0);
	CU_ASSERT_FALSE(weir_set_find(made, &(const struct weir_addr){0}, 1, &p));
	weir_set_free(made);
	weir_set_free(NULL);
}

static void test_a_set_of_one_entry_works(void)
{
	struct weir_set_conf conf = small;
	struct weir_set *s;

	conf.entries = 1;
	s = toy_set(&conf);
	for (unsigned i = 0; i < 3000; i++) { /* more than wait for readers at a time */
		CU_ASSERT_EQUAL(add(s, "192.0.2.1/32", FOREVER), 0);
		CU_ASSERT_EQUAL(add(s, "192.0.2.2/32", FOREVER), -ENOSPC);
		CU_ASSERT_EQUAL(del(s, "192.0.2.1/32"), 0);
	}
	weir_set_free(s);
}

#define SETS 4096 /* the limit of a configuration, and more than DPDK's memory zones */

static void test_as_many_sets_as_a_configuration_may_have_are_made_and_keep_apart(void)
{
	static struct weir_set *set[SETS];
	struct weir_set_conf conf = small;

	conf.entries = 16;
	for (unsigned i = 0; i < SETS; i++) {
		const struct weir_prefix own = {{4, {10, 0, (uint8_t)(i >> 8), (uint8_t)i}}, 32};

		set[i] = toy_set(&conf);
		CU_ASSERT_EQUAL(weir_set_add(set[i], &own, FOREVER), 0);
	}
	for (unsigned i = 0; i < SETS; i++) {
		const struct weir_addr own = {4, {10, 0, (uint8_t)(i >> 8), (uint8_t)i}};
		const struct weir_addr next = {4, {10, 0, (uint8_t)(i >> 8), (uint8_t)(i + 1)}};
		struct weir_prefix found;

		CU_ASSERT(weir_set_find(set[i], &own, 1, &found));
		CU_ASSERT_FALSE(weir_set_find(set[i], &next, 1, &found));
	}
	for (unsigned i = 0; i < SETS; i++)
		weir_set_free(set[i]);
}

/* ---- against a list ---- */

#define MODEL 600

struct known {
	struct weir_prefix prefix;
	uint32_t until_s; /* 0: it is not in the set */
};

static uint64_t seed = 4;

/* xorshift64*, so that a failure repeats. */
static uint32_t any(uint32_t below)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t)((seed * UINT64_C(2685821657736338717)) >> 33) % below;
}

/* Few bits differ, so that prefixes cover each other. */
static struct weir_addr any_addr(uint8_t family)
{
	struct weir_addr a = {.family = family};
	const unsigned n = family == 4 ? 4 : 16;

	for (unsigned i = 0; i < n; i++)
		a.bytes[i] = (uint8_t)(any(3) * 127);
	return a;
}

static bool same(const struct weir_prefix *a, const struct weir_prefix *b)
{
	return a->length == b->length && weir_addr_equal(&a->addr, &b->addr);
}

static void make_known(struct known *k)
{
	for (unsigned i = 0; i < MODEL; i++) {
		const uint8_t family = i % 2 == 0 ? 4 : 6;
		bool again = true;

		while (again) {
			k[i] = (struct known){.prefix.addr = any_addr(family)};
			k[i].prefix.length = (uint8_t)any(family == 4 ? 33 : 129);
			k[i].prefix = weir_prefix_network(&k[i].prefix);
			again = false;
			for (unsigned j = 0; j < i && !again; j++)
				again = same(&k[j].prefix, &k[i].prefix);
		}
	}
}

static const struct known *longest(const struct known *k, const struct weir_addr *a, uint32_t now_s)
{
	const struct known *best = NULL;

	for (unsigned i = 0; i < MODEL; i++)
		if (k[i].until_s > now_s && weir_prefix_contains(&k[i].prefix, a) &&
		    (best == NULL || k[i].prefix.length > best->prefix.length))
			best = &k[i];
	return best;
}

static void compare(const struct weir_set *s, const struct known *k, uint8_t family, uint32_t now_s)
{
	struct weir_addr a[WEIR_SET_BURST];
	const uint8_t *at[WEIR_SET_BURST];
	const unsigned n = any(WEIR_SET_BURST + 1);
	uint64_t want = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct known *best;
		struct weir_prefix found;

		a[i] = any_addr(family);
		at[i] = a[i].bytes;
		best = longest(k, &a[i], now_s);
		want |= (uint64_t)(best != NULL) << i;
		CU_ASSERT_EQUAL(weir_set_find(s, &a[i], now_s, &found), best != NULL);
		if (best != NULL)
			CU_ASSERT(same(&found, &best->prefix));
	}
	CU_ASSERT_EQUAL(weir_set_lookup(s, family, at, n, now_s), want);
}

/* One random change of the set and of the list. */
static void change(struct weir_set *s, struct known *k, uint32_t now_s)
{
	struct known *one = &k[any(MODEL)];

	if (one->until_s != 0 && any(2) == 0) {
		CU_ASSERT_EQUAL(weir_set_del(s, &one->prefix), 0);
		one->until_s = 0;
	} else {
		one->until_s = any(2) == 0 ? FOREVER : now_s + any(50);
		CU_ASSERT_EQUAL(weir_set_add(s, &one->prefix, one->until_s), 0);
	}
}

static unsigned expire(struct known *k, uint32_t now_s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MODEL; i++)
		if (k[i].until_s != 0 && k[i].until_s <= now_s) {
			k[i].until_s = 0;
			n++;
		}
	return n;
}

static void test_random_changes_match_a_list_that_is_searched_from_end_to_end(void)
{
	static struct known k[MODEL];
	const unsigned steps = getenv("WEIR_TEST_LONG") != NULL ? 1000000 : 30000;
	struct weir_set_conf conf = small;
	struct weir_set *s;
	unsigned there = 0;

	conf.entries = MODEL;
	s = toy_set(&conf);
	make_known(k);
	for (unsigned step = 1; step <= steps; step++) {
		const uint32_t now_s = step / 100 + 1;

		change(s, k, now_s);
		if (step % 100 == 0) {
			compare(s, k, 4, now_s);
			compare(s, k, 6, now_s);
		}
		if (step % 1000 == 0)
			CU_ASSERT_EQUAL(weir_set_expire(s, now_s), expire(k, now_s));
		if (step % 10000 == 0) {
			weir_set_flush(s);
			for (unsigned i = 0; i < MODEL; i++)
				k[i].until_s = 0;
		}
	}
	for (unsigned i = 0; i < MODEL; i++)
		there += k[i].until_s != 0;
	CU_ASSERT_EQUAL(entries(s), there);
	weir_set_free(s);
}

/* Bits of the filter that are set. */
static unsigned filter_bits(const struct weir_set *s)
{
	const struct set_line *line = atomic_load(&s->bloom);
	unsigned n = 0;

	for (uint32_t i = 0; i <= s->line_mask; i++)
		for (unsigned w = 0; w < SET_LINE_WORDS; w++)
			n += (unsigned)__builtin_popcountll(atomic_load(&line[i].word[w]));
	return n;
}

static void test_the_filter_forgets_what_was_deleted_long_ago(void)
{
	struct weir_set_conf conf = small;
	struct weir_prefix p = {{4, {10}}, 32};
	struct weir_set *s;

	conf.entries = 4000;
	s = toy_set(&conf);
	CU_ASSERT_EQUAL(add(s, "192.0.2.1/32", FOREVER), 0);
	for (uint32_t i = 0; i < 100000; i++) {
		memcpy(&p.addr.bytes[1], &i, 3);
		CU_ASSERT_EQUAL(weir_set_add(s, &p, i % 2 == 0 ? FOREVER : 5), 0);
		if (i % 2 == 0)
			CU_ASSERT_EQUAL(weir_set_del(s, &p), 0);
		if (i % 1000 == 999)
			CU_ASSERT_EQUAL(weir_set_expire(s, 5), 500);
	}
	CU_ASSERT(has(s, "192.0.2.1"));
	CU_ASSERT_EQUAL(entries(s), 1);
	CU_ASSERT(filter_bits(s) <= 4 * (1 + 4000 / 4 + 1000));
	weir_set_free(s);
}

static void test_the_filter_lets_few_addresses_through_that_are_not_there(void)
{
	struct weir_set_conf conf = small;
	struct weir_set *s;
	unsigned through = 0;

	conf.entries = 1 << 16;
	for (conf.secret.k0 = 0; conf.secret.k0 < 4; conf.secret.k0++) {
		s = toy_set(&conf);
		for (uint32_t i = 0; i < conf.entries; i++) { /* a dense range, as people have */
			const struct weir_prefix p = {
				{4, {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}}, 32};

			CU_ASSERT_EQUAL_FATAL(weir_set_add(s, &p, FOREVER), 0);
		}
		for (uint32_t i = 0; i < 50000; i++) {
			const uint64_t hash = set_hash4(s->a[0], s->b[0][32], (i << 8 | 11));
			const struct set_line *line = atomic_load(&s->bloom);

			through += set_line_has(&line[set_line_at(s->line_mask, hash)], hash);
		}
		weir_set_free(s);
	}
	CU_ASSERT(through < 4 * 50000 / 100); /* 0.24 % are expected */
}

/* ---- a reader beside the writer ---- */

#define ALWAYS	64
#define OTHERS	1900 /* with ALWAYS nearly all that fits: entries are moved about */
#define NOW_S	100
#define FLUSHES 100

struct reader {
	struct weir_set *set;
	_Atomic bool stop;
	_Atomic unsigned passes; /* the reader counts */
	unsigned missed, ghosts; /* the reader's */
};

/* Entries that stay (10.), come and go (20.), are added when they have ended (30.), are never (40.)
 */
static struct weir_prefix numbered(uint8_t first, unsigned i)
{
	struct weir_prefix p = {
		.addr = {4, {first, (uint8_t)(i >> 8), (uint8_t)i, 1}},
		.length = i % 3 == 0 ? 24 : 32,
	};

	if (i % 2 == 0) {
		p.addr.family = 6;
		p.length = i % 3 == 0 ? 64 : 128;
	}
	return weir_prefix_network(&p);
}

static uint64_t look(const struct weir_set *s, uint8_t first, uint8_t family)
{
	struct weir_prefix p[ALWAYS];
	const uint8_t *at[ALWAYS];

	for (unsigned i = 0; i < ALWAYS; i++) {
		p[i] = numbered(first, 2 * i + (family == 4));
		at[i] = p[i].addr.bytes;
	}
	return weir_set_lookup(s, family, at, ALWAYS, NOW_S);
}

static void *read_always(void *arg)
{
	struct reader *r = arg;

	while (!atomic_load(&r->stop)) {
		for (uint8_t family = 4; family <= 6; family += 2) {
			r->missed += look(r->set, 10, family) != UINT64_MAX;
			r->ghosts += look(r->set, 30, family) != 0;
			r->ghosts += look(r->set, 40, family) != 0;
		}
		atomic_fetch_add(&r->passes, 1);
	}
	return NULL;
}

/* Until the pass has ended that the reader is in. */
static void wait_for_reader(void *ctx)
{
	struct reader *r = ctx;
	const unsigned before = atomic_load(&r->passes);

	while (atomic_load(&r->passes) == before)
		sched_yield();
}

static void churn(struct weir_set *s, unsigned steps)
{
	for (unsigned step = 0; step < steps; step++) {
		struct weir_prefix p = numbered(20, any(OTHERS));

		/* In and out at random, most of them in. */
		if (any(8) == 0) {
			const int rc = weir_set_del(s, &p);

			CU_ASSERT(rc == 0 || rc == -ENOENT);
		} else {
			const uint32_t until_s = any(2) == 0 ? FOREVER : NOW_S - any(50);

			CU_ASSERT_EQUAL(weir_set_add(s, &p, until_s), 0);
		}
		if (step % 16 == 0) {
			p = numbered(30, any(2 * ALWAYS));
			CU_ASSERT_EQUAL(weir_set_add(s, &p, NOW_S), 0);
			CU_ASSERT_EQUAL(weir_set_del(s, &p), 0);
		}
		if (step % 4096 == 0)
			weir_set_expire(s, NOW_S - any(20));
	}
}

static void test_a_reader_misses_nothing_and_finds_no_ghosts_while_entries_come_and_go(void)
{
	const unsigned steps = getenv("WEIR_TEST_LONG") != NULL ? 10000000 : 200000;
	struct reader r = {0};
	struct weir_set_conf conf = {.name = "shared",
				     .entries = 2048,
				     .numa = -1,
				     .secret = {.k0 = 5},
				     .synchronize = wait_for_reader,
				     .ctx = &r};
	pthread_t thread;

	r.set = toy_set(&conf);
	for (unsigned i = 0; i < 2 * ALWAYS; i++) {
		const struct weir_prefix p = numbered(10, i);

		CU_ASSERT_EQUAL(weir_set_add(r.set, &p, FOREVER), 0);
	}
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, read_always, &r), 0);
	churn(r.set, steps);
	atomic_store(&r.stop, true);
	pthread_join(thread, NULL);
	CU_ASSERT(r.passes > 0);
	CU_ASSERT_EQUAL(r.missed, 0);
	CU_ASSERT_EQUAL(r.ghosts, 0);
	weir_set_free(r.set);
}

static void test_a_reader_finds_no_ghosts_while_the_set_is_flushed(void)
{
	struct reader r = {0};
	struct weir_set_conf conf = {.name = "shared",
				     .entries = 256,
				     .numa = -1,
				     .secret = {.k0 = 6},
				     .synchronize = wait_for_reader,
				     .ctx = &r};
	pthread_t thread;

	r.set = toy_set(&conf);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, read_always, &r), 0);
	for (unsigned round = 0; round < FLUSHES; round++) {
		for (unsigned i = 0; i < 100; i++) {
			const struct weir_prefix p = numbered(20, any(OTHERS));

			CU_ASSERT_EQUAL(weir_set_add(r.set, &p, FOREVER), 0);
		}
		weir_set_flush(r.set);
	}
	atomic_store(&r.stop, true);
	pthread_join(thread, NULL);
	CU_ASSERT(r.passes >= FLUSHES);
	CU_ASSERT_EQUAL(r.ghosts, 0);
	weir_set_free(r.set);
}

WEIR_TESTS("tables/set", TEST(hosts_and_prefixes_of_both_families_match),
	   TEST(the_longest_of_prefixes_that_overlap_is_found),
	   TEST(an_entry_matches_until_its_end_and_is_then_taken_out),
	   TEST(a_full_set_refuses_until_there_is_room),
	   TEST(a_flushed_set_is_empty_and_takes_new_entries),
	   TEST(each_entry_is_visited_once_until_the_visitor_has_enough),
	   TEST(what_cannot_be_made_or_added_is_refused), TEST(a_set_of_one_entry_works),
	   TEST(as_many_sets_as_a_configuration_may_have_are_made_and_keep_apart),
	   TEST(random_changes_match_a_list_that_is_searched_from_end_to_end),
	   TEST(the_filter_forgets_what_was_deleted_long_ago),
	   TEST(the_filter_lets_few_addresses_through_that_are_not_there),
	   TEST(a_reader_misses_nothing_and_finds_no_ghosts_while_entries_come_and_go),
	   TEST(a_reader_finds_no_ghosts_while_the_set_is_flushed))
