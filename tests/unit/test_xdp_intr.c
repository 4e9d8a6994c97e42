/* SPDX-License-Identifier: BSD-3-Clause */
/* Receive interrupts of a live port: EAL's epoll, one thread that sleeps, one that sends. Needs
 * root. */
#include "toy_xdp.h"

#include <pthread.h>
#include <rte_interrupts.h>
#include <semaphore.h>

#define SLEEPS	1000
#define BURST	32
#define WAIT_MS 5000

static const struct rte_eth_conf with_interrupts = {.intr_conf.rxq = 1};

struct sender {
	int wire;
	sem_t go; /* one packet each */
};

static void *send_when_told(void *arg)
{
	struct sender *s = arg;

	for (uint32_t i = 0; i < SLEEPS; i++) {
		while (sem_wait(&s->go) != 0)
			;
		toy_xdp_send(s->wire, i);
	}
	return NULL;
}

static uint32_t drain(uint16_t port, uint16_t queue)
{
	struct rte_mbuf *pkts[BURST];
	uint32_t got = 0;
	uint16_t n;

	while ((n = rte_eth_rx_burst(port, queue, pkts, BURST)) > 0) {
		rte_pktmbuf_free_bulk(pkts, n);
		got += n;
	}
	return got;
}

/* Sleep on queue 0 until a packet is there, as a worker does. False if nothing woke us. */
static bool sleep_for_one(uint16_t port)
{
	struct rte_epoll_event event;

	do {
		if (rte_eth_dev_rx_intr_enable(port, 0) != 0 ||
		    rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, WAIT_MS) != 1)
			return false;
		if (rte_eth_dev_rx_intr_disable(port, 0) != 0)
			return false;
	} while (drain(port, 0) == 0);
	return true;
}

/* Each packet is sent anywhere between the last empty burst and the middle of the sleep. */
static void sleep_and_wake(uint16_t queues)
{
	struct sender s;
	pthread_t thread;
	uint32_t woken = 0;
	uint16_t port;

	CU_ASSERT_EQUAL_FATAL(toy_xdp_plug("", &port), 0);
	CU_ASSERT_EQUAL_FATAL(toy_xdp_start(port, queues, &with_interrupts), 0);
	CU_ASSERT_EQUAL_FATAL(
		rte_eth_dev_rx_intr_ctl_q(port, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL),
		0);
	s.wire = toy_xdp_wire("v1");
	sem_init(&s.go, 0, 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, send_when_told, &s), 0);
	drain(port, 0);
	for (uint32_t i = 0; i < SLEEPS; i++) {
		sem_post(&s.go);
		woken += sleep_for_one(port);
	}
	CU_ASSERT_EQUAL(woken, SLEEPS);
	pthread_join(thread, NULL);
	sem_destroy(&s.go);
	close(s.wire);
	toy_xdp_unplug();
}

static void test_no_wake_up_is_lost_on_a_queue_of_one_socket(void)
{
	sleep_and_wake(4);
}

static void test_no_wake_up_is_lost_on_a_queue_of_several_sockets(void)
{
	sleep_and_wake(2);
}

/* As many as a burst takes wake once; what was taken without a sleep wakes nobody later. */
static void test_what_was_taken_already_wakes_nobody(void)
{
	struct rte_epoll_event event;
	uint16_t port;
	int wire;

	CU_ASSERT_EQUAL_FATAL(toy_xdp_plug("", &port), 0);
	CU_ASSERT_EQUAL_FATAL(toy_xdp_start(port, 2, &with_interrupts), 0);
	wire = toy_xdp_wire("v1");
	CU_ASSERT_EQUAL(
		rte_eth_dev_rx_intr_ctl_q(port, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL),
		0);
	for (uint32_t i = 0; i < 3; i++) {
		CU_ASSERT_TRUE(toy_xdp_send(wire, i));
		rte_pktmbuf_free(toy_xdp_take(port, 0));
	}
	CU_ASSERT_EQUAL(rte_eth_dev_rx_intr_enable(port, 0), 0);
	CU_ASSERT_EQUAL(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 0), 0);
	close(wire);
	toy_xdp_unplug();
}

