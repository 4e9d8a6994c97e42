/* SPDX-License-Identifier: BSD-3-Clause */

/* The SYN proxy behind the first packet to the server: its answer, and numbers translated. */

#include "toy_synproxy.h"

#include <unistd.h>

static void test_the_servers_answer_is_acknowledged_and_opens_the_window(void)
{
	const struct pair *const pairs[] = {&plain, &forwarded, &six};

	for (unsigned i = 0; i < RTE_DIM(pairs); i++) {
		const struct pair *p = pairs[i];
		struct seg synack, ack, syn, answer, s;

		begin_proxy(PROXY FORWARD);
		synack = ask(p, true, SYN);
		ack = complete(&synack);
		syn = pass(true, p, &ack);
		answer = server_answer(&syn, 7);
		s = pass(false, p, &answer);
		CU_ASSERT_EQUAL(s.flags, ACK);
		CU_ASSERT(s.seq == synack.seq + 1 && s.ack == CLIENT_SEQ + 1);
		CU_ASSERT_EQUAL(s.window, 65160 >> 7);
		CU_ASSERT(s.options[0] == 1 && s.options[4] == 1 && s.options[17] == 1);
		CU_ASSERT_EQUAL(be32(s.options + 8), be32(synack.options + 8));
		CU_ASSERT_EQUAL(be32(s.options + 12), 7010);
		s = sent_segment(false, p);
		CU_ASSERT_EQUAL(s.flags, ACK);
		CU_ASSERT(s.seq == CLIENT_SEQ + 1 && s.ack == SERVER_SEQ + 1);
		CU_ASSERT(be32(s.options + 4) == 7010 && be32(s.options + 8) == 900000);
		CU_ASSERT_EQUAL(the_flow()->cls, WEIR_FLOW_ESTABLISHED);
		/* Our ACK was lost: the same once more. */
		s = pass(false, p, &answer);
		CU_ASSERT(s.flags == ACK && s.seq == synack.seq + 1);
		CU_ASSERT_EQUAL(sent_segment(false, p).ack, SERVER_SEQ + 1);
		end_proxy();
	}
}

static void test_numbers_of_both_sides_are_translated(void)
{
	const struct pair *const pairs[] = {&plain, &forwarded, &six};

	for (unsigned i = 0; i < RTE_DIM(pairs); i++) {
		const struct pair *p = pairs[i];
		uint32_t cookie, its;
		struct seg s, ack;

		begin_proxy(PROXY FORWARD);
		cookie = ask(p, true, SYN).seq;
		world.now_ns += SECOND / 10;
		CU_ASSERT_EQUAL(ask(p, true, SYN).seq, cookie); /* nothing was kept of the first */
		ack = (struct seg){.flags = ACK, .seq = CLIENT_SEQ + 1, .ack = cookie + 1};
		its = (uint32_t)(world.now_ns / 1000000) & ~63u;
		stamp(&ack, 7010, its | 0x10 | 9);
		s = pass(true, p, &ack);
		s = server_answer(&s, 7);
		(void)pass(false, p, &s);
		CU_ASSERT_EQUAL(sent(), 1);
		/* Data of the server. */
		s = (struct seg){.flags = ACK, .seq = SERVER_SEQ + 1, .ack = CLIENT_SEQ + 1};
		s.window = 300;
		s.data_bytes = 101;
		stamp(&s, 900055, 7010);
		s = pass(false, p, &s);
		CU_ASSERT(s.seq == cookie + 1 && s.ack == CLIENT_SEQ + 1 && s.window == 300);
		CU_ASSERT_EQUAL(be32(s.options + 4), (its | 0x19) + 55);
		CU_ASSERT_EQUAL(be32(s.options + 8), 7010);
		/* The client has some, and misses some. */
		ack = (struct seg){.flags = ACK, .seq = CLIENT_SEQ + 1, .ack = cookie + 51};
		ack.window = 700;
		stamp(&ack, 7020, (its | 0x19) + 55);
		memcpy(ack.options + 12, (uint8_t[]){1, 5, 10, 1, 2, 3, 4},
		       3); /* at an odd place */
		put_be32(ack.options + 15, cookie + 61);
		put_be32(ack.options + 19, cookie + 71);
		ack.options[23] = 1;
		ack.n_options = 24;
		ack.data_bytes = 33;
		s = pass(true, p, &ack);
		CU_ASSERT(s.seq == CLIENT_SEQ + 1 && s.ack == SERVER_SEQ + 51 && s.window == 700);
		CU_ASSERT(be32(s.options + 4) == 7020 && be32(s.options + 8) == 900055);
		CU_ASSERT_EQUAL(be32(s.options + 15), SERVER_SEQ + 61);
		CU_ASSERT_EQUAL(be32(s.options + 19), SERVER_SEQ + 71);
		/* And ends, as the server does. */
		ack = (struct seg){.flags = FIN | ACK, .seq = CLIENT_SEQ + 34, .ack = cookie + 102};
		CU_ASSERT_EQUAL(pass(true, p, &ack).ack, SERVER_SEQ + 102);
		s = (struct seg){
			.flags = FIN | ACK, .seq = SERVER_SEQ + 102, .ack = CLIENT_SEQ + 35};
		CU_ASSERT_EQUAL(pass(false, p, &s).seq, cookie + 102);
		ack = (struct seg){.flags = ACK, .seq = CLIENT_SEQ + 35, .ack = cookie + 103};
		CU_ASSERT_EQUAL(pass(true, p, &ack).ack, SERVER_SEQ + 103);
		CU_ASSERT_EQUAL(the_flow()->tcp_state, WEIR_TCP_TIME_WAIT);
		end_proxy();
	}
}

