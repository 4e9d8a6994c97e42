/* SPDX-License-Identifier: BSD-3-Clause */

/* When flows go: by their timeout, by their class when the table is full. */

#include "flow_priv.h"
#include "toy_flow.h"

static const uint64_t timeouts_ns[WEIR_FLOW_CLASSES] = WEIR_FLOW_TIMEOUTS;

/* A known flow of a class, the nth of many. */
static uint32_t enter_as(struct weir_flow_table *t, uint32_t n, enum weir_flow_class cls)
{
	const struct weir_tuple tuple = toy_tuple(n);
	const uint32_t flow = toy_enter(t, &tuple) >> 1;

	weir_flow_set_class(t, weir_flow_at(t, flow), cls);
	return flow;
}

static bool is_known(struct weir_flow_table *t, uint32_t n)
{
	const struct weir_tuple tuple = toy_tuple(n);

	return toy_find(t, &tuple) != WEIR_NO_FLOW;
}

static void test_each_class_has_its_own_timeout(void)
{
	for (unsigned c = 0; c < WEIR_FLOW_CLASSES; c++) {
		struct weir_flow_table *t = toy_flows(4);

		(void)enter_as(t, 1, (enum weir_flow_class)c);
		weir_flow_table_tick(t, 5 * S + timeouts_ns[c]);
		CU_ASSERT_TRUE(is_known(t, 1));
		CU_ASSERT_EQUAL(weir_flow_table_stats(t)->in_class[c], 1);
		(void)weir_flow_expire(t, 64);
		CU_ASSERT_EQUAL(weir_flow_table_stats(t)->expired[c], 0);
		weir_flow_table_tick(t, 5 * S + timeouts_ns[c] + MS);
		CU_ASSERT_FALSE(is_known(t, 1)); /* before its entry is free */
		CU_ASSERT_EQUAL(weir_flow_table_stats(t)->used, 1);
		weir_flow_table_tick(t, 6 * S + timeouts_ns[c] + timeouts_ns[c] / 4);
		CU_ASSERT_EQUAL(weir_flow_expire(t, 64), 1);
		CU_ASSERT_EQUAL(weir_flow_table_stats(t)->expired[c], 1);
		CU_ASSERT_EQUAL(weir_flow_table_stats(t)->in_class[c], 0);
		CU_ASSERT_EQUAL(weir_flow_table_stats(t)->used, 0);
		CU_ASSERT_EQUAL(toy_ends, 1);
		weir_flow_table_free(t);
	}
}

static void test_a_flow_with_packets_stays_and_the_silent_one_behind_it_goes(void)
{
	struct weir_flow_table *t = toy_flows(4);
	const uint32_t busy = enter_as(t, 1, WEIR_FLOW_UDP);

	(void)enter_as(t, 2, WEIR_FLOW_UDP);
	for (unsigned s = 6; s < 600; s++) {
		weir_flow_table_tick(t, s * S);
		weir_flow_count(weir_flow_at(t, busy), WEIR_DIR_ORIG, 1, weir_flow_table_now_ms(t));
		(void)weir_flow_expire(t, 1);
		CU_ASSERT_TRUE(is_known(t, 1));
		/* 120 s, and a quarter more until its turn. */
		if (s <= 125)
			CU_ASSERT_EQUAL(weir_flow_table_stats(t)->used, 2);
		if (s > 125 + 31)
			CU_ASSERT_EQUAL(weir_flow_table_stats(t)->used, 1);
	}
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->expired[WEIR_FLOW_UDP], 1);
	weir_flow_table_free(t);
}

