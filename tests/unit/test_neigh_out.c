/* SPDX-License-Identifier: BSD-3-Clause */

/* 80_neigh_out: headers for gateways, links and groups; requests for who is not known. */

#include "80_neigh_out.c"

#include "toy_neigh.h"

#include <rte_arp.h>

static void answer(struct neigh_key key, const uint8_t *mac)
{
	neigh_learn(
		table, &toy_l3,
		&(struct neigh_news){.key = key, .mac = mac, .solicited = true, .override = true},
		now);
}

static enum weir_verdict judged(struct rte_mbuf *m, uint32_t hop)
{
	uint8_t verdict[1];
	struct weir_burst b = {.pkt = &m, .verdict = verdict, .n = 1, .pass = &toy_pass};

	weir_meta(m)->hop = hop;
	neigh_out_process(&toy_shard, &b);
	return verdict[0];
}

static struct rte_mbuf *toy_packet6(struct toy_mbuf *t, const char *dst)
{
	struct weir_prefix p;
	struct rte_mbuf *m = toy_mbuf(t, NULL, 14 + 48);

	toy_addr(&p, dst);
	m->refcnt = 2;
	t->meta.flags = WEIR_META_IP6 | WEIR_META_L4;
	t->meta.l3_off = 14;
	t->meta.l4_off = 54;
	memcpy(ip6_dst(ip6(m)), p.addr.bytes, 16);
	return m;
}

static void check_l2(struct rte_mbuf *m, const void *dst, uint16_t type, uint16_t port)
{
	const uint8_t *b = rte_pktmbuf_mtod(m, const uint8_t *);
	const uint16_t at = weir_meta(m)->l3_off;

	CU_ASSERT_EQUAL(memcmp(b, dst, 6), 0);
	CU_ASSERT_EQUAL(memcmp(b + 6, toy_mac, 6), 0);
	CU_ASSERT_EQUAL(b[at - 2] << 8 | b[at - 1], type);
	CU_ASSERT_EQUAL(weir_meta(m)->port_out, port);
	CU_ASSERT_EQUAL(weir_meta(m)->iface_out, port);
}

static void test_a_known_gateway_gets_the_packet_whatever_its_destination(void)
{
	struct toy_mbuf t;

	toy_world();
	CU_ASSERT_EQUAL(judged(toy_packet(&t, 77), HOP_GATEWAY), WEIR_HELD);
	answer(key4(254), peer_mac);
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(judged(toy_packet(&t, i), HOP_GATEWAY), WEIR_TX);
		check_l2(&t.m, peer_mac, 0x0800, 0);
		CU_ASSERT_EQUAL(t.m.pkt_len, 14 + 28);
	}
	CU_ASSERT_EQUAL(toy_shard.counters.neigh_requests, 1);
	toy_world_end();
}

static void test_on_a_link_the_destination_is_the_neighbour(void)
{
	struct toy_mbuf t;

	toy_world();
	judged(toy_packet(&t, 9), HOP_LINK);
	judged(toy_packet(&t, 10), HOP_LINK);
	answer(key4(9), peer_mac);
	answer(key4(10), other_mac);
	CU_ASSERT_EQUAL(judged(toy_packet(&t, 9), HOP_LINK), WEIR_TX);
	check_l2(&t.m, peer_mac, 0x0800, 0);
	CU_ASSERT_EQUAL(judged(toy_packet(&t, 10), HOP_LINK), WEIR_TX);
	check_l2(&t.m, other_mac, 0x0800, 0);
	toy_world_end();
}

