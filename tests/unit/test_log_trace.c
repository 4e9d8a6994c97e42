/* SPDX-License-Identifier: BSD-3-Clause */
#include "test.h"

#include <errno.h>
#include <string.h>
#include <weir/log.h>

/* The example of W3C Trace Context, section 3.2.3. */
#define EXAMPLE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static int parse(const char *text, struct weir_traceparent *out)
{
	return weir_traceparent_parse(text, strlen(text), out);
}

static void test_the_standards_example_reads_and_writes_back(void)
{
	struct weir_traceparent tp;
	char text[WEIR_TRACEPARENT_TEXT];

	CU_ASSERT_EQUAL_FATAL(parse(EXAMPLE, &tp), 0);
	CU_ASSERT_EQUAL(tp.trace_id[0], 0x4b);
	CU_ASSERT_EQUAL(tp.trace_id[15], 0x36);
	CU_ASSERT_EQUAL(tp.parent_id[1], 0xf0);
	CU_ASSERT_EQUAL(tp.parent_id[7], 0xb7);
	CU_ASSERT_EQUAL(tp.flags, 1);
	weir_traceparent_format(&tp, text);
	CU_ASSERT_STRING_EQUAL(text, EXAMPLE);
}

static void test_what_breaks_the_grammar_is_refused(void)
{
	static const char *const bad[] = {
		"",
		"00",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",    /* short */
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",  /* long */
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", /* 00 has no more */
		"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",   /* forbidden version */
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",   /* upper case */
		"00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",   /* not hex */
		"00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",   /* no dash */
		"00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",   /* no dash */
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",   /* no dash */
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01",   /* no trace */
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",   /* no parent */
		"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01what", /* no dash */
	};
	struct weir_traceparent tp = {.flags = 0x77};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(parse(bad[i], &tp), -EBADMSG);
	CU_ASSERT_EQUAL(tp.flags, 0x77); /* left alone */
}

static void test_a_later_version_is_read_as_far_as_we_know_it(void)
{
	struct weir_traceparent tp;

	CU_ASSERT_EQUAL(parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", &tp), 0);
	CU_ASSERT_EQUAL(parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-new", &tp),
			0);
}

static void test_nothing_behind_the_given_length_is_read(void)
{
	struct weir_traceparent tp;

	CU_ASSERT_EQUAL(weir_traceparent_parse(EXAMPLE "garbage", 55, &tp), 0);
	CU_ASSERT_EQUAL(weir_traceparent_parse(EXAMPLE, 54, &tp), -EBADMSG);
}

WEIR_TESTS("base/log_trace", TEST(the_standards_example_reads_and_writes_back),
	   TEST(what_breaks_the_grammar_is_refused),
	   TEST(a_later_version_is_read_as_far_as_we_know_it),
	   TEST(nothing_behind_the_given_length_is_read))
