/* SPDX-License-Identifier: BSD-3-Clause */

/* TCP as a bystander sees it: traces of real life, attacks, and two honest ends at random. */

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

static enum weir_flow_class cls;

static enum weir_flow_tcp say(struct weir_flow *f, const struct step *s, bool loose)
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

static struct weir_flow draft(void)
{
	return (struct weir_flow){.flags = WEIR_FLOW_DRAFT, .cls = WEIR_FLOW_HALF_OPEN};
}

static struct weir_flow play_on(struct weir_flow f, const struct step *s, unsigned n, bool loose)
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

static struct weir_flow play(const struct step *s, unsigned n)
{
	return play_on(draft(), s, n, false);
}

#define HANDSHAKE                                                                                 \
	{'a', N, 0, 0, 0, 64240, 7, OK, SYN_SENT}, {'b', N | A, 0, 1, 0, 65160, 7, OK, SYN_RECV}, \
	{                                                                                         \
		'a', A, 1, 1, 0, 502, -1, OK, ESTABLISHED                                         \
	}
/* The same without scaling, with windows of 1000 and 2000 bytes. */
#define SMALL_HANDSHAKE                                                                           \
	{'a', N, 0, 0, 0, 1000, -1, OK, SYN_SENT}, {'b', N | A, 0, 1, 0, 2000, -1, OK, SYN_RECV}, \
	{                                                                                         \
		'a', A, 1, 1, 0, 1000, -1, OK, ESTABLISHED                                        \
	}

static struct weir_flow established(void)
{
	static const struct step steps[] = {HANDSHAKE};

	return play(steps, RTE_DIM(steps));
}

static struct weir_flow small(void)
{
	static const struct step steps[] = {SMALL_HANDSHAKE};

	return play(steps, RTE_DIM(steps));
}

static void test_a_request_and_its_answer_with_an_orderly_end(void)
{
	static const struct step steps[] = {
		HANDSHAKE,
		{'a', A, 1, 1, 77, 502, -1, OK, ESTABLISHED},
		{'b', A, 1, 78, 0, 509, -1, OK, ESTABLISHED},
		{'b', A, 1, 78, 1448, 509, -1, OK, ESTABLISHED},
		{'a', A, 78, 1449, 0, 501, -1, OK, ESTABLISHED},
		{'a', F | A, 78, 1449, 0, 501, -1, OK, FIN_WAIT},
		{'b', A, 1449, 79, 0, 509, -1, OK, CLOSE_WAIT},
		{'b', A, 1449, 79, 500, 509, -1, OK, CLOSE_WAIT}, /* half-closed */
		{'a', A, 79, 1949, 0, 501, -1, OK, CLOSE_WAIT},
		{'b', F | A, 1949, 79, 0, 509, -1, OK, LAST_ACK},
		{'a', A, 79, 1950, 0, 501, -1, OK, TIME_WAIT},
		{'b', F | A, 1949, 79, 0, 509, -1, OK, TIME_WAIT}, /* the last ACK was lost */
		{'a', A, 79, 1950, 0, 501, -1, OK, TIME_WAIT},
	};
	const struct weir_flow f = play(steps, RTE_DIM(steps));

	CU_ASSERT_EQUAL(cls, WEIR_FLOW_CLOSED);
	CU_ASSERT_TRUE(f.flags & WEIR_FLOW_REPLIED);
}

static void test_the_class_follows_the_state(void)
{
	static const struct {
		struct step step;
		enum weir_flow_class cls;
	} steps[] = {
		{{'a', N, 0, 0, 0, 64240, 7, OK, SYN_SENT}, WEIR_FLOW_HALF_OPEN},
		{{'b', N | A, 0, 1, 0, 65160, 7, OK, SYN_RECV}, WEIR_FLOW_HALF_OPEN},
		{{'a', A, 1, 1, 0, 502, -1, OK, ESTABLISHED}, WEIR_FLOW_ESTABLISHED},
		{{'b', F | A, 1, 1, 0, 502, -1, OK, FIN_WAIT}, WEIR_FLOW_CLOSING},
		{{'a', A, 1, 2, 0, 502, -1, OK, CLOSE_WAIT}, WEIR_FLOW_CLOSING},
		{{'a', F | A, 1, 2, 0, 502, -1, OK, LAST_ACK}, WEIR_FLOW_CLOSING},
		{{'b', A, 2, 1, 0, 502, -1, OK, LAST_ACK}, WEIR_FLOW_CLOSING}, /* an old one */
		{{'b', A, 2, 2, 0, 502, -1, OK, TIME_WAIT}, WEIR_FLOW_CLOSED},
	};
	struct weir_flow f = draft();

	for (unsigned i = 0; i < RTE_DIM(steps); i++) {
		CU_ASSERT_EQUAL(say(&f, &steps[i].step, false), steps[i].step.verdict);
		CU_ASSERT_EQUAL(f.tcp_state, steps[i].step.state);
		CU_ASSERT_EQUAL(cls, steps[i].cls);
	}
}

