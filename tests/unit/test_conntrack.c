/* SPDX-License-Identifier: BSD-3-Clause */

/* 30_conntrack: which flow a packet belongs to, and what contradicts it. */

#include "toy_firewall.h"

#include "failalloc.h"

#define OPEN WORLD_PORTS "conntrack: {flows: 1024}\nfirewall: {default: accept}\n"

/* The meta of a packet behind 30_conntrack alone. */
static enum weir_verdict track(struct toy_mbuf *t, unsigned iface, const struct toy_ip *p)
{
	return toy_stage(0, toy_come(t, iface, p));
}

static void abort_draft(const struct toy_mbuf *t)
{
	weir_flow_abort(world.shard.tracker->flows, t->meta.flow >> 1);
}

static void test_a_first_packet_has_a_draft_and_the_next_ones_are_known(void)
{
	const struct toy_ip go = toy_udp("10.0.0.2", 1000, "8.8.8.8", 53);
	const struct toy_ip back = toy_udp("8.8.8.8", 53, "10.0.0.2", 1000);
	struct toy_mbuf t;

	toy_begin(OPEN);
	CU_ASSERT_EQUAL(track(&t, LAN, &go), WEIR_NEXT);
	CU_ASSERT_FALSE(t.meta.flags & WEIR_META_KNOWN);
	CU_ASSERT_NOT_EQUAL_FATAL(t.meta.flow, WEIR_NO_FLOW);
	CU_ASSERT_TRUE(weir_flow_at(world.shard.tracker->flows, t.meta.flow >> 1)->flags &
		       WEIR_FLOW_DRAFT);
	abort_draft(&t);
	toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(track(&t, WAN, &back), WEIR_KNOWN);
	CU_ASSERT_TRUE(t.meta.flags & WEIR_META_KNOWN);
	CU_ASSERT_FALSE(t.meta.flags & WEIR_META_REWRITE);
	CU_ASSERT_EQUAL(t.meta.flow & 1, WEIR_DIR_REPLY);
	CU_ASSERT_EQUAL(toy_stats()->in_class[WEIR_FLOW_UDP], 1);
	CU_ASSERT_EQUAL(toy_flows(), 1);
	toy_end();
}

static void test_what_belongs_to_no_flow_has_none(void)
{
	/* ICMPv6 that speaks for its link: a router solicitation. */
	const struct toy_ip ask = {.proto = IPPROTO_ICMPV6,
				   .src = "fe80::2",
				   .dst = "2001:db8:1::1",
				   .icmp_type = 133};
	struct toy_mbuf t;

	toy_begin(OPEN);
	CU_ASSERT_EQUAL(track(&t, LAN, &ask), WEIR_NEXT);
	CU_ASSERT_EQUAL(t.meta.flow, WEIR_NO_FLOW);
	CU_ASSERT_EQUAL(toy_flows(), 0);
	toy_end();
}

static void test_a_packet_from_another_zone_than_its_flow_is_dropped(void)
{
	const struct toy_ip go = toy_udp("10.0.0.2", 1000, "8.8.8.8", 53);

	toy_begin(OPEN);
	toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	toy_expect(WAN, &go, WEIR_DROP, WEIR_DROP_FLOW_ZONE);
	CU_ASSERT_EQUAL(toy_flows(), 1);
	toy_end();
}

static void shake_hands(void)
{
	const struct toy_ip syn = toy_tcp("10.0.0.2", 9, "8.8.8.8", 80, SYN, 100, 0);
	const struct toy_ip both = toy_tcp("8.8.8.8", 80, "10.0.0.2", 9, SYN | ACK, 700, 101);
	const struct toy_ip ack = toy_tcp("10.0.0.2", 9, "8.8.8.8", 80, ACK, 101, 701);

	toy_expect(LAN, &syn, WEIR_NEXT, WEIR_DROP_NONE);
	toy_expect(WAN, &both, WEIR_NEXT, WEIR_DROP_NONE);
	toy_expect(LAN, &ack, WEIR_NEXT, WEIR_DROP_NONE);
}

