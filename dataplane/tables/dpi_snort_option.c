/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpi_snort_option: the options of a rule of Snort, each NAME: VALUE; or NAME;
 *
 * Takes: what stands between the brackets. Says: message, number, direction, and what to look for
 * as regular expressions; or the option that is beyond us.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dpi_snort_priv.h"

#define CONTENT_BYTES 1024
#define MESSAGE_BYTES 256

/* What is between quotes; *rest is what follows. False: there are none. */
static bool take_quoted(struct dpi_text t, struct dpi_text *inside, struct dpi_text *rest)
{
	size_t i = 1;

	if (t.bytes < 2 || t.at[0] != '"')
		return false;
	while (i < t.bytes && t.at[i] != '"')
		i += t.at[i] == '\\' ? 2 : 1;
	if (i >= t.bytes)
		return false;
	*inside = (struct dpi_text){t.at + 1, i - 1};
	*rest = (struct dpi_text){t.at + i + 1, t.bytes - i - 1};
	return true;
}

static void take_msg(struct snort *s, struct dpi_text t)
{
	struct dpi_text inside, rest;
	char text[MESSAGE_BYTES];
	size_t n = 0;

	if (!take_quoted(t, &inside, &rest) || rest.bytes > 0) {
		snort_problem(s, "msg is not between quotes");
		return;
	}
	for (size_t i = 0; i < inside.bytes && n < sizeof(text) - 1; i++) {
		if (inside.at[i] == '\\' && i + 1 < inside.bytes)
			i++;
		text[n++] = inside.at[i];
	}
	free(s->rule.message);
	s->rule.message = strndup(text, n);
	s->no_memory |= s->rule.message == NULL;
}

static void take_sid(struct snort *s, struct dpi_text t)
{
	uint64_t sid;

	if (dpi_number(t, UINT32_MAX, &sid)) {
		s->rule.id = (uint32_t)sid;
		s->has_sid = true;
	} else {
		snort_problem(s, "sid '%.*s' is no number", SHOW(t));
	}
}

