/* SPDX-License-Identifier: BSD-3-Clause */

/* VLAN tags pushed and popped, headers rewritten: the payload never moves. */

#include "test.h"
#include "toy_mbuf.h"

#include <weir/vlan.h>

static struct rte_mbuf *toy_frame(struct toy_mbuf *t)
{
	uint8_t b[60];

	for (unsigned i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)(i + 1);
	b[12] = 0x08;
	b[13] = 0x00;
	toy_mbuf(t, b, sizeof(b));
	t->meta.l3_off = 14;
	t->meta.l4_off = 34;
	return &t->m;
}

static void test_a_pushed_tag_moves_the_addresses_and_nothing_else(void)
{
	static const uint8_t tag[4] = {0x81, 0x00, 0xa0, 0x07};
	struct toy_mbuf t;
	struct rte_mbuf *m = toy_frame(&t);
	uint8_t *payload = rte_pktmbuf_mtod(m, uint8_t *) + 14;

	CU_ASSERT_EQUAL(weir_vlan_push(m, RTE_ETHER_TYPE_VLAN, 5 << 13 | 7), 0);
	CU_ASSERT_EQUAL(m->data_off, TOY_HEADROOM - 4);
	CU_ASSERT_EQUAL(m->pkt_len, 64);
	CU_ASSERT_EQUAL(rte_pktmbuf_mtod(m, uint8_t *)[0], 1);
	CU_ASSERT_EQUAL(rte_pktmbuf_mtod(m, uint8_t *)[11], 12);
	CU_ASSERT_EQUAL(memcmp(rte_pktmbuf_mtod(m, uint8_t *) + 12, tag, 4), 0);
	CU_ASSERT_PTR_EQUAL(rte_pktmbuf_mtod(m, uint8_t *) + t.meta.l3_off, payload);
	CU_ASSERT_EQUAL(payload[0], 15);
	CU_ASSERT_EQUAL(t.meta.l4_off, 38);
}

static void test_popping_what_was_pushed_gives_the_frame_back(void)
{
	struct toy_mbuf t, was;
	struct rte_mbuf *m = toy_frame(&t);
	uint16_t tci = 0;

	toy_frame(&was);
	CU_ASSERT_EQUAL(weir_vlan_push(m, RTE_ETHER_TYPE_VLAN, 9), 0);
	CU_ASSERT_EQUAL(weir_vlan_push(m, RTE_ETHER_TYPE_QINQ, 8), 0);
	CU_ASSERT_EQUAL(weir_vlan_pop(m, &tci), 0);
	CU_ASSERT_EQUAL(tci, 8);
	CU_ASSERT_EQUAL(weir_vlan_pop(m, &tci), 0);
	CU_ASSERT_EQUAL(tci, 9);
	CU_ASSERT_EQUAL(weir_vlan_pop(m, NULL), -EINVAL);
	CU_ASSERT_EQUAL(m->data_off, was.m.data_off);
	CU_ASSERT_EQUAL(m->pkt_len, 60);
	CU_ASSERT_EQUAL(t.meta.l3_off, 14);
	CU_ASSERT_EQUAL(memcmp(t.buf + TOY_HEADROOM, was.buf + TOY_HEADROOM, 60), 0);
}

static void test_an_unparsed_frame_stays_unparsed(void)
{
	struct toy_mbuf t;
	struct rte_mbuf *m = toy_frame(&t);

	t.meta.l3_off = 0;
	t.meta.l4_off = 0;
	CU_ASSERT_EQUAL(weir_vlan_push(m, RTE_ETHER_TYPE_VLAN, 7), 0);
	CU_ASSERT_EQUAL(t.meta.l3_off, 0);
	CU_ASSERT_EQUAL(t.meta.l4_off, 0);
}

