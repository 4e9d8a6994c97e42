/* SPDX-License-Identifier: BSD-3-Clause */

/* 70_local judged one packet at a time; replies are compared with scapy's byte for byte. */

#include "70_local.c"
#include "failalloc.h"
#include "origin_priv.h"
#include "toy_eal.h"
#include "toy_ours.h"

void origin_push_local(struct weir_origin *o, struct rte_mbuf *m)
{
	(void)o, (void)m;
	CU_FAIL("70_local itself sends nothing by a stack's way");
}

static const char ping4[] =
	"0200000000010200000000020800452b0027000740000301f3a0c0000202c00002010800c9c61234"
	"00056162636465666768696a21";
static const char pong4[] =
	"020000000001020000000002080045280027000000004001f6aac0000201c00002020000d1c61234"
	"00056162636465666768696a21";
static const char ping4_options[] =
	"0200000000010200000000020800472b002f0007000003012691c0000202c0000201070704000000"
	"00010800c9c6123400056162636465666768696a21";
static const char ping4_broadcast[] =
	"02000000000102000000000208004500001c000100004001f5dec0000202c00002ff0800f7ff0000"
	"0000";
static const char ping4_from_broadcast[] =
	"02000000000102000000000208004500001c000100004001f5dfc00002ffc00002010800f7ff0000"
	"0000";
static const char ping6[] =
	"02000000000102000000000286dd62b1234500133a0320010db80000000000000000000000022001"
	"0db80000000000000000000000018000f603123400056162636465666768696a21";
static const char pong6[] =
	"02000000000102000000000286dd6280000000133a4020010db80000000000000000000000012001"
	"0db80000000000000000000000028100f503123400056162636465666768696a21";
static const char ping6_options[] =
	"02000000000102000000000286dd62b00000001b3c0320010db80000000000000000000000022001"
	"0db80000000000000000000000013a000104000000008000f603123400056162636465666768696a"
	"21";
static const char ping6_group[] =
	"33330000000102000000000286dd6000000000133a01fe800000000000000000000000000002ff02"
	"0000000000000000000000000001800053f2123400056162636465666768696a21";
static const char pong6_group[] =
	"02000000000102000000000286dd6000000000133a40fe80000000000000000000fffe000001fe80"
	"000000000000000000000000000281005474123400056162636465666768696a21";
static const char pong4_in[] =
	"020000000001020000000002080045000027000100004001f6d1c0000202c00002010000e3fc0001"
	"00026162636465666768696a21";
static const char udp4[] =
	"020000000001020000000002080045000027000900004011f6b9c0000202c000020103e800350013"
	"5ba76162636465666768696a21";
static const char udp4_nosum[] =
	"020000000001020000000002080045000027000900004011f6b9c0000202c000020103e800350013"
	"00006162636465666768696a21";
static const char udp6[] =
	"02000000000102000000000286dd600000000013114020010db80000000000000000000000022001"
	"0db800000000000000000000000103e80035001384366162636465666768696a21";
static const char udp6_nosum[] =
	"02000000000102000000000286dd600000000013114020010db80000000000000000000000022001"
	"0db800000000000000000000000103e80035001300006162636465666768696a21";
static const char tcp4_syn[] =
	"02000000000102000000000208004500002c000900004006f6bfc0000202c000020103e800501122"
	"33440000000060022000ab840000020405b4";
static const char tcp6_syn[] =
	"02000000000102000000000286dd600000000014064020010db80000000000000000000000022001"
	"0db800000000000000000000000103e80050112233440000000050022000ebcf0000";
static const char other4[] =
	"020000000001020000000002080045000024000900004084f649c0000202c0000201787878787878"
	"78787878787878787878";

static struct weir_shard shard = {.secret = {1, 2}};

static enum weir_verdict judge(struct rte_mbuf *m)
{
	struct local_node n = {.shard = &shard, .idents = {.key = shard.secret}};

	return toy_judge(&weir_node_local, &n, m, 0);
}

static void test_an_echo_request_leaves_as_its_own_reply(void)
{
	struct toy_mbuf t;

	CU_ASSERT_EQUAL(judge(toy_frame(&t, ping4, 0)), WEIR_HELD);
	toy_expect_sent(pong4);
	CU_ASSERT_EQUAL(judge(toy_frame(&t, ping6, 0)), WEIR_HELD);
	toy_expect_sent(pong6);
}

