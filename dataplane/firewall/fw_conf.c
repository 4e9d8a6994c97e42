/* SPDX-License-Identifier: BSD-3-Clause */

/* The sections of a firewall's configuration. */

#include <weir/firewall.h>

#define SECOND UINT64_C(1000000000)
#define DAY    (86400 * SECOND)

static const char *const default_names[] = {"accept", "drop", "reject", NULL};
static const char *const action_names[] = {"accept", "drop", "reject", "count", "synproxy", NULL};
static const char *const per_names[] = {"rule", "source", "prefix", NULL};
static const char *const nat_action_names[] = {"none",	     "masquerade", "snat",  "cgnat", "dnat",
					       "one_to_one", "npt",	   "nat64", NULL};

#define ZONES(key, member, text)                                                          \
	{                                                                                 \
		WEIR_CONF_KEY_NAMED(key, struct weir_rule_conf, member),                  \
			.type = WEIR_CONF_STRING, .many = WEIR_CONF_LIST, .one_ok = true, \
			.min = 1, .max = WEIR_ZONE_NAME - 1, .max_items = WEIR_ZONES_MAX, \
			.doc = text                                                       \
	}
#define WORDS(of, member, most, text)                                                        \
	{                                                                                    \
		WEIR_CONF_KEY(of, member), .type = WEIR_CONF_STRING, .many = WEIR_CONF_LIST, \
					   .one_ok = true, .min = 1, .max = 127,             \
					   .max_items = most, .doc = text                    \
	}

static const struct weir_conf_key zone_keys[] = {
	{WEIR_CONF_KEY(struct weir_zone_conf, interfaces), .type = WEIR_CONF_STRING,
	 .many = WEIR_CONF_LIST, .one_ok = true, .required = true, .min = 1, .max = 31,
	 .max_items = WEIR_IFACES_MAX, .doc = "Names of ports, and of VLANs as PORT.ID."},
	{WEIR_CONF_KEY(struct weir_zone_conf, antispoof), .type = WEIR_CONF_BOOL, .def = "false",
	 .doc = "Drop packets whose source is not routed to an interface of this zone."},
	{WEIR_CONF_KEY(struct weir_zone_conf, bogons), .type = WEIR_CONF_BOOL, .def = "false",
	 .doc = "Drop packets with a source that the Internet does not have (RFC 6890: private, "
		"documentation, reserved), unless it is in a connected network of this zone."},
	{WEIR_CONF_KEY(struct weir_zone_conf, source_flows), .type = WEIR_CONF_UINT,
	 .max = UINT32_MAX, .def = "0",
	 .doc = "Flows that one source address (IPv6: /64) may have at each worker; 0: no limit."},
	{WEIR_CONF_KEY(struct weir_zone_conf, flows), .type = WEIR_CONF_UINT, .max = UINT32_MAX,
	 .def = "0", .doc = "Flows that may begin in this zone at each worker; 0: no limit."},
};

const struct weir_conf_schema weir_zone_schema = {
	.name = "zones.NAME",
	.doc = "Interfaces that rules speak of together.",
	WEIR_CONF_STRUCT(struct weir_zone_conf, zone_keys),
	WEIR_CONF_HAS_AT(struct weir_zone_conf),
};

static const struct weir_conf_key set_keys[] = {
	{WEIR_CONF_KEY(struct weir_set_section, addresses), .type = WEIR_CONF_PREFIX,
	 .many = WEIR_CONF_LIST, .one_ok = true,
	 .doc = "Prefixes; of a single address /32 or /128."},
	{WEIR_CONF_KEY(struct weir_set_section, file), .type = WEIR_CONF_STRING, .min = 1,
	 .max = 4095,
	 .doc = "A file of more: one address or prefix a line, `#` comments, an optional "
		"`timeout 10m` behind it."},
	{WEIR_CONF_KEY(struct weir_set_section, entries), .type = WEIR_CONF_UINT, .min = 1,
	 .max = WEIR_SET_ENTRIES_MAX,
	 .doc = "Entries at most, those that weirctl adds included; memory is taken for all of them. "
		"By default 65,536 if there is a file, else 4,096 or twice the addresses here."},
};

