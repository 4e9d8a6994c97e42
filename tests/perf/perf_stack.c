/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What does the stack cost? Two of them on one core hand each other packets by pointer, so a figure
 * is both sides' work and nothing else: request and response over connections that stay, connect,
 * request, response and close, and bulk. A side takes packets in bursts, and after each its
 * events are served and it is polled, as a worker's pass does it. Time is the machine's; packets
 * are not lost. With --count time is counted, too, so that a program which counts instructions
 * (callgrind) finds the same each time.
 */

#include "perf.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <rte_cycles.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/meta.h>
#include <weir/offload.h>
#include <weir/pool.h>
#include <weir/socket.h>

#define CONNECTIONS 4096
#define WIRE	    4096
#define PORT	    80
#define REQUEST	    64
#define RESPONSE    256
#define EVENTS	    64
#define BULK_BYTES  65536
#define SEGMENT	    1448
#define BURST	    64
#define BURST_NS    32768 /* of a clock that is counted */

struct side {
	struct weir_stack *stack;
	struct side *other;
	struct rte_mbuf *pkts[WIRE]; /* on their way to the other */
	uint16_t n;
	bool is_long, is_cut;
	struct weir_addr addr;
};

struct kind {
	const char *name;
	unsigned live; /* connections at once */
	bool closes, is_bulk;
	bool is_long; /* segments of up to 64 KiB leave, and arrive as they left */
	bool is_cut;  /* they are cut on their way, in software */
};

struct bench {
	struct side client, server;
	struct rte_mempool *pool;
	weir_sock listener;
	uint64_t hz, done, bytes;
	uint64_t counted_ns; /* the time; 0: it is the machine's */
	bool closes, is_bulk;
	uint8_t text[BULK_BYTES];
};

static uint64_t now_ns(const struct bench *b)
{
	if (b->counted_ns != 0)
		return b->counted_ns;
	return (uint64_t)((unsigned __int128)rte_rdtsc() * 1000000000 / b->hz);
}

static void put(struct side *s, struct rte_mbuf *m)
{
	if (s->n == WIRE)
		perf_die("the wire is full", -ENOSPC);
	s->pkts[s->n++] = m;
}

/* As 90_tx does for a port that cuts nothing and makes no checksums. */
static void put_pieces(struct side *s, struct rte_mbuf *m)
{
	struct rte_mbuf *piece[WEIR_OFFLOAD_PIECES];
	const unsigned n = weir_offload_cut(m, m->pool, piece);

	if (n == 0)
		perf_die("no buffers", -ENOMEM);
	for (unsigned i = 0; i < n; i++) {
		weir_offload_finish(piece[i], 0);
		put(s, piece[i]);
	}
	rte_pktmbuf_free(m);
}

static void output(void *ctx, struct rte_mbuf **pkts, uint16_t n)
{
	struct side *s = ctx;

	for (uint16_t i = 0; i < n; i++)
		if (s->is_cut && weir_offload_is_long(pkts[i]))
			put_pieces(s, pkts[i]);
		else
			put(s, pkts[i]);
}

static bool way(void *ctx, const struct weir_addr *to, struct weir_way *out)
{
	const struct side *s = ctx;

	(void)to;
	*out = (struct weir_way){.from = s->addr, .mtu_bytes = 1500, .cuts = s->is_long};
	return true;
}

/* What 10_parse says of a packet that begins with its IP header. */
static void parse(struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	const bool v4 = ip[0] >> 4 == 4;

	*weir_meta(m) = (struct weir_meta){
		.flags = (v4 ? WEIR_META_IP4 : WEIR_META_IP6) | WEIR_META_L4,
		.l4_off = v4 ? sizeof(struct iphdr) : sizeof(struct ip6_hdr),
		.proto = IPPROTO_TCP,
	};
}

static void make(struct bench *b, const struct kind *k, struct side *s, struct side *other,
		 const char *addr)
{
	const struct weir_stack_conf conf = {
		.pool = b->pool,
		.sockets = 8,
		.socket_pkts = 8,
		.connections = CONNECTIONS * 2,
		.half_open = CONNECTIONS * 2,
		.time_wait = CONNECTIONS,
		.sndbuf_bytes = 1 << 20,
		.rcvbuf_bytes = 4 << 20,
		.now_ns = now_ns(b),
		.secret = {1, (uint64_t)(uintptr_t)s},
		.output = output,
		.way = way,
		.ctx = s,
	};
	int rc = weir_addr_parse(addr, strlen(addr), &s->addr);

	s->other = other;
	s->is_long = k->is_long;
	s->is_cut = k->is_cut;
	if (rc == 0)
		rc = weir_stack_create(&conf, &s->stack);
	if (rc < 0)
		perf_die("no stack", rc);
}

