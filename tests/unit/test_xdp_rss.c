/* SPDX-License-Identifier: BSD-3-Clause */
/* Who hashes, and the program's table, key and types on a live port. Needs root. */
#include "rss_priv.h"
#include "toy_xdp.h"

#include <rte_thash.h>

#define FLOWS  64
#define QUEUES 4
#define KEY    XDP_RSS_KEY_BYTES

static const uint64_t udp4 = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_UDP;

/* ---- the decision ---- */

#define AUTO	XDP_WANT_RSS_AUTO
#define HW	XDP_WANT_RSS_HW
#define SOFT	XDP_WANT_RSS_SOFT
#define REFUSED -1

static void test_who_hashes_is_decided_by_what_is_asked_and_what_there_is(void)
{
	static const struct {
		struct xdp_rss_ask ask;
		int by;
	} rows[] = {
		/* want symmetric table tells spread hash queues channels */
		{{AUTO, 0, 0, 0, 0, 0, 1, 1}, XDP_RSS_NOBODY},
		{{AUTO, 0, 0, 0, 0, 0, 2, 4}, XDP_RSS_NOBODY},
		{{AUTO, 0, 0, 0, 1, 0, 1, 1}, XDP_RSS_NOBODY},
		{{AUTO, 0, 0, 0, 1, 0, 2, 2}, XDP_RSS_PROGRAM},
		{{AUTO, 0, 0, 1, 1, 1, 1, 1}, XDP_RSS_PROGRAM},
		{{AUTO, 0, 0, 0, 0, 0, 2, 1}, XDP_RSS_PROGRAM},
		{{AUTO, 0, 1, 0, 0, 0, 1, 1}, XDP_RSS_DEVICE},
		{{AUTO, 0, 1, 0, 1, 0, 4, 4}, XDP_RSS_DEVICE},
		{{AUTO, 0, 1, 0, 1, 0, 5, 4}, XDP_RSS_PROGRAM},
		{{AUTO, 0, 1, 0, 1, 1, 4, 4}, XDP_RSS_PROGRAM},
		{{AUTO, 0, 1, 1, 1, 1, 4, 4}, XDP_RSS_DEVICE},
		{{AUTO, 1, 1, 1, 1, 0, 4, 4}, XDP_RSS_PROGRAM},
		{{AUTO, 1, 1, 1, 0, 0, 1, 1}, XDP_RSS_NOBODY},
		{{SOFT, 0, 1, 1, 0, 0, 1, 4}, XDP_RSS_PROGRAM},
		{{SOFT, 0, 0, 0, 1, 1, 8, 1}, XDP_RSS_PROGRAM},
		{{HW, 0, 1, 0, 1, 0, 2, 4}, XDP_RSS_DEVICE},
		{{HW, 0, 1, 1, 1, 1, 2, 4}, XDP_RSS_DEVICE},
		{{HW, 0, 0, 1, 1, 0, 2, 4}, REFUSED},
		{{HW, 1, 1, 1, 1, 0, 2, 4}, REFUSED},
		{{HW, 0, 1, 0, 1, 1, 2, 4}, REFUSED},
		{{HW, 0, 1, 1, 1, 0, 5, 4}, REFUSED},
	};

	for (unsigned i = 0; i < RTE_DIM(rows); i++) {
		enum xdp_rss_by by = 99;
		const char *no = xdp_rss_decide(&rows[i].ask, &by);

		CU_ASSERT_EQUAL(no != NULL, rows[i].by == REFUSED);
		CU_ASSERT_EQUAL(by, rows[i].by == REFUSED ? 99 : (enum xdp_rss_by)rows[i].by);
		if (no == NULL && by != (enum xdp_rss_by)rows[i].by)
			fprintf(stderr, "row %u\n", i);
	}
}

/* ---- a live port ---- */

/* What the specification says of a flow's addresses and ports. */
static uint32_t hash_of(uint16_t flow, const uint8_t *key)
{
	const struct toy_xdp_udp f = toy_xdp_udp(flow, false);
	uint32_t tuple[3] = {rte_be_to_cpu_32(f.ip.src_addr), rte_be_to_cpu_32(f.ip.dst_addr),
			     (uint32_t)rte_be_to_cpu_16(f.udp.src_port) << 16 |
				     rte_be_to_cpu_16(f.udp.dst_port)};

	return rte_softrss(tuple, 3, key);
}

