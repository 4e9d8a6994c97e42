/* SPDX-License-Identifier: BSD-3-Clause */

/* Memory ports on mbufs that live on the stack: what needs a pool is in test_port_mem_faults.c. */

#include "failalloc.h"
#include "test.h"
#include "toy_mbuf.h"

#include <errno.h>
#include <weir/port.h>

#define N 16

static struct toy_mbuf toys[N];

static void make_toys(struct rte_mbuf *pkts[N])
{
	static const uint8_t bytes[60];

	for (unsigned i = 0; i < N; i++)
		pkts[i] = toy_mbuf(&toys[i], bytes, sizeof(bytes));
}

static struct weir_port *new_port(uint16_t id, uint16_t rxqs, uint16_t txqs, uint16_t depth)
{
	struct weir_port *p = NULL;

	CU_ASSERT_EQUAL_FATAL(weir_port_mem_create("mem", id, rxqs, txqs, depth, &p), 0);
	CU_ASSERT_EQUAL(weir_port_start(p, NULL), 0);
	return p;
}

static void test_what_is_injected_is_received_in_order(void)
{
	struct weir_port *p = new_port(0, 2, 0, N);
	struct rte_mbuf *in[N], *out[N];
	struct weir_port_stats s;

	make_toys(in);
	CU_ASSERT_EQUAL(weir_port_mem_inject(p, 1, in, N), N);
	CU_ASSERT_EQUAL(p->rx(p, 0, out, N), 0);
	CU_ASSERT_EQUAL(p->rx(p, 1, out, 5), 5);
	CU_ASSERT_EQUAL(p->rx(p, 1, out + 5, N), N - 5);
	CU_ASSERT_EQUAL(memcmp(in, out, sizeof(in)), 0);
	CU_ASSERT_EQUAL(p->ops->stats(p, &s), 0);
	CU_ASSERT_EQUAL(s.rx_pkts, N);
	CU_ASSERT_EQUAL(s.rx_bytes, N * 60);
	weir_port_close(p);
}

static void test_a_full_ring_takes_no_more_and_says_so(void)
{
	struct weir_port *p = new_port(0, 1, 1, 8);
	struct rte_mbuf *pkts[N], *out[N];
	struct weir_port_stats s;

	make_toys(pkts);
	CU_ASSERT_EQUAL(weir_port_mem_inject(p, 0, pkts, N), 8);
	CU_ASSERT_EQUAL(p->rx(p, 0, out, N), 8);
	CU_ASSERT_EQUAL(p->tx(p, 0, pkts, N), 8);
	CU_ASSERT_EQUAL(p->tx(p, 0, pkts, N), 0);
	CU_ASSERT_EQUAL(weir_port_mem_sent(p, 0, out, N), 8);
	CU_ASSERT_EQUAL(p->ops->stats(p, &s), 0);
	CU_ASSERT_EQUAL(s.tx_pkts, 8);
	CU_ASSERT_EQUAL(s.tx_bytes, 8 * 60);
	weir_port_close(p);
}

static void test_a_wrong_queue_takes_nothing(void)
{
	struct weir_port *p = new_port(0, 1, 1, 8);
	struct rte_mbuf *pkts[N];

	make_toys(pkts);
	CU_ASSERT_EQUAL(weir_port_mem_inject(p, 1, pkts, 1), 0);
	CU_ASSERT_EQUAL(weir_port_mem_sent(p, 7, pkts, 1), 0);
	weir_port_close(p);
}

static void test_a_wire_carries_both_ways(void)
{
	struct weir_port *a = new_port(0, 1, 1, N), *b = new_port(1, 1, 1, N);
	struct rte_mbuf *pkts[N], *out[N];

	make_toys(pkts);
	CU_ASSERT_EQUAL(weir_port_mem_wire(a, b), 0);
	CU_ASSERT_EQUAL(a->tx(a, 0, pkts, 3), 3);
	CU_ASSERT_EQUAL(b->tx(b, 0, pkts + 3, 2), 2);
	CU_ASSERT_EQUAL(b->rx(b, 0, out, N), 3);
	CU_ASSERT_PTR_EQUAL(out[2], pkts[2]);
	CU_ASSERT_EQUAL(a->rx(a, 0, out, N), 2);
	CU_ASSERT_PTR_EQUAL(out[0], pkts[3]);
	CU_ASSERT_EQUAL(weir_port_mem_sent(a, 0, out, N), 0);
	weir_port_close(a);
	weir_port_close(b);
}

static void test_a_wire_needs_a_receiver_for_each_sender(void)
{
	struct weir_port *a = new_port(0, 1, 2, 8), *b = new_port(1, 1, 1, 8);

	CU_ASSERT_EQUAL(weir_port_mem_wire(a, b), -EINVAL);
	CU_ASSERT_EQUAL(weir_port_mem_wire(b, a), -EINVAL);
	weir_port_close(a);
	weir_port_close(b);
}