static void begin_one(struct bench *b)
{
	const struct weir_endpoint to = {.addr = b->server.addr, .port = PORT};
	weir_sock c;
	int rc = weir_socket(b->client.stack, WEIR_TCP, NULL, &c);

	if (rc == 0)
		rc = weir_connect(b->client.stack, c, &to);
	if (rc != -EINPROGRESS)
		perf_die("no connection", rc);
}

/* @return whether all was taken. */
static bool give(struct bench *b, struct side *s, weir_sock sock, size_t bytes)
{
	const int64_t n = weir_send(s->stack, sock, b->text, bytes);

	if (n < 0 && n != -EAGAIN)
		perf_die("nothing was sent", (int)n);
	return n == (int64_t)bytes;
}

/* All that waits. @return bytes; -1: the peer has ended. */
static int64_t take(struct bench *b, struct side *s, weir_sock sock)
{
	struct rte_mbuf *m;
	int64_t n, all = 0;

	while ((n = weir_recv_mbuf(s->stack, sock, &m)) > 0) {
		rte_pktmbuf_free(m);
		all += n;
	}
	if (n == 0)
		return -1;
	if (n != -EAGAIN)
		perf_die("nothing was received", (int)n);
	b->bytes += (uint64_t)all;
	return all;
}

static void serve(struct bench *b, const struct weir_event *e)
{
	struct side *s = &b->server;
	weir_sock a;
	int64_t n;

	if (e->sock == b->listener) {
		while (weir_accept(s->stack, b->listener, NULL, &a, NULL) == 0)
			;
		return;
	}
	if (!(e->ready & WEIR_READY_IN))
		return;
	n = take(b, s, e->sock);
	if (n < 0)
		weir_sock_close(s->stack, e->sock);
	else if (n > 0 && !b->is_bulk)
		give(b, s, e->sock, RESPONSE);
}

static void ask(struct bench *b, const struct weir_event *e)
{
	struct side *c = &b->client;

	if (e->ready & WEIR_READY_OUT && b->is_bulk)
		while (give(b, c, e->sock, BULK_BYTES))
			;
	else if (e->ready & WEIR_READY_OUT)
		give(b, c, e->sock, REQUEST);
	if (!(e->ready & WEIR_READY_IN) || take(b, c, e->sock) <= 0)
		return;
	b->done++;
	if (!b->closes) {
		give(b, c, e->sock, REQUEST);
		return;
	}
	weir_sock_close(c->stack, e->sock);
	begin_one(b);
}

/* As 00_rx and 10_parse do it: headers are fetched ahead. */
static void parse_burst(struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		rte_prefetch0(pkts[i]);
		rte_prefetch0(weir_meta(pkts[i]));
	}
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	for (uint16_t i = 0; i < n; i++)
		parse(pkts[i]);
}

typedef void answer(struct bench *b, const struct weir_event *e);

/* What @from has sent by now goes to @to, whose user is @user. */
static void carry(struct bench *b, struct side *from, struct side *to, answer *user)
{
	const uint16_t n = from->n;
	struct weir_event e[EVENTS];
	uint16_t at = 0, n_events;

	from->n = 0;
	do {
		const uint64_t now = now_ns(b);
		const uint16_t part = (uint16_t)RTE_MIN(BURST, n - at);

		parse_burst(&from->pkts[at], part);
		if (weir_stack_input(to->stack, &from->pkts[at], part, now) != 0)
			perf_die("a segment was not taken", -EIO);
		while ((n_events = weir_stack_events(to->stack, e, EVENTS)) > 0)
			for (uint16_t i = 0; i < n_events; i++)
				user(b, &e[i]);
		weir_stack_poll(to->stack, now);
		at = (uint16_t)(at + part);
		if (b->counted_ns != 0)
			b->counted_ns += BURST_NS;
	} while (at < n);
}

static void turn(struct bench *b)
{
	carry(b, &b->client, &b->server, serve);
	carry(b, &b->server, &b->client, ask);
}

static void open_bench(struct bench *b, const struct kind *k, bool is_counted,
		       struct rte_mempool *pool)
{
	const struct weir_endpoint at = {.port = PORT};

	memset(b, 0, sizeof(*b));
	b->pool = pool;
	b->hz = rte_get_tsc_hz();
	b->counted_ns = is_counted ? BURST_NS : 0;
	b->closes = k->closes;
	b->is_bulk = k->is_bulk;
	make(b, k, &b->client, &b->server, "192.0.2.1");
	make(b, k, &b->server, &b->client, "192.0.2.2");
	if (weir_socket(b->server.stack, WEIR_TCP, NULL, &b->listener) < 0 ||
	    weir_bind(b->server.stack, b->listener, &at) < 0 ||
	    weir_listen(b->server.stack, b->listener, CONNECTIONS) < 0)
		perf_die("no listener", -EIO);
	for (unsigned i = 0; i < k->live; i++)
		begin_one(b);
}

