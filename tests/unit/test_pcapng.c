/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks are read back as the draft (sections 3 and 4) says, by a reader that knows no writer. */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weir/pcapng.h>

/* A block taken apart: fixed part, and options found by code. */
struct block {
	uint32_t type;
	const uint8_t *body, *options, *end;
};

static uint32_t u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint16_t u16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static struct block parse(const uint8_t *p, int bytes, uint32_t fixed_bytes)
{
	struct block b = {0};

	CU_ASSERT_FATAL(bytes >= 12 && bytes % 4 == 0);
	b.type = u32(p);
	b.body = p + 8;
	b.options = b.body + fixed_bytes;
	b.end = p + bytes - 4;
	CU_ASSERT_EQUAL(u32(p + 4), (uint32_t)bytes);
	CU_ASSERT_EQUAL(u32(b.end), (uint32_t)bytes);
	return b;
}

/* Length of the option's value, or -1 if it is not there; checks that the list ends as it must. */
static int option(const struct block *b, uint16_t code, const uint8_t **value)
{
	const uint8_t *p = b->options;
	int found = -1;

	while (p + 4 <= b->end && u16(p) != 0) {
		if (u16(p) == code) {
			found = u16(p + 2);
			*value = p + 4;
		}
		p += 4 + (u16(p + 2) + 3) / 4 * 4;
	}
	CU_ASSERT_PTR_EQUAL(p + 4, b->end);
	CU_ASSERT_EQUAL(u32(p), 0);
	return found;
}

static void test_a_section_tells_byte_order_and_application(void)
{
	uint8_t buf[128];
	const uint8_t *text = NULL;
	const struct block b = parse(buf, weir_pcapng_section(buf, sizeof(buf), "weir 1.0"), 16);

	CU_ASSERT_EQUAL(b.type, 0x0a0d0d0a);
	CU_ASSERT_EQUAL(u32(b.body), 0x1a2b3c4d);
	CU_ASSERT_EQUAL(u16(b.body + 4), 1);
	CU_ASSERT_EQUAL(u16(b.body + 6), 0);
	CU_ASSERT_EQUAL(u32(b.body + 8) & u32(b.body + 12), UINT32_MAX);
	CU_ASSERT_EQUAL_FATAL(option(&b, 4, &text), 8);
	CU_ASSERT_EQUAL(memcmp(text, "weir 1.0", 8), 0);
}

static void test_an_interface_counts_nanoseconds(void)
{
	uint8_t buf[128];
	const uint8_t *value = NULL;
	const struct block b =
		parse(buf, weir_pcapng_interface(buf, sizeof(buf), "wan/60_route", 256), 8);

	CU_ASSERT_EQUAL(b.type, 1);
	CU_ASSERT_EQUAL(u16(b.body), 1);
	CU_ASSERT_EQUAL(u32(b.body + 4), 256);
	CU_ASSERT_EQUAL_FATAL(option(&b, 2, &value), 12);
	CU_ASSERT_EQUAL(memcmp(value, "wan/60_route", 12), 0);
	CU_ASSERT_EQUAL_FATAL(option(&b, 9, &value), 1);
	CU_ASSERT_EQUAL(*value, 9);
}

static void check_packet(const struct weir_pcapng_packet *p)
{
	const uint32_t comment_bytes = p->comment == NULL ? 0 : (uint32_t)strlen(p->comment);
	const size_t room = p->captured_bytes + comment_bytes + WEIR_PCAPNG_OVERHEAD_BYTES;
	uint8_t *buf = malloc(room);
	const uint8_t *value = NULL;
	struct block b;

	CU_ASSERT_PTR_NOT_NULL_FATAL(buf);
	b = parse(buf, weir_pcapng_packet(buf, room, p), 20 + (p->captured_bytes + 3) / 4 * 4);
	CU_ASSERT_EQUAL(b.type, 6);
	CU_ASSERT_EQUAL(u32(b.body), p->interface);
	CU_ASSERT_EQUAL((uint64_t)u32(b.body + 4) << 32 | u32(b.body + 8), p->time_ns);
	CU_ASSERT_EQUAL(u32(b.body + 12), p->captured_bytes);
	CU_ASSERT_EQUAL(u32(b.body + 16), p->wire_bytes);
	CU_ASSERT_EQUAL(memcmp(b.body + 20, p->data, p->captured_bytes), 0);
	CU_ASSERT_EQUAL(option(&b, 1, &value), p->comment == NULL ? -1 : (int)comment_bytes);
	if (p->comment != NULL)
		CU_ASSERT_EQUAL(memcmp(value, p->comment, comment_bytes), 0);
	CU_ASSERT_EQUAL(option(&b, 2, &value), p->flags == 0 ? -1 : 4);
	if (p->flags != 0)
		CU_ASSERT_EQUAL(u32(value), p->flags);
	free(buf);
}