static struct rte_eth_conf conf_of(uint64_t types)
{
	return (struct rte_eth_conf){
		.rxmode = {.mq_mode = RTE_ETH_MQ_RX_RSS, .offloads = RTE_ETH_RX_OFFLOAD_RSS_HASH},
		.rx_adv_conf.rss_conf.rss_hf = types,
	};
}

static uint16_t begin(const char *more, const struct rte_eth_conf *conf)
{
	uint16_t port = UINT16_MAX;

	CU_ASSERT_EQUAL_FATAL(toy_xdp_plug(more, &port), 0);
	CU_ASSERT_EQUAL_FATAL(toy_xdp_start(port, QUEUES, conf), 0);
	return port;
}

/* Send one packet of a flow: the queue it came on, with its hash; UINT16_MAX: it did not come. */
static uint16_t where(uint16_t port, int wire, uint16_t flow, bool back, uint32_t *hash)
{
	const struct toy_xdp_udp f = toy_xdp_udp(flow, back);
	const time_t end = time(NULL) + 5;
	struct rte_mbuf *m;

	CU_ASSERT_EQUAL(send(wire, &f, sizeof(f), 0), sizeof(f));
	do {
		for (uint16_t q = 0; q < QUEUES; q++) {
			if (rte_eth_rx_burst(port, q, &m, 1) == 0)
				continue;
			*hash = m->ol_flags & RTE_MBUF_F_RX_RSS_HASH ? m->hash.rss : 0;
			CU_ASSERT_EQUAL(m->pkt_len, sizeof(f));
			rte_pktmbuf_free(m);
			return q;
		}
	} while (time(NULL) <= end);
	return UINT16_MAX;
}

static void key_in_force(uint16_t port, uint8_t key[KEY])
{
	struct rte_eth_rss_conf conf = {.rss_key = key, .rss_key_len = KEY};

	CU_ASSERT_EQUAL(rte_eth_dev_rss_hash_conf_get(port, &conf), 0);
	CU_ASSERT_EQUAL(conf.rss_key_len, KEY);
	CU_ASSERT_EQUAL(conf.rss_hf, udp4);
}

static void test_flows_spread_by_the_hash_and_the_table_that_are_told(void)
{
	const struct rte_eth_conf conf = conf_of(udp4);
	uint32_t seen[QUEUES] = {0}, hash = 0;
	uint8_t key[KEY];
	uint16_t port = begin(",queues=4,hw_queues=1", &conf);
	int wire = toy_xdp_wire("v1");

	key_in_force(port, key);
	CU_ASSERT_EQUAL(key[0], 0x6d);
	for (uint16_t flow = 0; flow < FLOWS; flow++) {
		const uint16_t queue = where(port, wire, flow, false, &hash);

		CU_ASSERT_EQUAL(hash, hash_of(flow, key));
		CU_ASSERT_EQUAL_FATAL(queue, hash % STEER_RETA % QUEUES);
		seen[queue]++;
	}
	for (uint16_t q = 0; q < QUEUES; q++)
		CU_ASSERT_TRUE(seen[q] > 0);
	close(wire);
	toy_xdp_unplug();
}

/* Also with sockets on several hardware queues for each rx queue. */
static void test_a_table_and_a_key_that_change_while_packets_come_are_obeyed(void)
{
	struct rte_eth_rss_reta_entry64 reta[2] = {{.mask = UINT64_MAX}, {.mask = UINT64_MAX}};
	const struct rte_eth_conf conf = conf_of(udp4);
	uint16_t port = begin(",rss=soft", &conf);
	uint8_t key[KEY], asked[KEY];
	int wire = toy_xdp_wire("v1");
	uint32_t hash = 0;

	for (unsigned round = 0; round < 3; round++) {
		struct rte_eth_rss_conf other = {
			.rss_key = asked, .rss_key_len = KEY, .rss_hf = udp4};

		for (unsigned i = 0; i < KEY; i++)
			asked[i] = (uint8_t)(i * 37 + round);
		CU_ASSERT_EQUAL(rte_eth_dev_rss_hash_update(port, &other), 0);
		key_in_force(port, key);
		CU_ASSERT_EQUAL(memcmp(key, asked, KEY), 0);
		memset(reta[0].reta, 0, sizeof(reta[0].reta));
		for (unsigned i = 0; i < 64; i++)
			reta[0].reta[i] = reta[1].reta[i] = (uint16_t)((i + round) / 2 % 3);
		CU_ASSERT_EQUAL(rte_eth_dev_rss_reta_update(port, reta, STEER_RETA), 0);
		for (uint16_t flow = 0; flow < FLOWS; flow++) {
			const uint16_t queue = where(port, wire, flow, false, &hash);

			CU_ASSERT_EQUAL(hash, hash_of(flow, key));
			CU_ASSERT_EQUAL(queue, reta[0].reta[hash % 64]);
		}
	}
	close(wire);
	toy_xdp_unplug();
}

