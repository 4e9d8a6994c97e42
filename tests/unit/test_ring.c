/* SPDX-License-Identifier: BSD-3-Clause */

/* 01_ring and its rings: a flow has one worker in both directions; nothing is lost unnamed. */

#include "handoff_priv.h"
#include "test.h"
#include "toy_eal.h"
#include "toy_mbuf.h"

#include <rte_ip.h>
#include <rte_udp.h>
#include <stdlib.h>
#include <weir/nodes.h>
#include <weir/tracker.h>

#define WORKERS 3

static struct weir_shard shard[WORKERS];
static struct weir_handoff *ends;

static void set_up(void)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(toy_only_pool());
	CU_ASSERT_EQUAL_FATAL(handoff_create(WORKERS, 0, &ends), 0);
	for (uint16_t w = 0; w < WORKERS; w++) {
		shard[w] = (struct weir_shard){.worker = w,
					       .workers = WORKERS,
					       .pool = toy_only_pool(),
					       .handoff = &ends[w],
					       .secret = {1, 2}};
		ends[w].shard = &shard[w];
		ends[w].spread = UINT32_MAX;
	}
}

static void tear_down(void)
{
	handoff_free(ends);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

/* A UDP frame of a flow; back swaps its ends; tags puts VLAN tags in front. */
static struct rte_mbuf *flow(uint32_t n, bool back, unsigned tags)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(toy_only_pool());
	const uint16_t len = (uint16_t)(14 + 4 * tags + 28);
	uint8_t *at = (uint8_t *)rte_pktmbuf_append(m, len);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(at + 14 + 4 * tags);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);
	const uint32_t a = rte_cpu_to_be_32(0x0a000000 + n), b = rte_cpu_to_be_32(0xc0a80001);
	const uint16_t pa = rte_cpu_to_be_16((uint16_t)(1024 + n)), pb = rte_cpu_to_be_16(53);

	memset(at, 0, len);
	memset(weir_meta(m), 0, sizeof(struct weir_meta));
	for (unsigned i = 0; i < tags; i++)
		memcpy(at + 12 + 4 * i, (uint8_t[]){0x81, 0, 0, 7}, 4);
	memcpy(at + 12 + 4 * tags, (uint8_t[]){0x08, 0}, 2);
	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->next_proto_id = IPPROTO_UDP;
	ip->src_addr = back ? b : a;
	ip->dst_addr = back ? a : b;
	udp->src_port = back ? pb : pa;
	udp->dst_port = back ? pa : pb;
	return m;
}

static void test_both_directions_of_a_flow_have_one_owner(void)
{
	unsigned owned[WORKERS] = {0};

	set_up();
	for (uint32_t n = 0; n < 3000; n++) {
		struct rte_mbuf *there = flow(n, false, n % 3), *back = flow(n, true, 0);
		const uint16_t owner = handoff_owner(&ends[0], there);

		CU_ASSERT_EQUAL(handoff_owner(&ends[1], back), owner);
		CU_ASSERT_EQUAL(weir_meta(there)->hash, weir_meta(back)->hash);
		owned[owner]++;
		rte_pktmbuf_free(there);
		rte_pktmbuf_free(back);
	}
	for (unsigned w = 0; w < WORKERS; w++)
		CU_ASSERT(owned[w] > 850 && owned[w] < 1150); /* 1000 each, within 15 % */
	tear_down();
}

/* A frame of IP with some bytes behind the header. */
static struct rte_mbuf *frame(const struct weir_tuple *t, uint16_t frag, const void *l4, size_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(toy_only_pool());
	const size_t head = t->family == 4 ? 20 : 40;
	uint8_t *at = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(14 + head + n));

	memset(at, 0, 14 + head);
	memset(weir_meta(m), 0, sizeof(struct weir_meta));
	memcpy(at + 14 + head, l4, n);
	if (t->family == 4) {
		memcpy(at + 12, (uint8_t[]){0x08, 0x00, 0x45}, 3);
		at[14 + 6] = (uint8_t)(frag >> 8);
		at[14 + 7] = (uint8_t)frag;
		at[14 + 9] = t->proto;
		memcpy(at + 14 + 12, t->src, 4);
		memcpy(at + 14 + 16, t->dst, 4);
	} else {
		memcpy(at + 12, (uint8_t[]){0x86, 0xdd, 0x60}, 3);
		at[14 + 6] = t->proto;
		memcpy(at + 14 + 8, t->src, 32);
	}
	return m;
}