const struct weir_conf_schema weir_set_schema = {
	.name = "sets.NAME",
	.doc = "Addresses and prefixes that rules speak of by one name: one lookup, however many. "
	       "`weirctl set` changes them while packets pass; a reload keeps such changes unless "
	       "the section itself has changed.",
	WEIR_CONF_STRUCT(struct weir_set_section, set_keys),
	WEIR_CONF_HAS_AT(struct weir_set_section),
};

static const struct weir_conf_key service_keys[] = {
	WORDS(struct weir_service_conf, proto, 16,
	      "Protocols: tcp, udp, icmp, icmp6, sctp, gre, esp, ah, or a number. At least one."),
	WORDS(struct weir_service_conf, sport, 64, "Source ports: `80`, `1000-2000`."),
	WORDS(struct weir_service_conf, dport, 64, "Destination ports."),
};

const struct weir_conf_schema weir_service_schema = {
	.name = "services.NAME",
	.doc = "Protocols and ports that rules speak of by one name.",
	WEIR_CONF_STRUCT(struct weir_service_conf, service_keys),
	WEIR_CONF_HAS_AT(struct weir_service_conf),
};

static const struct weir_conf_key limit_keys[] = {
	{WEIR_CONF_KEY(struct weir_limit_conf, rate), .type = WEIR_CONF_RATE, .required = true,
	 .min = 1, .max = 1000000000, .doc = "First packets of flows a second."},
	{WEIR_CONF_KEY(struct weir_limit_conf, burst), .type = WEIR_CONF_UINT, .max = UINT32_MAX,
	 .def = "0", .doc = "Of them at once; 0: those of a second."},
	{WEIR_CONF_KEY(struct weir_limit_conf, per), .type = WEIR_CONF_ENUM, .names = per_names,
	 .def = "rule",
	 .doc = "Of all together, of each source address (IPv6: /64), or of each prefix of "
		"sources."},
	{WEIR_CONF_KEY(struct weir_limit_conf, prefix4), .type = WEIR_CONF_UINT, .min = 1,
	 .max = 32,
	 .doc = "per: prefix: sources of IPv4 with so many bits alike share the limit. Default: 24."},
	{WEIR_CONF_KEY(struct weir_limit_conf, prefix6), .type = WEIR_CONF_UINT, .min = 1,
	 .max = 64, .doc = "Likewise of IPv6. Default: 56."},
	{WEIR_CONF_KEY(struct weir_limit_conf, over), .type = WEIR_CONF_BOOL, .def = "false",
	 .doc = "Match only what is over the limit, instead of what is within."},
};

static const struct weir_conf_schema limit_schema = {
	.name = "firewall.rules[].limit",
	.doc = "How often a rule matches; what it does not match goes on with the next rule.",
	WEIR_CONF_STRUCT(struct weir_limit_conf, limit_keys),
	WEIR_CONF_HAS_AT(struct weir_limit_conf),
};

