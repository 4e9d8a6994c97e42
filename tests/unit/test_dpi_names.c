/* SPDX-License-Identifier: BSD-3-Clause */

/* Names that clients ask for, judged by domain sets, however their first message comes. */

#include "dpi_worker_priv.h"
#include "toy_dpi_worker.h"

#include "sniff_captures.h"

#define DOMAINS(...)                                   \
	.domains = (const char *const[]){__VA_ARGS__}, \
	.n_domains = sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *)

enum { EXCEPT, BLOCK, WATCH, APP };

static struct weir_dpi *compile_with(const char *patterns, enum weir_dpi_action unreadable)
{
	const struct weir_dpi_source source = toy_patterns(patterns != NULL ? patterns : "");
	const struct weir_dpi_set sets[] = {
		[EXCEPT] = {.name = "except", DOMAINS("good.example.net")},
		[BLOCK] = {.name = "block",
			   DOMAINS("example.com", "example.net"),
			   .action = WEIR_DPI_RESET},
		[WATCH] = {.name = "watch", DOMAINS("example.org"), .action = WEIR_DPI_ALERT},
		[APP] = {.name = "app",
			 DOMAINS("mixed-case.example.com"),
			 .action = WEIR_DPI_TAG,
			 .app = 5},
	};
	const struct weir_dpi_conf conf = {.sources = &source,
					   .n_sources = patterns != NULL,
					   .sets = sets,
					   .n_sets = 4,
					   .unreadable = unreadable,
					   .budget_bytes = WEIR_DPI_UNLIMITED,
					   .secret = {1, 2}};
	struct weir_dpi *d = NULL;

	CU_ASSERT_EQUAL_FATAL(weir_dpi_compile(&conf, &d, NULL), 0);
	return d;
}

static struct weir_dpi *compile(const char *patterns)
{
	return compile_with(patterns, WEIR_DPI_PASS);
}

static void finish(struct weir_dpi_worker *w, struct weir_dpi *d)
{
	uint32_t n = 0;

	for (uint32_t i = w->free_buffer; i != 0; i = w->buffer_next[i])
		n++;
	CU_ASSERT_EQUAL(n, w->conf.sniff_buffers);
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->used, 0);
	weir_dpi_worker_free(w);
	weir_dpi_free(d);
}

static void test_a_hello_in_pieces_of_any_order_is_judged_when_it_is_all_there(void)
{
	struct weir_dpi *d = compile("1:/never in it/");
	const uint32_t n = sizeof(hello_records);
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);

	for (uint32_t cut = 1; cut < n; cut += 7) {
		for (unsigned swapped = 0; swapped < 2; swapped++) {
			const struct toy_side s = toy_begin(w, d, 100);
			struct weir_dpi_verdict v;

			a.n = 0;
			for (unsigned i = 0; i < 2; i++) {
				v = i == swapped ? toy_give(&s, 0, hello_records, cut)
						 : toy_give(&s, cut, hello_records + cut, n - cut);
				if (i == 0)
					CU_ASSERT_EQUAL(v.action, WEIR_DPI_PASS);
			}
			CU_ASSERT_EQUAL(v.action, WEIR_DPI_RESET);
			CU_ASSERT_EQUAL(v.by, WEIR_DPI_BY_DOMAIN);
			CU_ASSERT_EQUAL(v.id, BLOCK);
			CU_ASSERT_EQUAL(a.n, 1);
			CU_ASSERT_STRING_EQUAL(a.name[0], "fragmented.example.net");
			CU_ASSERT_STRING_EQUAL(a.alert[0].message, "block");
			CU_ASSERT_EQUAL(weir_dpi_sniffed(w, s.state)->proto, WEIR_SNIFF_TLS);
			weir_dpi_end(w, d, s.state);
		}
	}
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->sniff_full, 0);
	finish(w, d);
}

