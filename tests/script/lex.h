/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Words, numbers and signs of a script. After the first error nothing is found any more. */

#include "script.h"

#define WORD_MOST 64

struct lexer {
	const char *at, *end;
	unsigned line;
	bool bad;
	struct script *script;
};

/* What is wrong, said once. */
__attribute__((format(printf, 2, 3))) void lex_wrong(struct lexer *l, const char *fmt, ...);
/* Past blanks and comments. */
void lex_space(struct lexer *l);
/* The next character, behind blanks; 0: the end. */
char lex_peek(struct lexer *l);
/* Whether this stands here; it is behind us then. A word ends where the name does. */
bool lex_is(struct lexer *l, const char *text);
void lex_want(struct lexer *l, const char *text);
/* A name; false: none. */
bool lex_word(struct lexer *l, char out[WORD_MOST]);
/* Any characters of @set, at once. */
bool lex_chars(struct lexer *l, const char *set, char out[WORD_MOST]);
int64_t lex_number(struct lexer *l, int64_t least, int64_t most, const char *what);
bool lex_is_number(struct lexer *l);
uint64_t lex_time(struct lexer *l);
/* "..." without the marks. */
const char *lex_text(struct lexer *l);
/* All up to @end, which is behind us then. */
char *lex_until(struct lexer *l, const char *end, const char *what);

/* parse_seg.c, parse_call.c, parse_claim.c */
struct seg *parse_seg(struct lexer *l, bool inbound);
struct call *parse_call(struct lexer *l);
/* NULL: none; bad is set if they are wrong. */
struct claim *parse_claims(struct lexer *l);
