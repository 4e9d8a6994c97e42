/* SPDX-License-Identifier: BSD-3-Clause */

/* Paths that swallow what is too long for them, and say nothing. */

#include "tcp_priv.h"
#include "toy_pair.h"

#include <netinet/in.h>

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

#define A pair.end[0].stack
#define B pair.end[1].stack

#define SIZE (2u << 20)

/* What passes from A to B, and how many did not. */
static struct {
	uint32_t mtu;
	unsigned swallowed;
} path;

static bool narrow(struct pair *p, int who, struct rte_mbuf *m)
{
	(void)p;
	if (who == 1 || m->pkt_len <= path.mtu)
		return true;
	path.swallowed++;
	return false;
}

static struct tcp_info info_of(weir_sock sock)
{
	struct tcp_info i;
	uint32_t bytes = sizeof(i);

	CU_ASSERT_EQUAL_FATAL(weir_getsockopt(A, sock, IPPROTO_TCP, TCP_INFO, &i, &bytes), 0);
	return i;
}

/* From A to B; false: not within a minute. */
static bool send_all(weir_sock c, weir_sock a)
{
	static uint8_t buf[65536];
	const uint64_t until_ns = pair.now_ns + 60 * S;
	uint64_t sent = 0, got = 0;

	while (got < SIZE && pair.now_ns < until_ns) {
		int64_t n;

		while (sent < SIZE &&
		       (n = weir_send(A, c, buf, RTE_MIN(sizeof(buf), SIZE - sent))) > 0)
			sent += (uint64_t)n;
		while ((n = weir_recv(B, a, buf, sizeof(buf))) > 0)
			got += (uint64_t)n;
		pair_run(MS);
	}
	return got == SIZE;
}

static weir_sock open_pair(const char *to, weir_sock l, weir_sock *a)
{
	const weir_sock c = pair_connect(to, 80);

	pair_run(10 * MS);
	*a = pair_accept(l);
	return c;
}

static void check_search(const char *to, uint32_t mtu, enum weir_mtu_probing kind)
{
	const uint32_t headers = strchr(to, ':') != NULL ? 60 : 40, truth = mtu - headers;
	weir_sock l, a, c;
	unsigned lost;
	uint32_t mss;

	pair_begin_with((struct weir_stack_conf){
		.mtu_probing = kind, .rcvbuf_bytes = 1 << 16, .sndbuf_bytes = 1 << 16});
	path.mtu = mtu;
	path.swallowed = 0;
	pair.passes = narrow;
	l = pair_listen(80, 8);
	c = open_pair(to, l, &a);
	for (unsigned i = 0; i < 8; i++)
		CU_ASSERT(send_all(c, a));
	mss = info_of(c).tcpi_snd_mss;
	CU_ASSERT(mss <= truth && mss + 8 > truth);
	CU_ASSERT_EQUAL(info_of(c).tcpi_pmtu, mss + headers);
	/* Eight sizes, each of which does not pass three times. */
	CU_ASSERT(A->stats.tcp_mtu_probes <= 24);
	CU_ASSERT_EQUAL(A->stats.tcp_mtu_probes, A->stats.tcp_mtu_raised + A->stats.tcp_mtu_lost);
	/* The next connection knows it, and so does this one when it has rested. */
	lost = path.swallowed;
	c = open_pair(to, l, &a);
	CU_ASSERT(send_all(c, a));
	pair_run(10 * S);
	CU_ASSERT(send_all(c, a));
	CU_ASSERT_EQUAL(path.swallowed, lost);
	pair_end();
}

static void test_the_search_ends_near_the_truth(void)
{
	static const uint32_t mtus[] = {600, 700, 1064, 1065, 1100, 1280, 1300, 1400, 1492, 1499};

	for (unsigned i = 0; i < RTE_DIM(mtus); i++) {
		check_search("192.0.2.2", mtus[i], WEIR_MTU_PROBING_HOLES);
		if (mtus[i] >= 1280)
			check_search("2001:db8::2", mtus[i], WEIR_MTU_PROBING_HOLES);
		if (mtus[i] >= 1064)
			check_search("192.0.2.2", mtus[i], WEIR_MTU_PROBING_ALWAYS);
	}
}

