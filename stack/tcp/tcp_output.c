/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What TCP sends: at each poll, of who has something to send, first what is lost, then what is new
 * as far as both windows go, then an ACK if none has left with these (RFC 9293 section 3.8).
 */

#include "tcp_priv.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <weir/csum.h>

#define TCP_BYTES 20u
#define ROOM	  (WEIR_STACK_HEADROOM + IP_HEADER_MOST + TCP_BYTES + OPT_BYTES_MOST + 4u)
/* Payload of what is cut behind us: an IPv4 packet has no more than 65,535 bytes. */
#define LONG_MOST      (UINT16_MAX - IP_HEADER_MOST - TCP_BYTES - OPT_BYTES_MOST)
#define OUTPUT_MOST    64 /* segments at once: others want to send, too */
#define PACED_RTT_US   1000
#define PACE_CREDIT_NS 1000000u
#define CORK_NS	       200000000u /* as Linux */

/* ---- a packet ---- */

static struct rte_mbuf *new_packet(struct weir_stack *s)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(s->conf.pool);

	if (unlikely(m == NULL)) {
		stack_count(&s->stats.no_mbuf, 1);
		return NULL;
	}
	m->data_off = ROOM;
	return m;
}

/* Headers go before it; the queue keeps its own. Short ones are copied: that is one buffer less. */
static struct rte_mbuf *packet_of(struct weir_stack *s, const struct rte_mbuf *data)
{
	struct rte_mbuf *m = new_packet(s), *rest;

	if (m == NULL || data->pkt_len == 0)
		return m;
	if (data->pkt_len <= rte_pktmbuf_tailroom(m)) {
		for (const struct rte_mbuf *seg = data; seg != NULL; seg = seg->next)
			memcpy(rte_pktmbuf_append(m, seg->data_len),
			       rte_pktmbuf_mtod(seg, const void *), seg->data_len);
		return m;
	}
	rest = rte_pktmbuf_clone((struct rte_mbuf *)(uintptr_t)data, s->conf.pool);
	if (rest == NULL || rte_pktmbuf_chain(m, rest) != 0) {
		stack_count(&s->stats.no_mbuf, 1);
		rte_pktmbuf_free(rest);
		rte_pktmbuf_free(m);
		return NULL;
	}
	return m;
}

static uint32_t sum_of(const struct rte_mbuf *m)
{
	uint32_t sum = 0, off = 0;

	for (; m != NULL; m = m->next) {
		sum = weir_csum_add(
			sum,
			weir_csum_at(weir_csum_sum(rte_pktmbuf_mtod(m, const void *), m->data_len),
				     off));
		off += m->data_len;
	}
	return sum;
}

static uint32_t pseudo(const struct ends *e, bool v6, uint32_t bytes)
{
	uint32_t ours, peer;

	if (v6)
		return weir_csum_pseudo6(e->ours, e->peer, IPPROTO_TCP, bytes);
	memcpy(&ours, e->ours, sizeof(ours));
	memcpy(&peer, e->peer, sizeof(peer));
	return weir_csum_pseudo4(ours, peer, IPPROTO_TCP, bytes);
}

/* What a header says beside its ends. */
struct head {
	uint32_t seq, ack;
	uint16_t wnd;
	uint8_t flags, tos;
	uint16_t cut_bytes; /* payload of each packet that it becomes behind us; 0: of one */
};

/*
 * Let who takes it cut it (mbuf's rules for TSO): the pseudo header's sum is without the length,
 * which each packet adds.
 */
static void ask_to_cut(struct rte_mbuf *m, struct tcphdr *tcp, const struct ends *e, bool v6,
		       const struct head *h)
{
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG |
		       (v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM);
	m->l2_len = 0;
	m->l3_len = v6 ? sizeof(struct ip6_hdr) : sizeof(struct iphdr);
	m->l4_len = tcp->doff * 4u;
	m->tso_segsz = h->cut_bytes;
	tcp->check = (uint16_t)~weir_csum_finish(pseudo(e, v6, 0));
}

