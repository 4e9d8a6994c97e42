/* SPDX-License-Identifier: BSD-3-Clause */

/* From YAML to a policy: what becomes of zones, services, rules; what is refused in which words;
 * what outlives a reload. */

#define TOY_EAL_MIB 384
#include "toy_eal.h"
#include "toy_fw.h"
#include "toy_fw_fail.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define RULES TOY_PORTS "firewall:\n  rules:\n"
#define NAT   TOY_PORTS "nat:\n  source:\n"
#define DNAT  TOY_PORTS "nat:\n  destination:\n"

static struct toy_fw fw;
static struct weir_why why;

/* A firewall that must be good. */
static const struct weir_policy *open_good(const char *text)
{
	int rc;

	toy_eal();
	rc = toy_fw_open(&fw, text, NULL, &why);
	if (rc < 0)
		printf("\n  %s\n", why.text);
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	return fw.l3.policy;
}

static void reload_good(const char *text)
{
	const int rc = toy_fw_reload(&fw, text, &why);

	if (rc < 0)
		printf("\n  %s\n", why.text);
	CU_ASSERT_EQUAL_FATAL(rc, 0);
}

static const struct weir_rule *rule(uint32_t i)
{
	return weir_rules_at(fw.l3.policy->rules, i);
}

static void test_without_rules_everything_is_dropped(void)
{
	const struct weir_policy *p = open_good(TOY_PORTS);

	CU_ASSERT_EQUAL(weir_rules_count(p->rules), 0);
	CU_ASSERT_EQUAL(weir_rules_default(p->rules), WEIR_ACTION_DROP);
	CU_ASSERT_PTR_NULL(p->nat);
	CU_ASSERT_FALSE(p->loose);
	CU_ASSERT_EQUAL(p->number, 1);
	toy_fw_close(&fw);
}

static void test_an_interface_in_no_zone_is_one_of_its_own_name(void)
{
	const struct weir_policy *p = open_good(
		TOY_PORTS "zones: {out: {interfaces: [wan, wan.7], antispoof: true, flows: 9}}");

	CU_ASSERT_EQUAL_FATAL(p->n_zones, 3);
	CU_ASSERT_STRING_EQUAL(p->zone[WEIR_ZONE_SELF].name, "self");
	CU_ASSERT_STRING_EQUAL(p->zone[1].name, "out");
	CU_ASSERT(p->zone[1].antispoof && p->zone[1].flows == 9);
	CU_ASSERT_STRING_EQUAL(p->zone[2].name, "lan");
	CU_ASSERT_FALSE(p->zone[2].antispoof);
	toy_fw_close(&fw);
}

static void test_a_rule_becomes_one_for_each_protocol_with_one_counter(void)
{
	open_good(TOY_PORTS
		  "services: {dns: {proto: [tcp, udp], dport: 53}, ping: {proto: icmp}}\n"
		  "firewall:\n"
		  "  rules:\n"
		  "    - {name: a, service: [dns, ping], action: accept, mark: 5, set_dscp: ef}\n"
		  "    - {name: b, from: lan, proto: udp, sport: [1, 5-9], action: count}\n");
	CU_ASSERT_EQUAL_FATAL(weir_rules_count(fw.l3.policy->rules), 4);
	CU_ASSERT_STRING_EQUAL(rule(0)->name, "a");
	CU_ASSERT_STRING_EQUAL(rule(1)->name, "a/2");
	CU_ASSERT_EQUAL(rule(0)->slot, rule(2)->slot);
	CU_ASSERT_NOT_EQUAL(rule(0)->slot, rule(3)->slot);
	CU_ASSERT(rule(0)->proto == 6 && rule(1)->proto == 17 && rule(2)->proto == 1);
	CU_ASSERT(rule(1)->n_dports == 1 && rule(1)->dports[0].lo == 53);
	CU_ASSERT_EQUAL(rule(2)->n_dports, 0);
	CU_ASSERT(rule(2)->has_mark && rule(2)->set_mark == 5 && rule(2)->set_dscp == 46);
	CU_ASSERT_EQUAL(rule(0)->line, 5);
	CU_ASSERT_EQUAL(rule(3)->action, WEIR_ACTION_COUNT);
	CU_ASSERT(rule(3)->n_sports == 2 && rule(3)->sports[1].hi == 9);
	CU_ASSERT_NOT_EQUAL(rule(3)->from_zones, 0);
	CU_ASSERT_EQUAL(rule(3)->to_zones, 0);
	toy_fw_close(&fw);
}

