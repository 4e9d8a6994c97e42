/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Interfaces and their addresses: from the configuration to what may be used now.
 */

#include "autoconf_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const autoconf_state_names[AUTOCONF_STATES] = {"tentative", "optimistic", "preferred",
							   "deprecated", "duplicate"};

enum autoconf_state autoconf_state(const struct autoconf_addr *a)
{
	if (a->phase == AUTOCONF_PROBING)
		return a->optimistic ? AUTOCONF_OPTIMISTIC : AUTOCONF_TENTATIVE;
	if (a->phase == AUTOCONF_DUPLICATE)
		return AUTOCONF_GONE;
	return a->deprecated ? AUTOCONF_DEPRECATED : AUTOCONF_PREFERRED;
}

unsigned autoconf_count(const struct autoconf *ac, enum autoconf_state state)
{
	unsigned n = 0;

	for (uint16_t i = 0; i < ac->n; i++)
		for (uint8_t k = 0; k < ac->iface[i].n_addrs; k++)
			n += autoconf_state(&ac->iface[i].addr[k]) == state;
	return n;
}

struct autoconf_iface *autoconf_find(struct autoconf *ac, const char *name)
{
	for (uint16_t i = 0; ac != NULL && i < ac->n; i++)
		if (strcmp(ac->iface[i].name, name) == 0)
			return &ac->iface[i];
	return NULL;
}

struct autoconf_addr *autoconf_find_addr(struct autoconf_iface *f, const struct weir_addr *addr)
{
	for (uint8_t k = 0; f != NULL && k < f->n_addrs; k++)
		if (weir_addr_equal(&f->addr[k].prefix.addr, addr))
			return &f->addr[k];
	return NULL;
}

/* As it was; a duplicate is asked for again, and not used before the answer. */
static void keep(struct autoconf *ac, const struct autoconf_rules *rules, struct autoconf_addr *a,
		 const struct autoconf_addr *was, uint64_t now_ns)
{
	const struct weir_prefix prefix = a->prefix;

	*a = *was;
	a->prefix = prefix;
	a->learnt = a->deprecated = false; /* the configuration has it now */
	if (rules->probes == 0 || was->phase == AUTOCONF_DUPLICATE)
		dad_begin(ac, rules, a, false, now_ns);
}

static void add(struct autoconf *ac, struct autoconf_iface *f, struct autoconf_iface *was,
		const struct weir_prefix *prefix, uint64_t now_ns)
{
	const struct autoconf_addr *known = autoconf_find_addr(was, &prefix->addr);
	struct autoconf_addr *a = &f->addr[f->n_addrs++];

	a->prefix = *prefix;
	if (known != NULL)
		keep(ac, &f->rules, a, known, now_ns);
	else
		dad_begin(ac, &f->rules, a, f->rules.optimistic, now_ns);
}

static void fill(struct autoconf *ac, struct autoconf_iface *f, struct autoconf_iface *was,
		 const struct weir_iface *conf, uint64_t now_ns)
{
	const struct weir_prefix link_local = {.addr = weir_link_local(conf->mac), .length = 64};

	memcpy(f->name, conf->name, sizeof(f->name));
	memcpy(f->mac.bytes, conf->mac, sizeof(f->mac.bytes));
	if (was != NULL && memcmp(&was->mac, &f->mac, sizeof(f->mac)) != 0)
		was = NULL; /* another station: nothing is known of it */
	add(ac, f, was, &link_local, now_ns);
	for (uint8_t k = 0; k < conf->n_addrs; k++)
		if (autoconf_find_addr(f, &conf->addr[k].addr) == NULL)
			add(ac, f, was, &conf->addr[k], now_ns);
	f->solicit_ns = UINT64_MAX;
	if (f->rules.slaac && was != NULL && was->rules.slaac)
		slaac_keep(f, was);
	else if (f->rules.slaac)
		slaac_begin(ac, f, now_ns);
}

