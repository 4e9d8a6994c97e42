/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Random rules, and packets: any, or aimed at a rule, in each of its fields inside or at the
 * border. Addresses are of few networks, so that rules overlap as those of people do.
 */

#include "toy_rules.h"

#include <stdlib.h>
#include <weir/bucket.h>
#include <weir/set.h>

#define SETS	 6
#define SETS_MAX 100 /* of a crowded world */

static uint64_t state; /* of the lots; a test sets it, not to 0 */

static inline uint32_t lot(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 32) * below >> 32);
}

static inline bool one_in(uint32_t n)
{
	return lot(n) == 0;
}

/* Rules point into these, so that freeing them is one call. */
struct world {
	uint8_t family;
	struct weir_rule *rules;
	uint32_t n;
	uint32_t n_sets;
	bool crowded; /* many sets, counting rules and limits, between all zones alike */
	struct weir_prefix (*prefixes)[2][24];
	struct weir_range (*ranges)[2][3];
	const struct weir_set *sets[SETS_MAX];
	char (*names)[16];
};

/* Few networks, so that rules overlap as those of people do. */
static inline struct weir_prefix random_prefix(uint8_t family)
{
	static const uint8_t lengths4[] = {8, 16, 20, 24, 24, 28, 32, 32};
	static const uint8_t lengths6[] = {32, 40, 48, 56, 64, 64, 100, 128};
	struct weir_prefix p = {.addr.family = family};
	uint8_t *b = p.addr.bytes;

	if (family == 4) {
		b[0] = (uint8_t)(10 + lot(3));
		b[1] = (uint8_t)lot(4);
		b[2] = (uint8_t)lot(16);
		b[3] = (uint8_t)lot(256);
		p.length = lengths4[lot(8)];
	} else {
		b[0] = 0x20;
		b[1] = (uint8_t)lot(2);
		b[4] = (uint8_t)lot(4);
		b[5] = (uint8_t)lot(4);
		b[7] = (uint8_t)lot(16);
		b[12] = (uint8_t)lot(8);
		b[15] = (uint8_t)lot(256);
		p.length = lengths6[lot(8)];
	}
	return p;
}

static inline void random_addrs(struct world *w, struct weir_rule_addrs *a,
				struct weir_prefix room[24])
{
	const uint32_t any = w->n > 300 ? 100 : 4; /* else few packets get to the last rules */
	const uint32_t n = one_in(any) ? 0 : one_in(20) ? 17 + lot(8) : one_in(8) ? 1 + lot(4) : 1;

	for (uint32_t i = 0; i < n; i++)
		room[i] = random_prefix(one_in(30) ? 10 - w->family : w->family);
	for (uint32_t i = 0; i < n && w->n > 300; i++)
		if (room[i].length < (room[i].addr.family == 4 ? 24 : 64))
			room[i].length += 12;
	a->prefixes = room;
	a->n_prefixes = n;
	/* Else there are soon more lists that are looked up than there may be. */
	a->negate = one_in(w->n > 300 ? 1000 : 25);
	if (one_in(w->crowded ? 2 : 12)) {
		const uint32_t first = lot(w->n_sets);

		if (w->n > 300)
			a->n_prefixes = 0;
		a->sets = &w->sets[first];
		a->n_sets = 1 + lot(first + 1 < w->n_sets ? 2 : 1);
	}
}

static inline uint32_t random_ranges(struct weir_range room[3])
{
	const uint32_t n = one_in(6) ? 1 + lot(3) : 1;

	for (uint32_t i = 0; i < n; i++) {
		room[i].lo = (uint16_t)(one_in(2) ? lot(1024) : lot(65536));
		room[i].hi = one_in(2) ? room[i].lo
				       : (uint16_t)(room[i].lo + lot(65536u - room[i].lo));
	}
	return n;
}

static inline void random_details(struct weir_rule *r)
{
	if (one_in(15)) {
		r->icmp_type = (int16_t)(lot(16) - 1);
		r->icmp_code = (int16_t)(lot(4) - 1);
	}
	if (one_in(15)) {
		r->tcp_mask = (uint8_t)lot(256);
		r->tcp_flags = (uint8_t)(r->tcp_mask & lot(256));
	}
	if (one_in(20))
		r->vlan = (uint16_t)(1 + lot(3));
	if (one_in(20))
		r->dscp = (int8_t)lot(4);
	if (one_in(12))
		r->app = (uint8_t)(1 + lot(3));
	if (one_in(100))
		r->from_zones = 1 + lot(15);
	if (one_in(100))
		r->to_zones = 1 + lot(15);
	if (one_in(20))
		r->family = one_in(2) ? 4 : 6;
}

