/* SPDX-License-Identifier: BSD-3-Clause */

/* `weirctl explain from`: what it says of a packet is what becomes of the packet. */

#include "toy_firewall.h"

#include "firewall/fw_ctl_priv.h"

#define TEXT                                                                                     \
	WORLD_PORTS                                                                              \
	"zones: {out: {interfaces: wan, antispoof: true, bogons: true}}\n"                       \
	"firewall:\n  rules:\n"                                                                  \
	"    - {name: dns, from: lan, to: out, proto: udp, dport: 53, action: accept}\n"         \
	"    - {name: web, from: out, to: lan, destination: 10.0.0.2, proto: tcp, dport: 8080, " \
	"action: accept}\n"                                                                      \
	"    - {name: tcp, proto: tcp, action: reject}\n"                                        \
	"nat:\n  destination:\n"                                                                 \
	"    - {name: fwd, from: out, destination: 192.0.2.1, proto: tcp, dport: 80, action: "   \
	"dnat, forward: '10.0.0.2:8080'}\n"

/* The answer to arguments as JSON; NULL, and a sentence, if they are refused. */
static json_t *judge(const char *args, struct weir_why *why)
{
	struct weir_ctl_request rq = {.cmd = "judge", .args = json_loads(args, 0, NULL)};
	json_t *reply = NULL;

	CU_ASSERT_PTR_NOT_NULL_FATAL(rq.args);
	why->text[0] = '\0';
	if (fw_ctl_judge(&world.fw.run, &rq, &reply, why) < 0)
		CU_ASSERT_PTR_NULL(reply);
	json_decref((json_t *)(uintptr_t)rq.args);
	return reply;
}

static const char *member(const json_t *j, const char *key)
{
	const char *text = json_string_value(json_object_get(j, key));

	return text == NULL ? "" : text;
}

/* What is said of a packet, and what becomes of it. */
static void expect(const char *from, unsigned iface, const struct toy_ip *p, const char *action,
		   const char *rule)
{
	static const char *const verdicts[WEIR_VERDICTS] = {
		[WEIR_NEXT] = "accept", [WEIR_DROP] = "drop", [WEIR_REJECT] = "reject"};
	struct weir_why why;
	enum weir_drop drop;
	char args[256];
	json_t *j;

	snprintf(args, sizeof(args),
		 "{\"from\": \"%s\", \"src\": \"%s\", \"dst\": \"%s\", \"proto\": \"%u\", "
		 "\"sport\": %u, \"dport\": %u}",
		 from, p->src, p->dst, p->proto, p->sport, p->dport);
	j = judge(args, &why);
	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	CU_ASSERT_STRING_EQUAL(member(j, "action"), action);
	CU_ASSERT_STRING_EQUAL(member(j, "rule"), rule);
	CU_ASSERT_STRING_EQUAL(verdicts[toy_judge(iface, p, &drop)], action);
	if (drop != WEIR_DROP_NONE)
		CU_ASSERT_STRING_EQUAL(member(j, "drop"), weir_drop_text(drop)->label);
	json_decref(j);
}

static void test_what_is_said_is_what_happens(void)
{
	const struct toy_ip dns = toy_udp("10.0.0.2", 9, "8.8.8.8", 53);
	const struct toy_ip ntp = toy_udp("10.0.0.2", 9, "8.8.8.8", 123);
	const struct toy_ip web = toy_tcp("8.8.8.8", 9, "192.0.2.1", 80, SYN, 1, 0);
	const struct toy_ip ssh = toy_tcp("8.8.8.8", 9, "192.0.2.1", 22, SYN, 1, 0);
	const struct toy_ip bogon = toy_udp("172.20.0.9", 9, "10.0.0.2", 53);
	const struct toy_ip spoofed = toy_udp("10.0.0.9", 9, "10.0.0.2", 53);
	const struct toy_ip hole = toy_udp("10.0.0.2", 9, "198.18.0.1", 53);
	const struct toy_ip prohibited = toy_udp("10.0.0.2", 9, "203.0.113.1", 53);
	const struct toy_ip nowhere = toy_udp("2001:db8:1::2", 9, "2001:db8:77::1", 53);

	toy_begin(TEXT);
	expect("lan", LAN, &dns, "accept", "dns");
	expect("lan", LAN, &ntp, "drop", "default");
	expect("out", WAN, &web, "accept", "web");
	expect("wan", WAN, &ssh, "reject", "tcp"); /* an interface stands for its zone */
	expect("out", WAN, &spoofed, "drop", "");
	expect("out", WAN, &bogon, "drop", "");
	expect("lan", LAN, &hole, "drop", "");
	expect("lan", LAN, &prohibited, "reject", "");
	expect("lan", LAN, &nowhere, "reject", "");
	toy_end();
}