static void test_a_pass_looks_at_no_more_than_it_was_told(void)
{
	struct weir_flow_table *t = toy_flows(256);
	unsigned calls = 0;

	for (unsigned i = 0; i < 200; i++)
		(void)enter_as(t, i, WEIR_FLOW_UDP);
	weir_flow_table_tick(t, 1000 * S);
	while (weir_flow_expire(t, 7) == 7)
		calls++;
	CU_ASSERT_EQUAL(calls, 200 / 7);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->expired[WEIR_FLOW_UDP], 200);
	CU_ASSERT_EQUAL(weir_flow_expire(t, 7), 0);
	weir_flow_table_free(t);
}

static void test_live_flows_cost_four_looks_in_their_timeout(void)
{
	struct weir_flow_table *t = toy_flows(256);
	uint64_t looks = 0;

	for (unsigned i = 0; i < 100; i++)
		(void)enter_as(t, i, WEIR_FLOW_UDP);
	for (unsigned ms = 5000; ms < 5000 + 120000 * 4; ms += 100) {
		weir_flow_table_tick(t, ms * MS);
		for (unsigned i = 0; i < 100; i++)
			weir_flow_at(t, i)->last_ms = ms;
		looks += weir_flow_expire(t, 64);
	}
	CU_ASSERT_TRUE(looks >= 4 * 4 * 100 - 100 && looks <= 4 * 4 * 100 + 100);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->used, 100);
	weir_flow_table_free(t);
}

static void test_no_class_waits_for_the_flood_of_another(void)
{
	struct weir_flow_table *t = toy_flows(512);

	for (unsigned i = 0; i < 300; i++)
		(void)enter_as(t, i, WEIR_FLOW_CLOSED);
	(void)enter_as(t, 300, WEIR_FLOW_ICMP);
	weir_flow_table_tick(t, 1000 * S);
	for (unsigned i = 0; i < WEIR_FLOW_CLASSES; i++)
		CU_ASSERT_TRUE(weir_flow_expire(t, 4) > 0);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->expired[WEIR_FLOW_ICMP], 1);
	CU_ASSERT_NOT_EQUAL(weir_flow_table_stats(t)->in_class[WEIR_FLOW_CLOSED], 0);
	weir_flow_table_free(t);
}

static void test_the_clock_wraps_without_notice(void)
{
	struct weir_flow_table *t = toy_flows(4);
	const uint64_t wrap_ns = (UINT64_C(1) << 32) * MS;

	weir_flow_table_tick(t, wrap_ns - 10 * S);
	(void)weir_flow_expire(t, 64);
	(void)enter_as(t, 1, WEIR_FLOW_UDP);
	for (unsigned s = 1; s < 120; s++) {
		weir_flow_table_tick(t, wrap_ns - 10 * S + s * S);
		(void)weir_flow_expire(t, 64);
		CU_ASSERT_TRUE(is_known(t, 1));
	}
	weir_flow_table_tick(t, wrap_ns - 10 * S + 160 * S);
	(void)weir_flow_expire(t, 64);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->used, 0);
	weir_flow_table_free(t);
}

static void test_what_is_dead_goes_at_its_turn(void)
{
	struct weir_flow_table *t = toy_flows(4);
	const uint32_t flow = enter_as(t, 1, WEIR_FLOW_ESTABLISHED);

	(void)weir_flow_expire(t, 64);
	weir_flow_at(t, flow)->flags |= WEIR_FLOW_DEAD;
	weir_flow_table_tick(t, 5 * S + timeouts_ns[WEIR_FLOW_ESTABLISHED] / 4 + 2 * MS);
	(void)weir_flow_expire(t, 64);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->killed, 1);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->used, 0);
	weir_flow_table_free(t);
}

