/* SPDX-License-Identifier: BSD-3-Clause */

/* 75_reject judged one packet at a time; errors are compared with scapy's byte for byte. */

#include "75_reject.c"
#include "failalloc.h"
#include "toy_ours.h"

static const char far4[] =
	"02000000000102000000000208004500002700090000011172b20a010101cb00710903e8829a0013"
	"163a6162636465666768696a21";
static const char far4_ttl[] =
	"020000000001020000000002080045c00043000000004001acf7c00002010a0101010b003c300000"
	"00004500002700090000011172b20a010101cb00710903e8829a0013163a6162636465666768696a"
	"21";
static const char far4_noroute[] =
	"020000000001020000000002080045c00043000000004001acf7c00002010a010101030044300000"
	"00004500002700090000011172b20a010101cb00710903e8829a0013163a6162636465666768696a"
	"21";
static const char far4_host[] =
	"020000000001020000000002080045c00043000000004001acf7c00002010a0101010301442f0000"
	"00004500002700090000011172b20a010101cb00710903e8829a0013163a6162636465666768696a"
	"21";
static const char far4_admin[] =
	"020000000001020000000002080045c00043000000004001acf7c00002010a010101030d44230000"
	"00004500002700090000011172b20a010101cb00710903e8829a0013163a6162636465666768696a"
	"21";
static const char udp4[] =
	"020000000001020000000002080045000027000900004011f6b9c0000202c000020103e800350013"
	"5ba76162636465666768696a21";
static const char udp4_port[] =
	"020000000001020000000002080045c00043000000004001f5f6c0000201c0000202030381250000"
	"000045000027000900004011f6b9c0000202c000020103e8003500135ba76162636465666768696a"
	"21";
static const char other4[] =
	"020000000001020000000002080045000024000900004084f649c0000202c0000201787878787878"
	"78787878787878787878";
static const char other4_protocol[] =
	"020000000001020000000002080045c00040000000004001f5f9c0000201c00002020302393a0000"
	"000045000024000900004084f649c0000202c000020178787878787878787878787878787878";
static const char far6[] =
	"02000000000102000000000286dd600000000013110120010db80000000000000000000000022001"
	"0db800090000000000000000000903e8829a001301c06162636465666768696a21";
static const char far6_ttl[] =
	"02000000000102000000000286dd6000000000433a4020010db80000000000000000000000012001"
	"0db80000000000000000000000020300301d00000000600000000013110120010db8000000000000"
	"00000000000220010db800090000000000000000000903e8829a001301c06162636465666768696a"
	"21";
static const char far6_noroute[] =
	"02000000000102000000000286dd6000000000433a4020010db80000000000000000000000012001"
	"0db80000000000000000000000020100321d00000000600000000013110120010db8000000000000"
	"00000000000220010db800090000000000000000000903e8829a001301c06162636465666768696a"
	"21";
static const char far6_host[] =
	"02000000000102000000000286dd6000000000433a4020010db80000000000000000000000012001"
	"0db80000000000000000000000020103321a00000000600000000013110120010db8000000000000"
	"00000000000220010db800090000000000000000000903e8829a001301c06162636465666768696a"
	"21";
static const char far6_admin[] =
	"02000000000102000000000286dd6000000000433a4020010db80000000000000000000000012001"
	"0db80000000000000000000000020101321c00000000600000000013110120010db8000000000000"
	"00000000000220010db800090000000000000000000903e8829a001301c06162636465666768696a"
	"21";
static const char udp6[] =
	"02000000000102000000000286dd600000000013114020010db80000000000000000000000022001"
	"0db800000000000000000000000103e80035001384366162636465666768696a21";
static const char udp6_port[] =
	"02000000000102000000000286dd6000000000433a4020010db80000000000000000000000012001"
	"0db8000000000000000000000002010431da00000000600000000013114020010db8000000000000"
	"00000000000220010db800000000000000000000000103e80035001384366162636465666768696a"
	"21";
static const char other6[] =
	"02000000000102000000000286dd6000000000183c4020010db80000000000000000000000022001"
	"0db8000000000000000000000001840001040000000078787878787878787878787878787878";
