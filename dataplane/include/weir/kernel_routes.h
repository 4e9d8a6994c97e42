/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A mirror of the kernel's routes and neighbours: BIRD or FRR beside weir drive it this way.
 *
 * One netlink socket (rtnetlink(7)) follows changes of the main table; everything is read once at
 * the start and again whenever the kernel could not tell all. What one wake-up brings is one
 * commit of the routing table. Routes count as WEIR_ROUTE_KERNEL. The network namespace is that of
 * the thread at create. Control thread only.
 */

#include <stdint.h>
#include <weir/addr.h>
#include <weir/must_check.h>
#include <weir/rib.h>
#include <weir/why.h>

/** Which of weir's interfaces a device of the kernel stands for (a TAP, or the AF_XDP device). */
struct weir_kernel_link {
	uint32_t ifindex; /**< the kernel's number of it, in the mirror's network namespace */
	uint16_t iface;	  /**< weir_rib_iface(); routes through other devices are left out */
};

/** What the mirror is made of. */
struct weir_kernel_conf {
	struct weir_rib *rib; /**< borrowed */
	/**
	 * Publish changed routes in a new generation.
	 * @return 0 (then @p l3 is released as usual), or -errno: the change is reverted.
	 */
	int (*publish)(void *ctx, const struct weir_l3 *l3);
	/** A neighbour that the kernel knows (@p mac), or knows no more (NULL). May be NULL. */
	void (*neigh)(void *ctx, uint16_t iface, const struct weir_addr *addr,
		      const struct weir_mac *mac);
	void *ctx; /**< first argument of publish and neigh */
};

/** What it has done. */
struct weir_kernel_stats {
	uint64_t messages; /**< read, dumps included */
	uint64_t ignored;  /**< routes that are not for weir: other tables, devices, kinds */
	uint64_t bad;	   /**< messages that could not be read */
	uint64_t resyncs;  /**< times that everything was read */
	uint64_t commits;  /**< changes that were published */
};

struct weir_kernel;

/** Open the sockets and begin to follow; nothing is read yet. @return 0 or -errno. */
WEIR_MUST_CHECK int weir_kernel_create(const struct weir_kernel_conf *conf,
				       struct weir_kernel **out, struct weir_why *why);
/** Close. Its routes stay in the table. NULL is allowed. */
void weir_kernel_free(struct weir_kernel *k);

/**
 * Set the devices; copied. Everything is read again at the next weir_kernel_poll().
 * @return 0 or -ENOMEM (the former ones stay).
 */
WEIR_MUST_CHECK int weir_kernel_links(struct weir_kernel *k, const struct weir_kernel_link *links,
				      uint16_t n, struct weir_why *why);

/** For epoll: readable when weir_kernel_poll() has work. */
int weir_kernel_fd(const struct weir_kernel *k);

/**
 * Read what there is and commit it. To be called once after create, then when the fd is readable;
 * no change of the routing table may be open.
 * @return 1 if something was published, 0 if not, or -errno with a sentence: the routes are as
 *         before, and the next call reads everything again.
 */
WEIR_MUST_CHECK int weir_kernel_poll(struct weir_kernel *k, struct weir_why *why);

/** Copy its statistics. */
void weir_kernel_stats(const struct weir_kernel *k, struct weir_kernel_stats *out);
