/* SPDX-License-Identifier: BSD-3-Clause */

/* Questions of the control thread: what is shown, what is ended, and how it is handed over. */

#include "toy_flow.h"

#include <pthread.h>
#include <stdatomic.h>

#define VIEWS 64

static struct weir_flow_view views[VIEWS];

static unsigned ask_all(struct weir_flow_table *t, struct weir_flow_ask *ask)
{
	unsigned passes = 0;

	weir_flow_ask_post(t, ask);
	CU_ASSERT_FALSE(weir_flow_ask_done(ask));
	while (!weir_flow_ask_done(ask) && passes < 1000) {
		weir_flow_ask_serve(t);
		passes++;
	}
	return passes;
}

/* How many flows a filter shows. */
static uint32_t shown(struct weir_flow_table *t, const struct weir_flow_filter *filter)
{
	struct weir_flow_ask ask = {
		.filter = *filter, .views = views, .room = VIEWS, .limit = UINT32_MAX};

	(void)ask_all(t, &ask);
	return ask.matched;
}

static void test_flows_are_shown_and_drafts_and_ended_ones_are_not(void)
{
	struct weir_flow_table *t = toy_flows(16);
	const struct weir_tuple one = toy_tuple(1), two = toy_tuple(2), three = toy_tuple(3);
	struct weir_tuple to = one;
	const uint32_t flow = weir_flow_draft(t, &one);
	uint32_t ref;

	to.sport = RTE_BE16(40000);
	CU_ASSERT_EQUAL(weir_flow_translate(t, weir_flow_at(t, flow), &to), 0);
	CU_ASSERT_EQUAL(weir_flow_commit(t, flow, &ref), 0);
	CU_ASSERT_NOT_EQUAL(weir_flow_draft(t, &two), WEIR_NO_FLOW);
	weir_flow_kill(t, toy_enter(t, &three) >> 1);
	weir_flow_table_tick(t, 7 * S);
	weir_flow_count(weir_flow_at(t, flow), WEIR_DIR_ORIG, 100, 6000);
	CU_ASSERT_EQUAL(shown(t, &(struct weir_flow_filter){0}), 1);
	CU_ASSERT_TRUE(toy_tuple_equal(&views[0].orig, &one));
	CU_ASSERT_TRUE(toy_tuple_equal(&views[0].to, &to));
	CU_ASSERT_EQUAL(weir_flow_bytes(&views[0].flow, WEIR_DIR_ORIG), 100);
	CU_ASSERT_EQUAL(views[0].age_ms, 2000);
	CU_ASSERT_EQUAL(views[0].idle_ms, 1000);
	CU_ASSERT_EQUAL(views[0].left_ms, 29000);
	weir_flow_table_tick(t, 100 * S);
	CU_ASSERT_EQUAL(shown(t, &(struct weir_flow_filter){0}), 0); /* timed out */
	weir_flow_table_free(t);
}

