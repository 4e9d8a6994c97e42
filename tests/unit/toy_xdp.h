/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A live port of the driver on v0, in a network namespace of the test's own; what is sent from v1
 * reaches it. Ordinary memory, no hugepages. Ends with 77 in main() where that is not permitted.
 */

#include "test.h"
#include "toy_netns.h"
#include "toy_xdp_log.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <rte_bus_vdev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "probe.c" /* the driver's own registration, which no symbol leads to */

#define TOY_XDP_NAME  "net_weir_xdp0"
#define TOY_XDP_TYPE  0x88b5 /* IEEE 802: local experiments */
#define TOY_XDP_MBUFS 8191

static struct rte_mempool *toy_xdp_pool;

/* The namespace, EAL, and a pair v0 (4 rx queues) and v1. 0, or what main() returns. */
static inline int toy_xdp_begin(void)
{
	char args[][16] = {"test",	     "--no-huge", "--no-shconf", "--no-pci",
			   "--no-telemetry", "-m",	  "64",		 "--lcores=0"};
	char *argv[RTE_DIM(args)];

	for (unsigned i = 0; i < RTE_DIM(args); i++)
		argv[i] = args[i];
	if (!toy_netns())
		return 77;
	if (!toy_sh("sysctl -qw net.ipv6.conf.default.disable_ipv6=1") || !toy_veth())
		return 77;
	if (rte_eal_init(RTE_DIM(args), argv) < 0)
		return 1;
	toy_xdp_pool = rte_pktmbuf_pool_create("toy_xdp", TOY_XDP_MBUFS, 0, 0,
					       RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	return toy_xdp_pool == NULL;
}

/* Plug a port in, with these devargs behind iface=v0. 0 or -errno. */
static inline int toy_xdp_plug(const char *more, uint16_t *port)
{
	char text[256];
	int rc;

	snprintf(text, sizeof(text), "iface=v0%s", more);
	rc = rte_vdev_init(TOY_XDP_NAME, text);
	return rc < 0 ? rc : rte_eth_dev_get_port_by_name(TOY_XDP_NAME, port);
}

static inline void toy_xdp_unplug(void)
{
	CU_ASSERT_EQUAL(rte_vdev_uninit(TOY_XDP_NAME), 0);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(toy_xdp_pool), TOY_XDP_MBUFS);
}

/* Configure so many queues each way, 256 descriptors each, and start. 0 or -errno. */
static inline int toy_xdp_start(uint16_t port, uint16_t queues, const struct rte_eth_conf *conf)
{
	int rc = rte_eth_dev_configure(port, queues, queues, conf);

	for (uint16_t q = 0; rc == 0 && q < queues; q++) {
		rc = rte_eth_rx_queue_setup(port, q, 256, 0, NULL, toy_xdp_pool);
		if (rc == 0)
			rc = rte_eth_tx_queue_setup(port, q, 256, 0, NULL);
	}
	return rc < 0 ? rc : rte_eth_dev_start(port);
}

/* A socket that sends from an interface. */
static inline int toy_xdp_wire(const char *ifname)
{
	const struct sockaddr_ll at = {.sll_family = AF_PACKET,
				       .sll_ifindex = (int)if_nametoindex(ifname)};
	const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	CU_ASSERT_TRUE_FATAL(fd >= 0);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* A frame of 64 bytes with a number in it. */
static inline bool toy_xdp_send(int wire, uint32_t number)
{
	struct {
		struct rte_ether_hdr eth;
		uint8_t number[46];
	} frame = {.eth.ether_type = RTE_BE16(TOY_XDP_TYPE)};

	memset(&frame.eth.dst_addr, 0xff, sizeof(frame.eth.dst_addr));
	memcpy(frame.number, &number, sizeof(number));
	return send(wire, &frame, sizeof(frame), 0) == sizeof(frame);
}

struct toy_xdp_udp {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
	uint8_t payload[18];
};

/* A packet of a flow, or of its way back. Its UDP checksum is 0: none. */
static inline struct toy_xdp_udp toy_xdp_udp(uint16_t flow, bool back)
{
	struct toy_xdp_udp f = {
		.eth.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4),
		.ip = {.version_ihl = 0x45,
		       .total_length = RTE_BE16(sizeof(f) - sizeof(f.eth)),
		       .time_to_live = 64,
		       .next_proto_id = IPPROTO_UDP,
		       .src_addr = RTE_BE32(0x0a000001),
		       .dst_addr = RTE_BE32(0x0a000002)},
		.udp = {.src_port = rte_cpu_to_be_16(1000 + flow),
			.dst_port = RTE_BE16(4789),
			.dgram_len = RTE_BE16(sizeof(f.udp) + sizeof(f.payload))},
	};

	memset(&f.eth.dst_addr, 0xff, sizeof(f.eth.dst_addr));
	if (back) {
		RTE_SWAP(f.ip.src_addr, f.ip.dst_addr);
		RTE_SWAP(f.udp.src_port, f.udp.dst_port);
	}
	return f;
}

/* Take one packet of a queue, waiting up to five seconds; NULL: none came. */
static inline struct rte_mbuf *toy_xdp_take(uint16_t port, uint16_t queue)
{
	const time_t end = time(NULL) + 5;
	struct rte_mbuf *m;

	do {
		if (rte_eth_rx_burst(port, queue, &m, 1) == 1)
			return m;
	} while (time(NULL) <= end);
	return NULL;
}
