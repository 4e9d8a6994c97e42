/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the parts of the control path share about EAL, and what its tests call. */

#include <sched.h>
#include <stdint.h>
#include <weir/eal.h>

/** An argument vector that owns its strings. */
struct eal_words {
	char **argv;
	int argc;
};

/**
 * The arguments that @p conf means.
 * @param allowed the CPUs that this process may use.
 * @return 0, -EINVAL for a core that is not there, -ENOMEM.
 */
int eal_words(const struct weir_eal_conf *conf, const cpu_set_t *allowed, struct eal_words *out,
	      struct weir_why *why);
void eal_words_free(struct eal_words *a);

/** Whether @p sysfs (/sys/kernel/mm/hugepages) shows enough free pages. @return 0 or -ENOMEM. */
int eal_check_pages(const char *sysfs, enum weir_hugepages kind, uint32_t memory_mib,
		    struct weir_why *why);

/** Send what DPDK says to weir's log. Before rte_eal_init(). */
int eal_log_open(void);

/** DPDK's lines of this thread are no longer logged: the caller will say what happened. */
void eal_log_hush(void);
/** Log them again. */
void eal_log_speak(void);
/** DPDK's first error since the hush, for those that follow only repeat it; "" if none. */
const char *eal_log_cause(void);
