/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * SEGMENT ARRIVES (RFC 9293 section 3.10.7), in the RFC's order: sequence number, RST, SYN, ACK,
 * URG, text, FIN. What RFC 5961 and RFC 7323 changed stands where they say so.
 *
 * Urgent data are data (RFC 6093 section 6).
 */

#include "tcp_priv.h"

#include <errno.h>
#include <netinet/in.h>

#define PAWS_TICKS   (24u * 86400 * TICKS_S) /* RFC 7323 section 5.5 */
#define CHALLENGES_S 512

/* What goes on after a step. */
enum step { GO_ON, DONE };

/*
 * RFC 5961 section 7: no more than so many a second, for all connections; how many cannot be
 * guessed, or a stranger could count them (CVE-2016-5696).
 */
static void challenge(struct conn *c)
{
	struct weir_stack *s = c->stack;
	struct tcp *t = s->tcp;

	if (s->now_ns - t->challenge_from_ns >= UINT64_C(1000000000)) {
		t->challenge_from_ns = s->now_ns;
		t->challenges = CHALLENGES_S +
				(weir_siphash13_u64(&t->isn_key, s->now_ns) & (CHALLENGES_S - 1));
	}
	if (t->challenges == 0)
		return;
	t->challenges--;
	stack_count(&s->stats.tcp_challenges, 1);
	ack_now(c);
}

/* ---- birth ---- */

void conn_begin(struct conn *c, uint32_t iss, uint32_t irs, uint16_t peer_mss)
{
	const struct settings *set = settings_of(c);
	bool cuts;
	const uint16_t way = way_path(c->stack, &c->ends, c->flags & CONN_V6, &cuts);
	const uint16_t ours = set->maxseg != 0 ? RTE_MIN(way, set->maxseg) : way;
	const uint32_t mss = RTE_MIN(peer_mss, ours);

	c->mss_in = ours;
	c->mss_out = (uint16_t)RTE_MAX(mss, MSS_LEAST);
	mtu_begin(c, set->maxseg != 0 ? RTE_MIN(peer_mss, set->maxseg) : peer_mss);
	c->snd_una = iss;
	c->snd_nxt = iss + 1;
	c->rcv_nxt = irs + 1;
	c->rcv_acked = c->rcv_nxt;
	c->rcvbuf = set->rcvbuf != 0 ? set->rcvbuf
				     : RTE_MIN(c->stack->conf.rcvbuf_bytes, RCVBUF_FIRST);
	c->cuts = cuts;
}

static void set_window(struct conn *c, const struct segment *g)
{
	c->snd_wnd = conn_wnd(c, g);
	c->snd_wnd_most = RTE_MAX(c->snd_wnd_most, c->snd_wnd);
	c->snd_wl1 = g->seq;
	c->snd_wl2 = g->ack;
}

void conn_establish(struct conn *c, const struct segment *g)
{
	c->state = c->flags & CONN_FIN_QUEUED ? TCPS_FIN_WAIT_1 : TCPS_ESTABLISHED;
	set_window(c, g);
	uto_begin(c);
	if (c->flags & CONN_STAMPS && g->opts.flags & OPT_STAMP && c->srtt_us == 0)
		rtt_sample(c, stamp_rtt_us(c, g->opts.echo));
	conn_arm(c);
}

/* All that is in it, as of a segment that follows a SYN. */
static enum step take_text(struct conn *c, struct segment *g);
static void trim(struct conn *c, struct segment *g);

void conn_begin_fast(struct conn *c, struct segment *g)
{
	c->state = TCPS_SYN_RECEIVED;
	set_window(c, g);
	g->seq++;
	g->flags &= (uint8_t) ~(TCP_SYN | TCP_ECE | TCP_CWR);
	trim(c, g);
	take_text(c, g);
}

/* What both can (RFC 7323 section 2.2, RFC 2018 section 2, RFC 3168 section 6.1.1). */
static void agree(struct conn *c, const struct segment *g)
{
	const struct tcp_opts *o = &g->opts;

	if (o->flags & OPT_STAMP) {
		c->flags |= CONN_STAMPS;
		c->ts_recent = o->stamp;
	}
	if (o->flags & OPT_SACK_OK)
		c->flags |= CONN_SACK;
	if (o->flags & OPT_SCALE) {
		c->flags |= CONN_SCALE;
		c->scale_out = o->scale;
	} else {
		c->scale_in = 0;
	}
	if (c->flags & CONN_ECN_ASKED && (g->flags & (TCP_ECE | TCP_CWR)) == TCP_ECE)
		c->flags |= CONN_ECN;
}