static void test_a_limit_has_the_burst_of_a_second_unless_it_says_another(void)
{
	open_good(RULES
		  "    - {name: a, action: accept, limit: {rate: 10pps}}\n"
		  "    - {name: b, action: drop, limit: {rate: 1kpps, burst: 3, per: source, over: "
		  "true}}\n"
		  "    - {name: c, action: drop, limit: {rate: 1pps, per: prefix}}\n"
		  "    - {name: d, action: drop, limit: {rate: 1pps, per: prefix, prefix4: 16, "
		  "prefix6: 48}}\n");
	CU_ASSERT_EQUAL(rule(0)->limit, WEIR_LIMIT_RULE);
	CU_ASSERT(rule(0)->limit_pps == 10 && rule(0)->limit_burst == 10);
	CU_ASSERT_EQUAL(rule(1)->limit, WEIR_LIMIT_OVER_SOURCE);
	CU_ASSERT(rule(1)->limit_pps == 1000 && rule(1)->limit_burst == 3);
	CU_ASSERT(rule(1)->limit_bits4 == 0 && rule(1)->limit_bits6 == 0);
	CU_ASSERT_EQUAL(rule(2)->limit, WEIR_LIMIT_SOURCE);
	CU_ASSERT(rule(2)->limit_bits4 == 24 && rule(2)->limit_bits6 == 56);
	CU_ASSERT(rule(3)->limit_bits4 == 16 && rule(3)->limit_bits6 == 48);
	toy_fw_close(&fw);
}

