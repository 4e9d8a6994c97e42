/* SPDX-License-Identifier: BSD-3-Clause */

/* Patterns become databases: what is refused is named, and what was compiled is kept on disk. */

#include "dpi_cache.c"
#include "failalloc.h"
#include "toy_dpi.h"

#include <dirent.h>

static int count_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
		       void *ctx)
{
	++*(unsigned *)ctx;
	return 0;
}

/* How many reports a text leads to, without any of our own code behind hyperscan. */
static unsigned matches(const struct weir_dpi *d, enum dpi_mode mode, const char *text)
{
	hs_scratch_t *scratch = NULL;
	hs_stream_t *stream;
	unsigned n = 0;

	CU_ASSERT_EQUAL_FATAL(hs_alloc_scratch(d->db[mode], &scratch), HS_SUCCESS);
	if (mode == DPI_BLOCK) {
		CU_ASSERT_EQUAL(hs_scan(d->db[mode], text, (unsigned)strlen(text), 0, scratch,
					count_match, &n),
				HS_SUCCESS);
	} else {
		CU_ASSERT_EQUAL_FATAL(hs_open_stream(d->db[mode], 0, &stream), HS_SUCCESS);
		for (const char *c = text; *c != '\0'; c++)
			CU_ASSERT_EQUAL(hs_scan_stream(stream, c, 1, 0, scratch, count_match, &n),
					HS_SUCCESS);
		hs_close_stream(stream, scratch, count_match, &n);
	}
	hs_free_scratch(scratch);
	return n;
}

static void test_patterns_become_two_databases_and_are_reported_once(void)
{
	const struct weir_dpi_source source = toy_patterns("1:/abc/i\n2:/x+y/s\n");
	struct weir_dpi_stats stats;
	struct weir_why why;
	struct weir_dpi *d = toy_dpi(&source, NULL, &why);

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	for (unsigned m = 0; m < DPI_MODES; m++) {
		CU_ASSERT_EQUAL(matches(d, m, "..aBc.abc.ABC"), 1);
		CU_ASSERT_EQUAL(matches(d, m, "abc xxxy xy"), 2);
		CU_ASSERT_EQUAL(matches(d, m, "ab c x"), 0);
	}
	weir_dpi_stats(d, &stats);
	CU_ASSERT_EQUAL(stats.patterns, 2);
	CU_ASSERT_EQUAL(stats.left_out, 0);
	CU_ASSERT(stats.bytes > 0 && stats.stream_bytes > 0 && stats.build_ns > 0);
	CU_ASSERT_EQUAL(stats.cache, WEIR_DPI_CACHE_NONE);
	CU_ASSERT_STRING_EQUAL(weir_dpi_message(d, 2), "x+y");
	CU_ASSERT_PTR_NULL(weir_dpi_message(d, 3));
	weir_dpi_free(d);
}

static void test_rules_go_where_their_protocol_is(void)
{
	const struct weir_dpi_source source =
		toy_snort("alert udp any any -> any any (content:\"a\"; sid:1;)");
	struct weir_why why;
	struct weir_dpi *d = toy_dpi(&source, NULL, &why);
	struct weir_dpi_stats stats;

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	CU_ASSERT_PTR_NULL(d->db[DPI_STREAM]);
	CU_ASSERT_EQUAL(matches(d, DPI_BLOCK, "bab"), 1);
	weir_dpi_stats(d, &stats);
	CU_ASSERT_EQUAL(stats.stream_bytes, 0);
	weir_dpi_free(d);
}

static void test_all_contents_of_a_rule_must_be_there_in_any_order(void)
{
	const struct weir_dpi_source source =
		toy_snort("alert ip any any -> any any (content:\"one\"; content:\"TWO\"; nocase; "
			  "pcre:\"/thr.e/\"; sid:1; msg:\"m\";)\n"
			  "alert ip any any -> any any (content:\"x\"; offset:2; depth:3; sid:2;)");
	struct weir_why why;
	struct weir_dpi *d = toy_dpi(&source, NULL, &why);

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	for (unsigned m = 0; m < DPI_MODES; m++) {
		CU_ASSERT_EQUAL(matches(d, m, "one two three"), 1);
		CU_ASSERT_EQUAL(matches(d, m, "thrae Two one two one"), 1);
		CU_ASSERT_EQUAL(matches(d, m, "one two thre"), 0);
		CU_ASSERT_EQUAL(matches(d, m, "onetwo"), 0);
		CU_ASSERT_EQUAL(matches(d, m, "xx  "), 0);
		CU_ASSERT_EQUAL(matches(d, m, "..x"), 1);
		CU_ASSERT_EQUAL(matches(d, m, "....x"), 1);
		CU_ASSERT_EQUAL(matches(d, m, ".....x"), 0);
	}
	weir_dpi_free(d);
}

