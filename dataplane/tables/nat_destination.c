/* SPDX-License-Identifier: BSD-3-Clause */

/* Where a new flow goes: port forwards, prefixes for prefixes, NAT64, mappings. */

#include "nat_priv.h"

/* An IPv4 address that one host can have: not this network, loopback, a group or class E. */
static bool is_host4(const uint8_t addr[4])
{
	return addr[0] != 0 && addr[0] != 127 && addr[0] < 224;
}

static bool to_ip4(const struct nat_rule *r, struct weir_nat_asker *a, struct weir_tuple *t)
{
	struct weir_tuple v4 = {.sport = t->sport,
				.dport = t->dport,
				.proto = nat_other_proto(t->proto),
				.family = 4,
				.vrf = t->vrf};

	if (!weir_nat64_extract(&r->nat64, t->dst, v4.dst))
		return false;
	if (t->proto == IPPROTO_ICMPV6) /* RFC 7915 section 5.2: only echo goes across */
		v4.dport = htons(8);
	/* RFC 6146 section 3.8: to a neighbour inside by its address outside. */
	if (a->maps != NULL && nat_map_inwards(a->maps, &v4) && v4.family == 6)
		memset(v4.src, 0, sizeof(v4.src));
	*t = v4;
	return true;
}

static bool apply(const struct nat_rule *r, struct weir_nat_asker *a, struct weir_tuple *t)
{
	const struct weir_tuple was = *t;

	switch (r->kind) {
	case WEIR_NAT_DNAT:
		memcpy(t->dst, r->to.bytes, sizeof(t->dst));
		if (r->to_port != 0 && nat_has_ports(t->proto))
			t->dport =
				htons((uint16_t)(r->to_port +
						 (r->dports.lo != 0 ? ntohs(t->dport) - r->dports.lo
								    : 0)));
		return memcmp(t->dst, was.dst, sizeof(t->dst)) != 0 || t->dport != was.dport;
	case WEIR_NAT_ONE_TO_ONE:
		nat_move(&r->inside, t->dst);
		return true;
	case WEIR_NAT_NPT6:
		return nat_npt6(r, false, t->dst);
	case WEIR_NAT_NAT64:
		return to_ip4(r, a, t);
	default:
		return false;
	}
}

/* What a kind itself says about a destination. */
static bool is_for(const struct nat_rule *r, const struct weir_tuple *t)
{
	uint8_t v4[4];

	switch (r->kind) {
	case WEIR_NAT_ONE_TO_ONE:
	case WEIR_NAT_NPT6:
		return nat_contains(&r->outside, t->dst);
	case WEIR_NAT_NAT64:
		return weir_nat64_extract(&r->nat64, t->dst, v4) && is_host4(v4);
	default:
		return true;
	}
}

bool weir_nat_destination(const struct weir_nat *nat, struct weir_nat_asker *a, uint8_t from,
			  struct weir_tuple *t, uint32_t *rule)
{
	for (uint32_t i = 0; i < nat->n_destination; i++) {
		const struct nat_rule *r = &nat->rules[i];

		if (!nat_zones_match(&nat->zones[i], from, WEIR_ZONES_MAX) ||
		    !nat_match(r, t, t->src, t->dst, a->now_s) || !is_for(r, t))
			continue;
		*rule = i;
		return apply(r, a, t);
	}
	*rule = WEIR_RULE_DEFAULT;
	return a->maps != NULL && nat_map_inwards(a->maps, t);
}
