/* SPDX-License-Identifier: BSD-3-Clause */

/* Whether a rule of translation can be what it says it is. */

#include "nat_priv.h"

#include <errno.h>

static const char *const kinds[WEIR_NAT_KINDS] = {
	[WEIR_NAT_NONE] = "none", [WEIR_NAT_MASQUERADE] = "masquerade",
	[WEIR_NAT_SNAT] = "snat", [WEIR_NAT_CGNAT] = "cgnat",
	[WEIR_NAT_DNAT] = "dnat", [WEIR_NAT_ONE_TO_ONE] = "one-to-one",
	[WEIR_NAT_NPT6] = "npt6", [WEIR_NAT_NAT64] = "nat64",
};

/* Kinds that may stand in a list. */
#define DESTINATIONS                                                                               \
	(1 << WEIR_NAT_NONE | 1 << WEIR_NAT_DNAT | 1 << WEIR_NAT_ONE_TO_ONE | 1 << WEIR_NAT_NPT6 | \
	 1 << WEIR_NAT_NAT64)
#define SOURCES                                                               \
	(1 << WEIR_NAT_NONE | 1 << WEIR_NAT_MASQUERADE | 1 << WEIR_NAT_SNAT | \
	 1 << WEIR_NAT_CGNAT | 1 << WEIR_NAT_ONE_TO_ONE | 1 << WEIR_NAT_NPT6)

/* "translation rule NAME: WHAT" */
static int refuse(const struct weir_nat_rule *w, struct weir_why *why, const char *what)
{
	return weir_why(why, -EINVAL, "translation rule %s: %s", w->name, what);
}

static bool is_prefix(const struct weir_prefix *p)
{
	return (p->addr.family == 4 && p->length <= 32) ||
	       (p->addr.family == 6 && p->length <= 128);
}

static const char *check_pool(const struct weir_nat_rule *w)
{
	if (w->n_pool > WEIR_NAT_POOL_MAX)
		return "its pool has too many prefixes";
	for (uint32_t i = 0; i < w->n_pool; i++) {
		if (!is_prefix(&w->pool[i]))
			return "its pool has something that is no prefix";
		if (w->pool[i].addr.family != w->pool[0].addr.family)
			return "its pool has IPv4 and IPv6";
		for (uint32_t k = 0; k < i; k++)
			if (weir_prefix_contains(&w->pool[i], &w->pool[k].addr) ||
			    weir_prefix_contains(&w->pool[k], &w->pool[i].addr))
				return "prefixes of its pool overlap";
	}
	return NULL;
}

static const char *check_addrs(const struct weir_rule_addrs *as)
{
	if (as->n_countries > 0)
		return "countries are for filter rules only";
	for (uint32_t i = 0; i < as->n_prefixes; i++)
		if (!is_prefix(&as->prefixes[i]))
			return "an address is no prefix";
	return NULL;
}

static const char *check_ports(const struct weir_nat_rule *w)
{
	if (w->dports.lo != 0 && w->dports.lo > w->dports.hi)
		return "its destination ports end before they begin";
	if (w->ports.lo != 0 && w->ports.lo > w->ports.hi)
		return "its ports end before they begin";
	if ((w->dports.lo != 0 || w->to_port != 0) && w->proto != 0 && !nat_has_ports(w->proto))
		return "only TCP and UDP have ports";
	return NULL;
}

/* Whether the list names an address of the other family. */
static bool has_other_family(const struct weir_rule_addrs *as, uint8_t family)
{
	for (uint32_t i = 0; i < as->n_prefixes && !as->negate; i++)
		if (as->prefixes[i].addr.family != family)
			return true;
	return false;
}

static const char *check_dnat(const struct weir_nat_rule *w)
{
	if (w->to.family != 4 && w->to.family != 6)
		return "it has no address to translate to";
	if (has_other_family(&w->src, w->to.family) || has_other_family(&w->dst, w->to.family))
		return "its addresses and where it forwards to differ in family";
	if (w->to_port != 0 && w->dports.lo != 0 &&
	    w->to_port + (w->dports.hi - w->dports.lo) > UINT16_MAX)
		return "its ports would end above 65535";
	/* Else all that leaves would be taken back inside. */
	if (w->hairpin && (w->dst.n_prefixes + w->dst.n_sets == 0 || w->dst.negate))
		return "a hairpin needs the addresses outside as its destination";
	return NULL;
}

