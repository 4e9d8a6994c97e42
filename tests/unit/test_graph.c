/* SPDX-License-Identifier: BSD-3-Clause */

/* The pipeline with toy nodes and toy packets: wiring, order, counters, nothing lost. */

#include "failalloc.h"
#include "test.h"
#include "toy_mbuf.h"

#include <errno.h>
#include <string.h>
#include <weir/graph.h>

#define PKTS 300

/* The script of a run: what the source brings and what each node says of it. */
static struct rte_mbuf *feed[PKTS];
static unsigned n_feed, n_done, order[64], n_order;
static bool alive;

static void source(void *self, struct weir_burst *b)
{
	for (; n_feed > 0 && b->n < b->room; b->n++) {
		b->pkt[b->n] = feed[--n_feed];
		b->verdict[b->n] = WEIR_NEXT;
	}
}

/* meta.user[0] says what the classifier says. */
static void classify(void *self, struct weir_burst *b)
{
	order[n_order++] = 10;
	for (uint16_t i = 0; i < b->n; i++)
		b->verdict[i] = (uint8_t)weir_meta(b->pkt[i])->user[0];
}

static void forward(void *self, struct weir_burst *b)
{
	order[n_order++] = 60;
	memset(b->verdict, WEIR_TX, b->n);
}

static void pass_on(void *self, struct weir_burst *b)
{
	memset(b->verdict, WEIR_NEXT, b->n);
}

static void swallow(void *self, struct weir_burst *b)
{
	order[n_order++] = 90;
	for (uint16_t i = 0; i < b->n; i++)
		weir_meta(b->pkt[i])->user[1]++;
	n_done += b->n;
	memset(b->verdict, WEIR_HELD, b->n);
}

static int make(struct weir_shard *shard, void **self)
{
	alive = true;
	*self = &alive;
	return 0;
}

static void unmake(void *self)
{
	if (self != NULL)
		alive = false;
}

static int refuse(struct weir_shard *shard, void **self)
{
	return -ENOTSUP;
}

static const struct weir_node_ops in = {.name = "in",
					.stage = 0,
					.takes = WEIR_HELD,
					.may = WEIR_MAY(WEIR_NEXT),
					.source = true,
					.process = source};
static const struct weir_node_ops sort = {.name = "sort",
					  .stage = 10,
					  .takes = WEIR_NEXT,
					  .may = WEIR_MAY(WEIR_NEXT) | WEIR_MAY(WEIR_TX) |
						 WEIR_MAY(WEIR_DROP),
					  .create = make,
					  .free = unmake,
					  .process = classify};
static const struct weir_node_ops way = {.name = "way",
					 .stage = 60,
					 .takes = WEIR_NEXT,
					 .may = WEIR_MAY(WEIR_TX),
					 .process = forward};
static const struct weir_node_ops out = {.name = "out",
					 .stage = 90,
					 .takes = WEIR_TX,
					 .may = WEIR_MAY(WEIR_HELD),
					 .process = swallow};
static const struct weir_node_ops bin = {.name = "bin",
					 .stage = 99,
					 .takes = WEIR_DROP,
					 .may = WEIR_MAY(WEIR_HELD),
					 .process = swallow};
static const struct weir_node_ops shy = {
	.name = "shy", .stage = 20, .takes = WEIR_NEXT, .create = refuse, .process = forward};

static const struct weir_node_ops *const path[] = {&in, &sort, &way, &out, &bin, NULL};

static struct toy_mbuf toys[PKTS];

static void run(struct weir_graph *g, unsigned n, unsigned (*say)(unsigned i))
{
	const struct weir_pass pass = {.now_ns = 1};

	for (unsigned i = 0; i < n; i++) {
		feed[i] = toy_mbuf(&toys[i], NULL, 64);
		weir_meta(feed[i])->user[0] = say(i);
	}
	n_feed = n;
	n_done = n_order = 0;
	CU_ASSERT_EQUAL(weir_graph_run(g, &pass, NULL), n);
	CU_ASSERT_EQUAL(n_done, n);
	for (unsigned i = 0; i < n; i++)
		CU_ASSERT_EQUAL(toys[i].meta.user[1], 1); /* each arrived once */
}

static unsigned all_next(unsigned i)
{
	return WEIR_NEXT;
}

