/* SPDX-License-Identifier: BSD-3-Clause */

/* 60_route judged one packet at a time on toy mbufs; then bursts with real tables and buffers. */

#include "60_route.c"
#include "toy_mbuf.h"
#include "toy_rib.h"

#include <stdlib.h>

enum {
	NONE,
	LOCAL,
	LINK,
	GATEWAY,
	GROUP,
	BLACKHOLE,
	UNREACHABLE,
	PROHIBIT,
	BROADCAST,
	HEARD,
	MULTICAST,
	LINK_LOCAL,
	LINK1,
	TOY_HOPS
};

static const struct weir_hop toy_hops[TOY_HOPS] = {
	[LOCAL] = {.kind = WEIR_HOP_LOCAL},
	[LINK] = {.kind = WEIR_HOP_LINK, .iface = 0, .mtu = 1500},
	[LINK1] = {.kind = WEIR_HOP_LINK, .iface = 1, .mtu = 1400},
	[GATEWAY] = {.kind = WEIR_HOP_GATEWAY, .iface = 1, .mtu = 1400},
	[GROUP] = {.kind = WEIR_HOP_GROUP, .group_n = 3},
	[BLACKHOLE] = {.kind = WEIR_HOP_BLACKHOLE},
	[UNREACHABLE] = {.kind = WEIR_HOP_UNREACHABLE},
	[PROHIBIT] = {.kind = WEIR_HOP_PROHIBIT},
	[BROADCAST] = {.kind = WEIR_HOP_BROADCAST, .iface = 1, .mtu = 1400},
	[HEARD] = {.kind = WEIR_HOP_BROADCAST, .iface = WEIR_NO_IFACE},
	[MULTICAST] = {.kind = WEIR_HOP_MULTICAST},
	[LINK_LOCAL] = {.kind = WEIR_HOP_LINK_LOCAL},
};
static const uint16_t toy_members[TOY_HOPS][WEIR_GROUP_MAX] = {[GROUP] = {LINK, GATEWAY, LINK1}};
static const struct weir_iface toy_ifaces[2] = {
	{.name = "wan", .mtu = 1500, .link_local = {6, {0xfe, 0x80, [15] = 1}}},
	{.name = "lan", .mtu = 1400, .kernel = true, .link_local = {6, {0xfe, 0x80, [15] = 2}}}};
static const uint16_t toy_links[2] = {LINK, LINK1};
static const struct weir_l3 toy_l3 = {.hops = toy_hops,
				      .members = toy_members,
				      .ifaces = toy_ifaces,
				      .link_hop = toy_links,
				      .n_hops = TOY_HOPS,
				      .n_ifaces = 2};
static struct weir_shard shard;

/* What the node sent round. */
static struct rte_mbuf *sent[256];
static unsigned n_sent;

void weir_origin_push(struct weir_origin *o, struct rte_mbuf *m, enum weir_verdict verdict)
{
	(void)o;
	CU_ASSERT_EQUAL(verdict, WEIR_OUT);
	CU_ASSERT_FATAL(n_sent < 256);
	sent[n_sent++] = m;
}

