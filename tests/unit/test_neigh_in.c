/* SPDX-License-Identifier: BSD-3-Clause */

/* 15_neigh_in: ARP and neighbour discovery, learned from, answered, refused. */

#include "toy_heard.h"

static void want(struct neigh_key key)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(neigh_want(table, &toy_l3, &key, now));
}

static void test_other_packets_go_on(void)
{
	static const uint32_t flags[] = {WEIR_META_IP4 | WEIR_META_L4, WEIR_META_IP4,
					 WEIR_META_IP6 | WEIR_META_L4, WEIR_META_IP6,
					 WEIR_META_OURS};
	struct toy_mbuf t;

	toy_world();
	for (unsigned i = 0; i < RTE_DIM(flags); i++) {
		toy_packet(&t, 9);
		t.meta.flags = flags[i];
		t.meta.proto = 17;
		SAYS(&t.m, WEIR_NEXT);
	}
	toy_world_end();
}

static void test_a_question_for_our_address_becomes_the_answer(void)
{
	struct toy_mbuf t;
	struct rte_mbuf *m;

	toy_world();
	m = request(&t, 2, 1);
	SAYS(m, WEIR_TX);
	CU_ASSERT_EQUAL(t.meta.port_out, 0);
	CU_ASSERT_EQUAL(memcmp(rte_pktmbuf_mtod(m, void *), peer_mac, 6), 0);
	CU_ASSERT_EQUAL(memcmp(rte_pktmbuf_mtod(m, uint8_t *) + 6, toy_mac, 6), 0);
	CU_ASSERT_EQUAL(arp_of(m)->arp_opcode, RTE_BE16(RTE_ARP_OP_REPLY));
	CU_ASSERT_EQUAL(arp_of(m)->arp_data.arp_sip, toy_ip4(1));
	CU_ASSERT_EQUAL(arp_of(m)->arp_data.arp_tip, toy_ip4(2));
	CU_ASSERT_EQUAL(memcmp(&arp_of(m)->arp_data.arp_sha, toy_mac, 6), 0);
	CU_ASSERT_EQUAL(memcmp(&arp_of(m)->arp_data.arp_tha, peer_mac, 6), 0);
	CU_ASSERT_EQUAL(state_of(key4(2)), WEIR_NEIGH_STALE); /* who asks will be spoken to */
	toy_world_end();
}

static void test_the_answer_carries_the_interfaces_tag(void)
{
	struct toy_mbuf t;
	struct rte_mbuf *m;

	toy_world();
	m = request(&t, 2, 1);
	t.meta.iface_in = 1;
	arp_of(m)->arp_data.arp_tip = RTE_BE32(UINT32_C(0xc6336401));
	SAYS(m, WEIR_TX);
	CU_ASSERT_EQUAL(t.meta.port_out, 1);
	CU_ASSERT_EQUAL(t.meta.l3_off, 18);
	CU_ASSERT_EQUAL(rte_pktmbuf_mtod(m, uint8_t *)[12], 0x81);
	CU_ASSERT_EQUAL(rte_pktmbuf_mtod(m, uint8_t *)[15], 7);
	CU_ASSERT_EQUAL(rte_pktmbuf_mtod(m, uint8_t *)[17], 6);
	toy_world_end();
}

static void test_other_interfaces_addresses_and_strangers_are_not_answered(void)
{
	struct toy_mbuf t;
	struct rte_mbuf *m;

	toy_world();
	DROPPED(request(&t, 2, 99), NEIGH_DONE);
	m = request(&t, 2, 1);
	arp_of(m)->arp_data.arp_tip = RTE_BE32(UINT32_C(0xc6336401)); /* of interface 1 */
	DROPPED(m, NEIGH_DONE);
	CU_ASSERT_EQUAL(state_of(key4(2)), WEIR_NEIGH_FREE); /* nobody asked for it */
	m = request(&t, 2, 1);
	arp_of(m)->arp_data.arp_sip = RTE_BE32(UINT32_C(0x0a000001)); /* not on this link */
	SAYS(m, WEIR_TX);
	CU_ASSERT_EQUAL(state_of(neigh_key4(0, RTE_BE32(UINT32_C(0x0a000001)))), WEIR_NEIGH_FREE);
	toy_world_end();
}

