/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What does it cost to look an address up in a set? A weir_set and a plain rte_hash of the same
 * entries, probed for each prefix length in use, take turns over the same addresses, 64 at a time.
 * Figures are TSC cycles an address. docs/performance/sets.md holds a run's table.
 */

#include "perf.h"

#include <errno.h>
#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_hash.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/set.h>

#define ADDRESSES  32768 /* of one sample */
#define BURST	   64
#define ROUNDS_MAX 4096
#define SIZE_MAX_N 1000000

struct key {
	uint8_t addr[16];
	uint64_t kind; /* family << 8 | length */
};

/* What is in the sets: prefixes of lengths from @shortest on. */
struct kind {
	const char *name;
	uint8_t family, shortest, longest;
};

static const struct kind kinds[] = {
	{"IPv4 hosts", 4, 32, 32},
	{"IPv6 hosts", 6, 128, 128},
	{"IPv4, 20 lengths", 4, 13, 32},
	{"IPv6, 20 lengths", 6, 45, 64},
};

static const uint32_t sizes[] = {1000, 64000, 1000000};

static struct weir_set *set;
static struct rte_hash *hash;
static const struct kind *kind;
static struct weir_prefix entry[SIZE_MAX_N];
static struct weir_addr address[ADDRESSES];
static const uint8_t *at[ADDRESSES];
static double samples[2][ROUNDS_MAX];
static uint64_t state = 1;

/* xorshift64*: a fixed sequence. */
static uint32_t any(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (uint32_t)((state * UINT64_C(2685821657736338717)) >> 32);
}

/* In the lower half of the addresses, for entries; in the upper half, for misses. */
static struct weir_addr any_addr(bool upper)
{
	struct weir_addr a = {.family = kind->family};
	const unsigned words = kind->family == 4 ? 1 : 4;

	for (unsigned i = 0; i < words; i++) {
		const uint32_t word = any();

		memcpy(&a.bytes[4 * i], &word, sizeof(word));
	}
	a.bytes[0] = (uint8_t)((a.bytes[0] & 0x7f) | (upper ? 0x80 : 0));
	return a;
}

static struct weir_prefix any_entry(void)
{
	struct weir_prefix p = {.addr = any_addr(false)};

	p.length = (uint8_t)(kind->shortest + any() % (kind->longest - kind->shortest + 1u));
	return weir_prefix_network(&p);
}

static void make_key(const struct weir_addr *a, uint8_t length, struct key *key)
{
	const struct weir_prefix p = {.addr = *a, .length = length};
	const struct weir_prefix network = weir_prefix_network(&p);

	memset(key, 0, sizeof(*key));
	memcpy(key->addr, network.addr.bytes, sizeof(key->addr));
	key->kind = (uint64_t)a->family << 8 | length;
}

/* Fill both; the seconds that the set took. */
static double fill(uint32_t size)
{
	struct weir_set_stats st = {0};
	uint64_t cycles = 0;

	while (st.entries < size) {
		struct weir_prefix *p = &entry[st.entries];
		uint64_t begin;
		struct key key;
		int rc;

		*p = any_entry();
		begin = rte_rdtsc();
		rc = weir_set_add(set, p, WEIR_SET_FOREVER);
		cycles += rte_rdtsc() - begin;
		if (rc < 0)
			perf_die("an entry does not fit", rc);
		make_key(&p->addr, p->length, &key);
		rc = rte_hash_add_key(hash, &key);
		if (rc < 0)
			perf_die("a key does not fit into the rte_hash", rc);
		weir_set_stats(set, &st); /* it may have been there */
	}
	return (double)cycles / (double)rte_get_tsc_hz();
}

static void make(uint32_t size)
{
	const struct weir_set_conf conf = {
		.name = "perf", .entries = size, .numa = -1, .secret = {.k0 = 1, .k1 = 2}};
	const struct rte_hash_parameters want = {
		.name = "plain",
		.entries = size,
		.key_len = sizeof(struct key),
		.socket_id = SOCKET_ID_ANY,
		.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF |
			      RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};
	struct weir_why why = {0};
	const int rc = weir_set_create(&conf, &set, &why);

	if (rc < 0)
		perf_die(why.text, rc);
	hash = rte_hash_create(&want);
	if (hash == NULL)
		perf_die("the rte_hash cannot be made", -rte_errno);
}

/* Addresses in entries, or in none. */
static void choose_addresses(uint32_t size, bool hits)
{
	for (unsigned i = 0; i < ADDRESSES; i++) {
		address[i] = hits ? entry[any() % size].addr : any_addr(true);
		at[i] = address[i].bytes;
	}
}

static uint32_t pass_set(void)
{
	uint32_t found = 0;

	for (unsigned i = 0; i < ADDRESSES; i += BURST)
		found += (uint32_t)__builtin_popcountll(
			weir_set_lookup(set, kind->family, &at[i], BURST, 1));
	return found;
}

