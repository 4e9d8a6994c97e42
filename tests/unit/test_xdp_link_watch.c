/* SPDX-License-Identifier: BSD-3-Clause */
/* The interrupt thread tells of a veth pair in a namespace of this test's own. Needs root. */
#include "failalloc.h"
#include "link_priv.h"
#include "test.h"
#include "toy_netns.h"

#include <net/if.h>
#include <pthread.h>
#include <rte_common.h>
#include <rte_eal.h>
#include <semaphore.h>
#include <time.h>
#include <unistd.h>

#define WAIT_S 20

/* What the interrupt thread told of one interface. Everything under the lock. */
struct seen {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned links, mtus, addresses, gones;
	bool up;
	uint32_t mtu;
	bool removed;	       /* by the test: nothing may be told any more */
	bool late;	       /* yet something was */
	bool remove_at_link;   /* from within the event */
	sem_t *hold_addresses; /* the event waits for it */
	struct xdp_link_watch *watch;
};

#define SEEN                                                                           \
	{                                                                              \
		.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER \
	}

static void enter(struct seen *s)
{
	pthread_mutex_lock(&s->lock);
	s->late |= s->removed;
}

static void leave(struct seen *s)
{
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static void on_link(void *arg, bool up)
{
	struct seen *s = arg;

	enter(s);
	s->links++;
	s->up = up;
	if (s->remove_at_link) {
		xdp_link_watch_remove(s->watch);
		s->removed = true;
	}
	leave(s);
}

static void on_mtu(void *arg, uint32_t mtu)
{
	struct seen *s = arg;

	enter(s);
	s->mtus++;
	s->mtu = mtu;
	leave(s);
}

static void on_addresses(void *arg)
{
	struct seen *s = arg;
	sem_t *hold;

	enter(s);
	s->addresses++;
	hold = s->hold_addresses;
	leave(s);
	if (hold != NULL)
		sem_wait(hold);
}

static void on_gone(void *arg)
{
	struct seen *s = arg;

	enter(s);
	s->gones++;
	leave(s);
}

static const struct xdp_link_events events = {
	.link = on_link, .mtu = on_mtu, .addresses = on_addresses, .gone = on_gone};

/* Until the condition holds; fails after WAIT_S seconds. */
#define WAIT_FOR(s, condition)                                                         \
	do {                                                                           \
		struct timespec end;                                                   \
		int rc_ = 0;                                                           \
                                                                                       \
		clock_gettime(CLOCK_REALTIME, &end);                                   \
		end.tv_sec += WAIT_S;                                                  \
		pthread_mutex_lock(&(s)->lock);                                        \
		while (!(condition) && rc_ == 0)                                       \
			rc_ = pthread_cond_timedwait(&(s)->changed, &(s)->lock, &end); \
		CU_ASSERT_TRUE(condition);                                             \
		pthread_mutex_unlock(&(s)->lock);                                      \
	} while (0)

static void watch(struct seen *s)
{
	CU_ASSERT_EQUAL_FATAL(xdp_link_watch_add((int)if_nametoindex("v0"), &events, s, &s->watch),
			      0);
}

static void unwatch(struct seen *s)
{
	xdp_link_watch_remove(s->watch);
	pthread_mutex_lock(&s->lock);
	s->removed = true;
	pthread_mutex_unlock(&s->lock);
}

static void test_state_is_told_at_the_start_and_at_each_change(void)
{
	struct seen s = SEEN;

	CU_ASSERT_TRUE_FATAL(toy_veth());
	watch(&s);
	WAIT_FOR(&s, s.links == 1 && s.up && s.mtus == 1 && s.mtu == 1500);
	CU_ASSERT_TRUE(toy_sh("ip link set v1 down"));
	WAIT_FOR(&s, s.links == 2 && !s.up);
	CU_ASSERT_TRUE(toy_sh("ip link set v1 up"));
	WAIT_FOR(&s, s.links == 3 && s.up);
	CU_ASSERT_TRUE(toy_sh("ip link set v0 down"));
	WAIT_FOR(&s, s.links == 4 && !s.up);
	CU_ASSERT_TRUE(toy_sh("ip link set v0 mtu 1400"));
	WAIT_FOR(&s, s.mtus == 2 && s.mtu == 1400);
	CU_ASSERT_TRUE(toy_sh("ip link set v0 name w0"));
	CU_ASSERT_TRUE(toy_sh("ip link set w0 up"));
	WAIT_FOR(&s, s.links == 5 && s.up);
	CU_ASSERT_EQUAL(s.gones, 0);
	unwatch(&s);
	CU_ASSERT_TRUE(toy_veth_end());
	CU_ASSERT_FALSE(s.late);
}

static void test_addresses_of_other_interfaces_are_told_too(void)
{
	struct seen s = SEEN;
	unsigned before;

	CU_ASSERT_TRUE_FATAL(toy_sh("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6"));
	CU_ASSERT_TRUE_FATAL(toy_veth());
	watch(&s);
	WAIT_FOR(&s, s.links == 1);
	before = s.addresses;
	CU_ASSERT_TRUE(toy_sh("ip addr add 192.0.2.1/24 dev v0"));
	WAIT_FOR(&s, s.addresses == before + 1);
	CU_ASSERT_TRUE(toy_sh("ip addr add 198.51.100.1/24 dev v1"));
	WAIT_FOR(&s, s.addresses == before + 2);
	CU_ASSERT_TRUE(toy_sh("ip addr del 192.0.2.1/24 dev v0"));
	WAIT_FOR(&s, s.addresses == before + 3);
	unwatch(&s);
	CU_ASSERT_TRUE(toy_veth_end());
	CU_ASSERT_TRUE(toy_sh("echo 0 >/proc/sys/net/ipv6/conf/default/disable_ipv6"));
}

static void test_a_deleted_interface_is_gone_once_and_then_all_is_quiet(void)
{
	struct seen s = SEEN;

	CU_ASSERT_TRUE_FATAL(toy_veth());
	watch(&s);
	WAIT_FOR(&s, s.links == 1);
	CU_ASSERT_TRUE(toy_veth_end());
	WAIT_FOR(&s, s.gones == 1);
	s.removed = true; /* from here on, as if: any event is late */
	CU_ASSERT_TRUE(toy_veth());
	CU_ASSERT_TRUE(toy_veth_end());
	unwatch(&s);
	CU_ASSERT_EQUAL(s.gones, 1);
	CU_ASSERT_FALSE(s.late);
}

static void test_an_interface_that_leaves_the_namespace_is_gone(void)
{
	struct seen s = SEEN;

	CU_ASSERT_TRUE_FATAL(toy_veth());
	watch(&s);
	WAIT_FOR(&s, s.links == 1);
	/* Into the namespace of a child, which removes it: the kernel would do so some time later.
	 */
	CU_ASSERT_TRUE(toy_sh("unshare -n sh -c 'nsenter --net=/proc/%d/ns/net "
			      "ip link set v0 netns $$ && ip link del v0'",
			      getpid()));
	WAIT_FOR(&s, s.gones == 1);
	unwatch(&s);
}

static void test_a_watch_of_nothing_is_told_so(void)
{
	struct seen s = SEEN;

	CU_ASSERT_EQUAL_FATAL(xdp_link_watch_add(999999, &events, &s, &s.watch), 0);
	WAIT_FOR(&s, s.gones == 1);
	CU_ASSERT_EQUAL(s.links, 0);
	unwatch(&s);
}

static void test_news_that_were_lost_are_asked_for_anew(void)
{
	struct seen s = SEEN;
	sem_t hold;

	CU_ASSERT_EQUAL_FATAL(sem_init(&hold, 0, 0), 0);
	CU_ASSERT_TRUE_FATAL(toy_veth());
	watch(&s);
	WAIT_FOR(&s, s.links == 1 && s.up);
	pthread_mutex_lock(&s.lock);
	s.hold_addresses = &hold;
	pthread_mutex_unlock(&s.lock);
	CU_ASSERT_TRUE(toy_sh("ip addr add 192.0.2.1/24 dev v1"));
	WAIT_FOR(&s, s.addresses > 0);
	/* The interrupt thread waits; its socket overflows, and the end of the link is lost. */
	CU_ASSERT_TRUE(toy_sh("for i in $(seq 1000); do echo addr add 198.51.100.1/24 dev v1; "
			      "echo addr del 198.51.100.1/24 dev v1; done | ip -batch -"));
	CU_ASSERT_TRUE(toy_sh("ip link set v1 down"));
	CU_ASSERT_TRUE(toy_sh("awk '$9 > 0 {lost = 1} END {exit !lost}' /proc/net/netlink"));
	pthread_mutex_lock(&s.lock);
	s.hold_addresses = NULL;
	pthread_mutex_unlock(&s.lock);
	sem_post(&hold);
	WAIT_FOR(&s, s.links == 2 && !s.up);
	unwatch(&s);
	CU_ASSERT_TRUE(toy_veth_end());
	sem_destroy(&hold);
}

static void test_a_watch_may_be_removed_by_its_own_event(void)
{
	struct seen s = SEEN;

	CU_ASSERT_TRUE_FATAL(toy_veth());
	s.remove_at_link = true;
	pthread_mutex_lock(&s.lock); /* until s.watch is known */
	watch(&s);
	pthread_mutex_unlock(&s.lock);
	WAIT_FOR(&s, s.removed);
	CU_ASSERT_TRUE(toy_sh("ip link set v1 down && ip link set v1 up"));
	CU_ASSERT_TRUE(toy_veth_end());
	CU_ASSERT_EQUAL(s.links, 1);
	CU_ASSERT_EQUAL(s.mtus, 0);
	CU_ASSERT_EQUAL(s.gones, 0);
	CU_ASSERT_FALSE(s.late);
}

static void test_once_removed_nothing_is_told_even_in_the_middle_of_news(void)
{
	CU_ASSERT_TRUE_FATAL(toy_veth());
	for (unsigned i = 0; i < 300; i++) {
		struct seen s = SEEN;

		watch(&s); /* its first news are under way at once */
		if (i % 3 == 0)
			WAIT_FOR(&s, s.links == 1);
		unwatch(&s);
		CU_ASSERT_FALSE(s.late);
	}
	CU_ASSERT_TRUE(toy_veth_end());
}

static void test_memory_that_runs_out_leaves_no_watch_behind(void)
{
	struct seen s = SEEN;

	failalloc_at(1);
	CU_ASSERT_EQUAL(xdp_link_watch_add(1, &events, &s, &s.watch), -ENOMEM);
	CU_ASSERT_FALSE(failalloc_done());
	CU_ASSERT_PTR_NULL(s.watch);
	xdp_link_watch_remove(NULL);
}

static const struct weir_test tests[] = {
	TEST(state_is_told_at_the_start_and_at_each_change),
	TEST(addresses_of_other_interfaces_are_told_too),
	TEST(a_deleted_interface_is_gone_once_and_then_all_is_quiet),
	TEST(an_interface_that_leaves_the_namespace_is_gone),
	TEST(a_watch_of_nothing_is_told_so),
	TEST(news_that_were_lost_are_asked_for_anew),
	TEST(a_watch_may_be_removed_by_its_own_event),
	TEST(once_removed_nothing_is_told_even_in_the_middle_of_news),
	TEST(memory_that_runs_out_leaves_no_watch_behind),
};

int main(void)
{
	char args[][16] = {"test",	     "--no-huge", "--no-shconf", "--no-pci",
			   "--no-telemetry", "-m",	  "32",		 "--lcores=0"};
	char *argv[RTE_DIM(args)];

	for (unsigned i = 0; i < RTE_DIM(args); i++)
		argv[i] = args[i];
	if (!toy_netns())
		return 77;
	if (rte_eal_init(RTE_DIM(args), argv) < 0)
		return 1;
	return weir_tests_run("xdp/link_watch", tests, sizeof(tests) / sizeof(tests[0]));
}
