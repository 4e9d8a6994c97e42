/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * nat_port: a source port for a flow that is translated.
 *
 * The port that the flow came with is kept if it can be. Else a keyed hash of the flow says where
 * to begin and in which steps to go on (RFC 6056 section 3.3.3), so that nobody can guess ports of
 * others. A port will do if no flow has the reply's tuple, no mapping has the port, and replies
 * come to this worker.
 */

#include "nat_priv.h"

#include <errno.h>
#include <weir/shard.h>

/* With many workers most ports are another one's: these are looked at, but cost no lookup. */
#define LOOKS 512

/* Whether a port (or identifier) of the source can be changed. */
static bool has_source_port(const struct weir_tuple *t)
{
	const uint16_t type = ntohs(t->dport);

	if (t->proto == IPPROTO_ICMP) /* a question; an answer has the type on the other side */
		return type == 8 || type == 13 || type == 15 || type == 17;
	return nat_has_ports(t->proto) || (t->proto == IPPROTO_ICMPV6 && type == 128);
}

static bool is_mine(const struct weir_nat_asker *a, const struct weir_tuple *reply)
{
	return a->is_mine == NULL || a->is_mine(a->ctx, reply);
}

/* Whether a mapping has this source address and port. */
static bool is_mapped(const struct weir_nat_asker *a, const struct weir_tuple *t)
{
	return a->maps != NULL && weir_nat_maps_used(a->maps) > 0 &&
	       nat_map_outside(a->maps, t->family, t->src, t->sport, t->proto, t->vrf) != NULL;
}

/* What a port is found to be. */
enum found {
	FREE,
	TAKEN,
	ANOTHERS /* another worker's */
};

static enum found look_at(struct weir_nat_asker *a, struct weir_tuple *t, uint16_t port)
{
	struct weir_tuple reply;

	weir_count(&a->tries, 1);
	t->sport = htons(port);
	reply = weir_tuple_reverse(t);
	if (!is_mine(a, &reply))
		return ANOTHERS;
	return is_mapped(a, t) || weir_flow_has(a->flows, &reply) ? TAKEN : FREE;
}

static int search(struct weir_nat_asker *a, const struct nat_choice *c, struct weir_tuple *t)
{
	const uint16_t kept = ntohs(c->orig->sport);
	const uint64_t hash = weir_siphash13(&a->secret, c->orig, sizeof(*c->orig));
	/* Few ports are gone through one by one, so that none is missed. Of many every so many-th
	 * is, an odd number: even ones would pass by all ports of a worker, if low bits say whose
	 * they are. */
	const uint32_t step = c->port_n <= WEIR_NAT_TRIES
				      ? 1
				      : 1 | (uint32_t)(((hash >> 32) * (c->port_n - 1)) >> 32);
	uint32_t at = (uint32_t)(((hash & UINT32_MAX) * c->port_n) >> 32);
	unsigned taken = 0;

	if (kept >= c->port_lo && kept - c->port_lo < (int)c->port_n && look_at(a, t, kept) == FREE)
		return 0;
	for (unsigned looks = 0; looks < RTE_MIN(c->port_n, (uint32_t)LOOKS); looks++) {
		const enum found found = look_at(a, t, (uint16_t)(c->port_lo + at));

		if (found == FREE)
			return 0;
		if (found == TAKEN && ++taken == WEIR_NAT_TRIES)
			break;
		at += step;
		if (at >= c->port_n)
			at -= c->port_n;
	}
	return -ENOSPC;
}

/* The port that the inside port has for all, if it will do for this peer too. */
static bool use_mapping(struct weir_nat_asker *a, struct nat_map *map, struct weir_tuple *t)
{
	struct weir_tuple reply;

	if (map->outside_family != t->family || memcmp(map->outside, t->src, sizeof(t->src)) != 0)
		return false; /* made by rules of before, or for another interface */
	t->sport = map->outside_port;
	reply = weir_tuple_reverse(t);
	if (!is_mine(a, &reply) || weir_flow_has(a->flows, &reply))
		return false;
	map->refs++;
	a->mapped = true;
	return true;
}

int nat_choose_port(struct weir_nat_asker *a, const struct nat_choice *c, struct weir_tuple *t)
{
	const bool map_it = c->endpoint_independent && a->maps != NULL;
	const struct weir_tuple reply = weir_tuple_reverse(t);
	struct nat_map *map;
	int rc;

	if (!has_source_port(t))
		return weir_flow_has(a->flows, &reply) ? -ENOSPC : 0;
	map = map_it ? nat_map_inside(a->maps, c->orig, c->zone) : NULL;
	if (map != NULL && use_mapping(a, map, t))
		return 0;
	rc = search(a, c, t);
	if (rc < 0 || !map_it || map != NULL)
		return rc;
	if (nat_map_add(a->maps, c->orig, t, c->zone, c->nat64) == NULL)
		return -ENOSPC;
	a->mapped = true;
	return 0;
}

int nat_keep_port(struct weir_nat_asker *a, const struct weir_tuple *orig, struct weir_tuple *t)
{
	const struct nat_choice c = {
		.orig = orig, .port_lo = NAT_PORT_LO, .port_n = UINT16_MAX + 1u - NAT_PORT_LO};
	const struct weir_tuple reply = weir_tuple_reverse(t);

	if (is_mine(a, &reply) && !weir_flow_has(a->flows, &reply))
		return 0;
	return has_source_port(t) ? search(a, &c, t) : -ENOSPC;
}
