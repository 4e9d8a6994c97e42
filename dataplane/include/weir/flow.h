/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Connection tracking: one entry a flow, for the firewall, translation, balancing and inspection.
 *
 * Each worker has a table of its own. A packet finds its flow by a tuple of addresses, ports and
 * protocol, in either direction; an established packet costs this one lookup, whatever is switched
 * on. All functions are for the worker's thread, unless they say otherwise.
 *
 * A new flow begins as a draft: 30_conntrack takes an entry for it, 35_balance and 50_nat write
 * into it where it goes, 40_acl judges it, and only 50_nat makes it known to lookups. What is
 * dropped on way gives its draft back, so that a flood leaves nothing behind but half-open entries.
 *
 * Time is a clock of milliseconds in 32 bits that wraps after 49 days: only differences count.
 */

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <weir/must_check.h>
#include <weir/siphash.h>
#include <weir/tuple.h>
#include <weir/why.h>

/** No flow: a packet that is not tracked. */
#define WEIR_NO_FLOW UINT32_MAX
/** Entries of one worker's table at most. */
#define WEIR_FLOWS_MAX (UINT32_C(1) << 26)

/** Which way a packet goes in its flow. */
enum weir_dir {
	WEIR_DIR_ORIG,	/**< as the flow's first packet */
	WEIR_DIR_REPLY, /**< against it */
	WEIR_DIRS	/**< how many there are */
};

/** What becomes of a flow's entry, and for how long: each class has a timeout and a place in the
 * order in which entries go when the table is full, first to last. */
enum weir_flow_class {
	WEIR_FLOW_CLOSED,      /**< TCP that has ended (TIME-WAIT, RST) */
	WEIR_FLOW_HALF_OPEN,   /**< TCP before its handshake is complete */
	WEIR_FLOW_UNANSWERED,  /**< anything else that had no reply yet */
	WEIR_FLOW_ICMP,	       /**< an ICMP query that was answered */
	WEIR_FLOW_OTHER,       /**< other protocols, answered */
	WEIR_FLOW_UDP,	       /**< UDP, answered */
	WEIR_FLOW_CLOSING,     /**< TCP with a FIN of one side */
	WEIR_FLOW_ESTABLISHED, /**< TCP after its handshake */
	WEIR_FLOW_CLASSES      /**< how many there are */
};

/** TCP as a bystander sees it, in Linux's words (nf_conntrack). */
enum weir_tcp_state {
	WEIR_TCP_NONE,	      /**< no packet yet: a draft */
	WEIR_TCP_SYN_SENT,    /**< a SYN was seen */
	WEIR_TCP_SYN_RECV,    /**< and its SYN-ACK */
	WEIR_TCP_ESTABLISHED, /**< and the ACK of that */
	WEIR_TCP_FIN_WAIT,    /**< a FIN was seen */
	WEIR_TCP_CLOSE_WAIT,  /**< and acknowledged */
	WEIR_TCP_LAST_ACK,    /**< FINs of both sides */
	WEIR_TCP_TIME_WAIT,   /**< both acknowledged */
	WEIR_TCP_CLOSE,	      /**< reset */
	WEIR_TCP_SYN_SENT2,   /**< SYNs of both sides: a simultaneous open */
	WEIR_TCP_STATES	      /**< how many there are */
};

