/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The pipeline: stages in ascending order, wired by verdicts.
 *
 * Each stage has a vector of packets that wait for it. A pass runs the sources, then whichever
 * stage is ready and lowest, until none is. A stage's packets can only move to higher stages, so
 * when it runs, all that could have added to its vector has run: bursts arrive as large as they
 * can be, and one pass takes every packet to its end.
 *
 * Most bursts get one verdict for all: then the vector itself moves on, by swapping two pointers.
 */

#include <weir/graph.h>

#include <assert.h>
#include <errno.h>
#include <rte_branch_prediction.h>
#include <rte_cycles.h>
#include <stdlib.h>
#include <string.h>
#include <weir/error.h>
#include <weir/shard.h>

/* Passes that are timed: one in 64. */
#define TIMED_MASK 63

#define NOWHERE UINT8_MAX

/* Padding so that verdicts can be compared eight at a time. */
#define VERDICT_PAD 8

struct stage {
	struct rte_mbuf **pkt; /* WEIR_PASS_PKTS of them */
	uint16_t n;
	uint8_t to[WEIR_VERDICTS]; /* stage index by verdict; NOWHERE for HELD and what it never
				      says */
	void (*process)(void *self, struct weir_burst *b);
	void *self;
	const struct weir_node_ops *ops;
	struct weir_stage_stats stats;
} __rte_cache_aligned;

struct weir_graph {
	uint32_t sources; /* bit per stage */
	unsigned n;
	uint64_t passes;
	uint8_t verdict[WEIR_PASS_PKTS + VERDICT_PAD] __rte_cache_aligned;
	struct rte_mbuf *held[WEIR_PASS_PKTS]; /* where scatter() puts what nobody takes */
	struct stage stage[];
};

static void *zalloc_lines(size_t size)
{
	void *p;

	size = RTE_ALIGN_CEIL(size, RTE_CACHE_LINE_SIZE);
	p = aligned_alloc(RTE_CACHE_LINE_SIZE, size);
	if (p != NULL)
		memset(p, 0, size);
	return p;
}

static int check_order(const struct weir_node_ops *const *path, unsigned *n, struct weir_why *why)
{
	for (*n = 0; path[*n] != NULL; (*n)++) {
		if (*n == WEIR_STAGES)
			return weir_why(why, -EINVAL, "path: more than %d stages", WEIR_STAGES);
		if (*n > 0 && path[*n]->stage <= path[*n - 1]->stage)
			return weir_why(
				why, -EINVAL,
				"path: %02u_%s stands behind %02u_%s, but stages must ascend",
				path[*n]->stage, path[*n]->name, path[*n - 1]->stage,
				path[*n - 1]->name);
	}
	return *n == 0 ? weir_why(why, -EINVAL, "path: no stages") : 0;
}

static const char *verdict_name(unsigned v)
{
	static const char *const names[WEIR_VERDICTS] = {"NEXT",   "KNOWN", "LOCAL", "OUT", "TX",
							 "REJECT", "PUNT",  "DROP",  "HELD"};

	return names[v];
}

static bool takes(const struct weir_node_ops *ops, unsigned v)
{
	return ops->takes == v || (ops->also & WEIR_MAY(v));
}

/* Where a stage's verdicts lead: to the next later stage that takes them. */
static int wire(struct weir_graph *g, unsigned at, struct weir_why *why)
{
	struct stage *s = &g->stage[at];

	memset(s->to, NOWHERE, sizeof(s->to));
	for (unsigned v = 0; v < WEIR_HELD; v++) {
		unsigned t = at + 1;

		if (!(s->ops->may & WEIR_MAY(v)))
			continue;
		while (t < g->n && !takes(g->stage[t].ops, v))
			t++;
		if (t == g->n)
			return weir_why(why, -EINVAL,
					"path: %02u_%s may say %s, but no later stage takes it",
					s->ops->stage, s->ops->name, verdict_name(v));
		s->to[v] = (uint8_t)t;
	}
	return 0;
}

int weir_graph_create(const struct weir_node_ops *const *path, struct weir_shard *shard,
		      struct weir_graph **out, struct weir_why *why)
{
	struct weir_graph *g;
	unsigned n;
	int rc = check_order(path, &n, why);

	if (rc < 0)
		return rc;
	g = zalloc_lines(sizeof(*g) + n * sizeof(g->stage[0]));
	if (g == NULL)
		return weir_why(why, -ENOMEM, "path: out of memory");
	g->n = n;
	for (unsigned i = 0; i < n; i++) {
		g->stage[i].ops = path[i];
		g->stage[i].process = path[i]->process;
		if (path[i]->source)
			g->sources |= UINT32_C(1) << i;
	}
	for (unsigned i = 0; i < n; i++) {
		struct stage *s = &g->stage[i];

		rc = wire(g, i, why);
		if (rc < 0)
			goto err;
		s->pkt = zalloc_lines(WEIR_PASS_PKTS * sizeof(*s->pkt));
		rc = s->pkt == NULL ? -ENOMEM : 0;
		if (rc == 0 && s->ops->create != NULL)
			rc = s->ops->create(shard, &s->self);
		if (rc < 0) {
			weir_why(why, rc, "path: cannot make stage %02u_%s: %s", s->ops->stage,
				 s->ops->name, weir_error_text(rc));
			goto err;
		}
	}
	*out = g;
	return 0;
err:
	weir_graph_free(g);
	return rc;
}

void weir_graph_free(struct weir_graph *g)
{
	if (g == NULL)
		return;
	for (unsigned i = g->n; i-- > 0;) {
		if (g->stage[i].ops->free != NULL)
			g->stage[i].ops->free(g->stage[i].self);
		free(g->stage[i].pkt);
	}
	free(g);
}

