/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The mirror of a real kernel, in a network namespace that lives as long as this process. Without
 * the right to make one (not root) the test says so and ends with 77: skipped.
 */

#include "failalloc.h"
#include "toy_rib.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <weir/kernel_routes.h>

static struct weir_rib *rib;
static struct weir_kernel *kernel;
static const struct weir_l3 *l3;
static unsigned published, neighbours, forgotten;
static int publish_rc;

static int publish(void *ctx, const struct weir_l3 *fresh)
{
	(void)ctx;
	if (publish_rc < 0)
		return publish_rc;
	weir_rib_release(rib, l3);
	l3 = fresh;
	published++;
	return 0;
}

static void on_neigh(void *ctx, uint16_t iface, const struct weir_addr *addr,
		     const struct weir_mac *mac)
{
	(void)ctx;
	if (iface == 0 && addr->family == 4 && addr->bytes[3] == 77)
		*(mac != NULL ? &neighbours : &forgotten) += 1;
}

static void sh(const char *command)
{
	CU_ASSERT_EQUAL_FATAL(system(command), 0);
}

/* The ip command has ended, so its news are in the queue already. */
static int follow(void)
{
	struct pollfd p = {.fd = weir_kernel_fd(kernel), .events = POLLIN};
	struct weir_why why = {""};
	int rc;

	CU_ASSERT_EQUAL(poll(&p, 1, 5000), 1);
	rc = weir_kernel_poll(kernel, &why);
	if (rc < 0)
		printf("%s\n", why.text);
	return rc;
}

/* 100.64.N.0/24 for n values of N; one command, so that their news are one batch. */
static void route_each(unsigned first, unsigned n, const char *how)
{
	char command[128];

	snprintf(
		command, sizeof(command),
		"for i in $(seq %u %u); do echo route replace 100.64.$i.0/24 %s; done | ip -batch -",
		first, first + n - 1, how);
	sh(command);
}

static bool goes_via(const char *to, const char *gateway)
{
	const struct weir_hop *hop = &l3->hops[toy_lookup(l3, to)];
	const struct weir_addr a = toy_addr(gateway);

	return hop->kind == WEIR_HOP_GATEWAY && weir_addr_equal(&hop->gateway, &a);
}

static void set_links(void)
{
	const struct weir_kernel_link links[] = {{if_nametoindex("wan"), 0},
						 {if_nametoindex("lan"), 1}};

	CU_ASSERT_EQUAL(weir_kernel_links(kernel, links, 2, NULL), 0);
}