static void test_a_flow_that_has_timed_out_does_not_stop_its_successor(void)
{
	struct weir_flow_table *t = toy_flows(4);
	const struct weir_tuple tuple = toy_tuple(1), reply = weir_tuple_reverse(&tuple);
	struct weir_tuple other = toy_tuple(2);
	uint32_t flow, ref;

	(void)enter_as(t, 1, WEIR_FLOW_UDP);
	weir_flow_table_tick(t, 200 * S);
	(void)enter_as(t, 1, WEIR_FLOW_UDP);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->expired[WEIR_FLOW_UDP], 1);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->used, 1);
	weir_flow_table_tick(t, 400 * S);
	flow = weir_flow_draft(t, &other); /* whose reply it had */
	CU_ASSERT_EQUAL(weir_flow_translate(t, weir_flow_at(t, flow), &tuple), 0);
	CU_ASSERT_EQUAL(weir_flow_commit(t, flow, &ref), 0);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->expired[WEIR_FLOW_UDP], 2);
	CU_ASSERT_EQUAL(toy_find(t, &reply), flow << 1 | 1);
	CU_ASSERT_EQUAL(toy_find(t, &tuple), WEIR_NO_FLOW);
	weir_flow_table_free(t);
}

static void test_dead_flows_make_room_for_their_successor(void)
{
	struct weir_flow_table *t = toy_flows(4);
	const uint32_t flow = enter_as(t, 1, WEIR_FLOW_UDP);

	weir_flow_at(t, flow)->flags |= WEIR_FLOW_DEAD;
	CU_ASSERT_NOT_EQUAL(enter_as(t, 1, WEIR_FLOW_UDP), flow);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->killed, 1);
	weir_flow_table_free(t);
}

static void test_a_full_table_loses_its_lowest_class_first_and_counts_each(void)
{
	struct weir_flow_table *t = toy_flows(WEIR_FLOW_CLASSES);
	const struct weir_tuple tuple = toy_tuple(1000);
	const struct weir_flow_stats *st = weir_flow_table_stats(t);

	for (unsigned c = WEIR_FLOW_CLASSES; c-- > 0;)
		(void)enter_as(t, c, (enum weir_flow_class)c);
	weir_flow_table_tick(t, 8 * S);
	/* Drafts take the places, and keep them. */
	for (unsigned c = 0; c < WEIR_FLOW_ESTABLISHED; c++) {
		CU_ASSERT_TRUE(is_known(t, c));
		CU_ASSERT_NOT_EQUAL(weir_flow_draft(t, &tuple), WEIR_NO_FLOW);
		CU_ASSERT_FALSE(is_known(t, c));
		CU_ASSERT_EQUAL(st->evicted[c], 1);
		CU_ASSERT_EQUAL(st->in_class[c], 0);
	}
	CU_ASSERT_EQUAL(weir_flow_draft(t, &tuple), WEIR_NO_FLOW);
	CU_ASSERT_EQUAL(st->refused, 1);
	weir_flow_table_tick(t, 5 * S + 60 * S - MS);
	CU_ASSERT_EQUAL(weir_flow_draft(t, &tuple), WEIR_NO_FLOW);
	weir_flow_table_tick(t, 5 * S + 60 * S);
	CU_ASSERT_NOT_EQUAL(weir_flow_draft(t, &tuple), WEIR_NO_FLOW);
	CU_ASSERT_EQUAL(st->evicted[WEIR_FLOW_ESTABLISHED], 1);
	CU_ASSERT_EQUAL(weir_flow_draft(t, &tuple), WEIR_NO_FLOW);
	CU_ASSERT_EQUAL(st->refused, 3);
	CU_ASSERT_EQUAL(st->used, WEIR_FLOW_CLASSES);
	weir_flow_table_free(t);
}

static void test_of_a_class_the_oldest_makes_room(void)
{
	struct weir_flow_table *t = toy_flows(8);

	for (unsigned i = 0; i < 8; i++) {
		weir_flow_table_tick(t, 5 * S + i * S);
		(void)enter_as(t, i, WEIR_FLOW_HALF_OPEN);
	}
	weir_flow_table_tick(t, 13 * S);
	for (unsigned i = 0; i < 8; i++) {
		(void)enter_as(t, 100 + i, WEIR_FLOW_HALF_OPEN);
		for (unsigned k = 0; k < 8; k++)
			CU_ASSERT_EQUAL(is_known(t, k), k > i);
	}
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->evicted[WEIR_FLOW_HALF_OPEN], 8);
	weir_flow_table_free(t);
}

