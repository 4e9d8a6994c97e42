/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpi_patterns: a file of NUMBER:/REGEX/FLAGS, one a line.
 *
 * Takes: its text. Says: a rule for each, or the line that is none. All of it must be right: such a
 * file was written for hyperscan.
 */
#include "dpi_priv.h"

#include <errno.h>
#include <string.h>

#define FLAGS "ismHV8W"

static const uint32_t flag_bits[] = {
	HS_FLAG_CASELESS,   HS_FLAG_DOTALL, HS_FLAG_MULTILINE, HS_FLAG_SINGLEMATCH,
	HS_FLAG_ALLOWEMPTY, HS_FLAG_UTF8,   HS_FLAG_UCP,
};

/* A line taken apart; a sentence if it cannot be. */
static const char *split(struct dpi_text line, uint64_t *id, struct dpi_text *regex,
			 struct dpi_text *flags)
{
	const char *colon = memchr(line.at, ':', line.bytes);
	const char *last = memrchr(line.at, '/', line.bytes);

	if (colon == NULL ||
	    !dpi_number((struct dpi_text){line.at, (size_t)(colon - line.at)}, UINT32_MAX, id))
		return "it does not begin with a number and a colon, as in 1:/abc/i";
	if (last == NULL || colon[1] != '/' || last == colon + 1)
		return "the regular expression is not between slashes, as in 1:/abc/i";
	*regex = (struct dpi_text){colon + 2, (size_t)(last - colon) - 2};
	*flags = (struct dpi_text){last + 1, line.bytes - (size_t)(last + 1 - line.at)};
	if (regex->bytes == 0)
		return "the regular expression is empty";
	return memchr(regex->at, '\0', regex->bytes) != NULL ? "it has a NUL in it" : NULL;
}

static int take_flags(struct dpi_reader *r, struct dpi_text flags, uint32_t *bits)
{
	*bits = 0;
	for (size_t i = 0; i < flags.bytes; i++) {
		const char *known = flags.at[i] != '\0' ? strchr(FLAGS, flags.at[i]) : NULL;

		if (known == NULL)
			return weir_why(r->why, -EINVAL,
					"%s:%u: flag %d ('%c') is none of i s m H V 8 W", r->file,
					r->line, flags.at[i],
					flags.at[i] > ' ' ? flags.at[i] : '?');
		*bits |= flag_bits[known - FLAGS];
	}
	return 0;
}

static int take_line(struct dpi_reader *r, struct dpi_text line)
{
	struct dpi_text regex, flags;
	uint64_t id;
	const char *wrong = split(line, &id, &regex, &flags);
	struct dpi_rule *rule;
	uint32_t bits;
	int rc;

	if (wrong != NULL)
		return weir_why(r->why, -EINVAL, "%s:%u: %s", r->file, r->line, wrong);
	rc = take_flags(r, flags, &bits);
	if (rc < 0)
		return rc;
	rule = dpi_rule_add(r, &rc);
	if (rule == NULL)
		return rc;
	rule->id = (uint32_t)id;
	rule->action = (uint8_t)r->source->action;
	rule->app = r->source->app;
	rule->dirs = r->source->dirs != 0 ? r->source->dirs
					  : 1 << WEIR_DIR_ORIG | 1 << WEIR_DIR_REPLY;
	rule->modes = 1 << DPI_BLOCK | 1 << DPI_STREAM;
	rule->must = true;
	rule->message = strndup(regex.at, regex.bytes);
	rc = dpi_part_add(rule, regex, bits);
	if (rule->message == NULL || rc < 0)
		return weir_why(r->why, -ENOMEM, "out of memory for patterns");
	return 0;
}

int dpi_patterns_read(struct dpi_reader *r, struct dpi_text text)
{
	struct dpi_text line;
	int rc = 0;

	for (r->line = 1; rc == 0 && dpi_line(&text, &line); r->line++) {
		line = dpi_trim(line);
		if (line.bytes > 0 && line.at[0] != '#')
			rc = take_line(r, line);
	}
	return rc;
}
