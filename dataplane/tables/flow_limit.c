/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How many flows a source has: an IPv4 address, or the /64 of one of IPv6, which its owner can fill
 * at will. A slot in one of two buckets, keyed, nothing displaced; only new flows come here.
 */

#include "flow_priv.h"

#include <errno.h>

static struct flow_source source_of(const struct weir_flow *f)
{
	struct flow_source s = {.vrf = f->vrf, .family = f->family};

	if (f->family == 4)
		s.addr = f->v4.src;
	else
		memcpy(&s.addr, f->v6.src, sizeof(s.addr));
	return s;
}

/* Its slot, or, with `room`, a free one in the emptier of its buckets. NULL: none. */
static struct flow_source *slot_of(const struct weir_flow_table *t, const struct flow_source *s,
				   bool room)
{
	const uint64_t hash =
		weir_siphash13_u64x2(&t->secret, s->addr, (uint64_t)s->vrf << 16 | s->family);
	const uint64_t half[2] = {hash & UINT32_MAX, hash >> 32};
	struct flow_source *free_slot = NULL;
	unsigned most = 0;

	for (unsigned i = 0; i < 2; i++) {
		struct flow_sources *b = &t->sources[half[i] * t->n_sources >> 32];
		struct flow_source *empty = NULL;
		unsigned n = 0;

		for (unsigned k = 0; k < FLOW_SOURCE_SLOTS; k++) {
			struct flow_source *at = &b->slot[k];

			if (at->flows == 0) {
				empty = at;
				n++;
			} else if (at->addr == s->addr && at->vrf == s->vrf &&
				   at->family == s->family) {
				return at;
			}
		}
		if (n > most) {
			most = n;
			free_slot = empty;
		}
	}
	return room ? free_slot : NULL;
}

int weir_flow_limit_take(struct weir_flow_table *t, struct weir_flow *f, uint32_t max)
{
	const struct flow_source s = source_of(f);
	struct flow_source *at;

	if (f->flags & WEIR_FLOW_LIMITED)
		return 0;
	if (max == 0)
		return -EDQUOT;
	if (t->n_sources == 0)
		return -ENOSPC;
	at = slot_of(t, &s, true);
	if (at == NULL || (at->flows == 0 && t->used_sources == t->max_sources))
		return -ENOSPC;
	if (at->flows >= max)
		return -EDQUOT;
	if (at->flows == 0) {
		*at = s;
		t->used_sources++;
	}
	at->flows++;
	f->flags |= WEIR_FLOW_LIMITED;
	return 0;
}

void flow_limit_release(struct weir_flow_table *t, struct weir_flow *f)
{
	const struct flow_source s = source_of(f);
	struct flow_source *at = slot_of(t, &s, false);

	f->flags &= (uint16_t)~WEIR_FLOW_LIMITED;
	if (at != NULL && --at->flows == 0)
		t->used_sources--;
}
