/* SPDX-License-Identifier: BSD-3-Clause */

/* Handles, what is bound where, and edges of readiness. */

#include "toy_stack.h"

#include <errno.h>

static void test_a_closed_socket_is_not_the_next_one_at_its_place(void)
{
	const struct weir_endpoint at = toy_end("192.0.2.1", 53);
	struct weir_stack *s = toy_stack(1, 1);
	weir_sock sock, old[300];
	struct weir_dgram d;

	/* More than there are generations. */
	for (unsigned i = 0; i < 300; i++) {
		CU_ASSERT_EQUAL_FATAL(weir_udp_open(s, &at, NULL, &sock), 0);
		CU_ASSERT_NOT_EQUAL(sock, WEIR_NO_SOCK);
		if (i > 0) {
			CU_ASSERT_NOT_EQUAL(sock, old[i - 1]);
			CU_ASSERT_EQUAL(weir_udp_recv(s, old[i - 1], &d), -EBADF);
			CU_ASSERT_EQUAL(weir_sock_close(s, old[i - 1]), -EBADF);
		}
		CU_ASSERT_EQUAL(weir_udp_recv(s, sock, &d), -EAGAIN);
		CU_ASSERT_EQUAL(weir_sock_close(s, sock), 0);
		old[i] = sock;
	}
	CU_ASSERT_EQUAL(weir_sock_close(s, WEIR_NO_SOCK), -EBADF);
	CU_ASSERT_EQUAL(weir_sock_close(s, UINT32_MAX), -EBADF);
	weir_stack_free(s);
}

static struct sock *find(struct weir_stack *s, const struct weir_endpoint *at)
{
	static const struct weir_endpoint nobody;

	return sock_find(s, at, &nobody);
}

static void test_an_address_is_one_sockets_and_any_overlaps_all(void)
{
	const struct weir_endpoint one = toy_end("192.0.2.1", 53), six = toy_end("2001:db8::1", 53),
				   two = toy_end("192.0.2.2", 54), any = {.port = 53},
				   any2 = {.port = 54}, other = toy_end("192.0.2.1", 55);
	struct weir_stack *s = toy_stack(3, 1);
	weir_sock a, b, c, d;

	CU_ASSERT_EQUAL(weir_udp_open(s, &one, NULL, &a), 0);
	CU_ASSERT_EQUAL(weir_udp_open(s, &one, NULL, &d), -EADDRINUSE);
	CU_ASSERT_EQUAL(weir_udp_open(s, &six, NULL, &b), 0);
	CU_ASSERT_EQUAL(weir_udp_open(s, &any, NULL, &c), -EADDRINUSE);
	CU_ASSERT_EQUAL(weir_udp_open(s, &any2, NULL, &c), 0);
	CU_ASSERT_EQUAL(weir_udp_open(s, &two, NULL, &d), -EADDRINUSE);
	CU_ASSERT_EQUAL(weir_udp_open(s, &other, NULL, &d), -ENFILE);
	CU_ASSERT_EQUAL(weir_udp_open(s, &(struct weir_endpoint){.port = 0}, NULL, &d), -EINVAL);
	CU_ASSERT_PTR_EQUAL(find(s, &one), sock_of(s, a));
	CU_ASSERT_PTR_EQUAL(find(s, &six), sock_of(s, b));
	CU_ASSERT_PTR_EQUAL(find(s, &two), sock_of(s, c));
	CU_ASSERT_PTR_NULL(find(s, &other));
	CU_ASSERT_EQUAL(weir_sock_close(s, c), 0);
	CU_ASSERT_PTR_NULL(find(s, &two));
	CU_ASSERT_EQUAL(weir_udp_open(s, &other, NULL, &d), 0);
	CU_ASSERT_PTR_EQUAL(find(s, &other), sock_of(s, d));
	weir_stack_free(s);
}