static uint16_t owner_of_frame(const struct weir_tuple *t, uint16_t frag, const void *l4, size_t n)
{
	struct rte_mbuf *m = frame(t, frag, l4, n);
	const uint16_t owner = handoff_owner(&ends[0], m);

	rte_pktmbuf_free(m);
	return owner;
}

static struct weir_tuple tuple_for(uint8_t family, uint8_t proto, uint32_t n)
{
	struct weir_tuple t = {.src = {10, 0, (uint8_t)n, 1},
			       .dst = {10, 1, 2, (uint8_t)n},
			       .proto = proto,
			       .family = family,
			       .sport = rte_cpu_to_be_16((uint16_t)(2000 + n)),
			       .dport = rte_cpu_to_be_16(443)};

	return t;
}

static void test_a_tuple_has_the_owner_of_its_packets(void)
{
	unsigned owned[WORKERS] = {0};

	set_up();
	for (uint32_t n = 0; n < 500; n++) {
		const struct weir_tuple t = tuple_for(n % 2 ? 4 : 6, n % 3 ? 6 : 17, n);
		const struct weir_tuple back = weir_tuple_reverse(&t);
		const uint16_t owner = handoff_owner_of(&ends[0], &t);

		CU_ASSERT_EQUAL(owner_of_frame(&t, 0, &t.sport, 4), owner);
		CU_ASSERT_EQUAL(owner_of_frame(&back, 0, &back.sport, 4), owner);
		CU_ASSERT_EQUAL(handoff_owner_of(&ends[1], &back), owner);
		owned[owner]++;
	}
	CU_ASSERT(owned[0] > 100 && owned[1] > 100 && owned[2] > 100);
	tear_down();
}

static void test_queries_are_owned_by_their_identifier(void)
{
	unsigned owned[WORKERS] = {0};

	set_up();
	for (uint32_t n = 0; n < 300; n++) {
		const bool v4 = n % 2;
		struct weir_tuple t = tuple_for(v4 ? 4 : 6, v4 ? 1 : 58, 7);
		uint8_t icmp[8] = {v4 ? 8 : 128, 0, 0, 0, (uint8_t)(n >> 8), (uint8_t)n};
		const uint16_t owner = owner_of_frame(&t, 0, icmp, 8);
		const struct weir_tuple back = weir_tuple_reverse(&t);

		memcpy(&t.sport, icmp + 4, 2);
		t.dport = rte_cpu_to_be_16(v4 ? 8 : 128);
		CU_ASSERT_EQUAL(handoff_owner_of(&ends[0], &t), owner);
		icmp[0] = v4 ? 0 : 129;
		CU_ASSERT_EQUAL(owner_of_frame(&back, 0, icmp, 8), owner);
		owned[owner]++;
	}
	CU_ASSERT(owned[0] > 50 && owned[1] > 50 && owned[2] > 50);
	tear_down();
}

/* Translation changes none of its ports, and cannot choose where replies come to. */
static void test_flows_of_sctp_have_their_owner_by_their_ports(void)
{
	static char tracker;
	unsigned owned[WORKERS] = {0};

	set_up();
	for (uint16_t w = 0; w < WORKERS; w++)
		shard[w].tracker = (void *)&tracker;
	for (uint32_t n = 0; n < 200; n++) {
		const struct weir_tuple t = tuple_for(n % 2 ? 4 : 6, IPPROTO_SCTP, n);
		struct weir_tuple back = weir_tuple_reverse(&t);
		const uint16_t owner = handoff_owner_of(&ends[0], &t);

		back.dst[1]++;
		CU_ASSERT_EQUAL(owner_of_frame(&t, 0, &t.sport, 4), owner);
		CU_ASSERT_EQUAL(owner_of_frame(&back, 0, &back.sport, 4), owner);
		owned[owner]++;
	}
	CU_ASSERT(owned[0] > 40 && owned[1] > 40 && owned[2] > 40);
	tear_down();
}

