/* SPDX-License-Identifier: BSD-3-Clause */

/* 35_balance: where a new flow goes, before any rule is asked. */

#include "toy_firewall.h"

#define FORWARDS                                                                                   \
	WORLD_PORTS "firewall: {default: accept}\n"                                                \
		    "conntrack: {flows: 1024, extended: 16}\n"                                     \
		    "nat:\n  destination:\n"                                                       \
		    "    - {name: web, from: wan, destination: 192.0.2.1, proto: tcp, dport: 80, " \
		    "action: dnat, forward: '10.0.0.2:8080'}\n"                                    \
		    "    - {name: six, from: wan, destination: '2001:db8:1::1', action: dnat, "    \
		    "forward: '2001:db8:1::2'}\n"

static enum weir_verdict balance(struct toy_mbuf *t, unsigned iface, const struct toy_ip *p)
{
	struct rte_mbuf *m = toy_come(t, iface, p);

	CU_ASSERT_EQUAL(toy_stage(0, m), WEIR_NEXT);
	return toy_stage(1, m);
}

static struct weir_flow *flow_of(const struct toy_mbuf *t)
{
	return weir_flow_at(world.shard.tracker->flows, t->meta.flow >> 1);
}

static void test_a_forwarded_port_is_written_into_the_draft(void)
{
	const struct toy_ip syn = toy_tcp("8.8.8.8", 9, "192.0.2.1", 80, SYN, 1, 0);
	struct weir_tuple back;
	struct toy_mbuf t;

	toy_begin(FORWARDS);
	CU_ASSERT_EQUAL(balance(&t, WAN, &syn), WEIR_NEXT);
	CU_ASSERT_TRUE(flow_of(&t)->flags & WEIR_FLOW_DNAT);
	weir_flow_tuple(world.shard.tracker->flows, flow_of(&t), WEIR_DIR_REPLY, &back);
	CU_ASSERT_EQUAL(memcmp(back.src, toy_addr("10.0.0.2").bytes, 4), 0);
	CU_ASSERT_EQUAL(back.sport, RTE_BE16(8080));
	CU_ASSERT_STRING_EQUAL(weir_nat_name(world.gen.policy->nat, t.meta.nat_rule), "web");
	weir_flow_abort(world.shard.tracker->flows, t.meta.flow >> 1);
	toy_end();
}

static void test_what_no_rule_translates_goes_where_it_wanted(void)
{
	const struct toy_ip other_port = toy_tcp("8.8.8.8", 9, "192.0.2.1", 81, SYN, 1, 0);
	const struct toy_ip other_zone = toy_tcp("10.0.0.3", 9, "192.0.2.1", 80, SYN, 1, 0);
	struct toy_mbuf t;

	toy_begin(FORWARDS);
	CU_ASSERT_EQUAL(balance(&t, WAN, &other_port), WEIR_NEXT);
	CU_ASSERT_FALSE(flow_of(&t)->flags & WEIR_FLOW_DNAT);
	CU_ASSERT_EQUAL(t.meta.nat_rule, WEIR_RULE_DEFAULT);
	weir_flow_abort(world.shard.tracker->flows, t.meta.flow >> 1);
	CU_ASSERT_EQUAL(balance(&t, LAN, &other_zone), WEIR_NEXT);
	CU_ASSERT_FALSE(flow_of(&t)->flags & WEIR_FLOW_DNAT);
	weir_flow_abort(world.shard.tracker->flows, t.meta.flow >> 1);
	toy_end();
}

static void test_a_known_flow_is_not_looked_at_again(void)
{
	const struct toy_ip syn = toy_tcp("8.8.8.8", 9, "192.0.2.1", 80, SYN, 1, 0);
	struct toy_mbuf t;

	toy_begin(FORWARDS);
	toy_expect(WAN, &syn, WEIR_NEXT, WEIR_DROP_NONE);
	toy_change(WORLD_PORTS "firewall: {default: accept}\n");
	CU_ASSERT_EQUAL(balance(&t, WAN, &syn), WEIR_NEXT);
	CU_ASSERT_TRUE(flow_of(&t)->flags & WEIR_FLOW_DNAT); /* as it began */
	toy_end();
}

static void test_without_room_for_a_translation_the_draft_is_given_back(void)
{
	struct toy_ip go = toy_udp("2001:db8:2::9", 1, "2001:db8:1::1", 53);
	unsigned passed = 0, full = 0;
	struct toy_mbuf t;

	toy_begin(FORWARDS);
	for (; go.sport <= 20; go.sport++) {
		if (toy_walk(toy_come(&t, WAN, &go)) == WEIR_NEXT) {
			passed++;
		} else if (t.meta.drop == WEIR_DROP_FLOW_FULL) {
			full++;
			CU_ASSERT_EQUAL(t.meta.flow, WEIR_NO_FLOW);
		}
	}
	CU_ASSERT_EQUAL(passed + full, 20);
	CU_ASSERT_TRUE(full > 0);
	CU_ASSERT_EQUAL(toy_flows(), passed);
	toy_end();
}

WEIR_TESTS("node/balance", TEST(a_forwarded_port_is_written_into_the_draft),
	   TEST(what_no_rule_translates_goes_where_it_wanted),
	   TEST(a_known_flow_is_not_looked_at_again),
	   TEST(without_room_for_a_translation_the_draft_is_given_back))
