/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Filter rules, compiled: which of up to 65,534 rules decides about the first packet of a flow.
 *
 * Rules are compiled for each pair of zones into DPDK's rte_acl. Prefixes, ports, protocols, ICMP
 * types, TCP flags, VLANs, DSCPs and applications are fields of it. Sets, countries and long lists
 * of prefixes are looked up once for each packet, and never become entries: rules that use the same
 * lists are a class, the class is a field, and a packet asks once for each class it is in. So a
 * change of a set recompiles nothing.
 *
 * First match wins. Rules that may not end the search (they count, or have a limit) stand apart:
 * rte_acl says of them which ones a packet matches, however many, and of the others which is first.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/addr.h>
#include <weir/must_check.h>
#include <weir/siphash.h>
#include <weir/tuple.h>
#include <weir/why.h>

struct weir_geo;
struct weir_set;

/** Zones at most, the one of our own addresses included. */
#define WEIR_ZONES_MAX 32
/** The zone of our own addresses: what we receive and send ourselves. */
#define WEIR_ZONE_SELF 0
/** Rules at most. */
#define WEIR_RULES_MAX 65534
/** Counters of rules at most, 0 among them: those of two generations, for a reload may replace all
 * rules while the former ones count. */
#define WEIR_RULE_SLOTS_MAX (2 * WEIR_RULES_MAX + 1)
/** No rule: the default policy has decided. */
#define WEIR_RULE_DEFAULT UINT32_MAX
/** Sets that the rules of one pair of zones may use for one side, and different lists of addresses
 * with a set, a country, a negation or many prefixes. */
#define WEIR_RULE_SETS_MAX 1024
/** Rules that may not end the search, in one pair of zones. */
#define WEIR_RULE_PASSES_MAX 1024
/** Rules with a limit. */
#define WEIR_RULE_LIMITS_MAX 1024
/** Packets that may be asked about at once. */
#define WEIR_RULE_ASKS_MAX 512

/** What a rule does. */
enum weir_action {
	WEIR_ACTION_ACCEPT,   /**< let the flow pass */
	WEIR_ACTION_DROP,     /**< in silence */
	WEIR_ACTION_REJECT,   /**< with RST or ICMP */
	WEIR_ACTION_COUNT,    /**< and go on with the next rule */
	WEIR_ACTION_SYNPROXY, /**< TCP: only who completes a handshake with us may pass; else accept
			       */
	WEIR_ACTIONS	      /**< how many there are */
};

/** How many packets a rule lets match; what is over goes on with the next rule. */
enum weir_limit_per {
	WEIR_LIMIT_NONE,	/**< no limit */
	WEIR_LIMIT_RULE,	/**< of all together */
	WEIR_LIMIT_SOURCE,	/**< of each source, see limit_bits4 and limit_bits6 */
	WEIR_LIMIT_OVER_RULE,	/**< the other way round: it matches only what is over the limit */
	WEIR_LIMIT_OVER_SOURCE, /**< likewise, of each source */
	WEIR_LIMITS		/**< how many there are */
};

/** A range of numbers, both ends in it. */
struct weir_range {
	uint16_t lo; /**< the first */
	uint16_t hi; /**< the last, not below it */
};

/** Addresses of one side: an address matches if it is in any of them (or in none: negate). */
struct weir_rule_addrs {
	const struct weir_prefix *prefixes; /**< n_prefixes */
	const struct weir_set *const *sets; /**< n_sets */
	const uint16_t *countries;	    /**< n_countries, of the weir_geo */
	uint32_t n_prefixes;		    /**< how many */
	uint32_t n_sets;		    /**< how many */
	uint32_t n_countries;		    /**< how many */
	bool negate;			    /**< none of them; of an empty list: all addresses */
};

/**
 * A rule as it is written. Empty lists match all. What it points to is borrowed for compile, which
 * copies names and lists; sets themselves are borrowed for as long as the rules live.
 *
 * What only some protocols have narrows the rule to them: ports to TCP, UDP and SCTP, flags to TCP,
 * ICMP types and codes to the ICMP of the packet's family.
 *
 * A rule with an application matches packets of flows that are known to be of it. As long as
 * nothing is known of a flow (weir_rule_ask.app is 0), the rule matches only if it accepts: then
 * weir_rules_ask() returns a rule whose app is not 0, and whoever asks lets the flow pass until
 * inspection has an answer, and asks again with that.
 */
