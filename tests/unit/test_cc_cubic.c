/* SPDX-License-Identifier: BSD-3-Clause */

/* CUBIC: each formula of RFC 9438 and each rule of RFC 9406, and paths. */

#include "cc_cubic.c"

#include "test.h"
#include "toy_acks.h"
#include "toy_link.h"

static struct toy_link path;

static double root3(double x)
{
	double y = x > 1 ? x : 1;

	for (int i = 0; i < 200; i++)
		y = (2 * y + x / (y * y)) / 3;
	return y;
}

/* In congestion avoidance after one cut at so many segments. */
static void after_cut(struct toy_acks *t, uint32_t segs, uint32_t rtt_us)
{
	acks_begin(t, &cc_cubic, rtt_us);
	t->cc.cwnd_bytes = segs * ACKS_MSS;
	t->cc.ops->on_loss(&t->cc, segs * ACKS_MSS, false, t->now_ns);
	t->cc.ops->on_recovered(&t->cc, t->now_ns);
}

static void test_the_cube_root_is_exact(void)
{
	for (uint64_t y = 0; y < 5000; y++) {
		CU_ASSERT_EQUAL(cube_root(y * y * y), y);
		CU_ASSERT_EQUAL(cube_root((y + 1) * (y + 1) * (y + 1) - 1), y);
	}
	CU_ASSERT_EQUAL(cube_root(UINT64_MAX), 2642245);
}

/* Equations 1 and 2, over windows of 10 to 300,000 segments. */
static void test_the_curve_is_that_of_the_equations(void)
{
	for (double segs = 10; segs < 300000; segs *= 3) {
		const double k = root3(segs * 0.3 / 0.4);
		struct cc c = {.cwnd_bytes = (uint32_t)(segs * 0.7 * 1460), .mss = 1460};
		struct curve v = {.w_max_bytes = (uint32_t)(segs * 1460)};

		begin_stage(&c, &v, 1);
		CU_ASSERT_DOUBLE_EQUAL(v.k_ms, k * 1000, 1.5);
		for (double t = 0; t < 2.5 * k; t += k / 20) {
			const double w = 0.4 * (t - k) * (t - k) * (t - k) + segs;
			const double most = CC_CWND_MOST / 1460.0;

			CU_ASSERT_DOUBLE_EQUAL(w_cubic(&v, 1460, (uint64_t)(t * 1000)) / 1460.0,
					       w < most ? w : most, 0.1 + w / 5000);
		}
	}
}

static void test_a_cut_is_to_seven_tenths(void)
{
	struct toy_acks t;

	after_cut(&t, 100, 50000);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 70 * ACKS_MSS);
	CU_ASSERT_EQUAL(t.cc.ssthresh_bytes, 70 * ACKS_MSS);
	CU_ASSERT_EQUAL(cubic_of(&t.cc)->curve.w_max_bytes, 100 * ACKS_MSS);
}

/* Section 4.7: 0.85 of where it is when it has not come back to where it was. */
static void test_fast_convergence_remembers_less_than_it_had(void)
{
	struct toy_acks t;

	after_cut(&t, 100, 50000);
	t.cc.cwnd_bytes = 90 * ACKS_MSS;
	t.cc.ops->on_loss(&t.cc, 90 * ACKS_MSS, false, t.now_ns);
	CU_ASSERT_EQUAL(cubic_of(&t.cc)->curve.w_max_bytes, 76500);
	t.cc.ops->on_recovered(&t.cc, t.now_ns);
	t.cc.cwnd_bytes = 80 * ACKS_MSS;
	t.cc.ops->on_loss(&t.cc, 80 * ACKS_MSS, false, t.now_ns);
	CU_ASSERT_EQUAL(cubic_of(&t.cc)->curve.w_max_bytes, 80 * ACKS_MSS);
}

