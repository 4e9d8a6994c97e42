/* SPDX-License-Identifier: BSD-3-Clause */
/* Files are made here byte by byte, as the formats say, in both byte orders. */
#include "failalloc.h"
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weir/pcap_read.h>
#include <weir/pcapng.h>

static uint8_t file[4096];
static size_t used;
static bool turned; /* the other byte order */

static void put32(uint32_t v)
{
	if (turned)
		v = __builtin_bswap32(v);
	memcpy(file + used, &v, sizeof(v));
	used += sizeof(v);
}

static void put16(uint16_t v)
{
	if (turned)
		v = __builtin_bswap16(v);
	memcpy(file + used, &v, sizeof(v));
	used += sizeof(v);
}

static void put(const void *bytes, size_t n)
{
	memcpy(file + used, bytes, n);
	used += n;
}

static void begin(bool swapped)
{
	used = 0;
	turned = swapped;
}

static void pcap_header(uint32_t magic, uint32_t link_type)
{
	put32(magic);
	put16(2);
	put16(4);
	put32(0);
	put32(0);
	put32(65535);
	put32(link_type);
}

static void record(uint32_t s, uint32_t fraction, const char *frame, uint32_t wire_bytes)
{
	put32(s);
	put32(fraction);
	put32((uint32_t)strlen(frame));
	put32(wire_bytes);
	put(frame, strlen(frame));
}

static void section(void)
{
	put32(0x0a0d0d0a);
	put32(28);
	put32(0x1a2b3c4d);
	put16(1);
	put16(0);
	put32(UINT32_MAX);
	put32(UINT32_MAX);
	put32(28);
}

/* With a name of 4 bytes and a resolution. */
static void interface(uint16_t link_type, const char name[4], uint8_t resolution)
{
	put32(1);
	put32(40);
	put16(link_type);
	put16(0);
	put32(0);
	put16(2);
	put16(4);
	put(name, 4);
	put16(9);
	put16(1);
	put(&resolution, 1);
	put("\0\0\0", 3);
	put32(0);
	put32(40);
}

/* Of 4 bytes; flags 0: there is no option. */
static void packet(uint32_t number, uint64_t units, const char frame[4], uint32_t flags)
{
	const uint32_t bytes = flags == 0 ? 36 : 48;

	put32(6);
	put32(bytes);
	put32(number);
	put32((uint32_t)(units >> 32));
	put32((uint32_t)units);
	put32(4);
	put32(60);
	put(frame, 4);
	if (flags != 0) {
		put16(2);
		put16(4);
		put32(flags);
		put32(0);
	}
	put32(bytes);
}

static int open_file(struct weir_pcap **out, struct weir_why *why)
{
	*why = (struct weir_why){""};
	return weir_pcap_take(fmemopen(file, used, "r"), "f.pcap", out, why);
}

/* All packets but the last answer, which is returned. */
static int read_all(struct weir_pcap_packet *last, unsigned *n, struct weir_why *why)
{
	struct weir_pcap_packet one;
	struct weir_pcap *p = NULL;
	int rc = open_file(&p, why);

	for (*n = 0; rc == 0; ++*n) {
		rc = weir_pcap_next(p, &one, why);
		if (rc <= 0)
			break;
		rc = 0;
		*last = one;
		last->data = NULL;
		last->interface = NULL;
	}
	weir_pcap_close(p);
	return rc;
}

static void expect(const char *sentence)
{
	struct weir_pcap_packet last;
	struct weir_why why;
	unsigned n;

	CU_ASSERT_EQUAL(read_all(&last, &n, &why), -EPROTO);
	CU_ASSERT_STRING_EQUAL(why.text, sentence);
}

static void test_pcap_is_read_in_both_byte_orders_and_resolutions(void)
{
	for (unsigned i = 0; i < 4; i++) {
		const bool nano = i & 1;
		struct weir_pcap_packet one;
		struct weir_pcap *p;
		struct weir_why why;

		begin(i & 2);
		pcap_header(nano ? 0xa1b23c4d : 0xa1b2c3d4, 1);
		record(100, 7, "abcd", 4);
		record(101, 999, "efghij", 1500);
		CU_ASSERT_EQUAL_FATAL(open_file(&p, &why), 0);
		CU_ASSERT_EQUAL(weir_pcap_next(p, &one, &why), 1);
		CU_ASSERT_EQUAL(one.time_ns, UINT64_C(100000000000) + (nano ? 7 : 7000));
		CU_ASSERT_EQUAL(one.offset, 24);
		CU_ASSERT_EQUAL(one.wire_bytes, 4);
		CU_ASSERT_NSTRING_EQUAL(one.data, "abcd", 4);
		CU_ASSERT_STRING_EQUAL(one.interface, "");
		CU_ASSERT_EQUAL(weir_pcap_next(p, &one, &why), 1);
		CU_ASSERT_EQUAL(one.offset, 44);
		CU_ASSERT_EQUAL(one.captured_bytes, 6);
		CU_ASSERT_EQUAL(one.wire_bytes, 1500);
		CU_ASSERT_EQUAL(weir_pcap_next(p, &one, &why), 0);
		weir_pcap_close(p);
	}
}