static void test_both_sides_may_open_at_once(void)
{
	static const struct step steps[] = {
		{'a', N, 0, 0, 0, 64240, 7, OK, SYN_SENT},
		{'b', N, 0, 0, 0, 65160, 3, OK, SYN_SENT2},
		{'a', N, 0, 0, 0, 64240, 7, OK, SYN_SENT2}, /* again */
		{'b', N | A, 0, 1, 0, 65160, 3, OK, SYN_RECV},
		{'a', N | A, 0, 1, 0, 64240, 7, OK, SYN_RECV},
		{'b', A, 1, 1, 1000, 509, -1, OK, SYN_RECV},
		{'a', A, 1, 1001, 0, 502, -1, OK, ESTABLISHED},
		{'b', N, 0, 0, 0, 65160, 3, CHALLENGE, ESTABLISHED}, /* delayed */
	};
	const struct weir_flow f = play(steps, RTE_DIM(steps));

	CU_ASSERT_EQUAL(f.wscale, 7 | 3 << 4);
}

static void test_in_a_simultaneous_open_either_may_answer_first(void)
{
	static const struct step steps[] = {
		{'a', N, 0, 0, 0, 64240, 7, OK, SYN_SENT},
		{'b', N, 0, 0, 0, 65160, 3, OK, SYN_SENT2},
		{'a', N | A, 0, 1, 0, 64240, 7, OK, SYN_RECV},
		{'b', N | A, 0, 1, 0, 65160, 3, OK, SYN_RECV},
		{'a', A, 1, 1, 0, 502, -1, OK, ESTABLISHED},
	};

	(void)play(steps, RTE_DIM(steps));
}

static void test_both_sides_may_close_at_once(void)
{
	static const struct step steps[] = {
		HANDSHAKE,
		{'a', F | A, 1, 1, 0, 502, -1, OK, FIN_WAIT},
		{'b', F | A, 1, 1, 0, 509, -1, OK, LAST_ACK},
		{'a', A, 2, 2, 0, 502, -1, OK, LAST_ACK},
		{'b', A, 2, 2, 0, 509, -1, OK, TIME_WAIT},
	};

	(void)play(steps, RTE_DIM(steps));
}

static void test_a_fin_that_is_sent_again_does_not_end_the_other_side(void)
{
	static const struct step steps[] = {
		HANDSHAKE,
		{'a', F | A, 1, 1, 10, 502, -1, OK, FIN_WAIT},
		{'a', F | A, 1, 1, 10, 502, -1, OK, FIN_WAIT}, /* Linux: LAST_ACK */
		{'b', A, 1, 5, 0, 509, -1, OK, FIN_WAIT},      /* not all of it; Linux: TIME_WAIT */
		{'a', F | A, 5, 1, 6, 502, -1, OK, FIN_WAIT},
		{'b', A, 1, 12, 0, 509, -1, OK, CLOSE_WAIT},
	};

	(void)play(steps, RTE_DIM(steps));
}

static void test_nothing_follows_a_fin_and_a_fin_follows_all(void)
{
	static const struct step steps[] = {
		HANDSHAKE,
		{'a', A, 1, 1, 10, 502, -1, OK, ESTABLISHED},
		{'a', F | A, 5, 1, 0, 502, -1, INVALID, ESTABLISHED},
		{'a', F | A, 11, 1, 0, 502, -1, OK, FIN_WAIT},
		{'a', A, 11, 1, 20, 502, -1, INVALID, FIN_WAIT},
		{'a', F | A, 11, 1, 20, 502, -1, INVALID, FIN_WAIT},
		{'a', F | A, 5, 1, 0, 502, -1, INVALID, FIN_WAIT},
		{'a', A, 1, 1, 10, 502, -1, OK, FIN_WAIT},
	};

	(void)play(steps, RTE_DIM(steps));
}