/* Whatever floods: half-open connections, questions without answers, questions with them. */
static void test_a_flood_leaves_each_class_its_share(void)
{
	static const enum weir_flow_class floods[] = {WEIR_FLOW_HALF_OPEN, WEIR_FLOW_UNANSWERED,
						      WEIR_FLOW_ICMP, WEIR_FLOW_UDP};

	for (unsigned k = 0; k < RTE_DIM(floods); k++) {
		const enum weir_flow_class lone = k == 0 ? WEIR_FLOW_UNANSWERED
							 : WEIR_FLOW_HALF_OPEN;
		struct weir_flow_table *t = toy_flows(64);
		uint64_t ms = 5000;

		for (uint32_t i = 0; i < 100; i++, ms++) {
			weir_flow_table_tick(t, ms * MS);
			(void)enter_as(t, i, floods[k]);
		}
		/* A sixteenth of the table is anybody's who begins. */
		for (uint32_t i = 0; i < 4; i++)
			(void)enter_as(t, 1000 + i, lone);
		for (uint32_t i = 0; i < 300; i++, ms++) {
			weir_flow_table_tick(t, ms * MS);
			(void)enter_as(t, 2000 + i, floods[k]);
		}
		for (uint32_t i = 0; i < 4; i++)
			CU_ASSERT_TRUE(is_known(t, 1000 + i));
		CU_ASSERT_EQUAL(weir_flow_table_stats(t)->in_class[floods[k]], 60);
		weir_flow_table_free(t);
	}
}

static void test_a_silent_flow_makes_room_before_a_busy_one_at_the_head(void)
{
	struct weir_flow_table *t = toy_flows(2);

	(void)enter_as(t, 1, WEIR_FLOW_UDP);
	(void)enter_as(t, 2, WEIR_FLOW_UDP);
	weir_flow_table_tick(t, 20 * S);
	weir_flow_count(weir_flow_at(t, 0), WEIR_DIR_ORIG, 1, weir_flow_table_now_ms(t));
	(void)enter_as(t, 3, WEIR_FLOW_UDP);
	CU_ASSERT_TRUE(is_known(t, 1));
	CU_ASSERT_FALSE(is_known(t, 2));
	weir_flow_table_free(t);
}

static void test_flows_with_a_packet_in_this_pass_make_no_room(void)
{
	struct weir_flow_table *t = toy_flows(2);
	const struct weir_tuple tuple = toy_tuple(1000);

	(void)enter_as(t, 1, WEIR_FLOW_UNANSWERED);
	(void)enter_as(t, 2, WEIR_FLOW_UDP);
	weir_flow_table_tick(t, 6 * S);
	weir_flow_count(weir_flow_at(t, 0), WEIR_DIR_ORIG, 1, weir_flow_table_now_ms(t));
	CU_ASSERT_NOT_EQUAL(weir_flow_draft(t, &tuple), WEIR_NO_FLOW);
	CU_ASSERT_TRUE(is_known(t, 1));
	CU_ASSERT_FALSE(is_known(t, 2));
	CU_ASSERT_EQUAL(weir_flow_draft(t, &tuple), WEIR_NO_FLOW);
	CU_ASSERT_TRUE(is_known(t, 1));
	weir_flow_table_free(t);
}

static void test_established_flows_that_are_busy_hide_no_silent_one_for_long(void)
{
	struct weir_flow_table *t = toy_flows(64);
	const struct weir_tuple tuple = toy_tuple(1000);
	unsigned tries = 0;

	for (unsigned i = 0; i < 64; i++)
		(void)enter_as(t, i, WEIR_FLOW_ESTABLISHED);
	weir_flow_table_tick(t, 100 * S);
	for (unsigned i = 0; i < 63; i++)
		weir_flow_at(t, i)->last_ms = weir_flow_table_now_ms(t);
	while (weir_flow_draft(t, &tuple) == WEIR_NO_FLOW && tries < 64)
		tries++;
	CU_ASSERT_TRUE(tries > 0 && tries <= 16);
	CU_ASSERT_FALSE(is_known(t, 63));
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->refused, tries);
	weir_flow_table_free(t);
}

