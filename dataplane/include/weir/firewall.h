/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A firewall from a configuration file: the sections, and the hooks of struct weir_app that make a
 * policy (policy.h) of them, count, and answer weirctl.
 *
 * An app adds WEIR_FIREWALL_CONF_KEYS to its schema, the stages 30 to 50 to its path, and
 * WEIR_FIREWALL_HOOKS to its struct weir_app.
 */

#include <weir/app.h>
#include <weir/conf.h>
#include <weir/policy.h>
#include <weir/record_conf.h>
#include <weir/set.h>

/** zones.NAME: */
struct weir_zone_conf {
	char *name;			  /**< by which rules speak of it */
	struct weir_conf_at at;		  /**< the zone's line */
	struct weir_conf_list interfaces; /**< char *: ports, and VLANs as PORT.ID */
	bool antispoof;			  /**< sources must be routed to the zone */
	bool bogons;			  /**< sources must be such as the Internet has */
	uint64_t source_flows;		  /**< flows of one source; 0: no limit */
	uint64_t flows;			  /**< flows that begin in the zone; 0: no limit */
};

/** sets.NAME: */
struct weir_set_section {
	char *name;			 /**< by which rules speak of it */
	struct weir_conf_at at;		 /**< the set's line */
	struct weir_conf_list addresses; /**< struct weir_prefix */
	char *file;			 /**< more of them, one a line; NULL: none */
	uint64_t entries;		 /**< at most; 0: not said */
};

/** services.NAME: */
struct weir_service_conf {
	char *name;		     /**< by which rules speak of it */
	struct weir_conf_at at;	     /**< the service's line */
	struct weir_conf_list proto; /**< char * */
	struct weir_conf_list sport; /**< char *: "80", "1000-2000" */
	struct weir_conf_list dport; /**< likewise */
};

/** firewall.rules[].limit: */
struct weir_limit_conf {
	struct weir_conf_at at; /**< the limit's line; 0: there is none */
	uint64_t rate;		/**< packets a second that begin flows */
	uint64_t burst;		/**< at once; 0: a second's */
	int per;		/**< index in rule, source, prefix */
	uint64_t prefix4;	/**< prefix: bits of IPv4; 0: as by default */
	uint64_t prefix6;	/**< prefix: bits of IPv6; 0: as by default */
	bool over;		/**< match what is over the limit instead */
};

/** firewall.rules[]: */
struct weir_rule_conf {
	struct weir_conf_at at;	      /**< the rule's line */
	char *name;		      /**< unique */
	char *comment;		      /**< for people */
	struct weir_conf_list from;   /**< char *: zones */
	struct weir_conf_list to;     /**< char *: zones */
	struct weir_conf_list source; /**< char *: addresses, prefixes, sets, country:XX, !... */
	struct weir_conf_list destination; /**< likewise */
	struct weir_conf_list service;	   /**< char *: services */
	struct weir_conf_list proto;	   /**< char * */
	struct weir_conf_list sport;	   /**< char * */
	struct weir_conf_list dport;	   /**< char * */
	char *icmp;			   /**< "echo-request", "3/4" */
	char *tcp_flags;		   /**< "syn,!ack" */
	uint64_t vlan;			   /**< 0: all */
	char *dscp;			   /**< "ef", "46" */
	int action;			   /**< index in accept, drop, reject, count, synproxy */
	bool log;			   /**< record what it decides */
	bool capture;			   /**< keep the packets that it decides about */
	bool inspect;			   /**< look at the payload of what it accepts */
	struct weir_conf_list application; /**< char *: of the flow */
	struct weir_limit_conf limit;	   /**< how often it matches */
	uint64_t mark;			   /**< of the flow; 0: none */
	char *set_dscp;			   /**< of the flow's packets */
};

/** firewall.synproxy: */
struct weir_synproxy_section {
	struct weir_conf_at at; /**< the section's line; 0: it is not there */
	uint64_t mss;		/**< bytes, of IPv4 */
	uint64_t wscale;	/**< shift of windows */
	bool timestamps;	/**< offered */
	bool sack;		/**< offered */
	bool ecn;		/**< offered */
};

/** firewall.push_down: */
struct weir_push_conf {
	struct weir_conf_at at; /**< the section's line; 0: no rule is pushed */
	uint64_t above;		/**< packets a second that make a rule hot */
	uint64_t rules;		/**< rules of drivers at most, over all ports */
};

