/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the kernel tells of an interface while it runs: link, MTU, addresses, its end.
 *
 * A watch is a netlink socket in EAL's interrupt thread. It belongs to the network namespace in
 * which the calling thread is when the watch is added, and follows the interface by its index.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Called in EAL's interrupt thread. Any may be NULL. Each may remove the watch. */
struct xdp_link_events {
	/* Soon after the start, then at each change: frames can pass (see netdev_link()), or not.
	 */
	void (*link)(void *arg, bool up);
	/* Soon after the start, then at each change. */
	void (*mtu)(void *arg, uint32_t mtu);
	/* An address of this namespace came or went, on any interface. */
	void (*addresses)(void *arg);
	/* The interface was deleted, or has left the namespace. The last event. */
	void (*gone)(void *arg);
};

struct xdp_link_watch;

/* Begin. events and arg must live until the watch is removed. Returns 0 or -errno after one log
 * line. */
int xdp_link_watch_add(int ifindex, const struct xdp_link_events *events, void *arg,
		       struct xdp_link_watch **out);
/*
 * End, from any thread, also from one of its own events. When this returns no event runs, unless it
 * is the one that called, and none will. NULL is allowed.
 */
void xdp_link_watch_remove(struct xdp_link_watch *w);

/* ---- reading, without a socket ---- */

enum xdp_link_news_kind {
	XDP_LINK_NOTHING, /* a message that says nothing of this interface */
	XDP_LINK_STATE,
	XDP_LINK_ADDRESS,
	XDP_LINK_GONE,
};

struct xdp_link_news {
	enum xdp_link_news_kind kind;
	bool up;      /* STATE */
	uint32_t mtu; /* STATE; 0: not told */
	uint32_t min_mtu, max_mtu;
};

/*
 * Read the first netlink message of a buffer that the kernel sent. Returns how many bytes it takes
 * (always more than 0), or -EPROTO if no whole message is there.
 */
long xdp_link_read(const void *data, size_t bytes, int ifindex, struct xdp_link_news *out);
