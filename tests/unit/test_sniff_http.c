/* SPDX-License-Identifier: BSD-3-Clause */

/* Hosts of HTTP requests, however they are written and cut. */

#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <weir/sniff.h>

#include "sniff_captures.h"

static enum weir_sniff_result sniff(const char *text, struct weir_sniff *s)
{
	*s = (struct weir_sniff){0};
	return weir_sniff_http((const uint8_t *)text, strlen(text), s);
}

static void test_requests_of_real_clients_are_read(void)
{
	struct weir_sniff s;

	CU_ASSERT_EQUAL(sniff(request_curl, &s), WEIR_SNIFF_FOUND);
	CU_ASSERT_STRING_EQUAL(s.name, "blog.example.org");
	CU_ASSERT_EQUAL(sniff(request_proxied, &s), WEIR_SNIFF_FOUND);
	CU_ASSERT_STRING_EQUAL(s.name, "absolute.example.com");
	CU_ASSERT_EQUAL(sniff(request_connect, &s), WEIR_SNIFF_FOUND);
	CU_ASSERT_STRING_EQUAL(s.name, "tunnel.example.com");
}

/* Each prefix lies in memory of just its size. */
static void test_a_request_byte_by_byte_says_the_same(void)
{
	const char *const texts[] = {request_curl, request_proxied, request_connect};

	for (unsigned i = 0; i < 3; i++) {
		struct weir_sniff all, s = {0};
		enum weir_sniff_result r = WEIR_SNIFF_NEED_MORE;

		CU_ASSERT_EQUAL(sniff(texts[i], &all), WEIR_SNIFF_FOUND);
		for (size_t n = 1; n <= strlen(texts[i]) && r == WEIR_SNIFF_NEED_MORE; n++) {
			uint8_t *p = malloc(n);

			CU_ASSERT_FATAL(p != NULL);
			memcpy(p, texts[i], n);
			r = weir_sniff_http(p, n, &s);
			CU_ASSERT(r == WEIR_SNIFF_FOUND || s.need_bytes == n + 1);
			CU_ASSERT(s.seen_bytes <= n);
			free(p);
		}
		CU_ASSERT_EQUAL(r, WEIR_SNIFF_FOUND);
		CU_ASSERT_STRING_EQUAL(s.name, all.name);
	}
}

static void test_hosts_are_found_in_every_form(void)
{
	static const struct {
		const char *text, *name;
	} cases[] = {
		{"GET / HTTP/1.1\r\nHost: a.example\r\n", "a.example"},
		{"GET / HTTP/1.0\nhOsT:\t a.example:80 \t\n", "a.example"},
		{"\r\n\r\nPOST /x HTTP/1.1\r\nA: b\r\n c: d\r\nHost:a.example.\r\n", "a.example"},
		{"GET http://u:p@b.example:1/?x#y HTTP/1.1\r\nHost: a.example\r\n", "b.example"},
		{"GET http://b.example?x HTTP/1.1\r\n", "b.example"},
		{"GET /http://b.example/ HTTP/1.1\r\nHost: a.example\r\n", "a.example"},
		{"OPTIONS * HTTP/1.1\r\nHost: a.example\r\n", "a.example"},
		{"CONNECT c.example:443 HTTP/1.1\r\n", "c.example"},
		{"VERSION-CONTROL / HTTP/1.1\r\nHost: a.example\r\n", "a.example"},
		{"GET / HTTP/1.1\r\nHosts: b.example\r\nHost : b\r\nHost: a.example\r\n",
		 "a.example"},
		{"GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n", "a.example"},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct weir_sniff s;

		CU_ASSERT_EQUAL(sniff(cases[i].text, &s), WEIR_SNIFF_FOUND);
		CU_ASSERT_STRING_EQUAL(s.name, cases[i].name);
	}
}