static void test_a_filter_matches_either_side_before_or_after_translation(void)
{
	struct weir_flow_table *t = toy_flows(16);
	const struct weir_tuple four =
		toy_tuple4(UINT32_C(0x0a010203), 1111, UINT32_C(0xc0000201), 53, IPPROTO_UDP);
	const struct weir_tuple to =
		toy_tuple4(UINT32_C(0xc6336407), 2222, UINT32_C(0xac100909), 5353, IPPROTO_UDP);
	const struct weir_tuple six = toy_tuple6(1, 3333, 2, 443, IPPROTO_TCP);
	const uint32_t flow = weir_flow_draft(t, &four);
	const struct {
		struct weir_flow_filter filter;
		uint32_t matches;
	} asked[] = {
		{{0}, 2},
		{{.family = 4}, 1},
		{{.family = 6}, 1},
		{{.proto = IPPROTO_TCP}, 1},
		{{.proto = IPPROTO_ICMP}, 0},
		{{.port = RTE_BE16(1111)}, 1},
		{{.port = RTE_BE16(53)}, 1},
		{{.port = RTE_BE16(2222)}, 1},
		{{.port = RTE_BE16(5353)}, 1},
		{{.port = RTE_BE16(443)}, 1},
		{{.port = RTE_BE16(443), .family = 4}, 0},
		{{.port = RTE_BE16(1)}, 0},
		{{.family = 4, .addr = {10, 1, 2, 3}, .addr_bits = 32}, 1},
		{{.family = 4, .addr = {10, 1, 2, 2}, .addr_bits = 31}, 1},
		{{.family = 4, .addr = {10, 1, 2, 2}, .addr_bits = 32}, 0},
		{{.family = 4, .addr = {192}, .addr_bits = 7}, 1},
		{{.family = 4, .addr = {198, 51, 100}, .addr_bits = 24}, 1},
		{{.family = 4, .addr = {172, 16}, .addr_bits = 12}, 1},
		{{.family = 4, .addr = {172, 16}, .addr_bits = 255}, 0},
		{{.family = 6, .addr = {0x20, 1, 0xd, 0xb8}, .addr_bits = 32}, 1},
		{{.family = 6, .addr = {0x20, 1, 0xd, 0xb8, [15] = 1}, .addr_bits = 128}, 1},
		{{.family = 6, .addr = {0x20, 1, 0xd, 0xb9}, .addr_bits = 32}, 0},
		{{.addr = {10}, .addr_bits = 8}, 0}, /* of no family */
		{{.rule_plus_one = 8}, 1},
		{{.rule_plus_one = 1}, 1},
		{{.rule_plus_one = 2}, 0},
	};
	uint32_t ref;

	CU_ASSERT_EQUAL(weir_flow_translate(t, weir_flow_at(t, flow), &to), 0);
	weir_flow_at(t, flow)->rule = 7;
	CU_ASSERT_EQUAL(weir_flow_commit(t, flow, &ref), 0);
	(void)toy_enter(t, &six);
	for (unsigned i = 0; i < RTE_DIM(asked); i++)
		CU_ASSERT_EQUAL(shown(t, &asked[i].filter), asked[i].matches);
	weir_flow_table_free(t);
}

static void test_of_a_flow_between_families_both_are_asked_for(void)
{
	struct weir_flow_table *t = toy_flows(4);
	const struct weir_tuple six = toy_tuple6(1, 1000, 2, 443, IPPROTO_TCP);
	const struct weir_tuple four =
		toy_tuple4(UINT32_C(0x0a000001), 2000, UINT32_C(0xc0000201), 443, IPPROTO_TCP);
	const uint32_t flow = weir_flow_draft(t, &six);
	uint32_t ref;

	CU_ASSERT_EQUAL(weir_flow_translate(t, weir_flow_at(t, flow), &four), 0);
	CU_ASSERT_EQUAL(weir_flow_commit(t, flow, &ref), 0);
	CU_ASSERT_EQUAL(shown(t, &(struct weir_flow_filter){.family = 4}), 1);
	CU_ASSERT_EQUAL(shown(t, &(struct weir_flow_filter){.family = 6}), 1);
	CU_ASSERT_EQUAL(
		shown(t, &(struct weir_flow_filter){.family = 4, .addr = {10}, .addr_bits = 8}), 1);
	CU_ASSERT_EQUAL(
		shown(t, &(struct weir_flow_filter){.family = 4, .addr = {0x20}, .addr_bits = 8}),
		0);
	CU_ASSERT_TRUE(toy_tuple_equal(&views[0].to, &four));
	weir_flow_table_free(t);
}

static void test_a_pass_answers_a_part(void)
{
	struct weir_flow_table *t = toy_flows(2000);
	struct weir_flow_ask ask = {.views = views, .room = VIEWS, .limit = UINT32_MAX};
	const struct weir_tuple first = toy_tuple(1), last = toy_tuple(2);

	(void)toy_enter(t, &first);
	for (unsigned i = 1; i < 2000; i++)
		(void)!weir_flow_draft(t, &first);
	weir_flow_abort(t, 1999);
	(void)toy_enter(t, &last);
	CU_ASSERT_EQUAL(ask_all(t, &ask), 4);
	CU_ASSERT_EQUAL(ask.matched, 2);
	weir_flow_ask_serve(t); /* nothing waits */
	CU_ASSERT_EQUAL(ask.matched, 2);
	weir_flow_table_free(t);
}

