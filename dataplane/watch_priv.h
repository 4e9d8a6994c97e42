/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A watch on one worker: chosen packets, seen behind each stage, copied into a ring.
 *
 * The worker's thread writes the ring, the control thread reads it. Nothing blocks and nothing
 * allocates; a record that finds the ring full is counted as lost.
 */

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/addr.h>
#include <weir/graph.h>

/* Packets that one worker follows at a time. */
#define WATCH_FOLLOWED 64

/* An address under a mask, as two words each; bytes beyond the family's are zero in both. */
struct watch_prefix {
	uint8_t family; /* 0: any */
	uint64_t addr[2], mask[2];
};

/* Which packets. What is zero (port: WEIR_NO_PORT) does not matter. */
struct watch_filter {
	uint16_t port; /* came in by */
	uint16_t sport_be, dport_be;
	uint8_t proto; /* 0: any; no packet of protocol 0 gets past 10_parse */
	struct watch_prefix src, dst, host;
};

enum watch_kind {
	WATCH_TRACE, /* follow packets from the stage `at` on */
	WATCH_STAGE, /* what the stage `at` judged */
	WATCH_DROP,  /* what is about to be dropped for the reason `drop` */
	WATCH_RX,    /* what came in by the filter's port, seen at the stage `at` */
	WATCH_TX,    /* what is about to be sent by `port_out` */
};

struct watch_conf {
	enum watch_kind kind;
	struct watch_filter filter;
	uint8_t at;	/* index of a stage; WATCH_TX: 1 + index of 01_ring, 0: there is none */
	uint8_t origin; /* 1 + index of 02_origin, where our own packets begin; 0: none */
	uint16_t drop;	/* enum weir_drop */
	uint16_t port_out;
	uint32_t snap_bytes; /* of each packet, at most */
	uint32_t slots;	     /* records that the ring holds, a power of two */
	uint32_t count;	     /* packets chosen at most */
};

/* One packet behind one stage. The bytes of the packet follow it. */
struct watch_record {
	uint64_t now_ns; /* the pass's time */
	uint32_t serial; /* of the packet, from 1 in the order in which they were chosen */
	uint8_t stage;	 /* index in the path */
	uint8_t verdict; /* enum weir_verdict */
	bool known;	 /* false: the node has it or has freed it; what follows is zero */
	struct weir_meta meta;
	uint32_t wire_bytes;
	uint32_t captured_bytes;
};

struct watch;

/* Make one for a worker. 0, -EINVAL (slots) or -ENOMEM. Control thread. */
int watch_create(const struct watch_conf *conf, struct watch **out);
/* Free it; no worker may see it any more. NULL is allowed. */
void watch_free(struct watch *w);
/* What weir_engine_watch() takes. */
const struct weir_watch *watch_hook(const struct watch *w);

/* The oldest record, NULL if there is none; it is valid until watch_pop(). Control thread. */
const struct watch_record *watch_peek(const struct watch *w);
/* Its packet's bytes. */
const uint8_t *watch_bytes(const struct watch_record *r);
void watch_pop(struct watch *w);
/* Records that found the ring full. Control thread. */
uint64_t watch_lost(const struct watch *w);

/* An address and length as the filter wants it. */
struct watch_prefix watch_prefix(const struct weir_prefix *p);
/* Whether a packet is one of the chosen. Its meta must be filled in. */
bool watch_match(const struct watch_filter *f, struct rte_mbuf *m);
