/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * UDP (RFC 768, RFC 1122 section 4.1, RFC 8200 section 8.1). Payload stays where it came: what is
 * received is the packet itself without its headers, and what is sent gets its headers in front.
 */

#include "stack_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <weir/csum.h>

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

/* Cut what stands behind the datagram: padding, or more than RFC 768's length says. */
static bool trim(struct rte_mbuf *m)
{
	const uint16_t off = weir_meta(m)->l4_off;
	const uint32_t says = ntohs(rte_pktmbuf_mtod_offset(m, struct udphdr *, off)->len);
	uint32_t more;

	if (says < UDP_BYTES || off + says > m->pkt_len)
		return false;
	for (more = m->pkt_len - off - says; more > 0;) {
		struct rte_mbuf *last = rte_pktmbuf_lastseg(m);
		const uint16_t cut = (uint16_t)RTE_MIN(more, (uint32_t)last->data_len);

		if (rte_pktmbuf_trim(m, cut) != 0)
			return false;
		more -= cut;
		if (last->data_len == 0 && last != m) {
			struct rte_mbuf *before = m;

			while (before->next != last)
				before = before->next;
			before->next = NULL;
			m->nb_segs--;
			rte_pktmbuf_free_seg(last);
		}
	}
	return true;
}

bool udp_input(struct weir_stack *s, struct rte_mbuf *m)
{
	struct weir_endpoint from, to;
	struct sock *k;

	ends_of(m, &from, &to);
	k = sock_find(s, &to);
	if (k == NULL)
		return false;
	if (!trim(m)) {
		stack_count(&s->stats.udp_bad, 1);
		rte_pktmbuf_free(m);
		return true;
	}
	if (k->in.n == s->conf.socket_pkts) {
		stack_count(&s->stats.udp_full, 1);
		rte_pktmbuf_free(m);
		return true;
	}
	stack_count(&s->stats.udp_in, 1);
	stack_count(&s->stats.udp_in_bytes, m->pkt_len - weir_meta(m)->l4_off - UDP_BYTES);
	pkt_put(&k->in, m);
	sock_is_ready(s, k);
	return true;
}

int weir_udp_open(struct weir_stack *s, const struct weir_endpoint *at, void *user, weir_sock *out)
{
	int rc = sock_may_bind(s, at);

	if (rc == 0)
		rc = sock_new(s, user, out);
	return rc == 0 ? sock_bind(s, sock_of(s, *out), at) : rc;
}

int weir_udp_recv(struct weir_stack *s, weir_sock sock, struct weir_dgram *out)
{
	struct sock *k = sock_of(s, sock);
	struct rte_mbuf *m;

	if (k == NULL)
		return -EBADF;
	m = pkt_take(&k->in);
	if (m == NULL)
		return -EAGAIN;
	ends_of(m, &out->from, &out->to);
	rte_pktmbuf_adj(m, (uint16_t)(weir_meta(m)->l4_off + UDP_BYTES));
	out->payload = m;
	return 0;
}

/* The buffer that gets the headers: the payload's own, or a new one before it. */
static struct rte_mbuf *with_room(struct weir_stack *s, struct rte_mbuf *payload)
{
	struct rte_mbuf *m;

	if (RTE_MBUF_DIRECT(payload) && rte_mbuf_refcnt_read(payload) == 1 &&
	    rte_pktmbuf_headroom(payload) >= UDP_BYTES + IP_HEADER_MOST + WEIR_STACK_HEADROOM)
		return payload;
	m = rte_pktmbuf_alloc(s->conf.pool);
	if (m == NULL)
		return NULL;
	if (rte_pktmbuf_headroom(m) < UDP_BYTES + IP_HEADER_MOST + WEIR_STACK_HEADROOM ||
	    rte_pktmbuf_chain(m, payload) != 0) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	return m;
}

/* Of a packet that begins with its UDP header: one's that is 0 is sent as all ones (RFC 768). */
static uint16_t checksum(const struct rte_mbuf *m, const struct weir_addr *src,
			 const struct weir_addr *dst)
{
	uint32_t sum, src4, dst4, off = 0;
	uint16_t made;

	memcpy(&src4, src->bytes, sizeof(src4));
	memcpy(&dst4, dst->bytes, sizeof(dst4));
	sum = dst->family == 4 ? weir_csum_pseudo4(src4, dst4, IPPROTO_UDP, m->pkt_len)
			       : weir_csum_pseudo6(src->bytes, dst->bytes, IPPROTO_UDP, m->pkt_len);
	for (const struct rte_mbuf *seg = m; seg != NULL; seg = seg->next) {
		const uint32_t part =
			weir_csum_sum(rte_pktmbuf_mtod(seg, const void *), seg->data_len);

		sum = weir_csum_add(sum, weir_csum_at(part, off));
		off += seg->data_len;
	}
	made = weir_csum_finish(sum);
	return made == 0 ? UINT16_MAX : made;
}

int weir_udp_send(struct weir_stack *s, weir_sock sock, struct rte_mbuf *payload,
		  const struct weir_endpoint *to, const struct weir_addr *from)
{
	const struct sock *k = sock_of(s, sock);
	const uint32_t bytes = UDP_BYTES + payload->pkt_len;
	struct udphdr *udp;
	struct rte_mbuf *m;

	if (k == NULL)
		return -EBADF;
	if (to->port == 0 || to->addr.family == 0)
		return -EINVAL;
	if (from == NULL)
		from = &k->at.addr;
	if (from->family == 0)
		return -EADDRNOTAVAIL;
	if (from->family != to->addr.family)
		return -EINVAL;
	if (bytes > UINT16_MAX - (to->addr.family == 4 ? sizeof(struct iphdr) : 0))
		return -EMSGSIZE;
	m = with_room(s, payload);
	if (m == NULL) {
		stack_count(&s->stats.no_mbuf, 1);
		return -ENOBUFS;
	}
	udp = (struct udphdr *)rte_pktmbuf_prepend(m, sizeof(*udp));
	*udp = (struct udphdr){.source = htons(k->at.port),
			       .dest = htons(to->port),
			       .len = htons((uint16_t)bytes)};
	udp->check = checksum(m, from, &to->addr);
	m->ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT; /* what it came with is past */
	stack_count(&s->stats.udp_out, 1);
	stack_count(&s->stats.udp_out_bytes, bytes - UDP_BYTES);
	ip_send(s, m, from, &to->addr, IPPROTO_UDP);
	return 0;
}
