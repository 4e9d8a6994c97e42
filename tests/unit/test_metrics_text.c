/* SPDX-License-Identifier: BSD-3-Clause */

/* What Prometheus, StatsD and the reader of the manual get to see. */

#include "test.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/hist.h>
#include <weir/metrics.h>

enum { RX, TEMPERATURE, WAIT, BURST };

static const struct weir_metric metrics[] = {
	[RX] = {.name = "rx_bytes",
		.kind = WEIR_METRIC_COUNTER,
		.unit = "bytes",
		.help = "what \"came\" in\nby \\ port",
		.action = "look | at the link",
		.labels = {"port", "peer"}},
	[TEMPERATURE] = {.name = "temperature", .kind = WEIR_METRIC_GAUGE, .help = "how warm"},
	[WAIT] = {.name = "wait_seconds",
		  .kind = WEIR_METRIC_HISTOGRAM,
		  .unit = "seconds",
		  .help = "time waited"},
	[BURST] = {.name = "burst_packets",
		   .kind = WEIR_METRIC_HISTOGRAM,
		   .unit = "packets",
		   .help = "packets at a time",
		   .labels = {"port"}},
};

struct toy {
	uint64_t rx;
	double temperature;
	const char *peer;
	struct weir_hist *wait; /* NULL: no histograms are told */
	struct weir_hist *burst;
};

static int collect(void *ctx, struct weir_metrics_sink *sink)
{
	const struct toy *t = ctx;
	int rc;

	rc = weir_metrics_count(sink, &metrics[RX], t->rx, "wan", t->peer);
	if (rc == 0)
		rc = weir_metrics_put_gauge(sink, &metrics[TEMPERATURE], t->temperature, NULL, 0);
	if (rc == 0 && t->wait != NULL)
		rc = weir_metrics_put_hist(sink, &metrics[WAIT], t->wait, NULL, 0);
	if (rc == 0 && t->burst != NULL)
		rc = weir_metrics_hist(sink, &metrics[BURST], t->burst, "wan");
	return rc;
}

static struct weir_metrics_snapshot *snap(struct toy *t)
{
	struct weir_metrics *m = NULL;
	struct weir_metrics_snapshot *s = NULL;

	CU_ASSERT_EQUAL_FATAL(weir_metrics_create(&m), 0);
	CU_ASSERT_EQUAL_FATAL(weir_metrics_add(m, metrics, 4, collect, t), 0);
	CU_ASSERT_EQUAL_FATAL(weir_metrics_snapshot(m, &s), 0);
	weir_metrics_free(m); /* a snapshot outlives its registry */
	return s;
}

/* A dialect's text; the caller frees it. */
static char *text_of(struct toy *t, enum weir_metrics_dialect dialect)
{
	struct weir_metrics_snapshot *s = snap(t);
	char *text = NULL;
	size_t bytes = 0;

	CU_ASSERT_EQUAL_FATAL(weir_metrics_text(s, dialect, &text, &bytes), 0);
	CU_ASSERT_EQUAL(strlen(text), bytes);
	weir_metrics_snapshot_free(s);
	return text;
}

static void test_prometheus_text_describes_and_escapes(void)
{
	struct toy t = {.rx = 18446744073709551615U, .temperature = 0.1, .peer = "a\"b\\c\nd\xff"};
	char *text = text_of(&t, WEIR_METRICS_PROMETHEUS);

	CU_ASSERT_STRING_EQUAL(text, "# HELP rx_bytes_total what \"came\" in\\nby \\\\ port\n"
				     "# TYPE rx_bytes_total counter\n"
				     "rx_bytes_total{port=\"wan\",peer=\"a\\\"b\\\\c\\nd\\\\xff\"} "
				     "18446744073709551615\n"
				     "# HELP temperature how warm\n"
				     "# TYPE temperature gauge\n"
				     "temperature 0.1\n");
	free(text);
}

static void test_openmetrics_text_names_units_and_ends_in_eof(void)
{
	struct toy t = {.rx = 5, .temperature = -INFINITY, .peer = ""};
	char *text = text_of(&t, WEIR_METRICS_OPENMETRICS);

	CU_ASSERT_STRING_EQUAL(text, "# HELP rx_bytes what \\\"came\\\" in\\nby \\\\ port\n"
				     "# TYPE rx_bytes counter\n"
				     "# UNIT rx_bytes bytes\n"
				     "rx_bytes_total{port=\"wan\",peer=\"\"} 5\n"
				     "# HELP temperature how warm\n"
				     "# TYPE temperature gauge\n"
				     "temperature -Inf\n"
				     "# EOF\n");
	free(text);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(weir_metrics_content_type(WEIR_METRICS_OPENMETRICS), "version=1.0.0"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(weir_metrics_content_type(WEIR_METRICS_PROMETHEUS), "version=0.0.4"));
}

