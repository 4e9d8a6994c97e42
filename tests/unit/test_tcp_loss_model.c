/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A sender, a wire that loses, delays, doubles and marks at random, and a receiver of forty lines:
 * everything arrives, as it was written, in a time that is bounded, and the accounts are right
 * after each step. By seed; WEIR_TEST_LONG=1 takes a hundred times as many.
 */

#include "toy_loss.h"

#include <stdlib.h>

#define STREAM_MOST 60000u
#define WIRE_EVENTS 4096

/* ---- random numbers, the same everywhere ---- */

static uint64_t dice;

static uint32_t draw(uint32_t n)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (uint32_t)((dice >> 16) % n);
}

static bool chance(uint32_t permille)
{
	return draw(1000) < permille;
}

/* ---- the wire ---- */

struct event {
	uint64_t at_ns;
	bool is_ack;
	uint32_t seq, bytes; /* data */
	uint32_t stamp;
	bool fin, ce;
	struct segment ack;
};

static struct event events[WIRE_EVENTS];
static unsigned n_events;

static struct {
	uint32_t lose, lose_acks, reorder, twice, mark; /* per mille */
	uint64_t delay_ns, jitter_ns;
	uint32_t stream_bytes, gso, write_most;
	uint64_t busy_ns; /* the wire is, until then */
	uint32_t burst;	  /* so many more are lost in a row */
} way;

static void put(struct event *e, uint32_t lose)
{
	uint64_t at_ns = toy->now_ns + way.delay_ns;

	if (chance(lose) || n_events == WIRE_EVENTS)
		return;
	if (chance(way.reorder))
		at_ns += draw((uint32_t)way.jitter_ns);
	else
		at_ns = way.busy_ns = RTE_MAX(at_ns, way.busy_ns + 1000);
	e->at_ns = at_ns;
	events[n_events++] = *e;
	if (chance(way.twice) && n_events < WIRE_EVENTS) {
		e->at_ns += draw((uint32_t)way.jitter_ns);
		events[n_events++] = *e;
	}
}

static struct event *next_event(void)
{
	struct event *e = NULL;

	for (unsigned i = 0; i < n_events; i++)
		if (e == NULL || events[i].at_ns < e->at_ns)
			e = &events[i];
	return e;
}

/* ---- the receiver ---- */

static uint8_t got[STREAM_MOST + 2]; /* bytes, and the FIN's place */
static uint32_t rcv_nxt, ts_recent, last_at;
static bool fin_got, ece;

static uint32_t run_from(uint32_t at)
{
	while (at > 0 && got[at - 1])
		at--;
	return at;
}

static uint32_t run_to(uint32_t at)
{
	while (at < STREAM_MOST && got[at])
		at++;
	return at;
}

static void add_block(struct segment *s, uint32_t from, uint32_t to)
{
	if (s->opts.sacks < 3)
		s->opts.sack[s->opts.sacks++] = (struct seq_range){TOY_ISS + from, TOY_ISS + to};
}

/* The run of what came last, and then those that follow, from the highest down. */
static void add_sacks(struct segment *s)
{
	uint32_t at = STREAM_MOST;

	if (last_at > rcv_nxt && got[last_at])
		add_block(s, run_from(last_at), run_to(last_at));
	while (s->opts.sacks < 3) {
		while (at > rcv_nxt && !got[at - 1])
			at--;
		if (at <= rcv_nxt)
			return;
		if (run_from(at) > rcv_nxt && run_from(at) != run_from(last_at))
			add_block(s, run_from(at), at);
		at = run_from(at);
	}
}

static void receive(const struct event *e)
{
	const uint32_t at = e->seq - TOY_ISS;
	struct event answer = {.is_ack = true};
	struct segment *s = &answer.ack;
	bool is_new = e->fin && !fin_got;

	*s = (struct segment){.flags = TCP_ACK, .wnd = TOY_WINDOW};
	for (uint32_t i = at; i < at + e->bytes; i++)
		is_new |= !got[i];
	if (!is_new && e->bytes > 0 && (tc.flags & CONN_SACK))
		add_block(s, at, at + e->bytes);
	memset(got + at, 1, e->bytes);
	last_at = at;
	if (at <= rcv_nxt)
		ts_recent = e->stamp;
	fin_got |= e->fin && at + e->bytes == way.stream_bytes;
	rcv_nxt = run_to(rcv_nxt);
	ece |= e->ce;
	s->ack = TOY_ISS + rcv_nxt + (rcv_nxt == way.stream_bytes && fin_got);
	if (tc.flags & CONN_SACK)
		add_sacks(s);
	if (ece)
		s->flags |= TCP_ECE;
	s->opts.flags = tc.flags & CONN_STAMPS ? OPT_STAMP : 0;
	s->opts.echo = ts_recent;
	put(&answer, way.lose_acks);
}