static const char other6_protocol[] =
	"02000000000102000000000286dd6000000000483a4020010db80000000000000000000000012001"
	"0db800000000000000000000000204015f49000000286000000000183c4020010db8000000000000"
	"00000000000220010db8000000000000000000000001840001040000000078787878787878787878"
	"787878787878";
static const char ll6[] =
	"02000000000102000000000286dd6000000000131101fe8000000000000000000000000000022001"
	"0db800090000000000000000000903e8829a001330f86162636465666768696a21";
static const char ll6_ttl[] =
	"02000000000102000000000286dd6000000000433a40fe80000000000000000000fffe000001fe80"
	"000000000000000000000000000203008f8d000000006000000000131101fe800000000000000000"
	"00000000000220010db800090000000000000000000903e8829a001330f86162636465666768696a"
	"21";
static const char ping4_far[] =
	"020000000001020000000002080045000027000900000101bbc1c0000202cb0071090800dbfd0001"
	"00016162636465666768696a21";
static const char ping4_far_ttl[] =
	"020000000001020000000002080045c00043000000004001f5f6c0000201c00002020b00f4ff0000"
	"000045000027000900000101bbc1c0000202cb0071090800dbfd000100016162636465666768696a"
	"21";
static const char tcp4_syn[] =
	"02000000000102000000000208004500002c000900004006f6bfc0000202c000020103e800501122"
	"33440000000060022000ab840000020405b4";
static const char tcp4_syn_rst[] =
	"020000000001020000000002080045000028000040004006b6ccc0000201c0000202005003e80000"
	"00001122334550140000e32d0000";
static const char tcp4_ack[] =
	"020000000001020000000002080045000033000900004006f6b8c0000202c000020103e800500000"
	"0005aabbccdd5018200073e700006162636465666768696a21";
static const char tcp4_ack_rst[] =
	"020000000001020000000002080045000028000040004006b6ccc0000201c0000202005003e8aabb"
	"ccdd0000000050040000b00b0000";
static const char tcp4_fin[] =
	"020000000001020000000002080045000033000900004006f6b8c0000202c000020103e80050ffff"
	"fffe0000000050012000eb9d00006162636465666768696a21";
static const char tcp4_fin_rst[] =
	"020000000001020000000002080045000028000040004006b6ccc0000201c0000202005003e80000"
	"00000000000a50140000278b0000";
static const char tcp4_rst[] =
	"020000000001020000000002080045000028000900004006f6c3c0000202c000020103e800500000"
	"00050000000650142000078a0000";
static const char tcp6_syn[] =
	"02000000000102000000000286dd600000000014064020010db80000000000000000000000022001"
	"0db800000000000000000000000103e80050112233440000000050022000ebcf0000";
static const char tcp6_syn_rst[] =
	"02000000000102000000000286dd600000000014064020010db80000000000000000000000012001"
	"0db8000000000000000000000002005003e80000000011223345501400000bbd0000";
static const char unreach4[] =
	"020000000001020000000002080045000038000100000101bbb8c0000202cb0071090301fb240000"
	"00004500001c0001000040117cc4cb007109c00002020035003500080168";
static const char unreach6[] =
	"02000000000102000000000286dd6000000000383a0120010db80000000000000000000000022001"
	"0db8000900000000000000000009010331d500000000600000000008114020010db8000900000000"
	"00000000000920010db8000000000000000000000002003500350008a3ee";
static const char from_net4[] =
	"02000000000102000000000208004500001c000100000111bbc6c0000200cb007109003500350008"
	"016a";
static const char to_group4[] =
	"02000000000102000000000208004500001c00010000011107ccc0000202ef010101003500350008"
	"4d6f";
static const char to_group6[] =
	"02000000000102000000000286dd600000000008110120010db8000000000000000000000002ff0e"
	"0000000000000000000000000001003500350008d2a9";

#define SECOND UINT64_C(1000000000)

static struct weir_shard shard;
static void *node;

