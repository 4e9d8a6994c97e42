/* SPDX-License-Identifier: BSD-3-Clause */

/* 02_origin: frames of the kernel go out at once, or to the worker that has their flow. */

#include <rte_mbuf.h>

static struct rte_mbuf *from_kernel; /* what the kernel sends next */

static uint16_t take_one(void *punt, unsigned worker, struct rte_mbuf **pkts, uint16_t room)
{
	if (from_kernel == NULL)
		return 0;
	pkts[0] = from_kernel;
	from_kernel = NULL;
	return 1;
}

#include "kernel/punt_priv.h"
#define punt_take take_one
#include "02_origin.c"

#include "test.h"
#include "toy_eal.h"

#include <rte_ip.h>
#include <rte_udp.h>

#define WORKERS 2

static struct weir_shard shard[WORKERS];
static struct weir_tracker tracker;
static struct weir_handoff *ends;

static void set_up(bool tracks, bool stateless)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(toy_only_pool());
	CU_ASSERT_EQUAL_FATAL(handoff_create(WORKERS, 0, &ends), 0);
	tracker.stateless = stateless;
	for (uint16_t w = 0; w < WORKERS; w++) {
		shard[w] = (struct weir_shard){.worker = w,
					       .workers = WORKERS,
					       .pool = toy_only_pool(),
					       .handoff = &ends[w],
					       .tracker = tracks ? &tracker : NULL,
					       .punt = (struct weir_punt *)&tracker, /* any */
					       .secret = {1, 2}};
		CU_ASSERT_EQUAL_FATAL(origin_create(&shard[w], &shard[w].origin), 0);
		ends[w].shard = &shard[w];
	}
}

static void tear_down(void)
{
	for (uint16_t w = 0; w < WORKERS; w++)
		origin_free(shard[w].origin);
	handoff_free(ends);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

/* UDP from port n; a fragment if its field says so; a frame of another type or to a group. */
static struct rte_mbuf *frame(uint16_t n, uint16_t fragment, uint16_t type, bool group)
{
	struct rte_mbuf *m = weir_shard_alloc(&shard[0]);
	uint8_t *at = rte_pktmbuf_mtod(m, uint8_t *);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(at + 14);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);

	m->data_len = 14 + 28;
	m->pkt_len = m->data_len;
	memset(at, 0, m->data_len);
	at[0] = group ? 1 : 2;
	at[12] = (uint8_t)(type >> 8);
	at[13] = (uint8_t)type;
	*ip = (struct rte_ipv4_hdr){.version_ihl = RTE_IPV4_VHL_DEF,
				    .fragment_offset = rte_cpu_to_be_16(fragment),
				    .next_proto_id = IPPROTO_UDP,
				    .src_addr = RTE_BE32(0x0a000001),
				    .dst_addr = RTE_BE32(0x0a000002)};
	*udp = (struct rte_udp_hdr){.src_port = rte_cpu_to_be_16(n), .dst_port = RTE_BE16(53)};
	return m;
}

/* What worker 0 says of a frame of the kernel. */
static enum weir_verdict said_of(struct rte_mbuf *m)
{
	struct rte_mbuf *pkt[4];
	uint8_t verdict[4];
	struct weir_burst b = {.pkt = pkt, .verdict = verdict, .room = 4};

	from_kernel = m;
	origin_process(&shard[0], &b);
	CU_ASSERT_EQUAL_FATAL(b.n, 1);
	CU_ASSERT_PTR_EQUAL(pkt[0], m);
	return (enum weir_verdict)verdict[0];
}

/* The same, of one that is to be sent by whoever it was said to. */
static void expect(struct rte_mbuf *m, enum weir_verdict verdict)
{
	CU_ASSERT_EQUAL(said_of(m), verdict);
	rte_pktmbuf_free(m);
}

static void test_without_flows_frames_of_the_kernel_go_out_at_once(void)
{
	for (unsigned tracks = 0; tracks < 2; tracks++) {
		set_up(tracks, true);
		for (uint16_t n = 0; n < 16; n++)
			expect(frame(n, 0, 0x0800, false), WEIR_TX);
		tear_down();
	}
}

static void test_what_has_no_flow_goes_out_at_once(void)
{
	struct rte_mbuf *runt;

	set_up(true, false);
	expect(frame(1, 0, 0x0806, false), WEIR_TX);
	expect(frame(1, 0, 0x88cc, false), WEIR_TX);
	expect(frame(1, 0, 0x0800, true), WEIR_TX);
	runt = frame(1, 0, 0x0800, false);
	rte_pktmbuf_trim(runt, 28 + 4);
	expect(runt, WEIR_TX);
	tear_down();
}

static void test_a_frame_goes_to_the_worker_that_its_answers_come_to(void)
{
	unsigned owned[WORKERS] = {0};

	set_up(true, false);
	for (uint16_t n = 1; n <= 64; n++) {
		/* Of a datagram in fragments the first one too. */
		struct rte_mbuf *m = frame(n, n % 2 ? 0 : 0x2000, 0x0800, false), *given = NULL;
		const struct weir_tuple answer = {.src = {10, 0, 0, 2},
						  .dst = {10, 0, 0, 1},
						  .sport = RTE_BE16(53),
						  .dport = rte_cpu_to_be_16(n),
						  .proto = IPPROTO_UDP,
						  .family = 4};
		const uint16_t owner = handoff_owner_of(&ends[0], &answer);

		CU_ASSERT_EQUAL(said_of(m), owner == 0 ? WEIR_NEXT : WEIR_HELD);
		if (owner == 1) {
			CU_ASSERT_EQUAL(rte_ring_sc_dequeue(ends[1].from[0], (void **)&given), 0);
			CU_ASSERT_PTR_EQUAL(given, m);
			CU_ASSERT_EQUAL(weir_meta(m)->origin_verdict, WEIR_NEXT);
			CU_ASSERT_EQUAL(ends[0].woken, 2);
		}
		owned[owner]++;
		rte_pktmbuf_free(m);
	}
	CU_ASSERT(owned[0] > 16 && owned[1] > 16);
	tear_down();
}

static void test_one_worker_has_all_flows(void)
{
	set_up(true, false);
	shard[0].handoff = NULL;
	for (uint16_t n = 1; n <= 16; n++)
		expect(frame(n, 0, 0x0800, false), WEIR_NEXT);
	tear_down();
}

WEIR_TESTS("node/origin", TEST(without_flows_frames_of_the_kernel_go_out_at_once),
	   TEST(what_has_no_flow_goes_out_at_once),
	   TEST(a_frame_goes_to_the_worker_that_its_answers_come_to),
	   TEST(one_worker_has_all_flows))
