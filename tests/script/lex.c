/* SPDX-License-Identifier: BSD-3-Clause */

#include "lex.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_S UINT64_C(1000000000)
#define S_MOST	 UINT64_C(10000000)

void lex_wrong(struct lexer *l, const char *fmt, ...)
{
	char text[WHY_MOST / 2];
	va_list args;

	if (l->bad)
		return;
	l->bad = true;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	snprintf(l->script->why, WHY_MOST, "%s:%u: %s", l->script->file, l->line, text);
}

static bool starts(const struct lexer *l, const char *text)
{
	const size_t n = strlen(text);

	return (size_t)(l->end - l->at) >= n && memcmp(l->at, text, n) == 0;
}

static void step(struct lexer *l)
{
	l->line += *l->at == '\n';
	l->at++;
}

static bool skip_comment(struct lexer *l)
{
	if (starts(l, "//")) {
		while (l->at < l->end && *l->at != '\n')
			l->at++;
		return true;
	}
	if (!starts(l, "/*"))
		return false;
	for (l->at += 2; l->at < l->end && !starts(l, "*/");)
		step(l);
	if (l->at == l->end)
		lex_wrong(l, "the comment has no end");
	else
		l->at += 2;
	return true;
}

void lex_space(struct lexer *l)
{
	while (!l->bad && l->at < l->end) {
		if (isspace((unsigned char)*l->at))
			step(l);
		else if (!skip_comment(l))
			break;
	}
}

char lex_peek(struct lexer *l)
{
	lex_space(l);
	return l->bad || l->at == l->end ? 0 : *l->at;
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

bool lex_is(struct lexer *l, const char *text)
{
	const size_t n = strlen(text);

	if (lex_peek(l) == 0 || !starts(l, text))
		return false;
	if (is_name(text[n - 1]) && l->at + n < l->end && is_name(l->at[n]))
		return false;
	l->at += n;
	return true;
}

void lex_want(struct lexer *l, const char *text)
{
	const char c = lex_peek(l);

	if (lex_is(l, text) || l->bad)
		return;
	if (isprint((unsigned char)c))
		lex_wrong(l, "'%s' is missing before '%c'", text, c);
	else
		lex_wrong(l, "'%s' is missing", text);
}

static bool take(struct lexer *l, size_t n, char out[WORD_MOST])
{
	if (n == 0)
		return false;
	if (n >= WORD_MOST) {
		lex_wrong(l, "a word of %zu characters", n);
		return false;
	}
	memcpy(out, l->at, n);
	out[n] = 0;
	l->at += n;
	return true;
}

bool lex_word(struct lexer *l, char out[WORD_MOST])
{
	size_t n = 0;

	out[0] = 0;
	if (isdigit((unsigned char)lex_peek(l)) || l->bad)
		return false;
	while (l->at + n < l->end && is_name(l->at[n]))
		n++;
	return take(l, n, out);
}

bool lex_chars(struct lexer *l, const char *set, char out[WORD_MOST])
{
	size_t n = 0;

	out[0] = 0;
	lex_space(l);
	if (l->bad)
		return false;
	while (l->at + n < l->end && l->at[n] != 0 && strchr(set, l->at[n]) != NULL)
		n++;
	return take(l, n, out);
}

bool lex_is_number(struct lexer *l)
{
	const char c = lex_peek(l);

	return isdigit((unsigned char)c) ||
	       (c == '-' && l->at + 1 < l->end && isdigit((unsigned char)l->at[1]));
}

static int digit(char c, unsigned base)
{
	const int d = isdigit((unsigned char)c)	   ? c - '0'
		      : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
						   : 99;

	return d < (int)base ? d : -1;
}

int64_t lex_number(struct lexer *l, int64_t least, int64_t most, const char *what)
{
	const bool minus = lex_is_number(l) && lex_is(l, "-");
	unsigned base = 10;
	uint64_t n = 0;

	if (l->bad || !lex_is_number(l)) {
		lex_wrong(l, "%s is missing", what);
		return least;
	}
	if (starts(l, "0x") || starts(l, "0X")) {
		base = 16;
		l->at += 2;
	}
	for (; l->at < l->end && digit(*l->at, base) >= 0; l->at++)
		n = n > UINT64_C(1) << 40 ? n : n * base + (unsigned)digit(*l->at, base);
	if ((minus ? -(int64_t)n : (int64_t)n) < least || (minus ? -(int64_t)n : (int64_t)n) > most)
		lex_wrong(l, "%s is out of its range", what);
	return l->bad ? least : minus ? -(int64_t)n : (int64_t)n;
}

uint64_t lex_time(struct lexer *l)
{
	uint64_t s = 0, ns = 0, unit = NS_PER_S / 10;
	const char *from;

	lex_space(l);
	from = l->at;
	for (; l->at < l->end && isdigit((unsigned char)*l->at) && s < S_MOST; l->at++)
		s = s * 10 + (uint64_t)(*l->at - '0');
	if (s >= S_MOST)
		lex_wrong(l, "a time of months");
	if (starts(l, ".") && !starts(l, "..."))
		for (l->at++; l->at < l->end && isdigit((unsigned char)*l->at); l->at++) {
			ns += unit * (uint64_t)(*l->at - '0');
			unit /= 10;
		}
	if (l->at == from)
		lex_wrong(l, "a time is missing");
	return s * NS_PER_S + ns;
}

char *lex_until(struct lexer *l, const char *end, const char *what)
{
	const char *from = l->at;
	const unsigned line = l->line;
	char *text;

	while (!l->bad && l->at < l->end && !starts(l, end))
		step(l);
	if (l->bad || l->at == l->end) {
		l->line = line;
		lex_wrong(l, "%s has no end", what);
		return NULL;
	}
	text = script_alloc(l->script, (size_t)(l->at - from) + 1);
	memcpy(text, from, (size_t)(l->at - from));
	l->at += strlen(end);
	return text;
}

const char *lex_text(struct lexer *l)
{
	lex_want(l, "\"");
	return l->bad ? NULL : lex_until(l, "\"", "the text");
}
