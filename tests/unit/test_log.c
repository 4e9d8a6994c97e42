/* SPDX-License-Identifier: BSD-3-Clause */

/* Levels, formats, hostile text and the rate limit, seen through a callback and on a clock of ours.
 */

#include "test.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <weir/log.h>

#define SECOND UINT64_C(1000000000)

/* 2026-11-21T07:54:28.123Z */
#define START_NS (UINT64_C(1795247668) * SECOND + 123456789)

static uint64_t now_ns = START_NS;
static char last[65536];
static unsigned n_lines;

static uint64_t toy_clock(void)
{
	return now_ns;
}

static void keep_last(void *ctx, enum weir_log_level level, const char *line, size_t line_bytes)
{
	CU_ASSERT_EQUAL(strlen(line), line_bytes);
	memcpy(last, line, line_bytes + 1);
	n_lines++;
}

/* A fresh log: one callback sink, no limit, level trace. */
static void begin(enum weir_log_format format)
{
	const struct weir_log_sink sink = {
		.target = WEIR_LOG_TO_CALLBACK, .format = format, .write = keep_last};

	now_ns = START_NS;
	n_lines = 0;
	last[0] = '\0';
	weir_log_set_clock(toy_clock);
	weir_log_set_thread("main");
	weir_log_set_rate(0, SECOND);
	weir_log_clear_levels();
	CU_ASSERT_EQUAL(weir_log_set_level(NULL, WEIR_LOG_TRACE), 0);
	CU_ASSERT_EQUAL(weir_log_set_sinks(&sink, 1), 0);
}

static json_t *last_as_json(void)
{
	json_error_t error;
	json_t *o = json_loads(last, JSON_REJECT_DUPLICATES, &error);

	CU_ASSERT_PTR_NOT_NULL_FATAL(o);
	return o;
}

static const char *member(const json_t *o, const char *key)
{
	const char *value = json_string_value(json_object_get(o, key));

	return value == NULL ? "(none)" : value;
}

static void test_info_is_the_level_before_any_configuration(void)
{
	CU_ASSERT_EQUAL(weir_log_get_level(NULL), WEIR_LOG_INFO);
	CU_ASSERT_TRUE(weir_log_on(WEIR_LOG_INFO, "port"));
	CU_ASSERT_FALSE(weir_log_on(WEIR_LOG_DEBUG, "port"));
}

static void test_a_line_of_text_says_when_what_who_and_where(void)
{
	begin(WEIR_LOG_TEXT);
	weir_log_info("port", "%s is up: %d", "wan", 10);
	CU_ASSERT_STRING_EQUAL(last, "2026-11-21T07:54:28.123Z info  [main] port: wan is up: 10");
	weir_log_fatal("port", "gone");
	CU_ASSERT_STRING_EQUAL(last, "2026-11-21T07:54:28.123Z fatal [main] port: gone");
}

static void test_a_line_of_text_carries_its_context_and_fields(void)
{
	const struct weir_log_ctx ctx = {.conn_id = 7, .request_id = 3, .traceparent = "00-a"};

	begin(WEIR_LOG_TEXT);
	weir_log_kv_at(WEIR_LOG_WARN, "http", &ctx, "slow", WEIR_STR("path", "/a b"),
		       WEIR_U64("ms", 900), WEIR_I64("delta", -1), WEIR_BOOL("tls", true));
	CU_ASSERT_STRING_EQUAL(last,
			       "2026-11-21T07:54:28.123Z warn  [main] http: slow conn=7 request=3 "
			       "traceparent=\"00-a\" path=\"/a b\" ms=900 delta=-1 tls=true");
}

static void test_a_keyvalue_line_has_every_part_under_its_key(void)
{
	const struct weir_log_ctx ctx = {.conn_id = 7};

	begin(WEIR_LOG_KEYVALUE);
	weir_log_kv_at(WEIR_LOG_ERROR, "dns", &ctx, "no \"answer\"", WEIR_STR("name", NULL));
	CU_ASSERT_STRING_EQUAL(last, "ts=2026-11-21T07:54:28.123Z level=error module=dns "
				     "thread=main msg=\"no \\\"answer\\\"\" conn=7 name=\"\"");
}