static unsigned mixed(unsigned i)
{
	static const unsigned v[] = {WEIR_NEXT, WEIR_DROP, WEIR_TX};

	return v[i % 3];
}

static void test_a_pass_takes_every_packet_to_its_end(void)
{
	struct weir_graph *g;

	CU_ASSERT_EQUAL_FATAL(weir_graph_create(path, NULL, &g, NULL), 0);
	for (unsigned n = 0; n <= PKTS; n += n < 20 ? 1 : 40) {
		run(g, n, all_next);
		run(g, n, mixed);
	}
	weir_graph_free(g);
}

static void test_stages_run_once_a_pass_and_from_low_to_high(void)
{
	struct weir_graph *g;

	CU_ASSERT_EQUAL_FATAL(weir_graph_create(path, NULL, &g, NULL), 0);
	run(g, 64, mixed);
	CU_ASSERT_EQUAL(n_order, 4);
	CU_ASSERT_EQUAL(order[0], 10);
	CU_ASSERT_EQUAL(order[1], 60);
	CU_ASSERT_EQUAL(order[2], 90);
	CU_ASSERT_EQUAL(order[3], 90); /* the bin's */
	weir_graph_free(g);
}

static void test_every_verdict_is_counted(void)
{
	struct weir_stage_stats st;
	struct weir_graph *g;

	CU_ASSERT_EQUAL_FATAL(weir_graph_create(path, NULL, &g, NULL), 0);
	run(g, 90, mixed);
	run(g, 10, all_next);
	weir_graph_stats(g, 1, &st);
	CU_ASSERT_EQUAL(st.pkts, 100);
	CU_ASSERT_EQUAL(st.bursts, 2);
	CU_ASSERT_EQUAL(st.verdicts[WEIR_NEXT], 40);
	CU_ASSERT_EQUAL(st.verdicts[WEIR_DROP], 30);
	CU_ASSERT_EQUAL(st.verdicts[WEIR_TX], 30);
	weir_graph_stats(g, 3, &st);
	CU_ASSERT_EQUAL(st.verdicts[WEIR_HELD], 70);
	CU_ASSERT_EQUAL(weir_graph_passes(g), 2);
	weir_graph_free(g);
}

static void test_one_pass_in_64_is_timed(void)
{
	struct weir_stage_stats st;
	struct weir_graph *g;

	CU_ASSERT_EQUAL_FATAL(weir_graph_create(path, NULL, &g, NULL), 0);
	for (unsigned i = 0; i < 128; i++)
		run(g, 8, all_next);
	weir_graph_stats(g, 1, &st);
	CU_ASSERT_EQUAL(st.timed_pkts, 16);
	CU_ASSERT(st.timed_cycles > 0);
	weir_graph_free(g);
}

static void test_a_verdict_that_leads_nowhere_is_refused_by_name(void)
{
	static const struct weir_node_ops *const no_bin[] = {&in, &sort, &way, &out, NULL};
	struct weir_graph *g = NULL;
	struct weir_why why;

	CU_ASSERT_EQUAL(weir_graph_create(no_bin, NULL, &g, &why), -EINVAL);
	CU_ASSERT_PTR_NULL(g);
	CU_ASSERT_STRING_EQUAL(why.text, "path: 10_sort may say DROP, but no later stage takes it");
}

static void test_stages_that_do_not_ascend_are_refused_by_name(void)
{
	static const struct weir_node_ops *const twice[] = {&in, &way, &sort, &out, &bin, NULL};
	struct weir_graph *g = NULL;
	struct weir_why why;

	CU_ASSERT_EQUAL(weir_graph_create(twice, NULL, &g, &why), -EINVAL);
	CU_ASSERT_PTR_NULL(g);
	CU_ASSERT_STRING_EQUAL(why.text,
			       "path: 10_sort stands behind 60_way, but stages must ascend");
}

static void test_a_node_that_cannot_be_made_undoes_the_others(void)
{
	static const struct weir_node_ops *const bad[] = {&in, &sort, &shy, &way, &out, &bin, NULL};
	struct weir_graph *g = NULL;
	struct weir_why why;

	CU_ASSERT_EQUAL(weir_graph_create(bad, NULL, &g, &why), -ENOTSUP);
	CU_ASSERT_PTR_NULL(g);
	CU_ASSERT_FALSE(alive);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "20_shy"));
}