static void fill4(struct rte_ipv4_hdr *ip, uint8_t ttl, uint16_t bytes)
{
	memset(ip, 0, sizeof(*ip));
	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->total_length = rte_cpu_to_be_16(bytes);
	ip->time_to_live = ttl;
	ip->next_proto_id = IPPROTO_UDP;
	ip->src_addr = RTE_BE32(0xc0000202);
	ip->dst_addr = RTE_BE32(0xcb007101);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static struct rte_ipv4_hdr *toy4(struct toy_mbuf *t, uint8_t ttl, uint16_t bytes)
{
	struct weir_meta *meta;

	toy_mbuf(t, NULL, 14 + 1600);
	meta = weir_meta(&t->m);
	meta->flags = WEIR_META_IP4 | WEIR_META_L4;
	meta->l3_off = 14;
	meta->l4_off = 34;
	meta->proto = IPPROTO_UDP;
	fill4(ip4(&t->m), ttl, bytes);
	return ip4(&t->m);
}

static struct rte_ipv6_hdr *toy6(struct toy_mbuf *t, uint8_t limit, uint16_t payload)
{
	static const uint8_t src[16] = {0x20, 1, 0x0d, 0xb8, [15] = 2};
	static const uint8_t dst[16] = {0x20, 1, 0x0d, 0xb8, 1, [15] = 2};
	struct rte_ipv6_hdr *ip;

	toy_mbuf(t, NULL, 14 + 1600);
	weir_meta(&t->m)->flags = WEIR_META_IP6;
	weir_meta(&t->m)->l3_off = 14;
	ip = ip6(&t->m);
	ip->vtc_flow = RTE_BE32(0x60000000);
	ip->payload_len = rte_cpu_to_be_16(payload);
	ip->hop_limits = limit;
	memcpy(ip6_src(ip), src, 16);
	memcpy(ip6_dst(ip), dst, 16);
	return ip;
}

static enum weir_verdict judge4(struct toy_mbuf *t, uint16_t hop)
{
	return route_one4(&shard, &toy_l3, &t->m, hop);
}

static enum weir_verdict judge6(struct toy_mbuf *t, uint16_t hop)
{
	return route_one6(&shard, &toy_l3, &t->m, hop);
}

static void test_forwarding_lowers_ttl_and_keeps_the_checksum_right(void)
{
	struct toy_mbuf t;

	for (unsigned ttl = 2; ttl < 256; ttl++)
		for (unsigned id = 0; id < 65536; id += 251) {
			struct rte_ipv4_hdr *ip = toy4(&t, (uint8_t)ttl, 100);

			ip->packet_id = (uint16_t)id;
			ip->hdr_checksum = 0;
			ip->hdr_checksum = rte_ipv4_cksum(ip);
			if (judge4(&t, GATEWAY) != WEIR_OUT || ip->time_to_live != ttl - 1 ||
			    rte_ipv4_cksum(ip) != 0)
				CU_FAIL("a wrong TTL or checksum");
		}
	CU_ASSERT_EQUAL(t.meta.hop, GATEWAY);
	CU_ASSERT_EQUAL(t.meta.iface_out, 1);
}

static void test_a_ttl_that_runs_out_is_rejected_but_not_for_ourselves(void)
{
	struct toy_mbuf t;

	for (uint8_t ttl = 0; ttl < 2; ttl++) {
		toy4(&t, ttl, 100);
		CU_ASSERT_EQUAL(judge4(&t, LINK), WEIR_REJECT);
		CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_TTL);
		CU_ASSERT_EQUAL(judge4(&t, LOCAL), WEIR_LOCAL);
		toy6(&t, ttl, 60);
		CU_ASSERT_EQUAL(judge6(&t, LINK), WEIR_REJECT);
		CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_TTL);
	}
	toy4(&t, 1, 100);
	t.meta.flags |= WEIR_META_OURS;
	CU_ASSERT_EQUAL(judge4(&t, LINK), WEIR_OUT);
	CU_ASSERT_EQUAL(ip4(&t.m)->time_to_live, 1);
	toy6(&t, 255, 60);
	CU_ASSERT_EQUAL(judge6(&t, LINK), WEIR_OUT);
	CU_ASSERT_EQUAL(ip6(&t.m)->hop_limits, 254);
}

static void expect4(uint16_t hop, enum weir_verdict verdict, enum weir_drop why)
{
	struct toy_mbuf t;

	toy4(&t, 64, 100);
	CU_ASSERT_EQUAL(judge4(&t, hop), verdict);
	CU_ASSERT_EQUAL(t.meta.drop, why);
}