static void test_no_more_are_shown_than_there_is_room_or_was_asked_for(void)
{
	struct weir_flow_table *t = toy_flows(64);
	struct weir_flow_ask ask = {.views = views, .room = 10, .limit = 20};

	for (unsigned i = 0; i < 64; i++) {
		const struct weir_tuple tuple = toy_tuple(i);

		(void)toy_enter(t, &tuple);
	}
	(void)ask_all(t, &ask);
	CU_ASSERT_EQUAL(ask.matched, 10);
	ask.room = VIEWS;
	(void)ask_all(t, &ask);
	CU_ASSERT_EQUAL(ask.matched, 20);
	ask.limit = 0;
	(void)ask_all(t, &ask);
	CU_ASSERT_EQUAL(ask.matched, 0);
	weir_flow_table_free(t);
}

static void test_what_is_asked_to_end_ends(void)
{
	struct weir_flow_table *t = toy_flows(64);
	struct weir_flow_ask ask = {
		.filter = {.port = RTE_BE16(53)}, .kill = true, .limit = UINT32_MAX};
	const struct weir_tuple other = toy_tuple4(1, 2, 3, 80, IPPROTO_TCP);

	for (unsigned i = 0; i < 20; i++) {
		const struct weir_tuple tuple = toy_tuple(i);

		(void)toy_enter(t, &tuple);
	}
	(void)toy_enter(t, &other);
	ask.limit = 5;
	(void)ask_all(t, &ask);
	CU_ASSERT_EQUAL(ask.matched, 5);
	ask.limit = UINT32_MAX;
	(void)ask_all(t, &ask);
	CU_ASSERT_EQUAL(ask.matched, 15);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->killed, 20);
	CU_ASSERT_EQUAL(toy_ends, 20);
	CU_ASSERT_NOT_EQUAL(toy_find(t, &other), WEIR_NO_FLOW);
	weir_flow_table_free(t);
}

struct worker {
	struct weir_flow_table *table;
	atomic_bool stop;
};

static void *work(void *arg)
{
	struct worker *w = arg;

	while (!atomic_load(&w->stop))
		weir_flow_ask_serve(w->table);
	return NULL;
}

static void test_questions_and_answers_pass_between_two_threads(void)
{
	struct worker w = {.table = toy_flows(1024)};
	struct weir_flow_ask ask = {.views = views, .room = VIEWS, .limit = UINT32_MAX};
	pthread_t thread;

	for (unsigned i = 0; i < 30; i++) {
		const struct weir_tuple tuple = toy_tuple(i);

		(void)toy_enter(w.table, &tuple);
	}
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, work, &w), 0);
	for (unsigned i = 0; i < 200; i++) {
		memset(views, 0, sizeof(views));
		weir_flow_ask_post(w.table, &ask);
		while (!weir_flow_ask_done(&ask))
			sched_yield();
		CU_ASSERT_EQUAL(ask.matched, 30);
		CU_ASSERT_EQUAL(views[29].orig.family, 4);
	}
	atomic_store(&w.stop, true);
	pthread_join(thread, NULL);
	weir_flow_table_free(w.table);
}

static void test_a_question_can_be_taken_back(void)
{
	struct weir_flow_table *t = toy_flows(2000);
	const struct weir_tuple one = toy_tuple(1);
	struct weir_flow_ask ask = {.views = views, .room = VIEWS, .limit = UINT32_MAX};

	(void)toy_enter(t, &one);
	CU_ASSERT_FALSE(weir_flow_ask_waits(t));
	weir_flow_ask_post(t, &ask);
	weir_flow_ask_serve(t);
	CU_ASSERT_TRUE(weir_flow_ask_waits(t));
	weir_flow_ask_post(t, NULL);
	CU_ASSERT_FALSE(weir_flow_ask_waits(t));
	for (unsigned i = 0; i < 10; i++)
		weir_flow_ask_serve(t);
	CU_ASSERT_FALSE(weir_flow_ask_done(&ask));
	CU_ASSERT_TRUE(ask_all(t, &ask) > 1); /* and asked anew */
	CU_ASSERT_EQUAL(ask.matched, 1);
	weir_flow_table_free(t);
}

WEIR_TESTS("dataplane/flow_ask", TEST(a_question_can_be_taken_back),
	   TEST(flows_are_shown_and_drafts_and_ended_ones_are_not),
	   TEST(a_filter_matches_either_side_before_or_after_translation),
	   TEST(of_a_flow_between_families_both_are_asked_for), TEST(a_pass_answers_a_part),
	   TEST(no_more_are_shown_than_there_is_room_or_was_asked_for),
	   TEST(what_is_asked_to_end_ends), TEST(questions_and_answers_pass_between_two_threads))
