/* SPDX-License-Identifier: BSD-3-Clause */

/* Chunked bodies (RFC 9112 section 7.1), a byte at a time but for their content. */

#include <weir/http1.h>

#include <errno.h>

/* A chunk's size in hexadecimal digits, so that it fits. */
#define SIZE_DIGITS 15
/* A line with its extensions, or the whole trailer. */
#define LINE_BYTES 4096

enum {
	SIZE,	   /* digits */
	EXTENSION, /* behind them, to be passed over */
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER,      /* where a line of the trailer begins */
	TRAILER_LINE, /* in one */
	TRAILER_LF,
	LAST_LF,
	ENDED,
};

static int digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int size_byte(struct weir_http1_chunks *c, uint8_t b)
{
	const int d = digit(b);

	if (d >= 0) {
		c->left = c->left << 4 | (uint64_t)d;
		return c->digits++ < SIZE_DIGITS ? SIZE : -EPROTO;
	}
	if (c->digits == 0)
		return -EPROTO;
	if (b == '\r')
		return SIZE_LF;
	return b == ';' || b == ' ' || b == '\t' ? EXTENSION : -EPROTO;
}

/* No control characters in what is passed over: a lone LF would end it for others. */
static int text_byte(uint8_t b, int here, int behind)
{
	if (b == '\r')
		return behind;
	return (b < ' ' && b != '\t') || b == 0x7f ? -EPROTO : here;
}

/* One byte that is not content. @return the next state, or -EPROTO. */
static int step(struct weir_http1_chunks *c, uint8_t b)
{
	switch (c->state) {
	case SIZE:
		return size_byte(c, b);
	case EXTENSION:
		return text_byte(b, EXTENSION, SIZE_LF);
	case SIZE_LF:
		c->digits = 0;
		if (c->left > 0)
			c->line = 0;
		return b != '\n' ? -EPROTO : c->left > 0 ? DATA : TRAILER;
	case DATA_CR:
		return b == '\r' ? DATA_LF : -EPROTO;
	case DATA_LF:
		return b == '\n' ? SIZE : -EPROTO;
	case TRAILER:
		return b == '\r' ? LAST_LF : text_byte(b, TRAILER_LINE, 0);
	case TRAILER_LINE:
		return text_byte(b, TRAILER_LINE, TRAILER_LF);
	case TRAILER_LF:
		return b == '\n' ? TRAILER : -EPROTO;
	default: /* LAST_LF */
		return b == '\n' ? ENDED : -EPROTO;
	}
}

int64_t weir_http1_chunked(struct weir_http1_chunks *c, const void *p, size_t bytes,
			   struct weir_http1_part *data, bool *done)
{
	const uint8_t *at = p;
	size_t i = 0;

	*data = (struct weir_http1_part){0};
	*done = c->state == ENDED;
	while (i < bytes && c->state != ENDED && c->state != DATA) {
		const int next = step(c, at[i++]);

		if (next < 0 || c->line++ == LINE_BYTES)
			return -EPROTO;
		c->state = (uint8_t)next;
	}
	if (c->state == DATA && i < bytes) {
		const uint64_t n = c->left < bytes - i ? c->left : bytes - i;

		*data = (struct weir_http1_part){(uint32_t)i, (uint32_t)n};
		c->left -= n;
		i += n;
		if (c->left == 0)
			c->state = DATA_CR;
	}
	*done = c->state == ENDED;
	return (int64_t)i;
}
