/* SPDX-License-Identifier: BSD-3-Clause */

/* Domain sets: suffixes and exact names, the most special one first, against a plain list. */

#include "dpi_priv.h"
#include "failalloc.h"
#include "toy_dpi.h"

#include <errno.h>

#define DOMAINS(...)                                   \
	.domains = (const char *const[]){__VA_ARGS__}, \
	.n_domains = sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *)

static struct weir_dpi *compile(const struct weir_dpi_set *sets, uint32_t n, struct weir_why *why)
{
	const struct weir_dpi_conf conf = {.sets = sets, .n_sets = n, .secret = {3, 4}};
	struct weir_dpi *d = NULL;
	struct weir_why mine;

	if (weir_dpi_compile(&conf, &d, why != NULL ? why : &mine) < 0)
		CU_ASSERT_PTR_NULL(d);
	return d;
}

static void test_a_domain_is_itself_and_all_below(void)
{
	const struct weir_dpi_set set = {.name = "s", DOMAINS("Example.com.", "=exact.org", "de")};
	struct weir_dpi *d = compile(&set, 1, NULL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	CU_ASSERT_EQUAL(weir_dpi_domain(d, "example.com"), 0);
	CU_ASSERT_EQUAL(weir_dpi_domain(d, "www.example.com"), 0);
	CU_ASSERT_EQUAL(weir_dpi_domain(d, "a.b.c.example.com"), 0);
	CU_ASSERT_EQUAL(weir_dpi_domain(d, "notexample.com"), -1);
	CU_ASSERT_EQUAL(weir_dpi_domain(d, "com"), -1);
	CU_ASSERT_EQUAL(weir_dpi_domain(d, "example.com.org"), -1);
	CU_ASSERT_EQUAL(weir_dpi_domain(d, "exact.org"), 0);
	CU_ASSERT_EQUAL(weir_dpi_domain(d, "www.exact.org"), -1);
	CU_ASSERT_EQUAL(weir_dpi_domain(d, "x.y.de"), 0);
	CU_ASSERT_EQUAL(weir_dpi_domain(d, ""), -1);
	weir_dpi_free(d);
}

static void test_the_most_special_entry_decides(void)
{
	const struct weir_dpi_set sets[] = {
		{.name = "wide", DOMAINS("example.com", "both.net")},
		{.name = "fine", DOMAINS("good.example.com", "=www.example.com", "both.net")},
		{.name = "finest", DOMAINS("=good.example.com", "www.example.com")},
	};
	struct weir_dpi *d = compile(sets, 3, NULL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	CU_ASSERT_EQUAL(weir_dpi_domain(d, "bad.example.com"), 0);
	CU_ASSERT_EQUAL(weir_dpi_domain(d, "good.example.com"), 2);
	CU_ASSERT_EQUAL(weir_dpi_domain(d, "very.good.example.com"), 1);
	CU_ASSERT_EQUAL(weir_dpi_domain(d, "www.example.com"), 1);
	CU_ASSERT_EQUAL(weir_dpi_domain(d, "a.www.example.com"), 2);
	CU_ASSERT_EQUAL(weir_dpi_domain(d, "both.net"), 0); /* the first set that has it */
	CU_ASSERT_STRING_EQUAL(weir_dpi_set_name(d, 2), "finest");
	CU_ASSERT_PTR_NULL(weir_dpi_set_name(d, 3));
	weir_dpi_free(d);
}

static void test_files_have_one_a_line(void)
{
	static const char text[] =
		"# list\nads.example # comment\n\n =only.example\r\nlast.example";
	char path[64];
	const char *files[] = {path};
	const struct weir_dpi_set set = {.name = "f", .files = files, .n_files = 1};
	struct weir_dpi_stats stats;
	struct weir_dpi *d;

	snprintf(path, sizeof(path), "%s/list", toy_folder());
	toy_write(path, text, sizeof(text) - 1);
	d = compile(&set, 1, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	weir_dpi_stats(d, &stats);
	CU_ASSERT_EQUAL(stats.domains, 3);
	CU_ASSERT_EQUAL(weir_dpi_domain(d, "x.ads.example"), 0);
	CU_ASSERT_EQUAL(weir_dpi_domain(d, "x.only.example"), -1);
	CU_ASSERT_EQUAL(weir_dpi_domain(d, "x.last.example"), 0);
	weir_dpi_free(d);
}

static void test_what_is_no_domain_is_named_with_its_place(void)
{
	static const char text[] = "good.example\n*.bad.example\n";
	char path[64], says[128];
	const char *files[] = {path};
	const struct weir_dpi_set of_file = {.name = "f", .files = files, .n_files = 1};
	const struct weir_dpi_set in_place = {.name = "mine", DOMAINS("a..b")};
	const struct weir_dpi_set many[WEIR_DPI_SETS_MAX + 1] = {{.name = "x"}};
	struct weir_why why;

	snprintf(path, sizeof(path), "%s/bad", toy_folder());
	snprintf(says, sizeof(says), "%s:2: '*.bad.example' is no name of a host", path);
	toy_write(path, text, sizeof(text) - 1);
	CU_ASSERT_PTR_NULL(compile(&of_file, 1, &why));
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, says));
	CU_ASSERT_PTR_NULL(compile(&in_place, 1, &why));
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "mine: 'a..b' is no name"));
	unlink(path);
	CU_ASSERT_PTR_NULL(compile(&of_file, 1, &why));
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "cannot be read"));
	snprintf(path, sizeof(path), "%s", toy_folder());
	CU_ASSERT_PTR_NULL(compile(&of_file, 1, &why));
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "it is no file"));
	CU_ASSERT_PTR_NULL(compile(many, WEIR_DPI_SETS_MAX + 1, &why));
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "at most 256"));
}

