/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sniff_http: the host that a request is for (RFC 9112 section 3).
 *
 * Takes: a prefix of a stream. Says: the host of an absolute target or of CONNECT, else of the
 * first Host field. Holds: in seen_bytes where the first line begins that was not there as a whole,
 * so that a request that comes in small pieces is read once.
 *
 * A line may end without CR (RFC 9112 section 2.2). A folded line is no field of its own.
 */
#include "sniff_priv.h"

#include <string.h>
#include <strings.h>

#define METHOD_BYTES 20 /* of the longest method that is registered, and then some */
#define BLANK_BYTES  8	/* CR and LF before the request */

/* A piece of text, not terminated. */
struct text {
	const char *at;
	size_t bytes;
};

/* The line at *at, without its end; false if the end is not there. *at moves behind it. */
static bool next_line(const uint8_t *p, size_t bytes, size_t *at, struct text *line)
{
	const uint8_t *from = p + *at;
	const uint8_t *lf = *at < bytes ? memchr(from, '\n', bytes - *at) : NULL;

	if (lf == NULL)
		return false;
	*line = (struct text){(const char *)from, (size_t)(lf - from)};
	if (line->bytes > 0 && line->at[line->bytes - 1] == '\r')
		line->bytes--;
	*at = (size_t)(lf - p) + 1;
	return true;
}

/* Bytes of a method and the blank behind it; 0: it is none; -1: it does not end here. */
static int method_bytes(const uint8_t *p, size_t bytes)
{
	for (size_t i = 0; i < bytes && i <= METHOD_BYTES; i++) {
		if (p[i] == ' ')
			return i > 0 ? (int)i + 1 : 0;
		if ((p[i] < 'A' || p[i] > 'Z') && (i == 0 || (p[i] != '-' && p[i] != '_')))
			return 0;
	}
	return bytes > METHOD_BYTES ? 0 : -1;
}

/* Take "user@host:port" apart, and the host if there is one. */
static void set_host(struct weir_sniff *s, struct text t)
{
	const char *at = memrchr(t.at, '@', t.bytes);
	size_t digits = 0;

	if (at != NULL) {
		t.bytes -= (size_t)(at + 1 - t.at);
		t.at = at + 1;
	}
	while (digits < t.bytes && t.at[t.bytes - 1 - digits] >= '0' &&
	       t.at[t.bytes - 1 - digits] <= '9')
		digits++;
	if (digits < t.bytes && t.at[t.bytes - 1 - digits] == ':')
		t.bytes -= digits + 1;
	if (t.bytes > 0)
		sniff_name_set(s, (const uint8_t *)t.at, t.bytes);
}

/* What stands between "//" and the path; nothing, if the target is only a path. */
static struct text authority(struct text target)
{
	const char *slashes = memmem(target.at, target.bytes, "://", 3);
	struct text t = {target.at, 0};

	if (target.at[0] == '/' || slashes == NULL)
		return t;
	t.at = slashes + 3;
	while (t.at + t.bytes < target.at + target.bytes && !strchr("/?#", t.at[t.bytes]))
		t.bytes++;
	return t;
}

/* The request line without its method; sets the host if the target has one. */
static bool take_target(struct text rest, bool connect, struct weir_sniff *s)
{
	static const char version[] = " HTTP/1.";
	const size_t version_bytes = sizeof(version) - 1;
	struct text target = {rest.at, 0}, host;

	if (rest.bytes < 1 + version_bytes + 1)
		return false;
	target.bytes = rest.bytes - version_bytes - 1;
	if (memcmp(rest.at + target.bytes, version, version_bytes) != 0 ||
	    rest.at[rest.bytes - 1] < '0' || rest.at[rest.bytes - 1] > '9')
		return false;
	for (size_t i = 0; i < target.bytes; i++)
		if ((uint8_t)target.at[i] < ' ' || target.at[i] == 0x7f)
			return false;
	host = connect ? target : authority(target);
	if (host.bytes > 0)
		set_host(s, host);
	return true;
}

static enum weir_sniff_result take_request(const uint8_t *p, size_t bytes, struct weir_sniff *s)
{
	size_t at = 0;
	int method;
	struct text line;

	while (at < bytes && at < BLANK_BYTES && (p[at] == '\r' || p[at] == '\n'))
		at++;
	method = method_bytes(p + at, bytes - at);
	if (method == 0)
		return WEIR_SNIFF_NOT_IT;
	if (method < 0 || !next_line(p, bytes, &at, &line))
		return sniff_need(s, bytes + 1);
	if (!take_target((struct text){line.at + method, line.bytes - (size_t)method},
			 method == 8 && memcmp(line.at, "CONNECT", 7) == 0, s)) {
		s->unreadable = memmem(line.at, line.bytes, " HTTP/1.", 8) != NULL;
		return WEIR_SNIFF_NOT_IT;
	}
	s->seen_bytes = (uint32_t)at;
	return WEIR_SNIFF_FOUND;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* A field line; true if it is Host. */
static bool take_field(struct text line, struct weir_sniff *s)
{
	if (line.bytes < 5 || strncasecmp(line.at, "host:", 5) != 0)
		return false;
	line.at += 5;
	line.bytes -= 5;
	while (line.bytes > 0 && is_blank(line.at[0])) {
		line.at++;
		line.bytes--;
	}
	while (line.bytes > 0 && is_blank(line.at[line.bytes - 1]))
		line.bytes--;
	if (line.bytes > 0)
		set_host(s, line);
	return true;
}

enum weir_sniff_result weir_sniff_http(const uint8_t *p, size_t bytes, struct weir_sniff *s)
{
	struct text line;
	size_t at;

	if (bytes > UINT32_MAX)
		bytes = UINT32_MAX;
	if (s->seen_bytes == 0) {
		const enum weir_sniff_result r = take_request(p, bytes, s);

		if (r != WEIR_SNIFF_FOUND)
			return r;
	}
	if (s->name[0] != '\0' || s->bad_name)
		return WEIR_SNIFF_FOUND;
	at = s->seen_bytes;
	while (next_line(p, bytes, &at, &line)) {
		if (line.bytes == 0 || take_field(line, s))
			return WEIR_SNIFF_FOUND;
		s->seen_bytes = (uint32_t)at;
	}
	return sniff_need(s, bytes + 1);
}
