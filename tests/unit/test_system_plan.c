/* SPDX-License-Identifier: BSD-3-Clause */

/* Who polls and who sends by which queue, for every number of workers and queues. */

#include "system_priv.h"
#include "test.h"

#define QUEUES_MAX 64
#define PORTS	   3

/* Queues of a port that each worker polls. */
static void count_polled(uint16_t workers, uint16_t port, uint16_t n, unsigned *polled)
{
	for (uint16_t w = 0; w < workers; w++)
		polled[w] = 0;
	for (uint16_t q = 0; q < n; q++) {
		const uint16_t w = layout_worker(workers, port, q, n);

		CU_ASSERT_TRUE_FATAL(w < workers);
		polled[w]++;
	}
}

static void test_each_queue_has_one_worker_and_none_has_many_more_than_others(void)
{
	unsigned polled[WEIR_WORKERS_MAX];

	for (uint16_t workers = 1; workers <= WEIR_WORKERS_MAX; workers++)
		for (uint16_t n = 1; n <= QUEUES_MAX; n++)
			for (uint16_t port = 0; port < PORTS; port++) {
				count_polled(workers, port, n, polled);
				for (uint16_t w = 0; w < workers; w++) {
					CU_ASSERT_TRUE_FATAL(polled[w] >= n / workers);
					CU_ASSERT_TRUE_FATAL(polled[w] <=
							     (n + workers - 1u) / workers);
				}
			}
}

/* By a queue that nobody else uses, or through a worker that has one. */
static void can_send(uint16_t workers, uint16_t port, uint16_t worker, uint16_t n)
{
	uint16_t queue = UINT16_MAX, other;

	if (layout_txq(workers, port, worker, n, &queue)) {
		CU_ASSERT_TRUE_FATAL(queue < n);
		CU_ASSERT_EQUAL_FATAL(layout_worker(workers, port, queue, n), worker);
		return;
	}
	CU_ASSERT_TRUE_FATAL(queue < n);
	CU_ASSERT_TRUE_FATAL(n < workers);
	other = layout_worker(workers, port, queue, n);
	CU_ASSERT_TRUE_FATAL(other != worker);
	CU_ASSERT_TRUE_FATAL(layout_txq(workers, port, other, n, &queue));
}

static void test_each_worker_can_send_by_each_port(void)
{
	for (uint16_t workers = 1; workers <= WEIR_WORKERS_MAX; workers++)
		for (uint16_t n = 1; n <= QUEUES_MAX; n++)
			for (uint16_t port = 0; port < PORTS; port++)
				for (uint16_t w = 0; w < workers; w++)
					can_send(workers, port, w, n);
}

static void test_ports_with_one_queue_are_polled_by_different_workers(void)
{
	CU_ASSERT_NOT_EQUAL(layout_worker(2, 0, 0, 1), layout_worker(2, 1, 0, 1));
	CU_ASSERT_NOT_EQUAL(layout_worker(4, 0, 0, 1), layout_worker(4, 3, 0, 1));
}

static void test_a_linux_device_sends_by_as_many_queues_as_it_receives_by(void)
{
	const struct weir_system_port ports[] = {
		{.conf = {.name = "a", .interface = "eth0", .rxqs = 3}},
		{.conf = {.name = "b", .device = "net_null0"}},
		{.conf = {.name = "c", .device = "net_null1", .txqs = 2}}};
	const struct weir_system_conf conf = {.workers = 4, .ports = ports, .n_ports = 3};

	CU_ASSERT_EQUAL(layout_rxqs(&conf, 0), 3);
	CU_ASSERT_EQUAL(layout_txqs(&conf, 0), 3);
	CU_ASSERT_EQUAL(layout_rxqs(&conf, 1), 1);
	CU_ASSERT_EQUAL(layout_txqs(&conf, 1), 4); /* others have one for each worker */
	CU_ASSERT_EQUAL(layout_txqs(&conf, 2), 2);
}

WEIR_TESTS("dataplane/system_plan",
	   TEST(each_queue_has_one_worker_and_none_has_many_more_than_others),
	   TEST(each_worker_can_send_by_each_port),
	   TEST(ports_with_one_queue_are_polled_by_different_workers),
	   TEST(a_linux_device_sends_by_as_many_queues_as_it_receives_by))
