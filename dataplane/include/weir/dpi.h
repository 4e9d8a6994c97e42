/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Deep packet inspection: patterns in payloads, and the names that clients ask for.
 *
 * A struct weir_dpi is what to look for: patterns, compiled by hyperscan on the control thread, and
 * sets of domains. It is immutable and lives with its generation. A struct weir_dpi_worker is what
 * one worker has looked at: a state for each flow under inspection. Nothing in it grows.
 *
 * TCP is inspected as a stream, in the order of its numbers, whatever order its segments come in:
 * what comes early is copied and waits; what comes twice is looked at once, and of two versions of
 * a byte the first that came counts. Datagrams are inspected one by one.
 *
 * All that is given up is counted: a flow for which there was no state, a direction whose budget is
 * used up or whose early segments had no room. Such a flow goes on uninspected.
 *
 * Order of calls: weir_dpi_compile(), weir_dpi_worker_prepare() for each worker, publish the
 * generation; after the old one was retired weir_dpi_worker_retire() of each worker and
 * weir_dpi_free(). A flow that lives through it begins anew at its next packet: its streams are
 * those of the new patterns from that packet on, its name is judged by the new sets, its budget and
 * its verdict are new. A pattern that lies across that place in the stream is not found.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/flow.h>
#include <weir/must_check.h>
#include <weir/siphash.h>
#include <weir/sniff.h>
#include <weir/why.h>

struct rte_mbuf;

/** Patterns at most, of all sources. */
#define WEIR_DPI_PATTERNS_MAX 100000
/** Domain sets at most. */
#define WEIR_DPI_SETS_MAX 256
/** In the place of a set: a name could not be read, and weir_dpi_conf.unreadable has decided. */
#define WEIR_DPI_UNREADABLE WEIR_DPI_SETS_MAX
/** What weir_dpi_set_name() says of that. */
#define WEIR_DPI_UNREADABLE_NAME "unreadable"
/** A budget that does not end. */
#define WEIR_DPI_UNLIMITED UINT64_MAX
/** States of a worker at most. */
#define WEIR_DPI_STATES_MAX (UINT32_C(1) << 22)

/** What becomes of a flow in which something is found. */
enum weir_dpi_action {
	WEIR_DPI_PASS,	 /**< nothing: of a domain set, an exception from wider ones */
	WEIR_DPI_ALERT,	 /**< it goes on; an event */
	WEIR_DPI_TAG,	 /**< it goes on; its application is known, an event */
	WEIR_DPI_DROP,	 /**< an event, and all its packets are dropped from now on */
	WEIR_DPI_RESET,	 /**< the same, and both sides are told */
	WEIR_DPI_ACTIONS /**< how many there are */
};

/** What has decided. */
enum weir_dpi_by {
	WEIR_DPI_BY_NONE,    /**< nothing */
	WEIR_DPI_BY_PATTERN, /**< a pattern; id is its number */
	WEIR_DPI_BY_DOMAIN,  /**< a domain set; id is its place in weir_dpi_conf.sets */
};

/** How patterns are written. */
enum weir_dpi_format {
	/**
	 * One a line, as hyperscan's tools have them: NUMBER:/REGEX/FLAGS. Flags: i (caseless), s
	 * (dot is any byte), m (^ and $ at lines), H (once: always so here), V (may match nothing),
	 * 8 (UTF-8), W (Unicode properties). Blank lines and those that begin with # are passed
	 * over.
	 */
	WEIR_DPI_HYPERSCAN,
	/**
	 * Rules of Snort: alert, drop, block or reject; tcp, udp or ip; ports; msg, sid, flow,
	 * content (nocase, offset, depth), pcre (flags i s m x A E G B). Variables for addresses
	 * mean any address: who may talk to whom is said by the firewall's rules. An offset counts
	 * from the start of the stream, or of the datagram. A rule with anything else is left out
	 * and named.
	 */
	WEIR_DPI_SNORT,
};