static void test_create_survives_failing_allocations(void)
{
	struct weir_graph *g = NULL;

	FAILALLOC_EACH(n)
	{
		const int rc = weir_graph_create(path, NULL, &g, NULL);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			CU_ASSERT(n > 3);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(g);
	}
	weir_graph_free(g);
}

static unsigned seen_stages, seen_pkts;

static void see(const struct weir_watch *w, unsigned stage, const struct weir_burst *b)
{
	seen_stages |= 1u << stage;
	seen_pkts += b->n;
}

static void test_a_watch_sees_every_burst_of_every_stage(void)
{
	const struct weir_watch watch = {.see = see};
	const struct weir_pass pass = {0};
	struct weir_graph *g;

	CU_ASSERT_EQUAL_FATAL(weir_graph_create(path, NULL, &g, NULL), 0);
	for (unsigned i = 0; i < 9; i++) {
		feed[i] = toy_mbuf(&toys[i], NULL, 64);
		weir_meta(feed[i])->user[0] = mixed(i);
	}
	n_feed = 9;
	weir_graph_run(g, &pass, &watch);
	CU_ASSERT_EQUAL(seen_stages, 0x1f);
	CU_ASSERT_EQUAL(seen_pkts, 9 + 9 + 3 + 6 + 3);
	weir_graph_free(g);
}

static unsigned known_or_next(unsigned i)
{
	return i % 4 == 0 ? WEIR_NEXT : WEIR_KNOWN;
}

/* 10 says NEXT and KNOWN; 60 takes both, 20 in between NEXT alone. */
static void test_a_stage_can_take_more_than_one_verdict(void)
{
	static const struct weir_node_ops pick = {.name = "pick",
						  .stage = 10,
						  .takes = WEIR_NEXT,
						  .may = WEIR_MAY(WEIR_NEXT) | WEIR_MAY(WEIR_KNOWN),
						  .process = classify};
	static const struct weir_node_ops between = {.name = "between",
						     .stage = 20,
						     .takes = WEIR_NEXT,
						     .may = WEIR_MAY(WEIR_NEXT),
						     .process = pass_on};
	static const struct weir_node_ops both = {.name = "both",
						  .stage = 60,
						  .takes = WEIR_NEXT,
						  .also = WEIR_MAY(WEIR_KNOWN),
						  .may = WEIR_MAY(WEIR_TX),
						  .process = forward};
	static const struct weir_node_ops *const wide[] = {&in, &pick, &between, &both, &out, NULL};
	static const struct weir_node_ops *const narrow[] = {&in,  &pick, &between,
							     &way, &out,  NULL};
	struct weir_stage_stats st;
	struct weir_graph *g = NULL;
	struct weir_why why;

	CU_ASSERT_EQUAL_FATAL(weir_graph_create(wide, NULL, &g, NULL), 0);
	run(g, 40, known_or_next);
	weir_graph_stats(g, 2, &st);
	CU_ASSERT_EQUAL(st.pkts, 10);
	weir_graph_stats(g, 3, &st);
	CU_ASSERT_EQUAL(st.pkts, 40);
	CU_ASSERT_EQUAL(st.bursts, 1); /* one burst again */
	weir_graph_free(g);
	g = NULL;
	CU_ASSERT_EQUAL(weir_graph_create(narrow, NULL, &g, &why), -EINVAL);
	CU_ASSERT_STRING_EQUAL(why.text,
			       "path: 10_pick may say KNOWN, but no later stage takes it");
}

WEIR_TESTS("dataplane/graph", TEST(a_stage_can_take_more_than_one_verdict),
	   TEST(a_pass_takes_every_packet_to_its_end),
	   TEST(stages_run_once_a_pass_and_from_low_to_high), TEST(every_verdict_is_counted),
	   TEST(one_pass_in_64_is_timed), TEST(a_verdict_that_leads_nowhere_is_refused_by_name),
	   TEST(stages_that_do_not_ascend_are_refused_by_name),
	   TEST(a_node_that_cannot_be_made_undoes_the_others),
	   TEST(create_survives_failing_allocations), TEST(a_watch_sees_every_burst_of_every_stage))