/* What the node says of a packet that is refused for a reason. */
static void refuse(struct rte_mbuf *m, enum weir_drop why)
{
	static uint64_t now_ns;

	now_ns += SECOND; /* the limit is no matter */
	weir_meta(m)->drop = (uint16_t)why;
	shard.counters = (struct weir_counters){0};
	toy_n_sent = 0;
	CU_ASSERT_EQUAL(toy_judge(&weir_node_reject, node, m, now_ns), WEIR_DROP);
	CU_ASSERT_EQUAL(weir_meta(m)->drop, why);
	CU_ASSERT_EQUAL(shard.counters.icmp_errors_sent, toy_n_sent);
}

static void expect(const char *frame, enum weir_drop why, const char *answer)
{
	struct toy_mbuf t;

	refuse(toy_frame(&t, frame, 0), why);
	toy_expect_sent(answer);
}

static void expect_silence(const char *frame, enum weir_drop why)
{
	struct toy_mbuf t;

	refuse(toy_frame(&t, frame, 0), why);
	CU_ASSERT_EQUAL(toy_n_sent, 0);
	CU_ASSERT_EQUAL(shard.counters.drops[WEIR_DROP_ERROR_LIMIT], 0);
}

static void setup(uint64_t errors_per_s)
{
	shard = (struct weir_shard){.secret = {1, 2}};
	shard.limits.icmp_errors_per_s = errors_per_s;
	weir_node_reject.free(node);
	node = NULL;
	CU_ASSERT_EQUAL_FATAL(weir_node_reject.create(&shard, &node), 0);
}

static void test_each_reason_has_its_icmp_error(void)
{
	setup(1000);
	expect(far4, WEIR_DROP_TTL, far4_ttl);
	expect(far4, WEIR_DROP_NO_ROUTE, far4_noroute);
	expect(far4, WEIR_DROP_NEIGH_FAILED, far4_host);
	expect(far4, WEIR_DROP_PROHIBITED, far4_admin);
	expect(udp4, WEIR_DROP_NO_SERVICE, udp4_port);
	expect(other4, WEIR_DROP_NO_SERVICE, other4_protocol);
}

static void test_each_reason_has_its_icmpv6_error(void)
{
	setup(1000);
	expect(far6, WEIR_DROP_TTL, far6_ttl);
	expect(far6, WEIR_DROP_NO_ROUTE, far6_noroute);
	expect(far6, WEIR_DROP_NEIGH_FAILED, far6_host);
	expect(far6, WEIR_DROP_PROHIBITED, far6_admin);
	expect(udp6, WEIR_DROP_NO_SERVICE, udp6_port);
	expect(other6, WEIR_DROP_NO_SERVICE, other6_protocol);
}

static void test_a_reason_that_is_nobodys_business_is_kept(void)
{
	setup(1000);
	expect_silence(far4, WEIR_DROP_BLACKHOLE);
	expect_silence(far6, WEIR_DROP_BLACKHOLE);
}

static void test_a_link_local_sender_is_answered_from_a_link_local_address(void)
{
	setup(1000);
	expect(ll6, WEIR_DROP_TTL, ll6_ttl);
}

static void test_a_ping_that_runs_out_is_answered_so_that_traceroute_works(void)
{
	setup(1000);
	expect(ping4_far, WEIR_DROP_TTL, ping4_far_ttl);
}

/* A packet of zeros that is too long for the next link. */
static struct rte_mbuf *long_packet(struct toy_mbuf *t, const char *head, uint16_t bytes)
{
	struct rte_mbuf *m = toy_frame(t, head, 0);

	m->data_len = bytes;
	m->pkt_len = bytes;
	t->meta.reject_mtu = 1300;
	return m;
}