static void test_tags_of_the_interface_are_pushed(void)
{
	const struct neigh_key key = neigh_key6(1, gateway6);
	struct toy_mbuf t;
	uint8_t *b;

	toy_world();
	judged(toy_packet6(&t, "2001:db8:9::9/128"), HOP_GATEWAY6_VLAN);
	answer(key, peer_mac);
	CU_ASSERT_EQUAL(judged(toy_packet6(&t, "2001:db8:9::9/128"), HOP_GATEWAY6_VLAN), WEIR_TX);
	check_l2(&t.m, peer_mac, 0x86dd, 1);
	CU_ASSERT_EQUAL(t.meta.l3_off, 18);
	CU_ASSERT_EQUAL(t.m.pkt_len, 18 + 48);
	b = rte_pktmbuf_mtod(&t.m, uint8_t *);
	CU_ASSERT_EQUAL(b[12] << 8 | b[13], 0x8100);
	CU_ASSERT_EQUAL(b[14] << 8 | b[15], 7);
	/* IPv4 by an IPv6 gateway (RFC 8950) keeps its type */
	CU_ASSERT_EQUAL(judged(toy_packet(&t, 9), HOP_GATEWAY6_VLAN), WEIR_TX);
	check_l2(&t.m, peer_mac, 0x0800, 1);
	toy_world_end();
}

static void test_groups_have_a_mac_without_asking(void)
{
	static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};
	static const uint8_t group4[6] = {1, 0, 0x5e, 0x7f, 1, 2};
	static const uint8_t group6[6] = {0x33, 0x33, 0xff, 1, 2, 3};
	struct toy_mbuf t;
	struct rte_mbuf *m;

	toy_world();
	CU_ASSERT_EQUAL(judged(toy_packet(&t, 255), HOP_ALL), WEIR_TX);
	check_l2(&t.m, all, 0x0800, 0);
	m = toy_packet(&t, 0);
	ip4(m)->dst_addr = UINT32_MAX;
	CU_ASSERT_EQUAL(judged(m, HOP_LINK), WEIR_TX);
	check_l2(m, all, 0x0800, 0);
	m = toy_packet(&t, 0);
	ip4(m)->dst_addr = RTE_BE32(UINT32_C(0xefff0102));
	CU_ASSERT_EQUAL(judged(m, HOP_LINK), WEIR_TX);
	check_l2(m, group4, 0x0800, 0);
	CU_ASSERT_EQUAL(judged(toy_packet6(&t, "ff02::1:ff01:203/128"), HOP_LINK), WEIR_TX);
	check_l2(&t.m, group6, 0x86dd, 0);
	CU_ASSERT_EQUAL(n_sent, 0);
	toy_world_end();
}

static void test_an_arp_request_asks_all_from_the_subnets_address(void)
{
	static const uint8_t want[42] = {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0,	1, 8, 6,
					 0,   1,   8,	0,   6,	  4,   0, 1, 2, 0, 0,	0, 0, 1,
					 192, 0,   2,	1,   0,	  0,   0, 0, 0, 0, 192, 0, 2, 9};
	struct toy_mbuf t;

	toy_world();
	judged(toy_packet(&t, 9), HOP_LINK);
	CU_ASSERT_EQUAL_FATAL(n_sent, 1);
	CU_ASSERT_EQUAL(sent_by[0], WEIR_TX);
	CU_ASSERT_EQUAL(sent[0]->pkt_len, 42);
	CU_ASSERT_EQUAL(memcmp(frame(0), want, 42), 0);
	CU_ASSERT_EQUAL(weir_meta(sent[0])->port_out, 0);
	toy_world_end();
}

static void test_a_solicitation_goes_to_the_group_of_the_target(void)
{
	static const uint8_t mac[6] = {0x33, 0x33, 0xff, 0, 0, 0xfe};
	static const uint8_t group[16] = {0xff, 2, [11] = 1, 0xff, 0, 0, 0xfe};
	static const uint8_t ours[16] = {0x20, 1, 0xd, 0xb8, 0, 1, [15] = 1};
	struct toy_mbuf t;
	const uint8_t *ip;
	uint32_t sum;

	toy_world();
	judged(toy_packet6(&t, "2001:db8:9::9/128"), HOP_GATEWAY6_VLAN);
	CU_ASSERT_EQUAL_FATAL(n_sent, 1);
	CU_ASSERT_EQUAL(sent[0]->pkt_len, 18 + 40 + 32);
	CU_ASSERT_EQUAL(memcmp(frame(0), mac, 6), 0);
	CU_ASSERT_EQUAL(weir_meta(sent[0])->port_out, 1);
	ip = frame(0) + 18;
	CU_ASSERT_EQUAL(ip[7], 255);
	CU_ASSERT_EQUAL(memcmp(ip + 8, ours, 16), 0);
	CU_ASSERT_EQUAL(memcmp(ip + 24, group, 16), 0);
	CU_ASSERT_EQUAL(ip[40], 135);
	CU_ASSERT_EQUAL(memcmp(ip + 48, gateway6, 16), 0);
	CU_ASSERT_EQUAL(ip[64] << 8 | ip[65], 0x0101);
	CU_ASSERT_EQUAL(memcmp(ip + 66, toy_mac, 6), 0);
	sum = weir_csum_add(weir_csum_pseudo6(ip + 8, ip + 24, 58, 32), weir_csum_sum(ip + 40, 32));
	CU_ASSERT_EQUAL(weir_csum_finish(sum), 0);
	toy_world_end();
}