/** firewall: */
struct weir_rules_section {
	struct weir_conf_at at;		       /**< the section's line */
	int policy;			       /**< default: index in accept, drop, reject */
	bool stateless;			       /**< packets are judged by themselves */
	char *geo;			       /**< MaxMind database of countries; NULL: none */
	struct weir_synproxy_section synproxy; /**< what the SYN proxy offers */
	struct weir_push_conf push_down;       /**< drop rules that go into drivers */
	struct weir_conf_list rules;	       /**< struct weir_rule_conf */
};

/** nat.source[] and nat.destination[]: */
struct weir_nat_rule_conf {
	struct weir_conf_at at;		   /**< the rule's line */
	char *name;			   /**< unique in its list */
	struct weir_conf_list from;	   /**< char *: zones */
	struct weir_conf_list to_zones;	   /**< char *: zones */
	struct weir_conf_list source;	   /**< char *: as in rules */
	struct weir_conf_list destination; /**< likewise */
	char *proto;			   /**< NULL: all */
	char *dport;			   /**< "80", "1000-2000"; NULL: all */
	int action;			   /**< index in the list's actions */
	struct weir_conf_list pool;	   /**< struct weir_prefix */
	char *ports;			   /**< "1024-65535" */
	struct weir_prefix inside;	   /**< cgnat, one_to_one, npt, nat64 */
	char *to;			   /**< ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT */
	uint64_t block;			   /**< ports of a CGNAT subscriber */
	bool endpoint_independent;	   /**< one port for all peers */
	bool hairpin;			   /**< from inside too */
};

/** nat: */
struct weir_nat_section {
	struct weir_conf_list source;	   /**< struct weir_nat_rule_conf */
	struct weir_conf_list destination; /**< struct weir_nat_rule_conf */
};

/** dpi.patterns.NAME: */
struct weir_dpi_patterns_conf {
	char *name;		/**< for people */
	struct weir_conf_at at; /**< the section's line */
	char *file;		/**< where the patterns are */
	int format;		/**< enum weir_dpi_format */
	int action;		/**< index in alert, drop, reset, tag */
	char *application;	/**< with tag: what it is */
	int direction;		/**< index in both, request, reply */
};

/** dpi.domains.NAME: */
struct weir_dpi_domains_conf {
	char *name;		     /**< for people, and alerts */
	struct weir_conf_at at;	     /**< the section's line */
	struct weir_conf_list names; /**< char * */
	struct weir_conf_list files; /**< char *: more of them, one a line */
	int action;		     /**< enum weir_dpi_action */
	char *application;	     /**< with tag: what it is */
};

/** dpi: */
struct weir_dpi_section {
	struct weir_conf_at at;		/**< the section's line; 0: nothing is inspected */
	uint64_t flows;			/**< under inspection at once, of all workers */
	uint64_t budget;		/**< bytes of each direction; 0: all */
	int unreadable;			/**< index in accept, drop */
	char *cache;			/**< folder of compiled patterns; NULL: none */
	uint64_t stream_bytes;		/**< that patterns may keep of a direction of a flow */
	uint64_t early_blocks;		/**< of 2 KiB, for early segments, of all workers */
	uint64_t early_flow;		/**< of them, those of one direction of a flow */
	uint64_t messages;		/**< messages in pieces, of all workers */
	uint64_t message_bytes;		/**< of each of them */
	uint64_t alerts;		/**< of one flow */
	struct weir_conf_list patterns; /**< struct weir_dpi_patterns_conf */
	struct weir_conf_list domains;	/**< struct weir_dpi_domains_conf */
};

/** conntrack.timeouts: nanoseconds, by enum weir_flow_class */
struct weir_timeouts_conf {
	struct weir_conf_at at; /**< the section's line; 0: it is not there */
	uint64_t closed;	/**< TCP that has ended */
	uint64_t half_open;	/**< TCP before its handshake is complete */
	uint64_t unanswered;	/**< others without a reply */
	uint64_t icmp;		/**< answered queries */
	uint64_t other;		/**< other protocols */
	uint64_t udp;		/**< answered UDP */
	uint64_t closing;	/**< TCP with a FIN */
	uint64_t established;	/**< TCP after its handshake */
};

