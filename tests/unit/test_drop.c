/* SPDX-License-Identifier: BSD-3-Clause */

/* The names of drop reasons, as metrics, weirctl and the manual use them. */

#include "test.h"

#include <ctype.h>
#include <string.h>
#include <weir/drop.h>

static void test_each_reason_has_a_label_a_meaning_and_a_remedy(void)
{
	for (int d = 0; d < WEIR_DROPS; d++) {
		const struct weir_drop_text *t = weir_drop_text((enum weir_drop)d);

		CU_ASSERT_TRUE(islower((unsigned char)t->label[0]));
		CU_ASSERT_EQUAL(strspn(t->label, "abcdefghijklmnopqrstuvwxyz0123456789_"),
				strlen(t->label));
		CU_ASSERT_TRUE(strlen(t->meaning) > 0 && strlen(t->remedy) > 0);
		CU_ASSERT_PTR_NULL(strchr(t->meaning, '|')); /* the manual is a table */
		CU_ASSERT_PTR_NULL(strchr(t->remedy, '|'));
	}
}

static void test_each_label_leads_back_to_its_reason(void)
{
	for (int d = 0; d < WEIR_DROPS; d++)
		CU_ASSERT_EQUAL(weir_drop_by_label(weir_drop_text((enum weir_drop)d)->label), d);
	CU_ASSERT_EQUAL(weir_drop_by_label("TTL"), -1);
	CU_ASSERT_EQUAL(weir_drop_by_label(""), -1);
}

static void test_a_number_that_is_no_reason_reads_as_none(void)
{
	CU_ASSERT_STRING_EQUAL(weir_drop_text(WEIR_DROPS)->label, "none");
	CU_ASSERT_STRING_EQUAL(weir_drop_text((enum weir_drop) - 1)->label, "none");
}

WEIR_TESTS("dataplane/drop", TEST(each_reason_has_a_label_a_meaning_and_a_remedy),
	   TEST(each_label_leads_back_to_its_reason),
	   TEST(a_number_that_is_no_reason_reads_as_none))
