/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sniff_dns: the first question of what a client sends (RFC 1035 section 4.1).
 *
 * Takes: a message, or its first bytes in a stream. Says: the name and the type that are asked for.
 * Holds: nothing.
 */
#include "sniff_priv.h"

#include <string.h>
#include <weir/cursor.h>

#define HEADER_BYTES	12
#define NAME_BYTES	255 /* with the lengths of its labels */
#define LABEL_BYTES	63  /* more: a compression pointer, or nothing */
#define MESSAGE_MIN	(HEADER_BYTES + 1 + 4)
#define QUESTION_BYTES	(NAME_BYTES + 4)
#define BIT_RESPONSE	0x80
#define BITS_OPCODE	0x78
#define CLASS_IN	1
#define CLASS_CHAOS	3
#define CLASS_ANY	255
#define POINTER_BITS	0xc0
#define ADDITIONALS_MAX 2 /* EDNS (RFC 6891) and a signature (RFC 8945) */

/*
 * A message with questions that is no response, by the HEADER_BYTES of its header: servers answer
 * those with other counts and operations too, more or less. As weir_sniff_may_be() has it.
 */
static bool has_question(const uint8_t *p)
{
	return (p[2] & BIT_RESPONSE) == 0 && p[4] == 0 && p[5] != 0;
}

/* What resolvers send: nearly nothing else looks like that. */
static bool is_plain(const uint8_t *p)
{
	return (p[2] & BITS_OPCODE) == 0 && p[5] == 1 && (p[6] | p[7] | p[8] | p[9] | p[10]) == 0 &&
	       p[11] <= ADDITIONALS_MAX;
}

/*
 * The labels with dots between them; text has room for them all. FOUND: bytes are its length, odd
 * if a label has a dot inside. NEED_MORE: it ends too early; the caller knows whether that is all.
 */
static enum weir_sniff_result take_name(struct weir_cursor *c, uint8_t text[NAME_BYTES],
					size_t *bytes, bool *odd)
{
	struct weir_writer w = {.at = text, .end = text + NAME_BYTES};
	size_t wire_bytes = 0;

	*odd = false;
	for (;;) {
		const uint8_t label_bytes = weir_take_u8(c);
		const uint8_t *label;

		wire_bytes += 1u + label_bytes;
		if (label_bytes > LABEL_BYTES || wire_bytes > NAME_BYTES)
			return WEIR_SNIFF_NOT_IT;
		label = weir_take(c, label_bytes);
		if (c->bad)
			return WEIR_SNIFF_NEED_MORE;
		if (label_bytes == 0)
			break;
		if (memchr(label, '.', label_bytes) != NULL)
			*odd = true;
		if (w.at != text)
			weir_put_u8(&w, '.');
		weir_put(&w, label, label_bytes);
	}
	*bytes = (size_t)(w.at - text);
	return WEIR_SNIFF_FOUND;
}

/* The first question behind a header; none, or one with a pointer, is one if all else is plain. */
static enum weir_sniff_result take_question(const uint8_t *header, struct weir_cursor *c,
					    struct weir_sniff *s)
{
	uint8_t text[NAME_BYTES];
	uint16_t type, class;
	size_t bytes = 0;
	bool odd, pointer = false;
	enum weir_sniff_result r = take_name(c, text, &bytes, &odd);

	if (r == WEIR_SNIFF_NOT_IT && is_plain(header) &&
	    (c->at[-1] & POINTER_BITS) == POINTER_BITS) {
		weir_take_u8(c); /* its second byte */
		pointer = true;
		r = WEIR_SNIFF_FOUND;
	}
	if (r != WEIR_SNIFF_FOUND)
		return r;
	type = weir_take_u16_be(c);
	class = weir_take_u16_be(c);
	if (c->bad)
		return WEIR_SNIFF_NEED_MORE;
	if (class != CLASS_IN && class != CLASS_CHAOS && class != CLASS_ANY)
		return WEIR_SNIFF_NOT_IT;
	s->dns_type = type;
	s->name[0] = '\0';
	s->bad_name = odd;
	s->unreadable = pointer || header[5] != 1;
	if (!odd && !pointer && bytes > 0)
		sniff_name_set(s, text, bytes);
	return WEIR_SNIFF_FOUND;
}

enum weir_sniff_result weir_sniff_dns(const uint8_t *p, size_t bytes, struct weir_sniff *s)
{
	struct weir_cursor c = {.at = p + HEADER_BYTES, .end = p + bytes};

	if (bytes < MESSAGE_MIN || !has_question(p) || take_question(p, &c, s) != WEIR_SNIFF_FOUND)
		return WEIR_SNIFF_NOT_IT;
	return WEIR_SNIFF_FOUND;
}

enum weir_sniff_result weir_sniff_dns_stream(const uint8_t *p, size_t bytes, struct weir_sniff *s)
{
	struct weir_cursor c = {.at = p, .end = p + bytes};
	uint16_t message_bytes;
	enum weir_sniff_result r;

	if (bytes < 2 + HEADER_BYTES)
		return sniff_need(s, 2 + HEADER_BYTES);
	message_bytes = weir_take_u16_be(&c);
	if (message_bytes < MESSAGE_MIN || !has_question(weir_take(&c, HEADER_BYTES)))
		return WEIR_SNIFF_NOT_IT;
	if (bytes - 2 > message_bytes)
		c.end = p + 2 + message_bytes;
	r = take_question(p + 2, &c, s);
	if (r != WEIR_SNIFF_NEED_MORE)
		return r;
	/* It ends here, or is longer than any: no byte more can mend it. */
	if (bytes - 2 >= message_bytes || bytes >= 2 + HEADER_BYTES + QUESTION_BYTES)
		return WEIR_SNIFF_NOT_IT;
	return sniff_need(s, bytes + 1);
}
