/* SPDX-License-Identifier: BSD-3-Clause */

/* The configuration file's section bench. The text here is the reference manual. */

#include "bench_priv.h"

static const struct weir_conf_key peer_keys[] = {
	{WEIR_CONF_KEY(struct bench_peer_conf, port), .type = WEIR_CONF_UINT, .required = true,
	 .max = WEIR_PORTS_MAX - 1, .doc = "Number of the port, from 0."},
	{WEIR_CONF_KEY(struct bench_peer_conf, mac), .type = WEIR_CONF_MAC, .required = true,
	 .doc = "MAC address that packets sent by the port are for."},
};

static const struct weir_conf_schema peer_schema = {
	.name = "bench.peers",
	.doc = "Who is at the other end of a port. Without: 02:00:00:00:00:NN of port NN.",
	WEIR_CONF_STRUCT(struct bench_peer_conf, peer_keys),
	WEIR_CONF_HAS_AT(struct bench_peer_conf),
};

static const struct weir_conf_key section_keys[] = {
	{WEIR_CONF_KEY(struct bench_section, mode), .type = WEIR_CONF_ENUM,
	 .names = bench_mode_names, .def = "io",
	 .doc = "io sends packets as they came; mac sets MAC addresses; macswap and 5tswap swap "
		"them (and IP addresses and ports); csum makes checksums anew; icmpecho answers "
		"ARP and ping; rxonly takes; txonly makes; sink judges what txonly made."},
	{WEIR_CONF_KEY(struct bench_section, tx_retries), .type = WEIR_CONF_UINT, .max = 1000,
	 .def = "0", .doc = "How often what a full queue did not take is offered again."},
	{WEIR_CONF_KEY(struct bench_section, peers), .type = WEIR_CONF_RECORD,
	 .many = WEIR_CONF_LIST, .sub = &peer_schema, .max_items = WEIR_PORTS_MAX,
	 .doc = "For mac, csum and txonly: whom the ports send to."},
	{WEIR_CONF_KEY(struct bench_section, sizes), .type = WEIR_CONF_STRING, .min = 1, .max = 32,
	 .doc = "txonly: bytes of a frame without its check sequence: `64`, `64-1500` (all sizes "
		"alike), or `imix` (60, 590 and 1514 as 7 to 4 to 1). The least is 60, over IPv6 "
		"80, in imix too. Without: 64, over IPv6 80."},
	{WEIR_CONF_KEY(struct bench_section, flows), .type = WEIR_CONF_UINT, .min = 1,
	 .max = BENCH_FLOWS_MAX, .def = "1",
	 .doc = "txonly: flows, one packet of each in turn. Each flow is sent by one worker."},
	{WEIR_CONF_KEY(struct bench_section, seed), .type = WEIR_CONF_UINT, .def = "1",
	 .doc = "txonly: one seed gives one order of sizes."},
	{WEIR_CONF_KEY_NAMED("rate", struct bench_section, rate_pps), .type = WEIR_CONF_RATE,
	 .max = WEIR_BUCKET_RATE_MAX, .def = "0",
	 .doc = "txonly: packets a second and port; 0: as fast as it goes."},
	{WEIR_CONF_KEY(struct bench_section, source), .type = WEIR_CONF_ADDR, .def = "198.18.0.1",
	 .doc = "txonly: address of flow 0, of either family; flow N has this + N / 256."},
	{WEIR_CONF_KEY(struct bench_section, destination), .type = WEIR_CONF_ADDR,
	 .def = "198.18.0.2", .doc = "txonly: address of all flows, of the same family."},
	{WEIR_CONF_KEY(struct bench_section, source_port), .type = WEIR_CONF_UINT, .max = 65535,
	 .def = "9", .doc = "txonly: UDP port of flow 0; flow N has this + N % 256."},
	{WEIR_CONF_KEY(struct bench_section, destination_port), .type = WEIR_CONF_UINT,
	 .max = 65535, .def = "9", .doc = "txonly: UDP port of all flows."},
	{WEIR_CONF_KEY_NAMED("time", struct bench_section, time_ns), .type = WEIR_CONF_DURATION,
	 .def = "0", .doc = "End after so long; 0: when told."},
	{WEIR_CONF_KEY(struct bench_section, packets), .type = WEIR_CONF_UINT, .def = "0",
	 .doc = "End after so many packets: txonly sends exactly these, other modes look every "
		"100 ms whether they received them; 0: when told."},
	{WEIR_CONF_KEY_NAMED("stats_period", struct bench_section, stats_period_ns),
	 .type = WEIR_CONF_DURATION, .def = "0", .doc = "Print the statistics so often; 0: not."},
	{WEIR_CONF_KEY(struct bench_section, report), .type = WEIR_CONF_STRING, .max = 4095,
	 .doc = "File for the JSON report that is written at the end. Empty: none."},
	{WEIR_CONF_KEY(struct bench_section, interactive), .type = WEIR_CONF_BOOL, .def = "false",
	 .doc = "Take commands from standard input; start when told."},
	{WEIR_CONF_KEY(struct bench_section, auto_start), .type = WEIR_CONF_BOOL, .def = "false",
	 .doc = "Start at once with the prompt as well."},
};

static const struct weir_conf_schema section_schema = {
	.name = "bench",
	.doc = "What is done with packets. A reload applies it, but for time, packets, report, "
	       "interactive and auto_start.",
	WEIR_CONF_STRUCT(struct bench_section, section_keys),
	WEIR_CONF_HAS_AT(struct bench_section),
};

static const struct weir_conf_key keys[] = {
	WEIR_APP_CONF_KEYS(struct bench_conf),
	{WEIR_CONF_KEY(struct bench_conf, bench), .type = WEIR_CONF_RECORD, .sub = &section_schema,
	 .doc = "What is done with packets."},
};

const struct weir_conf_schema bench_schema = {
	.name = "weir-bench",
	.doc = "The configuration of weir-bench.",
	WEIR_CONF_STRUCT(struct bench_conf, keys),
};

/* In force without a file: as testpmd, with burst 32 and never at rest. */
const char bench_default_conf[] = "runtime: {workers: [1], poll: busy, burst: 32}\n"
				  "log: {level: warn}\n";