static void test_a_link_local_target_is_asked_from_the_link_local_address(void)
{
	static const uint8_t link_local[16] = {0xfe, 0x80, [15] = 1};
	struct toy_mbuf t;

	toy_world();
	judged(toy_packet6(&t, "fe80::9/128"), HOP_LINK);
	CU_ASSERT_EQUAL_FATAL(n_sent, 1);
	CU_ASSERT_EQUAL(memcmp(frame(0) + 14 + 8, link_local, 16), 0);
	toy_world_end();
}

static void test_an_interface_without_address_cannot_ask(void)
{
	struct toy_mbuf t;

	toy_world();
	toy_ifaces[0].n_addrs = 0;
	CU_ASSERT_EQUAL(judged(toy_packet(&t, 9), HOP_LINK), WEIR_HELD);
	CU_ASSERT_EQUAL(n_sent, 0);
	toy_wait(4 * S);
	CU_ASSERT_EQUAL(dropped(WEIR_DROP_NEIGH_FAILED), 1);
	toy_world_end();
}

static void test_hops_that_lead_nowhere_are_named(void)
{
	static const uint32_t hops[] = {HOP_NONE, HOP_LOCAL, HOPS, WEIR_NO_HOP};
	struct toy_mbuf t;

	toy_world();
	for (unsigned i = 0; i < RTE_DIM(hops); i++) {
		CU_ASSERT_EQUAL(judged(toy_packet(&t, 9), hops[i]), WEIR_DROP);
		CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_NO_ROUTE);
	}
	toy_packet(&t, 9);
	t.meta.flags = 0;
	CU_ASSERT_EQUAL(judged(&t.m, HOP_GATEWAY), WEIR_DROP);
	CU_ASSERT_EQUAL(n_sent, 0);
	toy_world_end();
}

static void test_a_full_table_is_named(void)
{
	struct toy_mbuf t[TOY_TABLE + 1];

	toy_world();
	for (unsigned i = 0; i < TOY_TABLE; i++) {
		judged(toy_packet(&t[i], 10 + i), HOP_LINK);
		answer(key4(10 + i), peer_mac);
	}
	CU_ASSERT_EQUAL(judged(toy_packet(&t[TOY_TABLE], 99), HOP_LINK), WEIR_DROP);
	CU_ASSERT_EQUAL(t[TOY_TABLE].meta.drop, WEIR_DROP_NEIGH_FULL);
	toy_world_end();
}

static void test_without_headroom_the_packet_is_dropped_as_it_was(void)
{
	struct toy_mbuf t;

	toy_world();
	judged(toy_packet(&t, 9), HOP_LINK);
	answer(key4(9), peer_mac);
	toy_packet(&t, 9);
	t.m.data_off += 14; /* as after decapsulation: nothing in front of the IP header */
	t.m.data_len -= 14;
	t.m.pkt_len -= 14;
	t.meta.l3_off = 0;
	t.meta.l4_off = 20;
	CU_ASSERT_EQUAL(judged(&t.m, HOP_LINK), WEIR_TX);
	CU_ASSERT_EQUAL(t.m.pkt_len, 14 + 28);
	toy_packet(&t, 9);
	memmove(t.buf, t.buf + TOY_HEADROOM + 14, 28);
	t.m.data_off = 0;
	t.meta.l3_off = 0;
	CU_ASSERT_EQUAL(judged(&t.m, HOP_LINK), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_HEADROOM);
	CU_ASSERT_EQUAL(t.m.data_off, 0);
	toy_world_end();
}

