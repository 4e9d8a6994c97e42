/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpi_snort: rules of Snort: ACTION PROTOCOL ADDRESS PORTS -> ADDRESS PORTS (OPTIONS).
 *
 * Takes: the text of a file. Says: of each rule what can be looked for with the same outcome. A
 * rule with an option that narrows it in a way that we have not is left out, and the finding names
 * the option: a rule that matches too much would drop what it should not. Options that only
 * describe are passed over.
 */
#include "dpi_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTENT_BYTES 1024
#define MESSAGE_BYTES 256

/* A rule that is being read. */
struct snort {
	struct dpi_reader *r;
	struct dpi_rule rule;
	bool has_sid;
	bool no_memory;
	char problem[160]; /* why it is left out; empty: so far so good */
	/* of the content read last, to which the next offset and depth belong */
	bool in_content;
	uint64_t content_bytes, offset, depth;
};

/* The first problem is the one that is told. */
static void __attribute__((format(printf, 2, 3))) problem(struct snort *s, const char *fmt, ...)
{
	va_list ap;

	if (s->problem[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(s->problem, sizeof(s->problem), fmt, ap);
	va_end(ap);
}

static bool is(struct dpi_text t, const char *word)
{
	return t.bytes == strlen(word) && memcmp(t.at, word, t.bytes) == 0;
}

/* The text as "%.*s" wants it, no longer than a sentence bears. */
#define SHOW(t) (int)((t).bytes > 40 ? 40 : (t).bytes), (t).at

/* The next word of a header; what is in brackets is of one word. */
static struct dpi_text take_word(struct dpi_text *left)
{
	struct dpi_text word;
	int depth = 0;

	*left = dpi_trim(*left);
	word = (struct dpi_text){left->at, 0};
	while (word.bytes < left->bytes &&
	       (depth > 0 || (left->at[word.bytes] != ' ' && left->at[word.bytes] != '\t'))) {
		depth += left->at[word.bytes] == '[';
		depth -= left->at[word.bytes] == ']';
		word.bytes++;
	}
	left->at += word.bytes;
	left->bytes -= word.bytes;
	return word;
}

/* What is in front of a separator; that is taken away too. */
static struct dpi_text take_until(struct dpi_text *left, char separator)
{
	const char *end = memchr(left->at, separator, left->bytes);
	struct dpi_text piece = *left;

	if (end != NULL)
		piece.bytes = (size_t)(end - left->at);
	left->at += piece.bytes + (end != NULL);
	left->bytes -= piece.bytes + (end != NULL);
	return dpi_trim(piece);
}

static void take_action(struct snort *s, struct dpi_text t)
{
	static const struct {
		const char *word;
		uint8_t action;
	} known[] = {
		{"alert", WEIR_DPI_ALERT},
		{"drop", WEIR_DPI_DROP},
		{"block", WEIR_DPI_DROP},
		{"reject", WEIR_DPI_RESET},
	};

	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (is(t, known[i].word)) {
			s->rule.action = known[i].action;
			return;
		}
	problem(s, "action '%.*s' is none of alert, drop, block, reject", SHOW(t));
}

static void take_protocol(struct snort *s, struct dpi_text t)
{
	if (is(t, "tcp"))
		s->rule.modes = 1 << DPI_STREAM;
	else if (is(t, "udp"))
		s->rule.modes = 1 << DPI_BLOCK;
	else if (is(t, "ip"))
		s->rule.modes = 1 << DPI_STREAM | 1 << DPI_BLOCK;
	else
		problem(s, "protocol '%.*s' is none of tcp, udp, ip", SHOW(t));
}

static void take_address(struct snort *s, struct dpi_text t)
{
	if (!is(t, "any") && (t.bytes < 2 || t.at[0] != '$'))
		problem(s,
			"address '%.*s' is neither any nor a variable: let the firewall's rules say it",
			SHOW(t));
}

/* 80, 80:90, :90 or 80: */
static bool take_range(struct dpi_ports *ports, struct dpi_text t)
{
	const bool from_to = memchr(t.at, ':', t.bytes) != NULL;
	const struct dpi_text low = take_until(&t, ':');
	uint64_t lo = 0, hi = UINT16_MAX;

	if (ports->n == DPI_PORT_RANGES || (low.bytes == 0 && t.bytes == 0))
		return false;
	if (low.bytes > 0 && !dpi_number(low, UINT16_MAX, &lo))
		return false;
	if (!from_to)
		hi = lo;
	else if (dpi_trim(t).bytes > 0 && !dpi_number(dpi_trim(t), UINT16_MAX, &hi))
		return false;
	ports->range[ports->n].lo = (uint16_t)lo;
	ports->range[ports->n++].hi = (uint16_t)hi;
	return lo <= hi;
}

static void take_ports(struct snort *s, struct dpi_text t, struct dpi_ports *ports)
{
	const struct dpi_text all = t;

	if (is(t, "any"))
		return;
	if (t.bytes > 2 && t.at[0] == '[' && t.at[t.bytes - 1] == ']') {
		t.at++;
		t.bytes -= 2;
	}
	do {
		if (!take_range(ports, take_until(&t, ','))) {
			problem(s, "ports '%.*s' are neither any nor up to %u numbers and ranges",
				SHOW(all), DPI_PORT_RANGES);
			return;
		}
	} while (t.bytes > 0);
}

static void take_header(struct snort *s, struct dpi_text t)
{
	struct dpi_text word;

	take_action(s, take_word(&t));
	take_protocol(s, take_word(&t));
	take_address(s, take_word(&t));
	take_ports(s, take_word(&t), &s->rule.sport);
	word = take_word(&t);
	s->rule.either_way = is(word, "<>");
	if (!s->rule.either_way && !is(word, "->"))
		problem(s, "direction '%.*s' is neither -> nor <>", SHOW(word));
	take_address(s, take_word(&t));
	take_ports(s, take_word(&t), &s->rule.dport);
	if (dpi_trim(t).bytes > 0)
		problem(s, "'%.*s' stands before the options", SHOW(dpi_trim(t)));
}

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
		problem(s, "msg is not between quotes");
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
		problem(s, "sid '%.*s' is no number", SHOW(t));
	}
}

