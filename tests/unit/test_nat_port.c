/* SPDX-License-Identifier: BSD-3-Clause */

/* Ports of flows that are translated: kept, found, used up, and only those whose replies come here.
 */

#include "toy_nat.h"

static const struct weir_nat_rule masquerade = {
	.name = "out", .kind = WEIR_NAT_MASQUERADE, .to_zones = ZONE(WAN)};

static void begin(struct toy_nat *g, const struct weir_nat_rule *source)
{
	toy_nat_begin(g, toy_nat_rules(NULL, 0, source, 1), 4096, 0);
	toy_nat_own(g, "203.0.113.1");
}

static void test_the_port_is_kept_if_it_is_free(void)
{
	const struct weir_tuple a = toy_flow_of(IPPROTO_UDP, "10.0.0.1", 5353, "192.0.2.1", 53);
	const struct weir_tuple b = toy_flow_of(IPPROTO_UDP, "10.0.0.2", 5353, "192.0.2.1", 53);
	const struct weir_tuple c = toy_flow_of(IPPROTO_UDP, "10.0.0.3", 5353, "192.0.2.2", 53);
	struct weir_tuple leaves, again;
	struct toy_nat g;
	uint32_t flow, rule;

	begin(&g, &masquerade);
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &a, &leaves, &flow), 0);
	CU_ASSERT_TRUE(toy_has_addr(leaves.src, "203.0.113.1"));
	CU_ASSERT_EQUAL(leaves.sport, a.sport);
	/* Another host with the same port to the same server gets another one... */
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &b, &leaves, &flow), 0);
	CU_ASSERT_NOT_EQUAL(leaves.sport, b.sport);
	CU_ASSERT_TRUE(rte_be_to_cpu_16(leaves.sport) >= 1024);
	/* ... but the same to another server. */
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &c, &leaves, &flow), 0);
	CU_ASSERT_EQUAL(leaves.sport, c.sport);
	CU_ASSERT_EQUAL(g.asker.translated, 3);
	CU_ASSERT_FALSE(g.asker.mapped);
	/* Asked again before it is known, it says the same, whatever is in the answer already. */
	weir_flow_kill(g.asker.flows, flow);
	CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, WAN, &b, &leaves, &rule), 0);
	again = leaves;
	CU_ASSERT_EQUAL(weir_nat_source(g.nat, &g.asker, &g.where, &b, &again, &rule), 0);
	CU_ASSERT_TRUE(toy_tuple_equal(&again, &leaves));
	toy_nat_end(&g);
}

static void test_a_port_outside_of_the_range_is_not_kept(void)
{
	struct weir_nat_rule rule = masquerade;
	struct weir_tuple leaves;
	struct toy_nat g;
	uint32_t n;

	rule.ports = (struct weir_range){40000, 40099};
	begin(&g, &rule);
	for (unsigned port = 1; port < 65536; port += 97) {
		const struct weir_tuple t =
			toy_flow_of(IPPROTO_TCP, "10.0.0.1", (uint16_t)port, "192.0.2.1", 80);

		CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, WAN, &t, &leaves, &n), 0);
		CU_ASSERT_TRUE(rte_be_to_cpu_16(leaves.sport) >= 40000);
		CU_ASSERT_TRUE(rte_be_to_cpu_16(leaves.sport) <= 40099);
		if (port >= 40000 && port <= 40099)
			CU_ASSERT_EQUAL(leaves.sport, t.sport);
	}
	toy_nat_end(&g);
}

/* Towards one server there are as many flows as ports, towards another one as many again. */
static void test_each_port_of_a_small_range_is_used_before_they_run_out(void)
{
	struct weir_nat_rule rule = masquerade;
	struct weir_tuple t, leaves;
	uint32_t flows[WEIR_NAT_TRIES], last;
	struct toy_nat g;

	rule.ports = (struct weir_range){50000, 50000 + WEIR_NAT_TRIES - 1};
	begin(&g, &rule);
	for (unsigned server = 1; server < 3; server++) {
		uint64_t seen = 0;

		for (unsigned i = 0; i < WEIR_NAT_TRIES; i++) {
			t = toy_flow_of(IPPROTO_TCP, "10.0.0.1", (uint16_t)(2000 + i), "192.0.2.1",
					80);
			t.dst[3] = (uint8_t)server;
			CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &t, &leaves, &flows[i]), 0);
			seen |= UINT64_C(1) << (rte_be_to_cpu_16(leaves.sport) - 50000);
		}
		CU_ASSERT_EQUAL(seen, UINT64_MAX);
		t.sport = RTE_BE16(1999);
		CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &t, &leaves, &last), -ENOSPC);
		CU_ASSERT_EQUAL(g.asker.full, server);
	}
	/* What ends makes room. */
	weir_flow_kill(g.asker.flows, flows[17]);
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &t, &leaves, &last), 0);
	toy_nat_end(&g);
}

