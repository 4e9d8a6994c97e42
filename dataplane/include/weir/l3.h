/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Interfaces, addresses, next hops and routes as the stages read them in a pass.
 *
 * Built by the routing table of the control thread (rib.h), immutable while a worker can see it.
 */

#include <assert.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/addr.h>
#include <weir/meta.h>
#include <weir/must_check.h>

/** Ports of a system at most. */
#define WEIR_PORTS_MAX 32
/** Layer-3 interfaces of a system at most. */
#define WEIR_IFACES_MAX 1024
/** VLAN ids there are (IEEE 802.1Q). */
#define WEIR_VLANS 4096
/** Next hop numbers are 15 bits wide in the forwarding tables. */
#define WEIR_HOPS_MAX 32767
/** Addresses of an interface at most. */
#define WEIR_IFACE_ADDRS_MAX 16
/** Addresses of an interface that are still asked for at most: all, and the link-local one. */
#define WEIR_IFACE_TENTATIVE_MAX (WEIR_IFACE_ADDRS_MAX + 1)
/** Subnets of an interface without an address of ours at most. */
#define WEIR_IFACE_ONLINK_MAX 32
/** Most members of an ECMP group. */
#define WEIR_GROUP_MAX 64

/** What is special about an address of an interface (weir_iface.addr_flags). */
enum weir_addr_flag {
	/** It is being probed: answers do not override what others know (RFC 4429 section 3.3). */
	WEIR_ADDR_OPTIMISTIC = 1 << 0,
	/** New connections begin from another one if there is one (RFC 4862 section 5.5.4). */
	WEIR_ADDR_DEPRECATED = 1 << 1,
};

/** A layer-3 interface: a port, or a VLAN (or a VLAN in a VLAN) of it. */
struct weir_iface {
	char name[32];	  /**< "lan", "lan.100"; NUL-terminated */
	uint16_t port;	  /**< index of the port below it; WEIR_NO_PORT: this entry is free */
	uint16_t mtu;	  /**< largest IP packet, bytes */
	uint16_t vlan[2]; /**< outer, inner; 0: none */
	uint8_t mac[6];	  /**< where frames from here say they come from */
	uint8_t n_addrs;  /**< how many of addr are set */
	bool kernel;	  /**< 95_punt may give its packets to the kernel */
	struct weir_prefix addr[WEIR_IFACE_ADDRS_MAX]; /**< ours, with the subnet's length */
	/** IPv6 fe80:: address made from the MAC (RFC 4291 A); family 0: not in use. */
	struct weir_addr link_local;
	uint8_t addr_flags[WEIR_IFACE_ADDRS_MAX]; /**< of addr: enum weir_addr_flag */
	uint8_t link_local_flags;		  /**< of link_local */
	bool no_link_local;  /**< its link_local is not made: it is tentative, or a duplicate */
	bool slaac;	     /**< a host on this link: 15_neigh_in takes router advertisements */
	bool watched;	     /**< 15_neigh_in tells who else claims an address of ours */
	uint8_t n_tentative; /**< how many of tentative are set */
	uint8_t n_onlink;    /**< how many of onlink are set */
	/** Asked for, but not yet ours: no source, not answered for (RFC 4862 section 5.4). */
	struct weir_addr tentative[WEIR_IFACE_TENTATIVE_MAX];
	/** Networks on the link beside those of addr. */
	struct weir_prefix onlink[WEIR_IFACE_ONLINK_MAX];
};

/** The link-local address of a MAC address (RFC 4291 appendix A). Any thread. */
WEIR_MUST_CHECK static inline struct weir_addr weir_link_local(const uint8_t mac[6])
{
	return (struct weir_addr){.family = 6,
				  .bytes = {0xfe, 0x80, [8] = mac[0] ^ 0x02, mac[1], mac[2], 0xff,
					    0xfe, mac[3], mac[4], mac[5]}};
}

