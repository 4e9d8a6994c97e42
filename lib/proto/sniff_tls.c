/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sniff_tls: a ClientHello (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2).
 *
 * Takes: a prefix of a stream. Says: server_name, application protocols, highest version offered.
 * Holds: nothing.
 *
 * The message may be cut into records at any byte, so it is read twice: once for the lengths of the
 * records, which tell how much there is and how much must come; once for what is in it. What is
 * missing decides when to ask again, so that many small records are not read again and again.
 */
#include "sniff_priv.h"

#include <string.h>

#define RECORD_HANDSHAKE 22
#define RECORD_HEADER	 5
#define RECORD_BYTES	 (1u << 14)
#define CLIENT_HELLO	 1
#define HELLO_HEADER	 4
/* All fields at their longest, with 65,535 bytes of extensions. */
#define HELLO_BYTES (2u + 32 + 1 + 32 + 2 + 65534 + 1 + 255 + 2 + 65535)

#define EXT_SERVER_NAME 0
#define EXT_ALPN	16
#define EXT_VERSIONS	43
#define HOST_NAME	0

/* A place in the bytes of the handshake, which lie in records. */
struct hello {
	const uint8_t *at, *end;
	size_t record_left; /* bytes of this record that were not yet read */
	bool more;	    /* what was asked for has not come yet */
	bool wrong;	    /* what was asked for is not in the part that it should be in */
	bool named;	    /* server_name was there */
};

/* Whether the first bytes of a record's header are those of a handshake's. */
static bool is_record(const uint8_t *p, size_t bytes)
{
	const size_t record_bytes = bytes < RECORD_HEADER ? 1 : (size_t)p[3] << 8 | p[4];

	return (bytes < 1 || p[0] == RECORD_HANDSHAKE) && (bytes < 2 || p[1] == 3) &&
	       record_bytes > 0 && record_bytes <= RECORD_BYTES;
}

/* What the records add up to. */
struct measure {
	uint8_t head[HELLO_HEADER];
	size_t have; /* bytes of handshake that are there */
	size_t want; /* bytes that the message has with its header */
};

static bool add_record(struct measure *m, const uint8_t *p, size_t bytes)
{
	for (size_t i = 0; i < bytes && m->have + i < HELLO_HEADER; i++)
		m->head[m->have + i] = p[i];
	m->have += bytes;
	if (m->have > 0 && m->head[0] != CLIENT_HELLO)
		return false;
	if (m->have >= HELLO_HEADER)
		m->want = HELLO_HEADER +
			  ((size_t)m->head[1] << 16 | (size_t)m->head[2] << 8 | m->head[3]);
	return m->want <= HELLO_HEADER + HELLO_BYTES;
}

static enum weir_sniff_result measure(const uint8_t *p, size_t bytes, struct weir_sniff *s)
{
	struct measure m = {.want = HELLO_HEADER};
	size_t at = 0;

	for (;;) {
		const size_t left = bytes - at;
		size_t record_bytes, there, missing;

		if (!is_record(p + at, left))
			return WEIR_SNIFF_NOT_IT;
		if (left < RECORD_HEADER)
			return sniff_need(s, at + RECORD_HEADER + (m.want - m.have));
		record_bytes = (size_t)p[at + 3] << 8 | p[at + 4];
		there = left - RECORD_HEADER < record_bytes ? left - RECORD_HEADER : record_bytes;
		if (!add_record(&m, p + at + RECORD_HEADER, there))
			return WEIR_SNIFF_NOT_IT;
		if (m.have >= m.want)
			return WEIR_SNIFF_FOUND;
		missing = m.want - m.have;
		if (there < record_bytes)
			return sniff_need(
				s, bytes + missing +
					   (missing > record_bytes - there ? RECORD_HEADER : 0));
		at += RECORD_HEADER + record_bytes;
	}
}

/* The next bytes of a part of the message; `to` NULL: pass over them. */
static bool take(struct hello *h, size_t *part, void *to, size_t bytes)
{
	uint8_t *out = to;

	if (h->wrong || h->more)
		return false;
	h->wrong = bytes > *part;
	if (h->wrong)
		return false;
	*part -= bytes;
	while (bytes > 0) {
		size_t n = h->record_left;

		if (n == 0) {
			if (h->end - h->at < RECORD_HEADER)
				break;
			h->record_left = (size_t)h->at[3] << 8 | h->at[4];
			h->at += RECORD_HEADER;
			continue;
		}
		n = n < bytes ? n : bytes;
		n = n < (size_t)(h->end - h->at) ? n : (size_t)(h->end - h->at);
		if (n == 0)
			break;
		if (out != NULL) {
			memcpy(out, h->at, n);
			out += n;
		}
		h->at += n;
		h->record_left -= n;
		bytes -= n;
	}
	h->more = bytes > 0;
	return !h->more;
}

/* A number of 1 to 4 bytes, the high one first; 0 if it is not there. */
static uint32_t number(struct hello *h, size_t *part, size_t bytes)
{
	uint8_t b[4];
	uint32_t n = 0;

	if (!take(h, part, b, bytes))
		return 0;
	for (size_t i = 0; i < bytes; i++)
		n = n << 8 | b[i];
	return n;
}

