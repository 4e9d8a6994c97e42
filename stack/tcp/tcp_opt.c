/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * TCP options (RFC 9293 section 3.1, RFC 7323, 2018, 7413, 5482): from the wire and to it.
 *
 * As in Linux an option that is unknown, has a length that is not its own, or stands in a segment
 * where it means nothing, is skipped by its length, and of one that is there twice the last counts.
 */

#include "tcp_priv.h"

#include <arpa/inet.h>
#include <string.h>

enum kind {
	KIND_END,
	KIND_NOP,
	KIND_MSS,
	KIND_SCALE,
	KIND_SACK_OK,
	KIND_SACK,
	KIND_STAMP = 8,
	KIND_USER_TIMEOUT = 28,
	KIND_FASTOPEN = 34,
};

/* With kind and length. */
enum { SACK_OK_BYTES = 2, SCALE_BYTES = 3, MSS_BYTES = 4, TIMEOUT_BYTES = 4, STAMP_BYTES = 10 };

#define SCALE_MOST	  14 /* RFC 7323 section 2.3 */
#define COOKIE_LEAST	  4  /* RFC 7413 section 4.1.1 */
#define SACK_BLOCK_BYTES  8
#define STAMP_LINE_BYTES  12 /* two NOPs before it */
#define WORD(a, b, c, d)  ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))
#define STAMP_LINE_BEGINS WORD(KIND_NOP, KIND_NOP, KIND_STAMP, STAMP_BYTES)

/* ---- from the wire ---- */

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return ntohl(v);
}

static void read_stamp(const uint8_t *p, struct tcp_opts *o)
{
	o->stamp = get32(p);
	o->echo = get32(p + 4);
	o->flags |= OPT_STAMP;
}

static void read_sack(const uint8_t *p, uint8_t bytes, struct tcp_opts *o)
{
	if (bytes == 0 || bytes % SACK_BLOCK_BYTES != 0)
		return;
	o->sacks = (uint8_t)RTE_MIN(bytes / SACK_BLOCK_BYTES, SACK_BLOCKS);
	for (unsigned i = 0; i < o->sacks; i++, p += SACK_BLOCK_BYTES)
		o->sack[i] = (struct seq_range){.from = get32(p), .to = get32(p + 4)};
}

static void read_fastopen(const uint8_t *p, uint8_t bytes, struct tcp_opts *o)
{
	const bool is_cookie = bytes >= COOKIE_LEAST && bytes <= sizeof(o->cookie) &&
			       bytes % 2 == 0;

	if (bytes != 0 && !is_cookie)
		return;
	memcpy(o->cookie, p, bytes);
	o->cookie_bytes = bytes;
	o->flags |= OPT_FASTOPEN;
}

/* What only a SYN says. An MSS of 0 says nothing, as in Linux. */
static void read_of_syn(uint8_t kind, const uint8_t *p, uint8_t bytes, struct tcp_opts *o)
{
	if (kind == KIND_MSS && bytes == MSS_BYTES - 2 && get16(p) != 0) {
		o->mss = get16(p);
		o->flags |= OPT_MSS;
	} else if (kind == KIND_SCALE && bytes == SCALE_BYTES - 2) {
		o->scale = RTE_MIN(p[0], SCALE_MOST);
		o->flags |= OPT_SCALE;
	} else if (kind == KIND_SACK_OK && bytes == SACK_OK_BYTES - 2) {
		o->flags |= OPT_SACK_OK;
	} else if (kind == KIND_FASTOPEN) {
		read_fastopen(p, bytes, o);
	}
}

/* @bytes at @p, without kind and length. */
static void read_one(uint8_t kind, const uint8_t *p, uint8_t bytes, bool syn, struct tcp_opts *o)
{
	if (kind == KIND_STAMP && bytes == STAMP_BYTES - 2) {
		read_stamp(p, o);
	} else if (kind == KIND_USER_TIMEOUT && bytes == TIMEOUT_BYTES - 2) {
		o->user_timeout = get16(p);
		o->flags |= OPT_USER_TIMEOUT;
	} else if (syn) {
		read_of_syn(kind, p, bytes, o);
	} else if (kind == KIND_SACK) {
		read_sack(p, bytes, o);
	}
}

