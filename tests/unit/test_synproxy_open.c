/* SPDX-License-Identifier: BSD-3-Clause */

/* The SYN proxy up to the first packet to the server: cookies, and the flow that comes of one. */

#include "toy_synproxy.h"

static void test_a_syn_is_answered_and_begins_no_flow(void)
{
	const struct pair *const pairs[] = {&plain, &forwarded, &six};

	begin_proxy(PROXY FORWARD);
	for (unsigned i = 0; i < RTE_DIM(pairs); i++) {
		const struct seg s = ask(pairs[i], true, SYN | ECN_FLAGS);
		const uint16_t mss = pairs[i] == &six ? 1440 : 1460;

		CU_ASSERT_EQUAL(s.flags, SYNACK | RTE_TCP_ECE_FLAG);
		CU_ASSERT_EQUAL(s.ack, CLIENT_SEQ + 1);
		CU_ASSERT_EQUAL(s.window, 0);
		CU_ASSERT_EQUAL_FATAL(s.n_options, 20);
		CU_ASSERT(s.options[0] == 2 && s.options[2] == mss >> 8 &&
			  s.options[3] == (mss & 255));
		CU_ASSERT(s.options[4] == 4 && s.options[5] == 2);
		CU_ASSERT(s.options[6] == 8 && s.options[7] == 10);
		CU_ASSERT_EQUAL(be32(s.options + 8) & 63, 0x20 | 0x10 | 9);
		CU_ASSERT_EQUAL(be32(s.options + 12), 7000);
		CU_ASSERT(s.options[17] == 3 && s.options[18] == 3 && s.options[19] == 7);
	}
	CU_ASSERT_EQUAL(world.shard.tracker->synproxy.answered, 3);
	CU_ASSERT_EQUAL(world.shard.tracker->counter[1].pkts, 3);
	end_proxy();
}

static void test_what_is_not_offered_or_not_wanted_is_not_said(void)
{
	struct seg s;

	begin_proxy(PROXY);
	s = ask(&plain, false, SYN | ECN_FLAGS); /* no timestamps: only MSS survives */
	CU_ASSERT(s.n_options == 4 && s.flags == SYNACK);
	end_proxy();
	begin_proxy(WORLD_PORTS "firewall: {synproxy: {mss: 1300, timestamps: false}, rules: "
				"[{name: p, action: synproxy}]}\n");
	s = ask(&plain, true, SYN);
	CU_ASSERT(s.n_options == 4 && s.options[2] == 1300 >> 8 && s.options[3] == (1300 & 255));
	end_proxy();
	begin_proxy(WORLD_PORTS "firewall: {synproxy: {sack: false, ecn: false, wscale: 3}, rules: "
				"[{name: p, action: synproxy}]}\n");
	s = ask(&plain, true, SYN | ECN_FLAGS);
	CU_ASSERT(s.n_options == 20 && s.flags == SYNACK && s.options[4] == 1);
	CU_ASSERT(s.options[19] == 3 && (be32(s.options + 8) & 63) == 9);
	end_proxy();
}

static void test_a_cookie_that_comes_back_becomes_the_clients_syn(void)
{
	const struct pair *const pairs[] = {&plain, &forwarded, &six};

	for (unsigned i = 0; i < RTE_DIM(pairs); i++) {
		const struct pair *p = pairs[i];
		struct seg synack, ack, syn;

		begin_proxy(PROXY FORWARD);
		synack = ask(p, true, SYN | ECN_FLAGS);
		ack = complete(&synack);
		ack.data_bytes = i * 10; /* is sent again later */
		syn = pass(true, p, &ack);
		CU_ASSERT_EQUAL(syn.flags, SYN | ECN_FLAGS);
		CU_ASSERT_EQUAL(syn.seq, CLIENT_SEQ);
		CU_ASSERT_EQUAL(syn.ack, 0);
		CU_ASSERT_EQUAL(syn.window, UINT16_MAX); /* 502 << 9 */
		CU_ASSERT_EQUAL(syn.data_bytes, 0);
		CU_ASSERT_EQUAL_FATAL(syn.n_options, 20);
		CU_ASSERT(syn.options[2] == 1400 >> 8 && syn.options[3] == (1400 & 255));
		CU_ASSERT(syn.options[4] == 4 && syn.options[19] == 9);
		CU_ASSERT(be32(syn.options + 8) == 7010 && be32(syn.options + 12) == 0);
		CU_ASSERT_EQUAL(toy_flows(), 1);
		CU_ASSERT_EQUAL(the_flow()->cls, WEIR_FLOW_HALF_OPEN);
		CU_ASSERT_EQUAL(world.shard.tracker->synproxy.accepted, 1);
		CU_ASSERT_EQUAL(sent(), 0);
		end_proxy();
	}
}

