/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Connections of weir-echo.
 *
 * Echo gives back the buffers that it got, and reads on only when all were taken: a peer that does
 * not read is not read from.
 */

#include "echo_priv.h"

#include <errno.h>

/* RFC 864: 95 printable characters in a ring, lines of 72 that begin one further each time. */
#define RING  95
#define LINE  72
#define BYTES (RING * (LINE + 2))

static char pattern[BYTES];

void echo_make_pattern(void)
{
	char *at = pattern;

	for (unsigned line = 0; line < RING; line++) {
		for (unsigned i = 0; i < LINE; i++)
			*at++ = (char)(' ' + (line + i) % RING);
		*at++ = '\r';
		*at++ = '\n';
	}
}

int echo_begin(struct stack_worker *w, struct stack_conn *c)
{
	const uint64_t idle_ns = ((struct echo_worker *)w)->idle_ns;

	return idle_ns == 0 ? 0
			    : weir_sock_deadline(w->stack, c->sock, WEIR_DEADLINE_IDLE, idle_ns);
}

/* What is held goes out first. Each step says what the stack said: bytes, 0 at the end, -errno. */
static int64_t echo_step(struct weir_stack *s, struct echo_conn *c)
{
	if (c->held != NULL)
		return weir_send_mbuf(s, c->conn.sock, &c->held);
	return weir_recv_mbuf(s, c->conn.sock, &c->held);
}

static int64_t discard_step(struct weir_stack *s, struct echo_conn *c)
{
	const int64_t n = weir_recv_mbuf(s, c->conn.sock, &c->held);

	rte_pktmbuf_free(c->held);
	c->held = NULL;
	return n;
}

/* What the peer says is thrown away, and its end ends us (RFC 864). */
static int64_t chargen_step(struct weir_stack *s, struct echo_conn *c)
{
	int64_t n;

	while ((n = discard_step(s, c)) > 0)
		;
	if (n != -EAGAIN)
		return n;
	n = weir_send(s, c->conn.sock, pattern + c->at, BYTES - c->at);
	if (n > 0)
		c->at = c->at + (uint32_t)n == BYTES ? 0 : c->at + (uint32_t)n;
	return n;
}

static int64_t (*const steps[])(struct weir_stack *s, struct echo_conn *c) = {
	[ECHO] = echo_step, [DISCARD] = discard_step, [CHARGEN] = chargen_step};

/*
 * When the peer has ended, and all of it went back, the connection is closed: what is queued still
 * leaves before our FIN.
 */
int echo_go_on(struct stack_worker *w, struct stack_conn *c, uint64_t now_ns)
{
	int64_t n;

	(void)now_ns;
	while ((n = steps[c->user.what](w->stack, (struct echo_conn *)c)) > 0)
		;
	return (int)n;
}

void echo_forget(struct stack_worker *w, struct stack_conn *c)
{
	struct echo_conn *e = (struct echo_conn *)c;

	(void)w;
	rte_pktmbuf_free(e->held);
	e->held = NULL;
}
