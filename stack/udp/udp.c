/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * UDP in (RFC 768, RFC 1122 section 4.1). Payload stays where it came: what is received is the
 * packet itself without its headers.
 */

#include "stack_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>

#define UDP_BYTES ((uint32_t)sizeof(struct udphdr))

/* Where a packet goes to, and where it comes from. Headers are whole and in the first segment. */
static void ends_of(const struct rte_mbuf *m, struct weir_endpoint *from, struct weir_endpoint *to)
{
	const struct weir_meta *meta = weir_meta((struct rte_mbuf *)(uintptr_t)m);
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, meta->l3_off);
	const struct udphdr *udp = rte_pktmbuf_mtod_offset(m, const struct udphdr *, meta->l4_off);

	if (meta->flags & WEIR_META_IP4) {
		from->addr = weir_addr_of(ip + offsetof(struct iphdr, saddr), 4);
		to->addr = weir_addr_of(ip + offsetof(struct iphdr, daddr), 4);
	} else {
		from->addr = weir_addr_of(ip + offsetof(struct ip6_hdr, ip6_src), 6);
		to->addr = weir_addr_of(ip + offsetof(struct ip6_hdr, ip6_dst), 6);
	}
	from->port = ntohs(udp->source);
	to->port = ntohs(udp->dest);
}

/* Padding, or more than RFC 768's length says. */
bool udp_trim(struct weir_stack *s, struct rte_mbuf *m)
{
	const uint16_t off = weir_meta(m)->l4_off;
	const uint32_t says = ntohs(rte_pktmbuf_mtod_offset(m, struct udphdr *, off)->len);

	if (says < UDP_BYTES || off + says > m->pkt_len) {
		stack_count(&s->stats.udp_bad, 1);
		rte_pktmbuf_free(m);
		return false;
	}
	pkt_keep(m, off + says);
	return true;
}

void udp_give(struct weir_stack *s, struct sock *k, struct rte_mbuf *m)
{
	if (k->in.n == s->conf.socket_pkts) {
		stack_count(&s->stats.udp_full, 1);
		rte_pktmbuf_free(m);
		return;
	}
	stack_count(&s->stats.udp_in, 1);
	stack_count(&s->stats.udp_in_bytes, m->pkt_len - weir_meta(m)->l4_off - UDP_BYTES);
	pkt_put(&k->in, m);
	sock_is_ready(s, k);
}

/* It was not sent to an address of one of us. */
static bool is_for_many(const struct rte_mbuf *m, const struct weir_endpoint *to)
{
	const struct weir_meta *meta = weir_meta((struct rte_mbuf *)(uintptr_t)m);

	return meta->flags & WEIR_META_BROADCAST || addr_is_group(&to->addr);
}

bool udp_input(struct weir_stack *s, struct rte_mbuf *m)
{
	struct weir_endpoint from, to;
	struct sock *k;

	ends_of(m, &from, &to);
	if (unlikely(is_for_many(m, &to)))
		return udp_input_many(s, m, &from, &to);
	k = sock_find(s, &to, &from);
	if (k == NULL)
		return false;
	if (udp_trim(s, m))
		udp_give(s, k, m);
	return true;
}

int weir_udp_open(struct weir_stack *s, const struct weir_endpoint *at, void *user, weir_sock *out)
{
	int rc;

	if (at->port == 0)
		return -EINVAL;
	if (!udp_may_bind(s, at, 0))
		return -EADDRINUSE;
	rc = sock_new(s, user, out);
	return rc == 0 ? sock_bind(s, sock_of(s, *out), at) : rc;
}

static uint8_t tos_of(const struct rte_mbuf *m)
{
	const struct weir_meta *meta = weir_meta((struct rte_mbuf *)(uintptr_t)m);
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, meta->l3_off);

	return meta->flags & WEIR_META_IP4 ? ip[1] : (uint8_t)(ip[0] << 4 | ip[1] >> 4);
}

int weir_udp_recv(struct weir_stack *s, weir_sock sock, struct weir_dgram *out)
{
	struct sock *k = sock_of(s, sock);
	struct rte_mbuf *m;

	if (k == NULL)
		return -EBADF;
	if (k->error != 0)
		return sock_error(k);
	m = pkt_take(&k->in);
	if (m == NULL)
		return -EAGAIN;
	ends_of(m, &out->from, &out->to);
	out->tos = tos_of(m);
	out->to_many = is_for_many(m, &out->to);
	out->iface = weir_meta(m)->iface_in;
	rte_pktmbuf_adj(m, (uint16_t)(weir_meta(m)->l4_off + UDP_BYTES));
	out->payload = m;
	return 0;
}

int weir_udp_recv_many(struct weir_stack *s, weir_sock sock, struct weir_dgram *out, uint16_t most)
{
	uint16_t n = 0;
	int rc = 0;

	while (n < most && rc == 0) {
		rc = weir_udp_recv(s, sock, &out[n]);
		n += rc == 0;
	}
	return n > 0 ? n : rc;
}
