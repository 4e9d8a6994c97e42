/* SPDX-License-Identifier: BSD-3-Clause */

/* Compares the release we were compiled with to the one that runs; the minor number changes no
 * layout. */

#include "version_priv.h"

#include "log_priv.h"

#include <errno.h>
#include <rte_version.h>

RTE_LOG_REGISTER(xdp_logtype, pmd.net.weir_xdp, NOTICE)

int xdp_version_check(void)
{
	unsigned year = rte_version_year(), month = rte_version_month();

	if (year == RTE_VER_YEAR && month == RTE_VER_MONTH)
		return 0;
	XDP_LOG(ERR, "compiled for DPDK %u.%02u, this is DPDK %u.%02u: build the driver against it",
		RTE_VER_YEAR, RTE_VER_MONTH, year, month);
	return -ENOTSUP;
}
