/* SPDX-License-Identifier: BSD-3-Clause */

/* The registry, its rules and limits, snapshots and the baseline. Values are read back from JSON.
 */

#include "failalloc.h"
#include "test.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/hist.h>
#include <weir/metrics.h>

enum { RX_PKTS, LINK_UP, WAIT_SECONDS, N_METRICS };

static const struct weir_metric port_metrics[N_METRICS] = {
	[RX_PKTS] = {.name = "weir_port_rx_packets",
		     .kind = WEIR_METRIC_COUNTER,
		     .unit = "packets",
		     .help = "packets received",
		     .labels = {"port", "queue"}},
	[LINK_UP] = {.name = "weir_port_up", .kind = WEIR_METRIC_GAUGE, .help = "link is up"},
	[WAIT_SECONDS] = {.name = "weir_port_wait_seconds",
			  .kind = WEIR_METRIC_HISTOGRAM,
			  .unit = "seconds",
			  .help = "time in the ring",
			  .labels = {"port"}},
};

/* A toy port: the dataplane's counters, which the registry must never write. */
struct toy_port {
	const char *name;
	uint64_t rx[2];
	struct weir_hist *wait;
};

static int port_collect(void *ctx, struct weir_metrics_sink *sink)
{
	const struct toy_port *p = ctx;
	int rc = 0;

	for (unsigned q = 0; q < 2 && rc == 0; q++)
		rc = weir_metrics_count(sink, &port_metrics[RX_PKTS], p->rx[q], p->name,
					q == 0 ? "0" : "1");
	if (rc == 0 && p->wait != NULL)
		rc = weir_metrics_hist(sink, &port_metrics[WAIT_SECONDS], p->wait, p->name);
	return rc;
}

static struct weir_metrics *begin(void)
{
	struct weir_metrics *m = NULL;

	CU_ASSERT_EQUAL_FATAL(weir_metrics_create(&m), 0);
	return m;
}

/* All values as JSON; the caller owns it. */
static json_t *ask(struct weir_metrics *m)
{
	struct weir_metrics_snapshot *s = NULL;
	json_t *o = NULL;

	CU_ASSERT_EQUAL_FATAL(weir_metrics_snapshot(m, &s), 0);
	CU_ASSERT_EQUAL_FATAL(weir_metrics_json(s, &o), 0);
	weir_metrics_snapshot_free(s);
	return o;
}

static json_t *value(const json_t *all, const char *name, unsigned i)
{
	return json_object_get(
		json_array_get(json_object_get(json_object_get(all, name), "samples"), i), "value");
}

/* One counter's present value. */
static json_int_t counter(struct weir_metrics *m, unsigned i)
{
	json_t *all = ask(m);
	const json_int_t n = json_integer_value(value(all, "weir_port_rx_packets", i));

	json_decref(all);
	return n;
}

static void test_values_are_read_where_they_live_when_asked(void)
{
	struct weir_metrics *m = begin();
	struct toy_port wan = {.name = "wan", .rx = {5, 6}};

	CU_ASSERT_EQUAL(weir_metrics_add(m, port_metrics, N_METRICS, port_collect, &wan), 0);
	CU_ASSERT_EQUAL(counter(m, 0), 5);
	wan.rx[0] = 50;
	CU_ASSERT_EQUAL(counter(m, 0), 50);
	CU_ASSERT_EQUAL(counter(m, 1), 6);
	weir_metrics_free(m);
}

static void test_one_table_can_have_several_sources(void)
{
	struct weir_metrics *m = begin();
	struct toy_port wan = {.name = "wan", .rx = {5, 6}}, lan = {.name = "lan", .rx = {7, 8}};

	CU_ASSERT_EQUAL(weir_metrics_add(m, port_metrics, N_METRICS, port_collect, &wan), 0);
	CU_ASSERT_EQUAL(weir_metrics_add(m, port_metrics, N_METRICS, port_collect, &lan), 0);
	CU_ASSERT_EQUAL(weir_metrics_add(m, port_metrics, N_METRICS, port_collect, &lan), -EEXIST);
	CU_ASSERT_EQUAL(counter(m, 0), 7); /* sorted: lan 0, lan 1, wan 0, wan 1 */
	CU_ASSERT_EQUAL(counter(m, 3), 6);
	CU_ASSERT_EQUAL(weir_metrics_remove(m, port_metrics, &lan), 0);
	CU_ASSERT_EQUAL(weir_metrics_remove(m, port_metrics, &lan), -ENOENT);
	CU_ASSERT_EQUAL(counter(m, 0), 5);
	weir_metrics_free(m);
}

