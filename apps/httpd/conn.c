/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A connection: requests are read one after the other, and each is answered before the next one is
 * looked at. So who does not read answers is not read from.
 *
 * A head that lies in one buffer, as nearly all do, is read there; of others the pieces are copied
 * together.
 */

#include "httpd_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

/* Bytes of a request's body that are passed by, or behind the last request. */
#define PASS_MOST (1u << 20)
/* What go_on says of a connection that is to be closed. */
#define OVER 0

/* ---- what has come ---- */

/* The first @bytes were read; there are so many in the first buffer at least. */
static void consume(struct httpd_conn *c, uint32_t bytes)
{
	struct rte_mbuf *m = c->in;

	m->data_off = (uint16_t)(m->data_off + bytes);
	m->data_len = (uint16_t)(m->data_len - bytes);
	while (m != NULL && m->data_len == 0) {
		c->in = m->next;
		m->next = NULL;
		m->nb_segs = 1;
		rte_pktmbuf_free_seg(m);
		m = c->in;
	}
}

/* Bytes in the first buffer of what has come; else as weir_recv_mbuf() says. */
static int64_t more(struct httpd_worker *w, struct httpd_conn *c)
{
	while (c->in == NULL) {
		const int64_t n = weir_recv_mbuf(w->stack.stack, c->conn.sock, &c->in);

		if (n <= 0)
			return n;
		consume(c, 0); /* empty buffers */
	}
	return c->in->data_len;
}

/* ---- requests ---- */

static enum after after_of(const struct weir_http1 *h)
{
	/* Whoever waits for 100 gets a final answer at once, and may send the body or not. */
	if (!h->keep_alive || h->expects_continue || h->body_bytes > PASS_MOST)
		return CLOSES;
	return h->minor == 0 ? STAYS_AND_SAYS_SO : STAYS;
}

/* A whole head lies at @p. */
static void answer_request(struct httpd_worker *w, struct httpd_conn *c, const struct weir_http1 *h,
			   const char *p)
{
	uint64_t pattern_bytes = 0;
	const struct answer *a = h->body_bytes > PASS_MOST ? answer_refusing(413)
							   : route(w, h, p, &pattern_bytes);

	c->skip = h->body_bytes;
	c->chunked = h->chunked;
	c->chunks = (struct weir_http1_chunks){0};
	c->passed_by = 0;
	reply_begin(w, c, a, pattern_bytes, h->method == WEIR_HTTP1_HEAD, after_of(h));
}

static void refuse(struct httpd_worker *w, struct httpd_conn *c, uint16_t status)
{
	partial_put(w, c);
	reply_begin(w, c, answer_refusing(status), 0, false, CLOSES);
}

/* Put what has come behind what came of the head before. Its bytes are read when it is whole. */
static void read_piece(struct httpd_worker *w, struct httpd_conn *c)
{
	struct partial *p = partial_of(w, c);
	char *piece = partial_piece(w, c);
	const uint32_t before = p->bytes;
	const uint32_t n = RTE_MIN((uint32_t)c->in->data_len, w->limits.head_bytes - before);
	int64_t rc;

	memcpy(piece + before, rte_pktmbuf_mtod(c->in, const char *), n);
	p->bytes += n;
	rc = weir_http1_read(&p->http, &w->limits, piece, p->bytes);
	if (rc == -EAGAIN) {
		consume(c, n);
	} else if (rc < 0) {
		refuse(w, c, p->http.status);
	} else {
		const struct weir_http1 http = p->http;

		answer_request(w, c, &http, piece);
		partial_put(w, c);
		consume(c, (uint32_t)rc - before);
	}
}

static void read_head(struct httpd_worker *w, struct httpd_conn *c, uint64_t now_ns)
{
	const char *p = rte_pktmbuf_mtod(c->in, const char *);
	struct weir_http1 h = {0};
	int64_t n;

	if (c->partial != 0) {
		read_piece(w, c);
		return;
	}
	n = weir_http1_read(&h, &w->limits, p, c->in->data_len);
	if (n > 0) {
		answer_request(w, c, &h, p);
		consume(c, (uint32_t)n);
	} else if (n != -EAGAIN) {
		refuse(w, c, h.status);
	} else if (partial_take(w, c, now_ns) == NULL) {
		refuse(w, c, 503);
	} else {
		read_piece(w, c);
	}
}

