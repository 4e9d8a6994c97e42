/* SPDX-License-Identifier: BSD-3-Clause */

/* Rules of translation, from what is written to what workers read. */

#include "nat_priv.h"

#include <errno.h>
#include <stdlib.h>

/* Ports if a rule names none: those that anybody may use (RFC 6335 section 6). */
#define PORT_HI 65535

static void compile_prefix(const struct weir_prefix *from, struct nat_prefix *to)
{
	const struct weir_prefix net = weir_prefix_network(from);
	uint8_t mask[16] = {0};

	for (unsigned i = 0; i < from->length; i++)
		mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
	memcpy(to->value, net.addr.bytes, sizeof(to->value));
	memcpy(to->mask, mask, sizeof(to->mask));
	to->family = from->addr.family;
}

static int compile_addrs(const struct weir_rule_addrs *from, struct nat_addrs *to)
{
	to->negate = from->negate;
	if (from->n_prefixes > 0) {
		to->prefixes = calloc(from->n_prefixes, sizeof(*to->prefixes));
		if (to->prefixes == NULL)
			return -ENOMEM;
	}
	if (from->n_sets > 0) {
		to->sets = calloc(from->n_sets, sizeof(*to->sets));
		if (to->sets == NULL)
			return -ENOMEM;
	}
	for (; to->n_prefixes < from->n_prefixes; to->n_prefixes++)
		compile_prefix(&from->prefixes[to->n_prefixes], &to->prefixes[to->n_prefixes]);
	for (; to->n_sets < from->n_sets; to->n_sets++)
		to->sets[to->n_sets] = from->sets[to->n_sets];
	return 0;
}

/* Addresses of a prefix that a pool uses. */
static uint32_t part_addrs(const struct weir_prefix *p)
{
	const unsigned host_bits = (p->addr.family == 4 ? 32u : 128u) - p->length;

	return host_bits < 24 ? UINT32_C(1) << host_bits : POOL_PART_MAX;
}

static int compile_pool(const struct weir_nat_rule *w, struct nat_rule *r)
{
	if (w->n_pool == 0)
		return 0;
	r->pool = calloc(w->n_pool, sizeof(*r->pool));
	if (r->pool == NULL)
		return -ENOMEM;
	r->pool_family = w->pool[0].addr.family;
	for (; r->n_pool < w->n_pool; r->n_pool++) {
		const struct weir_prefix net = weir_prefix_network(&w->pool[r->n_pool]);
		struct nat_pool_part *part = &r->pool[r->n_pool];

		memcpy(part->base, net.addr.bytes, sizeof(part->base));
		part->first = r->n_addrs;
		part->n = part_addrs(&net);
		r->n_addrs += part->n; /* 2^8 parts of 2^24: UINT32_MAX is not reached, nearly */
	}
	return 0;
}
static_assert((uint64_t)(WEIR_NAT_POOL_MAX - 1) * POOL_PART_MAX < UINT32_MAX,
	      "pools can be counted");

/* The last 32 bits of an address, host order. */
static uint32_t last_word(const uint8_t addr[16], uint8_t family)
{
	uint32_t word;

	memcpy(&word, addr + (family == 4 ? 0 : 12), sizeof(word));
	return ntohl(word);
}

void nat_pool_at(const struct nat_rule *r, uint32_t number, uint8_t out[16])
{
	const struct nat_pool_part *part = r->pool;
	uint32_t word;

	while (number - part->first >= part->n)
		part++;
	memcpy(out, part->base, sizeof(part->base));
	word = htonl(last_word(part->base, r->pool_family) + (number - part->first));
	memcpy(out + (r->pool_family == 4 ? 0 : 12), &word, sizeof(word));
}

bool nat_pool_find(const struct nat_rule *r, const uint8_t addr[16], uint32_t *number)
{
	const uint32_t word = last_word(addr, r->pool_family);

	for (uint32_t i = 0; i < r->n_pool; i++) {
		const struct nat_pool_part *part = &r->pool[i];
		const uint32_t base = last_word(part->base, r->pool_family);

		if ((r->pool_family == 6 && memcmp(addr, part->base, 12) != 0) || word < base ||
		    word - base >= part->n)
			continue;
		*number = part->first + (word - base);
		return true;
	}
	return false;
}

/* The family of packets that a rule can be for; 0: both. */
static uint8_t family_of(const struct weir_nat_rule *w, const struct nat_rule *r)
{
	switch (w->kind) {
	case WEIR_NAT_DNAT:
		return w->to.family;
	case WEIR_NAT_SNAT:
		return r->pool_family;
	case WEIR_NAT_CGNAT:
	case WEIR_NAT_ONE_TO_ONE:
	case WEIR_NAT_NPT6:
	case WEIR_NAT_NAT64:
		return w->inside.addr.family;
	default:
		return 0;
	}
}

