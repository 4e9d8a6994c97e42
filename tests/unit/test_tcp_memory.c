/* SPDX-License-Identifier: BSD-3-Clause */

/* A pool that runs dry: connections slow down, go on, and recover. */

#include "tcp_priv.h"
#include "toy_pair.h"

#define A pair.end[0].stack
#define B pair.end[1].stack

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

#define TAKEN_MOST 65536
#define BYTES	   300000

static struct rte_mbuf *taken[TAKEN_MOST];
static unsigned n_taken;
static char out[BYTES], in[BYTES];

/* Others take buffers until so many are left. */
static void leave(unsigned left)
{
	while (rte_mempool_avail_count(toy_only_pool()) > left) {
		CU_ASSERT_FATAL(n_taken < TAKEN_MOST);
		taken[n_taken] = rte_pktmbuf_alloc(toy_only_pool());
		CU_ASSERT_PTR_NOT_NULL_FATAL(taken[n_taken]);
		n_taken++;
	}
}

static void give_back(void)
{
	while (n_taken > 0)
		rte_pktmbuf_free(taken[--n_taken]);
}

static size_t send_some(weir_sock a, size_t sent)
{
	const int64_t n = sent < BYTES ? weir_send(A, a, out + sent, BYTES - sent) : 0;

	return sent + (n > 0 ? (size_t)n : 0);
}

static size_t recv_some(weir_sock b, size_t got)
{
	const int64_t n = weir_recv(B, b, in + got, BYTES - got);

	return got + (n > 0 ? (size_t)n : 0);
}

static void test_few_buffers_close_windows_and_many_open_them(void)
{
	const unsigned all = toy_only_pool()->size;
	size_t sent = 0, got = 0;
	weir_sock l, a, b;

	for (size_t i = 0; i < BYTES; i++)
		out[i] = (char)(i * 7 >> 3);
	pair_begin();
	l = pair_listen(80, 8);
	a = pair_connect("192.0.2.2", 80);
	pair_run(10 * MS);
	b = pair_accept(l);
	sent = send_some(a, sent);
	pair_run(2 * MS);
	CU_ASSERT_EQUAL(B->pool_level, POOL_PLENTY);
	CU_ASSERT_EQUAL(memory_most(B), B->conf.memory_bytes);
	leave(all / 10);
	pair_run(50 * MS);
	CU_ASSERT_EQUAL(B->pool_level, POOL_SHORT);
	CU_ASSERT(memory_most(B) < B->conf.memory_bytes);
	CU_ASSERT_EQUAL(B->stats.pool_short, 1);
	for (int i = 0; i < 400; i++) { /* nobody reads: hardly more is held */
		sent = send_some(a, sent);
		pair_run(5 * MS);
	}
	CU_ASSERT(rte_mempool_avail_count(toy_only_pool()) >= all / 32);
	CU_ASSERT(sent < BYTES);
	for (int i = 0; i < 2000 && got < BYTES / 2; i++) { /* who reads goes on, slowly */
		got = recv_some(b, got);
		sent = send_some(a, sent);
		pair_run(20 * MS);
	}
	CU_ASSERT(got >= BYTES / 2);
	give_back();
	for (int i = 0; i < 2000 && got < BYTES; i++) {
		got = recv_some(b, got);
		sent = send_some(a, sent);
		pair_run(20 * MS);
	}
	CU_ASSERT_EQUAL(got, BYTES);
	CU_ASSERT_EQUAL(memcmp(in, out, BYTES), 0);
	CU_ASSERT_EQUAL(B->pool_level, POOL_PLENTY);
	CU_ASSERT_EQUAL(memory_most(B), B->conf.memory_bytes);
	pair_end();
}

static void test_hardly_any_buffers_and_nothing_is_received_but_acks(void)
{
	const unsigned all = toy_only_pool()->size;
	size_t sent, got = 0;
	weir_sock l, a, b;

	pair_begin();
	l = pair_listen(80, 8);
	a = pair_connect("192.0.2.2", 80);
	pair_run(10 * MS);
	b = pair_accept(l);
	sent = send_some(a, 0);
	CU_ASSERT(sent > 10000);
	leave(all / 40);
	pair_run(3 * S);
	CU_ASSERT_EQUAL(B->pool_level, POOL_SCARCE);
	CU_ASSERT(B->stats.tcp_memory > 0);
	give_back();
	for (int i = 0; i < 1000 && got < sent; i++) {
		got = recv_some(b, got);
		pair_run(50 * MS);
	}
	CU_ASSERT_EQUAL(got, sent);
	pair_end();
}

WEIR_TESTS("tcp/memory", TEST(few_buffers_close_windows_and_many_open_them),
	   TEST(hardly_any_buffers_and_nothing_is_received_but_acks))