static void test_pcapng_says_interface_time_and_direction(void)
{
	for (unsigned swapped = 0; swapped < 2; swapped++) {
		struct weir_pcap_packet one;
		struct weir_pcap *p;
		struct weir_why why;

		begin(swapped);
		section();
		interface(1, "lan\0", 9);
		interface(1, "wan\x1b", 0x80 | 10);
		put32(0xbad); /* a block that nobody knows */
		put32(16);
		put32(5);
		put32(16);
		packet(0, UINT64_C(5000000001), "abcd", WEIR_PCAPNG_OUTBOUND);
		packet(1, 6 * 1024 + 512, "efgh", 0);
		CU_ASSERT_EQUAL_FATAL(open_file(&p, &why), 0);
		CU_ASSERT_EQUAL(weir_pcap_next(p, &one, &why), 1);
		CU_ASSERT_EQUAL(one.time_ns, UINT64_C(5000000001));
		CU_ASSERT_EQUAL(one.flags, WEIR_PCAPNG_OUTBOUND);
		CU_ASSERT_STRING_EQUAL(one.interface, "lan");
		CU_ASSERT_EQUAL(one.wire_bytes, 60);
		CU_ASSERT_EQUAL(weir_pcap_next(p, &one, &why), 1);
		CU_ASSERT_EQUAL(one.time_ns, UINT64_C(6500000000));
		CU_ASSERT_EQUAL(one.flags, 0);
		CU_ASSERT_STRING_EQUAL(one.interface, "wan?"); /* fit for a terminal */
		CU_ASSERT_NSTRING_EQUAL(one.data, "efgh", 4);
		CU_ASSERT_EQUAL(weir_pcap_next(p, &one, &why), 0);
		weir_pcap_close(p);
	}
}

static void test_a_section_forgets_the_interfaces_before_it(void)
{
	begin(false);
	section();
	interface(1, "lan\0", 9);
	packet(0, 1, "abcd", 0);
	turned = true;
	section();
	packet(0, 1, "abcd", 0);
	expect("f.pcap: at byte 132: a packet of an interface that was not described");
}

static void test_what_weir_writes_it_reads(void)
{
	const struct weir_pcapng_packet out = {.time_ns = UINT64_C(1700000000123456789),
					       .data = "abcdef",
					       .captured_bytes = 6,
					       .wire_bytes = 9,
					       .flags = WEIR_PCAPNG_INBOUND,
					       .comment = "rule web"};
	struct weir_pcap_packet last;
	struct weir_why why;
	unsigned n;

	begin(false);
	used += (size_t)weir_pcapng_section(file, sizeof(file), "test");
	used += (size_t)weir_pcapng_interface(file + used, sizeof(file) - used, "lan", 96);
	used += (size_t)weir_pcapng_packet(file + used, sizeof(file) - used, &out);
	CU_ASSERT_EQUAL(read_all(&last, &n, &why), 0);
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT_EQUAL(last.time_ns, out.time_ns);
	CU_ASSERT_EQUAL(last.captured_bytes, 6);
	CU_ASSERT_EQUAL(last.wire_bytes, 9);
	CU_ASSERT_EQUAL(last.flags, WEIR_PCAPNG_INBOUND);
}

/* A simple packet block. */
static void simple_packet(void)
{
	put32(3);
	put32(20);
	put32(4);
	put("efgh", 4);
	put32(20);
}

static void test_a_simple_packet_has_the_time_of_the_one_before(void)
{
	struct weir_pcap_packet last;
	struct weir_why why;
	unsigned n;

	begin(false);
	section();
	interface(1, "lan\0", 9);
	packet(0, 77, "abcd", 0);
	simple_packet();
	CU_ASSERT_EQUAL(read_all(&last, &n, &why), 0);
	CU_ASSERT_EQUAL(n, 2);
	CU_ASSERT_EQUAL(last.time_ns, 77);
}

/* An interface with one option. */
static void interface_with(uint16_t code, const void *value, uint16_t bytes)
{
	const uint16_t room = (uint16_t)((bytes + 3) & ~3);

	put32(1);
	put32(24u + room);
	put16(1);
	put16(0);
	put32(0);
	put16(code);
	put16(bytes);
	put(value, bytes);
	put("\0\0\0", room - bytes);
	put32(24u + room);
}

static void test_a_simple_packet_has_no_time_that_could_be_impossible(void)
{
	const int64_t before_1970 = -100;
	struct weir_pcap_packet last;
	struct weir_why why;
	unsigned n;

	begin(false);
	section();
	interface_with(14, &before_1970, 8);
	simple_packet();
	CU_ASSERT_EQUAL(read_all(&last, &n, &why), 0);
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT_EQUAL(last.time_ns, 0);
	packet(0, 99000000, "abcd", 0); /* in microseconds */
	expect("f.pcap: at byte 80: a time that is impossible");
}