/* So much of what was sent is out of the flight. */
static void count_acked(struct conn *c, uint32_t bytes)
{
	struct conn_count *n = count_of(c);

	if (bytes == 0)
		return;
	n->out_bytes += bytes;
	c->stack->held_bytes -= bytes;
	n->acked_tick = tick_of(c->stack->now_ns);
	conn_tell_room(c);
}

/* ---- SYN-SENT (section 3.10.7.3) ---- */

static void syn_sent_input(struct conn *c, struct segment *g)
{
	const bool has_ack = g->flags & TCP_ACK;
	struct work *w = work_of(c);
	const uint16_t mss = g->opts.flags & OPT_MSS && g->opts.mss > 0
				     ? g->opts.mss
				     : (uint16_t)(g->v6 ? MSS6_DEFAULT : MSS4_DEFAULT);
	const uint32_t iss = c->snd_una, nxt = c->snd_nxt; /* data may be behind the SYN */
	const bool again = c->backoff > 0;
	struct acked done;

	if (has_ack && (seq_le(g->ack, iss) || seq_lt(nxt, g->ack))) {
		if (!(g->flags & TCP_RST))
			tcp_reset(c->stack, g);
		return;
	}
	if (g->flags & TCP_RST) {
		if (has_ack) {
			stack_count(&c->stack->stats.tcp_resets_in, 1);
			conn_end(c, ECONNREFUSED);
		}
		return;
	}
	if (!(g->flags & TCP_SYN))
		return;
	agree(c, g);
	uto_heed(c, &g->opts);
	conn_begin(c, iss, g->seq, mss);
	c->snd_nxt = nxt;
	w->cc.mss = c->mss_out;
	c->rcv_adv = c->rcv_nxt + RTE_MIN(c->rcvbuf, (uint32_t)UINT16_MAX);
	g->seq++;
	if (!has_ack) { /* both begin at once */
		c->state = TCPS_SYN_RECEIVED;
		c->flags &= ~CONN_FASTOPEN;
		set_window(c, g);
		syn_again(c);
		return;
	}
	conn_establish(c, g);
	cc_begin(&w->cc, settings_of(c)->cc, c->mss_out, c->stack->now_ns);
	loss_on_ack(c->stack, c, w, g, &done);
	count_acked(c, done.bytes);
	fastopen_answered(c, w, g, again, done.bytes);
	if (c->backoff > 0)
		rtt_after_lost_syn(c);
	stack_count(&c->stack->stats.tcp_opened, 1);
	conn_ready(c, WEIR_READY_OUT);
	ack_now(c);
	if (g->bytes > 0 || g->flags & TCP_FIN) {
		g->flags &= (uint8_t)~TCP_SYN;
		conn_input(c, g);
	}
}

/* ---- first: sequence number, with PAWS before it ---- */

/* RFC 7323 section 5.5: what was heard last says nothing any more. */
static bool is_stamp_old(const struct conn *c)
{
	return tick_of(c->stack->now_ns) - c->heard_tick > PAWS_TICKS;
}

/* RFC 7323 section 5.3 R1: false: it is an old duplicate. */
static bool is_paws_right(struct conn *c, const struct segment *g)
{
	if (!(c->flags & CONN_STAMPS) || !(g->opts.flags & OPT_STAMP) || g->flags & TCP_RST ||
	    !seq_lt(g->opts.stamp, c->ts_recent))
		return true;
	return is_stamp_old(c);
}

/* The length in sequence numbers. */
static uint32_t seq_bytes(const struct segment *g)
{
	return g->bytes + !!(g->flags & TCP_SYN) + !!(g->flags & TCP_FIN);
}

/*
 * Whether any of it is in the window, or it ends where the window begins: an ACK that crossed with
 * others, a probe (section 3.4, as Linux reads it).
 */
static bool is_in_window(const struct conn *c, const struct segment *g)
{
	return seq_le(c->rcv_acked, g->seq + seq_bytes(g)) && seq_le(g->seq, c->rcv_adv);
}

/* What lies before and behind the window is cut off. */
static void trim(struct conn *c, struct segment *g)
{
	const uint32_t end = g->seq + g->bytes;

	if (seq_lt(c->rcv_adv, end)) {
		const uint32_t more = end - c->rcv_adv;

		g->bytes -= RTE_MIN(more, g->bytes);
		g->flags &= (uint8_t)~TCP_FIN;
		ack_now(c); /* into a closed window, too: section 3.8.6.1 */
	}
}

/*
 * Outside of the window: an ACK tells where we are. What brings no bytes is answered twice a second
 * at most, or two that disagree would answer each other for ever (as Linux: tcp_invalid_ratelimit).
 */
