/* SPDX-License-Identifier: BSD-3-Clause */

/* 10_parse judged one IPv6 packet at a time: each check from both sides. */

#include "10_parse.c"

#include "toy_frame.h"

static void test_lies_of_an_ipv6_header_are_dropped(void)
{
	struct frame f;

	frame_udp6(&f)[0] = 0x50;
	DROPPED(&f, IP6_HEADER);
	put16(frame_udp6(&f) + 4, 17);
	DROPPED(&f, IP6_HEADER);
	put16(frame_ip6(&f, 0, 8) + 4, 0); /* a jumbogram */
	DROPPED(&f, IP6_HEADER);
	put16(frame_udp6(&f) + 44, 17);
	DROPPED(&f, L4_HEADER);
	put16(frame_udp6(&f) + 44, 0);
	DROPPED(&f, L4_HEADER);
}

static void test_impossible_ipv6_addresses_are_dropped(void)
{
	struct frame f;
	uint8_t *ip;

	frame_udp6(&f)[8] = 0xff;
	DROPPED(&f, IP_SOURCE);
	ip = frame_udp6(&f);
	memset(ip + 8, 0, 15); /* ::1 */
	DROPPED(&f, IP_SOURCE);
	memset(frame_udp6(&f) + 8, 0, 16);
	DROPPED(&f, IP_SOURCE);
	ip = frame_udp6(&f);
	memset(ip + 8, 0, 16);
	put16(ip + 24, 0xff02);
	GOES_ON(&f);
	memset(frame_udp6(&f) + 24, 0, 16);
	DROPPED(&f, IP_MARTIAN);
	memset(frame_udp6(&f) + 24, 0, 16);
	f.b[ETH + 39] = 1;
	DROPPED(&f, IP_MARTIAN);
	put16(frame_udp6(&f) + 24, 0xff01);
	DROPPED(&f, IP_MARTIAN);
	put16(frame_udp6(&f) + 24, 0xff10);
	DROPPED(&f, IP_MARTIAN);
}

static uint8_t *frame_chain(struct frame *f, const uint8_t *kinds, unsigned n)
{
	uint8_t *ip = frame_ip6(f, kinds[0], (uint16_t)(n * 8 + 16));

	for (unsigned i = 0; i < n; i++)
		ip[40 + i * 8] = i + 1 < n ? kinds[i + 1] : 17;
	put16(ip + 40 + n * 8 + 4, 16);
	return ip + 40;
}

static void test_ipv6_extension_headers_are_walked(void)
{
	static const uint8_t kinds[] = {0, 60, 43, 60};
	struct frame f;

	frame_chain(&f, kinds, 4);
	GOES_ON(&f);
	CU_ASSERT_EQUAL(f.t.meta.flags, WEIR_META_IP6 | WEIR_META_OPTIONS | WEIR_META_L4);
	CU_ASSERT_EQUAL(f.t.meta.proto, 17);
	CU_ASSERT_EQUAL(f.t.meta.l4_off, IP6 + 32);
}

static void test_an_authentication_header_ends_the_walk(void)
{
	static const uint8_t kinds[] = {60, 51, 60};
	struct frame f;

	frame_chain(&f, kinds, 3); /* as in IPv4, where rules see protocol 51 */
	GOES_ON(&f);
	CU_ASSERT_EQUAL(f.t.meta.flags, WEIR_META_IP6);
	CU_ASSERT_EQUAL(f.t.meta.proto, 51);
	CU_ASSERT_EQUAL(f.t.meta.l4_off, IP6 + 8);
}

static void test_a_routing_header_of_type_0_must_be_used_up(void)
{
	static const uint8_t kinds[] = {60, 43};
	struct frame f;
	uint8_t *ext = frame_chain(&f, kinds, 2);

	ext[8 + 3] = 1;
	DROPPED(&f, SOURCE_ROUTE);
	ext[8 + 2] = 2; /* of mobile hosts (RFC 6275) */
	GOES_ON(&f);
}

