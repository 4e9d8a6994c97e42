/* SPDX-License-Identifier: BSD-3-Clause */

/* TCP's options: as Linux writes them, and whatever a hostile peer does. */

#include "tcp/tcp_priv.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})

static const struct seq_range some_sacks[SACK_BLOCKS] = {
	{1, 2}, {0xfffffff0, 0x10}, {5, 6}, {7, 8}};

static struct tcp_opts read_good(const uint8_t *p, uint32_t bytes, bool syn)
{
	struct tcp_opts o;

	CU_ASSERT_TRUE(tcp_opts_read(p, bytes, syn, &o));
	return o;
}

static bool is_refused(const uint8_t *p, uint32_t bytes)
{
	struct tcp_opts o;

	return !tcp_opts_read(p, bytes, true, &o) && !tcp_opts_read(p, bytes, false, &o);
}

static void expect_written(const struct tcp_opts *o, bool syn, const uint8_t *want, uint32_t bytes)
{
	uint8_t p[OPT_BYTES_MOST + 1];

	memset(p, 0x5a, sizeof(p));
	CU_ASSERT_EQUAL_FATAL(tcp_opts_write(p, o, syn), bytes);
	CU_ASSERT_EQUAL(memcmp(p, want, bytes), 0);
	CU_ASSERT_EQUAL(p[bytes], 0x5a);
}

static void test_a_syn_of_linux_is_read(void)
{
	const struct tcp_opts o = read_good(
		BYTES(2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7), true);

	CU_ASSERT_EQUAL(o.flags, OPT_MSS | OPT_SACK_OK | OPT_STAMP | OPT_SCALE);
	CU_ASSERT_EQUAL(o.mss, 1460);
	CU_ASSERT_EQUAL(o.scale, 7);
	CU_ASSERT_EQUAL(o.stamp, 0x01020304);
	CU_ASSERT_EQUAL(o.echo, 0);
}

static void test_a_syn_is_written_as_linux_writes_it(void)
{
	struct tcp_opts o = {.flags = OPT_MSS | OPT_SACK_OK | OPT_STAMP | OPT_SCALE,
			     .mss = 1460,
			     .scale = 7,
			     .stamp = 0x01020304};

	expect_written(&o, true,
		       BYTES(2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7));
	o.flags = OPT_MSS | OPT_STAMP;
	expect_written(&o, true, BYTES(2, 4, 5, 0xb4, 1, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0));
	o.flags = OPT_MSS | OPT_SACK_OK | OPT_SCALE;
	expect_written(&o, true, BYTES(2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7));
	o.flags = 0;
	CU_ASSERT_EQUAL(tcp_opts_write((uint8_t[OPT_BYTES_MOST]){0}, &o, true), 0);
}

static void test_an_ack_is_stamps_and_as_many_blocks_as_fit(void)
{
	struct tcp_opts o = {.flags = OPT_STAMP, .stamp = 0x01020304, .echo = 0xfffefdfc};
	uint8_t p[OPT_BYTES_MOST];

	memcpy(o.sack, some_sacks, sizeof(o.sack));
	expect_written(&o, false, BYTES(1, 1, 8, 10, 1, 2, 3, 4, 0xff, 0xfe, 0xfd, 0xfc));
	o.sacks = 1;
	expect_written(&o, false,
		       BYTES(1, 1, 8, 10, 1, 2, 3, 4, 0xff, 0xfe, 0xfd, 0xfc, 1, 1, 5, 10, 0, 0, 0,
			     1, 0, 0, 0, 2));
	o.sacks = 4;
	CU_ASSERT_EQUAL(tcp_opts_write(p, &o, false), 40);
	CU_ASSERT_EQUAL(read_good(p, 40, false).sacks, 3);
	o.flags = 0;
	CU_ASSERT_EQUAL(tcp_opts_write(p, &o, false), 36);
	CU_ASSERT_EQUAL(read_good(p, 36, false).sacks, 4);
	o.flags = OPT_STAMP | OPT_USER_TIMEOUT;
	CU_ASSERT_EQUAL(tcp_opts_write(p, &o, false), 36);
	CU_ASSERT_EQUAL(read_good(p, 36, false).sacks, 2);
}

static void test_sack_blocks_are_read_in_their_order(void)
{
	struct tcp_opts o = {.sacks = 4}, back;
	uint8_t p[OPT_BYTES_MOST];

	memcpy(o.sack, some_sacks, sizeof(o.sack));
	back = read_good(p, tcp_opts_write(p, &o, false), false);
	CU_ASSERT_EQUAL(back.sacks, 4);
	for (unsigned i = 0; i < SACK_BLOCKS; i++) {
		CU_ASSERT_EQUAL(back.sack[i].from, some_sacks[i].from);
		CU_ASSERT_EQUAL(back.sack[i].to, some_sacks[i].to);
	}
}