/* What is refused, and in which words. */
static const struct {
	const char *text, *sentence;
} bad[] = {
	{TOY_PORTS "zones: {self: {interfaces: lan}}",
	 "fw.yaml:2: zones.self: a zone's name has at most 31 bytes and is not self"},
	{TOY_PORTS "zones: {a: {interfaces: lab}}",
	 "fw.yaml:2: zones.a: lab is no port and no VLAN"},
	{TOY_PORTS "zones:\n  a: {interfaces: lan}\n  b: {interfaces: [wan, lan]}",
	 "fw.yaml:4: zones.b: lan is in zones.a already"},
	{TOY_PORTS "zones: {wan: {interfaces: lan}}",
	 "fw.yaml:1: interface wan is in no zone, and a zone is called so; put it into one"},
	{TOY_PORTS "sets: {s: {addresses: [1.2.3.4/32, 1.2.3.5/32], entries: 1}}",
	 "fw.yaml:2: sets.s: 2 addresses do not fit into 1 entries"},
	{TOY_PORTS "sets:\n  s: {entries: 16777216}",
	 "fw.yaml:3: sets.s.entries: no memory for set s: 16777216 entries take 720903 KiB; lower "
	 "entries, or add hugepages and start anew"},
	{TOY_PORTS "firewall: {geo: /nonexistent/geo.mmdb}",
	 "fw.yaml:2: firewall.geo: /nonexistent/geo.mmdb: cannot be read: No such file or directory"},
	{TOY_PORTS "sets: {s: {file: /nonexistent/list}}",
	 "fw.yaml:2: sets.s.file: /nonexistent/list: cannot be opened: No such file or directory"},
	{RULES "    - {name: \"a\\nb\", action: drop}",
	 "fw.yaml:4: the name of a rule has control characters"},
	{RULES "    - {name: \"a\\u0085b\", action: drop}",
	 "fw.yaml:4: the name of a rule has control characters"},
	{NAT "    - {name: \"a\\nb\", action: masquerade}",
	 "fw.yaml:4: the name of a nat rule has control characters"},
	{RULES "    - {name: default, action: drop}",
	 "fw.yaml:4: rule default: what no rule matches is called so"},
	{TOY_PORTS "sets: {10.0.0.1: {entries: 9}}",
	 "fw.yaml:2: sets.10.0.0.1: no rule could name it: to rules this word is no set"},
	{TOY_PORTS "sets: {'2001:db8::/32': {entries: 9}}",
	 "fw.yaml:2: sets.2001:db8::/32: no rule could name it: to rules this word is no set"},
	{TOY_PORTS "sets: {'country:DE': {entries: 9}}",
	 "fw.yaml:2: sets.country:DE: no rule could name it: to rules this word is no set"},
	{TOY_PORTS "sets: {'!x': {entries: 9}}",
	 "fw.yaml:2: sets.!x: no rule could name it: to rules this word is no set"},
	{RULES "    - {name: r, from: here, action: drop}",
	 "fw.yaml:4: from is here, which is no zone and no interface"},
	{RULES "    - {name: r, to: here, action: drop}",
	 "fw.yaml:4: to is here, which is no zone and no interface"},
	{RULES "    - {name: r, source: 10.0.0.1/8, action: drop}",
	 "fw.yaml:4: source is 10.0.0.1/8, which has bits behind its length"},
	{RULES "    - {name: r, destination: [nix], action: drop}",
	 "fw.yaml:4: destination is nix, which is no address, no prefix and no set"},
	{RULES "    - {name: r, service: web, action: drop}",
	 "fw.yaml:4: service is web, which services: does not have"},
	{TOY_PORTS "services: {web: {proto: tcp}}\nfirewall:\n  rules:\n"
		   "    - {name: r, service: web, dport: 80, action: drop}",
	 "fw.yaml:5: rule r has service, so it may not have proto, sport and dport"},
	{TOY_PORTS "services:\n  web: {dport: 80}\nfirewall: {rules: [\n"
		   "  {name: r, service: web, action: drop}]}",
	 "fw.yaml:3: services.web: proto is missing, it must name the protocols"},
	{TOY_PORTS "services:\n  all: {}\nfirewall: {rules: [\n"
		   "  {name: r, service: all, action: accept}]}",
	 "fw.yaml:3: services.all: proto is missing, it must name the protocols"},
	{TOY_PORTS "services:\n  web: {proto: icmp, dport: 80}\nfirewall: {rules: [\n"
		   "  {name: r, service: web, action: drop}]}",
	 "fw.yaml:3: ports need proto: tcp, udp or sctp beside them"},
	{RULES "    - {name: r, proto: tpc, action: drop}",
	 "fw.yaml:4: proto is tpc, must be tcp, udp, icmp, icmp6, sctp, gre, esp, ah, ipip, "
	 "udplite or 1 to 255"},
	{RULES "    - {name: r, proto: icmp, dport: 80, action: drop}",
	 "fw.yaml:4: ports need proto: tcp, udp or sctp beside them"},
	{RULES "    - {name: r, proto: udp, tcp_flags: syn, action: drop}",
	 "fw.yaml:4: rule r: tcp_flags needs proto: tcp"},
	{RULES "    - {name: r, proto: udp, icmp: echo-request, action: drop}",
	 "fw.yaml:4: rule r: icmp needs proto: icmp or icmp6"},
	{RULES "    - {name: r, dscp: best, action: drop}",
	 "fw.yaml:4: dscp is best, must be ef, af11 to af43, cs0 to cs7 or 0 to 63"},
	{RULES "    - {name: r, action: drop, mark: 5}",
	 "fw.yaml:4: rule r: mark needs action: accept or synproxy"},
	{RULES "    - {name: r, action: count, mark: 5}",
	 "fw.yaml:4: rule r: mark needs action: accept or synproxy"},
	{RULES "    - {name: r, action: reject, set_dscp: ef}",
	 "fw.yaml:4: rule r: set_dscp needs action: accept or synproxy"},
	{RULES "    - name: r\n      action: drop\n      limit: {rate: 1pps, prefix4: 24}",
	 "fw.yaml:6: rule r: limit.prefix4 needs limit.per: prefix"},
	{RULES "    - {name: r, action: drop, limit: {rate: 1pps, per: source, prefix6: 48}}",
	 "fw.yaml:4: rule r: limit.prefix6 needs limit.per: prefix"},
	{RULES "    - {name: r, action: drop}\n    - {name: s, action: drop}\n"
	       "    - {name: r, action: accept}",
	 "fw.yaml:6: rule r: the one in line 4 has this name already"},
	{NAT "    - {name: n, action: dnat, forward: 10.0.0.1}",
	 "fw.yaml:4: nat rule n: this action belongs into nat.destination"},
	{TOY_PORTS "nat:\n  destination: [{name: n, action: masquerade}]",
	 "fw.yaml:3: nat rule n: this action belongs into nat.source"},
	{TOY_PORTS "nat:\n  destination: [{name: n, action: dnat}]",
	 "fw.yaml:3: nat rule n: forward goes with action: dnat, and only with it"},
	{TOY_PORTS "nat:\n  destination: [{name: n, action: dnat, forward: '10.0.0.1:x'}]",
	 "fw.yaml:3: forward is 10.0.0.1:x, must be ADDRESS, ADDRESS:PORT or "
	 "[ADDRESS]:PORT"},
	{NAT "    - {name: n, action: snat}",
	 "fw.yaml:4: translation rule n: it needs a pool of addresses"},
	{DNAT "    - {name: n, to: lan, action: dnat, forward: 10.0.0.1}",
	 "fw.yaml:4: nat rule n: to is for nat.source, for where a flow goes is not known before"},
	{NAT "    - {name: n, from: [lan, self], action: masquerade}",
	 "fw.yaml:4: nat rule n: from is self, whose packets are not translated"},
	{DNAT "    - {name: n, action: dnat, forward: 10.0.0.1, pool: 192.0.2.9/32}",
	 "fw.yaml:4: nat rule n: pool needs action: snat, cgnat, one_to_one, npt or nat64"},
	{DNAT "    - {name: n, action: dnat, forward: 10.0.0.1, inside: 10.0.0.0/24}",
	 "fw.yaml:4: nat rule n: inside needs action: cgnat, one_to_one, npt or nat64"},
	{DNAT "    - {name: n, action: dnat, forward: 10.0.0.1, ports: 1-2}",
	 "fw.yaml:4: nat rule n: ports needs action: masquerade, snat, cgnat or nat64, or hairpin: "
	 "true"},
	{DNAT "    - {name: n, action: dnat, forward: 10.0.0.1, endpoint_independent: true}",
	 "fw.yaml:4: nat rule n: endpoint_independent needs action: masquerade, snat, cgnat or "
	 "nat64, or hairpin: true"},
	{DNAT "    - {name: n, action: dnat, forward: 10.0.0.1, block: 3}",
	 "fw.yaml:4: nat rule n: block needs action: cgnat"},
	{NAT "    - {name: n, action: masquerade, hairpin: true}",
	 "fw.yaml:4: nat rule n: hairpin needs action: dnat"},
	{NAT "    - {name: n, action: none, pool: 192.0.2.9/32}",
	 "fw.yaml:4: nat rule n: pool needs action: snat, cgnat, one_to_one, npt or nat64"},
	{DNAT "    - {name: n, destination: 192.0.2.1, action: dnat, forward: '2001:db8::1'}",
	 "fw.yaml:4: translation rule n: its addresses and where it forwards to differ in family"},
	{DNAT "    - {name: n, source: '2001:db8::/32', action: dnat, forward: 10.0.0.1}",
	 "fw.yaml:4: translation rule n: its addresses and where it forwards to differ in family"},
	{NAT "    - {name: n, action: masquerade}\n    - {name: n, action: none}",
	 "fw.yaml:5: nat rule n: the one in line 4 has this name already"},
};

