/* SPDX-License-Identifier: BSD-3-Clause */

/* Entries of address sets as people write them, and files of them: all of a file or nothing. */

#include "failalloc.h"
#include "test.h"
#include "toy_rib.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <weir/set.h>

#define NOW_S 1000

/* "PREFIX TIMEOUT", or the sentence that says what is wrong. */
static const char *read_text(const char *text, size_t len)
{
	static char out[WEIR_WHY_LEN];
	struct weir_prefix p = {.length = 77};
	char prefix[WEIR_PREFIX_TEXT];
	struct weir_why why = {0};
	uint32_t timeout_s = 77;

	if (weir_set_parse(text, len, &p, &timeout_s, &why) < 0) {
		CU_ASSERT_EQUAL(p.length, 77); /* untouched */
		CU_ASSERT_EQUAL(timeout_s, 77);
		snprintf(out, sizeof(out), "%s", why.text);
	} else {
		snprintf(out, sizeof(out), "%s %u", weir_prefix_format(&p, prefix), timeout_s);
	}
	return out;
}

static const char *read_line(const char *text)
{
	return read_text(text, strlen(text));
}

static void test_an_entry_is_an_address_or_a_prefix(void)
{
	CU_ASSERT_STRING_EQUAL(read_line("192.0.2.1"), "192.0.2.1/32 0");
	CU_ASSERT_STRING_EQUAL(read_line("192.0.2.77/24"), "192.0.2.0/24 0");
	CU_ASSERT_STRING_EQUAL(read_line("2001:db8::1"), "2001:db8::1/128 0");
	CU_ASSERT_STRING_EQUAL(read_line("\t 2001:db8:ffff::/32 \r"), "2001:db8::/32 0");
	CU_ASSERT_STRING_EQUAL(read_line("0.0.0.0/0"), "0.0.0.0/0 0");
}

static void test_blanks_and_comments_are_no_entry(void)
{
	CU_ASSERT_STRING_EQUAL(read_line(""), "none 0");
	CU_ASSERT_STRING_EQUAL(read_text(NULL, 0), "none 0");
	CU_ASSERT_STRING_EQUAL(read_line(" \t\r"), "none 0");
	CU_ASSERT_STRING_EQUAL(read_line("# 192.0.2.1"), "none 0");
	CU_ASSERT_STRING_EQUAL(read_line("192.0.2.1#bad host"), "192.0.2.1/32 0");
	CU_ASSERT_STRING_EQUAL(read_line("10.0.0.0/8 timeout 1h # lab"), "10.0.0.0/8 3600");
}

static void test_an_entry_may_say_after_what_time_it_ends(void)
{
	CU_ASSERT_STRING_EQUAL(read_line("192.0.2.1 timeout 10m"), "192.0.2.1/32 600");
	CU_ASSERT_STRING_EQUAL(read_line("192.0.2.1 timeout 1s"), "192.0.2.1/32 1");
	CU_ASSERT_STRING_EQUAL(read_line("192.0.2.1 timeout 1500ms"), "192.0.2.1/32 1");
	CU_ASSERT_STRING_EQUAL(read_line("192.0.2.1 timeout 30d"), "192.0.2.1/32 2592000");
}

static void test_what_is_no_entry_is_named(void)
{
	CU_ASSERT_STRING_EQUAL(read_line("example.org"), "example.org is no address and no prefix");
	CU_ASSERT_STRING_EQUAL(read_line("192.0.2.1/33"),
			       "192.0.2.1/33: the length of its prefix is too large");
	CU_ASSERT_STRING_EQUAL(read_line("timeout 10m"), "timeout is no address and no prefix");
	CU_ASSERT_STRING_EQUAL(read_line("192.0.2.1 192.0.2.2"),
			       "192.0.2.2 is too much: an entry is PREFIX [timeout TIME]");
	CU_ASSERT_STRING_EQUAL(read_line("192.0.2.1 timeout"),
			       "timeout of how long? For example: timeout 10m");
	CU_ASSERT_STRING_EQUAL(read_line("192.0.2.1 timeout 10"),
			       "timeout 10 is no duration, such as 90s or 10m");
	CU_ASSERT_STRING_EQUAL(read_line("192.0.2.1 timeout 999ms"),
			       "timeout 999ms is out of range, must be 1s or more");
	CU_ASSERT_STRING_EQUAL(read_line("192.0.2.1 timeout 90000d"),
			       "timeout 90000d is out of range, must be 1s or more");
	CU_ASSERT_STRING_EQUAL(read_line("192.0.2.1 timeout 1s 2s"),
			       "2s is too much: an entry is PREFIX [timeout TIME]");
	CU_ASSERT_STRING_EQUAL(read_text("192.0.2.1\0", 10), /* a NUL is no blank */
			       "192.0.2.1 is no address and no prefix");
}