/** conntrack: */
struct weir_conntrack_conf {
	struct weir_conf_at at; /**< the section's line */
	uint64_t flows;		/**< of all workers */
	uint64_t extended;	/**< of them, IPv6 that is translated, and inspected ones */
	uint64_t sources;	/**< sources that limits tell apart */
	uint64_t mappings;	/**< of endpoint-independent translation */
	bool loose;		/**< TCP may begin in its middle */
	struct weir_timeouts_conf timeouts; /**< since the last packet */
};

/** All sections of a firewall; a member of the app's configuration. */
struct weir_firewall_conf {
	struct weir_conntrack_conf conntrack; /**< sizes and times of flows */
	struct weir_conf_list zones;	      /**< struct weir_zone_conf */
	struct weir_conf_list sets;	      /**< struct weir_set_section */
	struct weir_conf_list services;	      /**< struct weir_service_conf */
	struct weir_rules_section firewall;   /**< what may pass */
	struct weir_nat_section nat;	      /**< as what it passes */
	struct weir_dpi_section dpi;	      /**< what its payload is looked at for */
	struct weir_records_conf records;     /**< what is written down */
};

/** The schema of conntrack. */
extern const struct weir_conf_schema weir_conntrack_schema;
/** The schema of zones.NAME. */
extern const struct weir_conf_schema weir_zone_schema;
/** The schema of sets.NAME. */
extern const struct weir_conf_schema weir_set_schema;
/** The schema of services.NAME. */
extern const struct weir_conf_schema weir_service_schema;
/** The schema of firewall. */
extern const struct weir_conf_schema weir_rules_schema;
/** The schema of nat. */
extern const struct weir_conf_schema weir_nat_schema;

/** The schema of dpi. */
extern const struct weir_conf_schema weir_dpi_schema;

/** The keys of struct weir_firewall_conf, where it is the member `fw` of @p of. */
#define WEIR_FIREWALL_CONF_KEYS(of)                                                               \
	{WEIR_CONF_KEY_NAMED("zones", of, fw.zones),                                              \
	 .type = WEIR_CONF_RECORD,                                                                \
	 .many = WEIR_CONF_MAP,                                                                   \
	 .sub = &weir_zone_schema,                                                                \
	 .max_items = WEIR_ZONES_MAX - 1,                                                         \
	 .doc = "Interfaces by names for rules. An interface in none is a zone of its own name. " \
		"`self` is what we receive and send ourselves."},                                 \
		{WEIR_CONF_KEY_NAMED("sets", of, fw.sets),                                        \
		 .type = WEIR_CONF_RECORD,                                                        \
		 .many = WEIR_CONF_MAP,                                                           \
		 .sub = &weir_set_schema,                                                         \
		 .max_items = 4096,                                                               \
		 .doc = "Addresses and prefixes by names for rules."},                            \
		{WEIR_CONF_KEY_NAMED("services", of, fw.services),                                \
		 .type = WEIR_CONF_RECORD,                                                        \
		 .many = WEIR_CONF_MAP,                                                           \
		 .sub = &weir_service_schema,                                                     \
		 .max_items = 4096,                                                               \
		 .doc = "Protocols and ports by names for rules."},                               \
		{WEIR_CONF_KEY_NAMED("firewall", of, fw.firewall), .type = WEIR_CONF_RECORD,      \
		 .sub = &weir_rules_schema, .doc = "What may pass."},                             \
		{WEIR_CONF_KEY_NAMED("nat", of, fw.nat), .type = WEIR_CONF_RECORD,                \
		 .sub = &weir_nat_schema, .doc = "As what it passes."},                           \
		{WEIR_CONF_KEY_NAMED("dpi", of, fw.dpi), .type = WEIR_CONF_RECORD,                \
		 .sub = &weir_dpi_schema, .doc = "What payloads are looked at for."},             \
		{WEIR_CONF_KEY_NAMED("records", of, fw.records), .type = WEIR_CONF_RECORD,        \
		 .sub = &weir_records_schema, .doc = "What is written down."},                    \
	{                                                                                         \
		WEIR_CONF_KEY_NAMED("conntrack", of, fw.conntrack),                               \
			.type = WEIR_CONF_RECORD, .sub = &weir_conntrack_schema,                  \
			.doc = "Flows: how many, for how long."                                   \
	}