static void test_it_says_why_earlier_rules_did_not_match(void)
{
	struct weir_why why;
	const json_t *passed;
	json_t *j;

	toy_begin(TEXT);
	j = judge("{\"from\": \"out\", \"src\": \"8.8.8.8\", \"dst\": \"192.0.2.1\", \"dport\": "
		  "80}",
		  &why);
	passed = json_object_get(j, "passed");
	CU_ASSERT_EQUAL_FATAL(json_array_size(passed), 1);
	CU_ASSERT_STRING_EQUAL(member(json_array_get(passed, 0), "rule"), "dns");
	CU_ASSERT_STRING_EQUAL(member(json_array_get(passed, 0), "not"), "it comes from zone out");
	CU_ASSERT_STRING_EQUAL(member(j, "from"), "out");
	CU_ASSERT_STRING_EQUAL(member(j, "to"), "lan");
	CU_ASSERT_STRING_EQUAL(member(j, "nat"), "fwd");
	CU_ASSERT_STRING_EQUAL(member(json_object_get(j, "leaves"), "dst"), "10.0.0.2");
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(j, "line")), 6);
	CU_ASSERT_PTR_NOT_NULL(strstr(member(j, "route"), "link on lan"));
	json_decref(j);
	toy_end();
}

/* The rule that decides about a packet from an interface or zone; "" if none is asked. */
static void expect_rule(const char *from, const char *more, const char *rule)
{
	struct weir_why why;
	char args[256];
	json_t *j;

	snprintf(args, sizeof(args),
		 "{\"from\": \"%s\", \"src\": \"10.0.0.2\", \"dst\": \"8.8.8.8\"%s}", from, more);
	j = judge(args, &why);
	CU_ASSERT_STRING_EQUAL(why.text, "");
	CU_ASSERT_STRING_EQUAL(member(j, "rule"), rule);
	if (*rule == '\0')
		CU_ASSERT_STRING_EQUAL(member(j, "drop"), "flow_invalid");
	json_decref(j);
}

#define HEADERS                                                                       \
	"ports: {lan: {device: a, vlans: {100: {}, 7.9: {}}}, wan: {device: b}}\n"    \
	"zones: {both: {interfaces: [lan, lan.100]}}\n"                               \
	"firewall:\n  rules:\n"                                                       \
	"    - {name: voice, dscp: ef, action: accept}\n"                             \
	"    - {name: stamp, proto: icmp, icmp: timestamp-request, action: accept}\n" \
	"    - {name: code, proto: icmp, icmp: 8/3, action: accept}\n"                \
	"    - {name: urgent, proto: tcp, tcp_flags: 'syn,urg', action: accept}\n"

static void test_vlan_dscp_type_and_flags_are_those_of_the_packet(void)
{
	struct weir_why why;

	toy_begin(HEADERS "    - {name: seven, from: lan.7.9, vlan: 7, action: accept}\n"
			  "    - {name: hundred, vlan: 100, action: accept}\n");
	expect_rule("wan", ", \"dport\": 80", "default");
	expect_rule("lan.7.9", "", "seven"); /* an interface that is a zone */
	expect_rule("wan", ", \"dscp\": \"46\"", "voice");
	expect_rule("wan", ", \"proto\": \"icmp\"", "default");
	expect_rule("wan", ", \"proto\": \"icmp\", \"icmp\": \"timestamp-request\"", "stamp");
	expect_rule("wan", ", \"proto\": \"icmp\", \"icmp\": \"8/3\"", "code");
	expect_rule("wan", ", \"proto\": \"icmp\", \"icmp\": \"echo-reply\"", "");
	expect_rule("wan", ", \"proto\": \"icmp\", \"icmp\": \"3/4\"", "");
	expect_rule("wan", ", \"flags\": \"syn,urg\"", "urgent");
	expect_rule("wan", ", \"flags\": \"syn,ack\"", "");
	expect_rule("wan", ", \"flags\": \"ack\"", "");
	CU_ASSERT_PTR_NULL(
		judge("{\"from\": \"both\", \"src\": \"10.0.0.2\", \"dst\": \"8.8.8.8\"}", &why));
	CU_ASSERT_STRING_EQUAL(why.text,
			       "explain: zone both has interfaces of several VLANs, and rules ask "
			       "for them: from must be one of the interfaces");
	CU_ASSERT_EQUAL(fw_vlan_of(&world.fw.conf.fw, &world.fw.conf.app, "lan.100"), 100);
	CU_ASSERT_EQUAL(fw_vlan_of(&world.fw.conf.fw, &world.fw.conf.app, "lan"), 0);
	toy_end();
}

static void test_a_zone_of_several_vlans_will_do_if_no_rule_asks(void)
{
	toy_begin(HEADERS);
	expect_rule("both", "", "default");
	toy_end();
}

