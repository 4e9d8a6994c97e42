/* SPDX-License-Identifier: BSD-3-Clause */

/* 40_acl: what may begin a flow, and each name under which something may not. */

#include "toy_firewall.h"

#include "failalloc.h"

#define RULES(rules) WORLD_PORTS "firewall:\n  rules:\n" rules

static uint64_t counted(const char *name)
{
	const struct weir_rules *rules = world.gen.policy->rules;

	for (uint32_t i = 0; i < weir_rules_count(rules); i++)
		if (strcmp(weir_rules_at(rules, i)->name, name) == 0)
			return world.shard.tracker->counter[weir_rules_at(rules, i)->slot].pkts;
	return strcmp(name, "default") == 0 ? world.shard.tracker->counter[0].pkts : UINT64_MAX;
}

static void test_the_first_rule_that_matches_decides(void)
{
	const struct toy_ip dns = toy_udp("10.0.0.2", 1000, "8.8.8.8", 53);
	const struct toy_ip web = toy_tcp("10.0.0.2", 1000, "8.8.8.8", 80, SYN, 1, 0);
	const struct toy_ip ntp = toy_udp("10.0.0.2", 1000, "8.8.8.8", 123);
	const struct toy_ip in = toy_udp("8.8.8.8", 53, "10.0.0.9", 1000);

	toy_begin(RULES("    - {name: all, from: lan, action: count}\n"
			"    - {name: dns, from: lan, to: wan, proto: udp, dport: 53, action: "
			"accept}\n"
			"    - {name: web, proto: tcp, dport: 80, action: reject}\n"
			"    - {name: udp, from: lan, proto: udp, action: drop}\n"));
	toy_expect(LAN, &dns, WEIR_NEXT, WEIR_DROP_NONE);
	toy_expect(LAN, &web, WEIR_REJECT, WEIR_DROP_RULE_REJECT);
	toy_expect(LAN, &ntp, WEIR_DROP, WEIR_DROP_RULE);
	toy_expect(WAN, &in, WEIR_DROP, WEIR_DROP_RULE);
	CU_ASSERT_EQUAL(counted("all"), 3);
	CU_ASSERT_EQUAL(counted("dns"), 1);
	CU_ASSERT_EQUAL(counted("web"), 1);
	CU_ASSERT_EQUAL(counted("udp"), 1);
	CU_ASSERT_EQUAL(counted("default"), 1);
	CU_ASSERT_EQUAL(toy_flows(), 1);
	toy_end();
}

static void test_a_flow_carries_what_its_rule_says(void)
{
	const struct toy_ip go = toy_udp("10.0.0.2", 1000, "8.8.8.8", 53);
	struct toy_mbuf t;
	const struct weir_flow *f;

	toy_begin(RULES("    - {name: r, action: accept, mark: 77, set_dscp: ef}\n"));
	CU_ASSERT_EQUAL(toy_walk(toy_come(&t, LAN, &go)), WEIR_NEXT);
	f = weir_flow_at(world.shard.tracker->flows, t.meta.flow >> 1);
	CU_ASSERT_EQUAL(f->mark, 77);
	CU_ASSERT_EQUAL(f->dscp, WEIR_FLOW_DSCP | 46);
	CU_ASSERT_EQUAL(f->gen, world.gen.policy->number);
	CU_ASSERT_EQUAL(f->rule, weir_rules_at(world.gen.policy->rules, 0)->slot);
	CU_ASSERT(f->zone[0] == 1 && f->zone[1] == 2 && f->pkts[0] == 1);
	toy_end();
}

static void test_where_no_way_leads_no_rule_is_asked(void)
{
	const struct toy_ip none = toy_udp("2001:db8:1::2", 1, "2001:db8:77::1", 2);
	const struct toy_ip prohibited = toy_udp("10.0.0.2", 1, "203.0.113.1", 2);
	const struct toy_ip hole = toy_udp("10.0.0.2", 1, "198.18.0.1", 2);

	toy_begin(RULES("    - {name: r, action: accept}\n"));
	toy_expect(LAN, &none, WEIR_REJECT, WEIR_DROP_NO_ROUTE);
	toy_expect(LAN, &prohibited, WEIR_REJECT, WEIR_DROP_PROHIBITED);
	toy_expect(LAN, &hole, WEIR_DROP, WEIR_DROP_BLACKHOLE);
	CU_ASSERT_EQUAL(counted("r"), 0);
	CU_ASSERT_EQUAL(toy_flows(), 0);
	toy_end();
}

