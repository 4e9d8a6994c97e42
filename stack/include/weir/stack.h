/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A stack: packets go in, packets come out by a callback, and the time is an argument.
 *
 * It knows no clock, no thread and no global, and takes no memory after its creation but packet
 * buffers, so one worker's stack is a simulation's and a test's too. All its functions are for one
 * thread at a time.
 */

#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/addr.h>
#include <weir/must_check.h>
#include <weir/siphash.h>
#include <weir/tuple.h>

struct weir_stack;

/** Bytes that are free before the IP header of a packet that comes out, for layer 2. */
#define WEIR_STACK_HEADROOM 32

/**
 * Takes what the stack sends: packets that begin with their IP header, whole and with
 * their checksums; to a group or 255.255.255.255 by the interface weir_meta.iface_in. Ownership
 * moves. Called inside of weir_stack_poll() and never else.
 *
 * Where weir_way.cuts is set some are longer than the path's MTU, up to 65,535 bytes: they have
 * RTE_MBUF_F_TX_TCP_SEG, l3_len, l4_len and tso_segsz, and are to be cut into at most 64 packets.
 * Who cuts them makes the checksums: the IPv4 header's is 0, and TCP's is the sum of the pseudo
 * header without the length, as DPDK's devices want it.
 */
typedef void weir_stack_output_fn(void *ctx, struct rte_mbuf **pkts, uint16_t n);

/** How a destination is reached. */
struct weir_way {
	struct weir_addr from; /**< the address of ours to send from (RFC 6724) */
	uint16_t mtu_bytes;    /**< of the link that it leaves by */
	bool cuts; /**< who takes packets to there cuts long TCP segments (weir_stack_output_fn) */
};

/**
 * Says how to reach @p to. Called for connections that we begin, and for those that we accept.
 * @return false: there is no way.
 */
typedef bool weir_stack_way_fn(void *ctx, const struct weir_addr *to, struct weir_way *out);

/**
 * Whether packets from @p peer and its port to our address and port come to this stack and not to
 * another worker's.
 */
typedef bool weir_stack_owns_fn(void *ctx, const struct weir_tuple *in);

/**
 * A port such that packets of @p in, with it for dport, come to this stack, computed.
 * @param first  The least port.
 * @param count  Ports to choose from; some of the last may be left out.
 * @param i      Which of them; more than there are begin again, so that counting up visits each.
 * @return 0: it cannot be computed, weir_stack_owns_fn is asked of one port after the other.
 */
typedef uint16_t weir_stack_port_fn(void *ctx, const struct weir_tuple *in, uint16_t first,
				    uint16_t count, uint32_t i);
/** What is thought of who connects. */
enum weir_stack_judgement {
	WEIR_SOURCE_LIMITED, /**< anybody: weir_stack_sources applies */
	WEIR_SOURCE_TRUSTED, /**< it has no limits */
	WEIR_SOURCE_DENIED,  /**< its SYNs are not answered */
};

/** Judge who connects; always the same of one address. Called once or twice a connection. */
typedef enum weir_stack_judgement weir_stack_judge_fn(void *ctx, const struct weir_addr *from);

/** Limits of each source of connections that peers begin; a source is a prefix. 0: no limit. */
struct weir_stack_sources {
	uint32_t at_once;     /**< sources with connections at once; more are not answered. 0: no
				 source is known, and nothing else here has an effect */
	uint32_t connections; /**< of one at once */
	uint32_t rate;	      /**< that one may open in a second */
	uint32_t burst;	      /**< of these, at once; 0: those of a second */
	uint64_t block_ns;  /**< who opens more is not answered for so long, each time twice as long
			       up to 64 times; 0: until its rate allows another */
	uint32_t half_open; /**< that one may have begun and not finished; more get cookies */
	uint8_t prefix4;    /**< bits of a source's prefix of IPv4; 0: 32 */
	uint8_t prefix6;    /**< of IPv6; 0: 64 */
};

/** When TCP tries longer segments by probing (RFC 4821), as Linux's tcp_mtu_probing. */
enum weir_mtu_probing {
	WEIR_MTU_PROBING_HOLES,	 /**< on paths that were found narrower: by three timeouts in a row
				      (segments have base_mss then), or by ICMP long ago */
	WEIR_MTU_PROBING_OFF,	 /**< never; nor does silence shorten segments */
	WEIR_MTU_PROBING_ALWAYS, /**< connections begin with base_mss, and grow */
};

/** An interface as groups and broadcasts have it: those have no route. */
struct weir_link {
	uint16_t iface;	       /**< its number, weir_meta.iface_in of what comes by it */
	uint16_t mtu_bytes;    /**< its longest IP packet */
	struct weir_addr from; /**< the address of ours to send from; family 0: none so far */
};

/**
 * Says by which interface @p to is reached, which is a group, 255.255.255.255, or perhaps the
 * broadcast address of a subnet of ours.
 * @param want  Of the first two: the interface with this number, else (WEIR_NO_IFACE) the one that
 *              has the address from, else (family 0) any.
 * @return false: there is no such interface, or @p to is another address.
 */
