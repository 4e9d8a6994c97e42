/* SPDX-License-Identifier: BSD-3-Clause */

/* The registry: tables of metrics, checked when they are added, and the values that it keeps
 * itself. */

#include "metrics_priv.h"
#include "utf8_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct weir_metrics_value {
	struct weir_metrics_value *next;
	const struct weir_metric *metric;
	struct metrics_labels labels;
	_Atomic uint64_t count; /* any thread */
	_Atomic double gauge;	/* any thread */
	struct weir_hist *hist; /* a histogram's; one thread writes */
};

int weir_metrics_create(struct weir_metrics **out)
{
	struct weir_metrics *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return -ENOMEM;
	*out = m;
	return 0;
}

static void value_free(struct weir_metrics_value *v)
{
	if (v == NULL)
		return;
	weir_hist_free(v->hist);
	free(v->labels.text);
	free(v);
}

void weir_metrics_free(struct weir_metrics *m)
{
	if (m == NULL)
		return;
	while (m->values != NULL) {
		struct weir_metrics_value *v = m->values;

		m->values = v->next;
		value_free(v);
	}
	weir_metrics_snapshot_free(m->baseline);
	free(m->tables);
	free(m);
}

unsigned metrics_label_count(const struct weir_metric *metric)
{
	unsigned n = 0;

	while (n < WEIR_METRICS_LABELS_MAX && metric->labels[n] != NULL)
		n++;
	return n;
}

static bool is_name(const char *s, size_t max, bool colons)
{
	const size_t n = strnlen(s, max + 1);

	if (n == 0 || n > max)
		return false;
	for (size_t i = 0; i < n; i++) {
		const char c = s[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
		      (c == ':' && colons) || (c >= '0' && c <= '9' && i > 0)))
			return false;
	}
	return true;
}

static bool ends_in(const char *s, const char *end)
{
	const size_t n = strlen(s), n_end = strlen(end);

	return n > n_end && strcmp(s + n - n_end, end) == 0;
}

/* The writers add these; a name that has one could meet another metric's. */
static bool has_reserved_end(const char *name)
{
	static const char *const ends[] = {"_total", "_sum", "_count", "_bucket", "_created"};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (ends_in(name, ends[i]))
			return true;
	return false;
}

/* Labels beginning with "__", "le" and "quantile" belong to Prometheus. */
static bool labels_are_valid(const struct weir_metric *metric)
{
	const unsigned n = metrics_label_count(metric);

	for (unsigned i = 0; i < n; i++) {
		const char *label = metric->labels[i];

		if (!is_name(label, WEIR_METRICS_LABEL_MAX, false) ||
		    strncmp(label, "__", 2) == 0 || strcmp(label, "le") == 0 ||
		    strcmp(label, "quantile") == 0)
			return false;
		for (unsigned k = 0; k < i; k++)
			if (strcmp(metric->labels[k], label) == 0)
				return false;
	}
	return true;
}

static bool metric_is_valid(const struct weir_metric *metric)
{
	const char *unit = metric->unit;

	if ((unsigned)metric->kind > WEIR_METRIC_HISTOGRAM || metric->name == NULL ||
	    !is_name(metric->name, WEIR_METRICS_NAME_MAX, true) || has_reserved_end(metric->name) ||
	    metric->help == NULL || *metric->help == '\0')
		return false;
	if (unit != NULL) {
		const size_t n = strlen(metric->name), n_unit = strlen(unit);

		if (n_unit == 0 || !ends_in(metric->name, unit) ||
		    metric->name[n - n_unit - 1] != '_')
			return false;
	}
	return labels_are_valid(metric);
}

/* Whether another table has the name already, or this one before @p upto. */
static bool name_is_taken(const struct weir_metrics *m, const struct weir_metric *metrics,
			  unsigned upto)
{
	const char *name = metrics[upto].name;

	for (unsigned i = 0; i < upto; i++)
		if (strcmp(metrics[i].name, name) == 0)
			return true;
	for (unsigned t = 0; t < m->n_tables; t++) {
		if (m->tables[t].metrics == metrics)
			continue;
		for (unsigned i = 0; i < m->tables[t].n; i++)
			if (strcmp(m->tables[t].metrics[i].name, name) == 0)
				return true;
	}
	return false;
}

