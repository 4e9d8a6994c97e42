/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * synproxy: flows whose client has shaken hands with us. See synproxy_priv.h.
 *
 * A flow's struct weir_flow_ext says whether its server has answered, and by how much its numbers
 * are ahead of those that the client was given. The client's own numbers stay as they are.
 */

#include "synproxy_priv.h"

#include <weir/tracker.h>

#include "rewrite_priv.h"
#include "tables/flow_plain_priv.h"

/* A client's packet while its server has not answered: the SYN once more, or the end. */
static enum weir_flow_tcp track_waiting(struct rte_mbuf *m, struct weir_flow *f,
					const struct weir_flow_ext *x,
					struct weir_flow_segment *seg, enum weir_flow_class *cls)
{
	const struct rte_tcp_hdr *tcp = l4(m);
	enum weir_flow_tcp verdict;

	if (seg->flags & RTE_TCP_SYN_FLAG)
		return WEIR_FLOW_TCP_RENEW; /* to be answered with a cookie, as the first one */
	if (seg->flags & RTE_TCP_RST_FLAG) {
		seg->flags = RTE_TCP_RST_FLAG; /* what it acknowledges is ours */
		verdict = weir_flow_tcp(f, WEIR_DIR_ORIG, seg, false, cls);
		return verdict == WEIR_FLOW_TCP_OK ? verdict : WEIR_FLOW_TCP_INVALID;
	}
	if (!(seg->flags & RTE_TCP_ACK_FLAG) || seg->ack != x->isn + 1)
		return WEIR_FLOW_TCP_INVALID;
	*seg = (struct weir_flow_segment){
		.seq = f->peer[WEIR_DIR_ORIG].acked - 1,
		.window = synproxy_window(rte_be_to_cpu_16(tcp->rx_win), x->shift[WEIR_DIR_ORIG]),
		.flags = RTE_TCP_SYN_FLAG,
		.wscale = (f->wscale & 15) == 15 ? -1 : (int8_t)(f->wscale & 15),
	};
	return weir_flow_tcp(f, WEIR_DIR_ORIG, seg, false, cls);
}

/* The server's SYN-ACK: by how much it is ahead, and the connection is established, for 50_nat
 * acknowledges it. */
static enum weir_flow_tcp learn(struct rte_mbuf *m, struct weir_flow *f, struct weir_flow_ext *x,
				const struct weir_flow_segment *seg, enum weir_flow_class *cls)
{
	const struct weir_flow_segment ack = {.seq = seg->ack,
					      .ack = seg->seq + 1,
					      .window = f->peer[WEIR_DIR_ORIG].max_window,
					      .flags = RTE_TCP_ACK_FLAG,
					      .wscale = -1};
	struct weir_syn_offer o;

	synproxy_read_options(m, &o);
	x->answered = true;
	x->seq_delta = seg->seq - x->isn;
	x->stamped = x->stamped && o.timestamps;
	x->ts_delta = o.ts_value - x->ts_delta;
	x->shift[WEIR_DIR_REPLY] += (int8_t)flow_plain_shift(f->wscale, WEIR_DIR_REPLY);
	if (o.wscale != WEIR_SYN_NO_WSCALE)
		x->shift[WEIR_DIR_ORIG] = 0;
	return weir_flow_tcp(f, WEIR_DIR_ORIG, &ack, false, cls);
}

/* What the server says to the SYN. */
static enum weir_flow_tcp track_answer(struct weir_tracker *t, struct rte_mbuf *m,
				       struct weir_flow *f, struct weir_flow_ext *x,
				       const struct weir_flow_segment *seg,
				       enum weir_flow_class *cls)
{
	const uint8_t synack = RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG;
	enum weir_flow_tcp verdict;

	if ((seg->flags & synack) == RTE_TCP_SYN_FLAG)
		return WEIR_FLOW_TCP_INVALID; /* nobody opens at the same time */
	verdict = weir_flow_tcp(f, WEIR_DIR_REPLY, seg, false, cls);
	if (verdict != WEIR_FLOW_TCP_OK)
		return verdict; /* 50_nat resets what is of an older connection */
	weir_count(&t->synproxy.opened, 1);
	if (!(seg->flags & RTE_TCP_RST_FLAG))
		return learn(m, f, x, seg, cls);
	/* The client believes a reset only with the number that is next (RFC 5961 section 3.2). */
	x->answered = true;
	x->stamped = false;
	x->seq_delta = seg->seq - (x->isn + 1);
	return verdict;
}

