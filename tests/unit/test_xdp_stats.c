/* SPDX-License-Identifier: BSD-3-Clause */
/* How the driver's statistics add up, over toy queues, sockets and a toy program. */
#include "stats.c"
#include "test.h"

#include <stdlib.h>

int *xdp_fds[RTE_MAX_ETHPORTS];

/* Two rx queues of a socket each, one tx queue on the first; hardware queues 4 and 5. */
static struct {
	struct xdp_port port;
	struct xdp_stats stats;
	struct rte_eth_dev dev;
	struct rte_eth_dev_data data;
	void *rx_queues[2], *tx_queues[1];
	struct xdp_rxq rxq[2];
	struct xdp_txq txq;
	struct xdp_channel channel;
	struct xdp_sock socks[2];
	struct xdp_desc descs[2][8];
	uint32_t producer[3], consumer[3];
	int fds[2];
	struct xdp_sock_stats of_sock[2];
	struct steer_queue_stats of_hwq[2];
	int steer_rc;
} toy;

int xdp_sock_stats(int fd, struct xdp_sock_stats *out)
{
	*out = toy.of_sock[fd];
	return 0;
}

struct steer *xdp_steer_of(const struct rte_eth_dev *dev)
{
	return NULL;
}

int steer_stats(struct steer *s, uint16_t hwq, struct steer_queue_stats *out)
{
	*out = toy.of_hwq[hwq - 4];
	return toy.steer_rc;
}

int xdp_guest_stats(struct rte_eth_dev *dev, struct xdp_count *out)
{
	return -ENOTSUP;
}

static void toy_ring(struct xdp_ring *ring, unsigned i, struct xdp_desc *descs)
{
	*ring = (struct xdp_ring){
		.producer = &toy.producer[i],
		.consumer = &toy.consumer[i],
		.entries = descs,
		.mask = 7,
		.map_bytes = 1,
	};
}

static void toy_begin(void)
{
	memset(&toy, 0, sizeof(toy));
	toy.port.stats = &toy.stats;
	toy.port.socks = toy.socks;
	toy.port.n_socks = 2;
	toy.port.n_rx_channels = 2;
	toy.port.args.start_queue = 4;
	toy.dev.data = &toy.data;
	toy.data.dev_private = &toy.port;
	toy.data.rx_queues = toy.rx_queues;
	toy.data.tx_queues = toy.tx_queues;
	toy.data.nb_rx_queues = 2;
	toy.data.nb_tx_queues = 1;
	toy.fds[1] = 1;
	xdp_fds[0] = toy.fds;
	for (uint16_t i = 0; i < 2; i++) {
		toy.rx_queues[i] = &toy.rxq[i];
		toy.rxq[i].port = &toy.port;
		toy.rxq[i].id = i;
		toy.socks[i] = (struct xdp_sock){
			.index = i, .rxq = i, .txq = UINT16_MAX, .channel = &toy.channel};
		toy_ring(&toy.socks[i].rx, i, toy.descs[i]);
	}
	toy.tx_queues[0] = &toy.txq;
	toy.txq.port = &toy.port;
	toy.socks[0].txq = 0;
	toy_ring(&toy.socks[0].tx, 2, toy.descs[0]);
	xdp_stats_open(&toy.port);
}

static struct rte_eth_stats toy_stats(void)
{
	struct rte_eth_stats s = {0};

	CU_ASSERT_EQUAL(xdp_stats_get(&toy.dev, &s), 0);
	return s;
}

static uint64_t toy_xstat(const char *name)
{
	struct rte_eth_xstat_name names[128];
	struct rte_eth_xstat values[128];
	const int n = xdp_xstats_names(&toy.dev, names, RTE_DIM(names));

	CU_ASSERT_EQUAL_FATAL(xdp_xstats_get(&toy.dev, values, RTE_DIM(values)), n);
	for (int i = 0; i < n; i++)
		if (strcmp(names[i].name, name) == 0) {
			CU_ASSERT_EQUAL(values[i].id, (uint64_t)i);
			return values[i].value;
		}
	CU_FAIL("there is no such name");
	return UINT64_MAX;
}

static void test_a_port_is_the_sum_of_its_queues(void)
{
	struct rte_eth_stats s;

	toy_begin();
	toy.rxq[0].stats = (struct xdp_rxq_stats){.pkts = 10, .bytes = 640, .no_mbuf = 1};
	toy.rxq[1].stats = (struct xdp_rxq_stats){.pkts = 5, .bytes = 320, .no_mbuf = 2};
	toy.txq.stats = (struct xdp_txq_stats){.pkts = 7, .bytes = 448, .bad = 3, .no_mbuf = 4};
	s = toy_stats();
	CU_ASSERT_EQUAL(s.ipackets, 15);
	CU_ASSERT_EQUAL(s.ibytes, 960);
	CU_ASSERT_EQUAL(s.rx_nombuf, 3);
	CU_ASSERT_EQUAL(s.opackets, 7);
	CU_ASSERT_EQUAL(s.obytes, 448);
	CU_ASSERT_EQUAL(s.oerrors, 7);
	CU_ASSERT_EQUAL(s.q_ipackets[0], 10);
	CU_ASSERT_EQUAL(s.q_ipackets[1], 5);
	CU_ASSERT_EQUAL(s.q_opackets[0], 7);
	CU_ASSERT_EQUAL(toy_xstat("rx_q1_packets"), 5);
	CU_ASSERT_EQUAL(toy_xstat("tx_q0_bad"), 3);
}

