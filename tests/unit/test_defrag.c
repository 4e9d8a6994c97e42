/* SPDX-License-Identifier: BSD-3-Clause */

/* 20_defrag fed with fragments in every order, with holes, overlaps and too late. */

#include "20_defrag.c"
#include "failalloc.h"
#include "test.h"
#include "toy_eal.h"

#include <rte_udp.h>
#include <weir/tracker.h>
#include <weir/wheel.h>

#define POOL_MBUFS 511
#define SECOND	   UINT64_C(1000000000)
#define TIMEOUT	   (2 * SECOND)
#define FRAGS	   4 /* datagrams at once, in the tests that fill the table */
#define LINK_END   7 /* last byte of the interface's link-local address */

static const uint8_t ours6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
static const uint8_t theirs6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 2};
static const uint8_t link6[16] = {0xfe, 0x80, [15] = LINK_END};

static struct weir_iface iface = {
	.mac = {2, 0, 0, 0, 0, 1},
	.link_local = {.family = 6, .bytes = {0xfe, 0x80, [15] = LINK_END}},
};
static const struct weir_hop hops[] = {
	{.kind = WEIR_HOP_NONE}, {.kind = WEIR_HOP_LOCAL}, {.kind = WEIR_HOP_LINK_LOCAL}};
static struct weir_l3 l3 = {.hops = hops, .n_hops = 3, .ifaces = &iface, .n_ifaces = 1};
static const struct weir_gen gen = {.number = 1, .l3 = &l3};

static struct rte_mempool *pool;
static struct weir_shard shard;
static void *node;
static uint64_t now_ns;
static struct rte_mbuf *whole; /* what 20_defrag sent round */

void weir_origin_push(struct weir_origin *o, struct rte_mbuf *m, enum weir_verdict verdict)
{
	CU_ASSERT_PTR_NULL(whole);
	CU_ASSERT_EQUAL(verdict, WEIR_NEXT);
	whole = m;
}

static uint16_t owner, given_to; /* of the flow; who was given the whole packet */

uint16_t handoff_owner(const struct weir_handoff *h, struct rte_mbuf *m)
{
	CU_ASSERT_FALSE(weir_meta(m)->flags & WEIR_META_FRAG);
	return owner;
}

void handoff_give(struct weir_handoff *h, uint16_t to, struct rte_mbuf **pkts, uint16_t n)
{
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT_PTR_NULL(whole);
	CU_ASSERT_EQUAL(weir_meta(pkts[0])->origin_verdict, WEIR_NEXT);
	given_to = to;
	whole = pkts[0];
}

/* 192.0.2.1, 2001:db8::1 and fe80::/10 in small tables. */
static void make_routes(void)
{
	struct rte_fib_conf c4 = {.type = RTE_FIB_DUMMY, .max_routes = 16};
	struct rte_fib6_conf c6 = {.type = RTE_FIB6_DUMMY, .max_routes = 16};

	if (l3.fib4 != NULL)
		return;
	pool = toy_pool("defrag", POOL_MBUFS);
	l3.fib4 = rte_fib_create("defrag4", SOCKET_ID_ANY, &c4);
	l3.fib6 = rte_fib6_create("defrag6", SOCKET_ID_ANY, &c6);
	CU_ASSERT_PTR_NOT_NULL_FATAL(l3.fib4);
	CU_ASSERT_PTR_NOT_NULL_FATAL(l3.fib6);
	CU_ASSERT_EQUAL_FATAL(rte_fib_add(l3.fib4, UINT32_C(0xc0000201), 32, 1), 0);
	CU_ASSERT_EQUAL_FATAL(rte_fib6_add(l3.fib6, (void *)(uintptr_t)ours6, 128, 1), 0);
	CU_ASSERT_EQUAL_FATAL(rte_fib6_add(l3.fib6, (void *)(uintptr_t)link6, 10, 2), 0);
}

static void setup(uint32_t fragments)
{
	make_routes();
	now_ns = SECOND;
	whole = NULL;
	shard = (struct weir_shard){
		.limits = {.fragments = fragments, .fragment_timeout_ns = TIMEOUT},
		.numa = SOCKET_ID_ANY,
	};
	CU_ASSERT_EQUAL_FATAL(weir_wheel_create(1 << 20, now_ns, &shard.wheel), 0);
	CU_ASSERT_EQUAL_FATAL(weir_node_defrag.create(&shard, &node), 0);
}

