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

static bool is_entry(const struct probe *p, const uint8_t *addr, const struct set_node *node)
{
	struct set_key key = {.kind = (uint32_t)p->family << 8 | p->length};

	set_load(p->family, addr, key.addr);
	key.addr[0] &= p->mask[0];
	key.addr[1] &= p->mask[1];
	return set_node_is(node, &key);
}

static bool lasts(const struct set_node *node, uint32_t now_s)
{
	return now_s < atomic_load_explicit(&node->until_s, memory_order_relaxed);
}

/* Of those that the filter let through, which are there and have not ended. All go one node of
 * their chains further at a time, so that the lines of a burst are fetched at once. */
static uint64_t find_exact(const struct weir_set *s, const struct probe *p,
			   const uint8_t *const *addr, uint64_t maybe, uint32_t now_s)
{
	const struct set_nodes *nodes = &s->nodes;
	uint32_t at[WEIR_SET_BURST];
	uint64_t found = 0;

	for (uint64_t left = maybe; left != 0; left &= left - 1)
		rte_prefetch0(set_chain(nodes, p->hash[__builtin_ctzll(left)]));
	for (uint64_t left = maybe; left != 0; left &= left - 1) {
		const unsigned i = (unsigned)__builtin_ctzll(left);

		at[i] = atomic_load_explicit(set_chain(nodes, p->hash[i]), memory_order_acquire);
		rte_prefetch0(&nodes->node[at[i]]);
	}
	while (maybe != 0)
		for (uint64_t left = maybe; left != 0; left &= left - 1) {
			const unsigned i = (unsigned)__builtin_ctzll(left);
			const struct set_node *node = &nodes->node[at[i]];

			if (at[i] != 0 && !is_entry(p, addr[i], node)) {
				at[i] = atomic_load_explicit(&node->next, memory_order_acquire);
				rte_prefetch0(&nodes->node[at[i]]);
				continue;
			}
			maybe &= ~(UINT64_C(1) << i);
			found |= (uint64_t)(at[i] != 0 && lasts(node, now_s)) << i;
		}
	return found;
}

static void hash_all4(const struct weir_set *s, struct probe *p, const uint8_t *const *addr,
		      unsigned n, const struct set_line *bloom)
{
	const uint64_t a = s->a[0], b = s->b[0][p->length], mask = p->mask[0];
	const uint32_t line_mask = s->line_mask;

	for (unsigned i = 0; i < n; i++) {
		uint32_t word;

		memcpy(&word, addr[i], sizeof(word));
		p->hash[i] = set_hash4(a, b, word & mask);
		rte_prefetch0(&bloom[set_line_at(line_mask, p->hash[i])]);
	}
}

static void hash_all6(const struct weir_set *s, struct probe *p, const uint8_t *const *addr,
		      unsigned n, const struct set_line *bloom)
{
	const uint64_t b = s->b[1][p->length];
	const uint32_t line_mask = s->line_mask;

	for (unsigned i = 0; i < n; i++) {
		uint64_t word[2];

		memcpy(word, addr[i], sizeof(word));
		p->hash[i] = set_hash6(s->a, b, word[0] & p->mask[0], word[1] & p->mask[1]);
		rte_prefetch0(&bloom[set_line_at(line_mask, p->hash[i])]);
	}
}

/* Two loops, so that the lines of a burst are fetched at once. */
static uint64_t find_maybe(const struct weir_set *s, struct probe *p, const uint8_t *const *addr,
			   unsigned n)
{
	const struct set_line *bloom = atomic_load_explicit(&s->bloom, memory_order_acquire);
	const uint32_t line_mask = s->line_mask;
	uint64_t maybe = 0;

	if (p->family == 4)
		hash_all4(s, p, addr, n, bloom);
	else
		hash_all6(s, p, addr, n, bloom);
	for (unsigned i = 0; i < n; i++) {
		const uint64_t hash = p->hash[i];

		maybe |= (uint64_t)set_line_has(&bloom[set_line_at(line_mask, hash)], hash) << i;
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
	uint64_t found = 0;

	assert(n <= WEIR_SET_BURST);
	while (found != all && next_length(s, family, p.length, &p.length)) {
		uint64_t maybe;

		set_mask(family, p.length, p.mask);
		maybe = find_maybe(s, &p, addr, n) & ~found;
		if (maybe != 0)
			found |= find_exact(s, &p, addr, maybe, now_s);
	}
	return found;
}

bool weir_set_find(const struct weir_set *s, const struct weir_addr *addr, uint32_t now_s,
		   struct weir_prefix *out)
{
	struct probe p = {.family = addr->family, .length = addr->family == 4 ? 33 : 129};
	const uint8_t *bytes = addr->bytes;

	if (addr->family != 4 && addr->family != 6)
		return false;
	while (next_length(s, addr->family, p.length, &p.length)) {
		set_mask(addr->family, p.length, p.mask);
		if (find_maybe(s, &p, &bytes, 1) == 0 || find_exact(s, &p, &bytes, 1, now_s) == 0)
			continue;
		*out = (struct weir_prefix){.addr = *addr, .length = p.length};
		*out = weir_prefix_network(out);
		return true;
	}
	return false;
}
