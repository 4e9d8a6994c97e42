/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A policy: zones, filter rules, translation, inspection. Immutable once published with a
 * generation; several generations may carry the same one.
 *
 * Flows remember the number of the policy that let them in: one of another number is judged again
 * at its next packet.
 */

#include <stdbool.h>
#include <stdint.h>
#include <weir/flow.h>
#include <weir/l3.h>
#include <weir/nat.h>
#include <weir/rules.h>

struct weir_dpi;
struct weir_policy;

/** Applications below have the numbers of enum weir_sniff_proto; from here on those of names that
 * a configuration gives. */
#define WEIR_APP_NAMED 16
/** In weir_flow.gen, the number of no policy: the flow's application is another, judge it again. */
#define WEIR_JUDGE_AGAIN 0
/** The application of a flow in which inspection has found none. */
#define WEIR_APP_UNKNOWN UINT8_MAX

/** Room for the name of a zone, with its NUL. */
#define WEIR_ZONE_NAME 32
/** No zone: an interface that no zone names. */
#define WEIR_NO_ZONE UINT8_MAX

/** Interfaces that rules speak of by one name. */
struct weir_zone {
	char name[WEIR_ZONE_NAME]; /**< "wan"; of WEIR_ZONE_SELF "self" */
	bool antispoof;	       /**< sources must be routed to an interface of the zone (RFC 3704) */
	bool bogons;	       /**< sources must be such as the Internet has (RFC 6890) */
	uint32_t source_flows; /**< flows of one source at most; 0: no limit */
	uint32_t flows;	       /**< flows that begin here at most, in each worker; 0: no limit */
};

/** The SYN proxy: what its answers offer to clients. All but the MSS only to those that send
 * timestamps. */
struct weir_synproxy {
	uint32_t zones;	 /**< bits by zone: rules that let flows in through it begin here */
	uint16_t mss;	 /**< bytes of IPv4 segments; of IPv6 20 less */
	uint8_t wscale;	 /**< shift of windows, to 14 */
	bool timestamps; /**< RFC 7323 */
	bool sack;	 /**< RFC 2018 */
	bool ecn;	 /**< RFC 3168 */
};

/** What the stages 30 to 50 read. */
struct weir_policy {
	uint32_t number;  /**< another one for each policy; not 0 */
	uint32_t refs;	  /**< generations and others that hold it; control thread */
	unsigned n_zones; /**< how many of zone are set, SELF included */
	struct weir_zone zone[WEIR_ZONES_MAX]; /**< by number */
	uint8_t zone_of[WEIR_IFACES_MAX];      /**< by layer-3 interface: WEIR_NO_ZONE: none */
	struct weir_rules *rules;	       /**< never NULL */
	struct weir_nat *nat;		       /**< NULL: nothing is translated */
	struct weir_dpi *dpi;		       /**< NULL: nothing is inspected */
	bool by_app;	  /**< rules ask for applications: a flow is judged again when it has one */
	bool tags;	  /**< patterns tell applications, behind the first message too */
	bool loose;	  /**< TCP may begin in its middle */
	bool judges_self; /**< a rule names SELF as where it comes from; else what our host begins
			       is accepted */
	struct weir_synproxy synproxy;		/**< zones 0: it is off, rules with it accept */
	uint64_t timeout_ns[WEIR_FLOW_CLASSES]; /**< how long flows stay after their last packet */
	void (*free)(struct weir_policy *p);	/**< frees it and what it owns */
	void *owner;				/**< of who made it */
};

/** Hold a policy. Control thread. NULL is allowed. */
struct weir_policy *weir_policy_hold(struct weir_policy *p);
/** Give it back; the last one frees it. Control thread. NULL is allowed. */
void weir_policy_release(struct weir_policy *p);