enum weir_flow_tcp synproxy_track(struct weir_tracker *t, struct rte_mbuf *m, struct weir_flow *f,
				  enum weir_dir dir, struct weir_flow_segment *seg,
				  enum weir_flow_class *cls)
{
	struct weir_flow_ext *x = weir_flow_ext(t->flows, f);

	if (!x->answered)
		return dir == WEIR_DIR_ORIG ? track_waiting(m, f, x, seg, cls)
					    : track_answer(t, m, f, x, seg, cls);
	if (dir == WEIR_DIR_ORIG) {
		seg->ack += x->seq_delta;
		seg->window = synproxy_window(seg->window, x->shift[dir]);
	}
	return weir_flow_tcp(f, dir, seg, false, cls);
}

static void add32(void *at, uint32_t n)
{
	rte_be32_t be;

	memcpy(&be, at, sizeof(be));
	be = rte_cpu_to_be_32(rte_be_to_cpu_32(be) + n);
	memcpy(at, &be, sizeof(be));
}

/* What of the options is a number of the server's. */
static void move_options(struct rte_tcp_hdr *tcp, const struct weir_flow_ext *x, enum weir_dir dir)
{
	uint8_t *at = (uint8_t *)(tcp + 1), *o;
	const uint8_t *end = (uint8_t *)tcp + (tcp->data_off >> 4 << 2);

	while ((o = synproxy_option(&at, end)) != NULL) {
		if (o[0] == TCPOPT_STAMPS && o[1] == TCPOPT_STAMPS_LEN && x->stamped) {
			if (dir == WEIR_DIR_REPLY)
				add32(o + 2, -x->ts_delta);
			else if (tcp->tcp_flags & RTE_TCP_ACK_FLAG)
				add32(o + 6, x->ts_delta);
		} else if (o[0] == TCPOPT_SACK && dir == WEIR_DIR_ORIG) {
			for (unsigned i = 2; i + 4 <= o[1]; i += 4)
				add32(o + i, x->seq_delta);
		}
	}
}

/* The server's SYN-ACK without what only a SYN has: it opens the window that was closed. */
static void become_update(struct rte_tcp_hdr *tcp, const struct weir_flow *f,
			  const struct weir_flow_ext *x)
{
	const int shift =
		x->shift[WEIR_DIR_REPLY] - (int)flow_plain_shift(f->wscale, WEIR_DIR_REPLY);
	uint8_t *at = (uint8_t *)(tcp + 1), *o;
	const uint8_t *end = (uint8_t *)tcp + (tcp->data_off >> 4 << 2);

	tcp->tcp_flags = RTE_TCP_ACK_FLAG;
	add32(&tcp->sent_seq, 1);
	tcp->rx_win = rte_cpu_to_be_16(synproxy_window(rte_be_to_cpu_16(tcp->rx_win), shift));
	while ((o = synproxy_option(&at, end)) != NULL)
		if (o[0] != TCPOPT_STAMPS || !x->stamped)
			memset(o, TCPOPT_FILL, o[1]);
}

/* All numbers of a packet in its receiver's terms. */
static void move_numbers(struct rte_tcp_hdr *tcp, const struct weir_flow_ext *x, enum weir_dir dir)
{
	if (dir == WEIR_DIR_REPLY)
		add32(&tcp->sent_seq, -x->seq_delta);
	else if (tcp->tcp_flags & RTE_TCP_ACK_FLAG)
		add32(&tcp->recv_ack, x->seq_delta);
	move_options(tcp, x, dir);
}

/* A segment to the server, whose packet it answers. */
static void tell_server(struct weir_shard *s, const struct weir_pass *pass, struct rte_mbuf *m,
			const struct weir_flow *f, bool reset)
{
	const struct weir_iface *iface = icmp_iface(pass->gen->l3, m);
	const struct rte_tcp_hdr *tcp = l4(m);
	const struct weir_flow_ext *x = weir_flow_ext(s->tracker->flows, f);
	struct {
		struct rte_tcp_hdr tcp;
		uint8_t stamps[12];
	} h = {.tcp = {.src_port = tcp->dst_port,
		       .dst_port = tcp->src_port,
		       .sent_seq = tcp->recv_ack,
		       .tcp_flags = reset ? RTE_TCP_RST_FLAG : RTE_TCP_ACK_FLAG,
		       .data_off = sizeof(h.tcp) / 4 << 4}};
	uint16_t bytes = sizeof(h.tcp);
	struct weir_syn_offer o;

	if (iface == NULL)
		return;
	if (!reset) {
		h.tcp.recv_ack = tcp->sent_seq;
		add32(&h.tcp.recv_ack, 1);
		h.tcp.rx_win = rte_cpu_to_be_16(f->peer[WEIR_DIR_ORIG].max_window);
	}
	if (!reset && x->stamped) {
		synproxy_read_options(m, &o);
		o = (struct weir_syn_offer){.ts_value = o.ts_echo, .ts_echo = o.ts_value};
		synproxy_put_stamps(h.stamps, &o);
		bytes = sizeof(h);
		h.tcp.data_off = sizeof(h) / 4 << 4;
	}
	(void)tcp_answer(s, iface, m, &h.tcp, bytes); /* else it sends its SYN-ACK again */
}

