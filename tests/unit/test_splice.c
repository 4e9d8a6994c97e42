/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Two streams as one: through a proxy of two connections in virtual time, by hand and by a random
 * model. WEIR_TEST_LONG=1 takes a hundred times as many seeds.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "failalloc.h"
#include "toy_proxy.h"

static struct weir_splice_stats stats_now(void)
{
	struct weir_splice_stats s;

	weir_splicer_stats(splicer, &s);
	return s;
}

/* ---- by hand ---- */

static void test_bytes_go_both_ways_and_each_end_is_passed_on(void)
{
	weir_sock c, s;
	char text[16];

	proxy_begin_with((struct weir_stack_conf){0}, 0);
	proxy_open(&c, &s);
	CU_ASSERT_EQUAL(weir_send(A, c, "question", 8), 8);
	CU_ASSERT_EQUAL(weir_shutdown(A, c, SHUT_WR), 0);
	proxy_run(20 * MS);
	CU_ASSERT_EQUAL(weir_recv(A, s, text, sizeof(text)), 8);
	CU_ASSERT_EQUAL(memcmp(text, "question", 8), 0);
	CU_ASSERT_EQUAL(weir_recv(A, s, text, sizeof(text)), 0);
	CU_ASSERT(!proxied[0].over); /* the other half lives on */
	proxy_run(10 * S);
	CU_ASSERT_EQUAL(weir_send(A, s, "answer", 6), 6);
	CU_ASSERT_EQUAL(weir_sock_close(A, s), 0);
	proxy_run(20 * MS);
	CU_ASSERT_EQUAL(weir_recv(A, c, text, sizeof(text)), 6);
	CU_ASSERT_EQUAL(memcmp(text, "answer", 6), 0);
	CU_ASSERT_EQUAL(weir_recv(A, c, text, sizeof(text)), 0);
	CU_ASSERT_EQUAL(weir_sock_close(A, c), 0);
	CU_ASSERT(proxied[0].over);
	CU_ASSERT_EQUAL(proxied[0].error, 0);
	CU_ASSERT_EQUAL(stats_now().begun, 1);
	CU_ASSERT_EQUAL(stats_now().ended, 1);
	CU_ASSERT_EQUAL(stats_now().bytes[0], 8);
	CU_ASSERT_EQUAL(stats_now().bytes[1], 6);
	CU_ASSERT_EQUAL(proxied[0].splice.way[0].bytes, 8);
	proxy_run(S);
	CU_ASSERT_EQUAL(B->stats.tcp_connections, 1); /* the listener */
	CU_ASSERT_EQUAL(B->stats.tcp_resets_out + A->stats.tcp_resets_out, 0);
	proxy_end();
}

static void test_an_end_that_comes_before_the_server_is_reached_is_passed_on(void)
{
	weir_sock c, s;
	char text[8];

	proxy_begin_with((struct weir_stack_conf){0}, 0);
	c = pair_connect("192.0.2.2", 80);
	proxy_run(2 * MS); /* the proxy has not looked at it yet, or just begun */
	CU_ASSERT_EQUAL(weir_send(A, c, "early", 5), 5);
	CU_ASSERT_EQUAL(weir_shutdown(A, c, SHUT_WR), 0);
	proxy_run(20 * MS);
	s = proxy_accepted();
	CU_ASSERT_EQUAL(weir_recv(A, s, text, sizeof(text)), 5);
	CU_ASSERT_EQUAL(weir_recv(A, s, text, sizeof(text)), 0);
	CU_ASSERT_EQUAL(weir_sock_close(A, s), 0);
	proxy_run(20 * MS);
	CU_ASSERT_EQUAL(weir_recv(A, c, text, sizeof(text)), 0);
	CU_ASSERT_EQUAL(proxied[0].error, 0);
	CU_ASSERT(proxied[0].over);
	CU_ASSERT_EQUAL(weir_sock_close(A, c), 0);
	proxy_end();
}