static void test_a_source_of_another_zone_is_spoofed(void)
{
	const struct toy_ip bad = toy_udp("10.0.0.9", 1, "10.0.0.2", 2);
	const struct toy_ip good = toy_udp("8.8.8.8", 1, "10.0.0.2", 2);
	const struct toy_ip lan = toy_udp("8.8.8.8", 1, "8.8.4.4", 2);

	toy_begin(WORLD_PORTS "zones: {out: {interfaces: wan, antispoof: true}}\n"
			      "firewall: {default: accept}\n");
	toy_expect(WAN, &bad, WEIR_DROP, WEIR_DROP_SPOOFED);
	toy_expect(WAN, &good, WEIR_NEXT, WEIR_DROP_NONE);
	toy_expect(LAN, &lan, WEIR_NEXT, WEIR_DROP_NONE); /* that zone does not ask */
	CU_ASSERT_EQUAL(toy_flows(), 2);
	toy_end();
}

static void test_sources_that_nobody_else_has_begin_no_flow(void)
{
	static const struct {
		const char *src, *dst;
		enum weir_drop why;
	} cases[] = {
		{"8.8.8.8", "10.0.0.2", WEIR_DROP_NONE},
		{"10.0.0.1", "10.0.0.2", WEIR_DROP_IP_SOURCE}, /* ours */
		{"192.0.2.1", "10.0.0.2", WEIR_DROP_IP_SOURCE},
		{"192.0.2.1", "10.0.0.1", WEIR_DROP_IP_SOURCE},
		{"10.0.0.255", "10.0.0.2", WEIR_DROP_IP_SOURCE}, /* all of a subnet */
		{"10.0.0.2", "10.0.0.2", WEIR_DROP_IP_SOURCE},	 /* LAND */
		{"2001:db8:2::2", "2001:db8:1::2", WEIR_DROP_NONE},
		{"2001:db8:1::1", "2001:db8:1::2", WEIR_DROP_IP_SOURCE},
		{"2001:db8:1::2", "2001:db8:1::2", WEIR_DROP_IP_SOURCE},
	};

	toy_begin(RULES("    - {name: all, action: accept}\n"));
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		const struct toy_ip p = toy_udp(cases[i].src, 5, cases[i].dst, 5);

		toy_expect(WAN, &p, cases[i].why == WEIR_DROP_NONE ? WEIR_NEXT : WEIR_DROP,
			   cases[i].why);
	}
	CU_ASSERT_EQUAL(toy_flows(), 2);
	toy_end();
}

static void test_a_zone_may_refuse_sources_that_the_internet_does_not_have(void)
{
	const struct toy_ip private = toy_udp("172.20.0.9", 1, "10.0.0.2", 2);
	const struct toy_ip to_us = toy_udp("172.20.0.9", 1, "192.0.2.1", 2);
	const struct toy_ip local6 = toy_udp("fd00::1", 1, "2001:db8:1::2", 2);
	const struct toy_ip link = toy_udp("fe80::1", 1, "2001:db8:1::2", 2);
	const struct toy_ip router = toy_udp("fe80::1", 1, "2001:db8:1::1", 2);
	const struct toy_ip connected = toy_udp("192.0.2.77", 1, "10.0.0.2", 2);
	const struct toy_ip good = toy_udp("8.8.8.8", 1, "10.0.0.2", 2);
	const struct toy_ip other = toy_udp("10.0.0.9", 1, "10.0.0.2", 2);
	const struct toy_ip inside = toy_udp("10.0.0.2", 3, "8.8.8.8", 4);

	toy_begin(WORLD_PORTS "zones: {out: {interfaces: wan, bogons: true}}\n"
			      "firewall: {default: accept}\n");
	toy_expect(WAN, &private, WEIR_DROP, WEIR_DROP_BOGON);
	toy_expect(WAN, &to_us, WEIR_DROP, WEIR_DROP_BOGON);
	toy_expect(WAN, &local6, WEIR_DROP, WEIR_DROP_BOGON);
	toy_expect(WAN, &link, WEIR_DROP, WEIR_DROP_BOGON);
	toy_expect(WAN, &other, WEIR_DROP, WEIR_DROP_BOGON); /* of another zone's network */
	toy_expect(WAN, &router, WEIR_NEXT, WEIR_DROP_NONE);
	toy_expect(WAN, &connected, WEIR_NEXT, WEIR_DROP_NONE);
	toy_expect(WAN, &good, WEIR_NEXT, WEIR_DROP_NONE);
	toy_expect(LAN, &inside, WEIR_NEXT, WEIR_DROP_NONE); /* that zone does not ask */
	CU_ASSERT_EQUAL(toy_flows(), 3);
	toy_end();
}

