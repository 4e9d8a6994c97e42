/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver's statistics on a live pair of interfaces: each packet is counted once, whatever
 * became of it. Needs root. */
#include "toy_xdp.h"

#define RING 256 /* of toy_xdp_start() */

static uint64_t xstat(uint16_t port, const char *name)
{
	uint64_t id, value;

	CU_ASSERT_EQUAL_FATAL(rte_eth_xstats_get_id_by_name(port, name, &id), 0);
	CU_ASSERT_EQUAL_FATAL(rte_eth_xstats_get_by_id(port, &id, &value, 1), 1);
	return value;
}

/* Over all hardware or rx queues. */
static uint64_t sum(uint16_t port, const char *what, unsigned queues, const char *counter)
{
	uint64_t all = 0;
	char name[64];

	for (unsigned i = 0; i < queues; i++) {
		snprintf(name, sizeof(name), "%s%u_%s", what, i, counter);
		all += xstat(port, name);
	}
	return all;
}

static struct rte_eth_stats stats(uint16_t port)
{
	struct rte_eth_stats s;

	CU_ASSERT_EQUAL_FATAL(rte_eth_stats_get(port, &s), 0);
	return s;
}

#define HWQS   4 /* of v0 */
#define SPREAD 4 /* rx queues on one of them */

/* What stats_priv.h says. */
static void adds_up(uint16_t port, unsigned hwqs, unsigned rxqs)
{
	const struct rte_eth_stats s = stats(port);

	CU_ASSERT_EQUAL(sum(port, "hwq", hwqs, "seen"),
			sum(port, "hwq", hwqs, "passed") + sum(port, "hwq", hwqs, "dropped") +
				sum(port, "hwq", hwqs, "redirected") +
				sum(port, "hwq", hwqs, "failed"));
	CU_ASSERT_EQUAL(sum(port, "hwq", hwqs, "redirected"),
			s.ipackets + s.imissed + sum(port, "rx_q", rxqs, "waiting"));
	CU_ASSERT_EQUAL(s.imissed, sum(port, "rx_q", rxqs, "xdp_rx_dropped") +
					   sum(port, "rx_q", rxqs, "xdp_rx_ring_full") +
					   sum(port, "rx_q", rxqs, "truncated") +
					   sum(port, "rx_q", rxqs, "left"));
}

/* A veth takes packets in when it gets to it. */
static void until_seen(uint16_t port, unsigned hwqs, uint64_t n)
{
	const time_t end = time(NULL) + 5;

	while (sum(port, "hwq", hwqs, "seen") < n && time(NULL) <= end)
		;
	CU_ASSERT_EQUAL(sum(port, "hwq", hwqs, "seen"), n);
}

static void send_many(unsigned n)
{
	const int wire = toy_xdp_wire("v1");

	for (unsigned i = 0; i < n; i++)
		CU_ASSERT_TRUE_FATAL(toy_xdp_send(wire, i));
	close(wire);
}

static unsigned take_all(uint16_t port, unsigned queues)
{
	struct rte_mbuf *pkts[32];
	unsigned n = 0, got;

	do {
		got = 0;
		for (uint16_t q = 0; q < queues; q++) {
			const uint16_t some = rte_eth_rx_burst(port, q, pkts, RTE_DIM(pkts));

			rte_pktmbuf_free_bulk(pkts, some);
			got += some;
		}
		n += got;
	} while (got > 0);
	return n;
}

static uint16_t plug_and_start(const char *more, uint16_t queues, const struct rte_eth_conf *conf)
{
	uint16_t port = UINT16_MAX;

	CU_ASSERT_EQUAL_FATAL(toy_xdp_plug(more, &port), 0);
	CU_ASSERT_EQUAL_FATAL(toy_xdp_start(port, queues, conf), 0);
	return port;
}

static void test_a_flood_that_nobody_takes_is_counted_to_the_packet(void)
{
	static const char *const modes[] = {",steer=all,mode=drv", ",steer=all,mode=skb"};
	const struct rte_eth_conf plain = {0};
	const unsigned n = 5 * RING;

	for (unsigned i = 0; i < RTE_DIM(modes); i++) {
		uint16_t port = plug_and_start(modes[i], HWQS, &plain);

		send_many(n);
		until_seen(port, HWQS, n);
		adds_up(port, HWQS, HWQS);
		CU_ASSERT_EQUAL(stats(port).imissed, n - RING);
		/* The kernel counts these twice. */
		CU_ASSERT_EQUAL(xstat(port, "rx_q0_xdp_rx_dropped"), n - RING);
		CU_ASSERT_EQUAL(xstat(port, "rx_q0_xdp_fill_ring_empty"), n - RING);
		CU_ASSERT_EQUAL(xstat(port, "rx_q0_waiting"), RING);
		CU_ASSERT_EQUAL(take_all(port, HWQS), RING);
		CU_ASSERT_EQUAL(stats(port).ipackets, RING);
		CU_ASSERT_EQUAL(stats(port).ibytes, 60 * RING);
		adds_up(port, HWQS, HWQS);
		toy_xdp_unplug();
	}
}