static void test_windows_are_judged_by_the_servers_numbers(void)
{
	uint32_t cookie;
	struct seg s;

	begin_proxy(PROXY);
	cookie = open_connection(&plain, true);
	s = (struct seg){.flags = ACK, .seq = SERVER_SEQ + 1 + (1 << 26), .ack = CLIENT_SEQ + 1};
	expect_drop(false, &plain, &s, WEIR_DROP_FLOW_INVALID);
	s = (struct seg){.flags = ACK, .seq = CLIENT_SEQ + 1, .ack = cookie + 2};
	expect_drop(true, &plain, &s, WEIR_DROP_FLOW_INVALID); /* was not sent */
	end_proxy();
}

static void test_without_scaling_of_the_server_windows_are_said_in_full(void)
{
	struct seg synack, ack, syn, s;

	begin_proxy(PROXY);
	synack = ask(&plain, true, SYN);
	ack = complete(&synack);
	syn = pass(true, &plain, &ack);
	s = server_answer(&syn, 7);
	s.n_options = 16; /* without the last one */
	s = pass(false, &plain, &s);
	CU_ASSERT_EQUAL(s.window, 65160 >> 7);
	(void)sent();
	s = (struct seg){.flags = ACK, .seq = SERVER_SEQ + 1, .ack = CLIENT_SEQ + 1};
	s.window = 50000;
	CU_ASSERT_EQUAL(pass(false, &plain, &s).window, 50000 >> 7);
	s.window = 100; /* some stays some */
	CU_ASSERT_EQUAL(pass(false, &plain, &s).window, 1);
	s.window = 0;
	CU_ASSERT_EQUAL(pass(false, &plain, &s).window, 0);
	ack.window = 100;
	CU_ASSERT_EQUAL(pass(true, &plain, &ack).window, 100 << 9);
	ack.window = 1000;
	CU_ASSERT_EQUAL(pass(true, &plain, &ack).window, UINT16_MAX);
	end_proxy();
}

static void test_another_scale_of_the_server_is_converted(void)
{
	struct seg synack, ack, syn, s;

	begin_proxy(PROXY);
	synack = ask(&plain, true, SYN);
	ack = complete(&synack);
	syn = pass(true, &plain, &ack);
	s = server_answer(&syn, 10);
	CU_ASSERT_EQUAL(pass(false, &plain, &s).window, 65160 >> 7);
	(void)sent();
	s = (struct seg){.flags = ACK, .seq = SERVER_SEQ + 1, .ack = CLIENT_SEQ + 1};
	s.window = 60;
	CU_ASSERT_EQUAL(pass(false, &plain, &s).window, 60 << 3);
	ack.window = 100;
	CU_ASSERT_EQUAL(pass(true, &plain, &ack).window, 100);
	end_proxy();
}

