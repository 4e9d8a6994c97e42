/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Targets that need memory and buffers of DPDK. */

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_mbuf.h>
#include <string.h>
#include <weir/meta.h>

#include "fuzz.h"

/* EAL on one core with so much memory, and no device. Once. */
static inline void fuzz_eal(const char *mib)
{
	const char *const words[] = {"fuzz", "--no-huge", "--no-shconf", "--no-pci",	     "-m",
				     mib,    "-l",	  "0",		 "--log-level=error"};
	static char kept[RTE_DIM(words)][32]; /* EAL may write to them */
	char *args[RTE_DIM(words)];

	for (unsigned i = 0; i < RTE_DIM(words); i++)
		args[i] = strcpy(kept[i], words[i]);
	must(rte_eal_init(RTE_DIM(args), args) >= 0, "EAL begins");
}

/* So many buffers for whole packets. */
static inline struct rte_mempool *fuzz_pool(unsigned mbufs)
{
	struct rte_mempool *pool =
		rte_pktmbuf_pool_create("fuzz", mbufs, 0, sizeof(struct weir_meta),
					RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);

	must(pool != NULL, "there is memory");
	return pool;
}
