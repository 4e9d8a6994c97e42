/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A snapshot as Prometheus reads it: the text format 0.0.4, and OpenMetrics 1.0.0.
 *
 * They differ where a counter is described (OpenMetrics without "_total"), in "# UNIT", and in the
 * closing "# EOF".
 */

#include "metrics_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct metrics_quantile metrics_quantiles[METRICS_QUANTILES] = {
	{500, "0.5", "p50"},  {750, "0.75", "p75"}, {900, "0.9", "p90"},
	{950, "0.95", "p95"}, {990, "0.99", "p99"}, {999, "0.999", "p99.9"},
};

bool metrics_in_seconds(const struct weir_metric *metric)
{
	return metric->unit != NULL && strcmp(metric->unit, "seconds") == 0;
}

void metrics_format_duration(const struct weir_metric *metric, uint64_t value,
			     char text[METRICS_NUMBER])
{
	if (metrics_in_seconds(metric))
		snprintf(text, METRICS_NUMBER, "%" PRIu64 ".%09" PRIu64, value / 1000000000,
			 value % 1000000000);
	else
		snprintf(text, METRICS_NUMBER, "%" PRIu64, value);
}

void metrics_format_double(double value, char text[METRICS_NUMBER])
{
	if (isnan(value)) {
		snprintf(text, METRICS_NUMBER, "NaN");
	} else if (isinf(value)) {
		snprintf(text, METRICS_NUMBER, value > 0 ? "+Inf" : "-Inf");
	} else {
		snprintf(text, METRICS_NUMBER, "%.15g", value);
		if (strtod(text, NULL) != value)
			snprintf(text, METRICS_NUMBER, "%.17g", value);
	}
}

const char *weir_metrics_content_type(enum weir_metrics_dialect dialect)
{
	return dialect == WEIR_METRICS_OPENMETRICS
		       ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
		       : "text/plain; version=0.0.4; charset=utf-8";
}

static void put_escaped(FILE *f, const char *s, bool quotes)
{
	for (; *s != '\0'; s++) {
		if (*s == '\n')
			fputs("\\n", f);
		else if (*s == '\\' || (*s == '"' && quotes))
			fprintf(f, "\\%c", *s);
		else
			fputc(*s, f);
	}
}

static void put_head(FILE *f, const struct weir_metric *metric, enum weir_metrics_dialect dialect)
{
	static const char *const types[] = {"counter", "gauge", "summary"};
	const bool open = dialect == WEIR_METRICS_OPENMETRICS;
	const char *end = metric->kind == WEIR_METRIC_COUNTER && !open ? "_total" : "";

	fprintf(f, "# HELP %s%s ", metric->name, end);
	put_escaped(f, metric->help, open);
	fprintf(f, "\n# TYPE %s%s %s\n", metric->name, end, types[metric->kind]);
	if (open && metric->unit != NULL)
		fprintf(f, "# UNIT %s %s\n", metric->name, metric->unit);
}

/* A sample's name and labels; @p quantile is one label more, or NULL. */
static void put_series(FILE *f, const struct metrics_sample *sample, const char *end,
		       const char *quantile)
{
	const unsigned n = metrics_label_count(sample->metric);
	const char *value = sample->labels.text;

	fprintf(f, "%s%s", sample->metric->name, end);
	for (unsigned i = 0; i < n; i++, value = metrics_labels_next(value)) {
		fprintf(f, "%c%s=\"", i == 0 ? '{' : ',', sample->metric->labels[i]);
		put_escaped(f, value, true);
		fputc('"', f);
	}
	if (quantile != NULL)
		fprintf(f, "%cquantile=\"%s\"", n == 0 ? '{' : ',', quantile);
	fputs(n > 0 || quantile != NULL ? "} " : " ", f);
}

/* With nothing counted a quantile is not 0 but unknown. */
static void put_hist(FILE *f, const struct metrics_sample *sample)
{
	const uint64_t count = weir_hist_count(sample->hist);
	char number[METRICS_NUMBER];

	for (unsigned i = 0; i < METRICS_QUANTILES; i++) {
		const struct metrics_quantile *q = &metrics_quantiles[i];

		put_series(f, sample, "", q->fraction);
		metrics_format_duration(sample->metric, weir_hist_at(sample->hist, q->permille),
					number);
		fprintf(f, "%s\n", count == 0 ? "NaN" : number);
	}
	put_series(f, sample, "_sum", NULL);
	metrics_format_duration(sample->metric, weir_hist_sum_ns(sample->hist), number);
	fprintf(f, "%s\n", number);
	put_series(f, sample, "_count", NULL);
	fprintf(f, "%" PRIu64 "\n", count);
}

static void put_sample(FILE *f, const struct metrics_sample *sample)
{
	char number[METRICS_NUMBER];

	switch (sample->metric->kind) {
	case WEIR_METRIC_COUNTER:
		put_series(f, sample, "_total", NULL);
		fprintf(f, "%" PRIu64 "\n", sample->count);
		break;
	case WEIR_METRIC_GAUGE:
		put_series(f, sample, "", NULL);
		metrics_format_double(sample->gauge, number);
		fprintf(f, "%s\n", number);
		break;
	case WEIR_METRIC_HISTOGRAM:
		put_hist(f, sample);
		break;
	}
}

int metrics_stream_close(FILE *f, char **made, size_t *made_bytes, char **text, size_t *text_bytes)
{
	const bool failed = ferror(f) != 0;

	if (fclose(f) != 0 || failed) {
		free(*made);
		return -ENOMEM;
	}
	*text = *made;
	*text_bytes = *made_bytes;
	return 0;
}

int weir_metrics_text(const struct weir_metrics_snapshot *s, enum weir_metrics_dialect dialect,
		      char **text, size_t *text_bytes)
{
	const struct weir_metric *family = NULL;
	char *made = NULL;
	size_t made_bytes = 0;
	FILE *f = open_memstream(&made, &made_bytes);

	if (f == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < s->n; i++) {
		if (s->samples[i].metric != family) {
			family = s->samples[i].metric;
			put_head(f, family, dialect);
		}
		put_sample(f, &s->samples[i]);
	}
	if (dialect == WEIR_METRICS_OPENMETRICS)
		fputs("# EOF\n", f);
	return metrics_stream_close(f, &made, &made_bytes, text, text_bytes);
}
