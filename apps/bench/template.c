/* SPDX-License-Identifier: BSD-3-Clause */

#include "template_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <weir/csum.h>
#include <weir/units.h>

#define TTL 64

void bench_template_make(const struct bench_flow_conf *c, uint16_t flow, struct bench_template *out)
{
	*out = (struct bench_template){
		.frame = {.eth = {.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4)},
			  .ip = {.version_ihl = RTE_IPV4_VHL_DEF,
				 .time_to_live = TTL,
				 .next_proto_id = IPPROTO_UDP,
				 .src_addr = rte_cpu_to_be_32(c->src + flow / 256u),
				 .dst_addr = rte_cpu_to_be_32(c->dst)},
			  .udp = {.src_port = rte_cpu_to_be_16((uint16_t)(c->sport + flow % 256u)),
				  .dst_port = rte_cpu_to_be_16(c->dport)},
			  .stamp = {.magic = rte_cpu_to_be_16(BENCH_STAMP_MAGIC),
				    .host = rte_cpu_to_be_16(c->host),
				    .run = rte_cpu_to_be_16(c->run),
				    .flow = rte_cpu_to_be_16(flow)}},
	};
	out->frame.ip.hdr_checksum =
		weir_csum_fold(weir_csum_sum(&out->frame.ip, sizeof(out->frame.ip)));
}

const struct bench_stamp *bench_stamp_find(const void *frame, uint32_t bytes)
{
	const struct bench_frame *f = frame;

	if (bytes < sizeof(*f) || f->eth.ether_type != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) ||
	    f->ip.version_ihl != RTE_IPV4_VHL_DEF || f->ip.next_proto_id != IPPROTO_UDP ||
	    f->stamp.magic != rte_cpu_to_be_16(BENCH_STAMP_MAGIC))
		return NULL;
	return &f->stamp;
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
		*out = (struct bench_sizes){.min = 60, .max = 1514, .imix = true};
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

/* splitmix64: good enough to shuffle, the same everywhere. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Of 12 packets 7 are short, 4 are middling and 1 is long. */
static uint16_t imix_size(unsigned i)
{
	const unsigned of12 = i % 12;

	return of12 < 7 ? 60 : of12 < 11 ? 590 : 1514;
}

void bench_sizes_make(const struct bench_sizes *s, uint64_t seed, uint16_t out[BENCH_SIZES])
{
	const uint32_t span = (uint32_t)s->max - s->min;

	for (unsigned i = 0; i < BENCH_SIZES; i++)
		out[i] = s->imix ? imix_size(i)
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
