/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * synproxy_open: the handshake with a client, and the first packet to its server. See
 * synproxy_priv.h; <weir/syn_cookie.h> has what is kept in which number.
 */

#include "synproxy_priv.h"

#include <weir/tracker.h>

/* What a host takes that says nothing (RFC 9293 section 3.7.1, RFC 8200 section 5). */
#define MSS4_DEFAULT 536
#define MSS6_DEFAULT 1220
/* An IPv6 header is longer by so much. */
#define MSS6_LESS 20

#define NS_PER_MS 1000000

#define ECN_FLAGS (RTE_TCP_ECE_FLAG | RTE_TCP_CWR_FLAG)

/* A segment without data. */
union head {
	struct rte_tcp_hdr tcp;
	uint8_t bytes[TCP_HEAD_MAX];
};

static bool is_ip4(struct rte_mbuf *m)
{
	return weir_meta(m)->flags & WEIR_META_IP4;
}

uint8_t *synproxy_option(uint8_t **at, const uint8_t *end)
{
	while (end - *at >= 1 && **at != 0) { /* 0 ends the options */
		uint8_t *o = *at;

		if (*o == TCPOPT_FILL) {
			(*at)++;
			continue;
		}
		if (end - o < 2 || o[1] < 2 || o[1] > end - o)
			return NULL;
		*at += o[1];
		return o;
	}
	return NULL;
}

static uint16_t take16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t take32(const uint8_t *at)
{
	return (uint32_t)take16(at) << 16 | take16(at + 2);
}

static void put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void put32(uint8_t *at, uint32_t v)
{
	put16(at, (uint16_t)(v >> 16));
	put16(at + 2, (uint16_t)v);
}

void synproxy_read_options(struct rte_mbuf *m, struct weir_syn_offer *o)
{
	struct rte_tcp_hdr *tcp = l4(m);
	uint8_t *at = (uint8_t *)(tcp + 1), *option;
	const uint8_t *end = (uint8_t *)tcp + (tcp->data_off >> 4 << 2);

	*o = (struct weir_syn_offer){.mss = is_ip4(m) ? MSS4_DEFAULT : MSS6_DEFAULT,
				     .wscale = WEIR_SYN_NO_WSCALE};
	while ((option = synproxy_option(&at, end)) != NULL) {
		const uint8_t kind = option[0], len = option[1];

		if (kind == TCPOPT_MSS && len == 4) {
			o->mss = take16(option + 2);
		} else if (kind == TCPOPT_WSCALE && len == 3) {
			o->wscale = RTE_MIN(option[2], WEIR_SYN_WSCALE_MAX);
		} else if (kind == TCPOPT_SACK_OK && len == 2) {
			o->sack = true;
		} else if (kind == TCPOPT_STAMPS && len == TCPOPT_STAMPS_LEN) {
			o->timestamps = true;
			o->ts_value = take32(option + 2);
			o->ts_echo = take32(option + 6);
		}
	}
}

void synproxy_put_stamps(uint8_t *at, const struct weir_syn_offer *o)
{
	memset(at, TCPOPT_FILL, 2);
	at[2] = TCPOPT_STAMPS;
	at[3] = TCPOPT_STAMPS_LEN;
	put32(at + 4, o->ts_value);
	put32(at + 8, o->ts_echo);
}

uint16_t synproxy_window(uint16_t window, int shift)
{
	if (shift >= 0)
		return (uint16_t)RTE_MIN((uint32_t)window << shift, (uint32_t)UINT16_MAX);
	return (uint16_t)RTE_MAX(window >> -shift, window != 0);
}

/* The options of a SYN or SYN-ACK, in the order in which Linux has them; the header's bytes. */
static uint16_t put_options(union head *h, const struct weir_syn_offer *o)
{
	uint8_t *at = (uint8_t *)(&h->tcp + 1);

	at[0] = TCPOPT_MSS;
	at[1] = 4;
	put16(at + 2, o->mss);
	at += 4;
	if (o->timestamps) {
		synproxy_put_stamps(at, o);
		if (o->sack) {
			at[0] = TCPOPT_SACK_OK;
			at[1] = 2;
		}
		at += 12;
	}
	if (o->wscale != WEIR_SYN_NO_WSCALE) {
		at[0] = TCPOPT_FILL;
		at[1] = TCPOPT_WSCALE;
		at[2] = 3;
		at[3] = o->wscale;
		at += 4;
	}
	h->tcp.data_off = (uint8_t)((at - h->bytes) / 4 << 4);
	return (uint16_t)(at - h->bytes);
}

