/* SPDX-License-Identifier: BSD-3-Clause */

/* Words of a firewall's configuration: what they mean, and what is said of those that mean nothing.
 */

#include "firewall/fw_priv.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct weir_policy policy = {.n_zones = 3,
				    .zone = {{.name = "self"}, {.name = "lan"}, {.name = "wan"}}};
static struct fw_build b = {.file = "fw.yaml", .policy = &policy};
static struct weir_why why;

/* A list of words as the loader makes it; ended by NULL. */
static struct weir_conf_list list_of(const char **words)
{
	struct weir_conf_list list = {.items = words};

	while (words[list.n] != NULL)
		list.n++;
	return list;
}

static void expect_sentence(int rc, const char *sentence)
{
	CU_ASSERT_EQUAL(rc, -EINVAL);
	CU_ASSERT_STRING_EQUAL(why.text, sentence);
	if (strcmp(why.text, sentence) != 0)
		printf("\n  is   %s\n  want %s\n", why.text, sentence);
}

static void test_protocols_have_names_and_numbers(void)
{
	static const struct {
		const char *word;
		uint8_t proto;
	} good[] = {{"tcp", 6},	 {"udp", 17}, {"icmp", 1}, {"icmp6", 58}, {"sctp", 132},
		    {"gre", 47}, {"esp", 50}, {"ah", 51},  {"1", 1},	  {"255", 255}};
	static const char *const bad[] = {"0", "256", "TCP", "", "-1", "6 ", "99999999999"};
	uint8_t proto;

	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		CU_ASSERT_EQUAL(fw_proto(&b, 1, good[i].word, &proto, &why), 0);
		CU_ASSERT_EQUAL(proto, good[i].proto);
	}
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(fw_proto(&b, 1, bad[i], &proto, &why), -EINVAL);
	expect_sentence(
		fw_proto(&b, 7, "tpc", &proto, &why),
		"fw.yaml:7: proto is tpc, must be tcp, udp, icmp, icmp6, sctp, gre, esp, ah, "
		"ipip, udplite or 1 to 255");
}

static void test_a_port_is_a_range_of_one(void)
{
	static const char *const bad[] = {"",	     "-",   "1-",    "-1",  "2-1", "65536",
					  "1-65536", "1 2", "1-2-3", "0x5", "a"};
	struct weir_range r;

	CU_ASSERT_EQUAL(fw_range(&b, 1, "dport", "443", &r, &why), 0);
	CU_ASSERT(r.lo == 443 && r.hi == 443);
	CU_ASSERT_EQUAL(fw_range(&b, 1, "dport", "0-65535", &r, &why), 0);
	CU_ASSERT(r.lo == 0 && r.hi == 65535);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(fw_range(&b, 1, "dport", bad[i], &r, &why), -EINVAL);
	expect_sentence(fw_range(&b, 3, "sport", "9-1", &r, &why),
			"fw.yaml:3: sport is 9-1, must be a port or a range such as 1000-2000");
}

static void test_icmp_types_are_of_their_family(void)
{
	int16_t type, code;

	CU_ASSERT_EQUAL(fw_icmp(&b, 1, "echo-request", false, &type, &code, &why), 0);
	CU_ASSERT(type == 8 && code == -1);
	CU_ASSERT_EQUAL(fw_icmp(&b, 1, "echo-request", true, &type, &code, &why), 0);
	CU_ASSERT(type == 128 && code == -1);
	CU_ASSERT_EQUAL(fw_icmp(&b, 1, "3/4", false, &type, &code, &why), 0);
	CU_ASSERT(type == 3 && code == 4);
	CU_ASSERT_EQUAL(fw_icmp(&b, 1, "packet-too-big", true, &type, &code, &why), 0);
	CU_ASSERT_EQUAL(type, 2);
	expect_sentence(fw_icmp(&b, 2, "packet-too-big", false, &type, &code, &why),
			"fw.yaml:2: icmp is packet-too-big, must be a type of ICMP such as "
			"echo-request, or TYPE or TYPE/CODE in numbers");
	expect_sentence(fw_icmp(&b, 2, "3/256", true, &type, &code, &why),
			"fw.yaml:2: icmp is 3/256, must be a type of ICMPv6 such as echo-request, "
			"or TYPE or TYPE/CODE in numbers");
}

static void test_tcp_flags_are_set_or_not_set_each_once(void)
{
	static const char *const bad[] = {"sin", "syn,syn", "syn,!syn", "!", "syn ack"};
	uint8_t flags, mask;

	CU_ASSERT_EQUAL(fw_tcp_flags(&b, 1, "tcp_flags", "syn,!ack", &flags, &mask, &why), 0);
	CU_ASSERT(flags == 2 && mask == 18);
	CU_ASSERT_EQUAL(
		fw_tcp_flags(&b, 1, "tcp_flags", "fin,psh,urg,!rst,!ece,!cwr", &flags, &mask, &why),
		0);
	CU_ASSERT(flags == 41 && mask == 237);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(fw_tcp_flags(&b, 1, "tcp_flags", bad[i], &flags, &mask, &why),
				-EINVAL);
	expect_sentence(fw_tcp_flags(&b, 5, "tcp_flags", "sin", &flags, &mask, &why),
			"fw.yaml:5: tcp_flags is sin, must be some of fin syn rst psh ack urg ece "
			"cwr, each once, with ! if it must not be set: syn,!ack");
}

