/* SPDX-License-Identifier: BSD-3-Clause */

/* What weir-httpd makes before anybody asks, and what it chooses for a request. */

#include "../../apps/httpd/answer.c"
#include "../../apps/httpd/files.c"
#include "../../apps/httpd/partial.c"
#include "../../apps/httpd/route.c"
#include "failalloc.h"
#include "test.h"
#include "toy_eal.h"

#include <time.h>

static char root[] = "/tmp/weir-test-httpd-XXXXXX";

static void write_file(const char *name, const void *bytes, size_t n)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	f = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL_FATAL(fwrite(bytes, 1, n, f), n);
	CU_ASSERT_EQUAL_FATAL(fclose(f), 0);
}

static void make_root(void)
{
	static bool made;
	char path[256];

	if (made)
		return;
	made = true;
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(root));
	snprintf(path, sizeof(path), "%s/sub", root);
	CU_ASSERT_EQUAL_FATAL(mkdir(path, 0700), 0);
	write_file("a.css", "body{}", 6);
	write_file("empty", "", 0);
	write_file("sub/index.html", "<p>", 3);
	write_file(".hidden", "x", 1);
	snprintf(path, sizeof(path), "%s/link", root);
	CU_ASSERT_EQUAL_FATAL(symlink("/etc/passwd", path), 0);
}

static void test_dates_are_those_of_the_c_library(void)
{
	for (uint64_t s = 0; s <= UINT32_MAX; s += 39 * 3600 + 1234) {
		const time_t t = (time_t)s;
		char ours[DATE_BYTES + 1] = "", theirs[DATE_BYTES + 1];
		struct tm tm;

		http_date((uint32_t)s, ours);
		strftime(theirs, sizeof(theirs), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&t, &tm));
		if (strcmp(ours, theirs) != 0)
			CU_ASSERT_STRING_EQUAL_FATAL(ours, theirs);
	}
}

static void test_heads_have_room_and_refusals_say_their_status(void)
{
	char head[HEAD_BYTES];

	answers_make();
	for (unsigned i = 0; i < N_STATUSES; i++) {
		const struct answer *a = answer_refusing(status_of(i));
		char line[32];

		snprintf(line, sizeof(line), "HTTP/1.1 %u ", status_of(i));
		CU_ASSERT_EQUAL(a->status, status_of(i));
		CU_ASSERT(strncmp(a->head, line, strlen(line)) == 0);
		for (unsigned t = 0; t < RTE_DIM(types); t++)
			CU_ASSERT(head_write(head, i, types[t].type, UINT64_MAX) < HEAD_BYTES);
	}
	CU_ASSERT_EQUAL(answer_refusing(599)->status, 400);
	CU_ASSERT(memcmp(httpd_pattern + 64, "0001000", 7) == 0);
}

static struct files *load(uint64_t bytes_max, int *rc)
{
	const struct httpd_section conf = {.root = root, .files = bytes_max};
	struct weir_why why = {""};
	struct files *f = NULL;

	CU_ASSERT_PTR_NOT_NULL_FATAL(toy_only_pool());
	make_root();
	*rc = files_load(&conf, &f, &why);
	CU_ASSERT((*rc < 0) == (why.text[0] != '\0'));
	return f;
}

/* The body that a path is answered with; "" and the status if there is none. */
static const char *body(const struct files *f, const char *path, enum weir_http1_method method,
			uint16_t *status)
{
	static char text[64];
	const struct httpd_section conf = {.bytes = 1000};
	const struct httpd_worker w = {.files = f, .conf = &conf};
	const struct weir_http1 request = {.method = method, .path = {0, (uint32_t)strlen(path)}};
	uint64_t pattern_bytes = 0;
	const struct answer *a = route(&w, &request, path, &pattern_bytes);

	*status = a->status;
	if (a->is_pattern)
		snprintf(text, sizeof(text), "%lu", (unsigned long)pattern_bytes);
	else
		snprintf(text, sizeof(text), "%.*s", (int)a->body_bytes, (const char *)a->body);
	return text;
}

