/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A wire in virtual time: what leaves a host waits in a queue, is sent at a rate, and arrives
 * later, or twice, or changed, or not at all.
 */

#include "rnd.h"

#include <rte_mbuf.h>

struct wire_conf {
	uint64_t bytes_s;	/* 0: no limit */
	uint32_t queue_bytes;	/* wait to be sent at most, what comes then is dropped */
	uint32_t mark_bytes;	/* packets are marked while more wait; 0: none is */
	uint64_t delay_ns;	/* on the way */
	uint64_t jitter_ns;	/* so much more at most; keeps the order */
	uint32_t loss_ppm;	/* one alone */
	uint32_t burst_ppm;	/* many in a row begin here */
	uint32_t burst_pkts;	/* so many at most */
	uint32_t reorder_ppm;	/* comes later than what follows it */
	uint64_t reorder_ns;	/* by so much at most */
	uint32_t duplicate_ppm; /* comes twice */
	uint32_t corrupt_ppm;	/* a bit is another */
	uint16_t mtu_bytes;	/* longer ones do not pass; 0: all do */
	uint64_t mtu_turn_ns;	/* so long they do not, and then they do, in turn; 0: never */
	bool says_too_big;	/* by ICMP; else nobody hears of it */
	bool by_reference;	/* the receiver gets the very buffers, not a copy */
};

struct wire_count {
	uint64_t sent, bytes, arrived;
	uint64_t lost, dropped, marked, reordered, duplicated, corrupted, too_big;
};

/* A packet on its way. */
struct arrival {
	uint64_t at_ns, order;
	struct rte_mbuf *m;
	bool corrupted;
};

#define WIRE_MOST 16384

struct wire {
	struct wire_conf conf;
	struct wire_count n;
	struct rnd rnd;
	struct rte_mempool *pool; /* of what arrives */
	uint64_t free_ns;	  /* when all that waits is sent */
	uint64_t last_ns;	  /* when the last one in order arrives */
	uint64_t order;
	uint32_t burst_left;
	uint32_t n_way;
	struct arrival way[WIRE_MOST]; /* a heap, the next first */
};

/* Takes @m. */
void wire_send(struct wire *w, struct rte_mbuf *m, uint64_t now_ns);
/* UINT64_MAX: nothing is on its way. */
uint64_t wire_next_ns(const struct wire *w);
/* What has arrived; NULL: nothing more. */
struct rte_mbuf *wire_receive(struct wire *w, uint64_t now_ns, bool *corrupted);
/* From now on nothing is lost or changed, unless the queue is full. */
void wire_clean(struct wire *w);
void wire_empty(struct wire *w);
