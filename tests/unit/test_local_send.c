/* SPDX-License-Identifier: BSD-3-Clause */

/* What a stack sends enters the pipeline as if all stages before 60_route had seen it. */

#include "../../dataplane/local_send.c"
#include "test.h"
#include "toy_mbuf.h"

static struct rte_mbuf *pushed[4];
static unsigned n_pushed;

void origin_push_local(struct weir_origin *o, struct rte_mbuf *m)
{
	CU_ASSERT_FATAL(n_pushed < RTE_DIM(pushed));
	pushed[n_pushed++] = m;
}

static void test_both_families_are_routed_as_ours_with_clean_metadata(void)
{
	const struct rte_ipv4_hdr ip4 = {.version_ihl = 0x46, .next_proto_id = IPPROTO_UDP};
	const struct rte_ipv6_hdr ip6 = {.vtc_flow = RTE_BE32(0x60000000), .proto = IPPROTO_TCP};
	struct weir_shard shard = {0};
	struct toy_mbuf four, six;
	struct rte_mbuf *pkts[] = {toy_mbuf(&four, &ip4, sizeof(ip4)),
				   toy_mbuf(&six, &ip6, sizeof(ip6))};

	memset(&four.meta, 0xff, sizeof(four.meta)); /* as it came in */
	memset(&six.meta, 0xff, sizeof(six.meta));
	n_pushed = 0;
	weir_local_send(&shard, pkts, 2);
	CU_ASSERT_EQUAL_FATAL(n_pushed, 2);
	CU_ASSERT_PTR_EQUAL(pushed[0], pkts[0]);
	CU_ASSERT_EQUAL(four.meta.flags, WEIR_META_OURS | WEIR_META_L4 | WEIR_META_IP4);
	CU_ASSERT_EQUAL(four.meta.l3_off, 0);
	CU_ASSERT_EQUAL(four.meta.l4_off, 24);
	CU_ASSERT_EQUAL(four.meta.proto, IPPROTO_UDP);
	CU_ASSERT_EQUAL(six.meta.flags, WEIR_META_OURS | WEIR_META_L4 | WEIR_META_IP6);
	CU_ASSERT_EQUAL(six.meta.l4_off, 40);
	CU_ASSERT_EQUAL(six.meta.proto, IPPROTO_TCP);
	CU_ASSERT_EQUAL(six.meta.hop, WEIR_NO_HOP);
	CU_ASSERT_EQUAL(six.meta.iface_in, WEIR_NO_IFACE);
	CU_ASSERT_EQUAL(six.meta.laps, 0);
	CU_ASSERT_EQUAL(six.meta.hash, 0);
}

/* The link by which a packet to fe80::9 leaves that comes from fe80::@source. */
static uint16_t link_of(struct weir_gens *gens, uint8_t source)
{
	struct rte_ipv6_hdr ip = {.vtc_flow = RTE_BE32(0x60000000), .proto = IPPROTO_TCP};
	struct weir_shard shard = {.gens = gens};
	struct toy_mbuf t;
	struct rte_mbuf *m;

	memcpy(ip6_src(&ip), (uint8_t[16]){0xfe, 0x80, [15] = source}, 16);
	memcpy(ip6_dst(&ip), (uint8_t[16]){0xfe, 0x80, [15] = 9}, 16);
	m = toy_mbuf(&t, &ip, sizeof(ip));
	n_pushed = 0;
	weir_local_send(&shard, &m, 1);
	CU_ASSERT_EQUAL(n_pushed, 1);
	return t.meta.iface_in;
}

static void test_a_link_local_destination_is_on_the_link_of_its_source(void)
{
	static const struct weir_iface ifaces[] = {
		{.link_local = {.family = 6, .bytes = {0xfe, 0x80, [15] = 1}}},
		{.link_local = {.family = 6, .bytes = {0xfe, 0x80, [15] = 2}},
		 .n_addrs = 1,
		 .addr = {{.addr = {.family = 6, .bytes = {0xfe, 0x80, [15] = 3}}, .length = 64}}},
	};
	static const struct weir_l3 l3 = {.ifaces = ifaces, .n_ifaces = 2};
	struct weir_gen gen = {.l3 = &l3};
	struct weir_gens *gens = NULL;

	CU_ASSERT_EQUAL_FATAL(weir_gens_create(1, &gens), 0);
	CU_ASSERT_EQUAL(link_of(gens, 1), WEIR_NO_IFACE); /* nothing is configured yet */
	weir_gens_publish(gens, &gen);
	CU_ASSERT_EQUAL(link_of(gens, 1), 0);
	CU_ASSERT_EQUAL(link_of(gens, 2), 1);
	CU_ASSERT_EQUAL(link_of(gens, 3), 1);
	CU_ASSERT_EQUAL(link_of(gens, 4), WEIR_NO_IFACE);
	weir_gens_free(gens);
}

static void test_what_is_for_many_leaves_by_the_interface_that_its_maker_says(void)
{
	const struct rte_ipv4_hdr group = {.version_ihl = 0x45, .dst_addr = RTE_BE32(0xef010203)},
				  all = {.version_ihl = 0x45, .dst_addr = UINT32_MAX},
				  one = {.version_ihl = 0x45, .dst_addr = RTE_BE32(0xc0000201)};
	struct rte_ipv6_hdr six = {.vtc_flow = RTE_BE32(0x60000000)};
	struct weir_shard shard = {0};
	struct toy_mbuf t[4];
	struct rte_mbuf *pkts[4];

	*ip6_dst(&six) = 0xff;
	pkts[0] = toy_mbuf(&t[0], &group, sizeof(group));
	pkts[1] = toy_mbuf(&t[1], &all, sizeof(all));
	pkts[2] = toy_mbuf(&t[2], &six, sizeof(six));
	pkts[3] = toy_mbuf(&t[3], &one, sizeof(one));
	for (unsigned i = 0; i < 4; i++)
		t[i].meta.iface_in = 3;
	n_pushed = 0;
	weir_local_send(&shard, pkts, 4);
	CU_ASSERT_EQUAL_FATAL(n_pushed, 4);
	for (unsigned i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(t[i].meta.iface_in, i < 3 ? 3 : WEIR_NO_IFACE);
}

WEIR_TESTS("dataplane/local_send",
	   TEST(what_is_for_many_leaves_by_the_interface_that_its_maker_says),
	   TEST(both_families_are_routed_as_ours_with_clean_metadata),
	   TEST(a_link_local_destination_is_on_the_link_of_its_source))
