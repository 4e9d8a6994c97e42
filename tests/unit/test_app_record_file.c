/* SPDX-License-Identifier: BSD-3-Clause */

/* A file of units: what is written, what waits, what is lost. */

#include "app_record_priv.h"
#include "failalloc.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/log.h>

static char folder[] = "/tmp/weir-record-XXXXXX";
static unsigned n_warnings;

static size_t line_of(const char *at, size_t left)
{
	return (size_t)((const char *)memchr(at, '\n', left) - at) + 1;
}

static void count_warnings(void *ctx, enum weir_log_level level, const char *line, size_t bytes)
{
	n_warnings += level == WEIR_LOG_WARN;
}

static const char *path(const char *name)
{
	static char text[128];

	snprintf(text, sizeof(text), "%s/%s", folder, name);
	return text;
}

static struct record_file begin(const char *where)
{
	const struct weir_log_sink sink = {.target = WEIR_LOG_TO_CALLBACK, .write = count_warnings};
	struct weir_why why = {""};
	struct record_file f;

	n_warnings = 0;
	CU_ASSERT_EQUAL(weir_log_set_sinks(&sink, 1), 0);
	weir_log_set_rate(0, 1);
	CU_ASSERT_EQUAL_FATAL(record_file_open(&f, where, line_of, &why), 0);
	return f;
}

/* Put a line of so many bytes, its newline included. */
static bool put(struct record_file *f, char c, size_t bytes)
{
	char *room = record_file_room(f, bytes);

	if (room == NULL)
		return false;
	memset(room, c, bytes - 1);
	room[bytes - 1] = '\n';
	record_file_add(f, bytes);
	return true;
}

