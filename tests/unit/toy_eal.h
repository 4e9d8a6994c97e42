/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* DPDK without hugepages or devices, for tests that need real buffers. */

#include "test.h"

#include <rte_eal.h>
#include <rte_mbuf.h>
#include <weir/meta.h>

#define TOY_POOL_MBUFS 511
#define TOY_POOL_BYTES 2048 /* behind the headroom */

/* The program's one pool of TOY_POOL_MBUFS buffers; begins EAL when first asked. */
static inline struct rte_mempool *toy_pool(void)
{
	static const char *const words[] = {"test",	"--no-huge", "--no-shconf",
					    "--no-pci", "-m",	     "64",
					    "-l",	"0",	     "--log-level=error"};
	static char kept[RTE_DIM(words)][32];
	static struct rte_mempool *pool;
	char *args[RTE_DIM(words)];

	if (pool != NULL)
		return pool;
	for (unsigned i = 0; i < RTE_DIM(words); i++) {
		snprintf(kept[i], sizeof(kept[i]), "%s", words[i]);
		args[i] = kept[i];
	}
	CU_ASSERT_TRUE_FATAL(rte_eal_init(RTE_DIM(args), args) >= 0);
	pool = rte_pktmbuf_pool_create("toy", TOY_POOL_MBUFS, 0, sizeof(struct weir_meta),
				       RTE_PKTMBUF_HEADROOM + TOY_POOL_BYTES, SOCKET_ID_ANY);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	return pool;
}
