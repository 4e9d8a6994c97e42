/* SPDX-License-Identifier: BSD-3-Clause */

/* SYN cookies: what was kept comes back, and nothing else is believed. */

#include "syn_cookie.c"
#include "test.h"

#include <netinet/in.h>
#include <stdlib.h>

#define RUNS 20000

static const struct weir_siphash_key secret = {.k0 = 11, .k1 = 22};

static struct weir_syn_cookies cookies_at(uint64_t now_ns)
{
	return weir_syn_cookies_at(&secret, now_ns);
}

static struct weir_tuple random_tuple(void)
{
	struct weir_tuple t = {.proto = IPPROTO_TCP, .family = random() % 2 ? 4 : 6};
	const size_t n = t.family == 4 ? 4 : 16;

	for (size_t i = 0; i < n; i++) {
		t.src[i] = (uint8_t)random();
		t.dst[i] = (uint8_t)random();
	}
	t.sport = (uint16_t)random();
	t.dport = (uint16_t)random();
	return t;
}

/* The largest class that is not above an MSS. */
static uint16_t rounded(uint16_t mss)
{
	uint16_t best = mss_of_class[0];

	for (unsigned i = 0; i < WEIR_SYN_MSS_CLASSES; i++)
		if (mss_of_class[i] <= mss)
			best = mss_of_class[i];
	return best;
}

static void test_a_cookie_comes_back_with_its_mss(void)
{
	srandom(1);
	for (unsigned i = 0; i < RUNS; i++) {
		const uint64_t sent_ns = (uint64_t)random() << 20;
		struct weir_syn_cookies c = cookies_at(sent_ns);
		const struct weir_tuple t = random_tuple();
		const uint32_t seq = (uint32_t)random() << 1;
		const uint16_t offered = (uint16_t)random();
		const uint32_t cookie = weir_syn_cookie_make(&c, &t, seq, offered);
		uint16_t mss = 0;

		c = cookies_at(sent_ns + (uint64_t)random() % WEIR_SYN_EPOCH_NS);
		CU_ASSERT_EQUAL(weir_syn_cookie_check(&c, &t, seq, cookie, &mss),
				WEIR_SYN_COOKIE_GOOD);
		CU_ASSERT_EQUAL(mss, rounded(offered));
		CU_ASSERT_EQUAL(mss, weir_syn_cookie_mss(cookie));
	}
}

static void test_every_mss_class_is_kept(void)
{
	const struct weir_syn_cookies c = cookies_at(0);
	const struct weir_tuple t = random_tuple();

	for (unsigned i = 0; i < WEIR_SYN_MSS_CLASSES; i++) {
		const uint16_t mss = mss_of_class[i];

		CU_ASSERT_EQUAL(weir_syn_cookie_mss(weir_syn_cookie_make(&c, &t, 1, mss)), mss);
		CU_ASSERT_EQUAL(weir_syn_cookie_mss(weir_syn_cookie_make(&c, &t, 1, mss + 1)), mss);
		if (i > 0)
			CU_ASSERT_EQUAL(
				weir_syn_cookie_mss(weir_syn_cookie_make(&c, &t, 1, mss - 1)),
				mss_of_class[i - 1]);
	}
	CU_ASSERT_EQUAL(weir_syn_cookie_mss(weir_syn_cookie_make(&c, &t, 1, 0)), mss_of_class[0]);
}

static void test_a_cookie_is_good_for_one_connection_alone(void)
{
	const struct weir_syn_cookies c = cookies_at(WEIR_SYN_EPOCH_NS);
	uint16_t mss = 0;

	srandom(2);
	for (unsigned i = 0; i < RUNS; i++) {
		const struct weir_tuple t = random_tuple();
		const uint32_t seq = (uint32_t)random();
		const uint32_t cookie = weir_syn_cookie_make(&c, &t, seq, 1460);
		struct weir_tuple other = t;
		const size_t byte = (size_t)random() % sizeof(t);

		((uint8_t *)&other)[byte] ^= (uint8_t)(1 + random() % 255);
		CU_ASSERT_EQUAL(weir_syn_cookie_check(&c, &other, seq, cookie, &mss),
				WEIR_SYN_COOKIE_WRONG);
		CU_ASSERT_EQUAL(weir_syn_cookie_check(&c, &t, seq + 1, cookie, &mss),
				WEIR_SYN_COOKIE_WRONG);
		CU_ASSERT_EQUAL(weir_syn_cookie_check(&c, &t, seq,
						      cookie ^ UINT32_C(1) << random() % 32, &mss),
				WEIR_SYN_COOKIE_WRONG);
	}
	CU_ASSERT_EQUAL(mss, 0);
}

