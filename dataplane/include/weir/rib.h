/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The routing table of the control thread: interfaces and routes in, forwarding tables out.
 *
 * A change is a transaction: begin, any number of changes, commit. The commit gives a struct
 * weir_l3 to publish in a generation; when that generation has replaced the former one, the
 * former's weir_l3 is released. A change that fails leaves everything as it was.
 *
 *	rc = weir_rib_begin(rib);
 *	if (rc == 0)
 *		rc = weir_rib_set_ifaces(rib, ifaces, n, &why);
 *	if (rc == 0)
 *		rc = weir_rib_replace(rib, WEIR_ROUTE_STATIC, routes, n_routes, &why);
 *	if (rc == 0)
 *		rc = weir_rib_commit(rib, &l3, &why);
 *	if (rc < 0)
 *		weir_rib_abort(rib);
 *
 * The forwarding tables (rte_fib, RFC 1812 5.2.4.3: the longest match wins) exist twice. Workers
 * read one side; a commit applies the difference to the other, and the same difference to the
 * first one when nobody reads it any more. So changing one of a million routes costs
 * microseconds, and memory is fixed.
 *
 * All functions are called by the control thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/addr.h>
#include <weir/l3.h>
#include <weir/must_check.h>
#include <weir/why.h>

/** Where a route comes from; of two for one prefix the first in this order wins. */
enum weir_route_source {
	WEIR_ROUTE_CONNECTED, /**< follows from an interface's address; made by the table itself */
	WEIR_ROUTE_STATIC,    /**< the configuration */
	WEIR_ROUTE_KERNEL,    /**< mirrored from the kernel, where BIRD or FRR put it */
	WEIR_ROUTE_RA,	      /**< a default router's advertisement (RFC 4861) */
	WEIR_ROUTE_SOURCES    /**< how many there are */
};

/** One way to go. */
struct weir_nexthop {
	struct weir_addr gateway; /**< family 0: none, the destination is on the link */
	uint16_t iface; /**< index, or WEIR_NO_IFACE: the one whose subnet has the gateway */
	bool onlink;	/**< the gateway is on iface's link whatever the subnets say */
};

/** A route. */
struct weir_route {
	struct weir_prefix to; /**< host bits must be 0 */
	/** WEIR_HOP_GATEWAY (with hops), or _BLACKHOLE, _UNREACHABLE, _PROHIBIT (without). */
	enum weir_hop_kind kind;
	enum weir_route_source source; /**< who put it there */
	uint32_t metric;	       /**< the lower one wins among those of one source */
	uint16_t mtu;		       /**< bytes; 0: that of the interface */
	uint16_t n_hops; /**< 1 to WEIR_GROUP_MAX; more than one: ECMP by the flow's hash */
	const struct weir_nexthop *hops; /**< n_hops of them; copied when the route is added */
};

/**
 * Sizes. Zero means: the default.
 *
 * More than 32,703 groups of a family double the size of its table (4-byte entries).
 */
struct weir_rib_conf {
	uint32_t routes4; /**< IPv4 prefixes, our own included; default 100,000 */
	uint32_t routes6; /**< IPv6 prefixes, our own included; default 25,000 */
	uint32_t groups4; /**< /24 networks with longer prefixes inside; default 8,192 or
			   routes4 / 16 */
	uint32_t groups6; /**< blocks of 256 for IPv6 prefixes beyond /24; default 32,703, or
			   2 * routes6 if that is more than 32,703 */
	int numa;	  /**< node of the workers' memory, -1: any */
};

/** How full it is. */
struct weir_rib_stats {
	uint32_t routes4;			/**< IPv4 prefixes in the forwarding table */
	uint32_t routes6;			/**< IPv6 prefixes in the forwarding table */
	uint32_t max_routes4;			/**< what routes4 can reach */
	uint32_t max_routes6;			/**< what routes6 can reach */
	uint32_t by_source[WEIR_ROUTE_SOURCES]; /**< routes, also those that another one beats */
	uint32_t inactive; /**< kernel routes whose interface or gateway is not there */
	uint32_t hops;	   /**< next hops and groups in use, of WEIR_HOPS_MAX */
	uint64_t bytes;	   /**< memory: fixed tables and what the routes need now */
};

/** What becomes of a packet to an address. */
struct weir_rib_answer {
	struct weir_prefix prefix;		/**< the longest match; family 0: none */
	enum weir_route_source source;		/**< who put that route there */
	uint32_t metric;			/**< its metric */
	uint32_t hop_number;			/**< in weir_l3.hops */
	struct weir_hop hop;			/**< what it leads to */
	struct weir_hop member[WEIR_GROUP_MAX]; /**< GROUP: hop.group_n of them */
	char text[WEIR_WHY_LEN];		/**< the same as a sentence */
};

struct weir_rib;

/**
 * Make an empty table. EAL must be up; works with --no-huge.
 * @param conf  NULL: defaults.
 * @return 0, -EINVAL or -ENOMEM with a sentence that says how much memory was wanted.
 */
WEIR_MUST_CHECK int weir_rib_create(const struct weir_rib_conf *conf, struct weir_rib **out,
				    struct weir_why *why);
/** Free. Every weir_l3 must be released. NULL is allowed. */
void weir_rib_free(struct weir_rib *rib);

/** The memory of a table with these sizes, for --plan: bytes, of which most are hugepages. */
WEIR_MUST_CHECK uint64_t weir_rib_size(const struct weir_rib_conf *conf);

