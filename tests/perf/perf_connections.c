/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What does a connection cost that says nothing? Two stacks in one process hand each other packets
 * by pointer until so many connections are established; then they rest for five seconds of a clock
 * that this program moves. CPU time and resident memory are of both ends and of all tables.
 */

#include "perf.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <weir/meta.h>
#include <weir/pool.h>
#include <weir/socket.h>

#define WIRE	 4096
#define BATCH	 512 /* begun before the wire is emptied */
#define PER_PORT 16384
#define PORT	 1000
#define EVENTS	 64
#define ACTIVE	 65536 /* more than begin in the second after which a quiet one is put to rest */
#define TURN_NS	 20000000
#define REST_NS	 UINT64_C(5000000000)

struct side {
	struct weir_stack *stack;
	struct side *other;
	struct rte_mbuf *pkts[WIRE]; /* on their way to the other */
	uint16_t n;
	struct weir_addr addr;
};

struct both {
	struct side client, server;
	struct rte_mempool *pool;
	uint64_t now_ns, accepted;
	uint32_t wanted, listeners;
};

static void output(void *ctx, struct rte_mbuf **pkts, uint16_t n)
{
	struct side *s = ctx;

	if (s->n + n > WIRE)
		perf_die("the wire is full", -ENOSPC);
	memcpy(&s->pkts[s->n], pkts, n * sizeof(pkts[0]));
	s->n = (uint16_t)(s->n + n);
}

static bool way(void *ctx, const struct weir_addr *to, struct weir_way *out)
{
	const struct side *s = ctx;

	(void)to;
	*out = (struct weir_way){.from = s->addr, .mtu_bytes = 1500};
	return true;
}

static void carry(struct side *from, uint64_t now)
{
	const uint16_t n = from->n;

	for (uint16_t i = 0; i < n; i++)
		*weir_meta(from->pkts[i]) = (struct weir_meta){
			.flags = WEIR_META_IP4 | WEIR_META_L4,
			.l4_off = sizeof(struct iphdr),
			.proto = IPPROTO_TCP,
		};
	from->n = 0;
	for (uint16_t i = 0; i < n; i += 64)
		if (weir_stack_input(from->other->stack, &from->pkts[i],
				     (uint16_t)RTE_MIN(64, n - i), now) != 0)
			perf_die("a segment was not taken", -EIO);
}

static void make(struct both *b, struct side *s, struct side *other, const char *addr)
{
	const struct weir_stack_conf conf = {
		.pool = b->pool,
		.sockets = b->listeners + 1,
		.socket_pkts = 1,
		.connections = b->wanted + b->listeners,
		.active = ACTIVE,
		.half_open = 2 * WIRE,
		.time_wait = 64,
		.now_ns = b->now_ns,
		.secret = {1, 2},
		.output = output,
		.way = way,
		.ctx = s,
	};
	int rc = weir_addr_parse(addr, strlen(addr), &s->addr);

	s->other = other;
	if (rc == 0)
		rc = weir_stack_create(&conf, &s->stack);
	if (rc < 0)
		perf_die("no stack", rc);
}

static void listen_at(struct both *b, uint16_t port)
{
	const struct weir_endpoint at = {.port = port};
	weir_sock sock;

	if (weir_socket(b->server.stack, WEIR_TCP, NULL, &sock) < 0 ||
	    weir_bind(b->server.stack, sock, &at) < 0 ||
	    weir_listen(b->server.stack, sock, 2 * WIRE) < 0)
		perf_die("no listener", -EIO);
}

static void begin_one(struct both *b, uint32_t i)
{
	const struct weir_endpoint to = {.addr = b->server.addr,
					 .port = (uint16_t)(PORT + i / PER_PORT)};
	weir_sock c;
	int rc = weir_socket(b->client.stack, WEIR_TCP, NULL, &c);

	if (rc == 0)
		rc = weir_connect(b->client.stack, c, &to);
	if (rc != -EINPROGRESS)
		perf_die("no connection", rc);
}

