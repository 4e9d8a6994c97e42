/* SPDX-License-Identifier: BSD-3-Clause */

/* What of a rule a driver may do: into which rules it goes, and in which words it does not. */

#include "toy_firewall.h"

#include "failalloc.h"
#include "firewall/fw_push_priv.h"

#define RULES(rules) WORLD_PORTS "firewall:\n  rules:\n" rules
#define BAD	     "    - {name: bad, from: wan, source: 198.51.100.0/24, proto: udp, action: drop}\n"

static struct weir_why why;

static uint32_t slot_of(const char *name)
{
	const struct weir_rules *rules = world.gen.policy->rules;

	for (uint32_t i = 0; i < weir_rules_count(rules); i++)
		if (strcmp(weir_rules_at(rules, i)->name, name) == 0)
			return weir_rules_at(rules, i)->slot;
	CU_FAIL_FATAL("there is no such rule");
	return 0;
}

static void begin(const char *text)
{
	toy_begin(text);
	toy_reroute(false);
}

static int plan_of(const char *name, uint32_t room, struct fw_push_plan *plan)
{
	const struct fw_push_ground g = {world.gen.policy, world.gen.l3, 1 << LAN | 1 << WAN,
					 false};

	why.text[0] = 0;
	return fw_push_plan(&g, slot_of(name), room, plan, &why);
}

/* So many rules of drivers; 0: none, for a reason that contains @words. */
static void expect(const char *text, const char *name, uint32_t n, const char *words)
{
	struct fw_push_plan plan;
	int rc;

	begin(text);
	rc = plan_of(name, 64, &plan);
	CU_ASSERT_EQUAL(rc < 0, n == 0);
	CU_ASSERT_EQUAL(plan.n, n);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, words));
	if (plan.n != n || strstr(why.text, words) == NULL)
		printf("\n  %s: %u, %s\n", words, plan.n, why.text);
	fw_push_plan_free(&plan);
	toy_end();
}

static void test_a_rule_takes_one_of_the_driver_for_each_combination(void)
{
	struct fw_push_plan plan;
	const struct fw_push_match *m;

	expect(RULES(BAD), "bad", 1, "");
	expect(RULES("    - {name: r, source: [198.51.100.0/24, 203.0.113.9/32], proto: udp, "
		     "sport: [1, 5-9, 1], action: drop}\n"),
	       "r", 2 * 2 * 2, "");
	expect(RULES("    - {name: r, from: wan, proto: [tcp, udp], dport: 53, "
		     "destination: 10.0.0.0/25, action: drop}\n"),
	       "r", 2, "");
	begin(RULES("    - {name: r, from: wan, source: 198.51.100.7, proto: udp, "
		    "dport: 100-200, action: drop}\n"));
	CU_ASSERT_EQUAL_FATAL(plan_of("r", 1, &plan), 0);
	CU_ASSERT_EQUAL_FATAL(plan.n, 1);
	m = &plan.matches[0];
	CU_ASSERT(m->port == WAN && m->zone == 2 && m->what.mac[5] == 1 && m->what.vlan == 0);
	CU_ASSERT(m->what.family == 4 && m->what.proto == IPPROTO_UDP && m->what.src.length == 32);
	CU_ASSERT_EQUAL(m->what.dst.length, 0);
	CU_ASSERT(m->what.sports.lo == 0 && m->what.sports.hi == UINT16_MAX);
	CU_ASSERT(m->what.dports.lo == 100 && m->what.dports.hi == 200);
	fw_push_plan_free(&plan);
	toy_end();
}

static void test_of_all_protocols_tcp_udp_and_pings_go(void)
{
	struct fw_push_plan plan;

	begin(RULES("    - {name: r, from: wan, source: [198.51.100.0/24, 2001:db8:2::/64], "
		    "destination: [10.0.0.2, 2001:db8:1::2], action: drop}\n"));
	CU_ASSERT_EQUAL_FATAL(plan_of("r", 64, &plan), 0);
	CU_ASSERT_EQUAL(plan.n, 6);
	CU_ASSERT_TRUE(plan.partly); /* ICMP errors are not among them */
	fw_push_plan_free(&plan);
	toy_end();
	expect(RULES("    - {name: r, from: wan, proto: icmp, icmp: echo-request, action: drop}\n"),
	       "r", 1, "");
	expect(RULES("    - {name: r, from: wan, proto: icmp, icmp: unreachable, action: drop}\n"),
	       "r", 0, "drivers drop TCP, UDP and echo requests alone");
	expect(RULES("    - {name: r, from: wan, proto: gre, action: drop}\n"), "r", 0,
	       "drivers drop TCP, UDP and echo requests alone");
}