/** Marks of a flow (weir_flow.flags). */
enum weir_flow_flag {
	WEIR_FLOW_DRAFT = 1 << 0,   /**< not known to lookups yet */
	WEIR_FLOW_REPLIED = 1 << 1, /**< a packet came back */
	WEIR_FLOW_SNAT = 1 << 2,    /**< the source is translated */
	WEIR_FLOW_DNAT = 1 << 3,    /**< the destination is translated */
	WEIR_FLOW_EXT = 1 << 4,	   /**< weir_flow.ext is set, and its tuple holds the translation */
	WEIR_FLOW_LOOSE = 1 << 5,  /**< picked up in the middle: windows are learned from both */
	WEIR_FLOW_LOGGED = 1 << 6, /**< its start was recorded, so will be its end */
	WEIR_FLOW_INSPECT = 1 << 7,    /**< 45_dpi looks at its payload */
	WEIR_FLOW_LIMITED = 1 << 8,    /**< counts against its source's limit */
	WEIR_FLOW_OWN_PORT = 1 << 9,   /**< holds a mapping of a port, to be given back */
	WEIR_FLOW_SYNPROXY = 1 << 10,  /**< sequence numbers are moved by weir_flow_ext.seq_delta */
	WEIR_FLOW_DEAD = 1 << 11,      /**< goes at its next packet or turn */
	WEIR_FLOW_OFFLOADED = 1 << 12, /**< the driver drops it for us */
	WEIR_FLOW_FIN_ORIG = 1 << 13,  /**< of TCP: who sent the first packet sent a FIN */
	WEIR_FLOW_FIN_REPLY = 1 << 14, /**< of TCP: the other side sent one */
	WEIR_FLOW_CAPTURE = 1 << 15,   /**< its packets are copied for the capture file */
};

/** Mark of weir_flow.dscp: it is set. */
#define WEIR_FLOW_DSCP 0x80

/** What one side of a TCP connection has sent (Guido van Rooij, "Real stateful TCP packet filtering
 * in IP Filter"). It may send as far beyond acked as the other side's window. Host order. */
struct weir_flow_peer {
	uint32_t end;	     /**< highest sequence number that it has sent, plus one */
	uint32_t acked;	     /**< up to where the other side has acknowledged it */
	uint16_t max_window; /**< largest window that it offered, in its scale; at least 1 */
} __attribute__((packed));

/** One flow, two cache lines. */
struct weir_flow {
	/* what a lookup compares and every packet updates */
	union {
		struct {
			uint32_t src;	    /**< as the first packet came, network order */
			uint32_t dst;	    /**< likewise */
			uint32_t xsrc;	    /**< as it leaves: the same, if not translated */
			uint32_t xdst;	    /**< likewise */
			uint32_t lease;	    /**< number of the port block that it holds; 0: none */
			uint8_t unused[12]; /**< 0 */
		} v4;			    /**< family 4 */
		struct {
			uint8_t src[16]; /**< as the first packet came; as it leaves: ext */
			uint8_t dst[16]; /**< likewise */
		} v6;			 /**< family 6 */
	};
	uint16_t sport;	 /**< as the first packet came, network order */
	uint16_t dport;	 /**< likewise */
	uint16_t xsport; /**< as it leaves */
	uint16_t xdport; /**< likewise */
	uint8_t proto;	 /**< IPPROTO_ */
	uint8_t family;	 /**< 4 or 6, as the first packet came; 0: the entry is free */
	struct weir_flow_peer peer[WEIR_DIRS]; /**< of TCP: who sent the first packet, the other */
	uint8_t wscale;	   /**< of TCP: shifts of the two, low nibble the first; see flow_tcp.c */
	uint8_t tcp_state; /**< enum weir_tcp_state */
	/* what fewer packets need */
	/** Of each way: IP bytes, and in the highest byte the TCP flags that were seen; see
	 * weir_flow_bytes(), weir_flow_tcp_flags(). */
	uint64_t carried[WEIR_DIRS] __attribute__((aligned(64)));
	uint32_t pkts[WEIR_DIRS]; /**< packets each way; stays at its largest value */
	uint32_t last_ms;	  /**< time of the last packet, on the table's clock */
	uint32_t start_ms;	  /**< time of the first packet */
	uint32_t gen;		  /**< number of the policy that judged it, low bits */
	uint32_t rule;		  /**< slot of the rule that let it in, for counters */
	uint16_t flags;		  /**< enum weir_flow_flag */
	uint8_t cls;		  /**< enum weir_flow_class */
	uint8_t app;		  /**< application that 45_dpi found; 0: none yet */
	uint8_t zone[WEIR_DIRS];  /**< zone that packets of each direction come from; fixed from
				   * weir_flow_commit() on */
	uint8_t vrf;		  /**< as in its tuples */
	uint8_t dscp;		  /**< WEIR_FLOW_DSCP and what its packets get; 0: their own */
	uint32_t prev;		  /**< in its class's queue */
	uint32_t next;		  /**< likewise */
	uint32_t ext;		  /**< index of its struct weir_flow_ext; 0: none */
	uint32_t mark;		  /**< what rules have set */
};
static_assert(sizeof(struct weir_flow) == 128, "two cache lines a flow");

