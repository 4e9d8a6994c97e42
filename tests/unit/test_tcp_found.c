/* SPDX-License-Identifier: BSD-3-Clause */

/* What the simulation of tests/sim has found, each as a test that can be read. */

#include <errno.h>

#include "tcp_priv.h"
#include "toy_pair.h"

#define MS UINT64_C(1000000)
#define S  (1000 * MS)

#define A pair.end[0].stack
#define B pair.end[1].stack

/* A window that is smaller than a segment for ever: RFC 9293 section 3.8.6.2.1's override. */
static void test_a_window_below_a_segment_does_not_stall_the_sender(void)
{
	static uint8_t bytes[100000], text[4096];
	uint64_t sent = 0, got = 0;
	weir_sock l, c, a;

	pair_begin();
	l = pair_listen(80, 8);
	c = pair_connect("192.0.2.2", 80);
	pair_run(10 * MS);
	a = pair_accept(l);
	conn_by(B, a)->rcvbuf = 1000;
	for (int i = 0; i < 40000 && got < sizeof(bytes); i++) {
		int64_t n;

		if (sent < sizeof(bytes) && (n = weir_send(A, c, bytes, sizeof(bytes) - sent)) > 0)
			sent += (uint64_t)n;
		while ((n = weir_recv(B, a, text, sizeof(text))) > 0)
			got += (uint64_t)n;
		pair_run(MS);
	}
	CU_ASSERT_EQUAL(got, sizeof(bytes));
	pair_end();
}

/* A segment that was sent again has an older number and a newer ACK, whose window is to be
 * believed. */
static void test_a_newer_ack_in_an_older_segment_sets_the_window(void)
{
	weir_sock l, c;
	struct conn *k;
	struct segment g;

	pair_begin();
	l = pair_listen(80, 8);
	c = pair_connect("192.0.2.2", 80);
	pair_run(10 * MS);
	k = conn_by(A, c);
	CU_ASSERT_EQUAL(weir_send(A, c, "hello", 5), 5);
	(void)weir_stack_poll(A, pair.now_ns);
	g = (struct segment){
		.seq = k->rcv_nxt, .ack = k->snd_nxt, .wnd = 2, .flags = TCP_ACK, .ends = k->ends};
	k->snd_wl1 = k->rcv_nxt + 1000; /* what came before its turn */
	conn_input(k, &g);
	CU_ASSERT_EQUAL(k->snd_wnd, 2u << k->scale_out);
	CU_ASSERT_EQUAL(k->snd_wl1, k->rcv_nxt + 1000);
	pair_run(10 * MS);
	(void)pair_accept(l);
	pair_end();
}

/* Two peers that begin at once, and a place for one: the other's options are in its cookie alone.
 */
static void begin_with_a_cookie(weir_sock *l, weir_sock *c)
{
	pair_begin_with((struct weir_stack_conf){.half_open = 1});
	*l = pair_listen(80, 8);
	for (int i = 0; i < 2; i++)
		c[i] = pair_connect("192.0.2.2", 80);
}

static void test_a_cookie_keeps_scale_and_sack(void)
{
	weir_sock l, c[2];

	begin_with_a_cookie(&l, c);
	pair_run(10 * MS);
	CU_ASSERT_EQUAL(B->stats.tcp_cookies_in, 1);
	for (int i = 0; i < 2; i++) {
		const struct conn *k = conn_by(B, pair_accept(l));

		CU_ASSERT(k->flags & CONN_SACK);
		CU_ASSERT(k->flags & CONN_SCALE);
		CU_ASSERT_EQUAL(k->scale_out, A->tcp->scale_in);
	}
	pair_end();
}

static struct rte_mbuf *kept_syn;

static uint16_t port_of_packet(struct rte_mbuf *m)
{
	return *rte_pktmbuf_mtod_offset(m, uint16_t *, sizeof(struct iphdr));
}

