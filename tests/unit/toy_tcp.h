/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Traces of TCP for tests: segments as tcpdump prints them, and what a bystander makes of each. */

#include "test.h"

#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_tcp.h>
#include <stdlib.h>
#include <weir/flow.h>

#define F RTE_TCP_FIN_FLAG
#define N RTE_TCP_SYN_FLAG
#define R RTE_TCP_RST_FLAG
#define A RTE_TCP_ACK_FLAG

/* First numbers, so that both wrap, one as a signed number. */
#define ISN_A UINT32_C(0xfffffff0)
#define ISN_B UINT32_C(0x7ffffff0)

#define OK	  WEIR_FLOW_TCP_OK
#define INVALID	  WEIR_FLOW_TCP_INVALID
#define CHALLENGE WEIR_FLOW_TCP_CHALLENGE
#define RENEW	  WEIR_FLOW_TCP_RENEW

#define SYN_SENT    WEIR_TCP_SYN_SENT
#define SYN_SENT2   WEIR_TCP_SYN_SENT2
#define SYN_RECV    WEIR_TCP_SYN_RECV
#define ESTABLISHED WEIR_TCP_ESTABLISHED
#define FIN_WAIT    WEIR_TCP_FIN_WAIT
#define CLOSE_WAIT  WEIR_TCP_CLOSE_WAIT
#define LAST_ACK    WEIR_TCP_LAST_ACK
#define TIME_WAIT   WEIR_TCP_TIME_WAIT
#define CLOSED	    WEIR_TCP_CLOSE
#define NONE	    WEIR_TCP_NONE

/* A segment of a trace: from A ('a') or B, numbers relative to the first ones, as tcpdump says. */
struct step {
	char from;
	uint8_t flags;
	uint32_t seq, ack, bytes;
	uint16_t window;
	int8_t wscale;
	enum weir_flow_tcp verdict;
	enum weir_tcp_state state; /* after it */
};

static enum weir_flow_class cls; /* what the last segment led to */

static inline enum weir_flow_tcp say(struct weir_flow *f, const struct step *s, bool loose)
{
	const bool from_a = s->from == 'a';
	const struct weir_flow_segment seg = {
		.seq = s->seq + (from_a ? ISN_A : ISN_B),
		.ack = s->flags & A ? s->ack + (from_a ? ISN_B : ISN_A) : 0,
		.payload_bytes = s->bytes,
		.window = s->window,
		.flags = s->flags,
		.wscale = s->flags & N ? s->wscale : -1,
	};

	return weir_flow_tcp(f, from_a ? WEIR_DIR_ORIG : WEIR_DIR_REPLY, &seg, loose, &cls);
}

static inline struct weir_flow draft(void)
{
	return (struct weir_flow){.flags = WEIR_FLOW_DRAFT, .cls = WEIR_FLOW_HALF_OPEN};
}

static inline struct weir_flow play_on(struct weir_flow f, const struct step *s, unsigned n,
				       bool loose)
{
	for (unsigned i = 0; i < n; i++) {
		const enum weir_flow_tcp verdict = say(&f, &s[i], loose);

		if (verdict != s[i].verdict || f.tcp_state != s[i].state)
			printf("step %u: verdict %d, %s\n", i, verdict,
			       weir_tcp_state_name(f.tcp_state));
		CU_ASSERT_EQUAL(verdict, s[i].verdict);
		CU_ASSERT_EQUAL(f.tcp_state, s[i].state);
	}
	return f;
}

static inline struct weir_flow play(const struct step *s, unsigned n)
{
	return play_on(draft(), s, n, false);
}

#define STEP(...)           \
	{                   \
		__VA_ARGS__ \
	}
#define HANDSHAKE                                                  \
	STEP('a', N, 0, 0, 0, 64240, 7, OK, SYN_SENT),             \
		STEP('b', N | A, 0, 1, 0, 65160, 7, OK, SYN_RECV), \
		STEP('a', A, 1, 1, 0, 502, -1, OK, ESTABLISHED)
/* The same without scaling, with windows of 1000 and 2000 bytes. */
#define SMALL_HANDSHAKE                                            \
	STEP('a', N, 0, 0, 0, 1000, -1, OK, SYN_SENT),             \
		STEP('b', N | A, 0, 1, 0, 2000, -1, OK, SYN_RECV), \
		STEP('a', A, 1, 1, 0, 1000, -1, OK, ESTABLISHED)

static inline struct weir_flow established(void)
{
	static const struct step steps[] = {HANDSHAKE};

	return play(steps, RTE_DIM(steps));
}

static inline struct weir_flow small(void)
{
	static const struct step steps[] = {SMALL_HANDSHAKE};

	return play(steps, RTE_DIM(steps));
}
