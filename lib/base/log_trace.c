/* SPDX-License-Identifier: BSD-3-Clause */

/* W3C Trace Context, level 1: "00-" 32 hex digits "-" 16 hex digits "-" 2 hex digits. */

#include <weir/log.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TRACE_ID_AT = 3, PARENT_ID_AT = 36, FLAGS_AT = 53, TEXT_BYTES = 55 };

/* Section 3.2.2: lower case only. */
static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static bool hex_bytes(const char *text, uint8_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const int high = hex_digit(text[2 * i]);
		const int low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool all_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

int weir_traceparent_parse(const char *text, size_t text_bytes, struct weir_traceparent *out)
{
	struct weir_traceparent tp;
	uint8_t version;

	if (text_bytes < TEXT_BYTES || !hex_bytes(text, &version, 1) || version == 0xff)
		return -EBADMSG;
	/* A later version may append parts, each after a dash. */
	if (text_bytes > TEXT_BYTES && (version == 0 || text[TEXT_BYTES] != '-'))
		return -EBADMSG;
	if (text[TRACE_ID_AT - 1] != '-' || text[PARENT_ID_AT - 1] != '-' ||
	    text[FLAGS_AT - 1] != '-')
		return -EBADMSG;
	if (!hex_bytes(text + TRACE_ID_AT, tp.trace_id, sizeof(tp.trace_id)) ||
	    !hex_bytes(text + PARENT_ID_AT, tp.parent_id, sizeof(tp.parent_id)) ||
	    !hex_bytes(text + FLAGS_AT, &tp.flags, 1))
		return -EBADMSG;
	if (all_zero(tp.trace_id, sizeof(tp.trace_id)) ||
	    all_zero(tp.parent_id, sizeof(tp.parent_id)))
		return -EBADMSG;
	*out = tp;
	return 0;
}

static char *put_hex(char *at, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		*at++ = "0123456789abcdef"[p[i] >> 4];
		*at++ = "0123456789abcdef"[p[i] & 15];
	}
	return at;
}

void weir_traceparent_format(const struct weir_traceparent *tp, char text[WEIR_TRACEPARENT_TEXT])
{
	char *at = text;

	memcpy(at, "00-", 3);
	at = put_hex(at + 3, tp->trace_id, sizeof(tp->trace_id));
	*at++ = '-';
	at = put_hex(at, tp->parent_id, sizeof(tp->parent_id));
	*at++ = '-';
	at = put_hex(at, &tp->flags, 1);
	*at = '\0';
}