static struct metrics_table *find_table(const struct weir_metrics *m,
					const struct weir_metric *metrics, const void *ctx)
{
	for (unsigned t = 0; t < m->n_tables; t++)
		if (m->tables[t].metrics == metrics && m->tables[t].ctx == ctx)
			return &m->tables[t];
	return NULL;
}

static int table_check(const struct weir_metrics *m, const struct weir_metric *metrics, unsigned n,
		       const void *ctx)
{
	if (n == 0)
		return -EINVAL;
	if (n > WEIR_METRICS_MAX - m->n_metrics)
		return -ENOSPC;
	if (find_table(m, metrics, ctx) != NULL)
		return -EEXIST;
	for (unsigned i = 0; i < n; i++) {
		if (!metric_is_valid(&metrics[i]))
			return -EINVAL;
		if (name_is_taken(m, metrics, i))
			return -EEXIST;
	}
	return 0;
}

int weir_metrics_add(struct weir_metrics *m, const struct weir_metric *metrics, unsigned n,
		     weir_metrics_collect_fn collect, void *ctx)
{
	struct metrics_table *tables;
	int rc;

	rc = table_check(m, metrics, n, ctx);
	if (rc < 0)
		return rc;
	tables = reallocarray(m->tables, m->n_tables + 1, sizeof(*tables));
	if (tables == NULL)
		return -ENOMEM;
	tables[m->n_tables++] = (struct metrics_table){metrics, n, collect, ctx};
	m->tables = tables;
	m->n_metrics += n;
	return 0;
}

bool metrics_is_registered(const struct weir_metrics *m, const struct weir_metric *metric)
{
	const uintptr_t at = (uintptr_t)metric;

	for (unsigned t = 0; t < m->n_tables; t++) {
		const uintptr_t first = (uintptr_t)m->tables[t].metrics;

		if (at >= first && at < first + m->tables[t].n * sizeof(*metric))
			return true;
	}
	return false;
}

int weir_metrics_remove(struct weir_metrics *m, const struct weir_metric *metrics, void *ctx)
{
	struct metrics_table *t = find_table(m, metrics, ctx);
	struct weir_metrics_value **at = &m->values;

	if (t == NULL)
		return -ENOENT;
	m->n_metrics -= t->n;
	m->n_tables--;
	memmove(t, t + 1, (size_t)(m->tables + m->n_tables - t) * sizeof(*t));
	while (*at != NULL) {
		struct weir_metrics_value *v = *at;

		if (metrics_is_registered(m, v->metric)) {
			at = &v->next;
		} else {
			*at = v->next;
			value_free(v);
		}
	}
	return 0;
}

/* Copy a label's value with each byte that is not UTF-8 as "\xNN". @return Bytes, or SIZE_MAX. */
static size_t clean(const char *value, char out[WEIR_METRICS_VALUE_MAX + 1])
{
	const size_t n = strnlen(value, WEIR_METRICS_VALUE_MAX + 1);
	size_t used = 0;

	for (size_t i = 0; i < n;) {
		uint32_t code;
		const unsigned size = utf8_next(value + i, n - i, &code);
		const unsigned needs = size == 0 ? 4 : size;

		if (used + needs > WEIR_METRICS_VALUE_MAX)
			return SIZE_MAX;
		if (size == 0) {
			const uint8_t byte = (uint8_t)value[i];

			memcpy(out + used, "\\x", 2);
			out[used + 2] = "0123456789abcdef"[byte >> 4];
			out[used + 3] = "0123456789abcdef"[byte & 15];
		} else {
			memcpy(out + used, value + i, size);
		}
		used += needs;
		i += size == 0 ? 1 : size;
	}
	out[used] = '\0';
	return used;
}

int metrics_labels_copy(const struct weir_metric *metric, const char *const *labels, unsigned n,
			struct metrics_labels *out)
{
	char text[WEIR_METRICS_LABELS_MAX * (WEIR_METRICS_VALUE_MAX + 1)];
	size_t bytes = 0;

