/* SPDX-License-Identifier: BSD-3-Clause */

/* ClientHellos: as clients send them, cut at every byte into segments and records, and broken. */

#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <weir/cursor.h>
#include <weir/sniff.h>

#include "sniff_captures.h"

#define RECORD 5

static void test_hellos_of_real_clients_are_read(void)
{
	struct weir_sniff s = {0};

	CU_ASSERT_EQUAL(weir_sniff_tls(hello_curl, sizeof(hello_curl), &s), WEIR_SNIFF_FOUND);
	CU_ASSERT_STRING_EQUAL(s.name, "www.example.com");
	CU_ASSERT_STRING_EQUAL(s.alpn, "h2,http/1.1");
	CU_ASSERT_EQUAL(s.tls_version, 0x0304);
	s = (struct weir_sniff){0};
	CU_ASSERT_EQUAL(weir_sniff_tls(hello_records, sizeof(hello_records), &s), WEIR_SNIFF_FOUND);
	CU_ASSERT_STRING_EQUAL(s.name, "fragmented.example.net");
	CU_ASSERT_STRING_EQUAL(s.alpn, "h2,http/1.1,acme-tls/1");
	s = (struct weir_sniff){0};
	CU_ASSERT_EQUAL(weir_sniff_tls(hello_no_name, sizeof(hello_no_name), &s), WEIR_SNIFF_FOUND);
	CU_ASSERT_STRING_EQUAL(s.name, "");
	CU_ASSERT_FALSE(s.bad_name);
	CU_ASSERT_EQUAL(s.tls_version, 0x0303);
}

/* Give it as it grows, only when it asks; each prefix in memory of just its size. */
static enum weir_sniff_result grow(const uint8_t *p, size_t bytes, size_t step,
				   struct weir_sniff *s, unsigned *asked)
{
	enum weir_sniff_result r = WEIR_SNIFF_NEED_MORE;

	*s = (struct weir_sniff){0};
	*asked = 0;
	for (size_t n = 0; n < bytes && r == WEIR_SNIFF_NEED_MORE;) {
		uint8_t *prefix;

		n = n + step < bytes ? n + step : bytes;
		if (n < s->need_bytes && n < bytes)
			continue;
		prefix = malloc(n);
		CU_ASSERT_FATAL(prefix != NULL);
		memcpy(prefix, p, n);
		r = weir_sniff_tls(prefix, n, s);
		if (r == WEIR_SNIFF_NEED_MORE && n < bytes)
			CU_ASSERT(s->need_bytes > n && s->need_bytes <= bytes);
		free(prefix);
		++*asked;
	}
	return r;
}

static void test_a_hello_in_two_segments_is_read_wherever_it_is_cut(void)
{
	for (size_t cut = 1; cut < sizeof(hello_records); cut++) {
		struct weir_sniff s = {0};

		CU_ASSERT_EQUAL(weir_sniff_tls(hello_records, cut, &s), WEIR_SNIFF_NEED_MORE);
		CU_ASSERT(s.need_bytes > cut && s.need_bytes <= sizeof(hello_records));
		CU_ASSERT_EQUAL(weir_sniff_tls(hello_records, sizeof(hello_records), &s),
				WEIR_SNIFF_FOUND);
		CU_ASSERT_STRING_EQUAL(s.name, "fragmented.example.net");
		CU_ASSERT_STRING_EQUAL(s.alpn, "h2,http/1.1,acme-tls/1");
	}
}

static void test_a_hello_byte_by_byte_is_not_read_byte_by_byte(void)
{
	struct weir_sniff s;
	unsigned asked;

	CU_ASSERT_EQUAL(grow(hello_records, sizeof(hello_records), 1, &s, &asked),
			WEIR_SNIFF_FOUND);
	CU_ASSERT_STRING_EQUAL(s.name, "fragmented.example.net");
	CU_ASSERT(asked <= 6);
}

/* The captured message in records whose payloads are cut[0], cut[1] and the rest, or all `each`. */
static size_t in_records(uint8_t *to, size_t first, size_t each)
{
	const uint8_t *p = hello_curl + RECORD;
	size_t left = sizeof(hello_curl) - RECORD;
	struct weir_writer w = {.at = to, .end = to + 6 * sizeof(hello_curl)};

	for (size_t n = first; left > 0; n = each) {
		n = n < left ? n : left;
		weir_put_u8(&w, 22);
		weir_put_u16_be(&w, 0x0301);
		weir_put_u16_be(&w, (uint16_t)n);
		weir_put(&w, p, n);
		p += n;
		left -= n;
	}
	CU_ASSERT_FALSE(w.bad);
	return (size_t)(w.at - to);
}

static void test_a_hello_in_two_records_is_read_wherever_it_is_cut(void)
{
	uint8_t text[6 * sizeof(hello_curl)];

	for (size_t cut = 1; cut < sizeof(hello_curl) - RECORD; cut++) {
		const size_t bytes = in_records(text, cut, sizeof(hello_curl));
		struct weir_sniff s = {0};

		CU_ASSERT_EQUAL(weir_sniff_tls(text, bytes, &s), WEIR_SNIFF_FOUND);
		CU_ASSERT_STRING_EQUAL(s.name, "www.example.com");
		CU_ASSERT_STRING_EQUAL(s.alpn, "h2,http/1.1");
		s = (struct weir_sniff){0};
		CU_ASSERT_EQUAL(weir_sniff_tls(text, bytes - 1, &s), WEIR_SNIFF_NEED_MORE);
		CU_ASSERT_STRING_EQUAL(s.name, "www.example.com"); /* was there already */
	}
}