static void test_a_json_line_parses_back_to_what_was_said(void)
{
	const struct weir_log_ctx ctx = {.conn_id = 7, .request_id = 3, .traceparent = "00-a"};
	json_t *o, *fields;

	begin(WEIR_LOG_JSON);
	weir_log_kv_at(WEIR_LOG_INFO, "http", &ctx, "says \"h\xc3\xbc\" \\ 100%",
		       WEIR_STR("path", "/\"x\""), WEIR_U64("big", INT64_MAX),
		       WEIR_I64("small", INT64_MIN), WEIR_BOOL("no", false),
		       WEIR_STR("ts", "mine"));
	o = last_as_json();
	fields = json_object_get(o, "fields");
	CU_ASSERT_STRING_EQUAL(member(o, "ts"), "2026-11-21T07:54:28.123Z");
	CU_ASSERT_STRING_EQUAL(member(o, "level"), "info");
	CU_ASSERT_STRING_EQUAL(member(o, "module"), "http");
	CU_ASSERT_STRING_EQUAL(member(o, "thread"), "main");
	CU_ASSERT_STRING_EQUAL(member(o, "msg"), "says \"h\xc3\xbc\" \\ 100%");
	CU_ASSERT_STRING_EQUAL(member(o, "traceparent"), "00-a");
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(o, "conn")), 7);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(o, "request")), 3);
	CU_ASSERT_STRING_EQUAL(member(fields, "path"), "/\"x\"");
	CU_ASSERT_STRING_EQUAL(member(fields, "ts"), "mine");
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(fields, "big")), INT64_MAX);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(fields, "small")), INT64_MIN);
	CU_ASSERT_TRUE(json_is_false(json_object_get(fields, "no")));
	json_decref(o);
}

/* A forged line, a terminal's escape, a stray byte, a right-to-left override, DEL. */
#define HOSTILE                                    \
	"a\n2026 info\x1b[31m\xff\xe2\x80\xae\x7f" \
	"b"

static void test_hostile_text_cannot_forge_a_line(void)
{
	static const enum weir_log_format formats[] = {WEIR_LOG_TEXT, WEIR_LOG_JSON,
						       WEIR_LOG_KEYVALUE};

	for (unsigned i = 0; i < 3; i++) {
		const struct weir_log_ctx ctx = {.traceparent = HOSTILE};

		begin(formats[i]);
		weir_log_kv_at(WEIR_LOG_INFO, "m\n x", &ctx, HOSTILE, WEIR_STR("k\n=", HOSTILE));
		CU_ASSERT_EQUAL(n_lines, 1);
		for (const char *p = last; *p != '\0'; p++)
			CU_ASSERT(*p >= 0x20 && *p < 0x7f);
	}
}

static void test_hostile_text_is_escaped_so_that_it_can_be_read(void)
{
	json_t *o;

	begin(WEIR_LOG_TEXT);
	weir_log_info("m", "%s", HOSTILE);
	CU_ASSERT_PTR_NOT_NULL(strstr(last, "m: a\\n2026 info\\x1b[31m\\xff\\xe2\\x80\\xae\\x7fb"));
	begin(WEIR_LOG_JSON);
	weir_log_info("m", "%s", HOSTILE);
	o = last_as_json();
	CU_ASSERT_STRING_EQUAL(member(o, "msg"), "a\n2026 info\x1b[31m\xef\xbf\xbd\xe2\x80\xae\x7f"
						 "b");
	json_decref(o);
}

static void test_random_bytes_never_break_json(void)
{
	uint32_t state = 1;

	begin(WEIR_LOG_JSON);
	for (unsigned round = 0; round < 300; round++) {
		char text[400];
		const unsigned n = round % (sizeof(text) - 1);

		for (unsigned i = 0; i < n; i++) {
			state = state * 1664525 + 1013904223;
			text[i] = (char)((state >> 24) | 1); /* no NUL */
		}
		text[n] = '\0';
		weir_log_kv(WEIR_LOG_INFO, text, text, WEIR_STR(text, text));
		json_decref(last_as_json());
	}
	CU_ASSERT_EQUAL(n_lines, 300);
}