static void begin(void)
{
	const struct weir_iface ifaces[] = {
		toy_iface("wan", 0, "192.0.2.1/24", "2001:db8::1/64"),
		toy_iface("lan", 1, "10.0.0.1/24", "2001:db8:1::1/64"),
	};
	const struct weir_kernel_conf conf = {.publish = publish, .neigh = on_neigh};
	struct weir_kernel_conf with_rib = conf;

	toy_rib_eal();
	CU_ASSERT_EQUAL_FATAL(unshare(CLONE_NEWNET), 0);
	sh("ip link add wan type veth peer name wan-far && ip link add lan type veth peer name "
	   "lan-far && for i in wan lan wan-far lan-far; do ip link set $i up || exit 1; done");
	sh("ip addr add 192.0.2.1/24 dev wan && ip addr add 2001:db8::1/64 dev wan nodad && "
	   "ip addr add 10.0.0.1/24 dev lan && ip addr add 2001:db8:1::1/64 dev lan nodad");
	CU_ASSERT_EQUAL_FATAL(weir_rib_create(&toy_rib_conf, &rib, NULL), 0);
	CU_ASSERT_EQUAL(weir_rib_begin(rib), 0);
	CU_ASSERT_EQUAL(weir_rib_set_ifaces(rib, ifaces, 2, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(weir_rib_commit(rib, &l3, NULL), 0);
	with_rib.rib = rib;
	CU_ASSERT_EQUAL_FATAL(weir_kernel_create(&with_rib, &kernel, NULL), 0);
	set_links();
}

static void end(void)
{
	weir_kernel_free(kernel);
	weir_rib_release(rib, l3);
	weir_rib_free(rib);
	l3 = NULL;
	published = 0;
}

static void test_routes_that_are_there_are_read_at_the_start(void)
{
	begin();
	sh("ip route add 203.0.113.0/24 via 192.0.2.9 && "
	   "ip route add default via 10.0.0.9 metric 100 && "
	   "ip route add blackhole 198.51.100.0/24 && ip route add prohibit 198.51.101.0/24 && "
	   "ip -6 route add 2001:db8:99::/48 via 2001:db8::9 && "
	   "ip route add 203.0.114.0/24 nexthop via 192.0.2.8 nexthop via 10.0.0.8 && "
	   "ip route add 203.0.115.0/24 via inet6 fe80::9 dev wan && "
	   "ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev wan");
	CU_ASSERT_EQUAL(weir_kernel_poll(kernel, NULL), 1);
	CU_ASSERT_EQUAL(published, 1);
	CU_ASSERT(goes_via("203.0.113.1", "192.0.2.9"));
	CU_ASSERT(goes_via("8.8.8.8", "10.0.0.9"));
	CU_ASSERT(goes_via("2001:db8:99::1", "2001:db8::9"));
	CU_ASSERT(goes_via("203.0.115.1", "fe80::9"));
	CU_ASSERT_EQUAL(toy_kind(l3, "198.51.100.1"), WEIR_HOP_BLACKHOLE);
	CU_ASSERT_EQUAL(toy_kind(l3, "198.51.101.1"), WEIR_HOP_PROHIBIT);
	CU_ASSERT_EQUAL(toy_kind(l3, "203.0.114.1"), WEIR_HOP_GROUP);
	CU_ASSERT_EQUAL(toy_kind(l3, "fe80::1234"), WEIR_HOP_LINK_LOCAL);
	CU_ASSERT(neighbours >= 1);
	CU_ASSERT_EQUAL(weir_kernel_poll(kernel, NULL), 0); /* nothing new: nothing published */
	CU_ASSERT_EQUAL(published, 1);
	end();
}

static void test_changes_are_followed_and_batched(void)
{
	char line[80];

	begin();
	CU_ASSERT_EQUAL(weir_kernel_poll(kernel, NULL), 0);
	published = 0;
	for (unsigned i = 0; i < 50; i++) {
		snprintf(line, sizeof(line), "ip route add 100.64.%u.0/24 via 192.0.2.9", i);
		sh(line);
	}
	CU_ASSERT_EQUAL(follow(), 1);
	CU_ASSERT_EQUAL(published, 1); /* fifty changes, one generation */
	CU_ASSERT(goes_via("100.64.49.1", "192.0.2.9"));
	sh("ip route replace 100.64.0.0/24 via 10.0.0.9 && ip route del 100.64.1.0/24 && "
	   "ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev wan && "
	   "ip neigh del 192.0.2.77 dev wan");
	CU_ASSERT_EQUAL(follow(), 1);
	CU_ASSERT(goes_via("100.64.0.1", "10.0.0.9"));
	CU_ASSERT_EQUAL(toy_kind(l3, "100.64.1.1"), WEIR_HOP_NONE);
	CU_ASSERT(forgotten >= 1);
	end();
}

static void test_ipv6_multipath_loses_one_member_at_a_time(void)
{
	begin();
	sh("ip -6 route add 2001:db8:99::/48 nexthop via 2001:db8::8 nexthop via 2001:db8::9");
	CU_ASSERT_EQUAL(follow(), 1);
	CU_ASSERT_EQUAL(toy_kind(l3, "2001:db8:99::1"), WEIR_HOP_GROUP);
	sh("ip -6 route del 2001:db8:99::/48 via 2001:db8::8");
	CU_ASSERT_EQUAL(follow(), 1);
	CU_ASSERT(goes_via("2001:db8:99::1", "2001:db8::9"));
	sh("ip -6 route del 2001:db8:99::/48");
	CU_ASSERT_EQUAL(follow(), 1);
	CU_ASSERT_EQUAL(toy_kind(l3, "2001:db8:99::1"), WEIR_HOP_NONE);
	end();
}

static void test_routes_of_a_device_that_went_down_go_too(void)
{
	begin();
	sh("ip route add 203.0.113.0/24 via 192.0.2.9");
	CU_ASSERT_EQUAL(weir_kernel_poll(kernel, NULL), 1);
	CU_ASSERT(goes_via("203.0.113.1", "192.0.2.9"));
	sh("ip link set wan down"); /* the kernel tells nothing of the route */
	CU_ASSERT_EQUAL(follow(), 1);
	CU_ASSERT_EQUAL(toy_kind(l3, "203.0.113.1"), WEIR_HOP_NONE);
	end();
}

static void test_news_that_were_lost_lead_to_a_full_read(void)
{
	const int small = 2304; /* of bytes: a message or two */
	struct weir_kernel_stats before, after;
	char line[80];

	begin();
	CU_ASSERT_EQUAL(weir_kernel_poll(kernel, NULL), 0);
	weir_kernel_stats(kernel, &before);
	CU_ASSERT_EQUAL(
		setsockopt(weir_kernel_fd(kernel), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)),
		0);
	for (unsigned i = 0; i < 40; i++) {
		snprintf(line, sizeof(line), "ip route add 100.64.%u.0/24 via 192.0.2.9", i);
		sh(line);
	}
	CU_ASSERT_EQUAL(follow(), 1);
	weir_kernel_stats(kernel, &after);
	CU_ASSERT(after.resyncs > before.resyncs);
	for (unsigned i = 0; i < 40; i++) {
		snprintf(line, sizeof(line), "100.64.%u.1", i);
		CU_ASSERT(goes_via(line, "192.0.2.9"));
	}
	end();
}

static void test_what_cannot_be_published_is_reverted_and_read_again(void)
{
	begin();
	CU_ASSERT_EQUAL(weir_kernel_poll(kernel, NULL), 0);
	sh("ip route add 203.0.113.0/24 via 192.0.2.9");
	publish_rc = -EIO;
	CU_ASSERT_EQUAL(weir_kernel_poll(kernel, NULL), -EIO);
	CU_ASSERT_EQUAL(toy_kind(l3, "203.0.113.1"), WEIR_HOP_NONE);
	publish_rc = 0;
	CU_ASSERT_EQUAL(weir_kernel_poll(kernel, NULL), 1);
	CU_ASSERT(goes_via("203.0.113.1", "192.0.2.9"));
	end();
}

/* The change keeps 64 steps without an allocation, so that one more needs one. */
static void test_a_route_that_cannot_be_taken_out_is_told_and_read_again(void)
{
	begin();
	CU_ASSERT_EQUAL(weir_kernel_poll(kernel, NULL), 0);
	for (unsigned first = 0; first < 80; first += 40) {
		route_each(first, 40, "via 192.0.2.9");
		CU_ASSERT_EQUAL(follow(), 1);
	}
	route_each(0, 80, "dev wan-far"); /* no device of weir's */
	failalloc_at(1);
	CU_ASSERT_EQUAL(weir_kernel_poll(kernel, NULL), -ENOMEM);
	CU_ASSERT_FALSE(failalloc_done());
	CU_ASSERT(goes_via("100.64.79.1", "192.0.2.9"));
	CU_ASSERT_EQUAL(weir_kernel_poll(kernel, NULL), 1);
	CU_ASSERT_EQUAL(toy_kind(l3, "100.64.0.1"), WEIR_HOP_NONE);
	CU_ASSERT_EQUAL(toy_kind(l3, "100.64.79.1"), WEIR_HOP_NONE);
	end();
}

static void test_create_survives_failing_allocations(void)
{
	const struct weir_kernel_conf conf = {.publish = publish};
	struct weir_kernel *k = NULL;

	FAILALLOC_EACH(n)
	{
		const int rc = weir_kernel_create(&conf, &k, NULL);

		if (failalloc_done())
			break;
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(k);
	}
	CU_ASSERT_PTR_NOT_NULL(k);
	weir_kernel_free(k);
}

int main(void)
{
	static const struct weir_test tests[] = {
		TEST(create_survives_failing_allocations),
		TEST(routes_that_are_there_are_read_at_the_start),
		TEST(changes_are_followed_and_batched),
		TEST(ipv6_multipath_loses_one_member_at_a_time),
		TEST(routes_of_a_device_that_went_down_go_too),
		TEST(news_that_were_lost_lead_to_a_full_read),
		TEST(what_cannot_be_published_is_reverted_and_read_again),
		TEST(a_route_that_cannot_be_taken_out_is_told_and_read_again),
	};

	if (unshare(CLONE_NEWNET) < 0) {
		printf("skipped: making a network namespace needs root\n");
		return 77;
	}
	return weir_tests_run("kernel/routes", tests, sizeof(tests) / sizeof(tests[0]));
}
