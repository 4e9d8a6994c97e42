/* SPDX-License-Identifier: BSD-3-Clause */
/* What a live port offers, and what it tells of packets. Needs root. */
#include "toy_xdp.h"

#include <rte_flow.h>
#include <rte_mbuf_dyn.h>

#define CKSUMS                                                          \
	(RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM | \
	 RTE_ETH_RX_OFFLOAD_TCP_CKSUM)
#define L4_MASK	   RTE_MBUF_F_RX_L4_CKSUM_MASK
#define LONG_BYTES 2800 /* of a frame that is longer than a buffer, and than no MTU here */

static struct rte_eth_conf conf_of(uint64_t rx, uint64_t tx)
{
	return (struct rte_eth_conf){.rxmode.offloads = rx, .txmode.offloads = tx};
}

static uint16_t begin(const char *more, uint64_t rx, uint64_t tx)
{
	const struct rte_eth_conf conf = conf_of(rx, tx);
	uint16_t port = UINT16_MAX;

	CU_ASSERT_EQUAL_FATAL(toy_xdp_plug(more, &port), 0);
	CU_ASSERT_EQUAL_FATAL(toy_xdp_start(port, 1, &conf), 0);
	return port;
}

static uint64_t offered(const char *more)
{
	struct rte_eth_dev_info info = {0};
	uint16_t port;

	CU_ASSERT_EQUAL_FATAL(toy_xdp_plug(more, &port), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_info_get(port, &info), 0);
	CU_ASSERT_EQUAL(info.reta_size, STEER_RETA);
	CU_ASSERT_EQUAL(info.hash_key_size, XDP_RSS_KEY_BYTES);
	CU_ASSERT_EQUAL(info.switch_info.domain_id, RTE_ETH_DEV_SWITCH_DOMAIN_ID_INVALID);
	toy_xdp_unplug();
	return info.rx_offload_capa;
}

static void test_only_what_was_asked_for_or_is_there_is_offered(void)
{
	CU_ASSERT_EQUAL(offered("") & (CKSUMS | RTE_ETH_RX_OFFLOAD_TIMESTAMP), 0);
	CU_ASSERT_TRUE(offered("") & RTE_ETH_RX_OFFLOAD_RSS_HASH);
	CU_ASSERT_EQUAL(offered(",rxcsum=verify") & CKSUMS, CKSUMS);
	CU_ASSERT_EQUAL(offered(",rxcsum=trust") & CKSUMS, CKSUMS);
	CU_ASSERT_TRUE(offered(",rx_ts=sw") & RTE_ETH_RX_OFFLOAD_TIMESTAMP);
	CU_ASSERT_EQUAL(offered(",mode=skb") & RTE_ETH_RX_OFFLOAD_VLAN_STRIP, 0);
}

static void sum_up(struct toy_xdp_udp *f)
{
	f->ip.hdr_checksum = rte_ipv4_cksum(&f->ip);
	f->udp.dgram_cksum = rte_ipv4_udptcp_cksum(&f->ip, &f->udp);
}