/* RFC 8511: 0.85, and fast convergence half way to it; in slow start 0.7 as for a loss. */
static void test_a_mark_after_slow_start_cuts_less_than_a_loss(void)
{
	struct toy_acks t;

	acks_begin(&t, &cc_cubic, 50000);
	t.cc.cwnd_bytes = 100 * ACKS_MSS;
	t.cc.ops->on_loss(&t.cc, 100 * ACKS_MSS, true, t.now_ns);
	CU_ASSERT_EQUAL(t.cc.ssthresh_bytes, 70 * ACKS_MSS);
	t.cc.ops->on_recovered(&t.cc, t.now_ns);
	t.cc.cwnd_bytes = 80 * ACKS_MSS;
	t.cc.ops->on_loss(&t.cc, 80 * ACKS_MSS, true, t.now_ns);
	CU_ASSERT_EQUAL(t.cc.ssthresh_bytes, 68 * ACKS_MSS);
	CU_ASSERT_EQUAL(cubic_of(&t.cc)->curve.w_max_bytes, 74 * ACKS_MSS);
}

/* 1000 segments and 100 ms: the curve is above Reno's line all the way. */
static void test_the_window_follows_the_curve(void)
{
	struct toy_acks t;

	after_cut(&t, 1000, 100000);
	const double k = root3(300 / 0.4);
	const uint64_t begin = t.now_ns + 100000;

	for (int round = 0; round < 150; round++) {
		acks_round(&t);
		const double s = (double)(t.now_ns - begin) / 1e9;
		const double low = 0.4 * (s - 0.2 - k) * (s - 0.2 - k) * (s - 0.2 - k) + 1000;
		const double high = 0.4 * (s + 0.1 - k) * (s + 0.1 - k) * (s + 0.1 - k) + 1000;

		CU_ASSERT(t.cc.cwnd_bytes / 1000.0 >= low - 2);
		CU_ASSERT(t.cc.cwnd_bytes / 1000.0 <= high + 2);
	}
	CU_ASSERT(t.cc.cwnd_bytes > 1030 * ACKS_MSS); /* past the plateau by then */
}

/* Section 4.3: 9/17 of a segment in each round trip up to where it was, then a whole one. */
static void test_on_short_paths_it_is_as_fast_as_reno(void)
{
	struct toy_acks t;
	uint32_t from;

	after_cut(&t, 100, 1000);
	for (int round = 0; round < 34; round++)
		acks_round(&t);
	CU_ASSERT_DOUBLE_EQUAL(t.cc.cwnd_bytes / 1000.0, 70 + 34 * 9 / 17.0, 1.1);
	while (t.cc.cwnd_bytes < 101 * ACKS_MSS)
		acks_round(&t);
	from = t.cc.cwnd_bytes;
	for (int round = 0; round < 20; round++)
		acks_round(&t);
	CU_ASSERT_DOUBLE_EQUAL((t.cc.cwnd_bytes - from) / 1000.0, 20, 1.1);
}

static void test_the_window_never_grows_faster_than_by_half_a_round(void)
{
	struct toy_acks t;

	after_cut(&t, 10, 100000);
	t.now_ns += 1000000;
	acks_one(&t, ACKS_MSS);
	t.now_ns += 60000000000; /* all that time it was used: the curve is far above */
	cubic_of(&t.cc)->last_ns = t.now_ns;
	for (int round = 0; round < 10; round++) {
		const uint32_t before = t.cc.cwnd_bytes;

		acks_round(&t);
		CU_ASSERT(t.cc.cwnd_bytes <= before + before / 2 + 2 * ACKS_MSS);
	}
}

/* Section 4.8. */
static void test_after_a_timeout_the_curve_begins_where_slow_start_ends(void)
{
	struct toy_acks t;
	const struct curve *v = &cubic_of(&t.cc)->curve;

	acks_begin(&t, &cc_cubic, 50000);
	t.cc.cwnd_bytes = 100 * ACKS_MSS;
	t.cc.ops->on_timeout(&t.cc, 100 * ACKS_MSS, t.now_ns);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, ACKS_MSS);
	CU_ASSERT_EQUAL(t.cc.ssthresh_bytes, 70 * ACKS_MSS);
	t.recovering = true;
	while (!v->runs)
		acks_round(&t);
	CU_ASSERT_EQUAL(v->k_ms, 0);
	CU_ASSERT_EQUAL(v->w_max_bytes, 70 * ACKS_MSS);
	CU_ASSERT_EQUAL(v->cwnd_prior_bytes, 100 * ACKS_MSS);
}