/* Whether all n verdicts are the same; n > 0. */
static inline bool uniform(uint8_t *v, uint16_t n)
{
	const uint64_t first = v[0] * UINT64_C(0x0101010101010101);
	uint64_t differ = 0;
	uint64_t eight;

	memset(v + n, v[0], VERDICT_PAD);
	for (uint16_t i = 0; i < n; i += 8) {
		memcpy(&eight, v + i, sizeof(eight));
		differ |= eight ^ first;
	}
	return differ == 0;
}

/* The stage that a verdict leads to; NULL: the packets stay with the node. */
static inline struct stage *heir(struct weir_graph *g, const struct stage *s, uint8_t v)
{
	if (v == WEIR_HELD)
		return NULL;
	assert(v < WEIR_HELD && s->to[v] != NOWHERE); /* weir_node_ops.may says so */
	return &g->stage[s->to[v]];
}

/* All packets of a stage go to one other: the vector itself does, if nothing waits there. */
static inline void move_all(struct weir_graph *g, struct stage *s, uint16_t n, uint32_t *ready)
{
	const uint8_t v = g->verdict[0];
	struct stage *t = heir(g, s, v);

	weir_count(&s->stats.verdicts[v], n);
	if (t == NULL)
		return;
	if (t->n == 0) {
		struct rte_mbuf **empty = t->pkt;

		t->pkt = s->pkt;
		s->pkt = empty;
	} else {
		memcpy(&t->pkt[t->n], s->pkt, n * sizeof(*s->pkt));
	}
	t->n += n;
	*ready |= UINT32_C(1) << s->to[v];
}

/*
 * Take those with one verdict out of n; the others close ranks. Both are written at each step and
 * only the counts differ: a branch here would be guessed wrong for every packet that parts.
 */
static inline uint16_t take_out(struct rte_mbuf **pkt, uint8_t *verdict, uint16_t n, uint8_t v,
				struct rte_mbuf **to)
{
	uint16_t taken = 0, left = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkt[i];
		const uint8_t said = verdict[i];

		to[taken] = m;
		pkt[left] = m;
		verdict[left] = said;
		taken += said == v;
		left += said != v;
	}
	return taken;
}

/* Packets part: one verdict after the other, beginning with the first packet's. */
static void scatter(struct weir_graph *g, struct stage *s, uint16_t n, uint32_t *ready)
{
	while (n > 0) {
		const uint8_t v = g->verdict[0];
		struct stage *t = heir(g, s, v);
		struct rte_mbuf **to = t == NULL ? g->held : &t->pkt[t->n];
		const uint16_t taken = take_out(s->pkt, g->verdict, n, v, to);

		weir_count(&s->stats.verdicts[v], taken);
		n -= taken;
		if (t == NULL)
			continue;
		t->n += taken;
		*ready |= UINT32_C(1) << s->to[v];
	}
}

static __rte_always_inline unsigned run(struct weir_graph *g, const struct weir_pass *pass,
					const struct weir_watch *watch, bool timed)
{
	struct weir_burst b = {.verdict = g->verdict, .pass = pass};
	uint32_t ready = g->sources;
	unsigned got = 0;

	while (ready != 0) {
		const unsigned at = (unsigned)__builtin_ctz(ready);
		struct stage *s = &g->stage[at];
		const uint16_t had = s->n;
		const uint64_t begin = timed ? rte_rdtsc() : 0;

		ready &= ready - 1;
		b.pkt = s->pkt;
		b.n = had;
		b.room = (uint16_t)(WEIR_PASS_PKTS - got);
		s->n = 0;
		s->process(s->self, &b);
		got += b.n - had; /* 0 but for sources */
		if (b.n == 0)
			continue;
		weir_count(&s->stats.bursts, 1);
		weir_count(&s->stats.pkts, b.n);
		if (unlikely(watch != NULL))
			watch->see(watch, at, &b);
		if (likely(uniform(g->verdict, b.n)))
			move_all(g, s, b.n, &ready);
		else
			scatter(g, s, b.n, &ready);
		if (timed) {
			weir_count(&s->stats.timed_cycles, rte_rdtsc() - begin);
			weir_count(&s->stats.timed_pkts, b.n);
		}
	}
	return got;
}

unsigned weir_graph_run(struct weir_graph *g, const struct weir_pass *pass,
			const struct weir_watch *watch)
{
	const bool timed = (g->passes & TIMED_MASK) == 0;

	weir_count(&g->passes, 1);
	return timed ? run(g, pass, watch, true) : run(g, pass, watch, false);
}

unsigned weir_graph_stages(const struct weir_graph *g)
{
	return g->n;
}

const struct weir_node_ops *weir_graph_node(const struct weir_graph *g, unsigned stage)
{
	return stage < g->n ? g->stage[stage].ops : NULL;
}

uint64_t weir_graph_passes(const struct weir_graph *g)
{
	return weir_counted(&g->passes);
}

void weir_graph_stats(const struct weir_graph *g, unsigned stage, struct weir_stage_stats *out)
{
	const struct weir_stage_stats *from = &g->stage[stage].stats;

	out->bursts = weir_counted(&from->bursts);
	out->pkts = weir_counted(&from->pkts);
	out->timed_pkts = weir_counted(&from->timed_pkts);
	out->timed_cycles = weir_counted(&from->timed_cycles);
	for (unsigned v = 0; v < WEIR_VERDICTS; v++)
		out->verdicts[v] = weir_counted(&from->verdicts[v]);
}
