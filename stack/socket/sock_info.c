/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What people and programs want to know of connections: TCP_INFO with Linux's meanings, and the
 * table of all sockets, as ss shows it.
 */

#include "tcp_priv.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

/* Linux's numbers of states (tcp_states.h), which TCP_INFO tells. */
static const uint8_t linux_state[] = {
	[TCPS_CLOSED] = TCP_CLOSE,
	[TCPS_LISTEN] = TCP_LISTEN,
	[TCPS_SYN_SENT] = TCP_SYN_SENT,
	[TCPS_SYN_RECEIVED] = TCP_SYN_RECV,
	[TCPS_ESTABLISHED] = TCP_ESTABLISHED,
	[TCPS_FIN_WAIT_1] = TCP_FIN_WAIT1,
	[TCPS_FIN_WAIT_2] = TCP_FIN_WAIT2,
	[TCPS_CLOSE_WAIT] = TCP_CLOSE_WAIT,
	[TCPS_CLOSING] = TCP_CLOSING,
	[TCPS_LAST_ACK] = TCP_LAST_ACK,
};

static const char *const state_name[] = {
	[TCPS_CLOSED] = "UNCONN",
	[TCPS_LISTEN] = "LISTEN",
	[TCPS_SYN_SENT] = "SYN-SENT",
	[TCPS_SYN_RECEIVED] = "SYN-RECV",
	[TCPS_ESTABLISHED] = "ESTAB",
	[TCPS_FIN_WAIT_1] = "FIN-WAIT-1",
	[TCPS_FIN_WAIT_2] = "FIN-WAIT-2",
	[TCPS_CLOSE_WAIT] = "CLOSE-WAIT",
	[TCPS_CLOSING] = "CLOSING",
	[TCPS_LAST_ACK] = "LAST-ACK",
	[TCPS_FREE] = "",
};

static uint32_t ms_since(const struct conn *c, uint32_t tick)
{
	return (uint32_t)(((uint64_t)(tick_of(c->stack->now_ns) - tick) << 20) / 1000000);
}

/* A SYN's data were taken by who got it. */
static bool has_syn_data(const struct conn *c)
{
	return c->flags & CONN_FASTOPEN &&
	       (c->state >= TCPS_ESTABLISHED || count_of(c)->in_bytes > 0);
}

static uint8_t info_options(const struct conn *c)
{
	return (uint8_t)((c->flags & CONN_STAMPS ? TCPI_OPT_TIMESTAMPS : 0) |
			 (c->flags & CONN_SACK ? TCPI_OPT_SACK : 0) |
			 (c->flags & CONN_SCALE ? TCPI_OPT_WSCALE : 0) |
			 (c->flags & CONN_ECN ? TCPI_OPT_ECN : 0) |
			 (has_syn_data(c) ? TCPI_OPT_SYN_DATA : 0));
}

/* In segments; none yet is Linux's TCP_INFINITE_SSTHRESH. */
static uint32_t ssthresh(uint32_t bytes, uint32_t mss)
{
	return bytes == UINT32_MAX ? INT32_MAX : bytes / mss;
}

static void info_of_work(const struct conn *c, const struct work *w, struct tcp_info *i)
{
	const uint32_t mss = RTE_MAX((uint32_t)c->mss_out, 1u);

	i->tcpi_snd_cwnd = w->cc.cwnd_bytes / mss;
	i->tcpi_snd_ssthresh = ssthresh(w->cc.ssthresh_bytes, mss);
	/* a long one is as many as the port makes of it */
	i->tcpi_unacked = RTE_MAX(w->flight.n, (w->flight.bytes + mss - 1) / mss);
	i->tcpi_sacked = w->sacked_bytes / mss;
	i->tcpi_lost = w->lost_bytes / mss;
	i->tcpi_retrans = w->resent_bytes / mss;
	switch (w->loss.state) {
	case REC_FAST:
		i->tcpi_ca_state = TCP_CA_Recovery;
		break;
	case REC_TIMEOUT:
		i->tcpi_ca_state = TCP_CA_Loss;
		break;
	case REC_CWR:
		i->tcpi_ca_state = TCP_CA_CWR;
		break;
	default:
		i->tcpi_ca_state = w->sacked_bytes > 0 ? TCP_CA_Disorder : TCP_CA_Open;
	}
}

void conn_info(const struct conn *c, struct tcp_info *i)
{
	const struct work *w = work_of(c);
	const struct conn_count *n = count_of(c);
	const struct weir_addr peer = weir_addr_of(c->ends.peer, c->flags & CONN_V6 ? 6 : 4);

	*i = (struct tcp_info){
		.tcpi_state = linux_state[c->state],
		.tcpi_retransmits = c->backoff,
		.tcpi_probes = c->probes,
		.tcpi_backoff = c->backoff,
		.tcpi_options = info_options(c),
		.tcpi_snd_wscale = c->scale_out & 0xf,
		.tcpi_rcv_wscale = c->scale_in & 0xf,
		.tcpi_rto = rto_us(c),
		.tcpi_ato = DELAYED_ACK_NS / 1000,
		.tcpi_snd_mss = c->mss_out,
		.tcpi_rcv_mss = c->mss_in,
		.tcpi_last_data_recv = ms_since(c, n->data_tick),
		.tcpi_last_ack_recv = ms_since(c, c->heard_tick),
		.tcpi_pmtu = ip_mtu(c->stack, &peer),
		.tcpi_rcv_ssthresh = c->rcvbuf,
		.tcpi_rtt = c->srtt_us,
		.tcpi_rttvar = c->rttvar_us,
		.tcpi_snd_ssthresh = ssthresh(c->ssthresh, RTE_MAX((uint32_t)c->mss_out, 1u)),
		.tcpi_snd_cwnd = 10,
		.tcpi_advmss = c->mss_in,
		.tcpi_rcv_space = c->rcvbuf,
		.tcpi_total_retrans = n->resent_segs,
	};
	if (w != NULL)
		info_of_work(c, w, i);
}

