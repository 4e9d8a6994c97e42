/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sniff: which protocol is it, by its first bytes; and what a name may be.
 *
 * Takes: a prefix of a stream, or a datagram. Says: NOT_IT, NEED_MORE or FOUND. Holds: nothing.
 */
#include "sniff_priv.h"

#include <errno.h>
#include <string.h>

const char *weir_sniff_proto_name(enum weir_sniff_proto proto)
{
	static const char *const names[WEIR_SNIFF_PROTOS] = {"none", "tls", "http",
							     "ssh",  "dns", "quic"};

	return (unsigned)proto < WEIR_SNIFF_PROTOS ? names[proto] : names[WEIR_SNIFF_NONE];
}

/* A byte of a label in lower case; 0 if none may have it. */
static char label_char(uint8_t c)
{
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')
		return (char)c;
	return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : 0;
}

/* Labels with single dots between them, in lower case. */
static bool copy_labels(const uint8_t *name, size_t bytes, char *out)
{
	size_t label_bytes = 0;

	for (size_t i = 0; i < bytes; i++) {
		const char c = name[i] == '.' ? '.' : label_char(name[i]);

		if (c == 0 || (c == '.' && label_bytes == 0))
			return false;
		label_bytes = c == '.' ? 0 : label_bytes + 1;
		if (label_bytes > 63)
			return false;
		out[i] = c;
	}
	out[bytes] = '\0';
	return label_bytes > 0;
}

int weir_sniff_host(const void *name, size_t bytes, char out[WEIR_SNIFF_NAME])
{
	const uint8_t *text = name;

	if (bytes > 0 && text[bytes - 1] == '.')
		bytes--;
	if (bytes > 0 && bytes <= 253 && copy_labels(text, bytes, out))
		return 0;
	out[0] = '\0';
	return -EINVAL;
}

void sniff_name_set(struct weir_sniff *s, const uint8_t *name, size_t bytes)
{
	s->bad_name = weir_sniff_host(name, bytes, s->name) < 0;
}

static enum weir_sniff_result sniff_ssh(const uint8_t *p, size_t bytes, struct weir_sniff *s)
{
	static const char banner[] = "SSH-";

	if (memcmp(p, banner, bytes < 4 ? bytes : 4) != 0)
		return WEIR_SNIFF_NOT_IT;
	return bytes < 4 ? sniff_need(s, 4) : WEIR_SNIFF_FOUND;
}

enum weir_sniff_result weir_sniff_stream(const uint8_t *p, size_t bytes, struct weir_sniff *s)
{
	static const struct {
		enum weir_sniff_result (*sniff)(const uint8_t *, size_t, struct weir_sniff *);
		enum weir_sniff_proto proto;
	} known[] = {
		{weir_sniff_tls, WEIR_SNIFF_TLS},
		{sniff_ssh, WEIR_SNIFF_SSH},
		{weir_sniff_http, WEIR_SNIFF_HTTP},
		{weir_sniff_dns_stream, WEIR_SNIFF_DNS},
	};

	s->proto = WEIR_SNIFF_NONE;
	s->unreadable = false;
	if (bytes == 0)
		return sniff_need(s, 1);
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const enum weir_sniff_result r = known[i].sniff(p, bytes, s);

		if (r != WEIR_SNIFF_NOT_IT) {
			s->proto = known[i].proto;
			return r;
		}
	}
	return WEIR_SNIFF_NOT_IT;
}

enum weir_sniff_result weir_sniff_next(const uint8_t *p, size_t bytes, struct weir_sniff *s)
{
	if (s->proto == WEIR_SNIFF_HTTP)
		return weir_sniff_http(p, bytes, s);
	if (s->proto == WEIR_SNIFF_DNS)
		return weir_sniff_dns_stream(p, bytes, s);
	return weir_sniff_stream(p, bytes, s);
}

void weir_sniff_next_begin(struct weir_sniff *s, const struct weir_sniff_rest *rest)
{
	const enum weir_sniff_proto proto = rest->tunnel ? WEIR_SNIFF_NONE : s->proto;

	memset(s, 0, offsetof(struct weir_sniff, name));
	s->name[0] = s->alpn[0] = '\0';
	s->proto = proto;
}

/* RFC 9000 section 17.2. The version comes first: it tells nearly all other payloads apart. */
static bool is_quic_long(const uint8_t *p, size_t bytes)
{
	uint32_t version;

	if (bytes < 7)
		return false;
	version = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
	if (!weir_sniff_is_quic(version) || (p[0] & 0x80) == 0 ||
	    (version != 0 && (p[0] & 0x40) == 0))
		return false;
	/* Both connection identifiers have at most 20 bytes. */
	return p[5] <= 20 && bytes > 6u + p[5] && p[6 + p[5]] <= 20 &&
	       bytes >= 7u + p[5] + p[6 + p[5]];
}

enum weir_sniff_result weir_sniff_datagram(const uint8_t *p, size_t bytes, struct weir_sniff *s)
{
	s->proto = WEIR_SNIFF_NONE;
	s->unreadable = false;
	if (weir_sniff_dns(p, bytes, s) == WEIR_SNIFF_FOUND)
		s->proto = WEIR_SNIFF_DNS;
	else if (is_quic_long(p, bytes))
		s->proto = WEIR_SNIFF_QUIC;
	return s->proto == WEIR_SNIFF_NONE ? WEIR_SNIFF_NOT_IT : WEIR_SNIFF_FOUND;
}