/** More about few flows: those of IPv6 that are translated, of the SYN proxy, under inspection. */
struct weir_flow_ext {
	struct weir_tuple to; /**< with WEIR_FLOW_EXT: the first packet as it leaves */
	uint32_t seq_delta;   /**< with WEIR_FLOW_SYNPROXY: what the server's numbers are ahead */
	uint32_t dpi;	      /**< index of its inspection's state; 0: none; from
			       * WEIR_FLOW_DROPPED on what has become of it */
	uint32_t owner;	      /**< port block or pool that its port is of */
	uint32_t isn;	      /**< with WEIR_FLOW_SYNPROXY: the cookie that the client was given */
	uint32_t ts_delta;    /**< what the server's timestamps are ahead; before it has answered:
			       * the one that the client was given */
	int8_t shift[WEIR_DIRS]; /**< windows of each side are shifted so; negative: to the right */
	bool stamped;  /**< both sides have timestamps; before the server has answered: the
			* client has */
	bool answered; /**< the server has answered: the deltas are set */
};
static_assert(sizeof(struct weir_flow_ext) == 64, "one cache line");

/** In weir_flow_ext.dpi: inspection has ended, and no packet may pass any more. */
#define WEIR_FLOW_DROPPED (UINT32_MAX - 1)
/** In weir_flow_ext.dpi: the same, and whoever sends is told so by a RST. */
#define WEIR_FLOW_RESET UINT32_MAX

/** Sizes and times. */
struct weir_flow_conf {
	uint32_t entries; /**< flows at most, to WEIR_FLOWS_MAX */
	uint32_t exts;	  /**< of them, those with a struct weir_flow_ext */
	uint32_t sources; /**< sources whose flows are counted against a limit; 0: no limits */
	uint64_t timeout_ns[WEIR_FLOW_CLASSES]; /**< since the last packet, 1 ms to 24 days */
	bool loose;				/**< a TCP flow may begin in its middle */
	int numa;				/**< node of the memory; -1: any */
	struct weir_siphash_key secret;		/**< keys the hash, random */
};

/** Default timeouts, close to Linux's; the classes in their order. */
#define WEIR_FLOW_TIMEOUTS                                                                       \
	{                                                                                        \
		10 * UINT64_C(1000000000), 30 * UINT64_C(1000000000), 30 * UINT64_C(1000000000), \
			30 * UINT64_C(1000000000), 600 * UINT64_C(1000000000),                   \
			120 * UINT64_C(1000000000), 120 * UINT64_C(1000000000),                  \
			7440 * UINT64_C(1000000000)                                              \
	}

/** Counters of a table. One writer (the worker), read with weir_counted(). */
struct weir_flow_stats {
	uint64_t created;		      /**< flows made known */
	uint64_t expired[WEIR_FLOW_CLASSES];  /**< ended by their timeout */
	uint64_t evicted[WEIR_FLOW_CLASSES];  /**< ended to make room */
	uint64_t killed;		      /**< ended by weirctl or by the policy */
	uint64_t refused;		      /**< drafts for which there was no room */
	uint64_t raced;			      /**< drafts of flows that were known by then */
	uint64_t used;			      /**< entries in use now, drafts included */
	uint64_t in_class[WEIR_FLOW_CLASSES]; /**< entries of each class now */
	uint64_t exts_used;		      /**< struct weir_flow_ext in use now */
};

struct weir_flow_table;

/** Called when a flow ends, before its entry is free: records, ports of pools. Of a draft that is
 * given back too (WEIR_FLOW_DRAFT is set then). It must not change the table. */
typedef void weir_flow_end_fn(void *ctx, struct weir_flow *f, uint32_t flow);

/** Memory of a table with these sizes in bytes, one piece of it, for --plan. Any thread. */
WEIR_MUST_CHECK uint64_t weir_flow_table_size(const struct weir_flow_conf *conf);

