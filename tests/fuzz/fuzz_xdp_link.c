/* SPDX-License-Identifier: BSD-3-Clause */
/* Whatever a netlink datagram holds, its messages are stepped through to the end and not further.
 */
#include "link_priv.h"
#include "netdev_in_priv.h"

#include <stdlib.h>
#include <string.h>

#define IFINDEX 7

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	uint8_t *copy = malloc(bytes > 0 ? bytes : 1); /* so that a step past the end is seen */
	struct xdp_link_news news;
	struct netdev_xdp xdp;
	size_t at = 0;

	if (copy == NULL)
		return 0;
	memcpy(copy, data, bytes);
	while (at < bytes) {
		const long step = xdp_link_read(copy + at, bytes - at, IFINDEX, &news);

		if (step < 0 && news.kind == XDP_LINK_NOTHING)
			break;
		if (step <= 0 || (size_t)step > bytes - at ||
		    (news.kind != XDP_LINK_STATE && (news.up || news.mtu != 0)))
			abort();
		at += (size_t)step;
	}
	netdev_xdp_read(copy, bytes, &xdp);
	free(copy);
	return 0;
}