static void test_the_syn_is_sent_again_when_the_client_speaks_again(void)
{
	struct seg synack, ack, first, again;

	begin_proxy(PROXY);
	synack = ask(&plain, true, SYN);
	ack = complete(&synack);
	first = pass(true, &plain, &ack);
	for (unsigned i = 0; i < 4; i++) {
		again = ack;
		again.seq += i == 1 ? UINT32_MAX : i; /* a probe, data, a FIN */
		again.data_bytes = i == 2 ? 9 : 0;
		again.flags |= i == 3 ? FIN : 0;
		again = pass(true, &plain, &again);
		CU_ASSERT(again.flags == SYN && again.seq == first.seq && again.n_options == 20);
		CU_ASSERT_EQUAL(memcmp(again.options, first.options, 20), 0);
	}
	again = ack;
	again.ack++;
	expect_drop(true, &plain, &again, WEIR_DROP_FLOW_INVALID);
	CU_ASSERT_EQUAL(toy_flows(), 1);
	again = server_answer(&first, 7);
	CU_ASSERT_EQUAL(pass(false, &plain, &again).flags, ACK);
	CU_ASSERT_EQUAL(sent(), 1);
	end_proxy();
}

static void test_a_closed_port_resets_the_client_with_the_number_that_is_next(void)
{
	struct seg synack, ack, rst;

	begin_proxy(PROXY FORWARD);
	synack = ask(&forwarded, true, SYN);
	ack = complete(&synack);
	(void)pass(true, &forwarded, &ack);
	rst = (struct seg){.flags = RST | ACK, .ack = CLIENT_SEQ + 1};
	rst = pass(false, &forwarded, &rst);
	CU_ASSERT(rst.flags == (RST | ACK) && rst.seq == synack.seq + 1);
	CU_ASSERT_EQUAL(rst.ack, CLIENT_SEQ + 1);
	CU_ASSERT_EQUAL(the_flow()->cls, WEIR_FLOW_CLOSED);
	CU_ASSERT_EQUAL(sent(), 0);
	/* And the client may try again. */
	CU_ASSERT_EQUAL(world.shard.tracker->synproxy.opened, 1);
	ack = (struct seg){.flags = SYN, .seq = CLIENT_SEQ + 900};
	expect_drop(true, &forwarded, &ack, WEIR_DROP_SYNPROXY_DONE);
	end_proxy();
}

static void test_a_client_that_gives_up_ends_its_flow(void)
{
	struct seg synack, ack, s;

	begin_proxy(PROXY);
	synack = ask(&plain, true, SYN);
	ack = complete(&synack);
	(void)pass(true, &plain, &ack);
	s = ack;
	s.flags = RST | ACK;
	s.seq += 5;
	expect_drop(true, &plain, &s, WEIR_DROP_FLOW_INVALID);
	s.seq -= 5;
	s = pass(true, &plain, &s);
	CU_ASSERT(s.flags == RST && s.seq == CLIENT_SEQ + 1 && s.ack == 0);
	CU_ASSERT_EQUAL(the_flow()->cls, WEIR_FLOW_CLOSED);
	end_proxy();
}

static void test_a_new_syn_begins_anew(void)
{
	struct seg synack, ack, s = {.flags = SYN, .seq = CLIENT_SEQ + 77};

	begin_proxy(PROXY);
	synack = ask(&plain, true, SYN);
	ack = complete(&synack);
	(void)pass(true, &plain, &ack);
	expect_drop(true, &plain, &s, WEIR_DROP_SYNPROXY_DONE);
	CU_ASSERT_EQUAL(sent_segment(true, &plain).ack, CLIENT_SEQ + 78);
	world.now_ns += SECOND;
	CU_ASSERT_EQUAL(pass(true, &plain, &ack).flags, SYN); /* and the old cookie is good yet */
	end_proxy();
}