static void test_an_error_has_the_owner_of_the_packet_that_it_quotes(void)
{
	set_up();
	for (uint32_t n = 0; n < 300; n++) {
		const bool v4 = n % 2;
		const struct weir_tuple t = tuple_for(v4 ? 4 : 6, 17, n);
		struct weir_tuple router = tuple_for(t.family, v4 ? 1 : 58, n + 9);
		struct rte_mbuf *quoted = frame(&t, v4 ? 0x2000 : 0, &t.sport, 8);
		uint8_t icmp[8 + 48] = {v4 ? 3 : 1};
		const size_t bytes = rte_pktmbuf_pkt_len(quoted) - 14;
		uint16_t owner;

		memcpy(icmp + 8, rte_pktmbuf_mtod_offset(quoted, uint8_t *, 14), bytes);
		owner = owner_of_frame(&router, 0, icmp, 8 + bytes);
		CU_ASSERT_EQUAL(owner, handoff_owner_of(&ends[0], &t));
		for (size_t cut = 0; cut < 8 + bytes; cut++) /* it ends anywhere */
			CU_ASSERT(owner_of_frame(&router, 0, icmp, cut) < WORKERS);
		rte_pktmbuf_free(quoted);
	}
	tear_down();
}

static void test_an_error_about_a_first_fragment_has_the_owner_of_its_flow(void)
{
	set_up();
	for (uint32_t n = 0; n < 100; n++) {
		const struct weir_tuple t = tuple_for(6, 17, n);
		struct weir_tuple router = tuple_for(6, 58, n + 9);
		uint8_t icmp[8 + 40 + 8 + 8] = {
			2, [8] = 0x60, [14] = IPPROTO_FRAGMENT, [48] = 17, [51] = 1};

		memcpy(icmp + 16, t.src, 32);
		memcpy(icmp + 56, &t.sport, 4);
		CU_ASSERT_EQUAL(owner_of_frame(&router, 0, icmp, sizeof(icmp)),
				handoff_owner_of(&ends[0], &t));
	}
	tear_down();
}

static void test_fragments_of_a_datagram_have_one_owner(void)
{
	unsigned owned[WORKERS] = {0};

	set_up();
	for (uint32_t n = 0; n < 200; n++) {
		struct weir_tuple t = tuple_for(4, 17, n);
		const uint16_t owner = owner_of_frame(&t, 0x2000, &t.sport, 8);
		uint8_t first[16] = {17, 0, 0, 1, 0, 0, 0, 9},
			later[16] = {17, 0, 5, 0, 0, 0, 0, 9};

		CU_ASSERT_EQUAL(owner_of_frame(&t, 0x20b9, "payload", 8), owner);
		CU_ASSERT_EQUAL(owner_of_frame(&t, 0x0172, "another", 8), owner);
		owned[owner]++;
		t.family = 6;
		t.proto = IPPROTO_FRAGMENT;
		memcpy(first + 8, &t.sport, 8);
		CU_ASSERT_EQUAL(owner_of_frame(&t, 0, first, 16), owner_of_frame(&t, 0, later, 16));
		first[3] = 0; /* one that is whole has its ports (RFC 6946) */
		t.proto = 17;
		CU_ASSERT_EQUAL(owner_of_frame(&(struct weir_tuple){.src = {10, 0, (uint8_t)n, 1},
								    .dst = {10, 1, 2, (uint8_t)n},
								    .proto = IPPROTO_FRAGMENT,
								    .family = 6},
					       0, first, 16),
				handoff_owner_of(&ends[0], &t));
	}
	CU_ASSERT(owned[0] > 30 && owned[1] > 30 && owned[2] > 30);
	tear_down();
}

static void test_what_has_no_ports_is_one_workers_where_flows_are_tracked(void)
{
	struct weir_tracker tracker;
	unsigned owned[2][WORKERS] = {{0}};

	set_up();
	for (unsigned tracked = 0; tracked < 2; tracked++) {
		shard[0].tracker = tracked ? &tracker : NULL;
		for (uint32_t n = 0; n < 200; n++) {
			struct weir_tuple t = tuple_for(n % 2 ? 4 : 6, IPPROTO_GRE, n);
			const uint16_t owner = owner_of_frame(&t, 0, "\0\0\x08", 4);

			t.sport = t.dport = 0;
			CU_ASSERT_EQUAL(handoff_owner_of(&ends[0], &t), owner);
			owned[tracked][owner]++;
		}
	}
	CU_ASSERT(owned[0][0] > 30 && owned[0][1] > 30 && owned[0][2] > 30);
	CU_ASSERT(owned[1][0] == 200 || owned[1][1] == 200 || owned[1][2] == 200);
	shard[0].tracker = NULL;
	tear_down();
}

