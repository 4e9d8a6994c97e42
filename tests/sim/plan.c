/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a seed stands for: hosts, the wires between them, and who wants what from whom.
 */

#include "sim.h"

#define MS_NS	    UINT64_C(1000000)
#define S_NS	    (1000 * MS_NS)
#define NOISE_S	    20 /* the wires are clean after that */
#define ANSWER_MOST 20000
#define BULK_MOST   2000000

static const char *const algorithms[] = {"cubic", "newreno", "dctcp", "bbr"};

static const char *any_algorithm(struct rnd *r)
{
	return algorithms[rnd_next(r) % RTE_DIM(algorithms)];
}

/* ---- wires ---- */

static void make_noise(struct rnd *r, struct wire_conf *c)
{
	if (rnd_one_in(r, 2))
		c->loss_ppm = (uint32_t)rnd_scaled(r, 100, 200000);
	if (rnd_one_in(r, 4)) {
		c->burst_ppm = (uint32_t)rnd_scaled(r, 100, 20000);
		c->burst_pkts = (uint32_t)rnd_scaled(r, 2, 60);
	}
	if (rnd_one_in(r, 3)) {
		c->reorder_ppm = (uint32_t)rnd_scaled(r, 1000, 300000);
		c->reorder_ns = rnd_scaled(r, MS_NS / 10, 50 * MS_NS);
	}
	if (rnd_one_in(r, 4))
		c->duplicate_ppm = (uint32_t)rnd_scaled(r, 1000, 200000);
	if (rnd_one_in(r, 4))
		c->corrupt_ppm = (uint32_t)rnd_scaled(r, 1000, 100000);
}

static void plan_wire(struct sim *s, struct wire_conf *c)
{
	struct rnd *r = &s->rnd;

	c->delay_ns = rnd_scaled(r, 10000, 300 * MS_NS);
	c->jitter_ns = rnd_one_in(r, 2) ? 0 : rnd_scaled(r, 1000, 20 * MS_NS);
	c->by_reference = rnd_one_in(r, 3);
	if (rnd_one_in(r, 3)) {
		c->bytes_s = rnd_scaled(r, 20000, 1000000000);
		c->queue_bytes = (uint32_t)rnd_scaled(r, 30000, 1000000);
		if (c->queue_bytes > 2 * c->bytes_s) /* two seconds of it */
			c->queue_bytes = (uint32_t)(2 * c->bytes_s);
		if (rnd_one_in(r, 2))
			c->mark_bytes = c->queue_bytes / (uint32_t)rnd_between(r, 2, 10);
	}
	if (!rnd_one_in(r, 4))
		make_noise(r, c);
	if (rnd_one_in(r, 6)) { /* a path that is narrower than both links */
		c->mtu_bytes = (uint16_t)rnd_between(r, 1280, 1500);
		c->says_too_big = rnd_one_in(r, 2);
		c->mtu_turn_ns = rnd_one_in(r, 2) ? rnd_scaled(r, 10 * MS_NS, 30 * S_NS) : 0;
	}
}

/* ---- hosts ---- */

static void plan_host(struct sim *s, unsigned i)
{
	static const uint16_t mtus[] = {1500, 1500, 1500, 9000, 1280, 576};
	struct rnd *r = &s->rnd;
	struct host *h = &s->hosts[i];

	h->mtu_bytes = mtus[rnd_next(r) % RTE_DIM(mtus)];
	h->conf.congestion = any_algorithm(r);
	h->conf.ecn = rnd_one_in(r, 3);
	h->conf.sndbuf_bytes = rnd_one_in(r, 2) ? 0 : (uint32_t)rnd_scaled(r, 3000, 1 << 20);
	h->conf.rcvbuf_bytes = rnd_one_in(r, 2) ? 0 : (uint32_t)rnd_scaled(r, 3000, 4 << 20);
	if (rnd_one_in(r, 8))
		h->conf.memory_bytes = rnd_scaled(r, 100000, 10000000);
	if (rnd_one_in(r, 8))
		h->conf.half_open = 1; /* else cookies */
	h->conf.mtu_probing = rnd_one_in(r, 4) ? WEIR_MTU_PROBING_ALWAYS : WEIR_MTU_PROBING_HOLES;
	h->has_cookies = h->conf.half_open == 1;
	h->cuts = rnd_one_in(r, 2);
}

/* ---- programs ---- */

