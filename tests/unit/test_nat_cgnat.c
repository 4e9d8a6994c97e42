/* SPDX-License-Identifier: BSD-3-Clause */

/* Blocks of ports: each subscriber's is its own, and who had a port is told by arithmetic. */

#include "toy_nat.h"

/* 256 subscribers on 5 addresses of which each has 60 blocks of 1000 ports, in two prefixes. */
static struct weir_prefix pool[2];

static struct weir_nat_rule rule_of(void)
{
	pool[0] = toy_prefix("198.51.100.8/30");
	pool[1] = toy_prefix("203.0.113.77/32");
	return (struct weir_nat_rule){.name = "subscribers",
				      .kind = WEIR_NAT_CGNAT,
				      .from_zones = ZONE(LAN),
				      .to_zones = ZONE(WAN),
				      .inside = toy_prefix("100.64.7.0/24"),
				      .pool = pool,
				      .n_pool = 2,
				      .ports = {5000, 65499},
				      .block = 1000};
}

static void test_each_subscriber_has_a_block_and_each_block_one_subscriber(void)
{
	static uint8_t owner[5][65536]; /* number of the subscriber, plus one, of 8 bits */
	const struct weir_nat_rule rule = rule_of();
	struct weir_nat *nat = toy_nat_rules(NULL, 0, &rule, 1);
	unsigned shared = 0, strangers = 0;
	struct weir_addr outside = {0}, who = {0}, inside = toy_addr("100.64.7.0");
	struct weir_range ports;

	memset(owner, 0, sizeof(owner));
	for (unsigned s = 0; s < 256; s++) {
		unsigned a;

		inside.bytes[3] = (uint8_t)s;
		CU_ASSERT_TRUE_FATAL(weir_nat_block(nat, &inside, &outside, &ports));
		CU_ASSERT_EQUAL(ports.hi - ports.lo, 999);
		CU_ASSERT_TRUE(ports.lo >= 5000 && ports.hi <= 65499);
		a = outside.bytes[0] == 198 ? outside.bytes[3] - 8u : 4;
		CU_ASSERT_TRUE_FATAL(a < 5);
		for (unsigned p = ports.lo; p <= ports.hi; p++) {
			shared += owner[a][p] != 0;
			owner[a][p] = 1;
			CU_ASSERT_TRUE(weir_nat_subscriber(nat, &outside, (uint16_t)p, &who));
			strangers += !weir_addr_equal(&who, &inside);
		}
	}
	CU_ASSERT_EQUAL(shared, 0);
	CU_ASSERT_EQUAL(strangers, 0);
	/* And nobody has the others. */
	for (unsigned a = 0; a < 5; a++) {
		outside = toy_addr(a < 4 ? "198.51.100.8" : "203.0.113.77");
		if (a < 4)
			outside.bytes[3] = (uint8_t)(8 + a);
		for (unsigned p = 0; p < 65536; p++)
			strangers += weir_nat_subscriber(nat, &outside, (uint16_t)p, &who) !=
				     (owner[a][p] != 0);
	}
	CU_ASSERT_EQUAL(strangers, 0);
	weir_nat_free(nat);
}

static void test_others_have_no_block(void)
{
	static const char *const strangers[] = {"100.64.8.0", "100.64.6.255", "2001:db8::1"};
	static const char *const outsides[] = {"198.51.100.7", "198.51.100.12", "2001:db8::1"};
	const struct weir_nat_rule rule = rule_of();
	struct weir_nat *nat = toy_nat_rules(NULL, 0, &rule, 1);
	struct weir_addr got;
	struct weir_range ports;

	for (unsigned i = 0; i < RTE_DIM(strangers); i++) {
		const struct weir_addr in = toy_addr(strangers[i]), out = toy_addr(outsides[i]);

		CU_ASSERT_FALSE(weir_nat_block(nat, &in, &got, &ports));
		CU_ASSERT_FALSE(weir_nat_subscriber(nat, &out, 6000, &got));
	}
	weir_nat_free(nat);
}