static void test_a_packet_that_found_no_buffer_is_missed_once(void)
{
	struct rte_eth_stats s;

	toy_begin();
	toy.of_sock[0] = (struct xdp_sock_stats){.rx_dropped = 100, .rx_fill_empty = 90};
	toy.of_sock[1] = (struct xdp_sock_stats){.rx_ring_full = 7};
	s = toy_stats();
	CU_ASSERT_EQUAL(s.imissed, 107);
	CU_ASSERT_EQUAL(s.ierrors, 0);
	CU_ASSERT_EQUAL(s.q_errors[0], 100);
	CU_ASSERT_EQUAL(s.q_errors[1], 7);
	CU_ASSERT_EQUAL(toy_xstat("rx_q0_xdp_fill_ring_empty"), 90);
}

static void test_what_waits_in_a_ring_is_lost_by_a_stop(void)
{
	toy_begin();
	/* Indices that wrap, and one packet of three descriptors. */
	toy.consumer[1] = UINT32_MAX - 1;
	toy.producer[1] = 4;
	toy.descs[1][0].options = toy.descs[1][1].options = XSK_PKT_CONTD;
	CU_ASSERT_EQUAL(toy_xstat("rx_q1_waiting"), 4);
	CU_ASSERT_EQUAL(toy_xstat("rx_q0_waiting"), 0);
	CU_ASSERT_EQUAL(toy_stats().imissed, 0);
	xdp_stats_close(&toy.port);
	CU_ASSERT_EQUAL(toy_xstat("rx_q1_waiting"), 0);
	CU_ASSERT_EQUAL(toy_xstat("rx_q1_left"), 4);
	CU_ASSERT_EQUAL(toy_stats().imissed, 4);
	CU_ASSERT_EQUAL(toy_stats().q_errors[1], 4);
}

static void test_what_the_kernel_had_not_read_is_told_at_a_stop(void)
{
	toy_begin();
	toy.consumer[2] = 3;
	toy.socks[0].tx.head = 8;
	CU_ASSERT_EQUAL(toy_xstat("tx_q0_left"), 0);
	xdp_stats_close(&toy.port);
	CU_ASSERT_EQUAL(toy_xstat("tx_q0_left"), 5);
}

static void test_counts_grow_on_over_a_hundred_starts(void)
{
	toy_begin();
	for (unsigned i = 1; i <= 100; i++) {
		toy.of_sock[0] = (struct xdp_sock_stats){
			.rx_dropped = 2, .rx_ring_full = 3, .tx_ring_empty = 4};
		CU_ASSERT_EQUAL(toy_stats().imissed, 5 * i);
		xdp_stats_close(&toy.port);
		xdp_stats_close(&toy.port); /* of a start that failed */
		memset(toy.of_sock, 0, sizeof(toy.of_sock));
		CU_ASSERT_EQUAL(toy_stats().imissed, 5 * i);
		CU_ASSERT_EQUAL(toy_xstat("tx_q0_xdp_tx_ring_empty"), 4 * i);
		xdp_stats_open(&toy.port);
		CU_ASSERT_EQUAL(toy_stats().imissed, 5 * i);
	}
}

static void test_a_queue_that_goes_leaves_its_counts(void)
{
	toy_begin();
	toy.rxq[1].stats.pkts = 11;
	toy.txq.stats.pkts = 12;
	CU_ASSERT_PTR_EQUAL(xdp_stats_take_rxq(&toy.dev, 1), &toy.rxq[1]);
	CU_ASSERT_PTR_EQUAL(xdp_stats_take_txq(&toy.dev, 0), &toy.txq);
	CU_ASSERT_PTR_NULL(xdp_stats_take_rxq(&toy.dev, 1));
	CU_ASSERT_PTR_NULL(xdp_stats_take_txq(&toy.dev, 0));
	CU_ASSERT_EQUAL(toy_stats().ipackets, 11);
	CU_ASSERT_EQUAL(toy_stats().opackets, 12);
	CU_ASSERT_EQUAL(toy_xstat("rx_q1_packets"), 11);
	toy.data.nb_rx_queues = 1;
	CU_ASSERT_EQUAL(toy_stats().ipackets, 11);
}