static void test_a_refused_connection_is_closed_and_may_be_tried_again(void)
{
	static const struct step steps[] = {
		{'a', N, 0, 0, 0, 64240, 7, OK, SYN_SENT},
		{'b', R | A, 0u - ISN_B, 1, 0, 0, -1, OK, CLOSED}, /* sequence number 0 */
		{'b', R | A, 0u - ISN_B, 1, 0, 0, -1, OK, CLOSED},
		{'a', N, 0, 0, 0, 64240, 7, RENEW, CLOSED},
	};

	(void)play(steps, RTE_DIM(steps));
	CU_ASSERT_EQUAL(cls, WEIR_FLOW_CLOSED);
}

static void test_a_blind_reset_of_an_opening_is_invalid(void)
{
	static const struct step steps[] = {
		{'a', N, 0, 0, 0, 64240, 7, OK, SYN_SENT},
		{'b', R | A, 0, 2, 0, 0, -1, INVALID, SYN_SENT},
		{'b', R | A, 0, 0, 0, 0, -1, INVALID, SYN_SENT},
		{'b', R, 0, 0, 0, 0, -1, INVALID, SYN_SENT},
		{'b', N | A, 0, 2, 0, 65160, 7, INVALID, SYN_SENT},
		{'b', N | A, 0, 0, 0, 65160, 7, INVALID, SYN_SENT},
		{'b', F | A, 0, 1, 0, 65160, -1, INVALID, SYN_SENT},
		{'b', N | A, 0, 1, 0, 65160, 7, OK, SYN_RECV},
		{'a', A, 1, 2, 0, 502, -1, INVALID, SYN_RECV}, /* not its SYN-ACK */
		{'a', A, 1, 0, 0, 502, -1, INVALID, SYN_RECV},
		{'a', A, 1, 1, 0, 502, -1, OK, ESTABLISHED},
	};

	(void)play(steps, RTE_DIM(steps));
}

static void test_an_older_connection_of_the_server_is_asked_back_and_reset(void)
{
	static const struct step steps[] = {
		/* RFC 9293 section 3.5.1: the client has lost its memory. */
		{'a', N, 0, 0, 0, 64240, 7, OK, SYN_SENT},
		{'b', A, 70000, 80000, 0, 509, -1, CHALLENGE, SYN_SENT},
		{'a', R, 80000, 0, 0, 0, -1, CHALLENGE, SYN_SENT},
		{'a', N, 0, 0, 0, 64240, 7, OK, SYN_SENT},
		{'b', N | A, 0, 1, 0, 65160, 7, OK, SYN_RECV},
	};

	(void)play(steps, RTE_DIM(steps));
}

static void test_a_client_that_gave_up_resets_the_opening(void)
{
	static const struct step sent[] = {
		{'a', N, 0, 0, 0, 64240, 7, OK, SYN_SENT},
		{'a', R, 1, 0, 0, 0, -1, OK, CLOSED},
	};
	static const struct step received[] = {
		{'a', N, 0, 0, 0, 64240, 7, OK, SYN_SENT},
		{'b', N | A, 0, 1, 0, 65160, 7, OK, SYN_RECV},
		{'a', R, 1, 0, 0, 0, -1, OK, CLOSED},
	};
	static const struct step both[] = {
		{'a', N, 0, 0, 0, 64240, 7, OK, SYN_SENT},
		{'b', N, 0, 0, 0, 65160, 3, OK, SYN_SENT2},
		{'b', R | A, 500, 1, 0, 0, -1, OK, CLOSED},
	};

	(void)play(sent, RTE_DIM(sent));
	(void)play(received, RTE_DIM(received));
	(void)play(both, RTE_DIM(both));
}

static void test_a_reset_must_have_the_number_that_is_expected(void)
{
	static const struct {
		uint32_t seq;
		enum weir_flow_tcp verdict;
	} resets[] = {
		{101, OK},	 /* what it sends next */
		{51, OK},	 /* what B has acknowledged */
		{52, CHALLENGE}, /* in the window */
		{100, CHALLENGE},
		{102, CHALLENGE},
		{50, CHALLENGE},
		{51 + 2000, CHALLENGE},
		{51 + 2001, INVALID},
		{51u - 66000, CHALLENGE},
		{51u - 66001, INVALID},
		{51 + 0x40000000, INVALID},
		{51 + 0x80000000, INVALID},
	};

	for (unsigned i = 0; i < RTE_DIM(resets); i++) {
		static const struct step data[] = {
			{'a', A, 1, 1, 100, 1000, -1, OK, ESTABLISHED},
			{'b', A, 1, 51, 0, 2000, -1, OK, ESTABLISHED},
		};
		const struct step reset = {'a', R, resets[i].seq, 0, 0, 0, -1};
		struct weir_flow f = play_on(small(), data, RTE_DIM(data), false);

		CU_ASSERT_EQUAL(say(&f, &reset, false), resets[i].verdict);
		CU_ASSERT_EQUAL(f.tcp_state, resets[i].verdict == OK ? CLOSED : ESTABLISHED);
		CU_ASSERT_EQUAL(cls,
				resets[i].verdict == OK ? WEIR_FLOW_CLOSED : WEIR_FLOW_ESTABLISHED);
	}
}