/* What of a client's offer we take, and say ourselves. */
static void agree(const struct weir_synproxy *conf, uint64_t now_ns, bool v4,
		  struct weir_syn_offer *o)
{
	const uint32_t its = o->ts_value;

	o->timestamps = o->timestamps && conf->timestamps;
	if (!o->timestamps)
		*o = (struct weir_syn_offer){.wscale = WEIR_SYN_NO_WSCALE};
	o->sack = o->sack && conf->sack;
	o->ecn = o->ecn && conf->ecn;
	o->ts_value = weir_syn_stamp_make(o, (uint32_t)(now_ns / NS_PER_MS));
	o->ts_echo = its;
	if (o->wscale != WEIR_SYN_NO_WSCALE)
		o->wscale = conf->wscale;
	o->mss = (uint16_t)(conf->mss - (v4 ? 0 : MSS6_LESS));
}

/* Whom a segment may be sent to (RFC 1122 section 4.2.3.10). */
static bool is_to_one_host(struct rte_mbuf *m, const struct weir_iface *f)
{
	return is_ip4(m) ? icmp_is_host4(f, ip4(m)->src_addr) : icmp_is_host6(ip6_src(ip6(m)));
}

void synproxy_answer(const struct weir_syn_cookies *c, struct weir_shard *s,
		     const struct weir_pass *pass, const struct weir_tuple *t, struct rte_mbuf *m)
{
	const struct weir_iface *f = icmp_iface(pass->gen->l3, m);
	const struct rte_tcp_hdr *syn = l4(m);
	const uint32_t client_seq = rte_be_to_cpu_32(syn->sent_seq);
	struct weir_syn_offer o;
	union head h;
	uint32_t cookie;

	if (f == NULL || !is_to_one_host(m, f))
		return;
	synproxy_read_options(m, &o);
	o.ecn = (syn->tcp_flags & ECN_FLAGS) == ECN_FLAGS;
	cookie = weir_syn_cookie_make(c, t, client_seq, o.mss);
	agree(&pass->gen->policy->synproxy, pass->now_ns, is_ip4(m), &o);
	h.tcp = (struct rte_tcp_hdr){
		.src_port = syn->dst_port,
		.dst_port = syn->src_port,
		.sent_seq = rte_cpu_to_be_32(cookie),
		.recv_ack = rte_cpu_to_be_32(client_seq + 1),
		.tcp_flags = RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG | (o.ecn ? RTE_TCP_ECE_FLAG : 0),
	};
	if (tcp_answer(s, f, m, &h.tcp, put_options(&h, &o)))
		weir_count(&s->tracker->synproxy.answered, 1);
}

/* What a client offered in its SYN, by the numbers that it sends back to us. */
static void read_kept(struct rte_mbuf *m, uint32_t cookie, struct weir_syn_offer *o)
{
	synproxy_read_options(m, o);
	o->mss = weir_syn_cookie_mss(cookie);
	o->wscale = WEIR_SYN_NO_WSCALE;
	if (o->timestamps)
		weir_syn_stamp_read(o->ts_echo, o);
}

static int shift_of(const struct weir_syn_offer *o)
{
	return o->wscale == WEIR_SYN_NO_WSCALE ? 0 : o->wscale;
}

static enum weir_syn_cookie check(const struct weir_syn_cookies *c, const struct weir_tuple *t,
				  const struct weir_flow_segment *seg, uint32_t *client_seq)
{
	enum weir_syn_cookie worth;
	uint16_t mss;

	*client_seq = seg->seq - 1;
	worth = weir_syn_cookie_check(c, t, *client_seq, seg->ack - 1, &mss);
	if (worth != WEIR_SYN_COOKIE_WRONG || seg->payload_bytes > 1)
		return worth;
	/* A probe of the closed window stands one before what is next (RFC 9293 section 3.8.4). */
	*client_seq = seg->seq;
	return weir_syn_cookie_check(c, t, *client_seq, seg->ack - 1, &mss);
}

