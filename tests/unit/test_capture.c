/* SPDX-License-Identifier: BSD-3-Clause */

/* Captured packets, on mbufs that live on the stack. */

#include "capture.c"

#include "failalloc.h"
#include "test.h"
#include "toy_mbuf.h"

static struct weir_capture *make(struct weir_capture_conf conf)
{
	struct weir_capture *c = NULL;

	if (conf.packets == 0)
		conf.packets = 4;
	if (conf.snap_bytes == 0)
		conf.snap_bytes = 32;
	CU_ASSERT_EQUAL_FATAL(weir_capture_create(&conf, &c), 0);
	return c;
}

static void test_a_packet_is_kept_with_its_time_port_and_comment(void)
{
	struct weir_capture *c = make((struct weir_capture_conf){.packets = 0});
	const struct weir_captured *p;
	struct toy_mbuf t;
	struct rte_mbuf *m = toy_mbuf(&t, "0123456789abcdefghij", 20);

	weir_meta(m)->port_in = 6;
	CU_ASSERT_PTR_NULL(weir_capture_peek(c));
	CU_ASSERT_TRUE(weir_capture_put(c, m, 17, 99));
	memset(rte_pktmbuf_mtod(m, char *), 0, 20); /* it was copied */
	p = weir_capture_peek(c);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT_EQUAL(p->now_ns, 99);
	CU_ASSERT_EQUAL(p->comment, 17);
	CU_ASSERT_EQUAL(p->port_in, 6);
	CU_ASSERT_EQUAL(p->wire_bytes, 20);
	CU_ASSERT_EQUAL(p->captured_bytes, 20);
	CU_ASSERT_NSTRING_EQUAL(weir_captured_bytes(p), "0123456789abcdefghij", 20);
	weir_capture_pop(c);
	CU_ASSERT_PTR_NULL(weir_capture_peek(c));
	weir_capture_free(c);
}

static void test_a_long_packet_is_cut_across_its_segments(void)
{
	struct weir_capture *c = make((struct weir_capture_conf){.snap_bytes = 25});
	const struct weir_captured *p;
	struct toy_mbuf a, b;
	struct rte_mbuf *m = toy_mbuf(&a, "01234567890123456789", 20);

	m->next = toy_mbuf(&b, "abcdefghijklmnopqrst", 20);
	m->pkt_len = 40;
	CU_ASSERT_TRUE(weir_capture_put(c, m, 0, 0));
	p = weir_capture_peek(c);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT_EQUAL(p->wire_bytes, 40);
	CU_ASSERT_EQUAL(p->captured_bytes, 25);
	CU_ASSERT_NSTRING_EQUAL(weir_captured_bytes(p), "01234567890123456789abcde", 25);
	weir_capture_free(c);
}

static void test_a_full_ring_and_a_rate_are_counted_apart(void)
{
	struct weir_capture *c = make((struct weir_capture_conf){.packets = 3, .rate_pps = 6});
	struct toy_mbuf t;
	struct rte_mbuf *m = toy_mbuf(&t, NULL, 60);
	unsigned put = 0;

	for (unsigned i = 0; i < 10; i++)
		put += weir_capture_put(c, m, i, 0);
	CU_ASSERT_EQUAL(put, 4);
	CU_ASSERT_EQUAL(weir_capture_lost(c), 2);
	CU_ASSERT_EQUAL(weir_capture_limited(c), 4);
	CU_ASSERT_EQUAL(weir_capture_peek(c)->comment, 0);
	weir_capture_pop(c);
	CU_ASSERT_TRUE(weir_capture_put(c, m, 10, 1000000000));
	weir_capture_free(c);
}

static void test_sizes_that_cannot_be_are_refused(void)
{
	static const struct weir_capture_conf bad[] = {
		{.packets = 0, .snap_bytes = 64},
		{.packets = 4, .snap_bytes = 13},
		{.packets = 4, .snap_bytes = 65536},
		{.packets = UINT32_MAX, .snap_bytes = 64},
		{.packets = 1 << 20, .snap_bytes = 65535},
		{.packets = 4, .snap_bytes = 64, .rate_pps = UINT64_MAX},
	};
	struct weir_capture *c = NULL;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(weir_capture_create(&bad[i], &c), -EINVAL);
	CU_ASSERT_PTR_NULL(c);
	CU_ASSERT(weir_capture_size(&(struct weir_capture_conf){.packets = 3, .snap_bytes = 64}) >=
		  4 * (64 + sizeof(struct weir_captured)));
	weir_capture_free(NULL);
}

static void test_create_survives_each_failing_allocation(void)
{
	const struct weir_capture_conf conf = {.packets = 4, .snap_bytes = 64};

	FAILALLOC_EACH(n)
	{
		struct weir_capture *c = NULL;
		const int rc = weir_capture_create(&conf, &c);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			CU_ASSERT_EQUAL(n, 3);
			weir_capture_free(c);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(c);
	}
}

WEIR_TESTS("dataplane/capture", TEST(a_packet_is_kept_with_its_time_port_and_comment),
	   TEST(a_long_packet_is_cut_across_its_segments),
	   TEST(a_full_ring_and_a_rate_are_counted_apart), TEST(sizes_that_cannot_be_are_refused),
	   TEST(create_survives_each_failing_allocation))