static const struct weir_conf_key rule_keys[] = {
	{WEIR_CONF_KEY(struct weir_rule_conf, name), .type = WEIR_CONF_STRING, .required = true,
	 .min = 1, .max = 63, .doc = "Unique; counters and logs have it."},
	{WEIR_CONF_KEY(struct weir_rule_conf, comment), .type = WEIR_CONF_STRING, .max = 255,
	 .doc = "For people."},
	ZONES("from", from, "Zones that it comes from; `self` is our host. None: all."),
	ZONES("to", to, "Zones that it goes to; `self` is us. None: all."),
	WORDS(struct weir_rule_conf, source, 4096,
	      "Addresses, prefixes, names of sets, `country:DE`. All with `!` in front: none of "
	      "them."),
	WORDS(struct weir_rule_conf, destination, 4096, "Likewise, after translation."),
	WORDS(struct weir_rule_conf, service, 64, "Names of services."),
	WORDS(struct weir_rule_conf, proto, 16,
	      "Protocols: tcp, udp, icmp, icmp6, sctp, gre, esp, ah, or a number."),
	WORDS(struct weir_rule_conf, sport, 64, "Source ports: `80`, `1000-2000`."),
	WORDS(struct weir_rule_conf, dport, 64, "Destination ports, after translation."),
	{WEIR_CONF_KEY(struct weir_rule_conf, icmp), .type = WEIR_CONF_STRING, .min = 1, .max = 31,
	 .doc = "Type of ICMP or ICMPv6: `echo-request`, `8`, `3/4`."},
	{WEIR_CONF_KEY(struct weir_rule_conf, tcp_flags), .type = WEIR_CONF_STRING, .min = 1,
	 .max = 63, .doc = "Flags that are set, and with `!` that are not: `syn,!ack`."},
	{WEIR_CONF_KEY(struct weir_rule_conf, vlan), .type = WEIR_CONF_UINT, .max = 4094,
	 .def = "0", .doc = "Outer VLAN that it comes by; 0: all."},
	{WEIR_CONF_KEY(struct weir_rule_conf, dscp), .type = WEIR_CONF_STRING, .min = 1, .max = 15,
	 .doc = "`ef`, `af11`, `cs1` or 0 to 63."},
	{WEIR_CONF_KEY(struct weir_rule_conf, action), .type = WEIR_CONF_ENUM,
	 .names = action_names, .required = true,
	 .doc = "accept; drop in silence; reject with RST or ICMP; count and go on with the next "
		"rule; synproxy: accept, but TCP only from who completes a handshake with us."},
	{WEIR_CONF_KEY(struct weir_rule_conf, log), .type = WEIR_CONF_BOOL, .def = "false",
	 .doc = "Record each packet that it decides about (records.rules)."},
	{WEIR_CONF_KEY(struct weir_rule_conf, capture), .type = WEIR_CONF_BOOL, .def = "false",
	 .doc = "Keep its packets, and those of the flows that it accepts (records.capture)."},
	{WEIR_CONF_KEY(struct weir_rule_conf, inspect), .type = WEIR_CONF_BOOL, .def = "false",
	 .doc = "With accept: look at the payload of the flows that it accepts (dpi)."},
	WORDS(struct weir_rule_conf, application, 16,
	      "Applications of the flow: tls, http, ssh, dns, quic, those that dpi names, and unknown for "
	      "what is none of them. With accept it lets in what may be one, and the rules are asked again "
	      "when that is known."),
	{WEIR_CONF_KEY(struct weir_rule_conf, limit), .type = WEIR_CONF_RECORD,
	 .sub = &limit_schema, .doc = "How often it matches."},
	{WEIR_CONF_KEY(struct weir_rule_conf, mark), .type = WEIR_CONF_UINT, .max = UINT32_MAX,
	 .def = "0", .doc = "Mark of the flows that it accepts; 0: none."},
	{WEIR_CONF_KEY(struct weir_rule_conf, set_dscp), .type = WEIR_CONF_STRING, .min = 1,
	 .max = 15, .doc = "DSCP of all packets of the flows that it accepts."},
};

static const struct weir_conf_schema rule_schema = {
	.name = "firewall.rules[]",
	.doc = "A rule. It is asked about the first packet of a flow (and about each packet of "
	       "TCP and ICMP to `self`); all that it says of a packet must hold. The first one that matches "
	       "decides.",
	WEIR_CONF_STRUCT(struct weir_rule_conf, rule_keys),
	WEIR_CONF_HAS_AT(struct weir_rule_conf),
};

static const struct weir_conf_key synproxy_keys[] = {
	{WEIR_CONF_KEY(struct weir_synproxy_section, mss), .type = WEIR_CONF_UINT, .min = 536,
	 .max = 8960, .def = "1460", .doc = "Largest segment of IPv4; of IPv6 20 bytes less."},
	{WEIR_CONF_KEY(struct weir_synproxy_section, wscale), .type = WEIR_CONF_UINT, .max = 14,
	 .def = "7",
	 .doc = "Scale of windows. If the server has another one, its windows are converted."},
	{WEIR_CONF_KEY(struct weir_synproxy_section, timestamps), .type = WEIR_CONF_BOOL,
	 .def = "true", .doc = "Timestamps. Without them clients get none of the following."},
	{WEIR_CONF_KEY(struct weir_synproxy_section, sack), .type = WEIR_CONF_BOOL, .def = "true",
	 .doc = "Selective acknowledgements."},
	{WEIR_CONF_KEY(struct weir_synproxy_section, ecn), .type = WEIR_CONF_BOOL, .def = "true",
	 .doc = "Explicit congestion notification."},
};

