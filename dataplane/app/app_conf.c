/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The sections that every program has. The text here is the reference manual.
 */

#include <weir/app.h>

#include <weir/log.h>

static const char *const poll_names[] = {"busy", "adaptive", "interrupt", NULL};
static const char *const wakeup_names[] = {"saving", "fast", NULL};
static const char *const hugepage_names[] = {"2MiB", "1GiB", "none", NULL};
static const char *const driver_names[] = {"auto", "weir_xdp", "af_xdp", "af_packet", "tap", NULL};
static const char *const zero_copy_names[] = {"auto", "on", "off", NULL};
static const char *const level_names[] = {"trace", "debug", "info", "warn",
					  "error", "fatal", "off",  NULL};
static const char *const format_names[] = {"text", "json", "keyvalue", NULL};
static const char *const interface_id_names[] = {"stable", "eui64", NULL};
static const char *const kind_names[] = {"gateway", "blackhole", "unreachable", "prohibit", NULL};

static const struct weir_conf_key runtime_keys[] = {
	{WEIR_CONF_KEY(struct weir_runtime_conf, workers), .type = WEIR_CONF_UINT,
	 .many = WEIR_CONF_LIST, .one_ok = true, .max = 1023, .min_items = 1,
	 .max_items = WEIR_WORKERS_MAX, .def = "[1]",
	 .doc = "Cores to run on, one worker on each. Two may share a core."},
	{WEIR_CONF_KEY(struct weir_runtime_conf, poll), .type = WEIR_CONF_ENUM, .names = poll_names,
	 .def = "adaptive",
	 .doc = "How a worker rests: busy never does; adaptive spins, pauses, naps, then sleeps "
		"until a queue has packets; interrupt sleeps at once."},
	{WEIR_CONF_KEY(struct weir_runtime_conf, gather), .type = WEIR_CONF_DURATION,
	 .max = 1000000, .def = "0s",
	 .doc = "How long a worker lets packets gather when it has found several, before it looks for "
		"more: so it makes fewer system calls, and with warmer caches. What comes alone is "
		"taken at once. 0: not at all; 50us suits a server over AF_XDP."},
	{WEIR_CONF_KEY(struct weir_runtime_conf, wakeup), .type = WEIR_CONF_ENUM,
	 .names = wakeup_names, .def = "saving",
	 .doc = "saving leaves it to the host how deeply an idle core sleeps; fast keeps the machine's "
		"cores from deep sleep while the program runs (/dev/cpu_dma_latency at 0 us), so that "
		"a worker that sleeps wakes in microseconds. It costs power."},
	{WEIR_CONF_KEY(struct weir_runtime_conf, priority), .type = WEIR_CONF_UINT, .max = 99,
	 .def = "0",
	 .doc = "Real-time priority (SCHED_FIFO) of workers that sleep, so that a packet wakes one at "
		"once on a core with other work; 0: none. Not with poll: busy, which would starve "
		"the kernel's threads of the core, nor with two workers on one core."},
	{WEIR_CONF_KEY(struct weir_runtime_conf, hugepages), .type = WEIR_CONF_ENUM,
	 .names = hugepage_names, .def = "2MiB",
	 .doc = "Pages that hold packets and tables. none is for tests: slower."},
	{WEIR_CONF_KEY(struct weir_runtime_conf, burst), .type = WEIR_CONF_UINT, .min = 1,
	 .max = 256, .def = "64",
	 .doc = "Packets taken from a queue at once. docs/performance has the table."},
	{WEIR_CONF_KEY(struct weir_runtime_conf, mbufs), .type = WEIR_CONF_UINT, .max = 16777215,
	 .def = "0", .doc = "Packet buffers; 0: by the arithmetic that --plan prints."},
	{WEIR_CONF_KEY(struct weir_runtime_conf, plugins), .type = WEIR_CONF_STRING,
	 .many = WEIR_CONF_LIST, .one_ok = true, .max_items = 16,
	 .doc = "DPDK drivers to load: files, or folders of them."},
	{WEIR_CONF_KEY(struct weir_runtime_conf, eal), .type = WEIR_CONF_STRING,
	 .many = WEIR_CONF_LIST, .max_items = 64, .doc = "Further arguments for DPDK's EAL."},
};

