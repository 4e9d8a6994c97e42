/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sniff_rest: where does a message end, behind which the next one of its stream begins?
 *
 * Takes: a message from its first byte on, in pieces. Says: how much of a piece is the message's,
 * and whether others may read it differently (RFC 9112 sections 2.2, 3.2, 5.1, 5.2 and 6.3). Holds:
 * the first bytes of a line, and how much is to be passed over.
 *
 * Of HTTP every line of the head is read, a body is passed over by its length, and of a chunked one
 * the lines around the chunks are read. Of DNS the length in front is all there is to it.
 */
#include "sniff_priv.h"

#include <string.h>

#define FOLLOWED_MAX (UINT64_C(1) << 56) /* no body is longer */

/* Lines, and what is between them. */
enum { FIRST, FIELD, BODY, CHUNK, CHUNK_BODY, CHUNK_END, TRAILER };
/* Fields that matter. */
enum { OTHER, HOST, LENGTH, CODING, UPGRADE };

static bool is_text(const struct weir_sniff_rest *r, const char *text)
{
	return r->text_bytes == strlen(text) && memcmp(r->text, text, r->text_bytes) == 0;
}

/* Nobody can say where the message ends. */
static void lose(struct weir_sniff *s, struct weir_sniff_rest *r)
{
	s->unreadable = true;
	r->lost = true;
}

/* A byte of a line, kept in lower case if it is one of the first. */
static void keep(struct weir_sniff_rest *r, uint8_t c)
{
	if (r->text_bytes < sizeof(r->text))
		r->text[r->text_bytes++] = (char)(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c);
	else
		r->cut = true;
}

static uint8_t field_of(const struct weir_sniff_rest *r)
{
	static const char *const names[] = {[OTHER] = "",
					    [HOST] = "host",
					    [LENGTH] = "content-length",
					    [CODING] = "transfer-encoding",
					    [UPGRADE] = "upgrade"};

	for (uint8_t i = HOST; i <= UPGRADE; i++)
		if (!r->cut && is_text(r, names[i]))
			return i;
	return OTHER;
}

/* The colon behind the name of a field; the value comes. */
static void end_name(struct weir_sniff *s, struct weir_sniff_rest *r)
{
	r->field = r->phase == FIELD ? field_of(r) : OTHER;
	r->value = true;
	r->hosts += r->field == HOST && r->hosts < 2;
	if (r->blank || r->hosts > 1)
		s->unreadable = true;
	r->text_bytes = 0;
	r->cut = false;
}

/*
 * A byte of Host, which has to say what the name says: that is of the target, if that has one, and
 * servers differ in which of both they take (RFC 9112 sections 3.2 and 3.2.2).
 */
static void compare_host(struct weir_sniff *s, struct weir_sniff_rest *r, uint8_t c)
{
	const char lower = (char)(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c);

	if (s->name[0] == '\0' || c == '\0' || c == ' ' || c == '\t')
		return;
	if (r->host_bytes < sizeof(s->name) && lower == s->name[r->host_bytes])
		r->host_bytes++;
	else if (s->name[r->host_bytes] != '\0' || (c != '.' && c != ':' && (c < '0' || c > '9')))
		s->unreadable = true;
}

/* A byte that does not end a line. */
static void take_byte(struct weir_sniff *s, struct weir_sniff_rest *r, uint8_t c)
{
	const bool fields = r->phase == FIELD || r->phase == TRAILER;
	const bool blank = c == ' ' || c == '\t';

	if (r->cr || c == '\0') {
		r->begun = true; /* it was no part of the end */
		s->unreadable = true;
	}
	r->cr = c == '\r';
	if (r->cr)
		return;
	if (fields && !r->begun && blank) { /* of the field before: some leave it out */
		r->value = true;
		s->unreadable = true;
	}
	if (r->field == HOST)
		compare_host(s, r, c);
	if (fields && !r->value && c == ':')
		end_name(s, r);
	else if (!r->value || !blank || r->text_bytes > 0)
		keep(r, c);
	r->blank = blank;
	r->begun = true;
}

/* Digits at the beginning of the line or value, and how many; 0: none, or too many. */
static unsigned number(const struct weir_sniff_rest *r, unsigned base, uint64_t *out)
{
	unsigned n = 0;

	*out = 0;
	for (; n < r->text_bytes && *out < FOLLOWED_MAX; n++) {
		const char c = r->text[n];
		unsigned digit = base;

		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			digit = (unsigned)(c - 'a') + 10;
		if (digit >= base)
			break;
		*out = *out * base + digit;
	}
	return *out < FOLLOWED_MAX ? n : 0;
}

