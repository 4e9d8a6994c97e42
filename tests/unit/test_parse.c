/* SPDX-License-Identifier: BSD-3-Clause */

/* 10_parse judged one frame at a time: layer 2, IPv4, segments. Each check from both sides. */

#include "10_parse.c"

#include "toy_frame.h"

static void test_plain_udp_and_tcp_are_found_with_all_offsets(void)
{
	struct frame f;
	const struct weir_meta *meta = &f.t.meta;

	frame_udp4(&f);
	GOES_ON(&f);
	CU_ASSERT_EQUAL(meta->flags, WEIR_META_IP4 | WEIR_META_L4);
	CU_ASSERT_EQUAL(meta->iface_in, WAN);
	CU_ASSERT_EQUAL(meta->l3_off, ETH);
	CU_ASSERT_EQUAL(meta->l4_off, IP4);
	CU_ASSERT_EQUAL(meta->proto, 17);
	frame_tcp4(&f);
	GOES_ON(&f);
	CU_ASSERT_EQUAL(meta->proto, 6);
	frame_udp6(&f);
	GOES_ON(&f);
	CU_ASSERT_EQUAL(meta->flags, WEIR_META_IP6 | WEIR_META_L4);
	CU_ASSERT_EQUAL(meta->l4_off, IP6);
	CU_ASSERT_EQUAL(meta->proto, 17);
}

static void test_a_frame_shorter_than_its_header_is_dropped(void)
{
	struct frame f;

	for (uint16_t len = 0; len < 14; len++) {
		frame_udp4(&f);
		f.len = len;
		DROPPED(&f, L2_SHORT);
	}
	for (uint16_t len = 14; len < 18; len++) {
		frame_udp4(&f);
		frame_tag(&f, 0x8100, 7);
		f.len = len;
		DROPPED(&f, L2_SHORT);
	}
}

static void test_no_cut_anywhere_passes_or_reads_beyond(void)
{
	struct frame f;

	for (uint16_t len = 0; len < ETH + 44; len++) {
		frame_udp4(&f);
		f.len = len;
		CU_ASSERT_NOT_EQUAL(judged(&f), WEIR_DROP_NONE);
		frame_tcp4(&f);
		f.len = len;
		CU_ASSERT_NOT_EQUAL(judged(&f), WEIR_DROP_NONE);
	}
	for (uint16_t len = 0; len < IP6 + 16; len++) {
		frame_udp6(&f);
		f.len = len;
		CU_ASSERT_NOT_EQUAL(judged(&f), WEIR_DROP_NONE);
	}
}

static void test_only_our_mac_and_groups_are_heard(void)
{
	struct frame f;

	frame_udp4(&f);
	f.b[5] = 9;
	DROPPED(&f, NOT_OURS);
	frame_udp6(&f);
	f.b[1] = 9;
	DROPPED(&f, NOT_OURS);
	frame_udp4(&f);
	memset(f.b, 0xff, 6);
	GOES_ON(&f);
	CU_ASSERT_TRUE(f.t.meta.flags & WEIR_META_L2_GROUP);
	frame_udp4(&f);
	f.b[0] = 0x01;
	GOES_ON(&f);
	CU_ASSERT_TRUE(f.t.meta.flags & WEIR_META_L2_GROUP);
}

static void test_what_we_made_is_asked_for_no_mac_and_no_interface(void)
{
	struct frame f;
	struct rte_mbuf *m;

	frame_udp4(&f);
	f.b[5] = 9;
	m = frame_mbuf(&f);
	f.t.meta.flags = WEIR_META_OURS | WEIR_META_FRAG;
	f.t.meta.port_in = WEIR_NO_PORT;
	f.t.meta.iface_in = 5;
	CU_ASSERT_EQUAL(parse_first(m, toy_l3()), WEIR_NEXT);
	CU_ASSERT_EQUAL(f.t.meta.iface_in, 5);
	CU_ASSERT_EQUAL(f.t.meta.flags, WEIR_META_OURS | WEIR_META_IP4 | WEIR_META_L4);
}

