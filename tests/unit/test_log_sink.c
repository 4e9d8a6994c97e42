/* SPDX-License-Identifier: BSD-3-Clause */

/* Files, stderr, the journal's prefix, and replacing sinks. */

#include "failalloc.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>
#include <weir/log.h>

static char folder[64], path[96], moved[96];

static uint64_t toy_clock(void)
{
	return UINT64_C(1000000000000);
}

static void begin(void)
{
	strcpy(folder, "/tmp/weir-log-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/log", folder);
	snprintf(moved, sizeof(moved), "%s/log.1", folder);
	weir_log_set_clock(toy_clock);
	weir_log_set_thread("main");
}

static void end(void)
{
	CU_ASSERT_EQUAL(weir_log_set_sinks(NULL, 0), 0);
	unlink(path);
	unlink(moved);
	CU_ASSERT_EQUAL(rmdir(folder), 0);
}

/* A file's text, in static storage. */
static const char *text_of(const char *file)
{
	static char text[8192];
	FILE *f = fopen(file, "r");
	size_t n;

	if (f == NULL)
		return "(no file)";
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static struct weir_log_sink to_file(void)
{
	return (struct weir_log_sink){.target = WEIR_LOG_TO_FILE, .name = path};
}

#define LINE(msg) "1970-01-01T00:16:40.000Z info  [main] m: " msg "\n"

static void test_a_file_is_appended_to_and_not_readable_by_all(void)
{
	const struct weir_log_sink sink = to_file();
	struct stat st;

	begin();
	CU_ASSERT_EQUAL(weir_log_set_sinks(&sink, 1), 0);
	weir_log_info("m", "one");
	CU_ASSERT_EQUAL(weir_log_set_sinks(&sink, 1), 0);
	weir_log_info("m", "two");
	CU_ASSERT_STRING_EQUAL(text_of(path), LINE("one") LINE("two"));
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0007, 0);
	end();
}

static void test_after_a_rename_reopen_begins_a_new_file(void)
{
	const struct weir_log_sink sink = to_file();

	begin();
	CU_ASSERT_EQUAL(weir_log_set_sinks(&sink, 1), 0);
	weir_log_info("m", "one");
	CU_ASSERT_EQUAL(rename(path, moved), 0);
	weir_log_info("m", "two");
	CU_ASSERT_EQUAL(weir_log_reopen(), 0);
	weir_log_info("m", "three");
	CU_ASSERT_STRING_EQUAL(text_of(moved), LINE("one") LINE("two"));
	CU_ASSERT_STRING_EQUAL(text_of(path), LINE("three"));
	end();
}

static void test_a_reopen_that_fails_goes_on_with_the_old_file(void)
{
	const struct weir_log_sink sink = to_file();

	begin();
	CU_ASSERT_EQUAL(weir_log_set_sinks(&sink, 1), 0);
	CU_ASSERT_EQUAL(rename(path, moved), 0);
	CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
	CU_ASSERT_EQUAL(weir_log_reopen(), -EISDIR);
	weir_log_info("m", "still here");
	CU_ASSERT_STRING_EQUAL(text_of(moved), LINE("still here"));
	CU_ASSERT_EQUAL(rmdir(path), 0);
	end();
}

static void test_sinks_that_do_not_open_leave_the_old_ones(void)
{
	const struct weir_log_sink good = to_file();
	struct weir_log_sink two[2];

	begin();
	two[0] = good;
	two[1] = (struct weir_log_sink){.target = WEIR_LOG_TO_FILE, .name = "/nowhere/at/all"};
	CU_ASSERT_EQUAL(weir_log_set_sinks(&good, 1), 0);
	CU_ASSERT_EQUAL(weir_log_set_sinks(two, 2), -ENOENT);
	weir_log_info("m", "once");
	CU_ASSERT_STRING_EQUAL(text_of(path), LINE("once"));
	end();
}

static void test_bad_sinks_are_refused(void)
{
	static const struct weir_log_sink bad[] = {
		{.target = WEIR_LOG_TO_FILE},	      {.target = WEIR_LOG_TO_FILE, .name = ""},
		{.target = WEIR_LOG_TO_CALLBACK},     {.target = (enum weir_log_target)99},
		{.format = (enum weir_log_format)99},
	};
	static const struct weir_log_sink syslogs[2] = {{.target = WEIR_LOG_TO_SYSLOG},
							{.target = WEIR_LOG_TO_SYSLOG}};
	static const struct weir_log_sink many[WEIR_LOG_SINKS_MAX + 1];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(weir_log_set_sinks(&bad[i], 1), -EINVAL);
	CU_ASSERT_EQUAL(weir_log_set_sinks(syslogs, 2), -EINVAL);
	CU_ASSERT_EQUAL(weir_log_set_sinks(many, WEIR_LOG_SINKS_MAX + 1), -ENOSPC);
}

static void count_line(void *ctx, enum weir_log_level level, const char *line, size_t line_bytes)
{
	++*(unsigned *)ctx;
}