/* ---- ends ---- */

struct weir_endpoint conn_ours(const struct conn *c)
{
	const struct port *p = port_of(c);

	if (p != NULL)
		return p->at;
	return (struct weir_endpoint){
		.addr = weir_addr_of(c->ends.ours, c->flags & CONN_V6 ? 6 : 4),
		.port = ntohs(c->ends.our_port)};
}

struct weir_endpoint conn_peer(const struct conn *c)
{
	return (struct weir_endpoint){
		.addr = weir_addr_of(c->ends.peer, c->flags & CONN_V6 ? 6 : 4),
		.port = ntohs(c->ends.peer_port)};
}

uint64_t weir_sock_active_ns(struct weir_stack *s, weir_sock sock)
{
	const struct conn *c = conn_by(s, sock);
	const uint32_t now = tick_of(s->now_ns);
	const struct conn_count *n;
	uint32_t ticks;

	if (c == NULL)
		return 0;
	n = count_of(c);
	ticks = RTE_MIN(now - n->began_tick, RTE_MIN(now - n->data_tick, now - n->acked_tick));
	return ((s->now_ns >> 20) - ticks) << 20;
}

/* ---- the table of all ---- */

static void look_at_conn(const struct conn *c, struct weir_sock_info *out)
{
	const struct work *w = work_of(c);
	const struct port *p = port_of(c);

	*out = (struct weir_sock_info){
		.sock = c->flags & CONN_ORPHAN ? WEIR_NO_SOCK : conn_handle(c),
		.user = c->flags & CONN_ORPHAN ? NULL : c->user,
		.type = WEIR_TCP,
		.state = state_name[c->state],
		.ours = conn_ours(c),
		.age_ns = (uint64_t)(tick_of(c->stack->now_ns) - count_of(c)->began_tick) << 20,
		.quiet_ns = (uint64_t)(tick_of(c->stack->now_ns) - c->heard_tick) << 20,
	};
	if (c->ends.peer_port != 0)
		out->peer = conn_peer(c);
	if (p != NULL) {
		out->in_bytes = p->n_waiting;
		out->out_bytes = p->backlog;
	}
	if (w != NULL) {
		out->in_bytes = w->ready.bytes;
		out->out_bytes = w->flight.bytes + w->unsent.bytes;
	}
}

static void look_at_small(const struct ends *e, bool v6, const char *state,
			  struct weir_sock_info *out)
{
	*out = (struct weir_sock_info){
		.type = WEIR_TCP,
		.state = state,
		.ours = {weir_addr_of(e->ours, v6 ? 6 : 4), ntohs(e->our_port)},
		.peer = {weir_addr_of(e->peer, v6 ? 6 : 4), ntohs(e->peer_port)},
	};
}

/* Place @at in the row of sockets, connections, half-open ones and TIME-WAIT. False: nobody's. */
static bool look_at(struct weir_stack *s, uint64_t at, struct weir_sock_info *out)
{
	const struct tcp *t = s->tcp;

	if (at < s->conf.sockets)
		return sock_look(s, (uint32_t)at, out);
	at -= s->conf.sockets;
	if (at < t->conn_touched) {
		if (t->conns[at].state == TCPS_FREE)
			return false;
		look_at_conn(&t->conns[at], out);
		return true;
	}
	return false;
}

/* The lists are followed by their lines' numbers: a line that nobody uses has no ends. */
static bool look_at_line(const union small *line, bool is_wait, struct weir_sock_info *out)
{
	if (line->ends.our_port == 0)
		return false;
	look_at_small(&line->ends,
		      is_wait ? line->time_wait.v6 : (line->half_open.flags & HALF_V6) != 0,
		      is_wait ? "TIME-WAIT" : "SYN-RECV", out);
	return true;
}

uint16_t weir_sock_walk(struct weir_stack *s, uint64_t *at, struct weir_sock_info *out,
			uint16_t most)
{
	const struct tcp *t = s->tcp;
	const uint64_t conns = s->conf.sockets + (t == NULL ? 0 : t->conn_touched);
	const uint64_t halves = conns + (t == NULL ? 0 : t->half_open.touched);
	const uint64_t all = halves + (t == NULL ? 0 : t->time_wait.touched);
	uint16_t n = 0;

	for (; *at < all && n < most; ++*at) {
		if (*at < conns)
			n += look_at(s, *at, &out[n]);
		else if (*at < halves)
			n += look_at_line(&t->half_open.at[*at - conns], false, &out[n]);
		else
			n += look_at_line(&t->time_wait.at[*at - halves], true, &out[n]);
	}
	if (*at >= all)
		*at = UINT64_MAX;
	return n;
}
