/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Random rules against the slow matcher. Half of the packets are random, half are aimed at a rule:
 * in each of its fields inside, or at the border. WEIR_TEST_LONG=1: 10,000 rules, a million
 * packets.
 */

#include "toy_rules.h"

#include <inttypes.h>
#include <stdlib.h>
#include <weir/set.h>

#define BURST 64
#define SETS  6

static uint64_t state;

static uint32_t lot(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 32) * below >> 32);
}

static bool one_in(uint32_t n)
{
	return lot(n) == 0;
}

/* Rules point into these, so that freeing them is one call. */
struct world {
	uint8_t family;
	struct weir_rule *rules;
	uint32_t n;
	struct weir_prefix (*prefixes)[2][24];
	struct weir_range (*ranges)[2][3];
	const struct weir_set *sets[SETS];
	char (*names)[16];
};

/* Few networks, so that rules overlap as those of people do. */
static struct weir_prefix random_prefix(uint8_t family)
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

static void random_addrs(struct world *w, struct weir_rule_addrs *a, struct weir_prefix room[24])
{
	const uint32_t n = one_in(4) ? 0 : one_in(20) ? 17 + lot(8) : one_in(4) ? 1 + lot(5) : 1;

	for (uint32_t i = 0; i < n; i++)
		room[i] = random_prefix(one_in(30) ? 10 - w->family : w->family);
	a->prefixes = room;
	a->n_prefixes = n;
	a->negate = one_in(25);
	if (one_in(12)) {
		const uint32_t first = lot(SETS);

		a->sets = &w->sets[first];
		a->n_sets = 1 + lot(first + 1 < SETS ? 2 : 1);
	}
}

static uint32_t random_ranges(struct weir_range room[3])
{
	const uint32_t n = one_in(3) ? 1 + lot(3) : 1;

	for (uint32_t i = 0; i < n; i++) {
		room[i].lo = (uint16_t)(one_in(2) ? lot(1024) : lot(65536));
		room[i].hi = one_in(2) ? room[i].lo
				       : (uint16_t)(room[i].lo + lot(65536u - room[i].lo));
	}
	return n;
}

static void random_details(struct weir_rule *r)
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
	if (one_in(40))
		r->from_zones = 1 + lot(15);
	if (one_in(40))
		r->to_zones = 1 + lot(15);
	if (one_in(20))
		r->family = one_in(2) ? 4 : 6;
}

static void random_rule(struct world *w, uint32_t i, uint32_t passes)
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
	r->proto = one_in(5) ? 0 : protos[one_in(6) ? lot(6) : lot(2)];
	r->sports = w->ranges[i][0];
	r->dports = w->ranges[i][1];
	if (one_in(8))
		r->n_sports = random_ranges(w->ranges[i][0]);
	if (one_in(2))
		r->n_dports = random_ranges(w->ranges[i][1]);
	random_details(r);
}

static struct weir_set *random_set(uint8_t family, unsigned number)
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

static void make_world(struct world *w, uint8_t family, uint32_t n)
{
	*w = (struct world){.family = family, .n = n};
	w->rules = calloc(n, sizeof(w->rules[0]));
	w->prefixes = calloc(n, sizeof(w->prefixes[0]));
	w->ranges = calloc(n, sizeof(w->ranges[0]));
	w->names = calloc(n, sizeof(w->names[0]));
	CU_ASSERT_FATAL(w->rules != NULL && w->prefixes != NULL && w->ranges != NULL &&
			w->names != NULL);
	for (unsigned i = 0; i < SETS; i++)
		w->sets[i] = random_set(family, i);
	for (uint32_t i = 0; i < n; i++)
		random_rule(w, i, 8);
}

static void end_world(struct world *w)
{
	for (unsigned i = 0; i < SETS; i++)
		weir_set_free((struct weir_set *)(uintptr_t)w->sets[i]);
	free(w->rules);
	free(w->prefixes);
	free(w->ranges);
	free(w->names);
}

/* An address in a prefix, its first or last, or the one next to them. */
static void aim_addr(const struct weir_prefix *p, uint8_t out[16])
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

static void any_addr(const struct world *w, uint8_t out[16])
{
	const struct weir_prefix p = random_prefix(w->family);

	aim_addr(&p, out);
}

static uint16_t aim_port(const struct weir_range *ranges, uint32_t n)
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

