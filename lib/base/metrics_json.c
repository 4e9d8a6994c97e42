/* SPDX-License-Identifier: BSD-3-Clause */

/* A snapshot as JSON: one member for each metric, with its samples. */

#include "metrics_priv.h"

#include <errno.h>
#include <jansson.h>

/* JSON's integers end at 2^63 - 1 here; what is above becomes a real, rounded but not negative. */
static json_t *number(uint64_t value)
{
	return value <= INT64_MAX ? json_integer((json_int_t)value) : json_real((double)value);
}

/* JSON has no NaN and no infinity. */
static json_t *real(double value)
{
	return __builtin_isfinite(value) ? json_real(value) : json_null();
}

static json_t *duration(const struct weir_metric *metric, uint64_t value)
{
	return metrics_in_seconds(metric) ? json_real((double)value / 1e9) : number(value);
}

static json_t *hist_value(const struct metrics_sample *sample)
{
	const struct weir_metric *metric = sample->metric;
	json_t *o = json_object();
	int bad = 0;

	if (o == NULL)
		return NULL;
	bad |= json_object_set_new(o, "count", number(weir_hist_count(sample->hist)));
	bad |= json_object_set_new(o, "sum", duration(metric, weir_hist_sum_ns(sample->hist)));
	bad |= json_object_set_new(o, "max", duration(metric, weir_hist_max_ns(sample->hist)));
	for (unsigned i = 0; i < METRICS_QUANTILES; i++)
		bad |= json_object_set_new(
			o, metrics_quantiles[i].percent,
			duration(metric,
				 weir_hist_at(sample->hist, metrics_quantiles[i].permille)));
	if (bad) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static json_t *value_of(const struct metrics_sample *sample)
{
	switch (sample->metric->kind) {
	case WEIR_METRIC_COUNTER:
		return number(sample->count);
	case WEIR_METRIC_GAUGE:
		return real(sample->gauge);
	default:
		return hist_value(sample);
	}
}

static int add_labels(json_t *labels, const struct metrics_sample *sample)
{
	const unsigned n = metrics_label_count(sample->metric);
	const char *value = sample->labels.text;
	int bad = 0;

	for (unsigned i = 0; i < n; i++, value = metrics_labels_next(value))
		bad |= json_object_set_new(labels, sample->metric->labels[i], json_string(value));
	return bad;
}

static int add_sample(json_t *samples, const struct metrics_sample *sample)
{
	json_t *o = json_object();
	json_t *labels = json_object();
	int bad = json_array_append_new(samples, o);

	/* each call takes its reference also when it fails, and refuses NULL */
	if (bad != 0) {
		json_decref(labels);
		return -1;
	}
	bad |= json_object_set_new(o, "labels", labels);
	if (bad == 0)
		bad |= add_labels(labels, sample);
	bad |= json_object_set_new(o, "value", value_of(sample));
	return bad;
}

/* The member of a metric. @return Its "samples", borrowed, or NULL. */
static json_t *add_metric(json_t *all, const struct weir_metric *metric)
{
	static const char *const kinds[] = {"counter", "gauge", "histogram"};
	json_t *o = json_object();
	json_t *samples = NULL;
	int bad = json_object_set_new(all, metric->name, o);

	if (bad != 0)
		return NULL;
	bad |= json_object_set_new(o, "kind", json_string(kinds[metric->kind]));
	bad |= json_object_set_new(o, "unit",
				   metric->unit == NULL ? json_null() : json_string(metric->unit));
	bad |= json_object_set_new(o, "help", json_string(metric->help));
	if (bad == 0) {
		samples = json_array();
		bad = json_object_set_new(o, "samples", samples);
	}
	return bad == 0 ? samples : NULL;
}

int weir_metrics_json(const struct weir_metrics_snapshot *s, json_t **out)
{
	const struct weir_metric *family = NULL;
	json_t *all = json_object();
	json_t *samples = NULL;

	if (all == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < s->n; i++) {
		if (s->samples[i].metric != family) {
			family = s->samples[i].metric;
			samples = add_metric(all, family);
		}
		if (samples == NULL || add_sample(samples, &s->samples[i]) != 0) {
			json_decref(all);
			return -ENOMEM;
		}
	}
	*out = all;
	return 0;
}
