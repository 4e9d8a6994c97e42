/* SPDX-License-Identifier: BSD-3-Clause */

/* Frames that txonly makes, and their sizes. */

#include "../../apps/bench/template.c"
#include "test.h"

#include <errno.h>
#include <string.h>
#include <weir/csum.h>

static const struct bench_flow_conf flow_conf = {
	.src = {4, {198, 18, 0, 1}},
	.dst = {4, {198, 18, 0, 2}},
	.sport = 1000,
	.dport = 9,
	.run = 3,
	.host = 4,
};
/* Low bits all ones: a flow's number carries. */
static const struct bench_flow_conf flow_conf6 = {
	.src = {6, {0x20, 1, 0xd, 0xb8, [12] = 1, 2, 0xff, 0xff}},
	.dst = {6, {0x20, 1, 0xd, 0xb8, [15] = 2}},
	.sport = 1000,
	.dport = 9,
	.run = 3,
	.host = 4,
};
static const struct rte_ether_addr macs[2] = {{{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 0, 2}}};

static void make(uint16_t flow, uint16_t size, uint32_t seq, uint64_t tsc, struct bench_frame4 *out)
{
	struct bench_template4 t;
	uint8_t room[64];

	bench_template4_make(&flow_conf, flow, &t);
	bench_template4_fill(&t, room, size, macs, seq, tsc, 0);
	memcpy(out, room, sizeof(*out));
}

static void make6(uint16_t flow, uint16_t size, uint32_t seq, uint64_t tsc,
		  struct bench_frame6 *out)
{
	struct bench_template6 t;

	bench_template6_make(&flow_conf6, flow, &t);
	bench_template6_fill(&t, out, size, macs, seq, tsc, 0);
}

/* The checksum of a whole UDP packet, counted byte by byte; 0: right. */
static uint16_t udp_sum(const void *udp, size_t bytes, uint32_t pseudo)
{
	return weir_csum_finish(weir_csum_add(weir_csum_sum(udp, bytes), pseudo));
}

/* Any bytes behind the head: it is their sum that must be counted in. */
static uint32_t add_filling(uint8_t *frame, size_t head, size_t size)
{
	for (size_t i = head; i < size; i++)
		frame[i] = (uint8_t)(i * 37);
	return size > head ? weir_csum_sum(frame + head, size - head) : 0;
}

static void test_the_udp_checksum_is_right_at_any_size_over_ipv4(void)
{
	static uint8_t room[BENCH_SIZE_MAX];
	const struct bench_frame4 *f = (const struct bench_frame4 *)room;

	for (unsigned size = BENCH_SIZE_MIN; size <= BENCH_SIZE_MAX; size++) {
		const uint32_t filling = add_filling(room, BENCH_HEAD4, size);
		struct bench_template4 t;

		bench_template4_make(&flow_conf, (uint16_t)(size * 7), &t);
		bench_template4_fill(&t, room, (uint16_t)size, macs, size * 2654435761u,
				     size * UINT64_C(0x9e3779b97f4a7c15), filling);
		CU_ASSERT_NOT_EQUAL(f->udp.dgram_cksum, 0);
		CU_ASSERT_EQUAL(udp_sum(&f->udp, size - 34,
					weir_csum_pseudo4(f->ip.src_addr, f->ip.dst_addr,
							  IPPROTO_UDP, size - 34)),
				0);
	}
}

static void test_the_udp_checksum_is_right_at_any_size_over_ipv6(void)
{
	static uint8_t room[BENCH_SIZE_MAX];
	const struct bench_frame6 *f = (const struct bench_frame6 *)room;

	for (unsigned size = BENCH_SIZE_MIN6; size <= BENCH_SIZE_MAX; size++) {
		const uint32_t filling = add_filling(room, BENCH_HEAD6, size);
		struct bench_template6 t;

		bench_template6_make(&flow_conf6, (uint16_t)(size * 7), &t);
		bench_template6_fill(&t, room, (uint16_t)size, macs, size * 2654435761u,
				     size * UINT64_C(0x9e3779b97f4a7c15), filling);
		CU_ASSERT_NOT_EQUAL(f->udp.dgram_cksum, 0);
		CU_ASSERT_EQUAL(udp_sum(&f->udp, size - 54,
					weir_csum_pseudo6(&f->ip.src_addr, &f->ip.dst_addr,
							  IPPROTO_UDP, size - 54)),
				0);
		CU_ASSERT_EQUAL(rte_be_to_cpu_16(f->ip.payload_len), size - 54);
		CU_ASSERT_EQUAL(f->udp.dgram_len, f->ip.payload_len);
	}
}

/* Over all numbers of a flow some checksum comes to 0, which would say that there is none. */
static void test_a_checksum_of_zero_is_sent_as_all_ones(void)
{
	unsigned ones = 0;

	for (uint32_t seq = 0; seq < 65536; seq++) {
		struct bench_frame4 f;

		make(0, 60, seq, 0, &f);
		CU_ASSERT_NOT_EQUAL(f.udp.dgram_cksum, 0);
		ones += f.udp.dgram_cksum == 0xffff;
	}
	CU_ASSERT(ones > 0);
}