static void test_a_probe_is_answered_and_nothing_learned(void)
{
	struct toy_mbuf t;
	struct rte_mbuf *m;

	toy_world();
	m = request(&t, 0, 1);
	SAYS(m, WEIR_TX);
	CU_ASSERT_EQUAL(arp_of(m)->arp_data.arp_tip, 0);
	CU_ASSERT_EQUAL(weir_neigh_each(table, NULL, NULL), 0);
	toy_world_end();
}

static void test_a_reply_makes_reachable_and_an_announcement_stale(void)
{
	struct toy_mbuf t;
	struct rte_mbuf *m;

	toy_world();
	want(key4(2));
	DROPPED(reply(&t, 2, 1), NEIGH_DONE);
	CU_ASSERT_EQUAL(state_of(key4(2)), WEIR_NEIGH_REACHABLE);
	m = request(&t, 2, 2); /* gratuitous, from another MAC */
	memcpy(&arp_of(m)->arp_data.arp_sha, other_mac, 6);
	DROPPED(m, NEIGH_DONE);
	CU_ASSERT_EQUAL(state_of(key4(2)), WEIR_NEIGH_STALE);
	DROPPED(reply(&t, 3, 1), NEIGH_DONE); /* unasked */
	CU_ASSERT_EQUAL(state_of(key4(3)), WEIR_NEIGH_FREE);
	toy_world_end();
}

static void test_replies_for_us_reach_the_kernel_where_it_shares_the_interface(void)
{
	struct toy_mbuf t;
	struct rte_mbuf *m;

	toy_world();
	m = reply(&t, 2, 1);
	t.meta.iface_in = 1;
	arp_of(m)->arp_data.arp_tip = RTE_BE32(UINT32_C(0xc6336401));
	SAYS(m, WEIR_PUNT);
	m = reply(&t, 2, 1); /* for an address that is not of this interface */
	t.meta.iface_in = 1;
	DROPPED(m, NEIGH_DONE);
	m = reply(&t, 2, 1);
	t.meta.iface_in = 1;
	t.meta.flags |= WEIR_META_LEARN;
	arp_of(m)->arp_data.arp_tip = RTE_BE32(UINT32_C(0xc6336401));
	DROPPED(m, NEIGH_DONE);
	toy_world_end();
}

static void test_malformed_arp_is_dropped(void)
{
	static const struct {
		uint8_t at, value;
	} lies[] = {{0, 1}, {1, 6}, {2, 7}, {4, 8},    {5, 16},	  {6, 1},
		    {7, 3}, {7, 0}, {8, 1}, {14, 127}, {14, 224}, {14, 0}};
	struct toy_mbuf t;
	struct rte_mbuf *m;

	toy_world();
	for (unsigned i = 0; i < RTE_DIM(lies); i++) {
		m = request(&t, 2, 1);
		((uint8_t *)arp_of(m))[lies[i].at] = lies[i].value;
		DROPPED(m, ARP_BAD);
	}
	m = request(&t, 2, 1);
	m->data_len = m->pkt_len = 14 + 27;
	DROPPED(m, ARP_BAD);
	m = request(&t, 2, 1);
	memset(&arp_of(m)->arp_data.arp_sha, 0, 6);
	DROPPED(m, ARP_BAD);
	m = request(&t, 2, 1);
	memcpy(&arp_of(m)->arp_data.arp_sha, toy_mac, 6);
	DROPPED(m, ARP_BAD);
	DROPPED(request(&t, 1, 1), ARP_BAD); /* somebody claims our address */
	toy_world_end();
}

static void test_other_workers_get_a_copy_and_copies_are_only_learned_from(void)
{
	struct toy_mbuf t;
	struct rte_mbuf *m;

	toy_world();
	toy_shard.handoff = (struct weir_handoff *)&t; /* any */
	m = request(&t, 2, 1);
	SAYS(m, WEIR_TX);
	CU_ASSERT_EQUAL(n_copies, 1);
	CU_ASSERT_PTR_EQUAL(copied, m);
	want(key4(3));
	m = request(&t, 3, 1);
	t.meta.flags |= WEIR_META_LEARN;
	DROPPED(m, NEIGH_DONE);
	CU_ASSERT_EQUAL(n_copies, 1);
	CU_ASSERT_EQUAL(state_of(key4(3)), WEIR_NEIGH_STALE);
	toy_world_end();
}