/* What is in a file, at most 4095 bytes of it. */
static const char *content(const char *name)
{
	static char text[4096];
	FILE *f = fopen(path(name), "r");
	size_t n;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static void test_lines_are_appended_and_written_by_a_flush(void)
{
	struct record_file f = begin(path("plain"));
	struct stat st;

	CU_ASSERT_TRUE(put(&f, 'a', 4));
	CU_ASSERT_STRING_EQUAL(content("plain"), "");
	record_file_flush(&f);
	CU_ASSERT_TRUE(put(&f, 'b', 2));
	record_file_close(&f); /* the rest too */
	f = begin(path("plain"));
	CU_ASSERT_TRUE(put(&f, 'c', 2));
	record_file_close(&f);
	CU_ASSERT_STRING_EQUAL(content("plain"), "aaa\nb\nc\n");
	CU_ASSERT_EQUAL(stat(path("plain"), &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777 & ~0640, 0);
	unlink(path("plain"));
}

static void test_more_than_the_buffer_holds_is_written_on_the_way(void)
{
	struct record_file f = begin(path("large"));
	struct stat st;

	for (unsigned i = 0; i < 1000; i++)
		CU_ASSERT_TRUE(put(&f, 'x', 1000));
	record_file_close(&f);
	CU_ASSERT_EQUAL(stat(path("large"), &st), 0);
	CU_ASSERT_EQUAL(st.st_size, 1000 * 1000);
	unlink(path("large"));
}

static void test_behind_a_rotation_lines_go_to_the_new_file(void)
{
	struct record_file f = begin(path("log"));
	char old[128];

	snprintf(old, sizeof(old), "%s", path("log.1"));
	put(&f, 'a', 2);
	CU_ASSERT_EQUAL(rename(path("log"), old), 0);
	put(&f, 'b', 2);
	CU_ASSERT_EQUAL(record_file_reopen(&f), 0);
	put(&f, 'c', 2);
	record_file_close(&f);
	CU_ASSERT_STRING_EQUAL(content("log.1"), "a\nb\n");
	CU_ASSERT_STRING_EQUAL(content("log"), "c\n");
	unlink(path("log"));
	unlink(path("log.1"));
}

static void test_the_old_file_stays_if_there_is_no_new_one(void)
{
	struct record_file f;
	char moved[128];

	CU_ASSERT_EQUAL(mkdir(path("sub"), 0700), 0);
	f = begin(path("sub/log"));
	snprintf(moved, sizeof(moved), "%s", path("moved"));
	CU_ASSERT_EQUAL(rename(path("sub"), moved), 0);
	CU_ASSERT_EQUAL(record_file_reopen(&f), -ENOENT);
	CU_ASSERT_EQUAL(n_warnings, 1);
	put(&f, 'a', 2);
	record_file_close(&f);
	CU_ASSERT_STRING_EQUAL(content("moved/log"), "a\n");
	unlink(path("moved/log"));
	rmdir(path("moved"));
}

static void test_a_full_disk_keeps_what_fits_and_counts_the_rest(void)
{
	struct record_file f = begin("/dev/full");
	const unsigned fit = RECORD_FILE_BYTES / 1024;

	for (unsigned i = 0; i < fit + 10; i++) {
		CU_ASSERT_EQUAL(put(&f, 'x', 1024), i < fit);
		record_file_flush(&f);
	}
	CU_ASSERT_EQUAL(f.lost, 10);
	CU_ASSERT_EQUAL(f.failing, -ENOSPC);
	CU_ASSERT_EQUAL(n_warnings, 1);		    /* said once */
	CU_ASSERT_EQUAL(record_file_reopen(&f), 0); /* what it would not take is lost */
	CU_ASSERT_EQUAL(f.lost, 10 + fit);
	CU_ASSERT_EQUAL(f.used, 0);
	record_file_close(&f);
}

/* A pipe takes a part of a line, and goes on with the rest of it. */
static void test_a_short_write_is_finished_later(void)
{
	char got[1024];
	struct record_file f;
	size_t total = 0, lines = 0;
	int reader;

	CU_ASSERT_EQUAL_FATAL(mkfifo(path("pipe"), 0600), 0);
	reader = open(path("pipe"), O_RDONLY | O_NONBLOCK);
	CU_ASSERT_FATAL(reader >= 0);
	f = begin(path("pipe"));
	CU_ASSERT(fcntl(reader, F_SETPIPE_SZ, 4096) >= 4096);
	for (unsigned i = 0; i < 100; i++)
		CU_ASSERT_TRUE(put(&f, (char)('A' + i % 26), 1001));
	for (unsigned round = 0; round < 1000 && lines < 100; round++) {
		ssize_t n;

		record_file_flush(&f);
		CU_ASSERT(f.torn <= 1001);
		n = read(reader, got, sizeof(got));
		for (ssize_t i = 0; i < n; i++, total++) {
			const bool last = total % 1001 == 1000;

			CU_ASSERT_EQUAL(got[i], last ? '\n' : (char)('A' + lines % 26));
			lines += last;
		}
	}
	CU_ASSERT_EQUAL(lines, 100);
	CU_ASSERT_EQUAL(f.failing, 0);
	/* A full pipe, then a rotation: only the line of which a part is out is torn. */
	for (unsigned i = 0; i < 10; i++)
		put(&f, 'z', 1001);
	record_file_flush(&f);
	CU_ASSERT(f.torn > 0);
	CU_ASSERT_EQUAL(record_file_reopen(&f), 0);
	CU_ASSERT_EQUAL(f.lost, 6); /* of ten, four are in the pipe, and a part of the fifth */
	record_file_close(&f);
	close(reader);
	unlink(path("pipe"));
}

static void test_a_pipe_that_nobody_reads_is_refused_at_once(void)
{
	struct weir_why why = {""};
	struct record_file f;

	CU_ASSERT_EQUAL_FATAL(mkfifo(path("pipe"), 0600), 0);
	CU_ASSERT_EQUAL(record_file_open(&f, path("pipe"), line_of, &why), -ENXIO);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "/pipe: "));
	unlink(path("pipe"));
}

static void test_open_survives_each_failing_allocation(void)
{
	FAILALLOC_EACH(n)
	{
		struct weir_why why = {""};
		struct record_file f;
		const int rc = record_file_open(&f, path("f"), line_of, &why);
		const bool whole = failalloc_done();

		CU_ASSERT_EQUAL(rc, whole ? 0 : -ENOMEM);
		CU_ASSERT_EQUAL(f.fd >= 0, whole);
		record_file_close(&f);
		if (whole) {
			CU_ASSERT_EQUAL(n, 3);
			break;
		}
	}
	unlink(path("f"));
	CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static void test_a_folder_for_the_files_can_be_made(void)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
}

WEIR_TESTS("app/record_file", TEST(a_folder_for_the_files_can_be_made),
	   TEST(lines_are_appended_and_written_by_a_flush),
	   TEST(more_than_the_buffer_holds_is_written_on_the_way),
	   TEST(behind_a_rotation_lines_go_to_the_new_file),
	   TEST(the_old_file_stays_if_there_is_no_new_one),
	   TEST(a_full_disk_keeps_what_fits_and_counts_the_rest),
	   TEST(a_short_write_is_finished_later), TEST(a_pipe_that_nobody_reads_is_refused_at_once),
	   TEST(open_survives_each_failing_allocation))
