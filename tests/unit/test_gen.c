/* SPDX-License-Identifier: BSD-3-Clause */

/* Generations: no reader sees one that was freed, and a sleeper holds nobody up. */

#include "failalloc.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <weir/gen.h>

struct toy_gen {
	struct weir_gen gen;
	_Atomic unsigned magic;
};

#define ALIVE 0x600d
#define DEAD  0xdead

static _Atomic unsigned freed;

static void toy_free(struct weir_gen *gen)
{
	struct toy_gen *t = (struct toy_gen *)gen;

	atomic_store(&t->magic, DEAD);
	atomic_fetch_add(&freed, 1);
}

static struct weir_gen *toy(struct toy_gen *t)
{
	*t = (struct toy_gen){.gen = {.free = toy_free}, .magic = ALIVE};
	return &t->gen;
}

static void test_numbers_rise_and_the_old_one_is_freed(void)
{
	struct toy_gen a, b;
	struct weir_gens *gs;

	CU_ASSERT_EQUAL_FATAL(weir_gens_create(1, &gs), 0);
	atomic_store(&freed, 0);
	CU_ASSERT_PTR_NULL(weir_gens_current(gs));
	weir_gens_publish(gs, toy(&a));
	CU_ASSERT_EQUAL(weir_gens_current(gs)->number, 1);
	weir_gens_publish(gs, toy(&b));
	CU_ASSERT_EQUAL(weir_gens_current(gs)->number, 2);
	CU_ASSERT_EQUAL(freed, 1);
	CU_ASSERT_EQUAL(a.magic, DEAD);
	weir_gens_free(gs);
	CU_ASSERT_EQUAL(freed, 2);
}

static void test_a_sleeping_worker_does_not_hold_up_a_publish(void)
{
	struct toy_gen a, b;
	struct weir_gens *gs;

	CU_ASSERT_EQUAL_FATAL(weir_gens_create(1, &gs), 0);
	weir_gens_publish(gs, toy(&a));
	weir_gens_join(gs, 0);
	weir_gens_sleep(gs, 0);
	weir_gens_publish(gs, toy(&b)); /* would hang for ever */
	weir_gens_wake(gs, 0);
	CU_ASSERT_EQUAL(weir_gens_enter(gs)->number, 2);
	weir_gens_part(gs, 0);
	weir_gens_free(gs);
}

struct reader {
	struct weir_gens *gs;
	unsigned worker;
	_Atomic bool stop;
	_Atomic unsigned passes;
	unsigned wrong;
};

static void *read_on(void *arg)
{
	struct reader *r = arg;

	weir_gens_join(r->gs, r->worker);
	while (!atomic_load(&r->stop)) {
		const struct toy_gen *t = (const struct toy_gen *)weir_gens_enter(r->gs);

		for (unsigned i = 0; i < 20; i++)
			r->wrong += atomic_load(&t->magic) != ALIVE;
		weir_gens_leave(r->gs, r->worker);
		if (atomic_fetch_add(&r->passes, 1) % 100 == 0) {
			weir_gens_sleep(r->gs, r->worker);
			sched_yield();
			weir_gens_wake(r->gs, r->worker);
		}
	}
	weir_gens_part(r->gs, r->worker);
	return NULL;
}

static void test_no_reader_ever_sees_a_freed_one(void)
{
	static struct toy_gen toys[2000];
	struct reader r[2] = {0};
	pthread_t thread[2];
	struct weir_gens *gs;

	CU_ASSERT_EQUAL_FATAL(weir_gens_create(2, &gs), 0);
	weir_gens_publish(gs, toy(&toys[0]));
	for (unsigned i = 0; i < 2; i++) {
		r[i].gs = gs;
		r[i].worker = i;
		CU_ASSERT_EQUAL_FATAL(pthread_create(&thread[i], NULL, read_on, &r[i]), 0);
	}
	for (unsigned i = 1; i < 2000; i++)
		weir_gens_publish(gs, toy(&toys[i]));
	for (unsigned i = 0; i < 2; i++) {
		while (atomic_load(&r[i].passes) < 100)
			sched_yield();
		atomic_store(&r[i].stop, true);
		pthread_join(thread[i], NULL);
		CU_ASSERT_EQUAL(r[i].wrong, 0);
	}
	weir_gens_free(gs);
}

static void test_create_survives_failing_allocations(void)
{
	struct weir_gens *gs = NULL;

	FAILALLOC_EACH(n)
	{
		const int rc = weir_gens_create(4, &gs);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(gs);
	}
	weir_gens_free(gs);
}

WEIR_TESTS("dataplane/gen", TEST(numbers_rise_and_the_old_one_is_freed),
	   TEST(a_sleeping_worker_does_not_hold_up_a_publish),
	   TEST(no_reader_ever_sees_a_freed_one), TEST(create_survives_failing_allocations))