static void test_what_drivers_cannot_do_stays(void)
{
	static const struct {
		const char *rule, *words;
	} cases[] = {
		{"proto: udp, action: reject", "it does not drop"},
		{"proto: udp, action: drop, log: true", "it records what it drops"},
		{"proto: udp, action: drop, capture: true", "it records what it drops"},
		{"proto: udp, action: drop, limit: {rate: 1pps}", "it has a limit"},
		{"proto: tcp, tcp_flags: syn, action: drop", "it looks at TCP flags"},
		{"proto: udp, dscp: ef, action: drop", "it looks at the DSCP"},
		{"proto: udp, source: \"!10.0.0.0/8\", action: drop", "all addresses but some"},
	};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		char text[256];

		snprintf(text, sizeof(text), RULES("    - {name: r, from: wan, %s}\n"),
			 cases[i].rule);
		expect(text, "r", 0, cases[i].words);
	}
}

static void test_a_rule_before_it_that_may_match_keeps_it(void)
{
	expect(RULES("    - {name: a, from: wan, proto: udp, dport: 53, action: accept}\n" BAD),
	       "bad", 0, "rule a stands before it and may match, too");
	expect(RULES("    - {name: a, from: wan, action: count}\n" BAD), "bad", 0, "rule a stands");
	expect(RULES("    - {name: a, from: lan, proto: udp, action: drop}\n"
		     "    - {name: b, from: wan, proto: tcp, action: accept}\n"
		     "    - {name: c, from: wan, to: lan, source: 8.8.8.0/24, action: accept}\n" BAD),
	       "bad", 1, "");
	/* Only a part of it is met. */
	expect(RULES("    - {name: a, from: wan, proto: icmp, action: accept}\n"
		     "    - {name: r, from: wan, source: 198.51.100.0/24, action: drop}\n"),
	       "r", 2, "rule a stands before it");
}

static void test_a_rule_that_flows_may_have_answers_against_stays(void)
{
	static const char out[] = "    - {name: out, from: lan, to: wan, action: accept}\n";
	static const char no[] =
		"    - {name: no, to: wan, destination: 198.51.100.0/24, action: reject}\n";
	char text[1024];

	snprintf(text, sizeof(text), RULES("%s%s"), BAD, out);
	expect(text, "bad", 0, "rule out lets flows begin whose answers it would match");
	snprintf(text, sizeof(text), RULES("%s%s%s"), BAD, no, out);
	expect(text, "bad", 1, "");
	snprintf(text, sizeof(text), RULES("%s%s%s"), BAD, out, no);
	expect(text, "bad", 0, "rule out lets flows begin");
	expect(WORLD_PORTS "firewall:\n  default: accept\n  rules:\n" BAD, "bad", 0,
	       "the default lets flows begin");
	/* Only to the ports that it drops from. */
	expect(RULES("    - {name: r, from: wan, proto: udp, sport: 123, action: drop}\n"
		     "    - {name: out, from: lan, proto: udp, dport: 53, action: accept}\n"),
	       "r", 2, "");
	expect(RULES("    - {name: r, from: wan, proto: udp, sport: 53, action: drop}\n"
		     "    - {name: out, from: lan, proto: udp, dport: 53, action: accept}\n"),
	       "r", 0, "rule out lets flows begin");
}

static void test_translation_of_sources_makes_answers_come_to_anybody(void)
{
	static const char rules[] =
		"firewall:\n  rules:\n"
		"    - {name: r, from: wan, destination: 192.0.2.1, proto: udp, action: drop}\n"
		"    - {name: out, from: lan, source: 10.0.0.0/24, action: accept}\n";
	char text[1024];

	snprintf(text, sizeof(text), WORLD_PORTS "%s", rules);
	expect(text, "r", 1, "");
	snprintf(text, sizeof(text),
		 WORLD_PORTS "nat: {source: [{name: m, from: lan, to: wan, action: masquerade}]}\n"
			     "%s",
		 rules);
	expect(text, "r", 0, "rule out lets flows begin");
}

static void test_translation_of_destinations_keeps_what_looks_at_them(void)
{
	static const char nat[] = WORLD_PORTS
		"nat: {destination: [{name: web, from: wan, destination: 192.0.2.1, "
		"proto: udp, dport: 80, action: dnat, forward: 10.0.0.2:80}]}\n"
		"firewall:\n  rules:\n";
	char text[1024];

	snprintf(text, sizeof(text),
		 "%s    - {name: r, from: wan, proto: udp, dport: 80, action: drop}\n", nat);
	expect(text, "r", 1, "translation web may change where its packets go");
	snprintf(text, sizeof(text),
		 "%s    - {name: r, from: wan, proto: udp, destination: 10.0.0.2, action: drop}\n",
		 nat);
	expect(text, "r", 1, "");
	snprintf(text, sizeof(text), "%s" BAD, nat);
	expect(text, "bad", 1, ""); /* it drops wherever they go */
	expect(WORLD_PORTS "nat: {destination: [{name: x, from: lan, action: nat64, "
			   "inside: \"64:ff9b::/96\"}]}\nfirewall:\n  rules:\n" BAD,
	       "bad", 0, "translation x is NAT64");
}