/* A limit that a test does not exceed. */
static inline void random_limit(struct weir_rule *r, uint32_t slot)
{
	r->limit = (enum weir_limit_per)lot(WEIR_LIMITS);
	r->limit_pps = WEIR_BUCKET_RATE_MAX;
	r->limit_burst = WEIR_BUCKET_BURST_MAX;
	r->slot = slot;
}

static inline void random_rule(struct world *w, uint32_t i, uint32_t passes)
{
	static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP,    IPPROTO_SCTP,
					 IPPROTO_GRE, IPPROTO_ICMPV6, IPPROTO_ICMP};
	struct weir_rule *r = &w->rules[i];

	snprintf(w->names[i], sizeof(w->names[i]), "r%u", i);
	*r = toy_rule(w->names[i]);
	r->action = passes > 0 && one_in(w->n / passes) ? WEIR_ACTION_COUNT
							: (enum weir_action)lot(3);
	random_addrs(w, &r->src, w->prefixes[i][0]);
	random_addrs(w, &r->dst, w->prefixes[i][1]);
	/* Else hardly a packet gets to the last rules. */
	if (r->src.n_prefixes + r->dst.n_prefixes + r->src.n_sets + r->dst.n_sets == 0)
		r->vlan = 1;
	r->proto = one_in(10) ? 0 : protos[one_in(6) ? lot(6) : lot(2)];
	r->sports = w->ranges[i][0];
	r->dports = w->ranges[i][1];
	if (one_in(8))
		r->n_sports = random_ranges(w->ranges[i][0]);
	if (one_in(2))
		r->n_dports = random_ranges(w->ranges[i][1]);
	random_details(r);
	if (!w->crowded)
		return;
	r->from_zones = r->to_zones = 0;
	if (one_in(3))
		random_limit(r, i);
}

static inline struct weir_set *random_set(uint8_t family, unsigned number)
{
	struct weir_set_conf conf = {.entries = 64, .numa = -1, .secret = {.k0 = 3, .k1 = number}};
	struct weir_set *set = NULL;
	char name[16];

	snprintf(name, sizeof(name), "set%u", number);
	conf.name = name;
	CU_ASSERT_EQUAL_FATAL(weir_set_create(&conf, &set, NULL), 0);
	for (unsigned i = 0; i < 40; i++) {
		const struct weir_prefix p = random_prefix(family);

		CU_ASSERT_EQUAL(weir_set_add(set, &p, one_in(4) ? 1 + lot(200) : WEIR_SET_FOREVER),
				0);
	}
	return set;
}

static inline void make_world_of(struct world *w, uint8_t family, uint32_t n, bool crowded)
{
	*w = (struct world){
		.family = family, .n = n, .n_sets = crowded ? SETS_MAX : SETS, .crowded = crowded};
	w->rules = calloc(n, sizeof(w->rules[0]));
	w->prefixes = calloc(n, sizeof(w->prefixes[0]));
	w->ranges = calloc(n, sizeof(w->ranges[0]));
	w->names = calloc(n, sizeof(w->names[0]));
	CU_ASSERT_FATAL(w->rules != NULL && w->prefixes != NULL && w->ranges != NULL &&
			w->names != NULL);
	for (unsigned i = 0; i < w->n_sets; i++)
		w->sets[i] = random_set(family, i);
	for (uint32_t i = 0; i < n; i++)
		random_rule(w, i, crowded ? n / 3 : 4);
}

static inline void make_world(struct world *w, uint8_t family, uint32_t n)
{
	make_world_of(w, family, n, false);
}

static inline void end_world(struct world *w)
{
	for (unsigned i = 0; i < w->n_sets; i++)
		weir_set_free((struct weir_set *)(uintptr_t)w->sets[i]);
	free(w->rules);
	free(w->prefixes);
	free(w->ranges);
	free(w->names);
}

