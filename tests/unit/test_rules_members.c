/* SPDX-License-Identifier: BSD-3-Clause */

/* Which lists a thing is in: rows of numbers, whatever the order in which they came. */

#include "test.h"

#include "rules_priv.h"

#include "failalloc.h"

static uint32_t row(const struct rules_members *m, uint32_t what)
{
	return m->at[what + 1] - m->at[what];
}

static void test_each_thing_has_its_lists_in_the_order_of_adding(void)
{
	struct rules_members m = {0};
	uint64_t bytes = 0;

	for (uint16_t list = 0; list < 100; list++)
		for (uint16_t what = 0; what < 50; what++)
			if (list % (what + 1u) == 0 && what != 7)
				CU_ASSERT_EQUAL(rules_members_add(&m, 49 - what, list), 0);
	CU_ASSERT_EQUAL_FATAL(rules_members_seal(&m, &bytes), 0);
	CU_ASSERT_EQUAL(m.n, 50);
	CU_ASSERT(bytes >= m.n_members * sizeof(m.list[0]));
	for (uint32_t what = 0; what < 50; what++) {
		const uint32_t step = 50 - what;
		const uint32_t n = what == 42 ? 0 : (99 + step) / step;

		CU_ASSERT_EQUAL_FATAL(row(&m, what), n);
		for (uint32_t i = 0; i < n; i++)
			CU_ASSERT_EQUAL(m.list[m.at[what] + i], i * step);
	}
	rules_members_free(&m);
}

static void test_of_nothing_there_is_nothing(void)
{
	struct rules_members m = {0};
	uint64_t bytes = 0;

	CU_ASSERT_EQUAL(rules_members_seal(&m, &bytes), 0);
	CU_ASSERT_EQUAL(m.n, 0);
	CU_ASSERT_EQUAL(bytes, 0);
	rules_members_free(&m);
}

static int fill(struct rules_members *m)
{
	uint64_t bytes = 0;
	int rc = 0;

	for (uint16_t i = 0; i < 40 && rc == 0; i++)
		rc = rules_members_add(m, i % 5, i);
	return rc < 0 ? rc : rules_members_seal(m, &bytes);
}

static void test_each_allocation_may_fail(void)
{
	bool done = false;

	FAILALLOC_EACH(n)
	{
		struct rules_members m = {0};
		const int rc = fill(&m);

		done = failalloc_done();
		CU_ASSERT_EQUAL(rc, done ? 0 : -ENOMEM);
		rules_members_free(&m);
		if (done)
			break;
	}
	CU_ASSERT(done);
}

WEIR_TESTS("rules/members", TEST(each_thing_has_its_lists_in_the_order_of_adding),
	   TEST(of_nothing_there_is_nothing), TEST(each_allocation_may_fail))