static void test_a_reset_remembers_and_writes_no_counter(void)
{
	toy_begin();
	toy.rxq[0].stats.pkts = 10;
	toy.of_sock[0].rx_dropped = 20;
	toy.of_hwq[1].seen = toy.of_hwq[1].redirected = 30;
	toy.port.bind_retries = 40;
	toy.producer[0] = 3; /* waiting: not to be forgotten */
	CU_ASSERT_EQUAL(xdp_stats_reset(&toy.dev), 0);
	CU_ASSERT_EQUAL(toy.rxq[0].stats.pkts, 10);
	CU_ASSERT_EQUAL(toy_stats().ipackets, 0);
	CU_ASSERT_EQUAL(toy_stats().imissed, 0);
	CU_ASSERT_EQUAL(toy_xstat("hwq5_seen"), 0);
	CU_ASSERT_EQUAL(toy_xstat("bind_retries"), 0);
	CU_ASSERT_EQUAL(toy_xstat("rx_q0_waiting"), 3);
	toy.rxq[0].stats.pkts += 1;
	toy.of_hwq[1].redirected += 2;
	xdp_stats_close(&toy.port);
	CU_ASSERT_EQUAL(toy_stats().ipackets, 1);
	CU_ASSERT_EQUAL(toy_stats().imissed, 3);
	CU_ASSERT_EQUAL(toy_xstat("hwq5_redirected"), 2);
	CU_ASSERT_EQUAL(xdp_stats_reset(&toy.dev), 0);
	CU_ASSERT_EQUAL(toy_stats().imissed, 0);
}

static void test_there_are_as_many_names_as_values_and_no_two_alike(void)
{
	struct rte_eth_xstat_name names[128];
	struct rte_eth_xstat values[128];
	int n;

	toy_begin();
	n = xdp_xstats_names(&toy.dev, NULL, 0);
	CU_ASSERT_TRUE_FATAL(n > 0 && n <= (int)RTE_DIM(names));
	CU_ASSERT_EQUAL(xdp_xstats_get(&toy.dev, NULL, 0), n);
	CU_ASSERT_EQUAL(xdp_xstats_names(&toy.dev, names, RTE_DIM(names)), n);
	CU_ASSERT_EQUAL(xdp_xstats_get(&toy.dev, values, RTE_DIM(values)), n);
	for (int i = 0; i < n; i++)
		for (int j = 0; j < i; j++)
			CU_ASSERT_STRING_NOT_EQUAL(names[i].name, names[j].name);
}

static void test_a_small_array_is_filled_and_not_overrun(void)
{
	struct rte_eth_xstat_name names[3];
	struct rte_eth_xstat values[3];

	toy_begin();
	for (unsigned room = 0; room < RTE_DIM(names); room++) {
		memset(names, 'x', sizeof(names));
		memset(values, 'x', sizeof(values));
		CU_ASSERT_TRUE(xdp_xstats_names(&toy.dev, names, room) > 3);
		CU_ASSERT_TRUE(xdp_xstats_get(&toy.dev, values, room) > 3);
		for (unsigned i = 0; i < RTE_DIM(names); i++) {
			CU_ASSERT_EQUAL(names[i].name[0] == 'x', i >= room);
			CU_ASSERT_EQUAL(values[i].id == i, i < room);
		}
	}
}

static void test_counters_that_cannot_be_read_are_an_error_and_no_zeros(void)
{
	struct rte_eth_xstat values[128];
	struct rte_eth_stats s;

	toy_begin();
	toy.rxq[0].stats.pkts = 1;
	toy.steer_rc = -ENOMEM;
	CU_ASSERT_EQUAL(xdp_stats_get(&toy.dev, &s), -ENOMEM);
	CU_ASSERT_EQUAL(xdp_xstats_get(&toy.dev, values, RTE_DIM(values)), -ENOMEM);
	CU_ASSERT_EQUAL(xdp_stats_reset(&toy.dev), -ENOMEM);
	toy.steer_rc = 0;
	CU_ASSERT_EQUAL(toy_stats().ipackets, 1);
}

WEIR_TESTS("pmd-xdp/stats", TEST(a_port_is_the_sum_of_its_queues),
	   TEST(a_packet_that_found_no_buffer_is_missed_once),
	   TEST(what_waits_in_a_ring_is_lost_by_a_stop),
	   TEST(what_the_kernel_had_not_read_is_told_at_a_stop),
	   TEST(counts_grow_on_over_a_hundred_starts), TEST(a_queue_that_goes_leaves_its_counts),
	   TEST(a_reset_remembers_and_writes_no_counter),
	   TEST(there_are_as_many_names_as_values_and_no_two_alike),
	   TEST(a_small_array_is_filled_and_not_overrun),
	   TEST(counters_that_cannot_be_read_are_an_error_and_no_zeros))
