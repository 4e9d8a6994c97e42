/* SPDX-License-Identifier: BSD-3-Clause */
/* steer= and owns= as text: every term becomes the rule it names, and a wrong one is named. */
#include "steer_words_priv.h"
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct steer_words words;
static struct weir_why why;

static int read_words(const char *text)
{
	why.text[0] = '\0';
	return steer_words_read(text, &words, &why);
}

static bool is_refused(const char *text, const char *named)
{
	return read_words(text) == -EINVAL && strstr(why.text, named) != NULL;
}

static void test_no_words_and_host_keep_the_host(void)
{
	static const char *const texts[] = {NULL, "", "host"};

	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(read_words(texts[i]), 0);
		CU_ASSERT_TRUE(words.keep_host);
		CU_ASSERT_EQUAL(words.others, STEER_USER);
		CU_ASSERT_EQUAL(words.n, 0);
	}
}

static void test_all_keeps_nothing(void)
{
	CU_ASSERT_EQUAL(read_words("all"), 0);
	CU_ASSERT_FALSE(words.keep_host);
	CU_ASSERT_EQUAL(words.others, STEER_USER);
	CU_ASSERT_EQUAL(words.n, 0);
}

static void test_kernel_and_user_are_each_others_reverse(void)
{
	CU_ASSERT_EQUAL(read_words("kernel:arp+host"), 0);
	CU_ASSERT_TRUE(words.keep_host);
	CU_ASSERT_EQUAL(words.others, STEER_USER);
	CU_ASSERT_EQUAL_FATAL(words.n, 1);
	CU_ASSERT_EQUAL(words.rules[0].rule.verdict, STEER_KERNEL);
	CU_ASSERT_EQUAL(words.rules[0].priority, STEER_PRIORITY_WORDS);
	CU_ASSERT_EQUAL(read_words("user:arp"), 0);
	CU_ASSERT_FALSE(words.keep_host);
	CU_ASSERT_EQUAL(words.others, STEER_KERNEL);
	CU_ASSERT_EQUAL_FATAL(words.n, 1);
	CU_ASSERT_EQUAL(words.rules[0].rule.verdict, STEER_USER);
	CU_ASSERT_EQUAL(words.rules[0].key.ethertype, htons(0x0806));
}

static void test_a_port_is_either_ends(void)
{
	CU_ASSERT_EQUAL(read_words("user:tcp/443"), 0);
	CU_ASSERT_EQUAL_FATAL(words.n, 2);
	CU_ASSERT_EQUAL(words.rules[0].key.has, STEER_HAS_TCP);
	CU_ASSERT_EQUAL(words.rules[0].key.src_port, htons(443));
	CU_ASSERT_EQUAL(words.rules[0].mask.dst_port, 0);
	CU_ASSERT_EQUAL(words.rules[1].key.dst_port, htons(443));
	CU_ASSERT_EQUAL(words.rules[1].mask.src_port, 0);
	CU_ASSERT_EQUAL(read_words("user:udp/0-1023"), 0);
	CU_ASSERT_EQUAL_FATAL(words.n, 2);
	CU_ASSERT_EQUAL(words.rules[0].key.has, STEER_HAS_UDP);
	CU_ASSERT_EQUAL(words.rules[0].rule.src_port_hi, 1023);
	CU_ASSERT_EQUAL(words.rules[0].rule.dst_port_hi, 65535);
	CU_ASSERT_EQUAL(words.rules[1].rule.dst_port_hi, 1023);
	CU_ASSERT_EQUAL(words.rules[1].mask.dst_port, 0);
}

static void test_a_prefix_is_of_the_destination_without_host_bits(void)
{
	static const uint8_t v4[16] = {10}, v6[16] = {0x20, 0x01, 0x0d, 0xb8, 0x80};

	CU_ASSERT_EQUAL(read_words("kernel:ip/10.1.255.255/15+ip/2001:db8:8fff::1/33"), 0);
	CU_ASSERT_EQUAL_FATAL(words.n, 2);
	CU_ASSERT_EQUAL(words.rules[0].key.has, STEER_HAS_IPV4);
	CU_ASSERT_EQUAL(words.rules[0].mask.dst_ip[1], 0xfe);
	CU_ASSERT_EQUAL(words.rules[0].mask.dst_ip[2], 0);
	CU_ASSERT_EQUAL(memcmp(words.rules[0].key.dst_ip, v4, 16), 0);
	CU_ASSERT_EQUAL(words.rules[1].key.has, STEER_HAS_IPV6);
	CU_ASSERT_EQUAL(memcmp(words.rules[1].key.dst_ip, v6, 16), 0);
	CU_ASSERT_EQUAL(words.rules[1].mask.dst_ip[4], 0x80);
}

