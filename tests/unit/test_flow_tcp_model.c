/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Two honest ends of TCP over a wire that loses, doubles and reorders, with a bystander in between:
 * nothing that they say is ever invalid, and nothing that a blind stranger says is believed.
 *
 * The ends do what RFC 9293 lets them do, at random: open, at once too; send, send again, probe,
 * keep alive, acknowledge late or often, close their windows, end, reset.
 */

#include "toy_tcp.h"

#define MSS	  1000
#define BYTES_MAX 20000 /* that an end sends */
#define IN_FLIGHT 12	/* segments on one part of the wire at most */
#define TURNS	  600	/* of a connection in which segments get lost */
#define RUNS	  8000
#define RUNS_LONG 100000
#define STRANGE	  100 /* one of so many turns a stranger speaks */

struct end {
	enum weir_dir dir;
	bool listens, synced, established, gone, reads;
	bool fin_sent, fin_known;
	int8_t scale;		   /* that it offers; -1: none */
	unsigned own_shift, shift; /* in use: its own and the other's */
	uint32_t isn, una, nxt, window;
	uint32_t bytes; /* to be sent */
	uint32_t buffer, unread;
	uint32_t rcv_isn, rcv_nxt, fin_seq;
	bool have[BYTES_MAX + 2]; /* of the other side's bytes */
};

struct packet {
	struct weir_flow_segment seg;
	enum weir_dir dir;
};

/* One part of the wire: towards the bystander, or from it to an end. */
struct wire {
	struct packet packet[IN_FLIGHT];
	unsigned n;
};

struct world {
	struct end end[WEIR_DIRS];
	struct wire before, behind[WEIR_DIRS];
	struct weir_flow flow;
	bool lossy, renewed;
	uint64_t random;
};

static uint32_t any(struct world *w, uint32_t below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (uint32_t)((w->random >> 32) * below >> 32);
}

static bool is_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static void put(struct world *w, struct wire *wire, const struct packet *p)
{
	if (w->lossy && any(w, 10) == 0)
		return;
	for (unsigned copies = w->lossy && any(w, 10) == 0 ? 2 : 1; copies > 0; copies--)
		if (wire->n < IN_FLIGHT)
			wire->packet[wire->n++] = *p;
}

static struct packet take_any(struct world *w, struct wire *wire)
{
	const unsigned at = w->lossy && any(w, 2) == 0 ? any(w, wire->n) : 0;
	const struct packet p = wire->packet[at];

	wire->n--;
	memmove(&wire->packet[at], &wire->packet[at + 1], (wire->n - at) * sizeof(wire->packet[0]));
	return p;
}

static uint32_t room(const struct end *e)
{
	return e->buffer - e->unread;
}

/* Say something. A SYN's window is not scaled. */
static void say_as(struct world *w, const struct end *e, uint8_t flags, uint32_t seq,
		   uint32_t bytes)
{
	const uint32_t window = flags & N ? room(e) : room(e) >> e->own_shift;
	struct packet p = {.dir = e->dir,
			   .seg = {.seq = seq,
				   .ack = flags & A ? e->rcv_nxt : 0,
				   .payload_bytes = bytes,
				   .window = (uint16_t)RTE_MIN(window, UINT16_MAX),
				   .flags = flags,
				   .wscale = flags & N ? e->scale : -1}};

	put(w, &w->before, &p);
}

static void send_ack(struct world *w, const struct end *e)
{
	say_as(w, e, A, e->nxt, 0);
}

/* RFC 9293 section 3.5.2: the answer of an end that knows nothing of the connection. */
static void send_reset(struct world *w, const struct end *e, const struct weir_flow_segment *seg)
{
	struct packet p = {.dir = e->dir, .seg = {.seq = seg->ack, .flags = R, .wscale = -1}};

	if (seg->flags & R)
		return;
	if (!(seg->flags & A)) {
		p.seg.seq = 0;
		p.seg.flags = R | A;
		p.seg.ack = seg->seq + seg->payload_bytes + ((seg->flags & N) != 0);
	}
	put(w, &w->before, &p);
}