static void test_each_kind_of_route_has_its_verdict(void)
{
	expect4(NONE, WEIR_REJECT, WEIR_DROP_NO_ROUTE);
	expect4(UNREACHABLE, WEIR_REJECT, WEIR_DROP_NO_ROUTE);
	expect4(PROHIBIT, WEIR_REJECT, WEIR_DROP_PROHIBITED);
	expect4(BLACKHOLE, WEIR_DROP, WEIR_DROP_BLACKHOLE);
	expect4(LOCAL, WEIR_LOCAL, WEIR_DROP_NONE);
	expect4(HEARD, WEIR_LOCAL, WEIR_DROP_NONE);
	expect4(MULTICAST, WEIR_DROP, WEIR_DROP_MULTICAST);
	expect4(BROADCAST, WEIR_DROP, WEIR_DROP_MULTICAST); /* another link's */
	expect4(LINK, WEIR_OUT, WEIR_DROP_NONE);
}

static void test_groups_are_heard_where_they_are_meant(void)
{
	struct toy_mbuf t;

	toy4(&t, 1, 100)->dst_addr = RTE_BE32(0xe0000005);
	t.meta.iface_in = 1; /* with a kernel behind it: OSPF may run there */
	CU_ASSERT_EQUAL(judge4(&t, MULTICAST), WEIR_LOCAL);
	ip4(&t.m)->dst_addr = RTE_BE32(0xef000005);
	CU_ASSERT_EQUAL(judge4(&t, MULTICAST), WEIR_DROP);
	CU_ASSERT_EQUAL(judge4(&t, BROADCAST), WEIR_LOCAL);
	t.meta.flags |= WEIR_META_OURS;
	CU_ASSERT_EQUAL(judge4(&t, MULTICAST), WEIR_OUT);
	CU_ASSERT_EQUAL(t.meta.hop, LINK1);
	CU_ASSERT_EQUAL(judge4(&t, BROADCAST), WEIR_OUT);
	CU_ASSERT_EQUAL(t.meta.hop, BROADCAST);
	t.meta.iface_in = WEIR_NO_IFACE;
	CU_ASSERT_EQUAL(judge4(&t, HEARD), WEIR_DROP);
}

static bool hears_one(struct weir_local *l, uint16_t iface, const struct weir_addr *group)
{
	(void)l;
	return iface == 0 && (group->family == 4 ? group->bytes[3] == 5 : group->bytes[15] == 5);
}

static void test_groups_that_the_stack_hears_are_local(void)
{
	static const uint8_t group[16] = {0xff, 0x15, [15] = 5};
	struct weir_local stack = {.hears = hears_one};
	struct toy_mbuf t;

	shard.local = &stack;
	toy4(&t, 1, 100)->dst_addr = RTE_BE32(0xef000005);
	CU_ASSERT_EQUAL(judge4(&t, MULTICAST), WEIR_LOCAL);
	CU_ASSERT_FALSE(t.meta.flags & WEIR_META_BROADCAST);
	ip4(&t.m)->dst_addr = RTE_BE32(0xef000006);
	CU_ASSERT_EQUAL(judge4(&t, MULTICAST), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_MULTICAST);
	memcpy(ip6_dst(toy6(&t, 1, 60)), group, 16);
	CU_ASSERT_EQUAL(judge6(&t, MULTICAST), WEIR_LOCAL);
	t.meta.iface_in = 1;
	CU_ASSERT_EQUAL(judge6(&t, MULTICAST), WEIR_DROP);
	t.meta.iface_in = 0;
	t.meta.flags |= WEIR_META_OURS; /* it leaves; the stack has its own */
	CU_ASSERT_EQUAL(judge6(&t, MULTICAST), WEIR_OUT);
	shard.local = NULL;
}