static void answer_unwanted(struct conn *c, const struct segment *g)
{
	struct conn_count *n = count_of(c);
	struct work *w = work_of(c);
	const uint32_t tick = tick_of(c->stack->now_ns);

	if (g->flags & TCP_RST)
		return;
	if (g->flags & TCP_SYN) {
		challenge(c);
		return;
	}
	if (g->bytes == 0 && tick - n->answered_tick < TICKS_S / 2)
		return;
	n->answered_tick = tick;
	if (w != NULL && rcv_again(c, w, g))
		ack_lost(w);
	ack_now(c);
}

static enum step check_sequence(struct conn *c, struct segment *g)
{
	struct weir_stack *s = c->stack;

	if (unlikely(!is_paws_right(c, g))) {
		stack_count(&s->stats.tcp_paws, 1);
		answer_unwanted(c, g);
		return DONE;
	}
	if (unlikely(g->flags & TCP_SYN && fastopen_is_again(c, g))) {
		syn_again(c);
		return DONE;
	}
	if (unlikely(!is_in_window(c, g))) {
		stack_count(&s->stats.tcp_unwanted, 1);
		answer_unwanted(c, g);
		return DONE;
	}
	/* RFC 7323 section 4.3 (2): of what is next, as we have acknowledged it. */
	if (c->flags & CONN_STAMPS && g->opts.flags & OPT_STAMP && seq_le(g->seq, c->rcv_acked) &&
	    !(g->flags & TCP_RST) && (seq_le(c->ts_recent, g->opts.stamp) || is_stamp_old(c)))
		c->ts_recent = g->opts.stamp;
	if (unlikely(g->opts.flags & OPT_USER_TIMEOUT))
		uto_heed(c, &g->opts);
	c->heard_tick = tick_of(s->now_ns);
	c->probes = 0;
	trim(c, g);
	return GO_ON;
}

/* ---- second and fourth: RST, SYN (RFC 5961 sections 3 and 4) ---- */

static enum step check_reset(struct conn *c, const struct segment *g)
{
	struct weir_stack *s = c->stack;
	struct work *w = work_of(c);

	if (g->flags & TCP_RST) {
		if (g->seq != c->rcv_nxt) {
			challenge(c);
			return DONE;
		}
		stack_count(&s->stats.tcp_resets_in, 1);
		if (w != NULL)
			fastopen_reset(c, w);
		conn_end(c, c->state == TCPS_SYN_RECEIVED && !conn_is_open(c) ? ECONNREFUSED
			    : c->state == TCPS_CLOSE_WAIT		      ? EPIPE
									      : ECONNRESET);
		return DONE;
	}
	if (g->flags & TCP_SYN && c->state != TCPS_SYN_RECEIVED) {
		challenge(c);
		return DONE;
	}
	return GO_ON;
}

/* ---- fifth: ACK ---- */

/*
 * Section 3.10.7.4: a newer segment, or a newer ACK, or more room. A newer ACK in an older segment,
 * one that was sent again, counts as Linux has it: the window of an older ACK would reach too far.
 * So does no room at all: a peer whose buffer has overflowed says so without anything new.
 */
static void update_window(struct conn *c, const struct segment *g)
{
	const uint32_t newest = seq_max(c->snd_wl1, g->seq), wnd = conn_wnd(c, g);

	if (seq_lt(c->snd_una, g->ack) || seq_lt(c->snd_wl1, g->seq) ||
	    (c->snd_wl1 == g->seq && (seq_lt(c->snd_wl2, g->ack) ||
				      (c->snd_wl2 == g->ack && (wnd > c->snd_wnd || wnd == 0))))) {
		if (wnd != c->snd_wnd)
			conn_dirty(c);
		set_window(c, g);
		c->snd_wl1 = newest;
	}
}

/* Our FIN is acknowledged. */
static enum step fin_acked(struct conn *c)
{
	switch (c->state) {
	case TCPS_FIN_WAIT_1:
		c->state = TCPS_FIN_WAIT_2;
		conn_arm(c);
		return GO_ON;
	case TCPS_CLOSING:
		conn_wait(c);
		return DONE;
	case TCPS_LAST_ACK:
		conn_end(c, 0);
		return DONE;
	default:
		return GO_ON;
	}
}

static enum step check_ack(struct conn *c, struct segment *g)
{
	const bool was_opening = c->state == TCPS_SYN_RECEIVED && !conn_is_open(c);
	struct work *w = work_of(c);
	struct acked done;