static void test_a_request_is_judged_by_its_host(void)
{
	struct weir_dpi *d = compile("1:/never in it/");
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);
	struct toy_side s = toy_begin(w, d, 100);

	CU_ASSERT_EQUAL(toy_give(&s, 0, request_curl, sizeof(request_curl) - 1).action,
			WEIR_DPI_PASS);
	CU_ASSERT_EQUAL(a.n, 1);
	CU_ASSERT_EQUAL(a.alert[0].id, WATCH);
	CU_ASSERT_STRING_EQUAL(a.name[0], "blog.example.org");
	weir_dpi_end(w, d, s.state);
	s = toy_begin(w, d, 100); /* byte by byte */
	for (uint32_t i = 0; i < sizeof(request_connect) - 1; i++)
		if (toy_give(&s, i, request_connect + i, 1).action != WEIR_DPI_PASS)
			break;
	CU_ASSERT_EQUAL(toy_told(&a, BLOCK), 1);
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->names, 2);
	weir_dpi_end(w, d, s.state);
	s = toy_begin(w, d, 100); /* what the server says is no request */
	s.dir = WEIR_DIR_REPLY;
	CU_ASSERT_EQUAL(toy_give(&s, 0, request_connect, sizeof(request_connect) - 1).action,
			WEIR_DPI_PASS);
	weir_dpi_end(w, d, s.state);
	finish(w, d);
}

static void test_an_exception_passes(void)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: x.good.example.net\r\n";
	struct weir_dpi *d = compile(NULL);
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);
	struct toy_side s = toy_begin(w, d, 100);
	struct weir_dpi_verdict v = toy_give(&s, 0, text, sizeof(text) - 1);

	CU_ASSERT_EQUAL(v.action, WEIR_DPI_PASS);
	CU_ASSERT_FALSE(v.done); /* another request may follow */
	CU_ASSERT_EQUAL(a.n, 0);
	CU_ASSERT_STRING_EQUAL(weir_dpi_sniffed(w, s.state)->name, "x.good.example.net");
	weir_dpi_end(w, d, s.state);
	finish(w, d);
}

static void test_questions_are_judged_one_by_one(void)
{
	struct weir_dpi *d = compile(NULL);
	uint8_t other[sizeof(query_a)];
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);
	struct toy_side s = {.w = w, .d = d, .dir = WEIR_DIR_ORIG};

	memcpy(other, query_a, sizeof(other));
	other[13] = 'N'; /* "Nixed-Case" */
	s.state = weir_dpi_begin(w, d, &toy_udp);
	CU_ASSERT_EQUAL(toy_datagram(&s, other, sizeof(other)).action, WEIR_DPI_RESET);
	CU_ASSERT_STRING_EQUAL(weir_dpi_sniffed(w, s.state)->name, "nixed-case.example.com");
	CU_ASSERT_EQUAL(toy_datagram(&s, query_a, sizeof(query_a)).action, WEIR_DPI_PASS);
	CU_ASSERT_EQUAL(toy_datagram(&s, query_aaaa, sizeof(query_aaaa)).app, 5);
	CU_ASSERT_EQUAL(weir_dpi_sniffed(w, s.state)->dns_type, 28);
	CU_ASSERT_EQUAL(toy_datagram(&s, "?", 1).app, 5);
	CU_ASSERT_STRING_EQUAL(weir_dpi_sniffed(w, s.state)->name, "mixed-case.example.com");
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->names, 3);
	other[13] = ' ';
	CU_ASSERT_EQUAL(toy_datagram(&s, other, sizeof(other)).action, WEIR_DPI_PASS);
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->bad_names, 1);
	weir_dpi_end(w, d, s.state);
	finish(w, d);
}

static void test_first_messages_in_pieces_have_a_limit(void)
{
	struct weir_dpi *d = compile("1:/never in it/");
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);
	const struct weir_dpi_counters *c = weir_dpi_worker_counters(w);
	struct toy_side s[3];

	for (unsigned i = 0; i < 3; i++) {
		s[i] = toy_begin(w, d, 100);
		toy_give(&s[i], 0, "GET / HT", 8);
	}
	CU_ASSERT_EQUAL(c->sniff_full, 1); /* there are two buffers */
	toy_give(&s[2], 8, "TP/1.1\r\nHost: www.example.com\r\n", 31);
	CU_ASSERT_EQUAL(a.n, 0);
	toy_give(&s[1], 8, "TP/1.1\r\nHost: www.example.com\r\n", 31);
	CU_ASSERT_EQUAL(toy_told(&a, BLOCK), 1);
	for (uint32_t at = 8; at < 20000; at += 1000) {
		static char padding[1000];

		memset(padding, 'x', sizeof(padding));
		toy_give(&s[0], at, padding, sizeof(padding));
	}
	CU_ASSERT_EQUAL(c->sniff_long, 1);
	for (unsigned i = 0; i < 3; i++)
		weir_dpi_end(w, d, s[i].state);
	finish(w, d);
}

