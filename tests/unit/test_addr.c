/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses, prefixes and MACs between text and bytes. */
#include <errno.h>
#include <string.h>
#include <weir/addr.h>

#include "test.h"

static int addr(const char *text, struct weir_addr *out)
{
	return weir_addr_parse(text, strlen(text), out);
}

static int prefix(const char *text, struct weir_prefix *out)
{
	return weir_prefix_parse(text, strlen(text), out);
}

static int mac(const char *text, struct weir_mac *out)
{
	return weir_mac_parse(text, strlen(text), out);
}

static void test_an_ipv4_address_is_four_bytes_in_network_order(void)
{
	static const uint8_t bytes[16] = {192, 0, 2, 1};
	struct weir_addr a;

	CU_ASSERT_EQUAL_FATAL(addr("192.0.2.1", &a), 0);
	CU_ASSERT_EQUAL(a.family, 4);
	CU_ASSERT_EQUAL(memcmp(a.bytes, bytes, 16), 0);
}

static void test_an_address_is_made_of_the_bytes_that_its_family_has(void)
{
	static const uint8_t bytes[16] = {192, 0, 2, 1, 9, [15] = 1};
	char text[WEIR_ADDR_TEXT];
	struct weir_addr a = weir_addr_of(bytes, 4);

	CU_ASSERT(a.family == 4 && a.bytes[3] == 1 && a.bytes[4] == 0);
	CU_ASSERT_STRING_EQUAL(weir_addr_text(bytes, 4, text), "192.0.2.1");
	a = weir_addr_of(bytes, 6);
	CU_ASSERT(a.family == 6 && a.bytes[4] == 9 && a.bytes[15] == 1);
	CU_ASSERT_STRING_EQUAL(weir_addr_text(bytes, 6, text), "c000:201:900::1");
}