static void test_data_on_their_way_pass_after_a_reset(void)
{
	static const struct step steps[] = {
		HANDSHAKE,
		{'a', A, 1, 1, 100, 502, -1, OK, ESTABLISHED},
		{'b', R | A, 1, 1, 0, 0, -1, OK, CLOSED},
		{'a', A, 101, 1, 100, 502, -1, OK, CLOSED},
		{'b', R, 1, 0, 0, 0, -1, OK, CLOSED},
		{'b', N | A, 0, 1, 0, 65160, 7, CHALLENGE, CLOSED},
	};

	(void)play(steps, RTE_DIM(steps));
}

static void test_a_syn_in_a_connection_is_asked_back(void)
{
	static const struct step steps[] = {
		HANDSHAKE,
		{'a', N, 0, 0, 0, 64240, 7, CHALLENGE, ESTABLISHED}, /* delayed */
		{'a', N, 1, 0, 0, 64240, 7, CHALLENGE, ESTABLISHED},
		{'a', N, 0x12345678, 0, 0, 64240, 7, CHALLENGE, ESTABLISHED},
		{'b', N, 5, 0, 0, 64240, 7, CHALLENGE, ESTABLISHED},
		{'b', N | A, 0, 1, 0, 65160, 7, CHALLENGE, ESTABLISHED},
		{'a', N | A, 0, 1, 0, 65160, 7, CHALLENGE, ESTABLISHED},
		/* The server's challenge, and the client that knows nothing of it. */
		{'b', A, 1, 1, 0, 509, -1, OK, ESTABLISHED},
		{'a', R, 1, 0, 0, 0, -1, OK, CLOSED},
		{'a', N, 0x12345678, 0, 0, 64240, 7, RENEW, CLOSED},
	};

	(void)play(steps, RTE_DIM(steps));
}

static void test_after_time_wait_a_higher_syn_begins_anew_from_either_side(void)
{
	static const struct step end[] = {
		HANDSHAKE,
		{'a', F | A, 1, 1, 0, 502, -1, OK, FIN_WAIT},
		{'b', F | A, 1, 2, 0, 509, -1, OK, LAST_ACK},
		{'a', A, 2, 2, 0, 502, -1, OK, TIME_WAIT},
		{'a', N, 0, 0, 0, 64240, 7, CHALLENGE, TIME_WAIT}, /* an old duplicate */
		{'a', N, 2, 0, 0, 64240, 7, CHALLENGE, TIME_WAIT},
		{'a', N, 3, 0, 0, 64240, 7, RENEW, TIME_WAIT},
		{'b', N, 3, 0, 0, 64240, 7, RENEW, TIME_WAIT},
		{'a', R, 2, 0, 0, 0, -1, OK, CLOSED},
		{'a', N, 0x90000000, 0, 0, 64240, 7, RENEW, CLOSED},
	};

	(void)play(end, RTE_DIM(end));
}

static void test_syns_that_are_lost_on_the_way_come_again(void)
{
	static const struct step steps[] = {
		{'a', N, 0, 0, 0, 64240, 7, OK, SYN_SENT},
		{'a', N, 0, 0, 0, 64240, 7, OK, SYN_SENT},
		{'a', N, 500, 0, 0, 64240, 7, OK, SYN_SENT}, /* the program was begun again */
		{'b', N | A, 0, 1, 0, 65160, 7, INVALID, SYN_SENT},
		{'b', N | A, 0, 501, 0, 65160, 7, OK, SYN_RECV},
		{'a', N, 500, 0, 0, 64240, 7, CHALLENGE, SYN_RECV},
		{'b', N | A, 0, 501, 0, 65160, 7, OK, SYN_RECV},
		{'b', N | A, 900, 501, 0, 65160, 7, OK, SYN_RECV}, /* of another SYN cookie */
		{'a', A, 501, 1, 0, 502, -1, INVALID, SYN_RECV},
		{'a', A, 501, 901, 0, 502, -1, OK, ESTABLISHED},
	};

	(void)play(steps, RTE_DIM(steps));
}

