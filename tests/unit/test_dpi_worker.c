/* SPDX-License-Identifier: BSD-3-Clause */

/* The memory of a worker, verdicts, datagrams, and flows that live through new patterns. */

#include <rte_malloc.h>
#include <stdlib.h>

/* DPDK's memory comes from where the tests can make it fail. */
static void *failing_zmalloc(const char *type, size_t bytes, unsigned align, int numa)
{
	void *volatile probe = malloc(1);

	if (probe == NULL)
		return NULL;
	free(probe);
	return rte_zmalloc_socket(type, bytes, align, numa);
}
#define rte_zmalloc_socket failing_zmalloc

#include "dpi_streams.c"
#include "dpi_worker.c"

#include "failalloc.h"
#include "toy_dpi_worker.h"

static struct weir_dpi *compile(struct weir_dpi_source source)
{
	struct weir_why why;

	return (struct weir_dpi *)(uintptr_t)toy_must(toy_dpi(&source, NULL, &why), &why);
}

static struct weir_dpi *compile_as(const char *patterns, enum weir_dpi_action action, uint8_t app)
{
	struct weir_dpi_source source = toy_patterns(patterns);

	source.action = action;
	source.app = app;
	return compile(source);
}

static void test_a_verdict_stays_and_nothing_more_is_looked_at(void)
{
	static const enum weir_dpi_action actions[] = {WEIR_DPI_DROP, WEIR_DPI_RESET};

	for (unsigned i = 0; i < 2; i++) {
		struct weir_dpi *d = compile_as("9:/evil/\n10:/more/", actions[i], 0);
		struct toy_alerts a;
		struct weir_dpi_worker *w = toy_worker(d, &a);
		const struct weir_dpi_counters *c = weir_dpi_worker_counters(w);
		struct toy_side s = toy_begin(w, d, 1), other = toy_begin(w, d, 1);
		struct weir_dpi_verdict v;

		toy_give(&s, 20, "held", 4);
		v = toy_give(&s, 0, "an evil and more", 16);
		CU_ASSERT_EQUAL(v.action, actions[i]);
		CU_ASSERT_EQUAL(v.by, WEIR_DPI_BY_PATTERN);
		CU_ASSERT_EQUAL(v.id, 9);
		CU_ASSERT(v.done);
		CU_ASSERT_EQUAL(c->held, 0);
		CU_ASSERT_EQUAL(a.n, 1);
		CU_ASSERT_EQUAL(a.alert[0].action, actions[i]);
		s.dir = WEIR_DIR_REPLY;
		v = toy_give(&s, 0, "more", 4);
		CU_ASSERT_EQUAL(v.action, actions[i]);
		CU_ASSERT_EQUAL(a.n, 1);
		CU_ASSERT_EQUAL(c->dropped + c->reset, 1);
		CU_ASSERT_EQUAL(actions[i] == WEIR_DPI_DROP ? c->dropped : c->reset, 1);
		CU_ASSERT_EQUAL(toy_give(&other, 0, "good", 4).action, WEIR_DPI_PASS);
		weir_dpi_worker_free(w);
		weir_dpi_free(d);
	}
}

static void test_an_application_is_told_with_each_verdict(void)
{
	struct weir_dpi *d = compile_as("9:/GET/", WEIR_DPI_TAG, 33);
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);
	const struct toy_side s = toy_begin(w, d, 1);

	CU_ASSERT_EQUAL(toy_give(&s, 0, "GE", 2).app, 0);
	CU_ASSERT_EQUAL(toy_give(&s, 2, "T", 1).app, 33);
	CU_ASSERT_EQUAL(toy_give(&s, 3, " / ", 3).app, 33);
	CU_ASSERT_EQUAL(a.n, 1);
	CU_ASSERT_EQUAL(a.alert[0].app, 33);
	CU_ASSERT_EQUAL(a.alert[0].action, WEIR_DPI_TAG);
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->tagged, 1);
	weir_dpi_worker_free(w);
	weir_dpi_free(d);
}