/* Of a request's body, which nobody wants. False: it is none. */
static bool pass_body(struct httpd_conn *c)
{
	struct weir_http1_part data;
	bool done;
	int64_t n;

	if (c->skip > 0) {
		n = (int64_t)RTE_MIN(c->skip, (uint64_t)c->in->data_len);
		c->skip -= (uint64_t)n;
	} else {
		n = weir_http1_chunked(&c->chunks, rte_pktmbuf_mtod(c->in, const void *),
				       c->in->data_len, &data, &done);
		if (n < 0)
			return false;
		c->chunked = !done;
		c->passed_by += (uint32_t)n;
	}
	consume(c, (uint32_t)n);
	return c->passed_by <= PASS_MOST;
}

/* ---- the end ---- */

/*
 * All is sent. If something is unread, closing would reset the connection, and the peer might lose
 * our answer: it is told that we have ended, and read until it has, too.
 */
static int finish(struct httpd_worker *w, struct httpd_conn *c)
{
	const int64_t n = more(w, c);

	if (n == -EAGAIN && !c->closing)
		return OVER;
	if (!c->closing)
		weir_shutdown(w->stack.stack, c->conn.sock, SHUT_WR);
	c->closing = true;
	if (n <= 0)
		return (int)n;
	c->passed_by += (uint32_t)n;
	consume(c, (uint32_t)n);
	return c->passed_by > PASS_MOST ? OVER : 1;
}

/* One thing after the other. Returns 1: there may be more to do; else as go_on. */
static int step(struct httpd_worker *w, struct httpd_conn *c, uint64_t now_ns)
{
	int64_t n;

	if (c->answer != NULL) {
		n = reply_go_on(w, c);
		if (n < 0)
			return (int)n;
		c->answer = NULL;
		if (c->after != CLOSES)
			return 1;
		c->passed_by = 0;
		return finish(w, c);
	}
	if (c->closing)
		return finish(w, c);
	n = more(w, c);
	if (n <= 0)
		return (int)n;
	if (c->skip > 0 || c->chunked)
		return pass_body(c) ? 1 : OVER;
	read_head(w, c, now_ns);
	return 1;
}

static int go_on(struct stack_worker *sw, struct stack_conn *sc, uint64_t now_ns)
{
	int rc;

	do
		rc = step((struct httpd_worker *)sw, (struct httpd_conn *)sc, now_ns);
	while (rc == 1);
	return rc;
}

static int begin(struct stack_worker *sw, struct stack_conn *c)
{
	const struct httpd_section *conf = ((struct httpd_worker *)sw)->conf;
	const int on = 1;
	int rc = weir_setsockopt(sw->stack, c->sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));

	if (rc == 0)
		rc = weir_sock_deadline(sw->stack, c->sock, WEIR_DEADLINE_IDLE, conf->idle);
	if (rc == 0)
		rc = weir_sock_deadline(sw->stack, c->sock, WEIR_DEADLINE_WRITE, conf->unacked);
	return rc;
}

static void forget(struct stack_worker *sw, struct stack_conn *sc)
{
	struct httpd_conn *c = (struct httpd_conn *)sc;

	partial_put((struct httpd_worker *)sw, c);
	rte_pktmbuf_free(c->in);
	c->in = NULL;
}

/* Requests that take too long to come, however busily they do. */
static uint64_t tick(struct stack_worker *sw, uint64_t now_ns)
{
	struct httpd_worker *w = (struct httpd_worker *)sw;

	while (w->oldest != 0) {
		struct httpd_conn *c = w->partials[w->oldest - 1].conn;
		const uint64_t due_ns = w->partials[w->oldest - 1].since_ns + w->conf->request;
		int rc;

		if (due_ns > now_ns)
			return due_ns;
		refuse(w, c, 408);
		rc = go_on(sw, &c->conn, now_ns);
		if (rc != -EAGAIN)
			stack_end(sw, &c->conn);
	}
	return UINT64_MAX;
}

const struct stack_service httpd_service = {
	.conn_bytes = sizeof(struct httpd_conn),
	.begin = begin,
	.go_on = go_on,
	.forget = forget,
	.tick = tick,
};