static void test_a_wrong_configuration_is_one_sentence_with_file_line_and_key(void)
{
	toy_eal();
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why.text[0] = '\0';
		CU_ASSERT_TRUE(toy_fw_open(&fw, bad[i].text, NULL, &why) < 0);
		CU_ASSERT_PTR_NULL(fw.l3.policy);
		CU_ASSERT_STRING_EQUAL(why.text, bad[i].sentence);
		if (strcmp(why.text, bad[i].sentence) != 0)
			printf("\n  is   %s\n  want %s\n", why.text, bad[i].sentence);
		toy_fw_close(&fw);
	}
}

static void test_records_are_checked_with_all_else(void)
{
	static const char *const text = TOY_PORTS "records: {flows: /tmp/x, rules: /tmp/x}\n";
	struct toy_fw_conf conf;

	CU_ASSERT_EQUAL_FATAL(toy_fw_load(text, strlen(text), &conf, &why), 0);
	CU_ASSERT_EQUAL(app_conf_check(&toy_fw_app, &conf, "fw.yaml", &why), -EINVAL);
	CU_ASSERT_STRING_EQUAL(why.text,
			       "fw.yaml:2: records.flows and records.rules are both /tmp/x");
	weir_conf_free(&toy_fw_schema, &conf);
}

/* What --check warns of. */
static void expect_warnings(const char *text, const char *want)
{
	char *said = NULL;
	size_t bytes;
	FILE *to = open_memstream(&said, &bytes);

	CU_ASSERT_PTR_NOT_NULL_FATAL(to);
	open_good(text);
	CU_ASSERT_EQUAL(fw_say_findings(fw.l3.policy, &fw.conf.fw, "fw.yaml", to, &why), 0);
	fclose(to);
	CU_ASSERT_STRING_EQUAL(said, want);
	free(said);
	toy_fw_close(&fw);
}