/* The flags that one such packet has. */
static uint64_t flags_of(uint16_t port, int wire, const struct toy_xdp_udp *f, uint32_t *type)
{
	uint64_t flags;
	struct rte_mbuf *m;

	CU_ASSERT_EQUAL(send(wire, f, sizeof(*f), 0), sizeof(*f));
	m = toy_xdp_take(port, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	flags = m->ol_flags;
	*type = m->packet_type;
	rte_pktmbuf_free(m);
	return flags;
}

static void test_checksums_are_verified_where_that_is_said(void)
{
	uint16_t port = begin(",hw_queues=1,rxcsum=verify", CKSUMS, 0);
	struct toy_xdp_udp f = toy_xdp_udp(1, false);
	int wire = toy_xdp_wire("v1"), n;
	uint32_t type, types[16];
	uint64_t flags;

	sum_up(&f);
	flags = flags_of(port, wire, &f, &type);
	CU_ASSERT_EQUAL(flags & L4_MASK, RTE_MBUF_F_RX_L4_CKSUM_GOOD);
	CU_ASSERT_EQUAL(flags & RTE_MBUF_F_RX_IP_CKSUM_MASK, RTE_MBUF_F_RX_IP_CKSUM_GOOD);
	CU_ASSERT_EQUAL(type, RTE_PTYPE_L2_ETHER | RTE_PTYPE_L3_IPV4 | RTE_PTYPE_L4_UDP);
	f.payload[3] ^= 1;
	CU_ASSERT_EQUAL(flags_of(port, wire, &f, &type) & L4_MASK, RTE_MBUF_F_RX_L4_CKSUM_BAD);
	f.ip.time_to_live--;
	flags = flags_of(port, wire, &f, &type);
	CU_ASSERT_EQUAL(flags & RTE_MBUF_F_RX_IP_CKSUM_MASK, RTE_MBUF_F_RX_IP_CKSUM_BAD);
	n = rte_eth_dev_get_supported_ptypes(port, RTE_PTYPE_ALL_MASK, types, RTE_DIM(types));
	CU_ASSERT_EQUAL(n, 11);
	close(wire);
	toy_xdp_unplug();
}

static void test_checksums_are_claimed_only_where_peers_are_trusted(void)
{
	static const uint64_t good = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	struct toy_xdp_udp f = toy_xdp_udp(1, false);
	int wire = toy_xdp_wire("v1");
	uint32_t type;
	uint16_t port = begin(",hw_queues=1,rxcsum=trust", CKSUMS, 0);

	CU_ASSERT_EQUAL(flags_of(port, wire, &f, &type), good);
	toy_xdp_unplug();
	port = begin(",hw_queues=1", 0, 0);
	CU_ASSERT_EQUAL(flags_of(port, wire, &f, &type), 0);
	CU_ASSERT_EQUAL(type, 0);
	CU_ASSERT_TRUE(rte_eth_dev_get_supported_ptypes(port, RTE_PTYPE_ALL_MASK, NULL, 0) <= 0);
	toy_xdp_unplug();
	close(wire);
}

static void test_a_packet_has_the_time_of_the_kernels_clock(void)
{
	uint16_t port = begin(",hw_queues=1,rx_ts=sw", RTE_ETH_RX_OFFLOAD_TIMESTAMP, 0);
	int offset = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, NULL);
	int bit = rte_mbuf_dynflag_lookup(RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME, NULL);
	uint64_t before, after, time_ns;
	int wire = toy_xdp_wire("v1");
	struct rte_mbuf *m;

	CU_ASSERT_TRUE_FATAL(offset >= 0 && bit >= 0);
	CU_ASSERT_EQUAL(rte_eth_read_clock(port, &before), 0);
	CU_ASSERT_TRUE(toy_xdp_send(wire, 1));
	m = toy_xdp_take(port, 0);
	CU_ASSERT_EQUAL(rte_eth_read_clock(port, &after), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_NOT_EQUAL(m->ol_flags & RTE_BIT64(bit), 0);
	time_ns = *RTE_MBUF_DYNFIELD(m, offset, rte_mbuf_timestamp_t *);
	CU_ASSERT_TRUE(time_ns >= before && time_ns <= after);
	rte_pktmbuf_free(m);
	close(wire);
	toy_xdp_unplug();
	port = begin("", 0, 0);
	CU_ASSERT_EQUAL(rte_eth_read_clock(port, &before), -ENOTSUP);
	toy_xdp_unplug();
}

/* A rule may come while packets do: those behind it have its mark. */
static void test_a_rule_marks_packets_of_a_port_that_runs_without_metadata(void)
{
	const struct rte_flow_attr attr = {.ingress = 1};
	const struct rte_flow_item_eth type = {.hdr.ether_type = RTE_BE16(TOY_XDP_TYPE)};
	const struct rte_flow_item_eth mask = {.hdr.ether_type = 0xffff};
	const struct rte_flow_item pattern[] = {
		{.type = RTE_FLOW_ITEM_TYPE_ETH, .spec = &type, .mask = &mask},
		{.type = RTE_FLOW_ITEM_TYPE_END}};
	const struct rte_flow_action_mark mark = {.id = 4711};
	const struct rte_flow_action_queue queue = {.index = 0};
	const struct rte_flow_action actions[] = {{RTE_FLOW_ACTION_TYPE_MARK, &mark},
						  {RTE_FLOW_ACTION_TYPE_QUEUE, &queue},
						  {RTE_FLOW_ACTION_TYPE_END, NULL}};
	const uint64_t flags = RTE_MBUF_F_RX_FDIR | RTE_MBUF_F_RX_FDIR_ID;
	uint16_t port = begin(",hw_queues=1", 0, 0);
	int wire = toy_xdp_wire("v1");

	for (unsigned starts = 0; starts < 2; starts++) {
		struct rte_mbuf *m;

		if (starts == 0) {
			CU_ASSERT_TRUE(toy_xdp_send(wire, 1));
			m = toy_xdp_take(port, 0);
			CU_ASSERT_PTR_NOT_NULL_FATAL(m);
			CU_ASSERT_EQUAL(m->ol_flags, 0);
			rte_pktmbuf_free(m);
			CU_ASSERT_PTR_NOT_NULL(
				rte_flow_create(port, &attr, pattern, actions, NULL));
		}
		CU_ASSERT_TRUE(toy_xdp_send(wire, 2));
		m = toy_xdp_take(port, 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		CU_ASSERT_EQUAL(m->ol_flags, flags);
		CU_ASSERT_EQUAL(m->hash.fdir.hi, 4711);
		rte_pktmbuf_free(m);
		CU_ASSERT_EQUAL(rte_eth_dev_stop(port), 0);
		CU_ASSERT_EQUAL(rte_eth_dev_start(port), 0);
	}
	close(wire);
	toy_xdp_unplug();
}

static bool send_long(int wire)
{
	uint8_t frame[LONG_BYTES];

	memset(frame, 0xff, 6);
	for (unsigned i = 6; i < sizeof(frame); i++)
		frame[i] = (uint8_t)i;
	return send(wire, frame, sizeof(frame), 0) == sizeof(frame);
}

static bool is_long(const struct rte_mbuf *m)
{
	uint8_t frame[LONG_BYTES];
	const uint8_t *got = rte_pktmbuf_read(m, 0, LONG_BYTES, frame);

	for (unsigned i = 6; got != NULL && i < LONG_BYTES; i++)
		if (got[i] != (uint8_t)i)
			return false;
	return got != NULL && m->pkt_len == LONG_BYTES;
}

static uint64_t xstat(uint16_t port, const char *name)
{
	uint64_t id, value = 0;

	CU_ASSERT_EQUAL(rte_eth_xstats_get_id_by_name(port, name, &id), 0);
	CU_ASSERT_EQUAL(rte_eth_xstats_get_by_id(port, &id, &value, 1), 1);
	return value;
}

static void test_a_frame_longer_than_a_buffer_comes_whole_where_scatter_is_asked_for(void)
{
	uint16_t port;
	struct rte_mbuf *m;
	int wire;

	CU_ASSERT_TRUE(toy_sh("ip link set v0 mtu 3000 && ip link set v1 mtu 3000"));
	toy_log_begin();
	port = begin(",hw_queues=1", RTE_ETH_RX_OFFLOAD_SCATTER, 0);
	CU_ASSERT_FALSE(toy_log_has("lost"));
	CU_ASSERT_TRUE(rte_eth_devices[port].data->scattered_rx);
	wire = toy_xdp_wire("v1");
	CU_ASSERT_TRUE(send_long(wire));
	m = toy_xdp_take(port, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_EQUAL(m->nb_segs, 2);
	CU_ASSERT_TRUE(is_long(m));
	rte_pktmbuf_free(m);
	close(wire);
	toy_xdp_unplug();
}

/* Sockets that may send in several pieces receive in several, whether asked for or not. */
static void test_a_frame_longer_than_a_buffer_is_counted_where_scatter_is_not_asked_for(void)
{
	uint16_t port;
	struct rte_mbuf *m;
	int wire;

	toy_log_begin();
	port = begin(",hw_queues=1", 0, RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
	CU_ASSERT_TRUE(toy_log_has("v0: frames of more than 1920 bytes are lost: MTU 3000 does"));
	CU_ASSERT_EQUAL(toy_log_lines(), 1);
	CU_ASSERT_FALSE(rte_eth_devices[port].data->scattered_rx);
	wire = toy_xdp_wire("v1");
	CU_ASSERT_TRUE(send_long(wire));
	CU_ASSERT_TRUE(toy_xdp_send(wire, 7));
	m = toy_xdp_take(port, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_EQUAL(m->nb_segs, 1);
	CU_ASSERT_EQUAL(m->pkt_len, 60);
	rte_pktmbuf_free(m);
	CU_ASSERT_EQUAL(xstat(port, "rx_q0_truncated"), 1);
	close(wire);
	toy_xdp_unplug();
	CU_ASSERT_TRUE(toy_sh("ip link set v0 mtu 1500 && ip link set v1 mtu 1500"));
}

static const struct weir_test tests[] = {
	TEST(only_what_was_asked_for_or_is_there_is_offered),
	TEST(checksums_are_verified_where_that_is_said),
	TEST(checksums_are_claimed_only_where_peers_are_trusted),
	TEST(a_packet_has_the_time_of_the_kernels_clock),
	TEST(a_rule_marks_packets_of_a_port_that_runs_without_metadata),
	TEST(a_frame_longer_than_a_buffer_comes_whole_where_scatter_is_asked_for),
	TEST(a_frame_longer_than_a_buffer_is_counted_where_scatter_is_not_asked_for),
};

int main(void)
{
	const int rc = toy_xdp_begin();

	return rc != 0 ? rc
		       : weir_tests_run("xdp/offload", tests, sizeof(tests) / sizeof(tests[0]));
}
