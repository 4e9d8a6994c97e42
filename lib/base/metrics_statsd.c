/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A snapshot as StatsD lines, gathered into datagrams.
 *
 * Labels are DogStatsD tags, which Datadog, Telegraf, Vector and statsd_exporter read. A counter is
 * told as what was added; a gauge below 0 after a 0, since "-5|g" means "5 less".
 */

#include "metrics_priv.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define PREFIX_MAX 64
#define LINE_MAX_BYTES                                                             \
	(PREFIX_MAX + WEIR_METRICS_NAME_MAX + sizeof("_p99.9:") + METRICS_NUMBER + \
	 sizeof("|g|#") +                                                          \
	 WEIR_METRICS_LABELS_MAX * (WEIR_METRICS_LABEL_MAX + WEIR_METRICS_VALUE_MAX + 2))

static_assert(LINE_MAX_BYTES <= WEIR_METRICS_DATAGRAM, "any line fits a datagram");

struct writer {
	const char *prefix;
	int (*send)(void *ctx, const char *datagram, size_t datagram_bytes);
	void *ctx;
	int rc; /* the first result of send that was not 0: nothing is sent after it */
	size_t bytes;
	char datagram[WEIR_METRICS_DATAGRAM];
};

static void flush(struct writer *w)
{
	if (w->bytes > 0 && w->rc == 0)
		w->rc = w->send(w->ctx, w->datagram, w->bytes);
	w->bytes = 0;
}

/* What would end a tag early is written "_". */
static size_t put_tag_value(char *at, const char *value)
{
	size_t n = 0;

	for (; value[n] != '\0'; n++)
		at[n] = (unsigned char)value[n] < 0x20 || strchr(":|,#@", value[n]) != NULL
				? '_'
				: value[n];
	return n;
}

static void put_line(struct writer *w, const struct metrics_sample *sample, const char *end,
		     const char *number, char type)
{
	const unsigned n = metrics_label_count(sample->metric);
	const char *value = sample->labels.text;
	char line[LINE_MAX_BYTES];
	size_t used;

	used = (size_t)snprintf(line, sizeof(line), "%s%s%s:%s|%c", w->prefix, sample->metric->name,
				end, number, type);
	for (unsigned i = 0; i < n; i++, value = metrics_labels_next(value)) {
		used += (size_t)snprintf(line + used, sizeof(line) - used,
					 "%s%s:", i == 0 ? "|#" : ",", sample->metric->labels[i]);
		used += put_tag_value(line + used, value);
	}
	if (w->bytes > 0 && w->bytes + 1 + used > sizeof(w->datagram))
		flush(w);
	if (w->bytes > 0)
		w->datagram[w->bytes++] = '\n';
	memcpy(w->datagram + w->bytes, line, used);
	w->bytes += used;
}

/* A counter that fell began anew: all of it was added. */
static uint64_t added(uint64_t now, uint64_t before)
{
	return now >= before ? now - before : now;
}

static void put_count(struct writer *w, const struct metrics_sample *sample, const char *end,
		      uint64_t count)
{
	char number[METRICS_NUMBER];

	snprintf(number, sizeof(number), "%" PRIu64, count);
	put_line(w, sample, end, number, 'c');
}

static void put_gauge(struct writer *w, const struct metrics_sample *sample)
{
	char number[METRICS_NUMBER];

	if (!isfinite(sample->gauge))
		return; /* there is no such gauge in StatsD */
	if (sample->gauge < 0)
		put_line(w, sample, "", "0", 'g');
	metrics_format_double(sample->gauge, number);
	put_line(w, sample, "", number, 'g');
}

static void put_hist(struct writer *w, const struct metrics_sample *sample,
		     const struct weir_hist *before)
{
	const uint64_t count = weir_hist_count(sample->hist);
	const uint64_t sum = weir_hist_sum_ns(sample->hist);
	const uint64_t count_before = before == NULL ? 0 : weir_hist_count(before);
	const uint64_t sum_before =
		before == NULL || count < count_before ? 0 : weir_hist_sum_ns(before);
	char number[METRICS_NUMBER], end[sizeof("_p99.9")];

	put_count(w, sample, "_count", added(count, count_before));
	metrics_format_duration(sample->metric, added(sum, sum_before), number);
	put_line(w, sample, "_sum", number, 'c');
	for (unsigned i = 0; i < METRICS_QUANTILES && count > 0; i++) {
		const struct metrics_quantile *q = &metrics_quantiles[i];

		snprintf(end, sizeof(end), "_%s", q->percent);
		metrics_format_duration(sample->metric, weir_hist_at(sample->hist, q->permille),
					number);
		put_line(w, sample, end, number, 'g');
	}
}

static void put_sample(struct writer *w, const struct metrics_sample *sample,
		       const struct metrics_sample *before)
{
	switch (sample->metric->kind) {
	case WEIR_METRIC_COUNTER:
		put_count(w, sample, "", added(sample->count, before == NULL ? 0 : before->count));
		break;
	case WEIR_METRIC_GAUGE:
		put_gauge(w, sample);
		break;
	case WEIR_METRIC_HISTOGRAM:
		put_hist(w, sample, before == NULL ? NULL : before->hist);
		break;
	}
}

int weir_metrics_statsd(const struct weir_metrics_snapshot *s,
			const struct weir_metrics_snapshot *before, const char *prefix,
			int (*send)(void *ctx, const char *datagram, size_t datagram_bytes),
			void *ctx)
{
	struct writer w = {.prefix = prefix, .send = send, .ctx = ctx};

	if (strlen(prefix) > PREFIX_MAX)
		return -EINVAL;
	for (size_t i = 0; prefix[i] != '\0'; i++)
		if ((unsigned char)prefix[i] <= ' ' || strchr(":|@#", prefix[i]) != NULL)
			return -EINVAL;
	for (unsigned i = 0; i < s->n && w.rc == 0; i++)
		put_sample(&w, &s->samples[i], metrics_find(before, &s->samples[i]));
	flush(&w);
	return w.rc;
}