static void test_a_rule_is_for_its_direction_and_ports(void)
{
	struct weir_dpi *d = compile(toy_snort(
		"alert tcp any any -> any 80 (content:\"x\"; sid:1;)\n"
		"alert tcp any 80 -> any any (content:\"x\"; sid:2;)\n"
		"alert tcp any any <> any 80 (content:\"x\"; sid:3;)\n"
		"alert tcp any any -> any any (content:\"x\"; flow:to_client; sid:4;)\n"
		"alert tcp any any -> any [1:79,81:] (content:\"x\"; flow:to_server; sid:5;)\n"));
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);
	struct toy_side s = toy_begin(w, d, 1); /* 40000 to 80 */

	toy_give(&s, 0, "x", 1);
	CU_ASSERT_EQUAL(a.n, 2);
	CU_ASSERT_EQUAL(toy_told(&a, 1), 1);
	CU_ASSERT_EQUAL(toy_told(&a, 3), 1);
	a.n = 0;
	s.dir = WEIR_DIR_REPLY;
	toy_give(&s, 0, "x", 1);
	CU_ASSERT_EQUAL(a.n, 3);
	CU_ASSERT_EQUAL(toy_told(&a, 2), 1);
	CU_ASSERT_EQUAL(toy_told(&a, 3), 1);
	CU_ASSERT_EQUAL(toy_told(&a, 4), 1);
	weir_dpi_worker_free(w);
	weir_dpi_free(d);
}

static void test_events_of_a_flow_have_a_limit_but_its_verdict_is_told(void)
{
	struct weir_dpi_source sources[2] = {
		toy_snort("alert tcp any any -> any any (content:\"a\"; sid:1;)\n"
			  "alert tcp any any -> any any (content:\"b\"; sid:2;)\n"
			  "alert tcp any any -> any any (content:\"c\"; sid:3;)\n"),
		toy_patterns("4:/d/")};
	const struct weir_dpi_conf conf = {
		.sources = sources, .n_sources = 2, .budget_bytes = WEIR_DPI_UNLIMITED};
	struct toy_alerts a = {.n = 0};
	const struct weir_dpi_worker_conf sizes = {.states = 1,
						   .held_blocks = 32,
						   .flow_alerts = 2,
						   .numa = -1,
						   .alert = toy_alert,
						   .ctx = &a};
	struct weir_dpi_worker *w = NULL;
	struct weir_dpi *d = NULL;
	struct toy_side s;

	sources[1].action = WEIR_DPI_DROP;
	CU_ASSERT_EQUAL_FATAL(weir_dpi_compile(&conf, &d, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(weir_dpi_worker_create(&sizes, &w, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(weir_dpi_worker_prepare(w, d, NULL), 0);
	s = toy_begin(w, d, 1);
	CU_ASSERT_EQUAL(toy_give(&s, 0, "abcd", 4).action, WEIR_DPI_DROP);
	CU_ASSERT_EQUAL(a.n, 3);
	CU_ASSERT_EQUAL(toy_told(&a, 3), 0);
	CU_ASSERT_EQUAL(toy_told(&a, 4), 1);
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->alerts_over, 1);
	weir_dpi_worker_free(w);
	weir_dpi_free(d);
}

static void test_patterns_of_the_end_match_when_the_flow_ends(void)
{
	struct weir_dpi *d = compile_as("1:/bye$/", WEIR_DPI_ALERT, 0);
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);
	struct toy_side s = toy_begin(w, d, 1);

	toy_give(&s, 0, "bye not yet", 11);
	toy_give(&s, 11, " bye", 4);
	CU_ASSERT_EQUAL(a.n, 0);
	weir_dpi_end(w, d, s.state);
	CU_ASSERT_EQUAL(a.n, 1);
	s = toy_begin(w, d, 1); /* the same state, a stream of its own */
	toy_give(&s, 0, "nothing", 7);
	weir_dpi_end(w, d, s.state);
	CU_ASSERT_EQUAL(a.n, 1);
	s = toy_begin(w, d, 1); /* with patterns that went away nothing is looked for */
	toy_give(&s, 0, "bye", 3);
	weir_dpi_end(w, NULL, s.state);
	CU_ASSERT_EQUAL(a.n, 1);
	weir_dpi_end(w, d, 0);
	weir_dpi_end(w, d, s.state); /* twice does no harm */
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->used, 0);
	weir_dpi_worker_free(w);
	weir_dpi_free(d);
}

static void test_states_are_few_and_given_back(void)
{
	struct weir_dpi *d = compile_as("1:/x/", WEIR_DPI_ALERT, 0);
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);
	const struct weir_dpi_counters *c = weir_dpi_worker_counters(w);
	uint32_t state[4];

	for (unsigned i = 0; i < 4; i++) {
		state[i] = weir_dpi_begin(w, d, &toy_tcp);
		CU_ASSERT_NOT_EQUAL(state[i], 0);
	}
	CU_ASSERT_EQUAL(weir_dpi_begin(w, d, &toy_tcp), 0);
	CU_ASSERT_EQUAL(c->no_state, 1);
	CU_ASSERT_EQUAL(c->used, 4);
	weir_dpi_end(w, d, state[2]);
	CU_ASSERT_EQUAL(weir_dpi_begin(w, d, &toy_tcp), state[2]);
	CU_ASSERT_EQUAL(c->begun, 5);
	weir_dpi_worker_free(w);
	weir_dpi_free(d);
}

