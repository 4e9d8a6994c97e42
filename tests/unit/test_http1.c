/* SPDX-License-Identifier: BSD-3-Clause */

/* Heads of requests, whole and in pieces, and everything that is none. */

#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weir/http1.h>

static const struct weir_http1_limits limits = WEIR_HTTP1_LIMITS;

static int64_t read_text(const char *text, struct weir_http1 *h)
{
	*h = (struct weir_http1){0};
	return weir_http1_read(h, &limits, text, strlen(text));
}

static bool part_is(const char *text, struct weir_http1_part p, const char *wanted)
{
	return p.bytes == strlen(wanted) && memcmp(text + p.at, wanted, p.bytes) == 0;
}

static const char plain[] = "GET /a/b?c=d&e HTTP/1.1\r\n"
			    "Host: example.org:8080\r\n"
			    "User-Agent: curl/7.88.1\r\n"
			    "Accept:*/*\r\n"
			    "X-Empty:\r\n"
			    "X-Text: \t caf\xc3\xa9 \"quoted\"  \r\n"
			    "\r\n"
			    "GET /next HTTP/1.1\r\n";

static void check_plain(const struct weir_http1 *h)
{
	CU_ASSERT_EQUAL(h->method, WEIR_HTTP1_GET);
	CU_ASSERT_EQUAL(h->minor, 1);
	CU_ASSERT_TRUE(h->keep_alive);
	CU_ASSERT_FALSE(h->chunked);
	CU_ASSERT_FALSE(h->expects_continue);
	CU_ASSERT_EQUAL(h->body_bytes, 0);
	CU_ASSERT(part_is(plain, h->target, "/a/b?c=d&e"));
	CU_ASSERT(part_is(plain, h->path, "/a/b"));
	CU_ASSERT(part_is(plain, h->query, "c=d&e"));
	CU_ASSERT(part_is(plain, h->host, "example.org:8080"));
	CU_ASSERT_EQUAL(h->fields, 5);
}

static void test_a_request_ends_where_the_next_one_begins(void)
{
	struct weir_http1 h;
	const int64_t n = read_text(plain, &h);

	CU_ASSERT_EQUAL(n, strstr(plain, "GET /next") - plain);
	check_plain(&h);
}

/* Each piece lies in memory of just its size, and elsewhere than the one before. */
static void test_a_request_byte_by_byte_says_the_same(void)
{
	const size_t whole = (size_t)(strstr(plain, "GET /next") - plain);
	struct weir_http1 h = {0};

	for (size_t n = 0; n <= whole; n++) {
		char *piece = malloc(n > 0 ? n : 1);
		int64_t rc;

		CU_ASSERT_PTR_NOT_NULL_FATAL(piece);
		memcpy(piece, plain, n);
		rc = weir_http1_read(&h, &limits, piece, n);
		CU_ASSERT_EQUAL(rc, n < whole ? -EAGAIN : (int64_t)whole);
		free(piece);
	}
	check_plain(&h);
}

