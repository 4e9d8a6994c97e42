/* SPDX-License-Identifier: BSD-3-Clause */

#include "template_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <weir/csum.h>
#include <weir/units.h>

#define TTL		 64
#define IP6_VERSION	 rte_cpu_to_be_32(0x60000000)
#define IP6_VERSION_MASK rte_cpu_to_be_32(0xf0000000)

/* What is the same in both families. @p pseudo: the sum of the pseudo header without its length. */
static void make_udp(const struct bench_flow_conf *c, uint16_t flow, uint32_t pseudo,
		     struct rte_udp_hdr *udp, struct bench_stamp *stamp)
{
	uint32_t sum;

	*udp = (struct rte_udp_hdr){
		.src_port = rte_cpu_to_be_16((uint16_t)(c->sport + flow % 256u)),
		.dst_port = rte_cpu_to_be_16(c->dport),
	};
	*stamp = (struct bench_stamp){
		.magic = rte_cpu_to_be_16(BENCH_STAMP_MAGIC),
		.host = rte_cpu_to_be_16(c->host),
		.run = rte_cpu_to_be_16(c->run),
		.flow = rte_cpu_to_be_16(flow),
	};
	sum = weir_csum_add(weir_csum_sum(udp, sizeof(*udp)), weir_csum_sum(stamp, sizeof(*stamp)));
	udp->dgram_cksum = weir_csum_fold(weir_csum_add(sum, pseudo));
}

/* An address; @p n is added to its last 32 bits. */
static void address(const struct weir_addr *a, size_t bytes, uint32_t n, void *out)
{
	rte_be32_t last;

	memcpy(&last, a->bytes + bytes - sizeof(last), sizeof(last));
	last = rte_cpu_to_be_32(rte_be_to_cpu_32(last) + n);
	memcpy(out, a->bytes, bytes);
	memcpy((uint8_t *)out + bytes - sizeof(last), &last, sizeof(last));
}

void bench_template4_make(const struct bench_flow_conf *c, uint16_t flow,
			  struct bench_template4 *out)
{
	struct rte_ipv4_hdr *ip = &out->frame.ip;

	*out = (struct bench_template4){
		.frame = {.eth = {.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4)},
			  .ip = {.version_ihl = RTE_IPV4_VHL_DEF,
				 .time_to_live = TTL,
				 .next_proto_id = IPPROTO_UDP}},
	};
	address(&c->src, sizeof(ip->src_addr), flow / 256u, &ip->src_addr);
	address(&c->dst, sizeof(ip->dst_addr), 0, &ip->dst_addr);
	ip->hdr_checksum = weir_csum_fold(weir_csum_sum(ip, sizeof(*ip)));
	make_udp(c, flow, weir_csum_pseudo4(ip->src_addr, ip->dst_addr, IPPROTO_UDP, 0),
		 &out->frame.udp, &out->frame.stamp);
}

void bench_template6_make(const struct bench_flow_conf *c, uint16_t flow,
			  struct bench_template6 *out)
{
	struct rte_ipv6_hdr *ip = &out->frame.ip;

	*out = (struct bench_template6){
		.frame = {.eth = {.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6)},
			  .ip = {.vtc_flow = IP6_VERSION, .proto = IPPROTO_UDP, .hop_limits = TTL}},
	};
	address(&c->src, sizeof(ip->src_addr), flow / 256u, &ip->src_addr);
	address(&c->dst, sizeof(ip->dst_addr), 0, &ip->dst_addr);
	make_udp(c, flow, weir_csum_pseudo6(&ip->src_addr, &ip->dst_addr, IPPROTO_UDP, 0),
		 &out->frame.udp, &out->frame.stamp);
}

static bool is_ours(const struct bench_stamp *s)
{
	return s->magic == rte_cpu_to_be_16(BENCH_STAMP_MAGIC);
}

