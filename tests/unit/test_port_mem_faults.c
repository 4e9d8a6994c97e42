/* SPDX-License-Identifier: BSD-3-Clause */

/* Faults of memory ports that free or copy packets: on a pool of EAL's, and it must be full after.
 */

#include "toy_eal.h"

#include <rte_mbuf.h>
#include <string.h>
#include <weir/port.h>

#define MBUFS 512

static struct rte_mempool *pool;

static struct weir_port *new_port(const struct weir_port_mem_faults *f)
{
	struct weir_port *p = NULL;

	if (pool == NULL)
		pool = toy_pool("faults", MBUFS);
	CU_ASSERT_EQUAL_FATAL(weir_port_mem_create("mem", 0, 1, 1, 256, &p), 0);
	weir_port_mem_faults(p, f);
	return p;
}

/* A packet whose bytes are all this number. */
static struct rte_mbuf *packet(uint8_t number)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	memset(rte_pktmbuf_append(m, 60), number, 60);
	return m;
}

static uint8_t number_of(const struct rte_mbuf *m)
{
	return *rte_pktmbuf_mtod(m, const uint8_t *);
}

static void close_and_count(struct weir_port *p)
{
	weir_port_close(p);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), MBUFS);
}

static void test_lost_packets_are_freed_and_counted(void)
{
	struct weir_port *p = new_port(&(struct weir_port_mem_faults){.lose = 1 << 15, .seed = 1});
	struct weir_port_stats s;
	struct rte_mbuf *m;
	unsigned came = 0;

	for (unsigned i = 0; i < 2000; i++) {
		m = packet((uint8_t)i);
		CU_ASSERT_EQUAL_FATAL(p->tx(p, 0, &m, 1), 1);
		while (weir_port_mem_sent(p, 0, &m, 1) == 1) {
			came++;
			rte_pktmbuf_free(m);
		}
	}
	CU_ASSERT_EQUAL(p->ops->stats(p, &s), 0);
	CU_ASSERT_EQUAL(s.tx_pkts, 2000);
	CU_ASSERT_EQUAL(s.tx_errors, 2000 - came);
	CU_ASSERT_TRUE(came > 800 && came < 1200);
	close_and_count(p);
}

static void test_a_duplicate_has_bytes_of_its_own(void)
{
	struct weir_port *p =
		new_port(&(struct weir_port_mem_faults){.duplicate = UINT16_MAX, .seed = 2});
	struct rte_mbuf *m = packet(7), *out[4];

	CU_ASSERT_EQUAL(p->tx(p, 0, &m, 1), 1);
	CU_ASSERT_EQUAL_FATAL(weir_port_mem_sent(p, 0, out, 4), 2);
	CU_ASSERT_PTR_EQUAL(out[0], m);
	CU_ASSERT_EQUAL(number_of(out[1]), 7);
	*rte_pktmbuf_mtod(out[1], uint8_t *) = 8;
	CU_ASSERT_EQUAL(number_of(out[0]), 7);
	rte_pktmbuf_free_bulk(out, 2);
	close_and_count(p);
}

static void test_corruption_spares_bytes_that_the_sender_still_holds(void)
{
	struct weir_port *p =
		new_port(&(struct weir_port_mem_faults){.corrupt = UINT16_MAX, .seed = 3});
	struct rte_mbuf *kept = packet(0), *m = rte_pktmbuf_clone(kept, pool), *out;
	uint8_t zeros[60] = {0};

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_EQUAL(p->tx(p, 0, &m, 1), 1);
	CU_ASSERT_EQUAL_FATAL(weir_port_mem_sent(p, 0, &out, 1), 1);
	CU_ASSERT_NOT_EQUAL(memcmp(rte_pktmbuf_mtod(out, void *), zeros, 60), 0);
	CU_ASSERT_EQUAL(memcmp(rte_pktmbuf_mtod(kept, void *), zeros, 60), 0);
	rte_pktmbuf_free(out);
	rte_pktmbuf_free(kept);
	close_and_count(p);
}

static void test_every_fault_together_loses_no_buffer(void)
{
	struct weir_port *p = new_port(&(struct weir_port_mem_faults){.lose = 6000,
								      .duplicate = 6000,
								      .reorder = 6000,
								      .corrupt = 6000,
								      .tx_refuse = 6000,
								      .seed = 4});
	struct rte_mbuf *m, *out[32];
	uint16_t n;

	for (unsigned i = 0; i < 5000; i++) {
		m = packet((uint8_t)i);
		if (p->tx(p, 0, &m, 1) == 0)
			rte_pktmbuf_free(m);
		n = i % 8 == 0 ? weir_port_mem_sent(p, 0, out, 32) : 0;
		rte_pktmbuf_free_bulk(out, n);
	}
	close_and_count(p); /* with packets in its rings, and one held back */
}

WEIR_TESTS("ports/port_mem faults", TEST(lost_packets_are_freed_and_counted),
	   TEST(a_duplicate_has_bytes_of_its_own),
	   TEST(corruption_spares_bytes_that_the_sender_still_holds),
	   TEST(every_fault_together_loses_no_buffer))
