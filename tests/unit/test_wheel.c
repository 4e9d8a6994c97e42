/* SPDX-License-Identifier: BSD-3-Clause */
/* The wheel beside a model that keeps nothing but a list of times. */
#include "failalloc.h"
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <weir/wheel.h>

#define TICK_SHIFT 17
#define TICK_NS	   (UINT64_C(1) << TICK_SHIFT)
#define DAY_NS	   UINT64_C(86400000000000)
#define ALL	   1000000
#define TIMERS	   64
#define NEVER	   UINT64_MAX

static uint64_t rng;

static uint64_t random64(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

/* Of all magnitudes alike, from 1 ns to 2^bits. */
static uint64_t random_span(unsigned bits)
{
	return random64() >> (64 - 1 - random64() % bits);
}

struct one {
	struct weir_timer timer; /* first: fire() gets its address */
	uint64_t tick;		 /* the model: when it is to fire, NEVER if idle */
};

static struct {
	struct weir_wheel *wheel;
	struct one one[TIMERS];
	uint64_t now_tick, last_tick;
	unsigned wrong;
	bool firing, meddles;
} model;

static void model_arm(struct one *o, uint64_t at_ns)
{
	const uint64_t tick = (at_ns >> TICK_SHIFT) + (at_ns % TICK_NS != 0);

	weir_wheel_arm(model.wheel, &o->timer, at_ns);
	o->tick = tick;
	if (model.firing && tick <= model.now_tick)
		o->tick = model.now_tick + 1;
	model.wrong += !weir_timer_is_armed(&o->timer);
}

static void model_cancel(struct one *o)
{
	weir_wheel_cancel(model.wheel, &o->timer);
	o->tick = NEVER;
	model.wrong += weir_timer_is_armed(&o->timer);
}

static struct one *any(void)
{
	return &model.one[random64() % TIMERS];
}

static void model_fire(struct weir_timer *t, uint64_t now_ns)
{
	struct one *o = (struct one *)t;

	model.wrong += o->tick == NEVER || o->tick > now_ns >> TICK_SHIFT;
	model.wrong += weir_timer_is_armed(t);
	model.wrong += t->tick < model.last_tick; /* in the order of their ticks */
	model.last_tick = t->tick;
	o->tick = NEVER;
	if (!model.meddles)
		return;
	switch (random64() % 6) {
	case 0:
		model_arm(o, now_ns + random_span(40));
		break;
	case 1:
		model_arm(o, random64() % now_ns); /* the past */
		break;
	case 2:
		model_arm(any(), now_ns + random_span(30));
		break;
	case 3:
		model_cancel(any());
		break;
	default:
		break;
	}
}

static void model_begin(uint64_t seed, uint64_t now_ns)
{
	rng = seed;
	CU_ASSERT_EQUAL_FATAL(weir_wheel_create(TICK_NS, now_ns, &model.wheel), 0);
	model.wrong = 0;
	model.last_tick = 0;
	for (unsigned i = 0; i < TIMERS; i++)
		model.one[i] = (struct one){.timer = {.fire = model_fire}, .tick = NEVER};
}

static uint64_t model_next_tick(void)
{
	uint64_t next = NEVER;

	for (unsigned i = 0; i < TIMERS; i++)
		if (model.one[i].tick < next)
			next = model.one[i].tick;
	return next;
}

static void model_run(uint64_t now_ns, unsigned max)
{
	model.now_tick = now_ns >> TICK_SHIFT;
	model.last_tick = 0;
	model.firing = true;
	weir_wheel_run(model.wheel, now_ns, max);
	model.firing = false;
	if (max == ALL) /* a sleeper that asks when to wake is not told of the past */
		model.wrong += model_next_tick() <= model.now_tick ||
			       weir_wheel_next_ns(model.wheel) <= now_ns;
}

static void check_next(uint64_t now_ns)
{
	const uint64_t tick = model_next_tick(), next_ns = weir_wheel_next_ns(model.wheel);

	if (tick == NEVER)
		model.wrong += next_ns != UINT64_MAX;
	else if (tick > now_ns >> TICK_SHIFT) /* a bound, and one that is not the past */
		model.wrong += next_ns > tick << TICK_SHIFT || next_ns == 0;
	else
		model.wrong += next_ns > now_ns;
}

static void against_the_model(uint64_t seed, unsigned operations, unsigned step_bits)
{
	uint64_t now_ns = DAY_NS + seed;

	model_begin(seed, now_ns);
	for (unsigned i = 0; i < operations; i++) {
		switch (random64() % 8) {
		case 0:
		case 1:
		case 2:
			model_arm(any(), now_ns + random_span(50));
			break;
		case 3:
			model_arm(any(), now_ns - random64() % DAY_NS);
			break;
		case 4:
			model_cancel(any());
			break;
		case 5:
			now_ns += random_span(step_bits);
			model_run(now_ns, (unsigned)(random64() % 8));
			check_next(now_ns);
			break;
		default:
			now_ns += random_span(step_bits);
			model_run(now_ns, ALL);
			check_next(now_ns);
		}
	}
	CU_ASSERT_EQUAL(model.wrong, 0);
	weir_wheel_free(model.wheel);
}

static void test_it_does_what_a_sorted_list_would_do(void)
{
	model.meddles = false;
	against_the_model(1, 1000000, 24);
	against_the_model(2, 500000, 34);
	against_the_model(3, 200000, 44);
}

static void test_timers_may_arm_and_cancel_each_other_while_firing(void)
{
	model.meddles = true;
	against_the_model(4, 1000000, 24);
	against_the_model(5, 500000, 40);
}

static void test_each_tick_of_the_first_levels_fires_at_its_time(void)
{
	/* Crosses each border between slots and levels up to 64^2, from an odd beginning. */
	const uint64_t start_ns = 77 * TICK_NS + 5;

	model_begin(6, start_ns);
	model.meddles = false;
	for (uint64_t ahead = 0; ahead < 64 * 64 + 70; ahead++) {
		struct one *o = &model.one[ahead % TIMERS];
		uint64_t now_ns = start_ns + ahead * 3 * TICK_NS;
		const uint64_t at_ns = now_ns + ahead * TICK_NS + 1;
		uint64_t due_ns = (at_ns + TICK_NS - 1) / TICK_NS * TICK_NS;

		model_run(now_ns, ALL);
		model_arm(o, at_ns);
		CU_ASSERT_EQUAL(weir_wheel_run(model.wheel, due_ns - 1, ALL), 0);
		CU_ASSERT_EQUAL(weir_wheel_run(model.wheel, due_ns, ALL), 1);
		weir_wheel_free(model.wheel);
		model_begin(6, start_ns);
	}
	CU_ASSERT_EQUAL(model.wrong, 0);
	weir_wheel_free(model.wheel);
}

static void test_it_jumps_over_years_at_once(void)
{
	const uint64_t century_ns = 36525 * DAY_NS;

	model_begin(7, 0);
	model.meddles = false;
	model_arm(&model.one[0], century_ns);
	model_arm(&model.one[1], century_ns + 1);
	model_arm(&model.one[2], 1);
	CU_ASSERT_EQUAL(weir_wheel_run(model.wheel, century_ns - TICK_NS, ALL), 1);
	CU_ASSERT_EQUAL(weir_wheel_run(model.wheel, century_ns + TICK_NS, ALL), 2);
	CU_ASSERT_EQUAL(weir_wheel_next_ns(model.wheel), UINT64_MAX);
	CU_ASSERT_EQUAL(model.wrong, 0);
	weir_wheel_free(model.wheel);
}

static void test_never_is_a_time_that_does_not_come(void)
{
	model_begin(8, 0);
	model_arm(&model.one[0], UINT64_MAX);
	CU_ASSERT_EQUAL(weir_wheel_run(model.wheel, UINT64_MAX, ALL), 0);
	CU_ASSERT_EQUAL(weir_wheel_next_ns(model.wheel), UINT64_MAX);
	CU_ASSERT_TRUE(weir_timer_is_armed(&model.one[0].timer));
	weir_wheel_free(model.wheel);
}

static void test_a_bounded_run_goes_on_at_the_next_call(void)
{
	unsigned fired = 0, runs = 0;

	model_begin(9, 0);
	model.meddles = false;
	for (unsigned i = 0; i < TIMERS; i++)
		model_arm(&model.one[i], 5000 * TICK_NS + i);
	while (fired < TIMERS && runs++ < 1000) {
		const unsigned n = weir_wheel_run(model.wheel, DAY_NS, 5);

		CU_ASSERT(n <= 5);
		fired += n;
		CU_ASSERT(fired == TIMERS || weir_wheel_next_ns(model.wheel) <= DAY_NS);
	}
	CU_ASSERT_EQUAL(fired, TIMERS);
	CU_ASSERT_EQUAL(weir_wheel_run(model.wheel, DAY_NS, 0), 0);
	CU_ASSERT_EQUAL(model.wrong, 0);
	weir_wheel_free(model.wheel);
}

static unsigned restless_fired;

static void fire_again_in_the_past(struct weir_timer *t, uint64_t now_ns)
{
	restless_fired++;
	weir_wheel_arm(model.wheel, t, 0);
}

static void test_a_timer_that_arms_itself_for_the_past_fires_once_a_run(void)
{
	struct weir_timer t = {.fire = fire_again_in_the_past};

	restless_fired = 0;
	model_begin(10, 0);
	weir_wheel_arm(model.wheel, &t, 1);
	CU_ASSERT_EQUAL(weir_wheel_run(model.wheel, DAY_NS, ALL), 1);
	CU_ASSERT_EQUAL(weir_wheel_run(model.wheel, DAY_NS, ALL), 0);
	CU_ASSERT_EQUAL(weir_wheel_run(model.wheel, DAY_NS + TICK_NS, ALL), 1);
	CU_ASSERT_EQUAL(restless_fired, 2);
	weir_wheel_free(model.wheel);
}

static void test_a_clock_that_goes_back_fires_nothing(void)
{
	model_begin(11, DAY_NS);
	model.meddles = false;
	weir_wheel_run(model.wheel, 2 * DAY_NS, ALL);
	model_arm(&model.one[0], DAY_NS + 5 * TICK_NS);
	CU_ASSERT_EQUAL(weir_wheel_run(model.wheel, DAY_NS, ALL), 0);
	CU_ASSERT_EQUAL(weir_wheel_run(model.wheel, 2 * DAY_NS, ALL), 1);
	CU_ASSERT_EQUAL(model.wrong, 0);
	weir_wheel_free(model.wheel);
}

static void test_only_sensible_ticks_are_accepted(void)
{
	struct weir_wheel *w = NULL;

	CU_ASSERT_EQUAL(weir_wheel_create(0, 0, &w), -EINVAL);
	CU_ASSERT_EQUAL(weir_wheel_create(1 << 10, 0, &w), -EINVAL);
	CU_ASSERT_EQUAL(weir_wheel_create(UINT64_C(1) << 31, 0, &w), -EINVAL);
	CU_ASSERT_EQUAL(weir_wheel_create(100000, 0, &w), -EINVAL);
	CU_ASSERT_PTR_NULL(w);
	for (unsigned shift = 11; shift <= 30; shift++) {
		struct weir_timer t = {.fire = fire_again_in_the_past};

		CU_ASSERT_EQUAL_FATAL(weir_wheel_create(UINT64_C(1) << shift, 0, &w), 0);
		weir_wheel_arm(w, &t, UINT64_MAX);
		weir_wheel_cancel(w, &t);
		CU_ASSERT_EQUAL(weir_wheel_next_ns(w), UINT64_MAX);
		weir_wheel_free(w);
	}
	weir_wheel_free(NULL);
}

static void test_out_of_memory_is_an_error(void)
{
	FAILALLOC_EACH(n)
	{
		struct weir_wheel *w = NULL;
		const int rc = weir_wheel_create(TICK_NS, 0, &w);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			weir_wheel_free(w);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(w);
	}
}

static void test_deadlines_stop_at_the_end_of_time(void)
{
	CU_ASSERT_EQUAL(weir_deadline_after(5, 6), 11);
	CU_ASSERT_EQUAL(weir_deadline_after(5, UINT64_MAX - 5), UINT64_MAX);
	CU_ASSERT_EQUAL(weir_deadline_after(5, UINT64_MAX), UINT64_MAX);
	CU_ASSERT_EQUAL(weir_deadline_left(11, 5), 6);
	CU_ASSERT_EQUAL(weir_deadline_left(5, 5), 0);
	CU_ASSERT_EQUAL(weir_deadline_left(5, 11), 0);
}

WEIR_TESTS("base/wheel", TEST(it_does_what_a_sorted_list_would_do),
	   TEST(timers_may_arm_and_cancel_each_other_while_firing),
	   TEST(each_tick_of_the_first_levels_fires_at_its_time), TEST(it_jumps_over_years_at_once),
	   TEST(never_is_a_time_that_does_not_come), TEST(a_bounded_run_goes_on_at_the_next_call),
	   TEST(a_timer_that_arms_itself_for_the_past_fires_once_a_run),
	   TEST(a_clock_that_goes_back_fires_nothing), TEST(only_sensible_ticks_are_accepted),
	   TEST(out_of_memory_is_an_error), TEST(deadlines_stop_at_the_end_of_time))