static void test_what_belongs_to_a_syn_is_heeded_there_alone(void)
{
	const uint8_t syn[] = {2, 4, 5, 0xb4, 4, 2, 3, 3, 7, 34, 6, 1, 2, 3, 4};
	const uint8_t sack[] = {5, 10, 0, 0, 0, 1, 0, 0, 0, 2};

	CU_ASSERT_EQUAL(read_good(syn, sizeof(syn), false).flags, 0);
	CU_ASSERT_EQUAL(read_good(syn, sizeof(syn), true).flags,
			OPT_MSS | OPT_SACK_OK | OPT_SCALE | OPT_FASTOPEN);
	CU_ASSERT_EQUAL(read_good(sack, sizeof(sack), true).sacks, 0);
	CU_ASSERT_EQUAL(read_good(sack, sizeof(sack), false).sacks, 1);
}

static void test_stamps_are_found_in_any_layout(void)
{
	const struct tcp_opts first = read_good(BYTES(8, 10, 0, 0, 0, 9, 0, 0, 0, 8, 0), false);
	const struct tcp_opts last =
		read_good(BYTES(1, 1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8), false);

	CU_ASSERT(first.flags == OPT_STAMP && first.stamp == 9 && first.echo == 8);
	CU_ASSERT(last.flags == OPT_STAMP && last.stamp == 9 && last.echo == 8);
}

static void test_of_two_the_last_one_counts(void)
{
	CU_ASSERT_EQUAL(read_good(BYTES(2, 4, 5, 0, 2, 4, 6, 0), true).mss, 0x600);
	CU_ASSERT_EQUAL(
		read_good(BYTES(1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 8, 10, 0, 0, 0, 3, 0, 0, 0, 4),
			  false)
			.stamp,
		3);
}

static void test_a_known_option_with_anothers_length_is_skipped(void)
{
	const struct tcp_opts o = read_good(BYTES(2, 3, 5, 3, 2, 4, 3, 0, 8, 9, 1, 2, 3, 4, 5, 6, 7,
						  28, 5, 0, 0, 0, 34, 5, 1, 2, 3, 34, 4, 1, 2),
					    true);

	CU_ASSERT_EQUAL(o.flags, 0);
	CU_ASSERT_EQUAL(read_good(BYTES(5, 2), false).sacks, 0);
	CU_ASSERT_EQUAL(read_good(BYTES(5, 9, 1, 2, 3, 4, 5, 6, 7), false).sacks, 0);
}

static void test_an_unknown_option_is_skipped_by_its_length(void)
{
	const struct tcp_opts o =
		read_good(BYTES(253, 6, 2, 4, 5, 0xb4, 19, 2, 255, 3, 0, 2, 4, 2, 0), true);

	CU_ASSERT(o.flags == OPT_MSS && o.mss == 512);
}

static void test_nothing_is_read_behind_the_end(void)
{
	CU_ASSERT_EQUAL(read_good(BYTES(0, 2, 4, 5, 0xb4), true).flags, 0);
	CU_ASSERT_EQUAL(read_good(BYTES(1, 0, 2, 0), true).flags, 0);
	CU_ASSERT_EQUAL(read_good(NULL, 0, true).flags, 0);
}

static void test_a_length_that_cannot_be_is_refused(void)
{
	CU_ASSERT_TRUE(is_refused(BYTES(2)));
	CU_ASSERT_TRUE(is_refused(BYTES(2, 0, 5, 0xb4)));
	CU_ASSERT_TRUE(is_refused(BYTES(2, 1, 5, 0xb4)));
	CU_ASSERT_TRUE(is_refused(BYTES(2, 4, 5)));
	CU_ASSERT_TRUE(is_refused(BYTES(1, 1, 1, 254)));
	CU_ASSERT_TRUE(is_refused(BYTES(1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 8)));
	CU_ASSERT_TRUE(is_refused((const uint8_t[41]){0}, 41));
}

static void test_a_scale_is_14_at_most_and_an_mss_of_0_says_nothing(void)
{
	CU_ASSERT_EQUAL(read_good(BYTES(3, 3, 255), true).scale, 14);
	CU_ASSERT_EQUAL(read_good(BYTES(3, 3, 14), true).scale, 14);
	CU_ASSERT_EQUAL(read_good(BYTES(2, 4, 0, 0), true).flags, 0);
}

