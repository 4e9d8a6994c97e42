/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* DPDK without hugepages, with memory for routing tables, and words for routes. */

#include "test.h"

#include <rte_eal.h>
#include <stdio.h>
#include <string.h>
#include <weir/rib.h>

/* Begins EAL when first asked. */
static inline void toy_rib_eal(void)
{
	static const char *const words[] = {"test",	"--no-huge", "--no-shconf",
					    "--no-pci", "-m",	     "640",
					    "-l",	"0",	     "--log-level=error"};
	static char kept[sizeof(words) / sizeof(words[0])][32];
	char *args[sizeof(words) / sizeof(words[0])];
	static bool begun;

	if (begun)
		return;
	begun = true;
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		snprintf(kept[i], sizeof(kept[i]), "%s", words[i]);
		args[i] = kept[i];
	}
	CU_ASSERT_FATAL(rte_eal_init((int)(sizeof(words) / sizeof(words[0])), args) >= 0);
}

/* Sizes that suit a test. */
static const struct weir_rib_conf toy_rib_conf = {
	.routes4 = 3000, .routes6 = 1000, .groups4 = 500, .groups6 = 2000, .numa = -1};

static inline struct weir_prefix toy_prefix(const char *text)
{
	struct weir_prefix p = {0};

	CU_ASSERT_EQUAL_FATAL(weir_prefix_parse(text, strlen(text), &p), 0);
	return p;
}

static inline struct weir_addr toy_addr(const char *text)
{
	struct weir_addr a = {0};

	CU_ASSERT_EQUAL_FATAL(weir_addr_parse(text, strlen(text), &a), 0);
	return a;
}

/* An untagged interface of a port, with one IPv4 and one IPv6 address (NULL: none). */
static inline struct weir_iface toy_iface(const char *name, uint16_t port, const char *v4,
					  const char *v6)
{
	struct weir_iface i = {.port = port, .mtu = 1500, .mac = {2, 0, 0, 0, 0, (uint8_t)port}};

	snprintf(i.name, sizeof(i.name), "%s", name);
	if (v4 != NULL)
		i.addr[i.n_addrs++] = toy_prefix(v4);
	if (v6 != NULL)
		i.addr[i.n_addrs++] = toy_prefix(v6);
	return i;
}

/* The hop that an address leads to in the tables that a worker reads. */
static inline uint16_t toy_lookup(const struct weir_l3 *l3, const char *text)
{
	const struct weir_addr a = toy_addr(text);
	const uint8_t *b = a.bytes;
	uint32_t ip = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
	uint64_t hop;

	if (a.family == 4)
		rte_fib_lookup_bulk(l3->fib4, &ip, &hop, 1);
	else
		rte_fib6_lookup_bulk(l3->fib6, (void *)(uintptr_t)b, &hop, 1);
	return (uint16_t)hop;
}

static inline enum weir_hop_kind toy_kind(const struct weir_l3 *l3, const char *text)
{
	return (enum weir_hop_kind)l3->hops[toy_lookup(l3, text)].kind;
}
