/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers with units between text and value. */
#include <errno.h>
#include <string.h>
#include <weir/units.h>

#include "test.h"

typedef int parse_fn(const char *text, size_t len_bytes, uint64_t *value);

/* The value, or the error as a number that no test uses. */
#define ERROR(rc) (UINT64_MAX - 1000 + (uint64_t)(-(rc)))

static uint64_t value(parse_fn *parse, const char *text)
{
	uint64_t v = 4711;
	const int rc = parse(text, strlen(text), &v);

	if (rc < 0)
		CU_ASSERT_EQUAL(v, 4711); /* untouched */
	return rc < 0 ? ERROR(rc) : v;
}

static void test_sizes_count_by_1024(void)
{
	CU_ASSERT_EQUAL(value(weir_parse_size, "0"), 0);
	CU_ASSERT_EQUAL(value(weir_parse_size, "512"), 512);
	CU_ASSERT_EQUAL(value(weir_parse_size, "512B"), 512);
	CU_ASSERT_EQUAL(value(weir_parse_size, "64KiB"), 65536);
	CU_ASSERT_EQUAL(value(weir_parse_size, "2MiB"), 2097152);
	CU_ASSERT_EQUAL(value(weir_parse_size, "1GiB"), 1073741824);
	CU_ASSERT_EQUAL(value(weir_parse_size, "3TiB"), UINT64_C(3) << 40);
	CU_ASSERT_EQUAL(value(weir_parse_size, "1.5KiB"), 1536);
}

static void test_durations_are_in_nanoseconds(void)
{
	CU_ASSERT_EQUAL(value(weir_parse_duration, "0"), 0);
	CU_ASSERT_EQUAL(value(weir_parse_duration, "7ns"), 7);
	CU_ASSERT_EQUAL(value(weir_parse_duration, "100us"), 100000);
	CU_ASSERT_EQUAL(value(weir_parse_duration, "5ms"), 5000000);
	CU_ASSERT_EQUAL(value(weir_parse_duration, "10s"), UINT64_C(10000000000));
	CU_ASSERT_EQUAL(value(weir_parse_duration, "0.25s"), 250000000);
	CU_ASSERT_EQUAL(value(weir_parse_duration, "2m"), UINT64_C(120000000000));
	CU_ASSERT_EQUAL(value(weir_parse_duration, "1h"), UINT64_C(3600000000000));
	CU_ASSERT_EQUAL(value(weir_parse_duration, "1d"), UINT64_C(86400000000000));
}

static void test_rates_are_per_second(void)
{
	CU_ASSERT_EQUAL(value(weir_parse_rate, "5"), 5);
	CU_ASSERT_EQUAL(value(weir_parse_rate, "5/s"), 5);
	CU_ASSERT_EQUAL(value(weir_parse_rate, "9pps"), 9);
	CU_ASSERT_EQUAL(value(weir_parse_rate, "100kpps"), 100000);
	CU_ASSERT_EQUAL(value(weir_parse_rate, "14.88Mpps"), 14880000);
	CU_ASSERT_EQUAL(value(weir_parse_rate, "1Gpps"), 1000000000);
	CU_ASSERT_EQUAL(value(weir_parse_rate, "3k/s"), 3000);
}

static void test_what_is_not_a_number_with_a_unit_is_refused(void)
{
	static const char *const texts[] = {"",
					    "KiB",
					    "-1",
					    "+1",
					    " 1",
					    "1 ",
					    "1 KiB",
					    "1kib",
					    "1KB",
					    "1.KiB",
					    ".5KiB",
					    "1.5",
					    "1.5B",
					    "01KiB",
					    "1e3",
					    "1KiBx",
					    "0x10KiB",
					    "1,5KiB",
					    "1.0000000000000KiB"};

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		CU_ASSERT_EQUAL(value(weir_parse_size, texts[i]), ERROR(-EINVAL));
	CU_ASSERT_EQUAL(value(weir_parse_duration, "10"), ERROR(-EINVAL));
	CU_ASSERT_EQUAL(value(weir_parse_duration, "0.5ns"), ERROR(-EINVAL));
	CU_ASSERT_EQUAL(value(weir_parse_duration, "10S"), ERROR(-EINVAL));
	CU_ASSERT_EQUAL(value(weir_parse_rate, "1mpps"), ERROR(-EINVAL));
	CU_ASSERT_EQUAL(value(weir_parse_rate, "1bps"), ERROR(-EINVAL));
	CU_ASSERT_EQUAL(value(weir_parse_uint, "1.0"), ERROR(-EINVAL));
	CU_ASSERT_EQUAL(value(weir_parse_uint, "010"), ERROR(-EINVAL));
	CU_ASSERT_EQUAL(value(weir_parse_uint, "0x"), ERROR(-EINVAL));
	CU_ASSERT_EQUAL(value(weir_parse_uint, "0xg"), ERROR(-EINVAL));
}