static void learn_syn(struct end *e, const struct weir_flow_segment *seg)
{
	const bool scales = e->scale >= 0 && seg->wscale >= 0;

	e->synced = true;
	e->rcv_isn = seg->seq;
	e->rcv_nxt = seg->seq + 1;
	e->own_shift = scales ? (unsigned)e->scale : 0;
	e->shift = scales ? (unsigned)seg->wscale : 0;
	e->window = seg->window;
}

/* Before the other side's SYN is known. */
static void open_with(struct world *w, struct end *e, const struct weir_flow_segment *seg)
{
	const bool is_mine = (seg->flags & A) && seg->ack == e->isn + 1;

	if ((seg->flags & A) && !is_mine) {
		send_reset(w, e, seg);
	} else if (seg->flags & R) {
		e->gone |= is_mine;
	} else if (seg->flags & N) {
		learn_syn(e, seg);
		if (is_mine) {
			e->established = true;
			e->una = seg->ack;
			send_ack(w, e);
			return;
		}
		e->nxt = e->isn + 1;
		say_as(w, e, N | A, e->isn, 0);
	}
}

static void take_data(struct world *w, struct end *e, const struct weir_flow_segment *seg)
{
	for (uint32_t i = 0; i < seg->payload_bytes; i++) {
		const uint32_t seq = seg->seq + i;

		if (!is_before(seq, e->rcv_nxt) && is_before(seq, e->rcv_nxt + room(e)))
			e->have[seq - e->rcv_isn - 1] = true;
	}
	if (seg->flags & F) {
		e->fin_known = true;
		e->fin_seq = seg->seq + seg->payload_bytes;
	}
	while (e->have[e->rcv_nxt - e->rcv_isn - 1] &&
	       !(e->fin_known && !is_before(e->rcv_nxt, e->fin_seq))) {
		e->rcv_nxt++;
		e->unread++;
	}
	if (e->fin_known && e->rcv_nxt == e->fin_seq)
		e->rcv_nxt++;
	if (!w->lossy || any(w, 2) == 0)
		send_ack(w, e);
}

static void deliver(struct world *w, struct end *e, const struct weir_flow_segment *seg)
{
	if (e->gone || (e->listens && !e->synced && !(seg->flags & N))) {
		send_reset(w, e, seg);
	} else if (!e->synced) {
		open_with(w, e, seg);
	} else if (seg->flags & R) {
		if (seg->seq == e->rcv_nxt)
			e->gone = true;
		else
			send_ack(w, e);
	} else if ((seg->flags & N) && !(seg->flags & A)) {
		if (e->established || seg->seq != e->rcv_isn)
			send_ack(w, e); /* the challenge */
		else
			say_as(w, e, N | A, e->isn, 0);
	} else {
		if (is_before(e->una, seg->ack) && !is_before(e->nxt, seg->ack))
			e->una = seg->ack;
		if (!is_before(seg->ack, e->una) && !(seg->flags & N))
			e->window = (uint32_t)seg->window << e->shift;
		e->established |= e->una != e->isn;
		if (seg->payload_bytes > 0 || (seg->flags & (N | F)))
			take_data(w, e, seg);
	}
}

/* Data that it has not sent yet, as the other side's window lets it; a byte probes a closed one. */
static void send_new(struct world *w, struct end *e)
{
	const uint32_t sent = e->nxt - e->isn - 1, left = e->bytes - sent;
	const uint32_t used = e->nxt - e->una;
	uint32_t n = RTE_MIN(left, 1 + any(w, MSS));

	if (e->fin_sent)
		return;
	if (e->window == 0 && used == 0)
		n = RTE_MIN(left, 1);
	else
		n = RTE_MIN(n, e->window > used ? e->window - used : 0);
	if (n == 0 && left > 0)
		return;
	e->fin_sent = left == n;
	say_as(w, e, e->fin_sent ? F | A : A, e->nxt, n);
	e->nxt += n + e->fin_sent;
}

