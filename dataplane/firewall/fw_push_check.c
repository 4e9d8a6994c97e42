/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Whether a driver may drop what a part of a rule matches. The part is a rule of one family and one
 * protocol, whose addresses are prefixes.
 *
 * - No rule before it takes any of its packets, or counts them.
 * - Translation leaves their destinations alone, or the part does not look at them.
 * - None of them can answer to a flow: no rule, nor the default, lets one begin in the other
 *   direction. Where sources are translated, such a flow may come from anyone.
 * - Routes lead where the part says, so that nobody is owed an answer that there is no way.
 */

#include "fw_push_in_priv.h"

#include <errno.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_rib.h>
#include <rte_rib6.h>
#include <string.h>

#include "tables/nat_priv.h"
#include "tables/rules_priv.h"

/* Routes within a destination that are looked at. */
#define ROUTES_MAX 65536

static int check_before(const struct weir_rules *rs, const struct fw_push_part *p,
			struct weir_why *why)
{
	for (uint32_t i = 0; i < p->number; i++) {
		const struct weir_rule *r = weir_rules_at(rs, i);

		if (r->slot != p->rule.slot && rules_overlap(r, &p->rule))
			return weir_why(why, -EPERM, "rule %s stands before it and may match, too",
					r->name);
	}
	return 0;
}

/* Whether the part asks nothing that translation could change. */
static bool ignores_destination(const struct fw_push_part *p)
{
	return p->rule.dst.n_prefixes == 0 && p->rule.n_dports == 0 && p->rule.to_zones == 0;
}

static bool nat_prefix_meets(const struct nat_prefix *a, const struct weir_prefix *b)
{
	uint8_t mask[16] = {0};
	struct nat_addr bits, addr = nat_addr(b->addr.bytes);

	for (unsigned i = 0; i < b->length; i++)
		mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
	bits = nat_addr(mask);
	return a->family == b->addr.family &&
	       ((a->value[0] ^ addr.word[0]) & a->mask[0] & bits.word[0]) == 0 &&
	       ((a->value[1] ^ addr.word[1]) & a->mask[1] & bits.word[1]) == 0;
}

/* Whether it may translate the destination of a packet of the part. Ports and sources apart. */
static bool may_translate(const struct nat_rule *r, const struct nat_zones *z,
			  const struct fw_push_part *p)
{
	const struct weir_rule *part = &p->rule;
	const struct nat_addrs *dst = &r->dst;

	if ((z->from != 0 && part->from_zones != 0 && (z->from & part->from_zones) == 0) ||
	    (r->family != 0 && r->family != part->family) ||
	    (r->proto != 0 && r->proto != part->proto))
		return false;
	if ((r->kind != WEIR_NAT_DNAT && r->kind != WEIR_NAT_NONE) || dst->negate ||
	    dst->n_sets > 0 || dst->n_prefixes == 0 || part->dst.n_prefixes == 0)
		return true;
	for (uint32_t i = 0; i < dst->n_prefixes; i++)
		for (uint32_t k = 0; k < part->dst.n_prefixes; k++)
			if (nat_prefix_meets(&dst->prefixes[i], &part->dst.prefixes[k]))
				return true;
	return false;
}

static int check_translation(const struct weir_nat *nat, const struct fw_push_part *p,
			     struct weir_why *why)
{
	for (uint32_t i = 0; nat != NULL && i < nat->n; i++) {
		const struct nat_rule *r = &nat->rules[i];

		if (r->kind == WEIR_NAT_NAT64)
			return weir_why(why, -EPERM, "translation %s is NAT64", r->name);
		if (ignores_destination(p))
			continue;
		if (r->endpoint_independent ||
		    (i < nat->n_destination && may_translate(r, &nat->zones[i], p)))
			return weir_why(why, -EPERM,
					"translation %s may change where its packets go", r->name);
	}
	return 0;
}

/*
 * The first packets of flows whose answers the part would match: from any zone, for nobody has to
 * come from where the way back to him leads. @sets: as lists of its rule.
 */
static struct weir_rule against(const struct weir_policy *policy, const struct fw_push_part *p,
				bool sets)
{
	static const struct weir_rule_addrs all;
	const struct weir_rule *r = &p->rule;
	const bool translated = policy->nat != NULL;

	return (struct weir_rule){
		.name = r->name,
		.family = r->family,
		.proto = r->proto,
		.to_zones = r->from_zones,
		.src = translated ? all
		       : sets	  ? p->written->dst
				  : r->dst,
		.dst = sets ? p->written->src : r->src,
		.sports = translated ? NULL : r->dports,
		.n_sports = translated ? 0 : r->n_dports,
		.dports = r->sports,
		.n_dports = r->n_sports,
		.icmp_type = -1,
		.icmp_code = -1,
		.dscp = -1,
	};
}

static bool is_final(const struct weir_rule *r)
{
	return (r->action == WEIR_ACTION_DROP || r->action == WEIR_ACTION_REJECT) &&
	       r->limit == WEIR_LIMIT_NONE;
}

static int check_answers(const struct weir_policy *policy, const struct fw_push_part *p,
			 struct weir_why *why)
{
	const struct weir_rules *rs = policy->rules;
	const struct weir_rule asked = against(policy, p, false);
	const struct weir_rule written = against(policy, p, true);

	for (uint32_t i = 0; i < weir_rules_count(rs); i++) {
		const struct weir_rule *r = weir_rules_at(rs, i);

		if (is_final(r) &&
		    (rules_covers_rule(rs, r, &written) || rules_covers_rule(rs, r, &asked)))
			return 0;
		if ((r->action == WEIR_ACTION_ACCEPT || r->action == WEIR_ACTION_SYNPROXY) &&
		    rules_overlap(r, &asked))
			return weir_why(why, -EPERM,
					"rule %s lets flows begin whose answers it would match",
					r->name);
	}
	if (weir_rules_default(rs) == WEIR_ACTION_ACCEPT)
		return weir_why(why, -EPERM,
				"the default lets flows begin whose answers it would match");
	return 0;
}