/** Make a table. EAL must be up. @return 0, -EINVAL or -ENOMEM with a sentence. Control thread. */
WEIR_MUST_CHECK int weir_flow_table_create(const struct weir_flow_conf *conf,
					   struct weir_flow_table **out, struct weir_why *why);
/** Free it; on_end is not called. NULL is allowed. Control thread. */
void weir_flow_table_free(struct weir_flow_table *t);
/** Who is told of ends; before the worker runs. */
void weir_flow_table_on_end(struct weir_flow_table *t, weir_flow_end_fn *fn, void *ctx);
/** Its counters. Any thread. */
const struct weir_flow_stats *weir_flow_table_stats(const struct weir_flow_table *t);

/** Other timeouts, of a new policy, for the flows that there are too: 1 ms to 24 days, what is
 * beyond is brought there. */
void weir_flow_table_timeouts(struct weir_flow_table *t,
			      const uint64_t timeout_ns[WEIR_FLOW_CLASSES]);

/** Set the table's clock to the pass's time: the same clock in each call, milliseconds of it. */
void weir_flow_table_tick(struct weir_flow_table *t, uint64_t now_ns);
/** The clock: what weir_flow.last_ms is compared with. */
WEIR_MUST_CHECK uint32_t weir_flow_table_now_ms(const struct weir_flow_table *t);

/**
 * Find flows.
 * @param n    to 512.
 * @param refs of each the flow's index, shifted left by one, and the direction (enum weir_dir) in
 *             bit 0; or WEIR_NO_FLOW. What has timed out is not found.
 */
void weir_flow_lookup(struct weir_flow_table *t, const struct weir_tuple *tuples, uint16_t n,
		      uint32_t *refs);

/** A flow by its index (a reference shifted right by one). */
WEIR_MUST_CHECK struct weir_flow *weir_flow_at(const struct weir_flow_table *t, uint32_t flow);

/**
 * Take an entry for a new flow; it leaves as it came until someone writes otherwise.
 * If none is free, the oldest of the lowest class goes that has more than its share, a sixteenth of
 * the table: established ones only if they were silent for a minute, none that had a packet in this
 * millisecond (others of the pass may refer to it).
 * @param tuple its vrf is 255 at most.
 * @return its index, or WEIR_NO_FLOW (counted as refused).
 */
WEIR_MUST_CHECK uint32_t weir_flow_draft(struct weir_flow_table *t, const struct weir_tuple *tuple);

/** Give a draft back; nothing if the flow is known. */
void weir_flow_abort(struct weir_flow_table *t, uint32_t flow);

/** Fetch what weir_flow_commit() of a draft will read, some packets ahead of it. */
void weir_flow_prefetch(const struct weir_flow_table *t, uint32_t flow);

/**
 * Make a draft known by both its tuples.
 * @param ref set to the flow's reference; on -EEXIST to that of the flow which has the first tuple
 *            already, and the draft is given back.
 * @return 0, -EEXIST, -EADDRINUSE (another flow has the reply's tuple; the draft stays) or -ENOSPC
 *         (the index has no room; the draft stays).
 */
WEIR_MUST_CHECK int weir_flow_commit(struct weir_flow_table *t, uint32_t flow, uint32_t *ref);

/** Whether a flow in the table has this tuple, in whatever direction. */
WEIR_MUST_CHECK bool weir_flow_has(struct weir_flow_table *t, const struct weir_tuple *tuple);

/** A flow's tuple of a direction, as its packets come in. */
void weir_flow_tuple(const struct weir_flow_table *t, const struct weir_flow *f, enum weir_dir dir,
		     struct weir_tuple *out);

/** A flow's tuple of a direction, as its packets leave. */
static inline void weir_flow_leaving(const struct weir_flow_table *t, const struct weir_flow *f,
				     enum weir_dir dir, struct weir_tuple *out)
{
	weir_flow_tuple(t, f, dir == WEIR_DIR_ORIG ? WEIR_DIR_REPLY : WEIR_DIR_ORIG, out);
	*out = weir_tuple_reverse(out);
}

/** Write where a draft goes: its first packet as it leaves. Sets WEIR_FLOW_SNAT and _DNAT by what
 * differs. @return 0 or -ENOSPC (no ext; the draft leaves as before). */