static void test_a_reordered_packet_comes_right_behind_the_next(void)
{
	struct weir_port *p = new_port(0, 0, 1, 64);
	struct rte_mbuf *pkts[N], *out[N];

	make_toys(pkts);
	weir_port_mem_faults(p, &(struct weir_port_mem_faults){.reorder = UINT16_MAX, .seed = 1});
	CU_ASSERT_EQUAL(p->tx(p, 0, pkts, 4), 4);
	CU_ASSERT_EQUAL(weir_port_mem_sent(p, 0, out, N), 4);
	CU_ASSERT_PTR_EQUAL(out[0], pkts[1]);
	CU_ASSERT_PTR_EQUAL(out[1], pkts[0]);
	CU_ASSERT_PTR_EQUAL(out[2], pkts[3]);
	CU_ASSERT_PTR_EQUAL(out[3], pkts[2]);
	weir_port_close(p);
}

static unsigned bits_set(const struct rte_mbuf *m)
{
	const uint8_t *b = rte_pktmbuf_mtod(m, const uint8_t *);
	unsigned n = 0;

	for (unsigned i = 0; i < m->data_len; i++)
		n += (unsigned)__builtin_popcount(b[i]);
	return n;
}

static void test_a_corrupted_packet_differs_in_one_bit(void)
{
	struct weir_port *p = new_port(0, 0, 1, 64);
	struct rte_mbuf *pkts[N], *out[N];

	make_toys(pkts);
	weir_port_mem_faults(p, &(struct weir_port_mem_faults){.corrupt = UINT16_MAX, .seed = 3});
	CU_ASSERT_EQUAL(p->tx(p, 0, pkts, N), N);
	CU_ASSERT_EQUAL(weir_port_mem_sent(p, 0, out, N), N);
	for (unsigned i = 0; i < N; i++)
		CU_ASSERT_EQUAL(bits_set(out[i]), 1);
	weir_port_close(p);
}

/* Which of 512 calls were refused, as a string of bits. */
static void refusals(uint64_t seed, uint8_t said[512])
{
	struct weir_port *p = new_port(0, 0, 1, 64);
	struct rte_mbuf *pkts[N], *out[N];

	make_toys(pkts);
	weir_port_mem_faults(p, &(struct weir_port_mem_faults){.tx_refuse = 1 << 15, .seed = seed});
	for (unsigned i = 0; i < 512; i++) {
		said[i] = (uint8_t)p->tx(p, 0, pkts, 1);
		CU_ASSERT_EQUAL(weir_port_mem_sent(p, 0, out, N), said[i]);
	}
	weir_port_close(p);
}

static void test_one_seed_gives_one_history(void)
{
	uint8_t a[512], b[512], c[512];
	unsigned taken = 0;

	refusals(7, a);
	refusals(7, b);
	refusals(8, c);
	for (unsigned i = 0; i < 512; i++)
		taken += a[i];
	CU_ASSERT_EQUAL(memcmp(a, b, sizeof(a)), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(a, c, sizeof(a)), 0);
	CU_ASSERT_TRUE(taken > 200 && taken < 312);
}

static void test_a_depth_that_is_no_power_of_two_is_refused(void)
{
	struct weir_port *p = NULL;

	CU_ASSERT_EQUAL(weir_port_mem_create("mem", 0, 1, 1, 12, &p), -EINVAL);
	CU_ASSERT_EQUAL(weir_port_mem_create("mem", 0, 1, 1, 0, &p), -EINVAL);
	CU_ASSERT_EQUAL(weir_port_mem_create("mem", 0, 1, 1, 1, &p), -EINVAL);
	CU_ASSERT_PTR_NULL(p);
	weir_port_close(NULL);
}

static void test_it_promises_nothing_that_it_cannot_do(void)
{
	struct weir_port *p = new_port(5, 1, 1, 8);

	CU_ASSERT_EQUAL(p->caps, 0);
	CU_ASSERT_EQUAL(p->ops->intr_add(p, 0), -ENOTSUP);
	CU_ASSERT_EQUAL(p->mac.addr_bytes[0] & 3, 2); /* local, not a group */
	CU_ASSERT_EQUAL(p->mac.addr_bytes[5], 5);
	weir_port_close(p);
}

static void test_creating_one_without_memory_leaks_nothing(void)
{
	struct weir_port *p = NULL;
	int rc;

	FAILALLOC_EACH(n)
	{
		rc = weir_port_mem_create("mem", 0, 2, 2, 8, &p);
		if (failalloc_done())
			break;
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(p);
	}
	CU_ASSERT_EQUAL(rc, 0);
	weir_port_close(p);
}

WEIR_TESTS("ports/port_mem", TEST(what_is_injected_is_received_in_order),
	   TEST(a_full_ring_takes_no_more_and_says_so), TEST(a_wrong_queue_takes_nothing),
	   TEST(a_wire_carries_both_ways), TEST(a_wire_needs_a_receiver_for_each_sender),
	   TEST(a_reordered_packet_comes_right_behind_the_next),
	   TEST(a_corrupted_packet_differs_in_one_bit), TEST(one_seed_gives_one_history),
	   TEST(a_depth_that_is_no_power_of_two_is_refused),
	   TEST(it_promises_nothing_that_it_cannot_do),
	   TEST(creating_one_without_memory_leaks_nothing))