static void test_a_line_goes_to_every_sink_in_its_format(void)
{
	unsigned lines = 0;
	struct weir_log_sink sinks[2];

	begin();
	sinks[0] = to_file();
	sinks[0].format = WEIR_LOG_KEYVALUE;
	sinks[1] = (struct weir_log_sink){
		.target = WEIR_LOG_TO_CALLBACK, .write = count_line, .ctx = &lines};
	CU_ASSERT_EQUAL(weir_log_set_sinks(sinks, 2), 0);
	weir_log_info("m", "x");
	CU_ASSERT_EQUAL(lines, 1);
	CU_ASSERT_STRING_EQUAL(
		text_of(path),
		"ts=1970-01-01T00:16:40.000Z level=info module=m thread=main msg=\"x\"\n");
	end();
}

/* Send stderr to the file while @p sink (NULL: none configured) gets one line. */
static void log_to_stderr(const struct weir_log_sink *sink)
{
	const int saved = dup(STDERR_FILENO);
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CU_ASSERT_EQUAL(weir_log_set_sinks(sink, sink != NULL), 0);
	fflush(stderr);
	dup2(fd, STDERR_FILENO);
	weir_log_warn("m", "x");
	weir_log_debug("m", "not wanted");
	dup2(saved, STDERR_FILENO);
	close(fd);
	close(saved);
}

static void test_unconfigured_it_writes_plain_text_to_stderr(void)
{
	begin();
	log_to_stderr(NULL);
	CU_ASSERT_STRING_EQUAL(text_of(path), "1970-01-01T00:16:40.000Z warn  [main] m: x\n");
	end();
}

static void test_the_journal_gets_a_priority_and_no_time_of_ours(void)
{
	const struct weir_log_sink sink = {.target = WEIR_LOG_TO_JOURNAL};

	begin();
	log_to_stderr(&sink);
	CU_ASSERT_STRING_EQUAL(text_of(path), "<4>[main] m: x\n");
	end();
}

/* syslog(3) as the log calls it: ours, linked before libc's. */
static char syslog_ident[32], syslog_line[256];
static int syslog_priority;

void openlog(const char *ident, int option, int facility)
{
	CU_ASSERT_EQUAL(facility, LOG_DAEMON);
	snprintf(syslog_ident, sizeof(syslog_ident), "%s", ident);
}

void closelog(void)
{
	syslog_ident[0] = '\0';
}

void syslog(int priority, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(syslog_line, sizeof(syslog_line), fmt, ap);
	va_end(ap);
	syslog_priority = priority;
}

static void test_syslog_gets_the_name_and_the_priority_and_no_format_of_theirs(void)
{
	struct weir_log_sink sink = {.target = WEIR_LOG_TO_SYSLOG, .name = "edge"};

	weir_log_set_thread("main");
	CU_ASSERT_EQUAL(weir_log_set_sinks(&sink, 1), 0);
	CU_ASSERT_STRING_EQUAL(syslog_ident, "edge");
	weir_log_error("m", "%s", "100%n");
	CU_ASSERT_EQUAL(syslog_priority, LOG_ERR);
	CU_ASSERT_STRING_EQUAL(syslog_line, "[main] m: 100%n");
	sink.name = NULL;
	CU_ASSERT_EQUAL(weir_log_set_sinks(&sink, 1), 0);
	CU_ASSERT_STRING_EQUAL(syslog_ident, "weir");
	CU_ASSERT_EQUAL(weir_log_set_sinks(NULL, 0), 0);
	CU_ASSERT_STRING_EQUAL(syslog_ident, "");
}

/* What a terminal gets when the log writes one line to it. */
static void log_to_terminal(char *seen, size_t size)
{
	const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
	const int saved = dup(STDERR_FILENO);
	ssize_t n;
	int fd;

	CU_ASSERT_EQUAL_FATAL(grantpt(terminal) + unlockpt(terminal), 0);
	fd = open(ptsname(terminal), O_RDWR | O_NOCTTY);
	CU_ASSERT_EQUAL(weir_log_set_sinks(NULL, 0), 0);
	dup2(fd, STDERR_FILENO);
	weir_log_warn("m", "x");
	dup2(saved, STDERR_FILENO);
	n = read(terminal, seen, size - 1);
	seen[n > 0 ? n : 0] = '\0';
	close(fd);
	close(saved);
	close(terminal);
}

static void test_only_a_terminal_gets_colours_and_no_color_turns_them_off(void)
{
	char seen[256];

	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	log_to_terminal(seen, sizeof(seen));
	CU_ASSERT_PTR_NOT_NULL(strstr(seen, "\033[33mwarn \033[0m"));
	setenv("NO_COLOR", "1", 1);
	log_to_terminal(seen, sizeof(seen));
	CU_ASSERT_PTR_NOT_NULL(strstr(seen, "Z warn  ["));
	unsetenv("NO_COLOR");
	setenv("TERM", "dumb", 1);
	log_to_terminal(seen, sizeof(seen));
	CU_ASSERT_PTR_NOT_NULL(strstr(seen, "Z warn  ["));
}

