/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A whole program's path under hostile frames: what the wire says, byte by byte, at two ports of
 * memory. A fuzzer has one of it, with time in its own hands.
 *
 * Input: records of a head byte, a length (16 bits, little-endian) and so many bytes of a frame.
 * Head: bit 0 the port; bit 1 the frame is sent to our MAC; bit 2 its IPv4 header checksum is made
 * right (else hardly any input passes 10_parse); the others are the fuzzer's own.
 */

#include <rte_ether.h>
#include <rte_ip.h>
#include <stdio.h>
#include <string.h>
#include <weir/rib.h>
#include <weir/system.h>

#include "fuzz_eal.h"

#define FUZZ_MBUFS     2047
#define FUZZ_MS	       UINT64_C(1000000)
#define FUZZ_FRAME_MAX 1518

static struct rte_mempool *wire; /* the outside's buffers; NULL: fuzz_begin() has not run */
static struct weir_rib *fuzz_rib;
static struct weir_system *sys;
static struct weir_port *port[2];
static uint64_t fuzz_now_ns;

/* Once: EAL with so much memory, the outside's buffers, an empty routing table. */
static inline void fuzz_begin(const char *mib)
{
	static const struct weir_rib_conf small = {
		.routes4 = 256, .routes6 = 256, .groups4 = 64, .groups6 = 256, .numa = -1};

	fuzz_eal(mib);
	wire = rte_pktmbuf_pool_create("wire", FUZZ_MBUFS, 0, sizeof(struct weir_meta),
				       RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	must(wire != NULL && weir_rib_create(&small, &fuzz_rib, NULL) == 0, "there is memory");
}

/* An interface of a port, 10.0.N.1/24 and 2001:db8:0:N::1/64. */
static inline void fuzz_iface(struct weir_iface *f, const char *name, uint8_t n)
{
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->port = n % 2;
	f->mtu = n == 1 ? 1280 : 1500;
	memcpy(f->mac, (uint8_t[]){2, 0, 0, 0, n % 2, 1}, 6);
	f->n_addrs = 2;
	f->addr[0] =
		(struct weir_prefix){.addr = {.family = 4, .bytes = {10, 0, n, 1}}, .length = 24};
	f->addr[1] = (struct weir_prefix){
		.addr = {.family = 6, .bytes = {0x20, 1, 0x0d, 0xb8, 0, n, [15] = 1}},
		.length = 64};
}

/* For each input: a system of one worker between the two ports. NULL: nothing is tracked. */
static inline void fuzz_open(const struct weir_node_ops *const *path,
			     const struct weir_tracker_conf *tracker)
{
	static const uint16_t core;
	struct weir_system_port ports[2] = {0};
	struct weir_system_conf conf = {.name = "fuzz",
					.cores = &core,
					.workers = 1,
					.mbufs = FUZZ_MBUFS,
					.limits = WEIR_LIMITS_DEFAULT,
					.ports = ports,
					.n_ports = 2,
					.tracker = tracker,
					.path = path};

	conf.limits.neighbours = 32;
	conf.limits.fragments = 16;
	for (uint8_t i = 0; i < 2; i++) {
		must(weir_port_mem_create("p", i, 1, 1, 512, &port[i]) == 0, "a port is made");
		memcpy(&port[i]->mac, (uint8_t[]){2, 0, 0, 0, i, 1}, 6);
		ports[i].given = port[i];
	}
	must(weir_system_create(&conf, &sys, NULL) == 0, "a system is made");
	fuzz_now_ns = FUZZ_MS;
}

/* Every buffer must be home. */
static inline void fuzz_close(void)
{
	weir_system_free(sys);
	must(rte_mempool_in_use_count(wire) == 0, "every buffer is home");
}

/* A frame as its head wants it. */
static inline void fuzz_mend(uint8_t head, struct rte_mbuf *m)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(eth + 1);

	if ((head & 2) && m->data_len >= sizeof(*eth))
		eth->dst_addr = port[head & 1]->mac;
	if (!(head & 4) || m->data_len < sizeof(*eth) + sizeof(*ip) ||
	    m->data_len < sizeof(*eth) + rte_ipv4_hdr_len(ip))
		return;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

/* So many passes that all is done. */
static inline void fuzz_passes(void)
{
	for (unsigned i = 0; i < 3; i++)
		weir_engine_once(weir_system_engine(sys, 0), fuzz_now_ns);
}

/* Free what was sent, after @see has seen it, which may be NULL. */
static inline void fuzz_drain(void (*see)(struct rte_mbuf *m))
{
	struct rte_mbuf *got[64];
	uint16_t n;

	for (unsigned p = 0; p < 2; p++) {
		while ((n = weir_port_mem_sent(port[p], 0, got, 64)) > 0) {
			for (uint16_t i = 0; i < n; i++) {
				must(got[i]->pkt_len >= RTE_ETHER_HDR_LEN &&
					     got[i]->pkt_len <= 1522,
				     "a frame that is sent has a possible length");
				if (see != NULL)
					see(got[i]);
			}
			rte_pktmbuf_free_bulk(got, n);
		}
	}
}

/* The input's records, one after the other; the frame is the callee's. */
static inline void fuzz_frames(const uint8_t *data, size_t size,
			       void (*feed)(uint8_t head, struct rte_mbuf *m))
{
	while (size >= 3) {
		uint16_t len = (uint16_t)(data[1] | data[2] << 8);
		const uint8_t head = data[0];
		struct rte_mbuf *m = rte_pktmbuf_alloc(wire);

		data += 3;
		size -= 3;
		len = (uint16_t)RTE_MIN((size_t)RTE_MIN(len, FUZZ_FRAME_MAX), size);
		must(m != NULL, "no buffer of the wire is lost");
		memcpy(rte_pktmbuf_append(m, len), data, len);
		feed(head, m);
		data += len;
		size -= len;
	}
}

/* It arrives. */
static inline void fuzz_inject(uint8_t head, struct rte_mbuf *m)
{
	must(weir_port_mem_inject(port[head & 1], 0, &m, 1) == 1, "the port has room");
}