static void test_renumbered_hops_lead_to_their_own_gateway(void)
{
	struct weir_gen next = {.number = 2, .l3 = &toy_l3};
	struct toy_mbuf t;

	toy_world();
	judged(toy_packet(&t, 77), HOP_GATEWAY);
	answer(key4(254), peer_mac);
	CU_ASSERT_EQUAL(judged(toy_packet(&t, 77), HOP_GATEWAY), WEIR_TX);
	toy_hops[HOP_GATEWAY].gateway.bytes[3] = 253;
	toy_pass.gen = &next;
	CU_ASSERT_EQUAL(judged(toy_packet(&t, 77), HOP_GATEWAY), WEIR_HELD);
	answer(key4(253), other_mac);
	CU_ASSERT_EQUAL(judged(toy_packet(&t, 77), HOP_GATEWAY), WEIR_TX);
	check_l2(&t.m, other_mac, 0x0800, 0);
	toy_pass.gen = &toy_gen;
	toy_world_end();
}

static void test_an_evicted_gateway_is_not_taken_for_its_successor(void)
{
	struct toy_mbuf t;
	struct toy_mbuf other[TOY_TABLE];

	toy_world();
	judged(toy_packet(&t, 77), HOP_GATEWAY);
	for (unsigned i = 0; i < TOY_TABLE; i++) {
		judged(toy_packet(&other[i], 10 + i), HOP_LINK);
		answer(key4(10 + i), other_mac);
	}
	CU_ASSERT_EQUAL(judged(toy_packet(&t, 77), HOP_GATEWAY), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_NEIGH_FULL);
	toy_world_end();
}

static void test_a_burst_of_all_kinds_is_judged_packet_by_packet(void)
{
	static const uint32_t hops[] = {HOP_GATEWAY, HOP_LINK, HOP_ALL,
					HOP_NONE,    HOP_LINK, HOP_GATEWAY};
	static const uint8_t want[] = {WEIR_TX, WEIR_HELD, WEIR_TX, WEIR_DROP, WEIR_TX, WEIR_TX};
	static const unsigned last[] = {1, 8, 255, 3, 9, 4};
	struct toy_mbuf t[6];
	struct rte_mbuf *pkt[6];
	uint8_t verdict[6];
	struct weir_burst b = {.pkt = pkt, .verdict = verdict, .n = 6, .pass = &toy_pass};

	toy_world();
	judged(toy_packet(&t[0], 77), HOP_GATEWAY);
	judged(toy_packet(&t[1], 9), HOP_LINK);
	answer(key4(254), peer_mac);
	answer(key4(9), other_mac);
	for (unsigned i = 0; i < 6; i++) {
		pkt[i] = toy_packet(&t[i], last[i]);
		t[i].meta.hop = hops[i];
	}
	neigh_out_process(&toy_shard, &b);
	CU_ASSERT_EQUAL(memcmp(verdict, want, sizeof(want)), 0);
	check_l2(pkt[4], other_mac, 0x0800, 0);
	check_l2(pkt[5], peer_mac, 0x0800, 0);
	toy_world_end();
}

WEIR_TESTS("node/neigh_out", TEST(a_known_gateway_gets_the_packet_whatever_its_destination),
	   TEST(on_a_link_the_destination_is_the_neighbour), TEST(tags_of_the_interface_are_pushed),
	   TEST(groups_have_a_mac_without_asking),
	   TEST(an_arp_request_asks_all_from_the_subnets_address),
	   TEST(a_solicitation_goes_to_the_group_of_the_target),
	   TEST(a_link_local_target_is_asked_from_the_link_local_address),
	   TEST(an_interface_without_address_cannot_ask), TEST(hops_that_lead_nowhere_are_named),
	   TEST(a_full_table_is_named), TEST(without_headroom_the_packet_is_dropped_as_it_was),
	   TEST(renumbered_hops_lead_to_their_own_gateway),
	   TEST(an_evicted_gateway_is_not_taken_for_its_successor),
	   TEST(a_burst_of_all_kinds_is_judged_packet_by_packet))
