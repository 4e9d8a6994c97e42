/* SPDX-License-Identifier: BSD-3-Clause */
/* From mbufs to addresses in rings and back, for pools of several shapes; and the sweep of what the
 * kernel still had. */
#include "test.h"
#include "toy_xdp_log.h"
#include "tx_priv.h"

#include <rte_eal.h>

#define MBUFS 255

static struct rte_mempool *pool_of(const char *name, uint16_t priv, uint16_t room)
{
	struct rte_mempool *mp = rte_pktmbuf_pool_create(name, MBUFS, 0, priv, room, SOCKET_ID_ANY);

	CU_ASSERT_PTR_NOT_NULL_FATAL(mp);
	return mp;
}

static void test_every_mbuf_comes_back_from_its_address_whatever_its_private_size(void)
{
	static const uint16_t privs[] = {0, 8, 64, 128, 264, 1024, 1920};

	for (unsigned i = 0; i < RTE_DIM(privs); i++) {
		struct rte_mempool *mp = pool_of("shape", privs[i], RTE_MBUF_DEFAULT_BUF_SIZE);
		struct rte_mbuf *all[MBUFS];
		struct xdp_umem u;

		CU_ASSERT_EQUAL_FATAL(xdp_umem_plan("v0", &mp, 1, &u), 0);
		CU_ASSERT_EQUAL(u.head_bytes, sizeof(struct rte_mbuf) + privs[i]);
		CU_ASSERT_TRUE(u.chunk_bytes >= XDP_CHUNK_MIN && u.chunk_bytes <= XDP_CHUNK_MAX);
		CU_ASSERT_EQUAL(u.frame_bytes, u.chunk_bytes - u.head_bytes - XDP_KERNEL_HEADROOM);
		CU_ASSERT_EQUAL(rte_pktmbuf_alloc_bulk(mp, all, MBUFS), 0);
		for (unsigned m = 0; m < MBUFS; m++) {
			const uint64_t addr = xdp_tx_addr(&u, all[m], all[m]);
			const uint64_t at = (addr & XDP_ADDR_MASK) + (addr >> XDP_ADDR_BITS);

			CU_ASSERT_TRUE(xdp_tx_is_inside(&u, all[m]));
			CU_ASSERT_PTR_EQUAL(xdp_umem_mbuf(&u, xdp_umem_addr(&u, all[m])), all[m]);
			CU_ASSERT_PTR_EQUAL(xdp_umem_mbuf(&u, addr), all[m]);
			CU_ASSERT_PTR_EQUAL(u.base + at, rte_pktmbuf_mtod(all[m], char *));
			/* What the kernel may write stays within the buffer. */
			CU_ASSERT_TRUE((char *)all[m] + u.chunk_bytes <=
				       (char *)all[m]->buf_addr + all[m]->buf_len);
		}
		rte_pktmbuf_free_bulk(all, MBUFS);
		rte_mempool_free(mp);
	}
}

static void test_pools_of_different_shapes_or_too_small_ones_are_refused(void)
{
	struct rte_mempool *a = pool_of("a", 0, RTE_MBUF_DEFAULT_BUF_SIZE);
	struct rte_mempool *b = pool_of("b", 64, RTE_MBUF_DEFAULT_BUF_SIZE);
	struct rte_mempool *small = pool_of("small", 0, 2047);
	struct rte_mempool *wide = pool_of("wide", 1984, RTE_MBUF_DEFAULT_BUF_SIZE);
	struct rte_mempool *both[] = {a, b};
	struct xdp_umem u = {.bytes = 7};

	toy_log_begin();
	CU_ASSERT_EQUAL(xdp_umem_plan("v0", both, 2, &u), -EINVAL);
	CU_ASSERT_TRUE(toy_log_has("pool b has other buffer or private sizes"));
	CU_ASSERT_EQUAL(xdp_umem_plan("v0", &small, 1, &u), -EINVAL);
	CU_ASSERT_TRUE(toy_log_has("pool small has buffers of less than 2048 bytes"));
	CU_ASSERT_EQUAL(xdp_umem_plan("v0", &wide, 1, &u), -EINVAL);
	CU_ASSERT_TRUE(toy_log_has("pool wide has private areas of more than 1.9 KiB"));
	CU_ASSERT_EQUAL(toy_log_lines(), 3);
	CU_ASSERT_EQUAL(u.bytes, 7);
	rte_mempool_free(a);
	rte_mempool_free(b);
	rte_mempool_free(small);
	rte_mempool_free(wide);
}