static void test_a_frame_that_is_no_ip_stays_where_it_came_in(void)
{
	struct rte_mbuf *m;

	set_up();
	m = flow(1, false, 0);
	memcpy(rte_pktmbuf_mtod(m, uint8_t *) + 12, (uint8_t[]){0x08, 0x06}, 2);
	CU_ASSERT_EQUAL(handoff_owner(&ends[2], m), 2);
	for (uint16_t len = 0; len < 42; len++) { /* nor is a cut one read beyond its end */
		m->data_len = len;
		CU_ASSERT(handoff_owner(&ends[1], m) < WORKERS);
	}
	rte_pktmbuf_free(m);
	tear_down();
}

static uint16_t run(uint16_t worker, struct rte_mbuf **pkts, uint16_t n, uint8_t *verdict)
{
	struct weir_burst b = {
		.pkt = pkts, .verdict = verdict, .n = n, .room = (uint16_t)(WEIR_PASS_PKTS - n)};
	void *self;

	CU_ASSERT_EQUAL(weir_node_ring.create(&shard[worker], &self), 0);
	weir_node_ring.process(self, &b);
	return b.n;
}

static void test_each_packet_reaches_its_owner_once_and_in_order(void)
{
	struct rte_mbuf *pkts[WEIR_PASS_PKTS];
	uint8_t verdict[WEIR_PASS_PKTS];
	unsigned seen = 0;

	set_up();
	for (uint32_t i = 0; i < 100; i++) {
		pkts[i] = flow(i / 2, false, 0);
		weir_meta(pkts[i])->user[0] = i;
	}
	CU_ASSERT_EQUAL(run(0, pkts, 100, verdict), 100);
	for (unsigned i = 0; i < 100; i++) {
		if (verdict[i] != WEIR_NEXT) {
			CU_ASSERT_EQUAL(verdict[i], WEIR_HELD);
			continue;
		}
		seen++;
		CU_ASSERT_EQUAL(handoff_owner(&ends[0], pkts[i]), 0);
		rte_pktmbuf_free(pkts[i]);
	}
	for (uint16_t w = 1; w < WORKERS; w++) {
		const uint16_t n = run(w, pkts, 0, verdict);
		uint64_t last = 0;

		CU_ASSERT_EQUAL((bool)(ends[0].woken & (1u << w)), n > 0);
		for (uint16_t i = 0; i < n; i++) {
			CU_ASSERT_EQUAL(verdict[i], WEIR_NEXT);
			CU_ASSERT_EQUAL(handoff_owner(&ends[w], pkts[i]), w);
			CU_ASSERT(i == 0 || weir_meta(pkts[i])->user[0] > last);
			last = weir_meta(pkts[i])->user[0];
			rte_pktmbuf_free(pkts[i]);
		}
		seen += n;
	}
	CU_ASSERT_EQUAL(seen, 100);
	tear_down();
}

static void test_a_full_ring_is_a_named_drop(void)
{
	static struct rte_mbuf same; /* one packet, counted many times, never freed for real */
	struct rte_mbuf *pkts[HANDOFF_RING_PKTS - 1], *late;

	set_up();
	for (unsigned i = 0; i < HANDOFF_RING_PKTS - 1; i++)
		pkts[i] = &same;
	handoff_give(&ends[0], 1, pkts, HANDOFF_RING_PKTS - 1);
	CU_ASSERT_EQUAL(shard[0].counters.drops[WEIR_DROP_RING_FULL], 0);
	late = flow(1, false, 0);
	handoff_give(&ends[0], 1, &late, 1);
	CU_ASSERT_EQUAL(shard[0].counters.drops[WEIR_DROP_RING_FULL], 1);
	CU_ASSERT_FALSE(rte_ring_empty(ends[1].from[0]));
	while (rte_ring_dequeue_burst(ends[1].from[0], (void **)pkts, 64, NULL) > 0)
		continue;
	CU_ASSERT_TRUE(rte_ring_empty(ends[1].from[0]));
	tear_down();
}

static void test_what_waits_at_the_end_is_counted_at_its_new_owner(void)
{
	struct rte_mbuf *m[2];

	set_up();
	m[0] = flow(1, false, 0);
	m[1] = flow(2, false, 0);
	handoff_give(&ends[0], 1, m, 2);
	handoff_drop(ends);
	CU_ASSERT_EQUAL(shard[1].counters.drops[WEIR_DROP_STOPPING], 2);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
	tear_down();
}

