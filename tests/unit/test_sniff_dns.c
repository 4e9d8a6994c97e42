/* SPDX-License-Identifier: BSD-3-Clause */

/* Questions of DNS: real ones, and each way in which they can be none. */

#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <weir/cursor.h>
#include <weir/sniff.h>

#include "sniff_captures.h"

static void test_questions_of_a_real_resolver_are_read(void)
{
	struct weir_sniff s = {0};

	CU_ASSERT_EQUAL(weir_sniff_dns(query_a, sizeof(query_a), &s), WEIR_SNIFF_FOUND);
	CU_ASSERT_STRING_EQUAL(s.name, "mixed-case.example.com");
	CU_ASSERT_EQUAL(s.dns_type, 1);
	CU_ASSERT_EQUAL(weir_sniff_dns(query_aaaa, sizeof(query_aaaa), &s), WEIR_SNIFF_FOUND);
	CU_ASSERT_EQUAL(s.dns_type, 28);
}

static void test_a_message_that_is_cut_anywhere_is_none(void)
{
	for (size_t n = 0; n < sizeof(query_a); n++) {
		struct weir_sniff s = {0};
		uint8_t *p = malloc(n + 1);

		CU_ASSERT_FATAL(p != NULL);
		memcpy(p + 1, query_a, n);
		CU_ASSERT_EQUAL(weir_sniff_dns(p + 1, n, &s), WEIR_SNIFF_NOT_IT);
		free(p);
	}
}

static void test_a_question_is_read_whatever_else_the_message_says(void)
{
	static const struct {
		uint8_t at, value;
		bool unreadable;
	} odd[] = {
		{2, 0x29, false}, /* an update */
		{2, 0x09, false}, /* an inverse query */
		{3, 0x40, false}, /* a reserved bit */
		{5, 2, true},	  /* two questions */
		{7, 1, false},	  /* an answer */
		{9, 1, false},	  /* an authority */
		{11, 3, false},	  /* more than EDNS and a signature */
	};

	for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct weir_sniff s = {0};
		uint8_t text[sizeof(query_a)];

		memcpy(text, query_a, sizeof(text));
		text[odd[i].at] = odd[i].value;
		CU_ASSERT(weir_sniff_may_be(text, sizeof(text)));
		CU_ASSERT_EQUAL(weir_sniff_dns(text, sizeof(text), &s), WEIR_SNIFF_FOUND);
		CU_ASSERT_STRING_EQUAL(s.name, "mixed-case.example.com");
		CU_ASSERT_EQUAL(s.unreadable, odd[i].unreadable);
	}
}

static void test_a_message_that_asks_nothing_is_none(void)
{
	static const struct {
		uint8_t at, value;
	} odd[] = {
		{2, 0x81},		  /* a response */
		{5, 0},			  /* no question */
		{sizeof(query_a) - 1, 2}, /* a class that is none */
	};

	for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct weir_sniff s = {0};
		uint8_t text[sizeof(query_a)];

		memcpy(text, query_a, sizeof(text));
		text[odd[i].at] = odd[i].value;
		CU_ASSERT_EQUAL(weir_sniff_dns(text, sizeof(text), &s), WEIR_SNIFF_NOT_IT);
	}
}

/* A query for these labels as they are on the wire, the last included. */
static size_t question(uint8_t *to, const char *labels, size_t bytes)
{
	static const uint8_t header[12] = {1, 2, 1, 0, 0, 1};
	static const uint8_t end[4] = {0, 1, 0, 1};

	memcpy(to, header, sizeof(header));
	memcpy(to + sizeof(header), labels, bytes);
	memcpy(to + sizeof(header) + bytes, end, sizeof(end));
	return sizeof(header) + bytes + sizeof(end);
}

static void test_compression_in_a_question_cannot_be_read(void)
{
	struct weir_sniff s = {0};
	uint8_t text[512];
	size_t bytes = question(text, "\1a\xc0\x0c", 4);

	CU_ASSERT_EQUAL(weir_sniff_dns(text, bytes, &s), WEIR_SNIFF_FOUND);
	CU_ASSERT(s.unreadable);
	CU_ASSERT_STRING_EQUAL(s.name, "");
	CU_ASSERT_EQUAL(weir_sniff_dns(text, bytes - 1, &s), WEIR_SNIFF_NOT_IT);
	text[11] = 3; /* it may as well be something else */
	CU_ASSERT_EQUAL(weir_sniff_dns(text, bytes, &s), WEIR_SNIFF_NOT_IT);
	CU_ASSERT_EQUAL(weir_sniff_dns(text, question(text, "\x40xy", 4), &s), WEIR_SNIFF_NOT_IT);
}