static void test_a_reply_has_its_laps_before_it(void)
{
	struct toy_mbuf t;
	struct rte_mbuf *m = toy_frame(&t, ping4, 0);

	t.meta.laps = 1; /* put together from fragments */
	CU_ASSERT_EQUAL(judge(m), WEIR_HELD);
	CU_ASSERT_EQUAL(weir_meta(toy_sent)->laps, 0);
}

static void test_the_kernel_is_not_asked_about_an_echo(void)
{
	struct toy_mbuf t;

	CU_ASSERT_EQUAL(judge(toy_frame(&t, ping4, 1)), WEIR_HELD);
	CU_ASSERT_EQUAL(toy_n_sent, 1);
}

static void test_options_and_extension_headers_are_not_echoed(void)
{
	struct toy_mbuf t;

	CU_ASSERT_EQUAL(judge(toy_frame(&t, ping4_options, 0)), WEIR_HELD);
	toy_expect_sent(pong4);
	CU_ASSERT_EQUAL(judge(toy_frame(&t, ping6_options, 0)), WEIR_HELD);
	toy_expect_sent(pong6);
}

static void test_a_reply_can_be_fragmented_and_has_an_identification_of_its_own(void)
{
	struct local_node n = {.shard = &shard, .idents = {.key = shard.secret}};
	uint16_t last_be = 0;

	for (unsigned i = 0; i < 3; i++) {
		struct toy_mbuf t;
		const struct rte_ipv4_hdr *ip;

		CU_ASSERT_EQUAL(toy_judge(&weir_node_local, &n, toy_frame(&t, ping4, 0), 0),
				WEIR_HELD);
		ip = rte_pktmbuf_mtod_offset(toy_sent, const struct rte_ipv4_hdr *, 14);
		CU_ASSERT_EQUAL(ip->fragment_offset, 0);
		CU_ASSERT_NOT_EQUAL(ip->packet_id, last_be);
		last_be = ip->packet_id;
	}
}

static void test_a_ping_to_or_from_all_is_not_answered(void)
{
	struct toy_mbuf t;

	CU_ASSERT_EQUAL(judge(toy_frame(&t, ping4_broadcast, 0)), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_LOCAL_DONE);
	CU_ASSERT_EQUAL(judge(toy_frame(&t, ping4_from_broadcast, 0)), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_LOCAL_DONE);
	CU_ASSERT_EQUAL(toy_n_sent, 0);
}

static void test_a_ping_in_a_broadcast_frame_is_not_answered(void)
{
	struct toy_mbuf t;
	struct rte_mbuf *m = toy_frame(&t, ping4, 0);

	t.meta.flags |= WEIR_META_L2_GROUP;
	CU_ASSERT_EQUAL(judge(m), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_LOCAL_DONE);
}

static void test_a_ping_to_all_nodes_is_answered_from_the_link_local_address(void)
{
	struct toy_mbuf t;

	CU_ASSERT_EQUAL(judge(toy_frame(&t, ping6_group, 0)), WEIR_HELD);
	toy_expect_sent(pong6_group);
}

static void test_an_echo_reply_is_for_whoever_asked(void)
{
	struct toy_mbuf t;

	CU_ASSERT_EQUAL(judge(toy_frame(&t, pong4_in, 1)), WEIR_PUNT);
	CU_ASSERT_EQUAL(judge(toy_frame(&t, pong4_in, 0)), WEIR_REJECT);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_NO_SERVICE);
}

static void test_what_nobody_serves_is_refused_and_else_the_kernels(void)
{
	static const char *const frames[] = {udp4, udp6, tcp4_syn, tcp6_syn, other4};

	for (unsigned i = 0; i < RTE_DIM(frames); i++) {
		struct toy_mbuf t;

		CU_ASSERT_EQUAL(judge(toy_frame(&t, frames[i], 1)), WEIR_PUNT);
		CU_ASSERT_EQUAL(judge(toy_frame(&t, frames[i], 0)), WEIR_REJECT);
		CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_NO_SERVICE);
	}
}

static void test_any_flipped_bit_behind_the_ip_header_is_noticed(void)
{
	static const char *const frames[] = {ping4, ping6, udp4, udp6, tcp4_syn, tcp6_syn};

	for (unsigned i = 0; i < RTE_DIM(frames); i++) {
		struct toy_mbuf t;
		struct rte_mbuf *m = toy_frame(&t, frames[i], 0);
		const struct toy_mbuf kept = t;

		for (unsigned bit = t.meta.l4_off * 8u; bit < m->pkt_len * 8u; bit++) {
			t = kept;
			/* A UDP length that lies is 10_parse's. */
			if (t.meta.proto == IPPROTO_UDP && bit / 8 - t.meta.l4_off - 4u < 2)
				continue;
			rte_pktmbuf_mtod(m, uint8_t *)[bit / 8] ^= (uint8_t)(1 << bit % 8);
			CU_ASSERT_EQUAL(judge(m), WEIR_DROP);
			CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_L4_CSUM);
		}
	}
}

