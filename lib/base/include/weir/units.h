/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Numbers as people type them: 64KiB, 10s, 1Mpps. Text in, value out, and back.
 *
 * Text is taken as bytes with a length (no NUL needed): digits, perhaps a point and more digits,
 * then the unit with no blank between. A fraction must come out whole: 1.5KiB is 1536 bytes, 1.5B
 * is refused. Nothing is allocated or kept, the locale does not matter, any thread may call.
 *
 * All weir_parse_ functions return 0, -EINVAL if the text is not such a number, or -ERANGE if it
 * does not fit; then the result is untouched.
 */

#include <stddef.h>
#include <stdint.h>
#include <weir/must_check.h>

/** Bytes that any weir_format_ function writes at most, with the NUL. */
#define WEIR_UNITS_TEXT 32

/** A whole number: decimal without leading zeros, or 0x and hexadecimal digits. */
WEIR_MUST_CHECK int weir_parse_uint(const char *text, size_t len_bytes, uint64_t *number);
/** Bytes: B KiB MiB GiB TiB, or a plain number. */
WEIR_MUST_CHECK int weir_parse_size(const char *text, size_t len_bytes, uint64_t *size_bytes);
/** Nanoseconds: ns us ms s m h d. Only 0 may stand without a unit. */
WEIR_MUST_CHECK int weir_parse_duration(const char *text, size_t len_bytes, uint64_t *duration_ns);
/** Packets or events a second: pps kpps Mpps Gpps, /s k/s M/s G/s, or a plain number. */
WEIR_MUST_CHECK int weir_parse_rate(const char *text, size_t len_bytes, uint64_t *per_second);
/** A decimal number, perhaps negative, with at most 15 digits and no exponent: 0.25. */
WEIR_MUST_CHECK int weir_parse_double(const char *text, size_t len_bytes, double *number);

/** Write a size in the largest unit that divides it: 64KiB. @return @p text. */
const char *weir_format_size(uint64_t size_bytes, char text[WEIR_UNITS_TEXT]);
/** Write a duration in the largest unit up to hours that divides it: 10s. @return @p text. */
const char *weir_format_duration(uint64_t duration_ns, char text[WEIR_UNITS_TEXT]);
/** Write a rate in the largest unit that divides it: 1M/s. @return @p text. */
const char *weir_format_rate(uint64_t per_second, char text[WEIR_UNITS_TEXT]);
/** Write a number that weir_parse_double() gave, with as few digits. @return @p text. */
const char *weir_format_double(double number, char text[WEIR_UNITS_TEXT]);
