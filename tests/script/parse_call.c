/* SPDX-License-Identifier: BSD-3-Clause */

/* A call's line: setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0, and what a %{ }% asserts. */

#include "lex.h"

#include <string.h>

#define DEPTH_MOST 8
#define ARGS_MOST  64

static struct value *parse_value(struct lexer *l, unsigned depth);

/* Up to @end, one after the other. */
static struct value *parse_items(struct lexer *l, const char *end, unsigned depth)
{
	struct value *first = NULL, **last = &first;

	if (lex_is(l, end))
		return NULL;
	for (unsigned n = 0; !l->bad; n++) {
		if (n == ARGS_MOST)
			lex_wrong(l, "too many arguments");
		*last = parse_value(l, depth + 1);
		last = &(*last)->next;
		if (lex_is(l, end))
			break;
		lex_want(l, ",");
	}
	return first;
}

static const char *keep(struct lexer *l, const char *word)
{
	char *text = script_alloc(l->script, strlen(word) + 1);

	strcpy(text, word);
	return text;
}

/* name = value, htons(1), inet_addr("..."), or a constant of C. */
static void parse_name(struct lexer *l, struct value *v, const char *word, unsigned depth)
{
	if (lex_is(l, "(")) {
		struct value *inner = parse_items(l, ")", depth);

		if (inner == NULL || inner->next != NULL)
			lex_wrong(l, "%s has one argument", word);
		else
			*v = *inner;
	} else if (lex_peek(l) == '=' && depth > 1) {
		struct value *inner;

		lex_want(l, "=");
		inner = parse_value(l, depth + 1);
		*v = *inner;
		v->field = keep(l, word);
	} else if (!name_number(word, &v->number)) {
		lex_wrong(l, "%s is not known", word);
	}
}

static struct value *parse_value(struct lexer *l, unsigned depth)
{
	struct value *v = script_alloc(l->script, sizeof(*v));
	char word[WORD_MOST];

	if (depth > DEPTH_MOST) {
		lex_wrong(l, "too deep");
	} else if (lex_is(l, "...")) {
		v->kind = VALUE_ANY;
	} else if (lex_is(l, "[")) {
		v->kind = VALUE_LIST;
		v->items = parse_items(l, "]", depth);
	} else if (lex_is(l, "{")) {
		v->kind = VALUE_FIELDS;
		v->items = parse_items(l, "}", depth);
	} else if (lex_peek(l) == '"') {
		v->kind = VALUE_TEXT;
		v->text = lex_text(l);
	} else if (lex_is_number(l)) {
		v->number = lex_number(l, INT32_MIN, UINT32_MAX, "the number");
	} else if (lex_word(l, word)) {
		parse_name(l, v, word, depth);
	} else {
		lex_wrong(l, "an argument is missing");
	}
	if (v->kind == VALUE_NUMBER && lex_is(l, "|"))
		v->number |= parse_value(l, depth + 1)->number;
	return v;
}

/* = -1 EAGAIN (Resource temporarily unavailable). */
static void parse_result(struct lexer *l, struct call *c)
{
	char word[WORD_MOST];

	lex_want(l, "=");
	if (lex_is(l, "?"))
		c->result.kind = VALUE_ANY;
	else
		c->result.number = lex_number(l, INT32_MIN, UINT32_MAX, "the result");
	if (c->result.number == -1 && lex_word(l, word)) {
		c->error = errno_number(word);
		if (c->error == 0)
			lex_wrong(l, "%s is no error", word);
	}
	if (lex_is(l, "("))
		lex_until(l, ")", "the note");
}

struct call *parse_call(struct lexer *l)
{
	struct call *c = script_alloc(l->script, sizeof(*c));
	char word[WORD_MOST];

	if (!lex_word(l, word)) {
		lex_wrong(l, "a packet (< or >), a call, a command or a %%{ }%% is missing");
		return c;
	}
	c->name = keep(l, word);
	lex_want(l, "(");
	c->args = parse_items(l, ")", 0);
	parse_result(l, c);
	return c;
}

/* ---- claims ---- */

static const struct {
	const char *sign;
	enum compare how;
} signs[] = {{"==", CMP_EQ}, {"!=", CMP_NE}, {"<=", CMP_LE},
	     {">=", CMP_GE}, {"<", CMP_LT},  {">", CMP_GT}};

static struct claim *parse_claim(struct lexer *l)
{
	struct claim *c = script_alloc(l->script, sizeof(*c));
	const bool paren = lex_is(l, "(");
	char word[WORD_MOST];
	unsigned i = 0;

	if (!lex_word(l, word) ||
	    (strncmp(word, "tcpi_", 5) != 0 && strncmp(word, "weir_tcp_", 9) != 0))
		lex_wrong(l,
			  "only 'assert tcpi_MEMBER == NUMBER' is supported between %%{ and }%%");
	c->member = keep(l, word);
	while (i < 6 && !lex_is(l, signs[i].sign))
		i++;
	if (i == 6)
		lex_wrong(l,
			  "only 'assert tcpi_MEMBER == NUMBER' is supported between %%{ and }%%");
	c->how = signs[i % 6].how;
	if (lex_is_number(l))
		c->number = lex_number(l, 0, UINT32_MAX, "the number");
	else if (!lex_word(l, word) || !name_number(word, &c->number))
		lex_wrong(l, "%s is no number that is known", word);
	if (paren)
		lex_want(l, ")");
	return c;
}

/* Python's message: to the end of the line, as all of it was. */
static void skip_message(struct lexer *l)
{
	while (l->at < l->end && *l->at != '\n' && *l->at != ';' && *l->at != '}')
		l->at++;
}

struct claim *parse_claims(struct lexer *l)
{
	struct claim *first = NULL, **last = &first;

	while (!l->bad && !lex_is(l, "}%")) {
		if (lex_is(l, ";"))
			continue;
		lex_want(l, "assert");
		do {
			*last = parse_claim(l);
			last = &(*last)->next;
		} while (lex_is(l, "and"));
		if (lex_is(l, ","))
			skip_message(l);
	}
	return first;
}
