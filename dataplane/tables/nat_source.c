/* SPDX-License-Identifier: BSD-3-Clause */

/* From where a new flow seems to come: masquerade, pools, blocks, prefixes for prefixes, NAT64. */

#include "nat_priv.h"

#include <errno.h>
#include <weir/shard.h>

/* What is asked: the flow, and where it is seen to go. */
struct ask {
	const struct weir_nat *nat;
	struct weir_nat_asker *a;
	const struct weir_tuple *orig;
	struct weir_tuple *t;
	const struct weir_addr *own; /* of the interface that it leaves by */
	const uint8_t *dst;	     /* that rules see */
	uint8_t n_own, from, to;
	bool has_port; /* its source port has been chosen */
};

static bool is_link_local(const uint8_t addr[16])
{
	return addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80;
}

/* The first address of the tuple's family that leads back from anywhere. */
static int own_address(const struct ask *q)
{
	for (uint8_t i = 0; i < q->n_own; i++) {
		const struct weir_addr *own = &q->own[i];

		if (own->family != q->t->family || (own->family == 6 && is_link_local(own->bytes)))
			continue;
		memcpy(q->t->src, own->bytes, sizeof(q->t->src));
		return 0;
	}
	return -EADDRNOTAVAIL;
}

/* The address of a pool that an inside host has: always the same (RFC 4787 section 4.1, "paired").
 */
static void paired_address(const struct nat_rule *r, const struct ask *q)
{
	const struct nat_addr src = nat_addr(q->orig->src);
	const uint64_t hash = weir_siphash13_u64x2(&q->a->secret, src.word[0], src.word[1]);

	nat_pool_at(r, (uint32_t)(((hash >> 32) * r->n_addrs) >> 32), q->t->src);
}

static int choose_port(const struct nat_rule *r, struct ask *q, uint16_t port_lo, uint32_t port_n)
{
	const struct nat_choice c = {.orig = q->orig,
				     .nat64 = &r->nat64,
				     .port_lo = port_lo,
				     .port_n = port_n,
				     .zone = q->to,
				     .endpoint_independent = r->endpoint_independent};

	q->has_port = true;
	return nat_choose_port(q->a, &c, q->t);
}

static int masquerade(const struct nat_rule *r, struct ask *q)
{
	const int rc = own_address(q);

	return rc < 0 ? rc : choose_port(r, q, r->port_lo, r->port_n);
}

static int apply(const struct nat_rule *r, struct ask *q)
{
	uint16_t first;

	switch (r->kind) {
	case WEIR_NAT_MASQUERADE:
		return masquerade(r, q);
	case WEIR_NAT_SNAT:
		paired_address(r, q);
		return choose_port(r, q, r->port_lo, r->port_n);
	case WEIR_NAT_CGNAT:
		first = nat_block_of(r, q->orig->src, q->t->src);
		q->a->block = (struct weir_range){first, (uint16_t)(first + r->blocks.size - 1)};
		return choose_port(r, q, first, r->blocks.size);
	case WEIR_NAT_ONE_TO_ONE:
		nat_move(&r->outside, q->t->src);
		return 0;
	case WEIR_NAT_NPT6:
		return nat_npt6(r, true, q->t->src) ? 0 : -EADDRNOTAVAIL;
	default:
		return 0;
	}
}

/* Whether a kind has a prefix inside, and the source is not in it. */
static bool is_stranger(const struct nat_rule *r, const struct weir_tuple *orig)
{
	return (r->kind == WEIR_NAT_CGNAT || r->kind == WEIR_NAT_ONE_TO_ONE ||
		r->kind == WEIR_NAT_NPT6) &&
	       !nat_contains(&r->inside, orig->src);
}

/* The first rule for sources that matches. */
static int by_rules(struct ask *q, uint32_t *rule)
{
	const struct weir_nat *nat = q->nat;

	for (uint32_t i = nat->n_destination; i < nat->n; i++) {
		const struct nat_rule *r = &nat->rules[i];

		if (!nat_zones_match(&nat->zones[i], q->from, q->to) ||
		    !nat_match(r, q->t, q->orig->src, q->dst, q->a->now_s) ||
		    is_stranger(r, q->orig))
			continue;
		*rule = i;
		return apply(r, q);
	}
	return 0;
}

/* A tuple of IPv4 for a flow from IPv6. */
static int to_ip4(const struct nat_rule *r, struct ask *q)
{
	memset(q->t->src, 0, sizeof(q->t->src));
	q->t->sport = q->orig->sport;
	if (r->n_addrs == 0)
		return masquerade(r, q);
	paired_address(r, q);
	return choose_port(r, q, r->port_lo, r->port_n);
}

static void hold(const struct ask *q, struct nat_map *map)
{
	map->refs++;
	q->a->mapped = true;
}

/* As if it went out to a mapping of a neighbour inside (RFC 4787 REQ-9): the source is translated.
 */