bool tcp_opts_read(const uint8_t *p, uint32_t bytes, bool syn, struct tcp_opts *out)
{
	uint32_t at = 0;

	*out = (struct tcp_opts){0};
	if (bytes > OPT_BYTES_MOST)
		return false;
	/* What nearly every segment begins with (RFC 7323 appendix A). */
	if (likely(bytes >= STAMP_LINE_BYTES && get32(p) == STAMP_LINE_BEGINS)) {
		read_stamp(p + 4, out);
		at = STAMP_LINE_BYTES;
	}
	while (at < bytes && p[at] != KIND_END) {
		if (p[at] == KIND_NOP) {
			at++;
			continue;
		}
		if (bytes - at < 2 || p[at + 1] < 2 || p[at + 1] > bytes - at)
			return false;
		read_one(p[at], p + at + 2, (uint8_t)(p[at + 1] - 2), syn, out);
		at += p[at + 1];
	}
	return true;
}

/* ---- to the wire: always whole words, in Linux's order ---- */

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	v = htonl(v);
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

/* The two bytes before a timestamp are the SACK permission's, if both are told. */
static uint8_t *put_stamp(uint8_t *p, const struct tcp_opts *o, bool with_sack_ok)
{
	p = put32(p, with_sack_ok ? WORD(KIND_SACK_OK, SACK_OK_BYTES, KIND_STAMP, STAMP_BYTES)
				  : STAMP_LINE_BEGINS);
	p = put32(p, o->stamp);
	return put32(p, o->echo);
}

static uint8_t *put_fastopen(uint8_t *p, const struct tcp_opts *o)
{
	*p++ = KIND_FASTOPEN;
	*p++ = (uint8_t)(2 + o->cookie_bytes);
	memcpy(p, o->cookie, o->cookie_bytes);
	p += o->cookie_bytes;
	for (uint32_t used = 2u + o->cookie_bytes; used % 4 != 0; used++)
		*p++ = KIND_NOP;
	return p;
}

static uint8_t *put_syn(uint8_t *p, const struct tcp_opts *o)
{
	const bool stamp = o->flags & OPT_STAMP, sack_ok = o->flags & OPT_SACK_OK;

	if (o->flags & OPT_MSS)
		p = put32(p, WORD(KIND_MSS, MSS_BYTES, o->mss >> 8, o->mss & 0xff));
	if (stamp)
		p = put_stamp(p, o, sack_ok);
	else if (sack_ok)
		p = put32(p, WORD(KIND_NOP, KIND_NOP, KIND_SACK_OK, SACK_OK_BYTES));
	if (o->flags & OPT_SCALE)
		p = put32(p, WORD(KIND_NOP, KIND_SCALE, SCALE_BYTES, o->scale));
	if (o->flags & OPT_FASTOPEN)
		p = put_fastopen(p, o);
	return p;
}

/* As many of the first ones as @room bytes hold. */
static uint8_t *put_sacks(uint8_t *p, const struct tcp_opts *o, uint32_t room)
{
	const uint32_t fit = room < 4 ? 0 : (room - 4) / SACK_BLOCK_BYTES;
	const uint32_t n = RTE_MIN(o->sacks, fit);

	if (n == 0)
		return p;
	p = put32(p, WORD(KIND_NOP, KIND_NOP, KIND_SACK, 2 + n * SACK_BLOCK_BYTES));
	for (uint32_t i = 0; i < n; i++) {
		p = put32(p, o->sack[i].from);
		p = put32(p, o->sack[i].to);
	}
	return p;
}

uint32_t tcp_opts_write(uint8_t p[OPT_BYTES_MOST], const struct tcp_opts *opts, bool syn)
{
	const uint8_t *end = p + OPT_BYTES_MOST;
	uint8_t *at = p;

	assert(opts->cookie_bytes <= sizeof(opts->cookie));
	if (syn)
		at = put_syn(at, opts);
	else if (opts->flags & OPT_STAMP)
		at = put_stamp(at, opts, false);
	if (opts->flags & OPT_USER_TIMEOUT && end - at >= TIMEOUT_BYTES)
		at = put32(at, WORD(KIND_USER_TIMEOUT, TIMEOUT_BYTES, opts->user_timeout >> 8,
				    opts->user_timeout & 0xff));
	if (!syn)
		at = put_sacks(at, opts, (uint32_t)(end - at));
	return (uint32_t)(at - p);
}