/* ---- files ---- */

static char folder[] = "/tmp/weir-set-XXXXXX";
static char path[64];

static const char *file(const char *text, size_t len)
{
	FILE *f;

	if (path[0] == '\0') {
		CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
		snprintf(path, sizeof(path), "%s/list", folder);
	}
	f = fopen(path, "wb");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(fwrite(text, 1, len, f), len);
	CU_ASSERT_EQUAL(fclose(f), 0);
	return path;
}

static struct weir_set *toy_set(uint32_t size)
{
	const struct weir_set_conf conf = {.name = "toy", .entries = size, .numa = -1};
	struct weir_set *s = NULL;

	toy_rib_eal();
	CU_ASSERT_EQUAL_FATAL(weir_set_create(&conf, &s, NULL), 0);
	return s;
}

static bool has_at(const struct weir_set *s, const char *address, uint32_t now_s)
{
	const struct weir_addr a = toy_addr(address);
	const uint8_t *bytes = a.bytes;

	return weir_set_lookup(s, a.family, &bytes, 1, now_s) == 1;
}

static uint32_t entries(const struct weir_set *s)
{
	struct weir_set_stats st;

	weir_set_stats(s, &st);
	return st.entries;
}

/* Load a text; what is wrong with it follows the file's name. */
static int load_bytes(struct weir_set *s, const char *text, size_t len, const char **wrong)
{
	static struct weir_why why;
	const int rc = weir_set_load_file(s, file(text, len), NOW_S, &why);

	*wrong = "";
	if (rc < 0) {
		CU_ASSERT_EQUAL(strncmp(why.text, path, strlen(path)), 0);
		*wrong = why.text + strlen(path);
	}
	unlink(path);
	return rc;
}

static int load(struct weir_set *s, const char *text, const char **wrong)
{
	return load_bytes(s, text, strlen(text), wrong);
}

static void test_a_file_has_an_entry_a_line(void)
{
	struct weir_set *s = toy_set(100);
	const char *wrong;

	CU_ASSERT_EQUAL(load(s,
			     "# what we do not want\n"
			     "192.0.2.1\r\n"
			     "\n"
			     "198.51.100.0/24 timeout 10s # for now\n"
			     "2001:db8::/32", /* and no end of the line */
			     &wrong),
			0);
	CU_ASSERT_EQUAL(entries(s), 3);
	CU_ASSERT(has_at(s, "192.0.2.1", NOW_S));
	CU_ASSERT(has_at(s, "198.51.100.9", NOW_S + 9));
	CU_ASSERT_FALSE(has_at(s, "198.51.100.9", NOW_S + 10));
	CU_ASSERT(has_at(s, "2001:db8::1", NOW_S));
	CU_ASSERT_EQUAL(load(s, "", &wrong), 0);
	CU_ASSERT_EQUAL(entries(s), 3);
	weir_set_free(s);
}

static void test_of_lines_for_the_same_prefix_the_last_one_counts(void)
{
	struct weir_set *s = toy_set(8);
	const char *wrong;

	CU_ASSERT_EQUAL(load(s, "10.0.0.0/8\n10.1.0.0/8 timeout 5s\n", &wrong), 0);
	CU_ASSERT_EQUAL(entries(s), 1);
	CU_ASSERT_FALSE(has_at(s, "10.0.0.1", NOW_S + 5));
	CU_ASSERT_EQUAL(load(s, "10.0.0.0/8 timeout 5s\n10.1.0.0/8\n", &wrong), 0);
	CU_ASSERT(has_at(s, "10.0.0.1", NOW_S + 5));
	weir_set_free(s);
}

