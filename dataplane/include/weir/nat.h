/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Translation: which addresses and ports a new flow leaves with.
 *
 * Where a flow goes (port forwards, 1:1, NAT64) is decided before the filter rules, by
 * weir_nat_destination(); from where it seems to come (masquerade, pools, CGNAT, NPTv6) behind
 * them, by weir_nat_source(). Both answer with the tuple of the flow's first packet as it leaves,
 * which the flow's entry keeps (weir_flow_translate()); packets are rewritten by rewrite_priv.h.
 *
 * Which port is free is known by the flow table itself: a port may be used towards each peer at the
 * same time. Only ports whose replies come to the worker that asks are given. A rule that is
 * endpoint-independent (RFC 4787) gives a port of an inside host one port outside for all peers;
 * such mappings are a table of their own, struct weir_nat_maps.
 */

#include <stdbool.h>
#include <stdint.h>
#include <weir/addr.h>
#include <weir/flow.h>
#include <weir/l3.h>
#include <weir/must_check.h>
#include <weir/rules.h>
#include <weir/why.h>

/** Rules of translation at most. */
#define WEIR_NAT_RULES_MAX 4096
/** Prefixes of a rule's pool at most. */
#define WEIR_NAT_POOL_MAX 256
/** Ports in use that are looked at for a new flow before it is given up, besides its own. */
#define WEIR_NAT_TRIES 64

/** What a rule of translation does. */
enum weir_nat_kind {
	WEIR_NAT_NONE,	     /**< leave these flows as they are */
	WEIR_NAT_MASQUERADE, /**< source: an address of the interface that it leaves by */
	WEIR_NAT_SNAT,	     /**< source: of a pool */
	WEIR_NAT_CGNAT,	     /**< source: the subscriber's block of ports (RFC 7422) */
	WEIR_NAT_DNAT,	     /**< destination: an address, maybe another port */
	WEIR_NAT_ONE_TO_ONE, /**< prefix to prefix of the same length, both directions */
	WEIR_NAT_NPT6,	/**< IPv6 prefix to prefix, checksum-neutral (RFC 6296), stateful here */
	WEIR_NAT_NAT64, /**< IPv6 to IPv4 (RFC 6146, 7915) */
	WEIR_NAT_KINDS	/**< how many there are */
};

/** A rule as it is written; borrowed for compile (sets for as long as the result lives). First
 * match wins, in each of the two lists. Ports of ICMP queries are their identifiers. */
struct weir_nat_rule {
	const char *name;	 /**< for people; unique */
	enum weir_nat_kind kind; /**< what it does */
	uint32_t from_zones;	 /**< bits by zone: where packets come from */
	uint32_t to_zones;	 /**< where they go to; not looked at in the list of destinations */
	uint8_t proto;		 /**< IPPROTO_; 0: all */
	struct weir_rule_addrs src; /**< before translation; no countries */
	struct weir_rule_addrs dst; /**< of destination rules before, of source rules after it */
	struct weir_range
		dports; /**< of TCP and UDP packets, host order; lo 0: all, of others too */
	/** CGNAT: subscribers; ONE_TO_ONE, NPT6: prefix inside; NAT64: the IPv6 prefix
	 * (64:ff9b::/96 or another of RFC 6052's lengths). */
	struct weir_prefix inside;
	/** SNAT, CGNAT: addresses outside, of one family; NAT64: IPv4, none means own ones;
	 * ONE_TO_ONE, NPT6: the one prefix outside. */
	const struct weir_prefix *pool;
	uint32_t n_pool; /**< how many, to WEIR_NAT_POOL_MAX */
	struct weir_range
		ports;	     /**< SNAT, MASQUERADE, CGNAT, NAT64: to be used; lo 0: 1024 to 65535 */
	struct weir_addr to; /**< DNAT */
	uint16_t to_port;    /**< DNAT: first port, as dports.lo; 0: the same */
	uint16_t block;	     /**< CGNAT: ports of a subscriber */
	/** The same port for all peers of an inside port (RFC 4787); with several workers, for
	 * those whose packets come to the same one. */
	bool endpoint_independent;
	/** DNAT: from all zones, not only from_zones; a source that is not in those, or is in the
	 * zone of its destination, is translated to an address of the interface that it leaves by.
	 */
	bool hairpin;
	uint32_t line; /**< of the file, for people */
};

/** All there is to compile. A rule for both directions (ONE_TO_ONE, NPT6) stands in both lists. */
struct weir_nat_conf {
	/** DNAT, ONE_TO_ONE (inwards), NPT6 (inwards), NAT64, NONE. */
	const struct weir_nat_rule *destination;
	/** MASQUERADE, SNAT, CGNAT, ONE_TO_ONE, NPT6, NONE. */
	const struct weir_nat_rule *source;
	uint32_t n_destination; /**< how many */
	uint32_t n_source;	/**< how many */
};

struct weir_nat;

/** Compile. @return 0, -EINVAL, -ENOSPC or -ENOMEM with a sentence that names the rule. Control. */
WEIR_MUST_CHECK int weir_nat_compile(const struct weir_nat_conf *conf, struct weir_nat **out,
				     struct weir_why *why);
/** Free; no worker may see it. NULL is allowed. */
void weir_nat_free(struct weir_nat *nat);
/** Name of a rule by its number (destination rules first, then source rules); NULL: none. */
const char *weir_nat_name(const struct weir_nat *nat, uint32_t rule);
/** How many rules there are. */
uint32_t weir_nat_count(const struct weir_nat *nat);

