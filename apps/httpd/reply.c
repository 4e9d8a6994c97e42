/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Sending an answer: its head and what of the body goes with it in one copy; long bodies by
 * reference, in buffers that lie over the memory of the file.
 *
 * How far it has come is one number. What was not taken is made anew from there, so nothing is
 * kept for a peer that reads slowly.
 */

#include "httpd_priv.h"

#include <errno.h>
#include <rte_memory.h>
#include <string.h>

/* Head and body that are copied at once. */
#define COPY_BYTES 2048
/* Bodies with more bytes left go by reference... */
#define LONG_BYTES (8u << 10)
/* ...in pieces that do not cross such a boundary, and so no page. */
#define PIECE_BYTES (32u << 10)

struct tail {
	const char *text;
	uint16_t bytes;
};

#define TAIL(text)                     \
	{                              \
		text, sizeof(text) - 1 \
	}

/* How a head ends, by enum after. */
static const struct tail tails[] = {
	[STAYS] = TAIL("\r\n\r\n"),
	[STAYS_AND_SAYS_SO] = TAIL("\r\nConnection: keep-alive\r\n\r\n"),
	[CLOSES] = TAIL("\r\nConnection: close\r\n\r\n"),
};

/* Writes the head; it is the same whenever it is asked for. Returns its bytes. */
static uint32_t write_head(const struct httpd_conn *c, char *out)
{
	const struct tail *tail = &tails[c->after];
	uint32_t n = c->answer->head_bytes;

	if (c->answer->is_pattern)
		n = head_write(out, c->answer->slot, "application/octet-stream", c->full_bytes);
	else
		memcpy(out, c->answer->head, n);
	http_date(c->date_s, out + n);
	n += DATE_BYTES;
	memcpy(out + n, tail->text, tail->bytes);
	return n + tail->bytes;
}

/* The body from @at on; *bytes are those that lie there in a row. */
static const uint8_t *body_at(const struct httpd_conn *c, uint64_t at, uint64_t *bytes)
{
	const uint64_t left = c->body_bytes - at;
	const uint32_t in_block = (uint32_t)(at % PATTERN_BYTES);

	if (!c->answer->is_pattern) {
		*bytes = left;
		return c->answer->body + at;
	}
	*bytes = RTE_MIN(left, (uint64_t)(PATTERN_BYTES - in_block));
	return httpd_pattern + in_block;
}

/* What is left of the head, and the body behind it as far as there is room. */
static int64_t send_head(struct httpd_worker *w, struct httpd_conn *c, const char *head,
			 uint32_t head_bytes)
{
	char all[COPY_BYTES];
	uint64_t n = head_bytes - c->sent, body;
	const uint8_t *from = body_at(c, 0, &body);

	memcpy(all, head + c->sent, n);
	body = RTE_MIN(body, sizeof(all) - n);
	if (body > 0)
		memcpy(all + n, from, body);
	return weir_send(w->stack.stack, c->conn.sock, all, n + body);
}

static void let_go(void *addr, void *holder)
{
	(void)addr;
	rte_pktmbuf_free(holder);
}

/* Where a device finds it; a piece is in one page. */
static rte_iova_t iova_of(const uint8_t *p)
{
	const struct rte_memseg *page = rte_mem_virt2memseg(p, NULL);

	return page == NULL ? RTE_BAD_IOVA
			    : page->iova + (rte_iova_t)(p - (const uint8_t *)page->addr);
}

/* A buffer that lies over @p. What counts its users is in another one's data. NULL: no buffers. */
static struct rte_mbuf *over(struct httpd_worker *w, const uint8_t *p, uint16_t bytes)
{
	struct rte_mbuf *two[2];
	struct rte_mbuf_ext_shared_info *shared;

	if (rte_pktmbuf_alloc_bulk(w->stack.shard->pool, two, 2) < 0)
		return NULL;
	shared = rte_pktmbuf_mtod(two[1], struct rte_mbuf_ext_shared_info *);
	*shared = (struct rte_mbuf_ext_shared_info){.free_cb = let_go, .fcb_opaque = two[1]};
	rte_mbuf_ext_refcnt_set(shared, 1);
	rte_pktmbuf_attach_extbuf(two[0], (void *)(uintptr_t)p, iova_of(p), bytes, shared);
	two[0]->data_off = 0;
	two[0]->data_len = bytes;
	two[0]->pkt_len = bytes;
	return two[0];
}

static int64_t send_by_reference(struct httpd_worker *w, struct httpd_conn *c, const uint8_t *p,
				 uint64_t bytes)
{
	const uint64_t to_boundary = PIECE_BYTES - ((uintptr_t)p & (PIECE_BYTES - 1));
	struct rte_mbuf *m = over(w, p, (uint16_t)RTE_MIN(bytes, to_boundary));
	int64_t n;

	if (m == NULL)
		return -ENOBUFS;
	n = weir_send_mbuf(w->stack.stack, c->conn.sock, &m);
	rte_pktmbuf_free(m); /* what was not taken */
	return n;
}

static int64_t send_body(struct httpd_worker *w, struct httpd_conn *c, uint64_t at)
{
	uint64_t bytes;
	const uint8_t *p = body_at(c, at, &bytes);

	/* The pattern is no memory of DPDK's. */
	if (bytes < LONG_BYTES || c->answer->is_pattern)
		return weir_send(w->stack.stack, c->conn.sock, p, bytes);
	return send_by_reference(w, c, p, bytes);
}

void reply_begin(struct httpd_worker *w, struct httpd_conn *c, const struct answer *a,
		 uint64_t pattern_bytes, bool head_only, enum after after)
{
	c->answer = a;
	c->full_bytes = a->is_pattern ? pattern_bytes : a->body_bytes;
	c->body_bytes = head_only ? 0 : c->full_bytes;
	c->sent = 0;
	c->after = after;
	c->date_s = atomic_load_explicit(w->epoch_s, memory_order_relaxed);
	weir_count(&w->answered[a->slot], 1);
}

int reply_go_on(struct httpd_worker *w, struct httpd_conn *c)
{
	char head[HEAD_BYTES + DATE_BYTES + 64];
	const uint32_t head_bytes = write_head(c, head);

	while (c->sent < head_bytes + c->body_bytes) {
		const int64_t n = c->sent < head_bytes ? send_head(w, c, head, head_bytes)
						       : send_body(w, c, c->sent - head_bytes);

		if (n < 0)
			return (int)n;
		c->sent += (uint64_t)n;
	}
	return 0;
}