static void test_long_text_is_cut_at_a_character_and_says_so(void)
{
	char text[WEIR_LOG_TEXT_MAX + 200];
	const char *end;
	json_t *o;

	begin(WEIR_LOG_JSON);
	for (unsigned i = 0; i < sizeof(text) - 2; i += 2)
		memcpy(text + i, "\xc3\xbc", 3);
	weir_log_info("m", "%s", text);
	o = last_as_json();
	end = member(o, "msg") + strlen(member(o, "msg"));
	CU_ASSERT(strlen(member(o, "msg")) <= WEIR_LOG_TEXT_MAX);
	CU_ASSERT_STRING_EQUAL(end - 5, "\xc3\xbc...");
	json_decref(o);
	memset(text, 'x', WEIR_LOG_TEXT_MAX);
	text[WEIR_LOG_TEXT_MAX] = '\0';
	weir_log_info("m", "%s", text); /* exactly the limit: not cut */
	CU_ASSERT_PTR_NULL(strstr(last, "..."));
}

static void test_the_longest_line_of_all_is_whole(void)
{
	static char text[WEIR_LOG_TEXT_MAX + 1];
	struct weir_log_field fields[WEIR_LOG_FIELDS_MAX + 5];
	const struct weir_log_ctx ctx = {
		.conn_id = UINT64_MAX, .request_id = UINT64_MAX, .traceparent = text};
	json_t *o;

	begin(WEIR_LOG_JSON);
	memset(text, 1, WEIR_LOG_TEXT_MAX);
	for (unsigned i = 0; i < WEIR_LOG_FIELDS_MAX + 5; i++)
		fields[i] = WEIR_STR(i % 2 ? "a_name_that_is_longer_than_the_limit_for_names" : "b",
				     text);
	weir_log_fields(NULL, WEIR_LOG_INFO, text, &ctx, text, fields, WEIR_LOG_FIELDS_MAX + 5);
	/* our names repeat, and jansson has no integer above 2^63; the line must be whole */
	o = json_loads(last, JSON_DECODE_INT_AS_REAL, NULL);
	CU_ASSERT_PTR_NOT_NULL(o);
	CU_ASSERT(strlen(last) > 6 * WEIR_LOG_TEXT_MAX);
	json_decref(o);
}

static void test_a_module_can_have_a_level_of_its_own(void)
{
	begin(WEIR_LOG_TEXT);
	CU_ASSERT_EQUAL(weir_log_set_level(NULL, WEIR_LOG_WARN), 0);
	CU_ASSERT_EQUAL(weir_log_set_level("dns", WEIR_LOG_DEBUG), 0);
	weir_log_info("port", "no");
	CU_ASSERT_EQUAL(n_lines, 0);
	weir_log_debug("dns", "yes");
	weir_log_trace("dns", "no");
	CU_ASSERT_EQUAL(n_lines, 1);
	CU_ASSERT_EQUAL(weir_log_set_level("dns", WEIR_LOG_OFF), 0);
	weir_log_fatal("dns", "no");
	CU_ASSERT_EQUAL(n_lines, 1);
	weir_log_clear_levels();
	CU_ASSERT_EQUAL(weir_log_get_level("dns"), WEIR_LOG_WARN);
}