static void test_a_pattern_that_is_refused_is_named(void)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"1:/a/\n2:/(b/\n3:/c/\n", "toy.patterns:2: pattern 2: "},
		{"9:/a(?=b)/", "toy.patterns:1: pattern 9: "}, /* looks ahead */
		{"9:/a*/", "toy.patterns:1: pattern 9: "},     /* may match nothing */
		{"1:/a/\n2:/cx{32000}y/", ":2: pattern 2: "},
		{"1:/a/\n1:/b/", "toy.patterns:2: number 1 is that of toy.patterns:1 too"},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct weir_dpi_source source = toy_patterns(cases[i].text);
		struct weir_why why;

		CU_ASSERT_PTR_NULL(toy_dpi(&source, NULL, &why));
		CU_ASSERT_PTR_NOT_NULL(strstr(why.text, cases[i].says));
	}
}

static void test_a_source_needs_an_action_and_a_file(void)
{
	struct weir_dpi_source source = toy_patterns("1:/a/");
	struct weir_why why;

	source.action = WEIR_DPI_PASS;
	CU_ASSERT_PTR_NULL(toy_dpi(&source, NULL, &why));
	CU_ASSERT_STRING_EQUAL(why.text, "toy.patterns: its patterns have no action");
	source.action = WEIR_DPI_ALERT;
	source.text = NULL;
	CU_ASSERT_PTR_NULL(toy_dpi(&source, NULL, &why));
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "toy.patterns: cannot be read: "));
}

static void test_a_rule_that_is_refused_is_left_out_and_the_rest_compiled(void)
{
	/* The second is found by hs_expression_info(), the fourth only by the compiler. */
	const struct weir_dpi_source source = toy_snort(
		"alert tcp any any -> any any (content:\"aa\"; sid:1;)\n"
		"alert tcp any any -> any any (pcre:\"/a(?=b)/\"; sid:2;)\n"
		"alert tcp any any -> any any (content:\"bb\"; sid:3;)\n"
		"alert tcp any any -> any any (content:\"c\"; pcre:\"/(a|b.{30}){300}y/\"; "
		"sid:4;)\n");
	struct toy_findings f = {.n = 0};
	struct weir_dpi_stats stats;
	struct weir_why why;
	struct weir_dpi *d = toy_dpi(&source, &f, &why);

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	CU_ASSERT_EQUAL(f.n, 2);
	CU_ASSERT(toy_found(&f, "toy.rules:2: rule 2 is left out: "));
	CU_ASSERT(toy_found(&f, "toy.rules:4: rule 4 is left out: "));
	weir_dpi_stats(d, &stats);
	CU_ASSERT_EQUAL(stats.patterns, 2);
	CU_ASSERT_EQUAL(stats.left_out, 2);
	CU_ASSERT_EQUAL(matches(d, DPI_STREAM, "aabb"), 2);
	CU_ASSERT_PTR_NULL(weir_dpi_message(d, 2));
	weir_dpi_free(d);
}

/* Compile with the cache in the test's folder. */
static struct weir_dpi *cached(const char *text, struct toy_findings *f, enum weir_dpi_cache *cache)
{
	const struct weir_dpi_source source = toy_patterns(text);
	const struct weir_dpi_conf conf = {.sources = &source,
					   .n_sources = 1,
					   .cache_dir = toy_folder(),
					   .finding = toy_finding,
					   .ctx = f};
	struct weir_dpi_stats stats;
	struct weir_dpi *d = NULL;

	*f = (struct toy_findings){.n = 0};
	CU_ASSERT_EQUAL_FATAL(weir_dpi_compile(&conf, &d, NULL), 0);
	weir_dpi_stats(d, &stats);
	*cache = stats.cache;
	CU_ASSERT_EQUAL(matches(d, DPI_BLOCK, "..abc"), 1);
	CU_ASSERT_EQUAL(matches(d, DPI_STREAM, "..abc"), 1);
	return d;
}

static enum weir_dpi_cache cache_of(const char *text, struct toy_findings *f)
{
	enum weir_dpi_cache cache;

	weir_dpi_free(cached(text, f, &cache));
	return cache;
}

/* The only file in the folder; its content in buf. */
static size_t cache_file(char path[PATH_ROOM], uint8_t *buf, size_t room)
{
	DIR *d = opendir(toy_folder());
	const struct dirent *e;
	unsigned files = 0;
	size_t n;
	FILE *f;

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, PATH_ROOM, "%s/%s", toy_folder(), e->d_name);
		files++;
	}
	closedir(d);
	CU_ASSERT_EQUAL_FATAL(files, 1);
	f = fopen(path, "rb");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	n = fread(buf, 1, room, f);
	fclose(f);
	CU_ASSERT_FATAL(n < room);
	return n;
}