/* Names of few letters, so that they meet. */
static void random_name(uint64_t *x, char name[64])
{
	size_t at = 0;

	*x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
	for (unsigned i = 0; i <= *x % 4; i++)
		at += (size_t)snprintf(name + at, 64 - at, "%s%c", i > 0 ? "." : "",
				       'a' + (char)(*x >> (8 + 3 * i) & 3));
}

/* The slow and obvious way: the longest entry that fits, an exact one before its like. */
static int slow_find(char (*entries)[64], unsigned n, const char *name)
{
	int best = -1;
	size_t best_bytes = 0;

	for (unsigned i = 0; i < n; i++) {
		const bool exact = entries[i][0] == '=';
		const char *entry = entries[i] + exact;
		const size_t bytes = strlen(entry), all = strlen(name);

		if (bytes > all || strcmp(name + all - bytes, entry) != 0)
			continue;
		if (bytes < all && (exact || name[all - bytes - 1] != '.'))
			continue;
		if (2 * bytes + exact > best_bytes) {
			best_bytes = 2 * bytes + exact;
			best = (int)i;
		}
	}
	return best;
}

static void test_random_sets_say_what_a_plain_list_says(void)
{
	uint64_t x = 88172645463325252u;

	for (unsigned round = 0; round < 50; round++) {
		char entries[100][64];
		const char *domains[100];
		struct weir_dpi_set sets[100];
		struct weir_dpi *d;

		for (unsigned i = 0; i < 100; i++) {
			entries[i][0] = '=';
			random_name(&x, entries[i] + (x >> 50) % 2);
			domains[i] = entries[i];
			sets[i] = (struct weir_dpi_set){
				.name = "r", .domains = &domains[i], .n_domains = 1};
		}
		d = compile(sets, 100, NULL);
		CU_ASSERT_PTR_NOT_NULL_FATAL(d);
		for (unsigned i = 0; i < 300; i++) {
			char name[64];

			random_name(&x, name);
			CU_ASSERT_EQUAL(weir_dpi_domain(d, name), slow_find(entries, 100, name));
		}
		weir_dpi_free(d);
	}
}

static void test_thousands_of_domains_are_all_found(void)
{
	const uint32_t n = 20000;
	char *text = malloc(n * 32);
	char path[64], name[64];
	const char *files[] = {path};
	const struct weir_dpi_set set = {.name = "many", .files = files, .n_files = 1};
	struct weir_dpi *d;
	size_t bytes = 0;
	uint32_t found = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	for (uint32_t i = 0; i < n; i++)
		bytes += (size_t)sprintf(text + bytes, "host%u.example\n", i);
	snprintf(path, sizeof(path), "%s/many", toy_folder());
	toy_write(path, text, bytes);
	free(text);
	d = compile(&set, 1, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	for (uint32_t i = 0; i < 2 * n; i++) {
		snprintf(name, sizeof(name), "www.host%u.example", i);
		found += weir_dpi_domain(d, name) == 0;
	}
	CU_ASSERT_EQUAL(found, n);
	weir_dpi_free(d);
}

static void test_without_memory_nothing_is_made_and_nothing_lost(void)
{
	const struct weir_dpi_set set = {.name = "s", DOMAINS("a.example", "=b.example")};
	const struct weir_dpi_conf conf = {.sets = &set, .n_sets = 1};

	FAILALLOC_EACH(n)
	{
		struct weir_dpi *d = NULL;
		const int rc = weir_dpi_compile(&conf, &d, NULL);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			CU_ASSERT(n > 4);
			weir_dpi_free(d);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(d);
	}
	toy_folder_clear(); /* of the tests before */
}

WEIR_TESTS("tables/dpi_domains", TEST(a_domain_is_itself_and_all_below),
	   TEST(the_most_special_entry_decides), TEST(files_have_one_a_line),
	   TEST(what_is_no_domain_is_named_with_its_place),
	   TEST(random_sets_say_what_a_plain_list_says), TEST(thousands_of_domains_are_all_found),
	   TEST(without_memory_nothing_is_made_and_nothing_lost))