/* Put the header before the bytes of @m and send it. */
static void emit(struct weir_stack *s, const struct ends *e, bool v6, struct rte_mbuf *m,
		 const struct head *h, const struct tcp_opts *opts)
{
	uint8_t text[OPT_BYTES_MOST];
	const uint32_t opt_bytes = tcp_opts_write(text, opts, h->flags & TCP_SYN);
	struct tcphdr *tcp =
		(struct tcphdr *)rte_pktmbuf_prepend(m, (uint16_t)(TCP_BYTES + opt_bytes));

	*tcp = (struct tcphdr){.source = e->our_port,
			       .dest = e->peer_port,
			       .seq = htonl(h->seq),
			       .ack_seq = htonl(h->flags & TCP_ACK ? h->ack : 0),
			       .doff = (TCP_BYTES + opt_bytes) / 4 & 0xf,
			       .window = htons(h->wnd)};
	((uint8_t *)tcp)[13] = h->flags;
	memcpy(tcp + 1, text, opt_bytes);
	if (h->cut_bytes != 0) {
		ask_to_cut(m, tcp, e, v6, h);
		stack_count(&s->stats.tcp_long, 1);
	} else {
		tcp->check = weir_csum_finish(weir_csum_add(pseudo(e, v6, m->pkt_len), sum_of(m)));
	}
	stack_count(&s->stats.tcp_out, 1);
	ip_send_tcp(s, m, e->ours, e->peer, v6, h->tos);
}

void tcp_reply(struct weir_stack *s, const struct ends *e, bool v6, uint32_t seq, uint32_t ack,
	       uint8_t flags, uint16_t wnd, const struct tcp_opts *opts)
{
	struct rte_mbuf *m = new_packet(s);

	if (m != NULL)
		emit(s, e, v6, m,
		     &(struct head){.seq = seq, .ack = ack, .wnd = wnd, .flags = flags}, opts);
}

void tcp_reset(struct weir_stack *s, const struct segment *g)
{
	const struct tcp_opts none = {0};
	const uint32_t end = g->seq + g->bytes + !!(g->flags & TCP_SYN) + !!(g->flags & TCP_FIN);

	stack_count(&s->stats.tcp_nobody, 1);
	if (g->flags & TCP_RST)
		return;
	stack_count(&s->stats.tcp_resets_out, 1);
	if (g->flags & TCP_ACK)
		tcp_reply(s, &g->ends, g->v6, g->ack, 0, TCP_RST, 0, &none);
	else
		tcp_reply(s, &g->ends, g->v6, 0, end, TCP_RST | TCP_ACK, 0, &none);
}

uint16_t way_path(struct weir_stack *s, const struct ends *e, bool v6, bool *cuts)
{
	const struct weir_addr peer = weir_addr_of(e->peer, v6 ? 6 : 4);
	const uint32_t headers = TCP_BYTES + (v6 ? sizeof(struct ip6_hdr) : sizeof(struct iphdr));
	const uint32_t mtu = ip_path(s, &peer, cuts);

	return (uint16_t)(mtu < headers + MSS_LEAST ? MSS_LEAST : mtu - headers);
}

uint16_t way_mss(struct weir_stack *s, const struct ends *e, bool v6)
{
	bool cuts;

	return way_path(s, e, v6, &cuts);
}

/* ---- what we offer (section 3.8.6.2) ---- */

uint32_t conn_window(const struct conn *c)
{
	const struct weir_stack *s = c->stack;
	const struct work *w = work_of(c);
	const uint64_t most = memory_shared(s);
	const uint32_t held = w == NULL ? 0 : w->ready.bytes + w->early.bytes;
	const uint32_t offered = c->rcv_adv - c->rcv_nxt;
	uint32_t room = c->rcvbuf > held ? c->rcvbuf - held : 0;

	if (s->held_bytes + room > most) /* short of memory: no more than is left */
		room = most > s->held_bytes ? (uint32_t)RTE_MIN(room, most - s->held_bytes) : 0;
	if (room < window_least(c))
		room = 0;
	return RTE_MAX(room, offered); /* what was offered is not taken back */
}