static void test_fast_open_sends_data_before_the_handshake_is_complete(void)
{
	static const struct step steps[] = {
		{'a', N, 0, 0, 300, 64240, 7, OK, SYN_SENT},
		{'a', N, 0, 0, 0, 64240, -1, OK, SYN_SENT}, /* again, without data or options */
		{'b', N | A, 0, 301, 0, 65160, 7, OK, SYN_RECV},
		{'b', A, 1, 301, 5000, 509, -1, OK, SYN_RECV},
		{'b', F | A, 5001, 301, 0, 509, -1, OK, SYN_RECV},
		{'a', A, 301, 1, 0, 502, -1, OK, FIN_WAIT},
		{'a', A, 301, 5002, 0, 502, -1, OK, CLOSE_WAIT},
	};

	(void)play(steps, RTE_DIM(steps));
}

static void test_windows_are_scaled_only_if_both_offered_it(void)
{
	static const struct step both[] = {
		HANDSHAKE,
		/* A's 64240 are not scaled: they are in its SYN. */
		{'b', A, 1, 1, 64241, 509, -1, OK, ESTABLISHED},
	};
	static const struct step one[] = {
		{'a', N, 0, 0, 0, 1000, 7, OK, SYN_SENT},
		{'b', N | A, 0, 1, 0, 2000, -1, OK, SYN_RECV},
		{'a', A, 1, 1, 0, 1000, -1, OK, ESTABLISHED},
		{'b', A, 1, 1, 1001, 2000, -1, INVALID, ESTABLISHED},
		{'b', A, 1, 1, 1000, 2000, -1, OK, ESTABLISHED},
		{'a', A, 1, 1, 2001, 1000, -1, INVALID, ESTABLISHED},
	};
	struct weir_flow f = play(both, RTE_DIM(both));
	const struct step more = {'b', A, 1, 1, 502 * 128 + 1, 509, -1};
	const struct step most = {'b', A, 1, 1, 502 * 128, 509, -1};

	CU_ASSERT_EQUAL(f.peer[WEIR_DIR_ORIG].max_window, 502);
	CU_ASSERT_EQUAL(f.peer[WEIR_DIR_REPLY].max_window, 510);
	f = established();
	CU_ASSERT_EQUAL(say(&f, &more, false), INVALID);
	CU_ASSERT_EQUAL(say(&f, &most, false), OK);
	f = play(one, RTE_DIM(one));
	CU_ASSERT_EQUAL(f.peer[WEIR_DIR_ORIG].max_window, 1000);
}

static void test_the_largest_scale_lets_a_gigabyte_pass(void)
{
	static const struct step steps[] = {
		{'a', N, 0, 0, 0, 65535, 14, OK, SYN_SENT},
		{'b', N | A, 0, 1, 0, 65535, 14, OK, SYN_RECV},
		{'a', A, 1, 1, 0, 65535, -1, OK, ESTABLISHED},
		{'b', A, 1, 1, 1000, 65535, -1, OK, ESTABLISHED},
		{'a', A, 65535u << 14, 1001, 1, 65535, -1, OK, ESTABLISHED},
		{'a', A, (65535u << 14) + 1, 1001, 1, 65535, -1, INVALID, ESTABLISHED},
	};

	(void)play(steps, RTE_DIM(steps));
}

static void test_keepalives_and_probes_of_a_closed_window_pass(void)
{
	static const struct step steps[] = {
		SMALL_HANDSHAKE,
		{'a', A, 1, 1, 1000, 1000, -1, OK, ESTABLISHED},
		{'b', A, 1, 1001, 0, 0, -1, OK, ESTABLISHED},	 /* closes its window */
		{'a', A, 1001, 1, 1, 1000, -1, OK, ESTABLISHED}, /* probes */
		{'b', A, 1, 1001, 0, 0, -1, OK, ESTABLISHED},
		{'b', A, 1, 1001, 0, 2000, -1, OK, ESTABLISHED}, /* opens it */
		{'a', A, 1000, 1, 0, 1000, -1, OK, ESTABLISHED}, /* keepalive */
		{'a', A, 1000, 1, 1, 1000, -1, OK, ESTABLISHED}, /* with a byte of garbage */
		{'b', A, 0, 1001, 0, 2000, -1, OK, ESTABLISHED}, /* of the other side */
	};

	(void)play(steps, RTE_DIM(steps));
}