/* Sections 4.2 and 5.8. */
static void test_time_without_use_does_not_count(void)
{
	struct toy_acks t;
	uint32_t before;

	after_cut(&t, 1000, 100000);
	for (int round = 0; round < 50; round++)
		acks_round(&t);
	before = t.cc.cwnd_bytes;
	t.idle = true;
	for (int i = 0; i < 3000; i++) {
		t.now_ns += 10000000;
		acks_one(&t, ACKS_MSS);
	}
	CU_ASSERT(t.cc.cwnd_bytes <= before + ACKS_MSS);
	t.idle = false;
	acks_round(&t);
	acks_round(&t);
	CU_ASSERT(t.cc.cwnd_bytes <= before + 20 * ACKS_MSS);

	before = t.cc.cwnd_bytes;
	t.now_ns += 30000000000; /* rest shorter than an RTO of a minute */
	t.cc.ops->on_restart(&t.cc, 30000000000, 60000000, t.now_ns);
	acks_round(&t);
	acks_round(&t);
	CU_ASSERT(t.cc.cwnd_bytes <= before + 20 * ACKS_MSS);
}

/* Section 4.9. */
static void test_undo_brings_the_curve_back(void)
{
	struct toy_acks t;
	struct curve before;
	const struct curve *v = &cubic_of(&t.cc)->curve;

	after_cut(&t, 1000, 100000);
	for (int round = 0; round < 20; round++)
		acks_round(&t);
	before = *v;
	t.cc.ops->on_loss(&t.cc, 900 * ACKS_MSS, false, t.now_ns);
	t.cc.cwnd_bytes = 600 * ACKS_MSS;
	t.cc.ops->on_timeout(&t.cc, 600 * ACKS_MSS, t.now_ns);
	t.cc.ops->undo(&t.cc, t.now_ns);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, t.cc.prior_cwnd_bytes);
	CU_ASSERT_EQUAL(v->w_max_bytes, before.w_max_bytes);
	CU_ASSERT_EQUAL(v->k_ms, before.k_ms);
	CU_ASSERT_EQUAL(v->epoch_ns, before.epoch_ns);
	CU_ASSERT_EQUAL(v->w_est_bytes, before.w_est_bytes);
	CU_ASSERT_EQUAL(v->cwnd_prior_bytes, before.cwnd_prior_bytes);
	CU_ASSERT_TRUE(v->runs);
}

/* RFC 9406: 8 samples of an eighth more begin CSS, five rounds of it end slow start. */
static void test_hystart_ends_slow_start_when_round_trips_grow(void)
{
	struct toy_acks t;
	uint32_t before;

	acks_begin(&t, &cc_cubic, 80000);
	acks_round(&t);
	acks_round(&t);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 40 * ACKS_MSS);
	t.rtt_us = 89000; /* less than an eighth more */
	acks_round(&t);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, 80 * ACKS_MSS);
	t.rtt_us = 101000;
	acks_round(&t);
	CU_ASSERT_TRUE(cubic_of(&t.cc)->hystart.css);
	CU_ASSERT(t.cc.cwnd_bytes < 110 * ACKS_MSS);
	before = t.cc.cwnd_bytes;
	acks_round(&t);
	CU_ASSERT_DOUBLE_EQUAL(t.cc.cwnd_bytes, before * 1.25, ACKS_MSS);
	CU_ASSERT_EQUAL(t.cc.ssthresh_bytes, UINT32_MAX);
	for (int round = 0; round < 4; round++)
		acks_round(&t);
	CU_ASSERT(t.cc.ssthresh_bytes <= t.cc.cwnd_bytes);
	CU_ASSERT_EQUAL(cubic_of(&t.cc)->curve.k_ms, 0);
	CU_ASSERT_EQUAL(cubic_of(&t.cc)->curve.w_max_bytes, t.cc.ssthresh_bytes);
}

static void test_hystart_takes_jitter_for_what_it_is(void)
{
	struct toy_acks t;
	uint32_t before;

	acks_begin(&t, &cc_cubic, 80000);
	acks_round(&t);
	acks_round(&t);
	t.rtt_us = 95000;
	acks_round(&t);
	CU_ASSERT_TRUE(cubic_of(&t.cc)->hystart.css);
	t.rtt_us = 80000;
	acks_round(&t);
	CU_ASSERT_FALSE(cubic_of(&t.cc)->hystart.css);
	before = t.cc.cwnd_bytes;
	acks_round(&t);
	CU_ASSERT_EQUAL(t.cc.cwnd_bytes, before * 2);
}