static void turn(struct both *b)
{
	struct weir_event e[EVENTS];
	weir_sock a;
	uint16_t n;

	weir_stack_poll(b->client.stack, b->now_ns);
	carry(&b->client, b->now_ns);
	while ((n = weir_stack_events(b->server.stack, e, EVENTS)) > 0)
		for (uint16_t i = 0; i < n; i++)
			while (weir_accept(b->server.stack, e[i].sock, NULL, &a, NULL) == 0)
				b->accepted++;
	weir_stack_poll(b->server.stack, b->now_ns);
	carry(&b->server, b->now_ns);
	while (weir_stack_events(b->client.stack, e, EVENTS) > 0)
		;
	b->now_ns += TURN_NS;
}

static void establish(struct both *b)
{
	for (uint32_t i = 0; i < b->listeners; i++)
		listen_at(b, (uint16_t)(PORT + i));
	for (uint32_t i = 0; i < b->wanted;) {
		const uint32_t until = RTE_MIN(i + BATCH, b->wanted);

		while (i < until)
			begin_one(b, i++);
		turn(b);
		turn(b);
	}
	for (uint64_t until = b->now_ns + REST_NS; b->now_ns < until;)
		turn(b);
}

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	uint64_t pages = 0;

	if (f == NULL || fscanf(f, "%*u %" SCNu64, &pages) != 1)
		perf_die("/proc/self/statm", -EIO);
	fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void check(const struct both *b)
{
	struct weir_stack_stats s;

	weir_stack_stats(b->client.stack, &s);
	if (b->accepted != b->wanted || s.tcp_opened != b->wanted)
		perf_die("connections are missing", -EIO);
	if (rte_mempool_in_use_count(b->pool) != 0)
		perf_die("idle connections hold buffers", -EIO);
}

static void run(struct both *b, bool json)
{
	const double cpu_before = cpu_s();
	const uint64_t before = resident_bytes();
	double cpu, bytes;

	make(b, &b->client, &b->server, "192.0.2.1");
	make(b, &b->server, &b->client, "192.0.2.2");
	establish(b);
	cpu = cpu_s() - cpu_before;
	bytes = (double)(resident_bytes() - before);
	check(b);
	if (json)
		printf("{\"connections\": %u, \"cpu_s\": %.3f, \"bytes\": %.0f, "
		       "\"bytes_each_end\": %.1f, \"buffers_held\": 0}\n",
		       b->wanted, cpu, bytes, bytes / 2 / b->wanted);
	else
		printf("%u connections, both ends in this process: %.2f s of CPU (%.0f ns each), "
		       "%.1f MiB: %.1f bytes an end, no buffer held\n",
		       b->wanted, cpu, cpu * 1e9 / b->wanted, bytes / (1 << 20),
		       bytes / 2 / b->wanted);
	weir_stack_free(b->client.stack);
	weir_stack_free(b->server.stack);
}

static void usage(void)
{
	fputs("usage: perf_connections [--connections N] [--core N] [--no-huge] [--json]\n",
	      stderr);
	exit(2);
}

static uint32_t number(const char *text, uint32_t max)
{
	char *end;
	const unsigned long n = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n == 0 || n > max)
		usage();
	return (uint32_t)n;
}

int main(int argc, char **argv)
{
	static const struct option known[] = {{"connections", required_argument, NULL, 'n'},
					      {"core", required_argument, NULL, 'c'},
					      {"no-huge", no_argument, NULL, 'h'},
					      {"json", no_argument, NULL, 'j'},
					      {0}};
	static struct both b = {.wanted = 1000000, .now_ns = 1000000000};
	struct perf_options o = {.core = 1, .huge = true};
	const struct weir_pool_plan plan = {.mbufs = 32767, .data_bytes = 2176, .cache = 256};

	for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
		if (c == 'n')
			b.wanted = number(optarg, WEIR_STACK_CONNECTIONS_MAX - 1024);
		else if (c == 'c')
			o.core = number(optarg, 1023);
		else if (c == 'h')
			o.huge = false;
		else if (c == 'j')
			o.json = true;
		else
			usage();
	}
	if (optind != argc)
		usage();
	perf_eal(&o, "perf_connections");
	if (weir_pool_create("connections", &plan, -1, &b.pool, NULL) < 0)
		perf_die("no pool", -ENOMEM);
	b.listeners = (b.wanted + PER_PORT - 1) / PER_PORT;
	run(&b, o.json);
	return 0;
}