int autoconf_create(const struct autoconf *before, const struct weir_siphash_key *key,
		    const struct weir_siphash_key *secret, const struct weir_iface *ifaces,
		    const struct autoconf_rules *rules, uint16_t n, uint64_t now_ns,
		    struct autoconf **out)
{
	struct autoconf *ac = calloc(1, sizeof(*ac) + n * sizeof(ac->iface[0]));

	if (ac == NULL)
		return -ENOMEM;
	ac->key = *key;
	ac->secret = *secret;
	if (before != NULL) {
		ac->drawn = before->drawn;
		ac->counters = before->counters;
	}
	for (; ac->n < n; ac->n++) {
		ac->iface[ac->n].rules = rules[ac->n];
		fill(ac, &ac->iface[ac->n],
		     autoconf_find((struct autoconf *)(uintptr_t)before, ifaces[ac->n].name),
		     &ifaces[ac->n], now_ns);
	}
	*out = ac;
	return 0;
}

void autoconf_free(struct autoconf *ac)
{
	free(ac);
}

static bool is_used(const struct autoconf_addr *a)
{
	return a->phase == AUTOCONF_GOOD || (a->phase == AUTOCONF_PROBING && a->optimistic);
}

static uint8_t flags_of(const struct autoconf_addr *a)
{
	return (uint8_t)((a->phase == AUTOCONF_PROBING ? WEIR_ADDR_OPTIMISTIC : 0) |
			 (a->deprecated ? WEIR_ADDR_DEPRECATED : 0));
}

/*
 * An address that may not be used leaves its subnet on the link. That of one that was learnt is
 * there if routers say so, by itself (RFC 5942).
 */
static void put(struct weir_iface *f, const struct autoconf_addr *a)
{
	if (is_used(a)) {
		f->addr_flags[f->n_addrs] = flags_of(a);
		f->addr[f->n_addrs] = a->prefix;
		if (a->learnt)
			f->addr[f->n_addrs].length = 128;
		f->n_addrs++;
		return;
	}
	if (!a->learnt)
		f->onlink[f->n_onlink++] = weir_prefix_network(&a->prefix);
	if (a->phase == AUTOCONF_PROBING)
		f->tentative[f->n_tentative++] = a->prefix.addr;
}

static void put_link_local(struct weir_iface *f, const struct autoconf_addr *a)
{
	f->no_link_local = !is_used(a);
	f->link_local_flags = flags_of(a);
	if (!is_used(a) && a->phase == AUTOCONF_PROBING)
		f->tentative[f->n_tentative++] = a->prefix.addr;
}

void autoconf_dress(const struct autoconf *ac, struct weir_iface *f)
{
	const struct autoconf_iface *i = autoconf_find((struct autoconf *)(uintptr_t)ac, f->name);

	if (i == NULL)
		return;
	f->watched = i->rules.probes > 0;
	f->slaac = i->rules.slaac;
	if (i->mtu_bytes != 0 && i->mtu_bytes < f->mtu)
		f->mtu = i->mtu_bytes;
	f->n_addrs = 0;
	put_link_local(f, &i->addr[0]);
	for (uint8_t k = 1; k < i->n_addrs; k++)
		put(f, &i->addr[k]);
	for (uint8_t k = 0; k < i->n_onlink; k++)
		f->onlink[f->n_onlink++] = i->onlink[k].prefix;
}

void autoconf_heard(struct autoconf *ac, struct autoconf_iface *f, const struct neigh_notice *n,
		    const struct autoconf_door *door, uint64_t now_ns)
{
	struct autoconf_addr *a = autoconf_find_addr(f, &n->addr);

	if (a == NULL)
		return;
	dad_heard(ac, f, a, n, door, now_ns);
	slaac_again(ac, f, a, now_ns);
}

void autoconf_run(struct autoconf *ac, const struct autoconf_door *door, uint64_t now_ns)
{
	for (uint16_t i = 0; i < ac->n; i++) {
		struct autoconf_iface *f = &ac->iface[i];

		for (uint8_t k = 0; k < f->n_addrs; k++)
			dad_run(ac, f, &f->addr[k], door, now_ns);
		if (f->rules.slaac)
			slaac_run(ac, f, door, now_ns);
	}
}