/* Every buffer is back, whatever the test did. */
static void teardown(void)
{
	weir_node_defrag.free(node);
	weir_wheel_free(shard.wheel);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_MBUFS);
}

static enum weir_verdict judge(struct rte_mbuf *m)
{
	const struct weir_pass pass = {.now_ns = now_ns, .gen = &gen};
	uint8_t verdict = WEIR_VERDICTS;
	struct weir_burst b = {.pkt = &m, .verdict = &verdict, .n = 1, .pass = &pass};

	weir_node_parse.process(NULL, &b);
	if (verdict == WEIR_NEXT)
		weir_node_defrag.process(node, &b);
	if (verdict == WEIR_DROP)
		weir_drop(&shard, m, (enum weir_drop)weir_meta(m)->drop);
	return (enum weir_verdict)verdict;
}

static uint64_t drops(enum weir_drop why)
{
	return shard.counters.drops[why];
}

/* Byte n of each datagram's payload; the UDP header comes first. */
static uint8_t payload(uint32_t n)
{
	static const uint8_t udp[] = {0x03, 0xe8, 0, 53, 0, 8, 0, 0};

	return n < sizeof(udp) ? udp[n] : (uint8_t)(n * 7 + n / 256);
}

/* A part of a datagram, from 192.0.2.2 (UDP). */
struct part {
	uint32_t off, bytes;
	bool more;
};

static struct rte_mbuf *frame(uint16_t type)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t *eth = (uint8_t *)rte_pktmbuf_append(m, RTE_ETHER_HDR_LEN);

	CU_ASSERT_PTR_NOT_NULL_FATAL(eth);
	memset(eth, 0, RTE_ETHER_HDR_LEN);
	memcpy(eth, iface.mac, sizeof(iface.mac));
	eth[12] = (uint8_t)(type >> 8);
	eth[13] = (uint8_t)type;
	*weir_meta(m) = (struct weir_meta){.hop = WEIR_NO_HOP};
	return m;
}

static void fill(struct rte_mbuf *m, const struct part *p)
{
	uint8_t *data = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)p->bytes);

	CU_ASSERT_PTR_NOT_NULL_FATAL(data);
	for (uint32_t i = 0; i < p->bytes; i++)
		data[i] = payload(p->off + i);
}

static struct rte_mbuf *cut4(uint16_t id, const struct part *p)
{
	struct rte_mbuf *m = frame(RTE_ETHER_TYPE_IPV4);
	struct rte_ipv4_hdr *ip = (void *)rte_pktmbuf_append(m, sizeof(*ip));

	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + p->bytes)),
		.packet_id = id,
		.fragment_offset = rte_cpu_to_be_16(
			(uint16_t)(p->off / 8 | (p->more ? RTE_IPV4_HDR_MF_FLAG : 0))),
		.time_to_live = 9,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = RTE_BE32(UINT32_C(0xc0000202)),
		.dst_addr = RTE_BE32(UINT32_C(0xc0000201)),
	};
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	fill(m, p);
	return m;
}

static struct rte_mbuf *cut6(uint32_t id, const struct part *p, const uint8_t *dst)
{
	struct rte_mbuf *m = frame(RTE_ETHER_TYPE_IPV6);
	struct rte_ipv6_hdr *ip = (void *)rte_pktmbuf_append(m, sizeof(*ip));
	const uint16_t at = (uint16_t)(p->off | p->more);
	const uint8_t ext[8] = {IPPROTO_UDP,	     0,
				(uint8_t)(at >> 8),  (uint8_t)at,
				(uint8_t)(id >> 24), (uint8_t)(id >> 16),
				(uint8_t)(id >> 8),  (uint8_t)id};

	CU_ASSERT_PTR_NOT_NULL_FATAL(ip);
	*ip = (struct rte_ipv6_hdr){0};
	ip->vtc_flow = RTE_BE32(UINT32_C(6) << 28);
	ip->payload_len = rte_cpu_to_be_16((uint16_t)(sizeof(ext) + p->bytes));
	ip->proto = IPPROTO_FRAGMENT;
	ip->hop_limits = 9;
	memcpy(ip6_src(ip), theirs6, 16);
	memcpy(ip6_dst(ip), dst, 16);
	memcpy(rte_pktmbuf_append(m, sizeof(ext)), ext, sizeof(ext));
	fill(m, p);
	return m;
}