static void test_files_are_found_by_their_one_path(void)
{
	int rc;
	struct files *f = load(100, &rc);
	static const struct {
		const char *path, *body;
		enum weir_http1_method method;
		uint16_t status;
	} cases[] = {
		{"/a.css", "body{}", WEIR_HTTP1_GET, 200},
		{"/sub/../%61.css", "body{}", WEIR_HTTP1_HEAD, 200},
		{"/empty", "", WEIR_HTTP1_GET, 200},
		{"/sub/", "<p>", WEIR_HTTP1_GET, 200},
		{"/sub/index.html", "<p>", WEIR_HTTP1_GET, 200},
		{"/sub", "404 Not Found\n", WEIR_HTTP1_GET, 404},
		{"/.hidden", "404 Not Found\n", WEIR_HTTP1_GET, 404},
		{"/link", "404 Not Found\n", WEIR_HTTP1_GET, 404},
		{"/", "weir-httpd\n", WEIR_HTTP1_GET, 200},
		{"", "weir-httpd\n", WEIR_HTTP1_GET, 200},
		{"/health", "ok\n", WEIR_HTTP1_GET, 200},
		{"/bytes/0", "0", WEIR_HTTP1_GET, 200},
		{"/bytes/1000", "1000", WEIR_HTTP1_GET, 200},
		{"/bytes/1001", "404 Not Found\n", WEIR_HTTP1_GET, 404},
		{"/bytes/", "404 Not Found\n", WEIR_HTTP1_GET, 404},
		{"/bytes/1x", "404 Not Found\n", WEIR_HTTP1_GET, 404},
		{"/%zz", "400 Bad Request\n", WEIR_HTTP1_GET, 400},
		{"/a.css", "405 Method Not Allowed\n", WEIR_HTTP1_POST, 405},
		{"/none", "404 Not Found\n", WEIR_HTTP1_POST, 404},
		{"*", "405 Method Not Allowed\n", WEIR_HTTP1_OPTIONS, 405},
		{"/", "501 Not Implemented\n", WEIR_HTTP1_OTHER, 501},
	};

	CU_ASSERT_EQUAL_FATAL(rc, 0);
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		uint16_t status;

		CU_ASSERT_STRING_EQUAL(body(f, cases[i].path, cases[i].method, &status),
				       cases[i].body);
		CU_ASSERT_EQUAL(status, cases[i].status);
	}
	files_free(f);
}

static void test_more_than_is_allowed_is_refused(void)
{
	int rc;

	CU_ASSERT_PTR_NULL(load(8, &rc));
	CU_ASSERT_EQUAL(rc, -EFBIG);
}

static void test_loading_survives_failing_allocations(void)
{
	struct files *f;
	int rc;

	files_free(load(100, &rc)); /* what the C library keeps is taken now */
	for (unsigned n = 1;; n++) {
		failalloc_at(n);
		f = load(100, &rc);
		files_free(f);
		if (failalloc_done())
			break;
		CU_ASSERT(rc < 0);
	}
	CU_ASSERT_EQUAL(rc, 0);
}

static void test_heads_in_pieces_are_kept_by_age(void)
{
	const struct httpd_section conf = {.partial = 3};
	struct httpd_worker w = {.conf = &conf, .limits = {.head_bytes = 100}};
	struct httpd_conn c[4] = {0};

	CU_ASSERT_EQUAL_FATAL(partials_create(&w), 0);
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT_PTR_NOT_NULL(partial_take(&w, &c[i], i));
	CU_ASSERT_PTR_NULL(partial_take(&w, &c[3], 3));
	CU_ASSERT_EQUAL(w.oldest, c[0].partial);
	partial_put(&w, &c[1]); /* from the middle, the end, the beginning */
	CU_ASSERT_EQUAL(c[1].partial, 0);
	partial_put(&w, &c[2]);
	CU_ASSERT_EQUAL(w.newest, c[0].partial);
	CU_ASSERT_PTR_NOT_NULL(partial_take(&w, &c[3], 4));
	partial_put(&w, &c[0]);
	CU_ASSERT_EQUAL(w.oldest, c[3].partial);
	CU_ASSERT_PTR_EQUAL(partial_of(&w, &c[3])->conn, &c[3]);
	memset(partial_piece(&w, &c[3]), 0, 100);
	partial_put(&w, &c[3]);
	partial_put(&w, &c[3]); /* has none any more */
	CU_ASSERT_EQUAL(w.oldest, 0);
	CU_ASSERT_EQUAL(w.newest, 0);
	partials_free(&w);
}

static void test_all_is_tidied_up(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", root);
	CU_ASSERT_EQUAL(system(command), 0);
}

WEIR_TESTS("apps/httpd", TEST(dates_are_those_of_the_c_library),
	   TEST(heads_have_room_and_refusals_say_their_status),
	   TEST(files_are_found_by_their_one_path), TEST(more_than_is_allowed_is_refused),
	   TEST(loading_survives_failing_allocations), TEST(heads_in_pieces_are_kept_by_age),
	   TEST(all_is_tidied_up))
