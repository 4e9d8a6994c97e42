/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Whether a packet can match two rules. In doubt it can: sets, countries, TCP flags, VLANs, DSCPs
 * and applications are taken as if they had everything.
 */

#include "rules_priv.h"

static bool zones_meet(uint32_t a, uint32_t b)
{
	return a == 0 || b == 0 || (a & b) != 0;
}

static bool protos_meet(const struct weir_rule *a, const struct weir_rule *b, uint8_t family)
{
	uint8_t p[3] = {0}, q[3] = {0};
	const unsigned n = rules_protos(a, family, p), m = rules_protos(b, family, q);

	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < m; k++)
			if (p[i] == 0 || q[k] == 0 || p[i] == q[k])
				return true;
	return false;
}

static bool ports_meet(const struct weir_range *a, uint32_t n, const struct weir_range *b,
		       uint32_t m)
{
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < m; k++)
			if (a[i].lo <= b[k].hi && b[k].lo <= a[i].hi)
				return true;
	return n == 0 || m == 0;
}

static bool numbers_meet(int16_t a, int16_t b)
{
	return a < 0 || b < 0 || a == b;
}

static bool prefixes_meet(const struct weir_prefix *a, const struct weir_prefix *b)
{
	return a->length <= b->length ? weir_prefix_contains(a, &b->addr)
				      : weir_prefix_contains(b, &a->addr);
}

static bool has_prefixes_alone(const struct weir_rule_addrs *a)
{
	return a->n_sets + a->n_countries == 0;
}

/* Whether each prefix of a list of nothing else is in one of the other's. */
static bool is_within(const struct weir_rule_addrs *small, const struct weir_rule_addrs *big,
		      uint8_t family)
{
	for (uint32_t i = 0; i < small->n_prefixes; i++)
		if (small->prefixes[i].addr.family == family &&
		    !rules_has_prefix(big, &small->prefixes[i]))
			return false;
	return true;
}

static bool addrs_meet(const struct weir_rule_addrs *a, const struct weir_rule_addrs *b,
		       uint8_t family)
{
	if (a->n_prefixes + a->n_sets + a->n_countries == 0 ||
	    b->n_prefixes + b->n_sets + b->n_countries == 0)
		return true;
	if (a->negate && b->negate)
		return true;
	if (a->negate)
		return !has_prefixes_alone(b) || !is_within(b, a, family);
	if (b->negate)
		return !has_prefixes_alone(a) || !is_within(a, b, family);
	if (!has_prefixes_alone(a) || !has_prefixes_alone(b))
		return true;
	for (uint32_t i = 0; i < a->n_prefixes; i++)
		for (uint32_t k = 0; k < b->n_prefixes; k++)
			if (a->prefixes[i].addr.family == family &&
			    prefixes_meet(&a->prefixes[i], &b->prefixes[k]))
				return true;
	return false;
}

static bool meet_in(const struct weir_rule *a, const struct weir_rule *b, uint8_t family)
{
	return protos_meet(a, b, family) && addrs_meet(&a->src, &b->src, family) &&
	       addrs_meet(&a->dst, &b->dst, family);
}

bool rules_overlap(const struct weir_rule *a, const struct weir_rule *b)
{
	const unsigned families = rules_families(a) & rules_families(b);

	if (!zones_meet(a->from_zones, b->from_zones) || !zones_meet(a->to_zones, b->to_zones) ||
	    !ports_meet(a->sports, a->n_sports, b->sports, b->n_sports) ||
	    !ports_meet(a->dports, a->n_dports, b->dports, b->n_dports) ||
	    !numbers_meet(a->icmp_type, b->icmp_type) || !numbers_meet(a->icmp_code, b->icmp_code))
		return false;
	return ((families & rules_family_bit(4)) && meet_in(a, b, 4)) ||
	       ((families & rules_family_bit(6)) && meet_in(a, b, 6));
}