static void test_what_a_rule_asks_for_in_vain_is_warned_of(void)
{
	expect_warnings(RULES "    - {name: a, proto: icmp6, source: 10.0.0.0/8, action: drop}\n"
			      "    - {name: b, proto: icmp, destination: '2001:db8::/32', action: "
			      "drop}\n",
			"fw.yaml:4: warning: rule a never matches: ICMPv6 has no IPv4 addresses\n"
			"fw.yaml:5: warning: rule b never matches: ICMP has no IPv6 addresses\n");
	expect_warnings(
		RULES "    - {name: a, log: true, proto: tcp, action: drop}\n"
		      "    - {name: b, capture: true, action: drop}\n",
		"fw.yaml:4: warning: rule a: log writes nothing without records.rules or "
		"records.ipfix.to\n"
		"fw.yaml:5: warning: rule b: capture keeps nothing without records.capture.file\n");
	expect_warnings(TOY_PORTS "records: {rules: /r, capture: {file: /c}}\n"
				  "firewall: {rules: [\n"
				  "  {name: a, log: true, capture: true, proto: icmp6, source: "
				  "[10.0.0.0/8, '2001:db8::/32'], action: drop}]}\n",
			"");
}

static void test_too_many_zones_are_refused_by_name(void)
{
	char text[4096] = "ports:\n";
	size_t n = strlen(text);

	for (unsigned i = 0; i < WEIR_ZONES_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "  p%u: {device: d%u}\n", i, i);
	toy_eal();
	CU_ASSERT_EQUAL(toy_fw_open(&fw, text, NULL, &why), -EINVAL);
	CU_ASSERT_STRING_EQUAL(why.text,
			       "fw.yaml:33: zones: p31 is one too many, at most 32 with self; put "
			       "interfaces into common zones");
	toy_fw_close(&fw);
}

static void test_a_rule_that_says_the_same_keeps_its_counter_over_a_reload(void)
{
	uint32_t a, b;

	open_good(RULES "    - {name: a, action: accept}\n    - {name: b, action: drop}\n");
	a = rule(0)->slot;
	b = rule(1)->slot;
	CU_ASSERT(a != 0 && b != 0 && a != b);
	/* One in front, the comment of a is new, b says something else. */
	reload_good(RULES "    - {name: c, proto: tcp, action: drop}\n"
			  "    - {name: a, comment: x, action: accept}\n"
			  "    - {name: b, action: reject}\n");
	CU_ASSERT_EQUAL(rule(1)->slot, a);
	CU_ASSERT(rule(2)->slot != a && rule(2)->slot != b && rule(0)->slot != rule(2)->slot);
	CU_ASSERT_EQUAL(fw.l3.policy->number, 2);
	toy_fw_close(&fw);
}