static void test_a_search_is_bounded_and_counted(void)
{
	struct weir_tuple t, leaves;
	uint64_t before;
	struct toy_nat g;
	uint32_t n;
	int rc;

	begin(&g, &masquerade);
	for (unsigned i = 0; i < 4000; i++) { /* ports 30000 to 33999 are taken */
		t = toy_flow_of(IPPROTO_TCP, "192.0.2.1", 80, "203.0.113.1", (uint16_t)(30000 + i));
		(void)toy_enter(g.asker.flows, &t);
	}
	t = toy_flow_of(IPPROTO_TCP, "10.0.0.1", 30000, "192.0.2.1", 80);
	before = g.asker.tries;
	CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, WAN, &t, &leaves, &n), 0);
	CU_ASSERT_TRUE(g.asker.tries - before >= 2);
	CU_ASSERT_TRUE(g.asker.tries - before <= WEIR_NAT_TRIES + 1);
	toy_nat_end(&g);
	/* In a range in which all are taken it ends. */
	{
		struct weir_nat_rule rule = masquerade;

		rule.ports = (struct weir_range){30000, 33999};
		begin(&g, &rule);
		for (unsigned i = 0; i < 4000; i++) {
			t = toy_flow_of(IPPROTO_TCP, "192.0.2.1", 80, "203.0.113.1",
					(uint16_t)(30000 + i));
			(void)toy_enter(g.asker.flows, &t);
		}
		t = toy_flow_of(IPPROTO_TCP, "10.0.0.1", 30000, "192.0.2.1", 80);
		rc = toy_nat_choose(&g, LAN, WAN, &t, &leaves, &n);
		CU_ASSERT_EQUAL(rc, -ENOSPC);
		CU_ASSERT_EQUAL(g.asker.tries, WEIR_NAT_TRIES + 1);
		CU_ASSERT_EQUAL(g.asker.full, 1);
		toy_nat_end(&g);
	}
}

/* The third of four workers. */
static bool is_thirds(void *ctx, const struct weir_tuple *reply)
{
	(*(unsigned *)ctx)++;
	CU_ASSERT_TRUE(toy_has_addr(reply->dst, "203.0.113.1")); /* it asks for replies */
	return rte_be_to_cpu_16(reply->dport) % 4 == 2;
}

static void test_only_ports_are_given_whose_replies_come_here(void)
{
	struct weir_tuple leaves;
	unsigned asked = 0;
	struct toy_nat g;
	uint32_t flow;

	begin(&g, &masquerade);
	g.asker.is_mine = is_thirds;
	g.asker.ctx = &asked;
	for (unsigned i = 0; i < 2000; i++) {
		const struct weir_tuple t =
			toy_flow_of(IPPROTO_TCP, "10.0.0.1", (uint16_t)(2000 + i), "192.0.2.1", 80);

		CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &t, &leaves, &flow), 0);
		CU_ASSERT_EQUAL(rte_be_to_cpu_16(leaves.sport) % 4, 2);
		if (i == 2)
			CU_ASSERT_EQUAL(leaves.sport, t.sport);
	}
	CU_ASSERT_TRUE(asked >= 2000);
	CU_ASSERT_EQUAL(asked, g.asker.tries);
	toy_nat_end(&g);
}

static void test_a_port_gives_way_where_only_the_address_is_translated(void)
{
	const struct weir_prefix inside = toy_prefix("10.0.0.0/24"),
				 outside = toy_prefix("203.0.113.0/24");
	const struct weir_nat_rule rule = {.name = "one",
					   .kind = WEIR_NAT_ONE_TO_ONE,
					   .inside = inside,
					   .pool = &outside,
					   .n_pool = 1};
	struct weir_tuple leaves;
	unsigned asked = 0, kept = 0;
	struct toy_nat g;
	uint32_t flow;

	begin(&g, &rule);
	g.asker.is_mine = is_thirds;
	g.asker.ctx = &asked;
	for (unsigned i = 0; i < 400; i++) {
		const struct weir_tuple t =
			toy_flow_of(IPPROTO_UDP, "10.0.0.1", (uint16_t)(2000 + i), "192.0.2.1", 80);

		CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &t, &leaves, &flow), 0);
		CU_ASSERT_TRUE(toy_has_addr(leaves.src, "203.0.113.1"));
		CU_ASSERT_EQUAL(rte_be_to_cpu_16(leaves.sport) % 4, 2);
		kept += leaves.sport == t.sport;
	}
	CU_ASSERT_TRUE(kept > 60); /* a quarter, less those that another one has taken */
	toy_nat_end(&g);
}

