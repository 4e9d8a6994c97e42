/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The loop: packets that have arrived go into the stacks, programs go on, stacks send onto the
 * wires, and the time is set to when something happens next.
 */

#include "sim.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <weir/eal.h>
#include <weir/offload.h>
#include <weir/pool.h>

#define S_NS	     UINT64_C(1000000000)
#define STALL_NS     (200 * S_NS) /* a probe may be as late as RTO_MAX_US, and lost before */
#define GONE_NS	     (400 * S_NS) /* TIME-WAIT and orphans have ended by then */
#define PASSES_MOST  50000000u
#define IDLE_POLLS   1000
#define ROUTER_BURST 32
#define SERVER_PORT  80
#define BACKLOG	     64

/* ---- memory ---- */

static struct rte_mempool *stack_pool, *wire_pool;

static struct rte_mempool *make_pool(const char *name, unsigned mbufs)
{
	const struct weir_pool_plan of = {.mbufs = mbufs, .data_bytes = 2176, .cache = 32};
	struct rte_mempool *mp = NULL;
	struct weir_why why = {0};

	if (weir_pool_create(name, &of, -1, &mp, &why) < 0) {
		fprintf(stderr, "sim: %s\n", why.text);
		exit(1);
	}
	return mp;
}

void sim_memory(unsigned mbufs)
{
	const struct weir_eal_conf conf = {.program = "weir-sim",
					   .hugepages = WEIR_HUGEPAGES_NONE,
					   .memory_mib = 32 + mbufs / 160};
	struct weir_why why = {0};

	if (weir_eal_init(&conf, &why) < 0) {
		fprintf(stderr, "sim: %s\n", why.text);
		exit(1);
	}
	stack_pool = make_pool("stack", mbufs);
	wire_pool = make_pool("wire", mbufs);
}

struct rte_mempool *sim_stack_pool(void)
{
	return stack_pool;
}

struct rte_mempool *sim_wire_pool(void)
{
	return wire_pool;
}

/* ---- what goes wrong ---- */

void sim_fail(struct sim *s, const char *format, ...)
{
	va_list args;

	if (s->failed)
		return;
	s->failed = true;
	va_start(args, format);
	vsnprintf(s->why, sizeof(s->why), format, args);
	va_end(args);
}

/* ---- hosts ---- */

static void note(struct sim *s, const struct packet *p, const char *what)
{
	s->digest = (s->digest ^ p->seq ^ (uint64_t)p->ack << 32) * UINT64_C(0x100000001b3) +
		    s->now_ns + p->flags + p->bytes;
	if (s->trace)
		packet_print(p, s->now_ns - s->begin_ns, what);
}

static void send_one(struct host *h, struct rte_mbuf *m)
{
	struct sim *s = h->sim;
	struct packet p;

	s->is_moving = true;
	h->out_pkts++;
	if (!packet_read(m, &p)) {
		sim_fail(s, "host %u sends a packet that is none", h->index + 1);
		rte_pktmbuf_free(m);
		return;
	}
	if (p.from != h->index || p.to >= s->n_hosts)
		sim_fail(s, "host %u sends from %u to %u", h->index + 1, p.from, p.to);
	if (m->pkt_len > h->mtu_bytes)
		sim_fail(s, "host %u sends %u bytes", h->index + 1, m->pkt_len);
	if (p.is_tcp)
		check_sent(s, &p);
	note(s, &p, "");
	wire_send(&s->wires[h->index], m, s->now_ns);
}

/* As a port does that cuts. */
static void send_pieces(struct host *h, struct rte_mbuf *m)
{
	struct rte_mbuf *piece[WEIR_OFFLOAD_PIECES];
	const unsigned n = weir_offload_cut(m, wire_pool, piece);

	if (!h->cuts || n < 2 || m->pkt_len > UINT16_MAX)
		sim_fail(h->sim, "host %u sends %u bytes as %u packets", h->index + 1, m->pkt_len,
			 n);
	for (unsigned i = 0; i < n; i++) {
		weir_offload_finish(piece[i], 0);
		send_one(h, piece[i]);
	}
	rte_pktmbuf_free(m);
}