/* A length of @p bytes bytes, and the part that it is of, taken out of the part around it. */
static size_t sub_part(struct hello *h, size_t *part, size_t bytes)
{
	const size_t n = number(h, part, bytes);

	if (h->wrong || h->more)
		return 0;
	h->wrong = n > *part;
	if (h->wrong)
		return 0;
	*part -= n;
	return n;
}

static void skip_part(struct hello *h, size_t *part, size_t bytes)
{
	size_t n = sub_part(h, part, bytes);

	take(h, &n, NULL, n);
}

/* Nothing may be left of this part. */
static void ends(struct hello *h, size_t part)
{
	if (part > 0 && !h->more)
		h->wrong = true;
}

/* RFC 6066 section 3: one name of each type, and no type but host_name is known. */
static void take_server_name(struct hello *h, size_t part, struct weir_sniff *s)
{
	size_t list = sub_part(h, &part, 2);
	uint8_t name[WEIR_SNIFF_NAME];

	ends(h, part);
	if (h->named)
		h->wrong = true;
	h->named = true;
	while (list > 0 && !h->wrong && !h->more) {
		const uint32_t type = number(h, &list, 1);
		size_t bytes = sub_part(h, &list, 2);
		const size_t name_bytes = bytes;
		const bool wanted = type == HOST_NAME && s->name[0] == '\0' && !s->bad_name;

		if (!take(h, &bytes, wanted && bytes <= sizeof(name) ? name : NULL, bytes) ||
		    !wanted)
			continue;
		if (name_bytes <= sizeof(name))
			sniff_name_set(s, name, name_bytes);
		else
			s->bad_name = true;
	}
}

/* RFC 7301. What does not fit is left out as a whole. */
static void take_alpn(struct hello *h, size_t part, struct weir_sniff *s)
{
	size_t list = sub_part(h, &part, 2);
	size_t at = strlen(s->alpn);

	ends(h, part);
	while (list > 0 && !h->wrong && !h->more) {
		size_t bytes = sub_part(h, &list, 1);
		const size_t name_bytes = bytes, comma = at > 0;
		const bool fits = at + comma + bytes < sizeof(s->alpn);
		uint8_t name[WEIR_SNIFF_ALPN];

		if (!take(h, &bytes, fits ? name : NULL, bytes) || !fits)
			continue;
		if (comma)
			s->alpn[at++] = ',';
		for (size_t i = 0; i < name_bytes; i++)
			s->alpn[at++] = name[i] > ' ' && name[i] < 0x7f && name[i] != ','
						? (char)name[i]
						: '.';
		s->alpn[at] = '\0';
	}
}

/* RFC 8446 section 4.2.1. Values of RFC 8701 (0x0a0a, 0x1a1a, ...) mean nothing. */
static void take_versions(struct hello *h, size_t part, struct weir_sniff *s)
{
	size_t list = sub_part(h, &part, 1);

	ends(h, part);
	while (list > 0 && !h->wrong && !h->more) {
		const uint16_t version = (uint16_t)number(h, &list, 2);

		if (version >> 8 == 3 && version > s->tls_version)
			s->tls_version = version;
	}
}

static void take_extensions(struct hello *h, size_t part, struct weir_sniff *s)
{
	while (part > 0 && !h->wrong && !h->more) {
		const uint32_t type = number(h, &part, 2);
		size_t bytes = sub_part(h, &part, 2);

		if (h->wrong || h->more)
			return;
		if (type == EXT_SERVER_NAME)
			take_server_name(h, bytes, s);
		else if (type == EXT_ALPN)
			take_alpn(h, bytes, s);
		else if (type == EXT_VERSIONS)
			take_versions(h, bytes, s);
		else
			take(h, &bytes, NULL, bytes);
	}
}

static void take_hello(struct hello *h, struct weir_sniff *s)
{
	size_t part = HELLO_HEADER, extensions;

	number(h, &part, 1);
	part = number(h, &part, 3);
	s->tls_version = (uint16_t)number(h, &part, 2);
	take(h, &part, NULL, 32);
	skip_part(h, &part, 1); /* session */
	skip_part(h, &part, 2); /* cipher suites */
	skip_part(h, &part, 1); /* compressions */
	if (part == 0 || h->wrong || h->more)
		return; /* TLS 1.2 may end here */
	extensions = sub_part(h, &part, 2);
	ends(h, part);
	take_extensions(h, extensions, s);
}

/* What an earlier call, or a message that is none, has left. */
static void forget(struct weir_sniff *s)
{
	s->name[0] = s->alpn[0] = '\0';
	s->bad_name = false;
	s->tls_version = 0;
}

enum weir_sniff_result weir_sniff_tls(const uint8_t *p, size_t bytes, struct weir_sniff *s)
{
	struct hello h = {.at = p, .end = p + bytes};
	const enum weir_sniff_result r = measure(p, bytes, s);

	s->unreadable = false;
	if (r == WEIR_SNIFF_NOT_IT) {
		s->unreadable = bytes > RECORD_HEADER && is_record(p, RECORD_HEADER) &&
				p[RECORD_HEADER] == CLIENT_HELLO;
		return r;
	}
	forget(s);
	take_hello(&h, s);
	if (!h.wrong)
		return r;
	forget(s);
	s->unreadable = true;
	return WEIR_SNIFF_NOT_IT;
}
