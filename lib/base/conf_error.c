/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conf_error: the sentences. Takes where a value came from and what is wrong with it; writes
 * FILE:LINE: KEY and the rest into the caller's buffer, whole or cut, never past its end.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "conf_priv.h"
#include "utf8_priv.h"

/* Text that grows in a buffer of fixed size and stops there. */
struct buffer {
	char *text;
	size_t size, used; /* used + 1 <= size */
};

static void add_v(struct buffer *b, const char *format, va_list args)
{
	const size_t room = b->size - b->used;
	const int n = vsnprintf(b->text + b->used, room, format, args);

	if (n > 0)
		b->used += (size_t)n < room ? (size_t)n : room - 1;
}

__attribute__((format(printf, 2, 3))) static void add(struct buffer *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_v(b, format, args);
	va_end(args);
}

/* The way from the root, as a person writes it: ports.wan.addresses[1]. Bounded by DEPTH_MAX. */
static void add_path(struct buffer *b, const struct conf_path *path)
{
	char shown[CONF_SHOWN];

	if (path == NULL) {
		add(b, "the file");
		return;
	}
	if (path->up != NULL)
		add_path(b, path->up);
	if (path->name == NULL)
		add(b, "[%zu]", path->index);
	else
		add(b, "%s%s", path->up != NULL ? "." : "",
		    conf_show(path->name, strlen(path->name), shown));
}

static struct buffer begin(struct weir_why *why, const char *source, uint32_t line)
{
	struct buffer b = {.text = why->text, .size = sizeof(why->text)};

	if (line > 0)
		add(&b, "%.160s:%u: ", source, line);
	else
		add(&b, "%.160s: ", source);
	return b;
}

int conf_wrong(struct weir_why *why, const struct conf_where *where, const char *format, ...)
{
	struct buffer b;
	va_list args;

	if (why == NULL)
		return -EINVAL;
	b = begin(why, where->source, where->line);
	add_path(&b, where->path);
	add(&b, " ");
	va_start(args, format);
	add_v(&b, format, args);
	va_end(args);
	return -EINVAL;
}

int weir_conf_fail(struct weir_why *why, const char *file, uint32_t line, const char *format, ...)
{
	struct buffer b;
	va_list args;

	if (why == NULL)
		return -EINVAL;
	b = begin(why, file, line);
	va_start(args, format);
	add_v(&b, format, args);
	va_end(args);
	return -EINVAL;
}

int conf_no_memory(struct weir_why *why, const char *source)
{
	weir_conf_fail(why, source, 0, "out of memory");
	return -ENOMEM;
}

static bool is_word(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const char c = text[i];
		const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!letter && !(c >= '0' && c <= '9') && strchr(".:/_+-", c) == NULL)
			return false;
	}
	return len > 0;
}

const char *conf_show(const char *text, size_t len, char shown[CONF_SHOWN])
{
	const size_t most = 40; /* bytes of it that are shown; a sign may become one of four */
	struct buffer b = {.text = shown, .size = CONF_SHOWN};
	const char *at = text, *end = text + len;
	const bool word = is_word(text, len);
	uint32_t c;

	memset(shown, 0, CONF_SHOWN);
	add(&b, "%s", word ? "" : "\"");
	while (at < end && b.used < most) {
		const unsigned size = utf8_next(at, (size_t)(end - at), &c);

		if (size == 0)
			break;
		if (c == '"' || c == '\\')
			add(&b, "\\%c", (char)c);
		else if (conf_may_stand(c) && c >= ' ')
			add(&b, "%.*s", (int)size, at);
		else
			add(&b, "\\u%04x", c);
		at += size;
	}
	add(&b, "%s%s", at < end ? "..." : "", word ? "" : "\"");
	return shown;
}

/* Insertions, deletions and exchanges from one text to the other (Levenshtein), in one row. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	enum { LONGEST = 32 };
	size_t row[LONGEST + 1];

	if (a_len > LONGEST || b_len > LONGEST)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			const size_t change = diagonal + (a[i - 1] != b[j - 1]);
			const size_t step = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

			diagonal = row[j];
			row[j] = change < step ? change : step;
		}
	}
	return row[b_len];
}

const char *conf_nearest(const struct weir_conf_schema *schema, const char *text, size_t len)
{
	size_t best = len < 4 ? 2 : 3; /* nearer than this: one slip in a short word, else two */
	const char *nearest = NULL;

	for (size_t i = 0; i < schema->n; i++) {
		const char *name = schema->keys[i].name;
		const size_t d = distance(text, len, name, strlen(name));

		if (d < best) {
			best = d;
			nearest = name;
		}
	}
	return nearest;
}