static void test_flows_over_ipv6_carry_into_the_higher_bytes(void)
{
	static const uint8_t last[4] = {1, 3, 0, 0};
	struct bench_frame6 f;

	make6(257, 80, 0, 0, &f);
	CU_ASSERT_EQUAL(memcmp((const uint8_t *)&f.ip.src_addr + 12, last, sizeof(last)), 0);
	CU_ASSERT_EQUAL(memcmp(&f.ip.dst_addr, flow_conf6.dst.bytes, 16), 0);
	CU_ASSERT_EQUAL(rte_be_to_cpu_16(f.udp.src_port), flow_conf6.sport + 1);
	CU_ASSERT_EQUAL(memcmp(&f.eth, macs, sizeof(macs)), 0);
}

static void test_a_stamp_is_found_over_ipv6_too(void)
{
	const struct bench_stamp *s;
	struct bench_frame6 f, bad;

	make6(513, 80, 0xdeadbeef, 77, &f);
	s = bench_stamp_find(&f, sizeof(f));
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL(rte_be_to_cpu_16(s->flow), 513);
	CU_ASSERT_EQUAL(rte_be_to_cpu_32(s->seq), 0xdeadbeef);
	CU_ASSERT_EQUAL(bench_stamp_tsc(s), 77);
	CU_ASSERT_PTR_NULL(bench_stamp_find(&f, sizeof(f) - 1));
	bad = f;
	bad.ip.proto = 6;
	CU_ASSERT_PTR_NULL(bench_stamp_find(&bad, sizeof(bad)));
	bad = f;
	bad.ip.vtc_flow = 0;
	CU_ASSERT_PTR_NULL(bench_stamp_find(&bad, sizeof(bad)));
	bad = f;
	bad.stamp.magic ^= 1;
	CU_ASSERT_PTR_NULL(bench_stamp_find(&bad, sizeof(bad)));
}

static void test_sizes_fit_a_family_or_are_refused(void)
{
	struct bench_sizes imix = {60, 1514, true}, small = {79, 1500, false};
	struct bench_sizes least = {80, 80, false};
	struct weir_why why = {""};

	CU_ASSERT_EQUAL(bench_sizes_fit(&imix, true, NULL), 0);
	CU_ASSERT_EQUAL(imix.min, 80);
	CU_ASSERT_EQUAL(bench_sizes_fit(&imix, false, NULL), 0);
	CU_ASSERT_EQUAL(imix.min, 60);
	CU_ASSERT_EQUAL(bench_sizes_fit(&least, true, NULL), 0);
	CU_ASSERT_EQUAL(bench_sizes_fit(&small, false, NULL), 0);
	CU_ASSERT_EQUAL(bench_sizes_fit(&small, true, &why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "has 80"));
}

static void test_a_frame_of_any_size_has_true_lengths_and_a_good_checksum(void)
{
	for (unsigned size = BENCH_SIZE_MIN; size <= BENCH_SIZE_MAX; size++) {
		struct bench_frame4 f;

		make((uint16_t)(size * 7), (uint16_t)size, 1, 2, &f);
		CU_ASSERT_EQUAL(weir_csum(&f.ip, sizeof(f.ip)), 0);
		CU_ASSERT_EQUAL(rte_be_to_cpu_16(f.ip.total_length), size - 14);
		CU_ASSERT_EQUAL(rte_be_to_cpu_16(f.udp.dgram_len), size - 34);
	}
}

static void test_flows_differ_in_source_address_and_port(void)
{
	struct bench_frame4 a, b;

	make(0, 64, 0, 0, &a);
	make(257, 64, 0, 0, &b);
	CU_ASSERT_EQUAL(rte_be_to_cpu_32(a.ip.src_addr), 0xc6120001);
	CU_ASSERT_EQUAL(rte_be_to_cpu_32(b.ip.src_addr), 0xc6120002);
	CU_ASSERT_EQUAL(rte_be_to_cpu_16(b.udp.src_port), flow_conf.sport + 1);
	CU_ASSERT_EQUAL(memcmp(&a.eth, macs, sizeof(macs)), 0);
}

static void test_a_stamp_is_found_as_it_was_made(void)
{
	const uint64_t tsc = UINT64_C(0x123456789abcdef0);
	const struct bench_stamp *s;
	struct bench_frame4 f;

	make(513, 64, 0xdeadbeef, tsc, &f);
	s = bench_stamp_find(&f, sizeof(f));
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL(rte_be_to_cpu_16(s->flow), 513);
	CU_ASSERT_EQUAL(rte_be_to_cpu_16(s->run), 3);
	CU_ASSERT_EQUAL(rte_be_to_cpu_16(s->host), 4);
	CU_ASSERT_EQUAL(rte_be_to_cpu_32(s->seq), 0xdeadbeef);
	CU_ASSERT_EQUAL(bench_stamp_tsc(s), tsc & ((UINT64_C(1) << 48) - 1));
}

