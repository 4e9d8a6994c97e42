/* SPDX-License-Identifier: BSD-3-Clause */

/* An engine in a thread of its own, on memory ports: it takes, rests, wakes and ends as told. */

#include "test.h"
#include "toy_eal.h"

#include <pthread.h>
#include <sched.h>
#include <weir/engine.h>
#include <weir/local.h>

/* What another thread waits for comes within so many yields, or never. */
#define YIELDS 200000000

static struct rte_mempool *pool;
static struct weir_port *port;
static struct weir_engine *engine;
static atomic_uint seen; /* packets that the callback was given */

static unsigned count_them(void *ctx, struct weir_engine *e, const struct weir_queue *from,
			   struct rte_mbuf **pkts, uint16_t n, uint64_t now_ns)
{
	rte_pktmbuf_free_bulk(pkts, n);
	atomic_fetch_add((atomic_uint *)ctx, n);
	return 0;
}

static int make(enum weir_poll_mode poll, uint16_t burst, struct weir_why *why)
{
	const struct weir_queue rxq = {port, 0};
	struct weir_engine_conf conf = {
		.name = "test",
		.workers = 1,
		.pool = pool,
		.rxqs = &rxq,
		.n_rxqs = 1,
		.burst = burst,
		.poll = poll,
		.limits = WEIR_LIMITS_DEFAULT,
		.on_burst = count_them,
		.ctx = &seen,
	};

	weir_clock_init(&conf.clock);
	return weir_engine_create(&conf, &engine, why);
}

static void set_up(enum weir_poll_mode poll)
{
	if (pool == NULL)
		pool = toy_pool("engine", 511);
	atomic_store(&seen, 0);
	CU_ASSERT_EQUAL_FATAL(weir_port_mem_create("p", 0, 1, 1, 64, &port), 0);
	CU_ASSERT_EQUAL_FATAL(make(poll, 0, NULL), 0);
}

static void tear_down(void)
{
	weir_engine_free(engine);
	weir_port_close(port);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(pool), 0);
}

static void inject(uint16_t n)
{
	struct rte_mbuf *pkts[64];

	CU_ASSERT_EQUAL_FATAL(rte_pktmbuf_alloc_bulk(pool, pkts, n), 0);
	CU_ASSERT_EQUAL_FATAL(weir_port_mem_inject(port, 0, pkts, n), n);
}

static void *run(void *e)
{
	weir_engine_run(e);
	return NULL;
}

static void begin(pthread_t *thread)
{
	CU_ASSERT_EQUAL_FATAL(pthread_create(thread, NULL, run, engine), 0);
}

static void end(pthread_t thread)
{
	void *rc = &seen;

	weir_engine_stop(engine);
	CU_ASSERT_EQUAL(pthread_join(thread, &rc), 0);
	CU_ASSERT_PTR_NULL(rc);
}

static struct weir_engine_stats stats(void)
{
	struct weir_engine_stats s;

	weir_engine_stats(engine, &s);
	return s;
}

static bool comes_true(bool (*what)(void))
{
	for (unsigned i = 0; i < YIELDS; i++) {
		if (what())
			return true;
		sched_yield();
	}
	return false;
}

static bool all_are_seen(void)
{
	return atomic_load(&seen) == 64;
}

static bool has_napped(void)
{
	return stats().rests[WEIR_REST_NAP] > 10;
}

static void test_a_pass_takes_a_burst_and_counts_it_once(void)
{
	set_up(WEIR_POLL_BUSY);
	inject(40);
	CU_ASSERT_EQUAL(weir_engine_once(engine, 1000), 40);
	CU_ASSERT_EQUAL(weir_engine_once(engine, 2000), 0);
	CU_ASSERT_EQUAL(atomic_load(&seen), 40);
	CU_ASSERT_EQUAL(stats().pkts, 40);
	CU_ASSERT_EQUAL(stats().passes, 2);
	CU_ASSERT_EQUAL(weir_engine_due_ns(engine), UINT64_MAX);
	tear_down();
}

static void takes_all_and_ends(enum weir_poll_mode poll)
{
	struct weir_engine_stats s;
	pthread_t thread;

	set_up(poll);
	begin(&thread);
	inject(64);
	CU_ASSERT_TRUE(comes_true(all_are_seen));
	end(thread);
	s = stats();
	CU_ASSERT_EQUAL(s.pkts, 64);
	CU_ASSERT_TRUE(s.busy_passes >= 1 && s.busy_passes <= 64);
	CU_ASSERT_TRUE(s.busy_cycles > 0 && s.idle_cycles > 0);
	tear_down();
}

static void test_a_busy_engine_takes_all_and_ends_when_told(void)
{
	takes_all_and_ends(WEIR_POLL_BUSY);
	takes_all_and_ends(WEIR_POLL_ADAPTIVE);
}

static void test_a_busy_engine_never_sleeps(void)
{
	pthread_t thread;

	set_up(WEIR_POLL_BUSY);
	begin(&thread);
	inject(64);
	CU_ASSERT_TRUE(comes_true(all_are_seen));
	end(thread);
	CU_ASSERT_EQUAL(stats().rests[WEIR_REST_NAP] + stats().rests[WEIR_REST_BLOCK], 0);
	CU_ASSERT_EQUAL(stats().slept_ns, 0);
	tear_down();
}

