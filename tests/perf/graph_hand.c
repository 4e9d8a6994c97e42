/* SPDX-License-Identifier: BSD-3-Clause */

/* The stages as plain calls: what a graph is measured against. */

#include "graph_contest.h"

static __rte_noinline void stage(struct rte_mbuf **pkts, unsigned n, uint32_t number)
{
	for (unsigned i = 0; i < n; i++)
		contest_work(pkts[i], number);
}

/* A stage at which packets leave: those that stay move together, the others are set aside. */
static __rte_noinline unsigned split(struct rte_mbuf **pkts, unsigned n, uint32_t number,
				     struct rte_mbuf **gone, unsigned *n_gone)
{
	unsigned stay = 0;

	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const bool leaves = contest_leaves(m);

		contest_work(m, number);
		pkts[stay] = m;
		gone[*n_gone] = m;
		stay += !leaves;
		*n_gone += leaves;
	}
	return stay;
}

static void hand_pass(void)
{
	struct rte_mbuf *pkts[CONTEST_BURST], *gone[CONTEST_BURST + 1];
	unsigned n = contest.burst, n_gone = 0;

	contest_take(pkts);
	stage(pkts, n, 1);
	stage(pkts, n, 2);
	if (contest.divergent)
		n = split(pkts, n, CONTEST_LEAVES_A, gone, &n_gone);
	else
		stage(pkts, n, CONTEST_LEAVES_A);
	stage(pkts, n, 4);
	if (contest.divergent)
		n = split(pkts, n, CONTEST_LEAVES_B, gone, &n_gone);
	else
		stage(pkts, n, CONTEST_LEAVES_B);
	stage(pkts, n, 6);
	stage(pkts, n, 7);
	stage(pkts, n, 8);
	if (n_gone > 0)
		stage(gone, n_gone, 9);
}

static int hand_make(void)
{
	return 0;
}

static void hand_unmake(void)
{
}

const struct contestant contest_hand = {"calls", hand_make, hand_pass, hand_unmake};