static void test_records_of_every_size_and_segments_of_every_size_are_read(void)
{
	uint8_t text[6 * sizeof(hello_curl)];

	for (size_t each = 1; each < 40; each++) {
		const size_t bytes = in_records(text, each, each);

		for (size_t step = 1; step < 40; step += 3) {
			struct weir_sniff s;
			unsigned asked;

			CU_ASSERT_EQUAL(grow(text, bytes, step, &s, &asked), WEIR_SNIFF_FOUND);
			CU_ASSERT_STRING_EQUAL(s.name, "www.example.com");
			CU_ASSERT(asked <= 60);
		}
	}
}

static void test_no_cut_hides_what_is_wrong(void)
{
	uint8_t text[6 * sizeof(hello_curl)];
	struct weir_sniff s = {0};
	size_t bytes = in_records(text, 100, 100);

	text[RECORD + 100] = 23; /* application data in the middle */
	CU_ASSERT_EQUAL(weir_sniff_tls(text, bytes, &s), WEIR_SNIFF_NOT_IT);
	bytes = in_records(text, 100, 100);
	text[RECORD + 100 + 1] = 2;
	CU_ASSERT_EQUAL(weir_sniff_tls(text, bytes, &s), WEIR_SNIFF_NOT_IT);
	bytes = in_records(text, 100, 100);
	text[RECORD + 100 + 3] = text[RECORD + 100 + 4] = 0; /* an empty record */
	CU_ASSERT_EQUAL(weir_sniff_tls(text, bytes, &s), WEIR_SNIFF_NOT_IT);
	bytes = in_records(text, 100, 100);
	text[RECORD] = 2; /* a ServerHello */
	CU_ASSERT_EQUAL(weir_sniff_tls(text, RECORD + 1, &s), WEIR_SNIFF_NOT_IT);
	text[RECORD] = 1;
	text[RECORD + 1] = 0xff; /* 16 MiB of it */
	CU_ASSERT_EQUAL(weir_sniff_tls(text, bytes, &s), WEIR_SNIFF_NOT_IT);
}

/* Where an extension's type stands in hello_curl. */
static size_t find_extension(uint8_t type)
{
	size_t at = RECORD + 4 + 2 + 32;

	at += 1u + hello_curl[at];
	at += 2u + (hello_curl[at] << 8 | hello_curl[at + 1]);
	at += 1u + hello_curl[at] + 2;
	while (at + 4 < sizeof(hello_curl) && (hello_curl[at] != 0 || hello_curl[at + 1] != type))
		at += 4u + (hello_curl[at + 2] << 8 | hello_curl[at + 3]);
	CU_ASSERT_FATAL(at + 4 < sizeof(hello_curl));
	return at;
}

static void test_lengths_that_lie_make_it_no_hello(void)
{
	static const struct {
		uint8_t extension, offset;
	} lies[] = {{0, 3}, {0, 5}, {0, 8}, {16, 3}, {16, 5}, {43, 3}, {43, 4}};
	struct weir_sniff s = {0};
	uint8_t text[sizeof(hello_curl)];

	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		const size_t at = find_extension(lies[i].extension) + lies[i].offset;

		for (int by = -1; by <= 1; by += 2) {
			memcpy(text, hello_curl, sizeof(text));
			text[at] = (uint8_t)(text[at] + by);
			CU_ASSERT_EQUAL(weir_sniff_tls(text, sizeof(text), &s), WEIR_SNIFF_NOT_IT);
			CU_ASSERT_STRING_EQUAL(s.name, "");
		}
	}
}

static void test_a_second_server_name_makes_it_no_hello(void)
{
	struct weir_sniff s = {0};
	uint8_t text[sizeof(hello_curl)];
	const size_t padding = find_extension(21);

	memcpy(text, hello_curl, sizeof(text));
	text[padding + 1] = 0;
	CU_ASSERT_EQUAL(weir_sniff_tls(text, sizeof(text), &s), WEIR_SNIFF_NOT_IT);
}

static void test_a_name_that_is_no_hosts_is_said_to_be_there(void)
{
	struct weir_sniff s = {0};
	uint8_t text[sizeof(hello_curl)];

	memcpy(text, hello_curl, sizeof(text));
	text[find_extension(0) + 9] = '/';
	CU_ASSERT_EQUAL(weir_sniff_tls(text, sizeof(text), &s), WEIR_SNIFF_FOUND);
	CU_ASSERT_STRING_EQUAL(s.name, "");
	CU_ASSERT(s.bad_name);
}

static void test_protocols_of_odd_bytes_are_shown_as_dots(void)
{
	struct weir_sniff s = {0};
	uint8_t text[sizeof(hello_curl)];
	const size_t at = find_extension(16) + 7;

	memcpy(text, hello_curl, sizeof(text));
	text[at] = 0x8a; /* RFC 8701 */
	text[at + 1] = ',';
	CU_ASSERT_EQUAL(weir_sniff_tls(text, sizeof(text), &s), WEIR_SNIFF_FOUND);
	CU_ASSERT_STRING_EQUAL(s.alpn, "..,http/1.1");
}

WEIR_TESTS("proto/sniff_tls", TEST(hellos_of_real_clients_are_read),
	   TEST(a_hello_in_two_segments_is_read_wherever_it_is_cut),
	   TEST(a_hello_byte_by_byte_is_not_read_byte_by_byte),
	   TEST(a_hello_in_two_records_is_read_wherever_it_is_cut),
	   TEST(records_of_every_size_and_segments_of_every_size_are_read),
	   TEST(no_cut_hides_what_is_wrong), TEST(lengths_that_lie_make_it_no_hello),
	   TEST(a_second_server_name_makes_it_no_hello),
	   TEST(a_name_that_is_no_hosts_is_said_to_be_there),
	   TEST(protocols_of_odd_bytes_are_shown_as_dots))
