/* SPDX-License-Identifier: BSD-3-Clause */

/* From where flows seem to come: which rule, which address, hairpins of port forwards, NAT64. */

#include "toy_nat.h"

static void test_the_first_rule_of_the_zones_decides(void)
{
	const struct weir_prefix pool = toy_prefix("198.51.100.7/32");
	const struct weir_prefix net = toy_prefix("10.0.5.0/24"), vpn = toy_prefix("172.16.0.0/12");
	const struct weir_nat_rule rules[] = {
		{.name = "vpn",
		 .kind = WEIR_NAT_NONE,
		 .to_zones = ZONE(WAN),
		 .dst = {.prefixes = &vpn, .n_prefixes = 1}},
		{.name = "smtp",
		 .kind = WEIR_NAT_SNAT,
		 .from_zones = ZONE(LAN),
		 .to_zones = ZONE(WAN),
		 .proto = IPPROTO_TCP,
		 .src = {.prefixes = &net, .n_prefixes = 1},
		 .dports = {25, 25},
		 .pool = &pool,
		 .n_pool = 1},
		{.name = "rest",
		 .kind = WEIR_NAT_MASQUERADE,
		 .from_zones = ZONE(LAN) | ZONE(DMZ),
		 .to_zones = ZONE(WAN)},
	};
	const struct {
		const char *src, *dst;
		uint16_t dport;
		uint8_t from, to;
		uint32_t rule;
		const char *seen;
	} cases[] = {
		{"10.0.5.1", "192.0.2.1", 25, LAN, WAN, 1, "198.51.100.7"},
		{"10.0.5.1", "192.0.2.1", 26, LAN, WAN, 2, "203.0.113.1"},
		{"10.0.6.1", "192.0.2.1", 25, LAN, WAN, 2, "203.0.113.1"},
		{"10.0.5.1", "192.0.2.1", 25, DMZ, WAN, 2, "203.0.113.1"},
		{"10.0.5.1", "172.17.0.1", 25, LAN, WAN, 0, "10.0.5.1"},
		{"10.0.5.1", "10.0.7.1", 25, LAN, DMZ, WEIR_RULE_DEFAULT, "10.0.5.1"},
		{"192.0.2.1", "10.0.7.1", 25, WAN, LAN, WEIR_RULE_DEFAULT, "192.0.2.1"},
	};
	struct toy_nat g;

	toy_nat_begin(&g, toy_nat_rules(NULL, 0, rules, RTE_DIM(rules)), 16, 0);
	toy_nat_own(&g, "2001:db8::1");
	toy_nat_own(&g, "203.0.113.1");
	toy_nat_own(&g, "203.0.113.2");
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		const struct weir_tuple t =
			toy_flow_of(IPPROTO_TCP, cases[i].src, 3000, cases[i].dst, cases[i].dport);
		struct weir_tuple leaves;
		uint32_t n;

		CU_ASSERT_EQUAL(toy_nat_choose(&g, cases[i].from, cases[i].to, &t, &leaves, &n), 0);
		CU_ASSERT_EQUAL(n, cases[i].rule);
		CU_ASSERT_TRUE(toy_has_addr(leaves.src, cases[i].seen));
		CU_ASSERT_EQUAL(memcmp(leaves.dst, t.dst, 16), 0);
		CU_ASSERT_EQUAL(leaves.dport, t.dport);
	}
	toy_nat_end(&g);
}