static void test_a_bad_level_or_too_many_modules_are_refused(void)
{
	char name[WEIR_LOG_NAME_MAX];
	int rc = 0;

	begin(WEIR_LOG_TEXT);
	CU_ASSERT_EQUAL(weir_log_set_level("x", (enum weir_log_level)7), -EINVAL);
	CU_ASSERT_EQUAL(weir_log_set_level("", WEIR_LOG_INFO), -EINVAL);
	CU_ASSERT_EQUAL(weir_log_set_level("a_name_of_more_than_31_characters", WEIR_LOG_INFO),
			-EINVAL);
	for (unsigned i = 0; i <= WEIR_LOG_LEVELS_MAX && rc == 0; i++) {
		snprintf(name, sizeof(name), "module%u", i);
		rc = weir_log_set_level(name, WEIR_LOG_ERROR);
	}
	CU_ASSERT_EQUAL(rc, -ENOSPC);
	CU_ASSERT_EQUAL(weir_log_set_level("module0", WEIR_LOG_WARN), 0); /* a known one has room */
}

static void test_level_names_parse_back(void)
{
	for (unsigned i = 0; i <= WEIR_LOG_OFF; i++) {
		const enum weir_log_level level = (enum weir_log_level)i;
		enum weir_log_level back;

		CU_ASSERT_EQUAL(weir_log_level_parse(weir_log_level_name(level), &back), 0);
		CU_ASSERT_EQUAL(back, level);
	}
	CU_ASSERT_EQUAL(weir_log_level_parse("INFO", &(enum weir_log_level){0}), -EINVAL);
	CU_ASSERT_STRING_EQUAL(weir_log_level_name((enum weir_log_level)99), "unknown");
}

static void test_arguments_of_a_line_that_is_off_are_not_evaluated(void)
{
	int evaluated = 0;

	begin(WEIR_LOG_TEXT);
	CU_ASSERT_EQUAL(weir_log_set_level(NULL, WEIR_LOG_INFO), 0);
	weir_log_debug("m", "%d", ++evaluated);
	CU_ASSERT_EQUAL(evaluated, 0);
}

static void say(unsigned i)
{
	weir_log_info("m", "line %u", i);
}

static void test_a_site_that_says_too_much_is_cut_short_and_counted(void)
{
	struct weir_log_stats before, after;

	begin(WEIR_LOG_TEXT);
	weir_log_stats(&before);
	weir_log_set_rate(3, SECOND);
	for (unsigned i = 0; i < 40; i++)
		say(i);
	CU_ASSERT_EQUAL(n_lines, 3);
	now_ns += SECOND - 1;
	say(40);
	CU_ASSERT_EQUAL(n_lines, 3);
	weir_log_info("m", "another site is free");
	CU_ASSERT_EQUAL(n_lines, 4);
	now_ns += 1;
	say(41);
	CU_ASSERT_PTR_NOT_NULL(strstr(last, "line 41 (38 more like it)"));
	say(42);
	CU_ASSERT_PTR_NULL(strstr(last, "more like it"));
	weir_log_stats(&after);
	CU_ASSERT_EQUAL(after.suppressed - before.suppressed, 38);
	CU_ASSERT_EQUAL(after.lines - before.lines, 6);
}

static void test_a_rate_limit_can_belong_to_a_key(void)
{
	struct weir_log_site wan = {0}, lan = {0};

	begin(WEIR_LOG_JSON);
	weir_log_set_rate(1, SECOND);
	for (unsigned i = 0; i < 5; i++) {
		weir_log_limited(i == 4 ? &lan : &wan, WEIR_LOG_WARN, "port", NULL, "link flaps");
	}
	CU_ASSERT_EQUAL(n_lines, 2);
	now_ns += SECOND;
	weir_log_limited(&wan, WEIR_LOG_WARN, "port", NULL, "link flaps");
	CU_ASSERT_PTR_NOT_NULL(strstr(last, "\"suppressed\":3"));
}

static void test_a_clock_that_is_set_back_does_not_silence_a_site(void)
{
	begin(WEIR_LOG_TEXT);
	weir_log_set_rate(1, SECOND);
	for (unsigned i = 0; i < 2; i++)
		say(i);
	now_ns -= 3600 * SECOND;
	say(2);
	CU_ASSERT_EQUAL(n_lines, 2);
}

static void log_again(void *ctx, enum weir_log_level level, const char *line, size_t line_bytes)
{
	n_lines++;
	weir_log_error("sink", "I fail"); /* must neither hang nor recurse */
}

