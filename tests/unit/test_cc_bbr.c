/* SPDX-License-Identifier: BSD-3-Clause */

/* BBR on paths, along the example tests of its draft, and the parts that take numbers by hand. */

#include "cc_bbr_priv.h"

#include "test.h"
#include "toy_acks.h"
#include "toy_link.h"

#define MBIT	UINT64_C(125000)
#define MS	UINT64_C(1000000)
#define SECOND	UINT64_C(1000000000)
#define PIPE_40 (100 * MBIT / 25) /* what 100 Mbit/s and 40 ms hold */

static struct toy_link path;

static struct bbr *bbr(void)
{
	return bbr_of(&path.cc);
}

static void begin_path(uint64_t rate, uint64_t queue_bytes, uint32_t loss_ppm)
{
	path = (struct toy_link){.rate_bytes_s = rate,
				 .rtt_ns = 40 * MS,
				 .queue_bytes = queue_bytes,
				 .loss_ppm = loss_ppm,
				 .seed = 7};
	link_begin(&path, &cc_bbr);
}

/* False: the state was not entered within so much time. */
static bool run_until(enum bbr_state state, uint64_t ns)
{
	const uint64_t end = path.now_ns + ns;

	while (bbr()->state != state && path.now_ns < end)
		link_run(&path, MS / 10);
	return bbr()->state == state;
}

static void test_startup_ends_when_the_rate_no_longer_grows(void)
{
	begin_path(100 * MBIT, 4 * PIPE_40, 0);
	CU_ASSERT_EQUAL(bbr()->state, BBR_STARTUP);
	CU_ASSERT_TRUE(run_until(BBR_DRAIN, 2 * SECOND));
	CU_ASSERT_TRUE(bbr()->full_bw_reached);
	CU_ASSERT_EQUAL(bbr()->full_bw_rounds, 3);
	CU_ASSERT_DOUBLE_EQUAL(bbr_max_bw(bbr()), 100.0 * MBIT, 2.0 * MBIT);
	CU_ASSERT(bbr()->min_rtt_us >= 40000 && bbr()->min_rtt_us < 40500);
	CU_ASSERT_EQUAL(path.drops, 0);
}

static void test_startup_takes_the_rounds_of_a_binary_search(void)
{
	begin_path(100 * MBIT, 4 * PIPE_40, 0);
	CU_ASSERT_TRUE(run_until(BBR_DRAIN, 2 * SECOND));
	CU_ASSERT(bbr()->rounds <= 12); /* 5 doublings from 10 segments to 342, plateau, queue */
}

static void test_startup_ends_when_a_round_loses_too_much(void)
{
	begin_path(100 * MBIT, PIPE_40 / 5, 0);
	CU_ASSERT_TRUE(run_until(BBR_DRAIN, 2 * SECOND));
	CU_ASSERT_EQUAL(bbr()->undo_state, BBR_STARTUP);
	CU_ASSERT_TRUE(bbr()->full_bw_reached);
	CU_ASSERT_NOT_EQUAL(bbr()->inflight_long, BBR_NONE);
	CU_ASSERT(bbr()->inflight_long >= PIPE_40 * 9 / 10);
}

static void test_an_application_that_sends_little_stays_in_startup(void)
{
	begin_path(100 * MBIT, 4 * PIPE_40, 0);
	path.app_bytes_s = 5 * MBIT;
	link_run(&path, 8 * SECOND);
	CU_ASSERT_EQUAL(bbr()->state, BBR_STARTUP);
	CU_ASSERT_FALSE(bbr()->full_bw_reached);
	path.app_bytes_s = 0;
	CU_ASSERT_TRUE(run_until(BBR_DRAIN, 2 * SECOND));
	CU_ASSERT_DOUBLE_EQUAL(bbr_max_bw(bbr()), 100.0 * MBIT, 2.0 * MBIT);
}