static void test_an_option_without_its_value_is_broken(void)
{
	static const uint16_t needed[][2] = {{9, 0}, {14, 0}, {14, 7}};

	for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		begin(false);
		section();
		interface_with(needed[i][0], "\0\0\0\0\0\0\0", needed[i][1]);
		expect("f.pcap: at byte 28: an option that is too short");
	}
	begin(false);
	section();
	interface_with(2, "", 0); /* no name is one */
	put32(6);
	put32(40);
	put32(0);
	put32(0);
	put32(1);
	put32(4);
	put32(4);
	put("abcd", 4);
	put16(2);
	put16(0); /* flags: none */
	put32(40);
	expect("f.pcap: at byte 52: an option that is too short");
}

static void test_a_file_that_ends_early_says_where(void)
{
	size_t whole;

	begin(false);
	pcap_header(0xa1b2c3d4, 1);
	record(1, 1, "abcd", 4);
	used -= 2;
	expect("f.pcap: at byte 24: the file ends in the middle of this");
	used = 24 + 5;
	expect("f.pcap: at byte 24: the file ends in the middle of this");
	used = 3;
	expect("f.pcap: at byte 0: the file ends in the middle of this");
	begin(false);
	section();
	whole = used;
	packet(0, 1, "abcd", 0);
	for (used = 5; used < whole; used++)
		expect("f.pcap: at byte 0: the file ends in the middle of this");
}

static void test_what_is_wrong_has_a_sentence(void)
{
	begin(false);
	put("#!/bin/sh\n", 10);
	expect("f.pcap: at byte 0: this is no capture file of pcap or pcapng");
	begin(false);
	pcap_header(0xa1b2c3d4, 113);
	record(1, 1, "abcd", 4);
	expect("f.pcap: at byte 24: a packet of link type 113, must be 1 (Ethernet)");
	begin(true);
	pcap_header(0xa1b2c3d4, 1);
	record(1, 1000000, "abcd", 4);
	expect("f.pcap: at byte 24: a time whose fraction is more than a second");
	begin(false);
	pcap_header(0xa1b2c3d4, 1);
	put32(1);
	put32(1);
	put32(WEIR_PCAP_BYTES_MAX + 1);
	put32(4);
	expect("f.pcap: at byte 24: a packet that is longer than one can be");
	begin(false);
	section();
	put32(6);
	put32(10);
	expect("f.pcap: at byte 28: a block of an impossible length");
	begin(false);
	section();
	interface(1, "lan\0", 64);
	expect("f.pcap: at byte 28: an interface with an impossible resolution of time");
	begin(false);
	section();
	interface(1, "lan\0", 0);
	packet(0, UINT64_MAX, "abcd", 0);
	expect("f.pcap: at byte 68: a time that is impossible");
	begin(false);
	section();
	interface(1, "lan\0", 9);
	packet(0, 1, "abcd", 0);
	memcpy(file + 68 + 20, "\x40\0\0\0", 4); /* captured bytes, in this machine's order */
	expect("f.pcap: at byte 68: a packet that is longer than its block");
}

static void test_an_empty_file_and_a_missing_one_are_named(void)
{
	struct weir_pcap *p = NULL;
	struct weir_why why = {""};

	CU_ASSERT_EQUAL(weir_pcap_open("/dev/null", &p, &why), -EPROTO);
	CU_ASSERT_STRING_EQUAL(why.text, "/dev/null: the file is empty");
	CU_ASSERT_EQUAL(weir_pcap_open("/nonexistent.pcap", &p, &why), -ENOENT);
	CU_ASSERT_STRING_EQUAL(why.text, "/nonexistent.pcap: No such file or directory");
	CU_ASSERT_PTR_NULL(p);
}

static void test_without_memory_nothing_is_opened(void)
{
	begin(false);
	pcap_header(0xa1b2c3d4, 1);
	FAILALLOC_EACH(n)
	{
		struct weir_pcap *p = NULL;
		struct weir_why why;
		FILE *f;
		int rc;

		failalloc_at(0);
		f = fmemopen(file, used, "r");
		failalloc_at(n);
		rc = weir_pcap_take(f, "f.pcap", &p, &why);
		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			weir_pcap_close(p);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(p);
	}
}

WEIR_TESTS("base/pcap_read", TEST(pcap_is_read_in_both_byte_orders_and_resolutions),
	   TEST(pcapng_says_interface_time_and_direction),
	   TEST(a_section_forgets_the_interfaces_before_it), TEST(what_weir_writes_it_reads),
	   TEST(a_simple_packet_has_the_time_of_the_one_before),
	   TEST(a_simple_packet_has_no_time_that_could_be_impossible),
	   TEST(an_option_without_its_value_is_broken), TEST(a_file_that_ends_early_says_where),
	   TEST(what_is_wrong_has_a_sentence), TEST(an_empty_file_and_a_missing_one_are_named),
	   TEST(without_memory_nothing_is_opened))
