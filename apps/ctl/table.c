/* SPDX-License-Identifier: BSD-3-Clause */

/* Tables: columns as wide as they must be, numbers to the right, at most 100 columns in all. */

#include "ctl_priv.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 24
#define WIDTH_MAX   100
#define GAP	    2

struct table {
	unsigned columns;
	size_t n, room; /* cells, the heads included */
	char **cell;
};

static void out_of_memory(void)
{
	fputs("weirctl: out of memory\n", stderr);
	exit(REFUSED);
}

static void add(struct table *t, char *text)
{
	if (t->n == t->room) {
		t->room = t->room == 0 ? 64 : 2 * t->room;
		t->cell = reallocarray(t->cell, t->room, sizeof(*t->cell));
		if (t->cell == NULL)
			out_of_memory();
	}
	t->cell[t->n++] = text;
}

struct table *table_new(const char *const *heads)
{
	struct table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		out_of_memory();
	for (; heads[t->columns] != NULL && t->columns < COLUMNS_MAX; t->columns++)
		table_cell(t, "%s", heads[t->columns]);
	return t;
}

/* Control characters came from outside: a terminal must not see them. */
static void clean(char *text)
{
	for (; *text != '\0'; text++)
		if (iscntrl((unsigned char)*text))
			*text = '?';
}

void table_cell(struct table *t, const char *format, ...)
{
	va_list list;
	char *text;

	va_start(list, format);
	if (vasprintf(&text, format, list) < 0)
		out_of_memory();
	va_end(list);
	clean(text);
	add(t, text);
}

void table_ratio(struct table *t, double part, double whole, int digits)
{
	if (whole > 0)
		table_cell(t, "%.*f", digits, part / whole);
	else
		table_cell(t, "%s", "");
}

static bool is_number(const char *text)
{
	return isdigit((unsigned char)text[0]) || text[0] == '-';
}

/* Whether a column holds numbers: then its head stands to the right too. */
static bool to_the_right(const struct table *t, unsigned column)
{
	bool some = false;

	for (size_t i = t->columns + column; i < t->n; i += t->columns) {
		const char *text = t->cell[i];

		if (text[0] != '\0' && !is_number(text))
			return false;
		if (strchr(text, ':') != NULL || strchr(text, '/') != NULL ||
		    strchr(text, '_') != NULL)
			return false; /* an address or a name that begins with a digit */
		some = some || text[0] != '\0';
	}
	return some;
}

void table_end(struct table *t, const struct cli *cli)
{
	unsigned width[COLUMNS_MAX] = {0};
	bool right[COLUMNS_MAX];

	for (size_t i = 0; i < t->n; i++) {
		const unsigned w = (unsigned)strlen(t->cell[i]);

		if (w > width[i % t->columns])
			width[i % t->columns] = w;
	}
	for (unsigned c = 0; c < t->columns; c++)
		right[c] = to_the_right(t, c);
	for (size_t i = 0; i < t->n; i += t->columns) {
		char line[WIDTH_MAX + 1] = "";
		unsigned at = 0;

		for (unsigned c = 0; c < t->columns && at < WIDTH_MAX; c++) {
			snprintf(line + at, sizeof(line) - at, right[c] ? "%*s" : "%-*s",
				 (int)width[c], t->cell[i + c]);
			at += width[c];
			if (at < WIDTH_MAX)
				snprintf(line + at, sizeof(line) - at, "%*s", GAP, "");
			at += GAP;
		}
		for (size_t n = strlen(line); n > 0 && line[n - 1] == ' '; n--)
			line[n - 1] = '\0';
		printf("%s%s%s\n", i == 0 ? cli_bold(cli) : "", line, i == 0 ? cli_plain(cli) : "");
	}
	for (size_t i = 0; i < t->n; i++)
		free(t->cell[i]);
	free(t->cell);
	free(t);
}

/* A value as a cell: lists with commas, objects as JSON. */
static void value_cell(struct table *t, const json_t *v)
{
	char text[128] = "";
	size_t i;
	json_t *item;
	char *dump;

	if (json_is_string(v)) {
		table_cell(t, "%s", json_string_value(v));
	} else if (v == NULL || json_is_null(v)) {
		table_cell(t, "%s", "");
	} else if (json_is_boolean(v)) {
		table_cell(t, "%s", json_is_true(v) ? "yes" : "no");
	} else if (json_is_real(v)) {
		table_cell(t, "%.1f", json_real_value(v));
	} else if (json_is_array(v)) {
		json_array_foreach ((json_t *)v, i, item) {
			const size_t n = strlen(text);

			dump = json_is_string(item) ? strdup(json_string_value(item))
						    : json_dumps(item, JSON_ENCODE_ANY);
			snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? "," : "",
				 dump == NULL ? "" : dump);
			free(dump);
		}
		table_cell(t, "%s", text);
	} else {
		dump = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
		table_cell(t, "%s", dump == NULL ? "" : dump);
		free(dump);
	}
}

void table_of(const json_t *list, const struct cli *cli)
{
	const char *heads[COLUMNS_MAX + 1] = {NULL};
	struct table *t;
	unsigned n = 0;
	json_t *row, *v;
	const char *key;
	size_t i;

	/* Every member that some row has, in the order in which they come up. */
	json_array_foreach ((json_t *)list, i, row) {
		json_object_foreach (row, key, v) {
			unsigned c = 0;

			while (c < n && strcmp(heads[c], key) != 0)
				c++;
			if (c == n && n < COLUMNS_MAX)
				heads[n++] = key;
		}
	}
	if (n == 0)
		return;
	t = table_new(heads);
	json_array_foreach ((json_t *)list, i, row) {
		for (unsigned c = 0; c < n; c++)
			value_cell(t, json_object_get(row, heads[c]));
	}
	table_end(t, cli);
}

const char *short_number(double n, char text[16])
{
	static const char units[] = " kMGTP";
	unsigned u = 0;

	while (n >= 999.5 && units[u + 1] != '\0') {
		n /= 1000;
		u++;
	}
	if (u == 0)
		snprintf(text, 16, n < 10 && n > 0 ? "%.1f" : "%.0f", n);
	else
		snprintf(text, 16, "%.*f%c", n < 9.995 ? 2 : n < 99.95 ? 1 : 0, n, units[u]);
	return text;
}

void table_duration(struct table *t, double s)
{
	if (s < 10)
		table_cell(t, "%.1fs", s);
	else if (s < 100)
		table_cell(t, "%.0fs", s);
	else if (s < 100 * 60)
		table_cell(t, "%.0fm", s / 60);
	else if (s < 48 * 3600)
		table_cell(t, "%.0fh", s / 3600);
	else
		table_cell(t, "%.0fd", s / 86400);
}

void table_number(struct table *t, const json_t *object, const char *key)
{
	char text[16];

	if (num(object, key) < 1000)
		table_cell(t, "%" PRId64, num(object, key));
	else
		table_cell(t, "%s", short_number(real(object, key), text));
}

void table_empty(struct table *t, unsigned n)
{
	while (n-- > 0)
		table_cell(t, "%s", "");
}