/* Of a burst, those that are in no longer prefix, by one length. */
static uint64_t probe_hash(const uint8_t *const *addr, uint8_t length, uint64_t left)
{
	const unsigned bytes = kind->family == 4 ? 4 : 16;
	struct key key[BURST];
	const void *keys[BURST];
	uint8_t index[BURST];
	void *data[BURST];
	uint64_t hits = 0, found = 0;
	unsigned n = 0;

	for (; left != 0; left &= left - 1) {
		const unsigned i = (unsigned)__builtin_ctzll(left);
		uint64_t word[2] = {0}, mask[2] = {UINT64_MAX, UINT64_MAX};

		memcpy(word, addr[i], bytes);
		if (length < 64)
			mask[0] = __builtin_bswap64(~(UINT64_MAX >> length));
		if (length <= 64)
			mask[1] = 0;
		word[0] &= mask[0];
		word[1] &= mask[1];
		memcpy(key[n].addr, word, sizeof(word));
		key[n].kind = (uint64_t)kind->family << 8 | length;
		keys[n] = &key[n];
		index[n++] = (uint8_t)i;
	}
	rte_hash_lookup_bulk_data(hash, keys, n, &hits, data);
	for (; hits != 0; hits &= hits - 1)
		found |= UINT64_C(1) << index[__builtin_ctzll(hits)];
	return found;
}

static uint32_t pass_hash(void)
{
	uint32_t found = 0;

	for (unsigned i = 0; i < ADDRESSES; i += BURST) {
		uint64_t left = UINT64_MAX;

		for (uint8_t l = kind->longest; l >= kind->shortest && left != 0; l--)
			left &= ~probe_hash(&at[i], l, left);
		found += (uint32_t)__builtin_popcountll(~left);
	}
	return found;
}

static void measure(unsigned rounds, bool hits)
{
	uint32_t (*const pass[])(void) = {pass_set, pass_hash};

	for (unsigned r = 0; r < rounds; r++)
		for (unsigned i = 0; i < 2; i++) {
			const uint64_t begin = rte_rdtsc_precise();
			const uint32_t found = pass[i]();

			samples[i][r] = (double)(rte_rdtsc_precise() - begin) / ADDRESSES;
			if (found != (hits ? ADDRESSES : 0))
				perf_die("wrong answers", -EBADMSG);
		}
}

static void print_row(const struct perf_options *o, uint32_t size, double load_s, bool hits,
		      bool first)
{
	struct weir_set_stats st;
	double median[2];

	weir_set_stats(set, &st);
	for (unsigned i = 0; i < 2; i++)
		median[i] = perf_median(samples[i], o->rounds);
	printf(o->json ? "%s\n  {\"entries\": \"%s\", \"size\": %u, \"hits\": %s, \"set\": {\"min\": "
			 "%.2f, \"median\": %.2f}, \"rte_hash\": {\"min\": %.2f, \"median\": %.2f}, "
			 "\"load_s\": %.3f, \"entry_bytes\": %.1f}"
		       : "%s%-18s %8u  %-6s %7.1f %7.1f %8.1f %7.1f %9.3f %7.1f\n",
	       o->json && !first ? "," : "", kind->name, size,
	       o->json ? (hits ? "true" : "false") : (hits ? "hits" : "misses"), samples[0][0],
	       median[0], samples[1][0], median[1], load_s, (double)st.bytes / size);
}

int main(int argc, char **argv)
{
	struct perf_options o = {.core = 1, .rounds = 100};
	bool first = true;

	perf_options(&o, argc, argv);
	if (o.rounds > ROUNDS_MAX)
		perf_die("--rounds is too large", -ERANGE);
	perf_eal(&o, "perf_set");
	if (o.json)
		printf("{\"benchmark\": \"set\", \"rounds\": %u, \"rows\": [", o.rounds);
	else
		printf("TSC cycles an address: minimum and median of %u rounds\n\n%-18s %8s  %-6s "
		       "%15s %16s %9s %7s\n",
		       o.rounds, "entries", "", "", "set", "rte_hash", "load s", "B/entry");
	for (unsigned k = 0; k < RTE_DIM(kinds); k++)
		for (unsigned i = 0; i < RTE_DIM(sizes); i++) {
			double load_s;

			kind = &kinds[k];
			make(sizes[i]);
			load_s = fill(sizes[i]);
			for (unsigned hits = 0; hits < 2; hits++) {
				choose_addresses(sizes[i], hits);
				measure(o.rounds, hits);
				print_row(&o, sizes[i], load_s, hits, first);
				first = false;
			}
			weir_set_free(set);
			rte_hash_free(hash);
		}
	if (o.json)
		printf("\n]}\n");
	return 0;
}
