/* SPDX-License-Identifier: BSD-3-Clause */

/* 15_neigh_in: ARP and neighbour discovery, learned from, answered, refused. */

#include "15_neigh_in.c"

#include "toy_neigh.h"

static struct rte_mbuf *copied;

void handoff_copy(struct weir_handoff *h, struct rte_mbuf *m, uint64_t now_ns)
{
	CU_ASSERT_EQUAL(now_ns, now);
	n_copies++;
	copied = m;
}

static enum weir_verdict judged(struct rte_mbuf *m)
{
	uint8_t verdict[1];
	struct weir_burst b = {.pkt = &m, .verdict = verdict, .n = 1, .pass = &toy_pass};

	neigh_in_process(&toy_shard, &b);
	return verdict[0];
}

#define SAYS(m, v)	CU_ASSERT_EQUAL(judged(m), v)
#define DROPPED(m, why) CU_ASSERT_EQUAL(reason(m), WEIR_DROP_##why)

/* Why it is dropped; WEIR_DROPS: it is not. */
static unsigned reason(struct rte_mbuf *m)
{
	return judged(m) == WEIR_DROP ? weir_meta(m)->drop : WEIR_DROPS;
}

/* ARP from the peer; padded to 60 bytes. */
static struct rte_mbuf *arp(struct toy_mbuf *t, uint16_t op, unsigned sender, unsigned target)
{
	struct rte_mbuf *m = toy_mbuf(t, NULL, 60);
	uint8_t *b = rte_pktmbuf_mtod(m, uint8_t *);
	struct rte_arp_hdr *a = (struct rte_arp_hdr *)(b + 14);

	memset(b, op == RTE_ARP_OP_REQUEST ? 0xff : 0, 6);
	if (op != RTE_ARP_OP_REQUEST)
		memcpy(b, toy_mac, 6);
	memcpy(b + 6, peer_mac, 6);
	b[12] = 8;
	b[13] = 6;
	a->arp_hardware = RTE_BE16(1);
	a->arp_protocol = RTE_BE16(0x0800);
	a->arp_hlen = 6;
	a->arp_plen = 4;
	a->arp_opcode = rte_cpu_to_be_16(op);
	memcpy(&a->arp_data.arp_sha, peer_mac, 6);
	a->arp_data.arp_sip = sender == 0 ? 0 : toy_ip4(sender);
	a->arp_data.arp_tip = toy_ip4(target);
	t->meta.l3_off = 14;
	if (op == RTE_ARP_OP_REQUEST)
		t->meta.flags = WEIR_META_L2_GROUP;
	return m;
}

static struct rte_arp_hdr *arp_of(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, weir_meta(m)->l3_off);
}

static struct rte_mbuf *request(struct toy_mbuf *t, unsigned sender, unsigned target)
{
	return arp(t, RTE_ARP_OP_REQUEST, sender, target);
}

static struct rte_mbuf *reply(struct toy_mbuf *t, unsigned sender, unsigned target)
{
	return arp(t, RTE_ARP_OP_REPLY, sender, target);
}

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

/* ND: from 2001:db8::2 (or ::) about 2001:db8::target. */
struct nd_frame {
	struct toy_mbuf t;
	struct rte_ipv6_hdr *ip;
	struct nd_msg *nd;
};

static void nd_finish(struct nd_frame *f)
{
	const uint32_t bytes = l4_there(&f->t.m);
	uint32_t sum;

	f->ip->payload_len = rte_cpu_to_be_16((uint16_t)bytes);
	f->nd->csum = 0;
	sum = weir_csum_pseudo6(&f->ip->src_addr, &f->ip->dst_addr, 58, bytes);
	f->nd->csum = weir_csum_finish(weir_csum_add(sum, weir_csum_sum(f->nd, bytes)));
}