static void test_a_histogram_is_a_summary_in_its_unit(void)
{
	struct toy t = {.peer = "", .wait = weir_hist_create(), .burst = weir_hist_create()};
	char *text;

	for (uint64_t i = 0; i < 4; i++) {
		weir_hist_add(t.wait, 32);
		weir_hist_add(t.burst, 32);
	}
	text = text_of(&t, WEIR_METRICS_PROMETHEUS);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "# TYPE wait_seconds summary\n"
					    "wait_seconds{quantile=\"0.5\"} 0.000000032\n"
					    "wait_seconds{quantile=\"0.75\"} 0.000000032\n"
					    "wait_seconds{quantile=\"0.9\"} 0.000000032\n"
					    "wait_seconds{quantile=\"0.95\"} 0.000000032\n"
					    "wait_seconds{quantile=\"0.99\"} 0.000000032\n"
					    "wait_seconds{quantile=\"0.999\"} 0.000000032\n"
					    "wait_seconds_sum 0.000000128\n"
					    "wait_seconds_count 4\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "burst_packets{port=\"wan\",quantile=\"0.999\"} 32\n"
					    "burst_packets_sum{port=\"wan\"} 128\n"));
	free(text);
	weir_hist_clear(t.wait);
	text = text_of(&t, WEIR_METRICS_PROMETHEUS);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "wait_seconds{quantile=\"0.5\"} NaN\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "wait_seconds_count 0\n"));
	free(text);
	weir_hist_free(t.wait);
	weir_hist_free(t.burst);
}

/* Datagrams, one after another with a blank line between. */
struct net {
	char text[65536];
	unsigned datagrams;
	size_t longest;
	int rc;
};

static int catch (void *ctx, const char *datagram, size_t datagram_bytes)
{
	struct net *net = ctx;
	const size_t used = strlen(net->text);

	net->datagrams++;
	if (datagram_bytes > net->longest)
		net->longest = datagram_bytes;
	snprintf(net->text + used, sizeof(net->text) - used, "%.*s\n", (int)datagram_bytes,
		 datagram);
	return net->rc;
}

static void test_statsd_tells_counters_as_what_was_added(void)
{
	struct toy t = {.rx = 100, .temperature = -2.5, .peer = "a|b,c:d#e\n"};
	struct weir_metrics_snapshot *first = snap(&t), *second;
	struct net net = {0};

	CU_ASSERT_EQUAL(weir_metrics_statsd(first, NULL, "weir.", catch, &net), 0);
	CU_ASSERT_STRING_EQUAL(net.text, "weir.rx_bytes:100|c|#port:wan,peer:a_b_c_d_e_\n"
					 "weir.temperature:0|g\n"
					 "weir.temperature:-2.5|g\n");
	CU_ASSERT_EQUAL(net.datagrams, 1);
	t.rx = 130;
	t.temperature = NAN; /* there is no such gauge in StatsD */
	second = snap(&t);
	net = (struct net){0};
	CU_ASSERT_EQUAL(weir_metrics_statsd(second, first, "", catch, &net), 0);
	CU_ASSERT_STRING_EQUAL(net.text, "rx_bytes:30|c|#port:wan,peer:a_b_c_d_e_\n");
	net = (struct net){0};
	CU_ASSERT_EQUAL(weir_metrics_statsd(first, second, "", catch, &net), 0); /* it fell */
	CU_ASSERT_PTR_NOT_NULL(strstr(net.text, "rx_bytes:100|c"));
	weir_metrics_snapshot_free(first);
	weir_metrics_snapshot_free(second);
}