static void take_flow(struct snort *s, struct dpi_text t)
{
	while (t.bytes > 0) {
		const struct dpi_text word = take_until(&t, ',');

		if (is(word, "to_server") || is(word, "from_client"))
			s->rule.dirs = 1 << WEIR_DIR_ORIG;
		else if (is(word, "to_client") || is(word, "from_server"))
			s->rule.dirs = 1 << WEIR_DIR_REPLY;
		else if (!is(word, "established") && !is(word, "stateless") &&
			 !is(word, "only_stream"))
			problem(s, "flow '%.*s' is not supported", SHOW(word));
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
		problem(s, "it has more than %u contents", DPI_PARTS);
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
}

/* An option that is said of the content before it. */
static void take_modifier(struct snort *s, struct dpi_text name, struct dpi_text value)
{
	struct dpi_part *part = &s->rule.part[s->rule.n_parts - 1];

	if (is(name, "nocase") && value.bytes == 0)
		part->flags |= HS_FLAG_CASELESS;
	else if (is(name, "offset") && dpi_number(value, UINT32_MAX, &s->offset))
		part->min_end = s->offset + s->content_bytes;
	else if (!is(name, "depth") || !dpi_number(value, UINT32_MAX, &s->depth) ||
		 s->depth < s->content_bytes)
		problem(s, "%.*s '%.*s' is not supported", SHOW(name), SHOW(value));
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
		problem(s, "content that must not be there is not supported");
		return;
	}
	n = take_quoted(t, &inside, &rest) ? content_bytes(inside, bytes) : -1;
	if (n <= 0) {
		problem(s, "content '%.*s' cannot be read", SHOW(t));
		return;
	}
	add_literal(s, bytes, n);
	if (s->no_memory || s->problem[0] != '\0')
		return;
	s->in_content = true;
	s->content_bytes = (uint64_t)n;
	s->offset = s->depth = 0;
	take_until(&rest, ',');
	while (rest.bytes > 0) { /* of Snort 3: content:"a",nocase,offset 3 */
		struct dpi_text value = take_until(&rest, ',');
		const struct dpi_text name = take_until(&value, ' ');

		if (!is(name, "fast_pattern"))
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
		problem(s, "pcre '%.*s' is not of the form \"/REGEX/FLAGS\"", SHOW(t));
		return;
	}
	last = memrchr(inside.at, '/', inside.bytes);
	for (const char *f = last + 1; f < inside.at + inside.bytes; f++) {
		flags |= *f == 'i' ? HS_FLAG_CASELESS : 0;
		flags |= *f == 's' ? HS_FLAG_DOTALL : 0;
		flags |= *f == 'm' ? HS_FLAG_MULTILINE : 0;
		extended |= *f == 'x';
		anchored |= *f == 'A';
		if (*f == '\0' || strchr("ismxAEGB", *f) == NULL)
			problem(s, "pcre flag '%c' is not supported", *f > ' ' ? *f : '?');
	}
	n = snprintf(regex, sizeof(regex), "%s%s%.*s%s", extended ? "(?x)" : "",
		     anchored ? "\\A(?:" : "", (int)(last - inside.at) - 1, inside.at + 1,
		     anchored ? ")" : "");
	if (last == inside.at || n >= (int)sizeof(regex))
		problem(s, "pcre is empty or longer than %zu bytes", sizeof(regex) - 16);
	else if (s->problem[0] == '\0')
		add_part(s, (struct dpi_text){regex, (size_t)n}, flags);
}