static void test_a_broadcast_is_marked_and_a_group_that_all_hear_is_not(void)
{
	struct toy_mbuf t;

	toy4(&t, 1, 100)->dst_addr = RTE_BE32(0xc00002ff);
	t.meta.iface_in = 1;
	CU_ASSERT_EQUAL(judge4(&t, BROADCAST), WEIR_LOCAL);
	CU_ASSERT(t.meta.flags & WEIR_META_BROADCAST);
	toy4(&t, 1, 100)->dst_addr = RTE_BE32(0xe0000001);
	CU_ASSERT_EQUAL(judge4(&t, HEARD), WEIR_LOCAL);
	CU_ASSERT_FALSE(t.meta.flags & WEIR_META_BROADCAST);
}

static void test_a_frame_to_all_with_a_packet_to_one_is_dropped(void)
{
	static const uint16_t hops[] = {LINK, GATEWAY, LOCAL, NONE};
	struct toy_mbuf t;

	for (unsigned i = 0; i < 4; i++) {
		toy4(&t, 64, 100);
		t.meta.flags |= WEIR_META_L2_GROUP;
		CU_ASSERT_EQUAL(judge4(&t, hops[i]), WEIR_DROP);
		CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_L2_GROUP_FWD);
		CU_ASSERT_EQUAL(ip4(&t.m)->time_to_live, 64);
	}
	CU_ASSERT_EQUAL(judge4(&t, HEARD), WEIR_LOCAL);
}

static void test_link_local_addresses_stay_on_their_link(void)
{
	static const uint8_t ours[16] = {0xfe, 0x80, [15] = 1}, other[16] = {0xfe, 0x80, [15] = 2};
	struct toy_mbuf t;

	memcpy(ip6_dst(toy6(&t, 64, 60)), ours, 16);
	CU_ASSERT_EQUAL(judge6(&t, LINK_LOCAL), WEIR_LOCAL);
	memcpy(ip6_dst(ip6(&t.m)), other, 16); /* ours, but on the other link */
	CU_ASSERT_EQUAL(judge6(&t, LINK_LOCAL), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_LINK_LOCAL);
	t.meta.flags |= WEIR_META_OURS;
	CU_ASSERT_EQUAL(judge6(&t, LINK_LOCAL), WEIR_OUT);
	CU_ASSERT_EQUAL(t.meta.hop, LINK);
	memcpy(ip6_src(toy6(&t, 64, 60)), other, 16);
	CU_ASSERT_EQUAL(judge6(&t, LINK), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_LINK_LOCAL);
	memset(ip6_src(toy6(&t, 64, 60)), 0, 16);
	CU_ASSERT_EQUAL(judge6(&t, LINK), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_IP_SOURCE);
	toy4(&t, 64, 100)->src_addr = 0;
	CU_ASSERT_EQUAL(judge4(&t, LINK), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_IP_SOURCE);
}

static void test_what_says_that_we_have_sent_it_to_ourselves_is_dropped(void)
{
	struct toy_mbuf t;
	struct rte_ipv4_hdr *ip = toy4(&t, 64, 100);
	struct rte_ipv6_hdr *ip6_hdr;

	ip->src_addr = ip->dst_addr;
	CU_ASSERT_EQUAL(judge4(&t, LOCAL), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_IP_SOURCE);
	t.meta.flags |= WEIR_META_OURS;
	CU_ASSERT_EQUAL(judge4(&t, LOCAL), WEIR_LOCAL);
	ip6_hdr = toy6(&t, 64, 60);
	memcpy(ip6_src(ip6_hdr), ip6_dst(ip6_hdr), 16);
	CU_ASSERT_EQUAL(judge6(&t, LOCAL), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_IP_SOURCE);
}

