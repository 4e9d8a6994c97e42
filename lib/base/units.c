/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * units: numbers with units, between text and value.
 *
 * Takes digits, perhaps a fraction, and a unit out of a table; says the whole number of base units,
 * exactly. The arithmetic is in 128 bits, so that nothing rounds and nothing wraps.
 */
#include <weir/units.h>

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A unit's name and how many base units it is. */
struct unit {
	const char *name;
	uint64_t base;
};

/* From the largest to the smallest, as formatting tries them; no name: a plain number. */
static const struct unit sizes[] = {
	{"TiB", UINT64_C(1) << 40},
	{"GiB", UINT64_C(1) << 30},
	{"MiB", UINT64_C(1) << 20},
	{"KiB", UINT64_C(1) << 10},
	{"B", 1},
	{"", 1},
};
static const struct unit durations[] = {
	{"d", UINT64_C(86400000000000)},
	{"h", UINT64_C(3600000000000)},
	{"m", UINT64_C(60000000000)},
	{"s", 1000000000},
	{"ms", 1000000},
	{"us", 1000},
	{"ns", 1},
};
static const struct unit rates[] = {
	{"Gpps", 1000000000}, {"G/s", 1000000000}, {"Mpps", 1000000},
	{"M/s", 1000000},     {"kpps", 1000},	   {"k/s", 1000},
	{"pps", 1},	      {"/s", 1},	   {"", 1},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Digits after a point: as many as 10 to that power times the largest unit leave room for. */
#define FRACTION_DIGITS_MAX 12

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Read digits at *@p at. @return How many; the number is UINT64_MAX + 1 if it is any larger. */
static size_t take_digits(const char *text, size_t len_bytes, size_t *at, __uint128_t *number)
{
	const __uint128_t most = (__uint128_t)UINT64_MAX + 1;
	const size_t from = *at;

	*number = 0;
	for (; *at < len_bytes && is_digit(text[*at]); (*at)++) {
		*number = *number * 10 + (unsigned)(text[*at] - '0');
		if (*number > most)
			*number = most;
	}
	return *at - from;
}

/* Read the point and the digits behind it, if there are any, as @p fraction / @p scale. */
static int take_fraction(const char *text, size_t len_bytes, size_t *at, __uint128_t *fraction,
			 uint64_t *scale)
{
	size_t digits;

	*fraction = 0;
	*scale = 1;
	if (*at >= len_bytes || text[*at] != '.')
		return 0;
	(*at)++;
	digits = take_digits(text, len_bytes, at, fraction);
	if (digits == 0 || digits > FRACTION_DIGITS_MAX)
		return -EINVAL;
	while (digits-- > 0)
		*scale *= 10;
	return 0;
}

static const struct unit *find_unit(const struct unit *units, size_t n, const char *text,
				    size_t len_bytes)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(units[i].name) == len_bytes &&
		    memcmp(units[i].name, text, len_bytes) == 0)
			return &units[i];
	return NULL;
}

static int parse_units(const struct unit *units, size_t n, const char *text, size_t len_bytes,
		       uint64_t *value)
{
	const struct unit *unit;
	__uint128_t whole, fraction;
	uint64_t scale;
	size_t at = 0;
	size_t digits = take_digits(text, len_bytes, &at, &whole);

	if (digits == 0 || (digits > 1 && text[0] == '0') ||
	    take_fraction(text, len_bytes, &at, &fraction, &scale) < 0)
		return -EINVAL;
	unit = find_unit(units, n, text + at, len_bytes - at);
	if (unit == NULL || fraction * unit->base % scale != 0)
		return -EINVAL;
	whole = whole * unit->base + fraction * unit->base / scale;
	if (whole > UINT64_MAX)
		return -ERANGE;
	*value = (uint64_t)whole;
	return 0;
}

static int parse_hex(const char *text, size_t len_bytes, uint64_t *number)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len_bytes; i++) {
		const char *const digits = "0123456789abcdef";
		const char lower =
			(char)(text[i] >= 'A' && text[i] <= 'F' ? text[i] | 0x20 : text[i]);
		const char *digit = memchr(digits, lower, 16);

		if (digit == NULL)
			return -EINVAL;
		if (value >> 60 != 0)
			return -ERANGE;
		value = value << 4 | (uint64_t)(digit - digits);
	}
	*number = value;
	return 0;
}