static bool is_nobodys(void *ctx, const struct weir_tuple *reply)
{
	return false;
}

static void test_if_no_reply_comes_here_the_search_ends(void)
{
	const struct weir_tuple t = toy_flow_of(IPPROTO_TCP, "10.0.0.1", 2000, "192.0.2.1", 80);
	struct weir_tuple leaves;
	struct toy_nat g;
	uint32_t n;

	begin(&g, &masquerade);
	g.asker.is_mine = is_nobodys;
	CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, WAN, &t, &leaves, &n), -ENOSPC);
	CU_ASSERT_TRUE(g.asker.tries < 1000);
	toy_nat_end(&g);
}

static void test_identifiers_of_icmp_are_chosen_as_ports_are(void)
{
	const struct weir_tuple a = toy_flow_of(IPPROTO_ICMP, "10.0.0.1", 2000, "192.0.2.1", 8);
	const struct weir_tuple b = toy_flow_of(IPPROTO_ICMP, "10.0.0.2", 2000, "192.0.2.1", 8);
	struct weir_tuple leaves;
	struct toy_nat g;
	uint32_t flow;

	begin(&g, &masquerade);
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &a, &leaves, &flow), 0);
	CU_ASSERT_EQUAL(leaves.sport, a.sport);
	CU_ASSERT_EQUAL(leaves.dport, a.dport);
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &b, &leaves, &flow), 0);
	CU_ASSERT_NOT_EQUAL(leaves.sport, b.sport);
	CU_ASSERT_EQUAL(leaves.dport, b.dport);
	toy_nat_end(&g);
}

static void test_without_ports_one_inside_host_can_speak_to_a_server(void)
{
	const struct weir_tuple a = toy_flow_of(IPPROTO_GRE, "10.0.0.1", 0, "192.0.2.1", 0);
	const struct weir_tuple b = toy_flow_of(IPPROTO_GRE, "10.0.0.2", 0, "192.0.2.1", 0);
	const struct weir_tuple c = toy_flow_of(IPPROTO_GRE, "10.0.0.2", 0, "192.0.2.2", 0);
	struct weir_tuple leaves;
	struct toy_nat g;
	uint32_t flow;

	begin(&g, &masquerade);
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &a, &leaves, &flow), 0);
	CU_ASSERT_EQUAL(leaves.sport, 0);
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &b, &leaves, &flow), -ENOSPC);
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &c, &leaves, &flow), 0);
	CU_ASSERT_EQUAL(g.asker.full, 1);
	toy_nat_end(&g);
}

/* Ports of a flow that cannot keep its own: with another secret they are others. */
static void test_ports_cannot_be_told_without_the_secret(void)
{
	struct weir_nat_rule rule = masquerade;
	unsigned same = 0, close = 0;
	struct weir_tuple one, other;
	uint16_t last = 0;
	struct toy_nat g;
	uint32_t n;

	rule.ports = (struct weir_range){1024, 65535};
	begin(&g, &rule);
	for (unsigned i = 0; i < 1000; i++) {
		const struct weir_tuple t =
			toy_flow_of(IPPROTO_TCP, "10.0.0.1", (uint16_t)(1 + i), "192.0.2.1", 80);

		g.asker.secret.k0 = 1;
		CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, WAN, &t, &one, &n), 0);
		g.asker.secret.k0 = 2;
		CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, WAN, &t, &other, &n), 0);
		same += one.sport == other.sport;
		close += abs(rte_be_to_cpu_16(one.sport) - last) < 64;
		last = rte_be_to_cpu_16(one.sport);
	}
	CU_ASSERT_TRUE(same < 10);
	CU_ASSERT_TRUE(close < 20);
	toy_nat_end(&g);
}

WEIR_TESTS("tables/nat_port", TEST(the_port_is_kept_if_it_is_free),
	   TEST(a_port_outside_of_the_range_is_not_kept),
	   TEST(each_port_of_a_small_range_is_used_before_they_run_out),
	   TEST(a_search_is_bounded_and_counted),
	   TEST(only_ports_are_given_whose_replies_come_here),
	   TEST(a_port_gives_way_where_only_the_address_is_translated),
	   TEST(if_no_reply_comes_here_the_search_ends),
	   TEST(identifiers_of_icmp_are_chosen_as_ports_are),
	   TEST(without_ports_one_inside_host_can_speak_to_a_server),
	   TEST(ports_cannot_be_told_without_the_secret))