static void test_a_refused_reload_changes_nothing(void)
{
	const struct weir_policy *before;
	uint32_t slots;

	before = open_good(TOY_PORTS "sets: {s: {addresses: 10.0.0.0/8}}\n"
				     "firewall: {rules: [{name: a, source: s, action: accept}]}\n");
	slots = fw.run.fw->n_slots;
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT_TRUE(toy_fw_reload(&fw,
					     TOY_PORTS "sets: {s: {addresses: 11.0.0.0/8}}\n"
						       "firewall: {rules: [\n"
						       "  {name: a, source: s, action: drop},\n"
						       "  {name: b, source: t, action: drop}]}\n",
					     &why) < 0);
	CU_ASSERT_STRING_EQUAL(why.text,
			       "fw.yaml:5: source is t, which is no address, no prefix and no set");
	CU_ASSERT_PTR_EQUAL(fw.l3.policy, before);
	CU_ASSERT_STRING_EQUAL(fw.run.fw->slots[rule(0)->slot].name, "a");
	for (uint32_t i = slots; i < fw.run.fw->n_slots; i++)
		CU_ASSERT_PTR_NULL(fw.run.fw->slots[i].name);
	CU_ASSERT_TRUE(fw.run.fw->n_slots <= slots + 3);
	toy_fw_close(&fw);
}

static bool set_has(const char *address)
{
	size_t n;
	struct fw_set *const *sets = fw_sets(fw.run.fw, &n);
	struct weir_addr a;
	struct weir_prefix found;

	CU_ASSERT_EQUAL_FATAL(n, 1);
	CU_ASSERT_EQUAL_FATAL(weir_addr_parse(address, strlen(address), &a), 0);
	return weir_set_find(sets[0]->set, &a, 1, &found);
}

static void test_what_was_added_to_a_set_stays_unless_its_section_changes(void)
{
	static const char *const same = TOY_PORTS
		"sets: {s: {addresses: 10.0.0.0/8}}\n"
		"firewall: {rules: [{name: a, source: s, action: drop}]}\n";
	static const char *const other = TOY_PORTS
		"sets: {s: {addresses: [10.0.0.0/8, 12.0.0.0/8]}}\n"
		"firewall: {rules: [{name: a, source: s, action: drop}]}\n";
	const struct weir_prefix p = {.addr = {.family = 4, .bytes = {11}}, .length = 8};
	size_t n;

	open_good(same);
	CU_ASSERT_EQUAL(weir_set_add(fw_sets(fw.run.fw, &n)[0]->set, &p, WEIR_SET_FOREVER), 0);
	reload_good(same);
	CU_ASSERT(set_has("10.1.1.1") && set_has("11.1.1.1") && !set_has("12.1.1.1"));
	reload_good(other);
	CU_ASSERT(set_has("10.1.1.1") && !set_has("11.1.1.1") && set_has("12.1.1.1"));
	toy_fw_close(&fw);
}

static void test_a_sets_file_is_read_again_when_it_has_changed(void)
{
	char path[] = "/tmp/weir-set-XXXXXX", text[512];
	const int fd = mkstemp(path);

	CU_ASSERT_FATAL(fd >= 0);
	snprintf(text, sizeof(text), TOY_PORTS "sets: {s: {file: %s}}\n", path);
	CU_ASSERT_EQUAL(write(fd, "10.0.0.0/8\n", 11), 11);
	open_good(text);
	CU_ASSERT(set_has("10.1.1.1") && !set_has("11.1.1.1"));
	CU_ASSERT_EQUAL(write(fd, "11.0.0.0/8 # x\n", 15), 15);
	reload_good(text);
	CU_ASSERT(set_has("10.1.1.1") && set_has("11.1.1.1"));
	CU_ASSERT_EQUAL(write(fd, "nonsense\n", 9), 9);
	CU_ASSERT_TRUE(toy_fw_reload(&fw, text, &why) < 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, ":3: nonsense is no address and no prefix"));
	CU_ASSERT_TRUE(set_has("11.1.1.1"));
	toy_fw_close(&fw);
	close(fd);
	unlink(path);
}