/* As the header says it, of who acknowledges @ack; what it says is what may come. */
static uint16_t offer(struct conn *c, uint32_t ack)
{
	const uint32_t most = (uint32_t)UINT16_MAX << c->scale_in;
	const uint32_t room = RTE_MIN(c->rcv_nxt - ack + conn_window(c), most);
	/* What was offered may be no multiple of the scale: rounded up, it is not taken back. */
	const uint32_t up = seq_lt(ack + (room >> c->scale_in << c->scale_in), c->rcv_adv);
	const uint32_t wnd = RTE_MIN((room >> c->scale_in) + up, (uint32_t)UINT16_MAX);

	c->rcv_adv = seq_max(c->rcv_adv, ack + (wnd << c->scale_in));
	return (uint16_t)wnd;
}

/* ---- options ---- */

static struct tcp_opts opts_now(struct conn *c, struct work *w)
{
	struct tcp_opts o = {0};

	if (c->flags & CONN_STAMPS) {
		o.flags = OPT_STAMP;
		o.stamp = tick_of(c->stack->now_ns) + c->ts_offset;
		o.echo = c->ts_recent;
	}
	if (unlikely(count_of(c)->uto_due)) {
		uto_tell(settings_of(c), &o);
		count_of(c)->uto_due = false;
	}
	if (w != NULL && c->flags & CONN_SACK)
		o.sacks = rcv_sacks(w, o.sack, c->flags & CONN_STAMPS ? 3 : 4);
	return o;
}

struct tcp_opts syn_opts(struct weir_stack *s, const struct conn *c)
{
	struct tcp_opts o = {.flags = OPT_MSS | OPT_SACK_OK | OPT_STAMP | OPT_SCALE,
			     .mss = c->mss_in,
			     .scale = c->stack->tcp->scale_in,
			     .stamp = tick_of(s->now_ns) + c->ts_offset,
			     .echo = c->ts_recent};

	if (c->state != TCPS_SYN_SENT) { /* the answer says what both can */
		o.flags = (uint8_t)(OPT_MSS | (c->flags & CONN_STAMPS ? OPT_STAMP : 0) |
				    (c->flags & CONN_SACK ? OPT_SACK_OK : 0) |
				    (c->flags & CONN_SCALE ? OPT_SCALE : 0));
		if (work_of(c)->gives_cookie)
			fastopen_give(s, &c->ends, &o);
	} else if (seg_of(work_of(c)->flight.head)->sent_count == 0) {
		fastopen_ask(c, &o);
	}
	uto_tell(settings_of(c), &o);
	return o;
}

/* ---- a connection's segments ---- */

/* An ACK has left. */
static void acknowledged(struct conn *c, struct work *w, uint32_t ack)
{
	c->rcv_acked = ack;
	c->flags &= ~CONN_ACK_NOW;
	if (w != NULL)
		w->ack_at_ns = 0;
}

static uint8_t mark_flags(struct conn *c)
{
	return c->flags & CONN_ECE_DUE ? TCP_ECE : 0;
}

/* A segment without bytes that acknowledges what is below @ack. */
static bool send_bare(struct conn *c, uint32_t seq, uint32_t ack, uint8_t flags)
{
	struct work *w = work_of(c);
	struct rte_mbuf *m = new_packet(c->stack);
	const struct tcp_opts opts = opts_now(c, w);

	if (m == NULL)
		return false;
	emit(c->stack, &c->ends, c->flags & CONN_V6, m,
	     &(struct head){.seq = seq,
			    .ack = ack,
			    .wnd = flags & TCP_RST ? 0 : offer(c, ack),
			    .flags = flags | (flags & TCP_RST ? 0 : mark_flags(c)),
			    .tos = settings_of(c)->tos},
	     &opts);
	acknowledged(c, w, ack);
	return true;
}