static const char *check_pair(const struct weir_nat_rule *w)
{
	if (w->n_pool != 1 || !is_prefix(&w->inside))
		return "it needs one prefix inside and one outside";
	if (w->inside.addr.family != w->pool[0].addr.family ||
	    w->inside.length != w->pool[0].length)
		return "its prefixes inside and outside differ in family or length";
	/* One of the last words of the address has to be free for the checksum (RFC 6296 3.5). */
	if (w->kind == WEIR_NAT_NPT6 && (w->inside.addr.family != 6 || w->inside.length > 112))
		return "its prefixes must be of IPv6, of 112 bits at most";
	return NULL;
}

static const char *check_cgnat(const struct weir_nat_rule *w)
{
	if (!is_prefix(&w->inside) || w->inside.addr.family != 4 || w->inside.length == 0)
		return "it needs a prefix of IPv4 subscribers";
	if (w->n_pool == 0 || w->pool[0].addr.family != 4)
		return "it needs a pool of IPv4 addresses";
	return w->block == 0 ? "it needs the size of a block of ports" : NULL;
}

static const char *check_nat64(const struct weir_nat_rule *w)
{
	const uint8_t bits = w->inside.length;

	if (w->inside.addr.family != 6 ||
	    (bits != 32 && bits != 40 && bits != 48 && bits != 56 && bits != 64 && bits != 96))
		return "its prefix must be of IPv6, of 32, 40, 48, 56, 64 or 96 bits (RFC 6052)";
	if (bits == 96 && w->inside.addr.bytes[8] != 0)
		return "bits 64 to 71 of its prefix must be zero (RFC 6052)";
	return w->n_pool > 0 && w->pool[0].addr.family != 4 ? "its pool must be of IPv4" : NULL;
}

static const char *check_kind(const struct weir_nat_rule *w)
{
	switch (w->kind) {
	case WEIR_NAT_SNAT:
		return w->n_pool == 0 ? "it needs a pool of addresses" : NULL;
	case WEIR_NAT_CGNAT:
		return check_cgnat(w);
	case WEIR_NAT_DNAT:
		return check_dnat(w);
	case WEIR_NAT_ONE_TO_ONE:
	case WEIR_NAT_NPT6:
		return check_pair(w);
	case WEIR_NAT_NAT64:
		return check_nat64(w);
	default:
		return NULL;
	}
}

int nat_check(const struct weir_nat_rule *w, bool source, struct weir_why *why)
{
	const char *wrong;

	if ((unsigned)w->kind >= WEIR_NAT_KINDS)
		return refuse(w, why, "there is no such kind");
	if (!((source ? SOURCES : DESTINATIONS) >> w->kind & 1))
		return weir_why(why, -EINVAL, "translation rule %s: %s is no rule for %s", w->name,
				kinds[w->kind], source ? "sources" : "destinations");
	wrong = check_addrs(&w->src);
	if (wrong == NULL)
		wrong = check_addrs(&w->dst);
	if (wrong == NULL)
		wrong = check_ports(w);
	if (wrong == NULL)
		wrong = check_pool(w);
	if (wrong == NULL)
		wrong = check_kind(w);
	return wrong == NULL ? 0 : refuse(w, why, wrong);
}

static bool ports_overlap(const struct nat_rule *a, const struct nat_rule *b)
{
	return a->port_lo < b->port_lo + b->port_n && b->port_lo < a->port_lo + a->port_n;
}

static bool pools_overlap(const struct nat_rule *a, const struct nat_rule *b)
{
	uint32_t number;

	for (uint32_t i = 0; i < a->n_pool; i++)
		if (nat_pool_find(b, a->pool[i].base, &number))
			return true;
	for (uint32_t i = 0; i < b->n_pool; i++)
		if (nat_pool_find(a, b->pool[i].base, &number))
			return true;
	return false;
}

int nat_check_blocks(const struct weir_nat *nat, struct weir_why *why)
{
	for (uint32_t i = nat->n_destination; i < nat->n; i++) {
		const struct nat_rule *a = &nat->rules[i];

		for (uint32_t k = nat->n_destination; k < i && a->kind == WEIR_NAT_CGNAT; k++) {
			const struct nat_rule *b = &nat->rules[k];

			if (b->kind == WEIR_NAT_CGNAT && ports_overlap(a, b) && pools_overlap(a, b))
				return weir_why(
					why, -EINVAL,
					"translation rules %s and %s: their pools overlap, so "
					"that a block of ports could be of two subscribers",
					b->name, a->name);
		}
	}
	return 0;
}
