/* SPDX-License-Identifier: (BSD-3-Clause OR GPL-2.0-only) */

/*
 * What the XDP program and the driver tell each other: one text for both, no libc, no DPDK.
 *
 * The driver writes configuration and rules into the program's global data (mapped into both),
 * the program writes counters, and metadata in front of a packet.
 */

#pragma once

#include <linux/types.h>

#define STEER_HWQS	64   /* hardware queues */
#define STEER_QUEUES	64   /* ethdev queues */
#define STEER_SOCKS	1024 /* entries of the socket map: hardware queue * stride + queue */
#define STEER_RETA	128
#define STEER_RULES	4096
#define STEER_MASKS	64  /* different sets of matched fields at a time */
#define STEER_CHAIN	64  /* rules that differ in port range or priority only */
#define STEER_HOSTS	256 /* entries of the kernel's addresses: an IPv6 one has two */
#define STEER_KEY_BYTES 36  /* Toeplitz input: two IPv6 addresses and two ports */

/* What a packet looks like to the rules. Unused bytes are 0; an IPv4 address is in the first four.
 */
struct steer_key {
	__u8 dst_mac[6];
	__u8 src_mac[6];
	__be16 vlan_tci;  /* of the outermost tag: VLAN id and priority */
	__be16 ethertype; /* behind the tags */
	__u8 has;	  /* STEER_HAS_... */
	__u8 proto;	  /* IP protocol behind IPv6's extension headers */
	__be16 src_port;  /* ICMP: type and code */
	__be16 dst_port;
	__u16 mask_id; /* of a stored key: which mask it belongs to */
	__u8 src_ip[16];
	__u8 dst_ip[16];
};

#define STEER_HAS_VLAN	   0x01
#define STEER_HAS_IPV4	   0x02
#define STEER_HAS_IPV6	   0x04
#define STEER_HAS_TCP	   0x08 /* with its ports: not in later fragments */
#define STEER_HAS_UDP	   0x10
#define STEER_HAS_ICMP	   0x20 /* ICMP over IPv4 or ICMPv6 over IPv6 */
#define STEER_HAS_FRAGMENT 0x40 /* any piece of a fragmented datagram, the first too */

enum steer_verdict {
	STEER_USER,   /* to a socket, of the queue that the hash or the device chose */
	STEER_SPREAD, /* to one of the rule's own queues, by the hash */
	STEER_DROP,
	STEER_KERNEL,
};

/*
 * A rule, in the chain of those with the same mask and the same masked key, lowest rank first.
 * Ranks all differ: the priority, then the age. The lowest that matches wins.
 */
struct steer_rule {
	__u64 rank;
	__u32 next; /* index of the chain's next rule, 0 is its end; rule 0 is never used */
	__u32 mark;
	__u16 src_port_lo, src_port_hi; /* host byte order; 0 to 65535 is any */
	__u16 dst_port_lo, dst_port_hi;
	__u8 verdict; /* enum steer_verdict */
	__u8 has_mark;
	__u8 count; /* keep struct steer_rule_stats */
	__u8 n_queues;
	__u8 queues[STEER_QUEUES];
};

/* rank = priority << STEER_RANK_AGE_BITS | age */
#define STEER_RANK_AGE_BITS 40
#define STEER_RANK_NONE	    (~0ull)
/* The priority of what steer= says: below every flow rule's, which are 0 to 65535. Flow rules
 * behind it are for what would come to user space without them. */
#define STEER_PRIORITY_WORDS 65536u
#define STEER_RANK_WORDS     ((__u64)STEER_PRIORITY_WORDS << STEER_RANK_AGE_BITS)
#define STEER_RANK_LAST	     ((__u64)(STEER_PRIORITY_WORDS + 1) << STEER_RANK_AGE_BITS)