/* The message promises more than there is room for, but the name was there already. */
static void test_a_message_that_is_too_long_is_judged_by_what_is_known(void)
{
	struct weir_dpi *d = compile(NULL);
	uint8_t text[sizeof(hello_curl)];
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);
	const struct toy_side s = toy_begin(w, d, 100);
	size_t at = 5 + 4 + 2 + 32;

	memcpy(text, hello_curl, sizeof(text));
	text[6] = 1; /* 65,536 bytes more of handshake, all of them extensions */
	at += 1u + text[at];
	at += 2u + (text[at] << 8 | text[at + 1]);
	at += 1u + text[at];
	text[at] = 0xff;
	text[at + 1] = 0xff;
	text[6] = 0;
	text[7] = (uint8_t)((at + 2 + 0xffff - 9) >> 8);
	text[8] = (uint8_t)(at + 2 + 0xffff - 9);
	text[6] = (uint8_t)((at + 2 + 0xffff - 9) >> 16);
	CU_ASSERT_EQUAL(toy_give(&s, 0, text, sizeof(text)).action, WEIR_DPI_RESET);
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->sniff_long, 1);
	CU_ASSERT_STRING_EQUAL(a.name[0], "www.example.com");
	weir_dpi_end(w, d, s.state);
	finish(w, d);
}

static void test_new_sets_judge_the_names_of_flows_that_are_open(void)
{
	const struct weir_dpi_conf empty = {.budget_bytes = WEIR_DPI_UNLIMITED};
	struct weir_dpi *old = NULL, *fresh = compile("1:/x/");
	struct toy_alerts a;
	struct weir_dpi_worker *w;
	struct toy_side s, early;
	struct weir_dpi_verdict v;

	CU_ASSERT_EQUAL_FATAL(weir_dpi_compile(&empty, &old, NULL), 0);
	w = toy_worker(old, &a);
	s = toy_begin(w, old, 100);
	v = toy_give(&s, 0, hello_curl, sizeof(hello_curl));
	CU_ASSERT_EQUAL(v.action, WEIR_DPI_PASS);
	CU_ASSERT(v.done);
	early = toy_begin(w, old, 100);
	CU_ASSERT_EQUAL(toy_give(&early, 0, hello_curl, 100).action, WEIR_DPI_PASS);
	CU_ASSERT_EQUAL_FATAL(weir_dpi_worker_prepare(w, fresh, NULL), 0);
	weir_dpi_worker_retire(w, old);
	weir_dpi_free(old);
	s.d = early.d = fresh;
	CU_ASSERT_EQUAL(toy_give(&s, sizeof(hello_curl), "y", 1).action, WEIR_DPI_RESET);
	/* One that was being read goes on. */
	v = toy_give(&early, 100, hello_curl + 100, sizeof(hello_curl) - 100);
	CU_ASSERT_EQUAL(v.action, WEIR_DPI_RESET);
	CU_ASSERT_EQUAL(toy_told(&a, BLOCK), 2);
	weir_dpi_end(w, fresh, s.state);
	weir_dpi_end(w, fresh, early.state);
	finish(w, fresh);
}

