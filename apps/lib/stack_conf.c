/* SPDX-License-Identifier: BSD-3-Clause */

/* The section `stack:`. */

#include "stack_app_priv.h"

/* Payload that a buffer holds on average, so that small segments have room too. */
#define BYTES_A_BUFFER 1024

static const char *const congestion_names[] = {"cubic", "newreno", "bbr", "dctcp", NULL};

/* In the order of enum weir_mtu_probing. */
static const char *const mtu_probing_names[] = {"holes", "off", "always", NULL};

static const struct weir_conf_key sources_keys[] = {
	{WEIR_CONF_KEY(struct stack_sources, at_once), .type = WEIR_CONF_UINT, .max = 1 << 24,
	 .def = "0",
	 .doc = "Sources that may have connections at once; SYNs of others are not answered. 0: no "
		"source is known, and the limits below have no effect."},
	{WEIR_CONF_KEY(struct stack_sources, connections), .type = WEIR_CONF_UINT,
	 .max = WEIR_STACK_CONNECTIONS_MAX, .def = "0",
	 .doc = "Connections of a source at once. 0: no limit."},
	{WEIR_CONF_KEY(struct stack_sources, rate), .type = WEIR_CONF_RATE, .max = 1000000000,
	 .def = "0", .doc = "Connections that a source may open in a second. 0: no limit."},
	{WEIR_CONF_KEY(struct stack_sources, burst), .type = WEIR_CONF_UINT, .max = 1000000,
	 .def = "0", .doc = "Of these, at once. 0: those of a second."},
	{WEIR_CONF_KEY(struct stack_sources, block), .type = WEIR_CONF_DURATION,
	 .max = UINT64_C(86400000000000), .def = "0s",
	 .doc = "A source that opens more is not answered for so long, each time twice as long, up "
		"to 64 times. 0s: only until its rate allows another."},
	{WEIR_CONF_KEY(struct stack_sources, half_open), .type = WEIR_CONF_UINT, .max = 32767,
	 .def = "0",
	 .doc = "Connections that a source may have begun and not finished; its other SYNs are "
		"answered by cookies. 0: no limit but stack.half_open."},
	{WEIR_CONF_KEY(struct stack_sources, prefix4), .type = WEIR_CONF_UINT, .min = 1, .max = 32,
	 .def = "32", .doc = "Bits of IPv4 addresses that make a source."},
	{WEIR_CONF_KEY(struct stack_sources, prefix6), .type = WEIR_CONF_UINT, .min = 1, .max = 128,
	 .def = "64", .doc = "Bits of IPv6 addresses that make a source."},
	{WEIR_CONF_KEY(struct stack_sources, allow), .type = WEIR_CONF_PREFIX,
	 .many = WEIR_CONF_LIST, .one_ok = true, .max_items = 65536,
	 .doc = "Prefixes without limits. Of two prefixes that an address is in, the longer one "
		"counts."},
	{WEIR_CONF_KEY(struct stack_sources, deny), .type = WEIR_CONF_PREFIX,
	 .many = WEIR_CONF_LIST, .one_ok = true, .max_items = 65536,
	 .doc = "Prefixes whose SYNs are not answered."},
};

static const struct weir_conf_schema sources_schema = {
	.name = "sources",
	.doc = "Who may connect, and how much of one source. Each worker counts what reaches it.",
	WEIR_CONF_STRUCT(struct stack_sources, sources_keys),
	WEIR_CONF_HAS_AT(struct stack_sources),
};