enum weir_syn_cookie synproxy_check(const struct weir_syn_cookies *c, const struct weir_tuple *t,
				    struct rte_mbuf *m, struct weir_flow_segment *seg)
{
	struct weir_syn_offer o;
	uint32_t client_seq;
	const enum weir_syn_cookie worth = check(c, t, seg, &client_seq);

	if (worth != WEIR_SYN_COOKIE_GOOD)
		return worth;
	read_kept(m, seg->ack - 1, &o);
	*seg = (struct weir_flow_segment){
		.seq = client_seq,
		.window = synproxy_window(seg->window, shift_of(&o)),
		.flags = RTE_TCP_SYN_FLAG,
		.wscale = o.wscale == WEIR_SYN_NO_WSCALE ? -1 : (int8_t)o.wscale,
	};
	return worth;
}

bool synproxy_begin(struct weir_flow_table *t, struct weir_flow *f,
		    const struct weir_synproxy *conf, struct rte_mbuf *m)
{
	const struct rte_tcp_hdr *tcp = l4(m);
	struct weir_flow_ext *x = weir_flow_extend(t, f);
	struct weir_syn_offer o;

	if (x == NULL)
		return false;
	x->isn = rte_be_to_cpu_32(tcp->recv_ack) - 1;
	read_kept(m, x->isn, &o);
	x->stamped = o.timestamps;
	x->ts_delta = o.ts_echo;
	if (o.wscale != WEIR_SYN_NO_WSCALE) {
		x->shift[WEIR_DIR_ORIG] = (int8_t)o.wscale;
		x->shift[WEIR_DIR_REPLY] = (int8_t)-conf->wscale;
	}
	f->flags |= WEIR_FLOW_SYNPROXY;
	return true;
}

/* A segment without data in the place of the one that is there. */
static bool put_segment(struct rte_mbuf *m, const union head *h, uint16_t bytes)
{
	const struct weir_meta *meta = weir_meta(m);
	const uint16_t end = (uint16_t)(meta->l4_off + bytes);
	const uint16_t ip_bytes = (uint16_t)(end - meta->l3_off);
	struct rte_tcp_hdr *tcp = l4(m);
	uint32_t sum;

	if (end > m->buf_len - m->data_off)
		return false;
	rte_pktmbuf_free(m->next);
	m->next = NULL;
	m->nb_segs = 1;
	m->data_len = end;
	m->pkt_len = end;
	m->ol_flags &= ~(uint64_t)WEIR_OFFLOAD_TX;
	memcpy(tcp, h, bytes);
	if (is_ip4(m)) {
		struct rte_ipv4_hdr *ip = ip4(m);

		ip->total_length = rte_cpu_to_be_16(ip_bytes);
		ip->hdr_checksum = 0;
		ip->hdr_checksum = weir_csum(ip, rte_ipv4_hdr_len(ip));
		sum = weir_csum_pseudo4(ip->src_addr, ip->dst_addr, IPPROTO_TCP, bytes);
	} else {
		struct rte_ipv6_hdr *ip = ip6(m);

		ip->payload_len = rte_cpu_to_be_16((uint16_t)(ip_bytes - sizeof(*ip)));
		sum = weir_csum_pseudo6(ip6_src(ip), ip6_dst(ip), IPPROTO_TCP, bytes);
	}
	tcp->cksum = weir_csum_finish(weir_csum_add(sum, weir_csum_sum(tcp, bytes)));
	return true;
}

bool synproxy_become_syn(struct rte_mbuf *m, const struct weir_flow *f,
			 const struct weir_flow_ext *x)
{
	const struct rte_tcp_hdr *tcp = l4(m);
	struct weir_syn_offer o;
	union head h;

	read_kept(m, x->isn, &o);
	o.ts_echo = 0; /* the server has none yet */
	h.tcp = (struct rte_tcp_hdr){
		.src_port = tcp->src_port,
		.dst_port = tcp->dst_port,
		.sent_seq = rte_cpu_to_be_32(f->peer[WEIR_DIR_ORIG].acked - 1),
		.tcp_flags = RTE_TCP_SYN_FLAG | (o.ecn ? ECN_FLAGS : 0),
		.rx_win = rte_cpu_to_be_16(
			synproxy_window(rte_be_to_cpu_16(tcp->rx_win), shift_of(&o))),
	};
	return put_segment(m, &h, put_options(&h, &o));
}