WEIR_MUST_CHECK int weir_flow_translate(struct weir_flow_table *t, struct weir_flow *f,
					const struct weir_tuple *to);

/** The flow's extension, taken if it has none; NULL: all are in use. */
WEIR_MUST_CHECK struct weir_flow_ext *weir_flow_extend(struct weir_flow_table *t,
						       struct weir_flow *f);
/** The extension that it has; NULL: none. */
WEIR_MUST_CHECK struct weir_flow_ext *weir_flow_ext(const struct weir_flow_table *t,
						    const struct weir_flow *f);

/** Give the extension back, if the flow has one and nothing in it is in use. */
void weir_flow_retract(struct weir_flow_table *t, struct weir_flow *f);

/**
 * Count a draft against the limit of its source: its address as it came, of IPv6 the /64.
 * Sets WEIR_FLOW_LIMITED; the count is given back when the flow ends.
 * @return 0 (also if it is counted already), -EDQUOT (the source has @p max flows) or -ENOSPC (as
 *         many sources are counted as fit).
 */
WEIR_MUST_CHECK int weir_flow_limit_take(struct weir_flow_table *t, struct weir_flow *f,
					 uint32_t max);

/** Flows whose first packet came from a zone (below 32), drafts not included. */
WEIR_MUST_CHECK uint32_t weir_flow_zone_count(const struct weir_flow_table *t, uint8_t zone);

/** Put a flow into another class; nothing if it is in it. */
void weir_flow_set_class(struct weir_flow_table *t, struct weir_flow *f, enum weir_flow_class cls);

/** End a flow now; of a draft: as weir_flow_abort(). Nothing if the entry is free. */
void weir_flow_kill(struct weir_flow_table *t, uint32_t flow);

/** End what has timed out or is WEIR_FLOW_DEAD, looking at @p most flows. To be called once a pass.
 * What has timed out goes within a quarter of its timeout, if @p most suffices.
 * @return how many were looked at: @p most means that more wait. */
unsigned weir_flow_expire(struct weir_flow_table *t, unsigned most);

/** IP bytes that went one way, to 2^56: two months of 100 Gbit/s. */
static inline uint64_t weir_flow_bytes(const struct weir_flow *f, enum weir_dir dir)
{
	return f->carried[dir] & (UINT64_MAX >> 8);
}

/** All TCP flags that were seen one way; 0 if it is not TCP. */
static inline uint8_t weir_flow_tcp_flags(const struct weir_flow *f, enum weir_dir dir)
{
	return ((const uint8_t *)&f->carried[dir])[7]; /* a byte needs no register for the rest */
}
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the highest byte is the last one");

/** Note the flags of a packet of TCP that passes. */
static inline void weir_flow_saw(struct weir_flow *f, enum weir_dir dir, uint8_t tcp_flags)
{
	f->carried[dir] |= (uint64_t)tcp_flags << 56;
}

/** Count a packet of a flow, and note its time. */
static inline void weir_flow_count(struct weir_flow *f, enum weir_dir dir, uint32_t ip_bytes,
				   uint32_t now_ms)
{
	f->last_ms = now_ms;
	f->carried[dir] += ip_bytes;
	f->pkts[dir] += f->pkts[dir] != UINT32_MAX;
}

/** What a TCP packet means to its flow. */
enum weir_flow_tcp {
	WEIR_FLOW_TCP_OK,	 /**< it may pass; the flow has moved on */
	WEIR_FLOW_TCP_INVALID,	 /**< flags that cannot be, or out of the window: drop it */
	WEIR_FLOW_TCP_CHALLENGE, /**< a SYN or RST that may be honest but does not prove it (RFC
				  * 5961), or an answer of an older connection's end: the flow is
				  * as it was. Pass it on, for the end asks back with a challenge
				  * ACK; dropped, half-open connections do not recover */
	WEIR_FLOW_TCP_RENEW,	 /**< SYN of a new connection over one that has ended: begin anew */
};

