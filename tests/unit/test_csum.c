/* SPDX-License-Identifier: BSD-3-Clause */
/* The checksum beside the plainest one that RFC 1071 allows. */
#include "test.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <weir/csum.h>

#define BYTES_MAX 2100

static uint64_t rng = 1;

static uint32_t random32(void)
{
	rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(rng >> 32);
}

static void fill(uint8_t *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		p[i] = (uint8_t)random32();
}

/* Word by word, the high byte first, in the words of RFC 1071 section 1. */
static uint16_t plain(const uint8_t *p, size_t bytes)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < bytes; i++)
		sum += i & 1 ? p[i] : (uint64_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void test_the_example_of_rfc_1071(void)
{
	const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

	CU_ASSERT_EQUAL(weir_csum_fold(weir_csum_sum(data, sizeof(data))), htons(0xddf2));
	CU_ASSERT_EQUAL(weir_csum(data, sizeof(data)), htons(0x220d));
	CU_ASSERT_EQUAL(weir_csum(data, 0), 0xffff);
}

static void test_every_length_at_every_alignment(void)
{
	static uint8_t buf[BYTES_MAX + 16];
	unsigned wrong = 0;

	fill(buf, sizeof(buf));
	for (size_t at = 0; at < 16; at++) {
		for (size_t bytes = 0; bytes <= BYTES_MAX; bytes++) {
			/* Exactly its own memory, so that ASan sees a byte too many. */
			wrong += weir_csum(buf + at, bytes) != plain(buf + at, bytes);
		}
	}
	for (size_t bytes = 1; bytes < 100; bytes++) {
		uint8_t *exact = malloc(bytes);

		CU_ASSERT_PTR_NOT_NULL_FATAL(exact);
		memcpy(exact, buf, bytes);
		wrong += weir_csum(exact, bytes) != plain(buf, bytes);
		free(exact);
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

static void test_the_largest_bytes_do_not_overflow(void)
{
	static uint8_t buf[1 << 20];

	memset(buf, 0xff, sizeof(buf));
	for (size_t bytes = sizeof(buf) - 70; bytes <= sizeof(buf); bytes++)
		CU_ASSERT_EQUAL(weir_csum(buf, bytes), plain(buf, bytes));
}

static void test_parts_cut_anywhere_add_up(void)
{
	uint8_t buf[120];
	unsigned wrong = 0;

	fill(buf, sizeof(buf));
	for (size_t a = 0; a <= sizeof(buf); a++) {
		for (size_t b = a; b <= sizeof(buf); b++) {
			uint32_t sum = weir_csum_sum(buf, a);

			sum = weir_csum_add(sum, weir_csum_at(weir_csum_sum(buf + a, b - a), a));
			sum = weir_csum_add(
				sum, weir_csum_at(weir_csum_sum(buf + b, sizeof(buf) - b), b));
			wrong += weir_csum_finish(sum) != plain(buf, sizeof(buf));
		}
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

static void test_pseudo_headers_count_as_if_they_were_there(void)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < 100000; i++) {
		uint8_t v4[12], v6[40];
		uint32_t src, dst;
		const uint8_t proto = (uint8_t)random32();
		const uint32_t l4_bytes = random32() & 0xffff;

		fill(v4, 8);
		memcpy(&src, v4, 4);
		memcpy(&dst, v4 + 4, 4);
		v4[8] = 0;
		v4[9] = proto;
		v4[10] = (uint8_t)(l4_bytes >> 8);
		v4[11] = (uint8_t)l4_bytes;
		wrong += weir_csum_finish(weir_csum_pseudo4(src, dst, proto, l4_bytes)) !=
			 plain(v4, sizeof(v4));
		fill(v6, 32);
		memset(v6 + 32, 0, 8);
		memcpy(v6 + 32, &(uint32_t){htonl(l4_bytes)}, 4);
		v6[39] = proto;
		wrong += weir_csum_finish(weir_csum_pseudo6(v6, v6 + 16, proto, l4_bytes)) !=
			 plain(v6, sizeof(v6));
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

/* A packet whose words are mostly 0 and ffff, where the two zeros of one's complement meet. */
static void fill_edgy(uint8_t *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 2) {
		const uint32_t r = random32();

		memset(p + i, r & 1 ? 0xff : 0, 2);
		if ((r & 0xf0) == 0)
			fill(p + i, 2);
	}
	p[1] |= 1; /* no header is all zeros */
}

/* The checksum after a field of 2, 4, 8 or 16 bytes changed. */
static uint16_t updated(uint16_t csum, const uint8_t *was, const uint8_t *is, size_t width)
{
	uint32_t old[4] = {0}, fresh[4] = {0};
	uint16_t old16, fresh16;

	memcpy(old, was, width);
	memcpy(fresh, is, width);
	memcpy(&old16, was, 2);
	memcpy(&fresh16, is, 2);
	switch (width) {
	case 2:
		return weir_csum_update16(csum, old16, fresh16);
	case 4:
		return weir_csum_update32(csum, old[0], fresh[0]);
	case 8:
		return weir_csum_apply(csum, weir_csum_add(weir_csum_change32(old[0], fresh[0]),
							   weir_csum_change32(old[1], fresh[1])));
	default:
		return weir_csum_update128(csum, was, is);
	}
}

static void test_a_changed_field_gives_the_checksum_computed_anew(void)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < 1000000; i++) {
		uint8_t was[40], is[40];
		const size_t width = (size_t)1 << (1 + random32() % 4);
		const size_t at = 2 + 2 * (random32() % ((sizeof(was) - 2 - width) / 2 + 1));
		uint16_t csum, expected, got;

		if (i & 1)
			fill_edgy(was, sizeof(was));
		else
			fill(was, sizeof(was));
		was[0] |= 1;
		memcpy(is, was, sizeof(is));
		if (i & 2)
			fill(is + at, width);
		else
			memset(is + at, i & 4 ? 0xff : 0, width);
		csum = plain(was, sizeof(was));
		expected = plain(is, sizeof(is));
		got = updated(csum, was + at, is + at, width);
		wrong += got != expected;
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

static void test_the_example_of_rfc_1624(void)
{
	/* Section 4: HC = 0xDD2F, m = 0x5555, m' = 0x3285 gives 0x0000, not 0xFFFF. */
	CU_ASSERT_EQUAL(weir_csum_update16(0xdd2f, 0x5555, 0x3285), 0x0000);
}

static void test_every_checksum_survives_every_change_that_leaves_it_the_same(void)
{
	unsigned wrong = 0;

	for (uint32_t csum = 0; csum < 0xffff; csum++)
		wrong += weir_csum_update16((uint16_t)csum, 0x1234, 0x1234) != csum;
	CU_ASSERT_EQUAL(wrong, 0);
}

static void test_changes_of_several_fields_add_up(void)
{
	uint8_t was[20], is[20];
	uint32_t a[2], b[2], change;

	fill(was, sizeof(was));
	memcpy(is, was, sizeof(is));
	fill(is + 8, 8);
	memcpy(a, was + 8, 8);
	memcpy(b, is + 8, 8);
	change = weir_csum_add(weir_csum_change32(a[0], b[0]), weir_csum_change32(a[1], b[1]));
	CU_ASSERT_EQUAL(weir_csum_apply(plain(was, 20), change), plain(is, 20));
}

static void test_udp_never_sends_zero_and_leaves_none_alone(void)
{
	CU_ASSERT_EQUAL(weir_csum_udp(0), 0xffff);
	CU_ASSERT_EQUAL(weir_csum_udp(0x1234), 0x1234);
	CU_ASSERT_EQUAL(weir_csum_udp_apply(0, weir_csum_change16(1, 2)), 0);
	CU_ASSERT_EQUAL(weir_csum_udp_apply(0xdd2f, weir_csum_change16(0x5555, 0x3285)), 0xffff);
	/* All ones stood for 0: after a change that changes nothing it still does. */
	CU_ASSERT_EQUAL(weir_csum_udp_apply(0xffff, weir_csum_change16(7, 7)), 0xffff);
}

WEIR_TESTS("base/csum", TEST(the_example_of_rfc_1071), TEST(every_length_at_every_alignment),
	   TEST(the_largest_bytes_do_not_overflow), TEST(parts_cut_anywhere_add_up),
	   TEST(pseudo_headers_count_as_if_they_were_there),
	   TEST(a_changed_field_gives_the_checksum_computed_anew), TEST(the_example_of_rfc_1624),
	   TEST(every_checksum_survives_every_change_that_leaves_it_the_same),
	   TEST(changes_of_several_fields_add_up), TEST(udp_never_sends_zero_and_leaves_none_alone))