static void test_too_long_a_packet_is_told_the_mtu_in_576_bytes(void)
{
	struct toy_mbuf t;
	struct rte_mbuf *m;
	const uint8_t *icmp;

	setup(1000);
	m = long_packet(&t, far4, 1400);
	refuse(m, WEIR_DROP_FRAG_NEEDED);
	CU_ASSERT_EQUAL_FATAL(toy_n_sent, 1);
	CU_ASSERT_EQUAL(toy_sent->pkt_len, 14 + 576);
	icmp = rte_pktmbuf_mtod_offset(toy_sent, const uint8_t *, 34);
	CU_ASSERT_EQUAL(memcmp(icmp, (uint8_t[]){3, 4}, 2), 0);
	CU_ASSERT_EQUAL(memcmp(icmp + 4, (uint8_t[]){0, 0, 1300 >> 8, 1300 & 255}, 4), 0);
	CU_ASSERT_EQUAL(memcmp(icmp + 8, rte_pktmbuf_mtod_offset(m, uint8_t *, 14), 548), 0);
	CU_ASSERT_EQUAL(weir_csum(icmp, 556), 0);
}

static void test_too_long_an_ipv6_packet_is_told_the_mtu_in_1280_bytes(void)
{
	struct toy_mbuf t;
	struct rte_mbuf *m;
	const struct rte_ipv6_hdr *ip;
	const uint8_t *icmp;

	setup(1000);
	m = long_packet(&t, far6, 1400);
	refuse(m, WEIR_DROP_FRAG_NEEDED);
	CU_ASSERT_EQUAL_FATAL(toy_n_sent, 1);
	CU_ASSERT_EQUAL(toy_sent->pkt_len, 14 + 1280);
	ip = rte_pktmbuf_mtod_offset(toy_sent, const struct rte_ipv6_hdr *, 14);
	icmp = (const uint8_t *)(ip + 1);
	CU_ASSERT_EQUAL(memcmp(icmp, (uint8_t[]){2, 0}, 2), 0);
	CU_ASSERT_EQUAL(memcmp(icmp + 4, (uint8_t[]){0, 0, 1300 >> 8, 1300 & 255}, 4), 0);
	CU_ASSERT_EQUAL(memcmp(icmp + 8, rte_pktmbuf_mtod_offset(m, uint8_t *, 14), 1232), 0);
	CU_ASSERT_EQUAL(rte_ipv6_udptcp_cksum_verify(ip, icmp), 0);
}

static void test_a_chain_is_quoted_across_its_segments(void)
{
	struct toy_mbuf t, tail;
	struct rte_mbuf *m;

	setup(1000);
	m = toy_frame(&t, udp4, 0);
	toy_mbuf(&tail, rte_pktmbuf_mtod_offset(m, void *, m->data_len - 7), 7);
	m->data_len = (uint16_t)(m->data_len - 7);
	m->next = &tail.m;
	m->nb_segs = 2;
	refuse(m, WEIR_DROP_NO_SERVICE);
	toy_expect_sent(udp4_port);
}

static void test_a_reset_is_one_that_the_sender_believes(void)
{
	setup(1000);
	expect(tcp4_syn, WEIR_DROP_NO_SERVICE, tcp4_syn_rst);
	expect(tcp4_ack, WEIR_DROP_NO_SERVICE, tcp4_ack_rst);
	expect(tcp4_fin, WEIR_DROP_NO_SERVICE, tcp4_fin_rst);
	expect(tcp6_syn, WEIR_DROP_NO_SERVICE, tcp6_syn_rst);
}

static void test_what_inspection_resets_is_told_so_by_rst_or_icmp(void)
{
	setup(1000);
	expect(tcp4_ack, WEIR_DROP_INSPECT_RESET, tcp4_ack_rst);
	expect(far4, WEIR_DROP_INSPECT_RESET, far4_admin);
	expect(far6, WEIR_DROP_INSPECT_RESET, far6_admin);
}

static void test_nobody_is_told_about_errors_and_resets(void)
{
	setup(1000);
	expect_silence(unreach4, WEIR_DROP_TTL);
	expect_silence(unreach6, WEIR_DROP_TTL);
	expect_silence(tcp4_rst, WEIR_DROP_NO_SERVICE);
}