/* An address in a prefix, its first or last, or the one next to them. */
static inline void aim_addr(const struct weir_prefix *p, uint8_t out[16])
{
	const unsigned bytes = p->addr.family == 4 ? 4 : 16, how = lot(5);

	memcpy(out, p->addr.bytes, 16);
	for (unsigned i = p->length; i < bytes * 8; i++) {
		const uint8_t bit = (uint8_t)(0x80 >> i % 8);

		if (how == 0 || (how > 1 && one_in(2)))
			out[i / 8] |= bit;
		else
			out[i / 8] &= (uint8_t)~bit;
	}
	if (how == 4 && p->length > 0)
		out[(p->length - 1) / 8] ^= (uint8_t)(0x80 >> (p->length - 1) % 8);
}

static inline void any_addr(const struct world *w, uint8_t out[16])
{
	const struct weir_prefix p = random_prefix(w->family);

	aim_addr(&p, out);
}

static inline uint16_t aim_port(const struct weir_range *ranges, uint32_t n)
{
	const struct weir_range *r = &ranges[n > 0 ? lot(n) : 0];

	if (n == 0 || one_in(20))
		return (uint16_t)lot(65536);
	switch (lot(5)) {
	case 0:
		return r->lo;
	case 1:
		return r->hi;
	case 2:
		return (uint16_t)(r->lo - 1);
	case 3:
		return (uint16_t)(r->hi + 1);
	}
	return (uint16_t)(r->lo + lot(r->hi - r->lo + 1u));
}

static inline uint8_t aim_zone(uint32_t zones)
{
	const uint8_t zone = (uint8_t)lot(4);

	return zones == 0 || one_in(10) || (zones >> zone & 1) ? zone
							       : (uint8_t)__builtin_ctz(zones);
}

static inline void aim_side(const struct world *w, const struct weir_rule_addrs *a, uint8_t out[16])
{
	const struct weir_prefix *p = a->n_prefixes > 0 ? &a->prefixes[lot(a->n_prefixes)] : NULL;

	if (p == NULL || p->addr.family != w->family)
		any_addr(w, out);
	else
		aim_addr(p, out);
}

static inline struct weir_rule_ask random_ask(const struct world *w)
{
	static const uint8_t protos[] = {IPPROTO_TCP,  IPPROTO_UDP,    IPPROTO_SCTP,
					 IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_GRE};
	struct weir_rule_ask a = {.from = (uint8_t)lot(4), .to = (uint8_t)lot(4)};

	any_addr(w, a.tuple.src);
	any_addr(w, a.tuple.dst);
	a.tuple.family = w->family;
	a.tuple.proto = protos[lot(6)];
	a.tuple.sport = htons((uint16_t)lot(65536));
	a.tuple.dport = htons((uint16_t)(one_in(2) ? lot(1024) : lot(65536)));
	a.icmp_type = (uint8_t)lot(16);
	a.icmp_code = (uint8_t)lot(4);
	a.tcp_flags = (uint8_t)lot(256);
	a.dscp = (uint8_t)lot(4);
	a.vlan = (uint16_t)lot(4);
	a.app = (uint8_t)lot(4);
	a.later = one_in(8);
	return a;
}

static inline struct weir_rule_ask aimed_ask(const struct world *w)
{
	const struct weir_rule *r = &w->rules[lot(w->n)];
	struct weir_rule_ask a = random_ask(w);

	a.from = aim_zone(r->from_zones);
	a.to = aim_zone(r->to_zones);
	aim_side(w, &r->src, a.tuple.src);
	aim_side(w, &r->dst, a.tuple.dst);
	if (r->proto != 0)
		a.tuple.proto = r->proto;
	else if (r->tcp_mask != 0)
		a.tuple.proto = IPPROTO_TCP;
	else if (r->icmp_type >= 0)
		a.tuple.proto = w->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	a.tuple.sport = htons(aim_port(r->sports, r->n_sports));
	a.tuple.dport = htons(aim_port(r->dports, r->n_dports));
	if (r->icmp_type >= 0)
		a.icmp_type = (uint8_t)r->icmp_type;
	if (r->tcp_mask != 0)
		a.tcp_flags = r->tcp_flags;
	if (r->vlan != 0)
		a.vlan = r->vlan;
	if (r->dscp >= 0)
		a.dscp = (uint8_t)r->dscp;
	if (r->app != 0 && !one_in(3))
		a.app = r->app;
	return a;
}