/* What was sent round is this much of the payload behind right headers; it is freed. */
static void expect_whole(uint32_t bytes)
{
	struct rte_mbuf *m = whole;
	const uint8_t *got;
	static uint8_t copy[UINT16_MAX];
	bool same = true;

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	whole = NULL;
	CU_ASSERT_EQUAL(weir_meta(m)->flags, WEIR_META_DEFRAGGED);
	CU_ASSERT_EQUAL(judge(m), WEIR_NEXT); /* 10_parse checks lengths and the checksum */
	CU_ASSERT_TRUE(weir_meta(m)->flags & WEIR_META_DEFRAGGED);
	CU_ASSERT_TRUE(weir_meta(m)->flags & WEIR_META_L4);
	CU_ASSERT_EQUAL(weir_meta(m)->proto, IPPROTO_UDP);
	CU_ASSERT_EQUAL_FATAL(l4_there(m), bytes);
	got = rte_pktmbuf_read(m, weir_meta(m)->l4_off, bytes, copy);
	for (uint32_t i = 0; i < bytes; i++)
		same &= got[i] == payload(i);
	CU_ASSERT_TRUE(same);
	rte_pktmbuf_free(m);
}

static const struct part three[] = {{0, 1480, true}, {1480, 1480, true}, {2960, 100, false}};
static const unsigned orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
				     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

static void test_fragments_in_any_order_become_the_packet_that_they_were(void)
{
	setup(1024);
	for (uint16_t o = 0; o < RTE_DIM(orders); o++) {
		for (unsigned i = 0; i < 3; i++) {
			CU_ASSERT_PTR_NULL(whole);
			CU_ASSERT_EQUAL(judge(cut4(o, &three[orders[o][i]])), WEIR_HELD);
		}
		expect_whole(3060);
	}
	CU_ASSERT_EQUAL(shard.counters.reassembled, RTE_DIM(orders));
	teardown();
}

static void test_ipv6_fragments_in_any_order_become_the_packet_that_they_were(void)
{
	setup(1024);
	for (unsigned o = 0; o < RTE_DIM(orders); o++) {
		const uint8_t *dst = o % 2 ? ours6 : link6;

		for (unsigned i = 0; i < 3; i++) {
			CU_ASSERT_PTR_NULL(whole);
			CU_ASSERT_EQUAL(judge(cut6(o, &three[orders[o][i]], dst)), WEIR_HELD);
		}
		expect_whole(3060);
	}
	teardown();
}

static void test_the_whole_goes_to_the_worker_of_its_flow(void)
{
	struct weir_handoff ends;
	struct weir_tracker tracker = {.flows = NULL};

	setup(1024);
	shard.handoff = &ends;
	shard.tracker = &tracker;
	for (owner = 0; owner < 2; owner++) {
		given_to = 0;
		for (unsigned i = 0; i < 3; i++)
			CU_ASSERT_EQUAL(judge(cut4(owner, &three[i])), WEIR_HELD);
		CU_ASSERT_EQUAL(given_to, owner);
		expect_whole(3060);
	}
	teardown();
}

static void test_a_packet_that_fits_one_buffer_is_brought_into_one(void)
{
	static const struct part two[] = {{0, 800, true}, {800, 300, false}};

	setup(1024);
	judge(cut4(1, &two[0]));
	judge(cut4(1, &two[1]));
	CU_ASSERT_EQUAL(whole->nb_segs, 1);
	expect_whole(1100);
	judge(cut4(1, &three[0]));
	judge(cut4(1, &three[1]));
	judge(cut4(1, &three[2]));
	CU_ASSERT_EQUAL(whole->nb_segs, 3);
	expect_whole(3060);
	teardown();
}

static void test_what_the_port_said_of_a_fragments_checksum_is_forgotten(void)
{
	static const struct part two[] = {{0, 800, true}, {800, 300, false}};
	struct rte_mbuf *m;

	setup(1024);
	m = cut4(1, &two[0]);
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	judge(m);
	judge(cut4(1, &two[1]));
	CU_ASSERT_EQUAL(whole->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK, 0);
	expect_whole(1100);
	teardown();
}