struct steer_config {
	__u8 all;	/* nothing to read, every packet goes to user space: set at attach */
	__u8 others;	/* enum steer_verdict of what no rule matches: STEER_USER or STEER_KERNEL */
	__u8 keep_host; /* the host's own ARP, ND, tcp/22 and tcp/179 stay with the kernel */
	__u8 isolated;	/* flow rules only: neither keep_host nor others nor what steer= says */
	__u8 soft_rss;	/* the program hashes and chooses the queue; 0: the queue is the device's */
	__u8 symmetric; /* the hash is of sorted addresses and ports: both directions are equal */
	__u8 meta;	/* put struct steer_meta in front of packets */
	__u8 hw_hints;	/* ask the device for hash, VLAN and time (hints flavour only) */
	__u8 sw_time;	/* stamp a packet with the kernel's clock when the device has no time */
	__u8 key_set;	/* which of the two Toeplitz tables is in use */
	__u16 first_hwq; /* of the window of hardware queues that we own: others pass uncounted */
	__u16 n_hwqs;
	__u16 stride; /* sockets of one hardware queue in the socket map: 1 without soft_rss */
	__u16 n_masks;
	__u32 cookie;	 /* of this start: tells our metadata from stale bytes */
	__u32 rss_types; /* STEER_RSS_...: what is hashed; else queue 0 and no hash */
};

#define STEER_RSS_IPV4	   0x01
#define STEER_RSS_IPV4_TCP 0x02
#define STEER_RSS_IPV4_UDP 0x04
#define STEER_RSS_IPV6	   0x08
#define STEER_RSS_IPV6_TCP 0x10
#define STEER_RSS_IPV6_UDP 0x20

/*
 * One set of matched fields. A packet that lacks a needed bit, or has a better rule, skips it.
 * While all of its rules are of one chain, no hash table has to be asked for it.
 */
struct steer_mask {
	struct steer_key bits;
	__u64 best;	       /* the lowest rank of its rules; STEER_RANK_NONE: none */
	struct steer_key only; /* masked key of the one chain */
	__u32 head;	       /* first rule of it; 0: there are, or were, several */
	__u8 need; /* STEER_HAS_... that a packet must have; bits.has may also ask for absence */
};

/* An address that the kernel keeps. */
struct steer_host {
	__u8 ip[16];
	__u32 version; /* 4 or 6 */
};

enum steer_host_kind {
	STEER_HOST_OWN = 1, /* an address, or its solicited-node group */
	STEER_HOST_ROUTERS, /* the group that router advertisements are sent to */
};

/* In front of a packet in its UMEM frame, as bytes before its data. */
struct steer_meta {
	__u64 time_ns;	 /* STEER_META_TIME */
	__u32 hash;	 /* STEER_META_HASH */
	__u32 mark;	 /* STEER_META_MARK */
	__be16 vlan_tci; /* STEER_META_VLAN: stripped by the device */
	__u16 flags;
	__u32 cookie; /* last, next to the packet: config.cookie if all of this is true */
};

#define STEER_META_HASH	   0x01
#define STEER_META_MARK	   0x02
#define STEER_META_TIME	   0x04
#define STEER_META_VLAN	   0x08
#define STEER_META_SW_TIME 0x10 /* time_ns is CLOCK_MONOTONIC of the kernel, not the device's */

/* Counters of a hardware queue, one copy a CPU. seen = passed + dropped + redirected + failed. */
struct steer_queue_stats {
	__u64 seen;	  /* summed up when read: the program counts what became of packets */
	__u64 passed;	  /* left to the kernel */
	__u64 dropped;	  /* by a rule */
	__u64 redirected; /* handed to a socket, which may still have no room: its own statistics */
	__u64 failed;	  /* no socket there: left to the kernel */
	__u64 too_short;  /* of all these, frames with less than an Ethernet header */
	__u64 bytes;	  /* of those seen */
};

struct steer_rule_stats {
	__u64 pkts;
	__u64 bytes;
};