static void test_the_root_has_no_name_and_odd_labels_are_said_to_be_there(void)
{
	struct weir_sniff s = {0};
	uint8_t text[512];

	CU_ASSERT_EQUAL(weir_sniff_dns(text, question(text, "", 1), &s), WEIR_SNIFF_FOUND);
	CU_ASSERT_STRING_EQUAL(s.name, "");
	CU_ASSERT_FALSE(s.bad_name);
	CU_ASSERT_EQUAL(weir_sniff_dns(text, question(text, "\3a.b\1c", 7), &s), WEIR_SNIFF_FOUND);
	CU_ASSERT_STRING_EQUAL(s.name, "");
	CU_ASSERT(s.bad_name);
	s = (struct weir_sniff){0};
	CU_ASSERT_EQUAL(weir_sniff_dns(text, question(text, "\3a b\1c", 7), &s), WEIR_SNIFF_FOUND);
	CU_ASSERT(s.bad_name);
}

/* Labels that take @p bytes on the wire, the root included. */
static size_t long_name(char *labels, size_t bytes)
{
	size_t at = 0;

	while (bytes - at > 1) {
		size_t n = bytes - at - 2;

		n = n > 63 ? 63 : n;
		if (bytes - at - 1 - (n + 1) == 1)
			n--; /* one byte is no label */
		labels[at] = (char)n;
		memset(labels + at + 1, 'x', n);
		at += n + 1;
	}
	labels[at] = 0;
	return at + 1;
}

static void test_a_name_has_255_bytes_on_the_wire_at_most(void)
{
	struct weir_sniff s = {0};
	char labels[300];
	uint8_t text[512];

	CU_ASSERT_EQUAL(weir_sniff_dns(text, question(text, labels, long_name(labels, 255)), &s),
			WEIR_SNIFF_FOUND);
	CU_ASSERT_EQUAL(strlen(s.name), 253);
	CU_ASSERT_EQUAL(weir_sniff_dns(text, question(text, labels, long_name(labels, 256)), &s),
			WEIR_SNIFF_NOT_IT);
}

static size_t in_stream(uint8_t *to, const uint8_t *message, size_t bytes)
{
	to[0] = (uint8_t)(bytes >> 8);
	to[1] = (uint8_t)bytes;
	memcpy(to + 2, message, bytes);
	return bytes + 2;
}

static void test_a_stream_cut_at_every_byte_asks_for_the_rest(void)
{
	uint8_t text[512];
	const size_t bytes = in_stream(text, query_a, sizeof(query_a));
	struct weir_sniff s = {0};

	for (size_t n = 0; n < bytes; n++) {
		CU_ASSERT_EQUAL(weir_sniff_dns_stream(text, n, &s), WEIR_SNIFF_NEED_MORE);
		CU_ASSERT(s.need_bytes > n && s.need_bytes <= bytes);
	}
	CU_ASSERT_EQUAL(weir_sniff_dns_stream(text, bytes, &s), WEIR_SNIFF_FOUND);
	CU_ASSERT_STRING_EQUAL(s.name, "mixed-case.example.com");
}

static void test_in_a_stream_the_length_before_the_message_is_its_end(void)
{
	uint8_t text[512];
	size_t bytes = in_stream(text, query_a, sizeof(query_a));
	struct weir_sniff s = {0};

	text[1]--;
	CU_ASSERT_EQUAL(weir_sniff_dns_stream(text, bytes, &s), WEIR_SNIFF_NOT_IT);
	text[1] = 16; /* shorter than any */
	CU_ASSERT_EQUAL(weir_sniff_dns_stream(text, bytes, &s), WEIR_SNIFF_NOT_IT);
	bytes = in_stream(text, query_a, sizeof(query_a));
	text[0] = 1; /* what follows the question need not be there */
	CU_ASSERT_EQUAL(weir_sniff_dns_stream(text, bytes, &s), WEIR_SNIFF_FOUND);
}

WEIR_TESTS("proto/sniff_dns", TEST(questions_of_a_real_resolver_are_read),
	   TEST(a_message_that_is_cut_anywhere_is_none),
	   TEST(a_question_is_read_whatever_else_the_message_says),
	   TEST(a_message_that_asks_nothing_is_none),
	   TEST(compression_in_a_question_cannot_be_read),
	   TEST(the_root_has_no_name_and_odd_labels_are_said_to_be_there),
	   TEST(a_name_has_255_bytes_on_the_wire_at_most),
	   TEST(a_stream_cut_at_every_byte_asks_for_the_rest),
	   TEST(in_a_stream_the_length_before_the_message_is_its_end))
