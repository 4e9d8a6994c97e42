/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Lists of IPv4 that headers alone decide.
 *
 * Most packets of most firewalls are near no rule: their addresses are none that a rule names, and
 * the policy or a last rule decides. So before rte_acl is asked, two bytes of an address are looked
 * up in a map of 8 KiB, of that side for which the rules name fewer. It costs two cycles a packet,
 * and saves the classification of those that are near none.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules_priv.h"

/* A map with more bits set tells too few packets off. */
#define NEAR_MOST (1u << 15)

/* Set the bits from lo to hi. */
static void mark(uint64_t *map, uint32_t lo, uint32_t hi)
{
	for (uint32_t word = lo / 64; word <= hi / 64; word++) {
		uint64_t bits = UINT64_MAX;

		if (word == lo / 64)
			bits &= UINT64_MAX << lo % 64;
		if (word == hi / 64)
			bits &= UINT64_MAX >> (63 - hi % 64);
		map[word] |= bits;
	}
}

/* Map one side of the entries. @return how many bits are set. */
static uint32_t map_side(const struct rules_entries *e, bool dst, uint64_t *map)
{
	uint32_t set = 0;

	memset(map, 0, RULES_NEAR_WORDS * sizeof(map[0]));
	for (uint32_t i = 0; i < e->n; i++) {
		uint64_t lo, hi;

		if (rules_entry_range(4, rules_entry_at(e, i), dst, &lo, &hi) == 0)
			return UINT32_MAX; /* any address */
		mark(map, (uint32_t)(lo >> 16), (uint32_t)(hi >> 16));
	}
	for (uint32_t i = 0; i < RULES_NEAR_WORDS; i++)
		set += (uint32_t)__builtin_popcountll(map[i]);
	return set;
}

static int make_near(struct rules_plain *p, const struct rules_entries *e)
{
	uint64_t *src = malloc(RULES_NEAR_WORDS * sizeof(src[0]));
	uint64_t *dst = malloc(RULES_NEAR_WORDS * sizeof(dst[0]));
	uint32_t n_src, n_dst;

	if (src == NULL || dst == NULL) {
		free(src);
		free(dst);
		return -ENOMEM;
	}
	n_src = map_side(e, false, src);
	n_dst = map_side(e, true, dst);
	p->near = n_src < n_dst ? src : dst;
	p->near_at = n_src < n_dst ? offsetof(struct rules_key4, src_be)
				   : offsetof(struct rules_key4, dst_be);
	free(p->near == src ? dst : src);
	if (RTE_MIN(n_src, n_dst) > NEAR_MOST)
		rules_plain_free(p);
	return 0;
}

int rules_plain_make(struct rules_list *list, const struct rules_entries *e)
{
	struct rules_plain *p = &list->plain;
	const struct rules_part *part;

	if (list->passes.n > 0 || list->ends.n > 1)
		return 0;
	*p = (struct rules_plain){.is = true, .rest = list->rest};
	if (list->ends.n == 0)
		return 0;
	part = &list->ends.part[0];
	p->is = !part->beyond && part->n_classes == 1 && part->classes[0].src == RULES_NO_LIST &&
		part->classes[0].dst == RULES_NO_LIST;
	p->acl = part->acl;
	return p->is ? make_near(p, e) : 0;
}

void rules_plain_free(struct rules_plain *p)
{
	free(p->near);
	p->near = NULL;
}

/* Ask about those that are near an entry. */
static void ask_near(const struct rules_plain *p, const uint8_t **keys, uint32_t n,
		     uint32_t *answer)
{
	const uint8_t *near[WEIR_RULE_ASKS_MAX];
	uint16_t of[WEIR_RULE_ASKS_MAX];
	uint32_t found[WEIR_RULE_ASKS_MAX];
	uint32_t count = 0;

	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *at = keys[i] + p->near_at;

		answer[i] = 0;
		near[count] = keys[i];
		of[count] = (uint16_t)i;
		count += p->near[at[0] * 4u + at[1] / 64] >> at[1] % 64 & 1;
	}
	if (count == 0)
		return;
	rte_acl_classify(p->acl, near, found, count, 1);
	for (uint32_t i = 0; i < count; i++)
		answer[of[i]] = found[i];
}

void rules_ask_plain(const struct rules_plain *p, const uint8_t **keys, uint32_t n,
		     uint32_t *answer)
{
	if (p->acl == NULL)
		memset(answer, 0, n * sizeof(answer[0]));
	else if (p->near == NULL)
		rte_acl_classify(p->acl, keys, answer, n, 1);
	else
		ask_near(p, keys, n, answer);
}
