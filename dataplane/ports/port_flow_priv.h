/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Packets that a port's driver drops for us (rte_flow), counted. Control thread.
 *
 * Behind the driver they cost nothing: net_weir_xdp drops them in the kernel, a NIC in hardware.
 */

#include <stdbool.h>
#include <stdint.h>
#include <weir/addr.h>
#include <weir/must_check.h>
#include <weir/rules.h>
#include <weir/why.h>

struct weir_port;

/* Which packets: in one piece, to this MAC, with this tag or none, and all that follows. */
struct port_flow_match {
	uint8_t mac[6];
	uint16_t vlan;		  /* id of the only tag; 0: untagged */
	uint8_t family;		  /* 4 or 6 */
	uint8_t proto;		  /* TCP, UDP; ICMP or ICMPv6: echo requests */
	struct weir_prefix src;	  /* length 0: all */
	struct weir_prefix dst;	  /* likewise */
	struct weir_range sports; /* TCP and UDP, host order */
	struct weir_range dports;
	int16_t icmp_code; /* -1: all */
};

/* Packets and bytes of IP. */
struct port_flow_count {
	uint64_t pkts, bytes;
};

struct port_flow;

/* Whether a port's driver can drop and count. 0, or -ENOTSUP with a sentence. */
WEIR_MUST_CHECK int port_flow_can(const struct weir_port *p, struct weir_why *why);
/*
 * Have such packets dropped from now on. With net_weir_xdp what the kernel keeps (steer) stays the
 * kernel's. 0, or what the driver says, with a sentence.
 */
WEIR_MUST_CHECK int port_flow_drop(const struct weir_port *p, const struct port_flow_match *m,
				   struct port_flow **out, struct weir_why *why);
/* What it has dropped. 0, or what the driver says; then @out is untouched. */
WEIR_MUST_CHECK int port_flow_read(const struct port_flow *f, struct port_flow_count *out);
/*
 * Let them pass again, and free. @out of each what it has dropped, as far as the driver tells: they
 * are let pass first, by a rule in front, and then it is read until two reads agree, a hundred
 * times at most. A packet that a core is just dropping between these two is missed; without room
 * for the rule in front, so is all that is dropped behind the last read. None is counted twice.
 * False: a driver did not let them, or did not tell; it is out of our hands then, and said in @why.
 */
WEIR_MUST_CHECK bool port_flow_end(struct port_flow *const *flows, uint32_t n,
				   struct port_flow_count *out, struct weir_why *why);