static void test_a_reset_of_either_end_resets_the_other(void)
{
	char text[8];

	for (int who = 0; who < 2; who++) {
		weir_sock end[2];

		proxy_begin_with((struct weir_stack_conf){0}, 0);
		proxy_open(&end[0], &end[1]);
		CU_ASSERT_EQUAL(weir_sock_abort(A, end[who]), 0);
		proxy_run(20 * MS);
		CU_ASSERT_EQUAL(weir_recv(A, end[!who], text, sizeof(text)), -ECONNRESET);
		CU_ASSERT(proxied[0].over);
		CU_ASSERT_EQUAL(proxied[0].error, -ECONNRESET);
		CU_ASSERT_EQUAL(stats_now().failed, 1);
		CU_ASSERT_EQUAL(B->stats.tcp_connections, 1); /* the listener */
		CU_ASSERT_EQUAL(weir_sock_close(A, end[!who]), 0);
		proxy_end();
	}
}

static void test_a_server_that_refuses_resets_the_client(void)
{
	weir_sock c;
	char text[8];

	proxy_begin_with((struct weir_stack_conf){0}, 0);
	CU_ASSERT_EQUAL(weir_sock_close(A, server), 0);
	c = pair_connect("192.0.2.2", 80);
	proxy_run(20 * MS);
	CU_ASSERT_EQUAL(weir_recv(A, c, text, sizeof(text)), -ECONNRESET);
	CU_ASSERT_EQUAL(proxied[0].error, -ECONNREFUSED);
	CU_ASSERT_EQUAL(weir_sock_close(A, c), 0);
	proxy_end();
}

static void test_a_stream_that_somebody_else_closed_ends_the_splice(void)
{
	weir_sock c, s;

	proxy_begin_with((struct weir_stack_conf){0}, 0);
	proxy_open(&c, &s);
	CU_ASSERT_EQUAL(weir_sock_abort(B, proxied[0].back.sock), 0);
	weir_splice_go_on(&proxied[0].splice, pair.now_ns);
	CU_ASSERT(proxied[0].over);
	CU_ASSERT_EQUAL(proxied[0].error, -EBADF);
	weir_splice_go_on(&proxied[0].splice, pair.now_ns); /* nothing any more */
	proxy_run(20 * MS);
	CU_ASSERT_EQUAL(B->stats.tcp_connections, 1); /* the listener */
	proxy_end();
}

/* Sends as much as is taken. */
static uint64_t pour(weir_sock sock)
{
	static const char zeros[65536];
	uint64_t all = 0;
	int64_t n;

	while ((n = weir_send(A, sock, zeros, sizeof(zeros))) > 0)
		all += (uint64_t)n;
	return all;
}

static uint64_t drain(weir_sock sock)
{
	static char bytes[65536];
	uint64_t all = 0;
	int64_t n;

	while ((n = weir_recv(A, sock, bytes, sizeof(bytes))) > 0)
		all += (uint64_t)n;
	return all;
}

static void test_who_does_not_read_stops_the_sender_and_lets_go_when_it_does(void)
{
	const struct weir_stack_conf conf = {.sndbuf_bytes = 16384, .rcvbuf_bytes = 16384};
	uint64_t sent = 0, got = 0, before;
	weir_sock c, s;

	proxy_begin_with(conf, 0);
	proxy_open(&c, &s);
	for (unsigned i = 0; i < 50; i++) {
		sent += pour(c);
		proxy_run(20 * MS);
	}
	before = sent;
	/* Two send queues, two receive queues, and a buffer. */
	CU_ASSERT(sent <= 4 * 16384 + 2048 * 4);
	proxy_run(5 * S);
	CU_ASSERT_EQUAL(pour(c), 0);
	CU_ASSERT(stats_now().bytes[0] < sent);
	for (unsigned i = 0; i < 500 && got < 1000000; i++) {
		got += drain(s);
		sent += pour(c);
		proxy_run(20 * MS);
	}
	CU_ASSERT(sent > before && got >= 1000000);
	CU_ASSERT_EQUAL(weir_shutdown(A, c, SHUT_WR), 0);
	for (unsigned i = 0; i < 50; i++) {
		got += drain(s);
		proxy_run(20 * MS);
	}
	CU_ASSERT_EQUAL(got, sent);
	CU_ASSERT_EQUAL(weir_sock_close(A, s), 0);
	proxy_run(20 * MS);
	CU_ASSERT(proxied[0].over && proxied[0].error == 0);
	CU_ASSERT_EQUAL(weir_sock_close(A, c), 0);
	proxy_end();
}

