/* SPDX-License-Identifier: BSD-3-Clause */

/* The arithmetic of packet buffers, without EAL. */

#include "test.h"

#include <rte_mbuf.h>
#include <stdio.h>
#include <string.h>
#include <weir/node.h>
#include <weir/pool.h>

static struct weir_pool_plan size_of(struct weir_pool_need need)
{
	struct weir_pool_plan p;

	weir_pool_size(&need, &p);
	return p;
}

static void test_there_are_buffers_for_every_place_at_once(void)
{
	const struct weir_pool_need need = {
		.rx_descs = 3000, .tx_descs = 2000, .workers = 2, .held = 700, .mtu = 1500};
	const struct weir_pool_plan p = size_of(need);
	const uint32_t hands = 3 * (p.cache * 3 / 2 + WEIR_PASS_PKTS);

	CU_ASSERT_TRUE(p.mbufs >= 3000 + 2000 + 700 + hands);
	CU_ASSERT_TRUE(p.mbufs < 3000 + 2000 + 700 + hands + 512);
	CU_ASSERT_TRUE(p.bytes > (uint64_t)p.mbufs * (p.data_bytes + 128 + 64));
}

static void test_more_workers_need_more_buffers(void)
{
	CU_ASSERT_TRUE(size_of((struct weir_pool_need){.workers = 8}).mbufs >
		       size_of((struct weir_pool_need){.workers = 1}).mbufs + 7 * WEIR_PASS_PKTS);
}

static void test_a_usual_mtu_takes_a_usual_buffer(void)
{
	CU_ASSERT_EQUAL(size_of((struct weir_pool_need){.mtu = 1500}).data_bytes,
			RTE_MBUF_DEFAULT_BUF_SIZE);
	CU_ASSERT_EQUAL(size_of((struct weir_pool_need){.mtu = 0}).data_bytes,
			RTE_MBUF_DEFAULT_BUF_SIZE);
}

static void test_a_jumbo_frame_fits_one_buffer_unless_it_may_be_scattered(void)
{
	for (uint16_t mtu = 68; mtu <= 9000; mtu++) {
		const uint32_t frame = RTE_PKTMBUF_HEADROOM + 14 + 8 + 4 + mtu;

		CU_ASSERT_TRUE_FATAL(size_of((struct weir_pool_need){.mtu = mtu}).data_bytes >=
				     frame);
	}
	CU_ASSERT_TRUE(size_of((struct weir_pool_need){.mtu = 9000}).data_bytes < 10240);
	CU_ASSERT_EQUAL(size_of((struct weir_pool_need){.mtu = 9000, .scatter = true}).data_bytes,
			RTE_MBUF_DEFAULT_BUF_SIZE);
}

static void test_an_absurd_mtu_does_not_wrap_the_buffer_size(void)
{
	CU_ASSERT_TRUE(size_of((struct weir_pool_need){.mtu = UINT16_MAX}).data_bytes >= 65472);
}

static void test_without_hugepages_no_buffer_crosses_a_page(void)
{
	const struct weir_pool_need need = {.mtu = 1500, .small_pages = true};
	const struct weir_pool_need jumbo = {.mtu = 9000, .small_pages = true};
	const struct weir_pool_plan p = size_of(need), j = size_of(jumbo);

	CU_ASSERT_TRUE(p.bytes >= (uint64_t)p.mbufs * 4096);
	CU_ASSERT_TRUE(p.bytes <= (uint64_t)p.mbufs * 4096 + p.mbufs * 2 * sizeof(void *));
	CU_ASSERT_TRUE(j.bytes >= (uint64_t)j.mbufs * 3 * 4096);
}

static void test_the_explanation_has_the_figures_of_the_plan(void)
{
	const struct weir_pool_need need = {
		.rx_descs = 1234, .tx_descs = 567, .workers = 1, .held = 89, .mtu = 1500};
	const struct weir_pool_plan p = size_of(need);
	char text[320], begin[32], small[8];
	const int n = weir_pool_explain(&need, text, sizeof(text));

	snprintf(begin, sizeof(begin), "%u buffers = 1234 rx + 567 ", p.mbufs);
	CU_ASSERT_EQUAL(strncmp(text, begin, strlen(begin)), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "89 held"));
	CU_ASSERT_EQUAL((size_t)n, strlen(text));
	CU_ASSERT_EQUAL(weir_pool_explain(&need, small, sizeof(small)), n);
	CU_ASSERT_EQUAL(strlen(small), sizeof(small) - 1);
}

WEIR_TESTS("dataplane/pool", TEST(there_are_buffers_for_every_place_at_once),
	   TEST(more_workers_need_more_buffers), TEST(a_usual_mtu_takes_a_usual_buffer),
	   TEST(a_jumbo_frame_fits_one_buffer_unless_it_may_be_scattered),
	   TEST(an_absurd_mtu_does_not_wrap_the_buffer_size),
	   TEST(without_hugepages_no_buffer_crosses_a_page),
	   TEST(the_explanation_has_the_figures_of_the_plan))