static void test_the_second_time_the_databases_are_read(void)
{
	struct toy_findings f;

	CU_ASSERT_EQUAL(cache_of("1:/abc/", &f), WEIR_DPI_CACHE_WRITTEN);
	CU_ASSERT_EQUAL(f.n, 0);
	CU_ASSERT_EQUAL(cache_of("1:/abc/", &f), WEIR_DPI_CACHE_HIT);
	CU_ASSERT_EQUAL(cache_of("1:/abc/i", &f), WEIR_DPI_CACHE_WRITTEN); /* other flags */
	CU_ASSERT_EQUAL(cache_of("2:/abc/", &f), WEIR_DPI_CACHE_HIT);	   /* the number is ours */
	toy_folder_clear();
	CU_ASSERT_EQUAL(mkdir(toy_folder(), 0700), 0);
}

static void test_what_was_left_out_is_named_the_second_time_too(void)
{
	const struct weir_dpi_source source =
		toy_snort("alert tcp any any -> any any (pcre:\"/a(?=b)/\"; sid:1;)\n"
			  "alert tcp any any -> any any (content:\"abc\"; sid:2;)\n");
	const char *const says = "toy.rules:1: rule 1 is left out: ";
	struct toy_findings f[2] = {{.n = 0}, {.n = 0}};
	struct weir_dpi_stats stats;

	for (unsigned i = 0; i < 2; i++) {
		const struct weir_dpi_conf conf = {.sources = &source,
						   .n_sources = 1,
						   .cache_dir = toy_folder(),
						   .finding = toy_finding,
						   .ctx = &f[i]};
		struct weir_dpi *d = NULL;

		CU_ASSERT_EQUAL_FATAL(weir_dpi_compile(&conf, &d, NULL), 0);
		weir_dpi_stats(d, &stats);
		CU_ASSERT_EQUAL(stats.cache, i == 0 ? WEIR_DPI_CACHE_WRITTEN : WEIR_DPI_CACHE_HIT);
		CU_ASSERT_EQUAL(stats.left_out, 1);
		CU_ASSERT_EQUAL(stats.patterns, 1);
		CU_ASSERT_EQUAL(f[i].n, 1);
		CU_ASSERT_EQUAL(strncmp(f[i].text[0], says, strlen(says)), 0);
		CU_ASSERT_EQUAL(matches(d, DPI_STREAM, "ab abc"), 1);
		weir_dpi_free(d);
	}
	CU_ASSERT_STRING_EQUAL(f[0].text[0], f[1].text[0]);
	toy_folder_clear();
	CU_ASSERT_EQUAL(mkdir(toy_folder(), 0700), 0);
}

/* Every byte counts: one turned, all cut away behind it. */
static void test_a_damaged_file_is_made_anew(void)
{
	static uint8_t whole[1 << 16], odd[1 << 16];
	char path[PATH_ROOM];
	struct toy_findings f;
	size_t bytes;

	CU_ASSERT_EQUAL(cache_of("1:/abc/", &f), WEIR_DPI_CACHE_WRITTEN);
	bytes = cache_file(path, whole, sizeof(whole));
	for (size_t at = 0; at < bytes; at += 1 + bytes / 60) {
		memcpy(odd, whole, bytes);
		odd[at] ^= 0x40;
		toy_write(path, odd, bytes);
		CU_ASSERT_EQUAL(cache_of("1:/abc/", &f), WEIR_DPI_CACHE_WRITTEN);
		CU_ASSERT(toy_found(&f, "is damaged: it is made anew"));
		toy_write(path, whole, at);
		CU_ASSERT_EQUAL(cache_of("1:/abc/", &f), WEIR_DPI_CACHE_WRITTEN);
		CU_ASSERT(toy_found(&f, "is damaged: it is made anew"));
		CU_ASSERT_EQUAL(cache_of("1:/abc/", &f), WEIR_DPI_CACHE_HIT);
	}
}

/* A file whose sum is right, but which another version has made for the same hash. */
static void test_a_file_of_another_version_is_made_anew(void)
{
	static uint8_t whole[1 << 16];
	char path[PATH_ROOM];
	struct toy_findings f;
	struct header h;
	size_t bytes;

	CU_ASSERT_EQUAL(cache_of("1:/abc/", &f), WEIR_DPI_CACHE_HIT);
	bytes = cache_file(path, whole, sizeof(whole));
	CU_ASSERT_PTR_NOT_NULL(memmem(whole, bytes, hs_version(), strlen(hs_version())));
	whole[sizeof(h) + strlen("hyperscan ")]++; /* 5 becomes 6 */
	memcpy(&h, whole, sizeof(h));
	h.sum = sum_of(whole, bytes);
	memcpy(whole, &h, sizeof(h));
	toy_write(path, whole, bytes);
	CU_ASSERT_EQUAL(cache_of("1:/abc/", &f), WEIR_DPI_CACHE_WRITTEN);
	CU_ASSERT_EQUAL(cache_of("1:/abc/", &f), WEIR_DPI_CACHE_HIT);
}

