/* SPDX-License-Identifier: BSD-3-Clause */

/* All values at one moment: asked for, sorted, and counted from the baseline. */

#include "metrics_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct weir_metrics_sink {
	const struct weir_metrics *m;
	struct weir_metrics_snapshot *s;
};

static void sample_free(struct metrics_sample *sample)
{
	if (sample->metric->kind == WEIR_METRIC_HISTOGRAM)
		weir_hist_free(sample->hist);
	free(sample->labels.text);
}

void weir_metrics_snapshot_free(struct weir_metrics_snapshot *s)
{
	if (s == NULL)
		return;
	for (unsigned i = 0; i < s->n; i++)
		sample_free(&s->samples[i]);
	free(s->samples);
	free(s);
}

unsigned weir_metrics_duplicates(const struct weir_metrics_snapshot *s)
{
	return s->duplicates;
}

/* Room for one sample more. */
static int grow(struct weir_metrics_snapshot *s)
{
	const unsigned room = s->room == 0 ? 64 : 2 * s->room;
	struct metrics_sample *samples;

	if (s->n < s->room)
		return 0;
	if (s->n == WEIR_METRICS_SAMPLES_MAX)
		return -ENOSPC;
	samples = reallocarray(s->samples, room, sizeof(*samples));
	if (samples == NULL)
		return -ENOMEM;
	s->samples = samples;
	s->room = room;
	return 0;
}

/* Append a sample without its value. */
static int put(struct weir_metrics_sink *sink, const struct weir_metric *metric,
	       enum weir_metric_kind kind, const char *const *labels, unsigned n_labels,
	       struct metrics_sample **out)
{
	struct metrics_sample sample = {.metric = metric, .order = sink->s->n};
	int rc;

	if (!metrics_is_registered(sink->m, metric))
		return -ENOENT;
	if (metric->kind != kind)
		return -EINVAL;
	rc = grow(sink->s);
	if (rc < 0)
		return rc;
	rc = metrics_labels_copy(metric, labels, n_labels, &sample.labels);
	if (rc < 0)
		return rc;
	*out = &sink->s->samples[sink->s->n++];
	**out = sample;
	return 0;
}

int weir_metrics_put_count(struct weir_metrics_sink *sink, const struct weir_metric *metric,
			   uint64_t value, const char *const *labels, unsigned n_labels)
{
	struct metrics_sample *sample;
	const int rc = put(sink, metric, WEIR_METRIC_COUNTER, labels, n_labels, &sample);

	if (rc == 0)
		sample->count = value;
	return rc;
}

int weir_metrics_put_gauge(struct weir_metrics_sink *sink, const struct weir_metric *metric,
			   double value, const char *const *labels, unsigned n_labels)
{
	struct metrics_sample *sample;
	const int rc = put(sink, metric, WEIR_METRIC_GAUGE, labels, n_labels, &sample);

	if (rc == 0)
		sample->gauge = value;
	return rc;
}

int weir_metrics_put_hist(struct weir_metrics_sink *sink, const struct weir_metric *metric,
			  const struct weir_hist *value, const char *const *labels,
			  unsigned n_labels)
{
	struct weir_hist *copy = weir_hist_create();
	struct metrics_sample *sample;
	int rc;

	if (copy == NULL)
		return -ENOMEM;
	rc = put(sink, metric, WEIR_METRIC_HISTOGRAM, labels, n_labels, &sample);
	if (rc < 0) {
		weir_hist_free(copy);
		return rc;
	}
	weir_hist_merge(copy, value);
	sample->hist = copy;
	return 0;
}

static int compare(const void *left, const void *right)
{
	const struct metrics_sample *a = left, *b = right;
	const int order = a->metric == b->metric ? 0 : strcmp(a->metric->name, b->metric->name);

	return order != 0 ? order : metrics_labels_compare(&a->labels, &b->labels);
}

/* Equals in the order in which they were put. */
static int compare_then_order(const void *left, const void *right)
{
	const struct metrics_sample *a = left, *b = right;
	const int order = compare(a, b);

	return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

/* Sort, and keep the first of equals. */
static void sort(struct weir_metrics_snapshot *s)
{
	unsigned kept = 0;

	if (s->n > 1)
		qsort(s->samples, s->n, sizeof(s->samples[0]), compare_then_order);
	for (unsigned i = 0; i < s->n; i++) {
		if (kept > 0 && compare(&s->samples[kept - 1], &s->samples[i]) == 0) {
			sample_free(&s->samples[i]);
			s->duplicates++;
		} else {
			s->samples[kept++] = s->samples[i];
		}
	}
	s->n = kept;
}

/* Ask all, with no baseline. */
static int take(const struct weir_metrics *m, struct weir_metrics_snapshot **out)
{
	struct weir_metrics_snapshot *s = calloc(1, sizeof(*s));
	struct weir_metrics_sink sink = {.m = m, .s = s};
	int rc = 0;

	if (s == NULL)
		return -ENOMEM;
	for (unsigned t = 0; t < m->n_tables && rc == 0; t++)
		if (m->tables[t].collect != NULL)
			rc = m->tables[t].collect(m->tables[t].ctx, &sink);
	if (rc == 0)
		rc = metrics_values_collect(m, &sink);
	if (rc < 0) {
		weir_metrics_snapshot_free(s);
		return rc;
	}
	sort(s);
	*out = s;
	return 0;
}

const struct metrics_sample *metrics_find(const struct weir_metrics_snapshot *s,
					  const struct metrics_sample *like)
{
	if (s == NULL || s->n == 0)
		return NULL;
	return bsearch(like, s->samples, s->n, sizeof(*like), compare);
}

/* A value below its baseline began anew in between: it is told as it is. */
static void since(struct metrics_sample *now, const struct metrics_sample *base)
{
	if (base == NULL || base->metric->kind != now->metric->kind)
		return;
	if (now->metric->kind == WEIR_METRIC_COUNTER && now->count >= base->count)
		now->count -= base->count;
	else if (now->metric->kind == WEIR_METRIC_HISTOGRAM &&
		 weir_hist_count(now->hist) >= weir_hist_count(base->hist))
		weir_hist_subtract(now->hist, base->hist);
}

int weir_metrics_snapshot(struct weir_metrics *m, struct weir_metrics_snapshot **out)
{
	struct weir_metrics_snapshot *s;
	const int rc = take(m, &s);

	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < s->n; i++)
		since(&s->samples[i], metrics_find(m->baseline, &s->samples[i]));
	*out = s;
	return 0;
}

int weir_metrics_reset(struct weir_metrics *m)
{
	struct weir_metrics_snapshot *s;
	const int rc = take(m, &s);

	if (rc < 0)
		return rc;
	weir_metrics_snapshot_free(m->baseline);
	m->baseline = s;
	return 0;
}