static void test_methods_targets_and_versions_are_told_apart(void)
{
	static const struct {
		const char *line;
		enum weir_http1_method method;
		uint8_t minor;
		const char *path, *query, *host;
	} cases[] = {
		{"HEAD / HTTP/1.0", WEIR_HTTP1_HEAD, 0, "/", "", "f"},
		{"POST /? HTTP/1.1", WEIR_HTTP1_POST, 1, "/", "", "f"},
		{"PUT //x HTTP/1.9", WEIR_HTTP1_PUT, 1, "//x", "", "f"},
		{"DELETE /?a?b HTTP/1.1", WEIR_HTTP1_DELETE, 1, "/", "a?b", "f"},
		{"OPTIONS * HTTP/1.1", WEIR_HTTP1_OPTIONS, 1, "*", "", "f"},
		{"OPTIONS /x HTTP/1.1", WEIR_HTTP1_OPTIONS, 1, "/x", "", "f"},
		{"TRACE /%7Eme|x HTTP/1.1", WEIR_HTTP1_TRACE, 1, "/%7Eme|x", "", "f"},
		{"PATCH /a:b@c HTTP/1.1", WEIR_HTTP1_PATCH, 1, "/a:b@c", "", "f"},
		{"get / HTTP/1.1", WEIR_HTTP1_OTHER, 1, "/", "", "f"},
		{"M-SEARCH / HTTP/1.1", WEIR_HTTP1_OTHER, 1, "/", "", "f"},
		{"GET http://h.example:81/p?q HTTP/1.1", WEIR_HTTP1_GET, 1, "/p", "q",
		 "h.example:81"},
		{"GET HTTP://h HTTP/1.1", WEIR_HTTP1_GET, 1, "", "", "h"},
		{"GET http://h?q HTTP/1.1", WEIR_HTTP1_GET, 1, "", "q", "h"},
		{"CONNECT [2001:db8::1]:443 HTTP/1.1", WEIR_HTTP1_CONNECT, 1, "", "",
		 "[2001:db8::1]:443"},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct weir_http1 h;
		char text[200];

		snprintf(text, sizeof(text), "%s\r\nHost: f\r\n\r\n", cases[i].line);
		CU_ASSERT_EQUAL(read_text(text, &h), (int64_t)strlen(text));
		CU_ASSERT_EQUAL(h.method, cases[i].method);
		CU_ASSERT_EQUAL(h.minor, cases[i].minor);
		CU_ASSERT(part_is(text, h.path, cases[i].path));
		CU_ASSERT(part_is(text, h.query, cases[i].query));
		CU_ASSERT(part_is(text, h.host, cases[i].host));
	}
	CU_ASSERT_STRING_EQUAL(weir_http1_method_name(WEIR_HTTP1_PATCH), "PATCH");
	CU_ASSERT_STRING_EQUAL(weir_http1_method_name(WEIR_HTTP1_OTHER), "other");
}

static void test_fields_say_what_follows_and_whether_the_connection_stays(void)
{
	static const struct {
		const char *version, *fields;
		bool keep_alive, chunked, expects;
		uint64_t body_bytes;
	} cases[] = {
		{"1.1", "", true, false, false, 0},
		{"1.0", "", false, false, false, 0},
		{"1.0", "Connection: Keep-Alive\r\n", true, false, false, 0},
		{"1.1", "Connection: close\r\n", false, false, false, 0},
		{"1.1", "CONNECTION: x ,, Close,y\r\n", false, false, false, 0},
		{"1.1", "Connection: closed\r\n", true, false, false, 0},
		{"1.0", "Connection: keep-alive\r\nConnection: close\r\n", false, false, false, 0},
		{"1.1", "content-length: 000123456789012345\r\n", true, false, false,
		 123456789012345},
		{"1.1", "Content-Length:7\r\nExpect: 100-Continue\r\n", true, false, true, 7},
		{"1.0", "Content-Length:7\r\nExpect: 100-continue\r\n", false, false, false, 7},
		{"1.1", "Transfer-Encoding: Chunked\r\n", true, true, false, 0},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct weir_http1 h;
		char text[200];

		snprintf(text, sizeof(text), "GET / HTTP/%s\r\nHost: f\r\n%s\r\n", cases[i].version,
			 cases[i].fields);
		CU_ASSERT_EQUAL(read_text(text, &h), (int64_t)strlen(text));
		CU_ASSERT_EQUAL(h.keep_alive, cases[i].keep_alive);
		CU_ASSERT_EQUAL(h.chunked, cases[i].chunked);
		CU_ASSERT_EQUAL(h.expects_continue, cases[i].expects);
		CU_ASSERT_EQUAL(h.body_bytes, cases[i].body_bytes);
	}
}