static void test_too_long_packets_are_told_the_mtu(void)
{
	struct toy_mbuf t;

	toy4(&t, 64, 1400)->fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
	CU_ASSERT_EQUAL(judge4(&t, GATEWAY), WEIR_OUT);
	toy4(&t, 64, 1401)->fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
	CU_ASSERT_EQUAL(judge4(&t, GATEWAY), WEIR_REJECT);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_FRAG_NEEDED);
	CU_ASSERT_EQUAL(t.meta.reject_mtu, 1400);
	CU_ASSERT_EQUAL(ip4(&t.m)->time_to_live, 64);
	toy6(&t, 64, 1360);
	CU_ASSERT_EQUAL(judge6(&t, GATEWAY), WEIR_OUT);
	toy6(&t, 64, 1361);
	CU_ASSERT_EQUAL(judge6(&t, GATEWAY), WEIR_REJECT);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_FRAG_NEEDED);
	CU_ASSERT_EQUAL(t.meta.reject_mtu, 1400);
	CU_ASSERT_EQUAL(ip6(&t.m)->hop_limits, 64);
}

/* What counts of a segment that is to be cut is the packets that it becomes. */
static void test_a_segment_to_be_cut_is_as_long_as_its_pieces(void)
{
	struct toy_mbuf t;

	for (uint16_t size = 1348; size < 1350; size++) {
		const enum weir_verdict want = size == 1348 ? WEIR_OUT : WEIR_REJECT;

		toy4(&t, 64, 20000)->fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
		t.m.ol_flags = RTE_MBUF_F_TX_TCP_SEG;
		t.m.l3_len = 20;
		t.m.l4_len = 32;
		t.m.tso_segsz = size;
		CU_ASSERT_EQUAL(judge4(&t, GATEWAY), want);
		toy6(&t, 64, 20000);
		t.m.ol_flags = RTE_MBUF_F_TX_TCP_SEG;
		t.m.l3_len = 40;
		t.m.l4_len = 32;
		t.m.tso_segsz = (uint16_t)(size - 20);
		CU_ASSERT_EQUAL(judge6(&t, GATEWAY), want);
		CU_ASSERT_EQUAL(ip6(&t.m)->hop_limits, want == WEIR_OUT ? 63 : 64);
		t.meta.flags |= WEIR_META_OURS; /* it is not fragmented, either */
		CU_ASSERT_EQUAL(judge6(&t, GATEWAY), want);
	}
}

static void test_flows_spread_over_a_group_and_stay_on_their_member(void)
{
	unsigned hits[TOY_HOPS] = {0};
	struct toy_mbuf t;

	for (unsigned flow = 0; flow < 9000; flow++) {
		const uint16_t ports[2] = {(uint16_t)flow, RTE_BE16(443)};
		struct rte_ipv4_hdr *ip = toy4(&t, 64, 100);
		uint32_t swap;
		uint32_t first;

		if (flow % 2)
			t.meta.hash = flow * 2654435761u;
		ip->dst_addr = RTE_BE32(0xcb007100) + (flow << 24);
		memcpy(l4(&t.m), ports, 4);
		CU_ASSERT_EQUAL(judge4(&t, GROUP), WEIR_OUT);
		first = t.meta.hop;
		hits[first]++;
		swap = ip->src_addr; /* the other direction */
		ip->src_addr = ip->dst_addr;
		ip->dst_addr = swap;
		memcpy(l4(&t.m), (const uint16_t[2]){ports[1], ports[0]}, 4);
		CU_ASSERT_EQUAL(judge4(&t, GROUP), WEIR_OUT);
		CU_ASSERT_EQUAL(t.meta.hop, first);
		CU_ASSERT_EQUAL(t.meta.iface_out, toy_hops[first].iface);
	}
	CU_ASSERT(hits[LINK] > 2700 && hits[GATEWAY] > 2700 && hits[LINK1] > 2700);
}

static void test_fragments_of_a_flow_take_one_member(void)
{
	struct toy_mbuf t;
	uint32_t first;

	toy4(&t, 64, 100);
	t.meta.flags |= WEIR_META_FRAG;
	memset(l4(&t.m), 0x55, 4);
	judge4(&t, GROUP);
	first = t.meta.hop;
	for (unsigned i = 0; i < 50; i++) {
		toy4(&t, 64, 100);
		t.meta.flags = WEIR_META_IP4 | WEIR_META_FRAG | WEIR_META_FRAG_LATER;
		memset(l4(&t.m), (int)i, 4);
		judge4(&t, GROUP);
		CU_ASSERT_EQUAL(t.meta.hop, first);
	}
}

