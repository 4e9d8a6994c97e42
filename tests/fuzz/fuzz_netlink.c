/* SPDX-License-Identifier: BSD-3-Clause */
/* Whatever a netlink message holds, a route or neighbour that is read from it is a sane one. */
#include "kernel_priv.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_route(const struct weir_kernel_route *r)
{
	const struct weir_prefix net = weir_prefix_network(&r->route.to);

	if (r->route.to.length > (r->route.to.addr.family == 4 ? 32 : 128) ||
	    r->route.n_hops > WEIR_GROUP_MAX || !weir_addr_equal(&net.addr, &r->route.to.addr))
		abort();
	for (uint16_t i = 0; i < r->route.n_hops; i++)
		if (r->hop[i].iface > 1)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const struct weir_kernel_link links[] = {{7, 0}, {9, 1}};
	static const struct weir_kernel_map map = {links, 2};
	struct weir_kernel_route route;
	struct weir_kernel_neigh neigh;
	struct nlmsghdr *nlh;
	uint32_t ifindex, flags;

	if (bytes < sizeof(*nlh))
		return 0;
	nlh = malloc(bytes); /* so that a step past the end is seen */
	if (nlh == NULL)
		return 0;
	memcpy(nlh, data, bytes);
	nlh->nlmsg_len = (uint32_t)bytes;
	if (kernel_read_route(nlh, &map, &route) > 0)
		check_route(&route);
	if (kernel_read_neigh(nlh, &map, &neigh) > 0 && neigh.iface > 1)
		abort();
	kernel_read_ifindex(nlh, &ifindex, &flags);
	free(nlh);
	return 0;
}
