/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * UDP out (RFC 768, RFC 1122 section 4.1, RFC 8200 section 8.1): a payload gets its headers in
 * front, where there is room, and is not copied.
 */

#include "stack_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <weir/csum.h>
#include <weir/local.h>

#define UDP_BYTES ((uint32_t)sizeof(struct udphdr))

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

/* Of what would be sent: 0, or why it cannot be; sets what was left out. */
static int check_ends(struct weir_stack *s, const struct sock *k, const struct weir_endpoint *to,
		      const struct weir_addr *from, struct weir_addr *source, uint16_t *iface)
{
	struct weir_link link;
	int rc;

	if (to->port == 0 || to->addr.family == 0)
		return -EINVAL;
	if (from == NULL)
		return udp_source(s, k, &to->addr, source, iface);
	if (from->family == 0)
		return -EADDRNOTAVAIL;
	if (from->family != to->addr.family || udp_is_many(s, from))
		return -EINVAL;
	*source = *from;
	rc = udp_link(s, k, &to->addr, &link);
	*iface = link.iface;
	return RTE_MIN(rc, 0);
}

int udp_send(struct weir_stack *s, struct sock *k, struct rte_mbuf *payload,
	     const struct weir_endpoint *to, const struct weir_addr *from)
{
	const uint32_t bytes = UDP_BYTES + payload->pkt_len;
	struct weir_addr source;
	struct udphdr *udp;
	struct rte_mbuf *m;
	uint16_t iface;
	int rc;

	rc = check_ends(s, k, to, from, &source, &iface);
	if (rc < 0)
		return rc;
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
	udp->check = checksum(m, &source, &to->addr);
	m->ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT; /* what it came with is past */
	/* Routers cut IPv4, and nobody but us IPv6 (RFC 8200 section 4.5). */
	if (unlikely(s->has_pmtu) && to->addr.family == 6 &&
	    bytes + sizeof(struct ip6_hdr) > ip_mtu(s, &to->addr))
		m->ol_flags |= WEIR_LOCAL_MAY_CUT;
	stack_count(&s->stats.udp_out, 1);
	stack_count(&s->stats.udp_out_bytes, bytes - UDP_BYTES);
	if (unlikely(iface != WEIR_NO_IFACE))
		udp_send_many(s, k, m, &source, to, iface);
	else
		ip_send(s, m, &source, &to->addr, IPPROTO_UDP, k->tos);
	return 0;
}

/* A socket that may send, and where to; one that is not bound gets a port. 0 or -errno. */
static int sender(struct weir_stack *s, weir_sock sock, const struct weir_endpoint **to,
		  struct sock **out)
{
	struct sock *k = sock_of(s, sock);

	if (k == NULL)
		return -EBADF;
	if (k->error != 0)
		return sock_error(k);
	if (*to == NULL && k->peer.port == 0)
		return -EDESTADDRREQ;
	if (*to == NULL)
		*to = &k->peer;
	*out = k;
	return k->at.port != 0 ? 0 : udp_bind(s, k, &(struct weir_endpoint){0});
}

int weir_udp_send(struct weir_stack *s, weir_sock sock, struct rte_mbuf *payload,
		  const struct weir_endpoint *to, const struct weir_addr *from)
{
	struct sock *k;
	const int rc = sender(s, sock, &to, &k);

	return rc < 0 ? rc : udp_send(s, k, payload, to, from);
}

int weir_udp_send_many(struct weir_stack *s, weir_sock sock, const struct weir_dgram *dgrams,
		       uint16_t n)
{
	uint16_t done = 0;
	int rc = 0;

	while (done < n && rc == 0) {
		const struct weir_dgram *d = &dgrams[done];

		rc = weir_udp_send(s, sock, d->payload, d->to.port == 0 ? NULL : &d->to,
				   d->from.addr.family == 0 ? NULL : &d->from.addr);
		done += rc == 0;
	}
	return done > 0 ? done : rc;
}

/*
 * References to @bytes of a packet from @off on, in buffers of their own, with the bytes of a
 * header's in front. NULL: there are too few.
 */
static struct rte_mbuf *part_of(struct weir_stack *s, struct rte_mbuf *m, uint32_t off,
				uint32_t bytes)
{
	struct rte_mbuf *head = rte_pktmbuf_alloc(s->conf.pool), *part;

	while (head != NULL && bytes > 0) {
		uint32_t n;

		for (; off >= m->data_len; m = m->next)
			off -= m->data_len;
		n = RTE_MIN(bytes, m->data_len - off);
		part = rte_pktmbuf_alloc(s->conf.pool);
		if (part == NULL)
			goto err;
		rte_pktmbuf_attach(part, m);
		part->data_off = (uint16_t)(m->data_off + off);
		part->pkt_len = part->data_len = (uint16_t)n;
		part->nb_segs = 1;
		part->next = NULL;
		if (rte_pktmbuf_chain(head, part) != 0) {
			rte_pktmbuf_free(part);
			goto err;
		}
		off += n;
		bytes -= n;
	}
	return head;
err:
	rte_pktmbuf_free(head);
	return NULL;
}

/* Cut a payload into datagrams that refer to it. False: there are too few buffers. */
static bool cut(struct weir_stack *s, struct rte_mbuf *payload, uint16_t seg_bytes,
		struct pkt_queue *out)
{
	for (uint32_t off = 0; off < payload->pkt_len; off += seg_bytes) {
		const uint32_t bytes = RTE_MIN(payload->pkt_len - off, (uint32_t)seg_bytes);
		struct rte_mbuf *m = part_of(s, payload, off, bytes);

		if (m == NULL)
			return false;
		pkt_put(out, m);
	}
	return true;
}

int weir_udp_send_gso(struct weir_stack *s, weir_sock sock, struct rte_mbuf *payload,
		      uint16_t seg_bytes, const struct weir_endpoint *to,
		      const struct weir_addr *from)
{
	struct pkt_queue parts = {0};
	struct rte_mbuf *m;
	struct sock *k;
	int rc = sender(s, sock, &to, &k);

	if (rc < 0)
		return rc;
	if (payload->pkt_len <= seg_bytes)
		return udp_send(s, k, payload, to, from);
	if (seg_bytes == 0 || payload->pkt_len > (uint32_t)seg_bytes * WEIR_UDP_GSO_MOST)
		return -EINVAL;
	if (!cut(s, payload, seg_bytes, &parts)) {
		stack_count(&s->stats.no_mbuf, 1);
		rc = -ENOBUFS;
	}
	while ((m = pkt_take(&parts)) != NULL) {
		if (rc == 0)
			rc = udp_send(s, k, m, to, from);
		if (rc < 0)
			rte_pktmbuf_free(m);
	}
	if (rc == 0)
		rte_pktmbuf_free(payload);
	return rc;
}