static void test_whole_packets_and_fragments_for_others_pass(void)
{
	static const struct part lone = {0, 100, false};
	struct rte_mbuf *m;
	struct rte_ipv4_hdr *ip;

	setup(1024);
	m = cut4(1, &lone);
	CU_ASSERT_EQUAL(judge(m), WEIR_NEXT);
	rte_pktmbuf_free(m);
	m = cut4(1, &three[1]);
	ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);
	ip->dst_addr = RTE_BE32(UINT32_C(0xc0000203));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	CU_ASSERT_EQUAL(judge(m), WEIR_NEXT);
	rte_pktmbuf_free(m);
	m = cut6(1, &three[1], theirs6);
	CU_ASSERT_EQUAL(judge(m), WEIR_NEXT);
	rte_pktmbuf_free(m);
	CU_ASSERT_FALSE(weir_timer_is_armed(&((struct defrag_node *)node)->timer));
	teardown();
}

static void test_our_own_fragments_pass(void)
{
	struct rte_mbuf *m;

	setup(1024);
	m = cut4(1, &three[0]);
	weir_meta(m)->flags = WEIR_META_OURS;
	CU_ASSERT_EQUAL(judge(m), WEIR_NEXT);
	rte_pktmbuf_free(m);
	teardown();
}

/* Whether three parts lie end to end from 0 to a last one, each byte once. */
static bool is_partition(const struct part p[3], unsigned n, uint32_t *bytes)
{
	uint32_t at = 0;

	for (unsigned found = 0; found < n; found++) {
		unsigned i = 0;

		while (i < n && p[i].off != at)
			i++;
		if (i == n || p[i].more != (found + 1 < n))
			return false;
		at += p[i].bytes;
	}
	*bytes = at;
	return true;
}

/*
 * All that three fragments of 8 to 24 bytes at offsets 0 to 24 can be, for each order: what comes
 * out is a partition, and its bytes are in their places. Overlaps never come out (RFC 5722).
 */
static void test_of_all_sets_of_three_fragments_only_partitions_are_delivered(void)
{
	const unsigned kinds = 4 * 3 * 2;
	unsigned delivered = 0, wrong = 0;

	setup(1024);
	for (unsigned k = 0; k < kinds * kinds * kinds; k++) {
		const unsigned kind[3] = {k % kinds, k / kinds % kinds, k / kinds / kinds};
		struct part p[3];
		unsigned n = 0;
		uint32_t bytes = 0;

		for (; n < 3 && whole == NULL; n++) {
			p[n] = (struct part){kind[n] % 4 * 8, (kind[n] / 4 % 3 + 1) * 8,
					     kind[n] / 12};
			if (p[n].off == 0 && !p[n].more)
				break; /* no fragment */
			judge(k & 1 ? cut4((uint16_t)k, &p[n]) : cut6(k, &p[n], ours6));
		}
		if (whole != NULL) {
			delivered++;
			if (!is_partition(p, n, &bytes))
				wrong++;
			expect_whole(bytes);
		} else if (n == 3 && is_partition(p, n, &bytes)) {
			wrong++;
		}
		now_ns += 2 * TIMEOUT;
		weir_wheel_run(shard.wheel, now_ns, UINT32_MAX);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_TRUE(delivered > 100);
	CU_ASSERT_TRUE(drops(WEIR_DROP_FRAG_BAD) > 1000);
	CU_ASSERT_TRUE(drops(WEIR_DROP_FRAG_TIMEOUT) > 1000);
	CU_ASSERT_EQUAL(drops(WEIR_DROP_FRAG_FULL), 0);
	teardown();
}

static void test_an_overlap_costs_the_whole_datagram(void)
{
	static const struct part overlap = {1472, 1480, true};

	setup(1024);
	judge(cut4(1, &three[0]));
	judge(cut4(1, &overlap));
	judge(cut4(1, &three[2]));
	CU_ASSERT_PTR_NULL(whole);
	CU_ASSERT_TRUE(drops(WEIR_DROP_FRAG_BAD) >= 2);
	CU_ASSERT_EQUAL(drops(WEIR_DROP_FRAG_FULL), 0);
	CU_ASSERT_EQUAL(drops(WEIR_DROP_FRAG_TIMEOUT), 0);
	teardown();
}

/* Make a fragment come from 192.0.2.N. */
static struct rte_mbuf *from4(struct rte_mbuf *m, uint8_t host)
{
	struct rte_ipv4_hdr *ip =
		rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);

	ip->src_addr = rte_cpu_to_be_32(UINT32_C(0xc0000200) | host);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	return m;
}