static void test_other_frames_have_no_stamp(void)
{
	struct bench_frame4 f, good;

	make(0, 64, 0, 0, &good);
	CU_ASSERT_PTR_NULL(bench_stamp_find(&good, sizeof(good) - 1));
	f = good;
	f.eth.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6);
	CU_ASSERT_PTR_NULL(bench_stamp_find(&f, sizeof(f)));
	f = good;
	f.ip.version_ihl++;
	CU_ASSERT_PTR_NULL(bench_stamp_find(&f, sizeof(f)));
	f = good;
	f.ip.next_proto_id = 6;
	CU_ASSERT_PTR_NULL(bench_stamp_find(&f, sizeof(f)));
	f = good;
	f.stamp.magic ^= 1;
	CU_ASSERT_PTR_NULL(bench_stamp_find(&f, sizeof(f)));
}

static void test_sizes_are_a_number_a_range_or_imix(void)
{
	struct bench_sizes s;

	CU_ASSERT_EQUAL(bench_sizes_parse("64", &s, NULL), 0);
	CU_ASSERT(s.min == 64 && s.max == 64 && !s.imix);
	CU_ASSERT_EQUAL(bench_sizes_parse("60-1514", &s, NULL), 0);
	CU_ASSERT(s.min == 60 && s.max == 1514 && !s.imix);
	CU_ASSERT_EQUAL(bench_sizes_parse("imix", &s, NULL), 0);
	CU_ASSERT(s.imix && s.max == 1514);
}

static void test_wrong_sizes_are_refused_with_what_is_allowed(void)
{
	static const char *const wrong[] = {"",	      "59",    "9015",	 "64-",	     "-64",
					    "100-64", "64 ",   "64,128", "64-128-1", "IMIX",
					    "64k",    "6.4e1", "0x"};
	struct bench_sizes s = {.min = 1};
	struct weir_why why;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		why.text[0] = '\0';
		CU_ASSERT_EQUAL(bench_sizes_parse(wrong[i], &s, &why), -EINVAL);
		CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "imix"));
	}
	CU_ASSERT_EQUAL(s.min, 1);
}

static void test_imix_is_seven_to_four_to_one_in_any_order(void)
{
	uint16_t sizes[BENCH_SIZES];
	unsigned small = 0, middle = 0, large = 0;

	bench_sizes_make(&(struct bench_sizes){60, 1514, true}, 5, sizes);
	for (unsigned i = 0; i < BENCH_SIZES; i++) {
		small += sizes[i] == 60;
		middle += sizes[i] == 590;
		large += sizes[i] == 1514;
	}
	CU_ASSERT_EQUAL(small, BENCH_SIZES / 12 * 7);
	CU_ASSERT_EQUAL(middle, BENCH_SIZES / 12 * 4);
	CU_ASSERT_EQUAL(large, BENCH_SIZES / 12);
}

static void test_a_range_has_its_ends_and_its_mean(void)
{
	uint16_t sizes[BENCH_SIZES];
	uint64_t sum = 0;
	bool min = false, max = false;

	bench_sizes_make(&(struct bench_sizes){64, 1500, false}, 9, sizes);
	for (unsigned i = 0; i < BENCH_SIZES; i++) {
		CU_ASSERT(sizes[i] >= 64 && sizes[i] <= 1500);
		min = min || sizes[i] == 64;
		max = max || sizes[i] == 1500;
		sum += sizes[i];
	}
	CU_ASSERT(min && max);
	CU_ASSERT(sum / BENCH_SIZES >= 781 && sum / BENCH_SIZES <= 783);
}

static void test_one_seed_gives_one_order_and_another_seed_another(void)
{
	const struct bench_sizes range = {64, 1500, false};
	uint16_t a[BENCH_SIZES], b[BENCH_SIZES];

	bench_sizes_make(&range, 1, a);
	bench_sizes_make(&range, 1, b);
	CU_ASSERT_EQUAL(memcmp(a, b, sizeof(a)), 0);
	bench_sizes_make(&range, 2, b);
	CU_ASSERT_NOT_EQUAL(memcmp(a, b, sizeof(a)), 0);
}

WEIR_TESTS("bench/template", TEST(the_udp_checksum_is_right_at_any_size_over_ipv4),
	   TEST(the_udp_checksum_is_right_at_any_size_over_ipv6),
	   TEST(a_checksum_of_zero_is_sent_as_all_ones),
	   TEST(flows_over_ipv6_carry_into_the_higher_bytes), TEST(a_stamp_is_found_over_ipv6_too),
	   TEST(sizes_fit_a_family_or_are_refused),
	   TEST(a_frame_of_any_size_has_true_lengths_and_a_good_checksum),
	   TEST(flows_differ_in_source_address_and_port), TEST(a_stamp_is_found_as_it_was_made),
	   TEST(other_frames_have_no_stamp), TEST(sizes_are_a_number_a_range_or_imix),
	   TEST(wrong_sizes_are_refused_with_what_is_allowed),
	   TEST(imix_is_seven_to_four_to_one_in_any_order), TEST(a_range_has_its_ends_and_its_mean),
	   TEST(one_seed_gives_one_order_and_another_seed_another))