static const struct weir_conf_schema synproxy_schema = {
	.name = "firewall.synproxy",
	.doc = "What rules with `action: synproxy` offer to clients in the name of all servers: what "
	       "each of them can.",
	WEIR_CONF_STRUCT(struct weir_synproxy_section, synproxy_keys),
	WEIR_CONF_HAS_AT(struct weir_synproxy_section),
};

static const struct weir_conf_key push_keys[] = {
	{WEIR_CONF_KEY(struct weir_push_conf, above), .type = WEIR_CONF_RATE, .min = 1,
	 .max = 1000000000, .def = "10kpps", .doc = "A rule that drops so much is hot."},
	{WEIR_CONF_KEY(struct weir_push_conf, rules), .type = WEIR_CONF_UINT, .min = 1, .max = 1024,
	 .def = "64",
	 .doc = "Rules of drivers at most, over all ports. A rule of ours takes one for each "
		"combination of its prefixes, port ranges, protocols and interfaces."},
};

static const struct weir_conf_schema push_schema = {
	.name = "firewall.push_down",
	.doc = "Hot drop rules go into the drivers of ports (rte_flow), where packets are dropped "
	       "before they cost anything; back when they drop less than half of that. "
	       "`weirctl rules push` says which, and why others are not. Without this section none.",
	WEIR_CONF_STRUCT(struct weir_push_conf, push_keys),
	WEIR_CONF_HAS_AT(struct weir_push_conf),
};

static const struct weir_conf_key rules_keys[] = {
	{WEIR_CONF_KEY_NAMED("default", struct weir_rules_section, policy), .type = WEIR_CONF_ENUM,
	 .names = default_names, .def = "drop", .doc = "What becomes of what no rule matches."},
	{WEIR_CONF_KEY(struct weir_rules_section, stateless), .type = WEIR_CONF_BOOL,
	 .def = "false",
	 .doc = "Judge each packet by itself, answers too: no flow is tracked, no fragment put "
		"together, nothing translated."},
	{WEIR_CONF_KEY(struct weir_rules_section, geo), .type = WEIR_CONF_STRING, .min = 1,
	 .max = 4095, .doc = "A MaxMind database with countries, for `country:XX`."},
	{WEIR_CONF_KEY(struct weir_rules_section, synproxy), .type = WEIR_CONF_RECORD,
	 .sub = &synproxy_schema, .doc = "What the SYN proxy offers."},
	{WEIR_CONF_KEY(struct weir_rules_section, push_down), .type = WEIR_CONF_RECORD,
	 .sub = &push_schema, .doc = "Drop rules in drivers."},
	{WEIR_CONF_KEY(struct weir_rules_section, rules), .type = WEIR_CONF_RECORD,
	 .many = WEIR_CONF_LIST, .sub = &rule_schema, .max_items = WEIR_RULES_MAX,
	 .doc = "First match wins."},
};

const struct weir_conf_schema weir_rules_schema = {
	.name = "firewall",
	.doc = "What may pass.",
	WEIR_CONF_STRUCT(struct weir_rules_section, rules_keys),
	WEIR_CONF_HAS_AT(struct weir_rules_section),
};

#define NAT_ZONES(key, member, text)                                                      \
	{                                                                                 \
		WEIR_CONF_KEY_NAMED(key, struct weir_nat_rule_conf, member),              \
			.type = WEIR_CONF_STRING, .many = WEIR_CONF_LIST, .one_ok = true, \
			.min = 1, .max = WEIR_ZONE_NAME - 1, .max_items = WEIR_ZONES_MAX, \
			.doc = text                                                       \
	}

