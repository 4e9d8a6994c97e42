/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Metrics: what is measured is described once; values stay where they live until somebody asks.
 *
 * A program describes its metrics in static tables and adds each table to a registry with a
 * function that reads the values (counters of the dataplane are per worker, and are summed there).
 * Control code without counters of its own can have the registry keep them. A snapshot asks
 * everybody once; the writers turn it into Prometheus, OpenMetrics, JSON or StatsD. The manual is
 * written from the tables.
 *
 * The registry and snapshots belong to the control thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/must_check.h>

struct json_t;
struct weir_hist;

/** Limits. What is beyond one is refused with the error that the function names. */
#define WEIR_METRICS_MAX	 1024  /**< metrics in a registry */
#define WEIR_METRICS_LABELS_MAX	 6     /**< labels of one metric */
#define WEIR_METRICS_NAME_MAX	 96    /**< bytes of a metric's name */
#define WEIR_METRICS_LABEL_MAX	 32    /**< bytes of a label's name */
#define WEIR_METRICS_VALUE_MAX	 127   /**< bytes of a label's value */
#define WEIR_METRICS_SAMPLES_MAX 65536 /**< samples in a snapshot */
#define WEIR_METRICS_DATAGRAM	 1432  /**< bytes of StatsD in one UDP datagram */

/** What kind of value a metric is. */
enum weir_metric_kind {
	WEIR_METRIC_COUNTER,   /**< only grows; starts at 0 */
	WEIR_METRIC_GAUGE,     /**< goes up and down */
	WEIR_METRIC_HISTOGRAM, /**< a weir_hist, told as quantiles, sum and count */
};

/** One metric, described. Static: the registry keeps the pointer. */
struct weir_metric {
	/** [a-zA-Z_:][a-zA-Z0-9_:]*, ends in "_" and the unit if there is one, without "_total". */
	const char *name;
	enum weir_metric_kind kind; /**< decides which of the put functions says it */
	/** "bytes", "seconds", ... or NULL. A histogram in seconds is fed nanoseconds. */
	const char *unit;
	const char *help;			     /**< what it means, one sentence */
	const char *action;			     /**< what an operator does about it, or NULL */
	const char *labels[WEIR_METRICS_LABELS_MAX]; /**< their names; NULL ends them early */
};

struct weir_metrics;	      /* a registry */
struct weir_metrics_snapshot; /* all values at one moment */
struct weir_metrics_sink;     /* a snapshot in the making */
struct weir_metrics_value;    /* a value that the registry keeps */

/**
 * Reads values where they live and says them with weir_metrics_count(), _gauge() and _hist().
 * @return 0, or -errno, which ends the snapshot with that error.
 */
typedef int (*weir_metrics_collect_fn)(void *ctx, struct weir_metrics_sink *sink);

/** @return 0, or -ENOMEM. */
WEIR_MUST_CHECK int weir_metrics_create(struct weir_metrics **out);

/** Free a registry and the values it keeps. NULL is allowed. Snapshots stay valid. */
void weir_metrics_free(struct weir_metrics *m);

/**
 * Add a table of metrics; all of it or nothing. The same table may be added again with another @p
 * ctx, for another source of the same metrics (a port of its own, told apart by a label).
 * @param metrics  @p n descriptions; must live as long as the registry and its snapshots.
 * @param collect  Reads their values; NULL if the registry keeps them all.
 * @return 0; -EINVAL for a name, unit, label or help that breaks the rules; -EEXIST for a name that
 * is there, or for this table with this ctx; -ENOSPC beyond WEIR_METRICS_MAX; -ENOMEM.
 */
WEIR_MUST_CHECK int weir_metrics_add(struct weir_metrics *m, const struct weir_metric *metrics,
				     unsigned n, weir_metrics_collect_fn collect, void *ctx);

/**
 * Take a table out again (its port is gone). What the registry kept for it is freed.
 * @return 0, or -ENOENT if it was not added with this @p ctx.
 */
WEIR_MUST_CHECK int weir_metrics_remove(struct weir_metrics *m, const struct weir_metric *metrics,
					void *ctx);

/**
 * Say one value. The label values are the metric's, in its order: as many as it has names. They are
 * copied; bytes that are not UTF-8 become "\xNN". Of two samples with the same labels the first
 * counts.
 * @return 0; -EINVAL for the wrong kind or number of labels; -ENOENT for a metric not in the
 * registry; -ENAMETOOLONG for a label value; -ENOSPC beyond WEIR_METRICS_SAMPLES_MAX; -ENOMEM.
 */
WEIR_MUST_CHECK int weir_metrics_put_count(struct weir_metrics_sink *sink,
					   const struct weir_metric *metric, uint64_t value,
					   const char *const *labels, unsigned n_labels);
/** As weir_metrics_put_count(), of a gauge. */
WEIR_MUST_CHECK int weir_metrics_put_gauge(struct weir_metrics_sink *sink,
					   const struct weir_metric *metric, double value,
					   const char *const *labels, unsigned n_labels);
/** As weir_metrics_put_count(), of a histogram. */
WEIR_MUST_CHECK int weir_metrics_put_hist(struct weir_metrics_sink *sink,
					  const struct weir_metric *metric,
					  const struct weir_hist *value, const char *const *labels,
					  unsigned n_labels);

