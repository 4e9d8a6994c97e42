/* SPDX-License-Identifier: BSD-3-Clause */
#include "test.h"

#include <weir/cursor.h>

static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static struct weir_cursor over(size_t n)
{
	return (struct weir_cursor){.at = bytes, .end = bytes + n};
}

static void test_fields_are_read_high_byte_first(void)
{
	struct weir_cursor c = over(sizeof(bytes));

	CU_ASSERT_EQUAL(weir_take_u8(&c), 1);
	CU_ASSERT_EQUAL(weir_take_u16_be(&c), 0x0203);
	CU_ASSERT_EQUAL(weir_take_u32_be(&c), 0x04050607);
	CU_ASSERT_EQUAL(weir_take_u64_be(&c), UINT64_C(0x08090a0b0c0d0e0f));
	CU_ASSERT_EQUAL(weir_left(&c), 1);
	CU_ASSERT_PTR_EQUAL(weir_take(&c, 1), bytes + 15);
	CU_ASSERT_EQUAL(weir_left(&c), 0);
	CU_ASSERT_PTR_EQUAL(weir_take(&c, 0), bytes + 16);
	CU_ASSERT_FALSE(c.bad);
}

static void test_each_field_that_is_cut_short_makes_it_bad(void)
{
	for (size_t n = 0; n < 8; n++) {
		struct weir_cursor c = over(n);

		CU_ASSERT_EQUAL(weir_take_u64_be(&c), 0);
		CU_ASSERT_TRUE(c.bad);
		c = over(n);
		CU_ASSERT_EQUAL(weir_take_u32_be(&c) == 0, n < 4);
		CU_ASSERT_EQUAL(c.bad, n < 4);
		c = over(n);
		CU_ASSERT_EQUAL(weir_take_u16_be(&c) == 0, n < 2);
		CU_ASSERT_EQUAL(c.bad, n < 2);
		c = over(n);
		CU_ASSERT_EQUAL(weir_take_u8(&c) == 0, n < 1);
		CU_ASSERT_EQUAL(c.bad, n < 1);
	}
}

static void test_a_bad_cursor_stays_bad_and_does_not_move(void)
{
	struct weir_cursor c = over(4);

	CU_ASSERT_PTR_NULL(weir_take(&c, 5));
	CU_ASSERT_EQUAL(weir_take_u8(&c), 0);
	CU_ASSERT_PTR_NULL(weir_take(&c, 0));
	CU_ASSERT_EQUAL(weir_left(&c), 0);
	CU_ASSERT_TRUE(c.bad);
	CU_ASSERT_PTR_EQUAL(c.at, bytes);
}

static void test_a_length_of_any_size_is_no_overflow(void)
{
	struct weir_cursor c = over(4);
	struct weir_cursor empty = {.at = NULL, .end = NULL};

	CU_ASSERT_PTR_NULL(weir_take(&c, SIZE_MAX));
	CU_ASSERT_TRUE(c.bad);
	CU_ASSERT_EQUAL(weir_left(&empty), 0);
	CU_ASSERT_PTR_NULL(weir_take(&empty, 0));
	CU_ASSERT_FALSE(empty.bad);
	CU_ASSERT_EQUAL(weir_take_u8(&empty), 0);
	CU_ASSERT_TRUE(empty.bad);
}

static void test_what_is_put_is_what_is_taken(void)
{
	uint8_t out[sizeof(bytes)];
	struct weir_writer w = {.at = out, .end = out + sizeof(out)};

	weir_put_u8(&w, 1);
	weir_put_u16_be(&w, 0x0203);
	weir_put_u32_be(&w, 0x04050607);
	weir_put_u64_be(&w, UINT64_C(0x08090a0b0c0d0e0f));
	CU_ASSERT_EQUAL(weir_room(&w), 1);
	weir_put(&w, bytes + 15, 1);
	weir_put(&w, NULL, 0);
	CU_ASSERT_FALSE(w.bad);
	CU_ASSERT_EQUAL(memcmp(out, bytes, sizeof(out)), 0);
	CU_ASSERT_PTR_NULL(weir_put_room(&w, 1));
	CU_ASSERT_TRUE(w.bad);
}

static void test_a_writer_puts_all_of_a_field_or_nothing(void)
{
	uint8_t out[8] = {0};
	struct weir_writer w = {.at = out, .end = out + 3};

	weir_put_u32_be(&w, 0xffffffff);
	CU_ASSERT_TRUE(w.bad);
	weir_put_u8(&w, 0xff);
	weir_put_u64_be(&w, UINT64_MAX);
	CU_ASSERT_EQUAL(weir_room(&w), 0);
	for (size_t i = 0; i < sizeof(out); i++)
		CU_ASSERT_EQUAL(out[i], 0);
}

WEIR_TESTS("base/cursor", TEST(fields_are_read_high_byte_first),
	   TEST(each_field_that_is_cut_short_makes_it_bad),
	   TEST(a_bad_cursor_stays_bad_and_does_not_move),
	   TEST(a_length_of_any_size_is_no_overflow), TEST(what_is_put_is_what_is_taken),
	   TEST(a_writer_puts_all_of_a_field_or_nothing))