static void test_a_request_without_a_host_ends_with_its_fields(void)
{
	struct weir_sniff s;

	CU_ASSERT_EQUAL(sniff("GET / HTTP/1.0\r\nA: b\r\n", &s), WEIR_SNIFF_NEED_MORE);
	CU_ASSERT_EQUAL(sniff("GET / HTTP/1.0\r\nA: b\r\n\r\n", &s), WEIR_SNIFF_FOUND);
	CU_ASSERT_STRING_EQUAL(s.name, "");
	CU_ASSERT_FALSE(s.bad_name);
	CU_ASSERT_EQUAL(sniff("GET / HTTP/1.1\r\nHost:\r\n", &s), WEIR_SNIFF_FOUND);
	CU_ASSERT_STRING_EQUAL(s.name, "");
	CU_ASSERT_EQUAL(sniff("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n", &s),
			WEIR_SNIFF_FOUND);
	CU_ASSERT(s.bad_name);
}

static void test_what_is_no_request_is_none(void)
{
	static const char *const texts[] = {
		"get / HTTP/1.1\r\n",
		" GET / HTTP/1.1\r\n",
		"GET /\r\n",
		"GET / HTTP/2.0\r\n",
		"GET \r\n",
		"GET  HTTP/1.1\r\n",
		"GET / HTTP/1.1 \r\n",
		"GET /\x01 HTTP/1.1\r\n",
		"MAIL FROM:<a@b>\r\n",
		"G\r\n",
		"AMETHODTHATISMUCHTOOLONG / HTTP/1.1\r\n",
		"\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	};

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct weir_sniff s;

		CU_ASSERT_EQUAL(sniff(texts[i], &s), WEIR_SNIFF_NOT_IT);
	}
}

static void test_a_host_that_is_not_the_targets_is_unreadable(void)
{
	static const struct {
		const char *text;
		bool unreadable;
	} cases[] = {
		{"GET http://a.example/ HTTP/1.1\r\nHost: A.Example.:80 \r\n\r\n", false},
		{"CONNECT a.example:443 HTTP/1.1\r\nHost:a.example:443\r\n\r\n", false},
		{"GET http://a.example/ HTTP/1.1\r\nA: b\r\n\r\n", false},
		{"GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n", true},
		{"GET http://a.example/ HTTP/1.1\r\nHost: a.example.net\r\n\r\n", true},
		{"GET http://a.example/ HTTP/1.1\r\nHost: a.exampl\r\n\r\n", true},
		{"GET http://a.example/ HTTP/1.1\r\nHost:\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nHost: a.example:80\r\n\r\n", false},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct weir_sniff s = {.proto = WEIR_SNIFF_HTTP};
		const uint8_t *p = (const uint8_t *)cases[i].text;
		const size_t bytes = strlen(cases[i].text);
		struct weir_sniff_rest rest = {0};

		CU_ASSERT_EQUAL(weir_sniff_http(p, bytes, &s), WEIR_SNIFF_FOUND);
		CU_ASSERT_EQUAL(weir_sniff_rest(p, bytes, &s, &rest), bytes);
		CU_ASSERT(rest.over);
		CU_ASSERT_EQUAL(s.unreadable, cases[i].unreadable);
	}
}

/* Pass over the first message of a text in pieces. */
static size_t pass_over(const char *text, size_t step, struct weir_sniff *s,
			struct weir_sniff_rest *rest)
{
	const size_t bytes = strlen(text);
	size_t at = 0;

	*s = (struct weir_sniff){.proto = WEIR_SNIFF_HTTP};
	*rest = (struct weir_sniff_rest){0};
	while (at < bytes && !rest->over && !rest->lost)
		at += weir_sniff_rest((const uint8_t *)text + at,
				      step < bytes - at ? step : bytes - at, s, rest);
	return at;
}

#define HEAD "\r\n\r\nPOST / HTTP/1.1\r\nHost: a.example\r\n"
#define NEXT "GET / HTTP/1.1\r\nHost: b.example\r\n\r\n"