static struct rte_mempool *make_pool(const char *name, unsigned n)
{
	toy_rib_eal();
	return rte_pktmbuf_pool_create(name, n, 0, sizeof(struct weir_meta),
				       RTE_PKTMBUF_HEADROOM + 4096, SOCKET_ID_ANY);
}

static struct rte_mbuf *big_packet(struct rte_mempool *pool, uint16_t ip_bytes, uint16_t padding)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t *frame;

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	frame = (void *)rte_pktmbuf_append(m, (uint16_t)(14 + ip_bytes + padding));
	CU_ASSERT_PTR_NOT_NULL_FATAL(frame);
	for (unsigned i = 0; i < 14u + ip_bytes; i++)
		frame[i] = (uint8_t)(i * 7);
	memset(weir_meta(m), 0, sizeof(struct weir_meta));
	weir_meta(m)->flags = WEIR_META_IP4 | WEIR_META_L4;
	weir_meta(m)->l3_off = 14;
	weir_meta(m)->l4_off = 34;
	fill4(ip4(m), 64, ip_bytes);
	return m;
}

static void long_ipv6_is_fragmented(const char *name, uint32_t flag, uint32_t most_bytes)
{
	struct rte_mempool *pool = make_pool(name, 63);
	struct rte_ipv6_hdr *ip;
	struct rte_mbuf *m;
	unsigned at = 0;
	uint32_t id = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	shard.pool = pool;
	m = big_packet(pool, 3540, 6);
	ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, 14);
	*ip = (struct rte_ipv6_hdr){.vtc_flow = RTE_BE32(UINT32_C(6) << 28),
				    .payload_len = RTE_BE16(3500),
				    .proto = IPPROTO_ICMPV6,
				    .hop_limits = 64};
	weir_meta(m)->flags = WEIR_META_IP6 | flag;
	ip6_src(ip)[0] = 0x20;
	CU_ASSERT_EQUAL(route_one6(&shard, &toy_l3, m, GATEWAY), WEIR_HELD);
	CU_ASSERT_EQUAL_FATAL(n_sent, 3);
	for (unsigned i = 0; i < n_sent; i++) {
		struct rte_ipv6_fragment_ext *ext =
			rte_pktmbuf_mtod_offset(sent[i], struct rte_ipv6_fragment_ext *, 40);
		const uint16_t bytes = rte_be_to_cpu_16(
			rte_pktmbuf_mtod(sent[i], struct rte_ipv6_hdr *)->payload_len);

		CU_ASSERT_EQUAL(sent[i]->pkt_len, bytes + 40u);
		CU_ASSERT(sent[i]->pkt_len <= most_bytes);
		CU_ASSERT_EQUAL(ext->next_header, IPPROTO_ICMPV6);
		CU_ASSERT_EQUAL(rte_be_to_cpu_16(ext->frag_data) & RTE_IPV6_EHDR_FO_MASK, at);
		CU_ASSERT_EQUAL(rte_be_to_cpu_16(ext->frag_data) & 1, i < n_sent - 1);
		CU_ASSERT(i == 0 ? ext->id != 0 : ext->id == id);
		id = ext->id;
		at += bytes - 8u;
		rte_pktmbuf_free(sent[i]);
	}
	CU_ASSERT_EQUAL(at, 3500);
	n_sent = 0;
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), 63);
	rte_mempool_free(pool);
}

static void test_long_ipv6_of_ours_is_fragmented_under_one_secret_id(void)
{
	long_ipv6_is_fragmented("frag6", WEIR_META_OURS, 1400);
}

