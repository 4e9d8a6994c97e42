/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What the files of this folder share: next hops, paths, interfaces and the two sides of the
 * forwarding tables, from which rib.c makes transactions. Control thread only.
 *
 *	prefix (rib.c) -> routes, best first -> path (paths.c) -> hop number (hops.c)
 *	       '--------------- installed in a side (fib.c) ---------'
 */

#include <stdbool.h>
#include <stdint.h>
#include <weir/l3.h>
#include <weir/rib.h>
#include <weir/siphash.h>

/* hops.c: next hops by number. Equal ones are one; a number in use never changes. */

struct weir_hops;

int hops_create(int numa, const struct weir_siphash_key *key, struct weir_hops **out);
void hops_free(struct weir_hops *h);
/* Find or make a hop and count a reference. Members (GROUP) are counted by their group. */
int hops_get(struct weir_hops *h, const struct weir_hop *hop, const uint16_t *members,
	     uint16_t *number);
/* Give a reference back; number 0 is allowed. */
void hops_put(struct weir_hops *h, uint16_t number);
const struct weir_hop *hops_at(const struct weir_hops *h, uint16_t number);
const uint16_t (*hops_members(const struct weir_hops *h))[WEIR_GROUP_MAX];
uint32_t hops_used(const struct weir_hops *h);
uint64_t hops_bytes(void);

/* fib.c: one side of the forwarding tables. */

struct weir_fib {
	struct rte_fib *v4;
	struct rte_fib6 *v6;
	const uint8_t *first4; /* weir_l3's */
	uint8_t first4_bytes;
	uint32_t groups4, groups6; /* blocks of 256 that the prefixes need */
};

int fib_create(struct weir_fib *f, const struct weir_rib_conf *conf);
void fib_destroy(struct weir_fib *f);
/* Let a prefix lead to a hop; 0: nowhere (again). After a failure the side must be made anew. */
int fib_set(struct weir_fib *f, const struct weir_rib_conf *conf, const struct weir_prefix *to,
	    uint16_t hop);
uint64_t fib_bytes(const struct weir_rib_conf *conf);

/* ifaces.c: a set of interfaces with the maps that find one by port and VLANs. */

struct weir_path;

struct weir_ifaces {
	unsigned refs;
	uint16_t n;
	struct weir_iface *at;	 /* n */
	struct weir_path **link; /* n: the path of kind LINK of each, NULL for a free index */
	uint16_t *link_hop;	 /* n */
	uint16_t untagged[WEIR_PORTS_MAX];
	uint16_t *tagged[WEIR_PORTS_MAX];
	uint16_t **inner[WEIR_PORTS_MAX];
};

/* Index them: names that are in @p before keep their index. Judges names, VLANs, addresses. */
int ifaces_create(const struct weir_ifaces *before, const struct weir_iface *ifaces, uint16_t n,
		  struct weir_ifaces **out, struct weir_why *why);
/* Paths must have been put back. */
void ifaces_free(struct weir_ifaces *s);
uint16_t ifaces_find(const struct weir_ifaces *s, const char *name);
bool ifaces_same(const struct weir_ifaces *s, const struct weir_iface *ifaces, uint16_t n);
/* The interface that has the address in a subnet (the longest), or WEIR_NO_IFACE. */
uint16_t ifaces_subnet(const struct weir_ifaces *s, const struct weir_addr *addr);
/* Whether one interface has it in a subnet, or could by its scope (fe80::/10). */
bool iface_reaches(const struct weir_iface *i, const struct weir_addr *addr);
/* Call for each prefix that follows from the interfaces. Stops at the first that is not 0. */
int ifaces_derive(const struct weir_ifaces *s,
		  int (*fn)(void *ctx, const struct weir_prefix *to, enum weir_hop_kind kind,
			    uint16_t iface, struct weir_why *why),
		  void *ctx, struct weir_why *why);

/* paths.c: what routes lead to before interfaces are known. Equal ones are one. */