static int compile_rule(const struct weir_nat_rule *w, struct nat_rule *r, struct weir_why *why)
{
	r->kind = w->kind;
	r->proto = w->proto;
	r->dports = w->dports;
	r->endpoint_independent = w->endpoint_independent;
	r->hairpin = w->kind == WEIR_NAT_DNAT && w->hairpin;
	r->from_zones = w->from_zones;
	r->port_lo = w->ports.lo != 0 ? w->ports.lo : NAT_PORT_LO;
	r->port_n = (w->ports.lo != 0 ? w->ports.hi : PORT_HI) - r->port_lo + UINT32_C(1);
	r->to = w->to;
	r->to_port = w->to_port;
	r->nat64 = w->inside;
	r->name = strdup(w->name);
	if (r->name == NULL || compile_addrs(&w->src, &r->src) < 0 ||
	    compile_addrs(&w->dst, &r->dst) < 0 || compile_pool(w, r) < 0)
		return weir_why(why, -ENOMEM, "translation: out of memory");
	r->family = family_of(w, r);
	if (w->inside.addr.family != 0)
		compile_prefix(&w->inside, &r->inside);
	if (w->kind == WEIR_NAT_ONE_TO_ONE || w->kind == WEIR_NAT_NPT6)
		compile_prefix(&w->pool[0], &r->outside);
	if (w->kind == WEIR_NAT_NPT6) {
		r->npt_bits = w->inside.length;
		nat_npt6_compile(r);
	}
	return w->kind == WEIR_NAT_CGNAT ? nat_blocks_compile(r, w, why) : 0;
}

static int compile_list(struct weir_nat *nat, const struct weir_nat_rule *list, uint32_t n,
			bool source, struct weir_why *why)
{
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t at = nat->n;
		int rc = nat_check(&list[i], source, why);

		nat->n++; /* what compile_rule() leaves half done is freed too */
		if (rc == 0)
			rc = compile_rule(&list[i], &nat->rules[at], why);
		if (rc < 0)
			return rc;
		nat->zones[at].from = nat->rules[at].hairpin ? 0 : list[i].from_zones;
		nat->zones[at].to = source ? list[i].to_zones : 0;
	}
	return 0;
}

int weir_nat_compile(const struct weir_nat_conf *conf, struct weir_nat **out, struct weir_why *why)
{
	struct weir_nat *nat;
	uint32_t n;
	int rc;

	if (conf->n_destination > WEIR_NAT_RULES_MAX ||
	    conf->n_source > WEIR_NAT_RULES_MAX - conf->n_destination)
		return weir_why(why, -ENOSPC, "translation: more than %u rules",
				WEIR_NAT_RULES_MAX);
	n = conf->n_destination + conf->n_source;
	nat = calloc(1, sizeof(*nat));
	if (nat == NULL)
		return weir_why(why, -ENOMEM, "translation: out of memory");
	nat->rules = calloc(n > 0 ? n : 1, sizeof(*nat->rules));
	nat->zones = calloc(n > 0 ? n : 1, sizeof(*nat->zones));
	if (nat->rules == NULL || nat->zones == NULL) {
		rc = weir_why(why, -ENOMEM, "translation: out of memory");
		goto err;
	}
	rc = compile_list(nat, conf->destination, conf->n_destination, false, why);
	nat->n_destination = conf->n_destination;
	if (rc == 0)
		rc = compile_list(nat, conf->source, conf->n_source, true, why);
	if (rc == 0)
		rc = nat_check_blocks(nat, why);
	if (rc < 0)
		goto err;
	*out = nat;
	return 0;
err:
	weir_nat_free(nat);
	return rc;
}

static void free_addrs(struct nat_addrs *as)
{
	free(as->prefixes);
	free(as->sets);
}

void weir_nat_free(struct weir_nat *nat)
{
	if (nat == NULL)
		return;
	for (uint32_t i = 0; nat->rules != NULL && i < nat->n; i++) {
		free_addrs(&nat->rules[i].src);
		free_addrs(&nat->rules[i].dst);
		free(nat->rules[i].pool);
		free(nat->rules[i].name);
	}
	free(nat->rules);
	free(nat->zones);
	free(nat);
}

const char *weir_nat_name(const struct weir_nat *nat, uint32_t rule)
{
	return rule < nat->n ? nat->rules[rule].name : NULL;
}

uint32_t weir_nat_count(const struct weir_nat *nat)
{
	return nat->n;
}