const struct bench_stamp *bench_stamp_find(const void *frame, uint32_t bytes)
{
	const struct bench_frame4 *f4 = frame;
	const struct bench_frame6 *f6 = frame;

	if (bytes >= sizeof(*f4) && f4->eth.ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) &&
	    f4->ip.version_ihl == RTE_IPV4_VHL_DEF && f4->ip.next_proto_id == IPPROTO_UDP)
		return is_ours(&f4->stamp) ? &f4->stamp : NULL;
	if (bytes >= sizeof(*f6) && f6->eth.ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6) &&
	    (f6->ip.vtc_flow & IP6_VERSION_MASK) == IP6_VERSION && f6->ip.proto == IPPROTO_UDP)
		return is_ours(&f6->stamp) ? &f6->stamp : NULL;
	return NULL;
}

uint16_t bench_host(void)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	char id[64] = "";
	uint32_t hash = 2166136261u; /* FNV-1a */

	if (f != NULL) {
		if (fgets(id, sizeof(id), f) == NULL)
			id[0] = '\0';
		fclose(f);
	}
	for (const char *p = id; *p != '\0'; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	return (uint16_t)(hash ^ hash >> 16);
}

static int parse_size(const char *text, size_t len, uint16_t *out)
{
	uint64_t n;

	if (weir_parse_uint(text, len, &n) < 0 || n < BENCH_SIZE_MIN || n > BENCH_SIZE_MAX)
		return -EINVAL;
	*out = (uint16_t)n;
	return 0;
}

int bench_sizes_parse(const char *text, struct bench_sizes *out, struct weir_why *why)
{
	const char *dash = strchr(text, '-');
	const size_t len = dash == NULL ? strlen(text) : (size_t)(dash - text);
	struct bench_sizes s = {0};
	int rc;

	if (strcmp(text, "imix") == 0) {
		*out = (struct bench_sizes){.min = BENCH_SIZE_MIN, .max = 1514, .imix = true};
		return 0;
	}
	rc = parse_size(text, len, &s.min);
	s.max = s.min;
	if (rc == 0 && dash != NULL)
		rc = parse_size(dash + 1, strlen(dash + 1), &s.max);
	if (rc < 0 || s.max < s.min)
		return weir_why(why, -EINVAL,
				"sizes: \"%.32s\" must be N, FROM-TO (bytes from %zu to %d) or "
				"imix",
				text, BENCH_SIZE_MIN, BENCH_SIZE_MAX);
	*out = s;
	return 0;
}

int bench_sizes_fit(struct bench_sizes *s, bool ip6, struct weir_why *why)
{
	const uint16_t least = ip6 ? BENCH_SIZE_MIN6 : BENCH_SIZE_MIN;

	if (s->imix)
		s->min = least;
	if (s->min < least)
		return weir_why(why, -EINVAL,
				"sizes: %u bytes are too few: a stamped packet of IPv6 has %u",
				s->min, least);
	return 0;
}

/* splitmix64: good enough to shuffle, the same everywhere. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Of 12 packets 7 are short, 4 are middling and 1 is long. */
static uint16_t imix_size(uint16_t least, unsigned i)
{
	const unsigned of12 = i % 12;

	return of12 < 7 ? least : of12 < 11 ? 590 : 1514;
}

void bench_sizes_make(const struct bench_sizes *s, uint64_t seed, uint16_t out[BENCH_SIZES])
{
	const uint32_t span = (uint32_t)s->max - s->min;

	for (unsigned i = 0; i < BENCH_SIZES; i++)
		out[i] = s->imix ? imix_size(s->min, i)
				 : (uint16_t)(s->min + (span * i + (BENCH_SIZES - 1) / 2) /
							       (BENCH_SIZES - 1));
	if (s->min == s->max)
		return;
	for (unsigned i = BENCH_SIZES - 1; i > 0; i--) {
		const unsigned j = (unsigned)(next_random(&seed) % (i + 1));
		const uint16_t swap = out[i];

		out[i] = out[j];
		out[j] = swap;
	}
}