struct weir_path {
	struct weir_path *next;	 /* in the bucket */
	struct weir_path *fresh; /* in the list of those not resolved yet */
	uint32_t refs;
	uint16_t hop;	  /* resolved: a reference on a hop; 0: leads nowhere now */
	uint16_t old_hop; /* that before the change, while it can be undone */
	uint16_t mtu;
	uint8_t kind; /* enum weir_hop_kind */
	uint8_t n;
	uint8_t lost; /* next hops that could not be resolved */
	bool unresolved;
	struct weir_nexthop nh[];
};

struct weir_paths {
	struct weir_path *bucket[8192];
	struct weir_path *fresh; /* to be resolved at the commit */
	struct weir_siphash_key key;
	struct weir_hops *hops;
	uint32_t n;
	uint64_t bytes;
};

/* Find or make a path and count a reference. Hops are sorted and made unique. */
int path_get(struct weir_paths *ps, enum weir_hop_kind kind, uint16_t mtu,
	     const struct weir_nexthop *nh, uint16_t n, struct weir_path **out);
void path_put(struct weir_paths *ps, struct weir_path *p);
/* Resolve the fresh ones, or all, against interfaces. */
int paths_resolve(struct weir_paths *ps, const struct weir_ifaces *s, bool all);
/* Of a resolve of all: keep the new hops, or go back to the old ones. */
void paths_keep(struct weir_paths *ps);
void paths_undo(struct weir_paths *ps);
/* Forget those that were never resolved; their references are gone. */
void paths_drop_fresh(struct weir_paths *ps);
/* The first next hop that cannot be resolved. */
const struct weir_nexthop *path_lost(const struct weir_path *p, const struct weir_ifaces *s);

/* rib.c: prefixes and their routes. */

struct weir_rib_route {
	struct weir_rib_route *next; /* the next worse one */
	struct weir_path *path;
	uint32_t metric;
	uint32_t seen; /* the mark under which it was last added */
	uint8_t source;
};

struct weir_rib_entry {
	struct weir_rib_entry *next;  /* in the bucket */
	struct weir_rib_entry *dirty; /* in the list of those touched by the change */
	struct weir_rib_route *routes;
	struct weir_prefix to;
	uint16_t hop;	  /* installed */
	uint16_t old_hop; /* before the change */
	bool is_dirty;
};

/* One step of a change, so that it can be taken back without memory. */
struct weir_rib_step {
	struct weir_rib_entry *entry;
	struct weir_rib_route *added, *removed;
};

struct weir_rib {
	struct weir_rib_conf conf;
	struct weir_rib_entry **bucket;
	uint32_t mask;
	struct weir_siphash_key key;
	uint32_t live[2]; /* entries with a route: IPv4, IPv6 */
	uint32_t mark[WEIR_ROUTE_SOURCES];
	uint64_t bytes;
	struct weir_hops *hops;
	struct weir_paths paths;
	struct weir_ifaces *ifaces; /* never NULL */
	struct weir_fib side[2];
	bool stale[2];	   /* to be built anew */
	unsigned users[2]; /* weir_l3 that point there */
	uint8_t current;

	/* the change that is open, or committed but still to be told to the other side */
	bool open, pending, flipped, resolved_all;
	struct weir_rib_entry *dirty;
	struct weir_rib_step *step;
	size_t n_steps, step_room;
	struct weir_ifaces *old_ifaces; /* NULL: they did not change */
	const struct weir_l3 *last;	/* made by the pending commit */
};

/* rib_change.c */
struct weir_rib_entry *rib_find(const struct weir_rib *rib, const struct weir_prefix *to);
/* Take back what the open change did to routes, interfaces and paths. */
void rib_undo(struct weir_rib *rib);
/* Nobody can want the change back: free what it replaced. */
void rib_keep(struct weir_rib *rib);
void rib_dirty(struct weir_rib *rib, struct weir_rib_entry *e);
void rib_put_ifaces(struct weir_rib *rib, struct weir_ifaces *s);
/* The route that wins, or NULL. */
const struct weir_rib_route *rib_best(const struct weir_rib_entry *e);

/* rib_show.c: all entries that have a route, by family, address, length; free() it. */
int rib_sorted(const struct weir_rib *rib, struct weir_rib_entry ***out, size_t *n);
