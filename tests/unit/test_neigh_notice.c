/* SPDX-License-Identifier: BSD-3-Clause */

/* What 15_neigh_in tells the control thread of who has our addresses, and sends for it. */

#include "toy_heard.h"

static struct neigh_notice noticed(void)
{
	struct neigh_notice n = {.kind = UINT8_MAX};

	if (!neigh_next_notice(table, &n))
		n.kind = UINT8_MAX;
	return n;
}

/* The addresses of interface 0, 192.0.2.1 and 2001:db8::1, are asked for and not yet ours. */
static void make_tentative(void)
{
	toy_ifaces[0].watched = true;
	for (unsigned i = 0; i < 2; i++)
		toy_ifaces[0].tentative[i] = toy_ifaces[0].addr[i].addr;
	toy_ifaces[0].n_tentative = 2;
	toy_ifaces[0].n_addrs = 0;
}

static void make_optimistic(void)
{
	toy_ifaces[0].watched = true;
	toy_ifaces[0].addr_flags[0] = toy_ifaces[0].addr_flags[1] = WEIR_ADDR_OPTIMISTIC;
}

static void test_a_tentative_address_is_not_answered_for_and_others_are_told_of(void)
{
	struct toy_mbuf t;
	struct nd_frame f;
	struct neigh_notice n;

	toy_world();
	make_tentative();
	DROPPED(request(&t, 2, 1), NEIGH_DONE);
	DROPPED(solicit(&f), NEIGH_DONE);
	CU_ASSERT_EQUAL(noticed().kind, UINT8_MAX); /* who only asks does not want it */
	DROPPED(request(&t, 0, 1), NEIGH_DONE);
	n = noticed();
	CU_ASSERT_EQUAL(n.kind, NEIGH_NOTICE_PROBE);
	CU_ASSERT_EQUAL(n.addr.family, 4);
	CU_ASSERT_EQUAL(memcmp(&n.mac, peer_mac, 6), 0);
	DROPPED(reply(&t, 1, 9), NEIGH_DONE);
	CU_ASSERT_EQUAL(noticed().kind, NEIGH_NOTICE_CLAIM);
	DROPPED(dad(&f), NEIGH_DONE);
	n = noticed();
	CU_ASSERT_EQUAL(n.kind, NEIGH_NOTICE_PROBE);
	CU_ASSERT_EQUAL(n.addr.family, 6);
	CU_ASSERT_FALSE(n.has_nonce);
	nd(&f, ND_ADVERT, 1, "ff02::1/128");
	DROPPED(&f.t.m, NEIGH_DONE);
	CU_ASSERT_EQUAL(noticed().kind, NEIGH_NOTICE_CLAIM);
	toy_world_end();
}

static void test_an_optimistic_address_is_answered_for_without_override(void)
{
	struct toy_mbuf t;
	struct nd_frame f;

	toy_world();
	make_optimistic();
	SAYS(solicit(&f), WEIR_TX);
	check_advert(&f, "2001:db8::2/128", ND_FLAG_ROUTER | ND_FLAG_SOLICITED);
	SAYS(request(&t, 2, 1), WEIR_TX);
	CU_ASSERT_EQUAL(noticed().kind, UINT8_MAX);
	DROPPED(dad(&f), NEIGH_DONE); /* both want it: neither answers */
	CU_ASSERT_EQUAL(noticed().kind, NEIGH_NOTICE_PROBE);
	DROPPED(request(&t, 0, 1), NEIGH_DONE);
	CU_ASSERT_EQUAL(noticed().kind, NEIGH_NOTICE_PROBE);
	toy_world_end();
}

static void test_who_claims_an_address_of_ours_is_told_of_where_that_is_watched(void)
{
	struct toy_mbuf t;
	struct nd_frame f;

	toy_world();
	for (unsigned watched = 0; watched < 2; watched++) {
		const uint8_t claim = watched ? NEIGH_NOTICE_CLAIM : UINT8_MAX;

		toy_ifaces[0].watched = watched;
		DROPPED(request(&t, 1, 9), ARP_BAD);
		CU_ASSERT_EQUAL(noticed().kind, claim);
		nd(&f, ND_ADVERT, 1, "ff02::1/128");
		DROPPED(&f.t.m, ND_BAD);
		CU_ASSERT_EQUAL(noticed().kind, claim);
		SAYS(dad(&f), WEIR_TX); /* whoever asks is told */
		CU_ASSERT_EQUAL(noticed().kind, UINT8_MAX);
	}
	toy_world_end();
}

static void test_a_nonce_is_passed_on(void)
{
	struct nd_frame f;
	struct neigh_notice n;

	toy_world();
	make_optimistic();
	solicit(&f);
	memset(ip6_src(f.ip), 0, 16);
	f.nd->option = ND_OPTION_NONCE;
	nd_finish(&f);
	DROPPED(&f.t.m, NEIGH_DONE);
	n = noticed();
	CU_ASSERT_TRUE(n.has_nonce);
	CU_ASSERT_EQUAL(memcmp(&n.nonce, peer_mac, 6), 0); /* its bytes are where a MAC would be */
	toy_world_end();
}

