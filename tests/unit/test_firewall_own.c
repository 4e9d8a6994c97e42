/* SPDX-License-Identifier: BSD-3-Clause */

/* What our own host begins, and what is begun with it: stages 30 to 50 on frames of the kernel. */

#include "toy_firewall.h"

#define US    "192.0.2.1"
#define THERE "8.8.8.8"
#define DROPS WORLD_PORTS "firewall: {default: drop}\n"

/* What becomes of a packet that the kernel sends by wan, whose tag is @vlan. */
static enum weir_verdict host_sends(const struct toy_ip *p, uint32_t marks, uint16_t vlan,
				    enum weir_drop *why)
{
	struct toy_mbuf t;
	enum weir_verdict v;

	toy_come(&t, WAN, p);
	t.meta.port_in = WEIR_NO_PORT;
	t.meta.iface_in = WEIR_NO_IFACE;
	t.meta.port_out = WAN;
	t.meta.vlan[0] = vlan;
	t.meta.flags |= WEIR_META_OURS | WEIR_META_KERNEL | marks;
	v = toy_walk(&t.m);
	*why = (enum weir_drop)t.meta.drop;
	return v;
}

static void expect_sent(const struct toy_ip *p)
{
	enum weir_drop why;

	CU_ASSERT_EQUAL(host_sends(p, 0, 0, &why), WEIR_TX);
	CU_ASSERT_EQUAL(why, WEIR_DROP_NONE);
}

static void expect_kept_back(const struct toy_ip *p)
{
	enum weir_drop why;

	CU_ASSERT_EQUAL(host_sends(p, 0, 0, &why), WEIR_DROP);
	CU_ASSERT_EQUAL(why, WEIR_DROP_RULE);
}

static struct weir_flow_view only_flow(void)
{
	struct weir_flow_view view = {.idle_ms = UINT32_MAX};
	struct weir_flow_ask ask = {.views = &view, .room = 1, .limit = 1};

	weir_flow_ask_post(world.shard.tracker->flows, &ask);
	while (!weir_flow_ask_done(&ask))
		weir_flow_ask_serve(world.shard.tracker->flows);
	CU_ASSERT_EQUAL(ask.matched, 1);
	return view;
}

static void test_what_the_host_begins_is_answered_without_a_rule(void)
{
	const struct toy_ip dns = toy_udp(US, 1000, THERE, 53);
	const struct toy_ip answer = toy_udp(THERE, 53, US, 1000);
	const struct toy_ip other = toy_udp(THERE, 54, US, 1000);
	struct weir_flow_view view;

	toy_begin(DROPS);
	toy_expect(WAN, &answer, WEIR_DROP, WEIR_DROP_RULE);
	expect_sent(&dns);
	toy_expect(WAN, &answer, WEIR_NEXT, WEIR_DROP_NONE);
	toy_expect(WAN, &other, WEIR_DROP, WEIR_DROP_RULE);
	toy_expect(LAN, &answer, WEIR_DROP, WEIR_DROP_FLOW_ZONE);
	expect_sent(&dns);
	view = only_flow();
	CU_ASSERT_EQUAL(view.flow.zone[WEIR_DIR_ORIG], WEIR_ZONE_SELF);
	CU_ASSERT_EQUAL(view.flow.zone[WEIR_DIR_REPLY], 2);
	CU_ASSERT_EQUAL(view.flow.pkts[WEIR_DIR_ORIG], 2);
	CU_ASSERT_EQUAL(view.flow.pkts[WEIR_DIR_REPLY], 1);
	CU_ASSERT_EQUAL(toy_flows(), 1);
	toy_end();
}