/* The checksum after the header has changed; not if the port makes it. */
static void mend_csum(struct rte_mbuf *m, struct rte_tcp_hdr *tcp, uint32_t was)
{
	const uint32_t is = weir_csum_sum(tcp, tcp->data_off >> 4 << 2);

	if (!(m->ol_flags & RTE_MBUF_F_TX_L4_MASK))
		tcp->cksum = weir_csum_apply(tcp->cksum, weir_csum_change32(was, is));
}

enum weir_drop synproxy_rewrite(struct weir_shard *s, const struct weir_pass *pass,
				struct rte_mbuf *m, const struct weir_flow *f, enum weir_dir dir)
{
	const uint8_t synack = RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG;
	const struct weir_flow_ext *x = weir_flow_ext(s->tracker->flows, f);
	struct rte_tcp_hdr *tcp = l4(m);
	const uint32_t was = weir_csum_sum(tcp, tcp->data_off >> 4 << 2);
	const uint32_t seq = rte_be_to_cpu_32(tcp->sent_seq);

	if (!x->answered && dir == WEIR_DIR_REPLY) { /* an ACK (RFC 9293 section 3.10.7.3) */
		tell_server(s, pass, m, f, true);
		return WEIR_DROP_SYNPROXY_DONE;
	}
	weir_meta(m)->flags |= WEIR_META_REWRITTEN;
	if (!x->answered && !(tcp->tcp_flags & RTE_TCP_RST_FLAG))
		return synproxy_become_syn(m, f, x) ? WEIR_DROP_NONE : WEIR_DROP_HEADROOM;
	if (!x->answered) {
		tcp->tcp_flags = RTE_TCP_RST_FLAG;
		tcp->recv_ack = 0;
	} else if (dir == WEIR_DIR_REPLY && (tcp->tcp_flags & synack) == synack &&
		   seq == x->isn + x->seq_delta) {
		tell_server(s, pass, m, f, false);
		become_update(tcp, f, x);
		move_numbers(tcp, x, dir);
	} else {
		if (x->shift[dir] != 0)
			tcp->rx_win = rte_cpu_to_be_16(
				synproxy_window(rte_be_to_cpu_16(tcp->rx_win), x->shift[dir]));
		move_numbers(tcp, x, dir);
	}
	mend_csum(m, tcp, was);
	return WEIR_DROP_NONE;
}

void synproxy_rewrite_error(const struct weir_flow_ext *x, enum weir_dir dir, struct rte_mbuf *m)
{
	struct icmp_head *icmp;
	uint32_t was, is;
	struct quote q;
	uint8_t *seq;

	/* It goes against what it quotes; the client's own numbers need no change. */
	if (dir == WEIR_DIR_REPLY || !x->answered || !quote_find(m, &q))
		return;
	icmp = l4(m);
	seq = rte_pktmbuf_mtod_offset(m, uint8_t *,
				      q.l4_off + offsetof(struct rte_tcp_hdr, sent_seq));
	memcpy(&was, seq, sizeof(was));
	add32(seq, x->seq_delta);
	memcpy(&is, seq, sizeof(is));
	icmp->csum = weir_csum_update32(icmp->csum, was, is);
}

void synproxy_put_back(const struct weir_flow_ext *x, enum weir_dir dir, struct rte_mbuf *m)
{
	struct rte_tcp_hdr *tcp = l4(m);
	uint32_t was;

	if (dir == WEIR_DIR_ORIG)
		return;
	was = weir_csum_sum(tcp, sizeof(*tcp));
	add32(&tcp->sent_seq, x->seq_delta);
	if (!(m->ol_flags & RTE_MBUF_F_TX_L4_MASK))
		tcp->cksum = weir_csum_apply(
			tcp->cksum, weir_csum_change32(was, weir_csum_sum(tcp, sizeof(*tcp))));
}