static void test_a_solicitation_for_us_becomes_the_advertisement(void)
{
	struct nd_frame f;

	toy_world();
	SAYS(solicit(&f), WEIR_TX);
	check_advert(&f, "2001:db8::2/128", ND_FLAG_ROUTER | ND_FLAG_SOLICITED | ND_FLAG_OVERRIDE);
	CU_ASSERT_EQUAL(memcmp(rte_pktmbuf_mtod(&f.t.m, void *), peer_mac, 6), 0);
	CU_ASSERT_EQUAL(f.t.meta.port_out, 0);
	CU_ASSERT_EQUAL(state_of(key6(2)), WEIR_NEIGH_STALE);
	toy_world_end();
}

static void test_duplicate_address_detection_is_answered_to_all_nodes(void)
{
	static const uint8_t all[6] = {0x33, 0x33, 0, 0, 0, 1};
	struct nd_frame f;

	toy_world();
	SAYS(dad(&f), WEIR_TX);
	check_advert(&f, "ff02::1/128", ND_FLAG_ROUTER | ND_FLAG_OVERRIDE);
	CU_ASSERT_EQUAL(memcmp(rte_pktmbuf_mtod(&f.t.m, void *), all, 6), 0);
	CU_ASSERT_EQUAL(weir_neigh_each(table, NULL, NULL), 0);
	toy_world_end();
}

static void test_our_link_local_address_is_answered_for(void)
{
	struct nd_frame f;

	toy_world();
	solicit(&f);
	memset(f.nd->target, 0, 16);
	f.nd->target[0] = 0xfe;
	f.nd->target[1] = 0x80;
	f.nd->target[15] = 1;
	nd_finish(&f);
	SAYS(&f.t.m, WEIR_TX);
	toy_world_end();
}

static void test_solicitations_for_others_are_used_up_without_learning(void)
{
	struct nd_frame f;

	toy_world();
	DROPPED(nd(&f, ND_SOLICIT, 9, "ff02::1:ff00:9/128"), NEIGH_DONE);
	CU_ASSERT_EQUAL(state_of(key6(2)), WEIR_NEIGH_FREE);
	toy_world_end();
}

static void test_advertisements_lead_through_the_states(void)
{
	struct nd_frame f;

	toy_world();
	want(key6(2));
	DROPPED(advert(&f, ND_FLAG_SOLICITED), NEIGH_DONE);
	CU_ASSERT_EQUAL(state_of(key6(2)), WEIR_NEIGH_REACHABLE);
	advert(&f, 0);
	memcpy(f.nd->mac, other_mac, 6);
	nd_finish(&f);
	DROPPED(&f.t.m, NEIGH_DONE);
	CU_ASSERT_EQUAL(state_of(key6(2)), WEIR_NEIGH_STALE);
	DROPPED(nd(&f, ND_ADVERT, 7, "ff02::1/128"), NEIGH_DONE);
	CU_ASSERT_EQUAL(state_of(key6(7)), WEIR_NEIGH_FREE);
	advert(&f, ND_FLAG_SOLICITED);
	f.t.meta.iface_in = 1;
	SAYS(&f.t.m, WEIR_PUNT);
	toy_world_end();
}

static void test_every_check_of_rfc_4861_section_7_1_refuses(void)
{
	struct nd_frame f;

	toy_world();
	solicit(&f);
	f.ip->hop_limits = 254;
	DROPPED(&f.t.m, ND_BAD);
	solicit(&f);
	f.nd->csum ^= 1;
	DROPPED(&f.t.m, ND_BAD);
	solicit(&f);
	f.nd->code = 1;
	nd_finish(&f);
	DROPPED(&f.t.m, ND_BAD);
	solicit(&f);
	f.nd->target[0] = 0xff;
	nd_finish(&f);
	DROPPED(&f.t.m, ND_BAD);
	solicit(&f);
	f.t.m.data_len = f.t.m.pkt_len = 54 + 23;
	nd_finish(&f);
	DROPPED(&f.t.m, ND_BAD);
	solicit(&f);
	f.t.meta.flags |= WEIR_META_FRAG; /* RFC 6980 */
	DROPPED(&f.t.m, ND_BAD);
	advert(&f, ND_FLAG_SOLICITED);
	f.ip->hop_limits = 64;
	DROPPED(&f.t.m, ND_BAD);
	toy_world_end();
}

