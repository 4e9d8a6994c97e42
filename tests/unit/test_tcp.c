/* SPDX-License-Identifier: BSD-3-Clause */

/* Connections between two stacks, from their beginning to their end. */

#include <errno.h>

#include "tcp_priv.h"
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

static bool lose_all(struct pair *p, int who, struct rte_mbuf *m)
{
	(void)p;
	(void)who;
	(void)m;
	return false;
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

/* ---- ends ---- */

/* A connection that both have; @a is B's. */
static weir_sock connected(weir_sock *a)
{
	const weir_sock l = pair_listen(80, 8), c = pair_connect("192.0.2.2", 80);

	pair_run(10 * MS);
	*a = pair_accept(l);
	return c;
}

static bool has_work(struct weir_stack *s, weir_sock sock)
{
	return work_of(conn_by(s, sock)) != NULL;
}

static void test_who_has_only_connected_rests_at_once(void)
{
	weir_sock a, c;
	char text[8];

	pair_begin();
	c = connected(&a);
	CU_ASSERT_FALSE(has_work(A, c));
	CU_ASSERT_FALSE(has_work(B, a));
	CU_ASSERT_EQUAL(weir_send(A, c, "hello", 5), 5);
	pair_run(10 * MS);
	CU_ASSERT_EQUAL(weir_recv(B, a, text, sizeof(text)), 5);
	pair_run(100 * MS);
	CU_ASSERT_TRUE(has_work(A, c)); /* more may follow soon, in the window that there is */
	CU_ASSERT_TRUE(has_work(B, a));
	pair_run(3 * S);
	CU_ASSERT_FALSE(has_work(A, c));
	CU_ASSERT_FALSE(has_work(B, a));
	pair_end();
}

static bool lose_the_first(struct pair *p, int who, struct rte_mbuf *m)
{
	(void)m;
	return who != 0 || p->sent[0] > 1;
}

static void test_a_syn_that_was_lost_leaves_its_window(void)
{
	weir_sock c;

	pair_begin();
	pair_listen(80, 8);
	pair.passes = lose_the_first;
	c = pair_connect("192.0.2.2", 80);
	pair_run(1100 * MS);
	CU_ASSERT_EQUAL(A->stats.tcp_resent, 1);
	CU_ASSERT(weir_sock_ready(A, c) & WEIR_READY_OUT);
	CU_ASSERT_TRUE(has_work(A, c));
	pair_end();
}

static int error_of(struct weir_stack *s, weir_sock sock)
{
	uint32_t bytes = sizeof(int);
	int error = 0;

	CU_ASSERT_EQUAL(weir_getsockopt(s, sock, SOL_SOCKET, SO_ERROR, &error, &bytes), 0);
	return error;
}

static void test_who_has_shut_down_still_receives(void)
{
	weir_sock a, c;
	char text[8];

	pair_begin();
	c = connected(&a);
	CU_ASSERT_EQUAL(weir_shutdown(A, c, SHUT_WR), 0);
	pair_run(10 * MS);
	CU_ASSERT_EQUAL(weir_recv(B, a, text, sizeof(text)), 0);
	CU_ASSERT_EQUAL(weir_send(A, c, "x", 1), -EPIPE);
	CU_ASSERT_EQUAL(weir_send(B, a, "after", 5), 5);
	CU_ASSERT_EQUAL(weir_shutdown(B, a, SHUT_WR), 0);
	pair_run(10 * MS);
	CU_ASSERT_EQUAL(weir_recv(A, c, text, sizeof(text)), 5);
	CU_ASSERT_EQUAL(weir_recv(A, c, text, sizeof(text)), 0);
	CU_ASSERT_EQUAL(A->stats.tcp_time_wait, 1);
	CU_ASSERT_EQUAL(weir_sock_close(A, c), 0);
	CU_ASSERT_EQUAL(weir_sock_close(A, c), -EBADF);
	pair_end();
}

static void test_an_abort_resets_the_peer(void)
{
	weir_sock a, c;
	char text[8];

	pair_begin();
	c = connected(&a);
	CU_ASSERT_EQUAL(weir_sock_abort(A, c), 0);
	pair_run(10 * MS);
	CU_ASSERT_EQUAL(weir_recv(B, a, text, sizeof(text)), -ECONNRESET);
	CU_ASSERT_EQUAL(weir_recv(B, a, text, sizeof(text)), 0);
	CU_ASSERT_EQUAL(A->stats.tcp_connections, 0);
	pair_end();
}

static void test_who_closes_with_bytes_unread_resets(void)
{
	weir_sock a, c;

	pair_begin();
	c = connected(&a);
	CU_ASSERT_EQUAL(weir_send(A, c, "unread", 6), 6);
	pair_run(10 * MS);
	CU_ASSERT_EQUAL(weir_sock_close(B, a), 0);
	pair_run(10 * MS);
	CU_ASSERT_EQUAL(error_of(A, c), ECONNRESET);
	pair_end();
}

static void test_a_listener_that_goes_resets_who_waits(void)
{
	weir_sock l, c;

	pair_begin();
	l = pair_listen(80, 8);
	c = pair_connect("192.0.2.2", 80);
	pair_run(10 * MS);
	CU_ASSERT_EQUAL(weir_sock_close(B, l), 0);
	pair_run(10 * MS);
	CU_ASSERT_EQUAL(error_of(A, c), ECONNRESET);
	CU_ASSERT_EQUAL(B->stats.tcp_connections, 0);
	CU_ASSERT_EQUAL(pair_listen(80, 8) != WEIR_NO_SOCK, true);
	pair_end();
}

static void test_a_drained_listener_takes_nobody_new(void)
{
	weir_sock l, c, late;

	pair_begin();
	l = pair_listen(80, 8);
	c = pair_connect("192.0.2.2", 80);
	pair_run(10 * MS);
	CU_ASSERT_EQUAL(weir_listen_drain(B, l), 0);
	late = pair_connect("192.0.2.2", 80);
	pair_run(10 * MS);
	CU_ASSERT_EQUAL(error_of(A, late), ECONNREFUSED);
	CU_ASSERT_EQUAL(error_of(A, c), 0);
	pair_accept(l);
	pair_end();
}

/* ---- limits ---- */

static void test_a_full_backlog_lets_the_next_wait(void)
{
	weir_sock l, c[3];

	pair_begin();
	l = pair_listen(80, 2);
	for (unsigned i = 0; i < 3; i++)
		c[i] = pair_connect("192.0.2.2", 80);
	pair_run(100 * MS);
	CU_ASSERT(B->stats.tcp_backlog > 0);
	CU_ASSERT_EQUAL(B->stats.tcp_accepted, 2);
	pair_accept(l);
	pair_run(8 * S);
	CU_ASSERT_EQUAL(B->stats.tcp_accepted, 3);
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(error_of(A, c[i]), 0);
	pair_end();
}

static void test_cookies_serve_when_places_are_short(void)
{
	weir_sock l, c[8], a;
	char text[4];

	pair_begin_with((struct weir_stack_conf){.half_open = 2});
	l = pair_listen(80, 8);
	for (unsigned i = 0; i < 8; i++)
		c[i] = pair_connect("192.0.2.2", 80);
	pair_run(20 * MS);
	CU_ASSERT_EQUAL(B->stats.tcp_cookies_out, 6);
	CU_ASSERT_EQUAL(B->stats.tcp_cookies_in, 6);
	for (unsigned i = 0; i < 8; i++) {
		CU_ASSERT_EQUAL(weir_send(A, c[i], "hi", 2), 2);
		pair_run(10 * MS);
		a = pair_accept(l);
		CU_ASSERT_EQUAL(weir_recv(B, a, text, sizeof(text)), 2);
	}
	pair_end();
}

static void test_who_never_answers_a_syn_ack_is_forgotten(void)
{
	weir_sock c;

	pair_begin();
	pair_listen(80, 8);
	c = pair_connect("192.0.2.2", 80);
	pair_run(PAIR_DELAY_NS * 3 / 2);
	CU_ASSERT_EQUAL(weir_sock_close(A, c), 0);
	pair.passes = lose_all;
	CU_ASSERT_EQUAL(B->stats.tcp_half_open, 1);
	pair_run(70 * S);
	CU_ASSERT_EQUAL(B->stats.tcp_half_open, 0);
	CU_ASSERT_EQUAL(B->stats.tcp_timed_out, 1);
	pair_end();
}

/* ---- windows ---- */

static void test_a_closed_window_is_probed_and_opens(void)
{
	static char text[4096];
	uint64_t got = 0;
	weir_sock a, c;
	int64_t n;

	pair_begin_with((struct weir_stack_conf){.rcvbuf_bytes = 16384, .sndbuf_bytes = 65536});
	c = connected(&a);
	for (unsigned i = 0; i < 16; i++)
		CU_ASSERT_EQUAL(weir_send(A, c, text, sizeof(text)), sizeof(text));
	CU_ASSERT_EQUAL(weir_send(A, c, text, sizeof(text)), -EAGAIN);
	pair_run(300 * S); /* minutes of a window of none: nobody gives up */
	CU_ASSERT_EQUAL(error_of(A, c), 0);
	while (got < 65536) {
		while ((n = weir_recv(B, a, text, sizeof(text))) > 0)
			got += (uint64_t)n;
		CU_ASSERT_EQUAL_FATAL(n, -EAGAIN);
		CU_ASSERT_FATAL(pair.now_ns < 500 * S);
		pair_run(S);
	}
	CU_ASSERT_EQUAL(got, 65536);
	pair_end();
}

/* A peer that takes no bytes and says that its window is shut, though it was open: Linux does. */
static struct {
	uint32_t first, ack_seq; /* of the bytes on their way; of the last ACK */
	unsigned again, outside; /* sent since the window is shut: the first segment, others */
	bool is_shut;
} shrunk;

static bool shrink_window(struct pair *p, int who, struct rte_mbuf *m)
{
	struct tcphdr *tcp = rte_pktmbuf_mtod_offset(m, struct tcphdr *, sizeof(struct iphdr));
	const uint32_t bytes = m->pkt_len - (uint32_t)sizeof(struct iphdr) - tcp->doff * 4u;

	(void)p;
	if (who == 1) {
		tcp->window = 0;
		shrunk.is_shut = true;
		return true;
	}
	if (bytes == 0) {
		shrunk.ack_seq = ntohl(tcp->seq);
		return true;
	}
	if (shrunk.first == 0)
		shrunk.first = ntohl(tcp->seq);
	if (shrunk.is_shut && ntohl(tcp->seq) == shrunk.first)
		shrunk.again++;
	else if (shrunk.is_shut)
		shrunk.outside++;
	return false;
}

static void test_a_window_that_shrinks_is_probed_and_acknowledges(void)
{
	static char text[20000];
	uint64_t got = 0;
	weir_sock a, c;
	int64_t n;

	pair_begin();
	c = connected(&a);
	memset(&shrunk, 0, sizeof(shrunk));
	pair.passes = shrink_window;
	CU_ASSERT_EQUAL(weir_send(A, c, text, sizeof(text)), sizeof(text));
	pair_run(2 * MS);
	CU_ASSERT_EQUAL(weir_send(B, a, "hello", 5), 5);
	pair_run(3 * MS);
	shrunk.again = shrunk.outside = 0; /* what left before A heard of it */
	pair_run(5 * S);
	CU_ASSERT_EQUAL(shrunk.ack_seq, shrunk.first);
	CU_ASSERT(shrunk.again >= 3);
	CU_ASSERT_EQUAL(shrunk.outside, 0);
	pair.passes = NULL;
	CU_ASSERT_EQUAL(weir_send(B, a, "open", 4), 4);
	pair_run(100 * MS); /* the next probe is due in seconds */
	while ((n = weir_recv(B, a, text, sizeof(text))) > 0)
		got += (uint64_t)n;
	CU_ASSERT_EQUAL(got, sizeof(text));
	CU_ASSERT_EQUAL(A->stats.tcp_out_bytes / A->stats.tcp_out / 1000, 1); /* no black hole */
	pair_end();
}

/* ---- timers ---- */

static void test_silence_ends_a_connection_with_keepalive(void)
{
	const int on = 1, idle = 10, interval = 2, count = 3;
	weir_sock a, c;

	pair_begin();
	c = connected(&a);
	CU_ASSERT_EQUAL(weir_setsockopt(A, c, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)), 0);
	CU_ASSERT_EQUAL(weir_setsockopt(A, c, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle)), 0);
	CU_ASSERT_EQUAL(weir_setsockopt(A, c, IPPROTO_TCP, TCP_KEEPINTVL, &interval, 4), 0);
	CU_ASSERT_EQUAL(weir_setsockopt(A, c, IPPROTO_TCP, TCP_KEEPCNT, &count, 4), 0);
	pair_run(120 * S);
	CU_ASSERT_EQUAL(error_of(A, c), 0); /* the peer answers */
	pair.passes = lose_all;
	pair_run(40 * S);
	CU_ASSERT_EQUAL(error_of(A, c), ETIMEDOUT);
	pair_end();
}

