/* SPDX-License-Identifier: BSD-3-Clause */

/* Sources that the Internet does not have: the ends of each range, and their neighbours. */

#include "tables/bogon_priv.h"
#include "test.h"

#include <string.h>
#include <weir/addr.h>

static bool is_bogon(const char *text)
{
	struct weir_addr a = {0};

	CU_ASSERT_EQUAL_FATAL(weir_addr_parse(text, strlen(text), &a), 0);
	return bogon_is(a.family, a.bytes);
}

static void expect(const char *const *list, bool bogon)
{
	for (; *list != NULL; list++) {
		CU_ASSERT_EQUAL(is_bogon(*list), bogon);
		if (is_bogon(*list) != bogon)
			printf("\n  %s is %sa bogon\n", *list, bogon ? "not " : "");
	}
}

static void test_both_ends_of_each_range_of_ipv4_are_bogons(void)
{
	static const char *const ends[] = {
		"0.0.0.0",	"0.255.255.255",   "10.0.0.0",	  "10.255.255.255",
		"100.64.0.0",	"100.127.255.255", "127.0.0.0",	  "127.255.255.255",
		"169.254.0.0",	"169.254.255.255", "172.16.0.0",  "172.31.255.255",
		"192.0.0.0",	"192.0.0.255",	   "192.0.2.0",	  "192.0.2.255",
		"192.168.0.0",	"192.168.255.255", "198.18.0.0",  "198.19.255.255",
		"198.51.100.0", "198.51.100.255",  "203.0.113.0", "203.0.113.255",
		"240.0.0.0",	"255.255.255.255", NULL};

	expect(ends, true);
}

static void test_what_stands_beside_them_is_not(void)
{
	static const char *const beside[] = {"1.0.0.0",
					     "9.255.255.255",
					     "11.0.0.0",
					     "100.63.255.255",
					     "100.128.0.0",
					     "126.255.255.255",
					     "128.0.0.0",
					     "169.253.255.255",
					     "169.255.0.0",
					     "172.15.255.255",
					     "172.32.0.0",
					     "191.255.255.255",
					     "192.0.1.0",
					     "192.0.3.0",
					     "192.167.255.255",
					     "192.169.0.0",
					     "198.17.255.255",
					     "198.20.0.0",
					     "198.51.99.255",
					     "198.51.101.0",
					     "203.0.112.255",
					     "203.0.114.0",
					     "223.255.255.255",
					     "8.8.8.8",
					     NULL};

	expect(beside, false);
}

static void test_ranges_of_ipv6_are_bogons_and_their_neighbours_are_not(void)
{
	static const char *const in[] = {"::",
					 "::1",
					 "::ffff:8.8.8.8",
					 "64:ff9b:1::",
					 "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
					 "100::",
					 "100::1:0:0:0:0",
					 "2001:2::1",
					 "2001:1ff:ffff::",
					 "2001:db8::",
					 "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
					 "3fff::1",
					 "3fff:fff:ffff::1",
					 "5f00::1",
					 "fc00::",
					 "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
					 "fe80::",
					 "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
					 NULL};
	static const char *const out[] = {"64:ff9b::808:808",
					  "64:ff9b:2::",
					  "100:0:0:2::",
					  "2001:200::1",
					  "2001:4860:4860::8888",
					  "2001:db7:ffff::",
					  "2001:db9::",
					  "3ffe::1",
					  "3fff:1000::1",
					  "5eff::1",
					  "5f01::1",
					  "fbff::1",
					  "fe7f::1",
					  "fec0::1",
					  "2600::1",
					  "2a00::1",
					  NULL};

	expect(in, true);
	expect(out, false);
}

static void test_services_within_the_reserved_ranges_are_reachable(void)
{
	static const char *const out[] = {
		"192.0.0.9",	 "192.0.0.10", "2001::1",    "2001:1::1",  "2001:3::1",
		"2001:4:112::1", "2001:20::1", "2001:2f::1", "2001:30::1", NULL};
	static const char *const in[] = {"192.0.0.8",  "192.0.0.11", "2001:4:113::1",
					 "2001:10::1", "2001:40::1", NULL};

	expect(out, false);
	expect(in, true);
}

WEIR_TESTS("bogon", TEST(both_ends_of_each_range_of_ipv4_are_bogons),
	   TEST(what_stands_beside_them_is_not),
	   TEST(ranges_of_ipv6_are_bogons_and_their_neighbours_are_not),
	   TEST(services_within_the_reserved_ranges_are_reachable))