/** Patterns of one file, or given in place. */
struct weir_dpi_source {
	const char *name;	     /**< the file; with text, what messages call it */
	const char *text;	     /**< NULL: read the file */
	size_t text_bytes;	     /**< of text */
	enum weir_dpi_format format; /**< how they are written */
	enum weir_dpi_action action; /**< of HYPERSCAN: what all of them do, not PASS */
	uint8_t app;		     /**< with TAG: the application */
	uint8_t dirs;		     /**< of HYPERSCAN: bits 1 << enum weir_dir; 0: both */
};

/**
 * A set of domains: "example.com" is that name and all below it, "=example.com" only itself. Files
 * have one a line, with comments from # on. The most special entry decides: of "www.a.example",
 * "=www.a.example" goes before "www.a.example", that before "a.example"; of the same entry in
 * several sets, that of the first set.
 */
struct weir_dpi_set {
	const char *name;	     /**< for people */
	const char *const *domains;  /**< n_domains, given in place */
	uint32_t n_domains;	     /**< how many */
	const char *const *files;    /**< n_files, with one domain a line */
	uint32_t n_files;	     /**< how many */
	enum weir_dpi_action action; /**< what becomes of a flow for such a name */
	uint8_t app;		     /**< with TAG: the application */
};

/** What to look for. All of it is read by weir_dpi_compile() and not kept. */
struct weir_dpi_conf {
	const struct weir_dpi_source *sources; /**< n_sources */
	uint32_t n_sources;		       /**< how many; 0: names only */
	const struct weir_dpi_set *sets;       /**< n_sets */
	uint32_t n_sets;		       /**< how many */
	uint64_t budget_bytes; /**< of each direction of a flow; WEIR_DPI_UNLIMITED: all of it */
	/** PASS, DROP or RESET: what becomes of a message whose name cannot be read, or may be read
	 * differently by others; of what is no query, but sent to port 53. */
	enum weir_dpi_action unreadable;
	const char *cache_dir;		/**< where compiled databases are kept; NULL: nowhere */
	struct weir_siphash_key secret; /**< keys the hash of domains, random */
	/** Told of what was left out, and of a cache that does not work; NULL: nobody. */
	void (*finding)(void *ctx, const char *sentence);
	void *ctx; /**< given to finding */
};

/** Where the databases came from. */
enum weir_dpi_cache {
	WEIR_DPI_CACHE_NONE,	/**< compiled; there is no cache, or it cannot be written */
	WEIR_DPI_CACHE_WRITTEN, /**< compiled, and written for the next time */
	WEIR_DPI_CACHE_HIT,	/**< read */
};

/** What compiling came to. */
struct weir_dpi_stats {
	uint32_t patterns;     /**< in use */
	uint32_t left_out;     /**< rules that were not understood; the finding says why */
	uint32_t domains;      /**< entries of all sets */
	uint64_t bytes;	       /**< memory of databases and sets */
	uint32_t stream_bytes; /**< what one direction of one flow needs; 0: no pattern is of TCP */
	uint64_t build_ns;     /**< time of weir_dpi_compile() */
	enum weir_dpi_cache cache; /**< where the databases came from */
};

struct weir_dpi;

/**
 * Read and compile. Takes up to minutes for tens of thousands of patterns, unless they are cached.
 * @return 0; -EINVAL (a pattern, a domain; named with file and line), -EEXIST (two patterns have
 *         one number), -ENOTSUP (the processor lacks SSSE3), -EFBIG, -ENOMEM or what reading a file
 *         failed with. Control thread.
 */
WEIR_MUST_CHECK int weir_dpi_compile(const struct weir_dpi_conf *conf, struct weir_dpi **out,
				     struct weir_why *why);
/** Free; no worker may use it or be prepared for it. NULL is allowed. Control thread. */
void weir_dpi_free(struct weir_dpi *d);
/** What it came to. Any thread. */
void weir_dpi_stats(const struct weir_dpi *d, struct weir_dpi_stats *out);
/** What a pattern says: its msg, or its text. NULL: no such number. Any thread. */
const char *weir_dpi_message(const struct weir_dpi *d, uint32_t id);
/** The name of a domain set, or of WEIR_DPI_UNREADABLE. NULL: no such place. Any thread. */
const char *weir_dpi_set_name(const struct weir_dpi *d, uint32_t id);
/**
 * Which domain set a name is in.
 * @param name  as weir/sniff.h makes them.
 * @return its place in weir_dpi_conf.sets, or -1. Any thread.
 */
