/* SPDX-License-Identifier: BSD-3-Clause */

/* DCTCP: alpha and the cut against RFC 8257, and a path that marks. */

#include "cc_dctcp.c"

#include "test.h"
#include "toy_acks.h"
#include "toy_link.h"

static struct toy_link path;

static double alpha(struct cc *c)
{
	return (double)dctcp_of(c)->alpha / ALPHA_ONE;
}

/* A window of 20 segments of each of which so many bytes were marked. */
static void marked_round(struct toy_acks *t, uint32_t marked_bytes)
{
	const uint32_t n = 20;

	t->cc.cwnd_bytes = n * ACKS_MSS;

	for (uint32_t i = 0; i < n; i++) {
		struct cc_ack a = acks_next(t, ACKS_MSS);

		a.marked_bytes = marked_bytes;
		t->cc.ops->on_ack(&t->cc, &a);
	}
}

static void test_the_first_mark_halves_the_window(void)
{
	struct toy_acks t;

	acks_begin(&t, &cc_dctcp, 100);
	t.cc.cwnd_bytes = 100 * ACKS_MSS;
	t.cc.ops->on_loss(&t.cc, 100 * ACKS_MSS, true, t.now_ns);
	CU_ASSERT_EQUAL(t.cc.ssthresh_bytes, 50 * ACKS_MSS);
	t.cc.ops->on_recovered(&t.cc, t.now_ns);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 50 * ACKS_MSS);
}

static void test_alpha_goes_a_sixteenth_of_the_way_in_each_window(void)
{
	struct toy_acks t;

	acks_begin(&t, &cc_dctcp, 100);
	t.cc.ssthresh_bytes = 10 * ACKS_MSS;
	marked_round(&t, 0); /* the first ACK begins a window */
	marked_round(&t, 0);
	CU_ASSERT_DOUBLE_EQUAL(alpha(&t.cc), 15.0 / 16, 0.001);
}

static void test_alpha_converges_to_the_fraction_that_is_marked(void)
{
	static const uint32_t of_1000[] = {0, 10, 100, 500, 1000, 300};
	struct toy_acks t;

	acks_begin(&t, &cc_dctcp, 100);
	t.cc.ssthresh_bytes = 10 * ACKS_MSS;
	for (size_t i = 0; i < RTE_DIM(of_1000); i++) {
		for (int round = 0; round < 200; round++)
			marked_round(&t, of_1000[i]);
		CU_ASSERT_DOUBLE_EQUAL(alpha(&t.cc), of_1000[i] / 1000.0, 0.001);
	}
}

static void test_the_cut_is_half_of_alpha_and_a_loss_halves(void)
{
	struct toy_acks t;

	acks_begin(&t, &cc_dctcp, 100);
	t.cc.ssthresh_bytes = 10 * ACKS_MSS;
	for (int round = 0; round < 200; round++)
		marked_round(&t, 200);
	t.cc.cwnd_bytes = 1000 * ACKS_MSS;
	t.cc.ops->on_loss(&t.cc, 1000 * ACKS_MSS, true, t.now_ns);
	CU_ASSERT_DOUBLE_EQUAL(t.cc.ssthresh_bytes, 900.0 * ACKS_MSS, 1000);
	t.cc.ops->on_recovered(&t.cc, t.now_ns);
	t.cc.ops->on_loss(&t.cc, 900 * ACKS_MSS, false, t.now_ns);
	CU_ASSERT_DOUBLE_EQUAL(t.cc.ssthresh_bytes, 450.0 * ACKS_MSS, 1000);
}

static void test_a_hostile_count_of_marks_is_no_more_than_all(void)
{
	struct toy_acks t;

	acks_begin(&t, &cc_dctcp, 100);
	for (int round = 0; round < 50; round++)
		marked_round(&t, UINT32_MAX);
	CU_ASSERT_DOUBLE_EQUAL(alpha(&t.cc), 1.0, 0.001);
}

/* A gigabit, 200 us, marks above 30 kB: the queue stays there and the link is busy. */
static void test_the_queue_stays_where_marks_begin(void)
{
	path = (struct toy_link){.rate_bytes_s = 125000000,
				 .rtt_ns = 200000,
				 .queue_bytes = 1000000,
				 .mark_bytes = 30000};
	link_begin(&path, &cc_dctcp);
	link_run(&path, 200000000);
	const uint64_t before = path.delivered;

	path.queue_most_bytes = 0;
	link_run(&path, 1000000000);
	CU_ASSERT(link_permille(&path, before, 1000000000) >= 970);
	CU_ASSERT(path.queue_most_bytes < 80000);
	CU_ASSERT_EQUAL(path.drops, 0);
	CU_ASSERT(path.cuts > 10);
	CU_ASSERT(alpha(&path.cc) < 0.7);
}

WEIR_TESTS("tcp/cc_dctcp", TEST(the_first_mark_halves_the_window),
	   TEST(alpha_goes_a_sixteenth_of_the_way_in_each_window),
	   TEST(alpha_converges_to_the_fraction_that_is_marked),
	   TEST(the_cut_is_half_of_alpha_and_a_loss_halves),
	   TEST(a_hostile_count_of_marks_is_no_more_than_all),
	   TEST(the_queue_stays_where_marks_begin))
