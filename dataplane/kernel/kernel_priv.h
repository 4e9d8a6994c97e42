/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Reading rtnetlink messages: pure functions, so that tests and fuzzers can feed them. */

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/addr.h>
#include <weir/kernel_routes.h>
#include <weir/rib.h>

struct weir_kernel_map {
	const struct weir_kernel_link *link;
	uint16_t n;
};

/* A route as a message tells it; route.hops points to hop, so it is not copied. */
struct weir_kernel_route {
	struct weir_route route;
	struct weir_nexthop hop[WEIR_GROUP_MAX];
};

struct weir_kernel_neigh {
	uint16_t iface;
	struct weir_addr addr;
	struct weir_mac mac;
	bool known;
};

/* 1: it is for us; 0: it is not; -EBADMSG: it lies about its lengths. */
int kernel_read_route(const struct nlmsghdr *nlh, const struct weir_kernel_map *map,
		      struct weir_kernel_route *out);
int kernel_read_neigh(const struct nlmsghdr *nlh, const struct weir_kernel_map *map,
		      struct weir_kernel_neigh *out);
/* The device of a link or address message. */
int kernel_read_ifindex(const struct nlmsghdr *nlh, uint32_t *ifindex, uint32_t *flags);