static void test_drain_ends_when_the_queue_is_gone(void)
{
	begin_path(100 * MBIT, 4 * PIPE_40, 0);
	CU_ASSERT_TRUE(run_until(BBR_DRAIN, 2 * SECOND));
	CU_ASSERT(link_queue(&path) > PIPE_40 / 2);
	CU_ASSERT_TRUE(run_until(BBR_CRUISE, SECOND)); /* DOWN has nothing left to do */
	CU_ASSERT(link_queue(&path) < PIPE_40 / 5);
}

static void test_drain_ends_after_three_rounds_at_the_latest(void)
{
	struct cc_ack a = {.acked_bytes = LINK_MSS,
			   .flight_bytes = 2 * PIPE_40, /* it does not come down */
			   .sent_flight_bytes = 2 * PIPE_40,
			   .rate_bytes_s = 100 * MBIT,
			   .srtt_us = 80000};

	begin_path(100 * MBIT, 4 * PIPE_40, 0);
	CU_ASSERT_TRUE(run_until(BBR_DRAIN, 2 * SECOND));
	a.now_ns = path.now_ns;
	a.delivered = path.delivered;
	for (int round = 1; round <= 4; round++) {
		CU_ASSERT_EQUAL(bbr()->state, BBR_DRAIN);
		a.sent_delivered = a.delivered;
		a.delivered += PIPE_40;
		a.now_ns += 80 * MS;
		path.cc.ops->on_ack(&path.cc, &a);
	}
	CU_ASSERT_EQUAL(bbr()->state, BBR_DOWN);
}

/* DOWN, CRUISE, REFILL, UP and again, each two to three seconds or 63 rounds. */
static void test_probing_goes_round_in_its_order(void)
{
	static const uint8_t next[] = {[BBR_DOWN] = BBR_CRUISE,
				       [BBR_CRUISE] = BBR_REFILL,
				       [BBR_REFILL] = BBR_UP,
				       [BBR_UP] = BBR_DOWN};
	uint64_t refilled_ns = 0;
	unsigned cycles = 0;
	uint8_t before;

	begin_path(100 * MBIT, 4 * PIPE_40, 0);
	CU_ASSERT_TRUE(run_until(BBR_CRUISE, 2 * SECOND));
	before = bbr()->state;
	while (path.now_ns < 9 * SECOND) {
		link_run(&path, MS);
		if (bbr()->state == before)
			continue;
		CU_ASSERT_EQUAL(bbr()->state, next[before]);
		before = bbr()->state;
		if (before != BBR_REFILL)
			continue;
		if (cycles++ > 0) {
			CU_ASSERT(path.now_ns - refilled_ns >= 2 * SECOND);
			CU_ASSERT(path.now_ns - refilled_ns <= 33 * SECOND / 10);
		}
		refilled_ns = path.now_ns;
	}
	CU_ASSERT(cycles >= 3);
}

static void fill(uint64_t rate)
{
	const uint64_t pipe = rate / 25;
	uint64_t before;

	begin_path(rate, 10 * pipe, 0);
	link_run(&path, 3 * SECOND);
	before = path.delivered;
	path.queue_most_bytes = 0;
	link_run(&path, 30 * SECOND);
	CU_ASSERT(link_permille(&path, before, 30 * SECOND) >= 970);
	CU_ASSERT(path.queue_most_bytes <= 3 * pipe / 2);
	CU_ASSERT_EQUAL(path.drops, 0);
}

static void test_it_fills_a_pipe_and_bounds_the_queue(void)
{
	fill(10 * MBIT);
	fill(100 * MBIT);
}

static void test_between_probes_there_is_no_queue(void)
{
	begin_path(100 * MBIT, 10 * PIPE_40, 0);
	CU_ASSERT_TRUE(run_until(BBR_CRUISE, 3 * SECOND));
	link_run(&path, 200 * MS);
	path.queue_most_bytes = 0;
	while (bbr()->state == BBR_CRUISE)
		link_run(&path, MS);
	CU_ASSERT(path.queue_most_bytes <= PIPE_40 / 20);
}