/* ---- routes ---- */

/* Whether a packet that a route leads along meets the part's rule, or is dropped anyway. */
static bool leads_right(const struct fw_push_ground *g, uint32_t to_zones, uint64_t hop)
{
	const struct weir_hop *h = &g->l3->hops[hop];
	uint8_t zone = WEIR_ZONE_SELF;

	switch (h->kind) {
	case WEIR_HOP_NONE:
	case WEIR_HOP_UNREACHABLE:
	case WEIR_HOP_PROHIBIT:
		return false;
	case WEIR_HOP_BLACKHOLE:
		return true;
	case WEIR_HOP_GROUP: /* its members are of one zone */
		h = &g->l3->hops[g->l3->members[hop][0]];
		/* fall through */
	case WEIR_HOP_LINK:
	case WEIR_HOP_GATEWAY:
		if (h->iface >= WEIR_IFACES_MAX)
			return false;
		zone = g->policy->zone_of[h->iface];
		break;
	default:
		break;
	}
	return to_zones == 0 || (zone < WEIR_ZONES_MAX && (to_zones >> zone & 1));
}

/* The longest route that has all of a prefix; false: none. */
static bool find_route4(struct rte_rib *rib, uint32_t addr, uint8_t length, uint64_t *hop)
{
	for (int l = length; l >= 0; l--) {
		const uint32_t mask = l == 0 ? 0 : UINT32_MAX << (32 - l);
		struct rte_rib_node *n = rte_rib_lookup_exact(rib, addr & mask, (uint8_t)l);

		if (n != NULL)
			return rte_rib_get_nh(n, hop) == 0;
	}
	return false;
}

static bool check_routes4(const struct fw_push_ground *g, uint32_t to, const struct weir_prefix *p)
{
	struct rte_rib *rib = rte_fib_get_rib(g->l3->fib4);
	struct rte_rib_node *n = NULL;
	uint32_t addr, looked = 0;
	uint64_t hop = 0;

	memcpy(&addr, p->addr.bytes, sizeof(addr));
	addr = ntohl(addr);
	if (!find_route4(rib, addr, p->length, &hop) || !leads_right(g, to, hop))
		return false;
	while ((n = rte_rib_get_nxt(rib, addr, p->length, n, RTE_RIB_GET_NXT_ALL)) != NULL)
		if (++looked > ROUTES_MAX || rte_rib_get_nh(n, &hop) != 0 ||
		    !leads_right(g, to, hop))
			return false;
	return true;
}

static bool find_route6(struct rte_rib6 *rib, const uint8_t addr[16], uint8_t length, uint64_t *hop)
{
	for (int l = length; l >= 0; l--) {
		struct weir_prefix p = {.addr.family = 6, .length = (uint8_t)l};
		struct rte_rib6_node *n;

		memcpy(p.addr.bytes, addr, sizeof(p.addr.bytes));
		p = weir_prefix_network(&p);
		n = rte_rib6_lookup_exact(rib, (void *)p.addr.bytes, (uint8_t)l);
		if (n != NULL)
			return rte_rib6_get_nh(n, hop) == 0;
	}
	return false;
}

static bool check_routes6(const struct fw_push_ground *g, uint32_t to, const struct weir_prefix *p)
{
	struct rte_rib6 *rib = rte_fib6_get_rib(g->l3->fib6);
	struct rte_rib6_node *n = NULL;
	uint8_t addr[16];
	uint32_t looked = 0;
	uint64_t hop = 0;

	memcpy(addr, p->addr.bytes, sizeof(addr));
	if (!find_route6(rib, addr, p->length, &hop) || !leads_right(g, to, hop))
		return false;
	while ((n = rte_rib6_get_nxt(rib, (void *)addr, p->length, n, RTE_RIB6_GET_NXT_ALL)) !=
	       NULL)
		if (++looked > ROUTES_MAX || rte_rib6_get_nh(n, &hop) != 0 ||
		    !leads_right(g, to, hop))
			return false;
	return true;
}

static int check_routes(const struct fw_push_ground *g, const struct fw_push_part *p,
			struct weir_why *why)
{
	const struct weir_prefix all = {.addr.family = p->rule.family};
	const uint32_t n = p->rule.dst.n_prefixes;

	for (uint32_t i = 0; i < (n == 0 ? 1 : n); i++) {
		const struct weir_prefix *to = n == 0 ? &all : &p->rule.dst.prefixes[i];
		char text[WEIR_PREFIX_TEXT];

		if (p->rule.family == 4 ? check_routes4(g, p->rule.to_zones, to)
					: check_routes6(g, p->rule.to_zones, to))
			continue;
		if (p->rule.to_zones == 0)
			return weir_why(why, -EPERM,
					"some of %s has no route, or one that is answered",
					weir_prefix_format(to, text));
		return weir_why(why, -EPERM, "not all of %s leads to the zones that it is for",
				weir_prefix_format(to, text));
	}
	return 0;
}

int fw_push_check(const struct fw_push_ground *g, const struct fw_push_part *p,
		  struct weir_why *why)
{
	int rc = check_before(g->policy->rules, p, why);

	if (rc == 0)
		rc = check_translation(g->policy->nat, p, why);
	if (rc == 0 && !g->stateless)
		rc = check_answers(g->policy, p, why);
	return rc == 0 ? check_routes(g, p, why) : rc;
}