static void close_bench(struct bench *b)
{
	for (unsigned i = 0; i < b->client.n; i++)
		rte_pktmbuf_free(b->client.pkts[i]);
	for (unsigned i = 0; i < b->server.n; i++)
		rte_pktmbuf_free(b->server.pkts[i]);
	weir_stack_free(b->client.stack);
	weir_stack_free(b->server.stack);
	if (rte_mempool_in_use_count(b->pool) != 0)
		perf_die("buffers were lost", -EIO);
}

/* Things done in a tenth of a second, as nanoseconds each; of bulk, Gbit/s. */
static double sample(struct bench *b)
{
	const uint64_t begin = now_ns(b), until = begin + 100000000;
	const uint64_t done = b->done, bytes = b->bytes;
	uint64_t ns;

	do
		for (unsigned i = 0; i < 16; i++)
			turn(b);
	while (now_ns(b) < until);
	ns = now_ns(b) - begin;
	if (b->is_bulk)
		return (double)(b->bytes - bytes) * 8 / (double)ns;
	return (double)ns / (double)(b->done - done);
}

/*
 * So many are done on a clock that is counted: what callgrind is to collect.
 * @return how many it was; of bulk: full segments.
 */
static __attribute__((noinline)) uint64_t perf_stack_count(struct bench *b, uint64_t most)
{
	const uint64_t done = b->done, bytes = b->bytes;
	uint64_t n = 0;

	while (n < most) {
		turn(b);
		n = b->is_bulk ? (b->bytes - bytes) / SEGMENT : b->done - done;
	}
	return n;
}

static const struct kind kinds[] = {
	{"request_1", .live = 1},
	{"request_64", .live = 64},
	{"request_4096", .live = 4096},
	{"connect_64", .live = 64, .closes = true},
	{"connect_1024", .live = 1024, .closes = true},
	{"bulk_1", .live = 1, .is_bulk = true},
	{"bulk_16", .live = 16, .is_bulk = true},
	{"bulk_long_1", .live = 1, .is_bulk = true, .is_long = true},
	{"bulk_long_16", .live = 16, .is_bulk = true, .is_long = true},
	{"bulk_cut_1", .live = 1, .is_bulk = true, .is_long = true, .is_cut = true},
};

static void count(const struct perf_options *o, const struct kind *k, struct rte_mempool *pool)
{
	static struct bench b;

	open_bench(&b, k, true, pool);
	while (b.done < 2 * k->live && b.bytes < 1 << 24)
		turn(&b);
	printf("%s %" PRIu64 "\n", k->name, perf_stack_count(&b, o->count));
	close_bench(&b);
}

static void run(const struct perf_options *o, const struct kind *k, struct rte_mempool *pool)
{
	static struct bench b;
	double samples[256];
	const unsigned rounds = RTE_MIN(o->rounds, 256u);

	open_bench(&b, k, false, pool);
	sample(&b);
	for (unsigned i = 0; i < rounds; i++)
		samples[i] = sample(&b);
	close_bench(&b);
	const double median = perf_median(samples, rounds);
	const double best = k->is_bulk ? samples[rounds - 1] : samples[0];

	if (o->json)
		printf("%s\"%s\": %.1f", k == kinds ? "{" : ", ", k->name, median);
	else if (k->is_bulk)
		printf("%-14s %8.2f Gbit/s (best %.2f)\n", k->name, median, best);
	else
		printf("%-14s %8.0f ns each (best %.0f), %.0f a second\n", k->name, median, best,
		       1e9 / median);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct perf_options o = {.core = 1, .rounds = 10};
	const struct weir_pool_plan plan = {.mbufs = 65535, .data_bytes = 2176, .cache = 256};
	struct rte_mempool *pool;
	int rc;

	perf_options(&o, argc, argv);
	perf_eal(&o, "perf_stack");
	rc = weir_pool_create("stack", &plan, -1, &pool, NULL);
	if (rc < 0)
		perf_die("no pool", rc);
	for (unsigned i = 0; i < RTE_DIM(kinds); i++)
		if (o.only == NULL || strcmp(o.only, kinds[i].name) == 0)
			(o.count > 0 ? count : run)(&o, &kinds[i], pool);
	if (o.json)
		printf("}\n");
	return 0;
}