static void test_an_older_connection_of_the_server_is_reset(void)
{
	struct seg synack, ack, s;

	begin_proxy(PROXY FORWARD);
	synack = ask(&forwarded, true, SYN);
	ack = complete(&synack);
	(void)pass(true, &forwarded, &ack);
	s = (struct seg){.flags = ACK, .seq = 55555, .ack = 44444};
	expect_drop(false, &forwarded, &s, WEIR_DROP_SYNPROXY_DONE);
	s = sent_segment(false, &forwarded);
	CU_ASSERT(s.flags == RST && s.seq == 44444);
	s = (struct seg){.flags = SYN, .seq = 55555};
	expect_drop(false, &forwarded, &s, WEIR_DROP_FLOW_INVALID);
	CU_ASSERT_EQUAL(pass(true, &forwarded, &ack).flags, SYN);
	end_proxy();
}

static void test_errors_quote_the_number_that_their_receiver_knows(void)
{
	uint32_t cookie, was;
	struct rte_mbuf *m;
	uint8_t quoted[28];
	struct toy_ip error = {.proto = IPPROTO_ICMP, .icmp_type = 3};
	struct seg s = {.flags = ACK, .seq = SERVER_SEQ + 1, .ack = CLIENT_SEQ + 1};

	begin_proxy(PROXY FORWARD);
	cookie = open_connection(&forwarded, true);
	s = pass(false, &forwarded, &s);
	CU_ASSERT_EQUAL(s.seq, cookie + 1);
	memcpy(quoted, ip4(&last.m), sizeof(quoted));
	error.src = "198.51.100.1";
	error.dst = "192.0.2.1";
	error.data = quoted;
	error.data_bytes = sizeof(quoted);
	m = toy_come(&last, WAN, &error);
	CU_ASSERT_EQUAL(toy_walk(m), WEIR_NEXT);
	memcpy(&was, rte_pktmbuf_mtod_offset(m, uint8_t *, 14 + 20 + 8 + 20 + 4), sizeof(was));
	CU_ASSERT_EQUAL(rte_be_to_cpu_32(was), SERVER_SEQ + 1);
	CU_ASSERT_EQUAL(weir_csum(l4(m), l4_there(m)), 0);
	end_proxy();
}

static void test_a_packet_that_goes_no_further_has_its_own_number_again(void)
{
	struct seg s = {.flags = ACK, .seq = SERVER_SEQ + 1, .ack = CLIENT_SEQ + 1};

	begin_proxy(PROXY);
	(void)open_connection(&plain, true);
	(void)pass(false, &plain, &s);
	CU_ASSERT_TRUE(last.meta.flags & WEIR_META_REWRITTEN);
	synproxy_put_back(weir_flow_ext(world.shard.tracker->flows, the_flow()), WEIR_DIR_REPLY,
			  &last.m);
	CU_ASSERT_EQUAL(read_segment(&last.m).seq, SERVER_SEQ + 1);
	end_proxy();
}

static void test_options_that_lie_are_read_to_their_end_alone(void)
{
	static const uint8_t lies[][8] = {{8, 10, 1, 2, 3, 4, 5, 6},  {1, 1, 1, 1, 1, 1, 1, 8},
					  {5, 1, 1, 1, 0, 0, 0, 0},   {3, 0, 7, 0, 0, 0, 0, 0},
					  {2, 3, 7, 1, 3, 200, 0, 0}, {5, 7, 1, 2, 3, 4, 5, 1}};

	begin_proxy(PROXY);
	for (unsigned i = 0; i < RTE_DIM(lies); i++) {
		struct seg s = {.flags = SYN, .seq = CLIENT_SEQ, .n_options = 8};

		memcpy(s.options, lies[i], 8);
		expect_drop(true, &plain, &s, WEIR_DROP_SYNPROXY_DONE);
		CU_ASSERT_EQUAL(sent_segment(true, &plain).n_options, 4);
	}
	(void)open_connection(&plain, true);
	for (unsigned i = 0; i < RTE_DIM(lies); i++) {
		struct seg s = {.flags = ACK, .seq = SERVER_SEQ + 1, .ack = CLIENT_SEQ + 1};

		s.n_options = 8;
		memcpy(s.options, lies[i], 8);
		s = pass(false, &plain, &s);
		CU_ASSERT_EQUAL(memcmp(s.options, lies[i], 8), 0);
	}
	end_proxy();
}