/* A memory port has no wake-ups: whoever asks for interrupts gets naps, and loses nothing. */
static void test_without_wake_ups_interrupt_mode_naps(void)
{
	pthread_t thread;

	set_up(WEIR_POLL_INTERRUPT);
	begin(&thread);
	CU_ASSERT_TRUE(comes_true(has_napped));
	inject(64);
	CU_ASSERT_TRUE(comes_true(all_are_seen));
	end(thread);
	CU_ASSERT_EQUAL(stats().rests[WEIR_REST_BLOCK], 0);
	CU_ASSERT_TRUE(stats().slept_ns > 0);
	tear_down();
}

static void test_one_that_was_stopped_before_takes_nothing_in(void)
{
	pthread_t thread;

	set_up(WEIR_POLL_ADAPTIVE);
	inject(8);
	weir_engine_stop(engine);
	begin(&thread);
	end(thread);
	CU_ASSERT_EQUAL(atomic_load(&seen), 0);
	tear_down();
}

/* A stack that wants to be called every 3 ms, and how late that was at worst. */
struct ticker {
	struct weir_local local;
	atomic_uint calls, fired;
	uint64_t due_ns;
	_Atomic uint64_t late_ns;
};

#define TICK_NS UINT64_C(3000000)

static uint64_t tick(struct weir_local *l, uint64_t now_ns)
{
	struct ticker *t = (struct ticker *)l;

	atomic_fetch_add(&t->calls, 1);
	if (t->due_ns == 0)
		t->due_ns = now_ns;
	if (now_ns >= t->due_ns) {
		if (now_ns - t->due_ns > atomic_load(&t->late_ns))
			atomic_store(&t->late_ns, now_ns - t->due_ns);
		atomic_fetch_add(&t->fired, 1);
		t->due_ns = now_ns + TICK_NS;
	}
	return t->due_ns;
}

static struct ticker ticker;

static bool has_fired(void)
{
	return atomic_load(&ticker.fired) >= 30;
}

static void test_a_stack_is_called_once_in_each_pass_and_says_when_again(void)
{
	set_up(WEIR_POLL_BUSY);
	ticker = (struct ticker){.local = {.poll = tick}};
	weir_local_attach(weir_engine_shard(engine), &ticker.local);
	CU_ASSERT_EQUAL(weir_engine_due_ns(engine), UINT64_MAX); /* not asked yet */
	inject(1);
	for (unsigned i = 1; i <= 5; i++) {
		weir_engine_once(engine, i * 1000);
		CU_ASSERT_EQUAL(atomic_load(&ticker.calls), i);
		CU_ASSERT_EQUAL(weir_engine_due_ns(engine), 1000 + TICK_NS);
	}
	ticker.local.poll = NULL;
	weir_engine_once(engine, 6000);
	CU_ASSERT_EQUAL(atomic_load(&ticker.calls), 5);
	tear_down();
}

static int pretend_wake_up(struct weir_port *p, uint16_t queue)
{
	(void)p, (void)queue;
	return 0;
}

/* It sleeps up to a second, unless a deadline says less: thirty in a row would take half a minute.
 */
static void test_a_sleeping_engine_wakes_when_its_stack_is_due(void)
{
	struct weir_port_ops ops;
	pthread_t thread;

	set_up(WEIR_POLL_INTERRUPT);
	ops = *port->ops;
	ops.intr_add = pretend_wake_up;
	port->ops = &ops;
	ticker = (struct ticker){.local = {.poll = tick}};
	weir_local_attach(weir_engine_shard(engine), &ticker.local);
	begin(&thread);
	CU_ASSERT_TRUE(comes_true(has_fired));
	end(thread);
	CU_ASSERT(stats().rests[WEIR_REST_BLOCK] > 0);
	CU_ASSERT(atomic_load(&ticker.late_ns) < UINT64_C(900000000));
	tear_down();
}

static bool is_called_more(const void *calls)
{
	return atomic_load(&ticker.calls) > *(const unsigned *)calls;
}

static void test_an_answer_is_waited_for_and_not_for_ever(void)
{
	pthread_t thread;
	unsigned calls = 0;

	set_up(WEIR_POLL_ADAPTIVE);
	ticker = (struct ticker){.local = {.poll = tick}};
	weir_local_attach(weir_engine_shard(engine), &ticker.local);
	CU_ASSERT_FALSE(weir_engine_await(engine, is_called_more, &calls)); /* nobody runs it */
	begin(&thread);
	for (calls = 0; calls < 20; calls++)
		CU_ASSERT_TRUE(weir_engine_await(engine, is_called_more, &calls));
	end(thread);
	tear_down();
}

static void test_a_wrong_engine_is_refused_with_a_sentence(void)
{
	struct weir_why why = {""};

	set_up(WEIR_POLL_BUSY);
	weir_engine_free(engine);
	CU_ASSERT_EQUAL(make(WEIR_POLL_BUSY, 257, &why), -ERANGE);
	CU_ASSERT_STRING_EQUAL(why.text, "engine test: burst is 257, must be 1 to 256");
	CU_ASSERT_EQUAL_FATAL(make(WEIR_POLL_BUSY, 256, &why), 0);
	tear_down();
}

WEIR_TESTS("dataplane/engine", TEST(a_pass_takes_a_burst_and_counts_it_once),
	   TEST(a_busy_engine_takes_all_and_ends_when_told), TEST(a_busy_engine_never_sleeps),
	   TEST(without_wake_ups_interrupt_mode_naps),
	   TEST(one_that_was_stopped_before_takes_nothing_in),
	   TEST(a_stack_is_called_once_in_each_pass_and_says_when_again),
	   TEST(a_sleeping_engine_wakes_when_its_stack_is_due),
	   TEST(an_answer_is_waited_for_and_not_for_ever),
	   TEST(a_wrong_engine_is_refused_with_a_sentence))