static void output(void *ctx, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		if (weir_offload_is_long(pkts[i]))
			send_pieces(ctx, pkts[i]);
		else
			send_one(ctx, pkts[i]);
}

static bool way(void *ctx, const struct weir_addr *to, struct weir_way *out)
{
	const struct host *h = ctx;

	out->from = host_addr(h->index, to->family);
	out->mtu_bytes = h->mtu_bytes;
	out->cuts = h->cuts;
	return true;
}

void sim_host(struct sim *s, unsigned host)
{
	const struct weir_endpoint at = {.port = SERVER_PORT};
	struct host *h = &s->hosts[host];

	h->sim = s;
	h->index = host;
	h->conf.pool = stack_pool;
	h->conf.output = output;
	h->conf.way = way;
	h->conf.ctx = h;
	h->conf.now_ns = s->now_ns;
	h->conf.secret = (struct weir_siphash_key){rnd_next(&s->rnd), rnd_next(&s->rnd)};
	h->conf.sockets = 4;
	h->conf.socket_pkts = 8;
	if (h->conf.connections == 0)
		h->conf.connections = 2 * FLOWS_MOST;
	if (weir_stack_create(&h->conf, &h->stack) < 0 ||
	    weir_socket(h->stack, WEIR_TCP, NULL, &h->listener) < 0 ||
	    weir_bind(h->stack, h->listener, &at) < 0 ||
	    weir_listen(h->stack, h->listener, BACKLOG) < 0)
		sim_fail(s, "host %u does not begin", host + 1);
}

/* ---- a pass ---- */

/* As 10_parse says of what begins with its IP header. */
static void set_meta(struct rte_mbuf *m, const struct packet *p)
{
	*weir_meta(m) = (struct weir_meta){
		.flags = (p->v6 ? WEIR_META_IP6 : WEIR_META_IP4) | WEIR_META_L4,
		.l4_off = p->l4_off,
		.proto = p->proto,
	};
}

static void give(struct sim *s, struct host *h, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t left;

	h->in_pkts += n;
	s->is_moving |= n > 0;
	left = weir_stack_input(h->stack, pkts, n, s->now_ns);
	rte_pktmbuf_free_bulk(pkts, left);
}

/* What has arrived on a wire goes to whom it is for. */
static void deliver(struct sim *s, struct wire *w)
{
	struct rte_mbuf *pkts[HOSTS_MOST][ROUTER_BURST], *m;
	uint16_t n[HOSTS_MOST] = {0};
	struct packet p;
	bool corrupted;

	while ((m = wire_receive(w, s->now_ns, &corrupted)) != NULL) {
		if (!packet_read(m, &p) || p.to >= s->n_hosts) {
			if (!corrupted)
				sim_fail(s, "a packet has become none");
			rte_pktmbuf_free(m);
			continue;
		}
		note(s, &p, " *");
		if (p.is_tcp)
			check_arrived(s, &p);
		set_meta(m, &p);
		pkts[p.to][n[p.to]++] = m;
		if (n[p.to] == ROUTER_BURST) {
			give(s, &s->hosts[p.to], pkts[p.to], n[p.to]);
			n[p.to] = 0;
		}
	}
	for (unsigned i = 0; i < s->n_hosts; i++)
		if (n[i] > 0)
			give(s, &s->hosts[i], pkts[i], n[i]);
}

static void starve(struct sim *s)
{
	struct starving *v = &s->starving;

	if (s->now_ns < v->from_ns || v->until_ns == 0)
		return;
	while (s->now_ns < v->until_ns && v->n < STARVED_MOST &&
	       rte_mempool_avail_count(stack_pool) > v->left) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(stack_pool);

		if (m == NULL)
			return;
		v->taken[v->n++] = m;
	}
	if (s->now_ns >= v->until_ns) {
		rte_pktmbuf_free_bulk(v->taken, v->n);
		v->n = 0;
	}
}

