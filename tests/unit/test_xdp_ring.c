/* SPDX-License-Identifier: BSD-3-Clause */
/* Arithmetic of the rings: against a kernel that is two numbers in this file. */
#include "ring_priv.h"
#include "test.h"

#include <string.h>

#define SIZE 8u

/* A ring whose indices begin somewhere, often right before they wrap. */
struct toy_ring {
	struct xdp_ring r;
	uint32_t producer, consumer, flags;
	uint64_t entries[SIZE];
};

static struct xdp_ring *begin(struct toy_ring *t, uint32_t at)
{
	memset(t, 0, sizeof(*t));
	t->producer = t->consumer = at;
	t->r = (struct xdp_ring){
		.producer = &t->producer,
		.consumer = &t->consumer,
		.flags = &t->flags,
		.entries = t->entries,
		.mask = SIZE - 1,
		.head = at,
		.tail = at,
	};
	return &t->r;
}

static const uint32_t begins[] = {
	0, 1, SIZE - 1, 0x7ffffffe, UINT32_MAX - SIZE, UINT32_MAX - 3, UINT32_MAX};
static void test_an_empty_ring_of_ours_takes_as_many_as_it_has(void)
{
	for (unsigned i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		const uint32_t at = begins[i];
		struct toy_ring t;
		struct xdp_ring *r = begin(&t, at);

		CU_ASSERT_EQUAL(xdp_ring_size(r), SIZE);
		CU_ASSERT_EQUAL(xdp_ring_free(r, 0), 0);
		CU_ASSERT_EQUAL(xdp_ring_free(r, SIZE - 1), SIZE - 1);
		CU_ASSERT_EQUAL(xdp_ring_free(r, SIZE), SIZE);
		CU_ASSERT_EQUAL(xdp_ring_free(r, SIZE + 1), SIZE);
		CU_ASSERT_EQUAL(xdp_ring_free(r, UINT32_MAX), SIZE);
	}
}

static void test_a_full_ring_takes_none_until_the_kernel_has_read(void)
{
	for (unsigned i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		const uint32_t at = begins[i];
		struct toy_ring t;
		struct xdp_ring *r = begin(&t, at);

		xdp_ring_submit(r, SIZE);
		CU_ASSERT_EQUAL(t.producer, at + SIZE);
		CU_ASSERT_EQUAL(xdp_ring_free(r, 1), 0);
		t.consumer += 3;
		CU_ASSERT_EQUAL(xdp_ring_free(r, SIZE), 3);
		CU_ASSERT_EQUAL(xdp_ring_free(r, 2), 2);
	}
}

static void test_nothing_is_ready_until_the_kernel_has_written(void)
{
	for (unsigned i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		const uint32_t at = begins[i];
		struct toy_ring t;
		struct xdp_ring *r = begin(&t, at);

		CU_ASSERT_EQUAL(xdp_ring_ready(r, SIZE), 0);
		t.producer += SIZE;
		CU_ASSERT_EQUAL(xdp_ring_ready(r, 0), 0);
		CU_ASSERT_EQUAL(xdp_ring_ready(r, 5), 5);
		CU_ASSERT_EQUAL(xdp_ring_ready(r, UINT32_MAX), SIZE);
		xdp_ring_release(r, SIZE);
		CU_ASSERT_EQUAL(t.consumer, at + SIZE);
		CU_ASSERT_EQUAL(xdp_ring_ready(r, 1), 0);
	}
}

/* What one end writes the other reads, over several turns of the ring and of 2^32. */
static void test_entries_keep_their_order_over_every_wrap(void)
{
	struct toy_ring t;
	struct xdp_ring *out = begin(&t, UINT32_MAX - 20), in = *out;
	uint64_t written = 0, read = 0;

	/* The reader's own view of the same memory; the toy kernel is the other end of each. */
	for (unsigned round = 0; round < 100; round++) {
		const uint32_t n = xdp_ring_free(out, 1 + round % SIZE);
		uint32_t m;

		for (uint32_t i = 0; i < n; i++)
			*xdp_ring_addr(out, out->head + i) = written++;
		xdp_ring_submit(out, n);
		m = xdp_ring_ready(&in, 1 + round % 5);
		for (uint32_t i = 0; i < m; i++)
			CU_ASSERT_EQUAL(*xdp_ring_addr(&in, in.head + i), read++);
		xdp_ring_release(&in, m);
		CU_ASSERT_TRUE(written - read <= SIZE);
	}
	CU_ASSERT_TRUE(read > 3 * 20);
}

static void test_the_other_index_is_read_only_when_the_last_one_is_not_enough(void)
{
	struct toy_ring t;
	struct xdp_ring *r = begin(&t, 0);

	xdp_ring_submit(r, 4);
	t.consumer = 4;
	CU_ASSERT_EQUAL(xdp_ring_free(r, 4), 4);
	CU_ASSERT_EQUAL(r->tail, 0);
	CU_ASSERT_EQUAL(xdp_ring_free(r, 5), 5);
	CU_ASSERT_EQUAL(r->tail, 4);
}

static void test_a_wake_up_is_asked_for_by_one_bit(void)
{
	struct toy_ring t;
	struct xdp_ring *r = begin(&t, 0);

	CU_ASSERT_FALSE(xdp_ring_asks_wakeup(r));
	t.flags = ~(uint32_t)XDP_RING_NEED_WAKEUP;
	CU_ASSERT_FALSE(xdp_ring_asks_wakeup(r));
	t.flags = XDP_RING_NEED_WAKEUP;
	CU_ASSERT_TRUE(xdp_ring_asks_wakeup(r));
}

WEIR_TESTS("xdp/ring", TEST(an_empty_ring_of_ours_takes_as_many_as_it_has),
	   TEST(a_full_ring_takes_none_until_the_kernel_has_read),
	   TEST(nothing_is_ready_until_the_kernel_has_written),
	   TEST(entries_keep_their_order_over_every_wrap),
	   TEST(the_other_index_is_read_only_when_the_last_one_is_not_enough),
	   TEST(a_wake_up_is_asked_for_by_one_bit))