bool conn_send_bare(struct conn *c, uint32_t seq, uint8_t flags)
{
	return send_bare(c, seq, c->rcv_nxt, flags);
}

static void send_syn(struct conn *c, struct rte_mbuf *m, uint32_t seq)
{
	const struct tcp_opts opts = syn_opts(c->stack, c);
	const bool answers = c->state != TCPS_SYN_SENT;
	const uint32_t wnd = answers ? c->rcv_adv - c->rcv_nxt : c->rcvbuf;
	const uint8_t ask = c->flags & CONN_ECN_ASKED ? TCP_ECE | TCP_CWR : 0;
	const uint8_t grant = TCP_ACK | (c->flags & CONN_ECN ? TCP_ECE : 0);

	emit(c->stack, &c->ends, c->flags & CONN_V6, m,
	     &(struct head){.seq = seq,
			    .ack = c->rcv_nxt,
			    .wnd = (uint16_t)RTE_MIN(wnd, (uint32_t)UINT16_MAX),
			    .flags = (uint8_t)(TCP_SYN | (answers ? grant : ask)),
			    .tos = settings_of(c)->tos},
	     &opts);
	if (answers)
		acknowledged(c, work_of(c), c->rcv_nxt);
}

static void count_sent(struct conn *c, const struct rte_mbuf *data, uint32_t packets, bool again)
{
	struct weir_stack_stats *n = &c->stack->stats;

	stack_count(&n->tcp_out, packets - 1); /* emit() has counted one */
	stack_count(&n->tcp_out_bytes, data->pkt_len);
	count_of(c)->out_segs += packets;
	if (again) {
		stack_count(&n->tcp_resent, packets);
		count_of(c)->resent_segs += packets;
	}
}

/*
 * A segment of the flight, for the first time or again, as packets of @mss.
 * @return how many; 0: no buffer.
 */
static uint32_t send_segment(struct conn *c, struct work *w, struct rte_mbuf *data, uint32_t mss)
{
	struct weir_stack *s = c->stack;
	struct seg *g = seg_of(data);
	const uint32_t packets = g->flags & SEG_SYN ? 1 : packets_of(data->pkt_len, mss);
	const bool again = g->sent_count > 0;
	struct rte_mbuf *with = syn_is_held(c) ? fastopen_data(c, w) : NULL; /* data of a SYN */
	struct rte_mbuf *m = packet_of(s, with != NULL ? with : data);
	struct head h = {.seq = g->seq,
			 .ack = c->rcv_nxt,
			 .tos = settings_of(c)->tos,
			 .cut_bytes = (uint16_t)(packets > 1 ? mss : 0)};
	struct tcp_opts opts;

	if (m == NULL)
		return 0;
	if (g->flags & SEG_SYN) {
		if (again) /* a middlebox may drop who asks: RFC 3168 section 6.1.1.1 */
			c->flags &= ~CONN_ECN_ASKED;
		else
			count_of(c)->acked_tick = tick_of(s->now_ns);
		send_syn(c, m, g->seq);
		w->gives_cookie = false; /* once: what is sent again says less, as Linux's does */
	} else {
		opts = opts_now(c, w);
		h.flags = (uint8_t)(TCP_ACK | mark_flags(c) | (g->flags & SEG_FIN ? TCP_FIN : 0) |
				    (g->flags & SEG_PSH ? TCP_PSH : 0));
		if (c->flags & CONN_ECN && !again && data->pkt_len > 0) { /* RFC 3168 6.1.5 */
			h.tos |= ECT0;
			if (c->flags & CONN_CWR_DUE)
				h.flags |= TCP_CWR;
			c->flags &= ~CONN_CWR_DUE;
		}
		h.wnd = offer(c, c->rcv_nxt);
		emit(s, &c->ends, c->flags & CONN_V6, m, &h, &opts);
		acknowledged(c, w, c->rcv_nxt);
	}
	count_sent(c, with != NULL ? with : data, packets, again);
	w->sent_ns = s->now_ns;
	g->cut_bytes = g->flags & SEG_SYN ? UINT16_MAX : (uint16_t)mss;
	snd_sent(c, w, data, s->now_ns);
	if (with != NULL) {
		seg_of(with)->cut_bytes = (uint16_t)mss;
		snd_sent(c, w, with, s->now_ns);
	}
	return packets;
}