static void test_datagrams_are_judged_one_by_one(void)
{
	struct weir_dpi *d = compile_as("1:/needle/", WEIR_DPI_DROP, 0);
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);
	struct toy_side s = {.w = w, .d = d, .dir = WEIR_DIR_REPLY};
	static const char text[] = "a needle";
	struct weir_dpi_verdict v;
	struct toy_mbuf t[2];
	struct rte_mbuf *m;

	s.state = weir_dpi_begin(w, d, &toy_udp);
	CU_ASSERT_EQUAL(toy_datagram(&s, "a needle", 8).action, WEIR_DPI_DROP);
	CU_ASSERT_EQUAL(toy_datagram(&s, "nothing", 7).action, WEIR_DPI_PASS);
	CU_ASSERT_EQUAL(toy_datagram(&s, "nee", 3).action, WEIR_DPI_PASS); /* no stream */
	CU_ASSERT_EQUAL(toy_datagram(&s, "dle", 3).action, WEIR_DPI_PASS);
	CU_ASSERT_EQUAL(toy_datagram(&s, "needle", 6).action, WEIR_DPI_DROP);
	CU_ASSERT_EQUAL(a.n, 2);
	for (uint16_t cut = 0; cut <= 8; cut++) {
		m = toy_mbuf(&t[0], text, cut);
		m->next = toy_mbuf(&t[1], text + cut, (uint16_t)(8 - cut));
		m->nb_segs = 2;
		m->pkt_len = 8;
		v = weir_dpi_datagram(w, d, s.state, s.dir, m, 1, 7);
		CU_ASSERT_EQUAL(v.action, WEIR_DPI_DROP);
		v = weir_dpi_datagram(w, d, s.state, s.dir, m, 1, 6);
		CU_ASSERT_EQUAL(v.action, WEIR_DPI_PASS);
	}
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->failed, 0);
	v = weir_dpi_datagram(w, d, s.state, s.dir, m, 1, 8); /* more than there is */
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->failed, 1);
	CU_ASSERT_EQUAL(v.action, WEIR_DPI_PASS);
	weir_dpi_worker_free(w);
	weir_dpi_free(d);
}

static void test_datagrams_have_a_budget_too(void)
{
	const struct weir_dpi_source source = toy_patterns("1:/needle/");
	const struct weir_dpi_conf conf = {.sources = &source, .n_sources = 1, .budget_bytes = 8};
	struct weir_dpi *d = NULL;
	struct toy_side s = {.dir = WEIR_DIR_REPLY};
	struct toy_alerts a;

	CU_ASSERT_EQUAL_FATAL(weir_dpi_compile(&conf, &d, NULL), 0);
	s.d = d;
	s.w = toy_worker(d, &a);
	s.state = weir_dpi_begin(s.w, d, &toy_udp);
	toy_datagram(&s, "needle", 6);
	toy_datagram(&s, "needle", 6);
	toy_datagram(&s, "needle", 6);
	CU_ASSERT_EQUAL(a.n, 1);
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(s.w)->over_budget, 1);
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(s.w)->bytes, 8);
	weir_dpi_worker_free(s.w);
	weir_dpi_free(d);
}