/* What was not acknowledged, from anywhere, in other pieces than before. */
static void send_again(struct world *w, struct end *e)
{
	const uint32_t end = e->nxt - e->fin_sent, open = end - e->una;
	const uint32_t from = w->lossy && (int32_t)open > 0 ? e->una + any(w, open) : e->una;
	const uint32_t n = is_before(from, end) ? RTE_MIN(end - from, MSS) : 0;
	const bool fin = e->fin_sent && from + n == end;

	if (e->una != e->nxt)
		say_as(w, e, fin ? F | A : A, from, n);
}

static void open_end(struct world *w, struct end *e)
{
	e->nxt = e->isn + 1;
	say_as(w, e, e->synced ? N | A : N, e->isn, 0);
}

static void abort_end(struct world *w, struct end *e)
{
	const struct packet p = {
		.dir = e->dir,
		.seg = {.seq = e->nxt, .ack = e->rcv_nxt, .flags = R | A, .wscale = -1}};

	e->gone = true;
	put(w, &w->before, &p);
}

static void act(struct world *w, struct end *e)
{
	if (e->gone || (e->listens && !e->synced))
		return;
	if (!e->established) {
		if (any(w, 4) == 0)
			open_end(w, e);
		return;
	}
	switch (any(w, w->lossy ? 40 : 20)) {
	case 0:
	case 1:
		send_ack(w, e);
		break;
	case 2: /* keepalive (RFC 9293 section 3.8.4) */
		if (e->una == e->nxt)
			say_as(w, e, A, e->nxt - 1, 0);
		break;
	case 3:
		e->unread -= any(w, e->unread + 1);
		break;
	case 4:
	case 5:
	case 6:
		send_again(w, e);
		break;
	case 39:
		if (any(w, 100) == 0)
			abort_end(w, e);
		break;
	default:
		if (!w->lossy)
			e->unread = 0;
		send_new(w, e);
	}
}

static void by_standing(struct world *w)
{
	const struct packet p = take_any(w, &w->before);
	enum weir_flow_tcp verdict;

	verdict = weir_flow_tcp(&w->flow, p.dir, &p.seg, false, &cls);
	w->renewed |= verdict == WEIR_FLOW_TCP_RENEW;
	if (verdict == WEIR_FLOW_TCP_INVALID)
		printf("%c: flags %#x seq %u ack %u bytes %u in %s\n", p.dir ? 'b' : 'a',
		       p.seg.flags, p.seg.seq - w->end[p.dir].isn, p.seg.ack - w->end[!p.dir].isn,
		       p.seg.payload_bytes, weir_tcp_state_name(w->flow.tcp_state));
	CU_ASSERT_NOT_EQUAL(verdict, WEIR_FLOW_TCP_INVALID);
	put(w, &w->behind[!p.dir], &p);
}

/* Somebody who does not see the connection, only its addresses and ports. */
static void strange(struct world *w)
{
	static const uint8_t flags[] = {A, A, A, F | A, R, R | A, N, N | A};
	const struct weir_flow_segment seg = {.seq = any(w, UINT32_MAX),
					      .ack = any(w, UINT32_MAX),
					      .payload_bytes = any(w, 1460),
					      .window = UINT16_MAX,
					      .flags = flags[any(w, RTE_DIM(flags))],
					      .wscale = 14};
	const struct weir_flow before = w->flow;
	enum weir_flow_tcp verdict;

	if (before.tcp_state < SYN_RECV || before.tcp_state > LAST_ACK)
		return; /* whoever opens has not proved anything either */
	verdict = weir_flow_tcp(&w->flow, (enum weir_dir)any(w, 2), &seg, false, &cls);
	CU_ASSERT_TRUE(verdict == WEIR_FLOW_TCP_INVALID || verdict == WEIR_FLOW_TCP_CHALLENGE);
	CU_ASSERT_EQUAL(w->flow.tcp_state, before.tcp_state);
	CU_ASSERT_EQUAL(w->flow.flags, before.flags);
	CU_ASSERT_EQUAL(w->flow.wscale, before.wscale);
	for (unsigned dir = 0; dir < WEIR_DIRS; dir++) {
		CU_ASSERT_EQUAL(w->flow.peer[dir].end, before.peer[dir].end);
		CU_ASSERT_EQUAL(w->flow.peer[dir].acked, before.peer[dir].acked);
		CU_ASSERT_EQUAL(w->flow.peer[dir].max_window, before.peer[dir].max_window);
	}
}