const struct weir_conf_schema weir_runtime_schema = {
	.name = "runtime",
	.doc = "Cores, polling and memory. Changes need a restart.",
	WEIR_CONF_STRUCT(struct weir_runtime_conf, runtime_keys),
	WEIR_CONF_HAS_AT(struct weir_runtime_conf),
};

static const struct weir_conf_key vlan_keys[] = {
	{WEIR_CONF_KEY(struct weir_vlan_conf, addresses), .type = WEIR_CONF_PREFIX,
	 .many = WEIR_CONF_LIST, .one_ok = true, .max_items = WEIR_IFACE_ADDRS_MAX,
	 .doc = "Our addresses on the VLAN, each with its subnet's length."},
	{WEIR_CONF_KEY(struct weir_vlan_conf, mtu), .type = WEIR_CONF_UINT, .max = 9000, .def = "0",
	 .doc = "Largest IP packet in bytes; 0: that of the port."},
};

static const struct weir_conf_schema vlan_schema = {
	.name = "ports.NAME.vlans.ID",
	.doc = "A VLAN of a port: `100`, or `100.200` for VLAN 200 inside VLAN 100 (QinQ). Its "
	       "interface is called PORT.ID.",
	WEIR_CONF_STRUCT(struct weir_vlan_conf, vlan_keys),
	WEIR_CONF_HAS_AT(struct weir_vlan_conf),
};