static void plan_manner(struct sim *s, struct manner *m)
{
	struct rnd *r = &s->rnd;

	m->write_most = (uint32_t)rnd_scaled(r, 1000, 65536);
	if (rnd_one_in(r, 5)) { /* a slow reader: 20 s for 100,000 bytes at most */
		m->read_most = (uint32_t)rnd_scaled(r, 1000, 50000);
		m->read_rest_ns = rnd_scaled(r, MS_NS, 200 * MS_NS);
	}
	if (rnd_one_in(r, 8)) {
		m->write_most = (uint32_t)rnd_scaled(r, 100, 3000);
		m->write_rest_ns = rnd_scaled(r, MS_NS, 50 * MS_NS);
	}
	m->closes_early = rnd_one_in(r, 2);
	m->by_mbuf = rnd_one_in(r, 2);
	m->level = rnd_one_in(r, 4);
	m->nodelay = rnd_one_in(r, 3);
	m->cork = rnd_one_in(r, 8);
	m->quickack = rnd_one_in(r, 8);
	m->sndbuf = rnd_one_in(r, 6) ? (int)rnd_scaled(r, 2304, 1 << 20) : 0;
	m->rcvbuf = rnd_one_in(r, 6) ? (int)rnd_scaled(r, 2304, 1 << 20) : 0;
	m->congestion = rnd_one_in(r, 3) ? any_algorithm(r) : NULL;
}

static void plan_bytes(struct sim *s, struct flow *f)
{
	struct rnd *r = &s->rnd;
	struct side *a = &f->side[0], *b = &f->side[1];

	f->asks = rnd_one_in(r, 3);
	if (f->asks) {
		const uint64_t rounds = rnd_scaled(r, 1, 30);

		f->question_bytes = rnd_scaled(r, 1, ANSWER_MOST);
		f->answer_bytes = rnd_scaled(r, 1, ANSWER_MOST);
		a->to_send = rounds * f->question_bytes;
		b->to_send = rounds * f->answer_bytes;
	} else {
		a->to_send = rnd_one_in(r, 4) ? 0 : rnd_scaled(r, 1, BULK_MOST);
		b->to_send = rnd_one_in(r, 2) ? 0 : rnd_scaled(r, 1, BULK_MOST);
	}
	/*
	 * Who has got a cookie has to speak first: if its ACK is lost nobody else knows of it. If
	 * its first bytes are lost, too, and others arrive, they are answered by a reset.
	 */
	if (b->host->has_cookies) {
		f->may_break = true;
		a->to_send = RTE_MAX(a->to_send, 1u);
	}
	a->to_receive = b->to_send;
	b->to_receive = a->to_send;
}

static void plan_flow(struct sim *s, unsigned i)
{
	struct rnd *r = &s->rnd;
	struct flow *f = &s->flows[i];
	const unsigned from = (unsigned)(rnd_next(r) % s->n_hosts);
	const unsigned to = (unsigned)(from + rnd_between(r, 1, s->n_hosts - 1)) % s->n_hosts;

	f->index = i;
	f->begin_ns = s->now_ns + rnd_between(r, 0, 2 * S_NS);
	f->family = rnd_one_in(r, 2) ? 4 : 6;
	f->side[0].host = &s->hosts[from];
	f->side[1].host = &s->hosts[to];
	plan_bytes(s, f);
	for (unsigned end = 0; end < 2; end++) {
		struct side *k = &f->side[end];

		k->flow = f;
		k->key = (uint32_t)rnd_next(r);
		plan_manner(s, &k->manner);
		if (rnd_one_in(r, 12)) {
			f->may_break = true;
			k->manner.aborts = rnd_one_in(r, 2);
			k->manner.hangs_up_ns = f->begin_ns + rnd_scaled(r, MS_NS, 20 * S_NS);
		}
	}
}

static void plan_starving(struct sim *s)
{
	struct rnd *r = &s->rnd;

	if (!rnd_one_in(r, 12))
		return;
	s->starving.from_ns = s->now_ns + rnd_scaled(r, MS_NS, 5 * S_NS);
	s->starving.until_ns = s->starving.from_ns + rnd_scaled(r, MS_NS, S_NS);
	s->starving.left = (unsigned)rnd_scaled(r, 1, 100) - 1;
}

void plan(struct sim *s)
{
	struct rnd *r = &s->rnd;

	s->n_hosts = rnd_one_in(r, 4) ? (unsigned)rnd_between(r, 3, HOSTS_MOST) : 2;
	s->n_flows = (unsigned)(rnd_one_in(r, 20) ? FLOWS_MOST : rnd_scaled(r, 1, 6));
	s->pass_ns = rnd_scaled(r, 10000, MS_NS);
	s->clean_ns = s->now_ns + NOISE_S * S_NS;
	plan_starving(s);
	for (unsigned i = 0; i < s->n_hosts; i++) {
		plan_host(s, i);
		plan_wire(s, &s->wires[i].conf);
		sim_host(s, i);
	}
	for (unsigned i = 0; i < s->n_flows; i++)
		plan_flow(s, i);
}