static void test_a_window_that_was_never_open_lets_one_byte_pass(void)
{
	static const struct step steps[] = {
		{'a', N, 0, 0, 0, 0, -1, OK, SYN_SENT},
		{'b', N | A, 0, 1, 0, 0, -1, OK, SYN_RECV},
		{'a', A, 1, 1, 0, 0, -1, OK, ESTABLISHED},
		{'a', A, 1, 1, 2, 0, -1, INVALID, ESTABLISHED},
		{'a', A, 1, 1, 1, 0, -1, OK, ESTABLISHED},
	};

	(void)play(steps, RTE_DIM(steps));
}

static void test_lost_and_late_segments_pass(void)
{
	static const struct step steps[] = {
		SMALL_HANDSHAKE,
		{'a', A, 1001, 1, 1000, 1000, -1, OK, ESTABLISHED}, /* ahead of the first */
		{'b', A, 1, 1, 0, 2000, -1, OK, ESTABLISHED},	    /* with SACK */
		{'b', A, 1, 1, 0, 2000, -1, OK, ESTABLISHED},
		{'a', A, 1, 1, 1000, 1000, -1, OK, ESTABLISHED},
		{'b', A, 1, 2001, 0, 2000, -1, OK, ESTABLISHED},
		{'a', A, 1, 1, 1000, 1000, -1, OK, ESTABLISHED}, /* once more, too late */
		{'b', A, 1, 1, 0, 2000, -1, OK, ESTABLISHED},	 /* an old ACK */
		{'a', A, 2001, 1, 2000, 1000, -1, OK, ESTABLISHED},
		{'a', F | A, 4001, 1, 0, 1000, -1, OK, FIN_WAIT}, /* just beyond the window */
	};

	(void)play(steps, RTE_DIM(steps));
}

static void test_what_is_out_of_the_windows_is_invalid(void)
{
	static const struct {
		uint32_t seq, ack, bytes;
		enum weir_flow_tcp verdict;
	} segments[] = {
		{1, 1, 2000, OK},
		{1, 1, 2001, INVALID},
		{2000, 1, 1, OK},
		{2001, 1, 0, OK},
		{2001, 1, 1, INVALID},
		{1u - 66000, 1, 0, OK},
		{1u - 66001, 1, 0, INVALID},
		{1u - 66001, 1, 1, OK}, /* its end is what counts */
		{1, 2, 0, INVALID},	/* B has not sent that */
		{1, 1u - 66000, 0, OK},
		{1, 1u - 66001, 0, INVALID},
		{0x80000001, 1, 10, INVALID},
		{1, 0x80000001, 10, INVALID},
		{1, 1, UINT32_MAX, INVALID},
		{1, 1, 0x80000000, INVALID},
	};

	for (unsigned i = 0; i < RTE_DIM(segments); i++) {
		const struct step s = {'a',  A, segments[i].seq, segments[i].ack, segments[i].bytes,
				       1000, -1};
		struct weir_flow f = small();
		const struct weir_flow_peer before = f.peer[WEIR_DIR_ORIG];

		CU_ASSERT_EQUAL(say(&f, &s, false), segments[i].verdict);
		if (segments[i].verdict != OK)
			CU_ASSERT_EQUAL(f.peer[WEIR_DIR_ORIG].end, before.end);
	}
}

static void test_only_some_flags_stand_together(void)
{
	static const uint8_t good[] = {
		N,
		N | A,
		R,
		R | A,
		F | A,
		A,
		N | RTE_TCP_URG_FLAG,
		F | A | RTE_TCP_URG_FLAG,
		A | RTE_TCP_URG_FLAG,
	};

	for (unsigned flags = 0; flags < 256; flags++) {
		const uint8_t judged = flags &
				       ~(RTE_TCP_PSH_FLAG | RTE_TCP_ECE_FLAG | RTE_TCP_CWR_FLAG);
		const struct step s = {'a', (uint8_t)flags, 1, 1, 0, 1000, -1};
		struct weir_flow f = small();
		bool may = false;

		for (unsigned i = 0; i < RTE_DIM(good); i++)
			may |= good[i] == judged;
		CU_ASSERT_EQUAL(say(&f, &s, false) != INVALID, may);
	}
}

