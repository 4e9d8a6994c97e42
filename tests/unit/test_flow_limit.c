/* SPDX-License-Identifier: BSD-3-Clause */

/* Flows of a source: counted, limited, given back. */

#include "flow_priv.h"
#include "toy_flow.h"

#include <errno.h>

static struct weir_flow_table *flows_of_sources(uint32_t sources)
{
	struct weir_flow_conf conf = toy_flow_conf(4096);

	conf.sources = sources;
	return toy_flows_of(&conf);
}

static struct weir_flow *draft4(struct weir_flow_table *t, uint32_t src, uint16_t sport)
{
	const struct weir_tuple tuple = toy_tuple4(src, sport, 2, 3, IPPROTO_UDP);

	return weir_flow_at(t, weir_flow_draft(t, &tuple));
}

static void test_a_source_has_so_many_flows_and_no_more(void)
{
	struct weir_flow_table *t = flows_of_sources(16);
	struct weir_flow *f = NULL;

	for (uint16_t i = 0; i < 5; i++) {
		f = draft4(t, 1, i);
		CU_ASSERT_EQUAL(weir_flow_limit_take(t, f, 5), 0);
		CU_ASSERT_TRUE(f->flags & WEIR_FLOW_LIMITED);
		CU_ASSERT_EQUAL(weir_flow_limit_take(t, f, 5), 0); /* counted already */
	}
	CU_ASSERT_EQUAL(weir_flow_limit_take(t, draft4(t, 1, 9), 5), -EDQUOT);
	CU_ASSERT_EQUAL(weir_flow_limit_take(t, draft4(t, 1, 9), 6), 0);
	CU_ASSERT_EQUAL(weir_flow_limit_take(t, draft4(t, 2, 9), 0), -EDQUOT);
	CU_ASSERT_EQUAL(weir_flow_limit_take(t, draft4(t, 2, 9), 1), 0);
	weir_flow_table_free(t);
}

static void test_the_end_of_a_flow_or_draft_gives_its_place_back(void)
{
	struct weir_flow_table *t = flows_of_sources(16);
	struct weir_flow *draft = draft4(t, 1, 1), *known = draft4(t, 1, 2);
	uint32_t ref;

	CU_ASSERT_EQUAL(weir_flow_limit_take(t, draft, 2), 0);
	CU_ASSERT_EQUAL(weir_flow_limit_take(t, known, 2), 0);
	CU_ASSERT_EQUAL(weir_flow_commit(t, flow_index(t, known), &ref), 0);
	CU_ASSERT_EQUAL(weir_flow_limit_take(t, draft4(t, 1, 3), 2), -EDQUOT);
	weir_flow_abort(t, flow_index(t, draft));
	CU_ASSERT_EQUAL(weir_flow_limit_take(t, draft4(t, 1, 3), 2), 0);
	CU_ASSERT_EQUAL(weir_flow_limit_take(t, draft4(t, 1, 4), 2), -EDQUOT);
	weir_flow_table_tick(t, 500 * S);
	CU_ASSERT_EQUAL(weir_flow_expire(t, 64), 1);
	CU_ASSERT_EQUAL(weir_flow_limit_take(t, draft4(t, 1, 4), 2), 0);
	CU_ASSERT_EQUAL(t->used_sources, 1);
	weir_flow_table_free(t);
}

static void test_of_ipv6_a_network_of_64_bits_is_one_source(void)
{
	struct weir_flow_table *t = flows_of_sources(16);
	struct weir_tuple tuple = toy_tuple6(1, 2, 3, 4, IPPROTO_UDP);
	struct weir_flow *f;

	f = weir_flow_at(t, weir_flow_draft(t, &tuple));
	CU_ASSERT_EQUAL(weir_flow_limit_take(t, f, 1), 0);
	tuple.src[8] ^= 1;
	f = weir_flow_at(t, weir_flow_draft(t, &tuple));
	CU_ASSERT_EQUAL(weir_flow_limit_take(t, f, 1), -EDQUOT);
	tuple.src[7] ^= 1;
	f = weir_flow_at(t, weir_flow_draft(t, &tuple));
	CU_ASSERT_EQUAL(weir_flow_limit_take(t, f, 1), 0);
	weir_flow_table_free(t);
}

static void test_address_spaces_and_families_are_told_apart(void)
{
	struct weir_flow_table *t = flows_of_sources(16);
	struct weir_tuple four = toy_tuple4(UINT32_C(0x20010db8), 1, 2, 3, IPPROTO_UDP);
	const struct weir_tuple six = toy_tuple6(0, 1, 2, 3, IPPROTO_UDP);

	CU_ASSERT_EQUAL(memcmp(four.src, six.src, 8), 0); /* the same bytes */
	CU_ASSERT_EQUAL(weir_flow_limit_take(t, weir_flow_at(t, weir_flow_draft(t, &four)), 1), 0);
	CU_ASSERT_EQUAL(weir_flow_limit_take(t, weir_flow_at(t, weir_flow_draft(t, &six)), 1), 0);
	four.vrf = 1;
	CU_ASSERT_EQUAL(weir_flow_limit_take(t, weir_flow_at(t, weir_flow_draft(t, &four)), 1), 0);
	CU_ASSERT_EQUAL(weir_flow_limit_take(t, weir_flow_at(t, weir_flow_draft(t, &four)), 1),
			-EDQUOT);
	weir_flow_table_free(t);
}

static void test_as_many_sources_as_were_asked_for_are_counted(void)
{
	struct weir_flow_table *t = flows_of_sources(1000);

	for (uint32_t i = 0; i < 1000; i++)
		CU_ASSERT_EQUAL(weir_flow_limit_take(t, draft4(t, i, 1), 1), 0);
	CU_ASSERT_EQUAL(weir_flow_limit_take(t, draft4(t, 1000, 1), 1), -ENOSPC);
	CU_ASSERT_EQUAL(weir_flow_limit_take(t, draft4(t, 7, 2), 2), 0);
	weir_flow_kill(t, 0);
	CU_ASSERT_EQUAL(weir_flow_limit_take(t, draft4(t, 1000, 1), 1), 0);
	for (uint32_t i = 0; i < 4096; i++)
		weir_flow_kill(t, i);
	CU_ASSERT_EQUAL(t->used_sources, 0);
	weir_flow_table_free(t);
}

static void test_without_room_for_sources_none_is_counted(void)
{
	struct weir_flow_table *t = flows_of_sources(0);

	CU_ASSERT_EQUAL(weir_flow_limit_take(t, draft4(t, 1, 1), 5), -ENOSPC);
	weir_flow_table_free(t);
}

WEIR_TESTS("dataplane/flow_limit", TEST(a_source_has_so_many_flows_and_no_more),
	   TEST(the_end_of_a_flow_or_draft_gives_its_place_back),
	   TEST(of_ipv6_a_network_of_64_bits_is_one_source),
	   TEST(address_spaces_and_families_are_told_apart),
	   TEST(as_many_sources_as_were_asked_for_are_counted),
	   TEST(without_room_for_sources_none_is_counted))
