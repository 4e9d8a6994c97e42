/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How a stack's packets get somewhere, and where the answers come back to.
 *
 * Asked once for each connection: the pipeline itself routes every packet anew.
 */

#include <weir/local.h>

#include <string.h>

#include <weir/port.h>

#include "local_priv.h"
#include "nodes/handoff_priv.h"

/* Of packets to ourselves, which leave by no link. */
#define OWN_MTU 1500

/* How far apart a source and a destination may be that suit each other (RFC 6724 section 3.1). */
enum scope { SCOPE_LINK, SCOPE_WIDE };

static enum scope scope_of(const struct weir_addr *a)
{
	if (a->family == 6)
		return local_is_link_local(a->bytes) ? SCOPE_LINK : SCOPE_WIDE;
	return a->bytes[0] == 169 && a->bytes[1] == 254 ? SCOPE_LINK : SCOPE_WIDE;
}

/* Bits that both begin with, of the source's prefix at most (RFC 6724 section 2.2). */
static unsigned common_bits(const struct weir_prefix *source, const struct weir_addr *to)
{
	unsigned bits = 0;

	while (bits < source->length &&
	       !((source->addr.bytes[bits / 8] ^ to->bytes[bits / 8]) & (0x80 >> bits % 8)))
		bits++;
	return bits;
}

/* The best so far. */
struct choice {
	const struct weir_addr *addr; /* NULL: none */
	bool same_scope;
	bool preferred;
	unsigned bits;
};

/* RFC 6724 section 5, rules 2, 3 (RFC 4429 section 3.2: also of optimistic ones) and 8. */
static bool is_better(const struct choice *a, const struct choice *b)
{
	if (b->addr == NULL || a->same_scope != b->same_scope)
		return b->addr == NULL || a->same_scope;
	if (a->preferred != b->preferred)
		return a->preferred;
	return a->bits > b->bits;
}

/* What is equal stays as it was: the first address wins. */
static void consider(struct choice *c, const struct weir_iface *f, uint8_t k,
		     const struct weir_addr *to)
{
	const struct weir_prefix *p = &f->addr[k];
	const struct choice this = {&p->addr, scope_of(&p->addr) == scope_of(to),
				    f->addr_flags[k] == 0, common_bits(p, to)};

	if (p->addr.family == to->family && is_better(&this, c))
		*c = this;
}

/* An address of one interface; of all, if that one has none of the family. */
static const struct weir_addr *choose_source(const struct weir_l3 *l3, uint16_t iface,
					     const struct weir_addr *to)
{
	struct choice best = {0};

	for (uint8_t k = 0; k < l3->ifaces[iface].n_addrs; k++)
		consider(&best, &l3->ifaces[iface], k, to);
	for (uint16_t i = 0; best.addr == NULL && i < l3->n_ifaces; i++)
		for (uint8_t k = 0; k < l3->ifaces[i].n_addrs; k++)
			consider(&best, &l3->ifaces[i], k, to);
	return best.addr;
}

static uint16_t look_up(const struct weir_l3 *l3, const struct weir_addr *to)
{
	uint8_t dst6[1][16];
	uint32_t dst4_be;
	uint64_t hop = 0;

	if (to->family == 4) {
		memcpy(&dst4_be, to->bytes, sizeof(dst4_be));
		rte_fib_lookup_bulk(l3->fib4, &(uint32_t){rte_be_to_cpu_32(dst4_be)}, &hop, 1);
	} else {
		memcpy(dst6, to->bytes, sizeof(dst6));
		rte_fib6_lookup_bulk(l3->fib6, (void *)dst6, &hop, 1);
	}
	return (uint16_t)hop;
}

/* Where the queue is another worker's nothing is known of the port, so it gets no long segments. */
static bool cuts(const struct weir_shard *s, uint16_t port)
{
	const struct weir_port *p = s->txq[port].port;

	return p != NULL && (p->caps & WEIR_PORT_TSO);
}

static bool hop_cuts(const struct weir_shard *s, const struct weir_l3 *l3,
		     const struct weir_hop *hop)
{
	return cuts(s, l3->ifaces[hop->iface].port);
}

/* Over the one interface that has IPv6; with several, nothing says which link is meant. */
static bool way_on_link(const struct weir_shard *s, const struct weir_l3 *l3,
			struct weir_local_way *out)
{
	const struct weir_iface *only = NULL;

	for (uint16_t i = 0; i < l3->n_ifaces; i++) {
		if (l3->ifaces[i].link_local.family != 6)
			continue;
		if (only != NULL)
			return false;
		only = &l3->ifaces[i];
	}
	if (only == NULL)
		return false;
	*out = (struct weir_local_way){only->link_local, only->mtu, cuts(s, only->port)};
	return true;
}