/* The second SYN is kept, too; nothing that its sender says after it passes. */
static bool keep_second_syn(struct pair *p, int who, struct rte_mbuf *m)
{
	if (who == 0 && p->sent[0] == 2)
		kept_syn = rte_pktmbuf_copy(m, toy_only_pool(), 0, UINT32_MAX);
	return who != 0 || p->sent[0] <= 2 || port_of_packet(m) != port_of_packet(kept_syn);
}

static void test_a_cookie_counts_though_its_syn_has_come_again(void)
{
	weir_sock l, c[2];
	char text[8];

	begin_with_a_cookie(&l, c);
	pair.passes = keep_second_syn;
	pair_run(10 * MS);
	CU_ASSERT_EQUAL_FATAL(B->stats.tcp_cookies_out, 1);
	CU_ASSERT_EQUAL(B->stats.tcp_accepted, 1);
	(void)pair_accept(l);
	pair.passes = NULL;
	toy_parsed(kept_syn);
	CU_ASSERT_EQUAL(weir_stack_input(B, &kept_syn, 1, pair.now_ns), 0);
	CU_ASSERT_EQUAL(B->stats.tcp_half_open, 1);
	for (int i = 0; i < 2; i++)
		CU_ASSERT_EQUAL(weir_send(A, c[i], "hello", 5), 5);
	pair_run(10 * MS);
	CU_ASSERT_EQUAL(B->stats.tcp_cookies_in, 1);
	CU_ASSERT_EQUAL(B->stats.tcp_half_open, 0);
	CU_ASSERT_EQUAL(weir_recv(B, pair_accept(l), text, sizeof(text)), 5);
	pair_end();
}

/* One connection has all the memory; another that was refused hears when there is some again. */
static void test_who_was_refused_for_want_of_memory_is_told_of_room(void)
{
	static uint8_t bytes[100000];
	const uint32_t n_all = 32813; /* three quarters of seven eighths */
	struct weir_event e;
	weir_sock l, c[2], a;
	uint64_t got = 0;

	pair_begin_with((struct weir_stack_conf){.memory_bytes = 50000});
	l = pair_listen(80, 8);
	for (int i = 0; i < 2; i++)
		c[i] = pair_connect("192.0.2.2", 80);
	pair_run(10 * MS);
	a = pair_accept(l);
	CU_ASSERT_EQUAL(weir_send(A, c[0], bytes, sizeof(bytes)), n_all);
	A->held_bytes += 50000 - n_all; /* what others have begun with */
	CU_ASSERT_EQUAL(weir_send(A, c[1], bytes, sizeof(bytes)), -EAGAIN);
	while (weir_stack_events(A, &e, 1) > 0)
		;
	A->held_bytes -= 50000 - n_all;
	for (int i = 0; i < 3000 && got < n_all; i++) {
		const int64_t n = weir_recv(B, a, bytes, sizeof(bytes));

		got += n > 0 ? (uint64_t)n : 0;
		pair_run(MS);
	}
	CU_ASSERT_EQUAL(got, n_all);
	pair_run(100 * MS);
	CU_ASSERT_EQUAL(weir_stack_events(A, &e, 1), 1);
	CU_ASSERT_EQUAL(e.sock, c[0]);
	CU_ASSERT_EQUAL(weir_stack_events(A, &e, 1), 1);
	CU_ASSERT_EQUAL(e.sock, c[1]);
	CU_ASSERT(e.ready & WEIR_READY_OUT);
	pair_end();
}

/* Free places are linked by the member that else names what is on its way. */
static void test_a_stack_whose_connections_were_many_and_are_gone_is_freed(void)
{
	weir_sock c[2000];

	pair_begin_with((struct weir_stack_conf){.connections = 2001, .active = 1});
	(void)pair_listen(80, 8);
	for (unsigned i = 0; i < RTE_DIM(c); i++)
		CU_ASSERT_EQUAL_FATAL(weir_socket(A, WEIR_TCP, NULL, &c[i]), 0);
	for (unsigned i = 0; i < RTE_DIM(c); i++)
		CU_ASSERT_EQUAL(weir_sock_close(A, c[i]), 0);
	pair_end();
}