typedef bool weir_stack_link_fn(void *ctx, const struct weir_addr *to, const struct weir_link *want,
				struct weir_link *out);

/** What a stack is made of. What is 0 has the default that is named. */
struct weir_stack_conf {
	struct rte_mempool *pool; /**< buffers for headers, with struct weir_meta behind each mbuf;
				     borrowed */
	uint32_t sockets;     /**< UDP sockets and listeners at most, 1 to WEIR_STACK_SOCKETS_MAX */
	uint32_t socket_pkts; /**< datagrams that wait in one socket at most, at least 1 */
	uint32_t groups;      /**< groups that are heard at most, each on one interface, and four
				 times as many memberships of sockets; 0: 64 */
	uint32_t connections; /**< TCP connections at most; 0: none */
	uint32_t active;      /**< of these, with bytes on their way at once; 0: all */
	uint32_t half_open;   /**< connections that begin at most; more get SYN cookies;
				 0: a quarter of the connections, at least 64 */
	uint32_t time_wait;   /**< connections in TIME-WAIT at most, the oldest goes;
				 0: as many as connections */
	uint32_t sndbuf_bytes;	/**< queued in a connection to be sent at most; 0: 256 KiB */
	uint32_t rcvbuf_bytes;	/**< a connection's largest receive window; 0: 1 MiB */
	uint64_t memory_bytes;	/**< received and queued in all connections at most; 0: half of
				   the pool's buffers. The last eighth is for a first segment
				   each way of connections that have none */
	const char *congestion; /**< cubic, newreno (or reno), bbr or dctcp; NULL: cubic */
	enum weir_mtu_probing mtu_probing; /**< see there */
	uint16_t base_mss; /**< payload of a segment that passes any path; 0: 1024 */
	bool ecn;	   /**< ask for ECN (RFC 3168) when connecting; it is always granted */
	bool unpaced;	   /**< do not spread segments over the round trip, but for a congestion
				control that must (bbr) */
	uint64_t now_ns;   /**< the time to begin with */
	struct weir_siphash_key secret; /**< random: keys what peers may choose */
	weir_stack_output_fn *output;	/**< where packets go */
	weir_stack_way_fn *way;	    /**< NULL: nothing is reached but who has reached us, and all
				       links have 1,500 bytes */
	weir_stack_link_fn *link;   /**< NULL: no groups, no broadcast */
	weir_stack_owns_fn *owns;   /**< NULL: all packets come here */
	weir_stack_port_fn *port;   /**< NULL: ports are searched, if owns is set */
	weir_stack_judge_fn *judge; /**< NULL: all are anybody */
	struct weir_stack_sources sources; /**< limits of who connects */
	void *ctx;			   /**< the functions' first argument */
};

/** Sockets of a stack at most. */
#define WEIR_STACK_SOCKETS_MAX (UINT32_C(1) << 20)
/** Groups of a stack at most. */
#define WEIR_STACK_GROUPS_MAX 4096
/** Connections of a stack at most. */
#define WEIR_STACK_CONNECTIONS_MAX (UINT32_C(15) << 20)