WEIR_MUST_CHECK int weir_dpi_domain(const struct weir_dpi *d, const char *name);

/** Something was found. Valid during the call; strings live as long as the weir_dpi or the state.
 */
struct weir_dpi_alert {
	uint32_t flow;	/**< of weir_dpi_flow */
	uint32_t id;	/**< the pattern's number, or the set's place */
	uint8_t by;	/**< enum weir_dpi_by */
	uint8_t action; /**< enum weir_dpi_action */
	uint8_t dir;	/**< enum weir_dir */
	uint8_t app;	/**< with TAG: the application */
	uint64_t end;	/**< where it ends, in the inspected bytes of the direction or datagram */
	const char *message; /**< what the pattern says, or the set's name */
	const char *name;    /**< whom the client asks for; empty: not known */
};

/** Told of what is found, on the worker, in the middle of a call. It may not call back. */
typedef void weir_dpi_alert_fn(void *ctx, const struct weir_dpi_alert *alert);

/** Sizes of a worker's part. 0 takes the default. */
struct weir_dpi_worker_conf {
	uint32_t states;	/**< flows under inspection at once; default 16,384 */
	uint32_t held_blocks;	/**< blocks of 2 KiB for early segments, of all flows; 4,096 */
	uint32_t flow_blocks;	/**< of them, what one direction may take; 32 */
	uint32_t sniff_buffers; /**< clients whose message comes in pieces, at once; 256 */
	uint32_t
		sniff_bytes; /**< of such a message at most; 16,645: a whole TLS record and a bit */
	uint32_t flow_alerts;	  /**< events of one flow; 64. Verdicts are told nevertheless */
	int numa;		  /**< node of the memory; -1: any */
	weir_dpi_alert_fn *alert; /**< NULL: nobody is told */
	void *ctx;		  /**< given to alert */
};

/** Counters of a worker. One writer (the worker), read with weir_counted(). */
struct weir_dpi_counters {
	uint64_t begun;	      /**< flows whose inspection began */
	uint64_t used;	      /**< states in use now */
	uint64_t no_state;    /**< flows for which there was none: uninspected */
	uint64_t segments;    /**< segments with payload that were given */
	uint64_t datagrams;   /**< datagrams likewise */
	uint64_t bytes;	      /**< payload that was inspected */
	uint64_t over_budget; /**< directions that went on uninspected: their budget was used */
	uint64_t early;	      /**< segments that came before their turn */
	uint64_t held;	      /**< blocks that hold such segments now */
	uint64_t held_flow;   /**< directions given up: more early bytes than one may have */
	uint64_t held_full;   /**< directions given up: no block was left of all */
	uint64_t again_bytes; /**< payload that had come before: not inspected again */
	uint64_t alerts;      /**< events told */
	uint64_t alerts_over; /**< events not told: the flow had too many */
	uint64_t dropped;     /**< flows and datagrams with the verdict DROP */
	uint64_t reset;	      /**< flows and datagrams with the verdict RESET */
	uint64_t tagged;      /**< times an application was found */
	uint64_t names;	      /**< names that clients asked for */
	uint64_t bad_names;   /**< what stood in their place but is no name of a host */
	uint64_t unreadable;  /**< messages that cannot be read, or differently by others */
	uint64_t sniff_long;  /**< messages longer than sniff_bytes: judged by what is known */
	uint64_t sniff_full;  /**< messages in pieces for which no buffer was left */
	uint64_t begun_anew;  /**< flows that lived through a change of patterns */
	uint64_t failed;      /**< scans that hyperscan refused: the direction is given up */
};

struct weir_dpi_worker;

/** Memory of such a worker prepared for one @p d (NULL: for none) in bytes, for --plan. Any thread.
 */
WEIR_MUST_CHECK uint64_t weir_dpi_worker_size(const struct weir_dpi_worker_conf *conf,
					      const struct weir_dpi *d);
/** Make a worker's part. EAL must be up. @return 0, -EINVAL or -ENOMEM. Control thread. */
WEIR_MUST_CHECK int weir_dpi_worker_create(const struct weir_dpi_worker_conf *conf,
					   struct weir_dpi_worker **out, struct weir_why *why);