static void test_fast_open_asks_for_a_cookie_or_brings_one(void)
{
	struct tcp_opts o = {.flags = OPT_FASTOPEN}, back;
	uint8_t p[OPT_BYTES_MOST];

	expect_written(&o, true, BYTES(34, 2, 1, 1));
	back = read_good(BYTES(34, 2), true);
	CU_ASSERT(back.flags == OPT_FASTOPEN && back.cookie_bytes == 0);
	for (o.cookie_bytes = 4; o.cookie_bytes <= 16; o.cookie_bytes += 2) {
		memset(o.cookie, o.cookie_bytes, o.cookie_bytes);
		back = read_good(p, tcp_opts_write(p, &o, true), true);
		CU_ASSERT(back.flags == OPT_FASTOPEN && back.cookie_bytes == o.cookie_bytes);
		CU_ASSERT_EQUAL(memcmp(back.cookie, o.cookie, o.cookie_bytes), 0);
	}
	CU_ASSERT_EQUAL(read_good(BYTES(34, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
					16, 17, 18),
				  true)
				.flags,
			0);
}

static void test_a_syn_with_everything_fits(void)
{
	struct tcp_opts o = {.flags = OPT_MSS | OPT_SCALE | OPT_SACK_OK | OPT_STAMP | OPT_FASTOPEN |
				      OPT_USER_TIMEOUT,
			     .cookie_bytes = 8};
	uint8_t p[OPT_BYTES_MOST];

	CU_ASSERT_EQUAL(tcp_opts_write(p, &o, true), 36);
	o.mss = 1;
	CU_ASSERT_EQUAL(read_good(p, tcp_opts_write(p, &o, true), true).flags, o.flags);
	o.cookie_bytes = 16; /* a user timeout is told some other time */
	CU_ASSERT_EQUAL(tcp_opts_write(p, &o, true), 40);
	CU_ASSERT_EQUAL(read_good(p, 40, true).flags, o.flags & ~OPT_USER_TIMEOUT);
}

static void test_a_user_timeout_may_be_told_at_any_time(void)
{
	const struct tcp_opts o = {.flags = OPT_USER_TIMEOUT, .user_timeout = 0x8005};

	expect_written(&o, false, BYTES(28, 4, 0x80, 5));
	expect_written(&o, true, BYTES(28, 4, 0x80, 5));
	CU_ASSERT_EQUAL(read_good(BYTES(28, 4, 0x80, 5), false).user_timeout, 0x8005);
}

static void test_random_bytes_give_what_can_be(void)
{
	uint8_t p[OPT_BYTES_MOST];

	srandom(1);
	for (unsigned run = 0; run < 100000; run++) {
		const uint32_t bytes = (uint32_t)random() % (OPT_BYTES_MOST + 1);
		struct tcp_opts o;
		uint8_t *exact = malloc(bytes + 1); /* ASan sees what is read behind it */

		CU_ASSERT_PTR_NOT_NULL_FATAL(exact);
		for (uint32_t i = 0; i < bytes; i++)
			exact[i + 1] = (uint8_t)(random() % 3 ? random() % 12 : random());
		if (tcp_opts_read(exact + 1, bytes, run & 1, &o)) {
			CU_ASSERT(o.scale <= 14 && o.sacks <= SACK_BLOCKS);
			CU_ASSERT(o.cookie_bytes <= 16 && o.cookie_bytes % 2 == 0);
			CU_ASSERT(tcp_opts_write(p, &o, run & 1) % 4 == 0);
		}
		free(exact);
	}
}

WEIR_TESTS("tcp/tcp_opt", TEST(a_syn_of_linux_is_read), TEST(a_syn_is_written_as_linux_writes_it),
	   TEST(an_ack_is_stamps_and_as_many_blocks_as_fit),
	   TEST(sack_blocks_are_read_in_their_order),
	   TEST(what_belongs_to_a_syn_is_heeded_there_alone), TEST(stamps_are_found_in_any_layout),
	   TEST(of_two_the_last_one_counts), TEST(a_known_option_with_anothers_length_is_skipped),
	   TEST(an_unknown_option_is_skipped_by_its_length), TEST(nothing_is_read_behind_the_end),
	   TEST(a_length_that_cannot_be_is_refused),
	   TEST(a_scale_is_14_at_most_and_an_mss_of_0_says_nothing),
	   TEST(fast_open_asks_for_a_cookie_or_brings_one), TEST(a_syn_with_everything_fits),
	   TEST(a_user_timeout_may_be_told_at_any_time), TEST(random_bytes_give_what_can_be))