static void test_both_directions_meet_where_symmetric_is_said(void)
{
	const struct rte_eth_conf conf = conf_of(udp4);
	uint16_t port = begin(",queues=4,hw_queues=1,symmetric=1", &conf);
	uint32_t there = 0, back = 1;
	int wire = toy_xdp_wire("v1");

	for (uint16_t flow = 0; flow < FLOWS; flow++) {
		CU_ASSERT_EQUAL(where(port, wire, flow, false, &there),
				where(port, wire, flow, true, &back));
		CU_ASSERT_EQUAL(there, back);
	}
	close(wire);
	toy_xdp_unplug();
}

static void test_what_is_not_hashed_comes_to_queue_0_without_a_hash(void)
{
	const struct rte_eth_conf conf = conf_of(RTE_ETH_RSS_IPV6);
	uint16_t port = begin(",queues=4,hw_queues=1", &conf);
	int wire = toy_xdp_wire("v1");
	uint32_t hash = 7;

	CU_ASSERT_EQUAL(where(port, wire, 3, false, &hash), 0);
	CU_ASSERT_EQUAL(hash, 0);
	close(wire);
	toy_xdp_unplug();
}

static void test_table_key_and_types_outlive_a_stop_but_not_a_configuration(void)
{
	struct rte_eth_rss_reta_entry64 reta[2] = {{.mask = 2, .reta = {9, 3}}, {.mask = 0}};
	uint8_t key[KEY] = {1, 2, 3}, now[KEY];
	struct rte_eth_rss_conf other = {.rss_key = key, .rss_key_len = KEY, .rss_hf = udp4};
	const struct rte_eth_conf conf = conf_of(udp4);
	uint16_t port = begin(",rss=soft", &conf);

	CU_ASSERT_EQUAL(rte_eth_dev_rss_reta_update(port, reta, STEER_RETA), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_rss_hash_update(port, &other), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_stop(port), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_start(port), 0);
	reta[0] = (struct rte_eth_rss_reta_entry64){.mask = 7};
	CU_ASSERT_EQUAL(rte_eth_dev_rss_reta_query(port, reta, STEER_RETA), 0);
	CU_ASSERT_EQUAL(reta[0].reta[0], 0);
	CU_ASSERT_EQUAL(reta[0].reta[1], 3);
	CU_ASSERT_EQUAL(reta[0].reta[2], 2);
	key_in_force(port, now);
	CU_ASSERT_EQUAL(memcmp(now, key, KEY), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_stop(port), 0);
	CU_ASSERT_EQUAL(toy_xdp_start(port, QUEUES, &conf), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_rss_reta_query(port, reta, STEER_RETA), 0);
	CU_ASSERT_EQUAL(reta[0].reta[1], 1);
	key_in_force(port, now);
	CU_ASSERT_EQUAL(now[0], 0x6d);
	toy_xdp_unplug();
}

/* ---- what cannot be honoured ---- */

