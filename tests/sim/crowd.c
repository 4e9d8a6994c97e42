/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Very many connections: two stacks that hand each other their packets at once, in virtual time.
 * Everybody is connected, says a byte, and rests; then each is reset.
 */

#include "crowd.h"

#include "sim.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define MS_NS	    UINT64_C(1000000)
#define S_NS	    (1000 * MS_NS)
#define ROUND	    512 /* connect at once */
#define PORT_FIRST  1000
#define PORT_MOST   20000 /* connections to one port: our own are 28,232 */
#define REST_NS	    (3 * S_NS)
#define PASS_NS	    100000
#define PASSES_MOST 64
#define QUEUE_MOST  16384
#define BYTES_MOST  256	       /* of memory for an idle end */
#define FIXED_BYTES (1u << 20) /* of a stack: settings, and who has bytes on the way */

struct end {
	struct crowd *crowd;
	struct weir_stack *stack;
	struct rte_mbuf *sent[QUEUE_MOST];
	unsigned n;
};

struct crowd {
	struct end end[2]; /* who connects, who is connected to */
	weir_sock *socks[2];
	weir_sock *listeners;
	uint32_t n[2], want, n_listeners;
	uint64_t now_ns;
	bool failed;
};

static void fail(struct crowd *c, const char *what)
{
	if (!c->failed)
		fprintf(stderr, "sim: %s, after %u connections\n", what, c->n[1]);
	c->failed = true;
}

