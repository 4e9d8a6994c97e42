/* SPDX-License-Identifier: BSD-3-Clause */

/* A script: options, and events, each with its time. */

#include "lex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct block {
	struct block *next;
	max_align_t bytes[];
};

void *script_alloc(struct script *s, size_t bytes)
{
	struct block *b = calloc(1, sizeof(*b) + bytes);

	if (b == NULL)
		abort(); /* a test without memory tests nothing */
	b->next = s->blocks;
	s->blocks = b;
	return b->bytes;
}

void script_free(struct script *s)
{
	struct block *b = s->blocks;

	while (b != NULL) {
		struct block *next = b->next;

		free(b);
		b = next;
	}
	s->blocks = NULL;
	s->events = NULL;
}

static void parse_options(struct lexer *l)
{
	while (lex_peek(l) == '-' && l->at + 1 < l->end && l->at[1] == '-') {
		char text[WORD_MOST * 2];
		const char *why;
		size_t n = 0;

		while (l->at < l->end && n + 1 < sizeof(text) && *l->at > ' ')
			text[n++] = *l->at++;
		text[n] = 0;
		why = settings_set(&l->script->set, text);
		if (why != NULL)
			lex_wrong(l, "%.64s: %s", text, why);
	}
}

static void parse_shell(struct lexer *l)
{
	const unsigned line = l->line;
	char *text = lex_until(l, "`", "the command");
	const char *why = text == NULL ? NULL : settings_shell(&l->script->set, text);

	if (why != NULL) {
		l->line = line;
		lex_wrong(l, "%s", why);
	}
}

static struct when parse_when(struct lexer *l)
{
	struct when w = {.kind = WHEN_AT};

	if (lex_is(l, "*")) {
		w.kind = WHEN_ANY;
		return w;
	}
	if (lex_is(l, "+"))
		w.kind = WHEN_AFTER;
	w.from_ns = w.to_ns = lex_time(l);
	if (lex_is(l, "...")) {
		lex_wrong(l, "calls that block are not supported: no call of the stack does");
	} else if (lex_is(l, "~")) {
		if (lex_is(l, "+") != (w.kind == WHEN_AFTER))
			lex_wrong(l, "both ends of a range of time are relative, or none is");
		w.to_ns = lex_time(l);
		if (w.to_ns < w.from_ns)
			lex_wrong(l, "the range of time is backwards");
	}
	return w;
}

static void parse_action(struct lexer *l, struct event *e)
{
	if (lex_is(l, "<") || lex_is(l, ">")) {
		e->kind = l->at[-1] == '<' ? EVENT_IN : EVENT_OUT;
		e->seg = parse_seg(l, e->kind == EVENT_IN);
	} else if (lex_is(l, "%{")) {
		e->kind = EVENT_CLAIM;
		e->claims = parse_claims(l);
	} else {
		e->kind = EVENT_CALL;
		e->call = parse_call(l);
	}
	if (e->kind != EVENT_OUT && (e->when.kind == WHEN_ANY || e->when.to_ns != e->when.from_ns))
		lex_wrong(l, "only what the stack sends may come at any time or within a range");
}

static void parse_events(struct lexer *l)
{
	struct event **last = &l->script->events;
	uint64_t before_ns = 0;

	while (lex_peek(l) != 0) {
		struct event *e;
		struct when when;
		unsigned line;

		if (lex_is(l, "`")) { /* packetdrill's first and last command have no time */
			parse_shell(l);
			continue;
		}
		line = l->line;
		when = parse_when(l);
		if (when.kind == WHEN_AT) {
			if (when.from_ns < before_ns)
				lex_wrong(l, "time goes backwards");
			before_ns = when.from_ns;
		}
		if (lex_is(l, "`")) {
			parse_shell(l);
			continue;
		}
		e = script_alloc(l->script, sizeof(*e));
		e->line = line;
		e->when = when;
		parse_action(l, e);
		*last = e;
		last = &e->next;
	}
}

int script_read(struct script *s, const char *file, const char *text, size_t bytes,
		const struct settings *set)
{
	struct lexer l = {.at = text, .end = text + bytes, .line = 1, .script = s};

	*s = (struct script){.file = file, .set = *set};
	parse_options(&l);
	parse_events(&l);
	if (!l.bad && s->events == NULL)
		lex_wrong(&l, "nothing happens in it");
	return l.bad ? -1 : 0;
}