static void test_a_connection_begins_with_a_syn(void)
{
	static const uint8_t flags[] = {A, F | A, R, R | A, N | A};

	for (unsigned i = 0; i < RTE_DIM(flags); i++) {
		const struct step s = {'a', flags[i], 1, 1, 0, 1000, -1};
		struct weir_flow f = draft();

		CU_ASSERT_EQUAL(say(&f, &s, false), INVALID);
		CU_ASSERT_EQUAL(f.tcp_state, NONE);
		CU_ASSERT_EQUAL(cls, WEIR_FLOW_HALF_OPEN);
		CU_ASSERT_EQUAL(say(&f, &s, true), flags[i] == A ? OK : INVALID);
	}
}

static void test_a_connection_picked_up_in_the_middle_learns_from_both_sides(void)
{
	static const struct step begin[] = {
		{'a', A, 1000, 5000, 100, 502, -1, OK, ESTABLISHED},
		{'a', A, 1100, 5000, 100, 502, -1, OK, ESTABLISHED},
	};
	static const struct step go_on[] = {
		{'b', A, 205000, 9000, 1448, 509, -1, OK, ESTABLISHED}, /* what went before */
		{'a', A, 9000, 206448, 100, 502, -1, OK, ESTABLISHED},
		{'b', R, 206449, 0, 0, 0, -1, CHALLENGE, ESTABLISHED},
		{'b', N, 1, 0, 0, 0, -1, CHALLENGE, ESTABLISHED},
		{'b', A, 206448, 0x70000000, 0, 509, -1, INVALID, ESTABLISHED},
		{'b', A, 0x70000000, 9100, 0, 509, -1, INVALID, ESTABLISHED},
		{'a', F | A, 9100, 206448, 0, 502, -1, OK, FIN_WAIT},
		{'b', A, 206448, 9101, 0, 509, -1, OK, CLOSE_WAIT},
		{'b', F | A, 206448, 9101, 0, 509, -1, OK, LAST_ACK},
		{'a', A, 9101, 206449, 0, 502, -1, OK, TIME_WAIT},
	};
	struct weir_flow f = play_on(draft(), begin, RTE_DIM(begin), true);

	CU_ASSERT_EQUAL(cls, WEIR_FLOW_HALF_OPEN); /* nobody has answered */
	CU_ASSERT_TRUE(f.flags & WEIR_FLOW_LOOSE);
	f = play_on(f, go_on, 1, true);
	CU_ASSERT_EQUAL(cls, WEIR_FLOW_ESTABLISHED);
	f = play_on(f, go_on + 1, RTE_DIM(go_on) - 1, false);
	CU_ASSERT_EQUAL(cls, WEIR_FLOW_CLOSED);
}

/* A TCP header with options; how many bytes. */
static uint32_t header(uint8_t *to, uint8_t flags, const uint8_t *options, uint32_t n)
{
	const struct rte_tcp_hdr tcp = {
		.sent_seq = RTE_BE32(0x01020304),
		.recv_ack = RTE_BE32(0x05060708),
		.data_off = (uint8_t)((sizeof(tcp) + n) / 4 << 4),
		.tcp_flags = flags,
		.rx_win = RTE_BE16(0x1234),
	};

	memcpy(to, &tcp, sizeof(tcp));
	memcpy(to + sizeof(tcp), options, n);
	return (uint32_t)(sizeof(tcp) + n);
}

static void test_a_segment_is_read_from_its_header(void)
{
	static const struct {
		uint8_t options[12];
		int8_t wscale;
	} syns[] = {
		{{0}, -1},
		{{1, 3, 3, 7}, 7},
		{{2, 4, 5, 0xb4, 1, 3, 3, 0}, 0},
		{{3, 3, 15}, 14}, /* RFC 7323: as if it were 14 */
		{{3, 3, 255}, 14},
		{{0, 3, 3, 7}, -1},    /* behind the end */
		{{3, 2, 3, 3, 9}, 9},  /* an odd length is none */
		{{8, 0, 3, 3, 7}, -1}, /* no length */
		{{8, 1, 3, 3, 7}, -1},
		{{8, 13, 3, 3, 7}, -1}, /* longer than the header */
		{{1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 4}, 4},
		{{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3}, -1}, /* cut */
		{{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3}, -1},
	};
	struct weir_flow_segment seg;

	for (unsigned i = 0; i < RTE_DIM(syns); i++) {
		uint8_t *bytes = malloc(sizeof(struct rte_tcp_hdr) + 12); /* so that ASan sees */
		uint32_t n;

		CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
		n = header(bytes, N, syns[i].options, 12);
		weir_flow_segment(bytes, n, &seg);
		CU_ASSERT_EQUAL(seg.wscale, syns[i].wscale);
		CU_ASSERT_EQUAL(seg.payload_bytes, 0);
		free(bytes);
	}
}