static void test_unacknowledged_bytes_end_it_after_the_user_timeout(void)
{
	const int ms = 5000;
	weir_sock a, c;

	pair_begin();
	c = connected(&a);
	CU_ASSERT_EQUAL(weir_setsockopt(A, c, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms)), 0);
	pair.passes = lose_all;
	CU_ASSERT_EQUAL(weir_send(A, c, "x", 1), 1);
	pair_run(4 * S);
	CU_ASSERT_EQUAL(error_of(A, c), 0);
	pair_run(3 * S);
	CU_ASSERT_EQUAL(error_of(A, c), ETIMEDOUT);
	pair_end();
}

static void test_a_deadline_of_reading_ends_it(void)
{
	weir_sock a, c;
	char text[4];

	pair_begin();
	c = connected(&a);
	CU_ASSERT_EQUAL(weir_sock_deadline(B, a, WEIR_DEADLINE_READ, 3 * S), 0);
	for (unsigned i = 0; i < 5; i++) {
		CU_ASSERT_EQUAL(weir_send(A, c, "x", 1), 1);
		pair_run(2 * S);
		CU_ASSERT_EQUAL(weir_recv(B, a, text, sizeof(text)), 1);
	}
	pair_run(4 * S);
	CU_ASSERT_EQUAL(weir_recv(B, a, text, sizeof(text)), -ETIMEDOUT);
	pair_end();
}

