/* SPDX-License-Identifier: BSD-3-Clause */

/* TCP as a bystander sees it: how connections begin and end. */

#include "toy_tcp.h"

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
	   TEST(data_on_their_way_pass_after_a_reset), TEST(a_syn_in_a_connection_is_asked_back),
	   TEST(after_time_wait_a_higher_syn_begins_anew_from_either_side),
	   TEST(syns_that_are_lost_on_the_way_come_again),
	   TEST(fast_open_sends_data_before_the_handshake_is_complete),
	   TEST(a_connection_begins_with_a_syn),
	   TEST(a_connection_picked_up_in_the_middle_learns_from_both_sides),
	   TEST(states_and_classes_have_names))
