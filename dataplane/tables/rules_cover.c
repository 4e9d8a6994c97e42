/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Whether a rule matches all that another one does. In doubt it does not: a negated list covers
 * only negated ones that leave out more, a set only itself, and ranges do not cover together.
 */

#include "rules_check_priv.h"

unsigned rules_families(const struct weir_rule *r)
{
	unsigned families = 0;
	uint8_t unused[3];

	for (uint8_t family = 4; family <= 6; family += 2)
		if ((r->family == 0 || r->family == family) &&
		    rules_lists_possible(&r->src, family) &&
		    rules_lists_possible(&r->dst, family) && rules_protos(r, family, unused) > 0)
			families |= rules_family_bit(family);
	return families;
}

uint32_t rules_zones(const struct weir_rules *rs, uint32_t bits)
{
	return (bits == 0 ? UINT32_MAX : bits) & UINT32_MAX >> (WEIR_ZONES_MAX - rs->zones);
}

bool rules_has_zones(const struct weir_rules *rs, uint32_t rule)
{
	const struct weir_rule *r = &rs->rules[rule];

	return rules_zones(rs, r->from_zones) != 0 && rules_zones(rs, r->to_zones) != 0;
}

static bool ports_cover(const struct weir_range *big, uint32_t n_big,
			const struct weir_range *small, uint32_t n_small)
{
	if (n_big == 0)
		return true;
	if (n_small == 0) /* it matches later fragments, which have none */
		return false;
	for (uint32_t i = 0; i < n_small; i++) {
		uint32_t k = 0;

		while (k < n_big && (big[k].lo > small[i].lo || big[k].hi < small[i].hi))
			k++;
		if (k == n_big)
			return false;
	}
	return true;
}

static bool protos_cover(const struct weir_rule *big, const struct weir_rule *small, uint8_t family)
{
	uint8_t b[3] = {0}, s[3] = {0};
	const unsigned n_big = rules_protos(big, family, b);
	const unsigned n_small = rules_protos(small, family, s);

	for (unsigned i = 0; i < n_small; i++) {
		unsigned k = 0;

		while (k < n_big && b[k] != 0 && b[k] != s[i])
			k++;
		if (k == n_big)
			return false;
	}
	return true;
}

bool rules_has_prefix(const struct weir_rule_addrs *a, const struct weir_prefix *p)
{
	for (uint32_t i = 0; i < a->n_prefixes; i++)
		if (a->prefixes[i].length <= p->length &&
		    weir_prefix_contains(&a->prefixes[i], &p->addr))
			return true;
	return false;
}

/* The same of one of a list's prefixes; lists are often the same, in the same order. */
static bool has_prefix_of(const struct weir_rule_addrs *big, const struct weir_rule_addrs *small,
			  uint32_t i)
{
	const struct weir_prefix *p = &small->prefixes[i];

	if (i < big->n_prefixes && big->prefixes[i].length <= p->length &&
	    weir_prefix_contains(&big->prefixes[i], &p->addr))
		return true;
	return rules_has_prefix(big, p);
}

/* Whether each element of `small` is in one of `big`, those of other families apart. */
static bool elements_cover(const struct weir_rule_addrs *big, const struct weir_rule_addrs *small,
			   unsigned families)
{
	for (uint32_t i = 0; i < small->n_prefixes; i++)
		if ((rules_family_bit(small->prefixes[i].addr.family) & families) != 0 &&
		    !has_prefix_of(big, small, i))
			return false;
	for (uint32_t i = 0; i < small->n_sets; i++) {
		uint32_t k = 0;

		while (k < big->n_sets && big->sets[k] != small->sets[i])
			k++;
		if (k == big->n_sets)
			return false;
	}
	for (uint32_t i = 0; i < small->n_countries; i++) {
		uint32_t k = 0;

		while (k < big->n_countries && big->countries[k] != small->countries[i])
			k++;
		if (k == big->n_countries)
			return false;
	}
	return true;
}

/* Whether all addresses of these families are in its prefixes. */
static bool is_all(const struct weir_rule_addrs *a, unsigned families)
{
	if (a->n_prefixes + a->n_sets + a->n_countries == 0)
		return true;
	for (uint32_t i = 0; i < a->n_prefixes; i++)
		if (a->prefixes[i].length == 0)
			families &= ~rules_family_bit(a->prefixes[i].addr.family);
	return families == 0 && !a->negate;
}

bool rules_addrs_cover(const struct weir_rule_addrs *big, const struct weir_rule_addrs *small,
		       unsigned families)
{
	if (is_all(big, families))
		return true;
	if (small->n_prefixes + small->n_sets + small->n_countries == 0 ||
	    big->negate != small->negate)
		return false;
	if (big->negate)
		return elements_cover(small, big, families);
	return elements_cover(big, small, families);
}

/* A rule that accepts an application also matches as long as none is known. */
bool rules_apps_cover(const struct weir_rule *big, const struct weir_rule *small)
{
	return big->app == 0 || (big->app == small->app && (big->action == WEIR_ACTION_ACCEPT ||
							    small->action != WEIR_ACTION_ACCEPT));
}

static bool details_cover(const struct weir_rule *big, const struct weir_rule *small)
{
	return (big->icmp_type < 0 || big->icmp_type == small->icmp_type) &&
	       (big->icmp_code < 0 || big->icmp_code == small->icmp_code) &&
	       (big->tcp_mask & ~small->tcp_mask) == 0 &&
	       (small->tcp_flags & big->tcp_mask) == big->tcp_flags &&
	       (big->vlan == 0 || big->vlan == small->vlan) &&
	       (big->dscp < 0 || big->dscp == small->dscp) && rules_apps_cover(big, small);
}

bool rules_covers_rule(const struct weir_rules *rs, const struct weir_rule *big,
		       const struct weir_rule *small)
{
	unsigned families;

	if (!ports_cover(big->dports, big->n_dports, small->dports, small->n_dports) ||
	    !ports_cover(big->sports, big->n_sports, small->sports, small->n_sports) ||
	    !details_cover(big, small) ||
	    (rules_zones(rs, small->from_zones) & ~rules_zones(rs, big->from_zones)) != 0 ||
	    (rules_zones(rs, small->to_zones) & ~rules_zones(rs, big->to_zones)) != 0)
		return false;
	families = rules_families(small);
	for (uint8_t family = 4; family <= 6; family += 2)
		if ((families & rules_family_bit(family)) != 0 &&
		    ((big->family != 0 && big->family != family) ||
		     !protos_cover(big, small, family)))
			return false;
	return rules_addrs_cover(&big->src, &small->src, families) &&
	       rules_addrs_cover(&big->dst, &small->dst, families);
}

bool rules_covers(const struct weir_rules *rs, uint32_t big_rule, uint32_t small_rule)
{
	return rules_covers_rule(rs, &rs->rules[big_rule], &rs->rules[small_rule]);
}