static void test_a_syn_that_nobody_answers_times_out(void)
{
	weir_sock c;

	pair_begin();
	pair.passes = lose_all;
	c = pair_connect("192.0.2.2", 80);
	pair_run(200 * S);
	CU_ASSERT_EQUAL(error_of(A, c), ETIMEDOUT);
	CU_ASSERT_EQUAL(pair.sent[0], 7); /* tcp_syn_retries: six more */
	pair_end();
}

static bool lose_large(struct pair *p, int who, struct rte_mbuf *m)
{
	(void)p;
	(void)who;
	return m->pkt_len <= 1100;
}

static void test_a_black_hole_of_large_packets_is_found(void)
{
	static char text[20000];
	uint64_t got = 0;
	weir_sock a, c;
	int64_t n;

	pair_begin();
	c = connected(&a);
	pair.passes = lose_large;
	CU_ASSERT_EQUAL(weir_send(A, c, text, sizeof(text)), sizeof(text));
	pair_run(20 * S);
	while ((n = weir_recv(B, a, text, sizeof(text))) > 0)
		got += (uint64_t)n;
	CU_ASSERT_EQUAL(got, sizeof(text));
	pair_end();
}

/* A router between them that takes 1,200 bytes, and says so (RFC 792, RFC 1191). */
static bool say_too_big(struct pair *p, int who, struct rte_mbuf *m)
{
	struct rte_mbuf *error;
	struct iphdr *ip;
	uint8_t *icmp;

	if (who != 0 || m->pkt_len <= 1200)
		return true;
	error = rte_pktmbuf_alloc(toy_only_pool());
	CU_ASSERT_PTR_NOT_NULL_FATAL(error);
	ip = (struct iphdr *)rte_pktmbuf_append(error, 20);
	*ip = (struct iphdr){.version = 4,
			     .ihl = 5,
			     .protocol = IPPROTO_ICMP,
			     .ttl = 64,
			     .tot_len = htons(20 + 8 + 28)};
	icmp = (uint8_t *)rte_pktmbuf_append(error, 8 + 28);
	memcpy(icmp, (uint8_t[]){3, 4, 0, 0, 0, 0, 1200 >> 8, 1200 & 255}, 8);
	memcpy(icmp + 8, rte_pktmbuf_mtod(m, void *), 28);
	memcpy(&ip->daddr, &rte_pktmbuf_mtod(m, struct iphdr *)->saddr, sizeof(ip->daddr));
	pair_send(&p->end[1], &error, 1);
	return false;
}