static void test_the_idle_deadline_counts_from_the_last_byte_of_either_end(void)
{
	weir_sock c, s;
	char text[8];

	proxy_begin_with((struct weir_stack_conf){0}, 10 * S);
	proxy_open(&c, &s);
	for (unsigned i = 0; i < 6; i++) {
		proxy_run(8 * S);
		CU_ASSERT_FALSE_FATAL(proxied[0].over);
		CU_ASSERT_EQUAL(weir_send(A, i & 1 ? c : s, "x", 1), 1);
	}
	proxy_run(10 * S - 50 * MS);
	CU_ASSERT(!proxied[0].over);
	proxy_run(100 * MS);
	CU_ASSERT(proxied[0].over);
	CU_ASSERT_EQUAL(proxied[0].error, -ETIMEDOUT);
	CU_ASSERT_EQUAL(stats_now().timed_out, 1);
	CU_ASSERT_EQUAL(weir_recv(A, c, text, sizeof(text)), 3);
	CU_ASSERT_EQUAL(weir_recv(A, c, text, sizeof(text)), -ECONNRESET);
	proxy_end();
}

/* All has left the server long ago, and the client takes a little now and then. */
static void test_a_slow_reader_is_not_idle(void)
{
	const struct weir_stack_conf conf = {.sndbuf_bytes = 65536, .rcvbuf_bytes = 8192};
	uint64_t sent = 0, got = 0;
	static char bytes[4096];
	weir_sock c, s;
	int64_t n = 1;

	proxy_begin_with(conf, 10 * S);
	proxy_open(&c, &s);
	sent = pour(s);
	CU_ASSERT_EQUAL(weir_sock_close(A, s), 0);
	for (unsigned i = 0; i < 1000 && n != 0; i++) {
		n = weir_recv(A, c, bytes, sizeof(bytes));
		CU_ASSERT_FATAL(n >= 0 || n == -EAGAIN);
		got += n > 0 ? (uint64_t)n : 0;
		proxy_run(2 * S);
	}
	CU_ASSERT(sent >= 65536);
	CU_ASSERT_EQUAL(got, sent);
	CU_ASSERT_EQUAL(weir_sock_close(A, c), 0);
	proxy_run(S);
	CU_ASSERT_EQUAL(proxied[0].error, 0);
	CU_ASSERT(proxied[0].over);
	proxy_end();
}

static void test_a_splice_can_be_aborted_and_begun_again_in_the_same_memory(void)
{
	weir_sock c, s;

	proxy_begin_with((struct weir_stack_conf){0}, S);
	for (unsigned i = 0; i < 3; i++) {
		proxy_open(&c, &s);
		CU_ASSERT_EQUAL(weir_send(A, c, "x", 1), 1);
		proxy_run(20 * MS);
		weir_splice_abort(&proxied[0].splice);
		weir_splice_abort(&proxied[0].splice);
		proxy_run(20 * MS);
		CU_ASSERT(weir_sock_ready(A, c) & WEIR_READY_ERR);
		CU_ASSERT_EQUAL(weir_sock_close(A, c), 0);
		CU_ASSERT_EQUAL(weir_sock_close(A, s), 0);
		n_proxied = 0;
	}
	CU_ASSERT_EQUAL(stats_now().aborted, 3);
	CU_ASSERT_EQUAL(stats_now().begun, 3);
	proxy_run(5 * S);
	CU_ASSERT(!proxied[0].over); /* nobody was told */
	proxy_end();
}

static void test_a_splicer_needs_somebody_to_tell_and_memory(void)
{
	struct weir_splicer_conf conf = {.idle_ns = 1};
	struct weir_splicer *r = NULL;

	CU_ASSERT_EQUAL(weir_splicer_create(&conf, &r), -EINVAL);
	conf.over = proxy_told;
	FAILALLOC_EACH(n)
	{
		const int rc = weir_splicer_create(&conf, &r);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(r);
	}
	CU_ASSERT_EQUAL(weir_splicer_run(r, 5), UINT64_MAX);
	weir_splicer_free(r);
	weir_splicer_free(NULL);
}

/* ---- a random model ---- */

#define TALKS 12

static uint64_t dice;

static uint32_t roll(uint32_t below)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (uint32_t)(dice >> 11) % below;
}

/* One end of a talk: what it sends and has got. The first byte that a client sends is its number.
 */