static void test_connections_and_pings_of_the_host_are_tracked(void)
{
	const struct toy_ip syn = toy_tcp(US, 1, THERE, 80, SYN, 1, 0);
	const struct toy_ip both = toy_tcp(THERE, 80, US, 1, SYN | ACK, 9, 2);
	const struct toy_ip ack = toy_tcp(US, 1, THERE, 80, ACK, 2, 10);
	const struct toy_ip far = toy_tcp(THERE, 80, US, 1, ACK, 900000, 2);
	const struct toy_ip ping = {
		.proto = IPPROTO_ICMP, .src = US, .sport = 5, .dst = THERE, .icmp_type = 8};
	const struct toy_ip pong = {.proto = IPPROTO_ICMP, .src = THERE, .sport = 5, .dst = US};

	toy_begin(DROPS);
	toy_expect(WAN, &pong, WEIR_DROP, WEIR_DROP_RULE);
	expect_sent(&syn);
	toy_expect(WAN, &both, WEIR_NEXT, WEIR_DROP_NONE);
	expect_sent(&ack);
	toy_expect(WAN, &far, WEIR_DROP, WEIR_DROP_FLOW_INVALID);
	expect_sent(&ping);
	toy_expect(WAN, &pong, WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(toy_flows(), 2);
	toy_end();
}

/* Answers, the middle of what others have begun, errors, later fragments, groups, unknown VLANs. */
static void test_what_begins_no_flow_is_sent_without_one(void)
{
	const struct toy_ip both = toy_tcp(US, 22, THERE, 1, SYN | ACK, 9, 2);
	const struct toy_ip middle = toy_tcp(US, 22, THERE, 1, ACK, 9, 2);
	const struct toy_ip pong = {.proto = IPPROTO_ICMP, .src = US, .sport = 5, .dst = THERE};
	const struct toy_ip error = {
		.proto = IPPROTO_ICMP, .src = US, .dst = THERE, .icmp_type = 3};
	const struct toy_ip udp = toy_udp(US, 1000, THERE, 53);
	enum weir_drop why;

	toy_begin(WORLD_PORTS "firewall: {default: drop, rules: [{name: no, from: self, action: "
			      "drop}]}\nconntrack: {loose: true}\n");
	expect_sent(&both);
	expect_sent(&middle);
	expect_sent(&pong);
	expect_sent(&error);
	CU_ASSERT_EQUAL(host_sends(&udp, WEIR_META_FRAG | WEIR_META_FRAG_LATER, 0, &why), WEIR_TX);
	CU_ASSERT_EQUAL(host_sends(&udp, WEIR_META_L2_GROUP, 0, &why), WEIR_TX);
	CU_ASSERT_EQUAL(host_sends(&udp, 0, 7, &why), WEIR_TX);
	expect_kept_back(&udp);
	CU_ASSERT_EQUAL(toy_flows(), 0);
	CU_ASSERT_EQUAL(host_sends(&udp, WEIR_META_FRAG, 0, &why),
			WEIR_DROP); /* its first fragment */
	toy_end();
}

static void test_rules_that_name_self_are_asked_and_others_are_not(void)
{
	const struct toy_ip dns = toy_udp(US, 1000, THERE, 53);
	const struct toy_ip ntp = toy_udp(US, 1000, THERE, 123);

	toy_begin(WORLD_PORTS "firewall: {rules: [{name: all, proto: udp, action: drop}]}\n");
	expect_sent(&dns);
	expect_sent(&ntp);
	CU_ASSERT_EQUAL(toy_flows(), 2);
	toy_change(WORLD_PORTS
		   "firewall: {rules: [{name: dns, from: self, to: wan, proto: udp, dport: 53, "
		   "action: synproxy}]}\n");
	expect_sent(&dns);
	expect_kept_back(&ntp); /* known before, and forbidden now */
	CU_ASSERT_EQUAL(toy_flows(), 1);
	toy_change(DROPS);
	expect_sent(&dns);
	expect_sent(&ntp);
	toy_end();
}

static void test_an_answer_is_judged_for_a_new_policy_as_what_it_answers(void)
{
	const struct toy_ip dns = toy_udp(US, 1000, THERE, 53);
	const struct toy_ip answer = toy_udp(THERE, 53, US, 1000);

	toy_begin(DROPS);
	expect_sent(&dns);
	toy_change(DROPS);
	toy_expect(WAN, &answer, WEIR_NEXT, WEIR_DROP_NONE);
	toy_change(WORLD_PORTS
		   "firewall: {rules: [{name: no, from: self, to: wan, action: drop}]}\n");
	toy_expect(WAN, &answer, WEIR_DROP, WEIR_DROP_RULE);
	CU_ASSERT_EQUAL(toy_flows(), 0);
	toy_end();
}

static void test_flows_of_the_host_are_not_translated(void)
{
	const struct toy_ip dns = toy_udp(US, 1000, THERE, 53);

	toy_begin(
		DROPS
		"nat:\n"
		"  source: [{name: m, to: wan, action: masquerade}]\n"
		"  destination: [{name: d, destination: 8.8.8.8, proto: udp, dport: '53', action: dnat, "
		"forward: 10.0.0.80}]\n");
	expect_sent(&dns);
	CU_ASSERT_FALSE(only_flow().flow.flags & (WEIR_FLOW_SNAT | WEIR_FLOW_DNAT));
	toy_end();
}

static void test_an_error_about_the_hosts_flow_passes(void)
{
	const struct toy_ip dns = toy_udp(US, 1000, THERE, 53);
	uint8_t quoted[64];
	struct toy_ip error = {.proto = IPPROTO_ICMP,
			       .src = "198.51.100.9",
			       .dst = US,
			       .icmp_type = 3,
			       .data = quoted};

	toy_begin(DROPS);
	error.data_bytes = toy_ip_bytes(&dns, quoted);
	toy_expect(WAN, &error, WEIR_DROP, WEIR_DROP_RULE);
	expect_sent(&dns);
	toy_expect(WAN, &error, WEIR_NEXT, WEIR_DROP_NONE);
	toy_end();
}

/* Where the kernel answers on wan. */
static void begin_with_kernel(const char *text)
{
	toy_begin(text);
	((struct weir_iface *)(uintptr_t)world.gen.l3->ifaces)[WAN].kernel = true;
}

static void test_datagrams_that_a_rule_lets_in_to_the_host_are_a_flow(void)
{
	const struct toy_ip dns = toy_udp(THERE, 1000, US, 53);
	const struct toy_ip answer = toy_udp(US, 53, THERE, 1000);
	const struct toy_ip ssh = toy_tcp(THERE, 1000, US, 22, SYN, 1, 0);
	const struct toy_ip ping = {
		.proto = IPPROTO_ICMP, .src = THERE, .sport = 5, .dst = US, .icmp_type = 8};
	struct weir_flow_view view;

	begin_with_kernel(WORLD_PORTS "firewall: {rules: [{name: in, from: wan, to: self, action: "
				      "accept}, {name: no, from: self, action: drop}]}\n"
				      "nat: {source: [{name: m, action: masquerade}]}\n");
	toy_expect(WAN, &dns, WEIR_NEXT, WEIR_DROP_NONE);
	expect_sent(&answer);
	toy_expect(WAN, &ssh, WEIR_NEXT, WEIR_DROP_NONE);
	toy_expect(WAN, &ping, WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(toy_flows(), 1); /* TCP and ICMP are judged packet by packet */
	view = only_flow();
	CU_ASSERT_EQUAL(view.flow.zone[WEIR_DIR_ORIG], 2);
	CU_ASSERT_EQUAL(view.flow.zone[WEIR_DIR_REPLY], WEIR_ZONE_SELF);
	CU_ASSERT_FALSE(view.flow.flags & WEIR_FLOW_SNAT);
	CU_ASSERT_EQUAL(view.flow.pkts[WEIR_DIR_REPLY], 1);
	toy_change(DROPS);
	expect_kept_back(&answer); /* as the flow that it answers is forbidden now */
	toy_expect(WAN, &dns, WEIR_DROP, WEIR_DROP_RULE);
	CU_ASSERT_EQUAL(toy_flows(), 0);
	toy_end();
}

WEIR_TESTS("firewall/own", TEST(what_the_host_begins_is_answered_without_a_rule),
	   TEST(connections_and_pings_of_the_host_are_tracked),
	   TEST(what_begins_no_flow_is_sent_without_one),
	   TEST(rules_that_name_self_are_asked_and_others_are_not),
	   TEST(an_answer_is_judged_for_a_new_policy_as_what_it_answers),
	   TEST(flows_of_the_host_are_not_translated), TEST(an_error_about_the_hosts_flow_passes),
	   TEST(datagrams_that_a_rule_lets_in_to_the_host_are_a_flow))
