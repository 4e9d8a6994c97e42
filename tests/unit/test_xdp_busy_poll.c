/* SPDX-License-Identifier: BSD-3-Clause */

/* Preferred busy polling by what the kernel has granted: no device that copies nothing is needed,
 * for a port without sockets has only to decide. */

#include "test.h"
#include "toy_xdp_log.h"

#include "queue.c"

static struct xdp_port port;

static bool polls(enum xdp_want want, bool zero_copy)
{
	memset(&port, 0, sizeof(port));
	port.args.busy_poll = want;
	port.modes.zero_copy = zero_copy;
	tune(&port);
	return port.modes.busy_poll;
}

static void test_by_default_it_is_on_where_nothing_is_copied_alone(void)
{
	CU_ASSERT_TRUE(polls(XDP_WANT_AUTO, true));
	CU_ASSERT_FALSE(polls(XDP_WANT_AUTO, false));
}

static void test_what_is_asked_for_holds_in_either_mode(void)
{
	for (unsigned zero_copy = 0; zero_copy < 2; zero_copy++) {
		CU_ASSERT_TRUE(polls(XDP_WANT_ON, zero_copy));
		CU_ASSERT_FALSE(polls(XDP_WANT_OFF, zero_copy));
	}
}

static void test_a_kernel_that_refuses_it_is_told_of_once(void)
{
	struct xdp_sock socks[2] = {{.txq = UINT16_MAX}, {.txq = UINT16_MAX}};
	int fds[2] = {-1, -1};

	memset(&port, 0, sizeof(port));
	snprintf(port.args.iface, sizeof(port.args.iface), "v0");
	port.modes.zero_copy = true;
	port.socks = socks;
	port.n_socks = 2;
	xdp_fds[port.port_id] = fds;
	toy_log_begin();
	tune(&port);
	xdp_fds[port.port_id] = NULL;
	CU_ASSERT_FALSE(port.modes.busy_poll);
	CU_ASSERT_TRUE(toy_log_has("v0: no preferred busy polling"));
	CU_ASSERT_EQUAL(toy_log_lines(), 1);
}

WEIR_TESTS("xdp/busy_poll", TEST(by_default_it_is_on_where_nothing_is_copied_alone),
	   TEST(what_is_asked_for_holds_in_either_mode),
	   TEST(a_kernel_that_refuses_it_is_told_of_once))