/** What of a TCP segment matters; host order. */
struct weir_flow_segment {
	uint32_t seq;		/**< sequence number */
	uint32_t ack;		/**< acknowledgement number */
	uint32_t payload_bytes; /**< bytes of data */
	uint16_t window;	/**< as in the header */
	uint8_t flags;		/**< as in the header */
	int8_t wscale;		/**< option of a SYN; -1: none */
};

/**
 * Track one TCP packet: state, windows, WEIR_FLOW_REPLIED. Pure, but for the flow (RFC 9293 section
 * 3.10.7, RFC 5961 sections 3 to 5, RFC 7323 section 2.2). The first packet too, with the draft.
 * @param loose a flow may begin in its middle.
 * @param cls   set to the class that it is in now, for weir_flow_set_class().
 */
WEIR_MUST_CHECK enum weir_flow_tcp weir_flow_tcp(struct weir_flow *f, enum weir_dir dir,
						 const struct weir_flow_segment *seg, bool loose,
						 enum weir_flow_class *cls);

/** Read a segment from its header. @param bytes of the header and what follows it; if they do not
 * hold the header, the segment has flags 0, which are INVALID. */
void weir_flow_segment(const void *tcp_header, uint32_t bytes, struct weir_flow_segment *out);

/** "half-open", "established" ... */
const char *weir_flow_class_name(enum weir_flow_class cls);
/** "SYN_SENT", "ESTABLISHED" ... */
const char *weir_tcp_state_name(enum weir_tcp_state state);

/* Asking a worker about its flows, from the control thread. */

/**
 * Whether a flow is asked for. Called by the worker for each flow, so it is short, and reads
 * nothing that changes meanwhile.
 * @param orig  first packet as it comes.
 * @param reply the same of packets against it.
 */
typedef bool weir_flow_match_fn(const void *ctx, const struct weir_flow *f,
				const struct weir_tuple *orig, const struct weir_tuple *reply);

/** What is asked for; zero matches all. */
struct weir_flow_filter {
	uint8_t family;	   /**< of the first packet as it comes or leaves; 0: both, not with addr */
	uint8_t proto;	   /**< 0: all */
	uint16_t port;	   /**< either port, before or after translation, network order; 0: all */
	uint8_t addr[16];  /**< either address, before or after translation; of @p family */
	uint8_t addr_bits; /**< length of addr; 0: all */
	uint16_t rule_plus_one;	   /**< the rule's slot, plus one; 0: all */
	weir_flow_match_fn *match; /**< and only those of which it says so; NULL: all */
	const void *match_ctx;	   /**< its first argument */
};

/** A flow as it is shown. */
struct weir_flow_view {
	struct weir_flow flow;	/**< a copy */
	struct weir_tuple orig; /**< first packet as it comes */
	struct weir_tuple to;	/**< first packet as it leaves */
	uint32_t idle_ms;	/**< since the last packet */
	uint32_t age_ms;	/**< since the first packet */
	uint32_t left_ms;	/**< until it times out */
};

/** A question; the worker answers a part of it each pass. */
struct weir_flow_ask {
	struct weir_flow_filter filter; /**< which */
	bool kill;			/**< end them rather than show them */
	struct weir_flow_view *views;	/**< where they go; NULL with kill */
	uint32_t room;			/**< of views */
	uint32_t limit;			/**< show (room, if that is less) or end so many at most */
	/* answers */
	uint32_t matched; /**< so many were shown or ended */
	uint32_t cursor;  /**< where the table is looked at next; 0 in the beginning */
	bool done;	  /**< written with release when the answer is whole */
};

/** Leave a question with a table; none may be waiting. Control thread; wake the worker then.
 * NULL takes the one that waits back: it is the asker's again once the worker has ended its pass.
 */
void weir_flow_ask_post(struct weir_flow_table *t, struct weir_flow_ask *ask);
/** Whether a question waits: passes are due until it is answered. Any thread. */
WEIR_MUST_CHECK bool weir_flow_ask_waits(const struct weir_flow_table *t);
/** Whether the answer is whole. Control thread. */
WEIR_MUST_CHECK bool weir_flow_ask_done(const struct weir_flow_ask *ask);
/** Answer a part of what waits: to be called once a pass. */
void weir_flow_ask_serve(struct weir_flow_table *t);
