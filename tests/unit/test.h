/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A CUnit program in one line: WEIR_TESTS("base/hist", TEST(an_empty_one_has_no_median), ...).
 * TEST(x) runs the function test_x(); its name, with spaces, is the sentence that is printed.
 */

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

struct weir_test {
	const char *name;
	void (*run)(void);
};

#define TEST(sentence)                                    \
	{                                                 \
		.name = #sentence, .run = test_##sentence \
	}

static inline int weir_tests_run(const char *suite_name, const struct weir_test *tests, size_t n)
{
	CU_pSuite suite;
	unsigned failed;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 2;
	suite = CU_add_suite(suite_name, NULL, NULL);
	if (suite == NULL)
		return 2;
	for (size_t i = 0; i < n; i++)
		if (CU_add_test(suite, tests[i].name, tests[i].run) == NULL)
			return 2;
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures() + CU_get_number_of_tests_failed();
	if (CU_get_number_of_tests_run() != n)
		failed++;
	CU_cleanup_registry();
	return failed != 0;
}

#define WEIR_TESTS(suite_name, ...)                                                         \
	int main(void)                                                                      \
	{                                                                                   \
		static const struct weir_test tests[] = {__VA_ARGS__};                      \
                                                                                            \
		return weir_tests_run(suite_name, tests, sizeof(tests) / sizeof(tests[0])); \
	}