static void test_no_key_has_bits_outside_its_mask(void)
{
	CU_ASSERT_EQUAL(read_words("kernel:arp+nd+icmp+icmp6+tcp+udp+tcp/1+udp/2-3+eth/0x88cc+"
				   "ip/10.255.255.255/8+ip/2001:db8:ffff::1/32"),
			0);
	CU_ASSERT_EQUAL_FATAL(words.n, 13);
	for (unsigned i = 0; i < words.n; i++) {
		const uint8_t *key = (const void *)&words.rules[i].key,
			      *mask = (const void *)&words.rules[i].mask;

		for (size_t j = 0; j < sizeof(struct steer_key); j++)
			CU_ASSERT_EQUAL(key[j] & ~mask[j], 0);
	}
}

static void test_a_wrong_term_is_named(void)
{
	static const char *const wrong[] = {
		"arpx",	     "tcp/",	  "tcp/65536", "tcp/-1",      "tcp/5-4", "tcp/1-2-3",
		"tcp/1-",    "udp/x",	  "tcp/080",   "ip/10.0.0.1", "ip/",	 "ip/10.0.0.0/33",
		"eth/0x5ff", "eth/65536", "sctp",      "host ",	      "ARP",	 "eth/",
	};
	char text[64];

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(text, sizeof(text), "kernel:arp+%s+udp", wrong[i]);
		CU_ASSERT_TRUE(is_refused(text, wrong[i]));
		CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "allowed are host, arp"));
	}
	CU_ASSERT_TRUE(is_refused("user:host", "'host'"));
	CU_ASSERT_TRUE(is_refused("kernel:", "''"));
	CU_ASSERT_TRUE(is_refused("user:arp+", "''"));
	CU_ASSERT_TRUE(is_refused("kernel", "steer=kernel"));
	CU_ASSERT_TRUE(is_refused("none", "steer=none"));
	CU_ASSERT_TRUE(is_refused("all+host", "steer=all+host"));
}

static void test_too_many_terms_are_refused(void)
{
	char text[2048] = "kernel:";

	for (unsigned i = 0; i < STEER_WORDS_RULES / 2; i++)
		snprintf(text + strlen(text), 16, "%sudp/%u", i ? "+" : "", i);
	CU_ASSERT_EQUAL(read_words(text), 0);
	CU_ASSERT_EQUAL(words.n, STEER_WORDS_RULES);
	strcat(text, "+arp");
	CU_ASSERT_TRUE(is_refused(text, "too many"));
}

static void test_addresses_are_read_and_counted(void)
{
	struct weir_addr out[2];

	CU_ASSERT_EQUAL(steer_addresses_read("192.0.2.1+2001:db8::1", out, 2, &why), 2);
	CU_ASSERT_EQUAL(out[0].family, 4);
	CU_ASSERT_EQUAL(out[1].family, 6);
	CU_ASSERT_EQUAL(steer_addresses_read("192.0.2.1+2001:db8::1+::2", out, 2, &why), 3);
	CU_ASSERT_EQUAL(steer_addresses_read("192.0.2.1+", out, 2, &why), -EINVAL);
	CU_ASSERT_EQUAL(steer_addresses_read("192.0.2.1/24", out, 2, &why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "192.0.2.1/24"));
}

WEIR_TESTS("xdp/steer-words", TEST(no_words_and_host_keep_the_host), TEST(all_keeps_nothing),
	   TEST(kernel_and_user_are_each_others_reverse), TEST(a_port_is_either_ends),
	   TEST(a_prefix_is_of_the_destination_without_host_bits),
	   TEST(no_key_has_bits_outside_its_mask), TEST(a_wrong_term_is_named),
	   TEST(too_many_terms_are_refused), TEST(addresses_are_read_and_counted))