static void test_a_budget_that_ends_in_the_first_message_ends_its_reading(void)
{
	const struct weir_dpi_set set = {
		.name = "s", DOMAINS("example.com"), .action = WEIR_DPI_DROP};
	const struct weir_dpi_conf conf = {.sets = &set, .n_sets = 1, .budget_bytes = 400};
	struct weir_dpi *d = NULL;
	struct toy_alerts a;
	struct weir_dpi_worker *w;
	struct toy_side s;

	CU_ASSERT_EQUAL_FATAL(weir_dpi_compile(&conf, &d, NULL), 0);
	w = toy_worker(d, &a);
	s = toy_begin(w, d, 100);
	/* The name is within the first 400 bytes: it counts. */
	CU_ASSERT_EQUAL(toy_give(&s, 0, hello_curl, sizeof(hello_curl)).action, WEIR_DPI_DROP);
	weir_dpi_end(w, d, s.state);
	s = toy_begin(w, d, 100);
	CU_ASSERT_EQUAL(toy_give(&s, 0, "GET /", 5).action, WEIR_DPI_PASS);
	for (uint32_t at = 5; at < 405; at++)
		toy_give(&s, at, "x", 1);
	CU_ASSERT(toy_give(&s, 405, "x", 1).done);
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->over_budget, 2);
	weir_dpi_end(w, d, s.state);
	finish(w, d);
}

#define OK(more)     "POST / HTTP/1.1\r\nHost: ok.test\r\n" more "\r\n"
#define BLOCKED	     "GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n"
#define DNS(length)  "\0" length "\x12\x34\1\0\0\1\0\0\0\0\0\0"
#define DNS_OK	     DNS("\x19") "\2ok\4test\0\0\1\0\1"
#define DNS_RESPONSE "\0\x11\x12\x34\x81\0\0\1\0\0\0\0\0\0\0\0\1\0\1"
#define DNS_BLOCKED  DNS("\x1d") "\7example\3com\0\0\1\0\1"

#define SIZED(text) text, sizeof(text) - 1

/* Whole, and in pieces of every size. */
static void test_every_message_of_a_connection_is_judged(void)
{
	static const struct {
		const char *text;
		uint32_t bytes;
	} cases[] = {
		{SIZED(OK("") BLOCKED)},
		{SIZED(OK("") OK("") "\r\n" BLOCKED)},
		{SIZED(OK("Content-Length: 16\r\n") "GET / HTTP/1.1\r\n" BLOCKED)},
		{SIZED(OK("Transfer-Encoding: chunked\r\n") "2\r\n\r\n\r\n0\r\n\r\n" BLOCKED)},
		{SIZED("CONNECT ok.test:80 HTTP/1.1\r\n\r\n" BLOCKED)},
		{SIZED(DNS_OK DNS_BLOCKED)},
		{SIZED(DNS_OK DNS_RESPONSE DNS_OK DNS_BLOCKED)},
	};
	struct weir_dpi *d = compile("1:/never in it/");
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (uint32_t step = 1; step <= cases[i].bytes; step++) {
			const struct toy_side s = toy_begin(w, d, 100);
			struct weir_dpi_verdict v = {.action = WEIR_DPI_PASS};

			a.n = 0;
			for (uint32_t at = 0; at < cases[i].bytes; at += step)
				v = toy_give(&s, at, cases[i].text + at,
					     RTE_MIN(step, cases[i].bytes - at));
			CU_ASSERT_EQUAL(v.action, WEIR_DPI_RESET);
			CU_ASSERT_EQUAL(toy_told(&a, BLOCK), 1);
			weir_dpi_end(w, d, s.state);
		}
	}
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->sniff_full, 0);
	finish(w, d);
}

static void test_what_cannot_be_read_is_counted_and_has_its_verdict(void)
{
	static const struct weir_dpi_flow to_dns = {7, 40000, 53, IPPROTO_TCP};
	static const struct {
		const char *text;
		uint32_t bytes;
		bool dns;
	} cases[] = {
		{SIZED(OK("Host: www.example.com\r\n")), false},
		{SIZED("GET / HTTP/1.1\r\nHost : www.example.com\r\n\r\n"), false},
		{SIZED("GET / HTTP/1.1\r\nHost:\r\n www.example.com\r\n\r\n"), false},
		{SIZED(OK("") "get / HTTP/1.1\r\n\r\n"), false},
		{SIZED("GET  / HTTP/1.1 \r\nHost: www.example.com\r\n\r\n"), false},
		{SIZED("\x16\3\1\0\5\1\0\0\1\0\0\0\0\0\0"), false},
		{SIZED("neither of them, and long enough to say so"), true},
		{SIZED(DNS_OK DNS_RESPONSE), true},
	};

	for (unsigned drop = 0; drop < 2; drop++) {
		struct weir_dpi *d = compile_with(NULL, drop ? WEIR_DPI_DROP : WEIR_DPI_PASS);
		struct toy_alerts a;
		struct weir_dpi_worker *w = toy_worker(d, &a);
		const struct weir_dpi_counters *c = weir_dpi_worker_counters(w);

		for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct toy_side s = toy_begin(w, d, 100);

			if (cases[i].dns) {
				weir_dpi_end(w, d, s.state);
				s.state = weir_dpi_begin(w, d, &to_dns);
			}
			CU_ASSERT_EQUAL(toy_give(&s, 0, cases[i].text, cases[i].bytes).action,
					drop ? WEIR_DPI_DROP : WEIR_DPI_PASS);
			CU_ASSERT_EQUAL(c->unreadable, i + 1);
			CU_ASSERT_EQUAL(toy_told(&a, WEIR_DPI_UNREADABLE), drop ? i + 1 : 0);
			weir_dpi_end(w, d, s.state);
		}
		finish(w, d);
	}
}