static uint64_t with_loss(const struct cc_ops *ops)
{
	begin_path(100 * MBIT, PIPE_40, 10000);
	link_begin(&path, ops);
	link_run(&path, 30 * SECOND);
	return link_permille(&path, 0, 30 * SECOND);
}

static void test_it_goes_on_at_random_loss_where_cubic_falls(void)
{
	const uint64_t with_bbr = with_loss(&cc_bbr), with_cubic = with_loss(&cc_cubic);

	CU_ASSERT(with_bbr >= 750);
	CU_ASSERT(with_cubic <= 100);
}

static void test_a_shallow_queue_does_not_cost_much(void)
{
	uint64_t before, sent, drops;

	begin_path(100 * MBIT, PIPE_40 / 10, 0);
	link_run(&path, 3 * SECOND);
	before = path.delivered;
	sent = path.sent_bytes;
	drops = path.drops;
	link_run(&path, 30 * SECOND);
	CU_ASSERT(link_permille(&path, before, 30 * SECOND) >= 900);
	CU_ASSERT((path.drops - drops) * LINK_MSS * 100 < (path.sent_bytes - sent) * 2);
}

/* Precaution: the probe after one that lost too much ends where that one did. */
static void test_a_probe_that_loses_bounds_what_is_on_its_way(void)
{
	begin_path(100 * MBIT, PIPE_40 / 5, 0);
	link_run(&path, 20 * SECOND);
	CU_ASSERT_NOT_EQUAL(bbr()->inflight_long, BBR_NONE);
	CU_ASSERT(bbr()->inflight_long >= PIPE_40);
	CU_ASSERT(bbr()->inflight_long <= PIPE_40 * 13 / 10);
}

static void test_more_bandwidth_is_found(void)
{
	begin_path(20 * MBIT, 2 * PIPE_40, 0);
	link_run(&path, 5 * SECOND);
	path.rate_bytes_s = 100 * MBIT;
	link_run(&path, 15 * SECOND);
	CU_ASSERT_DOUBLE_EQUAL(bbr_max_bw(bbr()), 100.0 * MBIT, 3.0 * MBIT);
}

static void test_less_bandwidth_is_believed_after_two_cycles(void)
{
	begin_path(100 * MBIT, 10 * PIPE_40, 0);
	link_run(&path, 5 * SECOND);
	path.rate_bytes_s = 20 * MBIT;
	link_run(&path, 20 * SECOND); /* a round trip takes a second by then */
	CU_ASSERT_DOUBLE_EQUAL(bbr_max_bw(bbr()), 20.0 * MBIT, 2.0 * MBIT);
}

static void test_it_comes_down_every_ten_seconds_to_see_the_round_trip(void)
{
	uint64_t from_ns;
	uint32_t least = UINT32_MAX;

	begin_path(100 * MBIT, 4 * PIPE_40, 0);
	CU_ASSERT_TRUE(run_until(BBR_PROBE_RTT, 12 * SECOND));
	CU_ASSERT_DOUBLE_EQUAL(bbr()->probe_rtt_cwnd, PIPE_40 / 2.0, PIPE_40 / 20.0);
	from_ns = path.now_ns;
	while (bbr()->state == BBR_PROBE_RTT && path.now_ns < from_ns + SECOND) {
		link_run(&path, MS);
		least = RTE_MIN(least, path.flight);
	}
	CU_ASSERT_EQUAL(bbr()->state, BBR_CRUISE);
	CU_ASSERT(path.now_ns - from_ns >= 200 * MS);
	CU_ASSERT(path.now_ns - from_ns <= 400 * MS);
	CU_ASSERT(least <= PIPE_40 / 2);
	CU_ASSERT_DOUBLE_EQUAL(bbr_max_bw(bbr()), 100.0 * MBIT, 2.0 * MBIT);
	CU_ASSERT_TRUE(run_until(BBR_PROBE_RTT, 12 * SECOND));
	CU_ASSERT(path.now_ns - from_ns >= 10 * SECOND);
}

