/* SPDX-License-Identifier: BSD-3-Clause */
#include "test.h"

#include <errno.h>
#include <string.h>
#include <weir/error.h>

static void test_success_is_no_error(void)
{
	CU_ASSERT_EQUAL(weir_error_category(0), WEIR_ERROR_NONE);
	CU_ASSERT_EQUAL(weir_error_category(7), WEIR_ERROR_NONE);
	CU_ASSERT_FALSE(weir_error_is_retryable(0));
	CU_ASSERT_STRING_EQUAL(weir_error_text(3), "success");
}

static void test_a_full_table_may_have_room_later(void)
{
	CU_ASSERT_EQUAL(weir_error_category(-ENOSPC), WEIR_ERROR_RESOURCE);
	CU_ASSERT_TRUE(weir_error_is_retryable(-ENOSPC));
}

static void test_a_broken_protocol_is_not_tried_again(void)
{
	CU_ASSERT_EQUAL(weir_error_category(-EPROTO), WEIR_ERROR_PROTOCOL);
	CU_ASSERT_FALSE(weir_error_is_retryable(-EPROTO));
}

static void test_an_unknown_code_is_the_callers_fault(void)
{
	CU_ASSERT_EQUAL(weir_error_category(-9999), WEIR_ERROR_APP);
	CU_ASSERT_FALSE(weir_error_is_retryable(-9999));
	CU_ASSERT_STRING_EQUAL(weir_error_text(-9999), "unknown error");
}

static void test_each_category_has_a_name(void)
{
	CU_ASSERT_STRING_EQUAL(weir_error_category_name(WEIR_ERROR_TIMEOUT), "timeout");
	CU_ASSERT_STRING_EQUAL(weir_error_category_name(WEIR_ERROR_RESOURCE), "resource");
	CU_ASSERT_STRING_EQUAL(weir_error_category_name((enum weir_error_category)99), "unknown");
}

WEIR_TESTS("base/error", TEST(success_is_no_error), TEST(a_full_table_may_have_room_later),
	   TEST(a_broken_protocol_is_not_tried_again), TEST(an_unknown_code_is_the_callers_fault),
	   TEST(each_category_has_a_name))
