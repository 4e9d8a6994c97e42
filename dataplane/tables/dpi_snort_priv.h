/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What dpi_snort.c (the header of a rule) and dpi_snort_option.c (its options) share. */

#include "dpi_priv.h"

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

/* Why the rule is left out. The first problem is the one that is told. */
void snort_problem(struct snort *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Whether a text is this word. */
bool snort_is(struct dpi_text t, const char *word);
/* What is in front of a separator; that is taken away too. */
struct dpi_text snort_take_until(struct dpi_text *left, char separator);
/* All options of a rule: what is between its brackets. */
void snort_take_options(struct snort *s, struct dpi_text t);

/* The text as "%.*s" wants it, no longer than a sentence bears. */
#define SHOW(t) (int)((t).bytes > 40 ? 40 : (t).bytes), (t).at
