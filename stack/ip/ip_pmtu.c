/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What paths are known to be narrower than the link that they begin with (RFC 1191, RFC 8201): by
 * destination, a table of sets in which the oldest gives way. Ten minutes after it was told last,
 * a path is as wide as its link again, and is found out anew.
 */

#include "stack_priv.h"

#include <string.h>

#define LINK_MTU 1500 /* who tells no way has links of this kind */

#define TICK_BITS   30 /* 1.07 s */
#define FORGET_TICK ((uint32_t)((UINT64_C(600) * 1000000000) >> TICK_BITS))

static uint32_t tick_now(const struct weir_stack *s)
{
	return (uint32_t)(s->now_ns >> TICK_BITS);
}

static struct pmtu *set_of(struct weir_stack *s, const struct weir_addr *to)
{
	uint64_t words[2];

	memcpy(words, to->bytes, sizeof(words));
	return s->pmtu[weir_siphash13_u64x3(&s->conf.secret, words[0], words[1], to->family) %
		       PMTU_SETS];
}

static bool is_for(const struct pmtu *p, const struct weir_addr *to)
{
	return p->family == to->family && memcmp(p->to, to->bytes, sizeof(p->to)) == 0;
}

static bool is_over(const struct pmtu *p, uint32_t tick)
{
	return p->family == 0 || tick - p->told_tick > FORGET_TICK;
}

static uint16_t link_mtu(struct weir_stack *s, const struct weir_addr *to, bool *cuts)
{
	struct weir_way way = {.mtu_bytes = LINK_MTU};

	if (s->conf.way != NULL && !s->conf.way(s->conf.ctx, to, &way))
		way = (struct weir_way){.mtu_bytes = LINK_MTU};
	*cuts = way.cuts;
	return way.mtu_bytes;
}

/* NULL: nothing is known of the way to it. */
static struct pmtu *known(struct weir_stack *s, const struct weir_addr *to)
{
	struct pmtu *set;

	if (!s->has_pmtu)
		return NULL;
	set = set_of(s, to);
	for (unsigned i = 0; i < PMTU_WAYS; i++)
		if (is_for(&set[i], to) && !is_over(&set[i], tick_now(s)))
			return &set[i];
	return NULL;
}

uint16_t ip_path(struct weir_stack *s, const struct weir_addr *to, bool *cuts)
{
	const uint16_t link = link_mtu(s, to, cuts);
	const struct pmtu *p = known(s, to);

	return p == NULL ? link : RTE_MIN(p->mtu_bytes, link);
}

uint16_t ip_mtu_most(struct weir_stack *s, const struct weir_addr *to)
{
	bool cuts;
	const uint16_t link = link_mtu(s, to, &cuts);
	const struct pmtu *p = known(s, to);

	return p == NULL ? link : RTE_MIN(p->most_bytes, link);
}

/* The place of a destination: its own, a free one, or the oldest. */
static struct pmtu *place_of(struct weir_stack *s, const struct weir_addr *to)
{
	struct pmtu *set = set_of(s, to), *best = set;
	const uint32_t tick = tick_now(s);

	for (unsigned i = 0; i < PMTU_WAYS; i++) {
		if (is_for(&set[i], to))
			return &set[i];
		if (!is_over(best, tick) &&
		    (is_over(&set[i], tick) || tick - set[i].told_tick > tick - best->told_tick))
			best = &set[i];
	}
	return best;
}

static void learn(struct weir_stack *s, const struct weir_addr *to, uint16_t mtu_bytes,
		  uint16_t most_bytes)
{
	struct pmtu *p = place_of(s, to);

	s->has_pmtu = true;
	*p = (struct pmtu){.mtu_bytes = mtu_bytes,
			   .most_bytes = most_bytes,
			   .family = to->family,
			   .told_tick = tick_now(s)};
	memcpy(p->to, to->bytes, sizeof(p->to));
}

bool ip_mtu_lower(struct weir_stack *s, const struct weir_addr *to, uint16_t mtu_bytes)
{
	const uint16_t least = to->family == 4 ? IP_MTU_LEAST4 : IP_MTU_LEAST6;
	const uint16_t mtu = RTE_MAX(mtu_bytes, least);

	if (mtu >= ip_mtu_most(s, to))
		return false;
	learn(s, to, mtu, mtu);
	return true;
}

void ip_mtu_found(struct weir_stack *s, const struct weir_addr *to, uint16_t mtu_bytes,
		  uint16_t most_bytes)
{
	const struct pmtu *p = known(s, to);
	const uint16_t most = p == NULL ? most_bytes : RTE_MIN(p->most_bytes, most_bytes);
	/* What passed before may be too much now: the path has changed. */
	const bool is_more = p != NULL && p->mtu_bytes > mtu_bytes && p->mtu_bytes <= most;

	learn(s, to, is_more ? p->mtu_bytes : mtu_bytes, most);
}