static void test_a_router_that_says_too_big_is_heeded_at_once(void)
{
	static char text[20000];
	uint64_t got = 0;
	weir_sock a, c;
	int64_t n;

	pair_begin();
	c = connected(&a);
	pair.passes = say_too_big;
	CU_ASSERT_EQUAL(weir_send(A, c, text, sizeof(text)), sizeof(text));
	pair_run(500 * MS);
	while ((n = weir_recv(B, a, text, sizeof(text))) > 0)
		got += (uint64_t)n;
	CU_ASSERT_EQUAL(got, sizeof(text));
	CU_ASSERT(A->stats.icmp_errors > 0);
	CU_ASSERT_EQUAL(A->stats.tcp_rto, 0);
	pair_end();
}

static void test_without_buffers_all_waits_and_then_goes_on(void)
{
	static struct rte_mbuf *taken[TOY_MBUFS];
	static char text[32768];
	uint64_t got = 0, all = sizeof(text);
	unsigned n_taken = 0;
	weir_sock a, c;
	int64_t n;

	pair_begin();
	c = connected(&a);
	CU_ASSERT_EQUAL(weir_send(A, c, text, sizeof(text)), sizeof(text));
	while (n_taken < TOY_MBUFS && (taken[n_taken] = rte_pktmbuf_alloc(toy_only_pool())) != NULL)
		n_taken++;
	n = weir_send(A, c, text, 4096); /* what its last buffer has room for */
	CU_ASSERT(n > 0 && n < 4096);
	all += (uint64_t)n;
	CU_ASSERT_EQUAL(weir_send(A, c, text, 4096), -ENOBUFS);
	pair_run(50 * MS);
	CU_ASSERT(A->stats.no_mbuf > 0);
	CU_ASSERT_EQUAL(A->stats.pool_short, 1);
	CU_ASSERT_EQUAL(weir_send(A, c, text, 4096), -EAGAIN); /* it knows now */
	CU_ASSERT_EQUAL(error_of(A, c), 0);
	rte_pktmbuf_free_bulk(taken, n_taken);
	pair_run(2 * S);
	while ((n = weir_recv(B, a, text, sizeof(text))) > 0)
		got += (uint64_t)n;
	CU_ASSERT_EQUAL(got, all);
	pair_end();
}

