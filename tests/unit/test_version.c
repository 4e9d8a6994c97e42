/* SPDX-License-Identifier: BSD-3-Clause */
#include "test.h"

#include <stdio.h>
#include <weir/version.h>

static void test_the_version_is_three_numbers(void)
{
	unsigned major, minor, patch;
	int used = 0;

	CU_ASSERT_EQUAL(sscanf(weir_version(), "%u.%u.%u%n", &major, &minor, &patch, &used), 3);
	CU_ASSERT(major + minor + patch > 0);
	CU_ASSERT_EQUAL(weir_version()[used], '\0');
}

WEIR_TESTS("base/version", TEST(the_version_is_three_numbers))