static void test_a_flow_that_lives_through_new_patterns_begins_anew(void)
{
	struct weir_dpi *old = compile_as("1:/needle/\n2:/evil/", WEIR_DPI_DROP, 0);
	struct weir_dpi *fresh = compile_as("1:/needle/\n3:/tail/", WEIR_DPI_ALERT, 0);
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(old, &a);
	struct toy_side s = toy_begin(w, old, 1), dropped = toy_begin(w, old, 1);
	struct weir_dpi_verdict v;

	toy_give(&s, 0, "nee", 3);
	toy_give(&s, 6, "... tail", 8); /* waits across the change */
	CU_ASSERT_EQUAL(toy_give(&dropped, 0, "evil", 4).action, WEIR_DPI_DROP);
	CU_ASSERT_EQUAL(weir_dpi_worker_prepare(w, fresh, NULL), 0);
	weir_dpi_worker_retire(w, old); /* the worker has passed by since */
	weir_dpi_free(old);
	a.n = 0;
	s.d = dropped.d = fresh;
	v = toy_give(&s, 3, "dle", 3); /* lies across the change */
	CU_ASSERT_EQUAL(v.action, WEIR_DPI_PASS);
	CU_ASSERT_EQUAL(toy_told(&a, 1), 0);
	CU_ASSERT_EQUAL(toy_told(&a, 3), 1);
	CU_ASSERT_EQUAL(toy_give(&s, 14, "needle", 6).action, WEIR_DPI_PASS);
	CU_ASSERT_EQUAL(toy_told(&a, 1), 1);
	v = toy_give(&dropped, 4, "evil needle", 11); /* the new patterns judge */
	CU_ASSERT_EQUAL(v.action, WEIR_DPI_PASS);
	CU_ASSERT_EQUAL(toy_told(&a, 1), 2);
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->begun_anew, 2);
	weir_dpi_end(w, fresh, s.state);
	weir_dpi_end(w, fresh, dropped.state);
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->held, 0);
	weir_dpi_worker_free(w);
	weir_dpi_free(fresh);
}

static void test_a_worker_is_prepared_for_two(void)
{
	struct weir_dpi *d[3];
	struct weir_why why = {""};
	struct toy_alerts a;
	struct weir_dpi_worker *w;
	struct toy_side s;
	struct toy_mbuf t;
	struct weir_dpi_verdict v;

	for (unsigned i = 0; i < 3; i++)
		d[i] = compile_as("1:/needle/", WEIR_DPI_ALERT, 0);
	w = toy_worker(d[0], &a);
	CU_ASSERT_EQUAL(weir_dpi_worker_prepare(w, d[0], NULL), 0); /* again */
	CU_ASSERT_EQUAL(weir_dpi_worker_prepare(w, d[1], NULL), 0);
	CU_ASSERT_EQUAL(weir_dpi_worker_prepare(w, d[2], &why), -EBUSY);
	CU_ASSERT_STRING_NOT_EQUAL(why.text, "");
	CU_ASSERT_EQUAL(weir_dpi_begin(w, d[2], &toy_tcp), 0);
	/* Both work, turn by turn, and no stream remembers what it should not. */
	s = toy_begin(w, d[0], 1);
	for (unsigned i = 0; i < 6; i++) {
		s.d = d[i % 2];
		toy_give(&s, 3 * i, i % 2 == 0 ? "nee" : "dle", 3);
	}
	CU_ASSERT_EQUAL(a.n, 0);
	weir_dpi_worker_retire(w, d[1]);
	weir_dpi_worker_retire(w, d[1]);
	weir_dpi_worker_retire(w, NULL);
	CU_ASSERT_EQUAL(weir_dpi_worker_prepare(w, d[2], &why), 0);
	s.d = d[1]; /* not prepared any more: it passes, and counts */
	v = weir_dpi_segment(w, d[1], s.state, s.dir, 1, toy_mbuf(&t, "needle", 6), 0, 6);
	CU_ASSERT_EQUAL(v.action, WEIR_DPI_PASS);
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->failed, 1);
	weir_dpi_worker_free(w);
	for (unsigned i = 0; i < 3; i++)
		weir_dpi_free(d[i]);
}