struct talker {
	weir_sock sock;
	uint32_t sends, sent, got;
	uint32_t speed; /* bytes that it reads in a step at most; 0: all */
	bool finished, ended, failed, closed;
};

static struct talk {
	struct talker end[2]; /* client, server */
	uint32_t abort_at;    /* bytes that one end has got when it aborts; UINT32_MAX: never */
	int aborter;
	bool aborted;
} talks[TALKS];

static uint8_t byte_of(unsigned talk, int end, uint32_t at)
{
	return end == 0 && at == 0 ? (uint8_t)talk
				   : (uint8_t)((at * 167 >> 4) + talk * 13 + (uint32_t)end * 101);
}

static void give_up(struct talker *k)
{
	weir_sock_close(A, k->sock);
	k->closed = true;
}

static void talk_send(unsigned t, int end)
{
	struct talker *k = &talks[t].end[end];
	uint8_t bytes[4000];
	uint32_t most = RTE_MIN(k->sends - k->sent, 1 + roll(sizeof(bytes)));
	int64_t n;

	if (k->finished)
		return;
	if (k->sent == k->sends) {
		k->finished = weir_shutdown(A, k->sock, SHUT_WR) == 0;
		k->failed |= !k->finished; /* it was reset */
		return;
	}
	for (uint32_t i = 0; i < most; i++)
		bytes[i] = byte_of(t, end, k->sent + i);
	n = weir_send(A, k->sock, bytes, most);
	if (n > 0)
		k->sent += (uint32_t)n;
	else if (n != -EAGAIN && n != -ENOBUFS)
		k->failed = true;
}

static void talk_recv(unsigned t, int end)
{
	struct talker *k = &talks[t].end[end];
	uint8_t bytes[8192];
	unsigned wrong = 0;
	int64_t n;

	if (k->ended)
		return;
	n = weir_recv(A, k->sock, bytes, k->speed == 0 ? sizeof(bytes) : 1 + roll(k->speed));
	for (int64_t i = 0; i < n; i++)
		wrong += bytes[i] != byte_of(t, !end, k->got + (uint32_t)i);
	CU_ASSERT_EQUAL(wrong, 0);
	if (n > 0)
		k->got += (uint32_t)n;
	k->ended = n == 0;
	if (n < 0 && n != -EAGAIN)
		k->failed = true;
}

/* Whose is what the server has accepted: the first byte says it. */
static void talk_accept(void)
{
	static weir_sock fresh[TALKS];
	static unsigned n_fresh;
	uint8_t first;

	while (n_fresh < TALKS && weir_accept(A, server, NULL, &fresh[n_fresh], NULL) == 0)
		n_fresh++;
	for (unsigned i = 0; i < n_fresh; i++) {
		const int64_t n = weir_recv(A, fresh[i], &first, 1);

		if (n == -EAGAIN)
			continue;
		if (n == 1) {
			CU_ASSERT_FATAL(first < TALKS);
			CU_ASSERT_EQUAL(talks[first].end[1].sock, WEIR_NO_SOCK);
			talks[first].end[1].sock = fresh[i];
			talks[first].end[1].got = 1;
		} else {
			weir_sock_close(A, fresh[i]);
		}
		fresh[i--] = fresh[--n_fresh];
	}
}

static void talk_act(unsigned t)
{
	struct talk *k = &talks[t];

	for (int end = 0; end < 2; end++) {
		struct talker *who = &k->end[end];

		if (who->sock == WEIR_NO_SOCK || who->closed || roll(3) == 0)
			continue;
		talk_send(t, end);
		talk_recv(t, end);
		if (k->aborter == end && who->got >= k->abort_at && !who->failed) {
			weir_sock_abort(A, who->sock);
			who->closed = k->aborted = true;
		} else if (who->failed || (who->ended && who->finished)) {
			give_up(who);
		}
	}
}

static bool all_closed(void)
{
	for (unsigned t = 0; t < TALKS; t++)
		for (int end = 0; end < 2; end++)
			if (!talks[t].end[end].closed && talks[t].end[end].sock != WEIR_NO_SOCK)
				return false;
	return true;
}