/* ---- two at once, and again ---- */

static void test_both_may_begin_at_once(void)
{
	const struct weir_endpoint one = toy_end("192.0.2.1", 1000),
				   two = toy_end("192.0.2.2", 2000);
	weir_sock c, d;
	char text[4];

	pair_begin();
	CU_ASSERT_EQUAL(weir_socket(A, WEIR_TCP, NULL, &c), 0);
	CU_ASSERT_EQUAL(weir_socket(B, WEIR_TCP, NULL, &d), 0);
	CU_ASSERT_EQUAL(weir_bind(A, c, &one), 0);
	CU_ASSERT_EQUAL(weir_bind(B, d, &two), 0);
	CU_ASSERT_EQUAL(weir_connect(A, c, &two), -EINPROGRESS);
	CU_ASSERT_EQUAL(weir_connect(B, d, &one), -EINPROGRESS);
	pair_run(100 * MS);
	CU_ASSERT_EQUAL(weir_send(A, c, "hi", 2), 2);
	pair_run(100 * MS);
	CU_ASSERT_EQUAL(weir_recv(B, d, text, sizeof(text)), 2);
	CU_ASSERT_EQUAL(weir_sock_close(A, c), 0);
	CU_ASSERT_EQUAL(weir_sock_close(B, d), 0); /* both end at once, too */
	pair_run(10 * MS);
	CU_ASSERT_EQUAL(A->stats.tcp_time_wait + B->stats.tcp_time_wait, 2);
	pair_end();
}

