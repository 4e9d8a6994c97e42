/* SPDX-License-Identifier: BSD-3-Clause */

/* What was recorded, and what was lost on the way. */

#include <stdio.h>
#include <weir/shard.h>

#include "app_record_priv.h"

enum { R_RECORDS, R_LOST, R_LIMITED, R_CAPTURED_LOST, R_CAPTURED_LIMITED, R_N };

static const struct weir_metric ring_metrics[R_N] = {
	[R_RECORDS] = {"weir_records_written",
		       WEIR_METRIC_COUNTER,
		       NULL,
		       "Records of workers, by kind.",
		       NULL,
		       {"worker", "kind"}},
	[R_LOST] = {"weir_records_lost",
		    WEIR_METRIC_COUNTER,
		    NULL,
		    "Records that found the worker's ring full.",
		    "Raise records.ring, or record less.",
		    {"worker"}},
	[R_LIMITED] = {"weir_records_limited",
		       WEIR_METRIC_COUNTER,
		       NULL,
		       "Records of rules that were over records.rule_log_rate.",
		       "Something is scanned or flooded, or a rule logs what is common.",
		       {"worker"}},
	[R_CAPTURED_LOST] = {"weir_capture_lost_packets",
			     WEIR_METRIC_COUNTER,
			     "packets",
			     "Packets to be captured that found the worker's ring full.",
			     "Raise records.capture.ring, or capture less.",
			     {"worker"}},
	[R_CAPTURED_LIMITED] = {"weir_capture_limited_packets",
				WEIR_METRIC_COUNTER,
				"packets",
				"Packets to be captured that were over records.capture.rate.",
				"Raise it if the disk can take more.",
				{"worker"}},
};

enum { F_UNITS, F_LOST, F_FAILING, F_N };

static const struct weir_metric file_metrics[F_N] = {
	[F_UNITS] = {"weir_record_file_units",
		     WEIR_METRIC_COUNTER,
		     NULL,
		     "Lines or packets written to the file.",
		     NULL,
		     {"file"}},
	[F_LOST] = {"weir_record_file_lost",
		    WEIR_METRIC_COUNTER,
		    NULL,
		    "Lines or packets that the file did not take in time.",
		    "Is the disk full or too slow? The log says what went wrong.",
		    {"file"}},
	[F_FAILING] = {"weir_record_file_failing",
		       WEIR_METRIC_GAUGE,
		       NULL,
		       "1 if the last write to the file failed, else 0.",
		       "Is the disk full? What waits is written when there is room.",
		       {"file"}},
};

enum { E_MESSAGES, E_BYTES, E_RECORDS, E_ERRORS, E_N };

static const struct weir_metric export_metrics[E_N] = {
	[E_MESSAGES] = {"weir_ipfix_messages", WEIR_METRIC_COUNTER, NULL,
			"IPFIX messages sent to the collector."},
	[E_BYTES] = {"weir_ipfix_bytes", WEIR_METRIC_COUNTER, "bytes", "Bytes of those messages."},
	[E_RECORDS] = {"weir_ipfix_records", WEIR_METRIC_COUNTER, NULL,
		       "Records put into IPFIX messages."},
	[E_ERRORS] = {"weir_ipfix_errors", WEIR_METRIC_COUNTER, NULL,
		      "IPFIX messages that could not be sent.",
		      "Is the collector at records.ipfix.to up and reachable?"},
};

/* The first error sticks, and nothing more is said. */
static void count(int *rc, struct weir_metrics_sink *sink, const struct weir_metric *m,
		  uint64_t value, const char *const *labels, unsigned n)
{
	if (*rc == 0)
		*rc = weir_metrics_put_count(sink, m, value, labels, n);
}