/* One in twenty packets is lost; no reset, for who has nothing to send would wait for ever. */
static bool lossy(struct pair *p, int who, struct rte_mbuf *m)
{
	const struct tcphdr *tcp =
		rte_pktmbuf_mtod_offset(m, const struct tcphdr *, sizeof(struct iphdr));

	(void)p;
	(void)who;
	return tcp->rst || roll(20) != 0;
}

static void talks_begin(void)
{
	const struct weir_stack_conf conf = {.sndbuf_bytes = 4096u << roll(3),
					     .rcvbuf_bytes = 4096u << roll(4),
					     .memory_bytes = 4u << 20};

	proxy_begin_with(conf, 0);
	B->conf.memory_bytes = 65536u << roll(5); /* the proxy alone is short of it */
	pair.passes = roll(3) == 0 ? lossy : NULL;
	memset(talks, 0, sizeof(talks));
	for (unsigned t = 0; t < TALKS; t++) {
		for (int end = 0; end < 2; end++) {
			talks[t].end[end].sends = 1 + roll(1u << (4 + roll(13)));
			talks[t].end[end].speed = roll(2) ? 0 : 1u << roll(14);
		}
		talks[t].aborter = (int)roll(2);
		talks[t].abort_at = roll(4) == 0 ? roll(30000) : UINT32_MAX;
		talks[t].end[0].sock = pair_connect("192.0.2.2", 80);
	}
}

/* All bytes arrived, or somebody has aborted; and the proxy said so. */
static void talks_check(uint64_t seed)
{
	unsigned over = 0, clean = 0, aborted = 0;

	for (unsigned t = 0; t < TALKS; t++) {
		const struct talker *c = &talks[t].end[0], *s = &talks[t].end[1];

		aborted += talks[t].aborted;
		if (talks[t].aborted)
			continue;
		if (c->got != s->sends || s->got != c->sends || c->failed || s->failed)
			printf("seed %" PRIu64 ": talk %u\n", seed, t);
		CU_ASSERT_EQUAL(s->got, c->sends);
		CU_ASSERT_EQUAL(c->got, s->sends);
		CU_ASSERT(!c->failed && !s->failed);
	}
	for (unsigned i = 0; i < n_proxied; i++) {
		over += proxied[i].over;
		clean += proxied[i].over && proxied[i].error == 0;
	}
	CU_ASSERT_EQUAL(over, n_proxied);
	CU_ASSERT(clean >= TALKS - aborted);
	CU_ASSERT_EQUAL(B->stats.tcp_connections, 1); /* the listener */
}

static void talk_all(uint64_t seed)
{
	unsigned rounds = 0;

	dice = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	talks_begin();
	while (!all_closed() && ++rounds < 200000) {
		talk_accept();
		for (unsigned t = 0; t < TALKS; t++)
			talk_act(t);
		proxy_run(MS / 2 + roll(2 * MS));
	}
	if (!all_closed())
		printf("seed %" PRIu64 " does not end\n", seed);
	CU_ASSERT(all_closed());
	pair.passes = NULL;
	proxy_run(300 * S);
	talk_accept(); /* those that were aborted before they said who they are */
	proxy_run(300 * S);
	talks_check(seed);
	proxy_end();
}

static void test_random_talks_arrive_whole_or_are_reset_and_nothing_leaks(void)
{
	const unsigned seeds = getenv("WEIR_TEST_LONG") != NULL ? 2000 : 20;

	for (unsigned seed = 0; seed < seeds; seed++)
		talk_all(seed);
}

WEIR_TESTS("stack/splice", TEST(bytes_go_both_ways_and_each_end_is_passed_on),
	   TEST(an_end_that_comes_before_the_server_is_reached_is_passed_on),
	   TEST(a_reset_of_either_end_resets_the_other),
	   TEST(a_server_that_refuses_resets_the_client),
	   TEST(a_stream_that_somebody_else_closed_ends_the_splice),
	   TEST(who_does_not_read_stops_the_sender_and_lets_go_when_it_does),
	   TEST(the_idle_deadline_counts_from_the_last_byte_of_either_end),
	   TEST(a_slow_reader_is_not_idle),
	   TEST(a_splice_can_be_aborted_and_begun_again_in_the_same_memory),
	   TEST(a_splicer_needs_somebody_to_tell_and_memory),
	   TEST(random_talks_arrive_whole_or_are_reset_and_nothing_leaks))
