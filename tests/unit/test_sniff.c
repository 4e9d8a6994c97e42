/* SPDX-License-Identifier: BSD-3-Clause */

/* Which protocol it is, and what may be a name. */

#include "sniff_priv.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "sniff_captures.h"

static void test_each_protocol_is_told_by_its_first_bytes(void)
{
	static const char banner[] = "SSH-2.0-OpenSSH_9.2p1\r\n";
	const uint8_t of_dns[2] = {0, sizeof(query_a)};
	uint8_t dns[2 + sizeof(query_a)];
	const struct {
		const void *p;
		size_t bytes;
		enum weir_sniff_proto proto;
		const char *name;
	} cases[] = {
		{hello_curl, sizeof(hello_curl), WEIR_SNIFF_TLS, "www.example.com"},
		{hello_records, sizeof(hello_records), WEIR_SNIFF_TLS, "fragmented.example.net"},
		{request_curl, sizeof(request_curl) - 1, WEIR_SNIFF_HTTP, "blog.example.org"},
		{banner, sizeof(banner) - 1, WEIR_SNIFF_SSH, ""},
		{dns, sizeof(dns), WEIR_SNIFF_DNS, "mixed-case.example.com"},
	};

	memcpy(dns, of_dns, 2);
	memcpy(dns + 2, query_a, sizeof(query_a));
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct weir_sniff s = {0};

		CU_ASSERT_EQUAL(weir_sniff_stream(cases[i].p, cases[i].bytes, &s),
				WEIR_SNIFF_FOUND);
		CU_ASSERT_EQUAL(s.proto, cases[i].proto);
		CU_ASSERT_STRING_EQUAL(s.name, cases[i].name);
	}
}

static void test_a_stream_that_is_nothing_known_is_none_at_once(void)
{
	static const char *const texts[] = {"\x01\x02\x03", "hello", "220 smtp.example ESMTP\r\n",
					    "EHLO me\r\n",  "SSX",   "\x16\x02"};

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct weir_sniff s = {0};
		uint8_t bytes[32] = {0};

		memset(bytes, 0xff, sizeof(bytes));
		memcpy(bytes, texts[i], strlen(texts[i]));
		CU_ASSERT_EQUAL(weir_sniff_stream(bytes, sizeof(bytes), &s), WEIR_SNIFF_NOT_IT);
		CU_ASSERT_EQUAL(s.proto, WEIR_SNIFF_NONE);
	}
}

static void test_nothing_needs_one_byte(void)
{
	struct weir_sniff s = {0};

	CU_ASSERT_EQUAL(weir_sniff_stream((const uint8_t *)"", 0, &s), WEIR_SNIFF_NEED_MORE);
	CU_ASSERT_EQUAL(s.need_bytes, 1);
	CU_ASSERT_EQUAL(weir_sniff_datagram((const uint8_t *)"", 0, &s), WEIR_SNIFF_NOT_IT);
}

static void test_what_may_be_a_message_is_told_by_its_first_bytes(void)
{
	uint32_t random = 1;

	CU_ASSERT_TRUE(weir_sniff_may_be(query_a, sizeof(query_a)));
	CU_ASSERT_TRUE(weir_sniff_may_be(quic_initial, sizeof(quic_initial)));
	CU_ASSERT_FALSE(weir_sniff_may_be(query_a, 6));
	/* A message that two bytes were changed in: what is still one may be one. */
	for (unsigned i = 0; i < 100000; i++) {
		const uint8_t *from = i % 2 == 0 ? query_a : quic_initial;
		const size_t bytes = i % 2 == 0 ? sizeof(query_a) : sizeof(quic_initial);
		struct weir_sniff s = {0};
		uint8_t b[sizeof(quic_initial) + sizeof(query_a)];

		memcpy(b, from, bytes);
		for (unsigned k = 0; k < 2; k++) {
			random = random * 1664525 + 1013904223;
			b[(random >> 8) % 12] = (uint8_t)(random >> 24);
		}
		if (weir_sniff_datagram(b, bytes, &s) == WEIR_SNIFF_FOUND)
			CU_ASSERT_TRUE(weir_sniff_may_be(b, bytes));
	}
}