static void test_answers_from_bogons_pass(void)
{
	const struct toy_ip go = toy_udp("10.0.0.2", 3, "172.20.0.9", 4);
	const struct toy_ip back = toy_udp("172.20.0.9", 4, "10.0.0.2", 3);

	toy_begin(WORLD_PORTS "zones: {out: {interfaces: wan, bogons: true}}\n"
			      "firewall: {default: accept}\n");
	toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	toy_expect(WAN, &back, WEIR_NEXT, WEIR_DROP_NONE);
	toy_end();
}

static void test_zones_limit_their_flows(void)
{
	struct toy_ip go = toy_udp("10.0.0.2", 1, "8.8.8.8", 2);

	toy_begin(WORLD_PORTS "zones: {in: {interfaces: lan, source_flows: 2, flows: 3}}\n"
			      "firewall: {default: accept}\n");
	for (; go.sport <= 2; go.sport++)
		toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	toy_expect(LAN, &go, WEIR_DROP, WEIR_DROP_FLOW_SOURCE);
	go.src = "10.0.0.3";
	toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	go.src = "10.0.0.4";
	toy_expect(LAN, &go, WEIR_DROP, WEIR_DROP_ZONE_FULL);
	CU_ASSERT_EQUAL(toy_flows(), 3);
	toy_end();
}

static void test_what_cannot_begin_a_flow_is_invalid(void)
{
	const struct toy_ip middle = toy_tcp("10.0.0.2", 1, "8.8.8.8", 2, ACK, 1, 1);
	const struct toy_ip odd = toy_tcp("10.0.0.2", 1, "8.8.8.8", 2, SYN | RST, 1, 1);
	const struct toy_ip answer = {
		.proto = IPPROTO_ICMP, .src = "10.0.0.2", .sport = 5, .dst = "8.8.8.8"};

	toy_begin(WORLD_PORTS "firewall: {default: accept}\n");
	toy_expect(LAN, &middle, WEIR_DROP, WEIR_DROP_FLOW_INVALID);
	toy_expect(LAN, &odd, WEIR_DROP, WEIR_DROP_FLOW_INVALID);
	toy_expect(LAN, &answer, WEIR_DROP, WEIR_DROP_FLOW_INVALID);
	CU_ASSERT_EQUAL(toy_flows(), 0);
	toy_end();
}