static void test_a_missing_udp_checksum_is_fine_in_ipv4_only(void)
{
	struct toy_mbuf t;

	CU_ASSERT_EQUAL(judge(toy_frame(&t, udp4_nosum, 1)), WEIR_PUNT);
	CU_ASSERT_EQUAL(judge(toy_frame(&t, udp6_nosum, 1)), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_L4_CSUM);
}

static void test_a_checksum_that_the_port_vouches_for_is_not_summed_again(void)
{
	struct toy_mbuf t;
	struct rte_mbuf *m = toy_frame(&t, tcp4_syn, 1);

	rte_pktmbuf_mtod(m, uint8_t *)[m->pkt_len - 1] ^= 1;
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	CU_ASSERT_EQUAL(judge(m), WEIR_PUNT);
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;
	CU_ASSERT_EQUAL(judge(m), WEIR_DROP);
}

static void test_no_port_can_vouch_for_icmp(void)
{
	struct toy_mbuf t;
	struct rte_mbuf *m = toy_frame(&t, ping4, 0);

	rte_pktmbuf_mtod(m, uint8_t *)[m->pkt_len - 1] ^= 1;
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	CU_ASSERT_EQUAL(judge(m), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_L4_CSUM);
}

static void test_a_sum_over_a_chain_of_odd_segments_is_right(void)
{
	struct toy_mbuf t, tail;
	struct rte_mbuf *m = toy_frame(&t, ping4, 0);
	const uint16_t cut = (uint16_t)(m->data_len - 8); /* 3 of 11 bytes of data are before it */

	toy_mbuf(&tail, rte_pktmbuf_mtod_offset(m, void *, cut), 8);
	m->data_len = cut;
	m->next = &tail.m;
	m->nb_segs = 2;
	CU_ASSERT_EQUAL(judge(m), WEIR_HELD);
	CU_ASSERT_EQUAL(toy_sent->pkt_len, cut + 8u);
	tail.buf[TOY_HEADROOM] ^= 1;
	m = toy_frame(&t, ping4, 0);
	m->data_len = cut;
	m->next = &tail.m;
	m->nb_segs = 2;
	CU_ASSERT_EQUAL(judge(m), WEIR_DROP);
}

static void test_without_memory_there_is_no_node(void)
{
	FAILALLOC_EACH(n)
	{
		void *self = NULL;
		const int rc = weir_node_local.create(&shard, &self);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			weir_node_local.free(self);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(self);
	}
}

/* Takes the second and the last of what it is offered. */
static unsigned offered;

static uint16_t take_some(struct weir_local *l, struct rte_mbuf **pkts, uint16_t n, uint64_t now_ns)
{
	CU_ASSERT_EQUAL_FATAL(n, 4);
	CU_ASSERT_EQUAL(now_ns, 7);
	offered += n;
	pkts[1] = pkts[2];
	return 2;
}

static void test_what_the_stack_takes_is_held_and_the_rest_goes_its_way(void)
{
	struct weir_local stack = {.input = take_some};
	struct weir_shard with = {.secret = {1, 2}};
	struct local_node n = {.shard = &with};
	struct toy_mbuf t[6];
	struct rte_mbuf *pkts[] = {toy_frame(&t[0], udp4, 0),	toy_frame(&t[1], udp6, 0),
				   toy_frame(&t[2], other4, 0), toy_frame(&t[3], tcp4_syn, 1),
				   toy_frame(&t[4], ping4, 0),	toy_frame(&t[5], tcp6_syn, 0)};
	const struct weir_pass pass = {.now_ns = 7, .gen = &toy_gen};
	uint8_t verdict[6];
	struct weir_burst b = {.pkt = pkts, .verdict = verdict, .n = 6, .pass = &pass};

	weir_local_attach(&with, &stack);
	weir_node_local.process(&n, &b);
	CU_ASSERT_EQUAL(offered, 4); /* neither the ping nor what has no transport that we know */
	CU_ASSERT_EQUAL(verdict[0], WEIR_REJECT);
	CU_ASSERT_EQUAL(verdict[1], WEIR_HELD);
	CU_ASSERT_EQUAL(verdict[2], WEIR_REJECT);
	CU_ASSERT_EQUAL(verdict[3], WEIR_PUNT); /* its interface has a path to the kernel */
	CU_ASSERT_EQUAL(verdict[4], WEIR_HELD);
	CU_ASSERT_EQUAL(verdict[5], WEIR_HELD);
	weir_meta(pkts[5])->flags |= WEIR_META_L2_GROUP; /* nobody connects to many */
	CU_ASSERT_EQUAL(toy_judge(&weir_node_local, &n, pkts[5], 7), WEIR_REJECT);
	CU_ASSERT_EQUAL(offered, 4);
}

