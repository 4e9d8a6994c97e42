/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What workers and the control thread tell each other about addresses of ours: who else seems to
 * have one (15_neigh_in tells), and frames that ask for it (the worker sends). Three rings a
 * worker.
 */

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/addr.h>
#include <weir/must_check.h>

struct weir_neigh_table;

/* RFC 3971 section 5.3.2: at least 6 bytes; an option of 8 holds as many. */
struct neigh_nonce {
	uint8_t bytes[6];
};

enum neigh_notice_kind {
	NEIGH_NOTICE_PROBE, /* somebody wants to take the address: NS from ::, ARP from 0.0.0.0 */
	NEIGH_NOTICE_CLAIM, /* somebody says that it has the address */
};

/* What was heard of an address that is ours or is to be. */
struct neigh_notice {
	uint16_t iface; /* number in the generation of then */
	uint8_t kind;	/* enum neigh_notice_kind */
	bool has_nonce; /* of a PROBE */
	struct weir_mac mac;
	struct neigh_nonce nonce;
	struct weir_addr addr;
	uint8_t spare[3];
};
static_assert(sizeof(struct neigh_notice) % 4 == 0, "rte_ring moves words of four bytes");

/* The longest: an IPv6 header, and a neighbour solicitation with one option. */
#define NEIGH_FRAME_BYTES 72

/* A frame without its Ethernet header, which the worker puts before it. */
struct neigh_frame {
	uint16_t iface;
	uint16_t type_be; /* EtherType */
	uint16_t len_bytes;
	struct weir_mac to;
	uint8_t bytes[NEIGH_FRAME_BYTES];
};
static_assert(sizeof(struct neigh_frame) % 4 == 0, "rte_ring moves words of four bytes");

/* What fits an Ethernet frame behind the IPv6 header. */
#define NEIGH_ADVERT_BYTES 1460

/* A router advertisement: the ICMPv6 message; its IP header and checksum were good. */
struct neigh_advert {
	uint16_t iface;
	uint16_t len_bytes;
	uint8_t from[16];
	uint8_t bytes[NEIGH_ADVERT_BYTES];
};
static_assert(sizeof(struct neigh_advert) % 4 == 0, "rte_ring moves words of four bytes");

/* Made and freed with the table. */
int neigh_notice_create(struct weir_neigh_table *t);
void neigh_notice_free(struct weir_neigh_table *t);
/* The worker: tell the control thread. What it has no room for is not told: it is said again. */
void neigh_notify(struct weir_neigh_table *t, struct neigh_notice *n);
/* The worker: pass an advertisement on. False: the control thread has not taken the last ones. */
WEIR_MUST_CHECK bool neigh_advertise(struct weir_neigh_table *t, struct neigh_advert *a);
/* The worker: send what the control thread gave, some at a time. */
void neigh_send_frames(struct weir_neigh_table *t);
/* The control thread: the next notice. False: there is none. */
WEIR_MUST_CHECK bool neigh_next_notice(struct weir_neigh_table *t, struct neigh_notice *out);
/* The control thread: the next advertisement. False: there is none. */
WEIR_MUST_CHECK bool neigh_next_advert(struct weir_neigh_table *t, struct neigh_advert *out);
/* The control thread: let the worker send a frame within a tenth of a second. False: no room. */
WEIR_MUST_CHECK bool neigh_give_frame(struct weir_neigh_table *t, struct neigh_frame *f);