/** Free; the worker does not run. NULL is allowed. Control thread. */
void weir_dpi_worker_free(struct weir_dpi_worker *w);
/** Its counters. Any thread. */
const struct weir_dpi_counters *weir_dpi_worker_counters(const struct weir_dpi_worker *w);

/**
 * Have all memory ready that inspection for @p d needs, beside that for the one in use; the worker
 * may run. Call it before the generation with @p d is published. Again for the same is allowed.
 * The first call sets hyperscan's allocator of streams for the process; streams that others open
 * are still malloc()ed.
 * @return 0, -EBUSY (two are prepared: retire one first) or -ENOMEM. Control thread.
 */
WEIR_MUST_CHECK int weir_dpi_worker_prepare(struct weir_dpi_worker *w, const struct weir_dpi *d,
					    struct weir_why *why);
/**
 * Give that memory back: the worker reads no generation with @p d any more. Not prepared, or NULL,
 * is allowed. Control thread.
 */
void weir_dpi_worker_retire(struct weir_dpi_worker *w, const struct weir_dpi *d);

/** A flow, as its first packet came. */
struct weir_dpi_flow {
	uint32_t flow;	/**< number for alerts, the caller's */
	uint16_t sport; /**< host order */
	uint16_t dport; /**< host order */
	uint8_t proto;	/**< IPPROTO_TCP or IPPROTO_UDP */
};

/** What a packet has led to. */
struct weir_dpi_verdict {
	uint32_t id;	/**< what has decided */
	uint8_t by;	/**< enum weir_dpi_by */
	uint8_t action; /**< PASS, DROP or RESET: enum weir_dpi_action */
	uint8_t app;	/**< the flow's application, the one found last; 0: none yet */
	/** Nothing that may still come is inspected: the state can be ended. */
	bool done : 1;
	/** A message or datagram of the client's was read for a name. */
	bool read : 1;
};

/*
 * For the worker's thread. `d` is the one of the generation of this pass, for which the worker was
 * prepared.
 */

/** Begin to inspect a flow. @return its state, to be ended; 0: none is free (counted). */
WEIR_MUST_CHECK uint32_t weir_dpi_begin(struct weir_dpi_worker *w, const struct weir_dpi *d,
					const struct weir_dpi_flow *flow);
/** Fetch a state that a packet soon to come needs. 0 is allowed. */
void weir_dpi_prefetch(const struct weir_dpi_worker *w, uint32_t state);
/**
 * TCP: a SYN came. Data begin behind its number. Without it they begin where the first segment
 * does, and what comes late is not seen.
 */
void weir_dpi_syn(struct weir_dpi_worker *w, uint32_t state, enum weir_dir dir, uint32_t seq);
/**
 * TCP: inspect a segment, and what had waited for it.
 * @param seq   number of the payload's first byte, host order.
 * @param off   where the payload is in the packet.
 * @param bytes of it; not more than there are.
 * @return the verdict for this packet and, if not PASS, for all that follow.
 */
WEIR_MUST_CHECK struct weir_dpi_verdict weir_dpi_segment(struct weir_dpi_worker *w,
							 const struct weir_dpi *d, uint32_t state,
							 enum weir_dir dir, uint32_t seq,
							 const struct rte_mbuf *m, uint32_t off,
							 uint32_t bytes);
/**
 * Anything else: inspect a datagram by itself, copied together first if it lies in several buffers.
 * @return the verdict for this packet alone.
 */
WEIR_MUST_CHECK struct weir_dpi_verdict
weir_dpi_datagram(struct weir_dpi_worker *w, const struct weir_dpi *d, uint32_t state,
		  enum weir_dir dir, const struct rte_mbuf *m, uint32_t off, uint32_t bytes);
/**
 * The flow has ended, or is no longer inspected. Patterns that match at the end of a stream ($)
 * are found now, as events. 0 is allowed.
 */
void weir_dpi_end(struct weir_dpi_worker *w, const struct weir_dpi *d, uint32_t state);
/** What was seen of the client's last message: protocol, name, versions. Never NULL. */
const struct weir_sniff *weir_dpi_sniffed(const struct weir_dpi_worker *w, uint32_t state);
