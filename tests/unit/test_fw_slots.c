/* SPDX-License-Identifier: BSD-3-Clause */

/* Counters of rules: who has which over reloads, large ones too. */

#include "failalloc.h"
#include "test.h"

#include <errno.h>

#include "app/app_priv.h"
#include "firewall/fw_priv.h"

#define RULES 40000u

static struct weir_run run; /* without workers: nothing is counted */
static struct fw fw;
static struct weir_why why;

static void begin(void)
{
	fw = (struct fw){.run = &run};
	run.fw = &fw;
	CU_ASSERT_EQUAL_FATAL(fw_slots_create(&fw), 0);
}

/* The slot of rule number @n, which is to be had. */
static uint32_t take(unsigned n, uint64_t said)
{
	uint32_t slot = 0;
	char name[16];

	snprintf(name, sizeof(name), "rule-%u", n);
	CU_ASSERT_EQUAL_FATAL(fw_slot_take(&fw, name, said, &slot, &why), 0);
	return slot;
}

static unsigned in_use(void)
{
	unsigned n = 0;

	for (uint32_t i = 1; i < fw.n_slots; i++)
		n += fw.slots[i].name != NULL;
	return n;
}

/* All of the rules are others than those before, three times; then the last ones stay. */
static void test_forty_thousand_rules_are_replaced_again_and_again(void)
{
	static uint32_t had[RULES];
	static bool seen[WEIR_RULE_SLOTS_MAX];

	begin();
	for (unsigned reload = 0; reload < 4; reload++) {
		memset(seen, 0, sizeof(seen));
		for (unsigned i = 0; reload > 0 && i < RULES; i++)
			seen[had[i]] = true; /* they count until the others are in force */
		fw_slots_begin(&fw);
		for (unsigned i = 0; i < RULES; i++) {
			had[i] = take(reload * RULES + i, 1);
			CU_ASSERT_FALSE(seen[had[i]]);
			seen[had[i]] = true;
		}
		fw_slots_keep(&fw);
		CU_ASSERT_EQUAL(in_use(), RULES);
	}
	fw_slots_begin(&fw);
	for (unsigned i = RULES; i-- > 0;)
		CU_ASSERT_EQUAL(take(3 * RULES + i, 1), had[i]);
	fw_slots_keep(&fw);
	CU_ASSERT_EQUAL(in_use(), RULES);
	fw_slots_free(&fw);
}

static void test_as_many_rules_as_there_may_be_are_replaced_by_as_many(void)
{
	begin();
	for (unsigned reload = 0; reload < 3; reload++) {
		fw_slots_begin(&fw);
		for (unsigned i = 0; i < WEIR_RULES_MAX; i++)
			(void)take(i, reload);
		fw_slots_keep(&fw);
		CU_ASSERT_EQUAL(in_use(), WEIR_RULES_MAX);
	}
	fw_slots_free(&fw);
}

static void test_a_rule_without_a_free_counter_is_refused_in_one_sentence(void)
{
	uint32_t slot;

	begin();
	fw_slots_begin(&fw);
	for (unsigned i = 1; i < WEIR_RULE_SLOTS_MAX; i++)
		(void)take(i, 1);
	CU_ASSERT_EQUAL(fw_slot_take(&fw, "more", 1, &slot, &why), -ENOSPC);
	CU_ASSERT_STRING_EQUAL(why.text,
			       "rule more: all 131068 counters are taken by the rules before it "
			       "and those in force; go there by two reloads");
	fw_slots_forget(&fw);
	CU_ASSERT_EQUAL(in_use(), 0);
	fw_slots_begin(&fw);
	(void)take(1, 1);
	fw_slots_forget(&fw);
	fw_slots_free(&fw);
}

static void test_a_rule_that_says_something_else_has_another_counter(void)
{
	uint32_t a, b;

	begin();
	fw_slots_begin(&fw);
	a = take(1, 1);
	b = take(2, 1);
	CU_ASSERT_NOT_EQUAL(a, b);
	fw_slots_keep(&fw);
	fw_slots_begin(&fw);
	CU_ASSERT_EQUAL(take(2, 1), b);
	CU_ASSERT_NOT_EQUAL(take(1, 2), a);
	fw_slots_forget(&fw); /* refused: those in force stay */
	CU_ASSERT_EQUAL(in_use(), 2);
	CU_ASSERT_STRING_EQUAL(fw_slot_name(&fw, a), "rule-1");
	CU_ASSERT_STRING_EQUAL(fw_slot_name(&fw, 0), "default");
	CU_ASSERT_PTR_NULL(fw_slot_name(&fw, fw.n_slots));
	fw_slots_free(&fw);
}

static void test_a_slot_goes_to_another_rule_as_late_as_can_be(void)
{
	uint32_t first;

	begin();
	fw_slots_begin(&fw);
	first = take(1, 1);
	fw_slots_keep(&fw);
	for (uint64_t said = 2; said < 100; said++) {
		fw_slots_begin(&fw);
		CU_ASSERT_NOT_EQUAL(take(1, said), first);
		fw_slots_keep(&fw);
	}
	CU_ASSERT_EQUAL(in_use(), 1);
	fw_slots_free(&fw);
}

static void test_failing_allocations_change_nothing(void)
{
	uint32_t slot;

	FAILALLOC_EACH(n)
	{
		int rc;

		fw = (struct fw){.run = &run};
		rc = fw_slots_create(&fw);
		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		fw_slots_free(&fw);
	}
	fw_slots_begin(&fw);
	failalloc_at(1);
	CU_ASSERT_EQUAL(fw_slot_take(&fw, "a", 1, &slot, &why), -ENOMEM);
	CU_ASSERT_FALSE(failalloc_done());
	CU_ASSERT_EQUAL(in_use(), 0);
	fw_slots_free(&fw);
}

WEIR_TESTS("firewall/slots", TEST(forty_thousand_rules_are_replaced_again_and_again),
	   TEST(as_many_rules_as_there_may_be_are_replaced_by_as_many),
	   TEST(a_rule_without_a_free_counter_is_refused_in_one_sentence),
	   TEST(a_rule_that_says_something_else_has_another_counter),
	   TEST(a_slot_goes_to_another_rule_as_late_as_can_be),
	   TEST(failing_allocations_change_nothing))
