/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * LISTEN and SYN-RECEIVED (RFC 9293 section 3.10.7.2): who begins a connection gets a line of 64
 * bytes (RFC 4987 section 3.5), or only a cookie when there is none left, and a connection once its
 * ACK shows that it hears us.
 */

#include "tcp_source_priv.h"

#include <netinet/in.h>

/* Times of half-open connections: units of 2^26 ns, and a unit more to be sure. */
#define DUE_SHIFT 26
#define DUE_BITS  13

static const uint64_t retry_ns[SYN_RETRIES + 1] = {
	UINT64_C(1000000000), UINT64_C(2000000000),  UINT64_C(4000000000),
	UINT64_C(8000000000), UINT64_C(16000000000), UINT64_C(32000000000),
};

/* ---- half-open connections ---- */

/* Never 0. */
static uint32_t us_of(uint64_t now_ns)
{
	return (uint32_t)(now_ns / 1000) | 1;
}

static void put_in_list(struct weir_stack *s, uint32_t i)
{
	struct tcp *t = s->tcp;
	struct half_open *h = &t->half_open.at[i].half_open;
	const uint64_t at_ns = s->now_ns + retry_ns[h->retries];

	h->due = (uint16_t)((at_ns >> DUE_SHIFT) + 1) & ((1u << DUE_BITS) - 1);
	list_put(&t->half_open, &t->syns[h->retries], i);
	t->small_due_ns = RTE_MIN(t->small_due_ns, at_ns);
}

void half_open_end(struct weir_stack *s, uint32_t i)
{
	struct tcp *t = s->tcp;
	struct half_open *h = &t->half_open.at[i].half_open;

	list_remove(&t->half_open, &t->syns[h->retries], i);
	source_half_open(s, &h->ends, h->flags & HALF_V6, -1);
	slab_give(&t->half_open, i);
	stack_count(&s->stats.tcp_half_open, (uint64_t)-1);
}

void half_open_forget(struct weir_stack *s, uint32_t i)
{
	tcp_table_remove(s->tcp->table, ends_hash(&s->conf.secret, &s->tcp->half_open.at[i].ends),
			 REF(REF_HALF_OPEN, i));
	half_open_end(s, i);
}

static uint16_t first_window(const struct weir_stack *s)
{
	return (uint16_t)RTE_MIN(s->conf.rcvbuf_bytes, RCVBUF_FIRST);
}

/* What a SYN-ACK says: what both can. */
static struct tcp_opts answer_opts(struct weir_stack *s, const struct half_open *h)
{
	const struct settings *set = settings_of(&s->tcp->conns[h->listener]);
	struct tcp_opts o = {.flags = OPT_MSS, .mss = way_mss(s, &h->ends, h->flags & HALF_V6)};

	if (set->maxseg != 0)
		o.mss = RTE_MIN(o.mss, set->maxseg);

	if (h->scale != NO_SCALE) {
		o.flags |= OPT_SCALE;
		o.scale = s->tcp->scale_in;
	}
	if (h->flags & HALF_SACK)
		o.flags |= OPT_SACK_OK;
	if (h->flags & HALF_STAMPS) {
		o.flags |= OPT_STAMP;
		o.stamp = tick_of(s->now_ns) + tcp_ts_offset(&s->tcp->isn_key, &h->ends);
		o.echo = h->ts_recent;
	}
	uto_tell(set, &o);
	return o;
}

static void send_syn_ack(struct weir_stack *s, const struct half_open *h, bool gives_cookie)
{
	struct tcp_opts o = answer_opts(s, h);

	if (gives_cookie)
		fastopen_give(s, &h->ends, &o);
	tcp_reply(s, &h->ends, h->flags & HALF_V6, h->iss, h->irs + 1,
		  TCP_SYN | TCP_ACK | (h->flags & HALF_ECN ? TCP_ECE : 0), first_window(s), &o);
}

