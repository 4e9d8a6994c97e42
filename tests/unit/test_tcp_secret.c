/* SPDX-License-Identifier: BSD-3-Clause */

/* Numbers that nobody guesses: each end counts, and what a SYN cookie keeps comes back. */

#include "tcp/tcp_priv.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

#define RUNS 5000
#define S    UINT64_C(1000000000)

static const struct weir_siphash_key key = {.k0 = 11, .k1 = 22}, other_key = {.k0 = 11, .k1 = 23};

static struct ends random_ends(void)
{
	uint8_t bytes[sizeof(struct ends)];
	struct ends e;

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)random();
	memcpy(&e, bytes, sizeof(e));
	return e;
}

static struct ends but_for(const struct ends *e, unsigned byte)
{
	struct ends other = *e;

	((uint8_t *)&other)[byte] ^= (uint8_t)(1 + random() % 255);
	return other;
}

/* As IPv4 has them. */
static struct ends short_ends(void)
{
	struct ends e = random_ends();

	memset(e.ours + 4, 0, sizeof(e.ours) - 4);
	memset(e.peer + 4, 0, sizeof(e.peer) - 4);
	return e;
}

static void test_each_byte_of_the_ends_counts(void)
{
	srandom(1);
	for (unsigned i = 0; i < 2 * sizeof(struct ends); i++) {
		const unsigned byte = i / 2;
		const struct ends e = i % 2 == 0 ? random_ends() : short_ends();
		const struct ends o = but_for(&e, byte);

		CU_ASSERT_NOT_EQUAL(ends_hash(&key, &e), ends_hash(&key, &o));
		CU_ASSERT_NOT_EQUAL(tcp_isn(&key, &e, 0), tcp_isn(&key, &o, 0));
		CU_ASSERT_NOT_EQUAL(tcp_ts_offset(&key, &e), tcp_ts_offset(&key, &o));
	}
}

static void test_the_secret_counts_and_each_use_has_its_own_numbers(void)
{
	const struct ends e = random_ends();

	CU_ASSERT_EQUAL(ends_hash(&key, &e), ends_hash(&key, &e));
	CU_ASSERT_NOT_EQUAL(ends_hash(&key, &e), ends_hash(&other_key, &e));
	CU_ASSERT_NOT_EQUAL(tcp_isn(&key, &e, 0), tcp_isn(&other_key, &e, 0));
	CU_ASSERT_NOT_EQUAL(tcp_ts_offset(&key, &e), tcp_ts_offset(&other_key, &e));
	CU_ASSERT_NOT_EQUAL(fastopen_cookie(&key, &e, 7), fastopen_cookie(&other_key, &e, 7));
	CU_ASSERT_NOT_EQUAL(tcp_isn(&key, &e, 0), tcp_ts_offset(&key, &e));
}

static void test_the_hash_is_siphash_1_3_of_the_ends(void)
{
	srandom(2);
	for (unsigned i = 0; i < RUNS; i++) {
		const struct ends e = random_ends();
		uint8_t bytes[40] = {0};

		memcpy(bytes, &e, sizeof(e));
		CU_ASSERT_EQUAL(ends_hash(&key, &e),
				(uint32_t)weir_siphash13(&key, bytes, sizeof(bytes)));
	}
}

static void test_of_ipv4_it_is_of_two_words(void)
{
	srandom(3);
	for (unsigned i = 0; i < RUNS; i++) {
		const struct ends e = short_ends();
		uint8_t bytes[16] = {0};

		memcpy(bytes, e.ours, 4);
		memcpy(bytes + 4, e.peer, 4);
		memcpy(bytes + 8, &e.our_port, 4);
		CU_ASSERT_EQUAL(ends_hash(&key, &e),
				(uint32_t)weir_siphash13(&key, bytes, sizeof(bytes)));
	}
}

static void test_an_isn_grows_by_one_in_4_us(void)
{
	const struct ends e = random_ends();
	const uint32_t isn = tcp_isn(&key, &e, 0);

	CU_ASSERT_EQUAL(tcp_isn(&key, &e, 3999), isn);
	CU_ASSERT_EQUAL(tcp_isn(&key, &e, 4000), isn + 1);
	CU_ASSERT_EQUAL(tcp_isn(&key, &e, S), isn + 250000);
	/* Round once in 4.77 hours. */
	CU_ASSERT_EQUAL(tcp_isn(&key, &e, UINT64_C(4000) << 32), isn);
}

static void test_a_fast_open_cookie_is_for_a_peers_address_and_an_hour(void)
{
	struct ends e = random_ends(), o;

	CU_ASSERT_NOT_EQUAL(fastopen_cookie(&key, &e, 7), fastopen_cookie(&key, &e, 8));
	for (unsigned byte = 0; byte < sizeof(e); byte++) {
		const bool is_peer = byte >= offsetof(struct ends, peer) &&
				     byte < offsetof(struct ends, our_port);

		o = but_for(&e, byte);
		CU_ASSERT_EQUAL(fastopen_cookie(&key, &e, 7) != fastopen_cookie(&key, &o, 7),
				is_peer);
	}
}

