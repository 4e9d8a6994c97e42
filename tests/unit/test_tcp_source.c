/* SPDX-License-Identifier: BSD-3-Clause */

/* Limits of who connects: many clients on one stack, a server on the other, in virtual time. */

#include <errno.h>

#include "failalloc.h"
#include "tcp_source_priv.h"
#include "toy_pair.h"

#define A pair.end[0].stack
#define B pair.end[1].stack

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

static weir_sock listener;

/* 192.0.2.0/25 is anybody, .128/26 is trusted, .192/26 is denied. */
static enum weir_stack_judgement judge(void *ctx, const struct weir_addr *from)
{
	(void)ctx;
	return from->family == 6 || from->bytes[3] < 128 ? WEIR_SOURCE_LIMITED
	       : from->bytes[3] < 192			 ? WEIR_SOURCE_TRUSTED
							 : WEIR_SOURCE_DENIED;
}

static void begin(struct weir_stack_sources sources)
{
	pair_begin_with((struct weir_stack_conf){
		.connections = 512, .half_open = 64, .judge = judge, .sources = sources});
	listener = pair_listen(80, 256);
}

/* A connection from an address. */
static weir_sock from(const char *addr)
{
	const struct weir_endpoint to =
		toy_end(strchr(addr, ':') == NULL ? "192.0.2.2" : "2001:db8::2", 80);
	const struct weir_endpoint at = toy_end(addr, 0);
	weir_sock c;

	CU_ASSERT_EQUAL_FATAL(weir_socket(A, WEIR_TCP, NULL, &c), 0);
	CU_ASSERT_EQUAL_FATAL(weir_bind(A, c, &at), 0);
	CU_ASSERT_EQUAL_FATAL(weir_connect(A, c, &to), -EINPROGRESS);
	return c;
}

static bool is_open(weir_sock c)
{
	return (weir_sock_ready(A, c) & (WEIR_READY_OUT | WEIR_READY_ERR)) == WEIR_READY_OUT;
}

/* Both ends of it are gone. */
static void drop(weir_sock c)
{
	CU_ASSERT_EQUAL(weir_sock_abort(A, c), 0);
	pair_run(5 * MS);
	for (weir_sock a; weir_accept(B, listener, NULL, &a, NULL) == 0;)
		if (weir_sock_ready(B, a) & WEIR_READY_ERR)
			weir_sock_close(B, a);
}

static void test_a_source_has_as_many_connections_as_it_may(void)
{
	weir_sock c[4], other;

	begin((struct weir_stack_sources){.at_once = 8, .connections = 3});
	for (int i = 0; i < 4; i++) {
		c[i] = from("192.0.2.10");
		pair_run(5 * MS);
	}
	other = from("192.0.2.11");
	pair_run(5 * MS);
	for (int i = 0; i < 3; i++)
		CU_ASSERT(is_open(c[i]));
	CU_ASSERT_FALSE(is_open(c[3]));
	CU_ASSERT(is_open(other));
	CU_ASSERT_EQUAL(B->stats.tcp_source_connections, 1);
	CU_ASSERT_EQUAL(B->stats.tcp_sources, 2);
	drop(c[0]);
	pair_run(2 * S); /* its SYN comes again */
	CU_ASSERT(is_open(c[3]));
	pair_end();
}

static void test_who_begins_two_at_once_and_may_have_one_is_reset(void)
{
	weir_sock a, b;

	begin((struct weir_stack_sources){.at_once = 8, .connections = 1});
	a = from("192.0.2.10");
	b = from("192.0.2.10");
	pair_run(5 * MS);
	CU_ASSERT_EQUAL(is_open(a) + is_open(b), 1);
	CU_ASSERT((weir_sock_ready(A, a) | weir_sock_ready(A, b)) & WEIR_READY_ERR);
	CU_ASSERT_EQUAL(B->stats.tcp_half_open, 0);
	CU_ASSERT_EQUAL(B->stats.tcp_source_connections, 1);
	pair_end();
}

static void test_no_more_sources_than_may_be_at_once(void)
{
	weir_sock a, b, c;

	begin((struct weir_stack_sources){.at_once = 2, .connections = 3});
	a = from("192.0.2.10");
	b = from("192.0.2.11");
	pair_run(5 * MS);
	c = from("192.0.2.12");
	pair_run(5 * MS);
	CU_ASSERT(is_open(a) && is_open(b) && !is_open(c));
	CU_ASSERT_EQUAL(B->stats.tcp_sources_full, 1);
	drop(b);
	pair_run(2 * S);
	CU_ASSERT(is_open(c)); /* the place of who is gone */
	CU_ASSERT_EQUAL(B->stats.tcp_sources, 2);
	pair_end();
}

static void test_a_source_is_a_prefix(void)
{
	weir_sock six[2], four[2];

	begin((struct weir_stack_sources){.at_once = 8, .connections = 1, .prefix4 = 30});
	six[0] = from("2001:db8:0:1::1");
	four[0] = from("192.0.2.8");
	pair_run(5 * MS);
	six[1] = from("2001:db8:0:1:ffff::1");
	four[1] = from("192.0.2.11");
	pair_run(5 * MS);
	CU_ASSERT(is_open(six[0]) && is_open(four[0]));
	CU_ASSERT_EQUAL(is_open(six[1]) + is_open(four[1]), 0);
	CU_ASSERT_EQUAL(B->stats.tcp_source_connections, 2);
	four[1] = from("192.0.2.12");
	six[1] = from("2001:db8:0:2::1");
	pair_run(5 * MS);
	CU_ASSERT(is_open(six[1]) && is_open(four[1]));
	pair_end();
}

