/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* EAL for a test: ordinary memory, no device, nothing left behind. Begun once, by the first test.
 */

#include "test.h"

#include <stdlib.h>
#include <weir/eal.h>
#include <weir/pool.h>

/* A test that needs more memory says so before it includes this. */
#ifndef TOY_EAL_MIB
#define TOY_EAL_MIB 64
#endif

static inline void toy_eal(void)
{
	static bool up;
	const struct weir_eal_conf conf = {.program = "weir-test",
					   .hugepages = WEIR_HUGEPAGES_NONE,
					   .memory_mib = TOY_EAL_MIB};
	struct weir_why why = {0};

	if (!up && weir_eal_init(&conf, &why) < 0) {
		fprintf(stderr, "%s\n", why.text);
		exit(1);
	}
	up = true;
}

/* A pool of this many buffers. */
static inline struct rte_mempool *toy_pool(const char *name, uint32_t mbufs)
{
	const struct weir_pool_plan plan = {.mbufs = mbufs, .data_bytes = 2176, .cache = 32};
	struct rte_mempool *mp = NULL;

	toy_eal();
	CU_ASSERT_EQUAL_FATAL(weir_pool_create(name, &plan, -1, &mp, NULL), 0);
	return mp;
}

/* The one of a test that needs no more: few enough that a test can take them all. */
#define TOY_MBUFS 511

static inline struct rte_mempool *toy_only_pool(void)
{
	static struct rte_mempool *mp;

	if (mp == NULL)
		mp = toy_pool("toy", TOY_MBUFS);
	return mp;
}
