/* SPDX-License-Identifier: BSD-3-Clause */

/* Samples of the delivery rate (draft-ietf-ccwg-bbr section 4.1). */

#include "toy_loss.h"

static void test_the_rate_is_what_arrives_in_the_time_that_it_took(void)
{
	toy_begin(CONN_SACK);
	toy_send(10);
	toy_at(1100);
	toy_ack(5, 0, 0);
	CU_ASSERT_EQUAL(told.ack.rate_bytes_s, 5000);
	CU_ASSERT_EQUAL(told.ack.delivered, 500);
	CU_ASSERT_EQUAL(told.ack.sent_delivered, 0);
	toy_at(1150);
	toy_ack(5, 6, 10);
	CU_ASSERT_EQUAL(told.ack.rate_bytes_s, 900 * 1000 / 150);
	toy_end_loss();
}

static void test_the_time_to_send_counts_where_it_is_longer(void)
{
	toy_begin(CONN_SACK);
	toy_send(1);
	toy_at(1090);
	toy_send(1);
	toy_at(1100);
	toy_ack(1, 0, 0);
	toy_at(1101);
	toy_send(1);
	toy_at(1300);
	toy_ack(3, 0, 0); /* an ACK of two, the last of which was sent 101 ms after the first */
	CU_ASSERT_EQUAL(told.ack.rate_bytes_s, 200 * 1000 / 200);
	toy_end_loss();
}

static void test_a_time_shorter_than_any_round_trip_gives_no_rate(void)
{
	toy_begin(0);
	toy_send(1);
	toy_fire(RTX_RTO);
	toy_resend();
	toy_at(1310);
	toy_ack(1, 0, 0);
	CU_ASSERT_EQUAL(told.ack.rate_bytes_s, 0);
	CU_ASSERT_EQUAL(told.ack.acked_bytes, MSS);
	toy_end_loss();
}

static void test_what_was_sent_while_the_application_had_no_more_is_told(void)
{
	toy_begin(CONN_SACK);
	tw.app_limited = 150;
	toy_send(2);
	toy_at(1100);
	toy_ack(1, 0, 0);
	CU_ASSERT(told.ack.app_limited);
	CU_ASSERT_EQUAL(tw.app_limited, 150);
	toy_ack(2, 0, 0);
	CU_ASSERT_EQUAL(tw.app_limited, 0);
	toy_send(1);
	toy_at(1200);
	toy_ack(3, 0, 0);
	CU_ASSERT_FALSE(told.ack.app_limited);
	toy_end_loss();
}

static void test_each_segment_is_sampled_once(void)
{
	toy_begin(CONN_SACK);
	toy_send(4);
	toy_at(1100);
	toy_ack(0, 2, 4);
	CU_ASSERT_EQUAL(told.ack.delivered, 200);
	toy_ack(4, 0, 0);
	CU_ASSERT_EQUAL(told.ack.delivered, 400);
	CU_ASSERT_EQUAL(tw.delivered, 400);
	toy_end_loss();
}

static void test_a_window_that_was_all_used_is_told(void)
{
	toy_begin(CONN_SACK);
	tw.cc.cwnd_bytes = 4 * MSS;
	toy_send(3);
	toy_at(1100);
	toy_ack(1, 0, 0);
	CU_ASSERT_FALSE(told.ack.cwnd_limited);
	tw.cc.cwnd_bytes = 4 * MSS;
	toy_send(2);
	toy_ack(2, 0, 0);
	CU_ASSERT(told.ack.cwnd_limited);
	toy_ack(3, 0, 0);
	CU_ASSERT_FALSE(told.ack.cwnd_limited);
	toy_end_loss();
}

WEIR_TESTS("stack/tcp_rate", TEST(the_rate_is_what_arrives_in_the_time_that_it_took),
	   TEST(the_time_to_send_counts_where_it_is_longer),
	   TEST(a_time_shorter_than_any_round_trip_gives_no_rate),
	   TEST(what_was_sent_while_the_application_had_no_more_is_told),
	   TEST(each_segment_is_sampled_once), TEST(a_window_that_was_all_used_is_told))