static void test_a_longer_path_is_believed_after_that_and_a_shorter_at_once(void)
{
	begin_path(100 * MBIT, 4 * PIPE_40, 0);
	link_run(&path, 3 * SECOND);
	path.rtt_ns = 60 * MS;
	link_run(&path, 12 * SECOND);
	CU_ASSERT(bbr()->min_rtt_us >= 60000);
	CU_ASSERT(bbr()->min_rtt_us < 62000);
	path.rtt_ns = 30 * MS;
	link_run(&path, SECOND);
	CU_ASSERT(bbr()->min_rtt_us < 31000);
}

static void test_after_a_timeout_the_window_comes_back_when_it_is_over(void)
{
	uint32_t before;

	begin_path(100 * MBIT, 4 * PIPE_40, 0);
	link_run(&path, 2 * SECOND);
	before = path.cc.cwnd_bytes;
	path.cc.ops->on_timeout(&path.cc, path.flight, path.now_ns);
	path.cc.ops->on_timeout(&path.cc, path.flight, path.now_ns);
	CU_ASSERT_EQUAL(path.cc.cwnd_bytes, LINK_MSS);
	path.cc.ops->on_recovered(&path.cc, path.now_ns);
	CU_ASSERT_EQUAL(path.cc.cwnd_bytes, before);
}

static void test_a_burst_of_loss_slows_it_down_until_it_probes(void)
{
	begin_path(100 * MBIT, 4 * PIPE_40, 0);
	CU_ASSERT_TRUE(run_until(BBR_CRUISE, 3 * SECOND));
	link_run(&path, 300 * MS);
	path.loss_ppm = 300000;
	link_run(&path, 80 * MS);
	path.loss_ppm = 0;
	link_run(&path, 120 * MS);
	CU_ASSERT(bbr()->bw_short < 90 * MBIT);
	CU_ASSERT(bbr()->bw < 90 * MBIT);
	CU_ASSERT_TRUE(run_until(BBR_REFILL, 4 * SECOND));
	CU_ASSERT_EQUAL(bbr()->bw_short, BBR_BW_NONE);
	link_run(&path, 200 * MS);
	CU_ASSERT(bbr()->bw >= 98 * MBIT);
}

static void test_marks_count_as_losses_do(void)
{
	begin_path(100 * MBIT, 4 * PIPE_40, 0);
	CU_ASSERT_TRUE(run_until(BBR_CRUISE, 3 * SECOND));
	link_run(&path, 300 * MS);
	CU_ASSERT_EQUAL(bbr()->inflight_short, BBR_NONE);
	path.cc.ops->on_loss(&path.cc, path.flight, true, path.now_ns);
	link_run(&path, 100 * MS);
	CU_ASSERT_NOT_EQUAL(bbr()->inflight_short, BBR_NONE);

	CU_ASSERT_TRUE(run_until(BBR_UP, 4 * SECOND));
	path.cc.ops->on_recovered(&path.cc, path.now_ns);
	path.cc.ops->on_loss(&path.cc, path.flight, true, path.now_ns);
	CU_ASSERT_EQUAL(bbr()->state, BBR_DOWN);
	CU_ASSERT_EQUAL(bbr()->inflight_long, path.flight);
}

static void test_undo_brings_back_what_a_loss_has_changed(void)
{
	const struct cc_lost lost = {.now_ns = SECOND,
				     .delivered = 1000000000,
				     .bytes = LINK_MSS,
				     .sent_flight_bytes = 20 * LINK_MSS,
				     .lost_since_bytes = 10 * LINK_MSS};

	begin_path(100 * MBIT, 4 * PIPE_40, 0);
	CU_ASSERT_TRUE(run_until(BBR_UP, 6 * SECOND));
	path.cc.ops->on_lost(&path.cc, &lost);
	CU_ASSERT_EQUAL(bbr()->state, BBR_DOWN);
	CU_ASSERT_NOT_EQUAL(bbr()->inflight_long, BBR_NONE);
	path.cc.ops->on_loss(&path.cc, path.flight, false, path.now_ns);
	path.cc.ops->undo(&path.cc, path.now_ns);
	CU_ASSERT_EQUAL(bbr()->state, BBR_REFILL);
	CU_ASSERT_EQUAL(bbr()->inflight_long, BBR_NONE);
	CU_ASSERT_EQUAL(bbr()->bw_short, BBR_BW_NONE);
	CU_ASSERT_EQUAL(path.cc.cwnd_bytes, path.cc.prior_cwnd_bytes);
}