static void test_a_header_that_is_cut_makes_an_invalid_segment(void)
{
	uint8_t bytes[64] = {0};
	struct weir_flow_segment seg;
	uint32_t n = header(bytes, A | RTE_TCP_PSH_FLAG, (const uint8_t[4]){3, 3, 7, 0}, 4);

	weir_flow_segment(bytes, n + 9, &seg);
	CU_ASSERT_EQUAL(seg.seq, 0x01020304);
	CU_ASSERT_EQUAL(seg.ack, 0x05060708);
	CU_ASSERT_EQUAL(seg.window, 0x1234);
	CU_ASSERT_EQUAL(seg.payload_bytes, 9);
	CU_ASSERT_EQUAL(seg.flags, A | RTE_TCP_PSH_FLAG);
	CU_ASSERT_EQUAL(seg.wscale, -1); /* no SYN */
	for (uint32_t cut = 0; cut < n; cut++) {
		struct weir_flow f = small();

		weir_flow_segment(bytes, cut, &seg);
		CU_ASSERT_EQUAL(seg.flags, 0);
		CU_ASSERT_EQUAL(weir_flow_tcp(&f, WEIR_DIR_ORIG, &seg, true, &cls), INVALID);
	}
	bytes[12] = 4 << 4;
	weir_flow_segment(bytes, n, &seg);
	CU_ASSERT_EQUAL(seg.flags, 0);
}

static void test_states_and_classes_have_names(void)
{
	for (unsigned i = 0; i < WEIR_TCP_STATES; i++)
		CU_ASSERT_TRUE(strlen(weir_tcp_state_name((enum weir_tcp_state)i)) > 3);
	for (unsigned i = 0; i < WEIR_FLOW_CLASSES; i++)
		CU_ASSERT_TRUE(strlen(weir_flow_class_name((enum weir_flow_class)i)) > 2);
	CU_ASSERT_STRING_EQUAL(weir_flow_class_name(WEIR_FLOW_HALF_OPEN), "half-open");
	CU_ASSERT_STRING_EQUAL(weir_tcp_state_name(WEIR_TCP_SYN_SENT), "SYN_SENT");
	CU_ASSERT_STRING_EQUAL(weir_tcp_state_name(WEIR_TCP_STATES), "?");
	CU_ASSERT_STRING_EQUAL(weir_flow_class_name(WEIR_FLOW_CLASSES), "?");
}

WEIR_TESTS("dataplane/flow_tcp", TEST(a_request_and_its_answer_with_an_orderly_end),
	   TEST(the_class_follows_the_state), TEST(both_sides_may_open_at_once),
	   TEST(in_a_simultaneous_open_either_may_answer_first), TEST(both_sides_may_close_at_once),
	   TEST(a_fin_that_is_sent_again_does_not_end_the_other_side),
	   TEST(nothing_follows_a_fin_and_a_fin_follows_all),
	   TEST(a_refused_connection_is_closed_and_may_be_tried_again),
	   TEST(a_blind_reset_of_an_opening_is_invalid),
	   TEST(an_older_connection_of_the_server_is_asked_back_and_reset),
	   TEST(a_client_that_gave_up_resets_the_opening),
	   TEST(a_reset_must_have_the_number_that_is_expected),
	   TEST(data_on_their_way_pass_after_a_reset), TEST(a_syn_in_a_connection_is_asked_back),
	   TEST(after_time_wait_a_higher_syn_begins_anew_from_either_side),
	   TEST(syns_that_are_lost_on_the_way_come_again),
	   TEST(fast_open_sends_data_before_the_handshake_is_complete),
	   TEST(windows_are_scaled_only_if_both_offered_it),
	   TEST(the_largest_scale_lets_a_gigabyte_pass),
	   TEST(keepalives_and_probes_of_a_closed_window_pass),
	   TEST(a_window_that_was_never_open_lets_one_byte_pass), TEST(lost_and_late_segments_pass),
	   TEST(what_is_out_of_the_windows_is_invalid), TEST(only_some_flags_stand_together),
	   TEST(a_connection_begins_with_a_syn),
	   TEST(a_connection_picked_up_in_the_middle_learns_from_both_sides),
	   TEST(a_segment_is_read_from_its_header),
	   TEST(a_header_that_is_cut_makes_an_invalid_segment), TEST(states_and_classes_have_names))
