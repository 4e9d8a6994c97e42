/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Records as the firewall writes them. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <weir/record.h>

#define TOY_SECOND UINT64_C(1000000000)
/* 2026-01-13T02:19:53.123456789Z */
#define TOY_TIME (UINT64_C(1768270793) * TOY_SECOND + 123456789)

static inline struct weir_tuple toy_tuple(const char *src, uint16_t sport, const char *dst,
					  uint16_t dport, uint8_t proto)
{
	const uint8_t family = strchr(src, ':') == NULL ? 4 : 6;
	struct weir_tuple t = {
		.sport = htons(sport), .dport = htons(dport), .proto = proto, .family = family};

	if (inet_pton(family == 4 ? AF_INET : AF_INET6, src, t.src) != 1 ||
	    inet_pton(family == 4 ? AF_INET : AF_INET6, dst, t.dst) != 1)
		t.family = 0;
	return t;
}

/* A flow of TCP through a masquerade, at its end. */
static inline struct weir_record toy_flow(void)
{
	return (struct weir_record){
		.time_ns = TOY_TIME,
		.start_ns = TOY_TIME - 95 * TOY_SECOND,
		.flow_id = weir_record_flow_id(1, 77, 5000),
		.pkts = {10, 8},
		.bytes = {1200, 64000},
		.orig = toy_tuple("10.0.0.2", 40000, "198.51.100.7", 443, IPPROTO_TCP),
		.to = toy_tuple("192.0.2.1", 50001, "198.51.100.7", 443, IPPROTO_TCP),
		.rule = 3,
		.mark = 9,
		.worker = 1,
		.kind = WEIR_RECORD_FLOW_END,
		.reason = WEIR_RECORD_CLOSED,
		.zone = {1, 2},
		.tcp_flags = {0xdb, 0x1b},
		.tcp_state = 7,
		.app = 5,
	};
}

/* Names as a policy has them: two zones, one rule, one pattern. */
static inline const char *toy_zone(void *ctx, uint32_t n)
{
	return n == 1 ? "lan" : n == 2 ? "wan" : NULL;
}

static inline const char *toy_rule(void *ctx, uint32_t n)
{
	return n == 3 ? "web" : NULL;
}

static inline const char *toy_signature(void *ctx, uint32_t n)
{
	return n == 2001 ? "an \"evil\" domain" : NULL;
}

static inline const char *toy_domains(void *ctx, uint32_t n)
{
	return n == 1 ? "blocked" : NULL;
}

static inline const char *toy_app(void *ctx, uint32_t n)
{
	return n == 5 ? "tls" : NULL;
}

static inline const char *toy_tcp_state(void *ctx, uint32_t n)
{
	return n == 7 ? "TIME_WAIT" : NULL;
}

static const struct weir_record_names toy_names = {
	.rule = toy_rule,
	.zone = toy_zone,
	.signature = toy_signature,
	.domains = toy_domains,
	.app = toy_app,
	.tcp_state = toy_tcp_state,
};