static void test_undo_goes_back_to_startup(void)
{
	begin_path(100 * MBIT, PIPE_40 / 5, 0);
	CU_ASSERT_TRUE(run_until(BBR_DRAIN, 2 * SECOND));
	path.cc.ops->undo(&path.cc, path.now_ns);
	CU_ASSERT_EQUAL(bbr()->state, BBR_STARTUP);
	CU_ASSERT_FALSE(bbr()->full_bw_reached);
	CU_ASSERT_EQUAL(bbr()->inflight_long, BBR_NONE);
}

static void test_after_rest_it_paces_at_what_it_knows(void)
{
	uint64_t seen;

	begin_path(100 * MBIT, 4 * PIPE_40, 0);
	CU_ASSERT_TRUE(run_until(BBR_UP, 6 * SECOND));
	seen = path.delivered;
	path.now_ns += 20 * SECOND;
	path.cc.ops->on_restart(&path.cc, 20 * SECOND, 200000, path.now_ns);
	CU_ASSERT_DOUBLE_EQUAL(path.cc.pacing_bytes_s, 99.0 * MBIT, 2.0 * MBIT);
	link_run(&path, 30 * MS);
	CU_ASSERT(path.delivered > seen);
	CU_ASSERT_NOT_EQUAL(bbr()->state, BBR_PROBE_RTT); /* rest has drained the queue */
	CU_ASSERT(path.cc.cwnd_bytes >= PIPE_40);
}

/* 2 % of 100,000 are lost once 2,000 more of the last burst are. */
static void test_where_losses_passed_the_threshold_is_found_inside_a_burst(void)
{
	struct cc_lost l = {.bytes = 20000, .sent_flight_bytes = 118000, .lost_since_bytes = 20000};

	/* (0.02 * 98000 - 0) / 0.98 = 2000 */
	CU_ASSERT_EQUAL(bbr_flight_at_loss(&l), 100000);
	l.lost_since_bytes = 20000 + 5000; /* had passed it before */
	CU_ASSERT_EQUAL(bbr_flight_at_loss(&l), 98000);
	l = (struct cc_lost){
		.bytes = 3000, .sent_flight_bytes = 3000, .lost_since_bytes = UINT32_MAX};
	CU_ASSERT_EQUAL(bbr_flight_at_loss(&l), 0);
}

static void test_two_percent_is_the_threshold(void)
{
	CU_ASSERT_FALSE(bbr_too_high(0, 0, false));
	CU_ASSERT_FALSE(bbr_too_high(2000, 100000, false));
	CU_ASSERT_TRUE(bbr_too_high(2001, 100000, false));
	CU_ASSERT_TRUE(bbr_too_high(1, 100000, true));
}

/* Whatever samples say, sums do not overflow (UBSan and these bounds). */
static void test_samples_without_measure_do_no_harm(void)
{
	struct toy_acks t;

	acks_begin(&t, &cc_bbr, 1);
	for (uint32_t i = 0; i < 3000; i++) {
		struct cc_ack a = acks_next(&t, i % 7 == 0 ? 1u << 29 : ACKS_MSS);

		t.now_ns += i % 11 == 0 ? 3600 * SECOND : MS;
		a.now_ns = t.now_ns;
		a.rate_bytes_s = i % 3 == 0 ? UINT64_MAX : 1;
		a.rtt_us = i % 5 == 0 ? UINT32_MAX : 1 + i % 2;
		a.srtt_us = UINT32_MAX;
		a.lost_bytes = i % 13 == 0 ? UINT32_MAX : 0;
		a.lost_since_bytes = a.lost_bytes;
		if (i % 17 == 0)
			t.cc.ops->on_loss(&t.cc, UINT32_MAX, i % 2 == 0, t.now_ns);
		t.cc.ops->on_ack(&t.cc, &a);
		if (i % 19 == 0)
			t.cc.ops->on_recovered(&t.cc, t.now_ns);
		CU_ASSERT(t.cc.cwnd_bytes >= 4 * ACKS_MSS);
		CU_ASSERT(t.cc.cwnd_bytes <= CC_CWND_MOST);
		CU_ASSERT(t.cc.pacing_bytes_s > 0);
	}
}