/* Takes all, or nothing. */
static bool takes;
static struct rte_mbuf *given;

static uint16_t take_one(struct weir_local *l, struct rte_mbuf **pkts, uint16_t n, uint64_t now_ns)
{
	(void)l, (void)now_ns;
	CU_ASSERT_EQUAL(n, 1);
	given = pkts[0];
	return takes ? 0 : n;
}

static void test_what_is_for_many_goes_to_the_stack_and_the_kernel(void)
{
	static const char igmp4[] =
		"01005e00000102000000000208004600002000000000010282cdc0000209e0000001"
		"940400001101eefe00000000";
	struct weir_local stack = {.input = take_one};
	struct weir_shard with = {.secret = {1, 2}, .pool = toy_only_pool()};
	struct local_node n = {.shard = &with};
	struct toy_mbuf t[3];
	struct rte_mbuf *udp = toy_frame(&t[0], udp4, 0), *igmp = toy_frame(&t[1], igmp4, 0),
			*shared = toy_frame(&t[2], udp4, 1);

	weir_local_attach(&with, &stack);
	weir_meta(udp)->flags |= WEIR_META_BROADCAST;
	weir_meta(igmp)->flags |= WEIR_META_L2_GROUP;
	weir_meta(shared)->flags |= WEIR_META_L2_GROUP;
	takes = true;
	CU_ASSERT_EQUAL(toy_judge(&weir_node_local, &n, udp, 7), WEIR_HELD);
	CU_ASSERT_PTR_EQUAL(given, udp);
	CU_ASSERT_EQUAL(toy_judge(&weir_node_local, &n, igmp, 7), WEIR_HELD);
	CU_ASSERT_PTR_EQUAL(given, igmp);
	/* Its interface has a path to the kernel, which hears it too. */
	CU_ASSERT_EQUAL(toy_judge(&weir_node_local, &n, shared, 7), WEIR_PUNT);
	CU_ASSERT_PTR_NOT_EQUAL(given, shared);
	CU_ASSERT_EQUAL(given->pkt_len, shared->pkt_len);
	CU_ASSERT_EQUAL(weir_meta(given)->flags, weir_meta(shared)->flags);
	rte_pktmbuf_free(given);
	takes = false;
	CU_ASSERT_EQUAL(toy_judge(&weir_node_local, &n, shared, 7), WEIR_PUNT);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
	CU_ASSERT_EQUAL(toy_judge(&weir_node_local, &n, igmp, 7), WEIR_REJECT);
}

WEIR_TESTS("node/local", TEST(an_echo_request_leaves_as_its_own_reply),
	   TEST(a_reply_has_its_laps_before_it), TEST(the_kernel_is_not_asked_about_an_echo),
	   TEST(options_and_extension_headers_are_not_echoed),
	   TEST(a_reply_can_be_fragmented_and_has_an_identification_of_its_own),
	   TEST(a_ping_to_or_from_all_is_not_answered),
	   TEST(a_ping_in_a_broadcast_frame_is_not_answered),
	   TEST(a_ping_to_all_nodes_is_answered_from_the_link_local_address),
	   TEST(an_echo_reply_is_for_whoever_asked),
	   TEST(what_nobody_serves_is_refused_and_else_the_kernels),
	   TEST(any_flipped_bit_behind_the_ip_header_is_noticed),
	   TEST(a_missing_udp_checksum_is_fine_in_ipv4_only),
	   TEST(a_checksum_that_the_port_vouches_for_is_not_summed_again),
	   TEST(no_port_can_vouch_for_icmp), TEST(a_sum_over_a_chain_of_odd_segments_is_right),
	   TEST(what_the_stack_takes_is_held_and_the_rest_goes_its_way),
	   TEST(what_is_for_many_goes_to_the_stack_and_the_kernel),
	   TEST(without_memory_there_is_no_node))
