/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Long TCP segments in pieces, for ports that do not cut them. The bytes are copied, so that each
 * piece lies in as few buffers as it can. (librte_gso of DPDK 22.11 knows IPv4 alone, and chains a
 * header to a part of the original, which AF_XDP would have to copy again.)
 */

#include <weir/offload.h>

#include <rte_ip.h>
#include <rte_tcp.h>
#include <string.h>
#include <weir/meta.h>

/* Where the next byte is taken from. */
struct source {
	const struct rte_mbuf *seg;
	uint32_t off;
};

static void take(struct source *from, uint8_t *to, uint32_t bytes)
{
	while (bytes > 0) {
		const uint32_t part = RTE_MIN(bytes, from->seg->data_len - from->off);

		memcpy(to, rte_pktmbuf_mtod_offset(from->seg, const void *, from->off), part);
		to += part;
		bytes -= part;
		from->off += part;
		if (from->off == from->seg->data_len)
			*from = (struct source){from->seg->next, 0};
	}
}

/* The next @bytes behind the header that @p has. False: no buffer. */
static bool fill(struct rte_mbuf *p, struct rte_mempool *pool, struct source *from, uint32_t bytes)
{
	struct rte_mbuf *last = p;

	while (bytes > 0) {
		const uint16_t part = (uint16_t)RTE_MIN(bytes, rte_pktmbuf_tailroom(last));

		take(from, rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len), part);
		last->data_len = (uint16_t)(last->data_len + part);
		p->pkt_len += part;
		bytes -= part;
		if (bytes == 0)
			break;
		last->next = rte_pktmbuf_alloc(pool);
		if (last->next == NULL)
			return false;
		last = last->next;
		p->nb_segs++;
	}
	return true;
}

/* The header of the piece that begins @off bytes into the payload, number @i. */
static void dress(struct rte_mbuf *p, const struct rte_mbuf *m, uint32_t off, unsigned i,
		  bool is_last)
{
	struct rte_ipv4_hdr *ip4 = rte_pktmbuf_mtod_offset(p, struct rte_ipv4_hdr *, m->l2_len);
	struct rte_ipv6_hdr *ip6 = (struct rte_ipv6_hdr *)ip4;
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)((uint8_t *)ip4 + m->l3_len);
	const uint16_t ip_bytes = (uint16_t)(p->pkt_len - m->l2_len);

	if (m->ol_flags & RTE_MBUF_F_TX_IPV4) {
		ip4->total_length = rte_cpu_to_be_16(ip_bytes);
		ip4->packet_id = rte_cpu_to_be_16((uint16_t)(rte_be_to_cpu_16(ip4->packet_id) + i));
	} else {
		ip6->payload_len = rte_cpu_to_be_16((uint16_t)(ip_bytes - sizeof(*ip6)));
	}
	tcp->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + off);
	if (!is_last)
		tcp->tcp_flags &= (uint8_t) ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
	if (i > 0)
		tcp->tcp_flags &= (uint8_t)~RTE_TCP_CWR_FLAG;
	weir_offload_request(p, (uint16_t)m->l2_len, (uint16_t)(m->l2_len + m->l3_len));
}

static struct rte_mbuf *piece(struct rte_mbuf *m, struct rte_mempool *pool, struct source *from,
			      uint32_t bytes)
{
	const uint16_t head_bytes = (uint16_t)(m->l2_len + m->l3_len + m->l4_len);
	struct rte_mbuf *p = rte_pktmbuf_alloc(pool);
	char *head = p == NULL ? NULL : rte_pktmbuf_append(p, head_bytes);

	if (head == NULL || !fill(p, pool, from, bytes)) {
		rte_pktmbuf_free(p);
		return NULL;
	}
	memcpy(head, rte_pktmbuf_mtod(m, const void *), head_bytes);
	*weir_meta(p) = *weir_meta(m);
	return p;
}

unsigned weir_offload_cut(struct rte_mbuf *m, struct rte_mempool *pool,
			  struct rte_mbuf *out[WEIR_OFFLOAD_PIECES])
{
	const uint32_t head_bytes = (uint32_t)(m->l2_len + m->l3_len + m->l4_len);
	struct source from = {m, head_bytes};
	unsigned n = 0;

	if (head_bytes > m->data_len || m->tso_segsz == 0 ||
	    m->pkt_len - head_bytes > (uint32_t)m->tso_segsz * WEIR_OFFLOAD_PIECES)
		return 0;
	if (from.off == m->data_len)
		from = (struct source){m->next, 0};
	for (uint32_t off = head_bytes, bytes; off < m->pkt_len && n < WEIR_OFFLOAD_PIECES;
	     off += bytes, n++) {
		bytes = RTE_MIN(m->pkt_len - off, (uint32_t)m->tso_segsz);
		out[n] = piece(m, pool, &from, bytes);
		if (out[n] == NULL) {
			rte_pktmbuf_free_bulk(out, n);
			return 0;
		}
		dress(out[n], m, off - head_bytes, n, off + bytes == m->pkt_len);
	}
	return n;
}