static void test_a_sink_that_logs_is_counted_and_does_not_hang(void)
{
	const struct weir_log_sink sink = {.target = WEIR_LOG_TO_CALLBACK, .write = log_again};
	struct weir_log_stats before, after;

	begin(WEIR_LOG_TEXT);
	weir_log_stats(&before);
	CU_ASSERT_EQUAL(weir_log_set_sinks(&sink, 1), 0);
	weir_log_info("m", "x");
	weir_log_stats(&after);
	CU_ASSERT_EQUAL(n_lines, 1);
	CU_ASSERT_EQUAL(after.lost - before.lost, 1);
}

static void test_logging_keeps_errno(void)
{
	begin(WEIR_LOG_TEXT);
	errno = EXDEV;
	weir_log_info("m", "x");
	CU_ASSERT_EQUAL(errno, EXDEV);
}

#define THREADS 4
#define EACH	2000

/* NULL if all went well: CUnit counts for one thread only. */
static void *log_many(void *name)
{
	void *failed = NULL;

	weir_log_set_thread(name);
	for (unsigned i = 0; i < EACH; i++) {
		weir_log_kv(WEIR_LOG_INFO, "m", "many", WEIR_U64("i", i));
		if (weir_log_set_level("m", i % 2 ? WEIR_LOG_INFO : WEIR_LOG_DEBUG) < 0)
			failed = name;
	}
	return failed;
}

static void parse_each(void *ctx, enum weir_log_level level, const char *line, size_t line_bytes)
{
	json_t *o = json_loadb(line, line_bytes, 0, NULL);

	CU_ASSERT_PTR_NOT_NULL(o);
	json_decref(o);
	n_lines++;
}

static void test_lines_of_many_threads_stay_whole(void)
{
	static char names[THREADS][8] = {"w0", "w1", "w2", "w3"};
	const struct weir_log_sink sink = {
		.target = WEIR_LOG_TO_CALLBACK, .format = WEIR_LOG_JSON, .write = parse_each};
	pthread_t thread[THREADS];
	void *failed = NULL;

	begin(WEIR_LOG_JSON);
	CU_ASSERT_EQUAL(weir_log_set_level("m", WEIR_LOG_INFO), 0);
	CU_ASSERT_EQUAL(weir_log_set_sinks(&sink, 1), 0);
	for (unsigned i = 0; i < THREADS; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&thread[i], NULL, log_many, names[i]), 0);
	for (unsigned i = 0; i < THREADS; i++)
		CU_ASSERT_TRUE(pthread_join(thread[i], &failed) == 0 && failed == NULL);
	CU_ASSERT_EQUAL(n_lines, THREADS * EACH);
}

WEIR_TESTS("base/log", TEST(info_is_the_level_before_any_configuration),
	   TEST(a_line_of_text_says_when_what_who_and_where),
	   TEST(a_line_of_text_carries_its_context_and_fields),
	   TEST(a_keyvalue_line_has_every_part_under_its_key),
	   TEST(a_json_line_parses_back_to_what_was_said), TEST(hostile_text_cannot_forge_a_line),
	   TEST(hostile_text_is_escaped_so_that_it_can_be_read),
	   TEST(random_bytes_never_break_json), TEST(long_text_is_cut_at_a_character_and_says_so),
	   TEST(the_longest_line_of_all_is_whole), TEST(a_module_can_have_a_level_of_its_own),
	   TEST(level_names_parse_back), TEST(arguments_of_a_line_that_is_off_are_not_evaluated),
	   TEST(a_site_that_says_too_much_is_cut_short_and_counted),
	   TEST(a_rate_limit_can_belong_to_a_key),
	   TEST(a_clock_that_is_set_back_does_not_silence_a_site),
	   TEST(a_sink_that_logs_is_counted_and_does_not_hang), TEST(logging_keeps_errno),
	   TEST(lines_of_many_threads_stay_whole),
	   TEST(a_bad_level_or_too_many_modules_are_refused))