static void test_where_no_way_leads_somebody_is_owed_an_answer(void)
{
	struct fw_push_plan plan;

	expect(RULES("    - {name: r, from: wan, destination: 10.0.0.0/25, to: lan, proto: udp, "
		     "action: drop}\n"),
	       "r", 0, "not all of 10.0.0.0/25 leads to the zones that it is for");
	expect(RULES("    - {name: r, from: wan, destination: 10.0.0.64/26, to: lan, proto: udp, "
		     "action: drop}\n"),
	       "r", 1, "");
	expect(RULES("    - {name: r, from: wan, destination: 10.0.0.1, to: self, proto: udp, "
		     "action: drop}\n"),
	       "r", 1, "");
	expect(RULES("    - {name: r, from: wan, to: lan, proto: udp, action: drop}\n"), "r", 0,
	       "not all of 0.0.0.0/0 leads to the zones");
	expect(RULES("    - {name: r, from: wan, destination: 198.18.0.0/16, proto: udp, "
		     "action: drop}\n"),
	       "r", 1, ""); /* dropped anyway */
	toy_begin(RULES(
		"    - {name: one, dport: 1, from: wan, destination: 203.0.113.7, proto: udp, "
		"action: drop}\n"
		"    - {name: some, dport: 2, from: wan, destination: 203.0.0.0/16, proto: udp, "
		"action: drop}\n"
		"    - {name: six, dport: 3, from: wan, destination: \"2001:db8:77::1\", proto: udp, "
		"action: drop}\n"
		"    - {name: all, dport: 4, from: wan, proto: udp, action: drop}\n"));
	for (unsigned i = 0; i < 4; i++) {
		static const char *const names[] = {"one", "some", "six", "all"};
		static const char *const what[] = {"203.0.113.7/32", "203.0.0.0/16",
						   "2001:db8:77::1/128", "0.0.0.0/0"};

		toy_reroute(true);
		CU_ASSERT_EQUAL(plan_of(names[i], 64, &plan), -EPERM);
		CU_ASSERT_PTR_NOT_NULL(strstr(why.text, what[i]));
		CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "has no route, or one that is answered"));
		fw_push_plan_free(&plan);
		toy_reroute(false);
		CU_ASSERT_EQUAL(plan_of(names[i], 64, &plan), 0);
		fw_push_plan_free(&plan);
	}
	toy_end();
}

static void test_sets_go_entry_by_entry_as_long_as_there_is_room(void)
{
	static const char rule[] =
		"firewall:\n  rules:\n"
		"    - {name: r, from: wan, source: s, proto: udp, action: drop}\n";
	struct fw_push_plan plan;
	char text[1024];
	size_t n;
	struct fw_set *const *sets;
	const struct weir_prefix more = toy_prefix("8.8.8.8/32");

	snprintf(text, sizeof(text),
		 WORLD_PORTS "sets: {s: {addresses: [198.51.100.0/24, 8.8.0.0/16, "
			     "2001:db8:2::/48]}}\n%s",
		 rule);
	begin(text);
	CU_ASSERT_EQUAL_FATAL(plan_of("r", 64, &plan), 0);
	CU_ASSERT_EQUAL(plan.n, 3);
	CU_ASSERT_FALSE(plan.partly);
	fw_push_plan_free(&plan);
	CU_ASSERT_EQUAL(plan_of("r", 2, &plan), -ENOSPC);
	CU_ASSERT_STRING_EQUAL(why.text, "set s has 3 entries, and drivers have room for 2 rules");
	fw_push_plan_free(&plan);
	sets = fw_sets(world.fw.run.fw, &n);
	CU_ASSERT_EQUAL_FATAL(n, 1);
	CU_ASSERT_EQUAL(weir_set_add(sets[0]->set, &more, 1000), 0);
	CU_ASSERT_EQUAL(plan_of("r", 64, &plan), -EPERM);
	CU_ASSERT_STRING_EQUAL(why.text, "a set of it has entries with a timeout");
	fw_push_plan_free(&plan);
	toy_end();
}

static void test_a_set_and_the_same_set_against_it_let_it_go(void)
{
	expect(WORLD_PORTS "sets: {s: {addresses: [198.51.100.0/24, 8.8.0.0/16]}}\n"
			   "firewall:\n  rules:\n"
			   "    - {name: in, from: wan, source: s, proto: udp, action: drop}\n"
			   "    - {name: no, to: wan, destination: s, action: drop}\n"
			   "    - {name: out, from: lan, action: accept}\n",
	       "in", 2, "");
}

