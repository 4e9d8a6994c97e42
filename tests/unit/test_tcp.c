/* SPDX-License-Identifier: BSD-3-Clause */

/* Connections between two stacks, from their beginning to their end. */

#include <errno.h>

#include "toy_pair.h"

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

#define A pair.end[0].stack
#define B pair.end[1].stack

static void check_echo(const char *to)
{
	weir_sock l, c, a;
	char text[16];

	pair_begin();
	l = pair_listen(80, 8);
	c = pair_connect(to, 80);
	pair_run(10 * MS);
	CU_ASSERT(weir_sock_ready(A, c) & WEIR_READY_OUT);
	a = pair_accept(l);
	CU_ASSERT_EQUAL(weir_recv(B, a, text, sizeof(text)), -EAGAIN);
	CU_ASSERT_EQUAL(weir_send(A, c, "hello", 5), 5);
	pair_run(10 * MS);
	CU_ASSERT_EQUAL(weir_recv(B, a, text, sizeof(text)), 5);
	CU_ASSERT_EQUAL(memcmp(text, "hello", 5), 0);
	CU_ASSERT_EQUAL(weir_send(B, a, "world!", 6), 6);
	pair_run(10 * MS);
	CU_ASSERT_EQUAL(weir_recv(A, c, text, sizeof(text)), 6);
	CU_ASSERT_EQUAL(weir_sock_close(A, c), 0);
	pair_run(10 * MS);
	CU_ASSERT_EQUAL(weir_recv(B, a, text, sizeof(text)), 0);
	CU_ASSERT_EQUAL(weir_sock_close(B, a), 0);
	pair_run(100 * MS);
	CU_ASSERT_EQUAL(A->stats.tcp_time_wait, 1);
	CU_ASSERT_EQUAL(A->stats.tcp_connections, 0);
	CU_ASSERT_EQUAL(B->stats.tcp_connections, 1);
	pair_run(70 * S);
	CU_ASSERT_EQUAL(A->stats.tcp_time_wait, 0);
	CU_ASSERT_EQUAL(A->stats.tcp_resent + B->stats.tcp_resent, 0);
	pair_end();
}

static void test_bytes_go_both_ways_and_the_connection_ends_in_time_wait(void)
{
	check_echo("192.0.2.2");
	check_echo("2001:db8::2");
}

/* Sends @bytes from A to B as a pattern; each is checked. */
static void bulk(weir_sock c, weir_sock a, uint64_t bytes)
{
	static uint8_t buf[65536];
	uint64_t sent = 0, got = 0;
	const uint64_t until_ns = pair.now_ns + 600 * S;

	while (got < bytes && pair.now_ns < until_ns) {
		int64_t n;

		while (sent < bytes) {
			const size_t part = RTE_MIN(sizeof(buf), bytes - sent);

			for (size_t i = 0; i < part; i++)
				buf[i] = (uint8_t)((sent + i) * 31 >> 3);
			n = weir_send(A, c, buf, part);
			if (n <= 0)
				break;
			sent += (uint64_t)n;
		}
		while ((n = weir_recv(B, a, buf, sizeof(buf))) > 0) {
			unsigned wrong = 0;

			for (int64_t i = 0; i < n; i++)
				wrong += buf[i] != (uint8_t)((got + (uint64_t)i) * 31 >> 3);
			CU_ASSERT_EQUAL(wrong, 0);
			got += (uint64_t)n;
		}
		pair_step(until_ns);
	}
	CU_ASSERT_EQUAL(got, bytes);
}

static void test_a_mebibyte_arrives_as_it_was_sent(void)
{
	weir_sock l, c;

	pair_begin_with((struct weir_stack_conf){.sndbuf_bytes = 128 << 10});
	l = pair_listen(80, 8);
	c = pair_connect("192.0.2.2", 80);
	pair_run(10 * MS);
	bulk(c, pair_accept(l), 1 << 20);
	CU_ASSERT_EQUAL(A->stats.tcp_resent, 0);
	pair_end();
}

static bool lose_some(struct pair *p, int who, struct rte_mbuf *m)
{
	(void)who;
	(void)m;
	return (p->sent[0] + p->sent[1]) % 23 != 0;
}

static void test_a_mebibyte_arrives_though_packets_are_lost(void)
{
	weir_sock l, c;

	pair_begin_with((struct weir_stack_conf){.sndbuf_bytes = 128 << 10});
	l = pair_listen(80, 8);
	c = pair_connect("192.0.2.2", 80);
	pair_run(10 * MS);
	pair.passes = lose_some;
	bulk(c, pair_accept(l), 1 << 20);
	CU_ASSERT(A->stats.tcp_resent > 0);
	pair_end();
}

static void test_nobody_listens_and_the_connection_is_refused(void)
{
	weir_sock c;
	int error = 0;
	uint32_t bytes = sizeof(error);

	pair_begin();
	c = pair_connect("192.0.2.2", 81);
	pair_run(10 * MS);
	CU_ASSERT(weir_sock_ready(A, c) & WEIR_READY_ERR);
	CU_ASSERT_EQUAL(weir_getsockopt(A, c, SOL_SOCKET, SO_ERROR, &error, &bytes), 0);
	CU_ASSERT_EQUAL(error, ECONNREFUSED);
	CU_ASSERT_EQUAL(weir_sock_close(A, c), 0);
	pair_end();
}

WEIR_TESTS("tcp", TEST(bytes_go_both_ways_and_the_connection_ends_in_time_wait),
	   TEST(a_mebibyte_arrives_as_it_was_sent),
	   TEST(a_mebibyte_arrives_though_packets_are_lost),
	   TEST(nobody_listens_and_the_connection_is_refused))