/* Each frame is for what its own port and address say, whatever came before it. */
static void test_frames_of_all_ports_and_macs_are_told_apart_in_a_burst(void)
{
	static struct frame f[512];
	static const uint8_t group[6] = {0x01, 0, 0x5e, 0, 0, 1};
	struct weir_l3 l3 = *toy_l3();
	uint32_t random = 1;

	l3.untagged[1] = VLAN;
	l3.untagged[2] = WEIR_NO_IFACE;
	l3.tagged[1] = l3.tagged[2] = NULL;
	ifaces[VLAN].mac[5] = 7;
	for (unsigned round = 0; round < 8; round++) {
		struct weir_gen gen = {.l3 = &l3};
		const struct weir_pass pass = {.gen = &gen};
		struct rte_mbuf *m[RTE_DIM(f)];
		uint8_t said[RTE_DIM(f)];
		struct weir_burst b = {.pkt = m, .verdict = said, .n = RTE_DIM(f), .pass = &pass};

		for (unsigned i = 0; i < RTE_DIM(f); i++) {
			random = random * 1664525 + 1013904223;
			frame_udp4(&f[i]);
			memcpy(f[i].b, (random >> 12) % 4 == 0 ? group : our_mac, 6);
			f[i].b[5] = (random >> 16) % 2 == 0 ? f[i].b[5] : 7;
			m[i] = frame_mbuf(&f[i]);
			f[i].t.meta.port_in = (random >> 20) % 8 == 0 ? 2 : (random >> 24) % 2;
			f[i].t.meta.flags = (random >> 28) == 0 ? WEIR_META_OURS : 0;
		}
		parse_process(NULL, &b);
		for (unsigned i = 0; i < RTE_DIM(f); i++) {
			const struct weir_meta is = f[i].t.meta;

			m[i] = frame_mbuf(&f[i]);
			f[i].t.meta.port_in = is.port_in;
			f[i].t.meta.flags = is.flags & WEIR_META_OURS;
			CU_ASSERT_EQUAL(said[i], parse_first(m[i], &l3));
			CU_ASSERT_EQUAL(is.drop, f[i].t.meta.drop);
			CU_ASSERT_EQUAL(is.flags, f[i].t.meta.flags);
			if (!(is.flags & WEIR_META_OURS))
				CU_ASSERT_EQUAL(is.iface_in, f[i].t.meta.iface_in);
		}
	}
}

static void test_without_layer_3_any_mac_will_do(void)
{
	struct frame f;

	frame_udp4(&f);
	f.b[5] = 9;
	CU_ASSERT_EQUAL(parse_first(frame_mbuf(&f), NULL), WEIR_NEXT);
	CU_ASSERT_EQUAL(f.t.meta.iface_in, WEIR_NO_IFACE);
}

static void test_tags_lead_to_their_interface(void)
{
	struct frame f;

	frame_udp4(&f);
	frame_tag(&f, 0x8100, 3 << 13 | 7);
	GOES_ON(&f);
	CU_ASSERT_EQUAL(f.t.meta.iface_in, VLAN);
	CU_ASSERT_EQUAL(f.t.meta.vlan[0], 7);
	CU_ASSERT_EQUAL(f.t.meta.vlan[1], 0);
	CU_ASSERT_EQUAL(f.t.meta.l3_off, ETH + 4);
	for (unsigned n = 0; n < 3; n++) {
		static const unsigned outer[] = {0x8100, 0x88a8, 0x9100};

		frame_udp6(&f);
		frame_tag(&f, 0x8100, 9);
		frame_tag(&f, outer[n], 8);
		GOES_ON(&f);
		CU_ASSERT_EQUAL(f.t.meta.iface_in, QINQ);
		CU_ASSERT_EQUAL(f.t.meta.vlan[0], 8);
		CU_ASSERT_EQUAL(f.t.meta.vlan[1], 9);
		CU_ASSERT_EQUAL(f.t.meta.l4_off, IP6 + 8);
	}
}