/* A stack that has nothing to do must not ask to be called at once again and again. */
static uint64_t poll(struct sim *s, struct host *h)
{
	const uint64_t before = h->out_pkts + h->in_pkts;

	h->due_ns = weir_stack_poll(h->stack, s->now_ns);
	if (h->due_ns > s->now_ns || h->out_pkts + h->in_pkts != before || s->starving.n > 0)
		h->idle_polls = 0;
	else if (++h->idle_polls > IDLE_POLLS)
		sim_fail(s, "host %u is always due and does nothing", h->index + 1);
	return h->due_ns;
}

static void clean(struct sim *s)
{
	s->is_clean = true;
	s->progress_ns = s->now_ns;
	for (unsigned i = 0; i < s->n_hosts; i++)
		wire_clean(&s->wires[i]);
}

bool sim_pass(struct sim *s)
{
	uint64_t next_ns = UINT64_MAX;

	s->is_moving = false;
	starve(s);
	if (!s->is_clean && s->now_ns >= s->clean_ns)
		clean(s);
	for (unsigned i = 0; i < s->n_hosts; i++)
		deliver(s, &s->wires[i]);
	work_run(s);
	for (unsigned i = 0; i < s->n_hosts; i++) {
		const uint64_t due_ns = poll(s, &s->hosts[i]);

		next_ns = RTE_MIN(next_ns, due_ns);
	}
	for (unsigned i = 0; i < s->n_hosts; i++)
		next_ns = RTE_MIN(next_ns, wire_next_ns(&s->wires[i]));
	next_ns = RTE_MIN(next_ns, work_next_ns(s));
	if (s->is_moving) /* who was told of something goes on in the next pass */
		next_ns = s->now_ns;
	if (!s->is_clean)
		next_ns = RTE_MIN(next_ns, s->clean_ns);
	if (s->starving.n > 0)
		next_ns = RTE_MIN(next_ns, s->starving.until_ns);
	if (next_ns == UINT64_MAX)
		return false;
	s->now_ns = RTE_MAX(next_ns, s->now_ns + s->pass_ns);
	return true;
}

/* ---- a run ---- */

static uint64_t progress(const struct sim *s)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < s->n_flows; i++)
		for (unsigned end = 0; end < 2; end++) {
			const struct side *k = &s->flows[i].side[end];

			sum += k->received + k->sent + (uint64_t)k->state;
		}
	return sum;
}

static void say_who_stalls(struct sim *s)
{
	for (unsigned i = 0; i < s->n_flows; i++) {
		const struct flow *f = &s->flows[i];

		if (!flow_is_done(f))
			sim_fail(s,
				 "flow %u stalls: port %u, %" PRIu64 " of %" PRIu64
				 " arrived, and %" PRIu64 " of %" PRIu64 " back",
				 i, f->port, f->side[1].received, f->side[1].to_receive,
				 f->side[0].received, f->side[0].to_receive);
	}
	sim_fail(s, "no end");
}

static bool is_all_gone(struct sim *s, bool says)
{
	for (unsigned i = 0; i < s->n_hosts; i++) {
		struct weir_stack_stats n;

		weir_stack_stats(s->hosts[i].stack, &n);
		if (s->wires[i].n_way > 0)
			return false;
		if (n.tcp_connections <= 1 && n.tcp_half_open == 0 && n.tcp_time_wait == 0)
			continue;
		if (says)
			sim_fail(s,
				 "host %u keeps %" PRIu64 " connections, %" PRIu64
				 " half open, %" PRIu64 " in TIME-WAIT",
				 i + 1, n.tcp_connections - 1, n.tcp_half_open, n.tcp_time_wait);
		return false;
	}
	return true;
}

static void run_flows(struct sim *s)
{
	uint64_t had = 0;

	for (unsigned passes = 0; !s->failed && !work_is_done(s); passes++) {
		const uint64_t has = progress(s);

		if (has != had)
			s->progress_ns = s->now_ns;
		had = has;
		if (!sim_pass(s) || passes > PASSES_MOST ||
		    (s->is_clean && s->now_ns > s->progress_ns + STALL_NS)) {
			say_who_stalls(s);
			return;
		}
	}
}

