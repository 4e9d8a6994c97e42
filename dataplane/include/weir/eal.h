/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * DPDK's environment, begun from a few facts instead of a command line.
 */

#include <stdbool.h>
#include <stdint.h>
#include <weir/must_check.h>
#include <weir/why.h>

/** Where memory comes from. */
enum weir_hugepages {
	WEIR_HUGEPAGES_2M,   /**< pages of 2 MiB */
	WEIR_HUGEPAGES_1G,   /**< pages of 1 GiB */
	WEIR_HUGEPAGES_NONE, /**< pages of 4 KiB: for tests, slower */
};

/** What EAL and the drivers take for themselves, to be counted into memory_mib. */
#define WEIR_EAL_OWN_MIB 24

/** What EAL needs to know. */
struct weir_eal_conf {
	const char *program; /**< what EAL calls itself in its messages; NULL: "weir" */
	/** One worker on each, in order; worker i runs as lcore i + 1. Two may share a core. */
	const uint16_t *cores;
	uint16_t n_cores;	       /**< 0: only the control thread */
	enum weir_hugepages hugepages; /**< the size of pages that is asked for */
	uint32_t memory_mib; /**< how much will be used: too few free pages is said at once */
	const char *const
		*pci; /**< addresses of PCI devices to probe; NULL-terminated; NULL: none */
	const char *const *plugins; /**< drivers to load (-d); NULL-terminated; NULL: none */
	const char *const *extra;   /**< further EAL arguments; NULL-terminated; NULL: none */
	bool verbose; /**< log what DPDK says from info up, instead of its errors alone */
};

/**
 * Begin. Nothing is left in the file system (in-memory mode), so a killed process leaves nothing.
 * The calling thread becomes the control thread (lcore 0), on the cores that no worker has.
 * @return 0 or -errno with a sentence and the remedy. Once per process.
 */
WEIR_MUST_CHECK int weir_eal_init(const struct weir_eal_conf *conf, struct weir_why *why);

/** End it. No port, pool or worker may be left. */
void weir_eal_done(void);

/** The lcore id of a worker. */
WEIR_MUST_CHECK static inline unsigned weir_eal_lcore(unsigned worker)
{
	return worker + 1;
}