static void test_an_ipv6_address_is_written_as_rfc_5952_wants(void)
{
	static const char *const texts[][2] = {
		{"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
		{"::", "::"},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
		{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
	};
	char text[WEIR_ADDR_TEXT];
	struct weir_addr a;

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CU_ASSERT_EQUAL_FATAL(addr(texts[i][0], &a), 0);
		CU_ASSERT_EQUAL(a.family, 6);
		CU_ASSERT_STRING_EQUAL(weir_addr_format(&a, text), texts[i][1]);
	}
}

static void test_what_is_not_an_address_is_refused_and_changes_nothing(void)
{
	static const char *const texts[] = {
		"",	      "1",	    "1.2.3",	     "1.2.3.4.5", "256.0.0.1", "01.2.3.4",
		" 192.0.2.1", "192.0.2.1 ", "192.0.2.1/24",  ":",	  ":::",       "1::2::3",
		"fe80::1%lo", "12345::",    "1:2:3:4:5:6:7", "localhost", "0x7f.0.0.1"};
	struct weir_addr a = {.family = 9};

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		CU_ASSERT_EQUAL(addr(texts[i], &a), -EINVAL);
	CU_ASSERT_EQUAL(weir_addr_parse("1.2.3.4\0", 8, &a), -EINVAL);
	CU_ASSERT_EQUAL(a.family, 9);
}

static void test_only_the_given_bytes_of_a_text_are_read(void)
{
	struct weir_addr a;
	char text[WEIR_ADDR_TEXT];

	CU_ASSERT_EQUAL_FATAL(weir_addr_parse("10.0.0.123", 8, &a), 0);
	CU_ASSERT_STRING_EQUAL(weir_addr_format(&a, text), "10.0.0.1");
}

static void test_a_prefix_keeps_its_host_bits(void)
{
	struct weir_prefix p, network;
	char text[WEIR_PREFIX_TEXT];

	CU_ASSERT_EQUAL_FATAL(prefix("192.0.2.129/25", &p), 0);
	CU_ASSERT_STRING_EQUAL(weir_prefix_format(&p, text), "192.0.2.129/25");
	network = weir_prefix_network(&p);
	CU_ASSERT_STRING_EQUAL(weir_prefix_format(&network, text), "192.0.2.128/25");
}

static void test_every_prefix_length_clears_just_the_host_bits(void)
{
	struct weir_prefix p;

	CU_ASSERT_EQUAL_FATAL(prefix("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", &p), 0);
	for (unsigned length = 0; length <= 128; length++) {
		struct weir_prefix network;
		unsigned ones = 0;

		p.length = (uint8_t)length;
		network = weir_prefix_network(&p);
		for (unsigned bit = 0; bit < 128; bit++) {
			const bool set = network.addr.bytes[bit / 8] >> (7 - bit % 8) & 1;

			CU_ASSERT_EQUAL(set, bit < length);
			ones += set;
		}
		CU_ASSERT_EQUAL(ones, length);
	}
}

static void test_a_prefix_length_is_a_number_within_the_family(void)
{
	struct weir_prefix p = {.length = 77};

	CU_ASSERT_EQUAL(prefix("10.0.0.0/33", &p), -ERANGE);
	CU_ASSERT_EQUAL(prefix("2001:db8::/129", &p), -ERANGE);
	CU_ASSERT_EQUAL(prefix("2001:db8::/999", &p), -ERANGE);
	CU_ASSERT_EQUAL(prefix("10.0.0.0", &p), -EINVAL);
	CU_ASSERT_EQUAL(prefix("10.0.0.0/", &p), -EINVAL);
	CU_ASSERT_EQUAL(prefix("10.0.0.0/08", &p), -EINVAL);
	CU_ASSERT_EQUAL(prefix("10.0.0.0/-1", &p), -EINVAL);
	CU_ASSERT_EQUAL(prefix("10.0.0.0/1000", &p), -EINVAL);
	CU_ASSERT_EQUAL(prefix("10.0.0.0/8/8", &p), -EINVAL);
	CU_ASSERT_EQUAL(prefix("/8", &p), -EINVAL);
	CU_ASSERT_EQUAL(p.length, 77);
	CU_ASSERT_EQUAL(prefix("10.0.0.0/0", &p), 0);
	CU_ASSERT_EQUAL(prefix("10.0.0.0/32", &p), 0);
	CU_ASSERT_EQUAL(prefix("::/128", &p), 0);
}

static void test_a_prefix_contains_its_own_family_only(void)
{
	struct weir_prefix ten, all;
	struct weir_addr in, out, other, none = {0};

	CU_ASSERT_EQUAL_FATAL(prefix("10.1.2.3/8", &ten), 0);
	CU_ASSERT_EQUAL_FATAL(prefix("0.0.0.0/0", &all), 0);
	CU_ASSERT_EQUAL_FATAL(addr("10.255.0.1", &in), 0);
	CU_ASSERT_EQUAL_FATAL(addr("11.0.0.1", &out), 0);
	CU_ASSERT_EQUAL_FATAL(addr("::1", &other), 0);
	CU_ASSERT_TRUE(weir_prefix_contains(&ten, &in));
	CU_ASSERT_FALSE(weir_prefix_contains(&ten, &out));
	CU_ASSERT_TRUE(weir_prefix_contains(&all, &out));
	CU_ASSERT_FALSE(weir_prefix_contains(&all, &other));
	CU_ASSERT_FALSE(weir_prefix_contains(&all, &none));
}

static void test_a_mac_is_six_pairs_with_colons(void)
{
	static const char *const texts[] = {"",
					    "02:00:00:00:00",
					    "02:00:00:00:00:0",
					    "02:00:00:00:00:001",
					    "02-00-00-00-00-01",
					    "0g:00:00:00:00:01",
					    "02:00:00:00:00:01:02",
					    "02:00:00:00:00+01"};
	struct weir_mac m;
	char text[WEIR_MAC_TEXT];

	CU_ASSERT_EQUAL_FATAL(mac("02:aB:Cd:0:", &m), -EINVAL);
	CU_ASSERT_EQUAL_FATAL(mac("02:aB:Cd:00:fF:99", &m), 0);
	CU_ASSERT_STRING_EQUAL(weir_mac_format(&m, text), "02:ab:cd:00:ff:99");
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		CU_ASSERT_EQUAL(mac(texts[i], &m), -EINVAL);
	CU_ASSERT_EQUAL(m.bytes[5], 0x99);
}

static void test_nothing_is_written_as_none(void)
{
	const struct weir_prefix p = {0};
	char text[WEIR_PREFIX_TEXT];

	CU_ASSERT_STRING_EQUAL(weir_prefix_format(&p, text), "none");
	CU_ASSERT_STRING_EQUAL(weir_addr_format(&p.addr, text), "none");
}

WEIR_TESTS("base/addr", TEST(an_ipv4_address_is_four_bytes_in_network_order),
	   TEST(an_address_is_made_of_the_bytes_that_its_family_has),
	   TEST(an_ipv6_address_is_written_as_rfc_5952_wants),
	   TEST(what_is_not_an_address_is_refused_and_changes_nothing),
	   TEST(only_the_given_bytes_of_a_text_are_read), TEST(a_prefix_keeps_its_host_bits),
	   TEST(every_prefix_length_clears_just_the_host_bits),
	   TEST(a_prefix_length_is_a_number_within_the_family),
	   TEST(a_prefix_contains_its_own_family_only), TEST(a_mac_is_six_pairs_with_colons),
	   TEST(nothing_is_written_as_none))