/* As of what was sent twice: it may not be what makes three rounds without growth. */
static void test_acks_without_a_sample_end_no_round(void)
{
	struct cc_ack a = {.acked_bytes = LINK_MSS, .srtt_us = 40000};

	begin_path(100 * MBIT, 4 * PIPE_40, 0);
	link_run(&path, 150 * MS);
	a.now_ns = path.now_ns;
	for (int i = 0; i < 10; i++) {
		a.delivered = a.sent_delivered = path.delivered + 1000000;
		path.cc.ops->on_ack(&path.cc, &a);
	}
	CU_ASSERT_EQUAL(bbr()->state, BBR_STARTUP);
	CU_ASSERT_EQUAL(bbr()->full_bw_rounds, 0);
}

static void test_an_ack_of_nothing_new_changes_nothing_but_notes_a_loss(void)
{
	struct cc_ack nothing = {.lost_bytes = LINK_MSS};
	struct cc before;

	begin_path(100 * MBIT, 4 * PIPE_40, 0);
	CU_ASSERT_TRUE(run_until(BBR_CRUISE, 3 * SECOND));
	before = path.cc;
	nothing.now_ns = path.now_ns;
	nothing.delivered = path.delivered;
	path.cc.ops->on_ack(&path.cc, &nothing);
	CU_ASSERT_EQUAL(path.cc.cwnd_bytes, before.cwnd_bytes);
	CU_ASSERT_EQUAL(path.cc.pacing_bytes_s, before.pacing_bytes_s);
	CU_ASSERT_TRUE(bbr()->loss_in_round);
}

WEIR_TESTS("tcp/cc_bbr", TEST(startup_ends_when_the_rate_no_longer_grows),
	   TEST(startup_takes_the_rounds_of_a_binary_search),
	   TEST(startup_ends_when_a_round_loses_too_much),
	   TEST(an_application_that_sends_little_stays_in_startup),
	   TEST(drain_ends_when_the_queue_is_gone),
	   TEST(drain_ends_after_three_rounds_at_the_latest), TEST(probing_goes_round_in_its_order),
	   TEST(it_fills_a_pipe_and_bounds_the_queue), TEST(between_probes_there_is_no_queue),
	   TEST(it_goes_on_at_random_loss_where_cubic_falls),
	   TEST(a_shallow_queue_does_not_cost_much),
	   TEST(a_probe_that_loses_bounds_what_is_on_its_way), TEST(more_bandwidth_is_found),
	   TEST(less_bandwidth_is_believed_after_two_cycles),
	   TEST(it_comes_down_every_ten_seconds_to_see_the_round_trip),
	   TEST(a_longer_path_is_believed_after_that_and_a_shorter_at_once),
	   TEST(after_a_timeout_the_window_comes_back_when_it_is_over),
	   TEST(a_burst_of_loss_slows_it_down_until_it_probes), TEST(marks_count_as_losses_do),
	   TEST(undo_brings_back_what_a_loss_has_changed), TEST(undo_goes_back_to_startup),
	   TEST(after_rest_it_paces_at_what_it_knows),
	   TEST(where_losses_passed_the_threshold_is_found_inside_a_burst),
	   TEST(two_percent_is_the_threshold), TEST(samples_without_measure_do_no_harm),
	   TEST(acks_without_a_sample_end_no_round),
	   TEST(an_ack_of_nothing_new_changes_nothing_but_notes_a_loss))