static void take_flow(struct snort *s, struct dpi_text t)
{
	while (t.bytes > 0) {
		const struct dpi_text word = snort_take_until(&t, ',');

		if (snort_is(word, "to_server") || snort_is(word, "from_client"))
			s->rule.dirs = 1 << WEIR_DIR_ORIG;
		else if (snort_is(word, "to_client") || snort_is(word, "from_server"))
			s->rule.dirs = 1 << WEIR_DIR_REPLY;
		else if (!snort_is(word, "established") && !snort_is(word, "stateless") &&
			 !snort_is(word, "only_stream"))
			snort_problem(s, "flow '%.*s' is not supported", SHOW(word));
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "GET |0d 0a|\"" as bytes; their number, or -1 if it is not written well. */
static int content_bytes(struct dpi_text t, uint8_t out[CONTENT_BYTES])
{
	bool in_hex = false;
	int n = 0, high = -1;

	for (size_t i = 0; i < t.bytes && n < CONTENT_BYTES; i++) {
		const char c = t.at[i];

		if (c == '|') {
			if (high >= 0)
				return -1;
			in_hex = !in_hex;
		} else if (in_hex) {
			const int digit = hex_digit(c);

			if (digit < 0 && (c != ' ' || high >= 0))
				return -1;
			if (digit >= 0 && high >= 0) {
				out[n++] = (uint8_t)(high << 4 | digit);
				high = -1;
			} else {
				high = digit;
			}
		} else {
			if (c == '\\' && i + 1 < t.bytes)
				i++;
			out[n++] = (uint8_t)t.at[i];
		}
	}
	return in_hex || n == CONTENT_BYTES ? -1 : n;
}

static void add_part(struct snort *s, struct dpi_text regex, uint32_t flags)
{
	const int rc = dpi_part_add(&s->rule, regex, flags);

	if (rc == -E2BIG)
		snort_problem(s, "it has more than %u contents", DPI_PARTS);
	else if (rc < 0)
		s->no_memory = true;
}

/* A regular expression for just these bytes. */
static void add_literal(struct snort *s, const uint8_t *bytes, int n)
{
	char regex[4 * CONTENT_BYTES + 1];
	int at = 0;

	for (int i = 0; i < n; i++)
		at += snprintf(regex + at, sizeof(regex) - (size_t)at, "\\x%02x", bytes[i]);
	add_part(s, (struct dpi_text){regex, (size_t)at}, HS_FLAG_DOTALL);
	if (s->rule.n_parts > 0)
		s->rule.part[s->rule.n_parts - 1].literal = true;
}

/* An option that is said of the content before it. */
static void take_modifier(struct snort *s, struct dpi_text name, struct dpi_text value)
{
	struct dpi_part *part = &s->rule.part[s->rule.n_parts - 1];

	if (snort_is(name, "nocase") && value.bytes == 0)
		part->flags |= HS_FLAG_CASELESS;
	else if (snort_is(name, "offset") && dpi_number(value, UINT32_MAX, &s->offset))
		part->min_end = s->offset + s->content_bytes;
	else if (!snort_is(name, "depth") || !dpi_number(value, UINT32_MAX, &s->depth) ||
		 s->depth < s->content_bytes)
		snort_problem(s, "%.*s '%.*s' is not supported", SHOW(name), SHOW(value));
	if (s->depth != 0)
		part->max_end = s->offset + s->depth;
}

static void take_content(struct snort *s, struct dpi_text t)
{
	uint8_t bytes[CONTENT_BYTES];
	struct dpi_text inside, rest;
	int n;

	s->in_content = false;
	if (t.bytes > 0 && t.at[0] == '!') {
		snort_problem(s, "content that must not be there is not supported");
		return;
	}
	n = take_quoted(t, &inside, &rest) ? content_bytes(inside, bytes) : -1;
	if (n <= 0) {
		snort_problem(s, "content '%.*s' cannot be read", SHOW(t));
		return;
	}
	add_literal(s, bytes, n);
	if (s->no_memory || s->problem[0] != '\0')
		return;
	s->in_content = true;
	s->content_bytes = (uint64_t)n;
	s->offset = s->depth = 0;
	snort_take_until(&rest, ',');
	while (rest.bytes > 0) { /* of Snort 3: content:"a",nocase,offset 3 */
		struct dpi_text value = snort_take_until(&rest, ',');
		const struct dpi_text name = snort_take_until(&value, ' ');

		if (!snort_is(name, "fast_pattern"))
			take_modifier(s, name, dpi_trim(value));
	}
}

/* "/REGEX/FLAGS", the flags of PCRE and those of Snort that change nothing here. */
static void take_pcre(struct snort *s, struct dpi_text t)
{
	struct dpi_text inside, rest;
	char regex[4096];
	const char *last;
	bool extended = false, anchored = false;
	uint32_t flags = 0;
	int n;

	s->in_content = false;
	if (!take_quoted(t, &inside, &rest) || rest.bytes > 0 || inside.bytes < 3 ||
	    inside.at[0] != '/') {
		snort_problem(s, "pcre '%.*s' is not of the form \"/REGEX/FLAGS\"", SHOW(t));
		return;
	}
	last = memrchr(inside.at, '/', inside.bytes);
	if (last <= inside.at + 1) {
		snort_problem(s, "pcre '%.*s' has no expression between two slashes", SHOW(t));
		return;
	}
	for (const char *f = last + 1; f < inside.at + inside.bytes; f++) {
		flags |= *f == 'i' ? HS_FLAG_CASELESS : 0;
		flags |= *f == 's' ? HS_FLAG_DOTALL : 0;
		flags |= *f == 'm' ? HS_FLAG_MULTILINE : 0;
		extended |= *f == 'x';
		anchored |= *f == 'A';
		if (*f == '\0' || strchr("ismxAEGB", *f) == NULL)
			snort_problem(s, "pcre flag '%c' is not supported", *f > ' ' ? *f : '?');
	}
	n = snprintf(regex, sizeof(regex), "%s%s%.*s%s", extended ? "(?x)" : "",
		     anchored ? "\\A(?:" : "", (int)(last - inside.at) - 1, inside.at + 1,
		     anchored ? ")" : "");
	if (n >= (int)sizeof(regex))
		snort_problem(s, "pcre is longer than %zu bytes", sizeof(regex) - 16);
	else if (s->problem[0] == '\0')
		add_part(s, (struct dpi_text){regex, (size_t)n}, flags);
}

static bool describes_only(struct dpi_text name)
{
	static const char *const known[] = {"rev",	"gid",	    "classtype", "reference",
					    "priority", "metadata", "rem",	 "fast_pattern",
					    "service",	"target"};

	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (snort_is(name, known[i]))
			return true;
	return false;
}

static void take_option(struct snort *s, struct dpi_text option)
{
	static const struct {
		const char *name;
		void (*take)(struct snort *s, struct dpi_text value);
	} known[] = {
		{"msg", take_msg},	   {"sid", take_sid},	{"flow", take_flow},
		{"content", take_content}, {"pcre", take_pcre},
	};
	const struct dpi_text name = snort_take_until(&option, ':');

	option = dpi_trim(option);
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (snort_is(name, known[i].name)) {
			known[i].take(s, option);
			return;
		}
	if (s->in_content &&
	    (snort_is(name, "nocase") || snort_is(name, "offset") || snort_is(name, "depth")))
		take_modifier(s, name, option);
	else if (name.bytes > 0 && !describes_only(name))
		snort_problem(s, "option '%.*s' is not supported", SHOW(name));
}

/* Options end with semicolons that are neither in quotes nor behind a backslash. */
void snort_take_options(struct snort *s, struct dpi_text t)
{
	struct dpi_text option = {t.at, 0};
	bool quoted = false;

	for (size_t i = 0; i < t.bytes; i++) {
		if (t.at[i] == '\\' && i + 1 < t.bytes) {
			i++;
		} else if (t.at[i] == '"') {
			quoted = !quoted;
		} else if (t.at[i] == ';' && !quoted) {
			option.bytes = (size_t)(t.at + i - option.at);
			take_option(s, dpi_trim(option));
			option.at = t.at + i + 1;
		}
	}
	option.bytes = (size_t)(t.at + t.bytes - option.at);
	if (quoted || dpi_trim(option).bytes > 0)
		snort_problem(s, "the last option does not end with a semicolon");
}