static void test_what_could_be_understood_in_two_ways_is_refused(void)
{
	static const struct {
		uint16_t status;
		const char *text;
	} cases[] = {
		{400, "\r\n\r\n"},
		{400, "\n"},
		{400, "GET /\r\n"}, /* HTTP/0.9 */
		{400, "GET  / HTTP/1.1\r\n"},
		{400, "GET / HTTP/1.1 \r\n"},
		{400, "GET / HTTP/1.1\n"},
		{400, "GET / HTTP/11\r\n"},
		{400, "GET / http/1.1\r\n"},
		{400, "GET / HTTP/1.x\r\n"},
		{400, " GET / HTTP/1.1\r\n"},
		{400, "G(T / HTTP/1.1\r\n"},
		{400, "GET /a\tb HTTP/1.1\r\n"},
		{400, "GET /a\x80 HTTP/1.1\r\n"},
		{400, "GET /a#b HTTP/1.1\r\n"},
		{400, "GET a HTTP/1.1\r\n"},
		{400, "GET * HTTP/1.1\r\n"},
		{400, "GET http:// HTTP/1.1\r\n"},
		{400, "GET http://user@host/ HTTP/1.1\r\n"},
		{400, "CONNECT /x HTTP/1.1\r\n"},
		{400, "GET / HTTP/1.1\r\nHost : f\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: f\r\n folded\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: f\r\nX\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: f\r\n: x\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: f\r\nX: a\x01\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: f\r\nX: a\rb\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: f\r\nX: a\nY: b\r\n"},
		{400, "GET / HTTP/1.1\r\n\r\n"}, /* no host */
		{400, "GET / HTTP/1.1\r\nHost: f\r\nHost: f\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: f/g\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: f g\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: f\r\nContent-Length: 5, 5\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: f\r\nContent-Length: 5\r\nContent-Length: 5\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: f\r\nContent-Length: +5\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: f\r\nContent-Length:\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: f\r\nContent-Length: 1000000000000000000\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: f\r\nContent-Length: 5\r\n"
		      "Transfer-Encoding: chunked\r\n\r\n"},
		{400, "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n"},
		{400, "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
		      "Transfer-Encoding: chunked\r\n"},
		{501, "GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n"},
		{501, "GET / HTTP/1.1\r\nTransfer-Encoding: chunked;x=y\r\n"},
		{417, "GET / HTTP/1.1\r\nExpect: a-miracle\r\n"},
		{505, "GET / HTTP/2.0\r\n"},
		{505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct weir_http1 h;

		CU_ASSERT_EQUAL(read_text(cases[i].text, &h), -EPROTO);
		CU_ASSERT_EQUAL(h.status, cases[i].status);
	}
}

static void test_one_empty_line_before_a_request_is_passed_over(void)
{
	struct weir_http1 h;
	const char text[] = "\r\nGET / HTTP/1.0\r\n\r\n";

	CU_ASSERT_EQUAL(read_text(text, &h), (int64_t)strlen(text));
	CU_ASSERT(part_is(text, h.path, "/"));
}

static void test_what_is_too_long_is_refused_before_it_has_come(void)
{
	const struct weir_http1_limits small = {.line_bytes = 20, .head_bytes = 50, .fields = 2};
	static const struct {
		const char *text;
		int64_t rc;
		uint16_t status;
	} cases[] = {
		{"GET /1234 HTTP/1.0\r\n\r\n", 22, 0},
		{"GET /12345 HTTP/1.0\r\n\r\n", -EPROTO, 414},
		{"GET /1234567890123456", -EPROTO, 414},
		{"GET / HTTP/1.0\r\na:1\r\nb:2\r\n\r\n", 28, 0},
		{"GET / HTTP/1.0\r\na:1\r\nb:2\r\nc:3\r\n", -EPROTO, 431},
		{"GET / HTTP/1.0\r\nabcdef: 12345678901234567890123\r\n", -EAGAIN, 0},
		{"GET / HTTP/1.0\r\nabcdef: 1234567890123456789012345678", -EPROTO, 431},
		{"GET / HTTP/1.0\r\nabcdef: 1234567890123456789012345\r\n\r\n", -EPROTO, 431},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct weir_http1 h = {0};

		CU_ASSERT_EQUAL(weir_http1_read(&h, &small, cases[i].text, strlen(cases[i].text)),
				cases[i].rc);
		CU_ASSERT_EQUAL(h.status, cases[i].status);
	}
}

/* ---- chunks ---- */

/* Read @text in pieces of @step bytes; its content goes to out. @return bytes, or -EPROTO. */
static int64_t unchunk(const char *text, size_t bytes, size_t step, char *out, size_t *n_out,
		       bool *done)
{
	struct weir_http1_chunks c = {0};
	size_t at = 0;

	*n_out = 0;
	*done = false;
	while (at < bytes && !*done) {
		const size_t n = bytes - at < step ? bytes - at : step;
		char *piece = malloc(n);
		struct weir_http1_part data;
		int64_t rc;

		CU_ASSERT_PTR_NOT_NULL_FATAL(piece);
		memcpy(piece, text + at, n);
		rc = weir_http1_chunked(&c, piece, n, &data, done);
		if (rc > 0) {
			CU_ASSERT(data.at + data.bytes <= (uint64_t)rc && rc <= (int64_t)n);
			memcpy(out + *n_out, piece + data.at, data.bytes);
			*n_out += data.bytes;
			at += (size_t)rc;
		}
		free(piece);
		if (rc <= 0)
			return rc;
	}
	return (int64_t)at;
}

static void test_chunks_in_pieces_of_any_size_come_to_one_body(void)
{
	static const char text[] = "4\r\nWiki\r\n"
				   "00a;name=\"v\" ; x\r\nin \r\nchunk\r\n"
				   "B \r\ns.\r\n\r\n5\r\n12\r\n"
				   "0\r\nTrailer: x\r\nMore:\ty\r\n\r\nGET";
	const size_t whole = strlen(text) - 3;

	for (size_t step = 1; step < sizeof(text); step++) {
		char out[64];
		size_t n;
		bool done;

		CU_ASSERT_EQUAL(unchunk(text, strlen(text), step, out, &n, &done), (int64_t)whole);
		CU_ASSERT_TRUE(done);
		CU_ASSERT(n == 25 && memcmp(out, "Wikiin \r\nchunks.\r\n\r\n5\r\n12", 25) == 0);
	}
}

static void test_what_is_not_chunked_is_refused(void)
{
	static const char *const cases[] = {
		"\r\n",
		"x",
		"-1\r\n",
		"0x4\r\n",
		"4\n",
		"4\r\nWikiX",
		"4\r\nWiki\rX",
		"4;a\nb\r\n",
		"0\r\nX: a\nb",
		"0\r\n\rX",
		"1234567890abcdef1\r\n",
		"4;\x01\r\n",
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char out[64];
		size_t n;
		bool done;

		CU_ASSERT_EQUAL(unchunk(cases[i], strlen(cases[i]), 1, out, &n, &done), -EPROTO);
		CU_ASSERT_EQUAL(unchunk(cases[i], strlen(cases[i]), 99, out, &n, &done), -EPROTO);
	}
}

static void test_lines_between_chunks_are_bounded(void)
{
	struct weir_http1_chunks c = {0};
	struct weir_http1_part data;
	bool done;
	char endless[5000];

	memset(endless, 'x', sizeof(endless));
	CU_ASSERT_EQUAL(weir_http1_chunked(&c, "1;", 2, &data, &done), 2);
	CU_ASSERT_EQUAL(weir_http1_chunked(&c, endless, sizeof(endless), &data, &done), -EPROTO);
}

/* ---- paths ---- */

static void test_a_resource_has_one_path(void)
{
	static const struct {
		const char *path, *out; /* NULL: none */
	} cases[] = {
		{"/", "/"},
		{"/a/b", "/a/b"},
		{"/a%2Fb%20c%c3%A9", "/a/b c\xc3\xa9"},
		{"/./a/./b/.", "/a/b/"},
		{"/a/../b", "/b"},
		{"/a/b/..", "/a/"},
		{"/a/b/../", "/a/"},
		{"/../../etc/passwd", "/etc/passwd"},
		{"/%2e%2E/%2e%2e%2fetc", "/etc"},
		{"/a//b///", "/a/b/"},
		{"/...", "/..."},
		{"/.a/..b", "/.a/..b"},
		{"/100%25", "/100%"},
		{"", NULL},
		{"a", NULL},
		{"*", NULL},
		{"/%", NULL},
		{"/%4", NULL},
		{"/%4g", NULL},
		{"/%00", NULL},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char out[64];
		const int64_t n = weir_http1_path(cases[i].path, strlen(cases[i].path), out);

		if (cases[i].out == NULL) {
			CU_ASSERT_EQUAL(n, -EPROTO);
		} else {
			CU_ASSERT_EQUAL(n, (int64_t)strlen(cases[i].out));
			CU_ASSERT_STRING_EQUAL(out, cases[i].out);
		}
	}
}

WEIR_TESTS("proto/http1", TEST(a_request_ends_where_the_next_one_begins),
	   TEST(a_request_byte_by_byte_says_the_same),
	   TEST(methods_targets_and_versions_are_told_apart),
	   TEST(fields_say_what_follows_and_whether_the_connection_stays),
	   TEST(what_could_be_understood_in_two_ways_is_refused),
	   TEST(one_empty_line_before_a_request_is_passed_over),
	   TEST(what_is_too_long_is_refused_before_it_has_come),
	   TEST(chunks_in_pieces_of_any_size_come_to_one_body),
	   TEST(what_is_not_chunked_is_refused), TEST(lines_between_chunks_are_bounded),
	   TEST(a_resource_has_one_path))
