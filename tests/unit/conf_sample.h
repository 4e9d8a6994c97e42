/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* A schema with every type and every way of having many, as a router's might be. */

#include <weir/addr.h>
#include <weir/conf.h>

struct runtime_conf {
	struct weir_conf_at at;
	struct weir_conf_list workers; /* uint64_t */
	int poll;
	uint64_t burst, hugepages_bytes, nap_ns, limit_pps;
	double share;
	bool pin;
};

static const char *const poll_names[] = {"busy", "adaptive", "interrupt", NULL};

static const struct weir_conf_key runtime_keys[] = {
	{WEIR_CONF_KEY(struct runtime_conf, workers), .type = WEIR_CONF_UINT,
	 .many = WEIR_CONF_LIST, .one_ok = true, .max = 1023, .min_items = 1, .max_items = 8,
	 .def = "[1, 2]", .doc = "The cores to run on."},
	{WEIR_CONF_KEY(struct runtime_conf, poll), .type = WEIR_CONF_ENUM, .names = poll_names,
	 .def = "adaptive", .doc = "How to wait: never | a little | at once."},
	{WEIR_CONF_KEY(struct runtime_conf, burst), .type = WEIR_CONF_UINT, .min = 1, .max = 512,
	 .def = "64", .doc = "Packets taken at once."},
	{WEIR_CONF_KEY_NAMED("hugepages", struct runtime_conf, hugepages_bytes),
	 .type = WEIR_CONF_SIZE, .min = 4096, .max = UINT64_C(1) << 30, .def = "2MiB",
	 .doc = "Size of a page."},
	{WEIR_CONF_KEY_NAMED("nap", struct runtime_conf, nap_ns), .type = WEIR_CONF_DURATION,
	 .max = 1000000, .def = "50us", .doc = "The longest nap."},
	{WEIR_CONF_KEY_NAMED("limit", struct runtime_conf, limit_pps), .type = WEIR_CONF_RATE,
	 .def = "0", .doc = "Packets a second at most."},
	{WEIR_CONF_KEY(struct runtime_conf, share), .type = WEIR_CONF_DOUBLE, .max = 1,
	 .def = "0.5", .doc = "Of the pool."},
	{WEIR_CONF_KEY(struct runtime_conf, pin), .type = WEIR_CONF_BOOL, .def = "true",
	 .doc = "Whether to pin."},
};

static const struct weir_conf_schema runtime_schema = {
	.name = "runtime",
	.doc = "How packets are polled.",
	WEIR_CONF_STRUCT(struct runtime_conf, runtime_keys),
	WEIR_CONF_HAS_AT(struct runtime_conf),
};

struct port_conf {
	char *name;
	struct weir_conf_at at;
	char *interface;
	struct weir_mac mac;
	struct weir_conf_list addresses; /* struct weir_prefix */
	uint64_t mtu;
};

static const struct weir_conf_key port_keys[] = {
	{WEIR_CONF_KEY(struct port_conf, interface), .type = WEIR_CONF_STRING, .min = 1, .max = 15,
	 .required = true, .doc = "The device."},
	{WEIR_CONF_KEY(struct port_conf, mac), .type = WEIR_CONF_MAC, .doc = "Its address."},
	{WEIR_CONF_KEY(struct port_conf, addresses), .type = WEIR_CONF_PREFIX,
	 .many = WEIR_CONF_LIST, .doc = "Ours on it."},
	{WEIR_CONF_KEY(struct port_conf, mtu), .type = WEIR_CONF_UINT, .min = 68, .max = 9000,
	 .def = "1500", .doc = "Bytes of a packet."},
};

static const struct weir_conf_schema port_schema = {
	.name = "port",
	WEIR_CONF_STRUCT(struct port_conf, port_keys),
	WEIR_CONF_HAS_AT(struct port_conf),
};

struct route_conf {
	struct weir_conf_at at;
	struct weir_prefix to;
	struct weir_addr via;
};

static const struct weir_conf_key route_keys[] = {
	{WEIR_CONF_KEY(struct route_conf, to), .type = WEIR_CONF_PREFIX, .required = true,
	 .doc = "Where."},
	{WEIR_CONF_KEY(struct route_conf, via), .type = WEIR_CONF_ADDR, .doc = "The next hop."},
};

static const struct weir_conf_schema route_schema = {
	.name = "route",
	WEIR_CONF_STRUCT(struct route_conf, route_keys),
	WEIR_CONF_HAS_AT(struct route_conf),
};

struct tls_conf {
	struct weir_conf_at at;
	char *key;
	char *cert;
};

static const struct weir_conf_key tls_keys[] = {
	{WEIR_CONF_KEY(struct tls_conf, key), .type = WEIR_CONF_STRING, .required = true,
	 .doc = "The key's file."},
	{WEIR_CONF_KEY(struct tls_conf, cert), .type = WEIR_CONF_STRING, .def = "cert.pem",
	 .doc = "The certificate's."},
};

static const struct weir_conf_schema tls_schema = {
	.name = "tls",
	WEIR_CONF_STRUCT(struct tls_conf, tls_keys),
	WEIR_CONF_HAS_AT(struct tls_conf),
};

/* A rule may hold rules: a schema may contain itself in lists. */
struct rule_conf {
	struct weir_conf_list rules, words;
};

extern const struct weir_conf_schema rule_schema;

static const struct weir_conf_key rule_keys[] = {
	{WEIR_CONF_KEY(struct rule_conf, rules), .type = WEIR_CONF_RECORD, .many = WEIR_CONF_LIST,
	 .sub = &rule_schema, .doc = "Rules inside."},
	{WEIR_CONF_KEY(struct rule_conf, words), .type = WEIR_CONF_STRING, .many = WEIR_CONF_LIST,
	 .one_ok = true, .doc = "Words."},
};

const struct weir_conf_schema rule_schema = {
	.name = "rule",
	WEIR_CONF_STRUCT(struct rule_conf, rule_keys),
};

struct sample_conf {
	struct runtime_conf runtime;
	struct weir_conf_list ports, routes, rules;
	struct tls_conf tls;
	char *motd;
};

static const struct weir_conf_key sample_keys[] = {
	{WEIR_CONF_KEY(struct sample_conf, runtime), .type = WEIR_CONF_RECORD,
	 .sub = &runtime_schema, .doc = "Polling."},
	{WEIR_CONF_KEY(struct sample_conf, ports), .type = WEIR_CONF_RECORD, .many = WEIR_CONF_MAP,
	 .sub = &port_schema, .doc = "Ports."},
	{WEIR_CONF_KEY(struct sample_conf, routes), .type = WEIR_CONF_RECORD,
	 .many = WEIR_CONF_LIST, .sub = &route_schema, .doc = "Routes."},
	{WEIR_CONF_KEY(struct sample_conf, rules), .type = WEIR_CONF_RECORD, .many = WEIR_CONF_LIST,
	 .sub = &rule_schema, .doc = "Rules."},
	{WEIR_CONF_KEY(struct sample_conf, tls), .type = WEIR_CONF_RECORD, .sub = &tls_schema,
	 .doc = "Encryption."},
	{WEIR_CONF_KEY(struct sample_conf, motd), .type = WEIR_CONF_STRING, .doc = "A greeting."},
};

static const struct weir_conf_schema sample_schema = {
	.name = "Sample",
	.doc = "Everything there is.",
	WEIR_CONF_STRUCT(struct sample_conf, sample_keys),
};