/* Over any member of a group: packets are spread over all, so that the narrowest counts. */
static bool way_by_hop(const struct weir_shard *s, const struct weir_l3 *l3, uint16_t number,
		       const struct weir_addr *to, struct weir_local_way *out)
{
	const struct weir_hop *hop = &l3->hops[number];
	const bool group = hop->kind == WEIR_HOP_GROUP;
	const uint16_t first = group ? l3->members[number][0] : number;
	const struct weir_addr *from = choose_source(l3, l3->hops[first].iface, to);

	if (from == NULL)
		return false;
	*out = (struct weir_local_way){*from, l3->hops[first].mtu,
				       hop_cuts(s, l3, &l3->hops[first])};
	for (uint8_t i = 1; group && i < hop->group_n; i++) {
		const struct weir_hop *member = &l3->hops[l3->members[number][i]];

		out->mtu_bytes = RTE_MIN(out->mtu_bytes, member->mtu);
		out->cuts = out->cuts && hop_cuts(s, l3, member);
	}
	return true;
}

bool weir_local_way(const struct weir_shard *s, const struct weir_addr *to,
		    struct weir_local_way *out)
{
	const struct weir_l3 *l3 = local_l3(s);
	uint16_t number;

	if (l3 == NULL || (to->family != 4 && to->family != 6))
		return false;
	number = look_up(l3, to);
	switch (l3->hops[number].kind) {
	case WEIR_HOP_LOCAL:
		*out = (struct weir_local_way){*to, OWN_MTU};
		return true;
	case WEIR_HOP_LINK_LOCAL:
		return way_on_link(s, l3, out);
	case WEIR_HOP_LINK:
	case WEIR_HOP_GATEWAY:
	case WEIR_HOP_GROUP:
		return way_by_hop(s, l3, number, to, out);
	default: /* refused, or not one host */
		return false;
	}
}

/* ---- groups and broadcasts ---- */

static bool is_group(const struct weir_addr *a)
{
	return a->family == 4 ? a->bytes[0] >> 4 == 0xe : a->bytes[0] == 0xff;
}

/* The address of an interface to send from to many. NULL: it does not speak the family. */
static const struct weir_addr *source_of(const struct weir_iface *f, const struct weir_addr *to)
{
	const bool of_link = to->family == 6 && (to->bytes[1] & 0xf) <= 2;

	for (uint8_t k = 0; !of_link && k < f->n_addrs; k++)
		if (f->addr[k].addr.family == to->family)
			return &f->addr[k].addr;
	return to->family == 6 && f->link_local.family == 6 ? &f->link_local : NULL;
}

static bool has_address(const struct weir_iface *f, const struct weir_addr *addr)
{
	if (weir_addr_equal(&f->link_local, addr))
		return true;
	for (uint8_t k = 0; k < f->n_addrs; k++)
		if (weir_addr_equal(&f->addr[k].addr, addr))
			return true;
	return false;
}

static bool is_wanted(const struct weir_l3 *l3, uint16_t i, const struct weir_local_link *want)
{
	if (want->iface != WEIR_NO_IFACE)
		return i == want->iface;
	return want->from.family == 0 || has_address(&l3->ifaces[i], &want->from);
}

/* The interface whose subnet has this broadcast address; WEIR_NO_IFACE: none has. */
static uint16_t subnet_of(const struct weir_l3 *l3, const struct weir_addr *to)
{
	const struct weir_hop *hop = &l3->hops[look_up(l3, to)];

	return hop->kind == WEIR_HOP_BROADCAST ? hop->iface : WEIR_NO_IFACE;
}

bool weir_local_link(const struct weir_shard *s, const struct weir_addr *to,
		     const struct weir_local_link *want, struct weir_local_link *out)
{
	static const struct weir_addr all = {4, {255, 255, 255, 255}}, none;
	const struct weir_l3 *l3 = local_l3(s);
	struct weir_local_link one;
	bool found = false;
	const struct weir_addr *from;

	if (l3 == NULL || (to->family != 4 && to->family != 6))
		return false;
	if (!is_group(to) && !weir_addr_equal(to, &all)) {
		one = (struct weir_local_link){.iface = subnet_of(l3, to)};
		want = &one;
		if (one.iface == WEIR_NO_IFACE)
			return false;
	}
	for (uint16_t i = 0; i < l3->n_ifaces; i++) {
		if (l3->ifaces[i].port == WEIR_NO_PORT || !is_wanted(l3, i, want))
			continue;
		from = source_of(&l3->ifaces[i], to);
		if (from != NULL || !found)
			*out = (struct weir_local_link){i, l3->ifaces[i].mtu,
							from == NULL ? none : *from};
		found = true;
		if (from != NULL)
			break;
	}
	return found;
}

bool weir_local_owns(const struct weir_shard *s, const struct weir_tuple *in)
{
	const struct weir_handoff *h = s->handoff;

	if (h == NULL)
		return true;
	return (h->spread != 0 ? handoff_owner_of(h, in) : handoff_owner_by_device(h, in)) ==
	       h->worker;
}

uint16_t weir_local_port(const struct weir_shard *s, const struct weir_tuple *in, uint16_t first,
			 uint16_t count, uint32_t i)
{
	const struct weir_handoff *h = s->handoff;

	if (h == NULL)
		return (uint16_t)(first + i % count);
	return h->spread != 0 ? 0 : handoff_port(h, in, first, count, i);
}