static void test_a_checksum_that_the_port_makes_is_left_to_it(void)
{
	struct seg synack, ack, s = {.flags = ACK, .seq = SERVER_SEQ + 1, .ack = CLIENT_SEQ + 1};
	struct rte_mbuf *m;
	uint16_t pseudo;

	begin_proxy(PROXY);
	synack = ask(&plain, true, SYN);
	ack = complete(&synack);
	m = come(true, &plain, &ack);
	m->ol_flags = RTE_MBUF_F_TX_TCP_CKSUM;
	CU_ASSERT_EQUAL(toy_walk(m), WEIR_NEXT);
	CU_ASSERT_EQUAL(m->ol_flags, 0); /* made here, for its length has changed */
	ack = read_segment(m);
	ack = server_answer(&ack, 7);
	(void)pass(false, &plain, &ack);
	(void)sent();
	m = come(false, &plain, &s);
	m->ol_flags = RTE_MBUF_F_TX_TCP_CKSUM;
	pseudo = ((struct rte_tcp_hdr *)l4(m))->cksum;
	CU_ASSERT_EQUAL(toy_walk(m), WEIR_NEXT);
	CU_ASSERT_EQUAL(((struct rte_tcp_hdr *)l4(m))->cksum, pseudo);
	CU_ASSERT_EQUAL(rte_be_to_cpu_32(((struct rte_tcp_hdr *)l4(m))->sent_seq), synack.seq + 1);
	end_proxy();
}

static void test_only_data_that_the_server_gets_are_inspected(void)
{
	struct seg synack, ack, syn, data;
	char path[64], text[512];
	FILE *f;

	snprintf(path, sizeof(path), "/tmp/weir-synproxy-%d", (int)getpid());
	f = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fputs("7:/ddddd/\n", f);
	fclose(f);
	snprintf(text, sizeof(text),
		 WORLD_PORTS
		 "dpi: {flows: 16, early_blocks: 16, early_flow: 8, messages: 4, patterns: {p: "
		 "{file: %s, action: drop}}}\n"
		 "firewall: {rules: [{name: p, action: synproxy, inspect: true}]}\n",
		 path);
	begin_proxy(text);
	synack = ask(&plain, true, SYN);
	ack = complete(&synack);
	data = ack;
	data.data_bytes = 10;
	syn = pass(true, &plain, &data);
	CU_ASSERT(syn.flags == SYN && syn.data_bytes == 0);
	CU_ASSERT_EQUAL(pass(true, &plain, &data).flags, SYN);
	data = server_answer(&syn, 7);
	(void)pass(false, &plain, &data);
	(void)sent();
	data = ack;
	data.data_bytes = 3; /* in order from the number that the server expects */
	CU_ASSERT_EQUAL(pass(true, &plain, &data).data_bytes, 3);
	data.seq += 3;
	expect_drop(true, &plain, &data, WEIR_DROP_INSPECT);
	unlink(path);
	end_proxy();
}

WEIR_TESTS("nodes/synproxy", TEST(the_servers_answer_is_acknowledged_and_opens_the_window),
	   TEST(numbers_of_both_sides_are_translated),
	   TEST(windows_are_judged_by_the_servers_numbers),
	   TEST(without_scaling_of_the_server_windows_are_said_in_full),
	   TEST(another_scale_of_the_server_is_converted),
	   TEST(the_syn_is_sent_again_when_the_client_speaks_again),
	   TEST(a_closed_port_resets_the_client_with_the_number_that_is_next),
	   TEST(a_client_that_gives_up_ends_its_flow), TEST(a_new_syn_begins_anew),
	   TEST(an_older_connection_of_the_server_is_reset),
	   TEST(errors_quote_the_number_that_their_receiver_knows),
	   TEST(a_packet_that_goes_no_further_has_its_own_number_again),
	   TEST(options_that_lie_are_read_to_their_end_alone),
	   TEST(a_checksum_that_the_port_makes_is_left_to_it),
	   TEST(only_data_that_the_server_gets_are_inspected))