static void test_a_priority_tag_means_untagged(void)
{
	struct frame f;

	frame_udp4(&f);
	frame_tag(&f, 0x8100, 5 << 13);
	GOES_ON(&f);
	CU_ASSERT_EQUAL(f.t.meta.iface_in, WAN);
	frame_udp4(&f);
	frame_tag(&f, 0x8100, 7);
	frame_tag(&f, 0x8100, 0);
	GOES_ON(&f);
	CU_ASSERT_EQUAL(f.t.meta.iface_in, VLAN);
}

static void test_unknown_tags_and_a_third_one_are_dropped(void)
{
	struct frame f;

	frame_udp4(&f);
	frame_tag(&f, 0x8100, 6);
	DROPPED(&f, VLAN_UNKNOWN);
	frame_udp4(&f);
	frame_tag(&f, 0x8100, 9);
	frame_tag(&f, 0x8100, 7);
	DROPPED(&f, VLAN_UNKNOWN);
	frame_udp4(&f);
	frame_tag(&f, 0x8100, 1);
	frame_tag(&f, 0x8100, 9);
	frame_tag(&f, 0x88a8, 8);
	DROPPED(&f, VLAN_UNKNOWN);
}

static void test_arp_goes_on_and_other_protocols_go_to_the_kernel(void)
{
	struct frame f;

	frame_eth(&f, 0x0806);
	f.len = 60;
	GOES_ON(&f);
	CU_ASSERT_EQUAL(f.t.meta.flags, 0);
	CU_ASSERT_EQUAL(f.t.meta.l3_off, ETH);
	frame_eth(&f, 0x88cc);
	f.len = 60;
	CU_ASSERT_EQUAL(parse_first(frame_mbuf(&f), toy_l3()), WEIR_PUNT);
	frame_eth(&f, 0x0026); /* a length: IEEE 802.3 with LLC */
	f.len = 60;
	CU_ASSERT_EQUAL(parse_first(frame_mbuf(&f), toy_l3()), WEIR_PUNT);
}

static void test_lies_of_an_ipv4_header_are_dropped(void)
{
	struct frame f;
	uint8_t *ip;

	ip = frame_udp4(&f);
	ip[0] = 0x55;
	DROPPED(&f, IP4_HEADER);
	ip = frame_udp4(&f);
	ip[0] = 0x44;
	DROPPED(&f, IP4_HEADER);
	ip = frame_udp4(&f);
	put16(ip + 2, 19);
	DROPPED(&f, IP4_HEADER);
	ip = frame_udp4(&f);
	put16(ip + 2, 45);
	DROPPED(&f, IP4_HEADER);
	ip = frame_udp4(&f);
	ip[0] = 0x46; /* options that reach beyond the total length */
	put16(ip + 2, 20);
	DROPPED(&f, IP4_HEADER);
}

static void test_padding_of_the_frame_is_cut(void)
{
	struct frame f;

	frame_udp4(&f);
	f.len += 30;
	GOES_ON(&f);
	CU_ASSERT_EQUAL(f.t.m.pkt_len, ETH + 44);
	CU_ASSERT_EQUAL(f.t.m.data_len, ETH + 44);
	frame_udp6(&f);
	f.len += 3;
	GOES_ON(&f);
	CU_ASSERT_EQUAL(f.t.m.pkt_len, IP6 + 16);
}

static void test_each_bit_of_an_ipv4_header_is_under_its_checksum(void)
{
	struct frame f;

	for (unsigned bit = 0; bit < 160; bit++) {
		frame_udp4(&f);
		frame_mbuf(&f); /* now it has the right one */
		f.b[ETH + bit / 8] ^= (uint8_t)(1 << bit % 8);
		CU_ASSERT_NOT_EQUAL(judged(&f), WEIR_DROP_NONE);
	}
	frame_udp4(&f)[10] = 0x12;
	DROPPED(&f, IP4_CSUM);
}

