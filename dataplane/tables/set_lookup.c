/* SPDX-License-Identifier: BSD-3-Clause */

/* What a worker does with an address set: all addresses of a burst by one prefix length at a time.
 */

#include <assert.h>

#include "set_priv.h"

/* A burst by one prefix length. */
struct probe {
	uint8_t family, length;
	uint64_t mask[2];
	uint64_t hash[WEIR_SET_BURST];
};

/* Of those that the filter let through, which are there and have not ended. */
static uint64_t find_exact(const struct weir_set *s, const struct probe *p,
			   const uint64_t (*word)[2], uint64_t maybe, uint32_t now_s)
{
	struct set_key key[WEIR_SET_BURST];
	const void *keys[WEIR_SET_BURST];
	hash_sig_t sig[WEIR_SET_BURST];
	void *until[WEIR_SET_BURST];
	uint8_t at[WEIR_SET_BURST];
	uint64_t hits = 0, found = 0;
	unsigned n = 0;

	for (; maybe != 0; maybe &= maybe - 1) {
		const unsigned i = (unsigned)__builtin_ctzll(maybe);

		key[n].addr[0] = word[i][0] & p->mask[0];
		key[n].addr[1] = word[i][1] & p->mask[1];
		key[n].kind = (uint64_t)p->family << 8 | p->length;
		keys[n] = &key[n];
		sig[n] = set_sig(p->hash[i]);
		at[n++] = (uint8_t)i;
	}
	rte_hash_lookup_with_hash_bulk_data(s->hash, keys, sig, n, &hits, until);
	for (; hits != 0; hits &= hits - 1) {
		const unsigned i = (unsigned)__builtin_ctzll(hits);

		found |= (uint64_t)(now_s < (uintptr_t)until[i]) << at[i];
	}
	return found;
}

/* Two loops, so that the lines of a burst are fetched at once. */
static uint64_t find_maybe(const struct weir_set *s, struct probe *p, const uint64_t (*word)[2],
			   unsigned n)
{
	struct set_line *bloom = atomic_load_explicit(&s->bloom, memory_order_acquire);
	const uint64_t b = s->b[set_six(p->family)][p->length];
	const uint32_t line_mask = s->line_mask;
	uint64_t maybe = 0;

	for (unsigned i = 0; i < n; i++) {
		const uint64_t first = word[i][0] & p->mask[0];

		if (p->family == 4)
			p->hash[i] = set_hash4(s->a, b, first);
		else
			p->hash[i] = set_hash6(s->a, b, first, word[i][1] & p->mask[1]);
		rte_prefetch0(set_bloom_line(bloom, line_mask, p->hash[i]));
	}
	for (unsigned i = 0; i < n; i++) {
		const uint64_t hash = p->hash[i];

		maybe |= (uint64_t)set_bloom_has(set_bloom_line(bloom, line_mask, hash), hash) << i;
	}
	return maybe;
}

/* The longest length in use that is shorter than @below; false: none. */
static bool next_length(const struct weir_set *s, uint8_t family, unsigned below, uint8_t *out)
{
	const _Atomic uint64_t *lengths = s->lengths[set_six(family)];

	while (below > 0) {
		const unsigned word = (below - 1) / 64;
		const unsigned bits = below - 64 * word; /* 1 to 64 of this word */
		const uint64_t in_use = atomic_load_explicit(&lengths[word], memory_order_acquire) &
					UINT64_MAX >> (64 - bits);

		if (in_use != 0) {
			*out = (uint8_t)(64 * word + 63 - (unsigned)__builtin_clzll(in_use));
			return true;
		}
		below = 64 * word;
	}
	return false;
}

uint64_t weir_set_lookup(const struct weir_set *s, uint8_t family, const uint8_t *const *addr,
			 unsigned n, uint32_t now_s)
{
	const uint64_t all = n == 0 ? 0 : UINT64_MAX >> (WEIR_SET_BURST - n);
	struct probe p = {.family = family, .length = family == 4 ? 33 : 129};
	uint64_t word[WEIR_SET_BURST][2];
	uint64_t found = 0;

	assert(n <= WEIR_SET_BURST);
	for (unsigned i = 0; i < n; i++)
		set_load(family, addr[i], word[i]);
	while (found != all && next_length(s, family, p.length, &p.length)) {
		uint64_t maybe;

		set_mask(family, p.length, p.mask);
		maybe = find_maybe(s, &p, word, n) & ~found;
		if (maybe != 0)
			found |= find_exact(s, &p, word, maybe, now_s);
	}
	return found;
}

bool weir_set_find(const struct weir_set *s, const struct weir_addr *addr, uint32_t now_s,
		   struct weir_prefix *out)
{
	struct probe p = {.family = addr->family, .length = addr->family == 4 ? 33 : 129};
	uint64_t word[1][2];

	set_load(addr->family, addr->bytes, word[0]);
	while (next_length(s, addr->family, p.length, &p.length)) {
		set_mask(addr->family, p.length, p.mask);
		if (find_maybe(s, &p, word, 1) == 0 || find_exact(s, &p, word, 1, now_s) == 0)
			continue;
		*out = (struct weir_prefix){.addr = *addr, .length = p.length};
		*out = weir_prefix_network(out);
		return true;
	}
	return false;
}