static const struct weir_conf_key port_keys[] = {
	{WEIR_CONF_KEY(struct weir_app_port_conf, interface), .type = WEIR_CONF_STRING, .min = 1,
	 .max = 15, .doc = "A Linux network device. Either this or `device`."},
	{WEIR_CONF_KEY(struct weir_app_port_conf, device), .type = WEIR_CONF_STRING, .min = 1,
	 .max = 255, .doc = "Any DPDK device: `0000:01:00.0`, `net_memif0,...`, `net_pcap0,...`."},
	{WEIR_CONF_KEY(struct weir_app_port_conf, driver), .type = WEIR_CONF_ENUM,
	 .names = driver_names, .def = "auto",
	 .doc = "How an `interface` is taken. auto is weir_xdp, our own driver of AF_XDP, or af_xdp, "
		"DPDK's, in a program built without ours. af_packet is the slow way for old "
		"kernels: there the kernel joins IPv4 fragments first, and those beyond the MTU "
		"are dropped as ip4_header. tap makes the device instead of finding it."},
	{WEIR_CONF_KEY(struct weir_app_port_conf, queues), .type = WEIR_CONF_UINT, .min = 1,
	 .max = 64, .def = "1",
	 .doc = "Receive queues; workers share them evenly. weir_xdp has as many as are asked for on "
		"any device: with one for each worker, no worker has to hand packets over."},
	{WEIR_CONF_KEY(struct weir_app_port_conf, rxd), .type = WEIR_CONF_UINT, .max = 32768,
	 .def = "0", .doc = "Descriptors of a receive queue; 0: the driver's default."},
	{WEIR_CONF_KEY(struct weir_app_port_conf, txd), .type = WEIR_CONF_UINT, .max = 32768,
	 .def = "0", .doc = "Descriptors of a transmit queue; 0: the driver's default."},
	{WEIR_CONF_KEY(struct weir_app_port_conf, mtu), .type = WEIR_CONF_UINT, .min = 68,
	 .max = 9000, .def = "1500", .doc = "Largest IP packet in bytes."},
	{WEIR_CONF_KEY(struct weir_app_port_conf, promiscuous), .type = WEIR_CONF_BOOL,
	 .def = "false", .doc = "Take frames for any MAC address from the device."},
	{WEIR_CONF_KEY(struct weir_app_port_conf, steer), .type = WEIR_CONF_STRING, .min = 1,
	 .max = 2047,
	 .doc = "weir_xdp: what comes to weir, the rest stays with Linux. host (the default): all "
		"but ARP, ND, ssh and BGP to addresses that Linux has on the interface and that "
		"are not among `addresses`. all: everything. `kernel:TERM+TERM...`: all but that; "
		"`user:TERM+TERM...`: only that. Terms: arp nd icmp icmp6 tcp udp tcp/PORT "
		"tcp/A-B udp/PORT udp/A-B ip/PREFIX eth/0xTYPE, and host behind `kernel:`."},
	{WEIR_CONF_KEY(struct weir_app_port_conf, start_queue), .type = WEIR_CONF_UINT,
	 .max = 65535, .def = "0", .doc = "weir_xdp: the first hardware queue that is taken."},
	{WEIR_CONF_KEY(struct weir_app_port_conf, hw_queues), .type = WEIR_CONF_UINT, .max = 64,
	 .def = "0", .doc = "weir_xdp: hardware queues taken from there on; 0: all."},
	{WEIR_CONF_KEY(struct weir_app_port_conf, zero_copy), .type = WEIR_CONF_ENUM,
	 .names = zero_copy_names, .def = "auto",
	 .doc = "weir_xdp: whether the device reads and writes our buffers itself: auto where it "
		"can; on: or the port is refused; off: the kernel copies."},
	{WEIR_CONF_KEY(struct weir_app_port_conf, coexist), .type = WEIR_CONF_BOOL, .def = "false",
	 .doc = "weir_xdp: share the interface with other XDP programs through libxdp's dispatcher."},
	{WEIR_CONF_KEY(struct weir_app_port_conf, kernel), .type = WEIR_CONF_STRING, .min = 1,
	 .max = 15,
	 .doc = "Name of a TAP by which the kernel sees the port: what weir does not serve itself "
		"goes there, and what the kernel sends there leaves by the port."},
	{WEIR_CONF_KEY(struct weir_app_port_conf, dad), .type = WEIR_CONF_UINT, .max = 10,
	 .def = "1",
	 .doc = "Whether somebody else has our addresses is asked at the start: probes of an IPv6 "
		"address (RFC 4862); of IPv4 always 3 (RFC 5227). A duplicate is logged and not "
		"used. 0: nobody is asked."},
	{WEIR_CONF_KEY(struct weir_app_port_conf, optimistic), .type = WEIR_CONF_BOOL,
	 .def = "true",
	 .doc = "Use an address while it is asked for (RFC 4429), so that nothing waits for it; "
		"false: only when nobody has objected, after 1 to 2 seconds, with IPv4 4 to 8."},
	{WEIR_CONF_KEY(struct weir_app_port_conf, slaac), .type = WEIR_CONF_BOOL, .def = "false",
	 .doc = "Be a host on this link: take IPv6 addresses, default routers and the MTU from "
		"router advertisements (RFC 4861, RFC 4862)."},
	{WEIR_CONF_KEY(struct weir_app_port_conf, interface_id), .type = WEIR_CONF_ENUM,
	 .names = interface_id_names, .def = "stable",
	 .doc = "The second half of those addresses: stable is another one in each network, and the "
		"same after a restart (RFC 7217, from /etc/machine-id); eui64 is made of the MAC "
		"address."},
	{WEIR_CONF_KEY(struct weir_app_port_conf, addresses), .type = WEIR_CONF_PREFIX,
	 .many = WEIR_CONF_LIST, .one_ok = true, .max_items = WEIR_IFACE_ADDRS_MAX,
	 .doc = "Our addresses on the port, each with its subnet's length."},
	{WEIR_CONF_KEY(struct weir_app_port_conf, vlans), .type = WEIR_CONF_RECORD,
	 .many = WEIR_CONF_MAP, .sub = &vlan_schema, .max_items = 512, .doc = "Its VLANs by id."},
};

