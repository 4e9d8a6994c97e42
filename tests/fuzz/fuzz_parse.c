/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * fuzz_parse: any bytes as a frame. The first byte chooses how they are split over segments and
 * what the port says of the checksum. What goes on must be as 10_parse promises.
 */

#include "10_parse.c"

#include <stdlib.h>

#include "toy_mbuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint16_t all_vlans[WEIR_VLANS]; /* lead to interface 0 */

/* What later stages rely on. */
static void check_promises(struct rte_mbuf *m)
{
	const struct weir_meta *meta = weir_meta(m);
	uint32_t there = 0;

	for (const struct rte_mbuf *s = m; s != NULL; s = s->next)
		there += s->data_len;
	if (there != m->pkt_len || meta->l3_off > m->data_len)
		abort();
	if (!(meta->flags & (WEIR_META_IP4 | WEIR_META_IP6)))
		return; /* ARP */
	if (meta->l4_off > m->data_len || meta->l4_off < meta->l3_off + 20)
		abort();
	if ((meta->flags & WEIR_META_L4) && meta->l4_off + 8 > m->data_len)
		abort();
	if ((meta->flags & WEIR_META_FRAG_LATER) && (meta->flags & WEIR_META_L4))
		abort();
	if (meta->flags & WEIR_META_IP4) {
		if (rte_be_to_cpu_16(ip4(m)->total_length) != m->pkt_len - meta->l3_off)
			abort();
	} else if (rte_be_to_cpu_16(ip6(m)->payload_len) + 40u != m->pkt_len - meta->l3_off) {
		abort();
	}
}

/* A pool that forgets what is put into it, so that segments on the stack can be freed. */
static int forget(struct rte_mempool *pool, void *const *objects, unsigned n)
{
	return 0;
}

static struct rte_mempool *forgetful_pool(void)
{
	static const struct rte_mempool_ops ops = {.name = "forget",
						   .alloc = (rte_mempool_alloc_t)abort,
						   .enqueue = forget,
						   .dequeue = (rte_mempool_dequeue_t)abort,
						   .get_count = (rte_mempool_get_count)abort};
	static struct rte_mempool pool = {.ops_index = -1};

	if (pool.ops_index < 0)
		pool.ops_index = rte_mempool_register_ops(&ops);
	return &pool;
}

/* All in one buffer of just that length, so that a read beyond it is seen. */
static struct rte_mbuf *whole(struct toy_mbuf *t, const uint8_t *bytes, uint16_t n, uint8_t **buf)
{
	struct rte_mbuf *m = toy_mbuf(t, NULL, n);

	*buf = malloc(n > 0 ? n : 1);
	if (*buf == NULL)
		abort();
	memcpy(*buf, bytes, n);
	m->buf_addr = *buf;
	m->buf_len = n;
	m->data_off = 0;
	return m;
}

/* In two segments, the second perhaps shared with somebody. */
static struct rte_mbuf *halves(struct toy_mbuf t[2], const uint8_t *bytes, uint16_t n, uint16_t at,
			       bool shared)
{
	struct rte_mbuf *m = toy_mbuf(&t[0], bytes, at);

	toy_mbuf(&t[1], bytes + at, (uint16_t)(n - at));
	t[1].m.refcnt = shared ? 2 : 1;
	t[1].m.pool = forgetful_pool();
	m->next = &t[1].m;
	m->nb_segs = 2;
	m->pkt_len = n;
	return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct untagged none = {.port = UINT32_MAX};
	static const struct weir_iface iface = {.mac = {2, 0, 0, 0, 0, 1}};
	const struct weir_l3 l3 = {.ifaces = &iface, .n_ifaces = 1, .tagged = {all_vlans}};
	struct toy_mbuf t[2];
	uint8_t *buf = NULL;
	struct rte_mbuf *m;
	enum weir_verdict v;
	uint8_t how;

	if (size < 1 || size > 1500)
		return 0;
	how = data[0];
	data++;
	size--;
	if ((how & 0x3f) != 0 && (how & 0x3f) < size)
		m = halves(t, data, (uint16_t)size, how & 0x3f, how & 0x40);
	else
		m = whole(&t[0], data, (uint16_t)size, &buf);
	if (how & 0x80)
		m->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	v = parse_one(m, &l3, &none);
	if (v == WEIR_NEXT)
		check_promises(m);
	else if (v != WEIR_DROP && v != WEIR_PUNT)
		abort();
	free(buf);
	return 0;
}