static uint8_t aim_zone(uint32_t zones)
{
	const uint8_t zone = (uint8_t)lot(4);

	return zones == 0 || one_in(10) || (zones >> zone & 1) ? zone
							       : (uint8_t)__builtin_ctz(zones);
}

static void aim_side(const struct world *w, const struct weir_rule_addrs *a, uint8_t out[16])
{
	const struct weir_prefix *p = a->n_prefixes > 0 ? &a->prefixes[lot(a->n_prefixes)] : NULL;

	if (p == NULL || p->addr.family != w->family)
		any_addr(w, out);
	else
		aim_addr(p, out);
}

static struct weir_rule_ask random_ask(const struct world *w)
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
	return a;
}

static struct weir_rule_ask aimed_ask(const struct world *w)
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

/* Counting rules that a packet passed: how many, and the last, for they are told in order. */
struct pass {
	uint32_t n, last;
	bool ordered;
};

static void passed(void *ctx, uint32_t ask, uint32_t rule)
{
	struct pass *p = (struct pass *)ctx + ask;

	p->ordered = p->ordered && (p->n == 0 || rule > p->last);
	p->n++;
	p->last = rule;
}

static void counted(void *ctx, uint32_t rule, const char *what)
{
	struct pass *p = ctx;

	if (strcmp(what, "it matches and counts; the next rules decide") != 0)
		return;
	p->n++;
	p->last = rule;
}

static unsigned compare_burst(const struct world *w, const struct weir_rules *rs, uint32_t now_s,
			      uint32_t *matched)
{
	struct weir_rule_ask asks[BURST];
	struct pass quick[BURST] = {0};
	uint32_t rule[BURST];
	unsigned wrong = 0;

	for (unsigned i = 0; i < BURST; i++) {
		asks[i] = one_in(2) ? random_ask(w) : aimed_ask(w);
		quick[i].ordered = true;
	}
	weir_rules_ask(rs, toy_only_worker(), asks, BURST, now_s, 0, rule, passed, quick);
	for (unsigned i = 0; i < BURST; i++) {
		struct pass slow = {0};

		wrong += rule[i] != weir_rules_explain(rs, &asks[i], now_s, counted, &slow);
		wrong += quick[i].n != slow.n || quick[i].last != slow.last || !quick[i].ordered;
		*matched += rule[i] != WEIR_RULE_DEFAULT;
	}
	return wrong;
}

static void compare(uint8_t family, uint32_t n, uint32_t packets)
{
	struct weir_rules_stats stats;
	struct weir_rules_conf conf;
	struct weir_rules *rs;
	struct world w;
	uint32_t matched = 0;
	unsigned wrong = 0;

	toy_eal();
	make_world(&w, family, n);
	conf = toy_rules_conf(w.rules, n);
	rs = toy_compile(&conf);
	weir_rules_stats(rs, &stats);
	for (uint32_t done = 0; done < packets; done += BURST)
		wrong += compare_burst(&w, rs, 100, &matched);
	printf("\n    IPv%u: %u rules, %u contexts, %u entries, %.1f MB, %.0f ms; "
	       "%u of %u packets matched a rule ",
	       family, n, stats.contexts, stats.entries, (double)stats.bytes / 1e6,
	       (double)stats.build_ns / 1e6, matched, packets);
	CU_ASSERT_EQUAL(wrong, 0);
	/* Else most of what is compared is the default. */
	CU_ASSERT(matched > packets / 4);
	weir_rules_free(rs);
	end_world(&w);
}

static bool is_long(void)
{
	return getenv("WEIR_TEST_LONG") != NULL;
}

static void run(uint8_t family)
{
	if (is_long()) {
		state = 42 + family;
		compare(family, 10000, 1000000);
		return;
	}
	for (unsigned seed = 1; seed <= 5; seed++) {
		state = seed * 1000003 + family;
		compare(family, 60 * seed, 10000);
	}
}

static void test_random_rules_of_ipv4_decide_as_one_after_the_other_would(void)
{
	run(4);
}

static void test_random_rules_of_ipv6_decide_as_one_after_the_other_would(void)
{
	run(6);
}

WEIR_TESTS("rules/random", TEST(random_rules_of_ipv4_decide_as_one_after_the_other_would),
	   TEST(random_rules_of_ipv6_decide_as_one_after_the_other_would))