static void test_a_wrong_line_is_named_and_nothing_of_the_file_is_added(void)
{
	static char text[6000];
	struct weir_set *s = toy_set(100);
	const char *wrong;

	CU_ASSERT_EQUAL(load(s, "192.0.2.1\n\nexample.org\n192.0.2.2\n", &wrong), -EINVAL);
	CU_ASSERT_STRING_EQUAL(wrong, ":3: example.org is no address and no prefix");
	CU_ASSERT_EQUAL(load_bytes(s, "192.0.2.1\n192.0.2.2\0\n", 21, &wrong), -EINVAL);
	CU_ASSERT_STRING_EQUAL(wrong, ":2: a line of text has fewer than 4095 bytes");
	memset(text, '#', sizeof(text));
	CU_ASSERT_EQUAL(load_bytes(s, text, sizeof(text), &wrong), -EINVAL);
	CU_ASSERT_STRING_EQUAL(wrong, ":1: a line of text has fewer than 4095 bytes");
	text[4094] = '\n';
	text[4095 + 1000] = '\n';
	text[4095 + 1001] = '1';
	CU_ASSERT_EQUAL(load_bytes(s, text, sizeof(text), &wrong), -EINVAL);
	CU_ASSERT_EQUAL(strncmp(wrong, ":3: 1#", 5), 0);
	CU_ASSERT_EQUAL(entries(s), 0);
	weir_set_free(s);
}

static void test_a_file_that_does_not_fit_adds_nothing(void)
{
	struct weir_set *s = toy_set(3);
	const char *wrong;

	CU_ASSERT_EQUAL(load(s, "192.0.2.1\n192.0.2.2\n", &wrong), 0);
	/* Both there, and twice the same: they take one place. */
	CU_ASSERT_EQUAL(load(s, "192.0.2.1\n192.0.2.3\n192.0.2.2\n192.0.2.3\n", &wrong), 0);
	CU_ASSERT_EQUAL(load(s, "192.0.2.1 timeout 1s\n192.0.2.4\n192.0.2.5\n", &wrong), -ENOSPC);
	CU_ASSERT_STRING_EQUAL(wrong, ": set toy would have 5 entries, but has room for 3; raise "
				      "its entries");
	CU_ASSERT_EQUAL(entries(s), 3);
	CU_ASSERT(has_at(s, "192.0.2.1", NOW_S + 1));
	weir_set_free(s);
}

static void test_a_file_that_cannot_be_read_is_named(void)
{
	struct weir_set *s = toy_set(10);
	struct weir_why why = {0};

	CU_ASSERT_EQUAL(weir_set_load_file(s, "/nowhere/list", 1, &why), -ENOENT);
	CU_ASSERT_STRING_EQUAL(why.text,
			       "/nowhere/list: cannot be opened: No such file or directory");
	CU_ASSERT_EQUAL(weir_set_load_file(s, "/", 1, &why), -EISDIR);
	CU_ASSERT_STRING_EQUAL(why.text, "/: cannot be read: Is a directory");
	weir_set_free(s);
}

static void test_ends_beyond_the_clock_are_no_ends(void)
{
	struct weir_set *s = toy_set(10);

	CU_ASSERT_EQUAL(weir_set_load_file(s, file("192.0.2.1 timeout 1d\n", 21),
					   WEIR_SET_FOREVER - 100, NULL),
			0);
	unlink(path);
	CU_ASSERT_EQUAL(weir_set_expire(s, WEIR_SET_FOREVER - 1), 0);
	CU_ASSERT(has_at(s, "192.0.2.1", WEIR_SET_FOREVER - 1));
	weir_set_free(s);
}

static void test_without_memory_nothing_is_added(void)
{
	static char text[5000 * 16];
	struct weir_set *s = toy_set(5000);
	size_t len = 0;
	int rc = 0;

	for (unsigned i = 0; i < 5000; i++)
		len += (size_t)sprintf(text + len, "10.0.%u.%u\n", i >> 8, i & 255);
	FAILALLOC_EACH(n)
	{
		const char *wrong;

		rc = load_bytes(s, text, len, &wrong);
		if (failalloc_done())
			break;
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_STRING_EQUAL(wrong, ": out of memory");
		CU_ASSERT_EQUAL(entries(s), 0);
	}
	CU_ASSERT_EQUAL(rc, 0);
	CU_ASSERT_EQUAL(entries(s), 5000);
	weir_set_free(s);
	rmdir(folder); /* the last one that writes there */
}

WEIR_TESTS("tables/set_load", TEST(an_entry_is_an_address_or_a_prefix),
	   TEST(blanks_and_comments_are_no_entry), TEST(an_entry_may_say_after_what_time_it_ends),
	   TEST(what_is_no_entry_is_named), TEST(a_file_has_an_entry_a_line),
	   TEST(of_lines_for_the_same_prefix_the_last_one_counts),
	   TEST(a_wrong_line_is_named_and_nothing_of_the_file_is_added),
	   TEST(a_file_that_does_not_fit_adds_nothing), TEST(a_file_that_cannot_be_read_is_named),
	   TEST(ends_beyond_the_clock_are_no_ends), TEST(without_memory_nothing_is_added))