static const struct weir_conf_key nat_rule_keys[] = {
	{WEIR_CONF_KEY(struct weir_nat_rule_conf, name), .type = WEIR_CONF_STRING, .required = true,
	 .min = 1, .max = 63, .doc = "Unique."},
	NAT_ZONES("from", from, "Zones that the flow comes from. None: all."),
	NAT_ZONES("to", to_zones, "nat.source: zones that the flow goes to. None: all."),
	WORDS(struct weir_nat_rule_conf, source, 4096, "As in rules, before translation."),
	WORDS(struct weir_nat_rule_conf, destination, 4096,
	      "As in rules; nat.destination: before, nat.source: after translation."),
	{WEIR_CONF_KEY(struct weir_nat_rule_conf, proto), .type = WEIR_CONF_STRING, .min = 1,
	 .max = 15, .doc = "Protocol. None: all."},
	{WEIR_CONF_KEY(struct weir_nat_rule_conf, dport), .type = WEIR_CONF_STRING, .min = 1,
	 .max = 15, .doc = "Destination ports: `80`, `8000-8010`."},
	{WEIR_CONF_KEY(struct weir_nat_rule_conf, action), .type = WEIR_CONF_ENUM,
	 .names = nat_action_names, .required = true,
	 .doc = "nat.source: none, masquerade (as the interface that it leaves by), snat, cgnat, "
		"one_to_one, npt. nat.destination: none, dnat, one_to_one, npt, nat64. one_to_one and "
		"npt in both lists hold for both directions."},
	{WEIR_CONF_KEY(struct weir_nat_rule_conf, pool), .type = WEIR_CONF_PREFIX,
	 .many = WEIR_CONF_LIST, .one_ok = true, .max_items = WEIR_NAT_POOL_MAX,
	 .doc = "Prefixes outside, of a single address /32 or /128: snat, cgnat, nat64; one_to_one and "
		"npt: the one prefix."},
	{WEIR_CONF_KEY(struct weir_nat_rule_conf, ports), .type = WEIR_CONF_STRING, .min = 1,
	 .max = 15,
	 .doc = "masquerade, snat, cgnat, nat64, hairpin: ports to be used. Default: 1024-65535."},
	{WEIR_CONF_KEY(struct weir_nat_rule_conf, inside), .type = WEIR_CONF_PREFIX,
	 .doc = "cgnat: the subscribers; one_to_one, npt: the prefix inside; nat64: the IPv6 "
		"prefix that IPv4 addresses are in."},
	{WEIR_CONF_KEY_NAMED("forward", struct weir_nat_rule_conf, to), .type = WEIR_CONF_STRING,
	 .min = 1, .max = 63, .doc = "dnat: ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT."},
	{WEIR_CONF_KEY(struct weir_nat_rule_conf, block), .type = WEIR_CONF_UINT, .min = 1,
	 .max = 64512, .doc = "cgnat: ports of a subscriber. Default: 1024."},
	{WEIR_CONF_KEY(struct weir_nat_rule_conf, endpoint_independent), .type = WEIR_CONF_BOOL,
	 .def = "false",
	 .doc = "One port outside for all peers of a port inside (RFC 4787); peers may then begin."},
	{WEIR_CONF_KEY(struct weir_nat_rule_conf, hairpin), .type = WEIR_CONF_BOOL, .def = "false",
	 .doc = "dnat: from the server's own zone too."},
};

static const struct weir_conf_schema nat_rule_schema = {
	.name = "nat.source[], nat.destination[]",
	.doc = "A rule of translation: the first that matches decides, in each of the two lists.",
	WEIR_CONF_STRUCT(struct weir_nat_rule_conf, nat_rule_keys),
	WEIR_CONF_HAS_AT(struct weir_nat_rule_conf),
};

