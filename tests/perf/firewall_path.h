/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * weir-firewall's path between two ports of memory, and flows that go through it.
 */

#include <stdbool.h>
#include <stdint.h>
#include <weir/engine.h>

/* Packets between two refills. Power of two. */
#define FIREWALL_PKTS 1024
/* What the packets are. */
enum firewall_load {
	FIREWALL_KNOWN,	    /* acknowledgements of TCP connections that are established */
	FIREWALL_KNOWN_NAT, /* the same, masqueraded */
	FIREWALL_NEW,	    /* UDP, each packet of a flow of its own */
	FIREWALL_NEW_NAT,   /* the same, masqueraded */
	FIREWALL_STATELESS, /* UDP, where each packet is judged by itself */
	FIREWALL_LOADS
};

struct firewall;

/* Tables for so many flows, and that many established ones if the load is KNOWN; a new one is
 * compared with so many rules, of which the last one accepts. Exits with a sentence if that fails.
 */
struct firewall *firewall_create(enum firewall_load load, uint32_t flows, uint32_t rules,
				 uint16_t burst);
void firewall_free(struct firewall *f);
struct weir_engine *firewall_engine(struct firewall *f);

/* Put FIREWALL_PKTS packets into the receiving port: of random known flows, or of new ones. */
void firewall_refill(struct firewall *f);
/* Run until all have been taken; how many were sent. */
unsigned firewall_pass(struct firewall *f);