static void test_pools_that_are_alike_share_one_window(void)
{
	struct rte_mempool *pools[] = {pool_of("a", 8, 4096), pool_of("b", 8, 4096)};
	struct xdp_umem u;

	CU_ASSERT_EQUAL_FATAL(xdp_umem_plan("v0", pools, 2, &u), 0);
	CU_ASSERT_EQUAL(u.chunk_bytes, XDP_CHUNK_MAX);
	for (unsigned i = 0; i < 2; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pools[i]);

		CU_ASSERT_TRUE((uintptr_t)m >= u.pools_lo && (uintptr_t)m < u.pools_hi);
		CU_ASSERT_PTR_EQUAL(xdp_umem_mbuf(&u, xdp_umem_addr(&u, m)), m);
		rte_pktmbuf_free(m);
	}
	rte_mempool_free(pools[0]);
	rte_mempool_free(pools[1]);
}

static void test_what_is_outside_or_too_long_is_not_sent_where_it_lies(void)
{
	struct rte_mempool *mp = pool_of("a", 0, 4096);
	struct rte_mbuf *m = rte_pktmbuf_alloc(mp);
	struct xdp_umem u;

	CU_ASSERT_EQUAL_FATAL(xdp_umem_plan("v0", &mp, 1, &u), 0);
	m->data_len = 1500;
	CU_ASSERT_TRUE(xdp_tx_is_inside(&u, m));
	u.hi = rte_pktmbuf_mtod(m, uintptr_t) + 1500;
	CU_ASSERT_TRUE(xdp_tx_is_inside(&u, m));
	u.hi--;
	CU_ASSERT_FALSE(xdp_tx_is_inside(&u, m));
	u.hi = UINTPTR_MAX;
	u.lo = (uintptr_t)m;
	CU_ASSERT_TRUE(xdp_tx_is_inside(&u, m));
	u.lo++;
	CU_ASSERT_FALSE(xdp_tx_is_inside(&u, m));
	u.lo = 0;
	m->data_len = (uint16_t)(u.chunk_bytes + 1);
	CU_ASSERT_FALSE(xdp_tx_is_inside(&u, m));
	m->data_len = 0;
	rte_pktmbuf_free(m);
	rte_mempool_free(mp);
}

static void test_the_sweep_frees_what_one_port_has_marked_and_nothing_else(void)
{
	struct rte_mempool *mp = pool_of("a", 16, RTE_MBUF_DEFAULT_BUF_SIZE);
	struct rte_mbuf *all[MBUFS];
	struct xdp_umem u;

	CU_ASSERT_EQUAL_FATAL(xdp_umem_plan("v0", &mp, 1, &u), 0);
	CU_ASSERT_EQUAL(rte_pktmbuf_alloc_bulk(mp, all, MBUFS), 0);
	for (unsigned i = 0; i < MBUFS; i++) {
		all[i]->port = i % 3;
		if (i % 2)
			all[i]->data_off = XDP_MARK;
	}
	CU_ASSERT_EQUAL(xdp_umem_sweep(&u, 0), 42);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(mp), 42);
	CU_ASSERT_EQUAL(xdp_umem_sweep(&u, 0), 0);
	CU_ASSERT_EQUAL(xdp_umem_sweep(&u, 1) + xdp_umem_sweep(&u, 2), 127 - 42);
	for (unsigned i = 0; i < MBUFS; i += 2)
		rte_pktmbuf_free(all[i]);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(mp), MBUFS);
	rte_mempool_free(mp);
}

static void test_a_watch_begins_again_after_it_ended(void)
{
	struct xdp_umem u = {0};

	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(xdp_umem_watch(&u), 0);
		xdp_umem_forget(&u);
	}
}

static const struct weir_test tests[] = {
	TEST(every_mbuf_comes_back_from_its_address_whatever_its_private_size),
	TEST(pools_of_different_shapes_or_too_small_ones_are_refused),
	TEST(pools_that_are_alike_share_one_window),
	TEST(what_is_outside_or_too_long_is_not_sent_where_it_lies),
	TEST(the_sweep_frees_what_one_port_has_marked_and_nothing_else),
	TEST(a_watch_begins_again_after_it_ended),
};

int main(void)
{
	char args[][16] = {"test",	     "--no-huge", "--no-shconf", "--no-pci",
			   "--no-telemetry", "-m",	  "32",		 "--lcores=0"};
	char *argv[RTE_DIM(args)];

	for (unsigned i = 0; i < RTE_DIM(args); i++)
		argv[i] = args[i];
	if (rte_eal_init(RTE_DIM(args), argv) < 0)
		return 1;
	return weir_tests_run("xdp/umem", tests, sizeof(tests) / sizeof(tests[0]));
}