static void test_sockets_that_share_a_fill_ring_lose_by_a_full_ring_too(void)
{
	const struct rte_eth_conf conf = {
		.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS,
		.rx_adv_conf.rss_conf.rss_hf = RTE_ETH_RSS_IPV4,
	};
	const unsigned n = 6 * RING;
	uint16_t port = plug_and_start(",steer=all,hw_queues=1,rss=soft,queues=4", SPREAD, &conf);

	/* What is not IP has no hash and goes to queue 0, whose ring holds a quarter of all
	 * buffers. */
	send_many(n);
	until_seen(port, 1, n);
	CU_ASSERT_EQUAL(xstat(port, "rx_q0_xdp_rx_ring_full"), n - RING);
	CU_ASSERT_EQUAL(xstat(port, "rx_q0_xdp_rx_dropped"), 0);
	adds_up(port, 1, SPREAD);
	CU_ASSERT_EQUAL(take_all(port, SPREAD), RING);
	adds_up(port, 1, SPREAD);
	toy_xdp_unplug();
}

static void test_restarts_keep_all_counts_until_a_reset(void)
{
	const struct rte_eth_conf plain = {0};
	uint16_t port = plug_and_start(",steer=all", HWQS, &plain);

	for (unsigned i = 1; i <= 4; i++) {
		send_many(30);
		until_seen(port, HWQS, 50 * i - 20);
		CU_ASSERT_EQUAL(take_all(port, HWQS), 30);
		send_many(20); /* left in the ring */
		until_seen(port, HWQS, 50 * i);
		CU_ASSERT_EQUAL(rte_eth_dev_stop(port), 0);
		adds_up(port, HWQS, HWQS);
		CU_ASSERT_EQUAL(stats(port).ipackets, 30 * i);
		CU_ASSERT_EQUAL(stats(port).imissed, 20 * i);
		/* With new queues each second time. */
		CU_ASSERT_EQUAL(i % 2 ? toy_xdp_start(port, HWQS, &plain) : rte_eth_dev_start(port),
				0);
	}
	CU_ASSERT_EQUAL(rte_eth_xstats_reset(port), 0);
	CU_ASSERT_EQUAL(stats(port).ipackets + stats(port).imissed, 0);
	send_many(7);
	until_seen(port, HWQS, 7);
	CU_ASSERT_EQUAL(take_all(port, HWQS), 7);
	CU_ASSERT_EQUAL(stats(port).ipackets, 7);
	adds_up(port, HWQS, HWQS);
	toy_xdp_unplug();
}

static void test_a_frame_of_several_buffers_is_one_packet(void)
{
	static uint8_t frame[2900] = {[12] = 0x88, 0xb5};
	const struct rte_eth_conf conf = {
		.rxmode = {.mtu = 3000, .offloads = RTE_ETH_RX_OFFLOAD_SCATTER}};
	const unsigned n = 10;
	uint16_t port;
	int wire;

	CU_ASSERT_TRUE(toy_sh("ip link set v0 mtu 3000 && ip link set v1 mtu 3000"));
	port = plug_and_start(",steer=all", HWQS, &conf);
	wire = toy_xdp_wire("v1");
	for (unsigned i = 0; i < n; i++)
		CU_ASSERT_EQUAL(send(wire, frame, sizeof(frame), 0), (ssize_t)sizeof(frame));
	close(wire);
	until_seen(port, HWQS, n);
	if (rte_eth_devices[port].data->scattered_rx) {
		CU_ASSERT_EQUAL(xstat(port, "rx_q0_waiting"), n);
		CU_ASSERT_EQUAL(rte_eth_dev_stop(port), 0);
		CU_ASSERT_EQUAL(xstat(port, "rx_q0_left"), n);
	} else { /* before Linux 6.6 */
		CU_ASSERT_EQUAL(xstat(port, "rx_q0_xdp_rx_dropped"), n);
	}
	CU_ASSERT_EQUAL(stats(port).imissed, n);
	adds_up(port, HWQS, HWQS);
	toy_xdp_unplug();
	CU_ASSERT_TRUE(toy_sh("ip link set v0 mtu 1500 && ip link set v1 mtu 1500"));
}

static const struct weir_test tests[] = {
	TEST(a_flood_that_nobody_takes_is_counted_to_the_packet),
	TEST(sockets_that_share_a_fill_ring_lose_by_a_full_ring_too),
	TEST(restarts_keep_all_counts_until_a_reset),
	TEST(a_frame_of_several_buffers_is_one_packet),
};

int main(void)
{
	int rc = toy_xdp_begin();

	return rc ? rc : weir_tests_run("pmd-xdp/count", tests, RTE_DIM(tests));
}
