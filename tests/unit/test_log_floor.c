/* SPDX-License-Identifier: BSD-3-Clause */

/* What is below the floor is not compiled, whatever the level is at run time. */

#define WEIR_LOG_FLOOR WEIR_LOG_WARN

#include "test.h"

#include <weir/log.h>

static unsigned n_lines;

static void count_line(void *ctx, enum weir_log_level level, const char *line, size_t line_bytes)
{
	n_lines++;
}

static void test_calls_below_the_floor_do_nothing_at_any_level(void)
{
	const struct weir_log_sink sink = {.target = WEIR_LOG_TO_CALLBACK, .write = count_line};
	int evaluated = 0;

	CU_ASSERT_EQUAL(weir_log_set_sinks(&sink, 1), 0);
	CU_ASSERT_EQUAL(weir_log_set_level(NULL, WEIR_LOG_TRACE), 0);
	for (unsigned i = 0; i < WEIR_LOG_OFF; i++) {
		const enum weir_log_level level = (enum weir_log_level)i;

		weir_log_at(level, "m", NULL, "%d", ++evaluated);
		weir_log_kv(level, "m", "x", WEIR_I64("n", ++evaluated));
	}
	weir_log_info("m", "%d", ++evaluated);
	CU_ASSERT_EQUAL(evaluated, 6); /* warn, error and fatal, twice each */
	CU_ASSERT_EQUAL(n_lines, 6);
}

static void test_a_line_may_have_no_fields(void)
{
	n_lines = 0;
	weir_log_kv(WEIR_LOG_ERROR, "m", "x");
	CU_ASSERT_EQUAL(n_lines, 1);
}

WEIR_TESTS("base/log_floor", TEST(calls_below_the_floor_do_nothing_at_any_level),
	   TEST(a_line_may_have_no_fields))