static void test_a_syn_cookie_comes_back(void)
{
	srandom(3);
	for (unsigned i = 0; i < RUNS; i++) {
		const uint64_t now_ns = (uint64_t)random() << 20;
		const struct ends e = random_ends();
		const uint32_t isn = (uint32_t)random() << 1;
		const struct cookie c = {.mss = 1460};
		const uint32_t iss = cookie_make(&key, &e, isn, &c, now_ns);
		struct cookie back = {.sack = true, .ecn = true};

		CU_ASSERT_TRUE(cookie_read(&key, &e, isn + 1, iss + 1,
					   now_ns + (uint64_t)random() % 64 * S, &back));
		CU_ASSERT(back.mss == 1460 && back.scale == 15 && !back.sack && !back.ecn);
	}
}

static void test_a_syn_cookie_is_good_for_one_connection_alone(void)
{
	srandom(4);
	for (unsigned i = 0; i < RUNS; i++) {
		const struct ends e = random_ends(), o = but_for(&e, (unsigned)random() % 36);
		const struct cookie c = {.mss = (uint16_t)random()};
		const uint32_t iss = cookie_make(&key, &e, 9, &c, 0);
		struct cookie back;

		CU_ASSERT_TRUE(cookie_read(&key, &e, 10, iss + 1, 0, &back));
		CU_ASSERT_FALSE(cookie_read(&key, &o, 10, iss + 1, 0, &back));
		CU_ASSERT_FALSE(cookie_read(&key, &e, 11, iss + 1, 0, &back));
		CU_ASSERT_FALSE(cookie_read(&key, &e, 10, iss + 2, 0, &back));
		CU_ASSERT_FALSE(cookie_read(&other_key, &e, 10, iss + 1, 0, &back));
	}
}

static void test_a_syn_cookie_is_good_for_one_to_two_minutes(void)
{
	const struct ends e = random_ends();
	const struct cookie c = {.mss = 536};
	const uint32_t early = cookie_make(&key, &e, 9, &c, 640 * S);
	const uint32_t late = cookie_make(&key, &e, 9, &c, 703 * S);
	struct cookie back;

	CU_ASSERT_TRUE(cookie_read(&key, &e, 10, early + 1, 767 * S, &back));
	CU_ASSERT_FALSE(cookie_read(&key, &e, 10, early + 1, 768 * S, &back));
	CU_ASSERT_TRUE(cookie_read(&key, &e, 10, late + 1, 767 * S, &back));
	CU_ASSERT_FALSE(cookie_read(&key, &e, 10, late + 1, 768 * S, &back));
	CU_ASSERT_FALSE(cookie_read(&key, &e, 10, early + 1, 639 * S, &back));
}

static void test_the_mss_is_rounded_down(void)
{
	const struct ends e = random_ends();

	for (uint32_t mss = 0; mss <= UINT16_MAX; mss += 7) {
		const struct cookie c = {.mss = (uint16_t)mss};
		struct cookie back;

		CU_ASSERT_TRUE(
			cookie_read(&key, &e, 1, cookie_make(&key, &e, 0, &c, 0) + 1, 0, &back));
		CU_ASSERT(back.mss <= mss || back.mss == 216);
		CU_ASSERT(mss < 1460 || back.mss >= 1460);
	}
}

static void test_a_stamp_keeps_the_rest_and_never_runs_ahead(void)
{
	srandom(5);
	for (unsigned i = 0; i < RUNS; i++) {
		const uint32_t stamp = i < 200 ? i - 100 : (uint32_t)random() << 1;
		const struct cookie c = {.scale = (uint8_t)(random() % 16),
					 .sack = random() & 1,
					 .ecn = random() & 1};
		const uint32_t kept = cookie_stamp(stamp, &c);
		struct cookie back = {.mss = 1};

		cookie_read_stamp(kept, &back);
		CU_ASSERT(back.scale == c.scale && back.sack == c.sack && back.ecn == c.ecn);
		CU_ASSERT_EQUAL(back.mss, 1);
		CU_ASSERT(stamp - kept < 64);
		CU_ASSERT(seq_lt(kept, cookie_stamp(stamp + 64, &c)));
	}
}

WEIR_TESTS("tcp/tcp_secret", TEST(each_byte_of_the_ends_counts),
	   TEST(the_secret_counts_and_each_use_has_its_own_numbers),
	   TEST(the_hash_is_siphash_1_3_of_the_ends), TEST(of_ipv4_it_is_of_two_words),
	   TEST(an_isn_grows_by_one_in_4_us),
	   TEST(a_fast_open_cookie_is_for_a_peers_address_and_an_hour),
	   TEST(a_syn_cookie_comes_back), TEST(a_syn_cookie_is_good_for_one_connection_alone),
	   TEST(a_syn_cookie_is_good_for_one_to_two_minutes), TEST(the_mss_is_rounded_down),
	   TEST(a_stamp_keeps_the_rest_and_never_runs_ahead))