/* Room of the only set, of which nothing is said but this. */
static uint32_t room_of(const char *section)
{
	struct weir_set_stats st = {0};
	char text[512];
	size_t n;

	snprintf(text, sizeof(text), TOY_PORTS "sets: {s: %s}\n", section);
	open_good(text);
	weir_set_stats(fw_sets(fw.run.fw, &n)[0]->set, &st);
	CU_ASSERT(fw_bytes(&toy_fw_app, &fw.conf, 1) > st.bytes);
	toy_fw_close(&fw);
	return st.max;
}

static void test_a_set_that_names_no_entries_has_room_by_what_it_begins_with(void)
{
	struct weir_set_section many = {.addresses.n = 3000};

	CU_ASSERT_EQUAL(room_of("{}"), 4096);
	CU_ASSERT_EQUAL(room_of("{addresses: [10.0.0.0/8, 11.0.0.0/8]}"), 4096);
	CU_ASSERT_EQUAL(room_of("{file: /dev/null}"), 65536);
	CU_ASSERT_EQUAL(room_of("{file: /dev/null, entries: 5}"), 5);
	CU_ASSERT_EQUAL(fw_set_entries(&many), 6000);
	many.addresses.n = WEIR_SET_ENTRIES_MAX;
	CU_ASSERT_EQUAL(fw_set_entries(&many), WEIR_SET_ENTRIES_MAX);
}

static void test_sizes_of_conntrack_need_a_restart(void)
{
	static const struct {
		const char *text, *sentence;
	} changes[] = {
		{TOY_PORTS "conntrack: {flows: 2048}",
		 "fw.yaml:2: the sizes of conntrack have changed, which needs a restart"},
		{TOY_PORTS "conntrack: {loose: true, timeouts: {udp: 9s}}", NULL},
	};
	struct toy_fw_conf fresh;

	open_good(TOY_PORTS);
	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		const char *text = changes[i].text;

		CU_ASSERT_EQUAL_FATAL(toy_fw_load(text, strlen(text), &fresh, &why), 0);
		CU_ASSERT_EQUAL(fw_may_follow(&fw.conf.fw, &fresh.fw, "fw.yaml", &why),
				changes[i].sentence == NULL ? 0 : -EINVAL);
		if (changes[i].sentence != NULL)
			CU_ASSERT_STRING_EQUAL(why.text, changes[i].sentence);
		weir_conf_free(&toy_fw_schema, &fresh);
	}
	toy_fw_close(&fw);
}

static void test_failing_allocations_leave_nothing_behind(void)
{
	static const char *const text = TOY_PORTS
		"zones: {out: {interfaces: wan}}\n"
		"sets: {s: {addresses: 10.0.0.0/8, entries: 64}}\n"
		"services: {dns: {proto: [tcp, udp], dport: 53}}\n"
		"firewall: {rules: [{name: a, service: dns, source: s, action: accept}]}\n"
		"nat: {source: [{name: m, to: out, action: masquerade}]}\n"
		"conntrack: {flows: 1024}\n";

	toy_eal();
	expect_unwound(text);
}

WEIR_TESTS("firewall/policy", TEST(without_rules_everything_is_dropped),
	   TEST(an_interface_in_no_zone_is_one_of_its_own_name),
	   TEST(a_rule_becomes_one_for_each_protocol_with_one_counter),
	   TEST(a_limit_has_the_burst_of_a_second_unless_it_says_another),
	   TEST(a_wrong_configuration_is_one_sentence_with_file_line_and_key),
	   TEST(records_are_checked_with_all_else), TEST(what_a_rule_asks_for_in_vain_is_warned_of),
	   TEST(too_many_zones_are_refused_by_name),
	   TEST(a_rule_that_says_the_same_keeps_its_counter_over_a_reload),
	   TEST(a_refused_reload_changes_nothing),
	   TEST(what_was_added_to_a_set_stays_unless_its_section_changes),
	   TEST(a_sets_file_is_read_again_when_it_has_changed),
	   TEST(a_set_that_names_no_entries_has_room_by_what_it_begins_with),
	   TEST(sizes_of_conntrack_need_a_restart), TEST(failing_allocations_leave_nothing_behind))