/* Whoever slept then would sleep for ever. */
static void test_a_queue_without_a_buffer_is_not_slept_on(void)
{
	static struct rte_mbuf *held[TOY_XDP_MBUFS];
	unsigned n, idle;
	uint16_t port;
	int wire;

	CU_ASSERT_EQUAL_FATAL(toy_xdp_plug(",hw_queues=1", &port), 0);
	CU_ASSERT_EQUAL_FATAL(toy_xdp_start(port, 1, &with_interrupts), 0);
	CU_ASSERT_EQUAL(
		rte_eth_dev_rx_intr_ctl_q(port, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL),
		0);
	wire = toy_xdp_wire("v1");
	idle = rte_mempool_avail_count(toy_xdp_pool);
	CU_ASSERT_EQUAL_FATAL(rte_pktmbuf_alloc_bulk(toy_xdp_pool, held, idle), 0);
	for (n = idle; n < TOY_XDP_MBUFS; n++) {
		CU_ASSERT_EQUAL(rte_eth_dev_rx_intr_enable(port, 0), 0);
		CU_ASSERT_TRUE(toy_xdp_send(wire, n));
		held[n] = toy_xdp_take(port, 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(held[n]);
	}
	CU_ASSERT_EQUAL(rte_eth_dev_rx_intr_enable(port, 0), -ENOBUFS);
	rte_pktmbuf_free_bulk(held, n);
	CU_ASSERT_EQUAL(rte_eth_dev_rx_intr_enable(port, 0), 0);
	CU_ASSERT_TRUE(toy_xdp_send(wire, 1));
	CU_ASSERT_TRUE(sleep_for_one(port));
	close(wire);
	toy_xdp_unplug();
}

static void test_interrupts_come_again_after_stop_and_start(void)
{
	uint16_t port;
	int wire;

	CU_ASSERT_EQUAL_FATAL(toy_xdp_plug("", &port), 0);
	CU_ASSERT_EQUAL_FATAL(toy_xdp_start(port, 2, &with_interrupts), 0);
	wire = toy_xdp_wire("v1");
	for (unsigned round = 0; round < 3; round++) {
		CU_ASSERT_EQUAL(rte_eth_dev_rx_intr_ctl_q(port, 0, RTE_EPOLL_PER_THREAD,
							  RTE_INTR_EVENT_ADD, NULL),
				0);
		CU_ASSERT_TRUE(toy_xdp_send(wire, round));
		CU_ASSERT_TRUE(sleep_for_one(port));
		CU_ASSERT_EQUAL(rte_eth_dev_stop(port), 0);
		toy_log_begin();
		CU_ASSERT_EQUAL(rte_eth_dev_rx_intr_enable(port, 0), -ENOTSUP);
		CU_ASSERT_TRUE(toy_log_has("v0: rx queue 0 has no interrupt"));
		CU_ASSERT_EQUAL(toy_log_lines(), 1);
		CU_ASSERT_EQUAL(rte_eth_dev_start(port), 0);
	}
	close(wire);
	toy_xdp_unplug();
}

static void test_a_port_that_was_not_asked_for_interrupts_has_none(void)
{
	static const struct rte_eth_conf none = {0};
	uint16_t port;

	CU_ASSERT_EQUAL_FATAL(toy_xdp_plug("", &port), 0);
	CU_ASSERT_EQUAL_FATAL(toy_xdp_start(port, 1, &none), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_rx_intr_enable(port, 0), -ENOTSUP);
	CU_ASSERT_EQUAL(rte_eth_dev_rx_intr_disable(port, 0), -ENOTSUP);
	CU_ASSERT_NOT_EQUAL(
		rte_eth_dev_rx_intr_ctl_q(port, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL),
		0);
	toy_xdp_unplug();
}

static const struct weir_test tests[] = {
	TEST(no_wake_up_is_lost_on_a_queue_of_one_socket),
	TEST(no_wake_up_is_lost_on_a_queue_of_several_sockets),
	TEST(what_was_taken_already_wakes_nobody),
	TEST(a_queue_without_a_buffer_is_not_slept_on),
	TEST(interrupts_come_again_after_stop_and_start),
	TEST(a_port_that_was_not_asked_for_interrupts_has_none),
};

int main(void)
{
	const int rc = toy_xdp_begin();

	return rc != 0 ? rc : weir_tests_run("xdp/intr", tests, sizeof(tests) / sizeof(tests[0]));
}