/** Mappings of a worker for rules that are endpoint-independent. */
struct weir_nat_maps;

/** Memory of a table with so many mappings in bytes, for --plan. Any thread. */
WEIR_MUST_CHECK uint64_t weir_nat_maps_size(uint32_t entries);
/** Make it, for 1 to 2^24 mappings. EAL must be up. @return 0, -EINVAL or -ENOMEM. Control thread.
 */
WEIR_MUST_CHECK int weir_nat_maps_create(uint32_t entries, int numa,
					 const struct weir_siphash_key *secret,
					 struct weir_nat_maps **out);
/** Free it. NULL is allowed. Control thread. */
void weir_nat_maps_free(struct weir_nat_maps *maps);
/** How many mappings there are now. Any thread. */
WEIR_MUST_CHECK uint32_t weir_nat_maps_used(const struct weir_nat_maps *maps);

/** What a worker brings along. */
struct weir_nat_asker {
	struct weir_flow_table *flows; /**< says which tuples are in use */
	/** Of rules that are endpoint-independent; NULL: their flows get ports of their own. */
	struct weir_nat_maps *maps;
	/** Whether packets of this tuple come to the worker that asks; NULL: all do. */
	bool (*is_mine)(void *ctx, const struct weir_tuple *tuple);
	void *ctx; /**< for is_mine */
	/** For ports and addresses that cannot be guessed (RFC 6056). The same in all workers, so
	 * that an inside host has one address of a pool. */
	struct weir_siphash_key secret;
	uint32_t now_s; /**< the clock of the sets; set it in each pass */
	/** Written by weir_nat_source(): the flow holds a mapping, to be given back when it ends.
	 */
	bool mapped;
	/** Written by weir_nat_source(): the subscriber's block that its port is of; hi 0: none. */
	struct weir_range block;
	/* Counters. One writer (the worker), read with weir_counted(). */
	uint64_t tries;	     /**< ports that were looked at */
	uint64_t translated; /**< flows whose source was translated */
	uint64_t full;	     /**< flows for which no port or mapping was free */
	uint64_t no_address; /**< flows that leave by an interface without an address for them */
};

/**
 * Where a new flow goes, before the filter rules see it. Rules come first, then mappings of
 * endpoint-independent rules. A worker's thread.
 * @param from zone that it comes from.
 * @param t    the first packet's tuple; changed into what it leaves as (so far): NAT64 makes it a
 *             tuple of IPv4 with source 0.0.0.0, which weir_nat_source() fills in.
 * @param rule set to the rule that decided, or WEIR_RULE_DEFAULT (a mapping too).
 * @return whether it changed.
 */
WEIR_MUST_CHECK bool weir_nat_destination(const struct weir_nat *nat, struct weir_nat_asker *a,
					  uint8_t from, struct weir_tuple *t, uint32_t *rule);

/** What is known when the source is chosen. */
struct weir_nat_where {
	uint8_t from; /**< zone that it comes from */
	uint8_t to;   /**< zone that it goes to */
	/** Addresses of the interface that it leaves by. */
	struct weir_addr own[WEIR_IFACE_ADDRS_MAX];
	uint8_t n_own;		   /**< how many of own are set */
	uint32_t destination_rule; /**< what weir_nat_destination() said */
};

/**
 * From where a new flow seems to come. May be asked again for the same flow, with what it answered
 * before in @p t, after weir_nat_release() if a->mapped was set. A worker's thread.
 * @param orig the first packet's tuple as it came.
 * @param t    as it leaves so far; changed.
 * @param rule set to the rule that decided, or WEIR_RULE_DEFAULT.
 * @return 0 (also if nothing changes), -ENOSPC (no port or mapping is free), -EADDRNOTAVAIL (the
 *         interface has no address of this family; or an address that RFC 6296 cannot translate).
 */
WEIR_MUST_CHECK int weir_nat_source(const struct weir_nat *nat, struct weir_nat_asker *a,
				    const struct weir_nat_where *where,
				    const struct weir_tuple *orig, struct weir_tuple *t,
				    uint32_t *rule);

/**
 * Give back the mapping of a flow for which a->mapped was set: when it ends, or did not come about.
 * @param orig the flow's first packet as it came; @param to as it left. A worker's thread.
 */
void weir_nat_release(struct weir_nat_maps *maps, const struct weir_tuple *orig,
		      const struct weir_tuple *to);

/** The block of a CGNAT subscriber, for logs and `weirctl explain`; false: it is none. */
WEIR_MUST_CHECK bool weir_nat_block(const struct weir_nat *nat, const struct weir_addr *subscriber,
				    struct weir_addr *outside, struct weir_range *ports);
/** The subscriber of a block: who had this address and port; false: nobody. */
WEIR_MUST_CHECK bool weir_nat_subscriber(const struct weir_nat *nat,
					 const struct weir_addr *outside, uint16_t port,
					 struct weir_addr *subscriber);

/**
 * An IPv4 address in an IPv6 prefix (RFC 6052 section 2.2). Any thread.
 * @param prefix of 32, 40, 48, 56, 64 or 96 bits.
 * @param addr   4 bytes, network order.
 */
void weir_nat64_embed(const struct weir_prefix *prefix, const uint8_t addr[4], uint8_t out[16]);
/** The IPv4 address in an IPv6 address; false: it is not in the prefix, or its bits 64 to 71 are
 * not zero. Any thread. */
WEIR_MUST_CHECK bool weir_nat64_extract(const struct weir_prefix *prefix, const uint8_t addr[16],
					uint8_t out[4]);