static uint64_t held_in_all(void)
{
	const struct defrag_node *n = node;
	uint64_t sum = 0;

	for (uint32_t i = 0; i <= n->source_mask; i++)
		sum += n->held[i];
	return sum;
}

static void test_one_source_has_a_quarter_of_the_fragments_that_wait(void)
{
	setup(128);
	for (uint16_t id = 0; id < 40; id++)
		CU_ASSERT_EQUAL(judge(from4(cut4(id, &three[id % 3]), 7)),
				id < 32 ? WEIR_HELD : WEIR_DROP);
	CU_ASSERT_EQUAL(drops(WEIR_DROP_FRAG_SOURCE), 8);
	for (unsigned i = 0; i < 3; i++) /* others have theirs put together */
		CU_ASSERT_EQUAL(judge(from4(cut4(99, &three[i]), 8)), WEIR_HELD);
	expect_whole(3060);
	for (uint32_t id = 0; id < 40; id++) {
		CU_ASSERT_EQUAL(judge(cut6(id, &three[1], ours6)), id < 32 ? WEIR_HELD : WEIR_DROP);
	}
	CU_ASSERT_EQUAL(drops(WEIR_DROP_FRAG_SOURCE), 16);
	CU_ASSERT_EQUAL(drops(WEIR_DROP_FRAG_FULL), 0);
	CU_ASSERT_EQUAL(held_in_all(), 64);
	now_ns += 2 * TIMEOUT;
	weir_wheel_run(shard.wheel, now_ns, UINT32_MAX);
	weir_wheel_run(shard.wheel, now_ns, UINT32_MAX);
	CU_ASSERT_EQUAL(held_in_all(), 0);
	CU_ASSERT_EQUAL(judge(from4(cut4(1, &three[0]), 7)), WEIR_HELD);
	teardown();
}

static void test_what_was_put_together_or_given_up_counts_no_more(void)
{
	static const struct part overlap = {1472, 1480, true};

	setup(1024);
	for (uint16_t id = 0; id < 600; id++) {
		judge(cut4(id, &three[0]));
		judge(cut4(id, id % 2 ? &three[1] : &overlap));
		judge(cut4(id, &three[2]));
		if (whole != NULL)
			expect_whole(3060);
	}
	CU_ASSERT_EQUAL(shard.counters.reassembled, 300);
	CU_ASSERT_EQUAL(drops(WEIR_DROP_FRAG_SOURCE), 0);
	CU_ASSERT_TRUE(held_in_all() < 256);
	now_ns += 2 * TIMEOUT;
	for (unsigned i = 0; i < 99; i++)
		weir_wheel_run(shard.wheel, now_ns, UINT32_MAX);
	CU_ASSERT_EQUAL(held_in_all(), 0);
	teardown();
}

static void test_eight_fragments_are_put_together_and_nine_are_refused(void)
{
	setup(1024);
	for (uint32_t n = 8; n <= 9; n++) {
		for (uint32_t i = 0; i < n; i++) {
			const struct part p = {i * 64, 64, i + 1 < n};

			judge(cut4((uint16_t)n, &p));
			if (n == 9)
				judge(cut6(n, &p, ours6));
		}
		if (n == 8)
			expect_whole(8 * 64);
	}
	CU_ASSERT_PTR_NULL(whole);
	CU_ASSERT_EQUAL(drops(WEIR_DROP_FRAG_MANY), 2 * 8); /* the ninth waits alone */
	CU_ASSERT_EQUAL(drops(WEIR_DROP_FRAG_BAD), 0);
	teardown();
}