static void test_hop_by_hop_options_stand_first_or_not_at_all(void)
{
	static const uint8_t kinds[] = {60, 0};
	struct frame f;

	frame_chain(&f, kinds, 2);
	DROPPED(&f, IP6_EXT);
}

static void test_extension_headers_are_bounded_in_number_and_length(void)
{
	static const uint8_t kinds[] = {60, 60, 60, 60, 60, 60, 60, 60, 60};
	struct frame f;
	uint8_t *ext;

	frame_chain(&f, kinds, EXT_HEADERS);
	GOES_ON(&f);
	frame_chain(&f, kinds, EXT_HEADERS + 1);
	DROPPED(&f, IP6_EXT);
	ext = frame_ip6(&f, 60, 320) + 40;
	ext[0] = 17;
	ext[1] = 37;
	put16(ext + 304 + 4, 16);
	GOES_ON(&f);
	ext = frame_ip6(&f, 60, 320) + 40;
	ext[1] = 40; /* 328 bytes of 320 */
	DROPPED(&f, IP6_EXT);
	frame_ip6(&f, 60, 7);
	DROPPED(&f, IP6_EXT);
}

static void test_too_long_a_chain_is_dropped_though_it_is_all_there(void)
{
	uint8_t bytes[ETH + 40 + 528 + 8] = {0};
	struct frame f;
	struct toy_mbuf t;

	frame_ip6(&f, 60, 536);
	memcpy(bytes, f.b, IP6);
	bytes[IP6] = 17;
	bytes[IP6 + 1] = 65; /* 528 bytes */
	CU_ASSERT_EQUAL(parse_first(toy_mbuf(&t, bytes, sizeof(bytes)), toy_l3()), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_IP6_EXT);
}

static void test_ipv6_fragments_are_marked(void)
{
	static const uint8_t kinds[] = {44, 44};
	struct frame f;
	uint8_t *ext = frame_chain(&f, kinds, 1);

	GOES_ON(&f); /* an atomic one is no fragment (RFC 6946) */
	CU_ASSERT_EQUAL(f.t.meta.flags, WEIR_META_IP6 | WEIR_META_L4);
	ext = frame_chain(&f, kinds, 1);
	ext[3] = 1;
	GOES_ON(&f);
	CU_ASSERT_EQUAL(f.t.meta.flags, WEIR_META_IP6 | WEIR_META_FRAG | WEIR_META_L4);
	ext = frame_chain(&f, kinds, 1);
	put16(ext + 2, 1448);
	ext[0] = 60; /* what follows is not a header */
	GOES_ON(&f);
	CU_ASSERT_EQUAL(f.t.meta.flags, WEIR_META_IP6 | WEIR_META_FRAG | WEIR_META_FRAG_LATER);
	CU_ASSERT_EQUAL(f.t.meta.proto, 60);
	ext = frame_chain(&f, kinds, 1);
	put16(ext + 2, 8);
	GOES_ON(&f);
	ext[0] = 6; /* over the flags of TCP (RFC 1858) */
	DROPPED(&f, FRAG_BAD);
	put16(ext + 2, 16);
	GOES_ON(&f);
	frame_chain(&f, kinds, 2);
	DROPPED(&f, IP6_EXT);
	ext = frame_chain(&f, kinds, 1);
	put16(ext + 2, 0xfff8);
	DROPPED(&f, IP6_EXT);
}

WEIR_TESTS("node/parse6", TEST(lies_of_an_ipv6_header_are_dropped),
	   TEST(impossible_ipv6_addresses_are_dropped), TEST(ipv6_extension_headers_are_walked),
	   TEST(an_authentication_header_ends_the_walk),
	   TEST(a_routing_header_of_type_0_must_be_used_up),
	   TEST(hop_by_hop_options_stand_first_or_not_at_all),
	   TEST(extension_headers_are_bounded_in_number_and_length),
	   TEST(too_long_a_chain_is_dropped_though_it_is_all_there),
	   TEST(ipv6_fragments_are_marked))