static void test_edges_come_once_and_in_order_and_go_with_their_socket(void)
{
	struct weir_stack *s = toy_stack(5, 1);
	struct weir_event ev[5];
	struct sock *k[5];
	weir_sock sock[5];
	int user[5];

	for (uint16_t i = 0; i < 5; i++) {
		const struct weir_endpoint at = {.port = (uint16_t)(i + 1)};

		CU_ASSERT_EQUAL_FATAL(weir_udp_open(s, &at, &user[i], &sock[i]), 0);
		k[i] = sock_of(s, sock[i]);
	}
	for (unsigned i = 0; i < 5; i++)
		sock_is_ready(s, k[4 - i]);
	sock_is_ready(s, k[4]);				 /* told once */
	CU_ASSERT_EQUAL(weir_sock_close(s, sock[4]), 0); /* the first */
	CU_ASSERT_EQUAL(weir_sock_close(s, sock[2]), 0); /* between */
	CU_ASSERT_EQUAL(weir_sock_close(s, sock[0]), 0); /* the last */
	CU_ASSERT_EQUAL_FATAL(weir_stack_events(s, ev, 1), 1);
	CU_ASSERT_EQUAL(ev[0].sock, sock[3]);
	CU_ASSERT_PTR_EQUAL(ev[0].user, &user[3]);
	CU_ASSERT_EQUAL(ev[0].ready, WEIR_READY_IN);
	sock_is_ready(s, k[3]); /* again: behind the other */
	CU_ASSERT_EQUAL_FATAL(weir_stack_events(s, ev, 5), 2);
	CU_ASSERT_EQUAL(ev[0].sock, sock[1]);
	CU_ASSERT_EQUAL(ev[1].sock, sock[3]);
	CU_ASSERT_EQUAL(weir_stack_events(s, ev, 5), 0);
	weir_stack_free(s);
}

/* Against an array that is walked: open, close and find in random order. */
static void test_a_thousand_random_calls_agree_with_a_list(void)
{
	enum { N = 64 };
	struct weir_stack *s = toy_stack(N, 1);
	struct {
		struct weir_endpoint at;
		weir_sock sock;
	} list[N];
	unsigned n = 0, seed = 1, refused = 0;

	for (unsigned turn = 0; turn < 20000; turn++) {
		struct weir_endpoint at = {.addr = {.family = rand_r(&seed) % 8 == 0 ? 0 : 4},
					   .port = (uint16_t)(1 + rand_r(&seed) % 16)};
		bool overlaps = false;
		unsigned same = N;

		if (at.addr.family != 0)
			memcpy(at.addr.bytes, (uint8_t[]){192, 0, 2, (uint8_t)(rand_r(&seed) % 8)},
			       4);
		for (unsigned i = 0; i < n; i++) {
			if (list[i].at.port != at.port)
				continue;
			if (weir_addr_equal(&list[i].at.addr, &at.addr))
				same = i;
			overlaps |= same == i || at.addr.family == 0 || list[i].at.addr.family == 0;
		}
		if (rand_r(&seed) % 2 == 0) {
			const int rc = weir_udp_open(s, &at, NULL, &list[n == N ? 0 : n].sock);

			CU_ASSERT_EQUAL(rc, overlaps ? -EADDRINUSE : n == N ? -ENFILE : 0);
			refused += rc != 0;
			if (rc == 0)
				list[n++].at = at;
		} else if (same < N) {
			CU_ASSERT_EQUAL(weir_sock_close(s, list[same].sock), 0);
			list[same] = list[--n];
		} else if (at.addr.family != 0) {
			CU_ASSERT_PTR_EQUAL(find(s, &at),
					    find(s, &(struct weir_endpoint){.port = at.port}));
		}
	}
	CU_ASSERT(refused > 100);
	for (unsigned i = 0; i < n; i++)
		CU_ASSERT_PTR_EQUAL(find(s, &list[i].at), sock_of(s, list[i].sock));
	weir_stack_free(s);
}

WEIR_TESTS("stack/sock", TEST(a_closed_socket_is_not_the_next_one_at_its_place),
	   TEST(an_address_is_one_sockets_and_any_overlaps_all),
	   TEST(edges_come_once_and_in_order_and_go_with_their_socket),
	   TEST(a_thousand_random_calls_agree_with_a_list))