static void test_without_flows_any_packet_is_one_for_the_rules(void)
{
	toy_begin(WORLD_PORTS "firewall: {stateless: true, rules: [\n"
			      "  {name: answer, proto: icmp, icmp: echo-reply, action: accept},\n"
			      "  {name: acks, proto: tcp, tcp_flags: 'ack', action: accept}]}\n");
	expect_rule("lan", ", \"proto\": \"icmp\", \"icmp\": \"echo-reply\"", "answer");
	expect_rule("lan", ", \"flags\": \"ack\"", "acks");
	toy_end();
}

static void expect_of_the_host(const char *args, const char *action, const char *rule)
{
	struct weir_why why;
	json_t *j = judge(args, &why);

	CU_ASSERT_STRING_EQUAL(member(j, "action"), action);
	CU_ASSERT_STRING_EQUAL(member(j, "rule"), rule);
	CU_ASSERT_STRING_EQUAL(member(j, "from"), "self");
	CU_ASSERT_STRING_EQUAL(member(j, "to"), "out");
	json_decref(j);
}

static void test_the_host_is_judged_once_a_rule_names_it(void)
{
	static const char *const dns =
		"{\"from\": \"self\", \"src\": \"192.0.2.1\", \"dst\": \"8.8.8.8\", "
		"\"proto\": \"udp\", \"dport\": 53}";
	static const char *const web =
		"{\"from\": \"self\", \"src\": \"192.0.2.1\", \"dst\": \"8.8.8.8\", \"dport\": 80}";

	toy_begin(TEXT);
	expect_of_the_host(web, "accept", "");
	toy_change(WORLD_PORTS "zones: {out: {interfaces: wan, antispoof: true, bogons: true}}\n"
			       "firewall: {rules: [{name: d, from: self, dport: 53, proto: udp, "
			       "action: accept}]}\n");
	expect_of_the_host(dns, "accept", "d");
	expect_of_the_host(web, "drop", "default");
	toy_end();
}

static void test_what_is_no_packet_is_refused_in_a_sentence(void)
{
	static const struct {
		const char *args, *sentence;
	} bad[] = {
		{"{}",
		 "explain: from is \"\", must be a zone or an interface that packets come by"},
		{"{\"from\": \"dmz\", \"src\": \"1.1.1.1\", \"dst\": \"2.2.2.2\"}",
		 "explain: from is \"dmz\", must be a zone or an interface that packets come by"},
		{"{\"from\": \"lan\", \"src\": \"1.1.1.1\", \"dst\": \"::1\"}",
		 "explain: src and dst must be addresses of the same family"},
		{"{\"from\": \"lan\", \"src\": \"1.1.1.1\"}",
		 "explain: src and dst must be addresses of the same family"},
		{"{\"from\": \"lan\", \"src\": \"1.1.1.1\", \"dst\": \"2.2.2.2\", \"dport\": 65536}",
		 "explain: ports must be 0 to 65535"},
		{"{\"from\": \"lan\", \"src\": \"1.1.1.1\", \"dst\": \"2.2.2.2\", \"icmp\": \"8\"}",
		 "explain: icmp needs proto icmp"},
		{"{\"from\": \"lan\", \"src\": \"1.1.1.1\", \"dst\": \"2.2.2.2\", \"proto\": "
		 "\"udp\", \"flags\": \"syn\"}",
		 "explain: flags needs proto tcp"},
		{"{\"from\": \"lan\", \"src\": \"1.1.1.1\", \"dst\": \"2.2.2.2\", \"dscp\": "
		 "\"99\"}",
		 "explain: dscp is 99, must be ef, af11 to af43, cs0 to cs7 or 0 to 63"},
	};
	struct weir_why why;

	toy_begin(TEXT);
	for (unsigned i = 0; i < RTE_DIM(bad); i++) {
		CU_ASSERT_PTR_NULL(judge(bad[i].args, &why));
		CU_ASSERT_STRING_EQUAL(why.text, bad[i].sentence);
	}
	CU_ASSERT_PTR_NULL(judge("{\"from\": \"lan\", \"src\": \"1.1.1.1\", \"dst\": \"2.2.2.2\", "
				 "\"proto\": \"tpc\"}",
				 &why));
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "proto is tpc"));
	toy_end();
}

WEIR_TESTS("firewall/ctl_judge", TEST(what_is_said_is_what_happens),
	   TEST(it_says_why_earlier_rules_did_not_match),
	   TEST(vlan_dscp_type_and_flags_are_those_of_the_packet),
	   TEST(a_zone_of_several_vlans_will_do_if_no_rule_asks),
	   TEST(without_flows_any_packet_is_one_for_the_rules),
	   TEST(the_host_is_judged_once_a_rule_names_it),
	   TEST(what_is_no_packet_is_refused_in_a_sentence))