static uint64_t resident_bytes(void)
{
	unsigned long all = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%lu %lu", &all, &resident) != 2)
		resident = 0;
	fclose(f);
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static double cpu_s(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e-6;
}

/* ---- two stacks ---- */

static void output(void *ctx, struct rte_mbuf **pkts, uint16_t n)
{
	struct end *e = ctx;

	for (uint16_t i = 0; i < n; i++) {
		if (e->n == QUEUE_MOST) {
			fail(e->crowd, "too much was sent at once");
			rte_pktmbuf_free(pkts[i]);
			continue;
		}
		e->sent[e->n++] = pkts[i];
	}
}

static bool way(void *ctx, const struct weir_addr *to, struct weir_way *out)
{
	const struct end *e = ctx;

	out->from = host_addr(e == &e->crowd->end[1], to->family);
	out->mtu_bytes = 1500;
	return true;
}

static int make_end(struct crowd *c, struct end *e, uint64_t key)
{
	const struct weir_stack_conf conf = {
		.pool = sim_stack_pool(),
		.sockets = c->n_listeners,
		.socket_pkts = 1,
		.connections = c->want + c->n_listeners,
		.active = 4 * ROUND,
		.half_open = 2 * ROUND,
		.time_wait = 64,
		.now_ns = c->now_ns,
		.secret = {key, 1},
		.output = output,
		.way = way,
		.ctx = e,
	};

	e->crowd = c;
	return weir_stack_create(&conf, &e->stack);
}

static void listen_all(struct crowd *c)
{
	struct weir_stack *s = c->end[1].stack;

	for (uint32_t i = 0; i < c->n_listeners; i++) {
		const struct weir_endpoint at = {.port = (uint16_t)(PORT_FIRST + i)};

		if (weir_socket(s, WEIR_TCP, NULL, &c->listeners[i]) < 0 ||
		    weir_bind(s, c->listeners[i], &at) < 0 ||
		    weir_listen(s, c->listeners[i], ROUND) < 0)
			fail(c, "cannot listen");
	}
}

/* What one has sent reaches the other. */
static bool hand_over(struct crowd *c, unsigned who)
{
	struct end *e = &c->end[who];
	const unsigned n = e->n;

	for (unsigned i = 0; i < n; i++) {
		struct packet p;

		if (!packet_read(e->sent[i], &p))
			fail(c, "a packet that is none");
		*weir_meta(e->sent[i]) = (struct weir_meta){.flags = WEIR_META_IP4 | WEIR_META_L4,
							    .l4_off = p.l4_off,
							    .proto = p.proto};
	}
	e->n = 0;
	if (n > 0 && weir_stack_input(c->end[!who].stack, e->sent, (uint16_t)n, c->now_ns) != 0)
		fail(c, "a packet for nobody");
	return n > 0;
}

/* Until nobody has anything to say. */
static void settle(struct crowd *c)
{
	bool moves = true;

	for (unsigned i = 0; i < PASSES_MOST && moves && !c->failed; i++) {
		moves = false;
		c->now_ns += PASS_NS;
		for (unsigned who = 0; who < 2; who++) {
			weir_stack_poll(c->end[who].stack, c->now_ns);
			moves |= hand_over(c, who);
		}
	}
}

/* Time passes: timers run, and what is not needed for rest is given back. */
static void rest(struct crowd *c)
{
	const uint64_t until_ns = c->now_ns + REST_NS;

	while (c->now_ns < until_ns && !c->failed) {
		c->now_ns += 50 * MS_NS;
		settle(c);
	}
}

/* ---- everybody ---- */

static void connect_some(struct crowd *c, uint32_t most)
{
	struct weir_stack *s = c->end[0].stack;

	for (uint32_t i = 0; i < most && !c->failed; i++) {
		const struct weir_endpoint to = {host_addr(1, 4),
						 (uint16_t)(PORT_FIRST + c->n[0] / PORT_MOST)};
		weir_sock *sock = &c->socks[0][c->n[0]];

		if (weir_socket(s, WEIR_TCP, NULL, sock) < 0 ||
		    weir_connect(s, *sock, &to) != -EINPROGRESS)
			fail(c, "cannot connect");
		c->n[0]++;
	}
}

static void accept_all(struct crowd *c)
{
	struct weir_stack *s = c->end[1].stack;

	for (uint32_t i = 0; i < c->n_listeners; i++) {
		weir_sock sock;

		while (c->n[1] < c->want && weir_accept(s, c->listeners[i], NULL, &sock, NULL) == 0)
			c->socks[1][c->n[1]++] = sock;
	}
}

static void drain_events(struct crowd *c)
{
	struct weir_event events[64];

	for (unsigned who = 0; who < 2; who++)
		while (weir_stack_events(c->end[who].stack, events, RTE_DIM(events)) > 0)
			;
}

static void say_a_byte(struct crowd *c, uint32_t from)
{
	for (uint32_t i = from; i < c->n[0] && !c->failed; i++)
		if (weir_send(c->end[0].stack, c->socks[0][i], "x", 1) != 1)
			fail(c, "cannot send");
	settle(c);
	for (uint32_t i = from; i < c->n[1] && !c->failed; i++) {
		char text[2];

		if (weir_recv(c->end[1].stack, c->socks[1][i], text, sizeof(text)) != 1 ||
		    text[0] != 'x')
			fail(c, "a byte is missing");
	}
}

static void open_all(struct crowd *c)
{
	while (c->n[0] < c->want && !c->failed) {
		const uint32_t from = c->n[0];

		connect_some(c, RTE_MIN((uint32_t)ROUND, c->want - from));
		settle(c);
		accept_all(c);
		if (c->n[1] != c->n[0])
			fail(c, "not all are connected");
		say_a_byte(c, from);
		drain_events(c);
		rest(c);
	}
}

static void close_all(struct crowd *c)
{
	for (uint32_t i = 0; i < c->want && !c->failed; i++) {
		weir_sock_abort(c->end[0].stack, c->socks[0][i]);
		weir_sock_close(c->end[1].stack, c->socks[1][i]);
		if (i % ROUND == ROUND - 1) {
			settle(c);
			drain_events(c);
		}
	}
	settle(c);
	drain_events(c);
}

/* ---- what it costs ---- */

static void report(struct crowd *c, uint64_t bytes, double cpu)
{
	const double each = (double)bytes / (2 * (double)c->want);
	const unsigned mbufs = rte_mempool_in_use_count(sim_stack_pool());

	printf("%u connections, both ends: %.1f MiB, %.0f bytes an idle end, %u buffers held\n"
	       "%.2f s of CPU to set up, say a byte and rest: %.2f us each\n",
	       c->want, (double)bytes / (1 << 20), each, mbufs, cpu, cpu * 1e6 / (double)c->want);
	if (mbufs != 0)
		fail(c, "idle connections hold buffers");
	if (!SANITISED && bytes > 2 * ((uint64_t)c->want * BYTES_MOST + FIXED_BYTES))
		fail(c, "an idle end takes too much memory");
}

static void check_end(struct crowd *c)
{
	for (unsigned who = 0; who < 2 && !c->failed; who++) {
		struct weir_stack_stats n;

		weir_stack_stats(c->end[who].stack, &n);
		if (n.tcp_connections != (who == 0 ? 0 : c->n_listeners))
			fail(c, "connections are left");
	}
	if (!c->failed && rte_mempool_in_use_count(sim_stack_pool()) != 0)
		fail(c, "buffers are left");
}

static bool take_memory(struct crowd *c)
{
	c->n_listeners = c->want / PORT_MOST + 1;
	c->listeners = calloc(c->n_listeners, sizeof(*c->listeners));
	for (unsigned who = 0; who < 2; who++) {
		c->socks[who] = calloc(c->want, sizeof(weir_sock));
		if (c->socks[who] != NULL) /* touched now: it is not the stacks' */
			memset(c->socks[who], 1, c->want * sizeof(weir_sock));
	}
	return c->listeners != NULL && c->socks[0] != NULL && c->socks[1] != NULL;
}

int crowd(uint32_t connections)
{
	static struct crowd c;
	uint64_t before;
	double cpu;

	c = (struct crowd){.want = connections, .now_ns = S_NS};
	if (take_memory(&c)) {
		before = resident_bytes();
		cpu = cpu_s();
		if (make_end(&c, &c.end[0], 1) < 0 || make_end(&c, &c.end[1], 2) < 0)
			fail(&c, "no memory");
		if (!c.failed)
			listen_all(&c);
		open_all(&c);
		if (!c.failed)
			report(&c, resident_bytes() - before, cpu_s() - cpu);
		if (!c.failed)
			close_all(&c);
		check_end(&c);
	} else {
		fail(&c, "no memory");
	}
	for (unsigned who = 0; who < 2; who++) {
		rte_pktmbuf_free_bulk(c.end[who].sent, c.end[who].n);
		weir_stack_free(c.end[who].stack);
		free(c.socks[who]);
	}
	free(c.listeners);
	return c.failed;
}