int weir_parse_uint(const char *text, size_t len_bytes, uint64_t *number)
{
	__uint128_t value;
	size_t at = 0;

	if (len_bytes > 2 && text[0] == '0' && text[1] == 'x')
		return parse_hex(text + 2, len_bytes - 2, number);
	if (take_digits(text, len_bytes, &at, &value) == 0 || at < len_bytes ||
	    (len_bytes > 1 && text[0] == '0'))
		return -EINVAL;
	if (value > UINT64_MAX)
		return -ERANGE;
	*number = (uint64_t)value;
	return 0;
}

int weir_parse_size(const char *text, size_t len_bytes, uint64_t *size_bytes)
{
	return parse_units(sizes, COUNT(sizes), text, len_bytes, size_bytes);
}

int weir_parse_duration(const char *text, size_t len_bytes, uint64_t *duration_ns)
{
	if (len_bytes == 1 && text[0] == '0') {
		*duration_ns = 0;
		return 0;
	}
	return parse_units(durations, COUNT(durations), text, len_bytes, duration_ns);
}

int weir_parse_rate(const char *text, size_t len_bytes, uint64_t *per_second)
{
	return parse_units(rates, COUNT(rates), text, len_bytes, per_second);
}

/*
 * 15 digits are fewer than 2^53, and a power of ten up to 10^15 is exact too: one division, one
 * rounding. strtod() would ask the locale what a point is.
 */
int weir_parse_double(const char *text, size_t len_bytes, double *number)
{
	const bool negative = len_bytes > 0 && text[0] == '-';
	size_t at = negative;
	__uint128_t whole, fraction;
	uint64_t scale;
	size_t digits = take_digits(text, len_bytes, &at, &whole);
	double value;

	if (digits == 0 || (digits > 1 && text[negative] == '0') ||
	    take_fraction(text, len_bytes, &at, &fraction, &scale) < 0 || at < len_bytes)
		return -EINVAL;
	if (whole * scale + fraction >= UINT64_C(1000000000000000))
		return -ERANGE;
	value = (double)(uint64_t)(whole * scale + fraction) / (double)scale;
	*number = negative ? -value : value;
	return 0;
}

static const char *format_units(const struct unit *units, size_t n, uint64_t value,
				char text[WEIR_UNITS_TEXT])
{
	size_t i = 0;

	while (i + 1 < n && value % units[i].base != 0)
		i++;
	snprintf(text, WEIR_UNITS_TEXT, "%" PRIu64 "%s", value / units[i].base, units[i].name);
	return text;
}

const char *weir_format_size(uint64_t size_bytes, char text[WEIR_UNITS_TEXT])
{
	static const struct unit zero = {"", 1};

	if (size_bytes < 1024)
		return format_units(&zero, 1, size_bytes, text);
	return format_units(sizes, COUNT(sizes), size_bytes, text);
}

/* From hours down: two days read as 48h, which nobody has to look up. */
const char *weir_format_duration(uint64_t duration_ns, char text[WEIR_UNITS_TEXT])
{
	static const struct unit zero = {"s", 1};

	if (duration_ns == 0)
		return format_units(&zero, 1, 0, text);
	return format_units(durations + 1, COUNT(durations) - 1, duration_ns, text);
}

const char *weir_format_rate(uint64_t per_second, char text[WEIR_UNITS_TEXT])
{
	static const struct unit shown[] = {
		{"G/s", 1000000000}, {"M/s", 1000000}, {"k/s", 1000}, {"/s", 1}};

	if (per_second == 0)
		return format_units(&shown[3], 1, 0, text);
	return format_units(shown, COUNT(shown), per_second, text);
}

const char *weir_format_double(double number, char text[WEIR_UNITS_TEXT])
{
	for (int digits = 0; digits <= FRACTION_DIGITS_MAX; digits++) {
		double again;
		char *comma;

		snprintf(text, WEIR_UNITS_TEXT, "%.*f", digits, number);
		comma = strchr(text, ','); /* a locale's point */
		if (comma != NULL)
			*comma = '.';
		if (weir_parse_double(text, strlen(text), &again) == 0 && again == number)
			break;
	}
	return text;
}