/** What a stack has counted. Written by its thread, read by any with relaxed loads. */
struct weir_stack_stats {
	uint64_t udp_in;	/**< datagrams that sockets were given */
	uint64_t udp_in_bytes;	/**< payload of these */
	uint64_t udp_out;	/**< datagrams sent */
	uint64_t udp_out_bytes; /**< payload of these */
	uint64_t udp_full;	/**< dropped: the socket's queue was full */
	uint64_t udp_bad;	/**< dropped: a length that the packet does not have (RFC 768) */
	uint64_t group_queries; /**< questions of routers for groups (IGMP, MLD) */
	uint64_t group_reports; /**< groups told to routers: joined, left or answered */
	uint64_t group_bad;	/**< dropped: such a question that is none, or not of the link */
	uint64_t no_mbuf;     /**< not sent, or not given to another socket, for want of a buffer */
	uint64_t pool_short;  /**< times that few buffers were left, and connections slowed down */
	uint64_t icmp_errors; /**< ICMP errors about packets of ours */
	uint64_t tcp_in;      /**< segments that came */
	uint64_t tcp_merged;  /**< of these, that were merged into the one before them */
	uint64_t tcp_in_bytes;	  /**< payload that was taken from these, in order */
	uint64_t tcp_out;	  /**< segments sent */
	uint64_t tcp_out_bytes;	  /**< payload of these */
	uint64_t tcp_long;	  /**< packets of several segments, left to the port to be cut */
	uint64_t tcp_resent;	  /**< segments sent again */
	uint64_t tcp_rto;	  /**< retransmission timers that ran out */
	uint64_t tcp_probes;	  /**< tail loss probes (RFC 8985) */
	uint64_t tcp_mtu_probes;  /**< segments longer than the others, to find a wider path */
	uint64_t tcp_mtu_raised;  /**< of these, that have arrived */
	uint64_t tcp_mtu_lost;	  /**< and that have not */
	uint64_t tcp_undone;	  /**< recoveries that were not needed */
	uint64_t tcp_disordered;  /**< segments that came out of order */
	uint64_t tcp_opened;	  /**< connections that we began */
	uint64_t tcp_accepted;	  /**< connections that peers began and finished */
	uint64_t tcp_connections; /**< connections now, a gauge */
	uint64_t tcp_half_open;	  /**< half-open ones now, a gauge */
	uint64_t tcp_time_wait;	  /**< in TIME-WAIT now, a gauge */
	uint64_t tcp_resets_in;	  /**< connections that the peer reset */
	uint64_t tcp_resets_out;  /**< resets sent */
	uint64_t tcp_timed_out;	  /**< connections that ended because the peer was silent */
	uint64_t tcp_cookies_out; /**< SYN cookies sent */
	uint64_t tcp_cookies_in;  /**< connections made from a cookie */
	uint64_t tcp_bad;	  /**< dropped: no TCP header, or options that are none */
	uint64_t tcp_unwanted;	  /**< dropped: outside of the window (an ACK is the answer) */
	uint64_t tcp_paws;	  /**< dropped: an old timestamp (RFC 7323) */
	uint64_t tcp_challenges;  /**< challenge ACKs sent (RFC 5961) */
	uint64_t tcp_backlog;	  /**< dropped: as many wait to be accepted as may */
	uint64_t tcp_full;	  /**< dropped: no place for another connection */
	uint64_t tcp_memory;	  /**< dropped: a limit of bytes was reached */
	uint64_t tcp_nobody;	  /**< segments for no connection, answered by a reset */
	uint64_t tcp_fastopen_in; /**< connections begun by a SYN with a good cookie (RFC 7413) */
	uint64_t tcp_fastopen_cookies; /**< cookies given to peers, for next time */
	uint64_t tcp_fastopen_bad;  /**< SYNs with a cookie that is not good: the usual handshake */
	uint64_t tcp_fastopen_full; /**< SYNs for fast open past TCP_FASTOPEN's limit: the same */
	uint64_t tcp_fastopen_out;  /**< connections of ours whose SYN's data the peer has taken */
	uint64_t tcp_fastopen_failed; /**< times that it did harm, so that a peer is left alone */
	uint64_t tcp_sources;	      /**< sources that are known, a gauge: with connections, or
					 not forgotten yet */
	uint64_t tcp_sources_full;    /**< SYNs not answered: no place for another source */
	uint64_t tcp_source_denied;   /**< of who is denied */
	uint64_t tcp_source_connections; /**< of who has as many connections as it may */
	uint64_t tcp_source_rate;	 /**< of who opens more in a second than it may */
	uint64_t tcp_source_blocked;	 /**< of who is blocked for that */
	uint64_t tcp_source_blocks;	 /**< times that one was blocked */
	uint64_t tcp_source_challenged;	 /**< SYNs answered by a cookie for the source's sake */
};

/** Make a stack; all its memory is taken here. @return 0 or -EINVAL or -ENOMEM. */
WEIR_MUST_CHECK int weir_stack_create(const struct weir_stack_conf *conf, struct weir_stack **out);
/** Free a stack with its sockets and what waits in them. NULL is allowed. */
void weir_stack_free(struct weir_stack *s);

/**
 * Packets that came in, with weir_meta: whole IPv4 or IPv6 to an address of ours, l3_off, l4_off
 * and proto set, transport checksum right; UDP to a group that is heard or by broadcast
 * (WEIR_META_BROADCAST), and IGMP and MLD, too, with iface_in. What a socket takes is the stack's.
 * @return how many are for no socket; they are the first of @p pkts now, in their order, and stay
 *         the caller's.
 */
WEIR_MUST_CHECK uint16_t weir_stack_input(struct weir_stack *s, struct rte_mbuf **pkts, uint16_t n,
					  uint64_t now_ns);

/**
 * Whether a socket has joined a group on an interface, so that packets to it are wanted. The
 * stack's thread.
 */
WEIR_MUST_CHECK bool weir_stack_hears(const struct weir_stack *s, uint16_t iface,
				      const struct weir_addr *group);

/**
 * For who has no pipeline: look at a packet that begins with its IP header, and set the metadata
 * that weir_stack_input() wants.
 * @return false: it is not whole in one buffer, a fragment, to a group, of a protocol that is not
 *         spoken here (which IPv6 extension headers are), or a checksum is wrong.
 */
WEIR_MUST_CHECK bool weir_stack_parse(struct rte_mbuf *m);

/**
 * Run timers, and send what is due: gives it to the output function.
 * @return when it is to be called again at the latest; UINT64_MAX: not before the next input or
 *         call of a socket.
 */
uint64_t weir_stack_poll(struct weir_stack *s, uint64_t now_ns);

/** What it has counted. Any thread. */
void weir_stack_stats(const struct weir_stack *s, struct weir_stack_stats *out);