/* RFC 9438 table 1, C of 0.4: windows at a loss in 100 to 100,000 packets, 100 ms. */
static void test_the_average_window_is_that_of_the_table(void)
{
	static const struct {
		uint32_t every, segs, least;
		uint64_t seconds;
	} rows[] = {{100, 12, 9, 400},
		    {1000, 38, 35, 800},
		    {10000, 187, 178, 1000},
		    {100000, 1054, 950, 400}};

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		path = (struct toy_link){.rate_bytes_s = 10000000000,
					 .rtt_ns = 100000000,
					 .queue_bytes = UINT32_MAX,
					 .loss_every = rows[i].every};
		link_begin(&path, &cc_cubic);
		link_run(&path, 60000000000);
		const uint64_t before = path.delivered;

		link_run(&path, rows[i].seconds * 1000000000);
		const uint64_t segs = (path.delivered - before) / LINK_MSS / (rows[i].seconds * 10);

		CU_ASSERT(segs >= rows[i].least);
		CU_ASSERT(segs <= rows[i].segs + rows[i].segs / 20);
	}
}

static void test_it_fills_a_pipe_whose_queue_holds_half_as_much(void)
{
	path = (struct toy_link){
		.rate_bytes_s = 12500000, .rtt_ns = 40000000, .queue_bytes = 250000};
	link_begin(&path, &cc_cubic);
	link_run(&path, 5000000000);
	const uint64_t before = path.delivered;

	link_run(&path, 60000000000);
	CU_ASSERT(link_permille(&path, before, 60000000000) >= 960);
	CU_ASSERT_EQUAL(path.timeouts, 0);
}

/* Nine times what the pipe holds can wait: slow start fills it all, HyStart++ ends before. */
static void test_hystart_ends_before_a_deep_queue_is_full(void)
{
	uint64_t drops[2];

	for (int i = 0; i < 2; i++) {
		path = (struct toy_link){
			.rate_bytes_s = 12500000, .rtt_ns = 40000000, .queue_bytes = 4500000};
		link_begin(&path, i == 0 ? &cc_cubic : &cc_newreno);
		link_run(&path, 2000000000);
		drops[i] = path.drops;
	}
	CU_ASSERT_EQUAL(drops[0], 0);
	CU_ASSERT(drops[1] > 1000);
}

static void test_it_falls_far_behind_at_random_loss(void)
{
	path = (struct toy_link){.rate_bytes_s = 12500000,
				 .rtt_ns = 40000000,
				 .queue_bytes = 500000,
				 .loss_ppm = 10000,
				 .seed = 1};
	link_begin(&path, &cc_cubic);
	link_run(&path, 30000000000);
	CU_ASSERT(link_permille(&path, 0, 30000000000) < 150);
	CU_ASSERT(link_permille(&path, 0, 30000000000) > 10);
}

WEIR_TESTS("tcp/cc_cubic", TEST(the_cube_root_is_exact), TEST(the_curve_is_that_of_the_equations),
	   TEST(a_cut_is_to_seven_tenths), TEST(fast_convergence_remembers_less_than_it_had),
	   TEST(a_mark_after_slow_start_cuts_less_than_a_loss), TEST(the_window_follows_the_curve),
	   TEST(on_short_paths_it_is_as_fast_as_reno),
	   TEST(the_window_never_grows_faster_than_by_half_a_round),
	   TEST(after_a_timeout_the_curve_begins_where_slow_start_ends),
	   TEST(time_without_use_does_not_count), TEST(undo_brings_the_curve_back),
	   TEST(hystart_ends_slow_start_when_round_trips_grow),
	   TEST(hystart_takes_jitter_for_what_it_is), TEST(the_average_window_is_that_of_the_table),
	   TEST(it_fills_a_pipe_whose_queue_holds_half_as_much),
	   TEST(hystart_ends_before_a_deep_queue_is_full), TEST(it_falls_far_behind_at_random_loss))