static void test_options_that_lie_are_refused(void)
{
	struct nd_frame f;

	toy_world();
	for (unsigned words = 0; words < 4; words++) {
		solicit(&f);
		f.nd->option_words = (uint8_t)words;
		nd_finish(&f);
		CU_ASSERT_EQUAL(judged(&f.t.m), words == 1 ? WEIR_TX : WEIR_DROP);
	}
	solicit(&f);
	f.t.m.data_len -= 7; /* one byte of an option */
	f.t.m.pkt_len -= 7;
	nd_finish(&f);
	DROPPED(&f.t.m, ND_BAD);
	solicit(&f);
	f.nd->mac[0] |= 1;
	nd_finish(&f);
	DROPPED(&f.t.m, ND_BAD);
	solicit(&f);
	f.nd->option = 14; /* a nonce: passed over */
	nd_finish(&f);
	SAYS(&f.t.m, WEIR_TX);
	toy_world_end();
}

static void test_impossible_senders_are_refused(void)
{
	struct nd_frame f;

	toy_world();
	dad(&f);
	memcpy(ip6_dst(f.ip), key6(1).addr, 16); /* from :: it must go to the group */
	nd_finish(&f);
	DROPPED(&f.t.m, ND_BAD);
	solicit(&f);
	memset(ip6_src(f.ip), 0, 16); /* from :: there is no link-layer address to tell */
	nd_finish(&f);
	DROPPED(&f.t.m, ND_BAD);
	solicit(&f);
	ip6_src(f.ip)[15] = 1; /* us */
	nd_finish(&f);
	DROPPED(&f.t.m, ND_BAD);
	DROPPED(nd(&f, ND_ADVERT, 1, "ff02::1/128"), ND_BAD); /* claims our address */
	nd(&f, ND_ADVERT, 2, "ff02::1/128");
	f.nd->flags_be = rte_cpu_to_be_32(ND_FLAG_SOLICITED); /* solicited, yet to all */
	nd_finish(&f);
	DROPPED(&f.t.m, ND_BAD);
	toy_world_end();
}

static void test_router_discovery_and_echoes_are_not_ours(void)
{
	static const uint8_t types[] = {128, 129, 133, 134, 137, 1, 2, 143};
	struct nd_frame f;

	toy_world();
	for (unsigned i = 0; i < RTE_DIM(types); i++)
		SAYS(nd(&f, types[i], 1, "ff02::1/128"), WEIR_NEXT);
	toy_world_end();
}

static void test_a_copied_solicitation_is_learned_from_and_not_answered(void)
{
	struct nd_frame f;

	toy_world();
	solicit(&f);
	f.t.meta.flags |= WEIR_META_LEARN;
	DROPPED(&f.t.m, NEIGH_DONE);
	CU_ASSERT_EQUAL(state_of(key6(2)), WEIR_NEIGH_STALE);
	toy_world_end();
}

static void test_without_layer_3_arp_is_the_kernels(void)
{
	static const struct weir_gen gen = {.number = 9};
	struct toy_mbuf t;

	toy_world();
	toy_pass.gen = &gen;
	SAYS(request(&t, 2, 1), WEIR_PUNT);
	toy_packet(&t, 9);
	SAYS(&t.m, WEIR_NEXT);
	toy_pass.gen = &toy_gen;
	toy_world_end();
}

WEIR_TESTS("node/neigh_in", TEST(other_packets_go_on),
	   TEST(a_question_for_our_address_becomes_the_answer),
	   TEST(the_answer_carries_the_interfaces_tag),
	   TEST(other_interfaces_addresses_and_strangers_are_not_answered),
	   TEST(a_probe_is_answered_and_nothing_learned),
	   TEST(a_reply_makes_reachable_and_an_announcement_stale),
	   TEST(replies_for_us_reach_the_kernel_where_it_shares_the_interface),
	   TEST(malformed_arp_is_dropped),
	   TEST(other_workers_get_a_copy_and_copies_are_only_learned_from),
	   TEST(a_solicitation_for_us_becomes_the_advertisement),
	   TEST(duplicate_address_detection_is_answered_to_all_nodes),
	   TEST(our_link_local_address_is_answered_for),
	   TEST(solicitations_for_others_are_used_up_without_learning),
	   TEST(advertisements_lead_through_the_states),
	   TEST(every_check_of_rfc_4861_section_7_1_refuses), TEST(options_that_lie_are_refused),
	   TEST(impossible_senders_are_refused), TEST(router_discovery_and_echoes_are_not_ours),
	   TEST(a_copied_solicitation_is_learned_from_and_not_answered),
	   TEST(without_layer_3_arp_is_the_kernels))
