/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What txonly sends and sink knows again: UDP over IPv4 or IPv6 with a stamp behind the UDP header.
 * A flow has a template, one cache line for IPv4 and two for IPv6; a packet is a copy with a few
 * fields filled in.
 */

#include <assert.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/addr.h>
#include <weir/csum.h>
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

/* Whole frames of the least size. */
struct bench_frame4 {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
	struct bench_stamp stamp;
} __attribute__((packed, aligned(2)));
static_assert(sizeof(struct bench_frame4) == 60, "fits the shortest Ethernet frame");

struct bench_frame6 {
	struct rte_ether_hdr eth;
	struct rte_ipv6_hdr ip;
	struct rte_udp_hdr udp;
	struct bench_stamp stamp;
} __attribute__((packed, aligned(2)));
static_assert(sizeof(struct bench_frame6) == 80, "said in the manual");

/* Sizes of frames are without the 4 bytes of the frame check sequence, as in testpmd. */
#define BENCH_SIZE_MIN	sizeof(struct bench_frame4)
#define BENCH_SIZE_MIN6 sizeof(struct bench_frame6)
#define BENCH_SIZE_MAX	9014

/*
 * Frames without MAC addresses, lengths, sequence number and time. Their checksum fields hold the
 * sums of what is known.
 */
struct bench_template4 {
	struct bench_frame4 frame;
	uint8_t pad[4];
};
static_assert(sizeof(struct bench_template4) == 64, "one cache line a flow");

struct bench_template6 {
	struct bench_frame6 frame;
	uint8_t pad[48];
};
static_assert(sizeof(struct bench_template6) == 128, "two cache lines a flow");

/* What a template writes of a frame; the filling comes behind it. */
#define BENCH_HEAD4 sizeof(struct bench_template4)
#define BENCH_HEAD6 sizeof(struct bench_frame6)

/* Where the flows lead; both addresses are of one family. Ports in host order. */
struct bench_flow_conf {
	struct weir_addr src, dst;
	uint16_t sport, dport;
	uint16_t run, host;
};

/* Flow @p flow of a configuration: source address + flow / 256, source port + flow % 256. */
void bench_template4_make(const struct bench_flow_conf *c, uint16_t flow,
			  struct bench_template4 *out);
void bench_template6_make(const struct bench_flow_conf *c, uint16_t flow,
			  struct bench_template6 *out);

/* Length, number, time and checksum. @p filling_sum: of the bytes behind the head, not folded. */
static inline void bench_udp_fill(struct rte_udp_hdr *udp, struct bench_stamp *stamp,
				  uint16_t bytes, uint32_t seq, uint64_t tsc, uint32_t filling_sum)
{
	const rte_be16_t bytes_be = rte_cpu_to_be_16(bytes);
	const rte_be32_t seq_be = rte_cpu_to_be_32(seq);
	const uint64_t tsc_be = rte_cpu_to_be_64(tsc << 16);
	uint32_t sum = weir_csum_add(udp->dgram_cksum, filling_sum);

	sum = weir_csum_add(sum, 2u * bytes_be); /* in the pseudo header and in this one */
	sum = weir_csum_add(sum, seq_be);
	sum = weir_csum_add(sum, weir_csum_add((uint32_t)tsc_be, (uint32_t)(tsc_be >> 32)));
	udp->dgram_len = bytes_be;
	udp->dgram_cksum = weir_csum_finish(sum);
	if (udp->dgram_cksum == 0) /* would mean none (RFC 768) */
		udp->dgram_cksum = 0xffff;
	stamp->seq = seq_be;
	__builtin_memcpy(stamp->tsc, &tsc_be, sizeof(stamp->tsc));
}

/*
 * Make a frame at @p to, which has room for the head and for @p size; the bytes behind the head are
 * not touched. @p macs: destination and source.
 */
static inline void bench_template4_fill(const struct bench_template4 *t, void *to, uint16_t size,
					const struct rte_ether_addr macs[2], uint32_t seq,
					uint64_t tsc, uint32_t filling_sum)
{
	struct bench_frame4 *f = to;
	const uint16_t ip_bytes = (uint16_t)(size - sizeof(f->eth));

	__builtin_memcpy(to, t, BENCH_HEAD4);
	__builtin_memcpy(&f->eth.dst_addr, macs, 2 * sizeof(macs[0]));
	f->ip.total_length = rte_cpu_to_be_16(ip_bytes);
	f->ip.hdr_checksum =
		weir_csum_finish((uint32_t)t->frame.ip.hdr_checksum + f->ip.total_length);
	bench_udp_fill(&f->udp, &f->stamp, (uint16_t)(ip_bytes - sizeof(f->ip)), seq, tsc,
		       filling_sum);
}

static inline void bench_template6_fill(const struct bench_template6 *t, void *to, uint16_t size,
					const struct rte_ether_addr macs[2], uint32_t seq,
					uint64_t tsc, uint32_t filling_sum)
{
	struct bench_frame6 *f = to;
	const uint16_t udp_bytes = (uint16_t)(size - sizeof(f->eth) - sizeof(f->ip));

	__builtin_memcpy(to, t, BENCH_HEAD6);
	__builtin_memcpy(&f->eth.dst_addr, macs, 2 * sizeof(macs[0]));
	f->ip.payload_len = rte_cpu_to_be_16(udp_bytes);
	bench_udp_fill(&f->udp, &f->stamp, udp_bytes, seq, tsc, filling_sum);
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

/*
 * Make sizes fit a family: the short packets of imix become long enough for a stamp.
 * @return 0, or -EINVAL with a sentence if packets of a size that was asked for are too short.
 */
int bench_sizes_fit(struct bench_sizes *s, bool ip6, struct weir_why *why);

/* A round of sizes in random order, each as often as it should be. One seed gives one order. */
void bench_sizes_make(const struct bench_sizes *s, uint64_t seed, uint16_t out[BENCH_SIZES]);