static struct rte_mbuf *nd(struct nd_frame *f, uint8_t type, uint8_t target, const char *dst)
{
	static const uint8_t prefix[15] = {0x20, 1, 0xd, 0xb8};
	struct rte_mbuf *m = toy_mbuf(&f->t, NULL, 14 + 40 + 32);
	uint8_t *b = rte_pktmbuf_mtod(m, uint8_t *);
	struct weir_prefix p;

	toy_addr(&p, dst);
	memcpy(b + 6, peer_mac, 6);
	b[12] = 0x86;
	b[13] = 0xdd;
	f->ip = (struct rte_ipv6_hdr *)(b + 14);
	f->nd = (struct nd_msg *)(f->ip + 1);
	f->ip->vtc_flow = RTE_BE32(UINT32_C(6) << 28);
	f->ip->proto = 58;
	f->ip->hop_limits = 255;
	memcpy(ip6_src(f->ip), prefix, 15);
	ip6_src(f->ip)[15] = 2;
	memcpy(ip6_dst(f->ip), p.addr.bytes, 16);
	f->nd->type = type;
	memcpy(f->nd->target, prefix, 15);
	f->nd->target[15] = target;
	f->nd->option = type == ND_SOLICIT ? ND_OPTION_SOURCE : ND_OPTION_TARGET;
	f->nd->option_words = 1;
	memcpy(f->nd->mac, peer_mac, 6);
	f->t.meta.flags = WEIR_META_IP6 | WEIR_META_L4;
	f->t.meta.proto = 58;
	f->t.meta.l3_off = 14;
	f->t.meta.l4_off = 54;
	nd_finish(f);
	return m;
}

static struct rte_mbuf *solicit(struct nd_frame *f)
{
	return nd(f, ND_SOLICIT, 1, "ff02::1:ff00:1/128");
}

static struct rte_mbuf *advert(struct nd_frame *f, uint32_t flags)
{
	struct rte_mbuf *m = nd(f, ND_ADVERT, 2, "2001:db8::1/128");

	f->nd->flags_be = rte_cpu_to_be_32(flags);
	nd_finish(f);
	return m;
}

/* Duplicate address detection: from nobody, without an option. */
static struct rte_mbuf *dad(struct nd_frame *f)
{
	struct rte_mbuf *m = solicit(f);

	memset(ip6_src(f->ip), 0, 16);
	m->data_len -= 8;
	m->pkt_len -= 8;
	nd_finish(f);
	return m;
}

static struct neigh_key key6(uint8_t last)
{
	const uint8_t addr[16] = {0x20, 1, 0xd, 0xb8, [15] = last};

	return neigh_key6(0, addr);
}

static void check_advert(struct nd_frame *f, const char *dst, uint32_t flags)
{
	const uint32_t bytes = sizeof(struct nd_msg);
	struct weir_prefix p;
	uint32_t sum;

	toy_addr(&p, dst);
	CU_ASSERT_EQUAL(f->t.m.pkt_len, 14 + 40 + 32);
	CU_ASSERT_EQUAL(f->t.m.data_len, 14 + 40 + 32);
	CU_ASSERT_EQUAL(f->nd->type, ND_ADVERT);
	CU_ASSERT_EQUAL(f->nd->flags_be, rte_cpu_to_be_32(flags));
	CU_ASSERT_EQUAL(f->nd->option, ND_OPTION_TARGET);
	CU_ASSERT_EQUAL(f->ip->hop_limits, 255);
	CU_ASSERT_EQUAL(memcmp(f->nd->mac, toy_mac, 6), 0);
	CU_ASSERT_EQUAL(memcmp(ip6_src(f->ip), f->nd->target, 16), 0);
	CU_ASSERT_EQUAL(memcmp(ip6_dst(f->ip), p.addr.bytes, 16), 0);
	sum = weir_csum_pseudo6(&f->ip->src_addr, &f->ip->dst_addr, 58, bytes);
	CU_ASSERT_EQUAL(weir_csum_finish(weir_csum_add(sum, weir_csum_sum(f->nd, bytes))), 0);
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
