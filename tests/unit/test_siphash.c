/* SPDX-License-Identifier: BSD-3-Clause */
/* The authors' vectors: key 00 01 .. 0f, message 00 01 .. of each length. */
#include "test.h"

#include <endian.h>
#include <string.h>
#include <weir/siphash.h>

#include "siphash_vectors.h"

static struct weir_siphash_key counting_key(void)
{
	uint8_t bytes[16];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	return weir_siphash_key(bytes);
}

static void test_the_official_vectors_of_siphash_2_4(void)
{
	const struct weir_siphash_key key = counting_key();
	uint8_t message[64];

	for (unsigned n = 0; n < 64; n++) {
		message[n] = (uint8_t)n;
		CU_ASSERT_EQUAL(weir_siphash24(&key, message, n), siphash24_vectors[n]);
	}
}

static void test_the_vectors_of_siphash_1_3(void)
{
	const struct weir_siphash_key key = counting_key();
	uint8_t message[64];

	for (unsigned n = 0; n < 64; n++) {
		message[n] = (uint8_t)n;
		CU_ASSERT_EQUAL(weir_siphash13(&key, message, n), siphash13_vectors[n]);
	}
}

static void test_the_inlined_forms_hash_the_same_bytes(void)
{
	const struct weir_siphash_key key = {UINT64_C(0x0123456789abcdef), 42};

	for (uint64_t i = 0; i < 1000; i++) {
		const uint64_t a = i * UINT64_C(0x9e3779b97f4a7c15), b = ~a, c = a << 7;
		const uint64_t words[] = {htole64(a), htole64(b), htole64(c)};

		CU_ASSERT_EQUAL(weir_siphash13_u64(&key, a), weir_siphash13(&key, words, 8));
		CU_ASSERT_EQUAL(weir_siphash13_u64x2(&key, a, b), weir_siphash13(&key, words, 16));
		CU_ASSERT_EQUAL(weir_siphash13_u64x3(&key, a, b, c),
				weir_siphash13(&key, words, 24));
	}
}

static void test_messages_may_lie_at_any_address(void)
{
	const struct weir_siphash_key key = counting_key();
	uint8_t buf[64 + 8];

	for (unsigned at = 0; at < 8; at++) {
		for (unsigned i = 0; i < 63; i++)
			buf[at + i] = (uint8_t)i;
		CU_ASSERT_EQUAL(weir_siphash24(&key, buf + at, 63), siphash24_vectors[63]);
	}
}

WEIR_TESTS("base/siphash", TEST(the_official_vectors_of_siphash_2_4),
	   TEST(the_vectors_of_siphash_1_3), TEST(the_inlined_forms_hash_the_same_bytes),
	   TEST(messages_may_lie_at_any_address))