static int say_ring(struct weir_metrics_sink *sink, const struct weir_records *ring,
		    const char *worker)
{
	static const char *const kinds[WEIR_RECORD_KINDS] = {
		"flow_start", "flow_update", "flow_end", "rule", "nat", "alert"};
	const struct weir_records_stats *s = weir_records_stats(ring);
	int rc = 0;

	for (unsigned k = 0; k < WEIR_RECORD_KINDS; k++)
		count(&rc, sink, &ring_metrics[R_RECORDS], weir_counted(&s->written[k]),
		      WEIR_LABELS(worker, kinds[k]));
	count(&rc, sink, &ring_metrics[R_LOST], weir_records_lost(ring), WEIR_LABELS(worker));
	count(&rc, sink, &ring_metrics[R_LIMITED], weir_counted(&s->limited[WEIR_RECORD_RULE]),
	      WEIR_LABELS(worker));
	return rc;
}

static int say_capture(struct weir_metrics_sink *sink, const struct weir_capture *ring,
		       const char *worker)
{
	int rc = 0;

	count(&rc, sink, &ring_metrics[R_CAPTURED_LOST], weir_capture_lost(ring),
	      WEIR_LABELS(worker));
	count(&rc, sink, &ring_metrics[R_CAPTURED_LIMITED], weir_capture_limited(ring),
	      WEIR_LABELS(worker));
	return rc;
}

static int collect_rings(void *ctx, struct weir_metrics_sink *sink)
{
	struct app_record *const *a = ctx;
	struct app_record_stats s;
	char worker[12];
	int rc = 0;

	if (*a == NULL)
		return 0;
	app_record_stats(*a, &s);
	for (uint16_t w = 0; rc == 0 && w < s.options->workers; w++) {
		snprintf(worker, sizeof(worker), "%u", w);
		if (s.options->rings != NULL)
			rc = say_ring(sink, s.options->rings[w], worker);
		if (rc == 0 && s.options->captures != NULL)
			rc = say_capture(sink, s.options->captures[w], worker);
	}
	return rc;
}

static int collect_files(void *ctx, struct weir_metrics_sink *sink)
{
	static const char *const names[] = {"flows", "rules", "alerts", "capture"};
	struct app_record *const *a = ctx;
	struct app_record_stats s;
	int rc = 0;

	if (*a == NULL)
		return 0;
	app_record_stats(*a, &s);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct record_file *f = s.file[i];

		if (f == NULL)
			continue;
		count(&rc, sink, &file_metrics[F_UNITS], f->units, WEIR_LABELS(names[i]));
		count(&rc, sink, &file_metrics[F_LOST], f->lost, WEIR_LABELS(names[i]));
		if (rc == 0)
			rc = weir_metrics_put_gauge(sink, &file_metrics[F_FAILING], f->failing < 0,
						    WEIR_LABELS(names[i]));
	}
	return rc;
}

static int collect_export(void *ctx, struct weir_metrics_sink *sink)
{
	struct app_record *const *a = ctx;
	const struct record_export_stats *e;
	struct app_record_stats s;
	int rc = 0;

	if (*a == NULL)
		return 0;
	app_record_stats(*a, &s);
	if (s.export == NULL)
		return 0;
	e = record_export_stats(s.export);
	count(&rc, sink, &export_metrics[E_MESSAGES], e->messages, NULL, 0);
	count(&rc, sink, &export_metrics[E_BYTES], e->bytes, NULL, 0);
	count(&rc, sink, &export_metrics[E_RECORDS], e->records, NULL, 0);
	count(&rc, sink, &export_metrics[E_ERRORS], e->errors, NULL, 0);
	return rc;
}

int app_record_metrics(struct weir_metrics *m, struct app_record *const *a)
{
	void *ctx = (void *)(uintptr_t)a;
	int rc = weir_metrics_add(m, ring_metrics, R_N, collect_rings, ctx);

	if (rc == 0)
		rc = weir_metrics_add(m, file_metrics, F_N, collect_files, ctx);
	if (rc == 0)
		rc = weir_metrics_add(m, export_metrics, E_N, collect_export, ctx);
	return rc;
}