struct weir_rule {
	const char *name;		 /**< for people; unique */
	uint32_t from_zones;		 /**< bits by zone; 0: all */
	uint32_t to_zones;		 /**< likewise */
	uint8_t family;			 /**< 4, 6; 0: both */
	uint8_t proto;			 /**< IPPROTO_; 0: all */
	struct weir_rule_addrs src;	 /**< source */
	struct weir_rule_addrs dst;	 /**< destination */
	const struct weir_range *sports; /**< n_sports source ports, host order */
	const struct weir_range *dports; /**< n_dports destination ports, host order */
	uint32_t n_sports;		 /**< how many ranges */
	uint32_t n_dports;		 /**< how many ranges */
	int16_t icmp_type;		 /**< -1: all */
	int16_t icmp_code;		 /**< -1: all */
	uint8_t tcp_flags;		 /**< those of tcp_mask that must be set, the others not */
	uint8_t tcp_mask;		 /**< flags that are looked at; 0: none */
	uint16_t vlan;			 /**< outer VLAN; 0: all */
	int8_t dscp;			 /**< 0 to 63; -1: all */
	uint8_t app;			 /**< application; 0: all */
	enum weir_action action;	 /**< what it does */
	enum weir_limit_per limit;	 /**< and how often; what is over goes on */
	uint64_t limit_pps;		 /**< packets a second that begin flows, of all workers */
	uint64_t limit_burst;		 /**< such packets at once, of all workers */
	uint8_t limit_bits4;		 /**< sources with these bits alike are one; 0: 32 */
	uint8_t limit_bits6;		 /**< likewise of IPv6, to 64; 0: 64 */
	bool log;			 /**< record the flow that it decides */
	bool capture;			 /**< write its packets to the capture file */
	bool inspect;			 /**< look at the payload of the flows that it accepts */
	bool has_mark;			 /**< set_mark is to be set */
	bool has_dscp;			 /**< set_dscp is to be set */
	uint32_t set_mark;		 /**< the flow's mark */
	uint8_t set_dscp;		 /**< of each packet of the flow, to 63 */
	uint32_t slot;			 /**< number of its counters, which outlives a reload */
	uint32_t line;			 /**< of the file, for people */
};

/** What a packet shows to the rules: destinations after translation, sources before it. */
struct weir_rule_ask {
	struct weir_tuple tuple; /**< ports: of ICMP not looked at */
	uint8_t from;		 /**< zone that it comes from */
	uint8_t to;		 /**< zone that it goes to */
	uint8_t icmp_type;	 /**< of ICMP and ICMPv6 */
	uint8_t icmp_code;	 /**< likewise */
	uint8_t tcp_flags;	 /**< of TCP, as in its header */
	uint8_t dscp;		 /**< 0 to 63 */
	uint16_t vlan;		 /**< outer VLAN; 0: none */
	uint8_t app;		 /**< application; 0: not known yet */
	bool again; /**< of a flow that was let in before: no limit is charged, none is over */
	bool later; /**< a fragment but the first: has no ports, type or flags that could match */
};

/** All there is to compile. */
struct weir_rules_conf {
	const struct weir_rule *rules;	 /**< n, first match first */
	uint32_t n;			 /**< how many, to WEIR_RULES_MAX */
	unsigned zones;			 /**< how many, SELF included */
	enum weir_action default_action; /**< ACCEPT, DROP or REJECT */
	const struct weir_geo *geo;	 /**< NULL: no countries; borrowed while the rules live */
	const uint32_t *sources_max;	 /**< NULL, or by zone: flows of one source; 0: no limit */
	uint16_t workers;		 /**< who share the limits, each its part */
	int numa;			 /**< node of the memory; -1: any */
};

/** Something about rules that an operator wants to know. */
struct weir_rules_finding {
	uint32_t rule;	/**< which never matches */
	uint32_t by;	/**< the first of the rules that take all of it; WEIR_RULE_DEFAULT: nothing
			   can match it */
	uint32_t n_by;	/**< how many rules it takes for that; 0: nothing can match it */
	char text[512]; /**< a sentence, which names the first of them */
};