static void test_without_an_address_of_the_family_nothing_is_masqueraded(void)
{
	const struct weir_nat_rule rule = {.name = "out", .kind = WEIR_NAT_MASQUERADE};
	const struct weir_tuple v6 = toy_flow_of(IPPROTO_UDP, "fd00::1", 99, "2001:db8:7::7", 53);
	struct weir_tuple leaves;
	struct toy_nat g;
	uint32_t n;

	toy_nat_begin(&g, toy_nat_rules(NULL, 0, &rule, 1), 16, 0);
	toy_nat_own(&g, "203.0.113.1");
	toy_nat_own(&g, "fe80::1"); /* nobody could answer to that */
	CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, WAN, &v6, &leaves, &n), -EADDRNOTAVAIL);
	CU_ASSERT_EQUAL(g.asker.no_address, 1);
	CU_ASSERT_EQUAL(g.asker.full, 0);
	toy_nat_own(&g, "2001:db8::1");
	CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, WAN, &v6, &leaves, &n), 0);
	CU_ASSERT_TRUE(toy_has_addr(leaves.src, "2001:db8::1"));
	toy_nat_end(&g);
}

/* RFC 4787 REQ-2: a host keeps its address; and the hosts share all of the pool. */
static void test_a_host_has_one_address_of_the_pool(void)
{
	static const char *const pools[][2] = {{"198.51.100.0/30", "203.0.113.16/28"},
					       {"2001:db8:1::/126", "2001:db8:2::10/124"}};

	for (unsigned f = 0; f < 2; f++) {
		const struct weir_prefix pool[2] = {toy_prefix(pools[f][0]),
						    toy_prefix(pools[f][1])};
		const struct weir_nat_rule rule = {
			.name = "out", .kind = WEIR_NAT_SNAT, .pool = pool, .n_pool = 2};
		unsigned users[2][16] = {0};
		struct toy_nat g;

		toy_nat_begin(&g, toy_nat_rules(NULL, 0, &rule, 1), 16, 0);
		for (unsigned host = 0; host < 2000; host++) {
			struct weir_tuple t =
				f == 0 ? toy_tuple4(0x0a000000 + host, 2000, 0xc0000201, 80,
						    IPPROTO_TCP)
				       : toy_tuple6((uint16_t)host, 2000, 9, 80, IPPROTO_TCP);
			const unsigned last = f == 0 ? 3 : 15;
			struct weir_tuple one, other;
			uint32_t n;
			bool second;

			CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, WAN, &t, &one, &n), 0);
			t.sport = RTE_BE16(3000);
			t.dst[last]++;
			CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, WAN, &t, &other, &n), 0);
			CU_ASSERT_EQUAL(memcmp(one.src, other.src, 16), 0);
			second = memcmp(one.src, pool[1].addr.bytes, last) == 0;
			CU_ASSERT_TRUE(second || memcmp(one.src, pool[0].addr.bytes, last) == 0);
			users[second][one.src[last] & 15]++;
		}
		for (unsigned i = 0; i < 16; i++) { /* 100 each */
			CU_ASSERT_TRUE(users[1][i] > 50 && users[1][i] < 160);
			CU_ASSERT_TRUE(i < 4 ? users[0][i] > 50 : users[0][i] == 0);
		}
		toy_nat_end(&g);
	}
}

static void test_a_port_forward_can_be_used_from_inside(void)
{
	const struct weir_prefix outside = toy_prefix("203.0.113.1/32");
	struct weir_nat_rule rule = {.name = "web",
				     .kind = WEIR_NAT_DNAT,
				     .from_zones = ZONE(WAN),
				     .proto = IPPROTO_TCP,
				     .dst = {.prefixes = &outside, .n_prefixes = 1},
				     .dports = {80, 80},
				     .to = toy_addr("10.0.0.80"),
				     .hairpin = true};
	const struct weir_tuple in = toy_flow_of(IPPROTO_TCP, "10.0.0.5", 99, "203.0.113.1", 80);
	const struct weir_tuple out =
		toy_flow_of(IPPROTO_TCP, "198.51.100.5", 99, "203.0.113.1", 80);
	struct weir_tuple leaves;
	struct toy_nat g;
	uint32_t n;

	toy_nat_begin(&g, toy_nat_rules(&rule, 1, NULL, 0), 16, 0);
	toy_nat_own(&g, "10.0.0.1");
	CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, LAN, &in, &leaves, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_TRUE(toy_has_addr(leaves.src, "10.0.0.1"));
	CU_ASSERT_TRUE(toy_has_addr(leaves.dst, "10.0.0.80"));
	CU_ASSERT_EQUAL(toy_nat_choose(&g, WAN, LAN, &out, &leaves, &n), 0);
	CU_ASSERT_TRUE(toy_has_addr(leaves.src, "198.51.100.5"));
	CU_ASSERT_TRUE(toy_has_addr(leaves.dst, "10.0.0.80"));
	toy_nat_end(&g);
	rule.hairpin = false; /* then it is for the outside alone */
	toy_nat_begin(&g, toy_nat_rules(&rule, 1, NULL, 0), 16, 0);
	CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, LAN, &in, &leaves, &n), 0);
	CU_ASSERT_TRUE(toy_has_addr(leaves.dst, "203.0.113.1"));
	toy_nat_end(&g);
}