static void test_the_port_may_vouch_for_the_checksum(void)
{
	struct frame f;
	struct rte_mbuf *m;

	frame_udp4(&f)[10] = 0x12;
	m = frame_mbuf(&f);
	m->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	CU_ASSERT_EQUAL(parse_first(m, toy_l3()), WEIR_NEXT);
	frame_udp4(&f);
	m = frame_mbuf(&f);
	m->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_BAD;
	CU_ASSERT_EQUAL(parse_first(m, toy_l3()), WEIR_DROP);
	CU_ASSERT_EQUAL(f.t.meta.drop, WEIR_DROP_IP4_CSUM);
	frame_udp4(&f)[10] = 0x12;
	m = frame_mbuf(&f);
	m->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_NONE;
	CU_ASSERT_EQUAL(parse_first(m, toy_l3()), WEIR_DROP);
}

static void test_impossible_ipv4_addresses_are_dropped(void)
{
	static const uint8_t bad_source[] = {0, 127, 224, 239, 240, 255};
	static const uint8_t bad_destination[] = {0, 127};
	static const uint8_t good[] = {1, 10, 126, 128, 192, 223};
	struct frame f;

	for (unsigned i = 0; i < RTE_DIM(bad_source); i++) {
		frame_udp4(&f)[12] = bad_source[i];
		DROPPED(&f, IP_SOURCE);
	}
	for (unsigned i = 0; i < RTE_DIM(bad_destination); i++) {
		frame_udp4(&f)[16] = bad_destination[i];
		DROPPED(&f, IP_MARTIAN);
	}
	for (unsigned i = 0; i < RTE_DIM(good); i++) {
		uint8_t *ip = frame_udp4(&f);

		ip[12] = good[i];
		ip[16] = good[i];
		GOES_ON(&f);
	}
}

static void test_who_has_no_address_yet_may_speak_to_all(void)
{
	struct frame f;
	uint8_t *ip = frame_udp4(&f);

	memset(ip + 12, 0, 4);
	memset(ip + 16, 255, 4);
	GOES_ON(&f);
	memset(frame_udp4(&f) + 12, 0, 4);
	DROPPED(&f, IP_SOURCE);
}

static void test_lies_of_udp_and_tcp_are_dropped(void)
{
	struct frame f;
	uint8_t *ip;

	put16(frame_udp4(&f) + 24, 0);
	DROPPED(&f, L4_HEADER);
	put16(frame_udp4(&f) + 24, 7);
	DROPPED(&f, L4_HEADER);
	put16(frame_udp4(&f) + 24, 8);
	GOES_ON(&f);
	put16(frame_udp4(&f) + 24, 25);
	DROPPED(&f, L4_HEADER);
	frame_tcp4(&f)[32] = 4 << 4;
	DROPPED(&f, L4_HEADER);
	frame_tcp4(&f)[32] = 6 << 4;
	GOES_ON(&f);
	frame_tcp4(&f)[32] = 7 << 4;
	DROPPED(&f, L4_HEADER);
	ip = frame_udp4(&f);
	put16(ip + 2, 27); /* 7 bytes of UDP */
	DROPPED(&f, L4_HEADER);
	ip = frame_tcp4(&f);
	put16(ip + 2, 39);
	DROPPED(&f, L4_HEADER);
}

static void test_icmp_has_eight_bytes_at_least(void)
{
	struct frame f;
	uint8_t *ip;

	ip = frame_udp4(&f);
	ip[9] = 1;
	put16(ip + 2, 28);
	GOES_ON(&f);
	CU_ASSERT_TRUE(f.t.meta.flags & WEIR_META_L4);
	ip = frame_udp4(&f);
	ip[9] = 1;
	put16(ip + 2, 27);
	DROPPED(&f, L4_HEADER);
	frame_ip6(&f, 58, 8);
	GOES_ON(&f);
	CU_ASSERT_TRUE(f.t.meta.flags & WEIR_META_L4);
	frame_ip6(&f, 58, 7);
	DROPPED(&f, L4_HEADER);
}

