/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the parts of the control path share about EAL, and what its tests call. */

#include <sched.h>
#include <stdint.h>
#include <weir/eal.h>

/** An argument vector that owns its strings. */
struct weir_eal_args {
	char **argv;
	int argc;
};

/**
 * The arguments that @p conf means.
 * @param allowed the CPUs that this process may use.
 * @return 0, -EINVAL for a core that is not there, -ENOMEM.
 */
int weir_eal_args(const struct weir_eal_conf *conf, const cpu_set_t *allowed,
		  struct weir_eal_args *out, struct weir_why *why);
void weir_eal_args_free(struct weir_eal_args *a);

/** Whether @p sysfs (/sys/kernel/mm/hugepages) shows enough free pages. @return 0 or -ENOMEM. */
int weir_eal_check_pages(const char *sysfs, enum weir_hugepages kind, uint32_t memory_mib,
			 struct weir_why *why);

/** Send what DPDK says to weir's log. Before rte_eal_init(). */
int weir_eal_log_open(void);

/** DPDK's lines of this thread are no longer logged: the caller will say what happened. */
void weir_eal_log_hush(void);
/** Log them again. */
void weir_eal_log_speak(void);
/** DPDK's first error since the hush, for those that follow only repeat it; "" if none. */
const char *weir_eal_log_cause(void);