/* ---- the sender ---- */

static uint32_t written;

static void check_bytes(struct rte_mbuf *m)
{
	static uint8_t flat[STREAM_MOST];
	const uint32_t at = seg_of(m)->seq - TOY_ISS;
	const uint8_t *p = rte_pktmbuf_read(m, 0, m->pkt_len, flat);
	bool same = true;

	for (uint32_t i = 0; i < m->pkt_len; i++)
		same &= p[i] == (uint8_t)((at + i) ^ (at + i) >> 8);
	CU_ASSERT(same);
}

static void transmit(struct rte_mbuf *m)
{
	struct seg *g = seg_of(m);
	const uint32_t parts = way.burst > 0 ? 1000 : way.lose;

	check_bytes(m);
	way.burst -= way.burst > 0;
	if (chance(way.lose / 4))
		way.burst = draw(12);
	/* A long segment is cut to MSS by the port. */
	for (uint32_t at = 0; at < m->pkt_len || at == 0; at += MSS) {
		struct event e = {.seq = g->seq + at,
				  .bytes = RTE_MIN(m->pkt_len - at, MSS),
				  .stamp = tick_of(toy->now_ns) + tc.ts_offset,
				  .ce = (tc.flags & CONN_ECN) && chance(way.mark)};

		e.fin = (g->flags & SEG_FIN) && at + e.bytes == m->pkt_len;
		put(&e, parts);
	}
	if (tc.flags & CONN_CWR_DUE)
		ece = false; /* as if the receiver had seen it */
	tc.flags &= ~CONN_CWR_DUE;
	snd_sent(&tc, &tw, m, toy->now_ns);
}

static void write_more(void)
{
	while (written < way.stream_bytes && tw.unsent.bytes < 3000 &&
	       rte_mempool_avail_count(toy_only_pool()) > 200) {
		const uint32_t bytes =
			RTE_MIN(1 + draw(way.write_most), way.stream_bytes - written);

		written += bytes;
		toy_write(bytes, (uint16_t)(200 + draw(1700)),
			  written == way.stream_bytes ? SEG_FIN | SEG_PSH : SEG_PSH);
	}
}

static void output(void)
{
	struct rte_mbuf *m = NULL;

	way.burst = 0;
	write_more();
	for (unsigned i = 0; i < 1000; i++) {
		const uint32_t left = tc.snd_una + tc.snd_wnd - tc.snd_nxt;
		const uint32_t room = loss_room(&tc, &tw);
		const uint32_t most = MSS * (1 + draw(way.gso));

		if (room < MSS)
			break;
		m = tw.lost_bytes > 0 ? snd_lost(toy, &tw, RTE_MIN(most, room)) : NULL;
		if (m == NULL && left >= most)
			m = snd_carve(toy, &tc, &tw, RTE_MIN(most, room));
		if (m == NULL)
			break;
		if (!chance(10)) /* the port's buffers may have run out */
			transmit(m);
		toy_check();
		write_more();
	}
	loss_arm(&tc, &tw, toy->now_ns);
	CU_ASSERT(tw.flight.head == NULL || tw.rtx_at_ns > toy->now_ns);
}

/* ---- a run ---- */

static void step(void)
{
	struct event *e = next_event(), now;
	struct acked out;

	if (e == NULL || (tw.rtx_at_ns != 0 && tw.rtx_at_ns < e->at_ns)) {
		CU_ASSERT_FATAL(tw.rtx_at_ns != 0); /* else it hangs */
		toy->now_ns = RTE_MAX(toy->now_ns, tw.rtx_at_ns);
		loss_on_timer(toy, &tc, &tw, toy->now_ns);
		toy_check();
		output();
		return;
	}
	now = *e;
	*e = events[--n_events];
	toy->now_ns = RTE_MAX(toy->now_ns, now.at_ns);
	if (!now.is_ack) {
		receive(&now);
	} else if (seq_le(tc.snd_una, now.ack.ack) && seq_le(now.ack.ack, tc.snd_nxt)) {
		loss_on_ack(toy, &tc, &tw, &now.ack, &out);
		toy_check();
		CU_ASSERT_EQUAL(tc.snd_una, now.ack.ack);
		output();
	}
}