/**
 * Begin a change. None may be open.
 * @return 0, or -EBUSY if the weir_l3 before the last commit is not released yet.
 */
WEIR_MUST_CHECK int weir_rib_begin(struct weir_rib *rib);

/**
 * Set the interfaces; copied. From them follow connected routes, addresses of ours, broadcasts.
 *
 * An interface keeps its index as long as its name is there; see weir_rib_iface(). A table that
 * had none gives 0, 1, 2 ... in the order of the array. weir_iface.link_local is made from the MAC
 * address if its family is 0, unless no_link_local. Kernel routes through an interface that is gone
 * become inactive.
 * @return 0, -EINVAL, -EEXIST (a name, VLAN, address or subnet twice), -ENOSPC, -ENOMEM.
 */
WEIR_MUST_CHECK int weir_rib_set_ifaces(struct weir_rib *rib, const struct weir_iface *ifaces,
					uint16_t n, struct weir_why *why);

/** Whether weir_rib_set_ifaces() of an empty table would take them. @return as it does. Any thread.
 */
WEIR_MUST_CHECK int weir_ifaces_check(const struct weir_iface *ifaces, uint16_t n,
				      struct weir_why *why);

/** Index of an interface by name, as changed so far; WEIR_NO_IFACE: none. */
WEIR_MUST_CHECK uint16_t weir_rib_iface(const struct weir_rib *rib, const char *name);

/**
 * Add a route, or replace that of the same prefix, source and metric.
 *
 * Whether a static route's gateway is on a connected subnet is judged at the commit.
 * @return 0, -EINVAL (malformed), -ENOSPC (limit), -ENOMEM.
 */
WEIR_MUST_CHECK int weir_rib_route_add(struct weir_rib *rib, const struct weir_route *route,
				       struct weir_why *why);

/** Delete the route of this prefix, source and metric. @return 0, -ENOENT or -ENOMEM. */
WEIR_MUST_CHECK int weir_rib_route_del(struct weir_rib *rib, const struct weir_prefix *to,
				       enum weir_route_source source, uint32_t metric,
				       struct weir_why *why);

/** How many next hops the route of this prefix, source and metric has now, or -ENOENT. */
WEIR_MUST_CHECK int weir_rib_route_hops(const struct weir_rib *rib, const struct weir_prefix *to,
					enum weir_route_source source, uint32_t metric);

/** Whether the open change changes anything: if not, aborting it saves a generation. */
WEIR_MUST_CHECK bool weir_rib_is_changed(const struct weir_rib *rib);

/** Begin to replace all routes of a source: those not added again before the sweep go. */
void weir_rib_mark(struct weir_rib *rib, enum weir_route_source source);
/** End of the replacement that weir_rib_mark() began. @return 0 or -ENOMEM. */
WEIR_MUST_CHECK int weir_rib_sweep(struct weir_rib *rib, enum weir_route_source source,
				   struct weir_why *why);

/** Make these all the routes of a source: mark, add each, sweep. Errors as those three. */
WEIR_MUST_CHECK int weir_rib_replace(struct weir_rib *rib, enum weir_route_source source,
				     const struct weir_route *routes, size_t n,
				     struct weir_why *why);

/**
 * Apply the change and end it.
 * @param out  what to publish; release it with weir_rib_release() when no worker reads it.
 * @return 0, or a failure that leaves the state before weir_rib_begin() (and the change ended):
 *         -ENETUNREACH (a static route's gateway is on no connected subnet), -ENOSPC (routes,
 *         groups or next hops are full), -ENOMEM.
 */
WEIR_MUST_CHECK int weir_rib_commit(struct weir_rib *rib, const struct weir_l3 **out,
				    struct weir_why *why);

/** Forget the change begun. Nothing happens if none is open. */
void weir_rib_abort(struct weir_rib *rib);

/**
 * Undo the last commit, because its weir_l3 was not published after all (which this frees).
 * The former weir_l3 must not have been released, and no change may have begun since.
 */
void weir_rib_revert(struct weir_rib *rib, const struct weir_l3 *l3);

/**
 * No worker reads this weir_l3 any more: free it, and bring the side that it pointed to up to
 * date. What weir_gen.free calls. NULL is allowed.
 */
void weir_rib_release(struct weir_rib *rib, const struct weir_l3 *l3);

/** What the committed table says of an address; for `weirctl explain`. */
void weir_rib_explain(const struct weir_rib *rib, const struct weir_addr *to,
		      struct weir_rib_answer *out);

/** A route as weir_rib_each() shows it. */
struct weir_route_view {
	struct weir_route route; /**< valid during the call */
	bool active;		 /**< this one is in the forwarding table */
};

/**
 * Show every route, sorted by family, address, length, then best first.
 * @return 0, what @p fn returned if not 0 (it stops there), or -ENOMEM.
 */
WEIR_MUST_CHECK int weir_rib_each(const struct weir_rib *rib,
				  int (*fn)(void *ctx, const struct weir_route_view *view),
				  void *ctx);

/** Count. */
void weir_rib_stats(const struct weir_rib *rib, struct weir_rib_stats *out);

/** "connected", "static", "kernel", "ra". */
const char *weir_route_source_name(enum weir_route_source source);
/** "gateway", "link", "blackhole" ... */
const char *weir_hop_kind_name(enum weir_hop_kind kind);