static void test_datagrams_are_dns_or_quic_or_none(void)
{
	struct weir_sniff s = {0};
	uint8_t odd[sizeof(quic_initial)];

	CU_ASSERT_EQUAL(weir_sniff_datagram(query_a, sizeof(query_a), &s), WEIR_SNIFF_FOUND);
	CU_ASSERT_EQUAL(s.proto, WEIR_SNIFF_DNS);
	s = (struct weir_sniff){0};
	CU_ASSERT_EQUAL(weir_sniff_datagram(quic_initial, sizeof(quic_initial), &s),
			WEIR_SNIFF_FOUND);
	CU_ASSERT_EQUAL(s.proto, WEIR_SNIFF_QUIC);
	CU_ASSERT_EQUAL(weir_sniff_datagram(quic_initial, 14, &s), WEIR_SNIFF_NOT_IT); /* cut */
	for (unsigned i = 0; i < 6; i++) { /* a short header, another version, a long identifier */
		memcpy(odd, quic_initial, sizeof(odd));
		odd[i] = i == 0 ? 0x40 : 0x77;
		CU_ASSERT_EQUAL(weir_sniff_datagram(odd, sizeof(odd), &s), WEIR_SNIFF_NOT_IT);
		CU_ASSERT_EQUAL(s.proto, WEIR_SNIFF_NONE);
	}
}

static bool is_name(const char *text)
{
	struct weir_sniff s = {0};

	sniff_name_set(&s, (const uint8_t *)text, strlen(text));
	CU_ASSERT_EQUAL(s.bad_name, s.name[0] == '\0');
	return !s.bad_name;
}

static void test_only_names_of_hosts_are_names(void)
{
	char name[256];

	CU_ASSERT(is_name("a"));
	CU_ASSERT(is_name("_dmarc.Example.com."));
	CU_ASSERT(is_name("xn--bcher-kva.example"));
	CU_ASSERT(is_name("192.0.2.1"));
	CU_ASSERT_FALSE(is_name(""));
	CU_ASSERT_FALSE(is_name("."));
	CU_ASSERT_FALSE(is_name(".example.com"));
	CU_ASSERT_FALSE(is_name("a..b"));
	CU_ASSERT_FALSE(is_name("a.b.."));
	CU_ASSERT_FALSE(is_name("a b"));
	CU_ASSERT_FALSE(is_name("[2001:db8::1]"));
	CU_ASSERT_FALSE(is_name("b\xc3\xbc"
				"cher.example"));
	memset(name, 'x', sizeof(name));
	name[64] = '\0';
	CU_ASSERT_FALSE(is_name(name));
	name[63] = '\0';
	CU_ASSERT(is_name(name));
	name[63] = name[127] = name[191] = '.';
	name[64] = 'x';
	name[254] = '\0';
	CU_ASSERT_FALSE(is_name(name));
	name[253] = '\0';
	CU_ASSERT(is_name(name));
}

static void test_protocols_have_names(void)
{
	CU_ASSERT_STRING_EQUAL(weir_sniff_proto_name(WEIR_SNIFF_TLS), "tls");
	CU_ASSERT_STRING_EQUAL(weir_sniff_proto_name(WEIR_SNIFF_QUIC), "quic");
	CU_ASSERT_STRING_EQUAL(weir_sniff_proto_name(WEIR_SNIFF_PROTOS), "none");
}

/* Whatever comes: an answer, no read beyond the end, and never fewer bytes wanted than there are.
 */
static void test_random_bytes_are_judged_and_do_no_harm(void)
{
	uint64_t x = 88172645463325252u;

	for (unsigned round = 0; round < 20000; round++) {
		struct weir_sniff s = {0};
		uint8_t *p;
		size_t bytes;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		bytes = 1 + x % sizeof(hello_curl);
		p = malloc(bytes);
		CU_ASSERT_FATAL(p != NULL);
		memcpy(p, hello_curl, bytes);
		for (unsigned i = 0; i < 1 + (x >> 40) % 4; i++)
			p[(x >> (8 * i)) % bytes] = (uint8_t)(x >> (5 * i));
		if (weir_sniff_stream(p, bytes, &s) == WEIR_SNIFF_NEED_MORE)
			CU_ASSERT(s.need_bytes > bytes);
		CU_ASSERT(memchr(s.name, '\0', sizeof(s.name)) != NULL);
		free(p);
	}
}

WEIR_TESTS("proto/sniff", TEST(each_protocol_is_told_by_its_first_bytes),
	   TEST(a_stream_that_is_nothing_known_is_none_at_once), TEST(nothing_needs_one_byte),
	   TEST(what_may_be_a_message_is_told_by_its_first_bytes),
	   TEST(datagrams_are_dns_or_quic_or_none), TEST(only_names_of_hosts_are_names),
	   TEST(protocols_have_names), TEST(random_bytes_are_judged_and_do_no_harm))
