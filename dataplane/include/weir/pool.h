/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Packet buffers: pools on each NUMA node, sized by arithmetic that --plan prints.
 */

#include <rte_mempool.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/must_check.h>
#include <weir/why.h>

/** What decides how many buffers are needed and how large they are. */
struct weir_pool_need {
	uint32_t rx_descs; /**< of all rx queues that draw from this pool (fill rings too) */
	uint32_t tx_descs; /**< of all tx queues that may hold its buffers (completion rings too) */
	uint32_t workers;  /**< that draw from it: each has a cache and a pass's packets */
	uint32_t held;	  /**< packets that tables may hold: neighbours' queues, fragments, rings */
	uint16_t mtu;	  /**< largest of the ports */
	bool scatter;	  /**< ports can chain buffers: 2 KiB ones will do for any MTU */
	bool small_pages; /**< no hugepages: a buffer does not cross a page of 4 KiB */
};

/** The answer. */
struct weir_pool_plan {
	uint32_t mbufs;	     /**< how many buffers */
	uint16_t data_bytes; /**< data room with headroom */
	uint16_t cache;	     /**< per worker */
	uint64_t bytes;	     /**< memory for all of it */
};

/** The arithmetic, pure. Any thread. */
void weir_pool_size(const struct weir_pool_need *need, struct weir_pool_plan *out);

/** The arithmetic in one line, as --plan prints it. @return length as snprintf. */
int weir_pool_explain(const struct weir_pool_need *need, char *buf, size_t len);

/**
 * Make a pool of mbufs with a weir_meta each.
 * @return 0, or -errno with a sentence that says how many hugepages are missing.
 */
WEIR_MUST_CHECK int weir_pool_create(const char *name, const struct weir_pool_plan *plan, int numa,
				     struct rte_mempool **out, struct weir_why *why);
