/* SPDX-License-Identifier: BSD-3-Clause */
/* Whatever stands behind net_weir_xdp0, it is refused or all of it is within bounds. */
#include "args_priv.h"

#include <errno.h>
#include <rte_log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check(const struct xdp_args *a)
{
	const size_t name = strnlen(a->iface, sizeof(a->iface));

	if (name == 0 || name == sizeof(a->iface) || strpbrk(a->iface, "/:% \n") != NULL ||
	    strnlen(a->steer, sizeof(a->steer)) == sizeof(a->steer) ||
	    strnlen(a->owns, sizeof(a->owns)) == sizeof(a->owns))
		abort();
	if (a->queues > XDP_ARGS_QUEUES || a->hw_queues > XDP_ARGS_QUEUES ||
	    a->start_queue > UINT16_MAX || a->busy_budget == 0 || a->busy_budget > UINT16_MAX ||
	    a->busy_usecs == 0 || a->busy_usecs > 1000000)
		abort();
	if (a->mode > XDP_WANT_MODE_SKB || a->zerocopy > XDP_WANT_OFF ||
	    a->busy_poll > XDP_WANT_OFF || a->rss > XDP_WANT_RSS_SOFT ||
	    a->rxcsum > XDP_WANT_RXCSUM_TRUST || a->rx_ts > XDP_WANT_RX_TS_SW)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static FILE *nowhere;
	char *text = malloc(bytes + 1);
	struct xdp_args args;
	int rc;

	if (nowhere == NULL) {
		nowhere = fopen("/dev/null", "w");
		rte_openlog_stream(nowhere);
	}
	if (text == NULL)
		return 0;
	memcpy(text, data, bytes);
	text[bytes] = '\0';
	rc = xdp_args_parse(text, &args);
	if (rc == 0)
		check(&args);
	else if (rc != -EINVAL)
		abort();
	free(text);
	return 0;
}