static void test_a_subscriber_gets_ports_of_its_block_until_they_are_used(void)
{
	struct weir_nat_rule rule = rule_of();
	const struct weir_addr inside = toy_addr("100.64.7.200");
	struct weir_addr outside = {0};
	struct weir_tuple t, leaves;
	struct weir_range ports;
	struct toy_nat g;
	uint32_t flow;

	rule.block = 40;
	toy_nat_begin(&g, toy_nat_rules(NULL, 0, &rule, 1), 128, 0);
	CU_ASSERT_TRUE(weir_nat_block(g.nat, &inside, &outside, &ports));
	for (unsigned i = 0; i <= 40; i++) {
		t = toy_flow_of(i % 2 ? IPPROTO_UDP : IPPROTO_UDP, "100.64.7.200",
				(uint16_t)(2000 + i), "192.0.2.1", 53);
		CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &t, &leaves, &flow),
				i < 40 ? 0 : -ENOSPC);
		if (i == 40)
			break;
		CU_ASSERT_EQUAL(memcmp(leaves.src, outside.bytes, 16), 0);
		CU_ASSERT_TRUE(rte_be_to_cpu_16(leaves.sport) >= ports.lo &&
			       rte_be_to_cpu_16(leaves.sport) <= ports.hi);
	}
	CU_ASSERT_EQUAL(g.asker.full, 1);
	/* Another protocol has the same ports for itself, and a neighbour its own. */
	t.proto = IPPROTO_TCP;
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &t, &leaves, &flow), 0);
	t.proto = IPPROTO_UDP;
	t.src[3] = 201;
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &t, &leaves, &flow), 0);
	CU_ASSERT_TRUE(rte_be_to_cpu_16(leaves.sport) < ports.lo ||
		       rte_be_to_cpu_16(leaves.sport) > ports.hi);
	/* Who is no subscriber is not translated. */
	t.src[2] = 8;
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &t, &leaves, &flow), 0);
	CU_ASSERT_EQUAL(memcmp(leaves.src, t.src, 16), 0);
	toy_nat_end(&g);
}

static void test_a_pool_with_too_few_blocks_is_refused(void)
{
	struct weir_nat_rule rules[2] = {rule_of(), rule_of()};
	struct weir_nat_conf conf = {.source = rules, .n_source = 1};
	struct weir_nat *nat = NULL;
	struct weir_why why = {0};

	rules[0].block = 1200; /* 50 blocks an address, 250 */
	CU_ASSERT_EQUAL(weir_nat_compile(&conf, &nat, &why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "250 blocks of 1200 ports for 256 subscribers"));
	rules[0].block = 61000; /* none at all */
	CU_ASSERT_EQUAL(weir_nat_compile(&conf, &nat, &why), -EINVAL);
	rules[0].block = 0;
	CU_ASSERT_EQUAL(weir_nat_compile(&conf, &nat, &why), -EINVAL);
	rules[0] = rule_of();
	rules[0].inside = toy_prefix("0.0.0.0/0");
	CU_ASSERT_EQUAL(weir_nat_compile(&conf, &nat, &why), -EINVAL);
	rules[0].inside = toy_prefix("2001:db8::/64");
	CU_ASSERT_EQUAL(weir_nat_compile(&conf, &nat, &why), -EINVAL);
	rules[0] = rule_of();
	rules[0].n_pool = 0;
	CU_ASSERT_EQUAL(weir_nat_compile(&conf, &nat, &why), -EINVAL);
	/* The same blocks for two: nobody could say who had a port. */
	rules[0] = rule_of();
	rules[1].inside = toy_prefix("100.64.9.0/24");
	conf.n_source = 2;
	CU_ASSERT_EQUAL(weir_nat_compile(&conf, &nat, &why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "pools overlap"));
	CU_ASSERT_PTR_NULL(nat);
	rules[0].ports = (struct weir_range){5000, 34999};
	rules[0].block = 500;
	rules[1].ports = (struct weir_range){35000, 65000};
	rules[1].block = 500;
	CU_ASSERT_EQUAL(weir_nat_compile(&conf, &nat, &why), 0);
	weir_nat_free(nat);
}

WEIR_TESTS("tables/nat_cgnat", TEST(each_subscriber_has_a_block_and_each_block_one_subscriber),
	   TEST(others_have_no_block),
	   TEST(a_subscriber_gets_ports_of_its_block_until_they_are_used),
	   TEST(a_pool_with_too_few_blocks_is_refused))