static void test_a_reset_is_a_baseline_and_zeroes_nothing(void)
{
	struct weir_metrics *m = begin();
	struct toy_port wan = {.name = "wan", .rx = {5, 6}, .wait = weir_hist_create()};
	json_t *all;

	CU_ASSERT_EQUAL(weir_metrics_add(m, port_metrics, N_METRICS, port_collect, &wan), 0);
	weir_hist_add(wan.wait, 1000000000);
	CU_ASSERT_EQUAL(weir_metrics_reset(m), 0);
	CU_ASSERT_EQUAL(wan.rx[0], 5);
	CU_ASSERT_EQUAL(counter(m, 0), 0);
	wan.rx[0] += 3;
	weir_hist_add(wan.wait, 2000000000);
	all = ask(m);
	CU_ASSERT_EQUAL(json_integer_value(value(all, "weir_port_rx_packets", 0)), 3);
	CU_ASSERT_EQUAL(json_integer_value(
				json_object_get(value(all, "weir_port_wait_seconds", 0), "count")),
			1);
	CU_ASSERT_DOUBLE_EQUAL(
		json_real_value(json_object_get(value(all, "weir_port_wait_seconds", 0), "sum")),
		2.0, 1e-9);
	json_decref(all);
	CU_ASSERT_EQUAL(weir_hist_count(wan.wait), 2);
	wan.rx[0] = 1; /* the port began anew: its count is told as it is */
	CU_ASSERT_EQUAL(counter(m, 0), 1);
	CU_ASSERT_EQUAL(weir_metrics_reset(m), 0); /* a second baseline replaces the first */
	CU_ASSERT_EQUAL(counter(m, 0), 0);
	weir_hist_free(wan.wait);
	weir_metrics_free(m);
}

static const struct weir_metric kept[] = {
	{.name = "reloads", .kind = WEIR_METRIC_COUNTER, .help = "reloads", .labels = {"result"}},
	{.name = "rules", .kind = WEIR_METRIC_GAUGE, .help = "rules"},
	{.name = "compile_seconds",
	 .kind = WEIR_METRIC_HISTOGRAM,
	 .unit = "seconds",
	 .help = "time to compile the rules"},
};