static void test_nat64_takes_a_source_of_its_pool_or_its_own(void)
{
	const struct weir_prefix pool = toy_prefix("198.51.100.64/26");
	struct weir_nat_rule rule = {.name = "six-four",
				     .kind = WEIR_NAT_NAT64,
				     .inside = toy_prefix("64:ff9b::/96"),
				     .pool = &pool,
				     .n_pool = 1};
	const struct weir_tuple udp =
		toy_flow_of(IPPROTO_UDP, "2001:db8::5", 4000, "64:ff9b::192.0.2.1", 53);
	const struct weir_tuple ping =
		toy_flow_of(IPPROTO_ICMPV6, "2001:db8::5", 4000, "64:ff9b::192.0.2.1", 128);
	struct weir_tuple leaves, other;
	struct toy_nat g;
	uint32_t flow, n;

	toy_nat_begin(&g, toy_nat_rules(&rule, 1, NULL, 0), 16, 0);
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &udp, &leaves, &flow), 0);
	CU_ASSERT_EQUAL(leaves.family, 4);
	CU_ASSERT_EQUAL(leaves.proto, IPPROTO_UDP);
	CU_ASSERT_EQUAL(memcmp(leaves.src, pool.addr.bytes, 3), 0);
	CU_ASSERT_EQUAL(leaves.src[3] & 0xc0, 64);
	CU_ASSERT_EQUAL(leaves.sport, udp.sport);
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &ping, &other, &flow), 0);
	CU_ASSERT_EQUAL(other.proto, IPPROTO_ICMP);
	CU_ASSERT_EQUAL(memcmp(other.src, leaves.src, 16), 0);
	CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, WAN, &udp, &leaves, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_NOT_EQUAL(leaves.sport, udp.sport); /* the first has that one */
	toy_nat_end(&g);
	rule.n_pool = 0;
	toy_nat_begin(&g, toy_nat_rules(&rule, 1, NULL, 0), 16, 0);
	CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, WAN, &udp, &leaves, &n), -EADDRNOTAVAIL);
	toy_nat_own(&g, "203.0.113.1");
	CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, WAN, &udp, &leaves, &n), 0);
	CU_ASSERT_TRUE(toy_has_addr(leaves.src, "203.0.113.1"));
	toy_nat_end(&g);
}

static uint32_t random_below(uint32_t n)
{
	static uint64_t rng = 3;

	rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(((rng >> 33) * n) >> 31);
}

#define RULES 12
static struct weir_nat_rule rules[RULES];
static struct weir_prefix src[RULES], dst[RULES];

/* One of four prefixes of 16 bits, or all of them. */
static struct weir_prefix random_prefix(uint8_t net)
{
	return (struct weir_prefix){.addr = {.family = 4, .bytes = {net, (uint8_t)random_below(4)}},
				    .length = (uint8_t)(8 + 8 * random_below(2))};
}