static void test_statsd_tells_a_histogram_by_count_sum_and_quantiles(void)
{
	struct toy t = {.peer = "", .wait = weir_hist_create()};
	struct weir_metrics_snapshot *first, *second;
	struct net net = {0};

	weir_hist_add(t.wait, 32);
	first = snap(&t);
	weir_hist_add(t.wait, 32);
	weir_hist_add(t.wait, 32);
	second = snap(&t);
	CU_ASSERT_EQUAL(weir_metrics_statsd(second, first, "", catch, &net), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(net.text, "\nwait_seconds_count:2|c\n"
						"wait_seconds_sum:0.000000064|c\n"
						"wait_seconds_p50:0.000000032|g\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(net.text, "wait_seconds_p99.9:0.000000032|g\n"));
	weir_metrics_snapshot_free(first);
	weir_metrics_snapshot_free(second);
	weir_hist_free(t.wait);
}

static int many(void *ctx, struct weir_metrics_sink *sink)
{
	char peer[WEIR_METRICS_VALUE_MAX + 1];
	int rc = 0;

	for (unsigned i = 0; i < 100 && rc == 0; i++) {
		memset(peer, 'x', sizeof(peer));
		snprintf(peer, 4, "%03u", i);
		peer[3] = '-';
		peer[WEIR_METRICS_VALUE_MAX - i] = '\0';
		rc = weir_metrics_count(sink, &metrics[RX], 1, "wan", peer);
	}
	return rc;
}

static void test_statsd_fills_datagrams_but_never_above_their_limit(void)
{
	struct weir_metrics *m = NULL;
	struct weir_metrics_snapshot *s = NULL;
	struct net net = {0};
	unsigned lines = 0;

	CU_ASSERT_EQUAL_FATAL(weir_metrics_create(&m), 0);
	CU_ASSERT_EQUAL(weir_metrics_add(m, metrics, 4, many, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(weir_metrics_snapshot(m, &s), 0);
	CU_ASSERT_EQUAL(weir_metrics_statsd(s, NULL, "weir.", catch, &net), 0);
	for (const char *p = net.text; *p != '\0'; p++)
		lines += *p == '\n';
	CU_ASSERT_EQUAL(lines, 100);
	CU_ASSERT(net.longest <= WEIR_METRICS_DATAGRAM);
	CU_ASSERT(net.longest > WEIR_METRICS_DATAGRAM - 200);
	CU_ASSERT(net.datagrams >= strlen(net.text) / WEIR_METRICS_DATAGRAM);
	net = (struct net){.rc = -EIO};
	CU_ASSERT_EQUAL(weir_metrics_statsd(s, NULL, "", catch, &net), -EIO);
	CU_ASSERT_EQUAL(net.datagrams, 1); /* nothing after the first failure */
	CU_ASSERT_EQUAL(weir_metrics_statsd(s, NULL, "a b", catch, &net), -EINVAL);
	weir_metrics_snapshot_free(s);
	weir_metrics_free(m);
}

static void test_the_manual_has_a_row_for_every_metric(void)
{
	struct weir_metrics *m = NULL;
	struct toy one = {0}, two = {0};
	char *text = NULL;
	size_t bytes;

	CU_ASSERT_EQUAL_FATAL(weir_metrics_create(&m), 0);
	CU_ASSERT_EQUAL(weir_metrics_add(m, metrics, 4, collect, &one), 0);
	CU_ASSERT_EQUAL(weir_metrics_add(m, metrics, 4, collect, &two), 0);
	CU_ASSERT_EQUAL_FATAL(weir_metrics_manual(m, &text, &bytes), 0);
	CU_ASSERT_STRING_EQUAL(
		text,
		"| Metric | Kind | Labels | Unit | Meaning | What to do |\n"
		"|---|---|---|---|---|---|\n"
		"| `rx_bytes_total` | counter | `port`, `peer` | bytes | what \"came\" in by \\ "
		"port | look \\| at the link |\n"
		"| `temperature` | gauge |  |  | how warm |  |\n"
		"| `wait_seconds` | histogram |  | seconds | time waited |  |\n"
		"| `burst_packets` | histogram | `port` | packets | packets at a time |  |\n");
	free(text);
	weir_metrics_free(m);
}

WEIR_TESTS("base/metrics_text", TEST(prometheus_text_describes_and_escapes),
	   TEST(openmetrics_text_names_units_and_ends_in_eof),
	   TEST(a_histogram_is_a_summary_in_its_unit),
	   TEST(statsd_tells_counters_as_what_was_added),
	   TEST(statsd_tells_a_histogram_by_count_sum_and_quantiles),
	   TEST(statsd_fills_datagrams_but_never_above_their_limit),
	   TEST(the_manual_has_a_row_for_every_metric))