static void test_sctp_has_twelve_bytes_at_least(void)
{
	struct frame f;
	uint8_t *ip;

	ip = frame_udp4(&f);
	ip[9] = 132;
	put16(ip + 2, 32);
	GOES_ON(&f);
	CU_ASSERT_EQUAL(f.t.meta.flags, WEIR_META_IP4 | WEIR_META_L4);
	ip = frame_udp4(&f);
	ip[9] = 132;
	put16(ip + 2, 31);
	DROPPED(&f, L4_HEADER);
	frame_ip6(&f, 132, 12);
	GOES_ON(&f);
	CU_ASSERT_EQUAL(f.t.meta.flags, WEIR_META_IP6 | WEIR_META_L4);
	frame_ip6(&f, 132, 11);
	DROPPED(&f, L4_HEADER);
}

static void test_other_transports_are_not_looked_into(void)
{
	struct frame f;

	frame_udp4(&f)[9] = 33; /* DCCP */
	GOES_ON(&f);
	CU_ASSERT_EQUAL(f.t.meta.flags, WEIR_META_IP4);
	CU_ASSERT_EQUAL(f.t.meta.proto, 33);
	frame_ip6(&f, 50, 0);
	GOES_ON(&f);
	CU_ASSERT_EQUAL(f.t.meta.flags, WEIR_META_IP6);
	frame_ip6(&f, 59, 0);
	GOES_ON(&f);
	CU_ASSERT_EQUAL(f.t.meta.proto, 59);
}

static void test_ipv4_options_move_the_transport_header(void)
{
	struct frame f;
	uint8_t *ip = frame_udp4(&f);

	memmove(ip + 24, ip + 20, 24);
	memset(ip + 20, 1, 4); /* four times "no operation" */
	ip[0] = 0x46;
	put16(ip + 2, 48);
	f.len += 4;
	GOES_ON(&f);
	CU_ASSERT_EQUAL(f.t.meta.flags, WEIR_META_IP4 | WEIR_META_OPTIONS | WEIR_META_L4);
	CU_ASSERT_EQUAL(f.t.meta.l4_off, IP4 + 4);
	f.b[IP4] ^= 2; /* options are under the checksum */
	DROPPED(&f, IP4_CSUM);
}

/* A UDP packet with four bytes of options more for each four of these. */
static void frame_options(struct frame *f, const uint8_t *options, unsigned n)
{
	uint8_t *ip = frame_udp4(f);

	memmove(ip + 20 + n, ip + 20, 24);
	memcpy(ip + 20, options, n);
	ip[0] = (uint8_t)(0x45 + n / 4);
	put16(ip + 2, 20 + n + 24);
	f->len = (uint16_t)(f->len + n);
}

static void test_source_routes_and_lies_of_ipv4_options_are_dropped(void)
{
	static const uint8_t lsrr[8] = {131, 7, 4, 10, 0, 2, 2, 0};
	static const uint8_t ssrr[8] = {1, 137, 7, 4, 10, 0, 2, 2};
	static const uint8_t after_end[8] = {148, 4,   0, 0,
					     0,	  131, 0, 0}; /* RFC 2113, then padding */
	static const uint8_t empty[4] = {68, 0, 0, 0}, one[4] = {68, 1, 0, 0}, far[4] = {68, 5};
	static const uint8_t cut[4] = {1, 1, 1, 68};
	struct frame f;

	frame_options(&f, lsrr, 8);
	DROPPED(&f, SOURCE_ROUTE);
	frame_options(&f, ssrr, 8);
	DROPPED(&f, SOURCE_ROUTE);
	frame_options(&f, empty, 4);
	DROPPED(&f, IP_OPTION);
	frame_options(&f, one, 4);
	DROPPED(&f, IP_OPTION);
	frame_options(&f, far, 4);
	DROPPED(&f, IP_OPTION);
	frame_options(&f, cut, 4);
	DROPPED(&f, IP_OPTION);
	frame_options(&f, after_end, 8);
	GOES_ON(&f);
}