	if (n != metrics_label_count(metric))
		return -EINVAL;
	for (unsigned i = 0; i < n; i++) {
		const size_t size = labels[i] == NULL ? SIZE_MAX : clean(labels[i], text + bytes);

		if (size == SIZE_MAX)
			return labels[i] == NULL ? -EINVAL : -ENAMETOOLONG;
		bytes += size + 1;
	}
	out->text = NULL;
	out->bytes = bytes;
	if (bytes == 0)
		return 0;
	out->text = malloc(bytes);
	if (out->text == NULL)
		return -ENOMEM;
	memcpy(out->text, text, bytes);
	return 0;
}

int metrics_labels_compare(const struct metrics_labels *a, const struct metrics_labels *b)
{
	const size_t n = a->bytes < b->bytes ? a->bytes : b->bytes;
	const int order = n == 0 ? 0 : memcmp(a->text, b->text, n);

	if (order != 0)
		return order;
	return (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

static bool is_kept(const struct weir_metrics *m, const struct weir_metrics_value *like)
{
	for (const struct weir_metrics_value *v = m->values; v != NULL; v = v->next)
		if (v->metric == like->metric &&
		    metrics_labels_compare(&v->labels, &like->labels) == 0)
			return true;
	return false;
}

int weir_metrics_keep(struct weir_metrics *m, const struct weir_metric *metric,
		      const char *const *labels, unsigned n_labels, struct weir_metrics_value **out)
{
	struct weir_metrics_value *v;
	int rc;

	if (!metrics_is_registered(m, metric))
		return -ENOENT;
	v = calloc(1, sizeof(*v));
	if (v == NULL)
		return -ENOMEM;
	v->metric = metric;
	rc = metrics_labels_copy(metric, labels, n_labels, &v->labels);
	if (rc == 0 && is_kept(m, v))
		rc = -EEXIST;
	if (rc == 0 && metric->kind == WEIR_METRIC_HISTOGRAM) {
		v->hist = weir_hist_create();
		rc = v->hist == NULL ? -ENOMEM : 0;
	}
	if (rc < 0) {
		value_free(v);
		return rc;
	}
	v->next = m->values;
	m->values = v;
	*out = v;
	return 0;
}

void weir_metrics_value_add(struct weir_metrics_value *v, uint64_t n)
{
	assert(v->metric->kind == WEIR_METRIC_COUNTER);
	atomic_fetch_add_explicit(&v->count, n, memory_order_relaxed);
}

void weir_metrics_value_set(struct weir_metrics_value *v, double value)
{
	assert(v->metric->kind == WEIR_METRIC_GAUGE);
	atomic_store_explicit(&v->gauge, value, memory_order_relaxed);
}

void weir_metrics_value_observe(struct weir_metrics_value *v, uint64_t ns)
{
	assert(v->metric->kind == WEIR_METRIC_HISTOGRAM);
	weir_hist_add(v->hist, ns);
}

static int value_collect(const struct weir_metrics_value *v, struct weir_metrics_sink *sink)
{
	const char *labels[WEIR_METRICS_LABELS_MAX];
	const unsigned n = metrics_label_count(v->metric);
	const char *at = v->labels.text;

	for (unsigned i = 0; i < n; i++, at = metrics_labels_next(at))
		labels[i] = at;
	switch (v->metric->kind) {
	case WEIR_METRIC_COUNTER:
		return weir_metrics_put_count(sink, v->metric, v->count, labels, n);
	case WEIR_METRIC_GAUGE:
		return weir_metrics_put_gauge(sink, v->metric, v->gauge, labels, n);
	default:
		return weir_metrics_put_hist(sink, v->metric, v->hist, labels, n);
	}
}

int metrics_values_collect(const struct weir_metrics *m, struct weir_metrics_sink *sink)
{
	int rc = 0;

	for (const struct weir_metrics_value *v = m->values; v != NULL && rc == 0; v = v->next)
		rc = value_collect(v, sink);
	return rc;
}