static void test_a_sink_that_cannot_write_is_counted(void)
{
	const struct weir_log_sink sink = {.target = WEIR_LOG_TO_FILE, .name = "/dev/full"};
	struct weir_log_stats before, after;

	weir_log_stats(&before);
	CU_ASSERT_EQUAL(weir_log_set_sinks(&sink, 1), 0);
	weir_log_info("m", "x");
	weir_log_stats(&after);
	CU_ASSERT_EQUAL(after.lost - before.lost, 1);
	CU_ASSERT_EQUAL(weir_log_set_sinks(NULL, 0), 0);
}

static void test_a_configurations_words_become_a_sink(void)
{
	struct weir_log_sink s;

	CU_ASSERT_EQUAL(weir_log_sink_parse("stderr", "text", &s), 0);
	CU_ASSERT_EQUAL(s.target, WEIR_LOG_TO_STDERR);
	CU_ASSERT_EQUAL(weir_log_sink_parse("journal", "keyvalue", &s), 0);
	CU_ASSERT_EQUAL(s.target, WEIR_LOG_TO_JOURNAL);
	CU_ASSERT_EQUAL(s.format, WEIR_LOG_KEYVALUE);
	CU_ASSERT_EQUAL(weir_log_sink_parse("syslog", "text", &s), 0);
	CU_ASSERT_EQUAL(s.target, WEIR_LOG_TO_SYSLOG);
	CU_ASSERT_PTR_NULL(s.name);
	CU_ASSERT_EQUAL(weir_log_sink_parse("syslog:edge", "text", &s), 0);
	CU_ASSERT_STRING_EQUAL(s.name, "edge");
	CU_ASSERT_EQUAL(weir_log_sink_parse("/var/log/weir.log", "json", &s), 0);
	CU_ASSERT_EQUAL(s.target, WEIR_LOG_TO_FILE);
	CU_ASSERT_EQUAL(s.format, WEIR_LOG_JSON);
	CU_ASSERT_STRING_EQUAL(s.name, "/var/log/weir.log");
	CU_ASSERT_EQUAL(weir_log_sink_parse("weir.log", "text", &s), -EINVAL);
	CU_ASSERT_EQUAL(weir_log_sink_parse("syslog:", "text", &s), -EINVAL);
	CU_ASSERT_EQUAL(weir_log_sink_parse("stderr", "xml", &s), -EINVAL);
	CU_ASSERT_STRING_EQUAL(s.name, "/var/log/weir.log"); /* left alone */
}

/* docs/guide/logging.md, beside this file; meson runs tests where the compiler ran. */
static FILE *open_guide(void)
{
	char guide[512];

	snprintf(guide, sizeof(guide), "%.*s../../docs/guide/logging.md",
		 (int)(strrchr(__FILE__, '/') + 1 - __FILE__), __FILE__);
	return fopen(guide, "r");
}

static void test_every_configuration_in_the_guide_is_one(void)
{
	char text[512], level[16], format[16], to[128];
	FILE *f = open_guide();
	enum weir_log_level parsed;
	struct weir_log_sink s;
	unsigned found = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	while (fgets(text, sizeof(text), f) != NULL) {
		if (sscanf(text, "log: {level: %15[^,], format: %15[^,], to: %127[^}]}", level,
			   format, to) != 3)
			continue;
		CU_ASSERT_EQUAL(weir_log_level_parse(level, &parsed), 0);
		CU_ASSERT_EQUAL(weir_log_sink_parse(to, format, &s), 0);
		found++;
	}
	fclose(f);
	CU_ASSERT(found >= 5);
}

static void test_setting_sinks_survives_failing_memory(void)
{
	struct weir_log_sink sinks[2];

	begin();
	sinks[0] = sinks[1] = to_file();
	FAILALLOC_EACH(n)
	{
		const int rc = weir_log_set_sinks(sinks, 2);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
	}
	end();
}

WEIR_TESTS("base/log_sink", TEST(unconfigured_it_writes_plain_text_to_stderr),
	   TEST(a_file_is_appended_to_and_not_readable_by_all),
	   TEST(after_a_rename_reopen_begins_a_new_file),
	   TEST(a_reopen_that_fails_goes_on_with_the_old_file),
	   TEST(sinks_that_do_not_open_leave_the_old_ones), TEST(bad_sinks_are_refused),
	   TEST(a_line_goes_to_every_sink_in_its_format),
	   TEST(the_journal_gets_a_priority_and_no_time_of_ours),
	   TEST(syslog_gets_the_name_and_the_priority_and_no_format_of_theirs),
	   TEST(only_a_terminal_gets_colours_and_no_color_turns_them_off),
	   TEST(a_sink_that_cannot_write_is_counted), TEST(a_configurations_words_become_a_sink),
	   TEST(every_configuration_in_the_guide_is_one),
	   TEST(setting_sinks_survives_failing_memory))
