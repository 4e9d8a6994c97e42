/* SPDX-License-Identifier: BSD-3-Clause */

/* TCP as a bystander sees it: flags, numbers and windows that fit, and those that do not. */

#include "toy_tcp.h"

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
		{51 + 2001, CHALLENGE}, /* behind a FIN that was lost */
		{51 + 2002, INVALID},
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

/* RFC 9293 section 3.5.2, group 1: the number is what the segment acknowledges, whatever else was
 * sent before, by a server that knows nothing any more. Older ones ask back: another may follow. */
static void test_who_has_lost_its_connection_resets_it(void)
{
	static const struct step steps[] = {
		SMALL_HANDSHAKE,
		{'b', A, 1, 1, 500, 2000, -1, OK, ESTABLISHED},
		{'b', A, 501, 1, 500, 2000, -1, OK, ESTABLISHED},
		{'a', A, 1, 501, 100, 1000, -1, OK, ESTABLISHED},
		{'a', A, 101, 501, 100, 1000, -1, OK, ESTABLISHED},
		{'a', A, 1, 1, 100, 1000, -1, OK, ESTABLISHED}, /* an older one, overtaken */
		{'b', R, 1, 0, 0, 0, -1, CHALLENGE, ESTABLISHED},
		{'b', R, 501, 0, 0, 0, -1, OK, CLOSED},
		{'b', R, 501, 0, 0, 0, -1, OK, CLOSED},
	};
	static const struct step client[] = {
		SMALL_HANDSHAKE,
		{'a', A, 1, 1, 500, 1000, -1, OK, ESTABLISHED},
		{'b', A, 1, 201, 100, 2000, -1, OK, ESTABLISHED},
		{'a', R, 201, 0, 0, 0, -1, OK, CLOSED},
	};

	(void)play(steps, RTE_DIM(steps));
	(void)play(client, RTE_DIM(client));
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
		{'a', A, 4002, 1, 0, 1000, -1, OK, FIN_WAIT},	  /* so is what follows */
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
		{2002, 1, 0, OK}, /* behind a FIN that was lost */
		{2003, 1, 0, INVALID},
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

WEIR_TESTS("dataplane/flow_tcp_window", TEST(a_reset_must_have_the_number_that_is_expected),
	   TEST(who_has_lost_its_connection_resets_it),
	   TEST(windows_are_scaled_only_if_both_offered_it),
	   TEST(the_largest_scale_lets_a_gigabyte_pass),
	   TEST(keepalives_and_probes_of_a_closed_window_pass),
	   TEST(a_window_that_was_never_open_lets_one_byte_pass), TEST(lost_and_late_segments_pass),
	   TEST(what_is_out_of_the_windows_is_invalid), TEST(only_some_flags_stand_together),
	   TEST(a_segment_is_read_from_its_header),
	   TEST(a_header_that_is_cut_makes_an_invalid_segment))
