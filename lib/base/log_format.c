/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * An entry as a line of text, JSON or key=value.
 *
 * Nothing that comes from outside reaches a line as it is: control characters, bytes that are not
 * UTF-8, and the characters that turn a terminal's writing direction are escaped everywhere.
 */

#include "log_priv.h"
#include "utf8_priv.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct out {
	char *at;
	char *end; /* one byte is kept for the NUL */
	enum weir_log_format format;
};

static void put(struct out *o, const char *s, size_t n)
{
	if (n > (size_t)(o->end - o->at))
		n = (size_t)(o->end - o->at);
	memcpy(o->at, s, n);
	o->at += n;
}

__attribute__((format(printf, 2, 3))) static void putf(struct out *o, const char *fmt, ...)
{
	char text[64];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0)
		put(o, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

/* @p n is 0 for a byte that is not UTF-8. */
static void put_treacherous(struct out *o, const char *s, unsigned n, uint32_t code)
{
	if (code == '\n' || code == '\r' || code == '\t') {
		putf(o, "\\%c", code == '\n' ? 'n' : code == '\r' ? 'r' : 't');
	} else if (o->format == WEIR_LOG_JSON) {
		putf(o, "\\u%04x", n == 0 ? 0xfffd : code);
	} else {
		for (unsigned i = 0; i < (n == 0 ? 1 : n); i++)
			putf(o, "\\x%02x", (uint8_t)s[i]);
	}
}

/* Put at most @p max bytes of @p s; what is longer ends in "...". */
static void put_escaped(struct out *o, const char *s, size_t max)
{
	size_t n = strnlen(s, max + 1);
	const bool cut = n > max;

	if (cut) {
		n = max - 3;
		for (unsigned i = 0; i < 3 && ((uint8_t)s[n] & 0xc0) == 0x80; i++)
			n--; /* not through the middle of a character */
	}
	for (size_t i = 0; i < n;) {
		uint32_t code = 0;
		const unsigned size = utf8_next(s + i, n - i, &code);

		if (size == 0 || utf8_is_treacherous(code)) {
			put_treacherous(o, s + i, size, size == 0 ? 0xfffd : code);
		} else {
			if (code == '\\' || (code == '"' && o->format != WEIR_LOG_TEXT))
				put(o, "\\", 1);
			put(o, s + i, size);
		}
		i += size == 0 ? 1 : size;
	}
	if (cut)
		put(o, "...", 3);
}

static void put_quoted(struct out *o, const char *s, size_t max)
{
	/* A quoted value ends at its quote, also in a line of text. */
	struct out q = {.at = o->at,
			.end = o->end,
			.format = o->format == WEIR_LOG_TEXT ? WEIR_LOG_KEYVALUE : o->format};

	put(&q, "\"", 1);
	put_escaped(&q, s, max);
	put(&q, "\"", 1);
	o->at = q.at;
}

/* Names are ours, and plain in every format; if one is not, it shows. */
static void put_name(struct out *o, const char *s)
{
	for (size_t i = 0; i < WEIR_LOG_NAME_MAX - 1 && s[i] != '\0'; i++) {
		const char c = s[i];
		const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				   (c >= '0' && c <= '9') || strchr("_-./:", c) != NULL;

		put(o, plain ? &c : "_", 1);
	}
}

static void put_time(struct out *o, uint64_t wall_ns)
{
	const time_t s = (time_t)(wall_ns / 1000000000);
	struct tm t;

	gmtime_r(&s, &t);
	putf(o, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
	     t.tm_hour, t.tm_min, t.tm_sec, (unsigned)(wall_ns / 1000000 % 1000));
}

static void put_value(struct out *o, const struct weir_log_field *f)
{
	switch (f->kind) {
	case WEIR_LOG_FIELD_STR:
		put_quoted(o, f->str == NULL ? "" : f->str, WEIR_LOG_VALUE_MAX);
		break;
	case WEIR_LOG_FIELD_U64:
		putf(o, "%" PRIu64, f->u64);
		break;
	case WEIR_LOG_FIELD_I64:
		putf(o, "%" PRId64, f->i64);
		break;
	case WEIR_LOG_FIELD_BOOL:
		putf(o, "%s", f->yes ? "true" : "false");
		break;
	}
}

/* The context and the fields as " key=value", in text and in key=value. */
static void put_pairs(struct out *o, const struct log_entry *e)
{
	if (e->ctx != NULL && e->ctx->conn_id != 0)
		putf(o, " conn=%" PRIu64, e->ctx->conn_id);
	if (e->ctx != NULL && e->ctx->request_id != 0)
		putf(o, " request=%" PRIu64, e->ctx->request_id);
	if (e->ctx != NULL && e->ctx->traceparent != NULL) {
		putf(o, " traceparent=");
		put_quoted(o, e->ctx->traceparent, WEIR_LOG_VALUE_MAX);
	}
	for (size_t i = 0; i < e->n_fields; i++) {
		put(o, " ", 1);
		put_name(o, e->fields[i].key);
		put(o, "=", 1);
		put_value(o, &e->fields[i]);
	}
}

static void put_text(struct out *o, const struct log_entry *e, unsigned flags)
{
	static const char *const colour[] = {"\033[2m",	 "\033[36m", "\033[32m",
					     "\033[33m", "\033[31m", "\033[1;31m"};

	if (!(flags & LOG_UNSTAMPED)) {
		put_time(o, e->wall_ns);
		putf(o, " %s%-5s%s ", flags & LOG_COLOUR ? colour[e->level] : "",
		     weir_log_level_name(e->level), flags & LOG_COLOUR ? "\033[0m" : "");
	}
	put(o, "[", 1);
	put_name(o, e->thread);
	put(o, "] ", 2);
	put_name(o, e->module);
	put(o, ": ", 2);
	put_escaped(o, e->msg, WEIR_LOG_TEXT_MAX);
	put_pairs(o, e);
	if (e->suppressed != 0)
		putf(o, " (%" PRIu64 " more like it)", e->suppressed);
}

static void put_keyvalue(struct out *o, const struct log_entry *e)
{
	putf(o, "ts=");
	put_time(o, e->wall_ns);
	putf(o, " level=%s module=", weir_log_level_name(e->level));
	put_name(o, e->module);
	putf(o, " thread=");
	put_name(o, e->thread);
	putf(o, " msg=");
	put_quoted(o, e->msg, WEIR_LOG_TEXT_MAX);
	if (e->suppressed != 0)
		putf(o, " suppressed=%" PRIu64, e->suppressed);
	put_pairs(o, e);
}

static void put_json_ctx(struct out *o, const struct weir_log_ctx *ctx)
{
	if (ctx->conn_id != 0)
		putf(o, ",\"conn\":%" PRIu64, ctx->conn_id);
	if (ctx->request_id != 0)
		putf(o, ",\"request\":%" PRIu64, ctx->request_id);
	if (ctx->traceparent != NULL) {
		putf(o, ",\"traceparent\":");
		put_quoted(o, ctx->traceparent, WEIR_LOG_VALUE_MAX);
	}
}

static void put_json(struct out *o, const struct log_entry *e)
{
	putf(o, "{\"ts\":\"");
	put_time(o, e->wall_ns);
	putf(o, "\",\"level\":\"%s\",\"module\":\"", weir_log_level_name(e->level));
	put_name(o, e->module);
	putf(o, "\",\"thread\":\"");
	put_name(o, e->thread);
	putf(o, "\",\"msg\":");
	put_quoted(o, e->msg, WEIR_LOG_TEXT_MAX);
	if (e->suppressed != 0)
		putf(o, ",\"suppressed\":%" PRIu64, e->suppressed);
	if (e->ctx != NULL)
		put_json_ctx(o, e->ctx);
	if (e->n_fields != 0) {
		/* in an object of their own: their names cannot meet ours */
		putf(o, ",\"fields\":");
		for (size_t i = 0; i < e->n_fields; i++) {
			put(o, i == 0 ? "{\"" : ",\"", 2);
			put_name(o, e->fields[i].key);
			put(o, "\":", 2);
			put_value(o, &e->fields[i]);
		}
		put(o, "}", 1);
	}
	put(o, "}", 1);
}

size_t log_format(const struct log_entry *e, enum weir_log_format format, unsigned flags,
		  char *line, size_t line_size)
{
	struct out o = {.at = line, .end = line + line_size - 1, .format = format};

	if (format == WEIR_LOG_JSON)
		put_json(&o, e);
	else if (format == WEIR_LOG_KEYVALUE)
		put_keyvalue(&o, e);
	else
		put_text(&o, e, flags);
	*o.at = '\0';
	return (size_t)(o.at - line);
}