/* ---- what may be sent ---- */

/* Payload of a segment with the options that it will have. */
static uint32_t payload_most(struct conn *c, struct work *w)
{
	const uint32_t sacks = c->flags & CONN_SACK ? rcv_sacks_due(w) : 0;
	const uint32_t most = c->flags & CONN_STAMPS ? 3 : 4;

	return c->mss_out - (c->flags & CONN_STAMPS ? OPT_STAMP_BYTES : 0) -
	       (count_of(c)->uto_due ? OPT_TIMEOUT_BYTES : 0) -
	       (sacks > 0 ? 4 + 8 * RTE_MIN(sacks, most) : 0);
}

/* Bytes that the peer's window still takes. */
static uint32_t usable(const struct conn *c)
{
	const uint32_t edge = c->snd_una + c->snd_wnd;

	return seq_lt(c->snd_nxt, edge) ? edge - c->snd_nxt : 0;
}

/* A segment that was not full is on its way: Nagle as Minshall has it (appendix A.3). */
static bool has_small(const struct conn *c, const struct work *w)
{
	return w->has_small && seq_lt(c->snd_una, w->small_end);
}

/* Nagle and cork let the last segment leave though it is not full. */
static bool may_be_small(const struct conn *c, const struct work *w)
{
	if (c->flags & CONN_FIN_QUEUED)
		return true;
	return !(c->flags & CONN_CORK) && (c->flags & CONN_NODELAY || !has_small(c, w));
}

/*
 * The sender's part of avoiding silly windows, Nagle and cork (section 3.8.6.2.1, section 3.7.4).
 * @bytes are the most that a segment may have now.
 */
static bool is_worth_it(struct conn *c, struct work *w, uint32_t bytes, uint32_t mss)
{
	const bool is_all = bytes == w->unsent.bytes;

	if (bytes >= mss || (w->loss.tlp_due && bytes > 0))
		return true;
	if (!is_all)
		return bytes > 0 && (bytes >= c->snd_wnd_most / 2 || w->is_overdue);
	if (!(c->flags & CONN_CORK) || c->flags & CONN_FIN_QUEUED)
		return may_be_small(c, w);
	if (w->hold_at_ns == 0)
		w->hold_at_ns = c->stack->now_ns + CORK_NS;
	return w->hold_at_ns <= c->stack->now_ns;
}

/*
 * Bytes a second, 0: as fast as the windows let. Below a round trip of a millisecond there is
 * nothing that a timer could spread.
 */
static uint64_t pace_rate(const struct conn *c, const struct work *w)
{
	if (w->cc.ops->own_recovery)
		return w->cc.pacing_bytes_s;
	return c->srtt_us >= PACED_RTT_US && !c->stack->conf.unpaced ? w->cc.pacing_bytes_s : 0;
}

static bool is_paced(const struct conn *c, const struct work *w)
{
	return pace_rate(c, w) != 0 && c->stack->now_ns < w->pace_at_ns;
}

/* Bytes that may leave at once: a millisecond's worth, or two segments. */
static uint32_t quantum(const struct conn *c, const struct work *w)
{
	const uint64_t rate = pace_rate(c, w);
	const uint64_t ms_bytes = RTE_MIN(rate >> 10, UINT64_C(65536));

	return rate == 0 ? UINT32_MAX : (uint32_t)RTE_MAX(ms_bytes, 2 * (uint64_t)w->cc.mss);
}

