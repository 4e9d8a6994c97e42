/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Two stacks, and a wire between them in virtual time: what one sends the other gets a millisecond
 * later, unless a test's filter keeps it.
 */

#include "toy_stack.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#define PAIR_MOST     1024
#define PAIR_BURST    32
#define PAIR_DELAY_NS UINT64_C(1000000)
#define PAIR_STEP_NS  UINT64_C(10000) /* as often as a worker may look */

struct pair_end {
	struct weir_stack *stack;
	struct rte_mbuf *pkts[PAIR_MOST]; /* sent, and when it arrives at the other */
	uint64_t at_ns[PAIR_MOST];
	unsigned from, n;
	uint64_t due_ns;
};

struct pair {
	struct pair_end end[2];
	uint64_t now_ns;
	/* Whether a packet of end @who arrives; NULL: each does. */
	bool (*passes)(struct pair *p, int who, struct rte_mbuf *m);
	unsigned sent[2];
	bool cuts;   /* long segments are sent, and pass as they are */
	bool bursts; /* what arrives at once is taken at once */
};

static struct pair pair;

static void pair_send(struct pair_end *e, struct rte_mbuf **pkts, uint16_t n)
{
	const int who = e == &pair.end[1];

	for (uint16_t i = 0; i < n; i++) {
		pair.sent[who]++;
		if (pair.passes != NULL && !pair.passes(&pair, who, pkts[i])) {
			rte_pktmbuf_free(pkts[i]);
			continue;
		}
		CU_ASSERT_FATAL(e->n - e->from < PAIR_MOST);
		e->pkts[e->n % PAIR_MOST] = pkts[i];
		e->at_ns[e->n++ % PAIR_MOST] = pair.now_ns + PAIR_DELAY_NS;
	}
}

static void pair_output(void *ctx, struct rte_mbuf **pkts, uint16_t n)
{
	pair_send(ctx, pkts, n);
}

/* Each reaches the other, and is 192.0.2.1 or .2, 2001:db8::1 or ::2. */
static bool pair_way(void *ctx, const struct weir_addr *to, struct weir_way *out)
{
	const int who = ctx == &pair.end[1];
	const char *from = to->family == 4 ? (who ? "192.0.2.2" : "192.0.2.1")
					   : (who ? "2001:db8::2" : "2001:db8::1");

	out->mtu_bytes = 1500;
	out->cuts = pair.cuts;
	return weir_addr_parse(from, strlen(from), &out->from) == 0;
}

static inline void pair_begin_with(struct weir_stack_conf conf)
{
	memset(&pair, 0, sizeof(pair));
	pair.now_ns = UINT64_C(1000000000);
	conf.pool = toy_only_pool();
	conf.output = pair_output;
	conf.way = pair_way;
	conf.now_ns = pair.now_ns;
	if (conf.sockets == 0)
		conf.sockets = 8;
	if (conf.connections == 0)
		conf.connections = 64;
	conf.socket_pkts = 8;
	for (int i = 0; i < 2; i++) {
		conf.secret = (struct weir_siphash_key){(uint64_t)i + 1, 7};
		conf.ctx = &pair.end[i];
		CU_ASSERT_EQUAL_FATAL(weir_stack_create(&conf, &pair.end[i].stack), 0);
	}
}

static inline void pair_begin(void)
{
	pair_begin_with((struct weir_stack_conf){.sockets = 8});
}

static inline void pair_deliver(int who)
{
	struct pair_end *e = &pair.end[who];
	struct rte_mbuf *pkts[PAIR_BURST];
	uint16_t n = 0;

	while (e->from < e->n && e->at_ns[e->from % PAIR_MOST] <= pair.now_ns) {
		pkts[n] = e->pkts[e->from++ % PAIR_MOST];
		toy_parsed(pkts[n++]);
		if (n < PAIR_BURST && pair.bursts)
			continue;
		CU_ASSERT_EQUAL(weir_stack_input(pair.end[!who].stack, pkts, n, pair.now_ns), 0);
		n = 0;
	}
	if (n > 0)
		CU_ASSERT_EQUAL(weir_stack_input(pair.end[!who].stack, pkts, n, pair.now_ns), 0);
}

/* One step: to when something happens next, or to @until_ns. False: that was it. */
static inline bool pair_step(uint64_t until_ns)
{
	uint64_t next_ns = UINT64_MAX;

	for (int i = 0; i < 2; i++)
		pair_deliver(i);
	for (int i = 0; i < 2; i++) {
		struct pair_end *e = &pair.end[i];

		e->due_ns = weir_stack_poll(e->stack, pair.now_ns);
		next_ns = RTE_MIN(next_ns, e->due_ns);
	}
	for (int i = 0; i < 2; i++) {
		const struct pair_end *e = &pair.end[i];

		if (e->from < e->n)
			next_ns = RTE_MIN(next_ns, e->at_ns[e->from % PAIR_MOST]);
	}
	if (next_ns > until_ns) {
		pair.now_ns = until_ns;
		return false;
	}
	pair.now_ns = RTE_MAX(next_ns, pair.now_ns + PAIR_STEP_NS);
	return true;
}

static inline void pair_run(uint64_t ns)
{
	const uint64_t until_ns = pair.now_ns + ns;
	unsigned steps = 0;

	while (pair_step(until_ns))
		CU_ASSERT_FATAL(++steps < 1000000);
}

static inline void pair_end(void)
{
	for (int i = 0; i < 2; i++) {
		struct pair_end *e = &pair.end[i];

		while (e->from < e->n)
			rte_pktmbuf_free(e->pkts[e->from++ % PAIR_MOST]);
		weir_stack_free(e->stack);
	}
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

/* A listener at end 1. */
static inline weir_sock pair_listen(uint16_t port, uint32_t backlog)
{
	const struct weir_endpoint at = {.port = port};
	weir_sock l;

	CU_ASSERT_EQUAL_FATAL(weir_socket(pair.end[1].stack, WEIR_TCP, NULL, &l), 0);
	CU_ASSERT_EQUAL_FATAL(weir_bind(pair.end[1].stack, l, &at), 0);
	CU_ASSERT_EQUAL_FATAL(weir_listen(pair.end[1].stack, l, backlog), 0);
	return l;
}

static inline weir_sock pair_connect(const char *to, uint16_t port)
{
	const struct weir_endpoint e = toy_end(to, port);
	weir_sock c;

	CU_ASSERT_EQUAL_FATAL(weir_socket(pair.end[0].stack, WEIR_TCP, NULL, &c), 0);
	CU_ASSERT_EQUAL_FATAL(weir_connect(pair.end[0].stack, c, &e), -EINPROGRESS);
	return c;
}

static inline weir_sock pair_accept(weir_sock l)
{
	weir_sock a = WEIR_NO_SOCK;

	CU_ASSERT_EQUAL_FATAL(weir_accept(pair.end[1].stack, l, NULL, &a, NULL), 0);
	return a;
}