static void turn(struct world *w)
{
	act(w, &w->end[any(w, WEIR_DIRS)]);
	if (w->before.n > 0 && any(w, 4) != 0)
		by_standing(w);
	for (unsigned dir = 0; dir < WEIR_DIRS; dir++)
		if (w->behind[dir].n > 0 && any(w, 4) != 0) {
			const struct packet p = take_any(w, &w->behind[dir]);

			deliver(w, &w->end[dir], &p.seg);
		}
	if (any(w, STRANGE) == 0)
		strange(w);
}

static void begin(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	w->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	w->lossy = true;
	w->flow = draft();
	for (unsigned dir = 0; dir < WEIR_DIRS; dir++) {
		struct end *e = &w->end[dir];

		e->dir = (enum weir_dir)dir;
		e->scale = (int8_t)((int)any(w, 6) - 1);
		e->isn = any(w, 4) == 0 ? 0u - any(w, 5000) : any(w, UINT32_MAX);
		e->una = e->nxt = e->isn;
		e->bytes = any(w, BYTES_MAX);
		e->buffer = 100 + any(w, any(w, 2) == 0 ? 3000 : 100000);
	}
	w->end[WEIR_DIR_REPLY].listens = any(w, 5) != 0;
	/* The first packet is of this side: that makes it the first side. */
	w->lossy = false;
	open_end(w, &w->end[WEIR_DIR_ORIG]);
	by_standing(w);
	w->lossy = true;
}

static bool is_reset(const struct world *w)
{
	return w->end[0].gone || w->end[1].gone || w->renewed;
}

static bool is_over(const struct world *w)
{
	bool over = true;

	for (unsigned dir = 0; dir < WEIR_DIRS; dir++) {
		const struct end *e = &w->end[dir];

		over &= e->fin_sent && e->una == e->nxt && w->behind[dir].n == 0;
	}
	return over && w->before.n == 0;
}

/* One connection. @return whether it came to its orderly end. */
static bool run(uint64_t seed)
{
	static struct world w;
	unsigned turns = 0;

	begin(&w, seed);
	while (turns++ < TURNS && !w.renewed)
		turn(&w);
	w.lossy = false;
	for (turns = 0; turns < 40000 && !is_reset(&w) && !is_over(&w); turns++)
		turn(&w);
	if (is_reset(&w))
		return false;
	CU_ASSERT_TRUE(is_over(&w));
	CU_ASSERT_EQUAL(w.flow.tcp_state, TIME_WAIT);
	CU_ASSERT_EQUAL(w.end[1].rcv_nxt, w.end[0].nxt);
	CU_ASSERT_EQUAL(w.end[0].rcv_nxt, w.end[1].nxt);
	return true;
}

static void test_nothing_that_honest_ends_say_is_invalid_and_no_stranger_is_believed(void)
{
	const unsigned runs = getenv("WEIR_TEST_LONG") == NULL ? RUNS : RUNS_LONG;
	unsigned orderly = 0;

	for (unsigned i = 1; i <= runs && CU_get_number_of_failures() < 20; i++)
		orderly += run(i);
	/* The others were reset. */
	CU_ASSERT_TRUE(orderly > runs / 2);
	CU_ASSERT_TRUE(orderly < runs);
}

WEIR_TESTS("dataplane/flow_tcp_model",
	   TEST(nothing_that_honest_ends_say_is_invalid_and_no_stranger_is_believed))