static void test_a_frame_that_is_given_leaves_by_its_interface(void)
{
	struct neigh_frame given = {.iface = 1,
				    .type_be = RTE_BE16(0x0806),
				    .len_bytes = 28,
				    .to = {{1, 2, 3, 4, 5, 6}}};

	toy_world();
	CU_ASSERT_TRUE(neigh_give_frame(table, &given));
	given.iface = 7; /* gone with a generation */
	CU_ASSERT_TRUE(neigh_give_frame(table, &given));
	toy_wait(S / 5);
	CU_ASSERT_EQUAL_FATAL(n_sent, 1);
	CU_ASSERT_EQUAL(sent[0]->pkt_len, 14 + 4 + 28);
	CU_ASSERT_EQUAL(weir_meta(sent[0])->port_out, 1);
	CU_ASSERT_EQUAL(memcmp(frame(0), &given.to, 6), 0);
	toy_world_end();
}

/* From fe80::9 to all nodes: 16 bytes and the option for the sender's MAC address. */
static struct rte_mbuf *router(struct nd_frame *f)
{
	struct rte_mbuf *m = nd(f, ND_ROUTER_ADVERT, 0, "ff02::1/128");
	uint8_t *b = (uint8_t *)f->nd;

	memset(b + 4, 0, 28);
	b[16] = ND_OPTION_SOURCE;
	b[17] = 1;
	memcpy(b + 18, peer_mac, 6);
	memset(ip6_src(f->ip), 0, 16);
	memcpy(ip6_src(f->ip), (uint8_t[]){0xfe, 0x80}, 2);
	ip6_src(f->ip)[15] = 9;
	m->data_len -= 8;
	m->pkt_len -= 8;
	nd_finish(f);
	return m;
}

static void test_a_routers_advertisement_is_passed_on_where_we_are_a_host(void)
{
	struct nd_frame f;
	struct neigh_advert a;

	toy_world();
	SAYS(router(&f), WEIR_NEXT);
	CU_ASSERT_FALSE(neigh_next_advert(table, &a));
	toy_ifaces[0].slaac = true;
	DROPPED(router(&f), NEIGH_DONE);
	CU_ASSERT_TRUE_FATAL(neigh_next_advert(table, &a));
	CU_ASSERT_EQUAL(a.iface, 0);
	CU_ASSERT_EQUAL(a.len_bytes, 24);
	CU_ASSERT_EQUAL(a.from[15], 9);
	CU_ASSERT_EQUAL(a.bytes[0], ND_ROUTER_ADVERT);
	CU_ASSERT_EQUAL(state_of(neigh_key6(0, a.from)), WEIR_NEIGH_STALE);
	router(&f);
	f.t.meta.flags |= WEIR_META_LEARN; /* another worker has passed it on */
	DROPPED(&f.t.m, NEIGH_DONE);
	CU_ASSERT_FALSE(neigh_next_advert(table, &a));
	SAYS(solicit(&f), WEIR_TX);
	check_advert(&f, "2001:db8::2/128", ND_FLAG_SOLICITED | ND_FLAG_OVERRIDE); /* no router */
	toy_world_end();
}

/* RFC 4861 section 6.1.2. */
static void test_an_advertisement_that_breaks_a_rule_is_dropped(void)
{
	struct nd_frame f;
	struct neigh_advert a;

	toy_world();
	toy_ifaces[0].slaac = true;
	for (unsigned rule = 0; rule < 6; rule++) {
		router(&f);
		if (rule == 0)
			f.ip->hop_limits = 254;
		if (rule == 1)
			ip6_src(f.ip)[0] = 0x20;
		if (rule == 2)
			((uint8_t *)f.nd)[17] = 0;
		if (rule == 3)
			f.nd->code = 1;
		if (rule == 4)
			ip6_src(f.ip)[15] = 1; /* ourselves */
		nd_finish(&f);
		if (rule == 5)
			f.nd->csum ^= 1;
		DROPPED(&f.t.m, RA_BAD);
	}
	CU_ASSERT_FALSE(neigh_next_advert(table, &a));
	for (unsigned i = 0; i < 31; i++)
		DROPPED(router(&f), NEIGH_DONE);
	DROPPED(router(&f), RA_FULL);
	toy_world_end();
}

WEIR_TESTS("node/neigh_notice",
	   TEST(a_tentative_address_is_not_answered_for_and_others_are_told_of),
	   TEST(an_optimistic_address_is_answered_for_without_override),
	   TEST(who_claims_an_address_of_ours_is_told_of_where_that_is_watched),
	   TEST(a_nonce_is_passed_on), TEST(a_frame_that_is_given_leaves_by_its_interface),
	   TEST(a_routers_advertisement_is_passed_on_where_we_are_a_host),
	   TEST(an_advertisement_that_breaks_a_rule_is_dropped))
