/* SPDX-License-Identifier: BSD-3-Clause */

/* 90_tx with ports of the test's own: what was taken, what was not, what had to be mended. */

#include "90_tx.c"

#include "test.h"
#include "toy_eal.h"
#include "toy_long.h"

static unsigned room[2];	      /* what each toy port still takes */
static struct rte_mbuf *taken[2][64]; /* what it took */
static unsigned n_taken[2];

static uint16_t toy_tx(struct weir_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t i;

	for (i = 0; i < n && room[p->id] > 0; i++, room[p->id]--)
		taken[p->id][n_taken[p->id]++] = pkts[i];
	return i;
}

static struct weir_port port[2] = {{.tx = toy_tx, .id = 0, .mtu = 1500},
				   {.tx = toy_tx, .id = 1, .mtu = 1500}};
static struct weir_shard shard;

static void set_up(unsigned room0, unsigned room1)
{
	shard = (struct weir_shard){.pool = toy_only_pool(), .txq = {{&port[0], 0}, {&port[1], 0}}};
	room[0] = room0;
	room[1] = room1;
	n_taken[0] = n_taken[1] = 0;
}

static struct rte_mbuf *frame(uint16_t to, uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(toy_only_pool());

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	memset(rte_pktmbuf_append(m, len), 0x5a, len);
	*weir_meta(m) = (struct weir_meta){.port_out = to};
	return m;
}

static void judge(struct rte_mbuf **pkts, uint8_t *verdict, uint16_t n)
{
	struct weir_burst b = {.pkt = pkts, .verdict = verdict, .n = n};

	weir_node_tx.process(&shard, &b);
}