uint64_t half_open_run(struct weir_stack *s, unsigned most)
{
	struct tcp *t = s->tcp;
	uint64_t next_ns = UINT64_MAX;

	for (unsigned r = 0; r <= SYN_RETRIES; r++) {
		for (; t->syns[r].head != NONE; most--) {
			const uint32_t i = t->syns[r].head;
			struct half_open *h = &t->half_open.at[i].half_open;
			const uint16_t units = (uint16_t)(h->due - (s->now_ns >> DUE_SHIFT)) &
					       ((1u << DUE_BITS) - 1);
			const bool is_due = units == 0 || units >= 1u << (DUE_BITS - 1);

			if (!is_due || most == 0) {
				next_ns = RTE_MIN(
					next_ns,
					s->now_ns + (is_due ? 0 : (uint64_t)units << DUE_SHIFT));
				break;
			}
			if (r == SYN_RETRIES) {
				stack_count(&s->stats.tcp_timed_out, 1);
				half_open_forget(s, i);
				continue;
			}
			list_remove(&t->half_open, &t->syns[r], i);
			h->retries++;
			if (!(h->flags & HALF_STAMPS))
				h->sent_us = 0;
			put_in_list(s, i);
			stack_count(&s->stats.tcp_resent, 1);
			send_syn_ack(s, h, false);
		}
	}
	return next_ns;
}

/* ---- a listener's segments ---- */

static struct half_open of_syn(const struct segment *g, const struct conn *l, uint32_t iss)
{
	const uint8_t had = g->opts.flags;

	return (struct half_open){
		.ends = g->ends,
		.iss = iss,
		.irs = g->seq,
		.ts_recent = g->opts.stamp,
		.listener = conn_index(l) & 0xffffff,
		.flags = (uint32_t)((had & OPT_STAMP ? HALF_STAMPS : 0) |
				    (had & OPT_SACK_OK ? HALF_SACK : 0) |
				    ((g->flags & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR)
					     ? HALF_ECN
					     : 0) |
				    (g->v6 ? HALF_V6 : 0)) &
			 0xf,
		.scale = (had & OPT_SCALE ? g->opts.scale : NO_SCALE) & 0xf,
		.mss = had & OPT_MSS && g->opts.mss > 0 ? g->opts.mss
							: (g->v6 ? MSS6_DEFAULT : MSS4_DEFAULT),
	};
}

/* RFC 4987 section 3.6: all that we would keep goes into our sequence number and our timestamp. */
static void send_cookie(struct weir_stack *s, struct half_open *h)
{
	const struct cookie c = {.mss = h->mss,
				 .scale = h->scale,
				 .sack = (h->flags & HALF_SACK) != 0,
				 .ecn = (h->flags & HALF_ECN) != 0};
	struct tcp_opts o;

	if (!(h->flags & HALF_STAMPS)) { /* no place to keep it */
		h->scale = NO_SCALE;
		h->flags &= ~(unsigned)(HALF_SACK | HALF_ECN) & 0xf;
	}
	o = answer_opts(s, h);
	o.stamp = cookie_stamp(o.stamp, &c);
	stack_count(&s->stats.tcp_cookies_out, 1);
	tcp_reply(s, &h->ends, h->flags & HALF_V6,
		  cookie_make(&s->tcp->isn_key, &h->ends, h->irs, &c, s->now_ns), h->irs + 1,
		  TCP_SYN | TCP_ACK | (h->flags & HALF_ECN ? TCP_ECE : 0), first_window(s), &o);
}

/* A connection with what a half-open one knows, in the table. NULL: no place. */
static struct conn *make(struct weir_stack *s, const struct conn *l, const struct half_open *h,
			 uint32_t hash, uint32_t old_ref)
{
	struct conn *c = conn_new(s);

	if (c == NULL)
		return NULL;
	c->ends = h->ends;
	if (old_ref != 0) {
		tcp_table_replace(s->tcp->table, hash, old_ref, REF(REF_CONN, conn_index(c)));
	} else if (!conn_add(c, hash)) {
		conn_free(c);
		return NULL;
	}
	c->flags = CONN_FROM_LISTENER |
		   (l->flags & (CONN_NODELAY | CONN_CORK | CONN_KEEPALIVE | CONN_LINGER)) |
		   (h->flags & HALF_STAMPS ? CONN_STAMPS : 0) |
		   (h->flags & HALF_SACK ? CONN_SACK : 0) | (h->flags & HALF_ECN ? CONN_ECN : 0) |
		   (h->flags & HALF_V6 ? CONN_V6 : 0) | (h->scale != NO_SCALE ? CONN_SCALE : 0);
	settings_inherit(c, l);
	conn_entered(c);
	c->scale_out = h->scale != NO_SCALE ? h->scale : 0;
	if (h->scale == NO_SCALE)
		c->scale_in = 0;
	conn_begin(c, h->iss, h->irs, h->mss);
	c->ts_offset = tcp_ts_offset(&s->tcp->isn_key, &c->ends);
	c->rcv_adv = c->rcv_nxt + first_window(s);
	if (h->flags & HALF_STAMPS)
		c->ts_recent = h->ts_recent;
	source_opened(c);
	return c;
}

