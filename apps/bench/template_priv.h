/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What txonly sends and sink knows again: UDP over IPv4 with a stamp behind the UDP header. A flow
 * has a template of one cache line; a packet is a copy with five fields filled in.
 */

#include <assert.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/why.h>

#define BENCH_FLOWS_MAX	  65536
#define BENCH_STAMP_MAGIC 0x7742 /* "wB" */

/* Behind the UDP header. */
struct bench_stamp {
	rte_be16_t magic;
	rte_be16_t host; /* whose TSC it is: a hash of the kernel's boot id */
	rte_be16_t run;	 /* which start of the sender */
	rte_be16_t flow;
	rte_be32_t seq;
	uint8_t tsc[6]; /* when it was sent: the low 48 bits, in network order */
} __attribute__((packed, aligned(2)));

/* A whole frame of the least size. */
struct bench_frame {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
	struct bench_stamp stamp;
} __attribute__((packed, aligned(2)));
static_assert(sizeof(struct bench_frame) == 60, "fits the shortest Ethernet frame");

/* Sizes of frames are without the 4 bytes of the frame check sequence, as in testpmd. */
#define BENCH_SIZE_MIN sizeof(struct bench_frame)
#define BENCH_SIZE_MAX 9014

/* A frame without MAC addresses, lengths, sequence number and time. */
struct bench_template {
	struct bench_frame frame; /* ip.hdr_checksum: the sum of the header as far as it is known */
	uint8_t pad[4];
};
static_assert(sizeof(struct bench_template) == 64, "one cache line a flow");

/* Where the flows lead. Host order. */
struct bench_flow_conf {
	uint32_t src, dst;
	uint16_t sport, dport;
	uint16_t run, host;
};

/* Flow @p flow of a configuration: source address + flow / 256, source port + flow % 256. */
void bench_template_make(const struct bench_flow_conf *c, uint16_t flow,
			 struct bench_template *out);

/*
 * Make a frame at @p to, which has room for 64 bytes and for @p size; the bytes behind the first 64
 * are not touched. @p macs: destination and source.
 */
static inline void bench_template_fill(const struct bench_template *t, void *to, uint16_t size,
				       const struct rte_ether_addr macs[2], uint32_t seq,
				       uint64_t tsc)
{
	struct bench_frame *f = to;
	const uint16_t ip_bytes = (uint16_t)(size - sizeof(f->eth));
	const rte_be16_t ip_bytes_be = rte_cpu_to_be_16(ip_bytes);
	const uint64_t tsc_be = rte_cpu_to_be_64(tsc << 16);
	uint32_t sum = (uint32_t)t->frame.ip.hdr_checksum + ip_bytes_be;

	__builtin_memcpy(to, t, sizeof(*t));
	__builtin_memcpy(&f->eth.dst_addr, macs, 2 * sizeof(macs[0]));
	sum = (sum & 0xffff) + (sum >> 16);
	f->ip.total_length = ip_bytes_be;
	f->ip.hdr_checksum = (uint16_t)~sum;
	f->udp.dgram_len = rte_cpu_to_be_16((uint16_t)(ip_bytes - sizeof(f->ip)));
	f->stamp.seq = rte_cpu_to_be_32(seq);
	__builtin_memcpy(f->stamp.tsc, &tsc_be, sizeof(f->stamp.tsc));
}

/* When a stamped frame was sent: the low 48 bits of the TSC. */
static inline uint64_t bench_stamp_tsc(const struct bench_stamp *s)
{
	uint64_t be = 0;

	__builtin_memcpy(&be, s->tsc, sizeof(s->tsc));
	return rte_be_to_cpu_64(be) >> 16;
}

/* The stamp of a frame of which @p bytes are here; NULL: it has none. */
const struct bench_stamp *bench_stamp_find(const void *frame, uint32_t bytes);

/* Which host this is, for the stamp: equal where the TSC is the same one. */
uint16_t bench_host(void);

/* ---- sizes ---- */

#define BENCH_SIZES 1008 /* a multiple of the 12 packets of imix */

/* What --txpkts says. */
struct bench_sizes {
	uint16_t min, max;
	bool imix;
};

/* "64", "64-1500" or "imix". @return 0, or -EINVAL with a sentence. */
int bench_sizes_parse(const char *text, struct bench_sizes *out, struct weir_why *why);

/* A round of sizes in random order, each as often as it should be. One seed gives one order. */
void bench_sizes_make(const struct bench_sizes *s, uint64_t seed, uint16_t out[BENCH_SIZES]);
