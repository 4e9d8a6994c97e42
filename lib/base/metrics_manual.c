/* SPDX-License-Identifier: BSD-3-Clause */

/* The manual: what the registry says of each metric, as a Markdown table. */

#include "metrics_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A cell's text: a bar would end the cell, a newline the table. */
static void put_cell(FILE *f, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '|')
			fputs("\\|", f);
		else
			fputc(*s == '\n' ? ' ' : *s, f);
	}
}

static void put_row(FILE *f, const struct weir_metric *metric)
{
	static const char *const kinds[] = {"counter", "gauge", "histogram"};
	const unsigned n = metrics_label_count(metric);

	fprintf(f, "| `%s%s` | %s | ", metric->name,
		metric->kind == WEIR_METRIC_COUNTER ? "_total" : "", kinds[metric->kind]);
	for (unsigned i = 0; i < n; i++)
		fprintf(f, "%s`%s`", i == 0 ? "" : ", ", metric->labels[i]);
	fprintf(f, " | %s | ", metric->unit == NULL ? "" : metric->unit);
	put_cell(f, metric->help);
	fputs(" | ", f);
	put_cell(f, metric->action == NULL ? "" : metric->action);
	fputs(" |\n", f);
}

/* A table that was added for several sources is one part of the manual. */
static bool came_before(const struct weir_metrics *m, unsigned t)
{
	for (unsigned i = 0; i < t; i++)
		if (m->tables[i].metrics == m->tables[t].metrics)
			return true;
	return false;
}

int weir_metrics_manual(const struct weir_metrics *m, char **text, size_t *text_bytes)
{
	char *made = NULL;
	size_t made_bytes = 0;
	FILE *f = open_memstream(&made, &made_bytes);

	if (f == NULL)
		return -ENOMEM;
	fputs("| Metric | Kind | Labels | Unit | Meaning | What to do |\n"
	      "|---|---|---|---|---|---|\n",
	      f);
	for (unsigned t = 0; t < m->n_tables; t++)
		for (unsigned i = 0; i < m->tables[t].n && !came_before(m, t); i++)
			put_row(f, &m->tables[t].metrics[i]);
	return metrics_stream_close(f, &made, &made_bytes, text, text_bytes);
}