static void test_a_table_of_another_size_or_to_no_queue_changes_nothing(void)
{
	struct rte_eth_rss_reta_entry64 reta[4] = {{.mask = 3, .reta = {2, QUEUES}}};
	const struct rte_eth_conf conf = conf_of(udp4);
	uint16_t port = begin(",rss=soft", &conf);
	struct rte_eth_dev *dev = &rte_eth_devices[port];

	toy_log_begin();
	CU_ASSERT_EQUAL(xdp_rss_reta_update(dev, reta, STEER_RETA), -EINVAL);
	CU_ASSERT_TRUE(toy_log_has("v0: the indirection table leads to rx queue 4, of 4"));
	CU_ASSERT_EQUAL(xdp_rss_reta_update(dev, reta, 256), -EINVAL);
	CU_ASSERT_TRUE(toy_log_has("table's entries are 256, must be 128"));
	CU_ASSERT_EQUAL(xdp_rss_reta_query(dev, reta, 64), -EINVAL);
	CU_ASSERT_EQUAL(toy_log_lines(), 3);
	reta[0].mask = 1;
	CU_ASSERT_EQUAL(rte_eth_dev_rss_reta_query(port, reta, STEER_RETA), 0);
	CU_ASSERT_EQUAL(reta[0].reta[0], 0);
	toy_xdp_unplug();
}

static void test_a_key_of_another_length_or_types_unknown_change_nothing(void)
{
	uint8_t key[52] = {0}, now[KEY];
	struct rte_eth_rss_conf bad = {.rss_key = key, .rss_key_len = 39, .rss_hf = udp4};
	const struct rte_eth_conf conf = conf_of(udp4);
	uint16_t port = begin(",rss=soft", &conf);
	struct rte_eth_dev *dev = &rte_eth_devices[port];

	toy_log_begin();
	CU_ASSERT_EQUAL(xdp_rss_hash_update(dev, &bad), -EINVAL);
	CU_ASSERT_TRUE(toy_log_has("v0: the hash key's bytes are 39, must be 40"));
	bad = (struct rte_eth_rss_conf){
		.rss_key = key, .rss_key_len = KEY, .rss_hf = RTE_ETH_RSS_L2_PAYLOAD};
	CU_ASSERT_EQUAL(xdp_rss_hash_update(dev, &bad), -EINVAL);
	CU_ASSERT_TRUE(toy_log_has("are not hashed"));
	bad = (struct rte_eth_rss_conf){.rss_key = now, .rss_key_len = 8};
	CU_ASSERT_EQUAL(xdp_rss_hash_get(dev, &bad), -EINVAL);
	CU_ASSERT_EQUAL(toy_log_lines(), 3);
	key_in_force(port, now);
	CU_ASSERT_EQUAL(now[0], 0x6d);
	toy_xdp_unplug();
}

static void test_the_hash_of_a_device_without_one_is_refused_in_one_line(void)
{
	struct rte_eth_conf conf = conf_of(udp4);
	uint8_t key[KEY] = {0};
	uint16_t port;

	CU_ASSERT_EQUAL_FATAL(toy_xdp_plug(",rss=hw", &port), 0);
	toy_log_begin();
	CU_ASSERT_EQUAL(rte_eth_dev_configure(port, 2, 2, &conf), -ENOTSUP);
	CU_ASSERT_TRUE(toy_log_has("v0: rss=hw: the device has no indirection table"));
	toy_xdp_unplug();
	CU_ASSERT_EQUAL_FATAL(toy_xdp_plug("", &port), 0);
	conf.rx_adv_conf.rss_conf.rss_key = key;
	conf.rx_adv_conf.rss_conf.rss_key_len = 16;
	CU_ASSERT_EQUAL(rte_eth_dev_configure(port, 2, 2, &conf), -EINVAL);
	conf.rx_adv_conf.rss_conf.rss_key_len = KEY;
	CU_ASSERT_EQUAL(toy_xdp_start(port, 2, &conf), 0);
	toy_xdp_unplug();
}

static const struct weir_test tests[] = {
	TEST(who_hashes_is_decided_by_what_is_asked_and_what_there_is),
	TEST(flows_spread_by_the_hash_and_the_table_that_are_told),
	TEST(a_table_and_a_key_that_change_while_packets_come_are_obeyed),
	TEST(both_directions_meet_where_symmetric_is_said),
	TEST(what_is_not_hashed_comes_to_queue_0_without_a_hash),
	TEST(table_key_and_types_outlive_a_stop_but_not_a_configuration),
	TEST(a_table_of_another_size_or_to_no_queue_changes_nothing),
	TEST(a_key_of_another_length_or_types_unknown_change_nothing),
	TEST(the_hash_of_a_device_without_one_is_refused_in_one_line),
};

int main(void)
{
	const int rc = toy_xdp_begin();

	return rc != 0 ? rc : weir_tests_run("xdp/rss", tests, sizeof(tests) / sizeof(tests[0]));
}
