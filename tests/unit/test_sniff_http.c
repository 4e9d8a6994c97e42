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

WEIR_TESTS("proto/sniff_http", TEST(requests_of_real_clients_are_read),
	   TEST(a_request_byte_by_byte_says_the_same), TEST(hosts_are_found_in_every_form),
	   TEST(a_request_without_a_host_ends_with_its_fields), TEST(what_is_no_request_is_none))
