/* SPDX-License-Identifier: (BSD-3-Clause OR GPL-2.0-only) */

/*
 * Find the rule of a packet: a hash table of masked keys for each set of matched fields.
 *
 * Rules come and go while this runs; what a packet finds is what was there before a change, or
 * after it.
 */

#pragma once

#include "maps.h"

#include <bpf/bpf_endian.h>

static __always_inline bool in_ranges(const struct steer_rule *rule, __u16 src, __u16 dst)
{
	return src >= rule->src_port_lo && src <= rule->src_port_hi && dst >= rule->dst_port_lo &&
	       dst <= rule->dst_port_hi;
}

/* The first rule of a chain that has these ports in its ranges; 0: none. */
__noinline __u32 steer_in_chain(__u32 head, __u16 src_port, __u16 dst_port)
{
	__u32 id = head;

	for (int i = 0; i < STEER_CHAIN; i++) {
		const struct steer_rule *rule = &rules[id & (STEER_RULES - 1)];

		if (id == 0 || in_ranges(rule, src_port, dst_port))
			break;
		id = rule->next;
	}
	return id & (STEER_RULES - 1);
}

static __always_inline void mask_key(const struct steer_key *key, const struct steer_mask *mask,
				     __u16 id, struct steer_key *masked)
{
	const __u64 *from = (const void *)key;
	const __u64 *bits = (const void *)&mask->bits;
	__u64 *to = (void *)masked;

#pragma unroll
	for (int i = 0; i < (int)(sizeof(*key) / sizeof(*from)); i++)
		to[i] = from[i] & bits[i];
	masked->mask_id = id;
}

static __always_inline bool is_same_key(const struct steer_key *a, const struct steer_key *b)
{
	const __u64 *left = (const void *)a, *right = (const void *)b;
	__u64 differs = 0;

#pragma unroll
	for (int i = 0; i < (int)(sizeof(*a) / sizeof(*left)); i++)
		differs |= left[i] ^ right[i];
	return differs == 0;
}

/* The first rule of a mask's chain for this key; 0: there is no such chain. */
static __always_inline __u32 head_of(const struct steer_mask *mask, const struct steer_key *masked)
{
	const __u32 only = *(const volatile __u32 *)&mask->head;
	const __u32 *head;

	if (only != 0)
		return is_same_key(masked, &mask->only) ? only : 0;
	head = bpf_map_lookup_elem(&chains, masked);
	return head == NULL ? 0 : *head;
}

/* The rule with the lowest rank that matches; 0: none. */
__noinline __u32 steer_find_rule(const struct steer_key *key)
{
	__u64 best = STEER_RANK_NONE;
	struct steer_key masked;
	__u32 found = 0;

	if (key == NULL)
		return 0;
	for (int i = 0; i < STEER_MASKS; i++) {
		const struct steer_mask *mask = &masks[i];
		__u32 head, id;

		if (i >= config.n_masks)
			break;
		if (mask->best >= best || (key->has & mask->need) != mask->need)
			continue;
		mask_key(key, mask, i, &masked);
		head = head_of(mask, &masked);
		if (head == 0)
			continue;
		id = steer_in_chain(head, bpf_ntohs(key->src_port), bpf_ntohs(key->dst_port));
		barrier_var(
			id); /* the verifier does not know what the compiler knows of the result */
		id &= STEER_RULES - 1;
		if (id == 0 || rules[id].rank >= best)
			continue;
		best = rules[id].rank;
		found = id;
	}
	return found;
}