static void test_a_cookie_is_good_for_two_epochs_and_known_for_two_more(void)
{
	static const enum weir_syn_cookie want[] = {WEIR_SYN_COOKIE_GOOD,  WEIR_SYN_COOKIE_GOOD,
						    WEIR_SYN_COOKIE_STALE, WEIR_SYN_COOKIE_STALE,
						    WEIR_SYN_COOKIE_WRONG, WEIR_SYN_COOKIE_WRONG};
	const uint64_t first[] = {0, 1, 7, 1000000};

	for (unsigned i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		const struct weir_tuple t = random_tuple();
		struct weir_syn_cookies c = cookies_at(first[i] * WEIR_SYN_EPOCH_NS);
		const uint32_t cookie = weir_syn_cookie_make(&c, &t, 5, 1460);
		uint16_t mss;

		for (unsigned age = 0; age < sizeof(want) / sizeof(want[0]); age++) {
			c = cookies_at((first[i] + age) * WEIR_SYN_EPOCH_NS);
			CU_ASSERT_EQUAL(weir_syn_cookie_check(&c, &t, 5, cookie, &mss), want[age]);
		}
	}
}

static void test_workers_with_one_secret_know_each_others_cookies(void)
{
	const struct weir_siphash_key other = {.k0 = 11, .k1 = 23};
	const struct weir_syn_cookies one = cookies_at(9 * WEIR_SYN_EPOCH_NS);
	const struct weir_syn_cookies stranger = weir_syn_cookies_at(&other, 9 * WEIR_SYN_EPOCH_NS);
	struct weir_syn_cookies two = cookies_at(8 * WEIR_SYN_EPOCH_NS);
	const struct weir_tuple t = random_tuple();
	const uint32_t cookie = weir_syn_cookie_make(&one, &t, 5, 1460);
	uint16_t mss;

	two = cookies_at(9 * WEIR_SYN_EPOCH_NS + 1);
	CU_ASSERT_EQUAL(weir_syn_cookie_check(&two, &t, 5, cookie, &mss), WEIR_SYN_COOKIE_GOOD);
	CU_ASSERT_EQUAL(weir_syn_cookie_check(&stranger, &t, 5, cookie, &mss),
			WEIR_SYN_COOKIE_WRONG);
}

static void test_guesses_are_wrong(void)
{
	const struct weir_syn_cookies c = cookies_at(3 * WEIR_SYN_EPOCH_NS);
	const struct weir_tuple t = random_tuple();
	unsigned good = 0;
	uint16_t mss;

	srandom(3);
	for (unsigned i = 0; i < 10 * RUNS; i++)
		good += weir_syn_cookie_check(&c, &t, 5,
					      (uint32_t)random() << 1 ^ (uint32_t)random(),
					      &mss) != WEIR_SYN_COOKIE_WRONG;
	CU_ASSERT_EQUAL(good, 0); /* each with 2^-27 */
}

static void test_a_timestamp_keeps_the_other_options(void)
{
	const uint32_t ticks = 123456789;

	for (unsigned bits = 0; bits < 64; bits++) {
		const struct weir_syn_offer o = {.wscale = bits & 15,
						 .sack = bits & 16,
						 .ecn = bits & 32,
						 .timestamps = true};
		struct weir_syn_offer back = {0};
		const uint32_t stamp = weir_syn_stamp_make(&o, ticks);

		weir_syn_stamp_read(stamp, &back);
		CU_ASSERT(back.wscale == o.wscale && back.sack == o.sack && back.ecn == o.ecn);
		CU_ASSERT_EQUAL(stamp & ~STAMP_MASK, ticks & ~STAMP_MASK);
		CU_ASSERT(weir_syn_stamp_make(&o, ticks + 64) > stamp);
	}
}

WEIR_TESTS("base/syn_cookie", TEST(a_cookie_comes_back_with_its_mss), TEST(every_mss_class_is_kept),
	   TEST(a_cookie_is_good_for_one_connection_alone),
	   TEST(a_cookie_is_good_for_two_epochs_and_known_for_two_more),
	   TEST(workers_with_one_secret_know_each_others_cookies), TEST(guesses_are_wrong),
	   TEST(a_timestamp_keeps_the_other_options))