static void test_dscps_have_the_names_of_their_rfcs(void)
{
	static const struct {
		const char *word;
		uint8_t dscp;
	} good[] = {{"ef", 46},	  {"cs0", 0},	{"cs7", 56}, {"af11", 10},
		    {"af21", 18}, {"af43", 38}, {"0", 0},    {"63", 63}};
	static const char *const bad[] = {"64", "cs8", "af14", "af51", "af1", "EF", ""};
	uint8_t dscp;

	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		CU_ASSERT_EQUAL(fw_dscp(&b, 1, "dscp", good[i].word, &dscp, &why), 0);
		CU_ASSERT_EQUAL(dscp, good[i].dscp);
	}
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(fw_dscp(&b, 1, "dscp", bad[i], &dscp, &why), -EINVAL);
	expect_sentence(
		fw_dscp(&b, 4, "set_dscp", "64", &dscp, &why),
		"fw.yaml:4: set_dscp is 64, must be ef, af11 to af43, cs0 to cs7 or 0 to 63");
}

static void test_zones_become_bits(void)
{
	const char *two[] = {"self", "wan", NULL}, *wrong[] = {"lan", "lab", NULL},
		   *none[] = {NULL};
	struct weir_conf_list words = list_of(two);
	uint32_t zones;

	CU_ASSERT_EQUAL(fw_zones(&b, 1, "from", &words, &zones, &why), 0);
	CU_ASSERT_EQUAL(zones, 5);
	words = list_of(none);
	CU_ASSERT_EQUAL(fw_zones(&b, 1, "from", &words, &zones, &why), 0);
	CU_ASSERT_EQUAL(zones, 0);
	words = list_of(wrong);
	expect_sentence(fw_zones(&b, 9, "from", &words, &zones, &why),
			"fw.yaml:9: from is lab, which is no zone and no interface");
}

static void test_addresses_are_told_from_prefixes_and_what_is_neither(void)
{
	static const struct {
		const char *word, *sentence;
	} bad[] = {
		{"10.0.0.1/8", "fw.yaml:2: source is 10.0.0.1/8, which has bits behind its length"},
		{"lab", "fw.yaml:2: source is lab, which is no address, no prefix and no set"},
		{"country:DE",
		 "fw.yaml:2: source is country:DE, but firewall.geo names no database"},
	};
	const char *some[] = {"!10.0.0.0/8", "!2001:db8::1", NULL},
		   *mixed[] = {"!::/0", "1.2.3.4", NULL};
	struct weir_conf_list words = list_of(some);
	struct weir_rule_addrs a;

	CU_ASSERT_EQUAL_FATAL(fw_addrs(&b, 1, "source", &words, &a, &why), 0);
	CU_ASSERT(a.negate && a.n_prefixes == 2 && a.n_sets == 0 && a.n_countries == 0);
	CU_ASSERT(a.prefixes[0].length == 8 && a.prefixes[1].length == 128);
	words = list_of(mixed);
	expect_sentence(
		fw_addrs(&b, 2, "source", &words, &a, &why),
		"fw.yaml:2: source mixes words with and without !; all or none must have it");
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *one[] = {bad[i].word, NULL};

		words = list_of(one);
		expect_sentence(fw_addrs(&b, 2, "source", &words, &a, &why), bad[i].sentence);
	}
	fw_arena_free(&b.arena);
}

static void test_a_sentence_about_a_rule_gets_its_line(void)
{
	weir_why(&why, -ENOSPC, "rule web: too many");
	CU_ASSERT_TRUE(fw_is_about(&why, "rule", "web"));
	CU_ASSERT_FALSE(fw_is_about(&why, "rule", "we"));
	CU_ASSERT_FALSE(fw_is_about(&why, "rule", "web2"));
	CU_ASSERT_FALSE(fw_is_about(&why, "translation rule", "web"));
	CU_ASSERT_FALSE(fw_is_about(NULL, "rule", "web"));
	CU_ASSERT_EQUAL(fw_at_line(&b, 12, -ENOSPC, &why), -ENOSPC);
	CU_ASSERT_STRING_EQUAL(why.text, "fw.yaml:12: rule web: too many");
}

WEIR_TESTS("firewall/names", TEST(protocols_have_names_and_numbers), TEST(a_port_is_a_range_of_one),
	   TEST(icmp_types_are_of_their_family), TEST(tcp_flags_are_set_or_not_set_each_once),
	   TEST(dscps_have_the_names_of_their_rfcs), TEST(zones_become_bits),
	   TEST(addresses_are_told_from_prefixes_and_what_is_neither),
	   TEST(a_sentence_about_a_rule_gets_its_line))
