/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A proxy on stack B of toy_pair.h: who connects to B's port 80 is spliced to A's port 8080. A is
 * both the client and the server.
 */

#include "toy_pair.h"

#include <weir/splice.h>

#define A pair.end[0].stack
#define B pair.end[1].stack

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

#define PROXIED_MOST 64

struct proxied {
	struct weir_splice splice;
	struct weir_stream_tcp front, back;
	bool began, over;
	int error;
};

static struct proxied proxied[PROXIED_MOST];
static unsigned n_proxied;
static struct weir_splicer *splicer;
static weir_sock proxy_listener, server;
static uint64_t proxy_serves_from_ns; /* it does nothing before */

static inline void proxy_told(void *ctx, struct weir_splice *splice, int error)
{
	struct proxied *p = (struct proxied *)splice;

	CU_ASSERT_PTR_EQUAL(ctx, proxied);
	CU_ASSERT(p->began && !p->over); /* once */
	p->over = true;
	p->error = error;
}

static inline void proxy_accept(void)
{
	const struct weir_endpoint to = toy_end("192.0.2.1", 8080);
	weir_sock front, back;

	while (n_proxied < PROXIED_MOST) {
		struct proxied *p = &proxied[n_proxied];

		if (weir_accept(B, proxy_listener, p, &front, NULL) < 0)
			return;
		n_proxied++;
		CU_ASSERT_EQUAL_FATAL(weir_socket(B, WEIR_TCP, p, &back), 0);
		CU_ASSERT_EQUAL_FATAL(weir_connect(B, back, &to), -EINPROGRESS);
		weir_stream_tcp(&p->front, B, front);
		weir_stream_tcp(&p->back, B, back);
		p->began = true;
		weir_splice_begin(splicer, &p->splice, &p->front.stream, &p->back.stream,
				  pair.now_ns);
		weir_splice_go_on(&p->splice, pair.now_ns);
	}
}

/* What a worker's pass does. @return when it has to be called again. */
static inline uint64_t proxy_serve(void)
{
	struct weir_event e;

	if (pair.now_ns < proxy_serves_from_ns)
		return proxy_serves_from_ns;
	while (weir_stack_events(B, &e, 1) == 1) {
		struct proxied *p = e.user;

		if (e.sock == proxy_listener)
			proxy_accept();
		else if (!p->over)
			weir_splice_go_on(&p->splice, pair.now_ns);
	}
	return weir_splicer_run(splicer, pair.now_ns);
}

static inline bool proxy_step(uint64_t until_ns)
{
	uint64_t next_ns;

	for (int i = 0; i < 2; i++)
		pair_deliver(i);
	next_ns = proxy_serve();
	for (int i = 0; i < 2; i++) {
		const uint64_t due_ns = weir_stack_poll(pair.end[i].stack, pair.now_ns);

		next_ns = RTE_MIN(next_ns, due_ns);
	}
	next_ns = RTE_MIN(next_ns, proxy_serve()); /* what timers have brought about */
	for (int i = 0; i < 2; i++) {
		const struct pair_end *e = &pair.end[i];

		if (e->from < e->n)
			next_ns = RTE_MIN(next_ns, e->at_ns[e->from % PAIR_MOST]);
	}
	if (next_ns > until_ns) {
		pair.now_ns = until_ns;
		return false;
	}
	pair.now_ns = RTE_MAX(next_ns, pair.now_ns + PAIR_STEP_NS);
	return true;
}

static inline void proxy_run(uint64_t ns)
{
	const uint64_t until_ns = pair.now_ns + ns;
	unsigned steps = 0;

	while (proxy_step(until_ns))
		CU_ASSERT_FATAL(++steps < 1000000);
	/* What is due at the end, too. */
	proxy_serve();
}

static inline void proxy_begin_with(struct weir_stack_conf conf, uint64_t idle_ns)
{
	const struct weir_endpoint at = {.port = 8080};
	struct weir_splicer_conf splices = {.idle_ns = idle_ns, .over = proxy_told, .ctx = proxied};

	pair_begin_with(conf);
	memset(proxied, 0, sizeof(proxied));
	n_proxied = 0;
	proxy_serves_from_ns = 0;
	splices.now_ns = pair.now_ns;
	CU_ASSERT_EQUAL_FATAL(weir_splicer_create(&splices, &splicer), 0);
	proxy_listener = pair_listen(80, 32);
	CU_ASSERT_EQUAL_FATAL(weir_socket(A, WEIR_TCP, NULL, &server), 0);
	CU_ASSERT_EQUAL_FATAL(weir_bind(A, server, &at), 0);
	CU_ASSERT_EQUAL_FATAL(weir_listen(A, server, 32), 0);
}

static inline void proxy_end(void)
{
	for (unsigned i = 0; i < n_proxied; i++)
		weir_splice_abort(&proxied[i].splice);
	weir_splicer_free(splicer);
	pair_end();
}

/* The server's end of a connection. */
static inline weir_sock proxy_accepted(void)
{
	weir_sock sock = WEIR_NO_SOCK;

	CU_ASSERT_EQUAL_FATAL(weir_accept(A, server, NULL, &sock, NULL), 0);
	return sock;
}

/* A client's end and the server's of one connection. */
static inline void proxy_open(weir_sock *client, weir_sock *accepted)
{
	*client = pair_connect("192.0.2.2", 80);
	proxy_run(20 * MS);
	*accepted = proxy_accepted();
}