static void test_too_short_frames_and_used_up_headroom_are_refused(void)
{
	struct toy_mbuf t;
	struct rte_mbuf *m = toy_frame(&t);

	m->data_off = 3;
	CU_ASSERT_EQUAL(weir_vlan_push(m, RTE_ETHER_TYPE_VLAN, 7), -ENOSPC);
	CU_ASSERT_EQUAL(m->data_off, 3);
	m = toy_frame(&t);
	m->data_len = 13;
	CU_ASSERT_EQUAL(weir_vlan_push(m, RTE_ETHER_TYPE_VLAN, 7), -EINVAL);
	m = toy_frame(&t);
	CU_ASSERT_EQUAL(weir_vlan_push(m, RTE_ETHER_TYPE_VLAN, 7), 0);
	m->data_len = 17;
	CU_ASSERT_EQUAL(weir_vlan_pop(m, NULL), -EINVAL);
}

static void test_a_header_ends_where_the_packet_begins(void)
{
	static const uint8_t dst[6] = {2, 2, 2, 2, 2, 2}, src[6] = {3, 3, 3, 3, 3, 3};
	static const uint16_t vlan[3][2] = {{0, 0}, {7, 0}, {8, 9}};
	static const uint8_t want[3][22] = {
		{2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 0x86, 0xdd},
		{2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 0x81, 0, 0, 7, 0x86, 0xdd},
		{2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 0x88, 0xa8, 0, 8, 0x81, 0, 0, 9, 0x86, 0xdd}};

	for (unsigned i = 0; i < 3; i++) {
		const uint16_t l2_bytes = (uint16_t)(14 + 4 * i);
		struct toy_mbuf t;
		struct rte_mbuf *m = toy_frame(&t);
		struct weir_l2 l2;

		weir_l2_make(&l2, dst, src, vlan[i]);
		CU_ASSERT_TRUE(weir_l2_put(m, &l2, RTE_BE16(RTE_ETHER_TYPE_IPV6)));
		CU_ASSERT_EQUAL(t.meta.l3_off, l2_bytes);
		CU_ASSERT_EQUAL(t.meta.l4_off, l2_bytes + 20);
		CU_ASSERT_EQUAL(m->pkt_len, 46u + l2_bytes);
		CU_ASSERT_EQUAL(m->data_len, 46u + l2_bytes);
		CU_ASSERT_EQUAL(memcmp(rte_pktmbuf_mtod(m, void *), want[i], l2_bytes), 0);
		CU_ASSERT_EQUAL(rte_pktmbuf_mtod(m, uint8_t *)[l2_bytes], 15);
	}
}

static void test_a_shorter_header_gives_headroom_back(void)
{
	static const uint8_t mac[6] = {2};
	static const uint16_t none[2];
	struct toy_mbuf t;
	struct rte_mbuf *m = toy_frame(&t);
	struct weir_l2 l2;

	CU_ASSERT_EQUAL(weir_vlan_push(m, RTE_ETHER_TYPE_VLAN, 7), 0);
	weir_l2_make(&l2, mac, mac, none);
	CU_ASSERT_TRUE(weir_l2_put(m, &l2, weir_l2_type(m)));
	CU_ASSERT_EQUAL(m->data_off, TOY_HEADROOM);
	CU_ASSERT_EQUAL(m->pkt_len, 60);
	m->data_off = 0;
	t.meta.l3_off = 10;
	CU_ASSERT_FALSE(weir_l2_put(m, &l2, weir_l2_type(m)));
	CU_ASSERT_EQUAL(t.meta.l3_off, 10);
}

WEIR_TESTS("dataplane/vlan", TEST(a_pushed_tag_moves_the_addresses_and_nothing_else),
	   TEST(popping_what_was_pushed_gives_the_frame_back),
	   TEST(an_unparsed_frame_stays_unparsed),
	   TEST(too_short_frames_and_used_up_headroom_are_refused),
	   TEST(a_header_ends_where_the_packet_begins), TEST(a_shorter_header_gives_headroom_back))