static void test_fragments_are_marked_and_later_ones_have_no_transport(void)
{
	struct frame f;

	frame_udp4(&f)[6] = 0x20;
	put16(f.b + IP4 + 4, 2000); /* the whole datagram is longer than its first fragment */
	GOES_ON(&f);
	CU_ASSERT_EQUAL(f.t.meta.flags, WEIR_META_IP4 | WEIR_META_FRAG | WEIR_META_L4);
	put16(frame_udp4(&f) + 6, 185);
	GOES_ON(&f);
	CU_ASSERT_EQUAL(f.t.meta.flags, WEIR_META_IP4 | WEIR_META_FRAG | WEIR_META_FRAG_LATER);
	put16(frame_udp4(&f) + 6, 0x4000); /* don't fragment */
	GOES_ON(&f);
	CU_ASSERT_EQUAL(f.t.meta.flags, WEIR_META_IP4 | WEIR_META_L4);
	put16(frame_udp4(&f) + 6, 0x1fff); /* would end beyond 65535 bytes */
	DROPPED(&f, IP4_HEADER);
}

static void test_a_fragment_that_would_overwrite_tcps_flags_is_dropped(void)
{
	struct frame f;

	put16(frame_tcp4(&f) + 6, 1);
	DROPPED(&f, FRAG_BAD);
	put16(frame_tcp4(&f) + 6, 0x2001);
	DROPPED(&f, FRAG_BAD);
	put16(frame_tcp4(&f) + 6, 2);
	GOES_ON(&f);
	put16(frame_udp4(&f) + 6, 1);
	GOES_ON(&f);
}

static void test_a_first_fragment_holds_the_whole_transport_header(void)
{
	struct frame f;
	uint8_t *ip = frame_tcp4(&f);

	ip[6] = 0x20;
	put16(ip + 2, 36);
	DROPPED(&f, L4_HEADER);
}

/* Extension headers of 8 bytes each, then UDP; returns where they begin. */
/* Split a frame: the first @p n bytes, and the others. Nothing is freed by chance: refcnt 2. */
static struct rte_mbuf *split(struct frame *f, struct toy_mbuf *rest, uint16_t n)
{
	struct rte_mbuf *m = frame_mbuf(f);

	toy_mbuf(rest, f->b + n, (uint16_t)(f->len - n));
	m->data_len = n;
	m->next = &rest->m;
	m->nb_segs = 2;
	return m;
}

static void test_headers_in_a_later_segment_are_pulled_forward(void)
{
	struct frame f;
	struct toy_mbuf rest;
	struct rte_mbuf *m;

	for (uint16_t n = 0; n < IP4 + 8; n++) {
		frame_udp4(&f);
		m = split(&f, &rest, n);
		CU_ASSERT_EQUAL(parse_first(m, toy_l3()), WEIR_NEXT);
		CU_ASSERT_EQUAL(m->data_len, IP4 + 8);
		CU_ASSERT_EQUAL(rest.m.data_len, 16);
		CU_ASSERT_EQUAL(memcmp(rte_pktmbuf_mtod(m, void *), f.b, IP4 + 8), 0);
	}
}

static void test_headers_in_a_segment_of_somebody_else_are_dropped(void)
{
	struct frame f;
	struct toy_mbuf rest;
	struct rte_mbuf *m;

	frame_udp4(&f);
	m = split(&f, &rest, 20);
	rest.m.refcnt = 2;
	CU_ASSERT_EQUAL(parse_first(m, toy_l3()), WEIR_DROP);
	CU_ASSERT_EQUAL(f.t.meta.drop, WEIR_DROP_IP4_HEADER);
	frame_udp4(&f);
	m = split(&f, &rest, 20);
	m->buf_len = TOY_HEADROOM + 20; /* no tail room */
	CU_ASSERT_EQUAL(parse_first(m, toy_l3()), WEIR_DROP);
}