static void test_only_ports_that_can_are_asked(void)
{
	struct fw_push_ground g = {.ports = 1 << LAN};
	struct fw_push_plan plan;

	begin(RULES("    - {name: r, proto: udp, source: 198.51.100.7, action: drop}\n"));
	g.policy = world.gen.policy;
	g.l3 = world.gen.l3;
	CU_ASSERT_EQUAL(fw_push_plan(&g, slot_of("r"), 64, &plan, &why), 0);
	CU_ASSERT(plan.n == 1 && plan.matches[0].port == LAN && plan.partly);
	CU_ASSERT_STRING_EQUAL(why.text, "the driver of one of its ports cannot drop by rules");
	fw_push_plan_free(&plan);
	g.ports = 0;
	CU_ASSERT_EQUAL(fw_push_plan(&g, slot_of("r"), 64, &plan, &why), -EPERM);
	fw_push_plan_free(&plan);
	toy_end();
}

static void test_without_flows_there_are_no_answers(void)
{
	struct fw_push_ground g = {.ports = 1 << WAN};
	struct fw_push_plan plan;

	begin(RULES(BAD "    - {name: out, from: lan, to: wan, action: accept}\n"));
	g.policy = world.gen.policy;
	g.l3 = world.gen.l3;
	CU_ASSERT_EQUAL(fw_push_plan(&g, slot_of("bad"), 64, &plan, &why), -EPERM);
	fw_push_plan_free(&plan);
	g.stateless = true;
	CU_ASSERT_EQUAL(fw_push_plan(&g, slot_of("bad"), 64, &plan, &why), 0);
	CU_ASSERT_EQUAL(plan.n, 1);
	fw_push_plan_free(&plan);
	toy_end();
}

static void test_a_flow_is_hit_in_either_direction(void)
{
	const struct weir_flow f = {.zone = {1, 2}};
	struct fw_push_plan plan;
	struct weir_tuple orig = {.family = 4,
				  .proto = IPPROTO_UDP,
				  .sport = htons(9),
				  .dport = htons(53)},
			  reply, other;

	begin(RULES("    - {name: r, from: wan, proto: udp, source: 198.51.100.7, sport: 50-60, "
		    "action: drop}\n"));
	CU_ASSERT_EQUAL_FATAL(plan_of("r", 64, &plan), 0);
	memcpy(orig.src, toy_addr("10.0.0.2").bytes, 4);
	memcpy(orig.dst, toy_addr("198.51.100.7").bytes, 4);
	reply = weir_tuple_reverse(&orig);
	CU_ASSERT_TRUE(fw_push_touches(&plan, &f, &orig, &reply));
	CU_ASSERT_FALSE(fw_push_matches(&plan, 1, &reply));
	other = reply;
	other.sport = htons(61);
	CU_ASSERT_FALSE(fw_push_touches(&plan, &f, &orig, &other));
	other = reply;
	other.src[3]++;
	CU_ASSERT_FALSE(fw_push_touches(&plan, &f, &orig, &other));
	other = reply;
	other.proto = IPPROTO_TCP;
	CU_ASSERT_FALSE(fw_push_touches(&plan, &f, &orig, &other));
	fw_push_plan_free(&plan);
	toy_end();
}

static void test_without_memory_there_is_no_plan(void)
{
	begin(RULES("    - {name: r, proto: [tcp, udp], source: [198.51.100.7, 8.8.8.8], "
		    "dport: [1, 3], action: drop}\n"));
	FAILALLOC_EACH(n)
	{
		struct fw_push_plan plan;
		const int rc = plan_of("r", 64, &plan);

		fw_push_plan_free(&plan);
		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
	}
	toy_end();
}

WEIR_TESTS("fw/push", TEST(a_rule_takes_one_of_the_driver_for_each_combination),
	   TEST(of_all_protocols_tcp_udp_and_pings_go), TEST(what_drivers_cannot_do_stays),
	   TEST(a_rule_before_it_that_may_match_keeps_it),
	   TEST(a_rule_that_flows_may_have_answers_against_stays),
	   TEST(translation_of_sources_makes_answers_come_to_anybody),
	   TEST(translation_of_destinations_keeps_what_looks_at_them),
	   TEST(where_no_way_leads_somebody_is_owed_an_answer),
	   TEST(sets_go_entry_by_entry_as_long_as_there_is_room),
	   TEST(a_set_and_the_same_set_against_it_let_it_go), TEST(only_ports_that_can_are_asked),
	   TEST(without_flows_there_are_no_answers), TEST(a_flow_is_hit_in_either_direction),
	   TEST(without_memory_there_is_no_plan))