static void test_all_others_get_a_copy_to_learn_from(void)
{
	struct rte_mbuf *pkts[WEIR_PASS_PKTS], *m;
	uint8_t verdict[WEIR_PASS_PKTS];

	set_up();
	m = flow(9, false, 0);
	handoff_copy(&ends[1], m, 0);
	rte_pktmbuf_free(m);
	CU_ASSERT_EQUAL(run(1, pkts, 0, verdict), 0);
	for (uint16_t w = 0; w < WORKERS; w += 2) {
		CU_ASSERT_EQUAL_FATAL(run(w, pkts, 0, verdict), 1);
		CU_ASSERT_EQUAL(verdict[0], WEIR_NEXT);
		CU_ASSERT_TRUE(weir_meta(pkts[0])->flags & WEIR_META_LEARN);
		rte_pktmbuf_free(pkts[0]);
	}
	tear_down();
}

static void test_copies_are_limited(void)
{
	struct rte_mbuf *m;
	unsigned before;

	set_up();
	m = flow(9, false, 0);
	for (unsigned i = 0; i < 5000; i++) {
		struct rte_mbuf *drain[64];

		handoff_copy(&ends[0], m, 0);
		for (uint16_t w = 1; w < WORKERS; w++)
			while (rte_ring_dequeue_burst(ends[w].from[0], (void **)drain, 1, NULL))
				rte_pktmbuf_free(drain[0]);
		if (i == 2500)
			before = rte_mempool_in_use_count(toy_only_pool());
	}
	handoff_copy(&ends[0], m, 1); /* not a nanosecond later either */
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), before);
	CU_ASSERT_TRUE(rte_ring_empty(ends[1].from[0]));
	rte_pktmbuf_free(m);
	tear_down();
}

static void test_half_of_the_room_is_left_and_no_ring_starves(void)
{
	static struct toy_mbuf same; /* one packet many times: only its meta is read */
	struct rte_mbuf *pkts[WEIR_PASS_PKTS];
	uint8_t verdict[WEIR_PASS_PKTS];
	struct weir_burst b = {.pkt = pkts, .verdict = verdict, .room = 100};
	unsigned before[WORKERS];

	set_up();
	for (unsigned i = 0; i < WEIR_PASS_PKTS; i++)
		pkts[i] = &same.m;
	for (uint16_t w = 1; w < WORKERS; w++) {
		handoff_give(&ends[w], 0, pkts, WEIR_PASS_PKTS);
		before[w] = rte_ring_count(ends[0].from[w]);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		b.n = 0;
		weir_node_ring.process(&ends[0], &b);
		CU_ASSERT_EQUAL(b.n, 50);
	}
	for (uint16_t w = 1; w < WORKERS; w++) {
		CU_ASSERT(rte_ring_count(ends[0].from[w]) < before[w]);
		while (rte_ring_dequeue_burst(ends[0].from[w], (void **)pkts, 64, NULL) > 0)
			continue;
	}
	tear_down();
}

static void test_a_lone_worker_passes_everything_on(void)
{
	struct rte_mbuf *m = flow(1, false, 0);
	uint8_t verdict = WEIR_HELD;
	struct weir_burst b = {.pkt = &m, .verdict = &verdict, .n = 1};

	weir_node_ring.process(NULL, &b);
	CU_ASSERT_EQUAL(b.n, 1);
	CU_ASSERT_EQUAL(verdict, WEIR_NEXT);
	rte_pktmbuf_free(m);
}

WEIR_TESTS("nodes/ring", TEST(both_directions_of_a_flow_have_one_owner),
	   TEST(a_tuple_has_the_owner_of_its_packets), TEST(queries_are_owned_by_their_identifier),
	   TEST(flows_of_sctp_have_their_owner_by_their_ports),
	   TEST(an_error_has_the_owner_of_the_packet_that_it_quotes),
	   TEST(an_error_about_a_first_fragment_has_the_owner_of_its_flow),
	   TEST(fragments_of_a_datagram_have_one_owner),
	   TEST(what_has_no_ports_is_one_workers_where_flows_are_tracked),
	   TEST(a_frame_that_is_no_ip_stays_where_it_came_in),
	   TEST(each_packet_reaches_its_owner_once_and_in_order), TEST(a_full_ring_is_a_named_drop),
	   TEST(what_waits_at_the_end_is_counted_at_its_new_owner),
	   TEST(all_others_get_a_copy_to_learn_from), TEST(copies_are_limited),
	   TEST(half_of_the_room_is_left_and_no_ring_starves),
	   TEST(a_lone_worker_passes_everything_on))
