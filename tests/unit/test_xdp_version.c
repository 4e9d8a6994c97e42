/* SPDX-License-Identifier: BSD-3-Clause */
/* The DPDK that runs is this file: its functions stand in for the library's. */
#include "test.h"
#include "version_priv.h"

#include <errno.h>
#include <rte_log.h>
#include <rte_version.h>
#include <stdio.h>
#include <string.h>

static unsigned int year, month;
static char told[512];

unsigned int rte_version_year(void)
{
	return year;
}

unsigned int rte_version_month(void)
{
	return month;
}

static int check(unsigned int running_year, unsigned int running_month)
{
	FILE *log = fmemopen(told, sizeof(told), "w");
	int rc;

	memset(told, 0, sizeof(told));
	year = running_year;
	month = running_month;
	rte_openlog_stream(log);
	rc = xdp_version_check();
	rte_openlog_stream(NULL);
	fclose(log);
	return rc;
}

static void test_the_release_it_was_compiled_for_is_taken_in_silence(void)
{
	CU_ASSERT_EQUAL(check(RTE_VER_YEAR, RTE_VER_MONTH), 0);
	CU_ASSERT_STRING_EQUAL(told, "");
}

static void test_any_other_release_is_refused_and_both_are_named(void)
{
	char ours[32];

	snprintf(ours, sizeof(ours), "%u.%02u", RTE_VER_YEAR, RTE_VER_MONTH);
	CU_ASSERT_EQUAL(check(RTE_VER_YEAR + 1, RTE_VER_MONTH), -ENOTSUP);
	CU_ASSERT_PTR_NOT_NULL(strstr(told, ours));
	CU_ASSERT_EQUAL(check(19, 2), -ENOTSUP);
	CU_ASSERT_PTR_NOT_NULL(strstr(told, "19.02"));
	CU_ASSERT_EQUAL(check(RTE_VER_YEAR, RTE_VER_MONTH - 1), -ENOTSUP);
	CU_ASSERT_PTR_EQUAL(strchr(told, '\n'), told + strlen(told) - 1); /* one line */
}

WEIR_TESTS("pmd-xdp/version", TEST(the_release_it_was_compiled_for_is_taken_in_silence),
	   TEST(any_other_release_is_refused_and_both_are_named))