static void test_the_next_request_begins_where_the_body_ends(void)
{
	static const char *const messages[] = {
		HEAD "\r\n",
		"GET / HTTP/1.0\nHost: a\n\n",
		HEAD "Content-Length: 0\r\n\r\n",
		HEAD "content-LENGTH:\t12  \r\n\r\nGET / HTTP/1",
		HEAD "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
		HEAD "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
		HEAD "Transfer-Encoding: chunked\r\n\r\n1;a=b\r\n\n\r\n0012 \r\nGET / "
		     "HTTP/1.1\r\n\r\n\r\n0\r\nHost: c\r\nX: y\r\n\r\n",
		HEAD "A-field-with-a-very-long-name: and a value: that is long\r\n\r\n",
	};
	char text[512];

	for (unsigned i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		snprintf(text, sizeof(text), "%s%s", messages[i], NEXT);
		for (size_t step = 1; step <= strlen(text); step++) {
			struct weir_sniff_rest rest;
			struct weir_sniff s;

			CU_ASSERT_EQUAL(pass_over(text, step, &s, &rest), strlen(messages[i]));
			CU_ASSERT(rest.over && !rest.lost && !rest.tunnel);
			CU_ASSERT_FALSE(s.unreadable);
		}
	}
}

static void test_what_readers_take_for_different_requests_is_unreadable(void)
{
	static const struct {
		const char *text;
		bool lost;
	} cases[] = {
		{HEAD "Host: b.example\r\n\r\n", false},
		{HEAD "hOST:\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nHost : a.example\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nHost\t: a.example\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nHost:\r\n a.example\r\n\r\n", false},
		{"GET / HTTP/1.1\r\n Host: a.example\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nA: b\rHost: a.example\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nHost\r\n\r\n", false},
		{HEAD "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false},
		{HEAD "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", true},
		{HEAD "Content-Length: 1, 1\r\n\r\n", true},
		{HEAD "Content-Length: -1\r\n\r\n", true},
		{HEAD "Content-Length:\r\n\r\n", true},
		{HEAD "Content-Length: 99999999999999999999\r\n\r\n", true},
		{HEAD "Transfer-Encoding: xchunked\r\n\r\n", true},
		{HEAD "Transfer-Encoding: chunked\r\n\r\nx\r\n", true},
		{HEAD "Transfer-Encoding: chunked\r\n\r\n1x\r\n", true},
		{HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", true},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t step = 1; step < 60; step += 7) {
			struct weir_sniff_rest rest;
			struct weir_sniff s;

			pass_over(cases[i].text, step, &s, &rest);
			CU_ASSERT(s.unreadable);
			CU_ASSERT_EQUAL(rest.lost, cases[i].lost);
			CU_ASSERT_EQUAL(rest.over, !cases[i].lost);
		}
	}
}

static void test_behind_a_tunnels_head_anything_may_follow(void)
{
	struct weir_sniff_rest rest;
	struct weir_sniff s;

	pass_over("CONNECT a.example:443 HTTP/1.1\r\nContent-Length: 5\r\n\r\n", 9, &s, &rest);
	CU_ASSERT(rest.over && rest.tunnel);
	pass_over(HEAD "Upgrade: websocket\r\n\r\n", 9, &s, &rest);
	CU_ASSERT(rest.over && rest.tunnel);
	weir_sniff_next_begin(&s, &rest);
	CU_ASSERT_EQUAL(weir_sniff_next((const uint8_t *)"SSH-2.0", 7, &s), WEIR_SNIFF_FOUND);
	CU_ASSERT_EQUAL(s.proto, WEIR_SNIFF_SSH);
	pass_over(HEAD "\r\n", 9, &s, &rest);
	weir_sniff_next_begin(&s, &rest);
	CU_ASSERT_EQUAL(weir_sniff_next((const uint8_t *)"SSH-2.0", 7, &s), WEIR_SNIFF_NOT_IT);
}

WEIR_TESTS("proto/sniff_http", TEST(requests_of_real_clients_are_read),
	   TEST(a_request_byte_by_byte_says_the_same), TEST(hosts_are_found_in_every_form),
	   TEST(a_request_without_a_host_ends_with_its_fields), TEST(what_is_no_request_is_none),
	   TEST(a_host_that_is_not_the_targets_is_unreadable),
	   TEST(the_next_request_begins_where_the_body_ends),
	   TEST(what_readers_take_for_different_requests_is_unreadable),
	   TEST(behind_a_tunnels_head_anything_may_follow))
