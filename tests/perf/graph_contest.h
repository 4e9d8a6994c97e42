/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Eight stages with the same work a packet, moved by three kinds of machinery: plain calls,
 * weir_graph and rte_graph. What the others cost more than plain calls is the price of a graph.
 */

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <weir/meta.h>

#define CONTEST_STAGES	 8
#define CONTEST_PKTS	 512 /* the working set, as of a worker with short queues; power of two */
#define CONTEST_BURST	 256
#define CONTEST_LEAVES_A 3 /* in a divergent run an eighth of the packets leaves here */
#define CONTEST_LEAVES_B 5 /* and an eighth here */

/* What is run, and by which source the packets come. */
struct contest {
	struct rte_mbuf *pkt[CONTEST_PKTS];
	unsigned at;
	unsigned burst;
	bool divergent;
};

extern struct contest contest;

/* One kind of machinery. */
struct contestant {
	const char *name;
	int (*make)(void); /* for contest.burst and contest.divergent */
	void (*pass)(void);
	void (*unmake)(void);
};

extern const struct contestant contest_hand, contest_weir, contest_untimed, contest_bare,
	contest_rte, contest_rte_bare;

/* The first stage brings a burst of pointers, as a queue does. */
static inline void contest_take(struct rte_mbuf **to)
{
	memcpy(to, &contest.pkt[contest.at], contest.burst * sizeof(*to));
	contest.at = (contest.at + contest.burst) & (CONTEST_PKTS - 1);
}

/* The work of a stage on a packet: read its metadata, compute, write a result. */
static inline void contest_work(struct rte_mbuf *m, uint32_t stage)
{
	struct weir_meta *meta = weir_meta(m);

	meta->hash = meta->hash * 5 + stage;
	meta->hop = meta->hash >> 16;
}

/*
 * Whether a packet leaves at a stage of a divergent run: by chance, for the hash is another one in
 * every pass. Were it the same packets each time, the processor would learn them by heart.
 */
static inline bool contest_leaves(struct rte_mbuf *m)
{
	return weir_meta(m)->hash >> 29 == 0;
}
