/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpi_snort: rules of Snort: ACTION PROTOCOL ADDRESS PORTS -> ADDRESS PORTS (OPTIONS).
 *
 * Takes: the text of a file. Says: of each rule what can be looked for with the same outcome. A
 * rule with an option that narrows it in a way that we have not is left out, and the finding names
 * the option: a rule that matches too much would drop what it should not. Options that only
 * describe are passed over.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dpi_snort_priv.h"

void snort_problem(struct snort *s, const char *fmt, ...)
{
	va_list ap;

	if (s->problem[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(s->problem, sizeof(s->problem), fmt, ap);
	va_end(ap);
}

bool snort_is(struct dpi_text t, const char *word)
{
	return t.bytes == strlen(word) && memcmp(t.at, word, t.bytes) == 0;
}

struct dpi_text snort_take_until(struct dpi_text *left, char separator)
{
	const char *end = memchr(left->at, separator, left->bytes);
	struct dpi_text piece = *left;

	if (end != NULL)
		piece.bytes = (size_t)(end - left->at);
	left->at += piece.bytes + (end != NULL);
	left->bytes -= piece.bytes + (end != NULL);
	return dpi_trim(piece);
}

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
		if (snort_is(t, known[i].word)) {
			s->rule.action = known[i].action;
			return;
		}
	snort_problem(s, "action '%.*s' is none of alert, drop, block, reject", SHOW(t));
}

static void take_protocol(struct snort *s, struct dpi_text t)
{
	if (snort_is(t, "tcp"))
		s->rule.modes = 1 << DPI_STREAM;
	else if (snort_is(t, "udp"))
		s->rule.modes = 1 << DPI_BLOCK;
	else if (snort_is(t, "ip"))
		s->rule.modes = 1 << DPI_STREAM | 1 << DPI_BLOCK;
	else
		snort_problem(s, "protocol '%.*s' is none of tcp, udp, ip", SHOW(t));
}

static void take_address(struct snort *s, struct dpi_text t)
{
	if (!snort_is(t, "any") && (t.bytes < 2 || t.at[0] != '$'))
		snort_problem(
			s,
			"address '%.*s' is neither any nor a variable: let the firewall's rules say it",
			SHOW(t));
}

/* 80, 80:90, :90 or 80: */
static bool take_range(struct dpi_ports *ports, struct dpi_text t)
{
	const bool from_to = memchr(t.at, ':', t.bytes) != NULL;
	const struct dpi_text low = snort_take_until(&t, ':');
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

	if (snort_is(t, "any"))
		return;
	if (t.bytes > 2 && t.at[0] == '[' && t.at[t.bytes - 1] == ']') {
		t.at++;
		t.bytes -= 2;
	}
	do {
		if (!take_range(ports, snort_take_until(&t, ','))) {
			snort_problem(
				s, "ports '%.*s' are neither any nor up to %u numbers and ranges",
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
	s->rule.either_way = snort_is(word, "<>");
	if (!s->rule.either_way && !snort_is(word, "->"))
		snort_problem(s, "direction '%.*s' is neither -> nor <>", SHOW(word));
	take_address(s, take_word(&t));
	take_ports(s, take_word(&t), &s->rule.dport);
	if (dpi_trim(t).bytes > 0)
		snort_problem(s, "'%.*s' stands before the options", SHOW(dpi_trim(t)));
}

static void take_rule(struct snort *s, struct dpi_text t)
{
	const char *open = memchr(t.at, '(', t.bytes);

	if (memchr(t.at, '\0', t.bytes) != NULL || open == NULL || t.at[t.bytes - 1] != ')') {
		snort_problem(s, "it is not of the form HEADER (OPTIONS)");
		return;
	}
	/* Options first: a problem in the header is told with the rule's number. */
	snort_take_options(s, (struct dpi_text){open + 1, (size_t)(t.at + t.bytes - open) - 2});
	take_header(s, (struct dpi_text){t.at, (size_t)(open - t.at)});
	if (!s->has_sid)
		snort_problem(s, "it has no sid");
	if (s->rule.n_parts == 0)
		snort_problem(s, "it has neither content nor pcre");
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