static void test_who_opens_too_many_in_a_second_waits(void)
{
	unsigned open = 0;
	weir_sock c[12];

	begin((struct weir_stack_sources){.at_once = 8, .rate = 4, .burst = 3});
	for (int i = 0; i < 12; i++) {
		c[i] = from("192.0.2.10");
		pair_run(5 * MS);
	}
	for (int i = 0; i < 12; i++)
		open += is_open(c[i]);
	CU_ASSERT_EQUAL(open, 4);
	CU_ASSERT_EQUAL(B->stats.tcp_source_rate, 8);
	CU_ASSERT_EQUAL(B->stats.tcp_source_blocks, 0);
	pair_run(40 * S); /* SYNs that come again */
	open = 0;
	for (int i = 0; i < 12; i++)
		open += is_open(c[i]);
	CU_ASSERT_EQUAL(open, 12);
	pair_end();
}

static void test_who_opens_too_many_is_blocked_each_time_for_longer(void)
{
	uint64_t last = 0;

	begin((struct weir_stack_sources){
		.at_once = 8, .rate = 1000, .burst = 2, .block_ns = 100 * MS});
	for (int round = 0; round < 3; round++) {
		const uint64_t from_ns = pair.now_ns;
		weir_sock c = WEIR_NO_SOCK;

		while (B->stats.tcp_source_blocks == (uint64_t)round) {
			(void)from("192.0.2.10"); /* all at once */
			(void)from("192.0.2.10");
			(void)from("192.0.2.10");
			(void)from("192.0.2.10");
			pair_run(3 * MS);
		}
		CU_ASSERT(pair.now_ns - from_ns < 50 * MS);
		last = pair.now_ns;
		do {
			if (c != WEIR_NO_SOCK)
				drop(c);
			c = from("192.0.2.10");
			pair_run(5 * MS);
		} while (!is_open(c));
		CU_ASSERT(pair.now_ns - last >= (90 * MS) << round);
		CU_ASSERT(pair.now_ns - last < (120 * MS) << round);
	}
	CU_ASSERT(B->stats.tcp_source_blocked > 0);
	pair_end();
}

static void test_who_is_trusted_has_no_limits_and_who_is_denied_no_answer(void)
{
	weir_sock trusted[5], denied;

	begin((struct weir_stack_sources){.at_once = 1, .connections = 1, .rate = 1});
	for (int i = 0; i < 5; i++)
		trusted[i] = from("192.0.2.130");
	denied = from("192.0.2.200");
	pair_run(50 * MS);
	for (int i = 0; i < 5; i++)
		CU_ASSERT(is_open(trusted[i]));
	CU_ASSERT_FALSE(is_open(denied));
	CU_ASSERT_EQUAL(B->stats.tcp_source_denied, 1);
	CU_ASSERT_EQUAL(B->stats.tcp_sources, 0);
	pair_end();
}

static bool lose_answers_to_10(struct pair *p, int who, struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);

	(void)p;
	return who == 0 || ip[19] != 10;
}

static void test_who_begins_many_and_finishes_none_gets_cookies(void)
{
	weir_sock honest;

	begin((struct weir_stack_sources){.at_once = 8, .half_open = 4});
	pair.passes = lose_answers_to_10; /* 192.0.2.10 does not hear us: it is not who it says */
	for (int i = 0; i < 20; i++)
		(void)from("192.0.2.10");
	pair_run(5 * MS);
	CU_ASSERT_EQUAL(B->stats.tcp_half_open, 4);
	CU_ASSERT_EQUAL(B->stats.tcp_source_challenged, 16);
	CU_ASSERT_EQUAL(B->stats.tcp_cookies_out, 16);
	CU_ASSERT_EQUAL(B->stats.tcp_sources, 0); /* it has shown nothing */
	honest = from("192.0.2.11");
	pair_run(5 * MS);
	CU_ASSERT(is_open(honest));
	pair.passes = NULL; /* it was honest all the time: a cookie is as good */
	honest = from("192.0.2.10");
	pair_run(5 * MS);
	CU_ASSERT(is_open(honest));
	CU_ASSERT_EQUAL(B->stats.tcp_cookies_in, 1);
	pair_end();
}

static void test_create_says_what_is_wrong_and_survives_a_lack_of_memory(void)
{
	struct weir_stack_conf conf = {.pool = toy_only_pool(),
				       .sockets = 1,
				       .socket_pkts = 1,
				       .connections = 4,
				       .output = pair_output};
	const struct weir_stack_sources bad[] = {
		{.at_once = (1u << 24) + 1},
		{.at_once = 1, .prefix4 = 33},
		{.at_once = 1, .prefix6 = 129},
		{.at_once = 1, .rate = 1000000001},
		{.at_once = 1, .block_ns = UINT64_MAX / 64},
	};
	struct weir_stack *made = NULL;

	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		conf.sources = bad[i];
		CU_ASSERT_EQUAL(weir_stack_create(&conf, &made), -EINVAL);
	}
	conf.sources = (struct weir_stack_sources){.at_once = 100};
	FAILALLOC_EACH(n)
	{
		const int rc = weir_stack_create(&conf, &made);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
	}
	weir_stack_free(made);
}

WEIR_TESTS("tcp/source", TEST(a_source_has_as_many_connections_as_it_may),
	   TEST(who_begins_two_at_once_and_may_have_one_is_reset),
	   TEST(no_more_sources_than_may_be_at_once), TEST(a_source_is_a_prefix),
	   TEST(who_opens_too_many_in_a_second_waits),
	   TEST(who_opens_too_many_is_blocked_each_time_for_longer),
	   TEST(who_is_trusted_has_no_limits_and_who_is_denied_no_answer),
	   TEST(who_begins_many_and_finishes_none_gets_cookies),
	   TEST(create_says_what_is_wrong_and_survives_a_lack_of_memory))