static void test_of_icmp_what_asks_or_answers_may_be_answered_by_an_error(void)
{
	unsigned answered = 0;

	setup(1000);
	for (unsigned type = 0; type < 256; type++) {
		struct toy_mbuf t;
		struct rte_mbuf *m = toy_frame(&t, ping4_far, 0);

		rte_pktmbuf_mtod(m, uint8_t *)[t.meta.l4_off] = (uint8_t)type;
		refuse(m, WEIR_DROP_TTL);
		answered += toy_n_sent;
		if (type >= 3 && type <= 5) /* unreachable, source quench, redirect */
			CU_ASSERT_EQUAL(toy_n_sent, 0);
		if (type == 11 || type == 12)
			CU_ASSERT_EQUAL(toy_n_sent, 0);
		if (type == 0 || type == 8)
			CU_ASSERT_EQUAL(toy_n_sent, 1);
	}
	CU_ASSERT_EQUAL(answered, 10);
}

static void test_a_missing_icmp_service_is_not_missed(void)
{
	setup(1000);
	expect_silence(ping4_far, WEIR_DROP_NO_SERVICE);
}

static void test_what_did_not_go_from_one_host_to_one_host_is_not_answered(void)
{
	setup(1000);
	expect_silence(from_net4, WEIR_DROP_TTL);
	expect_silence(to_group4, WEIR_DROP_TTL);
	expect_silence(to_group6, WEIR_DROP_TTL);
}

static void test_no_host_has_a_group_or_network_0_or_127_for_an_address(void)
{
	const struct weir_iface *f = &toy_ifaces[0];

	CU_ASSERT_FALSE(icmp_is_host4(f, rte_cpu_to_be_32(0)));
	CU_ASSERT_FALSE(icmp_is_host4(f, rte_cpu_to_be_32(UINT32_C(0x00010203))));
	CU_ASSERT_FALSE(icmp_is_host4(f, rte_cpu_to_be_32(UINT32_C(0x7f000001))));
	CU_ASSERT_FALSE(icmp_is_host4(f, rte_cpu_to_be_32(UINT32_C(0xe0000005))));
	CU_ASSERT_FALSE(icmp_is_host4(f, rte_cpu_to_be_32(UINT32_C(0xffffffff))));
	CU_ASSERT_FALSE(icmp_is_host4(f, rte_cpu_to_be_32(UINT32_C(0xc0000200))));
	CU_ASSERT_FALSE(icmp_is_host4(f, rte_cpu_to_be_32(UINT32_C(0xc00002ff))));
	CU_ASSERT_TRUE(icmp_is_host4(f, rte_cpu_to_be_32(UINT32_C(0xc00002fe))));
	CU_ASSERT_TRUE(icmp_is_host4(f, rte_cpu_to_be_32(UINT32_C(0xc00003ff))));
	CU_ASSERT_FALSE(icmp_is_host6((const uint8_t[16]){0}));
	CU_ASSERT_FALSE(icmp_is_host6((const uint8_t[16]){[15] = 1}));
	CU_ASSERT_FALSE(icmp_is_host6((const uint8_t[16]){0xff, 2, [15] = 1}));
	CU_ASSERT_TRUE(icmp_is_host6((const uint8_t[16]){[15] = 2}));
}

static void test_our_own_packets_group_frames_and_later_fragments_are_not_answered(void)
{
	static const uint32_t flags[] = {WEIR_META_OURS, WEIR_META_L2_GROUP,
					 WEIR_META_FRAG | WEIR_META_FRAG_LATER};

	setup(1000);
	for (unsigned i = 0; i < RTE_DIM(flags); i++) {
		struct toy_mbuf t;
		struct rte_mbuf *m = toy_frame(&t, far4, 0);

		t.meta.flags |= flags[i];
		refuse(m, WEIR_DROP_TTL);
		CU_ASSERT_EQUAL(toy_n_sent, 0);
	}
}

static void test_a_first_fragment_gets_an_error_but_no_reset(void)
{
	struct toy_mbuf t;
	struct rte_mbuf *m;

	setup(1000);
	m = toy_frame(&t, far4, 0);
	t.meta.flags |= WEIR_META_FRAG;
	refuse(m, WEIR_DROP_TTL);
	CU_ASSERT_EQUAL(toy_n_sent, 1);
	m = toy_frame(&t, tcp4_syn, 0);
	t.meta.flags |= WEIR_META_FRAG;
	refuse(m, WEIR_DROP_NO_SERVICE);
	CU_ASSERT_EQUAL(toy_n_sent, 0);
}