static void test_a_datagram_to_dns_that_is_no_query_is_unreadable(void)
{
	static const struct weir_dpi_flow elsewhere = {8, 40000, 54, IPPROTO_UDP};
	struct weir_dpi *d = compile_with(NULL, WEIR_DPI_DROP);
	uint8_t odd[sizeof(query_a)];
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);
	struct toy_side s = {.w = w, .d = d, .dir = WEIR_DIR_ORIG};

	memcpy(odd, query_a, sizeof(odd));
	odd[4] = 1; /* 257 questions */
	s.state = weir_dpi_begin(w, d, &toy_udp);
	CU_ASSERT_EQUAL(toy_datagram(&s, odd, sizeof(odd)).action, WEIR_DPI_DROP);
	CU_ASSERT_EQUAL(toy_datagram(&s, query_a, sizeof(query_a)).action, WEIR_DPI_PASS);
	odd[2] |= 0x80; /* a response asks nothing */
	CU_ASSERT_EQUAL(toy_datagram(&s, odd, sizeof(odd)).action, WEIR_DPI_PASS);
	weir_dpi_end(w, d, s.state);
	odd[2] &= 0x7f;
	s.state = weir_dpi_begin(w, d, &elsewhere);
	CU_ASSERT_EQUAL(toy_datagram(&s, odd, sizeof(odd)).action, WEIR_DPI_PASS);
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->unreadable, 1);
	weir_dpi_end(w, d, s.state);
	finish(w, d);
}

/* Its host may be behind what there is room for. */
static void test_a_head_that_is_too_long_is_refused_if_its_host_was_not_seen(void)
{
	static char text[17000];
	struct weir_dpi *d = compile_with(NULL, WEIR_DPI_DROP);
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);
	const struct toy_side s = toy_begin(w, d, 100);
	struct weir_dpi_verdict v = {.action = WEIR_DPI_PASS};

	memset(text, 'x', sizeof(text));
	memcpy(text, "GET / HTTP/1.1\r\nX: ", 19);
	for (uint32_t at = 0; at < sizeof(text); at += 1000)
		v = toy_give(&s, at, text + at, 1000);
	CU_ASSERT_EQUAL(v.action, WEIR_DPI_DROP);
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->sniff_long, 1);
	weir_dpi_end(w, d, s.state);
	finish(w, d);
}

WEIR_TESTS("tables/dpi_names", TEST(a_hello_in_pieces_of_any_order_is_judged_when_it_is_all_there),
	   TEST(a_request_is_judged_by_its_host), TEST(an_exception_passes),
	   TEST(questions_are_judged_one_by_one), TEST(first_messages_in_pieces_have_a_limit),
	   TEST(a_message_that_is_too_long_is_judged_by_what_is_known),
	   TEST(new_sets_judge_the_names_of_flows_that_are_open),
	   TEST(a_budget_that_ends_in_the_first_message_ends_its_reading),
	   TEST(every_message_of_a_connection_is_judged),
	   TEST(what_cannot_be_read_is_counted_and_has_its_verdict),
	   TEST(a_datagram_to_dns_that_is_no_query_is_unreadable),
	   TEST(a_head_that_is_too_long_is_refused_if_its_host_was_not_seen))
