/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Reading and writing hostile bytes: take all the fields, ask once whether they were there.
 *
 *	struct weir_cursor c = {.at = p, .end = p + bytes};
 *	const uint16_t port = weir_take_u16_be(&c);
 *	const uint8_t *name = weir_take(&c, weir_take_u8(&c));
 *	if (c.bad)
 *		return -EAGAIN;
 *
 * What is past the end reads as zero and makes the cursor bad; a bad cursor stays bad and does
 * not move. Any thread may use a cursor of its own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <weir/must_check.h>

/** A place in bytes that are read. Begin with {.at = p, .end = p + bytes}. */
struct weir_cursor {
	const uint8_t *at;  /**< the next byte */
	const uint8_t *end; /**< one past the last */
	bool bad;	    /**< something was asked for that is not there */
};

/** A place in memory that is written. Begin with {.at = p, .end = p + bytes}. */
struct weir_writer {
	uint8_t *at;  /**< where the next byte goes */
	uint8_t *end; /**< one past the last that may be written */
	bool bad;     /**< something did not fit */
};

/** Bytes that are left to read; 0 once bad. */
WEIR_MUST_CHECK static inline size_t weir_left(const struct weir_cursor *c)
{
	return c->bad ? 0 : (size_t)(c->end - c->at);
}

/** The next @p bytes, in place; NULL (and bad) if there are fewer. */
static inline const uint8_t *weir_take(struct weir_cursor *c, size_t bytes)
{
	const uint8_t *p = c->at;

	if (c->bad || bytes > (size_t)(c->end - p)) {
		c->bad = true;
		return NULL;
	}
	if (bytes > 0)
		c->at = p + bytes;
	return p;
}

/** One byte. */
static inline uint8_t weir_take_u8(struct weir_cursor *c)
{
	const uint8_t *p = weir_take(c, 1);

	return p == NULL ? 0 : *p;
}

/** Two bytes, the high one first. */
static inline uint16_t weir_take_u16_be(struct weir_cursor *c)
{
	const uint8_t *p = weir_take(c, 2);

	return p == NULL ? 0 : (uint16_t)(p[0] << 8 | p[1]);
}

/** Four bytes, the high one first. */
static inline uint32_t weir_take_u32_be(struct weir_cursor *c)
{
	const uint8_t *p = weir_take(c, 4);

	return p == NULL ? 0
			 : (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/** Eight bytes, the high one first. */
static inline uint64_t weir_take_u64_be(struct weir_cursor *c)
{
	struct weir_cursor eight = {.at = weir_take(c, 8)};
	uint64_t high;

	if (eight.at == NULL)
		return 0;
	eight.end = eight.at + 8;
	high = weir_take_u32_be(&eight);
	return high << 32 | weir_take_u32_be(&eight);
}

/** Bytes that still fit; 0 once bad. */
WEIR_MUST_CHECK static inline size_t weir_room(const struct weir_writer *w)
{
	return w->bad ? 0 : (size_t)(w->end - w->at);
}

/** Room for the next @p bytes, to be filled by the caller; NULL (and bad) if they do not fit. */
WEIR_MUST_CHECK static inline uint8_t *weir_put_room(struct weir_writer *w, size_t bytes)
{
	uint8_t *p = w->at;

	if (w->bad || bytes > (size_t)(w->end - p)) {
		w->bad = true;
		return NULL;
	}
	if (bytes > 0)
		w->at = p + bytes;
	return p;
}

/** Copy @p bytes from @p from: all of them, or none. */
static inline void weir_put(struct weir_writer *w, const void *from, size_t bytes)
{
	uint8_t *p = weir_put_room(w, bytes);

	if (p != NULL && bytes > 0)
		memcpy(p, from, bytes);
}

/** One byte. */
static inline void weir_put_u8(struct weir_writer *w, uint8_t v)
{
	weir_put(w, &v, 1);
}

/** Two bytes, the high one first. */
static inline void weir_put_u16_be(struct weir_writer *w, uint16_t v)
{
	const uint8_t be[] = {(uint8_t)(v >> 8), (uint8_t)v};

	weir_put(w, be, sizeof(be));
}

/** Four bytes, the high one first. */
static inline void weir_put_u32_be(struct weir_writer *w, uint32_t v)
{
	const uint8_t be[] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
			      (uint8_t)v};

	weir_put(w, be, sizeof(be));
}

/** Eight bytes, the high one first. */
static inline void weir_put_u64_be(struct weir_writer *w, uint64_t v)
{
	uint8_t be[8];

	for (unsigned i = 0; i < sizeof(be); i++)
		be[i] = (uint8_t)(v >> (56 - 8 * i));
	weir_put(w, be, sizeof(be));
}