static void pace(const struct conn *c, struct work *w, uint32_t sent_bytes)
{
	const uint64_t rate = pace_rate(c, w);

	if (rate != 0 && sent_bytes > 0)
		w->pace_at_ns = c->stack->now_ns + sent_bytes * UINT64_C(1000000000) / rate;
}

/* The FIN behind what is unsent. Without a buffer for it, it is tried again at the next poll. */
static void make_fin(struct conn *c)
{
	struct work *w;

	if (!(c->flags & CONN_FIN_QUEUED) || c->flags & CONN_FIN_MADE ||
	    c->state < TCPS_ESTABLISHED)
		return;
	w = work_get(c);
	if (w == NULL) {
		conn_dirty(c);
		return;
	}
	if (w->unsent.n == 0) {
		struct rte_mbuf *m = new_packet(c->stack);

		if (m == NULL) {
			conn_dirty(c);
			return;
		}
		seg_of(m)->flags = SEG_FIN;
		snd_append(w, m);
	}
	seg_of(w->unsent.tail)->flags |= SEG_FIN;
	c->flags |= CONN_FIN_MADE;
}

/*
 * A peer may shrink its window though it should not (section 3.8.6, MUST-34): Linux does when its
 * buffer overflows. What lies outside now is not sent again, but for the first: that is the probe.
 */
static bool is_inside(const struct conn *c, const struct seg *g)
{
	return g->seq == c->snd_una || seq_le(g->end, c->snd_una + c->snd_wnd);
}

/* @return bytes sent, by reference of *n_left counted; a short buffer ends it. */
static uint32_t send_lost(struct conn *c, struct work *w, unsigned *n_left)
{
	const uint32_t mss = payload_most(c, w);
	uint32_t sent = 0;

	while (*n_left > 0 && sent < quantum(c, w) && loss_room(c, w) > 0) {
		struct rte_mbuf *m = snd_lost(c->stack, w, mss);

		if (m == NULL || !is_inside(c, seg_of(m)))
			break;
		sent += m->pkt_len;
		if (send_segment(c, w, m, mss) == 0) {
			*n_left = 0;
			conn_dirty(c);
			break;
		}
		--*n_left;
	}
	return sent;
}

/*
 * A full segment may leave: how many more are sent as one with it, if who takes it cuts it. As far
 * as windows and pacing go, in whole segments, the last one with them if it may leave short. CWR is
 * said once (RFC 3168 section 6.1.2), so not in what is cut.
 */
static uint32_t lengthen(const struct conn *c, const struct work *w, uint32_t mss, uint32_t most)
{
	uint32_t whole;

	if (!c->cuts || c->flags & CONN_CWR_DUE || w->loss.tlp_due)
		return mss;
	most = RTE_MIN(RTE_MIN(most, LONG_MOST), RTE_MIN(usable(c), w->unsent.bytes));
	if (most <= mss)
		return mss;
	if (most == w->unsent.bytes && may_be_small(c, w))
		return most;
	whole = whole_segments(most, mss);
	return RTE_MAX(whole, mss);
}

static uint32_t send_new(struct conn *c, struct work *w, unsigned *n_left, uint32_t sent)
{
	const uint32_t mss = payload_most(c, w);
	uint32_t more = mtu_probe_more(c, w, mss);

	if (more > 0 && usable(c) < mss + more && w->flight.n > 0)
		return sent; /* a window that is full has room for it soon */
	while (*n_left > 0 && w->unsent.n > 0 && sent < quantum(c, w)) {
		const uint32_t room = loss_room(c, w);
		const uint32_t full = RTE_MIN(usable(c), mss + more);
		uint32_t bytes = RTE_MIN(full, w->unsent.bytes), packets;
		struct rte_mbuf *m;

		if (room == 0 || (room < bytes && w->flight.n > 0)) {
			w->cwnd_limited = true;
			break;
		}
		if (!is_worth_it(c, w, bytes, mss))
			break;
		if (bytes == mss && more == 0)
			bytes = lengthen(
				c, w, mss,
				RTE_MIN(RTE_MIN(room, quantum(c, w) - sent), *n_left * mss));
		m = snd_carve(c->stack, c, w, bytes);
		packets = m == NULL ? 0 : send_segment(c, w, m, mss + more);
		if (packets == 0) {
			conn_dirty(c);
			break;
		}
		if (m->pkt_len > mss && more > 0)
			mtu_sent(c, w, m, m->pkt_len - mss);
		more = 0;
		*n_left -= packets;
		w->is_overdue = false;
		sent += m->pkt_len;
		if (m->pkt_len < packets * mss) {
			w->small_end = c->snd_nxt;
			w->has_small = true;
		}
	}
	return sent;
}