/* It waits to be accepted. */
static void wait_in_line(struct weir_stack *s, struct port *p, struct conn *c)
{
	c->next_ready = NONE;
	if (p->waiting.tail == NONE)
		p->waiting.head = conn_index(c);
	else
		s->tcp->conns[p->waiting.tail].next_ready = conn_index(c);
	p->waiting.tail = conn_index(c);
	p->n_waiting++;
	conn_ready(&s->tcp->conns[p->conn], WEIR_READY_IN);
}

/* A connection that a peer has finished. NULL: no place. */
static struct conn *make_open(struct weir_stack *s, struct port *p, const struct half_open *h,
			      const struct segment *g, uint32_t old_ref)
{
	struct conn *c = make(s, &s->tcp->conns[p->conn], h, g->hash, old_ref);

	if (c == NULL) {
		stack_count(&s->stats.tcp_full, 1);
		return NULL;
	}
	c->snd_una = c->snd_nxt;
	if (!(h->flags & HALF_STAMPS) && h->sent_us != 0)
		rtt_sample(c, us_of(s->now_ns) - h->sent_us);
	else if (!(h->flags & HALF_STAMPS) && h->retries > 0)
		rtt_after_lost_syn(c);
	conn_establish(c, g);
	stack_count(&s->stats.tcp_accepted, 1);
	wait_in_line(s, p, c);
	return c;
}

/*
 * RFC 7413 section 4.2.2: a connection at its SYN; the SYN-ACK says what of the data was taken.
 * False: there is no place or no buffer, and it begins as others do.
 */
static bool begin_fast(struct weir_stack *s, struct port *p, struct segment *g,
		       const struct half_open *h, bool is_old)
{
	const struct conn *l = &s->tcp->conns[p->conn];
	struct conn *c = make(s, l, h, g->hash, 0);

	if (c == NULL)
		return false;
	if (syn_queue(c) < 0) {
		c->flags |= CONN_ORPHAN;
		conn_end(c, 0);
		return false;
	}
	c->flags |= CONN_FASTOPEN;
	work_of(c)->gives_cookie = is_old;
	fastopen_pending(c, l);
	conn_begin_fast(c, g);
	conn_dirty(c);
	wait_in_line(s, p, c);
	return true;
}

static void listen_syn(struct weir_stack *s, struct port *p, struct segment *g, uint32_t iss)
{
	struct tcp *t = s->tcp;
	const struct conn *l = &t->conns[p->conn];
	struct half_open h =
		of_syn(g, l, iss != 0 ? iss : tcp_isn(&t->isn_key, &g->ends, s->now_ns));
	const enum source_verdict source = source_syn(s, &g->ends, g->v6);
	enum fastopen_syn fast;
	uint32_t i = NONE;

	if (source == SOURCE_REFUSED)
		return;
	if (p->n_waiting >= p->backlog) {
		stack_count(&s->stats.tcp_backlog, 1);
		return;
	}
	fast = fastopen_judge(s, p, g);
	if (fast >= FASTOPEN_GOOD && begin_fast(s, p, g, &h, fast == FASTOPEN_OLD))
		return;
	if (source == SOURCE_GOOD)
		i = slab_take(&t->half_open);
	if (i == NONE || !tcp_table_add(t->table, g->hash, REF(REF_HALF_OPEN, i))) {
		if (i != NONE)
			slab_give(&t->half_open, i);
		t->cookies_until_ns = s->now_ns + COOKIE_LIFE_NS;
		send_cookie(s, &h);
		return;
	}
	if (!(h.flags & HALF_STAMPS))
		h.sent_us = us_of(s->now_ns);
	t->half_open.at[i].half_open = h;
	put_in_list(s, i);
	stack_count(&s->stats.tcp_half_open, 1);
	source_half_open(s, &h.ends, h.flags & HALF_V6, 1);
	send_syn_ack(s, &h, fast == FASTOPEN_GIVE);
}