static const struct weir_conf_key stack_keys[] = {
	{WEIR_CONF_KEY(struct stack_section, connections), .type = WEIR_CONF_UINT, .min = 1,
	 .max = WEIR_STACK_CONNECTIONS_MAX, .def = "65536",
	 .doc = "TCP connections of a worker at most; each takes about 256 bytes."},
	{WEIR_CONF_KEY(struct stack_section, half_open), .type = WEIR_CONF_UINT,
	 .max = WEIR_STACK_CONNECTIONS_MAX, .def = "0",
	 .doc = "Connections that begin at most; more get SYN cookies. 0: a quarter of the "
		"connections, at least 64."},
	{WEIR_CONF_KEY(struct stack_section, time_wait), .type = WEIR_CONF_UINT,
	 .max = WEIR_STACK_CONNECTIONS_MAX, .def = "0",
	 .doc = "Connections in TIME-WAIT at most, of 64 bytes; then the oldest goes. 0: as many "
		"as connections."},
	{WEIR_CONF_KEY(struct stack_section, backlog), .type = WEIR_CONF_UINT, .min = 1,
	 .max = 65536, .def = "1024",
	 .doc = "Connections that wait to be accepted at most, of each port."},
	{WEIR_CONF_KEY(struct stack_section, fastopen), .type = WEIR_CONF_UINT, .max = 65536,
	 .def = "0",
	 .doc = "Connections of each port that may be open while their handshake goes on, at most: "
		"what a client's SYN brings is answered at once (TCP fast open, RFC 7413). A SYN "
		"may come twice, so only for requests that are harmless twice. 0: none."},
	{WEIR_CONF_KEY(struct stack_section, groups), .type = WEIR_CONF_UINT, .min = 1,
	 .max = WEIR_STACK_GROUPS_MAX, .def = "64",
	 .doc = "Multicast groups that sockets of a worker hear at most, each on one interface."},
	{WEIR_CONF_KEY(struct stack_section, sndbuf), .type = WEIR_CONF_SIZE, .min = 4096,
	 .max = 1 << 30, .def = "256KiB",
	 .doc = "Bytes queued in a connection to be sent at most."},
	{WEIR_CONF_KEY(struct stack_section, rcvbuf), .type = WEIR_CONF_SIZE, .min = 4096,
	 .max = 1 << 30, .def = "1MiB", .doc = "The largest receive window of a connection."},
	{WEIR_CONF_KEY(struct stack_section, memory), .type = WEIR_CONF_SIZE, .min = 1 << 20,
	 .max = UINT64_C(1) << 40, .def = "32MiB",
	 .doc = "Bytes received and queued in all connections of a worker at most. Windows shrink "
		"when it runs out; its last eighth is for a segment each way of who has none. As many packet buffers are made for it, one for each KiB."},
	{WEIR_CONF_KEY(struct stack_section, congestion), .type = WEIR_CONF_ENUM,
	 .names = congestion_names, .def = "cubic", .doc = "Congestion control."},
	{WEIR_CONF_KEY(struct stack_section, mtu_probing), .type = WEIR_CONF_ENUM,
	 .names = mtu_probing_names, .def = "holes",
	 .doc = "When TCP tries longer segments to find out how wide a path is (RFC 4821). holes: "
		"where packets have vanished without a word, or a router's word is old. always: "
		"each connection begins with base_mss, and grows."},
	{WEIR_CONF_KEY(struct stack_section, base_mss), .type = WEIR_CONF_UINT, .min = 88,
	 .max = 9160, .def = "1024",
	 .doc = "Bytes of a segment that are thought to pass everywhere: what is sent where longer "
		"ones vanish."},
	{WEIR_CONF_KEY(struct stack_section, ecn), .type = WEIR_CONF_BOOL, .def = "false",
	 .doc = "Ask for ECN (RFC 3168) when connecting; who asks for it always gets it."},
	{WEIR_CONF_KEY(struct stack_section, sources), .type = WEIR_CONF_RECORD,
	 .sub = &sources_schema, .doc = "Limits of who connects."},
};

const struct weir_conf_schema stack_schema = {
	.name = "stack",
	.doc = "Sizes of the stack of each worker. What is full is counted by name.",
	WEIR_CONF_STRUCT(struct stack_section, stack_keys),
	WEIR_CONF_HAS_AT(struct stack_section),
};

uint32_t stack_held(const struct stack_section *conf)
{
	return (uint32_t)(conf->memory / BYTES_A_BUFFER);
}

const char *stack_congestion(const struct stack_section *conf)
{
	return congestion_names[conf->congestion];
}

int stack_check(const struct stack_section *conf, const char *file, struct weir_why *why)
{
	const struct stack_sources *c = &conf->sources;
	const char *key = c->connections > 0 ? "connections"
			  : c->rate > 0	     ? "rate"
			  : c->half_open > 0 ? "half_open"
					     : NULL;

	if (c->at_once == 0 && key != NULL)
		return weir_conf_fail(
			why, file, c->at.line,
			"stack.sources.%s has no effect without stack.sources.at_once", key);
	if (c->rate == 0 && (c->burst > 0 || c->block > 0))
		return weir_conf_fail(why, file, c->at.line,
				      "stack.sources.%s has no effect without stack.sources.rate",
				      c->burst > 0 ? "burst" : "block");
	return 0;
}