static void test_with_loose_tracking_tcp_may_begin_in_its_middle(void)
{
	const struct toy_ip middle = toy_tcp("10.0.0.2", 1, "8.8.8.8", 2, ACK, 1, 1);

	toy_begin(WORLD_PORTS "firewall: {default: accept}\nconntrack: {loose: true}\n");
	toy_expect(LAN, &middle, WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(toy_flows(), 1);
	toy_end();
}

static void test_what_is_for_us_is_judged_by_itself_and_leaves_no_flow(void)
{
	const struct toy_ip ping = {.proto = IPPROTO_ICMP,
				    .src = "10.0.0.2",
				    .sport = 5,
				    .dst = "10.0.0.1",
				    .icmp_type = 8};
	const struct toy_ip ssh = toy_tcp("10.0.0.2", 1, "10.0.0.1", 22, SYN, 1, 0);

	toy_begin(RULES("    - {name: ping, to: self, proto: icmp, icmp: echo-request, action: "
			"accept}\n"
			"    - {name: out, to: wan, action: accept}\n"));
	for (unsigned i = 0; i < 2; i++)
		toy_expect(LAN, &ping, WEIR_NEXT, WEIR_DROP_NONE);
	toy_expect(LAN, &ssh, WEIR_DROP, WEIR_DROP_RULE);
	CU_ASSERT_EQUAL(counted("ping"), 2);
	CU_ASSERT_EQUAL(toy_flows(), 0);
	toy_end();
}

static void test_no_flow_begins_with_what_will_not_be_sent_on(void)
{
	struct toy_ip go = toy_udp("10.0.0.2", 1, "8.8.8.8", 2);
	struct toy_ip go6 = toy_udp("2001:db8:1::2", 1, "2001:db8:2::2", 2);
	const struct toy_ip link = toy_udp("fe80::2", 1, "2001:db8:2::2", 2);

	toy_begin(RULES("    - {name: r, from: lan, action: accept}\n"));
	go.ttl = go6.ttl = 1;
	toy_expect(LAN, &go, WEIR_REJECT, WEIR_DROP_TTL);
	toy_expect(LAN, &go6, WEIR_REJECT, WEIR_DROP_TTL);
	toy_expect(LAN, &link, WEIR_DROP, WEIR_DROP_LINK_LOCAL);
	CU_ASSERT_EQUAL(toy_flows(), 0);
	CU_ASSERT_EQUAL(toy_stats()->created, 0);
	go.ttl = 2;
	toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	go.ttl = 1; /* whoever is refused is not told that we are here */
	toy_expect(WAN, &go, WEIR_DROP, WEIR_DROP_FLOW_ZONE);
	go.sport = 9;
	toy_expect(WAN, &go, WEIR_DROP, WEIR_DROP_RULE);
	toy_end();
}

static void test_an_interface_in_no_zone_is_not_served(void)
{
	const struct toy_ip go = toy_udp("10.0.0.2", 1, "8.8.8.8", 2);

	toy_begin(WORLD_PORTS "firewall: {default: accept}\n");
	((struct weir_policy *)(uintptr_t)world.gen.policy)->zone_of[WAN] = WEIR_NO_ZONE;
	toy_expect(LAN, &go, WEIR_DROP, WEIR_DROP_RULE);
	CU_ASSERT_EQUAL(toy_flows(), 0);
	toy_end();
}

static void test_a_flow_that_a_new_policy_forbids_ends_at_its_next_packet(void)
{
	const struct toy_ip syn = toy_tcp("10.0.0.2", 1, "8.8.8.8", 80, SYN, 1, 0);
	const struct toy_ip both = toy_tcp("8.8.8.8", 80, "10.0.0.2", 1, SYN | ACK, 9, 2);
	const struct toy_ip dns = toy_udp("10.0.0.2", 1, "8.8.8.8", 53);

	toy_begin(RULES("    - {name: web, from: lan, proto: tcp, tcp_flags: 'syn,!ack', action: "
			"accept}\n"
			"    - {name: dns, from: lan, proto: udp, action: accept}\n"));
	toy_expect(LAN, &syn, WEIR_NEXT, WEIR_DROP_NONE);
	toy_expect(LAN, &dns, WEIR_NEXT, WEIR_DROP_NONE);
	toy_change(RULES("    - {name: web, from: lan, proto: tcp, tcp_flags: 'syn,!ack', action: "
			 "accept}\n"));
	/* The answer comes from wan, but its flow came from lan and began with a SYN. */
	toy_expect(WAN, &both, WEIR_NEXT, WEIR_DROP_NONE);
	toy_expect(LAN, &dns, WEIR_DROP, WEIR_DROP_RULE);
	CU_ASSERT_EQUAL(toy_stats()->killed, 1);
	CU_ASSERT_EQUAL(toy_flows(), 1);
	toy_end();
}

/* Two packets of one flow, whose DSCPs are a rule's matter, judged again in one burst. */
static void judge_two_again(uint8_t first_dscp, uint8_t second_dscp)
{
	struct toy_ip packet = toy_udp("10.0.0.2", 1, "8.8.8.8", 2);
	struct toy_mbuf t[2];
	struct rte_mbuf *m[2];
	uint8_t said[2];
	unsigned forbidden;

	toy_begin(WORLD_PORTS "firewall: {default: accept}\n"
			      "nat: {source: [{name: m, to: wan, action: masquerade}]}\n");
	toy_expect(LAN, &packet, WEIR_NEXT, WEIR_DROP_NONE);
	toy_change(WORLD_PORTS
		   "firewall: {default: accept, rules: [{name: no, dscp: ef, action: drop}]}\n"
		   "nat: {source: [{name: m, to: wan, action: masquerade}]}\n");
	for (unsigned i = 0; i < 2; i++) {
		packet.dscp = i == 0 ? first_dscp : second_dscp;
		m[i] = toy_come(&t[i], LAN, &packet);
	}
	forbidden = first_dscp == 46 ? 0 : 1;
	for (unsigned stage = 0; stage < 3; stage++)
		toy_stage_together(stage, m, said, 2);
	CU_ASSERT_EQUAL(said[forbidden], WEIR_DROP);
	CU_ASSERT_EQUAL(t[forbidden].meta.drop, WEIR_DROP_RULE);
	if (forbidden == 1) /* the one before it was let in, and must not leave as it came */
		said[0] = (uint8_t)toy_stage(TOY_STAGES - 1, m[0]);
	CU_ASSERT_EQUAL(said[!forbidden], WEIR_DROP);
	CU_ASSERT_EQUAL(t[!forbidden].meta.drop, WEIR_DROP_FLOW_INVALID);
	CU_ASSERT_EQUAL(toy_flows(), 0);
	packet.dscp = 0;
	toy_expect(LAN, &packet, WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(toy_flows(), 1);
	toy_end();
}

static void test_a_flow_that_ends_in_a_burst_takes_its_other_packets_along(void)
{
	judge_two_again(46, 0);
	judge_two_again(0, 46);
}

static void test_a_ping_through_nat64_is_judged_again_as_the_ping_that_it_was(void)
{
	static const char *const text = WORLD_PORTS
		"firewall: {rules: [{name: ping, proto: icmp6, icmp: echo-request, action: "
		"accept}]}\n"
		"nat: {destination: [{name: x, from: lan, action: nat64, inside: "
		"'64:ff9b::/96', destination: '64:ff9b::/96', pool: 192.0.2.9/32}]}\n";
	const struct toy_ip go = {.proto = IPPROTO_ICMPV6,
				  .src = "2001:db8:1::2",
				  .dst = "64:ff9b::808:808",
				  .icmp_type = 128,
				  .sport = 77};
	struct toy_ip back = {
		.proto = IPPROTO_ICMP, .src = "8.8.8.8", .dst = "192.0.2.9", .icmp_type = 0};
	struct toy_mbuf t;

	toy_begin(text);
	CU_ASSERT_EQUAL(toy_walk(toy_come(&t, LAN, &go)), WEIR_NEXT);
	memcpy(&back.sport, t.buf + t.m.data_off + t.meta.l4_off + 4, 2);
	back.sport = rte_be_to_cpu_16(back.sport);
	toy_change(text);
	toy_expect(WAN, &back, WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(toy_flows(), 1);
	toy_end();
}

static void test_rules_see_where_a_forwarded_port_leads(void)
{
	const struct toy_ip syn = toy_tcp("8.8.8.8", 9, "192.0.2.1", 80, SYN, 1, 0);
	const struct toy_ip other = toy_tcp("8.8.8.8", 9, "192.0.2.1", 81, SYN, 1, 0);

	toy_begin(RULES("    - {name: web, from: wan, to: lan, destination: 10.0.0.2, proto: tcp, "
			"dport: 8080, action: accept}\n"
			"nat:\n  destination:\n"
			"    - {name: f, from: wan, destination: 192.0.2.1, proto: tcp, dport: 80, "
			"action: dnat, forward: '10.0.0.2:8080'}\n"));
	toy_expect(WAN, &syn, WEIR_NEXT, WEIR_DROP_NONE);
	toy_expect(WAN, &other, WEIR_DROP, WEIR_DROP_RULE);
	CU_ASSERT_EQUAL(counted("web"), 1);
	toy_end();
}

static void test_what_is_over_a_limit_goes_on_with_the_next_rule(void)
{
	struct toy_ip go = toy_udp("10.0.0.2", 1, "8.8.8.8", 2);

	toy_begin(RULES("    - {name: few, action: accept, limit: {rate: 3pps}}\n"
			"    - {name: rest, action: drop}\n"));
	for (; go.sport <= 3; go.sport++)
		toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	toy_expect(LAN, &go, WEIR_DROP, WEIR_DROP_RULE);
	world.now_ns += 2 * SECOND;
	toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(counted("rest"), 1);
	toy_end();
}

/* Flows that a limit has let in, under a new policy that says the same. */
static void judge_limited_again(const char *text)
{
	struct toy_ip go = toy_udp("10.0.0.2", 1, "8.8.8.8", 2);

	toy_begin(text);
	for (go.sport = 1; go.sport <= 3; go.sport++)
		toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	for (unsigned reload = 0; reload < 3; reload++) {
		toy_change(text);
		for (go.sport = 1; go.sport <= 3; go.sport++)
			toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	}
	toy_expect(LAN, &go, WEIR_DROP, WEIR_DROP_RULE); /* the limit holds for what begins */
	CU_ASSERT_EQUAL(toy_flows(), 3);
	toy_end();
}

static void test_a_flow_that_is_judged_again_is_not_charged_to_a_limit_again(void)
{
	judge_limited_again(RULES("    - {name: few, action: accept, limit: {rate: 3pps}}\n"));
	judge_limited_again(RULES("    - {name: many, action: drop, limit: {rate: 3pps, per: "
				  "source, over: true}}\n"
				  "    - {name: rest, action: accept}\n"));
}

static void test_what_is_for_us_is_charged_to_a_limit_packet_by_packet(void)
{
	const struct toy_ip ping = {.proto = IPPROTO_ICMP,
				    .src = "10.0.0.2",
				    .dst = "10.0.0.1",
				    .icmp_type = 8,
				    .sport = 77};
	static const char *const text =
		RULES("    - {name: few, to: self, action: accept, limit: {rate: 3pps}}\n");

	toy_begin(text);
	for (unsigned i = 0; i < 3; i++)
		toy_expect(LAN, &ping, WEIR_NEXT, WEIR_DROP_NONE);
	toy_change(text);
	toy_expect(LAN, &ping, WEIR_DROP, WEIR_DROP_RULE);
	toy_end();
}

static void test_without_a_tracker_or_memory_there_is_no_node(void)
{
	struct weir_shard bare = {.workers = 1};
	void *self = NULL;

	toy_begin(WORLD_PORTS);
	CU_ASSERT_EQUAL(weir_node_acl.create(&bare, &self), -EINVAL);
	failalloc_at(1);
	CU_ASSERT_EQUAL(weir_node_acl.create(&world.shard, &self), -ENOMEM);
	failalloc_at(0);
	CU_ASSERT_PTR_NULL(self);
	weir_node_acl.free(NULL);
	toy_end();
}

WEIR_TESTS("node/acl", TEST(the_first_rule_that_matches_decides),
	   TEST(a_flow_carries_what_its_rule_says), TEST(where_no_way_leads_no_rule_is_asked),
	   TEST(a_source_of_another_zone_is_spoofed),
	   TEST(sources_that_nobody_else_has_begin_no_flow),
	   TEST(a_zone_may_refuse_sources_that_the_internet_does_not_have),
	   TEST(answers_from_bogons_pass), TEST(zones_limit_their_flows),
	   TEST(what_cannot_begin_a_flow_is_invalid),
	   TEST(with_loose_tracking_tcp_may_begin_in_its_middle),
	   TEST(what_is_for_us_is_judged_by_itself_and_leaves_no_flow),
	   TEST(no_flow_begins_with_what_will_not_be_sent_on),
	   TEST(an_interface_in_no_zone_is_not_served),
	   TEST(a_flow_that_a_new_policy_forbids_ends_at_its_next_packet),
	   TEST(a_flow_that_ends_in_a_burst_takes_its_other_packets_along),
	   TEST(a_ping_through_nat64_is_judged_again_as_the_ping_that_it_was),
	   TEST(rules_see_where_a_forwarded_port_leads),
	   TEST(what_is_over_a_limit_goes_on_with_the_next_rule),
	   TEST(a_flow_that_is_judged_again_is_not_charged_to_a_limit_again),
	   TEST(what_is_for_us_is_charged_to_a_limit_packet_by_packet),
	   TEST(without_a_tracker_or_memory_there_is_no_node))