static void test_sizes_that_cannot_be_are_refused(void)
{
	const struct weir_dpi_worker_conf states = {.states = WEIR_DPI_STATES_MAX + 1};
	const struct weir_dpi_worker_conf blocks = {.held_blocks = 8, .flow_blocks = 9};
	struct weir_dpi_worker *w = NULL;
	struct weir_why why = {""};

	CU_ASSERT_EQUAL(weir_dpi_worker_create(&states, &w, &why), -EINVAL);
	CU_ASSERT_STRING_EQUAL(why.text, "flows under inspection: 4194305, at most 4194304");
	CU_ASSERT_EQUAL(weir_dpi_worker_create(&blocks, &w, &why), -EINVAL);
	CU_ASSERT_EQUAL(weir_dpi_worker_size(&blocks, NULL), 0);
	CU_ASSERT_PTR_NULL(w);
	weir_dpi_worker_free(NULL);
}

/* Whatever it is told to take it takes, and says so before. */
static void test_the_size_that_is_told_is_what_is_taken(void)
{
	struct weir_dpi *d = compile_as("1:/needle/", WEIR_DPI_ALERT, 0);
	const struct weir_dpi_worker_conf conf = {.states = 1000,
						  .held_blocks = 100,
						  .sniff_buffers = 10,
						  .sniff_bytes = 1000,
						  .numa = -1};
	const uint64_t told = weir_dpi_worker_size(&conf, d);
	struct rte_malloc_socket_stats before, after;
	struct weir_dpi_worker *w = NULL;
	uint64_t taken;

	toy_eal();
	rte_malloc_get_socket_stats(0, &before);
	CU_ASSERT_EQUAL_FATAL(weir_dpi_worker_create(&conf, &w, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(weir_dpi_worker_prepare(w, d, NULL), 0);
	rte_malloc_get_socket_stats(0, &after);
	taken = after.heap_allocsz_bytes - before.heap_allocsz_bytes + d->scratch_bytes;
	CU_ASSERT(told > 500000);
	CU_ASSERT(taken >= told - 4096 && taken <= told + 4096);
	weir_dpi_worker_free(w);
	weir_dpi_free(d);
}

static void *failing_scratch(size_t bytes)
{
	return malloc(bytes);
}

static void test_without_memory_nothing_is_made_and_nothing_lost(void)
{
	struct weir_dpi *d = compile_as("1:/needle/", WEIR_DPI_ALERT, 0);
	const struct weir_dpi_worker_conf conf = {.states = 4, .held_blocks = 32, .numa = -1};
	struct rte_malloc_socket_stats before, after;
	unsigned n;

	toy_eal();
	rte_malloc_get_socket_stats(0, &before);
	hs_set_scratch_allocator(failing_scratch, free);
	for (n = 1; failalloc_at(n), n < 100; n++) {
		struct weir_dpi_worker *w = NULL;
		struct weir_why why = {""};
		int rc = weir_dpi_worker_create(&conf, &w, &why);

		if (rc == 0)
			rc = weir_dpi_worker_prepare(w, d, &why);
		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			weir_dpi_worker_free(w);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_STRING_NOT_EQUAL(why.text, "");
		weir_dpi_worker_free(w);
	}
	CU_ASSERT_EQUAL(n, 9); /* eight pieces of memory */
	hs_set_scratch_allocator(NULL, NULL);
	rte_malloc_get_socket_stats(0, &after);
	CU_ASSERT_EQUAL(before.heap_allocsz_bytes, after.heap_allocsz_bytes);
	weir_dpi_free(d);
}

WEIR_TESTS("tables/dpi_worker", TEST(a_verdict_stays_and_nothing_more_is_looked_at),
	   TEST(an_application_is_told_with_each_verdict),
	   TEST(a_rule_is_for_its_direction_and_ports),
	   TEST(events_of_a_flow_have_a_limit_but_its_verdict_is_told),
	   TEST(patterns_of_the_end_match_when_the_flow_ends), TEST(states_are_few_and_given_back),
	   TEST(datagrams_are_judged_one_by_one), TEST(datagrams_have_a_budget_too),
	   TEST(a_flow_that_lives_through_new_patterns_begins_anew),
	   TEST(a_worker_is_prepared_for_two), TEST(sizes_that_cannot_be_are_refused),
	   TEST(the_size_that_is_told_is_what_is_taken),
	   TEST(without_memory_nothing_is_made_and_nothing_lost))