static void test_too_late_is_counted_though_no_packet_comes(void)
{
	setup(1024);
	judge(cut4(1, &three[0]));
	judge(cut4(1, &three[1]));
	now_ns += TIMEOUT - SECOND;
	judge(cut6(1, &three[0], ours6));
	weir_wheel_run(shard.wheel, now_ns, UINT32_MAX);
	CU_ASSERT_EQUAL(drops(WEIR_DROP_FRAG_TIMEOUT), 0);
	now_ns += SECOND + TIMEOUT / 4 + SECOND / 100;
	weir_wheel_run(shard.wheel, now_ns, UINT32_MAX);
	CU_ASSERT_EQUAL(drops(WEIR_DROP_FRAG_TIMEOUT), 2);
	for (unsigned i = 0; i < 4; i++) {
		now_ns += TIMEOUT / 2;
		weir_wheel_run(shard.wheel, now_ns, UINT32_MAX);
	}
	CU_ASSERT_EQUAL(drops(WEIR_DROP_FRAG_TIMEOUT), 3);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_MBUFS);
	CU_ASSERT_EQUAL(weir_wheel_next_ns(shard.wheel), UINT64_MAX);
	teardown();
}

static void test_more_than_a_death_row_holds_times_out_too(void)
{
	setup(2048);
	for (uint16_t id = 0; id < 200; id++) {
		judge(cut4(id, &three[0]));
		judge(cut4(id, &three[1]));
	}
	for (unsigned i = 0; i < 8; i++) {
		now_ns += TIMEOUT / 2;
		weir_wheel_run(shard.wheel, now_ns, UINT32_MAX);
	}
	CU_ASSERT_EQUAL(drops(WEIR_DROP_FRAG_TIMEOUT), 400);
	CU_ASSERT_EQUAL(weir_wheel_next_ns(shard.wheel), UINT64_MAX);
	teardown();
}

static void test_a_full_table_is_a_named_drop_and_spares_who_is_in_it(void)
{
	setup(FRAGS);
	for (uint16_t id = 0; id < FRAGS + 3; id++)
		judge(cut4(id, &three[0]));
	CU_ASSERT_EQUAL(drops(WEIR_DROP_FRAG_FULL), 3);
	CU_ASSERT_EQUAL(drops(WEIR_DROP_FRAG_BAD), 0);
	judge(cut4(0, &three[1]));
	judge(cut4(0, &three[2]));
	expect_whole(3060);
	teardown();
}

static void test_a_full_table_makes_room_of_what_is_too_old(void)
{
	setup(FRAGS);
	for (uint16_t id = 0; id < FRAGS; id++)
		judge(cut4(id, &three[0]));
	now_ns += TIMEOUT + SECOND; /* the wheel has not run yet */
	judge(cut4(100, &three[0]));
	CU_ASSERT_EQUAL(drops(WEIR_DROP_FRAG_FULL), 0);
	CU_ASSERT_EQUAL(drops(WEIR_DROP_FRAG_TIMEOUT), 1);
	teardown();
}

static void test_fragments_that_no_sender_makes_are_refused(void)
{
	static const struct part odd = {0, 804, true}, tiny = {8, 100, false};
	struct rte_mbuf *m;
	struct rte_ipv4_hdr *ip;

	setup(1024);
	CU_ASSERT_EQUAL(judge(cut4(1, &odd)), WEIR_DROP);
	CU_ASSERT_EQUAL(judge(cut6(1, &odd, ours6)), WEIR_DROP);
	CU_ASSERT_EQUAL(drops(WEIR_DROP_FRAG_BAD), 2);
	m = cut4(1, &tiny); /* RFC 1858 section 3: over the flags of TCP */
	ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);
	ip->next_proto_id = IPPROTO_TCP;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	CU_ASSERT_EQUAL(judge(m), WEIR_DROP);
	CU_ASSERT_EQUAL(drops(WEIR_DROP_FRAG_BAD), 3);
	teardown();
}

static void test_an_ipv6_fragment_header_behind_others_is_refused(void)
{
	static const struct part p = {0, 96, true};
	static const uint8_t options[8] = {IPPROTO_FRAGMENT, 0, 1, 4};
	struct rte_mbuf *m;
	struct rte_ipv6_hdr *ip;

	setup(1024);
	m = cut6(1, &p, ours6);
	ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, RTE_ETHER_HDR_LEN);
	memmove((uint8_t *)(ip + 1) + 8, ip + 1, 8 + 88); /* the data shrink by 8 */
	memcpy(ip + 1, options, sizeof(options));
	ip->proto = IPPROTO_DSTOPTS;
	CU_ASSERT_EQUAL(judge(m), WEIR_DROP);
	CU_ASSERT_EQUAL(drops(WEIR_DROP_FRAG_BAD), 1);
	teardown();
}