static void random_rule(unsigned i)
{
	struct weir_nat_rule *r = &rules[i];

	src[i] = random_prefix(10);
	dst[i] = random_prefix(20);
	*r = (struct weir_nat_rule){
		.name = "r",
		.kind = WEIR_NAT_NONE,
		.from_zones = random_below(3) ? random_below(16) : 0,
		.to_zones = random_below(3) ? random_below(16) : 0,
		.proto = random_below(2) ? 0 : IPPROTO_TCP,
		.src = {.prefixes = &src[i],
			.n_prefixes = random_below(2),
			.negate = random_below(2)},
		.dst = {.prefixes = &dst[i],
			.n_prefixes = random_below(2),
			.negate = random_below(2)},
	};
	if (random_below(3) == 0)
		r->dports = (struct weir_range){(uint16_t)(1 + random_below(3)),
						(uint16_t)(3 + random_below(3))};
}

static bool plainly_in(const struct weir_rule_addrs *as, const uint8_t bytes[16])
{
	struct weir_addr a = {.family = 4};

	memcpy(a.bytes, bytes, sizeof(a.bytes));
	return as->n_prefixes == 0 || weir_prefix_contains(as->prefixes, &a) != as->negate;
}

static bool plainly_fits(const struct weir_nat_rule *r, uint8_t from, uint8_t to,
			 const struct weir_tuple *t)
{
	const unsigned dport = rte_be_to_cpu_16(t->dport);

	if (r->from_zones != 0 && !(r->from_zones & ZONE(from)))
		return false;
	if (r->to_zones != 0 && !(r->to_zones & ZONE(to)))
		return false;
	if (r->proto != 0 && r->proto != t->proto)
		return false;
	if (r->dports.lo != 0 && t->proto == IPPROTO_ICMP)
		return false;
	if (r->dports.lo != 0 && (dport < r->dports.lo || dport > r->dports.hi))
		return false;
	return plainly_in(&r->src, t->src) && plainly_in(&r->dst, t->dst);
}

/* Random rules and flows against the plainest reading of them. */
static void test_random_rules_decide_as_a_plain_reading_does(void)
{
	static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};
	unsigned wrong = 0, hits = 0;
	struct toy_nat g;

	for (unsigned run = 0; run < 40; run++) {
		for (unsigned i = 0; i < RULES; i++)
			random_rule(i);
		toy_nat_begin(&g, toy_nat_rules(NULL, 0, rules, RULES), 16, 0);
		for (unsigned f = 0; f < 500; f++) {
			const uint8_t from = (uint8_t)random_below(4);
			const uint8_t to = (uint8_t)random_below(4);
			struct weir_tuple t = {.family = 4, .proto = protos[random_below(3)]};
			uint32_t expected = 0, got;
			struct weir_tuple leaves;

			memcpy(t.src, (uint8_t[]){10, (uint8_t)random_below(5), 1, 1}, 4);
			memcpy(t.dst, (uint8_t[]){20, (uint8_t)random_below(5), 1, 1}, 4);
			t.dport = rte_cpu_to_be_16((uint16_t)random_below(7));
			while (expected < RULES && !plainly_fits(&rules[expected], from, to, &t))
				expected++;
			if (expected == RULES)
				expected = WEIR_RULE_DEFAULT;
			CU_ASSERT_EQUAL(toy_nat_choose(&g, from, to, &t, &leaves, &got), 0);
			wrong += got != expected;
			hits += got != WEIR_RULE_DEFAULT;
		}
		toy_nat_end(&g);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_TRUE(hits > 40 * 500 / 4);
}

WEIR_TESTS("tables/nat_source", TEST(the_first_rule_of_the_zones_decides),
	   TEST(without_an_address_of_the_family_nothing_is_masqueraded),
	   TEST(a_host_has_one_address_of_the_pool), TEST(a_port_forward_can_be_used_from_inside),
	   TEST(nat64_takes_a_source_of_its_pool_or_its_own),
	   TEST(random_rules_decide_as_a_plain_reading_does))
