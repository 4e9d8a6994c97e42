/* SPDX-License-Identifier: BSD-3-Clause */

/* A worker's records on their way to lines. */

#include "failalloc.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <weir/log.h>

#define SECOND UINT64_C(1000000000)

static char last[4096];
static unsigned n_lines;

static uint64_t toy_clock(void)
{
	return 1000 * SECOND;
}

static void keep_last(void *ctx, enum weir_log_level level, const char *line, size_t line_bytes)
{
	snprintf(last, sizeof(last), "%s", line);
	n_lines++;
}

static struct weir_log_ring *begin(unsigned records)
{
	const struct weir_log_sink sink = {.target = WEIR_LOG_TO_CALLBACK, .write = keep_last};
	struct weir_log_ring *ring = NULL;

	n_lines = 0;
	last[0] = '\0';
	weir_log_set_clock(toy_clock);
	weir_log_set_rate(0, SECOND);
	CU_ASSERT_EQUAL(weir_log_set_sinks(&sink, 1), 0);
	CU_ASSERT_EQUAL_FATAL(weir_log_ring_create("worker 1", records, &ring), 0);
	return ring;
}

static struct weir_log_event table_full = {
	.level = WEIR_LOG_WARN, .module = "conntrack", .msg = "table full", .arg = {"used", "max"}};

static void test_a_record_becomes_a_line_with_its_own_time_and_thread(void)
{
	struct weir_log_ring *ring = begin(8);

	CU_ASSERT_TRUE(weir_log_ring_put(ring, &table_full, 40 * SECOND, (uint64_t[]){7, 8, 9}, 3));
	CU_ASSERT_EQUAL(n_lines, 0);
	CU_ASSERT_EQUAL(weir_log_ring_drain(ring, 42 * SECOND), 1);
	CU_ASSERT_STRING_EQUAL(last, "1970-01-01T00:16:38.000Z warn  [worker_1] conntrack: "
				     "table full used=7 max=8");
	CU_ASSERT_EQUAL(weir_log_ring_drain(ring, 42 * SECOND), 0);
	weir_log_ring_free(ring);
}

static void test_numbers_that_were_not_given_are_0(void)
{
	struct weir_log_ring *ring = begin(2);

	weir_log_ring_put(ring, &table_full, 0, (uint64_t[]){7, 8}, 2);
	weir_log_ring_drain(ring, 0);
	weir_log_ring_put(ring, &table_full, 0, NULL, 0);
	weir_log_ring_put(ring, &table_full, 0, NULL, 0);
	weir_log_ring_drain(ring, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(last, "used=0 max=0"));
	weir_log_ring_free(ring);
}

static void test_a_full_ring_counts_and_the_next_drain_says_so_once(void)
{
	struct weir_log_ring *ring = begin(4);

	for (unsigned i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(weir_log_ring_put(ring, &table_full, 0, NULL, 0), i < 4);
	CU_ASSERT_EQUAL(weir_log_ring_lost(ring), 6);
	CU_ASSERT_EQUAL(weir_log_ring_drain(ring, 0), 4);
	CU_ASSERT_EQUAL(n_lines, 5);
	CU_ASSERT_PTR_NOT_NULL(strstr(last, "log: "));
	CU_ASSERT_PTR_NOT_NULL(strstr(last, "records=6"));
	CU_ASSERT_EQUAL(weir_log_ring_drain(ring, 0), 0);
	CU_ASSERT_EQUAL(n_lines, 5);
	CU_ASSERT_TRUE(weir_log_ring_put(ring, &table_full, 0, NULL, 0)); /* room again */
	weir_log_ring_free(ring);
}

static void test_records_obey_level_and_rate_like_any_line(void)
{
	struct weir_log_ring *ring = begin(64);

	CU_ASSERT_EQUAL(weir_log_set_level("conntrack", WEIR_LOG_ERROR), 0);
	weir_log_ring_put(ring, &table_full, 0, NULL, 0);
	CU_ASSERT_EQUAL(weir_log_ring_drain(ring, 0), 1);
	CU_ASSERT_EQUAL(n_lines, 0);
	weir_log_clear_levels();
	weir_log_set_rate(2, SECOND);
	for (unsigned i = 0; i < 10; i++)
		weir_log_ring_put(ring, &table_full, 0, NULL, 0);
	weir_log_ring_drain(ring, 2000 * SECOND); /* older than the epoch: told as 1970 */
	CU_ASSERT_EQUAL(n_lines, 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(last, "1970-01-01T00:00:00.000Z"));
	weir_log_ring_put(ring, &table_full, 2000 * SECOND, NULL, 0);
	weir_log_ring_drain(ring, 2000 * SECOND);
	CU_ASSERT_PTR_NOT_NULL(strstr(last, "(8 more like it)"));
	weir_log_ring_free(ring);
}

#define RECORDS 50000

static struct weir_log_event number = {
	.level = WEIR_LOG_INFO, .module = "m", .msg = "n", .arg = {"i"}};
static uint64_t expected;

static void expect_next(void *ctx, enum weir_log_level level, const char *line, size_t line_bytes)
{
	char want[32];

	if (strstr(line, "m: n") == NULL)
		return;
	snprintf(want, sizeof(want), " i=%llu", (unsigned long long)expected++);
	CU_ASSERT_PTR_NOT_NULL(strstr(line, want));
}

static void *put_numbers(void *ring)
{
	/* A test's worker may wait for room: nothing is lost, so the order can be checked. */
	for (uint64_t i = 0; i < RECORDS; i++)
		while (!weir_log_ring_put(ring, &number, i, &i, 1))
			;
	return NULL;
}

static void test_records_arrive_whole_and_in_order_from_another_thread(void)
{
	const struct weir_log_sink sink = {.target = WEIR_LOG_TO_CALLBACK, .write = expect_next};
	struct weir_log_ring *ring = begin(256);
	unsigned drained = 0;
	pthread_t worker;

	expected = 0;
	CU_ASSERT_EQUAL(weir_log_set_sinks(&sink, 1), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&worker, NULL, put_numbers, ring), 0);
	while (drained < RECORDS)
		drained += weir_log_ring_drain(ring, 0);
	pthread_join(worker, NULL);
	CU_ASSERT_EQUAL(expected, RECORDS);
	weir_log_ring_free(ring);
}

static void test_a_ring_is_a_power_of_two_of_records(void)
{
	static const unsigned bad[] = {0, 1, 3, 100, 131072};
	struct weir_log_ring *ring = NULL;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(weir_log_ring_create("w", bad[i], &ring), -EINVAL);
	CU_ASSERT_PTR_NULL(ring);
	weir_log_ring_free(NULL);
}

static void test_create_survives_failing_memory(void)
{
	FAILALLOC_EACH(n)
	{
		struct weir_log_ring *ring = NULL;
		const int rc = weir_log_ring_create("w", 8, &ring);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			weir_log_ring_free(ring);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(ring);
	}
}

WEIR_TESTS("base/log_ring", TEST(a_record_becomes_a_line_with_its_own_time_and_thread),
	   TEST(numbers_that_were_not_given_are_0),
	   TEST(a_full_ring_counts_and_the_next_drain_says_so_once),
	   TEST(records_obey_level_and_rate_like_any_line),
	   TEST(records_arrive_whole_and_in_order_from_another_thread),
	   TEST(a_ring_is_a_power_of_two_of_records), TEST(create_survives_failing_memory))