static void test_errors_over_the_limit_are_counted_and_not_sent(void)
{
	struct toy_mbuf t;
	unsigned sent = 0;

	setup(100);
	for (unsigned i = 0; i < 50; i++) {
		struct rte_mbuf *m = toy_frame(&t, far4, 0);

		CU_ASSERT_EQUAL(weir_say_reject(m, WEIR_DROP_TTL), WEIR_REJECT);
		CU_ASSERT_EQUAL(toy_judge(&weir_node_reject, node, m, 0), WEIR_DROP);
		CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_TTL);
		sent += toy_n_sent;
	}
	CU_ASSERT_EQUAL(sent, 100 / BURSTS_PER_S);
	CU_ASSERT_EQUAL(shard.counters.icmp_errors_sent, sent);
	CU_ASSERT_EQUAL(shard.counters.drops[WEIR_DROP_ERROR_LIMIT], 50 - sent);
	CU_ASSERT_EQUAL(weir_say_reject(toy_frame(&t, far4, 0), WEIR_DROP_TTL), WEIR_REJECT);
	toy_judge(&weir_node_reject, node, &t.m, SECOND / 100);
	CU_ASSERT_EQUAL(toy_n_sent, 1);
}

static void test_without_a_buffer_the_packet_is_dropped_all_the_same(void)
{
	struct toy_mbuf t;

	setup(1000);
	toy_buffers = 0;
	refuse(toy_frame(&t, far4, 0), WEIR_DROP_TTL);
	CU_ASSERT_EQUAL(toy_n_sent, 0);
	CU_ASSERT_EQUAL(shard.counters.drops[WEIR_DROP_NO_MBUF], 1);
	refuse(toy_frame(&t, tcp4_syn, 0), WEIR_DROP_NO_SERVICE);
	CU_ASSERT_EQUAL(toy_n_sent, 0);
	toy_buffers = 1000;
}

static void test_a_limit_of_nothing_and_a_lack_of_memory_are_refused(void)
{
	struct weir_shard s = {.worker = 0};
	void *self = NULL;

	CU_ASSERT_EQUAL(weir_node_reject.create(&s, &self), -ERANGE);
	s.limits = WEIR_LIMITS_DEFAULT;
	FAILALLOC_EACH(n)
	{
		const int rc = weir_node_reject.create(&s, &self);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			weir_node_reject.free(self);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(self);
	}
	weir_node_reject.free(node);
	node = NULL;
}

WEIR_TESTS("node/reject", TEST(each_reason_has_its_icmp_error),
	   TEST(each_reason_has_its_icmpv6_error), TEST(a_reason_that_is_nobodys_business_is_kept),
	   TEST(a_link_local_sender_is_answered_from_a_link_local_address),
	   TEST(a_ping_that_runs_out_is_answered_so_that_traceroute_works),
	   TEST(too_long_a_packet_is_told_the_mtu_in_576_bytes),
	   TEST(too_long_an_ipv6_packet_is_told_the_mtu_in_1280_bytes),
	   TEST(a_chain_is_quoted_across_its_segments),
	   TEST(a_reset_is_one_that_the_sender_believes),
	   TEST(what_inspection_resets_is_told_so_by_rst_or_icmp),
	   TEST(nobody_is_told_about_errors_and_resets),
	   TEST(of_icmp_what_asks_or_answers_may_be_answered_by_an_error),
	   TEST(a_missing_icmp_service_is_not_missed),
	   TEST(what_did_not_go_from_one_host_to_one_host_is_not_answered),
	   TEST(no_host_has_a_group_or_network_0_or_127_for_an_address),
	   TEST(our_own_packets_group_frames_and_later_fragments_are_not_answered),
	   TEST(a_first_fragment_gets_an_error_but_no_reset),
	   TEST(errors_over_the_limit_are_counted_and_not_sent),
	   TEST(without_a_buffer_the_packet_is_dropped_all_the_same),
	   TEST(a_limit_of_nothing_and_a_lack_of_memory_are_refused))