/** The arguments after the value, as a list and its length. */
#define WEIR_LABELS(...)                    \
	(const char *const[]){__VA_ARGS__}, \
		(unsigned)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/** Say one value: weir_metrics_count(sink, &port_metrics[RX_PKTS], n, "wan", "0"). */
#define weir_metrics_count(sink, metric, value, ...) \
	weir_metrics_put_count((sink), (metric), (value), WEIR_LABELS(__VA_ARGS__))
/** As weir_metrics_count(), of a gauge. */
#define weir_metrics_gauge(sink, metric, value, ...) \
	weir_metrics_put_gauge((sink), (metric), (value), WEIR_LABELS(__VA_ARGS__))
/** As weir_metrics_count(), of a histogram. */
#define weir_metrics_hist(sink, metric, value, ...) \
	weir_metrics_put_hist((sink), (metric), (value), WEIR_LABELS(__VA_ARGS__))

/* ---- values that the registry keeps, for control code ---- */

/**
 * Have the registry keep a value: weir_metrics_keep(m, &metric, WEIR_LABELS("reload"), &value).
 * @param out  Belongs to the registry.
 * @return 0; -EEXIST if it keeps one with these labels; else as weir_metrics_put_count().
 */
WEIR_MUST_CHECK int weir_metrics_keep(struct weir_metrics *m, const struct weir_metric *metric,
				      const char *const *labels, unsigned n_labels,
				      struct weir_metrics_value **out);

/** Add to a counter. Any thread may call. */
void weir_metrics_value_add(struct weir_metrics_value *v, uint64_t n);
/** Set a gauge. Any thread may call. */
void weir_metrics_value_set(struct weir_metrics_value *v, double value);
/** Count one duration in a histogram. One thread may call. */
void weir_metrics_value_observe(struct weir_metrics_value *v, uint64_t ns);

/* ---- asking ---- */

/**
 * Ask everybody for their values.
 * @param out  The caller frees it.
 * @return 0, -ENOMEM, or the error of a collect function.
 */
WEIR_MUST_CHECK int weir_metrics_snapshot(struct weir_metrics *m,
					  struct weir_metrics_snapshot **out);

/** Free a snapshot. NULL is allowed. */
void weir_metrics_snapshot_free(struct weir_metrics_snapshot *s);

/** How many samples were left out because one with the same labels came before. */
unsigned weir_metrics_duplicates(const struct weir_metrics_snapshot *s);

/**
 * From now on counters and histograms count from this moment. Nobody's memory is zeroed: the
 * present values are kept and taken away from later ones.
 * @return 0, or as weir_metrics_snapshot(), with the old baseline in place.
 */
WEIR_MUST_CHECK int weir_metrics_reset(struct weir_metrics *m);

/** Whose text format is written. */
enum weir_metrics_dialect {
	WEIR_METRICS_PROMETHEUS,  /**< text/plain; version=0.0.4 */
	WEIR_METRICS_OPENMETRICS, /**< application/openmetrics-text; version=1.0.0 */
};

/** The Content-Type of a dialect. Static. */
const char *weir_metrics_content_type(enum weir_metrics_dialect dialect);

/**
 * Write a snapshot for a Prometheus server. Histograms become summaries: 0.5 0.75 0.9 0.95 0.99
 * 0.999.
 * @param text  The caller frees it with free(3).
 * @return 0, or -ENOMEM.
 */
WEIR_MUST_CHECK int weir_metrics_text(const struct weir_metrics_snapshot *s,
				      enum weir_metrics_dialect dialect, char **text,
				      size_t *text_bytes);

/**
 * Write a snapshot as a JSON object: {"NAME": {"kind", "unit", "help", "samples": [{"labels",
 * "value"}]}}.
 * @param out  The caller owns the reference.
 * @return 0, or -ENOMEM.
 */
WEIR_MUST_CHECK int weir_metrics_json(const struct weir_metrics_snapshot *s, struct json_t **out);

/**
 * Write a snapshot as StatsD lines, labels as DogStatsD tags ("|#port:wan"), gathered into
 * datagrams of at most WEIR_METRICS_DATAGRAM bytes. Counters are told as what was added since @p
 * before.
 * @param before  The snapshot sent last; NULL for all.
 * @param prefix  Put before each name ("weir."); at most 64 bytes, "" for none.
 * @param send    Called with each datagram; a result other than 0 ends the writing.
 * @return 0, -EINVAL for the prefix, or what @p send returned.
 */
WEIR_MUST_CHECK int
weir_metrics_statsd(const struct weir_metrics_snapshot *s,
		    const struct weir_metrics_snapshot *before, const char *prefix,
		    int (*send)(void *ctx, const char *datagram, size_t datagram_bytes), void *ctx);

/**
 * Write the manual: a Markdown table of every metric, with what to do about it.
 * @param text  The caller frees it with free(3).
 * @return 0, or -ENOMEM.
 */
WEIR_MUST_CHECK int weir_metrics_manual(const struct weir_metrics *m, char **text,
					size_t *text_bytes);