static void test_tcp_outside_its_window_is_dropped(void)
{
	const struct toy_ip far = toy_tcp("8.8.8.8", 80, "10.0.0.2", 9, ACK, 900000, 101);
	const struct toy_ip near = toy_tcp("8.8.8.8", 80, "10.0.0.2", 9, ACK, 701, 101);

	toy_begin(OPEN);
	shake_hands();
	CU_ASSERT_EQUAL(toy_stats()->in_class[WEIR_FLOW_ESTABLISHED], 1);
	toy_expect(WAN, &far, WEIR_DROP, WEIR_DROP_FLOW_INVALID);
	toy_expect(WAN, &near, WEIR_NEXT, WEIR_DROP_NONE);
	toy_end();
}

static void test_a_syn_over_an_ended_connection_begins_anew(void)
{
	const struct toy_ip rst = toy_tcp("8.8.8.8", 80, "10.0.0.2", 9, RST | ACK, 701, 101);
	const struct toy_ip again = toy_tcp("10.0.0.2", 9, "8.8.8.8", 80, SYN, 5000000, 0);

	toy_begin(OPEN);
	shake_hands();
	toy_expect(WAN, &rst, WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(toy_stats()->in_class[WEIR_FLOW_CLOSED], 1);
	toy_expect(LAN, &again, WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(toy_stats()->created, 2);
	CU_ASSERT_EQUAL(toy_flows(), 1);
	toy_end();
}

/* An ICMP error from a router about a packet, of which so many bytes are quoted. */
static struct toy_ip error_about(const struct toy_ip *p, uint16_t bytes, uint8_t quoted[64])
{
	toy_ip_bytes(p, quoted);
	return (struct toy_ip){.proto = IPPROTO_ICMP,
			       .src = "8.8.4.4",
			       .dst = p->src,
			       .icmp_type = 3,
			       .data = quoted,
			       .data_bytes = bytes};
}

static void test_an_error_belongs_to_the_flow_whose_packet_it_quotes(void)
{
	const struct toy_ip go = toy_udp("10.0.0.2", 1000, "8.8.8.8", 53);
	const struct toy_ip other = toy_udp("10.0.0.2", 1001, "8.8.8.8", 53);
	uint8_t quoted[64];
	struct toy_ip error = error_about(&go, 28, quoted);
	struct toy_mbuf t;

	toy_begin(OPEN);
	toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(track(&t, WAN, &error), WEIR_KNOWN); /* 60_route is the next to care */
	CU_ASSERT_EQUAL(t.meta.flags & (WEIR_META_KNOWN | WEIR_META_RELATED),
			WEIR_META_KNOWN | WEIR_META_RELATED);
	CU_ASSERT_EQUAL(t.meta.flow & 1, WEIR_DIR_REPLY);
	error = error_about(&other, 28, quoted);
	CU_ASSERT_EQUAL(track(&t, WAN, &error), WEIR_NEXT); /* 40_acl: is it for us? */
	CU_ASSERT_EQUAL(t.meta.flow, WEIR_NO_FLOW);
	toy_expect(WAN, &error, WEIR_DROP, WEIR_DROP_FLOW_INVALID);
	error = error_about(&go, 27, quoted);
	toy_expect(WAN, &error, WEIR_DROP, WEIR_DROP_ICMP_QUOTE);
	toy_end();
}

#define STRICT                                                           \
	WORLD_PORTS "firewall: {default: accept}\n"                      \
		    "zones:\n  in: {interfaces: lan, antispoof: true}\n" \
		    "  out: {interfaces: wan, antispoof: true, bogons: true}\n"

static void test_an_error_comes_by_the_zone_and_goes_to_the_host_that_its_flow_has(void)
{
	const struct toy_ip go = toy_udp("10.0.0.2", 1000, "8.8.8.8", 53);
	const struct toy_ip go6 = toy_udp("2001:db8:1::2", 1, "2001:db8:2::9", 2);
	static const struct {
		unsigned iface;
		const char *src, *dst;
		enum weir_drop why;
	} errors[] = {
		{WAN, "8.8.4.4", "10.0.0.2", WEIR_DROP_NONE},	 /* any router on the way */
		{WAN, "172.16.0.1", "10.0.0.2", WEIR_DROP_NONE}, /* which may have such a one */
		{LAN, "10.0.0.9", "10.0.0.2", WEIR_DROP_FLOW_ZONE},
		{WAN, "10.0.0.9", "10.0.0.2", WEIR_DROP_SPOOFED},
		{WAN, "8.8.4.4", "10.0.0.3", WEIR_DROP_FLOW_INVALID},
		{WAN, "2001:db8:2::1", "2001:db8:1::2", WEIR_DROP_NONE},
		{LAN, "2001:db8:1::9", "2001:db8:1::2", WEIR_DROP_FLOW_ZONE},
		{WAN, "2001:db8:1::9", "2001:db8:1::2", WEIR_DROP_SPOOFED},
		{WAN, "2001:db8:2::1", "2001:db8:1::3", WEIR_DROP_FLOW_INVALID},
	};
	uint8_t quoted[64];

	toy_begin(STRICT);
	toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	toy_expect(LAN, &go6, WEIR_NEXT, WEIR_DROP_NONE);
	for (unsigned i = 0; i < RTE_DIM(errors); i++) {
		const bool six = strchr(errors[i].src, ':') != NULL;
		struct toy_ip error = error_about(six ? &go6 : &go, six ? 48 : 28, quoted);

		error.src = errors[i].src;
		error.dst = errors[i].dst;
		error.proto = six ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
		error.icmp_type = six ? 1 : 3;
		toy_expect(errors[i].iface, &error,
			   errors[i].why == WEIR_DROP_NONE ? WEIR_NEXT : WEIR_DROP, errors[i].why);
	}
	toy_end();
}

static void test_a_full_table_refuses_by_name_until_something_is_old_enough(void)
{
	struct toy_ip go = toy_udp("10.0.0.2", 0, "8.8.8.8", 53);

	toy_begin(OPEN);
	for (go.sport = 1; go.sport <= 1024; go.sport++)
		toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	toy_expect(LAN, &go, WEIR_DROP, WEIR_DROP_FLOW_FULL);
	CU_ASSERT_EQUAL(toy_stats()->refused, 1);
	world.now_ns += SECOND / 100;
	toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(toy_stats()->evicted[WEIR_FLOW_UNANSWERED], 1);
	CU_ASSERT_EQUAL(toy_flows(), 1024);
	toy_end();
}

static void test_an_error_does_not_get_the_entry_that_a_draft_took(void)
{
	struct toy_ip first = toy_udp("10.0.0.2", 1, "8.8.8.8", 53), go = first, error;
	struct toy_mbuf t[2];
	struct rte_mbuf *m[2];
	uint8_t said[2], quoted[64];

	toy_begin(OPEN);
	for (; go.sport <= 1024; go.sport++)
		toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	world.now_ns += SECOND / 100;
	error = error_about(&first, 28, quoted);
	m[0] = toy_come(&t[0], WAN, &error);
	m[1] = toy_come(&t[1], LAN, &go); /* there is room only in the place of the first */
	toy_stage_together(0, m, said, 2);
	CU_ASSERT_EQUAL(toy_stats()->evicted[WEIR_FLOW_UNANSWERED], 1);
	CU_ASSERT_NOT_EQUAL(t[1].meta.flow, WEIR_NO_FLOW);
	CU_ASSERT_EQUAL(said[0], WEIR_NEXT);
	CU_ASSERT_EQUAL(t[0].meta.flow, WEIR_NO_FLOW);
	CU_ASSERT_FALSE(t[0].meta.flags & WEIR_META_KNOWN);
	abort_draft(&t[1]);
	toy_end();
}

static void test_flows_that_are_silent_end_without_a_packet(void)
{
	const struct toy_ip go = toy_udp("10.0.0.2", 1000, "8.8.8.8", 53);

	toy_begin(OPEN);
	toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	for (unsigned s = 0; s < 60; s++) {
		world.now_ns += SECOND;
		weir_wheel_run(world.shard.wheel, world.now_ns, UINT32_MAX);
	}
	CU_ASSERT_EQUAL(toy_stats()->expired[WEIR_FLOW_UNANSWERED], 1);
	CU_ASSERT_EQUAL(toy_flows(), 0);
	toy_end();
}

static void test_timeouts_of_a_new_policy_hold_for_the_flows_that_there_are(void)
{
	const struct toy_ip go = toy_udp("10.0.0.2", 1000, "8.8.8.8", 53);

	toy_begin(OPEN);
	toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	world.now_ns += 5 * SECOND;
	toy_change(WORLD_PORTS "firewall: {default: accept}\n"
			       "conntrack: {flows: 1024, timeouts: {unanswered: 4s}}\n");
	toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(toy_stats()->created, 2); /* the first one was over */
	toy_end();
}

static void test_a_flow_of_an_older_policy_is_not_known(void)
{
	const struct toy_ip go = toy_udp("10.0.0.2", 1000, "8.8.8.8", 53);
	uint8_t quoted[64];
	const struct toy_ip error = error_about(&go, 28, quoted);
	struct toy_mbuf t;

	toy_begin(OPEN);
	toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	toy_change(OPEN);
	toy_expect(WAN, &error, WEIR_NEXT, WEIR_DROP_NONE); /* that was let in */
	CU_ASSERT_EQUAL(track(&t, LAN, &go), WEIR_NEXT);
	CU_ASSERT_FALSE(t.meta.flags & WEIR_META_KNOWN);
	CU_ASSERT_NOT_EQUAL(t.meta.flow, WEIR_NO_FLOW);
	toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(track(&t, LAN, &go), WEIR_KNOWN);
	CU_ASSERT_TRUE(t.meta.flags & WEIR_META_KNOWN);
	toy_end();
}

static void test_passes_without_packets_answer_weirctl(void)
{
	const struct toy_ip go = toy_udp("10.0.0.2", 1000, "8.8.8.8", 53);
	const struct weir_pass pass = {.now_ns = 6 * SECOND, .gen = &world.gen};
	struct weir_burst none = {.pass = &pass};
	struct weir_flow_view views[2];
	struct weir_flow_ask ask = {.views = views, .room = 2, .limit = 2};

	toy_begin(OPEN);
	toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	weir_flow_ask_post(world.shard.tracker->flows, &ask);
	for (unsigned i = 0; i < 100 && !weir_flow_ask_done(&ask); i++)
		weir_node_conntrack.process(world.node[0], &none);
	CU_ASSERT_TRUE_FATAL(weir_flow_ask_done(&ask));
	CU_ASSERT_EQUAL(ask.matched, 1);
	CU_ASSERT_EQUAL(views[0].orig.dport, RTE_BE16(53));
	toy_end();
}

static void test_without_a_tracker_or_memory_there_is_no_node(void)
{
	struct weir_shard bare = {.workers = 1};
	void *self = NULL;

	toy_begin(OPEN);
	CU_ASSERT_EQUAL(weir_node_conntrack.create(&bare, &self), -EINVAL);
	failalloc_at(1);
	CU_ASSERT_EQUAL(weir_node_conntrack.create(&world.shard, &self), -ENOMEM);
	failalloc_at(0);
	CU_ASSERT_PTR_NULL(self);
	weir_node_conntrack.free(NULL);
	toy_end();
}

WEIR_TESTS("node/conntrack", TEST(a_first_packet_has_a_draft_and_the_next_ones_are_known),
	   TEST(what_belongs_to_no_flow_has_none),
	   TEST(a_packet_from_another_zone_than_its_flow_is_dropped),
	   TEST(tcp_outside_its_window_is_dropped),
	   TEST(a_syn_over_an_ended_connection_begins_anew),
	   TEST(an_error_belongs_to_the_flow_whose_packet_it_quotes),
	   TEST(an_error_comes_by_the_zone_and_goes_to_the_host_that_its_flow_has),
	   TEST(a_full_table_refuses_by_name_until_something_is_old_enough),
	   TEST(an_error_does_not_get_the_entry_that_a_draft_took),
	   TEST(flows_that_are_silent_end_without_a_packet),
	   TEST(timeouts_of_a_new_policy_hold_for_the_flows_that_there_are),
	   TEST(a_flow_of_an_older_policy_is_not_known),
	   TEST(passes_without_packets_answer_weirctl),
	   TEST(without_a_tracker_or_memory_there_is_no_node))