static void test_packets_of_every_length_come_back_whole(void)
{
	static const char *const comments[] = {NULL, "", "x", "drop: no_route", "abc"};
	uint8_t data[300];

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + 1);
	for (uint32_t n = 0; n <= sizeof(data); n++) {
		for (unsigned i = 0; i < 5; i++) {
			check_packet(&(struct weir_pcapng_packet){
				.interface = n,
				.time_ns = UINT64_C(1700000000123456789) + n,
				.data = data,
				.captured_bytes = n,
				.wire_bytes = n + 1000,
				.flags = i & 1 ? WEIR_PCAPNG_OUTBOUND : 0,
				.comment = comments[i],
			});
		}
	}
}

static void test_a_block_that_does_not_fit_is_not_begun_past_the_end(void)
{
	static const uint8_t data[5] = {1, 2, 3, 4, 5};
	const struct weir_pcapng_packet p = {
		.data = data, .captured_bytes = 5, .wire_bytes = 5, .comment = "why", .flags = 1};
	uint8_t buf[128];
	const int section = weir_pcapng_section(buf, sizeof(buf), "a");
	const int interface = weir_pcapng_interface(buf, sizeof(buf), "b", 0);
	const int packet = weir_pcapng_packet(buf, sizeof(buf), &p);

	CU_ASSERT_FATAL(section > 0 && interface > 0 && packet > 0);
	for (int n = 0; n < packet; n++) {
		uint8_t *exact = malloc((size_t)n + 1); /* ASan sees one byte too many */

		CU_ASSERT_PTR_NOT_NULL_FATAL(exact);
		exact[n] = 0xa5;
		CU_ASSERT_EQUAL(weir_pcapng_packet(exact, (size_t)n, &p), -ENOBUFS);
		if (n < section)
			CU_ASSERT_EQUAL(weir_pcapng_section(exact, (size_t)n, "a"), -ENOBUFS);
		if (n < interface)
			CU_ASSERT_EQUAL(weir_pcapng_interface(exact, (size_t)n, "b", 0), -ENOBUFS);
		CU_ASSERT_EQUAL(exact[n], 0xa5);
		free(exact);
	}
	CU_ASSERT_EQUAL(weir_pcapng_packet(buf, (size_t)packet, &p), packet);
}

static void test_texts_longer_than_the_format_can_say_are_refused(void)
{
	static uint8_t buf[70000];
	static char text[65537];

	memset(text, 'x', 65536);
	CU_ASSERT_EQUAL(weir_pcapng_section(buf, sizeof(buf), text), -EINVAL);
	CU_ASSERT_EQUAL(weir_pcapng_interface(buf, sizeof(buf), text, 0), -EINVAL);
	CU_ASSERT_EQUAL(
		weir_pcapng_packet(buf, sizeof(buf), &(struct weir_pcapng_packet){.comment = text}),
		-EINVAL);
	text[65535] = '\0';
	CU_ASSERT(weir_pcapng_section(buf, sizeof(buf), text) > 65535);
	CU_ASSERT_EQUAL(weir_pcapng_packet(buf, sizeof(buf),
					   &(struct weir_pcapng_packet){
						   .data = buf, .captured_bytes = UINT32_MAX}),
			-EINVAL);
}

WEIR_TESTS("base/pcapng", TEST(a_section_tells_byte_order_and_application),
	   TEST(an_interface_counts_nanoseconds), TEST(packets_of_every_length_come_back_whole),
	   TEST(a_block_that_does_not_fit_is_not_begun_past_the_end),
	   TEST(texts_longer_than_the_format_can_say_are_refused))