/** What a route leads to. */
enum weir_hop_kind {
	WEIR_HOP_NONE,	      /**< number 0: no route */
	WEIR_HOP_LOCAL,	      /**< an address of ours */
	WEIR_HOP_LINK,	      /**< a connected subnet: the destination itself is the neighbour */
	WEIR_HOP_GATEWAY,     /**< through a router */
	WEIR_HOP_GROUP,	      /**< one of several, by the flow's hash (ECMP) */
	WEIR_HOP_BLACKHOLE,   /**< drop silently */
	WEIR_HOP_UNREACHABLE, /**< drop and answer: unreachable */
	WEIR_HOP_PROHIBIT,    /**< drop and answer: prohibited */
	WEIR_HOP_BROADCAST, /**< broadcast address of a connected subnet, or a group that we hear */
	WEIR_HOP_MULTICAST, /**< a group that nobody here hears */
	WEIR_HOP_LINK_LOCAL, /**< fe80::/10: means something only together with an interface */
	WEIR_HOP_KINDS	     /**< how many there are */
};

/** A next hop. weir_meta.hop is its index in weir_l3.hops; of a GROUP, that of the member. */
struct weir_hop {
	uint8_t kind;		  /**< enum weir_hop_kind */
	uint8_t group_n;	  /**< GROUP: members, 2 to WEIR_GROUP_MAX */
	uint16_t iface;		  /**< LINK, GATEWAY, BROADCAST (WEIR_NO_IFACE: heard on all) */
	uint16_t mtu;		  /**< of that interface, or the route's own if lower */
	struct weir_addr gateway; /**< GATEWAY; IPv4 may go through an IPv6 one (RFC 8950) */
};
static_assert(sizeof(struct weir_hop) == 24, "hops share cache lines");

/** The layer-3 part of a generation. */
struct weir_l3 {
	struct rte_fib *fib4;  /**< destination -> hop number; 0 is WEIR_HOP_NONE */
	struct rte_fib6 *fib6; /**< the same for IPv6 */
	/** Where fib4's entries of the first 24 bits lie, to be fetched ahead; NULL: not known. */
	const uint8_t *first4;
	uint8_t first4_bytes;	     /**< of one such entry */
	const struct weir_hop *hops; /**< n_hops; a free number has kind WEIR_HOP_NONE */
	const uint16_t (*members)[WEIR_GROUP_MAX]; /**< hop numbers, by the GROUP's number */
	/** n_ifaces by index. An index that is free has port WEIR_NO_PORT and no addresses. */
	const struct weir_iface *ifaces;
	/** By interface: number of its LINK hop, for what goes to a group or fe80:: address there.
	 */
	const uint16_t *link_hop;
	uint16_t n_hops;		   /**< entries of hops, free ones included */
	uint16_t n_ifaces;		   /**< entries of ifaces, free ones included */
	uint16_t untagged[WEIR_PORTS_MAX]; /**< interface of untagged frames, or WEIR_NO_IFACE */
	const uint16_t
		*tagged[WEIR_PORTS_MAX]; /**< by VLAN id (WEIR_VLANS of them), NULL: no VLANs */
	const uint16_t *const
		*inner[WEIR_PORTS_MAX]; /**< by outer, then inner VLAN id; NULLs: none */
};

/** The interface of a frame by its port and tags, or WEIR_NO_IFACE. A worker's thread. */
WEIR_MUST_CHECK static inline uint16_t weir_l3_iface(const struct weir_l3 *l3, uint16_t port,
						     uint16_t outer, uint16_t inner)
{
	if (outer == 0)
		return l3->untagged[port];
	if (inner == 0)
		return l3->tagged[port] == NULL ? WEIR_NO_IFACE : l3->tagged[port][outer];
	if (l3->inner[port] == NULL || l3->inner[port][outer] == NULL)
		return WEIR_NO_IFACE;
	return l3->inner[port][outer][inner];
}