static void test_the_registry_keeps_values_for_control_code(void)
{
	struct weir_metrics *m = begin();
	struct weir_metrics_value *ok, *bad, *rules, *seconds;
	json_t *all;

	CU_ASSERT_EQUAL(weir_metrics_add(m, kept, 3, NULL, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(weir_metrics_keep(m, &kept[0], WEIR_LABELS("ok"), &ok), 0);
	CU_ASSERT_EQUAL_FATAL(weir_metrics_keep(m, &kept[0], WEIR_LABELS("bad"), &bad), 0);
	CU_ASSERT_EQUAL_FATAL(weir_metrics_keep(m, &kept[1], NULL, 0, &rules), 0);
	CU_ASSERT_EQUAL_FATAL(weir_metrics_keep(m, &kept[2], NULL, 0, &seconds), 0);
	CU_ASSERT_EQUAL(weir_metrics_keep(m, &kept[0], WEIR_LABELS("ok"), &ok), -EEXIST);
	CU_ASSERT_EQUAL(weir_metrics_keep(m, &kept[0], NULL, 0, &ok), -EINVAL);
	CU_ASSERT_EQUAL(weir_metrics_keep(m, &port_metrics[0], NULL, 0, &ok), -ENOENT);
	weir_metrics_value_add(ok, 2);
	weir_metrics_value_add(ok, 3);
	weir_metrics_value_set(rules, -1.5);
	weir_metrics_value_observe(seconds, 500000000);
	all = ask(m);
	CU_ASSERT_EQUAL(json_integer_value(value(all, "reloads", 0)), 0); /* bad */
	CU_ASSERT_EQUAL(json_integer_value(value(all, "reloads", 1)), 5);
	CU_ASSERT_DOUBLE_EQUAL(json_real_value(value(all, "rules", 0)), -1.5, 0);
	CU_ASSERT_DOUBLE_EQUAL(
		json_real_value(json_object_get(value(all, "compile_seconds", 0), "max")), 0.5, 0);
	json_decref(all);
	CU_ASSERT_EQUAL(weir_metrics_remove(m, kept, NULL), 0); /* takes the values along */
	all = ask(m);
	CU_ASSERT_EQUAL(json_object_size(all), 0);
	json_decref(all);
	weir_metrics_free(m);
}

static void *add_often(void *v)
{
	for (unsigned i = 0; i < 10000; i++)
		weir_metrics_value_add(v, 1);
	return NULL;
}

static void test_any_thread_may_add_to_a_kept_counter(void)
{
	struct weir_metrics *m = begin();
	struct weir_metrics_value *v;
	pthread_t thread[4];
	json_t *all;

	CU_ASSERT_EQUAL(weir_metrics_add(m, kept, 3, NULL, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(weir_metrics_keep(m, &kept[0], WEIR_LABELS("ok"), &v), 0);
	for (unsigned i = 0; i < 4; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&thread[i], NULL, add_often, v), 0);
	for (unsigned i = 0; i < 50; i++)
		json_decref(ask(m));
	for (unsigned i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	all = ask(m);
	CU_ASSERT_EQUAL(json_integer_value(value(all, "reloads", 0)), 40000);
	json_decref(all);
	weir_metrics_free(m);
}

#define GOOD .kind = WEIR_METRIC_COUNTER, .help = "h"

static void test_what_breaks_the_naming_rules_is_refused(void)
{
	static const struct weir_metric bad[] = {
		{.name = NULL, GOOD},
		{.name = "", GOOD},
		{.name = "0x", GOOD},
		{.name = "a-b", GOOD},
		{.name = "a b", GOOD},
		{.name = "h\xc3\xbc", GOOD},
		{.name = "x_total", GOOD},
		{.name = "x_sum", GOOD},
		{.name = "x_count", GOOD},
		{.name = "x_bucket", GOOD},
		{.name = "x_created", GOOD},
		{.name = "a", .kind = WEIR_METRIC_COUNTER},
		{.name = "a", .kind = WEIR_METRIC_COUNTER, .help = ""},
		{.name = "a", .kind = (enum weir_metric_kind)9, .help = "h"},
		{.name = "a_bytes", .unit = "seconds", GOOD},
		{.name = "seconds", .unit = "seconds", GOOD},
		{.name = "aseconds", .unit = "seconds", GOOD},
		{.name = "a_", .unit = "", GOOD},
		{.name = "a", .labels = {""}, GOOD},
		{.name = "a", .labels = {"0"}, GOOD},
		{.name = "a", .labels = {"a:b"}, GOOD},
		{.name = "a", .labels = {"__a"}, GOOD},
		{.name = "a", .labels = {"le"}, GOOD},
		{.name = "a", .labels = {"quantile"}, GOOD},
		{.name = "a", .labels = {"x", "x"}, GOOD},
		{.name = "a", .labels = {"a_label_of_more_than_thirty_two_b"}, GOOD},
	};
	static const struct weir_metric good[] = {
		{.name = "_a:b0_seconds", .unit = "seconds", .labels = {"_x", "Y0"}, GOOD}};
	struct weir_metrics *m = begin();

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(weir_metrics_add(m, &bad[i], 1, NULL, NULL), -EINVAL);
	CU_ASSERT_EQUAL(weir_metrics_add(m, good, 0, NULL, NULL), -EINVAL);
	CU_ASSERT_EQUAL(weir_metrics_add(m, good, 1, NULL, NULL), 0);
	weir_metrics_free(m);
}

static void test_a_name_is_taken_once(void)
{
	static const struct weir_metric twice[] = {{.name = "a", GOOD}, {.name = "a", GOOD}};
	static const struct weir_metric other[] = {{.name = "b", GOOD}, {.name = "rules", GOOD}};
	struct weir_metrics *m = begin();

	CU_ASSERT_EQUAL(weir_metrics_add(m, twice, 2, NULL, NULL), -EEXIST);
	CU_ASSERT_EQUAL(weir_metrics_add(m, kept, 3, NULL, NULL), 0);
	CU_ASSERT_EQUAL(weir_metrics_add(m, other, 2, NULL, NULL), -EEXIST);
	CU_ASSERT_EQUAL(weir_metrics_add(m, other, 1, NULL, NULL), 0); /* nothing stayed behind */
	weir_metrics_free(m);
}

static void test_there_is_room_for_so_many_metrics_and_no_more(void)
{
	static char names[WEIR_METRICS_MAX + 1][16];
	static struct weir_metric many[WEIR_METRICS_MAX + 1];
	struct weir_metrics *m = begin();

	for (unsigned i = 0; i <= WEIR_METRICS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "m%u", i);
		many[i] = (struct weir_metric){.name = names[i], GOOD};
	}
	CU_ASSERT_EQUAL(weir_metrics_add(m, many, WEIR_METRICS_MAX + 1, NULL, NULL), -ENOSPC);
	CU_ASSERT_EQUAL(weir_metrics_add(m, many, WEIR_METRICS_MAX, NULL, NULL), 0);
	CU_ASSERT_EQUAL(weir_metrics_add(m, many + WEIR_METRICS_MAX, 1, NULL, NULL), -ENOSPC);
	weir_metrics_free(m);
}

/* What a collect function may get wrong. */
static int careless_collect(void *ctx, struct weir_metrics_sink *sink)
{
	char longest[WEIR_METRICS_VALUE_MAX + 2];
	const struct weir_metric *rx = &port_metrics[RX_PKTS];

	memset(longest, 'x', sizeof(longest));
	longest[WEIR_METRICS_VALUE_MAX + 1] = '\0';
	CU_ASSERT_EQUAL(weir_metrics_count(sink, rx, 1, "wan"), -EINVAL);
	CU_ASSERT_EQUAL(weir_metrics_count(sink, rx, 1, "wan", "0", "x"), -EINVAL);
	CU_ASSERT_EQUAL(weir_metrics_count(sink, rx, 1, "wan", NULL), -EINVAL);
	CU_ASSERT_EQUAL(weir_metrics_gauge(sink, rx, 1, "wan", "0"), -EINVAL);
	CU_ASSERT_EQUAL(weir_metrics_count(sink, &kept[0], 1, "wan"), -ENOENT);
	CU_ASSERT_EQUAL(weir_metrics_count(sink, rx, 1, "wan", longest), -ENAMETOOLONG);
	longest[WEIR_METRICS_VALUE_MAX] = '\0';
	CU_ASSERT_EQUAL(weir_metrics_count(sink, rx, 1, "wan", longest), 0);
	memset(longest, 0xff, 40); /* "\xff" is four bytes each */
	longest[40] = '\0';
	CU_ASSERT_EQUAL(weir_metrics_count(sink, rx, 1, "wan", longest), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(weir_metrics_count(sink, rx, 7, "wan", "0"), 0);
	CU_ASSERT_EQUAL(weir_metrics_count(sink, rx, 8, "wan", "0"), 0); /* once more */
	return 0;
}

static void test_a_careless_source_gets_errors_and_duplicates_are_counted(void)
{
	struct weir_metrics *m = begin();
	struct weir_metrics_snapshot *s = NULL;

	CU_ASSERT_EQUAL(weir_metrics_add(m, port_metrics, N_METRICS, careless_collect, NULL), 0);
	CU_ASSERT_EQUAL(weir_metrics_snapshot(m, &s), 0);
	CU_ASSERT_EQUAL(weir_metrics_duplicates(s), 1);
	CU_ASSERT_EQUAL(counter(m, 0), 7); /* the first counts */
	weir_metrics_snapshot_free(s);
	weir_metrics_free(m);
}

static int endless_collect(void *ctx, struct weir_metrics_sink *sink)
{
	char queue[16];
	int rc = 0;

	for (unsigned i = 0; rc == 0; i++) {
		snprintf(queue, sizeof(queue), "%u", i);
		rc = weir_metrics_count(sink, &port_metrics[RX_PKTS], i, "wan", queue);
		if (rc < 0)
			CU_ASSERT_EQUAL(i, WEIR_METRICS_SAMPLES_MAX);
	}
	return rc;
}

static void test_a_source_without_end_ends_the_snapshot(void)
{
	struct weir_metrics *m = begin();
	struct weir_metrics_snapshot *s = NULL;

	CU_ASSERT_EQUAL(weir_metrics_add(m, port_metrics, N_METRICS, endless_collect, NULL), 0);
	CU_ASSERT_EQUAL(weir_metrics_snapshot(m, &s), -ENOSPC);
	CU_ASSERT_EQUAL(weir_metrics_reset(m), -ENOSPC);
	CU_ASSERT_PTR_NULL(s);
	weir_metrics_free(m);
}

/* From an empty registry to JSON, with a baseline and a value of its own. */
static int whole_life(struct toy_port *port, json_t **out)
{
	struct weir_metrics *m = NULL;
	struct weir_metrics_snapshot *s = NULL;
	struct weir_metrics_value *v;
	int rc;

	rc = weir_metrics_create(&m);
	if (rc == 0)
		rc = weir_metrics_add(m, port_metrics, N_METRICS, port_collect, port);
	if (rc == 0)
		rc = weir_metrics_add(m, kept, 3, NULL, NULL);
	if (rc == 0)
		rc = weir_metrics_keep(m, &kept[0], WEIR_LABELS("ok"), &v);
	if (rc == 0)
		rc = weir_metrics_keep(m, &kept[2], NULL, 0, &v);
	if (rc == 0)
		rc = weir_metrics_reset(m);
	if (rc == 0)
		rc = weir_metrics_snapshot(m, &s);
	if (rc == 0)
		rc = weir_metrics_json(s, out);
	weir_metrics_snapshot_free(s);
	weir_metrics_free(m);
	return rc;
}

static void test_every_allocation_may_fail(void)
{
	struct toy_port wan = {.name = "wan", .wait = weir_hist_create()};
	unsigned failures = 0;

	json_set_alloc_funcs(malloc, free); /* the test's malloc, so that jansson's fail too */
	json_object_seed(1);
	FAILALLOC_EACH(n)
	{
		json_t *all = NULL;
		const int rc = whole_life(&wan, &all);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			CU_ASSERT_EQUAL(json_object_size(all), 4);
			json_decref(all);
			break;
		}
		failures++;
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(all);
	}
	CU_ASSERT(failures > 20);
	weir_hist_free(wan.wait);
}

static void test_freeing_nothing_is_allowed(void)
{
	weir_metrics_free(NULL);
	weir_metrics_snapshot_free(NULL);
}

WEIR_TESTS("base/metrics", TEST(values_are_read_where_they_live_when_asked),
	   TEST(one_table_can_have_several_sources), TEST(a_reset_is_a_baseline_and_zeroes_nothing),
	   TEST(the_registry_keeps_values_for_control_code),
	   TEST(any_thread_may_add_to_a_kept_counter),
	   TEST(what_breaks_the_naming_rules_is_refused), TEST(a_name_is_taken_once),
	   TEST(there_is_room_for_so_many_metrics_and_no_more),
	   TEST(a_careless_source_gets_errors_and_duplicates_are_counted),
	   TEST(a_source_without_end_ends_the_snapshot), TEST(every_allocation_may_fail),
	   TEST(freeing_nothing_is_allowed))
