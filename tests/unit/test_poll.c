/* SPDX-License-Identifier: BSD-3-Clause */

/* The rest ladder with a clock that the test winds. */

#include "test.h"

#include <weir/poll.h>

static enum weir_rest at(struct weir_poll *p, const struct weir_poll_cfg *cfg, uint64_t now_ns,
			 uint64_t *ns)
{
	return weir_poll_rest(p, cfg, 0, now_ns, UINT64_MAX, ns);
}

static void test_a_busy_worker_never_rests(void)
{
	const struct weir_poll_cfg cfg = weir_poll_defaults(WEIR_POLL_BUSY, true);
	struct weir_poll p = {0};
	uint64_t ns;

	for (uint64_t now = 0; now < 10000000000; now += 1000000)
		CU_ASSERT_EQUAL(at(&p, &cfg, now, &ns), WEIR_REST_SPIN);
}

static void test_an_adaptive_worker_climbs_the_ladder_in_order(void)
{
	const struct weir_poll_cfg cfg = weir_poll_defaults(WEIR_POLL_ADAPTIVE, true);
	struct weir_poll p = {0};
	enum weir_rest last = WEIR_REST_SPIN;
	bool seen[WEIR_RESTS] = {false};
	uint64_t now = 0, ns;

	for (unsigned i = 0; i < 10000 && last != WEIR_REST_BLOCK; i++) {
		const enum weir_rest rest = at(&p, &cfg, now, &ns);

		CU_ASSERT(rest >= last);
		last = rest;
		seen[rest] = true;
		now += rest == WEIR_REST_BLOCK ? 0 : ns + 100;
	}
	for (unsigned i = 0; i < WEIR_RESTS; i++)
		CU_ASSERT_TRUE(seen[i]);
	CU_ASSERT(now < 1000000); /* asleep within a millisecond */
}

static void test_without_wake_ups_naps_stay_short_enough_to_serve_in_time(void)
{
	const struct weir_poll_cfg cfg = weir_poll_defaults(WEIR_POLL_ADAPTIVE, false);
	struct weir_poll p = {0};
	uint64_t now = 0, ns, longest = 0;

	for (unsigned i = 0; i < 10000; i++) {
		CU_ASSERT_NOT_EQUAL(at(&p, &cfg, now, &ns), WEIR_REST_BLOCK);
		longest = ns > longest ? ns : longest;
		now += ns + 100;
	}
	CU_ASSERT_EQUAL(longest, cfg.nap_max_ns);
	CU_ASSERT(longest < 100000); /* DESIGN: under 100 us more */
}

static void test_a_packet_takes_it_down_to_the_first_step(void)
{
	const struct weir_poll_cfg cfg = weir_poll_defaults(WEIR_POLL_ADAPTIVE, true);
	struct weir_poll p = {0};
	uint64_t ns;

	while (at(&p, &cfg, p.idle_since_ns + cfg.pause_ns, &ns) != WEIR_REST_BLOCK)
		continue;
	CU_ASSERT_EQUAL(weir_poll_rest(&p, &cfg, 1, 5000000, UINT64_MAX, &ns), WEIR_REST_SPIN);
	CU_ASSERT_EQUAL(at(&p, &cfg, 5000100, &ns), WEIR_REST_SPIN);
	CU_ASSERT_EQUAL(at(&p, &cfg, 5000100 + cfg.spin_ns, &ns), WEIR_REST_PAUSE);
	CU_ASSERT_EQUAL(at(&p, &cfg, 5000100 + cfg.pause_ns, &ns), WEIR_REST_NAP);
	CU_ASSERT_EQUAL(ns, cfg.nap_min_ns);
}

static void test_interrupt_mode_blocks_at_once(void)
{
	const struct weir_poll_cfg cfg = weir_poll_defaults(WEIR_POLL_INTERRUPT, true);
	struct weir_poll p = {0};
	uint64_t ns;

	CU_ASSERT_EQUAL(at(&p, &cfg, 1, &ns), WEIR_REST_BLOCK);
	CU_ASSERT_EQUAL(ns, cfg.block_max_ns);
}

static void test_no_rest_goes_beyond_the_next_timer(void)
{
	const struct weir_poll_cfg cfg = weir_poll_defaults(WEIR_POLL_INTERRUPT, true);
	struct weir_poll p = {0};
	uint64_t ns;

	CU_ASSERT_EQUAL(weir_poll_rest(&p, &cfg, 0, 1000, 3000, &ns), WEIR_REST_BLOCK);
	CU_ASSERT_EQUAL(ns, 2000);
	CU_ASSERT_EQUAL(weir_poll_rest(&p, &cfg, 0, 3000, 3000, &ns), WEIR_REST_SPIN);
	CU_ASSERT_EQUAL(weir_poll_rest(&p, &cfg, 0, 3000, 0, &ns), WEIR_REST_SPIN);
}

WEIR_TESTS("dataplane/poll", TEST(a_busy_worker_never_rests),
	   TEST(an_adaptive_worker_climbs_the_ladder_in_order),
	   TEST(without_wake_ups_naps_stay_short_enough_to_serve_in_time),
	   TEST(a_packet_takes_it_down_to_the_first_step), TEST(interrupt_mode_blocks_at_once),
	   TEST(no_rest_goes_beyond_the_next_timer))