/** What compiling has cost. */
struct weir_rules_stats {
	uint32_t contexts; /**< rte_acl contexts */
	uint32_t entries;  /**< rules in them together */
	uint64_t bytes;	   /**< memory of rules and contexts */
	uint64_t build_ns; /**< time of weir_rules_compile() */
};

struct weir_rules;

/**
 * Compile. EAL must be up.
 * @return 0, or -EINVAL, -ENOSPC (a limit above), -ENOMEM, with a sentence that names the rule.
 *         Control thread; takes seconds for tens of thousands of rules.
 */
WEIR_MUST_CHECK int weir_rules_compile(const struct weir_rules_conf *conf, struct weir_rules **out,
				       struct weir_why *why);
/** Free; no worker may see it. NULL is allowed. */
void weir_rules_free(struct weir_rules *rs);
/** What it cost. */
void weir_rules_stats(const struct weir_rules *rs, struct weir_rules_stats *out);
/** A rule by its number, with copies of what compile was given (lists of addresses included). */
const struct weir_rule *weir_rules_at(const struct weir_rules *rs, uint32_t rule);
/** How many there are. */
uint32_t weir_rules_count(const struct weir_rules *rs);
/** What the policy says if no rule does. */
enum weir_action weir_rules_default(const struct weir_rules *rs);
/** How many flows one source of this zone may have; 0: no limit. */
uint32_t weir_rules_sources_max(const struct weir_rules *rs, uint8_t zone);

/** A worker's part: buckets of limits, room for a burst. */
struct weir_rules_worker;
/**
 * Make it. It outlives the rules that it is used with: a limit whose slot, weir_rule.slot, is in
 * the next rules too goes on with what was left of it. EAL must be up.
 * @param limit_sources sources that limits of each source can tell apart; when there are more, the
 *                      one that was silent longest is forgotten. To 2^24.
 * @param secret        keys the hash of sources, random; copied.
 * @return 0, -EINVAL or -ENOMEM. Control thread.
 */
WEIR_MUST_CHECK int weir_rules_worker_create(uint32_t limit_sources, int numa,
					     const struct weir_siphash_key *secret,
					     struct weir_rules_worker **out);
/** Free it. NULL is allowed. */
void weir_rules_worker_free(struct weir_rules_worker *w);

/** Called for each rule that a packet matched without ending its search: COUNT.
 * @param ask the packet's place in the asks. */
typedef void weir_rules_pass_fn(void *ctx, uint32_t ask, uint32_t rule);

/**
 * Which rule decides. A worker's thread.
 * @param n      to WEIR_RULE_ASKS_MAX.
 * @param now_s  the clock of the sets; now_ns that of the limits.
 * @param rule   of each the deciding rule's number, or WEIR_RULE_DEFAULT.
 * @param passed NULL, or told of each rule on the way.
 */
void weir_rules_ask(const struct weir_rules *rs, struct weir_rules_worker *w,
		    const struct weir_rule_ask *asks, uint32_t n, uint32_t now_s, uint64_t now_ns,
		    uint32_t *rule, weir_rules_pass_fn *passed, void *ctx);

/**
 * The same by reading one rule after the other, for `weirctl explain` and as what tests compare
 * with. Limits are taken as not exceeded. Any thread but a worker's.
 * @param why_not NULL, or told for each rule before the deciding one what did not match.
 */
WEIR_MUST_CHECK uint32_t
weir_rules_explain(const struct weir_rules *rs, const struct weir_rule_ask *ask, uint32_t now_s,
		   void (*why_not)(void *ctx, uint32_t rule, const char *what), void *ctx);

/**
 * Rules that can never match: earlier rules that end the search, one alone or several together,
 * take all that they match, or nothing can match them. What the entries of sets and countries would
 * have to tell is not found. What is found is true.
 *
 * To find what several take together a rule is cut into pieces. That ends at 4,096 of them, and for
 * all rules together after 500 million looks at a rule or prefix: then it is not known. Nor is it
 * of rules behind a million addresses in lists of more than 64, and 256 such rules more.
 * @param room   findings that are written, in the order of the rules.
 * @param unsure of how many rules it is not known whether others take all of them.
 * @return how many there are; or -ENOMEM. Control thread; takes seconds for tens of thousands of
 *         rules.
 */
WEIR_MUST_CHECK int weir_rules_check(const struct weir_rules *rs, struct weir_rules_finding *out,
				     uint32_t room, uint32_t *unsure);