static void test_more_than_any_length_field_can_say_is_refused(void)
{
	const unsigned n = (UINT16_MAX + 1) / 2000 + 1;
	struct rte_mbuf *m, *last;

	setup(1024);
	m = frame(RTE_ETHER_TYPE_IPV4);
	last = m;
	weir_meta(m)->flags = WEIR_META_IP4;
	weir_meta(m)->l3_off = RTE_ETHER_HDR_LEN;
	for (unsigned i = 0; i < n; i++) {
		last->next = rte_pktmbuf_alloc(pool);
		last = last->next;
		CU_ASSERT_PTR_NOT_NULL_FATAL(rte_pktmbuf_append(last, 2000));
		m->pkt_len += 2000;
		m->nb_segs++;
	}
	deliver(node, m);
	CU_ASSERT_PTR_NULL(whole);
	CU_ASSERT_EQUAL(drops(WEIR_DROP_FRAG_BAD), 1);
	teardown();
}

static void test_what_waits_at_the_end_is_dropped_by_name(void)
{
	setup(2048);
	for (uint16_t id = 0; id < 400; id++)
		judge(cut4(id, &three[0]));
	teardown();
	CU_ASSERT_EQUAL(drops(WEIR_DROP_STOPPING), 400);
}

static void test_without_memory_or_limits_there_is_no_node(void)
{
	struct weir_shard s = {.limits = {.fragments = 16}, .numa = SOCKET_ID_ANY};
	void *self = NULL;

	make_routes();
	CU_ASSERT_EQUAL(weir_node_defrag.create(&s, &self), -ERANGE);
	s.limits = (struct weir_limits){.fragment_timeout_ns = 1};
	CU_ASSERT_EQUAL(weir_node_defrag.create(&s, &self), -ERANGE);
	s.limits.fragments = 16;
	for (unsigned nth = 1; nth <= 2; nth++) {
		failalloc_at(nth);
		CU_ASSERT_EQUAL(weir_node_defrag.create(&s, &self), -ENOMEM);
	}
	failalloc_at(0);
	s.limits.fragments = 1u << 26; /* more than the test's memory */
	CU_ASSERT_EQUAL(weir_node_defrag.create(&s, &self), -ENOMEM);
	CU_ASSERT_PTR_NULL(self);
	weir_node_defrag.free(NULL);
}

WEIR_TESTS("node/defrag", TEST(fragments_in_any_order_become_the_packet_that_they_were),
	   TEST(ipv6_fragments_in_any_order_become_the_packet_that_they_were),
	   TEST(the_whole_goes_to_the_worker_of_its_flow),
	   TEST(a_packet_that_fits_one_buffer_is_brought_into_one),
	   TEST(what_the_port_said_of_a_fragments_checksum_is_forgotten),
	   TEST(whole_packets_and_fragments_for_others_pass), TEST(our_own_fragments_pass),
	   TEST(of_all_sets_of_three_fragments_only_partitions_are_delivered),
	   TEST(an_overlap_costs_the_whole_datagram),
	   TEST(one_source_has_a_quarter_of_the_fragments_that_wait),
	   TEST(what_was_put_together_or_given_up_counts_no_more),
	   TEST(eight_fragments_are_put_together_and_nine_are_refused),
	   TEST(too_late_is_counted_though_no_packet_comes),
	   TEST(more_than_a_death_row_holds_times_out_too),
	   TEST(a_full_table_is_a_named_drop_and_spares_who_is_in_it),
	   TEST(a_full_table_makes_room_of_what_is_too_old),
	   TEST(fragments_that_no_sender_makes_are_refused),
	   TEST(an_ipv6_fragment_header_behind_others_is_refused),
	   TEST(more_than_any_length_field_can_say_is_refused),
	   TEST(what_waits_at_the_end_is_dropped_by_name),
	   TEST(without_memory_or_limits_there_is_no_node))