static void go_outside(struct ask *q, const struct nat_map *map, struct weir_addr *outside)
{
	outside->family = map->outside_family;
	memcpy(outside->bytes, map->outside, sizeof(outside->bytes));
	q->own = outside;
	q->n_own = 1;
	q->to = map->zone;
	q->dst = q->orig->dst;
}

/* Between two inside hosts by their addresses outside: IPv4 is seen by neither. */
static int to_ip4_and_back(const struct nat_rule *r, struct ask *q)
{
	struct weir_tuple v4 = {.sport = q->orig->sport,
				.dport = q->orig->dport,
				.proto = q->orig->proto,
				.family = 4,
				.vrf = q->orig->vrf};
	struct weir_tuple *t = q->t, reply;
	struct weir_addr outside;
	struct nat_map *map;
	int rc;

	map = q->a->maps == NULL || !weir_nat64_extract(&r->nat64, q->orig->dst, v4.dst)
		      ? NULL
		      : nat_map_outside(q->a->maps, 4, v4.dst, v4.dport, v4.proto, v4.vrf);
	if (map == NULL)
		return -ENOSPC; /* it has gone in the meantime */
	go_outside(q, map, &outside);
	q->t = &v4;
	rc = to_ip4(r, q);
	if (rc < 0)
		return rc;
	weir_nat64_embed(&r->nat64, v4.src, t->src);
	t->sport = v4.sport;
	hold(q, map);
	reply = weir_tuple_reverse(t);
	if (!weir_flow_has(q->a->flows, &reply))
		return 0;
	weir_nat_release(q->a->maps, q->orig, t);
	q->a->mapped = false;
	return -ENOSPC;
}

/* Whether a port forward is used by one who would not see the replies. */
static bool is_hairpin(const struct nat_rule *r, const struct weir_nat_where *where)
{
	const struct nat_zones z = {.from = r->from_zones};

	return r->hairpin &&
	       (where->from == where->to || !nat_zones_match(&z, where->from, WEIR_ZONES_MAX));
}

/* The mapping that the flow's destination was found by; NULL: none. */
static struct nat_map *map_of_destination(const struct ask *q)
{
	const struct weir_tuple *orig = q->orig;

	if (q->a->maps == NULL ||
	    (memcmp(orig->dst, q->t->dst, sizeof(orig->dst)) == 0 && orig->dport == q->t->dport))
		return NULL;
	return nat_map_outside(q->a->maps, orig->family, orig->dst, orig->dport, orig->proto,
			       orig->vrf);
}

/* The source of a flow whose family stays. @p d: the rule that its destination was found by. */
static int same_family(struct ask *q, const struct nat_rule *d, const struct weir_nat_where *where,
		       struct nat_map *map, uint32_t *rule)
{
	struct weir_addr outside;

	memcpy(q->t->src, q->orig->src, sizeof(q->t->src));
	q->t->sport = q->orig->sport;
	if (d != NULL && is_hairpin(d, where)) {
		*rule = where->destination_rule;
		return masquerade(d, q);
	}
	if (map != NULL)
		go_outside(q, map, &outside);
	return by_rules(q, rule);
}

static int choose(struct ask *q, const struct weir_nat_where *where, uint32_t *rule)
{
	const struct nat_rule *d = where->destination_rule < q->nat->n_destination
					   ? &q->nat->rules[where->destination_rule]
					   : NULL;
	struct nat_map *map;
	int rc = 0;

	if (d != NULL && d->kind == WEIR_NAT_NAT64) {
		*rule = where->destination_rule;
		return q->t->family == 4 ? to_ip4(d, q) : to_ip4_and_back(d, q);
	}
	map = d == NULL ? map_of_destination(q) : NULL;
	if (q->t->family == q->orig->family) /* else it is embedded: from IPv4 to a mapping */
		rc = same_family(q, d, where, map, rule);
	if (rc == 0 && map != NULL)
		hold(q, map);
	return rc;
}

int weir_nat_source(const struct weir_nat *nat, struct weir_nat_asker *a,
		    const struct weir_nat_where *where, const struct weir_tuple *orig,
		    struct weir_tuple *t, uint32_t *rule)
{
	struct ask q = {.nat = nat,
			.a = a,
			.orig = orig,
			.t = t,
			.own = where->own,
			.dst = t->dst,
			.n_own = where->n_own,
			.from = where->from,
			.to = where->to};
	int rc;

	a->mapped = false;
	a->block = (struct weir_range){0};
	*rule = WEIR_RULE_DEFAULT;
	rc = choose(&q, where, rule);
	if (rc == 0 && !q.has_port && memcmp(t, orig, sizeof(*t)) != 0)
		rc = nat_keep_port(a, orig, t);
	if (rc == -ENOSPC)
		weir_count(&a->full, 1);
	else if (rc < 0)
		weir_count(&a->no_address, 1);
	else if (memcmp(t->src, orig->src, sizeof(t->src)) != 0 || t->sport != orig->sport)
		weir_count(&a->translated, 1);
	return rc;
}