static void draw_way(void)
{
	static const uint32_t rates[] = {0, 0, 10, 30, 100, 300};

	memset(&way, 0, sizeof(way));
	way.lose = rates[draw(RTE_DIM(rates))];
	way.lose_acks = rates[draw(RTE_DIM(rates))];
	way.reorder = rates[draw(RTE_DIM(rates))];
	way.twice = rates[draw(4)];
	way.mark = rates[draw(RTE_DIM(rates))];
	way.delay_ns = (1 + draw(50)) * MS;
	way.jitter_ns = (1 + draw(80)) * MS;
	way.stream_bytes = 1 + draw(STREAM_MOST / 2);
	way.gso = chance(500) ? 1 : 1 + draw(8);
	way.write_most = chance(200) ? 50 : 4000;
}

static void begin(uint64_t seed)
{
	static const char *const names[] = {"newreno", "cubic", "dctcp", "bbr"};
	static const uint32_t some[] = {CONN_SACK, CONN_STAMPS, CONN_ECN};
	const struct cc_ops *ops;
	uint32_t flags = 0;

	dice = seed * UINT64_C(0x9e3779b97f4a7c15);
	draw_way();
	for (unsigned i = 0; i < RTE_DIM(some); i++)
		flags |= chance(700) ? some[i] : 0;
	toy_begin(flags);
	ops = cc_find(names[seed % 4], strlen(names[seed % 4]));
	cc_begin(&tw.cc, ops == NULL ? &toy_cc : ops, MSS, toy->now_ns);
	tc.srtt_us = tc.rttvar_us = tc.min_rtt_us = 0;
	memset(got, 0, sizeof(got));
	rcv_nxt = written = n_events = last_at = 0;
	fin_got = ece = false;
}

static void run(uint64_t seed)
{
	unsigned steps = 0;

	begin(seed);
	output();
	while (tc.snd_una != TOY_ISS + way.stream_bytes + 1 && steps++ < 200000) {
		if (chance(1) && tw.cc.mss == MSS && way.gso > 1)
			loss_on_mss(&tc, &tw, MSS);
		step();
		if (CU_get_number_of_failures() > 0)
			break;
	}
	if (tc.snd_una != TOY_ISS + way.stream_bytes + 1 || CU_get_number_of_failures() > 0) {
		fprintf(stderr,
			"seed %" PRIu64 ": %u of %u bytes after %u steps, at %" PRIu64 " ms\n",
			seed, tc.snd_una - TOY_ISS, way.stream_bytes, steps, toy_now_ms());
		CU_FAIL_FATAL("not all has arrived");
	}
	CU_ASSERT_PTR_NULL(tw.flight.head);
	CU_ASSERT_EQUAL(tw.rtx_kind, RTX_NONE);
	CU_ASSERT(toy_now_ms() < UINT64_C(10000000));
	toy_end_loss();
}

static void test_everything_arrives_whatever_the_wire_does(void)
{
	const uint64_t seeds = getenv("WEIR_TEST_LONG") != NULL ? 100000 : 200;

	for (uint64_t seed = 1; seed <= seeds; seed++)
		run(seed);
}

/* ACKs of a peer that means ill: any number in the flight, any blocks. */
static void test_hostile_acks_spoil_no_account(void)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		begin(seed);
		tc.flags |= CONN_SACK;
		way.stream_bytes = STREAM_MOST / 2;
		output();
		for (unsigned i = 0; i < 200; i++) {
			struct segment s = {.flags = (uint8_t)(TCP_ACK | (draw(2) ? TCP_ECE : 0))};
			struct acked out;

			s.ack = tc.snd_una + (draw(3) ? 0 : draw(tc.snd_nxt - tc.snd_una + 1));
			s.opts.flags = OPT_STAMP;
			s.opts.echo = tick_of(toy->now_ns) + tc.ts_offset - draw(200);
			s.opts.sacks = (uint8_t)draw(SACK_BLOCKS + 1);
			for (unsigned k = 0; k < s.opts.sacks; k++) {
				s.opts.sack[k].from = tc.snd_una - 500 + draw(4000);
				s.opts.sack[k].to = s.opts.sack[k].from - 100 + draw(3000);
			}
			n_events = 0;
			toy->now_ns += draw(50) * MS;
			loss_on_ack(toy, &tc, &tw, &s, &out);
			toy_check();
			if (tw.rtx_at_ns != 0 && toy->now_ns >= tw.rtx_at_ns) {
				loss_on_timer(toy, &tc, &tw, toy->now_ns);
				toy_check();
			}
			output();
		}
		toy_end_loss();
	}
}

WEIR_TESTS("stack/tcp_loss_model", TEST(everything_arrives_whatever_the_wire_does),
	   TEST(hostile_acks_spoil_no_account))