/* Give back what ports took and nodes judged as dropped; all buffers are home then. */
static void tear_down(struct rte_mbuf **pkts, const uint8_t *verdict, uint16_t n)
{
	for (unsigned p = 0; p < 2; p++)
		rte_pktmbuf_free_bulk(taken[p], n_taken[p]);
	for (uint16_t i = 0; i < n; i++)
		if (verdict[i] == WEIR_DROP)
			rte_pktmbuf_free(pkts[i]);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

static void test_frames_leave_by_their_ports_in_order(void)
{
	struct rte_mbuf *pkts[32], *was[32];
	uint8_t verdict[32];

	set_up(64, 64);
	for (unsigned i = 0; i < 32; i++)
		pkts[i] = was[i] = frame(i % 3 == 0, 60);
	judge(pkts, verdict, 32);
	CU_ASSERT_EQUAL(n_taken[1], 11);
	CU_ASSERT_EQUAL(n_taken[0], 21);
	for (unsigned i = 0, n0 = 0, n1 = 0; i < 32; i++) {
		CU_ASSERT_EQUAL(verdict[i], WEIR_HELD);
		CU_ASSERT_PTR_EQUAL(i % 3 == 0 ? taken[1][n1++] : taken[0][n0++], was[i]);
	}
	tear_down(pkts, verdict, 32);
}

/* A port whose frames are sent, received and routed by another worker before it returns. */
static uint16_t quick_tx(struct weir_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	const uint16_t sent = toy_tx(p, queue, pkts, n);

	for (uint16_t i = 0; i < sent; i++)
		weir_meta(pkts[i])->port_out ^= 1;
	return sent;
}

static void test_a_frame_that_was_sent_is_not_looked_at_again(void)
{
	struct rte_mbuf *pkts[8];
	uint8_t verdict[8];

	set_up(8, 8);
	port[0].tx = quick_tx;
	for (unsigned i = 0; i < 8; i++)
		pkts[i] = frame(i % 2, 60);
	judge(pkts, verdict, 8);
	port[0].tx = toy_tx;
	CU_ASSERT_EQUAL(n_taken[0], 4);
	CU_ASSERT_EQUAL(n_taken[1], 4);
	for (unsigned i = 0; i < 8; i++)
		CU_ASSERT_EQUAL(verdict[i], WEIR_HELD);
	tear_down(pkts, verdict, 8);
}

static void test_what_a_port_does_not_take_is_dropped_by_name(void)
{
	struct rte_mbuf *pkts[8];
	uint8_t verdict[8];

	set_up(3, 1);
	for (unsigned i = 0; i < 8; i++)
		pkts[i] = frame(i % 2, 60);
	judge(pkts, verdict, 8);
	CU_ASSERT_EQUAL(n_taken[0], 3);
	CU_ASSERT_EQUAL(n_taken[1], 1);
	for (unsigned i = 0, drops = 0; i < 8; i++) {
		if (verdict[i] == WEIR_DROP) {
			CU_ASSERT_EQUAL(weir_meta(pkts[i])->drop, WEIR_DROP_TX_FULL);
			drops++;
		}
		CU_ASSERT(i < 7 || drops == 4);
	}
	tear_down(pkts, verdict, 8);
}

static void test_a_chain_is_copied_for_a_port_that_sends_no_chains(void)
{
	struct rte_mbuf *m = frame(0, 1000), *tail = frame(0, 400);
	uint8_t verdict;

	set_up(1, 0);
	m->buf_len = (uint16_t)(m->data_off + m->data_len); /* no room to linearize in place */
	CU_ASSERT_EQUAL(rte_pktmbuf_chain(m, tail), 0);
	judge(&m, &verdict, 1);
	CU_ASSERT_EQUAL(verdict, WEIR_HELD);
	CU_ASSERT_EQUAL_FATAL(n_taken[0], 1);
	CU_ASSERT_EQUAL(taken[0][0]->nb_segs, 1);
	CU_ASSERT_EQUAL(taken[0][0]->data_len, 1400);
	CU_ASSERT_EQUAL(rte_pktmbuf_mtod(taken[0][0], uint8_t *)[1399], 0x5a);
	CU_ASSERT_EQUAL(shard.counters.tx_copied, 1);
	tear_down(&m, &verdict, 1);
}

static void test_a_chain_goes_whole_to_a_port_that_sends_chains(void)
{
	struct rte_mbuf *m = frame(0, 1000), *tail = frame(0, 400);
	uint8_t verdict;

	set_up(1, 0);
	port[0].caps = WEIR_PORT_TX_SEGS;
	CU_ASSERT_EQUAL(rte_pktmbuf_chain(m, tail), 0);
	judge(&m, &verdict, 1);
	CU_ASSERT_EQUAL(taken[0][0]->nb_segs, 2);
	CU_ASSERT_EQUAL(shard.counters.tx_copied, 0);
	port[0].caps = 0;
	tear_down(&m, &verdict, 1);
}

static void test_a_frame_longer_than_the_link_takes_is_dropped_by_name(void)
{
	struct rte_mbuf *pkts[] = {frame(0, 1500 + L2_MAX), frame(0, 1500 + L2_MAX + 1)};
	uint8_t verdict[2];

	set_up(2, 0);
	judge(pkts, verdict, 2);
	CU_ASSERT_EQUAL(n_taken[0], 1);
	CU_ASSERT_EQUAL(shard.counters.drops[WEIR_DROP_TX_TOO_LONG], 1);
	tear_down(pkts, verdict, 2);
}

static void test_a_checksum_that_was_asked_for_is_made(void)
{
	struct rte_mbuf *m = frame(0, 64);
	uint8_t verdict;

	set_up(1, 0);
	memset(rte_pktmbuf_mtod_offset(m, void *, 14), 0, 50);
	*rte_pktmbuf_mtod_offset(m, uint8_t *, 14) = 0x45;
	*rte_pktmbuf_mtod_offset(m, uint8_t *, 23) = 17;
	weir_offload_request(m, 14, 34);
	judge(&m, &verdict, 1);
	CU_ASSERT_EQUAL(shard.counters.csum_software, 2);
	tear_down(&m, &verdict, 1);
}

static void test_a_copied_chain_keeps_what_was_asked_for_it(void)
{
	struct rte_mbuf *m = frame(0, 50), *tail = frame(0, 14);
	const struct rte_ipv4_hdr *ip;
	uint8_t verdict;

	set_up(1, 0);
	memset(rte_pktmbuf_mtod_offset(m, void *, 14), 0, 36);
	*rte_pktmbuf_mtod_offset(m, uint8_t *, 14) = 0x45;
	*rte_pktmbuf_mtod_offset(m, uint8_t *, 17) = 50;
	*rte_pktmbuf_mtod_offset(m, uint8_t *, 23) = 17;
	m->buf_len = (uint16_t)(m->data_off + m->data_len);
	CU_ASSERT_EQUAL(rte_pktmbuf_chain(m, tail), 0);
	weir_offload_request(m, 14, 34);
	judge(&m, &verdict, 1);
	CU_ASSERT_EQUAL(shard.counters.tx_copied, 1);
	CU_ASSERT_EQUAL(shard.counters.csum_software, 2);
	ip = rte_pktmbuf_mtod_offset(taken[0][0], const struct rte_ipv4_hdr *, 14);
	CU_ASSERT_EQUAL(rte_ipv4_cksum(ip), 0);
	CU_ASSERT_EQUAL(rte_ipv4_udptcp_cksum_verify(ip, ip + 1), 0);
	tear_down(&m, &verdict, 1);
}

/* ---- long TCP segments ---- */

/* A frame, a long segment of 3 pieces, and a frame, by a port of these abilities. */
static void send_long(bool v6, uint32_t caps, uint16_t tso_mbufs, unsigned taken0)
{
	struct rte_mbuf *pkts[] = {frame(0, 60), long_segment(v6, 4000, 2000, 1448, 0),
				   frame(0, 60)};
	uint8_t verdict[3];

	set_up(taken0, 0);
	pkts[1]->l2_len = 0; /* the stack knows nothing of it */
	weir_meta(pkts[1])->port_out = 0;
	port[0].caps = caps | WEIR_PORT_TX_SEGS;
	port[0].tso_mbufs = tso_mbufs;
	judge(pkts, verdict, 3);
	port[0].caps = 0;
	port[0].tso_mbufs = 0;
	if (taken0 >= n_taken[0] + 1u)
		CU_ASSERT_EQUAL(taken[0][n_taken[0] - 1]->pkt_len, 60); /* in order */
	for (unsigned i = 1; i + 1 < n_taken[0]; i++)
		CU_ASSERT(taken[0][i]->pkt_len > 60);
	for (unsigned i = 0; i < 3; i++)
		if (verdict[i] == WEIR_DROP)
			CU_ASSERT_EQUAL(weir_meta(pkts[i])->drop, WEIR_DROP_TX_FULL);
	tear_down(pkts, verdict, 3);
}

static void test_a_long_segment_goes_whole_to_a_port_that_cuts(void)
{
	send_long(false, WEIR_PORT_TSO, 0, 64);
	CU_ASSERT_EQUAL(n_taken[0], 3);
	send_long(true, WEIR_PORT_TSO, 3, 64);
	CU_ASSERT_EQUAL(n_taken[0], 3);
	CU_ASSERT_EQUAL(shard.counters.tx_cut, 0);
}

static void test_a_long_segment_is_cut_for_a_port_that_does_not(void)
{
	send_long(false, 0, 0, 64);
	CU_ASSERT_EQUAL(n_taken[0], 5);
	CU_ASSERT_EQUAL(shard.counters.tx_cut, 1);
	CU_ASSERT_EQUAL(shard.counters.csum_software, 6);
	send_long(true, 0, 0, 64);
	CU_ASSERT_EQUAL(n_taken[0], 5);
	send_long(false, WEIR_PORT_TSO, 2, 64); /* it has three buffers */
	CU_ASSERT_EQUAL(n_taken[0], 5);
}

static void test_pieces_that_a_port_does_not_take_are_dropped_one_by_one(void)
{
	send_long(false, 0, 0, 3);
	CU_ASSERT_EQUAL(n_taken[0], 3);
	CU_ASSERT_EQUAL(shard.counters.drops[WEIR_DROP_TX_FULL], 1); /* the frame is 99_drop's */
}

static void test_a_long_segment_of_long_pieces_is_dropped_by_name(void)
{
	for (int cuts = 0; cuts < 2; cuts++) {
		struct rte_mbuf *m = long_segment(false, 6000, 2000, 1500 + L2_MAX - 54 + 1, 0);
		uint8_t verdict;

		set_up(64, 0);
		weir_meta(m)->port_out = 0;
		port[0].caps = WEIR_PORT_TX_SEGS | (cuts ? WEIR_PORT_TSO : 0);
		judge(&m, &verdict, 1);
		port[0].caps = 0;
		CU_ASSERT_EQUAL(n_taken[0], cuts ? 0 : 1); /* the last one is short */
		CU_ASSERT_EQUAL(shard.counters.drops[WEIR_DROP_TX_TOO_LONG], cuts ? 1 : 4);
		tear_down(&m, &verdict, 1);
	}
}

static void test_without_buffers_a_long_segment_is_dropped_by_name(void)
{
	static struct rte_mbuf *hoard[TOY_MBUFS];
	struct rte_mbuf *m = long_segment(false, 6000, 2000, 1448, 0);
	unsigned n = 0;
	uint8_t verdict;

	set_up(64, 0);
	weir_meta(m)->port_out = 0;
	while ((hoard[n] = rte_pktmbuf_alloc(toy_only_pool())) != NULL)
		n++;
	judge(&m, &verdict, 1);
	rte_pktmbuf_free_bulk(hoard, n);
	CU_ASSERT_EQUAL(n_taken[0], 0);
	CU_ASSERT_EQUAL(shard.counters.drops[WEIR_DROP_NO_MBUF], 1);
	tear_down(&m, &verdict, 1);
}

/* ---- drivers that prepare what asks for their engines ---- */

static unsigned prepared;
static bool refuses;

static uint16_t toy_prepare(struct weir_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT_EQUAL(queue, p->id);
	CU_ASSERT_EQUAL(pkts[0]->l2_len, RTE_ETHER_HDR_LEN);
	CU_ASSERT_EQUAL(pkts[0]->ol_flags & RTE_MBUF_F_TX_IP_CKSUM, 0); /* that one is made */
	prepared++;
	return refuses ? 0 : n;
}

/* A frame that asks nothing, and a long segment, by a port that cuts, or by one that makes sums. */
static void send_prepared(uint32_t caps, uint8_t *verdict)
{
	struct rte_mbuf *pkts[] = {frame(0, 60), long_segment(false, 4000, 2000, 1448, 0)};

	set_up(64, 0);
	weir_meta(pkts[1])->port_out = 0;
	prepared = 0;
	port[0].caps = caps | WEIR_PORT_TX_SEGS;
	port[0].prepare = toy_prepare;
	judge(pkts, verdict, 2);
	port[0].prepare = NULL;
	port[0].caps = 0;
	tear_down(pkts, verdict, 2);
}

static void test_a_driver_prepares_what_asks_for_its_engines_and_nothing_else(void)
{
	uint8_t verdict[2];

	refuses = false;
	send_prepared(WEIR_PORT_TSO, verdict);
	CU_ASSERT_EQUAL(prepared, 1);
	CU_ASSERT_EQUAL(n_taken[0], 2);
	send_prepared(WEIR_PORT_TX_CSUM_L4, verdict);
	CU_ASSERT_EQUAL(prepared, 3);
	CU_ASSERT_EQUAL(n_taken[0], 4);
	send_prepared(0, verdict); /* software has made all */
	CU_ASSERT_EQUAL(prepared, 0);
	CU_ASSERT_EQUAL(n_taken[0], 4);
}

static void test_what_a_driver_refuses_to_prepare_is_dropped_by_name(void)
{
	uint8_t verdict[2];

	refuses = true;
	send_prepared(WEIR_PORT_TSO, verdict);
	CU_ASSERT_EQUAL(n_taken[0], 1);
	CU_ASSERT_EQUAL(shard.counters.drops[WEIR_DROP_TX_REFUSED], 1);
	send_prepared(WEIR_PORT_TX_CSUM_L4, verdict);
	CU_ASSERT_EQUAL(n_taken[0], 1);
	CU_ASSERT_EQUAL(shard.counters.drops[WEIR_DROP_TX_REFUSED], 3); /* each piece */
}

WEIR_TESTS("nodes/tx", TEST(a_driver_prepares_what_asks_for_its_engines_and_nothing_else),
	   TEST(what_a_driver_refuses_to_prepare_is_dropped_by_name),
	   TEST(a_long_segment_goes_whole_to_a_port_that_cuts),
	   TEST(a_long_segment_is_cut_for_a_port_that_does_not),
	   TEST(pieces_that_a_port_does_not_take_are_dropped_one_by_one),
	   TEST(a_long_segment_of_long_pieces_is_dropped_by_name),
	   TEST(without_buffers_a_long_segment_is_dropped_by_name),
	   TEST(frames_leave_by_their_ports_in_order),
	   TEST(a_frame_that_was_sent_is_not_looked_at_again),
	   TEST(what_a_port_does_not_take_is_dropped_by_name),
	   TEST(a_chain_is_copied_for_a_port_that_sends_no_chains),
	   TEST(a_chain_goes_whole_to_a_port_that_sends_chains),
	   TEST(a_frame_longer_than_the_link_takes_is_dropped_by_name),
	   TEST(a_checksum_that_was_asked_for_is_made),
	   TEST(a_copied_chain_keeps_what_was_asked_for_it))