static bool describes_only(struct dpi_text name)
{
	static const char *const known[] = {"rev",	"gid",	    "classtype", "reference",
					    "priority", "metadata", "rem",	 "fast_pattern",
					    "service",	"target"};

	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (is(name, known[i]))
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
	const struct dpi_text name = take_until(&option, ':');

	option = dpi_trim(option);
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (is(name, known[i].name)) {
			known[i].take(s, option);
			return;
		}
	if (s->in_content && (is(name, "nocase") || is(name, "offset") || is(name, "depth")))
		take_modifier(s, name, option);
	else if (name.bytes > 0 && !describes_only(name))
		problem(s, "option '%.*s' is not supported", SHOW(name));
}

/* Options end with semicolons that are neither in quotes nor behind a backslash. */
static void take_options(struct snort *s, struct dpi_text t)
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
		problem(s, "the last option does not end with a semicolon");
}

static void take_rule(struct snort *s, struct dpi_text t)
{
	const char *open = memchr(t.at, '(', t.bytes);

	if (memchr(t.at, '\0', t.bytes) != NULL || open == NULL || t.at[t.bytes - 1] != ')') {
		problem(s, "it is not of the form HEADER (OPTIONS)");
		return;
	}
	/* Options first: a problem in the header is told with the rule's number. */
	take_options(s, (struct dpi_text){open + 1, (size_t)(t.at + t.bytes - open) - 2});
	take_header(s, (struct dpi_text){t.at, (size_t)(open - t.at)});
	if (!s->has_sid)
		problem(s, "it has no sid");
	if (s->rule.n_parts == 0)
		problem(s, "it has neither content nor pcre");
}

/* One rule, without its line ends: keep it, or say why not. */
static int read_rule(struct dpi_reader *r, struct dpi_text t)
{
	struct snort s = {
		.r = r,
		.rule = {.dirs = 1 << WEIR_DIR_ORIG | 1 << WEIR_DIR_REPLY,
			 .app = r->source->app,
			 .file = r->file,
			 .line = r->line},
	};
	struct dpi_rule *rule;
	int rc = 0;

	take_rule(&s, t);
	if (s.rule.message == NULL && !s.no_memory) {
		s.rule.message = strdup("no msg");
		s.no_memory = s.rule.message == NULL;
	}
	if (s.no_memory) {
		rc = weir_why(r->why, -ENOMEM, "out of memory for patterns");
	} else if (s.problem[0] != '\0') {
		r->rules->left_out++;
		if (s.has_sid)
			dpi_finding(r->conf, "%s:%u: rule %u is left out: %s", r->file, r->line,
				    s.rule.id, s.problem);
		else
			dpi_finding(r->conf, "%s:%u: the rule is left out: %s", r->file, r->line,
				    s.problem);
	} else {
		rule = dpi_rule_add(r, &rc);
		if (rule != NULL) {
			*rule = s.rule;
			return 0;
		}
	}
	dpi_rule_clear(&s.rule);
	return rc;
}

/* Lines that end with a backslash go on in the next: put together in room for the whole text. */
int dpi_snort_read(struct dpi_reader *r, struct dpi_text text)
{
	char *whole = malloc(text.bytes + 1);
	struct dpi_text line;
	uint32_t next = 1;
	int rc = 0;

	if (whole == NULL)
		return weir_why(r->why, -ENOMEM, "out of memory for patterns");
	while (rc == 0 && text.bytes > 0) {
		size_t bytes = 0;
		bool more = true;

		r->line = next;
		while (more && dpi_line(&text, &line)) {
			next++;
			line = dpi_trim(line);
			more = line.bytes > 0 && line.at[line.bytes - 1] == '\\';
			memcpy(whole + bytes, line.at, line.bytes);
			bytes += line.bytes;
			if (more)
				whole[bytes - 1] = ' ';
		}
		line = dpi_trim((struct dpi_text){whole, bytes});
		if (line.bytes > 0 && line.at[0] != '#')
			rc = read_rule(r, line);
	}
	free(whole);
	return rc;
}