/*
 * An ACK that no half-open connection knows may carry a cookie. @old: one that has come to be since
 * by the same SYN, sent again; it goes. NONE: there is none.
 */
static bool take_cookie(struct weir_stack *s, struct port *p, struct segment *g, uint32_t old)
{
	struct cookie k;
	struct half_open h;
	struct conn *c;

	if (s->now_ns >= s->tcp->cookies_until_ns || g->flags & (TCP_SYN | TCP_RST) ||
	    !cookie_read(&s->tcp->isn_key, &g->ends, g->seq, g->ack, s->now_ns, &k))
		return false;
	k.scale = NO_SCALE;
	if (g->opts.flags & OPT_STAMP)
		cookie_read_stamp(g->opts.echo, &k);
	if (p->n_waiting >= p->backlog) {
		stack_count(&s->stats.tcp_backlog, 1);
		return true;
	}
	if (old != NONE)
		half_open_forget(s, old);
	if (!source_may_open(s, &g->ends, g->v6)) {
		tcp_reset(s, g);
		return true;
	}
	h = of_syn(g, &s->tcp->conns[p->conn], g->ack - 1);
	h.irs = g->seq - 1;
	h.mss = k.mss;
	h.scale = k.scale & 0xf;
	h.flags = (uint32_t)((h.flags & (HALF_STAMPS | HALF_V6)) | (k.sack ? HALF_SACK : 0) |
			     (k.ecn ? HALF_ECN : 0)) &
		  0xf;
	stack_count(&s->stats.tcp_cookies_in, 1);
	c = make_open(s, p, &h, g, 0);
	if (c != NULL)
		conn_input(c, g);
	return true;
}

void listen_input(struct weir_stack *s, struct port *p, struct segment *g, uint32_t iss)
{
	if (g->flags & TCP_RST)
		return;
	if (g->flags & TCP_ACK) {
		if (!take_cookie(s, p, g, NONE))
			tcp_reset(s, g);
	} else if (g->flags & TCP_SYN && !(g->flags & TCP_FIN) && !p->is_drained) {
		listen_syn(s, p, g, iss);
	} else if (p->is_drained) {
		tcp_reset(s, g);
	}
}

/* RFC 9293 section 3.10.7.4 for SYN-RECEIVED, as far as it concerns what has no connection yet. */
void half_open_input(struct weir_stack *s, uint32_t i, struct segment *g)
{
	struct half_open *h = &s->tcp->half_open.at[i].half_open;
	const struct half_open was = *h;
	struct port *p = port_of(&s->tcp->conns[h->listener]);
	struct conn *c;

	if (g->flags & TCP_RST) {
		if (g->seq == h->irs + 1)
			half_open_forget(s, i);
		return;
	}
	if (g->flags & TCP_SYN) { /* again, or another: RFC 5961 section 4 */
		if (!(h->flags & HALF_STAMPS))
			h->sent_us = 0; /* Karn: of which is the ACK? */
		else if (g->opts.flags & OPT_STAMP && g->seq == h->irs &&
			 seq_lt(h->ts_recent, g->opts.stamp))
			h->ts_recent = g->opts.stamp; /* RFC 7323 section 4.3 */
		send_syn_ack(s, h, false);
		return;
	}
	if (!(g->flags & TCP_ACK))
		return;
	if (g->ack != h->iss + 1) {
		if (!take_cookie(s, p, g, i))
			tcp_reset(s, g);
		return;
	}
	if (h->flags & HALF_STAMPS && g->opts.flags & OPT_STAMP &&
	    seq_lt(g->opts.stamp, h->ts_recent)) {
		stack_count(&s->stats.tcp_paws, 1);
		return;
	}
	if (p->n_waiting >= p->backlog) { /* the peer will say it again */
		stack_count(&s->stats.tcp_backlog, 1);
		return;
	}
	if (g->bytes == 0 && settings_of(&s->tcp->conns[h->listener])->defer_s > 0 &&
	    !(g->flags & TCP_FIN))
		return; /* TCP_DEFER_ACCEPT: its first bytes will tell the same */
	if (!source_may_open(s, &g->ends, g->v6)) { /* it had others meanwhile */
		half_open_forget(s, i);
		tcp_reset(s, g);
		return;
	}
	c = make_open(s, p, &was, g, REF(REF_HALF_OPEN, i));
	if (c == NULL)
		return;
	half_open_end(s, i);
	conn_input(c, g);
}
