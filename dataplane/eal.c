/* SPDX-License-Identifier: BSD-3-Clause */

/* EAL begun and ended. Its arguments are eal_args.c, its messages eal_log.c. */

#include "eal_priv.h"

#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <stdlib.h>
#include <string.h>

#define HUGEPAGES_SYSFS "/sys/kernel/mm/hugepages"

/* EAL moves the pointers of its argv about, so it gets a copy of the vector, not of the strings. */
static int begin(const struct eal_words *a, struct weir_why *why)
{
	char **argv = calloc((size_t)a->argc + 1, sizeof(argv[0]));
	int rc;

	if (argv == NULL)
		return weir_why(why, -ENOMEM, "out of memory");
	memcpy(argv, a->argv, (size_t)a->argc * sizeof(argv[0]));
	rc = rte_eal_init(a->argc, argv);
	free(argv);
	if (rc >= 0)
		return 0;
	rc = rte_errno ? -rte_errno : -EIO;
	return weir_why(why, rc, "DPDK's EAL did not begin: %s (%s)", strerror(-rc),
			eal_log_cause());
}

int weir_eal_init(const struct weir_eal_conf *conf, struct weir_why *why)
{
	struct eal_words a;
	cpu_set_t allowed;
	int rc;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return weir_why(why, -errno, "cannot read the CPU affinity: %s", strerror(errno));
	rc = eal_check_pages(HUGEPAGES_SYSFS, conf->hugepages, conf->memory_mib, why);
	if (rc == 0)
		rc = eal_words(conf, &allowed, &a, why);
	if (rc < 0)
		return rc;
	rc = eal_log_open();
	if (rc < 0)
		(void)weir_why(why, rc, "cannot open a log for DPDK: %s", strerror(-rc));
	if (rc == 0) {
		eal_log_hush();
		rc = begin(&a, why);
		eal_log_speak();
	}
	eal_words_free(&a);
	return rc;
}

void weir_eal_done(void)
{
	rte_eal_cleanup();
}