/* Both have their memory full of what the other is to receive. */
static void test_two_that_fill_their_memory_by_sending_can_still_receive(void)
{
	static uint8_t bytes[200000], text[4096];
	uint64_t sent[2] = {0}, got[2] = {0};
	weir_sock sock[2], l;

	pair_begin_with((struct weir_stack_conf){.memory_bytes = 50000});
	l = pair_listen(80, 8);
	sock[0] = pair_connect("192.0.2.2", 80);
	pair_run(10 * MS);
	sock[1] = pair_accept(l);
	for (int i = 0; i < 5000 && (got[0] < sizeof(bytes) || got[1] < sizeof(bytes)); i++) {
		for (int who = 0; who < 2; who++) {
			struct weir_stack *s = pair.end[who].stack;
			int64_t n = weir_send(s, sock[who], bytes, sizeof(bytes) - sent[who]);

			sent[who] += n > 0 ? (uint64_t)n : 0;
			while ((n = weir_recv(s, sock[who], text, sizeof(text))) > 0)
				got[who] += (uint64_t)n;
		}
		pair_run(MS);
	}
	CU_ASSERT_EQUAL(got[0], sizeof(bytes));
	CU_ASSERT_EQUAL(got[1], sizeof(bytes));
	pair_end();
}

/*
 * Others hold all that is shared, and may wait for this one, as in a proxy: a segment of it goes
 * each way all the same. Its window, which has closed meanwhile, opens when there is memory again.
 */
static void test_without_memory_a_segment_goes_each_way(void)
{
	static uint8_t bytes[100000];
	const uint64_t most = 1 << 20;
	const int64_t segment = 1448;
	weir_sock l, a, c;
	int64_t n;

	pair_begin_with((struct weir_stack_conf){.memory_bytes = most, .rcvbuf_bytes = 8192});
	l = pair_listen(80, 8);
	c = pair_connect("192.0.2.2", 80);
	pair_run(10 * MS);
	a = pair_accept(l);
	A->held_bytes += most - most / 8;
	B->held_bytes += most - most / 8;
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(weir_send(A, c, bytes, sizeof(bytes)), segment);
		CU_ASSERT_EQUAL(weir_send(A, c, bytes, sizeof(bytes)), -EAGAIN);
		pair_run(100 * MS);
		CU_ASSERT_EQUAL(weir_recv(B, a, bytes, sizeof(bytes)), segment);
	}
	A->held_bytes -= most - most / 8;
	CU_ASSERT_EQUAL(weir_send(A, c, bytes, 40000), 40000);
	for (int i = 0; i < 200; i++) { /* the next probe is seconds away then */
		pair_run(100 * MS);
		n = weir_recv(B, a, bytes, sizeof(bytes));
		CU_ASSERT(n > 0 || n == -EAGAIN);
	}
	CU_ASSERT_EQUAL(conn_by(A, c)->snd_wnd, 0);
	B->held_bytes -= most - most / 8;
	pair_run(60 * MS);
	n = weir_recv(B, a, bytes, sizeof(bytes));
	CU_ASSERT(n > segment);
	pair_end();
}

static bool lose_first_answer(struct pair *p, int who, struct rte_mbuf *m)
{
	(void)m;
	return who != 1 || p->sent[1] != 1;
}

/* The answer to a SYN that came again echoes that one, or a second would count for a round trip. */
static void test_a_syn_sent_again_does_not_make_the_round_trip_long(void)
{
	weir_sock l, c;

	pair_begin();
	l = pair_listen(80, 8);
	c = pair_connect("192.0.2.2", 80);
	pair.passes = lose_first_answer;
	pair_run(1100 * MS);
	(void)pair_accept(l);
	CU_ASSERT(conn_by(A, c)->srtt_us > 0);
	CU_ASSERT(conn_by(A, c)->srtt_us < 10000);
	pair_end();
}