static void test_room_made_by_a_timeout_counts_as_such(void)
{
	struct weir_flow_table *t = toy_flows(1);

	(void)enter_as(t, 1, WEIR_FLOW_UDP);
	weir_flow_table_tick(t, 500 * S);
	(void)enter_as(t, 2, WEIR_FLOW_UDP);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->expired[WEIR_FLOW_UDP], 1);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->evicted[WEIR_FLOW_UDP], 0);
	weir_flow_at(t, 0)->flags |= WEIR_FLOW_DEAD;
	weir_flow_table_tick(t, 501 * S);
	(void)enter_as(t, 3, WEIR_FLOW_UDP);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->killed, 1);
	weir_flow_table_free(t);
}

static void test_a_draft_changes_its_class_without_a_queue(void)
{
	struct weir_flow_table *t = toy_flows(2);
	const struct weir_tuple tuple = toy_tuple(1);
	const uint32_t flow = weir_flow_draft(t, &tuple);
	uint32_t ref;

	weir_flow_set_class(t, weir_flow_at(t, flow), WEIR_FLOW_OTHER);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->in_class[WEIR_FLOW_OTHER], 0);
	CU_ASSERT_EQUAL(weir_flow_commit(t, flow, &ref), 0);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->in_class[WEIR_FLOW_OTHER], 1);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->in_class[WEIR_FLOW_UNANSWERED], 0);
	weir_flow_table_free(t);
}

static void test_other_timeouts_count_at_once(void)
{
	struct weir_flow_table *t = toy_flows(2);
	uint64_t ns[WEIR_FLOW_CLASSES] = WEIR_FLOW_TIMEOUTS;

	(void)enter_as(t, 1, WEIR_FLOW_UDP);
	(void)weir_flow_expire(t, 64);
	weir_flow_table_tick(t, 8 * S);
	ns[WEIR_FLOW_UDP] = 2 * S;
	CU_ASSERT_TRUE(is_known(t, 1));
	weir_flow_table_timeouts(t, ns);
	CU_ASSERT_FALSE(is_known(t, 1));
	CU_ASSERT_EQUAL(weir_flow_expire(t, 64), 1);
	weir_flow_table_free(t);
}

WEIR_TESTS("dataplane/flow_expire", TEST(each_class_has_its_own_timeout),
	   TEST(a_flow_with_packets_stays_and_the_silent_one_behind_it_goes),
	   TEST(a_pass_looks_at_no_more_than_it_was_told),
	   TEST(live_flows_cost_four_looks_in_their_timeout),
	   TEST(no_class_waits_for_the_flood_of_another), TEST(the_clock_wraps_without_notice),
	   TEST(what_is_dead_goes_at_its_turn),
	   TEST(a_flow_that_has_timed_out_does_not_stop_its_successor),
	   TEST(dead_flows_make_room_for_their_successor),
	   TEST(a_full_table_loses_its_lowest_class_first_and_counts_each),
	   TEST(of_a_class_the_oldest_makes_room), TEST(a_flood_leaves_each_class_its_share),
	   TEST(a_silent_flow_makes_room_before_a_busy_one_at_the_head),
	   TEST(flows_with_a_packet_in_this_pass_make_no_room),
	   TEST(established_flows_that_are_busy_hide_no_silent_one_for_long),
	   TEST(room_made_by_a_timeout_counts_as_such),
	   TEST(a_draft_changes_its_class_without_a_queue), TEST(other_timeouts_count_at_once))