/* Nothing is lost but probes, no timer runs out and no window is cut for them. */
static void test_probes_are_no_congestion(void)
{
	weir_sock l, a, c;

	pair_begin_with((struct weir_stack_conf){.mtu_probing = WEIR_MTU_PROBING_ALWAYS,
						 .rcvbuf_bytes = 1 << 16,
						 .sndbuf_bytes = 1 << 16});
	path.mtu = 1300;
	path.swallowed = 0;
	pair.passes = narrow;
	l = pair_listen(80, 8);
	c = open_pair("192.0.2.2", l, &a);
	CU_ASSERT(send_all(c, a));
	CU_ASSERT_EQUAL(path.swallowed, A->stats.tcp_mtu_lost);
	CU_ASSERT(path.swallowed >= 3);
	CU_ASSERT_EQUAL(A->stats.tcp_rto, 0);
	CU_ASSERT(info_of(c).tcpi_snd_ssthresh > 1 << 20);
	pair_end();
}

static void test_a_path_that_has_become_wider_is_found(void)
{
	weir_sock l, a, c;

	pair_begin_with((struct weir_stack_conf){.rcvbuf_bytes = 1 << 16, .sndbuf_bytes = 1 << 16});
	path.mtu = 1300;
	path.swallowed = 0;
	pair.passes = narrow;
	l = pair_listen(80, 8);
	c = open_pair("192.0.2.2", l, &a);
	CU_ASSERT(send_all(c, a) && send_all(c, a));
	path.mtu = 1500;
	CU_ASSERT(send_all(c, a));
	CU_ASSERT(info_of(c).tcpi_snd_mss < 1300); /* it is not asked all the time */
	pair_run(610 * S);
	CU_ASSERT(send_all(c, a));
	CU_ASSERT_EQUAL(info_of(c).tcpi_snd_mss, 1460);
	path.mtu = 1200; /* and narrower again */
	CU_ASSERT(send_all(c, a) && send_all(c, a));
	CU_ASSERT(info_of(c).tcpi_snd_mss <= 1160 && info_of(c).tcpi_snd_mss > 1152);
	pair_end();
}

static void test_who_does_not_want_it_is_left_alone(void)
{
	weir_sock l, a, c;

	pair_begin_with((struct weir_stack_conf){.mtu_probing = WEIR_MTU_PROBING_OFF});
	path.mtu = 1300;
	pair.passes = narrow;
	l = pair_listen(80, 8);
	c = open_pair("192.0.2.2", l, &a);
	CU_ASSERT(!send_all(c, a));
	CU_ASSERT_EQUAL(info_of(c).tcpi_snd_mss, 1460);
	CU_ASSERT_EQUAL(A->stats.tcp_mtu_probes, 0);
	pair_end();
}

/* What the peer has announced is never tried to be exceeded. */
static void test_the_peers_mss_is_the_most(void)
{
	const int mss = 1100;
	weir_sock l, a, c;

	pair_begin_with((struct weir_stack_conf){.mtu_probing = WEIR_MTU_PROBING_ALWAYS});
	l = pair_listen(80, 8);
	CU_ASSERT_EQUAL(weir_setsockopt(B, l, IPPROTO_TCP, TCP_MAXSEG, &mss, sizeof(mss)), 0);
	c = open_pair("192.0.2.2", l, &a);
	CU_ASSERT(send_all(c, a));
	CU_ASSERT_EQUAL(info_of(c).tcpi_snd_mss, 1100);
	CU_ASSERT_EQUAL(A->stats.tcp_mtu_probes, 1);
	pair_end();
}

WEIR_TESTS("stack/tcp_mtu", TEST(the_search_ends_near_the_truth), TEST(probes_are_no_congestion),
	   TEST(a_path_that_has_become_wider_is_found), TEST(who_does_not_want_it_is_left_alone),
	   TEST(the_peers_mss_is_the_most))