static void test_wrong_and_stale_cookies_are_named(void)
{
	struct seg synack, ack, bad;

	begin_proxy(PROXY);
	synack = ask(&plain, true, SYN);
	ack = complete(&synack);
	bad = ack;
	bad.ack ^= 8;
	expect_drop(true, &plain, &bad, WEIR_DROP_SYN_COOKIE_WRONG);
	bad = ack;
	bad.seq += 2;
	expect_drop(true, &plain, &bad, WEIR_DROP_SYN_COOKIE_WRONG);
	bad = ack;
	bad.flags = SYNACK;
	expect_drop(true, &plain, &bad, WEIR_DROP_FLOW_INVALID);
	bad.flags = RST;
	expect_drop(true, &plain, &bad, WEIR_DROP_FLOW_INVALID);
	expect_drop(false, &plain, &ack, WEIR_DROP_FLOW_INVALID); /* no proxy for this zone */
	world.now_ns += 128 * SECOND;
	expect_drop(true, &plain, &ack, WEIR_DROP_SYN_COOKIE_STALE);
	CU_ASSERT_EQUAL(toy_flows(), 0);
	CU_ASSERT_EQUAL(world.shard.tracker->synproxy.wrong, 2);
	CU_ASSERT_EQUAL(world.shard.tracker->synproxy.stale, 1);
	CU_ASSERT_EQUAL(world.shard.tracker->synproxy.accepted, 0);
	CU_ASSERT_EQUAL(sent(), 0);
	end_proxy();
}

static void test_loose_pick_up_is_no_way_round_the_proxy(void)
{
	struct seg ack = {.flags = ACK, .seq = 5, .ack = 6, .window = 7};

	begin_proxy(PROXY "conntrack: {loose: true}\n");
	expect_drop(true, &plain, &ack, WEIR_DROP_SYN_COOKIE_WRONG);
	CU_ASSERT_EQUAL(toy_flows(), 0);
	end_proxy();
}

static void test_a_probe_of_the_closed_window_brings_the_cookie_too(void)
{
	struct seg synack, probe;

	begin_proxy(PROXY);
	synack = ask(&plain, true, SYN);
	probe = complete(&synack);
	probe.seq--;
	CU_ASSERT_EQUAL(pass(true, &plain, &probe).seq, CLIENT_SEQ);
	end_proxy();
}

static void test_what_the_rules_say_meanwhile_holds(void)
{
	struct seg synack, ack;

	begin_proxy(PROXY);
	synack = ask(&plain, true, SYN);
	ack = complete(&synack);
	toy_change(WORLD_PORTS "firewall: {rules: [{name: other, from: wan, dport: 81, proto: tcp, "
			       "action: synproxy}]}\n");
	expect_drop(true, &plain, &ack, WEIR_DROP_RULE);
	toy_change(PROXY);
	(void)pass(true, &plain, &ack);
	toy_change(WORLD_PORTS "firewall: {rules: [{name: no, action: drop}]}\n");
	expect_drop(true, &plain, &ack, WEIR_DROP_RULE);
	CU_ASSERT_EQUAL(toy_flows(), 0);
	end_proxy();
}

static void test_a_rule_that_asks_for_a_syn_sees_one(void)
{
	struct seg synack, ack;

	begin_proxy(WORLD_PORTS "firewall: {rules: [{name: p, proto: tcp, tcp_flags: 'syn,!ack', "
				"action: synproxy}]}\n");
	synack = ask(&plain, true, SYN);
	ack = complete(&synack);
	CU_ASSERT_EQUAL(pass(true, &plain, &ack).flags, SYN);
	end_proxy();
}

static void test_without_an_extension_there_is_no_flow(void)
{
	struct weir_flow_table *flows;
	struct weir_tuple t = {.proto = IPPROTO_TCP, .family = 4};
	struct seg synack, ack;
	uint32_t draft[1024], n = 0;

	begin_proxy(PROXY "conntrack: {extended: 16}\n");
	flows = world.shard.tracker->flows;
	synack = ask(&plain, true, SYN);
	ack = complete(&synack);
	do {
		t.sport++;
		draft[n] = weir_flow_draft(flows, &t);
	} while (weir_flow_extend(flows, weir_flow_at(flows, draft[n++])) != NULL);
	expect_drop(true, &plain, &ack, WEIR_DROP_FLOW_FULL);
	while (n > 0)
		weir_flow_abort(flows, draft[--n]);
	CU_ASSERT_EQUAL(pass(true, &plain, &ack).flags, SYN);
	end_proxy();
}

static void test_all_but_tcp_is_accepted(void)
{
	const struct toy_ip udp = toy_udp("198.51.100.7", 5, "10.0.0.2", 53);

	begin_proxy(PROXY);
	toy_expect(WAN, &udp, WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(toy_flows(), 1);
	end_proxy();
}

WEIR_TESTS("nodes/synproxy_open", TEST(a_syn_is_answered_and_begins_no_flow),
	   TEST(what_is_not_offered_or_not_wanted_is_not_said),
	   TEST(a_cookie_that_comes_back_becomes_the_clients_syn),
	   TEST(wrong_and_stale_cookies_are_named), TEST(loose_pick_up_is_no_way_round_the_proxy),
	   TEST(a_probe_of_the_closed_window_brings_the_cookie_too),
	   TEST(what_the_rules_say_meanwhile_holds), TEST(a_rule_that_asks_for_a_syn_sees_one),
	   TEST(without_an_extension_there_is_no_flow), TEST(all_but_tcp_is_accepted))