static const struct weir_conf_key nat_keys[] = {
	{WEIR_CONF_KEY(struct weir_nat_section, source), .type = WEIR_CONF_RECORD,
	 .many = WEIR_CONF_LIST, .sub = &nat_rule_schema, .max_items = WEIR_NAT_RULES_MAX / 2,
	 .doc = "From where new flows seem to come."},
	{WEIR_CONF_KEY(struct weir_nat_section, destination), .type = WEIR_CONF_RECORD,
	 .many = WEIR_CONF_LIST, .sub = &nat_rule_schema, .max_items = WEIR_NAT_RULES_MAX / 2,
	 .doc = "Where new flows go."},
};

const struct weir_conf_schema weir_nat_schema = {
	.name = "nat",
	.doc = "Translation of addresses and ports.",
	WEIR_CONF_STRUCT(struct weir_nat_section, nat_keys),
};

#define TIMEOUT(member, text, after)                                                              \
	{                                                                                         \
		WEIR_CONF_KEY(struct weir_timeouts_conf, member),                                 \
			.type = WEIR_CONF_DURATION, .min = SECOND, .max = 24 * DAY, .def = after, \
			.doc = text                                                               \
	}

static const struct weir_conf_key timeouts_keys[] = {
	TIMEOUT(closed, "TCP that has ended.", "10s"),
	TIMEOUT(half_open, "TCP before its handshake is complete.", "30s"),
	TIMEOUT(unanswered, "Anything else that had no reply yet.", "30s"),
	TIMEOUT(icmp, "ICMP queries that were answered.", "30s"),
	TIMEOUT(other, "Other protocols that were answered.", "10m"),
	TIMEOUT(udp, "UDP that was answered.", "2m"),
	TIMEOUT(closing, "TCP with a FIN of one side.", "2m"),
	TIMEOUT(established, "TCP after its handshake.", "124m"),
};

static const struct weir_conf_schema timeouts_schema = {
	.name = "conntrack.timeouts",
	.doc = "How long a flow stays after its last packet. RFC 5382 and 4787 ask for 124 minutes "
	       "of TCP and 2 of UDP at least.",
	WEIR_CONF_STRUCT(struct weir_timeouts_conf, timeouts_keys),
	WEIR_CONF_HAS_AT(struct weir_timeouts_conf),
};

static const struct weir_conf_key conntrack_keys[] = {
	{WEIR_CONF_KEY(struct weir_conntrack_conf, flows), .type = WEIR_CONF_UINT, .min = 1024,
	 .max = WEIR_FLOWS_MAX, .def = "262144",
	 .doc = "Flows of all workers together; 128 bytes each, and 26 of index."},
	{WEIR_CONF_KEY(struct weir_conntrack_conf, extended), .type = WEIR_CONF_UINT, .min = 16,
	 .max = WEIR_FLOWS_MAX, .def = "16384",
	 .doc = "Of them, those that need 64 bytes more: IPv6 that is translated, TCP behind the SYN "
		"proxy. Those under inspection come on top. At most all."},
	{WEIR_CONF_KEY(struct weir_conntrack_conf, sources), .type = WEIR_CONF_UINT, .min = 16,
	 .max = 16777216, .def = "65536",
	 .doc = "Sources that limits can tell apart at a time, and CGNAT subscribers that records "
		"can."},
	{WEIR_CONF_KEY(struct weir_conntrack_conf, mappings), .type = WEIR_CONF_UINT, .min = 16,
	 .max = 16777216, .def = "16384",
	 .doc = "Ports inside that nat rules with endpoint_independent keep a port outside for."},
	{WEIR_CONF_KEY(struct weir_conntrack_conf, loose), .type = WEIR_CONF_BOOL, .def = "false",
	 .doc = "Take up TCP connections in their middle, such as those from before a restart."},
	{WEIR_CONF_KEY(struct weir_conntrack_conf, timeouts), .type = WEIR_CONF_RECORD,
	 .sub = &timeouts_schema, .doc = "How long flows stay."},
};

const struct weir_conf_schema weir_conntrack_schema = {
	.name = "conntrack",
	.doc = "Connection tracking. Sizes need a restart.",
	WEIR_CONF_STRUCT(struct weir_conntrack_conf, conntrack_keys),
	WEIR_CONF_HAS_AT(struct weir_conntrack_conf),
};