const struct weir_conf_schema weir_port_schema = {
	.name = "ports.NAME",
	.doc = "A port. Addresses and VLANs can be changed by a reload, the rest needs a restart.",
	WEIR_CONF_STRUCT(struct weir_app_port_conf, port_keys),
	WEIR_CONF_HAS_AT(struct weir_app_port_conf),
};

static const struct weir_conf_key limits_keys[] = {
	{WEIR_CONF_KEY(struct weir_limits_conf, neighbours), .type = WEIR_CONF_UINT, .min = 16,
	 .max = 1048576, .def = "4096", .doc = "Neighbours that a worker knows."},
	{WEIR_CONF_KEY(struct weir_limits_conf, neighbour_queue), .type = WEIR_CONF_UINT, .min = 1,
	 .max = 64, .def = "16", .doc = "Packets that wait for one neighbour's answer."},
	{WEIR_CONF_KEY(struct weir_limits_conf, fragments), .type = WEIR_CONF_UINT, .min = 16,
	 .max = 65536, .def = "1024", .doc = "Datagrams that a worker puts together at a time."},
	{WEIR_CONF_KEY(struct weir_limits_conf, fragment_timeout), .type = WEIR_CONF_DURATION,
	 .min = 100000000, .max = 120000000000, .def = "5s",
	 .doc = "How long a datagram waits for its other fragments."},
	{WEIR_CONF_KEY(struct weir_limits_conf, icmp_errors), .type = WEIR_CONF_RATE, .min = 1,
	 .max = 10000000, .def = "1000pps", .doc = "ICMP errors and RSTs that a worker sends."},
	{WEIR_CONF_KEY(struct weir_limits_conf, punt_pps), .type = WEIR_CONF_RATE, .min = 1,
	 .max = 10000000, .def = "100kpps", .doc = "Packets that a worker gives to the kernel."},
	{WEIR_CONF_KEY(struct weir_limits_conf, routes4), .type = WEIR_CONF_UINT, .min = 64,
	 .max = 4000000, .def = "100000", .doc = "IPv4 prefixes, our own included."},
	{WEIR_CONF_KEY(struct weir_limits_conf, routes6), .type = WEIR_CONF_UINT, .min = 64,
	 .max = 1000000, .def = "25000", .doc = "IPv6 prefixes, our own included."},
};

const struct weir_conf_schema weir_limits_schema = {
	.name = "limits",
	.doc = "Sizes of tables and rates of answers. Reaching one is a named, counted drop. "
	       "Changes need a restart.",
	WEIR_CONF_STRUCT(struct weir_limits_conf, limits_keys),
	WEIR_CONF_HAS_AT(struct weir_limits_conf),
};

static const struct weir_conf_key control_keys[] = {
	{WEIR_CONF_KEY(struct weir_control_conf, socket), .type = WEIR_CONF_STRING, .max = 107,
	 .doc = "UNIX socket for weirctl. Empty: /run/weir/NAME.sock, where NAME is the "
		"program's name without \"weir-\"."},
	{WEIR_CONF_KEY(struct weir_control_conf, http), .type = WEIR_CONF_STRING, .max = 64,
	 .doc = "ADDRESS:PORT of the host for /metrics, /health and /ready. Empty: none."},
	{WEIR_CONF_KEY(struct weir_control_conf, statsd), .type = WEIR_CONF_STRING, .max = 64,
	 .doc = "ADDRESS:PORT of a StatsD server to send metrics to. Empty: none."},
	{WEIR_CONF_KEY(struct weir_control_conf, statsd_interval), .type = WEIR_CONF_DURATION,
	 .min = 100000000, .max = 3600000000000, .def = "10s", .doc = "How often they are sent."},
};

const struct weir_conf_schema weir_control_schema = {
	.name = "control",
	.doc = "How the running program is watched and steered. Changes need a restart.",
	WEIR_CONF_STRUCT(struct weir_control_conf, control_keys),
	WEIR_CONF_HAS_AT(struct weir_control_conf),
};

