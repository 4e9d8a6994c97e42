/* SPDX-License-Identifier: BSD-3-Clause */

/* Plans are made whole or not at all, over a system of two ports that only have names. */

/* The plan's view of the program; the headers declare these instead. */
#define weir_run_system	      toy_run_system
#define weir_run_now_ns	      toy_run_now_ns
#define weir_system_ports     toy_system_ports
#define weir_system_port      toy_system_port
#define weir_system_pool      toy_system_pool
#define weir_system_gens      toy_system_gens
#define weir_gens_synchronize toy_gens_synchronize

#include "../../apps/bench/plan.c"
#include "../../apps/bench/template.c"
#include "failalloc.h"
#include "test.h"

static struct weir_port ports[2] = {
	{.name = "left", .mtu = 1500, .mac = {{2, 0, 0, 0, 0, 1}}},
	{.name = "right", .mtu = 1500, .mac = {{2, 0, 0, 0, 0, 2}}},
};
static struct {
	struct rte_mempool pool;
	struct rte_pktmbuf_pool_private priv;
} pool = {.pool = {.private_data_size = sizeof(struct rte_pktmbuf_pool_private)},
	  .priv = {.mbuf_data_room_size = 2048 + RTE_PKTMBUF_HEADROOM}};
static unsigned synchronized, counted_anew;
static const struct bench_plan *counted_under;

struct weir_system *weir_run_system(const struct weir_run *run)
{
	return NULL;
}

uint64_t weir_run_now_ns(const struct weir_run *run)
{
	return 7;
}

uint16_t weir_system_ports(const struct weir_system *s)
{
	return 2;
}

struct weir_port *weir_system_port(const struct weir_system *s, uint16_t i)
{
	return &ports[i];
}

struct rte_mempool *weir_system_pool(const struct weir_system *s, uint16_t i)
{
	return &pool.pool;
}

struct weir_gens *weir_system_gens(const struct weir_system *s)
{
	return NULL;
}

void weir_gens_synchronize(struct weir_gens *gens)
{
	synchronized++;
}

bench_burst_fn *bench_run_of(enum bench_mode mode, bool forwarding)
{
	return NULL;
}

void bench_figures_take(struct bench *b, struct bench_figures *out)
{
	counted_anew++;
	counted_under = b->plan;
}

void bench_figures_since(struct bench *b, struct bench_figures *out)
{
}

/* A bench with a plan in force, and other settings for it. */
static struct bench *toy_bench(struct bench_settings *other)
{
	static struct bench b;
	static const struct bench_settings set = {
		.burst = 32,
		.sizes = {64, 64, false},
		.flows = 10,
		.flow = {.src = {4, {198, 18, 0, 1}}, .dst = {4, {198, 18, 0, 2}}},
	};

	memset(&b, 0, sizeof(b));
	CU_ASSERT_EQUAL_FATAL(bench_change(&b, &set, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(bench_start(&b, NULL), 0);
	*other = set;
	other->flows = 20;
	other->mode = BENCH_TXONLY;
	counted_anew = 0;
	return &b;
}

static void test_without_memory_the_plan_in_force_stays(void)
{
	struct bench_settings other;
	struct bench *b = toy_bench(&other);
	const struct bench_plan *const plan = b->plan;
	struct weir_why why = {""};
	unsigned failures = 0;

	FAILALLOC_EACH(n)
	{
		const int rc = bench_change(b, &other, &why);

		if (failalloc_done())
			break;
		failures++;
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "out of memory for 20 flows"));
		CU_ASSERT_PTR_EQUAL(b->plan, plan);
		CU_ASSERT_EQUAL(b->set.flows, 10);
		CU_ASSERT_EQUAL(b->set.mode, BENCH_IO);
		CU_ASSERT_EQUAL(counted_anew, 0);
	}
	CU_ASSERT_EQUAL(failures, 2); /* the plan, its templates */
	CU_ASSERT_EQUAL(b->plan->flows, 20);
	bench_plan_drop(b);
}

static void test_without_memory_it_neither_starts_nor_stops(void)
{
	struct bench_settings other;
	struct bench *b = toy_bench(&other);

	failalloc_at(1);
	CU_ASSERT_EQUAL(bench_stop(b, NULL), -ENOMEM);
	CU_ASSERT_FALSE(failalloc_done());
	CU_ASSERT_TRUE(b->forwarding);
	CU_ASSERT_EQUAL(bench_stop(b, NULL), 0);
	failalloc_at(2);
	CU_ASSERT_EQUAL(bench_start(b, NULL), -ENOMEM);
	CU_ASSERT_FALSE(failalloc_done());
	CU_ASSERT_FALSE(b->forwarding);
	CU_ASSERT_EQUAL(bench_start(b, NULL), 0);
	bench_plan_drop(b);
}

static void test_another_mode_counts_anew_and_another_rate_does_not(void)
{
	struct bench_settings other;
	struct bench *b = toy_bench(&other);
	const uint32_t epoch = b->epoch;

	CU_ASSERT_EQUAL(bench_change(b, &other, NULL), 0);
	CU_ASSERT_EQUAL(counted_anew, 1);
	CU_ASSERT_EQUAL(b->plan->epoch, epoch + 1);
	other.rate_pps = 1000;
	CU_ASSERT_EQUAL(bench_change(b, &other, NULL), 0);
	CU_ASSERT_EQUAL(counted_anew, 1);
	CU_ASSERT_EQUAL(b->plan->epoch, epoch + 1);
	CU_ASSERT_EQUAL(b->plan->rate_pps, 1000);
	bench_plan_drop(b);
}

static void test_counting_begins_before_the_first_packet_can_go(void)
{
	struct bench_settings other;
	struct bench *b = toy_bench(&other);
	const struct bench_plan *stopped;

	CU_ASSERT_EQUAL(bench_stop(b, NULL), 0);
	stopped = b->plan;
	CU_ASSERT_EQUAL(bench_start(b, NULL), 0);
	CU_ASSERT_PTR_EQUAL(counted_under, stopped);
	bench_plan_drop(b);
}

static void test_each_plan_but_the_first_waits_for_the_workers(void)
{
	struct bench_settings other;
	struct bench *b;

	synchronized = 0;
	b = toy_bench(&other);
	CU_ASSERT_EQUAL(synchronized, 1); /* change makes the first, start the second */
	bench_plan_drop(b);
}

static void test_frames_that_no_port_takes_are_refused(void)
{
	struct bench_settings other;
	struct bench *b = toy_bench(&other);
	struct weir_why why = {""};

	other.sizes.max = 1515;
	CU_ASSERT_EQUAL(bench_change(b, &other, &why), -ERANGE);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "raise ports.left.mtu"));
	bench_plan_drop(b);
}

WEIR_TESTS("bench/plan", TEST(without_memory_the_plan_in_force_stays),
	   TEST(without_memory_it_neither_starts_nor_stops),
	   TEST(another_mode_counts_anew_and_another_rate_does_not),
	   TEST(counting_begins_before_the_first_packet_can_go),
	   TEST(each_plan_but_the_first_waits_for_the_workers),
	   TEST(frames_that_no_port_takes_are_refused))
