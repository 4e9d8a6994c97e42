/* SPDX-License-Identifier: BSD-3-Clause */

/* A stack at a file descriptor. Two of them talk over a pair of sockets, a packet a datagram. */

#include "toy_eal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir/meta.h>
#include <weir/socket.h>
#include <weir/stack_fd.h>

#define MBUFS 511
#define PORT  7

struct end {
	struct weir_stack_fd fd;
	struct weir_stack *stack;
	weir_sock sock;
};

static struct rte_mempool *pool;
static struct end us, them;

static struct weir_endpoint at(const char *addr, uint16_t port)
{
	struct weir_endpoint e = {.port = port};

	CU_ASSERT_EQUAL_FATAL(weir_addr_parse(addr, strlen(addr), &e.addr), 0);
	return e;
}

static void begin_end(struct end *e, int fd, const char *addr)
{
	const struct weir_stack_conf conf = {.pool = pool,
					     .sockets = 1,
					     .socket_pkts = MBUFS,
					     .output = weir_stack_fd_output,
					     .ctx = &e->fd};
	const struct weir_endpoint ours = at(addr, PORT);

	*e = (struct end){.fd.fd = fd};
	CU_ASSERT_EQUAL_FATAL(weir_stack_create(&conf, &e->stack), 0);
	CU_ASSERT_EQUAL_FATAL(weir_udp_open(e->stack, &ours, NULL, &e->sock), 0);
}

static void begin(void)
{
	int pair[2];

	toy_eal();
	if (pool == NULL)
		pool = weir_stack_pool("fd", MBUFS);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
	begin_end(&us, pair[0], "192.0.2.1");
	begin_end(&them, pair[1], "192.0.2.2");
}

/* Nothing is held by what has ended. */
static void end(void)
{
	weir_stack_free(us.stack);
	weir_stack_free(them.stack);
	close(us.fd.fd);
	close(them.fd.fd);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(pool), 0);
}

/* Datagrams of three bytes leave for the other end. */
static void say(unsigned datagrams)
{
	const struct weir_endpoint to = at("192.0.2.2", PORT);

	for (unsigned i = 0; i < datagrams; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		memcpy(rte_pktmbuf_append(m, 3), "say", 3);
		CU_ASSERT_EQUAL_FATAL(weir_udp_send(us.stack, us.sock, m, &to, NULL), 0);
	}
	weir_stack_poll(us.stack, 0);
}

static void test_a_packet_goes_out_by_one_and_in_by_the_other(void)
{
	struct weir_dgram got;

	begin();
	say(1);
	CU_ASSERT_EQUAL(us.fd.out_pkts, 1);
	CU_ASSERT_EQUAL(weir_stack_fd_input(them.stack, &them.fd, 32, 0), 1);
	CU_ASSERT_EQUAL(them.fd.in_pkts, 1);
	CU_ASSERT_EQUAL(them.fd.refused_pkts, 0);
	CU_ASSERT_EQUAL_FATAL(weir_udp_recv(them.stack, them.sock, &got), 0);
	CU_ASSERT_EQUAL_FATAL(got.payload->pkt_len, 3);
	CU_ASSERT_EQUAL(memcmp(rte_pktmbuf_mtod(got.payload, char *), "say", 3), 0);
	rte_pktmbuf_free(got.payload);
	end();
}

static void test_a_call_reads_no_more_than_it_may(void)
{
	begin();
	say(3);
	CU_ASSERT_EQUAL(weir_stack_fd_input(them.stack, &them.fd, 2, 0), 2);
	CU_ASSERT_EQUAL(weir_stack_fd_input(them.stack, &them.fd, 2, 0), 1);
	CU_ASSERT_EQUAL(weir_stack_fd_input(them.stack, &them.fd, 2, 0), 0);
	end();
}

static void test_what_is_no_packet_is_counted_and_freed(void)
{
	begin();
	CU_ASSERT_EQUAL_FATAL(write(us.fd.fd, "no packet", 9), 9);
	CU_ASSERT_EQUAL(weir_stack_fd_input(them.stack, &them.fd, 32, 0), 1);
	CU_ASSERT_EQUAL(them.fd.in_pkts, 1);
	CU_ASSERT_EQUAL(them.fd.refused_pkts, 1);
	end();
}

static void test_what_finds_no_room_is_counted_and_freed(void)
{
	const int bytes = 4096;

	begin();
	CU_ASSERT_EQUAL_FATAL(setsockopt(us.fd.fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)),
			      0);
	say(100);
	CU_ASSERT_TRUE(us.fd.lost_pkts > 0);
	CU_ASSERT_EQUAL(us.fd.out_pkts + us.fd.lost_pkts, 100);
	CU_ASSERT_EQUAL(weir_stack_fd_input(them.stack, &them.fd, 100, 0), us.fd.out_pkts);
	end();
}

/* It waits in the descriptor, and is not lost. */
static void test_without_a_buffer_nothing_is_read(void)
{
	struct rte_mbuf *all[MBUFS];
	unsigned n;

	begin();
	say(1);
	for (n = 0; n < MBUFS && (all[n] = rte_pktmbuf_alloc(pool)) != NULL; n++)
		;
	CU_ASSERT_EQUAL(weir_stack_fd_input(them.stack, &them.fd, 32, 0), 0);
	rte_pktmbuf_free_bulk(all, n);
	CU_ASSERT_EQUAL(weir_stack_fd_input(them.stack, &them.fd, 32, 0), 1);
	end();
}

static void test_a_wait_ends_when_something_is_due_or_in_a_minute(void)
{
	const uint64_t now_ns = UINT64_C(5000000000);

	CU_ASSERT_EQUAL(weir_stack_wait_ms(UINT64_MAX, now_ns), -1);
	CU_ASSERT_EQUAL(weir_stack_wait_ms(0, now_ns), 0);
	CU_ASSERT_EQUAL(weir_stack_wait_ms(now_ns, now_ns), 0);
	CU_ASSERT_EQUAL(weir_stack_wait_ms(now_ns + 1, now_ns), 1);
	CU_ASSERT_EQUAL(weir_stack_wait_ms(now_ns + 2500000, now_ns), 3);
	CU_ASSERT_EQUAL(weir_stack_wait_ms(UINT64_MAX - 1, now_ns), 60000);
}

static void test_a_device_has_a_name_of_15_letters_at_most(void)
{
	CU_ASSERT_EQUAL(weir_tun_open("sixteen-letters-"), -ENAMETOOLONG);
}

WEIR_TESTS("stack/fd", TEST(a_packet_goes_out_by_one_and_in_by_the_other),
	   TEST(a_call_reads_no_more_than_it_may), TEST(what_is_no_packet_is_counted_and_freed),
	   TEST(what_finds_no_room_is_counted_and_freed), TEST(without_a_buffer_nothing_is_read),
	   TEST(a_wait_ends_when_something_is_due_or_in_a_minute),
	   TEST(a_device_has_a_name_of_15_letters_at_most))
