/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the metrics' files share: metrics.c registers, metrics_snapshot.c asks, the others write. */

#include <weir/hist.h>
#include <weir/metrics.h>

#include <stdio.h>

/* Label values of one sample: cleaned, one after another, each ended by a NUL. */
struct metrics_labels {
	char *text; /* NULL if there are none */
	size_t bytes;
};

/* A table in the registry, and one of the places its values come from. */
struct metrics_table {
	const struct weir_metric *metrics;
	unsigned n;
	weir_metrics_collect_fn collect;
	void *ctx;
};

struct weir_metrics {
	struct metrics_table *tables;
	unsigned n_tables;
	unsigned n_metrics; /* over all tables */
	struct weir_metrics_value *values;
	struct weir_metrics_snapshot *baseline; /* NULL: never reset */
};

struct metrics_sample {
	const struct weir_metric *metric;
	struct metrics_labels labels;
	unsigned order; /* in which it was put */
	union {
		uint64_t count;
		double gauge;
		struct weir_hist *hist; /* the sample's own copy */
	};
};

/* Samples are sorted: by the metric's name, then by labels. */
struct weir_metrics_snapshot {
	struct metrics_sample *samples;
	unsigned n, room;
	unsigned duplicates;
};

/* A quantile, as the writers call it. */
struct metrics_quantile {
	unsigned permille;
	const char *fraction; /* "0.5" */
	const char *percent;  /* "p50" */
};

#define METRICS_QUANTILES 6
extern const struct metrics_quantile metrics_quantiles[METRICS_QUANTILES];

/* How many labels a metric has. */
unsigned metrics_label_count(const struct weir_metric *metric);

/* Whether a table of the registry holds it. */
bool metrics_is_registered(const struct weir_metrics *m, const struct weir_metric *metric);

/* Clean and copy label values. @return 0, -EINVAL, -ENAMETOOLONG or -ENOMEM. */
int metrics_labels_copy(const struct weir_metric *metric, const char *const *labels, unsigned n,
			struct metrics_labels *out);
int metrics_labels_compare(const struct metrics_labels *a, const struct metrics_labels *b);

/* The value after this one. */
static inline const char *metrics_labels_next(const char *value)
{
	while (*value++ != '\0')
		;
	return value;
}

/* Have the registry's own values say themselves. */
int metrics_values_collect(const struct weir_metrics *m, struct weir_metrics_sink *sink);

/* The sample with these labels, or NULL. @p s may be NULL. */
const struct metrics_sample *metrics_find(const struct weir_metrics_snapshot *s,
					  const struct metrics_sample *like);

/* Whether the unit is seconds: the value is kept in nanoseconds. */
bool metrics_in_seconds(const struct weir_metric *metric);

/* Long enough for any number that the two below write. */
#define METRICS_NUMBER 32
/* A duration of a histogram in its metric's unit; exact, no rounding. */
void metrics_format_duration(const struct weir_metric *metric, uint64_t value,
			     char text[METRICS_NUMBER]);
/* The shortest decimal that reads back as the same number; "NaN", "+Inf", "-Inf". */
void metrics_format_double(double value, char text[METRICS_NUMBER]);

/* Close a memory stream and hand over what it @p made. @return 0, or -ENOMEM if any write failed.
 */
int metrics_stream_close(FILE *f, char **made, size_t *made_bytes, char **text, size_t *text_bytes);