/* How often READY_OUT is told of until nothing is, three times at most. */
static unsigned told_of_room(void)
{
	struct weir_event e;
	unsigned n = 0;

	for (unsigned i = 0; i < 3 && weir_stack_events(A, &e, 1) > 0; i++)
		n += (e.ready & WEIR_READY_OUT) != 0;
	return n;
}

/*
 * Who connects waits for READY_OUT, by level, too, though others have all the memory: told once of
 * the connection, and of room as long as there is some.
 */
static void test_a_connection_is_told_of_by_level_without_memory(void)
{
	const struct weir_endpoint to = toy_end("192.0.2.2", 80);
	weir_sock c;

	pair_begin();
	(void)pair_listen(80, 8);
	A->held_bytes += A->conf.memory_bytes; /* somebody else's */
	CU_ASSERT_EQUAL_FATAL(weir_socket(A, WEIR_TCP, NULL, &c), 0);
	CU_ASSERT_EQUAL(weir_sock_watch(A, c, UINT32_MAX, true), 0);
	CU_ASSERT_EQUAL(weir_connect(A, c, &to), -EINPROGRESS);
	CU_ASSERT_EQUAL(told_of_room(), 0);
	pair_run(10 * MS);
	CU_ASSERT_EQUAL(told_of_room(), 1);
	CU_ASSERT_EQUAL(weir_send(A, c, "hello", 5), -EAGAIN);
	pair_run(S);
	CU_ASSERT_EQUAL(told_of_room(), 0);
	A->held_bytes -= A->conf.memory_bytes;
	pair_run(100 * MS);
	CU_ASSERT_EQUAL(told_of_room(), 3);
	CU_ASSERT_EQUAL(weir_send(A, c, "hello", 5), 5);
	pair_end();
}

/* What was so of a socket that did nothing yet is told neither of a connection nor of a listener.
 */
static void test_who_watches_a_new_socket_is_not_told_too_soon(void)
{
	const struct weir_endpoint to = toy_end("192.0.2.2", 80);
	const struct weir_endpoint at = {.port = 80};
	struct weir_event e;
	weir_sock l, c;

	pair_begin();
	CU_ASSERT_EQUAL_FATAL(weir_socket(B, WEIR_TCP, NULL, &l), 0);
	CU_ASSERT_EQUAL(weir_sock_watch(B, l, UINT32_MAX, false), 0);
	CU_ASSERT_EQUAL_FATAL(weir_bind(B, l, &at), 0);
	CU_ASSERT_EQUAL_FATAL(weir_listen(B, l, 8), 0);
	CU_ASSERT_EQUAL(weir_stack_events(B, &e, 1), 0);
	CU_ASSERT_EQUAL_FATAL(weir_socket(A, WEIR_TCP, NULL, &c), 0);
	CU_ASSERT_EQUAL(weir_sock_watch(A, c, UINT32_MAX, false), 0);
	CU_ASSERT_EQUAL(weir_connect(A, c, &to), -EINPROGRESS);
	CU_ASSERT_EQUAL(told_of_room(), 0);
	pair_run(10 * MS);
	CU_ASSERT_EQUAL(told_of_room(), 1);
	pair_end();
}

WEIR_TESTS("tcp/found", TEST(a_window_below_a_segment_does_not_stall_the_sender),
	   TEST(a_newer_ack_in_an_older_segment_sets_the_window),
	   TEST(a_cookie_keeps_scale_and_sack), TEST(a_cookie_counts_though_its_syn_has_come_again),
	   TEST(a_stack_whose_connections_were_many_and_are_gone_is_freed),
	   TEST(two_that_fill_their_memory_by_sending_can_still_receive),
	   TEST(without_memory_a_segment_goes_each_way),
	   TEST(a_syn_sent_again_does_not_make_the_round_trip_long),
	   TEST(a_connection_is_told_of_by_level_without_memory),
	   TEST(who_watches_a_new_socket_is_not_told_too_soon),
	   TEST(who_was_refused_for_want_of_memory_is_told_of_room))