static void test_a_file_that_others_may_write_is_not_trusted(void)
{
	static uint8_t whole[1 << 16];
	char path[PATH_ROOM];
	struct toy_findings f;

	CU_ASSERT_EQUAL(cache_of("1:/abc/", &f), WEIR_DPI_CACHE_HIT);
	cache_file(path, whole, sizeof(whole));
	CU_ASSERT_EQUAL(chmod(path, 0666), 0);
	CU_ASSERT_EQUAL(cache_of("1:/abc/", &f), WEIR_DPI_CACHE_WRITTEN);
	CU_ASSERT(toy_found(&f, "others may write it"));
	CU_ASSERT_EQUAL(cache_of("1:/abc/", &f), WEIR_DPI_CACHE_HIT);
}

static void test_a_cache_that_cannot_be_written_is_told_and_does_no_harm(void)
{
	const struct weir_dpi_source source = toy_patterns("1:/abc/");
	struct toy_findings f = {.n = 0};
	const struct weir_dpi_conf conf = {.sources = &source,
					   .n_sources = 1,
					   .cache_dir = "/proc/none",
					   .finding = toy_finding,
					   .ctx = &f};
	struct weir_dpi *d = NULL;

	CU_ASSERT_EQUAL_FATAL(weir_dpi_compile(&conf, &d, NULL), 0);
	CU_ASSERT(toy_found(&f, "/proc/none: compiled patterns cannot be kept there: "));
	weir_dpi_free(d);
}

static void test_only_the_last_eight_are_kept(void)
{
	char text[64];
	struct toy_findings f;
	unsigned files = 0;
	DIR *dir;

	for (unsigned i = 0; i < FILES_MAX + 3; i++) {
		snprintf(text, sizeof(text), "1:/abc/\n2:/more%u/", i);
		CU_ASSERT_EQUAL(cache_of(text, &f), WEIR_DPI_CACHE_WRITTEN);
	}
	CU_ASSERT_EQUAL(cache_of(text, &f), WEIR_DPI_CACHE_HIT);
	dir = opendir(toy_folder());
	CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
	for (const struct dirent *e; (e = readdir(dir)) != NULL;)
		files += e->d_name[0] != '.';
	closedir(dir);
	CU_ASSERT_EQUAL(files, FILES_MAX);
	toy_folder_clear();
	CU_ASSERT_EQUAL(mkdir(toy_folder(), 0700), 0);
}

static void test_without_memory_nothing_is_made_and_nothing_lost(void)
{
	struct weir_dpi_source sources[] = {
		toy_patterns("1:/abc/"),
		toy_snort("alert udp any any -> any any (content:\"a\"; content:\"b\"; sid:2;)"),
	};
	const struct weir_dpi_conf conf = {
		.sources = sources, .n_sources = 2, .cache_dir = toy_folder()};

	FAILALLOC_EACH(n)
	{
		struct weir_dpi *d = NULL;
		const int rc = weir_dpi_compile(&conf, &d, NULL);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			CU_ASSERT(n > 20);
			weir_dpi_free(d);
			break;
		}
		/* Only the cache can be done without. */
		CU_ASSERT(rc == -ENOMEM || (rc == 0 && d != NULL));
		weir_dpi_free(d);
	}
	toy_folder_clear();
}

WEIR_TESTS("tables/dpi_compile", TEST(patterns_become_two_databases_and_are_reported_once),
	   TEST(rules_go_where_their_protocol_is),
	   TEST(all_contents_of_a_rule_must_be_there_in_any_order),
	   TEST(a_pattern_that_is_refused_is_named), TEST(a_source_needs_an_action_and_a_file),
	   TEST(a_rule_that_is_refused_is_left_out_and_the_rest_compiled),
	   TEST(the_second_time_the_databases_are_read),
	   TEST(what_was_left_out_is_named_the_second_time_too), TEST(a_damaged_file_is_made_anew),
	   TEST(a_file_of_another_version_is_made_anew),
	   TEST(a_file_that_others_may_write_is_not_trusted),
	   TEST(a_cache_that_cannot_be_written_is_told_and_does_no_harm),
	   TEST(only_the_last_eight_are_kept),
	   TEST(without_memory_nothing_is_made_and_nothing_lost))