static const struct weir_conf_key log_keys[] = {
	{WEIR_CONF_KEY(struct weir_log_conf, level), .type = WEIR_CONF_ENUM, .names = level_names,
	 .def = "info", .doc = "The least important level that is logged."},
	{WEIR_CONF_KEY(struct weir_log_conf, format), .type = WEIR_CONF_ENUM, .names = format_names,
	 .def = "text", .doc = "How a line looks."},
	{WEIR_CONF_KEY(struct weir_log_conf, to), .type = WEIR_CONF_STRING, .min = 1, .max = 255,
	 .def = "stderr",
	 .doc = "stderr, journal, syslog, or a file's path (SIGUSR1 opens it anew)."},
};

const struct weir_conf_schema weir_log_schema = {
	.name = "log",
	.doc = "What is logged, how and where to. A reload applies it.",
	WEIR_CONF_STRUCT(struct weir_log_conf, log_keys),
	WEIR_CONF_HAS_AT(struct weir_log_conf),
};

static const struct weir_conf_key route_keys[] = {
	{WEIR_CONF_KEY(struct weir_route_conf, to), .type = WEIR_CONF_PREFIX, .required = true,
	 .doc = "Destination prefix; `0.0.0.0/0` and `::/0` are the default routes."},
	{WEIR_CONF_KEY(struct weir_route_conf, via), .type = WEIR_CONF_ADDR, .many = WEIR_CONF_LIST,
	 .one_ok = true, .max_items = WEIR_GROUP_MAX,
	 .doc = "Gateway; several share the flows (ECMP)."},
	{WEIR_CONF_KEY(struct weir_route_conf, dev), .type = WEIR_CONF_STRING, .min = 1, .max = 31,
	 .doc = "Interface, `PORT` or `PORT.VLAN`; without it, the one whose subnet has the "
		"gateway. Without `via`: the destinations are on its link."},
	{WEIR_CONF_KEY(struct weir_route_conf, kind), .type = WEIR_CONF_ENUM, .names = kind_names,
	 .def = "gateway",
	 .doc = "blackhole drops silently; unreachable and prohibit answer with an error."},
	{WEIR_CONF_KEY(struct weir_route_conf, metric), .type = WEIR_CONF_UINT, .max = 4294967295,
	 .def = "0", .doc = "Of two routes to one prefix, the one with the lower metric wins."},
	{WEIR_CONF_KEY(struct weir_route_conf, mtu), .type = WEIR_CONF_UINT, .max = 9000,
	 .def = "0", .doc = "Largest IP packet in bytes; 0: that of the interface."},
};

const struct weir_conf_schema weir_route_schema = {
	.name = "routes",
	.doc = "A static route.",
	WEIR_CONF_STRUCT(struct weir_route_conf, route_keys),
	WEIR_CONF_HAS_AT(struct weir_route_conf),
};

static const struct weir_conf_key neighbour_keys[] = {
	{WEIR_CONF_KEY(struct weir_neighbour_conf, dev), .type = WEIR_CONF_STRING, .required = true,
	 .min = 1, .max = 31, .doc = "Interface, `PORT` or `PORT.VLAN`."},
	{WEIR_CONF_KEY(struct weir_neighbour_conf, address), .type = WEIR_CONF_ADDR,
	 .required = true, .doc = "Its IPv4 or IPv6 address."},
	{WEIR_CONF_KEY(struct weir_neighbour_conf, mac), .type = WEIR_CONF_MAC, .required = true,
	 .doc = "Its MAC address."},
};

const struct weir_conf_schema weir_neighbour_schema = {
	.name = "neighbours",
	.doc = "A neighbour whose MAC address is not asked for.",
	WEIR_CONF_STRUCT(struct weir_neighbour_conf, neighbour_keys),
	WEIR_CONF_HAS_AT(struct weir_neighbour_conf),
};