	if (!(g->flags & TCP_ACK))
		return DONE;
	if (c->state == TCPS_SYN_RECEIVED) {
		if (seq_le(g->ack, c->snd_una) || seq_lt(c->snd_nxt, g->ack)) {
			tcp_reset(c->stack, g);
			return DONE;
		}
		conn_establish(c, g);
		if (was_opening) {
			stack_count(&c->stack->stats.tcp_opened, 1);
			conn_ready(c, WEIR_READY_OUT);
		}
	}
	if (seq_lt(c->snd_nxt, g->ack)) { /* of what was never sent */
		ack_now(c);
		return DONE;
	}
	if (seq_lt(g->ack, c->snd_una)) { /* old; older than any window is a guess: RFC 5961 5.2 */
		if (seq_lt(g->ack, c->snd_una - c->snd_wnd_most)) {
			challenge(c);
			return DONE;
		}
		return GO_ON;
	}
	if (w != NULL) /* before it changes: an ACK that changes it is no duplicate */
		w->loss.wnd = c->snd_wnd;
	update_window(c, g);
	if (w == NULL || w->flight.n == 0)
		return GO_ON;
	loss_on_ack(c->stack, c, w, g, &done);
	if (done.syn)
		fastopen_confirmed(c, w);
	if (was_opening)
		fastopen_answered(c, w, g, true, 0);
	count_acked(c, done.bytes);
	if (done.is_new || w->lost_bytes > 0 || w->unsent.n > 0)
		conn_dirty(c);
	return done.fin ? fin_acked(c) : GO_ON;
}

/* ---- seventh: the text ---- */

/* RFC 3168 section 6.1.3: tell of marks until the peer says that it has heard. DCTCP: each. */
static void note_marks(struct conn *c, const struct segment *g)
{
	if (!(c->flags & CONN_ECN))
		return;
	if (settings_of(c)->cc->ecn) {
		if (g->ce != !!(c->flags & CONN_CE)) { /* RFC 8257 section 3.2 */
			c->flags ^= CONN_CE;
			ack_now(c);
		}
		c->flags = g->ce ? c->flags | CONN_ECE_DUE : c->flags & ~CONN_ECE_DUE;
		return;
	}
	if (g->flags & TCP_CWR)
		c->flags &= ~CONN_ECE_DUE;
	if (g->ce)
		c->flags |= CONN_ECE_DUE;
}

/* Who has closed takes no more: RFC 9293 section 3.6.1, RFC 2525 section 2.17. */
static bool is_deaf(const struct conn *c, const struct segment *g)
{
	return (c->flags & CONN_ORPHAN) && g->bytes > 0 && seq_lt(c->rcv_nxt, g->seq + g->bytes);
}

static enum step take_text(struct conn *c, struct segment *g)
{
	struct weir_stack *s = c->stack;
	const uint32_t before = c->rcv_nxt;
	uint32_t bytes;
	struct work *w;
	enum rcv_what what;

	if (g->bytes == 0 && !(g->flags & TCP_FIN)) {
		if (seq_lt(g->seq, c->rcv_nxt)) /* a probe of life (section 3.8.4) */
			ack_now(c);
		return GO_ON;
	}
	if (c->flags & CONN_FIN_IN) { /* nothing comes after it; it came again */
		ack_now(c);
		return DONE;
	}
	if (is_deaf(c, g)) {
		tcp_reset(s, g);
		conn_end(c, 0);
		return DONE;
	}
	w = work_get(c);
	if (w == NULL) {
		stack_count(&s->stats.tcp_memory, 1);
		ack_now(c);
		return DONE;
	}
	ack_before(c, w, g);
	note_marks(c, g);
	what = rcv_take(s, c, w, g);
	ack_after(c, w, g, what);
	if (c->rcv_nxt == before)
		return GO_ON;
	bytes = c->rcv_nxt - before - !!(c->flags & CONN_FIN_IN);
	count_of(c)->in_bytes += bytes;
	count_of(c)->data_tick = c->heard_tick;
	if (bytes > 0)
		conn_ready(c, WEIR_READY_IN);
	return GO_ON;
}

/* ---- eighth: FIN ---- */

static void check_fin(struct conn *c)
{
	if (!(c->flags & CONN_FIN_IN))
		return;
	switch (c->state) {
	case TCPS_SYN_RECEIVED:
	case TCPS_ESTABLISHED:
		c->state = TCPS_CLOSE_WAIT;
		conn_ready(c, WEIR_READY_IN | WEIR_READY_END);
		break;
	case TCPS_FIN_WAIT_1: /* ours is not acknowledged, else it were FIN-WAIT-2 */
		c->state = TCPS_CLOSING;
		conn_ready(c, WEIR_READY_IN | WEIR_READY_END);
		break;
	case TCPS_FIN_WAIT_2:
		conn_output(c); /* the ACK, while it is a connection */
		conn_wait(c);
		break;
	default:
		break;
	}
}

void conn_input(struct conn *c, struct segment *g)
{
	if (c->state == TCPS_SYN_SENT) {
		syn_sent_input(c, g);
		return;
	}
	if (check_sequence(c, g) == DONE || check_reset(c, g) == DONE || check_ack(c, g) == DONE ||
	    take_text(c, g) == DONE)
		return;
	check_fin(c);
}