static void test_what_does_not_fit_in_64_bits_is_out_of_range(void)
{
	CU_ASSERT_EQUAL(value(weir_parse_uint, "18446744073709551615"), UINT64_MAX);
	CU_ASSERT_EQUAL(value(weir_parse_uint, "18446744073709551616"), ERROR(-ERANGE));
	CU_ASSERT_EQUAL(value(weir_parse_uint, "0xffffffffffffFFFF"), UINT64_MAX);
	CU_ASSERT_EQUAL(value(weir_parse_uint, "0x10000000000000000"), ERROR(-ERANGE));
	CU_ASSERT_EQUAL(value(weir_parse_size, "16777215TiB"), UINT64_C(16777215) << 40);
	CU_ASSERT_EQUAL(value(weir_parse_size, "16777216TiB"), ERROR(-ERANGE));
	CU_ASSERT_EQUAL(value(weir_parse_duration, "999999999999999999999999999999999999999999s"),
			ERROR(-ERANGE));
	CU_ASSERT_EQUAL(value(weir_parse_rate, "18446744073709551615.5k/s"), ERROR(-ERANGE));
}

static void test_fractions_are_read_whatever_the_locale_says(void)
{
	double d = 1;

	CU_ASSERT_EQUAL(weir_parse_double("0.25", 4, &d), 0);
	CU_ASSERT_EQUAL(d, 0.25);
	CU_ASSERT_EQUAL(weir_parse_double("-12.5", 5, &d), 0);
	CU_ASSERT_EQUAL(d, -12.5);
	CU_ASSERT_EQUAL(weir_parse_double("0.1", 3, &d), 0);
	CU_ASSERT_EQUAL(d, 0.1);
	CU_ASSERT_EQUAL(weir_parse_double("999999999999999", 15, &d), 0);
	CU_ASSERT_EQUAL(d, 999999999999999.0);
	CU_ASSERT_EQUAL(weir_parse_double("1000000000000000", 16, &d), -ERANGE);
	CU_ASSERT_EQUAL(weir_parse_double("1e3", 3, &d), -EINVAL);
	CU_ASSERT_EQUAL(weir_parse_double("nan", 3, &d), -EINVAL);
	CU_ASSERT_EQUAL(weir_parse_double("-", 1, &d), -EINVAL);
	CU_ASSERT_EQUAL(weir_parse_double("1.", 2, &d), -EINVAL);
	CU_ASSERT_EQUAL(weir_parse_double("", 0, &d), -EINVAL);
	CU_ASSERT_EQUAL(d, 999999999999999.0);
}

static void test_values_are_written_in_the_largest_unit_that_divides(void)
{
	char t[WEIR_UNITS_TEXT];

	CU_ASSERT_STRING_EQUAL(weir_format_size(0, t), "0");
	CU_ASSERT_STRING_EQUAL(weir_format_size(1000, t), "1000");
	CU_ASSERT_STRING_EQUAL(weir_format_size(1025, t), "1025B");
	CU_ASSERT_STRING_EQUAL(weir_format_size(65536, t), "64KiB");
	CU_ASSERT_STRING_EQUAL(weir_format_size(UINT64_C(1) << 30, t), "1GiB");
	CU_ASSERT_STRING_EQUAL(weir_format_duration(0, t), "0s");
	CU_ASSERT_STRING_EQUAL(weir_format_duration(1500000, t), "1500us");
	CU_ASSERT_STRING_EQUAL(weir_format_duration(UINT64_C(90000000000), t), "90s");
	CU_ASSERT_STRING_EQUAL(weir_format_duration(UINT64_C(172800000000000), t), "48h");
	CU_ASSERT_STRING_EQUAL(weir_format_rate(0, t), "0/s");
	CU_ASSERT_STRING_EQUAL(weir_format_rate(14880000, t), "14880k/s");
	CU_ASSERT_STRING_EQUAL(weir_format_rate(1000000, t), "1M/s");
	CU_ASSERT_STRING_EQUAL(weir_format_double(0.25, t), "0.25");
	CU_ASSERT_STRING_EQUAL(weir_format_double(-3, t), "-3");
	CU_ASSERT_STRING_EQUAL(weir_format_double(123456789.123456, t), "123456789.123456");
	CU_ASSERT_STRING_EQUAL(weir_format_double(0.1, t), "0.1");
}

static void test_what_is_written_reads_as_the_same_value(void)
{
	char t[WEIR_UNITS_TEXT];

	for (uint64_t v = 1; v < UINT64_MAX / 7; v = v * 3 + v % 5) {
		CU_ASSERT_EQUAL(value(weir_parse_size, weir_format_size(v, t)), v);
		CU_ASSERT_EQUAL(value(weir_parse_duration, weir_format_duration(v, t)), v);
		CU_ASSERT_EQUAL(value(weir_parse_rate, weir_format_rate(v, t)), v);
	}
	CU_ASSERT_EQUAL(value(weir_parse_size, weir_format_size(UINT64_MAX, t)), UINT64_MAX);
	CU_ASSERT_EQUAL(value(weir_parse_duration, weir_format_duration(UINT64_MAX, t)),
			UINT64_MAX);
}

WEIR_TESTS("base/units", TEST(sizes_count_by_1024), TEST(durations_are_in_nanoseconds),
	   TEST(rates_are_per_second), TEST(what_is_not_a_number_with_a_unit_is_refused),
	   TEST(what_does_not_fit_in_64_bits_is_out_of_range),
	   TEST(fractions_are_read_whatever_the_locale_says),
	   TEST(values_are_written_in_the_largest_unit_that_divides),
	   TEST(what_is_written_reads_as_the_same_value))
