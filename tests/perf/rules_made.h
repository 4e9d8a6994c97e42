/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Rule sets for perf_rules, in the manner of ClassBench (Taylor and Turner, 2007). */

#include <stdio.h>
#include <weir/rules.h>

/* What they are like. */
enum rules_kind {
	RULES_ACL, /* access lists: hosts and subnets to hosts, one port */
	RULES_FW,  /* firewalls: half of the sides are any, ranges of ports on both sides */
	RULES_KINDS
};

/* Rules and all that they point to. */
struct rules_made {
	uint32_t n;
	struct weir_rule *rules;
	struct weir_prefix (*prefixes)[2];
	struct weir_range (*ranges)[2];
	char (*names)[12];
};

const char *rules_kind_name(enum rules_kind kind);

/* Make n rules; ends the program if it cannot. The same n gives the same rules. */
void rules_make(struct rules_made *m, enum rules_kind kind, uint8_t family, uint32_t n);
void rules_unmake(struct rules_made *m);

/* Packets, each inside a random rule. */
void rules_packets(const struct rules_made *m, struct weir_rule_ask *asks, uint32_t n);

/* Write what dpdk-test-acl reads (IPv4). */
void rules_write(const struct rules_made *m, FILE *out);
void rules_write_packets(const struct weir_rule_ask *asks, uint32_t n, FILE *out);