static void test_padding_in_later_segments_is_cut_and_freed(void)
{
	struct frame f;
	struct toy_mbuf rest;
	struct rte_mbuf *m;

	frame_udp4(&f);
	f.len += 20;
	m = split(&f, &rest, ETH + 44 - 5);
	CU_ASSERT_EQUAL(parse_first(m, toy_l3()), WEIR_NEXT);
	CU_ASSERT_EQUAL(m->pkt_len, ETH + 44);
	CU_ASSERT_EQUAL(rest.m.data_len, 5);
	frame_udp4(&f);
	f.len += 20;
	m = split(&f, &rest, ETH + 44 + 3);
	rest.m.refcnt = 2; /* freeing lowers it */
	CU_ASSERT_EQUAL(parse_first(m, toy_l3()), WEIR_NEXT);
	CU_ASSERT_EQUAL(m->data_len, ETH + 44);
	CU_ASSERT_EQUAL(m->nb_segs, 1);
	CU_ASSERT_PTR_NULL(m->next);
	CU_ASSERT_EQUAL(rest.m.refcnt, 1);
}

static void test_a_burst_is_judged_packet_by_packet(void)
{
	const struct weir_gen gen = {.l3 = toy_l3()};
	const struct weir_pass pass = {.gen = &gen};
	struct frame f[9];
	struct rte_mbuf *pkt[9];
	uint8_t verdict[9];
	struct weir_burst b = {.pkt = pkt, .verdict = verdict, .n = 9, .pass = &pass};

	for (unsigned i = 0; i < 9; i++) {
		frame_udp4(&f[i])[8] = (uint8_t)i;
		if (i == 4)
			f[i].b[ETH] = 0x65;
		pkt[i] = frame_mbuf(&f[i]);
	}
	parse_process(NULL, &b);
	for (unsigned i = 0; i < 9; i++)
		CU_ASSERT_EQUAL(verdict[i], i == 4 ? WEIR_DROP : WEIR_NEXT);
}

WEIR_TESTS("node/parse", TEST(plain_udp_and_tcp_are_found_with_all_offsets),
	   TEST(a_frame_shorter_than_its_header_is_dropped),
	   TEST(no_cut_anywhere_passes_or_reads_beyond), TEST(only_our_mac_and_groups_are_heard),
	   TEST(what_we_made_is_asked_for_no_mac_and_no_interface),
	   TEST(frames_of_all_ports_and_macs_are_told_apart_in_a_burst),
	   TEST(without_layer_3_any_mac_will_do), TEST(tags_lead_to_their_interface),
	   TEST(a_priority_tag_means_untagged), TEST(unknown_tags_and_a_third_one_are_dropped),
	   TEST(arp_goes_on_and_other_protocols_go_to_the_kernel),
	   TEST(lies_of_an_ipv4_header_are_dropped), TEST(padding_of_the_frame_is_cut),
	   TEST(each_bit_of_an_ipv4_header_is_under_its_checksum),
	   TEST(the_port_may_vouch_for_the_checksum), TEST(impossible_ipv4_addresses_are_dropped),
	   TEST(who_has_no_address_yet_may_speak_to_all), TEST(lies_of_udp_and_tcp_are_dropped),
	   TEST(icmp_has_eight_bytes_at_least), TEST(sctp_has_twelve_bytes_at_least),
	   TEST(other_transports_are_not_looked_into), TEST(ipv4_options_move_the_transport_header),
	   TEST(source_routes_and_lies_of_ipv4_options_are_dropped),
	   TEST(fragments_are_marked_and_later_ones_have_no_transport),
	   TEST(a_fragment_that_would_overwrite_tcps_flags_is_dropped),
	   TEST(a_first_fragment_holds_the_whole_transport_header),
	   TEST(headers_in_a_later_segment_are_pulled_forward),
	   TEST(headers_in_a_segment_of_somebody_else_are_dropped),
	   TEST(padding_in_later_segments_is_cut_and_freed),
	   TEST(a_burst_is_judged_packet_by_packet))