static void run_out(struct sim *s)
{
	const uint64_t until_ns = s->now_ns + GONE_NS;

	s->clean_ns = RTE_MIN(s->clean_ns, s->now_ns);
	while (!s->failed && !is_all_gone(s, false))
		if (!sim_pass(s) || s->now_ns > until_ns)
			is_all_gone(s, true);
}

void sim_run(struct sim *s)
{
	run_flows(s);
	run_out(s);
}

/* ---- the end ---- */

static bool may_break(const struct sim *s)
{
	for (unsigned i = 0; i < s->n_flows; i++)
		if (s->flows[i].may_break)
			return true;
	return false;
}

static void check_counters(struct sim *s, struct host *h)
{
	struct weir_stack_stats n;

	weir_stack_stats(h->stack, &n);
	if (n.tcp_out != h->out_pkts)
		sim_fail(s, "host %u counts %" PRIu64 " segments, and has sent %" PRIu64,
			 h->index + 1, n.tcp_out, h->out_pkts);
	if (n.tcp_in_bytes < h->taken_bytes || (n.tcp_in_bytes > h->taken_bytes && !may_break(s)))
		sim_fail(s, "host %u counts %" PRIu64 " bytes, and has given %" PRIu64,
			 h->index + 1, n.tcp_in_bytes, h->taken_bytes);
	if (n.tcp_connections != 0 || n.tcp_half_open != 0 || n.tcp_time_wait != 0)
		sim_fail(s, "host %u keeps connections", h->index + 1);
	if (h->stack->held_bytes != 0)
		sim_fail(s, "host %u holds %" PRIu64 " bytes of nobody", h->index + 1,
			 h->stack->held_bytes);
}

static void end_host(struct sim *s, struct host *h)
{
	struct weir_event e;

	if (h->stack == NULL || s->failed)
		return;
	weir_sock_close(h->stack, h->listener);
	if (weir_stack_events(h->stack, &e, 1) > 0)
		sim_fail(s, "host %u has events for nobody", h->index + 1);
	check_counters(s, h);
}

static void check_pool(struct sim *s, const char *name, struct rte_mempool *pool)
{
	if (rte_mempool_in_use_count(pool) != 0)
		sim_fail(s, "%u buffers of the %s are in use", rte_mempool_in_use_count(pool),
			 name);
}

void sim_end(struct sim *s)
{
	rte_pktmbuf_free_bulk(s->starving.taken, s->starving.n);
	s->starving.n = 0;
	for (unsigned i = 0; i < s->n_hosts; i++)
		end_host(s, &s->hosts[i]);
	if (!s->failed) { /* an idle stack holds no buffer */
		check_pool(s, "stacks", stack_pool);
		check_pool(s, "wires", wire_pool);
	}
	for (unsigned i = 0; i < s->n_hosts; i++) {
		wire_empty(&s->wires[i]);
		weir_stack_free(s->hosts[i].stack);
		s->hosts[i].stack = NULL;
	}
	check_pool(s, "stacks, which are gone,", stack_pool);
	check_pool(s, "wires, which are gone,", wire_pool);
}

void sim_begin(struct sim *s, uint64_t seed)
{
	memset(s, 0, offsetof(struct sim, starving.taken));
	s->seed = seed;
	s->rnd.state = seed * UINT64_C(0x2545f4914f6cdd1d);
	s->begin_ns = s->now_ns = rnd_scaled(&s->rnd, S_NS, UINT64_C(1) << 54);
	s->clean_ns = s->now_ns;
	s->pass_ns = 10000;
	for (unsigned i = 0; i < HOSTS_MOST; i++) {
		memset(&s->wires[i], 0, offsetof(struct wire, way));
		s->wires[i].rnd.state = rnd_next(&s->rnd);
		s->wires[i].pool = wire_pool;
		s->hosts[i].mtu_bytes = 1500;
	}
}