/* Section 3.8.6.1: all is acknowledged, more waits, and the peer has no room for it. */
static void plan_probe(struct conn *c, struct work *w)
{
	const bool wants = w->flight.n == 0 && w->unsent.n > 0 &&
			   usable(c) < RTE_MIN(w->unsent.bytes, (uint32_t)c->mss_out) &&
			   c->state >= TCPS_ESTABLISHED;

	if (!wants) {
		if (w->rtx_kind == RTX_PROBE) {
			w->rtx_kind = RTX_NONE;
			w->rtx_at_ns = 0;
			c->probes = 0;
			c->backoff = 0; /* of the probes, not of what follows */
		}
		return;
	}
	if (w->rtx_kind != RTX_PROBE) {
		w->rtx_kind = RTX_PROBE;
		c->backoff = 0;
		w->rtx_at_ns = c->stack->now_ns + rto_us(c) * UINT64_C(1000);
	}
}

static void send_queued(struct conn *c, struct work *w)
{
	unsigned n_left = OUTPUT_MOST;
	uint32_t sent = 0;

	if (!is_paced(c, w)) {
		if (w->lost_bytes > 0)
			sent = send_lost(c, w, &n_left);
		if (conn_is_open(c) && c->state != TCPS_FIN_WAIT_2)
			sent = send_new(c, w, &n_left, sent);
		pace(c, w, sent);
		if (n_left == 0)
			conn_dirty(c);
	}
	if (w->unsent.n == 0) {
		w->hold_at_ns = 0;
		w->app_limited = w->cwnd_limited ? w->app_limited
						 : w->delivered + snd_flight_bytes(w);
	}
	plan_probe(c, w);
	loss_arm(c, w, c->stack->now_ns);
}

/* Of an ACK: one that the peer takes though it has shrunk its window below what is on its way. */
static uint32_t ack_seq(const struct conn *c)
{
	const uint32_t edge = c->snd_una + c->snd_wnd;

	return c->state >= TCPS_ESTABLISHED && seq_lt(edge, c->snd_nxt) ? edge : c->snd_nxt;
}

bool conn_acknowledge(struct conn *c, uint32_t ack)
{
	return send_bare(c, ack_seq(c), ack, TCP_ACK);
}

/* One SYN was all that was on its way, and what it has told is in struct conn: rest begins now. */
static void rest_after_syn(struct conn *c)
{
	const struct conn_count *n = count_of(c);
	const struct work *w = work_of(c);

	if (n->out_segs == 1 && n->in_segs == 0 && w != NULL && work_is_quiet(w))
		work_put(c);
}

void conn_output(struct conn *c)
{
	struct work *w;

	if (c->state <= TCPS_LISTEN)
		return;
	make_fin(c);
	w = work_of(c);
	if (w != NULL && (w->flight.n > 0 || w->unsent.n > 0))
		send_queued(c, w);
	if (c->flags & CONN_ACK_NOW && c->state >= TCPS_SYN_RECEIVED) {
		if (conn_acknowledge(c, c->rcv_nxt))
			rest_after_syn(c);
		else
			conn_dirty(c);
	}
	conn_arm(c);
}
