/* SPDX-License-Identifier: BSD-3-Clause */

/* A ring of slots, from one side and from both. */

#include "slots_priv.h"

#include "failalloc.h"
#include "test.h"

#include <errno.h>

static void test_slots_come_out_in_the_order_in_which_they_were_committed(void)
{
	struct slots s;

	CU_ASSERT_EQUAL_FATAL(slots_create(&s, 4, sizeof(uint32_t), 64), 0);
	CU_ASSERT_EQUAL(s.slot_bytes, 64);
	CU_ASSERT_PTR_NULL(slots_peek(&s));
	for (uint32_t round = 0; round < 100; round++) {
		for (uint32_t i = 0; i < 3; i++) {
			*(uint32_t *)slots_reserve(&s) = 3 * round + i;
			slots_commit(&s);
		}
		for (uint32_t i = 0; i < 3; i++) {
			CU_ASSERT_EQUAL(*(uint32_t *)slots_peek(&s), 3 * round + i);
			slots_pop(&s);
		}
		CU_ASSERT_PTR_NULL(slots_peek(&s));
	}
	CU_ASSERT_EQUAL(slots_lost(&s), 0);
	slots_free(&s);
}

static void test_what_was_not_committed_is_not_there(void)
{
	struct slots s;
	void *first;

	CU_ASSERT_EQUAL_FATAL(slots_create(&s, 2, 8, 8), 0);
	first = slots_reserve(&s);
	CU_ASSERT_PTR_NULL(slots_peek(&s));
	CU_ASSERT_PTR_EQUAL(slots_reserve(&s), first);
	slots_free(&s);
}

static void test_a_full_ring_loses_the_new_and_keeps_the_old(void)
{
	struct slots s;

	CU_ASSERT_EQUAL_FATAL(slots_create(&s, 2, 8, 8), 0);
	for (uint64_t i = 0; i < 5; i++) {
		uint64_t *slot = slots_reserve(&s);

		CU_ASSERT_EQUAL(slot != NULL, i < 2);
		if (slot == NULL)
			continue;
		*slot = i;
		slots_commit(&s);
	}
	CU_ASSERT_EQUAL(slots_lost(&s), 3);
	CU_ASSERT_EQUAL(*(uint64_t *)slots_peek(&s), 0);
	slots_pop(&s);
	CU_ASSERT_PTR_NOT_NULL(slots_reserve(&s)); /* room again */
	CU_ASSERT_EQUAL(slots_lost(&s), 3);
	slots_free(&s);
}

static void test_counting_goes_on_beyond_what_32_bits_hold(void)
{
	struct slots s;

	CU_ASSERT_EQUAL_FATAL(slots_create(&s, 2, 8, 8), 0);
	s.head = s.tail = s.tail_seen = UINT32_MAX - 1;
	for (uint64_t i = 0; i < 8; i++) {
		*(uint64_t *)slots_reserve(&s) = i;
		slots_commit(&s);
		CU_ASSERT_EQUAL(*(uint64_t *)slots_peek(&s), i);
		slots_pop(&s);
	}
	slots_free(&s);
}

static void test_sizes_that_cannot_be_are_refused(void)
{
	static const uint32_t bad[] = {0, 3, 100, UINT32_C(1) << 25};
	struct slots s = {0};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(slots_create(&s, bad[i], 64, 64), -EINVAL);
	failalloc_at(1);
	CU_ASSERT_EQUAL(slots_create(&s, 2, 64, 64), -ENOMEM);
	CU_ASSERT_FALSE(failalloc_done());
	slots_free(&s);
}

WEIR_TESTS("dataplane/slots", TEST(slots_come_out_in_the_order_in_which_they_were_committed),
	   TEST(what_was_not_committed_is_not_there),
	   TEST(a_full_ring_loses_the_new_and_keeps_the_old),
	   TEST(counting_goes_on_beyond_what_32_bits_hold), TEST(sizes_that_cannot_be_are_refused))
