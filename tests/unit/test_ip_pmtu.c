/* SPDX-License-Identifier: BSD-3-Clause */

/* What is known of paths: lowered, never raised but by time, and by a table that is full. */

#include "toy_stack.h"

#define S UINT64_C(1000000000)

static uint16_t link_mtu;

static bool way(void *ctx, const struct weir_addr *to, struct weir_way *out)
{
	*out = (struct weir_way){.mtu_bytes = link_mtu};
	return link_mtu != 0;
}

static struct weir_addr addr(const char *text)
{
	return toy_end(text, 0).addr;
}

static void test_a_path_is_as_wide_as_its_link_until_it_is_told_otherwise(void)
{
	const struct weir_addr four = addr("192.0.2.2"), six = addr("2001:db8::2"),
			       other = addr("192.0.2.3");
	struct weir_stack *s = toy_stack(1, 1);

	CU_ASSERT_EQUAL(ip_mtu(s, &four), 1500);
	s->conf.way = way;
	link_mtu = 9000;
	CU_ASSERT_EQUAL(ip_mtu(s, &four), 9000);
	CU_ASSERT(ip_mtu_lower(s, &four, 1400));
	CU_ASSERT_EQUAL(ip_mtu(s, &four), 1400);
	CU_ASSERT_EQUAL(ip_mtu(s, &other), 9000);
	CU_ASSERT_EQUAL(ip_mtu(s, &six), 9000);
	CU_ASSERT(!ip_mtu_lower(s, &four, 1400));
	CU_ASSERT(!ip_mtu_lower(s, &four, 1401)); /* never up */
	CU_ASSERT_EQUAL(ip_mtu(s, &four), 1400);
	CU_ASSERT(ip_mtu_lower(s, &four, 68));
	CU_ASSERT_EQUAL(ip_mtu(s, &four), 552);
	CU_ASSERT(!ip_mtu_lower(s, &four, 60));
	CU_ASSERT(ip_mtu_lower(s, &six, 1000));
	CU_ASSERT_EQUAL(ip_mtu(s, &six), 1280);
	link_mtu = 500;
	CU_ASSERT_EQUAL(ip_mtu(s, &four), 500);
	link_mtu = 0; /* no way: what a link has that nothing is known of */
	CU_ASSERT_EQUAL(ip_mtu(s, &other), 1500);
	CU_ASSERT_EQUAL(ip_mtu(s, &four), 552);
	weir_stack_free(s);
}

static void test_ten_minutes_later_it_is_found_out_anew(void)
{
	const struct weir_addr four = addr("192.0.2.2");
	struct weir_stack *s = toy_stack(1, 1);

	s->now_ns = 5000 * S;
	CU_ASSERT(ip_mtu_lower(s, &four, 1400));
	s->now_ns += 599 * S;
	CU_ASSERT_EQUAL(ip_mtu(s, &four), 1400);
	s->now_ns += 4 * S;
	CU_ASSERT_EQUAL(ip_mtu(s, &four), 1500);
	CU_ASSERT(ip_mtu_lower(s, &four, 1450));
	CU_ASSERT_EQUAL(ip_mtu(s, &four), 1450);
	weir_stack_free(s);
}

static void test_a_search_keeps_what_passes_and_what_may(void)
{
	struct weir_stack *s = toy_stack(1, 1);
	const struct weir_addr to = addr("192.0.2.1");

	s->conf.way = way;
	link_mtu = 1500;
	CU_ASSERT_EQUAL(ip_mtu_most(s, &to), 1500);
	ip_mtu_found(s, &to, 1064, 1499);
	CU_ASSERT_EQUAL(ip_mtu(s, &to), 1064);
	CU_ASSERT_EQUAL(ip_mtu_most(s, &to), 1499);
	ip_mtu_found(s, &to, 1282, 1400);
	ip_mtu_found(s, &to, 1064, 1450); /* another search, which knows less */
	CU_ASSERT_EQUAL(ip_mtu(s, &to), 1282);
	CU_ASSERT_EQUAL(ip_mtu_most(s, &to), 1400);
	ip_mtu_found(s, &to, 1064, 1200); /* what has passed does so no more */
	CU_ASSERT_EQUAL(ip_mtu(s, &to), 1064);
	CU_ASSERT_EQUAL(ip_mtu_most(s, &to), 1200);
	CU_ASSERT(!ip_mtu_lower(s, &to, 1200));
	CU_ASSERT(ip_mtu_lower(s, &to, 1150)); /* a router knows it */
	CU_ASSERT_EQUAL(ip_mtu(s, &to), 1150);
	CU_ASSERT_EQUAL(ip_mtu_most(s, &to), 1150);
	link_mtu = 900;
	CU_ASSERT_EQUAL(ip_mtu_most(s, &to), 900);
	weir_stack_free(s);
}

static void test_a_full_table_forgets_the_oldest_and_keeps_the_newest(void)
{
	struct weir_stack *s = toy_stack(1, 1);
	struct weir_addr a = addr("2001:db8::");
	unsigned known = 0;

	for (uint32_t i = 0; i < 5000; i++) {
		s->now_ns = S * 100 + i * (S / 20);
		memcpy(a.bytes + 8, &i, sizeof(i));
		CU_ASSERT(ip_mtu_lower(s, &a, 1300));
		CU_ASSERT_EQUAL(ip_mtu(s, &a), 1300);
	}
	for (uint32_t i = 0; i < 5000; i++) {
		memcpy(a.bytes + 8, &i, sizeof(i));
		known += ip_mtu(s, &a) == 1300;
	}
	CU_ASSERT(known > PMTU_SETS * PMTU_WAYS * 9 / 10);
	CU_ASSERT(known <= PMTU_SETS * PMTU_WAYS);
	weir_stack_free(s);
}

WEIR_TESTS("ip/pmtu", TEST(a_path_is_as_wide_as_its_link_until_it_is_told_otherwise),
	   TEST(ten_minutes_later_it_is_found_out_anew),
	   TEST(a_search_keeps_what_passes_and_what_may),
	   TEST(a_full_table_forgets_the_oldest_and_keeps_the_newest))