/* Its sender could not be told of a shorter path: it has not said that it must not be cut. */
static void test_long_ipv6_that_was_ipv4_is_fragmented_for_the_least_mtu(void)
{
	struct toy_mbuf t;

	long_ipv6_is_fragmented("frag46", WEIR_META_MAY_CUT, 1280);
	toy6(&t, 64, 1240);
	t.meta.flags |= WEIR_META_MAY_CUT;
	CU_ASSERT_EQUAL(judge6(&t, GATEWAY), WEIR_OUT);
	CU_ASSERT_EQUAL(ip6(&t.m)->hop_limits, 63);
}

static void test_long_ipv4_is_fragmented_and_nothing_is_lost(void)
{
	struct rte_mempool *pool = make_pool("frag", 63);
	struct rte_mbuf *m;
	unsigned at = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	shard.pool = pool;
	m = big_packet(pool, 3520, 6);
	CU_ASSERT_EQUAL(route_one4(&shard, &toy_l3, m, GATEWAY), WEIR_HELD);
	CU_ASSERT_EQUAL_FATAL(n_sent, 3);
	for (unsigned i = 0; i < n_sent; i++) {
		struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(sent[i], struct rte_ipv4_hdr *);
		const uint16_t bytes = rte_be_to_cpu_16(ip->total_length);
		const uint16_t offset = rte_be_to_cpu_16(ip->fragment_offset);
		uint8_t copy[1400];
		const uint8_t *data = rte_pktmbuf_read(sent[i], 20, bytes - 20u, copy);

		CU_ASSERT(bytes <= 1400);
		CU_ASSERT_EQUAL(sent[i]->pkt_len, bytes);
		CU_ASSERT_EQUAL(rte_ipv4_cksum(ip), 0);
		CU_ASSERT_EQUAL(ip->time_to_live, 63);
		CU_ASSERT_EQUAL((offset & 0x1fff) * 8u, at);
		CU_ASSERT_EQUAL((offset & RTE_IPV4_HDR_MF_FLAG) != 0, i < n_sent - 1);
		for (unsigned k = 0; data != NULL && k < bytes - 20u; k++)
			if (data[k] != (uint8_t)((34 + at + k) * 7))
				CU_FAIL("a byte of a fragment is wrong");
		CU_ASSERT_EQUAL(weir_meta(sent[i])->hop, GATEWAY);
		CU_ASSERT_EQUAL(weir_meta(sent[i])->iface_out, 1);
		CU_ASSERT_EQUAL(weir_meta(sent[i])->l3_off, 0);
		CU_ASSERT_EQUAL((weir_meta(sent[i])->flags & WEIR_META_FRAG_LATER) != 0, i > 0);
		at += bytes - 20u;
		rte_pktmbuf_free(sent[i]);
	}
	CU_ASSERT_EQUAL(at, 3500);
	n_sent = 0;
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), 63); /* nothing leaks */
	CU_ASSERT_EQUAL(shard.counters.fragmented, 1);
	rte_mempool_free(pool);
}

static void test_without_buffers_nothing_is_sent_of_a_long_packet(void)
{
	struct rte_mempool *pool = make_pool("none", 5);
	struct rte_mbuf *m;

	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	shard.pool = pool;
	m = big_packet(pool, 3520, 0);
	CU_ASSERT_EQUAL(route_one4(&shard, &toy_l3, m, GATEWAY), WEIR_DROP);
	CU_ASSERT_EQUAL(weir_meta(m)->drop, WEIR_DROP_NO_MBUF);
	CU_ASSERT_EQUAL(n_sent, 0);
	rte_pktmbuf_free(m);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), 5);
	rte_mempool_free(pool);
}