/* What a field says of the body; two that differ leave it open. */
static void end_field(struct weir_sniff *s, struct weir_sniff_rest *r)
{
	uint64_t bytes;

	while (r->text_bytes > 0 && !r->cut &&
	       (r->text[r->text_bytes - 1] == ' ' || r->text[r->text_bytes - 1] == '\t'))
		r->text_bytes--;
	if (!r->value) /* no field at all */
		s->unreadable = true;
	switch (r->field) {
	case HOST:
		if (s->name[0] != '\0' && s->name[r->host_bytes] != '\0')
			s->unreadable = true;
		break;
	case LENGTH:
		if (r->cut || r->text_bytes == 0 || number(r, 10, &bytes) != r->text_bytes ||
		    (r->has_length && bytes != r->body_bytes))
			lose(s, r);
		else
			r->body_bytes = bytes;
		r->has_length = true;
		break;
	case CODING:
		if (r->cut || r->chunked || !is_text(r, "chunked"))
			lose(s, r);
		r->chunked = true;
		break;
	case UPGRADE:
		r->tunnel = true;
		break;
	default:
		break;
	}
}

/* The empty line behind the fields. */
static void end_head(struct weir_sniff *s, struct weir_sniff_rest *r)
{
	if (r->chunked && r->has_length)
		s->unreadable = true;
	if (r->connect)
		r->over = true;
	else if (r->chunked)
		r->phase = CHUNK;
	else if (r->body_bytes == 0)
		r->over = true;
	else
		r->phase = BODY;
}

/* How long the chunk is that begins. */
static void end_chunk_line(struct weir_sniff *s, struct weir_sniff_rest *r)
{
	const unsigned n = number(r, 16, &r->body_bytes);

	if (n == 0 || (n < r->text_bytes && memchr("; \t", r->text[n], 3) == NULL))
		lose(s, r);
	r->phase = r->body_bytes > 0 ? CHUNK_BODY : TRAILER;
}

static void end_line(struct weir_sniff *s, struct weir_sniff_rest *r)
{
	if (r->phase == FIRST && r->begun) {
		r->connect = r->text_bytes > 8 && memcmp(r->text, "connect ", 8) == 0;
		r->tunnel = r->connect;
		r->phase = FIELD;
	} else if (r->phase == FIELD && r->begun) {
		end_field(s, r);
	} else if (r->phase == FIELD) {
		end_head(s, r);
	} else if (r->phase == CHUNK) {
		end_chunk_line(s, r);
	} else if (r->phase == CHUNK_END) {
		if (r->begun)
			lose(s, r);
		r->phase = CHUNK;
	} else if (r->phase == TRAILER && !r->begun) {
		r->over = true;
	}
	r->begun = r->value = r->cr = r->blank = r->cut = false;
	r->field = OTHER;
	r->text_bytes = 0;
}

/* Of a body or a chunk as much as there is. */
static size_t pass_over(struct weir_sniff_rest *r, size_t bytes)
{
	if (bytes > r->body_bytes)
		bytes = (size_t)r->body_bytes;
	r->body_bytes -= bytes;
	if (r->body_bytes == 0 && r->phase == CHUNK_BODY)
		r->phase = CHUNK_END;
	else if (r->body_bytes == 0)
		r->over = true;
	return bytes;
}

size_t weir_sniff_rest(const uint8_t *p, size_t bytes, struct weir_sniff *s,
		       struct weir_sniff_rest *r)
{
	size_t at = 0;

	if (s->proto == WEIR_SNIFF_DNS && r->phase == FIRST && bytes >= 2) {
		r->body_bytes = 2u + ((size_t)p[0] << 8 | p[1]);
		r->phase = BODY;
	} else if (s->proto != WEIR_SNIFF_HTTP && r->phase == FIRST && bytes > 0) {
		r->lost = true;
	}
	while (at < bytes && !r->over && !r->lost) {
		if (r->phase == BODY || r->phase == CHUNK_BODY)
			at += pass_over(r, bytes - at);
		else if (p[at++] == '\n')
			end_line(s, r);
		else
			take_byte(s, r, p[at - 1]);
	}
	return at;
}