static void test_a_port_in_time_wait_is_taken_again(void)
{
	const struct weir_endpoint from = toy_end("192.0.2.1", 1000), to = toy_end("192.0.2.2", 80);
	weir_sock l, c;

	pair_begin();
	l = pair_listen(80, 8);
	for (unsigned i = 0; i < 5; i++) {
		CU_ASSERT_EQUAL(weir_socket(A, WEIR_TCP, NULL, &c), 0);
		CU_ASSERT_EQUAL(weir_bind(A, c, &from), 0);
		CU_ASSERT_EQUAL(weir_connect(A, c, &to), -EINPROGRESS);
		pair_run(10 * MS);
		CU_ASSERT_EQUAL(weir_sock_ready(A, c) & (WEIR_READY_OUT | WEIR_READY_ERR),
				WEIR_READY_OUT);
		/* The server ends first: its is the TIME-WAIT that has to make room. */
		CU_ASSERT_EQUAL(weir_sock_close(B, pair_accept(l)), 0);
		pair_run(10 * MS);
		CU_ASSERT_EQUAL(weir_sock_close(A, c), 0);
		pair_run(10 * MS);
		CU_ASSERT_EQUAL(B->stats.tcp_time_wait, 1);
	}
	pair_end();
}

WEIR_TESTS("tcp", TEST(bytes_go_both_ways_and_the_connection_ends_in_time_wait),
	   TEST(a_mebibyte_arrives_as_it_was_sent),
	   TEST(a_mebibyte_arrives_though_packets_are_lost),
	   TEST(nobody_listens_and_the_connection_is_refused),
	   TEST(who_has_shut_down_still_receives), TEST(an_abort_resets_the_peer),
	   TEST(who_has_only_connected_rests_at_once), TEST(a_syn_that_was_lost_leaves_its_window),
	   TEST(who_closes_with_bytes_unread_resets), TEST(a_listener_that_goes_resets_who_waits),
	   TEST(a_drained_listener_takes_nobody_new), TEST(a_full_backlog_lets_the_next_wait),
	   TEST(cookies_serve_when_places_are_short),
	   TEST(who_never_answers_a_syn_ack_is_forgotten),
	   TEST(a_closed_window_is_probed_and_opens),
	   TEST(a_window_that_shrinks_is_probed_and_acknowledges),
	   TEST(silence_ends_a_connection_with_keepalive),
	   TEST(unacknowledged_bytes_end_it_after_the_user_timeout),
	   TEST(a_deadline_of_reading_ends_it), TEST(a_syn_that_nobody_answers_times_out),
	   TEST(a_black_hole_of_large_packets_is_found),
	   TEST(a_router_that_says_too_big_is_heeded_at_once),
	   TEST(without_buffers_all_waits_and_then_goes_on), TEST(both_may_begin_at_once),
	   TEST(a_port_in_time_wait_is_taken_again))