/* 64 packets, every third one IPv6 if mixed; those to the routes go out, the others nowhere. */
static void run_burst(const struct weir_l3 *l3, bool mixed)
{
	const struct weir_gen gen = {.l3 = l3};
	const struct weir_pass pass = {.gen = &gen};
	static struct toy_mbuf t[64];
	struct rte_mbuf *pkt[64];
	uint8_t verdict[64];
	struct weir_burst b = {.pkt = pkt, .verdict = verdict, .n = 64, .pass = &pass};

	for (unsigned i = 0; i < 64; i++) {
		if (mixed && i % 3 == 0)
			toy6(&t[i], 64, 100);
		else
			toy4(&t[i], 64, 100)->dst_addr = i % 2 ? RTE_BE32(0xcb007101)
							       : RTE_BE32(0x08080808);
		pkt[i] = &t[i].m;
	}
	weir_node_route.process(&shard, &b);
	for (unsigned i = 0; i < 64; i++) {
		const bool out = (mixed && i % 3 == 0) || i % 2;

		CU_ASSERT_EQUAL(verdict[i], out ? WEIR_OUT : WEIR_REJECT);
		if (out)
			CU_ASSERT_EQUAL(l3->hops[t[i].meta.hop].kind, WEIR_HOP_GATEWAY);
	}
}

static void test_bursts_of_both_families_go_by_the_tables(void)
{
	const struct weir_iface wan = toy_iface("wan", 0, "192.0.2.1/24", "2001:db8::1/64");
	const struct weir_nexthop via[2] = {{toy_addr("192.0.2.9"), WEIR_NO_IFACE, false},
					    {toy_addr("2001:db8::9"), WEIR_NO_IFACE, false}};
	const struct weir_route routes[2] = {
		{toy_prefix("203.0.113.0/24"), WEIR_HOP_GATEWAY, .n_hops = 1, .hops = &via[0]},
		{toy_prefix("2001:db8:100::/40"), WEIR_HOP_GATEWAY, .n_hops = 1, .hops = &via[1]}};
	const struct weir_l3 *l3 = NULL;
	struct weir_rib *rib;

	toy_rib_eal();
	CU_ASSERT_EQUAL_FATAL(weir_rib_create(&toy_rib_conf, &rib, NULL), 0);
	CU_ASSERT_EQUAL(weir_rib_begin(rib), 0);
	CU_ASSERT_EQUAL(weir_rib_set_ifaces(rib, &wan, 1, NULL), 0);
	CU_ASSERT_EQUAL(weir_rib_replace(rib, WEIR_ROUTE_STATIC, routes, 2, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(weir_rib_commit(rib, &l3, NULL), 0);
	run_burst(l3, false);
	run_burst(l3, true);
	weir_rib_release(rib, l3);
	weir_rib_free(rib);
}

WEIR_TESTS("node/route", TEST(forwarding_lowers_ttl_and_keeps_the_checksum_right),
	   TEST(a_ttl_that_runs_out_is_rejected_but_not_for_ourselves),
	   TEST(each_kind_of_route_has_its_verdict), TEST(groups_are_heard_where_they_are_meant),
	   TEST(groups_that_the_stack_hears_are_local),
	   TEST(a_broadcast_is_marked_and_a_group_that_all_hear_is_not),
	   TEST(a_frame_to_all_with_a_packet_to_one_is_dropped),
	   TEST(link_local_addresses_stay_on_their_link),
	   TEST(what_says_that_we_have_sent_it_to_ourselves_is_dropped),
	   TEST(too_long_packets_are_told_the_mtu),
	   TEST(a_segment_to_be_cut_is_as_long_as_its_pieces),
	   TEST(flows_spread_over_a_group_and_stay_on_their_member),
	   TEST(fragments_of_a_flow_take_one_member),
	   TEST(long_ipv4_is_fragmented_and_nothing_is_lost),
	   TEST(long_ipv6_of_ours_is_fragmented_under_one_secret_id),
	   TEST(long_ipv6_that_was_ipv4_is_fragmented_for_the_least_mtu),
	   TEST(without_buffers_nothing_is_sent_of_a_long_packet),
	   TEST(bursts_of_both_families_go_by_the_tables))
