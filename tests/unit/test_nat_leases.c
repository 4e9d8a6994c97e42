/* SPDX-License-Identifier: BSD-3-Clause */

/* Blocks of ports in use: their first flow, their last one, and what happens when there are too
 * many to know. */

#include "toy_nat.h"

#include "failalloc.h"
#include "nat_priv.h"

static const struct weir_siphash_key key = {1, 2};

/* Subscribers of 10.0.0.0/8 with blocks of 100 ports of 192.0.2.1. */
static struct nat_lease lease_of(uint32_t number)
{
	return (struct nat_lease){.inside_be = htonl(0x0a000000 + number),
				  .outside_be = htonl(0xc0000201),
				  .lo = (uint16_t)(1000 + number * 100),
				  .hi = (uint16_t)(1099 + number * 100)};
}

/* A flow takes a block: the lease's number. */
static uint32_t taken(struct nat_leases *l, uint16_t lo, uint16_t hi, bool *first)
{
	struct nat_lease of = lease_of(0);
	uint32_t number;

	of.lo = lo;
	of.hi = hi;
	number = nat_leases_take(l, &of, first);
	CU_ASSERT_NOT_EQUAL(number, 0);
	return number;
}

/* By subscriber: the number of its lease, which its flows keep. */
static uint32_t numbers[64];

static bool begins(struct nat_leases *l, uint32_t subscriber)
{
	const struct nat_lease of = lease_of(subscriber);
	bool first = false;
	const uint32_t number = nat_leases_take(l, &of, &first);

	CU_ASSERT_NOT_EQUAL(number, 0);
	CU_ASSERT_TRUE(first || number == numbers[subscriber]);
	numbers[subscriber] = number;
	return first;
}

static bool ends(struct nat_leases *l, uint32_t subscriber)
{
	const struct nat_lease of = lease_of(subscriber);
	struct nat_lease ended = {0};
	const bool last = nat_leases_give(l, numbers[subscriber], &ended);

	if (last) {
		CU_ASSERT_EQUAL(ended.inside_be, of.inside_be);
		CU_ASSERT_EQUAL(ended.lo, of.lo);
		CU_ASSERT_EQUAL(ended.hi, of.hi);
	}
	return last;
}

static struct nat_leases *make(uint32_t entries)
{
	struct nat_leases *l = NULL;

	toy_eal();
	CU_ASSERT_EQUAL_FATAL(nat_leases_create(entries, SOCKET_ID_ANY, &key, &l), 0);
	return l;
}

static void test_a_block_begins_with_its_first_flow_and_ends_with_its_last(void)
{
	struct nat_leases *l = make(16);

	CU_ASSERT_TRUE(begins(l, 0));
	CU_ASSERT_FALSE(begins(l, 0));
	CU_ASSERT_TRUE(begins(l, 1));
	CU_ASSERT_EQUAL(nat_leases_used(l), 2);
	CU_ASSERT_FALSE(ends(l, 0));
	CU_ASSERT_TRUE(ends(l, 0));
	CU_ASSERT_EQUAL(nat_leases_used(l), 1);
	CU_ASSERT_TRUE(begins(l, 0)); /* once more */
	CU_ASSERT_TRUE(ends(l, 0));
	CU_ASSERT_TRUE(ends(l, 1));
	CU_ASSERT_EQUAL(nat_leases_used(l), 0);
	nat_leases_free(l);
}

/* A policy with larger blocks, and one with smaller ones: flows of all are there for a while. */
static void test_blocks_that_overlap_are_given_back_each_by_its_own_flows(void)
{
	static const uint16_t ends_at[] = {1099, 1199, 1049};
	struct nat_leases *l = make(16);
	uint32_t number[3];
	struct nat_lease ended;
	bool first;

	for (unsigned i = 0; i < 3; i++) {
		number[i] = taken(l, 1000, ends_at[i], &first);
		CU_ASSERT_TRUE(first);
		CU_ASSERT_EQUAL(taken(l, 1000, ends_at[i], &first), number[i]);
		CU_ASSERT_FALSE(first);
	}
	CU_ASSERT_EQUAL(nat_leases_used(l), 3);
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT_FALSE(nat_leases_give(l, number[i], &ended));
		CU_ASSERT_TRUE(nat_leases_give(l, number[i], &ended));
		CU_ASSERT_EQUAL(ended.hi, ends_at[i]);
		CU_ASSERT_EQUAL(nat_leases_used(l), 2 - i);
	}
	nat_leases_free(l);
}

static void test_what_finds_no_room_is_counted(void)
{
	struct nat_leases *l = make(16);
	const struct nat_lease more = lease_of(16);
	bool first;

	for (uint32_t i = 0; i < 16; i++)
		CU_ASSERT_TRUE(begins(l, i));
	CU_ASSERT_EQUAL(nat_leases_take(l, &more, &first), 0);
	CU_ASSERT_EQUAL(nat_leases_untold(l), 1);
	CU_ASSERT_FALSE(begins(l, 3)); /* one that is known */
	for (uint32_t i = 0; i < 16; i++)
		CU_ASSERT_EQUAL(ends(l, i), i != 3);
	CU_ASSERT_TRUE(begins(l, 16));
	CU_ASSERT_EQUAL(nat_leases_used(l), 2);
	nat_leases_free(l);
}

/* Against a plain array of counts. */
static void test_random_flows_agree_with_counts(void)
{
	struct nat_leases *l = make(64);
	uint32_t count[64] = {0}, used = 0;
	uint64_t random = 1;

	for (unsigned i = 0; i < 200000; i++) {
		uint32_t n;

		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		n = (uint32_t)(random >> 40) % 64;
		if (random >> 63) {
			used += count[n] == 0;
			CU_ASSERT_EQUAL(begins(l, n), count[n] == 0);
			count[n]++;
		} else {
			if (count[n] == 0)
				continue;
			CU_ASSERT_EQUAL(ends(l, n), count[n] == 1);
			used -= count[n] == 1;
			count[n]--;
		}
	}
	CU_ASSERT_EQUAL(nat_leases_used(l), used);
	nat_leases_free(l);
}

static void test_sizes_that_cannot_be_are_refused(void)
{
	struct nat_leases *l = NULL;

	toy_eal();
	CU_ASSERT_EQUAL(nat_leases_create(0, SOCKET_ID_ANY, &key, &l), -EINVAL);
	CU_ASSERT_EQUAL(nat_leases_create(NAT_LEASES_MAX + 1, SOCKET_ID_ANY, &key, &l), -EINVAL);
	FAILALLOC_EACH(n)
	{
		const int rc = nat_leases_create(16, SOCKET_ID_ANY, &key, &l);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			nat_leases_free(l);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(l);
	}
	nat_leases_free(NULL);
	CU_ASSERT_EQUAL(nat_leases_used(NULL), 0);
}

WEIR_TESTS("table/nat_leases", TEST(a_block_begins_with_its_first_flow_and_ends_with_its_last),
	   TEST(blocks_that_overlap_are_given_back_each_by_its_own_flows),
	   TEST(what_finds_no_room_is_counted), TEST(random_flows_agree_with_counts),
	   TEST(sizes_that_cannot_be_are_refused))
